"""Webhooks under real threads on a real engine: the log and the counters agree, an endpoint is disabled once."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from jifen.domain.endpoints import DeliveryStatus, EndpointStatus, Reply
from jifen.domain.outgoing import OutgoingEvent
from jifen.service.delivering import Delivering
from jifen.service.hook_ports import DeliveryTask
from local.engines import Engine
from tests.service.hooks import NOW, World, event
from tests.service.scene import PROGRAM
from tests.store.clients import deadline
from tests.store.tables import new_ledger

WORKERS = 8


class Shop:
    """A poster for many threads: what it says to an event, and how often each came."""

    def __init__(self, refuses: Sequence[str] = (), flaky: float = 0.0) -> None:
        self.refuses = frozenset(refuses)
        self.flaky = flaky
        self.times: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self._rng = random.Random(7)
        self._lock = threading.Lock()

    def post(self, url: str, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> Reply:
        """See :class:`jifen.service.hook_ports.Poster`."""
        del url, secrets, at, body
        with self._lock:
            self.times[message_id] += 1
            refused = message_id in self.refuses or self._rng.random() < self.flaky
            self.taken[message_id] += not refused
        return Reply(500, "answered 500") if refused else Reply(200)


class Crowd:
    """Eight workers on one world."""

    def __init__(self, engine: Engine) -> None:
        self.ledger = new_ledger(engine, PROGRAM)
        self.world = World(self.ledger)
        self.counted: Counter[str] = Counter()

    def worker(self, shop: Shop) -> Delivering:
        """One of them."""
        world = self.world
        return Delivering(self.ledger, shop, world.queue, world.clock, lambda: 0.0, deadline(60))

    def all_do(self, tasks: Sequence[DeliveryTask], shop: Shop) -> None:
        """Each worker does every task, in an order of its own."""

        def one(number: int) -> None:
            worker, own = self.worker(shop), list(tasks)
            random.Random(number).shuffle(own)
            for task in own:
                self._count(worker.deliver(task).counted)

        self._at_once(one)

    def drain(self, shop: Shop) -> None:
        """Together they work off what is visible now."""

        def one(_number: int) -> None:
            worker = self.worker(shop)
            while messages := self.world.queue.receive(2):
                for message in messages:
                    outcome = self.world.do(self.world.queue.read(message.body), worker)
                    self._count(outcome.counted)
                    if outcome.wait_s is None:
                        self.world.queue.delete(message.number)
                    else:
                        self.world.queue.postpone(str(message.number), outcome.wait_s)

        self._at_once(one)

    @staticmethod
    def _at_once(one: Callable[[int], None]) -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(one, range(WORKERS)))

    def _count(self, counted: Mapping[str, int] | None) -> None:
        with self.world.queue.lock:
            self.counted.update(counted or {})


@pytest.fixture
def crowd(engine: Engine) -> Crowd:
    """With one endpoint that takes everything."""
    made = Crowd(engine)
    made.world.endpoint()
    return made


def told(crowd: Crowd, count: int) -> tuple[list[OutgoingEvent], list[DeliveryTask]]:
    """Events that were relayed, and their tasks."""
    events = [event(number, NOW - timedelta(seconds=number)) for number in range(count)]
    crowd.world.relaying.relay(events)
    return events, [DeliveryTask("shop", one.id, one.at) for one in events]


def test_the_same_messages_in_eight_hands_are_delivered_and_every_attempt_counted(crowd: Crowd) -> None:
    """Half of them are refused: whatever the order of writers, attempts are those that were made."""
    events, tasks = told(crowd, 12)
    shop = Shop(refuses=[one.id for one in events[::2]])
    crowd.all_do(tasks, shop)
    for number, one in enumerate(events):
        line = crowd.world.line(one)
        assert line
        assert shop.times[one.id] == line.attempts
        assert (line.status is DeliveryStatus.DELIVERED) == (number % 2 == 1)
    assert shop.taken.total() == crowd.counted["HooksDelivered"]
    assert shop.times.total() - shop.taken.total() == crowd.counted["HookAttemptsFailed"]


def test_an_endpoint_that_failed_for_too_long_is_disabled_once(crowd: Crowd) -> None:
    """Eight workers see the same failure; one of them disables it, and each failure is counted once."""
    events, tasks = told(crowd, 10)
    since = NOW - timedelta(days=6)
    crowd.world.change(lambda shown: replace(shown, failing_since=since, failures=3))
    shop = Shop(refuses=[one.id for one in events])
    crowd.all_do(tasks, shop)
    shown = crowd.world.shown()
    assert (EndpointStatus.DISABLED, since) == (shown.status, shown.failing_since)
    assert 1 == crowd.counted["HooksDisabled"]
    assert 3 + shop.times.total() == shown.failures
    assert shop.times.total() == sum(line.attempts for one in events if (line := crowd.world.line(one)))
    assert {DeliveryStatus.SKIPPED} == {line.status for one in events if (line := crowd.world.line(one))}
    assert min(one.at for one in events) == shown.behind_since


def test_an_endpoint_known_to_be_failing_is_tried_by_one_worker_at_a_time(crowd: Crowd) -> None:
    """Thirty events in eight hands at once, and one request."""
    events, tasks = told(crowd, 30)
    crowd.world.change(lambda shown: replace(shown, failing_since=NOW, failures=9))
    shop = Shop(refuses=[one.id for one in events])
    crowd.all_do(tasks, shop)
    assert 1 == shop.times.total()
    statuses = Counter(line.status for one in events if (line := crowd.world.line(one)))
    # Another worker with the same event may have found the endpoint resting while the one tried it.
    assert statuses[DeliveryStatus.SKIPPED] >= 29
    assert 30 == statuses[DeliveryStatus.SKIPPED] + statuses[DeliveryStatus.WAITING]


def test_a_shop_that_comes_and_goes_gets_everything_in_the_end(crowd: Crowd) -> None:
    """Six of ten answers are failures for an hour, then none: nothing is lost, and nothing waits for ever."""
    told(crowd, 0)
    flaky, events = Shop(flaky=0.6), list[OutgoingEvent]()
    for minute in range(0, 60, 5):
        crowd.world.clock.now = NOW + timedelta(minutes=minute)
        new = [event(minute * 100 + number, crowd.world.clock.now) for number in range(6)]
        crowd.world.relaying.relay(new)
        events += new
        crowd.drain(flaky)
    shop = Shop()
    for _ in range(60):
        crowd.drain(shop)
        at = crowd.world.queue.next_at()
        if at is None:
            break
        crowd.world.clock.now = max(at, crowd.world.clock.now)
    lines = [crowd.world.line(one) for one in events]
    assert {DeliveryStatus.DELIVERED} == {line.status if line else None for line in lines}
    assert all(flaky.taken[one.id] + shop.taken[one.id] for one in events)
    shown = crowd.world.shown()
    assert (0, None, None) == (shown.failures, shown.retry_at, shown.behind_since)
    assert {} == crowd.world.queue.messages


def test_eight_relays_of_the_same_events_keep_each_once(crowd: Crowd) -> None:
    """The stream tells a change to more than one reader at times."""
    events = [event(number) for number in range(40)]
    worlds = [World(crowd.ledger, crowd.world.clock) for _ in range(WORKERS)]
    for one in worlds:
        one.relaying._patience = lambda: deadline(60)
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda one: one.relaying.relay(events), worlds))
    assert all(crowd.world.kept(one) for one in events)
    assert {40} == {one.queue.sent for one in worlds}
