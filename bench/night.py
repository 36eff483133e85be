"""Night: what do the daily sweeps cost where one account in a hundred is due, among ten thousand and among a million?

    python -m bench.night                               10^4 to 10^6 accounts, into bench/RESULTS.md (some ten minutes)
    python -m bench.night --members 1000,10000 --dry    smaller, only printed

Whole runs are measured as the schedule begins them, by the handlers of the expire and remind functions: a run with
nothing due, one with a hundredth of the accounts due, and one with the same number due in each table. What is counted
is all that the table was asked for: the index and its pages, the accounts, the rows that tell how far a run is.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import results
from bench.count import Bill, billing
from bench.load import filled, memory_folder, show, sizes
from bench.load_fill import live, member_of
from bench.operations import MOMENT, NO_WAITING, NOW, PROGRAM, SHARDS, new_ledger
from bench.warm_play import handler
from jifen.adapters.queues import encode_task
from jifen.domain.ruling import ProgramInForce
from jifen.domain.sweeps import SweepControl
from jifen.runtime import Runtime, Settings, use
from jifen.service.ports import Message, Posting, ShardTask, Sweep
from jifen.service.sweep_runs import mark_of
from jifen.store.dynamo import DynamoLedger

MEMBERS = (10_000, 100_000, 1_000_000)
ALIKE = 100
"""So many are due in each table in the run that is the same everywhere."""

BEFORE = datetime(2011, 8, 1, 0, 5, tzinfo=UTC)
"""A night on which no lot ends and no reminder goes out."""

FIRST_NEW = 9_000_000
"""From here on are the numbers of members who are added to a filled table."""

TABLE = "night"
NOTHING, HUNDREDTH, SAME = "nothing due", "one in a hundred", "as many in each"
KINDS = (NOTHING, HUNDREDTH, SAME)


@dataclass(frozen=True, slots=True)
class Context:
    """A Lambda context with all of its time left."""

    aws_request_id: str = "night"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """What is left."""
        return 900_000


@dataclass(frozen=True, slots=True)
class Run:
    """What one run cost; ``due`` accounts were written by it."""

    due: int
    trips: int
    write_units: float
    read_units: float
    seconds: float

    @property
    def counts(self) -> tuple[float, float, float]:
        """Calls, write units and read units."""
        return self.trips, self.write_units, self.read_units

    def per_due(self, nothing: Run) -> tuple[float, float, float]:
        """The same of one due account, less what a run costs on which nothing is due."""
        more = zip(self.counts, nothing.counts, strict=True)
        calls, written, read = (round((one - other) / max(1, self.due), 4) for one, other in more)
        return calls, written, read


Runs = Mapping[tuple[Sweep, str], Run]


@dataclass
class _Queue:
    tasks: list[ShardTask] = field(default_factory=list)

    def send(self, tasks: Sequence[ShardTask], delay_s: int = 0) -> None:
        assert not delay_s, "nothing is kept back"
        self.tasks += tasks


class _Collect:
    channel = "event"

    @staticmethod
    def reaches(_contact: object) -> bool:
        return True

    @staticmethod
    def send(_message: Message) -> None:
        """Taken."""


def run(ledger: DynamoLedger, sweep: Sweep, at: datetime) -> Run:
    """One scheduled run, from the schedule to its last shard."""
    counted: Counter[str] = Counter()
    queue, call, context = _Queue(), handler(str(sweep)), Context()
    runtime = Runtime(
        Settings(program=PROGRAM, shards=SHARDS),
        clock=lambda: at,
        ledger=ledger,
        sweeps=queue,
        notifiers=[_Collect()],
        count=counted.update,
        monotonic=lambda: 0.0,
    )
    began = time.perf_counter()
    with use(runtime), billing([ledger.client]) as bill:
        call({"as_of": at.isoformat()}, context)
        while queue.tasks:
            record = {"messageId": "task", "body": encode_task(queue.tasks.pop(0))}
            answer: Any = call({"Records": [record]}, context)
            assert answer == {"batchItemFailures": []}, answer
    return _run(counted[f"{str(sweep).title()}AccountsWritten"], bill, time.perf_counter() - began)


def _run(due: int, bill: Bill, seconds: float) -> Run:
    return Run(due, bill.trips, bill.write_units, bill.read_units, seconds)


def nights(ledger: DynamoLedger, alike: int = ALIKE) -> Runs:
    """The runs of both sweeps on a filled table, on which nothing was swept yet."""
    # As it is after the walk that follows a change of the program: everybody stands under the right dates.
    walked = SweepControl(str(Sweep.EXPIRE), walked=mark_of(ProgramInForce(), PROGRAM))
    ledger.commit(Posting(documents=(walked,)), NO_WAITING)
    for sweep in Sweep:  # from now on each run has one before it
        run(ledger, sweep, BEFORE - timedelta(days=1))
    found = {(sweep, NOTHING): run(ledger, sweep, BEFORE) for sweep in Sweep}
    found |= {(sweep, HUNDREDTH): run(ledger, sweep, NOW) for sweep in Sweep}
    for number in range(FIRST_NEW, FIRST_NEW + alike):
        for kind, place in (("expiring", 0), ("reminding", alike)):
            live(ledger, member_of(number + place), kind)
    return found | {(sweep, SAME): run(ledger, sweep, MOMENT.recorded_at + timedelta(hours=1)) for sweep in Sweep}


def measure(spec: str, members: int) -> Runs:
    """Fill a table of this size and sweep it."""
    with (
        tempfile.TemporaryDirectory(prefix="jifen-night-", dir=memory_folder()) as place,
        filled(spec, {TABLE: members}, Path(place), show("filling", members)) as (engine, _items),
    ):
        return nights(new_ledger(engine, TABLE))


# The page ------------------------------------------------------------------------------------------------------------

_HEAD = """## Night: the daily sweeps among {smallest} to {largest} accounts

