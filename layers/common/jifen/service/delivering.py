"""Events out to the shop's endpoints, second half: one attempt at one event, and what it means for the endpoint.

    read endpoint, line, event ──nothing left to do──> done
         ├──DISABLED, or known to be failing──> SKIPPED, and the endpoint remembers since when it is behind
         └──> sign and POST ──> the line and the endpoint in one transaction ──2xx──> done
                                                                            └──────> again later, or FAILED

At least once: a worker that ends between the POST and the transaction has its event posted again, under the same
``webhook-id``. Two workers with one message both count; what was delivered stays delivered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from jifen.domain import endpoints as book
from jifen.domain.endpoints import Delivery, DeliveryStatus, Endpoint, EndpointStatus, OutgoingRecord, Reply
from jifen.service.hook_ports import DeliveryTask, HooksQueue, Poster, ProbeTask, ReplayTask
from jifen.service.life_documents import DeliveryKey, EndpointKey, OutgoingKey
from jifen.service.life_shelves import deliveries_of
from jifen.service.ports import Document, Ledger, Patience, Posting, settle
from jifen.service.relaying import body_of

PUT_OFF_S = 30
"""After so many seconds an event comes back that was not tried, because one before it got no answer."""

CATCH_UP_S = 10
"""So long after a recovery what was missed is looked for, in seconds: a worker that found the endpoint resting a moment
before has written what it skipped by then."""

NEWEST = 50
"""Lines of the log among which a try of a failing endpoint looks for an event that was missed."""

DISABLED, RESTING = "the endpoint is disabled", "the endpoint is known to be failing"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task.

    Attributes:
        wait_s: after so many seconds it has to come back; None: it is done.
        counted: numbers for an operator.
        unanswered: whether the endpoint gave no answer at all: those behind it would wait as long.
    """

    wait_s: int | None = None
    counted: Mapping[str, int] | None = None
    unanswered: bool = False


