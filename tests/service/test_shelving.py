"""Shelving where it could go wrong: two at once, an end between two steps, and those who wait to be told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jifen.domain.errors import OutOfStock
from jifen.domain.program import parse_program
from jifen.domain.rewards import Reward, RewardStatus, Stock, Wish
from jifen.domain.ruling import AuditLine
from jifen.service import shelving
from jifen.service.mall_documents import RewardKey, StockKey, WishKey
from jifen.service.ports import NotSent, Posting, Undeliverable, audit_of, deadlines
from jifen.service.shelving import Shelving, Showcase, Told, notify_arrivals
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

PROGRAM = parse_program({"currency": "GBP"})
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
MOMENT = PROGRAM.moment(NOW)


@dataclass
class Tales:
    """A herald that remembers whom it told; ``fails`` says what it does first."""

    told: list[tuple[str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    fails: dict[str, list[Exception]] = field(default_factory=dict)

    def tell(self, kind: str, notice_id: str, member: str, data: Mapping[str, object]) -> None:
        """See :class:`jifen.service.ports.Herald`."""
        assert ("reward.in_stock", {"reward_id": "cup", "title": "Cup"}) == (kind, data)
        self.ids.append(notice_id)
        if self.fails.get(member):
            raise self.fails[member].pop(0)
        self.told.append((member, notice_id))

    @property
    def members(self) -> list[str]:
        """Who was told."""
        return sorted(member for member, _ in self.told)


@pytest.fixture
def ledger() -> MemoryLedger:
    """A cup that is sold out."""
    here = MemoryLedger(PROGRAM)
    desk(here, "k0").write("cup", {"title": "Cup", "points": 100, "stock": {"shards": 3}})
    return here


def desk(ledger: Any, key: str, now: datetime = NOW) -> Shelving:
    """The desk of one request."""
    return Shelving(ledger, PROGRAM, PROGRAM.moment(now), Patient(200), "op", "operator:op", key)


def reward(ledger: MemoryLedger) -> Reward:
    """The cup."""
    found = ledger.load([], [RewardKey("cup")]).documents[RewardKey("cup")]
    assert isinstance(found, Reward)
    return found


def wish(ledger: MemoryLedger, member: str) -> Wish:
    """A member's wish."""
    found = ledger.load([], [WishKey("cup", member)]).documents[WishKey("cup", member)]
    assert isinstance(found, Wish)
    return found


def wait(ledger: MemoryLedger, *members: str) -> None:
    """Members who ask to be told."""
    for member in members:
        assert desk(ledger, f"wish-{member}-{ledger.commits}").wish("cup", member, on=True)["on"]


def tell(ledger: Any, herald: Tales, now: datetime = NOW, has_time: Callable[[], bool] = lambda: True) -> Told:
    """One run."""
    return notify_arrivals(ledger, herald, "cup", PROGRAM.moment(now), Patient(5), has_time)


def due(ledger: MemoryLedger, until: datetime = NOW) -> list[object]:
    """The rewards that somebody has to look at."""
    return [one for one in ledger.listed(deadlines(until), None, 10).documents if isinstance(one, Reward)]


# Those who wait ------------------------------------------------------------------------------------------------------


def test_who_waits_is_told_once_when_it_is_filled(ledger: MemoryLedger) -> None:
    """Filling makes the reward due, telling clears it; a second filling tells nobody again who did not ask again."""
    wait(ledger, "a", "b", "c")
    desk(ledger, "off").wish("cup", "b", on=False)
    assert [] == due(ledger)
    desk(ledger, "f1").fill("cup", 2, "")
    assert [reward(ledger)] == due(ledger)
    herald = Tales()
    assert Told(told=2) == tell(ledger, herald)
    assert ["a", "c"] == herald.members
    assert [] == due(ledger)
    assert Told() == tell(ledger, herald)
    desk(ledger, "f2").fill("cup", -2, "")
    wait(ledger, "c")
    desk(ledger, "f3").fill("cup", 1, "")
    assert Told(told=1) == tell(ledger, herald, NOW + timedelta(days=1))
    assert ["a", "c", "c"] == herald.members


