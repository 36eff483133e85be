"""Points given to a friend: out of one account and into another, in one transaction.

SENT ──cancel──> CANCELED        by the sender, while the receiver cannot use the points yet
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from jifen.domain.lots import Changes


class TransferStatus(StrEnum):
    """The state of a transfer."""

    SENT = "SENT"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer.

    Attributes:
        id, member: the sender's; the id names the sender.
        to: the receiver.
        points: how many.
        at: when.
        sent: the lots they came from (positive).
        received: the lots they went into.
        active_from: the first day on which the receiver can use them; None for at once.
        note: what the sender wrote.
        status: see :class:`TransferStatus`.
        version: counts writes; 0 is one never written.
    """

    id: str
    member: str
    to: str
    points: int
    at: datetime
    sent: Changes
    received: Changes
    active_from: date | None = None
    note: str = ""
    status: TransferStatus = TransferStatus.SENT
    version: int = 0
