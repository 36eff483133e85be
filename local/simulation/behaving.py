"""What members do besides buying, once more: events, check-ins, made-up days, reviews, and campaigns that are stopped.

event ──who applies──> worth of each rule ──groups──> limits ──> points, counters, runs, values used up
                                              └ for approval: proposed, and given when an operator says so
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from jifen.domain.events import BehaviourEvent
from jifen.domain.rules.model import Fixed, Given, Ladder, Rate, Rule, Stacking, Streak, To
from local.simulation import levels
from local.simulation.awarding import Work
from local.simulation.days import DAY, last_valid_day
from local.simulation.memory import Cap, Memory, caps_over, lately, oldest, room, window, window_of, with_use
from local.simulation.purse import Key, take, take_from
from local.simulation.worth import whole

CHECKED_IN, INVITED, MADE_UP = "member.checked_in", "invite.accepted", "member.check_in_made_up"
RUN_DAYS_KEPT = 62

Run = tuple[date, date]


class Wrong(Exception):
    """Nothing is changed; ``code`` says why."""

    def __init__(self, code: str, available: int | None = None) -> None:
        super().__init__(code)
        self.code, self.available = code, available


@dataclass(frozen=True)
class Receipt:
    """An event that was taken in, what came of it, and the points that wait for an operator, by rule."""

    event: BehaviourEvent
    status: str
    points: int
    proposed: Mapping[str, int]
    answer: Mapping[str, Any]


@dataclass
class _Found:
    """What a rule makes of an event: points, or none; and the progress that is remembered, in a window."""

    points: int = 0
    applies: bool = True
    progress: tuple[str, tuple[int, int]] | None = None


@dataclass
class Deed:
    """One event on its way through the rules. ``used`` are values that have given points before, as (rule, value)."""

    work: Work
    event: BehaviourEvent
    used: Iterable[tuple[str, str]]
    found: dict[str, _Found] = field(default_factory=dict)
    grants: dict[str, int] = field(default_factory=dict)
    marks: list[tuple[str, str]] = field(default_factory=list)
    proposed: dict[str, int] = field(default_factory=dict)
    run: Run | None = None

    @property
    def day(self) -> date:
        """The day it counts on: never later than today."""
        return min(self.work.day(self.event.at), self.work.today)

    def done(self) -> tuple[str, int]:
        """Decide and count; the status and the points of the member.

        Raises:
            Wrong: its data is not what a rule needs.
        """
        work, event, member = self.work, self.event, self.event.member
        runs = work.purse(member).memory.runs.get(event.type, ())
        if self._nothing(runs):
            self.run = run_of(runs, self.day)
            return "NOTHING", 0
        for who in (member, *([self._inviter] if self._inviter else [])):
            work.allow(who)
        asked = work.rules.on_event(event.type)
        applying = [rule for rule in asked if self._applies(rule)]
        joined = self._joined(applying)
        if self._inviter:
            work.purse(member).remember(replace(work.purse(member).memory, inviter=self._inviter))
        for rule in applying:
            self._remember_worth(rule, joined)
        giving = [rule for rule in applying if self.found[rule.id].applies]
        giving = [rule for rule in giving if self._stays(rule, giving)]
        self.proposed = {rule.id: self.found[rule.id].points for rule in giving if rule.approval}
        for to in To:
            wanted = {rule.id: self.found[rule.id].points for rule in giving if rule.to is to and not rule.approval}
            self.grants |= give(work, self._receiver(to), wanted, self.day)
        self._remember_grants(asked)
        self.marks = [(rule.id, self._value(rule)) for rule in applying if self._uses_up(rule, giving)]
        points = sum(self.grants.get(rule.id, 0) for rule in asked if rule.to is To.MEMBER)
        return "IN_REVIEW" if self.proposed else "AWARDED" if any(self.grants.values()) else "NOTHING", points

    @property
    def _inviter(self) -> str:
        return str(self.event.data["inviter"]) if self.event.type == INVITED else ""

    def _receiver(self, to: To) -> str:
        return self._inviter if to is To.INVITER else self.event.member

    def _nothing(self, runs: Sequence[Run]) -> bool:
        """Whether it is no invitation, or a check-in that counts no more."""
        if self.event.type == INVITED:
            friend, inviter = self.work.purse(self.event.member), self.work.purse(self._inviter)
            return (
                self._inviter == self.event.member
                or bool(friend.memory.inviter)
                or friend.memory.orders > 0
                or inviter.memory.inviter == self.event.member
                or not inviter.known
            )
        if self.event.type == CHECKED_IN:
            return (self.work.today - self.day).days >= RUN_DAYS_KEPT or run_of(runs, self.day) is not None
        return False

    def _applies(self, rule: Rule) -> bool:
        memory = self.work.purse(self.event.member).memory
        if self.work.refusal(rule, memory, min(self.event.at, self.work.now), self.day):
            return False
        for name, test in rule.when.data.items():
            value = self.event.data.get(name)
            within = test.within
            if within is None and value not in test.among:
                return False
            if within is not None and not (type(value) is int and within.holds(value)):
                return False
        return not rule.once_per or bool(self._value(rule) and (rule.id, self._value(rule)) not in self.used)

    def _value(self, rule: Rule) -> str:
        return str(self.event.data.get(rule.once_per, ""))

    def _joined(self, applying: Iterable[Rule]) -> tuple[int, int, int] | None:
        """The place of the day in its run, the days of the run, and of the longest part that the day has joined."""
        kind, purse = self.event.type, self.work.purse(self.event.member)
        if kind != CHECKED_IN and not any(isinstance(rule.effect, Streak) for rule in applying):
            return None
        runs = purse.memory.runs.get(kind, ())
        if (self.work.today - self.day).days >= RUN_DAYS_KEPT or run_of(runs, self.day):
            self.run = run_of(runs, self.day)
            return None
        after, self.run, joined = add_day(runs, self.day)
        purse.remember(replace(purse.memory, runs={**purse.memory.runs, kind: remembered(after, self.work.today)}))
        return joined

    # Worth

    def _remember_worth(self, rule: Rule, joined: tuple[int, int, int] | None) -> None:
        purse = self.work.purse(self._receiver(rule.to))
        found = self.found[rule.id] = self._worth(rule, purse.memory, joined)
        if found.points <= 0:
            found.applies = False
        if found.progress:
            first = oldest(str(rule.goal.per) if rule.goal else "day", self.work.today)
            windows = {name: one for name, one in purse.memory.goals.get(rule.id, {}).items() if name >= first}
            windows[found.progress[0]] = found.progress[1]
            remembered = replace(purse.memory, goals={**purse.memory.goals, rule.id: windows})
            purse.remember(lately(remembered, self.work.today))

    def _worth(self, rule: Rule, memory: Memory, joined: tuple[int, int, int] | None) -> _Found:
        if rule.goal is not None:
            return self._task(rule, memory)
        match rule.effect:
            case Fixed(points):
                return _Found(points)
            case Rate():
                return self._rate(rule, rule.effect, memory)
            case Ladder(steps, name):
                value = self._number(name)
                return _Found(
                    max((points for least, points in steps if value is not None and value >= least), default=0)
                )
            case Given(name, low, high):
                given = self.event.data.get(name)
                if type(given) is not int or not low <= given <= high:
                    raise Wrong("INVALID_REQUEST")
                return _Found(given)
            case Streak():
                return _Found(reward(rule.effect, joined) if joined else 0)
            case _:
                raise AssertionError(rule)

    def _number(self, name: str) -> int | None:
        value = self.event.data.get(name)
        return max(0, value) if type(value) is int else None

    def _rate(self, rule: Rule, rate: Rate, memory: Memory) -> _Found:
        amount = self._number(rate.field)
        if amount is None:
            return _Found()

        def points(counted: int) -> int:
            return whole(Fraction(rate.points * counted, rate.per), rule.rounding)

        if not rate.daily:
            return _Found(points(amount))
        name = window_of("day", self.day, self.work.today)
        before, granted = memory.goals.get(rule.id, {}).get(name, (0, 0))
        return _Found(points(before + amount) - points(before), progress=(name, (before + amount, granted)))

    def _task(self, rule: Rule, memory: Memory) -> _Found:
        goal, effect = rule.goal, rule.effect
        assert goal is not None
        assert isinstance(effect, Fixed)
        amount = 1 if goal.of == "count" else self._number(goal.field)
        if amount is None:
            return _Found()
        name = window_of(str(goal.per), self.day, self.work.today)
        before, granted = memory.goals.get(rule.id, {}).get(name, (0, 0))
        times = [done // goal.reach if goal.again else min(1, done // goal.reach) for done in (before, before + amount)]
        return _Found(effect.points * (times[1] - times[0]), progress=(name, (before + amount, granted)))

    def _stays(self, rule: Rule, giving: Sequence[Rule]) -> bool:
        """Whether a rule gives besides the others of its group."""
        rules = self.work.rules
        how = rules.groups[rule.group] if rule.group else rules.stacking
        group = [one for one in giving if one.group == rule.group]
        if how is Stacking.BEST_OF:
            return rule is max(group, key=lambda one: self.found[one.id].points)
        return how is not Stacking.EXCLUSIVE or rule is max(group, key=lambda one: one.priority)

    def _remember_grants(self, asked: Iterable[Rule]) -> None:
        for rule in asked:
            found, points = self.found.get(rule.id), self.grants.get(rule.id)
            if found and found.progress and points:
                purse = self.work.purse(self._receiver(rule.to))
                name, (done, granted) = found.progress
                windows = {**purse.memory.goals[rule.id], name: (done, granted + points)}
                purse.remember(replace(purse.memory, goals={**purse.memory.goals, rule.id: windows}))

    def _uses_up(self, rule: Rule, giving: Sequence[Rule]) -> bool:
        if not rule.once_per or (rule not in giving and rule.goal is None):
            return False
        counted = rule.goal is not None and self.found[rule.id].progress is not None
        return bool(self.grants.get(rule.id) or rule.id in self.proposed or counted)


# Limits --------------------------------------------------------------------------------------------------------------


def give(work: Work, member: str, wanted: Mapping[str, int], day: date) -> dict[str, int]:
    """Give what caps and budgets let through of the points by rule, in one entry; what each rule gave."""
    if not wanted:
        return {}
    rules, purse = work.rules, work.purse(member)
    caps = caps_over(rules, wanted)
    names = {cap.key: window_of(cap.per, day, work.today) for cap in caps}
    free = {cap.key: room(purse.memory, cap, names[cap.key]) for cap in caps}
    grants: dict[str, int] = {}
    budgets: dict[str, int | None] = {}
    for name, points in wanted.items():
        allowed = min([points, *(_lets(cap, free[cap.key], points) for cap in caps if cap.rule == name)])
        campaign = rules.campaign(rules.by_id[name].campaign)
        if campaign:
            left = budgets.setdefault(campaign.id, work.campaign(campaign.id).left(campaign.budget_points))
            allowed = allowed if left is None else min(allowed, left)
            budgets[campaign.id] = None if left is None else left - allowed
        grants[name] = allowed
    for cap in caps:
        if cap.rule == "*":
            left_over = free[cap.key]
            for name, points in grants.items():
                grants[name] = min(points, left_over)
                left_over -= grants[name]
    if any(grants.values()):
        _count(work, member, grants, day, [(cap, names[cap.key]) for cap in caps])
    return grants


def _lets(cap: Cap, free: int, points: int) -> int:
    return min(points, free) if cap.unit == "points" else points * (free > 0)


def _count(work: Work, member: str, grants: Mapping[str, int], day: date, caps: Iterable[tuple[Cap, str]]) -> None:
    rules, purse = work.rules, work.purse(member)
    memory = purse.memory
    for cap, name in caps:
        if by := cap.uses(grants):
            memory = with_use(memory, cap, name, by, work.today)
    if rules.tiers:
        counts = sum(points for name, points in grants.items() if rules.by_id[name].qualifies)
        amount = counts if rules.tiers.by == "points" else 0
        memory = levels.qualify(memory, rules.tiers, [(day, amount)], work.today)
    purse.remember(memory)
    for name in {rules.by_id[one].campaign for one in grants} - {""}:
        given = sum(points for one, points in grants.items() if rules.by_id[one].campaign == name)
        if given:
            work.campaigns[name] = work.campaign(name).moved(given, 1, 0)
    parts: dict[Key, int] = {}
    for name, points in grants.items():
        if points:
            rule = rules.by_id[name]
            first = day + timedelta(days=rule.pending_days)
            key = (last_valid_day(rule.valid or rules.expiry, day), first if first > work.today else None)
            parts[key] = parts.get(key, 0) + points
    work.caught_up(member).earn(parts.items(), work.lots_max, work.today)
    work.caught_up(member)


# Runs ----------------------------------------------------------------------------------------------------------------


def run_of(runs: Iterable[Run], day: date) -> Run | None:
    """The run that a day is in."""
    return next((run for run in runs if run[0] <= day <= run[1]), None)


def _length(run: Run) -> int:
    return (run[1] - run[0]).days + 1


def add_day(runs: Sequence[Run], day: date) -> tuple[tuple[Run, ...], Run, tuple[int, int, int]]:
    """The runs with one more day; its run; its place in it, the run's days, and those of the longest part before."""
    days = {one[0] + DAY * number for one in runs for number in range(_length(one))} | {day}
    first = last = day
    while first - DAY in days:
        first -= DAY
    while last + DAY in days:
        last += DAY
    run = (first, last)
    others = [one for one in runs if not first <= one[0] <= last]
    longest = max((day - first).days, (last - day).days)
    return tuple(sorted([*others, run])), run, ((day - first).days + 1, _length(run), longest)


