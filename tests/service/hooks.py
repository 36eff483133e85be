"""What the tests of webhooks say often: a queue with the test's own clock, events, endpoints, and workers on them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from jifen.adapters.hooks import decode, encode
from jifen.domain.endpoints import (
    Delivery,
    Endpoint,
    EndpointStatus,
    OutgoingRecord,
    Reply,
    Secret,
    day_of,
    hour_of,
    part_of,
)
from jifen.domain.outgoing import OutgoingEvent
from jifen.service.delivering import Delivering, Outcome
from jifen.service.hook_ports import DeliveryTask, HookTask, ProbeTask
from jifen.service.life_documents import DeliveryKey, EndpointKey, OutgoingKey
from jifen.service.ports import Ledger, Patience, Posting, settle
from jifen.service.relaying import Relaying
from jifen.service.replaying import Replaying
from tests.store.patient import Patient

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy0zMi1ieXRlcw=="


@dataclass
class Clock:
    """A clock that stands where a test puts it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """Now."""
        return self.now

    def later(self, **by: float) -> None:
        """Go on."""
        self.now += timedelta(**by)


@dataclass
class _Message:
    number: int
    body: str
    visible_at: datetime
    receives: int = 0


@dataclass
class Queue:
    """A queue whose delays and visibility go by the test's clock. Bodies are those of the real one."""

    clock: Callable[[], datetime]
    messages: dict[int, _Message] = field(default_factory=dict)
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, tasks: Sequence[HookTask], delay_s: int = 0) -> None:
        """See :class:`jifen.service.hook_ports.HooksQueue`."""
        assert 0 <= delay_s <= 900
        with self.lock:
            for task in tasks:
                self.sent += 1
                at = self.clock() + timedelta(seconds=delay_s)
                self.messages[self.sent] = _Message(self.sent, encode(task), at)

    def read(self, message: str) -> HookTask:
        """See :class:`jifen.service.hook_ports.HooksQueue`."""
        return decode(message)

    def postpone(self, receipt: str, seconds: int) -> None:
        """See :class:`jifen.service.hook_ports.HooksQueue`."""
        assert 1 <= seconds <= 43_200
        with self.lock:
            self.messages[int(receipt)].visible_at = self.clock() + timedelta(seconds=seconds)

    def receive(self, limit: int = 10) -> list[_Message]:
        """What is visible, the first sent first; hidden for six minutes."""
        with self.lock:
            seen = [one for one in self.messages.values() if one.visible_at <= self.clock()][:limit]
            for one in seen:
                one.visible_at = self.clock() + timedelta(minutes=6)
                one.receives += 1
            return seen

    def delete(self, number: int) -> None:
        """It is done."""
        with self.lock:
            self.messages.pop(number, None)

    def next_at(self) -> datetime | None:
        """When something is visible next."""
        return min((one.visible_at for one in self.messages.values()), default=None)

    def tasks(self) -> list[HookTask]:
        """Everything that waits."""
        return [decode(one.body) for one in self.messages.values()]


@dataclass
class Answers:
    """A poster that answers as a test says: by url, else ``always``; ``posted`` is what was posted."""

    always: Reply = field(default_factory=lambda: Reply(200))
    by_url: dict[str, Reply] = field(default_factory=dict)
    by_event: dict[str, Reply] = field(default_factory=dict)
    posted: list[tuple[str, str, datetime]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def post(self, url: str, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> Reply:
        """See :class:`jifen.service.hook_ports.Poster`."""
        assert secrets
        self.before()
        self.posted.append((url, message_id, at))
        self.bodies.append(body)
        return self.by_event.get(message_id) or self.by_url.get(url) or self.always

    @property
    def ids(self) -> list[str]:
        """Ids of the events that were posted."""
        return [one[1] for one in self.posted]


@dataclass
class World:
    """A ledger, a queue, endpoints and a worker, on one clock."""

    ledger: Ledger
    clock: Clock = field(default_factory=Clock)
    poster: Answers = field(default_factory=Answers)
    counted: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.queue = Queue(self.clock)
        self.relaying = Relaying(lambda: self.ledger, lambda: self.queue, self.clock, lambda: self.seconds, Patient)

    def delivering(self, patience: Patience | None = None) -> Delivering:
        """A worker."""
        return Delivering(self.ledger, self.poster, self.queue, self.clock, lambda: 0.0, patience or Patient(60))

    def endpoint(
        self,
        endpoint_id: str = "shop",
        *types: str,
        told: bool = True,
        status: EndpointStatus = EndpointStatus.ACTIVE,
    ) -> None:
        """Make an endpoint; who relays is ``told``, or finds out."""
        url = f"https://{endpoint_id}.example/hook"
        made = Endpoint(endpoint_id, url, types, (Secret(SECRET),), status=status, created_at=NOW)
        self.ledger.commit(Posting(documents=(made,)), Patient())
        if told:
            self.relaying.forget()

    def change(self, do: Callable[[Endpoint], Endpoint], endpoint_id: str = "shop") -> None:
        """Change an endpoint behind everybody's back."""
        settle(
            Patient(),
            lambda: self.ledger.commit(Posting(documents=(do(self.shown(endpoint_id)),)), Patient()),
        )

    def shown(self, endpoint_id: str = "shop") -> Endpoint:
        """An endpoint as it is stored."""
        key = EndpointKey(endpoint_id)
        found = self.ledger.load([], [key]).documents[key]
        assert isinstance(found, Endpoint)
        return found

    def line(self, event: OutgoingEvent, endpoint_id: str = "shop") -> Delivery | None:
        """A line of the log."""
        key = DeliveryKey(endpoint_id, day_of(event.at), event.at, event.id)
        found = self.ledger.load([], [key]).documents.get(key)
        assert found is None or isinstance(found, Delivery)
        return found

    def kept(self, event: OutgoingEvent) -> OutgoingRecord | None:
        """An event in the outbox."""
        key = OutgoingKey(hour_of(event.at), part_of(event.id), event.at, event.id)
        found = self.ledger.load([], [key]).documents.get(key)
        assert found is None or isinstance(found, OutgoingRecord)
        return found

    def work(self, until: datetime | None = None, tasks_max: int = 10_000) -> None:
        """Work through what is visible, and through what becomes so until ``until``, the clock going along."""
        for _ in range(tasks_max):
            at = self.queue.next_at()
            if at is None or at > max(self.clock.now, until or self.clock.now):
                if until is not None:
                    self.clock.now = max(until, self.clock.now)
                return
            self.clock.now = max(at, self.clock.now)
            for message in self.queue.receive(1):
                self.done(message, self.do(decode(message.body)))
        raise AssertionError("the queue is never empty")

    def do(self, task: HookTask, worker: Delivering | None = None) -> Outcome:
        """Do one task."""
        worker = worker or self.delivering()
        match task:
            case DeliveryTask():
                return worker.deliver(task)
            case ProbeTask():
                return worker.probe(task)
            case _:
                Replaying(self.ledger, self.queue, Patient(), lambda: True).step(task)
                return Outcome()

    def done(self, message: _Message, outcome: Outcome) -> None:
        """What the handler does with an outcome."""
        for name, value in (outcome.counted or {}).items():
            self.counted[name] = self.counted.get(name, 0) + value
        if outcome.wait_s is None:
            self.queue.delete(message.number)
        else:
            self.queue.postpone(str(message.number), outcome.wait_s)


def event(number: int = 1, at: datetime = NOW, kind: str = "points.earned", member: str | None = "m1") -> OutgoingEvent:
    """An event."""
    return OutgoingEvent(f"ev_{number}", kind, at, member, {"points": number})
