"""`jifen rewards` against the real handlers behind a real HTTP server: files in, files out, every fault by its line."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from functions.catalog import app
from jifen.domain.offers import read_offer, written
from jifen.domain.program import parse_program
from jifen.runtime import Runtime, Settings, use
from local.replay import api_request
from local.reward_files import FileRefused, csv_text, flattened, nested, read_csv, read_rows, write_rows
from local.rewards import add_rewards
from tests.domain.offerings import offers
from tests.store.memory_ledger import MemoryLedger

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
PROGRAM = parse_program(
    {"currency": "GBP", "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 1_000}]}}
)
HEADER = "id,title,kind,points"


class Server:
    """The catalog function behind HTTP; it takes the token ``good``, and can be told to fail."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing: list[int] = []
        settings = Settings(program=PROGRAM, signing_secret="a signing secret of the tests, long enough")
        self.runtime = Runtime(settings, clock=lambda: NOW, ledger=MemoryLedger(PROGRAM))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                status, body = outer.answer(self.command, self.path, self.headers, self._read())
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _read(self) -> bytes:
                return self.rfile.read(int(self.headers.get("content-length") or 0))

            do_GET = do_POST = _answer  # noqa: N815 - their names in the base class

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in the base class
                del format, arguments

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/stage"

    def answer(self, method: str, target: str, headers: Any, raw: bytes) -> tuple[int, bytes]:
        """What the deployed API would answer."""
        parts = urlsplit(target)
        path = parts.path.removeprefix("/stage")
        self.asked.append(f"{method} {path}")
        if self.failing and (status := self.failing.pop(0)):
            return status, b'{"detail": "told to fail"}'
        if headers.get("authorization") != "Bearer good":
            return 401, b'{"message": "Unauthorized"}'
        body = json.loads(raw) if raw else None
        query = dict(parse_qsl(parts.query))
        event = api_request(
            method, path, body, "op", "points/operator", key=headers.get("idempotency-key"), query=query or None
        )
        answered = app.handler(event, None)
        return answered["statusCode"], answered["body"].encode()


