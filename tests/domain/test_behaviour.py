"""What a member did, and what the rules make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain import behaviour, check_ins, profiles, task_board
from jifen.domain.account import Account, Change, Status, replay
from jifen.domain.behaviour import Outcome
from jifen.domain.campaigns import CampaignState, CampaignStatus
from jifen.domain.entries import Entry, Kind
from jifen.domain.errors import (
    AccountFrozen,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    NothingToMakeUp,
    WrongStatus,
)
from jifen.domain.events import BehaviourEvent, EventReceipt, EventStatus
from jifen.domain.program import Moment, parse_program
from jifen.domain.standing import Profile, Progress, Standing
from tests.domain.builders import day

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
AWARDED, NOTHING, IN_REVIEW = EventStatus.AWARDED, EventStatus.NOTHING, EventStatus.IN_REVIEW
CHECK_IN = {"id": "daily", "on": "member.checked_in", "streak": {"days": [10, 15, 20], "marks": {"3": 200}}}


@dataclass
class Diary:
    """A program of these earning rules, and what its members do, one after the other."""

    rules: Sequence[Mapping[str, Any]]
    earning: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    campaigns: dict[str, CampaignState] = field(default_factory=dict)
    marks: set[tuple[str, str]] = field(default_factory=set)
    count: int = 0

    def __post_init__(self) -> None:
        self.program = parse_program({"earning": {"rules": list(self.rules), **self.earning}, **self.more})

    @property
    def account(self) -> Account:
        """The account of m1."""
        return self.of("m1")

    def of(self, member: str) -> Account:
        """A member's account."""
        return self.accounts.get(member, Account(member))

    def moment(self, now: datetime = NOON) -> Moment:
        """A moment of the program."""
        return self.program.moment(now)

    def does(
        self, kind: str, at: datetime = NOON, member: str = "m1", now: datetime | None = None, **data: Any
    ) -> Outcome:
        """An event comes in, at the time it happened unless said."""
        self.count += 1
        event = BehaviourEvent(kind, f"e{self.count}", member, at, data)
        inviter = self.of(data["inviter"]) if kind == "invite.accepted" else None
        outcome = behaviour.decide(
            event,
            self.of(member),
            self.program.rules,
            self.campaigns,
            frozenset(self.marks),
            self.moment(now or at),
            inviter,
        )
        return self.keep(outcome)

    def keep(self, outcome: Outcome) -> Outcome:
        """Write down what came of it."""
        for member, change in outcome.changes.items():
            self.accounts[member] = replace(change.account, revision=change.account.revision + 1)
            self.entries.setdefault(member, []).extend(change.entries)
        self.campaigns |= outcome.campaigns
        self.marks |= set(outcome.marks)
        return outcome

    def made_up(self, on: str | None, now: datetime) -> Outcome:
        """A day is made up for."""
        self.count += 1
        made = check_ins.make_up(
            self.account,
            day(on) if on else None,
            f"e{self.count}",
            self.program.rules,
            self.campaigns,
            self.moment(now),
        )
        return self.keep(made)


def at(text: str) -> datetime:
    """Noon of a day, or an instant."""
    return datetime.fromisoformat(text if "T" in text else f"{text}T12:00:00+00:00")


def reasons(outcome: Outcome) -> dict[str, str]:
    """Why each rule that gave nothing did not."""
    return {line["rule"]: line["refused"] for line in outcome.why if "refused" in line}


# One event, one entry -------------------------------------------------------------------------------------------------


def test_an_event_is_one_bonus_that_says_why() -> None:
    """Two rules give; the entry names both, and the lots are those of their own validity."""
    diary = Diary(
        [
            {"id": "reg", "on": "member.registered", "fixed": 100},
            {"id": "soon", "on": "member.registered", "fixed": 30, "valid": {"policy": "days", "days": 7}},
            {"id": "off", "on": "member.registered", "fixed": 5, "enabled": False},
        ]
    )
    outcome = diary.does("member.registered")
    (entry,) = diary.entries["m1"]
    assert (AWARDED, 130) == (outcome.status, outcome.points)
    assert (Kind.BONUS, "BEHAVIOUR_REWARDED", 130) == (entry.draft.kind, entry.draft.reason, entry.draft.points)
    assert ("event", "e1") == (entry.draft.source.type, entry.draft.source.id)
    assert [(30, date(2026, 3, 17)), (100, date(2027, 3, 31))] == [
        (lot.points, lot.expires_on) for lot in diary.account.lots
    ]
    assert outcome.why == entry.draft.why
    assert (
        {"rule": "reg", "fixed": 100, "points": 100},
        {"rule": "soon", "fixed": 30, "points": 30},
        {"rule": "off", "refused": "DISABLED"},
    ) == entry.draft.why


def test_an_event_that_no_rule_is_about_gives_nothing_and_says_so() -> None:
    """No entry, nothing remembered."""
    outcome = Diary([]).does("page.viewed")
    assert (NOTHING, 0, ({"refused": "NO_RULE"},), {}) == (
        outcome.status,
        outcome.points,
        outcome.why,
        outcome.changes,
    )


def test_points_can_become_usable_later() -> None:
    """Ten days pending, from the day of the event."""
    diary = Diary([{"id": "reg", "on": "member.registered", "fixed": 100, "pending_days": 10}])
    diary.does("member.registered")
    assert (0, 100) == (diary.account.available(date(2026, 3, 19)), diary.account.pending(date(2026, 3, 19)))
    assert 100 == diary.account.available(date(2026, 3, 20))