def test_more_pieces_where_some_are_free_tell_nobody(ledger: MemoryLedger) -> None:
    """Only what was sold out arrives."""
    desk(ledger, "f1").fill("cup", 1, "")
    tell(ledger, Tales())
    desk(ledger, "f2").fill("cup", 1, "")
    assert [] == due(ledger)


def test_a_notice_that_was_not_taken_is_tried_again_with_the_same_id(ledger: MemoryLedger) -> None:
    """The reward is due again a little later, and the others are not told twice."""
    wait(ledger, "a", "b", "c")
    desk(ledger, "f1").fill("cup", 1, "")
    herald = Tales(fails={"b": [NotSent("busy"), NotSent("busy")]})
    assert Told(told=2, failed=1) == tell(ledger, herald)
    assert ([], [reward(ledger)]) == (due(ledger), due(ledger, NOW + timedelta(minutes=5)))
    assert wish(ledger, "b").waits
    assert Told(failed=1) == tell(ledger, herald)
    assert Told(told=1) == tell(ledger, herald)
    assert (["a", "b", "c"], 3, 5) == (herald.members, len(set(herald.ids)), len(herald.ids))
    assert [] == due(ledger, NOW + timedelta(days=1))


def test_what_can_never_be_delivered_is_not_tried_again(ledger: MemoryLedger) -> None:
    """It is counted, and the others are told."""
    wait(ledger, "a", "b")
    desk(ledger, "f1").fill("cup", 1, "")
    herald = Tales(fails={"a": [Undeliverable("no address")]})
    assert Told(told=1, undeliverable=1) == tell(ledger, herald)
    assert Told() == tell(ledger, herald)


def test_a_worker_that_ends_while_it_tells_leaves_nobody_told_twice(ledger: MemoryLedger) -> None:
    """The notice it was at is lost, as promised; all others are told by the next run."""
    wait(ledger, "a", "b", "c")
    desk(ledger, "f1").fill("cup", 1, "")
    herald = Tales(fails={"b": [KeyboardInterrupt()]})  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        tell(ledger, herald)
    assert [reward(ledger)] == due(ledger)
    tell(ledger, herald)
    assert ["a", "c"] == herald.members
    assert [] == due(ledger)


def test_without_time_the_next_run_goes_on(ledger: MemoryLedger) -> None:
    """The reward stays due; nobody is told twice."""
    wait(ledger, *(f"m{number}" for number in range(250)))
    desk(ledger, "f1").fill("cup", 1, "")
    herald, turns = Tales(), iter([True] * 120 + [False])
    assert Told(told=120) == tell(ledger, herald, has_time=lambda: next(turns))
    assert [reward(ledger)] == due(ledger)
    assert Told(told=130) == tell(ledger, herald)
    assert 250 == len(set(herald.members)) == len(herald.members)


def test_two_workers_tell_each_member_once(ledger: MemoryLedger) -> None:
    """Whoever claims a notice sends it."""
    wait(ledger, *(f"m{number}" for number in range(60)))
    desk(ledger, "f1").fill("cup", 1, "")
    herald = Tales()
    _at_once(*[lambda: tell(ledger, herald)] * 4)
    assert 60 == len(herald.members) == len(set(herald.members))
    assert [] == due(ledger)


@pytest.mark.parametrize("gone", ["sold", "off"])
def test_what_is_gone_again_tells_nobody(ledger: MemoryLedger, gone: str) -> None:
    """They wait for the next time, and the reward is not looked at until then."""
    wait(ledger, "a")
    desk(ledger, "f1").fill("cup", 1, "")
    if gone == "sold":
        desk(ledger, "f2").fill("cup", -1, "")
    else:
        desk(ledger, "f2").put_on_shelf("cup", "", on=False)
    herald = Tales()
    assert Told() == tell(ledger, herald)
    assert ([], True) == (due(ledger), wish(ledger, "a").waits)
    assert not herald.ids
    if gone == "sold":
        desk(ledger, "f3").fill("cup", 1, "")
    else:
        desk(ledger, "f3").put_on_shelf("cup", "", on=True)
    assert Told(told=1) == tell(ledger, herald)


class Interrupted(MemoryLedger):
    """A ledger in which something happens just before a certain kind of document is written."""

    before: Callable[[], None] | None = None
    kind: type = Wish

    def commit(self, posting: Posting, patience: Any) -> None:
        """See :class:`jifen.service.ports.Ledger`."""
        happens = self.before
        if happens and any(isinstance(one, self.kind) for one in posting.documents):
            self.before = None
            happens()
        super().commit(posting, patience)


