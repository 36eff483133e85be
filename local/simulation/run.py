"""One run: a storm with every client in it, then calm, then the verdict.

storm   consumers, checkouts, sweepers and readers at once, faults and leaps of the clock
calm    what was given up is redriven days later, open wishes are asked once more, everything is delivered again,
        the sweeps run until nothing is due
verdict :mod:`local.simulation.judge`

Some seeds have a run of the mall besides, see :mod:`local.simulation.mall_run`; others one of the life of points, see
:mod:`local.simulation.life_run`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from jifen.service.ports import Sweep
from local.audit import Violation
from local.simulation import cast
from local.simulation.conditions import NotUnderstood
from local.simulation.history import Refused
from local.simulation.judge import judge
from local.simulation.life import is_seed
from local.simulation.life_run import simulate_life
from local.simulation.mall import EVERY
from local.simulation.mall_run import MallVerdict, simulate_mall
from local.simulation.scheduler import Livelock
from local.simulation.story import story
from local.simulation.visited import visited
from local.simulation.world import SHARDS, World

CONSUMERS = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a seed. ``trace`` is the same number whenever the seed is run on the same code."""

    seed: int
    violations: tuple[Violation, ...]
    reached: Counter[str]
    commits: int
    calls: int
    trace: int


def simulate(seed: int, tell: Callable[[str], None] | None = None) -> Verdict:
    """Run one seed; ``tell`` is given the history line by line (None: nobody reads it)."""
    verdict = simulate_spending(seed, tell)
    if is_seed(seed):
        return _with(verdict, simulate_life(seed, tell))
    return verdict if seed % EVERY else _with(verdict, simulate_mall(seed, tell))


def simulate_spending(seed: int, tell: Callable[[str], None] | None = None) -> Verdict:
    """Run one seed without the mall."""
    world = World(story(seed), tell)
    found: list[Violation] = []
    with world.running():
        try:
            _open(world)
            _storm(world)
            found += _calm(world)
            found += judge(world)
        except (Livelock, NotUnderstood):
            raise
        except Exception as failure:  # noqa: BLE001 - the real code failed where nothing may: that is a finding
            found += [Violation("no crash", "code", line) for line in world.records.broken]
            found.append(Violation("no crash", "code", repr(failure)))
    _note_ends(world)
    return Verdict(
        seed, tuple(found), world.reached, len(world.table.commits), world.network.calls, world.network.trace
    )


def _with(verdict: Verdict, mall: MallVerdict) -> Verdict:
    """What came of a seed that has a run of the mall, or of the life of points, besides."""
    return Verdict(
        verdict.seed,
        (*verdict.violations, *mall.violations),
        verdict.reached + mall.reached,
        verdict.commits + mall.commits,
        verdict.calls + mall.calls,
        verdict.trace ^ mall.trace,
    )


def _open(world: World) -> None:
    """What happened before, in fair weather."""

    def work() -> None:
        for place, delivery in enumerate(world.story.opening):
            cast.handle(world, [delivery])
            if place == 0:
                cast.ask_all(world, world.story.invites)
        cast.ask_all(world, world.story.early)

    world.network.calm = True
    world.scheduler.spawn("opening", work)
    world.scheduler.run()
    world.network.calm = False


def _storm(world: World) -> None:
    story = world.story
    for number in range(CONSUMERS):
        world.scheduler.spawn(f"orders {number}", lambda: cast.consume(world))
    for name, wishes in story.clients.items():
        world.scheduler.spawn(name, lambda wishes=wishes: cast.ask_all(world, wishes))  # type: ignore[misc]
    for number in range(2):
        world.scheduler.spawn(f"sweeper {number}", lambda own=story.sweeps[number::2]: cast.sweep(world, own))  # type: ignore[misc]
    world.scheduler.spawn("reader", lambda: cast.look(world, story.reads))
    world.scheduler.run()


def _calm(world: World) -> list[Violation]:
    """Let everything come to its end; what must not happen any more is reported."""
    found: list[Violation] = []

    def work() -> None:
        world.network.settle()
        world.clock.still()
        world.clock.advance(timedelta(days=world.story.pause_days))
        _drain(world)
        _ask_again(world)
        found.extend(_deliver_again(world))
        _sweep_dry(world)

    world.scheduler.spawn("calm", work)
    world.scheduler.run()
    return found


def _drain(world: World) -> None:
    world.orders.waiting += world.orders.dead
    world.orders.dead = []
    cast.consume(world)


def _ask_again(world: World) -> None:
    """Every caller that is not sure asks once more; every one that was answered is answered again."""
    asked = (world.story.invites, *world.story.clients.values())
    for wish in {repr(wish): wish for wishes in asked for wish in wishes}.values():
        answers = [told.answer for told in world.records.answered if told.key == wish.key]
        if not answers or not all(isinstance(answer, Refused) for answer in answers):
            cast.ask(world, wish)


def _deliver_again(world: World) -> list[Violation]:
    before = len(world.table.commits)
    left = [*world.story.opening, *world.story.deliveries]
    while left:
        batch, left = left[: cast.BATCH_MAX], left[cast.BATCH_MAX :]
        cast.handle(world, batch)
    if refused := [*world.orders.waiting, *world.orders.dead]:
        names = ", ".join(delivery.id for delivery in refused)
        return [Violation("deliveries", "orders", f"not acknowledged although nothing disturbs: {names}")]
    written = world.table.commits[before:]
    return [Violation("deliveries", "orders", f"delivered again, {sorted(one.puts)} were written") for one in written]


def _sweep_dry(world: World) -> None:
    world.tasks.clear()
    for kind in Sweep:
        cast.sweep(world, [kind])
    today = world.runtime.moment().today
    for kind in Sweep:
        pages = (world.runtime.ledger.due(kind, shard, today, None, 100).members for shard in range(SHARDS))
        world.records.still_due += [(kind, member) for page in pages for member in page]


def _note_ends(world: World) -> None:
    """Count what the run came to, so that nobody believes in a check that never saw its case."""
    accounts = [item for (_, sk), item in world.table.items.items() if sk == "A"]
    world.reached["ended with an open hold"] += any("holds" in item for item in accounts)
    world.reached["ended in debt"] += any(item["debt"]["N"] != "0" for item in accounts)
    forgiven = any("forgiven" in item for item in world.table.items.values())
    world.reached["ended with a clawback forgiven"] += forgiven
    for (_, sk), item in world.table.items.items():
        world.reached.update(visited(sk.partition("#")[0], item))
