"""The world of one run: the real runtime with a simulated clock, network, queues and channels around it.

    functions, services, store, PynamoDB, botocore      real
    clock, HTTP session, queues, channels, sleep        simulated, each a function of the seed

What the real code keeps in modules (limits that only a large program would reach) is made small for the length of a
run, so that it is reached by a small one.
"""

from __future__ import annotations

import copy
import functools
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
from botocore.retries.quota import RetryQuota

import functions.expire.app as expire_app
import functions.remind.app as remind_app
from jifen.adapters.queues import encode, encode_task
from jifen.domain import lots
from jifen.domain.errors import Busy
from jifen.domain.notices import Notice
from jifen.domain.orders import OrderEvent
from jifen.domain.program import Moment, Program
from jifen.domain.reminders import Reminder
from jifen.runtime import Deadline, Runtime, Settings, use
from jifen.service import earning, sweeping
from jifen.service.earning import Outcome
from jifen.service.ports import (
    Contact,
    Ledger,
    MalformedMessage,
    Message,
    NotSent,
    Patience,
    ShardTask,
    Sweep,
    Undeliverable,
)
from jifen.service.reminding import Reminding
from jifen.store.dynamo import DynamoLedger, TableSettings
from local.simulation.clock import SimulatedClock
from local.simulation.department import replaced
from local.simulation.departments import DEPARTMENTS
from local.simulation.faults import Crash
from local.simulation.history import Claim, Expire, Facts, Step
from local.simulation.network import Doing, Network
from local.simulation.scheduler import Scheduler
from local.simulation.story import Delivery, Story
from local.simulation.table import Key, SimulatedTable
from local.template import table_definition

TABLE = "simulated"
SHARDS = 2
PAGE = 2
RECEIVES_MAX = 4
"""After so many failures a message lies in the dead-letter queue."""

INVOCATION_S, REQUEST_S = 30.0, 10.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What a caller was told: an answer or a refusal, and what had been read for it, by commit number."""

    key: str
    step: Step
    now: datetime
    answer: Any
    read_at: dict[Key, int]


@dataclass(frozen=True, slots=True)
class Looked:
    """What somebody saw of an account that was read when so many commits had been made."""

    member: str
    now: datetime
    at: int
    view: Any
    lots: Any


@dataclass(frozen=True, slots=True)
class Sent:
    """A notice that a channel got under the claim of commit ``claim``: whether it went out, its ``fate``, and when."""

    message: str
    channel: str
    notice: Notice
    claim: int
    delivered: bool
    fate: str
    at: datetime

    @property
    def known(self) -> tuple[str, str]:
        """What goes out once: a notice (of a reminder: member, lot date and lead) on a channel."""
        return self.channel, self.notice.id

    @property
    def reminder(self) -> Reminder:
        """The reminder that it is of."""
        assert self.notice.reminder is not None, "it is of another kind"
        return self.notice.reminder


@dataclass
class Records:
    """What was seen from outside, for the judge.

    ``confirmed`` has the commit that confirmed what a claim had sent on a channel; ``noted`` is what departments saw
    for their own laws.
    """

    answered: list[Answered] = field(default_factory=list)
    looked: list[Looked] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    confirmed: dict[tuple[int, str], int] = field(default_factory=dict)
    still_due: list[tuple[Sweep, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    noted: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Context:
    """As much of a Lambda context as handlers use."""

    aws_request_id: str
    ends_at: datetime
    clock: Callable[[], datetime]

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the invocation's time."""
        return int((self.ends_at - self.clock()).total_seconds() * 1_000)


