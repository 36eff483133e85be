"""The demo: a year and a half of an invented coffee shop, replayed, proved, and put on one page.

The shop's file goes on until every point has expired; the demo stops at ``TODAY``, in the middle of it, where there is
something to see: points that have lapsed, points that will, reminders under way, members in debt.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jifen.domain.money import minor_per_unit
from jifen.domain.program import Program, parse_program
from local import shop
from local.engines import Engine
from local.engines.surroundings import surroundings
from local.replay import Replay, Watch, replay_file

TODAY = date(2026, 8, 24)
MEMBERS_MAX = 9_999
ORDERS_PER_MEMBER = 15
SHARDS = 2
"""Enough for a small shop, and a sweep asks each of them."""

STATEMENT_LINES_MAX = 24
REMINDERS_SHOWN = 5
BAR_MAX = 24

_STYLES = {"earn": "green", "restore": "green", "clawback": "red", "redeem": "cyan", "expire": "yellow"}


@dataclass(frozen=True)
class Demo:
    """What there is to show. ``reminders`` are in the order of their sending, with the day."""

    file: Path
    program_file: Path
    program: Program
    report: dict[str, Any]
    names: Mapping[str, str]
    member: str
    entries: list[dict[str, Any]]
    proof: dict[str, Any]
    reminders: list[dict[str, Any]]

    def plain(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "file": str(self.file),
            "program_file": str(self.program_file),
            "report": self.report,
            "statement": {"member_id": self.member, "entries": self.entries, "proof": self.proof},
        }


def run_demo(engine: Engine, seed: int, members: int, watch: Watch) -> Demo:
    """Invent the file, replay it into a table of its own, and choose what to show.

    Raises:
        ReplayError: the ledger did not take an event.
    """
    folder = surroundings().cache / "demo"
    file, program_file = folder / f"shop-{seed}-{members}.ndjson", folder / "program.json"
    lines = [json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in _events(seed, members)]
    _write(file, "".join(f"{line}\n" for line in lines))
    _write(program_file, json.dumps(shop.PROGRAM, indent=1) + "\n")
    program = parse_program(shop.PROGRAM)
    table = f"jifen-demo-{uuid.uuid4().hex[:8]}"
    replay = Replay(engine, program, table, SHARDS)
    try:
        report = replay_file(file, len(lines), replay, watch)
        with replay.running():
            member, entries = _interesting(replay, report["accounts"])
            proof = replay.proof(member)
    finally:
        if engine.process_group is None:
            # This engine goes on without us; the table is of no use to anybody.
            engine.client().delete_table(TableName=table)
    sent = [
        {"on": at.astimezone(program.zone).date().isoformat(), **row}
        for at, row in zip(replay.reminders.sent_at, replay.reminders.rows, strict=True)
    ]
    names = shop.member_names(members)
    return Demo(file, program_file, program, report, names, member, entries, proof, sent)


def _events(seed: int, members: int) -> Iterator[shop.Event]:
    tomorrow = (TODAY + timedelta(days=1)).isoformat()
    events = shop.events(seed, members, members * ORDERS_PER_MEMBER)
    return itertools.takewhile(lambda event: str(event["occurred_at"]) < tomorrow, events)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all: another demo may be doing the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    attempt = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    attempt.write_text(text, encoding="utf-8")
    attempt.replace(path)


# Whose statement -----------------------------------------------------------------------------------------------------


def _interesting(replay: Replay, accounts: Mapping[str, Mapping[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Choose the member to whom most kinds of things happened, in few enough lines to read."""
    short = [member for member, account in accounts.items() if account["version"] <= STATEMENT_LINES_MAX]
    candidates = short or [min(accounts, key=lambda member: int(accounts[member]["version"]))]
    statements = {member: replay.entries(member) for member in candidates}
    best = max(candidates, key=lambda member: (*_interest(accounts[member], statements[member]), member))
    return best, statements[best]


