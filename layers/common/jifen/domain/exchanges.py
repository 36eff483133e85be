"""Exchanging points for rewards: what an exchange costs, whether it can be had, and each step of its order.

    judge ──> Deal ──(pieces reserved)──> order_of ──> order, entry, coupons
                                             │
            paid, addressed, shipped, delivered          on the way to the member
            closed (canceled, returned, unpaid)          points back into their lots, limits free again
            forfeited                                    nothing back

Every function is pure: it says what is to be written, and refuses what cannot be.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Any

from jifen.domain import limits as member_limits
from jifen.domain.account import Account, Change, as_of, caught_up, credit, pay_debt
from jifen.domain.calendar import local_day
from jifen.domain.clawback import Shares, claw_back
from jifen.domain.coupons import Coupon, CouponStatus, issue
from jifen.domain.debits import FREE, Guard, give_back, take
from jifen.domain.discounts import NO_DISCOUNTS, Discounts, Running
from jifen.domain.entries import Draft, Kind, Reason, Source, day_text, instant_text
from jifen.domain.errors import (
    DeadlinePassed,
    Fault,
    Forbidden,
    InvalidInput,
    LimitReached,
    NotOpen,
    PriceChanged,
    RewardNotFound,
    WrongStatus,
)
from jifen.domain.ids import document_id
from jifen.domain.limits import MemberLimit, Use
from jifen.domain.lots import Changes, LotChange, reverse
from jifen.domain.money import Money
from jifen.domain.offers import COUPON_KNOWN, Offer, RewardKind, coupon_written, read_coupon
from jifen.domain.program import Moment, Program
from jifen.domain.reader import Reader, decimal
from jifen.domain.reward_orders import RewardOrder, begun, paid_up, stepped
from jifen.domain.rewards import OrderStatus, Reward, RewardStatus
from jifen.domain.rules.model import Per
from jifen.domain.shelf import mall_limits, offer_of
from jifen.domain.spending import share_changes
from jifen.domain.standing import lately
from jifen.domain.tiers import level_of

COUPONS_AT_ONCE = 50
"""Coupons of one exchange: each is a document of its own in the transaction."""

ADDRESSES_MAX = 20
"""How often an address can be said: each time is a step that is kept."""

STEPS_MAX = ADDRESSES_MAX + 1

SOURCE = "reward_order"
"""What the entries of an order name as their source."""

UNPAID = "unpaid"
"""The note of the step that ends an order whose money did not come in time."""

TOO_LATE = "too late"
"""The note of the step that forfeits an order without an address."""

BEFORE_SHIPPING = (OrderStatus.CREATED, OrderStatus.ADDRESS_DUE, OrderStatus.TO_SHIP)
UNTIL_DONE = (*BEFORE_SHIPPING, OrderStatus.SHIPPED)

_REASONS = {RewardKind.DONATION: Reason.DONATED, RewardKind.VOUCHER: Reason.VOUCHER_BOUGHT}

# What is asked for, and what it costs --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a member asks for.

    Attributes:
        reward: its id.
        quantity: how many pieces.
        expected_points: what the member was told it costs in all; None where nobody was.
        address: where it shall go; empty where that is said later.
    """

    reward: str
    quantity: int = 1
    expected_points: int | None = None
    address: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Deal:
    """An exchange that can be made, if there are pieces.

    Attributes:
        wanted, offer: what is exchanged.
        level: the member's tier level; empty without tiers.
        points, cash_minor: the price of all pieces.
        campaign: made it lower; None where none did.
        limits: it is counted against.
        change: the account as it is now, with the limits counted.
        taken: the lots (negative) that the points come from.
    """

    wanted: Wanted
    offer: Offer
    level: str
    points: int
    cash_minor: int
    limits: tuple[MemberLimit, ...]
    change: Change
    taken: Changes
    campaign: Running | None = None


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces that are reserved for an order: of which stock, how many by shard, their marks and codes."""

    stock: str = ""
    by_shard: Mapping[str, int] | None = None
    marks: Mapping[str, int] | None = None
    codes: tuple[str, ...] = ()


def offered(reward: Reward | None, program: Program) -> tuple[Reward, Offer]:
    """A reward on the shelf, and what it says.

    Raises:
        RewardNotFound: there is none.
        NotOpen: it is off the shelf, or the program in force cannot offer it.
    """
    if reward is None:
        raise RewardNotFound
    if reward.status is not RewardStatus.ON_SHELF:
        raise NotOpen(because="It is off the shelf")
    try:
        return reward, offer_of(reward, program.currency)
    except InvalidInput as wrong:
        raise NotOpen(because="The program in force cannot offer it") from wrong


def judge(
    account: Account,
    offer: Offer,
    wanted: Wanted,
    program: Program,
    moment: Moment,
    guard: Guard = FREE,
    discounts: Discounts = NO_DISCOUNTS,
) -> Deal:
    """What an exchange comes to now, if only there are pieces; ``discounts`` is what campaigns take off.

    Raises:
        NotOpen, InvalidInput, PriceChanged: what is offered.
        AccountFrozen, LimitReached, PasswordRequired, InsufficientPoints: who asks.
    """
    _open(offer, moment)
    level = level_now(account, program, moment)
    if offer.only_tiers and level not in offer.only_tiers:
        raise NotOpen(because=f"It is for {', '.join(offer.only_tiers)}")
    _quantity(offer, wanted)
    each, cash, campaign = discounts.price(wanted.reward, offer, level, moment.now)
    points, cash_minor = each * wanted.quantity, cash * wanted.quantity
    if wanted.expected_points is not None and wanted.expected_points != points:
        raise PriceChanged(expected=wanted.expected_points, points=points, cash_minor=cash_minor)
    if offer.kind is RewardKind.VOUCHER and (points or not cash_minor):
        raise NotOpen(because="A voucher of points is sold for money alone")
    limits = (*offer.member_limits(wanted.reward), *mall_limits(program.mall))
    change, taken = take(account, points, moment, limits, guard, times=wanted.quantity)
    return Deal(wanted, offer, level, points, cash_minor, limits, change, taken, campaign)


def level_now(account: Account, program: Program, moment: Moment) -> str:
    """The member's tier level today; empty in a program without tiers."""
    terms = program.rules.tiers
    return level_of(account.standing, terms, moment.today).level if terms else ""


