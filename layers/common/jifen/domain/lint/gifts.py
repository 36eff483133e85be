"""Gifts: INVITE_RING, friends who are nobody; UNCAPPED_GIFT, events that pay each time; BUDGETLESS, open campaigns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from jifen.domain.lint.finding import Finding, Severity, in_points, numbered
from jifen.domain.lint.play import ME, Effort, Piece, Play, ends
from jifen.domain.lint.scenes import Scene, Stage, bounded, data_of, piece_of
from jifen.domain.rules.model import (
    CHECKED_IN,
    INVITE_ACCEPTED,
    ORDER_PAID,
    Campaign,
    Rule,
    Streak,
    To,
)

FRIENDS = 3
EFFORT = 250
TIMES = 3


# Invites --------------------------------------------------------------------------------------------------------------


def ring(stage: Stage) -> Finding | None:
    """The cheapest friends that bring more than they cost, to whoever invites them."""
    rules = [rule for rule in stage.rules.rules if rule.enabled and _of_invites(rule)]
    if not rules:
        return None
    effort, found = Effort(EFFORT), list[tuple[Play, bool, bool]]()
    scenes = [scene for rule in rules if (scene := _invites_in(stage, rule)) is not None]
    for place, scene in enumerate(scenes):
        for amount in () if scene in scenes[:place] else (0, *stage.amounts):
            if effort.left > 0:
                play, grows = _friends(stage, scene, amount, effort)
                if play.profit_minor > 0:
                    found.append((play, grows, _has(play, ME) > 0))
    errors = [one for one in found if one[1] and one[2] and not bounded(stage.rules, _to_inviter(stage, one[0]))]
    if not found:
        return None
    play, _, inviter = min(errors or found, key=lambda one: (not one[2], one[0].money_minor, len(one[0].lines)))
    lines = [*play.lines, _ring_ends(play, endless=bool(errors), inviter=inviter)]
    severity = Severity.ERROR if errors else Severity.WARNING
    return Finding("INVITE_RING", severity, numbered(lines), play.gain, play.money_minor, tuple(sorted(play.used)))


def _of_invites(rule: Rule) -> bool:
    return rule.on == INVITE_ACCEPTED or (rule.on == ORDER_PAID and rule.to is To.INVITER)


def _invites_in(stage: Stage, rule: Rule) -> Scene | None:
    """The scene of a rule; whoever invites is nobody in particular."""
    scene = stage.scene_of(rule)
    return scene and replace(scene, standing=stage.plain.standing)


def _friends(stage: Stage, scene: Scene, amount: int, effort: Effort) -> tuple[Play, bool]:
    """Friends who each buy for ``amount`` (0: nothing), and whether each brings as much as the first."""
    play = stage.play(scene, effort)
    gains = [0]
    for number in range(1, FRIENDS + 1):
        friend, before = f"F{number}", play.held
        play.does(INVITE_ACCEPTED, {"inviter": ME}, who=friend)
        if amount:
            play.buy(Piece(amount), who=friend, say=False)
        bought = f" and buys goods for {play.money(amount)}" if amount else ""
        mine, theirs = _has(play, ME) - gains[-1], _has(play, friend)
        play.say(f"{friend} accepts an invitation of {ME}{bought}: {in_points(mine)} for {ME}, {theirs} for {friend}")
        gains.append(_has(play, ME))
        assert play.held - before == mine + theirs, "only these two get something"
    first = gains[1] - gains[0]
    return play, gains[-1] == FRIENDS * first


def _has(play: Play, member: str) -> int:
    return play.of(member).balance


def _to_inviter(stage: Stage, play: Play) -> list[str]:
    return [name for name in play.used if (rule := stage.rules.rule(name)) is not None and rule.to is To.INVITER]


def _ring_ends(play: Play, *, endless: bool, inviter: bool) -> str:
    worth = ends(play)
    if endless:
        return f"{worth}, and every further friend brings as much"
    return (
        f"{worth}; a limit bounds it" if inviter else f"{worth}, all with the friends: only who may register bounds it"
    )


# Events ---------------------------------------------------------------------------------------------------------------


def uncapped(stage: Stage) -> Iterator[Finding]:
    """Rules on events that pay as often as the event comes, with nothing that bounds them."""
    for rule in stage.rules.rules:
        if rule.on in {ORDER_PAID, INVITE_ACCEPTED, CHECKED_IN} or not rule.enabled or rule.approval:
            continue
        scene = stage.scene_of(rule)
        if scene is None or isinstance(rule.effect, Streak) or bounded(stage.rules, [rule.id]):
            continue
        play, given = stage.play(scene, Effort(TIMES)), list[int]()
        for number in range(TIMES * (rule.goal.reach if rule.goal and rule.goal.of == "count" else 1)):
            data = data_of(rule, stage.rules, number)
            if data is None or number > TIMES * TIMES * TIMES:
                break
            outcome = play.does(rule.on, data)
            points = next((line.get("points", 0) for line in outcome.why if line.get("rule") == rule.id), 0)
            given.append(points)
            said = ", ".join(f"{name} {value}" for name, value in data.items())
            play.say(f"{ME} causes {rule.on}{f' ({said})' if said else ''} and gets {in_points(points)}")
        if sum(1 for points in given if points) >= TIMES:
            worth = play.money(play.worth_minor(sum(given)))
            lines = [*play.lines, f"{in_points(sum(given))} worth {worth} within a minute, and so on"]
            yield Finding("UNCAPPED_GIFT", Severity.WARNING, numbered(lines), sum(given), 0, (rule.id,))


# Campaigns ------------------------------------------------------------------------------------------------------------


def budgetless(stage: Stage) -> Iterator[Finding]:
    """Campaigns that nothing bounds: no budget, and no cap on what they give."""
    for campaign in stage.rules.campaigns:
        rules = [rule for rule in stage.order_rules if rule.campaign == campaign.id and _open(rule)]
        if campaign.budget_points is None and not stage.rules.caps and rules:
            finding = _open_campaign(stage, campaign, rules)
            if finding is not None:
                yield finding


def _open(rule: Rule) -> bool:
    """Whether nothing of its own bounds a rule: a multiplier follows the amount, a bonus comes with every order."""
    number = rule.when.order_number
    return not rule.caps and rule.goal is None and (number is None or number.high is None)


def _open_campaign(stage: Stage, campaign: Campaign, rules: list[Rule]) -> Finding | None:
    """One large order in the campaign, or one after the other where a rule does not follow the amount."""
    for rule in rules:
        scene, piece = stage.scene_of(rule), piece_of(rule, stage.rules)
        if scene is None or piece is None:
            continue
        play = stage.play(scene, Effort(TIMES))
        for _ in range(TIMES):
            play.buy(replace(piece, amount_minor=10_000 * stage.unit))
        if rule.id in play.used:
            lines = [*play.lines, f"{campaign.id} has no budget, and {rule.id} no cap: so it goes on while it runs"]
            return Finding("BUDGETLESS", Severity.WARNING, numbered(lines), play.gain, play.money_minor, (rule.id,))
    return None
