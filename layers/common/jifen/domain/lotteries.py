"""Lotteries: points for a chance, drawn so that it can be checked afterwards.

Before the first draw a commitment is published: the end of a chain of hashes whose links are the secrets of the days.

    commitment = H(secret of day 1)     secret of day n = H(secret of day n + 1)     H is SHA-256

A draw's number is a keyed hash of who draws, the how manieth time on that day, and a text of the member's own, under
the secret of the day. When the day is over its secret is shown: whoever has it and the commitment can
work out every draw of the day again, and nobody could have chosen another secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class LotteryStatus(StrEnum):
    """What operators made of a lottery; its window tells the rest."""

    OPEN = "OPEN"
    PAUSED = "PAUSED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class Lottery:
    """One lottery.

    Attributes:
        id: as the operator named it.
        content: what was written of it: cost, attempts, prizes with odds, window; it never changes.
        seed: the secret of the last day, hex; all others follow from it.
        first_day, days: the local days it can be drawn on.
        commitment: hex, published from the beginning.
        status: see :class:`LotteryStatus`.
        by, at: who wrote it, and when.
        version: counts writes; 0 is one never written.
    """

    id: str
    content: Mapping[str, Any]
    seed: str
    first_day: date
    days: int
    commitment: str
    by: str
    at: datetime
    status: LotteryStatus = LotteryStatus.OPEN
    version: int = 0


class DrawStatus(StrEnum):
    """The state of a draw. ABANDONED is a draw that never was: it keeps a late attempt from being posted."""

    DRAWN = "DRAWN"
    ABANDONED = "ABANDONED"


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw.

    Attributes:
        id, member: whose it is; the id names the member.
        lottery: the lottery's id.
        at, day: when, and the local day whose secret decided.
        attempt: the how manieth of the member on that day, from 1.
        client_seed: the member's own text.
        number: the number that was drawn, hex.
        prize: the prize's id; empty for none.
        cost: the points it cost.
        outcome: what came of it (the prize, what replaced it when it was out of stock, coupon and order ids).
        pieces: where a prize's piece came from: how many by shard.
        stock: the stock's subject; empty where it has none.
        status: see :class:`DrawStatus`.
        version: counts writes; 0 is one never written.
    """

    id: str
    member: str
    lottery: str
    at: datetime
    day: date
    attempt: int
    client_seed: str
    number: str
    prize: str
    cost: int
    outcome: Mapping[str, Any] = field(default_factory=dict)
    pieces: Mapping[str, int] = field(default_factory=dict)
    stock: str = ""
    status: DrawStatus = DrawStatus.DRAWN
    version: int = 0