def _open(offer: Offer, moment: Moment) -> None:
    if offer.opens_at and moment.now < offer.opens_at:
        raise NotOpen(because="It has not opened yet", opens_at=offer.opens_at)
    if offer.closes_at and moment.now >= offer.closes_at:
        raise NotOpen(because="It is over", closed_at=offer.closes_at)


def _quantity(offer: Offer, wanted: Wanted) -> None:
    most = min(offer.quantity_max, COUPONS_AT_ONCE) if offer.kind is RewardKind.COUPON else offer.quantity_max
    if not 1 <= wanted.quantity <= most:
        raise InvalidInput([Fault("quantity", f"is not from 1 to {most}")])
    if wanted.address and offer.kind is not RewardKind.PHYSICAL:
        raise InvalidInput([Fault("address", f"is not what a {offer.kind} reward needs")])


# The order -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """What is written together: the order, its account, coupons that came or went."""

    order: RewardOrder
    change: Change
    coupons: tuple[Coupon, ...] = ()


def order_of(
    deal: Deal, order_id: str, pieces: Pieces, version: int, program: Program, moment: Moment, by: str
) -> Made:
    """The order that is made of a deal once its pieces are reserved.

    Args:
        deal: see :func:`judge`.
        order_id: its whole id.
        pieces: what was reserved.
        version: the fence that they were reserved behind.
        program: in force.
        moment: now.
        by: who asks, as entries name it.
    """
    offer, wanted, account = deal.offer, deal.wanted, deal.change.account
    promised = {
        "coupon": offer.coupon and coupon_written(offer.coupon),
        "voucher_points": offer.voucher_points * wanted.quantity,
        "unit": offer.unit,
        "currency": program.currency if offer.coupon else None,
    }
    order = RewardOrder(
        id=order_id,
        member=account.member,
        reward=wanted.reward,
        kind=str(offer.kind),
        title=offer.title,
        at=moment.now,
        status=OrderStatus.CREATED,
        quantity=wanted.quantity,
        points=deal.points,
        cash_minor=deal.cash_minor,
        currency=program.currency if deal.cash_minor else None,
        spent=reverse(deal.taken),
        counted=tuple((one.subject, str(one.per), one.unit) for one in deal.limits),
        codes=pieces.codes,
        pieces=pieces.by_shard or {},
        marks=pieces.marks or {},
        stock=pieces.stock,
        address=wanted.address or {},
        details={name: value for name, value in promised.items() if value},
        version=version,
    )
    change = deal.change.remember(lately(account.standing, moment.today)) if deal.limits else deal.change
    if deal.points:
        change = change.post(_entry(deal, order, moment, by), moment)
    if order.cash_minor:
        return Made(begun(order, program.mall, moment, by), change)
    return completed(order, change, program, moment, by)


