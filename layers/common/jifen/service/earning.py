"""Earning: order events become postings, all events of one delivery and member in as few transactions as fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jifen.domain import awards
from jifen.domain.account import Change
from jifen.domain.campaigns import CampaignState
from jifen.domain.orders import Order, OrderEvent, join, oddities
from jifen.domain.program import Moment, Program
from jifen.domain.rules.engine import why_nothing
from jifen.domain.tallies import campaigns_open
from jifen.service.ports import (
    POSTING_ITEMS_MAX,
    AccountWrite,
    CampaignKey,
    Document,
    DocumentKey,
    Ledger,
    Loaded,
    OrderKey,
    Patience,
    Posting,
    Unmatched,
    UnmatchedKey,
    settle,
)

EVENTS_PER_POSTING = 20
"""An event writes an order and an entry, seldom more; events that do not fit together are posted in halves."""


class Outcome(NamedTuple):
    """What came of one event: the points it moved (signed), and notes for the log."""

    event: OrderEvent
    points: int
    notes: tuple[str, ...]


@dataclass
class _Fold:
    """The state of one transaction in the making."""

    loaded: Loaded
    changes: dict[str, Change]
    documents: dict[DocumentKey, Document]
    campaigns: dict[str, CampaignState]
    outcomes: list[Outcome]


def earn(
    ledger: Ledger, program: Program, events: Sequence[OrderEvent], moment: Moment, patience: Patience
) -> list[Outcome]:
    """Post a run of order events, of one member or several.

    The same events again, in any order or number, change nothing more.

    Raises:
        Busy: contention outlived the caller's time; nothing of the last transaction was written.
    """
    if len(events) <= EVENTS_PER_POSTING:
        try:
            return settle(patience, lambda: _attempt(ledger, program, events, moment, patience))
        except _TooMuch:
            if len(events) == 1:
                raise
    half = len(events) // 2
    first, second = events[:half], events[half:]
    return [outcome for part in (first, second) for outcome in earn(ledger, program, part, moment, patience)]


class _TooMuch(Exception):
    """These events write more items than a transaction holds; nothing was written."""


def _attempt(
    ledger: Ledger, program: Program, events: Sequence[OrderEvent], moment: Moment, patience: Patience
) -> list[Outcome]:
    fold = _load(ledger, events, program)
    for event in events:
        if event.order_id is None:
            _record_unmatched(fold, event)
        else:
            _post(fold, event, event.order_id, program, moment)
    posting = Posting(
        accounts=tuple(
            AccountWrite(fold.loaded.accounts[member], change.account, change.entries)
            for member, change in fold.changes.items()
            if change.entries or change.account is not fold.loaded.accounts[member]
        ),
        documents=tuple(
            document for key, document in fold.documents.items() if document is not fold.loaded.documents.get(key)
        ),
    )
    if posting.items > POSTING_ITEMS_MAX:
        raise _TooMuch
    if posting.items:
        ledger.commit(posting, patience)
    return fold.outcomes


def _load(ledger: Ledger, events: Sequence[OrderEvent], program: Program) -> _Fold:
    """Read what the events name in one trip, and in a second one what only that names, if there is anything."""
    keys: dict[DocumentKey, None] = dict.fromkeys(_key(event) for event in events)
    paid = [event.paid for event in events if event.paid]
    keys |= {CampaignKey(name): None for one in paid for name in sorted(campaigns_open(program.rules, one))}
    named = dict.fromkeys(event.member for event in events if event.member is not None and event.order_id is not None)
    loaded = ledger.load(list(named), list(keys))
    while True:
        members = [member for member in _touched(events, loaded) if member not in loaded.accounts]
        campaigns = [key for key in _campaigns(loaded, program) if key not in keys]
        if not members and not campaigns:
            break
        more = ledger.load(members, campaigns)
        keys |= dict.fromkeys(campaigns)
        loaded = Loaded({**loaded.accounts, **more.accounts}, {**loaded.documents, **more.documents})
    changes = {member: Change(account) for member, account in loaded.accounts.items()}
    states = {
        key.id: found if isinstance(found := loaded.documents.get(key), CampaignState) else CampaignState(key.id)
        for key in keys
        if isinstance(key, CampaignKey)
    }
    return _Fold(loaded, changes, dict(loaded.documents), states, [])


def _touched(events: Sequence[OrderEvent], loaded: Loaded) -> list[str]:
    """Every account that a prefix of these events may post to."""
    members: dict[str, None] = {}
    for order in loaded.documents.values():
        if isinstance(order, Order):
            members |= dict.fromkeys(sorted(awards.members_of(order, loaded.accounts)))
    for event in events:
        if event.paid and event.paid.member:
            members[event.paid.member] = None
            if known := loaded.accounts.get(event.paid.member):
                members |= dict.fromkeys([known.standing.inviter] if known.standing.inviter else [])
    return list(members)


def _campaigns(loaded: Loaded, program: Program) -> list[DocumentKey]:
    """The campaigns that the orders we know may move."""
    orders = [order for order in loaded.documents.values() if isinstance(order, Order)]
    return [CampaignKey(name) for order in orders for name in sorted(awards.campaigns_of(order, program.rules))]


def _key(event: OrderEvent) -> DocumentKey:
    if event.order_id is not None:
        return OrderKey(event.shop, event.order_id)
    assert event.refund is not None, "only a refund may name no order"
    return UnmatchedKey(event.shop, event.refund.refund_id)


def _record_unmatched(fold: _Fold, event: OrderEvent) -> None:
    key = _key(event)
    known = fold.documents.get(key)
    if known is None:
        fold.documents[key] = Unmatched(event)
    fold.outcomes.append(Outcome(event, 0, ("UNMATCHED_REFUND" if known is None else "DUPLICATE",)))


def _post(fold: _Fold, event: OrderEvent, order_id: str, program: Program, moment: Moment) -> None:
    key = OrderKey(event.shop, order_id)
    known = fold.documents.get(key)
    before = known if isinstance(known, Order) else Order(event.shop, order_id)
    joined = join(before, event)
    notes: list[str] = [] if joined.changed else ["DUPLICATE"]
    if joined.conflict:
        notes = [f"CONFLICT: {joined.conflict} is known with other content"]
    if not joined.changed:
        fold.outcomes.append(Outcome(event, 0, tuple(notes)))
        return
    awarded = awards.award(joined.order, event, _accounts(fold, joined.order), program, moment, fold.campaigns)
    points = sum(_posted(fold.changes[member], change) for member, change in awarded.changes.items())
    fold.changes.update(awarded.changes)
    fold.campaigns.update(awarded.campaigns)
    fold.documents.update({CampaignKey(name): state for name, state in awarded.campaigns.items()})
    fold.documents[key] = awarded.order
    nothing = why_nothing(awarded.order, program.currency)
    notes += [nothing] if nothing else []
    if before.award and not awarded.order.award:
        notes.append("NOW_A_GUEST")
    fold.outcomes.append(Outcome(event, points, (*notes, *oddities(awarded.order))))


def _accounts(fold: _Fold, order: Order) -> Mapping[str, Change]:
    known = {member: change.account for member, change in fold.changes.items()}
    return {member: fold.changes[member] for member in awards.members_of(order, known)}


def _posted(before: Change, after: Change) -> int:
    new = after.entries[len(before.entries) :]
    return sum(entry.draft.points for entry in new if entry.draft.source.type == "order")
