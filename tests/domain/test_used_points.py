"""How much of the points used on an order goes back with it: a function of what is known of the order alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.account import Change
from jifen.domain.entries import Kind, Reason
from jifen.domain.errors import LimitReached, OrderCancelled
from jifen.domain.lots import Lot
from jifen.domain.orders import GIVEN_BACK, Line, LineKind, Order, OrderEvent, Paid, RefundLine, join, kept_minor
from jifen.domain.program import parse_program
from jifen.domain.spending import Asked, Hold, HoldStatus, Redemption, authorize, capture, redeem
from jifen.domain.used_points import MEMBER_USED_MAX, USED_MAX, due_back, follow, given_back, looked_through, using
from tests.domain.builders import (
    CURRENCY,
    MEMBER,
    PAID_AT,
    PROGRAM,
    account_with,
    cancelled,
    later,
    lot,
    noon,
    refunded,
)
from tests.domain.builders import paid as paid_event

NOW = noon("2026-03-02")
GOODS, SHIPPING, DISCOUNT, POINTS = LineKind.GOODS, LineKind.SHIPPING, LineKind.DISCOUNT, LineKind.POINTS
VOUCHER, FEE = LineKind.GIFT_VOUCHER, LineKind.FEE


def order(lines: tuple[tuple[int, LineKind], ...], *events: OrderEvent, shop: str = "standard") -> Order:
    """An order of these lines (numbered from 1) once the events have come."""
    rows = tuple(Line(number, f"s{number}", amount, kind) for number, (amount, kind) in enumerate(lines, 1))
    found = Order(shop, "o1", paid=Paid(MEMBER, PAID_AT, CURRENCY, rows))
    for event in events:
        found = join(found, event).order
    return found


def back(*lines: tuple[int, LineKind | None, int | None], refund_id: str = "r1") -> OrderEvent:
    """A refund of lines: amount, kind, the order's line."""
    return refunded(0, refund_id=refund_id, lines=tuple(RefundLine(*line) for line in lines))


def total(minor: int, refund_id: str = "r1", currency: str = CURRENCY) -> OrderEvent:
    """A refund that names no lines."""
    return refunded(minor, refund_id=refund_id, lines=(), currency=currency)


TEA = ((10_000, GOODS),)
WITH_POINTS = ((10_000, GOODS), (2_000, POINTS))
ALL_POINTS = ((10_000, GOODS), (10_000, POINTS))


