"""Notices: each thing once, again when it comes up again, one message a day, and never in quiet hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.account import Account, Change, Reminded, Status, Told, as_of, credit
from jifen.domain.entries import Draft, Kind, Source
from jifen.domain.lots import LotChange
from jifen.domain.messages import Outcome, claim, confirm, due
from jifen.domain.notice_terms import QuietHours
from jifen.domain.notices import NoticeKind
from jifen.domain.program import Moment, Program, parse_program
from jifen.domain.quiet import quiet_until, zone_of
from jifen.domain.reminders import AT_ONCE, next_reminder_on
from jifen.domain.standing import Standing, TierState
from jifen.domain.validity_terms import Inactive
from tests.domain.builders import MEMBER, day, later, lot, noon

CHANNELS = ("email", "sms")
START = noon("2026-06-15")
TIERS = {
    "levels": [{"id": "plain", "from": 0}, {"id": "silver", "from": 100}, {"id": "gold", "from": 500, "title": "Gold"}],
    "period": "year",
}


def program(tiers: Mapping[str, Any] | None = None, **notices: Any) -> Program:
    """A program with a section of notices."""
    data = {"currency": "CNY", "reminders": {"lead_days": [7]}, "notices": {"once_a_day": False, **notices}}
    return parse_program({**data, "tiers": tiers} if tiers else data)


def run(
    account: Account, terms: Program, moment: Moment, channels: tuple[str, ...] = CHANNELS
) -> tuple[Account, list[tuple[str, Mapping[str, Any]]]]:
    """One run that reaches every channel: the account, and what was told as (kind, facts)."""
    account = as_of(account, moment).account
    plan = due(account, terms, lambda _kind: channels, "w1", moment)
    if not plan.items and not plan.passed:
        return account, []
    after = claim(account, plan, terms, "w1", moment)
    has = Outcome(frozenset(item.mark for item in plan.items))
    for channel in channels:
        after = confirm(after, plan.items, channel, has, "w1", moment.today, last=channel == channels[-1])
    return after, [(str(item.notice.kind), item.notice.facts) for item in plan.items]


def moved(account: Account, points: int, moment: Moment, active_from: str | None = None) -> Account:
    """The account with so many points more, or fewer, by an entry."""
    kind = Kind.BONUS if points > 0 else Kind.REDEEM
    draft = Draft(kind, "GOODWILL", Source("adjustment", "j"), moment.now)
    change = (LotChange(points, None, day(active_from) if active_from else None),)
    if points > 0:
        return credit(Change(account), replace(draft, lots=change), moment).account
    return Change(account).post(replace(draft, points=points, lots=change), moment).account


# Balance reached -----------------------------------------------------------------------------------------------------


def test_an_amount_is_told_once_with_what_it_is_worth() -> None:
    """5,000 points at 100 a yuan are 50 yuan; a second run is silent, and so is the index."""
    terms = program(balance_reached=[5_000])
    account = Account(MEMBER, lots=(lot(5_000),))
    assert next_reminder_on(account, terms) == AT_ONCE
    account, told = run(account, terms, START)
    worth = {"amount_minor": 5_000, "currency": "CNY"}
    assert [("points.balance_reached", {"amount": 5_000, "available": 5_000, "worth": worth})] == told
    assert next_reminder_on(account, terms) is None
    assert [] == run(account, terms, later(START, days=1))[1]


def test_of_several_amounts_the_highest_is_told() -> None:
    """Who comes to 6,000 at once hears of 5,000, and never of 1,000 afterwards."""
    terms = program(balance_reached=[1_000, 5_000, 9_000])
    account, told = run(Account(MEMBER, lots=(lot(6_000),)), terms, START)
    assert [5_000] == [facts["amount"] for _, facts in told]
    assert next_reminder_on(account, terms) is None
    assert {"points.balance_reached/1000", "points.balance_reached/5000"} == set(account.told.marks)


def test_an_amount_is_told_again_once_the_points_have_been_fewer() -> None:
    """Spent below it and earned again, with no run in between, is told again, under another id."""
    terms = program(balance_reached=[1_000, 5_000])
    account, _ = run(Account(MEMBER, lots=(lot(5_000),)), terms, START)
    account = moved(account, -1, START)
    assert {"points.balance_reached/1000"} == set(account.told.marks)
    assert next_reminder_on(account, terms) is None
    account = moved(account, 1, START)
    tomorrow = later(START, days=1)
    _, told = run(account, terms, tomorrow)
    assert [5_000] == [facts["amount"] for _, facts in told]
    ids = {
        due(Account(MEMBER, lots=(lot(5_000),)), terms, lambda _: CHANNELS, "w", at).items[0].notice.id
        for at in (START, tomorrow)
    }
    assert len(ids) == 2


def test_pending_points_count_once_they_are_active() -> None:
    """Points that become active on a day are told on that day; until then the account waits for it."""
    terms = program(balance_reached=[100])
    account = Account(MEMBER, lots=(lot(60), lot(40, None, "2026-06-20")))
    assert next_reminder_on(account, terms) == day("2026-06-20")
    assert [] == run(account, terms, noon("2026-06-19"))[1]
    assert [100] == [facts["available"] for _, facts in run(account, terms, noon("2026-06-20"))[1]]


def test_pending_points_do_not_keep_a_mark() -> None:
    """An amount that was left with nothing but pending points above it is told again when they are active."""
    terms = program(balance_reached=[100])
    account, _ = run(Account(MEMBER, lots=(lot(100),)), terms, START)
    account = moved(moved(account, 90, START, active_from="2026-07-01"), -50, START)
    assert not account.told.marks
    assert [140] == [facts["available"] for _, facts in run(account, terms, noon("2026-07-01"))[1]]


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED, Status.MERGED, Status.ERASED])
def test_nobody_hears_of_an_account_that_is_not_active(status: Status) -> None:
    """A frozen account is not told what it could spend, and does not stay in the index."""
    account = Account(MEMBER, status=status, lots=(lot(5_000),))
    assert next_reminder_on(account, program(balance_reached=[1_000])) is None
    assert [] == run(account, program(balance_reached=[1_000]), START)[1]


# Levels --------------------------------------------------------------------------------------------------------------


def levelled(level: str, since: str, until: str | None = None, *, fell: bool = False, **months: int) -> Account:
    """An account with a level, and what qualified in months (``m2026_01``)."""
    qualified = {name[1:].replace("_", "-"): amount for name, amount in months.items()}
    state = TierState(level, day(since), day(until) if until else None, fell)
    return Account(MEMBER, standing=Standing(tier=state, qualified=qualified))


def test_a_risen_level_is_told_within_a_week() -> None:
    """From its first day through the seventh after it; later it is passed over, and the index is silent either way."""
    terms = program(TIERS, tier_reached=True)
    account = levelled("gold", "2026-06-10", "2027-12-31", m2026_06=600)
    assert next_reminder_on(account, terms) == day("2026-06-10")
    for today, expected in (("2026-06-10", 1), ("2026-06-17", 1), ("2026-06-18", 0)):
        after, told = run(account, terms, noon(today))
        assert expected == len(told)
        assert next_reminder_on(after, terms) is None
    assert [("tier.reached", {"tier": "gold", "title": "Gold", "since": "2026-06-10"})] == run(account, terms, START)[1]


def test_neither_the_first_level_nor_a_fall_is_news() -> None:
    """Only a rise is told."""
    terms = program(TIERS, tier_reached=True)
    assert next_reminder_on(levelled("plain", "2026-06-10"), terms) is None
    assert next_reminder_on(levelled("silver", "2026-06-10", "2027-12-31", fell=True, m2026_06=150), terms) is None


def test_a_level_at_risk_is_told_so_many_days_ahead_with_what_is_missing() -> None:
    """Gold through 2026, 200 of 500 so far: told 30 days before 1 January, once; silent where enough qualified."""
    terms = program(TIERS, tier_at_risk_days=30)
    account = levelled("gold", "2025-03-01", "2026-12-31", m2025_03=600, m2026_05=200)
    assert next_reminder_on(account, terms) == day("2026-12-02")
    assert [] == run(account, terms, noon("2026-12-01"))[1]
    after, told = run(account, terms, noon("2026-12-02"))
    facts = {"tier": "gold", "title": "Gold", "until": "2026-12-31", "falls_to": "silver", "falls_to_title": "silver"}
    assert [("tier.at_risk", {**facts, "by": "points", "missing": 300})] == told
    assert next_reminder_on(after, terms) is None
    assert [] == run(after, terms, noon("2026-12-20"))[1]
    kept = levelled("gold", "2025-03-01", "2026-12-31", m2026_05=500)
    assert next_reminder_on(kept, terms) == day("2027-12-02"), "for a year more"


def test_a_level_that_is_missing_spending_says_so_in_money() -> None:
    """Where levels go by spending, what is missing is an amount."""
    terms = program({**TIERS, "by": "spend"}, tier_at_risk_days=30)
    account = levelled("gold", "2025-03-01", "2026-12-31", m2025_03=600, m2026_05=200)
    ((_, facts),) = run(account, terms, noon("2026-12-02"))[1]
    assert {"amount_minor": 300, "currency": "CNY"} == facts["missing"]


# The reward saved for ------------------------------------------------------------------------------------------------


def test_the_reward_saved_for_is_told_when_it_can_be_had() -> None:
    """Once for a goal; another goal is told anew, and the mark of the old one goes."""
    terms = program(reward_affordable=True)
    account = Account(MEMBER, lots=(lot(500),), standing=Standing(goal=("tea-cup", 500)))
    assert next_reminder_on(replace(account, lots=(lot(499),)), terms) is None
    account, told = run(account, terms, START)
    assert [("tea-cup", 500)] == [(facts["reward_id"], facts["points"]) for _, facts in told]
    assert [] == run(account, terms, later(START, days=1))[1]
    account = replace(account, standing=Standing(goal=("mug", 300)))
    account, told = run(account, terms, later(START, days=1))
    assert ["mug"] == [facts["reward_id"] for _, facts in told]
    assert ["reward.affordable/mug/300"] == list(account.told.marks)


# Dormancy ------------------------------------------------------------------------------------------------------------

DORMANT = parse_program(
    {
        "reminders": {"lead_days": []},
        "validity": {
            "policies": [
                {
                    "id": "sleepy",
                    "starts_on": "2026-01-01",
                    "when": {"inactive": {"days": 100, "known_since": "2026-01-01"}},
                    "void": {"share": "0.50", "notice_days": 30},
                }
            ]
        },
    }
)
ASLEEP = Account(MEMBER, lots=(lot(200),), standing=Standing(seen={"login": day("2026-02-01")}))


def test_dormancy_is_told_before_anything_is_voided() -> None:
    """The mark says from which day on; nothing is due any more once every channel has it."""
    on = next_reminder_on(ASLEEP, DORMANT)
    assert on == day("2026-04-13")
    after, told = run(ASLEEP, DORMANT, noon("2026-04-13"))
    assert [("points.dormant", "2026-02-01", 100)] == [(kind, facts["since"], facts["points"]) for kind, facts in told]
    assert [f"points.dormant/sleepy@0.5/2026-02-01/{told[0][1]['voids_on']}/100"] == list(after.told.marks)
    assert next_reminder_on(after, DORMANT) is None


def test_who_cannot_be_told_keeps_the_points_and_is_tried_again() -> None:
    """No channel: no mark that a void goes by; and a month later the member is looked at again."""
    after, told = run(ASLEEP, DORMANT, noon("2026-04-13"), channels=())
    assert 1 == len(told)
    assert ["points.dormant/sleepy@0.5/2026-02-01/unreached/2026-04-13"] == list(after.told.marks)
    assert next_reminder_on(after, DORMANT) == day("2026-05-13")
    after, _ = run(after, DORMANT, noon("2026-05-13"))
    assert 1 == len(after.told.marks)
    assert "unreached" not in next(iter(after.told.marks))


def test_a_notice_that_no_channel_took_is_no_notice() -> None:
    """Given up on every channel is not told; one channel that has it is enough."""
    moment = noon("2026-04-13")
    plan = due(ASLEEP, DORMANT, lambda _: CHANNELS, "w1", moment)
    claimed = claim(ASLEEP, plan, DORMANT, "w1", moment)
    marks = frozenset(item.mark for item in plan.items)
    half = confirm(claimed, plan.items, "email", Outcome(never=marks), "w1", moment.today, last=False)
    lost = confirm(half, plan.items, "sms", Outcome(never=marks), "w1", moment.today, last=True)
    kept = confirm(half, plan.items, "sms", Outcome(has=marks), "w1", moment.today, last=True)
    assert [True, False] == ["unreached" in next(iter(account.told.marks)) for account in (lost, kept)]
    assert all(not mark.waiting for account in (lost, kept) for mark in account.told.marks.values())


@pytest.mark.parametrize("waiting", [(), ("sms",)])
def test_a_notice_of_an_earlier_release_goes_out_anew(waiting: tuple[str, ...]) -> None:
    """Its mark names no points: every channel is told, with the points and all days of notice; nothing of it stays."""
    former = "points.dormant/sleepy@0.5/2026-02-01/2026-05-13"
    account = replace(ASLEEP, told=Told({former: Reminded(day("2026-04-13").toordinal(), waiting)}))
    assert day("2026-04-13") == next_reminder_on(account, DORMANT)

    plan = due(account, DORMANT, lambda _: CHANNELS, "w1", noon("2026-05-10"))
    assert [CHANNELS] == [item.channels for item in plan.items]
    after, told = run(account, DORMANT, noon("2026-05-10"))
    assert [(100, "2026-06-09")] == [(facts["points"], facts["voids_on"]) for _, facts in told]
    assert ["points.dormant/sleepy@0.5/2026-02-01/2026-06-09/100"] == list(after.told.marks)


def test_each_policy_that_voids_is_told_by_itself() -> None:
    """Two absences that are over on one day are one message; who could not be told of one hears of the other."""
    (sleepy,) = DORMANT.policies
    later_on = replace(sleepy, id="later", when=Inactive(day("2026-01-01"), days=120), notice_days=30)
    both = replace(DORMANT, policies=(sleepy, later_on))
    after, told = run(ASLEEP, both, noon("2026-05-03"))
    assert ["sleepy", "later"] == [facts["policy"] for _, facts in told]
    assert next_reminder_on(after, both) is None
    lost, _ = run(ASLEEP, both, noon("2026-04-13"), channels=())
    assert next_reminder_on(lost, both) == day("2026-05-03")
    assert ["later"] == [facts["policy"] for _, facts in run(lost, both, noon("2026-05-03"))[1]]


def test_points_that_lapse_before_they_would_be_voided_are_no_reason_to_look_every_day() -> None:
    """Nothing is told; the account is looked at again after a month, and its marks stay few."""
    lapsing = replace(ASLEEP, lots=(lot(200, "2026-05-20"),))
    assert next_reminder_on(lapsing, DORMANT) == day("2026-04-13")
    after = lapsing
    for on, next_on in (("2026-04-25", "2026-05-25"), ("2026-04-26", "2026-05-25"), ("2026-05-25", None)):
        after, told = run(after, DORMANT, noon(on))
        assert [] == told
        assert len(after.told.marks) <= 1
        assert next_reminder_on(after, DORMANT) == (day(next_on) if next_on else None)


def test_marks_of_who_cannot_be_told_do_not_grow() -> None:
    """A year in which nobody can be told leaves one mark."""
    after = ASLEEP
    for month in range(12):
        after, _ = run(after, DORMANT, later(noon("2026-04-13"), days=30 * month), channels=())
        assert 1 == len(after.told.marks)


# One message a day ---------------------------------------------------------------------------------------------------


def test_nothing_new_is_begun_on_a_day_on_which_a_message_went_out() -> None:
    """What becomes due after the day's message waits for tomorrow, and so does the account in the index."""
    terms = program(balance_reached=[1_000], once_a_day=True)
    account, told = run(Account(MEMBER, lots=(lot(1, "2026-06-20"),)), terms, START)
    assert ["points.expiring"] == [kind for kind, _ in told]
    account = moved(account, 1_000, START)
    assert [] == run(account, terms, later(START, hours=9))[1]
    assert next_reminder_on(account, terms) == day("2026-06-16")
    assert ["points.balance_reached"] == [kind for kind, _ in run(account, terms, later(START, days=1))[1]]


