"""The live state of a campaign: whether it runs, and what it has given so far.

    DRAFT ──> SCHEDULED ──> ACTIVE <──> PAUSED          what a rule set holds is DRAFT no more; the window tells
                              └──────> ENDED | CANCELED  SCHEDULED from ACTIVE and ENDED, an operator the rest

The rules of a campaign, its window and its budget stand in the rule set and never change there. Its state is one
document, read with every order that may fall under it and written with every award: so a pause takes effect on the next
award, and no two awards can spend the same part of the budget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from jifen.domain.rules.model import Campaign


class CampaignStatus(StrEnum):
    """See the picture above."""

    DRAFT = "DRAFT"
    SCHEDULED = "SCHEDULED"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    ENDED = "ENDED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class CampaignState:
    """What a campaign has done. ``status`` is ACTIVE, PAUSED, ENDED or CANCELED: what operators made of it.

    ``given`` and ``taken_back`` add up points (>= 0), ``awards`` orders and events that got some, ``kept_minor`` what
    the buyers of those orders kept, in minor units. ``version`` counts writes; 0 is a campaign that nobody touched.
    """

    id: str
    status: CampaignStatus = CampaignStatus.ACTIVE
    given: int = 0
    taken_back: int = 0
    awards: int = 0
    kept_minor: int = 0
    version: int = 0

    @property
    def spent(self) -> int:
        """What of the budget is in members' hands."""
        return self.given - self.taken_back

    def left(self, campaign: Campaign) -> int | None:
        """What of the budget is left; None where there is no limit."""
        return None if campaign.budget_points is None else max(0, campaign.budget_points - self.spent)

    def counted(self, points: int, awards: int, kept_minor: int) -> CampaignState:
        """The state after an award that changed by ``points`` (signed)."""
        return replace(
            self,
            given=self.given + max(0, points),
            taken_back=self.taken_back + max(0, -points),
            awards=self.awards + awards,
            kept_minor=self.kept_minor + kept_minor,
        )


def status_at(campaign: Campaign, state: CampaignState, now: datetime) -> CampaignStatus:
    """The status of a campaign that is in the current rule set, as of ``now``."""
    if state.status in {CampaignStatus.ENDED, CampaignStatus.CANCELED}:
        return state.status
    if campaign.ends is not None and now >= campaign.ends:
        return CampaignStatus.ENDED
    if state.status is CampaignStatus.PAUSED:
        return state.status
    return CampaignStatus.SCHEDULED if campaign.starts is not None and now < campaign.starts else CampaignStatus.ACTIVE
