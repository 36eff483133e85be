"""`jifen rewards`: the rewards of the mall, in and out of a file, through the API.

    import FILE   every reward of a CSV, JSON or NDJSON file, a hundred in a request; refused ones by their line
    export FILE   every reward as it was written; imported again, each is the same

It talks to the local AWS of `jifen up`, or to any deployment with ``--api`` and a file that holds an operator's token.
Exit codes: 0 done, 1 something was refused or the API did not answer, 2 usage.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from rich.console import Console
from rich.table import Table

from local.aws import lifecycle
from local.replay import Watch
from local.reward_files import FORMATS, FileRefused, Row, read_rows, write_rows

DONE, REFUSED, USAGE = 0, 1, 2

ROWS_AT_ONCE = 100
BYTES_AT_ONCE = 900_000
"""What one request takes; see functions/catalog."""

TIMEOUT_S = 60.0
TRIES = 5
WAIT_S_MAX = 10.0
TOLD_MAX = 20
"""As many refused lines are told on standard error; --json names all."""

OUTCOMES = ("created", "changed", "same", "refused")


class RewardsError(Exception):
    """The command could not do all that was asked; the text says what was done."""


@dataclass(frozen=True, slots=True)
class Api:
    """An API, and a token of an operator that it accepts."""

    url: str
    token: str
    sleep: Callable[[float], None] = time.sleep

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One request; what is busy is asked again, under the same key.

        Raises:
            RewardsError: it was refused, or there was no answer.
        """
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        if method == "POST":
            headers["idempotency-key"] = uuid.uuid4().hex
        raw = json.dumps(body, ensure_ascii=False).encode() if body is not None else None
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                self.sleep(min(WAIT_S_MAX, 2.0**attempt / 2))
            try:
                status, answer = self._send(method, path, headers, raw)
            except (OSError, http.client.HTTPException) as wrong:
                problem = f"{self.url} does not answer: {wrong or type(wrong).__name__}"
                continue
            if status in {http.client.OK, http.client.ACCEPTED}:
                return answer
            problem = f"{method} {path} was answered {status}: {answer.get('detail') or answer.get('message') or ''}"
            if status not in {429, 500, 502, 503, 504}:
                break
        raise RewardsError(problem)

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], raw: bytes | None
    ) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, f"{parts.path.rstrip('/')}{path}", raw, dict(headers))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            found = json.loads(text)
        except ValueError:
            found = {}
        return answer.status, found if isinstance(found, dict) else {}


def add_rewards(
    commands: Any, console: Callable[[], Console], watching: Callable[[], AbstractContextManager[Watch]]
) -> None:
    """Add `rewards` to the parsers `commands`; `console` is where results go, `watching` shows progress."""
    parser = commands.add_parser(
        "rewards",
        help="the rewards of the mall, in and out of a file",
        description="Imports and exports rewards through the API: of the local AWS of `jifen up`, or of any deployment "
        "with --api and --token-file.",
    )
    acts = parser.add_subparsers(dest="act", required=True, metavar="import|export")
    taking = acts.add_parser(
        "import",
        help="write every reward of a file; those refused are named by their line",
        description="Writes every reward of a file. A reward that is refused stops no other; a file that was imported "
        "may be imported again: what says the same changes nothing.",
    )
    taking.add_argument("file", type=Path, metavar="FILE", help=f"rewards: {', '.join(FORMATS)}")
    taking.add_argument("--dry-run", action="store_true", help="say what would come of it, and write nothing")
    add_api(taking)
    taking.set_defaults(run=lambda options: _guarded(lambda: _import(options, console, watching)))
    giving = acts.add_parser(
        "export",
        help="write all rewards into a file",
        description="Writes all rewards, on the shelf or off, into a file that import takes.",
    )
    giving.add_argument("file", type=Path, metavar="FILE", help=f"where to: {', '.join(FORMATS)}")
    add_api(giving)
    giving.set_defaults(run=lambda options: _guarded(lambda: _export(options, console, watching)))


