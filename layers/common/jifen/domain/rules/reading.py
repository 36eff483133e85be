"""Reading a rule set from the program file: the sections ``earning``, ``tiers`` and ``check_in``.

    earning ─┬─ rules ───────────────┐
             ├─ campaigns ── rules ──┼─> Rule(id, effect, on, when, …)    each fault by its path, such as
             └─ groups, caps, basis  │                                    earning.rules[2].when.window.hours[0]
    tiers ───── levels ── multiplier ┘
    check_in ── make_up

First every value is read for itself, then what names something else (a group, a tier, a rule) is looked up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from jifen.domain import calendar
from jifen.domain.money import AMOUNT_MINOR_MAX
from jifen.domain.points import POINTS_MAX, Rounding
from jifen.domain.reader import TEXTS_MAX, UNREAD, Reader, Section
from jifen.domain.rules.model import (
    INVITE_ACCEPTED,
    ORDER_PAID,
    Basis,
    Campaign,
    Cap,
    Discount,
    Effect,
    Fixed,
    Given,
    Goal,
    Ladder,
    Level,
    MakeUp,
    Multiplier,
    Per,
    Range,
    Rate,
    Rule,
    RuleSet,
    Stacking,
    Streak,
    Test,
    TierTerms,
    To,
    When,
    Window,
)
from jifen.domain.validity import Expiry

SECTIONS = ("time_zone", "currency", "expiry", "earning", "tiers", "check_in")
"""The sections of a program file that make its rule set."""

DEFAULT_RULES = RuleSet((Rule("base", Rate(points=1, per=100)),), source="{}")
"""What ``{}`` means: one point for every unit of money, in UTC and any currency."""

RULES_MAX = 100
CAMPAIGNS_MAX = 20
ORDER_TASKS_MAX = 30
"""One order may reach all of them at once, and what it writes has to fit into one transaction."""
GROUPS_MAX = 20
LEVELS_MAX = 20
STEPS_MAX = 50
STREAK_DAYS_MAX = 400
MARKS_MAX = 50
CAPS_MAX = 20
ONCE_MAX = 50
"""Rules with ``once_per`` on one type of event: each writes a document, and a transaction holds a hundred."""

EXCHANGE_KINDS = ("physical", "virtual", "service", "coupon", "donation")
"""Kinds of rewards that cost points; a voucher is sold for money alone."""

HOURS_MAX = 24
TESTS_MAX = 20
EFFECT_POINTS_MAX = 10**9
RATE_POINTS_MAX = 10**6
COUNT_MAX = 10**6

_EARNING = ("stacking", "groups", "round_once", "multipliers", "caps", "basis", "exclude", "rules", "campaigns")
_CAMPAIGN = ("id", "title", "from", "until", "budget_points", "rules", "exchange")
_EXCHANGE = ("by", "categories", "rewards", "kinds")
_LINES = ("category", "not_category", "product", "not_product")
_TIERS = ("by", "period", "months", "downgrade", "warn_days", "levels")
_LEVEL = ("id", "from", "title", "allowance", "multiplier", "discount", "services")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_ORDERS_ONLY = ("multiply", *_LINES, "first_order", "order_number", "repeat_within_days", "amount_minor")
_EVENTS_ONLY = ("given", "streak", "approval", "once_per", "data")

_EVENT_TYPE = r"(?!order\.)[a-z0-9_]+(\.[a-z0-9_]+)+"
_EVENT_TYPE_LENGTH_MAX = 64
_FIELD = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
_MARK = r"[1-9][0-9]{0,2}"
_LOCAL = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?)?"
_LESS = r"0\.(?=[0-9]*[1-9])[0-9]{1,9}"
_HOURS = r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]|24(?=:00)):([0-5][0-9])"


_Written = tuple[Rule, Section]
"""A rule and the section it was read from, for what can only be judged when all are read."""


def rule_set(reader: Reader, root: Section, *, zone: ZoneInfo, currency: str | None, expiry: Expiry) -> RuleSet:
    """The rule set of a program file.

    Args:
        reader: takes every fault, by its path.
        root: the whole file.
        zone: its time zone, in which windows are written.
        currency: its currency.
        expiry: its validity.
    """
    earning = root.section("earning", _EARNING)
    rules = [(_rule(each, zone), each) for each in earning.sections("rules", RULES_MAX, _RULE)]
    if "rules" not in earning:
        rules = [(rule, earning) for rule in DEFAULT_RULES.rules]
    campaigns = [(_campaign(each, zone), each) for each in earning.sections("campaigns", CAMPAIGNS_MAX, _CAMPAIGN)]
    theirs = [
        (replace(rule, id=f"{campaign.id}.{rule.id}", campaign=campaign.id), section)
        for campaign, whole in campaigns
        for rule, section in _campaign_rules(whole, zone)
    ]
    tiers = _tiers(root)
    levels = _level_rules(root, tiers)
    groups = _groups(earning)
    _check_ids([*rules, *levels, *theirs], campaigns)
    _check_names([*rules, *theirs], groups, {level.id for level in tiers.levels} if tiers else None)
    _check_once([*rules, *theirs])
    if len(rules) + len(theirs) > RULES_MAX:
        earning.fault("campaigns", f"make more than {RULES_MAX} rules in all")
    if sum(rule.on == ORDER_PAID and rule.goal is not None for rule, _ in (*rules, *theirs)) > ORDER_TASKS_MAX:
        earning.fault("rules", f"hold more than {ORDER_TASKS_MAX} tasks on {ORDER_PAID}")
    exclude = earning.section("exclude", ("category", "product"))
    basis = earning.section("basis", ("tax", "shipping"))
    return RuleSet(
        rules=tuple(rule for rule, _ in (*rules, *levels, *theirs)),
        zone=zone,
        currency=currency,
        expiry=expiry,
        groups=groups,
        stacking=Stacking(earning.choice("stacking", tuple(Stacking), Stacking.SUM)),
        once=_rounding(earning, "round_once") if "round_once" in earning else None,
        compound=earning.choice("multipliers", ("add", "compound"), "add") == "compound",
        caps=_caps(earning, ("per", "points")),
        basis=Basis(basis.flag("tax", default=True), basis.flag("shipping", default=False)),
        not_category=frozenset(exclude.texts("category")),
        not_product=frozenset(exclude.texts("product")),
        campaigns=tuple(campaign for campaign, _ in campaigns),
        tiers=tiers,
        make_up=_make_up(root),
        source="" if reader.faults else _canonical(root),
    )


def _canonical(root: Section) -> str:
    said = {key: root.data[key] for key in SECTIONS if key in root}
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


# Rules ----------------------------------------------------------------------------------------------------------------


def _rule(section: Section, zone: ZoneInfo) -> Rule:
    on = _trigger(section)
    orders = on == ORDER_PAID
    effect = _effect(section, orders=orders)
    _fits(section, orders=orders)
    return _invited(
        Rule(
            id=section.name("id"),
            effect=effect,
            on=on,
            when=_when(section, zone, orders=orders),
            rounding=_rounding(section, "rounding"),
            caps=_caps(section, ("per", "points", "times")),
            priority=section.whole("priority", -COUNT_MAX, COUNT_MAX, 0),
            group=section.name("group") if "group" in section else "",
            to=_to(section, on),
            valid=section.expiry("valid") if "valid" in section else None,
            pending_days=section.whole("pending_days", 0, 365, 0),
            goal=_goal(section, effect, orders=orders) if "goal" in section else None,
            approval=section.flag("approval", default=False),
            once_per=_field(section, "once_per") if "once_per" in section else "",
            qualifies=section.flag("qualifies", default=True),
            enabled=section.flag("enabled", default=True),
            title=section.text("title"),
        )
    )


def _invited(rule: Rule) -> Rule:
    """An order pays the inviter when it is the friend's first, unless the rule says otherwise."""
    if rule.to is not To.INVITER or rule.on != ORDER_PAID or rule.when.order_number is not None:
        return rule
    return replace(rule, when=replace(rule.when, order_number=Range(1, 1)))


