"""Policies of validity as use cases: applied by the sweep, each once, and taken back, whoever else is at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from jifen.domain.account import Reminded, Told
from jifen.domain.batches import BatchRow, BatchStatus, ValidityBatch
from jifen.domain.entries import Reason
from jifen.domain.errors import Busy, LedgerFault
from jifen.domain.program import Moment, Program, parse_program
from jifen.domain.transfers import Transfer
from jifen.service.expiring import ROW_SHARDS, expire, row_shard
from jifen.service.life_documents import BatchKey, BatchRowKey
from jifen.service.ports import AccountWrite, DocumentKey, Ledger, Loaded, Posting, ShardTask, Sweep
from jifen.service.spending import Spending
from jifen.service.sweep_runs import SETTLED_S
from jifen.service.taking_back import TakingBack
from jifen.service.transferring import Transferring
from jifen.service.validity import Asked, Previewing, reverse
from tests.service.ledgers import Contended, Forgetful, Raced, Torn
from tests.service.queues import Tasks
from tests.service.scene import account_of, desk, give, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

PROGRAM = parse_program(
    {
        "time_zone": "Asia/Shanghai",
        "validity": {
            "policies": [
                {
                    "id": "loyal",
                    "starts_on": "2027-01-01",
                    "when": {"spent": {"months": 1, "each_minor": 100}},
                    "extend": {"months": 6},
                },
                {
                    "id": "sleepy",
                    "starts_on": "2027-01-01",
                    "when": {"inactive": {"months": 2, "known_since": "2026-12-01"}},
                    "leave": {"months": 3},
                },
                {
                    "id": "dormant",
                    "starts_on": "2027-01-01",
                    "when": {"inactive": {"months": 2, "known_since": "2026-12-01"}},
                    "void": {"share": "0.5"},
                },
            ]
        },
    }
)
LAST = date(2028, 3, 31)
MARK = "points.dormant/dormant@0.5/2027-01-09/2027-03-10/50"

EVERY_POINT = "points.dormant/dormant@1/2027-01-09/2027-03-10"


def on(day: str) -> Moment:
    """Noon in Shanghai."""
    return PROGRAM.moment(datetime.fromisoformat(f"{day}T12:00:00+08:00").astimezone(UTC))


NIGHT = on("2027-03-10")


@pytest.fixture
def ledger() -> MemoryLedger:
    """A member with 100 points who was seen last on 9 January."""
    made = MemoryLedger(PROGRAM)
    give(made, "m1", 100, LAST)
    change(made, seen={"login": date(2027, 1, 9)})
    return made


def change(ledger: Ledger, member: str = "m1", told: Told | None = None, **standing: object) -> None:
    """Write something into the account's standing, as other use cases do."""
    account = account_of(ledger, member)
    after = replace(account, standing=replace(account.standing, **standing), told=told or account.told)  # type: ignore[arg-type]  # the fields of a standing
    ledger.commit(Posting((AccountWrite(account, after),)), Patient())


def expired(ledger: Ledger, moment: Moment = NIGHT, member: str = "m1", program: Program = PROGRAM) -> bool:
    """What the sweep does to one account."""
    return expire(ledger, member, moment, Patient(3), program)


def lots(ledger: Ledger, member: str = "m1") -> list[tuple[int, str]]:
    """Points and last days."""
    return [(lot.points, str(lot.expires_on)) for lot in account_of(ledger, member).lots]


def row_of(ledger: Ledger, batch: str = "sleepy.2027-03-10", member: str = "m1") -> BatchRow:
    """The row of a member in a batch."""
    found = ledger.load([], [key := BatchRowKey(batch, row_shard(member), member)]).documents[key]
    assert isinstance(found, BatchRow)
    return found


def batch_of(ledger: Ledger, batch: str = "sleepy.2027-03-10") -> ValidityBatch:
    """A batch."""
    found = ledger.load([], [BatchKey(batch)]).documents[BatchKey(batch)]
    assert isinstance(found, ValidityBatch)
    return found


def begin(
    ledger: Ledger, batch: str = "sleepy.2027-03-10", key: str = "k", moment: Moment = NIGHT
) -> Sequence[ShardTask]:
    """Ask for a batch to be taken back; the tasks of that."""
    queue = Tasks()
    reverse(ledger, queue, batch, "a mistake", Asked("ada", "admin:ada", key), moment, Patient())
    return queue.waiting


