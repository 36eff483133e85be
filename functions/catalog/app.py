"""The mall: rewards and their stock for operators, the shelf for members, and what is exchanged there.

    operators     write a reward, put it on the shelf, fill its stock, upload codes, import
    members       look at the shelf, search it, ask to be told when something is there again

A hot reward's stock is never written together with an account. Docs: docs/mall.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, StrictBool, StrictInt, StrictStr

from jifen import runtime
from jifen.domain.coupons import CouponStatus
from jifen.domain.errors import (
    AccountFrozen,
    CouponNotFound,
    CouponNotUsable,
    DeadlinePassed,
    Fault,
    Forbidden,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    NotOpen,
    OutOfStock,
    PasswordLocked,
    PasswordNotSet,
    PasswordRequired,
    PasswordTooNew,
    PasswordWrong,
    PriceChanged,
    RewardNotFound,
    RewardOrderNotFound,
    WrongStatus,
)
from jifen.domain.exchanges import Wanted as OrderWanted
from jifen.domain.ids import valid_id
from jifen.domain.mall_views import (
    CodesView,
    CouponStateView,
    CouponsView,
    CouponUsedView,
    CouponView,
    GoalView,
    ImportedView,
    RewardOrdersView,
    RewardOrderView,
    RewardRecordsView,
    RewardRecordView,
    RewardsView,
    RewardView,
    StockView,
    WishView,
)
from jifen.domain.money import AMOUNT_MINOR_MAX, Money
from jifen.domain.offers import PIECES_MAX, QUANTITY_MAX, RewardKind
from jifen.domain.points import POINTS_MAX
from jifen.domain.rewards import RewardStatus
from jifen.domain.shelf import Sort, Wanted
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, STAFF, Answer, Caller, HttpApi, reply
from jifen.service.aiming import Aiming
from jifen.service.couponing import Couponing, owner_of
from jifen.service.exchanging import Exchanging, orders_of, shown
from jifen.service.exchanging import member_of as order_owner
from jifen.service.guarding import guard_when_asked
from jifen.service.ports import REWARDS, Shelf, of_member
from jifen.service.shelves import Bookmarks
from jifen.service.shelving import BY_PLACE, Looking, Shelving, valid_reward_id

ANYONE = (MEMBER, SHOP, OPERATOR, ADMIN)
STEERING = (OPERATOR, ADMIN)

ROWS_MAX = 100
IMPORT_BYTES_MAX = 1_000_000
"""A hundred rewards, each with a long description."""

CODES_MAX = 200

api = HttpApi("catalog")


def _id(text: str) -> str:
    if not valid_id(text):
        message = "is not an id of 1 to 128 characters"
        raise ValueError(message)
    return text


_ID = "1 to 128 characters; no blanks at the ends, no control characters"
Id = Annotated[StrictStr, Field(min_length=1, max_length=128, description=_ID), AfterValidator(_id)]


Reason = Annotated[StrictStr, Field(max_length=500)]
Text = Annotated[str, Field(min_length=1, max_length=128)]
Points = Annotated[int, Field(ge=0, le=POINTS_MAX)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RewardContent(RootModel[dict[str, Any]]):
    """The reward itself; see docs/mall.md."""


class ShelfRequest(_Body):
    """Whether members see it, and why."""

    on: StrictBool
    reason: Reason = ""


class StockRequest(_Body):
    """Pieces to put in, or to take out (below 0), and why."""

    pieces: Annotated[StrictInt, Field(ge=-PIECES_MAX, le=PIECES_MAX)]
    reason: Reason = ""


class CodesRequest(_Body):
    """Codes for the pool."""

    codes: Annotated[list[StrictStr], Field(min_length=1, max_length=CODES_MAX)]


class ImportRequest(_Body):
    """Rewards, each its content with its ``id``; a dry run writes nothing."""

    rewards: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=ROWS_MAX)]
    dry_run: StrictBool = False


class WishRequest(_Body):
    """Which reward; ``on`` false takes it back."""

    reward_id: Annotated[StrictStr, Field(min_length=1, max_length=64)]
    on: StrictBool = True


class GoalRequest(_Body):
    """Which reward; null for none."""

    reward_id: Annotated[StrictStr, Field(min_length=1, max_length=64)] | None


class PageQuery(BaseModel):
    """Where to go on."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=1_000)] = None


