"""What a stack costs: quantities that are ours are measured, what stands in the template is read from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from bench import cost
from bench.count import Meter
from bench.operations import MOMENT, NO_WAITING, PROGRAM, a_year, measure, new_ledger
from infra.expand import expand
from jifen.domain.reminders import next_reminder_on
from jifen.service.ports import Message
from jifen.service.reminding import Reminding
from jifen.store.dynamo import DynamoLedger
from local.template import resources
from tests.store.tables import engine_or_skip

MILLION = 1_000_000


@pytest.fixture(scope="module")
def metered() -> Iterator[tuple[DynamoLedger, Meter]]:
    """A ledger on an engine that bills, and what counts its calls."""
    with engine_or_skip("dynoxide") as engine:
        ledger = new_ledger(engine, "cost")
        yield ledger, Meter(ledger)


@pytest.fixture(scope="module")
def expanded() -> dict[str, Any]:
    """The template as CloudFormation gets it."""
    return expand()


@pytest.mark.parametrize(
    ("quantity", "usd"),
    [(0, 0.0), (3 * MILLION, 0.0), (3 * MILLION + 1, 0.0000005), (4 * MILLION, 0.5), (5 * MILLION, 1.0)],
)
def test_a_price_counts_what_is_beyond_the_allowance(quantity: float, usd: float) -> None:
    """Nothing is paid, and nothing is given back, below what is free."""
    assert usd == pytest.approx(cost.Price(0.5, "things", MILLION, free=3 * MILLION).of(quantity))


def test_an_idle_stack_pays_for_polling_alarms_and_machine_clients() -> None:
    """Nothing else costs a cent while nobody buys; with an issuer of one's own, polling and alarms alone."""
    idle = cost.bill(cost.IDLE)

    assert {"SQS, sweep queues", "SQS, orders queue", "CloudWatch, alarms", "Cognito, machine clients"} == {
        name for name, usd in idle.items() if usd >= 0.01
    }
    assert cost.total(cost.IDLE, own_pool=False) == pytest.approx(
        idle["SQS, sweep queues"] + idle["SQS, orders queue"] + idle["CloudWatch, alarms"], abs=0.01
    )


def test_empty_queues_are_asked_more_often_than_is_free() -> None:
    """Five connections, three requests a minute each: two thirds of the free million for one queue."""
    a_minute = 5 * 3
    a_month = a_minute * 60 * 24 * 30

    assert a_month == cost.POLLS_PER_QUEUE
    used = cost.uses(cost.IDLE)
    asked = used["SQS, sweep queues"] + used["SQS, orders queue"]
    assert 4 * a_month <= asked <= 4 * a_month + 3_000  # the sweeps' own messages
    assert cost.PRICES["SQS, sweep queues"].free < used["SQS, sweep queues"]


def test_costs_grow_with_orders_and_never_shrink() -> None:
    """Twice the orders cost at most twice as much and no service becomes cheaper."""
    for orders in (1_000, 10_000, 100_000, 1_000_000):
        one, two = cost.bill(cost.month(orders)), cost.bill(cost.month(2 * orders))
        assert [] == [name for name in one if two[name] < one[name]]
        used, twice = cost.uses(cost.month(orders)), cost.uses(cost.month(2 * orders))
        assert [] == [name for name in used if twice[name] > 2 * used[name] + 0.001]


@pytest.mark.parametrize("name", [each.name for each in fields(cost.Month) if each.name != "orders"])
def test_everything_that_happens_costs(name: str) -> None:
    """No figure of a month is without effect on what is used."""
    whole = cost.month(100_000)
    less = cost.Month(**{each.name: getattr(whole, each.name) * (each.name != name) for each in fields(cost.Month)})

    assert sum(cost.uses(less).values()) < sum(cost.uses(whole).values())


def test_every_price_is_used() -> None:
    """What has a price has a quantity and a line in the bill, in the same order."""
    assert set(cost.PRICES) == set(cost.uses(cost.IDLE))
    assert list(cost.PRICES) == list(cost.bill(cost.IDLE))
    assert set(cost.OWN_POOL) < set(cost.PRICES)


