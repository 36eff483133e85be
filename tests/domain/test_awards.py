"""Awards: from the state of an order to entries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jifen.domain.account import Change
from jifen.domain.awards import award, members_of
from jifen.domain.entries import Kind, Reason, Source
from jifen.domain.lots import Lot, LotChange
from jifen.domain.orders import LineKind, Order, OrderEvent, RefundLine, join
from jifen.domain.program import ClawbackPolicy, Program, parse_program
from jifen.domain.proof import prove
from jifen.domain.spending import redeem
from tests.domain.builders import MEMBER, Desk, asked, cancelled, day, instant, later, lot, noon, paid, refunded

NOW = noon("2026-03-01")
CLAMP = parse_program({"clawback": "clamp"})
NEGATIVE = parse_program({"clawback": "negative"})


def spent_100_of_150(desk: Desk) -> Desk:
    """A desk at which an order earned 150 and 100 of them were spent."""
    desk.book(paid(15_000), NOW)
    desk.redeem(100, NOW)
    return desk


def test_an_order_earns_into_the_lot_of_its_payment_day() -> None:
    """A payment on 1 December with 12 months to the month's end is good until 31 December next year."""
    program = parse_program({"time_zone": "Europe/London"})
    desk = Desk(program)
    desk.book(paid(13_912, at=instant("2010-12-01T08:26:00Z")), program.moment(instant("2011-03-01T00:00:00Z")))
    assert (lot(139, "2011-12-31"),) == desk.account.lots
    (entry,) = desk.entries[MEMBER]
    assert (Kind.EARN, Reason.ORDER_PAID, Source("order", "o1")) == (
        entry.draft.kind,
        entry.draft.reason,
        entry.draft.source,
    )
    assert instant("2010-12-01T08:26:00Z") == entry.draft.occurred_at
    assert instant("2011-03-01T00:00:00Z") == entry.recorded_at


def test_the_day_of_payment_is_a_day_of_the_programs_zone() -> None:
    """16:00 UTC on the last of a month is the first of the next in Shanghai, and its points live a month longer."""
    desk = Desk(parse_program({"time_zone": "Asia/Shanghai"}))
    desk.book(paid(100, at=instant("2026-01-31T15:59:59Z")), NOW)
    desk.book(paid(200, order_id="o2", at=instant("2026-01-31T16:00:00Z")), NOW)
    assert (lot(1, "2027-01-31"), lot(2, "2027-02-28")) == desk.account.lots


@pytest.mark.parametrize(
    ("case", "program", "expected"),
    [
        ("refund-01", Desk().program, (0, 0, [150, -150])),
        ("refund-01", CLAMP, (0, 0, [150, -150])),
        ("refund-01", NEGATIVE, (0, 0, [150, -150])),
    ],
)
def test_a_cancellation_takes_back_what_was_earned(
    case: str, program: Program, expected: tuple[int, int, list[int]]
) -> None:
    """refund-01, refund-04, PC-099: unspent points go back in full, once, under any policy."""
    desk = Desk(program)
    for event in (paid(15_000), cancelled(), cancelled()):
        desk.book(event, NOW)
    assert (case, expected) == (case, (desk.account.balance, desk.account.debt, desk.points))


def test_refund_02_clamp_takes_what_is_left() -> None:
    """refund-02, PC-097: of 150 earned and 100 spent clamp takes 50, leaves 0, and says that it forgave 100."""
    desk = spent_100_of_150(Desk(CLAMP))
    desk.book(cancelled(), NOW)
    assert ([150, -100, -50], 0, 0) == (desk.points, desk.account.balance, desk.account.debt)
    assert desk.order.award is not None
    assert (0, {MEMBER: 100}) == (desk.order.award.granted, desk.order.forgiven)
    assert 100 == desk.entries[MEMBER][-1].draft.why[-1]["forgiven"]


def test_refund_03_negative_owes_the_rest() -> None:
    """refund-03, PC-098: of 150 earned and 100 spent, policy negative takes 150 and the balance is -100."""
    desk = spent_100_of_150(Desk(NEGATIVE))
    desk.book(cancelled(), NOW)
    assert ([150, -100, -150], -100, 100) == (desk.points, desk.account.balance, desk.account.debt)


