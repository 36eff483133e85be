"""Events are kept and queued for the endpoints that want them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jifen.domain.endpoints import KEPT, EndpointStatus
from jifen.domain.errors import Busy
from jifen.domain.outgoing import OutgoingEvent, envelope
from jifen.service.hook_ports import DeliveryTask
from jifen.service.relaying import body_of
from tests.service.hooks import NOW, World, event
from tests.store.memory_ledger import MemoryLedger


@pytest.fixture
def world(ledger: MemoryLedger) -> World:
    """Nobody listens yet."""
    return World(ledger)


def wanted(world: World) -> set[tuple[str, str]]:
    """What waits: endpoint and event."""
    return {(task.endpoint, task.event_id) for task in world.queue.tasks() if isinstance(task, DeliveryTask)}


def test_without_an_endpoint_nothing_is_written_and_nothing_queued(world: World, ledger: MemoryLedger) -> None:
    """A shop that has none pays one read of a list in ten seconds."""
    for number in range(50):
        world.relaying.relay([event(number)])
    assert (0, 0, None) == (ledger.commits, world.queue.sent, world.kept(event(1)))


def test_each_endpoint_gets_a_task_for_what_it_wants(world: World) -> None:
    """By type, by the beginning of a type, or all; an event that nobody wants is kept all the same."""
    world.endpoint("all")
    world.endpoint("points", "points.*")
    world.endpoint("tier", "tier.changed")
    world.relaying.relay([event(1), event(2, kind="tier.changed"), event(3, kind="reward.on_shelf")])
    assert {("all", "ev_1"), ("all", "ev_2"), ("all", "ev_3"), ("points", "ev_1"), ("tier", "ev_2")} == wanted(world)
    kept = world.kept(event(3, kind="reward.on_shelf"))
    assert kept
    assert envelope(event(3, kind="reward.on_shelf")) == kept.event
    assert NOW + KEPT == kept.keep_until


def test_the_same_event_again_is_kept_once_and_queued_again(world: World) -> None:
    """The stream tells a change more than once; a batch that is half known is kept whole."""
    world.endpoint()
    world.relaying.relay([event(1)])
    world.relaying.relay([event(1), event(2), event(2)])
    assert 3 == world.queue.sent
    assert all(world.kept(event(number)) for number in (1, 2))


def test_a_disabled_endpoint_is_queued_for_and_a_deleted_one_is_not(world: World) -> None:
    """The log of a disabled one says what it missed; nobody misses anything at a deleted one."""
    world.endpoint("off", status=EndpointStatus.DISABLED)
    world.endpoint("gone", status=EndpointStatus.DELETED)
    world.relaying.relay([event(1)])
    assert {("off", "ev_1")} == wanted(world)


def test_endpoints_are_believed_for_ten_seconds(world: World) -> None:
    """A new endpoint gets what happens ten seconds later, at the latest."""
    world.relaying.relay([event(1)])
    world.endpoint(told=False)
    world.seconds = 9.9
    world.relaying.relay([event(2)])
    assert 0 == world.queue.sent
    world.seconds = 10.0
    world.relaying.relay([event(3)])
    assert {("shop", "ev_3")} == wanted(world)
    assert not world.kept(event(2))


def test_many_events_are_more_than_one_transaction(world: World) -> None:
    """A batch of the stream may be longer than what is written together."""
    world.endpoint()
    events = [event(number, NOW - timedelta(minutes=number)) for number in range(130)]
    world.relaying.relay(events)
    assert all(world.kept(one) for one in events)
    assert 130 == world.queue.sent


def test_an_event_that_is_too_long_says_so_in_place_of_its_data(world: World) -> None:
    """A receiver learns of it all the same, and can ask the API."""
    world.endpoint()
    long = OutgoingEvent("ev_1", "points.earned", NOW, "m1", {"why": "é" * 200_000})
    world.relaying.relay([long])
    kept = world.kept(long)
    assert kept
    assert {"too_large": True, "bytes": len(body_of(envelope(long))), "bytes_max": 256_000} == kept.event["data"]
    assert ("ev_1", "m1") == (kept.event["id"], kept.event["member_id"])


def test_a_queue_that_does_not_take_them_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream delivers them again."""
    world.endpoint()

    def refuse(*_args: object) -> None:
        raise Busy

    monkeypatch.setattr(world.queue, "send", refuse)
    with pytest.raises(Busy):
        world.relaying.relay([event(1)])


def test_it_is_known_whether_anybody_wants_a_type(world: World) -> None:
    """A message that no endpoint takes has reached nobody."""
    assert not world.relaying.wanted("notice")
    world.endpoint("tier", "tier.*")
    assert (False, True) == (world.relaying.wanted("notice"), world.relaying.wanted("tier.changed"))
    world.endpoint("off", "notice", status=EndpointStatus.DISABLED)
    assert (False, True) == (world.relaying.wanted("notice"), world.relaying.wanted("notice", disabled=True))
