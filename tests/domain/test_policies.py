"""Policies of validity: who qualifies from which day on, what becomes of the points, and taking it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain import lots as lot_book
from jifen.domain.account import (
    Account,
    Change,
    OpenHold,
    Reminded,
    Status,
    Told,
    as_of,
    caught_up,
    credit,
    replay,
)
from jifen.domain.calendar import DAY, add_months, day_start
from jifen.domain.entries import Draft, Entry, Kind, Reason, Source
from jifen.domain.errors import InvalidProgram
from jifen.domain.lots import Lot, LotChange, Lots
from jifen.domain.policies import (
    Done,
    apply_policies,
    case_of,
    dormancy_notice,
    inactive_on,
    inactive_since,
    next_dormancy_notice_on,
    next_policy_on,
    voidable,
)
from jifen.domain.policy_reversals import Reversal
from jifen.domain.program import Moment, Program, parse_program
from jifen.domain.proof import prove
from jifen.domain.reader import decimal
from jifen.domain.reminders import NEVER, due_reminders, next_expiry_on
from jifen.domain.standing import Standing
from jifen.domain.validity_terms import Effect, Inactive, policies_plain
from tests.domain.builders import MEMBER, day, lot

ZONE = "Asia/Shanghai"
LOYAL: Mapping[str, Any] = {
    "id": "loyal",
    "starts_on": "2027-01-01",
    "when": {"spent": {"months": 3, "each_minor": 50_000}},
    "extend": {"months": 6},
}
SLEEPY: Mapping[str, Any] = {
    "id": "sleepy",
    "starts_on": "2027-01-01",
    "when": {"inactive": {"months": 2, "without": ["login"], "known_since": "2026-10-01"}},
    "leave": {"months": 3},
}
DORMANT: Mapping[str, Any] = {
    "id": "dormant",
    "starts_on": "2027-01-01",
    "when": {"inactive": {"days": 365, "without": ["login"], "known_since": "2026-10-01"}},
    "void": {"share": "0.50", "notice_days": 30},
}


def program(*policies: Mapping[str, Any], **more: Any) -> Program:
    """A program in Shanghai with these policies."""
    return parse_program({"time_zone": ZONE, "validity": {"policies": list(policies)}, **more})


def at(text: str, of: Program, hour: int = 4) -> Moment:
    """Some time on a day of the program's zone; noon unless said."""
    return of.moment(day_start(day(text), of.zone) + timedelta(hours=hour))


def holding(*lots: Lot, of: Program, on: str = "2026-06-01", **standing: Any) -> Change:
    """An account whose points came by entries, so that it can be proved, with a standing put in."""
    change = Change(Account(MEMBER))
    for one in lots:
        changed = (LotChange(one.points, one.expires_on, one.active_from),)
        draft = Draft(Kind.BONUS, "GIFT", Source("adjustment", "j"), datetime(2026, 6, 1, tzinfo=UTC), lots=changed)
        change = credit(change, draft, at(on, of))
    account = replace(change.account, standing=replace(Standing(), **standing))
    return Change(account, change.entries)


def fresh(change: Change) -> Change:
    """The account without the entries that made it."""
    return Change(change.account)


def entries(*changes: Change) -> list[Entry]:
    """The entries of one change after the other."""
    return [entry for change in changes for entry in change.entries]


def proved(account: Account, *changes: Change) -> bool:
    """Whether the account follows from the entries."""
    return prove(account, entries(*changes)).valid


def seen(text: str) -> Mapping[str, date]:
    """A login on a day."""
    return {"login": day(text)}


def days_of(account: Account) -> list[tuple[int, str | None]]:
    """Points by their last day."""
    return [(one.points, one.expires_on.isoformat() if one.expires_on else None) for one in account.lots]


SPENT = {"2027-01": 50_000, "2027-02": 60_000, "2027-03": 50_000}


# Extending -----------------------------------------------------------------------------------------------------------


def test_three_months_of_spending_move_every_dated_lot_six_months_on() -> None:
    """Pending lots too, rounded as the program rounds; undated and lapsed ones stay; the entry names all of it."""
    of = program(LOYAL)
    book = (
        lot(10, "2027-03-31"),
        lot(20, "2027-04-01"),
        lot(30, "2027-08-31"),
        lot(40, "2027-08-31", "2027-05-01"),
        lot(50),
    )
    made = holding(*book, of=of, spent=SPENT)
    moment = at("2027-04-01", of)

    change = as_of(fresh(made).account, moment)
    applied = apply_policies(change, of, moment)

    moved = [(20, "2027-10-31"), (40, "2028-02-29"), (30, "2028-02-29"), (50, None)]
    assert sorted(moved, key=str) == sorted(days_of(applied.change.account), key=str)
    (entry,) = (one for one in applied.change.entries if one.draft.kind is Kind.ADJUST)
    assert (Reason.VALIDITY_EXTENDED, 0, Source("validity", "loyal.2027-04-01")) == (
        entry.draft.reason,
        entry.draft.points,
        entry.draft.source,
    )
    assert (
        {
            "policy": "loyal",
            "effect": "extend",
            "batch": "loyal.2027-04-01",
            "spent_minor": SPENT,
            "each_minor": 50_000,
            "months": 6,
            "points": 90,
        },
    ) == entry.draft.why
    assert "2027-03" == applied.change.account.standing.applied["loyal"]
    assert proved(applied.change.account, made, applied.change)


@pytest.mark.parametrize(
    ("spent", "applied", "expected"),
    [
        (SPENT, {}, "2027-04-01"),
        (SPENT | {"2027-02": 49_999}, {}, None),
        ({name: SPENT[name] for name in ("2027-01", "2027-03")}, {}, None),
        (SPENT, {"loyal": "2027-03"}, None),
        (SPENT, {"loyal": "2027-01"}, None),
        (SPENT, {"loyal": "2026-12"}, "2027-04-01"),
        (SPENT | {"2027-04": 50_000}, {"loyal": "2027-01"}, "2027-05-01"),
        ({"2026-10": 50_000, "2026-11": 50_000, "2026-12": 50_000}, {}, "2027-01-01"),
        ({"2026-09": 50_000, "2026-10": 50_000, "2026-11": 50_000}, {}, None),
        ({"2027-11": 50_000, "2027-12": 50_000, "2028-01": 50_000}, {}, "2028-02-01"),
        ({}, {}, None),
    ],
)
def test_windows_of_months_do_not_overlap_and_are_whole(
    spent: Mapping[str, int], applied: Mapping[str, str], expected: str | None
) -> None:
    """Every month of a window counts, none that was counted before, none whose end lies before the start."""
    of = program(LOYAL)
    account = holding(lot(5, "2030-01-31"), of=of, spent=spent, applied=applied).account

    assert (day(expected) if expected else None) == next_policy_on(account, of)


