"""Endpoints of the shop that events are sent to, what became of each, and the events that can be sent again.

    ACTIVE ──failing for five days, or 410 Gone──> DISABLED ──an operator──> ACTIVE

    event at an endpoint      WAITING ──2xx──> DELIVERED
                                 │ └───────── 13 attempts in some three days, none taken ──> FAILED: until a replay
                                 └── the endpoint is DISABLED or known to be failing ──> SKIPPED: sent once it is back

An endpoint whose last five attempts failed is known to be failing: one event at a time tries it, others are SKIPPED.
``behind_since`` is when the oldest of those happened, and the first success sends them all
(:mod:`jifen.service.replaying`). So an endpoint that is down costs one attempt in five minutes, however much it misses.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

ENDPOINTS_MAX = 20
"""Endpoints of a deployment, deleted ones not counted."""

TYPES_MAX = 50
"""Types that an endpoint names."""

BODY_BYTES_MAX = 256_000
"""The longest body that is sent."""

KEPT = timedelta(days=30)
"""How long events and the delivery log are kept, and so how far back a replay goes."""

PARTS = 8
"""Parts of an hour's events, so that no partition of the table takes them all."""

SIGNS_ALONG = timedelta(hours=24)
"""How long the secret before the last rotation signs along."""

SECRET_BYTES = 32
SECRETS_MAX = 5
"""Secrets of an endpoint that sign at the same time."""

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    *(timedelta(hours=10),) * 6,
)
"""Between an attempt and the next one, before jitter."""

ATTEMPTS_MAX = len(WAITS) + 1

WAIT_MAX = timedelta(hours=10)
"""The longest that an endpoint can ask for with Retry-After."""

FAILING_FROM = 5
"""Failures in a row from which an endpoint is known to be failing."""

PROBE_FIRST, PROBE_MAX = timedelta(seconds=10), timedelta(minutes=5)
"""How often an endpoint that is known to be failing is tried: twice as long apart each time, up to the second."""

DISABLED_AFTER = timedelta(days=5)
"""An endpoint that has been failing for so long, with nothing delivered in between, is disabled."""

GONE = 410

LAST = "; last: "
"""In ``disabled_why``, before what the endpoint answered, which is for operators alone."""


class EndpointStatus(StrEnum):
    """Whether an endpoint is sent anything."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    DELETED = "DELETED"


class DeliveryStatus(StrEnum):
    """What became of one event at one endpoint."""

    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret (``whsec_…``); it signs through ``until`` (None: no end)."""

    text: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the shop takes events.

    Attributes:
        id: its name, chosen by the operator.
        url: https, of the shop.
        types: event types, or beginnings of them with a ``*`` at the end; empty takes all.
        secrets: what signs, the newest first.
        failing_since: when the first of the failures in a row was; None where the last delivery succeeded.
        failures: failures in a row.
        disabled_why: why it is DISABLED.
        retry_at: when an endpoint that is known to be failing is tried again.
        behind_since: when the oldest event happened that was SKIPPED and not sent since; None where there is none.
        id_since: when it got its id, where another one had that before; None where none had.
    """

    id: str
    url: str
    types: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    description: str = ""
    status: EndpointStatus = EndpointStatus.ACTIVE
    created_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = 0
    disabled_why: str = ""
    retry_at: datetime | None = None
    behind_since: datetime | None = None
    id_since: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event at one endpoint: a line of the delivery log, rewritten with each attempt.

    ``answered`` is the HTTP status of the last attempt, 0 where nobody answered; ``problem`` what was wrong with it.
    ``keep_until`` is when the line may go. ``run`` is the replay that the event was last sent by, empty for none; a
    later one has the greater text. ``attempts`` are those since the last replay that an operator asked for.
    """

    endpoint: str
    event_id: str
    type: str
    day: str
    at: datetime
    status: DeliveryStatus = DeliveryStatus.WAITING
    attempts: int = 0
    answered: int = 0
    problem: str = ""
    last_at: datetime | None = None
    next_at: datetime | None = None
    took_ms: int = 0
    keep_until: datetime | None = None
    run: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """An event that was told, kept so that a stretch of time can be told again.

    ``hour`` is ``2026-11-26T09`` in UTC, ``part`` one of the parts of that hour; ``event`` is the event as plain JSON.
    """

    hour: str
    part: int
    event_id: str
    type: str
    at: datetime
    event: Mapping[str, Any] = field(default_factory=dict)
    keep_until: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one attempt.

    Attributes:
        status: the HTTP status; 0 where nobody answered.
        problem: what was wrong; empty where it was taken.
        took_ms: how long it took, in milliseconds.
        retry_after: how long the endpoint asks to be left alone.
    """

    status: int
    problem: str = ""
    took_ms: int = 0
    retry_after: timedelta | None = None

    @property
    def taken(self) -> bool:
        """Whether the endpoint took the event."""
        return 200 <= self.status < 300  # noqa: PLR2004 - what HTTP calls successful


# Which events --------------------------------------------------------------------------------------------------------


def takes(types: Iterable[str], kind: str) -> bool:
    """Whether one of ``types`` means events of type ``kind``; no types at all means every one."""
    wanted = tuple(types)
    return not wanted or any(kind.startswith(one[:-1]) if one.endswith("*") else kind == one for one in wanted)


def unknown_types(types: Iterable[str], known: Iterable[str]) -> list[str]:
    """Those of ``types`` that mean no event there is."""
    there = tuple(known)
    return [one for one in types if not one or not any(takes((one,), kind) for kind in there)]


def hour_of(at: datetime) -> str:
    """The hour that an event is kept in, in UTC: ``2026-11-26T09``."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H}"


