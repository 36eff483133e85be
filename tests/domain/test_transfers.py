"""Transfers: points change hands and nothing else; they are taken back while nobody could use them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jifen.domain import debits
from jifen.domain.account import Account, Change, Status, as_of
from jifen.domain.clawback import claw_back
from jifen.domain.debits import Guard
from jifen.domain.entries import Draft, Entry, Kind, Reason, Source
from jifen.domain.errors import (
    AccountFrozen,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    NotOffered,
    PasswordRequired,
    RecipientUnavailable,
    Refusal,
    TransferFinal,
    WrongStatus,
)
from jifen.domain.lots import LOTS_MAX, Lot, LotChange, total
from jifen.domain.program import ClawbackPolicy, Moment, Program, parse_program
from jifen.domain.proof import prove
from jifen.domain.standing import Standing
from jifen.domain.transfers import Gift, Moved, Transfer, TransferStatus, cancel, handed_over, send
from tests.domain.builders import account_with, bonus, day, later, lot, noon

NOW = noon("2026-03-01")
A, B = "alice", "bob"
RICH = account_with(lot(100, "2026-12-31"), lot(50, "2026-06-30"), lot(30), moment=NOW, member=A)
EMPTY = Account(B)
OPENED = Standing(seen={"opened": NOW.today})
"""What is remembered of a member who got something: the day of it, and nothing else."""


def program(**terms: Any) -> Program:
    """A program with these terms for transfers."""
    return parse_program({"transfers": terms})


def gift(points: int, key: str = "t1", **more: Any) -> Gift:
    """What Alice gives to Bob."""
    return Gift(key, A, B, points, **more)


def given(
    points: int,
    terms: Program,
    receiver: Account = EMPTY,
    moment: Moment = NOW,
    sender: Account = RICH,
    key: str = "t1",
) -> Moved:
    """Alice's gift to Bob."""
    return send(sender, receiver, gift(points, key), terms, moment)


def refusal_of(points: int, terms: Program, **more: Any) -> Refusal:
    """How a gift is refused."""
    with pytest.raises(Refusal) as caught:
        given(points, terms, **more)
    return caught.value


# Giving --------------------------------------------------------------------------------------------------------------


def test_a_gift_moves_the_soonest_lots_with_their_last_valid_days() -> None:
    """70 of Alice's points: 50 that end in June and 20 that end in December, for Bob with the same days, at once."""
    moved = given(70, program())

    assert (lot(80, "2026-12-31"), lot(30)) == moved.sender.account.lots
    assert (lot(50, "2026-06-30"), lot(20, "2026-12-31")) == moved.receiver.account.lots
    assert (110, 70) == (moved.sender.account.balance, moved.receiver.account.balance)
    assert 70 == moved.receiver.account.available(NOW.today)


def test_both_entries_name_the_transfer_and_the_other_side() -> None:
    """TRANSFER_OUT says to whom, TRANSFER_IN from whom; both have the transfer as their source and who asked."""
    moved = send(RICH, EMPTY, gift(70, actor="member:alice"), program(), NOW)

    (out,), (into,) = moved.sender.entries, moved.receiver.entries
    assert (Kind.TRANSFER_OUT, Reason.TRANSFER_SENT, -70) == (out.draft.kind, out.draft.reason, out.draft.points)
    assert (Kind.TRANSFER_IN, Reason.TRANSFER_RECEIVED, 70) == (into.draft.kind, into.draft.reason, into.draft.points)
    assert ({"transfer": "t1", "to": B},) == out.draft.why
    assert ({"transfer": "t1", "from": A},) == into.draft.why
    assert [Source("transfer", "t1")] * 2 == [out.draft.source, into.draft.source]
    assert ["member:alice"] * 2 == [out.draft.actor, into.draft.actor]


def test_a_gift_is_in_no_lifetime_figure_and_counts_for_no_tier() -> None:
    """Earned, redeemed, expired and clawed back stay what they were, and so does what tiers count."""
    moved = given(70, program())

    assert (RICH.lifetime, EMPTY.lifetime) == (moved.sender.account.lifetime, moved.receiver.account.lifetime)
    assert (RICH.standing, OPENED) == (moved.sender.account.standing, moved.receiver.account.standing)


