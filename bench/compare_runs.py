"""The runs behind ``bench.compare``, each for one way to keep points on one engine.

    plain      every event once, in order            wrong balances, trips, units, CPU, events a second
    doubled    every event one to three times, one in five late: wrong balances
    racing     64 clients, each a process, redeem 10 of 100 points: who succeeds, what the others are told
    together   8 processes play overlapping parts, each event in two of them: wrong balances, failures

CPU is that of the client's process. Rounds take turns, so that a busy machine is busy for all; the best round counts.
"""

from __future__ import annotations

import json
import multiprocessing
import queue
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, cast

from bench import valgrind
from bench.alternatives.orders import balances
from bench.compare_paths import (
    WAYS,
    Delivery,
    Played,
    Request,
    ask,
    delivery,
    make_tables,
    play,
    way,
)
from bench.count import Bill, billing
from bench.warm import ENVIRONMENT, PROJECT
from local import shop
from local.engines import Engine
from local.replay import read_lines

SEED = 20_26
EVENTS = 1_000
EVENTS_PER_MEMBER = 25
ROUNDS = 5
BATCHES = (1, 10)
PROCESSES = 8
CLIENTS_PER_PROCESS = 8
POINTS, ASKED = 100, 10
LATE_BY_MAX = 20
WAIT_S = 120.0
COUNTED_EVENTS = 60
"""Events played under callgrind, of which the second half is counted."""

Event = Mapping[str, Any]
Say = Callable[[str], None]
_tables = count(1)


# Events --------------------------------------------------------------------------------------------------------------


def from_file(path: Path) -> Iterator[Event]:
    """The events of a replay file."""
    return (event for _, event in read_lines(path))


