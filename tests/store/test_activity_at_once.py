"""Logins at once on a real engine, with orders between them: one write a day, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

from jifen.domain.orders import EventType, Line, OrderEvent, Paid
from jifen.domain.program import parse_program
from jifen.service.being import was_here
from jifen.service.earning import earn
from jifen.service.reading import prove_member
from local.engines import Engine
from tests.store.clients import deadline
from tests.store.tables import new_ledger
from tests.store.values import MOMENT

LOYAL = {
    "id": "loyal",
    "starts_on": "2999-01-01",
    "when": {"spent": {"months": 1, "each_minor": 1}},
    "extend": {"months": 1},
}
PROGRAM = parse_program({"time_zone": "Asia/Shanghai", "currency": "CNY", "validity": {"policies": [LOYAL]}})
ORDERS, LOGINS = 6, 18


def order(number: int) -> OrderEvent:
    """An order of 100 yuan."""
    state = Paid("m1", MOMENT.now, "CNY", (Line(1, "tea", 10_000),))
    return OrderEvent(EventType.PAID, f"p{number}", "standard", f"o{number}", "m1", MOMENT.now, paid=state)


def test_logins_and_orders_at_once(engine: Engine) -> None:
    """Every order is posted, the login is written once, and the next day's once more."""
    ledger = new_ledger(engine, PROGRAM)
    recorded: list[bool] = []

    def login(days: int) -> None:
        moment = replace(MOMENT, now=MOMENT.now + timedelta(days=days), today=MOMENT.today + timedelta(days=days))
        recorded.append(was_here(ledger, moment, deadline(60), "m1", "login")["recorded"])

    def buy(number: int) -> None:
        earn(ledger, PROGRAM, [order(number)], MOMENT, deadline(60))

    calls: list[Callable[[], None]] = [partial(login, 0)] * LOGINS
    for number in range(ORDERS):
        calls.insert(3 * number, partial(buy, number))
    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()
    account = ledger.load(["m1"]).accounts["m1"]

    assert 1 == recorded.count(True)
    assert (ORDERS, ORDERS + 1) == (account.version, account.revision)
    assert {"opened": MOMENT.today, "login": MOMENT.today} == account.standing.seen
    assert {f"{MOMENT.today:%Y-%m}": ORDERS * 10_000} == account.standing.spent
    assert (600, True) == (account.balance, prove_member(ledger, "m1").valid)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(login, [1, 0] * 8))
    later = ledger.load(["m1"]).accounts["m1"]
    assert (2, account.revision + 1) == (recorded.count(True), later.revision)
    assert MOMENT.today + timedelta(days=1) == later.standing.seen["login"]
