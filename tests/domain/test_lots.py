"""Lots: their order, taking from them, joining them."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jifen.domain.errors import LedgerFault
from jifen.domain.lots import LOTS_MAX, Lot, LotChange, Lots, apply, compact, order_key, reverse, take, total
from tests.domain.builders import day, lot

TODAY = date(2026, 6, 15)
NEAR = st.integers(-20, 20).map(lambda number: TODAY + timedelta(days=number))
LOT_DAYS = st.tuples(st.none() | NEAR, st.none() | NEAR)
LOTS = st.dictionaries(LOT_DAYS, st.integers(1, 500), max_size=8).map(
    lambda drawn: apply((), [LotChange(points, *days) for days, points in drawn.items()])
)


def spendable(each: Lot) -> bool:
    """Whether a lot can be spent today."""
    return each.spendable(TODAY)


@given(LOTS)
def test_lots_are_sorted_soonest_first_and_never_last(lots: Lots) -> None:
    """Whatever order changes come in, dated lots stand before undated ones and by date among themselves."""
    dates = [each.expires_on or date.max for each in lots]
    assert sorted(dates) == dates
    assert len(lots) == len({order_key(each) for each in lots})


@given(LOTS, st.randoms(use_true_random=False))
def test_changes_may_come_in_any_order(lots: Lots, random: Random) -> None:
    """The same changes make the same lots."""
    changes = [LotChange(each.points, each.expires_on, each.active_from) for each in lots]
    random.shuffle(changes)
    assert lots == apply((), changes)
    assert () == apply(lots, reverse(changes))


@given(LOTS, st.integers(0, 2_500), st.none() | NEAR)
def test_taking_is_exact_in_order_and_only_from_usable_lots(lots: Lots, points: int, first: date | None) -> None:
    """What is taken is the wish or all there is; each lot is emptied before the next one is touched."""
    usable = [each for each in lots if spendable(each)]
    taken = take(lots, points, spendable, lambda each: each.expires_on == first)
    assert min(points, total(usable)) == -total(taken)
    wanted = sorted(usable, key=lambda each: (each.expires_on != first, order_key(each)))
    assert [(each.expires_on, each.active_from) for each in wanted[: len(taken)]] == [
        (change.expires_on, change.active_from) for change in taken
    ]
    assert [-each.points for each in wanted[: len(taken)]][:-1] == [change.points for change in taken[:-1]]
    assert all(change.points < 0 for change in taken)
    assert total(lots) - min(points, total(usable)) == total(apply(lots, taken))


@given(LOTS)
def test_nothing_wished_nothing_taken(lots: Lots) -> None:
    """Zero points, or less, touch no lot."""
    assert () == take(lots, 0, spendable) == take(lots, -5, spendable)


def test_pc_069_soonest_expiring_before_oldest() -> None:
    """PC-069: of lots that end 2027-06-01 and 2027-01-01 the second is spent, whichever was earned first."""
    lots = (lot(100, "2027-01-01"), lot(100, "2027-06-01"))
    assert (lot(100, "2027-06-01"),) == apply(lots, take(lots, 100, spendable))


def test_pc_070_never_expiring_last() -> None:
    """PC-070: an undated lot is spent after a dated one."""
    lots = apply((), [LotChange(100, None), LotChange(100, day("2027-01-01"))])
    assert (lot(100),) == apply(lots, take(lots, 100, spendable))


def test_the_named_date_is_used_before_sooner_ones() -> None:
    """A clawback starts with the order's own lot date and goes on with the soonest."""
    lots = (lot(10, "2026-07-31"), lot(10, "2026-08-31"), lot(10))
    expected = (LotChange(-10, day("2026-08-31")), LotChange(-5, day("2026-07-31")))
    assert expected == take(lots, 15, spendable, first=lambda each: each.expires_on == day("2026-08-31"))


