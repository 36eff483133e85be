"""What a stack costs in a month at four sizes: quantities from our own counts, times list prices.

`python -m bench.cost` prints the tables of docs/costs.md that are made here, `--write` puts them there. Nothing is
asked of AWS.

    month(orders) ──> uses(month) ──price──> USD, service by service

Prices are those of us-east-1 in USD, without tax, as known on AS_OF: check them before you rely on them. Of free
allowances only those count that never end; an account that uses them up elsewhere pays more, by what they are worth.
Every number is a named constant with its unit: counted (bench/budgets.py, bench/RESULTS.md), measured, or a guess that
says so.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.budgets import BUDGETS, FIND_UNITS_PER_DUE_ACCOUNT_MAX, INDEX_UNITS_MAX
from local.template import load, resources

PAGE = Path(__file__).resolve().parents[1] / "docs" / "costs.md"
_PLACE = re.compile(r"<!-- cost: (?!end)(\w+) -->.*?<!-- cost: end -->", re.DOTALL)

AS_OF = "2026-11-22"
DAYS = 30
HOURS = 24 * DAYS
MILLION = 1_000_000
BYTES_PER_GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What AWS takes for something.

    Attributes:
        usd: for `per` of the unit.
        unit: what is counted.
        per: how many of it `usd` buys.
        free: how many cost nothing in a month, for as long as the account lives.
        sure: whether the author would be surprised to find it otherwise.
    """

    usd: float
    unit: str
    per: int = 1
    free: float = 0
    sure: bool = True

    def of(self, quantity: float) -> float:
        """USD for so many in one month."""
        return max(0.0, quantity - self.free) * self.usd / self.per


PRICES: Mapping[str, Price] = {
    "API Gateway": Price(1.00, "HTTP API requests", MILLION),
    "Lambda, requests": Price(0.20, "requests", MILLION, free=MILLION),
    "Lambda, time": Price(0.0000133334, "GB-seconds on arm64", free=400_000),
    "SQS, sweep queues": Price(0.40, "requests on standard queues", MILLION, free=MILLION),
    "SQS, orders queue": Price(0.50, "requests on FIFO queues", MILLION),
    "DynamoDB, writes": Price(0.625, "write request units, on demand", MILLION),
    "DynamoDB, reads": Price(0.125, "read request units, on demand", MILLION),
    "DynamoDB, storage": Price(0.25, "GB-months, indexes included", free=25),
    "DynamoDB, point-in-time recovery": Price(0.20, "GB-months of the table"),
    "EventBridge": Price(1.00, "events put", MILLION),
    "SES": Price(0.10, "mails", 1_000),
    "CloudWatch, logs": Price(0.50, "GB taken in", free=5),
    "CloudWatch, metrics": Price(0.30, "metrics of our own", free=10),
    "CloudWatch, alarms": Price(0.10, "alarm metrics", free=10),
    "Data out": Price(0.09, "GB to the internet", free=100),
    "Cognito, machine clients": Price(6.00, "clients with client credentials", sure=False),
    "Cognito, machine tokens": Price(2.25, "tokens", 1_000, sure=False),
    "Cognito, members": Price(0.0055, "members active in the month, plan Lite", free=10_000, sure=False),
}

# The free requests of SQS are for all queues together; empty answers of the standard queues alone use them up.

OWN_POOL = ("Cognito, machine clients", "Cognito, machine tokens", "Cognito, members")
"""Paid only by a stack that makes its own user pool."""

# What a shop does: guesses, so change them ----------------------------------------------------------------------------

DELIVERIES_PER_ORDER = 3
"""Paid, and two updates that change nothing for points: shops send more than is needed."""

REFUNDS_PER_ORDER = 0.05
REDEMPTIONS_PER_ORDER = 0.1
READS_PER_ORDER = 5
"""Balances shown: the member's page, the cart, the shop's own look."""

MEMBERS_PER_ORDER = 3
"""A member who buys four times a year."""

SIGNED_IN_PER_ORDER = 0.5
"""Members who sign in themselves in the month. None, where only the shop's server asks."""

DUE_PER_ORDER = 0.7
"""Accounts with something to expire: an order makes a lot, and three in ten are spent before."""