def test_what_was_begun_is_finished_on_the_same_day() -> None:
    """A channel that waits is tried again on the day of the message; only it is."""
    terms = program(balance_reached=[1_000], once_a_day=True)
    account = Account(MEMBER, lots=(lot(1, "2026-06-20"),))
    plan = due(account, terms, lambda _: CHANNELS, "w1", START)
    has = Outcome(frozenset(item.mark for item in plan.items))
    claimed = claim(account, plan, terms, "w1", START)
    half = confirm(claimed, plan.items, "email", has, "w1", START.today, last=False)
    half = confirm(half, plan.items, "sms", Outcome(), "w1", START.today, last=True)
    half = moved(half, 1_000, START)
    again = due(half, terms, lambda _: CHANNELS, "w2", later(START, hours=1)).items
    assert [(day("2026-06-20"), ("sms",), 2)] == [(item.mark, item.channels, item.tries) for item in again]
    assert next_reminder_on(half, terms) == day("2026-06-13")


def test_without_a_section_of_notices_there_is_no_limit_to_a_day() -> None:
    """The contract's reminders are of dates alone: a lot that comes later on the same day is told on it."""
    terms = parse_program({"reminders": {"lead_days": [7]}})
    account, _ = run(Account(MEMBER, lots=(lot(1, "2026-06-20"),)), terms, START)
    assert (None, {}) == (account.told.day, account.told.marks)
    account = replace(account, lots=(*account.lots, lot(2, "2026-06-21")))
    assert [2] == [facts["points"] for _, facts in run(account, terms, later(START, hours=1))[1]]


