"""CAP_MIDNIGHT: what a limit lets through within an hour, half of it before it resets and half after.

A limit that resets in the middle of what it is meant to bound (hours over midnight, a campaign from Wednesday to
Tuesday under a cap per week) lets through twice as much. Of the others the one is told that lets most through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

from jifen.domain.calendar import DAY, day_start, local_day
from jifen.domain.lint.finding import Finding, Severity, in_points, numbered
from jifen.domain.lint.play import ME, Effort, Play
from jifen.domain.lint.scenes import Scene, Stage, data_of, piece_of
from jifen.domain.rules.caps import ALL, Limit, limits
from jifen.domain.rules.conditions import within
from jifen.domain.rules.model import CHECKED_IN, INVITE_ACCEPTED, ORDER_PAID, Per, Rule, Streak, To
from jifen.domain.standing import window_ends

QUARTER = timedelta(minutes=15)
TRIES_MAX = 12
EFFORT = 200


def search(stage: Stage) -> Iterator[Finding]:
    """Each limit that resets inside of what it bounds, and the one of the others that lets most through."""
    effort, plain = Effort(EFFORT), list[Finding]()
    for limit, rule in _limits(stage):
        scene = stage.scene_of(rule)
        if scene is None or effort.left <= 0:
            continue
        for midnight in _resets(stage, limit, rule, scene):
            finding = _crossed(stage, limit, rule, replace(scene, at=midnight - QUARTER, says=""), midnight, effort)
            if finding is None:
                continue
            if _inside(stage, rule):
                yield finding
            else:
                plain.append(finding)
            break
    if plain:
        yield max(plain, key=lambda one: (one.gain_points, one.rules))


def _limits(stage: Stage) -> Iterator[tuple[Limit, Rule]]:
    """Every limit with a rule that can use it up; those over all rules with the first rule on orders."""
    usable = [rule for rule in stage.rules.rules if rule.enabled and _usable(rule)]
    for rule in usable:
        for limit in limits(rule.id, rule.caps):
            if limit.per is not Per.EVER and limit.most:
                yield limit, rule
    first = next((rule for rule in usable if rule.on == ORDER_PAID), usable[0] if usable else None)
    for limit in limits(ALL, stage.rules.caps):
        if first is not None and limit.per is not Per.EVER and limit.most:
            yield limit, first


def _usable(rule: Rule) -> bool:
    """Whether one member can use its limit up within minutes."""
    once = rule.approval or rule.goal or isinstance(rule.effect, Streak) or rule.on in {INVITE_ACCEPTED, CHECKED_IN}
    return not once and rule.to is To.MEMBER


def _inside(stage: Stage, rule: Rule) -> bool:
    """Whether what a rule is about begins and ends by itself: hours over midnight, or a campaign."""
    seen = rule.when.window
    if seen is not None and (any(start > end for start, end in seen.hours) or (seen.starts and seen.ends)):
        return True
    campaign = stage.rules.campaign(rule.campaign) if rule.campaign else None
    return campaign is not None and campaign.starts is not None and campaign.ends is not None


def _resets(stage: Stage, limit: Limit, rule: Rule, scene: Scene) -> Iterator[datetime]:
    """The first midnights at which the limit resets while the rule applies on both sides."""
    day = local_day(scene.at, stage.rules.zone)
    if _campaign_days(stage, rule) == 1:
        return
    for _ in range(2):
        ends = window_ends(limit.per, day)
        assert ends is not None, "only what never resets has no end"
        midnight = day_start(ends, stage.rules.zone)
        if all(_open(stage, rule, at) for at in (midnight - QUARTER, midnight + QUARTER)):
            yield midnight
        day = ends


def _campaign_days(stage: Stage, rule: Rule) -> int | None:
    campaign = stage.rules.campaign(rule.campaign) if rule.campaign else None
    if campaign is None or campaign.starts is None or campaign.ends is None:
        return None
    first, last = local_day(campaign.starts, stage.rules.zone), _last_day(campaign.ends, stage)
    return (last - first) // DAY + 1


def _last_day(ends: datetime, stage: Stage) -> date:
    return local_day(ends - timedelta(microseconds=1), stage.rules.zone)


def _open(stage: Stage, rule: Rule, at: datetime) -> bool:
    campaign = stage.rules.campaign(rule.campaign) if rule.campaign else None
    seen = rule.when.window
    return (
        (seen is None or within(seen, at, stage.rules.zone))
        and (campaign is None or campaign.starts is None or campaign.starts <= at)
        and (campaign is None or campaign.ends is None or at < campaign.ends)
        and not rule.when.birthday
    )


def _crossed(
    stage: Stage, limit: Limit, rule: Rule, scene: Scene, midnight: datetime, effort: Effort
) -> Finding | None:
    """The story of both sides of a midnight, if together they come to more than the limit."""
    play = stage.play(scene, effort)
    local = midnight.astimezone(stage.rules.zone)
    before = _used_up(stage, play, limit, rule)
    play.say(f"{local - QUARTER:%Y-%m-%d %H:%M}: {ME} gets {in_points(before[0])} by {_what(rule, before[1])}")
    play.now = midnight + QUARTER
    after = _used_up(stage, play, limit, rule)
    play.say(f"{local + QUARTER:%Y-%m-%d %H:%M}: {ME} gets {in_points(after[0])} by {_what(rule, after[1])}")
    done = before[0] + after[0] if limit.unit == "points" else before[1] + after[1]
    if done <= limit.most or not after[0] or not before[0]:
        return None
    points = before[0] + after[0]
    lines = [*play.lines, f"{in_points(points)} within half an hour; {limit.key} allows {limit.most} {limit.unit}"]
    return Finding("CAP_MIDNIGHT", Severity.WARNING, numbered(lines), points, 0, (rule.id,))


def _what(rule: Rule, times: int) -> str:
    what = "an order" if times == 1 else f"{times} orders"
    return what if rule.on == ORDER_PAID else f"{rule.on} {times} times"


def _used_up(stage: Stage, play: Play, limit: Limit, rule: Rule) -> tuple[int, int]:
    """Do it until it brings nothing more: what of its points the limit is about, and how often it brought some."""
    points = times = 0
    for _ in range(TRIES_MAX):
        before = play.held
        own = _once(stage, play, rule)
        got = play.held - before if limit.rule == ALL else own
        if got <= 0:
            break
        points, times = points + got, times + 1
    return points, times


def _once(stage: Stage, play: Play, rule: Rule) -> int:
    """Do what the rule is about; the points of the rule."""
    if rule.on == ORDER_PAID:
        piece, bounds = piece_of(rule, stage.rules), rule.when.amount_minor
        most = bounds.high if bounds and bounds.high is not None else 10_000 * stage.unit
        award = piece and play.orders[play.buy(replace(piece, amount_minor=most), say=False)].award
        return award.pinned.grants.get(rule.id, 0) if award else 0
    data = data_of(rule, stage.rules, play.effort.left)
    if data is None:
        return 0
    lines = play.does(rule.on, data).why
    return next((line.get("points", 0) for line in lines if line.get("rule") == rule.id), 0)