def test_policy_debt_owes_the_rest_and_the_next_credit_pays_it() -> None:
    """What is missing is owed, nothing is left beside it, and the next order pays before it fills a lot."""
    desk = spent_100_of_150(Desk())
    desk.book(cancelled(), NOW)
    assert ((), 100, -100) == (desk.account.lots, desk.account.debt, desk.account.balance)
    desk.book(paid(13_000, order_id="o2"), NOW)
    assert ((lot(30, "2027-03-31"),), 0, 30) == (desk.account.lots, desk.account.debt, desk.account.balance)


def test_clamp_takes_back_what_it_forgave_when_the_order_grows_again() -> None:
    """An order that was cut and grows again first makes up for what was forgiven, then earns."""
    desk = spent_100_of_150(Desk(CLAMP))
    desk.book(paid(0, revision=1), NOW)
    desk.book(paid(6_000, revision=2), NOW)
    assert (0, [150, -100, -50]) == (desk.account.balance, desk.points)
    desk.book(paid(15_000, revision=3), NOW)
    assert (50, [150, -100, -50, 50]) == (desk.account.balance, desk.points)
    assert desk.order.award is not None
    assert (150, {}) == (desk.order.award.granted, desk.order.forgiven)


@pytest.mark.parametrize("between", ["m2", None])
def test_clamp_remembers_what_it_forgave_while_the_order_is_with_another(between: str | None) -> None:
    """An order that goes to another member, or to a guest, and comes back gives nobody points twice."""
    desk = spent_100_of_150(Desk(CLAMP))
    desk.book(paid(15_000, member=between, revision=1), NOW)
    assert ([150, -100, -50], {MEMBER: 100}) == (desk.points, desk.order.forgiven)
    assert (150 if between else 0) == desk.of("m2").balance
    desk.book(paid(15_000, revision=2), NOW)
    assert (50, 0, {}) == (desk.account.balance, desk.of("m2").balance, desk.order.forgiven)
    assert desk.order.award is not None
    assert (MEMBER, 150) == (desk.order.award.member, desk.order.award.granted)


def test_clamp_forgives_each_member_by_name() -> None:
    """What one member was forgiven is not taken from the next; each makes up for their own when the order is back."""
    desk = spent_100_of_150(Desk(CLAMP))
    desk.book(paid(15_000, member="m2", revision=1), NOW)
    _, change = redeem(desk.of("m2"), asked(120, "m2's"), CLAMP, NOW)
    desk.commit(change)
    desk.book(paid(15_000, member=None, revision=2), NOW)
    assert ({MEMBER: 100, "m2": 120}, None) == (desk.order.forgiven, desk.order.award)
    desk.book(paid(15_000, member="m2", revision=3), NOW)
    assert (30, {MEMBER: 100}) == (desk.of("m2").balance, desk.order.forgiven)
    desk.book(paid(6_000, revision=4), NOW)
    assert (0, 0, {MEMBER: 40, "m2": 120}) == (desk.account.balance, desk.of("m2").balance, desk.order.forgiven)


# Points that an open hold keeps --------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", list(ClawbackPolicy))
def test_points_that_an_open_hold_keeps_are_owed_under_any_policy(policy: ClawbackPolicy) -> None:
    """Earn 100, hold 100, cancel, void: nothing is left and nothing is owed; a hold is no way to keep points."""
    desk = Desk(parse_program({"clawback": str(policy)}))
    desk.book(paid(10_000), NOW)
    hold = desk.authorize(100, 900, NOW)
    desk.book(cancelled(), NOW)
    assert (100, 100, 0) == (desk.account.debt, desk.account.held, desk.account.balance)
    desk.void(hold.id, NOW)
    assert ((), 0, 0, {}) == (desk.account.lots, desk.account.debt, desk.account.balance, desk.order.forgiven)


def test_a_hold_that_runs_out_pays_what_it_kept_from_a_clawback() -> None:
    """The same when nobody voids the hold: time gives its points back, and the debt takes them."""
    desk = Desk(CLAMP)
    desk.book(paid(10_000), NOW)
    desk.authorize(100, 900, NOW)
    desk.book(cancelled(), NOW)
    desk.sweep(later(NOW, seconds=900))
    assert ((), 0, 0) == (desk.account.lots, desk.account.debt, desk.account.balance)


def test_clamp_forgives_only_what_no_hold_keeps() -> None:
    """Of 100 earned, 30 spent and 50 held, a cancellation takes 20, is owed 50 and forgives 30."""
    desk = Desk(CLAMP)
    desk.book(paid(10_000), NOW)
    desk.redeem(30, NOW)
    hold = desk.authorize(50, 900, NOW)
    desk.book(cancelled(), NOW)
    assert (50, {MEMBER: 30}, -70) == (desk.account.debt, desk.order.forgiven, desk.points[-1])
    assert {"owed": 50, "forgiven": 30}.items() <= desk.entries[MEMBER][-1].draft.why[-1].items()
    desk.void(hold.id, NOW)
    assert ((), 0) == (desk.account.lots, desk.account.debt)


