"""Behaviour events: what each says it gave against the entries that name it, values used up, and allowances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from local.audit.fact_rows import Receipt, short
from local.audit.laws import Terms, Violation
from local.audit.library import Library
from local.audit.rows import Entry, whole_number
from local.audit.table import Member, Table
from local.audit.tallies import MADE_UP, grants_of, is_later

_REVIEW = "review"
_Faults = Iterator[tuple[str, str]]


def judge_behaviour(table: Table, library: Library, terms: Terms) -> Iterator[Violation]:
    """Every event of every member, and every entry that is of an event or an allowance."""
    gifts = _gifts(table)
    everybody_readable = all(member.readable for member in table.members.values())
    for name, member in table.members.items():
        if not member.readable:
            continue
        faults = [*_allowances(member, terms), *_marks(member, library)]
        if everybody_readable:
            faults += _events(member, gifts)
        for receipt in member.receipts.values():
            faults += _waiting(name, receipt)
        for law, detail in faults:
            yield Violation(law, name, detail)


def _gifts(table: Table) -> dict[tuple[str, str], int]:
    """What inviters got for events of those they invited, by inviter and event."""
    gifts: dict[tuple[str, str], int] = defaultdict(int)
    for member in table.members.values():
        for receipt in member.receipts.values():
            if receipt.gifts:
                gifts[str(receipt.data.get("inviter")), receipt.event_id] += receipt.gifts
    return gifts


def _events(member: Member, gifts: dict[tuple[str, str], int]) -> _Faults:
    given: dict[str, list[Entry]] = defaultdict(list)
    taken: dict[str, list[Entry]] = defaultdict(list)
    for entry in member.history:
        if entry.source[0] == "event":
            (given if entry.kind == "bonus" else taken)[entry.source[1]].append(entry)
            if entry.kind == "bonus" and sum(grants_of(entry).values()) != entry.points:
                yield "events", f"{entry} gives other points than its rules, {grants_of(entry)}"
    for event_id in sorted({*given, *taken, *member.receipts, *(id_ for name, id_ in gifts if name == member.member)}):
        receipt, gift = member.receipts.get(event_id), gifts.get((member.member, event_id), 0)
        points = sum(entry.points for entry in given[event_id])
        due = gift + (receipt.points if receipt else 0)
        if points != due:
            yield "events", f"entries of event {event_id} give {points}; it gave {due}"
        elif receipt and not gift and len(given[event_id]) not in _entries_of(receipt):
            yield "events", f"event {event_id} is {receipt.status}, and has {len(given[event_id])} entries"
        yield from _made_up(event_id, receipt, taken[event_id])


def _entries_of(receipt: Receipt) -> set[int]:
    """How many entries an event can have: one by its rules, and one by who approved others."""
    by_rules = int(receipt.points > 0)
    match receipt.status:
        case "NOTHING":
            return {0}
        case "AWARDED" if receipt.decided_by:
            return {1, 2}
        case _:
            return {by_rules}


def _made_up(event_id: str, receipt: Receipt | None, taken: list[Entry]) -> _Faults:
    """A made-up day takes its cost, and nothing else that is an event takes anything."""
    cost = receipt.cost if receipt and receipt.type == MADE_UP else 0
    if [-entry.points for entry in taken] != ([cost] if cost else []):
        yield "events", f"event {event_id} costs {cost}; entries {[str(entry) for entry in taken]}"


def _waiting(member: str, receipt: Receipt) -> _Faults:
    """Only what waits for an operator is in the index of it."""
    due: tuple[str | None, str | None] = (None, None)
    if receipt.status == "IN_REVIEW":
        day = receipt.happened.astimezone(UTC).date().isoformat()
        due = (_REVIEW, f"{day}#{member}#{short(receipt.event_id)}")
    if receipt.due != due:
        yield "index", f"event {receipt.event_id} is {receipt.status}, and indexed as {receipt.due}"


# Values used up ------------------------------------------------------------------------------------------------------


def _marks(member: Member, library: Library) -> _Faults:
    for (rule, value), event_id in member.marks.items():
        receipt = member.receipts.get(event_id)
        if receipt is None or value not in map(_text, receipt.data.values()):
            yield "once", f"{value} of {rule} was used up by event {event_id}, which is not there or has no such value"
    for entry in member.history:
        receipt = member.receipts.get(entry.source[1]) if entry.source[0] == "event" else None
        if receipt is None or entry.kind != "bonus" or is_later(entry):
            continue
        book = library.by_number(next((line["rules_version"] for line in entry.why if "rules_version" in line), 0))
        for name in grants_of(entry):
            rule_ = book.rules.get(name) if book else None
            field = rule_.raw.get("once_per") if rule_ else None
            if field and member.marks.get((name, _text(receipt.data.get(field)))) != receipt.event_id:
                yield "once", f"{entry} of {name} has not used up {receipt.data.get(field)!r}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# Allowances ----------------------------------------------------------------------------------------------------------


def _allowances(member: Member, terms: Terms) -> _Faults:
    months: set[str] = set()
    for entry in member.history:
        if entry.source[0] != "allowance":
            continue
        month = entry.source[1]
        if month in months or month > terms.today(entry.recorded_at)[:7]:
            yield "allowances", f"{entry} gives the allowance of {month} again, or too early"
        months.add(month)
        if whole_number(entry.said("points")) != entry.points:
            yield "allowances", f"{entry} gives another allowance than it says, {entry.said('points')}"
