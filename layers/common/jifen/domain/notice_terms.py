"""What members are told, and when not: the program's section ``notices``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Any

from jifen.domain.points import POINTS_MAX
from jifen.domain.reader import UNREAD, Section

CHANNELS = ("webhook", "event", "email", "sms", "push", "wechat")
"""Every channel there is; which are in use is a matter of the deployment."""

OPEN_MINUTES_MIN = 120
"""So long quiet hours leave at least: what waits for their end goes out with an hourly run, which takes its time."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Nothing is sent from ``start`` until ``end``, in the member's own zone; over midnight where end is earlier."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class NoticeTerms:
    """What members are told besides reminders, and how.

    Attributes:
        balance_reached: amounts of spendable points that are worth a word, ascending.
        tier_reached: whether a risen level is told.
        tier_at_risk_days: how many days before a level would fall it is told; None: never.
        reward_affordable: whether it is told that the reward can be had that the member saves for.
        quiet_hours: None: there are none.
        once_a_day: whether a member gets one message a day at most, whatever becomes due after it.
        per_second: messages a second on a channel, of all workers together; one that is not named has no limit.
        tries: runs that try a channel before it is given up and shown to an operator.
        imprint: who the shop is and where, at the foot of every mail; empty leaves it out.
    """

    balance_reached: tuple[int, ...] = ()
    tier_reached: bool = False
    tier_at_risk_days: int | None = None
    reward_affordable: bool = False
    quiet_hours: QuietHours | None = None
    once_a_day: bool = True
    per_second: Mapping[str, int] = field(default_factory=dict)
    tries: int = 5
    imprint: str = ""


NO_NOTICES = NoticeTerms()

_NOTICES = (
    "balance_reached",
    "tier_reached",
    "tier_at_risk_days",
    "reward_affordable",
    "quiet_hours",
    "once_a_day",
    "per_second",
    "tries",
    "imprint",
)


def notice_terms(root: Section) -> NoticeTerms:
    """The section, as the program has it."""
    section = root.section("notices", _NOTICES)
    if not section.data:
        return NO_NOTICES
    amounts = [
        section.item(f"balance_reached[{index}]", one).whole(f"balance_reached[{index}]", 1, POINTS_MAX)
        for index, one in enumerate(section.items("balance_reached", 20))
    ]
    if len(set(amounts)) != len(amounts):
        section.fault("balance_reached", "an amount is named twice")
    limits = section.section("per_second", CHANNELS)
    return NoticeTerms(
        balance_reached=tuple(sorted(amounts)),
        tier_reached=section.flag("tier_reached", default=False),
        tier_at_risk_days=section.limit("tier_at_risk_days", 0, 366),
        reward_affordable=section.flag("reward_affordable", default=False),
        quiet_hours=_quiet_hours(section),
        once_a_day=section.flag("once_a_day", default=True),
        per_second={channel: limits.whole(channel, 1, 10_000) for channel in CHANNELS if channel in limits},
        tries=section.whole("tries", 1, 50, NO_NOTICES.tries),
        imprint=section.text("imprint"),
    )


def notices_plain(terms: NoticeTerms) -> dict[str, Any]:
    """The section as a program file has it; :func:`notice_terms` reads it back."""
    hours = terms.quiet_hours
    said = {
        "balance_reached": list(terms.balance_reached),
        "tier_reached": terms.tier_reached,
        "tier_at_risk_days": terms.tier_at_risk_days,
        "reward_affordable": terms.reward_affordable,
        "once_a_day": terms.once_a_day,
        "per_second": dict(terms.per_second),
        "tries": terms.tries,
    }
    if terms.imprint:
        said["imprint"] = terms.imprint
    if hours is None:
        return said
    return said | {"quiet_hours": {"from": f"{hours.start:%H:%M}", "to": f"{hours.end:%H:%M}"}}


def _quiet_hours(section: Section) -> QuietHours | None:
    if "quiet_hours" not in section:
        return None
    found = section.section("quiet_hours", ("from", "to"))
    start, end = _clock(found, "from"), _clock(found, "to")
    if start == end and not section.reader.faults:
        found.fault("to", "is the same as from")
    elif _minutes(end, start) < OPEN_MINUTES_MIN and not section.reader.faults:
        found.fault("to", f"leaves less than {OPEN_MINUTES_MIN} minutes of a day in which anything can be sent")
    return QuietHours(start, end)


def _minutes(start: time, end: time) -> int:
    """Minutes from one reading of the clock to the next time of the other."""
    return ((end.hour - start.hour) * 60 + end.minute - start.minute) % (24 * 60)


def _clock(section: Section, name: str) -> time:
    text = section.matching(name, r"([01]\d|2[0-3]):[0-5]\d", "is not a time of day such as 22:00")
    return time.fromisoformat(text) if text != UNREAD else time(0)