class MemberQuery(BaseModel):
    """Whose prices; of a member's own token that member's."""

    member_id: Annotated[str | None, Field(min_length=1, max_length=128)] = None


class RewardsQuery(PageQuery, MemberQuery):
    """What is looked for; ``status`` and ``low`` are for operators."""

    category: Text | None = None
    kind: RewardKind | None = None
    tag: Text | None = None
    q: Text | None = None
    points_from: Points | None = None
    points_to: Points | None = None
    affordable: bool = False
    in_stock: bool = False
    low: bool = False
    status: RewardStatus | None = None
    sort: Sort = Sort.POPULAR


# Rewards, for operators ----------------------------------------------------------------------------------------------


@api.put("/v1/rewards/<reward_id>", "Write a reward", RewardRecordView)
def put_reward(reward_id: str, body: RewardContent) -> Answer:
    """Keep it in place of what was written before; what says the same changes nothing."""
    return _changed(200, _shelving(api.caller(*STEERING)).write(_reward_id(reward_id), body.root))


@api.post("/v1/rewards/<reward_id>/shelf", "Put a reward on the shelf or take it off", RewardRecordView, RewardNotFound)
def shelve(reward_id: str, body: ShelfRequest) -> Answer:
    """200 with the reward; exchanges that were made go on."""
    return _changed(200, _keyed(*STEERING).put_on_shelf(_known_id(reward_id), body.reason, on=body.on))


@api.post(
    "/v1/rewards/<reward_id>/stock", "Put pieces in stock or take them out", StockView, RewardNotFound, OutOfStock
)
def fill(reward_id: str, body: StockRequest) -> Answer:
    """200 with the stock; what is reserved or sold cannot be taken out."""
    return _changed(200, _keyed(*STEERING).fill(_known_id(reward_id), body.pieces, body.reason))


@api.get("/v1/rewards/<reward_id>/stock", "The stock of a reward, shard by shard", StockView, RewardNotFound)
def stock(reward_id: str) -> Answer:
    """Free, reserved and sold pieces: together those that were stocked."""
    return reply(200, _shelving(api.caller(*STEERING)).stock(_known_id(reward_id)))


@api.post("/v1/rewards/<reward_id>/codes", "Put codes into a pool", CodesView, RewardNotFound)
def add_codes(reward_id: str, body: CodesRequest) -> Answer:
    """200 with how many were taken, and each that was not with its line; a code is taken once for ever."""
    return _changed(200, _keyed(*STEERING).add_codes(_known_id(reward_id), body.codes))


@api.post("/v1/rewards/import", "Write many rewards", ImportedView, bytes_max=IMPORT_BYTES_MAX)
def import_rewards(body: ImportRequest) -> Answer:
    """200 with what came of each row; a row that is refused does not stop the others."""
    return _changed(200, _keyed(*STEERING).import_rows(body.rewards, dry_run=body.dry_run))


@api.get("/v1/reward-records", "Rewards as they were written", RewardRecordsView)
def records(query: PageQuery) -> Answer:
    """A page of all rewards, ids from z to a; each can be sent back as it is."""
    shelving, marks = _shelving(api.caller(*STEERING)), _bookmarks(REWARDS)
    found, cursor = shelving.records(marks.read(query.cursor), query.limit)
    return reply(200, {"rewards": found, "cursor": marks.write(cursor)})


@api.get("/v1/reward-records/<reward_id>", "One reward as it was written", RewardRecordView, RewardNotFound)
def record(reward_id: str) -> Answer:
    """Its content, and who wrote it."""
    return reply(200, _shelving(api.caller(*STEERING)).record(_known_id(reward_id)))


# The shelf -----------------------------------------------------------------------------------------------------------


