"""RATE_ABOVE_PRICE: an order whose points are worth its price or more. POINTS_LOOP: spending brings the points again.

Both are played in every scene in which a rule on orders applies: in campaigns, on birthdays, at the best tier.
"""

from __future__ import annotations

from dataclasses import replace

from jifen.domain.lint.finding import Finding, Severity, in_points, numbered
from jifen.domain.lint.play import ME, Effort, Piece, Play, ends
from jifen.domain.lint.scenes import Scene, Stage, bounded, data_of
from jifen.domain.orders import LineKind

EFFORT = 200
ROUNDS = 3
LARGE_UNITS = 1_000
"""Units of currency of an order at which a fraction of a point decides nothing."""

CARDS = ("gift-card", "giftcard", "gift_card", "voucher", "coupon", "top-up", "topup", "prepaid", "recharge")
"""What the name of goods says that keep their price: they can pay for the next order."""

SPENDING = ("redeem", "redemption", "coupon", "voucher", "exchange", "points.spent", "gift_card")
"""What the name of an event says that comes of spending points."""


# A price below the points ---------------------------------------------------------------------------------------------


def above_price(stage: Stage) -> Finding | None:
    """The cheapest order that costs no more than its points are worth."""
    effort, found = Effort(EFFORT), list[tuple[Play, Scene, Piece]]()
    for scene in stage.scenes:
        for amount in (*stage.amounts, LARGE_UNITS * stage.unit):
            for piece in stage.pieces if amount >= LARGE_UNITS * stage.unit else stage.pieces[:1]:
                if effort.left <= 0:
                    break
                bought, play = replace(piece, amount_minor=amount), stage.play(scene, effort)
                play.buy(bought)
                if play.profit_minor > 0 or (play.profit_minor == 0 and amount >= stage.unit):
                    found.append((play, scene, bought))
    if not found:
        return None
    without_end = [one for one in found if _pays_without_end(stage, one[0]) and _again(stage, *one)]
    play, *_ = min(without_end or found, key=lambda one: (one[0].money_minor, len(one[0].lines)))
    lines = [*play.lines, f"{ends(play)}, and the goods"]
    if without_end:
        lines.append("The same again as often as one likes: no limit bounds it")
    else:
        lines.append("A limit bounds how often")
    # Points worth just the price sell two for one, which a shop may want; above it every order makes money.
    severity = Severity.ERROR if without_end and play.profit_minor > 0 else Severity.WARNING
    return Finding("RATE_ABOVE_PRICE", severity, numbered(lines), play.gain, play.money_minor, tuple(sorted(play.used)))


def _again(stage: Stage, first: Play, scene: Scene, piece: Piece) -> bool:
    """Whether the same order gives as much each time."""
    play = stage.play(scene, Effort(ROUNDS))
    for _ in range(ROUNDS):
        play.buy(piece)
    return play.gain >= ROUNDS * first.gain


def _pays_without_end(stage: Stage, play: Play) -> bool:
    """Whether the rules that no limit bounds are enough for it."""
    (order,) = play.orders.values()
    if order.award is None or stage.rules.caps:
        return False
    grants = order.award.pinned.grants
    points = order.award.granted if stage.rules.bare else 0
    points += sum(count for name, count in grants.items() if not bounded(stage.rules, [name]))
    tasks = [rule.id for rule in stage.rules.order_tasks if rule.id in play.used]
    if tasks and not bounded(stage.rules, tasks):
        points += play.gain - order.award.granted
    return points >= play.gain or play.worth_minor(points) > play.money_minor


# Points that come back ------------------------------------------------------------------------------------------------


def loop(stage: Stage) -> Finding | None:
    """The first way in which spending brings the points again."""
    return _cards(stage) or _spending_events(stage) or _paid_with_points(stage)


def _cards(stage: Stage) -> Finding | None:
    """Goods that keep their price, by the names that the rules use, bought with one another."""
    named = sorted({one for rule in stage.order_rules for one in (*rule.when.category, *rule.when.product)})
    for name in named:
        if not any(card in name.lower() for card in CARDS):
            continue
        category = any(name in rule.when.category for rule in stage.order_rules)
        amount = 100 * stage.unit
        piece = Piece(amount, name) if category else Piece(amount, None, name)
        play = stage.play(stage.plain, Effort(ROUNDS))
        play.buy(piece)
        first = play.gain
        for _ in range(ROUNDS - 1):
            play.say(f"{ME} pays the next with it")
            play.buy(piece)
            play.money_minor -= amount
        if first <= 0 or play.gain < ROUNDS * first:
            continue
        ending = f"Ends with the {name} of {play.money(amount)} and {in_points(play.gain)} that cost nothing"
        severity = Severity.WARNING if bounded(stage.rules, play.used) else Severity.ERROR
        return _loop(play, severity, ending, 0)
    return None


def _spending_events(stage: Stage) -> Finding | None:
    """Events that come of spending points and give some, by the names that the rules use."""
    for rule in stage.rules.rules:
        if not rule.enabled or rule.approval or not any(word in rule.on for word in SPENDING):
            continue
        scene = stage.scene_of(rule)
        if scene is None:
            continue
        play = stage.play(scene, Effort(2 * ROUNDS))
        play.has(1)
        gains = [0]
        for number in range(ROUNDS):
            data = data_of(rule, stage.rules, number)
            if data is None:
                break
            before = play.held
            play.spend()
            play.does(rule.on, data)
            play.say(f"{ME} spends what there is, which is {rule.on}, and gets {in_points(play.held - before)}")
            gains.append(play.gain)
        if len(gains) == ROUNDS + 1 and gains[1] > 0 and gains[-1] >= ROUNDS * gains[1]:
            severity = Severity.WARNING if bounded(stage.rules, play.used) else Severity.ERROR
            return _loop(play, severity, f"Ends with {play.gain} points more than there were", 0)
    return None


def _paid_with_points(stage: Stage) -> Finding | None:
    """An order that points pay whole, and that earns in spite of it."""
    for scene in stage.scenes:
        for piece in stage.pieces:
            amount = 100 * stage.unit
            play = stage.play(scene, Effort(1))
            play.buy(replace(piece, amount_minor=amount), Piece(amount, kind=LineKind.POINTS))
            if play.gain > 0:
                return _loop(play, Severity.ERROR, f"Ends with {in_points(play.gain)} for an order that points paid", 0)
    return None


def _loop(play: Play, severity: Severity, ending: str, cost_minor: int) -> Finding:
    lines = numbered([*play.lines, ending])
    return Finding("POINTS_LOOP", severity, lines, play.gain, cost_minor, tuple(sorted(play.used)))
