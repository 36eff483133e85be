"""EventBridge: events out of the table's stream, and notices, on the shop's own bus.

    source jifen     detail-type the event's type     detail its envelope: id, type, timestamp, member_id, data

A call takes ten events and 256 KB; the bus answers for each event by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jifen.domain.outgoing import SOURCE, OutgoingEvent, envelope
from jifen.service.ports import NotSent

CALL_EVENTS_MAX = 10
CALL_BYTES_MAX = 250_000
"""Of one call; what the service counts besides is in the rest of its 256 KiB."""

_BESIDE_BYTES = 200
"""Of one event: source, type, time and the name of the bus."""

Said = Callable[[str, int], None]
"""Is told why some events were not taken, and how many."""

Entry = dict[str, Any]


class EventBridgeBus:
    """Puts events on an event bus."""

    def __init__(self, client: Any, bus: str, say: Said = lambda _problem, _events: None) -> None:
        self._client = client
        self._bus = bus
        self._say = say

    def put(self, events: Sequence[OutgoingEvent]) -> Sequence[OutgoingEvent]:
        """See :class:`jifen.service.ports.EventBus`. Where the bus does not answer, the rest is not tried."""
        left: list[OutgoingEvent] = []
        batches = list(self._batches(events))
        for number, batch in enumerate(batches):
            try:
                answer = self._client.put_events(Entries=[entry for _, entry in batch])
            except (BotoCoreError, ClientError) as failure:
                rest = [event for one in batches[number:] for event, _ in one]
                self._say(_problem(failure), len(rest))
                return [*left, *rest]
            left += self._refused(batch, answer)
        return left

    def _batches(self, events: Sequence[OutgoingEvent]) -> Iterator[list[tuple[OutgoingEvent, Entry]]]:
        """The events in as few calls as they fit into; one that is too large for any call goes alone."""
        batch, room = list[tuple[OutgoingEvent, Entry]](), CALL_BYTES_MAX
        for event in events:
            made = entry(self._bus, event.type, envelope(event))
            size = len(made["Detail"].encode()) + _BESIDE_BYTES
            if batch and (len(batch) == CALL_EVENTS_MAX or size > room):
                yield batch
                batch, room = [], CALL_BYTES_MAX
            batch.append((event, made | {"Time": event.at}))
            room -= size
        if batch:
            yield batch

    def _refused(self, batch: Sequence[tuple[OutgoingEvent, Entry]], answer: Mapping[str, Any]) -> list[OutgoingEvent]:
        if not answer.get("FailedEntryCount"):
            return []
        codes = [each.get("ErrorCode") for each in answer["Entries"]]
        for code in sorted({code for code in codes if code}):
            self._say(code, codes.count(code))
        return [event for (event, _), code in zip(batch, codes, strict=True) if code]


def entry(bus: str, kind: str, detail: Mapping[str, Any]) -> Entry:
    """One event as PutEvents takes it; texts stay in their own script."""
    text = json.dumps(detail, ensure_ascii=False, separators=(",", ":"))
    return {"EventBusName": bus, "Source": SOURCE, "DetailType": kind, "Detail": text}


def put_one(client: Any, bus: str, kind: str, detail: Mapping[str, Any]) -> None:
    """Put one notice on the bus.

    Raises:
        NotSent: the bus did not answer, or refused it.
    """
    try:
        answer = client.put_events(Entries=[entry(bus, kind, detail)])
    except (BotoCoreError, ClientError) as failure:
        message = "the event bus did not answer"
        raise NotSent(message) from failure
    if answer.get("FailedEntryCount"):
        message = "the event bus refused the event"
        raise NotSent(message)


def _problem(failure: BotoCoreError | ClientError) -> str:
    if isinstance(failure, ClientError):
        return str(failure.response.get("Error", {}).get("Code", "")) or "an error without a code"
    return type(failure).__name__