def taken_back(ledger: Ledger, member: str = "m1", moment: Moment = NIGHT, batch: str = "sleepy.2027-03-10") -> bool:
    """What a worker does to one account."""
    task = ShardTask(Sweep.EXPIRE, moment.now, row_shard(member), batch=batch)
    return TakingBack(ledger, task, PROGRAM, moment, Patient(3)).act(member)


def work_off(ledger: Ledger, task: ShardTask, moment: Moment = NIGHT) -> None:
    """What a worker does with its part of a batch."""
    taking = TakingBack(ledger, task, PROGRAM, moment, Patient(3))
    for member in taking.pages(None, 100).members:
        taking.act(member)
    taking.finish()


# The sweep -----------------------------------------------------------------------------------------------------------


def test_a_change_its_row_and_its_batch_are_written_together(ledger: MemoryLedger) -> None:
    """One transaction; the next account of the day finds the batch there."""
    give(ledger, "m2", 50, LAST)
    commits = ledger.commits
    assert expired(ledger)
    assert commits + 1 == ledger.commits
    assert expired(ledger, member="m2")

    assert [(100, "2027-06-10")] == lots(ledger)
    assert (2,) == row_of(ledger).sequences
    assert (100, ()) == (row_of(ledger).points, row_of(ledger).taken_back)
    batch = batch_of(ledger)
    assert ("sleepy", "leave", date(2027, 3, 10), BatchStatus.APPLIED) == (
        batch.policy,
        batch.effect,
        batch.day,
        batch.status,
    )
    assert not expired(ledger)
    assert proved(ledger, "m1", "m2")


def test_a_lost_answer_changes_nothing_twice(ledger: MemoryLedger) -> None:
    """The resend finds that it is done."""
    expired(Forgetful(ledger))

    assert [(100, "2027-06-10")] == lots(ledger)
    assert (2,) == row_of(ledger).sequences
    assert proved(ledger)


@pytest.mark.parametrize("account_first", [True, False])
def test_a_member_who_comes_back_in_between_keeps_the_days(ledger: MemoryLedger, *, account_first: bool) -> None:
    """A login between the decision and its commit is seen, wherever it falls."""
    login = lambda inner: change(inner, seen={"login": date(2027, 3, 10)})  # noqa: E731 - what the other writer does
    for raced in (Raced(ledger, login), Torn(ledger, login, account_first=account_first)):
        assert not expired(raced)
        assert [(100, str(LAST))] == lots(ledger)


def test_somebody_elses_row_of_the_same_batch_is_no_hindrance(ledger: MemoryLedger) -> None:
    """Two accounts that begin a batch at once: the second is decided again."""
    give(ledger, "m2", 50, LAST)
    assert expired(Raced(ledger, lambda inner: expired(inner, member="m2")))
    assert (2,) == row_of(ledger).sequences == row_of(ledger, member="m2").sequences


def test_several_policies_of_one_night_are_one_transaction_with_a_row_each(ledger: MemoryLedger) -> None:
    """In the order of the program: extended, cut, then half of it voided."""
    change(ledger, spent={"2027-02": 100}, told=Told({MARK: Reminded(0)}))
    commits = ledger.commits

    assert expired(ledger)

    assert commits + 1 == ledger.commits
    assert [(50, "2027-06-10")] == lots(ledger)
    rows = [row_of(ledger, f"{name}.2027-03-10") for name in ("loyal", "sleepy", "dormant")]
    assert [((2,), 100), ((3,), 100), ((4,), 50)] == [(row.sequences, row.points) for row in rows]
    assert proved(ledger)


def test_a_window_that_is_made_up_for_on_the_same_day_joins_the_row(ledger: MemoryLedger) -> None:
    """A late order makes another month count: the same batch, the same row, another entry."""
    change(ledger, spent={"2027-01": 100}, seen={"login": date(2027, 3, 9)})
    assert expired(ledger)
    change(ledger, spent={"2027-01": 100, "2027-02": 100})
    assert expired(ledger)

    row = row_of(ledger, "loyal.2027-03-10")
    assert ((2, 3), 200, [(100, "2029-03-31")]) == (row.sequences, row.points, lots(ledger))


