"""Discounts on exchanges: campaigns that make rewards cost fewer points while they run.

    campaigns of the program ──asked──> those whose window is open ──(their states)──> running ──price──> Price

The points of a price are ``ceil(points x tier factor x by)``; of several campaigns the best for the member counts, and
they are never added up. Money is not touched. A price of points stays one: it never falls to 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from jifen.domain.campaigns import CampaignState, CampaignStatus, status_at
from jifen.domain.offers import Offer, searchable
from jifen.domain.rules.model import Campaign, RuleSet


@dataclass(frozen=True, slots=True)
class Running:
    """A campaign that runs: ``by`` times the points of rewards; ``categories`` are compared as the shelf does."""

    id: str
    by: Fraction
    rewards: frozenset[str]
    kinds: frozenset[str]
    categories: frozenset[str]

    def fits(self, reward: str, offer: Offer) -> bool:
        """Whether a reward is among those it is for."""
        return (
            (not self.rewards or reward in self.rewards)
            and (not self.kinds or str(offer.kind) in self.kinds)
            and (not self.categories or searchable(offer.category) in self.categories)
        )


class Price(NamedTuple):
    """Points and money of one piece; ``campaign`` is the one that made it lower, None where none did."""

    points: int
    cash_minor: int
    campaign: Running | None = None


@dataclass(frozen=True, slots=True)
class Discounts:
    """The campaigns that run now, the one that takes most off first."""

    campaigns: tuple[Running, ...] = ()

    def price(self, reward: str, offer: Offer, level: str, now: datetime) -> Price:
        """What one piece costs a member of a tier level now.

        A sale is a price of its own, on which no campaign comes: in its window the campaign's price counts only where
        it is fewer points and no more money. The two are never mixed.
        """
        points, cash = offer.price(level, now)
        best = next((one for one in self.campaigns if one.fits(reward, offer)), None)
        if best is not None:
            less, money = offer.usual_price(level, best.by)
            if 0 < less < points and money <= cash:
                return Price(less, money, best)
        return Price(points, cash)


NO_DISCOUNTS = Discounts()


def asked(rules: RuleSet, now: datetime) -> tuple[str, ...]:
    """The campaigns whose state prices depend on now; none in a program without discounts."""
    return tuple(one.id for one in rules.campaigns if one.exchange and _active(one, None, now))


def running(rules: RuleSet, states: Mapping[str, CampaignState], now: datetime) -> Discounts:
    """The discounts that run now; a campaign without a state is as it began."""
    found = [
        Running(
            one.id,
            one.exchange.by,
            one.exchange.rewards,
            one.exchange.kinds,
            frozenset(map(searchable, one.exchange.categories)),
        )
        for one in rules.campaigns
        if one.exchange and _active(one, states.get(one.id), now)
    ]
    return Discounts(tuple(sorted(found, key=lambda one: one.by))) if found else NO_DISCOUNTS


def _active(campaign: Campaign, state: CampaignState | None, now: datetime) -> bool:
    return status_at(campaign, state or CampaignState(campaign.id), now) is CampaignStatus.ACTIVE
