"""Playing: members, orders and accounts in memory, changed by nothing but the domain's own decisions.

play = Play(program, at, effort)
order = play.buy(Piece(10_000))      "A buys goods for 100.00 and gets 100 points"
play.give_back(order)                "A gives back goods for 100.00 and loses 100 points"
play.gain, play.money_minor          what is left of it, and what it cost
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from jifen.domain import allowances, behaviour, check_ins
from jifen.domain.account import Account, Change, as_of, credit
from jifen.domain.awards import award, campaigns_of, members_of
from jifen.domain.behaviour import Outcome
from jifen.domain.campaigns import CampaignState
from jifen.domain.entries import Draft, Kind, Source
from jifen.domain.errors import Refusal
from jifen.domain.events import BehaviourEvent
from jifen.domain.lint.finding import in_points
from jifen.domain.lots import LotChange
from jifen.domain.money import minor_per_unit
from jifen.domain.orders import EventType, Line, LineKind, Order, OrderEvent, Paid, Refund, RefundLine, join
from jifen.domain.program import Moment, Program, RedemptionTerms
from jifen.domain.rules.model import INVITE_ACCEPTED
from jifen.domain.spending import Asked, redeem
from jifen.domain.standing import Standing
from jifen.domain.transfers import Gift, send

ME, OTHER = "A", "B"
"""Who plays, and who is given points; friends who are invited are called F1, F2, …"""

Data = Mapping[str, int | str | bool]


@dataclass(slots=True)
class Effort:
    """How many more things may be done in a search, so that it ends after the same work on every machine."""

    left: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One line of an order to be bought; lines of kind ``points`` and ``discount`` lower what is paid."""

    amount_minor: int
    category: str | None = None
    sku: str = "goods"
    kind: LineKind = LineKind.GOODS


