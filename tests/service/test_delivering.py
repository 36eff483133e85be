"""Attempts at events: what is retried, given up, skipped and caught up on; endpoints that fail and are disabled."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jifen.domain import endpoints as book
from jifen.domain.endpoints import ATTEMPTS_MAX, DeliveryStatus, EndpointStatus, Reply
from jifen.domain.errors import Busy
from jifen.domain.outgoing import envelope
from jifen.service import replaying
from jifen.service.delivering import Outcome, batch
from jifen.service.hook_ports import DeliveryTask, ReplayTask
from tests.service.hooks import NOW, World, event
from tests.service.ledgers import Forgetful, Raced
from tests.service.scene import PROGRAM
from tests.store.memory_ledger import MemoryLedger

DOWN = Reply(500, "answered 500")
MUTE = Reply(0, "no answer within 10 seconds")
DAY = timedelta(days=1)


@pytest.fixture
def world(ledger: MemoryLedger) -> World:
    """One endpoint that takes everything."""
    made = World(ledger)
    made.endpoint()
    return made


def unexpected(name: str, failure: Exception) -> None:
    """Nothing was to fail."""
    pytest.fail(f"{name}: {failure}")


def status(world: World, number: int = 1, at: datetime = NOW) -> DeliveryStatus | None:
    """What became of an event."""
    line = world.line(event(number, at))
    return line.status if line else None


def test_an_event_is_posted_once_under_its_own_id(world: World) -> None:
    """The body is the event's envelope; the line of the log says delivered; nothing waits any more."""
    world.relaying.relay([event(1)])
    world.work()
    line = world.line(event(1))
    assert line
    assert (DeliveryStatus.DELIVERED, 1, 200, "", NOW) == (
        line.status,
        line.attempts,
        line.answered,
        line.problem,
        line.last_at,
    )
    assert ["ev_1"] == world.poster.ids
    assert envelope(event(1)) == json.loads(world.poster.bodies[0])
    assert {} == world.queue.messages
    assert {"HooksDelivered": 1} == world.counted
    assert NOW + book.KEPT == line.keep_until


def test_the_same_message_again_posts_nothing(world: World) -> None:
    """A queue hands messages over at least once, and the stream tells changes at least once."""
    world.relaying.relay([event(1)])
    world.relaying.relay([event(1)])
    world.work()
    assert ["ev_1"] == world.poster.ids


def test_a_copy_of_a_message_that_waits_posts_nothing_before_its_time(world: World) -> None:
    """A queue may hand over one message twice: the copy waits as long as the line says."""
    world.poster.always = DOWN
    world.relaying.relay([event(1)])
    world.work()
    outcome = world.do(DeliveryTask("shop", "ev_1", NOW))
    assert (5, ["ev_1"]) == (outcome.wait_s, world.poster.ids)


def test_an_address_is_not_judged_by_what_the_one_before_answered(world: World) -> None:
    """An operator changed it while the attempt was made."""
    world.relaying.relay([event(1)])
    world.poster.always = Reply(410, "answered 410")
    world.poster.before = lambda: world.change(lambda shown: replace(shown, url="https://new.example/", failures=1))
    world.work()
    assert (EndpointStatus.ACTIVE, 1) == (world.shown().status, world.shown().failures)
    assert DeliveryStatus.WAITING is status(world)


def test_one_event_refused_is_retried_by_the_table_and_then_given_up(world: World) -> None:
    """Others are taken meanwhile, so the endpoint is never held to be failing; the waits are those of the docs."""
    world.poster.by_event["ev_1"] = DOWN
    world.relaying.relay([event(1)])
    for number in range(2, 200):
        world.relaying.relay([event(number, world.clock.now)])
        world.work(world.clock.now + timedelta(minutes=30))
    line = world.line(event(1))
    assert line
    assert (DeliveryStatus.FAILED, ATTEMPTS_MAX, 500, "answered 500") == (
        line.status,
        line.attempts,
        line.answered,
        line.problem,
    )
    times = [at for _, name, at in world.poster.posted if name == "ev_1"]
    assert list(book.WAITS) == [after - before for before, after in pairwise(times)]
    assert 1 == world.counted["HooksGivenUp"]
    assert {} == world.queue.messages
    assert (EndpointStatus.ACTIVE, 0) == (world.shown().status, world.shown().failures)


