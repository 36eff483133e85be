"""A warm handler takes no more instructions and bytes than its budget; skipped where there is no valgrind."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bench import valgrind, warm
from bench.budgets_warm import BUDGETS
from tests.store.tables import engine_or_skip

REPETITIONS = 1


@pytest.fixture(scope="module")
def measured() -> Mapping[str, warm.Warm]:
    """Every operation, counted once."""
    if valgrind.tool() is None:
        pytest.skip(valgrind.MISSING)
    with engine_or_skip("dynoxide"):
        return warm.measure(REPETITIONS)


@pytest.mark.parametrize("operation", BUDGETS)
def test_a_warm_operation_stays_within_its_budget(measured: Mapping[str, warm.Warm], operation: str) -> None:
    """Instructions and bytes of one operation, from the event to the answer."""
    budget, spent = BUDGETS[operation], measured[operation]

    assert budget.instructions >= spent.instructions
    assert budget.sent >= spent.sent
    assert budget.received >= spent.received


def test_a_budget_is_close_to_what_is_spent(measured: Mapping[str, warm.Warm]) -> None:
    """A budget that nobody comes near finds nothing: each operation takes more than half of its own."""
    assert [] == [name for name, spent in measured.items() if 2 * spent.instructions < BUDGETS[name].instructions]


def test_rules_take_a_process_no_trip(measured: Mapping[str, warm.Warm]) -> None:
    """A warm process knows the program in force and the rules of orders it has met: an order is read and written."""
    orders = ("order paid", "order paid, 20 rules", "order paid, 20 rules and a campaign")
    others = ("refund, 20 rules", "refund of an order of older rules", "behaviour event", "check-in")

    assert dict.fromkeys((*orders, *others), 2) == {name: measured[name].trips for name in (*orders, *others)}


def test_every_warm_operation_has_a_budget(measured: Mapping[str, warm.Warm]) -> None:
    """What is measured has a budget, and what has a budget is measured."""
    assert list(BUDGETS) == list(measured)


def test_a_batch_of_one_member_is_cheaper_than_its_events_alone(measured: Mapping[str, warm.Warm]) -> None:
    """Folding ten orders into one transaction saves instructions as well as eighteen round trips."""
    alone, together = measured["order paid"], measured["10 orders of one member"]

    assert (2, 2) == (alone.trips, together.trips)
    assert 10 * alone.instructions > 1.5 * together.instructions
