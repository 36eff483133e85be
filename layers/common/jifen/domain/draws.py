"""A draw: its cost taken, its attempt counted, its number drawn, its prize given, all in one decision.

    enter (limits, points, number) ──> the prize, or what takes its place ──> conclude (account, draw, coupon, order)

Which attempt of the day it is stands in the account, so neither the member nor the server can try another number.
What has a stock is reserved by :mod:`jifen.service.drawing` between the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from jifen.domain import limits
from jifen.domain.account import Account, Change, as_of, caught_up, credit
from jifen.domain.coupons import Coupon, issue
from jifen.domain.debits import FREE, Guard, take
from jifen.domain.drawing import (
    Ticket,
    closed_at,
    day_number,
    fallen_on,
    number_of,
    opens_at,
    secret_of,
    today_of,
)
from jifen.domain.entries import Draft, Kind, Reason, Source
from jifen.domain.errors import NotOpen
from jifen.domain.ids import document_id
from jifen.domain.limits import TIMES, MemberLimit, Use
from jifen.domain.lots import LotChange, total
from jifen.domain.lotteries import Draw, Lottery, LotteryStatus
from jifen.domain.lottery_terms import Prize, Terms, stock_subject, terms_hash
from jifen.domain.offers import RewardKind
from jifen.domain.points import POINTS_MAX
from jifen.domain.program import Moment, Program
from jifen.domain.reward_orders import RewardOrder, begun, stepped
from jifen.domain.rewards import OrderStatus
from jifen.domain.rules.model import Per
from jifen.domain.terms import MallTerms

Why = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A draw as it was asked for: its id, whose, the member's own text, and who asks."""

    id: str
    member: str
    client_seed: str
    actor: str


@dataclass(frozen=True, slots=True)
class Entered:
    """A draw that can be made.

    Attributes:
        change: the account with the cost taken and the attempt counted.
        free: the account with the attempt counted alone.
        ticket, number: what was drawn.
        prize: what the number falls on; None for nothing.
        left: draws that remain to the member on that day; None for no limit.
        why: which numbers win that prize.
    """

    change: Change
    free: Change
    ticket: Ticket
    number: int
    prize: Prize | None
    left: int | None
    why: Why


@dataclass(frozen=True, slots=True)
class Fetched:
    """What there was of a prize: itself, what took its place, or None for nothing.

    ``refunded``: it was out of stock, and the draw costs nothing. ``pieces`` are those reserved, by shard, and
    ``marks`` say with which reservation.
    """

    prize: Prize | None = None
    refunded: bool = False
    why: Why = ()
    pieces: Mapping[str, int] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Concluded:
    """What a draw comes to; ``left`` as in :class:`Entered`."""

    change: Change
    draw: Draw
    left: int | None
    coupon: Coupon | None = None
    order: RewardOrder | None = None


def per_day(lottery: str, terms: Terms) -> MemberLimit:
    """The limit on the draws of one member in a day; its counter says which attempt comes next."""
    return MemberLimit("draws_per_day", f"lottery.{lottery}", Per.DAY, TIMES, terms.attempts_per_day or POINTS_MAX)


def check_open(lottery: Lottery, moment: Moment) -> None:
    """See that it can be drawn now.

    Raises:
        NotOpen
    """
    match lottery.status:
        case LotteryStatus.CANCELED:
            raise NotOpen(because="The lottery was cancelled")
        case LotteryStatus.PAUSED:
            raise NotOpen(because="The lottery is paused")
        case LotteryStatus.OPEN:
            if day_number(lottery, today_of(lottery, moment.now)) is None:
                opens, closed = opens_at(lottery), closed_at(lottery)
                if moment.now < opens:
                    raise NotOpen(because="The lottery has not begun", opens_at=opens)
                raise NotOpen(because="The lottery is over", closed_at=closed)


