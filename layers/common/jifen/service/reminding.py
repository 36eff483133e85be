"""Reminding: claim on the account, send one message on every channel, confirm channel by channel.

    load ──claim──> send on a channel ──confirm──> send on the next ──confirm──>      nothing is sent without a claim

* Two workers on one account: the claim is conditional, one of them sends.
* A channel that fails stays waiting on the account and is tried again by the next run; the others are not repeated.
  After so many runs as the program says it is given up, and an operator finds it among the failed notices.
* A worker that dies leaves its claim; after ``CLAIM_LEASE`` another one takes it over. The one channel that it was at
  may get the message a second time then, under the same ids: at least once, and a receiver can tell.
* Within the member's quiet hours nothing is claimed: the account waits for their end, see ``Told.held_until``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from jifen.domain.account import Account, Change, as_of
from jifen.domain.messages import Item, Outcome, Plan, claim, confirm, due, hold, message_id, standing
from jifen.domain.notices import NoticeKind
from jifen.domain.program import Moment, Program
from jifen.service.ports import (
    AccountWrite,
    Contact,
    ContactKey,
    Document,
    Ledger,
    Message,
    Moved,
    Notifier,
    NotSent,
    Patience,
    Posting,
    Undeliverable,
    settle,
)

if TYPE_CHECKING:
    from jifen.service.rates import Rates

# ruff: noqa: PLC0415 - what goes wrong, and what only some programs have, is imported when it is met

FAILED_KEPT = timedelta(days=180)
"""So long an operator finds a message that did not go out."""

GivenUp = Callable[[Message, str, str], None]
"""Is told of a message, the channel that never took it, and why."""


class NoTime(NotSent):
    """The channels' rates leave no time for the message in this invocation; nothing was claimed."""


@dataclass(frozen=True, slots=True)
class _Claimed:
    """What one worker has claimed: the account as the claim left it, and what is to be sent."""

    account: Account
    items: tuple[Item, ...]
    contact: Contact | None
    lost: tuple[_Lost, ...] = ()


@dataclass(frozen=True, slots=True)
class _Lost:
    """A message that a channel never took, after so many ``tries``."""

    message: Message
    channel: str
    why: str
    tries: int