@pytest.mark.parametrize(
    ("known", "part"),
    [
        pytest.param(Order("standard", "o1"), "0", id="nothing is known of it"),
        pytest.param(join(Order("standard", "o1"), total(5_000)).order, "0", id="not paid yet, refunds or not"),
        pytest.param(join(Order("standard", "o1"), cancelled()).order, "1", id="cancelled, paid or not"),
        pytest.param(order(TEA), "0", id="paid"),
        pytest.param(order(TEA, cancelled(), total(1)), "1", id="cancelled, however little was refunded"),
        pytest.param(order(TEA, back((2_500, GOODS, 1))), "1/4", id="a line in part"),
        pytest.param(order(TEA, back((2_500, None, 1))), "1/4", id="a line whose kind its order says"),
        pytest.param(order(TEA, back((2_500, None, None))), "1/4", id="a line of which nothing is said"),
        pytest.param(order(TEA, total(2_500)), "1/4", id="a total"),
        pytest.param(order(TEA, total(2_500), total(2_500, "r2")), "1/2", id="two totals add up"),
        pytest.param(order(TEA, total(9_000), total(9_000, "r2")), "1", id="never more than the whole"),
        pytest.param(order(TEA, total(5_000, currency="EUR")), "0", id="another currency cannot be compared"),
        pytest.param(order(WITH_POINTS, back((5_000, GOODS, 1))), "1/2", id="lines go by the price"),
        pytest.param(order(WITH_POINTS, total(4_000)), "1/2", id="a total goes by the money"),
        pytest.param(order(WITH_POINTS, total(8_000)), "1", id="all the money"),
        pytest.param(
            order(WITH_POINTS, back((5_000, GOODS, 1)), total(4_000, "r2")), "1", id="half by lines, half by money"
        ),
        pytest.param(
            order(WITH_POINTS, back((10_000, GOODS, 1), (2_000, POINTS, 2))),
            "1",
            id="the points' own line adds nothing",
        ),
        pytest.param(order(WITH_POINTS, back((2_000, POINTS, 2))), "0", id="nor does it alone"),
        pytest.param(order(ALL_POINTS, back((2_500, GOODS, 1))), "1/4", id="points paid for all: lines"),
        pytest.param(order(ALL_POINTS, total(2_500)), "1/4", id="points paid for all: a total goes by the price"),
        pytest.param(order(ALL_POINTS, total(0)), "0", id="points paid for all: no money is nothing"),
        pytest.param(order(((10_000, GOODS), (2_000, DISCOUNT)), total(4_000)), "1/2", id="discounts lower the price"),
        pytest.param(
            order(((10_000, GOODS), (10_000, DISCOUNT)), back((5_000, GOODS, 1))), "1/2", id="a discount of everything"
        ),
        pytest.param(order(((8_000, GOODS), (2_000, SHIPPING)), total(8_000)), "1", id="all goods, shipping is kept"),
        pytest.param(
            order(((8_000, GOODS), (2_000, SHIPPING)), back((2_000, SHIPPING, 2))), "0", id="shipping alone is no goods"
        ),
        pytest.param(
            order(((8_000, VOUCHER), (2_000, FEE)), back((5_000, VOUCHER, 1))),
            "1/2",
            id="without goods all lines count",
        ),
        pytest.param(order(((0, GOODS),), back((0, GOODS, 1))), "0", id="an order that costs nothing"),
        pytest.param(order(()), "0", id="no lines, of a shop that sends events"),
        pytest.param(order((), shop="woocommerce"), "1", id="no lines any more, of a shop that sends states"),
        pytest.param(order(((5_000, GOODS), (5_000, DISCOUNT))), "0", id="a discount is no refund"),
    ],
)
def test_the_part_given_back(known: Order, part: str) -> None:
    """Each way of giving back, as a part of the whole order."""
    assert Fraction(part) == given_back(known)


def test_what_went_back_of_a_state_counts_as_given_back() -> None:
    """A shop without refunds takes them off as a discount of that name; a line that it names itself is no refund."""
    lines = (Line(1, "tea", 10_000), Line(-2, "points", 2_000, DISCOUNT), Line(-3, GIVEN_BACK, 2_000, DISCOUNT))
    state = Paid(MEMBER, PAID_AT, CURRENCY, lines, 1)
    named = replace(state, lines=(*lines[:2], Line(3, GIVEN_BACK, 2_000, DISCOUNT)))

    assert Fraction(1, 4) == given_back(Order("woocommerce", "o1", paid=state))
    assert 0 == given_back(Order("standard", "o1", paid=named))


AMOUNTS = st.integers(0, 3_000)
LINES = st.lists(st.tuples(AMOUNTS, st.sampled_from(LineKind)), min_size=1, max_size=5).map(tuple)
REFUNDS = st.lists(
    st.lists(st.tuples(AMOUNTS, st.none() | st.sampled_from(LineKind), st.none() | st.integers(1, 6)), max_size=3)
    | AMOUNTS,
    max_size=6,
)


def events_of(refunds: Any) -> list[OrderEvent]:
    """A refund of lines for each list of them, one of a total for each number."""
    return [
        total(one, f"r{number}") if isinstance(one, int) else back(*one, refund_id=f"r{number}")
        for number, one in enumerate(refunds)
    ]


@given(LINES, REFUNDS, st.data())
def test_any_order_of_arrival_and_any_copies_give_the_same_part(
    lines: tuple[tuple[int, LineKind], ...], refunds: Any, data: st.DataObject
) -> None:
    """Payment and refunds, shuffled and delivered twice: the part is the same, and it only grows on the way."""
    events = events_of(refunds)
    rows = tuple(Line(number, f"s{number}", amount, kind) for number, (amount, kind) in enumerate(lines, 1))
    payment = paid_event(lines=rows)
    straight = order(lines, *events)
    shuffled, seen = Order("standard", "o1"), Fraction(0)
    for event in data.draw(st.permutations([payment, payment, *events, *events])):
        shuffled = join(shuffled, event).order
        assert seen <= given_back(shuffled) <= 1
        seen = given_back(shuffled)
    assert given_back(straight) == seen


