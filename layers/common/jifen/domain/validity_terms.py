"""Policies of validity as the program declares them: who qualifies, and what becomes of the points they have.

{"id": "loyal", "starts_on": "2027-01-01", "when": {"spent": {"months": 3, "each_minor": 50000}},
"extend": {"months": 6}}
{"id": "sleepy", "starts_on": "2027-01-01", "when": {"inactive": {"months": 2, "without": ["login"],
"known_since": "2026-10-01"}}, "leave": {"months": 3}}
{"id": "dormant", "starts_on": "2027-01-01", "when": {"inactive": {"days": 365, "without": ["login"],
"known_since": "2026-10-01"}}, "void": {"share": "0.50", "notice_days": 30}}
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Any

from jifen.domain.reader import Section, decimal

ACTIVITIES = ("login", "order")
"""What a member can be missed for."""

POLICIES_MAX = 10
SPENT_MONTHS_MAX = 24


class Effect(StrEnum):
    """What a policy does to points."""

    EXTEND = "extend"
    LEAVE = "leave"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Spent:
    """In each of the last ``months`` whole months, ``each_minor`` or more was spent (net, of the program's currency).

    Looked at ``wait_days`` after the end of a month, so that what is given back soon does not count.
    """

    months: int
    each_minor: int
    wait_days: int = 0


@dataclass(frozen=True, slots=True)
class Inactive:
    """None of ``without`` for so many months and days; nobody is missed from before ``known_since``."""

    known_since: date
    months: int = 0
    days: int = 0
    without: tuple[str, ...] = ("login",)


@dataclass(frozen=True, slots=True)
class Policy:
    """One declared policy.

    Attributes:
        when: who qualifies.
        months: by how many months dates are extended, or how many are left.
        days: how many days are left, besides months.
        share: of the points that is voided.
        notice_days: the member is told so many days before anything is voided.
    """

    id: str
    effect: Effect
    when: Spent | Inactive
    starts_on: date
    months: int = 0
    days: int = 0
    share: Fraction = Fraction(0)
    notice_days: int = 30


def policies(root: Section) -> tuple[Policy, ...]:
    """The program's section ``validity``."""
    section = root.section("validity", ("policies",))
    found = [_policy(one) for one in section.sections("policies", POLICIES_MAX, _POLICY)]
    if len({one.id for one in found}) != len(found):
        section.fault("policies", "an id is named twice")
    return tuple(found)


_POLICY = ("id", "starts_on", "when", *Effect)


def policies_plain(declared: Iterable[Policy]) -> list[dict[str, Any]]:
    """The policies as a program file has them; :func:`policies` reads them back."""
    return [_plain(policy) for policy in declared]


def _plain(policy: Policy) -> dict[str, Any]:
    match policy.effect:
        case Effect.EXTEND:
            does: dict[str, Any] = {"months": policy.months}
        case Effect.LEAVE:
            does = {"months": policy.months, "days": policy.days}
        case Effect.VOID:
            does = {"share": decimal(policy.share), "notice_days": policy.notice_days}
    when = asdict(policy.when)
    if isinstance(policy.when, Inactive):
        when |= {"known_since": policy.when.known_since.isoformat(), "without": list(policy.when.without)}
    name = "spent" if isinstance(policy.when, Spent) else "inactive"
    head = {"id": policy.id, "starts_on": policy.starts_on.isoformat()}
    return {**head, "when": {name: when}, str(policy.effect): does}


def _policy(section: Section) -> Policy:
    named = [effect for effect in Effect if effect in section]
    if len(named) != 1:
        section.fault("when", f"comes with one of {', '.join(Effect)}")
    effect = named[0] if named else Effect.EXTEND
    does = section.section(effect, _DOES[effect])
    found = Policy(
        id=section.name("id"),
        effect=effect,
        when=_when(section),
        starts_on=section.day("starts_on"),
        months=does.whole("months", 0, 120, 0) if effect is not Effect.VOID else 0,
        days=does.whole("days", 0, 3_650, 0) if effect is Effect.LEAVE else 0,
        share=(does.share("share") or Fraction(0)) if effect is Effect.VOID else Fraction(0),
        notice_days=does.whole("notice_days", 1, 365, 30) if effect is Effect.VOID else 30,
    )
    if effect is Effect.VOID and not found.share:
        does.fault("share", "is missing, or nothing")
    if effect is not Effect.VOID and not (found.months or found.days):
        does.fault("months", "is missing, or nothing")
    if effect is not Effect.EXTEND and isinstance(found.when, Spent):
        section.fault("when", f"is spent, and spending is no reason to {effect} anything")
    return found


_DOES = {Effect.EXTEND: ("months",), Effect.LEAVE: ("months", "days"), Effect.VOID: ("share", "notice_days")}


def _when(section: Section) -> Spent | Inactive:
    when = section.section("when", ("spent", "inactive"))
    if ("spent" in when) == ("inactive" in when):
        section.fault("when", "is not one of spent and inactive")
    if "spent" in when:
        spent = when.section("spent", ("months", "each_minor", "wait_days"))
        return Spent(
            months=spent.whole("months", 1, SPENT_MONTHS_MAX),
            each_minor=spent.whole("each_minor", 1, 10**12),
            wait_days=spent.whole("wait_days", 0, 90, 0),
        )
    missed = when.section("inactive", ("known_since", "months", "days", "without"))
    without = missed.texts("without", 1) or ("login",)
    for name in without:
        if name not in ACTIVITIES:
            missed.fault("without", f"is not of {', '.join(ACTIVITIES)}")
    found = Inactive(
        known_since=missed.day("known_since"),
        months=missed.whole("months", 0, 120, 0),
        days=missed.whole("days", 0, 3_650, 0),
        without=tuple(dict.fromkeys(without)),
    )
    if not (found.months or found.days):
        missed.fault("months", "is missing, or nothing")
    return found