class _Loaded(NamedTuple):
    """The endpoint (None: there is none any more), the line of the log (of version 0: a new one) and the event."""

    endpoint: Endpoint | None
    line: Delivery
    record: OutgoingRecord | None


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What is to be posted: the endpoint as it was found, and the event. ``known`` is what need not be read again."""

    endpoint: Endpoint
    record: OutgoingRecord
    known: _Loaded | None = None


@dataclass(frozen=True, slots=True)
class Delivering:
    """Attempts of one invocation.

    Attributes:
        ledger: where endpoints, events and the log are.
        poster: signs and posts.
        queue: takes the replay of what an endpoint missed, once it is back.
        clock: now, in UTC; every attempt is signed as of its own time.
        jitter: from 0 to 1.
        patience: how long the caller can wait.
    """

    ledger: Ledger
    poster: Poster
    queue: HooksQueue
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    patience: Patience

    def deliver(self, task: DeliveryTask) -> Outcome:
        """Try one event at one endpoint, if there is anything to try.

        Raises:
            Busy: the ledger does not answer; the same task again is safe.
        """
        found = settle(self.patience, lambda: self._plan(task))
        if isinstance(found, Outcome):
            return found
        reply = self._posted(found)
        # What was read before is good enough for a first try: nothing is written over what has moved meanwhile.
        known = [found.known] if found.known else []
        return settle(self.patience, lambda: self._note(task, found, reply, known.pop() if known else self._load(task)))

    def ping(self, endpoint: Endpoint, record: OutgoingRecord) -> Delivery:
        """Post a test event at once, whatever is known of the endpoint; its line of the log, which is not written.

        Nothing is retried. A failure does not count against the endpoint.
        """
        reply = self._posted(_Attempt(endpoint, record))
        now = self.clock()
        line = replace(book.line_of(endpoint.id, record, now), attempts=book.ATTEMPTS_MAX - 1)
        return replace(book.noted(line, reply, now, 0.0), attempts=1)

    def recovered(self, endpoint: Endpoint) -> tuple[Document, ...]:
        """What is to be written once an endpoint took something outside a delivery; what it missed is queued."""
        after = book.succeeded(endpoint)
        if endpoint.status is not EndpointStatus.ACTIVE or after == endpoint:
            return ()
        if endpoint.behind_since is not None:
            self.queue.send([catch_up(endpoint, self.clock())], CATCH_UP_S)
        return (after,)

    def _posted(self, attempt: _Attempt) -> Reply:
        body = body_of(attempt.record.event)
        if len(body) > book.BODY_BYTES_MAX:
            return Reply(0, f"the event is {len(body)} bytes long, more than {book.BODY_BYTES_MAX}")
        now = self.clock()
        secrets = [secret.text for secret in book.signing(attempt.endpoint, now)]
        return self.poster.post(attempt.endpoint.url, secrets, attempt.record.event_id, now, body)

    # What is to be done

    def _plan(self, task: DeliveryTask) -> _Attempt | Outcome:
        loaded = self._load(task)
        endpoint, line, record = loaded
        over = book.over(line, task.run, missing=task.missing)
        if endpoint is None or over or not book.meant(endpoint, task.run, task.at):
            return Outcome()
        now, line = self.clock(), book.begun(line, task.run, missing=task.missing)
        if record is None:
            # Only what is older than the outbox keeps: nobody can send it any more.
            gone = replace(line, status=DeliveryStatus.FAILED, problem="the event is not kept any more", next_at=None)
            self._commit(gone)
            return Outcome(counted={"HooksGivenUp": 1})
        line = _typed(line, record)
        if endpoint.status is EndpointStatus.DISABLED:
            return self._skip(endpoint, line, DISABLED)
        if line.next_at is not None and now < line.next_at:
            return Outcome(_seconds(line.next_at - now))  # a copy of the message: a queue may hand over one twice
        if book.resting(endpoint, now):
            return self._skip(endpoint, line, RESTING)
        tries_alone = book.probing(endpoint)
        if tries_alone:
            self._claim(endpoint, record, now)
        return _Attempt(endpoint, record, None if tries_alone else loaded)

    def _skip(self, endpoint: Endpoint, line: Delivery, why: str) -> Outcome:
        after = book.behind(endpoint, line.at)
        self._commit(book.skipped(line, why), *(() if after == endpoint else (after,)))
        return Outcome(counted={"HooksSkipped": 1})

    def _claim(self, endpoint: Endpoint, record: OutgoingRecord, now: datetime) -> None:
        """Be the one that tries an endpoint known to be failing: others find it resting.

        Raises:
            DocumentMoved: another one was quicker.
        """
        after = book.probed(endpoint, now)
        self._probe_later(after, record, now)
        self._commit(after)

    def _probe_later(self, endpoint: Endpoint, record: OutgoingRecord, now: datetime) -> None:
        """Queue the next try. Whoever moves it on calls this first, so that there is always one to come."""
        if endpoint.retry_at is not None and endpoint.status is EndpointStatus.ACTIVE:
            task = ProbeTask(endpoint.id, endpoint.retry_at, record.event_id, record.at)
            self.queue.send([task], _seconds(endpoint.retry_at - now))

    # What came of it

    def _note(self, task: DeliveryTask, attempt: _Attempt, reply: Reply, loaded: _Loaded) -> Outcome:
        endpoint, line, _ = loaded
        now = self.clock()
        after = self._endpoint_after(endpoint, attempt, reply, now)
        line = _typed(book.begun(line, task.run, missing=task.missing), attempt.record)
        if line.run > task.run:
            # A later replay has taken the event over, and its line tells of that one.
            self._write(endpoint, after, (), attempt.record, now)
            return Outcome(counted=_counted(endpoint, after, reply), unanswered=not reply.status)
        line = book.noted(line, reply, now, self.jitter())
        if after is not None and after.status is EndpointStatus.DISABLED and line.status is DeliveryStatus.WAITING:
            line = book.skipped(line, f"{DISABLED}: {reply.problem}")
        if after is not None and line.status is DeliveryStatus.SKIPPED:
            after = book.behind(after, line.at)
        self._write(endpoint, after, (line,), attempt.record, now)
        counted = _counted(endpoint, after, reply)
        if line.status is DeliveryStatus.FAILED and line.attempts == book.ATTEMPTS_MAX:
            counted["HooksGivenUp"] = 1
        waits = line.next_at if line.status is DeliveryStatus.WAITING else None
        return Outcome(_seconds(waits - now) if waits else None, counted, unanswered=not reply.status)

    def _write(
        self,
        before: Endpoint | None,
        after: Endpoint | None,
        lines: tuple[Delivery, ...],
        record: OutgoingRecord,
        now: datetime,
    ) -> None:
        """Write what came of an attempt; what has to follow from it is queued before it is written."""
        changed = after is not None and after != before
        if after is not None and before is not None and changed:
            if before.behind_since is not None and after.behind_since is None:
                self.queue.send([catch_up(before, now)], CATCH_UP_S)
            if after.retry_at != before.retry_at:
                self._probe_later(after, record, now)
        documents: tuple[Document, ...] = (*lines, *((after,) if after is not None and changed else ()))
        if documents:
            self._commit(*documents)

    @staticmethod
    def _endpoint_after(endpoint: Endpoint | None, attempt: _Attempt, reply: Reply, now: datetime) -> Endpoint | None:
        """The endpoint after the attempt; one that goes elsewhere by now is not judged by it."""
        if endpoint is None or endpoint.url != attempt.endpoint.url:
            return endpoint
        if not reply.taken:
            return book.failed(endpoint, reply, now)
        return book.succeeded(endpoint) if endpoint.status is EndpointStatus.ACTIVE else endpoint

    # Trying an endpoint that is known to be failing

    def probe(self, task: ProbeTask) -> Outcome:
        """Try an endpoint with the newest event that it missed; what it took is delivered, and the rest follows.

        Raises:
            Busy: the ledger does not answer; the same task again is safe.
        """
        found = settle(self.patience, lambda: self._probe_plan(task))
        if isinstance(found, Outcome):
            return found
        reply = self._posted(found)
        own = DeliveryTask(task.endpoint, found.record.event_id, found.record.at)
        return settle(self.patience, lambda: self._probe_note(own, found, reply))

    def _probe_plan(self, task: ProbeTask) -> _Attempt | Outcome:
        now = self.clock()
        own = DeliveryTask(task.endpoint, task.event_id, task.at)
        endpoint, _, record = self._load(own)
        if endpoint is None or endpoint.status is not EndpointStatus.ACTIVE or endpoint.retry_at != task.retry_at:
            return Outcome()
        if book.resting(endpoint, now):
            return Outcome(_seconds(task.retry_at - now))
        record = self._newest_missed(endpoint, now) or record
        if record is None:
            return Outcome()
        self._claim(endpoint, record, now)
        return _Attempt(endpoint, record)

    def _newest_missed(self, endpoint: Endpoint, now: datetime) -> OutgoingRecord | None:
        """The newest event of today that was SKIPPED: not always the same one, which may be the only one refused."""
        page = self.ledger.listed(deliveries_of(endpoint.id, book.day_of(now)), None, NEWEST)
        for line in page.documents:
            if isinstance(line, Delivery) and line.status is DeliveryStatus.SKIPPED:
                return self._load(DeliveryTask(endpoint.id, line.event_id, line.at))[2]
        return None

    def _probe_note(self, own: DeliveryTask, attempt: _Attempt, reply: Reply) -> Outcome:
        endpoint, line, _ = self._load(own)
        now = self.clock()
        after = self._endpoint_after(endpoint, attempt, reply, now)
        # A failure says something of the endpoint; the event has its own attempts.
        lines = (book.noted(_typed(line, attempt.record), reply, now, 0.0),) if reply.taken else ()
        self._write(endpoint, after, lines, attempt.record, now)
        return Outcome(counted=_counted(endpoint, after, reply), unanswered=not reply.status)

    # What they share

    def _load(self, task: DeliveryTask) -> _Loaded:
        line = book.line_of(task.endpoint, _unread(task), self.clock())
        keys = (
            EndpointKey(task.endpoint),
            DeliveryKey(task.endpoint, line.day, task.at, task.event_id),
            OutgoingKey(book.hour_of(task.at), book.part_of(task.event_id), task.at, task.event_id),
        )
        found = self.ledger.load([], keys).documents
        endpoint, known, record = (found.get(key) for key in keys)
        there = isinstance(endpoint, Endpoint) and endpoint.status is not EndpointStatus.DELETED
        return _Loaded(
            endpoint if isinstance(endpoint, Endpoint) and there else None,
            known if isinstance(known, Delivery) else line,
            record if isinstance(record, OutgoingRecord) else None,
        )

    def _commit(self, *documents: Document) -> None:
        self.ledger.commit(Posting(documents=documents), self.patience)


def _unread(task: DeliveryTask) -> OutgoingRecord:
    """What is known of an event before it is read."""
    return OutgoingRecord(book.hour_of(task.at), book.part_of(task.event_id), task.event_id, "", task.at)


def _typed(line: Delivery, record: OutgoingRecord) -> Delivery:
    return line if line.type else replace(line, type=record.type)


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))


def _counted(before: Endpoint | None, after: Endpoint | None, reply: Reply) -> dict[str, int]:
    """What an operator is told of an attempt, in numbers."""
    counted = {"HooksDelivered" if reply.taken else "HookAttemptsFailed": 1}
    if (
        after is not None
        and after.status is EndpointStatus.DISABLED
        and before is not None
        and before.status is not after.status
    ):
        counted["HooksDisabled"] = 1
    return counted


def catch_up(endpoint: Endpoint, now: datetime) -> ReplayTask:
    """The replay of what an endpoint missed."""
    since = max(endpoint.behind_since or now, now - book.KEPT)
    return ReplayTask(endpoint.id, since, now + book.PROBE_MAX, book.run_id(endpoint, now, "catch-up"), missing=True)


Task = TypeVar("Task")


def batch(
    tasks: Mapping[str, Task],
    do: Callable[[Task], Outcome],
    has_time: Callable[[], bool],
    failed: Callable[[str, Exception], None],
) -> dict[str, Outcome]:
    """Do the tasks of one endpoint, one after the other; outcomes by the names of the tasks.

    Once it gave no answer, the rest comes back later: whoever waits behind it in this batch waits once.

    Args:
        tasks: by name, all of one endpoint.
        do: does one.
        has_time: whether another one can be begun.
        failed: is told what could not be done, and why; that comes back later.
    """
    done: dict[str, Outcome] = {}
    unanswered = False
    for name, task in tasks.items():
        if unanswered or not has_time():
            done[name] = Outcome(PUT_OFF_S)
            continue
        try:
            done[name] = do(task)
        except Exception as failure:  # noqa: BLE001 - one event must not keep the others waiting
            failed(name, failure)
            done[name] = Outcome(PUT_OFF_S)
        unanswered = done[name].unanswered
    return done
