"""Dry runs: what a draft would give, beside what the program in force gives. Nothing is written anywhere.

    one order or event ──the real use case, on a scratch ledger──> Tried            once under each program
    past events, in their order ──> two scratch ledgers, one a program ──> Comparison
                                    the clock at the latest occurred_at seen so far

Points are what members are given less what is taken back from them. What they spend and what lapses is no part of it,
though it is taken into account: under the clawback policy ``clamp`` what is spent cannot be taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, NoReturn

from jifen.domain.account import Account
from jifen.domain.calendar import local_day
from jifen.domain.entries import Draft, Entry, Kind
from jifen.domain.errors import Busy, Refusal
from jifen.domain.events import BehaviourEvent, EventStatus
from jifen.domain.lots import LotChange
from jifen.domain.orders import Award, Order, OrderEvent
from jifen.domain.program import Program
from jifen.domain.rules.caps import Room
from jifen.domain.rules.engine import Bounds, Verdict, Why, judge
from jifen.domain.rules.model import Rule
from jifen.service import expiring
from jifen.service.behaving import Behaving
from jifen.service.earning import earn
from jifen.service.memory import ScratchLedger
from jifen.service.ports import Ledger, OrderKey, Posting, Sweep
from jifen.service.spending import Spending

COUNTED = frozenset({Kind.EARN, Kind.BONUS, Kind.CLAWBACK})
"""The entries that give points or take them back."""

GIVEN_FOR = frozenset({"order", "task", "event"})
"""The sources of what one order or event gives; a tier's allowance only happens to be due then."""

ALLOWANCE, FORGIVEN = "*allowance", "*forgiven"
"""Points that no rule gives, under names no rule can have: tier allowances, and what ``clamp`` left with members."""

BATCH = 10
"""Orders of one day are posted so many at a time, as the queue hands them over."""

ORDERS_SHOWN = 20
"""Orders of which a comparison tells why."""

ACTOR = "operator:dry-run"

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Spent(NamedTuple):
    """A member's redemption of ``points`` (>= 1), under the member's own ``request_id``."""

    member: str
    request_id: str
    points: int
    at: datetime


class Night(NamedTuple):
    """A run of the expiry sweep: lots lapse, tiers fall, allowances are given."""

    at: datetime


Past = OrderEvent | BehaviourEvent | Spent | Night
"""What can be taken through a dry run."""


class Points(NamedTuple):
    """Points under the program in force and under the draft."""

    in_force: int = 0
    draft: int = 0

    @property
    def difference(self) -> int:
        """What the draft gives more (negative: less)."""
        return self.draft - self.in_force


# One order, one event ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tried:
    """What one order or event would bring.

    Attributes:
        points: to its member.
        grants: points by rule, whoever gets them.
        why: a line for each rule and limit.
        lots: where the member's points would lie.
        others: points to other members (who invited).
        status: AWARDED, NOTHING, or IN_REVIEW with the points ``proposed``.
        notes: why the order as a whole cannot earn: GUEST, CURRENCY_NOT_OF_PROGRAM.
    """

    points: int
    grants: Mapping[str, int]
    why: Why
    lots: tuple[LotChange, ...]
    others: Mapping[str, int]
    status: str
    proposed: int = 0
    notes: tuple[str, ...] = ()


def try_order(
    program: Program, event: OrderEvent, now: datetime, behind: Ledger | None = None, account: Account | None = None
) -> Tried:
    """What an order would earn if it came now.

    Args:
        program: the rules.
        event: ``order.paid``; whether its id is known already makes no difference.
        now: the clock; an order of a later time is tried at that time.
        behind: the ledger that accounts and campaigns are read from; None: nobody has an account, no campaign is spent.
        account: the buyer's, in place of the one in the ledger.
    """
    assert event.paid is not None, "an order is tried as it is paid"
    slip = _Slip()
    ledger = ScratchLedger(program, behind, slip.tell)
    if account is not None:
        ledger.put(account)
    (outcome,) = earn(ledger, program, [event], program.moment(max(now, event.at)), _NEVER)
    (order,) = ledger.orders()
    return slip.tried(event.paid.member, why_of(order), notes=outcome.notes)


