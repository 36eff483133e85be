"""Tallies: what an award counts beside its points. Caps, campaigns, orders, tiers and tasks are kept here, both ways.

grants before ──> grants after       every counter moves by the difference, so a refund undoes what a payment did
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from jifen.domain import tiers
from jifen.domain.campaigns import CampaignState
from jifen.domain.orders import Award, Order, Paid, Pinned
from jifen.domain.program import Moment
from jifen.domain.rules import caps
from jifen.domain.rules.caps import Room
from jifen.domain.rules.conditions import Asking, refusal
from jifen.domain.rules.engine import Bounds, Verdict
from jifen.domain.rules.model import Rule, RuleSet, TierTerms
from jifen.domain.standing import ORDER_DAYS_KEPT, Standing

Campaigns = Mapping[str, CampaignState]


def campaigns_asked(rules: RuleSet, rule_ids: Iterable[str]) -> frozenset[str]:
    """The campaigns that these rules belong to."""
    found = (rule.campaign for rule_id in rule_ids if (rule := rules.rule(rule_id)))
    return frozenset(name for name in found if name)


def campaigns_open(rules: RuleSet, paid: Paid) -> frozenset[str]:
    """The campaigns that an order paid at this time may fall under."""
    return frozenset(
        campaign.id
        for campaign in rules.campaigns
        if (campaign.starts is None or campaign.starts <= paid.at)
        and (campaign.ends is None or paid.at < campaign.ends)
    )


@dataclass(frozen=True, slots=True)
class Books:
    """The counters that one award moves, as far as this transaction has come: its member's standing, the campaigns."""

    standing: Standing
    campaigns: Campaigns


def pinned_first(
    rules: RuleSet, asked: Iterable[Rule], buyer: Standing, books: Books, paid: Paid, day: date, moment: Moment
) -> Pinned:
    """What a first award keeps of its moment.

    Args:
        rules: the rule set in force.
        asked: the rules in question.
        buyer: the standing of who pays: conditions are about the buyer, whoever gets the points.
        books: counters of who gets them.
        paid: the payment.
        day: its local day.
        moment: when this is decided.
    """
    level = tiers.level_of(buyer, rules.tiers, moment.today).level if rules.tiers else ""
    asking = Asking(paid.at, day, buyer, level, books.campaigns)
    reasons = {rule.id: refusal(rule, rules, asking) for rule in asked}
    refused = {name: reason for name, reason in reasons.items() if reason}
    applying = [name for name, reason in reasons.items() if not reason]
    rooms = {
        limit.key: caps.opened(books.standing, limit, day, moment.today) for limit in caps.limits_of(rules, applying)
    }
    budgets = {
        name: left
        for name in campaigns_asked(rules, applying)
        if (campaign := rules.campaign(name)) and (left := books.campaigns[name].left(campaign)) is not None
    }
    return Pinned(refused, rooms, budgets)


def numbered_anew(held: Award, asked: Iterable[Rule], buyer: Standing) -> Pinned:
    """What an award keeps once its order, of which nothing was kept, counts again as the buyer's next order.

    Another may have become the first meanwhile; then this one is that no more, and the first order gives once.
    """
    rules, pinned = held.rules, held.pinned
    lost = {
        rule.id: "ORDER_NUMBER"
        for rule in asked
        if rule.when.order_number is not None and not rule.when.order_number.holds(buyer.orders + 1)
    }
    refused = {**lost, **pinned.refused}
    left = campaigns_asked(rules, (rule.id for rule in rules.rules if rule.id not in refused))
    budgets = {name: room for name, room in pinned.budgets.items() if name in left}
    return replace(pinned, refused=refused, budgets=budgets)


def bounds(rules: RuleSet, pinned: Pinned, books: Books, today: date) -> Bounds:
    """What limits an award now: never more room than it had at first, nor more than it has and what is free."""
    rooms: dict[str, Room] = {}
    for limit in caps.limits_of(rules, (rule.id for rule in rules.rules)):
        if limit.key in pinned.rooms:
            own = caps.used_of(limit, pinned.grants)
            rooms[limit.key] = caps.reopened(books.standing, limit, Room(*pinned.rooms[limit.key]), own, today)
    budgets: dict[str, int] = {}
    for name, first in pinned.budgets.items():
        campaign = rules.campaign(name)
        left = books.campaigns[name].left(campaign) if campaign else None
        budgets[name] = first if left is None else min(first, _of_campaign(rules, name, pinned.grants) + left)
    return Bounds(pinned.refused, rooms, budgets)


def _of_campaign(rules: RuleSet, campaign: str, grants: Mapping[str, int]) -> int:
    return sum(points for name, points in grants.items() if (rule := rules.rule(name)) and rule.campaign == campaign)


@dataclass(frozen=True, slots=True)
class Days:
    """The local day of an order's payment when it was last judged, and now that a revision may have moved it.

    ``inviter`` says that the award is that of who invited the buyer.
    """

    before: date
    now: date
    inviter: bool = False


def settled(books: Books, held: Award, verdict: Verdict, days: Days, terms: TierTerms | None, moment: Moment) -> Books:
    """The counters once an award's grants have become those of ``verdict``; of a bare rule set there are none.

    What counts towards tiers follows the ``terms`` in force, if the award was made under terms that count the same.
    """
    rules, before, after = held.rules, held.pinned.grants, verdict.grants
    if rules.bare:
        return books
    limits = caps.limits_of(rules, {*before, *after})
    rooms = {key: Room(*room) for key, room in held.pinned.rooms.items()}
    standing = caps.settled(books.standing, limits, rooms, before, after, moment.today)
    if terms and rules.tiers and rules.tiers.by == terms.by:
        # What was kept is the buyer's spending, and not that of who invited the buyer.
        old = _qualifying(rules, before, 0 if days.inviter else held.pinned.kept_minor, terms)
        new = _qualifying(rules, after, 0 if days.inviter else verdict.kept_minor, terms)
        moved = ((days.now, new), (days.before, -old))
        standing = tiers.counted_together(standing, terms, moved, moment.today)
    campaigns = dict(books.campaigns)
    for name in campaigns_asked(rules, {*before, *after}):
        had, has = _of_campaign(rules, name, before), _of_campaign(rules, name, after)
        kept = (verdict.kept_minor if has else 0) - (held.pinned.kept_minor if had else 0)
        if (had, 0) != (has, kept):
            campaigns[name] = campaigns[name].counted(has - had, bool(has) - bool(had), kept)
    return Books(standing, campaigns)


def _qualifying(rules: RuleSet, grants: Mapping[str, int], kept_minor: int, terms: TierTerms) -> int:
    """What of an award counts towards a tier."""
    if terms.by == "spend":
        return kept_minor
    return sum(points for name, points in grants.items() if (rule := rules.rule(name)) and rule.qualifies)


def order_counted(standing: Standing, order: Order, *, before: bool, after: bool, days: Days) -> Standing:
    """The standing once an order counts (something of it is kept) or no longer does, or was paid on another day."""
    if before == after and (not after or days.before == days.now):
        return standing
    kept = list(standing.paid_on)
    if before and days.before in kept:
        kept.remove(days.before)
    if after:
        kept = sorted([*kept, days.now])[-ORDER_DAYS_KEPT:]
    first = standing.first_order
    if after and not first:
        first = order.name
    elif not after and first == order.name:
        first = ""
    orders = max(0, standing.orders + after - before)
    return replace(standing, orders=orders, first_order=first, paid_on=tuple(kept))