def test_what_is_given_back_soon_does_not_count() -> None:
    """With days to wait, a month is looked at when they are over."""
    waiting = {**LOYAL, "when": {"spent": {"months": 3, "each_minor": 50_000, "wait_days": 14}}}
    of = program(waiting)
    account = holding(lot(5, "2030-01-31"), of=of, spent=SPENT).account

    assert day("2027-04-15") == next_policy_on(account, of)
    assert () == apply_policies(Change(account), of, at("2027-04-14", of)).done


def test_a_sweep_that_was_away_catches_up_window_by_window() -> None:
    """Two windows that are over are two extensions, each an entry; a second run finds nothing."""
    of = program(LOYAL)
    spent = {f"2027-{month:02d}": 50_000 for month in range(1, 7)}
    made = holding(lot(5, "2028-01-31"), of=of, spent=spent)
    moment = at("2027-07-20", of)

    applied = apply_policies(fresh(made), of, moment)
    again = apply_policies(Change(applied.change.account), of, moment)

    assert [(5, "2029-01-31")] == days_of(applied.change.account)
    assert [(1, (2,)), (1, (3,))] == [(len(one.sequences), one.sequences) for one in applied.done]
    assert () == again.done
    assert proved(applied.change.account, made, applied.change)


def test_without_points_nothing_is_used_up_and_with_undated_ones_it_is() -> None:
    """An account without points is no case, the first it gets are; a window is counted once whatever came of it."""
    of = program(LOYAL)
    undated = holding(lot(5), of=of, spent=SPENT)

    assert case_of(replace(undated.account, lots=()), of.policies[0]) is None
    assert case_of(replace(undated.account, lots=(lot(5, "2028-01-31"),)), of.policies[0]) is not None
    applied = apply_policies(fresh(undated), of, at("2027-04-01", of))
    assert [((), 0)] == [(one.sequences, one.points) for one in applied.done]
    assert NEVER == next_expiry_on(applied.change.account, of)


def test_a_lot_never_moves_beyond_the_last_day_there_is() -> None:
    """Whoever extends for ever gets to the end of the calendar and no further."""
    of = program(LOYAL)
    made = holding(Lot(5, date(8999, 11, 30)), Lot(6, date(9998, 1, 1)), of=of, spent=SPENT)

    after = apply_policies(fresh(made), of, at("2027-04-01", of)).change.account

    assert [(5, "8999-12-31"), (6, "9998-01-01")] == days_of(after)


# Leaving -------------------------------------------------------------------------------------------------------------


def test_two_months_without_login_leave_three() -> None:
    """Longer lots move to the day, undated and pending ones too; shorter ones stay; it happens once."""
    of = program(SLEEPY)
    book = (lot(10, "2027-03-10"), lot(20, "2027-12-31"), lot(30), lot(40, "2028-01-31", "2027-05-01"))
    made = holding(*book, of=of, seen=seen("2027-01-09"))
    moment = at("2027-03-10", of)

    assert day("2027-03-10") == next_policy_on(made.account, of)
    applied = apply_policies(fresh(made), of, moment)
    after = applied.change.account

    assert [(10, "2027-03-10"), (50, "2027-06-10"), (40, "2027-08-01")] == days_of(after)
    assert (Reason.VALIDITY_SHORTENED, 0) == (
        applied.change.entries[0].draft.reason,
        applied.change.entries[0].draft.points,
    )
    assert "2027-01-09" == applied.change.entries[0].draft.why[0]["inactive_since"]
    assert [90] == [one.points for one in applied.done]
    assert next_policy_on(after, of) is None
    assert proved(after, made, applied.change)


@pytest.mark.parametrize(
    ("last", "when", "expected"),
    [
        ("2027-01-31", {"months": 1}, "2027-03-01"),
        ("2027-12-31", {"months": 2}, "2028-03-01"),
        ("2026-12-31", {"months": 2}, "2027-03-01"),
        ("2028-02-29", {"months": 12}, "2029-03-01"),
        ("2028-02-29", {"days": 365}, "2029-03-01"),
        ("2027-03-01", {"days": 365}, "2028-03-01"),
        ("2027-01-31", {"months": 1, "days": 1}, "2027-03-02"),
        ("2026-01-01", {"days": 1}, "2027-01-01"),
    ],
)
def test_months_and_days_of_inactivity_are_over_before_they_count(
    last: str, when: Mapping[str, int], expected: str
) -> None:
    """The first day is the one after the last that was missed; months end where they end."""
    of = program({**SLEEPY, "when": {"inactive": {"known_since": "2020-01-01", **when}}})
    account = holding(lot(5, "2035-12-31"), of=of, seen=seen(last)).account

    assert day(expected) == next_policy_on(account, of)
    on = at(expected, of)
    before = of.moment(day_start(on.today, of.zone) - timedelta(microseconds=1))
    assert () == apply_policies(Change(account), of, before).done
    assert 1 == len(apply_policies(Change(account), of, of.moment(day_start(on.today, of.zone))).done)


@pytest.mark.parametrize(
    ("without", "expected"),
    [(["login"], "2027-02-01"), (["order"], "2027-03-01"), (["login", "order"], "2027-03-01")],
)
def test_activity_is_what_the_policy_misses(without: Sequence[str], expected: str) -> None:
    """Orders count where a policy misses them, and logins where it misses those; nobody is missed from before."""
    when = Inactive(day("2026-10-01"), months=2, without=tuple(without))
    standing = Standing(seen=seen("2027-02-01"), paid_on=(day("2027-01-01"), day("2027-03-01")))

    assert day(expected) == inactive_since(standing, when)
    assert day("2026-10-01") == inactive_since(Standing(), when)
    assert day("2026-12-24") == inactive_since(Standing(seen={"opened": day("2026-12-24")}), when)
    assert day("2026-10-01") == inactive_since(Standing(seen=seen("2020-02-01")), when)


