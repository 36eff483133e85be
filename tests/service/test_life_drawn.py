"""The life of points, drawn: orders, spending, logins, notices, policies that change, nights, batches taken back.

The world is that of :mod:`tests.service.test_everything_at_once`, under programs whose policies of validity take each
other's place. After every step the books are looked through, and the index of expiry: nothing is to be done to an
account before the day under which it stands there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest

from jifen.domain.account import Account
from jifen.domain.batches import BatchRow, BatchStatus, ValidityBatch
from jifen.domain.calendar import day_start
from jifen.domain.entries import Entry, Kind, Reason
from jifen.domain.errors import Busy
from jifen.domain.notices import Notice, NoticeKind
from jifen.domain.policies import SOURCE
from jifen.domain.program import Program
from jifen.service.being import was_here
from jifen.service.expiring import expire
from jifen.service.ports import Message, NotSent, Posting, ShardTask, Sweep
from jifen.service.reading import prove_member
from jifen.service.reminding import Reminding
from jifen.service.taking_back import TakingBack
from jifen.service.validity import Asked, Previewing, reverse
from jifen.service.walking import Walking
from tests.service.queues import Tasks
from tests.service.scene import give
from tests.service.test_everything_at_once import (
    MEMBERS,
    START,
    Draw,
    Request,
    World,
    copied,
    documents,
    faults,
    misspent,
    program,
    versions,
)
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

SPENT = {"spent": {"months": 1, "each_minor": 5_000, "wait_days": 3}}
UNSEEN = {"inactive": {"days": 6, "without": ["login"], "known_since": "2026-02-20"}}
MISSED = {"inactive": {"months": 1, "without": ["login", "order"], "known_since": "2026-02-20"}}


def of(clawback: str, cooling: int, expiry: Mapping[str, Any], *policies: Mapping[str, Any], **more: Any) -> Program:
    """A program with these policies, by whose ids they know each other."""
    named = [{"starts_on": "2026-03-05", **one} for one in policies]
    life = {"validity": {"policies": named}, "reminders": {"lead_days": [7, 3]}, "expiry": expiry}
    return program(clawback, cooling, "grace", **life, **more)


SHORT = {"policy": "days", "days": 45, "round_up_to": "none"}
LONG = {"policy": "months", "months": 3, "round_up_to": "month_end"}
PROGRAMS = (
    of(
        "debt", 3, SHORT,
        {"id": "loyal", "when": SPENT, "extend": {"months": 1}},
        {"id": "sleepy", "when": UNSEEN, "leave": {"days": 12}},
        {"id": "dormant", "when": MISSED, "void": {"share": "0.5", "notice_days": 5}},
    ),
    of(
        "negative", 0, LONG,
        {"id": "sleepy", "when": MISSED, "extend": {"months": 2}},
        {"id": "dormant", "when": UNSEEN, "void": {"share": "1", "notice_days": 2}},
        {"id": "loyal", "when": UNSEEN, "leave": {"months": 1}},
        time_zone="America/Sao_Paulo",
    ),
    of(
        "clamp", 2, {"policy": "never"},
        {"id": "sleepy", "when": UNSEEN, "leave": {"months": 1}, "starts_on": "2026-04-20"},
    ),
    of(
        "debt", 3, SHORT,
        {"id": "loyal", "when": UNSEEN, "extend": {"months": 1}},
        tiers={"by": "points", "levels": [{"id": "m", "from": 0, "allowance": 5}, {"id": "g", "from": 100}]},
    ),
    program("debt", 3, "lapse"),
)  # fmt: skip

Case = tuple[str, str, int, str | None]
"""A member, the policy, the points and the day that they have then."""

_workers = count()


@dataclass
class Mail:
    """A channel that takes what it is given, or does not."""

    works: bool = True
    channel: str = "email"
    said: list[Notice] = field(default_factory=list)

    def reaches(self, contact: object) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        del contact
        return True

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        if not self.works:
            raise NotSent(message.id)
        self.said += [one for one in message.notices if one.kind is NoticeKind.DORMANT]


class LifeDraw(Draw):
    """Draws what is done next, and how much time passes; ``said`` are the notices of voids that went out."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.said: list[Notice] = []

    def request(self, world: World) -> Request:
        """One request; half of them are about validity."""
        if self.random.random() < 0.5:
            return super().request(world)
        kinds: Sequence[Callable[[World], Request]] = (
            [self.night] * 6 + [self.login] * 2 + [self.told] * 3 + [self.reversal] * 2 + [self.late_sweep]
        )
        return self.random.choice(kinds)(world)

    def login(self, _world: World) -> Request:
        """A member is there."""
        member = self.member
        return lambda world: was_here(world.ledger, world.program.moment(world.now), Patient(), member, "login")[
            "recorded"
        ]

    def night(self, _world: World) -> Request:
        """Everybody is swept."""
        return lambda world: [
            expire(world.ledger, one, world.program.moment(world.now), Patient(), world.program) for one in MEMBERS
        ]

    def late_sweep(self, _world: World) -> Request:
        """A task that waited for some days."""
        member, days = self.member, self.random.choice((1, 6))

        def asked(world: World) -> Any:
            moment = world.program.moment(world.now - timedelta(days=days), recorded_at=world.now)
            return expire(world.ledger, member, moment, Patient(), world.program)

        return asked

    def told(self, _world: World) -> Request:
        """Everybody is told what is due, where the channel works."""
        mail = Mail(self.random.random() < 0.8)

        def asked(world: World) -> Any:
            moment = world.program.moment(world.now)
            worker = f"w{next(_workers)}"
            telling = Reminding(world.ledger, [mail], world.program, moment, Patient(5), worker, lambda *_: None)
            for member in MEMBERS:
                try:
                    telling.remind(member)
                except NotSent:
                    continue
            self.said += mail.said

        return asked

    def reversal(self, world: World) -> Request:
        """A batch is taken back, or some parts of it before the worker dies."""
        batches = documents(world.ledger, ValidityBatch)
        if not batches:
            return self.night(world)
        batch, key, parts = (
            self.random.choice(batches).id,
            f"k{self.count}-{self.random.random()}",
            self.random.choice((16, 16, 7)),
        )

        def asked(world: World) -> Any:
            moment = world.program.moment(world.now)
            queue = Tasks()
            reverse(world.ledger, queue, batch, "a mistake", Asked("ada", "admin:ada", key), moment, Patient())
            return [taken_back(world, task) for task in queue.waiting[:parts]]

        return asked


