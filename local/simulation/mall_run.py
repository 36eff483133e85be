"""One run of the mall: shoppers, operators and workers at once, then calm, then the laws of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from jifen.domain.errors import Busy, Refusal
from jifen.domain.exchanges import Wanted
from jifen.domain.ids import parse_document_id
from jifen.domain.money import Money
from jifen.domain.program import Program
from jifen.runtime import Deadline
from jifen.service.bidding import Bidding
from jifen.service.couponing import Couponing
from jifen.service.deadlines import Deadlines
from jifen.service.drawing import Drawing
from jifen.service.exchanging import Exchanging
from jifen.service.lotteries import Lotteries
from jifen.service.ports import Ledger
from jifen.service.shelving import Shelving
from local.audit import Violation
from local.simulation import cast, mall
from local.simulation.faults import Crash
from local.simulation.mall import Ask
from local.simulation.mall_laws import judge_mall
from local.simulation.mall_story import TEA, WHEEL, MallStory, Wish, mall_story
from local.simulation.scheduler import Livelock
from local.simulation.story import CURRENCY
from local.simulation.world import REQUEST_S, World

TRIES = 3
WAITS = 30
"""So many switches one waits for an order that somebody else is making."""

LATE_SWITCHES = 80
"""A slow call leaves after so many switches at most."""

WORKS_MAX = 12
"""Runs over the deadlines until nothing is due; more would never end."""

SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class Declined:
    """A refusal."""

    code: str


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a request, asked and answered when so many commits had been made."""

    key: str
    ask: Ask
    now: datetime
    begun: int
    ended: int
    answer: Mapping[str, Any] | Declined


@dataclass
class MallRun:
    """A run: its story, its world, and what was told."""

    story: MallStory
    world: World
    told: list[Told] = field(default_factory=list)
    crashed: set[str] = field(default_factory=set)
    reached: Counter[str] = field(default_factory=Counter)
    second_run: tuple[int, int] = (0, 0)
    """Commits before and after a run over the deadlines that had nothing to do."""

    def answered(self, key: str) -> Mapping[str, Any] | None:
        """The answer under a key, if there is one yet."""
        return next((one.answer for one in self.told if one.key == key and isinstance(one.answer, Mapping)), None)

    def visit(self, state: str) -> None:
        """Count a state that a campaign has to have met."""
        self.reached[f"mall: {state}"] += 1


@dataclass(frozen=True, slots=True)
class MallVerdict:
    """What came of a run."""

    violations: tuple[Violation, ...]
    reached: Counter[str]
    commits: int
    calls: int
    trace: int

    @classmethod
    def of(cls, found: Iterable[Violation], reached: Counter[str], world: World) -> MallVerdict:
        """What is found and reached in a world that has come to its end, and the faults that it had."""
        faults = Counter({name: count for name, count in world.reached.items() if not name.startswith("refused: ")})
        commits, network = len(world.table.commits), world.network
        return cls(tuple(found), reached + faults, commits, network.calls, network.trace)


class _NotYet(Exception):
    """What it is about is not there yet."""


def simulate_mall(seed: int, tell: Callable[[str], None] | None = None) -> MallVerdict:
    """Run one seed; ``tell`` is given the history line by line (None: nobody reads it)."""
    story = mall_story(seed)
    run = MallRun(story, World(story.story, tell))
    world, found = run.world, list[Violation]()
    _tell_story(run)
    with world.running():
        try:
            _open(run)
            _storm(run)
            _calm(run)
            found += [Violation("no crash", "code", line) for line in world.records.broken]
            found += judge_mall(run)
        except Livelock:
            raise
        except Exception as failure:  # noqa: BLE001 - the real code failed where nothing may: that is a finding
            found += [Violation("no crash", "code", line) for line in world.records.broken]
            found.append(Violation("no crash", "code", repr(failure)))
    return MallVerdict.of(found, run.reached, world)