REMINDERS_PER_DUE = 3
MAILED = 0.5
"""Share of reminders whose member has an address, where EmailFrom is set."""

MONTHS_KEPT = 24
"""Age of the program, for what is stored: history is kept for ever."""

TOKENS = HOURS
"""Tokens the shop's server asks for: one an hour, kept for that hour."""

COLD_BELOW_PER_HOUR = 6
"""Calls of a function an hour under which each is taken to find no warm process."""

COLD_SHARE = 0.01
"""Share of calls that find none above that."""

# What a call takes ----------------------------------------------------------------------------------------------------

MEMORY_GB = 0.5
CORE_SHARE = 512 / 1769
"""Lambda gives 512 MB this part of a core."""

CPU_MS = {
    "webhook": 3.1,
    "earn": 3.4,
    "earn again": 1.8,
    "earn by 20 rules": 6.4,
    "refund by 20 rules": 8.0,
    "redeem": 2.8,
    "account": 1.2,
    "engage": 3.0,
    "engage again": 1.3,
    "sweep": 2.3,
    "publish": 0.5,
}
"""Processor time of a warm handler: medians measured on a core of a server (x86, Python 3.11, dynoxide, orders of five
lines; webhook with a guess for its SQS client), scaled by the instructions that bench/RESULTS.md counts now. That an
arm64 core is as quick is a guess."""

TRIP_MS = 8.0
"""Round trip to DynamoDB or SQS from Lambda: a guess."""

COLD_MS = 1_000.0
"""Start of a process, which is paid for: a guess from a thousand million instructions on a whole core."""

TRIPS = {budget.operation: budget.trips for budget in BUDGETS}
WRITES = {budget.operation: budget.write_units for budget in BUDGETS}
READS = {budget.operation: budget.read_units for budget in BUDGETS}

INDEX_WRITES_PER_ORDER = 1
"""Index writes of a posting: 0 for a member with lots already, 2 for the first order; a guess between."""

REMIND_WRITES, REMIND_INDEX_WRITES, REMIND_READS, REMIND_TRIPS = 4, 2, 2, 3
"""One reminder: claim and confirm, a transaction of one item each; the account and its contact are read once."""

LOOKS = HOURS * 3600 // 30
"""How often in a month a process that never rests looks which program is in force: twice a minute, one read unit."""

ENTRY_BYTES, ORDER_BYTES, REDEMPTION_BYTES, ACCOUNT_BYTES = 455 + 100, 391 + 100, 228 + 100, 612 + 100
"""Items as bench/RESULTS.md has them, and the 100 bytes that DynamoDB adds to each."""

INDEX_BYTES = 2 * 200
"""Both index entries of an account: a guess of 100 bytes each and the 100 that are added."""

# What runs while nobody buys ------------------------------------------------------------------------------------------

QUEUES_STANDARD, QUEUES_FIFO = 3, 1
POLLERS = 5
"""Connections on which Lambda asks an empty queue. AWS writes that it goes down to 2 on a standard queue, but not where
the event source has a maximum concurrency, as all of ours have. That a FIFO queue is asked as often is a guess."""

POLL_S = 20
POLLS_PER_QUEUE = POLLERS * HOURS * 3600 // POLL_S

SHARDS = 16
SWEEPS_PER_DAY = 2
HELD_RUNS = HOURS
"""Runs that look for messages whose quiet hours are over; one call each where the program has no quiet hours."""

EVENTS_PER_REDEMPTION = 2
"""The entry and the redemption; an order gives one, its entry, and so does what lapses."""

CHANGES_PER_BATCH = 100
"""Changes of a sweep that one call tells; those of orders and redemptions are taken to come alone."""
SETTLE_EVERY_MINUTES = 5
SETTLE_RUNS = 60 * HOURS // SETTLE_EVERY_MINUTES
SETTLE_TRIPS, SETTLE_READS = 9, 5
"""A run that finds nothing overdue: which program is in force, and an empty page of each partition of deadlines."""

OWN_METRICS = 27
"""Names under which functions count, some in several functions. Paid by the hour in which one was counted: a maximum.
``ProgramUnreadable`` is left out: it is counted only while its alarm rings."""