def remembered(runs: Iterable[Run], today: date) -> tuple[Run, ...]:
    """The runs that are not too long ago."""
    return tuple(run for run in runs if (today - run[1]).days <= RUN_DAYS_KEPT)


def reward(streak: Streak, joined: tuple[int, int, int], *, pays_day: bool = True) -> int:
    """The reward of a day: of its place in the run, and of the lengths that the run has reached by it."""
    place, length, longest = joined
    points = sum(given for at, given in streak.marks.items() if longest < at <= length)
    if pays_day and streak.days:
        count = len(streak.days)
        points += streak.days[(place - 1) % count if streak.restart else min(place, count) - 1]
    return points


def shown(run: Run | None) -> dict[str, Any] | None:
    """A run as the API shows it."""
    return run and {"days": _length(run), "since": run[0].isoformat(), "through": run[1].isoformat()}


# Made-up days --------------------------------------------------------------------------------------------------------


def make_up(work: Work, member: str) -> dict[str, Any]:
    """Fill the last missed day for points; the answer.

    Raises:
        Wrong: there is none, or the points or the times are not there.
    """
    terms, purse = work.rules.make_up, work.purse(member)
    runs = purse.memory.runs.get(CHECKED_IN, ())
    back = (work.today - DAY * ago for ago in range(1, terms.within_days + 1)) if terms else ()
    missed = [day for day in back if runs and day > runs[0][0] and not run_of(runs, day)]
    if terms is None or not missed:
        raise Wrong("NOTHING_TO_MAKE_UP")
    purse = work.caught_up(member)
    if terms.cost > purse.available(work.today):
        raise Wrong("INSUFFICIENT_POINTS", purse.available(work.today))
    if terms.cost:
        for key, part in take(purse.usable(work.today), terms.cost):
            take_from(purse.lots, key, part)
        purse.redeemed += terms.cost
        purse.posted()
    limit, month = Cap("*make_up", "month", "times", terms.per_month), window("month", work.today)
    if not room(purse.memory, limit, month):
        raise Wrong("LIMIT_REACHED")
    work.allow(member)
    after, run, joined = add_day(runs, missed[0])
    memory = with_use(purse.memory, limit, month, 1, work.today)
    purse.remember(replace(memory, runs={**memory.runs, CHECKED_IN: remembered(after, work.today)}))
    wanted = _reached(work, member, joined, pays=terms.pays)
    points = sum(give(work, member, wanted, work.today).values())
    return {
        "member_id": member,
        "day": missed[0].isoformat(),
        "cost": terms.cost,
        "points": points,
        "available": work.purse(member).available(work.today),
        "run": shown(run),
    }


