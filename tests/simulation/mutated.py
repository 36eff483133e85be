"""Hunts one planted bug in a process of its own: the changed modules are imported instead of the real ones.

Nothing of jifen is imported at the top, so that a fresh interpreter gets here before any of it is there.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import NamedTuple

from tests.simulation.found_at import FOUND_AT
from tests.simulation.mutants import MUTANTS, Change, Mutant
from tests.simulation.mutants_mall import MALL, MUTANTS_MALL

ALL: tuple[Mutant, ...] = (*MUTANTS, *MUTANTS_MALL)


class Hunt(NamedTuple):
    """What came of it: the seed that found the bug (None: none did), and the laws it broke there."""

    seed: int | None
    laws: tuple[str, ...]


class OutOfDate(Exception):
    """The text that a mutant replaces does not stand in the code exactly once."""


def hunt(name: str, *, anew: bool = False) -> Hunt:
    """Run seeds on the code with one mutant in it, until one finds it; ``anew``: the first of all that do."""
    mutant = next(mutant for mutant in ALL if mutant.name == name)
    assert not any(module.partition(".")[0] == "jifen" for module in sys.modules), "jifen is here already"
    sys.meta_path.insert(0, _Finder(mutant.changes))
    known = None if anew else FOUND_AT.get(name)
    return _hunt_in_the_mall(mutant, known) if mutant.focus.startswith(MALL) else _hunt(mutant, known)


def _hunt(mutant: Mutant, known: int | None) -> Hunt:
    from local.simulation.run import simulate_spending  # noqa: PLC0415 - only now, so that the changed modules are taken
    from local.simulation.story import story  # noqa: PLC0415 - as above

    about = (seed for seed in itertools.count() if mutant.focus in {"", story(seed).focus})
    for seed in _in_order(known, itertools.islice(about, mutant.runs)):
        if violations := simulate_spending(seed).violations:
            return Hunt(seed, tuple(sorted({violation.law for violation in violations})))
    return Hunt(None, ())


def _hunt_in_the_mall(mutant: Mutant, known: int | None) -> Hunt:
    from local.simulation.mall_run import simulate_mall  # noqa: PLC0415 - as above
    from local.simulation.mall_story import mall_story  # noqa: PLC0415 - as above

    about = mutant.focus.removeprefix(MALL)
    seeds = (seed for seed in itertools.count() if about in {"", mall_story(seed).focus})
    for seed in _in_order(known, itertools.islice(seeds, mutant.runs)):
        if violations := simulate_mall(seed).violations:
            return Hunt(seed, tuple(sorted({violation.law for violation in violations})))
    return Hunt(None, ())


def _in_order(known: int | None, seeds: Iterable[int]) -> list[int]:
    """The seeds of a hunt: the one that found this bug when somebody last looked comes first, then all others.

    Where the code has moved on and that one finds it no more, the hunt goes on as if nothing were known.
    """
    return sorted(seeds, key=lambda seed: (seed != known, seed))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, changes: Sequence[Change]) -> None:
        self._modules = {change.module for change in changes}
        self._changes = changes

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module that is changed; leave all others to those that come after."""
        if fullname not in self._modules:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            raise OutOfDate(fullname)
        mine = [change for change in self._changes if change.module == fullname]
        return importlib.util.spec_from_file_location(
            fullname, spec.origin, loader=_Loader(fullname, spec.origin, mine)
        )


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, changes: Sequence[Change]) -> None:
        super().__init__(fullname, path)
        self._changes = changes

    def get_code(self, fullname: str) -> object:  # type: ignore[override]
        """The changed source, never what lies compiled."""
        source = self.get_data(self.get_filename(fullname)).decode()
        return compile(changed(source, self._changes), self.get_filename(fullname), "exec", dont_inherit=True)


def changed(source: str, changes: Sequence[Change]) -> str:
    """The source with its changes.

    Raises:
        OutOfDate: one of them does not fit any more.
    """
    for change in changes:
        if source.count(change.before) != 1:
            message = f"{change.module}: {change.before!r} stands there {source.count(change.before)} times"
            raise OutOfDate(message)
        source = source.replace(change.before, change.after)
    return source