def test_an_endpoint_that_is_down_costs_few_attempts_and_loses_nothing(world: World) -> None:
    """Hundreds of events in a day: known to be failing, tried every five minutes; all of them come once it is back."""
    world.poster.always = DOWN
    events = [event(number, NOW + number * DAY / 250) for number in range(250)]
    for one in events:
        world.work(one.at)
        world.relaying.relay([one])
    world.work()
    assert len(world.poster.posted) < 320, "an outage of a day: every five minutes, and the first ones"
    assert len(world.queue.messages) < 12
    assert NOW == world.shown().behind_since
    assert not any(status(world, int(one.id[3:]), one.at) is DeliveryStatus.DELIVERED for one in events)

    world.poster.always = Reply(200)
    world.work(world.clock.now + timedelta(minutes=6))
    late = {one.id for one in events if status(world, int(one.id[3:]), one.at) is not DeliveryStatus.DELIVERED}
    assert set() == late
    world.work(world.clock.now + 4 * DAY)
    shown = world.shown()
    assert (0, None, None, None) == (shown.failures, shown.failing_since, shown.retry_at, shown.behind_since)
    assert {} == world.queue.messages


def test_an_endpoint_that_is_down_is_found_to_be_back_without_any_new_event(world: World) -> None:
    """Nothing happens for hours; a try every five minutes notices."""
    world.poster.always = DOWN
    world.relaying.relay([event(number) for number in range(30)])
    world.work(NOW + timedelta(hours=7))
    world.poster.always = Reply(200)
    world.work(world.clock.now + timedelta(minutes=6))
    assert all(status(world, number) is DeliveryStatus.DELIVERED for number in range(30))


def test_what_one_event_is_refused_for_does_not_keep_the_others(world: World) -> None:
    """The only event that ever failed is not the only one that the endpoint is tried with."""
    world.poster.by_event["ev_1"] = DOWN
    world.relaying.relay([event(1)])
    world.work(NOW + timedelta(hours=3))
    assert book.probing(world.shown())
    world.relaying.relay([event(2, world.clock.now)])
    at = world.clock.now
    world.work(at + timedelta(minutes=10))
    assert DeliveryStatus.DELIVERED is status(world, 2, at)


def test_a_refused_event_is_given_up_even_if_the_endpoint_stops_and_goes(world: World) -> None:
    """What is caught up on keeps its attempts, so it does not go round for ever."""
    world.poster.by_event["ev_1"] = DOWN
    world.relaying.relay([event(1)])
    for day in range(12):
        world.work(NOW + day * DAY)
        world.relaying.relay([event(2 + day, world.clock.now)])
    world.work(world.clock.now + DAY)
    assert DeliveryStatus.FAILED is status(world)
    assert EndpointStatus.ACTIVE is world.shown().status


def test_five_days_without_a_delivery_disable_the_endpoint_once(world: World) -> None:
    """The reason names the time and the last answer; what happens afterwards is skipped."""
    world.poster.always = MUTE
    for hour in range(0, 6 * 24, 3):
        world.work(NOW + timedelta(hours=hour))
        world.relaying.relay([event(hour, world.clock.now)])
    world.work()
    shown = world.shown()
    assert EndpointStatus.DISABLED is shown.status
    assert "nothing was delivered since 2026-11-26T09:30Z; last: no answer within 10 seconds" == shown.disabled_why
    assert 1 == world.counted["HooksDisabled"]
    line = world.line(event(141, NOW + timedelta(hours=141)))
    assert line
    assert (DeliveryStatus.SKIPPED, "the endpoint is disabled") == (line.status, line.problem)
    posted = len(world.poster.posted)
    world.work(world.clock.now + DAY)
    assert (posted, {}) == (len(world.poster.posted), world.queue.messages)
    assert NOW == shown.behind_since


