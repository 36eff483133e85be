"""Load: does an operation cost the same in a table of a thousand members and in one of a million?

    python -m bench.load                                  10^3 to 10^6, into bench/RESULTS.md (some 20 minutes)
    python -m bench.load --members 1000,10000 --dry       smaller, only printed
    python -m bench.load --soak 30                        half an hour of everything on 10,000 members: what grows?

Each size is measured in one engine beside the smallest, operation by operation in turns: counts are per operation,
times are ratios of the two medians. Then a worker of its own does everything at random, and its memory is looked at.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import results
from bench.load_fill import Progress, fill, make_database
from bench.load_work import KINDS, Cost, Side, mix, operate, sweep
from bench.operations import new_ledger
from jifen.service.ports import Sweep
from local.engines import Engine, open_engine

MEMBERS = (1_000, 10_000, 100_000, 1_000_000)
LONG_RUN = 10_000
"""Operations of the worker whose memory is watched."""

WARM_UP = 1_000
LOOKS = 10
SMALL, LARGE = "load-small", "load-large"
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Memory:
    """A worker's resident memory in bytes, after warming up and at equal distances from there, and operations done."""

    operations: int
    looks: tuple[int, ...]
    seconds_first: float
    seconds_last: float

    @property
    def growth(self) -> int:
        """How much more at the end than after warming up."""
        return self.looks[-1] - self.looks[0]


@dataclass(frozen=True, slots=True)
class Measured:
    """One size beside the smallest."""

    members: int
    items: int
    small: Side
    large: Side
    sweeps: dict[Sweep, tuple[Cost, Cost, Cost]]
    worker: Memory
    engine_bytes: int
    fill_s: float


# One size ------------------------------------------------------------------------------------------------------------


@contextmanager
def filled(spec: str, tables: dict[str, int], place: Path, progress: Progress) -> Iterator[tuple[Engine, int]]:
    """An engine with these tables, filled; and how many items they have."""
    if spec == "dynoxide":
        data = place / "load.db"
        items = make_database(data, tables, progress)
        shutil.rmtree(place / "load.db.export")
        with open_engine(spec, data_path=data, say=lambda _line: None) as engine:
            yield engine, items
        return
    with open_engine(spec, say=lambda _line: None) as engine:
        yield engine, sum(fill(engine, table, members, progress) for table, members in tables.items())


def measure(spec: str, members: int, smallest: int, operations: int, long_run: int, say: Progress) -> Measured:
    """Fill a table of this size beside one of the smallest, and measure both."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="jifen-load-", dir=memory_folder()) as place,
        filled(spec, {SMALL: smallest, LARGE: members}, Path(place), say) as (engine, items),
    ):
        fill_s = time.monotonic() - began
        small = Side(new_ledger(engine, SMALL), smallest, smallest)
        large = Side(new_ledger(engine, LARGE), members, smallest)
        operate((small, large), operations)
        sweeps = {}
        for kind in Sweep:
            _, small_acting = sweep(small, kind)
            finding, acting = sweep(large, kind)
            sweeps[kind] = (finding, acting, small_acting)
        worker = in_a_worker(engine, members, long_run)
        return Measured(members, items, small, large, sweeps, worker, resident(engine.process_group), fill_s)


def memory_folder() -> str | None:
    """A file system in memory where there is one: a disk would be measured instead of the table."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder of our own is made in it


# Memory --------------------------------------------------------------------------------------------------------------


def in_a_worker(engine: Engine, members: int, operations: int, minutes: float | None = None) -> Memory:
    """Have a fresh process do everything at random, for so many operations or so long."""
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        return workers.apply(_watched, (engine, members, operations, minutes))


def _watched(engine: Engine, members: int, operations: int, minutes: float | None) -> Memory:
    done = mix(new_ledger(engine, LARGE), members, seed=os.getpid() if minutes else 1)
    for _ in range(min(WARM_UP, operations)):
        next(done)
    looks, total = [_own_bytes()], 0
    seconds: list[float] = []
    for _ in range(LOOKS):
        began, part = time.monotonic(), 0
        while (time.monotonic() - began < minutes * 60 / LOOKS) if minutes else part < operations // LOOKS:
            next(done)
            part += 1
        seconds.append((time.monotonic() - began) / max(1, part))
        looks.append(_own_bytes())
        total += part
    return Memory(total, tuple(looks), seconds[0], seconds[-1])


