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
        content: what was written of it, see :mod:`jifen.domain.lottery_terms`; once begun it never changes.
        seed: the secret of the last day, hex; all others follow from it.
        first_day, days: the days of ``zone`` it can be drawn on.
        commitment: hex, published from the beginning.
        zone: the time zone of its days, as the program had it then: another one later moves no day.
        by, at: who wrote it, and when.
        status: see :class:`LotteryStatus`.
        canceled_on: the day on which it was cancelled; once that is over, every secret is shown.
        version: counts writes; 0 is one never written.
    """

    id: str
    content: Mapping[str, Any]
    seed: str
    first_day: date
    days: int
    commitment: str
    zone: str
    by: str
    at: datetime
    status: LotteryStatus = LotteryStatus.OPEN
    canceled_on: date | None = None
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
        at, day: when, and the day of the lottery whose secret decided.
        attempt: the how manieth of the member on that day, from 1.
        client_seed: the member's own text.
        number: what was drawn, from 0 to 999,999,999.
        prize: the id of what was won; empty for nothing.
        cost: the points it cost in the end.
        drawn: the id of the prize that the number fell on; another than ``prize`` where that was out of stock.
        refunded: whether it cost nothing because that prize was out of stock.
        points: what was won in points.
        commitment, terms: of the lottery as it was: the end of the chain, and the hash over what was written.
        coupon, order: the ids of what came of the prize; empty for none.
        why: how the prize was found, step by step.
        pieces: where a prize's piece came from: how many by shard.
        marks: which reservation it was, by shard; see :class:`jifen.domain.rewards.Reserved`.
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
    number: int
    prize: str
    cost: int
    drawn: str = ""
    refunded: bool = False
    points: int = 0
    commitment: str = ""
    terms: str = ""
    coupon: str = ""
    order: str = ""
    why: tuple[Mapping[str, Any], ...] = ()
    pieces: Mapping[str, int] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)
    stock: str = ""
    status: DrawStatus = DrawStatus.DRAWN
    version: int = 0