def _reached(work: Work, member: str, joined: tuple[int, int, int], *, pays: bool) -> dict[str, int]:
    """What the rules on runs give for a day that was made up for."""
    rules, memory = work.rules, work.purse(member).memory
    worth: dict[str, int] = {}
    for rule in rules.on_event(CHECKED_IN):
        if isinstance(rule.effect, Streak) and not rule.once_per and not rule.approval:
            points = reward(rule.effect, joined, pays_day=pays)
            if points and not rule.when.data and not work.refusal(rule, memory, work.now, work.today):
                worth[rule.id] = points
    groups: dict[str, list[Rule]] = {}
    for name in worth:
        groups.setdefault(rules.by_id[name].group, []).append(rules.by_id[name])
    kept: set[str] = set()
    by_worth: Callable[[Rule], int] = lambda rule: worth[rule.id]  # noqa: E731 - one of two ways to choose
    for name, group in groups.items():
        how = rules.groups[name] if name else rules.stacking
        if how is Stacking.SUM:
            kept |= {rule.id for rule in group}
        else:
            kept.add(max(group, key=by_worth if how is Stacking.BEST_OF else lambda rule: rule.priority).id)
    return {name: points for name, points in worth.items() if name in kept}


# Operators -----------------------------------------------------------------------------------------------------------


