"""One answer for one request, however often it is sent: the answer is stored with what it did.

    load the stored answer ──there──> the same request: that answer; another one: refused
              │ not there
              v
    decide ──> documents + line of the audit + answer, in one transaction

A refusal stores nothing; before it is given the answer is looked for once more, because what is asked for may have been
done by another attempt of the same request meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jifen.domain.errors import IdempotencyKeyReused, Refusal
from jifen.domain.events import Answered
from jifen.service.ports import AnsweredKey, Document, Ledger, Patience, Posting, settle

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Once:
    """A request under its idempotency key: ``key`` as the ledger keeps it, and the fingerprint of what is asked."""

    key: str
    fingerprint: str

    @classmethod
    def asked(cls, subject: str, key: str, fingerprint: str) -> Once:
        """The request of a caller; keys of two callers never meet."""
        raw = f"{len(subject)}\n{subject}\n{key}".encode()
        return cls(hashlib.sha256(raw).hexdigest()[:40], fingerprint)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided: the answer, and the documents that make it so (none: nothing changes)."""

    status: int
    answer: Answer
    documents: tuple[Document, ...] = ()


def answer_once(ledger: Ledger, patience: Patience, once: Once, decide: Callable[[], Outcome]) -> tuple[int, Answer]:
    """Status and answer of a request: the stored ones, or those of ``decide``, committed with what it decided.

    Raises:
        IdempotencyKeyReused: the key was used with another request.
        Busy: others kept winning until the caller's time was up.
    """

    def attempt() -> tuple[int, Answer]:
        if stored := _stored(ledger, once):
            return stored
        try:
            outcome = decide()
        except Refusal:
            if stored := _stored(ledger, once):
                return stored
            raise
        answered = Answered(once.key, once.fingerprint, outcome.status, outcome.answer)
        ledger.commit(Posting(documents=(*outcome.documents, answered)), patience)
        return outcome.status, outcome.answer

    return settle(patience, attempt)


def _stored(ledger: Ledger, once: Once) -> tuple[int, Answer] | None:
    key = AnsweredKey(once.key)
    found = ledger.load([], [key]).documents.get(key)
    if not isinstance(found, Answered):
        return None
    if found.fingerprint != once.fingerprint:
        raise IdempotencyKeyReused
    return found.status, found.answer