def test_a_gift_pays_the_receivers_debt_first() -> None:
    """Bob owes 60: of 70 points given 10 go into a lot, and the entry still says that 70 came."""
    moved = given(70, program(), receiver=replace(EMPTY, debt=60))

    (entry,) = moved.receiver.entries
    assert (0, (lot(10, "2026-12-31"),)) == (moved.receiver.account.debt, moved.receiver.account.lots)
    assert (70, -60) == (entry.draft.points, entry.draft.debt)
    assert 10 == total(moved.transfer.received)


def test_points_given_with_a_cooling_time_are_pending_but_never_beyond_their_last_day() -> None:
    """After 150 days of cooling; points that end before can be used on their last valid day."""
    moved = given(70, program(cooling_days=150))

    usable = NOW.today + timedelta(days=150)
    assert (lot(50, "2026-06-30", "2026-06-30"), Lot(20, day("2026-12-31"), usable)) == moved.receiver.account.lots
    assert (0, 70) == (moved.receiver.account.available(NOW.today), moved.receiver.account.pending(NOW.today))
    assert usable == moved.transfer.active_from


def test_points_that_became_active_are_passed_on_as_such() -> None:
    """A lot's own first day of use, long past, does not part the receiver's lots; held ones are not given."""
    sender = account_with(lot(10, "2026-12-31", "2026-02-01"), lot(10, "2026-12-31"), moment=NOW, member=A)

    moved = given(20, program(), sender=sender)

    assert (lot(20, "2026-12-31"),) == moved.receiver.account.lots


def test_pending_and_expired_points_are_not_given() -> None:
    """Of 10 pending, 10 that lapsed last night and 5 others, 5 can be given."""
    lots = (lot(10, "2026-12-31", "2026-04-01"), lot(10, "2026-02-28"), lot(5, "2026-12-31"))
    sender = account_with(*lots, moment=noon("2026-02-01"), member=A)

    assert {"asked": 6, "available": 5} == refusal_of(6, program(), sender=sender).facts()
    assert 5 == given(5, program(), sender=sender).receiver.account.balance


def test_what_time_did_to_either_account_is_written_down_first() -> None:
    """Lapsed lots on both sides are entries of their own, before the gift."""
    gone = lot(9, "2026-02-28")
    sender = bonus(Change(RICH), (gone,), noon("2026-02-01")).account
    receiver = account_with(gone, moment=noon("2026-02-01"), member=B)

    moved = given(70, program(), sender=sender, receiver=receiver)

    assert [Kind.EXPIRE, Kind.TRANSFER_OUT] == [entry.draft.kind for entry in moved.sender.entries]
    assert [Kind.EXPIRE, Kind.TRANSFER_IN] == [entry.draft.kind for entry in moved.receiver.entries]


# Refusals ------------------------------------------------------------------------------------------------------------


def test_a_program_that_offers_no_transfers_says_so() -> None:
    """``enabled`` false: NOT_OFFERED, whoever asks for what."""
    assert isinstance(refusal_of(1_000, program(enabled=False)), NotOffered)


def test_nobody_gives_to_oneself() -> None:
    """The field ``to`` is at fault."""
    with pytest.raises(InvalidInput, match=r"^to: "):
        send(RICH, RICH, Gift("t1", A, A, 1), program(), NOW)


@pytest.mark.parametrize(
    ("terms", "points", "limit"),
    [({"min_points": 10}, 9, "transfer_min_points"), ({"max_points": 10}, 11, "transfer_max_points")],
)
def test_one_transfer_has_a_least_and_a_most(terms: dict[str, int], points: int, limit: str) -> None:
    """LIMIT_REACHED naming which of both and what it allows; the number itself is allowed."""
    refused = refusal_of(points, program(**terms))

    assert {"limit": limit, "allowed": 10, "resets_at": None} == refused.facts()
    assert 10 == given(10, program(**terms)).transfer.points


@pytest.mark.parametrize(
    ("terms", "limit", "resets"),
    [
        ({"points_per_day": 100}, "transfer_points_per_day", "2026-03-02T00:00:00+00:00"),
        ({"times_per_day": 1}, "transfer_times_per_day", "2026-03-02T00:00:00+00:00"),
        ({"points_per_month": 100}, "transfer_points_per_month", "2026-04-01T00:00:00+00:00"),
    ],
)
def test_a_sender_has_limits_that_reset(terms: dict[str, int], limit: str, resets: str) -> None:
    """After 60 of Alice's points, another 60 are above the limit; once it has reset they are given."""
    first = given(60, program(**terms))
    (allowed,) = terms.values()

    refused = refusal_of(60, program(**terms), sender=first.sender.account)
    after = program().moment(NOW.now.fromisoformat(resets))

    assert {"limit": limit, "allowed": allowed, "resets_at": resets} == refused.facts()
    assert given(60, program(**terms), sender=first.sender.account, moment=after)