def approve(work: Work, receipt: Receipt, points: int | None) -> Receipt:
    """Give the points that an event waits with, or others.

    Raises:
        Wrong: it waits no more, its campaign is stopped, or no limit leaves anything.
    """
    if receipt.status != "IN_REVIEW":
        raise Wrong("WRONG_STATUS")
    for name in {work.rules.by_id[one].campaign for one in receipt.proposed} - {""}:
        if work.campaign(name).status in {"PAUSED", "CANCELED"}:
            raise Wrong("WRONG_STATUS")
    member = receipt.event.member
    work.allow(member)
    wanted = dict(receipt.proposed)
    if points is not None:
        left = points
        for name, most in receipt.proposed.items():
            wanted[name] = min(most, left)
            left -= wanted[name]
        wanted[next(iter(wanted))] += left
    given = sum(give(work, member, {name: most for name, most in wanted.items() if most}, work.today).values())
    if not given:
        raise Wrong("LIMIT_REACHED")
    return replace(receipt, status="AWARDED", points=receipt.points + given)


STEPS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "pause": (("SCHEDULED", "ACTIVE"), "PAUSED"),
    "resume": (("PAUSED",), "ACTIVE"),
    "end": (("ACTIVE", "PAUSED"), "ENDED"),
    "cancel": (("SCHEDULED", "ACTIVE", "PAUSED"), "CANCELED"),
}


def steer(work: Work, name: str, step: str) -> None:
    """Stop a campaign, or let it go on.

    Raises:
        Wrong: it is not in a state for that.
    """
    state, allowed = work.campaign(name), STEPS[step]
    if status(work, name, work.now) not in allowed[0]:
        raise Wrong("WRONG_STATUS")
    work.campaigns[name] = replace(state, status=allowed[1])


def status(work: Work, name: str, now: datetime) -> str:
    """What a campaign is at an instant."""
    state, campaign = work.campaign(name), work.rules.campaign(name)
    assert campaign is not None
    if state.status in {"ENDED", "CANCELED"}:
        return state.status
    if campaign.ends and now >= campaign.ends:
        return "ENDED"
    if state.status == "PAUSED":
        return "PAUSED"
    return "SCHEDULED" if campaign.starts and now < campaign.starts else "ACTIVE"
