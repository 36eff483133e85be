"""Ours beside the two alternatives, in small: what the page of figures claims holds in every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest

from bench import compare_runs
from bench.alternatives.orders import balances, empty, joined, worth
from bench.compare_paths import IDEMPOTENCY_AND_LOTS, OURS, READ_THEN_WRITE, WAYS
from bench.compare_runs import Event, Found, compare, doubled, invented, plain, timed
from local.engines import Engine
from tests.store.tables import engine_or_skip

EVENTS = 60
ROUNDS = 1
MORE_ROUNDS = 8
"""Rounds that are added while a neighbour on this machine disturbs the measurement."""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One engine for all ways."""
    with engine_or_skip("dynoxide") as started:
        yield started


@pytest.fixture(scope="module")
def events() -> Sequence[Event]:
    """What all ways are given."""
    return plain(invented(EVENTS), EVENTS)


@pytest.fixture(scope="module")
def found(engine: Engine, events: Sequence[Event]) -> Mapping[tuple[str, int], Found]:
    """Everything, measured once on one engine."""
    return compare(engine, events, ROUNDS)


@pytest.mark.parametrize("run", ["plain", "doubled", "together"])
def test_ours_has_no_wrong_balance(found: Mapping[tuple[str, int], Found], run: str) -> None:
    """Once and in order, with copies and late, and with eight processes at the same events."""
    assert 0 == found[OURS, 1].wrong[run]


def test_ours_gives_nothing_up_and_fails_nobody(found: Mapping[tuple[str, int], Found]) -> None:
    """Eight processes at the same events: every message is taken and every request answered the first time."""
    assert (0, Counter()) == (found[OURS, 1].given_up, found[OURS, 1].failures)


def test_ten_of_sixty_four_succeed_and_the_rest_lack_points(found: Mapping[tuple[str, int], Found]) -> None:
    """No client of ours is told of a lock, a conflict or a timeout."""
    assert Counter(done=10, INSUFFICIENT_POINTS=54) == found[OURS, 1].race


def test_reading_and_writing_back_overspends(found: Mapping[tuple[str, int], Found]) -> None:
    """The race is one: without a condition more than ten get their points."""
    assert found[READ_THEN_WRITE, 1].race["done"] > 10


@pytest.mark.parametrize("other", [READ_THEN_WRITE, IDEMPOTENCY_AND_LOTS])
def test_ours_makes_fewer_round_trips(found: Mapping[tuple[str, int], Found], other: str) -> None:
    """One event at a time, and much fewer when events come in batches."""
    assert found[OURS, 1].bill.trips < found[other, 1].bill.trips
    assert 2 * found[OURS, 10].bill.trips < found[OURS, 1].bill.trips


@pytest.mark.parametrize("size", [1, 10])
def test_ours_takes_at_most_half_the_processor_time(
    engine: Engine, events: Sequence[Event], found: Mapping[tuple[str, int], Found], size: int
) -> None:
    """Of idempotency and lots, in the same run and the same batches, by the best round of each."""
    ours, other = found[OURS, size], found[IDEMPOTENCY_AND_LOTS, size]
    for _ in range(MORE_ROUNDS):
        if ours.cpu_s <= 0.5 * other.cpu_s:
            break
        timed(engine, OURS, events, size, ours)
        timed(engine, IDEMPOTENCY_AND_LOTS, events, size, other)

    assert 0.5 >= ours.cpu_s / other.cpu_s


def test_the_alternatives_are_right_when_nobody_is_in_their_way(found: Mapping[tuple[str, int], Found]) -> None:
    """They are honest: in one process they keep every balance, in order as well as with copies and late messages."""
    assert dict.fromkeys(WAYS, (0, 0)) == {
        name: (found[name, 1].wrong["plain"], found[name, 1].wrong["doubled"]) for name in WAYS
    }


def test_copies_are_of_every_event_and_some_are_late() -> None:
    """One to three of each, the same for the same seed, and not all in order."""
    events = plain(invented(100), 100)

    copies = doubled(events)

    counts = Counter(id(event) for event in copies)
    assert {id(event) for event in events} == set(counts)
    assert {1, 2, 3} == set(counts.values())
    assert copies == doubled(events)
    assert copies != sorted(copies, key=events.index)


def test_a_process_that_fails_is_told_of() -> None:
    """Its error reaches who asked, at once."""
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        compare_runs._in_processes(divmod, [(1, 1), (1, 0)])


PAID = {
    "type": "order.paid",
    "order_id": "1",
    "customer_id": "m",
    "occurred_at": "2026-01-01T00:00:00+00:00",
    "lines": [
        {"n": 1, "sku": "A", "qty": 2, "unit_price_minor": 5_000},
        {"n": 2, "sku": "B", "qty": 1, "unit_price_minor": 900, "kind": "shipping"},
        {"n": 3, "sku": "C", "qty": 1, "unit_price_minor": 2_050, "kind": "discount"},
    ],
}
REFUND = {"type": "order.refunded", "order_id": "1", "customer_id": "m", "refund_id": "r", "total_minor": 1_000}


def test_the_balances_that_all_are_held_against() -> None:
    """Goods less discounts less refunds, each refund once, before or after the payment; less what was redeemed."""
    state = joined(joined(joined(empty(), REFUND), PAID), REFUND)

    assert 69 == worth(state)
    assert 0 == worth(joined(state, {"type": "order.cancelled"}))
    assert {"m": 59} == balances([REFUND, PAID, REFUND], [("m", 10)])
