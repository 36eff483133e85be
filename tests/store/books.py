"""What clients were told, held against what the ledger says: every fact is there exactly once, and none is made up.

The table itself goes to the auditor (``local/audit/``), who reads its rows without any of our code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from jifen.domain.entries import Entry, Kind, Reason
from jifen.domain.ids import parse_document_id
from jifen.domain.orders import Order
from jifen.domain.rules.engine import entitled
from jifen.domain.spending import Hold, Redemption
from jifen.service.ports import Document, DocumentKey, HoldKey, Ledger, OrderKey, RedemptionKey
from jifen.service.reading import prove_member
from local.audit import audit as judge
from local.audit import rows_of
from local.engines import Engine
from tests.store.clients import MEMBERS, Fact, Told
from tests.store.tables import ledger_on
from tests.store.values import NOW, PROGRAM

KEYS_MAX = 100
END_OF_TIME = NOW + timedelta(days=365_000)


@dataclass(frozen=True, slots=True)
class Audit:
    """``lost``: acknowledged and not there; ``made_up``: there without being asked for; ``wrong``: what else is off."""

    lost: tuple[Fact, ...]
    made_up: tuple[Fact, ...]
    wrong: tuple[str, ...]


CLEAN = Audit((), (), ())


def audit(engine: Engine, table: str, told: Sequence[Told]) -> Audit:
    """Hold everything that was told against the ledger at rest."""
    ledger = ledger_on(engine, table, PROGRAM)
    done = {fact for one in told for fact in one.done if fact[0] != "look"}
    unknown = {fact for one in told for fact in one.unknown}
    entries = [entry for member in MEMBERS for entry in ledger.history(member)]
    documents = _documents(ledger, done | unknown)
    there = Counter([*_from_entries(entries), *_from_documents(documents)])
    wrong = [f"{fact} is there {times} times" for fact, times in there.items() if times > 1]
    wrong += [f"{member} cannot be proved" for member in MEMBERS if not prove_member(ledger, member).valid]
    wrong += [str(broken) for broken in judge(rows_of(engine, table), PROGRAM, END_OF_TIME, shards=4)]
    wrong += [problem for one in documents for problem in _problems(one, entries)]
    return Audit(tuple(sorted(done - set(there))), tuple(sorted(set(there) - done - unknown)), tuple(wrong))


def _documents(ledger: Ledger, facts: set[Fact]) -> list[Document]:
    keys = sorted({_key(fact) for fact in facts if fact[0] != "look"}, key=str)
    parts = [keys[start : start + KEYS_MAX] for start in range(0, len(keys), KEYS_MAX)]
    return [document for part in parts for document in ledger.load([], part).documents.values()]


def _key(fact: Fact) -> DocumentKey:
    if fact[0] == "order":
        return OrderKey("standard", fact[1])
    found = parse_document_id(fact[1])
    assert found is not None
    return RedemptionKey(found.member, fact[1]) if found.prefix == "rd" else HoldKey(found.member, fact[1])


def _from_entries(entries: Sequence[Entry]) -> Iterator[Fact]:
    for draft in (entry.draft for entry in entries):
        match draft.kind, draft.source.type:
            case Kind.REDEEM, "redemption":
                yield ("redeem", draft.source.id, -draft.points)
            case Kind.REDEEM, "hold":
                yield ("capture", draft.source.id, -draft.points)
            case Kind.HOLD, _:
                yield ("hold", draft.source.id, draft.why[0]["held"])
            case Kind.RELEASE, _ if draft.reason == Reason.HOLD_VOIDED:
                yield ("void", draft.hold_id)


def _from_documents(documents: Sequence[Document]) -> Iterator[Fact]:
    for document in documents:
        match document:
            case Order():
                yield from _facts_of(document)
            case Redemption() | Hold():
                for key, receipt in document.receipts.items():
                    if key.startswith("restore-"):
                        yield ("restore", document.id, key, receipt.answer["points"])


def _facts_of(order: Order) -> Iterator[Fact]:
    if order.paid:
        yield ("order", order.order_id, "paid")
    if order.cancelled:
        yield ("order", order.order_id, "cancelled")
    for refund in order.refunds:
        yield ("order", order.order_id, f"refund {refund}")


def _problems(document: Document, entries: Sequence[Entry]) -> Iterator[str]:
    if isinstance(document, Order):
        kinds = {Kind.EARN, Kind.CLAWBACK}
        posted = sum(
            e.draft.points for e in entries if e.draft.kind in kinds and e.draft.source.id == document.order_id
        )
        due = entitled(document, document.award.rules, document.award.currency) if document.award else 0
        granted = document.award.granted if document.award else 0
        if not posted == granted == due:
            yield f"order {document.order_id} is worth {due}, says {granted} and was posted {posted}"
    if isinstance(document, Redemption | Hold):
        restores = sum(e.draft.kind is Kind.RESTORE and e.draft.source.id == document.id for e in entries)
        answers = [
            cast("int", receipt.answer["points"]) for key, receipt in document.receipts.items() if "restore-" in key
        ]
        if (restores, document.restored) != (len(answers), sum(answers)):
            yield f"{document.id} was restored {restores} times and says {answers}, {document.restored} in all"