def test_an_order_given_back_begins_no_spell_of_its_own() -> None:
    """The last active day falls back behind the spell that was dealt with: nothing is shortened again."""
    of = program({**SLEEPY, "when": {"inactive": {"months": 2, "without": ["order"], "known_since": "2026-10-01"}}})
    paid_on = (day("2027-01-10"), day("2027-02-10"))
    made = holding(lot(20, "2028-12-31"), of=of, paid_on=paid_on, applied={"sleepy": "2027-02-10"})
    account = replace(made.account, standing=replace(made.account.standing, paid_on=paid_on[:1]))

    assert next_policy_on(account, of) is None


def test_no_lead_is_jumped_over() -> None:
    """With leads longer than what is left, points last until the first reminder can go out tomorrow."""
    of = program({**SLEEPY, "leave": {"days": 5}}, reminders={"lead_days": [60, 7]})
    made = holding(lot(20, "2028-12-31"), of=of, seen=seen("2027-01-09"))
    moment = at("2027-03-10", of)

    after = apply_policies(fresh(made), of, moment).change.account

    assert [(20, (moment.today + timedelta(days=61)).isoformat())] == days_of(after)
    tomorrow = of.moment(moment.now + DAY)
    assert () == due_reminders(after, of.lead_days, ("event",), "w", moment)
    assert [60] == [one.lead_days for one in due_reminders(after, of.lead_days, ("event",), "w", tomorrow)]


def test_a_day_that_somebody_was_reminded_of_is_passed_over() -> None:
    """Points never move onto a day whose first reminders have gone out."""
    of = program(SLEEPY)
    made = holding(lot(20, "2028-12-31"), of=of, seen=seen("2027-01-09"))
    marks = {day("2027-06-10"): Reminded(30), day("2027-06-11"): Reminded(7)}

    after = apply_policies(Change(replace(made.account, reminded=marks)), of, at("2027-03-10", of)).change.account

    assert [(20, "2027-06-12")] == days_of(after)


def test_a_spell_is_dealt_with_although_nothing_lasts_longer_any_more() -> None:
    """Points that came late are looked at once, and the account is not looked at again every night."""
    of = program(SLEEPY)
    made = holding(lot(20, "2027-09-05"), of=of, seen=seen("2027-01-09"))
    assert day("2027-03-10") == next_policy_on(made.account, of)

    applied = apply_policies(fresh(made), of, at("2027-08-01", of))

    assert [((), 0)] == [(one.sequences, one.points) for one in applied.done]
    assert [(20, "2027-09-05")] == days_of(applied.change.account)
    assert next_policy_on(applied.change.account, of) is None


def test_a_login_begins_another_spell() -> None:
    """Whoever came back and goes away again is shortened again, for another reason."""
    of = program(SLEEPY)
    made = holding(lot(20, "2029-12-31"), of=of, seen=seen("2027-06-15"), applied={"sleepy": "2027-01-09"})

    assert day("2027-08-16") == next_policy_on(made.account, of)


def test_held_points_keep_their_days() -> None:
    """What a hold reserves is in no lot, and returns to where it came from."""
    of = program(SLEEPY)
    made = holding(lot(20, "2028-12-31"), of=of, seen=seen("2027-01-09"))
    held = OpenHold("h1", (lot(7, "2028-12-31"),), datetime(2027, 3, 11, tzinfo=UTC))

    after = apply_policies(Change(replace(made.account, holds=(held,))), of, at("2027-03-10", of)).change.account

    assert ((held,), [(20, "2027-06-10")]) == (after.holds, days_of(after))


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED, Status.MERGED, Status.ERASED])
def test_only_extensions_reach_a_frozen_account_and_nothing_a_closed_one(status: Status) -> None:
    """Who cannot use points does not lose any for that."""
    of = program(LOYAL, SLEEPY, DORMANT)
    account = holding(lot(20, "2029-12-31"), of=of, spent=SPENT, seen=seen("2027-01-09")).account
    closed = replace(
        account, status=status, told=Told({"points.dormant/dormant@0.5/2027-01-09/2028-02-01/50": Reminded(0)})
    )
    moment = at("2028-06-01", of)

    done = [one.policy.id for one in apply_policies(Change(closed), of, moment).done]

    assert (["loyal"] if status is Status.FROZEN else []) == done
    assert dormancy_notice(replace(closed, told=Told()), of, moment) is None
    assert (day("2027-04-01") if status is Status.FROZEN else None) == next_policy_on(closed, of)


# Voiding -------------------------------------------------------------------------------------------------------------

LAST = "2027-01-09"
SAID = "points.dormant/dormant@0.5/2027-01-09/2028-01-10"
MARK = f"{SAID}/1000"


def told(made: Change, name: str = MARK, waiting: tuple[str, ...] = ()) -> Change:
    """The account after a notice."""
    return Change(replace(made.account, told=Told({name: Reminded(0, waiting)})))


def test_a_year_without_login_voids_half_soonest_first_after_notice() -> None:
    """Half of what is available and pending, rounded down, as lapsed points; once for a spell; the mark goes."""
    of = program(DORMANT)
    made = holding(lot(11, "2028-03-31"), lot(30, "2028-12-31", "2028-06-01"), lot(40), of=of, seen=seen(LAST))
    moment = at("2028-01-10", of)

    assert day("2028-01-10") == next_policy_on(told(made).account, of)
    assert () == apply_policies(told(made), of, at("2028-01-09", of)).done
    applied = apply_policies(told(made), of, moment)
    after = applied.change.account

    assert [(1, "2028-12-31"), (40, None)] == days_of(after)
    (entry,) = applied.change.entries
    assert (Kind.EXPIRE, Reason.POINTS_VOIDED, -40) == (entry.draft.kind, entry.draft.reason, entry.draft.points)
    assert ("0.5", 40, LAST) == tuple(entry.draft.why[0][name] for name in ("share", "points", "inactive_since"))
    assert (40, {}) == (after.lifetime.expired, after.told.marks)
    assert next_policy_on(after, of) is None
    assert dormancy_notice(after, of, at("2029-01-10", of)) is None
    assert proved(after, made, applied.change)


