"""Earning rules as values.

    RuleSet ── rules ──> Rule: on what (``on``), when (``When``), how much (``effect``), how often (``caps``)
            ├─ campaigns: named groups of rules with a window and a budget of points, and what they take off rewards
            ├─ tiers, check-ins, caps over all rules, basis, rounding, stacking
            └─ zone, currency, expiry: what the rules count days and money by

A rule set is immutable. An order keeps the one it was awarded under, so a later change never reaches back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from jifen.domain.points import Rounding
from jifen.domain.validity import Expiry

ORDER_PAID = "order.paid"
CHECKED_IN = "member.checked_in"
INVITE_ACCEPTED = "invite.accepted"


class Stacking(StrEnum):
    """What happens when several rules of one group apply to an order or event.

    ``sum``: all give. ``best_of``: the one that gives most, of equals the one written first. ``exclusive``: each line
    goes to the matching rule of highest priority (of equals, the one written first); an effect that is not counted by
    lines (fixed, ladder) takes the whole order, if no rule before it has taken a line.
    """

    SUM = "sum"
    BEST_OF = "best_of"
    EXCLUSIVE = "exclusive"


class Per(StrEnum):
    """A stretch of the program's calendar; weeks begin on Monday, ``ever`` has no end."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    EVER = "ever"


class To(StrEnum):
    """Who gets the points: the member who acts, or who invited that member."""

    MEMBER = "member"
    INVITER = "inviter"


@dataclass(frozen=True, slots=True)
class Range:
    """``low <= value <= high``; None is no bound."""

    low: int | None = None
    high: int | None = None

    def holds(self, value: int) -> bool:
        """Whether ``value`` lies in it."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


# Effects: how much ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """``points`` for every ``per``: minor units of the order's lines, or what ``field`` of an event's data counts.

    ``daily`` adds up what the events of one day count before it is rounded, so that two visits of two minutes are four.
    """

    points: int
    per: int
    field: str = ""
    daily: bool = False


@dataclass(frozen=True, slots=True)
class Fixed:
    """``points``, whatever the amount (an order of which nothing is kept gives none)."""

    points: int


@dataclass(frozen=True, slots=True)
class Ladder:
    """The points of the highest step reached; below the first it gives nothing.

    ``steps`` are (at least, points), ascending, by the order's amount in minor units or by ``field`` of an event.
    """

    steps: tuple[tuple[int, int], ...]
    field: str = ""


@dataclass(frozen=True, slots=True)
class Multiplier:
    """``by`` times the points of the rate rules named (none named: of all).

    Above 1 it gives the difference as points of its own; below 1 it lowers the amount that those rules count, line by
    line.
    """

    by: Fraction
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """The points that the shop names in ``field`` of the event's data, from ``low`` to ``high``."""

    field: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Streak:
    """Points for doing it on consecutive days: ``days[n - 1]`` on day n, and ``marks[n]`` besides when a run reaches n.

    After the last of ``days`` the reward stays there, or begins again where ``restart`` is set.
    """

    days: tuple[int, ...]
    marks: Mapping[int, int] = field(default_factory=dict)
    restart: bool = False


Effect = Rate | Fixed | Ladder | Multiplier | Given | Streak


@dataclass(frozen=True, slots=True)
class Goal:
    """A task: ``fixed`` points once ``reach`` is reached within one ``per``, and each time where ``again`` is set.

    What counts: orders or events (``of`` count), minor units of what was kept (``amount``), or ``field`` of the data of
    an event (``data``).
    """

    of: str
    reach: int
    per: Per = Per.EVER
    field: str = ""
    again: bool = False


