"""The programs of the stories, drawn as an operator would write them: sections of a program file.

Some are one rate and nothing else; the others take a few of everything that earning rules can say, with figures so
small that a run of some hours reaches every cap, budget, task and level.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

Data = dict[str, Any]

CATEGORIES = ("tea", "tea", "cake", None)
ROUNDINGS = ("floor", "half_up", "ceil")
_PER = ("day", "day", "week", "month", "year", "ever")


def chance(rng: random.Random, probability: float) -> bool:
    """Whether it happens."""
    return rng.random() < probability


def bare(rng: random.Random) -> Data:
    """Rates on the whole order, and nothing else."""
    more = [
        {"id": f"rule-{number}", "rate": _rate(rng), "rounding": rng.choice(ROUNDINGS)}
        for number in range(rng.choice((0, 0, 1)))
    ]
    return {"earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100}}, *more]}}


def _rate(rng: random.Random) -> Data:
    return {"points": rng.randrange(0, 4), "per_minor": rng.choice((70, 100, 100, 333))}


def ruled(rng: random.Random, today: date, *, friends: bool = False) -> Data:
    """A few rules of every kind; ``today`` is the local day on which the story begins.

    With ``friends`` inviters get something for what their friends buy.
    """
    tiers = _tiers(rng) if chance(rng, 0.35) else {}
    levels = [level["id"] for level in tiers["levels"]] if tiers else []
    rules: list[Data] = [_dressed(rng, rule) for rule in _rates(rng)]
    kinds = rng.sample(_KINDS, rng.choice((1, 2, 3, 4, 5)))
    rules += [_dressed(rng, kind(rng, levels)) for kind in kinds]
    if friends:
        rules.append(_dressed(rng, _inviting(rng, levels)))
    if chance(rng, 0.2):
        rng.shuffle(rules)
    behaviour = rng.sample(_DEEDS, rng.choice((0, 0, 1, 2, 3)))
    rules += [_dressed(rng, kind(rng)) for kind in behaviour]
    for number, rule in enumerate(rules):
        rule.setdefault("id", f"r{number}")
    campaigns = [_campaign(rng, name, today, levels) for name in ("c1", "c2")[: rng.choice((0, 0, 1, 1, 2))]]
    earning: Data = {
        "rules": rules,
        "campaigns": campaigns,
        "groups": {
            "rates": "exclusive",
            "festival": rng.choice(("sum", "best_of", "best_of", "exclusive")),
            "gifts": rng.choice(("best_of", "exclusive", "sum")),
        },
        "multipliers": rng.choice(("add", "add", "compound")),
        "stacking": rng.choice(("sum", "sum", "sum", "sum", "best_of", "exclusive")),
    }
    if chance(rng, 0.2):
        earning["round_once"] = rng.choice(ROUNDINGS)
    if chance(rng, 0.3):
        earning["caps"] = [
            {"per": per, "points": rng.randrange(20, 250)} for per in rng.sample(_PER[1:], rng.choice((1, 2)))
        ]
    if chance(rng, 0.2):
        earning["exclude"] = {"product": ["sku-3"]}
    found: Data = {"earning": earning} | ({"tiers": tiers} if tiers else {})
    if chance(rng, 0.6):
        terms = {"cost": rng.choice((0, 2, 3, 10)), "per_month": rng.choice((1, 3)), "pays": chance(rng, 0.5)}
        found["check_in"] = {"make_up": terms}
    return found


# Rules ---------------------------------------------------------------------------------------------------------------


def _rates(rng: random.Random) -> list[Data]:
    base: Data = {"id": "base", "rate": {"points": 1, "per_minor": 100}, "rounding": rng.choice(ROUNDINGS)}
    if chance(rng, 0.4):
        return [base]
    tea: Data = {
        "id": "tea",
        "rate": {"points": rng.choice((0, 2, 3)), "per_minor": rng.choice((70, 100, 333))},
        "when": {"category": ["tea"]},
        "priority": rng.choice((-1, 5, 5)),
        "rounding": rng.choice(ROUNDINGS),
    }
    return [base | {"group": "rates"}, tea | {"group": "rates"}] if chance(rng, 0.7) else [base, tea]


def _lower(rng: random.Random, _levels: list[str]) -> Data:
    when = rng.choice(({"category": ["cake"]}, {"category": ["tea"]}, {"not_category": ["tea"]}, {}))
    return {"multiply": rng.choice(("0.5", "0", "0.333")), "when": when}


def _raise(rng: random.Random, levels: list[str]) -> Data:
    when = rng.choice(({}, {}, {"category": ["tea"]}, {"product": ["sku-2"]}, {"tier": levels[1:2]} if levels else {}))
    by: Any = rng.choice(("2", "1.2", "3", "1.125"))
    if chance(rng, 0.3):
        by = {"by": by, "rules": ["base"]}
    return {"multiply": by, "when": when, "group": rng.choice(("", "festival", "festival"))}


def _bonus(rng: random.Random, levels: list[str]) -> Data:
    least = rng.choice((1_000, 3_000, 6_000))
    amount = rng.choice(({"min": least}, {"min": least}, {"max": least}))
    when = {"amount_minor": amount} | ({"tier": levels[1:]} if levels and chance(rng, 0.3) else {})
    return {"fixed": rng.choice((5, 20, 50)), "when": when, "group": rng.choice(("", "gifts"))}


def _ladder(rng: random.Random, _levels: list[str]) -> Data:
    steps = [[0, rng.randrange(0, 5)], [2_000, rng.randrange(3, 30)], [6_000, rng.randrange(5, 90)]]
    when = rng.choice(({}, {"category": ["tea"]}))
    return {"ladder": steps[rng.choice((0, 1)) :], "when": when, "group": rng.choice(("", "gifts"))}


def _first(rng: random.Random, _levels: list[str]) -> Data:
    return {"fixed": rng.choice((10, 60)), "when": {"first_order": True}}


def _repeat(rng: random.Random, _levels: list[str]) -> Data:
    number = rng.choice(({}, {"order_number": {"min": 2, "max": 2}}))
    return {"fixed": rng.choice((7, 30)), "when": {"repeat_within_days": rng.choice((1, 3, 30))} | number}


def _task(rng: random.Random, _levels: list[str]) -> Data:
    goal = rng.choice(({"of": "count", "reach": 2}, {"of": "count", "reach": 1}, {"of": "amount", "reach": 5_000}))
    when = rng.choice(({}, {}, {"category": ["tea"]}, {"amount_minor": rng.choice(({"min": 2_000}, {"max": 9_000}))}))
    again = {"again": True} if chance(rng, 0.5) else {}
    return {"fixed": rng.choice((8, 40)), "goal": goal | {"per": rng.choice(_PER)} | again, "when": when}


def _inviting(rng: random.Random, _levels: list[str]) -> Data:
    when = rng.choice(({}, {"order_number": {"min": 1, "max": 3}}))
    effect = rng.choice(({"fixed": 25}, {"ladder": [[0, 10], [3_000, 30]]}, {"rate": {"points": 1, "per_minor": 200}}))
    return {"to": "inviter", "when": when, **effect}


_KINDS: tuple[Callable[[random.Random, list[str]], Data], ...] = (
    _lower,
    _raise,
    _raise,
    _bonus,
    _bonus,
    _ladder,
    _first,
    _first,
    _repeat,
    _task,
    _task,
    _inviting,
)


def _sharing(rng: random.Random) -> Data:
    effect = rng.choice(({"fixed": 5}, {"fixed": 9, "goal": {"of": "count", "reach": 2, "per": rng.choice(_PER)}}))
    return {"on": "page.shared", **effect}


def _browsing(rng: random.Random) -> Data:
    streak = {"streak": {"marks": {"2": 7, "3": 20}}}
    rate = {"rate": {"points": 5, "per": 180, "field": "seconds", "daily": chance(rng, 0.6)}}
    return {"on": "page.browsed", **rng.choice((rate, rate, streak))}


def _survey(_rng: random.Random) -> Data:
    given = {"field": "points", "min": 5, "max": 30}
    return {"on": "survey.completed", "given": given, "once_per": "survey_id"}


def _review(rng: random.Random) -> Data:
    steps = [[50, 12], [80, 31]]
    once = {"once_per": "review_id"} if chance(rng, 0.7) else {}
    return {"on": "review.scored", "ladder": {"field": "score", "steps": steps}, "approval": True, **once}


def _engaged(_rng: random.Random) -> Data:
    return {"on": "review.engaged", "when": {"data": {"likes": {"min": 20}}}, "fixed": 15}


def _check_in(rng: random.Random) -> Data:
    days = rng.choice(([1, 2, 3], [4], [2, 5]))
    return {"on": "member.checked_in", "streak": {"days": days, "marks": {"2": 6}, "restart": chance(rng, 0.5)}}


def _invited(rng: random.Random) -> Data:
    return {"on": "invite.accepted", "fixed": rng.choice((5, 14)), "to": rng.choice(("member", "inviter"))}


_DEEDS: tuple[Callable[[random.Random], Data], ...] = (
    _sharing,
    _browsing,
    _browsing,
    _survey,
    _review,
    _review,
    _engaged,
    _check_in,
    _check_in,
    _check_in,
    _invited,
)


def _dressed(rng: random.Random, rule: Data) -> Data:
    """A rule with caps, a validity of its own, days of waiting, at times."""
    if "multiply" not in rule or chance(rng, 0.3):
        if chance(rng, 0.25):
            limit = rng.choice(({"points": rng.randrange(5, 90)}, {"points": rng.randrange(5, 90)}, {"times": 1}))
            rule["caps"] = [{"per": rng.choice(_PER), **limit}]
        if chance(rng, 0.15):
            rule["valid"] = {"policy": "days", "days": rng.choice((1, 2, 6)), "round_up_to": "none"}
        if chance(rng, 0.15):
            rule["pending_days"] = rng.choice((1, 1, 2, 5))
    if chance(rng, 0.1):
        rule["qualifies"] = False
    return {name: value for name, value in rule.items() if value not in ("", {})}


def _campaign(rng: random.Random, name: str, today: date, levels: list[str]) -> Data:
    """Rules for some days around ``today``, with a budget that a few orders use up."""
    kinds = rng.sample((_raise, _bonus, _ladder, _first, _task), rng.choice((1, 1, 2)))
    rules = [_dressed(rng, kind(rng, levels)) for kind in kinds]
    if chance(rng, 0.4):
        rules.append(_dressed(rng, rng.choice(_DEEDS)(rng)))
    for number, rule in enumerate(rules):
        rule["id"] = f"p{number}"
    found: Data = {"id": name, "rules": rules}
    if chance(rng, 0.5):
        found["from"] = (today - timedelta(days=rng.choice((1, 1, 3, 30)))).isoformat()
        found["until"] = (today + timedelta(days=rng.choice((-1, 0, 1, 8)))).isoformat()
    if chance(rng, 0.8):
        found["budget_points"] = rng.choice((10, 40, 90, 300))
    return found


def _tiers(rng: random.Random) -> Data:
    by = rng.choice(("points", "points", "spend"))
    scale = 1 if by == "points" else 100
    levels: list[Data] = [{"id": "plain", "from": 0}, {"id": "silver", "from": rng.choice((30, 60)) * scale}]
    if chance(rng, 0.5):
        levels.append({"id": "gold", "from": rng.choice((100, 150)) * scale})
    for level in levels[1:]:
        if chance(rng, 0.5):
            level["multiplier"] = rng.choice(("1.2", "2"))
        if chance(rng, 0.5):
            level["allowance"] = rng.choice((5, 40))
    months = {"period": "months", "months": rng.choice((1, 2))}
    period = rng.choice(({"period": "year"}, months, {"period": "lifetime"}))
    downgrade = rng.choice(("period_end", "at_once", "at_once", "one_step", "never"))
    return {"by": by, **period, "downgrade": downgrade, "levels": levels}
