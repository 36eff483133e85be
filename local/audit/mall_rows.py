"""Rows of the mall and of play: each field looked at, the keys that it fits, and where it stands among the deadlines.

RW reward    ST shard of a stock    WI wish    CD code put in    RO reward order    CP coupon
LT lottery   DW draw                AU auction BD bid

A document is its facts by name, what is left out filled in.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.audit.fact_rows import short
from local.audit.lots import Lots
from local.audit.rows import Fields, Unreadable, read_day, read_instant, read_lots, whole_number

OF_MEMBER = frozenset({"RO", "CP", "DW", "BD"})
"""Kinds that stand in a member's partition."""

NEVER = "ABANDONED"
"""The status of an order or draw that never was."""

ENDED = frozenset({"CANCELED", "RETURNED"})
"""The statuses of an order whose points are back."""

_PARTITIONS = 8
"""Of the index with deadlines."""
_PREFIXES = {"RO": "ro", "CP": "cp", "DW": "dw", "BD": "bd"}
_STATUSES = {
    "RW": {"ON_SHELF", "OFF_SHELF"},
    "RO": {
        "CREATED",
        "ADDRESS_DUE",
        "TO_SHIP",
        "SHIPPED",
        "FULFILLED",
        "FORFEITED",
        "CANCELED",
        "RETURNED",
        NEVER,
    },
    "CP": {"ISSUED", "USED", "VOID"},
    "LT": {"OPEN", "PAUSED", "CANCELED"},
    "DW": {"DRAWN", NEVER},
    "AU": {"OPEN", "SOLD", "UNSOLD", "CANCELED"},
    "BD": {"TOP", "OUTBID", "RAISED", "WON", "RELEASED"},
}
_LONG = {"RW": "content", "LT": "content", "AU": "content", "ST": "codes"}
"""What is kept apart, packed."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document of the mall or of play."""

    kind: str
    member: str
    """Whose it is; empty for nobody's."""
    facts: Mapping[str, Any]
    place: tuple[str, str]
    """Its keys."""
    due: tuple[str | None, str | None]
    """Shard and key in the index of deadlines."""

    def __getitem__(self, name: str) -> Any:
        """A fact by its name."""
        return self.facts[name]

    @property
    def posted(self) -> bool:
        """Whether it is an order or a draw that was made."""
        return bool(self.facts.get("status") != NEVER)

    @property
    def spent(self) -> Lots:
        """The lots that an order took."""
        return read_lots(self.facts["spent"])

    @property
    def steps(self) -> list[str]:
        """The way of an order."""
        return [step["status"] for step in self.facts["steps"]]

    def __str__(self) -> str:
        return f"{self.kind} {self.facts.get('id', self.place)} ({self.facts.get('status', '')})"


@dataclass
class Mall:
    """Every document by kind and id; shards by subject and number, marks and wishes by reward and what they are of."""

    rewards: dict[str, Document] = field(default_factory=dict)
    shards: dict[tuple[str, int], Document] = field(default_factory=dict)
    marks: dict[tuple[str, str], Document] = field(default_factory=dict)
    wishes: dict[tuple[str, str], Document] = field(default_factory=dict)
    orders: dict[str, Document] = field(default_factory=dict)
    coupons: dict[str, Document] = field(default_factory=dict)
    lotteries: dict[str, Document] = field(default_factory=dict)
    draws: dict[str, Document] = field(default_factory=dict)
    auctions: dict[str, Document] = field(default_factory=dict)
    bids: dict[str, Document] = field(default_factory=dict)
    readable: bool = True

    def take(self, document: Document) -> None:
        """Put a document with the others of its kind."""
        match document.kind:
            case "ST":
                self.shards[document["subject"], document["shard"]] = document
            case "CD":
                self.marks[document["reward"], document["code"]] = document
            case "WI":
                self.wishes[document["reward"], document["member"]] = document
            case kind:
                self._by_id()[kind][document["id"]] = document

    def _by_id(self) -> Mapping[str, dict[str, Document]]:
        return {
            "RW": self.rewards,
            "RO": self.orders,
            "CP": self.coupons,
            "LT": self.lotteries,
            "DW": self.draws,
            "AU": self.auctions,
            "BD": self.bids,
        }

    def every(self) -> Iterator[Document]:
        """All documents."""
        for named in self._by_id().values():
            yield from named.values()
        yield from (*self.shards.values(), *self.marks.values(), *self.wishes.values())

    def made(self) -> Iterator[Document]:
        """Orders and draws that were made: whoever can have pieces."""
        return (one for one in (*self.orders.values(), *self.draws.values()) if one.posted)