# Deliveries after the lot has lapsed ---------------------------------------------------------------------------------

LATE = noon("2027-05-01")
"""A month after points of the usual payment have lapsed."""


def test_points_awarded_after_their_last_day_lapse_at_once_and_are_remembered() -> None:
    """An order that arrives too late is posted as earned and as expired, and its award knows it."""
    desk = Desk()
    desk.book(paid(10_000), LATE)
    assert ([100, -100], ()) == (desk.points, desk.account.lots)
    assert [Kind.EARN, Kind.EXPIRE] == [entry.draft.kind for entry in desk.entries[MEMBER]]
    assert desk.order.award is not None
    assert (100, 100) == (desk.order.award.granted, desk.order.award.lapsed)


@pytest.mark.parametrize("policy", list(ClawbackPolicy))
@pytest.mark.parametrize("first", [0, 1])
def test_a_payment_and_its_refund_that_both_arrive_late_owe_nothing(policy: ClawbackPolicy, first: int) -> None:
    """In either order the rest of the order has lapsed, nothing is owed and nothing forgiven."""
    desk = Desk(parse_program({"clawback": str(policy)}))
    events = [paid(10_000), refunded(3_000)]
    for event in (events[first], events[1 - first]):
        desk.book(event, LATE)
    life = desk.account.lifetime
    assert ((), 0, 0, {}) == (desk.account.lots, desk.account.debt, desk.account.balance, desk.order.forgiven)
    assert (70, 70) == (life.earned - life.clawed_back, life.expired)
    assert desk.order.award is not None
    assert (70, 70) == (desk.order.award.granted, desk.order.award.lapsed)


def test_a_late_clawback_first_turns_the_lapse_round() -> None:
    """The ledger says how: earned, lapsed, the lapse reversed, taken back, and the rest lapsed again."""
    desk = Desk()
    desk.book(paid(10_000), LATE)
    desk.book(refunded(3_000), later(LATE, days=9))
    assert [
        (Kind.EARN, Reason.ORDER_PAID, 100),
        (Kind.EXPIRE, Reason.LOT_EXPIRED, -100),
        (Kind.EXPIRE, Reason.EXPIRY_REVERSED, 100),
        (Kind.CLAWBACK, Reason.ORDER_REFUNDED, -30),
        (Kind.EXPIRE, Reason.LOT_EXPIRED, -70),
    ] == [(entry.draft.kind, entry.draft.reason, entry.draft.points) for entry in desk.entries[MEMBER]]
    reversal = desk.entries[MEMBER][2].draft
    assert (Source("order", "o1"), (LotChange(100, day("2027-03-31")),)) == (reversal.source, reversal.lots)
    assert prove(desk.account, desk.entries[MEMBER]).valid


def test_a_late_redating_brings_points_to_a_day_that_is_still_to_come() -> None:
    """A revision with a later payment date, which shows that the points had not lapsed at all, makes them usable."""
    desk = Desk()
    desk.book(paid(10_000), LATE)
    desk.book(paid(10_000, revision=1, at=instant("2026-06-10T00:00:00Z")), LATE)
    assert ((lot(100, "2027-06-30"),), 0) == (desk.account.lots, desk.account.lifetime.expired)
    assert desk.order.award is not None
    assert 0 == desk.order.award.lapsed
    desk.book(paid(10_000, revision=2, at=instant("2026-04-10T00:00:00Z")), LATE)
    assert ((), 100, 100) == (desk.account.lots, desk.account.lifetime.expired, desk.order.award.granted)


def test_a_late_order_that_goes_to_another_member_leaves_no_debt() -> None:
    """The first member's lapse is turned round before the points go; with the second they lapse as well."""
    desk = Desk()
    desk.book(paid(10_000), LATE)
    desk.book(paid(10_000, member="m2", revision=1), LATE)
    assert [100, -100, 100, -100] == desk.points
    for member, expected in ((MEMBER, (0, 0, 0)), ("m2", (0, 0, 100))):
        account = desk.of(member)
        assert expected == (account.balance, account.debt, account.lifetime.expired)


