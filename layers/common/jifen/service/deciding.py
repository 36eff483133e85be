"""Deciding about points once, however often it is asked: what is read, what is decided, what is written.

    one read: the stored answer, accounts, documents
        │
        ├─ the stored answer ──> given again; another request under the same key: refused
        └─ decide ──> one transaction: accounts with entries, documents, the answer

A refusal stores nothing. Before it is given, the answer is looked for once more: an attempt of the same request whose
own answer was lost may have done what is asked for, and then the account that this one read shows that already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jifen.domain.account import Account, Change
from jifen.domain.errors import IdempotencyKeyReused, Refusal
from jifen.domain.events import Answered
from jifen.service.answering import Answer, Once
from jifen.service.ports import AccountWrite, AnsweredKey, Ledger, Loaded, Patience, Posting, settle

if TYPE_CHECKING:
    from jifen.service.ports import Document, DocumentKey


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided: status and answer, and what makes it so.

    ``changes`` are accounts by member; one that is as it was read is left out of the transaction. ``read`` are those
    among them that the decision read itself, as it read them.
    """

    status: int
    answer: Mapping[str, Any]
    changes: Mapping[str, Change] | None = None
    documents: tuple[Document, ...] = ()
    read: Mapping[str, Account] | None = None


def decide_once(
    ledger: Ledger,
    patience: Patience,
    once: Once,
    members: Sequence[str],
    keys: Sequence[DocumentKey],
    decide: Callable[[Loaded], Decision],
) -> tuple[int, Answer]:
    """Status and answer of a request: the stored ones, or those of ``decide``, committed with what it decided.

    Args:
        ledger: where everything is kept.
        patience: how long the caller can wait.
        once: the request under its idempotency key.
        members: whose accounts ``decide`` needs.
        keys: of the documents that it needs.
        decide: gets what was read, again after every commit that others were quicker than. It may read more itself.

    Raises:
        IdempotencyKeyReused: the key was used with another request.
        Busy: others kept winning until the caller's time was up.
    """
    own = AnsweredKey(once.key)

    def attempt() -> tuple[int, Answer]:
        loaded = ledger.load(members, [own, *keys])
        if stored := _stored(loaded, own, once):
            return stored
        try:
            decision = decide(loaded)
        except Refusal:
            if stored := _stored(ledger.load([], [own]), own, once):
                return stored
            raise
        answered = Answered(once.key, once.fingerprint, decision.status, decision.answer)
        writes = account_writes({**loaded.accounts, **(decision.read or {})}, decision.changes or {})
        ledger.commit(Posting(writes, (*decision.documents, answered)), patience)
        return decision.status, decision.answer

    return settle(patience, attempt)


def account_writes(before: Mapping[str, Account], changes: Mapping[str, Change]) -> tuple[AccountWrite, ...]:
    """What is to be written of accounts that were read as ``before``."""
    return tuple(
        AccountWrite(before[member], change.account, change.entries)
        for member, change in changes.items()
        if change.entries or change.account is not before[member]
    )


def _stored(loaded: Loaded, own: AnsweredKey, once: Once) -> tuple[int, Answer] | None:
    found = loaded.documents.get(own)
    if not isinstance(found, Answered):
        return None
    if found.fingerprint != once.fingerprint:
        raise IdempotencyKeyReused
    return found.status, found.answer