Measured by `python -m bench.night` on {engine}. Each run is a whole one, by the handlers of the functions, from the
schedule to the last of {shards} shards; one process did the shards one after the other. Counted is everything that the
table was asked for, as the engine bills it: the index with its pages and writes, accounts and entries, the program and
the rows that show how far a run is. "Per due account" leaves out what a run costs on which nothing is due.

| sweep | due | accounts | due, written | calls | write units | read units | per due account: calls | write units | read units | accounts a second |
|---|---|---|---|---|---|---|---|---|---|---|
"""  # noqa: E501 - a row of a table is one line


def page(measured: Mapping[int, Runs], spec: str) -> str:
    """The section of the page of figures."""
    members = [f"{one:,}" for one in measured]
    text = _HEAD.format(smallest=members[0], largest=members[-1], engine=spec, shards=SHARDS)
    return text + "".join(
        _row(sweep, kind, members, runs) for sweep in Sweep for kind in KINDS for members, runs in measured.items()
    )


def _row(sweep: Sweep, kind: str, members: int, runs: Runs) -> str:
    one = runs[sweep, kind]
    cells = [str(sweep), kind, f"{members:,}", f"{one.due:,}", *(f"{value:,g}" for value in one.counts)]
    if one.due:
        cells += [*(f"{value:.3f}" for value in one.per_due(runs[sweep, NOTHING])), f"{one.due / one.seconds:.0f}"]
    else:
        cells += [""] * 4
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description="What the daily sweeps cost as the table grows.")
    parser.add_argument("--members", type=sizes, default=MEMBERS, metavar="N,N,…", help="sizes of the table")
    parser.add_argument("--engine", default="dynoxide", help="as jifen replay takes it (default: dynoxide)")
    parser.add_argument("--dry", action="store_true", help="print the section and leave bench/RESULTS.md alone")
    options = parser.parse_args()
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    measured: dict[int, Runs] = {}
    for members in options.members:
        began = time.monotonic()
        measured[members] = measure(options.engine, members)
        print(f"{members:,} accounts: filled and swept in {time.monotonic() - began:.0f} s", file=sys.stderr)
    text = page(measured, options.engine)
    if not options.dry:
        results.put("night", text)
    print(text)


if __name__ == "__main__":
    main()