def test_a_receiver_has_a_limit_whoever_gives() -> None:
    """Bob may be given 100 a day: 60 of Alice's, then not 60 of Carol's; what Bob gives does not count."""
    terms = program(received_per_day=100)
    first = given(60, terms)
    carol = account_with(lot(100), moment=NOW, member="carol")

    with pytest.raises(LimitReached) as caught:
        send(carol, first.receiver.account, Gift("t2", "carol", B, 60), terms, NOW)

    assert "transfer_received_per_day" == caught.value.facts()["limit"]
    back = send(first.receiver.account, first.sender.account, Gift("t3", B, A, 60), terms, NOW)
    assert 180 == back.receiver.account.balance


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.ACTIVE])
def test_a_receiver_that_cannot_be_given_points_is_one_refusal(status: Status) -> None:
    """Frozen, closed, merged, erased or unknown: the sender learns that it is not possible, and not why."""
    refused = refusal_of(10, program(), receiver=replace(EMPTY, status=status, revision=3))
    unknown = refusal_of(10, program(known_only=True))

    assert isinstance(refused, RecipientUnavailable)
    assert (refused.facts(), refused.detail) == (unknown.facts(), unknown.detail) == ({}, unknown.title())


def test_a_sender_without_the_points_learns_nothing_of_the_receiver() -> None:
    """The sender's own account is judged first."""
    frozen = replace(EMPTY, status=Status.FROZEN)

    assert isinstance(refusal_of(181, program(), receiver=frozen), InsufficientPoints)
    assert isinstance(
        refusal_of(1, program(), receiver=frozen, sender=replace(RICH, status=Status.FROZEN)), AccountFrozen
    )


def test_giving_is_spending_to_the_points_password() -> None:
    """Above 50 points in a day it is needed, and two gifts of 30 are above."""
    guarded = Guard(50, proven=False)
    first = send(RICH, EMPTY, gift(30), program(), NOW, guarded)

    with pytest.raises(PasswordRequired) as caught:
        send(first.sender.account, EMPTY, gift(30), program(), NOW, guarded)

    assert {"above": 50, "spent_today": 30} == caught.value.facts()
    assert send(first.sender.account, EMPTY, gift(30), program(), NOW, Guard(50, proven=True))


def test_a_receiver_of_too_many_lots_is_tidied_or_refused() -> None:
    """Lots that became active long since are joined; an account full of points still cooling takes no more of them."""
    first = date(2026, 1, 1)
    past = [Lot(1, None, first + timedelta(days=number % 50)) for number in range(50)]
    dated = [Lot(1, first + timedelta(days=200 + number)) for number in range(LOTS_MAX - 50)]
    busy = account_with(*past, *dated, moment=NOW, member=B)
    cooling = account_with(
        *[Lot(1, None, date(2026, 4, 1) + timedelta(days=number)) for number in range(LOTS_MAX)], moment=NOW, member=B
    )

    moved = given(70, program(), receiver=busy)

    assert LOTS_MAX == len(busy.lots)
    assert LOTS_MAX > len(moved.receiver.account.lots)
    assert busy.balance + 70 == moved.receiver.account.balance
    assert isinstance(refusal_of(10, program(cooling_days=5), receiver=cooling), RecipientUnavailable)


# Taking back ---------------------------------------------------------------------------------------------------------

COOLING = program(cooling_days=7, points_per_day=100, times_per_day=1, received_per_day=100)


def taken_back(moved: Moved, moment: Moment = NOW, terms: Program = COOLING, **changed: Account) -> Moved:
    """Alice takes her gift back."""
    sender = changed.get("sender", moved.sender.account)
    receiver = changed.get("receiver", moved.receiver.account)
    return cancel(sender, receiver, moved.transfer, terms, moment, "member:alice")


