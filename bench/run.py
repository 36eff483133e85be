"""Print what each operation costs, and keep the table in ``bench/RESULTS.md``.

python -m bench.run
"""

from __future__ import annotations

from bench import results
from bench.budgets import BUDGETS
from bench.count import Count, Meter
from bench.operations import LAST_DAY, measure, new_ledger, populate, sweep_day
from jifen.store.dynamo import DynamoLedger
from local.engines import open_engine

SWEEPS = ((1_000, 10), (1_000, 30), (3_000, 30))
"""Accounts in the table, and how many of them are due."""

_HEAD = """## What an operation costs

Measured by `python -m bench.run` (`make bench`) on {engine}; counts, not seconds. A member has a year of orders of 27
lines behind them and 13 lots; under the rules of `bench/rule_sets.py` orders have 20 lines. A process is warm: it knows
the program in force and the rules it met, unless said otherwise. Units are computed from item sizes by AWS's rules;
"engine" is the engine's own bill for reads, writes and indexes together. Budgets are those of `bench/budgets.py`;
`tests/bench` fails when one is exceeded.

| operation | trips | write units | index units | read units | engine | items written, largest first (bytes) |
|---|---|---|---|---|---|---|
"""
_SWEEP_HEAD = """
### A day's expiry sweep, 16 shards

| accounts | due | trips | write units | index units | read units |
|---|---|---|---|---|---|
"""


def main() -> None:
    """Measure everything once."""
    with open_engine("auto") as engine:
        ledger = new_ledger(engine, "bench")
        meter = Meter(ledger)
        text = _HEAD.format(engine=engine.name)
        for budget in BUDGETS:
            text += _row(budget.operation, measure(ledger, meter, budget.operation))
        text += _SWEEP_HEAD
        for accounts, due in SWEEPS:
            swept = new_ledger(engine, f"bench-{accounts}-{due}")
            text += _swept(swept, accounts, due)
    results.put("operations", text)
    print(text)


def _row(operation: str, count: Count) -> str:
    costs = (count.trips, count.write_units, count.index_units, f"{count.read_units:g}", f"{count.billed_units:g}")
    return f"| {operation} | {' | '.join(map(str, costs))} | {count.largest} |\n"


def _swept(ledger: DynamoLedger, accounts: int, due: int) -> str:
    meter = Meter(ledger)
    populate(ledger, range(due), LAST_DAY)
    populate(ledger, range(due, accounts), LAST_DAY.replace(year=LAST_DAY.year + 1))
    count, _ = sweep_day(ledger, meter)
    return (
        f"| {accounts} | {due} | {count.trips} | {count.write_units} | {count.index_units} | {count.read_units:g} |\n"
    )


if __name__ == "__main__":
    main()
