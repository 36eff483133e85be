"""What an amount is worth."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.orders import Order, OrderEvent, join
from jifen.domain.points import POINTS_MAX, Rounding, rounded
from jifen.domain.program import Program
from jifen.domain.rules.engine import entitled, explain, why_nothing
from jifen.domain.rules.model import RuleSet, bare
from tests.domain.builders import cancelled, paid, refunded

FLOOR = Rounding.FLOOR


def rates(*rows: tuple[str, int, int] | tuple[str, int, int, Rounding]) -> RuleSet:
    """A rule set of rates: id, points, minor units, and a rounding unless it is floor."""
    return bare(tuple((row[0], row[1], row[2], row[3] if len(row) > 3 else FLOOR) for row in rows))


def joined(*events: OrderEvent) -> Order:
    """An order of these events."""
    order = Order("standard", "o1")
    for event in events:
        order = join(order, event).order
    return order


@pytest.mark.parametrize(
    ("case", "points", "per_minor", "rounding", "amount_minor", "expected"),
    [
        ("earn-01", 1, 1_000, FLOOR, 10_500, 10),
        ("earn-03", 3, 100, FLOOR, 4_000, 120),
        ("earn-11", 1, 100_000, FLOOR, 1_000_000, 10),
        ("PC-009", 1, 100, FLOOR, 1_999, 19),
        ("PC-022 down", 1, 100, FLOOR, 250, 2),
        ("PC-022 nearest", 1, 100, Rounding.HALF_UP, 250, 3),
        ("PC-022 up", 1, 100, Rounding.CEIL, 250, 3),
        ("PC-032 a", 1, 100, FLOOR, 9_000, 90),
        ("just below half", 1, 100, Rounding.HALF_UP, 249, 2),
        ("a minor unit above", 1, 100, Rounding.CEIL, 201, 3),
        ("exact", 1, 100, Rounding.CEIL, 200, 2),
        ("nothing", 5, 100, Rounding.CEIL, 0, 0),
    ],
)
def test_worked_rates(
    case: str, points: int, per_minor: int, rounding: Rounding, amount_minor: int, expected: int
) -> None:
    """Published examples come out as printed."""
    assert (case, expected) == (case, rounded(points * amount_minor, per_minor, rounding))


def test_earn_04_each_rule_is_rounded_by_itself() -> None:
    """earn-04: 19.99 under 1 per 1.00 and 1 per 2.00 gives 19 + 9 = 28, not 29."""
    rules = rates(("one", 1, 100), ("two", 1, 200))
    assert 28 == entitled(joined(paid(1_999)), rules, None)


@given(st.integers(0, 10**6), st.integers(1, 10**14), st.integers(0, 10**14))
def test_roundings_stay_within_a_point_of_the_exact_value(points: int, per_minor: int, amount_minor: int) -> None:
    """Floor is the greatest whole number below, ceil the smallest above, half_up the nearest with halves up."""
    exact = Fraction(points * amount_minor, per_minor)
    floor, half_up, ceil = (
        rounded(points * amount_minor, per_minor, rounding)
        for rounding in (Rounding.FLOOR, Rounding.HALF_UP, Rounding.CEIL)
    )
    assert floor <= exact < floor + 1
    assert ceil - 1 < exact <= ceil
    assert exact - Fraction(1, 2) < half_up <= exact + Fraction(1, 2)


@given(
    st.sampled_from(Rounding), st.integers(0, 100), st.integers(1, 1_000), st.integers(0, 10**6), st.integers(0, 10**6)
)
def test_a_larger_amount_is_never_worth_less(
    rounding: Rounding, points: int, per_minor: int, amount_minor: int, more_minor: int
) -> None:
    """Rules are monotone, so giving goods back never earns."""
    rules = rates(("r", points, per_minor, rounding))
    assert entitled(joined(paid(amount_minor)), rules, None) <= entitled(
        joined(paid(amount_minor + more_minor)), rules, None
    )


def test_an_order_earns_at_most_what_the_ledger_can_count() -> None:
    """The points of one order end at the limit."""
    assert POINTS_MAX == entitled(joined(paid(10**14)), rates(("r", 1_000_000, 1)), None)


def test_no_rule_no_points() -> None:
    """A program without rules gives nothing and explains nothing."""
    assert (0, ()) == (entitled(joined(paid()), rates(), None), explain(joined(paid()), rates()))


def test_guests_unpaid_cancelled_and_foreign_orders_are_worth_nothing() -> None:
    """Nobody's order, one not paid yet, a cancelled one and one in another currency earn nothing."""
    rules = Program().rules
    assert 100 == entitled(joined(paid()), rules, "CNY")
    assert 0 == entitled(joined(paid(member=None)), rules, "CNY")
    assert 0 == entitled(joined(refunded(5)), rules, "CNY")
    assert 0 == entitled(joined(paid(), cancelled()), rules, "CNY")
    assert 0 == entitled(joined(paid(currency="JPY")), rules, "CNY")
    assert 100 == entitled(joined(paid(currency="JPY")), rules, None)


