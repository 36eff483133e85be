"""The command does what its help says, with the exit codes of the contract and nothing but the result on stdout."""

import gzip
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import cli
from local.engines import Engine, EngineUnavailable, open_engine
from local.replay import Replay

PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'layers' / 'common'}"}
COMMAND = [sys.executable, "-m", "local.cli"]
PAID: dict[str, Any] = {
    "type": "order.paid",
    "event_id": "e1",
    "order_id": "o1",
    "customer_id": "a",
    "occurred_at": "2025-01-10T09:00:00Z",
    "currency": "CNY",
    "lines": [{"n": 1, "sku": "A", "qty": 1, "unit_price_minor": 15300}],
    "total_minor": 15300,
}
ORDERS = [PAID, PAID | {"event_id": "e2", "order_id": "o2", "customer_id": "b", "occurred_at": "2025-02-10T09:00:00Z"}]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give back what a command sets in the environment."""
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "ERROR")


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Write two orders of two members."""
    return _file(tmp_path / "orders.ndjson", ORDERS)


@pytest.fixture(scope="module")
def dynoxide() -> Iterator[Engine]:
    """Run an engine that commands reach by its URL."""
    try:
        with open_engine("dynoxide", say=lambda _: None) as engine:
            yield engine
    except EngineUnavailable as reason:
        pytest.skip(str(reason))


def _file(path: Path, events: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
    return path


def _run(*arguments: object) -> int:
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)


# Replay ---------------------------------------------------------------------------------------------------------------


