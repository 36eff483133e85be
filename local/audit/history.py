"""The auditor: a whole ledger judged from its raw rows, by a reader and rules of its own.

    rows (DynamoDB JSON) ──read──> accounts, entries, documents, orders ──walk each history──> every law of LAWS

It believes nothing that the rows do not say and calls none of the code that wrote them: packing, hashes, lots, days and
the worth of an order are read and worked out here (days and shares as in :mod:`local.simulation.reference`). The rows
must be of one moment: an export, a table at rest, or a copy.

What it cannot know, it does not judge: the lot date of an award made under another program than the one it is given,
and the shard of an account unless it is told how many there are.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from jifen.domain.program import Program
from local.simulation.reference import local_day, shares

if TYPE_CHECKING:
    from local.engines import Engine

LAWS: Mapping[str, str] = {
    "rows": "every row is one that the table is drawn with, can be read, and is there once",
    "whole numbers": "every number is a whole one, wherever in a row it stands",
    "sequence": "an account's entries are numbered from 1 to its version, none missing",
    "chain": "each entry's hash covers all of it and the entry before; the first hangs on its member, the last is the"
    " account's head",
    "recorded": "no entry was recorded later than the audit was made",
    "form": "an entry adds up (lots + held - owed = points), and each kind moves points in its own direction only",
    "balance": "balance_after is the sum of the points so far at every entry, and of all of them the account's balance",
    "lots": "the lots that the entries add up to are the account's, its in_lots is their sum, none was ever below zero",
    "debt": "the debt that the entries add up to is the account's, never below zero, and a credit pays it first,"
    " soonest-expiring points before others",
    "debt last": "points are owed only where no unexpired point is left in the lots",
    "holds": "the points that the entries hold are the account's open holds, lot by lot",
    "one resolution": "a hold is captured, voided or lapsed at most once; a captured one gives its rest back at once",
    "hold in time": "a hold is captured or voided before its end, and lapses at its end and not before",
    "lifetime": "earned, redeemed, expired and clawed back are the sums of the entries, and earned = available +"
    " pending + held + redeemed + expired + clawed back - debt - points of kinds that are none of these",
    "no expired point": "no debit touches a lot that is expired or not active yet on the local day of the decision;"
    " only a clawback may take from its order's own lapsed lot what the entry before it put there",
    "soonest first": "a redemption, a hold and a capture take the soonest-expiring points that there are",
    "clawback order": "a clawback takes from a lot date of its order first, then soonest-expiring",
    "forgiven": "only policy clamp forgives, only what the lots have not got, and never what an open hold keeps",
    "lapse": "a lot lapses whole, after its last valid day; no more of it comes back than lapsed",
    "compaction": "joining lots keeps every point and moves none to a sooner day",
    "restore": "a restore returns to lots of its own redemption, pro rata, never more than was taken, as the document"
    " says",
    "documents": "a redemption has one redeem entry and a hold one hold entry, each such entry has its document, and"
    " the two agree",
    "granted": "an order has been granted what its facts are worth under the rules it was awarded with",
    "orders": "a member's earn and clawback entries of an order add up to what it is granted and was forgiven",
    "index": "an account's due dates and shard are the function of its lots, holds and reminders",
    "totals": "over all accounts, points by kind and the balance are the sums over all entries",
}
"""Every law that is checked, each in a sentence."""

Row = Mapping[str, Mapping[str, Any]]
Day = str | None
"""``YYYY-MM-DD``, which sorts as days do; None is for ever, or at once."""
LotKey = tuple[Day, Day]
"""Last valid day and first day."""
Lots = dict[LotKey, int]

_FOREVER = "~"
"""After every day."""
_REVERSED, _REDATED, _COMPACTED = "EXPIRY_REVERSED", "ORDER_REDATED", "LOTS_COMPACTED"
_STATUSES = frozenset({"ACTIVE", "FROZEN", "CLOSED", "MERGED", "ERASED"})
_CREDITS = frozenset({"earn", "bonus", "import", "restore"})
_LIFETIME = {
    "earn": ("earned", 1),
    "bonus": ("earned", 1),
    "import": ("earned", 1),
    "redeem": ("redeemed", -1),
    "restore": ("redeemed", -1),
    "expire": ("expired", -1),
    "clawback": ("clawed_back", -1),
}
_FIGURES = ("earned", "redeemed", "expired", "clawed_back")


@dataclass(frozen=True, slots=True)
class Violation:
    """A ``law`` (a name of :data:`LAWS`) that does not hold, where, and what was found."""

    law: str
    subject: str
    detail: str


def audit(
    rows: Iterable[Mapping[str, Any]], program: Program, now: datetime, *, shards: int | None = None
) -> list[Violation]:
    """Every violation of every law; none for a sound ledger.

    Args:
        rows: all items of the table, as DynamoDB's JSON; binary values as bytes or Base64 text.
        program: zone, reminder leads and policies that the ledger was written under.
        now: no entry can be of a later time.
        shards: how many there were when the accounts were last written; None leaves the shard out.
    """
    return list(_Audit(rows, program, now, shards).run())


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


# Reading rows --------------------------------------------------------------------------------------------------------


class _Unreadable(Exception):
    """A row, or a part of it, is not what it should be."""

    def __init__(self, law: str, detail: str) -> None:
        super().__init__(detail)
        self.law, self.detail = law, detail


class _Change(NamedTuple):
    """Points put into a lot, or taken out."""

    points: int
    key: LotKey


class _Entry(NamedTuple):
    member: str
    sequence: int
    kind: str
    reason: str
    points: int
    balance_after: int
    source: tuple[str, str]
    actor: str
    occurred: str
    recorded: str
    previous_hash: str
    hash: str
    debt: int
    lots: tuple[_Change, ...]
    hold_id: str | None
    hold_lots: tuple[_Change, ...]
    hold_until: str | None
    why: list[Any]

    @property
    def occurred_at(self) -> datetime:
        return datetime.fromisoformat(self.occurred)

    @property
    def recorded_at(self) -> datetime:
        return datetime.fromisoformat(self.recorded)

    def said(self, name: str) -> Any:
        """What the first reason says of ``name``."""
        return self.why[0].get(name) if self.why and isinstance(self.why[0], dict) else None

    def __str__(self) -> str:
        return f"entry {self.sequence} ({self.kind} {self.reason} {self.points})"


class _Account(NamedTuple):
    member: str
    version: int
    in_lots: int
    debt: int
    figures: dict[str, int]
    lots: list[tuple[LotKey, int]]
    holds: dict[str, tuple[str, Lots]]
    reminded: dict[str, tuple[int, bool]]
    """By lot date: the smallest lead sent, and whether a channel still waits."""
    head_hash: str
    due: dict[str, str]


class _Spent(NamedTuple):
    """A redemption (``status`` None) or a hold."""

    id: str
    at: str
    spent: Lots
    order_id: str | None
    restored: int
    answer: Mapping[str, Any]
    points: int | None
    status: str | None
    until: str | None


class _Award(NamedTuple):
    member: str
    granted: int
    day: Day
    rules: list[tuple[int, int, str]]
    currency: str | None
    paid_at: str
    lapsed: int


class _Order(NamedTuple):
    name: str
    """As entries name it in their source."""
    paid: list[Any] | None
    refunds: list[Any]
    cancelled: bool
    award: _Award | None
    forgiven: dict[str, int]


_WHOLE = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{6})?Z", re.ASCII)


def _not_whole(text: str) -> NoReturn:
    raise _Unreadable("whole numbers", f"{text} is not whole")


_JSON = json.JSONDecoder(parse_float=_not_whole, parse_constant=_not_whole)


def _parse(text: str) -> Any:
    try:
        return _JSON.decode(text)
    except ValueError as wrong:
        raise _Unreadable("rows", f"no JSON: {wrong}") from wrong


def _int(value: object) -> int:
    if type(value) is not int:
        raise _Unreadable("whole numbers", f"{value!r} is no whole number")
    return value


def _day(value: object) -> Day:
    if value is not None and not (isinstance(value, str) and _DAY.fullmatch(value)):
        raise _Unreadable("rows", f"{value!r} is no day")
    return value


def _instant(value: object) -> str:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise _Unreadable("rows", f"{value!r} is no instant in UTC")
    return value


def _key(row: list[Any]) -> LotKey:
    return _day(row[1]), _day(row[2]) if len(row) > 2 else None  # noqa: PLR2004 - the optional third column


def _changes(rows: list[Any] | None) -> tuple[_Change, ...]:
    return tuple(_Change(_int(row[0]), _key(row)) for row in rows or ())


def _lots(rows: list[Any] | None) -> Lots:
    """Lots that are all there once."""
    found = {_key(row): _int(row[0]) for row in rows or ()}
    if len(found) != len(rows or ()):
        raise _Unreadable("rows", f"a lot stands twice in {rows}")
    return found


class _Fields:
    """Attributes of one row, by the type they must have."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def _value(self, name: str, kind: str) -> Any:
        typed = self._row.get(name)
        if typed is None:
            return None
        if kind not in typed:
            raise _Unreadable("rows", f"{name} is of type {', '.join(typed)}, not {kind}")
        return typed[kind]

    def _there(self, name: str, value: Any) -> Any:
        if value is None:
            raise _Unreadable("rows", f"{name} is missing")
        return value

    def text(self, name: str) -> str:
        return str(self._there(name, self._value(name, "S")))

    def optional(self, name: str) -> str | None:
        value = self._value(name, "S")
        return None if value is None else str(value)

    def whole(self, name: str, default: int | None = None) -> int:
        value = self._value(name, "N")
        if value is None and default is not None:
            return default
        text = str(self._there(name, value))
        if not _WHOLE.fullmatch(text):
            _not_whole(text)
        return int(text)

    def plain(self, name: str) -> Any:
        """JSON text; None where there is none."""
        value = self._value(name, "S")
        return None if value is None else _parse(value)

    def packed(self, name: str) -> Any:
        """JSON, deflated where its first byte says so; None where there is none."""
        value = self._value(name, "B")
        if value is None:
            return None
        raw = base64.b64decode(value) if isinstance(value, str) else bytes(value)
        return _parse((zlib.decompress(raw) if raw.startswith(b"\x78") else raw).decode())

    def flag(self, name: str) -> bool:
        return bool(self._value(name, "BOOL"))