def _trigger(section: Section) -> str:
    value = section.data.get("on", ORDER_PAID)
    if value == ORDER_PAID:
        return ORDER_PAID
    if (
        not isinstance(value, str)
        or len(value) > _EVENT_TYPE_LENGTH_MAX
        or not re.fullmatch(_EVENT_TYPE, value, re.ASCII)
    ):
        section.fault("on", f"is neither {ORDER_PAID} nor the type of a behaviour event such as member.registered")
        return ORDER_PAID
    return value


def _fits(section: Section, *, orders: bool) -> None:
    """Name the keys that say nothing about what the rule is on."""
    for key in _EVENTS_ONLY if orders else _ORDERS_ONLY:
        if key in section:
            section.fault(key, f"is only for rules on {'behaviour events' if orders else ORDER_PAID}")


def _to(section: Section, on: str) -> To:
    to = To(section.choice("to", tuple(To), To.MEMBER))
    if to is To.INVITER and on not in {ORDER_PAID, INVITE_ACCEPTED}:
        section.fault("to", f"can be {To.INVITER} only on {ORDER_PAID} or {INVITE_ACCEPTED}")
    for key in ("multiply", "approval"):
        if to is To.INVITER and section.data.get(key):
            section.fault("to", f"cannot be {To.INVITER} together with {key}")
    if to is To.INVITER and on == ORDER_PAID and "goal" in section:
        section.fault("to", f"cannot be {To.INVITER} together with goal; a task on {ORDER_PAID} is the buyer's")
    return to


