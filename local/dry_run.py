"""``jifen dry-run``: what a draft would have given for the orders of a file, beside what another program gives.

    line ──read──> event ──> jifen.service.dry_run.replay ──> Comparison ──> table, or report

Nothing is written but the report: the ledgers of both programs are in memory. Redemptions and expiry sweeps of the file
are taken in, for what is spent cannot be clawed back; reminder sweeps move no points and are passed over. A line that
cannot be read is refused by its number and the run goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jifen.adapters.webhook import standard
from jifen.adapters.webhook.reader import load_json
from jifen.domain.calendar import parse_instant
from jifen.domain.errors import Fault, InvalidInput
from jifen.domain.ids import valid_id
from jifen.domain.orders import Line, OrderEvent
from jifen.domain.points import POINTS_MAX
from jifen.domain.program import Program, parse_program
from jifen.service.dry_run import Comparison, Night, Past, Points, Spent, replay
from jifen.service.simulating import behaviour_event, comparison_view
from local.replay import REFUSED_SHOWN_MAX, Watch, numbered_lines

DONE, REFUSED = 0, 1
TOLD_MAX = 10
"""As many refused lines are told on standard error; the report names more."""

ORDERS_TOLD = 5
LATEST = datetime(8999, 1, 1, tzinfo=UTC)
"""A file is of the past, whenever that was: the clock follows it."""

PASSED_OVER = ("sweep.remind",)


@dataclass(frozen=True, slots=True)
class Kit:
    """What the command shares with the others: reading of programs, checks of arguments, and where output goes."""

    program_file: Callable[[Path], dict[str, Any]]
    count_lines: Callable[[Path, str], int]
    check_report: Callable[[Path | None], None]
    console: Callable[[], Console]
    watching: Callable[[], AbstractContextManager[Watch]]


def add_dry_run(commands: Any, kit: Kit) -> None:
    """Add the command to those of ``jifen``."""
    parser = commands.add_parser(
        "dry-run",
        help="what a draft of the program would have given for the orders of a file, member by member",
        description="Takes the events of a file through two programs, each on a ledger in memory, with the clock at "
        "the latest occurred_at seen so far, and compares what members were given less what was taken back. Nothing "
        "is written but the report.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="events, one JSON object a line; may be gzipped (.gz)")
    parser.add_argument("--program", type=Path, required=True, metavar="DRAFT.json", help="the program to be tried")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CURRENT.json",
        help="the program it is compared with (default: a point a unit, in the draft's time zone and currency)",
    )
    parser.add_argument("--report", type=Path, metavar="OUT.json", help="write all figures and members there")
    parser.add_argument("--top", type=_whole, default=10, metavar="N", help="members shown (default: 10)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")
    parser.set_defaults(run=lambda options: _run(options, kit))


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 1_000_000:  # noqa: PLR2004 - more members than anyone reads
        message = f"{text!r} is no number from 0 to 1000000"
        raise argparse.ArgumentTypeError(message)
    return int(text)


# The file ------------------------------------------------------------------------------------------------------------


@dataclass
class Lines:
    """The events of a file, in its order; what is passed over and what is refused is counted on the way."""

    path: Path
    watch: Callable[[int], None] = lambda _done: None
    counts: Counter[str] = field(default_factory=Counter)
    refused: list[dict[str, Any]] = field(default_factory=list)
    _texts: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Past]:
        for done, (number, line) in enumerate(numbered_lines(self.path), 1):
            self.counts["lines"] += 1
            try:
                event = self._event(line)
            except InvalidInput as wrong:
                self._refuse(number, wrong.detail)
            else:
                if event is not None:
                    yield event
            self.watch(done)

    def _event(self, line: str) -> Past | None:
        """What stands in a line; None where it is passed over.

        Raises:
            InvalidInput: it cannot be read.
        """
        data = load_json(line.encode("utf-8", errors="surrogatepass"))
        kind = data.get("type")
        if kind in PASSED_OVER:
            self.counts[kind] += 1
            return None
        if kind == "redeem.requested":
            return _spent(data)
        if kind == "sweep.expire":
            return Night(_at(data))
        if not str(kind).startswith("order."):
            return behaviour_event(data, LATEST)
        events = standard.read({}, line.encode("utf-8", errors="surrogatepass"), LATEST)
        if not events:
            raise _fault("type", f"{kind} is no type of event that can be taken in")
        return self._sharing(events[0])

    def _sharing(self, event: OrderEvent) -> OrderEvent:
        """The event with texts that many orders have kept once."""
        if event.paid is None:
            return event
        lines = tuple(self._line(line) for line in event.paid.lines)
        return replace(event, paid=replace(event.paid, lines=lines))

    def _line(self, line: Line) -> Line:
        sku, category = self._texts.setdefault(line.sku, line.sku), line.category
        return replace(line, sku=sku, category=category and self._texts.setdefault(category, category))

    def _refuse(self, number: int, problem: str) -> None:
        self.counts["refused"] += 1
        if len(self.refused) < REFUSED_SHOWN_MAX:
            self.refused.append({"line": number, "detail": problem})


def _spent(data: Mapping[str, Any]) -> Spent:
    member, request_id, points = data.get("customer_id"), data.get("request_id"), data.get("points")
    if not valid_id(member) or not valid_id(request_id):
        raise _fault("customer_id", "or request_id is no id")
    if type(points) is not int or not 1 <= points <= POINTS_MAX:
        raise _fault("points", "is no whole number from 1 on")
    return Spent(str(member), str(request_id), points, _at(data))


def _at(data: Mapping[str, Any]) -> datetime:
    try:
        return parse_instant(data.get("occurred_at"))
    except ValueError as wrong:
        raise _fault("occurred_at", "is not an instant") from wrong


def _fault(name: str, problem: str) -> InvalidInput:
    return InvalidInput([Fault(name, problem)])


# The command ---------------------------------------------------------------------------------------------------------


def compare(path: Path, in_force: Program, draft: Program, watch: Callable[[int], None]) -> tuple[Comparison, Lines]:
    """Take a file through both programs.

    Raises:
        ReplayError: it cannot be read.
    """
    lines = Lines(path, watch)
    return replay(lines, in_force, draft), lines


def _run(options: argparse.Namespace, kit: Kit) -> int:
    draft = parse_program(kit.program_file(options.program))
    in_force = parse_program(kit.program_file(options.against)) if options.against else _plain(draft)
    count = kit.count_lines(options.file, "")
    kit.check_report(options.report)
    with kit.watching() as watch:
        compared, lines = compare(options.file, in_force, draft, lambda done: watch("comparing", done, count))
    report = plain(compared, lines)
    if options.report:
        options.report.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if options.json:
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    else:
        show(kit.console(), compared, lines, options.top)
        if options.report:
            sys.stderr.write(f"report: {options.report}\n")
    for row in lines.refused[:TOLD_MAX]:
        sys.stderr.write(f"line {row['line']} refused: {row['detail']}\n")
    if (more := lines.counts["refused"] - TOLD_MAX) > 0:
        sys.stderr.write(f"and {more:,} more lines; a report file names them\n")
    return REFUSED if lines.counts["refused"] else DONE


def _plain(draft: Program) -> Program:
    """The default program where the draft counts: same time zone, same currency."""
    currency = {"currency": draft.currency} if draft.currency else {}
    return parse_program({"time_zone": draft.zone.key, **currency})


def plain(compared: Comparison, lines: Lines) -> dict[str, Any]:
    """The whole comparison as JSON, every member named."""
    return {
        "lines": lines.counts["lines"],
        "passed_over": {name: lines.counts[name] for name in PASSED_OVER if lines.counts[name]},
        "refused_lines": lines.counts["refused"],
        "refused": lines.refused,
        "comparison": comparison_view(compared, compared.members),
    }


# What is shown -------------------------------------------------------------------------------------------------------


def show(console: Console, compared: Comparison, lines: Lines, top: int) -> None:
    """Print totals, rules, the members that it moves most, and some orders with the rules behind them."""
    console.print(_summary(compared, lines))
    console.print()
    rules = _table("rule")
    for name, points in compared.rules.items():
        rules.add_row(name, *_figures(points))
    rules.add_section()
    rules.add_row("all", *_figures(compared.total))
    console.print(rules)
    largest = compared.largest(top)
    if largest:
        console.print()
        members = _table("member")
        for one in largest:
            members.add_row(one.member, *_figures(one.points))
        console.print(members)
    if compared.shown and top:
        console.print()
        console.print(_orders(compared))


def _summary(compared: Comparison, lines: Lines) -> Table:
    same = len(compared.members) - compared.gain - compared.lose
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_row("events", f"{compared.events:,}")
    table.add_row("orders", f"{compared.orders:,}")
    table.add_row("orders that differ", f"{compared.differing:,}")
    table.add_row("members", f"{len(compared.members):,}")
    table.add_row("with more points", f"{compared.gain:,}")
    table.add_row("with fewer points", f"{compared.lose:,}")
    table.add_row("with the same", f"{same:,}")
    for name in PASSED_OVER:
        if lines.counts[name]:
            table.add_row(f"{name} passed over", f"{lines.counts[name]:,}")
    if any(compared.refused):
        table.add_row("not taken, against", f"{compared.refused.in_force:,}")
        table.add_row("not taken, draft", f"{compared.refused.draft:,}")
    table.add_row("refused lines", Text(f"{lines.counts['refused']:,}", "bold red" if lines.counts["refused"] else ""))
    return table


def _table(what: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(what, no_wrap=True)
    for name in ("against", "draft", "difference"):
        table.add_column(name, justify="right", no_wrap=True, min_width=10)
    return table


def _figures(points: Points) -> Sequence[Text | str]:
    style = "green" if points.difference > 0 else "red" if points.difference else "dim"
    shown = f"{points.difference:+,}" if points.difference else "0"
    return f"{points.in_force:,}", f"{points.draft:,}", Text(shown, style)


def _orders(compared: Comparison) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("order", no_wrap=True)
    table.add_column("against", justify="right", no_wrap=True)
    table.add_column("because")
    table.add_column("draft", justify="right", no_wrap=True)
    table.add_column("because")
    for one in compared.shown[:ORDERS_TOLD]:
        against, draft = (_because(why) for why in one.why)
        table.add_row(one.order_id, f"{one.points.in_force:,}", against, f"{one.points.draft:,}", draft)
    return table


def _because(why: Sequence[Mapping[str, Any]]) -> str:
    """The rules that gave something, and what limits took."""
    given = [f"{line['rule']} {line['points']}" for line in why if "rule" in line and line.get("points")]
    cut = [f"{line.get('cap') or line.get('campaign') or 'refund'} -{line['cut']}" for line in why if "cut" in line]
    return ", ".join((*given, *cut)) or "nothing"
