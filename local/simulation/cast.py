"""Who takes part in a run: consumers of orders, checkouts, sweepers, readers. Each is one client of the scheduler.

A client that crashes is started again, as Lambda would; what it held goes back where it came from. A checkout that got
no definite answer asks again under the same key, a few times now and once more at the very end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import functions.earn.app as earn_app
import functions.expire.app as expire_app
import functions.remind.app as remind_app
from jifen.domain.errors import Busy, Refusal
from jifen.domain.program import Program
from jifen.service import campaigning, reading
from jifen.service.behaving import Behaving
from jifen.service.ports import ShardTask, Sweep
from jifen.service.ruling import Desk
from jifen.service.spending import Paying, Spending
from local.simulation import passwords
from local.simulation.departments import deed_of, is_deed
from local.simulation.faults import Crash
from local.simulation.happenings import Wish
from local.simulation.history import (
    Authorize,
    Capture,
    CheckIn,
    Happen,
    MakeUp,
    Redeem,
    Restore,
    Review,
    Steer,
    Step,
    Void,
    refused,
)
from local.simulation.story import Delivery
from local.simulation.telling import answer, words
from local.simulation.world import INVOCATION_S, REQUEST_S, Answered, Looked, World, message, task_message

TRIES = 3
BATCH_MAX = 10
TASK_RECEIVES_MAX = 40
"""A shard that fails more often than this in one run would never be done."""

_SWEEPERS = {Sweep.EXPIRE: expire_app.handler, Sweep.REMIND: remind_app.handler}


# Orders --------------------------------------------------------------------------------------------------------------


def consume(world: World) -> None:
    """Take batches from the order queue until it is empty."""
    while world.orders.waiting:
        most = 2 if world.story.lull else BATCH_MAX
        size = world.rng.randrange(1, min(most, len(world.orders.waiting)) + 1)
        batch = [world.orders.waiting.pop(world.rng.randrange(len(world.orders.waiting))) for _ in range(size)]
        handle(world, batch)
        for _ in range(1 + world.rng.randrange(world.story.lull + 1)):
            world.scheduler.switch()


def handle(world: World, batch: Sequence[Delivery]) -> None:
    """One invocation of the real function; what it does not acknowledge goes back to the queue."""
    event = {"Records": [message(delivery) for delivery in batch]}
    try:
        outcome = earn_app.handler(event, world.context())
    except Crash:
        failed = {delivery.id for delivery in batch}
    else:
        failed = {failure["itemIdentifier"] for failure in outcome["batchItemFailures"]}
        if 0 < len(failed) < len(batch):
            world.reached["batch failed in part"] += 1
    for delivery in batch:
        if delivery.id in failed:
            world.orders.give_back(delivery, world.reached)


# Spending ------------------------------------------------------------------------------------------------------------


def ask_all(world: World, wishes: Sequence[Wish]) -> None:
    """Ask for each wish in turn until there is a definite answer, or patience ends."""
    for wish in wishes:
        for _ in range(TRIES):
            if ask(world, wish):
                break
        for _ in range(world.rng.randrange(4)):
            world.scheduler.switch()


def ask(world: World, wish: Wish) -> bool:
    """One request; whether its outcome is known now."""
    now = world.clock.now
    try:
        program = world.runtime.program
        world.doing(wish.step, now, wish.key)
        world.network.read_at[world.scheduler.current] = {}
        told: Any = _perform(world, wish, program, now)
    except Crash:
        return False
    except Busy:
        world.reached["caller told to come back"] += 1
        return False
    except Refusal as refusal:
        told = refused(wish.step, refusal.code, refusal.facts())
        world.reached[f"refused: {refusal.code}"] += 1
        if told.limit:
            world.reached[f"limit reached: {told.limit}"] += 1
    _keep(world, wish, now, told)
    return True


def _perform(world: World, wish: Wish, program: Program, now: datetime) -> Any:
    if is_deed(wish.step) and (perform := deed_of(wish.step).perform):
        return perform(world, wish, now)
    ledger, moment = world.runtime.ledger, program.moment(now)
    patience = world.runtime.patience(world.context(REQUEST_S))
    step, key = wish.step, wish.header or wish.key
    if isinstance(step, Steer):
        desk = Desk(ledger, program, lambda _: (), moment, patience, "operator", "operator", key)
        return campaigning.step(desk, step.campaign, step.how, "because")
    if isinstance(step, (Happen, CheckIn, MakeUp, Review)):
        return _behave(step, Behaving(ledger, program, moment, patience, "shop", "shop", key))
    return _spend(world, step, Spending(ledger, program, moment, patience, key, "shop"))


def _behave(step: Happen | CheckIn | MakeUp | Review, desk: Behaving) -> Any:
    match step:
        case Happen(event):
            return desk.take(event)
        case CheckIn(member):
            return desk.check_in(member)
        case MakeUp(member):
            return desk.make_up(member)
        case Review(member, event_id, approve, points):
            return desk.approve(member, event_id, points, "good") if approve else desk.reject(member, event_id, "bad")


def _spend(world: World, step: Step, desk: Spending) -> Any:
    match step:
        case Redeem(member, _, points, order_id, order_total):
            return desk.redeem(member, points, order_id, order_total, paying=_paying(world, step, desk))
        case Authorize(member, _, points, order_id, expires_in_s, order_total):
            paying = _paying(world, step, desk)
            return desk.authorize(member, points, order_id, expires_in_s, order_total=order_total, paying=paying)
        case Capture(hold_id, points):
            return desk.capture(hold_id, points)
        case Void(hold_id):
            return desk.void(hold_id)
        case Restore(document_id, points):
            return desk.restore(document_id, points)
        case _:
            raise AssertionError(step)


def _paying(world: World, step: Redeem | Authorize, desk: Spending) -> Paying:
    """How points pay, the points password looked at as the functions do it."""
    guard = passwords.guard(world, step.member, step.password, desk.moment.now)
    return Paying(step.basket, step.up_to, guard=guard)


def _keep(world: World, wish: Wish, now: datetime, told: Any) -> None:
    world.tell(f"{wish.key}: {words(wish.step)}: {answer(told)}")
    read_at = dict(world.network.read_at[world.scheduler.current])
    world.records.answered.append(Answered(wish.key, wish.step, now, told, read_at))


# Sweeps --------------------------------------------------------------------------------------------------------------


def sweep(world: World, sweeps: Sequence[str], receives: int = TASK_RECEIVES_MAX, *, keep: bool = False) -> None:
    """Start each scheduled run and work on whatever shards are queued."""
    for name in sweeps:
        _start(world, Sweep(name))
        work(world, receives, keep=keep)


def _start(world: World, kind: Sweep) -> None:
    try:
        _SWEEPERS[kind]({}, world.context())
    except (Crash, Busy):
        world.reached["schedule did not get through"] += 1


def work(world: World, receives: int = TASK_RECEIVES_MAX, *, keep: bool = False) -> None:
    """Take tasks from the queue until it is empty; what fails goes back.

    After so many ``receives`` what is left is given up, or is for somebody else (``keep``).
    """
    for number in range(receives):
        if not world.tasks:
            return
        tasks = [world.tasks.pop(0) for _ in range(world.rng.randrange(1, min(3, len(world.tasks)) + 1))]
        kind = tasks[0].sweep
        mine = [task for task in tasks if task.sweep is kind]
        world.tasks += [task for task in tasks if task.sweep is not kind]
        _work_on(world, kind, mine, number)
        world.scheduler.switch()
    if not keep:
        world.tasks.clear()


def _work_on(world: World, kind: Sweep, tasks: list[ShardTask], number: int) -> None:
    records = [task_message(task, number * 10 + place) for place, task in enumerate(tasks)]
    # Little time, at times: a worker that has to put its cursor back.
    seconds = world.rng.choice((INVOCATION_S, INVOCATION_S, 8.3))
    try:
        outcome = _SWEEPERS[kind]({"Records": records}, world.context(seconds))
    except Crash:
        world.tasks += tasks
        return
    failed = {failure["itemIdentifier"] for failure in outcome["batchItemFailures"]}
    world.tasks += [task for record, task in zip(records, tasks, strict=True) if record["messageId"] in failed]


# Looking -------------------------------------------------------------------------------------------------------------


def look(world: World, times: int) -> None:
    """Read accounts, pages and proofs while others write."""
    for _ in range(times):
        member = world.rng.choice(world.story.members)
        try:
            _look(world, member)
        except (Crash, Busy):
            world.reached["reader got no answer"] += 1
        for _ in range(world.rng.randrange(6)):
            world.scheduler.switch()


def _look(world: World, member: str) -> None:
    ledger, moment = world.runtime.ledger, world.runtime.moment()
    world.doing(None, moment.now)
    if world.rng.random() < 0.3:  # noqa: PLR2004 - three looks in ten
        proof = reading.prove_member(ledger, member)
        world.reached["proof while others write"] += 1
        if not proof.valid:
            world.records.broken.append(f"the proof of {member} failed: {proof.equations}")
        return
    account = ledger.load([member]).accounts[member]
    at = world.network.read_at[world.scheduler.current][f"M#{member}", "A"]
    view = reading.member_view(account, world.story.program, moment)
    world.records.looked.append(Looked(member, moment.now, at, view, reading.lots_view(account, moment)["lots"]))