@pytest.mark.parametrize(
    ("effect", "data", "points", "reason"),
    [
        ({"rate": {"points": 5, "per": 180, "field": "seconds"}}, {"seconds": 400}, 11, None),
        ({"rate": {"points": 5, "per": 180, "field": "seconds"}}, {"seconds": 35}, 0, "WORTH_NOTHING"),
        ({"rate": {"points": 5, "per": 180, "field": "seconds"}}, {"seconds": -400}, 0, "WORTH_NOTHING"),
        ({"rate": {"points": 5, "per": 180, "field": "seconds"}}, {"seconds": "400"}, 0, "NO_DATA"),
        ({"rate": {"points": 5, "per": 180, "field": "seconds"}}, {"seconds": True}, 0, "NO_DATA"),
        ({"rate": {"points": 5, "per": 1, "field": "seconds"}}, {"seconds": 10**15}, 10**12, None),
        ({"ladder": {"field": "score", "steps": [[60, 20], [90, 200]]}}, {"score": 59}, 0, "BELOW_FIRST_STEP"),
        ({"ladder": {"field": "score", "steps": [[60, 20], [90, 200]]}}, {"score": 60}, 20, None),
        ({"ladder": {"field": "score", "steps": [[60, 20], [90, 200]]}}, {"score": 95}, 200, None),
        ({"ladder": {"field": "score", "steps": [[60, 20], [90, 200]]}}, {}, 0, "NO_DATA"),
        ({"given": {"field": "points", "min": 30, "max": 100}}, {"points": 30}, 30, None),
        ({"given": {"field": "points", "min": 30, "max": 100}}, {"points": 100}, 100, None),
    ],
)
def test_what_an_effect_is_worth(effect: Any, data: Any, points: int, reason: str | None) -> None:
    """Rates, ladders and named points, and what they say of data that does not fit."""
    outcome = Diary([{"id": "r", "on": "survey.completed", **effect}]).does("survey.completed", **data)
    assert (points, reason) == (outcome.points, reasons(outcome).get("r"))


@pytest.mark.parametrize("value", [29, 101, -50, "50", True, None])
def test_points_that_the_shop_names_out_of_bounds_are_refused_by_name(value: Any) -> None:
    """422, and the field is in it."""
    diary = Diary([{"id": "r", "on": "review.selected", "given": {"field": "points", "min": 30, "max": 100}}])
    with pytest.raises(InvalidInput, match=r"data\.points: is not a whole number from 30 to 100"):
        diary.does("review.selected", points=value)


def test_data_is_a_condition() -> None:
    """A hundred likes, fifty comments and thirty shares."""
    wanted = {"likes": {"min": 100}, "comments": {"min": 50}, "shares": {"min": 30}}
    diary = Diary([{"id": "engaged", "on": "review.engaged", "fixed": 50, "when": {"data": wanted}}])
    assert "DATA" == reasons(diary.does("review.engaged", likes=100, comments=49, shares=30))["engaged"]
    assert 50 == diary.does("review.engaged", likes=100, comments=50, shares=30).points


def test_one_value_gives_points_once() -> None:
    """The same review twice is paid once, another one again; what names none gives nothing."""
    diary = Diary([{"id": "sel", "on": "review.selected", "fixed": 50, "once_per": "review_id"}])
    assert 50 == diary.does("review.selected", review_id="r1").points
    assert "ONCE_PER" == reasons(diary.does("review.selected", review_id="r1"))["sel"]
    assert 50 == diary.does("review.selected", review_id="r2").points
    assert "ONCE_PER_MISSING" == reasons(diary.does("review.selected"))["sel"]


@given(parts=st.lists(st.integers(min_value=0, max_value=4_000), min_size=1, max_size=12))
def test_a_day_adds_up_before_it_is_rounded(parts: list[int]) -> None:
    """However the seconds of a day are split over events, they give what they give together."""
    rate = {"points": 5, "per": 180, "field": "seconds", "daily": True}
    diary = Diary([{"id": "browse", "on": "page.browsed", "rate": rate}])
    given_points = sum(diary.does("page.browsed", seconds=part).points for part in parts)
    assert sum(parts) * 5 // 180 == given_points
    progress = diary.account.standing.goals["browse"]["2026-03-10"]
    assert (sum(parts), given_points) == (progress.done, progress.granted)


def test_a_day_is_rounded_as_the_rule_says_and_a_late_event_counts_in_its_own() -> None:
    """Half a point is one, once; yesterday's visit adds to yesterday; days of last week are forgotten."""
    rate = {"points": 1, "per": 100, "field": "seconds", "daily": True}
    diary = Diary([{"id": "browse", "on": "page.browsed", "rate": rate, "rounding": "ceil"}])
    assert [1, 0] == [diary.does("page.browsed", seconds=40).points for _ in range(2)]
    assert 1 == diary.does("page.browsed", at("2026-03-09"), now=NOON, seconds=40).points
    assert ["2026-03-09", "2026-03-10"] == sorted(diary.account.standing.goals["browse"])
    diary.does("page.browsed", at("2026-03-17"), seconds=40)
    assert ["2026-03-10", "2026-03-17"] == sorted(diary.account.standing.goals["browse"])


