"""Run the simulation at length and keep what it visited in ``bench/RESULTS.md``.

python -m bench.simulation [--seeds N]
"""

from __future__ import annotations

import argparse
import sys

from bench import results
from local.audit import LAWS as LEDGER_LAWS
from local.simulation.campaign import REACHABLE, Campaign, campaign
from local.simulation.judge import LAWS as RUN_LAWS

SEEDS = 2_000

_HEAD = """## Simulation

Made by `python -m bench.simulation`: {seeds:,} seeded runs of the real functions, services and store, {calls:,} calls
to the table, {commits:,} transactions, {seconds:,.0f} s of processor time. {violations} of {laws} laws broken. What the
runs met, and how often:

| state | times | state | times |
|---|---:|---|---:|
"""


def section(run: Campaign) -> str:
    """The section as Markdown."""
    violations = sum(len(verdict.violations) for verdict in run.failing)
    head = _HEAD.format(
        seeds=run.seeds,
        calls=run.calls,
        commits=run.commits,
        violations=violations or "None",
        laws=len(LEDGER_LAWS) + len(RUN_LAWS),
        seconds=run.cpu_seconds,
    )
    half = -(-len(REACHABLE) // 2)
    pairs = zip(REACHABLE[:half], (*REACHABLE[half:], ""), strict=False)
    rows = (f"| {left} | {run.reached[left]:,} | {right} | {_times(run, right)} |" for left, right in pairs)
    return head + "\n".join(rows) + "\n"


def _times(run: Campaign, name: str) -> str:
    return f"{run.reached[name]:,}" if name else ""


def main() -> int:
    """Run, print, keep; the exit code is 1 when a law was broken or a state not visited."""
    parser = argparse.ArgumentParser(description="Run the simulation at length and keep the figures.")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    run = campaign(range(options.seeds), watch=_progress)
    text = section(run)
    print(text)
    if run.sound:
        results.put("simulation", text)
        return 0
    return 1


def _progress(stage: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{stage} {done:,} of {total:,}")


if __name__ == "__main__":
    sys.exit(main())