def _read_account(member: str, row: _Fields) -> _Account:
    if row.text("status") not in _STATUSES:
        raise _Unreadable("rows", f"{row.text('status')} is no status")
    if row.whole("revision") < 1:
        raise _Unreadable("rows", "an account that is there was written at least once")
    reminded = {}
    for day, mark in (row.plain("reminded") or {}).items():
        lead = mark if isinstance(mark, int) else mark[0]
        reminded[_day(day) or ""] = (_int(lead), not isinstance(mark, int) and bool(mark[1]))
    return _Account(
        member=member,
        version=row.whole("version"),
        in_lots=row.whole("in_lots"),
        debt=row.whole("debt"),
        figures={name: row.whole(name) for name in _FIGURES},
        lots=list(_lots(row.plain("lots")).items()),
        holds={name: (_instant(until), _lots(rows)) for name, until, rows in row.plain("holds") or ()},
        reminded=reminded,
        head_hash=row.optional("head_hash") or "",
        due={
            name: value for name in ("shard", "due_expiry", "due_reminder") if (value := row.optional(name)) is not None
        },
    )


def _read_entry(member: str, sequence: int, row: _Fields) -> _Entry:
    hold_id, hold_lots, until = row.plain("hold") or (None, None, None)
    source_type, source_id = row.plain("source")
    return _Entry(
        member=member,
        sequence=sequence,
        kind=row.text("kind"),
        reason=row.text("reason"),
        points=row.whole("points"),
        balance_after=row.whole("balance_after"),
        source=(source_type, source_id),
        actor=row.text("actor"),
        occurred=_instant(row.text("occurred_at")),
        recorded=_instant(row.text("recorded_at")),
        previous_hash=row.text("previous_hash"),
        hash=row.text("hash"),
        debt=row.whole("debt", 0),
        lots=_changes(row.plain("lots")),
        hold_id=hold_id,
        hold_lots=_changes(hold_lots),
        hold_until=None if until is None else _instant(until),
        why=row.plain("why") or [],
    )