# Conditions: when -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in the program's zone: from ``starts`` until before ``ends``, ``weekdays`` and ``hours`` of it.

    Weekday 0 is Monday; none named means all. Hours are (from, until) in minutes of the day; one that ends before it
    begins runs into the next day and belongs to the day it begins on.
    """

    starts: datetime | None = None
    ends: datetime | None = None
    weekdays: frozenset[int] = frozenset()
    hours: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Test:
    """What a field of an event's data must be: a whole number in ``within``, or one of ``among``."""

    within: Range | None = None
    among: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class When:
    """What must be so for a rule to apply; every condition that is there must hold. Empty: always.

    ``category`` and ``product`` choose lines; all others are about the whole order, event or member. ``order_number`` 1
    is the member's first order that was kept. ``repeat_within_days``: the member's order before this one was paid no
    more than so many days earlier. ``birthday`` is day, week (the seven days from it) or month. ``amount_minor`` is
    what is kept of the whole order.
    """

    category: frozenset[str] = frozenset()
    not_category: frozenset[str] = frozenset()
    product: frozenset[str] = frozenset()
    not_product: frozenset[str] = frozenset()
    tier: frozenset[str] = frozenset()
    region: frozenset[str] = frozenset()
    tag: frozenset[str] = frozenset()
    not_tag: frozenset[str] = frozenset()
    window: Window | None = None
    order_number: Range | None = None
    repeat_within_days: int | None = None
    birthday: str = ""
    amount_minor: Range | None = None
    data: Mapping[str, Test] = field(default_factory=dict)

    @property
    def picks_lines(self) -> bool:
        """Whether it chooses among the lines of an order."""
        return bool(self.category or self.not_category or self.product or self.not_product)


