"""Orders: what each has been granted against what its facts are worth, and against the entries of its members.

    a bare award         points = its rates on what is kept
    an award with rules  points of each rule <= its worth; all of them = what the limits pinned with it leave of that

What a limit left later than at the first award is not kept. So an order whose facts went up again, or down, may have
less than its own limits leave, and never more; one that only ever had its first facts has exactly that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from local.audit.laws import Violation
from local.audit.library import Library, day_of
from local.audit.lots import LotKey
from local.audit.order_rows import Award, Order, Pinned
from local.audit.rows import read_to_its_end
from local.audit.rulebook import Rulebook
from local.audit.table import Table
from local.audit.worth import POINTS_MAX, Bounds, kept, rounded, worth_of

_Faults = Iterator[tuple[str, str]]


def judge_orders(table: Table, library: Library) -> Iterator[Violation]:
    """Every order against its facts, and all of them against the entries that name them."""
    for orders in table.orders.values():
        for order in orders:
            faults = (Violation(law, order.name, detail) for law, detail in _judge_order(order, library))
            yield from read_to_its_end(order.name, faults)
    if table.unreadable_orders:
        return
    posted, granted = _posted(table), _granted(table)
    for name, owner in sorted({*posted, *granted}):
        if posted[name, owner] != granted[name, owner] and table.member(owner).readable:
            said = f"granted and forgiven {granted[name, owner]}" if name in table.orders else "no such order"
            yield Violation("orders", f"{name} of {owner}", f"entries add up to {posted[name, owner]}; {said}")


def _judge_order(order: Order, library: Library) -> _Faults:
    """One order against its own facts."""
    award, buyer = order.award, order.paid[0] if order.paid else None
    if award is None or order.paid is None or buyer is None:
        if order.awards or buyer is not None:
            yield "granted", f"the buyer is {buyer}, the awards are {order.awards}"
    elif award.member != buyer:
        yield "granted", f"paid by {buyer}, awarded to {award.member}"
    else:
        for one, inviter in order.awards:
            yield from _judge_award(order, order.paid, one, library, inviter=inviter)
    if any(points <= 0 for points in order.forgiven.values()):
        yield "granted", f"forgiven {order.forgiven}"
    if len({refund[0] for refund in order.refunds}) != len(order.refunds):
        yield "granted", "a refund is there twice"


def _judge_award(order: Order, paid: list[Any], award: Award, library: Library, *, inviter: bool) -> _Faults:
    if award.paid_at != paid[1]:
        yield "granted", f"paid at {paid[1]}, awarded as of {award.paid_at}"
    if any(not 0 <= part.lapsed <= part.points for part in award.parts):
        yield "granted", f"more had lapsed than was granted in {award.parts}"
    foreign = award.currency is not None and award.currency != paid[2]
    if award.rates is not None:
        amount = 0 if foreign else kept(order).total
        exact = [rounded(Fraction(points * amount, per), how) for points, per, how in award.rates]
        if award.granted != min(POINTS_MAX, sum(exact)):
            yield "granted", f"{award.granted} points for facts worth {min(POINTS_MAX, sum(exact))}"
        return
    book = library.by_fingerprint(award.fingerprint)
    if book is None:
        yield "rules", f"awarded under {award.fingerprint}, which are no rules in the table"
        return
    asked = {rule.id for rule in book.asked(inviter=inviter)} - award.pinned.refused.keys()
    strange = [name for name, points in award.pinned.grants.items() if points <= 0 or name not in asked]
    if strange:
        yield "rules", f"{', '.join(strange)} gave points for it, and could not"
        return
    yield from _limits_kept(award, book)
    yield from _parts_fit(award, book)
    yield from _worth_it(order, award, book, foreign=foreign, inviter=inviter)


def _limits_kept(award: Award, book: Rulebook) -> _Faults:
    """Grants within the rooms and budgets that the award was made with, and those within the rules' own limits."""
    pinned = award.pinned
    for limit in book.limits_of(pinned.grants) if pinned.grants else ():
        _, room = pinned.rooms.get(limit.key, ("", -1))
        if not limit.used_by(pinned.grants) <= room <= limit.most:
            yield "granted", f"{limit.used_by(pinned.grants)} of {limit.key}, which had room for {room}"
    given: dict[str, int] = defaultdict(int)
    for name, points in pinned.grants.items():
        given[book.rules[name].campaign] += points
    for campaign, points in given.items():
        budget = book.budgets.get(campaign)
        if budget is not None and not points <= pinned.budgets.get(campaign, -1) <= budget:
            yield "granted", f"{points} of campaign {campaign}, which had {pinned.budgets.get(campaign)} left"


def _parts_fit(award: Award, book: Rulebook) -> _Faults:
    """The lots are those of the rules that gave the points."""
    due: dict[LotKey, int] = defaultdict(int)
    day = day_of(award.paid_at, book.zone)
    for name, points in award.pinned.grants.items():
        due[book.lot_of(book.rules[name], day)] += points
    if {part.key: part.points for part in award.parts} != due:
        yield "granted", f"lots {award.parts}; by its rules {dict(due)}"


def _worth_it(order: Order, award: Award, book: Rulebook, *, foreign: bool, inviter: bool) -> _Faults:
    pinned = award.pinned
    rooms = {key: room for key, (_, room) in pinned.rooms.items()}
    worth = worth_of(order, book, Bounds(pinned.refused, rooms, pinned.budgets), inviter=inviter)
    free, bounded, amount = ({}, {}, 0) if foreign else worth
    if pinned.kept_minor != amount:
        yield "granted", f"{pinned.kept_minor} are said to be kept; by the facts {amount}"
    if any(points > free.get(name, 0) for name, points in pinned.grants.items()):
        yield "granted", f"{dict(pinned.grants)} points for facts worth {free}"
        return
    most = sum(bounded.values())
    if award.granted > most or (award.granted < most and _judged_as_pinned(order, pinned, inviter=inviter)):
        yield "granted", f"{award.granted} points for facts worth {free}, within its limits {bounded}"


def _judged_as_pinned(order: Order, pinned: Pinned, *, inviter: bool) -> bool:
    """Whether the limits are those that were pinned: there are none, or this is the first judgement of all.

    Buyer and inviter may share a budget, and the buyer comes first.
    """
    if not pinned.rooms and not pinned.budgets:
        return True
    first = not order.refunds and order.paid is not None and order.paid[3] == 0
    return first and not (inviter and pinned.budgets)


def _posted(table: Table) -> dict[tuple[str, str], int]:
    """What entries have given and taken, by order (as entries name it) and member."""
    posted: dict[tuple[str, str], int] = defaultdict(int)
    for member in table.members.values():
        for entry in member.entries.values():
            if entry.source[0] == "order" and entry.kind in {"earn", "bonus", "clawback"}:
                posted[entry.source[1], member.member] += entry.points
    return posted


def _granted(table: Table) -> dict[tuple[str, str], int]:
    """What orders were granted, and what of a clawback was let go, by order and member."""
    granted: dict[tuple[str, str], int] = defaultdict(int)
    for name, orders in table.orders.items():
        for order in orders:
            for award, _ in order.awards:
                granted[name, award.member] += award.granted
            for owner, points in order.forgiven.items():
                granted[name, owner] += points
    return granted
