"""REFUND_SPLIT, CLAMP_TRANSFER: points that are left when everything has been given back.

buy, give back at once | in parts | cancel        in every order, with one order or as many as a task asks for
buy, spend the points, give back, again           under ``clamp`` the points spent are forgiven
buy, give the points away, give back, again       under ``clamp`` these are forgiven too, and a friend has them
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import NamedTuple

from jifen.domain.lint.finding import Finding, Severity, in_points, numbered
from jifen.domain.lint.play import ME, OTHER, Effort, Piece, Play
from jifen.domain.lint.scenes import Scene, Stage, piece_of
from jifen.domain.money import AMOUNT_MINOR_MAX
from jifen.domain.program import ClawbackPolicy

CODE, GIVEN_AWAY = "REFUND_SPLIT", "CLAMP_TRANSFER"

RETURN_DAYS = 14
"""Days within which shops are taken to accept goods back."""

EFFORT = 160
"""Orders and refunds that are played at most, of one kind of story."""

TASK_ORDERS_MAX = 40
ROUNDS = 3


def search(stage: Stage) -> Finding | None:
    """The cheapest way to points for goods that were all given back."""
    found: Play | None = None
    for play in _stories(stage):
        if play.gain > 0 and play.money_minor <= 0 and (found is None or _price(play) < _price(found)):
            found = play
    if found is not None:
        lines = [*found.lines, _ending(found, found.gain)]
        return Finding(CODE, Severity.ERROR, numbered(lines), found.gain, 0, tuple(sorted(found.used)))
    return _forgiven(stage, _SPENDING, stage.amounts)


def transfers(stage: Stage) -> Finding | None:
    """The cheapest way to give points away before the goods go back."""
    terms = stage.program.transfers
    more = [stage.amounts[-1] * terms.min_points] if terms.min_points > 1 else []
    return _forgiven(stage, _GIVING, (*stage.amounts, *(one for one in more if one <= AMOUNT_MINOR_MAX)))


def _price(play: Play) -> tuple[int, int, int]:
    """What a story asks for: money laid out for a while, steps; of equals the one that gains more."""
    return play.outlay_minor, len(play.lines), -play.gain


def _ending(play: Play, points: int) -> str:
    return f"Nothing was kept: {in_points(points)} worth {play.money(play.worth_minor(points))} that cost nothing"


# Whatever the policy --------------------------------------------------------------------------------------------------


def _stories(stage: Stage) -> Iterator[Play]:
    for story in (_of_tasks, _of_friends, _of_lines, _of_amounts, _of_levels):
        yield from story(stage, Effort(EFFORT))


def _of_tasks(stage: Stage, effort: Effort) -> Iterator[Play]:
    """As many orders as a task asks for, then all of them back; also one more in between."""
    for scene, piece, count in _tasks(stage):
        if effort.left < 2 * count:
            continue
        bought = stage.play(scene, effort)
        orders = [bought.buy(piece) for _ in range(count)]
        yield from _all_back(bought, orders)
        again = bought.branch()
        again.give_back(orders[-1])
        yield from _all_back(again, [again.buy(piece), *orders[:-1]], late=False)


def _tasks(stage: Stage) -> Iterator[tuple[Scene, Piece, int]]:
    """Each task on orders: where it counts, what to buy for it, and how many times."""
    for rule in stage.rules.order_tasks:
        scene, piece = stage.scene_of(rule), piece_of(rule, stage.rules)
        if not rule.enabled or rule.goal is None or scene is None or piece is None:
            continue
        each = max(1, rule.when.amount_minor.low or 1) if rule.when.amount_minor else 1
        count = rule.goal.reach if rule.goal.of == "count" else 1
        each = each if rule.goal.of == "count" else max(each, rule.goal.reach)
        if count <= TASK_ORDERS_MAX:
            yield scene, replace(piece, amount_minor=each), count


def _of_friends(stage: Stage, effort: Effort) -> Iterator[Play]:
    """A friend's first order, with what the inviter gets for it."""
    if not stage.rules.for_inviter:
        return
    for amount in stage.amounts:
        if effort.left > 0:
            play = stage.play(stage.plain, effort)
            invited(play, "F1")
            order = play.buy(Piece(amount), who="F1")
            yield from _all_back(play, [order])


def _of_lines(stage: Stage, effort: Effort) -> Iterator[Play]:
    """Orders of two kinds of lines, given back line by line: rules that take each other's place."""
    for piece in stage.pieces[1:]:
        for amount in stage.amounts[-2:]:
            if effort.left <= 0:
                return
            play = stage.play(stage.plain, effort)
            order = play.buy(Piece(amount), replace(piece, amount_minor=amount))
            for first, second in ((1, 2), (2, 1)):
                parts = play.branch()
                parts.give_back(order, line=first)
                parts.give_back(order, line=second)
                yield parts


