"""Ours beside two honest alternatives, in one run, on one engine, with the same events.

    python -m bench.compare [--events N] [--rounds N] [--instructions] [FILE]

The runs are those of :mod:`bench.compare_runs`; the section ``compare`` of ``bench/RESULTS.md`` is made of them.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import results
from bench.compare_paths import IDEMPOTENCY_AND_LOTS, OURS, READ_THEN_WRITE, WAYS
from bench.compare_runs import (
    ASKED,
    CLIENTS_PER_PROCESS,
    EVENTS,
    POINTS,
    PROCESSES,
    ROUNDS,
    SEED,
    Event,
    Found,
    Say,
    compare,
    counted,
    from_file,
    invented,
    plain,
)
from local.engines import open_engine

TITLES = {
    OURS: "ours",
    READ_THEN_WRITE: "(a) read, then write",
    IDEMPOTENCY_AND_LOTS: "(b) idempotency table, lots as items",
}

_HEAD = """## Side by side

Made by `python -m bench.compare` in one run: {events} events ({kinds}) of {members} members
from {source}, on {engine}.

(a) reads the balance and writes it back, (b) puts Powertools' idempotency table around handlers that keep lots as
PynamoDB items; both are in `bench/alternatives/`. All get the same events at the same two handlers, from the queue on.
CPU is the client's process, the best of {rounds} rounds that took turns, on Python {python}; milliseconds and events a
second mean something beside each other only. Everything but the batch is an event's share.

| | batch | trips | write units | read units | CPU ms | of (b) | k instructions | events/s |
|---|---|---|---|---|---|---|---|---|
"""
_CORRECT_HEAD = """
Members with a wrong balance, of {members}, after three runs; what failed in the third and came again; and what
{clients} clients, each a process, were told who each asked for {asked} of {points} points at once:

| | once, in order | 1-3 times, some late | 8 processes, each event in two | failed there | given up | the race |
|---|---|---|---|---|---|---|
"""


def section(
    found: Mapping[tuple[str, int], Found], events: Sequence[Event], source: str, engine: str, rounds: int
) -> str:
    """The section of the page."""
    kinds = Counter(event["type"] for event in events)
    base = found[IDEMPOTENCY_AND_LOTS, 1].cpu_s
    members = found[OURS, 1].members
    text = _HEAD.format(
        events=len(events),
        kinds=", ".join(f"{number} {kind}" for kind, number in kinds.most_common()),
        members=members,
        source=source,
        engine=engine,
        rounds=rounds,
        python=".".join(map(str, sys.version_info[:3])),
    )
    for (name, size), one in found.items():
        counted_here = f"{one.instructions // 1_000:,}" if one.instructions else "not counted"
        bill = [one.bill.trips, one.bill.write_units, one.bill.read_units]
        text += (
            f"| {TITLES[name]} | {size} | {' | '.join(f'{one.per_event(each):.2f}' for each in bill)} |"
            f" {1_000 * one.per_event(one.cpu_s):.2f} | {one.cpu_s / base:.2f} | {counted_here} |"
            f" {one.events / one.wall_s:,.0f} |\n"
        )
    text += _CORRECT_HEAD.format(members=members, clients=PROCESSES * CLIENTS_PER_PROCESS, asked=ASKED, points=POINTS)
    for name in WAYS:
        one = found[name, 1]
        wrong = " | ".join(str(one.wrong[run]) for run in ("plain", "doubled", "together"))
        text += f"| {TITLES[name]} | {wrong} | {_told(one.failures)} | {one.given_up} | {_told(one.race)} |\n"
    return text + _NOTES


_NOTES = """
Nothing expires in this run, because the alternatives have no sweep. With a FIFO queue in front, events of one member do
not race each other as they do in the third column; redemptions, sweeps and redeliveries do. What fails comes again, so
nothing is lost. Units are the engine's own bill; calls that fail are trips without units there.
"""


def _told(told: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(told.items(), key=lambda one: -one[1])) or "none"


def main() -> None:
    """Compare, print, and keep the section."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__.split("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, help="a replay file; an invented shop unless one is named")
    parser.add_argument("--events", type=int, default=EVENTS, help=f"how many of its events ({EVENTS})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds that are timed ({ROUNDS})")
    parser.add_argument("--instructions", action="store_true", help="count instructions as well: some minutes")
    given = parser.parse_args()
    say: Say = (lambda line: print(line, file=sys.stderr)) if sys.stderr.isatty() else (lambda _line: None)
    events = plain(from_file(given.file) if given.file else invented(given.events), given.events)
    source = f"`{given.file.name}`" if given.file else f"the invented shop of `local/shop.py` (seed {SEED})"
    with open_engine("auto", say=say) as engine:
        found = compare(engine, events, given.rounds, say=say)
        if given.instructions:
            for (name, size), one in found.items():
                say(f"{name}, batches of {size}: instructions")
                one.instructions = counted(engine, name, events, size)
        text = section(found, events, source, engine.name, given.rounds)
    results.put("compare", text)
    print(text)


if __name__ == "__main__":
    main()