MACHINE_CLIENTS = 1
"""Without StaffClients."""

LINE_BYTES = 26
"""What CloudWatch adds to each line."""

PLATFORM_LOG_BYTES = 3 * LINE_BYTES + 330
"""START, END and REPORT."""

OWN_LOG_BYTES = 2 * LINE_BYTES + 220 + 260
"""One line of webhook or earn and one with its metrics, as measured."""

SETTLE_LOG_BYTES = LINE_BYTES + 320
"""One line of a run that settled nothing."""

ACCESS_LOG_BYTES = LINE_BYTES + 350
ANSWER_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Month:
    """What happens in a month; see :func:`month` for how it follows from the orders."""

    orders: float
    deliveries: float
    postings: float
    redemptions: float
    reads: float
    members: float
    signed_in: float
    due: float
    reminders: float
    mails: float


def month(orders: float) -> Month:
    """A month of a shop with so many orders in it, by the guesses above."""
    due = DUE_PER_ORDER * orders
    return Month(
        orders=orders,
        deliveries=(DELIVERIES_PER_ORDER + REFUNDS_PER_ORDER) * orders,
        postings=(1 + REFUNDS_PER_ORDER) * orders,
        redemptions=REDEMPTIONS_PER_ORDER * orders,
        reads=READS_PER_ORDER * orders,
        members=MEMBERS_PER_ORDER * orders,
        signed_in=SIGNED_IN_PER_ORDER * orders,
        due=due,
        reminders=REMINDERS_PER_DUE * due,
        mails=MAILED * REMINDERS_PER_DUE * due,
    )


IDLE = month(0)