def _entry(deal: Deal, order: RewardOrder, moment: Moment, by: str) -> Draft:
    said: dict[str, Any] = {"reward": order.reward, "title": order.title, "quantity": order.quantity}
    if deal.level:
        factor = deal.offer.tiers.get(deal.level, Fraction(1))
        said |= {"tier": deal.level, "factor": decimal(factor)}
    if deal.campaign:
        said |= {"campaign": deal.campaign.id, "by": decimal(deal.campaign.by)}
    said["price"] = {"points": order.points, "cash_minor": order.cash_minor}
    standing = deal.change.account.standing
    counted = [
        {
            "limit": one.name,
            "allows": one.most,
            "left": member_limits.room(standing, one, moment),
            "resets_at": member_limits.resets_at(one, moment),
        }
        for one in deal.limits
    ]
    return Draft(
        kind=Kind.REDEEM,
        reason=_REASONS.get(deal.offer.kind, Reason.REWARD_ORDERED),
        source=Source(SOURCE, order.id),
        occurred_at=moment.now,
        points=-order.points,
        lots=deal.taken,
        why=(said, *counted),
        actor=by,
    )


def completed(order: RewardOrder, change: Change, program: Program, moment: Moment, by: str) -> Made:
    """The order once everything is paid, with what comes of it at once: coupons, a receipt, points."""
    if order.kind == RewardKind.PHYSICAL and order.address:
        return Made(stepped(replace(order, due=None), OrderStatus.TO_SHIP, moment, by), change)
    order = paid_up(order, program.mall, moment, by)
    match order.kind:
        case RewardKind.COUPON:
            return _with_coupons(order, change, moment)
        case RewardKind.DONATION:
            return Made(replace(order, details={**order.details, "receipt": receipt(order, moment)}), change)
        case RewardKind.VOUCHER:
            return _with_voucher(order, change, program, moment, by)
        case _:
            return Made(order, change)


def _with_coupons(order: RewardOrder, change: Change, moment: Moment) -> Made:
    written = order.details.get("coupon") or {}
    terms = read_coupon(Reader().root(written, COUPON_KNOWN))
    ids = [str(document_id("cp", order.member, f"{order.id}/{number}")) for number in range(order.quantity)]
    source = (SOURCE, order.id)
    currency = order.details.get("currency")
    coupons = tuple(issue(one, order.member, order.reward, terms, source, moment, currency) for one in ids)
    return Made(replace(order, details={**order.details, "coupons": ids}), change, coupons)


