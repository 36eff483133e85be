"""The auditor and what policies of validity ask about: the day of the first entry, and what was spent by month."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jifen.domain.program import parse_program
from jifen.service import being
from local.audit import audit, rows_of
from local.engines import Engine
from tests.local.test_audit import SHARDS, START, Row, Shop
from tests.store.patient import Patient
from tests.store.tables import ledger_on, new_table, running_engines

LOYAL = {
    "id": "loyal",
    "starts_on": "2026-01-01",
    "when": {"spent": {"months": 3, "each_minor": 50_000}},
    "extend": {"months": 6},
}
PROGRAM = parse_program({"time_zone": "Asia/Shanghai", "currency": "CNY", "validity": {"policies": [LOYAL]}})

Forgery = Callable[[Any], None]


@pytest.fixture(scope="module")
def moto() -> Iterator[Engine]:
    """One moto for this file."""
    with running_engines() as engines:
        yield engines["moto"]


@pytest.fixture(scope="module")
def rows(moto: Engine) -> list[Row]:
    """A member who buys in three months, gives one order back, and logs in."""
    table = new_table(moto)
    shop = Shop(ledger_on(moto, table, PROGRAM, SHARDS))
    shop.program = PROGRAM
    shop.paid("o1", 100)
    shop.wait(days=31)
    shop.paid("o2", 200)
    shop.paid("o3", 50)
    shop.wait(days=31)
    shop.paid("o4", 10)
    shop.refunded("o3", 50)
    being.was_here(shop.ledger, shop.moment, Patient(), "m1", "login")
    return list(rows_of(moto, table))


def judged(rows: list[Row]) -> list[str]:
    """The laws that are broken."""
    found = audit(rows, PROGRAM, START + timedelta(days=90), shards=SHARDS)
    return sorted({one.law for one in found})


def standing_of(rows: list[Row]) -> dict[str, Any]:
    """What is remembered of the member."""
    (account,) = (row for row in rows if row["sk"]["S"] == "A")
    held = account["standing"]
    found: dict[str, Any] = json.loads(held["S"] if "S" in held else zlib.decompress(held["B"]))
    return found


def test_a_ledger_with_activity_is_sound(rows: list[Row]) -> None:
    """What was spent is there by month, less what was given back; so are both days."""
    standing = standing_of(rows)
    assert {"2026-03": 10_000, "2026-04": 20_000, "2026-05": 1_000} == standing["spent"]
    assert {"opened": "2026-03-01", "login": "2026-05-02"} == standing["seen"]
    assert [] == judged(rows)


FORGED: list[tuple[Forgery, str]] = [
    (lambda found: found["seen"].update(opened="2026-03-02"), "opened"),
    (lambda found: found["seen"].update(opened="yesterday"), "rows"),
    (lambda found: found["seen"].update(hired="2026-03-02"), "rows"),
    (lambda found: found["spent"].update({"2026-04": 25_000}), "spent"),
    (lambda found: found["spent"].pop("2026-05"), "spent"),
    (lambda found: found["spent"].update({"2026-02": 1}), "spent"),
    (lambda found: found["spent"].update({"2026-4": 1}), "rows"),
    (lambda found: found["spent"].update({"2026-04": "1"}), "whole numbers"),
    (lambda found: found.update(goal=["cup", 0]), "rows"),
]
"""How an account is forged, and the law that it breaks."""


@pytest.mark.parametrize(("forge", "law"), FORGED)
def test_a_forged_account_is_found(rows: list[Row], forge: Forgery, law: str) -> None:
    """Every day, month and amount is looked at."""
    changed = copy.deepcopy(rows)
    (account,) = (row for row in changed if row["sk"]["S"] == "A")
    standing = standing_of(changed)
    forge(standing)
    account["standing"] = {"S": json.dumps(standing)}
    assert [law] == judged(changed)


@pytest.mark.parametrize(
    ("spent", "laws"), [(["2026-04", 19_999], ["spent"]), (["2026-03", 20_000], ["spent"]), (None, ["spent"])]
)
def test_a_forged_award_is_found(rows: list[Row], spent: list[Any] | None, laws: list[str]) -> None:
    """An order counts what is kept of it, in the month of its payment."""
    changed = copy.deepcopy(rows)
    (order,) = (row for row in changed if row["pk"]["S"].endswith("#o2"))
    award = json.loads(order["award"]["S"])
    order["award"] = {"S": json.dumps([*award[:7], *([spent] if spent else [])])}
    assert laws == judged(changed)


@pytest.mark.parametrize(
    "told", ['{"a": 1}', '[{"points.dormant/x": [0, ["email"], "w", "noon"]}, null, null]', '[{}, "today", null]']
)
def test_what_was_told_can_be_read(rows: list[Row], told: str) -> None:
    """Marks of notices are read, and what is none is said."""
    changed = copy.deepcopy(rows)
    (account,) = (row for row in changed if row["sk"]["S"] == "A")
    account["told"] = {"S": told}
    assert ["rows"] == judged(changed)
    mark = [0, ["email"], "w", "2026-05-02T04:00:00Z"]
    account["told"] = {"S": json.dumps([{"points.balance_reached/5": mark, "tier.reached/x": 1}, "2026-05-02", None])}
    assert [] == judged(changed)


def test_an_account_from_before_has_no_day(rows: list[Row]) -> None:
    """Nobody knew of it when it was opened."""
    changed = copy.deepcopy(rows)
    (account,) = (row for row in changed if row["sk"]["S"] == "A")
    standing = standing_of(changed)
    del standing["seen"]
    account["standing"] = {"S": json.dumps(standing)}
    assert [] == judged(changed)


def test_months_that_no_policy_asks_for_may_be_gone(rows: list[Row]) -> None:
    """Under a program without the policy nothing is missing."""
    changed = copy.deepcopy(rows)
    (account,) = (row for row in changed if row["sk"]["S"] == "A")
    standing = standing_of(changed)
    del standing["spent"]
    account["standing"] = {"S": json.dumps(standing)}
    found = audit(changed, replace(PROGRAM, policies=()), START + timedelta(days=90), shards=SHARDS)
    assert {"index"} >= {one.law for one in found}