@pytest.mark.parametrize(
    "marked",
    [
        {},
        {MARK: Reminded(0, ("email",))},
        {"points.dormant/dormant@0.5/2027-01-08/2028-01-10/9": Reminded(0)},
        {"points.dormant/another@0.5/2027-01-09/2028-01-10/9": Reminded(0)},
        {"points.dormant/dormant@0.4/2027-01-09/2028-01-10/9": Reminded(0)},
        {"points.dormant/dormant@0.5/2027-01-09/2028-01-11/9": Reminded(0)},
        {"points.dormant/dormant@0.5/2027-01-09/unreached/2027-12-11": Reminded(0)},
        {SAID: Reminded(0)},
    ],
)
def test_nothing_is_voided_without_notice(marked: Mapping[str, Reminded]) -> None:
    """No mark, a channel that still waits, a mark of another spell or policy, a day that has not come, no points."""
    of = program(DORMANT)
    made = holding(lot(11, "2028-03-31"), of=of, seen=seen(LAST))
    account = replace(made.account, told=Told(marked))

    assert () == apply_policies(Change(account), of, at("2028-01-10", of)).done


def test_who_comes_back_keeps_everything() -> None:
    """A login after the notice begins another spell, of which nobody was told."""
    of = program(DORMANT)
    made = told(holding(lot(11, "2030-03-31"), of=of, seen=seen(LAST)))
    back = replace(made.account, standing=replace(made.account.standing, seen=seen("2028-01-09")))

    assert next_policy_on(back, of) is None
    assert () == apply_policies(Change(back), of, at("2028-06-01", of)).done
    assert day("2028-12-10") == next_dormancy_notice_on(back, of)


def test_the_notice_says_what_and_when_and_leaves_its_days() -> None:
    """It is due its days ahead; one that is late puts the day off; nobody is told before the policy starts."""
    of = program(DORMANT)
    account = holding(lot(11, "2028-03-31"), lot(40), of=of, seen=seen(LAST)).account
    facts = {
        "policy": "dormant",
        "inactive_since": LAST,
        "voids_on": "2028-01-10",
        "points": 25,
        "share": "0.5",
    }

    assert day("2027-12-11") == next_dormancy_notice_on(account, of)
    assert dormancy_notice(account, of, at("2027-12-10", of)) is None
    assert (f"{SAID}/25", facts) == dormancy_notice(account, of, at("2027-12-11", of))
    late = dormancy_notice(account, of, at("2028-03-20", of))
    assert (
        "points.dormant/dormant@0.5/2027-01-09/2028-04-19/20",
        facts | {"voids_on": "2028-04-19", "points": 20},
    ) == late
    long_gone = holding(lot(4), of=of, seen=seen("2026-10-02")).account
    early = program({**DORMANT, "starts_on": "2028-01-01"})
    assert day("2028-01-01") == next_dormancy_notice_on(long_gone, early)
    assert dormancy_notice(long_gone, early, at("2027-12-31", early)) is None
    assert "2028-01-31" == (dormancy_notice(long_gone, early, at("2028-01-01", early)) or ("", {}))[1]["voids_on"]


def test_a_notice_that_waits_is_said_again_with_a_later_day() -> None:
    """On the same day under the same mark, later under another: the days of notice begin with the last channel."""
    of = program(DORMANT)
    made = told(holding(lot(11), of=of, seen=seen(LAST)), waiting=("email",))

    same = dormancy_notice(made.account, of, at("2027-12-11", of))
    later = dormancy_notice(made.account, of, at("2027-12-14", of))

    assert (f"{SAID}/5", f"{SAID.replace('01-10', '01-13')}/5") == ((same or ("",))[0], (later or ("",))[0])
    assert dormancy_notice(told(made).account, of, at("2027-12-14", of)) is None
    assert next_dormancy_notice_on(told(made).account, of) is None


def test_a_share_that_is_changed_after_the_notice_is_told_anew() -> None:
    """Nobody loses more than the notice said; the notice of the new share has its days too."""
    of, more = program(DORMANT), program({**DORMANT, "void": {"share": "1", "notice_days": 30}})
    account = told(holding(lot(100, "2028-12-31"), of=of, seen=seen(LAST))).account
    moment = at("2028-01-10", of)
    assert 1 == len(apply_policies(Change(account), of, moment).done)

    assert () == apply_policies(Change(account), more, moment).done
    found = dormancy_notice(account, more, moment)
    assert found is not None
    assert ("points.dormant/dormant@1/2027-01-09/2028-02-09/100", 100) == (found[0], found[1]["points"])


def test_a_policy_that_starts_later_now_needs_a_notice_of_its_own() -> None:
    """Put off, or taken away and declared again: what was said of an earlier day holds for none of the new ones."""
    later = program({**DORMANT, "starts_on": "2029-01-01"})
    account = told(holding(lot(100, "2031-12-31"), of=later, seen=seen(LAST))).account

    assert case_of(account, later.policies[0]) is None
    assert day("2029-01-01") == next_dormancy_notice_on(account, later)
    assert () == apply_policies(Change(account), later, at("2029-01-01", later)).done
    found = dormancy_notice(account, later, at("2029-01-01", later))
    assert found is not None
    assert "2029-01-31" == found[1]["voids_on"]


def test_nobody_loses_more_than_the_notice_said() -> None:
    """Points that came after the notice are not what the member was told of; of those that were spent less is left."""
    of = program(DORMANT)
    notice = dormancy_notice(holding(lot(100), of=of, seen=seen(LAST)).account, of, at("2027-12-11", of))
    assert notice is not None
    for there, lost in ((100, 50), (101, 50), (1_000, 50), (99, 49), (2, 1)):
        made = told(holding(lot(there), of=of, seen=seen(LAST)), notice[0])
        (done,) = apply_policies(made, of, at("2028-01-10", of)).done
        assert lost == done.points
        assert (50, lost) == tuple(
            apply_policies(made, of, at("2028-01-10", of)).change.entries[0].draft.why[0][name]
            for name in ("told_points", "points")
        )


def test_what_is_said_again_is_never_more_than_before() -> None:
    """One channel has 5 points in hand, the other is told later of as many; of fewer where points were spent."""
    of = program(DORMANT)
    for there, said in ((1_000, 5), (11, 5), (4, 2)):
        made = told(holding(lot(there), of=of, seen=seen(LAST)), f"{SAID}/5", ("sms",))
        found = dormancy_notice(made.account, of, at("2027-12-14", of))
        assert found is not None
        assert (f"{SAID.replace('01-10', '01-13')}/{said}", said) == (found[0], found[1]["points"])


