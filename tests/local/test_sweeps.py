"""`jifen sweeps` against the real handler behind a real HTTP server: what is shown, and what is set."""

from __future__ import annotations

import argparse
import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from rich.console import Console

from functions.operate import app
from jifen.domain.program import Program
from jifen.domain.sweeps import ShardProgress, SweepControl
from jifen.runtime import Runtime, Settings, use
from jifen.service.ports import Posting
from jifen.service.sweep_documents import ControlKey
from local.replay import api_request
from local.sweeps import add_sweeps
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

NOW = datetime(2026, 11, 26, 0, 5, tzinfo=UTC)
RUN = "2026-11-26T00:05:00Z"


class Server:
    """The operate function behind HTTP; it takes the token ``good``."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger(Program(), shards=2)
        self.runtime = Runtime(Settings(shards=2), clock=lambda: NOW, ledger=self.ledger)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, body = outer.answer(self.command, self.path, self.headers, raw)
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = _answer  # noqa: N815 - their names in the base class

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in the base class
                del format, arguments

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, method: str, target: str, headers: Any, raw: bytes) -> tuple[int, bytes]:
        """What the deployed API would answer."""
        if headers.get("authorization") != "Bearer good":
            return 401, b'{"message": "Unauthorized"}'
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query)) or None
        event = api_request(method, parts.path, json.loads(raw) if raw else None, "op", "points/operator", query=query)
        with use(self.runtime):
            answer = app.handler(event, None)
        return answer["statusCode"], answer["body"].encode()

    def put(self, *documents: ShardProgress | SweepControl) -> None:
        """Write what sweeps keep."""
        self.ledger.commit(Posting(documents=documents), Patient())


@pytest.fixture
def server() -> Iterator[Server]:
    """A server with a run half way."""
    here = Server()
    first = ShardProgress("expire", RUN, 0, NOW, NOW.replace(minute=6), 2, 1_200, 1_200, 1_150, 0, 50, finished=True)
    second = ShardProgress(
        "expire", RUN, 1, NOW, NOW.replace(minute=6), 2, 800, 400, 400, oldest="2026-11-23", lag_days=3
    )
    here.put(SweepControl("expire", run=RUN), first, second)
    thread = threading.Thread(target=here.http.serve_forever, daemon=True)
    thread.start()
    yield here
    here.http.shutdown()
    here.http.server_close()
    thread.join()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A file with the token."""
    file = tmp_path / "token"
    file.write_text("good\n", encoding="ascii")
    return file


def run(server: Server, token: Path, *words: str, before: bool = False, width: int = 140) -> tuple[int, str]:
    """Call the command; its exit code and what it printed. With `before`, the API is named before the words."""
    parser, out = argparse.ArgumentParser(), io.StringIO()
    add_sweeps(parser.add_subparsers(), lambda: Console(file=out, width=width))
    api = ["--api", server.url, "--token-file", str(token)]
    options = parser.parse_args(["sweeps", *(api if before else []), *words, *([] if before else api)])
    code: int = options.run(options)
    return code, out.getvalue()


def test_every_sweep_is_shown_with_its_runs(server: Server, token: Path) -> None:
    """Its name, then a table: how far, how many, how fast, how late."""
    code, text = run(server, token)

    assert 0 == code
    assert ["expire", "remind", "held", "walk", "reverse"] == [
        line.split(" · ")[0] for line in text.splitlines() if line and not line.startswith(("run", "20"))
    ]
    (row,) = [line.split() for line in text.splitlines() if line.startswith(RUN)]
    assert [RUN, "running", "75", "2,000", "1,550", "0", "50", "26.6", "3", "d", "1/2"] == row
    assert "a walk is due" in text


def test_one_run_is_shown_shard_by_shard(server: Server, token: Path) -> None:
    """The totals, then a row for each shard that has begun."""
    code, text = run(server, token, "run", "expire", RUN)

    assert 0 == code
    *_, first, second = [line.split() for line in text.splitlines()]
    latest = "2026-11-26T00:06:00Z"
    assert ["0", "finished", "1,200", "1,200", "1,150", "0", "50", latest] == first
    assert ["1", "800", "400", "400", "0", "0", "2026-11-23", latest] == second


def test_a_narrow_screen_cuts_nothing_off(server: Server, token: Path) -> None:
    """The name of a run is what the next command takes, and a figure that is cut is none."""
    for words in ((), ("run", "expire", RUN)):
        text = run(server, token, *words, width=60)[1]
        assert (True, False) == (f"{RUN}  running" in text, "…" in text)


def test_the_api_may_be_named_before_what_is_done_there(server: Server, token: Path) -> None:
    """Else the pause of a deployment would be one of the laptop."""
    assert 0 == run(server, token, "pause", "expire", before=True)[0]
    found = server.ledger.load([], [ControlKey("expire")]).documents[ControlKey("expire")]
    assert isinstance(found, SweepControl)
    assert found.paused


def test_pause_resume_and_pace(server: Server, token: Path) -> None:
    """What was set is said, and stands."""
    assert (0, True) == ((done := run(server, token, "pause", "expire", "--reason", "no mail"))[0], "PAUSED" in done[1])
    assert "200 accounts a second" in run(server, token, "pace", "expire", "200")[1]
    found = server.ledger.load([], [ControlKey("expire")]).documents[ControlKey("expire")]
    assert isinstance(found, SweepControl)
    assert (True, 200, "operator:op") == (found.paused, found.accounts_per_second, found.by)

    assert "PAUSED" not in run(server, token, "resume", "expire")[1]
    assert "a second ·" not in run(server, token, "pace", "expire", "off")[1]


def test_the_answer_as_json(server: Server, token: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts: the API's own answer and nothing else."""
    assert (0, "") == run(server, token, "--json")
    assert "expire" == json.loads(capsys.readouterr().out)["sweeps"][0]["sweep"]


@pytest.mark.parametrize(
    "words",
    [("pause", "walk"), ("pace", "expire", "0"), ("pace", "expire", "many"), ("pace", "expire", "-1"), ("stop",)],
    ids=" ".join,
)
def test_what_cannot_be_asked_is_said_at_once(server: Server, token: Path, words: tuple[str, ...]) -> None:
    """A sweep without a switch, no number: usage, and nothing is sent."""
    with pytest.raises(SystemExit) as stopped:
        run(server, token, *words)

    assert 2 == stopped.value.code


def test_what_the_api_refuses_is_told(server: Server, token: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that is not known; a token that is not taken."""
    assert 1 == run(server, token, "run", "expire", "2020-01-01T00:00:00Z")[0]
    assert "404" in capsys.readouterr().err
    token.write_text("bad", encoding="ascii")
    assert 1 == run(server, token)[0]
    assert "401" in capsys.readouterr().err
