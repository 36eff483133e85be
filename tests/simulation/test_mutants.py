"""Every planted bug is found, within its seeds, and by a law that says what is wrong."""

from __future__ import annotations

import importlib.util
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.simulation.mutants import Mutant
from tests.simulation.mutated import ALL, OutOfDate, changed, hunt

HEAVY = ["local.simulation.run", "local.simulation.mall_run", "tests.simulation.mutated"]
"""Imported once for all hunts."""

MUTANTS_MIN = 12


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """A process for each hunt: a planted bug must not outlive it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        yield pool


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_simulation_finds(processes: ProcessPoolExecutor, mutant: Mutant) -> None:
    """The simulation reports the bug; what it says is in the test's output."""
    found = processes.submit(hunt, mutant.name).result(timeout=240)

    print(f"{mutant.name}: seed {found.seed}, {', '.join(found.laws)}")  # noqa: T201 - shown where it fails
    assert found.seed is not None, f"{mutant.runs} runs did not find it"


def test_there_are_enough_and_each_has_a_name() -> None:
    """At least as many as were promised, no name twice."""
    assert len(ALL) >= MUTANTS_MIN
    assert len(ALL) == len({mutant.name for mutant in ALL})


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_mutants_change_code_that_is_there(mutant: Mutant) -> None:
    """What a mutant replaces stands in the code exactly once, and what comes of it is Python."""
    for module in {change.module for change in mutant.changes}:
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).read_text(encoding="utf-8")
        mine = [change for change in mutant.changes if change.module == module]
        assert source != changed(source, mine)
        compile(changed(source, mine), spec.origin, "exec")


def test_a_mutant_that_does_not_fit_is_an_error() -> None:
    """A hunt for what is not there would find nothing and prove nothing."""
    with pytest.raises(OutOfDate):
        changed("nothing of the kind\n", ALL[0].changes)
