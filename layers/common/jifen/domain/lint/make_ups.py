"""MAKE_UP_PAYS: making up for a missed check-in brings more than it costs.

    check in, miss some days, make up for them      over all patterns of missed days before a mark
    the same without making up                      what is more, less what it cost, is the gain

Where a made-up day's own reward pays it back, days that nobody came are worth points: an error. Where only the run that
it saves does, the price is low for what it saves: a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations

from jifen.domain.calendar import DAY
from jifen.domain.errors import Refusal
from jifen.domain.lint.finding import Finding, Severity, in_points, numbered
from jifen.domain.lint.play import ME, Effort, Play
from jifen.domain.lint.scenes import Stage
from jifen.domain.rules.engine import Why
from jifen.domain.rules.model import CHECKED_IN, MakeUp, Rule, Streak

EFFORT = 600
RUN_MAX = 60
"""Days of the longest run that is played."""

MARKS_MAX = 4
DAYS_BACK_MAX = 7
"""Missed days before a mark over which every pattern is played."""

PLAIN_DAYS = 7


Streaks = list[tuple[Rule, Streak]]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A run before days are missed, its first day, and what coming every day brings in the end."""

    play: Play
    begins: date
    honest: int


@dataclass(frozen=True, slots=True)
class _Made:
    """A pattern played.

    Attributes:
        play: the story.
        gain: what making up brought over not doing so, less its cost.
        day_gain: what the made-up days' own rewards were, less the cost.
        beyond: what there is more than by coming every day.
        missed: how many days were made up for.
    """

    play: Play
    gain: int
    day_gain: int
    beyond: int
    missed: int


def search(stage: Stage) -> Finding | None:
    """The pattern that gains most by the fewest made-up days."""
    terms, streaks = stage.rules.make_up, _streaks(stage)
    if terms is None or not streaks:
        return None
    found = [made for made in _patterns(stage, terms, streaks) if made.gain > 0]
    if not found:
        return None
    paying = [made for made in found if made.day_gain > 0 or made.beyond > 0]
    best = min(paying or found, key=lambda made: (made.missed, -made.gain, len(made.play.lines)))
    cost = terms.cost * best.missed
    lines = [
        *best.play.lines,
        f"Making up cost {in_points(cost)} and brought {best.gain + cost}: {best.gain} more than it cost",
    ]
    if best.day_gain > 0:
        lines.append("A made-up day is paid as if somebody had come, and more than it costs")
    if best.beyond > 0:
        lines.append(f"Who checks in every day has {best.beyond} points less")
    severity = Severity.ERROR if paying else Severity.WARNING
    return Finding("MAKE_UP_PAYS", severity, numbered(lines), best.gain, 0, tuple(sorted(best.play.used)))


def _streaks(stage: Stage) -> Streaks:
    return [
        (rule, rule.effect)
        for rule in stage.rules.on_event(CHECKED_IN)
        if rule.enabled and isinstance(rule.effect, Streak)
    ]


def _runs(streaks: Streaks) -> list[int]:
    """Lengths of runs worth playing: up to a mark, twice up to it with a day between, and the days' rewards."""
    marks = sorted({at for _, streak in streaks for at in streak.marks if at <= RUN_MAX})[:MARKS_MAX]
    days = max(min(len(streak.days), PLAIN_DAYS) for _, streak in streaks)
    twice = [2 * at + 1 for at in marks[:1]]
    return sorted({max(2, run) for run in (*marks, *twice, days)})


def _patterns(stage: Stage, terms: MakeUp, streaks: Streaks) -> Iterator[_Made]:
    """Every choice of missed days among the last before the run is full; its first day is never one of them.

    One missed day in every run first, then more of them in the shortest, then in the others.
    """
    effort, runs = Effort(EFFORT), _runs(streaks)
    begun = [_begun(stage, terms, streaks, run, effort) for run in runs]
    turns = sorted(
        (min(count - 1, 1), place, count) for place in range(len(runs)) for count in range(1, terms.per_month + 1)
    )
    for _, place, count in turns:
        run = runs[place]
        for missed in combinations(range(_first(terms, run), run + 1), count):
            if effort.left <= 0:
                return
            made = _played(begun[place], terms, streaks, run, missed)
            if made is not None:
                yield made


def _first(terms: MakeUp, run: int) -> int:
    """The first day of a run that can still be made up for on its last."""
    return max(2, run - min(terms.within_days, DAYS_BACK_MAX))


def _begun(stage: Stage, terms: MakeUp, streaks: Streaks, run: int, effort: Effort) -> _Begun:
    """A run up to where days are missed, and what it brings where none is."""
    scene = stage.scene_of(streaks[0][0]) or stage.plain
    play = Play(stage.program, scene.at, effort)
    play.is_(ME, replace(scene.standing, orders=0, paid_on=()))
    purse = terms.cost * min(terms.per_month, DAYS_BACK_MAX)
    if purse:
        play.has(purse)
        play.say(f"{ME} has {in_points(purse)} from before, which are not counted here")
    begins = play.moment.today
    for _ in range(1, _first(terms, run)):
        _comes(play)
    honest = play.branch()
    for _ in range(_first(terms, run), run + 2):
        _comes(honest)
    return _Begun(play, begins, honest.gain)


def _comes(play: Play) -> None:
    play.does(CHECKED_IN)
    play.wait(days=1)


def _played(begun: _Begun, terms: MakeUp, streaks: Streaks, run: int, missed: tuple[int, ...]) -> _Made | None:
    """Come on every day that is not missed, make up for the others on the last of the run, or the day after."""
    play, cost = begun.play.branch(), terms.cost * len(missed)
    for number in range(_first(terms, run), run + 1):
        if number in missed:
            play.wait(days=1)
        else:
            _comes(play)
    if run not in missed:
        play.wait(days=-1)
    days = ", ".join(str(number) for number in missed)
    play.say(f"{ME} checks in on the days 1 to {run} except day {days}: {in_points(play.gain)}")
    without, paid = play.branch(), 0
    for number in missed:
        try:
            outcome = play.makes_up(begun.begins + (number - 1) * DAY)
        except Refusal:
            return None
        paid += _day_rewards(streaks, outcome.why, terms)
    play.say(f"{ME} makes up for day {days} at {terms.cost} points each: {in_points(play.gain)}")
    for branch in (play, without):
        branch.wait(days=0 if run in missed else 1)
        branch.does(CHECKED_IN)
    play.say(f"{ME} checks in the next day: {in_points(play.gain)}; without making up it would be {without.gain}")
    return _Made(play, play.gain - without.gain, paid - cost, play.gain - begun.honest, len(missed))


def _day_rewards(streaks: Streaks, why: Why, terms: MakeUp) -> int:
    """What of the points of a made-up day is its own reward."""
    if not terms.pays:
        return 0
    marks = {rule.id: streak.marks for rule, streak in streaks}
    lines = [line for line in why if line.get("rule") in marks and line.get("points")]
    return sum(max(0, line["points"] - sum(marks[line["rule"]][at] for at in line["marks"])) for line in lines)