def test_a_policy_without_effect_is_remembered_without_a_row(ledger: MemoryLedger) -> None:
    """Nothing lasts longer than what is left: no entry, no batch, and not looked at again."""
    give(ledger, "m2", 50, date(2027, 4, 30))
    assert expired(ledger, member="m2")

    assert [(50, "2027-04-30")] == lots(ledger, "m2")
    assert {} == ledger.load([], [BatchKey("sleepy.2027-03-10")]).documents
    assert "m2" not in {m for s in range(4) for m in ledger.due(Sweep.EXPIRE, s, NIGHT.today, None, 9).members}


def test_a_task_that_waited_leaves_what_is_left_from_the_day_on_which_it_is_done(ledger: MemoryLedger) -> None:
    """Paused for three weeks, the sweep of 10 March cuts the points as one of the 31st would."""
    assert expired(ledger, PROGRAM.moment(NIGHT.now, recorded_at=on("2027-03-31").now))

    assert [(100, "2027-06-30")] == lots(ledger)
    assert (100,) == (row_of(ledger, "sleepy.2027-03-31").points,)


def test_without_policies_nothing_is_read_besides_the_account(ledger: MemoryLedger) -> None:
    """One read, one transaction, as ever."""
    loads, commits = ledger.loads, ledger.commits
    assert expired(ledger, on("2028-04-01"), program=replace(PROGRAM, policies=()))
    assert (loads + 1, commits + 1) == (ledger.loads, ledger.commits)


@pytest.mark.parametrize("effect", [{"extend": {"months": 6}}, {"leave": {"months": 3}}])
def test_a_transfer_that_a_policy_has_moved_is_taken_back_as_any_other(effect: dict[str, Any]) -> None:
    """A thief's friend who is away for long keeps nothing by it: the sender's points return to their own days."""
    away = {"inactive": {"months": 2, "known_since": "2026-12-01"}}
    policy = {"id": "away", "starts_on": "2027-01-01", "when": away, **effect}
    of = parse_program(
        {"time_zone": "Asia/Shanghai", "transfers": {"cooling_days": 5}, "validity": {"policies": [policy]}}
    )
    made = MemoryLedger(of)
    give(made, "m1", 1, None)
    give(made, "m2", 100, LAST)
    change(made, seen={"login": date(2027, 1, 9)})

    def transferring(moment: Moment, key: str) -> Transferring:
        return Transferring(made, of, moment, Patient(), "shop", "shop", key)

    transferring(on("2027-03-09"), "k1").send("m2", "m1", 60, "")
    (sent,) = [one.id for one in made._documents.values() if isinstance(one, Transfer)]
    assert expired(made, program=of)
    assert (60, str(LAST)) not in lots(made)

    transferring(on("2027-03-11"), "k2").cancel(sent)

    assert [(100, str(LAST))] == lots(made, "m2")
    assert [1] == [points for points, _ in lots(made)]
    assert proved(made, "m1", "m2")


# Taking back ---------------------------------------------------------------------------------------------------------


def test_only_a_batch_that_somebody_takes_back_is_taken_back(ledger: MemoryLedger) -> None:
    """A task without that does nothing, nor one of a batch that nobody knows."""
    expired(ledger)
    assert not taken_back(ledger)
    assert not taken_back(ledger, batch="sleepy.2027-03-11")
    assert [(100, "2027-06-10")] == lots(ledger)


def test_a_row_is_settled_once_whoever_tries(ledger: MemoryLedger) -> None:
    """A lost answer, a second worker, a second request: one entry."""
    expired(ledger)
    assert 2 * ROW_SHARDS == len(begin(ledger))
    taken_back(Forgetful(ledger))
    assert not taken_back(ledger)
    begin(ledger, key="again")
    assert not taken_back(ledger)

    assert [(100, str(LAST))] == lots(ledger)
    assert ((2,), (2,), (3,)) == (
        row_of(ledger).sequences,
        row_of(ledger).taken_back,
        row_of(ledger).reversed_by,
    )
    assert proved(ledger)


def test_a_redemption_in_between_is_taken_into_account(ledger: MemoryLedger) -> None:
    """What is spent while it is taken back stays spent."""
    expired(ledger)
    begin(ledger)
    spend = lambda inner: desk(inner, "k", NIGHT, PROGRAM).redeem("m1", 30)  # noqa: E731 - the other writer

    assert taken_back(Raced(ledger, spend))

    assert [(70, str(LAST))] == lots(ledger)
    assert proved(ledger)


