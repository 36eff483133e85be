"""Ledgers around the fake one: another writer gets in, an answer is lost, an account stays busy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from jifen.domain.account import Account
from jifen.domain.entries import Entry
from jifen.domain.errors import Busy
from jifen.domain.program import Program
from jifen.service.ports import (
    AccountMoved,
    DocumentKey,
    DocumentMoved,
    DuePage,
    EntryPage,
    Ledger,
    ListPage,
    Loaded,
    Patience,
    Posting,
    Shelf,
    Stale,
    Sweep,
)
from tests.store.memory_ledger import MemoryLedger


class _Around:
    """Passes everything on."""

    def __init__(self, inner: MemoryLedger) -> None:
        self.inner = inner

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """See :class:`jifen.service.ports.Ledger`."""
        return self.inner.load(members, documents)

    def commit(self, posting: Posting, patience: Patience) -> None:
        """See :class:`jifen.service.ports.Ledger`."""
        self.inner.commit(posting, patience)

    def entries(self, member: str, before: int | None, limit: int) -> EntryPage:
        """See :class:`jifen.service.ports.Ledger`."""
        return self.inner.entries(member, before, limit)

    def history(self, member: str) -> Iterator[Entry]:
        """See :class:`jifen.service.ports.Ledger`."""
        return self.inner.history(member)

    def due(self, sweep: Sweep, shard: int, through: date, cursor: str | None, limit: int) -> DuePage:
        """See :class:`jifen.service.ports.Ledger`."""
        return self.inner.due(sweep, shard, through, cursor, limit)

    def due_count(self, sweep: Sweep, shard: int, through: date) -> int:
        """See :class:`jifen.service.ports.Ledger`."""
        return self.inner.due_count(sweep, shard, through)

    def stale(self, members: Sequence[str], renewed: Callable[[Account], Account]) -> Stale:
        """See :class:`jifen.service.ports.Ledger`."""
        return self.inner.stale(members, renewed)

    def listed(self, shelf: Shelf, before: str | None, limit: int) -> ListPage:
        """See :class:`jifen.service.ports.Ledger`."""
        return self.inner.listed(shelf, before, limit)

    def follow(self, program: Program) -> None:
        """See :class:`jifen.service.ports.Ledger`."""
        self.inner.follow(program)


class Raced(_Around):
    """Lets the other writers in, one before each commit, after this one has loaded and decided."""

    def __init__(self, inner: MemoryLedger, *others: Callable[[Ledger], object]) -> None:
        super().__init__(inner)
        self._others = list(others)

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Commit after the next of the others."""
        if self._others:
            self._others.pop(0)(self.inner)
        self.inner.commit(posting, patience)


class Forgetful(_Around):
    """Loses the answers of the first commits: they are written, and the resend finds that things have moved."""

    def __init__(self, inner: MemoryLedger, lost: int = 1) -> None:
        super().__init__(inner)
        self._lost = lost

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Commit, and say what a resend would be told."""
        self.inner.commit(posting, patience)
        if self._lost:
            self._lost -= 1
            raise DocumentMoved if posting.documents else AccountMoved


class Contended(_Around):
    """Some members are always being written by somebody else."""

    def __init__(self, inner: MemoryLedger, *members: str) -> None:
        super().__init__(inner)
        self._members = members

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Commit, unless it is about one of them."""
        if any(write.after.member in self._members for write in posting.accounts):
            raise Busy
        self.inner.commit(posting, patience)


class Torn(_Around):
    """Lets another writer in between the two halves of one read: a batched read is not one instant."""

    def __init__(self, inner: MemoryLedger, other: Callable[[Ledger], object], *, account_first: bool = False) -> None:
        super().__init__(inner)
        self._others = [other]
        self._account_first = account_first

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """Load in two halves."""
        accounts, found = self.inner.load(members).accounts, self.inner.load([], documents).documents
        if not self._others or not members or not documents:
            return Loaded(accounts, found)
        self._others.pop()(self.inner)
        if self._account_first:
            return Loaded(accounts, self.inner.load([], documents).documents)
        return Loaded(self.inner.load(members).accounts, found)