def is_of_mall(pk: str) -> bool:
    """Whether a partition has rows of the mall, of no member."""
    return pk.partition("#")[0] in {"C", "REWARDS", "LOTTERIES", "AUCTIONS"}


def is_bid(hold_id: str | None) -> bool:
    """Whether a hold is that of a bid."""
    return hold_id is not None and hold_id.startswith("bd.")


# Fields --------------------------------------------------------------------------------------------------------------


def _refuse(value: object, what: str) -> None:
    raise Unreadable("rows", f"{value!r} is no {what}")


def _text(value: Any) -> None:
    if not isinstance(value, str):
        _refuse(value, "text")


def _flag(value: Any) -> None:
    if not isinstance(value, bool):
        _refuse(value, "flag")


def _count(value: Any) -> None:
    if whole_number(value) < 0:
        _refuse(value, "number from 0 on")


def _object(value: Any) -> None:
    if not isinstance(value, dict):
        _refuse(value, "object")


def _counts(value: Any) -> None:
    """Numbers by shard."""
    _object(value)
    for name, number in value.items():
        if not (name.isascii() and name.isdecimal()):
            _refuse(name, "shard")
        _count(number)


def _texts(value: Any) -> None:
    if not isinstance(value, list):
        _refuse(value, "list")
    for one in value:
        _text(one)


def _row_of(size: int) -> _Check:
    def check(value: Any) -> None:
        _texts(value)
        if len(value) != size:
            _refuse(value, f"row of {size}")

    return check


def _list_of(check: _Check) -> _Check:
    def each(value: Any) -> None:
        if not isinstance(value, list):
            _refuse(value, "list")
        for one in value:
            check(one)

    return each


def _shaped(shape: Mapping[str, tuple[_Check, Any]]) -> _Check:
    def check(value: Any) -> None:
        _object(value)
        _filled(value, shape)

    return check


_Check = Callable[[Any], object]
_NEEDED = object()
_AT: tuple[_Check, Any] = (read_instant, _NEEDED)
_MAYBE_AT: tuple[_Check, Any] = (read_instant, None)
_NAME: tuple[_Check, Any] = (_text, _NEEDED)
_SAID: tuple[_Check, Any] = (_text, "")
_NUMBER: tuple[_Check, Any] = (_count, _NEEDED)
_NONE_YET: tuple[_Check, Any] = (_count, 0)
_BY_SHARD: tuple[_Check, Any] = (_counts, {})
_ANYTHING: tuple[_Check, Any] = (_object, {})
_COUNTED: tuple[_Check, Any] = (_list_of(_row_of(3)), [])

_RESERVED = {
    "pieces": _NUMBER,
    "until": _AT,
    "fence": _NONE_YET,
    "codes": (_texts, []),
    "mark": _NONE_YET,
}
_STEP = _shaped({"status": _NAME, "at": _AT, "by": _NAME, "note": _SAID})
_TOP = _shaped({"member": _NAME, "bid": _NAME, "points": _NUMBER, "at": _AT})

