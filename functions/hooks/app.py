"""Endpoints of the shop, to which events are sent as signed webhooks: kept, tried, replayed, with their log.

Where events go, and the secret they are signed with, is an administrator's: whoever sets an address sees what every
member does. An operator looks, tries, and sets going what has stopped. Docs: docs/webhooks-out.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from jifen import runtime
from jifen.domain.calendar import parse_instant
from jifen.domain.endpoints import DeliveryStatus, day_of
from jifen.domain.errors import (
    EndpointExists,
    EndpointNotFound,
    Fault,
    InvalidInput,
    LimitReached,
    NotOffered,
    WrongStatus,
)
from jifen.domain.hook_views import (
    DeliveriesView,
    EndpointsView,
    EndpointView,
    EndpointWritten,
    PingView,
    ReplayView,
)
from jifen.http import ADMIN, OPERATOR, Answer, HttpApi, reply
from jifen.service.delivering import Delivering
from jifen.service.hooking import Hooks, Terms
from jifen.service.life_shelves import deliveries_of
from jifen.service.shelves import Bookmarks

api = HttpApi("hooks")

Text = Annotated[StrictStr, Field(max_length=500)]
Types = Annotated[list[Annotated[StrictStr, Field(min_length=1, max_length=64)]], Field(max_length=50)]
Url = Annotated[StrictStr, Field(min_length=1, max_length=1_000)]
Instant = Annotated[StrictStr, Field(max_length=40)]

_DAY = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EndpointRequest(_Body):
    """What is said of an endpoint; ``types`` are types of events, or beginnings of them with a ``*``; none is all."""

    url: Url
    types: Types = []
    description: Text = ""
    reason: Text = ""

    def terms(self) -> Terms:
        """Without the reason."""
        return Terms(self.url, tuple(dict.fromkeys(self.types)), self.description)


class NewEndpointRequest(EndpointRequest):
    """An endpoint and its id."""

    id: Annotated[StrictStr, Field(min_length=1, max_length=40)]


class ReasonRequest(_Body):
    """Why."""

    reason: Text = ""


class EnableRequest(ReasonRequest):
    """Why; without ``catch_up`` what was not sent meanwhile is not sent by itself."""

    catch_up: StrictBool = True


class ReplayRequest(_Body):
    """Events that happened from ``from`` on and before ``to`` (left out: now), of some ``types`` (none: all)."""

    since: Annotated[Instant, Field(alias="from")]
    until: Annotated[Instant | None, Field(alias="to")] = None
    types: Types = []


class DeliveriesQuery(BaseModel):
    """Which day, in UTC (left out: today), which status, and where to go on."""

    day: Annotated[str | None, Field(pattern=_DAY)] = None
    status: DeliveryStatus | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Annotated[str | None, Field(max_length=1_000)] = None


@api.post(
    "/v1/webhook-endpoints",
    "Send events to an address of the shop",
    EndpointWritten,
    EndpointExists,
    LimitReached,
    NotOffered,
    status=201,
)
def create(body: NewEndpointRequest) -> Answer:
    """201 with the endpoint and its secret, which is shown this once."""
    here = _hooks(ADMIN, keyed=True, naming=True)
    return reply(201, here.create(body.id, body.terms(), runtime.current().random))


@api.get("/v1/webhook-endpoints", "Endpoints that events are sent to", EndpointsView)
def endpoints() -> Answer:
    """Every endpoint, without its secrets."""
    return reply(200, _hooks(OPERATOR, ADMIN).endpoints())


@api.get("/v1/webhook-endpoints/<endpoint_id>", "One endpoint", EndpointView, EndpointNotFound)
def endpoint(endpoint_id: str) -> Answer:
    """Its address, its types, and whether it is failing."""
    return reply(200, _hooks(OPERATOR, ADMIN).endpoint(endpoint_id))


@api.put("/v1/webhook-endpoints/<endpoint_id>", "Change an endpoint", EndpointView, EndpointNotFound)
def change(endpoint_id: str, body: EndpointRequest) -> Answer:
    """Replace its address, types and description; the secret stays."""
    return reply(200, _hooks(ADMIN, naming=True).change(endpoint_id, body.terms(), body.reason))


@api.post("/v1/webhook-endpoints/<endpoint_id>/delete", "Delete an endpoint", EndpointView, EndpointNotFound)
def delete(endpoint_id: str, body: ReasonRequest | None = None) -> Answer:
    """200; nothing is sent to it any more, and its secrets are forgotten."""
    return reply(200, _hooks(ADMIN, keyed=True).delete(endpoint_id, _reason(body)))


@api.post(
    "/v1/webhook-endpoints/<endpoint_id>/disable",
    "Send nothing to an endpoint for now",
    EndpointView,
    EndpointNotFound,
    WrongStatus,
)
def disable(endpoint_id: str, body: ReasonRequest | None = None) -> Answer:
    """200; what happens meanwhile is sent once it is enabled."""
    return reply(200, _hooks(OPERATOR, ADMIN, keyed=True).disable(endpoint_id, _reason(body)))


@api.post("/v1/webhook-endpoints/<endpoint_id>/enable", "Send to an endpoint again", EndpointView, EndpointNotFound)
def enable(endpoint_id: str, body: EnableRequest | None = None) -> Answer:
    """200; with the first event that it takes it is sent what it missed."""
    asked = body or EnableRequest()
    here = _hooks(OPERATOR, ADMIN, keyed=True)
    return reply(200, here.enable(endpoint_id, asked.reason, catch_up=asked.catch_up))


@api.post("/v1/webhook-endpoints/<endpoint_id>/rotate-secret", "Make a new secret", EndpointWritten, EndpointNotFound)
def rotate_secret(endpoint_id: str, body: ReasonRequest | None = None) -> Answer:
    """200 with the new secret, which is shown this once; the one before signs along for a day."""
    here = _hooks(ADMIN, keyed=True)
    return reply(200, here.rotate(endpoint_id, _reason(body), runtime.current().random))


@api.post(
    "/v1/webhook-endpoints/<endpoint_id>/ping", "Send a test event at once", PingView, EndpointNotFound, NotOffered
)
def ping(endpoint_id: str) -> Answer:
    """200 with what the endpoint answered; it counts as no failure, and nothing is retried."""
    hooks = _hooks(OPERATOR, ADMIN, keyed=True)
    _see_offered()
    here = runtime.current()
    patience = here.patience(api.lambda_context)
    delivering = Delivering(here.ledger, here.poster, here.hooks_queue, here.clock, here.jitter, patience)
    return reply(200, hooks.ping(endpoint_id, delivering))


@api.get(
    "/v1/webhook-endpoints/<endpoint_id>/deliveries", "What was sent to an endpoint", DeliveriesView, EndpointNotFound
)
def deliveries(endpoint_id: str, query: DeliveriesQuery) -> Answer:
    """A page of a day, the newest events first; a page may be short and have a cursor all the same."""
    hooks = _hooks(OPERATOR, ADMIN)
    here = runtime.current()
    day = query.day or day_of(here.clock())
    _see_day(day)
    marks = Bookmarks(here.settings.signing_secret.encode(), deliveries_of(endpoint_id, day))
    page = hooks.deliveries(endpoint_id, day, query.status, marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


@api.post(
    "/v1/webhook-endpoints/<endpoint_id>/replay",
    "Send the events of a stretch of time again",
    ReplayView,
    EndpointNotFound,
    WrongStatus,
    NotOffered,
    status=202,
)
def replay(endpoint_id: str, body: ReplayRequest) -> Answer:
    """202 with the replay; the events are queued in the background, under their own ids."""
    hooks = _hooks(OPERATOR, ADMIN, keyed=True, naming=True)
    _see_offered()
    faults: list[Fault] = []
    since, until = _instant(body.since, "from", faults), _instant(body.until, "to", faults)
    if since is None or faults:
        raise InvalidInput(faults)
    types = tuple(dict.fromkeys(body.types))
    return reply(202, hooks.replay(endpoint_id, since, until, types, runtime.current().hooks_queue))


# What the routes share -----------------------------------------------------------------------------------------------


def _hooks(*scopes: str, keyed: bool = False, naming: bool = False) -> Hooks:
    """The use cases for who calls; ``naming``: the request names types of events."""
    caller, here = api.caller(*scopes), runtime.current()
    return Hooks(
        ledger=here.ledger,
        moment=here.own_program.moment(here.clock()),
        patience=here.patience(api.lambda_context),
        known=_known() if naming else (),
        private=here.settings.hooks_private,
        subject=caller.subject,
        actor=caller.actor,
        key=api.idempotency_key() if keyed else "",
    )


def _known() -> tuple[str, ...]:
    """Every type of event."""
    # The table of them imports all that is told of.
    from jifen.domain.telling import TYPES  # noqa: PLC0415

    return tuple(one.name for one in TYPES)


def _see_offered() -> None:
    """See that this deployment has a queue for events.

    Raises:
        NotOffered
    """
    if not runtime.current().settings.delivery_queue_url:
        raise NotOffered("This deployment sends no events to endpoints: it has no delivery queue.")


def _instant(text: str | None, field: str, faults: list[Fault]) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError:
        faults.append(Fault(field, "is not an RFC 3339 instant with an offset"))
        return None


def _see_day(day: str) -> None:
    """See that the calendar has a day.

    Raises:
        InvalidInput
    """
    try:
        date.fromisoformat(day)
    except ValueError:
        raise InvalidInput([Fault("day", "is not a day such as 2026-11-26")]) from None


def _reason(body: ReasonRequest | None) -> str:
    return body.reason if body else ""


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("life")