@given(st.integers(1, 10_000), st.integers(0, 2_000), st.lists(st.integers(1, 3_000), max_size=6), st.integers(1, 999))
def test_parts_of_a_refund_end_where_one_refund_does(price: int, points: int, cuts: list[int], spent: int) -> None:
    """Lines given back in any number of parts: so many points are due as for one, all of them for all of it."""
    lines = ((price, GOODS), (points, POINTS))
    parts, left = [], price
    for number, cut in enumerate(cuts):
        part = min(cut, left)
        left -= part
        parts.append(back((part, GOODS, 1), refund_id=f"r{number}"))
    rest = back((left, GOODS, 1), refund_id="rest")
    whole = back((price - left, GOODS, 1))

    assert due_back(spent, given_back(order(lines, whole))) == due_back(spent, given_back(order(lines, *parts)))
    assert spent == due_back(spent, given_back(order(lines, *parts, rest)))


@given(LINES, REFUNDS)
def test_what_keeps_nothing_of_its_goods_keeps_no_points_used(
    lines: tuple[tuple[int, LineKind], ...], refunds: Any
) -> None:
    """Once refunds of lines have taken all goods back, all the points used are due: both go by the same amounts."""
    known = order(lines, *events_of([one for one in refunds if not isinstance(one, int)]))
    goods = sum(amount for amount, kind in lines if kind is GOODS)
    lowered = sum(amount for amount, kind in lines if kind is DISCOUNT)
    unlowered = order(tuple(line for line in lines if line[1] is not POINTS), *known_events(known))
    if goods > lowered:
        assert (given_back(known) == 1) == (kept_minor(unlowered) == 0)


def known_events(known: Order) -> list[OrderEvent]:
    """The refunds of an order, as they came."""
    return [refunded(0, refund_id=one.refund_id, lines=one.lines) for one in known.refunds.values()]


# What the order remembers --------------------------------------------------------------------------------------------


def test_an_order_remembers_what_pays_a_part_of_it_once() -> None:
    """The same id again changes nothing, not even when no more fit."""
    known = Order("standard", "o1")
    for number in range(USED_MAX):
        known = using(known, f"rd.{number}")
    assert known == using(known, "rd.0")
    with pytest.raises(LimitReached) as refused:
        using(known, "rd.more")
    assert {"limit": "redemptions_of_one_order", "allowed": USED_MAX, "resets_at": None} == refused.value.facts()


def test_nobody_takes_all_the_places_of_an_order() -> None:
    """So many are one member's, and there is room for others; the same id again is one of them."""
    known = Order("standard", "o1")
    for number in range(MEMBER_USED_MAX):
        known = using(known, f"rd.stranger.{number}")
    with pytest.raises(LimitReached) as refused:
        using(known, "hd.stranger.more")
    expected = {"limit": "redemptions_of_one_order_and_member", "allowed": MEMBER_USED_MAX, "resets_at": None}
    assert expected == refused.value.facts()
    assert known == using(known, "rd.stranger.0")
    assert (*known.used, "rd.buyer.0") == using(known, "rd.buyer.0").used


def test_a_cancelled_order_takes_no_points() -> None:
    """Not even those it has."""
    with pytest.raises(OrderCancelled):
        using(Order("standard", "o1", cancelled=True, used=("rd.1",)), "rd.1")


def spent(points: int = 100, name: str = "rd.1") -> tuple[Redemption, Change]:
    """A redemption out of two lots, and the account after it."""
    account = account_with(lot(60, "2026-06-30"), lot(100, "2026-12-31"), moment=NOW)
    return redeem(account, Asked(name, points, "f", order_id="o1"), PROGRAM, NOW)


def held(points: int = 100) -> tuple[Hold, Change]:
    """A hold of points out of two lots, and the account after it."""
    account = account_with(lot(60, "2026-06-30"), lot(100, "2026-12-31"), moment=NOW)
    return authorize(account, Asked("hd.1", points, "f", order_id="o1"), PROGRAM, 900, NOW)