def test_shortened_points_that_a_hold_reserves_are_waited_for(ledger: MemoryLedger) -> None:
    """Given back with their shorter day once all is settled, they would lapse by a policy that was taken back."""
    assert expired(ledger)
    spending = Spending(ledger, PROGRAM, NIGHT, Patient(), "k", "shop")
    hold_id = spending.authorize("m1", 60)["hold_id"]
    begin(ledger)

    with pytest.raises(Busy):
        taken_back(ledger)
    assert (40, ()) == (account_of(ledger, "m1").available(NIGHT.today), row_of(ledger).taken_back)
    replace(spending, key="k2").void(hold_id)
    assert taken_back(ledger)
    assert [(100, str(LAST))] == lots(ledger)
    assert proved(ledger)


def test_points_of_another_day_in_a_hold_are_not_waited_for(ledger: MemoryLedger) -> None:
    """What the batch did not touch is no reason to wait."""
    give(ledger, "m1", 60, date(2027, 4, 30))
    assert expired(ledger)
    Spending(ledger, PROGRAM, NIGHT, Patient(), "k", "shop").authorize("m1", 60)
    begin(ledger)

    assert taken_back(ledger)
    assert [(100, str(LAST))] == lots(ledger)


def test_a_contended_account_is_left_and_the_part_is_not_done(ledger: MemoryLedger) -> None:
    """The worker is told to come back."""
    expired(ledger)
    begin(ledger)
    with pytest.raises(Busy):
        taken_back(Contended(ledger, "m1"))
    assert () == row_of(ledger).taken_back


def test_a_long_history_since_is_read_to_its_end(ledger: MemoryLedger) -> None:
    """Points that lapsed long ago come back, although hundreds of entries follow."""
    expired(ledger)
    gone = on("2027-06-11")
    for number in range(230):
        give(ledger, "m1", 1, date(2029, 1, 31))
        if number == 100:
            expired(ledger, gone)
    assert 100 == account_of(ledger).lifetime.expired
    begin(ledger, moment=gone)

    assert taken_back(ledger, moment=gone)

    assert [(100, str(LAST)), (230, "2029-01-31")] == lots(ledger)
    assert [Reason.EXPIRY_REVERSED, Reason.VALIDITY_REVERSED] == [
        entry.draft.reason for entry in list(ledger.history("m1"))[-2:]
    ]
    assert proved(ledger)


def test_the_last_part_makes_it_reversed(ledger: MemoryLedger) -> None:
    """Sixteen parts, each noted once, in any order; then nothing changes any more."""
    expired(ledger)
    tasks = begin(ledger)
    for task in [*tasks, *tasks]:
        taking = TakingBack(ledger, task, PROGRAM, NIGHT, Patient())
        assert taking.counted() == (1 if task.shard == row_shard("m1") else 0)
        for member in taking.pages(None, 100).members:
            taking.act(member)
        taking.finish()
    assert (BatchStatus.REVERSED, tuple(range(ROW_SHARDS))) == (batch_of(ledger).status, batch_of(ledger).shards_done)


def test_a_batch_that_is_taken_back_is_not_added_to(ledger: MemoryLedger) -> None:
    """The sweep leaves the account as it is, and does the other policies."""
    give(ledger, "m2", 50, LAST)
    change(ledger, "m2", spent={"2027-02": 100})
    expired(ledger)
    begin(ledger)

    assert expired(ledger, member="m2")
    assert [(50, "2028-09-30")] == lots(ledger, "m2")
    assert not expired(ledger, member="m2")
    assert expired(ledger, on("2027-03-11"), member="m2")
    assert [(50, "2027-06-11")] == lots(ledger, "m2")


