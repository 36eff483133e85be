"""`jifen validity`: what policies of validity would do to every account, what they did, and taking it back.

    preview            every account, page by page, and what each policy would do on a day; nothing is written
    batches            what each policy did on each day, and whether it was taken back
    reverse BATCH      take one back, and wait until it is

It talks to the local AWS of `jifen up`, or to any deployment with ``--api`` and a file that holds a token, of an
operator, for reverse of an administrator. Exit codes: 0 done, 1 refused, not finished or no answer, 2 usage.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from rich.console import Console
from rich.table import Table

from local.replay import Watch
from local.reward_files import FileRefused
from local.rewards import Api, RewardsError, add_api, api_of

DONE, REFUSED, USAGE = 0, 1, 2

PAGE = 500
"""Accounts of one request of a preview."""

ROWS = 100
SHOWN_MAX = 10
LOOK_S = 2.0
"""So long between two looks at a batch that is being taken back."""

COLUMNS = ("member_id", "policy", "effect", "points", "expires_on", "then")

Watching = Callable[[], AbstractContextManager[Watch]]


def add_validity(commands: Any, console: Callable[[], Console], watching: Watching) -> None:
    """Add `validity` to the parsers `commands`; `console` is where results go, `watching` shows progress."""
    parser = commands.add_parser(
        "validity",
        help="what policies of validity would do and did, and taking it back",
        description="Previews policies of validity over the real accounts, lists what they did, and takes it back: on "
        "the local AWS of `jifen up`, or on any deployment with --api and --token-file.",
    )
    acts = parser.add_subparsers(dest="act", required=True, metavar="preview|batches|reverse")
    trying = acts.add_parser(
        "preview",
        help="what the policies of a version would do to every account; nothing is written",
        description="Goes through every account with points and says what each policy would do on a day, if nothing "
        "happened until then.",
    )
    trying.add_argument("--ruleset", default="current", metavar="N", help="a version (default: the one in force)")
    trying.add_argument(
        "--day", metavar="YYYY-MM-DD", help="(default: today, or the day on which the first policy starts)"
    )
    trying.add_argument("--report", type=Path, metavar="FILE.csv", help="write every case there")
    add_api(trying)
    trying.set_defaults(run=lambda options: _guarded(lambda: _preview(options, console, watching)))
    listing = acts.add_parser("batches", help="what each policy did on each day", description="Lists batches.")
    add_api(listing)
    listing.set_defaults(run=lambda options: _guarded(lambda: _batches(options, console)))
    taking = acts.add_parser(
        "reverse",
        help="take back what a policy did on a day",
        description="Takes a batch back and waits until that is done. A second time finds what was left.",
    )
    taking.add_argument("batch", metavar="BATCH", help="the id of a batch, such as sleepy.2027-02-02")
    taking.add_argument("--reason", required=True, help="why; it stands in the audit and in every entry")
    taking.add_argument("--wait", type=_seconds, default=600, metavar="S", help="wait so long (default: 600)")
    add_api(taking)
    taking.set_defaults(run=lambda options: _guarded(lambda: _reverse(options, console, watching)))


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 86_400:  # noqa: PLR2004 - a day
        message = f"{text!r} is no number of seconds from 0 to 86400"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _guarded(run: Callable[[], int]) -> int:
    try:
        return run()
    except FileRefused as wrong:
        sys.stderr.write(f"jifen validity: {wrong}\n")
        return USAGE
    except RewardsError as wrong:
        sys.stderr.write(f"jifen validity: {wrong}\n")
        return REFUSED


# Preview -------------------------------------------------------------------------------------------------------------


def pages(api: Api, ruleset: str, day: str | None, watch: Watch) -> Iterator[dict[str, Any]]:
    """Every page of a preview.

    Raises:
        RewardsError: the API refused it or did not answer.
    """
    cursor: str | None = None
    while True:
        asked = {"limit": PAGE, **({"day": day} if day else {}), **({"cursor": cursor} if cursor else {})}
        page = api.ask("POST", f"/v1/rulesets/{quote(ruleset, safe='')}/validity-preview", asked)
        watch("looking", page["shard"], page["shards"])
        yield page
        cursor, day = page["cursor"], page["day"]
        if cursor is None:
            return


def _preview(options: argparse.Namespace, console: Callable[[], Console], watching: Watching) -> int:
    api = api_of(options)
    accounts, points, seen = Counter[tuple[str, str]](), Counter[tuple[str, str]](), 0
    unreadable, shown, day = list[str](), list[dict[str, Any]](), ""
    with watching() as watch, _report(options.report) as keep:
        for page in pages(api, options.ruleset, options.day, watch):
            seen, day = seen + page["accounts"], page["day"]
            unreadable += page["unreadable"]
            for total in page["totals"]:
                named = (total["policy"], total["effect"])
                accounts[named] += total["accounts"]
                points[named] += total["points"]
            for case in page["cases"]:
                keep(case)
            shown += page["cases"][: SHOWN_MAX - len(shown)]
    totals = [
        {"policy": policy, "effect": effect, "accounts": accounts[policy, effect], "points": points[policy, effect]}
        for policy, effect in accounts
    ]
    result = {"day": day, "accounts": seen, "totals": totals, "unreadable": unreadable}
    if options.json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    else:
        _show(console(), result, shown)
    for member in unreadable[:SHOWN_MAX]:
        sys.stderr.write(f"the account of {member} cannot be read\n")
    return REFUSED if unreadable else DONE


class _report:  # noqa: N801 - it is used as a function is
    """A CSV file that takes one case after the other; None takes nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: Any = None

    def __enter__(self) -> Callable[[Mapping[str, Any]], None]:
        if self._path is None:
            return lambda _case: None
        try:
            self._file = self._path.open("w", encoding="utf-8", newline="")
        except OSError as wrong:
            message = f"{self._path} cannot be written: {wrong.strerror}"
            raise FileRefused(message) from wrong
        writer = csv.writer(self._file)
        writer.writerow(COLUMNS)
        return lambda case: writer.writerow([_plain_cell(case[name]) for name in COLUMNS])

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def _plain_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def _show(console: Console, result: Mapping[str, Any], shown: list[dict[str, Any]]) -> None:
    console.print(f"{result['accounts']:,} accounts as of {result['day']}")
    table = Table(box=None, pad_edge=False)
    for name in ("policy", "effect"):
        table.add_column(name, no_wrap=True)
    for name in ("accounts", "points"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in result["totals"]:
        table.add_row(one["policy"], one["effect"], f"{one['accounts']:,}", f"{one['points']:,}")
    console.print(table)
    if shown:
        console.print(f"\nthe first {len(shown)}:")
        cases = Table(box=None, pad_edge=False)
        for name in COLUMNS:
            cases.add_column(name, justify="right" if name == "points" else "left", no_wrap=True)
        for case in shown:
            cases.add_row(*("-" if case[name] is None else str(case[name]) for name in COLUMNS))
        console.print(cases)


# Batches -------------------------------------------------------------------------------------------------------------


def _batches(options: argparse.Namespace, console: Callable[[], Console]) -> int:
    api, found = api_of(options), list[dict[str, Any]]()
    cursor: str | None = None
    while True:
        query = urlencode({"limit": ROWS} | ({"cursor": cursor} if cursor else {}))
        page = api.ask("GET", f"/v1/validity/batches?{query}")
        found += page["batches"]
        cursor = page["cursor"]
        if cursor is None:
            break
    if options.json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
        return DONE
    table = Table(box=None, pad_edge=False)
    for name in ("batch", "effect", "ruleset", "status", "taken back by", "reason"):
        table.add_column(name, no_wrap=name != "reason")
    for one in found:
        table.add_row(one["id"], one["effect"], str(one["ruleset"]), one["status"], one["by"] or "-", one["reason"])
    console().print(table if found else "no policy has done anything")
    return DONE


# Taking back ---------------------------------------------------------------------------------------------------------


def _reverse(options: argparse.Namespace, console: Callable[[], Console], watching: Watching) -> int:
    api = api_of(options, "admin")
    path = f"/v1/validity/batches/{quote(options.batch, safe='')}"
    batch = api.ask("POST", f"{path}/reverse", {"reason": options.reason})
    ends = time.monotonic() + options.wait
    with watching() as watch:
        while batch["status"] != "REVERSED" and time.monotonic() < ends:
            watch("parts", batch["parts_done"], batch["parts"])
            api.sleep(LOOK_S)
            batch = api.ask("GET", f"{path}?limit=1")
        watch("parts", batch["parts_done"], batch["parts"])
    said = {name: batch[name] for name in ("id", "status", "parts_done", "parts")}
    if options.json:
        sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
    else:
        console().print(f"{batch['id']} {batch['status']}, {batch['parts_done']} of {batch['parts']} parts")
    return DONE if batch["status"] == "REVERSED" else REFUSED