def test_a_late_order_pays_debt_before_it_lapses() -> None:
    """A credit pays debt first, also one that comes too late to be spent; a clawback owes that part again."""
    desk = spent_100_of_150(Desk())
    desk.book(cancelled(), NOW)
    desk.book(paid(13_000, order_id="o2"), LATE)
    assert (0, ()) == (desk.account.debt, desk.account.lots)
    award_of_second = desk.orders["o2"].award
    assert award_of_second is not None
    assert (130, 30) == (award_of_second.granted, award_of_second.lapsed)
    desk.book(cancelled("o2"), LATE)
    assert (100, 0, -100) == (desk.account.debt, desk.account.lifetime.expired, desk.account.balance)


def test_a_refund_after_points_awarded_in_time_have_lapsed_is_owed() -> None:
    """Rule 5 to the letter: the points lapsed because nobody spent them, so there is nothing to take and it is debt."""
    desk = Desk()
    desk.book(paid(10_000), NOW)
    desk.sweep(LATE)
    assert ([100, -100], 0) == (desk.points, desk.account.balance)
    desk.book(refunded(3_000), LATE)
    assert ([100, -100, -30], 30, -30) == (desk.points, desk.account.debt, desk.account.balance)
    assert desk.order.award is not None
    assert (70, 0) == (desk.order.award.granted, desk.order.award.lapsed)


def test_of_points_awarded_in_time_and_too_late_only_the_late_ones_come_back() -> None:
    """100 in time lapse, 50 more come late and lapse at once: a cancellation reverses these 50 and is owed 100."""
    desk = Desk()
    desk.book(paid(10_000), NOW)
    desk.book(paid(15_000, revision=1), LATE)
    assert desk.order.award is not None
    assert (150, 50) == (desk.order.award.granted, desk.order.award.lapsed)
    desk.book(cancelled(), LATE)
    assert [100, -100, 50, -50, 50, -150] == desk.points
    assert (100, 100) == (desk.account.debt, desk.account.lifetime.expired)


# Several facts of one order ------------------------------------------------------------------------------------------


def test_clamp_with_nothing_left_writes_no_entry() -> None:
    """A clawback that is forgiven as a whole moves no points, so the ledger has no line for it, but the order knows."""
    desk = Desk(CLAMP)
    desk.book(paid(10_000), NOW)
    desk.redeem(100, NOW)
    desk.book(cancelled(), NOW)
    assert [100, -100] == desk.points
    assert desk.order.award is not None
    assert (0, {MEMBER: 100}) == (desk.order.award.granted, desk.order.forgiven)


def test_a_clawback_takes_the_orders_own_lot_first_then_the_soonest() -> None:
    """The order's own date is emptied before others, then the soonest-expiring, never-expiring last; pending too."""
    desk = Desk()
    desk.bonus((lot(10, "2026-05-31"), lot(10, "2026-04-30", "2026-04-01"), lot(10)), NOW)
    desk.book(paid(3_000), NOW)
    desk.redeem(15, NOW)
    desk.book(cancelled(), NOW)
    expected = (LotChange(-25, day("2027-03-31")), LotChange(-5, day("2026-04-30"), day("2026-04-01")))
    assert expected == desk.entries[MEMBER][-1].draft.lots


def test_a_clawback_never_touches_an_expired_lot() -> None:
    """Points that have lapsed cannot be taken back: they lapse first, and what is missing is owed."""
    desk = Desk()
    desk.book(paid(1_000), NOW)
    desk.bonus((lot(50, "2026-04-30"),), NOW)
    desk.redeem(10, NOW)
    desk.book(cancelled(), noon("2026-05-01"))
    assert [10, 50, -10, -40, -10] == desk.points
    assert (0, 0) == (desk.account.debt, desk.account.balance)


