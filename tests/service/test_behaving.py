"""Events, check-ins and reviews: once however often they are sent, whoever else writes meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.account import Status
from jifen.domain.errors import (
    AccountFrozen,
    Busy,
    IdempotencyKeyReused,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    NothingToMakeUp,
    ReviewNotFound,
    WrongStatus,
)
from jifen.domain.events import BehaviourEvent, EventReceipt, EventStatus, OnceMark
from jifen.domain.program import Program, parse_program
from jifen.domain.ruling import AuditLine
from jifen.service.behaving import Behaving
from jifen.service.ports import AccountWrite, CampaignKey, EventKey, Ledger, Loaded, OnceKey, Posting
from tests.service.ledgers import Contended, Forgetful, Raced, Torn
from tests.service.scene import NOW, account_of, balance_of, give, points_of, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

RULES: Sequence[Mapping[str, Any]] = (
    {"id": "reg", "on": "member.registered", "fixed": 100},
    {"id": "share", "on": "page.shared", "fixed": 20, "caps": [{"per": "day", "points": 50}]},
    {"id": "sel", "on": "review.selected", "fixed": 30, "once_per": "review_id"},
    {"id": "named", "on": "survey.completed", "given": {"field": "points", "min": 10, "max": 50}},
    {
        "id": "quality",
        "on": "review.scored",
        "ladder": {"field": "score", "steps": [[60, 20], [90, 200]]},
        "approval": True,
    },
    {"id": "daily", "on": "member.checked_in", "streak": {"days": [10, 15, 20], "marks": {"3": 200}}},
    {"id": "friend", "on": "invite.accepted", "fixed": 50},
    {"id": "host", "on": "invite.accepted", "fixed": 20, "to": "inviter"},
)
SPRING = {"id": "spring", "budget_points": 100, "rules": [{"id": "join", "on": "group.joined", "fixed": 40}]}
PROGRAM = parse_program(
    {
        "time_zone": "Asia/Shanghai",
        "earning": {"rules": list(RULES), "campaigns": [SPRING]},
        "check_in": {"make_up": {"cost": 10, "per_month": 2}},
        "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 100}]},
    }
)


def desk(
    ledger: Ledger,
    key: str = "k",
    at: datetime = NOW,
    *,
    subject: str = "shop-server",
    actor: str = "shop:shop-server",
    program: Program = PROGRAM,
    patience: Patient | None = None,
) -> Behaving:
    """The use cases under an idempotency key."""
    return Behaving(ledger, program, program.moment(at), patience or Patient(), subject, actor, key)


def event(kind: str, event_id: str = "e1", member: str = "m1", at: datetime = NOW, **data: Any) -> BehaviourEvent:
    """Something a member did."""
    return BehaviourEvent(kind, event_id, member, at, data)


def state(ledger: MemoryLedger) -> Any:
    """Everything that is kept."""
    return dict(ledger._accounts), dict(ledger._entries), dict(ledger._documents)


def receipt_of(ledger: Ledger, event_id: str = "e1") -> EventReceipt:
    """What is kept of an event."""
    found = ledger.load([], [EventKey("m1", event_id)]).documents[EventKey("m1", event_id)]
    assert isinstance(found, EventReceipt)
    return found


# Once -----------------------------------------------------------------------------------------------------------------


def test_an_event_is_one_read_and_one_transaction(ledger: MemoryLedger) -> None:
    """Account, entry, receipt, and the answer under its key."""
    ledger.loads = ledger.commits = 0
    answer = desk(ledger, "k").take(event("member.registered"))
    assert (1, 1) == (ledger.loads, ledger.commits)
    assert ("AWARDED", 100, [100]) == (answer["status"], answer["points"], points_of(ledger))
    assert proved(ledger)


def test_a_key_that_is_the_events_own_id_keeps_no_answer_of_its_own(ledger: MemoryLedger) -> None:
    """One item less to write."""
    desk(ledger, "e1").take(event("member.registered"))
    assert [EventReceipt] == [type(document) for document in ledger._documents.values()]


@pytest.mark.parametrize("key", ["k", "e1", "other"])
def test_the_same_event_again_gets_the_stored_answer(ledger: MemoryLedger, key: str) -> None:
    """Under the same key, under another one, and days later."""
    first = desk(ledger, "k").take(event("member.registered"))
    again = desk(ledger, key, NOW + timedelta(days=3)).take(event("member.registered"))
    assert (first, [100]) == (again, points_of(ledger))


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("other", event("member.registered", n=1)),
        ("other", event("page.shared")),
        ("other", event("member.registered", at=NOW + timedelta(seconds=1))),
        ("k", event("member.registered", "e2")),
        ("k", event("member.registered", member="m2")),
    ],
    ids=["data", "type", "time", "event id", "member"],
)
def test_other_content_under_a_known_event_or_key_is_refused(
    ledger: MemoryLedger, key: str, changed: BehaviourEvent
) -> None:
    """422, and nothing is written."""
    desk(ledger, "k").take(event("member.registered"))
    before = state(ledger)
    with pytest.raises(IdempotencyKeyReused):
        desk(ledger, key).take(changed)
    assert before == state(ledger)


def test_a_key_is_used_up_by_an_event_that_was_known(ledger: MemoryLedger) -> None:
    """The second key of the same event means that event from then on."""
    desk(ledger, "k").take(event("member.registered"))
    desk(ledger, "k2").take(event("member.registered"))
    with pytest.raises(IdempotencyKeyReused):
        desk(ledger, "k2").take(event("page.shared", "e2"))


def test_a_key_is_its_callers_own(ledger: MemoryLedger) -> None:
    """Two callers may choose the same text."""
    desk(ledger, "k", subject="a").take(event("page.shared", "e1"))
    desk(ledger, "k", subject="b").take(event("page.shared", "e2"))
    assert [20, 20] == points_of(ledger)


def test_a_repeat_is_one_read_and_no_write(ledger: MemoryLedger) -> None:
    """Whether the key or the event is known."""
    desk(ledger, "k").take(event("member.registered"))
    ledger.loads = ledger.commits = 0
    desk(ledger, "k").take(event("member.registered"))
    desk(ledger, "e1").take(event("member.registered"))
    assert (2, 0) == (ledger.loads, ledger.commits)


deliveries = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["a", "b", "e"])), min_size=1, max_size=25)


@given(sent=deliveries)
def test_k_deliveries_are_one(sent: list[tuple[int, str]]) -> None:
    """However often each event is sent, under whatever key, it counts once, and its answer stays."""
    ledger, answers = MemoryLedger(PROGRAM), dict[int, Any]()
    for number, caller in sent:
        key = f"e{number}" if caller == "e" else f"{caller}{number}"
        answer = desk(ledger, key, subject=caller).take(event("page.shared", f"e{number}"))
        assert answers.setdefault(number, answer) == answer
    assert min(50, 20 * len(answers)) == balance_of(ledger)


def test_nothing_given_is_an_answer_too(ledger: MemoryLedger) -> None:
    """It is kept, and no entry is written."""
    answer = desk(ledger).take(event("page.viewed"))
    assert ("NOTHING", [{"refused": "NO_RULE"}], []) == (answer["status"], answer["why"], points_of(ledger))
    assert EventStatus.NOTHING is receipt_of(ledger).status


def test_a_value_is_used_up_with_the_points(ledger: MemoryLedger) -> None:
    """The mark names the event that used it."""
    desk(ledger, "1").take(event("review.selected", "e1", review_id="r1"))
    again = desk(ledger, "2").take(event("review.selected", "e2", review_id="r1"))
    key = OnceKey("m1", "sel", "r1")
    assert OnceMark("m1", "sel", "r1", "e1", 1) == ledger.load([], [key]).documents[key]
    assert ("NOTHING", [30]) == (again["status"], points_of(ledger))


# Races ----------------------------------------------------------------------------------------------------------------

Other = Callable[[Ledger], object]


def sent(kind: str, event_id: str, member: str = "m1", **data: Any) -> Other:
    """Somebody else sends an event."""
    return lambda ledger: desk(ledger, f"k-{event_id}").take(event(kind, event_id, member, **data))


def test_two_deliveries_at_once_are_one(ledger: MemoryLedger) -> None:
    """The one that loses answers what the winner answered."""
    raced = Raced(ledger, lambda inner: desk(inner, "e1").take(event("member.registered")))
    answer = desk(raced, "e1").take(event("member.registered"))
    assert (receipt_of(ledger).answer, [100]) == (answer, points_of(ledger))


def test_an_answer_that_was_lost_is_found_again(ledger: MemoryLedger) -> None:
    """Our own attempt was written."""
    answer = desk(Forgetful(ledger), "k").take(event("member.registered"))
    assert (100, [100]) == (answer["points"], points_of(ledger))


def test_two_events_at_once_share_a_cap(ledger: MemoryLedger) -> None:
    """Fifty a day, whoever comes first."""
    raced = Raced(ledger, sent("page.shared", "e2"), sent("page.shared", "e3"))
    answer = desk(raced).take(event("page.shared"))
    assert (10, 50) == (answer["points"], balance_of(ledger))


def test_one_value_at_once_gives_points_once(ledger: MemoryLedger) -> None:
    """Two events of one review."""
    raced = Raced(ledger, sent("review.selected", "e2", review_id="r1"))
    answer = desk(raced).take(event("review.selected", review_id="r1"))
    assert ("NOTHING", 30) == (answer["status"], balance_of(ledger))


def test_two_members_at_once_share_a_budget(ledger: MemoryLedger) -> None:
    """A hundred points for everybody together: the third gets what is left."""
    raced = Raced(ledger, sent("group.joined", "e2", "m2"), sent("group.joined", "e3", "m3"))
    answer = desk(raced).take(event("group.joined"))
    found = ledger.load([], [CampaignKey("spring")]).documents[CampaignKey("spring")]
    assert (20, 100, 3) == (answer["points"], getattr(found, "given", None), getattr(found, "awards", None))


def test_two_check_ins_at_once_are_one_day(ledger: MemoryLedger) -> None:
    """The member's phone and the member's tablet."""
    raced = Raced(ledger, lambda inner: desk(inner, "tablet").check_in("m1"))
    answer = desk(raced, "phone").check_in("m1")
    assert ("NOTHING", 0, 10) == (answer["status"], answer["points"], balance_of(ledger))


def test_an_inviter_who_is_written_meanwhile_loses_nothing(ledger: MemoryLedger) -> None:
    """Both accounts stand under their versions."""
    desk(ledger, "r").take(event("member.registered", "r", "host"))
    raced = Raced(ledger, sent("page.shared", "s", "host"))
    desk(raced).take(event("invite.accepted", inviter="host"))
    assert (50, 140) == (balance_of(ledger), balance_of(ledger, "host"))
    assert proved(ledger, "m1", "host")


@pytest.mark.parametrize("account_first", [True, False])
def test_a_made_up_day_that_was_done_is_answered_and_not_refused(*, account_first: bool) -> None:
    """A read that falls apart shows an earlier attempt of the same request in the account or in the receipt alone."""
    ledger = broken_run(MemoryLedger(PROGRAM))
    at = NOW + timedelta(days=3)
    torn = Torn(ledger, lambda inner: desk(inner, "up", at).make_up("m1"), account_first=account_first)
    answer = desk(torn, "up", at).make_up("m1")
    assert (200, 10 + 10 + 200 - 10) == (answer["points"], balance_of(ledger))


def test_who_never_gets_through_is_told_to_come_again(ledger: MemoryLedger) -> None:
    """503, and nothing is written."""
    with pytest.raises(Busy):
        desk(Contended(ledger, "m1")).take(event("member.registered"))
    assert ({}, {}, {}) == state(ledger)


# Check-ins ------------------------------------------------------------------------------------------------------------


def broken_run(ledger: MemoryLedger) -> MemoryLedger:
    """Checked in today and in two days; the day between was missed."""
    for number in (0, 2):
        desk(ledger, f"c{number}", NOW + timedelta(days=number)).check_in("m1")
    return ledger


def test_a_check_in_under_its_key_is_the_same_the_next_day(ledger: MemoryLedger) -> None:
    """A retry after midnight is not another check-in."""
    first = desk(ledger, "k").check_in("m1")
    again = desk(ledger, "k", NOW + timedelta(days=1)).check_in("m1")
    assert (first, 10) == (again, balance_of(ledger))


def test_a_check_in_for_another_day_is_refused_by_name(ledger: MemoryLedger) -> None:
    """Only today; the retry of one for a day that has passed still gets its answer."""
    today = PROGRAM.moment(NOW).today
    first = desk(ledger, "k").check_in("m1", today)
    assert first == desk(ledger, "k", NOW + timedelta(days=1)).check_in("m1", today)
    with pytest.raises(InvalidInput, match="day: is not today"):
        desk(ledger, "k2", NOW + timedelta(days=1)).check_in("m1", today)


def test_a_made_up_day_is_paid_and_rewarded_once(ledger: MemoryLedger) -> None:
    """Ten points for the mark of two hundred; the retry spends nothing."""
    broken_run(ledger)
    at = NOW + timedelta(days=3)
    first = desk(ledger, "up", at).make_up("m1")
    assert first == desk(ledger, "up", at).make_up("m1")
    assert (10, 200, 210, "2026-03-02") == (first["cost"], first["points"], first["available"], first["day"])
    assert [10, 10, -10, 200] == points_of(ledger)
    assert proved(ledger)
    with pytest.raises(IdempotencyKeyReused):
        desk(ledger, "up", at).make_up("m1", PROGRAM.moment(NOW).today)


def test_refusals_of_making_up(ledger: MemoryLedger) -> None:
    """Nothing missed, no points, a frozen account; nothing is kept under the key."""
    with pytest.raises(NothingToMakeUp):
        desk(ledger, "u1").make_up("m1")
    broken_run(ledger)
    account = account_of(ledger)
    at = NOW + timedelta(days=3)
    poor = parse_program({"check_in": {"make_up": {"cost": 1_000}}})
    with pytest.raises(InsufficientPoints):
        desk(ledger, "u1", at, program=poor).make_up("m1")
    _write(ledger, status=Status.FROZEN)
    with pytest.raises(AccountFrozen):
        desk(ledger, "u1", at).make_up("m1")
    _write(ledger, status=Status.ACTIVE)
    assert account.balance - 10 + 200 == desk(ledger, "u1", at).make_up("m1")["available"]


def _write(ledger: MemoryLedger, **changes: Any) -> None:
    before = account_of(ledger)
    ledger.commit(Posting((AccountWrite(before, replace(before, **changes)),)), Patient())


# Reviews --------------------------------------------------------------------------------------------------------------


def in_review(ledger: MemoryLedger) -> MemoryLedger:
    """A review of high quality waits with 200 points."""
    answer = desk(ledger, "k").take(event("review.scored", score=95))
    assert ("IN_REVIEW", 0, 200) == (answer["status"], answer["points"], answer["proposed"])
    return ledger


def operator(ledger: Ledger, key: str, at: datetime = NOW) -> Behaving:
    """The desk of an operator."""
    return desk(ledger, key, at, subject="ann", actor="operator:ann")


def audit(ledger: MemoryLedger) -> list[tuple[str, str, str, str]]:
    """Who did what to which event, and why."""
    lines = [document for document in ledger._documents.values() if isinstance(document, AuditLine)]
    return [(line.actor, line.action, line.target, line.reason) for line in lines]


def test_an_approval_posts_once_and_is_on_record(ledger: MemoryLedger) -> None:
    """Entry, receipt, audit and answer in one transaction; the retry gets the answer."""
    in_review(ledger)
    first = operator(ledger, "a").approve("m1", "e1", None, "well written")
    assert first == operator(ledger, "a").approve("m1", "e1", None, "well written")
    assert ("AWARDED", 200, "operator:ann") == (first["status"], first["points"], first["decided_by"])
    assert (EventStatus.AWARDED, 200, "operator:ann") == (
        receipt_of(ledger).status,
        receipt_of(ledger).points,
        receipt_of(ledger).decided_by,
    )
    assert [("operator:ann", "review.approved", "event/m1/e1", "well written")] == audit(ledger)
    assert [200] == points_of(ledger)
    assert proved(ledger)


def test_a_rejection_posts_nothing_and_is_on_record(ledger: MemoryLedger) -> None:
    """And is final."""
    in_review(ledger)
    answer = operator(ledger, "r").reject("m1", "e1", "copied")
    assert ("REJECTED", 0, []) == (answer["status"], answer["points"], points_of(ledger))
    assert [("operator:ann", "review.rejected", "event/m1/e1", "copied")] == audit(ledger)
    with pytest.raises(WrongStatus):
        operator(ledger, "a").approve("m1", "e1", None, "after all")


def test_two_operators_at_once_decide_once(ledger: MemoryLedger) -> None:
    """The second is told what it is now."""
    in_review(ledger)
    raced = Raced(ledger, lambda inner: operator(inner, "r").reject("m1", "e1", "copied"))
    with pytest.raises(WrongStatus) as refused:
        operator(raced, "a").approve("m1", "e1", None, "well written")
    assert ("REJECTED", []) == (refused.value.facts()["status_now"], points_of(ledger))


def test_an_approval_whose_answer_was_lost_is_found_again(ledger: MemoryLedger) -> None:
    """Our own attempt was written."""
    in_review(ledger)
    answer = operator(Forgetful(ledger), "a").approve("m1", "e1", 150, "good")
    assert (150, [150]) == (answer["points"], points_of(ledger))


def test_an_approval_that_was_done_is_answered_and_not_refused(ledger: MemoryLedger) -> None:
    """The receipt shows it and the stored answer does not yet."""

    class Late(Torn):
        """Reads the receipt after the other writer, and the stored answer before."""

        def load(self, members: Sequence[str], documents: Sequence[Any] = ()) -> Loaded:
            answers = self.inner.load([], [key for key in documents if not isinstance(key, EventKey)]).documents
            if self._others and members:
                self._others.pop()(self.inner)
            rest = self.inner.load(members, [key for key in documents if isinstance(key, EventKey)])
            return Loaded(rest.accounts, {**answers, **rest.documents})

    in_review(ledger)
    late = Late(ledger, lambda inner: operator(inner, "a").approve("m1", "e1", None, "good"))
    answer = operator(late, "a").approve("m1", "e1", None, "good")
    assert (200, [200]) == (answer["points"], points_of(ledger))


def test_what_is_approved_is_written_to_its_campaign(ledger: MemoryLedger) -> None:
    """In the same transaction."""
    rule = next(rule for rule in RULES if rule["id"] == "quality")
    program = parse_program({"earning": {"campaigns": [{"id": "spring", "budget_points": 150, "rules": [rule]}]}})
    desk(ledger, program=program).take(event("review.scored", score=95))
    assert 150 == desk(ledger, "a", program=program).approve("m1", "e1", None, "good")["points"]
    found = ledger.load([], [CampaignKey("spring")]).documents[CampaignKey("spring")]
    assert 150 == getattr(found, "given", None)


def test_only_what_waits_can_be_decided(ledger: MemoryLedger) -> None:
    """An event that is not there, and one that never waited."""
    with pytest.raises(ReviewNotFound):
        operator(ledger, "a").approve("m1", "e1", None, "good")
    desk(ledger).take(event("member.registered"))
    with pytest.raises(WrongStatus):
        operator(ledger, "a").reject("m1", "e1", "no")


def test_the_event_again_still_gets_its_first_answer(ledger: MemoryLedger) -> None:
    """What an operator made of it is told to the operator, and to who reads the account."""
    in_review(ledger)
    first = receipt_of(ledger).answer
    operator(ledger, "a").approve("m1", "e1", None, "good")
    assert first == desk(ledger, "k").take(event("review.scored", score=95))
    assert first == desk(ledger, "e1").take(event("review.scored", score=95))


# Members --------------------------------------------------------------------------------------------------------------


def test_points_out_of_bounds_are_refused_and_can_be_sent_right(ledger: MemoryLedger) -> None:
    """A refusal keeps nothing under the key or the event."""
    with pytest.raises(InvalidInput):
        desk(ledger).take(event("survey.completed", points=51))
    assert ({}, {}, {}) == state(ledger)
    assert 50 == desk(ledger).take(event("survey.completed", points=50))["points"]


def test_a_profile_is_kept_and_the_same_again_writes_nothing(ledger: MemoryLedger) -> None:
    """It is not money: no entry."""
    said = desk(ledger).set_profile("m1", "05-01", "SH", ["vip"])
    ledger.commits = 0
    assert said == desk(ledger).set_profile("m1", "05-01", "SH", ["vip"]) == desk(ledger).profile("m1")
    assert (0, [], "05-01") == (ledger.commits, points_of(ledger), said["birthday"])


def test_what_a_member_sees(ledger: MemoryLedger) -> None:
    """Run, tasks and tier, each of one read."""
    desk(ledger).take(event("member.registered"))
    desk(ledger, "c").check_in("m1")
    ledger.loads = 0
    here = desk(ledger)
    assert (True, [], "gold") == (
        here.check_ins("m1")["checked_in"],
        here.tasks("m1")["tasks"],
        here.tier("m1").get("level"),
    )
    assert 3 == ledger.loads
    assert {} == desk(ledger, program=parse_program({})).tier("m1")


def test_a_limit_that_leaves_nothing_keeps_a_review_waiting(ledger: MemoryLedger) -> None:
    """It can be approved once the limit has reset."""
    capped = [{**rule, "caps": [{"per": "day", "points": 200}]} if rule["id"] == "quality" else rule for rule in RULES]
    program = parse_program({"earning": {"rules": capped}})
    for number in (1, 2):
        desk(ledger, f"k{number}", program=program).take(event("review.scored", f"e{number}", score=95))
    desk(ledger, "a1", program=program).approve("m1", "e1", None, "good")
    with pytest.raises(LimitReached):
        desk(ledger, "a2", program=program).approve("m1", "e2", None, "good")
    tomorrow = NOW + timedelta(days=1)
    assert 200 == desk(ledger, "a2", tomorrow, program=program).approve("m1", "e2", None, "good")["points"]


def test_a_member_with_points_checks_in_as_any_other(ledger: MemoryLedger) -> None:
    """What stood in the account stays."""
    give(ledger, "m1", 500)
    desk(ledger).check_in("m1")
    assert 510 == balance_of(ledger)
