"""Reminders: once per lot date and lead, and the next dates of an account."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.account import Account, OpenHold, Status, as_of
from jifen.domain.calendar import DAY, day_start
from jifen.domain.lots import Lot, LotChange, apply
from jifen.domain.messages import Outcome, claim, confirm, due
from jifen.domain.program import Moment, Program, parse_program
from jifen.domain.reminders import (
    CLAIM_LEASE,
    NEVER,
    Reminder,
    due_reminders,
    next_expiry_on,
    next_reminder_on,
)
from tests.domain.builders import MEMBER, day, instant, later, lot, noon

LEADS = (30, 7, 3)
CHANNELS = ("email", "sms")
TODAY = date(2026, 6, 15)
START = noon("2026-06-15")

DATED_LOTS = st.dictionaries(st.integers(0, 60), st.integers(1, 50), max_size=4).map(
    lambda drawn: apply((), [LotChange(points, TODAY + timedelta(days=number)) for number, points in drawn.items()])
)
LEAD_SETS = st.sets(st.integers(0, 45), max_size=4).map(lambda leads: tuple(sorted(leads, reverse=True)))


def reminding_at(leads: tuple[int, ...]) -> Program:
    """A program with these leads."""
    return replace(Program(), lead_days=leads)


def claimed(account: Account, moment: Moment, worker: str = "w1", leads: tuple[int, ...] = LEADS) -> Account:
    """The account once a worker has claimed what is due."""
    program = reminding_at(leads)
    return claim(account, due(account, program, lambda _kind: CHANNELS, worker, moment), program, worker, moment)


def confirmed(
    account: Account,
    moment: Moment,
    worker: str = "w1",
    channels: tuple[str, ...] = CHANNELS,
    leads: tuple[int, ...] = LEADS,
) -> Account:
    """The account once a worker that had claimed what is due has sent it on some channels."""
    items = due(account, reminding_at(leads), lambda _kind: CHANNELS, worker, moment).items
    has = Outcome(frozenset(item.mark for item in items))
    for channel in channels:
        last = channel == channels[-1]
        account = confirm(account, items, channel, has, worker, moment.today, last=last)
    return account


def sweep(account: Account, leads: tuple[int, ...], moment: Moment) -> tuple[Account, list[Reminder]]:
    """One daily run that reaches every channel."""
    account = as_of(account, moment).account
    found = list(due_reminders(account, leads, CHANNELS, "w1", moment))
    return confirmed(claimed(account, moment, leads=leads), moment, leads=leads), found


def sent(account: Account, leads: tuple[int, ...], days: list[int]) -> list[tuple[date, date, int]]:
    """What sweeps on these days send: day of the sweep, lot date, lead."""
    found = []
    for number in days:
        account, told = sweep(account, leads, later(START, days=number))
        found += [(TODAY + timedelta(days=number), reminder.lot_expires_on, reminder.lead_days) for reminder in told]
    return found


@given(DATED_LOTS, LEAD_SETS)
def test_daily_sweeps_send_each_lead_of_each_lot_date_once(lots: tuple[Lot, ...], leads: tuple[int, ...]) -> None:
    """Over daily sweeps each lead goes out on its day; of leads that were due before the first sweep, the smallest."""
    expected = set()
    for each in lots:
        assert each.expires_on is not None
        left = (each.expires_on - TODAY).days
        expected |= {(each.expires_on - timedelta(days=lead), each.expires_on, lead) for lead in leads if lead < left}
        overdue = [lead for lead in leads if lead >= left]
        expected |= {(TODAY, each.expires_on, min(overdue))} if overdue else set()
    found = sent(Account(MEMBER, lots=lots), leads, list(range(65)))
    assert expected == set(found)
    assert len(expected) == len(found)


@given(DATED_LOTS, LEAD_SETS, st.lists(st.integers(0, 64), max_size=12).map(sorted))
def test_a_missed_day_sends_only_the_smallest_lead_that_is_due(
    lots: tuple[Lot, ...], leads: tuple[int, ...], days: list[int]
) -> None:
    """Whatever days are missed or doubled, a sweep sends the smallest due lead unless it or a smaller one was sent."""
    smallest: dict[date, int] = {}
    expected = []
    for number in days:
        today = TODAY + timedelta(days=number)
        for each in lots:
            assert each.expires_on is not None
            due = [lead for lead in leads if today >= each.expires_on - timedelta(days=lead)]
            if due and today <= each.expires_on and min(due) < smallest.get(each.expires_on, 10**6):
                smallest[each.expires_on] = min(due)
                expected.append((today, each.expires_on, min(due)))
    assert expected == sent(Account(MEMBER, lots=lots), leads, days)


@given(DATED_LOTS, LEAD_SETS, st.lists(st.integers(0, 64), max_size=4).map(sorted))
def test_the_next_reminder_day_is_the_first_on_which_a_sweep_sends(
    lots: tuple[Lot, ...], leads: tuple[int, ...], days: list[int]
) -> None:
    """After any sweeps, looking day by day finds the next reminder on the day that was foretold, or never."""
    account, number = Account(MEMBER, lots=lots), 0
    for number in days:
        account, _ = sweep(account, leads, later(START, days=number))
    account = as_of(account, later(START, days=number)).account
    foretold = next_reminder_on(account, reminding_at(leads))
    found = None
    for ahead in range(number, 70):
        moment = later(START, days=ahead)
        if due_reminders(as_of(account, moment).account, leads, CHANNELS, "w1", moment):
            found = moment.today
            break
    today = TODAY + timedelta(days=number)
    assert (foretold if foretold is None else max(foretold, today)) == found


@given(
    DATED_LOTS,
    st.lists(st.tuples(st.integers(1, 60 * 24), st.integers(0, 50)), max_size=3),
    st.sampled_from(["UTC", "Asia/Shanghai", "America/St_Johns", "America/Sao_Paulo", "Pacific/Apia"]),
    st.sampled_from(["2026-06-15", "2010-10-25", "2018-10-20", "2011-12-15"]),
)
def test_the_next_expiry_day_is_the_first_on_which_a_sweep_writes(
    lots: tuple[Lot, ...], holds: list[tuple[int, int]], zone: str, start: str
) -> None:
    """A sweep at the end of the foretold day has something to write, and at the end of any day before it has not."""
    program = parse_program({"time_zone": zone})
    shift = day(start) - TODAY
    now = program.moment(instant(f"{start}T03:17:00Z"))
    book = tuple(replace(each, expires_on=each.expires_on + shift + DAY) for each in lots if each.expires_on)
    opened = tuple(
        OpenHold(f"h{number}", (Lot(5, now.today + timedelta(days=last)),), now.now + timedelta(hours=hours))
        for number, (hours, last) in enumerate(holds)
    )
    account = Account(MEMBER, lots=book, holds=opened)
    foretold = next_expiry_on(account, program)
    found = None
    for number in range(75):
        end = day_start(now.today + (number + 1) * DAY, program.zone) - timedelta(microseconds=1)
        if as_of(account, program.moment(end)).entries:
            found = program.moment(end).today
            break
    assert foretold == found


def test_without_dated_lots_or_leads_there_is_nothing_to_wait_for() -> None:
    """Undated points are never reminded of and lapse on no day, and a program without leads sends nothing."""
    assert next_reminder_on(Account(MEMBER, lots=(lot(5),)), reminding_at(LEADS)) is None
    assert NEVER == next_expiry_on(Account(MEMBER, lots=(lot(5),)), Program())
    assert next_expiry_on(Account(MEMBER), Program()) is None
    account = Account(MEMBER, lots=(lot(5, "2026-06-20"),))
    assert next_reminder_on(account, reminding_at(())) is None
    assert () == due_reminders(account, (), CHANNELS, "w1", START)


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        ("2026-05-31", None),
        ("2026-06-01", 30),
        ("2026-06-24", 7),
        ("2026-06-28", 3),
        ("2026-07-01", 3),
        ("2026-07-02", None),
    ],
)
def test_the_smallest_lead_that_is_due(today: str, expected: int | None) -> None:
    """For points that last through 1 July: 30 days before, the smallest due later on, nothing once they are gone."""
    account = Account(MEMBER, lots=(lot(119, "2026-07-01"),))
    found = due_reminders(account, LEADS, CHANNELS, "w1", noon(today))
    assert (() if expected is None else (Reminder(MEMBER, day("2026-07-01"), expected, 119, CHANNELS),)) == found


def test_a_reminder_says_what_is_left_now_of_all_lots_of_the_date() -> None:
    """Lots of one last day are one reminder, of the points that are left at the time of sending."""
    account = Account(MEMBER, lots=(lot(5, "2026-06-20"), lot(6, "2026-06-20", "2026-06-17"), lot(9, "2026-06-21")))
    found = due_reminders(account, LEADS, CHANNELS, "w1", START)
    assert [(day("2026-06-20"), 11), (day("2026-06-21"), 9)] == [(each.lot_expires_on, each.points) for each in found]


def test_who_has_spent_everything_is_left_alone() -> None:
    """No lot, no reminder; and points that come back after a reminder was sent are not reminded of again."""
    account, told = sweep(Account(MEMBER, lots=(lot(5, "2026-06-20"),)), LEADS, START)
    assert 1 == len(told)
    assert () == due_reminders(replace(account, lots=()), LEADS, CHANNELS, "w1", START)
    assert () == due_reminders(replace(account, lots=(lot(7, "2026-06-20"),)), LEADS, CHANNELS, "w1", START)


# Claiming and confirming ---------------------------------------------------------------------------------------------

ACCOUNT = Account(MEMBER, lots=(lot(5, "2026-06-20"),))
DUE = due_reminders(ACCOUNT, LEADS, CHANNELS, "w1", START)


def test_a_claimed_reminder_is_left_to_its_worker_until_the_lease_ends() -> None:
    """Within the lease nobody else sends; at its end the reminder is due again, for the channels that still wait."""
    taken = claimed(ACCOUNT, START)
    before = later(START, seconds=int(CLAIM_LEASE.total_seconds()) - 1)
    after = later(START, seconds=int(CLAIM_LEASE.total_seconds()))
    assert () == due_reminders(taken, LEADS, CHANNELS, "w2", before)
    assert DUE == due_reminders(taken, LEADS, CHANNELS, "w2", after)
    assert DUE == due_reminders(taken, LEADS, CHANNELS, "w1", before), "a claim of its own, whose answer was lost"
    assert next_reminder_on(taken, reminding_at(LEADS)) is not None


def test_the_lease_runs_by_the_wall_clock() -> None:
    """A sweep as of an old day holds its claim for as long as any other: the record time decides, not ``now``."""
    late = replace(START, recorded_at=instant("2030-01-01T00:00:00Z"))
    taken = claimed(ACCOUNT, late)
    assert () == due_reminders(taken, LEADS, CHANNELS, "w2", replace(late, now=late.now + timedelta(hours=9)))
    taken_over = replace(late, recorded_at=late.recorded_at + CLAIM_LEASE)
    assert DUE == due_reminders(taken, LEADS, CHANNELS, "w2", taken_over)


def test_a_confirmed_reminder_is_done() -> None:
    """When every channel has it, it is not due again, at any later time before the next lead."""
    done = confirmed(claimed(ACCOUNT, START), START)
    assert () == due_reminders(done, LEADS, CHANNELS, "w1", later(START, days=1))
    assert day("2026-06-17") == next_reminder_on(done, reminding_at(LEADS))
    (second,) = due_reminders(done, LEADS, CHANNELS, "w1", later(START, days=2))
    assert (3, CHANNELS) == (second.lead_days, second.channels)


def test_only_channels_that_wait_are_tried_again() -> None:
    """A channel that has acknowledged is not used twice for one reminder."""
    half = confirmed(claimed(ACCOUNT, START), START, channels=("email",))
    (again,) = due_reminders(half, LEADS, CHANNELS, "w1", later(START, minutes=1))
    assert (7, ("sms",)) == (again.lead_days, again.channels)


def test_a_worker_whose_claim_was_taken_over_confirms_nothing() -> None:
    """A late confirmation by the first worker does not end the claim of the second."""
    over = later(START, minutes=6)
    first = claimed(ACCOUNT, START)
    items = due(first, reminding_at(LEADS), lambda _kind: CHANNELS, "w1", START).items
    taken = claimed(first, over, "w2")
    has = Outcome(frozenset(item.mark for item in items))
    assert taken == confirm(taken, items, "email", has, "w1", over.today, last=True)
    assert taken != confirm(taken, items, "email", has, "w2", over.today, last=True)


def test_confirming_an_older_lead_does_not_end_a_newer_one() -> None:
    """A worker that claimed lead 7 and comes back after claiming lead 3 confirms only what is claimed now."""
    first = claimed(ACCOUNT, START)
    items = due(first, reminding_at(LEADS), lambda _kind: CHANNELS, "w1", START).items
    taken = claimed(first, later(START, days=2))
    has = Outcome(frozenset(item.mark for item in items))
    assert taken == confirm(taken, items, "email", has, "w1", TODAY, last=True)


def test_marks_of_past_dates_are_dropped() -> None:
    """The account does not remember reminders for dates that are gone."""
    taken = claimed(ACCOUNT, START)
    assert {day("2026-06-20")} == set(claimed(replace(taken, lots=()), noon("2026-06-20")).reminded)
    assert {} == claimed(replace(taken, lots=()), noon("2026-06-21")).reminded


@pytest.mark.parametrize("status", list(Status))
def test_whoever_has_gone_is_reminded_of_nothing(status: Status) -> None:
    """Points of a frozen account lapse and are reminded of; those of a closed, merged or erased one are not."""
    account = Account(MEMBER, status=status, lots=(lot(100, "2026-06-20"),))
    stays = status in {Status.ACTIVE, Status.FROZEN}

    assert stays == bool(due_reminders(account, LEADS, CHANNELS, "w1", START))
    assert stays == (next_reminder_on(account, reminding_at(LEADS)) is not None)
