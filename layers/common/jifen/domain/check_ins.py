"""Check-ins: the run of a member, what lies ahead of it, and making up for a missed day.

    Mon Tue  .  Thu today        Wednesday missed: the run is one day long
    Mon Tue Wed Thu today        Wednesday made up for points: the run is four days long, and pays what it reached

A check-in itself is an event like any other (``member.checked_in``), decided in ``behaviour``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from jifen.domain import allowances, giving, streaks, tiers
from jifen.domain import lots as lot_book
from jifen.domain.account import Account, Change, Status, as_of, debit
from jifen.domain.behaviour import Outcome
from jifen.domain.calendar import DAY, day_start
from jifen.domain.engage_views import CheckInsView, MakeUpTermsView, MarkView, NextCheckInView, RunView
from jifen.domain.entries import Draft, Kind, Reason, Source
from jifen.domain.errors import AccountFrozen, InsufficientPoints, LimitReached, NothingToMakeUp
from jifen.domain.events import EventStatus
from jifen.domain.giving import Campaigns, Occasion, remembered
from jifen.domain.program import Moment
from jifen.domain.rules.caps import Limit, opened, settled
from jifen.domain.rules.conditions import Asking, refusal
from jifen.domain.rules.engine import Why
from jifen.domain.rules.model import CHECKED_IN, MakeUp, Per, Rule, RuleSet, Streak
from jifen.domain.standing import window_ends
from jifen.domain.streaks import Joined

MADE_UP = "member.check_in_made_up"
"""The type under which a made-up day is kept as an event."""

DAYS_SHOWN = 31
"""Days of check-ins that are shown, today included."""

_LIMIT = "*make_up"
"""Made-up days are counted like a cap, under a name that no rule can have."""


def make_up(
    account: Account,
    day: date | None,
    event_id: str,
    rules: RuleSet,
    campaigns: Campaigns,
    moment: Moment,
    actor: str = "system",
) -> Outcome:
    """Fill a missed day of the run for points; what the run reaches by it is paid.

    Conditions and limits are those of now, not of the day that is made up.

    Args:
        account: of the member.
        day: which day; None is the last one that was missed.
        event_id: under which the entries stand.
        rules: the rule set in force.
        campaigns: states of the campaigns of check-in rules.
        moment: when this is decided.
        actor: who asks.

    Raises:
        NothingToMakeUp: the day was not missed, is too long ago or not over, or the program offers no making up.
        AccountFrozen, InsufficientPoints, LimitReached: nothing is changed.
    """
    terms = rules.make_up
    if terms is None:
        raise NothingToMakeUp(because="NOT_OFFERED")
    stretches = account.standing.runs.get(CHECKED_IN, ())
    day = _day_to_fill(stretches, day, terms, moment.today)
    joined = streaks.joined(stretches, day)
    assert joined is not None, "a missed day is in no stretch"
    change = _counted(_paid(account, terms, event_id, day, moment, actor), terms, moment)
    change = allowances.given(change, rules, moment)
    standing = change.account.standing
    runs = {**standing.runs, CHECKED_IN: streaks.kept(joined.stretches, moment.today)}
    change = remembered(change, replace(standing, runs=runs))
    return _rewarded(change, joined, day, event_id, rules, campaigns, moment, actor)


def _day_to_fill(stretches: streaks.Stretches, day: date | None, terms: MakeUp, today: date) -> date:
    """The day to make up for, if it is one of those that can be."""
    open_days = streaks.missed(stretches, today, terms.within_days)
    if day is None and open_days:
        return open_days[0]
    if day in open_days:
        return day
    shown = [found.isoformat() for found in open_days]
    if day is None:
        because = "NOTHING_MISSED"
    elif day >= today:
        because = "NOT_OVER"
    elif streaks.counted(stretches, day):
        because = "CHECKED_IN"
    elif not stretches or day < stretches[0][0]:
        because = "BEFORE_FIRST_CHECK_IN"
    else:
        because = "TOO_LONG_AGO"
    raise NothingToMakeUp(because=because, days=shown)


def _limit(terms: MakeUp) -> Limit:
    return Limit(_LIMIT, Per.MONTH, "times", terms.per_month)


def _paid(account: Account, terms: MakeUp, event_id: str, day: date, moment: Moment, actor: str) -> Change:
    """The account less what a made-up day costs."""
    if account.status is not Status.ACTIVE:
        raise AccountFrozen
    change = as_of(account, moment)
    if not terms.cost:
        return change
    taken = debit(change.account, terms.cost, moment)
    if taken is None:
        raise InsufficientPoints(asked=terms.cost, available=change.account.available(moment.today))
    draft = Draft(
        kind=Kind.REDEEM,
        reason=Reason.CHECK_IN_MADE_UP,
        source=Source("event", event_id),
        occurred_at=moment.now,
        points=lot_book.total(taken),
        lots=taken,
        why=({"made_up": day.isoformat(), "cost": terms.cost},),
        actor=actor,
    )
    return change.post(draft, moment)


def _counted(change: Change, terms: MakeUp, moment: Moment) -> Change:
    """The change with one more made-up day in this month."""
    limit, standing, today = _limit(terms), change.account.standing, moment.today
    room = opened(standing, limit, today, today)
    if not room.room:
        resets = window_ends(Per.MONTH, today)
        assert resets is not None, "a month ends"
        name = "check_in.make_up/month/times"
        raise LimitReached(limit=name, points=terms.per_month, resets_at=day_start(resets, moment.zone))
    return remembered(change, settled(standing, [limit], {limit.key: room}, {}, {_LIMIT: 1}, today))


def _rewarded(
    change: Change,
    joined: Joined,
    day: date,
    event_id: str,
    rules: RuleSet,
    campaigns: Campaigns,
    moment: Moment,
    actor: str,
) -> Outcome:
    """The change with what the longer run pays; limits are counted today."""
    assert rules.make_up is not None, "only an offered make-up is rewarded"
    member, standing = change.account.member, change.account.standing
    refused, wanted, said = _worths(rules, standing_asking(change.account, rules, campaigns, moment), joined)
    matched = [rule for rule in rules.on_event(CHECKED_IN) if rule.id in wanted]
    back = giving.stacked(matched, wanted, rules)
    refused |= back
    wanted = {name: points for name, points in wanted.items() if name not in back}
    gift = giving.allowed(wanted, standing, moment.today, campaigns, rules, moment)
    lines = tuple(
        {"rule": name, "refused": refused[name]} if name in refused else {**line, "points": gift.grants.get(name, 0)}
        for name, line in said.items()
    )
    why: Why = ({"made_up": day.isoformat(), "cost": rules.make_up.cost}, *lines, *gift.said)
    status, moved = EventStatus.NOTHING, giving.Gift({}, standing)
    if gift.points:
        status, moved = EventStatus.AWARDED, gift
        change = remembered(change, gift.standing)
        occasion = Occasion(event_id, moment.now, moment.today, actor)
        change = giving.posted(change, gift.grants, occasion, why, rules, moment)
    return Outcome(status, gift.points, why, day, {member: change}, moved.campaigns, run=joined.stretch)


def standing_asking(account: Account, rules: RuleSet, campaigns: Campaigns, moment: Moment) -> Asking:
    """What conditions are judged by when nothing happens but that a member asks now."""
    level = tiers.level_of(account.standing, rules.tiers, moment.today).level if rules.tiers else ""
    return Asking(moment.now, moment.today, account.standing, level, campaigns, {})


def _worths(
    rules: RuleSet, asking: Asking, joined: Joined
) -> tuple[dict[str, str], dict[str, int], dict[str, Mapping[str, Any]]]:
    """By streak rule: why it gives nothing, what it would give, and what is said of it."""
    assert rules.make_up is not None, "only an offered make-up is rewarded"
    refused, wanted, said = dict[str, str](), dict[str, int](), dict[str, Mapping[str, Any]]()
    for rule, streak in _streaks(rules):
        reward = streaks.reward(streak, joined, pays_day=rules.make_up.pays)
        reason = refusal(rule, rules, asking) or ("NEEDS_APPROVAL" if rule.approval else "")
        said[rule.id] = {"rule": rule.id, "day": joined.place, "run": joined.days, "marks": list(reward.marks)}
        if reason or not reward.points:
            refused[rule.id] = reason or "WORTH_NOTHING"
        else:
            wanted[rule.id] = reward.points
    return refused, wanted, said


def _streaks(rules: RuleSet) -> list[tuple[Rule, Streak]]:
    """The rules that reward check-ins by their run."""
    return [
        (rule, rule.effect)
        for rule in rules.on_event(CHECKED_IN)
        if isinstance(rule.effect, Streak) and not rule.once_per
    ]


# What a member sees ---------------------------------------------------------------------------------------------------


def run_view(stretch: streaks.Stretch | None) -> RunView | None:
    """A run as the API shows it."""
    if stretch is None:
        return None
    return {"days": streaks.length(stretch), "since": stretch[0].isoformat(), "through": stretch[1].isoformat()}


def view(account: Account, rules: RuleSet, campaigns: Campaigns, moment: Moment) -> CheckInsView:
    """The run, the days, what the next check-in pays, the marks ahead, and what making up costs."""
    today, stretches = moment.today, account.standing.runs.get(CHECKED_IN, ())
    run = streaks.current(stretches, today)
    asking = standing_asking(account, rules, campaigns, moment)
    open_streaks = [streak for rule, streak in _streaks(rules) if not refusal(rule, rules, asking)]
    shown = [today - DAY * back for back in range(DAYS_SHOWN - 1, -1, -1)]
    return {
        "member_id": account.member,
        "today": today.isoformat(),
        "checked_in": streaks.counted(stretches, today),
        "run": run_view(run),
        "days": [day.isoformat() for day in shown if streaks.counted(stretches, day)],
        "next": _next(stretches, open_streaks, today),
        "marks": _marks(run, open_streaks),
        "make_up": _terms(account, rules.make_up, moment),
    }


def _next(stretches: streaks.Stretches, open_streaks: list[Streak], today: date) -> NextCheckInView:
    day = today + DAY if streaks.counted(stretches, today) else today
    joined = streaks.joined(stretches, day)
    assert joined is not None, "the next day has not been checked in"
    points = sum(streaks.reward(streak, joined).points for streak in open_streaks)
    return {"day": day.isoformat(), "run": joined.days, "points": points}


def _marks(run: streaks.Stretch | None, open_streaks: list[Streak]) -> list[MarkView]:
    """The marks that the run has not reached yet."""
    days = streaks.length(run) if run else 0
    ahead: dict[int, int] = {}
    for streak in open_streaks:
        for at, points in streak.marks.items():
            if at > days:
                ahead[at] = ahead.get(at, 0) + points
    return [{"run": at, "points": points, "in_days": at - days} for at, points in sorted(ahead.items())]


def _terms(account: Account, terms: MakeUp | None, moment: Moment) -> MakeUpTermsView | None:
    if terms is None:
        return None
    today, standing = moment.today, account.standing
    days = streaks.missed(standing.runs.get(CHECKED_IN, ()), today, terms.within_days)
    resets = window_ends(Per.MONTH, today)
    assert resets is not None, "a month ends"
    return {
        "cost": terms.cost,
        "pays_day": terms.pays,
        "days": [day.isoformat() for day in days],
        "left": opened(standing, _limit(terms), today, today).room,
        "resets_on": resets.isoformat(),
    }