def test_what_is_counted_is_what_the_template_has(expanded: dict[str, Any]) -> None:
    """Queues, their sources, alarms, shards, clients and memory are those that are deployed."""
    mappings = resources(expanded, "AWS::Lambda::EventSourceMapping").values()
    queues = resources(expanded, "AWS::SQS::Queue")
    # Lambda reads the table's stream for nothing; queues it asks again and again.
    sources = [one for one in mappings if one["EventSourceArn"]["Fn::GetAtt"][0] in queues]
    assert [{"Fn::GetAtt": ["Table", "StreamArn"]}] == [one["EventSourceArn"] for one in mappings if one not in sources]
    fed = [queues[source["EventSourceArn"]["Fn::GetAtt"][0]] for source in sources]
    functions = resources(expanded, "AWS::Lambda::Function").values()
    machines = [
        client
        for client in expanded["Resources"].values()
        if client["Type"] == "AWS::Cognito::UserPoolClient"
        and client["Condition"] == "OwnUserPool"
        and "client_credentials" in client["Properties"]["AllowedOAuthFlows"]
    ]

    assert (cost.QUEUES_FIFO, cost.QUEUES_STANDARD) == (
        sum(bool(queue.get("FifoQueue")) for queue in fed),
        sum(not queue.get("FifoQueue") for queue in fed),
    )
    assert all("MaximumConcurrency" in source["ScalingConfig"] for source in sources), "POLLERS counts on it"
    assert str(cost.SHARDS) == str(expanded["Parameters"]["Shards"]["Default"])
    assert len(machines) == cost.MACHINE_CLIENTS
    # Operators' function has a whole core, which is no cost that grows with orders: it is asked a few times a day.
    ours = [one for one in functions if one["Role"] != {"Fn::GetAtt": ["AdminRole", "Arn"]}]
    assert (len(functions) - 1, {1024 * cost.MEMORY_GB}) == (len(ours), {one["MemorySize"] for one in ours})
    assert cost.CORE_SHARE == pytest.approx(1024 * cost.MEMORY_GB / 1769)
    schedules = resources(expanded, "AWS::Scheduler::Schedule").values()
    often = [one for one in schedules if one["ScheduleExpression"] == f"rate({cost.SETTLE_EVERY_MINUTES} minutes)"]
    hourly = [one for one in schedules if one["ScheduleExpression"] == "cron(30 * * * ? *)"]
    assert (1, 1, cost.SWEEPS_PER_DAY) == (len(often), len(hourly), len(schedules) - len(often) - len(hourly))
    assert "SSESpecification" not in expanded["Resources"]["Table"]["Properties"], "a key of KMS would be paid for"
    assert "LITE" == expanded["Resources"]["UserPool"]["Properties"]["UserPoolTier"]


def test_alarms_are_paid_for_by_the_metrics_they_look_at(expanded: dict[str, Any]) -> None:
    """A plain alarm looks at one metric, one that computes at each that it computes from; the sum is not paid for."""
    computed = {"Metrics": [{"Id": "sum", "Expression": "SUM(METRICS())"}, {"MetricStat": {}}, {"MetricStat": {}}]}
    alarms = [{"MetricName": "Errors"}, computed]
    template = {
        "Resources": {
            str(at): {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm} for at, alarm in enumerate(alarms)
        }
    }

    assert 3 == cost.alarm_metrics(template)
    assert cost.alarm_metrics(expanded) == cost.uses(cost.IDLE)["CloudWatch, alarms"]


