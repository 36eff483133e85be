"""What a policy of validity does to an account on a day, worked out a second time: from the program file and from rows.

    policy, memory, today ──since, window──> whether it is due, and for what
    policy, lots, today ────────────────────> the lots that move and their new days; how many points are voided

Nothing here calls the ledger. Days are ISO texts where they stand in rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from local.audit.lots import Day, LotKey, Lots, is_past

Data = Mapping[str, Any]

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Known:
    """What the row of an account says: ``memory`` of the member, days ``reminded`` of, ``marks`` of what was told.

    ``held``: a hold is open.
    """

    memory: Data
    reminded: Collection[str]
    marks: Mapping[str, Any]
    held: bool


@dataclass(frozen=True)
class Mark:
    """What a member was told of a void that every channel has: by policy and share, for an absence."""

    policy: str
    share: Fraction
    since: str
    voids_on: str
    points: int | None


def told(known: Known) -> Iterator[Mark]:
    """The notices that nothing waits for."""
    for name, mark in known.marks.items():
        kind, _, rest = name.partition("/")
        parts = rest.split("/")
        if kind != "points.dormant" or not isinstance(mark, int) or not parts[2][:1].isdecimal():
            continue
        policy, _, share = parts[0].partition("@")
        points = int(parts[3]) if len(parts) > 3 else None  # noqa: PLR2004 - what it said of points comes last
        yield Mark(policy, Fraction(share), parts[1], parts[2], points)


def effect(policy: Data) -> str:
    """What the policy does."""
    return next(name for name in ("extend", "leave", "void") if name in policy)


def later(day: date, months: int, days: int = 0) -> date:
    """So many months on, or the last day of that month where it has no such day; and so many days after that."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, _last_of(year, month + 1))) + timedelta(days=days)


def _last_of(year: int, month: int) -> int:
    return (date(year + month // 12, month % 12 + 1, 1) - DAY).day


# Whether it is due ---------------------------------------------------------------------------------------------------


def since(policy: Data, known: Known) -> str:
    """Since when a member is missed."""
    when, seen = policy["when"]["inactive"], known.memory.get("seen", {})
    days = [when["known_since"], seen.get("opened")]
    if "login" in when["without"]:
        days.append(seen.get("login"))
    if "order" in when["without"]:
        days += known.memory.get("paid", ())
    return str(max(filter(None, days)))


def absent_on(policy: Data, day: str) -> date:
    """The first day on which an absence since ``day`` is one that the policy is about."""
    when = policy["when"]["inactive"]
    return later(date.fromisoformat(day), when.get("months", 0), when.get("days", 0)) + DAY


def windows(policy: Data, known: Known, today: date) -> list[list[str]]:
    """The stretches of months that enough was spent in, and that are looked at by now."""
    when, spent = policy["when"]["spent"], known.memory.get("spent", {})
    found = []
    for last in sorted(spent):
        first = date.fromisoformat(f"{last}-01")
        names = [f"{later(first, back):%Y-%m}" for back in range(1 - when["months"], 1)]
        looked_at = max(later(first, 1, when.get("wait_days", 0)), date.fromisoformat(policy["starts_on"]))
        # A month that was over before the policy began is none of its months.
        begun = later(first, 1, when.get("wait_days", 0)) >= date.fromisoformat(policy["starts_on"])
        if looked_at <= today and begun and all(spent.get(name, 0) >= when["each_minor"] for name in names):
            found.append(names)
    return found


def is_due(policy: Data, known: Known, lots: Lots, today: date) -> bool:
    """Whether the policy has something to do to an account that has these lots, by what it was applied for before."""
    before = known.memory.get("applied", {}).get(policy["id"], "")
    if not any(not is_past(key[0], today.isoformat()) for key in lots):
        return False
    if "spent" in policy["when"]:
        return any(names[0] > before for names in windows(policy, known, today))
    day = since(policy, known)
    due = max(absent_on(policy, day), date.fromisoformat(policy["starts_on"])) <= today
    if effect(policy) == "void":
        marks = [one for one in told(known) if is_of(one, policy, day)]
        due = due and any(one.voids_on <= today.isoformat() for one in marks) and bool(voided(policy, lots, today))
    return due and day > before


def is_of(mark: Mark, policy: Data, day: str) -> bool:
    """Whether a notice is of this policy, as it is, and of an absence since ``day``."""
    right = (mark.policy, mark.share, mark.since) == (policy["id"], Fraction(policy["void"]["share"]), day)
    return right and mark.voids_on >= policy["starts_on"]


# What it does --------------------------------------------------------------------------------------------------------


def room(begins: date, leads: Collection[int]) -> date:
    """The first last day of points that leaves every reminder to be sent from tomorrow on."""
    return begins + timedelta(days=max(leads, default=0)) + DAY


def moves(policy: Data, data: Data, known: Known, lots: Lots, today: date) -> dict[LotKey, Day]:
    """The lots that move, each with its new last day."""
    found: dict[LotKey, Day] = {}
    for key in lots:
        if is_past(key[0], today.isoformat()):
            continue
        if "extend" in policy:
            if key[0] is not None:
                new = later(date.fromisoformat(key[0]), policy["extend"]["months"])
                if data["expiry"].get("round_up_to") == "month_end":
                    new = new.replace(day=_last_of(new.year, new.month))
                found[key] = new.isoformat()
            continue
        begins = max(today, date.fromisoformat(key[1])) if key[1] else today
        left = policy["leave"]
        new = max(
            later(begins, left.get("months", 0), left.get("days", 0)), room(begins, data["reminders"]["lead_days"])
        )
        while new.isoformat() in known.reminded:
            new += DAY
        if key[0] is None or new.isoformat() < key[0]:
            found[key] = new.isoformat()
    return {key: day for key, day in found.items() if day != key[0]}


def voided(policy: Data, lots: Lots, today: date) -> int:
    """How many points the share of a policy comes to."""
    share = Fraction(policy["void"]["share"])
    return sum(points for key, points in lots.items() if not is_past(key[0], today.isoformat())) * share // 1
