"""Activity: when somebody was here last, since when an account is there, and what was spent in each month.

facts of orders ──any order, copies, owners, programs──> the same sums by month
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.account import Account, Change, Status
from jifen.domain.activity import LOGIN, oldest_month, seen
from jifen.domain.activity import spent as counted
from jifen.domain.calendar import local_day
from jifen.domain.orders import kept_minor
from jifen.domain.program import Program, parse_program
from jifen.domain.proof import prove
from jifen.domain.standing import Standing
from tests.domain.builders import MEMBER, Desk, bonus, cancelled, later, lot, noon, paid, refunded
from tests.domain.test_laws import MARCH, Story, stories, tell

DAY = date(2026, 3, 10)


def policy(months: int = 3, wait_days: int = 0, name: str = "loyal") -> dict[str, Any]:
    """A policy that asks for what was spent."""
    spent = {"months": months, "each_minor": 50_000, "wait_days": wait_days}
    return {"id": name, "starts_on": "2026-01-01", "when": {"spent": spent}, "extend": {"months": 6}}


def program(*policies: Mapping[str, Any], **more: Any) -> Program:
    """A program in yuan with these policies."""
    return parse_program({"currency": "CNY", "validity": {"policies": list(policies)}, **more})


PLAIN = program()
BARE = program(policy())
RULED = program(
    policy(), earning={"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100}, "pending_days": 3}]}
)
"""Rules that are kept by their name, and not beside each award."""


# Being there ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "day", "expected"),
    [
        (None, "2026-03-10", "2026-03-10"),
        ("2026-03-09", "2026-03-10", "2026-03-10"),
        ("2026-03-10", "2026-03-10", "2026-03-10"),
        ("2026-03-11", "2026-03-10", "2026-03-11"),
    ],
)
def test_a_login_is_never_moved_back(known: str | None, day: str, expected: str) -> None:
    """The latest day stays, whatever the order in which logins are told; what is not new changes nothing."""
    standing = Standing(seen={LOGIN: date.fromisoformat(known)} if known else {})
    before = Account(MEMBER, standing=standing)
    after = seen(before, LOGIN, date.fromisoformat(day))
    assert after.standing.seen == {LOGIN: date.fromisoformat(expected)}
    assert (after is before) is (known == expected)


@pytest.mark.parametrize("status", Status)
def test_of_who_is_gone_nothing_is_kept(status: Status) -> None:
    """A frozen account is still somebody's; of one that was closed, merged or erased no day is kept."""
    account = Account(MEMBER, status=status)
    kept = status in {Status.ACTIVE, Status.FROZEN}
    assert seen(account, LOGIN, DAY).standing.seen == ({LOGIN: DAY} if kept else {})


def test_the_day_of_the_first_entry_is_kept() -> None:
    """It is the local day on which the first entry was recorded, and stays whatever follows."""
    shanghai = parse_program({"time_zone": "Asia/Shanghai"})
    desk = Desk(shanghai)
    desk.book(paid(), shanghai.moment(datetime(2026, 3, 10, 15, 59, 59, tzinfo=UTC)))
    assert desk.account.standing.seen == {"opened": date(2026, 3, 10)}
    other = Desk(shanghai)
    other.book(paid(), shanghai.moment(datetime(2026, 3, 10, 16, tzinfo=UTC)))
    assert other.account.standing.seen == {"opened": date(2026, 3, 11)}
    desk.book(paid(order_id="o2"), noon("2026-05-01"))
    assert desk.account.standing.seen == {"opened": date(2026, 3, 10)}
    assert prove(desk.account, desk.entries[MEMBER]).valid


def test_it_is_the_day_of_the_clock_and_not_of_a_sweep() -> None:
    """A run as of another day records its entries today, and that is the day the account is there from."""
    moment = PLAIN.moment(datetime(2026, 1, 31, 12, tzinfo=UTC), recorded_at=datetime(2026, 3, 10, 12, tzinfo=UTC))
    change = bonus(Change(Account(MEMBER)), (lot(5),), moment)
    assert change.account.standing.seen == {"opened": date(2026, 3, 10)}


