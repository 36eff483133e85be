"""Discounts on exchanges as they are now: which campaigns a price depends on, and what those that were read say."""

from __future__ import annotations

from jifen.domain import discounts
from jifen.domain.campaigns import CampaignState
from jifen.domain.discounts import Discounts
from jifen.domain.program import Moment, Program
from jifen.service.ports import CampaignKey, Loaded


def campaign_keys(program: Program, moment: Moment) -> tuple[CampaignKey, ...]:
    """The states that prices depend on now, to be read with whatever else is read; none without such a campaign."""
    return tuple(map(CampaignKey, discounts.asked(program.rules, moment.now)))


def discounts_now(program: Program, loaded: Loaded, moment: Moment) -> Discounts:
    """The discounts that run now, by the states of :func:`campaign_keys` as they were read."""
    states = {one.id: one for one in loaded.documents.values() if isinstance(one, CampaignState)}
    return discounts.running(program.rules, states, moment.now)