# Stacking -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stacking", "points", "refused"),
    [
        ("sum", 60, {}),
        ("best_of", 30, {"low": "NOT_BEST", "high": "NOT_BEST"}),
        ("exclusive", 20, {"low": "EXCLUDED_BY_PRIORITY", "best": "EXCLUDED_BY_PRIORITY"}),
    ],
)
def test_how_rules_stack(stacking: str, points: int, refused: dict[str, str]) -> None:
    """Sum, the best, or the one of highest priority."""
    rules = [
        {"id": "low", "on": "page.shared", "fixed": 10},
        {"id": "best", "on": "page.shared", "fixed": 30},
        {"id": "high", "on": "page.shared", "fixed": 20, "priority": 1},
        {"id": "no", "on": "page.shared", "fixed": 99, "priority": 9, "enabled": False},
    ]
    outcome = Diary(rules, {"stacking": stacking}).does("page.shared")
    assert (points, {**refused, "no": "DISABLED"}) == (outcome.points, reasons(outcome))


# Caps and budgets -----------------------------------------------------------------------------------------------------


def test_a_cap_says_what_it_allowed_and_when_it_resets() -> None:
    """At most 30 a day: the second visit gets what is left, and the next local midnight is named."""
    rule = {"id": "browse", "on": "page.browsed", "fixed": 20, "caps": [{"per": "day", "points": 30}]}
    diary = Diary([rule], more={"time_zone": "Asia/Shanghai"})
    assert [20, 10, 0] == [diary.does("page.browsed").points for _ in range(3)]
    cut = {"cap": "browse/day/points", "limit": 30, "allowed": 0, "cut": 20, "resets_at": "2026-03-10T16:00:00Z"}
    last = diary.does("page.browsed")
    assert (NOTHING, ({"rule": "browse", "fixed": 20, "points": 0}, cut)) == (last.status, last.why)
    assert 20 == diary.does("page.browsed", at("2026-03-11")).points


def test_a_late_event_counts_in_the_window_it_happened_in_while_that_is_kept() -> None:
    """Yesterday's cap is yesterday's; of a day nine days ago nothing is known any more, and today's cap counts."""
    rule = {"id": "share", "on": "page.shared", "fixed": 5, "caps": [{"per": "day", "times": 1}]}
    diary = Diary([rule])
    assert [5, 0] == [diary.does("page.shared").points for _ in range(2)]
    assert [5, 0] == [diary.does("page.shared", at("2026-03-09"), now=NOON).points for _ in range(2)]
    assert 0 == diary.does("page.shared", at("2026-03-01"), now=NOON).points


events = st.lists(
    st.tuples(st.sampled_from(["page.browsed", "page.shared"]), st.integers(0, 400), st.integers(-9, 0)), max_size=25
)


@given(happened=events)
def test_no_cap_is_ever_exceeded(happened: list[tuple[str, int, int]]) -> None:
    """Whatever comes, in whatever order and however late: per day, per month, and over all rules."""
    rate = {"points": 1, "per": 1, "field": "n"}
    share_caps = [{"per": "month", "times": 2}, {"per": "day", "times": 1}]
    rules: list[Mapping[str, Any]] = [
        {"id": "browse", "on": "page.browsed", "rate": rate, "caps": [{"per": "day", "points": 300}]},
        {"id": "share", "on": "page.shared", "fixed": 50, "caps": share_caps},
    ]
    diary = Diary(rules, {"caps": [{"per": "day", "points": 320}, {"per": "ever", "points": 900}]})
    by_day: dict[tuple[str, date], int] = {}
    for kind, number, back in happened:
        outcome = diary.does(kind, NOON + timedelta(days=back), now=NOON, n=number)
        counted_on = outcome.day if back >= -7 else NOON.date()
        by_day[kind, counted_on] = by_day.get((kind, counted_on), 0) + outcome.points
    for (kind, _), points in by_day.items():
        assert points <= (300 if kind == "page.browsed" else 50)
    assert all(sum(n for (_, on), n in by_day.items() if on == one) <= 320 for _, one in by_day)
    assert sum(n for (kind, on), n in by_day.items() if kind == "page.shared" and on.month == 3) <= 100
    assert diary.account.balance == sum(by_day.values()) <= 900


def campaign(budget: int | None = None) -> dict[str, Any]:
    """A campaign of one rule: 40 points a share."""
    rule = {"id": "share", "on": "page.shared", "fixed": 40}
    budgeted = {"budget_points": budget} if budget is not None else {}
    return {"id": "spring", "title": "Spring", "rules": [rule], **budgeted}


def test_a_campaign_never_gives_more_than_its_budget() -> None:
    """A hundred points: 40, 40, 20, and then nothing, with what was left in each answer."""
    diary = Diary([], {"campaigns": [campaign(100)]})
    assert [40, 40, 20, 0] == [diary.does("page.shared", member=f"m{n}").points for n in range(4)]
    assert (100, 3) == (diary.campaigns["spring"].given, diary.campaigns["spring"].awards)
    last = diary.does("page.shared")
    assert {"campaign": "spring", "budget_left": 0, "cut": 40} == last.why[-1]
    assert {} == last.campaigns


def test_rules_of_one_campaign_share_its_budget_on_one_event() -> None:
    """Forty and thirty of fifty: the one written first gets all of its own."""
    rules = [{"id": name, "on": "page.shared", "fixed": points} for name, points in (("a", 40), ("b", 30))]
    diary = Diary([], {"campaigns": [{"id": "spring", "budget_points": 50, "rules": rules}]})
    outcome = diary.does("page.shared")
    assert (50, {"campaign": "spring", "budget_left": 10, "cut": 20}) == (outcome.points, outcome.why[-1])
    assert (50, 1) == (diary.campaigns["spring"].given, diary.campaigns["spring"].awards)


