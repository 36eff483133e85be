"""`jifen sweeps`: how far the sweeps are, and their pause and pace, through the API.

    jifen sweeps                       every sweep with its latest runs
    jifen sweeps run expire INSTANT    one run, shard by shard
    jifen sweeps pause expire          workers put their tasks back, from the next page on
    jifen sweeps resume expire         they go on within minutes
    jifen sweeps pace expire 200       so many accounts a second, all workers together; `off` is as fast as they can

It talks to the local AWS of `jifen up`, or to any deployment with ``--api`` and a file that holds an operator's token.
Exit codes: 0 done, 1 refused or the API did not answer, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from jifen.domain.sweeps import PACE_MAX
from local.reward_files import FileRefused
from local.rewards import RewardsError, add_api, api_of

DONE, REFUSED, USAGE = 0, 1, 2
OFF = "off"
WIDTH_MAX = 200
"""No table is wider than this."""
STEERED = ("expire", "remind")

_RUN_COLUMNS = ("run", "status", "%", "expected", "done", "left", "errors", "a second", "lag", "shards")
_SHARD_COLUMNS = ("shard", "", "expected", "seen", "done", "left", "errors", "oldest", "latest news")


def add_sweeps(commands: Any, console: Callable[[], Console]) -> None:
    """Add `sweeps` to the parsers `commands`; `console` is where results go."""
    parser = commands.add_parser(
        "sweeps",
        help="how far the sweeps are; pause, resume and pace one",
        description="Shows the latest runs of every sweep, and pauses, resumes or paces one: of the local AWS of "
        "`jifen up`, or of any deployment with --api and --token-file.",
    )
    parser.add_argument("--runs", type=_number(1, 30), default=5, metavar="NUMBER", help="of each sweep (default: 5)")
    add_api(parser)
    parser.set_defaults(run=lambda options: _guarded(lambda: _list(options, console)))
    acts = parser.add_subparsers(dest="act", metavar="run|pause|resume|pace")

    one = acts.add_parser("run", help="one run, shard by shard")
    one.add_argument("sweep", help="expire, remind, held, walk or reverse")
    one.add_argument("instant", metavar="INSTANT", help="as the list has it, such as 2026-11-26T16:05:00Z")
    add_api(one, again=True)
    one.set_defaults(run=lambda options: _guarded(lambda: _run(options, console)))

    for act, paused, said in (("pause", True, "put its tasks back and do nothing"), ("resume", False, "let it go on")):
        steer = _steering(acts, act, said)
        steer.set_defaults(run=lambda options, paused=paused: _guarded(lambda: _steer(options, console, paused=paused)))

    pace = _steering(acts, "pace", "bound how many accounts it does a second")
    pace.add_argument("accounts", type=_pace, metavar="ACCOUNTS", help=f"a second, all workers together; or {OFF}")
    pace.set_defaults(
        run=lambda options: _guarded(lambda: _steer(options, console, accounts_per_second=options.accounts))
    )


def _steering(acts: Any, act: str, said: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = acts.add_parser(act, help=said)
    parser.add_argument("sweep", choices=STEERED)
    parser.add_argument("--reason", default="", metavar="TEXT", help="for the audit")
    add_api(parser, again=True)
    return parser


def _number(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not text.isascii() or not low <= int(text) <= high:
            message = f"{text!r} is no number from {low} to {high}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return number


def _pace(text: str) -> int | None:
    return None if text == OFF else _number(1, PACE_MAX)(text)


def _guarded(run: Callable[[], None]) -> int:
    try:
        run()
    except FileRefused as wrong:
        sys.stderr.write(f"jifen sweeps: {wrong}\n")
        return USAGE
    except RewardsError as wrong:
        sys.stderr.write(f"jifen sweeps: {wrong}\n")
        return REFUSED
    return DONE


def _list(options: argparse.Namespace, console: Callable[[], Console]) -> None:
    found = api_of(options).ask("GET", f"/v1/sweeps?runs={options.runs}")
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    for one in found["sweeps"]:
        _show_sweep(console(), one)


def _run(options: argparse.Namespace, console: Callable[[], Console]) -> None:
    path = f"/v1/sweeps/{quote(options.sweep, safe='')}/runs/{quote(options.instant, safe='')}"
    found = api_of(options).ask("GET", path)
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    _print(console(), _table(_RUN_COLUMNS, [_run_row(found)]))
    rows = [
        (
            str(one["shard"]),
            "finished" if one["finished"] else "",
            *(f"{one[name]:,}" for name in ("expected", "seen", "done", "left", "errors")),
            one["oldest"] or "",
            one["updated_at"],
        )
        for one in found["by_shard"]
    ]
    _print(console(), _table(_SHARD_COLUMNS, rows))


def _steer(options: argparse.Namespace, console: Callable[[], Console], **wanted: object) -> None:
    body = {**wanted, "reason": options.reason}
    found = api_of(options).ask("PUT", f"/v1/sweeps/{options.sweep}", body)
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        _show_sweep(console(), found)


def _show_sweep(console: Console, one: Mapping[str, Any]) -> None:
    pace = one["accounts_per_second"]
    said = [
        "PAUSED" if one["paused"] else "",
        f"{pace:,} accounts a second" if pace else "",
        f"set by {one['set_by']}" if one["set_by"] else "",
        "a walk is due: dates are those of an earlier program" if one["dates_current"] is False else "",
    ]
    console.print(" · ".join(part for part in (one["sweep"], *said) if part), style="bold", highlight=False)
    if one["runs"]:
        _print(console, _table(_RUN_COLUMNS, [_run_row(run) for run in one["runs"]]))


def _run_row(run: Mapping[str, Any]) -> tuple[str, ...]:
    lag = run["lag_days"]
    return (
        run["run"],
        run["status"],
        str(run["percent"]),
        *(f"{run[name]:,}" for name in ("expected", "done", "left", "errors")),
        run["accounts_per_second"] or "",
        f"{lag} d" if lag else "",
        f"{run['shards_finished']}/{run['shards']}",
    )


def _print(console: Console, table: Table) -> None:
    """Print a table as wide as it is: the name of a run is what the next command takes, so none is cut."""
    console.width = max(console.width, WIDTH_MAX)
    console.print(table)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        plain = name in {"run", "status", "", "oldest", "latest news"}
        table.add_column(name, justify="left" if plain else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
