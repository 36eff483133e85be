"""The program in force: the published one out of the table, else the stack's own.

    table: PROGRAM ──one small read, then none for ``ttl_s`` seconds──> Program ──> use cases, next dates of the ledger

A process keeps it, so that an order costs no trip for it, and looks again when it is old. One that cannot be read (the
code is older than the program) takes nothing out of force: the last good one stays, or the one before it, and
``unreadable`` is told every time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from jifen.domain.errors import InvalidProgram
from jifen.domain.program import Program, parse_program
from jifen.domain.ruling import ProgramInForce, RuleVersion
from jifen.service.ports import Ledger, ProgramKey, RuleVersionKey


def read_program(number: int, text: str) -> Program:
    """The program of a stored program file, its rules with the number of their version.

    Raises:
        InvalidProgram: this code does not know it.
    """
    program = parse_program(json.loads(text))
    return replace(program, rules=replace(program.rules, version=number))


class InForce:
    """Which program is in force, as far as one process knows.

    Args:
        ledger: where it is published; asked for when first needed.
        own: the stack's own program, version 0.
        ttl_s: how long it is believed, in seconds of ``monotonic``.
        monotonic: a clock in seconds; not the program's own, which a replay moves through years.
        unreadable: told of a published version that this code cannot read.
    """

    def __init__(
        self,
        ledger: Callable[[], Ledger],
        own: Program,
        ttl_s: float,
        monotonic: Callable[[], float],
        unreadable: Callable[[int, InvalidProgram], None],
    ) -> None:
        self._ledger, self._own, self._ttl_s = ledger, own, ttl_s
        self._monotonic, self._unreadable = monotonic, unreadable
        self._known: Program | None = None
        self._version: tuple[int, str] | None = None
        self._read_at = 0.0

    def program(self) -> Program:
        """The program in force.

        Raises:
            Busy: the table does not answer.
        """
        now = self._monotonic()
        if self._known is None or now - self._read_at >= self._ttl_s:
            self._known = self._look(self._known)
            self._read_at = now
        return self._known

    def forget(self) -> None:
        """Look again when next asked: this process has changed it."""
        self._read_at = float("-inf")

    def _look(self, known: Program | None) -> Program:
        found = self._ledger().load([], [ProgramKey()]).documents.get(ProgramKey())
        in_force = found if isinstance(found, ProgramInForce) else ProgramInForce()
        if known is not None and self._version == (in_force.number, in_force.program):
            return known
        program = self._read(in_force, known)
        self._ledger().follow(program)
        return program

    def _read(self, in_force: ProgramInForce, known: Program | None) -> Program:
        try:
            program = read_program(in_force.number, in_force.program) if in_force.number else self._own
        except InvalidProgram as wrong:
            self._unreadable(in_force.number, wrong)
            return known or self._before(in_force.previous)
        self._version = (in_force.number, in_force.program)
        return program

    def _before(self, number: int) -> Program:
        """The version that was in force before; the stack's own where that cannot be read either."""
        found = self._ledger().load([], [RuleVersionKey(number)]).documents.get(RuleVersionKey(number))
        if not isinstance(found, RuleVersion):
            return self._own
        try:
            return read_program(number, found.program)
        except InvalidProgram as wrong:
            self._unreadable(number, wrong)
            return self._own
