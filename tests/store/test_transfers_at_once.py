"""Gifts and coupons at once on a real engine: no point and no discount is ever made by a race (PC-043)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pytest

from jifen.domain import coupons, passwords
from jifen.domain.errors import Refusal
from jifen.domain.money import Money
from jifen.domain.offers import CouponTerms
from jifen.domain.program import Program, parse_program
from jifen.service.couponing import Couponing
from jifen.service.guarding import Passwords, prove
from jifen.service.mall_documents import PasswordKey
from jifen.service.ports import Ledger, Posting
from jifen.service.reading import prove_member
from jifen.service.transferring import Transferring, transfers_page
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.store.clients import deadline
from tests.store.patient import Patient
from tests.store.tables import new_ledger
from tests.store.values import MOMENT, PROGRAM, credited

T = TypeVar("T")
COOLING = parse_program({"time_zone": "Asia/Shanghai", "transfers": {"cooling_days": 7}})
GUARDED = parse_program({"time_zone": "Asia/Shanghai", "security": {"password_above": 0, "tries": 5}})
CENTS = parse_program({"time_zone": "Asia/Shanghai", "currency": "CNY"})


@pytest.fixture
def ledger(engine: Engine) -> DynamoLedger:
    """A ledger on a table of its own."""
    return new_ledger(engine, PROGRAM)


def desk(ledger: Ledger, key: str, subject: str = "shop", program: Program = PROGRAM) -> Transferring:
    """The use cases under a key, with time enough."""
    return Transferring(ledger, program, MOMENT, deadline(60), subject, f"shop:{subject}", key)


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | Refusal]:
    """What each call returned, or how it was refused; all of them at the same time."""

    def one(call: Callable[[], T]) -> T | Refusal:
        try:
            return call()
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def gifts(ledger: Ledger, asked: Sequence[tuple[str, str, int]], program: Program = PROGRAM) -> list[object | Refusal]:
    """What came of gifts (from, to, points) that are all made at once, each under a key of its own."""
    return at_once(
        [partial(desk(ledger, f"k{number}", program=program).send, *one) for number, one in enumerate(asked)]
    )


def outcomes(results: Sequence[object]) -> Counter[str]:
    """How many calls were done, and how many refused with which code."""
    return Counter(result.code if isinstance(result, Refusal) else "done" for result in results)


def balances(ledger: Ledger, *members: str) -> list[int]:
    """What each member has, once each is proved."""
    assert all(prove_member(ledger, member).valid for member in members)
    return [ledger.load([member]).accounts[member].balance for member in members]


def test_twenty_gifts_of_all_points_to_twenty_people_are_one(ledger: DynamoLedger) -> None:
    """PC-043: 100 points, 20 parallel gifts of 100: one succeeds, and there are 100 points in all."""
    ledger.commit(credited("a", 100), Patient(0))
    friends = [f"f{number}" for number in range(20)]

    results = gifts(ledger, [("a", to, 100) for to in friends])

    assert Counter(done=1, INSUFFICIENT_POINTS=19) == outcomes(results)
    assert [0, 100] == sorted({*balances(ledger, "a", *friends)})
    assert 100 == sum(balances(ledger, "a", *friends))
    assert 1 == len(transfers_page(ledger, "a", None, 100)["transfers"])


def test_one_gift_sent_twenty_times_is_made_once(ledger: DynamoLedger) -> None:
    """One key, twenty at once: twenty equal answers."""
    ledger.commit(credited("a", 100), Patient(0))

    results = at_once([lambda: desk(ledger, "k").send("a", "b", 30)] * 20)

    assert [results[0]] * 20 == results
    assert [70, 30] == balances(ledger, "a", "b")


def test_gifts_that_cross_are_all_made(ledger: DynamoLedger) -> None:
    """Ten from a to b and ten from b to a at once, in whatever order of members: all succeed in the end."""
    for member in ("a", "b"):
        ledger.commit(credited(member, 100), Patient(0))
    ways = [("a", "b", 3), ("b", "a", 2)] * 10

    results = gifts(ledger, ways)

    assert Counter(done=20) == outcomes(results)
    assert [90, 110] == balances(ledger, "a", "b")


def test_a_ring_of_gifts_goes_round(ledger: DynamoLedger) -> None:
    """Five members, each gives all of it to the next, twenty times over: nothing is made or lost."""
    members = [f"m{number}" for number in range(5)]
    for member in members:
        ledger.commit(credited(member, 10), Patient(0))
    hops = [(members[n % 5], members[(n + 1) % 5], 10) for n in range(20)]

    results = gifts(ledger, hops)

    assert {"done", "INSUFFICIENT_POINTS"} >= set(outcomes(results))
    assert 50 == sum(balances(ledger, *members))


def test_many_give_to_one_at_once(ledger: DynamoLedger) -> None:
    """Twenty senders, one receiver: all succeed in the end, and the receiver's chain is whole."""
    senders = [f"s{number}" for number in range(20)]
    for sender in senders:
        ledger.commit(credited(sender, 10), Patient(0))

    results = gifts(ledger, [(sender, "b", 10) for sender in senders])

    assert Counter(done=20) == outcomes(results)
    assert [200] == balances(ledger, "b")
    assert [0] * 20 == balances(ledger, *senders)