def _read_spent(member: str, prefix: str, digest: str, row: _Fields) -> _Spent:
    encoded = base64.urlsafe_b64encode(member.encode()).rstrip(b"=").decode()
    _fingerprint, answer = row.plain("receipt")
    row.packed("receipts")
    hold = prefix == "hd"
    return _Spent(
        id=f"{prefix}.{encoded}.{digest}",
        at=_instant(row.text("at")),
        spent=_lots(row.plain("spent")),
        order_id=row.optional("order_id"),
        restored=row.whole("restored", 0),
        answer=answer,
        points=row.whole("points") if hold else None,
        status=row.text("status") if hold else None,
        until=_instant(row.text("expires_at")) if hold else None,
    )


def _read_order(shop: str, order_id: str, row: _Fields) -> _Order:
    award, forgiven = row.plain("award"), row.plain("forgiven") or {}
    row.whole("version")
    paid, refunds = row.packed("paid"), row.packed("refunds") or []
    if paid is not None:
        _instant(paid[1])
        for line in paid[4]:
            _int(line[2])
    return _Order(
        name=order_id if shop == "standard" else f"{shop}:{order_id}",
        paid=paid,
        refunds=refunds,
        cancelled=row.flag("cancelled"),
        award=None if award is None else _read_award(award),
        forgiven={member: _int(points) for member, points in forgiven.items()},
    )


def _read_award(row: list[Any]) -> _Award:
    member, granted, day, rules, currency, at, lapsed = row
    pinned = [(_int(points), _int(per), rounding) for _, points, per, rounding in rules]
    return _Award(member, _int(granted), _day(day), pinned, currency, _instant(at), _int(lapsed))


# The whole table -----------------------------------------------------------------------------------------------------


@dataclass
class _Member:
    """All rows of one member's partition."""

    member: str
    account: _Account | None = None
    entries: dict[int, _Entry] = field(default_factory=dict)
    documents: dict[str, _Spent] = field(default_factory=dict)
    readable: bool = True

    @property
    def history(self) -> list[_Entry]:
        return [self.entries[sequence] for sequence in sorted(self.entries)]


