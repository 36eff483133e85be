"""A coupon is used once, given back once, and an answer that was lost is found again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jifen.domain import coupons
from jifen.domain.coupons import CouponStatus
from jifen.domain.errors import Busy, CouponNotFound, CouponNotUsable, IdempotencyKeyReused, LimitReached, WrongStatus
from jifen.domain.money import Money
from jifen.domain.offers import CouponTerms
from jifen.domain.program import Moment, parse_program
from jifen.domain.ruling import AuditLine
from jifen.service.couponing import PAGES_READ_MAX, Couponing
from jifen.service.ports import Ledger, Posting, audit_of
from tests.service.ledgers import Contended, Forgetful, Raced, Torn
from tests.service.scene import MOMENT, account_of, give, later, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

PROGRAM = parse_program({"time_zone": "Asia/Shanghai", "currency": "CNY"})
ORDER, OTHER = ("standard", "o-1"), ("standard", "o-2")
FIVE = CouponTerms(discount_minor=500, valid_days=7, uses_per_day=1)
GOODS = Money(9_000, "CNY")
USED = {"status": "USED", "discount": {"amount_minor": 500, "currency": "CNY"}}


def coupon_id(number: int = 0, member: str = "bTE") -> str:
    """An id of a coupon of m1."""
    return f"cp.{member}.{number:022d}"


def issued(ledger: Ledger, number: int = 0, terms: CouponTerms = FIVE) -> str:
    """A coupon that m1 holds."""
    made = coupons.issue(coupon_id(number), "m1", "five", terms, ("reward_order", "ro"), MOMENT, "CNY")
    ledger.commit(Posting(documents=(made,)), Patient())
    return made.id


def desk(ledger: Ledger, key: str = "k", moment: Moment = MOMENT) -> Couponing:
    """The use cases under a key."""
    return Couponing(ledger, PROGRAM, moment, Patient(), "shop", "shop:shop", key)


def status_of(ledger: Ledger, coupon: str) -> str:
    """What has become of a coupon."""
    return desk(ledger).one(coupon, staff=True)["status"]


def test_a_use_is_one_read_and_one_transaction(ledger: MemoryLedger) -> None:
    """Coupon, the day's count and the answer together; again, one read and the same answer."""
    coupon = issued(ledger)
    ledger.loads = ledger.commits = 0

    answer = desk(ledger).use(coupon, ORDER, GOODS, None)

    assert USED | {"coupon_id": coupon} == answer
    assert (1, 1) == (ledger.loads, ledger.commits)
    assert answer == desk(ledger).use(coupon, ORDER, GOODS, None)
    assert (2, 1) == (ledger.loads, ledger.commits)
    with pytest.raises(IdempotencyKeyReused):
        desk(ledger).use(coupon, OTHER, GOODS, None)


def test_of_two_orders_at_once_one_gets_it(ledger: MemoryLedger) -> None:
    """The other one is quicker: this one is told on which order it was used."""
    coupon = issued(ledger)
    other: Callable[[Ledger], object] = lambda inner: desk(inner, "other").use(coupon, OTHER, GOODS, None)  # noqa: E731 - short

    with pytest.raises(CouponNotUsable) as caught:
        desk(Raced(ledger, other)).use(coupon, ORDER, GOODS, None)

    assert {"source": "standard", "order_id": "o-2"} == caught.value.facts()["order"]


def test_of_two_coupons_of_one_day_at_once_one_is_used(ledger: MemoryLedger) -> None:
    """One a day: the count stands with the account, so both cannot find room. The other coupon stays as it is."""
    first, second = issued(ledger), issued(ledger, 1)
    other: Callable[[Ledger], object] = lambda inner: desk(inner, "other").use(second, OTHER, GOODS, None)  # noqa: E731 - short

    with pytest.raises(LimitReached):
        desk(Raced(ledger, other)).use(first, ORDER, GOODS, None)

    assert ("ISSUED", "USED") == (status_of(ledger, first), status_of(ledger, second))


def test_a_use_beside_a_movement_of_points_keeps_both(ledger: MemoryLedger) -> None:
    """Points come in between: they are there, and so is the count."""
    coupon = issued(ledger)

    desk(Raced(ledger, lambda inner: give(inner, "m1", 30))).use(coupon, ORDER, GOODS, None)

    assert 30 == account_of(ledger).balance
    assert {"@coupon.five/day/times": {"2026-03-01": 1}} == account_of(ledger).standing.used
    assert proved(ledger)


