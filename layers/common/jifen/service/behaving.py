"""Behaving: events, check-ins, reviews and profiles, each answered once however often it is asked.

    one read: accounts, receipt, values used up, stored answer, campaigns
        │
        ├─ the stored answer, or the receipt's ──> given again; with other content: refused
        └─ decide ──> one transaction: accounts with entries, receipt, values, campaigns, answer

An event's own id is what keeps it from counting twice; the caller's idempotency key is kept beside it where it is
another text. A check-in has no id but its key, so the key is its id.

A login that no rule asks about is written down once a day, with the receipt of the event that told it first. What
comes after it that day changes nothing and leaves no receipt: its answer follows from what it says, each time anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from jifen.domain import activity, behaviour, check_ins, profiles, task_board, tiers
from jifen.domain.account import Account, Change
from jifen.domain.behaviour import Outcome
from jifen.domain.campaigns import CampaignState
from jifen.domain.engage_views import CheckInsView, CheckInView, EventView, MadeUpView, ProfileView, TasksView
from jifen.domain.entries import instant_text
from jifen.domain.errors import (
    AccountFrozen,
    Fault,
    IdempotencyKeyReused,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    NothingToMakeUp,
    Refusal,
    ReviewNotFound,
    WrongStatus,
)
from jifen.domain.events import Answered, BehaviourEvent, EventReceipt, EventStatus, OnceMark
from jifen.domain.giving import Campaigns
from jifen.domain.ids import fingerprint
from jifen.domain.invites import inviter_named
from jifen.domain.member_views import TierView
from jifen.domain.program import Moment, Program
from jifen.domain.rules.engine import Why
from jifen.domain.rules.model import CHECKED_IN, INVITE_ACCEPTED
from jifen.domain.ruling import AuditLine
from jifen.service.answering import Once
from jifen.service.ports import (
    AccountWrite,
    AnsweredKey,
    CampaignKey,
    Document,
    DocumentKey,
    DocumentMoved,
    EventKey,
    Ledger,
    Loaded,
    OnceKey,
    Patience,
    Posting,
    settle,
)

RESTS_ON_ACCOUNT = (AccountFrozen, InsufficientPoints, InvalidInput, LimitReached, NothingToMakeUp)
"""Refusals for what the account is like: what is asked for may have been done by an earlier attempt meanwhile."""

Shown = Callable[[BehaviourEvent, Outcome], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request about an event: ``fingerprint`` of its content, ``once`` where it has a key of its own besides."""

    event: BehaviourEvent
    fingerprint: str
    once: Once | None = None
    marks: Sequence[tuple[str, str]] = ()
    inviter: str | None = None

    @property
    def key(self) -> EventKey:
        """Where its receipt is."""
        return EventKey(self.event.member, self.event.event_id)