def _rounding(section: Section, key: str) -> Rounding:
    return Rounding(section.choice(key, tuple(Rounding), Rounding.FLOOR))


def _field(section: Section, key: str) -> str:
    return section.matching(key, _FIELD, "is not a name of 1 to 64 characters A-Z, a-z, 0-9, _ . -")


def _caps(section: Section, known: tuple[str, ...]) -> tuple[Cap, ...]:
    caps: list[Cap] = []
    units: set[tuple[Per, bool]] = set()
    for each in section.sections("caps", CAPS_MAX, known):
        points, times = each.limit("points", 0, POINTS_MAX), each.limit("times", 0, COUNT_MAX)
        cap = Cap(_per(each), points, times)
        caps.append(cap)
        if (points is None) == (times is None):
            section.reader.fault(each.path, f"does not have one of {', '.join(known[1:])}")
        elif (cap.per, times is None) in units:
            each.fault("per", f"is said twice: {cap.per}")
        units.add((cap.per, times is None))
    return tuple(caps)


def _per(section: Section) -> Per:
    if "per" not in section:
        section.fault("per", f"is none of {', '.join(Per)}")
    return Per(section.choice("per", tuple(Per), Per.EVER))


def _goal(rule: Section, effect: Effect, *, orders: bool) -> Goal:
    section = rule.section("goal", ("of", "reach", "per", "field", "again"))
    of = section.choice("of", ("count", "amount") if orders else ("count", "data"), "count")
    if not isinstance(effect, Fixed):
        rule.fault("goal", "goes with fixed only")
    if of != "data" and "field" in section:
        section.fault("field", "is only for data")
    return Goal(
        of=of,
        reach=section.whole("reach", 1, AMOUNT_MINOR_MAX),
        per=Per(section.choice("per", tuple(Per), Per.EVER)),
        field=_field(section, "field") if of == "data" else "",
        again=section.flag("again", default=False),
    )


# Effects --------------------------------------------------------------------------------------------------------------


def _effect(section: Section, *, orders: bool) -> Effect:
    found = [read(section, orders) for key, read in _EFFECTS.items() if key in section]
    if len(found) != 1:
        section.reader.fault(section.path, f"does not have exactly one of {', '.join(_EFFECTS)}")
    return found[0] if found else Fixed(0)


