"""`jifen verify-draw`: a draw worked out again from two answers of the API, with nothing else and no connection.

    RECEIPT.json    the answer to the draw, or that of GET /v1/draws/{id}
    LOTTERY.json    the answer of GET /v1/lotteries/{id}, asked for once the day of the draw is over

Exit codes: 0 every check holds, 1 one does not or cannot be told yet, 2 a file cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from jifen.domain.draw_proof import Check, verify

DONE, REFUSED, USAGE = 0, 1, 2
BYTES_MAX = 5_000_000

VERIFIED, WRONG, OPEN = "verified", "wrong", "open"


class Unreadable(Exception):
    """A file holds no answer of the API."""


def add_verify_draw(commands: Any, console: Callable[[], Console]) -> None:
    """Add the command to those of ``jifen``."""
    parser = commands.add_parser(
        "verify-draw",
        help="work a lottery draw out again from its receipt and the secrets that were shown",
        description="Takes two answers of the API, the receipt of a draw and the lottery once that day is over, and "
        "works out the chain of secrets, the number, the prize and what came of it. Nothing is asked of anybody.",
    )
    parser.add_argument(
        "receipt", type=Path, metavar="RECEIPT.json", help="the answer to the draw, or of GET /v1/draws/…"
    )
    parser.add_argument(
        "--lottery", type=Path, required=True, metavar="LOTTERY.json", help="the answer of GET /v1/lotteries/…"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")
    parser.set_defaults(run=lambda options: _run(options, console))


def _run(options: argparse.Namespace, console: Callable[[], Console]) -> int:
    try:
        receipt, lottery = _object(options.receipt), _object(options.lottery)
    except Unreadable as wrong:
        print(f"jifen verify-draw: {wrong}", file=sys.stderr)
        return USAGE
    checks = verify(receipt, lottery)
    result = result_of(checks)
    if options.json:
        rows = [check._asdict() for check in checks]
        sys.stdout.write(json.dumps({"result": result, "checks": rows}, ensure_ascii=False) + "\n")
    else:
        _show(console(), checks, result)
    return DONE if result == VERIFIED else REFUSED


def result_of(checks: Sequence[Check]) -> str:
    """``verified``; ``wrong`` where something does not hold; ``open`` where it cannot be told yet."""
    held = {check.holds for check in checks}
    return WRONG if False in held else OPEN if None in held else VERIFIED


def _object(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file.

    Raises:
        Unreadable: there is none; the text says what there is.
    """
    try:
        raw = path.read_bytes()[: BYTES_MAX + 1]
    except OSError as wrong:
        message = f"{path} cannot be read: {wrong.strerror}"
        raise Unreadable(message) from wrong
    try:
        found = json.loads(raw) if len(raw) <= BYTES_MAX else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        message = f"{path} is not a JSON object of at most {BYTES_MAX} bytes"
        raise Unreadable(message)
    return found


def _show(console: Console, checks: Sequence[Check], result: str) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for check in checks:
        table.add_row({True: "ok", False: "WRONG", None: "?"}[check.holds], check.name, check.detail)
    console.print(table)
    said = {
        VERIFIED: "Verified: nobody could have chosen this number after the commitment was published.",
        WRONG: "Not verified: what is marked WRONG does not hold.",
        OPEN: "Not verified yet: what is marked ? cannot be told.",
    }
    console.print(said[result])
