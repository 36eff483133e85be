"""What an order is worth, written twice: the engine and the simulation's second writing of it, side by side."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest

from jifen.domain.orders import Line, LineKind, Order, Paid, Refund, RefundLine
from jifen.domain.program import parse_program
from jifen.domain.rules import caps, engine
from jifen.domain.rules.caps import Room
from jifen.domain.rules.model import Rule, RuleSet
from jifen.domain.standing import window
from local.simulation import programs
from local.simulation.worth import Limits, basket, grants

DAY = date(2026, 1, 31)
AT = datetime(2026, 1, 31, tzinfo=UTC)
KINDS = (*(LineKind.GOODS,) * 4, LineKind.DISCOUNT, LineKind.SHIPPING, LineKind.POINTS)


def order(rng: random.Random) -> Order:
    """An order of a few lines of all kinds, with refunds that name lines and such that name none."""
    lines = tuple(
        Line(
            number,
            f"sku-{number}",
            rng.randrange(1, 9_000),
            rng.choice(KINDS) if number > 1 else LineKind.GOODS,
            rng.choice(programs.CATEGORIES),
        )
        for number in range(1, rng.randrange(2, 5))
    )
    refunds = {}
    for number in range(rng.choice((0, 0, 1, 2, 3))):
        parts = tuple(
            RefundLine(rng.randrange(1, 6_000), rng.choice((None, LineKind.GOODS)), rng.choice((None, 1, 2, 3)))
            for _ in range(rng.randrange(3))
        )
        refunds[f"r{number}"] = Refund(f"r{number}", AT, "CNY", parts, rng.randrange(1, 3_000))
    return Order("standard", "o", Paid("m1", AT, "CNY", lines), refunds)


def both(found: Order, rules: RuleSet, asked: tuple[Rule, ...], limits: Limits, rooms: dict[str, Room]) -> Any:
    """What the engine grants, and what the second writing does, each in its order."""
    bounds = engine.Bounds(dict.fromkeys(limits.refused, "NO"), rooms, limits.budgets)
    assert found.paid is not None
    mine = grants(basket(found.paid, found.refunds.values(), cancelled=False), rules, asked, limits)
    return list(engine.judge(found, rules, asked, bounds, None).grants.items()), list(mine.items())


@pytest.mark.parametrize("hundred", range(6))
def test_engine_and_second_writing_grant_the_same(hundred: int) -> None:
    """Drawn rule sets over drawn orders, with drawn refusals, rooms and budgets: every rule to the last point."""
    given = 0
    for seed in range(100 * hundred, 100 * hundred + 100):
        rng = random.Random(seed)
        rules = parse_program(programs.ruled(rng, DAY)).rules
        for _ in range(4):
            found = order(rng)
            for asked in (rules.on_order, rules.for_inviter):
                refused = [rule.id for rule in asked if rng.random() < 0.2]
                applying = [rule.id for rule in asked if rule.id not in refused]
                rooms = {
                    limit.key: Room(window(limit.per, DAY), rng.randrange(80) if limit.unit == "points" else 1)
                    for limit in caps.limits_of(rules, applying)
                }
                budgets = {one.id: rng.randrange(100) for one in rules.campaigns if one.budget_points}
                limits = Limits(refused, {key: room.room for key, room in rooms.items()}, budgets)
                theirs, mine = both(found, rules, asked, limits, rooms)
                assert theirs == mine, seed
                given += bool(mine)
    assert given > 100


def _granted(earning: dict[str, Any], *lines: Line) -> dict[str, int]:
    rules = parse_program({"earning": earning}).rules
    found = Order("standard", "o", Paid("m1", AT, "CNY", lines))
    theirs, mine = both(found, rules, rules.on_order, Limits(), {})
    assert theirs == mine
    return dict(mine)


BASE = {"id": "base", "rate": {"points": 1, "per_minor": 100}}


def test_multiplier_of_some_lines_multiplies_what_a_factor_below_one_has_left_of_them() -> None:
    """Tea counts half; twice the points of tea is twice that half."""
    when = {"category": ["tea"]}
    rules = [BASE, {"id": "half", "when": when, "multiply": "0.5"}, {"id": "double", "when": when, "multiply": "2"}]
    lines = (Line(1, "a", 10_000, category="tea"), Line(2, "b", 10_000))
    assert {"base": 150, "double": 50} == _granted({"rules": rules}, *lines)


def test_compound_multipliers_do_not_multiply_what_a_better_one_displaces() -> None:
    """Of twice and three times the best is three times, compounded or not; one that stands apart multiplies it."""
    twice = {"id": "twice", "group": "best", "multiply": "2"}
    thrice = {"id": "thrice", "group": "best", "multiply": "3"}
    apart = {"id": "apart", "multiply": "2"}
    how = {"groups": {"best": "best_of"}, "multipliers": "compound"}
    assert {"base": 100, "thrice": 200} == _granted({**how, "rules": [BASE, twice, thrice]}, Line(1, "a", 10_000))
    assert {"base": 100, "thrice": 200, "apart": 300} == _granted(
        {**how, "rules": [BASE, twice, thrice, apart]}, Line(1, "a", 10_000)
    )


def test_lines_of_a_basket_add_up_to_what_is_kept() -> None:
    """Whatever was discounted, named and refunded: the parts are the whole, exactly."""
    rng = random.Random(1)
    for _ in range(500):
        found = order(rng)
        assert found.paid is not None
        kept = basket(found.paid, found.refunds.values(), cancelled=False)
        assert kept.kept == sum((amount for _, amount in kept.lines), Fraction(0))
