"""Play: lotteries whose draws can be checked afterwards, and auctions in points.

An operator writes a lottery or an auction, a member draws and bids. Docs: docs/lottery.md, docs/auctions.md.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, StrictInt, StrictStr

from jifen import runtime
from jifen.domain.errors import (
    AccountFrozen,
    AuctionNotFound,
    BidTooLow,
    DrawNotFound,
    Fault,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    LintBlocks,
    LotteryNotFound,
    NotOpen,
    PasswordLocked,
    PasswordNotSet,
    PasswordRequired,
    PasswordTooNew,
    PasswordWrong,
    WrongStatus,
)
from jifen.domain.ids import parse_document_id, valid_id
from jifen.domain.play_views import (
    AuctionsView,
    AuctionView,
    BidsView,
    DrawnView,
    DrawsView,
    DrawView,
    LotteriesView,
    LotteryWhole,
    LotteryWritten,
    PlacedView,
)
from jifen.domain.points import POINTS_MAX
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, STAFF, Answer, Caller, HttpApi, reply
from jifen.service.bidding import Bidding, Viewer
from jifen.service.drawing import Drawing
from jifen.service.lotteries import Lotteries
from jifen.service.ports import AUCTIONS, LOTTERIES, Shelf, of_member
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


def _seed(text: str) -> str:
    if text and not valid_id(text):
        message = "has a blank at an end or a control character"
        raise ValueError(message)
    return text


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ReasonRequest(_Body):
    """Why."""

    reason: Text = ""


# Lotteries -----------------------------------------------------------------------------------------------------------


SECRET_BYTES = 32

DRAWING = (
    LotteryNotFound,
    NotOpen,
    AccountFrozen,
    LimitReached,
    InsufficientPoints,
    PasswordRequired,
    PasswordWrong,
    PasswordLocked,
    PasswordNotSet,
    PasswordTooNew,
)

Seed = Annotated[StrictStr, Field(max_length=64, description="any text of the member's own"), AfterValidator(_seed)]
Override = Annotated[str, Field(min_length=1, max_length=500, description="Why in spite of what its prizes are worth")]


class LotteryFile(RootModel[dict[str, Any]]):
    """The lottery itself; see docs/lottery.md."""


class LotteryQuery(BaseModel):
    """Why it is written; ``override`` is an administrator's."""

    reason: Annotated[str, Field(max_length=500)] = ""
    override: Override | None = None


class DrawRequest(_Body):
    """Draw once; ``client_seed`` is mixed into the number."""

    lottery_id: Name
    client_seed: Seed = ""
    password: Password | None = None


class PageQuery(_Body):
    """A page of a list."""

    limit: Annotated[int, Field(ge=1, le=20)] = 20
    cursor: Annotated[str | None, Field(max_length=512)] = None


@api.put("/v1/lotteries/<lottery_id>", "Write a lottery", LotteryWritten, LintBlocks, WrongStatus)
def write_lottery(lottery_id: str, body: LotteryFile, query: LotteryQuery) -> Answer:
    """200 with the lottery and its commitment; from ten minutes before its first day on nothing of it changes."""
    caller = api.caller(*((ADMIN,) if query.override else (OPERATOR, ADMIN)))
    if not re.fullmatch(NAME, lottery_id, re.ASCII):
        raise InvalidInput([Fault("id", "is not a name of 1 to 64 characters a-z, 0-9, _ . -")])
    written = _lotteries(caller).write(
        lottery_id, body.root, lambda: secrets.token_bytes(SECRET_BYTES), query.reason, query.override
    )
    return reply(200, written)


@api.get("/v1/lotteries", "Lotteries", LotteriesView)
def lotteries(query: PageQuery) -> Answer:
    """A page of them, ids from z to a, with odds, what is left of each prize, and the latest secret that is out."""
    caller, marks = api.caller(*ANYONE), _bookmarks(LOTTERIES)
    page = _lotteries(caller).page(marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


@api.get("/v1/lotteries/<lottery_id>", "One lottery", LotteryWhole, LotteryNotFound)
def lottery(lottery_id: str) -> Answer:
    """Its terms as they were written, and the secrets of all days that are over."""
    return reply(200, _lotteries(api.caller(*ANYONE)).view(_lottery(lottery_id)))


@api.post("/v1/lotteries/<lottery_id>/pause", "Pause a lottery", LotteryWhole, LotteryNotFound, WrongStatus)
def pause_lottery(lottery_id: str, body: ReasonRequest | None = None) -> Answer:
    """200 with the lottery; nobody draws until it is resumed, and its days go on."""
    return _stepped(lottery_id, "pause", body)


@api.post(
    "/v1/lotteries/<lottery_id>/resume", "Go on with a paused lottery", LotteryWhole, LotteryNotFound, WrongStatus
)
def resume_lottery(lottery_id: str, body: ReasonRequest | None = None) -> Answer:
    """200 with the lottery."""
    return _stepped(lottery_id, "resume", body)


@api.post("/v1/lotteries/<lottery_id>/cancel", "End a lottery", LotteryWhole, LotteryNotFound, WrongStatus)
def cancel_lottery(lottery_id: str, body: ReasonRequest | None = None) -> Answer:
    """200 with the lottery; every secret is shown once this day is over. What was won stays won."""
    return _stepped(lottery_id, "cancel", body)


@api.post("/v1/members/<member_id>/draws", "Draw in a lottery", DrawnView, *DRAWING, status=201)
def draw(member_id: str, body: DrawRequest) -> Answer:
    """201 with the receipt: the number, the prize or what took its place, and what is left."""
    member, caller = api.member(member_id, MEMBER, SHOP)
    here = _drawing(caller, api.idempotency_key())
    return reply(201, here.draw(member, body.lottery_id, body.client_seed, body.password))


@api.get("/v1/members/<member_id>/draws", "A member's draws", DrawsView)
def draws(member_id: str, query: PageQuery) -> Answer:
    """A page of them."""
    member, caller = api.member(member_id, *ANYONE)
    marks = _bookmarks(of_member("draws", member))
    page = _drawing(caller).draws_of(member, marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


@api.get("/v1/draws/<draw_id>", "One draw", DrawView, DrawNotFound)
def one_draw(draw_id: str) -> Answer:
    """The receipt, with the secret of its day once that is over."""
    caller = api.caller(*ANYONE)
    found = parse_document_id(draw_id)
    if found is None or found.prefix != "dw":
        raise DrawNotFound
    api.member(quote(found.member, safe=""), *ANYONE)
    return reply(200, _drawing(caller).view(draw_id))


def _stepped(lottery_id: str, step: str, body: ReasonRequest | None) -> Answer:
    caller = api.caller(OPERATOR, ADMIN)
    here = _lotteries(caller, api.idempotency_key())
    return reply(200, here.step(_lottery(lottery_id), step, body.reason if body else ""))


def _lotteries(caller: Caller, key: str = "") -> Lotteries:
    here = runtime.current()
    patience = here.patience(api.lambda_context)
    return Lotteries(here.ledger, here.program, here.moment(), patience, caller.subject, caller.actor, key)


def _drawing(caller: Caller, key: str = "") -> Drawing:
    here = runtime.current()
    patience = here.patience(api.lambda_context)
    return Drawing(here.ledger, here.program, here.moment(), patience, caller.subject, caller.actor, key)


def _lottery(lottery_id: str) -> str:
    if not re.fullmatch(NAME, lottery_id, re.ASCII):
        raise LotteryNotFound
    return lottery_id


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


runtime.prepare("mall")
