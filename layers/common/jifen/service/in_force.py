"""The program in force: the published one out of the table, else the stack's own.

    table: PROGRAM ──one small read, then none for ``ttl_s`` seconds──> Program ──> use cases, next dates of the ledger

A process keeps it, so that an order costs no trip for it, and looks again when it is old. One that cannot be read (the
code is older than the program) takes nothing out of force: the last good one stays, or the latest before it, and
``unreadable`` is told every time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from jifen.domain.errors import InvalidProgram
from jifen.domain.program import Program, parse_program
from jifen.domain.ruling import ProgramInForce, RuleStatus, RuleVersion
from jifen.service.ports import Ledger, ProgramKey, RuleVersionKey

LOOK_BACK = 20
"""Versions before the one in force, drafts included, among which a fresh process looks for one that it can read."""


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
        """The latest version published up to ``number`` that can be read; the stack's own where none of these can."""
        keys = [RuleVersionKey(one) for one in range(number, max(0, number - LOOK_BACK), -1)]
        found = self._ledger().load([], keys).documents
        for key in keys:
            version = found.get(key)
            if not isinstance(version, RuleVersion) or version.status is not RuleStatus.PUBLISHED:
                continue
            try:
                return read_program(key.number, version.program)
            except InvalidProgram as wrong:
                self._unreadable(key.number, wrong)
        return self._own
