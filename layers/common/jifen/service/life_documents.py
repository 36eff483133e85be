"""Documents of sweeps, policies, notices and events out, and the keys they are kept under.

See :mod:`jifen.service.ports`. They stand apart, so that the functions that know orders alone do not import them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jifen.domain.batches import BatchRow, ValidityBatch
from jifen.domain.endpoints import Delivery, Endpoint, OutgoingRecord
from jifen.domain.failed_notices import FailedNotice
from jifen.domain.sweeps import ShardProgress, SweepControl
from jifen.service import sweep_documents
from jifen.service.sweep_documents import ControlKey, ProgressKey

# Keys of different kinds are never equal: they are tuples, and ``part`` tells those apart that have the same form.


@dataclass(frozen=True, slots=True)
class BatchKey:
    """A batch of a policy."""

    id: str
    part: str = "batch"


@dataclass(frozen=True, slots=True)
class BatchRowKey:
    """That a batch changed an account."""

    batch: str
    shard: int
    member: str
    part: str = "batch row"


@dataclass(frozen=True, slots=True)
class EndpointKey:
    """An endpoint of the shop."""

    id: str
    part: str = "endpoint"


@dataclass(frozen=True, slots=True)
class DeliveryKey:
    """One event at one endpoint; ``day`` is that of the event, in UTC."""

    endpoint: str
    day: str
    at: datetime
    event_id: str
    part: str = "delivery"


@dataclass(frozen=True, slots=True)
class OutgoingKey:
    """An event that was told."""

    hour: str
    shard: int
    at: datetime
    event_id: str
    part: str = "outgoing"


@dataclass(frozen=True, slots=True)
class FailedNoticeKey:
    """A message that did not go out."""

    month: str
    at: datetime
    notice_id: str
    channel: str
    part: str = "failed notice"


LifeKey = ControlKey | ProgressKey | BatchKey | BatchRowKey | EndpointKey | DeliveryKey | OutgoingKey | FailedNoticeKey

LifeDocument = (
    SweepControl | ShardProgress | ValidityBatch | BatchRow | Endpoint | Delivery | OutgoingRecord | FailedNotice
)

LIFE_DOCUMENTS = (
    SweepControl,
    ShardProgress,
    ValidityBatch,
    BatchRow,
    Endpoint,
    Delivery,
    OutgoingRecord,
    FailedNotice,
)
"""The kinds of :data:`LifeDocument`."""


def key_of(document: LifeDocument) -> LifeKey:  # noqa: PLR0911 - one case for each kind
    """The key under which a document is kept."""
    match document:
        case SweepControl() | ShardProgress():
            return sweep_documents.key_of(document)
        case ValidityBatch():
            return BatchKey(document.id)
        case BatchRow():
            return BatchRowKey(document.batch, document.shard, document.member)
        case Endpoint():
            return EndpointKey(document.id)
        case Delivery():
            return DeliveryKey(document.endpoint, document.day, document.at, document.event_id)
        case OutgoingRecord():
            return OutgoingKey(document.hour, document.part, document.at, document.event_id)
        case FailedNotice():
            return FailedNoticeKey(document.month, document.at, document.notice_id, document.channel)
