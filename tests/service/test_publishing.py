"""Publishing under faults: whatever bus and endpoints refuse on the way, both have every event in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.errors import Busy
from jifen.domain.outgoing import OutgoingEvent
from jifen.service.publishing import Told, publish
from tests.store.patient import Patient

AT = datetime(2026, 3, 1, 4, tzinfo=UTC)


@dataclass
class Bus:
    """Takes an event unless the next answer is no; ``taken`` has repeats."""

    answers: list[bool]
    taken: list[OutgoingEvent] = field(default_factory=list)

    def put(self, events: Sequence[OutgoingEvent]) -> Sequence[OutgoingEvent]:
        """Those that were not taken."""
        left = [event for event in events if self.answers and not self.answers.pop()]
        self.taken += [event for event in events if event not in left]
        return left


@dataclass
class Endpoints:
    """Takes a batch unless the next answer is no."""

    answers: list[bool]
    taken: list[OutgoingEvent] = field(default_factory=list)

    def wanted(self, kind: str, *, disabled: bool = False) -> bool:
        """Everything is."""
        return disabled or bool(kind)

    def relay(self, events: Sequence[OutgoingEvent]) -> None:
        """All or nothing."""
        if self.answers and not self.answers.pop():
            raise Busy
        self.taken += events


def told(sizes: Sequence[int]) -> list[Told]:
    """Records with so many events each."""
    return [
        Told(str(record), tuple(OutgoingEvent(f"{record}-{number}", "points.earned", AT) for number in range(size)))
        for record, size in enumerate(sizes)
    ]


def stream(batch: list[Told], deliver: Callable[[list[Told]], Sequence[str]]) -> int:
    """Deliver as Lambda does: from the lowest record that failed on, all over again; how often it was."""
    deliveries, left = 0, batch
    while left:
        deliveries += 1
        failed = set(deliver(left))
        lowest = next((place for place, one in enumerate(left) if one.record in failed), len(left))
        assert failed <= {one.record for one in left}
        left = left[lowest:]
    return deliveries


@given(
    sizes=st.lists(st.integers(0, 3), max_size=30),
    bus=st.lists(st.booleans(), max_size=200),
    endpoints=st.lists(st.booleans(), max_size=20),
)
def test_nothing_is_lost_whatever_is_refused(sizes: list[int], bus: list[bool], endpoints: list[bool]) -> None:
    """Each event reaches both at least once, and none reaches the endpoints of a record that the bus has not taken."""
    batch = told(sizes)
    all_events = [event for one in batch for event in one.events]
    taker, relay = Bus(bus), Endpoints(endpoints)

    def deliver(part: list[Told]) -> Sequence[str]:
        failed = publish(taker, relay, part, Patient()).failed
        assert {event.id for event in relay.taken} <= {event.id for event in taker.taken}
        return failed

    stream(batch, deliver)
    assert {event.id for event in all_events} == {event.id for event in taker.taken}
    assert {event.id for event in all_events} == {event.id for event in relay.taken}


@given(sizes=st.lists(st.integers(0, 3), max_size=30))
def test_where_nothing_is_refused_everything_is_told_once_and_in_order(sizes: list[int]) -> None:
    """One delivery, no repeat; records without events cost nothing."""
    batch = told(sizes)
    bus, relay = Bus([]), Endpoints([])
    done = publish(bus, relay, batch, Patient())
    assert (sum(sizes), ()) == (done.events, done.failed)
    assert [event for one in batch for event in one.events] == bus.taken == relay.taken