class _Audit:
    """One audit: the rows, read, and what was found."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], program: Program, now: datetime, shards: int | None) -> None:
        self._rows, self.program, self.now, self.shards = rows, program, now, shards
        self.members: dict[str, _Member] = {}
        self.orders: dict[str, list[_Order]] = defaultdict(list)
        self.unreadable_orders = False

    def run(self) -> Iterator[Violation]:
        """Read everything, then hold it against every law."""
        yield from self._read_all()
        for member in self.members.values():
            if member.readable:
                yield from _Walk(member, self).judge()
                yield from _judge_documents(member)
                yield from self._index(member)
        yield from self._orders_judged()
        yield from self._totals()

    def today(self, instant: datetime) -> str:
        """The local day of an instant."""
        return local_day(instant, self.program.zone).isoformat()

    # Reading

    def _read_all(self) -> Iterator[Violation]:
        seen: set[tuple[str, str]] = set()
        for row in self._rows:
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
                self._read(pk, sk, _Fields(row))
            except _Unreadable as wrong:
                yield Violation(wrong.law, f"{pk} {sk}", wrong.detail)
                self._lost(pk)
            except (TypeError, ValueError, LookupError, AttributeError, zlib.error) as wrong:
                yield Violation("rows", f"{pk} {sk}", f"cannot be read: {wrong!r}")
                self._lost(pk)

    def _lost(self, pk: str) -> None:
        """What cannot be read is reported once, and the laws that need it are left alone."""
        if pk.startswith("M#"):
            self._member(pk[2:]).readable = False
        else:
            self.unreadable_orders = True

    def _member(self, member: str) -> _Member:
        return self.members.setdefault(member, _Member(member))

    def _read(self, pk: str, sk: str, row: _Fields) -> None:
        head, _, rest = pk.partition("#")
        part, _, name = sk.partition("#")
        match head, part:
            case "M", "A" | "P" if name:
                raise _Unreadable("rows", "the table is not drawn with such a row")
            case "M", "A" | "E" | "R" | "H" | "P":
                self._read_of_member(self._member(rest), part, name, row)
            case "O", "O":
                shop, _, order_id = rest.partition("#")
                order = _read_order(shop, order_id, row)
                self.orders[order.name].append(order)
            case "U", "U":
                event = row.packed("event")
                if event["type"] != "order.refunded" or event.get("order_id") is not None:
                    raise _Unreadable("rows", "is no refund without an order")
            case _:
                raise _Unreadable("rows", "the table is not drawn with such a row")

    def _read_of_member(self, member: _Member, part: str, name: str, row: _Fields) -> None:
        match part:
            case "A":
                member.account = _read_account(member.member, row)
            case "E":
                if not re.fullmatch(r"[0-9]{12}", name, re.ASCII) or int(name) == 0:
                    raise _Unreadable("rows", f"{name} is no sequence number")
                member.entries[int(name)] = _read_entry(member.member, int(name), row)
            case "R" | "H":
                document = _read_spent(member.member, "rd" if part == "R" else "hd", name, row)
                member.documents[document.id] = document
            case _:
                row.text("language")

    # Index

    def _index(self, member: _Member) -> Iterator[Violation]:
        account = member.account
        if account is None:
            return
        dates = {"due_expiry": self._next_expiry(account), "due_reminder": self._next_reminder(account)}
        due = {name: f"{day}#{account.member}" for name, day in dates.items() if day is not None}
        found = {name: value for name, value in account.due.items() if name != "shard"}
        if found != due:
            yield Violation("index", account.member, f"{found}; by lots, holds and reminders {due}")
        shard = account.due.get("shard")
        number = int.from_bytes(hashlib.sha256(account.member.encode()).digest()[:4], "big")
        if (shard is None) != (not due) or not (shard is None or shard.isdecimal()):
            yield Violation("index", account.member, f"shard {shard} with {due}")
        elif shard is not None and self.shards is not None and shard != str(number % self.shards):
            yield Violation("index", account.member, f"shard {shard}, not {number % self.shards}")

    def _next_expiry(self, account: _Account) -> Day:
        lapses = [_day_after(key[0], 1) for key, _ in account.lots if key[0] is not None]
        ends = [self.today(datetime.fromisoformat(until)) for until, _ in account.holds.values()]
        return min((*lapses, *ends), default=None)

    def _next_reminder(self, account: _Account) -> Day:
        days = []
        for day in {key[0] for key, _ in account.lots if key[0] is not None}:
            lead, waiting = account.reminded.get(day, (None, False))
            ahead = [one for one in self.program.lead_days if lead is None or one < lead]
            if waiting and lead is not None:
                days.append(_day_after(day, -lead))
            elif ahead:
                days.append(_day_after(day, -max(ahead)))
        return min(days, default=None)

    # Orders

    def _orders_judged(self) -> Iterator[Violation]:
        for orders in self.orders.values():
            for order in orders:
                yield from _judge_order(order)
        if self.unreadable_orders:
            return
        posted, granted = self._posted(), self._granted()
        for name, owner in sorted({*posted, *granted}):
            if posted[name, owner] != granted[name, owner] and self._member(owner).readable:
                said = f"granted and forgiven {granted[name, owner]}" if name in self.orders else "no such order"
                yield Violation("orders", f"{name} of {owner}", f"entries add up to {posted[name, owner]}; {said}")

    def _posted(self) -> dict[tuple[str, str], int]:
        """What entries have given and taken, by order (as entries name it) and member."""
        posted: dict[tuple[str, str], int] = defaultdict(int)
        for member in self.members.values():
            for entry in member.entries.values():
                if entry.source[0] == "order" and entry.kind in {"earn", "clawback"}:
                    posted[entry.source[1], member.member] += entry.points
        return posted

    def _granted(self) -> dict[tuple[str, str], int]:
        """What orders were granted, and what of a clawback was let go, by order and member."""
        granted: dict[tuple[str, str], int] = defaultdict(int)
        for name, orders in self.orders.items():
            for order in orders:
                if order.award:
                    granted[name, order.award.member] += order.award.granted
                for owner, points in order.forgiven.items():
                    granted[name, owner] += points
        return granted

    # Totals

    def _totals(self) -> Iterator[Violation]:
        sums: dict[str, int] = defaultdict(int)
        for member in self.members.values():
            if not member.readable:
                continue
            for entry in member.entries.values():
                sums["balance"] -= entry.points
                if entry.kind in _LIFETIME:
                    figure, sign = _LIFETIME[entry.kind]
                    sums[figure] -= sign * entry.points
            if account := member.account:
                sums["balance"] += _balance(account)
                for figure, points in account.figures.items():
                    sums[figure] += points
        for figure, difference in sums.items():
            if difference:
                yield Violation("totals", figure, f"accounts have {difference} more than their entries say")


def _balance(account: _Account) -> int:
    held = sum(sum(lots.values()) for _, lots in account.holds.values())
    return sum(points for _, points in account.lots) + held - account.debt


def _day_after(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


# Orders --------------------------------------------------------------------------------------------------------------

_ORDER_POINTS_MAX = 10**12


def _judge_order(order: _Order) -> Iterator[Violation]:
    """One order against its own facts."""

    def wrong(detail: str) -> Violation:
        return Violation("granted", order.name, detail)

    award, buyer = order.award, order.paid[0] if order.paid else None
    if award is None or order.paid is None or buyer is None:
        if award is not None or buyer is not None:
            yield wrong(f"the buyer is {buyer}, the award is {award}")
    elif (award.member, award.paid_at) != (buyer, order.paid[1]):
        yield wrong(f"paid by {buyer} at {order.paid[1]}, awarded to {award.member} as of {award.paid_at}")
    else:
        entitled = _entitled(order, order.paid, award)
        if award.granted != entitled:
            yield wrong(f"{award.granted} points for facts worth {entitled}")
        if not 0 <= award.lapsed <= award.granted:
            yield wrong(f"{award.lapsed} of {award.granted} granted points had lapsed")
    if any(points <= 0 for points in order.forgiven.values()):
        yield wrong(f"forgiven {order.forgiven}")
    if len({refund[0] for refund in order.refunds}) != len(order.refunds):
        yield wrong("a refund is there twice")


def _entitled(order: _Order, paid: list[Any], award: _Award) -> int:
    _, _, currency, _, lines = paid
    if order.cancelled or (award.currency is not None and award.currency != currency):
        return 0
    kinds = {line[0]: line[4] if len(line) > 4 else "goods" for line in lines}  # noqa: PLR2004 - the optional fifth
    signs = {"goods": 1, "discount": -1}
    basis = sum(signs.get(kinds[line[0]], 0) * _int(line[2]) for line in lines)
    given_back = 0
    for _, _, refund_currency, total, parts in order.refunds:
        if refund_currency == currency:
            goods = [_int(amount) for amount, line, kind in parts if (kind or kinds.get(line, "goods")) == "goods"]
            given_back += sum(goods) if parts else _int(total or 0)
    kept = max(0, max(0, basis) - given_back)
    return min(_ORDER_POINTS_MAX, sum(_points(points * kept, per, rounding) for points, per, rounding in award.rules))


def _points(exact: int, per: int, rounding: str) -> int:
    whole, rest = divmod(exact, per)
    up = {"floor": False, "ceil": rest > 0, "half_up": 2 * rest >= per}[rounding]
    return whole + up


# One history ---------------------------------------------------------------------------------------------------------

_Sign = Callable[[int], bool]


def _above(number: int) -> bool:
    return number > 0


def _below(number: int) -> bool:
    return number < 0


def _zero(number: int) -> bool:
    return number == 0


def _not_above(number: int) -> bool:
    return number <= 0


def _not_below(number: int) -> bool:
    return number >= 0


class _Form(NamedTuple):
    """What the parts of an entry must look like; ``lots`` and ``held`` of each change."""

    points: _Sign
    lots: _Sign
    debt: _Sign
    held: _Sign


_CREDIT = _Form(_above, _above, _not_above, _zero)
_FORMS: Mapping[str, tuple[_Form, ...]] = {
    "earn": (_CREDIT,),
    "bonus": (_CREDIT,),
    "import": (_CREDIT,),
    "restore": (_CREDIT,),
    "redeem": (_Form(_below, _below, _zero, _zero), _Form(_below, _zero, _zero, _below)),
    "hold": (_Form(_zero, _below, _zero, _above),),
    "release": (_Form(_zero, _above, _not_above, _below),),
    "clawback": (_Form(_below, _below, _not_below, _zero),),
    "expire": (_Form(_below, _below, _zero, _zero),),
    _REVERSED: (_Form(_above, _above, _zero, _zero),),
    _REDATED: (_Form(_zero, lambda _points: True, _not_above, _zero),),
    _COMPACTED: (_Form(_zero, lambda _points: True, _zero, _zero),),
}
"""By kind, or by reason where one kind does several things; other kinds must add up and no more."""
_BY_REASON = frozenset({("expire", _REVERSED), ("adjust", _REDATED), ("adjust", _COMPACTED)})
"""A reason names a form only with its kind: reasons of redemptions and holds are the callers' own words."""


