"""Play: lotteries whose draws can be checked afterwards, and auctions in points.

An operator writes a lottery or an auction, a member draws and bids. Docs: docs/lottery.md, docs/auctions.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, StrictInt, StrictStr

from jifen import runtime
from jifen.domain.errors import (
    AccountFrozen,
    AuctionNotFound,
    BidTooLow,
    Fault,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    NotOpen,
    PasswordLocked,
    PasswordNotSet,
    PasswordRequired,
    PasswordTooNew,
    PasswordWrong,
    WrongStatus,
)
from jifen.domain.ids import valid_id
from jifen.domain.play_views import AuctionsView, AuctionView, BidsView, PlacedView
from jifen.domain.points import POINTS_MAX
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, STAFF, Answer, Caller, HttpApi, reply
from jifen.service.bidding import Bidding, Viewer
from jifen.service.ports import AUCTIONS, Shelf, of_member
from jifen.service.shelves import Bookmarks

api = HttpApi("play")

ANYONE = (MEMBER, SHOP, OPERATOR, ADMIN)


def _id(text: str) -> str:
    if not valid_id(text):
        message = "is not an id of 1 to 128 characters"
        raise ValueError(message)
    return text


_ID = "1 to 128 characters; no blanks at the ends, no control characters"
Id = Annotated[StrictStr, Field(min_length=1, max_length=128, description=_ID), AfterValidator(_id)]
Text = Annotated[StrictStr, Field(max_length=500)]
NAME = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
Name = Annotated[StrictStr, Field(pattern=NAME)]
Password = Annotated[StrictStr, Field(min_length=1, max_length=128, description="the points password")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ReasonRequest(_Body):
    """Why."""

    reason: Text = ""


# Lotteries -----------------------------------------------------------------------------------------------------------


# Auctions ------------------------------------------------------------------------------------------------------------


class AuctionFile(RootModel[dict[str, Any]]):
    """The auction itself; see docs/auctions.md."""


class BidRequest(_Body):
    """Bid points; they are held while the bid is the highest."""

    auction_id: Name
    points: Annotated[StrictInt, Field(ge=1, le=POINTS_MAX)]
    password: Password | None = None


class ShelfQuery(_Body):
    """A page of a list."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=512)] = None


class AuctionQuery(_Body):
    """For which member somebody else looks; a member looks for oneself."""

    member_id: Id | None = None


class AuctionsQuery(ShelfQuery, AuctionQuery):
    """A page of the auctions."""


@api.put("/v1/auctions/<auction_id>", "Write an auction", AuctionView, WrongStatus)
def write_auction(auction_id: str, body: AuctionFile) -> Answer:
    """200 with the auction; from its first instant on it cannot be changed any more."""
    caller = api.caller(OPERATOR, ADMIN)
    if not re.fullmatch(NAME, auction_id, re.ASCII):
        raise InvalidInput([Fault("id", "is not a name of 1 to 64 characters a-z, 0-9, _ . -")])
    return reply(200, _bidding(caller).write(auction_id, body.root))


@api.get("/v1/auctions", "Auctions", AuctionsView)
def auctions(query: AuctionsQuery) -> Answer:
    """A page of them, ids from z to a."""
    caller, marks = api.caller(*ANYONE), _bookmarks(AUCTIONS)
    page = _bidding(caller).auctions(_viewer(caller, query), marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


@api.get("/v1/auctions/<auction_id>", "One auction", AuctionView, AuctionNotFound)
def auction(auction_id: str, query: AuctionQuery) -> Answer:
    """Its highest bid, the least next one, and until when bids are taken."""
    caller = api.caller(*ANYONE)
    return reply(200, _bidding(caller).view(_auction(auction_id), _viewer(caller, query)))


@api.post(
    "/v1/auctions/<auction_id>/settle",
    "Settle an auction that is over",
    AuctionView,
    AuctionNotFound,
    NotOpen,
    WrongStatus,
)
def settle_auction(auction_id: str) -> Answer:
    """200 with the auction, SOLD or UNSOLD; this happens by itself as well."""
    caller = api.caller(SHOP, OPERATOR, ADMIN)
    return reply(200, _bidding(caller, api.idempotency_key()).settle(_auction(auction_id)))


@api.post("/v1/auctions/<auction_id>/cancel", "Take an auction back", AuctionView, AuctionNotFound, WrongStatus)
def cancel_auction(auction_id: str, body: ReasonRequest | None = None) -> Answer:
    """200 with the auction; the points of the highest bid are free again."""
    caller = api.caller(OPERATOR, ADMIN)
    reason = body.reason if body else ""
    return reply(200, _bidding(caller, api.idempotency_key()).cancel(_auction(auction_id), reason))


@api.post(
    "/v1/members/<member_id>/bids",
    "Bid in an auction",
    PlacedView,
    AuctionNotFound,
    NotOpen,
    BidTooLow,
    LimitReached,
    InsufficientPoints,
    AccountFrozen,
    PasswordRequired,
    PasswordWrong,
    PasswordLocked,
    PasswordNotSet,
    PasswordTooNew,
    status=201,
)
def bid(member_id: str, body: BidRequest) -> Answer:
    """201 with the bid, which is the highest now; the points of the one before are free again."""
    member, caller = api.member(member_id, MEMBER, SHOP)
    here = _bidding(caller, api.idempotency_key())
    return reply(201, here.bid(member, body.auction_id, body.points, body.password))


@api.get("/v1/members/<member_id>/bids", "A member's bids", BidsView)
def bids(member_id: str, query: ShelfQuery) -> Answer:
    """A page of them."""
    member, caller = api.member(member_id, *ANYONE)
    marks = _bookmarks(of_member("bids", member))
    page = _bidding(caller).bids_of(member, marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


def _bidding(caller: Caller, key: str = "") -> Bidding:
    here = runtime.current()
    patience = here.patience(api.lambda_context)
    return Bidding(here.ledger, here.program, here.moment(), patience, caller.subject, caller.actor, key)


def _viewer(caller: Caller, query: AuctionQuery) -> Viewer:
    staff = bool(caller.scopes & set(STAFF))
    return Viewer(query.member_id if staff else caller.member, staff)


def _auction(auction_id: str) -> str:
    if not re.fullmatch(NAME, auction_id, re.ASCII):
        raise AuctionNotFound
    return auction_id


def _bookmarks(shelf: Shelf) -> Bookmarks:
    return Bookmarks(runtime.current().settings.signing_secret.encode(), shelf)


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("ledger")