def test_gone_disables_at_once(world: World) -> None:
    """410 is the receiver's way to say never again; what it refused is there for later."""
    world.poster.always = Reply(410, "answered 410")
    world.relaying.relay([event(1)])
    world.work()
    shown = world.shown()
    assert (EndpointStatus.DISABLED, "answered 410 Gone", NOW) == (
        shown.status,
        shown.disabled_why,
        shown.behind_since,
    )
    assert DeliveryStatus.SKIPPED is status(world)
    assert {} == world.queue.messages


@pytest.mark.parametrize("catch_up", [True, False])
def test_an_endpoint_that_is_enabled_again_gets_what_it_missed_if_asked(world: World, catch_up: bool) -> None:  # noqa: FBT001
    """With the first event that it takes."""
    world.poster.always = Reply(410, "answered 410")
    world.relaying.relay([event(number) for number in range(5)])
    world.work()
    world.change(lambda shown: book.enabled(shown, catch_up=catch_up))
    world.poster.always = Reply(200)
    world.clock.later(hours=1)
    world.relaying.relay([event(9, world.clock.now)])
    world.work(world.clock.now + timedelta(minutes=1))
    expected = DeliveryStatus.DELIVERED if catch_up else DeliveryStatus.SKIPPED
    assert {expected} == {status(world, number) for number in range(5)}


def test_an_endpoint_disabled_in_the_middle_of_catching_up_remembers_the_rest(world: World) -> None:
    """What was not queued yet is behind again."""
    run = ReplayTask("shop", NOW - DAY, NOW, "r", missing=True, hour="2026-11-25T20", part=3)
    world.change(lambda shown: replace(shown, status=EndpointStatus.DISABLED))
    world.do(run)
    assert datetime.fromisoformat("2026-11-25T20:00:00Z") == world.shown().behind_since


def test_a_replay_goes_on_once_its_endpoint_is_enabled(world: World) -> None:
    """Disabled in the middle of it: what was delivered before is sent again all the same, and each event once."""
    world.relaying.relay([event(number, NOW + number * timedelta(hours=1)) for number in range(3)])
    world.work()
    world.queue.send([ReplayTask("shop", NOW, NOW + DAY, "20261127-r")])
    world.change(lambda shown: replace(shown, status=EndpointStatus.DISABLED))
    world.work(world.clock.now + timedelta(hours=1))
    assert ["ev_0", "ev_1", "ev_2"] == world.poster.ids
    world.change(lambda shown: book.enabled(shown, catch_up=True))
    world.work(world.clock.now + timedelta(hours=1))
    assert ["ev_0", "ev_1", "ev_2"] * 2 == world.poster.ids
    world.work(world.clock.now + timedelta(hours=1))
    assert {} == world.queue.messages


def test_a_replay_sends_also_what_was_delivered_under_the_same_ids(world: World) -> None:
    """Its lines name the replay; events of other types and other times are not sent."""
    events = [event(1), event(2, NOW + timedelta(hours=2)), event(3, NOW + timedelta(hours=5))]
    other = event(4, NOW + timedelta(hours=1), kind="tier.changed")
    world.relaying.relay([*events, other])
    world.work()
    world.queue.send([ReplayTask("shop", NOW, NOW + timedelta(hours=5), "20261127-r", ("points.*",))])
    world.work(world.clock.now + timedelta(minutes=1))
    assert ["ev_1", "ev_2", "ev_3", "ev_4", "ev_1", "ev_2"] == world.poster.ids
    line = world.line(events[0])
    assert line
    assert ("20261127-r", 1, DeliveryStatus.DELIVERED) == (line.run, line.attempts, line.status)
    assert "" == (world.line(events[2]) or line).run