def test_a_clock_that_is_ahead_begins_no_campaign() -> None:
    """What is said to have happened tomorrow is judged as of now."""
    diary = Diary([], {"campaigns": [{**campaign(), "from": "2026-03-11"}]})
    ahead = diary.does("page.shared", at("2026-03-11"), now=at("2026-03-10T20:00:00+00:00"))
    assert {"spring.share": "CAMPAIGN_NOT_YET"} == reasons(ahead)


@pytest.mark.parametrize(
    ("state", "when", "reason"),
    [
        (CampaignStatus.PAUSED, "2026-03-10", "CAMPAIGN_PAUSED"),
        (CampaignStatus.ACTIVE, "2026-03-04", "CAMPAIGN_NOT_YET"),
        (CampaignStatus.ACTIVE, "2026-03-21", "CAMPAIGN_OVER"),
        (CampaignStatus.ACTIVE, "2026-03-10", None),
    ],
)
def test_a_campaign_gives_within_its_window_while_it_runs(state: CampaignStatus, when: str, reason: str | None) -> None:
    """A pause counts at once."""
    diary = Diary([], {"campaigns": [{**campaign(), "from": "2026-03-05", "until": "2026-03-20"}]})
    diary.campaigns["spring"] = CampaignState("spring", state)
    assert reason == reasons(diary.does("page.shared", at(when))).get("spring.share")


# Check-ins ------------------------------------------------------------------------------------------------------------


def test_the_day_of_a_check_in_is_the_local_day() -> None:
    """PC-113: 31 August 20:00 in UTC-5 counts for 31 August; a check-in on 1 September is a second one."""
    diary = Diary([CHECK_IN], more={"time_zone": "America/Bogota"})
    first = diary.does("member.checked_in", at("2026-09-01T01:00:00+00:00"))
    second = diary.does("member.checked_in", at("2026-09-01T14:00:00+00:00"))
    assert [(day("2026-08-31"), 10), (day("2026-09-01"), 15)] == [(one.day, one.points) for one in (first, second)]


def test_a_second_check_in_on_one_day_gives_nothing_and_says_so() -> None:
    """Nothing is written but the answer; the run is shown as it is."""
    diary = Diary([CHECK_IN, {"id": "plus", "on": "member.checked_in", "fixed": 1}])
    assert 11 == diary.does("member.checked_in").points
    again = diary.does("member.checked_in", NOON + timedelta(hours=5))
    assert (NOTHING, {"daily": "ALREADY_CHECKED_IN", "plus": "ALREADY_CHECKED_IN"}) == (again.status, reasons(again))
    assert ({}, (day("2026-03-10"), day("2026-03-10"))) == (again.changes, again.run)


def test_a_run_rises_pays_its_mark_and_begins_again_once_it_is_broken() -> None:
    """Ten, fifteen, twenty and the mark; a day is missed; ten again."""
    diary = Diary([CHECK_IN])
    days = ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04", "2026-03-06"]
    assert [10, 15, 220, 20, 10] == [diary.does("member.checked_in", at(one)).points for one in days]


def test_a_late_check_in_counts_for_its_own_day_and_joins_the_run() -> None:
    """The second of March arrives last: it is a second day, and the run reaches its mark."""
    diary = Diary([CHECK_IN])
    assert [10, 10] == [diary.does("member.checked_in", at(one)).points for one in ("2026-03-01", "2026-03-03")]
    late = diary.does("member.checked_in", at("2026-03-02"), now=at("2026-03-03"))
    assert (215, (day("2026-03-01"), day("2026-03-03"))) == (late.points, late.run)


@given(days=st.permutations(range(1, 13)), missing=st.sets(st.integers(1, 12), max_size=5))
def test_check_ins_in_any_order_are_one_run_and_each_pays_once(days: list[int], missing: set[int]) -> None:
    """With one reward for every day the points are the same too, however the days arrive and however often."""
    flat = {"id": "flat", "on": "member.checked_in", "streak": {"days": [7]}}
    arriving = [date(2026, 3, number) for number in days if number not in missing]
    diary, in_order = Diary([flat]), Diary([flat])
    for one in (*arriving, *arriving[:3]):
        diary.does("member.checked_in", at(one.isoformat()), now=at("2026-03-12"))
    for one in sorted(arriving):
        in_order.does("member.checked_in", at(one.isoformat()))
    assert in_order.account.standing.runs == diary.account.standing.runs
    assert len(arriving) * 7 == diary.account.balance == in_order.account.balance


@pytest.mark.parametrize("name", ["rule", "points", "field", "refused"])
def test_a_field_of_any_name_leaves_the_line_as_it_is(name: str) -> None:
    """What the data calls its fields is the shop's business."""
    rate = {"rate": {"points": 1, "per": 1, "field": name}}
    data: dict[str, Any] = {name: 4}
    outcome = Diary([{"id": "r", "on": "page.read", **rate}]).does("page.read", **data)
    line = {"rule": "r", "rate": "1 per 1", "rounding": "floor", "field": name, "amount": 4, "points": 4}
    assert ((line,), 4) == (outcome.why, outcome.points)


def test_a_check_in_of_long_ago_gives_nothing() -> None:
    """What runs were then is forgotten."""
    outcome = Diary([CHECK_IN]).does("member.checked_in", at("2026-01-01"), now=NOON)
    assert (NOTHING, {"daily": "TOO_LATE"}) == (outcome.status, reasons(outcome))


