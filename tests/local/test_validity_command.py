"""`jifen validity` against the real handlers: every account previewed, batches listed, one taken back."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from functions.operate import app
from jifen.domain.program import parse_program
from jifen.runtime import Runtime, Settings, use
from jifen.service.expiring import expire
from jifen.service.ports import ShardTask
from jifen.service.taking_back import TakingBack
from local.replay import api_request
from local.validity import add_validity
from tests.service.scene import give
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

NOW = datetime(2027, 3, 15, 4, tzinfo=UTC)
PROGRAM = parse_program(
    {
        "time_zone": "Asia/Shanghai",
        "validity": {
            "policies": [
                {
                    "id": "sleepy",
                    "starts_on": "2027-01-01",
                    "when": {"inactive": {"months": 2, "known_since": "2026-12-01"}},
                    "leave": {"months": 3},
                }
            ]
        },
    }
)
MEMBERS = ("ann", "bob", "=cmd")


@dataclass
class Site:
    """The operate function behind the command's requests, and the worker that its tasks wait for."""

    ledger: MemoryLedger = field(default_factory=lambda: MemoryLedger(PROGRAM))
    tasks: list[ShardTask] = field(default_factory=list)
    failing: list[int] = field(default_factory=list)
    now: datetime = NOW

    def __post_init__(self) -> None:
        settings = Settings(program=PROGRAM, signing_secret="a signing secret of the tests, long enough")
        self.runtime = Runtime(settings, clock=lambda: self.now, ledger=self.ledger, sweeps=self)

    def send(self, tasks: Sequence[ShardTask], delay_s: int = 0) -> None:
        """Take tasks."""
        del delay_s
        self.tasks += tasks

    def answer(self, scopes: str, method: str, path: str, raw: bytes | None, key: str | None) -> tuple[int, Any]:
        """What the deployed API would answer."""
        if self.failing:
            return self.failing.pop(0), {"detail": "told to fail"}
        target, _, query = path.partition("?")
        asked = dict(part.split("=") for part in query.split("&")) if query else None
        event = api_request(method, target, json.loads(raw) if raw else None, "ada", scopes, key=key, query=asked)
        with use(self.runtime):
            answered = app.handler(event, None)
        return answered["statusCode"], json.loads(answered["body"])

    def work(self, _seconds: float = 0) -> None:
        """Do what waits, as the expire function does."""
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            taking = TakingBack(self.ledger, task, PROGRAM, PROGRAM.moment(self.now), Patient())
            page = taking.pages(None, 100)
            for member in page.members:
                taking.act(member)
            taking.finish()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def site() -> Site:
    """Three members who were not seen for a while."""
    made = Site()
    for member in MEMBERS:
        give(made.ledger, member, 100, date(2028, 3, 31))
    return made