def test_the_explanation_shows_each_rule_and_adds_up() -> None:
    """Every rule says what it was applied to, at which rate, and what it gave."""
    rules = rates(("base", 1, 100), ("extra", 1, 300, Rounding.CEIL))
    order = joined(paid(1_000), refunded(250))
    expected = (
        {"rule": "base", "kept_minor": 750, "rate": "1 per 100", "rounding": "floor", "points": 7},
        {"rule": "extra", "kept_minor": 750, "rate": "1 per 300", "rounding": "ceil", "points": 3},
    )
    assert expected == explain(order, rules)
    assert 10 == entitled(order, rules, None)


def test_the_reason_for_no_points_is_named() -> None:
    """An order that cannot earn says why; one that can says nothing."""
    assert "NOT_PAID_YET" == why_nothing(joined(refunded(5)), "CNY")
    assert "GUEST" == why_nothing(joined(paid(member=None)), "CNY")
    assert "CURRENCY_NOT_OF_PROGRAM" == why_nothing(joined(paid(currency="JPY")), "CNY")
    assert why_nothing(joined(paid()), "CNY") is None


@pytest.mark.parametrize(("refund_minor", "deducted"), [(100, 0), (500, 1), (1_000, 1), (2_000, 2), (2_190, 2)])
def test_pc_089_by_the_points_of_what_was_kept(refund_minor: int, deducted: int) -> None:
    """PC-089 by our rule: 21.90 at 1 per 10.00 earned 2; what goes is 2 less the points of what was kept.

    The source gives 0 for a refund of 5.00, as it floors each refund by itself; rule 3 of the contract says 1.
    """
    rules = rates(("base", 1, 1_000))
    assert 2 - deducted == entitled(joined(paid(2_190), refunded(refund_minor)), rules, None)


@pytest.mark.parametrize(
    ("case", "per_minor", "paid_minor", "refund_minor", "expected"),
    [
        ("refund-06", 100_000, 2_000_000, 1_000_000, 10),
        ("PC-091", 100_000, 2_000_000, 1_000_000, 10),
        ("PC-093", 100, 100_000, 10_000, 900),
    ],
)
def test_worked_returns(case: str, per_minor: int, paid_minor: int, refund_minor: int, expected: int) -> None:
    """Published returns leave the points of what was kept."""
    order = joined(paid(paid_minor), refunded(refund_minor))
    assert (case, expected) == (case, entitled(order, rates(("base", 1, per_minor)), None))


def test_pc_092_a_cancelled_order_is_worth_nothing() -> None:
    """PC-092: 10,000 at 1 per 1,000 is worth 10, and nothing once cancelled."""
    rules = rates(("base", 1, 100_000))
    assert 10 == entitled(joined(paid(1_000_000)), rules, None)
    assert 0 == entitled(joined(paid(1_000_000), cancelled()), rules, None)