def _tell_story(run: MallRun) -> None:
    story, tell = run.story, run.world.tell
    tell(f"the mall, about {story.focus}: {', '.join(story.story.members)}")
    for name, offered in story.shelf.items():
        tell(f"reward {name}: {offered.content}; {offered.pieces or ' '.join(offered.codes)}")
    for what in (story.lottery, story.auction):
        if what:
            tell(f"{what}")
    for name, wishes in story.clients.items():
        for wish in wishes:
            tell(f"{name}: {wish.key}: {wish.ask}")


# The run -------------------------------------------------------------------------------------------------------------


def _open(run: MallRun) -> None:
    world, story = run.world, run.story

    def work() -> None:
        for delivery in story.story.opening:
            cast.handle(world, [delivery])
        for name, offered in story.shelf.items():
            desk = Shelving(*_desk(run, f"write {name}"))
            desk.write(name, offered.content)
            if offered.pieces:
                Shelving(*_desk(run, f"fill {name}")).fill(name, offered.pieces, "new")
            if offered.codes:
                Shelving(*_desk(run, f"codes {name}")).add_codes(name, offered.codes)
        if story.lottery:
            desk_of_play = Lotteries(*_desk(run, "write"))
            desk_of_play.write(WHEEL, story.lottery, _secret, override="on purpose")
        if story.auction:
            Bidding(*_desk(run, "write")).write(TEA, story.auction)

    world.network.calm = True
    world.clock.still()  # No midnight between what is written and its first day.
    world.scheduler.spawn("opening", work)
    world.scheduler.run()
    world.network.calm = False
    world.clock.still(standing=False)


def _secret() -> bytes:
    return bytes(range(SEED_BYTES))


def _storm(run: MallRun) -> None:
    world = run.world
    world.scheduler.switch = _slowed(run, world.scheduler.switch)  # type: ignore[method-assign]
    for name, wishes in run.story.clients.items():
        world.scheduler.spawn(name, lambda wishes=wishes: _ask_all(run, wishes))  # type: ignore[misc]
    for number, pauses in enumerate(run.story.works):
        world.scheduler.spawn(f"worker {number}", lambda pauses=pauses: _work(run, pauses))  # type: ignore[misc]
    if run.story.story.sweeps:
        world.scheduler.spawn("sweeper", lambda: cast.sweep(world, run.story.story.sweeps))
    world.scheduler.run()


def _slowed(run: MallRun, switch: Callable[[], None]) -> Callable[[], None]:
    """Let others go on for a while, now and then: a process that stands still between two calls has reserved much."""
    world = run.world

    def slow() -> None:
        switch()
        mine = world.scheduler.current.startswith("shopper") and not world.network.calm
        if mine and world.rng.random() < run.story.slow:
            for _ in range(world.rng.randrange(5, LATE_SWITCHES)):
                switch()

    return slow


def _work(run: MallRun, pauses: Iterable[int]) -> None:
    """Look at the deadlines now and then, most often when some have passed; a worker that crashes comes back later."""
    world = run.world
    for seconds in pauses:
        for _ in range(world.rng.randrange(30)):
            world.scheduler.switch()
        world.clock.advance(timedelta(seconds=seconds))
        _ask(run, Wish("", mall.Work()))


def _calm(run: MallRun) -> None:
    """Everything that is open is asked for once more, time goes by, and the workers see to what is overdue."""
    world = run.world

    def work() -> None:
        world.network.settle()
        world.clock.still()
        _ask_again(run)
        for pause in (world.story.pause_days, 2.0):
            world.clock.advance(timedelta(days=pause))
            for _ in range(WORKS_MAX):
                before = len(world.table.commits)
                _ask(run, Wish("", mall.Work()))
                if len(world.table.commits) == before:
                    break
        before = len(world.table.commits)
        _ask(run, Wish("", mall.Work()))
        run.second_run = before, len(world.table.commits)
        cast.sweep(world, ["expire"])

    world.scheduler.spawn("calm", work)
    world.scheduler.run()


def _ask_again(run: MallRun) -> None:
    """Who has no answer asks again, and who has one gets it again."""
    for wish in dict.fromkeys(wish for wishes in run.story.clients.values() for wish in wishes):
        told = [one.answer for one in run.told if (one.key, one.ask) == wish]
        if not told or not all(isinstance(answer, Declined) for answer in told):
            _ask(run, wish)


