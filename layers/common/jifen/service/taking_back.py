"""Taking a batch of a policy back: a worker goes through a part of its rows, account by account.

    rows that are not settled ──each: account, entries, row in one transaction──> settled
    a part with nothing left ──noted in the batch──> the last one: REVERSED

A row is settled once, whoever tries how often; so a part can be gone through twice, or by two workers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from jifen.domain.account import as_of
from jifen.domain.batches import BatchRow, BatchStatus, ValidityBatch
from jifen.domain.entries import Entry
from jifen.domain.errors import Busy
from jifen.domain.policies import SOURCE
from jifen.domain.policy_reversals import Reversal, waits_for_hold
from jifen.domain.program import Moment, Program
from jifen.service.expiring import ROW_SHARDS, row_shard
from jifen.service.life_documents import BatchKey, BatchRowKey
from jifen.service.life_shelves import rows_of
from jifen.service.ports import AccountWrite, DuePage, Ledger, Patience, Posting, ShardTask, settle

HISTORY_PAGE = 100
"""Entries that are read at a time, back to the one that is taken back."""

COUNT_PAGE = 1_000
"""Rows that are read at a time to be counted."""


@dataclass(slots=True)
class TakingBack:
    """One worker's share.

    Attributes:
        ledger: where everything is kept.
        task: which part of which batch.
        program: the program in force: its reminders are still to come.
        moment: now.
        patience: how long the caller can wait.
    """

    ledger: Ledger
    task: ShardTask
    program: Program
    moment: Moment
    patience: Patience
    _unreadable: dict[str, Exception] = field(default_factory=dict, init=False)

    def pages(self, cursor: str | None, limit: int) -> DuePage:
        """Members whose row is to be settled, and where to go on; a row that cannot be read stands under its keys."""
        page = self.ledger.listed(rows_of(self.task.batch, self.task.shard), cursor, limit)
        self._unreadable = dict(page.unreadable)
        rows = [one for one in page.documents if isinstance(one, BatchRow)]
        open_ = (one.member for one in rows if set(one.sequences) - set(one.taken_back))
        return DuePage((*open_, *self._unreadable), page.cursor)

    def counted(self) -> int:
        """How many rows the part has."""
        count, cursor = 0, None
        while True:
            page = self.ledger.listed(rows_of(self.task.batch, self.task.shard), cursor, COUNT_PAGE)
            count, cursor = count + len(page.documents) + len(page.unreadable), page.cursor
            if cursor is None:
                return count

    def act(self, member: str) -> bool:
        """Take back what the batch did to one account, and whether there was anything; a second time there is nothing.

        Raises:
            Busy: contention outlived the caller's time, or a hold reserves what was shortened.
            Exception: row or account cannot be read.
        """
        if member in self._unreadable:
            raise self._unreadable[member]
        id_ = self.task.batch
        key = BatchRowKey(id_, row_shard(member), member)

        def attempt() -> bool:
            found = self.ledger.load([member], [BatchKey(id_), key])
            account, row, batch = found.accounts[member], found.documents.get(key), found.documents.get(BatchKey(id_))
            if not isinstance(row, BatchRow) or not isinstance(batch, ValidityBatch):
                return False
            due = [number for number in row.sequences if number not in row.taken_back]
            if not due or batch.status is BatchStatus.APPLIED:
                return False
            since = self._since(member, min(due))
            reversal = Reversal(id_, self.program, self.moment, batch.by, batch.reason)
            own = [entry for entry in since if entry.sequence in due]
            change = as_of(account, self.moment)
            if waits_for_hold(change.account, own):
                raise Busy
            change = reversal.of(change, own, since)
            written = tuple(entry.sequence for entry in change.entries if entry.draft.source.type == SOURCE)
            settled = replace(row, taken_back=row.sequences, reversed_by=(*row.reversed_by, *written))
            # The account is written in any case: what was decided holds for it as it was read.
            accounts = (AccountWrite(account, change.account, change.entries),)
            self.ledger.commit(Posting(accounts, (settled,)), self.patience)
            return bool(written)

        return settle(self.patience, attempt)

    def _since(self, member: str, sequence: int) -> list[Entry]:
        """The entries of a member from one on, the newest first."""
        found: list[Entry] = []
        before: int | None = None
        while True:
            page = self.ledger.entries(member, before, HISTORY_PAGE)
            found += [entry for entry in page.entries if entry.sequence >= sequence]
            if not page.more or not page.entries or page.entries[-1].sequence <= sequence:
                return found
            before = page.entries[-1].sequence

    def finish(self) -> None:
        """The part was gone through and nothing was left; with the last one the batch is taken back.

        Raises:
            Busy: contention outlived the caller's time.
        """
        key = BatchKey(self.task.batch)

        def attempt() -> None:
            batch = self.ledger.load([], [key]).documents.get(key)
            if not isinstance(batch, ValidityBatch) or batch.status is not BatchStatus.REVERSING:
                return
            if self.task.shard in batch.shards_done:
                return
            done = tuple(sorted({*batch.shards_done, self.task.shard}))
            status = BatchStatus.REVERSED if len(done) == ROW_SHARDS else batch.status
            self.ledger.commit(Posting(documents=(replace(batch, shards_done=done, status=status),)), self.patience)

        settle(self.patience, attempt)