@pytest.fixture
def server() -> Iterator[Server]:
    """A fresh mall."""
    here = Server()
    thread = threading.Thread(target=here.http.serve_forever, daemon=True)
    thread.start()
    with use(here.runtime):
        yield here
    here.http.shutdown()
    here.http.server_close()
    thread.join()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, with exit code, standard output and standard error."""
    token = tmp_path / "token"
    token.write_text("good\n")
    monkeypatch.setattr("local.rewards.Api.__init__.__defaults__", (lambda _seconds: None,))

    def call(act: str, file: Path, *more: str, token_file: Path = token, api: str = server.url) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers(dest="command", required=True)
        add_rewards(
            commands,
            lambda: Console(file=sys.stdout, width=100),
            lambda: contextlib.nullcontext(lambda _stage, _done, _all: None),
        )
        options = parser.parse_args(["rewards", act, str(file), "--api", api, "--token-file", str(token_file), *more])
        code = options.run(options)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def csv_file(folder: Path, *lines: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
    """A CSV file with these lines."""
    path = folder / "rewards.csv"
    path.write_bytes(("\r\n".join([header, *lines]) + "\r\n").encode(encoding))
    return path


def test_a_file_is_taken_in_and_again_is_the_same(run: Run, tmp_path: Path) -> None:
    """What a spreadsheet writes: a mark at the beginning, quotes, line breaks in a cell, empty lines at the end."""
    header = f"{HEADER},description,tags,stock.low,tiers.gold,limits.month.times,stock.counted"
    path = csv_file(
        tmp_path,
        '杯,"Cup",physical,500,,,,,,',
        'cup,"A ""red""\r\ncup, big",,500,"one\r\ntwo",a;b\\;c,5,0.90,1,TRUE',
        ",,,,,,,,,",
        "tree,Tree,donation,100,,,,,,false",
        header=header,
        encoding="utf-8-sig",
    )
    code, out, err = run("import", path, "--json")
    assert (1, "line 2 (杯) refused: id: is not 1 to 64 of a-z, 0-9, _ . - that begin with a letter or a digit\n") == (
        code,
        err,
    )
    assert (3, 2, 1) == ((said := json.loads(out))["rows"], said["created"], said["refused"])
    assert 2 == json.loads(run("import", path, "--json")[1])["same"]
    records = app.handler(api_request("GET", "/v1/reward-records/cup", None, "op", "points/operator"), None)
    assert {
        "title": 'A "red"\r\ncup, big',
        "kind": "physical",
        "points": 500,
        "description": "one\r\ntwo",
        "tags": ["a", "b;c"],
        "tiers": {"gold": "0.9"},
        "limits": [{"per": "month", "times": 1}],
        "stock": {"low": 5},
    } == json.loads(records["body"])["content"]


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_cells_may_stand_between_other_signs(tmp_path: Path, between: str) -> None:
    """As spreadsheets of other countries write them."""
    path = tmp_path / "a.csv"
    cells = [["id", "title", "tags"], ["cup", '"a, b"', '"x;y"']]
    path.write_text("".join(f"{between.join(line)}\r\n" for line in cells), encoding="utf-8")
    assert [{"id": "cup", "title": "a, b", "tags": ["x", "y"]}] == [row.content for row in read_rows(path)]


def test_refused_rows_are_told_by_the_line_they_begin_on(run: Run, tmp_path: Path) -> None:
    """Cells with line breaks move what comes after them; a row with too many cells, and an id that is there twice."""
    path = csv_file(
        tmp_path,
        'a,"two\r\nlines",physical,1',
        "b,,physical,x1",
        "c,C,physical,1,2",
        "a,A,physical,1",
        'd,"D\r\n\r\n",car,"1,000"',
    )
    code, out, err = run("import", path)
    told = err.splitlines()
    assert (1, ["line 4", "line 5", "line 6", "line 7"]) == (code, [line[:6] for line in told])
    assert "title: is missing" in told[0]
    assert "points: is not a whole number" in told[0]
    assert "has 5 cells" in told[1]
    assert "is that of line 2 too" in told[2]
    assert "kind: is none of" in told[3]
    assert ["created", "1"] == out.splitlines()[0].split()


def test_a_dry_run_says_the_same_and_writes_nothing(run: Run, server: Server, tmp_path: Path) -> None:
    """Until it is meant, nothing is there."""
    path = csv_file(tmp_path, "a,A,physical,1", "b,,physical,1")
    code, out, _ = run("import", path, "--dry-run", "--json")
    dry = json.loads(out)
    assert (1, True, 1, 1) == (code, dry["dry_run"], dry["created"], dry["refused"])
    assert {} == server.runtime.ledger.load([], []).documents
    assert 0 == json.loads(run("export", tmp_path / "out.json", "--json")[1])["rewards"]
    assert dry | {"dry_run": False} == json.loads(run("import", path, "--json")[1])


@pytest.mark.parametrize("suffix", [".csv", ".json", ".ndjson"])
def test_what_was_exported_comes_in_as_the_same(run: Run, tmp_path: Path, suffix: str) -> None:
    """Three hundred rewards, in several requests, each form."""
    rows = [{"id": f"r{number:03d}", "title": f"=R{number}", "points": number + 1} for number in range(300)]
    first = tmp_path / "in.ndjson"
    first.write_text("\n\n".join(map(json.dumps, rows)) + "\n")
    assert 0 == run("import", first)[0]
    out = tmp_path / f"out{suffix}"
    assert (0, f"300 rewards in {out}") == ((said := run("export", out))[0], said[1].replace("\n", ""))
    code, printed, _ = run("import", out, "--json")
    assert (0, 300) == (code, json.loads(printed)["same"])


def test_json_faults_are_told_by_line(run: Run, tmp_path: Path) -> None:
    """An item that is no object, and one without an id, each on its own line of the file."""
    path = tmp_path / "rewards.json"
    path.write_text('\ufeff[\n  {"id": "a", "title": "A",\n   "points": 1},\n  7,\n  {"title": "B", "points": 1}\n]\n')
    code, _, err = run("import", path)
    assert (1, ["line 4 refused: row: is not an object", "line 5 refused: id: is not 1"]) == (
        code,
        [line[: len("line 5 refused: id: is not 1")] if "id:" in line else line for line in err.splitlines()],
    )


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("a.txt", b"", "none of .csv, .json, .ndjson"),
        ("a.csv", b"", "there is no column id"),
        ("a.csv", b"id,title,price\n", "the column 'price' is not known"),
        ("a.csv", b"id,title,title\n", "is there twice"),
        ("a.csv", b'id,title\na,"b\n', "is not CSV"),
        ("a.csv", "id,title\na,杯\n".encode("gb18030"), "is not UTF-8"),
        ("a.csv", b"id,tiers.\n", "is not known"),
        ("a.json", b"{}", "no list of rewards"),
        ("a.json", b'[{"id": 1} {"id": 2}]', "is not JSON"),
        ("a.json", b'[{"id": 1}\n,', "is not JSON"),
        ("a.json", b"[] 5", "is not JSON"),
        ("a.json", b"[" * 100_000, "ordinary depth"),
        ("a.json", b'[{"id": "cup", "points": ' + b"9" * 5_000 + b"}]", "a number is too long"),
    ],
)
def test_a_file_that_is_none_is_refused_before_anything_is_sent(
    run: Run, server: Server, tmp_path: Path, name: str, raw: bytes, said: str
) -> None:
    """Exit code 2, with what is wrong."""
    path = tmp_path / name
    path.write_bytes(raw)
    code, out, err = run("import", path)
    assert (2, "", []) == (code, out, server.asked)
    assert said in err


@pytest.mark.parametrize(
    "odd", ['{"id": "x", "title": "\\ud800"}', '{"id": "x", "points": NaN}', '{"id": "x", "points": -Infinity}']
)
@pytest.mark.parametrize("suffix", ["json", "ndjson"])
def test_a_row_that_cannot_be_sent_stops_no_other(
    run: Run, server: Server, tmp_path: Path, suffix: str, odd: str
) -> None:
    """Half a character, or a number that is none: the row is refused by its line, and the others are sent."""
    rows = ['{"id": "cup", "title": "Cup", "points": 5}', odd]
    path = tmp_path / f"a.{suffix}"
    path.write_text("\n".join(rows) if suffix == "ndjson" else "[" + ",\n".join(rows) + "]", "utf-8")

    code, out, _ = run("import", path, "--json")

    assert (1, 1, 1) == (code, (told := json.loads(out))["created"], told["refused"])
    assert [2] == [one["line"] for one in told["refused_rows"]]
    assert 1 == len(server.asked)


def test_a_missing_file_or_token_is_a_matter_of_usage(run: Run, tmp_path: Path) -> None:
    """Nothing is sent."""
    assert 2 == run("import", tmp_path / "none.csv")[0]
    assert 2 == run("export", tmp_path / "out.txt")[0]
    path = csv_file(tmp_path, "a,A,physical,1")
    empty = tmp_path / "empty"
    empty.write_text(" \n")
    assert 2 == run("import", path, token_file=empty)[0]
    assert 2 == run("import", path, token_file=tmp_path / "none")[0]
    assert (1, True) == ((no := run("import", path, token_file=_written(tmp_path, "bad")))[0], "401" in no[2])


def _written(folder: Path, text: str) -> Path:
    path = folder / "other-token"
    path.write_text(text)
    return path


def test_a_busy_api_is_asked_again_and_a_broken_one_is_told(run: Run, server: Server, tmp_path: Path) -> None:
    """After what was taken in it can simply be run again."""
    path = tmp_path / "rewards.ndjson"
    path.write_text("\n".join(json.dumps({"id": f"r{n}", "title": "R", "points": 1}) for n in range(150)))
    server.failing = [503, 503]
    assert 0 == run("import", path)[0]
    server.failing = [0, *[503] * 5]
    code, _, err = run("import", path)
    assert 1 == code
    assert "stopped in line 101, after 100 of 150 rewards" in err
    assert (0, 150) == ((again := run("import", path, "--json"))[0], json.loads(again[1])["same"])
    assert "does not answer" in run("import", path, api="http://127.0.0.1:9")[2]


@given(st.lists(offers(), min_size=1, max_size=4))
def test_every_reward_goes_through_a_spreadsheet_unchanged(found: list[dict[str, Any]]) -> None:
    """What reading a written CSV file gives says the same offer, whatever its texts are."""
    rows = [{"id": f"r{number}", **written(read_offer(one, "GBP"))} for number, one in enumerate(found)]
    read = [dict(row.content) for row in read_csv(csv_text(rows))]
    assert rows == [{"id": row["id"], **written(read_offer(_without_id(row), "GBP"))} for row in read]
    assert rows == read


def _without_id(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "id"}


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1", "'=1", "''", "'a", "a=1"]
)
def test_no_cell_is_a_formula(text: str) -> None:
    """What a spreadsheet would run begins with an apostrophe, and reading takes it off again."""
    cell = flattened({"title": text})["title"]
    assert cell[0] not in "=+-@\t\r\n＝＋－＠"
    assert {"title": text} == nested({"title": cell})


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A folder that is not there, or a form that is not known."""
    with pytest.raises(FileRefused):
        write_rows(tmp_path / "a.xls", [])
    with pytest.raises(FileNotFoundError):
        write_rows(tmp_path / "no" / "a.csv", [])
    write_rows(tmp_path / "a.csv", [])
    assert [] == read_rows(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfid,")
