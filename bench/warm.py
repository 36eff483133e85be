"""Counts what a warm handler does for one operation: CPU instructions, and bytes to and from AWS.

    bench.warm_record ──tape──> bench.warm_play, under callgrind, marking before, between and after
                                N repetitions and 2 N: the difference, by N, is one operation

Instructions repeat where seconds do not: nothing here depends on how busy the machine is. `python -m bench.warm [N]`
prints the table and keeps it in ``bench/RESULTS.md``; the limits are in ``bench/budgets_warm.py``.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import results, valgrind
from bench.budgets import BATCH
from bench.budgets_warm import BUDGETS

PROJECT = Path(__file__).resolve().parents[1]
REPETITIONS = 10
RECORD_TIMEOUT_S = 240
MARKS = 3
"""Calls of ``getppid`` for each operation: before N, between, and after 2 N."""

ENVIRONMENT: Mapping[str, str] = {
    "POWERTOOLS_METRICS_NAMESPACE": "Jifen/bench",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
"""As in the template, and nothing of the user's."""

_NOT_OF_AWS = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "POWERTOOLS_"))}
"""For the recording, which may have to fetch its engine."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Warm:
    """One operation: instructions, round trips to the table, bytes sent (whole requests) and received (bodies)."""

    instructions: int
    trips: int
    sent: int
    received: int


def quiet(_line: str) -> None:
    """Say nothing."""


def measure(repetitions: int = REPETITIONS, say: Say = quiet) -> dict[str, Warm]:
    """Record and count every operation.

    Raises:
        valgrind.RunFailed: there is no valgrind, or something did not end well.
    """
    with tempfile.TemporaryDirectory(prefix="jifen-warm-") as folder:
        tape = Path(folder) / "tape.json"
        say("recording every operation on an engine")
        _record(tape)
        recorded: dict[str, Any] = json.loads(tape.read_text(encoding="utf-8"))
        say(f"counting {len(recorded)} operations, {3 * repetitions} times each")
        command = [sys.executable, "-m", "bench.warm_play", str(tape), str(repetitions)]
        between, errors = valgrind.between_marks(command, ENVIRONMENT, PROJECT)
    told: dict[str, tuple[int, int]] = json.loads(errors.splitlines()[-1])
    # What stands before the first mark is the start of the process; what follows the last one its end.
    counts = [between[1 + MARKS * at : 1 + MARKS * at + 2] for at in range(len(recorded))]
    return {
        name: Warm(
            instructions=(twice - once) // repetitions // operation["of"],
            trips=len(operation["exchanges"]),
            sent=told[name][0] // operation["of"],
            received=told[name][1] // operation["of"],
        )
        for (name, operation), (once, twice) in zip(recorded.items(), counts, strict=True)
    }


def _record(tape: Path) -> None:
    """In a process of its own, as its handlers log to standard output."""
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "bench.warm_record", str(tape)],
        env={**_NOT_OF_AWS, **ENVIRONMENT},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=RECORD_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise valgrind.RunFailed(done.stderr[-4_000:])


_HEAD = """## What a warm handler does

Counted by `python -m bench.warm`: CPU instructions of the handler's process for one operation, on Python {python}, from
the event to the answer. In it: parsing, deciding, signing, logs, metrics. Not in it: Lambda's runtime, sockets, TLS.
A member has a year of orders of 27 lines behind them, of 20 lines under 20 rules (`bench/rule_sets.py`). The process
knows the program in force and the rules of orders that it met. Requests count whole (without the session token that
Lambda adds), answers their bodies. A sweep is one shard with {due} accounts due, shared out among them. Published is a
program of three rules. Budgets are those of `bench/budgets_warm.py`; `tests/bench` fails when one is exceeded.

| operation | k instructions | budget | bytes sent | bytes received |
|---|---|---|---|---|
"""


def table(measured: Mapping[str, Warm], due: int) -> str:
    """The section of the page."""
    rows = [
        f"| {name} | {warm.instructions // 1_000:,} | {BUDGETS[name].instructions // 1_000:,} | {warm.sent:,} |"
        f" {warm.received:,} |\n"
        for name, warm in measured.items()
    ]
    return _HEAD.format(python=platform.python_version(), due=due) + "".join(rows)


_READS = """
Ten orders of one member in one batch take {share:.0%} of the instructions of ten batches, {trips} round trips instead
of {apart_trips}, and 42 write units instead of 60 (see above): they share the account and its read.

Which reads there are, and why. An order and a redemption read account and document together: the entry needs the
account's last hash, sequence, debt and lots, and a copy is answered without a write. A sweep reads each account that
the index names, because the index is a hint. A reminder is confirmed on the account as its claim has left it, on that
condition, without reading it again. Twice a minute a process looks which program is in force, one item; an order, an
event or a check-in reads nothing for its rules, and for a campaign the item that holds its budget.
"""


def reads(measured: Mapping[str, Warm], one: str, many: str, count: int) -> str:
    """What folding so many events into one transaction saves, and which reads are left."""
    share = measured[many].instructions / (count * measured[one].instructions)
    return _READS.format(share=share, trips=measured[many].trips, apart_trips=count * measured[one].trips)


def main() -> None:
    """Measure, print, and keep the table."""
    from bench.warm_record import DUE  # noqa: PLC0415 - it brings the engines and the replay along

    say: Say = (lambda line: print(line, file=sys.stderr)) if sys.stderr.isatty() else quiet
    if valgrind.tool() is None:
        sys.exit(valgrind.MISSING)
    measured = measure(int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS, say)
    text = table(measured, DUE) + reads(measured, "order paid", f"{BATCH} orders of one member", BATCH)
    results.put("warm", text)
    print(text)


if __name__ == "__main__":
    main()