def day_of(at: datetime) -> str:
    """The day under which the log has an event, in UTC: ``2026-11-26``."""
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def part_of(event_id: str) -> int:
    """The part of its hour that an event is kept in."""
    return hashlib.sha256(event_id.encode()).digest()[0] % PARTS


def meant(endpoint: Endpoint, run: str, at: datetime) -> bool:
    """Whether it is this endpoint that is to be sent an event, and not one that had its id before and was deleted.

    Args:
        endpoint: as it is.
        run: the replay that sends it, which may go back to before the endpoint was made; empty for none.
        at: when the event happened.
    """
    since = endpoint.id_since
    if since is None:
        return True
    return run.split("-")[1:2] >= [_stamp(since)] if run else at >= since


def _stamp(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%S.%f}"


def run_id(endpoint: Endpoint, now: datetime, tail: str) -> str:
    """The id of a replay; a later one is greater. ``tail`` tells those of one instant apart.

    Later is first of all by the writes of the endpoint, which no two clocks can disagree on: what is skipped once more
    after a recovery has to be taken up by the next one.
    """
    return f"{endpoint.version:08d}-{_stamp(now)}-{tail}"


# Secrets -------------------------------------------------------------------------------------------------------------


def secret_of(random: bytes) -> Secret:
    """A secret of so many random bytes."""
    return Secret("whsec_" + base64.b64encode(random).decode())


def secret_mark(secret: Secret) -> str:
    """What a secret can be told by, without telling it: 8 hex characters of its SHA-256."""
    return hashlib.sha256(secret.text.encode()).hexdigest()[:8]


def signing(endpoint: Endpoint, now: datetime) -> tuple[Secret, ...]:
    """The secrets that sign now, the newest first."""
    return tuple(one for one in endpoint.secrets if one.until is None or now < one.until)[:SECRETS_MAX]


def rotated(endpoint: Endpoint, secret: Secret, now: datetime) -> Endpoint:
    """The endpoint with a new secret; those before it sign along for a day at most."""
    end = now + SIGNS_ALONG
    before = (replace(one, until=min(one.until, end) if one.until else end) for one in signing(endpoint, now))
    return replace(endpoint, secrets=(secret, *before)[:SECRETS_MAX])


# What an attempt does to an endpoint ---------------------------------------------------------------------------------


def probing(endpoint: Endpoint) -> bool:
    """Whether it is known to be failing: then who tries it, tries alone."""
    return endpoint.failures >= FAILING_FROM


def resting(endpoint: Endpoint, now: datetime) -> bool:
    """Whether it is known to be failing, and its next try has not come."""
    return probing(endpoint) and endpoint.retry_at is not None and now < endpoint.retry_at


def probed(endpoint: Endpoint, now: datetime) -> Endpoint:
    """The endpoint while one event tries it: no other does before the next try."""
    doublings = min(max(endpoint.failures - FAILING_FROM, 0), 10)
    return replace(endpoint, retry_at=now + min(PROBE_FIRST * 2**doublings, PROBE_MAX))


def succeeded(endpoint: Endpoint) -> Endpoint:
    """The endpoint after it took something."""
    return replace(endpoint, failures=0, failing_since=None, retry_at=None, behind_since=None)