@dataclass(frozen=True, slots=True)
class Reminding:
    """The use case of one invocation; ``worker`` is unique to it.

    Attributes:
        report: is told what failed.
        given_up: is told what nobody will try again.
        rates: of the channels; None: there are no limits.
        has_time: whether another channel can be begun; what is left waits for the next run.
    """

    ledger: Ledger
    notifiers: Sequence[Notifier]
    program: Program
    moment: Moment
    patience: Patience
    worker: str
    report: Callable[[Message, str, Exception], None]
    given_up: GivenUp = lambda _message, _channel, _why: None
    rates: Rates | None = None
    has_time: Callable[[], bool] = lambda: True

    def remind(self, member: str) -> bool:
        """Send what is due to one member; whether there was anything to send or to write down.

        Raises:
            NotSent: a channel failed, or there was no time for it; it stays due and everything that was sent is kept.
            Busy: contention outlived the caller's time.
        """
        claimed = settle(self.patience, lambda: self._claim(member))
        if claimed is None:
            return False
        self._give_up(claimed.lost)
        account, failed = claimed.account, set[str]()
        channels = [one for one in self.notifiers if any(one.channel in item.channels for item in claimed.items)]
        for number, notifier in enumerate(channels):
            if number and not self.has_time():
                self._confirm(account, claimed.items, notifier.channel, Outcome(), (), last=True)
                failed |= {one.channel for one in channels[number:]}
                break
            account, left = self._serve(notifier, account, claimed, last=notifier is channels[-1])
            failed |= {notifier.channel} if left else set()
        if failed:
            message_text = f"not sent on {', '.join(sorted(failed))}; tried again by the next run"
            raise NotSent(message_text)
        return True

    # Claiming

    def _claim(self, member: str, turns: frozenset[str] = frozenset()) -> _Claimed | None:
        """Write down what is to be sent. Who had to wait for a turn looks again: the member may have said something.

        ``turns`` are the channels whose turn was taken before.
        """
        if not self.notifiers:
            return None
        loaded = self.ledger.load([member], [ContactKey(member)])
        before, found = loaded.accounts[member], loaded.documents.get(ContactKey(member))
        contact = found if isinstance(found, Contact) else None
        change = as_of(before, self.moment)
        plan = due(change.account, self.program, lambda kind: self._channels(kind, contact), self.worker, self.moment)
        held, as_it_is = before.told.held_until, change
        if any(item.notice.kind is NoticeKind.REWARD_AFFORDABLE and item.channels for item in plan.items):
            plan, change = self._with_reward(plan, change)
        if plan.items and (until := self._quiet_until(contact)) is not None:
            if held != until:
                self._write(before, Change(hold(change.account, until), change.entries))
            return None
        if not plan.items and not plan.passed and held is None and change is as_it_is:
            return None
        plan, lost = self._without_lost(plan, contact, change.account)
        channels = {channel for item in plan.items for channel in item.channels} - turns
        if self._turn(channels):
            return self._claim(member, turns | channels)
        change = Change(claim(change.account, plan, self.program, self.worker, self.moment), change.entries)
        account = self._write(before, change, tuple(self._failed(one) for one in lost))
        return _Claimed(account, plan.items, contact, lost)

    def _with_reward(self, plan: Plan, change: Change) -> tuple[Plan, Change]:
        """The plan, with the reward that is saved for as it now is, and the account.

        One that cannot be had any more is passed over, one that cannot be had for a while is looked at again. One that
        has become dearer than the points that are there is saved for at its new price.
        """
        from jifen.domain.due_notices import put_off
        from jifen.service.aiming import look

        account, today = change.account, self.moment.today
        standing = account.standing
        assert standing.goal, "there is no such notice without a goal"
        found = look(self.ledger, account, self.program, self.moment)
        (item,) = (one for one in plan.items if one.notice.kind is NoticeKind.REWARD_AFFORDABLE)
        without = replace(plan, items=tuple(one for one in plan.items if one is not item))
        over = replace(without, passed=(*plan.passed, str(item.mark)))
        if found.for_a_while and not item.reached:
            return without, replace(change, account=put_off(account, found.opens_on, today))
        if found.now is None or found.for_a_while:
            return over, change
        if found.now.points > account.available(today):
            return over, change.remember(replace(standing, goal=(standing.goal[0], found.now.points)))
        facts = {**item.notice.facts, "title": found.now.title, "points": found.now.points}
        told = replace(item, notice=replace(item.notice, facts=facts))
        return replace(plan, items=tuple(told if one is item else one for one in plan.items)), change

    def _channels(self, kind: NoticeKind, contact: Contact | None) -> tuple[str, ...]:
        """The channels that reach the member with a notice of this kind and are not refused.

        That points will be voided is told even to who refuses such notices, or all; on a channel that was refused by
        its name only where no other reaches.
        """
        reaching = tuple(one.channel for one in self.notifiers if _reaches(one, contact))
        refused = frozenset(contact.refuses) if contact else frozenset()
        if not refused:
            return reaching
        named = tuple(channel for channel in reaching if channel not in refused)
        if kind is NoticeKind.DORMANT:
            return named or reaching
        return () if {"*", str(kind)} & refused else named

    def _quiet_until(self, contact: Contact | None) -> datetime | None:
        hours = self.program.notices.quiet_hours
        if hours is None:
            return None
        from jifen.domain.quiet import quiet_until, zone_of

        zone = zone_of(contact.time_zone if contact else None, self.program.zone)
        # A worker may come to a member hours after the run that it is of.
        return quiet_until(hours, zone, max(self.moment.now, self.moment.recorded_at))

    def _without_lost(self, plan: Plan, contact: Contact | None, account: Account) -> tuple[Plan, tuple[_Lost, ...]]:
        """The plan without channels that more runs have tried than shall; their workers did not come back."""
        tries_max = self.program.notices.tries
        lost = [item for item in plan.items if item.tries > tries_max and item.channels]
        if not lost:
            return plan, ()
        why = f"given up: no worker came back from it in {tries_max} runs"
        by_channel = {
            channel: [item for item in lost if channel in item.channels] for item in lost for channel in item.channels
        }
        gone = tuple(
            _Lost(self._message(items, contact, account), channel, why, tries_max)
            for channel, items in by_channel.items()
        )
        kept = tuple(replace(item, channels=()) if item in lost else item for item in plan.items)
        return replace(plan, items=kept), gone

    def _turn(self, channels: set[str]) -> bool:
        """Take a turn on each channel; whether it had to be waited for.

        Raises:
            NoTime: that would take too long.
        """
        if self.rates is None:
            return False
        waits = self.rates.wait_s(channels) > 0
        if not self.rates.take(channels):
            raise NoTime("the rates of the channels leave no time for it now")
        return waits

    # Sending

    def _serve(self, notifier: Notifier, account: Account, claimed: _Claimed, *, last: bool) -> tuple[Account, bool]:
        """Send on one channel what is still ours, and write down what came of it; whether something has to wait."""
        channel = notifier.channel
        mine = [item for item in claimed.items if channel in item.channels and self._holds(account, item, channel)]
        has, never = set[date | str](), set[date | str]()
        lost: list[_Lost] = []
        for again in (True, False):
            if not (items := [item for item in mine if item.again is again]):
                continue
            message = self._message(items, claimed.contact, claimed.account)
            try:
                notifier.send(message)
                has |= {item.mark for item in items}
            except Undeliverable as failure:
                self.report(message, channel, failure)
                never |= {item.mark for item in items}
                lost.append(_Lost(message, channel, str(failure), max(item.tries for item in items)))
            except Exception as failure:  # noqa: BLE001 - what is wrong with one channel must not keep the others waiting
                self.report(message, channel, failure)
                if over := [item for item in items if item.tries >= self.program.notices.tries]:
                    never |= {item.mark for item in over}
                    given_up = self._message(over, claimed.contact, claimed.account)
                    tries, why = max(item.tries for item in over), _why(failure)
                    lost.append(_Lost(given_up, channel, f"given up after {tries} runs: {why}", tries))
        outcome = Outcome(frozenset(has), frozenset(never))
        account = self._confirm(account, claimed.items, channel, outcome, tuple(lost), last=last)
        self._give_up(lost)
        return account, any(item.mark not in has and item.mark not in never for item in mine)

    def _holds(self, account: Account, item: Item, channel: str) -> bool:
        """Whether the claim is still ours: nobody took it over, and nothing has made it pointless."""
        mark = standing(account, item)
        return mark is not None and mark.claimed_by == self.worker and channel in mark.waiting

    def _message(self, items: Sequence[Item], contact: Contact | None, account: Account) -> Message:
        notices = tuple(item.notice for item in items)
        return Message(
            id=message_id(notices),
            member=account.member,
            notices=notices,
            available=account.available(self.moment.today),
            today=self.moment.today,
            contact=contact,
            imprint=self.program.notices.imprint,
        )

    # Writing down

    def _confirm(
        self,
        account: Account,
        items: Sequence[Item],
        channel: str,
        outcome: Outcome,
        lost: tuple[_Lost, ...],
        *,
        last: bool,
    ) -> Account:
        """Write down what a channel has. The account is as we left it, unless somebody was there meanwhile."""

        def write(known: Account) -> Account:
            after = confirm(known, items, channel, outcome, self.worker, self.moment.today, last=last)
            if after == known:
                return known
            return self._write(known, Change(after), tuple(self._failed(one) for one in lost))

        try:
            return write(account)
        except Moved:
            return settle(self.patience, lambda: write(self.ledger.load([account.member]).accounts[account.member]))

    def _write(self, before: Account, change: Change, documents: tuple[Document, ...] = ()) -> Account:
        write = AccountWrite(before, change.account, change.entries)
        self.ledger.commit(Posting((write,), documents), self.patience)
        return replace(change.account, revision=before.revision + 1)

    def _give_up(self, lost: Iterable[_Lost]) -> None:
        for one in lost:
            self.given_up(one.message, one.channel, one.why)

    def _failed(self, lost: _Lost) -> Document:
        from jifen.domain.failed_notices import FailedNotice

        at = self.moment.recorded_at.astimezone(UTC)
        return FailedNotice(
            month=f"{at:%Y-%m}",
            at=at,
            notice_id=lost.message.id,
            member=lost.message.member,
            channel=lost.channel,
            why=lost.why,
            kinds=tuple(dict.fromkeys(str(notice.kind) for notice in lost.message.notices)),
            tries=lost.tries,
            keep_until=at + FAILED_KEPT,
        )


def _reaches(notifier: Notifier, contact: Contact | None) -> bool:
    """Whether a channel reaches the member; one that cannot say is tried, and what is wrong with it reported then."""
    try:
        return notifier.reaches(contact)
    except Exception:  # noqa: BLE001 - what is wrong with one channel must not keep the others waiting
        return True


def _why(failure: Exception) -> str:
    """What an operator reads of a failure; of one that is no answer of a provider, its kind: it may say anything."""
    return str(failure) if isinstance(failure, NotSent) else type(failure).__name__
