"""The walk: everybody with points is looked at, and who stands under other dates than theirs is written again.

    index of everybody with points ──100 accounts, one read──> their dates by the program in force
                                                                 the same: nothing     others: the account, no entry

It goes by dates as every sweep does: a shard can be walked twice, by two workers at once, or from anywhere in it. A
member without points is not in the index, and gets dates with the next thing that happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from jifen.domain.account import Account
from jifen.domain.errors import Busy
from jifen.domain.program import Moment, Program
from jifen.domain.reminders import NEVER
from jifen.domain.ruling import ProgramInForce
from jifen.domain.sweeps import SweepControl
from jifen.domain.tiers import next_due_on
from jifen.service.ports import (
    AccountWrite,
    DuePage,
    Ledger,
    Patience,
    Posting,
    ProgramKey,
    ShardTask,
    Sweep,
    settle,
)
from jifen.service.sweep_documents import ControlKey


@dataclass(slots=True)
class Walking:
    """One worker's share of a walk.

    Attributes:
        program: the program in force, looked at again when what is known of it is old.
        moment: now, in a program's zone.
    """

    ledger: Ledger
    task: ShardTask
    program: Callable[[], Program]
    moment: Callable[[], Moment]
    patience: Patience
    _stale: dict[str, AccountWrite] = field(default_factory=dict, init=False)
    _unreadable: dict[str, Exception] = field(default_factory=dict, init=False)

    def begin(self) -> None:
        """See that this process knows the program in force: by an earlier one it would write dates that are none.

        Raises:
            Busy: it cannot read it, or another one was published just now; the task is to be done again.
        """
        found = self.ledger.load([], [ProgramKey()]).documents.get(ProgramKey())
        if self.program().rules.version != (found.number if isinstance(found, ProgramInForce) else 0):
            raise Busy

    def pages(self, cursor: str | None, limit: int) -> DuePage:
        """Accounts with points behind the cursor, those that nothing lies ahead of last."""
        page = self.ledger.due(Sweep.EXPIRE, self.task.shard, NEVER, cursor, limit)
        found = self.ledger.stale(page.members, self._renewed()) if page.members else None
        self._stale = {write.before.member: write for write in found.writes} if found else {}
        self._unreadable = dict(found.unreadable) if found else {}
        return page

    def counted(self) -> int:
        """How many accounts with points the shard has."""
        return self.ledger.due_count(Sweep.EXPIRE, self.task.shard, NEVER)

    def act(self, member: str) -> bool:
        """Write an account of the page if it has to be; whether it had.

        Raises:
            Busy: others kept writing it.
            Exception: it cannot be read.
        """
        if member in self._unreadable:
            raise self._unreadable[member]
        write = self._stale.pop(member, None)
        if write is None:
            return False
        known: AccountWrite | None = write

        def attempt() -> bool:
            nonlocal known
            if known is None:
                found = self.ledger.stale([member], self._renewed())
                known = found.writes[0] if found.writes else None
            if known is None:
                return False
            again, known = known, None
            self.ledger.commit(Posting((again,)), self.patience)
            return True

        return settle(self.patience, attempt)

    def finish(self) -> None:
        """The shard was gone through and nobody was left: once that is so of all, the program is walked by.

        Raises:
            Busy
        """
        key, task = ControlKey(str(Sweep.EXPIRE)), self.task

        def attempt() -> None:
            control = self.ledger.load([], [key]).documents.get(key)
            walk = control.walk if isinstance(control, SweepControl) else None
            if not isinstance(control, SweepControl) or walk is None or walk.mark != task.walk:
                return
            if task.shard in walk.done:
                return
            walk = replace(walk, done=tuple(sorted({*walk.done, task.shard})))
            walked = walk.mark if walk.complete else control.walked
            self.ledger.commit(Posting(documents=(replace(control, walk=walk, walked=walked),)), self.patience)

        settle(self.patience, attempt)

    def _renewed(self) -> Callable[[Account], Account]:
        """What another tier rule makes of the day on which time changes a tier; the rest follows from the account."""
        terms, today = self.program().rules.tiers, self.moment().today

        def renewed(account: Account) -> Account:
            due = next_due_on(account.standing, terms, today) if terms else None
            if due == account.standing.due:
                return account
            return replace(account, standing=replace(account.standing, due=due))

        return renewed
