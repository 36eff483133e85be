"""Where everything is put together: the only module that reads the environment and the clock.

A handler asks ``current()`` for what it needs; each part is built when first asked for, once per process, so that a
function imports only what it uses. In Lambda ``prepare(...)`` asks while the process starts, which is when a processor
is there for it. Tests and the local runner put their own runtime in place with ``use(...)``.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal

from jifen.domain.errors import Busy, InvalidProgram

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.metrics import Metrics

    from jifen.domain.orders import OrderEvent
    from jifen.domain.outgoing import OutgoingEvent
    from jifen.domain.program import Moment, Program
    from jifen.service.contacting import Links
    from jifen.service.hook_ports import HooksQueue, Poster
    from jifen.service.in_force import InForce
    from jifen.service.ports import AddressBook, EventBus, Herald, Ledger, Notifier, OrderQueue, Relay, SweepQueue
    from jifen.service.shelving import Showcase
    from jifen.store.dynamo import TableSettings

# ruff: noqa: PLC0415 - imports stand where they are needed: a function's cold start pays for nothing else

MARGIN_S = 3.0
"""Time kept back for one more call and the answer."""

WORK_MARGIN_S = 8.0
"""A sweep begins no other account with less time than this."""

_SECRETS = "JIFEN_SECRETS_"
_OF_PROGRAM = frozenset({"JIFEN_PROGRAM", "JIFEN_TIME_ZONE"})

WAIT_S_MAX = 1.0
WAIT_S_FIRST = 0.02


TOGETHER = frozenset({"ProgramUnreadable", "PointsPasswordsLocked"})
"""Metrics of all functions together, as ``service`` ``jifen``: each that an alarm looks at costs."""


class MissingSetting(Exception):
    """A setting that this function needs is not in its environment."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment as one typed value.

    Attributes:
        table: name of the ledger's table.
        region: AWS region.
        program: the stack's own rules and policies, which count until others are published.
        program_ttl_s: how long a process believes that the same program is in force, in seconds.
        shards: shards of the due indexes.
        secrets: active webhook secrets of each source; several while one is rotated.
        signing_secret: signs page cursors.
        member_claim: the claim of a token that holds the member's id.
        orders_queue_url, sweep_queue_url: where messages go.
        event_bus: bus for notices and for events of what changed; empty for none.
        email_from: sender of e-mails; empty for none.
        sms_from: origination identity of text messages; empty for none.
        push: whether devices are told over SNS.
        wechat: official account and mini program as JSON, with their secrets; empty for none.
        public_url: address of the API as members reach it, for unsubscribe links; empty for none.
        delivery_queue_url: where events for the shop's endpoints wait; empty for no endpoints.
        hooks_private: whether endpoints may be http and private: for a laptop.
        endpoint: another address than AWS's for the table.
        credentials: access key id and secret for such an endpoint.
    """

    table: str = ""
    region: str = "us-east-1"
    program: Program | None = None
    program_ttl_s: int = 30
    shards: int = 16
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    signing_secret: str = ""
    member_claim: str = "sub"
    orders_queue_url: str = ""
    sweep_queue_url: str = ""
    event_bus: str = ""
    email_from: str = ""
    sms_from: str = ""
    push: bool = False
    wechat: str = field(default="", repr=False)
    public_url: str = ""
    delivery_queue_url: str = ""
    hooks_private: bool = False
    endpoint: str | None = None
    credentials: tuple[str, str] | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """The settings in an environment.

        Raises:
            InvalidProgram: the program has faults.
            MissingSetting: a number is none.
        """
        return cls(
            table=environment.get("JIFEN_TABLE", ""),
            region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
            program=_program(environment) if environment.keys() & _OF_PROGRAM else None,
            program_ttl_s=_whole(environment, "JIFEN_PROGRAM_TTL_S", 30, 0, 3_600),
            shards=_whole(environment, "JIFEN_SHARDS", 16, 1, 4_096),
            secrets={
                name.removeprefix(_SECRETS).lower(): tuple(value.split())
                for name, value in environment.items()
                if name.startswith(_SECRETS)
            },
            signing_secret=environment.get("JIFEN_SIGNING_SECRET", ""),
            member_claim=environment.get("JIFEN_MEMBER_CLAIM") or "sub",
            orders_queue_url=environment.get("JIFEN_ORDERS_QUEUE_URL", ""),
            sweep_queue_url=environment.get("JIFEN_SWEEP_QUEUE_URL", ""),
            event_bus=environment.get("JIFEN_EVENT_BUS", ""),
            email_from=environment.get("JIFEN_EMAIL_FROM", ""),
            delivery_queue_url=environment.get("JIFEN_DELIVERY_QUEUE_URL", ""),
            hooks_private=environment.get("JIFEN_HOOKS_PRIVATE", "") == "true",
            sms_from=environment.get("JIFEN_SMS_FROM", ""),
            push=environment.get("JIFEN_PUSH", "") == "true",
            wechat=environment.get("JIFEN_WECHAT", ""),
            public_url=environment.get("JIFEN_PUBLIC_URL", ""),
        )


def _whole(environment: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or not low <= int(text) <= high:
        message = f"{name} is {text!r}, not a number from {low} to {high}"
        raise MissingSetting(message)
    return int(text)


def _program(environment: Mapping[str, str]) -> Program:
    import json

    from jifen.domain.errors import Fault
    from jifen.domain.program import parse_program

    try:
        data = json.loads(environment.get("JIFEN_PROGRAM") or "{}")
    except ValueError as wrong:
        raise InvalidProgram([Fault("program", "is not JSON")]) from wrong
    zone = environment.get("JIFEN_TIME_ZONE")
    if zone and isinstance(data, dict) and "time_zone" not in data:
        data = {**data, "time_zone": zone}
    return parse_program(data)


class Deadline:
    """Waits between tries, with full jitter, while there is time. Seconds throughout."""

    def __init__(
        self,
        remaining_s: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._remaining_s = remaining_s
        self._sleep = sleep
        self._jitter = jitter

    def pause(self, attempt: int) -> None:
        """See :class:`jifen.service.ports.Patience`."""
        wait = self._jitter() * min(WAIT_S_MAX, WAIT_S_FIRST * 2 ** min(attempt, 10))
        if self._remaining_s() - wait < MARGIN_S:
            raise Busy
        self._sleep(wait)

    def has_time(self, first_s: float = 0) -> bool:
        """Whether another piece of work can be begun, once so many seconds have gone by."""
        return self._remaining_s() - first_s > WORK_MARGIN_S

    def has(self, seconds: float) -> bool:
        """Whether so much time is left."""
        return self._remaining_s() > seconds

    def rest(self, seconds: float) -> bool:
        """Wait so long; or say that there is no time for it and another piece of work behind it."""
        if self._remaining_s() - seconds <= WORK_MARGIN_S:
            return False
        self._sleep(seconds)
        return True


def _no_link(_member: str, _channel: str) -> str:
    return ""


class _Late:
    """A client that is built when it is first used: a sweep's worker that ends in time queues nothing."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = cache(build)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._build(), name)