def test_a_gift_is_taken_back_once_however_many_try(ledger: DynamoLedger) -> None:
    """Ten at once under ten keys: one takes it back, nine are told that it was."""
    ledger.commit(credited("a", 100), Patient(0))
    transfer = str(desk(ledger, "gift", program=COOLING).send("a", "b", 100)["transfer_id"])

    results = at_once([partial(desk(ledger, f"k{n}", program=COOLING).cancel, transfer) for n in range(10)])

    assert Counter(done=1, WRONG_STATUS=9) == outcomes(results)
    assert [100, 0] == balances(ledger, "a", "b")


def test_one_coupon_used_on_two_orders_at_once_is_used_on_one(ledger: DynamoLedger) -> None:
    """Ten orders, one coupon: one discount, and nine are told on which order it was used."""
    coupon = coupons.issue("cp.YQ." + "A" * 22, "a", "five", CouponTerms(discount_minor=500), ("x", "y"), MOMENT, "CNY")
    ledger.commit(Posting(documents=(coupon,)), Patient(0))

    def use(number: int) -> object:
        here = Couponing(ledger, CENTS, MOMENT, deadline(60), "shop", "shop:shop", f"k{number}")
        return here.use(coupon.id, ("standard", f"o{number}"), Money(900, "CNY"), None)

    results = at_once([partial(use, number) for number in range(10)])

    assert Counter(done=1, COUPON_NOT_USABLE=9) == outcomes(results)
    assert {"USED"} == {str(one.facts()["because"]) for one in results if isinstance(one, Refusal)}


def test_coupons_of_a_day_are_counted_at_once(ledger: DynamoLedger) -> None:
    """Ten coupons of a reward, two a day: two are used."""
    terms = CouponTerms(discount_minor=500, uses_per_day=2)
    ids = [f"cp.YQ.{number:022d}" for number in range(10)]
    issued = [coupons.issue(one, "a", "five", terms, ("x", "y"), MOMENT, "CNY") for one in ids]
    ledger.commit(Posting(documents=tuple(issued)), Patient(0))

    def use(one: str) -> object:
        here = Couponing(ledger, CENTS, MOMENT, deadline(60), "shop", "shop:shop", one)
        return here.use(one, ("standard", one), Money(900, "CNY"), None)

    results = at_once([partial(use, one) for one in ids])

    assert Counter(done=2, LIMIT_REACHED=8) == outcomes(results)


def test_guessing_at_once_is_looked_at_no_more_often_than_in_turn(
    ledger: DynamoLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty guesses at once, five tries: five are told wrong, the others that it is locked."""
    monkeypatch.setattr(passwords, "WORK", (2, 1, 1))
    Passwords(ledger, GUARDED, MOMENT, deadline(60)).change("a", "correct horse", None, lambda: b"s" * 16)

    results = at_once(
        [partial(prove, ledger, GUARDED, MOMENT, deadline(60), "a", f"guess {number}") for number in range(30)]
    )

    assert Counter(POINTS_PASSWORD_WRONG=5, POINTS_PASSWORD_LOCKED=25) == outcomes(results)
    known = ledger.load([], [PasswordKey("a")]).documents[PasswordKey("a")]
    assert 5 == getattr(known, "failures", None)