def receipt(order: RewardOrder, moment: Moment) -> dict[str, Any]:
    """The receipt of a donation. Its number is that of the order in a form for people; no other order has it."""
    digest = base64.b32encode(hashlib.sha256(order.id.encode()).digest()[:15]).decode()
    return {
        "number": f"{moment.today:%Y%m%d}-{digest}",
        "at": instant_text(moment.now),
    }


def _with_voucher(order: RewardOrder, change: Change, program: Program, moment: Moment, by: str) -> Made:
    points = order.details["voucher_points"]
    change = caught_up(change, moment)
    bought = (LotChange(points, program.expiry.last_valid_day(moment.today)),)
    kept, _ = pay_debt(change.account.debt, bought)
    draft = Draft(
        kind=Kind.BONUS,
        reason=Reason.VOUCHER_BOUGHT,
        source=Source(SOURCE, order.id),
        occurred_at=moment.now,
        lots=bought,
        why=(
            {
                "reward": order.reward,
                "title": order.title,
                "quantity": order.quantity,
                "paid": {"amount_minor": order.cash_minor, "currency": order.currency},
            },
        ),
        actor=by,
    )
    change = caught_up(credit(change, draft, moment), moment)
    credited = {"points": points, "lots": [[one.points, day_text(one.expires_on)] for one in kept]}
    return Made(replace(order, details={**order.details, "credited": credited}), change)


# Steps ---------------------------------------------------------------------------------------------------------------


def overdue(order: RewardOrder, moment: Moment) -> bool:
    """Whether its deadline has passed; from its first instant on, whether or not anybody has looked yet."""
    waits = order.status in {OrderStatus.CREATED, OrderStatus.ADDRESS_DUE}
    return waits and order.due is not None and order.due <= moment.now


def as_it_is(order: RewardOrder, moment: Moment) -> OrderStatus:
    """Its status now: what is overdue is over."""
    if not overdue(order, moment):
        return order.status
    return OrderStatus.CANCELED if order.status is OrderStatus.CREATED else OrderStatus.FORFEITED


def in_time(order: RewardOrder, moment: Moment, note: str) -> None:
    """See that its deadline has not passed, now or before; ``note`` is that of the step which would have ended it.

    Raises:
        DeadlinePassed
    """
    ended = order.steps[-1].note if order.steps else ""
    over = order.status in {OrderStatus.CANCELED, OrderStatus.FORFEITED} and ended == note
    if over or overdue(order, moment):
        raise DeadlinePassed(due_at=order.due, order_status=str(as_it_is(order, moment)))


def addressed(order: RewardOrder, address: Mapping[str, str], moment: Moment, by: str) -> RewardOrder:
    """The order with (another) address; it can be changed until the parcel is on its way.

    Raises:
        DeadlinePassed, WrongStatus, InvalidInput
        LimitReached: it was changed too often.
    """
    in_time(order, moment, TOO_LATE)
    if order.kind != RewardKind.PHYSICAL:
        raise InvalidInput([Fault("address", f"is not what a {order.kind} reward needs")])
    _in(order, *BEFORE_SHIPPING)
    if len(order.steps) >= STEPS_MAX:
        raise LimitReached(limit="addresses_of_one_order", points=ADDRESSES_MAX)
    known = replace(order, address=address)
    if order.status is OrderStatus.ADDRESS_DUE:
        return stepped(replace(known, due=None), OrderStatus.TO_SHIP, moment, by)
    return stepped(known, order.status, moment, by, "another address" if order.address else "address")


