"""Facts of notices that nobody got: for looking at what a message says. And facts that somebody else gives, checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from jifen.domain.errors import Fault, InvalidInput
from jifen.domain.notices import NoticeKind
from jifen.domain.points import POINTS_MAX

TEXT_MAX = 128
"""Characters of a text among facts, as of an id."""

AVAILABLE = 1_230
"""Points that the member of the samples can spend."""

Facts = Mapping[str, Any]


def sample(kind: NoticeKind, today: date, currency: str) -> dict[str, Any]:
    """Facts of a notice of this kind, as of ``today``."""
    ahead = (today + timedelta(days=7)).isoformat()
    before = (today - timedelta(days=300)).isoformat()
    made: Mapping[NoticeKind, dict[str, Any]] = {
        NoticeKind.POINTS_EXPIRING: {"points": 120, "lot_expires_on": ahead, "lead_days": 7, "days_left": 7},
        NoticeKind.BALANCE_REACHED: {
            "amount": 1_000,
            "available": AVAILABLE,
            "worth": {"amount_minor": 1_230, "currency": currency},
        },
        NoticeKind.DORMANT: {
            "policy": "dormant",
            "since": before,
            "voids_on": (today + timedelta(days=30)).isoformat(),
            "points": 615,
            "share": "0.50",
        },
        NoticeKind.TIER_REACHED: {"tier": "gold", "title": "Gold", "since": today.isoformat()},
        NoticeKind.TIER_AT_RISK: {
            "tier": "gold",
            "title": "Gold",
            "until": (today + timedelta(days=30)).isoformat(),
            "falls_to": "silver",
            "falls_to_title": "Silver",
            "by": "points",
            "missing": 300,
        },
        NoticeKind.REWARD_AFFORDABLE: {"reward_id": "tea-cup", "title": "Tea cup", "points": 500},
    }
    return made[kind]


def checked(given: Facts, usual: Facts) -> dict[str, Any]:
    """The usual facts with those that are given in their place.

    Raises:
        InvalidInput: a fact that there is none of, or one of another form.
    """
    faults = [Fault(f"facts.{name}", why) for name, one in given.items() if (why := _wrong(name, one, usual))]
    if faults:
        raise InvalidInput(faults)
    return {**usual, **given}


def _wrong(name: str, value: object, usual: Facts) -> str:
    """What is wrong with a fact; empty where nothing is."""
    if name not in usual:
        return f"is no fact of this notice, which has {', '.join(usual)}"
    if name == "worth":
        return "" if value is None or _is_money(value) else "is neither null nor an amount of money"
    if name == "missing" and (value is None or _is_money(value)):
        return ""
    if isinstance(usual[name], int):
        good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= POINTS_MAX
        return "" if good else f"is not a whole number from 0 to {POINTS_MAX}"
    if not isinstance(value, str) or not 1 <= len(value) <= TEXT_MAX:
        return f"is not a text of 1 to {TEXT_MAX} characters"
    return "" if not _is_day(usual[name]) or _is_day(value) else "is not a day such as 2026-11-26"


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_money(value: object) -> bool:
    if not isinstance(value, Mapping) or value.keys() != {"amount_minor", "currency"}:
        return False
    amount, currency = value["amount_minor"], value["currency"]
    whole = isinstance(amount, int) and not isinstance(amount, bool) and 0 <= amount <= POINTS_MAX
    return whole and isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isupper()  # noqa: PLR2004 - ISO 4217
