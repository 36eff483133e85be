"""Scenes: when a rule applies, to whom, and to what; and the amounts at which something about it changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

from jifen.domain.calendar import DAY, local_day
from jifen.domain.lint.play import ME, Effort, Piece, Play
from jifen.domain.money import AMOUNT_MINOR_MAX, minor_per_unit
from jifen.domain.program import Program
from jifen.domain.rules.conditions import within
from jifen.domain.rules.model import (
    ORDER_PAID,
    Fixed,
    Given,
    Goal,
    Ladder,
    Level,
    Per,
    Range,
    Rate,
    Rule,
    RuleSet,
    Test,
    To,
)
from jifen.domain.standing import Profile, Standing, TierState, window

DAYS_AHEAD = 8
"""Days from the first one possible on which a rule's hours and weekdays are looked for."""

AMOUNTS_MAX = 8
PIECES_MAX = 6
SCENES_MAX = 6

SOME_DAY = date(2026, 1, 7)
"""The day that a story begins on where nobody says what day it is: a Wednesday early in a month."""

NOON_HOUR = 12
WORDS = ("none", "goods")


@dataclass(frozen=True, slots=True)
class Scene:
    """When a story plays, and what is known of its member."""

    at: datetime
    standing: Standing
    says: str = ""


@dataclass(frozen=True)
class Stage:
    """A program to be played from ``today`` on (None: from some day, and nothing is over)."""

    program: Program
    today: date | None = None

    @property
    def rules(self) -> RuleSet:
        """Its rules."""
        return self.program.rules

    @cached_property
    def unit(self) -> int:
        """Minor units of one unit of the currency."""
        return minor_per_unit(self.program.currency) if self.program.currency else 100

    @cached_property
    def plain(self) -> Scene:
        """A usual noon, and somebody new."""
        return Scene(_local(self.today or SOME_DAY, NOON_HOUR * 60, self.rules), Standing())

    def play(self, scene: Scene, effort: Effort) -> Play:
        """A story that begins in this scene."""
        play = Play(self.program, scene.at, effort)
        play.is_(ME, scene.standing)
        if scene.says:
            play.say(scene.says)
        return play

    @cached_property
    def order_rules(self) -> tuple[Rule, ...]:
        """The rules on orders that are switched on."""
        return tuple(rule for rule in self.rules.rules if rule.on == ORDER_PAID and rule.enabled)

    @cached_property
    def scenes(self) -> tuple[Scene, ...]:
        """The scenes in which some rule on orders applies, each member with everything that could earn more."""
        found = [self.plain]
        for rule in self.order_rules:
            scene = self.scene_of(rule, rich=True)
            if scene is not None and scene not in found:
                found.append(scene)
        return tuple(found[:SCENES_MAX])

    @cached_property
    def amounts(self) -> tuple[int, ...]:
        """Amounts, ascending, at which some rule on orders gives more, or no longer anything."""
        found = {1, 100 * self.unit}
        for rule in self.order_rules:
            found.update(amounts_of(rule))
        usable = sorted(amount for amount in found if 0 < amount <= AMOUNT_MINOR_MAX)
        if len(usable) <= AMOUNTS_MAX:
            return tuple(usable)
        step = (len(usable) - 1) / (AMOUNTS_MAX - 1)
        return tuple(usable[round(step * index)] for index in range(AMOUNTS_MAX))

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """What can be bought, one for each kind of line that rules tell apart; ``amount_minor`` is 1."""
        found = [Piece(1)]
        for rule in self.order_rules:
            piece = piece_of(rule, self.rules)
            if piece is not None and piece not in found:
                found.append(piece)
        return tuple(found[:PIECES_MAX])

    def scene_of(self, rule: Rule, *, rich: bool = False) -> Scene | None:
        """A scene in which every condition of a rule holds; None: there is none.

        ``rich``: the member has everything besides that could earn more, the birthday and the best tier too.
        """
        at = next(iter(instants(rule, self.rules, self.today)), None)
        if at is None:
            return None
        day, when = local_day(at, self.rules.zone), rule.when
        regions = when.region or (
            frozenset[str]().union(*(one.when.region for one in self.order_rules)) if rich else ()
        )
        tags = set(when.tag)
        if rich:
            tags = {tag for one in self.order_rules for tag in one.when.tag} | tags
        tags = {tag for tag in tags if tag not in when.not_tag}
        if when.tag and not tags:
            return None
        birthday = f"{day:%m-%d}" if rich or when.birthday else ""
        profile = Profile(birthday, None, min(regions, default=""), tuple(sorted(tags)))
        orders = max(0, (when.order_number.low or 1) - 1) if when.order_number else int(bool(when.repeat_within_days))
        standing = Standing(profile=profile)
        if orders:
            standing = replace(standing, orders=orders, first_order="shop#before", paid_on=(day - DAY,))
        level = self._level_of(rule, rich=rich)
        if level is not None:
            standing = at_level(standing, level, day)
        return Scene(at, standing, self._says(rule, at, standing))

    def _level_of(self, rule: Rule, *, rich: bool) -> Level | None:
        terms = self.rules.tiers
        if terms is None:
            return None
        if rule.when.tier:
            return next((level for level in terms.levels if level.id in rule.when.tier), None)
        best = max(terms.levels, key=lambda level: level.multiplier or 1)
        return best if rich and best.multiplier else None

    def _says(self, rule: Rule, at: datetime, standing: Standing) -> str:
        local = at.astimezone(self.rules.zone)
        profile, told = standing.profile, [f"{local:%A, %Y-%m-%d %H:%M}"]
        if profile.birthday and any(one.when.birthday for one in (*self.order_rules, rule)):
            told.append(f"{ME} has birthday")
        told += [f"{ME} is {standing.tier.level}"] if standing.tier else []
        told += [f"{ME} has ordered {standing.orders} times before"] if standing.orders else []
        told += [f"{ME} is in {profile.region}"] if profile.region else []
        told += [f"{ME} is tagged {', '.join(profile.tags)}"] if profile.tags else []
        usual = at == self.plain.at and len(told) == 1
        return "" if usual else "; ".join(told)