@dataclass(frozen=True, slots=True)
class Behaving:
    """The use cases of one invocation.

    Attributes:
        ledger: where everything is kept.
        program: the program in force.
        moment: now.
        patience: how long the caller can wait.
        subject: the caller's token's subject; an idempotency key is the caller's own.
        actor: role and name, as entries have it.
        key: the caller's idempotency key; empty for a request that needs none.
    """

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    subject: str
    actor: str
    key: str = ""

    # Events

    def take(self, event: BehaviourEvent) -> Mapping[str, Any]:
        """Take an event in; the answer is an :class:`EventView`.

        Raises:
            InvalidInput: its data is not what a rule needs.
            IdempotencyKeyReused: this event, or this key, came before with other content.
            Busy
        """
        content = [event.type, event.event_id, event.member, instant_text(event.at), dict(event.data)]
        print_ = fingerprint("event", content)
        once = None if self.key == event.event_id else Once.asked(self.subject, self.key, print_)
        inviter = inviter_named(event.data) if event.type == INVITE_ACCEPTED else None
        marks = behaviour.once_asked(event, self.program.rules)
        return self._once(
            _Asked(event, print_, once, marks, inviter), self._decided(event, marks, inviter), _event_view
        )

    def check_in(self, member: str, day: date | None = None) -> Mapping[str, Any]:
        """Check a member in for today; the answer is a :class:`CheckInView`.

        Raises:
            InvalidInput: ``day`` is another day than today.
            IdempotencyKeyReused, Busy
        """
        event = BehaviourEvent(CHECKED_IN, f"check-in:{self.key}", member, self.moment.now)
        asked = _Asked(event, fingerprint("check-in", [member, day and day.isoformat()]))
        decided = self._decided(event, (), None)

        def decide(loaded: Loaded) -> Outcome:
            if day not in {None, self.moment.today}:
                problem = f"is not today, {self.moment.today}; a missed day is made up for under /check-ins/make-up"
                raise InvalidInput([Fault("day", problem)])
            return decided(loaded)

        return self._once(asked, decide, _check_in_view)

    def make_up(self, member: str, day: date | None = None) -> Mapping[str, Any]:
        """Make up for a missed day (None: the last one); the answer is a :class:`MadeUpView`.

        Raises:
            NothingToMakeUp, AccountFrozen, InsufficientPoints, LimitReached, IdempotencyKeyReused, Busy
        """
        event = BehaviourEvent(check_ins.MADE_UP, f"make-up:{self.key}", member, self.moment.now)
        asked = _Asked(event, fingerprint("make-up", [member, day and day.isoformat()]))
        rules, moment = self.program.rules, self.moment

        def decide(loaded: Loaded) -> Outcome:
            account, campaigns = loaded.accounts[member], _campaigns(loaded)
            return check_ins.make_up(account, day, event.event_id, rules, campaigns, moment, self.actor)

        def shown(_: BehaviourEvent, outcome: Outcome) -> MadeUpView:
            assert rules.make_up is not None, "only an offered make-up is answered"
            return {
                "member_id": member,
                "day": outcome.day.isoformat(),
                "cost": rules.make_up.cost,
                "points": outcome.points,
                "available": outcome.changes[member].account.available(moment.today),
                "run": check_ins.run_view(outcome.run),
                "why": [dict(line) for line in outcome.why],
            }

        return self._once(asked, decide, shown)

    def _decided(
        self, event: BehaviourEvent, marks: Sequence[tuple[str, str]], inviter: str | None
    ) -> Callable[[Loaded], Outcome]:
        def decide(loaded: Loaded) -> Outcome:
            used = (mark for mark in marks if OnceKey(event.member, *mark) in loaded.documents)
            return behaviour.decide(
                event,
                loaded.accounts[event.member],
                self.program.rules,
                _campaigns(loaded),
                frozenset(used),
                self.moment,
                loaded.accounts[inviter] if inviter else None,
                self.actor,
            )

        return decide

    def _once(self, asked: _Asked, decide: Callable[[Loaded], Outcome], shown: Shown) -> Mapping[str, Any]:
        """The stored answer, or a new one with everything that it stands for, in one transaction."""
        event = asked.event
        kind = CHECKED_IN if event.type == check_ins.MADE_UP else event.type
        keys: list[DocumentKey] = [asked.key, *(OnceKey(event.member, *mark) for mark in asked.marks)]
        keys += [CampaignKey(name) for name in behaviour.campaigns_asked(kind, self.program.rules)]
        keys += [AnsweredKey(asked.once.key)] if asked.once else []
        members = list(dict.fromkeys([event.member, *([asked.inviter] if asked.inviter else [])]))

        def attempt() -> Mapping[str, Any]:
            loaded = self.ledger.load(members, keys)
            known = _stored(loaded, asked.once)
            if known is not None:
                return known
            receipt = loaded.documents.get(asked.key)
            if isinstance(receipt, EventReceipt):
                return self._again(receipt, asked)
            try:
                outcome = decide(loaded)
            except RESTS_ON_ACCOUNT:
                if self.ledger.load([], [asked.key]).documents:
                    raise DocumentMoved from None
                raise
            if event.type == activity.LOGGED_IN:
                outcome = _logged_in(outcome, loaded.accounts[event.member])
                if not outcome.changes and not self.program.rules.on_event(event.type):
                    return shown(event, outcome)
            answer = shown(event, outcome)
            marks = [OnceMark(event.member, *mark, event.event_id) for mark in outcome.marks]
            receipts: list[Document] = [_receipt(asked, outcome, answer), *marks, *_answered(asked.once, answer)]
            self._commit(loaded, outcome.changes, [*receipts, *outcome.campaigns.values()])
            return answer

        return settle(self.patience, attempt)

    def _again(self, receipt: EventReceipt, asked: _Asked) -> Mapping[str, Any]:
        """The answer that the event got, kept under this key too.

        Raises:
            IdempotencyKeyReused: it was another event.
        """
        if receipt.fingerprint != asked.fingerprint:
            raise IdempotencyKeyReused
        if asked.once:
            self.ledger.commit(Posting(documents=tuple(_answered(asked.once, receipt.answer))), self.patience)
        return receipt.answer

    def _commit(self, loaded: Loaded, changes: Mapping[str, Change], documents: Sequence[Document]) -> None:
        writes = tuple(
            AccountWrite(loaded.accounts[member], change.account, change.entries) for member, change in changes.items()
        )
        self.ledger.commit(Posting(writes, tuple(documents)), self.patience)

    # Reviews

    def approve(self, member: str, event_id: str, points: int | None, reason: str) -> Mapping[str, Any]:
        """Give the points (None: those proposed) that an event waits with; the answer is an :class:`EventView`.

        Raises:
            ReviewNotFound, WrongStatus, LimitReached, IdempotencyKeyReused, Busy
        """
        rules = self.program.rules

        def decide(loaded: Loaded, receipt: EventReceipt) -> Outcome:
            keys = [CampaignKey(name) for name in behaviour.campaigns_proposed(receipt, rules)]
            campaigns = _campaigns(self.ledger.load([], keys)) if keys else {}
            account = loaded.accounts[member]
            return behaviour.approve(receipt, account, rules, campaigns, points, reason, self.actor, self.moment)

        asked = fingerprint("approve", [member, event_id, points, reason])
        return self._reviewed(EventKey(member, event_id), asked, "review.approved", reason, decide)

    def reject(self, member: str, event_id: str, reason: str) -> Mapping[str, Any]:
        """Give nothing for an event that waits; the answer is an :class:`EventView`.

        Raises:
            ReviewNotFound, WrongStatus, IdempotencyKeyReused, Busy
        """

        def decide(_: Loaded, receipt: EventReceipt) -> Outcome:
            lines = [{"rule": name, "refused": "REJECTED", "proposed": most} for name, most in receipt.proposed.items()]
            why: Why = (*lines, {"decided_by": self.actor, "reason": reason})
            return Outcome(EventStatus.REJECTED, 0, why, self.moment.today)

        asked = fingerprint("reject", [member, event_id, reason])
        return self._reviewed(EventKey(member, event_id), asked, "review.rejected", reason, decide)

    def _reviewed(
        self,
        key: EventKey,
        asked: str,
        action: str,
        reason: str,
        decide: Callable[[Loaded, EventReceipt], Outcome],
    ) -> Mapping[str, Any]:
        once = Once.asked(self.subject, self.key, asked)

        def attempt() -> Mapping[str, Any]:
            loaded = self.ledger.load([key.member], [key, AnsweredKey(once.key)])
            known = _stored(loaded, once)
            if known is not None:
                return known
            try:
                receipt = _in_review(loaded.documents.get(key))
                outcome = decide(loaded, receipt)
            except Refusal:
                # An earlier attempt of this request may have decided the review since its answer was looked for.
                if self.ledger.load([], [AnsweredKey(once.key)]).documents:
                    raise DocumentMoved from None
                raise
            after = replace(
                receipt,
                status=outcome.status,
                points=receipt.points + outcome.points,
                decided_by=self.actor,
            )
            answer = _review_view(after, outcome)
            details = {"proposed": sum(receipt.proposed.values()), "points": outcome.points}
            target = f"event/{key.member}/{key.event_id}"
            line = AuditLine(once.key[:22], self.moment.now, self.actor, action, target, reason, details)
            self._commit(loaded, outcome.changes, [after, *outcome.campaigns.values(), line, *_answered(once, answer)])
            return answer

        return settle(self.patience, attempt)

    # Members

    def set_profile(self, member: str, birthday: str, region: str, tags: Sequence[str]) -> ProfileView:
        """Keep what the shop says of a member; the same again changes nothing.

        Raises:
            Busy
        """

        def attempt() -> ProfileView:
            account = self.ledger.load([member]).accounts[member]
            standing = account.standing
            profile = profiles.changed(standing.profile, birthday, region, tags, self.moment.today)
            if profile != standing.profile:
                after = replace(account, standing=replace(standing, profile=profile))
                self.ledger.commit(Posting((AccountWrite(account, after),)), self.patience)
            return profiles.view(member, profile)

        return settle(self.patience, attempt)

    def profile(self, member: str) -> ProfileView:
        """What the shop said of a member."""
        return profiles.view(member, self.ledger.load([member]).accounts[member].standing.profile)

    def check_ins(self, member: str) -> CheckInsView:
        """The run, the days of the last month, and what lies ahead."""
        rules = self.program.rules
        loaded = self.ledger.load([member], _keys(behaviour.campaigns_asked(CHECKED_IN, rules)))
        return check_ins.view(loaded.accounts[member], rules, _campaigns(loaded), self.moment)

    def tasks(self, member: str) -> TasksView:
        """Every task with its progress."""
        rules = self.program.rules
        loaded = self.ledger.load([member], _keys(task_board.campaigns_asked(rules)))
        return task_board.view(loaded.accounts[member], rules, _campaigns(loaded), self.moment)

    def tier(self, member: str) -> TierView:
        """The member's level; empty in a program without tiers."""
        terms = self.program.rules.tiers
        if terms is None:
            return {}
        return tiers.view(self.ledger.load([member]).accounts[member].standing, terms, self.moment.today)