def test_the_most_urgent_comes_first() -> None:
    """What expires stands before what can be spent."""
    terms = program(TIERS, balance_reached=[1], tier_reached=True)
    account = replace(levelled("silver", "2026-06-14", "2027-12-31", m2026_06=150), lots=(lot(5, "2026-06-20"),))
    assert ["points.expiring", "points.balance_reached", "tier.reached"] == [
        kind for kind, _ in run(account, terms, START)[1]
    ]


# Over time -----------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.one_of(st.none(), st.integers(-900, 900).filter(bool)), st.booleans()), max_size=25
)


@given(STEPS)
def test_marks_stay_few_and_the_index_says_when_a_run_has_something_to_do(
    steps: list[tuple[int, int | None, bool]],
) -> None:
    """Whatever comes and goes: as many marks as amounts, told once between two falls, and the foretold day is right."""
    terms = program(balance_reached=[200, 500, 1_000], once_a_day=True)
    account, moment, heard = Account(MEMBER), START, dict.fromkeys((200, 500, 1_000), 0)
    highest = dict.fromkeys(heard, 0)
    for days, points, runs in steps:
        moment = later(moment, days=days)
        if points is not None and account.balance + points >= 0:
            account = moved(account, points, moment)
            highest = {amount: 0 if account.balance < amount else seen for amount, seen in highest.items()}
        if runs:
            on = next_reminder_on(account, terms)
            account, told = run(account, terms, moment)
            assert bool(told) == (on is not None and on <= moment.today)
            for _, facts in told:
                highest[facts["amount"]] += 1
                heard[facts["amount"]] += 1
        assert len(account.told.marks) <= len(heard)
        assert all(seen <= 1 for seen in highest.values())