def test_a_mark_of_an_earlier_release_is_no_notice() -> None:
    """It names no points: the member is told anew, with all days of notice, and stands in the index for that."""
    of = program(DORMANT)
    account = told(holding(lot(100), of=of, seen=seen(LAST)), SAID).account

    assert next_policy_on(account, of) is None
    assert day("2027-12-11") == next_dormancy_notice_on(account, of)
    found = dormancy_notice(account, of, at("2028-01-10", of))
    assert found is not None
    assert f"{SAID.replace('2028-01-10', '2028-02-09')}/50" == found[0]


def test_a_notice_that_goes_out_late_leaves_its_days_from_then_on() -> None:
    """A task that waited is of a day that is past; the days of notice begin when the message goes."""
    of = program(DORMANT)
    account = holding(lot(100), of=of, seen=seen(LAST)).account
    waited = replace(at("2027-12-11", of), recorded_at=at("2028-01-05", of).now)

    found = dormancy_notice(account, of, waited)
    assert found is not None
    assert "2028-02-04" == found[1]["voids_on"]


def test_a_policy_that_waits_longer_now_needs_a_notice_of_its_own() -> None:
    """What was said of the day after one year says nothing of that after two."""
    away = {"days": 730, "without": ["login"], "known_since": "2026-10-01"}
    longer = program({**DORMANT, "when": {"inactive": away}})
    account = told(holding(lot(100), of=longer, seen=seen(LAST))).account

    assert next_policy_on(account, longer) is None
    assert () == apply_policies(Change(account), longer, at("2029-01-09", longer)).done
    assert day("2028-12-10") == next_dormancy_notice_on(account, longer)
    assert dormancy_notice(account, longer, at("2028-12-10", longer)) is not None


def test_nobody_is_told_of_nothing() -> None:
    """Less than a point would be voided, or everything lapses before."""
    of = program(DORMANT)
    assert next_dormancy_notice_on(holding(lot(1), of=of, seen=seen(LAST)).account, of) is None
    account = holding(lot(90, "2028-01-09"), of=of, seen=seen(LAST)).account
    assert (None, None) == (next_dormancy_notice_on(account, of), dormancy_notice(account, of, at("2027-12-11", of)))


# The program ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"id": "Loyal!"}, "id"),
        ({"starts_on": "2027-02-30"}, "starts_on"),
        ({"starts_on": None}, "starts_on"),
        ({"when": {}}, "when"),
        ({"when": {"spent": {"months": 3, "each_minor": 1}, "inactive": {}}}, "when"),
        ({"when": {"spent": {"months": 0, "each_minor": 1}}}, "when.spent.months"),
        ({"when": {"spent": {"months": 25, "each_minor": 1}}}, "when.spent.months"),
        ({"when": {"spent": {"months": 3, "each_minor": 0}}}, "when.spent.each_minor"),
        ({"when": {"spent": {"months": 3, "each_minor": 1, "wait_days": 91}}}, "when.spent.wait_days"),
        ({"when": {"spent": {"months": 3, "each_minor": 1, "days": 1}}}, "when.spent.days"),
        ({"extend": {"months": 121}}, "extend.months"),
        ({"extend": {"months": 0}}, "extend.months"),
        ({"extend": {}}, "extend.months"),
        ({"extend": {"days": 3}}, "extend.days"),
        ({"leave": {"months": 1}}, "when"),
        ({"extend": ..., "leave": {"months": 1}}, "when"),
        ({"extend": ..., "void": {"share": "0.5"}}, "when"),
        ({"extend": ...}, "when"),
        ({"other": 1}, "other"),
    ],
)
def test_a_policy_that_means_nothing_is_refused_by_its_path(changed: Mapping[str, Any], path: str) -> None:
    """Every fault of a policy names where it is."""
    written = {name: value for name, value in {**LOYAL, **changed}.items() if value is not ...}
    with pytest.raises(InvalidProgram) as refusal:
        program(written)
    assert f"validity.policies[0].{path}" in {fault.field for fault in refusal.value.faults}


@pytest.mark.parametrize(
    ("when", "void", "path"),
    [
        ({"days": 365}, {"share": "0.5"}, "when.inactive.known_since"),
        ({"days": 0, "known_since": "2026-01-01"}, {"share": "0.5"}, "when.inactive.months"),
        ({"days": 3651, "known_since": "2026-01-01"}, {"share": "0.5"}, "when.inactive.days"),
        ({"days": 1, "known_since": "2026-01-01", "without": ["sleep"]}, {"share": "0.5"}, "when.inactive.without"),
        ({"days": 1, "known_since": "2026-01-01", "without": []}, {"share": "0.5"}, "when.inactive.without"),
        ({"days": 1, "known_since": "2026-01-01"}, {}, "void.share"),
        ({"days": 1, "known_since": "2026-01-01"}, {"share": "0"}, "void.share"),
        ({"days": 1, "known_since": "2026-01-01"}, {"share": "1.1"}, "void.share"),
        ({"days": 1, "known_since": "2026-01-01"}, {"share": 0.5}, "void.share"),
        ({"days": 1, "known_since": "2026-01-01"}, {"share": "0.5", "notice_days": 0}, "void.notice_days"),
    ],
)
def test_a_void_that_means_nothing_is_refused_by_its_path(
    when: Mapping[str, Any], void: Mapping[str, Any], path: str
) -> None:
    """A share of nothing, a spell without end or beginning, notice of no day."""
    with pytest.raises(InvalidProgram) as refusal:
        program({**DORMANT, "when": {"inactive": when}, "void": void})
    assert f"validity.policies[0].{path}" in {fault.field for fault in refusal.value.faults}


def test_an_id_is_one_policys_and_what_was_read_is_written_again() -> None:
    """Two policies of one id are refused; a program file says its policies as they were written."""
    with pytest.raises(InvalidProgram):
        program(LOYAL, LOYAL)
    of = program(LOYAL, SLEEPY, DORMANT)
    assert of.policies == program(*policies_plain(of.policies)).policies


# Taking back ---------------------------------------------------------------------------------------------------------


def taken_back(done: Sequence[Done], before: Sequence[Entry], account: Account, of: Program, moment: Moment) -> Change:
    """The account after all that some policies did was taken back by an operator."""
    numbers = {number for one in done for number in one.sequences}
    own = [entry for entry in before if entry.sequence in numbers]
    reversal = Reversal(done[0].batch, of, moment, "admin:ada", "a mistake")
    return reversal.of(as_of(account, moment), own, [one for one in before if one.sequence >= min(numbers)])


