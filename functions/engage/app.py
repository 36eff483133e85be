"""What members do besides buying: behaviour events, check-ins, tasks, tier, profile, and the reviews of operators.

The shop's server says what happened (`POST /v1/events`). A member checks in for oneself; what needs a judgement waits
until an operator approves or rejects it. Docs: docs/events.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    WrapValidator,
)

from jifen import runtime
from jifen.domain.calendar import parse_instant
from jifen.domain.engage_views import (
    ActivityView,
    CheckInsView,
    CheckInView,
    EventView,
    MadeUpView,
    ProfileView,
    TasksView,
)
from jifen.domain.errors import (
    AccountFrozen,
    Fault,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    NothingToMakeUp,
    ReviewNotFound,
    WrongStatus,
)
from jifen.domain.events import BehaviourEvent
from jifen.domain.ids import valid_id
from jifen.domain.member_views import TierView
from jifen.domain.points import POINTS_MAX
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Caller, HttpApi, reply
from jifen.service import being
from jifen.service.behaving import Behaving

ANYONE = (MEMBER, SHOP, OPERATOR, ADMIN)

AHEAD = timedelta(hours=24)
"""How far a sender's clock may be ahead, as for orders."""

OUR_OWN = ("check-in:", "make-up:")
"""Ids of events that begin so are those of check-ins; the shop's own begin otherwise."""

NUMBER_MAX = 10**12

api = HttpApi("engage")


def _id(text: str) -> str:
    if not valid_id(text):
        message = "is not an id of 1 to 128 characters"
        raise ValueError(message)
    return text


def _text(text: str) -> str:
    if not valid_id(text):
        message = "has a blank at an end or a control character"
        raise ValueError(message)
    return text


def _one_of_all(value: object, kinds: Callable[[object], bool | int | str]) -> bool | int | str:
    """A value of one of these kinds: one fault for one that is of none, and not one for each."""
    try:
        return kinds(value)
    except ValidationError:
        message = "is not a whole number up to 10^12, a text of 1 to 128 characters, true or false"
        raise ValueError(message) from None


def _event_id(text: str) -> str:
    if text.startswith(OUR_OWN):
        message = f"begins with {' or '.join(OUR_OWN)}, as only ids of our own do"
        raise ValueError(message)
    return _id(text)


def _type(text: str) -> str:
    if text.startswith("order."):
        message = "is an order's: orders come in by webhook"
        raise ValueError(message)
    return text


def _instant(text: str) -> str:
    try:
        found = parse_instant(text)
    except ValueError:
        message = "is not an RFC 3339 instant with an offset, from 1970 on: 2026-11-22T09:30:00+08:00"
        raise ValueError(message) from None
    if found > runtime.current().clock() + AHEAD:
        message = "lies more than a day in the future"
        raise ValueError(message)
    return text


def _birthday(text: str) -> str:
    try:
        date.fromisoformat(f"2000-{text}")
    except ValueError:
        message = "is not a day of the year such as 05-01"
        raise ValueError(message) from None
    return text


