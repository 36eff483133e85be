"""Orders, once more: what a fact changes about an order, and what that moves in purses, counters and campaigns.

facts ──join──> order ──worth──> points by rule ──> points by lot ──difference to what was granted──> purses
                          ^                    └──> caps, budgets, orders, levels, tasks: both ways
                          └ what was pinned when the order was first awarded
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction

from jifen.domain.orders import EventType, OrderEvent, Paid, Refund
from jifen.domain.program import ClawbackPolicy, Program
from jifen.domain.rules.model import Fixed, Goal, Rule, RuleSet
from jifen.domain.validity_terms import Spent
from local.simulation import levels
from local.simulation.days import DAY, last_valid_day, local_day, months_before
from local.simulation.memory import (
    Campaigning,
    Memory,
    Spending,
    caps_over,
    lately,
    oldest,
    room,
    window,
    window_of,
    with_use,
)
from local.simulation.purse import Key, Purse, in_order, past, take_from
from local.simulation.worth import ORDER_POINTS_MAX, Basket, Limits, amount_fits, basket, grants, lines_for, whole

REFUNDS_MAX = 2_000
RETURNS_WITHIN_DAYS = 35
"""So many days longer than caps tasks are remembered, so that what orders gave can be taken back."""


class TooManyRefunds(Exception):
    """The order takes no more of them; nothing is changed."""


@dataclass(frozen=True)
class Award:
    """What an order was granted to one member, and what was pinned; ``parts`` are (points, lapsed before) by lot."""

    member: str
    paid_at: datetime
    parts: Mapping[Key, tuple[int, int]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    rooms: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    budgets: Mapping[str, int] = field(default_factory=dict)
    grants: Mapping[str, int] = field(default_factory=dict)
    tasks: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    kept: int = 0
    spent: Spending | None = None

    @property
    def granted(self) -> int:
        """The points of all parts."""
        return sum(points for points, _ in self.parts.values())


@dataclass(slots=True)
class Order:
    """The facts of one order and what was granted for them."""

    name: str
    paid: Paid | None = None
    refunds: dict[str, Refund] = field(default_factory=dict)
    cancelled: bool = False
    award: Award | None = None
    referral: Award | None = None
    forgiven: dict[str, int] = field(default_factory=dict)
    used: tuple[str, ...] = ()

    def copy(self) -> Order:
        """An order of its own with the same facts."""
        return replace(self, refunds=dict(self.refunds), forgiven=dict(self.forgiven))

    @property
    def basket(self) -> Basket:
        """What is kept of it."""
        assert self.paid is not None
        return basket(self.paid, self.refunds.values(), cancelled=self.cancelled)


@dataclass(frozen=True)
class Before:
    """What a piece of work starts from: purses by member, and orders and campaigns as they are known."""

    purse: Callable[[str], Purse]
    orders: Mapping[tuple[str, str], Order]
    campaigns: Callable[[str], Campaigning]


class Work:
    """Facts that are posted together: orders and purses on copies, kept when all of it went well."""

    def __init__(self, program: Program, lots_max: int, now: datetime, before: Before) -> None:
        self.program, self.rules = program, program.rules
        self.lots_max = lots_max
        self.now, self.today = now, local_day(now, program.zone)
        self._before = before
        self.purses: dict[str, Purse] = {}
        self.orders: dict[tuple[str, str], Order] = {}
        self.campaigns: dict[str, Campaigning] = {}

    def purse(self, member: str) -> Purse:
        """The member's purse, to be changed."""
        if member not in self.purses:
            self.purses[member] = self._before.purse(member)
        return self.purses[member]

    def campaign(self, name: str) -> Campaigning:
        """A campaign as it now is."""
        return self.campaigns.get(name) or self._before.campaigns(name)

    def caught_up(self, member: str) -> Purse:
        """The member's purse as time has left it."""
        purse = self.purse(member)
        purse.pass_time(self.now, self.today)
        return purse

    def day(self, instant: datetime) -> date:
        """The local day of an instant."""
        return local_day(instant, self.program.zone)

    @property
    def clamp(self) -> bool:
        """Whether what is missing of a clawback is forgiven."""
        return self.program.clawback is ClawbackPolicy.CLAMP

    # Orders

    def take_in(self, event: OrderEvent) -> int:
        """The points that one event moves.

        Raises:
            TooManyRefunds
        """
        if event.order_id is None:
            return 0
        key = (event.shop, event.order_id)
        known = self.orders.get(key) or self._before.orders.get(key)
        order = known.copy() if known else Order("#".join(key))
        if not join(order, event):
            return 0
        self.orders[key] = order
        return self._settle(order)

    def _settle(self, order: Order) -> int:
        """Make purses and counters agree with the order: the points this moves."""
        paid, moved = order.paid, 0
        buyer = paid.member if paid else None
        if order.award and order.award.member != buyer:
            moved += self._undo(order, order.award)
            moved += self._undo(order, order.referral) if order.referral else 0
            order.award = order.referral = None
        if paid is None or buyer is None:
            return moved
        self.allow(buyer)
        memory, referral = self.purse(buyer).memory, order.referral
        if order.award is None and self.rules.for_inviter and memory.inviter:
            referral = self._opened(memory.inviter, self.rules.for_inviter, memory, paid)
        award = order.award or self._opened(buyer, (*self.rules.on_order, *self.rules.order_tasks), memory, paid)
        award = self._numbered(order, award, (*self.rules.on_order, *self.rules.order_tasks), memory)
        order.award, by = self._judge(order, award, self.rules.on_order)
        moved += by
        if referral and (order.referral or len(referral.refused) < len(self.rules.for_inviter)):
            self.allow(referral.member)
            referral = self._numbered(order, referral, self.rules.for_inviter, memory)
            order.referral, by = self._judge(order, referral, self.rules.for_inviter, buyer=False)
            moved += by
        return moved

    def allow(self, member: str) -> None:
        """Give the allowances that are due, and write the level of today down."""
        terms, purse = self.rules.tiers, self.purse(member)
        if terms is None:
            return
        while due := levels.allowance(purse.memory, terms, self.today):
            purse.pass_time(self.now, self.today)
            key = (last_valid_day(self.rules.expiry, self.today), None)
            purse.earn([(key, due[1])], self.lots_max, self.today)
            purse.remember(replace(purse.memory, allowance=due[0]))
        purse.remember(levels.settle(purse.memory, terms, self.today))

    # Awards

    def _opened(self, member: str, asked: Sequence[Rule], buyer: Memory, paid: Paid) -> Award:
        """An award that nothing was granted for yet, with what it pins."""
        day = self.day(paid.at)
        if self.rules.bare:
            return Award(member, paid.at, {(last_valid_day(self.program.expiry, day), None): (0, 0)})
        reasons = {rule.id: self.refusal(rule, buyer, paid.at, day) for rule in asked}
        applying = [name for name, reason in reasons.items() if not reason]
        memory = self.purse(member).memory
        rooms: dict[str, tuple[str, int]] = {}
        for cap in caps_over(self.rules, applying):
            name = window_of(cap.per, day, self.today)
            rooms[cap.key] = (name, room(memory, cap, name))
        budgets = {}
        for name in {self.rules.by_id[one].campaign for one in applying} - {""}:
            left = self.campaign(name).left(_budget(self.rules, name))
            if left is not None:
                budgets[name] = left
        refused = {name: reason for name, reason in reasons.items() if reason}
        return Award(member, paid.at, refused=refused, rooms=rooms, budgets=budgets)

    def _found(self, order: Order) -> Basket:
        """What is kept of an order that can earn."""
        assert order.paid is not None
        other = self.program.currency is not None and self.program.currency != order.paid.currency
        return Basket() if other else order.basket

    def _numbered(self, order: Order, award: Award, asked: Sequence[Rule], buyer: Memory) -> Award:
        """An order of which nothing was kept, and something is again, is the buyer's next order and not what it was."""
        if self.rules.bare or award.kept or not self._found(order).kept:
            return award
        numbers = {rule.id: rule.when.order_number for rule in asked if rule.when.order_number is not None}
        lost = {name: "ORDER_NUMBER" for name, number in numbers.items() if not number.holds(buyer.orders + 1)}
        refused = {**lost, **award.refused}
        left = {rule.campaign for rule in self.rules.rules if rule.id not in refused}
        budgets = {name: points for name, points in award.budgets.items() if name in left}
        return replace(award, refused=refused, budgets=budgets)

    def refusal(self, rule: Rule, memory: Memory, at: datetime, day: date) -> str:
        """Why a rule does not apply at this time, to this member; empty where it does."""
        when, terms = rule.when, self.rules.tiers
        ago = (day - memory.paid_on[-1]).days if memory.paid_on else -1
        found = (
            ("DISABLED", rule.enabled),
            (stopped := self._stopped(rule, at), not stopped),
            ("TIER", not when.tier or (terms and levels.level(memory, terms, self.today)[0] in when.tier)),
            ("ORDER_NUMBER", when.order_number is None or when.order_number.holds(memory.orders + 1)),
            ("NOT_REPEATED", when.repeat_within_days is None or 0 <= ago <= when.repeat_within_days),
        )
        return next((reason for reason, holds in found if not holds), "")

    def _stopped(self, rule: Rule, at: datetime) -> str:
        """Why a rule's campaign does not run; empty where it does, or where there is none."""
        campaign = self.rules.campaign(rule.campaign)
        if campaign is None:
            return ""
        if campaign.starts and at < campaign.starts:
            return "CAMPAIGN_NOT_YET"
        if campaign.ends and at >= campaign.ends:
            return "CAMPAIGN_OVER"
        status = self.campaign(rule.campaign).status
        return "" if status == "ACTIVE" else f"CAMPAIGN_{status}"

    def _judge(self, order: Order, award: Award, asked: Sequence[Rule], *, buyer: bool = True) -> tuple[Award, int]:
        """The award as the facts now call for it, and the points this moves."""
        paid, purse = order.paid, self.purse(award.member)
        assert paid is not None
        found = self._found(order)
        if self.rules.bare:
            given = self._rates(found)
            after = replace(award, paid_at=paid.at)
            (old,) = award.parts
            new: Key = old
            if paid.at != award.paid_at:
                new = (last_valid_day(self.program.expiry, self.day(paid.at)), None)
            moves, wanted = [(old, new, award.granted)] * (old != new), {new: given}
            counts = (award.granted > 0, given > 0)
        else:
            granted = grants(found, self.rules, asked, self._limits(award, purse.memory))
            after = replace(award, paid_at=paid.at, grants=granted, kept=found.kept)
            moves, wanted = self._by_lots(award, after)
            counts = (award.kept > 0, found.kept > 0)
        moved, parts = self._post(order, award, moves, wanted)
        after = replace(after, parts=parts)
        memory = self._counted(purse.memory, award, after, buyer=buyer)
        if buyer:
            was, now = self.day(award.paid_at), self.day(paid.at)
            memory = memory.counting(order.name, before=counts[0], after=counts[1], was=was, now=now)
            after, memory = self._spending(award, after, memory, (now.isoformat()[:7], found.kept))
        purse.remember(memory)
        return (replace(after, tasks=self._tasks(order, after)) if buyer else after), moved

    def _undo(self, order: Order, award: Award) -> int:
        """Take everything back: the order is somebody else's now."""
        self.allow(award.member)
        purse, day = self.caught_up(award.member), self.day(award.paid_at)
        none = replace(award, grants={}, kept=0)
        memory = self._counted(purse.memory, award, none, buyer=award is order.award)
        if award is order.award:
            kept = award.granted > 0 if self.rules.bare else award.kept > 0
            memory = memory.counting(order.name, before=kept, after=False, was=day, now=day)
            _, memory = self._spending(award, none, memory, ("", 0))
        less = {key: points for key, (points, _) in award.parts.items() if points}
        lapsed = {key: points for key, (_, points) in award.parts.items()}
        moved = self._take_back(order, award, less, lapsed) if less else 0
        purse.remember(memory)
        if award.tasks:
            self._tasks(order, none)
        return moved

    def _spending(self, before: Award, after: Award, memory: Memory, kept: Spending) -> tuple[Award, Memory]:
        """What is kept of an order counts as spent, in place of what it counted before, while a policy asks for it."""
        asked = [policy.when for policy in self.program.policies if isinstance(policy.when, Spent)]
        now = kept if kept[1] else None
        if before.spent == now or not (asked or before.spent):
            return replace(after, spent=before.spent), memory
        firsts = [months_before(self.today - one.wait_days * DAY, one.months + 1) for one in asked]
        return replace(after, spent=now), memory.spending(
            before.spent, now, min(firsts, default=months_before(self.today, 26))
        )

    def _rates(self, found: Basket) -> int:
        """The points of rates on the whole order: each is rounded once."""
        points = (whole(Fraction(each * found.kept, per), how) for _, each, per, how in self.rules.rates)
        return min(ORDER_POINTS_MAX, sum(points))

    def _limits(self, award: Award, memory: Memory) -> Limits:
        """What may be granted now: what it has and what is free, never more than there was at first."""
        rooms: dict[str, int] = {}
        for cap in caps_over(self.rules, self.rules.by_id):
            if cap.key in award.rooms:
                name, first = award.rooms[cap.key]
                free = 0 if name < oldest(cap.per, self.today) else room(memory, cap, name)
                rooms[cap.key] = min(first, cap.uses(award.grants) + free)
        budgets: dict[str, int] = {}
        for name, first in award.budgets.items():
            left = self.campaign(name).left(_budget(self.rules, name))
            budgets[name] = min(first, _of_campaign(self.rules, name, award.grants) + (left or 0))
        return Limits(award.refused, rooms, budgets)

    def _counted(self, memory: Memory, before: Award, after: Award, *, buyer: bool) -> Memory:
        """Caps, levels and campaigns once an order's grants have changed."""
        if self.rules.bare:
            return memory
        for cap in caps_over(self.rules, {*before.grants, *after.grants}):
            by = cap.uses(after.grants) - cap.uses(before.grants)
            if by and cap.key in before.rooms:
                memory = with_use(memory, cap, before.rooms[cap.key][0], by, self.today)
        if self.rules.tiers:
            memory = self._qualified(memory, before, after, buyer=buyer)
        for name in {self.rules.by_id[one].campaign for one in (*before.grants, *after.grants)} - {""}:
            had, has = (_of_campaign(self.rules, name, one.grants) for one in (before, after))
            kept = (after.kept if has else 0) - (before.kept if had else 0)
            if had != has or kept:
                self.campaigns[name] = self.campaign(name).moved(has - had, bool(has) - bool(had), kept)
        return memory

    def _qualified(self, memory: Memory, before: Award, after: Award, *, buyer: bool) -> Memory:
        terms = self.rules.tiers
        assert terms is not None
        counts = []
        for one in (before, after):
            points = sum(given for name, given in one.grants.items() if self.rules.by_id[name].qualifies)
            counts.append(points if terms.by == "points" else one.kept if buyer else 0)
        was, now = self.day(before.paid_at), self.day(after.paid_at)
        return levels.qualify(memory, terms, [(now, counts[1]), (was, -counts[0])], self.today)

    # Lots

    def lot(self, rule: Rule, day: date) -> Key:
        """The lot that a rule's points of a day go into."""
        first = day + timedelta(days=rule.pending_days) if rule.pending_days else None
        return last_valid_day(rule.valid or self.rules.expiry, day), first

    def _by_lots(self, before: Award, after: Award) -> tuple[list[tuple[Key, Key, int]], dict[Key, int]]:
        """What changes its lot because the order was paid on another day, and the points by lot that are wanted."""
        was, now = self.day(before.paid_at), self.day(after.paid_at)
        wanted: dict[Key, int] = {}
        for name, points in after.grants.items():
            key = self.lot(self.rules.by_id[name], now)
            wanted[key] = wanted.get(key, 0) + points
        moves: dict[tuple[Key, Key], int] = {}
        if was != now:
            for name, points in before.grants.items():
                rule = self.rules.by_id[name]
                pair = (self.lot(rule, was), self.lot(rule, now))
                moves[pair] = moves.get(pair, 0) + points
        return [(old, new, points) for (old, new), points in moves.items() if old != new], wanted

    def _post(
        self, order: Order, award: Award, moves: Iterable[tuple[Key, Key, int]], wanted: Mapping[Key, int]
    ) -> tuple[int, Mapping[Key, tuple[int, int]]]:
        """Give, take and move what is wanted; the points this moves and the parts there are."""
        have = {key: points for key, (points, _) in award.parts.items()}
        moves = list(moves)
        if have == wanted and not moves:
            return 0, award.parts
        purse, moved = self.caught_up(award.member), 0
        lapsed = {key: points for key, (_, points) in award.parts.items()}
        for old, new, points in moves:
            moved += self._move(purse, lapsed, old, new, points)
            have[old] -= points
            have[new] = have.get(new, 0) + points
        for old in sorted(have, key=in_order):
            for new in sorted(wanted, key=in_order):
                points = min(have[old] - wanted.get(old, 0), wanted[new] - have.get(new, 0))
                if points > 0:
                    moved += self._move(purse, lapsed, old, new, points)
                    have[old] -= points
                    have[new] = have.get(new, 0) + points
        differences = {key: wanted.get(key, 0) - have.get(key, 0) for key in {*have, *wanted}}
        less = {key: -by for key, by in differences.items() if by < 0}
        more = {key: by for key, by in differences.items() if by > 0}
        if less:
            moved += self._take_back(order, award, less, lapsed)
        elif more:
            moved += self._give(order, award, more)
        late = {key: purse.lots.get(key, 0) if past(key, self.today) else 0 for key in wanted}
        parts = {key: (points, lapsed.get(key, 0) + late[key]) for key, points in wanted.items()}
        purse.pass_time(self.now, self.today)
        return moved, parts

    def _move(self, purse: Purse, lapsed: dict[Key, int], old: Key, new: Key, points: int) -> int:
        """Move what is left of an order's points from one lot to another.

        Points that had lapsed come back by it, and what comes back pays the debt first, as every credit does.
        """
        moved = _revive(purse, lapsed, old)
        points = min(points, purse.lots.get(old, 0))
        if points:
            take_from(purse.lots, old, points)
            purse.pay_in([(new, points)])
            purse.posted()
        return moved

    def _give(self, order: Order, award: Award, more: Mapping[Key, int]) -> int:
        """Earn, less what was forgiven this member on this order before."""
        forgiven = min(order.forgiven.get(award.member, 0), sum(more.values()))
        _forgive(order, award.member, -forgiven)
        parts, left = [], sum(more.values()) - forgiven
        for key in sorted(more, key=in_order):
            part = min(more[key], left)
            left -= part
            if part:
                parts.append((key, part))
        if parts:
            self.purse(award.member).earn(parts, self.lots_max, self.today)
        return sum(points for _, points in parts)

    def _take_back(self, order: Order, award: Award, less: Mapping[Key, int], lapsed: dict[Key, int]) -> int:
        """Claw points back, those that had lapsed when they were granted included."""
        purse = self.purse(award.member)
        moved = sum(_revive(purse, lapsed, key) for key in less)
        points = sum(less.values())
        forgiven = purse.claw_back(points, less, self.today, clamp=self.clamp)
        _forgive(order, award.member, forgiven)
        return moved + forgiven - points

    # Tasks

    def _tasks(self, order: Order, award: Award) -> dict[str, tuple[str, int]]:
        """Bring every task to what the order now counts; what it counts, by task, in which window."""
        counted: dict[str, tuple[str, int]] = {}
        for rule in self.rules.order_tasks:
            if rule.id in award.refused:
                continue
            assert rule.goal is not None
            first = window_of(str(rule.goal.per), self.day(award.paid_at), self.today), 0
            name, before = award.tasks.get(rule.id, first)
            amount = self._counts(rule, order) if award.kept else 0
            if amount:
                counted[rule.id] = (name, amount)
            if amount != before:
                self._progress(rule, award.member, name, amount - before)
        return counted

    def _counts(self, rule: Rule, order: Order) -> int:
        assert rule.goal is not None
        found = order.basket
        if not amount_fits(rule, found):
            return 0
        amount = sum((found.lines[place][1] for place in lines_for(rule, self.rules, found)), Fraction(0))
        minor = amount.numerator // amount.denominator
        return minor if rule.goal.of == "amount" else int(minor > 0)

    def _progress(self, rule: Rule, member: str, name: str, by: int) -> None:
        """So much more or less is done of a task: its reward follows."""
        goal, effect, purse = rule.goal, rule.effect, self.purse(member)
        assert goal is not None
        assert isinstance(effect, Fixed)
        first = oldest(str(goal.per), self.today - RETURNS_WITHIN_DAYS * DAY)
        if name < first:
            return
        done, granted, *last = purse.memory.goals.get(rule.id, {}).get(name, (0, 0))
        on = date.fromisoformat(last[0]) if last else self.today
        had, has = (_worth_of(goal, effect.points, count) for count in (done, max(0, done + by)))
        done, due = max(0, done + by), min(0, has - granted)
        # What a cap took away stays away, and what policy clamp left with the member is not given twice.
        if has > max(had, granted):
            reward = self._reward(rule, member, has - max(had, granted))
            granted, on = granted + reward, self.today if reward else on
        elif due:
            purse = self.caught_up(member)
            forgiven = purse.claw_back(-due, {self.lot(rule, on): -due}, self.today, clamp=self.clamp)
            self._used(rule, member, due + forgiven, on)
            granted += due + forgiven
        windows = {known: one for known, one in purse.memory.goals.get(rule.id, {}).items() if known >= first}
        windows[name] = (done, granted, on.isoformat()) if granted else (done, granted)
        goals = {**purse.memory.goals, rule.id: {known: one for known, one in windows.items() if one != (0, 0)}}
        purse.remember(lately(replace(purse.memory, goals=goals), self.today))

    def _reward(self, rule: Rule, member: str, points: int) -> int:
        """Give what a task is worth, as far as today's limits let it; the points given."""
        purse = self.caught_up(member)
        for cap in caps_over(self.rules, [rule.id]):
            free = room(purse.memory, cap, window(cap.per, self.today))
            points = min(points, free) if cap.unit == "points" else points * (free > 0)
        left = self.campaign(rule.campaign).left(_budget(self.rules, rule.campaign)) if rule.campaign else None
        points = points if left is None else min(points, left)
        if points:
            purse.earn([(self.lot(rule, self.today), points)], self.lots_max, self.today)
            self._used(rule, member, points, self.today)
        return points

    def _used(self, rule: Rule, member: str, points: int, on: date) -> None:
        """Count what a task gave, or took back (below 0), against the limits of the day it gave."""
        purse = self.purse(member)
        memory = purse.memory
        for cap in caps_over(self.rules, [rule.id]):
            by = cap.uses({rule.id: abs(points)}) * (1 if points > 0 else -1)
            if by:
                memory = with_use(memory, cap, window(cap.per, on), by, self.today)
        purse.remember(memory)
        if rule.campaign and points:
            self.campaigns[rule.campaign] = self.campaign(rule.campaign).moved(points, 1 if points > 0 else -1, 0)


