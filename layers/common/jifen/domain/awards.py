"""Awards: from the state of an order to the entries that make the ledger agree with it.

    posting = entitled(order) - granted so far       positive: EARN    negative: CLAWBACK    nothing: no entry

The order document keeps what was granted, to whom, under which rules and into which lots. What the buyer's inviter gets
for it is an award of its own on the same order, and follows the same facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from jifen.domain import allowances, tasks
from jifen.domain import lots as lot_book
from jifen.domain.account import Account, Change, caught_up, credit, pay_debt
from jifen.domain.calendar import local_day
from jifen.domain.clawback import claw_back
from jifen.domain.entries import Draft, Kind, Reason, Source
from jifen.domain.lots import LotChange
from jifen.domain.orders import Award, EventType, Order, OrderEvent, Part
from jifen.domain.program import Moment, Program
from jifen.domain.rules.amounts import kept
from jifen.domain.rules.engine import Verdict, Why, explain, judge, why_nothing
from jifen.domain.rules.model import Rule, RuleSet
from jifen.domain.standing import Standing
from jifen.domain.tallies import (
    Books,
    Campaigns,
    Days,
    bounds,
    campaigns_asked,
    campaigns_open,
    numbered_anew,
    order_counted,
    pinned_first,
    settled,
)

Dates = tuple[date | None, date | None]
"""The last valid day of points, and the day from which they can be used."""


@dataclass(frozen=True, slots=True)
class Awarded:
    """The order with its new awards, the accounts it touched by member, and the campaigns whose counters it moved."""

    order: Order
    changes: Mapping[str, Change]
    campaigns: Campaigns


def members_of(order: Order, accounts: Mapping[str, Account] | None = None) -> frozenset[str]:
    """The accounts a change of this order may touch, as far as is known.

    They are its buyer, who was granted its points before, and the buyer's inviter once ``accounts`` holds the buyer.
    """
    buyer = order.paid.member if order.paid else None
    found = {buyer, order.award and order.award.member, order.referral and order.referral.member}
    if accounts and buyer is not None and buyer in accounts:
        found.add(accounts[buyer].standing.inviter)
    return frozenset(member for member in found if member)


def campaigns_of(order: Order, rules: RuleSet) -> frozenset[str]:
    """The campaigns that a change of this order may move: those of its awards, or those open at its payment."""
    found: set[str] = set()
    for held in (order.award, order.referral):
        if held and not held.rules.bare:
            found |= campaigns_asked(held.rules, {rule.id for rule in held.rules.rules} - held.pinned.refused.keys())
    if order.paid and (order.award is None or order.award.member != order.paid.member):
        found |= campaigns_open(rules, order.paid)
    return frozenset(found)


def award(
    order: Order,
    event: OrderEvent,
    changes: Mapping[str, Change],
    program: Program,
    moment: Moment,
    campaigns: Campaigns | None = None,
) -> Awarded:
    """Post what the order's state now calls for.

    Args:
        order: the joined order, ``event`` included.
        event: the fact that came in; it names the reason and the time of the entries.
        changes: the accounts of :func:`members_of`, as far as this transaction has come.
        program: rules for a first award; later ones keep the rules of the first.
        moment: when this is decided.
        campaigns: the state of the campaigns of :func:`campaigns_of`, as far as this transaction has come.
    """
    desk = _Desk(order, event, program, moment, dict(changes), dict(campaigns or {}))
    buyer = order.paid.member if order.paid else None
    if order.award and order.award.member != buyer:
        desk.undo(order.award)
        if order.referral:
            desk.undo(order.referral)
        desk.order = replace(desk.order, award=None, referral=None)
    if buyer is not None:
        desk.settle(buyer)
    touched = {member: change for member, change in desk.changes.items() if change is not changes[member]}
    moved = {name: state for name, state in desk.campaigns.items() if campaigns and state is not campaigns[name]}
    return Awarded(desk.order, touched, moved)


def dates_of(rule: Rule, rules: RuleSet, day: date) -> Dates:
    """The lot that a rule's points of ``day`` go into."""
    active_from = day + timedelta(days=rule.pending_days) if rule.pending_days else None
    return (rule.valid or rules.expiry).last_valid_day(day), active_from