def test_runs_of_long_ago_are_forgotten() -> None:
    """An account stays small however long its member comes."""
    diary = Diary([CHECK_IN])
    for one in ("2026-01-01", "2026-03-10"):
        diary.does("member.checked_in", at(one))
    assert ((day("2026-03-10"), day("2026-03-10")),) == diary.account.standing.runs["member.checked_in"]


def test_a_clock_that_is_ahead_checks_in_today() -> None:
    """Nobody checks in for tomorrow."""
    diary = Diary([CHECK_IN])
    ahead = diary.does("member.checked_in", NOON + timedelta(hours=20), now=NOON)
    assert day("2026-03-10") == ahead.day
    assert 15 == diary.does("member.checked_in", NOON + timedelta(days=1)).points


def test_other_events_have_runs_too_and_only_days_that_apply_count() -> None:
    """Three days of browsing for three minutes: a visit of two seconds keeps no run alive."""
    when = {"data": {"seconds": {"min": 180}}}
    diary = Diary([{"id": "run", "on": "page.browsed", "streak": {"days": [0], "marks": {"3": 77}}, "when": when}])
    for one in ("2026-03-01", "2026-03-02"):
        diary.does("page.browsed", at(one), seconds=200)
    assert "DATA" == reasons(diary.does("page.browsed", at("2026-03-03"), seconds=2))["run"]
    assert 77 == diary.does("page.browsed", at("2026-03-03"), seconds=200).points
    assert "COUNTED_BEFORE" == reasons(diary.does("page.browsed", at("2026-03-03"), seconds=200))["run"]


# Making up ------------------------------------------------------------------------------------------------------------


def broken_run(**changes: Any) -> Diary:
    """Checked in on the first, second and fourth of March; the third was missed."""
    diary = Diary([CHECK_IN], more={"check_in": {"make_up": {"cost": 10, "within_days": 7, "per_month": 2, **changes}}})
    for one in ("2026-03-01", "2026-03-02", "2026-03-04"):
        diary.does("member.checked_in", at(one))
    return diary


@pytest.mark.parametrize(("pays", "points"), [(False, 200), (True, 220)])
def test_a_made_up_day_costs_points_and_pays_what_the_run_reaches(points: int, *, pays: bool) -> None:
    """The mark of three days; the third day's own reward only where the program says so."""
    diary = broken_run(pays=pays)
    before = diary.account.balance
    outcome = diary.made_up("2026-03-03", at("2026-03-05"))
    assert (points, before - 10 + points) == (outcome.points, diary.account.balance)
    assert (day("2026-03-01"), day("2026-03-04")) == outcome.run
    cost, reward = diary.entries["m1"][-2:]
    assert [("redeem", "CHECK_IN_MADE_UP", -10), ("bonus", "BEHAVIOUR_REWARDED", points)] == [
        (entry.draft.kind, entry.draft.reason, entry.draft.points) for entry in (cost, reward)
    ]
    assert diary.account.balance == replay("m1", diary.entries["m1"]).balance


def test_without_a_day_the_last_missed_one_is_made_up() -> None:
    """On the sixth the fifth was missed as well."""
    assert day("2026-03-05") == broken_run().made_up(None, at("2026-03-06")).day


@pytest.mark.parametrize(
    ("on", "now", "because"),
    [
        ("2026-03-02", "2026-03-05", "CHECKED_IN"),
        ("2026-03-05", "2026-03-05", "NOT_OVER"),
        ("2026-03-06", "2026-03-05", "NOT_OVER"),
        ("2026-02-28", "2026-03-05", "BEFORE_FIRST_CHECK_IN"),
        ("2026-03-03", "2026-03-11", "TOO_LONG_AGO"),
        (None, "2026-03-03", None),
    ],
)
def test_days_that_cannot_be_made_up(on: str | None, now: str, because: str | None) -> None:
    """The refusal says why, and which days can."""
    diary = broken_run()
    if because is None:
        diary.accounts["m1"] = replace(diary.account, standing=Standing())
    with pytest.raises(NothingToMakeUp, match=because or "NOTHING_MISSED"):
        diary.made_up(on, at(now))


def test_making_up_obeys_conditions_and_stacking() -> None:
    """A rule that does not apply gives nothing, of a group one rule gives; the run grows all the same."""
    mark = {"on": "member.checked_in", "group": "g"}
    rules: list[Mapping[str, Any]] = [
        {"id": "low", **mark, "streak": {"marks": {"3": 20}}},
        {"id": "high", **mark, "streak": {"marks": {"3": 30}}},
        {"id": "off", "on": "member.checked_in", "streak": {"marks": {"3": 99}}, "enabled": False},
        {"id": "plain", "on": "member.checked_in", "fixed": 5},
    ]
    diary = Diary(rules, {"groups": {"g": "best_of"}}, {"check_in": {"make_up": {"cost": 10}}})
    for one in ("2026-03-01", "2026-03-03"):
        diary.does("member.checked_in", at(one))
    outcome = diary.made_up(None, at("2026-03-04"))
    assert (30, {"low": "NOT_BEST", "off": "DISABLED"}) == (outcome.points, reasons(outcome))
    assert (day("2026-03-01"), day("2026-03-03")) == outcome.run


def test_where_making_up_is_not_offered() -> None:
    """The program decides."""
    with pytest.raises(NothingToMakeUp, match="NOT_OFFERED"):
        Diary([CHECK_IN]).made_up(None, NOON)