def invented(events: int) -> Iterator[Event]:
    """Events of the invented shop, about 25 of each member, enough for so many distinct ones."""
    return shop.events(SEED, max(4, events // EVENTS_PER_MEMBER), max(10, events))


def plain(events: Iterable[Event], most: int) -> list[Event]:
    """The first ``most`` orders and redemptions, each once, in the order in which they happened.

    Sweeps and refunds that name no order are left out: the alternatives have neither.
    """
    once: dict[str, Event] = {}
    for event in events:
        if event["type"] == "redeem.requested":
            once.setdefault(event["request_id"], event)
        elif event["type"].startswith("order.") and event.get("order_id") is not None:
            once.setdefault(event["event_id"], event)
    return sorted(once.values(), key=lambda event: event["occurred_at"])[:most]


def doubled(events: Sequence[Event], seed: int = SEED) -> list[Event]:
    """Each event one to three times, and one delivery in five up to ``LATE_BY_MAX`` places late."""
    source = random.Random(seed)  # noqa: S311 - the same every time
    placed = [
        (at + (source.randint(1, LATE_BY_MAX) if source.random() < 0.2 else 0), source.random(), event)  # noqa: PLR2004 - one in five
        for at, event in enumerate(events)
        for _ in range(source.randint(1, 3))
    ]
    return [event for _, _, event in sorted(placed, key=lambda one: one[:2])]


# One process ---------------------------------------------------------------------------------------------------------


@dataclass
class Found:
    """What was found out about one way with one size of batch."""

    events: int
    wrong: dict[str, int] = field(default_factory=dict)
    members: int = 0
    bill: Bill = field(default_factory=Bill)
    cpu_s: float = float("inf")
    wall_s: float = float("inf")
    instructions: int | None = None
    race: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    given_up: int = 0

    def per_event(self, amount: float) -> float:
        """Shared out over the events."""
        return amount / self.events


def wrong_balances(engine: Engine, name: str, table: str, events: Sequence[Event], done: Iterable[Request]) -> int:
    """How many members have other than they must, by what was answered with yes."""
    taken = way(name, engine, table)
    expected = balances(events, [(request.member, request.points) for request in done])
    return sum(taken.balance(member) != points for member, points in expected.items())


def new_table(engine: Engine) -> str:
    """The name of a new table and of its idempotency table."""
    name = f"compare-{next(_tables)}"
    make_tables(engine, name)
    return name


def correct(engine: Engine, name: str, events: Sequence[Event], found: Found) -> None:
    """Bill a plain run, and count what is wrong after it and after one with copies."""
    table = new_table(engine)
    taken = way(name, engine, table)
    with billing(taken.clients) as found.bill:
        played = play(taken, [delivery(name, event) for event in events], 1)
    found.wrong["plain"] = wrong_balances(engine, name, table, events, played.done.values())
    found.members = len(balances(events, ()))
    copies, table = doubled(events), new_table(engine)
    played = play(way(name, engine, table), [delivery(name, event) for event in copies], 1)
    found.wrong["doubled"] = wrong_balances(engine, name, table, events, played.done.values())


def billed_in_batches(engine: Engine, name: str, events: Sequence[Event], size: int, found: Found) -> None:
    """Bill a plain run in batches."""
    taken = way(name, engine, new_table(engine))
    with billing(taken.clients) as found.bill:
        play(taken, [delivery(name, event) for event in events], size)


def timed(engine: Engine, name: str, events: Sequence[Event], size: int, found: Found) -> None:
    """One round: the best CPU and wall seconds so far."""
    taken = way(name, engine, new_table(engine))
    deliveries = [delivery(name, event) for event in events]
    cpu, wall = time.process_time(), time.perf_counter()
    play(taken, deliveries, size)
    found.cpu_s = min(found.cpu_s, time.process_time() - cpu)
    found.wall_s = min(found.wall_s, time.perf_counter() - wall)


def counted(engine: Engine, name: str, events: Sequence[Event], size: int) -> int:
    """CPU instructions an event, in the second half of a short run under callgrind.

    Raises:
        valgrind.RunFailed: it did not end well.
    """
    assert engine.url is not None, "another process must reach the engine"
    short = events[:COUNTED_EVENTS]
    with tempfile.TemporaryDirectory(prefix="jifen-compare-") as folder:
        file = Path(folder) / "events.json"
        file.write_text(json.dumps(short), encoding="utf-8")
        own = [name, str(size), engine.url, new_table(engine), str(file)]
        command = [sys.executable, "-m", "bench.compare_paths", *own]
        (_, half), _ = valgrind.between_marks(command, ENVIRONMENT, PROJECT)
    return half // (len(short) - len(short) // 2)


# Eight processes -----------------------------------------------------------------------------------------------------


def race(engine: Engine, name: str) -> Counter[str]:
    """64 clients ask for 10 points each of an account with 100, all at once; what they are told, and what is left."""
    table, member = new_table(engine), "racer"
    order = {
        "type": "order.paid",
        "event_id": "evt-1",
        "order_id": "1",
        "customer_id": member,
        "occurred_at": "2026-01-01T00:00:00+00:00",
        "currency": "CNY",
        "lines": [{"n": 1, "sku": "A", "qty": 1, "unit_price_minor": 100 * POINTS}],
        "total_minor": 100 * POINTS,
    }
    taken = way(name, engine, table)
    play(taken, [delivery(name, order)], 1)
    gate = _context().Barrier(PROCESSES * CLIENTS_PER_PROCESS)
    answers = _in_processes(_clients, [(engine, name, table, member, number, gate) for number in range(PROCESSES)])
    return sum(cast("list[Counter[str]]", answers), Counter[str]())


def _clients(engine: Engine, name: str, table: str, member: str, number: int, gate: Any) -> Counter[str]:
    """What eight clients are told; each is a process, because Powertools' resolver serves one request at a time.

    They are forked before anything was sent, so that each has connections of its own.
    """
    taken, context = way(name, engine, table), multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def client(at: int) -> None:
        event = Request(f"r-{number}-{at}", member, ASKED).event()
        gate.wait(WAIT_S)
        answers.put(ask(taken, event))

    clients = [context.Process(target=client, args=(at,)) for at in range(CLIENTS_PER_PROCESS)]
    for each in clients:
        each.start()
    for each in clients:
        each.join(WAIT_S)
    told: Counter[str] = Counter()
    while not answers.empty():
        told[answers.get()] += 1
    return told


def together(engine: Engine, name: str, events: Sequence[Event], found: Found) -> None:
    """Eight processes play parts that overlap by half, so that each event is played by two of them."""
    table, share = new_table(engine), -(-len(events) // PROCESSES)
    ring = [delivery(name, event) for event in [*events, *events[:share]]]
    parts = [ring[share * number : share * (number + 2)] for number in range(PROCESSES)]
    gate = _context().Barrier(PROCESSES)
    all_played = cast(
        "list[Played]",
        _in_processes(_player, [(engine, name, table, part, gate) for part in parts]),
    )
    done: dict[str, Request] = {}
    for played in all_played:
        done |= played.done
        found.failures += played.failures
        found.given_up += played.given_up
    found.wrong["together"] = wrong_balances(engine, name, table, events, done.values())


def _player(engine: Engine, name: str, table: str, part: list[Delivery], gate: Any) -> Played:
    taken = way(name, engine, table)
    gate.wait(WAIT_S)
    return play(taken, part, 10)


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.compare_runs"])
    return context


def _in_processes(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What each process returned.

    Raises:
        RuntimeError: one of them failed, died, or did not answer in time.
    """
    context = _context()
    answers = context.Queue()
    processes = [context.Process(target=_answering, args=(answers, work, given)) for given in arguments]
    for process in processes:
        process.start()
    found: list[Any] = []
    deadline = time.monotonic() + 2 * WAIT_S
    try:
        while len(found) < len(processes):
            try:
                found.append(answers.get(timeout=1))
            except queue.Empty:
                if time.monotonic() > deadline or any(process.exitcode for process in processes):
                    raise RuntimeError("a process died or did not answer in time") from None
            if found and isinstance(found[-1], str):
                raise RuntimeError(found[-1])
    finally:
        for process in processes:
            process.join(1)
            if process.is_alive():
                process.kill()
                process.join()
    return found


def _answering(answers: Any, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    try:
        answers.put(work(*given))
    except Exception as failure:
        answers.put(f"a process failed: {failure!r}")
        raise


# All of it -----------------------------------------------------------------------------------------------------------


def compare(
    engine: Engine,
    events: Sequence[Event],
    rounds: int = ROUNDS,
    sizes: Sequence[int] = BATCHES,
    say: Say = lambda _line: None,
) -> dict[tuple[str, int], Found]:
    """Everything but instructions, by way and size of batch; what does not depend on the size stands with size 1."""
    found = {(name, size): Found(len(events)) for name in WAYS for size in sizes}
    for name in WAYS:
        say(f"{name}: balances and bills")
        correct(engine, name, events, found[name, 1])
        for size in sizes:
            if size > 1:
                billed_in_batches(engine, name, events, size, found[name, size])
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        turn = list(found)
        for name, size in turn[number % len(turn) :] + turn[: number % len(turn)]:
            timed(engine, name, events, size, found[name, size])
    for name in WAYS:
        say(f"{name}: {PROCESSES} processes")
        found[name, 1].race = race(engine, name)
        together(engine, name, events, found[name, 1])
    return found
