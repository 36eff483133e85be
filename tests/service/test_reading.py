"""What can be seen: true now whether or not a sweep has run, in pages that meet, with cursors nobody can move."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jifen.domain.account import Account
from jifen.domain.entries import Kind
from jifen.domain.errors import InvalidInput
from jifen.domain.lots import Lot
from jifen.domain.member_views import CountdownLotView
from jifen.domain.program import ClawbackPolicy, Moment
from jifen.service import reading
from jifen.service.paging import Cursors, entry_filter
from jifen.service.ports import AccountWrite, Posting
from jifen.service.reading import EntryFilter, entries_page, lots_view, member_view, prove_member
from tests.service.ledgers import Raced
from tests.service.scene import (
    LAST_DAY,
    MOMENT,
    NOW,
    PROGRAM,
    account_of,
    desk,
    earned,
    give,
    later,
    paid,
    proved,
    refunded,
)
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

ANY = EntryFilter()


def lots_of(account: Account, moment: Moment) -> list[CountdownLotView]:
    """The lots as the API shows them."""
    return lots_view(account, moment)["lots"]


def pages(ledger: MemoryLedger, wanted: EntryFilter, limit: int) -> list[list[int]]:
    """The sequences of every page, newest first."""
    found: list[list[int]] = []
    before: int | None = None
    while True:
        rows, before = entries_page(ledger, "m1", wanted, limit, before)
        found.append([row["sequence"] for row in rows])
        if before is None:
            return found
        assert len(found) < 1_000


@pytest.fixture
def busy(ledger: MemoryLedger) -> MemoryLedger:
    """The ledger with 24 entries of m1, an hour apart: every third a redemption (3, 6, …), the others bonuses."""
    for number in range(1, 25):
        if number % 3:
            give(ledger, "m1", 10)
        else:
            desk(ledger, f"k{number}", later(hours=number)).redeem("m1", 5)
    return ledger


# The member ----------------------------------------------------------------------------------------------------------


def test_view_is_true_before_the_sweep(ledger: MemoryLedger) -> None:
    """From the first expired instant on, what has expired is gone from every figure."""
    give(ledger, "m1", 10)
    give(ledger, "m1", 5, None)
    account = account_of(ledger)

    def figures(moment: Any) -> tuple[int, int, int, Any]:
        view = member_view(account, PROGRAM, moment)
        return view["available"], view["balance"], view["lifetime"]["expired"], view["next_expiry"]

    assert (15, 15, 0, {"on": "2027-03-31", "points": 10}) == figures(
        PROGRAM.moment(datetime(2027, 3, 31, 15, 59, 59, tzinfo=UTC))
    )
    assert (5, 5, 10, None) == figures(PROGRAM.moment(datetime(2027, 3, 31, 16, tzinfo=UTC)))
    assert [5] == [lot["points"] for lot in lots_of(account, PROGRAM.moment(datetime(2027, 3, 31, 16, tzinfo=UTC)))]


def test_held_points_are_neither_gone_nor_available(ledger: MemoryLedger) -> None:
    """A hold moves points from available to held; its end moves them back, without a sweep."""
    give(ledger, "m1", 100)
    desk(ledger, "k").authorize("m1", 30)
    now, over = (member_view(account_of(ledger), PROGRAM, moment) for moment in (MOMENT, later(seconds=900)))

    assert (70, 30, 100) == (now["available"], now["held"], now["balance"])
    assert (100, 0, 100) == (over["available"], over["held"], over["balance"])


def test_debt_is_shown_as_the_program_says(ledger: MemoryLedger) -> None:
    """What is owed stands beside the points, or is taken off them under policy negative."""
    earned(ledger, paid("o1", 10_000))
    desk(ledger, "k").redeem("m1", 100)
    earned(ledger, refunded("o1", 10_000))
    owing = member_view(account_of(ledger), PROGRAM, MOMENT)
    below = member_view(account_of(ledger), replace(PROGRAM, clawback=ClawbackPolicy.NEGATIVE), MOMENT)

    assert (0, 100, -100) == (owing["available"], owing["debt"], owing["balance"])
    assert (-100, 0, -100) == (below["available"], below["debt"], below["balance"])


def test_unknown_member_has_nothing(ledger: MemoryLedger) -> None:
    """A member nobody has seen has zeros, no lots and a valid proof of nothing."""
    view = member_view(account_of(ledger, "nobody"), PROGRAM, MOMENT)

    assert (0, 0, 0, 0, None) == tuple(
        view[name] for name in ("available", "balance", "held", "version", "next_expiry")
    )
    assert [] == lots_of(account_of(ledger, "nobody"), MOMENT)
    assert (True, 0) == (prove_member(ledger, "nobody").valid, prove_member(ledger, "nobody").entries)


# Entries -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 5, 8, 23, 24, 25])
def test_pages_meet(busy: MemoryLedger, limit: int) -> None:
    """Every entry is on exactly one page, newest first."""
    found = pages(busy, ANY, limit)

    assert list(range(24, 0, -1)) == [sequence for page in found for sequence in page]
    assert all(len(page) == limit for page in found[:-1])


@pytest.mark.parametrize("limit", [1, 3, 8, 100])
def test_filtered_pages_meet(busy: MemoryLedger, limit: int) -> None:
    """A filter leaves out entries, not pages' worth of them."""
    found = pages(busy, EntryFilter(kind=Kind.REDEEM), limit)

    assert list(range(24, 0, -3)) == [sequence for page in found for sequence in page]


def test_filter_by_time_takes_its_start_and_not_its_end(busy: MemoryLedger) -> None:
    """``since <= occurred_at < until``."""
    wanted = EntryFilter(Kind.REDEEM, NOW + timedelta(hours=6), NOW + timedelta(hours=12))

    assert [[9, 6]] == pages(busy, wanted, 10)


