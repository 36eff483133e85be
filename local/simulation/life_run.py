"""One run of the life of points: rounds of a storm with days between them, then calm, then the laws of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from jifen.service import expiring, taking_back, validity
from local.audit import Violation
from local.simulation import cast
from local.simulation.conditions import NotUnderstood
from local.simulation.department import replaced
from local.simulation.faults import Crash
from local.simulation.happenings import Wish
from local.simulation.history import Refused
from local.simulation.life import Chosen, Pause, Preview, TakeBatchBack
from local.simulation.life_laws import judge_life
from local.simulation.life_story import LifeStory, Round, life_story
from local.simulation.mall_run import MallVerdict
from local.simulation.scheduler import Livelock
from local.simulation.world import World

PARTS = 2
"""Parts of a batch, in place of many."""

CONSUMERS = 2
RECEIVES = 4
"""A sweeper takes so many batches of tasks from the queue; what is left waits for the next one, days later."""

DRAINS_MAX = 3


@dataclass
class LifeRun:
    """A run: its story, its world, and what it came to."""

    story: LifeStory
    world: World
    reached: Counter[str] = field(default_factory=Counter)

    def visit(self, state: str, times: int = 1) -> None:
        """Count a state that a campaign has to have met."""
        self.reached[f"life: {state}"] += times


def simulate_life(seed: int, tell: Callable[[str], None] | None = None) -> MallVerdict:
    """Run one seed; ``tell`` is given the history line by line (None: nobody reads it)."""
    story = life_story(seed)
    run = LifeRun(story, World(story.story, tell))
    world, found = run.world, list[Violation]()
    world.tell(f"the life of points, about {story.focus}: {', '.join(story.story.members)}; {story.data}")
    with world.running(), _small(run):
        try:
            _open(run)
            for one in story.rounds:
                _round(run, one)
            _calm(run)
            found += [Violation("no crash", "code", line) for line in world.records.broken]
            found += judge_life(run)
        except (Livelock, NotUnderstood):
            raise
        except Exception as failure:  # noqa: BLE001 - the real code failed where nothing may: that is a finding
            found += [Violation("no crash", "code", line) for line in world.records.broken]
            found.append(Violation("no crash", "code", repr(failure)))
    return MallVerdict.of(found, run.reached, world)


@contextmanager
def _small(run: LifeRun) -> Iterator[None]:
    """What a large batch would have is reached by a small one; crashes of those who take one back are noted."""
    real = taking_back.TakingBack.act

    at_work = Counter[tuple[str, int]]()

    def act(self: taking_back.TakingBack, member: str) -> bool:
        part = self.task.batch, self.task.shard
        at_work[part] += 1
        run.visit("two workers at one part of a batch", at_work[part] > 1)
        try:
            return real(self, member)
        except Crash:
            run.visit("a crash in the middle of a taking back")
            raise
        finally:
            at_work[part] -= 1

    with ExitStack() as stack:
        for module in (expiring, taking_back, validity):
            stack.enter_context(replaced(module, "ROW_SHARDS", PARTS))
        stack.enter_context(replaced(taking_back.TakingBack, "act", act))
        yield


def _open(run: LifeRun) -> None:
    world = run.world

    def work() -> None:
        for delivery in world.story.opening:
            cast.handle(world, [delivery])

    world.network.calm = True
    world.scheduler.spawn("opening", work)
    world.scheduler.run()
    world.network.calm = False


def _round(run: LifeRun, one: Round) -> None:
    world = run.world
    world.clock.advance(timedelta(days=one.days))
    world.orders.waiting += one.deliveries
    for number in range(CONSUMERS if one.deliveries else 0):
        world.scheduler.spawn(f"orders {number}", lambda: cast.consume(world))
    for name, wishes in one.clients.items():
        world.scheduler.spawn(name, lambda wishes=wishes: cast.ask_all(world, wishes))  # type: ignore[misc]
    for number, sweeps in enumerate(one.sweeps):
        world.scheduler.spawn(
            f"sweeper {number}",
            lambda sweeps=sweeps: cast.sweep(world, sweeps, RECEIVES, keep=True),  # type: ignore[misc]
        )
    world.scheduler.run()


def _calm(run: LifeRun) -> None:
    """Everything comes to its end: what was begun is asked for again, holds run out, and days later all is swept."""
    world = run.world

    def work() -> None:
        world.network.settle()
        world.clock.still()
        world.orders.waiting += world.orders.dead
        world.orders.dead = []
        cast.consume(world)
        _ask_again(run)
        cast.work(world)
        world.clock.advance(timedelta(days=world.story.pause_days))
        cast.sweep(world, ["expire", "remind", "expire"])
        if any("holds" in item for item in world.table.items.values()):
            # What is held of points that were shortened is waited for.
            world.clock.advance(timedelta(seconds=run.story.data["holds"]["expires_in_s"]))
            cast.sweep(world, ["expire"])
        _take_back_again(run)
        world.clock.advance(timedelta(days=1))
        cast.sweep(world, ["expire", "remind", "expire"])

    world.scheduler.spawn("calm", work)
    world.scheduler.run()


def _ask_again(run: LifeRun) -> None:
    """Who has no answer asks again, and no sweep is paused any more."""
    world = run.world
    cast.ask(world, Wish("resume", _any(Pause(paused=False))))
    for wish in _wishes(run):
        answers = [told.answer for told in world.records.answered if told.key == wish.key]
        if not isinstance(wish.step, _OF_DESKS) and not (
            answers and all(isinstance(answer, Refused) for answer in answers)
        ):
            cast.ask(world, wish)


_OF_DESKS: tuple[Any, ...] = (Pause, Preview, TakeBatchBack)


def _take_back_again(run: LifeRun) -> None:
    """Whoever took a batch back asks for it once more: what was given up is queued again."""
    world = run.world
    chosen = {one.key for one in world.records.noted if isinstance(one, Chosen)}
    for wish in _wishes(run):
        if wish.key in chosen:
            cast.ask(world, wish)
            for _ in range(DRAINS_MAX):
                cast.work(world, keep=True)


def _wishes(run: LifeRun) -> list[Wish]:
    """All that was ever asked for, each once."""
    wishes = [wish for one in run.story.rounds for wishes in one.clients.values() for wish in wishes]
    return list({wish.key: wish for wish in wishes}.values())


def _any(step: Any) -> Any:
    return step
