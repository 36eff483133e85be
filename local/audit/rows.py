"""Raw rows read into values, each type and number looked at; and the hash that an entry should have.

row ──Fields──> read_account, read_entry, read_spent       Unreadable where it is not what it should be

Orders are read in :mod:`local.audit.order_rows`, what rules, operators and members' events wrote in
:mod:`local.audit.fact_rows`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, NoReturn

from local.audit.laws import Violation
from local.audit.lots import Change, Day, LotKey, Lots

Row = Mapping[str, Mapping[str, Any]]
_STATUSES = frozenset({"ACTIVE", "FROZEN", "CLOSED", "MERGED", "ERASED"})
FIGURES = ("earned", "redeemed", "expired", "clawed_back")
"""The lifetime figures of an account."""


class Unreadable(Exception):
    """A row, or a part of it, is not what it should be."""

    def __init__(self, law: str, detail: str) -> None:
        super().__init__(detail)
        self.law, self.detail = law, detail


def read_to_its_end(subject: str, judging: Iterable[Violation]) -> Iterator[Violation]:
    """What is found, and what cannot be read on the way as one more: a forged row must not end the audit."""
    try:
        yield from judging
    except Unreadable as wrong:
        yield Violation(wrong.law, subject, wrong.detail)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as wrong:
        yield Violation("rows", subject, f"cannot be read: {wrong!r}")


class Entry(NamedTuple):
    """One line of an account's history; instants as they are written."""

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
    lots: tuple[Change, ...]
    hold_id: str | None
    hold_lots: tuple[Change, ...]
    hold_until: str | None
    why: list[Any]

    @property
    def occurred_at(self) -> datetime:
        """When what it records was decided."""
        return datetime.fromisoformat(self.occurred)

    @property
    def recorded_at(self) -> datetime:
        """When it was written."""
        return datetime.fromisoformat(self.recorded)

    def said(self, name: str) -> Any:
        """What the first reason says of ``name``."""
        return self.why[0].get(name) if self.why and isinstance(self.why[0], dict) else None

    def __str__(self) -> str:
        return f"entry {self.sequence} ({self.kind} {self.reason} {self.points})"


class Standing(NamedTuple):
    """What the rules remember of a member; what no law is about is left out."""

    orders: int
    first: str
    used: dict[str, dict[str, int]]
    """By cap and stretch of the calendar."""
    goals: dict[str, dict[str, tuple[int, int]]]
    """By rule and stretch: done, and granted."""
    due: Day
    opened: Day
    """The day on which the first entry was recorded; of an account from before it was kept None."""
    spent: dict[str, int]
    """By month, in minor units."""


class Account(NamedTuple):
    """What is kept of a member beside the history; ``holds`` by id, each with its end and what it keeps."""

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
    standing: Standing
    due: dict[str, str]
    held_until: str | None = None
    """The instant that a message waits for."""

    @property
    def balance(self) -> int:
        """Points in lots and holds, less the debt."""
        held = sum(sum(lots.values()) for _, lots in self.holds.values())
        return sum(points for _, points in self.lots) + held - self.debt


class Spent(NamedTuple):
    """A redemption (``status`` None) or a hold."""

    id: str
    at: str
    spent: Lots
    order: str | None
    """As entries name it in their source."""
    restored: int
    answer: Mapping[str, Any]
    points: int | None
    status: str | None
    until: str | None


_SEEN = frozenset({"login", "opened"})
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)
_WHOLE = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{6})?Z", re.ASCII)


def _not_whole(text: str) -> NoReturn:
    raise Unreadable("whole numbers", f"{text} is not whole")


_JSON = json.JSONDecoder(parse_float=_not_whole, parse_constant=_not_whole)


def _parse(text: str) -> Any:
    try:
        return _JSON.decode(text)
    except ValueError as wrong:
        raise Unreadable("rows", f"no JSON: {wrong}") from wrong


def whole_number(value: object) -> int:
    """A number out of JSON, which must be whole."""
    if type(value) is not int:
        raise Unreadable("whole numbers", f"{value!r} is no whole number")
    return value


def whole_numbers(row: Mapping[str, object]) -> dict[str, int]:
    """Whole numbers by name."""
    return {name: whole_number(value) for name, value in row.items()}


def read_day(value: object) -> Day:
    """A day, or None."""
    if value is not None and not (isinstance(value, str) and _DAY.fullmatch(value)):
        raise Unreadable("rows", f"{value!r} is no day")
    return value


def read_month(value: object) -> str:
    """A month, as ``2026-11``."""
    if not isinstance(value, str) or not _MONTH.fullmatch(value):
        raise Unreadable("rows", f"{value!r} is no month")
    return value


