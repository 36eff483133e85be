"""``jifen audit``: a ledger that is sound, one that is not, and what is no ledger at all."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jifen.domain.errors import Busy
from jifen.domain.orders import EventType, Line, OrderEvent, Paid
from jifen.service.earning import earn
from jifen.service.spending import Spending
from local import cli
from local.audit import LAWS, rows_of
from local.engines import Engine
from tests.store.tables import engine_or_skip, ledger_on, new_table
from tests.store.values import MOMENT, NOW, PROGRAM

NOW_TEXT = "2026-03-02T00:00:00Z"


class _NoWaiting:
    @staticmethod
    def pause(attempt: int) -> None:
        raise Busy(retry_after_s=attempt)


@pytest.fixture(scope="module")
def kept() -> Iterator[tuple[Engine, str, list[dict[str, Any]]]]:
    """A table with two members' orders and a redemption in it, and its rows."""
    with engine_or_skip("dynoxide") as engine:
        table = new_table(engine)
        ledger = ledger_on(engine, table, PROGRAM)
        for member in ("m1", "m2"):
            paid = Paid(member, NOW, "CNY", (Line(1, "tea", 12_300),))
            event = OrderEvent(EventType.PAID, f"e-{member}", "standard", f"o-{member}", member, NOW, paid)
            earn(ledger, PROGRAM, [event], MOMENT, _NoWaiting())
        Spending(ledger, PROGRAM, MOMENT, _NoWaiting(), "k", "shop").redeem("m1", 50)
        yield engine, table, list(rows_of(engine, table))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program that the rows were written under."""
    file = tmp_path / "program.json"
    file.write_text(json.dumps({"time_zone": "Asia/Shanghai"}), encoding="utf-8")
    return file


def _export(rows: list[dict[str, Any]], file: Path) -> Path:
    """The rows as DynamoDB exports them."""
    lines = (json.dumps({"Item": row}, default=lambda raw: base64.b64encode(bytes(raw)).decode()) for row in rows)
    content = "".join(f"{line}\n" for line in lines)
    file.write_bytes(gzip.compress(content.encode()) if file.suffix == ".gz" else content.encode())
    return file


def _audit(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        code = cli.main(["audit", *map(str, arguments)])
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_running_engine_is_audited(
    kept: tuple[Engine, str, list[Any]], program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its URL, table and program."""
    engine, table, rows = kept
    place = ("--engine", engine.url, "--table", table, "--program", program, "--now", NOW_TEXT, "--shards", 4)

    code, out, _ = _audit(capsys, *place)

    assert (0, f"{len(rows)} rows, 2 accounts, {len(LAWS)} laws: no violations\n") == (code, out)


@pytest.mark.parametrize("name", ["export.json", "export.json.gz"])
def test_an_export_is_audited(
    kept: tuple[Engine, str, list[Any]], program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """In as many files as there are, plain or gzipped."""
    rows = kept[2]
    halves = [_export(rows[:4], tmp_path / f"a-{name}"), _export(rows[4:], tmp_path / f"b-{name}")]

    code, out, _ = _audit(capsys, "--export", *halves, "--program", program, "--now", NOW_TEXT, "--json")

    assert (0, {"rows": len(rows), "accounts": 2, "laws": len(LAWS), "violations": []}) == (code, json.loads(out))


def test_a_forged_ledger_is_refused(
    kept: tuple[Engine, str, list[Any]], program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody has raised a balance: exit code 1, and the laws that say so."""
    rows = json.loads(json.dumps(kept[2], default=lambda raw: base64.b64encode(bytes(raw)).decode()))
    (account,) = (row for row in rows if (row["pk"]["S"], row["sk"]["S"]) == ("M#m2", "A"))
    account["lots"]["S"] = account["lots"]["S"].replace("123", "999")

    code, out, _ = _audit(capsys, "--export", _export(rows, tmp_path / "e.json"), "--program", program)

    assert 1 == code
    assert "lots" in out
    assert "m2" in out
    assert "m1" not in out
    assert "no violations" not in out


def test_a_file_that_is_no_export_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file and the line that is something else."""
    file = tmp_path / "orders.ndjson"
    file.write_text('{"Item": {}}\n{"type": "order.paid"}\n', encoding="utf-8")

    code, _, err = _audit(capsys, "--export", file)

    assert (1, f"jifen audit: {file}, line 2: is no item of a DynamoDB export\n") == (code, err)


def test_nothing_to_audit_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An engine that would start empty, and a path where nothing is."""
    empty, missing = _audit(capsys), _audit(capsys, "--data", tmp_path / "none.db")

    assert (2, True) == (empty[0], "nothing to audit" in empty[2])
    assert (2, True) == (missing[0], "there is no" in missing[2])
