"""A ledger that is thrown away: what is only tried is written here, and nowhere else.

    behind (a real ledger, read) ──accounts, campaigns, values used up──> ScratchLedger <──commits── use cases
                                                                              └──told of each posting

The use cases run on it as they run on the table. It keeps accounts and documents; entries it hands on to whoever is
told, and lets them go, so that it grows with members and orders and not with what happens to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date

from jifen.domain.account import Account
from jifen.domain.entries import Entry
from jifen.domain.orders import Order
from jifen.domain.program import Program
from jifen.domain.reminders import AT_ONCE, index_text, next_expiry_on, next_reminder_on
from jifen.service.ports import (
    AccountMoved,
    AccountWrite,
    CampaignKey,
    Document,
    DocumentKey,
    DocumentMoved,
    DuePage,
    EntryPage,
    Ledger,
    ListPage,
    Loaded,
    OnceKey,
    Patience,
    Posting,
    Shelf,
    Stale,
    Sweep,
    due_between,
    key_of,
)

Told = Callable[[Posting, Sequence[Order | None]], None]
"""Is told of a posting, with each of its documents as it was before where that was an order."""

BEHIND = (CampaignKey, OnceKey)
"""Documents that count from behind. Orders, events and answers do not: what is tried is new, whatever its id."""


class ScratchLedger:
    """Accounts and documents of one trial, in one shard.

    Args:
        program: whose next dates :meth:`due` goes by.
        behind: read for accounts, campaigns and values used up that are not here yet; never written.
        told: see :data:`Told`.
    """

    def __init__(self, program: Program, behind: Ledger | None = None, told: Told | None = None) -> None:
        self.program = program
        self._behind, self._told = behind, told
        self._accounts: dict[str, Account] = {}
        self._documents: dict[DocumentKey, Document] = {}

    def put(self, account: Account) -> None:
        """Begin with this account."""
        self._accounts[account.member] = account

    def accounts(self) -> Iterable[Account]:
        """Every account, first seen first."""
        return self._accounts.values()

    def orders(self) -> Iterator[Order]:
        """Every order, first seen first."""
        return (one for one in self._documents.values() if isinstance(one, Order))

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """See :class:`jifen.service.ports.Ledger`."""
        if self._behind is not None:
            self._fetch(self._behind, members, documents)
        return Loaded(
            {member: self._accounts.get(member) or Account(member) for member in members},
            {key: self._documents[key] for key in documents if key in self._documents},
        )

    def _fetch(self, behind: Ledger, members: Sequence[str], documents: Sequence[DocumentKey]) -> None:
        unknown = [member for member in members if member not in self._accounts]
        keys = [key for key in documents if isinstance(key, BEHIND) and key not in self._documents]
        if unknown or keys:
            found = behind.load(unknown, keys)
            self._accounts.update(found.accounts)
            self._documents.update(found.documents)

    def commit(self, posting: Posting, patience: Patience) -> None:
        """See :class:`jifen.service.ports.Ledger`."""
        del patience
        before = [self._documents.get(key_of(document)) for document in posting.documents]
        if any(one.version != (was.version if was else 0) for one, was in zip(posting.documents, before, strict=True)):
            raise DocumentMoved
        if any(write.before.revision != self._revision(write.before.member) for write in posting.accounts):
            raise AccountMoved
        for write in posting.accounts:
            self._accounts[write.after.member] = replace(write.after, revision=write.before.revision + 1)
        for document in posting.documents:
            self._documents[key_of(document)] = replace(document, version=document.version + 1)
        if self._told:
            self._told(posting, [was if isinstance(was, Order) else None for was in before])

    def _revision(self, member: str) -> int:
        known = self._accounts.get(member)
        return known.revision if known else 0

    def entries(self, member: str, before: int | None, limit: int) -> EntryPage:  # noqa: ARG002 - the port's own
        """None: they were handed on."""
        return EntryPage((), more=False)

    def history(self, member: str) -> Iterator[Entry]:  # noqa: ARG002 - the port's own
        """None: they were handed on."""
        return iter(())

    def due(self, sweep: Sweep, shard: int, through: date, cursor: str | None, limit: int) -> DuePage:
        """See :class:`jifen.service.ports.Ledger`; every member is in shard 0."""
        stretches = due_between(through)
        keys = sorted(
            f"{index_text(day)}#{account.member}"
            for account in self._accounts.values()
            if shard == 0 and (day := self._next(sweep, account)) is not None
        )
        due = [key for key in keys if any(low <= key <= high for low, high in stretches)]
        left = [key for key in due if cursor is None or key > cursor]
        page = left[:limit]
        days = (date.fromisoformat(key[:10]) for key in page)
        oldest = next((day for day in days if day != AT_ONCE), None)
        return DuePage(tuple(key.split("#", 1)[1] for key in page), page[-1] if len(left) > limit else None, oldest)

    def due_count(self, sweep: Sweep, shard: int, through: date) -> int:
        """See :class:`jifen.service.ports.Ledger`."""
        return len(self.due(sweep, shard, through, None, len(self._accounts)).members)

    def stale(self, members: Sequence[str], renewed: Callable[[Account], Account]) -> Stale:
        """See :class:`jifen.service.ports.Ledger`; what is due here is worked out whenever it is asked for."""
        known = [self._accounts[member] for member in members if member in self._accounts]
        writes = (AccountWrite(before, renewed(before)) for before in known)
        return Stale(tuple(write for write in writes if write.after != write.before))

    def _next(self, sweep: Sweep, account: Account) -> date | None:
        if sweep is Sweep.EXPIRE:
            return next_expiry_on(account, self.program)
        return next_reminder_on(account, self.program)

    def listed(self, shelf: Shelf, before: str | None, limit: int) -> ListPage:  # noqa: ARG002 - the port's own
        """Nothing: what is tried puts nothing on a shelf."""
        return ListPage((), None)

    def follow(self, program: Program) -> None:
        """See :class:`jifen.service.ports.Ledger`."""
        self.program = program