_SHAPES: Mapping[str, Mapping[str, tuple[_Check, Any]]] = {
    "RW": {
        "id": _NAME,
        "content": (_object, _NEEDED),
        "shards": _NUMBER,
        "by": _NAME,
        "at": _AT,
        "status": (_text, "ON_SHELF"),
        "since": _MAYBE_AT,
        "currency": (_text, None),
        "tell_from": _MAYBE_AT,
    },
    "ST": {
        "subject": _NAME,
        "shard": _NUMBER,
        "free": (_count, None),
        "sold": _NONE_YET,
        "stocked": _NONE_YET,
        "codes": (_texts, []),
        "reserved": (_object, {}),
        "pooled": (_flag, False),
    },
    "WI": {"reward": _NAME, "member": _NAME, "at": _AT, "told_at": _MAYBE_AT, "on": (_flag, True)},
    "CD": {"reward": _NAME, "code": _NAME, "request": _NAME},
    "RO": {
        "id": _NAME,
        "member": _NAME,
        "reward": _NAME,
        "kind": _NAME,
        "title": _NAME,
        "at": _AT,
        "status": _NAME,
        "quantity": (_count, 1),
        "points": _NONE_YET,
        "cash_minor": _NONE_YET,
        "currency": (_text, None),
        "spent": (read_lots, []),
        "restored": _NONE_YET,
        "counted": _COUNTED,
        "codes": (_texts, []),
        "pieces": _BY_SHARD,
        "marks": _BY_SHARD,
        "stock": _SAID,
        "returned": _NONE_YET,
        "put_back": (_flag, False),
        "back": _BY_SHARD,
        "due": _MAYBE_AT,
        "address": _ANYTHING,
        "shipping": _ANYTHING,
        "details": _ANYTHING,
        "source": (_row_of(2), None),
        "steps": (_list_of(_STEP), []),
    },
    "CP": {
        "id": _NAME,
        "member": _NAME,
        "reward": _NAME,
        "terms": (_object, _NEEDED),
        "at": _AT,
        "source": (_row_of(2), _NEEDED),
        "expires_on": (read_day, None),
        "status": (_text, "ISSUED"),
        "order": (_row_of(2), None),
        "used_at": _MAYBE_AT,
        "discount_minor": _NONE_YET,
        "currency": (_text, None),
    },
    "LT": {
        "id": _NAME,
        "content": (_object, _NEEDED),
        "seed": _NAME,
        "first_day": (read_day, _NEEDED),
        "days": _NUMBER,
        "commitment": _NAME,
        "zone": _NAME,
        "by": _NAME,
        "at": _AT,
        "status": (_text, "OPEN"),
        "canceled_on": (read_day, None),
    },
    "DW": {
        "id": _NAME,
        "member": _NAME,
        "lottery": _NAME,
        "at": _AT,
        "day": (read_day, _NEEDED),
        "attempt": _NUMBER,
        "client_seed": _NAME,
        "number": _NUMBER,
        "prize": _NAME,
        "cost": _NUMBER,
        "drawn": _SAID,
        "refunded": (_flag, False),
        "points": _NONE_YET,
        "commitment": _SAID,
        "terms": _SAID,
        "coupon": _SAID,
        "order": _SAID,
        "why": (_list_of(_object), []),
        "pieces": _BY_SHARD,
        "marks": _BY_SHARD,
        "stock": _SAID,
        "status": (_text, "DRAWN"),
    },
    "AU": {
        "id": _NAME,
        "content": (_object, _NEEDED),
        "opens_at": _AT,
        "closes_at": _AT,
        "by": _NAME,
        "at": _AT,
        "status": (_text, "OPEN"),
        "top": (_TOP, None),
        "bids": _NONE_YET,
        "order": _SAID,
    },
    "BD": {
        "id": _NAME,
        "member": _NAME,
        "auction": _NAME,
        "points": _NUMBER,
        "at": _AT,
        "status": (_text, "TOP"),
        "counted": _COUNTED,
    },
}


