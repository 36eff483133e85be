"""The points password: asked for when much is spent, locked when it is guessed at.

A try is counted before it is looked at, so that guessing in parallel gets no more tries than guessing in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PointsPassword:
    """A member's points password, as scrypt keeps it.

    Attributes:
        member: whose it is.
        salt, digest: hex; empty once it was taken away.
        failures: tries that were not right since the last that was, those being looked at included.
        locked_until: no try before that; None where it is not locked.
        changed_at: when it was set.
        version: counts writes; 0 is one never written.
    """

    member: str
    salt: str
    digest: str
    changed_at: datetime
    failures: int = 0
    locked_until: datetime | None = None
    version: int = 0