@pytest.fixture
def run(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, with exit code, standard output and standard error."""
    token = tmp_path / "token"
    token.write_text("good\n")
    scopes = {"preview": "points/operator", "batches": "points/operator", "reverse": "points/admin"}
    monkeypatch.setattr("local.rewards.Api.__init__.__defaults__", (site.work,))

    def call(act: str, *more: str) -> tuple[int, str, str]:
        def send(_api: object, method: str, path: str, headers: Mapping[str, str], raw: bytes | None) -> Any:
            return site.answer(scopes[act], method, path, raw, headers.get("idempotency-key"))

        monkeypatch.setattr("local.rewards.Api._send", send)
        parser = argparse.ArgumentParser()
        add_validity(
            parser.add_subparsers(dest="command", required=True),
            lambda: Console(file=sys.stdout, width=100),
            lambda: contextlib.nullcontext(lambda _stage, _done, _all: None),
        )
        place = ("--api", "https://api.example.com", "--token-file", str(token))
        options = parser.parse_args(["validity", act, *more, *place])
        code = options.run(options)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_every_account_is_previewed_and_every_case_reported(run: Run, tmp_path: Path, site: Site) -> None:
    """Sums over all pages, a table, and a file that no spreadsheet takes for formulas; nothing is written."""
    before = site.ledger.commits
    report = tmp_path / "cases.csv"
    code, out, _ = run("preview", "--day", "2027-03-20", "--report", str(report))

    assert 0 == code
    assert "3 accounts as of 2027-03-20" in out
    assert any(line.split() == ["sleepy", "leave", "3", "300"] for line in out.splitlines())
    rows = list(csv.reader(report.read_text("utf-8").splitlines()))
    assert ["member_id", "policy", "effect", "points", "expires_on", "then"] == rows[0]
    assert ["'=cmd", "ann", "bob"] == sorted(row[0] for row in rows[1:])
    assert {("sleepy", "leave", "100", "2028-03-31", "2027-06-20")} == {tuple(row[1:]) for row in rows[1:]}
    assert before == site.ledger.commits


def test_a_preview_as_json_is_nothing_else(run: Run) -> None:
    """One object on standard output."""
    code, out, err = run("preview", "--json")

    assert (0, "") == (code, err)
    expected = [{"policy": "sleepy", "effect": "leave", "accounts": 3, "points": 300}]
    assert {"day": "2027-03-15", "accounts": 3, "totals": expected, "unreadable": []} == json.loads(out)


def test_a_batch_is_listed_and_taken_back(run: Run, site: Site) -> None:
    """The command waits until every part is done; then the list says who took it back and why."""
    for member in MEMBERS:
        assert expire(site.ledger, member, PROGRAM.moment(NOW), Patient(), PROGRAM)

    code, out, _ = run("batches")
    assert (0, True) == (code, "sleepy.2027-03-15" in out and "APPLIED" in out)
    code, out, _ = run("reverse", "sleepy.2027-03-15", "--reason", "a mistake")
    assert (0, "sleepy.2027-03-15 REVERSED, 16 of 16 parts\n") == (code, out)
    assert {("2028-03-31", 100)} == {
        (str(lot.expires_on), lot.points) for name in MEMBERS for lot in site.ledger.load([name]).accounts[name].lots
    }
    (batch,) = json.loads(run("batches", "--json")[1])
    assert ("REVERSED", "admin:ada", "a mistake") == (batch["status"], batch["by"], batch["reason"])


def test_without_time_to_wait_the_batch_is_left_to_its_workers(run: Run, site: Site) -> None:
    """It says how far it is, and that it is not done."""
    for member in MEMBERS:
        expire(site.ledger, member, PROGRAM.moment(NOW), Patient(), PROGRAM)

    code, out, _ = run("reverse", "sleepy.2027-03-15", "--reason", "r", "--wait", "0", "--json")

    assert (1, {"id": "sleepy.2027-03-15", "status": "REVERSING", "parts_done": 0, "parts": 16}) == (
        code,
        json.loads(out),
    )


def test_nothing_done_is_said(run: Run) -> None:
    """No batch, no table."""
    assert (0, "no policy has done anything\n") == run("batches")[:2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("reverse", "sleepy.2027-03-15", "--reason", "r"), "was answered 404: No batch"),
        (("preview", "--ruleset", "77"), "was answered 404"),
        (("preview", "--day", "2020-01-01"), "was answered 422"),
        (("preview", "--ruleset", "../x"), "was answered 404"),
    ],
)
def test_a_refusal_is_told_and_is_no_success(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 1, and what the API said."""
    code, out, err = run(*arguments)
    assert (1, "", True) == (code, out, said in err), err


def test_what_is_busy_is_asked_again(run: Run, site: Site) -> None:
    """A 503 in the middle of a preview costs a wait and nothing else."""
    site.failing = [503, 503]
    assert 0 == run("preview", "--json")[0]


def test_a_report_that_cannot_be_written_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    """Said before anything is asked."""
    code, _, err = run("preview", "--report", str(tmp_path / "none" / "cases.csv"))
    assert (2, True) == (code, "cannot be written" in err)
