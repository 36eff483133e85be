"""Writers of one contact at once on a real engine: no consent is used twice, no refusal is lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from jifen.domain.program import parse_program
from jifen.service.contacting import (
    Book,
    add_consent,
    contact_of,
    set_contact,
    set_preferences,
    subscribe,
    unsubscribe,
)
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.store.clients import deadline
from tests.store.tables import ledger_on, new_table
from tests.store.test_concurrency import at_once

PROGRAM = parse_program({"currency": "CNY"})
M = "m1"
MINI = {"email": "m1@example.com", "wechat": "openid-mini", "wechat_kind": "mini"}


@pytest.fixture
def table(engine: Engine) -> tuple[Engine, str]:
    """A table of its own, with a member of a mini program."""
    place = engine, new_table(engine)
    set_contact(ledger(place), M, MINI, deadline(30))
    return place


def ledger(place: tuple[Engine, str]) -> DynamoLedger:
    """A client of its own on the table."""
    return ledger_on(*place, PROGRAM)


def test_each_consent_is_taken_by_one_worker(table: tuple[Engine, str]) -> None:
    """Two are allowed and six workers want one: two get it, and at none nobody does."""
    here = ledger(table)
    for number in range(2):
        add_consent(here, deadline(30), M, "shop", f"k{number}")
    books = [Book(partial(ledger, table), lambda: deadline(30)) for _ in range(6)]

    taken = at_once([partial(book.take_consent, M) for book in books])

    assert 2 == sum(one is True for one in taken)
    assert 4 == sum(one is False for one in taken)
    assert 0 == contact_of(ledger(table), M).consents


def test_consents_given_at_once_are_all_counted(table: tuple[Engine, str]) -> None:
    """Each of three keys once, however often it is sent."""
    told = at_once(
        [partial(add_consent, ledger(table), deadline(30), M, "shop", f"k{number % 3}") for number in range(6)]
    )

    assert 3 == contact_of(ledger(table), M).consents
    answers = [one for one in told if isinstance(one, tuple)]
    assert 6 == len(answers)
    assert {1, 2, 3} == {answer["consents"] for _, answer in answers}


def test_writers_of_different_fields_lose_nothing(table: tuple[Engine, str]) -> None:
    """A click in a mail, an address of the shop and the member's language, all at the same moment."""
    calls: list[Callable[[], object]] = [
        partial(unsubscribe, ledger(table), M, "email", deadline(30)),
        partial(unsubscribe, ledger(table), M, "sms", deadline(30)),
        partial(set_contact, ledger(table), M, {"email": "new@example.com", "phone": "+447700900123"}, deadline(30)),
        partial(add_consent, ledger(table), deadline(30), M, "shop", "k"),
        partial(subscribe, ledger(table), M, "push", deadline(30)),
        partial(Book(partial(ledger, table), lambda: deadline(30)).gone, M, "push", "arn:of:another:device"),
    ]

    told = at_once(calls * 2)

    assert not [one for one in told if isinstance(one, Exception)]
    found = contact_of(ledger(table), M)
    assert (("email", "sms"), "new@example.com", "+447700900123", 1, "openid-mini") == (
        found.refuses,
        found.email,
        found.phone,
        found.consents,
        found.wechat,
    )


def test_the_last_preferences_stand(table: tuple[Engine, str]) -> None:
    """Of several at once one is kept whole, and no mixture."""
    wanted: tuple[list[str], ...] = (["email"], ["sms", "push"], [], ["*"])

    at_once([partial(set_preferences, ledger(table), M, {"refuses": one}, deadline(30)) for one in wanted])

    assert contact_of(ledger(table), M).refuses in {("email",), ("sms", "push"), (), ("*",)}