class _Log:
    """Keeps nothing but what the real code says that it did not expect."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def info(self, *_: object, **__: object) -> None:
        """Not kept."""

    warning = append_keys = info

    def exception(self, message: str, **_: object) -> None:
        """Kept, unless it is a message that is none or contention."""
        self._keep(message, sys.exc_info()[1])

    def error(self, message: str, exc_info: BaseException | None = None, **_: object) -> None:
        """Kept, where an exception comes with it."""
        self._keep(message, exc_info)

    def _keep(self, message: str, failure: BaseException | None) -> None:
        if failure is not None and not isinstance(failure, (MalformedMessage, Busy)):
            self._records.broken.append(f"{message}: {failure!r}")


@dataclass
class Orders:
    """The order queue, at its most hostile: any order, any batch, copies, failures given back, a dead-letter queue."""

    waiting: list[Delivery]
    dead: list[Delivery] = field(default_factory=list)
    receives: Counter[str] = field(default_factory=Counter)

    def give_back(self, delivery: Delivery, reached: Counter[str]) -> None:
        """A message that was not acknowledged."""
        self.receives[delivery.id] += 1
        if self.receives[delivery.id] >= RECEIVES_MAX:
            reached["message given up and redriven"] += 1
            self.dead.append(delivery)
        else:
            self.waiting.append(delivery)


class World:
    """One run's surroundings; see the module."""

    def __init__(self, story: Story, tell: Callable[[str], None] | None = None) -> None:
        self.story, self.records, self.reached = story, Records(), Counter[str]()
        self.rng = random.Random(f"{story.seed}/weather")
        self.clock = SimulatedClock(story.start, story.program.zone, self.rng, story.leap, self.reached)
        self.table = SimulatedTable(TABLE, table_definition_once(), self.clock)
        self.scheduler = Scheduler(random.Random(f"{story.seed}/schedule"), story.stay, self._between)
        self._tell = tell
        self.network = Network(self.table, self.scheduler, self.rng, story.rates, self.reached, self.tell)
        self.orders = Orders([one for one in story.deliveries if not one.late], [d for d in story.deliveries if d.late])
        self.tasks: list[ShardTask] = []
        self.claims: dict[str, int] = {}
        self.runtime = self._runtime()
        self._invocations = 0

    def tell(self, line: str) -> None:
        """Add a line to the history that a person reads, if somebody does."""
        if self._tell is not None:
            self._tell(f"{self.clock.now:%Y-%m-%d %H:%M:%S.%f}  {self.scheduler.current:<12} {line}")

    def context(self, seconds: float = INVOCATION_S) -> Context:
        """A new invocation with so much time."""
        self._invocations += 1
        return Context(f"i{self._invocations}", self.clock.now + timedelta(seconds=seconds), self.clock)

    def doing(self, step: Step | None, now: datetime | None, key: str = "") -> None:
        """The client that runs is about to decide this."""
        self.network.doing[self.scheduler.current] = Doing(step, now, key)

    def about(self, doing: Doing) -> None:
        """The client that runs goes on with what it was about."""
        self.network.doing[self.scheduler.current] = doing

    def committed_now(self) -> int:
        """The number of the commit that what the client is about has led to; 0 for none."""
        current = self.network.current()
        return next((one.number for one in reversed(self.network.committed) if one.doing is current), 0)

    def sleep(self, seconds: float) -> None:
        """Wait; others go on."""
        self.clock.advance(timedelta(seconds=seconds))
        self.scheduler.switch()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Put this world in place of the real one."""
        session = self.runtime.ledger.client._endpoint  # type: ignore[attr-defined]  # noqa: SLF001 - where botocore keeps it
        with ExitStack() as stack:
            stack.enter_context(use(self.runtime))
            for owner, name, value in (
                (session, "http_session", self.network),
                (botocore.endpoint, "time", SimpleNamespace(sleep=self._botocore_sleeps)),
                # A client that has failed a lot makes one attempt instead of two; here the seed says which.
                (RetryQuota, "acquire", lambda _quota, _amount: self.rng.random() < 0.9),  # noqa: PLR2004
                (lots, "LOTS_MAX", self.story.lots_max),
                (sweeping, "PAGE", PAGE),
                (remind_app, "Reminding", _observed(self)),
            ):
                stack.enter_context(replaced(owner, name, value))
            for department in DEPARTMENTS:
                for patch in department.patches(self):
                    stack.enter_context(patch)
            stack.enter_context(_wrapped(earning, "_attempt", self._earn))
            stack.enter_context(_wrapped(expire_app, "expire", self._expire))
            yield

    # The parts

    def _between(self) -> None:
        self.clock.tick()
        self.network.between()

    def _botocore_sleeps(self, _seconds: float) -> None:
        self.sleep(self.rng.random())

    def _runtime(self) -> Runtime:
        runtime = _Runtime(
            Settings(table=TABLE, program=self.story.program, shards=SHARDS, signing_secret="simulated"),  # noqa: S106
            clock=self.clock,
            monotonic=self.clock.seconds,
            ledger=_ledger(self.story.program),
            sweeps=_Sweeps(self),
            notifiers=[_Channel(name, self) for name in self.story.channels],
            count=lambda _numbers: None,
        )
        runtime.world = self
        runtime.logger = _Log(self.records)  # type: ignore[assignment]
        return runtime

    def _earn(self, real: Callable[..., list[Outcome]]) -> Callable[..., list[Outcome]]:
        def attempt(
            ledger: Ledger, program: Program, events: Sequence[OrderEvent], moment: Moment, patience: Patience
        ) -> list[Outcome]:
            self.doing(Facts(tuple(events)), moment.now)
            return real(ledger, program, events, moment, patience)

        return attempt

    def _expire(self, real: Callable[..., bool]) -> Callable[..., bool]:
        def expire(ledger: Ledger, member: str, moment: Moment, patience: Patience, program: Program) -> bool:
            self.doing(Expire(member), moment.now)
            return real(ledger, member, moment, patience, program)

        return expire


class _Runtime(Runtime):
    """The real one, waiting on the simulated clock."""

    world: World

    def patience(self, context: Any) -> Deadline:
        """See :class:`jifen.runtime.Runtime`."""
        return Deadline(lambda: context.get_remaining_time_in_millis() / 1_000, self.world.sleep, self.world.rng.random)


@dataclass
class _Sweeps:
    """The queue of shards, which at times does not take them."""

    world: World

    def send(self, tasks: Sequence[ShardTask], delay_s: int = 0) -> None:
        """See :class:`jifen.service.ports.SweepQueue`."""
        del delay_s  # whoever takes a task takes it when it comes to its turn
        self.world.scheduler.switch()
        if not self.world.network.calm and self.world.rng.random() < self.world.story.rates["query lost"]:
            self.world.reached["sweep queue refused a task"] += 1
            raise Busy(retry_after_s=5)
        if any(task.cursor for task in tasks):
            self.world.reached["sweep went on from a cursor"] += 1
        self.world.tasks += tasks


_FATES = {
    "sent": (True, None),
    "refused for now": (False, NotSent),
    "sent, but said not": (True, NotSent),
    "refused for good": (False, Undeliverable),
    "crash before sending": (False, Crash),
    "crash after sending": (True, Crash),
}


@dataclass
class _Channel:
    """A provider of one channel."""

    channel: str
    world: World

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        del contact
        return True

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        world = self.world
        world.scheduler.switch()
        trouble = not world.network.calm and world.rng.random() < world.story.notice_trouble
        fate = world.rng.choice(tuple(_FATES)) if trouble else "sent"
        delivered, failure = _FATES[fate]
        claim = world.claims.get(world.scheduler.current, 0)
        now = world.clock.now
        sent = [Sent(message.id, self.channel, notice, claim, delivered, fate, now) for notice in message.notices]
        for one in sent:
            before = [earlier for earlier in world.records.sent if earlier.known == one.known]
            dead = [earlier for earlier in before if (earlier.claim, self.channel) not in world.records.confirmed]
            world.reached["claim taken over"] += bool(dead)
            world.reached["reminder repeated after a death"] += delivered and any(earlier.delivered for earlier in dead)
            world.reached["notice besides reminders"] += one.notice.reminder is None
            world.tell(f"{one.notice.kind} {dict(one.notice.facts)} on {self.channel}: {fate}")
        world.records.sent += sent
        world.reached["digest of several reminders"] += len(sent) > 1
        world.reached[f"notice {fate}"] += 1
        if failure is not None:
            raise failure


def _observed(world: World) -> type[Reminding]:
    """The real use case, telling the world what it is about."""

    class Observed(Reminding):
        """See :class:`jifen.service.reminding.Reminding`."""

        def _claim(self, member: str, turns: frozenset[str] = frozenset()) -> Any:
            world.doing(Claim(member), self.moment.now)
            claimed = Reminding._claim(self, member, turns)  # noqa: SLF001 - the method it stands in for
            world.claims[world.scheduler.current] = world.committed_now()
            return claimed

        def _confirm(self, account: Any, items: Any, channel: str, *outcome: Any, last: bool) -> Any:
            world.doing(None, self.moment.now)
            after = Reminding._confirm(self, account, items, channel, *outcome, last=last)  # noqa: SLF001 - as above
            if number := world.committed_now():
                world.records.confirmed[world.claims[world.scheduler.current], channel] = number
            return after

    return Observed


# What is made once for a process -------------------------------------------------------------------------------------


@functools.cache
def table_definition_once() -> dict[str, Any]:
    """The template's table; reading it takes longer than a run."""
    return table_definition()


