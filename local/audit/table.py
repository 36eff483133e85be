"""Every row of a table, read and put with its member or its order; what cannot be read is told."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.audit.laws import Violation
from local.audit.rows import (
    Account,
    Entry,
    Fields,
    Order,
    Spent,
    Unreadable,
    read_account,
    read_entry,
    read_order,
    read_spent,
)

if TYPE_CHECKING:
    from local.engines import Engine


def rows_of(engine: Engine, table: str) -> Iterator[dict[str, Any]]:
    """Every item of a table on a local engine, page by page; for tests and local use, because it is a Scan."""
    client = engine.client()
    start: dict[str, Any] = {}
    while True:
        page = client.scan(TableName=table, ConsistentRead=True, **start)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


@dataclass
class Member:
    """All rows of one member's partition."""

    member: str
    account: Account | None = None
    entries: dict[int, Entry] = field(default_factory=dict)
    documents: dict[str, Spent] = field(default_factory=dict)
    readable: bool = True

    @property
    def history(self) -> list[Entry]:
        """The entries in their order, missing ones left out."""
        return [self.entries[sequence] for sequence in sorted(self.entries)]


class Table:
    """What all rows say, by member and by order (as entries name it)."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.orders: dict[str, list[Order]] = defaultdict(list)
        self.unreadable_orders = False

    def member(self, member: str) -> Member:
        """A member's rows; none so far where there are none."""
        return self.members.setdefault(member, Member(member))

    def read(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Violation]:
        """Take every row in; what cannot be is a violation."""
        seen: set[tuple[str, str]] = set()
        for row in rows:
            try:
                pk, sk = row["pk"]["S"], row["sk"]["S"]
            except (KeyError, TypeError):
                yield Violation("rows", "table", f"a row without keys: {dict(row)}")
                continue
            if (pk, sk) in seen:
                yield Violation("rows", f"{pk} {sk}", "is there twice")
                continue
            seen.add((pk, sk))
            try:
                self._read(pk, sk, Fields(row))
            except Unreadable as wrong:
                yield Violation(wrong.law, f"{pk} {sk}", wrong.detail)
                self._lost(pk)
            except (TypeError, ValueError, LookupError, AttributeError, zlib.error) as wrong:
                yield Violation("rows", f"{pk} {sk}", f"cannot be read: {wrong!r}")
                self._lost(pk)

    def _lost(self, pk: str) -> None:
        """What cannot be read is reported once, and the laws that need it are left alone."""
        if pk.startswith("M#"):
            self.member(pk[2:]).readable = False
        else:
            self.unreadable_orders = True

    def _read(self, pk: str, sk: str, row: Fields) -> None:
        head, _, rest = pk.partition("#")
        part, _, name = sk.partition("#")
        match head, part:
            case "M", "A" | "P" if name:
                raise Unreadable("rows", "the table is not drawn with such a row")
            case "M", "A" | "E" | "R" | "H" | "P":
                self._read_of_member(self.member(rest), part, name, row)
            case "O", "O":
                shop, _, order_id = rest.partition("#")
                order = read_order(shop, order_id, row)
                self.orders[order.name].append(order)
            case "U", "U":
                event = row.packed("event")
                if event["type"] != "order.refunded" or event.get("order_id") is not None:
                    raise Unreadable("rows", "is no refund without an order")
            case _:
                raise Unreadable("rows", "the table is not drawn with such a row")

    def _read_of_member(self, member: Member, part: str, name: str, row: Fields) -> None:
        match part:
            case "A":
                member.account = read_account(member.member, row)
            case "E":
                if not re.fullmatch(r"[0-9]{12}", name, re.ASCII) or int(name) == 0:
                    raise Unreadable("rows", f"{name} is no sequence number")
                member.entries[int(name)] = read_entry(member.member, int(name), row)
            case "R" | "H":
                document = read_spent(member.member, "rd" if part == "R" else "hd", name, row)
                member.documents[document.id] = document
            case _:
                row.text("language")
