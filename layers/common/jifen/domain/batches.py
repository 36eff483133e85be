"""Batches: what one policy changed on one day, kept so that it can be looked at and taken back as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class BatchStatus(StrEnum):
    """Where a batch is."""

    APPLIED = "APPLIED"
    REVERSING = "REVERSING"
    REVERSED = "REVERSED"


@dataclass(frozen=True, slots=True)
class ValidityBatch:
    """What ``policy`` of the program's ``rules_version`` did on ``day``; its rows are one for each account.

    ``id`` is ``<policy>.<day>``. ``reason`` and ``by`` are those of whoever takes it back, ``run`` names that, and
    ``shards_done`` are the parts of its rows that were gone through.
    """

    id: str
    policy: str
    day: date
    effect: str = ""
    rules_version: int = 0
    status: BatchStatus = BatchStatus.APPLIED
    at: datetime | None = None
    reason: str = ""
    by: str = ""
    run: str = ""
    shards_done: tuple[int, ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True)
class BatchRow:
    """That a batch changed an account: ``sequences`` are the entries, ``reversed_by`` those that took it back.

    ``taken_back`` are those of ``sequences`` that were dealt with, whether or not there was anything left to take back.
    """

    batch: str
    shard: int
    member: str
    sequences: tuple[int, ...] = ()
    points: int = 0
    reversed_by: tuple[int, ...] = ()
    taken_back: tuple[int, ...] = ()
    version: int = 0
