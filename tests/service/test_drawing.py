"""Draws beside stock: two at once, answers that are lost, processes that end between the steps."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jifen.domain.drawing import Ticket, fallen_on, hashed, number_of
from jifen.domain.errors import Busy, InsufficientPoints, LimitReached, Refusal
from jifen.domain.lotteries import Draw, DrawStatus
from jifen.domain.lottery_terms import read_terms, stock_subject
from jifen.domain.program import Moment, Program
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import OrderStatus, Stock
from jifen.service import stocking
from jifen.service.drawing import Drawing
from jifen.service.lotteries import Lotteries
from jifen.service.mall_documents import DrawKey, RewardOrderKey
from jifen.service.ports import DocumentKey, Ledger, Loaded, Patience, Posting, of_member
from tests.service.ledgers import Forgetful, Raced, Torn, _Around
from tests.service.mall import settle
from tests.service.scene import PROGRAM, balance_of, give, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
BEFORE = PROGRAM.moment(NOON - timedelta(days=1))
MOMENT = PROGRAM.moment(NOON)
LATE = PROGRAM.moment(NOON + timedelta(minutes=11))
"""When what was reserved at noon has run out."""

A = {"id": "a", "title": "A", "kind": "physical", "odds": "0.5", "stock": 2, "out_of_stock": "nothing"}
B = {"id": "b", "title": "B", "kind": "virtual", "odds": "0.5", "stock": 2, "out_of_stock": "refund"}
WHEEL: Mapping[str, Any] = {
    "title": "Wheel",
    "cost": 10,
    "attempts_per_day": 5,
    "from": "2026-03-02",
    "days": 3,
    "prizes": [A, B],
}


def seed_for(line: str, content: Mapping[str, Any] = WHEEL, member: str = "m1") -> bytes:
    """A seed with which the first attempts of a member fall on these prizes, each a letter; - is nothing."""
    terms = read_terms(content, "CNY")
    for n in itertools.count():
        seed = hashlib.sha256(str(n).encode()).digest()
        secret = hashed(seed, terms.days - 1)
        tickets = [Ticket("wheel", terms.first_day, member, attempt, "") for attempt in range(1, len(line) + 1)]
        drawn = [fallen_on(terms.prizes, number_of(secret, ticket))[0] for ticket in tickets]
        if line == "".join(prize.id if prize else "-" for prize in drawn):
            return seed
    raise AssertionError


def write(ledger: Ledger, seed: bytes, content: Mapping[str, Any] = WHEEL) -> None:
    """Write the lottery, the day before."""
    here = Lotteries(ledger, Program(PROGRAM.zone, "CNY"), BEFORE, Patient(), "op", "operator:op")
    here.write("wheel", content, lambda: seed)


@pytest.fixture
def wheel(ledger: MemoryLedger) -> MemoryLedger:
    """A lottery whose attempts of m1 fall on a, b, a, b, a; and m1 with 100 points."""
    write(ledger, seed_for("ababa"))
    give(ledger, "m1", 100)
    return ledger


def desk(ledger: Ledger, key: str = "k", moment: Moment = MOMENT, patience: Patience | None = None) -> Drawing:
    """The use cases of a member."""
    return Drawing(ledger, PROGRAM, moment, patience or Patient(), "m1", "member:m1", key)


def draw(ledger: Ledger, key: str = "k", moment: Moment = MOMENT, **more: Any) -> Mapping[str, Any]:
    """Draw as m1."""
    return desk(ledger, key, moment).draw("m1", "wheel", **more)


def stock_of(ledger: Ledger, prize: str) -> tuple[int | None, int, int]:
    """Pieces of a prize: free, reserved, sold."""
    (shard,) = stocking.shards_of(ledger, stock_subject("wheel", prize), 1)
    return shard.free, shard.kept, shard.sold


def draws(ledger: Ledger, member: str = "m1") -> list[Draw]:
    """What was drawn."""
    found = [one for one in ledger.listed(of_member("draws", member), None, 100).documents if isinstance(one, Draw)]
    return sorted((one for one in found if one.status is DrawStatus.DRAWN), key=lambda one: one.attempt)


def agree(ledger: MemoryLedger, points: int = 100, pieces: int = 2) -> None:
    """Stock, draws and points say the same; the test fails where they do not."""
    made = draws(ledger)
    won = Counter(one.prize for one in made)
    for prize in ("a", "b"):
        free, reserved, sold = stock_of(ledger, prize)
        assert (pieces, 0, won[prize]) == ((free or 0) + sold, reserved, sold), prize
    assert list(range(1, len(made) + 1)) == [one.attempt for one in made]
    assert points - sum(one.cost for one in made) + sum(one.points for one in made) == balance_of(ledger)
    assert proved(ledger, "m1")


def test_each_attempt_takes_its_prize_out_of_the_stock(wheel: MemoryLedger) -> None:
    """Until there is none: then what is declared happens."""
    told = [draw(wheel, f"k{n}") for n in range(5)]
    assert ["a", "b", "a", "b", "a"] == [one["drawn_prize"] for one in told]
    assert ["WON", "WON", "WON", "WON", "NOTHING"] == [one["outcome"] for one in told]
    agree(wheel)
    assert (0, 0, 2) == stock_of(wheel, "a") == stock_of(wheel, "b")


def test_a_draw_that_another_was_quicker_than_has_the_next_number(wheel: MemoryLedger) -> None:
    """It had reserved a piece of the prize that the other one won; that piece is free again."""
    other: list[Mapping[str, Any]] = []
    # The first commit reserves, the second posts: the other draw comes in between.
    raced = Raced(wheel, lambda _: None, lambda inner: other.append(draw(inner, "other")))
    mine = draw(raced, "mine")
    assert [("a", 1), ("b", 2)] == [(one["prize"]["id"], one["attempt"]) for one in (other[0], mine)]
    agree(wheel)
    assert (1, 0, 1) == stock_of(wheel, "a") == stock_of(wheel, "b")


def test_who_loses_the_last_attempt_gives_the_prize_back(wheel: MemoryLedger) -> None:
    """Refused for what happened meanwhile; nothing stays reserved, and a later try starts afresh."""
    for n in range(4):
        draw(wheel, f"k{n}")
    with pytest.raises(LimitReached):
        draw(Raced(wheel, lambda inner: draw(inner, "other")), "mine")
    agree(wheel)


def test_who_loses_the_points_gives_the_prize_back(ledger: MemoryLedger) -> None:
    """The same with the last points; once there are points again, the same request is drawn."""
    write(ledger, seed_for("abab"))
    give(ledger, "m1", 10)
    with pytest.raises(InsufficientPoints):
        draw(Raced(ledger, lambda _: None, lambda inner: draw(inner, "other")), "mine")
    agree(ledger, 10)
    give(ledger, "m1", 10)
    assert ("b", 2) == ((told := draw(ledger, "mine"))["prize"]["id"], told["attempt"])
    agree(ledger, 20)


@pytest.mark.parametrize("reserved", [False, True])
def test_two_attempts_of_one_request_are_one_draw(wheel: MemoryLedger, *, reserved: bool) -> None:
    """Whichever posts it; both are told the same, and what the slower one reserved besides is free again."""
    told: list[Mapping[str, Any]] = []
    others: list[Callable[[Ledger], object]] = [lambda inner: told.append(draw(inner, "same"))]
    told.append(draw(Raced(wheel, *([lambda _: None] if reserved else []), *others), "same"))
    assert told[0] == told[1]
    agree(wheel)
    assert 1 == len(draws(wheel))


def test_another_attempt_of_the_request_may_have_drawn_another_number(wheel: MemoryLedger) -> None:
    """This one had reserved for an earlier attempt of the day; what it reserved goes back, not what was won."""

    def meanwhile(inner: Ledger) -> None:
        draw(inner, "other")
        draw(inner, "same")

    told = draw(Raced(wheel, lambda _: None, meanwhile), "same")
    assert ("b", 2) == (told["prize"]["id"], told["attempt"])
    agree(wheel)


def test_an_answer_that_is_lost_is_found_again(wheel: MemoryLedger) -> None:
    """Of the reservation, of the draw, of the confirmation."""
    for lost in (1, 2, 3):
        assert lost == draw(Forgetful(wheel, lost), f"k{lost}")["attempt"]
        agree(wheel)


@pytest.mark.parametrize("account_first", [True, False])
def test_a_read_that_is_not_one_instant_shows_no_draw_twice(wheel: MemoryLedger, *, account_first: bool) -> None:
    """The same request is answered in between: that answer counts, and its piece stays its own."""
    told: list[Mapping[str, Any]] = []
    torn = Torn(wheel, lambda inner: told.append(draw(inner, "same")), account_first=account_first)
    assert draw(torn, "same") == told[0]
    agree(wheel)
    assert 1 == len(draws(wheel))


def test_a_draw_that_is_seen_before_its_answer_keeps_its_piece(ledger: MemoryLedger) -> None:
    """The answer was read a moment before it was there, the draw a moment after, and its piece is not confirmed yet."""
    write(ledger, seed_for("aab"))
    give(ledger, "m1", 100)

    class Halves(_Around):
        first = True

        def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
            if not members or not self.first:
                return super().load(members, documents)
            self.first = False
            answer = super().load([], documents[:1]).documents
            with pytest.raises(Died):
                draw(Mortal(ledger, 2, after=True))
            rest = super().load(members, documents[1:])
            return Loaded(rest.accounts, {**answer, **rest.documents})

    assert 1 == draw(Halves(ledger))["attempt"]
    settle(ledger, LATE)
    agree(ledger)


# Processes that end --------------------------------------------------------------------------------------------------


class Died(Exception):
    """The process ended."""


class Mortal(_Around):
    """A process that ends at its nth commit, before or after it."""

    def __init__(self, inner: MemoryLedger, at: int, *, after: bool) -> None:
        super().__init__(inner)
        self._left, self._after = at, after

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Commit, or end."""
        self._left -= 1
        if not self._left and not self._after:
            raise Died
        super().commit(posting, patience)
        if not self._left:
            raise Died