def _rate(rule: Section, orders: bool) -> Rate:  # noqa: FBT001 - as every effect
    if orders:
        section = rule.section("rate", ("points", "per_minor"))
        return Rate(
            section.whole("points", 0, RATE_POINTS_MAX, 1), section.whole("per_minor", 1, AMOUNT_MINOR_MAX, 100)
        )
    section = rule.section("rate", ("points", "per", "field", "daily"))
    return Rate(
        points=section.whole("points", 0, RATE_POINTS_MAX, 1),
        per=section.whole("per", 1, AMOUNT_MINOR_MAX),
        field=_field(section, "field"),
        daily=section.flag("daily", default=False),
    )


def _fixed(rule: Section, _: bool) -> Fixed:  # noqa: FBT001 - as every effect
    return Fixed(rule.whole("fixed", 1, EFFECT_POINTS_MAX))


def _ladder(rule: Section, orders: bool) -> Ladder:  # noqa: FBT001 - as every effect
    if orders:
        return Ladder(_steps(rule, "ladder"))
    section = rule.section("ladder", ("field", "steps"))
    return Ladder(_steps(section, "steps"), _field(section, "field"))


def _steps(section: Section, key: str) -> tuple[tuple[int, int], ...]:
    steps: list[tuple[int, int]] = []
    for index, pair in enumerate(section.items(key, STEPS_MAX, 1, needed=True)):
        path = f"{key}[{index}]"
        if not isinstance(pair, list) or len(pair) != 2:  # noqa: PLR2004 - a pair
            section.fault(path, "is not a pair [at least, points]")
            continue
        low = section.item(f"{path}[0]", pair[0]).whole(f"{path}[0]", 0, AMOUNT_MINOR_MAX)
        if steps and low <= steps[-1][0]:
            section.fault(f"{path}[0]", "is not above the step before")
        steps.append((low, section.item(f"{path}[1]", pair[1]).whole(f"{path}[1]", 0, EFFECT_POINTS_MAX)))
    return tuple(steps)


def _multiply(rule: Section, _: bool) -> Multiplier:  # noqa: FBT001 - as every effect
    if not isinstance(rule.data["multiply"], Mapping):
        return Multiplier(rule.factor("multiply"))
    section = rule.section("multiply", ("by", "rules"))
    return Multiplier(section.factor("by"), section.texts("rules", 1))


def _given(rule: Section, _: bool) -> Given:  # noqa: FBT001 - as every effect
    section = rule.section("given", ("field", "min", "max"))
    low = section.whole("min", 0, EFFECT_POINTS_MAX, 0)
    high = section.whole("max", 0, EFFECT_POINTS_MAX)
    if low > high:
        section.fault("max", "is below min")
    return Given(_field(section, "field"), low, high)


def _streak(rule: Section, _: bool) -> Streak:  # noqa: FBT001 - as every effect
    section = rule.section("streak", ("days", "marks", "restart"))
    days = [
        section.item(f"days[{index}]", points).whole(f"days[{index}]", 0, EFFECT_POINTS_MAX)
        for index, points in enumerate(section.items("days", STREAK_DAYS_MAX, 1))
    ]
    marks = section.section("marks", None)
    if len(marks.data) > MARKS_MAX:
        section.fault("marks", f"has more than {MARKS_MAX}")
    return Streak(tuple(days) or (0,), _marks(marks), section.flag("restart", default=False))


def _marks(marks: Section) -> Mapping[int, int]:
    found: dict[int, int] = {}
    for day in marks.data:
        if not isinstance(day, str) or not re.fullmatch(_MARK, day, re.ASCII) or int(day) > STREAK_DAYS_MAX:
            marks.fault(str(day), f"is not a day from 1 to {STREAK_DAYS_MAX}")
        else:
            found[int(day)] = marks.whole(day, 1, EFFECT_POINTS_MAX)
    return found


_EFFECTS: Mapping[str, Callable[[Section, bool], Effect]] = {
    "rate": _rate,
    "fixed": _fixed,
    "ladder": _ladder,
    "multiply": _multiply,
    "given": _given,
    "streak": _streak,
}