def test_an_extension_is_taken_back_but_every_reminder_is_still_to_come() -> None:
    """What is left goes back to its old day, or to the first with all reminders ahead; what was spent stays spent."""
    of = program(LOYAL)
    made = holding(lot(10, "2027-04-20"), lot(30, "2027-12-31"), of=of, spent=SPENT)
    moment = at("2027-04-01", of)
    applied = apply_policies(fresh(made), of, moment)
    spent = replace(applied.change.account, lots=(lot(10, "2027-10-31"), lot(25, "2028-06-30")))

    back = taken_back(applied.done, entries(applied.change), spent, of, at("2027-04-10", of))

    assert [(10, "2027-05-11"), (25, "2027-12-31")] == days_of(back.account)
    (entry,) = back.entries
    assert (Kind.ADJUST, Reason.VALIDITY_REVERSED, 0, "admin:ada") == (
        entry.draft.kind,
        entry.draft.reason,
        entry.draft.points,
        entry.draft.actor,
    )
    expected = {"policy": "loyal", "batch": "loyal.2027-04-01", "takes_back": 3, "reason": "a mistake"}
    assert (expected,) == entry.draft.why


def test_points_that_came_to_a_lot_since_keep_their_day_when_an_extension_is_taken_back() -> None:
    """Those that were moved there would have lapsed first, so they count as spent first; a restore gives them back."""
    of = program(LOYAL)
    made = holding(lot(100, "2027-12-31"), of=of, spent=SPENT)
    moment = at("2027-04-01", of)
    applied = apply_policies(fresh(made), of, moment)
    bonus = Draft(Kind.BONUS, "GIFT", Source("adjustment", "k"), moment.now, lots=(LotChange(80, day("2028-06-30")),))
    joined = credit(Change(applied.change.account), bonus, moment)
    shop = Draft(Kind.REDEEM, "REDEMPTION", Source("redemption", "r"), moment.now, why=({"redemption": "r"},))
    out = (LotChange(-60, day("2028-06-30")),)
    spent = Change(joined.account).post(replace(shop, points=-60, lots=out), moment)
    back = (LotChange(25, day("2028-06-30")),)
    again = replace(shop, kind=Kind.RESTORE, source=Source("order", "o"), points=25, lots=back)
    restored = Change(spent.account).post(again, moment)

    posted = entries(applied.change, joined, spent)
    less = taken_back(applied.done, posted, spent.account, of, at("2027-04-10", of))
    more = taken_back(applied.done, [*posted, *restored.entries], restored.account, of, at("2027-04-10", of))

    assert [(40, "2027-12-31"), (80, "2028-06-30")] == days_of(less.account)
    assert [(65, "2027-12-31"), (80, "2028-06-30")] == days_of(more.account)
    assert proved(more.account, made, applied.change, joined, spent, restored, more)


def test_a_shortening_is_taken_back_with_what_lapsed_by_it() -> None:
    """Lapsed points come back where their old day is not past; those whose day is past have lapsed for good."""
    of = program(SLEEPY)
    made = holding(lot(10, "2027-06-30"), lot(20, "2028-12-31"), lot(30), of=of, seen=seen("2027-01-09"))
    applied = apply_policies(fresh(made), of, at("2027-03-10", of))
    assert [(60, "2027-06-10")] == days_of(applied.change.account)
    lapsed = as_of(applied.change.account, at("2027-07-01", of))
    assert 60 == lapsed.account.lifetime.expired

    back = taken_back(applied.done, entries(applied.change, lapsed), lapsed.account, of, at("2027-07-02", of))

    assert [(20, "2028-12-31"), (30, None)] == days_of(back.account)
    assert 10 == back.account.lifetime.expired
    assert [Reason.EXPIRY_REVERSED, Reason.VALIDITY_REVERSED] == [one.draft.reason for one in back.entries]
    assert proved(back.account, made, applied.change, lapsed, back)


def test_what_lapsed_and_was_not_written_down_comes_back_too() -> None:
    """Time does what it does first, and that is turned round."""
    of = program(SLEEPY)
    made = holding(lot(20, "2028-12-31"), of=of, seen=seen("2027-01-09"))
    applied = apply_policies(fresh(made), of, at("2027-03-10", of))

    back = taken_back(applied.done, entries(applied.change), applied.change.account, of, at("2027-07-02", of))

    assert [(20, "2028-12-31")] == days_of(back.account)
    assert proved(back.account, made, applied.change, back)


def test_spent_points_of_a_shortening_are_not_made_up() -> None:
    """Of the points that lie together those that would have lapsed first were spent first."""
    of = program(SLEEPY)
    made = holding(lot(10, "2027-09-30"), lot(20, "2028-12-31"), of=of, seen=seen("2027-01-09"))
    applied = apply_policies(fresh(made), of, at("2027-03-10", of))
    spent = replace(applied.change.account, lots=(lot(25, "2027-06-10"),))

    back = taken_back(applied.done, entries(applied.change), spent, of, at("2027-03-12", of))

    assert [(5, "2027-09-30"), (20, "2028-12-31")] == days_of(back.account)


def test_a_void_comes_back_to_its_lots_and_pays_a_debt_first() -> None:
    """Where the days are not past; what is owed is paid out of it."""
    of = program(DORMANT)
    made = holding(lot(10, "2028-01-31"), lot(20, "2028-12-31"), of=of, seen=seen(LAST))
    applied = apply_policies(told(made), of, at("2028-01-10", of))
    assert [(15, "2028-12-31")] == days_of(applied.change.account)

    soon = taken_back(applied.done, entries(applied.change), applied.change.account, of, at("2028-01-20", of))
    late = taken_back(applied.done, entries(applied.change), applied.change.account, of, at("2028-02-01", of))
    owing = replace(applied.change.account, lots=(), debt=12)
    paid = taken_back(applied.done, entries(applied.change), owing, of, at("2028-01-20", of))

    assert [(10, "2028-01-31"), (20, "2028-12-31")] == days_of(soon.account)
    assert 0 == soon.account.lifetime.expired
    assert proved(soon.account, made, applied.change, soon)
    assert [(20, "2028-12-31")] == days_of(late.account)
    assert (0, [(3, "2028-12-31")]) == (paid.account.debt, days_of(paid.account))


