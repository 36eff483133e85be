"""Order events as plain data: out and in again, and what is refused on the way in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.facts import event_in, event_out, paid_in, paid_out, refund_in, refund_out
from jifen.domain.orders import EventType, Line, LineKind, OrderEvent, Paid, Refund, RefundLine
from tests.domain.builders import cancelled, paid, refunded

IDS = st.sampled_from(["o1", "张三", "C536379", "a b", "🐉", "x" * 128])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
AMOUNTS = st.integers(0, 10**14)
CODES = st.sampled_from(["CNY", "GBP", "JPY"])
OFFSETS = st.integers(-1_079, 1_079).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 - bounds are naive
    datetime(2999, 1, 1),  # noqa: DTZ001 - bounds are naive
    timezones=OFFSETS | st.just(UTC),
)
KINDS = st.sampled_from(LineKind)
LINES = st.lists(st.builds(Line, st.integers(1, 10**6), TEXTS, AMOUNTS, KINDS, st.none() | TEXTS), max_size=5)
REFUND_LINES = st.lists(
    st.builds(RefundLine, AMOUNTS, st.none() | KINDS, st.none() | st.integers(0, 10**6)), max_size=5
)
PAID = st.builds(Paid, st.none() | IDS, INSTANTS, CODES, LINES.map(tuple), st.integers(0, 10**6))
REFUNDS = st.builds(Refund, IDS, INSTANTS, CODES, REFUND_LINES.map(tuple), st.none() | AMOUNTS)
SHOPS = st.sampled_from(["standard", "shopify", "woocommerce"])
EVENTS = st.one_of(
    st.builds(
        OrderEvent, st.just(EventType.PAID), IDS, SHOPS, IDS, st.none() | IDS, INSTANTS, PAID, st.none() | REFUNDS
    ),
    st.builds(
        OrderEvent,
        st.just(EventType.REFUNDED),
        IDS,
        SHOPS,
        st.none() | IDS,
        st.none() | IDS,
        INSTANTS,
        st.none(),
        REFUNDS,
    ),
    st.builds(OrderEvent, st.just(EventType.CANCELLED), IDS, SHOPS, IDS, st.none() | IDS, INSTANTS),
)


@given(EVENTS)
def test_an_event_comes_back_as_it_went(event: OrderEvent) -> None:
    """Through JSON and back, every field of every kind of event is what it was, and a second trip is the first."""
    plain = event_out(event)
    back = event_in(json.loads(json.dumps(plain)))
    assert event == back
    assert plain == event_out(back)


@given(PAID, REFUNDS)
def test_paid_states_and_refunds_come_back_as_they_went(state: Paid, refund: Refund) -> None:
    """The rows that lie in the order document lose nothing."""
    assert state == paid_in(json.loads(json.dumps(paid_out(state))))
    assert refund == refund_in(json.loads(json.dumps(refund_out(refund))))


def test_the_plain_form_is_short_and_stays_as_it_is() -> None:
    """Messages on the queue and documents in the store were written in this form: it never changes."""
    lines = (Line(1, "s1", 1_530), Line(2, "s2", 99, category="home"), Line(3, "s3", 5, LineKind.SHIPPING))
    expected = {
        "type": "order.paid",
        "event_id": "p-o1-0",
        "shop": "standard",
        "order_id": "o1",
        "member": "m1",
        "at": "2026-03-01T04:00:00Z",
        "paid": [
            "m1",
            "2026-03-01T04:00:00Z",
            "CNY",
            0,
            [[1, "s1", 1_530], [2, "s2", 99, "home"], [3, "s3", 5, None, "shipping"]],
        ],
    }
    assert expected == event_out(paid(lines=lines))
    refund = ["r1", "2026-03-01T04:00:00Z", "CNY", 7, [[7, None, "goods"]]]
    assert refund == event_out(refunded(7))["refund"]
    assert {"type", "event_id", "shop", "order_id", "member", "at"} == event_out(cancelled()).keys()


def _without(event: OrderEvent, *names: str) -> dict[str, Any]:
    return {name: value for name, value in event_out(event).items() if name not in names}


INCOMPLETE: dict[str, dict[str, Any]] = {
    "a payment without its paid state": _without(paid(), "paid"),
    "a payment without its order": _without(paid(), "order_id"),
    "a payment with a refund instead": {**_without(paid(), "paid"), "refund": event_out(refunded(1))["refund"]},
    "a refund without its refund": _without(refunded(1), "refund"),
    "a refund with a paid state instead": {**_without(refunded(1), "refund"), "paid": event_out(paid())["paid"]},
    "a cancellation without its order": _without(cancelled(), "order_id"),
    "a type that is none": {**event_out(paid()), "type": "order.shipped"},
    "a line that is cut short": {**event_out(paid()), "paid": ["m1", "2026-03-01T04:00:00Z", "CNY", 0, [[1, "s"]]]},
    "a paid state that is cut short": {**event_out(paid()), "paid": ["m1", "2026-03-01T04:00:00Z"]},
    "an instant that is none": {**event_out(paid()), "at": "yesterday"},
    "an event id that is none": {**event_out(paid()), "event_id": ""},
    "an order id that is none": {**event_out(paid()), "order_id": " o1"},
    "a member that is none": {**event_out(paid()), "member": "m\n1"},
    "a refund id that is none": {
        **event_out(refunded(1)),
        "refund": ["r\u20281", "2026-03-01T04:00:00Z", "CNY", 1, []],
    },
}


@pytest.mark.parametrize("what", INCOMPLETE)
def test_an_event_that_is_not_whole_is_refused(what: str) -> None:
    """Nothing half-known reaches an order: parts that are missing, mixed up or no ids are a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - whichever part notices first
        event_in(INCOMPLETE[what])


@pytest.mark.parametrize("name", ["type", "event_id", "shop", "at"])
def test_an_event_without_a_name_that_every_event_has_is_refused(name: str) -> None:
    """What every event carries must be there."""
    for event in (paid(), refunded(1), cancelled()):
        with pytest.raises(KeyError):
            event_in(_without(event, name))


def test_a_refund_that_names_no_order_is_whole() -> None:
    """An unmatched refund is recorded, so it travels."""
    event = event_in(_without(refunded(5), "order_id", "member"))
    assert (None, None) == (event.order_id, event.member)
    assert event.refund == refunded(5).refund
