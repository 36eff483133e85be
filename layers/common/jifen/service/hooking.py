"""Endpoints of the shop as operators keep them: made, changed, set going again, tried, replayed; and their log.

Every change writes a line of the audit. A secret stands in the endpoint's own item, from which events are signed, and
in the one answer that it was made with; a line of the audit, a list, a log or a stored answer never has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from jifen.domain import endpoints as book
from jifen.domain.addresses import problem_of
from jifen.domain.endpoints import Delivery, DeliveryStatus, Endpoint, EndpointStatus, OutgoingRecord, Secret
from jifen.domain.entries import instant_text
from jifen.domain.errors import EndpointExists, EndpointNotFound, Fault, InvalidInput, LimitReached, WrongStatus
from jifen.domain.hook_views import (
    DeliveriesView,
    DeliveryView,
    EndpointsView,
    EndpointView,
    EndpointWritten,
    PingView,
    ReplayView,
)
from jifen.domain.ids import fingerprint
from jifen.domain.outgoing import OutgoingEvent, envelope
from jifen.domain.program import Moment
from jifen.domain.ruling import AuditLine
from jifen.service.answering import Answer, Once, Outcome, answer_once
from jifen.service.delivering import Delivering
from jifen.service.hook_ports import HooksQueue, ReplayTask
from jifen.service.life_documents import EndpointKey
from jifen.service.life_shelves import deliveries_of
from jifen.service.ports import Ledger, Patience, Posting, settle
from jifen.service.relaying import endpoints_of

PING = "webhook.ping"
"""The type of a test event."""

BESIDE = (PING, "notice")
"""Types of events that are not told of a change: a test, and what the shop tells a member in its own way."""

PAGES_MAX = 10
"""Pages of the log that one request looks through for a status."""

AHEAD = timedelta(minutes=5)
"""So much before now events may still come in."""

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator says of an endpoint."""

    url: str
    types: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Hooks:
    """The use cases of one invocation.

    Attributes:
        ledger: where endpoints and the log are.
        moment: now.
        patience: how long the caller can wait.
        known: every type of event there is.
        private: whether addresses may be http, and need not be public.
        subject: the caller's token's subject; an idempotency key is the caller's own.
        actor: role and name, as the audit has it.
        key: the caller's idempotency key; empty for a request that needs none.
    """

    ledger: Ledger
    moment: Moment
    patience: Patience
    known: Sequence[str] = ()
    private: bool = False
    subject: str = ""
    actor: str = "system"
    key: str = ""

    # Reading

    def endpoints(self) -> EndpointsView:
        """Every endpoint."""
        return {"endpoints": [_view(one, self.moment.now) for one in endpoints_of(self.ledger)]}

    def endpoint(self, endpoint_id: str) -> EndpointView:
        """One endpoint.

        Raises:
            EndpointNotFound
        """
        return _view(self.known_as(endpoint_id), self.moment.now)

    def deliveries(
        self, endpoint_id: str, day: str, status: DeliveryStatus | None, before: str | None, limit: int
    ) -> DeliveriesView:
        """A page of the log of one day (UTC); the cursor is the ledger's own.

        Raises:
            EndpointNotFound
        """
        self.known_as(endpoint_id)
        found: list[Delivery] = []
        cursor = before
        for _ in range(PAGES_MAX):
            page = self.ledger.listed(deliveries_of(endpoint_id, day), cursor, limit)
            lines = [one for one in page.documents if isinstance(one, Delivery)]
            found = [one for one in lines if status is None or one.status is status]
            cursor = page.cursor
            if found or cursor is None:
                break
        return {
            "endpoint_id": endpoint_id,
            "day": day,
            "deliveries": [_delivery_view(one) for one in found],
            "cursor": cursor,
        }

    # Changing

    def create(self, endpoint_id: str, terms: Terms, random: Callable[[int], bytes]) -> EndpointWritten:
        """Make an endpoint; the answer has its secret.

        Raises:
            InvalidInput: naming every field.
            EndpointExists, LimitReached, IdempotencyKeyReused, Busy
        """
        if not _ID.fullmatch(endpoint_id):
            raise InvalidInput([Fault("id", "is not 1 to 40 of a-z, 0-9, _ and - that begin with a letter or a digit")])
        self._check(terms)
        secret = book.secret_of(random(book.SECRET_BYTES))
        asked = [endpoint_id, terms.url, list(terms.types), terms.description]

        def decide(_line: str) -> Outcome:
            key = EndpointKey(endpoint_id)
            before = self.ledger.load([], [key]).documents.get(key)
            known = before if isinstance(before, Endpoint) else None
            if known is not None and known.status is not EndpointStatus.DELETED:
                raise EndpointExists
            if len(endpoints_of(self.ledger)) >= book.ENDPOINTS_MAX:
                detail = f"There are {book.ENDPOINTS_MAX} endpoints already; delete one that is not needed."
                raise LimitReached(limit="webhook_endpoints", points=book.ENDPOINTS_MAX, detail=detail)
            made = Endpoint(
                endpoint_id,
                terms.url,
                terms.types,
                (secret,),
                terms.description,
                created_at=self.moment.now,
                id_since=self.moment.now if known else None,
                version=known.version if known else 0,
            )
            return self._outcome(_line, made, "created", "", _said(terms), 201, secret)

        return self._with_secret(self._once("webhook-endpoint", asked, decide))

    def change(self, endpoint_id: str, terms: Terms, reason: str) -> EndpointView:
        """Replace what was said of an endpoint; the same again changes nothing.

        Raises:
            InvalidInput: naming every field.
            EndpointNotFound, Busy
        """
        self._check(terms)

        def attempt() -> EndpointView:
            known = self.known_as(endpoint_id)
            after = replace(known, url=terms.url, types=terms.types, description=terms.description)
            if after == known:
                return _view(known, self.moment.now)
            if after.url != known.url:
                # Another address has not failed yet.
                after = replace(after, failures=0, failing_since=None, retry_at=None)
            line_id = fingerprint("webhook-endpoint", [endpoint_id, known.version, self.subject])[:22]
            details = {"before": _said(Terms(known.url, known.types, known.description)), "after": _said(terms)}
            line = self._line(line_id, "changed", endpoint_id, reason, details)
            self.ledger.commit(Posting(documents=(after, line)), self.patience)
            return _view(after, self.moment.now)

        return settle(self.patience, attempt)

    def delete(self, endpoint_id: str, reason: str) -> EndpointView:
        """Send nothing to an endpoint any more, and forget its secrets. Its id can be used again.

        Raises:
            EndpointNotFound, IdempotencyKeyReused, Busy
        """

        def after(known: Endpoint) -> Endpoint:
            gone = book.enabled(known, catch_up=False)
            return replace(gone, status=EndpointStatus.DELETED, secrets=())

        return self._step(endpoint_id, "deleted", reason, {}, after)

    def disable(self, endpoint_id: str, reason: str) -> EndpointView:
        """Send nothing to an endpoint until it is enabled; what happens meanwhile is sent then.

        Raises:
            EndpointNotFound, WrongStatus, IdempotencyKeyReused, Busy
        """

        def after(known: Endpoint) -> Endpoint:
            if known.status is not EndpointStatus.ACTIVE:
                raise WrongStatus(status_now=str(known.status), needs=[str(EndpointStatus.ACTIVE)])
            why = f"by {self.actor}: {reason}" if reason else f"by {self.actor}"
            return replace(known, status=EndpointStatus.DISABLED, disabled_why=why)

        return self._step(endpoint_id, "disabled", reason, {}, after)

    def enable(self, endpoint_id: str, reason: str, *, catch_up: bool) -> EndpointView:
        """Send to an endpoint again, at once also where it was known to be failing.

        ``catch_up``: once something is delivered, what was skipped meanwhile is sent as well.

        Raises:
            EndpointNotFound, IdempotencyKeyReused, Busy
        """
        return self._step(
            endpoint_id,
            "enabled",
            reason,
            {"catch_up": catch_up},
            lambda known: book.enabled(known, catch_up=catch_up),
        )

    def rotate(self, endpoint_id: str, reason: str, random: Callable[[int], bytes]) -> EndpointWritten:
        """Make a new secret, which the answer has; the one before signs along for a day.

        Raises:
            EndpointNotFound, IdempotencyKeyReused, Busy
        """
        secret = book.secret_of(random(book.SECRET_BYTES))

        def decide(line: str) -> Outcome:
            after = book.rotated(self.known_as(endpoint_id), secret, self.moment.now)
            details = {"mark": book.secret_mark(secret)}
            return self._outcome(line, after, "secret-rotated", reason, details, 200, secret)

        return self._with_secret(self._once("rotate-secret", [endpoint_id, reason], decide))

    # Trying and sending again

    def ping(self, endpoint_id: str, delivering: Delivering) -> PingView:
        """Post a test event at once, to a disabled endpoint too. What it took sets a failing endpoint going again.

        Raises:
            EndpointNotFound, IdempotencyKeyReused, Busy
        """
        once = self._asked("ping", [endpoint_id])
        event = OutgoingEvent(f"ping-{once.key[:32]}", PING, self.moment.now, None, {"endpoint_id": endpoint_id})
        record = OutgoingRecord(
            book.hour_of(event.at), book.part_of(event.id), event.id, event.type, event.at, envelope(event)
        )
        posted: list[Delivery] = []

        def decide() -> Outcome:
            known = self.known_as(endpoint_id)
            if not posted:
                posted.append(delivering.ping(known, record))
            (line,) = posted
            delivered = line.status is DeliveryStatus.DELIVERED
            view: PingView = {
                "endpoint_id": endpoint_id,
                "event_id": event.id,
                "delivered": delivered,
                "answered": line.answered,
                "problem": line.problem,
                "took_ms": line.took_ms,
            }
            audit = self._line(once.key[:22], "pinged", endpoint_id, "", {"delivered": delivered})
            recovered = delivering.recovered(known) if delivered else ()
            return Outcome(200, dict(view), (line, audit, *recovered))

        return cast("PingView", answer_once(self.ledger, self.patience, once, decide)[1])

    def replay(
        self, endpoint_id: str, since: datetime, until: datetime | None, types: Sequence[str], queue: HooksQueue
    ) -> ReplayView:
        """Send the events of a stretch of time again, under their own ids; also those that were delivered.

        Raises:
            InvalidInput: naming every field.
            EndpointNotFound, WrongStatus, IdempotencyKeyReused, Busy
        """
        now = self.moment.now
        once = self._asked("replay", [endpoint_id, instant_text(since), until and instant_text(until), list(types)])

        def decide() -> Outcome:
            end = until or now
            self._check_stretch(since, end, types)
            known = self.known_as(endpoint_id)
            if known.status is not EndpointStatus.ACTIVE:
                raise WrongStatus(status_now=str(known.status), needs=[str(EndpointStatus.ACTIVE)])
            run = book.run_id(known, now, once.key[:10])
            view: ReplayView = {
                "replay_id": run,
                "endpoint_id": endpoint_id,
                "since": instant_text(since),
                "until": instant_text(end),
                "types": list(types),
            }
            # Queued before the answer is kept: a request that is made again finds either both or neither.
            queue.send([ReplayTask(endpoint_id, since, end, run, tuple(types))])
            line = self._line(once.key[:22], "replayed", endpoint_id, "", dict(view))
            return Outcome(202, dict(view), (line,))

        return cast("ReplayView", answer_once(self.ledger, self.patience, once, decide)[1])

    # What the use cases share

    def known_as(self, endpoint_id: str) -> Endpoint:
        """The endpoint.

        Raises:
            EndpointNotFound
        """
        if not _ID.fullmatch(endpoint_id):
            raise EndpointNotFound
        key = EndpointKey(endpoint_id)
        found = self.ledger.load([], [key]).documents.get(key)
        if not isinstance(found, Endpoint) or found.status is EndpointStatus.DELETED:
            raise EndpointNotFound
        return found

    def _check(self, terms: Terms) -> None:
        faults: list[Fault] = []
        if problem := problem_of(terms.url, private=self.private):
            faults.append(Fault("url", problem))
        faults += self._type_faults(terms.types)
        if faults:
            raise InvalidInput(faults)

    def _type_faults(self, types: Sequence[str]) -> list[Fault]:
        """What is wrong with types; whoever misspells one would wait for its events for ever."""
        if len(types) > book.TYPES_MAX:
            return [Fault("types", f"are more than {book.TYPES_MAX}")]
        unknown = set(book.unknown_types(types, (*self.known, *BESIDE)))
        return [
            Fault(f"types.{number}", "is no type of event, nor the beginning of one with a * behind it")
            for number, one in enumerate(types)
            if one in unknown
        ]

    def _check_stretch(self, since: datetime, until: datetime, types: Sequence[str]) -> None:
        now = self.moment.now
        faults = self._type_faults(types)
        if since < now - book.KEPT:
            faults.append(Fault("from", f"is more than {book.KEPT.days} days ago; events are kept no longer"))
        if until > now + AHEAD:
            faults.append(Fault("to", "has not come yet"))
        if since >= until:
            faults.append(Fault("from", "is not before to"))
        if faults:
            raise InvalidInput(faults)

    def _step(
        self,
        endpoint_id: str,
        name: str,
        reason: str,
        details: Mapping[str, Any],
        after: Callable[[Endpoint], Endpoint],
    ) -> EndpointView:
        def decide(line: str) -> Outcome:
            return self._outcome(line, after(self.known_as(endpoint_id)), name, reason, details)

        asked = [endpoint_id, reason, dict(details)]
        return cast("EndpointView", self._once(f"webhook-endpoint-{name}", asked, decide))

    def _outcome(
        self,
        line_id: str,
        after: Endpoint,
        name: str,
        reason: str,
        details: Mapping[str, Any],
        status: int = 200,
        secret: Secret | None = None,
    ) -> Outcome:
        """The endpoint, its line of the audit, and the answer, which names a new secret by its mark alone."""
        view: dict[str, Any] = dict(_view(after, self.moment.now))
        if secret is not None:
            view["secret"] = book.secret_mark(secret)
        return Outcome(status, view, (after, self._line(line_id, name, after.id, reason, details)))

    def _with_secret(self, answer: Answer) -> EndpointWritten:
        """The answer with the secret itself in place of its mark, while it is in use."""
        secrets: Sequence[Secret] = ()
        key = EndpointKey(str(answer["id"]))
        found = self.ledger.load([], [key]).documents.get(key)
        if isinstance(found, Endpoint):
            secrets = book.signing(found, self.moment.now)
        secret = next((one.text for one in secrets if book.secret_mark(one) == answer["secret"]), None)
        return cast("EndpointWritten", {**answer, "secret": secret})

    def _asked(self, operation: str, asked: object) -> Once:
        return Once.asked(self.subject, self.key, fingerprint(operation, asked))

    def _once(self, operation: str, asked: object, decide: Callable[[str], Outcome]) -> Answer:
        once = self._asked(operation, asked)
        return answer_once(self.ledger, self.patience, once, lambda: decide(once.key[:22]))[1]

    def _line(self, line_id: str, name: str, endpoint_id: str, reason: str, details: Mapping[str, Any]) -> AuditLine:
        action, target = f"webhook_endpoint.{name}", f"webhook_endpoint/{endpoint_id}"
        return AuditLine(line_id, self.moment.now, self.actor, action, target, reason, details)


def _said(terms: Terms) -> dict[str, Any]:
    return {"url": terms.url, "types": list(terms.types), "description": terms.description}


def _view(endpoint: Endpoint, now: datetime) -> EndpointView:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "types": list(endpoint.types),
        "description": endpoint.description,
        "status": str(endpoint.status),
        "disabled_why": endpoint.disabled_why,
        "created_at": _text(endpoint.created_at),
        "failing_since": _text(endpoint.failing_since),
        "failures": endpoint.failures,
        "behind_since": _text(endpoint.behind_since),
        "secrets": [
            {"mark": book.secret_mark(secret), "until": _text(secret.until)} for secret in book.signing(endpoint, now)
        ],
    }


def _delivery_view(line: Delivery) -> DeliveryView:
    return {
        "event_id": line.event_id,
        "type": line.type,
        "occurred_at": instant_text(line.at),
        "status": str(line.status),
        "attempts": line.attempts,
        "answered": line.answered,
        "problem": line.problem,
        "last_at": _text(line.last_at),
        "next_at": _text(line.next_at),
        "took_ms": line.took_ms,
        "replay": line.run or None,
    }


def _text(instant: datetime | None) -> str | None:
    return instant_text(instant) if instant else None
