"""Points used on an order follow it: whoever is first, whatever comes again, and by whichever way they were spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jifen.domain.entries import Kind, Reason
from jifen.domain.errors import HoldAlreadyResolved, InsufficientPoints, LimitReached, OrderCancelled, Refusal
from jifen.domain.lots import total
from jifen.domain.orders import EventType, Line, LineKind, Order, OrderEvent, Paid, Refund, RefundLine
from jifen.domain.program import Moment, parse_program
from jifen.domain.spending import Hold, HoldStatus, Redemption
from jifen.domain.used_points import MEMBER_USED_MAX, USED_MAX, due_back, given_back
from jifen.service.earning import Outcome, earn
from jifen.service.ports import DocumentKey, HoldKey, Ledger, Loaded, OrderKey, Patience, Posting, RedemptionKey
from jifen.service.spending import Paying
from tests.service.ledgers import Forgetful, Raced, Torn
from tests.service.scene import (
    MOMENT,
    NOW,
    PROGRAM,
    account_of,
    balance_of,
    cancelled,
    desk,
    earned,
    give,
    later,
    paid,
    points_of,
    proved,
    refunded,
)
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

O = "o1"  # noqa: E741 - the order


FIXED = settings(derandomize=True, deadline=None, database=None)


@pytest.fixture
def rich(ledger: MemoryLedger) -> MemoryLedger:
    """The ledger with 100 points for m1."""
    give(ledger, "m1", 100)
    return ledger


def order_of(ledger: Ledger, order_id: str = O, shop: str = "standard") -> Order:
    """An order as it is stored."""
    found = ledger.load([], [OrderKey(shop, order_id)]).documents[OrderKey(shop, order_id)]
    assert isinstance(found, Order)
    return found


def document_of(ledger: Ledger, name: str, member: str = "m1") -> Redemption | Hold:
    """A redemption or hold as it is stored."""
    key = RedemptionKey(member, name) if name.startswith("rd") else HoldKey(member, name)
    found = ledger.load([], [key]).documents[key]
    assert isinstance(found, Redemption | Hold)
    return found


def redeemed(ledger: Ledger, points: int, key: str = "r", order_id: str = O, member: str = "m1") -> str:
    """Points spent on the order; the id."""
    return str(desk(ledger, key).redeem(member, points, order_id)["redemption_id"])


def held(ledger: Ledger, points: int, key: str = "h", order_id: str = O, member: str = "m1") -> str:
    """Points held for the order; the id."""
    return str(desk(ledger, key).authorize(member, points, order_id)["hold_id"])


def reasons(ledger: Ledger, member: str = "m1") -> list[str]:
    """The reasons of a member's entries, oldest first."""
    return [str(entry.draft.reason) for entry in ledger.history(member)]


# An order and what was used on it ------------------------------------------------------------------------------------


def test_the_order_knows_what_was_used_on_it_before_it_is_paid(rich: MemoryLedger) -> None:
    """Redemption and hold are in the order's document, which is no more than that; the payment earns as ever."""
    names = (redeemed(rich, 30), held(rich, 20))

    assert Order("standard", O, used=names, version=2) == order_of(rich)
    (outcome,) = earned(rich, paid(O, 5_000))
    assert (50, ()) == (outcome.points, outcome.notes)
    assert names == order_of(rich).used
    assert 70 + 50 == balance_of(rich)
    assert proved(rich)


def test_a_cancelled_order_gives_everything_back(rich: MemoryLedger) -> None:
    """Redeemed and captured points go back, the open hold is voided, what was earned is taken back; once."""
    spent, open_hold, captured = redeemed(rich, 30), held(rich, 20, "h1"), held(rich, 40, "h2")
    desk(rich, "c").capture(captured, 25)
    earned(rich, paid(O, 5_000))

    (outcome,) = earned(rich, cancelled(O))
    again = earned(rich, cancelled(O), cancelled(O), paid(O, 5_000))

    assert (-50, ("USED_POINTS_RETURNED: 55", "HOLDS_VOIDED: 20")) == (outcome.points, outcome.notes)
    assert [("DUPLICATE",)] * 3 == [one.notes for one in again]
    assert (100, 0, ()) == (balance_of(rich), account_of(rich).debt, account_of(rich).holds)
    assert [30, 25] == [document_of(rich, name).restored for name in (spent, captured)]
    voided = document_of(rich, open_hold)
    assert isinstance(voided, Hold)
    assert HoldStatus.VOIDED is voided.status
    assert {"ORDER_CANCELLED"} == {*reasons(rich)[-4:]}
    with pytest.raises(HoldAlreadyResolved):
        desk(rich, "late").capture(open_hold)
    assert proved(rich)


