"""Saving goals: the reward that a member saves for. No points are kept for it; it is only what a notice is about.

    PUT ──> standing.goal = (reward, its points at that time)      points enough ──notice──> the reward as it then is

The points of a goal are the usual price at the member's level: a sale or a campaign that will be over is not saved for.
What the price becomes later is seen by who looks at the reward again: :func:`reward_now`, and the next PUT.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jifen.domain.errors import InvalidInput
from jifen.domain.rewards import Reward, RewardStatus
from jifen.domain.shelf import offer_of


@dataclass(frozen=True, slots=True)
class RewardNow:
    """A reward that can be saved for: its title, and the usual price of a piece at a level in points (>= 0)."""

    title: str
    points: int


def reward_now(reward: Reward | None, currency: str | None, level: str, now: datetime) -> RewardNow | None:
    """What a goal is about at ``now``; None where it cannot be had any more, or not by a member of this level.

    Args:
        reward: as it is kept; None where it is not.
        currency: the program's.
        level: the member's tier level; empty in a program without tiers.
        now: when it is asked. A reward that is not open yet can be saved for, one that is over cannot.
    """
    if reward is None or reward.status is not RewardStatus.ON_SHELF:
        return None
    try:
        offer = offer_of(reward, currency)
    except InvalidInput:
        return None
    if (offer.closes_at and now >= offer.closes_at) or (offer.only_tiers and level not in offer.only_tiers):
        return None
    return RewardNow(offer.title, offer.usual_price(level)[0])