def test_refund_06_a_return_of_one_of_two() -> None:
    """refund-06: 20 points at first, 10 after one of two pieces came back, told in whichever order."""
    program = parse_program({"earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100_000}}]}})
    events = [paid(2_000_000), refunded(1_000_000)]
    for order in (events, events[::-1]):
        desk = Desk(program)
        for event in order:
            desk.book(event, NOW)
        assert 10 == desk.account.balance


def test_ten_refunds_of_a_tenth_take_what_one_refund_takes() -> None:
    """Splitting a return into parts does not let a buyer keep points by rounding."""
    desk = Desk()
    desk.book(paid(990), NOW)
    for number in range(10):
        desk.book(refunded(99, refund_id=f"r{number}"), NOW)
    assert (0, 0) == (desk.account.balance, desk.account.debt)


def test_pc_106_an_order_and_a_bonus_then_a_redemption() -> None:
    """PC-106: +10, +75, -10 leaves 75, each with its reason."""
    desk = Desk(parse_program({"earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100_000}}]}}))
    desk.book(paid(1_000_000), NOW)
    desk.bonus((lot(75),), NOW)
    desk.redeem(10, NOW)
    assert ([10, 75, -10], 75) == (desk.points, desk.account.balance)
    assert ["ORDER_PAID", "GOODWILL", "REDEMPTION"] == [entry.draft.reason for entry in desk.entries[MEMBER]]


def test_nothing_to_post_is_no_entry_and_leaves_the_account_alone() -> None:
    """A refund of shipping only, a second delivery and a paid state of equal worth write nothing."""
    desk = Desk()
    desk.book(paid(10_000), NOW)
    account = desk.account
    for event in (paid(10_000), refunded(99, lines=(RefundLine(99, LineKind.SHIPPING),)), paid(10_099, revision=1)):
        desk.book(event, noon("2026-03-02"))
    assert account == desk.account
    assert desk.order.award is not None
    assert 100 == desk.order.award.granted


def test_a_guests_order_touches_nobody() -> None:
    """An order without a member is kept and awarded to no one; when a revision names the member, the points come."""
    desk = Desk()
    desk.book(paid(10_000, member=None), NOW)
    assert ({}, None) == (desk.accounts, desk.order.award)
    desk.book(paid(10_000, revision=1), NOW)
    assert 100 == desk.account.balance


def test_a_refund_before_its_payment_waits() -> None:
    """A refund of an order nobody has paid yet touches no account and counts once the payment comes."""
    desk = Desk()
    desk.book(refunded(2_500), NOW)
    assert ({}, None) == (desk.accounts, desk.order.award)
    desk.book(paid(10_000), NOW)
    assert (75, [75]) == (desk.account.balance, desk.points)


def test_an_order_that_moves_leaves_its_first_member() -> None:
    """Points follow the order: the first member loses them with a reason, the second gets them."""
    desk = Desk()
    desk.book(paid(10_000), NOW)
    assert frozenset({MEMBER}) == members_of(desk.order)
    moved = join(desk.order, paid(10_000, member="m2", revision=1)).order
    assert frozenset({MEMBER, "m2"}) == members_of(moved)
    desk.book(paid(10_000, member="m2", revision=1), NOW)
    assert ([100, -100], 100) == (desk.points, desk.of("m2").balance)
    assert Reason.ORDER_MOVED == desk.entries[MEMBER][-1].draft.reason
    assert desk.order.award is not None
    assert "m2" == desk.order.award.member


def test_a_later_program_does_not_reach_back() -> None:
    """Rules, currency and lot date are those of the first award, also when the order changes under a new program."""
    desk = Desk()
    desk.book(paid(10_000), NOW)
    rules = {"rules": [{"id": "double", "rate": {"points": 2, "per_minor": 100}}]}
    desk.program = parse_program({"earning": rules, "currency": "GBP", "expiry": {"policy": "never"}})
    desk.book(refunded(5_000), noon("2026-03-02"))
    assert (lot(50, "2027-03-31"),) == desk.account.lots
    desk.book(paid(20_000, revision=1), noon("2026-03-03"))
    assert (lot(150, "2027-03-31"),) == desk.account.lots


def test_a_payment_that_moves_moves_its_lot() -> None:
    """A revision with another payment day takes what is left of the order's points along; the balance stays."""
    desk = spent_100_of_150(Desk())
    desk.book(paid(15_000, revision=1, at=instant("2026-04-10T00:00:00Z")), later(NOW, minutes=1))
    assert (lot(50, "2027-04-30"),) == desk.account.lots
    entry = desk.entries[MEMBER][-1]
    assert (Kind.ADJUST, Reason.ORDER_REDATED, 0) == (entry.draft.kind, entry.draft.reason, entry.draft.points)


def test_points_that_come_back_with_a_new_date_pay_the_debt() -> None:
    """Nobody owes points beside a lot that could pay them: what a new date brings back to life pays first."""
    desk = Desk()
    desk.book(paid(10_000, order_id="spent"), NOW)
    desk.redeem(100, later(NOW, minutes=1))
    long_after = noon("2027-06-01")
    desk.book(paid(5_000, order_id="late", at=instant("2026-03-01T00:00:00Z")), long_after)
    desk.book(refunded(3_000, order_id="spent"), later(long_after, minutes=1))
    assert (30, ()) == (desk.account.debt, desk.account.lots)

    redated = paid(5_000, order_id="late", revision=1, at=instant("2027-05-01T00:00:00Z"))
    desk.book(redated, later(long_after, minutes=2))

    assert (0, (lot(20, "2028-05-31"),)) == (desk.account.debt, desk.account.lots)
    entry = desk.entries[MEMBER][-1].draft
    assert (Reason.ORDER_REDATED, 0, -30, ({"paid_debt": 30},)) == (entry.reason, entry.points, entry.debt, entry.why)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([paid(), paid(20_000, revision=1)], [Reason.ORDER_PAID, Reason.ORDER_AMENDED]),
        ([paid(), paid(5_000, revision=1)], [Reason.ORDER_PAID, Reason.ORDER_AMENDED]),
        ([paid(), refunded(5_000)], [Reason.ORDER_PAID, Reason.ORDER_REFUNDED]),
        ([paid(), cancelled()], [Reason.ORDER_PAID, Reason.ORDER_CANCELLED]),
        ([refunded(5_000), paid()], [Reason.ORDER_PAID]),
    ],
)
def test_entries_name_the_fact_that_caused_them(events: list[OrderEvent], expected: list[Reason]) -> None:
    """Paid, amended, refunded and cancelled are told apart."""
    desk = Desk()
    for event in events:
        desk.book(event, NOW)
    assert expected == [entry.draft.reason for entry in desk.entries[MEMBER]]


def test_an_entry_says_which_rule_gave_what() -> None:
    """The breakdown shows rule, kept amount, rate and points, and what had been granted before."""
    desk = Desk()
    desk.book(paid(10_000), NOW)
    desk.book(paid(20_000, revision=1), NOW)
    expected = {
        "rule": "base",
        "kept_minor": 20_000,
        "rate": "1 per 100",
        "rounding": "floor",
        "points": 200,
        "granted_before": 100,
    }
    assert (expected,) == desk.entries[MEMBER][-1].draft.why


def test_orders_of_other_shops_carry_the_shop_in_their_source() -> None:
    """Order 1 of two shops are two sources in the ledger."""
    event = replace(paid(), shop="shopify")
    order = join(Order("shopify", "o1"), event).order
    account = Desk().account
    change = award(order, event, {MEMBER: Change(account)}, Desk().program, NOW).changes[MEMBER]
    assert Source("order", "shopify:o1") == change.entries[0].draft.source


def test_several_events_of_one_batch_go_into_one_change() -> None:
    """Events folded into one transaction keep the entries of those before them."""
    desk, order, change = Desk(), Order("standard", "o1"), Change(Desk().account)
    for event in (paid(10_000), refunded(4_000), refunded(1_000, refund_id="r2")):
        order = join(order, event).order
        outcome = award(order, event, {MEMBER: change}, desk.program, NOW)
        order, change = outcome.order, outcome.changes[MEMBER]
    assert [100, -40, -10] == [entry.draft.points for entry in change.entries]
    assert [1, 2, 3] == [entry.sequence for entry in change.entries]


def test_a_clawback_of_points_that_never_expire_starts_with_their_own_lot() -> None:
    """Before or after its payment, a refund takes the order's own points, not dated ones of another source."""
    never = parse_program({"expiry": {"policy": "never"}})
    ends: list[tuple[Lot, ...]] = []
    for events in ([paid(10_000), refunded(5_000)], [refunded(5_000), paid(10_000)]):
        desk = Desk(never)
        desk.bonus((lot(50, "2026-05-31"),), noon("2026-03-01"))
        for event in events:
            desk.book(event, noon("2026-03-01"))
        ends.append(desk.account.lots)
    assert [(lot(50, "2026-05-31"), lot(50)), (lot(50, "2026-05-31"), lot(50))] == ends


def test_clamp_counts_a_hold_against_one_clawback() -> None:
    """Points in one open hold are owed once; what a second cancellation cannot take is forgiven."""
    now = noon("2026-03-01")
    desk = Desk(parse_program({"clawback": "clamp"}))
    desk.book(paid(10_000), now)
    desk.book(paid(10_000, order_id="o2"), now)
    hold = desk.authorize(100, 900, now)
    desk.redeem(100, now)
    desk.book(cancelled(), now)
    desk.book(cancelled("o2"), now)
    desk.void(hold.id, now)
    assert (0, 0) == (desk.account.balance, desk.account.debt)