@pytest.mark.parametrize("step", ["use", "release", "void"])
def test_a_step_whose_answer_was_lost_is_done_once(ledger: MemoryLedger, step: str) -> None:
    """The stored answer is given."""
    coupon = issued(ledger)
    if step == "release":
        desk(ledger, "before").use(coupon, ORDER, GOODS, None)
    steps: dict[str, Callable[[], object]] = {
        "use": lambda: desk(Forgetful(ledger)).use(coupon, ORDER, GOODS, None),
        "release": lambda: desk(Forgetful(ledger)).release(coupon, ORDER),
        "void": lambda: desk(Forgetful(ledger)).void(coupon, "why"),
    }

    steps[step]()

    assert {"use": "USED", "release": "ISSUED", "void": "VOID"}[step] == status_of(ledger, coupon)


def test_a_use_that_cannot_be_settled_uses_nothing(ledger: MemoryLedger) -> None:
    """The account stays busy: 503, and the coupon is the member's."""
    coupon = issued(ledger)

    with pytest.raises(Busy):
        desk(Contended(ledger, "m1")).use(coupon, ORDER, GOODS, None)

    assert "ISSUED" == status_of(ledger, coupon)


def test_voiding_and_using_at_once_is_one_of_both(ledger: MemoryLedger) -> None:
    """The shop is quicker: it is used, and the operator is told so; nothing is in the audit."""
    coupon = issued(ledger)

    with pytest.raises(WrongStatus):
        desk(Raced(ledger, lambda inner: desk(inner, "other").use(coupon, ORDER, GOODS, None))).void(coupon, "why")

    assert "USED" == status_of(ledger, coupon)
    assert () == ledger.listed(audit_of("2026-03"), None, 10).documents


def test_a_void_is_audited_with_its_reason(ledger: MemoryLedger) -> None:
    """One line, however often it is asked."""
    coupon = issued(ledger)

    for _ in range(2):
        desk(ledger).void(coupon, "issued by mistake")

    (line,) = ledger.listed(audit_of("2026-03"), None, 10).documents
    assert isinstance(line, AuditLine)
    assert ("coupon.voided", f"coupon/{coupon}", "issued by mistake") == (line.action, line.target, line.reason)


def test_a_release_on_another_day_gives_no_room_to_that_day(ledger: MemoryLedger) -> None:
    """Used on the first, released on the second: a use of the second counts as if nothing had been."""
    first, second, third = (issued(ledger, number) for number in range(3))
    tomorrow = later(days=1)
    desk(ledger, "k1").use(first, ORDER, GOODS, None)
    desk(ledger, "k2", tomorrow).use(second, OTHER, GOODS, None)

    desk(ledger, "k3", tomorrow).release(first, ORDER)

    with pytest.raises(LimitReached):
        desk(ledger, "k4", tomorrow).use(third, ORDER, GOODS, None)


def test_a_filter_that_matches_nothing_reads_so_many_pages(ledger: MemoryLedger) -> None:
    """An empty page with a cursor, and the next ones come to an end."""
    for number in range(2 * PAGES_READ_MAX + 3):
        issued(ledger, number)

    pages, cursor = 0, None
    while True:
        page = desk(ledger).page("m1", CouponStatus.VOID, cursor, 1, staff=False)
        pages += 1
        assert [] == page["coupons"]
        if (cursor := page["cursor"]) is None:
            break

    assert 3 == pages


@pytest.mark.parametrize("coupon", ["", "cp", coupon_id(9), "rd.bTE." + "A" * 22, "cp.!!." + "A" * 22])
def test_an_id_that_is_no_coupons_is_not_found(ledger: MemoryLedger, coupon: str) -> None:
    """Of another kind, never handed out, or no id at all."""
    with pytest.raises(CouponNotFound):
        desk(ledger).one(coupon, staff=True)
    with pytest.raises(CouponNotFound):
        desk(ledger).use(coupon, ORDER, GOODS, None)


def test_a_coupon_that_was_used_in_between_is_no_matter_of_the_days_limit(ledger: MemoryLedger) -> None:
    """Its use is counted in the account that was read last: the shop is told that it is used, and on which order."""
    coupon = issued(ledger)
    torn = Torn(ledger, lambda inner: desk(inner, "other").use(coupon, OTHER, GOODS, None))

    with pytest.raises(CouponNotUsable) as refused:
        desk(torn, "mine").use(coupon, ORDER, GOODS, None)

    assert "USED" == refused.value.facts()["because"]
