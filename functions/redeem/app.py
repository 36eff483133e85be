"""Spending points: redemptions, restores and holds, transfers to a friend, and the points password.

A member may spend from the own account; to capture, void and restore is the shop's to do, because it says what the
points were good for. Every request that changes something carries an Idempotency-Key, and the same key gets the same
answer; a quote changes nothing and carries none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from jifen import runtime
from jifen.domain.checkout import Basket, Item
from jifen.domain.debits import FREE, Guard
from jifen.domain.errors import (
    AccountFrozen,
    Fault,
    Forbidden,
    HoldAlreadyResolved,
    HoldExpired,
    HoldNotFound,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    NotOffered,
    OrderCancelled,
    PasswordLocked,
    PasswordNotSet,
    PasswordRequired,
    PasswordTooNew,
    PasswordWrong,
    RecipientUnavailable,
    RedemptionNotFound,
    TransferFinal,
    TransferNotFound,
    WrongStatus,
)
from jifen.domain.ids import valid_id
from jifen.domain.money import AMOUNT_MINOR_MAX, Money
from jifen.domain.orders import LINES_MAX, Line, LineKind
from jifen.domain.program import POINTS_MAX
from jifen.domain.views import (
    CaptureView,
    HoldView,
    PointsPasswordView,
    QuoteView,
    RedemptionView,
    RestoreView,
    TransferCanceledView,
    TransferDetailView,
    TransfersView,
    TransferView,
    VoidView,
)
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, STAFF, Answer, Caller, HttpApi, reply
from jifen.service.spending import Paying, Spending

if TYPE_CHECKING:
    from jifen.service.guarding import Passwords

api = HttpApi("redeem")

ORDER_BYTES_MAX = 3_000_000
"""An order of as many lines as the webhook takes."""

TRIED = (PasswordWrong, PasswordLocked)
PASSWORD = (PasswordRequired, PasswordNotSet, PasswordTooNew, *TRIED)
SPENDING = (InsufficientPoints, AccountFrozen, LimitReached, *PASSWORD)
RESOLVING = (HoldNotFound, HoldAlreadyResolved, HoldExpired)
ANYONE = (MEMBER, SHOP, OPERATOR, ADMIN)

Points = Annotated[StrictInt, Field(ge=1, le=POINTS_MAX)]


def _id(text: str) -> str:
    if not valid_id(text):
        message = "is not an id of 1 to 128 characters"
        raise ValueError(message)
    return text


_ID = "1 to 128 characters; no blanks at the ends, no control characters"
Id = Annotated[StrictStr, Field(min_length=1, max_length=128, description=_ID), AfterValidator(_id)]
Reason = Id
Amount = Annotated[StrictInt, Field(ge=0, le=AMOUNT_MINOR_MAX)]
Currency = Annotated[StrictStr, Field(pattern=r"^[A-Z]{3}$")]
Text = Annotated[StrictStr, Field(max_length=256)]
Source = Literal["standard", "shopify", "woocommerce"]
"""The shops whose orders are heard of: points used on an order of any other would never go back with it."""
Password = Annotated[StrictStr, Field(min_length=1, max_length=128)]


class _Body(BaseModel):
    # Made ready when it is first asked for; what most requests are is made ready while the process starts.
    model_config = ConfigDict(extra="ignore", defer_build=True)


_AT_ONCE = ConfigDict(defer_build=False)


class MoneyAsked(_Body):
    """An amount of money."""

    model_config = _AT_ONCE

    amount_minor: Annotated[StrictInt, Field(ge=0, le=AMOUNT_MINOR_MAX)]
    currency: Currency


class OrderTotal(MoneyAsked):
    """What the order costs before points."""


class OrderLine(_Body):
    """A line of the order, as an ``order.paid`` has it: ``line_total_minor``, else ``qty`` x ``unit_price_minor``."""

    model_config = _AT_ONCE

    n: Annotated[StrictInt, Field(ge=0, le=10**9, description="its place among the lines unless said")] | None = None
    sku: Text | None = None
    qty: Annotated[StrictInt, Field(ge=0, le=10**9)] | None = None
    unit_price_minor: Amount | None = None
    line_total_minor: Amount | None = None
    category: Text | None = None
    kind: Annotated[LineKind | None, Field(description="goods unless said")] = None
    tax_minor: Amount | None = None

    @property
    def amount_minor(self) -> int:
        """For all its pieces together; -1 where neither is named."""
        if self.line_total_minor is not None:
            return self.line_total_minor
        return -1 if self.qty is None or self.unit_price_minor is None else self.qty * self.unit_price_minor

    @property
    def price_minor(self) -> Fraction:
        """Of one piece."""
        if self.unit_price_minor is not None:
            return Fraction(self.unit_price_minor)
        return Fraction(self.amount_minor, self.qty or 1)

    @model_validator(mode="after")
    def believable(self) -> OrderLine:
        """See that there is an amount, and that its tax is no more."""
        if self.amount_minor < 0:
            message = "needs line_total_minor, or qty and unit_price_minor"
            raise ValueError(message)
        if self.amount_minor > AMOUNT_MINOR_MAX:
            message = "qty times unit_price_minor is more than any shop sells"
            raise ValueError(message)
        if (self.tax_minor or 0) > self.amount_minor:
            message = "tax_minor is more than the line that contains it"
            raise ValueError(message)
        return self

    def item(self, place: int) -> Item:
        """The line, which is at this place among the others."""
        number = place if self.n is None else self.n
        tax, category = self.tax_minor or 0, self.category or None
        line = Line(number, self.sku or "", self.amount_minor, self.kind or LineKind.GOODS, category, tax)
        return Item(line, self.price_minor)


class OrderAsked(_Body):
    """The order that points are to pay for, with the lines that its ``order.paid`` will have."""

    model_config = _AT_ONCE

    currency: Annotated[Currency | None, Field(description="the program's unless said")] = None
    lines: Annotated[list[OrderLine], Field(max_length=LINES_MAX)]

    @model_validator(mode="after")
    def believable(self) -> OrderAsked:
        """See that lines can be told apart, and that their sum can be."""
        numbers = {place if one.n is None else one.n for place, one in enumerate(self.lines, 1)}
        if len(numbers) < len(self.lines):
            message = "two lines have the same n"
            raise ValueError(message)
        if sum(one.amount_minor for one in self.lines) > AMOUNT_MINOR_MAX:
            message = "the lines add up to more than any shop sells"
            raise ValueError(message)
        return self

    def basket(self) -> Basket:
        """The lines, in a currency.

        Raises:
            InvalidInput: neither the order nor the program names one.
        """
        currency = self.currency or runtime.current().program.currency
        if currency is None:
            raise InvalidInput([Fault("order.currency", "is missing")])
        return Basket(currency, tuple(one.item(place) for place, one in enumerate(self.lines, 1)))


class _Spend(_Body):
    points: Points
    up_to: Annotated[StrictBool, Field(description="as many points as can be used, at most points")] = False
    order_id: Id | None = None
    source: Annotated[Source, Field(description="the shop of the order")] = "standard"
    order_total: OrderTotal | None = None
    order: OrderAsked | None = None
    reason: Reason | None = None
    password: Annotated[Password | None, Field(description="the member's points password")] = None

    def total(self) -> Money | None:
        """What the order costs before points, where that is said."""
        return Money(self.order_total.amount_minor, self.order_total.currency) if self.order_total else None

    def paying(self, guard: Callable[[], Guard]) -> Paying:
        """How points are to pay."""
        return Paying(self.order.basket() if self.order else None, self.up_to, self.source, guard)


class RedemptionRequest(_Spend):
    """Spend points at once."""

    model_config = _AT_ONCE


class HoldRequest(_Spend):
    """Reserve points for a while."""

    model_config = _AT_ONCE

    expires_in_s: Annotated[StrictInt, Field(ge=1, le=366 * 86_400)] | None = None


class QuoteRequest(_Body):
    """What an order will earn, and how many points can pay for it."""

    member_id: Id
    order: OrderAsked
    order_id: Annotated[Id | None, Field(description="so that points which pay a part of it already count")] = None
    source: Source = "standard"
    order_total: OrderTotal | None = None
    discount: Annotated[MoneyAsked | None, Field(description="a discount that is wanted")] = None


class PartRequest(_Body):
    """All of it, or a part."""

    model_config = _AT_ONCE

    points: Points | None = None


@api.post("/v1/quotes", "What an order earns and can use", QuoteView, bytes_max=ORDER_BYTES_MAX, keyed=False)
def quote(body: QuoteRequest) -> Answer:
    """200; nothing is written, and nothing is promised: what is asked for next is decided by what is true then."""
    # What tries orders imports all that earns, which no other route needs.
    from jifen.service import quoting  # noqa: PLC0415

    api.reaching(body.member_id, api.caller(MEMBER, SHOP, OPERATOR, ADMIN))
    here, total, wanted = runtime.current(), body.order_total, body.discount
    asking = quoting.Asking(
        body.member_id,
        body.order.basket(),
        Money(total.amount_minor, total.currency) if total else None,
        Money(wanted.amount_minor, wanted.currency) if wanted else None,
        body.source,
        body.order_id,
    )
    return reply(200, quoting.quote(here.ledger, here.program, here.moment(), asking))


@api.post(
    "/v1/members/<member_id>/redemptions",
    "Spend points at once",
    RedemptionView,
    *SPENDING,
    OrderCancelled,
    status=201,
    bytes_max=ORDER_BYTES_MAX,
)
def redeem(member_id: str, body: RedemptionRequest) -> Answer:
    """201 with the redemption; 409 when the points or a limit do not allow it."""
    member, caller = api.member(member_id, MEMBER, SHOP, OPERATOR, ADMIN)
    desk = _spending(caller)
    paying = body.paying(_guard(member, caller, body.password))
    return reply(201, desk.redeem(member, body.points, body.order_id, body.total(), body.reason, paying))


@api.post(
    "/v1/redemptions/<redemption_id>/restore", "Give spent points back", RestoreView, RedemptionNotFound, LimitReached
)
def restore(redemption_id: str, body: PartRequest | None = None) -> Answer:
    """200 with what went back into which lots."""
    caller = api.caller(SHOP, OPERATOR, ADMIN)
    return reply(200, _spending(caller).restore(redemption_id, body.points if body else None))


@api.post(
    "/v1/members/<member_id>/holds",
    "Reserve points",
    HoldView,
    *SPENDING,
    OrderCancelled,
    status=201,
    bytes_max=ORDER_BYTES_MAX,
)
def authorize(member_id: str, body: HoldRequest) -> Answer:
    """201 with the hold."""
    member, caller = api.member(member_id, MEMBER, SHOP, OPERATOR, ADMIN)
    desk = _spending(caller)
    paying = body.paying(_guard(member, caller, body.password))
    answered = desk.authorize(member, body.points, body.order_id, body.expires_in_s, body.reason, body.total(), paying)
    return reply(201, answered)


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


def _guard(member: str, caller: Caller, password: str | None) -> Callable[[], Guard]:
    """What allows spending above the limit of the points password; an operator needs none."""
    here = runtime.current()
    if here.program.security.password_above is None:
        return lambda: FREE
    from jifen.service.guarding import guard_when_asked  # noqa: PLC0415 - most programs ask for no password

    patience, exempt = here.patience(api.lambda_context), bool(caller.scopes & {OPERATOR, ADMIN})
    return guard_when_asked(here.ledger, here.program, here.moment(), patience, member, password, exempt=exempt)


# Transfers -----------------------------------------------------------------------------------------------------------


class TransferRequest(_Body):
    """Give points to another member."""

    to: Id
    points: Points
    note: Reason | None = None
    password: Password | None = None


class TransfersQuery(_Body):
    """Where to go on."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=1_000)] = None


