"""No operation costs more than the design allows it, and a sweep costs what is due, not what there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.budgets import BATCH, BUDGETS, FIND_UNITS_PER_DUE_ACCOUNT_MAX, INDEX_UNITS_MAX, Budget
from bench.count import Count, Meter, item_size, units
from bench.operations import LAST_DAY, OPERATIONS, SHARDS, measure, new_ledger, populate, sweep_day
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.store.tables import engine_or_skip


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An engine that bills what it does."""
    with engine_or_skip("dynoxide") as started:
        yield started


@pytest.fixture(scope="module")
def metered(engine: Engine) -> tuple[DynamoLedger, Meter]:
    """A ledger and what counts its calls."""
    ledger = new_ledger(engine, "budgets")
    return ledger, Meter(ledger)


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: budget.operation)
def test_operation_stays_within_its_budget(metered: tuple[DynamoLedger, Meter], budget: Budget) -> None:
    """Round trips, write units and read units are at most those of the design; the sizes are shown where not."""
    count = measure(*metered, budget.operation)

    assert budget.trips >= count.trips
    assert budget.write_units >= count.write_units, count.largest
    assert budget.read_units >= count.read_units
    assert INDEX_UNITS_MAX >= count.index_units
    assert count.billed_units == count.write_units + count.index_units + count.read_units