# Quiet hours ---------------------------------------------------------------------------------------------------------

NIGHT = QuietHours(time(22), time(8))


@pytest.mark.parametrize(
    ("zone", "hours", "now", "ends"),
    [
        ("Asia/Shanghai", NIGHT, "2026-06-15T13:59:59+00:00", None),
        ("Asia/Shanghai", NIGHT, "2026-06-15T14:00:00+00:00", "2026-06-16T00:00:00+00:00"),
        ("Asia/Shanghai", NIGHT, "2026-06-15T23:59:59+00:00", "2026-06-16T00:00:00+00:00"),
        ("Asia/Shanghai", NIGHT, "2026-06-16T00:00:00+00:00", None),
        ("UTC", QuietHours(time(13), time(14, 30)), "2026-06-15T14:29:00+00:00", "2026-06-15T14:30:00+00:00"),
        # the hour from 1:00 is skipped: quiet hours that would end in it end with the jump
        ("Europe/London", QuietHours(time(22), time(1, 30)), "2026-03-29T00:59:59+00:00", "2026-03-29T01:00:00+00:00"),
        ("Europe/London", QuietHours(time(1, 30), time(3)), "2026-03-29T01:00:00+00:00", "2026-03-29T02:00:00+00:00"),
        # the hour from 1:00 comes twice: they end the second time, and begin the first time
        ("Europe/London", QuietHours(time(22), time(1, 30)), "2026-10-25T00:45:00+00:00", "2026-10-25T01:30:00+00:00"),
        ("Europe/London", QuietHours(time(1, 30), time(7)), "2026-10-25T01:10:00+00:00", "2026-10-25T07:00:00+00:00"),
        # 30 December 2011 did not exist
        ("Pacific/Apia", NIGHT, "2011-12-30T09:30:00+00:00", "2011-12-30T18:00:00+00:00"),
    ],
)
def test_quiet_hours_end_where_the_clock_says(zone: str, hours: QuietHours, now: str, ends: str | None) -> None:
    """On ordinary days, and on those on which clocks are changed."""
    found = quiet_until(hours, ZoneInfo(zone), datetime.fromisoformat(now))
    assert (datetime.fromisoformat(ends) if ends else None) == found