def try_event(
    program: Program, event: BehaviourEvent, now: datetime, behind: Ledger | None = None, account: Account | None = None
) -> Tried:
    """What a behaviour event would earn if it came now; the arguments are those of :func:`try_order`.

    Raises:
        InvalidInput: its data is not what a rule needs.
    """
    slip = _Slip()
    ledger = ScratchLedger(program, behind, slip.tell)
    if account is not None:
        ledger.put(account)
    answer = _behaving(ledger, program, max(now, event.at), event.event_id).take(event)
    return slip.tried(event.member, tuple(answer["why"]), status=str(answer["status"]), proposed=answer["proposed"])


class _Slip:
    """Adds up what postings give, by rule."""

    def __init__(self) -> None:
        self.rules: Counter[str] = Counter()
        self.entries: list[Entry] = []

    def tell(self, posting: Posting, before: Sequence[Order | None]) -> None:
        """See :data:`jifen.service.memory.Told`."""
        self.rules.update(points_by_rule(posting, before))
        self.entries += (entry for entry in entries_of(posting) if entry.draft.source.type in GIVEN_FOR)

    def tried(
        self, member: str | None, why: Why, *, status: str = "", proposed: int = 0, notes: tuple[str, ...] = ()
    ) -> Tried:
        """All of it."""
        given: Counter[str] = Counter()
        for entry in self.entries:
            given[entry.member] += entry.draft.points
        lots = [lot for entry in self.entries if entry.member == member for lot in entry.draft.lots]
        some = EventStatus.AWARDED if any(given.values()) else EventStatus.NOTHING
        return Tried(
            points=given.pop(member, 0) if member is not None else 0,
            grants={name: points for name, points in sorted(self.rules.items()) if points and name != ALLOWANCE},
            why=why,
            lots=tuple(lots),
            others=dict(sorted(given.items())),
            status=status or str(some),
            proposed=proposed,
            notes=notes,
        )


# Which rule gave what ------------------------------------------------------------------------------------------------


def entries_of(posting: Posting) -> list[Entry]:
    """The entries of a posting that give points or take them back."""
    return [entry for write in posting.accounts for entry in write.entries if entry.draft.kind in COUNTED]


def points_by_rule(posting: Posting, before: Sequence[Order | None]) -> Counter[str]:
    """What a posting gives (signed), by rule; it adds up to its entries.

    Args:
        posting: what is written.
        before: for each of its documents, the order as it was.
    """
    parts: Counter[str] = Counter()
    for document, was in zip(posting.documents, before, strict=True):
        if isinstance(document, Order):
            parts.update(grants_of(document))
            parts.subtract(grants_of(was) if was else {})
    total = 0
    for entry in entries_of(posting):
        total += entry.draft.points
        parts.update(_named(entry.draft))
    parts[FORGIVEN] += total - sum(parts.values())
    return parts


def grants_of(order: Order) -> Counter[str]:
    """What an order has given as it stands, by rule: to its buyer, and to who invited the buyer."""
    grants: Counter[str] = Counter()
    if order.award:
        held = order.award
        grants.update(_verdict(order, held, held.rules.on_order).grants if held.rules.bare else held.pinned.grants)
    if order.referral:
        grants.update(order.referral.pinned.grants)
    return grants


def why_of(order: Order) -> Why:
    """A line for each rule that an order falls under, as it stands."""
    if order.award is None:
        return ()
    held = order.award
    why: list[Mapping[str, Any]] = list(_verdict(order, held, held.rules.on_order).why)
    for rule in held.rules.order_tasks:
        window, amount = held.pinned.tasks.get(rule.id, ("", 0))
        reason = held.pinned.refused.get(rule.id)
        why.append(
            {"task": rule.id, "refused": reason} if reason else {"task": rule.id, "window": window, "counted": amount}
        )
    if order.referral:
        lines = _verdict(order, order.referral, order.referral.rules.for_inviter).why
        why += [{**line, "to": "inviter"} for line in lines if "rule" in line]
    return tuple(why)


