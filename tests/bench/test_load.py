"""An operation costs the same in a small table and in one ten times as large, and a worker does not grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pytest

from bench import load
from bench.load_fill import fill, kind_of, live, member_of, orders_in, raw_items
from bench.load_work import KINDS, Side, mix, operate, sweep
from bench.operations import MOMENT, PROGRAM, new_ledger
from jifen.service.ports import Sweep
from local.audit import audit, rows_of
from local.engines import Engine
from tests.store.tables import engine_or_skip

SMALL, LARGE = 300, 3_000
OPERATIONS = 30
LONG_RUN = 250
GROWTH_BYTES_MAX = 3_000_000


@dataclass(frozen=True, slots=True)
class Stage:
    """Both tables in one engine."""

    engine: Engine
    small: Side
    large: Side


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A table of 300 members and one of 3,000, filled by the engine's import."""
    place = tmp_path_factory.mktemp("load")
    with engine_or_skip("dynoxide"):
        pass
    tables = {load.SMALL: SMALL, load.LARGE: LARGE}
    with load.filled("dynoxide", tables, place, lambda _done: None) as (engine, items):
        assert items == sum(1 for table in tables for _ in rows_of(engine, table))
        ledgers = (new_ledger(engine, load.SMALL), new_ledger(engine, load.LARGE))
        yield Stage(engine, Side(ledgers[0], SMALL, SMALL), Side(ledgers[1], LARGE, SMALL))


def test_an_operation_costs_the_same_in_a_table_ten_times_as_large(stage: Stage) -> None:
    """Round trips, write units, read units and the engine's own bill are equal, operation by operation."""
    operate((stage.small, stage.large), OPERATIONS)

    assert dict.fromkeys(KINDS, OPERATIONS) == {kind: cost.operations for kind, cost in stage.large.costs.items()}
    for kind in KINDS:
        assert stage.small.costs[kind].counts == stage.large.costs[kind].counts, kind
        assert stage.small.costs[kind].trips > 0


@pytest.mark.parametrize("kind", Sweep)
def test_a_due_account_costs_the_same_in_a_table_ten_times_as_large(stage: Stage, kind: Sweep) -> None:
    """One in a hundred is due; each costs the same, and finding one costs less where there are more of them."""
    found_small, small = sweep(stage.small, kind)
    found_large, large = sweep(stage.large, kind)

    assert (SMALL // 100, LARGE // 100) == (small.operations, large.operations)
    assert small.counts == large.counts
    assert found_small.counts > found_large.counts


def test_a_worker_does_not_grow(stage: Stage) -> None:
    """The memory of a process that does everything at random stays what it was after warming up."""
    memory = load.in_a_worker(stage.engine, LARGE, LONG_RUN)

    assert LONG_RUN == memory.operations
    assert memory.growth < GROWTH_BYTES_MAX
    assert load.LOOKS + 1 == len(memory.looks)


def test_after_all_of_it_both_ledgers_are_in_order(stage: Stage) -> None:
    """The auditor, who knows none of our code, finds nothing in what was filled and then worked on."""
    seen = set(islice(mix(new_ledger(stage.engine, load.SMALL), SMALL, seed=3), 120))

    assert seen >= {"order paid", "redeem", "hold", "balance", "refund of an old order"}
    for table in (load.SMALL, load.LARGE):
        assert [] == list(audit(rows_of(stage.engine, table), PROGRAM, MOMENT.recorded_at))


def test_a_copy_is_what_the_services_write(stage: Stage) -> None:
    """A copied member's items are, byte for byte, those that its history makes when it is lived, of every kind."""
    ledger = new_ledger(stage.engine, "lived")
    fill(stage.engine, "copied", 100)
    kinds = {kind_of(number): member_of(number) for number in range(100)}

    for kind, member in kinds.items():
        live(ledger, member, kind)
        lived, copied = (raw_items(stage.engine, table, member, orders_in(kind)) for table in ("lived", "copied"))
        assert 1 + 2 * orders_in(kind) == len(lived)
        assert lived == copied


def test_the_page_has_a_row_for_everything_that_was_measured(stage: Stage) -> None:
    """The section has a row for every operation and, for each size, one for each sweep and for memory."""
    some = stage.small.costs["balance"]
    sweeps = dict.fromkeys(Sweep, (some, some, some))
    memory = load.Memory(100, (1_000_000, 2_500_000), 1, 1)
    sizes = [load.Measured(LARGE, 9, stage.small, stage.large, sweeps, memory, 7_000_000, 3)] * 2

    rows = load.page(sizes, "dynoxide", OPERATIONS, 100).splitlines()

    firsts = Counter(row.split(" | ")[0].removeprefix("| ") for row in rows if row.startswith("| "))
    assert dict.fromkeys(KINDS, 1).items() <= firsts.items()
    assert (2, 2, 2) == (firsts["expire"], firsts["remind"], firsts["3,000"])
    assert "| 3,000 | 9 | 3 s | 7.0 | 1.0 | 2.5 | 1.5 |" in rows