def test_making_up_has_a_limit_a_month_and_needs_points() -> None:
    """Twice in a month; the refusal names the day on which it resets."""
    diary = broken_run()
    diary.made_up("2026-03-03", at("2026-03-07"))
    diary.made_up("2026-03-05", at("2026-03-07"))
    with pytest.raises(LimitReached) as refused:
        diary.made_up("2026-03-06", at("2026-03-07"))
    assert "2026-04-01T00:00:00+00:00" == refused.value.facts()["resets_at"]
    diary = broken_run(cost=36)
    with pytest.raises(InsufficientPoints):
        diary.made_up("2026-03-03", at("2026-03-05"))


def test_a_frozen_account_checks_in_but_makes_up_nothing() -> None:
    """Earning goes on, spending does not."""
    diary = broken_run()
    diary.accounts["m1"] = replace(diary.account, status=Status.FROZEN)
    assert 15 == diary.does("member.checked_in", at("2026-03-05")).points
    with pytest.raises(AccountFrozen):
        diary.made_up("2026-03-03", at("2026-03-06"))


def test_a_closed_account_gets_nothing() -> None:
    """And says so."""
    diary = Diary([CHECK_IN], accounts={"m1": Account("m1", status=Status.CLOSED)})
    assert {"daily": "ACCOUNT_CLOSED"} == reasons(diary.does("member.checked_in"))


def test_what_a_member_sees_of_check_ins() -> None:
    """The run, what the next one pays, the marks ahead, and the days that can be made up."""
    diary = broken_run()
    seen = check_ins.view(diary.account, diary.program.rules, {}, diary.moment(at("2026-03-05")))
    assert {
        "member_id": "m1",
        "today": "2026-03-05",
        "checked_in": False,
        "run": {"days": 1, "since": "2026-03-04", "through": "2026-03-04"},
        "days": ["2026-03-01", "2026-03-02", "2026-03-04"],
        "next": {"day": "2026-03-05", "run": 2, "points": 15},
        "marks": [{"run": 3, "points": 200, "in_days": 2}],
        "make_up": {"cost": 10, "pays_day": False, "days": ["2026-03-03"], "left": 2, "resets_on": "2026-04-01"},
    } == seen


# Tasks ----------------------------------------------------------------------------------------------------------------


def test_a_task_gives_its_points_once_in_its_window() -> None:
    """Three shares in a day; progress is remembered, and the next day begins at nothing."""
    goal = {"of": "count", "reach": 3, "per": "day"}
    diary = Diary([{"id": "t", "on": "page.shared", "fixed": 60, "goal": goal}])
    outcomes = [diary.does("page.shared") for _ in range(6)]
    assert [0, 0, 60, 0, 0, 0] == [one.points for one in outcomes]
    assert ["GOAL_NOT_REACHED", None, "GOAL_REACHED_BEFORE"] == [reasons(one).get("t") for one in outcomes[1:4]]
    assert Progress(6, 60) == diary.account.standing.goals["t"]["2026-03-10"]
    assert 0 == diary.does("page.shared", at("2026-03-11")).points
    late = [diary.does("page.shared", at("2026-03-09"), now=at("2026-03-11")).points for _ in range(3)]
    assert [0, 0, 60] == late


@given(parts=st.lists(st.integers(min_value=0, max_value=2_500), min_size=1, max_size=10))
def test_a_task_that_counts_again_pays_for_every_time_it_is_reached(parts: list[int]) -> None:
    """However what counts is split over events."""
    goal = {"of": "data", "field": "n", "reach": 1_000, "again": True}
    diary = Diary([{"id": "t", "on": "page.shared", "fixed": 7, "goal": goal}])
    for part in parts:
        diary.does("page.shared", n=part)
    assert sum(parts) // 1_000 * 7 == diary.account.balance


def test_a_value_counts_towards_a_task_once() -> None:
    """Three different pages, not the same one three times."""
    goal = {"of": "count", "reach": 2}
    diary = Diary([{"id": "t", "on": "page.shared", "fixed": 9, "goal": goal, "once_per": "page"}])
    assert [0, 0, 9] == [diary.does("page.shared", page=page).points for page in ("a", "a", "b")]


def test_the_task_board_shows_every_task_with_its_progress() -> None:
    """Tasks of orders too; what blocks a task now is said."""
    rules: list[Mapping[str, Any]] = [
        {
            "id": "t",
            "on": "page.shared",
            "title": "Share",
            "fixed": 6,
            "goal": {"of": "count", "reach": 2, "per": "day"},
        },
        {"id": "o", "fixed": 90, "goal": {"of": "amount", "reach": 10_000, "per": "month"}, "when": {"tag": ["vip"]}},
    ]
    diary = Diary(rules)
    diary.does("page.shared")
    board = task_board.view(diary.account, diary.program.rules, {}, diary.moment())
    share, order = board["tasks"]
    assert ("Share", 1, 2, "2026-03-11", None) == (
        share["title"],
        share["done"],
        share["reach"],
        share["resets_on"],
        share["blocked_by"],
    )
    assert ("o", "order.paid", 0, "2026-04-01", "TAG") == (
        order["rule"],
        order["on"],
        order["done"],
        order["resets_on"],
        order["blocked_by"],
    )


# Invites --------------------------------------------------------------------------------------------------------------

INVITES: list[Mapping[str, Any]] = [
    {"id": "friend", "on": "invite.accepted", "fixed": 50},
    {"id": "host", "on": "invite.accepted", "fixed": 20, "to": "inviter", "caps": [{"per": "month", "times": 2}]},
    {"id": "reg", "on": "member.registered", "fixed": 1},
]


