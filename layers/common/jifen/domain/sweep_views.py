"""The shapes in which the API shows sweeps to operators; see :mod:`jifen.domain.views`."""

from __future__ import annotations

from typing import TypedDict

from jifen.domain.views import Day, Instant


class SweepRunView(TypedDict):
    """One run, all shards together.

    ``status`` is ``waiting`` (no shard has begun), ``running``, ``paused``, ``overtaken`` (a later run does what it
    left) or ``finished``. ``accounts_per_second`` is a decimal number as text, over the time from the first shard's
    begin to the latest news; null where no time has passed.
    """

    run: Instant
    status: str
    shards: int
    shards_finished: int
    expected: int
    seen: int
    done: int
    left: int
    errors: int
    percent: int
    accounts_per_second: str | None
    started_at: Instant | None
    updated_at: Instant | None
    finished_at: Instant | None
    lag_days: int


class SweepView(TypedDict):
    """One sweep with its latest runs, the latest first.

    ``walk`` and ``reverse`` have the pause and the pace of ``expire``, ``held`` those of ``remind``. ``dates_current``
    says whether every account's next dates are those of the program in force; null where that is no question.
    """

    sweep: str
    paused: bool
    accounts_per_second: int | None
    set_by: str | None
    dates_current: bool | None
    runs: list[SweepRunView]


class SweepsView(TypedDict):
    """Every sweep."""

    sweeps: list[SweepView]


class SweepShardView(TypedDict):
    """One shard of a run; ``oldest`` is the day of the account that was due longest when it was begun."""

    shard: int
    finished: bool
    expected: int
    seen: int
    done: int
    left: int
    errors: int
    slices: int
    lag_days: int
    oldest: Day | None
    started_at: Instant
    updated_at: Instant


class SweepRunWhole(SweepRunView):
    """One run, and each of its shards that has begun."""

    sweep: str
    by_shard: list[SweepShardView]
