"""A night's sweeps cost what is due, whatever else is in the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import load, night
from bench.night import HUNDREDTH, KINDS, NOTHING, SAME, Run, Runs
from bench.operations import new_ledger
from jifen.service.ports import Sweep
from tests.store.tables import engine_or_skip

SMALL, LARGE = 300, 3_000
ALIKE = 20


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Runs, Runs]]:
    """The same nights over a table of 300 accounts and one of 3,000."""
    with engine_or_skip("dynoxide"):
        pass
    place: Path = tmp_path_factory.mktemp("night")
    tables = {load.SMALL: SMALL, load.LARGE: LARGE}
    with (
        pytest.MonkeyPatch.context() as patch,
        load.filled("dynoxide", tables, place, lambda _done: None) as (engine, _),
    ):
        patch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
        small, large = (night.nights(new_ledger(engine, table), ALIKE) for table in tables)
        yield small, large


@pytest.mark.parametrize("sweep", Sweep)
def test_a_night_costs_the_same_in_a_table_ten_times_as_large(both: tuple[Runs, Runs], sweep: Sweep) -> None:
    """Where nothing is due, and where as many are: not a call and not a unit more, the index included."""
    small, large = both

    assert (0, 0) == (small[sweep, NOTHING].due, large[sweep, NOTHING].due)
    assert small[sweep, NOTHING].counts == large[sweep, NOTHING].counts
    assert (ALIKE, ALIKE) == (small[sweep, SAME].due, large[sweep, SAME].due)
    assert small[sweep, SAME].counts == large[sweep, SAME].counts
    assert all(more > less for more, less in zip(large[sweep, SAME].counts, large[sweep, NOTHING].counts, strict=True))


@pytest.mark.parametrize("sweep", Sweep)
def test_a_due_account_costs_the_same_where_ten_times_as_many_are_due(both: tuple[Runs, Runs], sweep: Sweep) -> None:
    """One in a hundred of each table: what a run costs besides what it costs for nothing grows with them alone."""
    small, large = both

    assert (SMALL // 100, LARGE // 100) == (small[sweep, HUNDREDTH].due, large[sweep, HUNDREDTH].due)
    assert small[sweep, HUNDREDTH].per_due(small[sweep, NOTHING]) == large[sweep, HUNDREDTH].per_due(
        large[sweep, NOTHING]
    )


def test_the_page_has_a_row_for_each_run(both: tuple[Runs, Runs]) -> None:
    """By sweep, by what is due and by size; an account's own cost is left out where none is due."""
    rows = night.page(dict(zip((SMALL, LARGE), both, strict=True)), "dynoxide").splitlines()

    for sweep in Sweep:
        for kind in KINDS:
            assert [f"{SMALL:,}", f"{LARGE:,}"] == [
                row.split(" | ")[2] for row in rows if row.startswith(f"| {sweep} | {kind} |")
            ]
    assert any(row.endswith("|  |  |  |  |") for row in rows)


def test_the_cost_of_one_is_told_apart_from_that_of_a_run() -> None:
    """What a run costs for nothing is nobody's."""
    assert (2.0, 4.0, 1.5) == Run(10, 50, 70, 20, 1).per_due(Run(0, 30, 30, 5, 1))