def hosted() -> Diary:
    """A member called host, whom the program knows."""
    diary = Diary(INVITES)
    diary.does("member.registered", member="host")
    return diary


def test_an_invite_rewards_both_and_is_remembered() -> None:
    """One event, an entry on each side."""
    diary = hosted()
    outcome = diary.does("invite.accepted", inviter="host")
    assert (50, 50, 21) == (outcome.points, diary.account.balance, diary.of("host").balance)
    assert "host" == diary.account.standing.inviter
    assert [{"rule": "host", "to": "inviter", "fixed": 20, "points": 20}] == list(diary.entries["host"][-1].draft.why)
    assert {"invited_by": "host"} == outcome.why[-1]


def test_limits_of_an_inviter_are_the_inviters_own() -> None:
    """The third friend of the month still gets the points of a friend."""
    diary = hosted()
    for number in range(3):
        assert 50 == diary.does("invite.accepted", member=f"f{number}", inviter="host").points
    assert 1 + 2 * 20 == diary.of("host").balance


@pytest.mark.parametrize(
    ("friend", "inviter", "reason"),
    [
        (Account("m1"), "m1", "SELF_INVITE"),
        (Account("m1"), "nobody", "INVITER_UNKNOWN"),
        (Account("m1", standing=Standing(inviter="other")), "host", "ALREADY_INVITED"),
        (Account("m1", standing=Standing(orders=1)), "host", "HAS_ORDERED"),
        (Account("m1"), "guest", "INVITE_RING"),
        (Account("m1"), "gone", "INVITER_CLOSED"),
    ],
)
def test_what_is_no_invite(friend: Account, inviter: str, reason: str) -> None:
    """Nobody gets anything, and nothing is remembered."""
    diary = hosted()
    diary.accounts["m1"] = friend
    diary.accounts["guest"] = Account("guest", revision=1, standing=Standing(inviter="m1"))
    diary.accounts["gone"] = Account("gone", revision=1, status=Status.CLOSED)
    outcome = diary.does("invite.accepted", inviter=inviter)
    assert (NOTHING, {"friend": reason, "host": reason}, {}) == (outcome.status, reasons(outcome), outcome.changes)


# Reviews --------------------------------------------------------------------------------------------------------------

QUALITY: Mapping[str, Any] = {
    "id": "quality",
    "on": "review.scored",
    "ladder": {"field": "score", "steps": [[60, 20], [90, 200]]},
    "approval": True,
    "caps": [{"per": "day", "points": 250}],
    "valid": {"policy": "days", "days": 7},
}


def waiting(proposed: Mapping[str, int], event_id: str = "e1") -> EventReceipt:
    """An event in review."""
    return EventReceipt("m1", event_id, "review.scored", NOON, "f", IN_REVIEW, {}, {}, proposed)


def approved(diary: Diary, points: int | None = None, now: datetime = NOON) -> Outcome:
    """An operator approves 200 proposed points."""
    receipt = waiting({"quality": 200})
    outcome = behaviour.approve(
        receipt,
        diary.account,
        diary.program.rules,
        diary.campaigns,
        points,
        "well written",
        "operator:ann",
        diary.moment(now),
    )
    return diary.keep(outcome)


def test_a_rule_that_needs_approval_proposes_and_posts_nothing() -> None:
    """The points wait; what else the event gives is given."""
    diary = Diary([QUALITY, {"id": "thanks", "on": "review.scored", "fixed": 5}])
    outcome = diary.does("review.scored", score=95)
    assert (IN_REVIEW, 5, {"quality": 200}, 5) == (
        outcome.status,
        outcome.points,
        outcome.proposed,
        diary.account.balance,
    )


def test_an_approval_posts_in_its_own_day_and_says_who_and_why() -> None:
    """The points live from the approval on, and caps count on that day."""
    diary = Diary([QUALITY])
    outcome = approved(diary, now=at("2026-03-15"))
    (entry,) = diary.entries["m1"]
    assert (200, "operator:ann", date(2026, 3, 22)) == (
        outcome.points,
        entry.draft.actor,
        entry.draft.lots[0].expires_on,
    )
    assert {"decided_by": "operator:ann", "reason": "well written"} == entry.draft.why[-1]
    assert {"quality/day/points": {"2026-03-15": 200}} == diary.account.standing.used


def test_nothing_is_approved_by_a_rule_that_is_gone() -> None:
    """Its caps and its budget went with it: the event goes on waiting, and can be rejected."""
    diary = Diary([{"id": "other", "on": "review.scored", "fixed": 5}])
    with pytest.raises(WrongStatus) as refused:
        approved(diary)
    assert ("RULE_GONE", 0) == (refused.value.facts()["status_now"], diary.account.balance)


def test_an_operator_may_give_other_points_and_a_cap_holds_for_them_too() -> None:
    """A hundred of two hundred; then what the day has left; then the event goes on waiting."""
    diary = Diary([QUALITY])
    assert [100, 150] == [approved(diary, 100).points, approved(diary, 500).points]
    with pytest.raises(LimitReached) as refused:
        approved(diary)
    assert ("quality/day/points", "2026-03-11T00:00:00+00:00") == (
        refused.value.facts()["limit"],
        refused.value.facts()["resets_at"],
    )