# Rules ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cap:
    """At most ``points``, or at most ``times`` (orders or events that gave points), of one member in one ``per``."""

    per: Per
    points: int | None = None
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``id`` is unique in its rule set; a campaign's rule is named ``<campaign>.<rule>``.

    Attributes:
        on: ``order.paid`` or the type of a behaviour event.
        effect: how many points.
        when: conditions.
        rounding: of its fraction of a point.
        caps: limits of one member.
        priority, group: how it stacks with others; rules without a group follow the rule set's own ``stacking``.
        to: who gets the points.
        valid: its own validity; None is the program's.
        pending_days: days before the points can be used.
        goal: makes it a task.
        approval: an operator decides before anything is posted.
        once_per: a field of the event's data; each of its values gives points once.
        qualifies: whether its points count towards a tier.
        enabled: a rule that is switched off gives nothing and says so.
        campaign: the campaign it belongs to.
        title: a few words for people.
    """

    id: str
    effect: Effect
    on: str = ORDER_PAID
    when: When = When()
    rounding: Rounding = Rounding.FLOOR
    caps: tuple[Cap, ...] = ()
    priority: int = 0
    group: str = ""
    to: To = To.MEMBER
    valid: Expiry | None = None
    pending_days: int = 0
    goal: Goal | None = None
    approval: bool = False
    once_per: str = ""
    qualifies: bool = True
    enabled: bool = True
    campaign: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Discount:
    """``by`` (above 0, below 1) times the points of a reward's price.

    ``categories``, ``rewards`` (ids) and ``kinds`` choose the rewards, each that is not empty; money stays as it is.
    """

    by: Fraction
    categories: frozenset[str] = frozenset()
    rewards: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Campaign:
    """A named group of rules within a window; together they give at most ``budget_points`` (None: no limit).

    ``exchange`` is what rewards cost less while it runs, which no budget counts; None: nothing.
    """

    id: str
    starts: datetime | None = None
    ends: datetime | None = None
    budget_points: int | None = None
    title: str = ""
    exchange: Discount | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """What of an order earns: goods less discounts and less what was paid with points; and if so said, shipping.

    ``tax`` False leaves out the tax that the lines say they contain.
    """

    tax: bool = True
    shipping: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """One tier: reached from ``reach`` on. ``allowance`` points a month; ``multiplier`` on all rate rules (None: none).

    ``discount`` (a share of the price) and ``services`` are promises of the shop, shown to the member.
    """

    id: str
    reach: int
    allowance: int = 0
    multiplier: Fraction | None = None
    discount: Fraction | None = None
    services: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class TierTerms:
    """How members rise and fall. ``levels`` ascending by ``reach``, the first is where everyone begins (reach 0).

    Attributes:
        by: ``points`` (of rules that qualify) or ``spend`` (minor units kept).
        period: ``year`` (calendar year), ``months`` (the last ``months`` months, this one included) or ``lifetime``.
        downgrade: ``period_end`` (a tier is kept through the period after the one it was reached in), ``at_once``,
            ``one_step`` (as period_end, one level at a time) or ``never``.
        warn_days: days before the end of a tier from which on the member is warned.
    """

    levels: tuple[Level, ...]
    by: str = "points"
    period: str = "year"
    months: int = 12
    downgrade: str = "period_end"
    warn_days: int = 30


@dataclass(frozen=True, slots=True)
class MakeUp:
    """Making up for a missed check-in costs ``cost`` points a day, at most ``within_days`` back.

    It can be done ``per_month`` times in a calendar month; ``pays``: the made-up day gives its reward.
    """

    cost: int
    within_days: int = 7
    per_month: int = 3
    pays: bool = False


_UTC = ZoneInfo("UTC")
_USUAL = Expiry()


@dataclass(frozen=True, slots=True)
class _RuleSet:
    """The fields of a rule set, apart from what is worked out of them."""

    rules: tuple[Rule, ...]
    zone: ZoneInfo = _UTC
    currency: str | None = None
    expiry: Expiry = _USUAL
    groups: Mapping[str, Stacking] = field(default_factory=dict)
    stacking: Stacking = Stacking.SUM
    once: Rounding | None = None
    compound: bool = False
    caps: tuple[Cap, ...] = ()
    basis: Basis = Basis()
    not_category: frozenset[str] = frozenset()
    not_product: frozenset[str] = frozenset()
    campaigns: tuple[Campaign, ...] = ()
    tiers: TierTerms | None = None
    make_up: MakeUp | None = None
    version: int = field(default=0, compare=False)
    source: str = field(default="", compare=False)


class RuleSet(_RuleSet):
    """Every rule of a program at one time.

    Attributes:
        rules: in the order they are written; campaigns' rules stand last.
        groups: stacking of each named group.
        stacking: of the rules without a group.
        rounding: ``per_rule`` or ``once`` (fractions of all rules are added up and rounded by ``once``).
        compound: whether multipliers multiply each other's points too; else each multiplies what the rules give.
        caps: limits of one member over all rules.
        not_category, not_product: lines that never earn.
        version: the published version; 0 is one that was not published (a file, the stack's parameter).
        source: what it was read from, canonical JSON; with it a rule set can be stored and read again.
    """

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of this id."""
        return self.by_id.get(rule_id)

    def campaign(self, campaign_id: str) -> Campaign | None:
        """The campaign of this id."""
        return next((campaign for campaign in self.campaigns if campaign.id == campaign_id), None)

    @cached_property
    def by_id(self) -> Mapping[str, Rule]:
        """The rules by their ids."""
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def on_order(self) -> tuple[Rule, ...]:
        """The rules that the buyer's points come from: tasks are counted apart, and so is what an inviter gets."""
        return tuple(
            rule for rule in self.rules if rule.on == ORDER_PAID and rule.goal is None and rule.to is To.MEMBER
        )

    @cached_property
    def for_inviter(self) -> tuple[Rule, ...]:
        """The rules by which an order gives points to who invited its buyer."""
        return tuple(
            rule for rule in self.rules if rule.on == ORDER_PAID and rule.goal is None and rule.to is To.INVITER
        )

    @cached_property
    def order_tasks(self) -> tuple[Rule, ...]:
        """The tasks that orders count towards."""
        return tuple(rule for rule in self.rules if rule.on == ORDER_PAID and rule.goal is not None)

    def on_event(self, event_type: str) -> tuple[Rule, ...]:
        """The rules that a behaviour event of this type triggers, tasks included."""
        return tuple(rule for rule in self.rules if rule.on == event_type)

    @cached_property
    def picks_best(self) -> bool:
        """Whether of some rules only the one that is worth most gives."""
        return Stacking.BEST_OF in {self.stacking, *self.groups.values()}

    @cached_property
    def bare(self) -> bool:
        """Whether it is nothing but rates on the whole order: an award then keeps the rates, and nothing else."""
        plain = RuleSet((), self.zone, self.currency, self.expiry)
        return plain == replace(self, rules=()) and all(
            isinstance(rule.effect, Rate) and rule == Rule(rule.id, rule.effect, rounding=rule.rounding)
            for rule in self.rules
        )

    @cached_property
    def rates(self) -> tuple[tuple[str, int, int, Rounding], ...]:
        """The rate rules as (id, points, per minor units, rounding)."""
        return tuple(
            (rule.id, rule.effect.points, rule.effect.per, rule.rounding)
            for rule in self.rules
            if isinstance(rule.effect, Rate)
        )

    @cached_property
    def pinned(self) -> RuleSet:
        """What an award keeps of it: all, or of a bare one its rates."""
        return bare(self.rates) if self.bare else self


@lru_cache(maxsize=64)
def bare(rows: tuple[tuple[str, int, int, Rounding], ...]) -> RuleSet:
    """A rule set of rates and nothing else, from (id, points, per minor units, rounding)."""
    return RuleSet(tuple(Rule(name, Rate(points, per), rounding=rounding) for name, points, per, rounding in rows))