class _Broken(Exception):
    """The history cannot be followed beyond this entry."""


class _Walk:
    """One account from nothing, entry by entry; every law is checked where the figures before the entry are at hand."""

    def __init__(self, member: _Member, audit_: _Audit) -> None:
        self._of, self._audit = member, audit_
        self.lots: Lots = {}
        self.debt = 0
        self.holds: dict[str, tuple[str, Lots]] = {}
        self.figures = dict.fromkeys(_FIGURES, 0)
        self.other = 0
        self.balance = 0
        self.head = hashlib.sha256(b"jifen ledger 1\n" + member.member.encode()).hexdigest()
        self.lapsed: dict[LotKey, int] = defaultdict(int)
        self.found: list[Violation] = []

    def judge(self) -> list[Violation]:
        """Everything wrong with the history, and with the account as its end."""
        try:
            before: _Entry | None = None
            for sequence, entry in enumerate(self._of.history, 1):
                if entry.sequence != sequence:
                    self._wrong("sequence", f"entry {sequence} is missing")
                    raise _Broken  # noqa: TRY301 - the one way out of the walk
                self._step(entry, before)
                before = entry
            self._end(before)
        except _Broken:
            pass
        return self.found

    def _wrong(self, law: str, detail: str) -> None:
        self.found.append(Violation(law, self._of.member, detail))

    def _step(self, entry: _Entry, before: _Entry | None) -> None:
        self._chain(entry)
        fits = self._form(entry)
        if entry.balance_after != self.balance + entry.points:
            self._wrong("balance", f"{entry}: {entry.balance_after}, not {self.balance + entry.points}")
        if entry.recorded_at > self._audit.now:
            self._wrong("recorded", f"{entry} was recorded at {entry.recorded}")
        if fits:
            self._before(entry, before)
        owed = self.debt
        self._move(entry)
        self._after(entry, owed)

    def _chain(self, entry: _Entry) -> None:
        if entry.previous_hash != self.head:
            self._wrong("chain", f"{entry} does not hang on the entry before it")
        elif entry.hash != _digest(entry):
            self._wrong("chain", f"{entry} is not what its hash was made of")
        self.head = entry.hash

    def _form(self, entry: _Entry) -> bool:
        """Whether the entry moves points as its kind does; one that does not add up ends the walk."""
        moved, held = _total(entry.lots), _total(entry.hold_lots)
        if moved + held - entry.debt != entry.points:
            self._wrong("form", f"{entry}: lots {moved} + held {held} - owed {entry.debt} is not {entry.points}")
            raise _Broken
        forms = _FORMS.get(entry.reason if (entry.kind, entry.reason) in _BY_REASON else entry.kind)
        ends = entry.hold_until is not None
        whole = (entry.hold_id is not None, ends) if entry.hold_lots else (False, False)
        known = not forms or any(_fits(entry, form) for form in forms)
        if not known or whole != (bool(entry.hold_lots), entry.kind == "hold"):
            self._wrong("form", f"{entry}: lots {moved}, held {held}, owed {entry.debt}, hold {entry.hold_id}")
            return False
        return True

    # What an entry may do, given what was there

    def _before(self, entry: _Entry, before: _Entry | None) -> None:
        match entry.kind:
            case "redeem" | "hold" if entry.lots:
                self._spend(entry, self._audit.today(entry.occurred_at))
            case "redeem":
                self._resolved_in_time(entry)
                reserved = self.holds.get(entry.hold_id or "", ("", {}))[1]
                if _merged(entry.hold_lots) != _greedy(reserved, -entry.points):
                    self._wrong("soonest first", f"{entry} took {entry.hold_lots} out of {reserved}")
            case "release":
                self._resolved_in_time(entry)
            case "clawback":
                self._claw_back(entry, before, self._audit.today(entry.recorded_at))
            case "expire":
                self._lapse(entry)
            case "adjust" if entry.reason == _COMPACTED:
                self._compact(entry)
        if entry.kind == "hold" and _merged(entry.hold_lots) != _negated(_merged(entry.lots)):
            self._wrong("holds", f"{entry} took {entry.lots} and holds {entry.hold_lots}")

    def _spend(self, entry: _Entry, today: str) -> None:
        taken = _merged(entry.lots)
        if idle := [key for key in taken if not _usable(key, today)]:
            self._wrong("no expired point", f"{entry} on {today} touches {idle}")
            return
        usable = {key: points for key, points in self.lots.items() if _usable(key, today)}
        if taken != _greedy(usable, -_total(entry.lots)):
            self._wrong("soonest first", f"{entry} took {taken} out of {usable}")

    def _claw_back(self, entry: _Entry, before: _Entry | None, today: str) -> None:
        taken = _merged(entry.lots)
        lapsed = {key for key in taken if _past(key[0], today)}
        put = {change.key for change in before.lots if change.points > 0} if before else set()
        own_doing = before and before.source == entry.source and before.reason in {_REVERSED, _REDATED}
        if lapsed and not (own_doing and lapsed <= put):
            self._wrong("no expired point", f"{entry} on {today} touches {sorted(lapsed)}")
            return
        own = self._own_days(entry)
        there = {key: points for key, points in self.lots.items() if key in lapsed or not _past(key[0], today)}
        wanted = -_total(entry.lots)
        if taken not in [_greedy(there, wanted, first=day) for day in own]:
            self._wrong("clawback order", f"{entry} took {taken} out of {there}, own dates {own}")
        self._forgive(entry, sum(there.values()) - wanted)

    def _own_days(self, entry: _Entry) -> set[Day]:
        """The lot dates that may be the order's own; an order paid in several states may have had any."""
        orders = self._audit.orders.get(entry.source[1], ())
        if all(order.award and order.paid and order.paid[3] == 0 for order in orders):
            return {_NO_DAY if order.award is None else order.award.day for order in orders} or {_NO_DAY}
        return {_NO_DAY, *(key[0] for key in self.lots)}

    def _forgive(self, entry: _Entry, left: int) -> None:
        """Under policy clamp what is missing is let go, but for what open holds keep and no earlier debt lies on."""
        reason = entry.why[-1] if entry.why else {}
        forgiven = _int(reason.get("forgiven", 0))
        if not forgiven:
            return
        held = sum(sum(lots.values()) for _, lots in self.holds.values())
        owed = min(entry.debt + forgiven, max(0, held - self.debt))
        if forgiven < 0 or left or reason.get("policy") != "clamp" or entry.debt != owed:
            self._wrong("forgiven", f"{entry} forgives {forgiven} and owes {entry.debt}; held {held}, left {left}")

    def _lapse(self, entry: _Entry) -> None:
        for change in entry.lots:
            self.lapsed[change.key] -= change.points
        if entry.reason == _REVERSED:
            if any(self.lapsed[change.key] < 0 for change in entry.lots):
                self._wrong("lapse", f"{entry} brings back more than lapsed of {entry.lots}")
            return
        if any(self.lots.get(change.key) != -change.points for change in entry.lots):
            self._wrong("lapse", f"{entry} takes {entry.lots} out of {self.lots}")
        last = max((change.key[0] or _FOREVER for change in entry.lots), default="")
        today, begins = self._audit.today(entry.recorded_at), self._audit.today(entry.occurred_at)
        ends = self._audit.today(entry.occurred_at - timedelta(microseconds=1))
        if last >= today or not ends <= last < begins or entry.source != ("lot", last):
            self._wrong("lapse", f"{entry} on {today} of lots through {last}, as of {entry.occurred}, {entry.source}")

    def _compact(self, entry: _Entry) -> None:
        moves, ahead = _merged(entry.lots), 0
        for key in sorted(moves, key=_order):
            ahead += moves[key]
            if ahead > 0 or key[0] is None or key[1] is not None:
                self._wrong("compaction", f"{entry} moves {entry.lots}")
                return

    def _resolved_in_time(self, entry: _Entry) -> None:
        known = self.holds.get(entry.hold_id or "")
        if known is None:
            return
        end, at = datetime.fromisoformat(known[0]), entry.occurred_at
        lapsed = entry.reason == "HOLD_LAPSED"
        if (at != end or entry.recorded_at < end) if lapsed else at >= end:
            self._wrong("hold in time", f"{entry} at {entry.occurred} of a hold until {known[0]}")

    # What it does

    def _move(self, entry: _Entry) -> None:
        _apply(self.lots, entry.lots)
        self.debt += entry.debt
        self.balance += entry.points
        if entry.kind in _LIFETIME:
            figure, sign = _LIFETIME[entry.kind]
            self.figures[figure] += sign * entry.points
        else:
            self.other += entry.points
        if entry.hold_id is not None:
            self._move_hold(entry, entry.hold_id)
        if below := {key: points for key, points in self.lots.items() if points < 0}:
            self._wrong("lots", f"{entry} leaves {below}")
            raise _Broken
        if self.debt < 0:
            self._wrong("debt", f"{entry} leaves a debt of {self.debt}")
            raise _Broken

    def _move_hold(self, entry: _Entry, hold_id: str) -> None:
        known = self.holds.get(hold_id)
        if known is not None and entry.kind == "hold":
            self._wrong("holds", f"{entry} opens hold {hold_id} again")
        until, reserved = known or (entry.hold_until or "", {})
        reserved = dict(reserved)
        _apply(reserved, entry.hold_lots)
        if any(points < 0 for points in reserved.values()):
            law = "one resolution" if known is None and entry.kind != "hold" else "holds"
            self._wrong(law, f"{entry} takes {entry.hold_lots} out of hold {hold_id}, which has {known}")
            raise _Broken
        self.holds.pop(hold_id, None)
        if reserved:
            self.holds[hold_id] = (until, reserved)

    def _after(self, entry: _Entry, owed: int) -> None:
        if entry.kind in _CREDITS or entry.kind == "release":
            credit = entry.points or -_total(entry.hold_lots)
            if -entry.debt != min(owed, credit):
                self._wrong("debt", f"{entry} paid {-entry.debt} of {owed} out of {credit}")
            elif entry.kind == "release" and _merged(entry.lots) != _less(
                _negated(_merged(entry.hold_lots)), -entry.debt
            ):
                self._wrong("debt", f"{entry} paid {-entry.debt} and returned {entry.lots} of {entry.hold_lots}")
        if self.debt:
            today = self._audit.today(entry.recorded_at)
            left = {key: points for key, points in self.lots.items() if not _past(key[0], today)}
            if left:
                self._wrong("debt last", f"{entry} leaves a debt of {self.debt} and lots {left}")

    # Where it ends

    def _end(self, last: _Entry | None) -> None:
        account = self._of.account
        version = account.version if account else 0
        if version != (last.sequence if last else 0):
            self._wrong("sequence", f"{last.sequence if last else 0} entries, version {version}")
            return
        if account is None:
            return
        if account.head_hash != (self.head if last else ""):
            self._wrong("chain", f"the account's head is {account.head_hash}, not the last entry's hash")
        if account.in_lots != sum(points for _, points in account.lots):
            self._wrong("lots", f"in_lots is {account.in_lots}, the lots have {account.lots}")
        stored_and_derived: tuple[tuple[str, object, object], ...] = (
            ("lots", account.lots, sorted(self.lots.items(), key=lambda lot: _order(lot[0]))),
            ("debt", account.debt, self.debt),
            ("holds", account.holds, self.holds),
            ("lifetime", account.figures, self.figures),
            ("balance", _balance(account), self.balance),
        )
        for law, stored, derived in stored_and_derived:
            if stored != derived:
                self._wrong(law, f"{stored}; by entries {derived}")
        earned, *spent = (self.figures[name] for name in _FIGURES)
        if earned != self.balance + sum(spent) - self.other:
            self._wrong("lifetime", f"{self.figures} with a balance of {self.balance}")