_RULE = (
    *("id", "title", "on", "enabled", "priority", "group", "rounding", "when", *_EFFECTS),
    *("caps", "to", "valid", "pending_days", "goal", "approval", "once_per", "qualifies"),
)

# Conditions -----------------------------------------------------------------------------------------------------------

_WHEN = (
    *(*_LINES, "tier", "region", "tag", "not_tag", "window", "first_order", "order_number", "repeat_within_days"),
    *("birthday", "amount_minor", "data"),
)


def _when(rule: Section, zone: ZoneInfo, *, orders: bool) -> When:
    section = rule.section("when", _WHEN)
    _fits(section, orders=orders)
    return When(
        category=frozenset(section.texts("category", 1)),
        not_category=frozenset(section.texts("not_category")),
        product=frozenset(section.texts("product", 1)),
        not_product=frozenset(section.texts("not_product")),
        tier=frozenset(section.texts("tier", 1)),
        region=frozenset(section.texts("region", 1)),
        tag=frozenset(section.texts("tag", 1)),
        not_tag=frozenset(section.texts("not_tag")),
        window=_window(section, zone) if "window" in section else None,
        order_number=_order_number(section),
        repeat_within_days=section.whole("repeat_within_days", 1, 3_650) if "repeat_within_days" in section else None,
        birthday=section.choice("birthday", ("day", "week", "month"), "day") if "birthday" in section else "",
        amount_minor=_range(section, "amount_minor", 0, AMOUNT_MINOR_MAX) if "amount_minor" in section else None,
        data=_tests(section),
    )


def _order_number(section: Section) -> Range | None:
    said = _range(section, "order_number", 1, COUNT_MAX) if "order_number" in section else None
    if "first_order" not in section:
        return said
    if said is not None:
        section.fault("first_order", "says the same as order_number; leave one of them out")
    return Range(1, 1) if section.flag("first_order", default=True) else Range(2, None)


def _range(parent: Section, key: str, low: int, high: int) -> Range:
    return _bounded(parent.section(key, ("min", "max")), low, high)


def _bounded(section: Section, low: int, high: int) -> Range:
    found = Range(section.limit("min", low, high), section.limit("max", low, high))
    if found.low is None and found.high is None:
        section.reader.fault(section.path, "has neither min nor max")
    elif found.low is not None and found.high is not None and found.low > found.high:
        section.fault("max", "is below min")
    return found


def _tests(when: Section) -> Mapping[str, Test]:
    data = when.section("data", None)
    if len(data.data) > TESTS_MAX:
        when.fault("data", f"has more than {TESTS_MAX} fields")
    found: dict[str, Test] = {}
    for field in data.data:
        if not isinstance(field, str) or not re.fullmatch(_FIELD, field, re.ASCII):
            data.fault(str(field), "is not a name of 1 to 64 characters A-Z, a-z, 0-9, _ . -")
            continue
        section = data.section(field, ("min", "max", "is"))
        if "is" not in section:
            found[field] = Test(within=_bounded(section, -AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX))
            continue
        if len(section.data) > 1:
            section.fault("is", "goes without min and max")
        found[field] = Test(among=frozenset(section.texts("is", 1)))
    return found


def _window(when: Section, zone: ZoneInfo) -> Window:
    section = when.section("window", ("from", "until", "weekdays", "hours"))
    starts, ends = _from_until(section, zone)
    weekdays = [
        section.item(f"weekdays[{index}]", name).choice(f"weekdays[{index}]", _WEEKDAYS, "mon")
        for index, name in enumerate(section.items("weekdays", len(_WEEKDAYS), 1))
    ]
    hours = [
        _hours(section.item(f"hours[{index}]", text), f"hours[{index}]")
        for index, text in enumerate(section.items("hours", HOURS_MAX, 1))
    ]
    return Window(starts, ends, frozenset(map(_WEEKDAYS.index, weekdays)), tuple(hours))


