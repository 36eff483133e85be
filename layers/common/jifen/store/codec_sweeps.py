"""Documents of sweeps to items and back; see :mod:`jifen.store.codec_life`."""

from __future__ import annotations

from typing import Any

from jifen.domain.sweeps import ShardProgress, SweepControl
from jifen.service.sweep_documents import ControlKey, SweepDocument, SweepKey
from jifen.store import plain


def sweep_keys(key: SweepKey) -> tuple[str, str]:
    """Partition and sort key of a document."""
    if isinstance(key, ControlKey):
        return f"SWEEP#{key.sweep}", "SW"
    return f"SWEEP#{key.sweep}", f"SS#{key.run}#{key.shard:04d}"


def sweep_out(document: SweepDocument) -> dict[str, Any]:
    """The attributes of a document, without its version."""
    row = plain.row_out(document)
    row.pop("version", None)
    until = document.keep_until if isinstance(document, ShardProgress) else None
    return {"facts": row, "text": None, "ttl": int(until.timestamp()) if until else None}


def sweep_in(item: Any) -> SweepDocument:
    """A document from its item."""
    cls: type[Any] = SweepControl if item.sk == "SW" else ShardProgress
    document: SweepDocument = plain.row_in(cls, {**item.facts, "version": item.version})
    return document
