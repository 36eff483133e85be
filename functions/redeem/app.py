"""Spending points: redemptions, restores and holds.

A member may spend from the own account; to capture, void and restore is the shop's to do, because it says what the
points were good for. Every request carries an Idempotency-Key, and the same key gets the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StrictStr

from jifen import runtime
from jifen.domain.errors import (
    AccountFrozen,
    HoldAlreadyResolved,
    HoldExpired,
    HoldNotFound,
    InsufficientPoints,
    LimitReached,
    RedemptionNotFound,
)
from jifen.domain.ids import valid_id
from jifen.domain.money import AMOUNT_MINOR_MAX, Money
from jifen.domain.program import POINTS_MAX
from jifen.domain.views import CaptureView, HoldView, RedemptionView, RestoreView, VoidView
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Caller, HttpApi, reply
from jifen.service.spending import Spending

api = HttpApi("redeem")

SPENDING = (InsufficientPoints, AccountFrozen, LimitReached)
RESOLVING = (HoldNotFound, HoldAlreadyResolved, HoldExpired)

Points = Annotated[StrictInt, Field(ge=1, le=POINTS_MAX)]


def _id(text: str) -> str:
    if not valid_id(text):
        message = "is not an id of 1 to 128 characters"
        raise ValueError(message)
    return text


_ID = "1 to 128 characters; no blanks at the ends, no control characters"
Id = Annotated[StrictStr, Field(min_length=1, max_length=128, description=_ID), AfterValidator(_id)]
Reason = Id


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class OrderTotal(_Body):
    """What the order costs before points."""

    amount_minor: Annotated[StrictInt, Field(ge=0, le=AMOUNT_MINOR_MAX)]
    currency: Annotated[StrictStr, Field(pattern=r"^[A-Z]{3}$")]


class RedemptionRequest(_Body):
    """Spend points at once."""

    points: Points
    order_id: Id | None = None
    order_total: OrderTotal | None = None
    reason: Reason | None = None


class HoldRequest(_Body):
    """Reserve points for a while."""

    points: Points
    order_id: Id | None = None
    expires_in_s: Annotated[StrictInt, Field(ge=1, le=366 * 86_400)] | None = None
    reason: Reason | None = None


class PartRequest(_Body):
    """All of it, or a part."""

    points: Points | None = None


@api.post("/v1/members/<member_id>/redemptions", "Spend points at once", RedemptionView, *SPENDING, status=201)
def redeem(member_id: str, body: RedemptionRequest) -> Answer:
    """201 with the redemption; 409 when the points or a limit do not allow it."""
    member, caller = api.member(member_id, MEMBER, SHOP, OPERATOR, ADMIN)
    asked = body.order_total
    total = Money(asked.amount_minor, asked.currency) if asked else None
    return reply(201, _spending(caller).redeem(member, body.points, body.order_id, total, body.reason))


@api.post(
    "/v1/redemptions/<redemption_id>/restore", "Give spent points back", RestoreView, RedemptionNotFound, LimitReached
)
def restore(redemption_id: str, body: PartRequest | None = None) -> Answer:
    """200 with what went back into which lots."""
    caller = api.caller(SHOP, OPERATOR, ADMIN)
    return reply(200, _spending(caller).restore(redemption_id, body.points if body else None))


@api.post("/v1/members/<member_id>/holds", "Reserve points", HoldView, *SPENDING, status=201)
def authorize(member_id: str, body: HoldRequest) -> Answer:
    """201 with the hold."""
    member, caller = api.member(member_id, MEMBER, SHOP, OPERATOR, ADMIN)
    return reply(201, _spending(caller).authorize(member, body.points, body.order_id, body.expires_in_s, body.reason))


@api.post("/v1/holds/<hold_id>/capture", "Spend a hold, in whole or in part", CaptureView, *RESOLVING)
def capture(hold_id: str, body: PartRequest | None = None) -> Answer:
    """200 with what was captured and released."""
    caller = api.caller(SHOP, OPERATOR, ADMIN)
    return reply(200, _spending(caller).capture(hold_id, body.points if body else None))


@api.post("/v1/holds/<hold_id>/void", "Give a hold back", VoidView, *RESOLVING)
def void(hold_id: str) -> Answer:
    """200 with what was released."""
    caller = api.caller(SHOP, OPERATOR, ADMIN)
    return reply(200, _spending(caller).void(hold_id))


def _spending(caller: Caller) -> Spending:
    here = runtime.current()
    patience = here.patience(api.lambda_context)
    return Spending(here.ledger, here.program, here.moment(), patience, api.idempotency_key(), caller.actor)


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("ledger")