def _interest(account: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    kinds = {entry["kind"] for entry in entries}
    partial = any(entry["kind"] == "clawback" and _why(entry).get("kept_minor", 0) > 0 for entry in entries)
    owed = any(_why(entry).get("owed", 0) > 0 for entry in entries)
    return 2 * len(kinds) + 2 * partial + owed + (account["available"] > 0), len(entries)


def _why(entry: Mapping[str, Any]) -> dict[str, Any]:
    """All reasons of an entry as one; what several rules say is the same amount."""
    return {name: value for reason in entry["why"] for name, value in reason.items()}


# Words ---------------------------------------------------------------------------------------------------------------

_HAPPENED = {
    "ORDER_PAID": "paid",
    "ORDER_AMENDED": "amended",
    "ORDER_REFUNDED": "refunded",
    "ORDER_CANCELLED": "cancelled",
    "ORDER_MOVED": "moved",
    "ORDER_REDATED": "redated",
}


def reason_words(entry: Mapping[str, Any], currency: str) -> str:
    """Say in words what an entry's ``why`` and lots say in figures."""
    why = _why(entry)
    if entry["kind"] == "expire":
        return f"not used by {why['last_valid_day']}"
    if entry["kind"] == "redeem":
        return "spent " + ", ".join(f"{-lot['points']} of {lot['expires_on'] or 'ever'}" for lot in entry["lots"])
    if entry["source"]["type"] != "order" or entry["reason"] not in _HAPPENED:
        return str(entry["reason"]).lower().replace("_", " ")
    words = [f"{entry['source']['id']} {_HAPPENED[entry['reason']]}"]
    if "kept_minor" in why and entry["reason"] != "ORDER_CANCELLED":
        words[0] += f": {money(why['kept_minor'], currency)}{'' if entry['kind'] == 'earn' else ' kept'}"
    if entry["kind"] == "earn":
        words += [f"until {lot['expires_on']}" for lot in entry["lots"] if lot["expires_on"]]
    words += [f"{why[name]} {said}" for name, said in (("owed", "owed"), ("paid_debt", "paid debt")) if why.get(name)]
    return ", ".join(words)


def money(minor: int, currency: str) -> str:
    """An amount as people write it: ``153.00 CNY``, ``153 JPY``."""
    per_unit = minor_per_unit(currency)
    if per_unit == 1:
        return f"{minor} {currency}"
    units, rest = divmod(minor, per_unit)
    return f"{units}.{rest:0{len(str(per_unit)) - 1}} {currency}"


# The page ------------------------------------------------------------------------------------------------------------


def show_demo(console: Console, demo: Demo) -> None:
    """Print the page: totals, a statement, what expires next, reminders, the proof."""
    _show_totals(console, demo)
    _show_statement(console, demo)
    _show_expiring(console, demo)
    _show_reminders(console, demo)
    _show_proof(console, demo)
    console.print()
    console.print("The same again, with any engine and program you like:")
    console.print(Text(f"jifen replay {demo.file} --program {demo.program_file}", style="dim"), soft_wrap=True)


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def _table(*columns: str) -> Table:
    """A table whose columns are named, ``>`` before the name for figures."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return table


def _show_totals(console: Console, demo: Demo) -> None:
    report, points = demo.report, demo.report["points"]
    accounts = report["accounts"].values()
    answers = Counter(answer["status"] for answer in report["redemptions"].values())
    console.print(Text(f"A coffee shop's points, {shop.FIRST_DAY} to {TODAY} ({demo.program.zone.key})", style="bold"))
    for _, points_each, per_minor, _ in demo.program.rules.rates:
        unit = money(per_minor, demo.program.currency or "CNY")
        console.print(f"{points_each} point for every {unit} kept, valid 12 months to the end of the month")
    _heading(console, "Totals")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for number in range(6):
        table.add_column(style=None if number % 2 else "dim", justify="right" if number % 2 else "left")
    available, debt = (sum(account[name] for account in accounts) for name in ("available", "debt"))
    cells = (
        *("members", report["members"], "earned", points["earned"], "redemptions", answers[201]),
        *("orders", report["orders"], "clawed back", points["clawed_back"], "refused for lack of points", answers[409]),
        *("events", report["events"], "redeemed", points["redeemed"], "reminders sent", len(report["reminders"])),
        *("entries", report["entries"], "expired", points["expired"], "unmatched refunds", report["unmatched_refunds"]),
        *("", "", "available", available, "points owed", debt),
    )
    texts = [f"{cell:,}" if isinstance(cell, int) else cell for cell in cells]
    for start in range(0, len(texts), 6):
        table.add_row(*texts[start : start + 6])
    console.print(table)


def _show_statement(console: Console, demo: Demo) -> None:
    account = demo.report["accounts"][demo.member]
    name = f"{demo.member} {demo.names.get(demo.member, '')}".strip()
    debt = f", {account['debt']:,} owed" if account["debt"] else ""
    _heading(console, f"Statement of {name}: {account['available']:,} points available{debt}")
    table = _table("date", "kind", ">points", ">balance", "why")
    shown = demo.entries[-STATEMENT_LINES_MAX:]
    for entry in shown:
        kind, day = entry["kind"], _day(entry, demo)
        words = reason_words(entry, demo.program.currency or "CNY")
        style = _STYLES.get(kind, "")
        table.add_row(
            day,
            Text(kind, style=style),
            Text(f"{entry['points']:+,}", style=style),
            f"{entry['balance_after']:,}",
            words,
        )
    console.print(table)
    if len(shown) < len(demo.entries):
        console.print(f"and {len(demo.entries) - len(shown)} entries before these")


def _day(entry: Mapping[str, Any], demo: Demo) -> str:
    return datetime.fromisoformat(entry["occurred_at"]).astimezone(demo.program.zone).date().isoformat()


def _show_expiring(console: Console, demo: Demo) -> None:
    points: Counter[str] = Counter()
    members: Counter[str] = Counter()
    for account in demo.report["accounts"].values():
        for lot in account["lots"]:
            points[lot["expires_on"] or "never"] += lot["points"]
            members[lot["expires_on"] or "never"] += 1
    _heading(console, "What expires next")
    if not points:
        console.print("nothing: no points are left")
        return
    table = _table("after", ">members", ">points", "")
    most = max(points.values())
    for day in sorted(points):
        bar = "█" * max(1, points[day] * BAR_MAX // most)
        table.add_row(day, f"{members[day]:,}", f"{points[day]:,}", Text(bar, style="yellow"))
    console.print(table)


def _show_reminders(console: Console, demo: Demo) -> None:
    leads = Counter(row["lead_days"] for row in demo.reminders)
    counts = ", ".join(f"{leads[lead]:,} at {lead} days" for lead in demo.program.lead_days)
    _heading(console, f"Reminders: {counts}; the latest")
    table = _table("sent", "member", ">points", "expire after", ">days ahead")
    for row in demo.reminders[-REMINDERS_SHOWN:]:
        member = f"{row['member_id']} {demo.names.get(row['member_id'], '')}".strip()
        table.add_row(row["on"], member, f"{row['points']:,}", row["lot_expires_on"], str(row["lead_days"]))
    console.print(table)


def _show_proof(console: Console, demo: Demo) -> None:
    _heading(console, f"Proof of {demo.member}, from its {demo.proof['entries']} entries alone")
    table = _table("equation", ">entries", ">account", "")
    for row in demo.proof["equations"]:
        verdict = Text("holds", style="green") if row["holds"] else Text("BROKEN", style="bold red")
        table.add_row(row["name"], _short(row["left"]), _short(row["right"]), verdict)
    console.print(table)
    proof, report = demo.report["proof"], demo.report
    style = "bold red" if proof["failed"] else "bold green"
    console.print()
    console.print(Text(f"{proof['accounts'] - proof['failed']} of {proof['accounts']} accounts proved", style=style))
    console.print(
        f"{report['events']:,} events in {report['seconds']:.1f} s, {report['events_per_second']:.0f} a second"
    )


def _short(value: int | str) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return value if len(value) <= 8 else f"{value[:7]}…"  # noqa: PLR2004 - a hash is known by its first digits
