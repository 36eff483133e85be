"""Reminding: claim on the account, send on every channel, confirm.

    load ──claim──> send, channel by channel ──confirm──>      the claim is committed before anything is sent

* Two workers on one account: the claim is conditional, one of them sends.
* A channel that fails stays waiting on the account and is tried again by the next run; the others are not repeated.
* A worker that dies between claim and confirm leaves the claim; after ``CLAIM_LEASE`` another one takes it over. What
  it had already handed to a provider goes out a second time then, under the same notice id: at least once, and a
  receiver can tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from jifen.domain.account import Account, Change, as_of
from jifen.domain.notices import Notice, NoticeKind
from jifen.domain.program import Moment, Program
from jifen.domain.reminders import Reminder, claim, confirm, due_reminders
from jifen.service.ports import (
    AccountWrite,
    Contact,
    ContactKey,
    Ledger,
    Loaded,
    Message,
    Moved,
    Notifier,
    NotSent,
    Patience,
    Posting,
    Undeliverable,
    settle,
)


@dataclass(frozen=True, slots=True)
class Reminding:
    """The use case of one invocation; ``worker`` is unique to it, ``report`` is told what failed."""

    ledger: Ledger
    notifiers: Sequence[Notifier]
    program: Program
    moment: Moment
    patience: Patience
    worker: str
    report: Callable[[Message, str, Exception], None]

    def remind(self, member: str) -> bool:
        """Send what is due to one member; whether there was anything.

        Raises:
            NotSent: a channel failed; it stays due and everything that was sent is kept.
            Busy: contention outlived the caller's time.
        """
        claimed = settle(self.patience, lambda: self._claim(member))
        if claimed is None:
            return False
        loaded, account, reminders = claimed
        outcome = {reminder: self._send(reminder, loaded, account) for reminder in reminders}
        self._confirm(account, outcome)
        if failed := sorted({channel for waiting in outcome.values() for channel in waiting}):
            message = f"not sent on {', '.join(failed)}; tried again by the next run"
            raise NotSent(message)
        return True

    def _claim(self, member: str) -> tuple[Loaded, Account, tuple[Reminder, ...]] | None:
        channels = tuple(notifier.channel for notifier in self.notifiers)
        if not channels:
            return None
        loaded = self.ledger.load([member], [ContactKey(member)])
        before = loaded.accounts[member]
        change = as_of(before, self.moment)
        reminders = due_reminders(change.account, self.program.lead_days, channels, self.worker, self.moment)
        if not reminders:
            return None
        change = Change(claim(change.account, reminders, self.worker, self.moment), change.entries)
        self.ledger.commit(Posting((AccountWrite(before, change.account, change.entries),)), self.patience)
        return loaded, replace(change.account, revision=before.revision + 1), reminders

    def _send(self, reminder: Reminder, loaded: Loaded, account: Account) -> tuple[str, ...]:
        contact = loaded.documents.get(ContactKey(reminder.member))
        message = Message(
            id=notice_id(reminder),
            member=reminder.member,
            notices=(_notice(reminder, self.moment),),
            available=account.available(self.moment.today),
            today=self.moment.today,
            contact=contact if isinstance(contact, Contact) else None,
        )
        waiting: list[str] = []
        for notifier in self.notifiers:
            if notifier.channel in reminder.channels:
                if not notifier.reaches(message.contact):
                    continue
                try:
                    notifier.send(message)
                except NotSent as failure:
                    waiting.append(notifier.channel)
                    self.report(message, notifier.channel, failure)
                except Undeliverable as failure:
                    self.report(message, notifier.channel, failure)
        return tuple(waiting)

    def _confirm(self, claimed: Account, outcome: Mapping[Reminder, tuple[str, ...]]) -> None:
        """Write down what was sent. The account is as the claim left it, unless somebody was there meanwhile."""
        try:
            self._write_down(claimed, outcome)
        except Moved:
            settle(self.patience, lambda: self._write_down(self._account(claimed.member), outcome))

    def _account(self, member: str) -> Account:
        return self.ledger.load([member]).accounts[member]

    def _write_down(self, account: Account, outcome: Mapping[Reminder, tuple[str, ...]]) -> None:
        after = confirm(account, outcome, self.worker)
        if after != account:
            self.ledger.commit(Posting((AccountWrite(account, after),)), self.patience)


def _notice(reminder: Reminder, moment: Moment) -> Notice:
    facts = {
        "points": reminder.points,
        "lot_expires_on": reminder.lot_expires_on.isoformat(),
        "lead_days": reminder.lead_days,
        "days_left": (reminder.lot_expires_on - moment.today).days,
    }
    return Notice(notice_id(reminder), NoticeKind.POINTS_EXPIRING, reminder.member, facts, reminder)


def notice_id(reminder: Reminder) -> str:
    """The same for every attempt at one reminder: a hash of member, lot date and lead (32 hex characters)."""
    text = f"{reminder.member}\n{reminder.lot_expires_on.isoformat()}\n{reminder.lead_days}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
