"""Events out to the shop's endpoints, first half: kept in the outbox, and queued for each endpoint that wants them.

    relay(events) ──no endpoint at all──> nothing is written, nothing is queued
         └──> an OutgoingRecord each, for 30 days, so that they can be sent again ──> a task per (endpoint, event)

A task is queued for DISABLED endpoints too: their line of the log says that the event was SKIPPED. See
:mod:`jifen.service.delivering` for the second half.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from jifen.domain.endpoints import (
    BODY_BYTES_MAX,
    KEPT,
    Endpoint,
    EndpointStatus,
    OutgoingRecord,
    hour_of,
    part_of,
    takes,
)
from jifen.domain.outgoing import OutgoingEvent, envelope
from jifen.service.hook_ports import DeliveryTask, HooksQueue
from jifen.service.life_documents import key_of
from jifen.service.life_shelves import ENDPOINTS
from jifen.service.ports import Ledger, Moved, Patience, Posting, settle

BELIEVED_S = 10
"""How long a process believes that the same endpoints are there, in seconds."""

TOGETHER = 50
"""Records that are written in one transaction."""

PAGE = 100


class Relaying:
    """See :class:`jifen.service.ports.Relay`. One per process: it remembers the endpoints for some seconds."""

    def __init__(
        self,
        ledger: Callable[[], Ledger],
        queue: Callable[[], HooksQueue],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        patience: Callable[[], Patience],
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._clock = clock
        self._monotonic = monotonic
        self._patience = patience
        self._known: tuple[float, Sequence[Endpoint]] | None = None

    def relay(self, events: Sequence[OutgoingEvent]) -> None:
        """See :class:`jifen.service.ports.Relay`."""
        endpoints = self._endpoints() if events else ()
        if not endpoints:
            return
        once = list({(event.id, event.at): event for event in events}.values())
        for start in range(0, len(once), TOGETHER):
            self._keep([self._record(event) for event in once[start : start + TOGETHER]])
        tasks = [
            DeliveryTask(endpoint.id, event.id, event.at)
            for event in once
            for endpoint in endpoints
            if takes(endpoint.types, event.type)
        ]
        if tasks:
            self._queue().send(tasks)

    def wanted(self, kind: str, *, disabled: bool = False) -> bool:
        """See :class:`jifen.service.ports.Relay`."""
        taking = (one for one in self._endpoints() if takes(one.types, kind))
        return any(disabled or one.status is EndpointStatus.ACTIVE for one in taking)

    def forget(self) -> None:
        """Look again which endpoints there are."""
        self._known = None

    def _endpoints(self) -> Sequence[Endpoint]:
        now = self._monotonic()
        if self._known is None or now - self._known[0] >= BELIEVED_S:
            self._known = now, endpoints_of(self._ledger())
        return self._known[1]

    def _record(self, event: OutgoingEvent) -> OutgoingRecord:
        """The event as it is kept. One that is too long to be sent says so in place of its data."""
        plain = envelope(event)
        length = len(body_of(plain))
        if length > BODY_BYTES_MAX:
            plain = {**plain, "data": {"too_large": True, "bytes": length, "bytes_max": BODY_BYTES_MAX}}
        keep_until = self._clock() + KEPT
        return OutgoingRecord(
            hour_of(event.at), part_of(event.id), event.id, event.type, event.at, plain, keep_until=keep_until
        )

    def _keep(self, records: Sequence[OutgoingRecord]) -> None:
        """Write those records that are not there yet: the same change is told more than once."""
        keys = {key_of(record): record for record in records}
        ledger, patience = self._ledger(), self._patience()
        new = list(records)

        def attempt() -> None:
            try:
                if new:
                    ledger.commit(Posting(documents=tuple(new)), patience)
            except Moved:
                there = ledger.load([], list(keys)).documents
                new[:] = [record for key, record in keys.items() if key not in there]
                raise

        settle(patience, attempt)


def endpoints_of(ledger: Ledger) -> list[Endpoint]:
    """The endpoints that are not deleted, ids from a to z."""
    found: list[Endpoint] = []
    cursor: str | None = None
    while True:
        page = ledger.listed(ENDPOINTS, cursor, PAGE)
        found += [
            one for one in page.documents if isinstance(one, Endpoint) and one.status is not EndpointStatus.DELETED
        ]
        if page.cursor is None:
            return found[::-1]
        cursor = page.cursor


def body_of(plain: Any) -> bytes:
    """The body that is signed and posted for an event."""
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
