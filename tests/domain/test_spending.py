"""Redemptions, restores and holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.account import HOLDS_MAX, Account, Change, Status, as_of
from jifen.domain.entries import Kind, Reason
from jifen.domain.errors import (
    AccountFrozen,
    HoldAlreadyResolved,
    HoldExpired,
    IdempotencyKeyReused,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
)
from jifen.domain.lots import LOTS_MAX, Lot, LotChange, total
from jifen.domain.money import Money
from jifen.domain.program import Program, parse_program
from jifen.domain.proof import prove
from jifen.domain.spending import (
    RECEIPTS_MAX,
    Asked,
    HoldStatus,
    Receipt,
    RestoreAsked,
    at_checkout,
    authorize,
    redeem,
    restore,
    share_changes,
    share_out,
)
from tests.domain.builders import (
    MEMBER,
    PROGRAM,
    Desk,
    account_with,
    asked,
    cancelled,
    day,
    instant,
    later,
    lot,
    noon,
    paid,
)

NOW = noon("2026-03-01")
PARTS = st.lists(st.integers(0, 400), max_size=6).map(tuple)
TERMS = parse_program(
    {"currency": "GBP", "redemption": {"points_per_unit": 100, "max_order_share": "0.30", "max_points_per_order": 500}}
)


def desk_with(*lots: Lot) -> Desk:
    """A desk whose member was given these lots."""
    desk = Desk()
    desk.bonus(lots, NOW)
    return desk


# Redeeming -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 60))
def test_exactly_what_is_available_can_be_spent_and_no_more(points: int) -> None:
    """Up to the available points a redemption succeeds; one more is refused with both numbers, and nothing changes."""
    account = account_with(lot(10, "2026-03-01"), lot(15), lot(5, "2026-04-30", "2026-03-02"), moment=NOW)
    if points <= 25:
        document, change = redeem(account, asked(points), PROGRAM, NOW)
        assert (points, 25 - points) == (total(document.spent), document.receipt.answer["available"])
        assert 30 - points == change.account.balance
    else:
        with pytest.raises(InsufficientPoints) as refusal:
            redeem(account, asked(points), PROGRAM, NOW)
        assert {"asked": points, "available": 25} == refusal.value.facts()


def test_what_has_lapsed_cannot_be_spent_before_any_sweep() -> None:
    """An expired lot is unspendable from its first expired instant; the redemption that finds it writes that down."""
    account = account_with(lot(10, "2026-03-31"), lot(5), moment=NOW)
    april = noon("2026-04-01")
    with pytest.raises(InsufficientPoints) as refusal:
        redeem(account, asked(6), PROGRAM, april)
    assert 5 == refusal.value.available
    _, change = redeem(account, asked(5), PROGRAM, april)
    assert [(Kind.EXPIRE, -10), (Kind.REDEEM, -5)] == [
        (entry.draft.kind, entry.draft.points) for entry in change.entries
    ]


def test_the_answer_shows_the_lots_that_were_used() -> None:
    """Points, what is left and the lots, soonest first, as the API shows them."""
    document, _ = redeem(account_with(lot(10, "2026-03-31"), lot(15), moment=NOW), asked(12), PROGRAM, NOW)
    expected = {
        "redemption_id": "k1",
        "points": 12,
        "available": 13,
        "lots": [
            {"points": 10, "expires_on": "2026-03-31", "active_from": None},
            {"points": 2, "expires_on": None, "active_from": None},
        ],
    }
    assert expected == document.receipt.answer


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED, Status.MERGED, Status.ERASED])
def test_only_an_active_account_spends(status: Status) -> None:
    """Frozen, closed, merged and erased accounts neither spend nor hold."""
    account = replace(account_with(lot(10), moment=NOW), status=status)
    for act in (
        lambda: redeem(account, asked(1), PROGRAM, NOW),
        lambda: authorize(account, asked(1), PROGRAM, 60, NOW),
    ):
        with pytest.raises(AccountFrozen) as refusal:
            act()
        assert {"account_status": str(status)} == refusal.value.facts()


def test_a_retry_gets_its_answer_and_another_request_is_refused() -> None:
    """A receipt answers the same request again and refuses the same key for another."""
    receipt = Receipt("f1", {"points": 1})
    assert {"points": 1} == receipt.again("f1")
    with pytest.raises(IdempotencyKeyReused):
        receipt.again("f2")


def test_pc_078_first_earned_first_used_across_orders() -> None:
    """PC-078: 575 - 500 leaves 75 in the first lot; the next 500 take these and 425 of 805; on day 91 the 380 lapse."""
    desk = Desk(
        parse_program(
            {
                "earning": {"rules": [{"id": "base", "rate": {"points": 5, "per_minor": 100}}]},
                "expiry": {"policy": "days", "days": 90},
            }
        )
    )
    desk.book(paid(11_500, at=instant("2026-01-01T09:00:00Z")), noon("2026-01-01"))
    desk.redeem(500, noon("2026-01-01"))
    assert (lot(75, "2026-04-01"),) == desk.account.lots
    desk.book(paid(16_100, order_id="o2", at=instant("2026-01-02T09:00:00Z")), noon("2026-01-02"))
    desk.redeem(500, noon("2026-01-02"))
    assert (380, [day("2026-04-02")]) == (desk.account.balance, [each.expires_on for each in desk.account.lots])
    desk.sweep(noon("2026-04-03"))
    assert (0, []) == (desk.account.balance, list(desk.account.lots))


# Terms ---------------------------------------------------------------------------------------------------------------


def check_terms(ask: Asked, program: Program) -> Money | None:
    """What the points that are asked for take off."""
    return at_checkout(ask, program).check(ask.points)


@pytest.mark.parametrize(
    ("points", "total_minor", "expected_minor"),
    [(500, 10_000, 500), (1, 10_000, 1), (300, 1_000, 300), (29, 99, 29)],
)
def test_points_take_money_off_within_the_limits(points: int, total_minor: int, expected_minor: int) -> None:
    """At 100 points a pound, up to 30 % of the order and 500 points, a point is a penny."""
    ask = replace(asked(points), order_total=Money(total_minor, "GBP"))
    assert Money(expected_minor, "GBP") == check_terms(ask, TERMS)


@pytest.mark.parametrize(
    ("points", "total_minor", "limit", "allowed"),
    [
        (501, 10_000, "max_points_per_order", 500),
        (301, 1_000, "max_order_share", 300),
        (30, 99, "max_order_share", 29),
        (1, 0, "max_order_share", 0),
    ],
)
def test_beyond_a_limit_the_limit_is_named(points: int, total_minor: int, limit: str, allowed: int) -> None:
    """PC-054: a refusal says which limit bit and what it allows."""
    with pytest.raises(LimitReached) as refusal:
        check_terms(replace(asked(points), order_total=Money(total_minor, "GBP")), TERMS)
    assert {"limit": limit, "allowed": allowed, "resets_at": None} == refusal.value.facts()


def test_limits_of_an_order_do_not_bind_what_is_no_order() -> None:
    """Without an order there is no order cap; with an order id alone the cap holds and the share cannot be known."""
    assert Money(501, "GBP") == check_terms(asked(501), TERMS)
    with pytest.raises(LimitReached):
        check_terms(replace(asked(501), order_id="o1"), TERMS)
    assert Money(500, "GBP") == check_terms(replace(asked(500), order_id="o1"), TERMS)
    assert check_terms(asked(501), PROGRAM) is None


def test_a_redemption_never_takes_off_more_than_the_order() -> None:
    """Without a share of its own a program lets points pay the whole order, and not a penny more."""
    whole = parse_program({"currency": "GBP", "redemption": {"points_per_unit": 3}})
    assert Money(333, "GBP") == check_terms(replace(asked(10), order_total=Money(334, "GBP")), whole)
    with pytest.raises(LimitReached):
        check_terms(replace(asked(10), order_total=Money(333, "GBP")), whole)


@pytest.mark.parametrize(
    ("program", "currency"),
    [
        *((TERMS, currency) for currency in ("EUR", "gbp", "XXX", "XAU", "ZZZ", "", "£", "GBP ")),
        *((PROGRAM, currency) for currency in ("gbp", "XXX", "XAU", "ZZZ", "", "€")),
    ],
)
def test_a_total_in_an_unknown_or_foreign_currency_is_refused(program: Program, currency: str) -> None:
    """Points are worth nothing in money that the program does not know; the field is named, on every way to spend."""
    ask = replace(asked(1), order_total=Money(10_000, currency))
    account = account_with(lot(100), moment=NOW)
    for act in (
        lambda: check_terms(ask, program),
        lambda: redeem(account, ask, program, NOW),
        lambda: authorize(account, ask, program, 60, NOW),
    ):
        with pytest.raises(InvalidInput) as refusal:
            act()
        assert ["order_total.currency"] == [fault.field for fault in refusal.value.faults]


def test_a_program_of_any_currency_takes_a_total_in_any_that_is_in_use() -> None:
    """Without a currency of its own a program counts in that of the order."""
    for currency, unit in (("GBP", 100), ("JPY", 1), ("KWD", 1_000)):
        ask = replace(asked(100), order_total=Money(10**6, currency))
        assert Money(unit, currency) == check_terms(ask, PROGRAM)


@given(st.integers(1, 10**6), st.sampled_from(["GBP", "JPY", "KWD"]), st.integers(1, 1_000))
def test_the_discount_is_worth_of_the_points_rounded_down(points: int, currency: str, per_unit: int) -> None:
    """The money off is points / points_per_unit units of the currency, in whole minor units, never rounded up."""
    program = parse_program({"currency": currency, "redemption": {"points_per_unit": per_unit}})
    unit = {"GBP": 100, "JPY": 1, "KWD": 1_000}[currency]
    off = check_terms(asked(points), program)
    assert off is not None
    assert 0 <= Fraction(points * unit, per_unit) - off.amount_minor < 1


# Restoring -----------------------------------------------------------------------------------------------------------


@given(PARTS, st.data())
def test_shares_are_whole_fair_and_never_above_a_part(parts: tuple[int, ...], data: st.DataObject) -> None:
    """Shares add up to the units, none is above its part, and every part of equal size differs by one at most."""
    units = data.draw(st.integers(0, sum(parts)))
    shares = share_out(parts, units)
    assert units == sum(shares)
    assert all(0 <= share <= part for share, part in zip(shares, parts, strict=True))
    for first, one in zip(parts, shares, strict=True):
        for second, other in zip(parts, shares, strict=True):
            assert first != second or abs(one - other) <= 1
            assert first <= second or one >= other or first == 0


@given(PARTS, st.data())
def test_shares_never_shrink_and_end_exactly(parts: tuple[int, ...], data: st.DataObject) -> None:
    """One unit more makes exactly one share one larger, and all units give back every part."""
    units = data.draw(st.integers(0, max(0, sum(parts) - 1)))
    if sum(parts):
        steps = [now - then for then, now in zip(share_out(parts, units), share_out(parts, units + 1), strict=True)]
        assert [0] * (len(parts) - 1) + [1] == sorted(steps)
    assert parts == share_out(parts, sum(parts))
    assert tuple(0 for _ in parts) == share_out(parts, 0)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4).map(tuple), st.data())
def test_shares_are_those_of_the_divisor_method(parts: tuple[int, ...], data: st.DataObject) -> None:
    """Handing out the units one by one, each to the part with the greatest claim, gives the same shares."""
    units = data.draw(st.integers(0, sum(parts)))
    shares = [0] * len(parts)
    for _ in range(units):
        claims = [Fraction(part, 2 * share + 1) for part, share in zip(parts, shares, strict=True)]
        shares[claims.index(max(claims))] += 1
    assert tuple(shares) == share_out(parts, units)


@pytest.mark.parametrize("units", [-1, 4])
def test_units_that_are_not_there_cannot_be_shared(units: int) -> None:
    """Fewer than none or more than all is a mistake."""
    with pytest.raises(ValueError, match="cannot be shared"):
        share_out((1, 2), units)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=4), st.lists(st.integers(1, 60), max_size=6))
def test_a_restore_in_parts_is_one_restore(sizes: list[int], parts: list[int]) -> None:
    """However it is cut, each lot gets back what one restore of the total gives it, in the end what was taken."""
    lots = tuple(lot(size, f"2027-{number:02}-28") for number, size in enumerate(sizes, 1))
    stepwise, at_once = desk_with(*lots), desk_with(*lots)
    stepwise.redeem(sum(sizes), NOW)
    at_once.redeem(sum(sizes), NOW)
    (redemption,) = stepwise.redemptions
    restored = 0
    for points in parts:
        if restored + points <= sum(sizes):
            stepwise.restore(redemption, points, NOW)
            restored += points
    if restored:
        at_once.restore(redemption, restored, NOW)
    assert at_once.account.lots == stepwise.account.lots
    stepwise.restore(redemption, None, NOW)
    assert lots == stepwise.account.lots
    assert (sum(sizes), 0) == (stepwise.account.balance, stepwise.account.lifetime.redeemed)


def test_a_restore_is_never_more_than_was_taken() -> None:
    """Beyond what is left a restore is refused; when all is back, another one of everything is of nothing."""
    desk = desk_with(lot(10))
    redemption = desk.redeem(6, NOW)
    for points in (7, 0, -1):
        with pytest.raises(InvalidInput):
            desk.restore(redemption.id, points, NOW)
    desk.restore(redemption.id, 4, NOW)
    with pytest.raises(InvalidInput):
        desk.restore(redemption.id, 3, NOW)
    desk.restore(redemption.id, None, NOW)
    written = len(desk.points)
    desk.restore(redemption.id, None, NOW)
    assert (10, written) == (desk.account.balance, len(desk.points))


def test_pc_100_a_rollback_gives_everything_back_once() -> None:
    """PC-100: 1,000, 300 redeemed and restored twice is 1,000 with one restore."""
    desk = desk_with(lot(1_000))
    redemption = desk.redeem(300, NOW)
    for _ in range(2):
        desk.restore(redemption.id, None, NOW)
    assert [1_000, -300, 300] == desk.points


def test_points_restored_to_a_lot_that_has_lapsed_lapse_at_once() -> None:
    """What comes back after its last valid day is shown as restored and as expired, and cannot be spent."""
    desk = desk_with(lot(10, "2026-03-31"), lot(10))
    redemption = desk.redeem(20, NOW)
    desk.restore(redemption.id, 10, noon("2026-04-01"))
    assert [20, -20, 10, -5] == desk.points
    assert (lot(5),) == desk.account.lots
    answer = list(desk.redemptions[redemption.id].receipts.values())[-1].answer
    assert (10, 10, 5) == (answer["points"], answer["restored"], answer["available"])


def test_a_restore_pays_debt_first() -> None:
    """Points that come back to a member who owes pay the debt before they fill a lot."""
    desk = Desk()
    desk.book(paid(10_000), NOW)
    redemption = desk.redeem(100, NOW)
    desk.book(cancelled(), NOW)
    assert 100 == desk.account.debt
    desk.restore(redemption.id, 60, NOW)
    assert (40, ()) == (desk.account.debt, desk.account.lots)
    desk.restore(redemption.id, None, NOW)
    assert (0, 0) == (desk.account.debt, desk.account.balance)


def test_a_redemption_is_restored_in_a_limited_number_of_parts() -> None:
    """The document of a redemption does not grow without end."""
    desk = desk_with(lot(1_000))
    redemption = desk.redeem(1_000, NOW)
    for _ in range(RECEIPTS_MAX):
        desk.restore(redemption.id, 1, NOW)
    for points in (1, 799):
        with pytest.raises(LimitReached):
            desk.restore(redemption.id, points, NOW)


def test_the_whole_rest_can_be_restored_after_any_number_of_parts() -> None:
    """Nobody loses points to the limit on parts: what is left goes back at once, and then there is no more."""
    desk = desk_with(lot(1_000))
    redemption = desk.redeem(1_000, NOW)
    for _ in range(RECEIPTS_MAX):
        desk.restore(redemption.id, 1, NOW)
    desk.restore(redemption.id, None, NOW)
    assert (1_000, (lot(1_000),)) == (desk.account.balance, desk.account.lots)
    assert 1_000 == desk.redemptions[redemption.id].restored
    with pytest.raises(LimitReached):
        desk.restore(redemption.id, None, NOW)
    assert 1_000 == desk.account.balance


def test_the_rest_of_a_captured_hold_can_be_restored_after_any_number_of_parts() -> None:
    """The receipt of the capture counts among the parts, and the rest still goes back."""
    desk = desk_with(lot(1_000))
    hold = desk.authorize(1_000, 900, NOW)
    desk.capture(hold.id, None, NOW)
    for _ in range(RECEIPTS_MAX - 1):
        desk.restore_hold(hold.id, 1, NOW)
    with pytest.raises(LimitReached):
        desk.restore_hold(hold.id, 1, NOW)
    desk.restore_hold(hold.id, None, NOW)
    assert (lot(1_000),) == desk.account.lots


def test_a_restore_into_a_lapsed_lot_revives_nothing_in_a_full_account() -> None:
    """With as many lots as there may be, the one too many is the lapsed one: it lapses and joins no living lot."""
    april = noon("2026-04-01")
    desk = desk_with(lot(50, "2026-03-31"))
    redemption = desk.redeem(50, NOW)
    live = tuple(Lot(1, april.today + timedelta(days=10 * number)) for number in range(LOTS_MAX))
    desk.bonus(live, NOW)
    assert live == desk.account.lots
    for points in (20, None):
        desk.restore(redemption.id, points, april)
        account = desk.account
        assert LOTS_MAX == account.balance == account.available(april.today)
        assert len(account.lots) <= LOTS_MAX
    assert (50, 0) == (desk.account.lifetime.expired, desk.account.lifetime.redeemed)
    assert prove(desk.account, desk.entries[MEMBER]).valid


def test_share_changes_is_the_difference_of_two_shares() -> None:
    """From none to all is all of it; lots that get nothing are not named."""
    spent = (LotChange(2, day("2026-03-31")), LotChange(1, None))
    assert spent == share_changes(spent, 0, 3)
    assert () == share_changes(spent, 2, 2)
    assert (LotChange(1, day("2026-03-31")),) == share_changes(spent, 0, 1)


# Holds ---------------------------------------------------------------------------------------------------------------


def test_pc_048_a_hold_over_two_lots() -> None:
    """PC-048: of 100 and 200 a hold of 180 leaves a balance of 300 with 120 available and 180 held."""
    desk = desk_with(lot(100, "2026-12-31"), lot(200))
    desk.authorize(180, 900, NOW)
    account = desk.account
    assert (300, 120, 180) == (account.balance, account.available(NOW.today), account.held)
    assert [300, 0] == desk.points
    assert (lot(120),) == account.lots


def test_pc_051_capture_less_than_was_held() -> None:
    """PC-051: of 100 with 80 held, capturing 70 uses 70, releases 10 and leaves 30 available and nothing held."""
    desk = desk_with(lot(100))
    hold = desk.authorize(80, 900, NOW)
    desk.capture(hold.id, 70, NOW)
    account = desk.account
    assert (30, 30, 0, 70) == (account.balance, account.available(NOW.today), account.held, account.lifetime.redeemed)
    answer = list(desk.holds[hold.id].receipts.values())[-1].answer
    assert ("CAPTURED", 70, 10, 30) == (answer["status"], answer["points"], answer["released"], answer["available"])


@pytest.mark.parametrize(
    ("case", "held", "points", "expected"),
    [("PC-041", 20, 20, 80), ("PC-041 all", 20, None, 80), ("PC-052", 50, 1, 99)],
)
def test_a_hold_is_captured_once(case: str, held: int, points: int | None, expected: int) -> None:
    """PC-041, PC-052: the first capture counts; a second one and a void are refused."""
    desk = desk_with(lot(100))
    hold = desk.authorize(held, 900, NOW)
    desk.capture(hold.id, points, NOW)
    with pytest.raises(HoldAlreadyResolved) as refusal:
        desk.capture(hold.id, None, NOW)
    assert {"hold_status": "CAPTURED"} == refusal.value.facts()
    with pytest.raises(HoldAlreadyResolved) as refusal:
        desk.void(hold.id, NOW)
    assert {"hold_status": "CAPTURED"} == refusal.value.facts()
    assert (case, expected, 0) == (case, desk.account.balance, desk.account.held)


def test_pc_042_a_hold_is_released_once() -> None:
    """PC-042: of 100 with 50 held, a void gives 100 back, and a second void or a capture is refused."""
    desk = desk_with(lot(100, "2026-12-31"))
    hold = desk.authorize(50, 900, NOW)
    desk.void(hold.id, NOW)
    with pytest.raises(HoldAlreadyResolved) as refusal:
        desk.capture(hold.id, None, NOW)
    assert {"hold_status": "VOIDED"} == refusal.value.facts()
    with pytest.raises(HoldAlreadyResolved):
        desk.void(hold.id, NOW)
    assert (100, 0, (lot(100, "2026-12-31"),)) == (desk.account.balance, desk.account.held, desk.account.lots)


def test_a_hold_runs_out_at_its_very_instant() -> None:
    """A microsecond before ``expires_at`` it can be captured; at it the points are back and it cannot."""
    desk = desk_with(lot(100))
    hold = desk.authorize(40, 900, NOW)
    at = PROGRAM.moment(hold.expires_at)
    before = PROGRAM.moment(hold.expires_at - timedelta(microseconds=1))
    assert NOW.now + timedelta(seconds=900) == hold.expires_at
    assert 40 == as_of(desk.account, before).account.held
    assert (0, 100) == (as_of(desk.account, at).account.held, as_of(desk.account, at).account.available(at.today))
    with pytest.raises(HoldExpired):
        desk.capture(hold.id, None, at)
    with pytest.raises(HoldExpired):
        desk.void(hold.id, at)
    desk.capture(hold.id, None, before)
    assert 60 == desk.account.balance


def test_a_hold_that_ran_out_is_written_down_once_with_its_own_time() -> None:
    """The release names the hold, moves no balance and happened when the hold ran out, not when it was noticed."""
    desk = desk_with(lot(100))
    hold = desk.authorize(40, 900, NOW)
    desk.sweep(noon("2026-03-05"))
    desk.sweep(noon("2026-03-06"))
    entry = desk.entries[MEMBER][-1]
    assert (3, Kind.RELEASE, Reason.HOLD_LAPSED, 0) == (
        entry.sequence,
        entry.draft.kind,
        entry.draft.reason,
        entry.draft.points,
    )
    assert hold.expires_at == entry.draft.occurred_at
    with pytest.raises(HoldExpired):
        desk.capture(hold.id, None, noon("2026-03-06"))


def test_held_points_do_not_expire_while_held_but_when_released() -> None:
    """A hold over the last valid day keeps its points: captured they are spent, released they lapse."""
    march = noon("2026-03-31")
    for captured in (5, 10):
        desk = desk_with(lot(10, "2026-03-31"))
        hold = desk.authorize(10, 5 * 86_400, march)
        april = later(march, days=2)
        desk.sweep(april)
        assert (10, 10) == (desk.account.balance, desk.account.held)
        desk.capture(hold.id, captured, april)
        desk.sweep(april)
        life = desk.account.lifetime
        assert (0, captured, 10 - captured) == (desk.account.balance, life.redeemed, life.expired)
    desk = desk_with(lot(10, "2026-03-31"))
    desk.authorize(10, 5 * 86_400, march)
    desk.sweep(later(march, days=5))
    assert (0, 10) == (desk.account.balance, desk.account.lifetime.expired)


def test_a_captured_hold_is_restored_like_a_redemption() -> None:
    """What was captured goes back to its lots, and never more than that."""
    desk = desk_with(lot(10, "2026-12-31"), lot(10))
    hold = desk.authorize(15, 900, NOW)
    desk.capture(hold.id, 12, NOW)
    with pytest.raises(InvalidInput):
        desk.restore_hold(hold.id, 13, NOW)
    desk.restore_hold(hold.id, None, NOW)
    assert (lot(10, "2026-12-31"), lot(10)) == desk.account.lots
    assert HoldStatus.CAPTURED is desk.holds[hold.id].status


@pytest.mark.parametrize("seconds", [0, -1, 2_592_001])
def test_a_hold_lives_within_the_programs_limit(seconds: int) -> None:
    """At least a second, at most what the program allows; the field is named."""
    with pytest.raises(InvalidInput) as refusal:
        authorize(account_with(lot(10), moment=NOW), asked(1), PROGRAM, seconds, NOW)
    assert ["expires_in_s"] == [fault.field for fault in refusal.value.faults]


def test_a_hold_without_a_time_lives_as_long_as_the_program_says() -> None:
    """The default is the program's."""
    hold, _ = authorize(account_with(lot(10), moment=NOW), asked(1), PROGRAM, None, NOW)
    assert NOW.now + timedelta(seconds=900) == hold.expires_at
    assert ("AUTHORIZED", "2026-03-01T12:15:00Z") == (hold.receipt.answer["status"], hold.receipt.answer["expires_at"])