@pytest.mark.parametrize(
    ("row", "operation"),
    [
        ("order paid", "order paid"),
        ("ten orders of one member in one batch", f"{BATCH} orders of one member"),
        ("an order event or a request that came before", "order event again"),
        ("an order event or a request that came before", "redeem again"),
        ("redeem, hold, capture", "redeem"),
        ("redeem, hold, capture", "hold"),
        ("redeem, hold, capture", "capture"),
        ("a redemption that is refused", "redeem refused"),
        ("balance", "balance"),
        ("order paid, or a refund, under 20 rules", "order paid, 20 rules"),
        ("order paid, or a refund, under 20 rules", "refund, 20 rules"),
        ("order paid in a campaign with a budget", "order paid, 20 rules and a campaign"),
        ("its refund", "refund, 20 rules and a campaign"),
        ("refund of an order of older rules", "refund of an order of older rules"),
        ("the same, first of its rules in a process", "refund of an order of older rules, first of a process"),
        ("behaviour event, check-in", "behaviour event"),
        ("behaviour event, check-in", "check-in"),
        ("one that came before", "behaviour event again"),
        ("one that came before", "check-in again"),
        ("one that its limit leaves nothing", "behaviour event over its limit"),
        ("publish a program of 20 rules", "publish a program"),
        ("look which program is in force", "look which program is in force"),
        ("redeem, hold for an order", "redeem for an order"),
        ("capture for an order", "capture for an order"),
        ("refund of an order that points pay a part of", "refund of an order that points pay a part of"),
        ("quote", "quote"),
        ("exchange for a reward", "exchange"),
        ("the same, stock in 20 shards", "exchange, 20 shards"),
        ("an exchange that came before", "exchange again"),
        ("transfer", "transfer"),
        ("use a coupon", "use a coupon"),
        ("draw", "draw"),
        ("draw of a prize with stock", "draw of a prize with stock"),
        ("bid above another's", "bid above another's"),
    ],
)
def test_the_page_says_what_the_budgets_are(row: str, operation: str) -> None:
    """docs/costs.md has the budget of every operation."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")
    budget = next(budget for budget in BUDGETS if budget.operation == operation)

    assert f"| {row} | {budget.trips} | {budget.write_units} | {budget.read_units:g} |" in page


def test_every_operation_has_a_budget() -> None:
    """What is measured has a budget, and what has a budget is measured."""
    assert list(OPERATIONS) == [budget.operation for budget in BUDGETS]


def test_budget_is_close_to_what_is_spent(metered: tuple[DynamoLedger, Meter]) -> None:
    """The count sees what there is: an order writes three items and reads two, each within a kilobyte."""
    count = measure(*metered, "order paid", member="17999")

    assert (2, 6, 2) == (count.trips, count.write_units, count.read_units)
    assert ["A", "E", "O"] == sorted(kind for kind, _ in count.written)
    assert all(100 < size <= 1_024 for _, size in count.written), count.largest


@pytest.mark.parametrize("ruled", ["order paid, 20 rules", "refund, 20 rules", "refund of an order of older rules"])
def test_rules_cost_an_order_nothing(metered: tuple[DynamoLedger, Meter], ruled: str) -> None:
    """Twenty rules, in force or of an older version, take the trips, reads and writes of one: a process knows them."""
    bare, under_rules = (measure(*metered, name, member=f"19{len(ruled)}{len(name)}") for name in ("order paid", ruled))

    assert _costs(bare) == _costs(under_rules)
    assert all(size <= 1_024 for _, size in under_rules.written), under_rules.largest


def test_a_campaign_costs_its_own_item(metered: tuple[DynamoLedger, Meter]) -> None:
    """Its state is read and written with the order, on the same trips."""
    without = measure(*metered, "order paid, 20 rules", member="18101")
    within = measure(*metered, "order paid, 20 rules and a campaign", member="18102")

    assert (without.trips, without.read_units + 1, without.write_units + 2) == (
        within.trips,
        within.read_units,
        within.write_units,
    )
    assert ["A", "E", "G", "O"] == sorted(kind for kind, _ in within.written)


def test_a_publication_keeps_its_rules_by_content(metered: tuple[DynamoLedger, Meter]) -> None:
    """The version, what is in force, the rules, a line of the audit and the answer: five items, once for all orders."""
    count = measure(*metered, "publish a program", member="18103")

    assert ["F", "I", "L", "S", "V"] == sorted(kind for kind, _ in count.written)


def _swept(engine: Engine, accounts: int, due: int) -> tuple[Count, int]:
    ledger = new_ledger(engine, f"sweep-{accounts}-{due}")
    meter = Meter(ledger)
    populate(ledger, range(due), LAST_DAY)
    populate(ledger, range(due, accounts), LAST_DAY.replace(year=LAST_DAY.year + 1))
    return sweep_day(ledger, meter)


def test_sweep_day_grows_with_the_accounts_due(engine: Engine) -> None:
    """Five times the accounts cost nothing more; each due account costs a transaction and the read before it."""
    few, seen_few = _swept(engine, 600, 10)
    small, seen_small = _swept(engine, 600, 30)
    large, seen_large = _swept(engine, 3_000, 30)

    assert (10, 30, 30) == (seen_few, seen_small, seen_large)
    assert _costs(small) == _costs(large)
    assert (SHARDS + 2 * 10, SHARDS + 2 * 30) == (few.trips, large.trips)
    assert (4 * 10, 4 * 30) == (few.write_units, large.write_units)
    assert few.read_units + 20 == large.read_units
    assert 3 * few.index_units == large.index_units <= 30 * INDEX_UNITS_MAX


def _costs(count: Count) -> tuple[int, int, int, float]:
    return count.trips, count.write_units, count.index_units, count.read_units


def test_finding_who_is_due_costs_next_to_nothing(engine: Engine) -> None:
    """In well-filled shards a due account is found for a fiftieth of a read unit."""
    ledger = new_ledger(engine, "finding")
    meter = Meter(ledger)
    populate(ledger, range(2_000), LAST_DAY)

    count, seen = sweep_day(ledger, meter, find_only=True)

    assert 2_000 == seen
    assert FIND_UNITS_PER_DUE_ACCOUNT_MAX >= count.read_units / seen
    assert 0 == count.write_units


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"pk": {"S": "abc"}}, 5),
        ({"é": {"S": "积分"}}, 8),
        ({"n": {"N": "1234"}}, 5),
        ({"b": {"B": b"\x00" * 10}}, 11),
        ({"t": {"BOOL": True}}, 2),
        ({"l": {"L": [{"S": "ab"}, {"S": "c"}]}}, 9),
        ({"m": {"M": {"ab": {"S": "c"}}}}, 8),
    ],
)
def test_items_are_measured_as_aws_says(item: dict[str, dict[str, object]], size: int) -> None:
    """Names and texts in UTF-8 bytes, half a byte a digit and one, three for a list or map and one an element."""
    assert size == item_size(item)


@pytest.mark.parametrize(("size", "expected"), [(0, 1), (1, 1), (1_024, 1), (1_025, 2), (4_096, 4)])
def test_started_kilobytes_count_whole(size: int, expected: int) -> None:
    """A byte more than a kilobyte is another unit."""
    assert expected == units(size, 1_024)
