"""Behaviour: what a member did, and what the rules make of it. One event, at most one entry for each who gets points.

    event ──conditions──> rules that apply ──worth──> ──stacking──> ──limits──> grants ──> BONUS entry
                │                              │                       │
                └── the reason of each ────────┴── progress, runs ─────┴── caps, budgets, resets    all of it in ``why``

A rule that needs approval proposes its points; they wait in the event's receipt until an operator decides.

The day of an event is the local day on which it happened (PC-113), never later than today. A rule's conditions are
about the member who acts, its limits and tasks about the member who gets the points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from jifen.domain import allowances, giving, invites, streaks, tiers
from jifen.domain.account import Account, Change
from jifen.domain.calendar import local_day
from jifen.domain.campaigns import CampaignState, CampaignStatus
from jifen.domain.errors import WrongStatus
from jifen.domain.events import BehaviourEvent, EventReceipt, EventStatus
from jifen.domain.giving import Campaigns, Gift, Occasion, remembered
from jifen.domain.invites import EARNING
from jifen.domain.program import Moment
from jifen.domain.rules.conditions import Asking, refusal
from jifen.domain.rules.engine import Why
from jifen.domain.rules.model import CHECKED_IN, INVITE_ACCEPTED, Goal, Per, Rule, RuleSet, Streak, To
from jifen.domain.standing import Standing, lately, oldest_kept
from jifen.domain.streaks import Joined, Stretch
from jifen.domain.worths import Scene, Worth, worth

OnceUsed = frozenset[tuple[str, str]]
"""Values of ``once_per`` fields that have given points before, as (rule, value)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an event.

    Attributes:
        status: see :class:`jifen.domain.events.EventStatus`.
        points: given to the member.
        why: a line for each rule and limit.
        changes: the accounts that change, by member.
        campaigns: the states that move.
        marks: the values that are used up by it, as (rule, value).
        proposed: points that wait for approval, by rule.
        day: the local day it counts on.
        run: the run it is part of, where its type has runs.
    """

    status: EventStatus
    points: int
    why: Why
    day: date
    changes: Mapping[str, Change] = field(default_factory=dict)
    campaigns: Campaigns = field(default_factory=dict)
    marks: tuple[tuple[str, str], ...] = ()
    proposed: Mapping[str, int] = field(default_factory=dict)
    run: Stretch | None = None


# What has to be known -------------------------------------------------------------------------------------------------


def once_asked(event: BehaviourEvent, rules: RuleSet) -> list[tuple[str, str]]:
    """The values that the event would use up, as (rule, value)."""
    found = ((rule.id, once_value(event.data.get(rule.once_per))) for rule in rules.on_event(event.type))
    return [(name, value) for name, value in found if value]


def once_value(value: int | str | bool | None) -> str:  # noqa: FBT001 - a value of the event's data
    """A value of a ``once_per`` field as it is kept; empty for none."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def campaigns_asked(event_type: str, rules: RuleSet) -> list[str]:
    """The campaigns whose state the event depends on."""
    return sorted({rule.campaign for rule in rules.on_event(event_type) if rule.campaign})


def day_of(event: BehaviourEvent, rules: RuleSet, moment: Moment) -> date:
    """The local day the event counts on; an event from a clock that is ahead counts today."""
    return min(local_day(event.at, rules.zone), moment.today)


# Deciding -------------------------------------------------------------------------------------------------------------


def decide(
    event: BehaviourEvent,
    account: Account,
    rules: RuleSet,
    campaigns: Campaigns,
    once: OnceUsed,
    moment: Moment,
    inviter: Account | None = None,
    actor: str = "system",
) -> Outcome:
    """What comes of an event that was not seen before.

    Args:
        event: what happened.
        account: of the member who acts.
        rules: the rule set in force.
        campaigns: states of the campaigns of :func:`campaigns_asked`; one that is missing is as it began.
        once: which of :func:`once_asked` are used up.
        moment: when this is decided.
        inviter: the account of ``data.inviter``, where the event is ``invite.accepted``.
        actor: who sent it.

    Raises:
        InvalidInput: a rule needs data that is not as it has to be.
    """
    day = day_of(event, rules, moment)
    if reason := _nothing_at_all(event, account, inviter, day, moment):
        lines = [{"rule": rule.id, "refused": reason} for rule in rules.on_event(event.type)]
        run = streaks.run_of(account.standing.runs.get(event.type, ()), day)
        return Outcome(EventStatus.NOTHING, 0, tuple(lines or [{"refused": reason}]), day, run=run)
    accounts = {account.member: Change(account)}
    if inviter is not None:
        accounts[inviter.member] = Change(inviter)
    invited_by = inviter.member if inviter else None
    return _Decision(event, rules, moment, day, dict(campaigns), once, actor, invited_by, accounts).made()