@pytest.mark.parametrize("points", [0, -1, 11])
def test_a_capture_is_at_most_the_hold(points: int) -> None:
    """None, less than none and more than the hold are refused, and the hold stays open."""
    desk = desk_with(lot(100))
    hold = desk.authorize(10, 900, NOW)
    with pytest.raises(InvalidInput):
        desk.capture(hold.id, points, NOW)
    assert 10 == desk.account.held


def test_a_released_hold_pays_debt_first() -> None:
    """Points that come back from a hold pay what is owed before they fill a lot."""
    desk = Desk()
    desk.book(paid(10_000), NOW)
    hold = desk.authorize(100, 900, NOW)
    desk.book(cancelled(), NOW)
    assert (100, 100, 0) == (desk.account.debt, desk.account.held, desk.account.balance)
    desk.void(hold.id, NOW)
    assert (0, 0, 0) == (desk.account.debt, desk.account.held, desk.account.balance)


def test_pc_039_holds_never_take_more_than_there_is() -> None:
    """PC-039: of ten holds of 50 on 100 points two succeed."""
    desk, refused = desk_with(lot(100)), 0
    for _ in range(10):
        try:
            desk.authorize(50, 900, NOW)
        except InsufficientPoints:
            refused += 1
    assert (8, 0, 100) == (refused, desk.account.available(NOW.today), desk.account.held)


