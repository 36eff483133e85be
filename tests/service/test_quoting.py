"""Quotes and limits on a ledger: frozen accounts, time, currencies, and answers that were lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from functools import partial
from typing import Any

import pytest

from jifen.domain.account import Account, Status
from jifen.domain.checkout import Basket, Item
from jifen.domain.debits import Guard
from jifen.domain.errors import InvalidInput, PasswordRequired
from jifen.domain.money import Money
from jifen.domain.orders import Line, LineKind
from jifen.domain.program import Moment, Program, parse_program
from jifen.domain.views import QuoteView
from jifen.service.ports import AccountWrite, Ledger, Posting
from jifen.service.quoting import Asking, quote
from jifen.service.spending import Paying, Spending
from tests.service.ledgers import Forgetful
from tests.service.scene import LAST_DAY, MOMENT, account_of, cancelled, desk, earned, give, paid, points_of, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

CNY = parse_program({"time_zone": "Asia/Shanghai", "currency": "CNY"})


def basket(minor: int = 10_000, currency: str = "CNY") -> Basket:
    """An order of one line."""
    return Basket(currency, (Item(Line(1, "tea", minor, LineKind.GOODS), Fraction(minor)),))


def quoted(ledger: Ledger, program: Program = CNY, moment: Moment = MOMENT, **asked: Any) -> QuoteView:
    """A quote for m1."""
    return quote(ledger, program, moment, Asking("m1", **{"basket": basket(), **asked}))


def freeze(ledger: Ledger) -> Account:
    """Freeze m1's account as an operator does."""
    account = account_of(ledger)
    frozen = replace(account, status=Status.FROZEN)
    ledger.commit(Posting((AccountWrite(account, frozen),)), Patient())
    return frozen


def test_a_frozen_account_earns_and_can_use_nothing(ledger: MemoryLedger) -> None:
    """And the quote says that this is why."""
    give(ledger, "m1", 100)
    freeze(ledger)
    found = quoted(ledger)
    assert (100, 0) == (found["will_earn"]["points"], found["can_redeem"]["points"])
    assert [("account_status", 0)] == [
        (one["name"], one["points"]) for one in found["can_redeem"]["limits"] if one["binding"]
    ]


def test_points_that_have_lapsed_are_not_promised(ledger: MemoryLedger) -> None:
    """From the first instant after their last valid day, before any sweep."""
    give(ledger, "m1", 100)
    assert 100 == quoted(ledger)["can_redeem"]["points"]
    after = CNY.moment(MOMENT.now + (LAST_DAY - MOMENT.today) + timedelta(days=1))
    assert 0 == quoted(ledger, moment=after)["can_redeem"]["points"]
    assert 100 == account_of(ledger).balance


def test_a_program_of_any_currency_counts_in_that_of_the_order(ledger: MemoryLedger) -> None:
    """100 points are a yen, a pound or a dinar; a wanted discount or total in another one is refused."""
    give(ledger, "m1", 1_000)
    free = parse_program({})
    for currency, off in (("JPY", 10), ("GBP", 1_000), ("KWD", 10_000)):
        can = quoted(ledger, free, basket=basket(10**6, currency))["can_redeem"]
        assert (1_000, {"amount_minor": off, "currency": currency}) == (can["points"], can["discount"])
    other: dict[str, Any] = {"wanted": Money(1, "EUR")}
    for asked, field in ((other, "discount"), ({"total": other["wanted"]}, "order_total")):
        with pytest.raises(InvalidInput) as refusal:
            quoted(ledger, free, **asked)
        assert [f"{field}.currency"] == [fault.field for fault in refusal.value.faults]


def test_what_pays_an_order_already_counts_until_it_is_given_back(ledger: MemoryLedger) -> None:
    """A hold that is voided and a redemption that is restored pay nothing any more; a cancelled order takes nothing."""
    program = parse_program({"currency": "CNY", "redemption": {"max_points_per_order": 50}})
    give(ledger, "m1", 100)
    hold = desk(ledger, "h", program=program).authorize("m1", 20, "o1")["hold_id"]
    redemption = desk(ledger, "r", program=program).redeem("m1", 30, "o1")["redemption_id"]

    def left() -> int:
        return quoted(ledger, program, order_id="o1")["can_redeem"]["points"]

    assert (0, 50) == (left(), quoted(ledger, program, order_id="o1", shop="shopify")["can_redeem"]["points"])
    desk(ledger, "v", program=program).void(str(hold))
    assert 20 == left()
    desk(ledger, "b", program=program).restore(str(redemption), 10)
    assert 30 == left()
    earned(ledger, paid("o1", 1_000), program=program)
    earned(ledger, cancelled("o1"), program=program)
    assert 0 == left()


@pytest.mark.parametrize("hold", [False, True])
def test_an_answer_that_was_lost_is_no_second_use_of_a_limit(
    ledger: MemoryLedger,
    hold: bool,  # noqa: FBT001 - which request
) -> None:
    """Once a day, and 10 points without a password: the attempt that got through is answered, not refused."""
    program = parse_program({"currency": "CNY", "redemption": {"times_per_day": 1, "max_points_per_day": 10}})
    give(ledger, "m1", 100)
    paying = Paying(guard=lambda: Guard(10, proven=False))
    spending = Spending(Forgetful(ledger, 1), program, MOMENT, Patient(), "k", "shop")
    way: Callable[..., Any] = spending.authorize if hold else spending.redeem
    ask = partial(way, "m1", 10, paying=paying)
    first = ask()
    assert first == ask()
    assert [100, 0 if hold else -10] == points_of(ledger)
    assert proved(ledger)


def test_a_password_is_not_looked_at_for_an_answer_that_was_given(ledger: MemoryLedger) -> None:
    """The request under its key is answered again, whatever the password says by then."""
    give(ledger, "m1", 100)
    looked: list[str] = []

    def guard() -> Guard:
        looked.append("looked")
        return Guard(10, proven=True)

    done = desk(ledger, "k").redeem("m1", 50, paying=Paying(guard=guard))
    assert done == desk(ledger, "k").redeem("m1", 50, paying=Paying(guard=guard))
    assert ["looked"] == looked
    with pytest.raises(PasswordRequired):
        desk(ledger, "k2").redeem("m1", 1, paying=Paying(guard=lambda: Guard(10, proven=False)))