def _of_amounts(stage: Stage, effort: Effort) -> Iterator[Play]:
    """One order of each amount that matters, given back in parts that cross it."""
    for scene in stage.scenes:
        for amount in stage.amounts:
            if effort.left <= 0:
                return
            play = stage.play(scene, effort)
            order = play.buy(Piece(amount))
            yield from _all_back(play, [order], late=False)
            for part in sorted({1, amount // 2} - {0, amount}):
                parts = play.branch()
                parts.give_back(order, part)
                parts.give_back(order)
                yield parts


def _of_levels(stage: Stage, effort: Effort) -> Iterator[Play]:
    """An order that lifts its buyer to a level, and one that earns there."""
    for level in stage.rules.tiers.levels[1:] if stage.rules.tiers else ():
        if effort.left <= 0:
            return
        play = stage.play(stage.plain, effort)
        orders = [play.buy(Piece(level.reach * stage.unit)), play.buy(Piece(stage.amounts[-1]))]
        yield from _all_back(play, orders, late=False)


def _all_back(play: Play, orders: list[str], *, late: bool = True) -> Iterator[Play]:
    """Everything back: refunded or cancelled, in every order where there are few, and at the last day for it."""
    few = len(orders) <= ROUNDS
    for sequence in permutations(orders) if few else (orders, orders[::-1]):
        for cancel in (False, True):
            yield _back(play.branch(), sequence, cancel=cancel)
    if late:
        last = play.branch()
        last.wait(days=RETURN_DAYS)
        last.say(f"{RETURN_DAYS} days later")
        yield _back(last, orders, cancel=False)


def _back(play: Play, orders: tuple[str, ...] | list[str], *, cancel: bool) -> Play:
    for order in orders:
        if cancel:
            play.cancel(order)
        else:
            play.give_back(order)
    return play


def invited(play: Play, friend: str) -> None:
    """A friend accepts the invitation; what both get for that is no part of the story's gain."""
    if friend not in play.accounts:
        play.does("invite.accepted", {"inviter": ME}, who=friend)
    play.say(f"{friend} accepts an invitation of {ME}")
    play.baseline = play.held
    play.used.clear()


# Under clamp ----------------------------------------------------------------------------------------------------------

Round = Callable[[Play, int], None]
"""What is done in one round; rounds are numbered."""


class _Way(NamedTuple):
    """How points go before the goods do: the code of what is found, and what does it."""

    code: str
    gone: Callable[[Play], int]
    says: str


def _forgiven(stage: Stage, way: _Way, amounts: Sequence[int]) -> Finding | None:
    """The cheapest way to be rid of points before the goods go back."""
    if stage.program.clawback is not ClawbackPolicy.CLAMP:
        return None
    effort, found = Effort(EFFORT), list[tuple[Play, Round]]()
    for scene, once in _rounds(stage, way, amounts):
        if effort.left > 0:
            play = stage.play(scene, effort)
            once(play, 1)
            if play.gain > 0 and play.money_minor <= 0:
                found.append((play, once))
    if not found:
        return None
    best, once = min(found, key=lambda one: _price(one[0]))
    again, gains = best.branch(), [best.gain]
    for number in range(2, ROUNDS + 1):
        once(again, number)
        gains.append(again.gain)
    endless = gains[-1] > gains[-2]
    forgiven = "The policy clamp forgives what is missing, where debt would have it owed"
    lines = [*best.lines, forgiven, _ending(best, best.gain)]
    lines += [f"The same again, {ROUNDS} times in all: {in_points(gains[-1])}, and so on"] if endless else []
    # A warning: the shop chose the policy by its name, and this is what it is.
    return Finding(way.code, Severity.WARNING, numbered(lines), best.gain, 0, tuple(sorted(best.used)))


def _rounds(stage: Stage, way: _Way, amounts: Sequence[int]) -> Iterator[tuple[Scene, Round]]:
    """What to do, and where: tasks, friends' orders, then one order of each kind and amount."""
    for scene, piece, count in _tasks(stage):
        yield scene, partial(_gone, way, [piece] * count)
    if stage.rules.for_inviter:
        for amount in amounts:
            yield stage.plain, partial(_gone_of_friend, way, Piece(amount))
    for scene in stage.scenes:
        for piece in stage.pieces:
            for amount in amounts:
                yield scene, partial(_gone, way, [replace(piece, amount_minor=amount)])


def _gone(way: _Way, pieces: list[Piece], play: Play, number: int) -> None:
    """Buy, be rid of the points, give everything back."""
    del number
    orders = [play.buy(piece) for piece in pieces]
    _go(way, play)
    for order in orders:
        play.give_back(order)


def _gone_of_friend(way: _Way, piece: Piece, play: Play, number: int) -> None:
    """A friend buys, who invited is rid of the points, the friend gives everything back."""
    friend, before = f"F{number}", play.gain
    invited(play, friend)
    play.baseline -= before
    order = play.buy(piece, who=friend)
    _go(way, play)
    play.give_back(order)


def _go(way: _Way, play: Play) -> None:
    """Be rid of what there is; where nothing can be used yet, wait as long as goods can still be given back."""
    points = way.gone(play)
    if not points and play.of(ME).pending(play.moment.today):
        play.wait(days=RETURN_DAYS)
        play.say(f"{RETURN_DAYS} days later")
        points = way.gone(play)
    play.say(way.says.format(who=ME, points=in_points(points), to=OTHER))


_SPENDING = _Way(CODE, Play.spend, "{who} spends {points}")
_GIVING = _Way(GIVEN_AWAY, Play.gives_away, "{who} gives {points} to {to}")