def _own_bytes() -> int:
    return _resident("-p", str(os.getpid()))


def resident(process_group: int | None) -> int:
    """The resident memory of a group of processes, in bytes; 0 for none."""
    return 0 if process_group is None else _resident("-A", group=process_group)


def _resident(*which: str, group: int | None = None) -> int:
    asked = subprocess.run(["ps", *which, "-o", "pgid=,rss="], capture_output=True, text=True, check=True)  # noqa: S603, S607
    rows = (line.split() for line in asked.stdout.splitlines())
    return sum(int(kilobytes) * 1024 for pgid, kilobytes in rows if group is None or int(pgid) == group)


# The page ------------------------------------------------------------------------------------------------------------

_HEAD = """## Load: from {smallest} members to {largest}

Measured by `python -m bench.load` on {engine}{place}. Each size stood in one engine beside a table of {smallest}
members; both were asked for the same things in turns, {operations} times each, of members that nobody had touched.
Counts are per operation, the same at every size unless a cell has several. A ratio (×) is the median time in the
large table over that in the small one, of the same minutes; its first column compares two tables of one size and shows
how far noise goes on a busy machine. "Bill" is what the engine says was consumed, indexes included; CPU is the client's
own, a median.

"""
_SWEEPS = """
### Sweeps, per due account

One member in a hundred is due. Whole shards of the 16 were swept until {due_max} accounts were done; `find` is the
index, `act` reads and writes the account (a reminder: claim, then confirm). Finding costs at least a query a shard,
which few due accounts have to bear alone. The small table, with its ten due accounts, was swept just before the large
one and not in turns, so these ratios are coarse.

| sweep | members | due, swept | find: trips | read units | act: trips | write units | read units | bill | × |
|---|---|---|---|---|---|---|---|---|---|
"""
_MEMORY = """
### Memory and filling

A worker of its own did {long_run} operations at random over the whole table after {warm_up} to warm up.

Resident, in MB:

| members | items | filled in | engine | worker after warm-up | worker at the end | growth |
|---|---|---|---|---|---|---|
"""


def page(measured: Sequence[Measured], spec: str, operations: int, long_run: int) -> str:
    """The section of the page of figures."""
    place = ", over a file in memory" if spec == "dynoxide" and memory_folder() else ""
    smallest, largest = f"{measured[0].members:,}", f"{measured[-1].members:,}"
    text = _HEAD.format(smallest=smallest, largest=largest, engine=spec, place=place, operations=operations)
    columns = [f"{one.members:,}" for one in measured]
    heads = [*("operation", "trips", "write units", "read units", "bill"), *(f"× at {size}" for size in columns)]
    heads += ["client CPU ms", f"× at {columns[-1]}"]
    text += f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"
    text += "".join(_operation(kind, measured) for kind in KINDS)
    text += _SWEEPS.format(due_max="2,000")
    text += "".join(_sweep_row(kind, one) for kind in Sweep for one in measured)
    text += _MEMORY.format(long_run=f"{long_run:,}", warm_up=f"{WARM_UP:,}")
    return text + "".join(_memory_row(one) for one in measured)


def _operation(kind: str, measured: Sequence[Measured]) -> str:
    counts = zip(*(one.large.costs[kind].counts for one in measured), strict=True)
    cells = ["/".join(dict.fromkeys(f"{value:g}" for value in values)) for values in counts]
    cells += [f"{_ratio(one.large.costs[kind], one.small.costs[kind]):.2f}" for one in measured]
    last = measured[-1]
    small, large = (statistics.median(side.costs[kind].cpu_s) for side in (last.small, last.large))
    return f"| {kind} | {' | '.join([*cells, f'{1000 * small:.2f}', f'{large / small:.2f}'])} |\n"


def _ratio(large: Cost, small: Cost) -> float:
    return large.median_s / small.median_s


