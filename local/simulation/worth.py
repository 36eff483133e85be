"""What an order is worth under a rule set, once more: the second writing of the engine, from docs/rules.md.

It shares the rule set's values with the real code and no decision. Every amount is a fraction, every line of an order
stands by itself, and each paragraph of the page is a function:

    lines kept ──who applies──> givers ──groups──> exact values ──rounding──> points ──multipliers──> ──limits──> grants
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from jifen.domain.orders import Line, LineKind, Paid, Refund
from jifen.domain.points import Rounding
from jifen.domain.rules.model import Fixed, Ladder, Multiplier, Rate, Rule, RuleSet, Stacking

ORDER_POINTS_MAX = 10**12

Rooms = Mapping[str, int]
"""What limits leave: by the key of a cap (``base/day/points``)."""


@dataclass(frozen=True)
class Basket:
    """What is kept of an order: ``kept`` minor units of ``bought``, and each line that earns with its share of them.

    Lower bounds up to ``still`` are taken to hold, however little is kept.
    """

    bought: int = 0
    kept: int = 0
    lines: tuple[tuple[Line, Fraction], ...] = ()
    still: int = 0


@dataclass(frozen=True)
class Limits:
    """What was pinned, and is free now: ``refused`` rules, rooms of caps, what budgets have left for this order."""

    refused: Iterable[str] = ()
    rooms: Rooms = field(default_factory=dict)
    budgets: Mapping[str, int] = field(default_factory=dict)


@dataclass(eq=False)
class _Giver:
    """A rule that applies: the lines it counts, what it is worth exactly, and in whole points."""

    rule: Rule
    lines: list[int]
    exact: Fraction = Fraction(0)
    points: int = 0


def whole(exact: Fraction, rounding: Rounding) -> int:
    """A fraction of points as points."""
    if rounding is Rounding.FLOOR:
        return math.floor(exact)
    if rounding is Rounding.CEIL:
        return math.ceil(exact)
    return math.floor(exact + Fraction(1, 2))


# What is kept --------------------------------------------------------------------------------------------------------


def basket(paid: Paid, refunds: Iterable[Refund], *, cancelled: bool) -> Basket:
    """The order less its discounts and refunds.

    A discount, and what was paid with points, lowers every line alike. What a refund names is off its own line; what
    names none lowers every line that is left alike.
    """
    if cancelled:
        return Basket()
    goods = [line for line in paid.lines if line.kind is LineKind.GOODS]
    gross = sum(line.amount_minor for line in goods)
    off = sum(line.amount_minor for line in paid.lines if line.kind in {LineKind.DISCOUNT, LineKind.POINTS})
    bought = max(0, gross - off)
    named: dict[int, int] = {}
    back = 0
    kinds = {line.number: line.kind for line in paid.lines}
    for refund in refunds:
        if refund.currency != paid.currency:
            continue
        if not refund.lines:
            back += refund.total_minor or 0
        for part in refund.lines:
            at = kinds.get(part.orig_line) if part.orig_line is not None else None
            if (part.kind or at or LineKind.GOODS) is LineKind.GOODS:
                back += part.amount_minor
                if at is not None and part.orig_line is not None:
                    named[part.orig_line] = named.get(part.orig_line, 0) + part.amount_minor
    kept = max(0, bought - back)
    left = [
        max(Fraction(0), Fraction(line.amount_minor * bought, gross or 1) - named.get(line.number, 0)) for line in goods
    ]
    all_left = sum(left, Fraction(0)) or Fraction(1)
    return Basket(bought, kept, tuple((line, kept * one / all_left) for line, one in zip(goods, left, strict=True)))


def lines_for(rule: Rule, rules: RuleSet, found: Basket) -> list[int]:
    """The lines that a rule is about, by their place."""
    return [place for place, (line, _) in enumerate(found.lines) if _about(line, rule, rules)]


def _about(line: Line, rule: Rule, rules: RuleSet) -> bool:
    category, when = line.category or "", rule.when
    if category in rules.not_category or line.sku in rules.not_product:
        return False
    if category in when.not_category or line.sku in when.not_product:
        return False
    return (not when.category or category in when.category) and (not when.product or line.sku in when.product)


def amount_fits(rule: Rule, found: Basket) -> bool:
    """A lower bound is about what is kept; an upper one about what was bought, so that no refund brings a rule in."""
    bounds = rule.when.amount_minor
    if bounds is None:
        return True
    low = bounds.low or 0
    return (found.kept >= low or found.still >= low) and (bounds.high is None or found.bought <= bounds.high)


# What it is worth ----------------------------------------------------------------------------------------------------


def grants(found: Basket, rules: RuleSet, asked: Sequence[Rule], limits: Limits) -> dict[str, int]:
    """The points of each of the rules ``asked``; those that give none are left out.

    A refund never gives points, so no order is worth more than it was with a bound that a refund has undone.
    """
    given = _granted(found, rules, asked, limits)
    if not 0 < found.kept < found.bought:
        return given
    lows = {
        rule.when.amount_minor.low or 0 for rule in asked if rule.when.amount_minor and rule.id not in limits.refused
    }
    earlier = [replace(found, still=low) for low in lows if found.kept < low <= found.bought]
    if Stacking.BEST_OF in {rules.stacking, *rules.groups.values()}:
        earlier.append(_as_bought(found))
    left = min((sum(_granted(one, rules, asked, limits).values()) for one in earlier), default=ORDER_POINTS_MAX)
    cut: dict[str, int] = {}
    for name, points in given.items():
        cut[name] = min(points, left)
        left -= cut[name]
    return {name: points for name, points in cut.items() if points}


def _as_bought(found: Basket) -> Basket:
    gross = sum(line.amount_minor for line, _ in found.lines) or 1
    lines = tuple((line, Fraction(line.amount_minor * found.bought, gross)) for line, _ in found.lines)
    return Basket(found.bought, found.bought, lines)


def _granted(found: Basket, rules: RuleSet, asked: Sequence[Rule], limits: Limits) -> dict[str, int]:
    if found.kept <= 0:
        return {}
    applying = [
        _Giver(rule, lines)
        for rule in asked
        if rule.id not in set(limits.refused) and amount_fits(rule, found) and (lines := lines_for(rule, rules, found))
    ]
    givers = [one for one in applying if not isinstance(one.rule.effect, Multiplier)]
    factors = [one for one in applying if isinstance(one.rule.effect, Multiplier)]
    givers = _each_line_once(givers, rules)
    for one in givers:
        one.exact = _exact(one, found, one.lines, factors)
        one.points = whole(one.exact, one.rule.rounding)
    givers = _settled(givers, rules, Stacking.BEST_OF, lambda one: one.exact)
    raising = [one for one in factors if _by(one) >= 1]
    raising = _settled(raising, rules, Stacking.EXCLUSIVE, lambda one: Fraction(one.rule.priority))
    for place, one in enumerate(raising):
        base = sum((_multiplied(one, rate, found, factors, rules) for rate in givers), Fraction(0))
        if rules.compound:
            base += _added_before(raising[:place], one, rules)
        one.exact = (_by(one) - 1) * base
        one.points = whole(one.exact, one.rule.rounding)
    everyone = [*givers, *_settled(raising, rules, Stacking.BEST_OF, lambda one: one.exact)]
    if rules.once is not None:
        _share(everyone, whole(sum((one.exact for one in everyone), Fraction(0)), rules.once))
    return _limited({one.rule.id: one.points for one in everyone if one.points > 0}, rules, limits)


def _by(one: _Giver) -> Fraction:
    assert isinstance(one.rule.effect, Multiplier)
    return one.rule.effect.by


def _aims_at(factor: _Giver, rule: Rule) -> bool:
    assert isinstance(factor.rule.effect, Multiplier)
    return isinstance(rule.effect, Rate) and (not factor.rule.effect.rules or rule.id in factor.rule.effect.rules)


def _how(rule: Rule, rules: RuleSet) -> Stacking:
    return rules.groups[rule.group] if rule.group else rules.stacking


def _each_line_once(givers: list[_Giver], rules: RuleSet) -> list[_Giver]:
    """In an exclusive group, each line goes to the first by priority; an effect on the whole order needs all of it."""
    taken: dict[str, set[int]] = {}
    closed: set[str] = set()
    out: list[_Giver] = []
    for one in sorted(givers, key=lambda one: -one.rule.priority):
        group = one.rule.group
        if _how(one.rule, rules) is not Stacking.EXCLUSIVE:
            continue
        mine = taken.setdefault(group, set())
        if isinstance(one.rule.effect, Rate):
            one.lines = [] if group in closed else [place for place in one.lines if place not in mine]
            mine.update(one.lines)
        elif group in closed or mine:
            one.lines = []
        else:
            closed.add(group)
        if not one.lines:
            out.append(one)
    return [one for one in givers if one not in out]


def _settled(
    found: list[_Giver], rules: RuleSet, stacking: Stacking, worth: Callable[[_Giver], Fraction]
) -> list[_Giver]:
    """In a group that stacks so, the one that is worth most stays; of equals the one written first."""
    winners: dict[str, _Giver] = {}
    for one in found:
        if one.rule.group not in winners or worth(one) > worth(winners[one.rule.group]):
            winners[one.rule.group] = one
    return [one for one in found if _how(one.rule, rules) is not stacking or winners[one.rule.group] is one]


def _added_before(earlier: Iterable[_Giver], one: _Giver, rules: RuleSet) -> Fraction:
    """What multipliers have added when this one's turn comes; of a group that gives one of them, the best so far."""
    alone: dict[str, Fraction] = {}
    added = Fraction(0)
    for before in earlier:
        worth = before.exact if rules.once else Fraction(before.points)
        if _how(before.rule, rules) is not Stacking.BEST_OF:
            added += worth
        elif before.rule.group != one.rule.group:
            alone[before.rule.group] = max(worth, alone.get(before.rule.group, worth))
    return added + sum(alone.values(), Fraction(0))