def _nothing_at_all(event: BehaviourEvent, account: Account, inviter: Account | None, day: date, moment: Moment) -> str:
    """Why no rule may give anything for the event, and nothing is remembered of it; empty for no such reason."""
    if account.status not in EARNING:
        return f"ACCOUNT_{account.status}"
    if event.type == INVITE_ACCEPTED:
        assert inviter is not None, "an invite is decided with its inviter"
        return invites.refusal(event, account, inviter)
    if event.type == CHECKED_IN:
        if streaks.too_late(day, moment.today):
            return "TOO_LATE"
        if streaks.counted(account.standing.runs.get(CHECKED_IN, ()), day):
            return "ALREADY_CHECKED_IN"
    return ""


@dataclass(slots=True)
class _Decision:
    """One event on its way through the rules."""

    event: BehaviourEvent
    rules: RuleSet
    moment: Moment
    day: date
    campaigns: dict[str, CampaignState]
    once: OnceUsed
    actor: str
    inviter: str | None
    changes: dict[str, Change]
    worths: dict[str, Worth] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    grants: dict[str, int] = field(default_factory=dict)
    run: Stretch | None = None

    def made(self) -> Outcome:
        """Everything decided, counted and posted."""
        before, states = dict(self.changes), dict(self.campaigns)
        self.changes = {who: allowances.given(change, self.rules, self.moment) for who, change in before.items()}
        asked = self.rules.on_event(self.event.type)
        self._refuse(asked)
        applying = [rule for rule in asked if rule.id not in self.refused]
        joined = self._joined(applying)
        if self.event.type == INVITE_ACCEPTED and self.inviter:
            self._remember(self.event.member, replace(self._standing(self.event.member), inviter=self.inviter))
        for rule in applying:
            self.worths[rule.id] = self._worth(rule, joined)
        giving_rules = self._stacked([rule for rule in applying if rule.id not in self.refused])
        proposed = {rule.id: self.worths[rule.id].points for rule in giving_rules if rule.approval}
        limits = [line for to in To for line in self._give([rule for rule in giving_rules if not rule.approval], to)]
        self._remember_grants()
        lines = [self._said(rule) for rule in asked] or [{"refused": "NO_RULE"}]
        if self.inviter:
            lines.append({"invited_by": self.inviter})
        points = sum(self.grants.get(rule.id, 0) for rule in asked if rule.to is To.MEMBER)
        used = [rule for rule in asked if self._uses_up(rule, proposed)]
        return Outcome(
            self._status(proposed),
            points,
            (*lines, *limits, *self._version()),
            self.day,
            {member: change for member, change in self.changes.items() if change is not before[member]},
            {name: state for name, state in self.campaigns.items() if state is not states.get(name)},
            tuple((rule.id, once_value(self.event.data.get(rule.once_per))) for rule in used),
            proposed,
            self.run,
        )

    def _status(self, proposed: Mapping[str, int]) -> EventStatus:
        if proposed:
            return EventStatus.IN_REVIEW
        return EventStatus.AWARDED if any(self.grants.values()) else EventStatus.NOTHING

    def _refuse(self, asked: Iterable[Rule]) -> None:
        """The rules that do not apply, whatever they are worth."""
        standing = self._standing(self.event.member)
        terms = self.rules.tiers
        level = tiers.level_of(standing, terms, self.moment.today).level if terms else ""
        at = min(self.event.at, self.moment.now)
        asking = Asking(at, self.day, standing, level, self.campaigns, self.event.data)
        for rule in asked:
            if reason := refusal(rule, self.rules, asking) or self._unusable(rule):
                self.refused[rule.id] = reason

    def _unusable(self, rule: Rule) -> str:
        if not rule.once_per:
            return ""
        value = once_value(self.event.data.get(rule.once_per))
        return "ONCE_PER_MISSING" if not value else "ONCE_PER" if (rule.id, value) in self.once else ""

    def _joined(self, applying: Iterable[Rule]) -> Joined | None:
        """The event's day among the days of its run, and remembered there; None when that is nothing new."""
        kind = self.event.type
        if kind != CHECKED_IN and not any(isinstance(rule.effect, Streak) for rule in applying):
            return None
        standing = self._standing(self.event.member)
        stretches = standing.runs.get(kind, ())
        joined = None if streaks.too_late(self.day, self.moment.today) else streaks.joined(stretches, self.day)
        if joined is None:
            self.run = streaks.run_of(stretches, self.day)
            return None
        self.run = joined.stretch
        runs = {**standing.runs, kind: streaks.kept(joined.stretches, self.moment.today)}
        self._remember(self.event.member, replace(standing, runs=runs))
        return joined

    def _worth(self, rule: Rule, joined: Joined | None) -> Worth:
        """What a rule is worth; its progress is remembered, whatever stacking and limits make of the points."""
        receiver = self._receiver(rule)
        standing = self._standing(receiver)
        found = worth(rule, Scene(self.event, self.day, self.moment.today, standing, joined))
        if found.reason:
            self.refused[rule.id] = found.reason
        if found.progress is not None:
            oldest = oldest_kept(rule.goal.per if rule.goal else Per.DAY, self.moment.today)
            windows = {name: done for name, done in standing.goals.get(rule.id, {}).items() if name >= oldest}
            goals = {**standing.goals, rule.id: {**windows, found.window: found.progress}}
            self._remember(receiver, lately(replace(standing, goals=goals), self.moment.today))
        return found

    def _stacked(self, matched: list[Rule]) -> list[Rule]:
        """The rules that are left once every group has settled; their order stays."""
        points = {rule.id: self.worths[rule.id].points for rule in matched}
        self.refused |= giving.stacked(matched, points, self.rules)
        return [rule for rule in matched if rule.id not in self.refused]

    def _give(self, chosen: Iterable[Rule], to: To) -> list[Mapping[str, Any]]:
        """Give one receiver what the limits allow: standing, campaigns and entry. Lines for the limits that cut."""
        chosen = [rule for rule in chosen if rule.to is to]
        if not chosen:
            return []
        receiver = self._receiver(chosen[0])
        wanted = {rule.id: self.worths[rule.id].points for rule in chosen}
        standing = self._standing(receiver)
        gift = giving.allowed(wanted, standing, self.day, self.campaigns, self.rules, self.moment)
        self.grants |= gift.grants
        if gift.points:
            self.campaigns |= gift.campaigns
            self._remember(receiver, gift.standing)
            asked = [rule for rule in self.rules.on_event(self.event.type) if rule.to is to]
            why = (*(self._said(rule) for rule in asked), *gift.said, *self._version())
            occasion = Occasion(self.event.event_id, self.event.at, self.day, self.actor)
            change = self.changes[receiver]
            self.changes[receiver] = giving.posted(change, gift.grants, occasion, why, self.rules, self.moment)
        return list(gift.said)

    def _remember_grants(self) -> None:
        """What tasks and days have granted, beside their progress."""
        for rule in self.rules.on_event(self.event.type):
            found, points = self.worths.get(rule.id), self.grants.get(rule.id)
            if found is None or found.progress is None or not points:
                continue
            standing = self._standing(self._receiver(rule))
            after = replace(found.progress, granted=found.progress.granted + points)
            goals = {**standing.goals, rule.id: {**standing.goals[rule.id], found.window: after}}
            self._remember(self._receiver(rule), replace(standing, goals=goals))

    def _said(self, rule: Rule) -> Mapping[str, Any]:
        """The line of one rule."""
        found = self.worths.get(rule.id, Worth())
        line: dict[str, Any] = {"rule": rule.id, **({"to": "inviter"} if rule.to is To.INVITER else {})}
        if rule.id in self.refused:
            return {**line, "refused": self.refused[rule.id], **found.said}
        if rule.approval:
            return {**line, **found.said, "proposed": found.points}
        return {**line, **found.said, "points": self.grants.get(rule.id, 0)}

    def _version(self) -> Why:
        return ({"rules_version": self.rules.version},) if self.rules.version else ()

    def _uses_up(self, rule: Rule, proposed: Mapping[str, int]) -> bool:
        """Whether the rule's ``once_per`` value is used up: it gave, proposed, or counted towards a task."""
        if not rule.once_per or (rule.id in self.refused and rule.goal is None):
            return False
        counted = isinstance(rule.goal, Goal) and rule.id in self.worths and self.worths[rule.id].progress is not None
        return bool(self.grants.get(rule.id) or rule.id in proposed or counted)

    def _receiver(self, rule: Rule) -> str:
        if rule.to is To.MEMBER:
            return self.event.member
        assert self.inviter is not None, "a program has rules for an inviter on invitations alone"
        return self.inviter

    def _standing(self, member: str) -> Standing:
        return self.changes[member].account.standing

    def _remember(self, member: str, standing: Standing) -> None:
        self.changes[member] = remembered(self.changes[member], standing)