def paid(
    order: RewardOrder, account: Account, money: Money, payment_id: str, program: Program, moment: Moment, by: str
) -> Made:
    """The order once its money is there; told of the same payment again it stays as it is.

    Raises:
        DeadlinePassed: it came too late and has to be given back.
        InvalidInput: it is not what was due.
        WrongStatus
    """
    change = as_of(account, moment)
    if order.details.get("payment_id") == payment_id:
        return Made(order, Change(account))
    in_time(order, moment, UNPAID)
    _in(order, OrderStatus.CREATED)
    if money != Money(order.cash_minor, order.currency or ""):
        raise InvalidInput([Fault("paid", f"is not {order.cash_minor} minor units of {order.currency}")])
    order = replace(order, details={**order.details, "payment_id": payment_id, "paid_at": instant_text(moment.now)})
    return completed(order, change, program, moment, by)


def shipped(order: RewardOrder, carrier: str, number: str, moment: Moment, by: str) -> RewardOrder:
    """The order on its way.

    Raises:
        DeadlinePassed, WrongStatus
    """
    in_time(order, moment, TOO_LATE)
    _in(order, OrderStatus.TO_SHIP)
    sent = {name: value for name, value in (("carrier", carrier), ("number", number)) if value}
    return stepped(replace(order, shipping=sent), OrderStatus.SHIPPED, moment, by)


def delivered(order: RewardOrder, moment: Moment, by: str) -> RewardOrder:
    """The order once the member has it; what is no parcel needs none to carry it.

    Raises:
        DeadlinePassed, WrongStatus
    """
    in_time(order, moment, TOO_LATE)
    by_hand = () if order.kind == RewardKind.PHYSICAL else (OrderStatus.TO_SHIP,)
    _in(order, *by_hand, OrderStatus.SHIPPED)
    return stepped(order, OrderStatus.FULFILLED, moment, by)


# Ends ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asks:
    """Who asks for an order's end: ``member`` for the own one, ``operator`` also for what is used up once seen."""

    by: str
    member: bool = False
    operator: bool = False


def canceled(
    order: RewardOrder,
    account: Account,
    coupons: tuple[Coupon, ...],
    asks: Asks,
    note: str,
    program: Program,
    moment: Moment,
) -> Made:
    """The order cancelled, its points back: by its member until it is shipped, by the shop until it is there.

    What was there at once (codes, coupons, donations, vouchers) is cancelled afterwards by an operator, a voucher also
    by the shop. What was won in an auction is cancelled by the shop alone: a bid binds who made it. An order that was
    not paid in time ends as unpaid.

    Raises:
        DeadlinePassed, WrongStatus, Forbidden
    """
    if order.status is OrderStatus.CREATED and overdue(order, moment):
        return unpaid(order, account, program, moment)
    in_time(order, moment, TOO_LATE)
    if asks.member and order.source and order.source[0] == "auction":
        raise Forbidden("What was won in an auction is canceled by the shop.")
    possible = BEFORE_SHIPPING if asks.member else UNTIL_DONE
    at_once = order.kind not in {RewardKind.PHYSICAL, RewardKind.SERVICE}
    if at_once and not asks.member and order.status is OrderStatus.FULFILLED:
        _may_take_back(order, asks)
    else:
        _in(order, *possible)
    void = _voided(coupons)
    made = closed(
        order,
        account,
        OrderStatus.CANCELED,
        Reason.REWARD_CANCELLED,
        asks.by,
        note,
        _without_grace(program) if asks.member else program,
        moment,
        forgiving=asks.operator,
    )
    return replace(made, coupons=void)