@api.get("/v1/rewards", "The shelf of the mall", RewardsView)
def rewards(query: RewardsQuery) -> Answer:
    """A page of rewards with their prices, and whether each can be had."""
    looking = _looking(query.member_id)
    if (query.low or query.status) and not looking.operator:
        raise Forbidden(needs=sorted(STEERING))
    if query.affordable and looking.member is None:
        raise InvalidInput([Fault("affordable", "needs a member_id")])
    wanted = Wanted(
        category=query.category,
        kind=query.kind,
        tag=query.tag,
        query=query.q,
        points_from=query.points_from,
        points_to=query.points_to,
        affordable=query.affordable,
        in_stock=query.in_stock,
        low=query.low,
        status=query.status if looking.operator else RewardStatus.ON_SHELF,
        sort=query.sort,
    )
    marks = _bookmarks(Shelf(BY_PLACE[query.sort]))
    here = runtime.current()
    snapshot = here.showcase.snapshot(looking.program.currency)
    page, more = looking.rewards(snapshot, wanted, marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(more)})


@api.get("/v1/rewards/<reward_id>", "One reward", RewardView, RewardNotFound)
def reward(reward_id: str, query: MemberQuery) -> Answer:
    """What it costs this member now, whether it can be had, and if not, why and from when on."""
    looking = _looking(query.member_id)
    return reply(200, looking.reward(_known_id(reward_id)))


@api.post(
    "/v1/members/<member_id>/restock-notices", "Ask to be told when a reward is there again", WishView, RewardNotFound
)
def wish(member_id: str, body: WishRequest) -> Answer:
    """200; what is in stock needs no waiting, and the answer says so."""
    member, caller = api.member(member_id, *ANYONE)
    asked = _shelving(caller, api.idempotency_key())
    return reply(200, asked.wish(body.reward_id, member, on=body.on))


@api.get("/v1/members/<member_id>/goal", "What the member saves for", GoalView)
def goal(member_id: str) -> Answer:
    """The reward, its price now, and the points that are missing."""
    member, _ = api.member(member_id, *ANYONE)
    return reply(200, _aiming().goal(member))


@api.put("/v1/members/<member_id>/goal", "Save for a reward", GoalView, RewardNotFound, AccountFrozen)
def set_goal(member_id: str, body: GoalRequest) -> Answer:
    """200; no points are kept for it. The price is that of now, and that of the next time it is said again."""
    member, _ = api.member(member_id, *ANYONE)
    return reply(200, _aiming().aim(member, body.reward_id))


# Reward orders -------------------------------------------------------------------------------------------------------


def _line(text: str) -> str:
    if not valid_id(text):
        message = "has a blank at an end or a control character"
        raise ValueError(message)
    return text


class Address(_Body):
    """Where a parcel goes."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=100), AfterValidator(_line)]
    phone: Annotated[StrictStr, Field(min_length=1, max_length=40), AfterValidator(_line)]
    street: Annotated[StrictStr, Field(min_length=1, max_length=120), AfterValidator(_line)]
    city: Annotated[StrictStr, Field(min_length=1, max_length=100), AfterValidator(_line)] | None = None
    region: Annotated[StrictStr, Field(min_length=1, max_length=100), AfterValidator(_line)] | None = None
    postal_code: Annotated[StrictStr, Field(min_length=1, max_length=20), AfterValidator(_line)] | None = None
    country: Annotated[StrictStr, Field(min_length=1, max_length=60), AfterValidator(_line)] | None = None
    note: Annotated[StrictStr, Field(min_length=1, max_length=120), AfterValidator(_line)] | None = None


class ExchangeRequest(BaseModel):
    """Which reward, how many pieces, and what the member was told it costs in all."""

    reward_id: Annotated[StrictStr, Field(min_length=1, max_length=128)]
    quantity: Annotated[StrictInt, Field(ge=1, le=QUANTITY_MAX)] = 1
    expected_points: Annotated[StrictInt, Field(ge=0, le=POINTS_MAX)] | None = None
    password: Annotated[StrictStr, Field(max_length=128)] | None = None
    address: Address | None = None


class OrderMoney(_Body):
    """An amount of money."""

    amount_minor: Annotated[StrictInt, Field(ge=0, le=AMOUNT_MINOR_MAX)]
    currency: Annotated[StrictStr, Field(pattern=r"^[A-Z]{3}$")]


class OrderPaidRequest(_Body):
    """What was paid, and the shop's own id of the payment."""

    paid: OrderMoney
    payment_id: Id


