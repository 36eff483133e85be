"""Profiles: what the shop says of a member, as far as rules ask about it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from jifen.domain.calendar import add_months
from jifen.domain.engage_views import ProfileView
from jifen.domain.standing import Profile


def changed(before: Profile, birthday: str, region: str, tags: Iterable[str], today: date) -> Profile:
    """The profile as the shop says it now.

    The first birthday that is named counts at once. One that is changed, taken away or named again counts from a year
    later on, so that nobody has two birthdays in a year.
    """
    since = before.birthday_from
    if birthday != before.birthday and (before.birthday or since):
        since = add_months(today, 12)
    return Profile(birthday, since, region, tuple(sorted(set(tags))))


def view(member: str, profile: Profile) -> ProfileView:
    """A profile as the API shows it."""
    since = profile.birthday_from
    return {
        "member_id": member,
        "birthday": profile.birthday or None,
        "birthday_from": since.isoformat() if since else None,
        "region": profile.region or None,
        "tags": list(profile.tags),
    }
