"""Many at once on a real engine: nothing is overspent, nothing acknowledged is lost, everybody gets an answer."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from jifen.domain.entries import Kind
from jifen.domain.errors import Refusal
from jifen.domain.orders import EventType, Line, OrderEvent, Paid
from jifen.service.earning import earn
from jifen.service.expiring import expire
from jifen.service.ports import HoldKey, Ledger
from jifen.service.reading import prove_member
from jifen.service.spending import Spending
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine, EngineFailed, create_table, open_engine
from local.template import table_definition
from tests.store.books import CLEAN, audit
from tests.store.clients import MEMBERS, Told, deadline, mixed, redeem_at_once, redeem_until_empty
from tests.store.patient import Patient
from tests.store.tables import ASKED, SERVERS, Running, ledger_on, new_ledger, new_table
from tests.store.values import MOMENT, NOW, PROGRAM, credited

T = TypeVar("T")
THREADS = 8
PROCESSES = 8
OPERATIONS, SEEDS = (60, 3) if ASKED else (16, 1)
"""Of each process in a run at random, and how many runs; longer ones where engines were asked for by name."""

KILL_AFTER = 60
"""Entries, before the engine is killed."""

ENDLESS = 10_000
"""Operations; nobody gets that far before the engine is killed."""


@contextmanager
def processes() -> Iterator[ProcessPoolExecutor]:
    """Eight fresh interpreters."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.store.clients"])
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        yield pool


@pytest.fixture
def ledger(engine: Engine) -> DynamoLedger:
    """A ledger on a table of its own."""
    return new_ledger(engine, PROGRAM)


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


def test_eight_processes_on_one_account(engine: Engine) -> None:
    """Eight processes spend until nothing is left: never more than there was, and every yes has its entry."""
    table = new_table(engine)
    ledger = ledger_on(engine, table, PROGRAM)
    ledger.commit(credited("m1", 305), Patient(0))

    with processes() as pool:
        told = [
            future.result()
            for future in [pool.submit(redeem_until_empty, engine, table, "m1", n, 10, 40) for n in range(PROCESSES)]
        ]

    done = [redemption for one in told for redemption in one["done"]]
    entries = [entry.draft for entry in ledger.history("m1") if entry.draft.kind is Kind.REDEEM]
    assert (30, 30, 5) == (len(done), len(set(done)), ledger.load(["m1"]).accounts["m1"].balance)
    assert sorted(done) == sorted(draft.source.id for draft in entries)
    assert -300 == sum(draft.points for draft in entries)
    assert ["INSUFFICIENT_POINTS"] * 8 == [code for one in told for code in one["refused"]]
    assert prove_member(ledger, "m1").valid


def test_ten_of_sixty_four_succeed_and_the_others_are_told_why(engine: Engine) -> None:
    """64 clients in eight processes redeem 10 of 100 points: ten succeed, 54 lack points, and none is told Busy."""
    table = new_table(engine)
    ledger = ledger_on(engine, table, PROGRAM)
    ledger.commit(credited("m1", 100), Patient(0))

    with processes() as pool:
        keys = [[f"k{process}-{n}" for n in range(8)] for process in range(PROCESSES)]
        told = [pool.submit(redeem_at_once, engine, table, "m1", eight, 10) for eight in keys]

    assert Counter(done=10, INSUFFICIENT_POINTS=54) == sum((one.result() for one in told), Counter[str]())
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


# Everything at once --------------------------------------------------------------------------------------------------


def crowd(engine: Engine, table: str, seed: int, operations: int, patience_s: float = 60) -> list[Told]:
    """What eight processes were told that did everything at random on three accounts."""
    with processes() as pool:
        asked = [pool.submit(mixed, engine, table, n, seed, operations, patience_s) for n in range(PROCESSES)]
        return [future.result() for future in asked]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_eight_processes_doing_everything_leave_each_answer_in_the_ledger_once(engine: Engine, seed: int) -> None:
    """Payments, copies, refunds, redemptions, restores, holds and expiry at random: what was told is there, once."""
    table = new_table(engine)
    for member in MEMBERS:
        ledger_on(engine, table, PROGRAM).commit(credited(member, 500), Patient(0))

    told = crowd(engine, table, seed, OPERATIONS)

    kinds = Counter(fact[0] for one in told for fact in one.done)
    assert CLEAN == audit(engine, table, told)
    assert [] == [fact for one in told for fact in one.unknown]
    assert {"order", "redeem", "restore", "hold", "look"} <= set(kinds)
    assert {"capture", "void"} & set(kinds)
    assert kinds.total() > OPERATIONS * PROCESSES // 2


