"""Redemptions and holds, each against the entries that opened, resolved and restored it.

What reward orders, draws and bids took, gave back and held is theirs to explain: see the modules of the mall.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from jifen.domain.terms import RedemptionTerms
from local.audit.laws import Terms, Violation
from local.audit.lots import Lots, is_past, less_debt, merged, negated, total
from local.audit.mall_rows import is_bid
from local.audit.rows import Entry, Spent
from local.audit.table import Member, Office
from local.simulation.spent import shares


@dataclass
class _Traces:
    """What the entries say of one redemption or hold."""

    opened: list[Entry] = field(default_factory=list)
    redeemed: list[Entry] = field(default_factory=list)
    voided: list[Entry] = field(default_factory=list)
    lapsed: list[Entry] = field(default_factory=list)
    rest: list[Entry] = field(default_factory=list)
    restored: list[Entry] = field(default_factory=list)


_OF_MALL = frozenset({"reward_order", "draw", "auction"})
"""Sources of entries that documents of the mall and of play explain."""

_RELEASES = {"HOLD_VOIDED": "voided", "HOLD_LAPSED": "lapsed", "HOLD_REMAINDER": "rest"}


def graces_of(office: Office, terms: Terms) -> set[int]:
    """The days for which points that had lapsed may have come back: of the program, and of every version of it."""
    usual = RedemptionTerms().grace_days
    sections = [json.loads(version.program).get("redemption") or {} for version in office.versions.values()]
    found = {one.get("grace_days", usual) for one in sections if one.get("expired_on_restore") == "grace"}
    own = terms.program.redemption
    return found | ({own.grace_days} if own.expired_on_restore == "grace" else set())


def judge_documents(member: Member, graces: Collection[int], terms: Terms) -> Iterator[Violation]:
    """Every redemption and hold against the entries that name it, and the other way round.

    ``graces`` are the days for which points that had lapsed may have come back.
    """
    traces: dict[str, _Traces] = defaultdict(_Traces)
    for entry in member.history:
        if is_bid(entry.hold_id) or entry.source[0] in _OF_MALL:
            continue
        match entry.kind:
            case "hold":
                traces[entry.hold_id or ""].opened.append(entry)
            case "redeem" if entry.source[0] != "event":
                traces[entry.hold_id or str(entry.said("redemption"))].redeemed.append(entry)
            case "release":
                getattr(traces[entry.hold_id or ""], _RELEASES.get(entry.reason, "voided")).append(entry)
            case "restore":
                traces[str(entry.said("redemption"))].restored.append(entry)
    for name in sorted({*traces, *member.documents}):
        subject = f"{member.member} {name}"
        document, trace = member.documents.get(name), traces[name]
        if document is None:
            yield Violation("documents", subject, "entries name it and it is not there")
            continue
        hold = document.status is not None
        faults = _of_hold(document, trace) if hold else _of_redemption(document, trace)
        for law, detail in (
            *faults,
            *judge_restores(document.spent, document.restored, trace.restored, graces, terms),
        ):
            yield Violation(law, subject, detail)


_Faults = Iterator[tuple[str, str]]


def _of_redemption(document: Spent, trace: _Traces) -> _Faults:
    if len(trace.redeemed) != 1:
        yield "documents", f"{len(trace.redeemed)} redeem entries"
        return
    (entry,) = trace.redeemed
    yield from _agree(document, entry, "redemption", entry.occurred)
    if document.spent != negated(merged(entry.lots)):
        yield "documents", f"spent {document.spent}, {entry} took {entry.lots}"
    if document.answer.get("redemption_id") != document.id or document.answer.get("points") != -entry.points:
        yield "documents", f"answered {document.answer}, {entry}"


def _of_hold(document: Spent, trace: _Traces) -> _Faults:
    resolved = [*trace.redeemed, *trace.voided, *trace.lapsed]
    if len(resolved) > 1:
        yield "one resolution", f"resolved by {', '.join(map(str, resolved))}"
        return
    if len(trace.opened) != 1:
        yield "documents", f"{len(trace.opened)} hold entries"
        return
    (opened,) = trace.opened
    yield from _agree(document, opened, "hold", opened.occurred)
    if (document.points, document.until) != (total(opened.hold_lots), opened.hold_until):
        yield "documents", f"{document.points} until {document.until}, {opened} until {opened.hold_until}"
    if document.answer.get("hold_id") != document.id or document.answer.get("points") != document.points:
        yield "documents", f"answered {document.answer}, {opened}"
    status = "CAPTURED" if trace.redeemed else "VOIDED" if trace.voided else "AUTHORIZED"
    if document.status != status:
        yield "documents", f"{document.status}; by entries {status}"
    captured = negated(merged(trace.redeemed[0].hold_lots)) if trace.redeemed else {}
    if document.spent != captured:
        yield "documents", f"spent {document.spent}; by entries {captured}"
    yield from _rest(document, trace, sum(captured.values()))


def _rest(document: Spent, trace: _Traces, captured: int) -> _Faults:
    """What was not captured goes back with the capture; void and lapse give all of it back."""
    due = [(document.points or 0) - captured] if 0 < captured < (document.points or 0) else []
    if [-total(entry.hold_lots) for entry in trace.rest] != due:
        yield "one resolution", f"gave back {[str(entry) for entry in trace.rest]}, due was {due}"
    elif due and trace.rest[0].sequence != trace.redeemed[0].sequence + 1:
        yield "one resolution", f"{trace.rest[0]} does not follow {trace.redeemed[0]}"
    for entry in (*trace.voided, *trace.lapsed):
        if -total(entry.hold_lots) != document.points:
            yield "one resolution", f"{entry} gives {-total(entry.hold_lots)} of {document.points} back"


def _agree(document: Spent, entry: Entry, kind: str, at: str) -> _Faults:
    source = ("order", document.order) if document.order is not None else (kind, document.id)
    if entry.source != source or document.at != at:
        yield "documents", f"{entry} of {entry.source} at {at}; the document is of {source} at {document.at}"


def judge_restores(
    spent: Lots, said: int, entries: Iterable[Entry], graces: Collection[int], terms: Terms
) -> Iterator[tuple[str, str]]:
    """What went back of ``spent`` lots, entry by entry; the document has ``said`` how much in all."""
    sizes, whole = list(spent.values()), sum(spent.values())
    restored = 0
    for entry in entries:
        changes = merged(entry.lots)
        before, restored = restored, restored + entry.points
        if not 0 <= restored <= whole:
            yield "restore", f"{entry} returns {changes}; spent were {spent}, restored before {before}"
            return
        more = [now - had for now, had in zip(shares(sizes, restored), shares(sizes, before), strict=True)]
        due = {key: points for key, points in zip(spent, more, strict=True) if points}
        today = terms.today(entry.recorded_at)
        may = [due, *(_graced(due, today, days) for days in graces)]
        if all(changes != less_debt(one, -entry.debt) for one in may):
            yield "restore", f"{entry} returns {changes} and pays {-entry.debt}; pro rata it is {due}"
    if restored != said:
        yield "restore", f"the document says {said}, entries {restored}"


def _graced(due: Lots, today: str, days: int) -> Lots:
    """What goes back where points that had lapsed can be used for some days more."""
    later = (date.fromisoformat(today) + timedelta(days=days)).isoformat()
    found: Lots = {}
    for (last, first), points in due.items():
        key = (later if is_past(last, today) else last, first)
        found[key] = found.get(key, 0) + points
    return found
