"""Many at once on a real engine: nothing is overspent, nothing acknowledged is lost, everybody gets an answer."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from botocore.exceptions import BotoCoreError
from pynamodb.exceptions import PynamoDBException

from jifen.domain.entries import Kind
from jifen.domain.errors import Busy, Refusal
from jifen.domain.orders import EventType, Line, OrderEvent, Paid
from jifen.service.earning import earn
from jifen.service.ports import HoldKey, RedemptionKey
from jifen.service.reading import prove_member
from jifen.service.spending import Spending
from jifen.service.sweeping import expire
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine, EngineFailed, create_table, open_engine
from local.template import table_definition
from tests.store.clients import deadline, redeem_until_empty
from tests.store.patient import Patient
from tests.store.tables import ledger_on, new_ledger, new_table
from tests.store.values import MOMENT, NOW, PROGRAM, credited

T = TypeVar("T")
THREADS = 8


@pytest.fixture
def ledger(dynoxide: Engine) -> DynamoLedger:
    """A ledger on a table of its own."""
    return new_ledger(dynoxide, PROGRAM)


def desk(ledger: DynamoLedger, key: str, seconds: float = 20) -> Spending:
    """The spending use cases, with so much time."""
    return Spending(ledger, PROGRAM, MOMENT, deadline(seconds), key, "shop")


def at_once(calls: Sequence[Callable[[], T]], threads: int = THREADS) -> list[T | Refusal]:
    """What each call returned, or how it was refused."""

    def one(call: Callable[[], T]) -> T | Refusal:
        try:
            return call()
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, calls))


def outcomes(results: Sequence[object]) -> Counter[str]:
    """How many calls were done, and how many refused with which code."""
    return Counter(result.code if isinstance(result, Refusal) else "done" for result in results)


def test_eight_processes_on_one_account(dynoxide: Engine) -> None:
    """Eight processes spend until nothing is left: never more than there was, and every yes has its entry."""
    table = new_table(dynoxide)
    ledger = ledger_on(dynoxide, table, PROGRAM)
    ledger.commit(credited("m1", 305), Patient(0))

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.store.clients"])
    with ProcessPoolExecutor(8, mp_context=context) as pool:
        told = [
            future.result()
            for future in [pool.submit(redeem_until_empty, dynoxide, table, "m1", n, 10, 40) for n in range(8)]
        ]

    done = [redemption for one in told for redemption in one["done"]]
    entries = [entry.draft for entry in ledger.history("m1") if entry.draft.kind is Kind.REDEEM]
    assert (30, 30, 5) == (len(done), len(set(done)), ledger.load(["m1"]).accounts["m1"].balance)
    assert sorted(done) == sorted(draft.source.id for draft in entries)
    assert -300 == sum(draft.points for draft in entries)
    assert ["INSUFFICIENT_POINTS"] * 8 == [code for one in told for code in one["refused"]]
    assert prove_member(ledger, "m1").valid


def test_ten_of_sixty_four_succeed_and_the_others_are_told_why(ledger: DynamoLedger) -> None:
    """64 redemptions of 10 on 100 points: ten succeed, 54 are refused for want of points and none for want of time."""
    ledger.commit(credited("m1", 100), Patient(0))

    results = at_once([lambda n=n: desk(ledger, f"k{n}", 60).redeem("m1", 10) for n in range(64)], threads=64)  # type: ignore[misc]

    assert Counter(done=10, INSUFFICIENT_POINTS=54) == outcomes(results)
    assert 0 == ledger.load(["m1"]).accounts["m1"].balance
    assert prove_member(ledger, "m1").valid


def test_one_request_from_many_clients_is_done_once(ledger: DynamoLedger) -> None:
    """A redemption under one key from sixteen clients at once is made once, and all get its answer."""
    ledger.commit(credited("m1", 100), Patient(0))

    results = at_once([lambda: desk(ledger, "k").redeem("m1", 30)] * 16, threads=16)

    assert all(result == results[0] for result in results)
    assert Counter(done=16) == outcomes(results)
    assert 70 == ledger.load(["m1"]).accounts["m1"].balance


def test_hundred_orders_of_one_member_all_land(ledger: DynamoLedger) -> None:
    """A hundred parallel order events of one member, some of them twice, are each posted once."""

    def order(number: int) -> list[Any]:
        paid = Paid("m1", NOW, "CNY", (Line(1, "tea", 100 * (number + 1)),))
        event = OrderEvent(EventType.PAID, f"e{number}", "standard", f"o{number}", "m1", NOW, paid)
        return earn(ledger, PROGRAM, [event], MOMENT, deadline(60))

    results = at_once([lambda n=n % 100: order(n) for n in range(110)], threads=4)  # type: ignore[misc]

    account = ledger.load(["m1"]).accounts["m1"]
    assert Counter(done=110) == outcomes(results)
    assert (sum(range(1, 101)), 100) == (account.balance, account.version)
    assert 10 == sum(("DUPLICATE",) == outcome.notes for result in results for outcome in _list(result))
    assert prove_member(ledger, "m1").valid


def _list(result: list[Any] | Refusal) -> list[Any]:
    assert isinstance(result, list)
    return result


# Holds, PC-039 to PC-042 ---------------------------------------------------------------------------------------------


def test_parallel_holds_never_reserve_more_than_there_is(ledger: DynamoLedger) -> None:
    """Ten parallel holds of 50 on 100 points: two succeed."""
    ledger.commit(credited("m1", 100), Patient(0))

    results = at_once([lambda n=n: desk(ledger, f"k{n}").authorize("m1", 50) for n in range(10)])  # type: ignore[misc]

    account = ledger.load(["m1"]).accounts["m1"]
    assert Counter(done=2, INSUFFICIENT_POINTS=8) == outcomes(results)
    assert (100, 0) == (account.held, account.available(MOMENT.today))


def test_parallel_holds_under_one_key_are_one_hold(ledger: DynamoLedger) -> None:
    """Ten parallel requests for one hold: one hold, ten equal answers."""
    ledger.commit(credited("m1", 100), Patient(0))

    results = at_once([lambda: desk(ledger, "k").authorize("m1", 30)] * 10)

    assert Counter(done=10) == outcomes(results)
    assert all(result == results[0] for result in results)
    assert (30, 1) == (ledger.load(["m1"]).accounts["m1"].held, len(ledger.load(["m1"]).accounts["m1"].holds))


@pytest.mark.parametrize(("resolve", "balance"), [("capture", 70), ("void", 100)])
def test_parallel_resolutions_of_one_hold_are_one(ledger: DynamoLedger, resolve: str, balance: int) -> None:
    """Ten parallel captures, or voids, of one hold under ten keys: one is done, nine are told that it was."""
    ledger.commit(credited("m1", 100), Patient(0))
    hold = str(desk(ledger, "h").authorize("m1", 30)["hold_id"])

    results = at_once([lambda n=n: getattr(desk(ledger, f"k{n}"), resolve)(hold) for n in range(10)])  # type: ignore[misc]

    account = ledger.load(["m1"]).accounts["m1"]
    assert Counter(done=1, HOLD_ALREADY_RESOLVED=9) == outcomes(results)
    assert (balance, 0) == (account.balance, account.held)
    assert 2 == ledger.load([], [HoldKey("m1", hold)]).documents[HoldKey("m1", hold)].version
    assert prove_member(ledger, "m1").valid


# A sweep among them --------------------------------------------------------------------------------------------------


def test_expiry_against_redemptions(ledger: DynamoLedger) -> None:
    """While points expire, redemptions that are still in time and the sweep share them out without a point twice."""
    ledger.commit(credited("m1", 100), Patient(0))
    past = PROGRAM.moment(NOW + timedelta(days=500))
    calls: list[Callable[[], object]] = [
        *[lambda n=n: desk(ledger, f"k{n}").redeem("m1", 7) for n in range(5)],
        *[lambda: expire(ledger, "m1", past, deadline(20))] * 3,
        *[lambda n=n: desk(ledger, f"k{n}").redeem("m1", 7) for n in range(5, 10)],
    ]

    results = at_once(calls)

    spent, gone = (
        ledger.load(["m1"]).accounts["m1"].lifetime.redeemed,
        ledger.load(["m1"]).accounts["m1"].lifetime.expired,
    )
    done = sum(isinstance(result, dict) for result in results)
    assert {"done", "INSUFFICIENT_POINTS"} >= set(outcomes(results))
    assert (7 * done, 100) == (spent, spent + gone)
    assert 1 == sum(result is True for result in results)
    assert prove_member(ledger, "m1").valid


# An engine that dies -------------------------------------------------------------------------------------------------


def _spend_until_killed(data: Path, told: list[str], kill_after: int) -> None:
    """Four clients redeem; after so many acknowledged redemptions, whose ids are ``told``, the engine is killed."""
    with open_engine("dynoxide", data_path=data, say=lambda _line: None) as engine:
        create_table(engine, table_definition(), "killed")
        ledger = ledger_on(engine, "killed", PROGRAM)
        ledger.commit(credited("m1", 100_000), Patient(0))
        group = engine.process_group
        assert group is not None

        def spend(client: int) -> None:
            for number in itertools.count():
                try:
                    told.append(str(desk(ledger, f"{client}-{number}", 0.2).redeem("m1", 1)["redemption_id"]))
                except (Busy, PynamoDBException, BotoCoreError):
                    return
                if len(told) >= kill_after:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(group, signal.SIGKILL)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(spend, range(4)))


@pytest.mark.usefixtures("dynoxide")
def test_engine_killed_in_the_middle_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    """After kill -9 in mid-load and a restart on the same file, every acknowledged write is there and proved."""
    data, told = tmp_path / "ledger.db", list[str]()
    with pytest.raises(EngineFailed):
        _spend_until_killed(data, told, kill_after=40)

    with open_engine("dynoxide", data_path=data, say=lambda _line: None) as engine:
        ledger = ledger_on(engine, "killed", PROGRAM)
        spent = [entry.draft.source.id for entry in ledger.history("m1") if entry.draft.kind is Kind.REDEEM]
        found = ledger.load([], [RedemptionKey("m1", redemption) for redemption in told[:90]])
        assert prove_member(ledger, "m1").valid
        assert len(told) >= 40
        assert set(told) <= set(spent)
        assert len(spent) == len(set(spent)) == 100_000 - ledger.load(["m1"]).accounts["m1"].balance
        assert len(told[:90]) == len(found.documents)