def add_api(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Add what names an API and a token for it.

    With `again` the command above `parser` has it too, and what is left out here leaves standing what was said there.
    """
    unsaid: Any = argparse.SUPPRESS if again else None
    parser.add_argument(
        "--api", type=_url, default=unsaid, metavar="URL", help="the API (default: the local AWS of jifen up)"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        default=unsaid,
        metavar="FILE",
        help="with --api, a file with an operator's token; - reads it",
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=unsaid or lifecycle.FOLDER,
        metavar="FOLDER",
        help="without --api, where the local AWS is",
    )
    parser.add_argument(
        "--json", action="store_true", default=unsaid or False, help="print the result as JSON, and nothing else"
    )


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = f"{text!r} is no address such as https://api.example.com"
        raise argparse.ArgumentTypeError(message)
    return text


def _guarded(run: Callable[[], int]) -> int:
    try:
        return run()
    except FileRefused as wrong:
        sys.stderr.write(f"jifen rewards: {wrong}\n")
        return USAGE
    except RewardsError as wrong:
        sys.stderr.write(f"jifen rewards: {wrong}\n")
        return REFUSED


def api_of(options: argparse.Namespace, machine: str = "operator") -> Api:
    """The API that is named, or the local one with a token of ``operator`` or ``admin``.

    Raises:
        FileRefused: the token cannot be read.
        LocalAwsError: it is not up.
    """
    if options.api is None:
        stack = lifecycle.running(options.state)
        return Api(stack.api, lifecycle.token(stack, machine=machine))
    if options.token_file is None:
        message = "--api needs --token-file: a file with an operator's token, or - for standard input"
        raise FileRefused(message)
    try:
        text = sys.stdin.read() if str(options.token_file) == "-" else options.token_file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as wrong:
        message = f"the token cannot be read from {options.token_file}: {wrong}"
        raise FileRefused(message) from wrong
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        message = f"there is no token in {options.token_file}"
        raise FileRefused(message)
    return Api(options.api, token)


# Import --------------------------------------------------------------------------------------------------------------


def _import(
    options: argparse.Namespace, console: Callable[[], Console], watching: Callable[[], AbstractContextManager[Watch]]
) -> int:
    rows = read_rows(options.file)
    api = api_of(options)
    with watching() as watch:
        result = import_rows(api, rows, dry_run=options.dry_run, watch=watch)
    if options.json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    else:
        _show(console(), result)
    for one in result["refused_rows"][:TOLD_MAX]:
        what = "; ".join(f"{fault['field']}: {fault['problem']}" for fault in one["faults"])
        named = f" ({one['id']})" if one["id"] else ""
        sys.stderr.write(f"line {one['line']}{named} refused: {what}\n")
    if (more := len(result["refused_rows"]) - TOLD_MAX) > 0:
        sys.stderr.write(f"and {more:,} more lines; --json names them\n")
    return REFUSED if result["refused"] else DONE


def import_rows(api: Api, rows: Sequence[Row], *, dry_run: bool, watch: Watch) -> dict[str, Any]:
    """Send rows; how many were created, changed, the same or refused, and the refused ones by their line.

    Raises:
        RewardsError: the API refused a request or did not answer; the text says how many rows were sent.
    """
    counts: Counter[str] = Counter()
    refused = [_refused(row, [{"field": "row", "problem": row.problem}]) for row in rows if row.problem]
    refused += _twice([row for row in rows if not row.problem])
    given_up = {one["line"] for one in refused}
    sound = [row for row in rows if row.line not in given_up]
    done = len(refused)
    watch("importing", done, len(rows))
    for part in _parts(sound):
        body = {"rewards": [row.content for row in part], "dry_run": dry_run}
        try:
            answer = api.ask("POST", "/v1/rewards/import", body)
        except RewardsError as wrong:
            message = f"{wrong}\nstopped in line {part[0].line}, after {done:,} of {len(rows):,} rewards; import again"
            raise RewardsError(message) from wrong
        for row, said in zip(part, answer["rewards"], strict=True):
            counts[said["outcome"]] += 1
            if said["outcome"] == "refused":
                refused.append(_refused(row, said["faults"]))
        done += len(part)
        watch("importing", done, len(rows))
    refused.sort(key=lambda one: one["line"])
    return {
        "dry_run": dry_run,
        "rows": len(rows),
        **{name: counts[name] for name in OUTCOMES},
        "refused": len(refused),
        "refused_rows": refused,
    }


def _refused(row: Row, faults: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    named = row.content.get("id")
    return {"line": row.line, "id": named if isinstance(named, str) else "", "faults": list(faults)}


def _twice(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows whose id is that of one before them, which may be in another request."""
    seen: dict[str, int] = {}
    found = []
    for row in rows:
        named = row.content.get("id")
        if isinstance(named, str) and (first := seen.setdefault(named, row.line)) != row.line:
            found.append(_refused(row, [{"field": "id", "problem": f"is that of line {first} too"}]))
    return found


def _parts(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows of each request."""
    part: list[Row] = []
    size = 0
    for row in rows:
        length = len(json.dumps(row.content, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        if part and (len(part) == ROWS_AT_ONCE or size + length > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


def _show(console: Console, result: Mapping[str, Any]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name in OUTCOMES:
        table.add_row(f"would be {name}" if result["dry_run"] else name, f"{result[name]:,}")
    console.print(table)


# Export --------------------------------------------------------------------------------------------------------------


def _export(
    options: argparse.Namespace, console: Callable[[], Console], watching: Callable[[], AbstractContextManager[Watch]]
) -> int:
    if options.file.suffix.lower() not in FORMATS:
        message = f"{options.file} is none of {', '.join(FORMATS)}"
        raise FileRefused(message)
    api = api_of(options)
    with watching() as watch:
        rows = export_rows(api, watch)
    try:
        write_rows(options.file, rows)
    except OSError as wrong:
        message = f"{options.file} cannot be written: {wrong.strerror}"
        raise FileRefused(message) from wrong
    if options.json:
        sys.stdout.write(json.dumps({"rewards": len(rows), "file": str(options.file)}, ensure_ascii=False) + "\n")
    else:
        console().print(f"{len(rows):,} rewards in {options.file}")
    return DONE


def export_rows(api: Api, watch: Watch) -> list[dict[str, Any]]:
    """All rewards by id, each as :func:`import_rows` sends it.

    Raises:
        RewardsError
    """
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = urlencode({"limit": "100"} | ({"cursor": cursor} if cursor else {}))
        page = api.ask("GET", f"/v1/reward-records?{query}")
        rows += [{"id": one["id"], **one["content"]} for one in page["rewards"]]
        watch("exporting", len(rows), len(rows))
        cursor = page["cursor"]
        if cursor is None:
            return sorted(rows, key=lambda row: str(row["id"]))
