"""Rows of orders: the facts as they are kept, and the awards that were made on them.

a bare award    [member, granted, last day, rates, currency, paid at, lapsed, what it counts as spent?]
any other       [member, parts, fingerprint of its rules, currency, paid at, pinned]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from local.audit.lots import Day, LotKey
from local.audit.rows import Fields, Unreadable, read_day, read_instant, read_month, whole_number, whole_numbers

_KIND, _TAX = 4, 5
_BARE, _RULED = 7, 6


class Part(NamedTuple):
    """Points of an award that went into one lot; ``lapsed`` of them were past their last day when they came."""

    points: int
    key: LotKey
    lapsed: int


class Pinned(NamedTuple):
    """What an award keeps of the moment it was first made, and what it counts elsewhere."""

    refused: Mapping[str, str] = {}
    rooms: Mapping[str, tuple[str, int]] = {}
    """By cap: the stretch of the calendar, and what was left."""
    budgets: Mapping[str, int] = {}
    grants: Mapping[str, int] = {}
    tasks: Mapping[str, tuple[str, int]] = {}
    """By task: the stretch, and what the order counts."""
    kept_minor: int = 0
    spent: tuple[str, int] | None = None
    """The month in which its buyer spent it, and how much."""


class Award(NamedTuple):
    """What a member was granted: by ``rates`` (points, per how much, rounding), or by rules in the table."""

    member: str
    parts: tuple[Part, ...]
    rates: list[tuple[int, int, str]] | None
    fingerprint: str
    currency: str | None
    paid_at: str
    pinned: Pinned = Pinned()

    @property
    def granted(self) -> int:
        """The points of all parts."""
        return sum(part.points for part in self.parts)

    @property
    def counts(self) -> bool:
        """Whether the order is one that was kept."""
        return (self.granted if self.rates is not None else self.pinned.kept_minor) > 0


class Order(NamedTuple):
    """The facts of an order, as its row has them, and what became of them."""

    name: str
    """As entries name it in their source."""
    long_name: str
    """As accounts name it: the shop comes first, always."""
    paid: list[Any] | None
    refunds: list[Any]
    cancelled: bool
    award: Award | None
    referral: Award | None
    forgiven: dict[str, int]

    @property
    def awards(self) -> list[tuple[Award, bool]]:
        """Its awards, each with whether it is the inviter's."""
        found = ((self.award, False), (self.referral, True))
        return [(award, inviter) for award, inviter in found if award is not None]


def read_order(shop: str, order_id: str, row: Fields) -> Order:
    """The row ``O`` of an order."""
    award, referral, forgiven = row.roomy("award"), row.roomy("referral"), row.plain("forgiven") or {}
    row.whole("version")
    paid, refunds = row.packed("paid"), row.packed("refunds") or []
    if paid is not None:
        read_instant(paid[1])
        for line in paid[4]:
            _check_line(line)
    return Order(
        name=order_id if shop == "standard" else f"{shop}:{order_id}",
        long_name=f"{shop}#{order_id}",
        paid=paid,
        refunds=refunds,
        cancelled=row.flag("cancelled"),
        award=None if award is None else _read_award(award),
        referral=None if referral is None else _read_award(referral),
        forgiven=whole_numbers(forgiven),
    )


def _check_line(line: list[Any]) -> None:
    whole_number(line[2])
    if len(line) > _TAX and not 0 <= whole_number(line[_TAX]) <= line[2]:
        raise Unreadable("rows", f"{line} has more tax than it costs")


def _read_award(row: list[Any]) -> Award:
    if len(row) in {_BARE, _BARE + 1}:
        member, granted, day, rules, currency, at, lapsed, *spent = row
        rates = [(whole_number(points), whole_number(per), rounding) for _, points, per, rounding in rules]
        pinned = Pinned(spent=_read_spent(spent[0])) if spent else Pinned()
        return Award(member, (_part(granted, day, None, lapsed),), rates, "", currency, read_instant(at), pinned)
    member, parts, name, currency, at, pinned = row
    return Award(
        member, tuple(_part(*part) for part in parts), None, name, currency, read_instant(at), _read_pinned(pinned)
    )


def _part(points: object, last: object, first: object, lapsed: object) -> Part:
    return Part(whole_number(points), _key(last, first), whole_number(lapsed))


def _key(last: object, first: object) -> tuple[Day, Day]:
    return read_day(last), read_day(first)


def _read_pinned(row: Mapping[str, Any]) -> Pinned:
    return Pinned(
        refused=row.get("refused", {}),
        rooms={key: (name, whole_number(room)) for key, (name, room) in row.get("rooms", {}).items()},
        budgets=whole_numbers(row.get("budgets", {})),
        grants=whole_numbers(row.get("grants", {})),
        tasks={key: (name, whole_number(amount)) for key, (name, amount) in row.get("tasks", {}).items()},
        kept_minor=whole_number(row.get("kept", 0)),
        spent=_read_spent(row["spent"]) if "spent" in row else None,
    )


def _read_spent(row: list[Any]) -> tuple[str, int]:
    month, amount = row
    return read_month(month), whole_number(amount)
