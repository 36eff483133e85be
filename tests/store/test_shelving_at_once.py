"""Operators at once on a real engine, with buyers in between: no piece is lost or made, no code goes in twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from jifen.domain.errors import OutOfStock
from jifen.domain.ids import document_id
from jifen.domain.program import parse_program
from jifen.domain.rewards import Stock, Wish
from jifen.service import stocking
from jifen.service.mall_documents import StockKey, WishKey
from jifen.service.ports import deadlines
from jifen.service.shelving import Shelving, notify_arrivals
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.store.clients import deadline
from tests.store.tables import ledger_on, new_table
from tests.store.test_concurrency import at_once
from tests.store.values import NOW

PROGRAM = parse_program({"currency": "CNY"})
MOMENT = PROGRAM.moment(NOW)
BUYERS, FILLINGS = 24, 6


@pytest.fixture
def table(engine: Engine) -> tuple[Engine, str]:
    """A table of its own."""
    return engine, new_table(engine)


def ledger(place: tuple[Engine, str]) -> DynamoLedger:
    """A client of its own on the table."""
    return ledger_on(*place, PROGRAM)


def desk(place: tuple[Engine, str], key: str) -> Shelving:
    """The desk of one request, with a client of its own."""
    return Shelving(ledger(place), PROGRAM, MOMENT, deadline(30), key, "operator:a", key)


def buy(place: tuple[Engine, str], number: int) -> int:
    """One buyer's reservation; what it got."""
    order_id = str(document_id("ro", f"m{number}", "k"))
    here, until = ledger(place), NOW + timedelta(hours=1)
    kept = stocking.reserve(here, deadline(30), ("cup", 3), order_id, 1, 0, NOW, until)
    return sum(shard.reserved[order_id].pieces for shard in kept)


def test_filling_and_buying_at_once_keeps_every_piece(table: tuple[Engine, str]) -> None:
    """What was put in is free or with a buyer, shard by shard."""
    desk(table, "w").write("cup", {"title": "Cup", "points": 1, "stock": {"shards": 3}})
    desk(table, "f").fill("cup", 6, "")
    fillings = [partial(desk(table, f"f{number}").fill, "cup", 2, "") for number in range(FILLINGS)]
    buyers = [partial(buy, table, number) for number in range(BUYERS)]

    told = at_once([call for pair in zip(buyers, fillings * 4, strict=True) for call in pair])

    bought = Counter(type(one).__name__ for one in told if not isinstance(one, dict | Counter))
    stock = desk(table, "").stock("cup")
    assert 6 + 2 * FILLINGS == stock["stocked"]
    assert stock["reserved"] == sum(one for one in told if isinstance(one, int)) <= 6 + 2 * FILLINGS
    assert bought["OutOfStock"] == sum(isinstance(one, OutOfStock) for one in told)
    for shard in stock["shards"]:
        assert shard["stocked"] == (shard["free"] or 0) + shard["reserved"] + shard["sold"]


def test_the_same_codes_at_once_go_in_once(table: tuple[Engine, str]) -> None:
    """Four uploads of overlapping lists: each code is in one shard, and was added by one of them."""
    desk(table, "w").write("film", {"title": "F", "kind": "virtual", "points": 1, "stock": {"codes": True}})
    codes = [f"C{number}" for number in range(120)]
    calls = [partial(desk(table, f"u{number}").add_codes, "film", codes[number * 10 :]) for number in range(4)]

    told = at_once(calls)

    assert 120 == sum(int(one["added"]) for one in told if not isinstance(one, Exception))
    stock = desk(table, "").stock("film")
    keys = [StockKey("film", shard["shard"]) for shard in stock["shards"]]
    shards = [one for one in ledger(table).load([], keys).documents.values() if isinstance(one, Stock)]
    assert sorted(codes) == sorted(code for shard in shards for code in shard.codes)


class Tales:
    """A herald that remembers whom it told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, kind: str, notice_id: str, member: str, data: object) -> None:
        """See :class:`jifen.service.ports.Herald`."""
        del kind, notice_id, data
        self.told.append(member)


def test_those_who_wait_are_told_once_by_many_workers(table: tuple[Engine, str]) -> None:
    """Wishes and a filling at once, then four workers: everybody who waits is told, and nobody twice."""
    desk(table, "w").write("cup", {"title": "Cup", "points": 1})
    wishes: list[Callable[[], object]] = [
        partial(desk(table, f"w{number}").wish, "cup", f"m{number}", on=True) for number in range(12)
    ]
    filling: Callable[[], object] = partial(desk(table, "f").fill, "cup", 1, "")
    told: list[object] = list(at_once([*wishes[:6], filling, *wishes[6:]]))
    assert not [one for one in told if isinstance(one, Exception)]
    waiting = {
        wish.member
        for number in range(12)
        for wish in ledger(table).load([], [WishKey("cup", f"m{number}")]).documents.values()
        if isinstance(wish, Wish)
    }

    herald = Tales()
    at_once([partial(notify_arrivals, ledger(table), herald, "cup", MOMENT, deadline(30)) for _ in range(4)])
    # A worker that found the reward written meanwhile has left it due.
    notify_arrivals(ledger(table), herald, "cup", MOMENT, deadline(30))

    assert sorted(waiting) == sorted(herald.told)
    assert () == ledger(table).listed(deadlines(NOW), None, 10).documents