# An engine that dies -------------------------------------------------------------------------------------------------


LOST_MAX = {"dynoxide": 0, "dynamodb-local": 1}
"""Engines that write as they go, and how many acknowledged transactions they may lose to a kill -9.

DynamoDB Local answers before its database has committed, and takes one transaction after another.
"""

SAVES_AT_ITS_END = ("ministack",)
"""Engines that write when they are ended in order and not before."""


def asked_for(names: Collection[str]) -> list[Any]:
    """Those of the engines under test; a skipped nobody where there are none."""
    nobody = pytest.param("", marks=pytest.mark.skip(reason=f"JIFEN_TEST_ENGINES names none of {', '.join(names)}"))
    return [name for name in SERVERS if name in names] or [nobody]


def killed_in_the_middle(spec: str, data: Path) -> list[Told]:
    """Eight processes do everything at random until, after some hundred entries, the engine is killed."""
    with pytest.raises(EngineFailed, match="ended by itself"), ExitStack() as stack:
        engine = stack.enter_context(open_engine(spec, data_path=data, say=lambda _line: None))
        create_table(engine, table_definition(), "killed")
        ledger = ledger_on(engine, "killed", PROGRAM)
        before = entries_in(ledger)
        pool = stack.enter_context(processes())
        # Whatever happens: without an engine the processes end soon.
        stack.callback(kill, engine)
        asked = [pool.submit(mixed, engine, "killed", n, 1, ENDLESS, 3) for n in range(PROCESSES)]
        while entries_in(ledger) < before + KILL_AFTER:
            assert not all(future.done() for future in asked)
            time.sleep(0.02)
    return [future.result() for future in asked]


def kill(engine: Engine) -> None:
    """Kill -9 the engine with its keeper."""
    assert engine.process_group is not None
    os.killpg(engine.process_group, signal.SIGKILL)


def entries_in(ledger: Ledger) -> int:
    """How many entries the three accounts have."""
    return sum(account.version for account in ledger.load(MEMBERS).accounts.values())


@pytest.mark.parametrize("spec", asked_for(LOST_MAX))
def test_engine_killed_in_the_middle_keeps_what_it_acknowledged(running: Running, spec: str, tmp_path: Path) -> None:
    """After kill -9 in mid-load and a restart on the same data, every account is proved and what was told is there."""
    assert running[spec].name == spec
    data = tmp_path / "ledger"

    told = killed_in_the_middle(spec, data)

    with open_engine(spec, data_path=data, say=lambda _line: None) as engine:
        found = audit(engine, "killed", told)
    assert ((), ()) == (found.made_up, found.wrong)
    assert len(found.lost) <= LOST_MAX[spec]
    assert sum(len(one.done) for one in told) >= KILL_AFTER // 2


@pytest.mark.parametrize("spec", asked_for(SAVES_AT_ITS_END))
def test_engine_that_saves_at_its_end_goes_back_to_it_when_killed(running: Running, spec: str, tmp_path: Path) -> None:
    """After kill -9 it has what it had when it was last ended in order, whole and proved; what came after is gone."""
    assert running[spec].name == spec
    data = tmp_path / "ledger"
    with open_engine(spec, data_path=data, say=lambda _line: None) as engine:
        create_table(engine, table_definition(), "killed")
        saved = crowd(engine, "killed", 2, 10)
        before = ledger_on(engine, "killed", PROGRAM).load(MEMBERS)

    told = killed_in_the_middle(spec, data)

    with open_engine(spec, data_path=data, say=lambda _line: None) as engine:
        assert CLEAN == audit(engine, "killed", saved)
        assert before == ledger_on(engine, "killed", PROGRAM).load(MEMBERS)
    assert sum(len(one.done) for one in told) >= KILL_AFTER // 2


def test_every_engine_says_what_a_kill_costs() -> None:
    """An engine is killed in one test or the other; one that is somebody else's is left alone."""
    assert {*LOST_MAX, *SAVES_AT_ITS_END} >= {name for name in SERVERS if "://" not in name}
