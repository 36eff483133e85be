"""The operations that are counted, each on a member as a shop has them: a year of orders behind them, a lot a month.

A process is warm: it knows the program in force, and the rules of every version that it met, unless the operation says
otherwise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from bench import rule_sets
from bench.budgets import BATCH
from bench.count import Count, Meter
from bench.mall_operations import VISITS, Call, Visit
from jifen.domain.account import Account
from jifen.domain.calendar import DAY
from jifen.domain.errors import Busy, InsufficientPoints
from jifen.domain.events import BehaviourEvent
from jifen.domain.lots import Lot
from jifen.domain.orders import EventType, Line, OrderEvent, Paid, Refund, RefundLine
from jifen.domain.program import Program
from jifen.service import ruling
from jifen.service.behaving import Behaving
from jifen.service.earning import earn
from jifen.service.expiring import expire
from jifen.service.ports import AccountWrite, Ledger, Posting, ProgramKey, ShardTask, Sweep
from jifen.service.spending import Spending
from jifen.service.sweeping import work
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


def average_lines(count: int = LINES) -> tuple[Line, ...]:
    """Lines as Online Retail has them."""
    return tuple(Line(number, f"{85_123 - number * 613}A", 90 + number * 271 % 3_900) for number in range(1, count + 1))


def order_paid(
    order_id: str, member: str, at: datetime = NOW, lines: int = LINES, rows: tuple[Line, ...] = ()
) -> OrderEvent:
    """An order of ``lines`` lines as Online Retail has them, or of these ``rows``."""
    paid = Paid(member, at, "GBP", rows or average_lines(lines))
    return OrderEvent(EventType.PAID, f"evt-{order_id}", "standard", order_id, member, at, paid)


def refunded(order_id: str, member: str, at: datetime = NOW) -> OrderEvent:
    """Part of the third line of an order, given back."""
    refund = Refund("refund", at, "GBP", (RefundLine(300, None, 3),))
    return OrderEvent(EventType.REFUNDED, f"ref-{order_id}", "standard", order_id, member, at, refund=refund)


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


def a_year(ledger: Ledger, member: str, program: Program = PROGRAM, rows: tuple[Line, ...] = ()) -> None:
    """Give a member an order in each of the thirteen months up to NOW: thirteen lots, the first of which ends soon."""
    for month in range(13):
        at = NOW - timedelta(days=30 * (12 - month) + 3)
        order = order_paid(f"{member}-{month}", member, at, rows=rows)
        earn(ledger, program, [order], program.moment(at), NO_WAITING)


@dataclass(frozen=True, slots=True)
class _Stage:
    ledger: DynamoLedger
    member: str
    program: Program = PROGRAM
    rows: tuple[Line, ...] = ()

    def desk(self, key: str) -> Spending:
        return Spending(self.ledger, self.program, MOMENT, NO_WAITING, key, "shop")

    def behaving(self, key: str) -> Behaving:
        return Behaving(self.ledger, self.program, MOMENT, NO_WAITING, "shop", "shop", key)

    def office(self, key: str) -> ruling.Desk:
        return ruling.Desk(self.ledger, PROGRAM, lambda _: (), MOMENT, NO_WAITING, "anna", "admin:anna", key)

    def earn(self, *numbers: int) -> None:
        self.post([order_paid(f"{self.member}-new-{number}", self.member, rows=self.rows) for number in numbers])

    def post(self, events: Sequence[OrderEvent]) -> None:
        earn(self.ledger, self.program, events, MOMENT, NO_WAITING)


def _capture(stage: _Stage) -> Callable[[], object]:
    hold_id = str(stage.desk("h").authorize(stage.member, 50)["hold_id"])
    return lambda: stage.desk("c").capture(hold_id)


def _refused(stage: _Stage) -> None:
    with contextlib.suppress(InsufficientPoints):
        raise AssertionError(stage.desk("k").redeem(stage.member, 10**9))


def _again(call: Callable[[], object]) -> Callable[[], object]:
    call()
    return call


def _refund(stage: _Stage) -> Callable[[], object]:
    stage.earn(1)
    return lambda: stage.post([refunded(f"{stage.member}-new-1", stage.member)])


def _refund_of_older(stage: _Stage) -> Callable[[], object]:
    """The order was paid under twenty rules; since then a campaign was published."""
    refund = _refund(stage)
    stage.ledger.follow(rule_sets.published(rule_sets.FESTIVAL, 2))
    return refund


def _refund_of_unknown(stage: _Stage) -> Callable[[], object]:
    refund = _refund_of_older(stage)
    stage.ledger._rules.clear()  # noqa: SLF001 - as in a process that has not met these rules
    return refund


def _visit(stage: _Stage) -> Callable[[], object]:
    event = BehaviourEvent("page.browsed", "visit-1", stage.member, NOW, {"page": "spring"})
    return lambda: stage.behaving("visit-1").take(event)


def _visit_too_many(stage: _Stage) -> Callable[[], object]:
    for number in range(2, 7):
        event = BehaviourEvent("page.browsed", f"visit-{number}", stage.member, NOW, {"page": "spring"})
        stage.behaving(f"visit-{number}").take(event)
    return _visit(stage)


def _check_in(stage: _Stage) -> Callable[[], object]:
    for days in (3, 2, 1):
        moment = PROGRAM.moment(NOW - timedelta(days=days))
        here = Behaving(stage.ledger, stage.program, moment, NO_WAITING, "shop", "shop", f"d-{days}")
        here.check_in(stage.member)
    return lambda: stage.behaving("today").check_in(stage.member)


def _draft(stage: _Stage) -> int:
    """Of rules that no version before had."""
    earning = {**rule_sets.TWENTY["earning"], "caps": [{"per": "day", "points": int(stage.member)}]}
    desk = stage.office(f"draft {stage.member}")
    return int(ruling.draft(desk, {**rule_sets.TWENTY, "earning": earning}, "")["number"])


def _publish(stage: _Stage) -> Callable[[], object]:
    number = _draft(stage)
    return lambda: ruling.publish(stage.office(f"publish {stage.member}"), number, "spring", None, rebase=True)


def _look(stage: _Stage) -> Callable[[], object]:
    _publish(stage)()
    return lambda: stage.ledger.load([], [ProgramKey()])


def _capture_of_order(stage: _Stage) -> Callable[[], object]:
    hold_id = str(stage.desk("h").authorize(stage.member, 50, f"{stage.member}-o")["hold_id"])
    return lambda: stage.desk("c").capture(hold_id)


def _refund_of_used(stage: _Stage) -> Callable[[], object]:
    stage.desk("k").redeem(stage.member, 50, f"{stage.member}-new-1")
    return _refund(stage)


def _visited(prepared: Callable[[Visit], Call]) -> Callable[[_Stage], Callable[[], object]]:
    """A visit of the mall, with a friend who has points too."""

    def begin(stage: _Stage) -> Callable[[], object]:
        friend = f"{stage.member}-friend"
        earn(stage.ledger, stage.program, [order_paid(f"{friend}-1", friend)], MOMENT, NO_WAITING)
        return prepared(Visit(stage.ledger, stage.program, MOMENT, NO_WAITING, stage.member))

    return begin


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
    "order paid, 20 rules": lambda stage: lambda: stage.earn(1),
    "refund, 20 rules": _refund,
    "order paid, 20 rules and a campaign": lambda stage: lambda: stage.earn(1),
    "order event again, 20 rules and a campaign": lambda stage: _again(lambda: stage.earn(1)),
    "refund, 20 rules and a campaign": _refund,
    "refund of an order of older rules": _refund_of_older,
    "refund of an order of older rules, first of a process": _refund_of_unknown,
    "behaviour event": _visit,
    "behaviour event again": lambda stage: _again(_visit(stage)),
    "behaviour event over its limit": _visit_too_many,
    "check-in": _check_in,
    "check-in again": lambda stage: _again(_check_in(stage)),
    "publish a program": _publish,
    "look which program is in force": _look,
    "redeem for an order": lambda stage: lambda: stage.desk("k").redeem(stage.member, 50, f"{stage.member}-o"),
    "capture for an order": _capture_of_order,
    "refund of an order that points pay a part of": _refund_of_used,
    **{name: _visited(prepared) for name, prepared in VISITS.items()},
}
"""What is prepared, and what is then counted."""

_TWENTY = (rule_sets.published(rule_sets.TWENTY, 1), rule_sets.mixed_lines())
_FESTIVAL = (rule_sets.published(rule_sets.FESTIVAL, 2), rule_sets.mixed_lines())
_DEEDS = (rule_sets.published(rule_sets.DEEDS, 3), average_lines())
_UNDER: Mapping[str, tuple[Program, tuple[Line, ...]]] = {
    **dict.fromkeys([name for name in OPERATIONS if "20 rules" in name or "older rules" in name], _TWENTY),
    **dict.fromkeys([name for name in OPERATIONS if "campaign" in name], _FESTIVAL),
    **dict.fromkeys([name for name in OPERATIONS if "behaviour" in name or "check-in" in name], _DEEDS),
    **dict.fromkeys(VISITS, (replace(PROGRAM, currency="GBP"), average_lines())),
}
"""The program of an operation and the lines of its orders, where they are not the bare ones."""


def measure(ledger: DynamoLedger, meter: Meter, operation: str, member: str | None = None) -> Count:
    """Prepare a member that is new to the ledger (one for each operation, unless named) and count the operation."""
    program, rows = _UNDER.get(operation, (PROGRAM, average_lines()))
    stage = _Stage(ledger, member or f"1{7000 + list(OPERATIONS).index(operation)}", program, rows)
    if not program.rules.bare:
        ledger.keep_rules(program.rules, NO_WAITING)
    ledger.follow(program)
    a_year(ledger, stage.member, program, rows)
    call = OPERATIONS[operation](stage)
    with meter.counting() as count:
        call()
    return count


# A day's sweep -------------------------------------------------------------------------------------------------------

LAST_DAY = date(2011, 11, 9)


class _NoMore:
    @staticmethod
    def send(tasks: object, delay_s: int = 0) -> None:
        """Nothing is put back: there is time enough."""
        raise AssertionError(tasks, delay_s)


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