class OrderShippedRequest(_Body):
    """Who carries it, under which number."""

    carrier: Id
    number: Id | None = None


class OrderEndRequest(_Body):
    """Why."""

    reason: Reason = ""


class OrderReturnRequest(OrderEndRequest):
    """Why, whether its pieces can be had again, and how many of them (all that are left)."""

    restock: StrictBool = True
    quantity: Annotated[StrictInt, Field(ge=1, le=QUANTITY_MAX)] | None = None


ORDER_STEP = (RewardOrderNotFound, WrongStatus, DeadlinePassed)


@api.post(
    "/v1/members/<member_id>/reward-orders",
    "Exchange points for a reward",
    RewardOrderView,
    RewardNotFound,
    NotOpen,
    PriceChanged,
    OutOfStock,
    InsufficientPoints,
    AccountFrozen,
    LimitReached,
    PasswordRequired,
    PasswordWrong,
    PasswordNotSet,
    PasswordTooNew,
    PasswordLocked,
    status=201,
)
def exchange(member_id: str, body: ExchangeRequest) -> Answer:
    """201 with the order: it waits for money or an address, is to be sent, or is there already."""
    member, caller = api.member(member_id, *ANYONE)
    address = body.address.model_dump(exclude_none=True) if body.address else None
    wanted = OrderWanted(_known_id(body.reward_id), body.quantity, body.expected_points, address)
    here, key = runtime.current(), api.idempotency_key()
    patience, exempt = here.patience(api.lambda_context), bool(caller.scopes & set(STEERING))
    guard = guard_when_asked(here.ledger, here.program, here.moment(), patience, member, body.password, exempt=exempt)
    return reply(201, _exchanging(caller, key).exchange(member, wanted, guard))