def _logged_in(outcome: Outcome, before: Account) -> Outcome:
    """The outcome of a login with its day remembered; the very same where that is nothing new."""
    change = outcome.changes.get(before.member, Change(before))
    after = activity.seen(change.account, activity.LOGIN, outcome.day)
    if after is change.account:
        return outcome
    return replace(outcome, changes={**outcome.changes, before.member: change.remember(after.standing)})


def _keys(campaigns: Sequence[str]) -> list[CampaignKey]:
    return [CampaignKey(name) for name in campaigns]


def _campaigns(loaded: Loaded) -> Campaigns:
    """The campaigns that were read; one that nothing was written of yet is as it began."""
    return {found.id: found for found in loaded.documents.values() if isinstance(found, CampaignState)}


def _stored(loaded: Loaded, once: Once | None) -> Mapping[str, Any] | None:
    """The answer that was given under this key before; None for none.

    Raises:
        IdempotencyKeyReused: it was given to another request.
    """
    found = loaded.documents.get(AnsweredKey(once.key)) if once else None
    if once is None or not isinstance(found, Answered):
        return None
    if found.fingerprint != once.fingerprint:
        raise IdempotencyKeyReused
    return found.answer


def _answered(once: Once | None, answer: Mapping[str, Any]) -> list[Answered]:
    return [Answered(once.key, once.fingerprint, 200, answer)] if once else []


