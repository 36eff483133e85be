"""Stock beside points: reserved before they are taken, confirmed after, and given away only behind a fence.

    reserve (stock) ──> post (points, order, under the fence) ──> confirm (stock)
            │ crash here                     │ crash here
            v                                v
    recover: no order ──> raise the fence, then release         recover: there is one ──> confirm

The stock is never part of the transaction of points, so a hot reward slows no account down. What keeps both in step is
the order's document: to release a reservation, :func:`recover` first writes the document as ABANDONED, and an attempt
that still holds the reservation then fails on that document. So a piece is never both given away and sold. An order
that was posted names the reservations it was posted with by their marks: what a late attempt of the same request
reserved besides is not counted as sold, but released.

Who posts keeps ``stock``, ``pieces`` and ``marks`` (:func:`stocks.pieces_of`, :func:`stocks.marks_of`) with the order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from jifen.domain import stocks
from jifen.domain.errors import OutOfStock
from jifen.domain.ids import parse_document_id
from jifen.domain.lotteries import Draw, DrawStatus
from jifen.domain.reward_orders import RewardOrder, abandoned
from jifen.domain.rewards import OrderStatus, Stock
from jifen.service.mall_documents import DrawKey, RewardOrderKey, StockKey
from jifen.service.ports import DocumentMoved, Ledger, Patience, Posting, settle

if TYPE_CHECKING:
    from jifen.service.ports import Document, DocumentKey

SHARDS_AT_ONCE = 90
"""Shards that are read in one trip."""

SHARDS_FIRST = 4
"""Shards of many that are looked at first."""

RECOVERED_AT_ONCE = 10
"""Reservations that ran out and are settled before the stock is looked at again."""

Owner = RewardOrder | Draw
"""What pieces are reserved for; its document is the fence."""


def owner_key(order_id: str) -> DocumentKey:
    """The key of what pieces are reserved for, by its id."""
    found = parse_document_id(order_id)
    assert found is not None, "pieces are reserved under ids of our own"
    return DrawKey(found.member, order_id) if found.prefix == "dw" else RewardOrderKey(found.member, order_id)


def fence_of(found: Document | None) -> int:
    """The version that an order's document must have for it to be posted: what :func:`reserve` takes."""
    return found.version if isinstance(found, Owner) else 0


def is_posted(found: Document | None) -> bool:
    """Whether an order's document is that of an order, and not missing or ABANDONED."""
    match found:
        case RewardOrder():
            return found.status is not OrderStatus.ABANDONED
        case Draw():
            return found.status is not DrawStatus.ABANDONED
        case _:
            return False


def shards_of(ledger: Ledger, subject: str, shards: int, first: int = 0, most: int | None = None) -> list[Stock]:
    """The shards of a stock, from number ``first`` on and around; those never written are left out.

    ``most`` is how many of them are looked at; None for all.
    """
    keys = [StockKey(subject, (first + index) % shards) for index in range(min(shards, most or shards))]
    found: list[Stock] = []
    for start in range(0, len(keys), SHARDS_AT_ONCE):
        part = keys[start : start + SHARDS_AT_ONCE]
        documents = ledger.load([], part).documents
        found += [one for key in part if isinstance(one := documents.get(key), Stock)]
    return found


@dataclass(frozen=True, slots=True)
class Watch:
    """Whoever wants to know when few pieces are left: ``told`` how many, once fewer than ``low`` are."""

    low: int
    told: Callable[[int], None]

    def look(self, before: Sequence[Stock], after: Sequence[Stock]) -> None:
        """See whether this exchange left fewer."""
        had, left = stocks.available(before), stocks.available(after)
        if had is not None and left is not None and left < self.low <= had:
            self.told(left)

    def near(self, some: Sequence[Stock], shards: int) -> bool:
        """Whether few may be left, by what some of so many shards have."""
        return (stocks.available(some) or 0) * shards < 2 * self.low * len(some)


def reserve(
    ledger: Ledger,
    patience: Patience,
    stock: tuple[str, int],
    order_id: str,
    pieces: int,
    fence: int,
    now: datetime,
    until: datetime,
    restock_on: str | None = None,
    known: Sequence[Stock] = (),
    watch: Watch | None = None,
) -> list[Stock]:
    """Keep ``pieces`` for an order; the shards that do so, as they are now.

    Where there are many shards a few of them are looked at first, always the same for an order.

    Args:
        ledger: where everything is kept.
        patience: how long the caller can wait.
        stock: its subject, and how many shards it has.
        order_id: the order's whole id; it stands for one request with all that was asked in it. Asking again for the
            same order keeps what it has.
        pieces: how many.
        fence: see :func:`fence_of`.
        now: what has run out by then is dealt with first where pieces are short.
        until: when the reservation runs out.
        restock_on: told when there are not enough.
        known: all shards, where they were read a moment ago.
        watch: who is told when few are left.

    Raises:
        OutOfStock: not that many are free, and none that ran out could be had back.
        DocumentMoved: another attempt has gone further with the order: read its document again.
        Busy: others kept winning until the caller's time was up, or too many are in the middle of buying.
    """
    subject, shards = stock
    first = hash_of(order_id) % shards
    read = [list(known)] if known else []

    def attempt() -> list[Stock] | None:
        whole = bool(read) or shards <= SHARDS_FIRST
        found = read.pop() if read else shards_of(ledger, subject, shards, first, SHARDS_FIRST)
        try:
            after = stocks.reserve(found, order_id, pieces, until, fence)
            if not whole and (after is None or (watch and watch.near(after, shards))):
                found, whole = shards_of(ledger, subject, shards, first), True
                after = stocks.reserve(found, order_id, pieces, until, fence)
        except stocks.Outrun:
            return None
        if after is None:
            recovered, left = _recovered(ledger, patience, found, now), stocks.available(found)
            if recovered or left is None or left >= pieces:  # or as many as can be are in the middle of buying
                raise DocumentMoved
            raise OutOfStock(left=left, restock_on=restock_on)
        changed = tuple(new for new, old in zip(after, found, strict=True) if new is not old)
        if changed:
            ledger.commit(Posting(documents=changed), patience)
        if watch and whole:
            watch.look(found, after)
        written = {one.shard for one in changed}
        return [_written(one) if one.shard in written else one for one in after if order_id in one.reserved]

    kept = settle(patience, attempt)
    if kept is None:
        raise DocumentMoved
    return kept


