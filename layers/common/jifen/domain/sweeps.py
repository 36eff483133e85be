"""Sweeps as an operator sees them: how far a run is, how fast it goes, and whether it is paused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SweepControl:
    """What an operator wants of a sweep (``expire``, ``remind``), and what its runs have to remember.

    Attributes:
        paused: workers put their tasks back and do nothing until this is taken away.
        accounts_per_second: of all workers together; None is as fast as they can.
        walked: version of the program that every account's next dates were last worked out by.
        run: the run that was last begun (its instant, RFC 3339).
    """

    sweep: str
    paused: bool = False
    accounts_per_second: int | None = None
    walked: int = 0
    run: str = ""
    by: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class ShardProgress:
    """How far one shard of a run is; written by its worker, a few times a slice and never for each account.

    ``expected`` is how many accounts the index named when the shard was begun; ``left`` were put off (contended, or a
    provider failed), ``errors`` cannot be handled at all. ``oldest`` is the day of the oldest account that was due.
    """

    sweep: str
    run: str
    shard: int
    started_at: datetime
    updated_at: datetime
    expected: int = 0
    seen: int = 0
    done: int = 0
    left: int = 0
    errors: int = 0
    slices: int = 0
    oldest: str = ""
    finished: bool = False
    keep_until: datetime | None = None
    version: int = 0