def _exact(one: _Giver, found: Basket, places: Iterable[int], factors: Sequence[_Giver]) -> Fraction:
    match one.rule.effect:
        case Rate(points, per):
            lowering = [factor for factor in factors if _by(factor) < 1 and _aims_at(factor, one.rule)]
            amount = Fraction(0)
            for place in places:
                lowest = min((_by(factor) for factor in lowering if place in factor.lines), default=Fraction(1))
                amount += found.lines[place][1] * lowest
            return amount * points / per
        case Fixed(points):
            return Fraction(points if sum(found.lines[place][1] for place in places) else 0)
        case Ladder(steps):
            reached = [points for least, points in steps if found.kept >= least]
            there = sum(found.lines[place][1] for place in places)
            return Fraction(reached[-1] if reached and there else 0)
        case _:
            raise AssertionError(one.rule)


def _multiplied(factor: _Giver, rate: _Giver, found: Basket, factors: Sequence[_Giver], rules: RuleSet) -> Fraction:
    """What of a rate's points a multiplier multiplies: those of the lines that both are about."""
    if not _aims_at(factor, rate.rule):
        return Fraction(0)
    if set(rate.lines) <= set(factor.lines) or not factor.rule.when.picks_lines:
        return rate.exact if rules.once else Fraction(rate.points)
    both = _exact(rate, found, [place for place in rate.lines if place in factor.lines], factors)
    return both if rules.once else Fraction(min(rate.points, whole(both, rate.rule.rounding)))


