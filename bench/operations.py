"""The operations that are counted, each on a member as a shop has them: a year of orders behind them, a lot a month."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from bench.budgets import BATCH
from bench.count import Count, Meter
from jifen.domain.account import Account
from jifen.domain.calendar import DAY
from jifen.domain.errors import Busy, InsufficientPoints
from jifen.domain.lots import Lot
from jifen.domain.orders import EventType, Line, OrderEvent, Paid
from jifen.domain.program import Program
from jifen.service.earning import earn
from jifen.service.ports import AccountWrite, Ledger, Posting, ShardTask, Sweep
from jifen.service.spending import Spending
from jifen.service.sweeping import expire, work
from jifen.store.dynamo import DynamoLedger, TableSettings
from local.engines import Engine, create_table
from local.template import table_definition

PROGRAM = Program(zone=ZoneInfo("Europe/London"))
NOW = datetime(2011, 11, 10, 12, tzinfo=UTC)
MOMENT = PROGRAM.moment(NOW)
LINES = 27
"""Lines of an average order in Online Retail."""

SHARDS = 16


class NoWaiting:
    """Patience for one try: nothing contends here."""

    @staticmethod
    def pause(attempt: int) -> None:
        """See :class:`jifen.service.ports.Patience`."""
        raise Busy(retry_after_s=attempt)


NO_WAITING = NoWaiting()


def order_paid(order_id: str, member: str, at: datetime = NOW, lines: int = LINES) -> OrderEvent:
    """An order of ``lines`` lines as Online Retail has them."""
    rows = tuple(Line(number, f"{85_123 - number * 613}A", 90 + number * 271 % 3_900) for number in range(1, lines + 1))
    paid = Paid(member, at, "GBP", rows)
    return OrderEvent(EventType.PAID, f"evt-{order_id}", "standard", order_id, member, at, paid)


def new_ledger(engine: Engine, table: str) -> DynamoLedger:
    """A ledger on an empty table."""
    create_table(engine, table_definition(), table)
    keys = engine.credentials
    settings = TableSettings(
        name=table,
        region=engine.region,
        endpoint=engine.url,
        shards=SHARDS,
        access_key_id=keys.access_key_id,
        secret_access_key=keys.secret_access_key,
    )
    return DynamoLedger(settings, PROGRAM)


def a_year(ledger: Ledger, member: str) -> None:
    """Give a member an order in each of the thirteen months up to NOW: thirteen lots, the first of which ends soon."""
    for month in range(13):
        at = NOW - timedelta(days=30 * (12 - month) + 3)
        earn(ledger, PROGRAM, [order_paid(f"{member}-{month}", member, at)], PROGRAM.moment(at), NO_WAITING)


@dataclass(frozen=True, slots=True)
class _Stage:
    ledger: DynamoLedger
    member: str

    def desk(self, key: str) -> Spending:
        return Spending(self.ledger, PROGRAM, MOMENT, NO_WAITING, key, "shop")

    def earn(self, *numbers: int) -> None:
        events = [order_paid(f"{self.member}-new-{number}", self.member) for number in numbers]
        earn(self.ledger, PROGRAM, events, MOMENT, NO_WAITING)


def _capture(stage: _Stage) -> Callable[[], object]:
    hold_id = str(stage.desk("h").authorize(stage.member, 50)["hold_id"])
    return lambda: stage.desk("c").capture(hold_id)


def _refused(stage: _Stage) -> None:
    with contextlib.suppress(InsufficientPoints):
        raise AssertionError(stage.desk("k").redeem(stage.member, 10**9))


def _again(call: Callable[[], object]) -> Callable[[], object]:
    call()
    return call


_AFTER_A_MONTH = PROGRAM.moment(datetime(2011, 12, 1, 12, tzinfo=UTC))

OPERATIONS: Mapping[str, Callable[[_Stage], Callable[[], object]]] = {
    "order paid": lambda stage: lambda: stage.earn(1),
    f"{BATCH} orders of one member": lambda stage: lambda: stage.earn(*range(BATCH)),
    "order event again": lambda stage: _again(lambda: stage.earn(1)),
    "redeem": lambda stage: lambda: stage.desk("k").redeem(stage.member, 50),
    "redeem again": lambda stage: _again(lambda: stage.desk("k").redeem(stage.member, 50)),
    "redeem refused": lambda stage: lambda: _refused(stage),
    "hold": lambda stage: lambda: stage.desk("k").authorize(stage.member, 50),
    "capture": _capture,
    "expire one account": lambda stage: lambda: expire(stage.ledger, stage.member, _AFTER_A_MONTH, NO_WAITING),
    "balance": lambda stage: lambda: stage.ledger.load([stage.member]),
}
"""What is prepared, and what is then counted."""


def measure(ledger: DynamoLedger, meter: Meter, operation: str, member: str | None = None) -> Count:
    """Prepare a member that is new to the ledger (one for each operation, unless named) and count the operation."""
    stage = _Stage(ledger, member or f"1{7000 + list(OPERATIONS).index(operation)}")
    a_year(ledger, stage.member)
    call = OPERATIONS[operation](stage)
    with meter.counting() as count:
        call()
    return count


# A day's sweep -------------------------------------------------------------------------------------------------------

LAST_DAY = date(2011, 11, 9)


class _NoMore:
    @staticmethod
    def send(tasks: object) -> None:
        """Nothing is put back: there is time enough."""
        raise AssertionError(tasks)


def _complain(member: str, failure: Exception) -> None:
    raise AssertionError(member) from failure


def populate(ledger: Ledger, members: range, last_day: date) -> None:
    """Open accounts with one lot each."""
    for start in range(members.start, members.stop, 100):
        names = [f"1{number:05d}" for number in range(start, min(start + 100, members.stop))]
        writes = [AccountWrite(Account(name), Account(name, lots=(Lot(10, last_day),))) for name in names]
        ledger.commit(Posting(tuple(writes)), NO_WAITING)


def sweep_day(ledger: DynamoLedger, meter: Meter, *, find_only: bool = False) -> tuple[Count, int]:
    """One day's expiry over all shards; its cost, and the accounts seen. ``find_only`` leaves them as they are."""
    seen = 0
    with meter.counting() as count:
        for shard in range(SHARDS):
            progress = work(
                ledger,
                _NoMore(),
                ShardTask(Sweep.EXPIRE, NOW, shard),
                MOMENT,
                act=(lambda _member: False) if find_only else (lambda name: expire(ledger, name, MOMENT, NO_WAITING)),
                has_time=lambda: True,
                report=_complain,
            )
            seen += progress.seen
    return count, seen


assert MOMENT.today == LAST_DAY + DAY
