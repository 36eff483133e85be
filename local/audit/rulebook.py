"""Rules read from the text that an award names: what the laws need of them, by a reader of its own.

source (canonical JSON) ──> Rulebook ── rules ──> Rule: what it is on, whom it pays, its caps, its lot dates
                                     └─ budgets of campaigns, caps over all rules, what of an order earns
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from jifen.domain.validity import Expiry
from local.audit.lots import LotKey
from local.simulation.days import last_valid_day

ON_ORDER = "order.paid"
ALL = "*"
"""The name under which caps over all rules stand."""
SECTIONS = ("time_zone", "currency", "expiry", "earning", "tiers", "check_in")
"""The sections of a program file that are its rules."""

Raw = Mapping[str, Any]


class Limit(NamedTuple):
    """At most ``most`` of ``unit`` (points or times) in one ``per``, of the rule of this name or of ALL."""

    rule: str
    per: str
    unit: str
    most: int

    @property
    def key(self) -> str:
        """As accounts and awards name it."""
        return f"{self.rule}/{self.per}/{self.unit}"

    def used_by(self, grants: Mapping[str, int]) -> int:
        """What points by rule use of it."""
        if self.rule == ALL:
            return sum(grants.values())
        points = grants.get(self.rule, 0)
        return points if self.unit == "points" else int(points > 0)


@dataclass(frozen=True)
class Rule:
    """One rule: its name, what is written of it, the campaign it belongs to."""

    id: str
    raw: Raw
    campaign: str = ""

    @property
    def on(self) -> str:
        """What triggers it."""
        return str(self.raw.get("on", ON_ORDER))

    @property
    def to(self) -> str:
        """Who gets the points."""
        return str(self.raw.get("to", "member"))

    @property
    def goal(self) -> Raw | None:
        """What makes it a task."""
        goal: Raw | None = self.raw.get("goal")
        return goal

    @property
    def goal_per(self) -> str | None:
        """The stretch in which its progress counts: a task's, or the day of a rate that adds a day up."""
        if self.goal is not None:
            return str(self.goal.get("per", "ever"))
        rate = self.raw.get("rate")
        return "day" if isinstance(rate, dict) and rate.get("daily") else None

    @property
    def when(self) -> Raw:
        """Its conditions."""
        when: Raw = self.raw.get("when", {})
        return when

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        """Its own caps."""
        return tuple(_limits(self.id, self.raw.get("caps", ())))

    def task_worth(self, done: int) -> int:
        """The points that so much progress is worth."""
        assert self.goal is not None, "only a task has progress"
        times = done // self.goal["reach"]
        return int(self.raw["fixed"] * (times if self.goal.get("again") else min(1, times)))


def _limits(name: str, caps: Iterable[Raw]) -> Iterator[Limit]:
    for cap in caps:
        unit = "points" if "points" in cap else "times"
        yield Limit(name, cap["per"], unit, cap[unit])


class Rulebook:
    """The rules of one text."""

    def __init__(self, source: str) -> None:
        data = json.loads(source)
        self.zone = ZoneInfo(data.get("time_zone", "UTC"))
        self.currency: str | None = data.get("currency")
        self.earning: Raw = data.get("earning", {})
        self._expiry = _expiry(data.get("expiry", {}))
        written = self.earning.get("rules", [{"id": "base", "rate": {}}])
        levels = data.get("tiers", {}).get("levels", ())
        campaigns = self.earning.get("campaigns", ())
        rules = [Rule(raw["id"], raw) for raw in written]
        rules += [
            Rule(f"tier.{level['id']}", {"multiply": level["multiplier"]}) for level in levels if "multiplier" in level
        ]
        rules += [Rule(f"{each['id']}.{raw['id']}", raw, each["id"]) for each in campaigns for raw in each["rules"]]
        self.rules: dict[str, Rule] = {rule.id: rule for rule in rules}
        self.budgets: dict[str, int | None] = {each["id"]: each.get("budget_points") for each in campaigns}
        self.make_ups: int = data.get("check_in", {}).get("make_up", {}).get("per_month", 3)
        self.over_all = tuple(_limits(ALL, self.earning.get("caps", ())))

    def asked(self, *, inviter: bool) -> list[Rule]:
        """The rules that an award is judged by."""
        to = "inviter" if inviter else "member"
        return [rule for rule in self.rules.values() if (rule.on, rule.goal, rule.to) == (ON_ORDER, None, to)]

    def limits_of(self, names: Iterable[str]) -> list[Limit]:
        """Every limit that these rules stand under, those over all rules last."""
        own = [limit for name in names if name in self.rules for limit in self.rules[name].limits]
        return [*own, *self.over_all]

    def lot_of(self, rule: Rule, day: date) -> LotKey:
        """The lot that a rule's points of ``day`` go into."""
        expiry = _expiry(rule.raw["valid"]) if "valid" in rule.raw else self._expiry
        last, pending = last_valid_day(expiry, day), rule.raw.get("pending_days", 0)
        return last.isoformat() if last else None, (day + timedelta(days=pending)).isoformat() if pending else None


def _expiry(raw: Raw) -> Expiry:
    usual = Expiry()
    policy = raw.get("policy", usual.policy)
    month, day = map(int, str(raw.get("month_day", "12-31")).split("-"))
    return Expiry(
        policy=policy,
        days=raw.get("days", usual.days),
        months=raw.get("months", usual.months),
        round_up_to=raw.get("round_up_to", "month_end" if policy == "months" else "none"),
        month_day=(month, day),
        years=raw.get("years", usual.years),
    )


def fingerprint(source: str) -> str:
    """The name of rules by their text."""
    return hashlib.sha256(source.encode()).hexdigest()[:32]


def rules_of(program: str) -> str:
    """The part of a program file that is its rules, as it is hashed."""
    data = json.loads(program)
    said = {name: data[name] for name in SECTIONS if name in data}
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
