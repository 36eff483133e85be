"""The program: rules, time zone, currency and policies of one deployment, read from plain data with every fault named.

``{}`` is a program. An unknown key is a fault, not a shrug: a misspelt ``expirey`` must never silently mean "default".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from jifen.domain import calendar
from jifen.domain.errors import InvalidProgram
from jifen.domain.notice_terms import NO_NOTICES, NoticeTerms, notice_terms
from jifen.domain.points import POINTS_MAX, Rounding
from jifen.domain.reader import Reader, Section
from jifen.domain.rules.model import RuleSet
from jifen.domain.rules.reading import DEFAULT_RULES, SECTIONS, rule_set
from jifen.domain.terms import (
    SPENDING_SECTIONS,
    HoldTerms,
    MallTerms,
    RedemptionTerms,
    SecurityTerms,
    TransferTerms,
    spending_terms,
)
from jifen.domain.validity import Expiry
from jifen.domain.validity_terms import Policy, policies

__all__ = [
    "POINTS_MAX",
    "ClawbackPolicy",
    "Expiry",
    "HoldTerms",
    "MallTerms",
    "Moment",
    "Program",
    "RedemptionTerms",
    "Rounding",
    "SecurityTerms",
    "TransferTerms",
    "parse_program",
]


class ClawbackPolicy(StrEnum):
    """What happens to the part of a clawback that the account cannot give back.

    ``debt``: owed, and shown as ``debt``; the next credits pay it. ``negative``: owed in the same way, shown as an
    ``available`` below zero. ``clamp``: forgiven.
    """

    DEBT = "debt"
    CLAMP = "clamp"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class Moment:
    """When a decision is made: ``now`` decides, ``recorded_at`` is written down, ``today`` is the day in ``zone``."""

    now: datetime
    recorded_at: datetime
    today: date
    zone: ZoneInfo


_UTC = ZoneInfo("UTC")
_REDEMPTION, _HOLD, _TRANSFER, _MALL, _SECURITY = (
    RedemptionTerms(),
    HoldTerms(),
    TransferTerms(),
    MallTerms(),
    SecurityTerms(),
)


@dataclass(frozen=True, slots=True)
class Program:
    """One deployment's rules and policies. ``currency`` None takes any currency."""

    zone: ZoneInfo = _UTC
    currency: str | None = None
    rules: RuleSet = DEFAULT_RULES
    expiry: Expiry = DEFAULT_RULES.expiry
    clawback: ClawbackPolicy = ClawbackPolicy.DEBT
    redemption: RedemptionTerms = _REDEMPTION
    holds: HoldTerms = _HOLD
    transfers: TransferTerms = _TRANSFER
    mall: MallTerms = _MALL
    security: SecurityTerms = _SECURITY
    lead_days: tuple[int, ...] = (30, 7, 3)
    policies: tuple[Policy, ...] = ()
    notices: NoticeTerms = NO_NOTICES

    def moment(self, now: datetime, recorded_at: datetime | None = None) -> Moment:
        """``now`` with its day in the program's zone; ``recorded_at`` when the wall clock says something else."""
        return Moment(now, recorded_at or now, calendar.local_day(now, self.zone), self.zone)


def parse_program(data: object) -> Program:
    """Read a program file.

    Args:
        data: what ``json.loads`` made of it.

    Raises:
        InvalidProgram: with every fault by its path.
    """
    reader = Reader()
    root = reader.root(data, (*SECTIONS, "clawback", *SPENDING_SECTIONS, "reminders", "validity", "notices"))
    zone, currency, expiry = root.zone("time_zone"), root.currency("currency"), root.expiry("expiry")
    program = Program(
        zone=zone,
        currency=currency,
        rules=rule_set(reader, root, zone=zone, currency=currency, expiry=expiry),
        expiry=expiry,
        clawback=ClawbackPolicy(root.choice("clawback", tuple(ClawbackPolicy), "debt")),
        **spending_terms(root, currency),
        lead_days=_leads(root),
        policies=policies(root),
        notices=notice_terms(root),
    )
    if reader.faults:
        raise InvalidProgram(reader.faults)
    return program


def _leads(root: Section) -> tuple[int, ...]:
    section = root.section("reminders", ("lead_days",))
    if "lead_days" not in section:
        return Program().lead_days
    leads = [
        section.item(f"lead_days[{index}]", item).whole(f"lead_days[{index}]", 0, 3_650, 0)
        for index, item in enumerate(section.items("lead_days", 20))
    ]
    if len(set(leads)) != len(leads):
        section.fault("lead_days", "a lead is named twice")
    return tuple(sorted(leads, reverse=True))
