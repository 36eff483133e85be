"""Fills a table with as many members as one likes, each with a history that can be proved.

    a dozen prototypes ──real services──> items ──other id, own hash chain──> a million members ──> engine

A prototype's items are the store's own. A copy differs in the member's id (and what contains it), the shard, and the
hashes, which are computed anew: a copy is, byte for byte, what the services would have written for that member
(``tests/bench/test_load.py`` compares them).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from bench.operations import NO_WAITING, PROGRAM, SHARDS, new_ledger, order_paid
from jifen.domain.entries import canonical, genesis
from jifen.service.earning import earn
from jifen.store.dynamo import DynamoLedger, shard_of
from local.engines import Engine, create_table, open_engine
from local.engines.dynoxide import import_export
from local.template import table_definition

LINES = 5
"""Lines of an order."""

EXPIRING, REMINDING, PER = 7, 13, 100
"""Of every hundred members, the one with number 7 has a lot to expire and the one with number 13 is to be reminded."""

CYCLE = (1, 1, 1, 1, 2, 1, 1, 3, 1, 1)
"""Orders of the other members, by the last digit of their number."""

ITEMS_PER_BATCH = 25
ITEMS_PER_FILE = 1_000_000
Progress = Callable[[int], None]


def member_of(number: int) -> str:
    """The id of a member; all are of one length."""
    return f"m{number:07d}"


def kind_of(number: int) -> str:
    """Which prototype a member is a copy of."""
    if number % PER == EXPIRING:
        return "expiring"
    return "reminding" if number % PER == REMINDING else f"{CYCLE[number % len(CYCLE)]} orders"


def order_of(member: str, number: int) -> str:
    """The id of a member's n-th order."""
    return f"{member}-{number}"


def paid_at(kind: str, number: int) -> datetime:
    """When the n-th order of a kind of member was paid: its lot ends a year later, at the end of the month."""
    first = {"expiring": datetime(2010, 10, 5, 9, tzinfo=UTC), "reminding": datetime(2010, 11, 20, 9, tzinfo=UTC)}
    return datetime(2011, 3 + number, 5, 9, tzinfo=UTC) if kind not in first or number else first[kind]


def orders_in(kind: str) -> int:
    """How many orders a kind of member has."""
    return 2 if kind in {"expiring", "reminding"} else int(kind.split(maxsplit=1)[0])


def live(ledger: DynamoLedger, member: str, kind: str) -> None:
    """Give a member its history, through the services."""
    for number in range(orders_in(kind)):
        at = paid_at(kind, number)
        event = order_paid(order_of(member, number), member, at, LINES)
        earn(ledger, PROGRAM, [event], PROGRAM.moment(at), NO_WAITING)


# Copies --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prototype:
    """One member's items as JSON texts, binaries apart, and the canonical form of its entries with their hashes."""

    member: str
    items: tuple[str, ...]
    binaries: tuple[bytes, ...]
    entries: tuple[tuple[bytes, str], ...]

    def copies(self, member: str) -> list[str]:
        """The items as they are for another member, one JSON text each."""
        text = "\n".join(self.items).replace(self.member, member)
        text = text.replace(_shard(self.member), _shard(member)).replace(genesis(self.member), genesis(member))
        old, new = self.member.encode(), member.encode()
        hashes = [(genesis(self.member), genesis(member))]
        for form, known in self.entries:
            changed = form.replace(old, new).replace(hashes[-1][0].encode(), hashes[-1][1].encode())
            hashes.append((known, hashlib.sha256(changed).hexdigest()))
            text = text.replace(*hashes[-1])
        for place, content in enumerate(self.binaries):
            text = text.replace(_place(place), base64.b64encode(content.replace(old, new)).decode())
        return text.split("\n")


def _shard(member: str) -> str:
    return f'"shard":{{"S":"{shard_of(member, SHARDS)}"}}'


def _place(number: int) -> str:
    return f"<binary {number}>"


def prototypes() -> dict[str, Prototype]:
    """One of each kind, made on an engine of its own."""
    kinds = dict.fromkeys(kind_of(number) for number in range(PER))
    with open_engine("auto", say=lambda _line: None) as engine:
        ledger = new_ledger(engine, "prototypes")
        made = {}
        for number, kind in enumerate(kinds):
            member = member_of(9_999_990 + number)
            live(ledger, member, kind)
            made[kind] = _prototype(ledger, raw_items(engine, "prototypes", member, orders_in(kind)), member)
        return made


def raw_items(engine: Engine, table: str, member: str, orders: int) -> list[dict[str, Any]]:
    """A member's items and those of its orders, as the engine has them."""
    client = engine.client()
    keys = [f"M#{member}", *(f"O#standard#{order_of(member, number)}" for number in range(orders))]
    found: list[dict[str, Any]] = []
    for key in keys:
        found += client.query(
            TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": key}}
        )["Items"]
    return found


def _prototype(ledger: DynamoLedger, items: Sequence[Mapping[str, Any]], member: str) -> Prototype:
    binaries: list[bytes] = []

    def apart(value: Any) -> str:
        binaries.append(bytes(value))
        return _place(len(binaries) - 1)

    texts = tuple(json.dumps(item, default=apart, ensure_ascii=False, separators=(",", ":")) for item in items)
    assert not any(content[:1] == b"\x78" for content in binaries), "what is compressed cannot be copied"
    entries = tuple((canonical(entry), entry.hash) for entry in ledger.history(member))
    return Prototype(member, texts, tuple(binaries), entries)


def lines(made: Mapping[str, Prototype], members: int, progress: Progress) -> Iterator[str]:
    """Every item of so many members, as JSON texts."""
    for number in range(members):
        if number % 20_000 == 0:
            progress(number)
        yield from made[kind_of(number)].copies(member_of(number))
    progress(members)


# Into the engine -----------------------------------------------------------------------------------------------------


def fill(engine: Engine, table: str, members: int, progress: Progress = lambda _done: None) -> int:
    """Write so many members into a new table through the engine's own API; how many items that were."""
    create_table(engine, table_definition(), table)
    client, written = engine.client(), 0
    rows = lines(prototypes(), members, progress)
    while batch := list(islice(rows, ITEMS_PER_BATCH)):
        left = {table: [{"PutRequest": {"Item": _item(text)}} for text in batch]}
        while left:
            left = client.batch_write_item(RequestItems=left).get("UnprocessedItems", {})
        written += len(batch)
    return written


def _item(text: str) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(text)
    for value in item.values():
        if "B" in value:
            value["B"] = base64.b64decode(value["B"])
    return item


def make_database(data: Path, tables: Mapping[str, int], progress: Progress) -> int:
    """Make a database file for dynoxide with so many members in each table; how many items that were."""
    export, schema = data.with_name(f"{data.name}.export"), data.with_name(f"{data.name}.schema")
    made, written = prototypes(), 0
    with open_engine("dynoxide", say=lambda _line: None) as engine:
        described = []
        for table in tables:
            create_table(engine, table_definition(), table)
            described.append({"Table": engine.client().describe_table(TableName=table)["Table"]})
    schema.write_text(json.dumps(described, default=str))
    for table, members in tables.items():
        folder = export / table / "data"
        folder.mkdir(parents=True)
        rows, part = lines(made, members, progress), 0
        while batch := list(islice(rows, ITEMS_PER_FILE)):
            with gzip.open(folder / f"{part}.json.gz", "wt", compresslevel=1) as out:
                out.writelines(f'{{"Item":{text}}}\n' for text in batch)
            written, part = written + len(batch), part + 1
    import_export(export, schema, data)
    return written