def _hours(section: Section, key: str) -> tuple[int, int]:
    text = section.matching(key, _HOURS, "is not a stretch of the day such as 20:00-22:00")
    if text == UNREAD:
        return (0, 1)
    begins, ends = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    if begins == ends:
        section.fault(key, "ends when it begins")
    return (begins, ends)


def _from_until(section: Section, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    starts, ends = _instant(section, "from", zone), _instant(section, "until", zone, through_day=True)
    if starts is not None and ends is not None and starts >= ends:
        section.fault("until", "is not after from")
    return starts, ends


def _instant(section: Section, key: str, zone: ZoneInfo, *, through_day: bool = False) -> datetime | None:
    """The instant of a local day or time. A day is its first instant, or with ``through_day`` the end of it."""
    if key not in section:
        return None
    text = section.matching(key, _LOCAL, "is not a local day or time such as 2026-11-11 or 2026-11-11T20:00:00")
    if text == UNREAD:
        return None
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        section.fault(key, "is no day and time of the calendar")
        return None
    if not calendar.EARLIEST.year <= local.year < calendar.LATEST.year:
        section.fault(key, "is not between the years 1970 and 9000")
        return None
    if local.time() == datetime.min.time():
        day = local.date()
        return calendar.day_start(day + calendar.DAY if through_day and "T" not in text else day, zone)
    return _first_instant(local, zone)


def _first_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """When the clock of ``zone`` first shows ``local``; where it skips that, when it first shows a later time."""
    found = local.replace(tzinfo=zone).astimezone(UTC)
    other = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if other >= found:
        return found
    low, high = int(other.timestamp()), int(found.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).replace(tzinfo=None) >= local:
            high = middle
        else:
            low = middle
    return datetime.fromtimestamp(high, UTC)


# Campaigns, tiers, check-ins ------------------------------------------------------------------------------------------


def _campaign(section: Section, zone: ZoneInfo) -> Campaign:
    starts, ends = _from_until(section, zone)
    budget = section.limit("budget_points", 0, POINTS_MAX)
    exchange = _discount(section.section("exchange", _EXCHANGE)) if "exchange" in section else None
    if exchange and budget is not None and not section.data.get("rules"):
        section.fault("budget_points", "counts the points of rules, and there are none")
    return Campaign(section.name("id"), starts, ends, budget, section.text("title"), exchange)


def _campaign_rules(section: Section, zone: ZoneInfo) -> list[_Written]:
    needed = "exchange" not in section
    return [(_rule(each, zone), each) for each in section.sections("rules", RULES_MAX, _RULE, needed=needed)]


def _discount(section: Section) -> Discount:
    by = section.matching("by", _LESS, 'is not a decimal text above "0" and below "1", such as "0.80"')
    rewards = [
        section.item(f"rewards[{index}]", name).name(f"rewards[{index}]")
        for index, name in enumerate(section.items("rewards", TEXTS_MAX))
    ]
    kinds = [
        section.item(f"kinds[{index}]", kind).choice(f"kinds[{index}]", EXCHANGE_KINDS, EXCHANGE_KINDS[0])
        for index, kind in enumerate(section.items("kinds", len(EXCHANGE_KINDS)))
    ]
    return Discount(
        by=Fraction(by) if by != UNREAD else Fraction(1),
        categories=frozenset(section.texts("categories")),
        rewards=frozenset(rewards),
        kinds=frozenset(kinds),
    )


def _groups(earning: Section) -> Mapping[str, Stacking]:
    section = earning.section("groups", None)
    if len(section.data) > GROUPS_MAX:
        earning.fault("groups", f"has more than {GROUPS_MAX}")
    return {
        section.item(str(group), group).name(str(group)): Stacking(section.choice(group, tuple(Stacking), Stacking.SUM))
        for group in section.data
    }


def _tiers(root: Section) -> TierTerms | None:
    if "tiers" not in root:
        return None
    section = root.section("tiers", _TIERS)
    levels = tuple(_level(each) for each in section.sections("levels", LEVELS_MAX, _LEVEL, needed=True))
    if levels and levels[0].reach != 0:
        section.fault("levels[0].from", "is not 0; the first level is where everyone begins")
    for index in range(1, len(levels)):
        if levels[index].reach <= levels[index - 1].reach:
            section.fault(f"levels[{index}].from", "is not above the level before")
        if levels[index].id != UNREAD and levels[index].id in {level.id for level in levels[:index]}:
            section.fault(f"levels[{index}].id", f"is the id of another level: {levels[index].id}")
    if not levels and section.data.get("levels") == []:
        section.fault("levels", "is empty")
    return TierTerms(
        levels=levels,
        by=section.choice("by", ("points", "spend"), "points"),
        period=section.choice("period", ("year", "months", "lifetime"), "year"),
        months=section.whole("months", 1, 60, 12),
        downgrade=section.choice("downgrade", ("period_end", "at_once", "one_step", "never"), "period_end"),
        warn_days=section.whole("warn_days", 0, 365, 30),
    )


def _level(section: Section) -> Level:
    return Level(
        id=section.name("id"),
        reach=section.whole("from", 0, AMOUNT_MINOR_MAX),
        allowance=section.whole("allowance", 0, EFFECT_POINTS_MAX, 0),
        multiplier=section.factor("multiplier") if "multiplier" in section else None,
        discount=section.share("discount"),
        services=section.texts("services"),
        title=section.text("title"),
    )


def _level_rules(root: Section, tiers: TierTerms | None) -> list[_Written]:
    """A level's multiplier, as the rule that it is."""
    return [
        (
            Rule(f"tier.{level.id}", Multiplier(level.multiplier), when=When(tier=frozenset({level.id}))),
            Section(root.reader, {}, f"tiers.levels[{index}]"),
        )
        for index, level in enumerate(tiers.levels if tiers else ())
        if level.multiplier is not None
    ]


def _make_up(root: Section) -> MakeUp | None:
    section = root.section("check_in", ("make_up",))
    if "make_up" not in section:
        return None
    terms = section.section("make_up", ("cost", "within_days", "per_month", "pays"))
    return MakeUp(
        cost=terms.whole("cost", 0, EFFECT_POINTS_MAX),
        within_days=terms.whole("within_days", 1, 31, 7),
        per_month=terms.whole("per_month", 1, 31, 3),
        pays=terms.flag("pays", default=False),
    )


# What names something else --------------------------------------------------------------------------------------------


def _check_ids(written: list[_Written], campaigns: list[tuple[Campaign, Section]]) -> None:
    for named in (
        [(rule.id, section) for rule, section in written],
        [(each.id, section) for each, section in campaigns],
    ):
        seen: set[str] = set()
        for name, section in named:
            if name in seen and UNREAD not in name:
                section.fault("id", f"is said twice: {name}")
            seen.add(name)


def _check_once(written: list[_Written]) -> None:
    counts: dict[str, int] = {}
    for rule, section in written:
        counts[rule.on] = counts.get(rule.on, 0) + bool(rule.once_per)
        if rule.once_per and counts[rule.on] == ONCE_MAX + 1:
            section.fault("once_per", f"is on more than {ONCE_MAX} rules on {rule.on}")


def _check_names(written: list[_Written], groups: Mapping[str, Stacking], tiers: set[str] | None) -> None:
    rates = {rule.id for rule, _ in written if rule.on == ORDER_PAID and isinstance(rule.effect, Rate)}
    for rule, section in written:
        if rule.group and rule.group != UNREAD and rule.group not in groups:
            section.fault("group", f"is not among earning.groups: {rule.group}")
        unknown = sorted(rule.when.tier - (tiers or set()))
        if unknown:
            section.fault("when.tier", f"is not among tiers.levels: {', '.join(unknown)}")
        if isinstance(rule.effect, Multiplier):
            for index, name in enumerate(rule.effect.rules):
                if name not in rates:
                    section.fault(f"multiply.rules[{index}]", f"is not the id of a rate on orders: {name}")