def test_an_account_has_a_limited_number_of_open_holds() -> None:
    """One hold too many is refused with the instant at which the first one runs out; from then on there is room."""
    desk = desk_with(lot(100))
    for number in range(HOLDS_MAX):
        desk.authorize(1, 900 - number, NOW)
    first = later(NOW, seconds=900 - HOLDS_MAX + 1)
    with pytest.raises(LimitReached) as refusal:
        desk.authorize(1, 900, NOW)
    expected = {"limit": "open_holds", "allowed": HOLDS_MAX, "resets_at": first.now.isoformat()}
    assert expected == refusal.value.facts()
    assert HOLDS_MAX == desk.account.held
    desk.authorize(1, 900, first)
    assert HOLDS_MAX == desk.account.held


def test_a_redemption_for_an_order_names_the_order() -> None:
    """The entry's source is the order where there is one, else the redemption."""
    account = account_with(lot(10), moment=NOW)
    with_order = Asked("k1", 1, "f", order_id="o9", reason="CHECKOUT", actor="shop")
    sources = []
    for ask in (with_order, asked(1)):
        _, change = redeem(account, ask, PROGRAM, NOW)
        sources.append((change.entries[0].draft.source.type, change.entries[0].draft.source.id))
    assert [("order", "o9"), ("redemption", "k1")] == sources
    _, change = redeem(account, with_order, PROGRAM, NOW)
    assert ("CHECKOUT", "shop") == (change.entries[0].draft.reason, change.entries[0].draft.actor)


def test_a_decision_changes_nothing_by_itself() -> None:
    """Deciding returns a new account and leaves the old one: only a commit makes it so."""
    account = account_with(lot(10), moment=NOW)
    before = replace(account)
    _, change = redeem(account, asked(4), PROGRAM, NOW)
    document, _ = redeem(account, asked(4), PROGRAM, NOW)
    restore(change.account, document, RestoreAsked(None, "k2", "f", "shop"), PROGRAM, NOW)
    assert before == account
    assert Change(account) == as_of(account, NOW)
    assert Account(MEMBER) != account
