"""The mall: rewards and their stock for operators, the shelf for members, and what is exchanged there.

    operators     write a reward, put it on the shelf, fill its stock, upload codes, import
    members       look at the shelf, search it, ask to be told when something is there again

A hot reward's stock is never written together with an account. Docs: docs/mall.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StrictInt, StrictStr

from jifen import runtime
from jifen.domain.coupons import CouponStatus
from jifen.domain.errors import AccountFrozen, CouponNotFound, CouponNotUsable, Forbidden, LimitReached, WrongStatus
from jifen.domain.ids import valid_id
from jifen.domain.mall_views import CouponStatusView, CouponsView, CouponUsedView, CouponView
from jifen.domain.money import AMOUNT_MINOR_MAX, Money
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, STAFF, Answer, Caller, HttpApi, reply
from jifen.service.couponing import Couponing, owner_of
from jifen.service.ports import of_member
from jifen.service.shelves import Bookmarks

ANYONE = (MEMBER, SHOP, OPERATOR, ADMIN)
STEERING = (OPERATOR, ADMIN)

api = HttpApi("catalog")


def _id(text: str) -> str:
    if not valid_id(text):
        message = "is not an id of 1 to 128 characters"
        raise ValueError(message)
    return text


_ID = "1 to 128 characters; no blanks at the ends, no control characters"
Id = Annotated[StrictStr, Field(min_length=1, max_length=128, description=_ID), AfterValidator(_id)]


# Rewards, for operators ----------------------------------------------------------------------------------------------


# The shelf -----------------------------------------------------------------------------------------------------------


# Reward orders -------------------------------------------------------------------------------------------------------


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
    CouponStatusView,
    CouponNotFound,
    CouponNotUsable,
    WrongStatus,
)
def release_coupon(coupon_id: str, body: CouponOrder) -> Answer:
    """200 with the coupon; its last valid day stays what it was. The order has to be the one it was used on."""
    caller = api.caller(SHOP, OPERATOR, ADMIN)
    desk = _couponing(caller, api.idempotency_key())
    return reply(200, desk.release(coupon_id, (body.source, body.order_id)))


@api.post("/v1/coupons/<coupon_id>/void", "Take a coupon back", CouponStatusView, CouponNotFound, WrongStatus)
def void_coupon(coupon_id: str, body: CouponVoidRequest) -> Answer:
    """200; the coupon is good for nothing any more, and the audit says why."""
    caller = api.caller(OPERATOR, ADMIN)
    return reply(200, _couponing(caller, api.idempotency_key()).void(coupon_id, body.reason))


def _couponing(caller: Caller, key: str = "") -> Couponing:
    here = runtime.current()
    patience = here.patience(api.lambda_context)
    return Couponing(here.ledger, here.program, here.moment(), patience, caller.subject, caller.actor, key)


# What the routes share -----------------------------------------------------------------------------------------------


def handler(event: Mapping[str, object], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("ledger")
