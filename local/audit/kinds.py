"""What each kind of entry does: the direction in which it moves points, and the lifetime figure it counts in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from local.audit.rows import Entry

REVERSED, COMPACTED = "EXPIRY_REVERSED", "LOTS_COMPACTED"
EXTENDED, SHORTENED = "VALIDITY_EXTENDED", "VALIDITY_SHORTENED"
TURNED_BACK, VOIDED = "VALIDITY_REVERSED", "POINTS_VOIDED"
REDATED, REASSESSED = "ORDER_REDATED", "ORDER_REASSESSED"
"""The reasons that name a form of their own."""
TAKEN_BACK = "TRANSFER_CANCELLED"
"""The reason of both sides of a transfer that was taken back."""
CREDITS = frozenset({"earn", "bonus", "import", "restore", "transfer_in"})
"""Kinds that give points, and so pay a debt."""
LIFETIME = {
    "earn": ("earned", 1),
    "bonus": ("earned", 1),
    "import": ("earned", 1),
    "redeem": ("redeemed", -1),
    "restore": ("redeemed", -1),
    "expire": ("expired", -1),
    "clawback": ("clawed_back", -1),
}
"""The lifetime figure that a kind counts in, and the sign of its points there; other kinds count in none."""


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
    "transfer_in": (_CREDIT,),
    "transfer_out": (_Form(_below, _below, _zero, _zero),),
    "redeem": (_Form(_below, _below, _zero, _zero), _Form(_below, _zero, _zero, _below)),
    "hold": (_Form(_zero, _below, _zero, _above),),
    "release": (_Form(_zero, _above, _not_above, _below),),
    "clawback": (_Form(_below, _below, _not_below, _zero),),
    "expire": (_Form(_below, _below, _zero, _zero),),
    REVERSED: (_Form(_above, _above, _not_above, _zero),),
    EXTENDED: (_Form(_zero, lambda _points: True, _zero, _zero),),
    SHORTENED: (_Form(_zero, lambda _points: True, _zero, _zero),),
    TURNED_BACK: (_Form(_zero, lambda _points: True, _not_above, _zero),),
    REDATED: (_Form(_zero, lambda _points: True, _not_above, _zero),),
    REASSESSED: (_Form(_zero, lambda _points: True, _not_above, _zero),),
    COMPACTED: (_Form(_zero, lambda _points: True, _zero, _zero),),
}
"""By kind, or by reason where one kind does several things; other kinds must add up and no more."""
_BY_REASON = frozenset(
    {
        ("expire", REVERSED),
        *(("adjust", reason) for reason in (REDATED, REASSESSED, COMPACTED, EXTENDED, SHORTENED, TURNED_BACK)),
    },
)
"""A reason names a form only with its kind: reasons of redemptions and holds are the callers' own words."""


def fits_its_kind(entry: Entry) -> bool:
    """Whether an entry moves points as its kind does; an unknown kind may do anything."""
    forms = _FORMS.get(entry.reason if (entry.kind, entry.reason) in _BY_REASON else entry.kind)
    return not forms or any(_fits(entry, form) for form in forms)


def _fits(entry: Entry, form: _Form) -> bool:
    return (
        form.points(entry.points)
        and form.debt(entry.debt)
        and all(form.lots(change.points) for change in entry.lots)
        and all(form.held(change.points) for change in entry.hold_lots)
    )