def _digest(entry: _Entry) -> str:
    """The hash of everything in an entry but its hash: JSON, keys sorted, no blanks, UTF-8."""
    canonical = {
        "actor": entry.actor,
        "balance_after": entry.balance_after,
        "debt": entry.debt,
        "hold_expires_at": entry.hold_until,
        "hold_id": entry.hold_id,
        "hold_lots": [[change.points, *change.key] for change in entry.hold_lots],
        "kind": entry.kind,
        "lots": [[change.points, *change.key] for change in entry.lots],
        "member": entry.member,
        "occurred_at": entry.occurred,
        "points": entry.points,
        "previous_hash": entry.previous_hash,
        "reason": entry.reason,
        "recorded_at": entry.recorded,
        "sequence": entry.sequence,
        "source": entry.source,
        "why": entry.why,
    }
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _fits(entry: _Entry, form: _Form) -> bool:
    return (
        form.points(entry.points)
        and form.debt(entry.debt)
        and all(form.lots(change.points) for change in entry.lots)
        and all(form.held(change.points) for change in entry.hold_lots)
    )


def _total(changes: Iterable[_Change]) -> int:
    return sum(change.points for change in changes)


def _merged(changes: Iterable[_Change]) -> Lots:
    merged: Lots = {}
    _apply(merged, changes)
    return merged


