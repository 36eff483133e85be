"""Documents of policies, notices and events out to items and back; see :mod:`jifen.store.codec_rules`.

Each is a :class:`jifen.store.items.FactItem` whose ``facts`` are its fields. What is only a log has ``ttl``: DynamoDB
takes it away some time after its ``keep_until``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jifen.domain.batches import BatchRow, ValidityBatch
from jifen.domain.endpoints import Delivery, Endpoint, OutgoingRecord
from jifen.domain.failed_notices import FailedNotice
from jifen.service.life_documents import (
    BatchKey,
    BatchRowKey,
    DeliveryKey,
    EndpointKey,
    FailedNoticeKey,
    LifeDocument,
    LifeKey,
    OutgoingKey,
)
from jifen.store import plain
from jifen.store.codec_sweeps import sweep_keys
from jifen.store.items import BATCHES_PK, ENDPOINTS_PK, digest, sortable

_CLASSES: Mapping[str, type[Any]] = {
    "VB": ValidityBatch,
    "VR": BatchRow,
    "EP": Endpoint,
    "DL": Delivery,
    "OB": OutgoingRecord,
    "FN": FailedNotice,
}

_PACKED: Mapping[type[Any], str] = {OutgoingRecord: "event"}
"""The field that is long, and goes into the item's ``text``."""


def life_keys(key: LifeKey) -> tuple[str, str]:  # noqa: PLR0911 - one case for each kind
    """Partition and sort key of a document."""
    match key:
        case BatchKey(id_):
            return BATCHES_PK, f"VB#{id_}"
        case BatchRowKey(batch, shard, member):
            return f"BATCH#{batch}#{shard}", f"VR#{digest(member)}"
        case EndpointKey(id_):
            return ENDPOINTS_PK, f"EP#{id_}"
        case DeliveryKey(endpoint, day, at, event_id):
            return f"DL#{endpoint}#{day}", f"DL#{sortable(at)}#{event_id}"
        case OutgoingKey(hour, part, at, event_id):
            return f"OUT#{hour}#{part}", f"OB#{sortable(at)}#{event_id}"
        case FailedNoticeKey(month, at, notice_id, channel):
            return f"FAILED#{month}", f"FN#{sortable(at)}#{notice_id}#{channel}"
        case _:
            return sweep_keys(key)


def life_out(document: LifeDocument) -> dict[str, Any]:
    """The attributes of a document, without its version."""
    row = plain.row_out(document)
    row.pop("version", None)
    name = _PACKED.get(type(document))
    until = getattr(document, "keep_until", None)
    return {
        "facts": row,
        "text": row.pop(name, None) if name else None,
        "ttl": int(until.timestamp()) if isinstance(until, datetime) else None,
    }


def life_in(item: Any) -> LifeDocument:
    """A document from its item."""
    cls = _CLASSES[item.sk.partition("#")[0]]
    name = _PACKED.get(cls)
    long = {name: item.text} if name and item.text is not None else {}
    document: LifeDocument = plain.row_in(cls, {**item.facts, **long, "version": item.version})
    return document