def _verdict(order: Order, held: Award, asked: Sequence[Rule]) -> Verdict:
    """The order judged once more within what was pinned; what a limit has left since, only the award knows."""
    rooms = {key: Room(*room) for key, room in held.pinned.rooms.items()}
    verdict = judge(order, held.rules, asked, Bounds(held.pinned.refused, rooms, held.pinned.budgets), held.currency)
    if held.rules.bare:
        return verdict
    grants = held.pinned.grants
    why = ({**line, "points": grants.get(line["rule"], 0)} if "points" in line else line for line in verdict.why)
    return replace(verdict, grants=grants, why=tuple(why))


def _named(draft: Draft) -> Mapping[str, int]:
    """What an entry gives by rule; of an order's own entries nothing, for the order says it."""
    match draft.source.type:
        case "task":
            return {draft.source.id.partition(":")[0]: draft.points}
        case "allowance":
            return {ALLOWANCE: draft.points}
        case "event":
            return {line["rule"]: line["points"] for line in draft.why if "rule" in line and "points" in line}
        case _:
            return {}


# The past ------------------------------------------------------------------------------------------------------------


class MemberPoints(NamedTuple):
    """A member's points under both programs."""

    member: str
    points: Points


class OrderPoints(NamedTuple):
    """An order that earns something else under the draft, with both reasons; ``member`` is who bought."""

    shop: str
    order_id: str
    member: str | None
    points: Points
    why: tuple[Why, Why]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same past under two programs.

    Attributes:
        events: how many were taken in, of whatever kind.
        orders: how many orders they were about.
        members: everybody with an account in the end, by id.
        rules: points by rule, and under ``*allowance`` and ``*forgiven`` what no rule gave.
        differing: how many orders earn something else; ``shown`` are the first of them.
        refused: events, and redemptions, that one program or both did not take: what is not there cannot be spent.
    """

    events: int
    orders: int
    members: tuple[MemberPoints, ...]
    rules: Mapping[str, Points]
    differing: int
    shown: tuple[OrderPoints, ...]
    refused: Points

    @property
    def total(self) -> Points:
        """The points of all members."""
        return Points(sum(one.points.in_force for one in self.members), sum(one.points.draft for one in self.members))

    @property
    def gain(self) -> int:
        """How many members have more under the draft."""
        return sum(one.points.difference > 0 for one in self.members)

    @property
    def lose(self) -> int:
        """How many members have less under the draft."""
        return sum(one.points.difference < 0 for one in self.members)

    def largest(self, count: int) -> list[MemberPoints]:
        """The members with the largest differences, whichever way."""
        moved = [one for one in self.members if one.points.difference]
        return sorted(moved, key=lambda one: (-abs(one.points.difference), one.member))[:count]


def replay(
    events: Iterable[Past],
    in_force: Program,
    draft: Program,
    watch: Callable[[int], None] = lambda _done: None,
    begin: Iterable[Account] = (),
) -> Comparison:
    """Take the same events through both programs.

    Args:
        events: in the order in which they came in.
        in_force: the program that the draft is compared with.
        draft: the other one.
        watch: is told how many events are done.
        begin: accounts to begin with; all others begin empty.
    """
    accounts, done = list(begin), 0
    sides = (_Side(in_force, accounts), _Side(draft, accounts))
    for done, event in enumerate(events, 1):
        for side in sides:
            side.take(event)
        watch(done)
    for side in sides:
        side.drain()
    return _compared(done, *sides)


class _Side:
    """One program's way through the past. Orders of a day wait for each other, as those in the queue do."""

    def __init__(self, program: Program, begin: Iterable[Account]) -> None:
        self.program = program
        self.rules: Counter[str] = Counter()
        self.refused = 0
        self.ledger = ScratchLedger(program, told=self._tell)
        self._now, self._waiting = _BEGINNING, list[OrderEvent]()
        for account in begin:
            self.ledger.put(account)

    def take(self, event: Past) -> None:
        """Take one event in."""
        now, zone = max(self._now, event.at), self.program.zone
        if not isinstance(event, OrderEvent) or local_day(now, zone) != local_day(self._now, zone):
            self.drain()
        self._now = now
        match event:
            case OrderEvent():
                self._waiting.append(event)
                if len(self._waiting) >= BATCH:
                    self.drain()
            case BehaviourEvent():
                self._try(lambda: _behaving(self.ledger, self.program, now, event.event_id).take(event))
            case Spent():
                moment = self.program.moment(now)
                desk = Spending(self.ledger, self.program, moment, _NEVER, event.request_id, ACTOR)
                self._try(lambda: desk.redeem(event.member, event.points))
            case Night():
                self._night(event.at)

    def drain(self) -> None:
        """Post the orders that wait, those of one member together."""
        groups: dict[tuple[str | None, str | None], list[OrderEvent]] = {}
        for event in self._waiting:
            groups.setdefault((event.member, None if event.member else event.order_id), []).append(event)
        self._waiting = []
        events = [event for group in groups.values() for event in group]
        try:
            self._earn(events)
        except Refusal:
            for event in events:
                self._try(partial(self._earn, [event]))

    def _earn(self, events: Sequence[OrderEvent]) -> None:
        if events:
            earn(self.ledger, self.program, events, self.program.moment(self._now), _NEVER)

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Refusal:
            self.refused += 1

    def _night(self, at: datetime) -> None:
        moment = self.program.moment(at, recorded_at=self._now)
        due = self.ledger.due(Sweep.EXPIRE, 0, moment.today, None, 1_000_000_000)
        for member in due.members:
            expiring.expire(self.ledger, member, moment, _NEVER, self.program)

    def _tell(self, posting: Posting, before: Sequence[Order | None]) -> None:
        self.rules.update(points_by_rule(posting, before))