def test_refunds_in_parts_give_back_in_parts(rich: MemoryLedger) -> None:
    """A tenth of the order ten times: a tenth of the points each time, rounded down, and all of them in the end."""
    name = redeemed(rich, 99)
    earned(rich, paid(O, 10_000))
    back = []
    for number in range(10):
        earned(rich, refunded(O, 1_000, f"r{number}"))
        back.append(document_of(rich, name).restored)

    assert [99 * part // 10 for part in range(1, 11)] == back
    assert 100 == balance_of(rich)
    assert proved(rich)


def test_a_refund_before_its_payment_waits_for_it(rich: MemoryLedger) -> None:
    """What part it is of the order, only the payment tells."""
    name = redeemed(rich, 50)

    earned(rich, refunded(O, 5_000))
    before = document_of(rich, name).restored
    earned(rich, paid(O, 10_000))

    assert (0, 25) == (before, document_of(rich, name).restored)
    assert [Reason.ORDER_REFUNDED] == [
        entry.draft.reason for entry in rich.history("m1") if entry.draft.kind == "restore"
    ]


def test_points_go_back_to_who_spent_them(ledger: MemoryLedger) -> None:
    """A friend's points paid for the buyer's order: the friend gets them, the buyer loses what was earned."""
    give(ledger, "friend", 80)
    name = redeemed(ledger, 80, member="friend")
    earned(ledger, paid(O, 10_000))

    earned(ledger, cancelled(O))

    assert (80, 0) == (balance_of(ledger, "friend"), balance_of(ledger, "m1"))
    assert 80 == document_of(ledger, name, "friend").restored
    assert proved(ledger, "friend", "m1")


def test_a_redemption_without_an_order_follows_none(rich: MemoryLedger) -> None:
    """It is written as it always was: account, entry, document."""
    desk(rich, "r").redeem("m1", 30)

    earned(rich, paid(O, 1_000), cancelled(O))

    assert () == order_of(rich).used
    assert 70 == balance_of(rich)


def test_orders_of_two_shops_are_two_orders(rich: MemoryLedger) -> None:
    """The same number at another shop: what was used there follows that one, and its entries say which."""
    at_shop = str(desk(rich, "r1").redeem("m1", 30, O, paying=Paying(shop="shopify"))["redemption_id"])
    own = redeemed(rich, 20, "r2")
    here = earned(rich, paid(O, 1_000), cancelled(O))
    there = [replace(event, shop="shopify") for event in (paid(O, 1_000), cancelled(O))]

    before = [document_of(rich, name).restored for name in (at_shop, own)]
    earned(rich, *there)

    assert 2 == len(here)
    assert ([0, 20], 30) == (before, document_of(rich, at_shop).restored)
    name = str(desk(rich, "h").authorize("m1", 10, "o2", paying=Paying(shop="shopify"))["hold_id"])
    desk(rich, "c").capture(name)
    sources = {(str(entry.draft.kind), entry.draft.source.id) for entry in rich.history("m1")}
    assert {O, f"shopify:{O}"} == {source for kind, source in sources if kind == "restore"}
    assert {O, f"shopify:{O}", "shopify:o2"} == {source for kind, source in sources if kind == "redeem"}
    assert {"shopify:o2"} == {source for kind, source in sources if kind == "hold"}
    with pytest.raises(OrderCancelled):
        desk(rich, "r3").redeem("m1", 1, O, paying=Paying(shop="shopify"))


def test_the_restore_comes_before_the_clawback(ledger: MemoryLedger) -> None:
    """Under clamp nothing is forgiven that the returned points can pay: 60 used come back, 60 earned are taken."""
    program = parse_program({"time_zone": "Asia/Shanghai", "clawback": "clamp"})
    give(ledger, "m1", 60)
    redeemed(ledger, 60)
    earned(ledger, paid(O, 6_000), program=program)
    desk(ledger, "s").redeem("m1", 60)

    earned(ledger, cancelled(O), program=program)

    assert (0, 0, {}) == (balance_of(ledger), account_of(ledger).debt, order_of(ledger).forgiven)
    assert proved(ledger)


def test_an_order_that_comes_back_takes_nothing_again(rich: MemoryLedger) -> None:
    """A shop that sends states may take a cancellation back: restored points stay where they are, the order earns."""
    name = str(desk(rich, "r").redeem("m1", 30, O, paying=Paying(shop="woocommerce"))["redemption_id"])

    def state(revision: int, *lines: Line) -> OrderEvent:
        at = paid(O, 1, revision=revision)
        assert at.paid is not None
        return replace(at, shop="woocommerce", paid=replace(at.paid, lines=lines))

    tea = Line(1, "tea", 5_000)
    earned(rich, state(1, tea))
    earned(rich, state(2, tea, Line(-2, "refunds", 1_000, LineKind.DISCOUNT)))
    in_part = document_of(rich, name).restored
    earned(rich, state(3))
    in_full, bare = document_of(rich, name).restored, balance_of(rich)
    with pytest.raises(OrderCancelled):
        desk(rich, "late").redeem("m1", 1, O, paying=Paying(shop="woocommerce"))
    (outcome,) = earned(rich, state(4, tea))

    assert ("USED_POINTS_STAY_RETURNED: 30",) == outcome.notes
    assert (6, 30, 100) == (in_part, in_full, bare)
    assert (30, 150) == (document_of(rich, name).restored, balance_of(rich))
    assert proved(rich)


# Spending on an order that has changed already -----------------------------------------------------------------------


@pytest.mark.parametrize("ask", ["redeem", "authorize"])
@pytest.mark.parametrize("events", [[cancelled(O)], [paid(O, 100), cancelled(O)], [paid(O, 100), refunded(O, 100)]])
def test_an_order_that_is_gone_takes_no_points(rich: MemoryLedger, ask: str, events: list[OrderEvent]) -> None:
    """Cancelled, paid or not, or given back in full: refused, nothing written."""
    earned(rich, *events)
    rich.commits = 0

    with pytest.raises(OrderCancelled):
        getattr(desk(rich, "k"), ask)("m1", 10, O)

    assert (0, 100) == (rich.commits, account_of(rich).available(MOMENT.today))


def test_a_redemption_after_a_refund_gives_back_at_once(rich: MemoryLedger) -> None:
    """As if it had come before: the answer says what went back, and so does a retry."""
    earned(rich, paid(O, 10_000), refunded(O, 2_500))

    answer = desk(rich, "r").redeem("m1", 80, O)

    assert (80, 20, 100 + 75 - 60) == (answer["points"], answer["restored"], answer["available"])
    assert answer == desk(rich, "r").redeem("m1", 80, O)
    assert 20 == document_of(rich, str(answer["redemption_id"])).restored
    assert ["redeem", "restore"] == [str(entry.draft.kind) for entry in rich.history("m1")][-2:]
    assert proved(rich)


def test_a_capture_after_a_refund_gives_back_at_once(rich: MemoryLedger) -> None:
    """Half was refunded while the points were held: half of what is captured goes back with the capture."""
    earned(rich, paid(O, 10_000))
    name = held(rich, 80)
    earned(rich, refunded(O, 5_000))

    answer = desk(rich, "c").capture(name, 61)

    assert (61, 19, 30) == (answer["points"], answer["released"], answer["restored"])
    assert answer["available"] == account_of(rich).available(MOMENT.today)
    assert (answer, 30) == (desk(rich, "c").capture(name, 61), document_of(rich, name).restored)
    assert 100 + 50 - 31 == balance_of(rich)
    assert proved(rich)


def test_a_capture_reads_the_order_only_where_there_is_one(rich: MemoryLedger) -> None:
    """One trip more for a hold that pays a part of an order, none for any other."""
    with_order, without = held(rich, 10), str(desk(rich, "h2").authorize("m1", 10)["hold_id"])
    trips = []
    for name in (with_order, without):
        rich.loads = rich.commits = 0
        desk(rich, f"c-{name}").capture(name)
        trips.append((rich.loads, rich.commits))

    assert [(2, 1), (1, 1)] == trips


def test_only_an_order_that_points_were_used_on_costs_a_trip_more(rich: MemoryLedger) -> None:
    """And only where a part of it is given back: not its payment, not a copy of a refund."""
    redeemed(rich, 10)
    trips = []
    for event in (paid(O, 1_000), refunded(O, 500), refunded(O, 500), cancelled(O)):
        rich.loads = rich.commits = 0
        earned(rich, event)
        trips.append((rich.loads, rich.commits))

    assert [(1, 1), (2, 1), (1, 0), (2, 1)] == trips


# Limits --------------------------------------------------------------------------------------------------------------


def test_one_order_takes_so_many_redemptions(ledger: MemoryLedger) -> None:
    """One more is refused and changes nothing; once a hold is voided, there is room again."""
    members = [f"f{number // MEMBER_USED_MAX}" for number in range(USED_MAX)]
    for member in {*members, "more"}:
        give(ledger, member, 100)
    names = [redeemed(ledger, 1, f"r{number}", member=member) for number, member in enumerate(members[1:])]
    name = held(ledger, 1, member="f0")
    with pytest.raises(LimitReached) as refused:
        redeemed(ledger, 1, member="more")
    assert "redemptions_of_one_order" == refused.value.facts()["limit"]
    assert 100 == account_of(ledger, "more").available(MOMENT.today)

    desk(ledger, "v").void(name)
    names.append(redeemed(ledger, 1, member="more"))

    assert tuple(names) == order_of(ledger).used
    earned(ledger, cancelled(O))
    assert {100} == {balance_of(ledger, member) for member in {*members, "more"}}
    assert proved(ledger, *members, "more")


def test_a_stranger_leaves_room_for_the_buyer(ledger: MemoryLedger) -> None:
    """Holds of one member take few places, a voided one gives its own back at once, one out of time later."""
    give(ledger, "m1", 100)
    give(ledger, "stranger", 100)
    names = [held(ledger, 1, f"h{number}", member="stranger") for number in range(MEMBER_USED_MAX)]
    with pytest.raises(LimitReached) as refused:
        held(ledger, 1, "more", member="stranger")
    assert "redemptions_of_one_order_and_member" == refused.value.facts()["limit"]

    redeemed(ledger, 50)
    desk(ledger, "v").void(names[0])
    held(ledger, 1, "more", member="stranger")

    assert MEMBER_USED_MAX + 1 == len(order_of(ledger).used)
    desk(ledger, "later", later(hours=2)).authorize("stranger", 1, O)
    assert 2 == len(order_of(ledger).used)


def test_a_cap_on_an_order_counts_what_was_used_on_it_before(ledger: MemoryLedger) -> None:
    """Under 50 points an order, a second redemption gets what the first has left, and an open hold counts."""
    program = parse_program({"time_zone": "Asia/Shanghai", "redemption": {"max_points_per_order": 50}})
    give(ledger, "m1", 100)
    first = str(desk(ledger, "k1", program=program).redeem("m1", 30, O)["redemption_id"])
    desk(ledger, "k2", program=program).authorize("m1", 10, O)

    with pytest.raises(LimitReached):
        desk(ledger, "k3", program=program).redeem("m1", 11, O)
    desk(ledger, "k4", program=program).restore(first, 5)
    desk(ledger, "k5", program=program).redeem("m1", 15, O)

    assert 50 == account_of(ledger).available(MOMENT.today)


def paid_by_twenty(ledger: Ledger) -> list[str]:
    """The members, each with holds that will have run out, far more than one transaction holds."""
    members = [f"f{number}" for number in range(USED_MAX)]
    for member in members:
        give(ledger, member, 10)
        for number in range(8):
            desk(ledger, f"{member}-{number}").authorize(member, 1)
        redeemed(ledger, 2, f"r-{member}", member=member)
    return members


def test_an_order_that_twenty_members_paid_for_fits(ledger: MemoryLedger) -> None:
    """All get theirs, the order is cancelled, and the same again changes nothing."""
    members, at = paid_by_twenty(ledger), later(days=2)

    outcomes = earned(ledger, paid(O, 1_000), cancelled(O), moment=at)

    assert 2 == len(outcomes)
    assert [10] * USED_MAX == [account_of(ledger, member).available(at.today) for member in members]
    assert order_of(ledger).cancelled
    assert proved(ledger, "m1", *members)
    before = ledger.commits
    earned(ledger, cancelled(O), moment=at)
    assert before == ledger.commits


class Died(Exception):
    """The process is gone."""


class Dying(Raced):
    """Dies once so many commits were made."""

    def __init__(self, inner: MemoryLedger, commits: int) -> None:
        super().__init__(inner)
        self._left = commits

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Commit, or die."""
        if not self._left:
            raise Died
        self._left -= 1
        self.inner.commit(posting, patience)


@pytest.mark.parametrize("commits", [0, 1, 7, USED_MAX - 1, USED_MAX])
def test_who_dies_among_twenty_members_comes_again(ledger: MemoryLedger, commits: int) -> None:
    """Some have theirs, the order knows nothing of it yet; the message comes again, and all have theirs once."""
    members, at = paid_by_twenty(ledger), later(days=2)
    with pytest.raises(Died):
        earned(Dying(ledger, commits), cancelled(O), moment=at)
    given = sum(
        document_of(ledger, name, who).restored for name, who in zip(order_of(ledger).used, members, strict=True)
    )

    earned(ledger, cancelled(O), moment=at)

    assert 2 * commits == given
    assert [10] * USED_MAX == [account_of(ledger, member).available(at.today) for member in members]
    assert proved(ledger, *members)


# Races ---------------------------------------------------------------------------------------------------------------


def test_a_capture_that_has_not_seen_the_refund_looks_again(rich: MemoryLedger) -> None:
    """The refund comes between its read and its commit: what is captured goes back in part all the same."""
    earned(rich, paid(O, 10_000))
    name = held(rich, 80)

    answer = desk(Raced(rich, lambda inner: earned(inner, refunded(O, 5_000))), "c").capture(name)

    assert (80, 40) == (answer["points"], document_of(rich, name).restored)
    assert proved(rich)


def test_a_refund_that_has_not_seen_the_capture_looks_again(rich: MemoryLedger) -> None:
    """The capture comes between its read and its commit."""
    earned(rich, paid(O, 10_000))
    name = held(rich, 80)

    earned(Raced(rich, lambda inner: desk(inner, "c").capture(name)), refunded(O, 5_000))

    assert 40 == document_of(rich, name).restored
    assert proved(rich)


def test_a_capture_that_a_cancellation_overtakes_is_refused(rich: MemoryLedger) -> None:
    """The hold is voided, and the points are where they were."""
    earned(rich, paid(O, 10_000))
    name = held(rich, 80)

    with pytest.raises(HoldAlreadyResolved):
        desk(Raced(rich, lambda inner: earned(inner, cancelled(O))), "c").capture(name)

    assert 100 == balance_of(rich)
    assert proved(rich)


def test_a_redemption_that_a_cancellation_overtakes_is_refused(rich: MemoryLedger) -> None:
    """Never are points used on a cancelled order, be it known before or not."""
    with pytest.raises(OrderCancelled):
        desk(Raced(rich, lambda inner: earned(inner, cancelled(O))), "r").redeem("m1", 80, O)

    assert (100, ()) == (balance_of(rich), order_of(rich).used)


def test_a_cancellation_that_a_redemption_overtakes_gives_it_back(rich: MemoryLedger) -> None:
    """The redemption stands, and is restored."""
    earned(Raced(rich, lambda inner: redeemed(inner, 80)), cancelled(O))

    assert (100, [100, -80, 80]) == (balance_of(rich), points_of(rich))


def test_a_restore_by_hand_and_a_refund_at_once_give_back_once(rich: MemoryLedger) -> None:
    """Whoever is first: 60 by hand, 50 due, 60 in all."""
    name = redeemed(rich, 100)
    earned(rich, paid(O, 10_000))

    earned(Raced(rich, lambda inner: desk(inner, "b").restore(name, 60)), refunded(O, 5_000))

    assert 60 == document_of(rich, name).restored
    assert proved(rich)


@pytest.mark.parametrize("event", [refunded(O, 5_000), cancelled(O)], ids=["refund", "cancellation"])
def test_a_lost_answer_gives_back_once(rich: MemoryLedger, event: OrderEvent) -> None:
    """The commit held, its answer was lost: the second attempt finds everything done."""
    name = redeemed(rich, 60)
    earned(rich, paid(O, 10_000))

    earned(Forgetful(rich), event)

    assert document_of(rich, name).restored == (30 if event.refund else 60)
    assert proved(rich)


def test_a_capture_whose_answer_was_lost_is_answered_after_the_cancellation(rich: MemoryLedger) -> None:
    """It was captured, then the order was cancelled: the retry is told what was done, not refused."""
    name = held(rich, 80)
    first = desk(rich, "c").capture(name)
    earned(rich, cancelled(O))

    assert first == desk(rich, "c").capture(name)
    assert 100 == balance_of(rich)


class ReadInHalves(Raced):
    """Lets the others in, once, between the first document that is read and those after it."""

    def __init__(self, inner: MemoryLedger, other: Callable[[Ledger], object]) -> None:
        super().__init__(inner)
        self._between = [other]

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """Load in two halves."""
        first = self.inner.load(members, documents[:1])
        if self._between and len(documents) > 1:
            self._between.pop()(self.inner)
        more = self.inner.load([], documents[1:])
        return Loaded(first.accounts, {**first.documents, **more.documents})


def test_a_read_that_saw_half_of_it_is_looked_at_again(rich: MemoryLedger) -> None:
    """Its own earlier attempt, then the cancellation, and a read that saw only the second: answered, not refused."""

    def meanwhile(inner: Ledger) -> None:
        redeemed(inner, 80)
        earned(inner, cancelled(O))

    answer = desk(ReadInHalves(rich, meanwhile), "r").redeem("m1", 80, O)

    assert answer == desk(rich, "r").redeem("m1", 80, O)
    assert (80, 100) == (answer["points"], balance_of(rich))


def test_what_time_did_is_written_down_first(rich: MemoryLedger) -> None:
    """A hold that has run out meanwhile is released before the points of the order come back."""
    desk(rich, "other").authorize("m1", 10)
    redeemed(rich, 50)
    earned(rich, paid(O, 1_000), cancelled(O), moment=later(hours=1))

    assert ["HOLD_LAPSED", "ORDER_CANCELLED"] == reasons(rich)[3:5]
    assert proved(rich)


# What the shop has to say: points earn nothing ------------------------------------------------------------------------


def bought(points_line: LineKind, *refunds: Refund, revision: int = 0) -> list[OrderEvent]:
    """Tea for 100.00 of which points paid 20.00, as a line of this kind; and refunds of it."""
    lines = (Line(1, "tea", 10_000), Line(2, "points", 2_000, points_line))
    state = Paid("m1", NOW, "CNY", lines, revision)
    payment = OrderEvent(EventType.PAID, "p", "standard", O, "m1", NOW, paid=state)
    return [payment] + [
        OrderEvent(EventType.REFUNDED, f"e-{one.refund_id}", "standard", O, "m1", NOW, refund=one) for one in refunds
    ]


def back(minor: int, refund_id: str = "r1") -> Refund:
    """Tea given back for its price."""
    return Refund(refund_id, NOW, "CNY", (RefundLine(minor, LineKind.GOODS, 1),))


@pytest.mark.parametrize("kind", [LineKind.POINTS, LineKind.DISCOUNT])
def test_what_points_paid_earns_nothing(rich: MemoryLedger, kind: LineKind) -> None:
    """80.00 were paid in money: 80 points; and the use of points is not taken off a second time."""
    redeemed(rich, 20)

    (outcome,) = earned(rich, *bought(kind))

    assert (80, 100 - 20 + 80) == (outcome.points, balance_of(rich))


def test_what_points_paid_earns_nothing_after_refunds_either(rich: MemoryLedger) -> None:
    """Tea for 40.00 given back: 40 points less, 8 of 20 used ones back; all of it: as if nothing had been bought."""
    redeemed(rich, 20)
    earned(rich, *bought(LineKind.POINTS, back(4_000)))
    in_part = balance_of(rich)
    earned(rich, *bought(LineKind.POINTS, back(6_000, "r2"))[1:])

    assert (100 - 20 + 8 + 40, 100) == (in_part, balance_of(rich))
    assert proved(rich)


# Lives ---------------------------------------------------------------------------------------------------------------

MEMBERS = ("m1", "m2")
POINTS_MAX_USED = 60

ORDERS = ("o1", "o2")
STEPS = st.one_of(
    st.tuples(st.just("redeem"), st.sampled_from(MEMBERS), st.sampled_from(ORDERS), st.integers(1, POINTS_MAX_USED)),
    st.tuples(st.just("hold"), st.sampled_from(MEMBERS), st.sampled_from(ORDERS), st.integers(1, POINTS_MAX_USED)),
    st.tuples(st.just("capture"), st.integers(0, 9), st.integers(1, POINTS_MAX_USED)),
    st.tuples(st.just("void"), st.integers(0, 9)),
    st.tuples(st.just("restore"), st.integers(0, 9), st.integers(1, POINTS_MAX_USED)),
    st.tuples(st.just("wait"), st.sampled_from([1, 600, 86_400])),
    st.tuples(st.just("events"), st.lists(st.integers(0, 99), min_size=1, max_size=4)),
)


SPENDS = st.one_of(
    st.tuples(st.just("redeem"), st.sampled_from(MEMBERS), st.just("o1"), st.integers(1, POINTS_MAX_USED)),
    st.tuples(st.just("hold"), st.sampled_from(MEMBERS), st.just("o1"), st.integers(1, POINTS_MAX_USED)),
    st.tuples(st.just("capture"), st.integers(0, 9), st.integers(1, 30)),
    st.tuples(st.just("restore"), st.integers(0, 9), st.integers(1, 30)),
)


def facts_of(order_id: str, revisions: int = 2) -> st.SearchStrategy[list[OrderEvent]]:
    """What happens to an order: paid states, refunds by lines or total, a cancellation now and then."""
    amounts = st.integers(0, 4_000)
    paids = st.lists(st.tuples(amounts, st.integers(0, 800), st.sampled_from(MEMBERS)), min_size=1, max_size=revisions)
    refunds = st.lists(st.tuples(amounts, st.booleans()), max_size=4)
    return st.builds(lambda *drawn: _facts(order_id, *drawn), paids, refunds, st.sampled_from([False, False, True]))


def _facts(
    order_id: str, paids: list[tuple[int, int, str]], refunds: list[tuple[int, bool]], is_cancelled: Any
) -> list[OrderEvent]:
    events = []
    for revision, (amount, points, member) in enumerate(paids):
        lines = (Line(1, "tea", amount), Line(2, "points", points, LineKind.POINTS))
        state = Paid(member, NOW, "CNY", lines, revision)
        name = f"p{revision}-{order_id}"
        events.append(OrderEvent(EventType.PAID, name, "standard", order_id, member, NOW, paid=state))
    for number, (amount, with_lines) in enumerate(refunds):
        lines_back = (RefundLine(amount, LineKind.GOODS, 1),) if with_lines else ()
        refund = Refund(f"r{number}", NOW, "CNY", lines_back, amount)
        name = f"r{number}-{order_id}"
        events.append(OrderEvent(EventType.REFUNDED, name, "standard", order_id, None, NOW, refund=refund))
    return events + [cancelled(order_id)] * bool(is_cancelled)


@dataclass
class Life:
    """What members and shop did, on a ledger, and what every document has to say of it."""

    ledger: MemoryLedger = field(default_factory=lambda: MemoryLedger(PROGRAM))
    names: list[tuple[str, str, str]] = field(default_factory=list)
    """Each redemption and hold: id, member, order."""
    restored: dict[str, int] = field(default_factory=dict)
    seconds: int = 0
    keys: int = 0

    def __post_init__(self) -> None:
        for member in MEMBERS:
            give(self.ledger, member, 150)
            give(self.ledger, member, 150, None)

    @property
    def moment(self) -> Moment:
        """Now."""
        return PROGRAM.moment(NOW + timedelta(seconds=self.seconds))

    def desk(self) -> Any:
        """The spending use cases under a key that nobody has used."""
        self.keys += 1
        return desk(self.ledger, f"k{self.keys}", self.moment)

    def document(self, name: str, member: str) -> Redemption | Hold:
        """As it is stored."""
        return document_of(self.ledger, name, member)

    def known(self, order_id: str) -> Order:
        """The order, known or not."""
        key = OrderKey("standard", order_id)
        found = self.ledger.load([], [key]).documents.get(key)
        return found if isinstance(found, Order) else Order("standard", order_id)

    def do(self, step: Any, facts: list[OrderEvent]) -> None:
        """One step; what is refused changes nothing."""
        match step:
            case ("redeem" | "hold" as what, member, order_id, points):
                at, is_gone = self.desk(), given_back(self.known(order_id)) == 1
                spend = at.redeem if what == "redeem" else at.authorize
                if is_gone:
                    with pytest.raises(OrderCancelled):
                        spend(member, points, order_id)
                    return
                try:
                    answer = spend(member, points, order_id)
                except InsufficientPoints:
                    return
                self.names.append((str(answer.get("redemption_id") or answer["hold_id"]), member, order_id))
            case ("capture" | "void" | "restore" as what, index, *rest) if self.names:
                name, _, _ = self.names[index % len(self.names)]
                try:
                    getattr(self.desk(), what)(name, *rest)
                except Refusal:
                    return
                if what == "restore":
                    self.restored[name] = self.restored.get(name, 0) + rest[0]
            case ("wait", seconds):
                self.seconds += seconds
            case ("events", indexes) if facts:
                self.earn([facts[index % len(facts)] for index in indexes])

    def earn(self, events: list[OrderEvent]) -> list[Outcome]:
        """A delivery."""
        return earn(self.ledger, PROGRAM, events, self.moment, Patient())

    def check(self) -> None:
        """Every document is what its order calls for, or what a person has made of it; the accounts follow."""
        for name, member, order_id in self.names:
            document, order = self.document(name, member), self.known(order_id)
            spent = total(document.spent)
            expected = max(self.restored.get(name, 0), due_back(spent, given_back(order)))
            assert expected == document.restored <= spent
            self.restored[name] = expected
            assert name in order.used
            if isinstance(document, Hold) and order.cancelled:
                is_open = document.expires_at > self.moment.now and document.status is HoldStatus.AUTHORIZED
                assert not is_open
        for member in MEMBERS:
            assert proved(self.ledger, member)
            spent_net = sum(
                _net(one) for one in (self.document(name, who) for name, who, _ in self.names if who == member)
            )
            granted = sum(
                order.award.granted
                for order in (self.known(order_id) for order_id in ORDERS)
                if order.award and order.award.member == member
            )
            assert 300 + granted - spent_net == balance_of(self.ledger, member)


@settings(FIXED, max_examples=150)
@given(facts_of("o1"), facts_of("o2"), st.lists(STEPS, max_size=14))
def test_whatever_happens_each_document_is_what_its_order_calls_for(
    first: list[OrderEvent], second: list[OrderEvent], steps: list[Any]
) -> None:
    """Redeemed, held, captured, voided, restored by hand, paid, refunded, cancelled, copied: after every step."""
    life = Life()
    for step in steps:
        life.do(step, [*first, *second])
        life.check()


@settings(FIXED, max_examples=150)
@given(facts_of("o1", revisions=1), st.lists(SPENDS, min_size=1, max_size=5), st.data())
def test_any_order_of_arrival_ends_the_same(facts: list[OrderEvent], steps: list[Any], data: st.DataObject) -> None:
    """The same spending, then the order's events in order or shuffled, copied and cut into deliveries.

    With one paid state: of two, the first may have called for more, and what went back stays back.
    """
    ends = []
    shuffled = data.draw(st.permutations([*facts, *data.draw(st.lists(st.sampled_from(facts), max_size=3))]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=2)))
    edges = [0, *cuts, len(shuffled)]
    for deliveries in (
        [facts],
        [shuffled[start:end] for start, end in pairwise(edges) if start < end],
    ):
        life = Life()
        for step in steps:
            life.do(step, [])
        for events in deliveries:
            life.earn(events)
            life.check()
        commits = life.ledger.commits
        life.earn(facts)
        assert commits == life.ledger.commits
        documents = [life.document(name, member) for name, member, _ in life.names]
        ends.append(
            (
                [(one.restored, one.spent, getattr(one, "status", None)) for one in documents],
                [(account.lots, account.debt, account.holds, account.lifetime.redeemed) for account in _accounts(life)],
            )
        )
    assert ends[0] == ends[1]


def _accounts(life: Life) -> list[Any]:
    return [account_of(life.ledger, member) for member in MEMBERS]


@settings(FIXED, max_examples=100)
@given(facts_of("o1", revisions=1), st.lists(st.sampled_from(["redeem", "hold"]), min_size=1, max_size=3), st.data())
def test_spending_before_or_after_the_refunds_ends_the_same(
    facts: list[OrderEvent], ways: list[str], data: st.DataObject
) -> None:
    """Not cancelled: points used and captured before, between or after its events give back the same."""
    facts = [event for event in facts if event.type is not EventType.CANCELLED]
    points = [data.draw(st.integers(1, 50)) for _ in ways]
    spends: list[Any] = [("spend", way, number) for way, number in zip(ways, points, strict=True)]
    ends = []
    for steps in ([*spends, *facts], data.draw(st.permutations([*spends, *facts]))):
        life = Life()
        for step in steps:
            if isinstance(step, OrderEvent):
                life.earn([step])
                continue
            _, way, number = step
            known = len(life.names)
            life.do((way, "m1", "o1", number), [])
            if way == "hold" and len(life.names) > known:
                life.desk().capture(life.names[-1][0])
        life.check()  # what is asked for once everything is given back is refused, else restored in full
        ends.append(sorted(net for name, member, _ in life.names if (net := _net(life.document(name, member)))))
    assert ends[0] == ends[1]


def _net(document: Redemption | Hold) -> int:
    return total(document.spent) - document.restored


def test_the_lots_replay_from_entries_of_every_kind(rich: MemoryLedger) -> None:
    """The kinds of entries that such a life leaves, so that the lives above do not prove an empty ledger."""
    name = held(rich, 40)
    earned(rich, paid(O, 1_000), refunded(O, 100))
    desk(rich, "c").capture(name, 30)
    held(rich, 5, "h2")
    earned(rich, cancelled(O))

    kinds = [entry.draft.kind for entry in rich.history("m1")]
    assert [Kind.BONUS, Kind.HOLD, Kind.EARN, Kind.CLAWBACK, Kind.REDEEM, Kind.RELEASE, Kind.RESTORE] == kinds[:7]
    assert [Kind.HOLD, Kind.RESTORE, Kind.RELEASE, Kind.CLAWBACK] == kinds[7:]
    assert 100 == balance_of(rich)
    assert proved(rich)


def test_a_hold_captured_between_the_reads_of_a_cancellation_comes_back(ledger: MemoryLedger) -> None:
    """The hold was read before, its account after: what was captured is not taken for a hold that has lapsed."""
    give(ledger, "f", 100)
    hold = held(ledger, 50, member="f")
    earned(ledger, paid(O, 5_000))

    class AfterTheHold(Torn):
        def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
            asks = any(isinstance(key, HoldKey) for key in documents)
            return super().load(members, documents) if asks else self.inner.load(members, documents)

    earned(AfterTheHold(ledger, lambda inner: desk(inner, "c").capture(hold, 20)), cancelled(O))

    document = document_of(ledger, hold, "f")
    assert (20, 20, 100) == (total(document.spent), document.restored, balance_of(ledger, "f"))
    assert proved(ledger, "f", "m1")
