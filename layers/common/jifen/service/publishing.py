"""Publishing: what changed goes to the event bus and to the shop's endpoints, at least once.

    batch of records ──> events ──put──> bus         what is not taken is put again while there is time
                              └──relay─> endpoints   what both have taken is done; the rest is delivered again

A record is told as a whole: where one of its events was not taken, all of them are told again, under the same ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jifen.domain.errors import Busy
from jifen.domain.outgoing import OutgoingEvent
from jifen.service.ports import EventBus, Patience, Relay, Tries

PUT_TRIES = 5
"""How often events that were not taken are put again in one call; after that the stream delivers them again."""


@dataclass(frozen=True, slots=True)
class Told:
    """One record of the stream, and what is told of it."""

    record: str
    events: tuple[OutgoingEvent, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """What came of a batch: how many events were told, and the records that were not told whole, in their order."""

    events: int
    failed: tuple[str, ...]


def publish(bus: EventBus | None, relay: Relay | None, batch: Sequence[Told], patience: Patience) -> Published:
    """Tell a batch; without a bus, or without endpoints, the other gets it alone."""
    events = [event for one in batch for event in one.events]
    if not events:
        return Published(0, ())
    missing = {event.id for event in _put(bus, events, patience)} if bus else set[str]()
    told = [one for one in batch if one.events and not any(event.id in missing for event in one.events)]
    if relay and told and not _relayed(relay, [event for one in told for event in one.events]):
        told = []
    done = {one.record for one in told}
    failed = tuple(one.record for one in batch if one.events and one.record not in done)
    return Published(sum(len(one.events) for one in told), failed)


def _put(bus: EventBus, events: Sequence[OutgoingEvent], patience: Patience) -> Sequence[OutgoingEvent]:
    """Put events until all are taken or there is no time left; those that are not."""
    tries, left = Tries(patience, PUT_TRIES), bus.put(events)
    attempt = 0
    while left:
        attempt += 1
        try:
            tries.pause(attempt)
        except Busy:
            break
        left = bus.put(left)
    return left


def _relayed(relay: Relay, events: Sequence[OutgoingEvent]) -> bool:
    try:
        relay.relay(events)
    except Busy:
        return False
    return True