def failed(endpoint: Endpoint, reply: Reply, now: datetime) -> Endpoint:
    """The endpoint after it did not take something."""
    since = endpoint.failing_since or now
    after = replace(endpoint, failures=endpoint.failures + 1, failing_since=since)
    if probing(after):
        after = probed(after, now)
    if endpoint.status is not EndpointStatus.ACTIVE:
        return after
    if reply.status == GONE:
        return replace(after, status=EndpointStatus.DISABLED, disabled_why="answered 410 Gone")
    if now - since >= DISABLED_AFTER:
        why = f"nothing was delivered since {since.astimezone(UTC):%Y-%m-%dT%H:%MZ}{LAST}{reply.problem}"
        return replace(after, status=EndpointStatus.DISABLED, disabled_why=why)
    return after


def enabled(endpoint: Endpoint, *, catch_up: bool) -> Endpoint:
    """The endpoint as an operator sets it going again; what it missed is sent with the first success, or is not."""
    return replace(
        endpoint,
        status=EndpointStatus.ACTIVE,
        disabled_why="",
        failures=0,
        failing_since=None,
        retry_at=None,
        behind_since=endpoint.behind_since if catch_up else None,
    )


def behind(endpoint: Endpoint, at: datetime) -> Endpoint:
    """The endpoint once an event that happened at ``at`` was SKIPPED."""
    if endpoint.behind_since is not None and endpoint.behind_since <= at:
        return endpoint
    return replace(endpoint, behind_since=at)


# What an attempt does to the line of the log -------------------------------------------------------------------------


def wait_before(attempt: int, jitter: float, retry_after: timedelta | None = None) -> timedelta:
    """How long to wait after attempt number ``attempt`` (1 is the first).

    Args:
        attempt: that was made.
        jitter: from 0 to 1: a tenth of the time is spread by it, so that what failed together does not come together.
        retry_after: what the endpoint asks for; never shortens the wait, and is bounded.
    """
    usual = WAITS[min(attempt, len(WAITS)) - 1]
    usual += timedelta(seconds=int(usual.total_seconds() * jitter / 10))
    return max(usual, min(retry_after or timedelta(), WAIT_MAX))


def over(line: Delivery, run: str, *, missing: bool) -> bool:
    """Whether nothing is left to do for ``run`` of this event; ``missing``: a run that sends only what was SKIPPED."""
    if not line.version or (missing and line.status is DeliveryStatus.SKIPPED):
        return False
    if run > line.run:
        return missing and line.status in {DeliveryStatus.DELIVERED, DeliveryStatus.FAILED}
    return run < line.run or line.status is not DeliveryStatus.WAITING


def begun(line: Delivery, run: str, *, missing: bool) -> Delivery:
    """The line as ``run`` goes on with it; attempts begin anew where it sends everything."""
    if run <= line.run and not (missing and line.status is DeliveryStatus.SKIPPED):
        return line
    attempts = line.attempts if missing else 0
    return replace(line, run=run, status=DeliveryStatus.WAITING, attempts=attempts, next_at=None)


def noted(line: Delivery, reply: Reply, now: datetime, jitter: float) -> Delivery:
    """The line after an attempt, whatever another worker has written of the same event meanwhile.

    Every attempt counts; what was delivered stays delivered, and what is given up is only delivered.
    """
    attempts = line.attempts + 1
    if line.status is not DeliveryStatus.WAITING and not reply.taken:
        return replace(line, attempts=attempts)
    told = replace(
        line, attempts=attempts, answered=reply.status, problem=reply.problem, took_ms=reply.took_ms, last_at=now
    )
    if reply.taken:
        return replace(told, status=DeliveryStatus.DELIVERED, next_at=None)
    if attempts >= ATTEMPTS_MAX:
        return replace(told, status=DeliveryStatus.FAILED, next_at=None)
    return replace(told, next_at=now + wait_before(attempts, jitter, reply.retry_after))


def skipped(line: Delivery, why: str) -> Delivery:
    """The line of an event that is not tried now."""
    return replace(line, status=DeliveryStatus.SKIPPED, problem=why, next_at=None)


def line_of(endpoint: str, record: OutgoingRecord, now: datetime) -> Delivery:
    """The line of an event that nothing was done with yet."""
    return Delivery(endpoint, record.event_id, record.type, day_of(record.at), record.at, keep_until=now + KEPT)