def returned(
    order: RewardOrder,
    account: Account,
    coupons: tuple[Coupon, ...],
    asks: Asks,
    note: str,
    program: Program,
    moment: Moment,
    *,
    restock: bool,
    quantity: int | None = None,
) -> Made:
    """The order given back after it was sent, its points back; ``restock`` puts its pieces back into the stock.

    ``quantity`` is how many of its pieces; None for all that are left. Returned in parts, however many, it comes to the
    same as at once.

    Raises:
        DeadlinePassed, WrongStatus, Forbidden
        InvalidInput: not so many can be returned.
    """
    in_time(order, moment, TOO_LATE)
    _in(order, OrderStatus.SHIPPED, OrderStatus.FULFILLED)
    _may_take_back(order, asks)
    pieces = _of_left(order, quantity)
    if order.returned + pieces < order.quantity:
        return _part_returned(order, account, pieces, asks.by, note, program, moment, restock=restock)
    void = _voided(coupons)
    made = closed(
        order,
        account,
        OrderStatus.RETURNED,
        Reason.REWARD_RETURNED,
        asks.by,
        note,
        program,
        moment,
        forgiving=asks.operator,
    )
    after = replace(made.order, returned=order.quantity)
    if not restock:
        after = replace(after, put_back=order.put_back, back=order.back)
    return Made(after, made.change, void)


def unpaid(order: RewardOrder, account: Account, program: Program, moment: Moment) -> Made:
    """The order cancelled because its money did not come in time."""
    terms = _without_grace(program)
    return closed(order, account, OrderStatus.CANCELED, Reason.REWARD_UNPAID, "system", UNPAID, terms, moment)


def _without_grace(program: Program) -> Program:
    """The program for what a member alone brings about: ordering and cancelling makes no point live longer."""
    return replace(program, redemption=replace(program.redemption, expired_on_restore="lapse"))


def forfeited(order: RewardOrder, moment: Moment) -> RewardOrder:
    """The order forfeited because nobody said where it goes: its pieces go back, its points do not."""
    return stepped(replace(order, put_back=goes_back(order)), OrderStatus.FORFEITED, moment, "system", TOO_LATE)


def closed(
    order: RewardOrder,
    account: Account,
    status: OrderStatus,
    reason: Reason,
    by: str,
    note: str,
    program: Program,
    moment: Moment,
    *,
    forgiving: bool = False,
) -> Made:
    """The order at an end at which its points go back into their lots and its limits are free again.

    ``forgiving``: who asks may take back a voucher whose points are spent and will never be paid back.

    Raises:
        Forbidden
    """
    change = _restored(order, as_of(account, moment), order.points, reason, by, program, moment)
    change, forgiven = _taken_back(order, change, reason, by, program, moment)
    if forgiven and not forgiving:
        raise Forbidden("Points of this voucher are spent and would be forgiven: an operator takes it back.")
    change = _uncounted(order, change, Use(order.points - order.restored, order.quantity - order.returned), moment)
    back = _more_back(order, order.quantity - order.returned) if order.returned else {}
    after = replace(order, restored=order.points, put_back=goes_back(order), back=back)
    return Made(stepped(after, status, moment, by, note), change)


def _restored(
    order: RewardOrder, change: Change, restored: int, reason: Reason, by: str, program: Program, moment: Moment
) -> Change:
    """The account with as many of the order's points back as make ``restored`` in all."""
    if restored == order.restored:
        return change
    lots = share_changes(order.spent, order.restored, restored)
    draft = Draft(
        kind=Kind.RESTORE,
        reason=reason,
        source=Source(SOURCE, order.id),
        occurred_at=moment.now,
        why=({"reward": order.reward, "title": order.title, "restored": restored, "of": order.points},),
        actor=by,
    )
    return give_back(change, lots, draft, program, moment)[0]


def _of_left(order: RewardOrder, quantity: int | None) -> int:
    """How many pieces are returned.

    Raises:
        InvalidInput: so many are not left, or it is nothing that has parts.
    """
    left = order.quantity - order.returned
    pieces = left if quantity is None else quantity
    if not 1 <= pieces <= left:
        raise InvalidInput([Fault("quantity", f"is not from 1 to {left}")])
    if pieces < left and order.kind not in {RewardKind.PHYSICAL, RewardKind.SERVICE}:
        raise InvalidInput([Fault("quantity", f"is not all {left}: a {order.kind} reward is returned as a whole")])
    return pieces