class Runtime:
    """Everything a handler can ask for. Parts given to the constructor replace the real ones."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ledger: Ledger | None = None,
        orders: OrderQueue | None = None,
        sweeps: SweepQueue | None = None,
        notifiers: Sequence[Notifier] | None = None,
        herald: Herald | None = None,
        bus: EventBus | None = None,
        relay: Relay | None = None,
        poster: Poster | None = None,
        hooks_queue: HooksQueue | None = None,
        count: Callable[[Mapping[str, int]], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.monotonic = monotonic
        self.count = count or self._count
        self._given = (ledger, orders, sweeps, notifiers)
        self._herald = herald
        self._bus = bus
        self._relay = relay
        self._poster = poster
        self._hooks_queue = hooks_queue
        self._request_id = ""
        self.turns: dict[str, float] = {}
        """When this process can send the next message on each channel; see :mod:`jifen.service.rates`."""

    @property
    def program(self) -> Program:
        """Rules and policies in force: those published in the table, else the settings' own."""
        if self._given[0] is None and not self.settings.table:
            return self.own_program
        return self.in_force.program()

    @cached_property
    def own_program(self) -> Program:
        """The settings' own program, in force until one is published; the default one where they name none."""
        from jifen.domain.program import Program

        return self.settings.program or Program()

    @cached_property
    def in_force(self) -> InForce:
        """What knows the program in force."""
        from jifen.service.in_force import InForce

        own, ttl_s = self.own_program, self.settings.program_ttl_s
        return InForce(lambda: self.ledger, own, ttl_s, self.monotonic, self._unreadable)

    def _unreadable(self, number: int, wrong: InvalidProgram) -> None:
        faults = [f"{fault.field}: {fault.problem}" for fault in wrong.faults]
        self.logger.error("the published program cannot be read", extra={"version": number, "faults": faults})
        self.count({"ProgramUnreadable": 1})

    def moment(self, as_of: datetime | None = None) -> Moment:
        """Now, or ``as_of`` with now as the time of recording."""
        now = self.clock()
        return self.program.moment(as_of or now, recorded_at=now)

    def patience(self, context: Any) -> Deadline:
        """As long as the invocation has left; ten seconds outside Lambda."""
        if hasattr(context, "get_remaining_time_in_millis"):
            return Deadline(lambda: context.get_remaining_time_in_millis() / 1000)
        end = time.monotonic() + 10
        return Deadline(lambda: end - time.monotonic())

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger on DynamoDB, and with it what reads the program in force and tells the ledger."""
        if self._given[0] is not None:
            return self._given[0]
        from jifen.store.dynamo import DynamoLedger

        made = DynamoLedger(self.table_settings(), self.own_program)
        _ = self.in_force
        return made

    @cached_property
    def mall(self) -> Ledger:
        """The ledger together with what reads and writes the mall's rows, for functions that do nothing else."""
        import jifen.store.codec_mall  # noqa: F401 - it is found there when the first row is met

        return self.ledger

    @cached_property
    def swept(self) -> Ledger:
        """The ledger together with what reads and writes the progress of sweeps."""
        import jifen.store.codec_sweeps  # noqa: F401 - it is found there when the first row is met

        return self.ledger

    @cached_property
    def life(self) -> Ledger:
        """The ledger together with what reads and writes endpoints, events out, policies and notices."""
        import jifen.store.codec_life  # noqa: F401 - it is found there when the first row is met

        return self.ledger

    def table_settings(self) -> TableSettings:
        """Where the table is."""
        from jifen.store.dynamo import TableSettings

        self._need("JIFEN_TABLE", self.settings.table)
        key_id, secret = self.settings.credentials or (None, None)
        return TableSettings(
            name=self.settings.table,
            region=self.settings.region,
            endpoint=self.settings.endpoint,
            shards=self.settings.shards,
            access_key_id=key_id,
            secret_access_key=secret,
        )

    @cached_property
    def orders(self) -> OrderQueue:
        """Where verified order events go."""
        if self._given[1] is not None:
            return self._given[1]
        from jifen.adapters.queues import SqsOrderQueue

        return SqsOrderQueue(self._client("sqs"), self._need("JIFEN_ORDERS_QUEUE_URL", self.settings.orders_queue_url))

    @cached_property
    def sweeps(self) -> SweepQueue:
        """Where the shards of a scheduled run go."""
        if self._given[2] is not None:
            return self._given[2]
        from jifen.adapters.queues import SqsSweepQueue

        return SqsSweepQueue(
            _Late(lambda: self._client("sqs")), self._need("JIFEN_SWEEP_QUEUE_URL", self.settings.sweep_queue_url)
        )

    @cached_property
    def notifiers(self) -> Sequence[Notifier]:
        """The channels in use."""
        if self._given[3] is not None:
            return self._given[3]
        channels: list[Notifier] = []
        if self.relay is not None:
            from jifen.adapters.notify.webhook import WebhookNotifier

            channels.append(WebhookNotifier(self.relay, self.clock))
        if self.settings.event_bus:
            from jifen.adapters.notify.event import EventNotifier

            channels.append(EventNotifier(self._client("events"), self.settings.event_bus))
        if self.settings.email_from:
            from jifen.adapters.notify.email import EmailNotifier

            link = self.links.link if self.settings.public_url else _no_link
            channels.append(EmailNotifier(self._once("sesv2"), self.settings.email_from, link))
        if self.settings.sms_from:
            from jifen.adapters.notify.sms import SmsNotifier

            channels.append(SmsNotifier(self._once("pinpoint-sms-voice-v2"), self.settings.sms_from))
        if self.settings.push:
            from jifen.adapters.notify.push import PushNotifier

            channels.append(PushNotifier(self._once("sns"), self.address_book))
        if self.settings.wechat:
            channels.append(self._wechat())
        return channels

    def _wechat(self) -> Notifier:
        from jifen.adapters.notify.wechat import WeChatNotifier, WrongSetting, read

        try:
            setting = read(self.settings.wechat)
        except WrongSetting as wrong:
            message = f"JIFEN_WECHAT cannot be used: {wrong}"
            raise MissingSetting(message) from None
        return WeChatNotifier(setting, self.address_book, self.monotonic)

    @cached_property
    def address_book(self) -> AddressBook:
        """What channels tell of the contacts they send to."""
        from jifen.service.contacting import Book

        return Book(lambda: self.ledger, lambda: self.patience(None))

    @cached_property
    def links(self) -> Links:
        """Unsubscribe links."""
        from jifen.service.contacting import Links

        return Links(self.settings.signing_secret.encode(), self.settings.public_url)

    @cached_property
    def herald(self) -> Herald:
        """What tells members of things besides reminders."""
        if self._herald is not None:
            return self._herald
        from jifen.adapters.notify.herald import EventHerald, NoHerald

        bus = self.settings.event_bus
        return EventHerald(self._client("events"), bus) if bus else NoHerald()

    @cached_property
    def bus(self) -> EventBus | None:
        """Where events of what changed go; None where there is no bus."""
        if self._bus is not None or not self.settings.event_bus:
            return self._bus
        from jifen.adapters.events import EventBridgeBus

        return EventBridgeBus(self._client("events"), self.settings.event_bus, self._not_taken)

    def _not_taken(self, problem: str, events: int) -> None:
        self.logger.warning("the event bus did not take events", extra={"problem": problem, "events": events})

    @cached_property
    def relay(self) -> Relay | None:
        """What takes events to the shop's endpoints; None where there is nothing that could."""
        if self._relay is not None or not self.settings.delivery_queue_url:
            return self._relay
        from jifen.service.relaying import Relaying

        return Relaying(
            lambda: self.ledger, lambda: self.hooks_queue, self.clock, self.monotonic, lambda: self.patience(None)
        )

    @cached_property
    def hooks_queue(self) -> HooksQueue:
        """Where events for the shop's endpoints wait."""
        if self._hooks_queue is not None:
            return self._hooks_queue
        from jifen.adapters.hooks import SqsHooksQueue

        url = self._need("JIFEN_DELIVERY_QUEUE_URL", self.settings.delivery_queue_url)
        return SqsHooksQueue(_Late(lambda: self._client("sqs")), url)

    @cached_property
    def poster(self) -> Poster:
        """What signs and posts events to the shop's endpoints."""
        if self._poster is not None:
            return self._poster
        from jifen.adapters.hooks import HttpPoster

        return HttpPoster(private=self.settings.hooks_private)

    @cached_property
    def jitter(self) -> Callable[[], float]:
        """From 0 to 1, at random: spreads what would come at the same time."""
        return random.random

    @staticmethod
    def random(count: int) -> bytes:
        """So many random bytes, of which keys can be made."""
        return os.urandom(count)

    def events_of(self, record: Mapping[str, Any]) -> tuple[OutgoingEvent, ...]:
        """What is told of a record of the table's stream; see :func:`jifen.store.stream.events_in`."""
        return self.teller(record)

    @cached_property
    def teller(self) -> Callable[[Mapping[str, Any]], tuple[OutgoingEvent, ...]]:
        """What reads the records of the table's stream."""
        import jifen.store.codec_life
        import jifen.store.codec_mall  # noqa: F401 - they are found there when the first such row is met
        from jifen.store.stream import events_in

        return events_in

    @cached_property
    def showcase(self) -> Showcase:
        """What knows the shelf of the mall."""
        from jifen.service.shelving import Showcase

        return Showcase(lambda: self.ledger, self.settings.program_ttl_s, self.monotonic)

    def _client(self, service: str) -> Any:
        """A client of botocore's own: boto3 would add its resources and its transfer manager, which nothing uses."""
        from botocore.config import Config

        config = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3, "mode": "standard"})
        return self._session.create_client(service, region_name=self.settings.region, config=config)

    def _once(self, service: str) -> Any:
        """A client that asks once: a message whose answer was lost may have been sent."""
        from botocore.config import Config

        config = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1, "mode": "standard"})
        return self._session.create_client(service, region_name=self.settings.region, config=config)

    @cached_property
    def _session(self) -> Any:
        """What the clients share: credentials and the descriptions of services, read once."""
        import botocore.session

        return botocore.session.get_session()

    def receive(self, source: str, headers: Mapping[str, str], body: bytes) -> list[OrderEvent]:
        """The order events of one webhook delivery; see :func:`jifen.adapters.webhook.receive`."""
        return self.receiver(source, headers, body, self.settings.secrets, self.clock())

    def read_order(self, body: bytes, now: datetime) -> list[OrderEvent]:
        """The order events in a body of our own form, whoever wrote it: for what is only tried.

        Raises:
            MalformedEvent: naming every field that cannot be read.
        """
        from jifen.adapters.webhook.standard import read

        return read({}, body, now)

    @cached_property
    def receiver(self) -> Callable[..., list[OrderEvent]]:
        """What knows the shops."""
        from jifen.adapters.webhook import receive

        return receive

    def order_events(self, message: str) -> list[OrderEvent]:
        """The order events in a queue message; see :func:`jifen.adapters.queues.decode`."""
        return self.decoder(message)

    @cached_property
    def decoder(self) -> Callable[[str], list[OrderEvent]]:
        """What reads the messages of the orders queue."""
        from jifen.adapters.queues import decode

        return decode

    @cached_property
    def logger(self) -> Logger:
        """Structured logs."""
        from aws_lambda_powertools import Logger

        logger = Logger(service=os.environ.get("POWERTOOLS_SERVICE_NAME", "jifen"))
        logger.append_keys(request_id=self._request_id)
        return logger

    @cached_property
    def metrics(self) -> Metrics:
        """What writes CloudWatch metrics, as lines of log (EMF)."""
        from aws_lambda_powertools.metrics import Metrics

        return Metrics()

    def _count(self, numbers: Mapping[str, int]) -> None:
        """Write numbers as metrics, in one line but for those that all functions count together; no zeros."""
        counted = {name: value for name, value in numbers.items() if value}
        for name in TOGETHER & counted.keys():
            from aws_lambda_powertools.metrics import MetricUnit, single_metric

            with single_metric(name, MetricUnit.Count, counted.pop(name), default_dimensions={"service": "jifen"}):
                pass
        for name, value in counted.items():
            self.metrics.add_metric(name=name, unit="Count", value=value)
        if counted:
            self.metrics.flush_metrics()

    def begin(self, request_id: str) -> None:
        """A new invocation begins: from here on every log line carries its id."""
        self._request_id = request_id
        if "logger" in self.__dict__:
            self.logger.append_keys(request_id=request_id)

    @staticmethod
    def _need(name: str, value: str) -> str:
        if not value:
            message = f"{name} is not set"
            raise MissingSetting(message)
        return value


_in_use: list[Runtime] = []


def current() -> Runtime:
    """The runtime of this process, built from its environment the first time."""
    if not _in_use:
        _in_use.append(Runtime(Settings.read(os.environ)))
    return _in_use[-1]


Part = Literal[
    "ledger",
    "mall",
    "swept",
    "life",
    "orders",
    "sweeps",
    "notifiers",
    "logger",
    "metrics",
    "receiver",
    "decoder",
    "bus",
    "relay",
    "hooks_queue",
    "poster",
    "teller",
]


def prepare(*parts: Part) -> None:
    """Build these parts now: the last line of a function's module, so that its first event finds them there.

    Lambda gives a starting process a whole processor, and a small function's events a part of one. Anywhere but in
    Lambda this does nothing. Settings that are missing or wrong are left for the first event to name, as ever.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return
    with contextlib.suppress(MissingSetting, InvalidProgram):
        here = current()
        for part in parts:
            getattr(here, part)


@contextlib.contextmanager
def use(runtime: Runtime) -> Iterator[Runtime]:
    """Put ``runtime`` in place of the process's own, for a while."""
    _in_use.append(runtime)
    try:
        yield runtime
    finally:
        _in_use.remove(runtime)
