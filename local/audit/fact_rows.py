"""Rows that rules, operators and members' events wrote: ``facts`` by name, and one long text, packed.

K event    N value used up    I answer     V version    F in force    S rules    D draft    G campaign    L line
TR transfer    PW points password
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from local.audit.lots import Lots
from local.audit.rows import Fields, Unreadable, read_day, read_instant, read_lots, whole_number, whole_numbers

_STATUSES = {
    "K": {"AWARDED", "NOTHING", "IN_REVIEW", "REJECTED"},
    "V": {"DRAFT", "PUBLISHED"},
    "D": {"DRAFT", "SCHEDULED", "CANCELED"},
    "G": {"ACTIVE", "PAUSED", "ENDED", "CANCELED"},
    "TR": {"SENT", "CANCELED"},
}


class Receipt(NamedTuple):
    """An event that was taken in; ``gifts`` are the points that its answer says the inviter got."""

    event_id: str
    type: str
    at: str
    status: str
    points: int
    proposed: dict[str, int]
    decided_by: str
    data: Mapping[str, Any]
    gifts: int
    cost: int
    """What a made-up day took."""
    due: tuple[str | None, str | None]
    """Shard and key in the index of what waits."""

    @property
    def happened(self) -> datetime:
        """When."""
        return datetime.fromisoformat(self.at)


class Transfer(NamedTuple):
    """Points that were given: ``sent`` are the lots they came from, ``received`` those they went into."""

    id: str
    to: str
    points: int
    sent: Lots
    received: Lots
    canceled: bool


class Version(NamedTuple):
    """A version of the program."""

    fingerprint: str
    program: str
    published: bool
    published_by: str
    published_at: str | None


class InForce(NamedTuple):
    """Which version counts."""

    number: int
    highest: int
    previous: int
    fingerprint: str
    program: str
    since: str | None


class Draft(NamedTuple):
    """A campaign as it was prepared, and the version that took it in."""

    status: str
    number: int


class State(NamedTuple):
    """What a campaign says of itself."""

    status: str
    given: int
    taken_back: int
    awards: int
    kept_minor: int


class Line(NamedTuple):
    """One thing that an operator did."""

    at: str
    id: str
    actor: str
    action: str
    target: str
    details: Mapping[str, Any]


def short(*parts: str) -> str:
    """22 characters that stand for texts, as keys have them."""
    lengths = "\n".join(f"{len(part)}\n{part}" for part in parts)
    return base64.urlsafe_b64encode(hashlib.sha256(lengths.encode()).digest()).decode()[:22]


def _facts(row: Fields, kind: str = "") -> Mapping[str, Any]:
    row.whole("version")
    facts: Mapping[str, Any] = row.plain("facts")
    if kind and facts["status"] not in _STATUSES[kind]:
        raise Unreadable("rows", f"{facts['status']} is no status")
    return facts


def _named(key: str, name: str) -> None:
    if key != name:
        raise Unreadable("rows", f"stands under {key}, which is not {name}")


def read_receipt(name: str, row: Fields) -> Receipt:
    """A row ``K#name`` of a member."""
    facts, answer = _facts(row, "K"), row.packed("text")
    _named(name, short(facts["event_id"]))
    gifts = (line.get("points", 0) for line in answer.get("why", ()) if line.get("to") == "inviter")
    return Receipt(
        event_id=facts["event_id"],
        type=facts["type"],
        at=read_instant(facts["at"]),
        status=facts["status"],
        points=whole_number(facts["points"]),
        proposed=whole_numbers(facts["proposed"]),
        decided_by=facts["decided_by"],
        data=facts["data"],
        gifts=sum(whole_number(points) for points in gifts),
        cost=whole_number(answer.get("cost", 0)),
        due=(row.optional("shard"), row.optional("due_expiry")),
    )


def read_mark(name: str, row: Fields) -> tuple[str, str, str]:
    """A row ``N#name`` of a member: rule, value and the event that used it up."""
    facts = _facts(row)
    _named(name, short(facts["rule"], facts["value"]))
    return facts["rule"], facts["value"], facts["event_id"]


def read_answered(row: Fields) -> None:
    """A row ``I``: it can be read, and nothing follows from it."""
    whole_number(_facts(row)["status"])
    row.packed("text")


def read_transfer(member: str, name: str, row: Fields) -> Transfer:
    """A row ``TR#name`` of a member."""
    facts = _facts(row)
    status = facts.get("status", "SENT")
    if status not in _STATUSES["TR"]:
        raise Unreadable("rows", f"{status} is no status")
    _named(name, facts["id"].rsplit(".", 1)[-1])
    _named(member, facts["member"])
    read_instant(facts["at"])
    read_day(facts.get("active_from"))
    points = whole_number(facts["points"])
    sent, received = (read_lots(facts.get(side, ())) for side in ("sent", "received"))
    return Transfer(facts["id"], facts["to"], points, sent, received, status == "CANCELED")


def read_password(row: Fields) -> None:
    """A row ``PW``: it can be read, and no point follows from it."""
    facts = _facts(row)
    if whole_number(facts.get("failures", 0)) < 0:
        raise Unreadable("rows", "fewer than no tries were wrong")
    for name in ("changed_at", "locked_until", "usable_from"):
        if facts.get(name) is not None:
            read_instant(facts[name])


def read_version(name: str, row: Fields) -> tuple[int, Version]:
    """A row ``V#name``."""
    facts, program = _facts(row, "V"), row.packed("text")
    _named(name, f"{int(name):06d}")
    published = facts["status"] == "PUBLISHED"
    at = facts["published_at"]
    if published != (at is not None) or published != bool(facts["published_by"]):
        raise Unreadable("rows", f"{facts['status']}, published by {facts['published_by']!r} at {at}")
    read_instant(facts["at"])
    return int(name), Version(facts["fingerprint"], program, published, facts["published_by"], at)


def read_in_force(row: Fields) -> InForce:
    """The row ``F``."""
    facts = _facts(row)
    number, highest, previous = (whole_number(facts[name]) for name in ("number", "highest", "previous"))
    return InForce(number, highest, previous, facts["fingerprint"], row.packed("text") or "", facts["since"])


def read_source(row: Fields) -> str:
    """A row ``S``: the text of rules."""
    whole_number(_facts(row)["number"])
    return str(row.packed("text"))


def read_draft(row: Fields) -> Draft:
    """A row ``D#id``."""
    facts = _facts(row, "D")
    row.packed("text")
    return Draft(facts["status"], whole_number(facts["number"]))


def read_state(row: Fields) -> State:
    """A row ``G``."""
    facts = _facts(row, "G")
    figures = tuple(whole_number(facts[name]) for name in ("given", "taken_back", "awards", "kept_minor"))
    if min(figures) < 0:
        raise Unreadable("rows", f"{figures} are below zero")
    return State(facts["status"], *figures)


def read_line(month: str, name: str, row: Fields) -> Line:
    """A row ``L#name`` of a month's audit."""
    facts, details = _facts(row), row.packed("text") or {}
    at = read_instant(facts["at"])
    _named(name, f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}#{facts['id']}")
    _named(month, at[:7])
    return Line(at, facts["id"], facts["actor"], facts["action"], facts["target"], details)