def _share(everyone: list[_Giver], points: int) -> None:
    """Share out what the sum was rounded to: each its whole points, what is left to those that lost most by it."""
    lost = {id(one): one.exact - math.floor(one.exact) for one in everyone}
    for one in everyone:
        one.points = min(math.floor(one.exact), points)
    left = points - sum(one.points for one in everyone)
    for one in sorted(everyone, key=lambda one: -lost[id(one)])[: max(0, left)]:
        one.points += 1


# Limits --------------------------------------------------------------------------------------------------------------


def _limited(wanted: dict[str, int], rules: RuleSet, limits: Limits) -> dict[str, int]:
    """Caps of a rule first, then the budgets of campaigns, then the caps over all rules: the first written get most."""
    given: dict[str, int] = {}
    budgets = dict(limits.budgets)
    for name, points in wanted.items():
        rule = rules.by_id[name]
        most = [_most(cap.times, cap.points, name, str(cap.per), limits.rooms) for cap in rule.caps]
        given[name] = min(points, *most, budgets.get(rule.campaign, points))
        if rule.campaign in budgets:
            budgets[rule.campaign] -= given[name]
    for cap in rules.caps:
        left = limits.rooms.get(f"*/{cap.per}/points", ORDER_POINTS_MAX)
        for name, points in given.items():
            given[name] = min(points, max(0, left))
            left -= given[name]
    return {name: points for name, points in given.items() if points > 0}


def _most(times: int | None, points: int | None, name: str, per: str, rooms: Rooms) -> int:
    """The most that one cap of a rule lets through."""
    most = ORDER_POINTS_MAX
    if points is not None:
        most = rooms.get(f"{name}/{per}/points", most)
    if times is not None and rooms.get(f"{name}/{per}/times", 1) <= 0:
        most = 0
    return max(0, most)
