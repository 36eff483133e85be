"""Validity: how long points live, counted in days of the program's zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from jifen.domain import calendar


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long points live. ``policy`` is never, days, months or fixed_date."""

    policy: str = "months"
    days: int = 365
    months: int = 12
    round_up_to: str = "month_end"
    month_day: tuple[int, int] = (12, 31)
    years: int = 0

    def last_valid_day(self, earned_on: date) -> date | None:
        """The last day on which points earned on ``earned_on`` can be spent; None for ever."""
        match self.policy:
            case "never":
                return None
            case "fixed_date":
                return calendar.next_month_day(earned_on, *self.month_day, self.years)
            case "days":
                return calendar.round_up(earned_on + timedelta(days=self.days), self.round_up_to)
            case _:
                return calendar.round_up(calendar.add_months(earned_on, self.months), self.round_up_to)