def test_what_is_added_at_the_instant_of_taking_back_is_settled_by_the_late_pass(ledger: MemoryLedger) -> None:
    """A worker that had read the batch before it was marked writes its row behind those who go over the rows."""
    give(ledger, "m2", 50, LAST)
    change(ledger, "m2", seen={"login": date(2027, 1, 9)})
    assert expired(ledger)
    queue = Tasks()

    def takes_back(inner: Ledger) -> None:
        reverse(inner, queue, "sleepy.2027-03-10", "a mistake", Asked("ada", "admin:ada", "k"), NIGHT, Patient())
        for task, delay_s in zip(queue.waiting, queue.delays, strict=True):
            assert delay_s in {0, SETTLED_S}
            if not delay_s:
                work_off(inner, task)

    assert expired(Raced(ledger, takes_back), member="m2")
    assert (BatchStatus.REVERSED, ()) == (batch_of(ledger).status, row_of(ledger, member="m2").taken_back)

    for task, delay_s in zip(queue.waiting, queue.delays, strict=True):
        if delay_s:
            work_off(ledger, task)
    assert (2,) == row_of(ledger, member="m2").taken_back
    assert [(50, str(LAST))] == lots(ledger, "m2")
    assert sorted({task.shard for task in queue.waiting}) == [*range(ROW_SHARDS)]
    assert proved(ledger, "m1", "m2")


def test_what_a_policy_does_only_because_another_is_held_back_has_its_row(ledger: MemoryLedger) -> None:
    """Nothing is voided any more that day, so there is something to shorten: it can be taken back too."""
    void, leave = replace(PROGRAM.policies[2], share=Fraction(1)), PROGRAM.policies[1]
    of = replace(PROGRAM, policies=(void, leave))
    give(ledger, "m2", 100, LAST)
    for member in ("m1", "m2"):
        change(ledger, member, seen={"login": date(2027, 1, 9)}, told=Told({f"{EVERY_POINT}/1000": Reminded(0)}))
    assert expired(ledger, program=of)
    assert [] == lots(ledger)
    begin(ledger, "dormant.2027-03-10")

    assert expired(ledger, member="m2", program=of)

    assert [(100, "2027-06-10")] == lots(ledger, "m2")
    assert ((2,), 100) == (row_of(ledger, member="m2").sequences, row_of(ledger, member="m2").points)
    assert "leave" == batch_of(ledger).effect


# Preview -------------------------------------------------------------------------------------------------------------


class Broken(Raced):
    """One account cannot be read."""

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """Fail where it is among them."""
        if "m3" in members:
            message = "not a lot"
            raise ValueError(message)
        return super().load(members, documents)


def test_an_account_that_cannot_be_read_hides_no_other(ledger: MemoryLedger) -> None:
    """It is named, and the others are previewed."""
    for member in ("m2", "m3", "m4"):
        give(ledger, member, 10, LAST)
    previewing = Previewing(Broken(ledger), 0, PROGRAM, NIGHT.now, 4, b"secret")

    page = previewing.page(None, None, 100)

    assert (["m3"], 3) == (page["unreadable"], page["accounts"])
    assert {"m1", "m2", "m4"} == {case["member_id"] for case in page["cases"]}
    assert {"sleepy": 3, "dormant": 3, "loyal": 0} == {one["policy"]: one["accounts"] for one in page["totals"]}


def test_a_preview_says_what_the_sweep_does(ledger: MemoryLedger) -> None:
    """For every account that a policy meets: the same points, the same days."""
    policies = tuple(policy for policy in PROGRAM.policies if policy.id != "dormant")
    program = replace(PROGRAM, policies=policies)
    for number in range(20):
        give(ledger, f"n{number}", 10 + number, LAST + timedelta(days=31 * number))
        change(ledger, f"n{number}", seen={"login": date(2027, 1, 1) + timedelta(days=number)})
        if number % 3 == 0:
            change(ledger, f"n{number}", spent={"2027-02": 100})
    page = Previewing(ledger, 0, program, NIGHT.now, 4, b"secret").page(None, None, 500)

    foretold = {(case["member_id"], case["policy"], case["points"], case["then"]) for case in page["cases"]}
    found = set()
    for member in [f"n{number}" for number in range(20)] + ["m1"]:
        expired(ledger, member=member, program=program)
        for entry in ledger.history(member):
            if entry.draft.source.type == "validity":
                then = min(str(one.expires_on) for one in entry.draft.lots if one.points > 0)
                found.add((member, entry.draft.why[0]["policy"], entry.draft.why[0]["points"], then))
    assert found == foretold
    assert len(found) > 10


def test_a_broken_commit_is_not_swallowed(ledger: MemoryLedger) -> None:
    """What is no contention is told."""

    def fail(_inner: Ledger) -> None:
        raise LedgerFault

    with pytest.raises(LedgerFault):
        expired(Raced(ledger, fail))
