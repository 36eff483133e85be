"""What can be done with a shard of a stock; see :mod:`jifen.domain.rewards` for the picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from jifen.domain.errors import LedgerFault
from jifen.domain.rewards import CODES_PER_SHARD, RESERVED_MAX, Reserved, Stock


def available(shards: Iterable[Stock]) -> int | None:
    """Pieces that nobody has or has reserved; None where there is no end of them."""
    free = [shard.free for shard in shards]
    return None if None in free else sum(one for one in free if one is not None)


class Outrun(Exception):
    """Somebody has gone further with the order than who asks knows: its document has moved."""


def reserve(
    shards: Sequence[Stock], order_id: str, pieces: int, until: datetime, fence: int
) -> tuple[Stock, ...] | None:
    """The shards once ``pieces`` are reserved for an order, those first that come first; None: not that many are free.

    A shard that stays as it is is the very same. Another attempt of the same request (the same ``fence``) may have
    reserved them already: then they are kept, with their codes, because that attempt may be posting the order with
    them now. What an older attempt reserved is replaced: it can post nothing any more.

    Raises:
        Outrun: a newer attempt has reserved some, or an equal one has a part of them left.
    """
    own = [one for shard in shards if (one := shard.reserved.get(order_id)) and one.fence >= fence]
    if own and (sum(one.pieces for one in own) != pieces or any(one.fence > fence for one in own)):
        raise Outrun
    after = [_without_older(shard, order_id, fence) for shard in shards]
    if own:
        return tuple(_until(shard, order_id, until) for shard in after)
    left = pieces
    for index, shard in enumerate(after):
        part = left if shard.free is None else min(left, shard.free)
        if part and len(shard.reserved) < RESERVED_MAX:
            kept = Reserved(part, until, fence, shard.codes[:part], shard.version)
            after[index] = replace(
                shard,
                free=None if shard.free is None else shard.free - part,
                codes=shard.codes[part:],
                reserved={**shard.reserved, order_id: kept},
            )
            left -= part
    return None if left else tuple(after)


def _without_older(shard: Stock, order_id: str, fence: int) -> Stock:
    kept = shard.reserved.get(order_id)
    return shard if kept is None or kept.fence >= fence else release(shard, order_id)


def _until(shard: Stock, order_id: str, until: datetime) -> Stock:
    """The shard with the order's reservation kept for longer."""
    kept = shard.reserved.get(order_id)
    if kept is None or kept.until >= until:
        return shard
    return replace(shard, reserved={**shard.reserved, order_id: replace(kept, until=until)})


def confirm(shard: Stock, order_id: str, mark: int) -> Stock:
    """The shard once the order has its pieces; the same where it keeps them no more (they were confirmed before)."""
    kept = shard.reserved.get(order_id)
    if kept is None or kept.mark != mark:
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


def put_back(shard: Stock, order_id: str, pieces: int, codes: Sequence[str] = (), mark: int | None = None) -> Stock:
    """The shard once pieces that an order had are free again.

    Where they are still reserved for it (``mark`` names the reservation; None: whichever there is), that is released.
    Codes that somebody has seen are not given back: of a pool only ``codes`` are free again, the others stay sold.

    Raises:
        LedgerFault: not that many were sold.
    """
    if kept := shard.reserved.get(order_id):
        own = mark is None or kept.mark == mark
        if own and (shard.pooled or pieces < kept.pieces):
            shard = confirm(shard, order_id, kept.mark)
        else:
            shard = release(shard, order_id)
            if own:
                return shard
    if shard.pooled:
        pieces = len(codes)
    if pieces > shard.sold:
        message = f"{pieces} of {shard.sold} sold pieces of {shard.subject} were to go back"
        raise LedgerFault(message)
    return replace(
        shard,
        sold=shard.sold - pieces,
        free=None if shard.free is None else shard.free + pieces,
        codes=(*shard.codes, *codes),
    )


def spread(shards: Sequence[Stock], pieces: int) -> tuple[Stock, ...] | None:
    """The shards that change when ``pieces`` (signed) are put in, so that about as many are free in each.

    None moves from one shard to another: what is put in goes where least is free, what is taken out comes from where
    most is. None where fewer are free than are to be taken out, or where pieces are not counted.
    """
    free = [shard.free or 0 for shard in shards]
    if any(shard.free is None or shard.pooled for shard in shards) or sum(free) + pieces < 0 or not shards:
        return None
    after = _raised(free, pieces) if pieces > 0 else [-level for level in _raised([-one for one in free], -pieces)]
    return tuple(
        replace(shard, free=now, stocked=shard.stocked + now - before)
        for shard, before, now in zip(shards, free, after, strict=True)
        if now != before
    )


def _raised(levels: Sequence[int], amount: int) -> list[int]:
    """The levels once ``amount`` was poured in from the lowest on."""
    order = sorted(range(len(levels)), key=lambda index: levels[index])
    after = list(levels)
    for count, index in enumerate(order, 1):
        above = levels[order[count]] if count < len(order) else None
        room = None if above is None else (above - levels[index]) * count
        if room is not None and room < amount:
            amount -= room
            continue
        for name, share in zip(order[:count], shares(amount, count), strict=True):
            after[name] = levels[index] + share
        break
    return after


def with_codes(shards: Sequence[Stock], codes: Sequence[str], shards_max: int) -> tuple[tuple[Stock, ...], int]:
    """The shards of a pool that change when codes are put in, and how many of the codes found room.

    A shard holds :data:`CODES_PER_SHARD` that are free or reserved. At most ``shards_max`` change, the emptiest first.
    """
    placed, changed = 0, []
    for shard in sorted(shards, key=held)[:shards_max]:
        part = codes[placed : placed + max(0, CODES_PER_SHARD - held(shard))]
        if part:
            grown = (shard.free or 0) + len(part)
            changed.append(
                replace(shard, free=grown, stocked=shard.stocked + len(part), codes=(*shard.codes, *part), pooled=True)
            )
            placed += len(part)
    return tuple(changed), placed


def held(shard: Stock) -> int:
    """Codes that are in a shard, free or reserved."""
    return len(shard.codes) + sum(len(one.codes) for one in shard.reserved.values())


def shares(pieces: int, shards: int) -> list[int]:
    """``pieces`` spread over so many shards, as evenly as they go."""
    whole, rest = divmod(pieces, shards)
    return [whole + (index < rest) for index in range(shards)]


def codes_of(shards: Iterable[Stock], order_id: str) -> tuple[str, ...]:
    """The codes that are reserved for an order, by shard."""
    ordered = sorted(shards, key=lambda shard: shard.shard)
    return tuple(code for shard in ordered if (kept := shard.reserved.get(order_id)) for code in kept.codes)


def pieces_of(shards: Iterable[Stock], order_id: str) -> dict[str, int]:
    """How many pieces each shard keeps for an order, by the shard's number as text."""
    return {str(shard.shard): kept.pieces for shard in shards if (kept := shard.reserved.get(order_id))}


def marks_of(shards: Iterable[Stock], order_id: str) -> dict[str, int]:
    """The marks of an order's reservations, by the shard's number as text."""
    return {str(shard.shard): kept.mark for shard in shards if (kept := shard.reserved.get(order_id))}


def overdue(shard: Stock, now: datetime) -> tuple[str, ...]:
    """The orders whose reservations have run out."""
    return tuple(order_id for order_id, kept in shard.reserved.items() if kept.until <= now)


def _without(reserved: Mapping[str, Reserved], order_id: str) -> dict[str, Reserved]:
    return {name: kept for name, kept in reserved.items() if name != order_id}
