"""The past of members, as the ledger has it: their orders and events, to be taken through a dry run.

    entries of a member ──sources──> orders, event receipts ──> the events they came from, oldest first
    due index of expiry ──shard by shard──> members             a page of them, and where to go on

An order is taken as it stands: amended orders count as last amended. What never moved a point has no entry, and is not
found. A member without points stands in no index, and is found by name alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from jifen.domain.account import Account
from jifen.domain.check_ins import MADE_UP
from jifen.domain.entries import Entry, Kind, Reason
from jifen.domain.events import BehaviourEvent, EventReceipt
from jifen.domain.orders import EventType, Order, OrderEvent
from jifen.domain.reminders import NEVER
from jifen.domain.rules.model import INVITE_ACCEPTED
from jifen.domain.standing import Standing
from jifen.service.ports import Document, DocumentKey, EventKey, Ledger, OrderKey, Sweep

FACTS_MAX = 1_000
"""Orders and events of one member that are looked at, the oldest first."""

ENTRIES_MAX = 5_000
"""Entries of one member that are looked at."""

READ_MAX = 100
"""Documents that are read at a time."""

_RANK: Mapping[str, int] = {EventType.REFUNDED: 1, EventType.CANCELLED: 2}
"""Of one instant a payment comes first."""

GIVES = frozenset({Kind.EARN, Kind.BONUS, Kind.CLAWBACK})


@dataclass(frozen=True, slots=True)
class PastOfMember:
    """What a member did, and the account that begins it: empty, but for what the shop says of the member.

    ``cut`` says that there is more than is looked at.
    """

    account: Account
    events: tuple[OrderEvent | BehaviourEvent, ...]
    cut: bool


def past_of(ledger: Ledger, member: str) -> PastOfMember:
    """The past of one member."""
    known = ledger.load([member]).accounts[member].standing
    keys, cancelled, cut = _named(ledger.history(member), member)
    events: list[OrderEvent | BehaviourEvent] = []
    for document in _read(ledger, keys):
        if isinstance(document, Order) and document.paid and document.paid.member == member:
            events += _of_order(document, cancelled)
        elif isinstance(document, EventReceipt) and document.type != MADE_UP:
            events.append(BehaviourEvent(document.type, document.event_id, member, document.at, dict(document.data)))
    events.sort(key=lambda event: (event.at, _RANK.get(event.type, 0), event.event_id))
    invited = any(event.type == INVITE_ACCEPTED for event in events)
    standing = Standing(profile=known.profile, inviter="" if invited else known.inviter)
    return PastOfMember(Account(member, standing=standing), tuple(events), cut)


def _named(history: Iterator[Entry], member: str) -> tuple[list[DocumentKey], dict[str, datetime], bool]:
    """The orders and events that entries name, when orders were cancelled, and whether there are more."""
    keys: dict[DocumentKey, None] = {}
    cancelled: dict[str, datetime] = {}
    facts: set[tuple[str, str]] = set()
    for entry in history:
        draft = entry.draft
        if entry.sequence > ENTRIES_MAX or len(facts) > FACTS_MAX:
            return list(keys), cancelled, True
        if draft.source.type not in {"order", "event"} or draft.kind not in GIVES:
            continue
        facts.add((draft.source.type, draft.source.id))
        if draft.source.type == "event":
            keys[EventKey(member, draft.source.id)] = None
            continue
        keys |= dict.fromkeys(_order_keys(draft.source.id))
        if draft.reason == Reason.ORDER_CANCELLED:
            cancelled[draft.source.id] = draft.occurred_at
    return list(keys), cancelled, False


def _order_keys(source: str) -> list[DocumentKey]:
    """The orders that a source may mean: another shop's stand behind its name and a colon."""
    shop, colon, order_id = source.partition(":")
    return [OrderKey("standard", source), *([OrderKey(shop, order_id)] if colon else [])]


def _read(ledger: Ledger, keys: Sequence[DocumentKey]) -> Iterator[Document]:
    for start in range(0, len(keys), READ_MAX):
        part = keys[start : start + READ_MAX]
        found = ledger.load([], part).documents
        yield from (found[key] for key in part if key in found)


def _of_order(order: Order, cancelled: dict[str, datetime]) -> Iterator[OrderEvent]:
    """The facts of an order as events; a cancellation that took no points comes with its last fact."""
    paid = order.paid
    assert paid is not None, "only a paid order was bought by somebody"
    plain = OrderEvent(
        EventType.PAID, f"{order.name}#paid", order.shop, order.order_id, paid.member, paid.at, paid=paid
    )
    yield plain
    for refund in order.refunds.values():
        event_id = f"{order.name}#{refund.refund_id}"
        yield replace(plain, type=EventType.REFUNDED, event_id=event_id, at=refund.at, paid=None, refund=refund)
    if order.cancelled:
        source = order.order_id if order.shop == "standard" else f"{order.shop}:{order.order_id}"
        last = max(paid.at, *(refund.at for refund in order.refunds.values()), paid.at)
        at = cancelled.get(source, last)
        yield replace(plain, type=EventType.CANCELLED, event_id=f"{order.name}#cancel", at=at, paid=None)


# Members -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk through all members stands: in which shard, behind which of its cursors (None: at its beginning)."""

    shard: int = 0
    cursor: str | None = None

    def __str__(self) -> str:
        return f"{self.shard}:{self.cursor or ''}"

    @classmethod
    def read(cls, text: str) -> Place:
        """The place that ``str`` has written."""
        shard, _, cursor = text.partition(":")
        return cls(int(shard), cursor or None)


def members_from(ledger: Ledger, place: Place, shards: int, limit: int) -> tuple[list[str], Place | None]:
    """Up to ``limit`` members with points, and where to go on (None: that was everybody).

    The index of expiry names everybody whom that of reminders does. Who earns or spends while the walk goes on may be
    met twice, or not at all.
    """
    found: list[str] = []
    while True:
        page = ledger.due(Sweep.EXPIRE, place.shard, NEVER, place.cursor, limit - len(found))
        found += page.members
        if page.cursor is not None:
            place = replace(place, cursor=page.cursor)
        elif place.shard + 1 < shards:
            place = Place(place.shard + 1)
        else:
            return found, None
        if len(found) >= limit:
            return found, place
