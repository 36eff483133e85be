"""One client at a time, the seed says which, and no run goes on for ever."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from local.simulation.scheduler import SWITCHES_MAX, Livelock, Scheduler


def _scheduler(seed: int = 1, stay: float = 0.0, between: Callable[[], None] = lambda: None) -> Scheduler:
    return Scheduler(random.Random(seed), stay, between)


def _order(seed: int, stay: float = 0.0) -> list[str]:
    scheduler, seen = _scheduler(seed, stay), list[str]()

    def client(name: str) -> Callable[[], None]:
        def work() -> None:
            for _ in range(20):
                seen.append(name)
                scheduler.switch()

        return work

    for name in "abc":
        scheduler.spawn(name, client(name))
    scheduler.run()
    return seen


def test_the_seed_decides_who_is_next() -> None:
    """The same seed gives the same order, another seed another one, and everybody comes to an end."""
    assert _order(1) == _order(1)
    assert _order(1) != _order(2)
    assert ["a"] * 20 + ["b"] * 20 + ["c"] * 20 == sorted(_order(1))


def test_clients_can_be_made_to_stay() -> None:
    """With a high probability of going on there are fewer changes than without."""

    def changes(order: list[str]) -> int:
        return sum(one != other for one, other in itertools.pairwise(order))

    assert changes(_order(1, stay=0.9)) < changes(_order(1)) / 2


def test_only_one_runs_between_two_switches() -> None:
    """What a client reads and writes without a switch in between nobody else gets into."""
    scheduler, shared = _scheduler(), [0]

    def work() -> None:
        for _ in range(50):
            before = shared[0]
            shared[0] = before + 1
            assert before + 1 == shared[0]
            scheduler.switch()

    for name in "abcd":
        scheduler.spawn(name, work)
    scheduler.run()

    assert 200 == shared[0]


def test_a_client_that_fails_ends_the_run() -> None:
    """The failure comes out of run(); the others are stopped, not left behind."""
    scheduler, ended = _scheduler(), list[str]()

    def fails() -> None:
        for _ in range(10):  # long enough for the other one to have begun
            scheduler.switch()
        raise ValueError("broken")

    def goes_on() -> None:
        try:
            while True:
                scheduler.switch()
        finally:
            ended.append("stopped")

    scheduler.spawn("fails", fails)
    scheduler.spawn("goes on", goes_on)

    with pytest.raises(ValueError, match="broken"):
        scheduler.run()
    assert ["stopped"] == ended


def test_a_livelock_is_found() -> None:
    """Two clients that wait for each other for ever are an error, not a hang."""
    scheduler = _scheduler()

    def waits() -> None:
        while True:
            scheduler.switch()

    scheduler.spawn("a", waits)
    scheduler.spawn("b", waits)

    with pytest.raises(Livelock):
        scheduler.run()
    assert scheduler.switches > SWITCHES_MAX


def test_something_may_happen_at_every_switch() -> None:
    """Time passes there, and late messages arrive."""
    calls: list[int] = []
    scheduler = _scheduler(between=lambda: calls.append(1))

    def work() -> None:
        for _ in range(5):
            scheduler.switch()

    scheduler.spawn("a", work)
    scheduler.run()

    assert [1] * 5 == calls


def test_outside_a_run_a_switch_is_nothing() -> None:
    """What is set up before a run calls the same code."""
    _scheduler().switch()