def taken_back(world: World, task: ShardTask) -> int:
    """One worker of a reversal."""
    own = TakingBack(world.ledger, task, world.program, world.program.moment(world.now), Patient())
    done = 0
    for member in own.pages(None, 100).members:
        try:
            done += own.act(member)
        except Busy:
            return done  # a hold reserves what was shortened
    own.finish()
    return done


def opened(seed: int) -> tuple[World, LifeDraw]:
    """A world in which everybody has some points, with a day and without."""
    world, draw = World(MemoryLedger(PROGRAMS[0]), PROGRAMS), LifeDraw(seed)
    for number, member in enumerate(MEMBERS):
        give(world.ledger, member, 40 + 60 * number, START.date() + timedelta(days=11 * number))
        give(world.ledger, member, 30, None)
    return world, draw


def walked(world: World) -> None:
    """Everybody stands under the dates of the program in force."""
    world.ledger.follow(world.program)
    moment = world.program.moment(world.now)
    task = ShardTask(Sweep.EXPIRE, world.now, 0, walk="drawn")
    walking = Walking(world.ledger, task, lambda: world.program, lambda: moment, Patient())
    for write in world.ledger.stale(list(world.ledger._accounts), walking._renewed()).writes:
        world.ledger.commit(Posting((write,)), Patient())


def turn(world: World, draw: LifeDraw) -> None:
    """Time passes, another program comes into force, something is asked for."""
    if draw.random.random() < 0.3:
        world.now += timedelta(minutes=draw.random.choice((7, 600, 1_440, 1_440, 8_640, 28_800)))
    if draw.random.random() < 0.08:
        world.which = draw.random.randrange(len(world.programs))
        walked(world)
    before = versions(world)
    request = draw.request(world)
    outcome = world.ask(request)
    assert not misspent(world, before)
    if outcome[0] != "done":
        assert before == versions(world)


# What has to hold ----------------------------------------------------------------------------------------------------


def wrong(world: World, said: Sequence[Notice]) -> list[str]:
    """What is wrong with the books, with what policies wrote, and with the days in the index."""
    found = faults(world)
    for member, account in world.ledger._accounts.items():
        entries = list(world.ledger.history(member))
        if not prove_member(world.ledger, member).valid:
            found.append(f"{member} is not proved")
        rows = {one.batch: one for one in documents(world.ledger, BatchRow) if one.member == member}
        own = [one.facts for one in said if one.member == member]
        of_policies = (*_of_policies(entries, rows), *_of_voids(entries, own))
        found += [f"{member}: {fault}" for fault in (*of_policies, *_of_index(world, account))]
        found += [f"{member} has less than nothing expired"] if account.lifetime.expired < 0 else []
    return found