def enter(
    account: Account, asked: Asked, lottery: Lottery, terms: Terms, moment: Moment, guard: Guard = FREE
) -> Entered:
    """Draw a number for the next attempt of a member.

    Raises:
        NotOpen, AccountFrozen, LimitReached, PasswordRequired, InsufficientPoints: nothing is changed.
    """
    check_open(lottery, moment)
    day = today_of(lottery, moment.now)
    # Draws are counted on the lottery's days; those of the program may have become others since it was written.
    then = replace(moment, today=day, zone=ZoneInfo(lottery.zone))
    limit, use = per_day(lottery.id, terms), Use(terms.cost)
    limits.check(account.standing, (limit,), use, then)
    room = limits.room(account.standing, limit, then)
    change, taken = take(account, terms.cost, moment, guard=guard)
    number = day_number(lottery, day)
    assert number is not None, "it is open"
    ticket = Ticket(lottery.id, day, asked.member, limit.most - room + 1, asked.client_seed)
    drawn = number_of(secret_of(lottery, number), ticket)
    prize, first, beyond = fallen_on(terms.prizes, drawn)
    if taken:
        draft = Draft(
            kind=Kind.REDEEM,
            reason=Reason.DRAW_ENTERED,
            source=Source("draw", asked.id),
            occurred_at=moment.now,
            points=total(taken),
            lots=taken,
            why=({"lottery": lottery.id, "day": day.isoformat(), "attempt": ticket.attempt},),
            actor=asked.actor,
        )
        change = change.post(draft, moment)
    free = as_of(account, moment)
    return Entered(
        change=change.remember(limits.used(change.account.standing, (limit,), use, then)),
        free=free.remember(limits.used(free.account.standing, (limit,), use, then)),
        ticket=ticket,
        number=drawn,
        prize=prize,
        left=None if terms.attempts_per_day is None else room - 1,
        why=({"number": drawn, "prize": prize.id if prize else None, "from": first, "below": beyond},),
    )


def conclude(
    asked: Asked, entered: Entered, fetched: Fetched, lottery: Lottery, terms: Terms, program: Program, moment: Moment
) -> Concluded:
    """Give the prize that there was, in the transaction that takes the cost."""
    prize = fetched.prize
    change = entered.free if fetched.refunded else entered.change
    draw = Draw(
        id=asked.id,
        member=asked.member,
        lottery=lottery.id,
        at=moment.now,
        day=entered.ticket.day,
        attempt=entered.ticket.attempt,
        client_seed=asked.client_seed,
        number=entered.number,
        prize=prize.id if prize else "",
        cost=0 if fetched.refunded else terms.cost,
        drawn=entered.prize.id if entered.prize else "",
        refunded=fetched.refunded,
        commitment=lottery.commitment,
        terms=terms_hash(lottery.content),
        why=(*entered.why, *fetched.why),
    )
    if prize is None:
        return Concluded(change, draw, entered.left)
    if prize.stock is not None:
        subject = stock_subject(lottery.id, prize.id)
        draw = replace(draw, pieces=fetched.pieces, marks=fetched.marks, stock=subject)
    match prize.kind:
        case "points":
            draw = replace(draw, points=prize.points)
            return Concluded(_credited(change, draw, asked.actor, program, moment), draw, entered.left)
        case RewardKind.COUPON:
            coupon = _coupon(draw, prize, moment, program.currency)
            return Concluded(change, replace(draw, coupon=coupon.id), entered.left, coupon=coupon)
        case _:
            order = _order(draw, prize, terms, moment, asked.actor)
            return Concluded(change, replace(draw, order=order.id), entered.left, order=order)


def _credited(change: Change, draw: Draw, actor: str, program: Program, moment: Moment) -> Change:
    draft = Draft(
        kind=Kind.BONUS,
        reason=Reason.DRAW_PRIZE,
        source=Source("draw", draw.id),
        occurred_at=moment.now,
        lots=(LotChange(draw.points, program.expiry.last_valid_day(moment.today)),),
        why=({"lottery": draw.lottery, "prize": draw.prize}, *draw.why),
        actor=actor,
    )
    return caught_up(credit(change, draft, moment), moment)


def _coupon(draw: Draw, prize: Prize, moment: Moment, currency: str | None) -> Coupon:
    assert prize.coupon is not None, "what kind coupon was read with"
    coupon_id = str(document_id("cp", draw.member, draw.id))
    subject, source = stock_subject(draw.lottery, prize.id), ("draw", draw.id)
    return issue(coupon_id, draw.member, subject, prize.coupon, source, moment, currency)


def _order(draw: Draw, prize: Prize, terms: Terms, moment: Moment, actor: str) -> RewardOrder:
    order = RewardOrder(
        id=str(document_id("ro", draw.member, draw.id)),
        member=draw.member,
        reward=stock_subject(draw.lottery, prize.id),
        kind=prize.kind,
        title=prize.title,
        at=moment.now,
        status=OrderStatus.CREATED,
        source=("draw", draw.id),
    )
    if prize.kind == RewardKind.VIRTUAL:  # a prize has no pool of codes: a person hands it over
        return stepped(order, OrderStatus.TO_SHIP, moment, actor)
    return begun(order, MallTerms(address_days=terms.forfeit_days), moment, actor)
