"""Hunts one planted bug in a process of its own, which has the changed code in the place of the real one.

Where nothing but bodies of functions changes and the real modules are imported already, the functions get other bodies;
else the changed modules are imported instead of the real ones. Nothing of jifen is imported at the top.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from tests.simulation.found_at import FOUND_AT
from tests.simulation.mutants import MUTANTS, Change, Mutant
from tests.simulation.mutants_life import LIFE, MUTANTS_LIFE
from tests.simulation.mutants_mall import MALL, MUTANTS_MALL

ALL: tuple[Mutant, ...] = (*MUTANTS, *MUTANTS_MALL, *MUTANTS_LIFE)


class Hunt(NamedTuple):
    """What came of it: the seed that found the bug (None: none did), and the laws it broke there."""

    seed: int | None
    laws: tuple[str, ...]


class OutOfDate(Exception):
    """The text that a mutant replaces does not stand in the code exactly once."""


def hunt(name: str, *, anew: bool = False) -> Hunt:
    """Run seeds on the code with one mutant in it, until one finds it; ``anew``: the first of all that do."""
    mutant = next(mutant for mutant in ALL if mutant.name == name)
    plant(mutant.changes)
    known = None if anew else FOUND_AT.get(name)
    if mutant.focus.startswith(LIFE):
        return _hunt_in_life(mutant, known)
    return _hunt_in_the_mall(mutant, known) if mutant.focus.startswith(MALL) else _hunt(mutant, known)


def _hunt(mutant: Mutant, known: int | None) -> Hunt:
    from local.simulation.run import simulate_spending  # noqa: PLC0415 - only now, so that the changed modules are taken
    from local.simulation.story import story  # noqa: PLC0415 - as above

    return _first(mutant.runs, known, lambda seed: mutant.focus in {"", story(seed).focus}, simulate_spending)


def _hunt_in_the_mall(mutant: Mutant, known: int | None) -> Hunt:
    from local.simulation.mall_run import simulate_mall  # noqa: PLC0415 - as above
    from local.simulation.mall_story import mall_story  # noqa: PLC0415 - as above

    about = mutant.focus.removeprefix(MALL)
    return _first(mutant.runs, known, lambda seed: about in {"", mall_story(seed).focus}, simulate_mall)


def _hunt_in_life(mutant: Mutant, known: int | None) -> Hunt:
    from local.simulation.life_run import simulate_life  # noqa: PLC0415 - as above
    from local.simulation.life_story import life_story  # noqa: PLC0415 - as above

    about = mutant.focus.removeprefix(LIFE)
    return _first(mutant.runs, known, lambda seed: about in {"", life_story(seed).focus}, simulate_life)


def _first(runs: int, known: int | None, is_about: Callable[[int], bool], simulate: Callable[[int], Any]) -> Hunt:
    """Run so many seeds, until one breaks a law.

    The one that found this bug when somebody last looked comes first, and stories are told no further than they are
    needed. Where the code has moved on and that one finds it no more, the hunt goes on as if nothing were known.
    """
    first = [known] if known is not None and is_about(known) else []
    others = itertools.islice(filter(is_about, itertools.count()), runs)
    for seed in itertools.chain(first, others):
        if violations := simulate(seed).violations:
            return Hunt(seed, tuple(sorted({violation.law for violation in violations})))
    return Hunt(None, ())


# Planting ------------------------------------------------------------------------------------------------------------

OURS = frozenset({"functions", "jifen", "local"})
"""Packages that are imported anew where more than bodies of functions changed."""


def plant(changes: Sequence[Change]) -> None:
    """Make this process run the changed code; there is no way back."""
    try:
        bodies = [body for module in {change.module for change in changes} for body in _bodies(module, changes)]
    except _MoreThanBodies:
        for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
            del sys.modules[name]
        sys.meta_path.insert(0, _Finder(changes))
    else:
        for function, code in bodies:
            function.__code__ = code


class _MoreThanBodies(Exception):
    """A change that new bodies of functions do not make, or of a module that nobody has imported yet."""


def _bodies(name: str, changes: Sequence[Change]) -> list[tuple[FunctionType, CodeType]]:
    """The functions of an imported module that change, each with its new body."""
    module = sys.modules.get(name)
    if module is None or module.__spec__ is None or module.__spec__.origin is None:
        raise _MoreThanBodies
    origin = module.__spec__.origin
    source = Path(origin).read_text(encoding="utf-8")
    text = changed(source, [change for change in changes if change.module == name])
    code = compile(text, origin, "exec", dont_inherit=True)
    paths = list(_changed_functions(ast.parse(source), ast.parse(text)))
    bodies = [(_function(module, path), _code(code, path)) for path in paths]
    if any(function.__code__.co_freevars != body.co_freevars for function, body in bodies):
        raise _MoreThanBodies
    return bodies


def _changed_functions(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each function, through the classes it is in, whose body is not the same in both trees."""
    if len(before.body) != len(after.body):
        raise _MoreThanBodies
    for one, other in zip(before.body, after.body, strict=True):
        if ast.dump(one) == ast.dump(other):
            continue
        if not isinstance(one, ast.FunctionDef | ast.ClassDef) or _head(one) != _head(other):
            raise _MoreThanBodies
        if isinstance(one, ast.ClassDef):
            yield from _changed_functions(one, other, (*path, one.name))
        else:
            yield (*path, one.name)


def _head(node: Any) -> str:
    return ast.dump(type(node)(**{**dict(ast.iter_fields(node)), "body": []}))


def _function(module: ModuleType, path: Sequence[str]) -> FunctionType:
    """The function itself, out of what decorators made of it."""
    found: Any = module
    for name in path:
        found = inspect.getattr_static(found, name)
    if isinstance(found, property):
        found = found.fget
    found = inspect.unwrap(getattr(found, "__func__", found))
    if not isinstance(found, FunctionType):
        raise _MoreThanBodies
    return found


def _code(code: CodeType, path: Sequence[str]) -> CodeType:
    for name in path:
        inner = [const for const in code.co_consts if isinstance(const, CodeType) and const.co_name == name]
        if len(inner) != 1:
            raise _MoreThanBodies
        code = inner[0]
    return code


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
