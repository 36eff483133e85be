"""Giving: from what rules want to give a member to one entry, within every limit.

    wanted ──caps of the rules──> ──budgets of campaigns──> ──caps over all rules──> grants ──> one BONUS entry

Caps are counted in the window of the day that the points are for, while that is kept; see ``standing.window_for``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from jifen.domain import tiers
from jifen.domain.account import Change, caught_up, credit
from jifen.domain.calendar import DAY, day_start
from jifen.domain.campaigns import CampaignState
from jifen.domain.entries import Draft, Kind, Reason, Source
from jifen.domain.errors import LimitReached
from jifen.domain.lots import LotChange
from jifen.domain.program import Moment
from jifen.domain.rules import caps
from jifen.domain.rules.caps import Cut
from jifen.domain.rules.engine import Why, cap_said
from jifen.domain.rules.model import Rule, RuleSet, Stacking
from jifen.domain.standing import Standing, resets_on

Campaigns = Mapping[str, CampaignState]


@dataclass(frozen=True, slots=True)
class Occasion:
    """What points are given for: the event ``event_id`` of ``at``, counted on ``day``; ``actor`` brought it about."""

    event_id: str
    at: datetime
    day: date
    actor: str = "system"


@dataclass(frozen=True, slots=True)
class Gift:
    """What the limits allow.

    Attributes:
        grants: points by rule, 0 where a limit left nothing.
        standing: of who gets them, with the limits and tiers counted.
        campaigns: the states that moved.
        said: a line for each limit that took something away.
        cuts: the caps among them.
    """

    grants: Mapping[str, int]
    standing: Standing
    campaigns: Campaigns = field(default_factory=dict)
    said: Why = ()
    cuts: tuple[Cut, ...] = ()

    @property
    def points(self) -> int:
        """The points in all."""
        return sum(self.grants.values())

    def none_left(self, rules: RuleSet) -> LimitReached:
        """The refusal to give anything, by the first limit that left nothing."""
        if not self.cuts:
            budgets = [str(line["campaign"]) for line in self.said if "campaign" in line]
            return LimitReached(limit=f"{budgets[0] if budgets else '*'}/budget/points", points=0)
        cut = self.cuts[0]
        day = resets_on(cut.limit.per, cut.window)
        resets = None if day is None else day_start(day, rules.zone)
        return LimitReached(limit=cut.limit.key, points=cut.allowed, resets_at=resets)


def stacked(matched: Sequence[Rule], points: Mapping[str, int], rules: RuleSet) -> dict[str, str]:
    """Which of the rules that would give something stand back, and why: each group settles as the rule set says.

    Args:
        matched: the rules, in the order they are written.
        points: what each would give.
        rules: the rule set in force.
    """
    groups: dict[str, list[Rule]] = {}
    for rule in matched:
        groups.setdefault(rule.group, []).append(rule)
    back: dict[str, str] = {}
    for name, group in groups.items():
        how = rules.groups.get(name, Stacking.SUM) if name else rules.stacking
        if how is Stacking.BEST_OF:
            best = max(group, key=lambda rule: points[rule.id])
            back |= {rule.id: "NOT_BEST" for rule in group if rule is not best}
        elif how is Stacking.EXCLUSIVE:
            first = max(group, key=lambda rule: rule.priority)
            back |= {rule.id: "EXCLUDED_BY_PRIORITY" for rule in group if rule is not first}
    return back


def allowed(
    wanted: Mapping[str, int], standing: Standing, day: date, campaigns: Campaigns, rules: RuleSet, moment: Moment
) -> Gift:
    """What of the points ``wanted`` by each rule the limits leave, counted against them.

    Args:
        wanted: points (>= 1) by rule.
        standing: of who gets them.
        day: the local day they are for.
        campaigns: states of the campaigns that the rules belong to.
        rules: the rule set in force.
        moment: when this is decided.
    """
    found = caps.limits_of(rules, wanted)
    rooms = {limit.key: caps.opened(standing, limit, day, moment.today) for limit in found}
    own = [limit for limit in found if limit.rule != caps.ALL]
    grants, cuts = caps.applied(own, rooms, wanted)
    grants, budget_lines = _within_budgets(grants, campaigns, rules)
    grants, more = caps.applied([limit for limit in found if limit.rule == caps.ALL], rooms, grants)
    standing = caps.settled(standing, found, rooms, {}, grants, moment.today)
    if rules.tiers:
        counts = (grants[name] for name in grants if (rule := rules.rule(name)) is None or rule.qualifies)
        points = sum(counts) if rules.tiers.by == "points" else 0
        standing = tiers.counted(standing, rules.tiers, day, points, moment.today)
    said = (*(cap_said(cut, rules) for cut in (*cuts, *more)), *budget_lines)
    return Gift(grants, standing, _counted(grants, campaigns, rules), said, (*cuts, *more))


def _within_budgets(
    wanted: Mapping[str, int], campaigns: Campaigns, rules: RuleSet
) -> tuple[dict[str, int], list[Mapping[str, object]]]:
    grants, said = dict(wanted), list[Mapping[str, object]]()
    left: dict[str, int] = {}
    for name, points in wanted.items():
        rule = rules.rule(name)
        campaign = rules.campaign(rule.campaign) if rule else None
        if campaign is None or (free := campaigns.get(campaign.id, CampaignState(campaign.id)).left(campaign)) is None:
            continue
        room = left.get(campaign.id, free)
        grants[name] = min(points, room)
        left[campaign.id] = room - grants[name]
        if grants[name] < points:
            said.append({"campaign": campaign.id, "budget_left": room, "cut": points - grants[name]})
    return grants, said


def _counted(grants: Mapping[str, int], campaigns: Campaigns, rules: RuleSet) -> Campaigns:
    """The campaigns whose rules gave something, with that counted."""
    given: dict[str, int] = {}
    for name, points in grants.items():
        rule = rules.rule(name)
        if rule and rule.campaign and points:
            given[rule.campaign] = given.get(rule.campaign, 0) + points
    return {name: campaigns.get(name, CampaignState(name)).counted(points, 1, 0) for name, points in given.items()}


def posted(
    change: Change, grants: Mapping[str, int], occasion: Occasion, why: Why, rules: RuleSet, moment: Moment
) -> Change:
    """The account with one entry for all grants, each in a lot of its own validity; the same if nothing is given."""
    lots: dict[tuple[date | None, date | None], int] = {}
    for name, points in grants.items():
        if points:
            dates = _dates(name, occasion.day, rules, moment)
            lots[dates] = lots.get(dates, 0) + points
    if not lots:
        return change
    draft = Draft(
        kind=Kind.BONUS,
        reason=Reason.BEHAVIOUR_REWARDED,
        source=Source("event", occasion.event_id),
        occurred_at=occasion.at,
        lots=tuple(LotChange(points, *dates) for dates, points in lots.items()),
        why=why,
        actor=occasion.actor,
    )
    return caught_up(credit(caught_up(change, moment), draft, moment), moment)


def _dates(name: str, day: date, rules: RuleSet, moment: Moment) -> tuple[date | None, date | None]:
    """The last valid day of a rule's points, and the day from which they can be used (None: at once)."""
    rule = rules.rule(name)
    expiry = rule.valid if rule and rule.valid else rules.expiry
    active_from = day + DAY * rule.pending_days if rule and rule.pending_days else None
    return expiry.last_valid_day(day), active_from if active_from and active_from > moment.today else None


def remembered(change: Change, standing: Standing) -> Change:
    """The change with this standing; the very same where nothing is different."""
    if change.account.standing == standing:
        return change
    return change.remember(standing)
