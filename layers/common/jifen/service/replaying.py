"""Events of a stretch of time once more: the outbox is read hour by hour, and each event queued again, some at a time.

    hour 2026-11-26T09, parts 0..7 ──pages──> one task per event ──enough for now──> the rest of it, queued behind

The events keep their ids. A run paces itself, so that a week of events does not stand before what happens now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from jifen.domain.calendar import parse_instant
from jifen.domain.endpoints import (
    PARTS,
    Delivery,
    Endpoint,
    EndpointStatus,
    OutgoingRecord,
    behind,
    hour_of,
    line_of,
    meant,
    over,
    takes,
)
from jifen.service.hook_ports import DeliveryTask, HooksQueue, ReplayTask
from jifen.service.life_documents import DeliveryKey, EndpointKey
from jifen.service.life_shelves import outgoing_of
from jifen.service.ports import Ledger, Patience, Posting, settle

PAGE = 100

STEP_MAX = 500
"""Events that one worker queues before the rest waits behind."""

PAGES_MAX = 400
"""Pages that one worker reads."""

PACE_S = 5
"""Between two steps that queued something, in seconds: a hundred events a second at most."""

DISABLED_S = 900
"""After so many seconds a replay asks again whether its endpoint is enabled."""

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Replaying:
    """Replays of one invocation. ``has_time`` says whether another page can be begun."""

    ledger: Ledger
    queue: HooksQueue
    patience: Patience
    has_time: Callable[[], bool]

    def step(self, task: ReplayTask) -> int:
        """Queue the next events of a replay, and the rest of it; how many were queued.

        Raises:
            Busy: ledger or queue do not answer; the same task again queues the same events.
        """
        first = task if task.hour else replace(task, hour=hour_of(task.since))
        endpoint = settle(self.patience, lambda: self._endpoint(task))
        if endpoint is None:
            return 0
        if endpoint.status is EndpointStatus.DISABLED:
            self.queue.send([first], DISABLED_S)
            return 0
        rest: ReplayTask | None = first
        sent, pages = 0, 0
        while rest is not None:
            if pages and (sent >= STEP_MAX or pages >= PAGES_MAX or not self.has_time()):
                self.queue.send([rest], PACE_S if sent else 0)
                return sent
            page = self.ledger.listed(outgoing_of(rest.hour, rest.part), rest.cursor, PAGE)
            found = [one for one in page.documents if isinstance(one, OutgoingRecord)]
            wanted = [
                one
                for one in found
                if task.since <= one.at < task.until and takes(endpoint.types, one.type) and takes(task.types, one.type)
            ]
            tasks = self._tasks(task, wanted)
            if tasks:
                self.queue.send(tasks)
            sent, pages = sent + len(tasks), pages + 1
            rest = _next(rest, page.cursor)
        return sent

    def _endpoint(self, task: ReplayTask) -> Endpoint | None:
        """The endpoint; None where nothing is left to do: it is gone, or was disabled and remembers what it missed.

        What an operator asked for is not among what was missed, and waits until the endpoint is enabled.
        """
        key = EndpointKey(task.endpoint)
        found = self.ledger.load([], [key]).documents.get(key)
        if not isinstance(found, Endpoint) or found.status is EndpointStatus.DELETED:
            return None
        if not meant(found, task.run, task.since):
            return None
        if found.status is EndpointStatus.ACTIVE or not task.missing:
            return found
        after = behind(found, max(task.since, _start(task.hour)) if task.hour else task.since)
        if after != found:
            self.ledger.commit(Posting(documents=(after,)), self.patience)
        return None

    def _tasks(self, task: ReplayTask, records: Sequence[OutgoingRecord]) -> list[DeliveryTask]:
        """A task for each event; in a run that sends only what is missing, not for those that are over."""
        if task.missing and records:
            lines = {record.event_id: line_of(task.endpoint, record, record.at) for record in records}
            keys = {name: DeliveryKey(line.endpoint, line.day, line.at, line.event_id) for name, line in lines.items()}
            known = self.ledger.load([], list(keys.values())).documents
            records = [record for record in records if not _over(known.get(keys[record.event_id]), task)]
        return [DeliveryTask(task.endpoint, record.event_id, record.at, task.run, task.missing) for record in records]


def _over(line: object, task: ReplayTask) -> bool:
    return isinstance(line, Delivery) and over(line, task.run, missing=task.missing)


def _next(task: ReplayTask, cursor: str | None) -> ReplayTask | None:
    """Where a replay goes on after a page; None where it is done."""
    if cursor is not None:
        return replace(task, cursor=cursor)
    if task.part + 1 < PARTS:
        return replace(task, part=task.part + 1, cursor=None)
    hour = _start(task.hour) + HOUR
    return replace(task, hour=hour_of(hour), part=0, cursor=None) if hour < task.until else None


def _start(hour: str) -> datetime:
    return parse_instant(f"{hour}:00:00Z")