def test_a_wish_written_while_the_stock_is_filled_is_told_all_the_same() -> None:
    """It saw nothing in stock; the filling, and even a whole run of telling, came before it was kept."""
    ledger = Interrupted(PROGRAM)
    desk(ledger, "k0").write("cup", {"title": "Cup", "points": 100})
    herald = Tales()

    def meanwhile() -> None:
        desk(ledger, "f1").fill("cup", 1, "")
        assert Told() == tell(ledger, herald)

    ledger.before = meanwhile
    assert desk(ledger, "w1").wish("cup", "a", on=True)["on"]
    assert [reward(ledger)] == due(ledger)
    assert Told(told=1) == tell(ledger, herald)


def test_a_filling_during_a_run_keeps_the_reward_due() -> None:
    """The run does not clear what it has not seen."""
    ledger = Interrupted(PROGRAM)
    desk(ledger, "k0").write("cup", {"title": "Cup", "points": 100})
    wait(ledger, "a")
    desk(ledger, "f1").fill("cup", 1, "")
    ledger.kind = Wish

    def meanwhile() -> None:
        desk(ledger, "f2").fill("cup", -1, "")
        desk(ledger, "f3").fill("cup", 1, "")

    ledger.before = meanwhile
    herald = Tales()
    assert Told(told=1) == tell(ledger, herald)
    assert [reward(ledger)] == due(ledger)
    assert Told() == tell(ledger, herald)
    assert [] == due(ledger)


def test_pieces_that_came_back_another_way_are_told_too(ledger: MemoryLedger) -> None:
    """Whoever frees the last piece says so; of what is no reward nothing is said."""
    wait(ledger, "a")
    desk(ledger, "f1").fill("cup", 1, "")
    tell(ledger, Tales())
    wish_again = Wish("cup", "b", NOW)
    ledger.commit(Posting(documents=(wish_again,)), Patient(1))
    shelving.mark_arrival(ledger, "cup", MOMENT, Patient(1))
    assert Told(told=1) == tell(ledger, herald := Tales())
    assert ["b"] == herald.members
    commits = ledger.commits
    shelving.mark_arrival(ledger, "lottery:spring:cup", MOMENT, Patient(1))
    assert commits == ledger.commits


# At once -------------------------------------------------------------------------------------------------------------


