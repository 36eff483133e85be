"""Which rules something was decided under: by the name that an award keeps, by a version's number, or by the time.

What the rows do not say is answered with every rulebook that it may have been.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from jifen.domain.program import Program
from local.audit.lots import LotKey
from local.audit.order_rows import Award
from local.audit.rulebook import ON_ORDER, Rulebook
from local.audit.table import Office
from local.simulation.days import local_day

BELIEVED = timedelta(minutes=10)
"""For how long a process may still decide by the version before: longer than any looks away."""

_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


class Library:
    """The rulebooks of a ledger; each is read when it is first asked for."""

    def __init__(self, office: Office, program: Program) -> None:
        self._office, self._program = office, program
        self._by_text: dict[str, Rulebook | None] = {}
        self._with_task: dict[str, list[Rulebook]] = {}
        self._changes = sorted(
            (datetime.fromisoformat(line.at), number)
            for line in office.lines
            if (number := put_in_force(line.action, line.target, line.details.get("ruleset"))) is not None
        )

    def by_fingerprint(self, name: str) -> Rulebook | None:
        """The rules that an award names; None where they are not there or cannot be read."""
        source = self._office.sources.get(name)
        return None if source is None else self._read(source, Rulebook)

    def by_number(self, number: int) -> Rulebook | None:
        """The rules of a version; 0 is the program that the audit was given."""
        if number == 0:
            return self._read(self._program.rules.source or "{}", self._own)
        version = self._office.versions.get(number)
        return None if version is None else self._read(version.program, Rulebook)

    def _own(self, source: str) -> Rulebook:
        book = Rulebook(source)
        book.zone = self._program.zone
        return book

    def _read(self, text: str, read: Callable[[str], Rulebook]) -> Rulebook | None:
        if text not in self._by_text:
            try:
                self._by_text[text] = read(text)
            except _UNREADABLE:
                self._by_text[text] = None
        return self._by_text[text]

    def at(self, instant: datetime) -> list[Rulebook]:
        """The rules that may have been in force at an instant, as a process knew them."""
        times = [at for at, _ in self._changes]
        first, last = bisect_left(times, instant - BELIEVED), bisect_right(times, instant + BELIEVED)
        before = self._changes[first - 1][1] if first else 0
        numbers = {before, *(number for _, number in self._changes[first:last])}
        return [book for number in sorted(numbers) if (book := self.by_number(number))]

    def with_task(self, name: str) -> list[Rulebook]:
        """Every rulebook in which this is a task that orders count towards."""
        if name not in self._with_task:
            found = ((book, book.rules.get(name)) for book in self.all())
            self._with_task[name] = [book for book, rule in found if rule and rule.goal and rule.on == ON_ORDER]
        return self._with_task[name]

    def all(self) -> Iterator[Rulebook]:
        """Every rulebook there is."""
        found = [self.by_fingerprint(name) for name in self._office.sources]
        found += [self.by_number(number) for number in (0, *self._office.versions)]
        yield from (book for book in found if book)

    @property
    def may_forgive(self) -> bool:
        """Whether points that are taken back may ever have been let go; where all are, nothing is written of it."""
        programs = (version.program for version in self._office.versions.values())
        return self._program.clawback == "clamp" or any('"clawback":"clamp"' in program for program in programs)

    @property
    def has_rules(self) -> bool:
        """Whether any award may have had rules besides rates."""
        return bool(self._office.sources)

    def lots_of(self, award: Award) -> set[LotKey] | None:
        """The lots that an award's points can go into; None where its rules are not known."""
        if award.rates is not None:
            return {part.key for part in award.parts}
        book = self.by_fingerprint(award.fingerprint)
        if book is None:
            return None
        day = day_of(award.paid_at, book.zone)
        asked = [*book.asked(inviter=False), *book.asked(inviter=True)]
        return {book.lot_of(rule, day) for rule in asked}


def put_in_force(action: str, target: str, ruleset: object) -> int | None:
    """The version that an operator's deed put in force; None where it did nothing of the kind."""
    kind, _, name = target.partition("/")
    if action in {"ruleset.published", "ruleset.rolled_back"} and kind == "ruleset" and name.isdecimal():
        return int(name)
    return ruleset if action == "campaign.scheduled" and isinstance(ruleset, int) else None


def day_of(instant: str, zone: ZoneInfo) -> date:
    """The local day of an instant as it is written."""
    return local_day(datetime.fromisoformat(instant).astimezone(UTC), zone)
