"""`jifen verify-draw`, and the ten lines of Python of the documentation, on answers of the real handlers."""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from rich.console import Console

from jifen.runtime import use
from local.verify_draw import add_verify_draw
from tests.functions.stage import ADMIN, MEMBER, Stage
from tests.functions.test_lottery import DAY_1, MIDNIGHT_2, NOW, PROGRAM, SMALL, WHEEL, given

DOCS = Path(__file__).resolve().parents[2] / "docs" / "lottery.md"

Answers = tuple[Mapping[str, Any], Mapping[str, Any]]


@pytest.fixture(scope="module")
def answers() -> Iterator[tuple[Answers, Answers]]:
    """Receipt and lottery of a member with a name in another script: on the day, and once it is over."""
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
        here = Stage("verify", program=PROGRAM, now=NOW)
        with use(here.runtime):
            yield _drawn(here)


def _drawn(here: Stage) -> tuple[Answers, Answers]:
    member = "会员-1"
    given(here, member)
    content = {**WHEEL, "prizes": [{**SMALL, "odds": "0.9"}]}
    here.ask("PUT", "/v1/lotteries/wheel", content, subject="a", scopes=ADMIN)
    here.move_to(DAY_1)
    body = {"lottery_id": "wheel", "client_seed": '我的 "text" \\'}
    path = "/v1/members/%E4%BC%9A%E5%91%98-1/draws"
    receipt = here.ask("POST", path, body, key="k", subject=member, scopes=MEMBER).body
    before = here.get("/v1/lotteries/wheel")
    here.move_to(MIDNIGHT_2 + timedelta(days=1, minutes=10))
    return (receipt, before), (here.get(f"/v1/draws/{receipt['draw_id']}"), here.get("/v1/lotteries/wheel"))


def run(tmp_path: Path, receipt: Any, lottery: Any, *more: str) -> tuple[int, str]:
    """Exit code and standard output of the command."""
    files = []
    for name, content in (("receipt", receipt), ("lottery", lottery)):
        files.append(tmp_path / f"{name}.json")
        if content is not None:
            files[-1].write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    parser, out = argparse.ArgumentParser(), io.StringIO()
    add_verify_draw(parser.add_subparsers(), lambda: Console(file=out, width=200))
    options = parser.parse_args(["verify-draw", str(files[0]), "--lottery", str(files[1]), *more])
    code: int = options.run(options)
    return code, out.getvalue()


def test_a_draw_is_verified(tmp_path: Path, answers: tuple[Answers, Answers]) -> None:
    """With either form of the receipt, once the day is over."""
    (receipt, _), (later, lottery) = answers
    for one in (receipt, later):
        code, out = run(tmp_path, one, lottery)
        assert 0 == code, out
        assert "Verified: nobody could have chosen this number" in out


def test_before_the_day_is_over_it_says_when_to_come_back(tmp_path: Path, answers: tuple[Answers, Answers]) -> None:
    """That is not a proof, and nothing is wrong."""
    receipt, lottery = answers[0]
    code, out = run(tmp_path, receipt, lottery)
    assert 1 == code
    assert "ask for the lottery again when that day is over" in out
    assert "WRONG" not in out


def test_what_is_wrong_is_named(
    tmp_path: Path, answers: tuple[Answers, Answers], capsys: pytest.CaptureFixture[str]
) -> None:
    """For people, and as JSON."""
    receipt, lottery = answers[1]
    number = (receipt["number"] + 1) % 10**9
    code, out = run(tmp_path, {**receipt, "number": number}, lottery)
    assert 1 == code
    assert f"the number is {receipt['number']}, not {number}" in out
    code, _ = run(tmp_path, {**receipt, "number": number}, lottery, "--json")
    result = json.loads(capsys.readouterr().out)
    assert (1, "wrong") == (code, result["result"])
    assert {"number"} == {check["name"] for check in result["checks"] if check["holds"] is False}


def test_json_says_all_checks(
    tmp_path: Path, answers: tuple[Answers, Answers], capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing else is printed."""
    assert (0, "") == run(tmp_path, *answers[1], "--json")
    result = json.loads(capsys.readouterr().out)
    assert "verified" == result["result"]
    assert [True] * 8 == [check["holds"] for check in result["checks"]]


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{", b"\xff", b"[" * 100_000, b" " * 5_000_001])
def test_a_file_that_is_none_is_named(
    tmp_path: Path, answers: tuple[Answers, Answers], content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2."""
    code, _ = run(tmp_path, content, answers[1][1])
    assert 2 == code
    assert "receipt.json" in capsys.readouterr().err


def python_of_the_page() -> str:
    """The lines that the page gives a sceptic."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    return str(code)


def test_the_lines_of_the_documentation_work_it_out(tmp_path: Path, answers: tuple[Answers, Answers]) -> None:
    """As they stand there, with nothing but Python: right for what is right, and not for a changed number."""
    receipt, lottery = answers[1]
    for changed, code in (({}, 0), ({"number": 7}, 1), ({"client_seed": "x"}, 1), ({"attempt": 2}, 1)):
        (tmp_path / "receipt.json").write_text(json.dumps({**receipt, **changed}), encoding="utf-8")
        (tmp_path / "lottery.json").write_text(json.dumps(lottery), encoding="utf-8")
        command = [sys.executable, "-I", "-c", python_of_the_page()]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert code == done.returncode, done.stderr
        assert code or done.stdout.strip() == f"number {receipt['number']} wins {receipt['drawn_prize']}"


def test_the_page_gives_no_more_than_a_dozen_lines() -> None:
    """It is to be read."""
    lines = [line for line in python_of_the_page().splitlines() if line.strip()]
    assert len(lines) <= 14
    assert max(map(len, lines)) <= 120
