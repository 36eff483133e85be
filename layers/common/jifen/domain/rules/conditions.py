"""Conditions about time and member: what of a rule's ``when`` is judged once, when an order or event is first taken in.

``refusal`` answers "" or the first reason why a rule does not apply. The reasons are part of the API: entries keep them
and members read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from jifen.domain.campaigns import CampaignState, CampaignStatus
from jifen.domain.rules.model import Rule, RuleSet, Test, When, Window
from jifen.domain.standing import Profile, Standing

WEEK = 7


@dataclass(frozen=True, slots=True)
class Asking:
    """An order or event before it is judged.

    Attributes:
        at: when it happened; ``day`` is the local day of it.
        standing: what is remembered of the member, before it.
        level: the member's tier; empty where there are none.
        campaigns: state of the campaigns it may fall under, by id; one that is missing is as it began.
        data: an event's data.
    """

    at: datetime
    day: date
    standing: Standing
    level: str = ""
    campaigns: Mapping[str, CampaignState] | None = None
    data: Mapping[str, int | str | bool] | None = None


def refusal(rule: Rule, rules: RuleSet, asking: Asking) -> str:
    """Why ``rule`` does not apply to what is asked about, whatever it is worth; empty when it may."""
    if not rule.enabled:
        return "DISABLED"
    return _of_campaign(rule, rules, asking) or _of_time(rule.when, asking, rules.zone) or _of_member(rule.when, asking)


def _of_campaign(rule: Rule, rules: RuleSet, asking: Asking) -> str:
    campaign = rules.campaign(rule.campaign) if rule.campaign else None
    if campaign is None:
        return ""
    if campaign.starts is not None and asking.at < campaign.starts:
        return "CAMPAIGN_NOT_YET"
    if campaign.ends is not None and asking.at >= campaign.ends:
        return "CAMPAIGN_OVER"
    state = (asking.campaigns or {}).get(campaign.id)
    if state is None or state.status is CampaignStatus.ACTIVE:
        return ""
    return f"CAMPAIGN_{state.status}"


def _of_time(when: When, asking: Asking, zone: ZoneInfo) -> str:
    if when.window is not None and not within(when.window, asking.at, zone):
        return "WINDOW"
    return ""


def _of_member(when: When, asking: Asking) -> str:
    standing = asking.standing
    profile = standing.profile
    checks = (
        ("TIER", not when.tier or asking.level in when.tier),
        ("REGION", not when.region or profile.region in when.region),
        ("TAG", not when.tag or not when.tag.isdisjoint(profile.tags)),
        ("TAG", when.not_tag.isdisjoint(profile.tags)),
        ("ORDER_NUMBER", when.order_number is None or when.order_number.holds(standing.orders + 1)),
        ("NOT_REPEATED", when.repeat_within_days is None or _repeated(standing, asking.day, when.repeat_within_days)),
        ("NOT_BIRTHDAY", not when.birthday or has_birthday(profile, asking.day, when.birthday)),
        ("DATA", all(_passes(test, (asking.data or {}).get(name)) for name, test in when.data.items())),
    )
    return next((reason for reason, holds in checks if not holds), "")


def within(window: Window, at: datetime, zone: ZoneInfo) -> bool:
    """Whether the instant ``at`` lies in the window, by the wall clock of ``zone``."""
    if (window.starts is not None and at < window.starts) or (window.ends is not None and at >= window.ends):
        return False
    local = at.astimezone(zone)
    minute, today = local.hour * 60 + local.minute, local.weekday()
    yesterday = (today - 1) % WEEK

    def on(weekday: int) -> bool:
        return not window.weekdays or weekday in window.weekdays

    if not window.hours:
        return on(today)
    return any(
        (start <= minute < end and on(today))
        if start < end
        else (minute >= start and on(today)) or (minute < end and on(yesterday))
        for start, end in window.hours
    )


def _repeated(standing: Standing, day: date, within_days: int) -> bool:
    last = standing.last_paid_on
    return last is not None and timedelta() <= day - last <= timedelta(days=within_days)


def has_birthday(profile: Profile, day: date, scope: str) -> bool:
    """Whether ``day`` is in the member's birthday ``scope``: day, week (seven days from it) or month.

    29 February is kept on the 28th in years without one.
    """
    if not profile.birthday or (profile.birthday_from is not None and day < profile.birthday_from):
        return False
    month, number = (int(part) for part in profile.birthday.split("-"))
    if scope == "month":
        return day.month == month
    span = timedelta(days=1 if scope == "day" else WEEK)
    return any(timedelta() <= day - _on(year, month, number) < span for year in (day.year - 1, day.year))


def _on(year: int, month: int, number: int) -> date:
    try:
        return date(year, month, number)
    except ValueError:
        return date(year, month, number - 1)


def _passes(test: Test, value: int | str | bool | None) -> bool:  # noqa: FBT001 - a value of the event's data
    if test.within is not None:
        return isinstance(value, int) and not isinstance(value, bool) and test.within.holds(value)
    return str(value).lower() in test.among if isinstance(value, bool) else value in test.among
