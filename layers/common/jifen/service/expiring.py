"""Expiry: writing down what time has done to one account, and what the policies of validity do to it.

    load ──as of now──allowances──policies──> account, entries, and for each policy a row of its batch

A batch is what one policy did on one day; whoever takes it back finds the accounts by its rows. While it is being taken
back nothing is added to it.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from jifen.domain.account import Change, as_of
from jifen.domain.allowances import given
from jifen.domain.program import Moment, Program
from jifen.service.ports import AccountWrite, Document, DocumentKey, Ledger, Patience, Posting, settle

if TYPE_CHECKING:
    from jifen.domain.policies import Applied, Done

# ruff: noqa: PLC0415 - what knows policies is imported where a program has some

ROW_SHARDS = 16
"""Parts that the rows of a batch are kept in; each is taken back by a worker of its own."""


def row_shard(member: str) -> int:
    """The part that a member's row is kept in."""
    return zlib.crc32(member.encode()) % ROW_SHARDS


def expire(ledger: Ledger, member: str, moment: Moment, patience: Patience, program: Program | None = None) -> bool:
    """Write down what time has done to one account, and whether there was anything.

    Points expire and holds run out whatever the ``program``; by its tiers allowances are given and levels fall, by its
    policies last days move and points are voided.

    Raises:
        Busy: contention outlived the caller's time.
    """

    def attempt() -> bool:
        account = ledger.load([member]).accounts[member]
        change, documents = as_of(account, moment), tuple[Document, ...]()
        if program is not None:
            change = given(change, program.rules, moment)
            if program.policies:
                change, documents = _policed(ledger, change, program, moment)
        if change.account is account:
            return False
        ledger.commit(Posting((AccountWrite(account, change.account, change.entries),), documents), patience)
        return True

    return settle(patience, attempt)


def _policed(ledger: Ledger, change: Change, program: Program, moment: Moment) -> tuple[Change, tuple[Document, ...]]:
    """The account with every policy that is due, and the documents of their batches.

    A task that waited (the sweep was paused) is of a day that is past; what a policy leaves is counted from the day on
    which it is done, so that its reminders are still to come.
    """
    from jifen.domain.batches import BatchStatus, ValidityBatch
    from jifen.domain.policies import apply_policies
    from jifen.service.life_documents import BatchKey, BatchRowKey

    moment = program.moment(max(moment.now, moment.recorded_at), moment.recorded_at)
    member, held_back = change.account.member, frozenset[str]()
    applied = apply_policies(change, program, moment)
    looked_up, found = set[str](), dict[DocumentKey, Document]()
    # What is held back may leave something to another policy, whose batch is looked up then.
    while unknown := {one.batch for one in applied.done if one.sequences} - looked_up:
        keys = [(BatchKey(id_), BatchRowKey(id_, row_shard(member), member)) for id_ in sorted(unknown)]
        found |= ledger.load([], [key for pair in keys for key in pair]).documents
        looked_up |= unknown
        batches = {one.id: one for one in found.values() if isinstance(one, ValidityBatch)}
        if held := {id_ for id_, one in batches.items() if one.status is not BatchStatus.APPLIED} - held_back:
            held_back |= held
            applied = apply_policies(change, program, moment, held_back)
    documents = list[Document]()
    for id_ in dict.fromkeys(one.batch for one in applied.done if one.sequences):
        done = [one for one in applied.done if one.batch == id_ and one.sequences]
        documents += _rows(member, done, found.get(BatchRowKey(id_, row_shard(member), member)), applied)
        documents += [] if BatchKey(id_) in found else [_batch(done[0], program, moment)]
    return applied.change, tuple(documents)


def _batch(done: Done, program: Program, moment: Moment) -> Document:
    from jifen.domain.batches import ValidityBatch

    policy = done.policy
    return ValidityBatch(
        done.batch, policy.id, moment.today, str(policy.effect), program.rules.version, at=moment.recorded_at
    )


def _rows(member: str, done: list[Done], row: Document | None, applied: Applied) -> list[Document]:
    """The row of a batch with what was done just now added to it."""
    from dataclasses import replace

    from jifen.domain.batches import BatchRow

    assert applied.done, "a row is written for what was done"
    before = row if isinstance(row, BatchRow) else BatchRow(done[0].batch, row_shard(member), member)
    sequences = (*before.sequences, *(number for one in done for number in one.sequences))
    return [replace(before, sequences=sequences, points=before.points + sum(one.points for one in done))]