def test_what_came_too_late_to_a_lot_does_not_come_back_with_a_shortening() -> None:
    """An order that is told after its points' last day gives points that lapse at once; no policy has done that."""
    of = program(SLEEPY)
    made = holding(lot(100, "2028-12-31"), of=of, seen=seen("2027-01-09"))
    applied = apply_policies(fresh(made), of, at("2027-03-10", of))
    new, past = day("2027-06-10"), at("2027-07-01", of)
    shop = Draft(
        Kind.REDEEM, "REDEMPTION", Source("redemption", "r"), past.now, points=-60, lots=(LotChange(-60, new),)
    )
    spent = Change(applied.change.account).post(shop, at("2027-06-01", of))
    gone = as_of(spent.account, past)
    late = Draft(Kind.EARN, Reason.ORDER_PAID, Source("order", "o"), past.now, lots=(LotChange(50, new),))
    told_late = caught_up(credit(Change(gone.account), late, past), past)
    back = Draft(
        Kind.EXPIRE, Reason.EXPIRY_REVERSED, Source("order", "o"), past.now, points=50, lots=(LotChange(50, new),)
    )
    refund = replace(back, kind=Kind.CLAWBACK, reason=Reason.ORDER_REFUNDED, points=-50, lots=(LotChange(-50, new),))
    given_back = Change(told_late.account).post(back, past).post(refund, past)
    posted = entries(applied.change, spent, gone, told_late)

    one = taken_back(applied.done, posted, told_late.account, of, at("2027-07-02", of))
    other = taken_back(applied.done, [*posted, *given_back.entries], given_back.account, of, at("2027-07-02", of))

    assert [(40, "2028-12-31")] == days_of(one.account) == days_of(other.account)
    assert (50, 0) == (one.account.lifetime.expired, other.account.lifetime.expired)
    assert proved(other.account, made, applied.change, spent, gone, told_late, given_back, other)


def test_what_was_voided_and_came_back_is_no_reason_to_lose_what_lapsed_after_it() -> None:
    """Shortened, voided in part, given back, lapsed: taking the shortening back gives all of it its old day."""
    soon = {**DORMANT, "when": {"inactive": {"days": 70, "without": ["login"], "known_since": "2026-10-01"}}}
    of = program(SLEEPY, soon)
    made = holding(lot(100, "2028-12-31"), of=of, seen=seen("2027-01-09"))
    shortened = apply_policies(fresh(made), of, at("2027-03-10", of))
    marked = Told({"points.dormant/dormant@0.5/2027-01-09/2027-03-25/1000": Reminded(0)})
    voided = apply_policies(Change(replace(shortened.change.account, told=marked)), of, at("2027-03-25", of))
    assert [(50, "2027-06-10")] == days_of(voided.change.account)
    posted = entries(shortened.change, voided.change)
    back = taken_back(voided.done, posted, voided.change.account, of, at("2027-03-26", of))
    gone = as_of(back.account, at("2027-07-01", of))

    posted += entries(back, gone)
    whole = taken_back(shortened.done, posted, gone.account, of, at("2027-07-02", of))

    assert [(100, "2028-12-31")] == days_of(whole.account)
    assert 0 == whole.account.lifetime.expired
    assert proved(whole.account, made, shortened.change, voided.change, back, gone, whole)


def test_a_closed_account_gets_nothing_back() -> None:
    """Nobody could use it."""
    of = program(DORMANT)
    made = holding(lot(20, "2028-12-31"), of=of, seen=seen(LAST))
    applied = apply_policies(told(made), of, at("2028-01-10", of))
    closed = replace(applied.change.account, status=Status.CLOSED)

    assert () == taken_back(applied.done, entries(applied.change), closed, of, at("2028-01-20", of)).entries


# Laws ----------------------------------------------------------------------------------------------------------------

BEGINS = day("2027-01-01")
DAYS = st.integers(-20, 900).map(lambda ahead: BEGINS + timedelta(days=ahead))
LOTS: st.SearchStrategy[Lots] = st.dictionaries(
    st.tuples(st.none() | DAYS, st.none() | DAYS).filter(
        lambda dates: dates[0] is None or dates[1] is None or dates[1] <= dates[0]
    ),
    st.integers(1, 500),
    max_size=6,
).map(lambda found: tuple(sorted((Lot(points, *dates) for dates, points in found.items()), key=lot_book.order_key)))
STANDINGS = st.builds(
    Standing,
    seen=st.dictionaries(st.sampled_from(["login", "opened"]), DAYS, max_size=2),
    paid_on=st.lists(DAYS, max_size=3).map(lambda days: tuple(sorted(days))),
    spent=st.dictionaries(
        st.integers(0, 20).map(lambda ahead: f"{add_months(BEGINS, ahead - 3):%Y-%m}"), st.integers(0, 3), max_size=14
    ),
)
POLICIES = st.lists(
    st.one_of(
        st.builds(
            lambda months, each, wait, by: {
                "when": {"spent": {"months": months, "each_minor": each, "wait_days": wait}},
                "extend": {"months": by},
            },
            st.integers(1, 3),
            st.integers(1, 2),
            st.integers(0, 20),
            st.integers(1, 24),
        ),
        st.builds(
            lambda months, days, without, does: {
                "when": {"inactive": {"months": months, "days": days, "without": without, "known_since": "2026-10-01"}},
                **does,
            },
            st.integers(0, 12),
            st.integers(1, 40),
            st.sampled_from([["login"], ["order"], ["login", "order"]]),
            st.one_of(
                st.builds(
                    lambda months, days: {"leave": {"months": months, "days": days}},
                    st.integers(0, 6),
                    st.integers(1, 20),
                ),
                st.just({"extend": {"months": 2}}),
                st.builds(lambda share: {"void": {"share": share}}, st.sampled_from(["0.5", "0.3333", "1"])),
            ),
        ),
    ),
    min_size=1,
    max_size=3,
)
PROGRAMS = st.builds(
    lambda zone, policies, leads, rounding: parse_program(
        {
            "time_zone": zone,
            "expiry": {"round_up_to": rounding},
            "reminders": {"lead_days": leads},
            "validity": {
                "policies": [
                    {"id": f"p{number}", "starts_on": "2027-01-01", **one} for number, one in enumerate(policies)
                ]
            },
        }
    ),
    st.sampled_from(["UTC", ZONE, "America/Sao_Paulo"]),
    POLICIES,
    st.lists(st.integers(0, 60), unique=True, max_size=3),
    st.sampled_from(["none", "month_end", "year_end"]),
)
MARKED = st.dictionaries(DAYS, st.integers(0, 30).map(Reminded), max_size=3)