def _in_review(found: Document | None) -> EventReceipt:
    if not isinstance(found, EventReceipt):
        raise ReviewNotFound
    if found.status is not EventStatus.IN_REVIEW:
        raise WrongStatus(status_now=str(found.status), needs=[str(EventStatus.IN_REVIEW)])
    return found


def _receipt(asked: _Asked, outcome: Outcome, answer: Mapping[str, Any]) -> EventReceipt:
    event = asked.event
    return EventReceipt(
        member=event.member,
        event_id=event.event_id,
        type=event.type,
        at=event.at,
        fingerprint=asked.fingerprint,
        status=outcome.status,
        answer=answer,
        data=event.data,
        proposed=outcome.proposed,
        points=outcome.points,
    )


def _event_view(event: BehaviourEvent, outcome: Outcome) -> EventView:
    return {
        "event_id": event.event_id,
        "member_id": event.member,
        "type": event.type,
        "status": str(outcome.status),
        "points": outcome.points,
        "proposed": sum(outcome.proposed.values()),
        "day": outcome.day.isoformat(),
        "run": check_ins.run_view(outcome.run),
        "decided_by": None,
        "why": [dict(line) for line in outcome.why],
    }


def _review_view(receipt: EventReceipt, outcome: Outcome) -> EventView:
    return {
        "event_id": receipt.event_id,
        "member_id": receipt.member,
        "type": receipt.type,
        "status": str(outcome.status),
        "points": receipt.points,
        "proposed": sum(receipt.proposed.values()),
        "day": outcome.day.isoformat(),
        "run": None,
        "decided_by": receipt.decided_by,
        "why": [dict(line) for line in outcome.why],
    }


def _check_in_view(event: BehaviourEvent, outcome: Outcome) -> CheckInView:
    return {
        "member_id": event.member,
        "day": outcome.day.isoformat(),
        "status": str(outcome.status),
        "points": outcome.points,
        "run": check_ins.run_view(outcome.run),
        "why": [dict(line) for line in outcome.why],
    }