def test_a_replay_sends_what_was_given_up(world: World) -> None:
    """It has all its attempts again."""
    world.relaying.relay([event(1)])
    world.poster.always = DOWN
    for _ in range(ATTEMPTS_MAX):
        world.change(lambda shown: book.enabled(shown, catch_up=False))
        world.work(world.queue.next_at())
    world.work(world.clock.now + 4 * DAY)
    assert DeliveryStatus.FAILED is status(world)
    world.change(lambda shown: book.enabled(shown, catch_up=False))
    world.queue.send([ReplayTask("shop", NOW, NOW + DAY, "r")])
    world.poster.always = Reply(200)
    world.work()
    assert DeliveryStatus.DELIVERED is status(world)


def test_a_long_stretch_is_replayed_a_step_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than so many events are queued before what else happens has a turn; all of them come."""
    monkeypatch.setattr(replaying, "STEP_MAX", 20)
    monkeypatch.setattr(replaying, "PAGES_MAX", 60)
    events = [event(number, NOW - DAY + number * timedelta(minutes=9)) for number in range(150)]
    world.relaying.relay(events)
    world.queue.messages.clear()
    world.queue.send([ReplayTask("shop", NOW - 2 * DAY, NOW, "r")])
    most = 0
    for _ in range(100):
        world.work()
        world.clock.later(seconds=5)
        most = max(most, len(world.queue.messages))
        (first,) = world.queue.receive(1) or (None,)
        if first is None:
            break
        world.done(first, world.do(world.queue.read(first.body)))
        most = max(most, len(world.queue.messages))
    assert {one.id for one in events} == set(world.poster.ids)
    assert len(events) == len(world.poster.ids)
    assert most < 30


def test_a_later_replay_takes_an_event_over_from_an_earlier_one(world: World) -> None:
    """So one line tells of one run, and nothing is posted twice for it."""
    world.relaying.relay([event(1)])
    world.work()
    world.queue.send([DeliveryTask("shop", "ev_1", NOW, "r2"), DeliveryTask("shop", "ev_1", NOW, "r1")])
    world.work()
    assert ["ev_1", "ev_1"] == world.poster.ids


def test_an_event_that_is_kept_no_longer_is_given_up(world: World) -> None:
    """The log says why."""
    world.queue.send([DeliveryTask("shop", "ev_1", NOW)])
    world.work()
    line = world.line(event(1))
    assert line
    assert (DeliveryStatus.FAILED, "the event is not kept any more") == (line.status, line.problem)
    assert [] == world.poster.posted


def test_nothing_is_posted_to_an_endpoint_that_was_deleted(world: World) -> None:
    """Nor written."""
    world.relaying.relay([event(1)])
    world.change(lambda shown: replace(shown, status=EndpointStatus.DELETED))
    world.work()
    assert ([], None, {}) == (world.poster.posted, world.line(event(1)), world.queue.messages)


def test_every_attempt_is_signed_as_of_its_own_time_with_the_secrets_of_then(world: World) -> None:
    """A timestamp of yesterday would be refused by the receiver."""
    world.poster.always = DOWN
    world.relaying.relay([event(1)])
    world.work()
    world.clock.later(seconds=5)
    world.work()
    assert [NOW, NOW + timedelta(seconds=5)] == [at for _, _, at in world.poster.posted]


def test_retry_after_is_respected_within_bounds(world: World) -> None:
    """It never shortens a wait; ten hours at most."""
    world.poster.always = Reply(429, "answered 429", retry_after=timedelta(minutes=20))
    world.relaying.relay([event(1)])
    world.work()
    assert NOW + timedelta(minutes=20) == world.queue.next_at()
    assert timedelta(seconds=5) == book.wait_before(1, 0.0, timedelta(seconds=1))
    assert timedelta(hours=10) == book.wait_before(1, 0.0, timedelta(days=400))


def test_a_slow_endpoint_makes_its_own_events_of_a_batch_wait_once() -> None:
    """After one that got no answer the others come back later, untried; so do those for which no time is left."""
    tried: list[str] = []

    def do(task: str) -> Outcome:
        tried.append(task)
        return Outcome(5, unanswered=task == "b")

    done = batch({"1": "a", "2": "b", "3": "c"}, do, lambda: True, unexpected)
    assert (["a", "b"], 30) == (tried, done["3"].wait_s)
    assert Outcome(30) == batch({"1": "a"}, do, lambda: False, unexpected)["1"]


def test_one_task_that_cannot_be_done_keeps_none_of_the_others() -> None:
    """It comes back, and somebody is told."""
    told: list[tuple[str, Exception]] = []

    def do(task: str) -> Outcome:
        if task == "a":
            raise Busy
        return Outcome()

    done = batch({"1": "a", "2": "b"}, do, lambda: True, lambda name, why: told.append((name, why)))
    assert (30, None) == (done["1"].wait_s, done["2"].wait_s)
    assert ["1"] == [name for name, _ in told]


def test_a_lost_answer_of_the_table_counts_an_attempt_twice_and_the_event_once(ledger: MemoryLedger) -> None:
    """What was delivered stays delivered."""
    world = World(Forgetful(ledger, lost=0))
    world.endpoint()
    world.relaying.relay([event(1)])
    world.ledger._lost = 1  # type: ignore[attr-defined]
    world.work()
    assert DeliveryStatus.DELIVERED is status(world)
    assert ["ev_1"] == world.poster.ids


def test_another_worker_that_delivered_meanwhile_is_not_undone(ledger: MemoryLedger) -> None:
    """Ours got a 500 for the same event a moment later: both attempts count, and the event is delivered."""
    world = World(ledger)
    world.endpoint()
    world.relaying.relay([event(1)])
    task = DeliveryTask("shop", "ev_1", NOW)
    other = World(ledger, world.clock)
    world.poster.always = DOWN
    world.ledger = Raced(ledger, lambda _ledger: other.do(task))
    outcome = world.do(task)
    line = world.line(event(1))
    assert line
    assert (None, DeliveryStatus.DELIVERED, 2) == (outcome.wait_s, line.status, line.attempts)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([200, 500, 0, 429, 410]), min_size=1, max_size=60), st.integers(1, 8))
def test_whatever_an_endpoint_answers_nothing_is_lost(answers: list[int], events: int) -> None:
    """In the end each event is delivered, or its line says that it was given up; none is ever without a line."""
    world = World(MemoryLedger(PROGRAM))
    world.endpoint()
    script = list(answers)

    def turn() -> None:
        code = script.pop(0) if script else 200
        world.poster.always = Reply(code, "" if code == 200 else f"answered {code}")

    world.poster.before = turn
    told = [event(number, NOW + timedelta(minutes=number)) for number in range(events)]
    for one in told:
        world.work(one.at)
        world.relaying.relay([one])
    for _ in range(70):
        world.work(world.clock.now + 3 * DAY)
        if world.shown().status is EndpointStatus.DISABLED:
            world.change(lambda shown: book.enabled(shown, catch_up=True))
        extra = event(100, world.clock.now)
        world.relaying.relay([extra])
        world.work(world.clock.now + timedelta(minutes=30))
        if not script:
            break
    world.work(world.clock.now + 9 * DAY)
    if world.shown().status is EndpointStatus.DISABLED:
        world.change(lambda shown: book.enabled(shown, catch_up=True))
    world.relaying.relay([event(101, world.clock.now)])
    world.work(world.clock.now + DAY)
    assert {status(world, number, told[number].at) for number in range(events)} <= {
        DeliveryStatus.DELIVERED,
        DeliveryStatus.FAILED,
    }
    assert {} == world.queue.messages


def test_outcomes_are_written_with_the_endpoint_in_one_transaction(world: World, ledger: MemoryLedger) -> None:
    """One read and one write for an event that is taken."""
    world.relaying.relay([event(1)])
    loads, commits = ledger.loads, ledger.commits
    world.work()
    assert (1, 1) == (ledger.loads - loads, ledger.commits - commits)