# Approving ------------------------------------------------------------------------------------------------------------


def approve(
    receipt: EventReceipt,
    account: Account,
    rules: RuleSet,
    campaigns: Campaigns,
    points: int | None,
    reason: str,
    actor: str,
    moment: Moment,
) -> Outcome:
    """Give the points that an event has waited with. They count, and begin to live, on the day of the approval.

    Args:
        receipt: the event, IN_REVIEW.
        account: of its member.
        rules: the rule set in force now.
        campaigns: states of the campaigns of :func:`campaigns_proposed`.
        points: given instead of what was proposed (None: that).
        reason: why.
        actor: who decides.
        moment: when this is decided.

    Raises:
        WrongStatus: a campaign that proposed points is paused or canceled, or a rule is not in force any more.
        LimitReached: no limit leaves anything; the event goes on waiting.
    """
    if any(rules.rule(name) is None for name in receipt.proposed):
        # Its caps and its campaign's budget cannot be held without it.
        raise WrongStatus(status_now="RULE_GONE", needs=["RULE_IN_FORCE"])
    for name in campaigns_proposed(receipt, rules):
        state = campaigns.get(name)
        if state and state.status in {CampaignStatus.PAUSED, CampaignStatus.CANCELED}:
            raise WrongStatus(
                status_now=str(state.status), needs=[str(CampaignStatus.ACTIVE), str(CampaignStatus.ENDED)]
            )
    change = allowances.given(Change(account), rules, moment)
    wanted = _approved(receipt.proposed, points)
    gift = giving.allowed(wanted, change.account.standing, moment.today, campaigns, rules, moment)
    if not gift.points:
        raise gift.none_left(rules)
    why = _why_approved(receipt, wanted, gift, reason, actor)
    occasion = Occasion(receipt.event_id, receipt.at, moment.today, actor)
    change = giving.posted(remembered(change, gift.standing), gift.grants, occasion, why, rules, moment)
    return Outcome(EventStatus.AWARDED, gift.points, why, moment.today, {account.member: change}, gift.campaigns)


def campaigns_proposed(receipt: EventReceipt, rules: RuleSet) -> list[str]:
    """The campaigns whose rules proposed points."""
    found = (rule.campaign for name in receipt.proposed if (rule := rules.rule(name)))
    return sorted({name for name in found if name})


def _approved(proposed: Mapping[str, int], points: int | None) -> dict[str, int]:
    """The points that an operator gives, by rule: each what it proposed while they last, the first what is more."""
    if points is None:
        return dict(proposed)
    wanted: dict[str, int] = {}
    for name, most in proposed.items():
        wanted[name] = min(most, points)
        points -= wanted[name]
    first = next(iter(wanted))
    wanted[first] += points
    return {name: found for name, found in wanted.items() if found}


def _why_approved(receipt: EventReceipt, wanted: Mapping[str, int], gift: Gift, reason: str, actor: str) -> Why:
    lines = (
        {"rule": name, "proposed": most, "approved": wanted.get(name, 0), "points": gift.grants.get(name, 0)}
        for name, most in receipt.proposed.items()
    )
    return (*lines, *gift.said, {"decided_by": actor, "reason": reason})
