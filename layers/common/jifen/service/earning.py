"""Earning: order events become postings, all events of one delivery and member in as few transactions as fit.

Points that were used on an order follow it in the same transaction (:mod:`jifen.domain.used_points`). They go back
before anything is clawed back, so that no more is owed, or forgiven, than the member really lacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from jifen.domain import awards, used_points
from jifen.domain.account import Change
from jifen.domain.campaigns import CampaignState
from jifen.domain.ids import DocumentId
from jifen.domain.orders import Order, OrderEvent, join, oddities
from jifen.domain.program import Moment, Program
from jifen.domain.rules.engine import why_nothing
from jifen.domain.spending import Hold, Redemption
from jifen.domain.tallies import campaigns_open
from jifen.domain.used_points import Followed
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
from jifen.service.spent_documents import document_key, names_of

EVENTS_PER_POSTING = 20
"""An event writes an order and an entry, seldom more; events that do not fit together are posted in halves."""


class Outcome(NamedTuple):
    """What came of one event: the points it earned or took back (signed), and notes for the log."""

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
    followed: dict[DocumentKey, list[str]]
    """What happened to points used on an order, by its key: notes for the log."""


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
                if not _follow_ahead(ledger, program, events[0], moment, patience):
                    raise
                return settle(patience, lambda: _attempt(ledger, program, events, moment, patience))
    half = len(events) // 2
    first, second = events[:half], events[half:]
    return [outcome for part in (first, second) for outcome in earn(ledger, program, part, moment, patience)]


class _TooMuch(Exception):
    """These events write more items than a transaction holds; nothing was written."""


def _attempt(
    ledger: Ledger, program: Program, events: Sequence[OrderEvent], moment: Moment, patience: Patience
) -> list[Outcome]:
    fold = _load(ledger, events, program)
    for key, after in _turned(events, fold.loaded).items():
        _follow(fold, key, after, program, moment)
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
        used = [name for after in _turned(events, loaded).values() for name in names_of(after.order)]
        members += dict.fromkeys(name.member for name in used if name.member not in {*loaded.accounts, *members})
        asked = [key for key in (*_campaigns(loaded, program), *map(document_key, used)) if key not in keys]
        if not members and not asked:
            break
        more = ledger.load(members, asked)
        keys |= dict.fromkeys(asked)
        loaded = Loaded({**loaded.accounts, **more.accounts}, {**loaded.documents, **more.documents})
    changes = {member: Change(account) for member, account in loaded.accounts.items()}
    states = {
        key.id: found if isinstance(found := loaded.documents.get(key), CampaignState) else CampaignState(key.id)
        for key in keys
        if isinstance(key, CampaignKey)
    }
    return _Fold(loaded, changes, dict(loaded.documents), states, [], {})


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
    notes += fold.followed.pop(key, [])
    fold.outcomes.append(Outcome(event, points, (*notes, *oddities(awarded.order))))


# Points used on an order ---------------------------------------------------------------------------------------------


class _Turned(NamedTuple):
    """An order as these events leave it, when the last of those that changed it happened, and whether it came back."""

    order: Order
    at: datetime
    came_back: bool


def _turned(events: Sequence[OrderEvent], loaded: Loaded) -> dict[DocumentKey, _Turned]:
    """The orders that points were used on and of which more or less is given back by these events, by their keys."""
    found: dict[DocumentKey, _Turned] = {}
    for key, before in loaded.documents.items():
        if isinstance(before, Order) and before.used:
            after, at = before, None
            for event in events:
                if OrderKey(event.shop, event.order_id or "") == key and (joined := join(after, event)).changed:
                    after, at = joined.order, event.at
            if at is not None:
                part, now = used_points.given_back(before), used_points.given_back(after)
                if (part, before.cancelled) != (now, after.cancelled):
                    found[key] = _Turned(after, at, now < part)
    return found


def _follow(fold: _Fold, order_key: DocumentKey, after: _Turned, program: Program, moment: Moment) -> None:
    """Bring everything that was used on an order to what it calls for."""
    done: list[Followed] = []
    for name in names_of(after.order):
        key, change = document_key(name), fold.changes[name.member]
        document = fold.documents.get(key)
        if isinstance(document, Redemption | Hold):
            followed = used_points.follow(document, after.order, change, program, moment, after.at)
            fold.documents[key], fold.changes[name.member] = followed.document, followed.change
            done.append(followed)
    returned, voided = sum(one.returned for one in done), sum(one.voided for one in done)
    kept = sum(used_points.returned_too_much(one.document, after.order) for one in done) if after.came_back else 0
    fold.followed[order_key] = [
        *([f"USED_POINTS_RETURNED: {returned}"] if returned else []),
        *([f"HOLDS_VOIDED: {voided}"] if voided else []),
        *([f"USED_POINTS_STAY_RETURNED: {kept}"] if kept else []),
    ]


def _follow_ahead(ledger: Ledger, program: Program, event: OrderEvent, moment: Moment, patience: Patience) -> bool:
    """Bring what was used on the order of one event to what it will call for, each in a transaction of its own.

    For the order that was paid by so many members that all of it does not fit into one. The event is a fact already,
    and what has gone back does not go back again, so nothing is wrong if we get no further. Whether there was any.
    """
    key = _key(event)

    def one(name: DocumentId) -> None:
        loaded = ledger.load([name.member], [key, document_key(name)])
        order, document = loaded.documents.get(key), loaded.documents.get(document_key(name))
        if not isinstance(order, Order) or not isinstance(document, Redemption | Hold):
            return
        before = loaded.accounts[name.member]
        after = join(order, event).order
        followed = used_points.follow(document, after, Change(before), program, moment, event.at)
        if followed.change.entries:
            write = AccountWrite(before, followed.change.account, followed.change.entries)
            ledger.commit(Posting((write,), (followed.document,)), patience)

    order = ledger.load([], [key]).documents.get(key)
    names = names_of(order) if isinstance(order, Order) else []
    for name in names:
        settle(patience, partial(one, name))
    return bool(names)


def _accounts(fold: _Fold, order: Order) -> Mapping[str, Change]:
    known = {member: change.account for member, change in fold.changes.items()}
    return {member: fold.changes[member] for member in awards.members_of(order, known)}


def _posted(before: Change, after: Change) -> int:
    new = after.entries[len(before.entries) :]
    return sum(entry.draft.points for entry in new if entry.draft.source.type == "order")
