"""Limits shared by many at once on a real engine: a campaign's budget over members, a cap over one member's orders."""

from __future__ import annotations

from functools import partial

import pytest

from jifen.domain.campaigns import CampaignState, CampaignStatus
from jifen.domain.orders import EventType, Line, OrderEvent, Paid, Refund
from jifen.domain.program import parse_program
from jifen.service.earning import earn
from jifen.service.ports import CampaignKey, OrderKey, Posting
from jifen.service.reading import prove_member
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.store.clients import deadline
from tests.store.patient import Patient
from tests.store.tables import ledger_on, new_table
from tests.store.test_concurrency import at_once
from tests.store.values import NOW

BUDGET = 95
PROGRAM = parse_program(
    {
        "currency": "CNY",
        "earning": {
            "rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100}, "caps": [{"per": "day", "points": 250}]}],
            "campaigns": [{"id": "fest", "budget_points": BUDGET, "rules": [{"id": "gift", "fixed": 10}]}],
        },
    }
)
MOMENT = PROGRAM.moment(NOW)
FEST = CampaignKey("fest")


@pytest.fixture
def table(engine: Engine) -> tuple[Engine, str]:
    """A table of its own."""
    return engine, new_table(engine)


def ledger(place: tuple[Engine, str]) -> DynamoLedger:
    """A client of its own on the table."""
    return ledger_on(*place, PROGRAM)


def bought(member: str, order_id: str, amount_minor: int = 1_000) -> OrderEvent:
    """An order of one line."""
    paid = Paid(member, NOW, "CNY", (Line(1, "s", amount_minor),))
    return OrderEvent(EventType.PAID, f"p-{order_id}", "standard", order_id, member, NOW, paid=paid)


def given_back(member: str, order_id: str) -> OrderEvent:
    """All of it given back."""
    refund = Refund(f"r-{order_id}", NOW, "CNY", (), 10**6)
    return OrderEvent(EventType.REFUNDED, f"r-{order_id}", "standard", order_id, member, NOW, refund=refund)


def post(place: tuple[Engine, str], *events: OrderEvent) -> None:
    """Take events in with a client of its own."""
    earn(ledger(place), PROGRAM, events, MOMENT, deadline(60))


def state_of(book: DynamoLedger) -> CampaignState:
    """The campaign's counters."""
    found = book.load([], [FEST]).documents[FEST]
    assert isinstance(found, CampaignState)
    return found


def test_forty_members_share_a_budget_to_the_point(table: tuple[Engine, str]) -> None:
    """Forty orders at once under a budget of 95: nine gifts of 10, one of 5, and not a point more."""
    members = [f"m{number}" for number in range(40)]

    at_once([partial(post, table, bought(member, f"o-{member}")) for member in members])

    book = ledger(table)
    gifts = [book.load([member]).accounts[member].balance - 10 for member in members]
    assert sorted([*[0] * 30, 5, *[10] * 9]) == sorted(gifts)
    state = state_of(book)
    assert (BUDGET, 0, 10, 10_000) == (state.given, state.taken_back, state.awards, state.kept_minor)
    assert all(prove_member(book, member).valid for member in members)


def test_what_is_given_back_at_once_goes_back_to_the_budget(table: tuple[Engine, str]) -> None:
    """Twenty orders and as many refunds at once: what the members have is what the campaign says it gave."""
    members = [f"m{number}" for number in range(20)]
    events = [event for one in members for event in (bought(one, f"o-{one}"), given_back(one, f"o-{one}"))]

    at_once([partial(post, table, event) for event in events])

    book = ledger(table)
    assert [0] * 20 == [book.load([member]).accounts[member].balance for member in members]
    assert 0 == state_of(book).spent
    post(table, *[bought(f"n{number}", f"later-{number}") for number in range(10)])
    assert BUDGET == state_of(book).spent


def test_orders_of_one_member_at_once_stay_below_the_cap(table: tuple[Engine, str]) -> None:
    """Sixteen orders of 100 points each at once under 250 a day give 250."""
    at_once([partial(post, table, bought("m1", f"o{number}", 10_000)) for number in range(16)])

    book = ledger(table)
    account = book.load(["m1"]).accounts["m1"]
    day = MOMENT.today.isoformat()
    assert {"base/day/points": {day: 250}} == account.standing.used
    assert 250 + state_of(book).spent == account.balance
    assert (16, True) == (account.standing.orders, prove_member(book, "m1").valid)


def test_a_pause_counts_for_every_award_after_it(table: tuple[Engine, str]) -> None:
    """An order whose read came after the pause gets nothing of the campaign, one before keeps what it has."""
    book = ledger(table)
    post(table, bought("m1", "before"))
    state = state_of(book)
    paused = CampaignState(
        "fest", CampaignStatus.PAUSED, state.given, state.taken_back, state.awards, state.kept_minor, state.version
    )
    book.commit(Posting(documents=(paused,)), Patient())

    post(table, bought("m2", "after"))

    order = OrderKey("standard", "after")
    found = book.load(["m1", "m2"], [order])
    assert [20, 10] == [found.accounts[member].balance for member in ("m1", "m2")]
    entry = book.entries("m2", None, 1).entries[0]
    assert {"rule": "fest.gift", "refused": "CAMPAIGN_PAUSED"} in [dict(line) for line in entry.draft.why]