def _sweep_row(kind: Sweep, one: Measured) -> str:
    finding, acting, small = one.sweeps[kind]
    find_trips, _, find_units, _ = finding.counts
    cells = [f"{one.members:,}", f"{acting.operations:,}", f"{find_trips:.3f}", f"{find_units:.3f}"]
    cells += [f"{value:g}" for value in acting.counts]
    return f"| {kind} | {' | '.join([*cells, f'{_ratio(acting, small):.2f}'])} |\n"


def _memory_row(one: Measured) -> str:
    looks = one.worker.looks
    megabytes = [f"{size / MEGABYTE:.1f}" for size in (one.engine_bytes, looks[0], looks[-1], one.worker.growth)]
    return f"| {one.members:,} | {one.items:,} | {one.fill_s:.0f} s | {' | '.join(megabytes)} |\n"


# The command ---------------------------------------------------------------------------------------------------------


def soak(spec: str, members: int, minutes: float) -> str:
    """Do everything at random for so long; what has grown meanwhile."""
    with (
        tempfile.TemporaryDirectory(prefix="jifen-load-", dir=memory_folder()) as place,
        filled(spec, {LARGE: members}, Path(place), show("filling", members)) as (engine, items),
    ):
        before = resident(engine.process_group)
        worker = in_a_worker(engine, members, WARM_UP, minutes)
        after = resident(engine.process_group)
    looks = ", ".join(f"{size / MEGABYTE:.1f}" for size in worker.looks)
    return (
        f"{worker.operations:,} operations on {members:,} members ({items:,} items) in {minutes:g} minutes\n"
        f"worker, MB resident after warm-up and at each tenth: {looks}; growth {worker.growth / MEGABYTE:.1f}\n"
        f"engine, MB resident: {before / MEGABYTE:.1f} before, {after / MEGABYTE:.1f} after\n"
        f"time of an operation, last tenth over first: {worker.seconds_last / worker.seconds_first:.2f}\n"
    )


def show(what: str, members: int) -> Progress:
    """Progress on a terminal."""

    def progress(done: int) -> None:
        if sys.stderr.isatty() or done == members:
            sys.stderr.write(f"\r{what} {done:,} of {members:,}{chr(10) if done == members else ''}")
            sys.stderr.flush()

    return progress


def sizes(text: str) -> tuple[int, ...]:
    """Sizes of the table, as the command takes them."""
    found = tuple(sorted(int(part) for part in text.split(",")))
    if not found or found[0] < 100 or any(size % found[0] or size % 100 for size in found):  # noqa: PLR2004
        message = f"{text!r}: sizes are multiples of 100 and of the smallest"
        raise argparse.ArgumentTypeError(message)
    return found


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description="What an operation costs as the table grows.")
    parser.add_argument("--members", type=sizes, default=MEMBERS, metavar="N,N,…", help="sizes of the table")
    parser.add_argument(
        "--operations", type=int, metavar="N", help="of each kind (default: a tenth of the smallest size)"
    )
    parser.add_argument("--long-run", type=int, default=LONG_RUN, metavar="N", help="operations of the watched worker")
    parser.add_argument("--engine", default="dynoxide", help="as jifen replay takes it (default: dynoxide)")
    parser.add_argument(
        "--soak", type=float, metavar="MINUTES", help="everything at random on the second size, so long"
    )
    parser.add_argument("--dry", action="store_true", help="print the section and leave bench/RESULTS.md alone")
    options = parser.parse_args()
    if options.soak:
        print(soak(options.engine, options.members[:2][-1], options.soak))
        return
    smallest = options.members[0]
    operations = min(options.operations or smallest // 10, smallest // 10)
    measured = []
    for members in options.members:
        say = show("filling", members)
        measured.append(measure(options.engine, members, smallest, operations, options.long_run, say))
        print(f"{members:,} members: filled in {measured[-1].fill_s:.0f} s and measured", file=sys.stderr)
    text = page(measured, options.engine, operations, options.long_run)
    if not options.dry:
        results.put("load", text)
    print(text)


if __name__ == "__main__":
    main()
