"""The shapes of what members do: events, check-ins, tasks and profiles; see :mod:`jifen.domain.views`."""

from __future__ import annotations

from typing import TypedDict

from jifen.domain.views import Day


class RunView(TypedDict):
    """Consecutive days: how many, from which day on, and through which."""

    days: int
    since: Day
    through: Day


class EventView(TypedDict):
    """What came of a behaviour event: ``points`` given, ``proposed`` waiting for approval, ``why`` rule by rule.

    ``day`` is the day it counts on, ``run`` the run it is part of, ``decided_by`` who approved or rejected it.
    """

    event_id: str
    member_id: str
    type: str
    status: str
    points: int
    proposed: int
    day: Day
    run: RunView | None
    decided_by: str | None
    why: list[dict[str, object]]


class CheckInView(TypedDict):
    """A check-in: the day it counts on, the run it is part of, and what it gave."""

    member_id: str
    day: Day
    status: str
    points: int
    run: RunView | None
    why: list[dict[str, object]]


class MadeUpView(TypedDict):
    """A made-up day: what it cost, what the longer run gave, and what is left to spend."""

    member_id: str
    day: Day
    cost: int
    points: int
    available: int
    run: RunView | None
    why: list[dict[str, object]]


class NextCheckInView(TypedDict):
    """The next check-in: on which day, how long the run will be, and the points it gives."""

    day: Day
    run: int
    points: int


class MarkView(TypedDict):
    """A mark ahead: at how many days it stands, its points, and in how many days it can be reached."""

    run: int
    points: int
    in_days: int


class MakeUpTermsView(TypedDict):
    """Making up: the cost of a day, whether that day gives its reward, the days, and how often until ``resets_on``."""

    cost: int
    pays_day: bool
    days: list[Day]
    left: int
    resets_on: Day


class CheckInsView(TypedDict):
    """The check-ins of a member: the run that is alive, the days of the last month, and what lies ahead."""

    member_id: str
    today: Day
    checked_in: bool
    run: RunView | None
    days: list[Day]
    next: NextCheckInView
    marks: list[MarkView]
    make_up: MakeUpTermsView | None


class TaskView(TypedDict):
    """A task in its present stretch of the calendar.

    ``of`` is what counts (count, amount in minor units, data), ``done`` of ``reach``; ``times`` it was reached,
    ``granted`` points so far. ``blocked_by`` is why nothing counts towards it now.
    """

    rule: str
    title: str
    on: str
    of: str
    done: int
    reach: int
    points: int
    again: bool
    times: int
    granted: int
    per: str
    resets_on: Day | None
    blocked_by: str | None


class TasksView(TypedDict):
    """Every task of the program, in the order of the rules."""

    member_id: str
    tasks: list[TaskView]


class ProfileView(TypedDict):
    """What the shop says of a member; ``birthday`` is MM-DD and counts from ``birthday_from`` on (null: it does)."""

    member_id: str
    birthday: str | None
    birthday_from: Day | None
    region: str | None
    tags: list[str]


class ActivityView(TypedDict):
    """That a member was here on a local ``day``. ``recorded`` is false where that was known, or is not kept."""

    member_id: str
    kind: str
    day: Day
    recorded: bool
