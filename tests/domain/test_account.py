"""The account: what time does to it, credits, debits and debts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.account import (
    EXPIRE_ENTRIES_MAX,
    Account,
    Change,
    OpenHold,
    apply,
    as_of,
    credit,
    debit,
    pay_debt,
    replay,
)
from jifen.domain.entries import Draft, Entry, Kind, Reason, Source, digest, genesis
from jifen.domain.errors import LedgerFault
from jifen.domain.lots import LOTS_MAX, Lot, LotChange, total
from jifen.domain.program import parse_program
from tests.domain.builders import MEMBER, Desk, account_with, bonus, day, instant, later, lot, noon, paid

NOW = noon("2026-03-01")


def test_an_account_that_nobody_has_seen_is_all_zeros() -> None:
    """A new member has nothing, owes nothing and has no entries."""
    account = Account(MEMBER)
    assert (0, 0, 0, 0, 0) == (
        account.balance,
        account.available(NOW.today),
        account.pending(NOW.today),
        account.held,
        account.debt,
    )
    assert account == replay(MEMBER, []) == as_of(account, NOW).account


def test_available_pending_held_and_debt_make_the_balance() -> None:
    """Each part of the balance is what its lots and holds say."""
    holds = (OpenHold("h1", (lot(5),), NOW.now), OpenHold("h2", (lot(2), lot(1, "2026-12-31")), NOW.now))
    account = Account(MEMBER, lots=(lot(10, "2026-12-31"), lot(20, None, "2026-03-02")), holds=holds)
    assert (10, 20, 8, 38) == (account.available(NOW.today), account.pending(NOW.today), account.held, account.balance)
    assert (30, 0) == (account.available(day("2026-03-02")), account.pending(day("2026-03-02")))
    assert holds[1] == account.hold("h2")
    assert account.hold("h3") is None


def test_a_lot_that_lapses_before_it_becomes_active_is_not_pending() -> None:
    """Points that can never be used are neither available nor pending once their last day is past."""
    account = Account(MEMBER, lots=(lot(5, "2026-02-28", "2026-03-05"),))
    assert (0, 0) == (account.available(NOW.today), account.pending(NOW.today))


def test_an_entry_is_numbered_chained_and_sealed() -> None:
    """Posting gives the next number, the hash before, the balance after and a hash over it all."""
    change = bonus(bonus(Change(Account(MEMBER)), (lot(10),), NOW), (lot(5),), later(NOW, seconds=1))
    first, second = change.entries
    assert (1, genesis(MEMBER), 10) == (first.sequence, first.previous_hash, first.balance_after)
    assert (2, first.hash, 15) == (second.sequence, second.previous_hash, second.balance_after)
    assert second.hash == digest(second) == change.account.head_hash
    assert 2 == change.account.version


@pytest.mark.parametrize(
    ("points", "lots", "debt", "sequence"),
    [
        (5, (LotChange(4, None),), 0, 1),
        (5, (LotChange(5, None),), 1, 1),
        (5, (LotChange(5, None),), 0, 2),
        (-5, (), 4, 1),
        (1, (), -1, 1),
        (-5, (LotChange(-5, None),), 0, 1),
    ],
)
def test_an_entry_that_does_not_add_up_is_a_fault(
    points: int, lots: tuple[LotChange, ...], debt: int, sequence: int
) -> None:
    """Points, lots and debt must agree, the number must be the next, and nothing may fall below zero."""
    draft = Draft(Kind.ADJUST, "TEST", Source("test", "1"), NOW.now, points=points, lots=lots, debt=debt)
    entry = Entry(MEMBER, sequence, draft, points, NOW.now, genesis(MEMBER), "h")
    with pytest.raises(LedgerFault):
        apply(Account(MEMBER), entry)


# Time ----------------------------------------------------------------------------------------------------------------


def test_fifo_01_spend_then_expiry() -> None:
    """fifo-01: 100 on day 1, 50 on day 15, 80 spent on day 20: on day 31 the last 20 of the first lot lapse."""
    program = parse_program({"expiry": {"policy": "days", "days": 29}})
    desk = Desk(program)
    balances = []
    desk.book(paid(10_000, at=instant("2026-01-01T12:00:00Z")), noon("2026-01-01"))
    balances.append(desk.account.balance)
    desk.book(paid(5_000, order_id="o2", at=instant("2026-01-15T12:00:00Z")), noon("2026-01-15"))
    balances.append(desk.account.balance)
    desk.redeem(80, noon("2026-01-20"))
    balances.append(desk.account.balance)
    desk.sweep(noon("2026-01-30"))
    balances.append(desk.account.balance)
    desk.sweep(noon("2026-01-31"))
    balances.append(desk.account.balance)
    assert [100, 150, 70, 70, 50] == balances
    assert 20 == desk.account.lifetime.expired


@pytest.mark.parametrize(
    ("case", "lots", "spend", "expected"),
    [
        ("fifo-05", (lot(150, "2026-03-31"),), 50, [-100]),
        ("fifo-07", (lot(100, "2026-03-30"), lot(60, "2026-03-31")), 0, [-100, -60]),
        ("fifo-09", (lot(150, "2026-03-31"),), 0, [-150]),
        ("PC-077", (lot(150, "2026-03-31"),), 150, []),
        ("PC-077 undated", (lot(150),), 0, []),
    ],
)
def test_expiry_takes_what_is_left_once(case: str, lots: tuple[Lot, ...], spend: int, expected: list[int]) -> None:
    """fifo-05, -07, -09, PC-075, PC-077: each due lot lapses once with what is left in it, soonest first."""
    desk = Desk()
    desk.bonus(lots, NOW)
    if spend:
        desk.redeem(spend, NOW)
    written = len(desk.points)
    for _ in range(2):
        desk.sweep(noon("2026-04-01"))
    desk.sweep(noon("2036-04-01"))
    assert (case, expected) == (case, desk.points[written:])


@pytest.mark.parametrize(
    ("zone", "last_valid_day", "midnight"),
    [
        ("UTC", "2025-12-31", "2026-01-01T00:00:00Z"),
        ("Asia/Shanghai", "2011-12-31", "2011-12-31T16:00:00Z"),
        ("Europe/London", "2026-03-31", "2026-03-31T23:00:00Z"),
        ("America/Sao_Paulo", "2018-11-03", "2018-11-04T03:00:00Z"),
        ("America/St_Johns", "2010-11-06", "2010-11-07T03:30:00Z"),
        ("Pacific/Apia", "2011-12-29", "2011-12-30T10:00:00Z"),
    ],
)
def test_points_lapse_at_the_first_instant_of_the_next_local_day(zone: str, last_valid_day: str, midnight: str) -> None:
    """fifo-10, PC-076: the last microsecond of the last valid day still spends, the first of the next finds nothing."""
    program = parse_program({"time_zone": zone})
    account = Account(MEMBER, lots=(lot(150, last_valid_day),))
    before = program.moment(instant(midnight) - timedelta(microseconds=1))
    assert (150, ()) == (account.available(before.today), as_of(account, before).entries)
    after = program.moment(instant(midnight))
    (entry,) = as_of(account, after).entries
    assert (0, -150) == (account.available(after.today), entry.draft.points)
    assert instant(midnight) == entry.draft.occurred_at


@given(st.integers(0, 400), st.integers(0, 400))
def test_time_in_one_step_is_time_in_two(first: int, second: int) -> None:
    """Looking in between changes nothing about what is true later."""
    account = account_with(lot(5, "2026-03-31"), lot(7, "2026-08-31"), lot(9), moment=NOW)
    hold = OpenHold("h1", (lot(3, "2026-05-31"),), NOW.now + timedelta(days=100))
    account = replace(account, holds=(hold,))
    there, end = later(NOW, days=first), later(NOW, days=first + second)
    straight, by_way = as_of(account, end).account, as_of(as_of(account, there).account, end).account
    assert (straight.lots, straight.holds, straight.debt) == (by_way.lots, by_way.holds, by_way.debt)
    assert straight.balance == by_way.balance
    assert straight.lifetime == by_way.lifetime


def test_nothing_due_nothing_written() -> None:
    """An account in which time has done nothing is the same account, without entries."""
    account = account_with(lot(5, "2026-03-31"), moment=NOW)
    assert Change(account) == as_of(account, noon("2026-03-31"))


def test_an_expiry_entry_says_which_day_was_the_last() -> None:
    """One entry per lapsed date, with its lots, its reason and its last valid day."""
    account = account_with(lot(5, "2026-03-31"), lot(6, "2026-03-31", "2026-03-05"), moment=NOW)
    (entry,) = as_of(account, noon("2026-05-01")).entries
    draft = entry.draft
    assert (Kind.EXPIRE, Reason.LOT_EXPIRED, Source("lot", "2026-03-31"), -11) == (
        draft.kind,
        draft.reason,
        draft.source,
        draft.points,
    )
    assert ({"policy": "expiry", "last_valid_day": "2026-03-31"},) == draft.why
    assert instant("2026-04-01T00:00:00Z") == draft.occurred_at


def test_many_lapsed_days_are_written_down_in_a_limited_number_of_entries() -> None:
    """After years without a sweep each of the first days has its entry, and the last one takes all that is left."""
    days = [NOW.today + timedelta(days=10 * number) for number in range(30)]
    account = account_with(*(Lot(1, each) for each in days), lot(7), moment=NOW)
    change = as_of(account, noon("2030-01-01"))
    expected = [-1] * (EXPIRE_ENTRIES_MAX - 1) + [EXPIRE_ENTRIES_MAX - 1 - len(days)]
    assert expected == [entry.draft.points for entry in change.entries]
    assert ((lot(7),), len(days)) == (change.account.lots, change.account.lifetime.expired)
    assert Source("lot", days[-1].isoformat()) == change.entries[-1].draft.source
    exact = as_of(account, later(NOW, days=10 * EXPIRE_ENTRIES_MAX - 1))
    assert [-1] * EXPIRE_ENTRIES_MAX == [entry.draft.points for entry in exact.entries]


# Credits and debts ---------------------------------------------------------------------------------------------------


@given(st.integers(0, 300), st.lists(st.integers(1, 100), max_size=4))
def test_a_credit_pays_debt_first_and_keeps_the_rest(debt: int, parts: list[int]) -> None:
    """Of a credit the debt is paid as far as it reaches, out of the soonest-expiring points; the rest becomes lots."""
    changes = tuple(LotChange(points, day(f"2026-0{number}-01")) for number, points in enumerate(parts, 4))
    kept, paid_back = pay_debt(debt, changes)
    assert min(debt, sum(parts)) == paid_back
    assert sum(parts) - paid_back == total(kept)
    assert kept == changes[len(changes) - len(kept) :] or kept[1:] == changes[len(changes) - len(kept) + 1 :]
    account = replace(Account(MEMBER), debt=debt)
    draft = Draft(Kind.BONUS, "GOODWILL", Source("adjustment", "j1"), NOW.now, lots=changes)
    if parts:
        after = credit(Change(account), draft, NOW).account
        assert (debt - paid_back, sum(parts) - debt) == (after.debt, after.balance)
        assert not (after.debt and after.lots)


def test_a_debt_is_paid_out_of_the_soonest_expiring_points() -> None:
    """Whatever order the lots of a credit are named in, those that last longest are kept."""
    changes = (LotChange(10, None), LotChange(10, day("2026-05-31")), LotChange(10, day("2026-04-30")))
    assert ((LotChange(5, day("2026-05-31")), LotChange(10, None)), 15) == pay_debt(15, changes)


def test_a_credit_that_pays_debt_says_so() -> None:
    """The explanation of a credit names what went into the debt."""
    draft = Draft(Kind.BONUS, "GOODWILL", Source("adjustment", "j1"), NOW.now, lots=(LotChange(30, None),))
    (entry,) = credit(Change(Account(MEMBER, debt=20)), draft, NOW).entries
    assert (30, -20, (LotChange(10, None),)) == (entry.draft.points, entry.draft.debt, entry.draft.lots)
    assert {"paid_debt": 20} == entry.draft.why[-1]


@given(st.integers(1, 40))
def test_a_debit_is_all_or_nothing_and_leaves_expired_and_pending_lots(points: int) -> None:
    """Only what is usable today is spent; one point more than that is refused as a whole."""
    account = Account(
        MEMBER, lots=(lot(7, "2026-02-28"), lot(5, "2026-03-01"), lot(9, "2026-04-30", "2026-03-02"), lot(15))
    )
    taken = debit(account, points, NOW)
    if points <= 20:
        assert taken is not None
        assert points == -total(taken)
        assert {change.expires_on for change in taken} <= {day("2026-03-01"), None}
        assert day("2026-03-01") == taken[0].expires_on
    else:
        assert taken is None


def test_too_many_lots_are_joined_in_an_entry_of_their_own() -> None:
    """The credit that makes one lot too many is followed by an adjustment of nothing that joins two lots."""
    lots = tuple(Lot(1, NOW.today + timedelta(days=number)) for number in range(LOTS_MAX))
    account = account_with(*lots, moment=NOW)
    change = bonus(Change(account), (Lot(1, NOW.today + timedelta(days=500)),), NOW)
    assert LOTS_MAX == len(change.account.lots)
    assert [(Kind.BONUS, 1), (Kind.ADJUST, 0)] == [(entry.draft.kind, entry.draft.points) for entry in change.entries]
    assert LOTS_MAX + 1 == change.account.balance
