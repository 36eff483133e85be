"""Currencies and their minor units."""

from __future__ import annotations

import pytest

from jifen.domain.money import AMOUNT_MINOR_MAX, CURRENCIES, Money, minor_per_unit


@pytest.mark.parametrize(
    ("currency", "expected"),
    [("CNY", 100), ("GBP", 100), ("EUR", 100), ("JPY", 1), ("KRW", 1), ("CLP", 1), ("KWD", 1_000), ("BHD", 1_000)],
)
def test_minor_units_are_those_of_the_standard(currency: str, expected: int) -> None:
    """A yuan has 100 fen, a yen nothing smaller, a dinar 1,000 fils."""
    assert expected == minor_per_unit(currency)


def test_every_currency_has_a_code_of_three_letters_and_a_unit() -> None:
    """Each known code is three capitals and has 1, 100 or 1,000 minor units."""
    assert {1, 100, 1_000} == {minor_per_unit(code) for code in CURRENCIES}
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)


@pytest.mark.parametrize("code", ["XXX", "XTS", "XAU", "cny", "", "RMB", "BTC"])
def test_what_no_shop_takes_is_no_currency(code: str) -> None:
    """Metals, test codes, nicknames and lower case are not currencies."""
    assert code not in CURRENCIES


def test_money_is_its_amount_and_its_currency() -> None:
    """Equal amounts of two currencies are not equal money."""
    assert Money(100, "CNY") == Money(100, "CNY")
    assert Money(100, "CNY") != Money(100, "JPY")
    assert AMOUNT_MINOR_MAX > 0