def _ask_all(run: MallRun, wishes: tuple[Wish, ...]) -> None:
    for wish in wishes:
        for _ in range(TRIES):
            if _ask(run, wish):
                break
        for _ in range(run.world.rng.randrange(3)):
            run.world.scheduler.switch()


def _ask(run: MallRun, wish: Wish) -> bool:
    """One request; whether its outcome is known now."""
    world = run.world
    for _ in range(WAITS):
        try:
            perform = _PERFORM[type(wish.ask)](run, wish)
        except _NotYet:
            world.scheduler.switch()
            continue
        break
    else:
        return True
    begun = len(world.table.commits)
    world.doing(_step(wish.ask), world.clock.now, wish.key)
    world.network.read_at[world.scheduler.current] = {}
    try:
        answer: Mapping[str, Any] | Declined = perform()
    except Crash:
        run.crashed.add(wish.key)
        return False
    except Busy:
        return False
    except Refusal as refusal:
        answer = Declined(refusal.code)
    now = world.network.current().now or world.clock.now
    told = Told(wish.key, wish.ask, now, begun, len(world.table.commits), answer)
    world.tell(f"{wish.key}: {wish.ask}: {answer if isinstance(answer, Declined) else _short(answer)}")
    if wish.key:
        run.told.append(told)
    return True


def _step(ask: Ask) -> Any:
    """What is asked for, as the network takes it: a step that no reference knows."""
    return ask


def _short(answer: Mapping[str, Any]) -> str:
    names = ("order_id", "status", "points", "restored", "codes", "coupons", "prize", "outcome", "discount", "free")
    return ", ".join(f"{name} {answer[name]}" for name in names if answer.get(name))


# What is asked of the real code --------------------------------------------------------------------------------------

_Desk = tuple[Ledger, Program, Any, Deadline, str, str, str]


def _desk(run: MallRun, key: str) -> _Desk:
    world = run.world
    program = world.runtime.program
    patience = world.runtime.patience(world.context(REQUEST_S))
    doing, now = world.network.current(), world.clock.now  # reading the program may have taken its time
    world.doing(doing.step, now, doing.key)
    return world.runtime.ledger, program, program.moment(now), patience, "shop", "shop", key


_Perform = Callable[[], Mapping[str, Any]]


def _order(run: MallRun, key: str) -> str:
    answer = run.answered(key) or {}
    found = answer.get("order_id") or answer.get("reward_order_id")
    if not found:
        raise _NotYet
    return str(found)


def _coupon(run: MallRun, ask: Ask) -> str:
    answer = run.answered(ask.target) or {}
    found = [*answer.get("coupons", ()), *([answer["coupon"]] if answer.get("coupon") else [])]
    if not found:
        raise _NotYet
    return str(found[-1] if ask.flag else found[0])


def _exchange(run: MallRun, wish: Wish) -> _Perform:
    ask = wish.ask
    address = {"name": "A", "line": "1"} if ask.flag else None
    wanted = Wanted(ask.target, ask.number, address=address)
    return lambda: Exchanging(*_desk(run, wish.key)).exchange(ask.member, wanted)


def _pay(run: MallRun, wish: Wish) -> _Perform:
    order_id, answer = _order(run, wish.ask.target), run.answered(wish.ask.target) or {}
    cash = answer.get("cash") or {"amount_minor": 100, "currency": CURRENCY}
    money = Money(cash["amount_minor"], cash["currency"])
    return lambda: Exchanging(*_desk(run, wish.key)).paid(order_id, money, f"payment of {wish.ask.target}")


def _address(run: MallRun, wish: Wish) -> _Perform:
    order_id = _order(run, wish.ask.target)
    return lambda: Exchanging(*_desk(run, wish.key)).address(order_id, {"name": "A", "line": wish.ask.text})


def _ship(run: MallRun, wish: Wish) -> _Perform:
    order_id = _order(run, wish.ask.target)
    return lambda: Exchanging(*_desk(run, wish.key)).ship(order_id, "post", "1")


def _deliver(run: MallRun, wish: Wish) -> _Perform:
    order_id = _order(run, wish.ask.target)
    return lambda: Exchanging(*_desk(run, wish.key)).deliver(order_id)


