"""The demo shows what a person wants to see, the same for the same seed, in 80 columns."""

import io
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from local import shop
from local.demo import Demo, money, reason_words, run_demo, show_demo
from local.engines import Engine, EngineUnavailable, open_engine

SEED, MEMBERS = 7, 9


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Run one engine for both demos; their file goes into a cache of the test's own."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("POWERTOOLS_LOG_LEVEL", "ERROR")
        try:
            with open_engine("dynoxide", say=lambda _: None) as engine:
                environment.setenv("JIFEN_CACHE", str(tmp_path_factory.mktemp("cache")))
                environment.setattr("local.demo.TODAY", date(2026, 3, 5))  # every day costs sweeps
                yield engine
        except EngineUnavailable as reason:
            pytest.skip(str(reason))


@pytest.fixture(scope="module")
def demo(engine: Engine) -> Demo:
    """Run the demo of a small shop."""
    return run_demo(engine, SEED, MEMBERS, lambda _stage, _done, _all: None)


def _page(demo: Demo, **console: Any) -> str:
    page = io.StringIO()
    show_demo(Console(file=page, markup=False, highlight=False, emoji=False, **console), demo)
    return page.getvalue()


def test_the_page_has_every_section(demo: Demo) -> None:
    """Totals, a statement with reasons, what expires, reminders and the proof are there, and nothing is too wide."""
    page = _page(demo, width=80)
    for section in ("Totals", f"Statement of {demo.member}", "What expires next", "Reminders:", "Proof of"):
        assert re.search(f"^{re.escape(section)}", page, re.MULTILINE), section
    accounts = demo.report["proof"]["accounts"]
    assert f"{accounts} of {accounts} accounts proved" in page
    assert demo.names[demo.member] in page
    body = page.rsplit("The same again", 1)[0]
    assert max(map(cell_len, body.splitlines())) <= 80
    assert "\x1b" not in page


def test_a_terminal_gets_colours(demo: Demo) -> None:
    """The same page, in colour."""
    assert "\x1b[" in _page(demo, width=80, force_terminal=True, color_system="standard")


def test_the_statement_is_of_somebody_to_whom_things_happened(demo: Demo) -> None:
    """The statement's running balance adds up to the account, and more than earning is in it."""
    balance = 0
    for entry in demo.entries:
        balance += entry["points"]
        assert entry["balance_after"] == balance
    assert balance == demo.report["accounts"][demo.member]["balance"]
    assert len({entry["kind"] for entry in demo.entries}) >= 3


def test_the_demo_is_the_same_for_a_seed(engine: Engine, demo: Demo) -> None:
    """A second run differs in nothing but the time it took."""
    again = run_demo(engine, SEED, MEMBERS, lambda _stage, _done, _all: None)
    timing = re.compile(r"^.* events in .*$", re.MULTILINE)
    assert timing.sub("", _page(again, width=80)) == timing.sub("", _page(demo, width=80))


def test_the_demo_names_a_file_and_program_that_can_be_replayed(demo: Demo) -> None:
    """What was replayed is there to be looked at, whole."""
    assert len(demo.file.read_text(encoding="utf-8").splitlines()) == demo.report["events"]
    assert json.loads(demo.program_file.read_text(encoding="utf-8")) == shop.PROGRAM
    assert list(Path(demo.file).parent.glob(".*")) == []
    assert json.loads(json.dumps(demo.plain()))["statement"]["member_id"] == demo.member


def _entry(kind: str, reason: str, why: list[dict[str, Any]], lots: list[dict[str, Any]]) -> dict[str, Any]:
    source = {"type": "redemption" if kind == "redeem" else "order", "id": "o1"}
    return {"kind": kind, "reason": reason, "source": source, "why": why, "lots": lots}


LOT = {"points": 153, "expires_on": "2026-12-31"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (_entry("earn", "ORDER_PAID", [{"kept_minor": 15300}], [LOT]), "o1 paid: 153.00 CNY, until 2026-12-31"),
        (
            _entry("earn", "ORDER_AMENDED", [{"kept_minor": 15305}, {"paid_debt": 7}], []),
            "o1 amended: 153.05 CNY, 7 paid debt",
        ),
        (
            _entry("clawback", "ORDER_REFUNDED", [{"kept_minor": 99}, {"owed": 3, "forgiven": 0}], []),
            "o1 refunded: 0.99 CNY kept, 3 owed",
        ),
        (_entry("clawback", "ORDER_CANCELLED", [{"kept_minor": 0}], []), "o1 cancelled"),
        (_entry("redeem", "REDEMPTION", [], [LOT | {"points": -5}]), "spent 5 of 2026-12-31"),
        (_entry("expire", "LOT_EXPIRED", [{"last_valid_day": "2026-01-31"}], []), "not used by 2026-01-31"),
        (_entry("release", "HOLD_VOIDED", [], []), "hold voided"),
    ],
)
def test_reasons_are_words(entry: dict[str, Any], words: str) -> None:
    """Each kind of entry says in words what its figures say."""
    assert reason_words(entry, "CNY") == words


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(15300, "CNY", "153.00 CNY"), (5, "CNY", "0.05 CNY"), (7, "JPY", "7 JPY"), (1, "KWD", "0.001 KWD")],
)
def test_money_is_written_in_its_own_minor_units(minor: int, currency: str, text: str) -> None:
    """A yen has no fen, and a dinar has a thousand."""
    assert money(minor, currency) == text
