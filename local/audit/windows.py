"""Stretches of the calendar by their names: 2026-11-26, 2026-W48, 2026-11, 2026, ever. Which of them are still kept."""

from __future__ import annotations

from datetime import date, timedelta

_DAYS_KEPT = 7
_BY_LENGTH = {10: "day", 8: "week", 7: "month", 4: "year"}


def window_of(per: str, day: date) -> str:
    """The stretch that a day is in."""
    if per == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return {"day": day.isoformat(), "month": f"{day:%Y-%m}", "year": f"{day:%Y}", "ever": "ever"}[per]


def oldest_kept(per: str, today: date) -> str:
    """The oldest stretch that is counted on ``today``: a week of days, else this one and the one before."""
    before = {
        "day": today - timedelta(days=_DAYS_KEPT),
        "week": today - timedelta(days=7),
        "month": today.replace(day=1) - timedelta(days=1),
        "year": date(today.year - 1, 1, 1),
    }
    return window_of(per, before[per]) if per in before else ""


def window_for(per: str, day: date, today: date) -> str:
    """The stretch in which something of ``day`` counts: its own while that is kept, else that of ``today``."""
    name = window_of(per, day)
    return name if name >= oldest_kept(per, today) else window_of(per, today)


def is_kept(name: str, today: date) -> bool:
    """Whether the stretch of this name is counted on ``today``."""
    per = _BY_LENGTH.get(len(name), "ever")
    return per == "ever" or name >= oldest_kept(per, today)