def read_instant(value: object) -> str:
    """An instant, as it is written."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise Unreadable("rows", f"{value!r} is no instant in UTC")
    return value


def _key(row: list[Any]) -> LotKey:
    return read_day(row[1]), read_day(row[2]) if len(row) > 2 else None  # noqa: PLR2004 - the optional third column


def _changes(rows: list[Any] | None) -> tuple[Change, ...]:
    return tuple(Change(whole_number(row[0]), _key(row)) for row in rows or ())


def read_lots(rows: Sequence[Any] | None) -> Lots:
    """Lots that are all there once."""
    found = {_key(row): whole_number(row[0]) for row in rows or ()}
    if len(found) != len(rows or ()):
        raise Unreadable("rows", f"a lot stands twice in {rows}")
    return found


class Fields:
    """Attributes of one row, by the type they must have."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def _value(self, name: str, kind: str) -> Any:
        typed = self._row.get(name)
        if typed is None:
            return None
        if kind not in typed:
            raise Unreadable("rows", f"{name} is of type {', '.join(typed)}, not {kind}")
        return typed[kind]

    def _there(self, name: str, value: Any) -> Any:
        if value is None:
            raise Unreadable("rows", f"{name} is missing")
        return value

    def text(self, name: str) -> str:
        """Text that must be there."""
        return str(self._there(name, self._value(name, "S")))

    def optional(self, name: str) -> str | None:
        """Text; None where there is none."""
        value = self._value(name, "S")
        return None if value is None else str(value)

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number, which must be there unless there is a default."""
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

    def roomy(self, name: str) -> Any:
        """JSON text, or deflated in a binary where it is long; None where there is none."""
        return self.packed(name) if "B" in self._row.get(name, ()) else self.plain(name)

    def flag(self, name: str) -> bool:
        """Whether it is there and true."""
        return bool(self._value(name, "BOOL"))


def read_account(member: str, row: Fields) -> Account:
    """The row ``A`` of a member."""
    if row.text("status") not in _STATUSES:
        raise Unreadable("rows", f"{row.text('status')} is no status")
    if row.whole("revision") < 1:
        raise Unreadable("rows", "an account that is there was written at least once")
    reminded = {read_day(day) or "": _read_mark(mark) for day, mark in (row.plain("reminded") or {}).items()}
    marks, told_on, held_until = row.plain("told") or ({}, None, None)
    for mark in marks.values():
        _read_mark(mark)
    read_day(told_on)
    if held_until is not None:
        held_until = read_instant(held_until)
    return Account(
        member=member,
        version=row.whole("version"),
        in_lots=row.whole("in_lots"),
        debt=row.whole("debt"),
        figures={name: row.whole(name) for name in FIGURES},
        lots=list(read_lots(row.plain("lots")).items()),
        holds={name: (read_instant(until), read_lots(rows)) for name, until, rows in row.plain("holds") or ()},
        reminded=reminded,
        head_hash=row.optional("head_hash") or "",
        standing=_read_standing(row.roomy("standing") or {}),
        due={
            name: value for name in ("shard", "due_expiry", "due_reminder") if (value := row.optional(name)) is not None
        },
        held_until=held_until,
    )


def _read_mark(mark: Any) -> tuple[int, bool]:
    """The lead that was sent, and whether a channel still waits."""
    if isinstance(mark, int):
        return whole_number(mark), False
    lead, waiting, _worker, at, *more = mark
    tries, tried_at, _reached = more or (0, None, False)
    for instant in (at, tried_at):
        if instant is not None:
            read_instant(instant)
    whole_number(tries)
    return whole_number(lead), bool(waiting)


def _read_standing(row: Mapping[str, Any]) -> Standing:
    seen = {kind: read_day(day) for kind, day in row.get("seen", {}).items()}
    if not seen.keys() <= _SEEN:
        raise Unreadable("rows", f"{sorted(seen)} were seen of a member")
    if "goal" in row:
        reward, points = row["goal"]
        if not isinstance(reward, str) or whole_number(points) < 1:
            raise Unreadable("rows", f"{row['goal']} is nothing to save for")
    return Standing(
        orders=whole_number(row.get("orders", 0)),
        first=row.get("first", ""),
        used={key: whole_numbers(windows) for key, windows in row.get("used", {}).items()},
        goals={
            rule: {name: (whole_number(done), whole_number(granted)) for name, (done, granted, *_) in windows.items()}
            for rule, windows in row.get("goals", {}).items()
        },
        due=read_day(row.get("due")),
        opened=seen.get("opened"),
        spent={read_month(month): whole_number(amount) for month, amount in row.get("spent", {}).items()},
    )


def read_entry(member: str, sequence: int, row: Fields) -> Entry:
    """A row ``E#sequence`` of a member."""
    hold_id, hold_lots, until = row.plain("hold") or (None, None, None)
    source_type, source_id = row.plain("source")
    return Entry(
        member=member,
        sequence=sequence,
        kind=row.text("kind"),
        reason=row.text("reason"),
        points=row.whole("points"),
        balance_after=row.whole("balance_after"),
        source=(source_type, source_id),
        actor=row.text("actor"),
        occurred=read_instant(row.text("occurred_at")),
        recorded=read_instant(row.text("recorded_at")),
        previous_hash=row.text("previous_hash"),
        hash=row.text("hash"),
        debt=row.whole("debt", 0),
        lots=_changes(row.plain("lots")),
        hold_id=hold_id,
        hold_lots=_changes(hold_lots),
        hold_until=None if until is None else read_instant(until),
        why=row.roomy("why") or [],
    )


def read_spent(member: str, prefix: str, name: str, row: Fields) -> Spent:
    """A row ``R#name`` (prefix ``rd``) or ``H#name`` (``hd``) of a member."""
    encoded = base64.urlsafe_b64encode(member.encode()).rstrip(b"=").decode()
    _fingerprint, answer = row.plain("receipt")
    row.packed("receipts")
    hold = prefix == "hd"
    order_id, shop = row.optional("order_id"), row.optional("shop")
    return Spent(
        id=f"{prefix}.{encoded}.{name}",
        at=read_instant(row.text("at")),
        spent=read_lots(row.plain("spent")),
        order=f"{shop}:{order_id}" if order_id is not None and shop is not None else order_id,
        restored=row.whole("restored", 0),
        answer=answer,
        points=row.whole("points") if hold else None,
        status=row.text("status") if hold else None,
        until=read_instant(row.text("expires_at")) if hold else None,
    )


def digest(entry: Entry) -> str:
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