def _cancel(run: MallRun, wish: Wish) -> _Perform:
    order_id, own = _order(run, wish.ask.target), wish.ask.flag
    return lambda: Exchanging(*_desk(run, wish.key)).cancel(order_id, "because", member=own, operator=not own)


def _give_back(run: MallRun, wish: Wish) -> _Perform:
    order_id, ask = _order(run, wish.ask.target), wish.ask
    return lambda: Exchanging(*_desk(run, wish.key)).give_back(
        order_id, "broken", restock=ask.flag, operator=True, quantity=ask.number or None
    )


def _fill(run: MallRun, wish: Wish) -> _Perform:
    return lambda: Shelving(*_desk(run, wish.key)).fill(wish.ask.target, wish.ask.number, "more")


def _add_codes(run: MallRun, wish: Wish) -> _Perform:
    return lambda: Shelving(*_desk(run, wish.key)).add_codes(wish.ask.target, wish.ask.text.split())


def _use(run: MallRun, wish: Wish) -> _Perform:
    coupon_id, ask = _coupon(run, wish.ask), wish.ask
    goods = Money(ask.number, CURRENCY)
    return lambda: Couponing(*_desk(run, wish.key)).use(coupon_id, ("shop", ask.text), goods, None)


def _release(run: MallRun, wish: Wish) -> _Perform:
    coupon_id, ask = _coupon(run, wish.ask), wish.ask
    return lambda: Couponing(*_desk(run, wish.key)).release(coupon_id, ("shop", ask.text))


def _void(run: MallRun, wish: Wish) -> _Perform:
    coupon_id = _coupon(run, wish.ask)
    return lambda: Couponing(*_desk(run, wish.key)).void(coupon_id, "because")


def _draw(run: MallRun, wish: Wish) -> _Perform:
    ask = wish.ask
    return lambda: Drawing(*_desk(run, wish.key)).draw(ask.member, ask.target, ask.text)


def _bid(run: MallRun, wish: Wish) -> _Perform:
    ask = wish.ask
    return lambda: Bidding(*_desk(run, wish.key)).bid(ask.member, ask.target, ask.number)


def _settle(run: MallRun, wish: Wish) -> _Perform:
    return lambda: Bidding(*_desk(run, wish.key)).settle(wish.ask.target)


def _cancel_auction(run: MallRun, wish: Wish) -> _Perform:
    return lambda: Bidding(*_desk(run, wish.key)).cancel(wish.ask.target, "because")


class _Nobody:
    """Nobody is told anything: nobody waits."""

    def tell(self, kind: str, notice_id: str, member: str, data: Mapping[str, object]) -> None:
        """See :class:`jifen.service.ports.Herald`."""


def _deadlines(run: MallRun, _wish: Wish) -> _Perform:
    def work() -> Mapping[str, Any]:
        ledger, program, moment, patience, *_ = _desk(run, "")

        def report(name: str, failure: Exception) -> None:
            run.world.records.broken.append(f"the deadline of {name}: {failure!r}")

        done = Deadlines(ledger, program, moment, patience, _Nobody, lambda: True, report).settle()
        return {"seen": done.seen, "settled": done.settled}

    return work


_PERFORM: Mapping[type[Ask], Callable[[MallRun, Wish], _Perform]] = {
    mall.Exchange: _exchange,
    mall.Pay: _pay,
    mall.Address: _address,
    mall.Ship: _ship,
    mall.Deliver: _deliver,
    mall.Cancel: _cancel,
    mall.GiveBack: _give_back,
    mall.Fill: _fill,
    mall.AddCodes: _add_codes,
    mall.UseCoupon: _use,
    mall.ReleaseCoupon: _release,
    mall.VoidCoupon: _void,
    mall.DrawOnce: _draw,
    mall.PlaceBid: _bid,
    mall.SettleAuction: _settle,
    mall.CancelAuction: _cancel_auction,
    mall.Work: _deadlines,
}


def member_of(document_id: str) -> str:
    """Whose a document is."""
    found = parse_document_id(document_id)
    assert found is not None, document_id
    return found.member
