"""Documents of sweeps, and the keys they are kept under; see :mod:`jifen.service.life_documents`.

They stand apart because a sweep's worker knows them and none of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from jifen.domain.sweeps import ShardProgress, SweepControl


@dataclass(frozen=True, slots=True)
class ControlKey:
    """What an operator wants of a sweep."""

    sweep: str
    part: str = "sweep control"


@dataclass(frozen=True, slots=True)
class ProgressKey:
    """How far one shard of a run is."""

    sweep: str
    run: str
    shard: int
    part: str = "shard progress"


SweepKey = ControlKey | ProgressKey
SweepDocument = SweepControl | ShardProgress


def key_of(document: SweepDocument) -> SweepKey:
    """The key under which a document is kept."""
    if isinstance(document, SweepControl):
        return ControlKey(document.sweep)
    return ProgressKey(document.sweep, document.run, document.shard)