def test_only_what_can_come_to_nothing_any_more_makes_room() -> None:
    """Voided holds, those long out of time and what was restored in full go; all others stay, and count."""
    redemption, _ = spent(50)
    hold, _ = held(40)
    documents: list[Redemption | Hold] = [
        replace(redemption, id="in use", restored=20),
        replace(redemption, id="restored", restored=50),
        replace(hold, id="open"),
        replace(hold, id="voided", status=HoldStatus.VOIDED),
        replace(hold, id="captured", status=HoldStatus.CAPTURED, spent=redemption.spent),
    ]
    names = tuple(one.id for one in documents) + tuple(f"x{number}" for number in range(USED_MAX - 5))
    full = Order("standard", "o1", used=names)

    left, used = looked_through(full, documents, NOW)
    roomy = looked_through(replace(full, used=names[:4]), documents, NOW)
    an_hour_on = looked_through(full, documents, later(NOW, seconds=900 + 3_599))
    long_after = looked_through(full, documents, later(NOW, seconds=900 + 3_600))

    assert {"restored", "voided"} == {*names} - {*left.used}
    assert 30 + 40 + 50 == used
    assert (names[:4], 30 + 40 + 50) == (roomy[0].used, roomy[1])
    assert ({"restored", "voided"}, 80) == ({*names} - {*an_hour_on[0].used}, an_hour_on[1])
    assert {"restored", "voided", "open"} == {*names} - {*long_after[0].used}


# What follows --------------------------------------------------------------------------------------------------------


def test_a_part_goes_back_pro_rata_into_its_lots() -> None:
    """Half of 60 + 40 points goes back as 30 + 20, with the order as its source and why."""
    document, change = spent()
    before = change.account

    followed = follow(document, order(TEA, total(5_000)), change, PROGRAM, NOW, PAID_AT)

    (entry,) = followed.change.entries[len(change.entries) :]
    draft = entry.draft
    assert (Kind.RESTORE, Reason.ORDER_REFUNDED, 50) == (draft.kind, draft.reason, draft.points)
    assert ("order", "o1", PAID_AT) == (draft.source.type, draft.source.id, draft.occurred_at)
    assert ({"redemption": "rd.1", "restored": 50, "of": 100},) == draft.why
    assert [30, 20] == [one.points for one in draft.lots]
    assert (50, 50, 0) == (followed.document.restored, followed.returned, followed.voided)
    assert before.balance + 50 == followed.change.account.balance


def test_an_order_that_calls_for_no_more_changes_nothing() -> None:
    """The same again, less than was restored by hand, and an order of which nothing went back: the same objects."""
    document, change = spent()
    by_hand = replace(document, restored=70)

    for one, known in ((document, order(TEA)), (by_hand, order(TEA, total(7_000))), (by_hand, order(TEA, total(1)))):
        followed = follow(one, known, change, PROGRAM, NOW, PAID_AT)
        assert (one, change) == (followed.document, followed.change)
        assert followed.document is one
        assert followed.change is change


def test_what_was_restored_by_hand_counts() -> None:
    """70 back by hand, 90 are due: 20 more, into the lots that 90 at once would have filled."""
    document, change = spent()
    at_once = follow(document, order(TEA, total(9_000)), change, PROGRAM, NOW, PAID_AT)
    by_hand = follow(document, order(TEA, total(7_000)), change, PROGRAM, NOW, PAID_AT)

    followed = follow(by_hand.document, order(TEA, total(9_000)), by_hand.change, PROGRAM, NOW, PAID_AT)

    assert (90, 20) == (followed.document.restored, followed.returned)
    assert at_once.change.account.lots == followed.change.account.lots


def test_a_cancelled_order_voids_its_holds_and_gives_all_back() -> None:
    """The hold's points are where they were, the status says so, and a captured one is restored in full."""
    gone = order(TEA, cancelled())
    hold, change = held()
    captured, after = capture(change.account, hold, 70, "k", "f", NOW)

    voided = follow(hold, gone, change, PROGRAM, NOW, PAID_AT)
    returned = follow(captured, gone, Change(after.account), PROGRAM, NOW, PAID_AT)

    assert isinstance(voided.document, Hold)
    assert (HoldStatus.VOIDED, 100, 0) == (voided.document.status, voided.voided, voided.returned)
    entry = voided.change.entries[-1].draft
    assert (Kind.RELEASE, Reason.ORDER_CANCELLED, 0) == (entry.kind, entry.reason, entry.points)
    assert (70, Reason.ORDER_CANCELLED) == (returned.returned, returned.change.entries[-1].draft.reason)
    expected = (Lot(60, date(2026, 6, 30)), Lot(100, date(2026, 12, 31)))
    assert expected == voided.change.account.lots == returned.change.account.lots