class Play:
    """A story on its way. ``gain`` are the points it brought, spent ones included; ``money_minor`` what it cost."""

    def __init__(self, program: Program, at: datetime, effort: Effort) -> None:
        self.program, self.now, self.effort = program, at, effort
        self.accounts: dict[str, Account] = {}
        self.orders: dict[str, Order] = {}
        self.campaigns: dict[str, CampaignState] = {}
        self.marks: set[tuple[str, str]] = set()
        self.kept: dict[str, dict[int, int]] = {}
        self.spent, self.money_minor, self.outlay_minor, self.baseline = 0, 0, 0, 0
        self.lines: list[str] = []
        self.used: set[str] = set()
        self._count = 0

    def branch(self) -> Play:
        """A copy that goes on by itself."""
        other = copy(self)
        other.accounts, other.orders, other.campaigns = dict(self.accounts), dict(self.orders), dict(self.campaigns)
        other.marks, other.used, other.lines = set(self.marks), set(self.used), list(self.lines)
        other.kept = {order: dict(lines) for order, lines in self.kept.items()}
        return other

    # What is true now

    @property
    def moment(self) -> Moment:
        """Now."""
        return self.program.moment(self.now)

    @property
    def held(self) -> int:
        """The points of all members, less what they owe, and those that were spent."""
        return self.spent + sum(as_of(account, self.moment).account.balance for account in self.accounts.values())

    @property
    def gain(self) -> int:
        """The points that the story has brought so far."""
        return self.held - self.baseline

    @property
    def profit_minor(self) -> int:
        """What these points are worth, less what the story cost."""
        return self.worth_minor(self.gain) - self.money_minor

    def worth_minor(self, points: int) -> int:
        """What points are worth at the checkout, in minor units, rounded down."""
        return self.program.redemption.worth.taken_off(points, self.unit)

    @property
    def unit(self) -> int:
        """Minor units of one unit of the currency."""
        return minor_per_unit(self.program.currency) if self.program.currency else 100

    def money(self, amount_minor: int) -> str:
        """An amount as people write it."""
        digits = len(str(self.unit)) - 1
        whole, rest = divmod(abs(amount_minor), self.unit)
        text = f"{whole}.{rest:0{digits}d}" if digits else str(whole)
        return f"-{text}" if amount_minor < 0 else text

    def of(self, member: str) -> Account:
        """A member's account."""
        return self.accounts.get(member, Account(member))

    def is_(self, member: str, standing: Standing) -> None:
        """Somebody whom the program knows as this."""
        self.accounts[member] = replace(self.of(member), standing=standing, revision=1)

    def say(self, line: str) -> None:
        """Add a line to the story."""
        self.lines.append(line)

    def _points(self, who: str) -> tuple[int, int]:
        """What a member has, and what all have."""
        return as_of(self.of(who), self.moment).account.balance, self.held

    def _since(self, who: str, before: tuple[int, int]) -> str:
        """What has changed for a member, and for who invited that member."""
        own, held = self._points(who)
        others = held - before[1] - (own - before[0])
        return _change(own - before[0]) + (f";{_change(others, ME).removeprefix(' and')}" if others else "")

    # What is done

    def wait(self, **by: int) -> None:
        """Let time pass."""
        self.now += timedelta(**by)

    def buy(self, *pieces: Piece, who: str = ME, say: bool = True) -> str:
        """Buy and pay; the id of the order."""
        self._count += 1
        order_id = f"o{self._count}"
        lines = tuple(
            Line(number, piece.sku, piece.amount_minor, piece.kind, piece.category)
            for number, piece in enumerate(pieces, 1)
        )
        lowers = {LineKind.DISCOUNT, LineKind.POINTS}
        price = sum(-piece.amount_minor if piece.kind in lowers else piece.amount_minor for piece in pieces)
        paid = Paid(who, self.now, self.program.currency or "XXX", lines)
        before = self._points(who)
        self._book(OrderEvent(EventType.PAID, f"p-{order_id}", "standard", order_id, who, self.now, paid=paid))
        self.money_minor += price
        self.outlay_minor = max(self.outlay_minor, self.money_minor)
        self.kept[order_id] = {line.number: line.amount_minor for line in lines if line.kind not in lowers}
        if say:
            what = " and ".join(_named(piece, self.money(piece.amount_minor)) for piece in pieces)
            self.say(f"{who} buys {what}{self._since(who, before)}")
        return order_id

    def give_back(self, order_id: str, amount_minor: int | None = None, line: int | None = None) -> None:
        """Give back all that is kept of an order, or of one ``line``, or ``amount_minor`` of it (of the first line)."""
        self._count += 1
        kept = self.kept[order_id]
        chosen = [line] if line else [number for number in kept if kept[number]] if amount_minor is None else [1]
        parts = {number: kept[number] if amount_minor is None else amount_minor for number in chosen}
        shown = tuple(RefundLine(amount, None, number) for number, amount in parts.items())
        order, total = self.orders[order_id], sum(parts.values())
        assert order.paid is not None, "only a paid order is given back"
        refund = Refund(f"r{self._count}", self.now, order.paid.currency, shown, total)
        who = order.paid.member or ME
        before = self._points(who)
        self._book(OrderEvent(EventType.REFUNDED, refund.refund_id, "standard", order_id, who, self.now, refund=refund))
        for number, amount in parts.items():
            kept[number] -= amount
        self.money_minor -= total
        self.say(f"{who} gives back goods for {self.money(total)}{self._since(who, before)}")

    def cancel(self, order_id: str, *, say: bool = True) -> None:
        """Cancel an order."""
        kept, paid = self.kept[order_id], self.orders[order_id].paid
        assert paid is not None, "only a paid order is cancelled"
        who = paid.member or ME
        before = self._points(who)
        self._book(OrderEvent(EventType.CANCELLED, f"c-{order_id}", "standard", order_id, who, self.now))
        total = sum(kept.values())
        self.money_minor -= total
        self.kept[order_id] = dict.fromkeys(kept, 0)
        if say:
            self.say(f"{who} cancels an order of {self.money(total)}{self._since(who, before)}")

    def spend(self, who: str = ME) -> int:
        """Spend all points that can be used, whatever limits the checkout has: there are other ways; how many."""
        points = as_of(self.of(who), self.moment).account.available(self.moment.today)
        most = self.program.redemption.max_points_per_order
        left = points if most is None else min(points, 10 * most)
        freely = replace(self.program, redemption=RedemptionTerms())
        while left > 0:
            self._count += 1
            part = left if most is None else min(left, most)
            _, change = redeem(self.of(who), Asked(f"k{self._count}", part, "f"), freely, self.moment)
            self.accounts[who] = change.account
            self.spent, left = self.spent + part, left - part
        return points

    def gives_away(self) -> int:
        """Give somebody else what can be given; how many points."""
        terms, to = self.program.transfers, replace(self.of(OTHER), revision=1)
        caps = (terms.max_points, terms.points_per_day, terms.points_per_month, terms.received_per_day)
        points = min([self.of(ME).available(self.moment.today), *(one for one in caps if one is not None)])
        if points < 1:
            return 0
        self._count += 1
        try:
            moved = send(self.of(ME), to, Gift(f"k{self._count}", ME, OTHER, points), self.program, self.moment)
        except Refusal:  # the program does not let so many go
            return 0
        self.accounts |= {ME: moved.sender.account, OTHER: moved.receiver.account}
        return points

    def does(self, kind: str, data: Data | None = None, who: str = ME) -> Outcome:
        """A behaviour event of a member."""
        self._count += 1
        self.effort.left -= 1
        event = BehaviourEvent(kind, f"e{self._count}", who, self.now, data or {})
        inviter = self.of(str(event.data["inviter"])) if kind == INVITE_ACCEPTED else None
        once = frozenset(self.marks)
        outcome = behaviour.decide(event, self.of(who), self.program.rules, self.campaigns, once, self.moment, inviter)
        return self._kept(outcome)

    def makes_up(self, day: date) -> Outcome:
        """Make up for a missed check-in."""
        self._count += 1
        self.effort.left -= 1
        rules = self.program.rules
        return self._kept(check_ins.make_up(self.of(ME), day, f"e{self._count}", rules, self.campaigns, self.moment))

    def has(self, points: int) -> None:
        """Points that were there before the story began."""
        draft = Draft(Kind.IMPORT, "PURSE", Source("lint", ME), self.now, lots=(LotChange(points, None),))
        self.accounts[ME] = credit(as_of(self.of(ME), self.moment), draft, self.moment).account
        self.baseline += points

    def allowances(self) -> int:
        """Give the tier allowances that are due; how many points."""
        before = self.held
        self.accounts[ME] = allowances.given(as_of(self.of(ME), self.moment), self.program.rules, self.moment).account
        return self.held - before

    def _kept(self, outcome: Outcome) -> Outcome:
        for member, change in outcome.changes.items():
            self.accounts[member] = change.account
        self.campaigns |= outcome.campaigns
        self.marks |= set(outcome.marks)
        self.used |= {str(line["rule"]) for line in outcome.why if line.get("rule") and line.get("points")}
        return outcome

    def _book(self, event: OrderEvent) -> None:
        self.effort.left -= 1
        assert event.order_id is not None, "orders have ids here"
        order = join(self.orders.get(event.order_id, Order(event.shop, event.order_id)), event).order
        buyer = order.paid.member if order.paid else None
        known = {buyer: self.of(buyer)} if buyer else {}
        changes = {member: Change(self.of(member)) for member in members_of(order, known)}
        names = campaigns_of(order, self.program.rules)
        states = {name: self.campaigns.get(name, CampaignState(name)) for name in names}
        outcome = award(order, event, changes, self.program, self.moment, states)
        self.campaigns.update(outcome.campaigns)
        self.orders[event.order_id] = outcome.order
        for member, change in outcome.changes.items():
            self.accounts[member] = change.account
            lines = (line for entry in change.entries if entry.draft.points > 0 for line in entry.draft.why)
            self.used |= {str(line.get("rule") or line.get("task")) for line in lines if line.get("points")}


def _named(piece: Piece, amount: str) -> str:
    """A line of an order in words."""
    if piece.kind is LineKind.POINTS:
        return f"pays {amount} of it with points"
    if piece.kind is not LineKind.GOODS:
        return f"{piece.kind} of {amount}"
    what = f"{piece.category} goods" if piece.category else "goods"
    return f"{what} for {amount}" if piece.sku == "goods" else f"{what} ({piece.sku}) for {amount}"


def _change(points: int, who: str = "") -> str:
    if not points:
        return ""
    name = f" {who}" if who else ""
    return f" and{name} gets {in_points(points)}" if points > 0 else f" and{name} loses {in_points(-points)}"


def ends(play: Play) -> str:
    """How a story ends: points, what they are worth, and what they cost."""
    worth = play.money(play.worth_minor(play.gain))
    return f"Ends with {in_points(play.gain)} worth {worth} for {play.money(play.money_minor)}"