def _at_once(*work: Callable[[], object]) -> None:
    """Everything in threads of its own, begun together; the first failure is raised."""
    failures: list[BaseException] = []
    start = threading.Barrier(len(work))

    def run(one: Callable[[], object]) -> None:
        start.wait()
        try:
            one()
        except BaseException as failure:  # noqa: BLE001 - it is raised below, in the thread of the test
            failures.append(failure)

    threads = [threading.Thread(target=run, args=[one]) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_fillings_at_once_are_all_counted(ledger: MemoryLedger) -> None:
    """Eight operators put in and take out; what is there is the sum, and never below nothing."""
    _at_once(*[lambda number=number: desk(ledger, f"f{number}").fill("cup", 7, "") for number in range(8)])
    outcomes: list[int] = []

    def take(number: int) -> None:
        try:
            desk(ledger, f"t{number}").fill("cup", -10, "")
            outcomes.append(10)
        except OutOfStock:
            outcomes.append(0)

    _at_once(*[lambda number=number: take(number) for number in range(8)])
    stock = desk(ledger, "").stock("cup")
    assert (50, 6, 6) == (sum(outcomes), stock["free"], stock["stocked"])
    lines = [one for one in ledger.listed(audit_of("2026-03"), None, 100).documents if isinstance(one, AuditLine)]
    assert 56 - 50 == sum(line.details["pieces"] for line in lines if line.action == "reward.stocked")


def test_the_same_codes_uploaded_at_once_go_in_once(ledger: MemoryLedger) -> None:
    """Whoever is first has put a code in; the other is told so by line."""
    desk(ledger, "k").write("film", {"title": "Film", "kind": "virtual", "points": 1, "stock": {"codes": True}})
    codes = [f"C{number}" for number in range(190)]
    answers: list[Mapping[str, Any]] = []
    _at_once(
        *[
            lambda number=number: answers.append(desk(ledger, f"u{number}").add_codes("film", codes[number * 20 :]))
            for number in range(3)
        ]
    )
    assert 190 == sum(answer["added"] for answer in answers)
    stock = desk(ledger, "").stock("film")
    assert (190, 190) == (stock["free"], stock["stocked"])
    keys = [StockKey("film", shard["shard"]) for shard in stock["shards"]]
    shards = [one for one in ledger.load([], keys).documents.values() if isinstance(one, Stock)]
    assert sorted(codes) == sorted(code for shard in shards for code in shard.codes)


def test_a_pool_takes_ten_thousand_codes_and_no_more(ledger: MemoryLedger) -> None:
    """Two hundred shards of fifty; those that find no room are refused, and are no codes that were used."""
    desk(ledger, "k").write("film", {"title": "Film", "kind": "virtual", "points": 1, "stock": {"codes": True}})
    for part in range(50):
        codes = [f"C{part}-{number}" for number in range(200)]
        assert 200 == desk(ledger, f"u{part}").add_codes("film", codes)["added"]
    answer = desk(ledger, "more").add_codes("film", ["one", "two"])
    assert (0, 10_000) == (answer["added"], answer["free"])
    assert {"finds no room: the pool is full"} == {one["problem"] for one in answer["refused"]}
    assert 200 == len(desk(ledger, "").stock("film")["shards"])


# The shelf of one process --------------------------------------------------------------------------------------------


def test_the_shelf_is_read_again_when_it_is_old(ledger: MemoryLedger) -> None:
    """Until then it costs nothing; what this process has changed is seen at once."""
    clock = [0.0]
    case = Showcase(lambda: ledger, 30, lambda: clock[0])
    assert ["cup"] == [one.reward.id for one in case.snapshot("GBP").shown]
    loads = ledger.loads
    desk(ledger, "k1").write("mug", {"title": "Mug", "points": 1})
    loads = ledger.loads
    assert (1, loads) == (len(case.snapshot("GBP").shown), ledger.loads)
    clock[0] = 30.0
    assert 2 == len(case.snapshot("GBP").shown)
    desk(ledger, "k2").write("jug", {"title": "Jug", "points": 1})
    case.forget()
    assert 3 == len(case.snapshot("GBP").shown)


def test_thousands_of_rewards_are_read_and_found(ledger: MemoryLedger) -> None:
    """Page by page, with the stock of all of them in batches."""
    for number in range(3_000):
        one = Reward(f"r{number:04d}", {"title": f"R {number}", "kind": "physical", "points": 1}, 1, "op", NOW)
        stock = Stock(one.id, 0, 1, number, number + 1)
        ledger.commit(Posting(documents=(one, stock)), Patient(1))
    found = Showcase(lambda: ledger, 30, lambda: 0.0).snapshot("GBP").shown
    assert (3_001, 3_000 * 2_999 // 2) == (len(found), sum(one.sold for one in found))


def test_a_reward_that_cannot_be_read_takes_none_from_the_shelf(ledger: MemoryLedger) -> None:
    """One that a later release wrote is named, and the others are shown."""
    later = Reward("later", {"title": "L", "kind": "hologram", "points": 1}, 1, "op", NOW)
    ledger.commit(Posting(documents=(later,)), Patient(1))
    snapshot = Showcase(lambda: ledger, 30, lambda: 0.0).snapshot("GBP")
    assert (["cup"], ("later",)) == ([one.reward.id for one in snapshot.shown], snapshot.unreadable)


def test_a_status_survives_another_writing(ledger: MemoryLedger) -> None:
    """Writing a reward that is off the shelf leaves it there."""
    desk(ledger, "k1").put_on_shelf("cup", "", on=False)
    desk(ledger, "k2").write("cup", {"title": "Cup 2", "points": 100, "stock": {"shards": 3}})
    assert (RewardStatus.OFF_SHELF, "Cup 2") == ((now := reward(ledger)).status, now.content["title"])


def test_the_name_of_each_order_is_its_own() -> None:
    """A cursor of one order is none of another."""
    assert len(set(shelving.BY_PLACE.values())) == len(shelving.BY_PLACE)