@given(
    st.times().map(lambda clock: clock.replace(second=0, microsecond=0)),
    st.times().map(lambda clock: clock.replace(second=0, microsecond=0)),
    st.sampled_from(["Europe/London", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Shanghai"]),
    st.sampled_from(["2011-12-29", "2026-03-29", "2026-10-25", "2026-11-01", "2026-04-05"]),
    st.integers(0, 3 * 86_400),
)
def test_the_end_of_quiet_hours_is_not_quiet(start: time, end: time, zone: str, around: str, seconds: int) -> None:
    """Nobody is held twice, or for more than two days; what the wall clock calls quiet is."""
    if start == end:
        return
    hours, place = QuietHours(start, end), ZoneInfo(zone)
    now = datetime.fromisoformat(around).replace(tzinfo=UTC) + timedelta(seconds=seconds) - timedelta(days=1)
    ends = quiet_until(hours, place, now)
    clock = now.astimezone(place).time()
    inside = start <= clock < end if start < end else clock >= start or clock < end
    assert ends is not None or not inside
    if ends is not None:
        assert now < ends <= now + timedelta(hours=50)
        assert quiet_until(hours, place, ends) is None


def test_a_zone_that_there_is_not_is_the_programs() -> None:
    """What cannot be read of a contact holds nobody back."""
    shanghai = ZoneInfo("Asia/Shanghai")
    assert [shanghai, shanghai, shanghai, ZoneInfo("UTC")] == [
        zone_of(name, shanghai) for name in (None, "Mars/Olympus", "../etc/passwd", "UTC")
    ]


def test_a_held_account_waits_for_an_instant() -> None:
    """Its next date is the end of the quiet hours, whatever else is due."""
    until = datetime(2026, 6, 16, 0, 0, tzinfo=UTC)
    account = Account(MEMBER, lots=(lot(5, "2026-06-16"),), told=Told(held_until=until))
    assert until == next_reminder_on(account, program())
    after, _ = run(account, program(), noon("2026-06-16"))
    assert after.told.held_until is None


def test_kinds_are_all_told_somewhere() -> None:
    """Every kind of notice has a place in the order of a message."""
    from jifen.domain.messages import _RANKS  # noqa: PLC0415 - only here

    assert set(NoticeKind) == set(_RANKS)