def _negated(lots: Lots) -> Lots:
    return {key: -points for key, points in lots.items()}


def _apply(lots: Lots, changes: Iterable[_Change]) -> None:
    """Change lots in place; an empty one is gone."""
    for points, key in changes:
        left = lots.get(key, 0) + points
        if left:
            lots[key] = left
        else:
            lots.pop(key, None)


def _order(key: LotKey) -> tuple[str, str]:
    return key[0] or _FOREVER, key[1] or ""


def _past(day: Day, today: str) -> bool:
    return day is not None and day < today


def _usable(key: LotKey, today: str) -> bool:
    return not _past(key[0], today) and not (key[1] is not None and key[1] > today)


_NO_DAY = "no day"


def _greedy(lots: Lots, points: int, first: Day = _NO_DAY) -> Lots:
    """What taking ``points`` takes, as negative changes: lots of the day ``first``, then soonest-expiring."""
    taken: Lots = {}
    for key in sorted(lots, key=lambda key: (key[0] != first, _order(key))):
        part = min(points, lots[key])
        if part > 0:
            taken[key] = -part
            points -= part
    return taken


def _less(credit: Lots, debt: int) -> Lots:
    """What is left of a credit when its soonest-expiring points have paid a debt."""
    paid = _greedy(credit, debt)
    return {key: left for key, points in credit.items() if (left := points + paid.get(key, 0))}


# Documents -----------------------------------------------------------------------------------------------------------