@api.post(
    "/v1/members/<member_id>/transfers",
    "Give points to another member",
    TransferView,
    *SPENDING,
    NotOffered,
    RecipientUnavailable,
    status=201,
)
def send_transfer(member_id: str, body: TransferRequest) -> Answer:
    """201 with the transfer; 409 when the points, a limit or the receiver do not allow it."""
    from jifen.service.guarding import guard_when_asked  # noqa: PLC0415 - redemptions do not pay for it
    from jifen.service.transferring import Transferring  # noqa: PLC0415 - redemptions do not pay for it

    member, caller = api.member(member_id, *ANYONE)
    here, key = runtime.current(), api.idempotency_key()
    program, moment, patience = here.program, here.moment(), here.patience(api.lambda_context)
    guard = guard_when_asked(
        here.ledger, program, moment, patience, member, body.password, exempt=bool(caller.scopes & {OPERATOR, ADMIN})
    )
    desk = Transferring(here.ledger, program, moment, patience, caller.subject, caller.actor, key)
    return reply(201, desk.send(member, body.to, body.points, body.note or "", guard))


@api.get("/v1/members/<member_id>/transfers", "What a member gave to others", TransfersView)
def sent_transfers(member_id: str, query: TransfersQuery) -> Answer:
    """A page of transfers, in no order; the entries of kind transfer_out are in the order in which they were made."""
    from jifen.service.ports import of_member  # noqa: PLC0415 - redemptions do not pay for it
    from jifen.service.shelves import Bookmarks  # noqa: PLC0415 - redemptions do not pay for it
    from jifen.service.transferring import transfers_page  # noqa: PLC0415 - redemptions do not pay for it

    member, _ = api.member(member_id, *ANYONE)
    here = runtime.current()
    marks = Bookmarks(here.settings.signing_secret.encode(), of_member("transfers", member))
    page = transfers_page(here.ledger, member, marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


@api.get("/v1/transfers/<transfer_id>", "One transfer", TransferDetailView, TransferNotFound)
def transfer(transfer_id: str) -> Answer:
    """What was given to whom; a member sees only transfers that the member made or was given."""
    from jifen.service.transferring import detail, known  # noqa: PLC0415 - redemptions do not pay for it

    caller = api.caller(*ANYONE)
    found = known(runtime.current().ledger, transfer_id)
    if not caller.scopes & set(STAFF) and caller.member not in {found.member, found.to}:
        raise TransferNotFound
    return reply(200, detail(found))


@api.post(
    "/v1/transfers/<transfer_id>/cancel",
    "Take a transfer back",
    TransferCanceledView,
    TransferNotFound,
    TransferFinal,
    WrongStatus,
    AccountFrozen,
)
def cancel_transfer(transfer_id: str) -> Answer:
    """200 with the points back in the sender's lots; possible while the receiver cannot use them yet."""
    from jifen.service.transferring import Transferring, sender_of  # noqa: PLC0415 - redemptions do not pay for it

    caller = api.caller(*ANYONE)
    if sender_of(transfer_id) != caller.member and not caller.scopes & set(STAFF):
        raise Forbidden(needs=sorted(STAFF))
    here, key = runtime.current(), api.idempotency_key()
    patience = here.patience(api.lambda_context)
    desk = Transferring(here.ledger, here.program, here.moment(), patience, caller.subject, caller.actor, key)
    return reply(200, desk.cancel(transfer_id))


# The points password -------------------------------------------------------------------------------------------------


class PasswordRequest(_Body):
    """A new points password, and the one before where there is one."""

    password: Password
    current: Password | None = None


class ResetRequest(_Body):
    """Why."""

    reason: Reason


@api.get("/v1/members/<member_id>/points-password", "Whether there is a points password", PointsPasswordView)
def points_password(member_id: str) -> Answer:
    """Whether one is set, since when, and until when it is locked."""
    member, caller = api.member(member_id, *ANYONE)
    return reply(200, _passwords(caller).view(member))


@api.put("/v1/members/<member_id>/points-password", "Set the points password", PointsPasswordView, *TRIED)
def set_points_password(member_id: str, body: PasswordRequest) -> Answer:
    """200; where one is set it takes ``current`` to change it, and a wrong one is a try. An operator needs none."""
    import os  # noqa: PLC0415 - redemptions do not pay for it
    from functools import partial  # noqa: PLC0415 - redemptions do not pay for it

    member, caller = api.member(member_id, *ANYONE)
    exempt, waits = bool(caller.scopes & {OPERATOR, ADMIN}), not caller.scopes & set(STAFF)
    salt = partial(os.urandom, 16)
    desk = _passwords(caller)
    return reply(200, desk.change(member, body.password, body.current, salt, exempt=exempt, waits=waits))


@api.post("/v1/members/<member_id>/points-password/reset", "Take the points password away", PointsPasswordView)
def reset_points_password(member_id: str, body: ResetRequest) -> Answer:
    """200; the member sets another one. The audit says who did it and why."""
    member, caller = api.member(member_id, OPERATOR, ADMIN)
    return reply(200, _passwords(caller, api.idempotency_key()).reset(member, body.reason))


def _passwords(caller: Caller, key: str = "") -> Passwords:
    from jifen.service.guarding import Passwords  # noqa: PLC0415 - redemptions do not pay for it

    here = runtime.current()
    patience = here.patience(api.lambda_context)
    return Passwords(here.ledger, here.program, here.moment(), patience, caller.subject, caller.actor, key)


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("ledger")