@pytest.mark.parametrize(
    ("operation", "sizes"),
    [
        ("order paid", {"A": cost.ACCOUNT_BYTES, "E": cost.ENTRY_BYTES, "O": cost.ORDER_BYTES}),
        ("redeem", {"A": cost.ACCOUNT_BYTES, "E": cost.ENTRY_BYTES, "R": cost.REDEMPTION_BYTES}),
    ],
)
def test_items_are_as_large_as_is_counted(
    metered: tuple[DynamoLedger, Meter], operation: str, sizes: dict[str, int]
) -> None:
    """The sizes behind storage are those that the store writes, within a tenth, with DynamoDB's hundred bytes."""
    written = {kind: size + 100 for kind, size in measure(*metered, operation).written}

    assert written == {kind: pytest.approx(size, rel=0.1) for kind, size in sizes.items()}


@pytest.mark.parametrize("name", cost.KINDS)
def test_a_thousand_leave_what_is_counted(metered: tuple[DynamoLedger, Meter], name: str) -> None:
    """All that an operation writes beside the account and the campaign, which there is one of, stays in the table."""
    kind = cost.KINDS[name]
    written = measure(*metered, kind.budget, member=f"1810{list(cost.KINDS).index(name)}").written
    rewritten = {"A", "G", "O"} if "refund" in kind.budget else {"A", "G"}

    left = sum(size + 100 for item, size in written if item not in rewritten)

    assert left == pytest.approx(kind.kept_bytes, rel=0.1)


def test_a_thousand_orders_cost_what_the_month_says() -> None:
    """Both ways to count agree: the table units of a thousand orders in a month of nothing else."""
    one = cost.thousand(cost.KINDS["orders, one delivery each"])
    index = 1_000 * cost.INDEX_WRITES_PER_ORDER
    none = dict.fromkeys((each.name for each in fields(cost.Month)), 0.0)
    month = cost.uses(cost.Month(**{**none, "orders": 1_000, "deliveries": 1_000, "postings": 1_000}))

    assert one["DynamoDB, writes"] + index == month["DynamoDB, writes"]
    assert one["API Gateway"] == month["API Gateway"]
    assert one["DynamoDB, reads"] == month["DynamoDB, reads"] - cost.uses(cost.IDLE)["DynamoDB, reads"] - 1_000


class _Told:
    """A channel that keeps what it was given."""

    channel = "event"

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def reaches(self, _contact: object) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        return True

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        self.messages.append(message)


def test_a_reminder_takes_what_is_counted(metered: tuple[DynamoLedger, Meter]) -> None:
    """Claim and confirm, two reads and their documents: no budget names it, so it is measured here."""
    ledger, meter = metered
    a_year(ledger, "18000")
    due = next_reminder_on(ledger.load(["18000"]).accounts["18000"], PROGRAM)
    assert due is not None
    moment = PROGRAM.moment(MOMENT.now + max(timedelta(0), due - MOMENT.today))
    told = _Told()
    reminding = Reminding(ledger, [told], PROGRAM, moment, NO_WAITING, "w", lambda *_: None)

    with meter.counting() as count:
        assert reminding.remind("18000")

    assert 1 == len(told.messages)
    assert (cost.REMIND_TRIPS, cost.REMIND_WRITES, cost.REMIND_READS) == (
        count.trips,
        count.write_units,
        count.read_units,
    )
    assert cost.REMIND_INDEX_WRITES >= count.index_units


def test_the_page_has_the_tables() -> None:
    """docs/costs.md shows what the program computes now: `python -m bench.cost --write` brings it up to date."""
    page = cost.PAGE.read_text(encoding="utf-8")

    assert dict.fromkeys(cost.tables(), 1) == {name: page.count(table) for name, table in cost.tables().items()}
    assert cost.placed(page) == page


def test_tables_are_put_in_their_places() -> None:
    """What stood in a place goes, what stands around it stays; a place for an unknown table is an error."""
    page = "before\n<!-- cost: bill -->old<!-- cost: end -->\nafter\n"

    made = cost.placed(page)

    assert cost.tables()["bill"] in made
    assert "old" not in made
    assert (made.startswith("before\n<!-- cost: bill -->"), made.endswith("<!-- cost: end -->\nafter\n")) == (
        True,
        True,
    )
    with pytest.raises(KeyError):
        cost.placed("<!-- cost: elsewhere --><!-- cost: end -->")