def _recovered(ledger: Ledger, patience: Patience, shards: Sequence[Stock], now: datetime) -> int:
    """Settle some of the reservations that have run out; how many."""
    overdue = [(shard, name) for shard in shards for name in stocks.overdue(shard, now)][:RECOVERED_AT_ONCE]
    for shard, name in overdue:
        recover(ledger, patience, shard, name, now)
    return len(overdue)


def confirm(ledger: Ledger, patience: Patience, shards: Sequence[Stock], order_id: str) -> list[Stock]:
    """Count the pieces of an order that was posted with these reservations as sold; once, however often.

    Returns the shards as they are now.
    """
    return [_confirmed(ledger, patience, shard, order_id) for shard in shards]


def _confirmed(ledger: Ledger, patience: Patience, shard: Stock, order_id: str) -> Stock:
    mark = shard.reserved[order_id].mark
    return _settled(ledger, patience, shard, lambda now: stocks.confirm(now, order_id, mark))


def recover(ledger: Ledger, patience: Patience, shard: Stock, order_id: str, now: datetime) -> bool:
    """Settle what a shard has reserved for an order: confirm it where the order was posted with it, else release it.

    Where there is no order yet its document is raised first, so that whoever is about to post it fails. Returns
    whether the order was posted.

    Raises:
        Busy: others kept winning until the caller's time was up.
    """
    key = owner_key(order_id)
    kept = shard.reserved.get(order_id)
    if kept is None:
        return False

    def attempt() -> tuple[Document | None, int]:
        found = ledger.load([], [key]).documents.get(key)
        fence = fence_of(found)
        if not is_posted(found) and fence <= kept.fence:
            ledger.commit(Posting(documents=(_abandoned(order_id, fence, now),)), patience)
            fence += 1
        return found, fence

    found, fence = settle(patience, attempt)

    def after(one: Stock) -> Stock:
        if is_posted(found):
            return _with_posted(one, order_id, found)
        known = one.reserved.get(order_id)
        return one if known is None or known.fence >= fence else stocks.release(one, order_id)

    _settled(ledger, patience, shard, after)
    return is_posted(found)


def _with_posted(shard: Stock, order_id: str, posted: Document | None) -> Stock:
    """The shard once it keeps nothing for an order that was posted: its own pieces are sold, any others free."""
    assert isinstance(posted, Owner), "only orders and draws are posted"
    kept, number = shard.reserved.get(order_id), str(shard.shard)
    if kept is None:
        return shard
    own = posted.stock == shard.subject and number in posted.pieces
    if own and posted.marks.get(number, kept.mark) == kept.mark:
        return stocks.confirm(shard, order_id, kept.mark)
    return stocks.release(shard, order_id)


def _settled(ledger: Ledger, patience: Patience, shard: Stock, after: Callable[[Stock], Stock]) -> Stock:
    """Write a shard as ``after`` makes it of what it is; it is tried as it was read first."""
    known: list[Stock] = [shard]
    key = StockKey(shard.subject, shard.shard)

    def attempt() -> Stock:
        if not known:
            found = ledger.load([], [key]).documents.get(key)
            assert isinstance(found, Stock), "a stock is never deleted"
            known.append(found)
        now = known.pop()
        then = after(now)
        if then is now:
            return now
        ledger.commit(Posting(documents=(then,)), patience)
        return _written(then)

    return settle(patience, attempt)


def _written(shard: Stock) -> Stock:
    """The shard as the ledger now has it."""
    return replace(shard, version=shard.version + 1)


def _abandoned(order_id: str, fence: int, now: datetime) -> Document:
    found = parse_document_id(order_id)
    assert found is not None, "pieces are reserved under ids of our own"
    if found.prefix == "dw":
        never = Draw(order_id, found.member, "", now, now.date(), 0, "", 0, "", 0)
        return replace(never, status=DrawStatus.ABANDONED, version=fence)
    return abandoned(order_id, found.member, fence, now)


def hash_of(text: str) -> int:
    """A number that stands for a text, the same on every machine, and even over any number of shards."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