@pytest.mark.parametrize(
    ("expires_on", "active_from", "expected"),
    [
        (None, None, (True, False, False)),
        ("2026-06-15", None, (True, False, False)),
        ("2026-06-14", None, (False, False, True)),
        (None, "2026-06-15", (True, False, False)),
        (None, "2026-06-16", (False, True, False)),
        ("2026-06-15", "2026-06-15", (True, False, False)),
        ("2026-06-14", "2026-06-16", (False, True, True)),
    ],
)
def test_both_days_of_a_lot_are_included(
    expires_on: str | None, active_from: str | None, expected: tuple[bool, bool, bool]
) -> None:
    """Points can be used from their first through their last valid day, and not a day before or after."""
    each = lot(1, expires_on, active_from)
    assert expected == (each.spendable(TODAY), each.pending(TODAY), each.expired(TODAY))


@pytest.mark.parametrize("changes", [[LotChange(-11, None)], [LotChange(-1, day("2026-07-31"))]])
def test_a_lot_below_zero_is_a_fault(changes: list[LotChange]) -> None:
    """Taking more than a lot has, or from one that is not there, is refused, not booked."""
    with pytest.raises(LedgerFault):
        apply((lot(10),), changes)


def test_changes_within_one_entry_may_pass_through_zero() -> None:
    """Out and in again within one entry leaves the lot as it was."""
    assert (lot(10),) == apply((lot(10),), [LotChange(-20, None), LotChange(20, None)])


@settings(max_examples=25)
@given(st.sets(st.integers(0, 3_000), min_size=100, max_size=160), st.integers(0, 5), st.booleans())
def test_compacting_keeps_the_points_and_never_shortens_their_life(days: set[int], pending: int, undated: bool) -> None:  # noqa: FBT001
    """At most the allowed lots remain, every point is there, and on no day are fewer points valid than before."""
    lots = apply(
        (),
        [
            *(LotChange(number + 1, TODAY + timedelta(days=number)) for number in days),
            *(LotChange(1, None, TODAY + timedelta(days=number)) for number in range(pending)),
            *([LotChange(9, None)] if undated else []),
        ],
    )
    after = apply(lots, compact(lots, TODAY))
    assert min(len(lots), LOTS_MAX) == len(after)
    assert total(lots) == total(after)
    left = [
        [
            sum(each.points for each in book if not each.expired(TODAY + timedelta(days=number)))
            for number in sorted(days)
        ]
        for book in (lots, after)
    ]
    assert all(before <= now for before, now in zip(*left, strict=True))
    untouched = [each for each in lots if each.expires_on is None]
    assert untouched == [each for each in after if each.expires_on is None]


def test_the_closest_neighbours_are_joined_at_the_later_date() -> None:
    """Of one lot too many the two that are closest in time become one."""
    days = [TODAY + timedelta(days=10 * number) for number in range(LOTS_MAX)]
    lots = apply((), [LotChange(1, each) for each in [*days, days[50] + timedelta(days=3)]])
    expected = (LotChange(-1, days[50]), LotChange(1, days[50] + timedelta(days=3)))
    assert expected == compact(lots, TODAY)


def test_lots_that_cannot_be_joined_are_left() -> None:
    """Pending lots are not joined, however many there are."""
    lots = apply((), [LotChange(1, None, TODAY + timedelta(days=number)) for number in range(LOTS_MAX + 5)])
    assert () == compact(lots, TODAY)


def test_what_has_expired_is_not_joined_to_what_lives() -> None:
    """Lots past their day stay apart, however close the next one is: joining would bring them back to life."""
    live = [TODAY + timedelta(days=10 * number) for number in range(LOTS_MAX)]
    gone = [TODAY - timedelta(days=number) for number in (1, 2)]
    lots = apply((), [LotChange(7, each) for each in [*gone, *live]])
    after = apply(lots, compact(lots, TODAY))
    assert LOTS_MAX == len(after)
    assert [each for each in lots if each.expired(TODAY)] == [each for each in after if each.expired(TODAY)]
    assert 7 * LOTS_MAX == sum(each.points for each in after if each.spendable(TODAY))


def test_expired_lots_alone_cannot_be_joined() -> None:
    """More lots than allowed, all but one past their day, are left to the expiry that is due."""
    lots = apply((), [LotChange(1, TODAY - timedelta(days=number)) for number in range(LOTS_MAX + 5)])
    assert () == compact(lots, TODAY)