# Time -----------------------------------------------------------------------------------------------------------------


def instants(rule: Rule, rules: RuleSet, today: date | None) -> Iterator[datetime]:
    """Instants, ascending by day, at which a rule's campaign runs and its window is open."""
    campaign, seen = rules.campaign(rule.campaign) if rule.campaign else None, rule.when.window
    starts = [one for one in (campaign and campaign.starts, seen and seen.starts) if one]
    ends = [one for one in (campaign and campaign.ends, seen and seen.ends) if one]
    base = today or SOME_DAY
    first = max(
        [local_day(one, rules.zone) for one in starts] + ([base] if today or not (starts or ends) else []), default=base
    )
    if not today and ends and not starts:
        first = min(base, local_day(min(ends) - timedelta(seconds=1), rules.zone))
    minutes = sorted({NOON_HOUR * 60, *(start for start, _ in (seen.hours if seen else ()))})
    for ahead in range(DAYS_AHEAD):
        day = first + ahead * DAY
        found = [_local(day, minute, rules) for minute in minutes]
        found += [one for one in starts if local_day(one, rules.zone) == day]
        for at in found:
            runs = all(one <= at for one in starts) and all(at < one for one in ends)
            if runs and (seen is None or within(seen, at, rules.zone)):
                yield at


def _local(day: date, minute: int, rules: RuleSet) -> datetime:
    return datetime.combine(day, time(minute // 60 % 24, minute % 60), rules.zone).astimezone(UTC)


def at_level(standing: Standing, level: Level, day: date) -> Standing:
    """The standing of a member who is at this level, by what qualified this month, and has had its allowance."""
    month = window(Per.MONTH, day)
    sums = {month: level.reach, "all": level.reach} if level.reach else {}
    return replace(standing, tier=TierState(level.id, day), qualified=sums, allowance=month)


# Amounts and lines ----------------------------------------------------------------------------------------------------


def amounts_of(rule: Rule) -> set[int]:
    """Amounts at which an order rule begins to give, gives more, or gives no longer; and what lies just below."""
    found: set[int] = set()
    match rule.effect:
        case Rate(points, per) if points:
            found |= {-(-per // points), -(-per // (2 * points))}
        case Ladder(steps):
            found |= {edge for low, _ in steps for edge in (low - 1, low)}
        case _:
            pass
    bounds = rule.when.amount_minor or Range()
    found |= {edge for edge in (bounds.low, bounds.high) if edge is not None}
    found |= {bounds.high + 1} if bounds.high is not None else set()
    if rule.goal and rule.goal.of == "amount":
        found.add(rule.goal.reach)
    return found


def piece_of(rule: Rule, rules: RuleSet) -> Piece | None:
    """A line that an order rule counts, of amount 1; None: there is none."""
    when = rule.when
    categories = sorted(when.category) or ["", *(f"other-{word}" for word in WORDS)]
    products = sorted(when.product) or ["goods", *(f"other-{word}" for word in WORDS)]
    no_category, no_product = when.not_category | rules.not_category, when.not_product | rules.not_product
    category = next((one for one in categories if one not in no_category), None)
    product = next((one for one in products if one not in no_product), None)
    return None if category is None or product is None else Piece(1, category or None, product)


# Events ---------------------------------------------------------------------------------------------------------------


def data_of(rule: Rule, rules: RuleSet, number: int) -> dict[str, int | str | bool] | None:
    """Data of an event with which a rule gives as much as it can; ``number`` makes what counts once another each time.

    None: the conditions leave none.
    """
    data: dict[str, int | str | bool] = {}
    for one in rules.on_event(rule.on):
        data |= {one.once_per: f"v{number}"} if one.once_per else {}
        if one is not rule and isinstance(one.effect, Given):
            data.setdefault(one.effect.field, one.effect.high)
    for name, test in rule.when.data.items():
        data[name] = _passing(test)
    wanted = _wanted(rule)
    if wanted is not None:
        name, value = wanted
        test = rule.when.data.get(name, Test(Range()))
        if test.within is None:
            return None
        high = value if test.within.high is None else min(value, test.within.high)
        data[name] = high if test.within.low is None else max(high, test.within.low)
    return data


def _passing(test: Test) -> int | str:
    if test.within is None:
        return min(test.among)
    return test.within.low if test.within.low is not None else min(0, test.within.high or 0)


def _wanted(rule: Rule) -> tuple[str, int] | None:
    """The field that a rule counts, and a value with which it gives something."""
    effect, goal = rule.effect, rule.goal
    if isinstance(goal, Goal) and goal.of == "data":
        return goal.field, goal.reach
    match effect:
        case Rate(points, per, field) if field:
            return field, max(1, -(-per // max(1, points))) * 10
        case Ladder(steps, field) if field:
            return field, steps[-1][0]
        case Given(field, _, high):
            return field, high
        case _:
            return None


def bounded(rules: RuleSet, names: Iterable[str]) -> bool:
    """Whether some limit bounds what these rules give together: caps, a budget, or a number of orders."""
    if rules.caps:
        return True
    found = [rule for name in names if (rule := rules.rule(name)) is not None]
    return all(_bounded(rule, rules) for rule in found)


def _bounded(rule: Rule, rules: RuleSet) -> bool:
    campaign = rules.campaign(rule.campaign) if rule.campaign else None
    number = rule.when.order_number
    once = rule.goal is not None and isinstance(rule.effect, Fixed) and not rule.goal.again
    return bool(
        rule.caps
        or rule.once_per
        or once
        or (campaign is not None and campaign.budget_points is not None)
        or (number is not None and number.high is not None and rule.to is To.MEMBER)
    )