def _by_lot(grants: Mapping[str, int], rules: RuleSet, day: date) -> dict[Dates, int]:
    """Points by the lot they go into."""
    found: dict[Dates, int] = {}
    for name, points in grants.items():
        rule = rules.rule(name)
        assert rule is not None, "grants name rules of their own rule set"
        dates = dates_of(rule, rules, day)
        found[dates] = found.get(dates, 0) + points
    return found


class _Desk:
    """One event's effect on the accounts and campaigns of one order, in the making."""

    def __init__(
        self,
        order: Order,
        event: OrderEvent,
        program: Program,
        moment: Moment,
        changes: dict[str, Change],
        campaigns: dict[str, Any],
    ) -> None:
        self.order, self.event, self.program, self.moment = order, event, program, moment
        self.changes, self.campaigns = changes, campaigns

    # What is wanted

    def settle(self, buyer: str) -> None:
        """Bring the buyer's account, and the inviter's, to what the order is worth."""
        order, rules = self.order, self.program.rules
        self._allow(buyer)
        standing = self.changes[buyer].account.standing
        referral = order.referral
        if order.award is None and rules.for_inviter and standing.inviter in self.changes:
            referral = self._opened(standing.inviter, rules.for_inviter, standing)
        held = order.award or self._opened(buyer, (*rules.on_order, *rules.order_tasks), standing)
        held = self._numbered(held, (*held.rules.on_order, *held.rules.order_tasks), standing)
        held = self._settled(held, held.rules.on_order)
        self.order = replace(self.order, award=held)
        if referral and (order.referral or len(referral.pinned.refused) < len(rules.for_inviter)):
            self._allow(referral.member)
            referral = self._numbered(referral, referral.rules.for_inviter, standing)
            referral = self._settled(referral, referral.rules.for_inviter, inviter=True)
            self.order = replace(self.order, referral=referral)

    def _allow(self, member: str) -> None:
        """Give what a level owes before the order can change the level."""
        if self.program.rules.tiers:
            self.changes[member] = allowances.given(self.changes[member], self.program.rules, self.moment)

    def _numbered(self, held: Award, asked: Iterable[Rule], buyer: Standing) -> Award:
        """The award; once nothing was kept of its order, and something is again, that is the buyer's next order."""
        if held.rules.bare or held.pinned.kept_minor or why_nothing(self.order, held.currency):
            return held
        if not kept(self.order, held.rules.basis).total:
            return held
        return replace(held, pinned=numbered_anew(held, asked, buyer))

    def _opened(self, member: str, asked: Iterable[Rule], buyer: Standing) -> Award:
        """The award of an order that has none yet."""
        paid, rules = self.order.paid, self.program.rules
        assert paid is not None, "only a paid order is awarded"
        day = local_day(paid.at, self.program.zone)
        if rules.bare:
            part = Part(0, self.program.expiry.last_valid_day(day))
            return Award(member, (part,), rules.pinned, self.program.currency, paid.at)
        books = Books(self.changes[member].account.standing, self.campaigns)
        pinned = pinned_first(rules, asked, buyer, books, paid, day, self.moment)
        return Award(member, (), rules, self.program.currency, paid.at, pinned)

    def _settled(self, held: Award, asked: Sequence[Rule], *, inviter: bool = False) -> Award:
        """Post what one award lacks or has too much; the award as it then is."""
        order = self.order
        assert order.paid is not None, "only a paid order is awarded"
        before = self.changes[held.member]
        books = Books(before.account.standing, self.campaigns)
        limits = bounds(held.rules, held.pinned, books, self.moment.today)
        verdict = judge(order, held.rules, asked, limits, held.currency)
        after, change = self._posted(held, verdict, inviter=inviter)
        now = self._day(held, order.paid.at)
        days = Days(now if held.paid_at == order.paid.at else self._day(held, held.paid_at), now, inviter)
        books = settled(books, held, verdict, days, self.program.rules.tiers, self.moment)
        self.campaigns = dict(books.campaigns)
        standing = books.standing
        if not inviter:
            counted, counts = _counts(held), _counts(after)
            standing = order_counted(standing, order, before=counted, after=counts, days=days)
            if held.pinned.spent or self.program.policies:
                after, standing = self._spent(after, standing, days.now, verdict.kept_minor)
        self.changes[held.member] = _remembering(change, standing)
        return self._with_tasks(after) if held.rules.order_tasks and not inviter else after

    def _spent(self, held: Award, standing: Standing, day: date, kept_minor: int) -> tuple[Award, Standing]:
        """What was kept of the order, in place of what the award counted before, as spent in the month of ``day``.

        An award that has counted nothing begins to while a policy asks for it. Money of another currency is none.
        """
        from jifen.domain import activity  # noqa: PLC0415 - few programs have policies

        paid, before = self.order.paid, held.pinned.spent
        if paid is None or not (before or activity.counts_spending(self.program)):
            return held, standing
        ours = self.program.currency in {None, paid.currency}
        now = (activity.month_of(day), kept_minor) if ours and kept_minor else None
        if now == before:
            return held, standing
        standing = activity.spent(standing, self.program, before, now, self.moment.today)
        return replace(held, pinned=replace(held.pinned, spent=now)), standing

    def _day(self, held: Award, at: datetime) -> date:
        """The local day of ``at``: in the zone the award was made under, which a bare one does not keep."""
        return local_day(at, self.program.zone if held.rules.bare else held.rules.zone)

    def _with_tasks(self, held: Award) -> Award:
        """The award once the order counts towards tasks as it now stands."""
        count = tasks.Counting(self.order, held, self.program.clawback, self._draft, self.moment)
        done = tasks.count(count, self.changes[held.member], self.campaigns)
        self.changes[held.member], self.campaigns = done.change, dict(done.campaigns)
        return replace(held, pinned=replace(held.pinned, tasks=done.counted))

    def undo(self, held: Award) -> None:
        """Take everything back that an award gave: the order is somebody else's now."""
        self._allow(held.member)
        before = self.changes[held.member]
        days = Days(self._day(held, held.paid_at), self._day(held, held.paid_at), held is self.order.referral)
        books = Books(before.account.standing, self.campaigns)
        books = settled(books, held, Verdict(), days, self.program.rules.tiers, self.moment)
        self.campaigns = dict(books.campaigns)
        standing = books.standing
        if held is not self.order.referral:
            standing = order_counted(standing, self.order, before=_counts(held), after=False, days=days)
        if held.pinned.spent:
            from jifen.domain import activity  # noqa: PLC0415 - few programs have policies

            standing = activity.spent(standing, self.program, held.pinned.spent, None, self.moment.today)
        change = caught_up(before, self.moment)
        less = {(part.last_valid_day, part.active_from): part.points for part in held.parts if part.points}
        lapsed = {(part.last_valid_day, part.active_from): part.lapsed for part in held.parts}
        change = self._take_back(change, held, less, lapsed, explain(self.order, held.rules), Reason.ORDER_MOVED)
        self.changes[held.member] = _remembering(change, standing)
        if held.pinned.tasks:
            self._with_tasks(replace(held, pinned=replace(held.pinned, kept_minor=0)))

    # What is posted

    def _posted(self, held: Award, verdict: Verdict, *, inviter: bool) -> tuple[Award, Change]:
        """The award with the parts that the verdict calls for, and the account that has them."""
        paid, change = self.order.paid, self.changes[held.member]
        assert paid is not None, "only a paid order is awarded"
        moves, wanted = self._wanted(held, verdict)
        have = {(part.last_valid_day, part.active_from): part.points for part in held.parts}
        lapsed = {(part.last_valid_day, part.active_from): part.lapsed for part in held.parts}
        pinned = held.pinned
        if not held.rules.bare:
            pinned = replace(pinned, grants=verdict.grants, kept_minor=verdict.kept_minor)
        after = replace(held, paid_at=paid.at, pinned=pinned)
        if have == wanted and not moves:
            return after, change
        change = caught_up(change, self.moment)
        for old, new, points in moves:
            change = self._move(change, lapsed, old, new, points, Reason.ORDER_REDATED)
            have[old], have[new] = have[old] - points, have.get(new, 0) + points
        change = self._reassessed(change, lapsed, have, wanted)
        less = {dates: points - wanted.get(dates, 0) for dates, points in have.items() if points > wanted.get(dates, 0)}
        more = {dates: points - have.get(dates, 0) for dates, points in wanted.items() if points > have.get(dates, 0)}
        if less:
            change = self._take_back(change, held, less, lapsed, verdict.why, None)
        elif more:
            change = self._earn(change, held, more, verdict, inviter=inviter)
        overdue = {dates: lapsed.get(dates, 0) + self._overdue(change, dates) for dates in wanted}
        parts = tuple(Part(points, *dates, overdue[dates]) for dates, points in sorted(wanted.items(), key=_by_dates))
        return replace(after, parts=parts), caught_up(change, self.moment)

    def _wanted(self, held: Award, verdict: Verdict) -> tuple[list[tuple[Dates, Dates, int]], dict[Dates, int]]:
        """What of the award's points changes its lot because the payment has another date, and the points by lot."""
        paid = self.order.paid
        assert paid is not None, "only a paid order is awarded"
        if held.rules.bare:
            (part,) = held.parts
            old: Dates = (part.last_valid_day, part.active_from)
            redated = paid.at != held.paid_at
            day = local_day(paid.at, self.program.zone)
            new: Dates = (self.program.expiry.last_valid_day(day), None) if redated else old
            return ([(old, new, part.points)] if old != new else []), {new: verdict.points}
        day, before = local_day(paid.at, held.rules.zone), local_day(held.paid_at, held.rules.zone)
        wanted = _by_lot(verdict.grants, held.rules, day)
        if day == before:
            return [], wanted
        moves: dict[tuple[Dates, Dates], int] = {}
        for name, points in held.pinned.grants.items():
            rule = held.rules.rule(name)
            assert rule is not None, "grants name rules of their own rule set"
            pair = (dates_of(rule, held.rules, before), dates_of(rule, held.rules, day))
            moves[pair] = moves.get(pair, 0) + points
        return [(old, new, points) for (old, new), points in moves.items() if old != new], wanted

    def _reassessed(
        self, change: Change, lapsed: dict[Dates, int], have: dict[Dates, int], wanted: Mapping[Dates, int]
    ) -> Change:
        """Move points between lots where one rule takes another's place; the balance stays. ``have`` follows."""
        for old in sorted(have, key=_dates_key):
            for new in sorted(wanted, key=_dates_key):
                spare, needed = have[old] - wanted.get(old, 0), wanted[new] - have.get(new, 0)
                points = min(spare, needed)
                if points > 0:
                    change = self._move(change, lapsed, old, new, points, Reason.ORDER_REASSESSED)
                    have[old], have[new] = have[old] - points, have.get(new, 0) + points
        return change

    def _move(
        self, change: Change, lapsed: dict[Dates, int], old: Dates, new: Dates, points: int, reason: Reason
    ) -> Change:
        """Move what is left of ``points`` of the order from one lot to another; the balance stays.

        Points that had lapsed come back by it, so a debt is paid out of them first, as by every credit.
        """
        change = self._revive(change, lapsed, old)
        out = lot_book.take(change.account.lots, points, lambda lot: (lot.expires_on, lot.active_from) == old)
        if not out:
            return change
        into, paid = pay_debt(change.account.debt, (LotChange(-lot_book.total(out), *new),))
        why = ({"paid_debt": paid},) if paid else ()
        draft = replace(self._draft(Kind.ADJUST, reason), lots=(*out, *into), debt=-paid, why=why)
        return change.post(draft, self.moment)

    def _earn(
        self, change: Change, held: Award, more: Mapping[Dates, int], verdict: Verdict, *, inviter: bool
    ) -> Change:
        """Credit points; those that policy ``clamp`` once forgave this member for the order are not given again."""
        points = sum(more.values())
        forgiven = min(self.order.forgiven.get(held.member, 0), points)
        self._forgive(held.member, -forgiven)
        lots, left = [], points - forgiven
        for dates, wanted in sorted(more.items(), key=_by_dates):
            part = min(wanted, left)
            left -= part
            if part:
                lots.append(LotChange(part, *dates))
        if not lots:
            return change
        kind, reason = Kind.EARN, self._reason(growing=True)
        if inviter:
            kind, reason = Kind.BONUS, Reason.FRIEND_ORDERED
        why = tuple(_with_before(line, held) for line in verdict.why)
        return credit(change, replace(self._draft(kind, reason), lots=tuple(lots), why=why), self.moment)

    def _take_back(
        self,
        change: Change,
        held: Award,
        less: Mapping[Dates, int],
        lapsed: dict[Dates, int],
        why: Why,
        reason: Reason | None,
    ) -> Change:
        """Claw points back: the order's own lots first, then soonest-expiring; the rest follows the policy.

        Points that had lapsed already when they were awarded come back first, so that a payment and a refund that both
        arrive late end where they end in the other order.
        """
        if not less:
            return change
        for dates in less:
            change = self._revive(change, lapsed, dates)

        policy = self.program.clawback
        last = {"granted_before": held.granted, "policy": str(policy)}
        draft = replace(self._draft(Kind.CLAWBACK, reason or self._reason(growing=False)), why=(*why, last))
        change, forgiven = claw_back(change, sum(less.values()), less, policy, draft, self.moment)
        self._forgive(held.member, forgiven)
        return change

    def _forgive(self, member: str, points: int) -> None:
        if not points:
            return
        left = {**self.order.forgiven, member: self.order.forgiven.get(member, 0) + points}
        self.order = replace(self.order, forgiven={name: count for name, count in left.items() if count})

    def _overdue(self, change: Change, dates: Dates) -> int:
        """Points that lie in the order's own lot although its last valid day is past: they lapse at once."""
        own = (lot for lot in change.account.lots if (lot.expires_on, lot.active_from) == dates)
        return sum(lot.points for lot in own if lot.expired(self.moment.today))

    def _revive(self, change: Change, lapsed: dict[Dates, int], dates: Dates) -> Change:
        """Turn the lapse of points round that had lapsed when they were awarded."""
        points = lapsed.pop(dates, 0)
        if not points:
            return change
        draft = self._draft(Kind.EXPIRE, Reason.EXPIRY_REVERSED)
        return change.post(replace(draft, points=points, lots=(LotChange(points, *dates),)), self.moment)

    def _reason(self, *, growing: bool) -> Reason:
        match self.event.type:
            case EventType.REFUNDED:
                return Reason.ORDER_REFUNDED
            case EventType.CANCELLED:
                return Reason.ORDER_CANCELLED
            case EventType.PAID:
                amended = not growing or (self.event.paid is not None and self.event.paid.revision > 0)
                return Reason.ORDER_AMENDED if amended else Reason.ORDER_PAID

    def _draft(self, kind: Kind, reason: Reason) -> Draft:
        order = self.order
        source = order.order_id if order.shop == "standard" else f"{order.shop}:{order.order_id}"
        return Draft(kind=kind, reason=reason, source=Source("order", source), occurred_at=self.event.at)


def _counts(held: Award) -> bool:
    """Whether the order counts as one that was kept."""
    return held.granted > 0 if held.rules.bare else held.pinned.kept_minor > 0


def _remembering(change: Change, standing: Standing) -> Change:
    return change if standing == change.account.standing else change.remember(standing)


def _with_before(line: Mapping[str, Any], held: Award) -> Mapping[str, Any]:
    """A line of ``why`` with what was granted before: by the order where its rules are bare, else by the rule."""
    if held.rules.bare:
        return {**line, "granted_before": held.granted}
    before = held.pinned.grants.get(line.get("rule", ""), 0)
    return {**line, "granted_before": before} if before else line


def _dates_key(dates: Dates) -> tuple[date, date]:
    return dates[0] or date.max, dates[1] or date.min


def _by_dates(part: tuple[Dates, int]) -> tuple[date, date]:
    return _dates_key(part[0])