@dataclass
class _Traces:
    """What the entries say of one redemption or hold."""

    opened: list[_Entry] = field(default_factory=list)
    redeemed: list[_Entry] = field(default_factory=list)
    voided: list[_Entry] = field(default_factory=list)
    lapsed: list[_Entry] = field(default_factory=list)
    rest: list[_Entry] = field(default_factory=list)
    restored: list[_Entry] = field(default_factory=list)


_RELEASES = {"HOLD_VOIDED": "voided", "HOLD_LAPSED": "lapsed", "HOLD_REMAINDER": "rest"}


def _judge_documents(member: _Member) -> Iterator[Violation]:
    """Every redemption and hold against the entries that name it, and the other way round."""
    traces: dict[str, _Traces] = defaultdict(_Traces)
    for entry in member.history:
        match entry.kind:
            case "hold":
                traces[entry.hold_id or ""].opened.append(entry)
            case "redeem":
                traces[entry.hold_id or str(entry.said("redemption"))].redeemed.append(entry)
            case "release":
                getattr(traces[entry.hold_id or ""], _RELEASES.get(entry.reason, "voided")).append(entry)
            case "restore":
                traces[str(entry.said("redemption"))].restored.append(entry)
    for name in sorted({*traces, *member.documents}):
        subject = f"{member.member} {name}"
        document, trace = member.documents.get(name), traces[name]
        if document is None:
            yield Violation("documents", subject, "entries name it and it is not there")
            continue
        hold = document.status is not None
        faults = _of_hold(document, trace) if hold else _of_redemption(document, trace)
        for law, detail in (*faults, *_of_restores(document, trace)):
            yield Violation(law, subject, detail)


Faults = Iterator[tuple[str, str]]


def _of_redemption(document: _Spent, trace: _Traces) -> Faults:
    if len(trace.redeemed) != 1:
        yield "documents", f"{len(trace.redeemed)} redeem entries"
        return
    (entry,) = trace.redeemed
    yield from _agree(document, entry, "redemption", entry.occurred)
    if document.spent != _negated(_merged(entry.lots)):
        yield "documents", f"spent {document.spent}, {entry} took {entry.lots}"
    if document.answer.get("redemption_id") != document.id or document.answer.get("points") != -entry.points:
        yield "documents", f"answered {document.answer}, {entry}"


def _of_hold(document: _Spent, trace: _Traces) -> Faults:
    resolved = [*trace.redeemed, *trace.voided, *trace.lapsed]
    if len(resolved) > 1:
        yield "one resolution", f"resolved by {', '.join(map(str, resolved))}"
        return
    if len(trace.opened) != 1:
        yield "documents", f"{len(trace.opened)} hold entries"
        return
    (opened,) = trace.opened
    yield from _agree(document, opened, "hold", opened.occurred)
    if (document.points, document.until) != (_total(opened.hold_lots), opened.hold_until):
        yield "documents", f"{document.points} until {document.until}, {opened} until {opened.hold_until}"
    if document.answer.get("hold_id") != document.id or document.answer.get("points") != document.points:
        yield "documents", f"answered {document.answer}, {opened}"
    status = "CAPTURED" if trace.redeemed else "VOIDED" if trace.voided else "AUTHORIZED"
    if document.status != status:
        yield "documents", f"{document.status}; by entries {status}"
    captured = _negated(_merged(trace.redeemed[0].hold_lots)) if trace.redeemed else {}
    if document.spent != captured:
        yield "documents", f"spent {document.spent}; by entries {captured}"
    yield from _rest(document, trace, sum(captured.values()))


def _rest(document: _Spent, trace: _Traces, captured: int) -> Faults:
    """What was not captured goes back with the capture; void and lapse give all of it back."""
    due = [(document.points or 0) - captured] if 0 < captured < (document.points or 0) else []
    if [-_total(entry.hold_lots) for entry in trace.rest] != due:
        yield "one resolution", f"gave back {[str(entry) for entry in trace.rest]}, due was {due}"
    elif due and trace.rest[0].sequence != trace.redeemed[0].sequence + 1:
        yield "one resolution", f"{trace.rest[0]} does not follow {trace.redeemed[0]}"
    for entry in (*trace.voided, *trace.lapsed):
        if -_total(entry.hold_lots) != document.points:
            yield "one resolution", f"{entry} gives {-_total(entry.hold_lots)} of {document.points} back"


def _agree(document: _Spent, entry: _Entry, kind: str, at: str) -> Faults:
    source = ("order", document.order_id) if document.order_id is not None else (kind, document.id)
    if entry.source != source or document.at != at:
        yield "documents", f"{entry} of {entry.source} at {at}; the document is of {source} at {document.at}"


def _of_restores(document: _Spent, trace: _Traces) -> Faults:
    sizes, whole = list(document.spent.values()), sum(document.spent.values())
    restored, back = 0, dict.fromkeys(document.spent, 0)
    for entry in trace.restored:
        changes = _merged(entry.lots)
        before, restored = restored, restored + entry.points
        if not changes.keys() <= document.spent.keys() or not 0 <= restored <= whole:
            yield "restore", f"{entry} returns {changes}; spent were {document.spent}, restored before {before}"
            return
        more = [now - had for now, had in zip(shares(sizes, restored), shares(sizes, before), strict=True)]
        due = dict(zip(document.spent, more, strict=True))
        if changes != _less(due, -entry.debt):
            yield "restore", f"{entry} returns {changes} and pays {-entry.debt}; pro rata it is {due}"
        for key, points in changes.items():
            back[key] += points
    if any(back[key] > points for key, points in document.spent.items()):
        yield "restore", f"returned {back}, spent {document.spent}"
    if restored != document.restored:
        yield "restore", f"the document says {document.restored}, entries {restored}"
