"""The program files that are counted beside the bare one: rules that meet on every order, a campaign, behaviour.

TWENTY: twenty rules on orders, with categories, caps, groups and multipliers; no campaign. FESTIVAL: the same with a
campaign of two more rules and a budget. DEEDS: a visit that gives points a few times a day, a check-in with a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jifen.domain.orders import Line, LineKind
from jifen.domain.program import Program, parse_program

CATEGORIES = ("books", "garden", "home", "tea", "toys")

ORDER_LINES = 20
"""Of which the last is a discount."""

_RATES: list[Mapping[str, Any]] = [
    {
        "id": f"more-{number}",
        "group": "rates",
        "priority": number,
        "rate": {"points": 2 + number, "per_minor": 1_000},
        "when": {"category": [CATEGORIES[number % 5]]},
        "caps": [{"per": "day", "points": 500}],
    }
    for number in range(1, 10)
]

_MULTIPLIERS: list[Mapping[str, Any]] = [
    {"id": "books-more", "multiply": "1.1", "when": {"category": ["books"]}},
    {"id": "vip-more", "multiply": "1.2", "when": {"tag": ["vip"]}},
    {"id": "home-more", "multiply": "1.3", "when": {"category": ["home"]}},
    {"id": "coast-more", "multiply": "1.4", "when": {"region": ["coast"]}},
    {"id": "tea-less", "multiply": "0.5", "when": {"category": ["tea"]}},
    {"id": "evenings", "multiply": "2", "when": {"window": {"weekdays": ["sat", "sun"], "hours": ["20:00-22:00"]}}},
]

RULES: list[Mapping[str, Any]] = [
    {"id": "base", "group": "rates", "rate": {"points": 1, "per_minor": 100}},
    *_RATES,
    *_MULTIPLIERS,
    {"id": "large", "fixed": 50, "when": {"amount_minor": {"min": 10_000}}},
    {"id": "steps", "group": "best", "ladder": [[0, 1], [5_000, 20]]},
    {"id": "first", "group": "best", "fixed": 100, "when": {"first_order": True}},
    {"id": "again", "fixed": 5, "when": {"repeat_within_days": 40}, "caps": [{"per": "month", "times": 2}]},
]

_EARNING = {
    "groups": {"rates": "exclusive", "best": "best_of"},
    "caps": [{"per": "day", "points": 1_000}],
    "rules": RULES,
}

BASE = {"time_zone": "Europe/London", "currency": "GBP"}

TWENTY: Mapping[str, Any] = {**BASE, "earning": _EARNING}

FESTIVAL: Mapping[str, Any] = {
    **BASE,
    "earning": {
        **_EARNING,
        "campaigns": [
            {
                "id": "festival",
                "from": "2011-11-01",
                "until": "2011-11-30",
                "budget_points": 1_000_000,
                "rules": [
                    {"id": "double", "multiply": "2"},
                    {"id": "gift", "fixed": 20, "when": {"amount_minor": {"min": 5_000}}},
                ],
            }
        ],
    },
}

DEEDS: Mapping[str, Any] = {
    **BASE,
    "earning": {
        "rules": [
            {"id": "base", "rate": {"points": 1, "per_minor": 100}},
            {"id": "visit", "on": "page.browsed", "fixed": 2, "caps": [{"per": "day", "times": 5}]},
            {
                "id": "check-in",
                "on": "member.checked_in",
                "streak": {"days": [10, 15, 20, 25, 30, 40, 50], "marks": {"7": 20}},
            },
        ]
    },
}


def published(data: Mapping[str, Any], number: int) -> Program:
    """The program of a file, as a process knows it once it was published under this number."""
    program = parse_program(json.loads(json.dumps(data)))
    return replace(program, rules=replace(program.rules, version=number))


def mixed_lines() -> tuple[Line, ...]:
    """An order of twenty lines in five categories, one of them a discount."""
    goods = (
        Line(number, f"{85_123 - number * 613}A", 1_000 + number * 37, LineKind.GOODS, CATEGORIES[number % 5])
        for number in range(1, ORDER_LINES)
    )
    return (*goods, Line(ORDER_LINES, "discount", 500, LineKind.DISCOUNT))


assert len(RULES) == 20, "as the budgets call it"  # noqa: PLR2004 - what the name says
