"""Exchanging: judged, reserved, posted once, confirmed; each step once; whatever breaks in between is made good."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from jifen.domain.account import Status
from jifen.domain.entries import Kind
from jifen.domain.errors import (
    AccountFrozen,
    IdempotencyKeyReused,
    InsufficientPoints,
    LimitReached,
    NotOpen,
    OutOfStock,
    PriceChanged,
    RewardNotFound,
)
from jifen.domain.exchanges import Wanted
from jifen.domain.program import parse_program
from jifen.domain.ruling import AuditLine
from jifen.service.ports import AccountWrite, DocumentKey, Ledger, Loaded, Posting, audit_of
from tests.service.ledgers import Forgetful, Raced, Torn
from tests.service.mall import ADDRESS, counts, desk, exchange, later, order_of, orders, reward, settle
from tests.service.scene import account_of, balance_of, give, points_of, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient


@pytest.fixture
def shop(ledger: MemoryLedger) -> MemoryLedger:
    """Five cups of 100 points, and a member with 250."""
    give(ledger, "m1", 250)
    reward(ledger)
    return ledger


def test_an_exchange_takes_points_and_a_piece(shop: MemoryLedger) -> None:
    """The points are gone, the piece is sold, and the order waits for an address."""
    made = exchange(shop)

    assert ("ADDRESS_DUE", 100, 150) == (made["status"], made["points"], made["available"])
    assert [250, -100] == points_of(shop)
    assert (4, 0, 1) == counts(shop)
    assert proved(shop)


def test_the_same_request_is_answered_again(shop: MemoryLedger) -> None:
    """Asked three times under one key, there is one order, one entry, one piece."""
    answers = [exchange(shop) for _ in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert (4, 0, 1) == counts(shop)
    assert 150 == balance_of(shop)


def test_another_request_under_the_same_key_is_refused(shop: MemoryLedger) -> None:
    """It takes neither points nor a piece."""
    exchange(shop)

    with pytest.raises(IdempotencyKeyReused):
        exchange(shop, expected_points=100)

    assert (4, 0, 1) == counts(shop)
    assert 150 == balance_of(shop)


# What is refused takes nothing ---------------------------------------------------------------------------------------


def untouched(ledger: Ledger, balance: int = 250, free: int = 5) -> bool:
    """Whether neither points nor pieces have moved."""
    return (balance, (free, 0, 0)) == (balance_of(ledger), counts(ledger)) and not orders(ledger, ["m1"])


def test_what_is_not_on_the_shelf_cannot_be_had(shop: MemoryLedger) -> None:
    """No such reward, or one that has not opened: 404 and the opening instant."""
    content: dict[str, Any] = {"from": "2026-03-01T04:00:01Z"}
    reward(shop, "soon", **content)

    with pytest.raises(RewardNotFound):
        exchange(shop, reward_id="nothing")
    with pytest.raises(NotOpen) as refused:
        exchange(shop, reward_id="soon")

    assert "2026-03-01T04:00:01+00:00" == refused.value.facts()["opens_at"]
    assert untouched(shop)


def test_a_price_that_has_changed_is_told(shop: MemoryLedger) -> None:
    """Who expects another price is told the one of now, and keeps the points."""
    with pytest.raises(PriceChanged) as refused:
        exchange(shop, expected_points=90)

    assert {"expected_points": 90, "points": 100, "cash_minor": 0} == refused.value.facts()
    assert untouched(shop)


def test_too_few_points_reserve_nothing(shop: MemoryLedger) -> None:
    """Three pieces of 100 points with 250: no piece is even reserved."""
    reward(shop, "jar", quantity_max=3)

    with pytest.raises(InsufficientPoints):
        exchange(shop, reward_id="jar", quantity=3)

    assert (5, 0, 0) == counts(shop, "jar")
    assert untouched(shop)


def test_the_last_piece_is_sold_once(shop: MemoryLedger) -> None:
    """The second is told that it is out of stock, and keeps the points."""
    reward(shop, "last", 1, stock={"restock_on": "2026-04-01"})
    exchange(shop, reward_id="last", key="one")

    with pytest.raises(OutOfStock) as refused:
        exchange(shop, reward_id="last", key="two")

    assert {"left": 0, "restock_on": "2026-04-01"} == refused.value.facts()
    assert (150, (0, 0, 1)) == (balance_of(shop), counts(shop, "last"))


def test_a_frozen_account_exchanges_nothing(shop: MemoryLedger) -> None:
    """Not even for nothing; what is cancelled comes back to it."""
    reward(shop, "free", points=0, limits=[{"per": "ever", "times": 5}])
    made = exchange(shop)
    account = account_of(shop)
    frozen = AccountWrite(account, replace(account, status=Status.FROZEN))
    shop.commit(Posting((frozen,)), Patient())

    with pytest.raises(AccountFrozen):
        exchange(shop, reward_id="free", key="k2")
    desk(shop, "c").cancel(made["order_id"], "", member=False, operator=False)

    assert (250, (5, 0, 0), (5, 0, 0)) == (balance_of(shop), counts(shop), counts(shop, "free"))


def test_an_address_can_be_said_twenty_times(shop: MemoryLedger) -> None:
    """Each time is a step that is kept; an order does not grow without end."""
    made = exchange(shop)
    for number in range(20):
        desk(shop, f"a{number}").address(made["order_id"], {**ADDRESS, "note": str(number)})

    with pytest.raises(LimitReached) as refused:
        desk(shop, "more").address(made["order_id"], ADDRESS)

    assert ("addresses_of_one_order", 20) == (refused.value.facts()["limit"], refused.value.facts()["allowed"])
    assert "19" == order_of(shop, made["order_id"]).address["note"]


def test_a_reward_in_another_currency_cannot_be_offered(shop: MemoryLedger) -> None:
    """The program has another currency since: nobody is charged 10 yuan in yen."""
    reward(shop, "vase", cash_minor=1_000)
    yen = parse_program({"time_zone": "Asia/Shanghai", "currency": "JPY"})

    with pytest.raises(NotOpen):
        exchange(shop, reward_id="vase", program=yen)


def test_of_many_shards_a_few_are_read(shop: MemoryLedger) -> None:
    """A stock of fifty shards costs an exchange as much as one of four, as long as there are pieces."""
    reward(shop, "hot", 500, shards=50)
    reads: list[int] = []

    class Counting(Raced):
        def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
            reads.append(len(documents))
            return super().load(members, documents)

    exchange(Counting(shop), reward_id="hot")

    assert [4, 4] == reads
    assert (499, 0, 1) == counts(shop, "hot", 50)


# Somebody else in between ---------------------------------------------------------------------------------------------


def spend_all(ledger: Ledger) -> object:
    """Spend what the member has."""
    return exchange(ledger, reward_id="jar", key="other", quantity=2)


def test_points_that_went_meanwhile_give_the_piece_back_at_once(shop: MemoryLedger) -> None:
    """Between reserving and posting the member spends the points elsewhere: refused, and the piece is free again."""
    reward(shop, "jar", quantity_max=2)
    raced = Raced(shop, lambda _: None, spend_all)

    with pytest.raises(InsufficientPoints):
        exchange(raced)

    assert (5, 0, 0) == counts(shop)
    assert (50, True) == (balance_of(shop), proved(shop))


def test_an_account_that_moved_is_judged_again_with_the_same_piece(shop: MemoryLedger) -> None:
    """Points come in between reserving and posting: the piece that is reserved already is used."""
    made = exchange(Raced(shop, lambda _: None, lambda ledger: give(ledger, "m1", 7)))

    assert (157, (4, 0, 1)) == (made["available"], counts(shop))


def test_a_retry_between_reserving_and_posting_takes_no_second_piece(shop: MemoryLedger) -> None:
    """Two attempts of one request at once are one order, one piece, and both get the one answer."""
    answers = []
    raced = Raced(shop, lambda _: None, lambda ledger: answers.append(exchange(ledger)))

    answers.append(exchange(raced))

    assert answers[0] == answers[1]
    assert (150, (4, 0, 1), 1) == (balance_of(shop), counts(shop), len(orders(shop, ["m1"])))


def test_a_late_attempt_leaves_no_piece_behind(shop: MemoryLedger) -> None:
    """An attempt that read before its twin was done reserves another piece; it is given back, not counted as sold."""
    answers = []
    torn = Torn(shop, lambda ledger: answers.append(exchange(ledger)))

    answers.append(exchange(torn))

    assert answers[0] == answers[1]
    assert (150, (4, 0, 1), 1) == (balance_of(shop), counts(shop), len(orders(shop, ["m1"])))


def test_a_late_attempt_that_dies_leaves_a_piece_that_comes_back(shop: MemoryLedger) -> None:
    """What it reserved beside the piece of the posted order is released by its deadline, and never sold twice."""

    class Dies(Raced):
        def commit(self, posting: object, patience: object) -> None:
            if not self._others:
                raise Died
            super().commit(posting, patience)  # type: ignore[arg-type]

    torn = Dies(shop, exchange, lambda _: None)
    with pytest.raises(Died):
        exchange(torn)
    assert (3, 1, 1) == counts(shop)

    settle(shop, later(minutes=11))

    assert (150, (4, 0, 1), 1) == (balance_of(shop), counts(shop), len(orders(shop, ["m1"])))


class Died(Exception):
    """The process ended."""


class Dying(Raced):
    """Ends with the commit of a number, before or after it."""

    def __init__(self, inner: MemoryLedger, number: int, *, after: bool) -> None:
        super().__init__(inner)
        self._left, self._after = number, after

    def commit(self, posting: object, patience: object) -> None:
        """Commit, or end."""
        self._left -= 1
        if not self._left and not self._after:
            raise Died
        super().commit(posting, patience)  # type: ignore[arg-type]
        if not self._left:
            raise Died


CRASHES = [(number, after) for number in (1, 2, 3) for after in (False, True)]
"""At reserving, posting and confirming; before it is written, and after."""


@pytest.mark.parametrize(("number", "after"), CRASHES)
def test_a_crash_anywhere_and_a_retry_is_one_order(shop: MemoryLedger, number: int, *, after: bool) -> None:
    """Whichever write it dies at: the retry gets the order, and in the end points, pieces and orders agree."""
    with pytest.raises(Died):
        exchange(Dying(shop, number, after=after))

    made = exchange(shop)
    settle(shop, later(minutes=11))

    assert exchange(shop) == made
    assert "ADDRESS_DUE" == made["status"]
    assert (150, (4, 0, 1), 1) == (balance_of(shop), counts(shop), len(orders(shop, ["m1"])))
    assert proved(shop)


@pytest.mark.parametrize(("number", "after"), CRASHES)
def test_a_crash_anywhere_without_a_retry_comes_to_an_end(shop: MemoryLedger, number: int, *, after: bool) -> None:
    """Nobody asks again: the piece is sold where the order was posted, and free again where it was not."""
    with pytest.raises(Died):
        exchange(Dying(shop, number, after=after))

    settle(shop, later(minutes=11))

    posted = number == 3 or (number == 2 and after)
    assert ((150, (4, 0, 1)) if posted else (250, (5, 0, 0))) == (balance_of(shop), counts(shop))
    assert posted == bool(orders(shop, ["m1"]))


def test_an_attempt_whose_piece_was_given_away_reserves_again(shop: MemoryLedger) -> None:
    """The reservation runs out between reserving and posting: the order is posted with another piece, once."""
    raced = Raced(shop, lambda _: None, lambda ledger: settle(ledger, later(minutes=11)))

    exchange(raced)

    assert (150, (4, 0, 1), 1) == (balance_of(shop), counts(shop), len(orders(shop, ["m1"])))


def test_a_key_whose_first_attempt_was_abandoned_can_be_used_again(shop: MemoryLedger) -> None:
    """It died, its piece was given away, the member has asked for something else since: the retry is done anew."""
    with pytest.raises(Died):
        exchange(Dying(shop, 2, after=False))
    settle(shop, later(minutes=11))

    made = exchange(shop, moment=later(minutes=12))

    assert (150, (4, 0, 1)) == (made["available"], counts(shop))
    assert [made["order_id"]] == [one.id for one in orders(shop, ["m1"])]


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_lost_answers_change_nothing(shop: MemoryLedger, lost: int) -> None:
    """However many commits are written without an answer, there is one order with one piece."""
    exchange(Forgetful(shop, lost))

    settle(shop, later(minutes=11))
    assert (150, (4, 0, 1), 1) == (balance_of(shop), counts(shop), len(orders(shop, ["m1"])))


def test_what_ran_out_is_had_back_by_who_needs_it(shop: MemoryLedger) -> None:
    """The last piece is reserved for nobody any more: the next buyer gets it without waiting for the deadlines."""
    give(shop, "m2", 100)
    reward(shop, "last", 1)
    with pytest.raises(Died):
        exchange(Dying(shop, 2, after=False), reward_id="last")

    with pytest.raises(OutOfStock):
        exchange(shop, "m2", "last", "k2", moment=later(minutes=9))
    exchange(shop, "m2", "last", "k2", moment=later(minutes=10))

    assert (250, 0, (0, 0, 1)) == (balance_of(shop), balance_of(shop, "m2"), counts(shop, "last"))


def test_few_pieces_left_are_told_once(shop: MemoryLedger) -> None:
    """An operator is told with the exchange after which fewer are free than the reward says, and not with the next."""
    give(shop, "m1", 1_000)
    reward(shop, "rare", 4, stock={"low": 3})
    told: list[tuple[str, int]] = []

    for number in range(4):
        here = replace(desk(shop, f"k{number}"), low_stock=lambda reward_id, left: told.append((reward_id, left)))
        here.exchange("m1", Wanted("rare"))

    assert [("rare", 2)] == told


# Steps ---------------------------------------------------------------------------------------------------------------


def test_cancelled_before_shipping_everything_goes_back(shop: MemoryLedger) -> None:
    """The points go into their lot, the piece is free, the entry says why."""
    made = exchange(shop)

    after = desk(shop, "c", actor="member:m1").cancel(made["order_id"], "changed my mind", member=True, operator=False)

    assert ("CANCELED", 100, 250) == (after["status"], after["restored"], after["available"])
    assert (5, 0, 0) == counts(shop)
    last = list(shop.history("m1"))[-1].draft
    assert (Kind.RESTORE, "REWARD_CANCELLED", made["order_id"]) == (last.kind, last.reason, last.source.id)
    assert proved(shop)


@pytest.mark.parametrize(("number", "after"), [(1, False), (1, True), (2, False), (2, True)])
def test_a_crash_while_cancelling_gives_back_once(shop: MemoryLedger, number: int, *, after: bool) -> None:
    """Points and piece come back once each, whether the retry or the deadlines finish it."""
    made = exchange(shop)
    with pytest.raises(Died):
        desk(Dying(shop, number, after=after), "c").cancel(made["order_id"], "", member=True, operator=False)

    settle(shop, later(minutes=1))
    desk(shop, "c", later(minutes=2)).cancel(made["order_id"], "", member=True, operator=False)
    settle(shop, later(minutes=3))

    assert (250, (5, 0, 0)) == (balance_of(shop), counts(shop))
    assert [250, -100, 100] == points_of(shop)


def test_a_cancellation_before_the_piece_was_counted_releases_it(shop: MemoryLedger) -> None:
    """The exchange died before it was confirmed; the order is cancelled: the piece is free, and stays one piece."""
    with pytest.raises(Died):
        exchange(Dying(shop, 3, after=False))
    made = exchange(shop)

    desk(shop, "c").cancel(made["order_id"], "", member=True, operator=False)
    settle(shop, later(minutes=11))

    assert (250, (5, 0, 0)) == (balance_of(shop), counts(shop))


def test_an_address_is_no_entry_but_a_line_of_the_audit_without_it(shop: MemoryLedger) -> None:
    """The audit says that there is an address, and not which."""
    made = exchange(shop)

    after = desk(shop, "a").address(made["order_id"], ADDRESS)

    (line,) = [one for one in shop.listed(audit_of("2026-03"), None, 10).documents if isinstance(one, AuditLine)]
    assert ("TO_SHIP", ADDRESS) == (after["status"], after["address"])
    assert ("reward_order.addressed", f"reward_order/{made['order_id']}") == (line.action, line.target)
    assert "Nanjing" not in repr(line)
    assert order_of(shop, made["order_id"]).due_at is None


@pytest.mark.parametrize("confirmed", [True, False])
def test_pieces_come_back_part_by_part(shop: MemoryLedger, *, confirmed: bool) -> None:
    """One is put back, one is not fit to be sold again, one is put back: each counts once, confirmed before or not."""
    reward(shop, "jar", 6, quantity_max=3, points=50, shards=2)
    with contextlib.suppress(Died):
        exchange(shop if confirmed else Dying(shop, 3, after=False), reward_id="jar", quantity=3, address=ADDRESS)
    (order,) = orders(shop, ["m1"])
    desk(shop, "ship").ship(order.id, "SF", "1")

    for number, (restock, free) in enumerate([(True, 4), (False, 4), (True, 5)]):
        answer = desk(shop, f"r{number}").give_back(order.id, "", restock=restock, operator=False, quantity=1)
        assert (50 * number + 50, 150 + 50 * number) == (answer["restored"], answer["available"])
        settle(shop, later(minutes=11 + number))
        assert (free, 0, 6 - free) == counts(shop, "jar", 2)

    assert ("RETURNED", False, {}) == ((after := order_of(shop, order.id)).status, after.put_back, after.back)
    assert (250, True) == (balance_of(shop), proved(shop))
