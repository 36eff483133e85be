"""An operator's desk on a ledger in memory: each request with a key of its own, the clock where a test puts it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jifen.domain.program import Program, parse_program
from jifen.domain.ruling import AuditLine, ProgramInForce
from jifen.service.ports import Document, DocumentKey, Ledger, ProgramKey, audit_of
from jifen.service.ruling import Desk, Finding
from tests.store.patient import Patient

_keys = itertools.count(1)

OWN = parse_program({"time_zone": "Asia/Shanghai", "currency": "CNY"})
NOW = datetime(2026, 11, 1, 4, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Found:
    """A finding of the check of rules."""

    code: str = "REFUND_LOOP"
    severity: str = "error"
    story: tuple[str, ...] = ("buy", "refund")
    gain_points: int = 5
    cost_minor: int = 0
    rules: tuple[str, ...] = ("base",)


@dataclass
class Office:
    """Where operators work; ``found`` is what the check of rules says of every program."""

    ledger: Ledger
    found: Sequence[Finding] = ()
    now: datetime = NOW
    own: Program = OWN

    def desk(self, key: str | None = None, actor: str = "admin:a") -> Desk:
        """The desk of one request, a second after the last; without a key it has one that nobody used."""
        self.later(seconds=1)
        return Desk(
            ledger=self.ledger,
            own=self.own,
            lint=lambda _program: self.found,
            moment=self.own.moment(self.now),
            patience=Patient(5),
            subject=actor,
            actor=actor,
            key=key or f"k{next(_keys)}",
        )

    def later(self, **time: float) -> None:
        """Move the clock."""
        self.now += timedelta(**time)

    def document(self, key: DocumentKey) -> Document | None:
        """What is kept under a key."""
        return self.ledger.load([], [key]).documents.get(key)

    def in_force(self) -> ProgramInForce:
        """What is in force."""
        found = self.document(ProgramKey())
        assert isinstance(found, ProgramInForce)
        return found

    def audit(self, month: str = "2026-11") -> list[AuditLine]:
        """What was done, oldest first."""
        lines = self.ledger.listed(audit_of(month), None, 100).documents
        return [line for line in reversed(lines) if isinstance(line, AuditLine)]

    def deeds(self) -> list[str]:
        """What was done on what, oldest first."""
        return [f"{line.action} {line.target}" for line in self.audit()]