@api.get("/v1/members/<member_id>/reward-orders", "A member's reward orders", RewardOrdersView)
def reward_orders(member_id: str, query: PageQuery) -> Answer:
    """A page of them, the newest first."""
    member, _ = api.member(member_id, *ANYONE)
    here, marks = runtime.current(), _bookmarks(of_member("reward orders", member))
    page = orders_of(here.ledger, member, here.moment(), marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


@api.get("/v1/reward-orders/<order_id>", "One reward order", RewardOrderView, RewardOrderNotFound)
def reward_order(order_id: str) -> Answer:
    """The order as it is now; a donation has its receipt."""
    _order_caller(order_id, *ANYONE)
    here = runtime.current()
    return reply(200, shown(here.ledger, order_id, here.moment()))


@api.post("/v1/reward-orders/<order_id>/paid", "Say that an order's money is there", RewardOrderView, *ORDER_STEP)
def order_paid(order_id: str, body: OrderPaidRequest) -> Answer:
    """200 with the order; 410 when it came too late, and the shop has to give it back."""
    caller = api.caller(SHOP)
    money = Money(body.paid.amount_minor, body.paid.currency)
    return reply(200, _order_step(caller).paid(order_id, money, body.payment_id))


@api.post("/v1/reward-orders/<order_id>/address", "Say where an order goes", RewardOrderView, *ORDER_STEP, LimitReached)
def order_address(order_id: str, body: Address) -> Answer:
    """200 with the order; it can be changed until the parcel is on its way."""
    caller = _order_caller(order_id, *ANYONE)
    return reply(200, _order_step(caller).address(order_id, body.model_dump(exclude_none=True)))


@api.post("/v1/reward-orders/<order_id>/ship", "Say that an order is on its way", RewardOrderView, *ORDER_STEP)
def order_shipped(order_id: str, body: OrderShippedRequest) -> Answer:
    """200 with the order."""
    caller = api.caller(*STAFF)
    return reply(200, _order_step(caller).ship(order_id, body.carrier, body.number or ""))


@api.post("/v1/reward-orders/<order_id>/deliver", "Say that the member has it", RewardOrderView, *ORDER_STEP)
def order_delivered(order_id: str) -> Answer:
    """200 with the order; of a service, that it was done."""
    caller = api.caller(*STAFF)
    return reply(200, _order_step(caller).deliver(order_id))


@api.post("/v1/reward-orders/<order_id>/cancel", "Cancel an order", RewardOrderView, *ORDER_STEP)
def order_canceled(order_id: str, body: OrderEndRequest | None = None) -> Answer:
    """200 with the order, its points back in their lots; a member can until it is shipped."""
    caller = _order_caller(order_id, *ANYONE)
    asks = {"member": not caller.scopes & set(STAFF), "operator": bool(caller.scopes & set(STEERING))}
    return reply(200, _order_step(caller).cancel(order_id, body.reason if body else "", **asks))


@api.post("/v1/reward-orders/<order_id>/return", "Take an order back that was sent", RewardOrderView, *ORDER_STEP)
def order_returned(order_id: str, body: OrderReturnRequest | None = None) -> Answer:
    """200 with the order, its points back in their lots."""
    caller = api.caller(*STAFF)
    asked, operator = body or OrderReturnRequest(), bool(caller.scopes & set(STEERING))
    desk = _order_step(caller)
    made = desk.give_back(order_id, asked.reason, restock=asked.restock, operator=operator, quantity=asked.quantity)
    return reply(200, made)


def _order_caller(order_id: str, *scopes: str) -> Caller:
    """Who asks for an order; a member reaches the own ones alone.

    Raises:
        Unauthenticated, Forbidden, RewardOrderNotFound
    """
    caller = api.caller(*scopes)
    if not caller.scopes & set(STAFF) and order_owner(order_id) != caller.member:
        raise Forbidden(needs=sorted(STAFF))
    return caller


def _order_step(caller: Caller) -> Exchanging:
    return _exchanging(caller, api.idempotency_key())


def _exchanging(caller: Caller, key: str) -> Exchanging:
    here = runtime.current()
    patience = here.patience(api.lambda_context)
    return Exchanging(
        here.ledger, here.program, here.moment(), patience, caller.subject, caller.actor, key, _low_on_stock
    )


def _low_on_stock(reward_id: str, left: int) -> None:
    here = runtime.current()
    here.logger.warning("a reward is low on stock", extra={"reward": reward_id, "left": left})
    here.count({"RewardsLowOnStock": 1})


# Coupons -------------------------------------------------------------------------------------------------------------


class CouponsQuery(BaseModel):
    """Of which status, and where to go on."""

    status: CouponStatus | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=1_000)] = None


class CouponMoney(BaseModel):
    """An amount of money."""

    amount_minor: Annotated[StrictInt, Field(ge=0, le=AMOUNT_MINOR_MAX)]
    currency: Annotated[StrictStr, Field(pattern=r"^[A-Z]{3}$")]


class CouponOrder(BaseModel):
    """The order: its id in the shop called ``source``."""

    order_id: Id
    source: Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = "standard"


class CouponUseRequest(CouponOrder):
    """What the order costs before the coupon: the goods (less what other discounts took off), and shipping beside."""

    order_total: CouponMoney
    shipping: CouponMoney | None = None


class CouponVoidRequest(BaseModel):
    """Why."""

    reason: Id


@api.get("/v1/members/<member_id>/coupons", "A member's coupons", CouponsView)
def coupons(member_id: str, query: CouponsQuery) -> Answer:
    """A page of coupons, in no order."""
    member, caller = api.member(member_id, *ANYONE)
    secret = runtime.current().settings.signing_secret.encode()
    marks = Bookmarks(secret, of_member("coupons", member))
    staff = bool(caller.scopes & set(STAFF))
    page = _couponing(caller).page(member, query.status, marks.read(query.cursor), query.limit, staff=staff)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


@api.get("/v1/coupons/<coupon_id>", "One coupon", CouponView, CouponNotFound)
def coupon(coupon_id: str) -> Answer:
    """The coupon; a member sees only the member's own."""
    caller = api.caller(*ANYONE)
    staff = bool(caller.scopes & set(STAFF))
    if not staff and owner_of(coupon_id) != caller.member:
        raise Forbidden(needs=sorted(STAFF))
    return reply(200, _couponing(caller).one(coupon_id, staff=staff))


