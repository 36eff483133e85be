"""Runs of consecutive days: what joins, what breaks, what a day pays, whatever order the days arrive in."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain import streaks
from jifen.domain.rules.model import Streak
from jifen.domain.streaks import Reward, Stretches
from tests.domain.builders import day

FIRST = date(2026, 3, 1)

day_numbers = st.lists(st.integers(min_value=0, max_value=60), unique=True, min_size=1, max_size=40)


def numbered(number: int) -> date:
    """Day number 0 is the first of March."""
    return FIRST + timedelta(days=number)


def run(*stretches: tuple[str, str]) -> Stretches:
    """Stretches, with their days as text."""
    return tuple((day(first), day(last)) for first, last in stretches)


def arrived(numbers: list[int]) -> Stretches:
    """The stretches once the days have arrived in this order."""
    found: Stretches = ()
    for number in numbers:
        joined = streaks.joined(found, numbered(number))
        found = joined.stretches if joined else found
    return found


@given(numbers=day_numbers, rnd=st.randoms(use_true_random=False))
def test_the_order_in_which_days_arrive_leaves_no_trace_in_the_runs(numbers: list[int], rnd: object) -> None:
    """The same days in any order, and each as often as it likes, are the same stretches."""
    shuffled = [*numbers, *numbers[:5]]
    rnd.shuffle(shuffled)  # type: ignore[attr-defined]
    assert arrived(sorted(numbers)) == arrived(shuffled)


@given(numbers=day_numbers)
def test_stretches_hold_the_days_that_arrived_and_no_others(numbers: list[int]) -> None:
    """Every day is in exactly one stretch, and between two stretches a day is missing."""
    found = arrived(numbers)
    days = [first + timedelta(days=step) for first, last in found for step in range((last - first).days + 1)]
    assert sorted(map(numbered, numbers)) == days
    assert all(later[0] - sooner[1] > timedelta(days=1) for sooner, later in pairwise(found))


@given(length=st.integers(min_value=1, max_value=40), marks=st.sets(st.integers(min_value=1, max_value=50)))
def test_a_run_in_order_is_paid_each_mark_it_reaches_once(length: int, marks: set[int]) -> None:
    """Day after day, a run of n days pays the marks up to n, each once."""
    streak = Streak((), dict.fromkeys(sorted(marks), 7))
    paid: list[int] = []
    found: Stretches = ()
    for number in range(length):
        joined = streaks.joined(found, numbered(number))
        assert joined is not None
        found = joined.stretches
        paid += streaks.reward(streak, joined).marks
    assert [mark for mark in sorted(marks) if mark <= length] == paid


@given(before=st.integers(0, 20), after=st.integers(0, 20), mark=st.integers(1, 41))
def test_a_day_that_joins_two_parts_pays_the_marks_that_no_part_had(before: int, after: int, mark: int) -> None:
    """Between the longer part and the whole."""
    parts = [*range(before), *range(before + 1, before + 1 + after)]
    joined = streaks.joined(arrived(parts), numbered(before))
    assert joined is not None
    whole = before + 1 + after
    assert (whole, max(before, after)) == (joined.days, joined.longest)
    pays = {mark: 200} if max(before, after) < mark <= whole else {}
    assert pays == streaks.reward(Streak((), {mark: 200}), joined).marks


@pytest.mark.parametrize(
    ("restart", "expected"),
    [(False, [10, 20, 50, 50, 50, 50]), (True, [10, 20, 50, 10, 20, 50])],
    ids=["it stays at the last reward", "it begins again"],
)
def test_after_the_last_reward(expected: list[int], *, restart: bool) -> None:
    """The reward stays there, or begins again."""
    streak = Streak((10, 20, 50), restart=restart)
    assert expected == [streaks.of_day(streak, place) for place in range(1, 7)]


def test_a_broken_run_begins_at_the_first_reward() -> None:
    """Three days, one missed: the next day is a first day."""
    joined = streaks.joined(run(("2026-03-01", "2026-03-03")), day("2026-03-05"))
    assert joined is not None
    assert Reward(10) == streaks.reward(Streak((10, 20, 30, 40), {3: 99}), joined)


def test_a_day_pays_its_place_and_its_mark() -> None:
    """The seventh day: its own 50 and the mark of 200."""
    joined = streaks.joined(run(("2026-03-01", "2026-03-06")), day("2026-03-07"))
    assert joined is not None
    streak = Streak((10, 15, 20, 25, 30, 40, 50), {7: 200, 14: 400})
    assert Reward(250, {7: 200}) == streaks.reward(streak, joined)
    assert Reward(200, {7: 200}) == streaks.reward(streak, joined, pays_day=False)


def test_a_day_that_was_there_joins_nothing() -> None:
    """The second time on one day."""
    assert streaks.joined(run(("2026-03-01", "2026-03-03")), day("2026-03-02")) is None


def test_a_stretch_is_forgotten_62_days_after_its_end_and_a_later_day_counts_no_more() -> None:
    """What counts has the day before it still known: nothing late can begin in the middle of a forgotten run."""
    found = run(("2026-01-01", "2026-01-10"), ("2026-02-01", "2026-02-01"))
    last_known = day("2026-01-10") + timedelta(days=62)
    assert found == streaks.kept(found, last_known)
    assert found[1:] == streaks.kept(found, last_known + timedelta(days=1))
    assert not streaks.too_late(day("2026-01-11"), last_known)
    assert streaks.too_late(day("2026-01-10"), last_known)


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        ("2026-03-03", ("2026-03-01", "2026-03-03")),
        ("2026-03-04", ("2026-03-01", "2026-03-03")),
        ("2026-03-05", None),
    ],
    ids=["kept up today", "kept up yesterday", "broken"],
)
def test_the_run_that_is_alive(today: str, expected: tuple[str, str] | None) -> None:
    """A run lives through the day after its last one."""
    wanted = run(expected)[0] if expected else None
    assert wanted == streaks.current(run(("2026-02-01", "2026-02-02"), ("2026-03-01", "2026-03-03")), day(today))


def test_missed_days_are_those_after_the_first_check_in_newest_first() -> None:
    """Not today, not days of a run, nothing before the first, and no further back than allowed."""
    found = run(("2026-03-02", "2026-03-03"), ("2026-03-06", "2026-03-06"))
    assert [day("2026-03-07"), day("2026-03-05"), day("2026-03-04")] == streaks.missed(found, day("2026-03-08"), 30)
    assert [day("2026-03-07"), day("2026-03-05")] == streaks.missed(found, day("2026-03-08"), 3)
    assert [] == streaks.missed((), day("2026-03-08"), 30)
