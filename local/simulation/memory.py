"""What the reference remembers of a member beside points, and of a campaign: counters, and the windows they count in.

A value of its own each time: what is remembered is replaced and never edited.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple

from jifen.domain.rules.model import Rule, RuleSet
from local.simulation.days import DAY

DAY_WINDOWS_DAYS = 7
GOAL_WINDOWS_DAYS = 62
ORDER_DAYS_MAX = 5


Spending = tuple[str, int]
"""A month, and what was spent in it."""


@dataclass(frozen=True)
class Memory:
    """What is remembered of one member; see ``jifen.domain.standing`` for what each is for."""

    orders: int = 0
    first: str = ""
    paid_on: tuple[date, ...] = ()
    used: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    goals: Mapping[str, Mapping[str, tuple[Any, ...]]] = field(default_factory=dict)
    runs: Mapping[str, tuple[tuple[date, date], ...]] = field(default_factory=dict)
    qualified: Mapping[str, int] = field(default_factory=dict)
    tier: tuple[str, date, date | None, bool] | None = None
    allowance: str = ""
    inviter: str = ""
    opened: date | None = None
    spent: Mapping[str, int] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As the account's row has it: what is empty is left out. The day on which a level changes is not in it."""
        tier: list[Any] | None = None
        if self.tier is not None:
            level, since, until, fell = self.tier
            tier = [level, since.isoformat(), until and until.isoformat(), *([1] if fell else ())]
        fields: dict[str, Any] = {
            "orders": self.orders,
            "first": self.first,
            "paid": [day.isoformat() for day in self.paid_on],
            "used": {key: dict(windows) for key, windows in self.used.items()},
            "goals": {key: {name: list(one) for name, one in found.items()} for key, found in self.goals.items()},
            "runs": {key: [[one.isoformat() for one in run] for run in runs] for key, runs in self.runs.items()},
            "qualified": dict(self.qualified),
            "tier": tier,
            "allowance": self.allowance,
            "inviter": self.inviter,
            "spent": dict(self.spent),
            "seen": {"opened": self.opened.isoformat()} if self.opened else {},
        }
        return {name: value for name, value in fields.items() if value}

    def spending(self, was: Spending | None, now: Spending | None, oldest: str) -> Memory:
        """With an order that counted ``was`` and counts ``now``; months before ``oldest`` are forgotten."""
        sums = {month: amount for month, amount in self.spent.items() if month >= oldest}
        for counted, sign in ((was, -1), (now, 1)):
            if counted and counted[0] >= oldest:
                sums[counted[0]] = sums.get(counted[0], 0) + sign * counted[1]
        return replace(self, spent={month: amount for month, amount in sums.items() if amount > 0})

    def counting(self, name: str, *, before: bool, after: bool, was: date, now: date) -> Memory:
        """With an order that was kept (or not) and paid on day ``was``, and that is (or not) and paid on ``now``."""
        if before == after and (not after or was == now):
            return self
        days = list(self.paid_on)
        if before and was in days:
            days.remove(was)
        if after:
            days = sorted([*days, now])[-ORDER_DAYS_MAX:]
        first = self.first
        if after:
            first = first or name
        elif first == name:
            first = ""
        orders = max(0, self.orders + int(after) - int(before))
        return replace(self, orders=orders, first=first, paid_on=tuple(days))


@dataclass(frozen=True)
class Campaigning:
    """What a campaign has done, and whether it runs."""

    status: str = "ACTIVE"
    given: int = 0
    taken_back: int = 0
    awards: int = 0
    kept: int = 0

    def left(self, budget: int | None) -> int | None:
        """What is left of a budget; None where there is none."""
        return None if budget is None else max(0, budget - self.given + self.taken_back)

    def moved(self, points: int, awards: int, kept: int) -> Campaigning:
        """With points given (or taken back, below 0)."""
        return replace(
            self,
            given=self.given + max(0, points),
            taken_back=self.taken_back + max(0, -points),
            awards=self.awards + awards,
            kept=self.kept + kept,
        )


