"""Every row of a table, read and put with its member or its order; what cannot be read is told."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.audit.fact_rows import (
    Draft,
    InForce,
    Line,
    Receipt,
    State,
    Transfer,
    Version,
    read_answered,
    read_draft,
    read_in_force,
    read_line,
    read_mark,
    read_password,
    read_receipt,
    read_source,
    read_state,
    read_transfer,
    read_version,
)
from local.audit.laws import Violation
from local.audit.mall_rows import OF_MEMBER, Mall, is_of_mall, read_document
from local.audit.order_rows import Order, read_order
from local.audit.rows import Account, Entry, Fields, Spent, Unreadable, read_account, read_entry, read_spent

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


_BESIDE = frozenset(
    {
        *(("SWEEP", "SW"), ("SWEEP", "SS"), ("BATCHES", "VB"), ("BATCH", "VR"), ("ENDPOINTS", "EP")),
        *(("DL", "DL"), ("OUT", "OB"), ("FAILED", "FN")),
    }
)
"""Rows of sweeps, batches, endpoints and messages: they say what was done, and no point stands in them."""


@dataclass
class Member:
    """All rows of one member's partition."""

    member: str
    account: Account | None = None
    entries: dict[int, Entry] = field(default_factory=dict)
    documents: dict[str, Spent] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    marks: dict[tuple[str, str], str] = field(default_factory=dict)
    """By rule and value, the event that used it up."""
    transfers: dict[str, Transfer] = field(default_factory=dict)
    """What the member gave."""
    readable: bool = True

    @property
    def history(self) -> list[Entry]:
        """The entries in their order, missing ones left out."""
        return [self.entries[sequence] for sequence in sorted(self.entries)]


@dataclass
class Office:
    """All rows that operators wrote."""

    versions: dict[int, Version] = field(default_factory=dict)
    in_force: InForce | None = None
    sources: dict[str, str] = field(default_factory=dict)
    """The text of rules, by fingerprint."""
    drafts: dict[str, Draft] = field(default_factory=dict)
    campaigns: dict[str, State] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    readable: bool = True


class Table:
    """What all rows say, by member, by order (as entries name it), and what operators wrote."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.orders: dict[str, list[Order]] = defaultdict(list)
        self.office = Office()
        self.mall = Mall()
        self.unreadable_orders = False

    @property
    def all_of_mall(self) -> bool:
        """Whether every member, and every row of the mall, could be read."""
        return self.mall.readable and all(member.readable for member in self.members.values())

    @property
    def whole(self) -> bool:
        """Whether every row could be read."""
        readable = all(member.readable for member in self.members.values())
        return readable and self.office.readable and not self.unreadable_orders

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
        elif pk.startswith(("O#", "U#")):
            self.unreadable_orders = True
        elif is_of_mall(pk):
            self.mall.readable = False
        elif not pk.startswith("I#"):
            self.office.readable = False

    def _read(self, pk: str, sk: str, row: Fields) -> None:
        head, _, rest = pk.partition("#")
        part, _, name = sk.partition("#")
        match head, part:
            case "M", "A" | "P" | "PW" if name:
                raise Unreadable("rows", "the table is not drawn with such a row")
            case "M", "A" | "E" | "R" | "H" | "P" | "K" | "N" | "TR" | "PW":
                self._read_of_member(self.member(rest), part, name, row)
            case ("M", part) if part in OF_MEMBER:
                self.member(rest)
                self.mall.take(read_document(pk, sk, row))
            case ("C", "ST" | "WI" | "CD") | ("REWARDS", "RW") | ("LOTTERIES", "LT") | ("AUCTIONS", "AU"):
                self.mall.take(read_document(pk, sk, row))
            case "O", "O":
                shop, _, order_id = rest.partition("#")
                order = read_order(shop, order_id, row)
                self.orders[order.name].append(order)
            case "U", "U":
                event = row.packed("event")
                if event["type"] != "order.refunded" or event.get("order_id") is not None:
                    raise Unreadable("rows", "is no refund without an order")
            case "I", "I":
                read_answered(row)
            case _:
                self._read_of_office(head, rest, part, name, row)

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
            case "K":
                receipt = read_receipt(name, row)
                member.receipts[receipt.event_id] = receipt
            case "N":
                rule, value, event_id = read_mark(name, row)
                member.marks[rule, value] = event_id
            case "TR":
                transfer = read_transfer(member.member, name, row)
                member.transfers[transfer.id] = transfer
            case "PW":
                read_password(row)
            case _:
                row.text("language")

    def _read_of_office(self, head: str, rest: str, part: str, name: str, row: Fields) -> None:
        office = self.office
        match head, part:
            case "PROGRAM", "F" if not rest and not name:
                office.in_force = read_in_force(row)
            case "RULES", "V" if not rest:
                number, version = read_version(name, row)
                office.versions[number] = version
            case "RULES", "S" if rest and not name:
                office.sources[rest] = read_source(row)
            case "CAMPAIGNS", "D" if not rest:
                office.drafts[name] = read_draft(row)
            case "G", "G" if not name:
                office.campaigns[rest] = read_state(row)
            case "AUDIT", "L":
                office.lines.append(read_line(rest, name, row))
            case _ if (head, part) in _BESIDE:
                pass
            case _:
                raise Unreadable("rows", "the table is not drawn with such a row")
