"""The progress of a shard: slices add up, and what was left counts as it was seen last."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.sweeps import OPEN_MAX, ShardProgress, Slice, Walk, after_slice

NOW = datetime(2026, 11, 26, 0, 5, tzinfo=UTC)
FRESH = ShardProgress("expire", "2026-11-26T00:05:00Z", 3, NOW, NOW, shards=16, expected=100)


def key(number: int) -> str:
    """The index key of an account."""
    return f"2026-11-26#m-{number:03}"


def after(*parts: Slice, row: ShardProgress = FRESH) -> ShardProgress:
    """The progress after slices, a minute apart."""
    for number, part in enumerate(parts, 1):
        row = after_slice(row, part, NOW + timedelta(minutes=number))
    return row


def test_slices_add_up() -> None:
    """Seen and done are sums; the last slice ends the shard."""
    row = after(Slice("", key(50), 50, 48), Slice(key(50), None, 50, 50))

    assert (100, 98, 2, True) == (row.seen, row.done, row.slices, row.finished)
    assert NOW + timedelta(minutes=2) == row.updated_at


def test_what_was_left_and_is_done_since_is_not_left() -> None:
    """A slice that is tried again takes the place of what it had left, and of all that it goes over besides."""
    first = after(Slice("", key(50), 50, 48, left=2), Slice(key(50), None, 50, 47, left=1, errors=2))
    assert (3, 2) == (first.left, first.errors)

    again = after(Slice(key(50), None, 3, 1, errors=2), row=first)
    assert (2, 2) == (again.left, again.errors)

    whole = after(Slice("", None, 4, 2, errors=2), row=again)
    assert (0, 2, 98) == (whole.left, whole.errors, whole.done)


def test_a_finished_shard_stays_finished() -> None:
    """A duplicate that stops half way, or a clock that is behind, takes nothing back."""
    row = after(Slice("", None, 100, 100))
    later = after_slice(row, Slice("", key(10), 10), NOW - timedelta(hours=1))

    assert later.finished
    assert later.updated_at == row.updated_at
    assert later.done == row.done


def test_a_slice_that_got_nowhere_replaces_itself() -> None:
    """One that was paused on its first page ends where it began, and counts what it left there once."""
    row = after(*[Slice(key(5), key(5), 1, left=1)] * 3)

    assert 1 == row.left


def test_a_shard_that_is_gone_through_backwards() -> None:
    """What lies between the cursors counts anew, whichever of them comes first."""
    parts = (
        Slice("", key(60), 40, left=1, backwards=True),
        Slice(key(60), key(30), 30, left=2, backwards=True),
        Slice(key(30), None, 30, left=4, backwards=True),
    )
    row = after(*parts)

    assert 7 == row.left
    assert 5 == after(Slice(key(60), key(30), 2, backwards=True), row=row).left
    assert 1 == after(Slice(key(60), None, 6, backwards=True), row=row).left
    assert 4 == after(Slice("", key(30), 3, backwards=True), row=row).left
    assert 0 == after(Slice("", None, 7, backwards=True), row=row).left


PARTS = st.builds(
    lambda start, length, left, errors, ends: Slice(
        key(start) if start else "", None if ends else key(start + length), left + errors, 0, left, errors
    ),
    st.integers(0, 60),
    st.integers(1, 60),
    st.integers(0, 3),
    st.integers(0, 2),
    st.booleans(),
)


@given(st.lists(PARTS, max_size=200))
def test_a_row_stays_small_and_never_goes_back(parts: list[Slice]) -> None:
    """Whatever slices come in whatever order: few places are kept, totals are their sums, done never falls."""
    row = FRESH
    for part in parts:
        later = after_slice(row, replace(part, done=1), NOW)
        assert later.done == row.done + 1
        assert later.finished >= row.finished
        row = later

    assert len(row.open) <= OPEN_MAX
    assert (row.left, row.errors) == (sum(one.left for one in row.open), sum(one.errors for one in row.open))


def test_many_slices_with_something_left_are_put_together() -> None:
    """No account that was left is forgotten for it."""
    row = after(*(Slice(key(number), key(number + 1), 1, left=1) for number in range(OPEN_MAX * 3)))

    assert (OPEN_MAX * 3, OPEN_MAX) == (row.left, len(row.open))


@pytest.mark.parametrize(
    ("done", "complete"), [((), False), ((0, 1), False), ((0, 1, 2), True), ((0, 1, 2, 3), True), ((1, 2, 3), False)]
)
def test_a_walk_is_complete_with_its_last_shard(done: tuple[int, ...], complete: bool) -> None:  # noqa: FBT001 - a case
    """Every one of its shards, and no number of others."""
    assert complete is Walk("1.0", "2026-11-26T00:05:00Z", 3, done).complete