def test_no_other_standing_forgets_the_day() -> None:
    """What a decision worked out before its entry was posted does not take the day away."""
    change = bonus(Change(Account(MEMBER)), (lot(5),), noon("2026-03-10"))
    assert change.remember(Standing(orders=1)).account.standing == Standing(orders=1, seen={"opened": DAY})
    own = Standing(seen={"opened": date(2026, 1, 1)})
    assert change.remember(own).account.standing == own


def test_what_is_tried_anew_keeps_the_day_it_had() -> None:
    """An account whose history is played again from nothing is still there since then."""
    opened = date(2026, 1, 1)
    account = Account(MEMBER, standing=Standing(seen={"opened": opened}))
    assert bonus(Change(account), (lot(5),), noon("2026-03-10")).account.standing.seen == {"opened": opened}


def test_an_account_from_before_gets_no_day() -> None:
    """Nobody knows of it when it was opened."""
    change = bonus(Change(Account(MEMBER, version=7)), (lot(5),), noon("2026-03-10"))
    assert change.account.standing.seen == {}


def test_an_order_given_back_is_no_activity() -> None:
    """The last day of payment is that of an order that was kept."""
    desk = Desk(PLAIN)
    desk.book(paid(at=datetime(2026, 3, 1, tzinfo=UTC)), noon("2026-03-01"))
    desk.book(paid(order_id="o2", at=datetime(2026, 4, 1, tzinfo=UTC)), noon("2026-04-01"))
    assert desk.account.standing.last_paid_on == date(2026, 4, 1)
    desk.book(refunded(10_000, order_id="o2"), noon("2026-04-02"))
    assert desk.account.standing.last_paid_on == date(2026, 3, 1)


# What was spent -------------------------------------------------------------------------------------------------------


def owed(desk: Desk, member: str = MEMBER) -> dict[str, int]:
    """What a member spent by month, from the states of the orders alone."""
    sums: dict[str, int] = {}
    for order in desk.orders.values():
        if order.paid and order.paid.member == member and order.paid.currency == "CNY":
            month = local_day(order.paid.at, desk.program.zone).isoformat()[:7]
            sums[month] = sums.get(month, 0) + kept_minor(order)
    return {month: found for month, found in sums.items() if found}


SPRING = st.integers(0, 3 * 30 * 86_400).map(
    lambda seconds: datetime(2026, 1, 20, tzinfo=UTC) + timedelta(seconds=seconds)
)
OWNERS = (MEMBER, "m2", None)


@pytest.mark.parametrize("terms", [BARE, RULED], ids=["bare", "ruled"])
@given(st.lists(st.integers(1, 3).flatmap(lambda n: stories(OWNERS, SPRING, order_id=f"o{n}")), min_size=1, max_size=3))
def test_what_was_spent_is_what_the_orders_say(terms: Program, told: Sequence[Story]) -> None:
    """After every single event, however delivered, each member has spent what is kept of the orders of each month."""
    desk = Desk(terms)
    events = [event for story in told for event in story.delivered]
    for minutes, event in enumerate(events):
        desk.book(event, later(noon("2026-04-20"), minutes=minutes))
        for member in (MEMBER, "m2"):
            assert owed(desk, member) == dict(desk.of(member).standing.spent)


@given(stories(OWNERS, MARCH), st.lists(st.sampled_from([PLAIN, BARE]), min_size=1))
def test_a_program_without_the_policy_in_between_changes_nothing(story: Story, programs: Sequence[Program]) -> None:
    """What was counted is taken back as it was, whatever programs come and go; under a policy it counts at once."""
    desk = Desk(BARE)
    for minutes, event in enumerate(story.delivered):
        desk.program = programs[minutes % len(programs)]
        desk.book(event, later(noon("2026-04-01"), minutes=minutes))
        for member in (MEMBER, "m2"):
            sums = dict(desk.of(member).standing.spent)
            assert sums in ({}, owed(desk, member))
            awarded = desk.orders["o1"].award
            pinned = awarded.pinned.spent if awarded and awarded.member == member else None
            assert sums == (dict([pinned]) if pinned else {})
    desk.program = BARE
    desk.book(paid(7, revision=99), noon("2026-04-02"))
    assert desk.account.standing.spent == owed(desk)