def test_a_replay_prints_its_figures_and_writes_the_report(
    orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person gets a short table, the report file has everything, and there is no bar where there is no terminal."""
    report = tmp_path / "report.json"
    assert _run("replay", orders, "--engine", "moto", "--report", report) == 0
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in ("members 2", "orders 2", "points earned 306", "refused lines 0", "accounts proved 2 of 2"):
        assert line in lines
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out + err
    assert "━" not in out + err
    written = json.loads(report.read_text(encoding="utf-8"))
    assert written["accounts"]["a"]["lots"] == [{"points": 153, "expires_on": "2026-01-31"}]


def test_json_is_all_there_is_on_standard_output(orders: Path) -> None:
    """With --json the output is one document, even for a user who has set a talkative log level."""
    done = subprocess.run(
        [*COMMAND, "replay", str(orders), "--engine", "moto", "--json"],
        env={**ENVIRONMENT, "POWERTOOLS_LOG_LEVEL": "DEBUG"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["proof"] == {"accounts": 2, "failed": 0}
    assert "order event posted" in done.stderr


def test_logs_are_quiet_unless_asked_for(orders: Path) -> None:
    """Without a log level of the user's own, handlers keep their informational lines to themselves."""
    quiet = {name: value for name, value in ENVIRONMENT.items() if name != "POWERTOOLS_LOG_LEVEL"}
    command = [*COMMAND, "replay", str(orders), "--engine", "moto"]
    done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "order event posted" not in done.stdout + done.stderr


def test_a_gzipped_file_and_a_program_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The program's rate and zone decide the points and their last day."""
    orders = tmp_path / "orders.ndjson.gz"
    orders.write_bytes(gzip.compress(json.dumps(PAID | {"occurred_at": "2025-01-31T18:00:00Z"}).encode()))
    rule = {"id": "base", "rate": {"points": 10, "per_minor": 100}}
    program = _file(tmp_path / "program.json", [{"time_zone": "Asia/Shanghai", "earning": {"rules": [rule]}}])
    assert _run("replay", orders, "--engine", "moto", "--program", program, "--json") == 0
    account = json.loads(capsys.readouterr().out)["accounts"]["a"]
    assert account["lots"] == [{"points": 1530, "expires_on": "2026-02-28"}]


def test_refused_lines_are_named_and_fail_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each refused line is said with its number and the reason; the others count; the exit code is 1."""
    orders = _file(
        tmp_path / "orders.ndjson", [PAID, {"type": "order.lost"}, PAID | {"event_id": "e2", "currency": "X"}]
    )
    assert _run("replay", orders, "--engine", "moto", "--json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["points"]["earned"] == 153
    assert "line 2 refused: UNREADABLE_LINE: order.lost is no type of event" in err
    assert "line 3 refused: MALFORMED_EVENT: currency" in err


def test_a_failed_proof_fails_the_command(
    orders: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account that does not follow from its entries is named with the equation that is broken."""
    broken = {"name": "sum of entries = balance", "left": 1, "right": 2, "holds": False}
    proof = {"valid": False, "entries": 1, "head_hash": "", "equations": [broken]}
    monkeypatch.setattr(Replay, "proof", lambda _self, _member: proof)
    assert _run("replay", orders, "--engine", "moto") == 1
    out, err = capsys.readouterr()
    assert re.search(r"accounts proved +0 of 2", out)
    assert "member a is not proved: sum of entries = balance: 1, 2" in err


def test_progress_is_shown_in_a_terminal(orders: Path) -> None:
    """Where standard error is a terminal there is a bar with a count; standard output stays the result alone."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "replay", str(orders), "--engine", "moto", "--json"],
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
        out = process.communicate(timeout=60)[0]
    os.close(ours)
    assert json.loads(out)["events"] == 2
    assert "replaying" in shown.decode()
    assert "2/2" in shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is closed
        return b""


# Usage ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["replay"], "FILE"),
        (["replay", "missing.ndjson"], "there is no file missing.ndjson"),
        (["replay", "."], "there is no file ."),
        (["replay", "ORDERS", "--engine", "oracle"], "unknown engine 'oracle': choose auto, dynoxide, ministack, moto"),
        (["replay", "ORDERS", "--engine", "moto", "--data", "x.db"], "--data does not go with the engine moto"),
        (
            ["replay", "ORDERS", "--engine", "http://127.0.0.1:9", "--data", "x"],
            "--data does not go with the engine http",
        ),
        (["replay", "ORDERS", "--engine", "moto", "--report", "/no/such/folder/r.json"], "cannot be written"),
        (["replay", "ORDERS", "--engine", "moto", "--program", "missing.json"], "cannot be read"),
        (["replay", "ORDERS", "--engine", "moto", "--program", "ORDERS"], "is not JSON"),
        (["replay", "ORDERS", "--engine", "moto", "--report", "."], "cannot be written"),
        (["replay", "ORDERS", "--engine", "moto", "--table", "x"], "'x' is no name of a table"),
        (["sweep", "expire"], "--as-of"),
        (["sweep", "burn", "--as-of", "2026-01-01T00:00:00Z"], "invalid choice: 'burn'"),
        (["sweep", "expire", "--as-of", "tomorrow"], "'tomorrow' is no instant"),
        (["sweep", "expire", "--as-of", "2026-01-01T00:00:00"], "has no offset"),
        (["sweep", "expire", "--as-of", "2026-01-01T00:00:00Z"], "nothing to sweep: the engine auto would start empty"),
        (["sweep", "remind", "--as-of", "2026-01-01T00:00:00Z", "--data", "missing.db"], "there is no missing.db"),
        (["demo", "--members", "0"], "--members is a number from 1"),
        (["demo", "--seed", "x"], "invalid int value"),
        (["demo", "--engine", "moto"], "take dynoxide"),
    ],
)
def test_misuse_is_explained(
    arguments: list[str], words: str, orders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every misuse ends in exit code 2 and says on standard error what is wrong; nothing is on standard output."""
    assert _run(*(str(orders) if word == "ORDERS" else word for word in arguments)) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert out == ""
    assert "Traceback" not in err


def test_every_fault_of_a_program_is_named(orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One attempt names them all, by path."""
    program = _file(tmp_path / "program.json", [{"expirey": {}, "clawback": "maybe", "expiry": {"months": 0}}])
    assert _run("replay", orders, "--engine", "moto", "--program", program) == 2
    err = capsys.readouterr().err
    for field in ("expirey:", "clawback:", "expiry.months:"):
        assert field in err


def test_moto_is_refused_for_a_long_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody waits for hours to find out that moto was the wrong engine."""
    orders = _file(tmp_path / "orders.ndjson", [PAID] * (cli.MOTO_LINES_MAX + 1))
    assert _run("replay", orders, "--engine", "moto") == 2
    assert "moto is for at most 3,000; take dynoxide" in capsys.readouterr().err


def test_an_engine_that_is_not_there_is_refused(orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A URL where nothing answers is exit code 1 and a sentence."""
    assert _run("replay", orders, "--engine", "http://127.0.0.1:9") == 1
    assert "nothing answers there as a DynamoDB" in capsys.readouterr().err


def test_help_names_commands_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """The page shows what there is to do, how, and what comes back; it fits 80 columns."""
    assert _run("--help") == 0
    page = capsys.readouterr().out
    for word in ("replay", "sweep", "demo", "examples:", "exit codes:", "130"):
        assert word in page


# Sweeps ---------------------------------------------------------------------------------------------------------------


def test_sweeps_find_what_a_replay_left(orders: Path, dynoxide: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    """Over a table that is there, a run does what is due, a second run finds nothing, and both say so."""
    place = ("--engine", dynoxide.url, "--table", "jifen-swept")
    remind = ("sweep", "remind", "--as-of", "2026-01-29T00:00:00Z", *place)
    expire = ("sweep", "expire", "--as-of", "2026-02-01T00:00:00Z", *place)
    assert _run("replay", orders, *place, "--json") == 0
    capsys.readouterr()

    assert _run(*remind, "--json") == 0
    reminded = json.loads(capsys.readouterr().out)
    assert reminded["reminders"] == [
        {"member_id": "a", "lot_expires_on": "2026-01-31", "lead_days": 3, "points": 153},
        {"member_id": "b", "lot_expires_on": "2026-02-28", "lead_days": 30, "points": 153},
    ]
    assert _run(*expire) == 0
    said = capsys.readouterr().out
    assert "153 points expired, in 1 accounts, as of 2026-02-01T00:00:00+00:00." in said
    assert _run(*expire) == 0
    assert "Nothing was due as of 2026-02-01T00:00:00+00:00." in capsys.readouterr().out


def test_a_sweep_without_a_table_says_so(dynoxide: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt table is not made, it is missed."""
    name = ("--engine", dynoxide.url, "--table", "jifen-missing")
    assert _run("sweep", "expire", "--as-of", "2026-02-01T00:00:00Z", *name) == 2
    assert "there is no table jifen-missing" in capsys.readouterr().err
    assert "jifen-missing" not in dynoxide.client().list_tables()["TableNames"]


@pytest.mark.usefixtures("dynoxide")
def test_data_outlives_the_command(orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a replay wrote into a file is there for the sweep, and for a second replay, which changes nothing."""
    data = ("--engine", "dynoxide", "--data", tmp_path / "points.db")
    assert _run("replay", orders, *data, "--json") == 0
    first = json.loads(capsys.readouterr().out)
    assert _run("replay", orders, *data, "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["accounts"] == first["accounts"]
    assert "the table jifen was there" in err
    assert _run("sweep", "expire", "--as-of", "2026-02-01T00:00:00Z", *data, "--json") == 0
    assert [row["member_id"] for row in json.loads(capsys.readouterr().out)["expired"]] == ["a"]


# Ctrl-C ---------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("dynoxide")
def test_ctrl_c_ends_the_engine_and_says_so(tmp_path: Path) -> None:
    """Stopped in the middle, the command ends with 130 within seconds, and its engine with it."""
    many = [PAID | {"event_id": f"e{n}", "order_id": f"o{n}"} for n in range(5000)]
    command = [*COMMAND, "replay", str(_file(tmp_path / "orders.ndjson", many)), "--engine", "dynoxide"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        said = process.stderr.readline()
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.endswith("jifen replay: stopped\n")
    assert "Traceback" not in err
    assert out == ""
    port = said.rsplit(":", 1)[1].strip()
    with pytest.raises(EngineUnavailable), open_engine(f"http://127.0.0.1:{port}", say=lambda _: None):
        pass


def test_what_an_engine_keeps_is_found_under_its_own_name(tmp_path: Path) -> None:
    """A ledger that MiniStack kept is there, although its file has another name."""
    (tmp_path / "one.ministack").mkdir()
    (tmp_path / "two").touch()

    assert [True, True, False] == [cli._is_kept(tmp_path / name) for name in ("one", "two", "three")]


def test_a_sweep_shows_notices_besides_reminders(
    orders: Path, dynoxide: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a program that has some, as rows and in words."""
    told = {"reminders": {"lead_days": []}, "notices": {"balance_reached": [100]}}
    place = ("--engine", dynoxide.url, "--table", "jifen-noticed", "--program", _file(tmp_path / "told.json", [told]))
    assert _run("replay", orders, *place, "--json") == 0
    capsys.readouterr()

    assert _run("sweep", "remind", "--as-of", "2026-01-29T00:00:00Z", *place, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [("a", "points.balance_reached", 153), ("b", "points.balance_reached", 153)] == [
        (row["member_id"], row["kind"], row["available"]) for row in result["notices"]
    ]
    assert (2, []) == (result["accounts"], result["reminders"])
    assert _run("sweep", "remind", "--as-of", "2026-01-30T00:00:00Z", *place) == 0
    assert "Nothing was due" in capsys.readouterr().out
