"""Orders as joined facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.errors import LimitReached
from jifen.domain.orders import (
    REFUNDS_MAX,
    Line,
    LineKind,
    Order,
    OrderEvent,
    RefundLine,
    basis_minor,
    given_back_minor,
    join,
    kept_minor,
    oddities,
)
from tests.domain.builders import PAID_AT, cancelled, paid, refunded

EMPTY = Order("standard", "o1")
EVENTS = st.lists(
    st.one_of(
        st.builds(lambda amount, revision: paid(amount, revision=revision), st.integers(0, 99), st.integers(0, 3)),
        st.builds(
            lambda amount, number: refunded(amount, refund_id=f"r{number}"), st.integers(0, 99), st.integers(0, 3)
        ),
        st.just(cancelled()),
    ),
    max_size=8,
)


def joined(*events: OrderEvent) -> Order:
    """An order of these events."""
    order = EMPTY
    for event in events:
        order = join(order, event).order
    return order


@given(EVENTS)
def test_a_fact_told_twice_changes_nothing(events: list[OrderEvent]) -> None:
    """Joining any event again, at any later time, leaves the order as it is and says so."""
    order = joined(*events)
    for event in events:
        again = join(order, event)
        assert (order, False) == (again.order, again.changed)


@given(EVENTS)
def test_changed_says_whether_the_order_changed(events: list[OrderEvent]) -> None:
    """The flag and the documents agree, event by event."""
    order = EMPTY
    for event in events:
        outcome = join(order, event)
        assert (order != outcome.order) == outcome.changed
        assert not (outcome.changed and outcome.conflict)
        order = outcome.order


def test_the_highest_revision_is_the_paid_state() -> None:
    """A later revision wins, an earlier one that comes late is no conflict."""
    first, second = paid(100), paid(200, revision=1)
    assert second.paid == joined(first, second).paid == joined(second, first).paid
    assert join(joined(second), first).conflict is None


def test_of_equal_revisions_the_first_wins_and_the_other_is_reported() -> None:
    """Two payments of one revision that differ are a conflict; the first stays."""
    outcome = join(joined(paid(100)), paid(200))
    assert 100 == basis_minor(outcome.order.paid) if outcome.order.paid else False
    assert ("paid, revision 0", False) == (outcome.conflict, outcome.changed)


def test_of_refunds_with_one_id_the_first_wins_and_the_other_is_reported() -> None:
    """Two refunds of one id that differ are a conflict; the first stays."""
    outcome = join(joined(paid(100), refunded(10)), refunded(20))
    assert ("refund r1", False, 90) == (outcome.conflict, outcome.changed, kept_minor(outcome.order))


def test_an_order_takes_a_limited_number_of_refunds() -> None:
    """Beyond the limit a new refund is refused, and one that is known is still recognised."""
    known = {f"x{number}": event for number in range(REFUNDS_MAX) if (event := refunded(1).refund)}
    order = replace(EMPTY, refunds=known)
    with pytest.raises(LimitReached):
        join(order, refunded(1, refund_id="one too many"))
    again = join(order, refunded(2, refund_id="x7"))
    assert (order, False, "refund x7") == (again.order, again.changed, again.conflict)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([(1_000, LineKind.GOODS)], 1_000),
        ([(1_000, LineKind.GOODS), (300, LineKind.DISCOUNT)], 700),
        ([(1_000, LineKind.GOODS), (1_300, LineKind.DISCOUNT)], 0),
        ([(1_000, LineKind.GOODS), (500, LineKind.SHIPPING), (9, LineKind.FEE)], 1_000),
        ([(1, LineKind.GIFT_VOUCHER), (2, LineKind.SAMPLE), (4, LineKind.MANUAL)], 0),
        ([], 0),
    ],
)
def test_the_basis_is_goods_less_discounts(lines: list[tuple[int, LineKind]], expected: int) -> None:
    """Only goods count, discounts lower them, and never below nothing."""
    event = paid(lines=tuple(Line(number, "s", *line) for number, line in enumerate(lines, 1)))
    assert event.paid is not None
    assert expected == basis_minor(event.paid)


KINDS = {2: LineKind.SHIPPING, 3: LineKind.DISCOUNT}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (RefundLine(70), 70),
        (RefundLine(70, LineKind.GOODS), 70),
        (RefundLine(70, LineKind.SHIPPING), 0),
        (RefundLine(70, None, 1), 70),
        (RefundLine(70, None, 2), 0),
        (RefundLine(70, None, 3), 0),
        (RefundLine(70, None, 99), 70),
        (RefundLine(70, LineKind.GOODS, 2), 70),
        (RefundLine(70, LineKind.FEE, 1), 0),
    ],
)
def test_a_refund_line_has_its_own_kind_or_that_of_its_line(line: RefundLine, expected: int) -> None:
    """A kind that is named counts; else that of the order's line; a line nobody knows is goods."""
    refund = refunded(70, lines=(line,)).refund
    assert refund is not None
    assert expected == given_back_minor(refund, KINDS)


def test_a_refund_without_lines_gives_back_its_total() -> None:
    """The total counts where there are no lines, and is not looked at where there are."""
    assert 60 == kept_minor(joined(paid(100), refunded(40, lines=())))
    assert 95 == kept_minor(joined(paid(100), refunded(40, lines=(RefundLine(5),))))
    assert 100 == kept_minor(joined(paid(100), refunded(40, lines=(RefundLine(5, LineKind.FEE),))))


def test_what_was_kept() -> None:
    """Nothing before payment, nothing after a cancellation, never less than nothing."""
    assert 0 == kept_minor(joined(refunded(10)))
    assert 70 == kept_minor(joined(refunded(10), paid(100), refunded(20, refund_id="r2")))
    assert 0 == kept_minor(joined(paid(100), refunded(80), refunded(80, refund_id="r2")))
    assert 0 == kept_minor(joined(paid(100), cancelled()))
    assert 0 == kept_minor(joined(cancelled(), paid(100)))


def test_a_refund_in_another_currency_counts_for_nothing_and_is_reported() -> None:
    """Ten yen are not ten fen: such a refund is kept, gives nothing back and is named for the log."""
    order = joined(refunded(10, currency="JPY"), paid(100), refunded(5, refund_id="r2"))
    assert 95 == kept_minor(order)
    assert ("refund r1 is in JPY, not CNY",) == oddities(order)
    assert () == oddities(joined(refunded(10, currency="JPY")))


def test_events_of_later_revisions_keep_refunds() -> None:
    """A new paid state leaves the refunds and the cancellation in place."""
    order = joined(paid(100), refunded(10), paid(300, revision=1, at=PAID_AT + timedelta(days=1)))
    assert 290 == kept_minor(order)
    assert joined(cancelled(), paid(100, revision=5)).cancelled