def test_a_refund_of_what_was_never_counted_takes_nothing() -> None:
    """An order from before the policy counts from its next change on, with what is kept of it then."""
    desk = Desk(PLAIN)
    desk.book(paid(10_000), noon("2026-03-01"))
    desk.book(paid(10_000, order_id="o2"), noon("2026-03-01"))
    assert desk.account.standing.spent == {}
    desk.program = BARE
    desk.book(paid(500, order_id="o3"), noon("2026-03-02"))
    desk.book(refunded(10_000), noon("2026-03-03"))
    assert desk.account.standing.spent == {"2026-03": 500}
    desk.book(refunded(4_000, order_id="o2", refund_id="r2"), noon("2026-03-03"))
    assert desk.account.standing.spent == {"2026-03": 6_500}


def test_money_of_another_currency_is_not_counted() -> None:
    """A policy's amounts are of the program's currency; a program without one adds up whatever comes."""
    desk = Desk(BARE)
    desk.book(paid(10_000, currency="JPY"), noon("2026-03-01"))
    assert desk.account.standing.spent == {}
    desk = Desk(replace(BARE, currency=None))
    desk.book(paid(10_000, currency="JPY"), noon("2026-03-01"))
    assert desk.account.standing.spent == {"2026-03": 10_000}


def test_an_order_counts_in_the_local_month_of_its_payment() -> None:
    """An order of the last second of March in Shanghai is one of March, whenever it arrives."""
    shanghai = replace(BARE, zone=parse_program({"time_zone": "Asia/Shanghai"}).zone)
    desk = Desk(shanghai)
    desk.book(paid(1, at=datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC)), noon("2026-04-10"))
    desk.book(paid(2, order_id="o2", at=datetime(2026, 3, 31, 16, tzinfo=UTC)), noon("2026-04-10"))
    assert desk.account.standing.spent == {"2026-03": 1, "2026-04": 2}


def test_a_cancelled_order_counts_nothing() -> None:
    """And leaves no month behind."""
    desk = tell(Desk(BARE), [paid(10_000), cancelled()], noon("2026-03-01"))
    assert desk.account.standing.spent == {}


@pytest.mark.parametrize(
    ("policies", "today", "expected"),
    [
        ([policy(3)], "2026-11-26", "2026-07"),
        ([policy(1)], "2026-01-01", "2025-11"),
        ([policy(3), policy(12, name="year")], "2026-11-26", "2025-10"),
        ([policy(3, wait_days=14)], "2026-11-14", "2026-06"),
        ([policy(3, wait_days=14)], "2026-11-15", "2026-07"),
        ([], "2026-11-26", "2024-09"),
    ],
)
def test_months_are_kept_as_long_as_a_policy_can_ask_for_them(
    policies: list[dict[str, Any]], today: str, expected: str
) -> None:
    """Those of the longest policy and two more, counted from the month that is still waited for."""
    assert oldest_month(program(*policies), date.fromisoformat(today)) == expected


def test_older_months_are_dropped_and_not_counted_any_more() -> None:
    """What comes, or is taken, too late changes nothing, and no month is ever below zero."""
    today = date(2026, 11, 26)
    standing = Standing(spent={"2026-06": 5, "2026-07": 7})
    assert counted(standing, BARE, None, ("2026-11", 1), today).spent == {"2026-07": 7, "2026-11": 1}
    assert counted(standing, BARE, None, ("2026-06", 1), today).spent == {"2026-07": 7}
    assert counted(standing, BARE, ("2026-08", 9), ("2026-08", 2), today).spent == {"2026-07": 7}


def test_there_are_at_most_two_months_more_than_the_policy_has() -> None:
    """An account stays small however long its member buys."""
    desk = Desk(BARE)
    for month in range(1, 13):
        at = datetime(2026, month, 15, tzinfo=UTC)
        desk.book(paid(100, order_id=f"o{month}", at=at), noon(f"2026-{month:02d}-15"))
    assert list(desk.account.standing.spent) == ["2026-08", "2026-09", "2026-10", "2026-11", "2026-12"]
