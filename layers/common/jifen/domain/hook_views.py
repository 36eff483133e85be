"""The shapes in which the API shows webhook endpoints, their log and replays; see :mod:`jifen.domain.views`."""

from __future__ import annotations

from typing import TypedDict

from jifen.domain.views import Instant


class SigningSecretView(TypedDict):
    """A secret that signs, by a mark of it (8 hex characters of its SHA-256); ``until`` null: until it is rotated."""

    mark: str
    until: Instant | None


class EndpointView(TypedDict):
    """Where the shop takes events; without its secrets.

    ``failing_since`` and ``failures`` tell of failures in a row. ``behind_since``: the oldest event happened then that
    was not tried because the endpoint was failing or disabled; it is sent once something is delivered.
    """

    id: str
    url: str
    types: list[str]
    description: str
    status: str
    disabled_why: str
    created_at: Instant | None
    failing_since: Instant | None
    failures: int
    behind_since: Instant | None
    secrets: list[SigningSecretView]


class EndpointWritten(EndpointView):
    """An endpoint with the secret that was made for it; null where that secret was taken out of use since."""

    secret: str | None


class EndpointsView(TypedDict):
    """Every endpoint that is not deleted, ids from a to z."""

    endpoints: list[EndpointView]


class DeliveryView(TypedDict):
    """One event at one endpoint. ``answered`` is the HTTP status of the last attempt, 0 where nobody answered.

    ``status`` is WAITING (``next_at`` says until when), DELIVERED, FAILED (given up) or SKIPPED (not tried).
    ``replay`` is the replay that it was last sent by, null for none.
    """

    event_id: str
    type: str
    occurred_at: Instant
    status: str
    attempts: int
    answered: int
    problem: str
    last_at: Instant | None
    next_at: Instant | None
    took_ms: int
    replay: str | None


class DeliveriesView(TypedDict):
    """Events of a day (UTC) at an endpoint, the newest first; ``cursor`` goes on, null where there is nothing more."""

    endpoint_id: str
    day: str
    deliveries: list[DeliveryView]
    cursor: str | None


class PingView(TypedDict):
    """What an endpoint answered to a test event."""

    endpoint_id: str
    event_id: str
    delivered: bool
    answered: int
    problem: str
    took_ms: int


class ReplayView(TypedDict):
    """A replay that was begun: events that happened from ``since`` on and before ``until``."""

    replay_id: str
    endpoint_id: str
    since: Instant
    until: Instant
    types: list[str]