Rest = Callable[[MemoryLedger], object]


def again(ledger: MemoryLedger) -> object:
    """The member asks again."""
    return draw(ledger)


def other(ledger: MemoryLedger) -> object:
    """The member draws with another request."""
    return draw(ledger, "other")


def deadline(ledger: MemoryLedger) -> object:
    """The worker of deadlines comes."""
    return settle(ledger, LATE)


def taken(ledger: MemoryLedger) -> object:
    """Somebody else needs the pieces, after they ran out."""
    give(ledger, "m2", 1_000)
    for n in range(5):
        Drawing(ledger, PROGRAM, LATE, Patient(), "m2", "member:m2", f"{n}").draw("m2", "wheel")
    return None


@pytest.mark.parametrize("rest", list(itertools.permutations([again, other, deadline], 2)))
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_process_may_end_anywhere(wheel: MemoryLedger, at: int, *, after: bool, rest: Sequence[Rest]) -> None:
    """Reserved, posted, confirmed or not: whatever comes then, the deadline makes stock, draws and points agree."""
    with pytest.raises(Died):
        draw(Mortal(wheel, at, after=after))
    for one in rest:
        one(wheel)
    deadline(wheel)
    agree(wheel)
    if again in rest:
        assert draw(wheel) == draw(wheel)
        agree(wheel)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_piece_that_was_left_reserved_is_had_by_who_comes_next(wheel: MemoryLedger, at: int, *, after: bool) -> None:
    """Without waiting for the worker: what ran out is settled where pieces are short."""
    with pytest.raises(Died):
        draw(Mortal(wheel, at, after=after))
    taken(wheel)
    settle(wheel, LATE)
    won = Counter(one.prize for member in ("m1", "m2") for one in draws(wheel, member))
    for prize in ("a", "b"):
        free, reserved, sold = stock_of(wheel, prize)
        assert (2, 0, won[prize]) == ((free or 0) + sold, reserved, sold)
    posted = at == 3 or (at == 2 and after)
    assert posted == bool(draws(wheel))