def uses(m: Month) -> dict[str, float]:
    """How many of each unit of PRICES a month takes."""
    again = m.deliveries - m.postings
    api = m.deliveries + m.redemptions + m.reads
    sweep_calls = SWEEPS_PER_DAY * DAYS * (1 + SHARDS)
    calls = {"webhook": m.deliveries, "earn": m.deliveries, "redeem": m.redemptions, "account": m.reads}
    calls["settle"] = SETTLE_RUNS
    calls["publish"] = _publish_calls(m)
    calls["held"] = HELD_RUNS
    invocations = sum(calls.values()) + sweep_calls
    table_gb, index_gb = stored_gb(m)
    return {
        "API Gateway": api,
        "Lambda, requests": invocations,
        "Lambda, time": MEMORY_GB * (_warm_s(m) + _cold_s(calls) + sweep_calls * COLD_MS / 1_000),
        "SQS, sweep queues": QUEUES_STANDARD * POLLS_PER_QUEUE
        + SWEEPS_PER_DAY * DAYS * (-(-SHARDS // 10) + 2 * SHARDS),
        "SQS, orders queue": QUEUES_FIFO * POLLS_PER_QUEUE + 3 * m.deliveries,
        "DynamoDB, writes": (
            m.postings * (WRITES["order paid"] + INDEX_WRITES_PER_ORDER)
            + m.redemptions * (WRITES["redeem"] + INDEX_WRITES_PER_ORDER)
            + m.due * (WRITES["expire one account"] + INDEX_UNITS_MAX)
            + m.reminders * (REMIND_WRITES + REMIND_INDEX_WRITES)
        ),
        "DynamoDB, reads": (
            m.postings * READS["order paid"]
            + again * READS["order event again"]
            + m.redemptions * READS["redeem"]
            + m.reads * READS["balance"]
            + m.due * (READS["expire one account"] + FIND_UNITS_PER_DUE_ACCOUNT_MAX)
            + m.reminders * (REMIND_READS + FIND_UNITS_PER_DUE_ACCOUNT_MAX)
            + SWEEPS_PER_DAY * DAYS * SHARDS
            + SETTLE_RUNS * SETTLE_READS
            + sum(min(calls[name], LOOKS) for name in ("earn", "redeem", "account"))
        ),
        "DynamoDB, storage": table_gb + index_gb,
        "DynamoDB, point-in-time recovery": table_gb,
        "EventBridge": m.reminders + m.postings + EVENTS_PER_REDEMPTION * m.redemptions + m.due,
        "SES": m.mails,
        "CloudWatch, logs": _log_bytes(m, invocations, api) / BYTES_PER_GB,
        "CloudWatch, metrics": OWN_METRICS if m.orders else 0,
        "CloudWatch, alarms": _alarm_metrics_here(),
        "Data out": api * ANSWER_BYTES / BYTES_PER_GB,
        "Cognito, machine clients": MACHINE_CLIENTS,
        "Cognito, machine tokens": TOKENS if m.orders else 0,
        "Cognito, members": m.signed_in,
    }


def _publish_calls(m: Month) -> float:
    """Calls of the function that tells changes: an account's own row is looked at with its entries."""
    return m.postings + m.redemptions + (m.due + 2 * m.reminders) / CHANGES_PER_BATCH


def alarm_metrics(template: dict[str, Any]) -> int:
    """Metrics that the alarms of a template look at, each of which is paid for; what is computed from them is not."""
    alarms = resources(template, "AWS::CloudWatch::Alarm").values()
    return sum(
        sum("MetricStat" in metric for metric in alarm["Metrics"]) if "Metrics" in alarm else 1 for alarm in alarms
    )


@cache
def _alarm_metrics_here() -> int:
    return alarm_metrics(load())


def _warm_s(m: Month) -> float:
    """Seconds that warm handlers run; what waits is paid for like what computes."""
    again = m.deliveries - m.postings
    milliseconds = (
        m.deliveries * _call_ms("webhook", 1)
        + m.postings * _call_ms("earn", TRIPS["order paid"])
        + again * _call_ms("earn again", TRIPS["order event again"])
        + m.redemptions * _call_ms("redeem", TRIPS["redeem"])
        + m.reads * _call_ms("account", TRIPS["balance"])
        + m.due * _call_ms("sweep", TRIPS["expire one account"])
        + m.reminders * _call_ms("sweep", REMIND_TRIPS)
        + m.reminders * TRIP_MS
        + m.mails * TRIP_MS
        + SETTLE_RUNS * _call_ms("sweep", SETTLE_TRIPS)
        + HELD_RUNS * _call_ms("sweep", 1)
        + _publish_calls(m) * _call_ms("publish", 1)
    )
    return milliseconds / 1_000


def _call_ms(handler: str, trips: int) -> float:
    return CPU_MS[handler] / CORE_SHARE + trips * TRIP_MS


def _cold_s(calls: Mapping[str, float]) -> float:
    """Seconds of starting processes: every call of a function that is hardly called, else a small share."""
    cold = (count * (1.0 if count / HOURS < COLD_BELOW_PER_HOUR else COLD_SHARE) for count in calls.values())
    return sum(cold) * COLD_MS / 1_000


def _log_bytes(m: Month, invocations: float, api: float) -> float:
    own = 2 * m.deliveries * OWN_LOG_BYTES + SETTLE_RUNS * SETTLE_LOG_BYTES
    return invocations * PLATFORM_LOG_BYTES + own + api * ACCESS_LOG_BYTES


def stored_gb(m: Month) -> tuple[float, float]:
    """GB of the table and of its indexes when every month of MONTHS_KEPT was like this one."""
    of_a_month = (
        m.orders * ORDER_BYTES
        + m.postings * ENTRY_BYTES
        + m.redemptions * (REDEMPTION_BYTES + ENTRY_BYTES)
        + m.due * ENTRY_BYTES
    )
    return (
        (MONTHS_KEPT * of_a_month + m.members * ACCOUNT_BYTES) / BYTES_PER_GB,
        m.members * INDEX_BYTES / BYTES_PER_GB,
    )


def bill(m: Month) -> dict[str, float]:
    """USD for the month by service, in the order of PRICES."""
    used = uses(m)
    return {name: price.of(used[name]) for name, price in PRICES.items()}


def total(m: Month, *, own_pool: bool) -> float:
    """USD for the month, with the stack's own user pool or with an issuer that is paid for elsewhere."""
    return sum(usd for name, usd in bill(m).items() if own_pool or name not in OWN_POOL)


# What a thousand of one kind cost ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that happens: its budget, the key of its processor time, what it leaves in the table (bytes).

    ``by_shop``: it comes in by the shop's webhook and a queue; everything else is one call of the API.
    """

    budget: str
    cpu: str
    kept_bytes: int = 0
    by_shop: bool = False


KINDS: Mapping[str, Kind] = {
    "orders, one delivery each": Kind("order paid", "earn", ENTRY_BYTES + ORDER_BYTES, by_shop=True),
    "orders under 20 rules": Kind("order paid, 20 rules", "earn by 20 rules", 744 + 650 + 200, by_shop=True),
    "orders in a campaign with a budget": Kind(
        "order paid, 20 rules and a campaign", "earn by 20 rules", 772 + 688 + 200, by_shop=True
    ),
    "refunds of these": Kind("refund, 20 rules and a campaign", "refund by 20 rules", 804 + 100, by_shop=True),
    "events of members": Kind("behaviour event", "engage", 480 + 408 + 200),
    "events beyond their limit": Kind("behaviour event over its limit", "engage", 571 + 100),
    "events that came before": Kind("behaviour event again", "engage again"),
    "check-ins": Kind("check-in", "engage", 465 + 427 + 200),
    "balances shown": Kind("balance", "account"),
}
"""By their name in the table. Bytes are those of bench/RESULTS.md and the 100 that DynamoDB adds to each item."""

THOUSAND = 1_000


def thousand(kind: Kind) -> dict[str, float]:
    """How many of each unit of PRICES a thousand of them take, in warm processes; storage is left out."""
    milliseconds = _call_ms(kind.cpu, TRIPS[kind.budget]) + (_call_ms("webhook", 1) if kind.by_shop else 0)
    calls = 2 if kind.by_shop else 1
    lines = 2 * OWN_LOG_BYTES if kind.by_shop else 0
    return {
        "API Gateway": THOUSAND,
        "Lambda, requests": THOUSAND * calls,
        "Lambda, time": THOUSAND * MEMORY_GB * milliseconds / 1_000,
        "SQS, orders queue": THOUSAND * 3 * kind.by_shop,
        "DynamoDB, writes": THOUSAND * WRITES[kind.budget],
        "DynamoDB, reads": THOUSAND * READS[kind.budget],
        "CloudWatch, logs": THOUSAND * (calls * PLATFORM_LOG_BYTES + lines + ACCESS_LOG_BYTES) / BYTES_PER_GB,
        "Data out": THOUSAND * ANSWER_BYTES / BYTES_PER_GB,
    }


def kept_usd(kind: Kind) -> float:
    """USD a month to keep what a thousand of them leave in the table, with its recovery."""
    prices = PRICES["DynamoDB, storage"], PRICES["DynamoDB, point-in-time recovery"]
    return THOUSAND * kind.kept_bytes / BYTES_PER_GB * sum(price.usd / price.per for price in prices)


def _kind_table() -> list[str]:
    lines = [
        "| a thousand | write units | read units | DynamoDB, USD | all of it, USD | to keep for a year, USD |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, kind in KINDS.items():
        used = thousand(kind)
        usd = {unit: quantity * PRICES[unit].usd / PRICES[unit].per for unit, quantity in used.items()}
        table = usd["DynamoDB, writes"] + usd["DynamoDB, reads"]
        units = f"{used['DynamoDB, writes']:,.0f} | {used['DynamoDB, reads']:,.0f}"
        lines.append(f"| {name} | {units} | {table:.4f} | {sum(usd.values()):.4f} | {12 * kept_usd(kind):.4f} |")
    return lines


SIZES = (0, 1_000, 100_000, 3_000_000)
"""Orders a month of the columns."""


def tables() -> dict[str, str]:
    """The tables of docs/costs.md as Markdown, by the name of their place in it."""
    made = {
        "bill": _bill_table(),
        "idle": _idle_table(),
        "thousand": _kind_table(),
        "guesses": _guess_table(),
        "quantities": _use_table(),
        "prices": _price_table(),
    }
    return {name: "\n".join(lines) for name, lines in made.items()}


def placed(page: str) -> str:
    """A page with each table in its place, between `<!-- cost: name -->` and `<!-- cost: end -->`.

    Raises:
        KeyError: the page has a place for a table that is not made here.
    """
    made = tables()
    return _PLACE.sub(lambda place: f"<!-- cost: {place[1]} -->\n\n{made[place[1]]}\n\n<!-- cost: end -->", page)


def _bill_table() -> list[str]:
    months = [month(orders) for orders in SIZES]
    bills = [bill(m) for m in months]
    heads = ["idle", *(f"{orders:,} orders" for orders in SIZES[1:])]
    lines = [f"| USD a month | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    lines += [_row(name, [each[name] for each in bills]) for name in PRICES if name not in OWN_POOL]
    lines.append(_row("**All of it, with an issuer of your own**", [total(m, own_pool=False) for m in months]))
    lines += [_row(name, [each[name] for each in bills]) for name in OWN_POOL]
    lines.append(_row("**All of it, with the stack's own user pool**", [total(m, own_pool=True) for m in months]))
    return lines


def _row(name: str, dollars: list[float]) -> str:
    return f"| {name} | {' | '.join(f'{usd:,.2f}' for usd in dollars)} |"


def _idle_table() -> list[str]:
    used, costs = uses(IDLE), bill(IDLE)
    rows = [(name, f"{used[name]:,.0f}", f"{PRICES[name].free:,.0f}", usd) for name, usd in costs.items()]
    paid = [row for row in rows if row[-1] >= 0.005]  # noqa: PLR2004 - half a cent
    others = total(IDLE, own_pool=True) - sum(row[-1] for row in paid)
    return [
        "| idle, a month | used | of it free | USD |",
        "|---|---:|---:|---:|",
        *(f"| {name} | {amount} | {free} | {usd:.2f} |" for name, amount, free, usd in paid),
        f"| everything else | | | {others:.2f} |",
        f"| **with an issuer of your own** | | | {total(IDLE, own_pool=False):.2f} |",
        f"| **with the stack's own user pool** | | | {total(IDLE, own_pool=True):.2f} |",
    ]


def _price_table() -> list[str]:
    lines = ["| price | USD | for | free each month |", "|---|---:|---|---:|"]
    for name, price in PRICES.items():
        what = price.unit if price.per == 1 else f"{price.per:,} {price.unit}"
        free = f"{price.free:,.0f}" if price.free else ""
        usd = f"{price.usd:.10f}".rstrip("0").rstrip(".")
        lines.append(f"| {name}{'' if price.sure else ' (?)'} | {usd} | {what} | {free} |")
    return lines


def _guess_table() -> list[str]:
    rows = (
        ("webhook deliveries an order, besides refunds", DELIVERIES_PER_ORDER),
        ("refunds an order", REFUNDS_PER_ORDER),
        ("redemptions an order", REDEMPTIONS_PER_ORDER),
        ("balances shown an order", READS_PER_ORDER),
        ("members an order in the month", MEMBERS_PER_ORDER),
        ("members who sign in themselves, an order", SIGNED_IN_PER_ORDER),
        ("accounts with points to expire, an order", DUE_PER_ORDER),
        ("reminders for each of these", REMINDERS_PER_DUE),
        ("share of reminders that go out as mail", MAILED),
        ("months of history in the table", MONTHS_KEPT),
        ("milliseconds of a round trip to DynamoDB or SQS", TRIP_MS),
        ("milliseconds to start a process", COLD_MS),
        ("connections on which Lambda asks each empty queue", POLLERS),
    )
    return ["| guess | |", "|---|---:|", *(f"| {what} | {value:g} |" for what, value in rows)]


def _use_table() -> list[str]:
    heads = ["idle", *(f"{orders:,} orders" for orders in SIZES[1:])]
    columns = [uses(month(orders)) for orders in SIZES]
    lines = [f"| used in a month | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    return [*lines, *(f"| {name} | {' | '.join(_quantity(each[name]) for each in columns)} |" for name in PRICES)]


def _quantity(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:,.2f}"  # noqa: PLR2004 - digits shown


def main() -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description="What a stack costs in a month.")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/costs.md")
    if parser.parse_args().write:
        PAGE.write_text(placed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    print("\n\n".join(tables().values()))


if __name__ == "__main__":
    main()
