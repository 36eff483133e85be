"""A department: one way of spending, with all that it brings to the simulation.

    terms ──> sections of the program       opening, clients ──> what callers ask for, and words for it
    deeds ──> the real thing, and what the reference makes of it
    laws  ──> rows as they are written, and the run as a whole        reachable ──> what a campaign has to have met

:mod:`local.simulation.departments` lists them; nothing else names one, but for the reference of the points password,
which every way of spending asks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jifen.domain.orders import Paid
from jifen.domain.program import Program
from local.audit import Violation
from local.simulation.happenings import Wish
from local.simulation.history import Refused
from local.simulation.table import Item, Key

if TYPE_CHECKING:
    from local.simulation.reference import Reference
    from local.simulation.world import World

Data = dict[str, Any]
Found = Iterator[Violation]


@dataclass(frozen=True, slots=True)
class Draft:
    """What is drawn of a story so far: ``paid`` are orders that will be paid, by id, as they are paid first."""

    rng: random.Random
    members: tuple[str, ...]
    start: datetime
    focus: str
    program: Program
    paid: Mapping[str, Paid]


@dataclass(frozen=True, slots=True)
class Deed:
    """One kind of step.

    Attributes:
        words: the step in a few words.
        reference: what the reference makes of it: the answer; it may decline.
        perform: does it with the real code; None for a step that is a part of another.
        rows: what a refusal of it rests on, by keys of the table.
    """

    words: Callable[[Any], str]
    reference: Callable[[Reference, Any, datetime], Any]
    perform: Callable[[World, Wish, datetime], Any] | None = None
    rows: Callable[[Any, Refused], Sequence[Key]] = lambda _step, _said: ()


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put a value in the place of an attribute for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _no_terms(_rng: random.Random, _focus: str, _currency: str | None) -> Data:
    return {}


def _nothing_asked(_draft: Draft) -> Mapping[str, Sequence[Wish]]:
    return {}


def _nothing_wrong(_world: World) -> Found:
    return iter(())


def _nothing_written(_reference: Reference, _key: Key, _item: Item) -> Found:
    return iter(())


def _unchanged(_world: World) -> Sequence[AbstractContextManager[None]]:
    return ()


@dataclass(frozen=True, slots=True)
class Department:
    """See the module.

    Attributes:
        name: what it is about.
        terms: sections of the program file for a story about a focus, in a currency or in none.
        opening: what is asked for in fair weather, after the first orders.
        clients: what is asked for in the storm, by client, one after the other.
        deeds: the kinds of its steps.
        patches: what is replaced in the real code for the length of a run.
        written: compares a row that a commit put with the reference, which has taken the step.
        laws, judge: what is checked of a whole run besides, each law in a sentence.
        reachable: what a campaign has to have visited.
        visited: by the first part of a sort key, what a row at the end tells of.
    """

    name: str
    terms: Callable[[random.Random, str, str | None], Data] = _no_terms
    opening: Callable[[Draft], Sequence[Wish]] = lambda _draft: ()
    clients: Callable[[Draft], Mapping[str, Sequence[Wish]]] = _nothing_asked
    deeds: Mapping[type, Deed] = field(default_factory=dict)
    patches: Callable[[World], Sequence[AbstractContextManager[None]]] = _unchanged
    written: Callable[[Reference, Key, Item], Found] = _nothing_written
    laws: Mapping[str, str] = field(default_factory=dict)
    judge: Callable[[World], Found] = _nothing_wrong
    reachable: tuple[str, ...] = ()
    visited: Mapping[str, Callable[[Item], Iterator[str]]] = field(default_factory=dict)