@functools.cache
def _client() -> DynamoLedger:
    """One real client for all runs: making one takes as long as a run. A run puts its own network behind it."""
    settings = TableSettings(
        name=TABLE,
        region="us-east-1",
        endpoint="http://127.0.0.1:9",
        shards=SHARDS,
        access_key_id="simulated",
        secret_access_key="simulated",  # noqa: S106 - opens nothing
    )
    return DynamoLedger(settings, Program())


def _ledger(program: Program) -> DynamoLedger:
    ledger = copy.copy(_client())
    # The same client under the run's program; the rules that it has kept are those of another table.
    ledger._program, ledger._rules = program, {}  # noqa: SLF001
    ledger._rules = {}  # noqa: SLF001 - and it has kept none in the run's table
    return ledger


def _wrapped(owner: Any, name: str, wrap: Callable[[Any], Any]) -> AbstractContextManager[None]:
    return replaced(owner, name, wrap(getattr(owner, name)))


def message(delivery: Delivery) -> dict[str, Any]:
    """A delivery as the queue hands it to the function."""
    group = delivery.events[0].member or delivery.events[0].order_id or "-"
    return {"messageId": delivery.id, "body": encode(delivery.events), "attributes": {"MessageGroupId": group}}


def task_message(task: ShardTask, number: int) -> dict[str, Any]:
    """A shard's task as the queue hands it to the function."""
    return {"messageId": f"t{number}", "body": encode_task(task)}
