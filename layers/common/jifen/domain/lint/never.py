"""NEVER_APPLIES: rules, steps and marks that give nothing, whatever anybody does.

Each rule is played where all its conditions hold; what the engine says of it then is the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from jifen.domain.calendar import day_start
from jifen.domain.lint.finding import Finding, Severity, numbered
from jifen.domain.lint.play import ME, Effort, Play
from jifen.domain.lint.scenes import Scene, Stage, amounts_of, data_of, piece_of
from jifen.domain.rules.engine import Bounds, judge
from jifen.domain.rules.model import CHECKED_IN, INVITE_ACCEPTED, ORDER_PAID, Ladder, Multiplier, Rate, Rule, Streak, To

CODE = "NEVER_APPLIES"

RUN_MAX = 100
"""Days of the longest run that is played."""

EFFORT = 600


def search(stage: Stage) -> Iterator[Finding]:
    """A line for each rule that cannot give anything."""
    effort, over = Effort(EFFORT), _over(stage)
    for campaign, names in over.items():
        yield Finding(
            CODE, Severity.WARNING, numbered([f"{campaign} is over: its rules give nothing any more"]), rules=names
        )
    for rule in stage.rules.rules:
        if not rule.enabled or effort.left <= 0 or rule.campaign in over:
            continue
        reason = _reason(stage, rule, effort)
        if reason:
            yield Finding(
                CODE, Severity.WARNING, numbered([f"{rule.id} never gives anything: {reason}"]), 0, 0, (rule.id,)
            )
        yield from _steps(rule)


def _over(stage: Stage) -> dict[str, tuple[str, ...]]:
    """The campaigns that are over today, with their rules."""
    today = stage.today
    return {
        one.id: tuple(rule.id for rule in stage.rules.rules if rule.campaign == one.id)
        for one in stage.rules.campaigns
        if today is not None and one.ends is not None and one.ends <= day_start(today, stage.rules.zone)
    }


def _reason(stage: Stage, rule: Rule, effort: Effort) -> str:
    if isinstance(rule.effect, Multiplier) and not _targets(stage, rule):
        return "there is no rate on orders that it could multiply"
    if isinstance(rule.effect, Multiplier) and rule.effect.by == 1:
        return "once is what the rates give anyway"
    scene = stage.scene_of(rule)
    if scene is None:
        return "its window is over, or never opens while its campaign runs"
    if rule.on == ORDER_PAID:
        return _of_order(stage, rule, scene, effort)
    if rule.on == INVITE_ACCEPTED or rule.approval or rule.goal or isinstance(rule.effect, Streak):
        return ""
    return _of_event(stage, rule, scene, effort)


def _targets(stage: Stage, rule: Rule) -> list[Rule]:
    assert isinstance(rule.effect, Multiplier), "only multipliers multiply"
    named = rule.effect.rules
    return [
        one
        for one in stage.order_rules
        if isinstance(one.effect, Rate) and one.effect.points and (not named or one.id in named)
    ]


def _of_order(stage: Stage, rule: Rule, scene: Scene, effort: Effort) -> str:
    """Why none of the amounts at which the rule could give anything makes it do so; empty when one does."""
    piece = piece_of(rule, stage.rules)
    if piece is None:
        return "no line can have what it asks for, or what it asks for never earns"
    if rule.goal is not None or rule.to is To.INVITER or (isinstance(rule.effect, Multiplier) and rule.effect.by < 1):
        return ""
    said = "the amounts it asks for are worth less than a point"
    for amount in _amounts(stage, rule):
        play = stage.play(scene, effort)
        order = play.buy(replace(piece, amount_minor=amount))
        award = play.orders[order].award
        if award is None:
            continue
        if award.pinned.grants.get(rule.id) or rule.id in play.used or (award.rules.bare and award.granted):
            return ""
        said = _engine_says(play, order, rule) or said
    return said


def _amounts(stage: Stage, rule: Rule) -> list[int]:
    bounds = rule.when.amount_minor
    usual = (100 * stage.unit, 10 * stage.unit, 10_000 * stage.unit)
    found = [amount for amount in (*usual, *sorted(amounts_of(rule))) if amount > 0]
    return [amount for amount in found if bounds is None or bounds.holds(amount)]


def _engine_says(play: Play, order_id: str, rule: Rule) -> str:
    """The engine's own reason."""
    order = play.orders[order_id]
    assert order.award is not None, "it was awarded"
    pinned, rules = order.award.pinned, order.award.rules
    verdict = judge(order, rules, rules.on_order, Bounds(pinned.refused), order.award.currency)
    line = next((line for line in verdict.why if line.get("rule") == rule.id), {})
    if line.get("refused"):
        return f"where its conditions hold it is refused as {line['refused']}"
    return "a cap or budget leaves it nothing" if line.get("points") else ""


def _of_event(stage: Stage, rule: Rule, scene: Scene, effort: Effort) -> str:
    """Why an event that the rule is made for gives nothing by it; empty when it does."""
    data = data_of(rule, stage.rules, 1)
    if data is None:
        return "its conditions leave no value that it counts"
    outcome = stage.play(scene, effort).does(rule.on, data)
    line = next((line for line in outcome.why if line.get("rule") == rule.id), {})
    if line.get("refused"):
        return f"where its conditions hold it is refused as {line['refused']}"
    return "" if line.get("points") else "a cap or budget leaves it nothing"


# Steps ----------------------------------------------------------------------------------------------------------------


def _steps(rule: Rule) -> Iterator[Finding]:
    """Steps of a ladder that its own conditions keep out of reach."""
    if not isinstance(rule.effect, Ladder):
        return
    bounds = rule.when.data[rule.effect.field].within if rule.effect.field in rule.when.data else rule.when.amount_minor
    high = bounds.high if bounds else None
    for low, points in rule.effect.steps:
        if high is not None and low > high:
            line = f"{rule.id} never gives its {points} points from {low} on: it is for at most {high}"
            yield Finding(CODE, Severity.WARNING, numbered([line]), 0, 0, (rule.id,))


def cut_marks(stage: Stage) -> Iterator[Finding]:
    """Marks of a run of check-ins that a cap cuts."""
    streaks = {
        rule.id: rule.effect
        for rule in stage.rules.on_event(CHECKED_IN)
        if isinstance(rule.effect, Streak) and rule.enabled and (rule.caps or stage.rules.caps)
    }
    marks = [at for streak in streaks.values() for at in streak.marks if at <= RUN_MAX]
    scene = stage.plain if streaks and marks else None
    if scene is None:
        return
    play = stage.play(scene, Effort(RUN_MAX))
    for number in range(1, max(marks) + 1):
        lines = play.does(CHECKED_IN).why
        cuts = [line for line in lines if "cap" in line]
        reached = [name for name, streak in streaks.items() if number in streak.marks]
        if cuts and reached:
            mark, cut = streaks[reached[0]].marks[number], cuts[0]
            line = f"{ME} checks in on {number} days for a mark of {mark} points: {cut['cap']} takes {cut['cut']}"
            yield Finding(CODE, Severity.WARNING, numbered([line]), 0, 0, (reached[0],))
            return
        play.wait(days=1)