@api.post(
    "/v1/coupons/<coupon_id>/use",
    "Use a coupon on an order",
    CouponUsedView,
    CouponNotFound,
    CouponNotUsable,
    AccountFrozen,
    LimitReached,
)
def use_coupon(coupon_id: str, body: CouponUseRequest) -> Answer:
    """200 with the discount; 409 with what is missing."""
    caller = api.caller(SHOP)
    goods = Money(body.order_total.amount_minor, body.order_total.currency)
    shipping = Money(body.shipping.amount_minor, body.shipping.currency) if body.shipping else None
    desk = _couponing(caller, api.idempotency_key())
    return reply(200, desk.use(coupon_id, (body.source, body.order_id), goods, shipping))


@api.post(
    "/v1/coupons/<coupon_id>/release",
    "Give a coupon back whose order came to nothing",
    CouponStateView,
    CouponNotFound,
    CouponNotUsable,
    WrongStatus,
)
def release_coupon(coupon_id: str, body: CouponOrder) -> Answer:
    """200 with the coupon; its last valid day stays what it was. The order has to be the one it was used on."""
    caller = api.caller(SHOP, OPERATOR, ADMIN)
    desk = _couponing(caller, api.idempotency_key())
    return reply(200, desk.release(coupon_id, (body.source, body.order_id)))


@api.post("/v1/coupons/<coupon_id>/void", "Take a coupon back", CouponStateView, CouponNotFound, WrongStatus)
def void_coupon(coupon_id: str, body: CouponVoidRequest) -> Answer:
    """200; the coupon is good for nothing any more, and the audit says why."""
    caller = api.caller(OPERATOR, ADMIN)
    return reply(200, _couponing(caller, api.idempotency_key()).void(coupon_id, body.reason))


def _couponing(caller: Caller, key: str = "") -> Couponing:
    here = runtime.current()
    patience = here.patience(api.lambda_context)
    return Couponing(here.ledger, here.program, here.moment(), patience, caller.subject, caller.actor, key)


# What the routes share -----------------------------------------------------------------------------------------------


def _aiming() -> Aiming:
    here = runtime.current()
    return Aiming(here.ledger, here.program, here.moment(), here.patience(api.lambda_context))


def _shelving(caller: Caller, key: str = "") -> Shelving:
    here = runtime.current()
    patience = here.patience(api.lambda_context)
    return Shelving(here.ledger, here.program, here.moment(), patience, caller.subject, caller.actor, key)


def _keyed(*scopes: str) -> Shelving:
    """The desk of a request that changes something. Who may not ask is told so before a missing key is."""
    caller = api.caller(*scopes)
    return _shelving(caller, api.idempotency_key())


def _looking(member_id: str | None) -> Looking:
    """Who looks at the shelf; a member's own token sees that member's prices.

    Raises:
        Unauthenticated, Forbidden
        InvalidInput: there can be no such member.
    """
    caller = api.caller(*ANYONE)
    staff = bool(caller.scopes & set(STAFF))
    member = member_id or (None if staff else caller.member)
    if not staff and (member is None or member != caller.member):
        raise Forbidden(needs=sorted(STAFF))
    if member is not None and not valid_id(member):
        raise InvalidInput([Fault("member_id", "is not a member id of 1 to 128 characters")])
    here = runtime.current()
    operator = bool(caller.scopes & set(STEERING))
    return Looking(here.ledger, here.program, here.moment(), member, staff=staff, operator=operator)


def _reward_id(raw: str) -> str:
    return valid_reward_id(unquote(raw))


def _known_id(raw: str) -> str:
    """The id of a reward that is to be there; what cannot be one is none.

    Raises:
        RewardNotFound
    """
    try:
        return _reward_id(raw)
    except InvalidInput:
        raise RewardNotFound from None


def _changed(status: int, body: Mapping[str, Any]) -> Answer:
    """The answer of a request that has changed what is on the shelf."""
    runtime.current().showcase.forget()
    return reply(status, body)


def _bookmarks(shelf: Shelf) -> Bookmarks:
    return Bookmarks(runtime.current().settings.signing_secret.encode(), shelf)


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("mall")