def test_a_hold_that_time_released_stays_released() -> None:
    """Its points are back already: the entry that says so is written, and nothing besides."""
    hold, change = held()
    late = later(NOW, seconds=900)

    followed = follow(hold, order(TEA, cancelled()), Change(change.account), PROGRAM, late, PAID_AT)

    assert hold == followed.document
    assert [Reason.HOLD_LAPSED] == [entry.draft.reason for entry in followed.change.entries]
    again = follow(hold, order(TEA, cancelled()), Change(followed.change.account), PROGRAM, late, PAID_AT)
    assert () == again.change.entries


def test_a_refund_writes_an_open_hold_anew() -> None:
    """So the version moves and a capture in the same moment looks again; account and hold are as they were."""
    hold, change = held()

    followed = follow(hold, order(TEA, total(5_000)), change, PROGRAM, NOW, PAID_AT)

    assert hold == followed.document
    assert followed.document is not hold
    assert followed.change is change


@pytest.mark.parametrize(("policy", "balance", "expires"), [("lapse", 50, None), ("grace", 100, date(2027, 1, 10))])
def test_what_has_expired_meanwhile_follows_the_policy(policy: str, balance: int, expires: date | None) -> None:
    """50 of 100 points were of a lot that has ended: they lapse at once, or can be used for the days of grace."""
    program = parse_program({"redemption": {"expired_on_restore": policy, "grace_days": 10}})
    account = account_with(lot(50, "2026-06-30"), lot(50), moment=NOW)
    document, change = redeem(account, Asked("rd.1", 100, "f", order_id="o1"), program, NOW)
    new_year = noon("2026-12-31")

    followed = follow(document, order(TEA, cancelled()), Change(change.account), program, new_year, PAID_AT)

    assert (100, 100) == (followed.document.restored, followed.returned)
    assert balance == followed.change.account.balance
    assert ({None, expires} if expires else {None}) == {one.expires_on for one in followed.change.account.lots}


def test_a_debt_is_paid_out_of_what_comes_back() -> None:
    """As by every credit."""
    document, change = spent()
    owing = replace(change.account, debt=30)

    followed = follow(document, order(TEA, total(5_000)), Change(owing), PROGRAM, NOW, PAID_AT)

    assert (50, 0) == (followed.returned, followed.change.account.debt)
    assert change.account.balance - 30 + 50 == followed.change.account.balance


@given(st.integers(1, 160), st.lists(st.integers(0, 3_000), max_size=5), st.booleans(), st.integers(0, 160))
def test_the_lots_end_the_same_in_any_number_of_steps(
    points: int,
    totals: list[int],
    is_cancelled: bool,  # noqa: FBT001 - drawn
    by_hand: int,
) -> None:
    """Refund by refund or all at once, from any number restored by hand: the same lots, never more than was spent."""
    document, change = spent(points)
    events = [total(minor, f"r{number}") for number, minor in enumerate(totals)] + [cancelled()] * is_cancelled
    start = min(by_hand, points)
    first = follow(document, order(((points, GOODS),), total(start)), change, PROGRAM, NOW, PAID_AT)
    steps = first
    for end in range(len(events) + 1):
        known = order(TEA, *events[:end])
        steps = follow(steps.document, known, steps.change, PROGRAM, NOW, PAID_AT)
        assert steps.document.restored == max(first.document.restored, due_back(points, given_back(known)))
    at_once = follow(first.document, order(TEA, *events), first.change, PROGRAM, NOW, PAID_AT)

    assert at_once.document == steps.document
    assert at_once.change.account.lots == steps.change.account.lots
    assert change.account.balance + at_once.document.restored == steps.change.account.balance
