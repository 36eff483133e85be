"""What can be done with a shard of a stock; see :mod:`jifen.domain.rewards` for the picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from jifen.domain.errors import LedgerFault
from jifen.domain.rewards import RESERVED_MAX, Reserved, Stock


def available(shards: Iterable[Stock]) -> int | None:
    """Pieces that nobody has or has reserved; None where there is no end of them."""
    free = [shard.free for shard in shards]
    return None if None in free else sum(one for one in free if one is not None)


def reserve(
    shards: Sequence[Stock], order_id: str, pieces: int, until: datetime, fence: int
) -> tuple[Stock, ...] | None:
    """The shards that change when ``pieces`` are reserved for an order, first come first; None: not that many are free.

    Another attempt of the same request (the same ``fence``) may have reserved them already: then they are kept, with
    their codes, because that attempt may be posting the order with them now. What an older attempt reserved is
    replaced: it can post nothing any more.
    """
    kept = {shard.shard: one for shard in shards if (one := shard.reserved.get(order_id)) and one.fence == fence}
    if sum(one.pieces for one in kept.values()) == pieces:
        return tuple(
            replace(shard, reserved={**shard.reserved, order_id: replace(kept[shard.shard], until=until)})
            for shard in shards
            if shard.shard in kept
        )
    changed: dict[int, Stock] = {}
    for shard in shards:
        if order_id in shard.reserved:
            changed[shard.shard] = release(shard, order_id)
    left = pieces
    for shard in shards:
        now = changed.get(shard.shard, shard)
        part = left if now.free is None else min(left, now.free)
        if part and len(now.reserved) < RESERVED_MAX:
            codes = now.codes[:part]
            changed[shard.shard] = replace(
                now,
                free=None if now.free is None else now.free - part,
                codes=now.codes[part:],
                reserved={**now.reserved, order_id: Reserved(part, until, fence, codes)},
            )
            left -= part
    return None if left else tuple(changed.values())


def confirm(shard: Stock, order_id: str) -> Stock:
    """The shard once the order has its pieces; the same where it keeps none for it (it was confirmed before)."""
    kept = shard.reserved.get(order_id)
    if kept is None:
        return shard
    return replace(shard, sold=shard.sold + kept.pieces, reserved=_without(shard.reserved, order_id))


def release(shard: Stock, order_id: str) -> Stock:
    """The shard once pieces that were kept for an order are free again; the same where it keeps none."""
    kept = shard.reserved.get(order_id)
    if kept is None:
        return shard
    return replace(
        shard,
        free=None if shard.free is None else shard.free + kept.pieces,
        codes=(*shard.codes, *kept.codes),
        reserved=_without(shard.reserved, order_id),
    )


def put_back(shard: Stock, order_id: str, pieces: int, codes: Sequence[str] = ()) -> Stock:
    """The shard once pieces that an order had are free again. Codes that somebody has seen are not given back.

    Raises:
        LedgerFault: not that many were sold.
    """
    if order_id in shard.reserved:
        return release(shard, order_id)
    if pieces > shard.sold:
        message = f"{pieces} of {shard.sold} sold pieces of {shard.subject} were to go back"
        raise LedgerFault(message)
    return replace(
        shard,
        sold=shard.sold - pieces,
        free=None if shard.free is None else shard.free + pieces,
        codes=(*shard.codes, *codes),
    )


def refilled(shard: Stock, pieces: int, codes: Sequence[str] = ()) -> Stock | None:
    """The shard with ``pieces`` (signed) put in; None where fewer are free than are to be taken out."""
    if shard.free is None or shard.free + pieces < 0:
        return None
    return replace(shard, free=shard.free + pieces, stocked=shard.stocked + pieces, codes=(*shard.codes, *codes))


def shares(pieces: int, shards: int) -> list[int]:
    """``pieces`` spread over so many shards, as evenly as they go."""
    whole, rest = divmod(pieces, shards)
    return [whole + (index < rest) for index in range(shards)]


def codes_of(shards: Iterable[Stock], order_id: str) -> tuple[str, ...]:
    """The codes that are reserved for an order."""
    return tuple(code for shard in shards if (kept := shard.reserved.get(order_id)) for code in kept.codes)


def pieces_of(shards: Iterable[Stock], order_id: str) -> dict[str, int]:
    """How many pieces each shard keeps for an order, by the shard's number as text."""
    return {str(shard.shard): kept.pieces for shard in shards if (kept := shard.reserved.get(order_id))}


def overdue(shard: Stock, now: datetime) -> tuple[str, ...]:
    """The orders whose reservations have run out."""
    return tuple(order_id for order_id, kept in shard.reserved.items() if kept.until <= now)


def _without(reserved: Mapping[str, Reserved], order_id: str) -> dict[str, Reserved]:
    return {name: kept for name, kept in reserved.items() if name != order_id}