def account_with(
    lots: Lots, standing: Standing, marked: Mapping[date, Reminded], of: Program, most: int = 3_000
) -> tuple[Change, Account]:
    """An account that can be proved, of a member who was told of every void that may come, of so many points."""
    made = holding(*lots, of=of, on="2026-11-01")
    account = replace(made.account, standing=standing, reminded=marked)
    marks = {}
    for policy in of.policies:
        if isinstance(policy.when, Inactive):
            since = inactive_since(standing, policy.when)
            on = max(inactive_on(policy.when, since), policy.starts_on) + timedelta(days=20)
            said = f"{policy.id}@{decimal(policy.share)}/{since}/{on}/{most}"
            marks[f"points.dormant/{said}"] = Reminded(0)
    return made, replace(account, told=Told(marks))


@given(LOTS, STANDINGS, MARKED, PROGRAMS, st.integers(0, 700), st.integers(1, 300))
def test_whatever_is_applied_adds_up(
    lots: Lots, standing: Standing, marked: Mapping[date, Reminded], of: Program, ahead: int, most: int
) -> None:
    """Extending and leaving keep every point, shortened lots leave every lead, and once is as good as twice.

    No void takes more than its notice said.
    """
    made, account = account_with(lots, standing, marked, of, most)
    moment = at((BEGINS + timedelta(days=ahead)).isoformat(), of)
    caught = as_of(account, moment)

    applied = apply_policies(caught, of, moment)
    after = applied.change.account

    voided = sum(-one.draft.points for one in applied.change.entries if one.draft.reason == Reason.POINTS_VOIDED)
    assert caught.account.balance - voided == after.balance
    assert voided <= most * sum(one.policy.effect is Effect.VOID for one in applied.done)
    assert after.lifetime.expired == caught.account.lifetime.expired + voided
    _check_leads(applied.change.entries, marked, of, moment)
    again = apply_policies(Change(after), of, moment)
    assert ((), after) == (again.done, again.change.account)
    assert proved(after, made, applied.change)
    assert after == replace(
        replay(MEMBER, entries(made, applied.change)),
        standing=after.standing,
        told=after.told,
        reminded=after.reminded,
        revision=after.revision,
    )


def _check_leads(posted: Sequence[Entry], marked: Mapping[date, Reminded], of: Program, moment: Moment) -> None:
    """Every lot that a policy shortened has a new last day with all reminders ahead, not later than the old one."""
    for entry in posted:
        if entry.draft.reason == Reason.VALIDITY_SHORTENED:
            for out, into in zip(entry.draft.lots[::2], entry.draft.lots[1::2], strict=True):
                assert into.expires_on is not None
                assert into.expires_on not in marked
                assert out.expires_on is None or into.expires_on < out.expires_on
                assert into.expires_on - timedelta(days=max(of.lead_days, default=0)) > moment.today
                assert into.active_from is None or into.active_from < into.expires_on


@given(LOTS, STANDINGS, MARKED, PROGRAMS)
def test_the_next_day_is_never_later_than_the_first_on_which_something_happens(
    lots: Lots, standing: Standing, marked: Mapping[date, Reminded], of: Program
) -> None:
    """Night after night nothing is done before the foretold day; a night that does something moves it on."""
    _, account = account_with(lots, standing, marked, of)
    for ahead in range(-5, 760, 9):
        moment = at((BEGINS + timedelta(days=ahead)).isoformat(), of)
        foretold = next_expiry_on(account, of)
        change = apply_policies(as_of(account, moment), of, moment).change
        assert change.account == account or (foretold is not None and foretold <= moment.today)
        account = change.account
        later = next_expiry_on(account, of)
        assert later is None or later > moment.today


@given(LOTS, STANDINGS, PROGRAMS, st.integers(0, 3), st.integers(0, 60), st.integers(0, 2_000))
def test_what_was_done_can_be_taken_back(
    lots: Lots, standing: Standing, of: Program, ahead: int, later: int, spent: int
) -> None:
    """At once, everything is as it was; after some spending and some time, no spent point is taken and it adds up."""
    made, account = account_with(lots, standing, {}, of)
    on = next_policy_on(account, of)
    if on is None:
        return
    first = at((on + timedelta(days=ahead)).isoformat(), of)
    caught = as_of(account, first)
    applied = apply_policies(Change(caught.account), replace(of, policies=of.policies[:1]), first)
    done = [one for one in applied.done if one.sequences]
    if not done:
        return
    posted = entries(made, caught, applied.change)

    at_once = taken_back(done, posted, applied.change.account, of, first)
    clear = first.today + timedelta(days=max(of.lead_days, default=0))
    if all(not one.active_from and (one.expires_on or date.max) > clear for one in caught.account.lots):
        assert caught.account.lots == at_once.account.lots
    assert caught.account.lifetime.expired == at_once.account.lifetime.expired
    assert caught.account.balance == at_once.account.balance

    shop = Draft(Kind.REDEEM, "REDEMPTION", Source("redemption", "r"), first.now)
    taken = lot_book.take(applied.change.account.lots, spent, lambda one: one.spendable(first.today))
    buying = Change(applied.change.account)
    if taken:
        buying = buying.post(replace(shop, points=lot_book.total(taken), lots=taken), first)
    second = at((first.today + timedelta(days=later)).isoformat(), of)
    gone = as_of(buying.account, second)
    back = taken_back(done, [*posted, *entries(buying, gone)], gone.account, of, second)
    assert back.account.lifetime.redeemed == buying.account.lifetime.redeemed
    assert 0 <= back.account.lifetime.expired
    assert back.account.balance + back.account.lifetime.expired == gone.account.balance + gone.account.lifetime.expired
    assert all(not one.expired(second.today) for one in back.account.lots)
    assert proved(back.account, made, caught, applied.change, buying, gone, back)


def test_a_share_is_of_what_can_be_voided() -> None:
    """Rounded down, of lots that have not lapsed; nothing is voided of what a hold keeps."""
    of = program(DORMANT)
    account = holding(lot(5, "2028-01-01"), lot(8), of=of, seen=seen(LAST)).account
    held = replace(account, holds=(OpenHold("h", (lot(100),), datetime(2030, 1, 1, tzinfo=UTC)),))

    assert (6, 4, 6) == (
        voidable(account, of.policies[0], day("2028-01-01")),
        voidable(account, of.policies[0], day("2028-01-02")),
        voidable(held, of.policies[0], day("2028-01-01")),
    )
