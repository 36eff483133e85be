"""The table's stream as Lambda hands it over, made of what the store really writes.

with recorded() as stream: ...     each row of each transaction that held, with the row as it was before
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from jifen.store import dynamo, transactions

AT = 1_772_337_600
"""When the table took the writes, in seconds: what Lambda calls ApproximateCreationDateTime."""

Record = dict[str, Any]


@dataclass
class Stream:
    """Records in the order in which they were written; ``taken`` hands them over once."""

    records: list[Record] = field(default_factory=list)
    _rows: dict[tuple[str, str], Any] = field(default_factory=dict)

    def add(self, raw: Mapping[str, Any]) -> None:
        """One row that was written."""
        key = (raw["pk"]["S"], raw["sk"]["S"])
        self.records.append(record(raw, self._rows.get(key), 100_000_000_000 + len(self.records)))
        self._rows[key] = raw

    def taken(self) -> list[Record]:
        """What came since the last time, as a batch of Lambda's."""
        batch = self.records[:]
        self.records.clear()
        return batch

    def of(self, sort_key: str) -> list[Record]:
        """The records of rows whose sort key begins like this."""
        return [one for one in self.records if one["dynamodb"]["Keys"]["sk"]["S"].startswith(sort_key)]


def record(after: Mapping[str, Any] | None, before: Mapping[str, Any] | None, number: int = 1) -> Record:
    """A record of the stream about one row."""
    keys: Any = after or before
    told: dict[str, Any] = {
        "ApproximateCreationDateTime": float(AT),
        "Keys": {"pk": keys["pk"], "sk": keys["sk"]},
        "SequenceNumber": str(number),
        "SizeBytes": 1_000,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if after is not None:
        told["NewImage"] = _as_json(after)
    if before is not None:
        told["OldImage"] = _as_json(before)
    return {
        "eventID": f"{number:032x}",
        "eventName": "REMOVE" if after is None else "INSERT" if before is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-2",
        "dynamodb": told,
        "eventSourceARN": "arn:aws:dynamodb:eu-west-2:123456789012:table/jifen/stream/2026-03-01T04:00:00.000",
    }


def _as_json(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {kind: base64.b64encode(value).decode() if kind == "B" else value for kind, value in attribute.items()}
        for name, attribute in raw.items()
    }


@contextmanager
def recorded() -> Iterator[Stream]:
    """Record what every ledger of this process writes meanwhile."""
    stream = Stream()

    def write(connection: Any, table: str, puts: list[transactions.Put], patience: Any) -> None:
        transactions.write(connection, table, puts, patience)
        for put in puts:
            stream.add(put.item)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamo, "write", write)
        yield stream
