"""A shard's law, whatever is done: free + reserved + sold = stocked, and each code is in one place."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain import stocks
from jifen.domain.errors import LedgerFault
from jifen.domain.rewards import CODES_PER_SHARD, Stock

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=10)

LEVELS = st.lists(st.integers(0, 50), min_size=1, max_size=8)


def shards_of(levels: list[int], sold: int = 0) -> list[Stock]:
    """Shards with so many free pieces."""
    return [Stock("cup", number, free, sold, free + sold) for number, free in enumerate(levels)]


def holds(shard: Stock) -> bool:
    """Whether the law holds in a shard, and in a pool that its codes are what is free."""
    in_pool = not shard.pooled or len(shard.codes) == shard.free
    return (
        shard.free is not None and shard.free >= 0 and shard.free + shard.kept + shard.sold == shard.stocked and in_pool
    )


def together(shards: list[Stock], changed: tuple[Stock, ...]) -> list[Stock]:
    """All shards, those that changed as they are then."""
    return list(({one.shard: one for one in shards} | {one.shard: one for one in changed}).values())


@given(LEVELS, st.integers(-100, 1_000))
def test_pieces_are_spread_and_none_is_lost_or_made(levels: list[int], pieces: int) -> None:
    """Exactly so many more are free; none wanders between shards; what was filled is as even as it can be."""
    shards = shards_of(levels, sold=3)
    changed = stocks.spread(shards, pieces)
    if sum(levels) + pieces < 0:
        assert changed is None
        return
    assert changed is not None
    after = together(shards, changed)
    assert sum(levels) + pieces == stocks.available(after)
    assert all(map(holds, after))
    moves = [(now.free or 0) - before for now, before in zip(after, levels, strict=True)]
    assert all(move >= 0 for move in moves) if pieces > 0 else all(move <= 0 for move in moves)
    touched = [now.free or 0 for now, move in zip(after, moves, strict=True) if move]
    still = [now.free or 0 for now, move in zip(after, moves, strict=True) if not move]
    assert max(touched, default=0) - min(touched, default=0) <= 1
    if touched and pieces > 0:
        assert all(level >= max(touched) - 1 for level in still)
    if touched and pieces < 0:
        assert all(level <= min(touched) + 1 for level in still)


def test_neither_codes_nor_what_has_no_end_is_filled_by_number() -> None:
    """Each is told by None."""
    assert stocks.spread([Stock("tree", 0)], 5) is None
    assert stocks.spread([Stock("film", 0, 0, pooled=True)], 5) is None
    assert stocks.spread([], 5) is None


STEPS = st.lists(
    st.tuples(st.sampled_from(("reserve", "confirm", "release", "back", "fill")), st.integers(0, 5), st.integers(1, 4)),
    max_size=40,
)


@given(LEVELS, STEPS, st.booleans())
def test_the_law_holds_whatever_is_done(levels: list[int], steps: list[tuple[str, int, int]], pooled: bool) -> None:  # noqa: FBT001 - drawn
    """Orders come, go through, fail and are put back, in any order; of a pool no code is ever in two places."""
    shards = [Stock("cup", number, 0, pooled=pooled) for number in range(len(levels))]
    if pooled:
        codes = [f"C{number}" for number in range(min(sum(levels), CODES_PER_SHARD * len(levels)))]
        changed, placed = stocks.with_codes(shards, codes, len(shards))
        assert placed == len(codes)
        shards = together(shards, changed)
    else:
        shards = together(shards, stocks.spread(shards, sum(levels)) or ())
    begun = sum(shard.stocked for shard in shards)
    sold: dict[str, list[tuple[int, int, tuple[str, ...]]]] = {}
    for name, order, pieces in steps:
        order_id = f"ro.bQ.{order}"
        match name:
            case "reserve" if order_id not in sold:
                with contextlib.suppress(stocks.Outrun):
                    shards = list(stocks.reserve(shards, order_id, pieces, UNTIL, 0) or shards)
            case "confirm":
                kept = [(one.shard, one.reserved[order_id]) for one in shards if order_id in one.reserved]
                if kept:
                    sold[order_id] = [(number, one.pieces, one.codes) for number, one in kept]
                shards = [stocks.confirm(one, order_id, 0) for one in shards]
            case "release":
                shards = [stocks.release(one, order_id) for one in shards]
            case "back":
                for number, count, codes_back in sold.pop(order_id, []):
                    shards[number] = stocks.put_back(shards[number], order_id, count, codes_back)
            case _:
                pass
        assert all(map(holds, shards))
        assert begun == sum(shard.stocked for shard in shards)
        everywhere = [code for one in shards for code in one.codes]
        everywhere += [code for one in shards for kept in one.reserved.values() for code in kept.codes]
        everywhere += [code for parts in sold.values() for _, _, part in parts for code in part]
        assert len(everywhere) == len(set(everywhere))


def test_more_than_is_free_is_never_reserved() -> None:
    """All or nothing, over all shards; what is asked for again is kept once."""
    shards = shards_of([2, 1])
    assert stocks.reserve(shards, "ro.bQ.a", 4, UNTIL, 0) is None
    first = stocks.reserve(shards, "ro.bQ.a", 3, UNTIL, 0)
    assert first is not None
    shards = together(shards, first)
    assert 0 == stocks.available(shards)
    again = stocks.reserve(shards, "ro.bQ.a", 3, UNTIL + timedelta(minutes=1), 0)
    assert again is not None
    assert 3 == sum(one.kept for one in together(shards, again))
    later = stocks.reserve(together(shards, again), "ro.bQ.a", 2, UNTIL, 1)
    assert later is not None
    now = together(shards, later)
    assert (2, 1) == (sum(one.kept for one in now), stocks.available(now))


def test_a_code_that_was_seen_is_not_handed_out_again() -> None:
    """Put back without its code, a piece of a pool stays sold; with it, it is free again."""
    (pool,), _ = stocks.with_codes([Stock("film", 0, 0, pooled=True)], ["A", "B"], 1)
    reserved = (stocks.reserve([pool], "ro.bQ.a", 2, UNTIL, 0) or ())[0]
    sold = stocks.confirm(reserved, "ro.bQ.a", 0)
    assert sold == stocks.put_back(reserved, "ro.bQ.a", 2)
    assert (0, 2) == (sold.free, sold.sold)
    seen = stocks.put_back(sold, "ro.bQ.a", 2)
    assert (0, 2, ()) == (seen.free, seen.sold, seen.codes)
    unseen = stocks.put_back(sold, "ro.bQ.a", 2, ["A"])
    assert (1, 1, ("A",)) == (unseen.free, unseen.sold, unseen.codes)


def test_no_more_goes_back_than_was_sold() -> None:
    """That would be a mistake of ours, and is told as one."""
    with pytest.raises(LedgerFault):
        stocks.put_back(Stock("cup", 0, 1, 1, 2), "ro.bQ.a", 2)


@given(st.lists(st.integers(0, CODES_PER_SHARD), min_size=1, max_size=6), st.integers(0, 300), st.integers(1, 6))
def test_codes_find_room_in_the_emptiest_shards(held: list[int], count: int, shards_max: int) -> None:
    """No shard holds more than it may, no more shards change than allowed, and those that find none are told."""
    shards = [
        Stock("film", number, size, 0, size, tuple(f"{number}-{code}" for code in range(size)), pooled=True)
        for number, size in enumerate(held)
    ]
    changed, placed = stocks.with_codes(shards, [f"new-{number}" for number in range(count)], shards_max)
    room = sorted((CODES_PER_SHARD - size for size in held), reverse=True)[:shards_max]
    assert placed == min(count, sum(room))
    assert len(changed) <= shards_max
    after = together(shards, changed)
    assert all(map(holds, after))
    assert max(map(stocks.held, after)) <= CODES_PER_SHARD
    assert sum(held) + placed == stocks.available(after)