def _worth_of(goal: Goal, points: int, done: int) -> int:
    times = done // goal.reach
    return points * (times if goal.again else min(1, times))


def _budget(rules: RuleSet, name: str) -> int | None:
    campaign = rules.campaign(name)
    return campaign.budget_points if campaign else None


def _of_campaign(rules: RuleSet, campaign: str, granted: Mapping[str, int]) -> int:
    return sum(points for name, points in granted.items() if rules.by_id[name].campaign == campaign)


def _revive(purse: Purse, lapsed: dict[Key, int], key: Key) -> int:
    """Turn the lapse of points round that had lapsed when they were granted."""
    points = lapsed.pop(key, 0)
    if points:
        purse.put(key, points)
        purse.expired -= points
        purse.posted()
    return points


def _forgive(order: Order, member: str, points: int) -> None:
    left = order.forgiven.get(member, 0) + points
    order.forgiven.pop(member, None)
    if left:
        order.forgiven[member] = left


def join(order: Order, event: OrderEvent) -> bool:
    """Add a fact; whether it says anything new."""
    match event.type:
        case EventType.CANCELLED:
            new, order.cancelled = not order.cancelled, True
            return new
        case EventType.REFUNDED:
            refund = event.refund
            assert refund is not None
            if refund.refund_id in order.refunds:
                return False
            if len(order.refunds) == REFUNDS_MAX:
                raise TooManyRefunds
            order.refunds[refund.refund_id] = refund
            return True
        case EventType.PAID:
            paid = event.paid
            assert paid is not None
            if order.paid is not None and paid.revision <= order.paid.revision:
                return False
            order.paid = paid
            return True