# Windows -------------------------------------------------------------------------------------------------------------


def window(per: str, day: date) -> str:
    """The name of the day, week, month or year that ``day`` is in; there is one ``ever``."""
    if per == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return {"day": day.isoformat(), "month": day.isoformat()[:7], "year": day.isoformat()[:4], "ever": "ever"}[per]


def oldest(per: str, today: date) -> str:
    """The oldest window that is remembered: seven days, and of all others the one before."""
    if per == "ever":
        return ""
    back = {
        "day": today - DAY_WINDOWS_DAYS * DAY,
        "week": today - 7 * DAY,
        "month": today.replace(day=1) - DAY,
        "year": today.replace(month=1, day=1) - DAY,
    }
    return window(per, back[per])


def window_of(per: str, day: date, today: date) -> str:
    """The window that something of ``day`` counts in: its own while that is remembered, else today's."""
    own = window(per, day)
    return own if own >= oldest(per, today) else window(per, today)


# Limits --------------------------------------------------------------------------------------------------------------


class Cap(NamedTuple):
    """One limit: at most ``most`` points, or times, of a rule (``*``: of all) in one ``per``."""

    rule: str
    per: str
    unit: str
    most: int

    @property
    def key(self) -> str:
        """Its name, as counters have it."""
        return f"{self.rule}/{self.per}/{self.unit}"

    def uses(self, grants: Mapping[str, int]) -> int:
        """What of it these points by rule use."""
        if self.rule == "*":
            return sum(grants.values())
        points = grants.get(self.rule, 0)
        return points if self.unit == "points" else int(points > 0)


def caps_over(rules: RuleSet, names: Iterable[str]) -> list[Cap]:
    """The caps of these rules, and then those over all."""
    owners: list[tuple[str, Rule | RuleSet]] = [(name, rules.by_id[name]) for name in names]
    found: list[Cap] = []
    for name, owner in [*owners, ("*", rules)]:
        for cap in owner.caps:
            if cap.points is not None:
                found.append(Cap(name, str(cap.per), "points", cap.points))
            if cap.times is not None:
                found.append(Cap(name, str(cap.per), "times", cap.times))
    return found


def room(memory: Memory, cap: Cap, name: str) -> int:
    """What a cap leaves in the window of this name."""
    return max(0, cap.most - memory.used.get(cap.key, {}).get(name, 0))


def with_use(memory: Memory, cap: Cap, name: str, by: int, today: date) -> Memory:
    """With so much more (or less) used of a cap in one window; what is too old is forgotten, of all caps."""
    return lately(used_more(memory, cap, name, by, today), today)


def used_more(memory: Memory, cap: Cap, name: str, by: int, today: date) -> Memory:
    """With so much more (or less) used of a cap in one window; what is too old of this cap is forgotten."""
    first = oldest(cap.per, today)
    windows = {known: used for known, used in memory.used.get(cap.key, {}).items() if known >= first}
    if name >= first:
        windows[name] = max(0, windows.get(name, 0) + by)
    windows = {known: count for known, count in windows.items() if count}
    used = {key: found for key, found in {**memory.used, cap.key: windows}.items() if found}
    return replace(memory, used=used)


def lately(memory: Memory, today: date) -> Memory:
    """Without what no window can count any more, of whichever rule."""
    used = {key: left for key, found in memory.used.items() if (left := _recent(found, today))}
    before = today - GOAL_WINDOWS_DAYS * DAY
    goals = {rule: left for rule, found in memory.goals.items() if (left := _recent(found, before))}
    return replace(memory, used=used, goals=goals)


def _recent(windows: Mapping[str, Any], today: date) -> dict[str, Any]:
    kinds = {10: "day", 8: "week", 7: "month", 4: "year"}
    return {name: found for name, found in windows.items() if name == "ever" or name >= oldest(kinds[len(name)], today)}
