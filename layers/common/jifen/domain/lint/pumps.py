"""TIER_PUMP: a level reached by orders that are given back, and what it goes on giving.

buy up to the level, give all back ──> its allowance month after month, its multiplier on what is kept
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time

from jifen.domain import tiers
from jifen.domain.lint.finding import Finding, Severity, in_points, numbered
from jifen.domain.lint.play import ME, Effort, Piece, Play
from jifen.domain.lint.scenes import Stage
from jifen.domain.money import AMOUNT_MINOR_MAX
from jifen.domain.rules.model import Level, Per, TierTerms
from jifen.domain.standing import window_ends

DAYS_MAX = 14
"""Days within which a level has to be reached: what was bought first can still be given back then."""

EFFORT = 300
"""Orders that are played at most."""

MONTHS = 13
KEPT_UNITS = 1_000
"""Units of currency of the order that shows what a multiplier kept is worth."""


def search(stage: Stage) -> Iterator[Finding]:
    """What levels give to members who kept nothing: the level of which least is asked, for each benefit."""
    terms = stage.rules.tiers
    if terms is None:
        return
    for benefit in (_allowance, _multiplier):
        effort = Effort(EFFORT)
        for level in terms.levels[1:]:
            found = benefit(stage, terms, level, effort) if effort.left > 0 else None
            if found is not None:
                yield found
                break


def _allowance(stage: Stage, terms: TierTerms, level: Level, effort: Effort) -> Finding | None:
    """A year of allowances; under ``at_once`` only what was given before the goods went back."""
    if not level.allowance:
        return None
    play = _pumped(stage, level, effort, late=True)
    if play is None:
        return None
    _rest_of_year(play)
    points = play.gain
    if points <= 0:
        return None
    times = points // level.allowance
    often = "once" if times == 1 else f"{times} times"
    play.say(f"{MONTHS} months later the allowance of {level.allowance} has come {often}")
    lines = [
        *play.lines,
        f"{in_points(points)} worth {play.money(play.worth_minor(points))} for goods that were given back",
    ]
    severity = Severity.WARNING if terms.downgrade == "at_once" else Severity.ERROR
    return Finding("TIER_PUMP", severity, numbered(lines), points, 0, (f"tiers.{level.id}",))


def _rest_of_year(play: Play) -> None:
    """The allowances of the months that follow, spent as they come."""
    for _ in range(MONTHS):
        _to_next_month(play)
        play.allowances()
        play.spend()


def _multiplier(stage: Stage, terms: TierTerms, level: Level, effort: Effort) -> Finding | None:
    """More points for an order that is kept than somebody gets who has not been at the level."""
    if level.multiplier is None or level.multiplier <= 1 or terms.downgrade == "at_once":
        return None
    play = _pumped(stage, level, effort, late=False)
    if play is None:
        return None
    honest = Play(stage.program, play.now, Effort(1))
    honest.is_(ME, stage.plain.standing)
    honest.buy(Piece(KEPT_UNITS * stage.unit))
    before, cost = play.held, play.money_minor
    play.wait(days=1)
    play.buy(Piece(KEPT_UNITS * stage.unit))
    more = play.held - before - honest.gain
    if more <= 0:
        return None
    lines = [*play.lines, f"{more} points more than for anybody else, by a level that nothing was kept for"]
    price = play.money_minor - cost
    return Finding("TIER_PUMP", Severity.WARNING, numbered(lines), more, price, (f"tier.{level.id}",))


def _pumped(stage: Stage, level: Level, effort: Effort, *, late: bool) -> Play | None:
    """A member who reached a level within some days and then gave everything back; None where that is not possible.

    ``late``: a first day of a month lies between, on which an allowance is given.
    """
    play = stage.play(stage.plain, effort)
    if late:
        _to_end_of_month(play)
    orders = _bought(stage, play, level)
    if orders is None:
        return None
    given = 0
    if late:
        _to_next_month(play)
        given = play.allowances()
        play.say(f"On the 1st the allowance of {in_points(given)} comes" if given else "The 1st comes")
    for order in orders:
        play.cancel(order, say=False)
    play.say(f"{ME} gives back everything; {in_points(play.held)} are left")
    return play


def _bought(stage: Stage, play: Play, level: Level) -> list[str] | None:
    """Orders, one a day, until the level is reached."""
    terms, orders = stage.rules.tiers, list[str]()
    assert terms is not None, "there is a level"
    amount = _enough(stage, level, play.effort)
    for _ in range(DAYS_MAX):
        orders.append(play.buy(Piece(amount), say=False))
        if _at(play, terms) == level.id:
            break
        play.wait(days=1)
    else:
        return None
    often = f" a day on {len(orders)} days" if len(orders) > 1 else ""
    play.say(f"{ME} buys goods for {play.money(amount)}{often} and is {level.id}")
    return orders


def _enough(stage: Stage, level: Level, effort: Effort) -> int:
    """An amount that qualifies for a level at once, or that a limit cuts."""
    amount = max(level.reach, stage.unit)
    if stage.rules.tiers and stage.rules.tiers.by == "spend":
        return min(amount, AMOUNT_MINOR_MAX)
    given = 0
    for _ in range(40):
        play = stage.play(stage.plain, effort)
        play.buy(Piece(amount))
        if play.gain >= level.reach:
            return _least(stage, level, amount // 2, amount, effort)
        if amount > AMOUNT_MINOR_MAX // 4:
            break
        if play.gain == given > 0:
            return amount // 2
        given, amount = play.gain, 2 * amount
    return amount


def _least(stage: Stage, level: Level, low: int, high: int, effort: Effort) -> int:
    """The least amount above ``low`` that qualifies, where ``high`` does."""
    while high - low > 1 and effort.left > 0:
        middle = (low + high) // 2
        play = stage.play(stage.plain, effort)
        play.buy(Piece(middle))
        low, high = (low, middle) if play.gain >= level.reach else (middle, high)
    return high


def _at(play: Play, terms: TierTerms) -> str:
    return tiers.level_of(play.of(ME).standing, terms, play.moment.today).level


def _to_end_of_month(play: Play) -> None:
    """So many days before the end of a month that the level is reached before it."""
    first = window_ends(Per.MONTH, play.moment.today)
    assert first is not None, "a month ends"
    days = (first - play.moment.today).days - DAYS_MAX
    if days > 0:
        play.wait(days=days)


def _to_next_month(play: Play) -> None:
    first = window_ends(Per.MONTH, play.moment.today)
    assert first is not None, "a month ends"
    play.now = datetime.combine(first, time(12), play.program.zone).astimezone(UTC)