def _filled(facts: Mapping[str, Any], shape: Mapping[str, tuple[_Check, Any]]) -> dict[str, Any]:
    """The facts with what is left out, each looked at."""
    if unknown := sorted(facts.keys() - shape.keys()):
        raise Unreadable("rows", f"nothing is known of {', '.join(unknown)}")
    found = {}
    for name, (check, usual) in shape.items():
        if name not in facts:
            if usual is _NEEDED:
                raise Unreadable("rows", f"{name} is missing")
            found[name] = usual
            continue
        if facts[name] is not None or usual is not None:
            check(facts[name])
        found[name] = facts[name]
    return found


# Rows ----------------------------------------------------------------------------------------------------------------


def read_document(pk: str, sk: str, row: Fields) -> Document:
    """A row of the mall or of play."""
    kind, _, name = sk.partition("#")
    version, facts = row.whole("version"), row.plain("facts")
    if version < 1:
        raise Unreadable("rows", "a document that is there was written at least once")
    _object(facts)
    long, text = _LONG.get(kind), row.packed("text")
    if text is not None:
        if long is None or long in facts:
            raise Unreadable("rows", "has a text that belongs to nothing")
        facts = {**facts, long: text}
    facts = _filled(facts, _SHAPES[kind])
    if kind == "ST":
        facts["reserved"] = {name: _filled(one, _RESERVED) for name, one in facts["reserved"].items()}
    status = facts.get("status")
    if status is not None and status not in _STATUSES[kind]:
        _refuse(status, "status")
    _fits(kind, facts, pk, name)
    member = facts["member"] if kind in OF_MEMBER else ""
    return Document(kind, member, facts, (pk, sk), (row.optional("shard"), row.optional("due_expiry")))


def _fits(kind: str, facts: Mapping[str, Any], pk: str, name: str) -> None:
    """See that a document stands under its own keys."""
    match kind:
        case "RW" | "LT" | "AU":
            place = ({"RW": "REWARDS", "LT": "LOTTERIES", "AU": "AUCTIONS"}[kind], facts["id"])
        case "ST":
            place = (f"C#{facts['subject']}", f"{facts['shard']:04d}")
        case "WI":
            place = (f"C#{facts['reward']}", short(facts["member"]))
        case "CD":
            place = (f"C#{facts['reward']}", short(facts["code"]))
        case _:
            encoded = base64.urlsafe_b64encode(facts["member"].encode()).rstrip(b"=").decode()
            if facts["id"] != f"{_PREFIXES[kind]}.{encoded}.{name}":
                raise Unreadable("rows", f"stands under {name}, which is not {facts['id']}")
            place = (f"M#{facts['member']}", name)
    if place != (pk, name):
        raise Unreadable("rows", f"stands under {pk} {name}, which is not {' '.join(place)}")


def owner_of(document_id: str) -> tuple[str, str]:
    """The prefix of an id, and the member that it names; two empty texts where it is none."""
    try:
        prefix, encoded, _ = document_id.split(".")
        return prefix, base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        return "", ""


def due_of(document: Document) -> tuple[str | None, str | None]:
    """Where a document should stand in the index of deadlines."""
    at: str | None = None
    match document.kind:
        case "RW":
            at = document["tell_from"]
        case "ST":
            at = min((one["until"] for one in document["reserved"].values()), key=datetime.fromisoformat, default=None)
        case "RO" if document["put_back"]:
            at = document["steps"][-1]["at"] if document["steps"] else document["at"]
        case "RO" if document["status"] in {"CREATED", "ADDRESS_DUE"}:
            at = document["due"]
        case "AU" if document["status"] == "OPEN":
            at = document["closes_at"]
    if at is None:
        return None, None
    instant = datetime.fromisoformat(at).astimezone(UTC)
    keys = "#".join(document.place)
    number = hashlib.sha256(keys.encode()).digest()[0] % _PARTITIONS
    return f"deadline#{number}", f"{instant:%Y-%m-%dT%H:%M:%S.%fZ}#{keys}"
