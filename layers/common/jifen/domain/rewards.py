"""Rewards of the mall and their stock.

A reward is what an operator wrote (``content``, read by :mod:`jifen.domain.offers`) and whether it is on the shelf. Its
pieces are counted apart, in one or several shards, because they are never part of a transaction of points:

    free ──reserve──> reserved ──confirm──> sold          free + reserved + sold = stocked
      ^                  │ release            │
      └──────────────────┴───── put back ─────┘

A reservation names the order it is for. One whose order never came is released by its own deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

RESERVED_MAX = 100
"""The most open reservations of one shard: with them a shard stays a small item."""

CODES_PER_SHARD = 50
"""Codes that one shard of a pool holds."""

SHARDS_MAX = 200
"""The most shards of one stock."""


class RewardStatus(StrEnum):
    """Whether members see a reward."""

    ON_SHELF = "ON_SHELF"
    OFF_SHELF = "OFF_SHELF"


@dataclass(frozen=True, slots=True)
class Reward:
    """One reward.

    Attributes:
        id: as the operator named it.
        content: what was written of it; see :mod:`jifen.domain.offers`.
        shards: how many shards its stock has.
        status: see :class:`RewardStatus`.
        by, at: who wrote it last, and when.
        since: when it was written first.
        currency: of its prices; None where it has none in money.
        tell_from: from when on those who wait for it have to be told that it is there; None where nobody has to be.
        version: counts writes; 0 is one never written.
    """

    id: str
    content: Mapping[str, Any]
    shards: int
    by: str
    at: datetime
    status: RewardStatus = RewardStatus.ON_SHELF
    since: datetime | None = None
    currency: str | None = None
    tell_from: datetime | None = None
    version: int = 0

    @property
    def due_at(self) -> datetime | None:
        """When somebody has to look at it: members have to be told that it is there again."""
        return self.tell_from


@dataclass(frozen=True, slots=True)
class Reserved:
    """Pieces kept for one order ``until`` then: how many, and the codes among them.

    ``fence`` is the version that the order's document has to have when the order is posted: whoever gives the pieces
    away raises it first. ``mark`` is the version of the shard that the reservation was made from: no other one of the
    order has it there, so an order that was posted tells its own from one that a late attempt of it has left behind.
    """

    pieces: int
    until: datetime
    fence: int = 0
    codes: tuple[str, ...] = ()
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Stock:
    """One shard of a stock.

    Attributes:
        subject: what it is the stock of: a reward's id, or ``lottery:<id>:<prize>``.
        shard: its number, from 0.
        free: pieces nobody has; None where there is no end of them.
        sold: pieces that went to somebody.
        stocked: pieces that were ever put in, less those taken out; 0 where there is no end of them.
        pooled: whether each piece is a code; ``free`` then counts ``codes``.
        codes: of a pool, those that are free.
        reserved: what is kept for orders, by the order's id.
        version: counts writes; 0 is one never written.
    """

    subject: str
    shard: int
    free: int | None = None
    sold: int = 0
    stocked: int = 0
    codes: tuple[str, ...] = ()
    reserved: Mapping[str, Reserved] = field(default_factory=dict)
    pooled: bool = False
    version: int = 0

    @property
    def due_at(self) -> datetime | None:
        """When the first reservation runs out."""
        return min((one.until for one in self.reserved.values()), default=None)

    @property
    def kept(self) -> int:
        """Pieces that are reserved."""
        return sum(one.pieces for one in self.reserved.values())


@dataclass(frozen=True, slots=True)
class CodeMark:
    """That a code was put into a reward's pool: never again, wherever it is now. ``request`` is who put it there."""

    reward: str
    code: str
    request: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """That a member wants to be told when a reward is there again; ``told_at`` once that was done.

    ``on`` is false once the member has taken it back.
    """

    reward: str
    member: str
    at: datetime
    told_at: datetime | None = None
    on: bool = True
    version: int = 0

    @property
    def waits(self) -> bool:
        """Whether the member is still to be told."""
        return self.on and self.told_at is None


class OrderStatus(StrEnum):
    """The state of a reward order; see :mod:`jifen.domain.reward_orders`.

    ABANDONED is an order that never was: its document only keeps a late attempt from being posted.
    """

    CREATED = "CREATED"
    ADDRESS_DUE = "ADDRESS_DUE"
    TO_SHIP = "TO_SHIP"
    SHIPPED = "SHIPPED"
    FULFILLED = "FULFILLED"
    FORFEITED = "FORFEITED"
    CANCELED = "CANCELED"
    RETURNED = "RETURNED"
    ABANDONED = "ABANDONED"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a reward order: to which status, when, who took it, and a note."""

    status: OrderStatus
    at: datetime
    by: str
    note: str = ""