def test_taking_a_gift_back_puts_every_point_where_it_was() -> None:
    """While it cools: Alice's lots are as before, Bob's too, and no limit was used."""
    moved = given(70, COOLING)

    back = taken_back(moved, later(NOW, days=6))

    assert (RICH.lots, ()) == (back.sender.account.lots, back.receiver.account.lots)
    assert (RICH.standing, OPENED) == (back.sender.account.standing, back.receiver.account.standing)
    assert TransferStatus.CANCELED is back.transfer.status
    (into,), (out,) = back.sender.entries, back.receiver.entries
    assert (Kind.TRANSFER_IN, Kind.TRANSFER_OUT) == (into.draft.kind, out.draft.kind)
    assert {Reason.TRANSFER_CANCELLED} == {into.draft.reason, out.draft.reason}
    assert ({"transfer": "t1", "cancelled": 70, "from": B},) == into.draft.why
    assert ({"transfer": "t1", "cancelled": 70, "to": A},) == out.draft.why


def test_a_gift_is_taken_back_once() -> None:
    """The second time it is told that it was."""
    back = taken_back(given(70, COOLING))

    with pytest.raises(WrongStatus) as caught:
        taken_back(back)

    assert {"status_now": "CANCELED", "needs": ["SENT"]} == caught.value.facts()


def test_a_gift_that_can_be_used_is_final() -> None:
    """From its first day of use on, and where there is no cooling at all."""
    with pytest.raises(TransferFinal) as caught:
        taken_back(given(70, COOLING), later(NOW, days=7))
    with pytest.raises(TransferFinal):
        taken_back(given(70, program()))

    assert {"active_from": "2026-03-08"} == caught.value.facts()


def test_a_gift_that_paid_a_debt_is_final_and_nobody_is_told_why() -> None:
    """The facts are those of any gift that is final."""
    with pytest.raises(TransferFinal) as caught:
        taken_back(given(70, COOLING, receiver=replace(EMPTY, debt=1)))

    assert {"active_from"} == set(caught.value.facts())


def test_a_gift_that_was_clawed_out_of_is_final() -> None:
    """Bob had to give 1 of the points back meanwhile: the rest stays Bob's."""
    moved = given(70, COOLING)
    draft = Draft(Kind.CLAWBACK, "ORDER_REFUNDED", Source("order", "o1"), NOW.now, why=({},))
    receiver, _ = claw_back(moved.receiver, 1, {}, ClawbackPolicy.DEBT, draft, NOW)

    with pytest.raises(TransferFinal):
        taken_back(moved, receiver=receiver.account)


def test_what_comes_back_pays_a_debt_of_the_sender() -> None:
    """Alice came to owe 20 meanwhile: of 70 points that come back 50 are left, soonest-expiring pays first."""
    moved = given(70, COOLING)

    back = taken_back(moved, sender=replace(moved.sender.account, debt=20))

    assert (0, 160) == (back.sender.account.debt, total(back.sender.account.lots))


def test_a_frozen_side_can_still_undo_but_an_account_that_is_gone_cannot() -> None:
    """Whoever froze Bob wants Alice to have her points back; into an erased account nothing goes."""
    moved = given(70, COOLING)
    frozen = replace(moved.receiver.account, status=Status.FROZEN)

    assert 180 == taken_back(moved, receiver=frozen).sender.account.balance
    with pytest.raises(AccountFrozen):
        taken_back(moved, sender=replace(moved.sender.account, status=Status.ERASED))


def test_limits_that_came_later_are_not_given_back_what_they_never_counted() -> None:
    """A gift made under no limit gives no room back under the next program's."""
    moved = given(70, program(cooling_days=7))
    terms = program(cooling_days=7, points_per_day=100)
    second = given(60, terms, sender=moved.sender.account, receiver=moved.receiver.account, key="t2")

    back = taken_back(moved, terms=terms, sender=second.sender.account, receiver=second.receiver.account)

    assert isinstance(refusal_of(41, terms, sender=back.sender.account), LimitReached)


def test_lots_are_handed_over_whole() -> None:
    """Lots that differ only in a day long past become one; no point is lost on the way."""
    sent = (LotChange(3, day("2026-06-30"), day("2026-01-01")), LotChange(4, day("2026-06-30")), LotChange(5, None))

    assert (LotChange(7, day("2026-06-30")), LotChange(5, None)) == handed_over(sent, None)


# Laws ----------------------------------------------------------------------------------------------------------------

MEMBERS = ("a", "b", "c", "d")
WHO = st.sampled_from(MEMBERS)
POINTS = st.integers(1, 60)
LAST_DAYS = st.none() | st.integers(0, 40)


