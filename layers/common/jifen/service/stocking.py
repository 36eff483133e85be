"""Stock beside points: reserved before they are taken, confirmed after, and given away only behind a fence.

    reserve (stock) ──> post (points, order, under the fence) ──> confirm (stock)
            │ crash here                     │ crash here
            v                                v
    recover: no order ──> raise the fence, then release         recover: there is one ──> confirm

The stock is never part of the transaction of points, so a hot reward slows no account down. What keeps both in step is
the order's document: to release a reservation, :func:`recover` first writes the document as ABANDONED, and an attempt
that still holds the reservation then fails on that document. So a piece is never both given away and sold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from jifen.domain import stocks
from jifen.domain.errors import Busy, OutOfStock
from jifen.domain.ids import parse_document_id
from jifen.domain.lotteries import Draw, DrawStatus
from jifen.domain.reward_orders import RewardOrder, abandoned
from jifen.domain.rewards import RESERVED_MAX, OrderStatus, Stock
from jifen.service.mall_documents import DrawKey, RewardOrderKey, StockKey
from jifen.service.ports import DocumentMoved, Ledger, Patience, Posting, settle

if TYPE_CHECKING:
    from jifen.service.ports import Document, DocumentKey

SHARDS_AT_ONCE = 90
"""Shards that are read in one trip."""

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


def shards_of(ledger: Ledger, subject: str, shards: int, first: int = 0) -> list[Stock]:
    """The shards of a stock, from number ``first`` on and around; those never written are left out."""
    keys = [StockKey(subject, (first + index) % shards) for index in range(shards)]
    found: list[Stock] = []
    for start in range(0, len(keys), SHARDS_AT_ONCE):
        part = keys[start : start + SHARDS_AT_ONCE]
        documents = ledger.load([], part).documents
        found += [one for key in part if isinstance(one := documents.get(key), Stock)]
    return found


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
) -> list[Stock]:
    """Keep ``pieces`` for an order; the shards that do so, as they are now.

    Args:
        ledger: where everything is kept.
        patience: how long the caller can wait.
        stock: its subject, and how many shards it has.
        order_id: the order's whole id; asking again for the same order replaces what it has.
        pieces: how many.
        fence: see :func:`fence_of`.
        now: what has run out by then is dealt with first where pieces are short.
        until: when the reservation runs out.
        restock_on: told when there are not enough.

    Raises:
        OutOfStock: not that many are free, and none that ran out could be had back.
        Busy: others kept winning until the caller's time was up, or too many are in the middle of buying.
    """
    subject, shards = stock
    first = hash_of(order_id) % shards

    def attempt() -> list[Stock]:
        found = shards_of(ledger, subject, shards, first)
        changed = stocks.reserve(found, order_id, pieces, until, fence)
        if changed is None:
            overdue = [(one, name) for one in found for name in stocks.overdue(one, now)]
            if overdue:
                for shard, name in overdue:
                    recover(ledger, patience, shard, name, now)
                raise DocumentMoved
            left = stocks.available(found)
            if left is None or left >= pieces or any(len(one.reserved) >= RESERVED_MAX for one in found):
                raise Busy
            raise OutOfStock(left=left, restock_on=restock_on)
        ledger.commit(Posting(documents=changed), patience)
        return [_written(one) for one in changed if order_id in one.reserved]

    return settle(patience, attempt)


def confirm(ledger: Ledger, patience: Patience, shards: Sequence[Stock], order_id: str) -> list[Stock]:
    """Count the pieces of an order that was posted as sold; once, however often. The shards as they are now."""
    return [_settled(ledger, patience, shard, order_id) for shard in shards]


def recover(ledger: Ledger, patience: Patience, shard: Stock, order_id: str, now: datetime) -> bool:
    """Settle one reservation of a shard: confirm it where its order was posted, else release it behind the fence.

    Whoever is about to post the order fails on its document. Returns whether the order was posted.

    Raises:
        Busy: others kept winning until the caller's time was up.
    """
    key = owner_key(order_id)
    kept = shard.reserved.get(order_id)
    if kept is None:
        return False

    def attempt() -> int | None:
        found = ledger.load([], [key]).documents.get(key)
        if is_posted(found):
            return None
        fence = fence_of(found)
        if fence <= kept.fence:
            ledger.commit(Posting(documents=(_abandoned(order_id, fence, now),)), patience)
            fence += 1
        return fence

    fence = settle(patience, attempt)
    _settled(ledger, patience, shard, order_id, fence)
    return fence is None


def _settled(ledger: Ledger, patience: Patience, shard: Stock, order_id: str, fence: int | None = None) -> Stock:
    """Take a reservation out of a shard: sold (``fence`` None), or free again where it was made before ``fence``.

    A later one is another attempt's, which may be posting its order now. ``shard`` is tried as it was read first.
    """
    known: list[Stock] = [shard]
    key = StockKey(shard.subject, shard.shard)

    def attempt() -> Stock:
        if not known:
            found = ledger.load([], [key]).documents.get(key)
            assert isinstance(found, Stock), "a stock is never deleted"
            known.append(found)
        now = known.pop()
        kept = now.reserved.get(order_id)
        if kept is None or (fence is not None and kept.fence >= fence):
            return now
        after = stocks.confirm(now, order_id) if fence is None else stocks.release(now, order_id)
        ledger.commit(Posting(documents=(after,)), patience)
        return _written(after)

    return settle(patience, attempt)


def _written(shard: Stock) -> Stock:
    """The shard as the ledger now has it."""
    return replace(shard, version=shard.version + 1)


def _abandoned(order_id: str, fence: int, now: datetime) -> Document:
    found = parse_document_id(order_id)
    assert found is not None, "pieces are reserved under ids of our own"
    if found.prefix == "dw":
        return Draw(
            order_id, found.member, "", now, now.date(), 0, "", "", "", 0, status=DrawStatus.ABANDONED, version=fence
        )
    return abandoned(order_id, found.member, fence, now)


def hash_of(text: str) -> int:
    """A number that stands for a text, the same on every machine."""
    return int.from_bytes(text.rsplit(".", 1)[-1].encode()[:8], "big")