def test_filter_that_matches_little_does_not_read_for_ever(busy: MemoryLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page looks at so many entries and no more; a short page comes with the place to go on."""
    monkeypatch.setattr(reading, "ENTRIES_READ_MAX", 10)

    rows, before = entries_page(busy, "m1", EntryFilter(kind=Kind.EXPIRE), 5, None)

    assert ([], 15) == (rows, before)
    assert [] == [sequence for page in pages(busy, EntryFilter(kind=Kind.EXPIRE), 5) for sequence in page]
    assert list(range(24, 0, -3)) == [
        sequence for page in pages(busy, EntryFilter(kind=Kind.REDEEM), 5) for sequence in page
    ]


def test_page_is_of_one_member(busy: MemoryLedger) -> None:
    """A neighbour's entries never show."""
    give(busy, "m2", 1)

    rows, before = entries_page(busy, "m2", ANY, 10, None)

    assert ([1], None) == ([row["points"] for row in rows], before)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-03-01", "2026-03-01", (datetime(2026, 2, 28, 16, tzinfo=UTC), datetime(2026, 3, 1, 16, tzinfo=UTC))),
        ("2026-03-01T00:00:00Z", None, (datetime(2026, 3, 1, tzinfo=UTC), None)),
        (None, "2026-03-01T08:00:00+08:00", (None, datetime(2026, 3, 1, tzinfo=UTC))),
    ],
)
def test_bounds_are_days_of_the_program_or_instants(
    since: str | None, until: str | None, expected: tuple[datetime | None, datetime | None]
) -> None:
    """A day means the whole of it on the program's calendar; an instant means itself."""
    wanted = entry_filter(None, since, until, ZoneInfo("Asia/Shanghai"))

    assert expected == (wanted.since, wanted.until)


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "2026-03-01T00:00:00", "9999-12-31T"])
def test_bound_that_is_none_is_named(text: str) -> None:
    """The refusal names the parameter that cannot be read."""
    with pytest.raises(InvalidInput) as refusal:
        entry_filter(None, None, text, PROGRAM.zone)

    assert ["to"] == [fault.field for fault in refusal.value.faults]


# Cursors -------------------------------------------------------------------------------------------------------------

SECRET = b"secret"
MINE = Cursors(SECRET, "m1", EntryFilter(Kind.REDEEM, NOW))


@pytest.mark.parametrize("before", [1, 2, 17, 10**11])
def test_cursor_leads_back_to_its_place(before: int) -> None:
    """What a cursor was written for is what it reads as."""
    assert before == MINE.read(MINE.write(before))


@pytest.mark.parametrize(
    "other",
    [
        replace(MINE, member="m2"),
        replace(MINE, secret=b"another"),
        replace(MINE, wanted=EntryFilter(Kind.EARN, NOW)),
        replace(MINE, wanted=EntryFilter(Kind.REDEEM)),
        replace(MINE, wanted=EntryFilter(Kind.REDEEM, None, NOW)),
        replace(MINE, wanted=EntryFilter(Kind.REDEEM, NOW, NOW)),
        replace(MINE, wanted=EntryFilter(Kind.REDEEM, NOW + timedelta(microseconds=1))),
    ],
)
def test_cursor_is_bound_to_member_and_filters(other: Cursors) -> None:
    """A cursor of another member, filter or deployment is refused."""
    with pytest.raises(InvalidInput):
        other.read(MINE.write(17))


def test_cursor_cannot_be_made_or_moved_by_hand() -> None:
    """Any change of a character is refused, and so is anything that never was one."""
    cursor = MINE.write(17)
    changed = [cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in range(len(cursor) - 1)]

    for text in (*changed, "", "17", "MTc", "é", "=" * 8, cursor + cursor, cursor[:-4]):
        with pytest.raises(InvalidInput):
            MINE.read(text)


# Proof and contact ---------------------------------------------------------------------------------------------------


def test_proof_through_the_service(busy: MemoryLedger) -> None:
    """A ledger that was written by the use cases proves itself."""
    earned(busy, paid("o1", 10_000), refunded("o1", 2_000))
    proof = prove_member(busy, "m1")

    assert (True, 26) == (proof.valid, proof.entries)


def test_proof_of_an_account_that_is_being_written(busy: MemoryLedger) -> None:
    """Entries that are written between reading the account and its history are left out, not found false."""

    class Moving(Raced):
        """Another writer gets in before the history is read."""

        def history(self, member: str) -> Any:
            """See :class:`jifen.service.ports.Ledger`."""
            give(self.inner, member, 1)
            return self.inner.history(member)

    assert (True, 24) == (prove_member(Moving(busy), "m1").valid, prove_member(busy, "m1").entries - 1)


@pytest.mark.parametrize("change", [{"debt": 1}, {"version": 25}, {"lots": ()}, {"head_hash": "0" * 64}])
def test_tampered_account_is_found_out(busy: MemoryLedger, change: dict[str, Any]) -> None:
    """An account that was edited beside the ledger fails its proof."""
    account: Account = account_of(busy)
    busy.commit(Posting((AccountWrite(account, replace(account, **change)),)), Patient())

    assert not proved(busy)


def test_lots_that_are_still_pending_say_from_when() -> None:
    """``active_from`` shows while it lies ahead; afterwards equal lots are one."""
    account = Account("m1", lots=(Lot(3, LAST_DAY), Lot(4, LAST_DAY, date(2026, 3, 2))))

    assert [(3, None), (4, "2026-03-02")] == [(lot["points"], lot["active_from"]) for lot in lots_of(account, MOMENT)]
    assert [(7, None)] == [(lot["points"], lot["active_from"]) for lot in lots_of(account, later(days=1))]