class Rings(RuleBasedStateMachine):
    """Four members give to each other, in rings too, take back, earn, spend, owe and wait."""

    @initialize(cooling=st.sampled_from([0, 1, 7]), policy=st.sampled_from(ClawbackPolicy))
    def begin(self, cooling: int, policy: ClawbackPolicy) -> None:
        """A program."""
        self.program = replace(program(cooling_days=cooling, points_per_day=150), clawback=policy)
        self.now = NOW
        self.accounts = {name: Account(name) for name in MEMBERS}
        self.entries: dict[str, list[Entry]] = {name: [] for name in MEMBERS}
        self.transfers: dict[str, Transfer] = {}
        self.forgiven = 0

    def _keep(self, change: Change) -> None:
        self.accounts[change.account.member] = change.account
        self.entries[change.account.member] += change.entries

    def _by_last_day(self) -> Counter[date | None]:
        """All the points there are by last valid day, less what is owed."""
        found: Counter[date | None] = Counter()
        for account in self.accounts.values():
            found.update({one.expires_on: 0 for one in account.lots})
            for one in as_of(account, self.now).account.lots:
                found[one.expires_on] += one.points
        return found

    def _owed(self) -> int:
        return sum(account.debt for account in self.accounts.values())

    @rule(who=WHO, points=POINTS, days=LAST_DAYS)
    def earn(self, who: str, points: int, days: int | None) -> None:
        """Points come in."""
        last = None if days is None else self.now.today + timedelta(days=days)
        self._keep(bonus(as_of(self.accounts[who], self.now), (Lot(points, last),), self.now))

    @rule(who=WHO, points=POINTS)
    def spend(self, who: str, points: int) -> None:
        """Points go out, if they are there."""
        try:
            change, taken = debits.take(self.accounts[who], points, self.now)
        except InsufficientPoints:
            return
        draft = Draft(Kind.REDEEM, "REDEMPTION", Source("redemption", "r"), self.now.now, -points, taken)
        self._keep(change.post(draft, self.now))

    @rule(who=WHO, points=POINTS)
    def give_up(self, who: str, points: int) -> None:
        """Points are clawed back, and what is not there is owed or forgiven."""
        draft = Draft(Kind.CLAWBACK, "ORDER_REFUNDED", Source("order", "o"), self.now.now, why=({},))
        change = as_of(self.accounts[who], self.now)
        change, _ = claw_back(change, points, {}, self.program.clawback, draft, self.now)
        self._keep(change)

    @rule(days=st.integers(0, 9))
    def wait(self, days: int) -> None:
        """Time passes."""
        self.now = later(self.now, days=days)

    @rule(who=WHO, to=WHO, points=POINTS)
    def give(self, who: str, to: str, points: int) -> None:
        """A gift: last valid days are what they were, but for what paid a debt."""
        before, owed, name = self._by_last_day(), self._owed(), f"t{len(self.transfers)}"
        try:
            wanted = Gift(name, who, to, points)
            moved = send(self.accounts[who], self.accounts[to], wanted, self.program, self.now)
        except Refusal:
            return
        self._moved(moved, before, owed)

    @precondition(lambda self: self.transfers)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        """A gift is taken back, if it still can be."""
        one = self.transfers[data.draw(st.sampled_from(sorted(self.transfers)))]
        before, owed = self._by_last_day(), self._owed()
        try:
            moved = cancel(self.accounts[one.member], self.accounts[one.to], one, self.program, self.now, "test")
        except (TransferFinal, WrongStatus):
            return
        self._moved(moved, before, owed)

    def _moved(self, moved: Moved, before: Counter[date | None], owed: int) -> None:
        self._keep(moved.sender)
        self._keep(moved.receiver)
        self.transfers[moved.transfer.id] = moved.transfer
        paid = before - self._by_last_day()
        assert owed - self._owed() == paid.total(), "what is missing paid a debt"
        assert not self._by_last_day() - before, "no point lives longer than it did"

    @invariant()
    def nothing_was_made_or_lost(self) -> None:
        """All balances together are what was earned less what was spent, lapsed and clawed back."""
        lives = [account.lifetime for account in self.accounts.values()]
        flow = sum(one.earned - one.redeemed - one.expired - one.clawed_back for one in lives)
        assert flow == sum(account.balance for account in self.accounts.values())

    @invariant()
    def every_chain_is_whole(self) -> None:
        """Each account follows from its entries, and none was ever below zero."""
        for name, account in self.accounts.items():
            assert prove(account, self.entries[name]).valid
            assert all(one.points > 0 for one in account.lots)


Rings.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestRings = Rings.TestCase
