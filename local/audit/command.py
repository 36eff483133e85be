"""``jifen audit``: a whole ledger judged from its raw rows, on a local engine or in an export from AWS."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from jifen.domain.program import Program
from local.audit.auditor import audit
from local.audit.laws import LAWS, Violation
from local.audit.table import rows_of
from local.engines import Engine
from local.replay import ReplayError, numbered_lines

DONE, REFUSED = 0, 1
SHOWN_MAX = 20


class NotAnExport(ReplayError):
    """A file holds something else than the lines of a DynamoDB export."""


def add_audit(
    commands: Any,
    add_place: Callable[[argparse.ArgumentParser], None],
    add_program: Callable[[argparse.ArgumentParser], None],
    program_of: Callable[[argparse.Namespace], Program],
    engine_of: Callable[[argparse.Namespace], AbstractContextManager[Engine]],
    console: Callable[[], Console],
    instant: Callable[[str], datetime],
) -> None:
    """Add the command to those of ``jifen``."""
    parser = commands.add_parser(
        "audit",
        help="judge a whole ledger from its raw rows, by code that shares nothing with the code that wrote them",
        description=f"Reads every row of a table and holds it against {len(LAWS)} laws: chains, lots, debts, holds, "
        "restores, orders and their rules, events, caps, campaigns, versions, the mall, draws, auctions, index, "
        "totals. Of a table in AWS it takes an export (to S3, format DynamoDB JSON), so it needs no right on the table "
        "itself. All of it has to fit into memory, some 4 KB a row.",
    )
    parser.add_argument(
        "--export",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="the data files of an export, plain or gzipped, all of them; instead of an engine",
    )
    parser.add_argument("--now", type=instant, metavar="INSTANT", help="when the rows were read (default: now)")
    parser.add_argument("--shards", type=int, metavar="N", help="shards of the due indexes, to check them too")
    add_place(parser)
    add_program(parser)
    parser.set_defaults(run=lambda options: _run(options, program_of, engine_of, console))


def _run(
    options: argparse.Namespace,
    program_of: Callable[[argparse.Namespace], Program],
    engine_of: Callable[[argparse.Namespace], AbstractContextManager[Engine]],
    console: Callable[[], Console],
) -> int:
    program, now = program_of(options), options.now or datetime.now(UTC)
    read: Counter[str] = Counter()
    if options.export:
        rows = _counted(exported(options.export), read)
        found = audit(rows, program, now, shards=options.shards)
    else:
        with engine_of(options) as engine:
            rows = _counted(rows_of(engine, options.table), read)
            found = audit(rows, program, now, shards=options.shards)
    if options.json:
        sys.stdout.write(json.dumps(_plain(read, found), ensure_ascii=False) + "\n")
    else:
        _show(console(), read, found)
    return REFUSED if found else DONE


def exported(files: list[Path]) -> Iterator[Mapping[str, Any]]:
    """The items of an export to S3 in DynamoDB JSON: a line each, ``{"Item": {…}}``.

    Raises:
        NotAnExport: a line is something else.
        ReplayError: a file cannot be read.
    """
    for file in files:
        for number, line in numbered_lines(file):
            try:
                item = json.loads(line)["Item"]
            except (ValueError, KeyError, TypeError, RecursionError) as wrong:
                message = f"{file}, line {number}: is no item of a DynamoDB export"
                raise NotAnExport(message) from wrong
            yield item


def _counted(rows: Iterator[Mapping[str, Any]], read: Counter[str]) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        read["rows"] += 1
        read["accounts"] += row.get("sk") == {"S": "A"}
        yield row


def _plain(read: Counter[str], found: list[Violation]) -> dict[str, Any]:
    rows = [{"law": one.law, "subject": one.subject, "detail": one.detail} for one in found]
    return {"rows": read["rows"], "accounts": read["accounts"], "laws": len(LAWS), "violations": rows}


def _show(console: Console, read: Counter[str], found: list[Violation]) -> None:
    if found:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("law", "where", "what"):
            table.add_column(column)
        for violation in found[:SHOWN_MAX]:
            table.add_row(violation.law, violation.subject, violation.detail)
        console.print(table)
        if (more := len(found) - SHOWN_MAX) > 0:
            console.print(f"and {more:,} more; --json has all of them")
    console.print(
        f"{read['rows']:,} rows, {read['accounts']:,} accounts, {len(LAWS)} laws: {len(found) or 'no'} violations"
    )