def test_an_operator_may_give_more_than_was_proposed() -> None:
    """Of two rules each gets what it proposed, and the first what is more; less goes to the first ones."""
    diary = Diary([{"id": name, "on": "review.scored", "fixed": 10, "approval": True} for name in ("a", "b")])
    for points, expected in ((500, {"a": 490, "b": 10}), (15, {"a": 10, "b": 5}), (4, {"a": 4, "b": 0})):
        outcome = behaviour.approve(
            waiting({"a": 10, "b": 10}),
            Account("m1"),
            diary.program.rules,
            {},
            points,
            "fine",
            "operator:ann",
            diary.moment(),
        )
        assert (points, expected) == (
            outcome.points,
            {line["rule"]: line["points"] for line in outcome.why if "rule" in line},
        )


def test_what_is_approved_counts_for_its_campaign() -> None:
    """Its budget holds for approvals as well."""
    diary = Diary([], {"campaigns": [{"id": "c", "budget_points": 150, "rules": [QUALITY]}]})
    outcome = behaviour.approve(
        waiting({"c.quality": 200}),
        Account("m1"),
        diary.program.rules,
        {},
        None,
        "fine",
        "operator:ann",
        diary.moment(),
    )
    assert (150, 150) == (outcome.points, outcome.campaigns["c"].given)
    with pytest.raises(LimitReached, match="c/budget/points"):
        behaviour.approve(
            waiting({"c.quality": 200}),
            Account("m1"),
            diary.program.rules,
            outcome.campaigns,
            None,
            "fine",
            "operator:ann",
            diary.moment(),
        )


def test_nothing_is_approved_of_a_campaign_that_is_paused() -> None:
    """A pause counts for the next award, and this is one."""
    diary = Diary([], {"campaigns": [{"id": "c", "rules": [QUALITY]}]})
    diary.campaigns["c"] = CampaignState("c", CampaignStatus.PAUSED)
    with pytest.raises(WrongStatus):
        behaviour.approve(
            waiting({"c.quality": 200}),
            Account("m1"),
            diary.program.rules,
            diary.campaigns,
            None,
            "fine",
            "operator:ann",
            diary.moment(),
        )


# Members --------------------------------------------------------------------------------------------------------------


def test_points_of_events_count_towards_a_tier_unless_a_rule_says_no() -> None:
    """A level is reached by the event that reaches it."""
    tiers = {"tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 100}]}}
    rules: list[Mapping[str, Any]] = [
        {"id": "reg", "on": "member.registered", "fixed": 100},
        {"id": "gift", "on": "group.joined", "fixed": 500, "qualifies": False},
    ]
    diary = Diary(rules, more=tiers)
    diary.does("group.joined")
    assert (500, "member") == (diary.account.balance, diary.account.standing.tier and diary.account.standing.tier.level)
    diary.does("member.registered")
    assert "gold" == (diary.account.standing.tier and diary.account.standing.tier.level)


def test_a_month_of_a_tier_is_given_before_an_event_counts() -> None:
    """An allowance that is due comes first, as an entry of its own; a level that has ended gives nothing more."""
    levels = [{"id": "member", "from": 0}, {"id": "gold", "from": 100, "allowance": 500}]
    rules: list[Mapping[str, Any]] = [
        {"id": "reg", "on": "member.registered", "fixed": 100},
        {"id": "gold", "on": "page.shared", "fixed": 3, "when": {"tier": ["gold"]}},
    ]
    diary = Diary(rules, more={"tiers": {"levels": levels, "downgrade": "period_end"}})
    diary.does("member.registered")
    outcome = diary.does("page.shared", at("2026-04-02"))
    assert (3, [100, 500, 3]) == (outcome.points, [entry.draft.points for entry in diary.entries["m1"]])
    assert "TIER" == reasons(diary.does("page.shared", at("2029-01-01")))["gold"]


def test_a_changed_birthday_counts_a_year_later_and_cannot_be_laundered() -> None:
    """The first one counts at once; taking it away and naming it again does not help."""
    today = date(2026, 3, 10)
    first = profiles.changed(Profile(), "05-01", "", (), today)
    assert (None, ("05-01", None)) == (first.birthday_from, (first.birthday, first.birthday_from))
    same = profiles.changed(first, "05-01", "SH", ("b", "a", "b"), today)
    assert Profile("05-01", None, "SH", ("a", "b")) == same
    moved = profiles.changed(first, "06-01", "", (), today)
    assert date(2027, 3, 10) == moved.birthday_from
    away = profiles.changed(first, "", "", (), today)
    assert date(2027, 3, 11) == profiles.changed(away, "05-01", "", (), date(2026, 3, 11)).birthday_from


def test_an_account_of_events_follows_from_its_entries() -> None:
    """Proof needs no standing: the entries alone give the lots."""
    diary = broken_run()
    diary.made_up("2026-03-03", at("2026-03-05"))
    proved = replay("m1", diary.entries["m1"])
    assert (diary.account.lots, diary.account.lifetime) == (proved.lots, proved.lifetime)


def test_an_event_of_last_year_leaves_points_that_are_gone_already() -> None:
    """Points live from the day of the event; what has expired by now is written down as expired at once."""
    diary = Diary([{**QUALITY, "approval": False}])
    diary.does("review.scored", at("2026-02-01"), now=NOON, score=95)
    assert ["bonus", "expire"] == [entry.draft.kind for entry in diary.entries["m1"]]
    assert 0 == diary.account.balance


def test_a_debt_is_paid_out_of_a_bonus() -> None:
    """As by every credit."""
    diary = Diary([{"id": "reg", "on": "member.registered", "fixed": 100}], accounts={"m1": Account("m1", debt=30)})
    diary.does("member.registered")
    assert (70, 0) == (Change(diary.account).account.balance, diary.account.debt)