def _compared(events: int, in_force: _Side, draft: _Side) -> Comparison:
    now, then = _members(in_force), _members(draft)
    rules = {name for side in (in_force, draft) for name, points in side.rules.items() if points}
    orders, differing, shown = 0, 0, list[OrderPoints]()
    for order in in_force.ledger.orders():
        orders += 1
        other = _same(order, draft.ledger)
        points = Points(_granted(order), _granted(other))
        differing += bool(points.difference)
        if points.difference and len(shown) < ORDERS_SHOWN:
            member = order.paid.member if order.paid else None
            shown.append(OrderPoints(order.shop, order.order_id, member, points, (why_of(order), why_of(other))))
    return Comparison(
        events=events,
        orders=orders,
        members=tuple(MemberPoints(one, Points(now.get(one, 0), then.get(one, 0))) for one in sorted({*now, *then})),
        rules={name: Points(in_force.rules[name], draft.rules[name]) for name in sorted(rules)},
        differing=differing,
        shown=tuple(shown),
        refused=Points(in_force.refused, draft.refused),
    )


def _members(side: _Side) -> dict[str, int]:
    return {one.member: one.lifetime.earned - one.lifetime.clawed_back for one in side.ledger.accounts()}


def _same(order: Order, ledger: ScratchLedger) -> Order:
    """The same order on the other side; one that was not taken there is as if nobody had told of it."""
    key = OrderKey(order.shop, order.order_id)
    found = ledger.load([], [key]).documents.get(key)
    return found if isinstance(found, Order) else Order(order.shop, order.order_id)


def _granted(order: Order) -> int:
    return sum(held.granted for held in (order.award, order.referral) if held)


# What both share -----------------------------------------------------------------------------------------------------


class _Never:
    """No patience: on a scratch ledger there is nobody to wait for."""

    @staticmethod
    def pause(attempt: int) -> NoReturn:
        """See :class:`jifen.service.ports.Patience`."""
        del attempt
        raise Busy


_NEVER = _Never()


def _behaving(ledger: Ledger, program: Program, now: datetime, key: str) -> Behaving:
    return Behaving(ledger, program, program.moment(now), _NEVER, ACTOR, ACTOR, key)