def test_a_late_attempt_of_what_was_given_up_starts_afresh(wheel: MemoryLedger) -> None:
    """Its reservation was released behind a fence, so that it could not be posted any more."""
    given_up: list[object] = []

    def meanwhile(inner: Ledger) -> None:
        given_up.append(settle(inner, LATE))

    told = draw(Raced(wheel, lambda _: None, meanwhile))
    assert given_up
    key = DrawKey("m1", told["draw_id"])
    document = wheel.load([], [key]).documents[key]
    assert isinstance(document, Draw)
    assert (2, DrawStatus.DRAWN) == (document.version, document.status)
    agree(wheel)


def test_a_draw_that_cannot_be_confirmed_in_time_is_told_all_the_same(wheel: MemoryLedger) -> None:
    """It was drawn; the deadline counts the piece."""

    class Late(_Around):
        def commit(self, posting: Posting, patience: Patience) -> None:
            if any(isinstance(one, Stock) and one.sold for one in posting.documents):
                raise Busy
            super().commit(posting, patience)

    assert "a" == draw(Late(wheel))["prize"]["id"]
    assert (1, 1, 0) == stock_of(wheel, "a")
    settle(wheel, LATE)
    agree(wheel)


def test_a_draw_that_never_was_is_shown_to_nobody(wheel: MemoryLedger) -> None:
    """Its document only keeps a late attempt out."""
    with pytest.raises(Died):
        draw(Mortal(wheel, 1, after=True))
    settle(wheel, LATE)
    abandoned = [one for one in wheel.listed(of_member("draws", "m1"), None, 10).documents if isinstance(one, Draw)]
    assert [DrawStatus.ABANDONED] == [one.status for one in abandoned]
    assert [] == desk(wheel).draws_of("m1", None, 10)["draws"]
    with pytest.raises(Refusal) as refused:
        desk(wheel).view(abandoned[0].id)
    assert "DRAW_NOT_FOUND" == refused.value.code


# What comes after ----------------------------------------------------------------------------------------------------


def test_a_prize_whose_address_never_comes_is_forfeited(wheel: MemoryLedger) -> None:
    """After as many days as the lottery says; no points move, and the piece stays given away."""
    told = draw(wheel)
    key = RewardOrderKey("m1", told["reward_order_id"])
    entries = len(list(wheel.history("m1")))
    for days, status in ((6, OrderStatus.ADDRESS_DUE), (8, OrderStatus.FORFEITED)):
        settle(wheel, PROGRAM.moment(NOON + timedelta(days=days)))
        order = wheel.load([], [key]).documents[key]
        assert isinstance(order, RewardOrder)
        assert status is order.status
    assert entries == len(list(wheel.history("m1")))
    agree(wheel)
