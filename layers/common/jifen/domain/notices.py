"""Notices: what a member is told, each thing once.

points.expiring         a lot comes to its end: one for each lead (see :mod:`jifen.domain.reminders`)
points.balance_reached  so many points are unused
points.dormant          a part of the points will be voided unless the member comes back
tier.reached            a level was reached
tier.at_risk            a level will fall unless more is done
reward.affordable       the reward that the member saves for can be exchanged for now
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jifen.domain.reminders import Reminder


class NoticeKind(StrEnum):
    """What a notice is about; also the type of its event."""

    POINTS_EXPIRING = "points.expiring"
    BALANCE_REACHED = "points.balance_reached"
    DORMANT = "points.dormant"
    TIER_REACHED = "tier.reached"
    TIER_AT_RISK = "tier.at_risk"
    REWARD_AFFORDABLE = "reward.affordable"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that ``member`` is told.

    Attributes:
        id: the same for every attempt (32 hex characters).
        facts: what the wording is made of, plain JSON values; points are whole, days ISO.
        reminder: the reminder behind a ``points.expiring``.
    """

    id: str
    kind: NoticeKind
    member: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    reminder: Reminder | None = None


def notice_id(member: str, kind: str, key: str) -> str:
    """The id of a notice about ``key`` (``2026-12-31/30``, ``5000``), the same for every attempt."""
    return hashlib.sha256(f"{member}\n{kind}\n{key}".encode()).hexdigest()[:32]