def _part_returned(
    order: RewardOrder,
    account: Account,
    pieces: int,
    by: str,
    note: str,
    program: Program,
    moment: Moment,
    *,
    restock: bool,
) -> Made:
    """The order with some of its pieces returned; the others stay where they are."""
    returned = order.returned + pieces
    restored = order.points * returned // order.quantity
    change = _restored(order, as_of(account, moment), restored, Reason.REWARD_RETURNED, by, program, moment)
    change = _uncounted(order, change, Use(restored - order.restored, pieces), moment)
    after = replace(order, returned=returned, restored=restored)
    if restock and order.pieces:
        after = replace(after, put_back=True, back=_more_back(order, pieces))
    said = f"{pieces} of {order.quantity} returned"
    return Made(stepped(after, order.status, moment, by, f"{said}: {note}" if note else said), change)


def _more_back(order: RewardOrder, pieces: int) -> dict[str, int]:
    """Which of the order's pieces go back into the stock when so many more do, by shard."""
    back = dict(order.back)
    for number in sorted(order.pieces, key=int):
        part = min(pieces, order.pieces[number] - back.get(number, 0))
        if part:
            back[number] = back.get(number, 0) + part
            pieces -= part
    return back


def goes_back(order: RewardOrder) -> bool:
    """Whether its pieces can be free again: codes that the member may have seen cannot."""
    return bool(order.pieces) and not (order.codes and seen(order))


def seen(order: RewardOrder) -> bool:
    """Whether the member could see its codes."""
    return any(step.status is OrderStatus.FULFILLED for step in order.steps)


def _taken_back(
    order: RewardOrder, change: Change, reason: Reason, by: str, program: Program, moment: Moment
) -> tuple[Change, int]:
    """The account once the points of a voucher are taken back, and how many of them were forgiven."""
    credited = order.details.get("credited")
    if not credited:
        return change, 0
    own: Shares = {(date.fromisoformat(day) if day else None, None): points for points, day in credited["lots"]}
    draft = Draft(
        kind=Kind.CLAWBACK,
        reason=reason,
        source=Source(SOURCE, order.id),
        occurred_at=moment.now,
        why=({"reward": order.reward, "title": order.title, "credited": credited["points"]},),
        actor=by,
    )
    return claw_back(change, credited["points"], own, program.clawback, draft, moment)


def _uncounted(order: RewardOrder, change: Change, use: Use, moment: Moment) -> Change:
    """The account with what the order used of its limits free again."""
    if not order.counted:
        return change
    limits = [MemberLimit("", subject, Per(per), unit, 0) for subject, per, unit in order.counted]
    then = Moment(order.at, order.at, local_day(order.at, moment.zone), moment.zone)
    return change.remember(member_limits.unused(change.account.standing, limits, use, moment, then))


def _may_take_back(order: RewardOrder, asks: Asks) -> None:
    """See that who asks may take back what is used up once it was seen.

    Raises:
        Forbidden
    """
    used_up = order.codes or order.kind in {RewardKind.COUPON, RewardKind.DONATION}
    if used_up and not asks.operator:
        raise Forbidden("Codes, coupons and donations are taken back by an operator.")


def _voided(coupons: tuple[Coupon, ...]) -> tuple[Coupon, ...]:
    """The coupons, void.

    Raises:
        WrongStatus: one was used.
    """
    for one in coupons:
        if one.status is CouponStatus.USED:
            raise WrongStatus(status_now=str(CouponStatus.USED), needs=[str(CouponStatus.ISSUED)])
    return tuple(replace(one, status=CouponStatus.VOID) for one in coupons if one.status is CouponStatus.ISSUED)


def _in(order: RewardOrder, *statuses: OrderStatus) -> None:
    """See that the order is in one of these.

    Raises:
        WrongStatus: naming them.
    """
    if order.status not in statuses:
        raise WrongStatus(status_now=str(order.status), needs=[str(one) for one in statuses])