def _of_policies(entries: Sequence[Entry], rows: Mapping[str, BatchRow]) -> list[str]:
    """Policies move points and void some, each in a row; taking back never gives more than was taken."""
    found, voided = [], defaultdict[int, int](int)
    for entry in entries:
        draft = entry.draft
        if draft.source.type != SOURCE:
            continue
        row = rows[draft.source.id]
        if entry.sequence not in (row.reversed_by if "takes_back" in draft.why[0] else row.sequences):
            found.append(f"entry {entry.sequence} is not in the row of {row.batch}")
        if draft.kind is Kind.ADJUST and draft.points:
            found.append(f"entry {entry.sequence} moves and makes {draft.points}")
        if draft.reason == Reason.POINTS_VOIDED:
            voided[entry.sequence] = -draft.points
        if draft.reason == Reason.EXPIRY_REVERSED and draft.why[0]["takes_back"] in voided:
            voided[draft.why[0]["takes_back"]] -= draft.points
    return found + [f"entry {number} came back {-left} too much" for number, left in voided.items() if left < 0]


def _of_voids(entries: Sequence[Entry], said: Sequence[Mapping[str, Any]]) -> list[str]:
    """Nobody loses more than the latest notice said, nor before its day, nor without one."""
    found = []
    for entry in (one for one in entries if one.draft.reason == Reason.POINTS_VOIDED):
        why = entry.draft.why[0]
        day = why["batch"].rpartition(".")[2]
        of = {name: why[name] for name in ("policy", "inactive_since", "share")}
        own = [facts for facts in said if facts.items() >= of.items() and facts["voids_on"] <= day]
        if not own or -entry.draft.points > own[-1]["points"]:
            found.append(f"entry {entry.sequence} voids {-entry.draft.points}; said was {own}")
    return found


def _of_index(world: World, account: Account) -> list[str]:
    """An account stands under a day that is not later than the first on which the sweep writes something."""
    stands: date | None = world.ledger._dates[account.member][Sweep.EXPIRE]
    zone = world.program.zone
    last = world.now + timedelta(days=200)
    before = last if stands is None else min(last, day_start(stands, zone) - timedelta(seconds=1))
    if before < world.now:
        return []
    for at in (world.now, before):
        twin = MemoryLedger(world.program)
        twin._accounts[account.member] = account
        if expire(twin, account.member, world.program.moment(at), Patient(), world.program):
            return [f"stands under {stands} and is written on {at}"]
    return []


def _as_foretold(world: World, ahead: int) -> bool:
    """Whether a preview says what a night does so many days ahead, but for those who are still to be told of a void.

    Nor does it know of batches that are being taken back.
    """
    of, twin, foretold, found = world.program, copied(world.ledger), list[Case](), list[Case]()
    day = of.moment(world.now).today + timedelta(days=ahead)
    at = max(world.now, day_start(day, of.zone))
    page = Previewing(twin, 0, of, world.now, twin.shards, b"secret").page(day, None, 100)
    untold = {
        case["member_id"] for case in page["cases"] if case["effect"] == "void" and "told_points" not in case["why"]
    }
    for case in page["cases"]:
        foretold.append((case["member_id"], case["policy"], case["points"], case["then"]))
    before = versions(world)
    for member in twin._accounts:
        expire(twin, member, of.moment(at), Patient(), of)
        for entry in twin.history(member):
            if entry.sequence > before[member] and entry.draft.source.type == SOURCE:
                then = min(
                    (one.expires_on for one in entry.draft.lots if one.points > 0 and one.expires_on), default=None
                )
                why = entry.draft.why[0]
                found.append((member, why["policy"], why["points"], then.isoformat() if then else None))
    batches = (one for one in documents(world.ledger, ValidityBatch) if one.status is not BatchStatus.APPLIED)
    said, done = (sorted(one for one in cases if one[0] not in untold) for cases in (foretold, found))
    return said == done or any(one.day == day for one in batches)


@pytest.mark.parametrize("seed", range(16))
def test_points_live_by_the_book(seed: int) -> None:
    """Whatever is done, by whichever programs: proved, never more than there was, and found by the sweep in time."""
    world, draw = opened(seed)
    for step in range(80):
        turn(world, draw)
        assert not wrong(world, draw.said), step
        assert step % 5 or _as_foretold(world, ahead=(0, 1, 9, 40)[step // 5 % 4]), step
