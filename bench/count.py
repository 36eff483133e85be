"""Counts what a ledger asks of DynamoDB: round trips, write units, read units.

    ledger ──> botocore ──before-parameter-build──> the items of a write, the keys of a read
                        ──before-send─────────────> one round trip
                        ──after-call──────────────> the items of an answer, and the engine's own bill

Units follow AWS's published rules for item sizes and on-demand capacity:

* an item is the UTF-8 bytes of its attribute names and texts, the bytes of its binaries, half a byte a digit plus one
  for its numbers; lists and maps add three bytes and one for each element;
* a transactional write costs 2 units for every started kilobyte, whether or not it succeeds;
* a read costs 1 unit (strongly consistent) or a half (eventually) for every started 4 kilobytes: of each item in a
  batch, missing ones included; of all items together in a query;
* an index is written when one of its keys changes, 1 unit each for the entry that goes and the one that comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jifen.store.dynamo import DynamoLedger

INDEXES = ("due_expiry", "due_reminder")
READS = ("GetItem", "BatchGetItem", "Query", "TransactGetItems")
WRITE_BYTES = 1_024
READ_BYTES = 4_096

Item = Mapping[str, Mapping[str, Any]]


@dataclass
class Count:
    """What some calls cost. ``billed_units`` is what the engine says was consumed by reads, writes and indexes."""

    trips: int = 0
    write_units: int = 0
    index_units: int = 0
    read_units: float = 0
    billed_units: float = 0
    written: list[tuple[str, int]] = field(default_factory=list)

    @property
    def largest(self) -> str:
        """The items written, largest first, with their sizes in bytes."""
        return ", ".join(f"{key} {size}" for key, size in sorted(self.written, key=lambda item: -item[1])[:4])


class Meter:
    """Watches one ledger's client. Not for several threads at once."""

    def __init__(self, ledger: DynamoLedger) -> None:
        self._count: Count | None = None
        self._indexed: dict[tuple[str, str], dict[str, str]] = {}
        self._asked: Mapping[str, Any] = {}
        events = ledger.client.meta.events
        events.register("before-parameter-build.dynamodb", self._on_call)
        events.register("before-send.dynamodb", self._on_send)
        events.register("after-call.dynamodb", self._on_answer)

    @contextmanager
    def counting(self) -> Iterator[Count]:
        """Count what happens in the block."""
        assert self._count is None, "a count is going on"
        self._count = Count()
        try:
            yield self._count
        finally:
            self._count = None

    def _on_call(self, params: Mapping[str, Any], **_: Any) -> None:
        self._asked = params
        for put in (write["Put"]["Item"] for write in params.get("TransactItems", ())):
            index_units = self._index_units(put)
            if self._count is not None:
                size = item_size(put)
                self._count.write_units += 2 * units(size, WRITE_BYTES)
                self._count.index_units += index_units
                self._count.written.append((put["sk"]["S"].split("#")[0], size))

    def _on_send(self, **_: Any) -> None:
        if self._count is not None:
            self._count.trips += 1

    def _on_answer(self, parsed: Mapping[str, Any], **_: Any) -> None:
        if self._count is None:
            return
        self._count.billed_units += sum(_billed(parsed.get("ConsumedCapacity")))
        self._count.read_units += sum(
            self._batch_units(table, wanted, parsed) for table, wanted in self._asked.get("RequestItems", {}).items()
        )
        if "Items" in parsed:
            bytes_read = sum(item_size(item) for item in parsed["Items"])
            share = 1 if self._asked.get("ConsistentRead") else 0.5
            self._count.read_units += share * units(bytes_read, READ_BYTES)

    @staticmethod
    def _batch_units(table: str, wanted: Mapping[str, Any], parsed: Mapping[str, Any]) -> float:
        found = parsed.get("Responses", {}).get(table, [])
        left = parsed.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        missing = len(wanted["Keys"]) - len(found) - len(left)
        share = 1 if wanted.get("ConsistentRead") else 0.5
        return share * (missing + sum(units(item_size(item), READ_BYTES) for item in found))

    def _index_units(self, put: Item) -> int:
        key = (put["pk"]["S"], put["sk"]["S"])
        before = self._indexed.get(key, {})
        after = {name: put["shard"]["S"] + put[name]["S"] for name in INDEXES if name in put}
        self._indexed[key] = after
        changed = [name for name in INDEXES if before.get(name) != after.get(name)]
        return sum((name in before) + (name in after) for name in changed)


@dataclass
class Bill:
    """What the engine says that some calls consumed, whatever they were. A call that fails is a trip without units."""

    trips: int = 0
    write_units: float = 0
    read_units: float = 0

    def _on_call(self, params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def _on_send(self, **_: Any) -> None:
        self.trips += 1

    def _on_answer(self, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        billed = sum(_billed(parsed.get("ConsumedCapacity")))
        if model.name in READS:
            self.read_units += billed
        else:
            self.write_units += billed


@contextmanager
def billing(clients: Iterable[Any]) -> Iterator[Bill]:
    """Bill what these botocore clients ask for in the block."""
    bill = Bill()
    hooks = {
        "before-parameter-build.dynamodb": bill._on_call,  # noqa: SLF001 - the bill's own hooks
        "before-send.dynamodb": bill._on_send,  # noqa: SLF001 - as above
        "after-call.dynamodb": bill._on_answer,  # noqa: SLF001 - as above
    }
    events = [client.meta.events for client in clients]
    for emitter in events:
        for name, hook in hooks.items():
            emitter.register(name, hook)
    try:
        yield bill
    finally:
        for emitter in events:
            for name, hook in hooks.items():
                emitter.unregister(name, hook)


def units(size: int, unit_bytes: int) -> int:
    """How many units of so many bytes are started; nothing at all still costs one."""
    return max(1, -(-size // unit_bytes))


def item_size(item: Item) -> int:
    """The size of an item in bytes, as DynamoDB counts it."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return len(content.strip("-").strip("0")) // 2 + 2
        case "B":
            return len(content)
        case "L":
            return 3 + sum(1 + _value_size(part) for part in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_size(part) for name, part in content.items())
        case _:
            return 1


def _billed(consumed: Any) -> Iterable[float]:
    tables = consumed if isinstance(consumed, list) else [consumed] if consumed else []
    return (float(table["CapacityUnits"]) for table in tables)