_ID = "1 to 128 characters; no blanks at the ends, no control characters"
_TEXT = Field(min_length=1, max_length=128, description=_ID)
Id = Annotated[StrictStr, _TEXT, AfterValidator(_id)]
EventId = Annotated[StrictStr, _TEXT, AfterValidator(_event_id)]
EventType = Annotated[StrictStr, Field(max_length=64, pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$"), AfterValidator(_type)]
OccurredAt = Annotated[StrictStr, Field(max_length=40, description="an instant (RFC 3339)"), AfterValidator(_instant)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Text = Annotated[StrictStr, _TEXT, AfterValidator(_text)]
Number = Annotated[StrictInt, Field(ge=-NUMBER_MAX, le=NUMBER_MAX)]
Value = Annotated[StrictBool | Number | Text, WrapValidator(_one_of_all)]
Tag = Annotated[StrictStr, Field(min_length=1, max_length=64), AfterValidator(_text)]
Day = Annotated[StrictStr, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="a day of the program's time zone")]
MonthDay = Annotated[StrictStr, Field(pattern=r"^\d{2}-\d{2}$"), AfterValidator(_birthday)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class EventRequest(_Body):
    """Something a member did; ``data`` is whole numbers, texts and booleans by name."""

    type: EventType
    event_id: EventId
    member_id: Id
    occurred_at: OccurredAt
    data: Annotated[dict[Name, Value], Field(max_length=20)] = {}


class DayRequest(_Body):
    """A day; without one, the day that is meant."""

    day: Day | None = None


class ActivityRequest(_Body):
    """What the member did."""

    kind: Literal["login"]


class ProfileRequest(_Body):
    """All that the shop says of the member: what is left out is taken away."""

    birthday: MonthDay | None = None
    region: Tag | None = None
    tags: Annotated[list[Tag], Field(max_length=20)] = []


class ApprovalRequest(_Body):
    """Why, and other points than those proposed."""

    reason: Id
    points: Annotated[StrictInt, Field(ge=1, le=POINTS_MAX)] | None = None


class RejectionRequest(_Body):
    """Why."""

    reason: Id


@api.post("/v1/events", "Say what a member did", EventView)
def take(body: EventRequest) -> Answer:
    """200 with the points given, or the reason for none; the same event again gets the same answer."""
    caller = api.caller(SHOP)
    at = parse_instant(body.occurred_at)
    happened = BehaviourEvent(body.type, body.event_id, body.member_id, at, body.data)
    return reply(200, _behaving(caller, api.idempotency_key()).take(happened))


@api.post("/v1/members/<member_id>/check-ins", "Check in for today", CheckInView)
def check_in(member_id: str, body: DayRequest | None = None) -> Answer:
    """200 with the run and the points; a second check-in on one day gives none."""
    member, caller = api.member(member_id, *ANYONE)
    return reply(200, _behaving(caller, api.idempotency_key()).check_in(member, _day(body)))


@api.post(
    "/v1/members/<member_id>/check-ins/make-up",
    "Make up for a missed day",
    MadeUpView,
    NothingToMakeUp,
    InsufficientPoints,
    AccountFrozen,
    LimitReached,
)
def make_up(member_id: str, body: DayRequest | None = None) -> Answer:
    """200 with the longer run, its cost and what it gave; without a day, the last one that was missed."""
    member, caller = api.member(member_id, *ANYONE)
    return reply(200, _behaving(caller, api.idempotency_key()).make_up(member, _day(body)))


@api.put("/v1/members/<member_id>/activity", "Say that the member was here", ActivityView)
def activity(member_id: str, body: ActivityRequest) -> Answer:
    """200; the first of a local day is written down, what comes after it changes nothing."""
    member, _ = api.member(member_id, *ANYONE)
    here = runtime.current()
    patience = here.patience(api.lambda_context)
    return reply(200, being.was_here(here.ledger, here.moment(), patience, member, body.kind))


@api.get("/v1/members/<member_id>/check-ins", "Check-ins: run, days, marks ahead, making up", CheckInsView)
def check_ins(member_id: str) -> Answer:
    """The run that is alive and what lies ahead of it."""
    member, caller = api.member(member_id, *ANYONE)
    return reply(200, _behaving(caller).check_ins(member))


@api.get("/v1/members/<member_id>/tasks", "Tasks and their progress", TasksView)
def tasks(member_id: str) -> Answer:
    """Every task of the program, those of orders too."""
    member, caller = api.member(member_id, *ANYONE)
    return reply(200, _behaving(caller).tasks(member))


@api.get("/v1/members/<member_id>/tier", "Tier: level, progress, benefits", TierView)
def tier(member_id: str) -> Answer:
    """The level, the way to the next one and what keeps it; empty in a program without tiers."""
    member, caller = api.member(member_id, *ANYONE)
    return reply(200, _behaving(caller).tier(member))


@api.get("/v1/members/<member_id>/profile", "What the shop says of the member", ProfileView)
def profile(member_id: str) -> Answer:
    """Birthday, region and tags."""
    member, caller = api.member(member_id, *ANYONE)
    return reply(200, _behaving(caller).profile(member))


@api.put("/v1/members/<member_id>/profile", "Say birthday, region and tags", ProfileView)
def set_profile(member_id: str, body: ProfileRequest) -> Answer:
    """Keep them in place of what was said before; a changed birthday counts a year later."""
    member, caller = api.member(member_id, SHOP, OPERATOR, ADMIN)
    return reply(200, _behaving(caller).set_profile(member, body.birthday or "", body.region or "", body.tags))


@api.post(
    "/v1/reviews/<member_id>/<event_id>/approve",
    "Give the points that an event waits with",
    EventView,
    ReviewNotFound,
    WrongStatus,
    LimitReached,
)
def approve(member_id: str, event_id: str, body: ApprovalRequest) -> Answer:
    """200 with what was given; limits are those of the day of the approval."""
    member, caller = api.member(member_id, OPERATOR, ADMIN)
    here = _behaving(caller, api.idempotency_key())
    return reply(200, here.approve(member, unquote(event_id), body.points, body.reason))


@api.post(
    "/v1/reviews/<member_id>/<event_id>/reject",
    "Give nothing for an event that waits",
    EventView,
    ReviewNotFound,
    WrongStatus,
)
def reject(member_id: str, event_id: str, body: RejectionRequest) -> Answer:
    """200; a rejection is final."""
    member, caller = api.member(member_id, OPERATOR, ADMIN)
    return reply(200, _behaving(caller, api.idempotency_key()).reject(member, unquote(event_id), body.reason))


def _day(body: DayRequest | None) -> date | None:
    """The day of a request.

    Raises:
        InvalidInput: the calendar has no such day.
    """
    if body is None or body.day is None:
        return None
    try:
        return date.fromisoformat(body.day)
    except ValueError:
        raise InvalidInput([Fault("day", "is not a day such as 2026-11-26")]) from None


def _behaving(caller: Caller, key: str = "") -> Behaving:
    here = runtime.current()
    program, moment = here.program, here.moment()
    patience = here.patience(api.lambda_context)
    return Behaving(here.ledger, program, moment, patience, caller.subject, caller.actor, key)


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("ledger")
