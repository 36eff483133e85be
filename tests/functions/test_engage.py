"""The engage function: events, check-ins, tasks, tier, profile and reviews, from outside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jifen.runtime import use
from local.replay import api_request
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage, paid

M = "m-1"
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
PROGRAM: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "GBP",
    "earning": {
        "rules": [
            {"id": "base", "rate": {"points": 1, "per_minor": 100}},
            {"id": "reg", "title": "Welcome", "on": "member.registered", "fixed": 100, "once_per": "phone"},
            {
                "id": "browse",
                "on": "page.browsed",
                "rate": {"points": 5, "per": 180, "field": "seconds", "daily": True},
                "caps": [{"per": "day", "points": 30}],
            },
            {"id": "sel", "on": "review.selected", "given": {"field": "points", "min": 30, "max": 100}},
            {
                "id": "quality",
                "on": "review.scored",
                "ladder": {"field": "score", "steps": [[60, 20], [90, 200]]},
                "approval": True,
            },
            {"id": "daily", "on": "member.checked_in", "streak": {"days": [10, 15, 20], "marks": {"3": 200}}},
            {"id": "friend", "on": "invite.accepted", "fixed": 50},
            {"id": "host", "on": "invite.accepted", "fixed": 20, "to": "inviter"},
            {"id": "sharer", "on": "page.shared", "fixed": 60, "goal": {"of": "count", "reach": 3, "per": "day"}},
            {"id": "buyer", "fixed": 90, "goal": {"of": "amount", "reach": 20_000, "per": "month"}},
        ]
    },
    "check_in": {"make_up": {"cost": 10, "per_month": 1}},
    "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 1_000, "title": "Gold"}]},
}


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in Shanghai with rules on what members do."""
    here = Stage("engage", program=PROGRAM, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """Nobody has done anything yet."""
    stage_.clear()
    stage_.move_to(NOW)
    return stage_


def body(kind: str, event_id: str = "e1", member: str = M, **changes: Any) -> dict[str, Any]:
    """An event as the shop sends it."""
    sent = {"type": kind, "event_id": event_id, "member_id": member, "occurred_at": NOW.isoformat(), "data": {}}
    return {name: value for name, value in (sent | changes).items() if value is not ...}


def send(here: Stage, kind: str, event_id: str = "e1", member: str = M, **changes: Any) -> Answer:
    """Send an event, with its id as key unless said."""
    key = changes.pop("key", event_id)
    return here.ask("POST", "/v1/events", body(kind, event_id, member, **changes), key=key)


def check_in(here: Stage, key: str, day: str | None = None, **more: Any) -> Answer:
    """Check in, as the member."""
    asked = {"day": day} if day else None
    return here.ask("POST", f"/v1/members/{M}/check-ins", asked, key=key, subject=M, scopes=MEMBER, **more)


def make_up(here: Stage, key: str, day: str | None = None) -> Answer:
    """Make up for a missed day, as the member."""
    asked = {"day": day} if day else {}
    return here.ask("POST", f"/v1/members/{M}/check-ins/make-up", asked, key=key, subject=M, scopes=MEMBER)


# Events --------------------------------------------------------------------------------------------------------------


def test_an_event_is_answered_with_points_and_reasons_and_shows_in_the_account(here: Stage) -> None:
    """The entry names the event; the proof holds."""
    answer = send(here, "member.registered", data={"phone": "+86 1"})
    assert (
        200,
        {
            "event_id": "e1",
            "member_id": M,
            "type": "member.registered",
            "status": "AWARDED",
            "points": 100,
            "proposed": 0,
            "day": "2026-03-10",
            "run": None,
            "decided_by": None,
            "why": [{"rule": "reg", "fixed": 100, "points": 100}],
        },
    ) == (answer.status, answer.body)
    (entry,) = here.entries(M)
    assert ("bonus", "BEHAVIOUR_REWARDED", 100, {"type": "event", "id": "e1"}, "shop:shop-server") == (
        entry["kind"],
        entry["reason"],
        entry["points"],
        entry["source"],
        entry["actor"],
    )
    assert here.proved(M)


@pytest.mark.parametrize("key", ["e1", "k", "another"])
def test_the_same_event_again_gets_the_same_answer(here: Stage, key: str) -> None:
    """Under whichever key, even days later."""
    first = send(here, "member.registered", key="k", data={"phone": "1"})
    here.move_to(NOW + timedelta(days=2))
    again = send(here, "member.registered", key=key, data={"phone": "1"})
    assert (first.body, 1) == (again.body, len(here.entries(M)))


def test_other_content_under_a_known_id_is_refused(here: Stage) -> None:
    """422, and the account stays as it is."""
    send(here, "member.registered", data={"phone": "1"})
    again = send(here, "member.registered", key="k2", data={"phone": "2"})
    assert (422, "IDEMPOTENCY_KEY_REUSED") == (again.status, again.code)


def test_a_day_of_browsing_adds_up_to_its_cap(here: Stage) -> None:
    """Two minutes and four are two times three: ten points; at most thirty a day, and the answer says until when."""
    points = [send(here, "page.browsed", f"e{n}", data={"seconds": s}).body["points"] for n, s in enumerate((120, 240))]
    assert [3, 7] == points
    last = send(here, "page.browsed", "e9", data={"seconds": 3_600}).body
    assert 20 == last["points"]
    assert {
        "cap": "browse/day/points",
        "limit": 30,
        "allowed": 20,
        "cut": 80,
        "resets_at": "2026-03-10T16:00:00Z",
    } == last["why"][-1]


def test_points_named_out_of_bounds_are_refused_by_name_and_can_be_sent_again(here: Stage) -> None:
    """422; the id and the key are still free."""
    refused = send(here, "review.selected", data={"points": 101})
    assert (422, [{"field": "data.points", "problem": "is not a whole number from 30 to 100"}]) == (
        refused.status,
        refused.body["errors"],
    )
    assert 100 == send(here, "review.selected", data={"points": 100}).body["points"]


def test_an_invite_rewards_both_sides_once(here: Stage) -> None:
    """The inviter is known because of what was written before; a second inviter is none."""
    send(here, "member.registered", "r", "host", data={"phone": "1"})
    assert 50 == send(here, "invite.accepted", data={"inviter": "host"}).body["points"]
    assert (50, 120) == (here.member(M)["balance"], here.member("host")["balance"])
    again = send(here, "invite.accepted", "e2", data={"inviter": "host"}).body
    assert ("NOTHING", "ALREADY_INVITED") == (again["status"], again["why"][0]["refused"])
    assert "SELF_INVITE" == send(here, "invite.accepted", "e3", data={"inviter": M}).body["why"][0]["refused"]


@pytest.mark.parametrize("data", [{}, {"inviter": 5}, {"inviter": True}])
def test_an_invite_names_who_invited(here: Stage, data: dict[str, Any]) -> None:
    """422 by name."""
    refused = send(here, "invite.accepted", data=data)
    assert (422, "data.inviter") == (refused.status, refused.body["errors"][0]["field"])


HOSTILE: list[tuple[str, dict[str, Any], str]] = [
    ("no type", {"type": ...}, "type"),
    ("a type that is none", {"type": "Registered"}, "type"),
    ("one word", {"type": "registered"}, "type"),
    ("an order's", {"type": "order.paid"}, "type"),
    ("a number for a type", {"type": 5}, "type"),
    ("no event id", {"event_id": ...}, "event_id"),
    ("an empty event id", {"event_id": ""}, "event_id"),
    ("an event id of ours", {"event_id": "check-in:k"}, "event_id"),
    ("another of ours", {"event_id": "make-up:k"}, "event_id"),
    ("a long event id", {"event_id": "x" * 129}, "event_id"),
    ("no member", {"member_id": ...}, "member_id"),
    ("a member with blanks", {"member_id": " m"}, "member_id"),
    ("null for a member", {"member_id": None}, "member_id"),
    ("no time", {"occurred_at": ...}, "occurred_at"),
    ("a day for a time", {"occurred_at": "2026-03-10"}, "occurred_at"),
    ("a time without offset", {"occurred_at": "2026-03-10T04:00:00"}, "occurred_at"),
    ("a time that is none", {"occurred_at": "2026-02-30T04:00:00Z"}, "occurred_at"),
    ("a number for a time", {"occurred_at": 1_700_000_000}, "occurred_at"),
    ("the day after tomorrow", {"occurred_at": "2026-03-11T04:00:01Z"}, "occurred_at"),
    ("before 1970", {"occurred_at": "1969-12-31T23:59:59Z"}, "occurred_at"),
    ("a list for data", {"data": []}, "data"),
    ("null for data", {"data": None}, "data"),
    ("a float", {"data": {"seconds": 1.5}}, "data.seconds"),
    ("a float that is whole", {"data": {"seconds": 2.0}}, "data.seconds"),
    ("a huge number", {"data": {"seconds": 10**12 + 1}}, "data.seconds"),
    ("a number beyond any", {"data": {"seconds": 10**400}}, "data.seconds"),
    ("an object", {"data": {"seconds": {}}}, "data.seconds"),
    ("null in data", {"data": {"seconds": None}}, "data.seconds"),
    ("a long text", {"data": {"page": "x" * 129}}, "data.page"),
    ("a name that is none", {"data": {"a b": 1}}, "data.a b"),
    ("21 names", {"data": {f"n{number}": 1 for number in range(21)}}, "data"),
]


@pytest.mark.parametrize(("changes", "field"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_what_no_event_is(here: Stage, changes: dict[str, Any], field: str) -> None:
    """422 with the field by name, and nothing is written."""
    before = here.table()
    answer = here.ask("POST", "/v1/events", body("page.browsed", **changes), key="k")
    fields = [fault["field"] for fault in answer.body.get("errors", ())]
    assert (422, "INVALID_REQUEST", before) == (answer.status, answer.code, here.table())
    assert any(found == field or found.startswith(f"{field}.") for found in fields), fields


def test_unknown_fields_are_ignored_and_data_may_be_left_out(here: Stage) -> None:
    """As in every request."""
    assert 200 == send(here, "page.viewed", data=..., shop="x").status


def test_a_clock_that_is_ahead_by_a_day_is_taken(here: Stage) -> None:
    """It counts today."""
    assert "2026-03-10" == send(here, "page.viewed", occurred_at="2026-03-11T04:00:00Z").body["day"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/events", body("page.viewed")),
        (f"/v1/members/{M}/check-ins", {}),
        (f"/v1/members/{M}/check-ins/make-up", {}),
        ("/v1/reviews/m-1/e1/approve", {"reason": "x"}),
        ("/v1/reviews/m-1/e1/reject", {"reason": "x"}),
    ],
)
def test_what_changes_something_needs_a_key(here: Stage, path: str, asked: dict[str, Any]) -> None:
    """400 without, and with one that is none; nothing is written."""
    scopes = OPERATOR if "reviews" in path else SHOP
    answers = [here.ask("POST", path, asked, key=key, scopes=scopes) for key in (None, "two words", "x" * 129)]
    assert [(400, "IDEMPOTENCY_KEY_MISSING")] * 3 == [(one.status, one.code) for one in answers]
    assert [] == here.table()


@pytest.mark.parametrize(
    ("method", "path", "asked", "scopes"),
    [
        ("POST", "/v1/events", body("page.viewed"), f"{MEMBER} {OPERATOR} {ADMIN}"),
        ("POST", "/v1/members/other/check-ins", {}, MEMBER),
        ("POST", "/v1/members/other/check-ins/make-up", {}, MEMBER),
        ("GET", "/v1/members/other/check-ins", None, MEMBER),
        ("GET", "/v1/members/other/tasks", None, MEMBER),
        ("GET", "/v1/members/other/tier", None, MEMBER),
        ("GET", "/v1/members/other/profile", None, MEMBER),
        ("PUT", f"/v1/members/{M}/profile", {"tags": ["vip"]}, MEMBER),
        ("POST", f"/v1/reviews/{M}/e1/approve", {"reason": "mine"}, f"{MEMBER} {SHOP}"),
        ("POST", f"/v1/reviews/{M}/e1/reject", {"reason": "mine"}, f"{MEMBER} {SHOP}"),
    ],
)
def test_who_may_not(here: Stage, method: str, path: str, asked: dict[str, Any] | None, scopes: str) -> None:
    """403: another member's account, or a scope that does not reach so far."""
    answer = here.ask(method, path, asked, subject=M, scopes=scopes, key="k")
    assert (403, "FORBIDDEN", []) == (answer.status, answer.code, here.table())


# Check-ins -----------------------------------------------------------------------------------------------------------


def test_a_run_of_local_days(here: Stage) -> None:
    """PC-113: half past eleven at night and half past midnight in Shanghai are two days, on one day of UTC."""
    here.move_to("2026-03-09T15:30:00+00:00")
    first = check_in(here, "c1").body
    here.move_to("2026-03-09T16:30:00+00:00")
    second = check_in(here, "c2").body
    assert [("2026-03-09", 10, 1), ("2026-03-10", 15, 2)] == [
        (one["day"], one["points"], one["run"]["days"]) for one in (first, second)
    ]


def test_a_second_check_in_on_one_day_gives_nothing_and_says_so(here: Stage) -> None:
    """Another key is another request; the same key gets the first answer."""
    first = check_in(here, "c1").body
    second = check_in(here, "c2").body
    assert ("NOTHING", 0, [{"rule": "daily", "refused": "ALREADY_CHECKED_IN"}]) == (
        second["status"],
        second["points"],
        second["why"],
    )
    assert first == check_in(here, "c1").body


def test_a_check_in_is_for_today_alone(here: Stage) -> None:
    """Its own day may be named; any other is made up for."""
    assert 200 == check_in(here, "c1", "2026-03-10").status
    for wrong in ("2026-03-09", "2026-03-11", "2026-02-30", "0000-00-00"):
        refused = check_in(here, f"c-{wrong}", wrong)
        assert (422, "day") == (refused.status, refused.body["errors"][0]["field"])


@pytest.mark.parametrize("asked", [{"day": 20260310}, {"day": "10.3.2026"}, {"day": ["2026-03-10"]}, {"day": True}])
def test_a_day_is_a_text_of_one_form(here: Stage, asked: dict[str, Any]) -> None:
    """422 by name, on both routes."""
    for path in ("check-ins", "check-ins/make-up"):
        refused = here.ask("POST", f"/v1/members/{M}/{path}", asked, key="k")
        assert (422, "day", []) == (refused.status, refused.body["errors"][0]["field"], here.table())


def broken_run(here: Stage) -> None:
    """Checked in on the seventh and the ninth; the eighth was missed. Today is the tenth."""
    for day in (7, 9):
        here.move_to(NOW.replace(day=day))
        check_in(here, f"c{day}")
    here.move_to(NOW)


def test_a_missed_day_is_made_up_for(here: Stage) -> None:
    """Ten points for the mark of two hundred; the same key does it once; the second in a month is one too many."""
    broken_run(here)
    done = make_up(here, "up").body
    assert ("2026-03-08", 10, 200, 210, 3) == (
        done["day"],
        done["cost"],
        done["points"],
        done["available"],
        done["run"]["days"],
    )
    assert done == make_up(here, "up").body
    assert [10, 10, -10, 200] == [entry["points"] for entry in here.entries(M)]
    assert here.proved(M)
    here.move_to(NOW + timedelta(days=2))
    check_in(here, "c12")
    refused = make_up(here, "up2")
    assert (409, "LIMIT_REACHED", "2026-03-31T16:00:00+00:00") == (
        refused.status,
        refused.code,
        refused.body["resets_at"],
    )


def test_what_cannot_be_made_up_for(here: Stage) -> None:
    """409 with the reason and the days that can; without points too."""
    broken_run(here)
    refused = make_up(here, "up", "2026-03-09")
    assert (409, "NOTHING_TO_MAKE_UP", "CHECKED_IN", ["2026-03-08"]) == (
        refused.status,
        refused.code,
        refused.body["because"],
        refused.body["days"],
    )
    here.redeem(M, 15, "r")
    refused = make_up(here, "up")
    assert (409, "INSUFFICIENT_POINTS", 5) == (refused.status, refused.code, refused.body["available"])


def test_what_a_member_sees_of_check_ins(here: Stage) -> None:
    """The run, the next day, the mark ahead, and what making up costs."""
    broken_run(here)
    assert {
        "member_id": M,
        "today": "2026-03-10",
        "checked_in": False,
        "run": {"days": 1, "since": "2026-03-09", "through": "2026-03-09"},
        "days": ["2026-03-07", "2026-03-09"],
        "next": {"day": "2026-03-10", "run": 2, "points": 15},
        "marks": [{"run": 3, "points": 200, "in_days": 2}],
        "make_up": {"cost": 10, "pays_day": False, "days": ["2026-03-08"], "left": 1, "resets_on": "2026-04-01"},
    } == here.get(f"/v1/members/{M}/check-ins")


def test_a_check_in_that_the_shop_sends_as_an_event_is_the_same_day(here: Stage) -> None:
    """Once a day, whichever way it comes."""
    check_in(here, "c1")
    sent = send(here, "member.checked_in").body
    assert ("NOTHING", {"days": 1, "since": "2026-03-10", "through": "2026-03-10"}) == (sent["status"], sent["run"])


# Tasks, tier, profile ------------------------------------------------------------------------------------------------


def test_tasks_show_their_progress(here: Stage) -> None:
    """Two of three shares; the third pays, and the answer says so. An order's task stands there too."""
    for number in range(2):
        send(here, "page.shared", f"e{number}")
    share, buyer = here.get(f"/v1/members/{M}/tasks")["tasks"]
    assert ("sharer", 2, 3, 0, "2026-03-11") == (
        share["rule"],
        share["done"],
        share["reach"],
        share["times"],
        share["resets_on"],
    )
    assert ("buyer", "order.paid", "amount", 20_000) == (buyer["rule"], buyer["on"], buyer["of"], buyer["reach"])
    assert 60 == send(here, "page.shared", "e3").body["points"]
    share, _ = here.get(f"/v1/members/{M}/tasks")["tasks"]
    assert (3, 1, 60) == (share["done"], share["times"], share["granted"])


def test_a_tier_is_shown_with_the_way_to_the_next(here: Stage) -> None:
    """Points of events count."""
    send(here, "member.registered", data={"phone": "1"})
    seen = here.get(f"/v1/members/{M}/tier")
    assert ("member", "Gold", 900) == (seen["level"], seen["next"]["title"], seen["next"]["missing"])


def test_a_profile_is_replaced_as_a_whole(here: Stage) -> None:
    """What is left out is taken away; a birthday that is named anew counts a year later."""
    said = here.ask("PUT", f"/v1/members/{M}/profile", {"birthday": "02-29", "tags": ["vip", "vip"]})
    assert (200, "02-29", None, ["vip"]) == (
        said.status,
        said.body["birthday"],
        said.body["birthday_from"],
        said.body["tags"],
    )
    said = here.ask("PUT", f"/v1/members/{M}/profile", {"birthday": "05-01", "region": "SH"})
    assert (
        {
            "member_id": M,
            "birthday": "05-01",
            "birthday_from": "2027-03-10",
            "region": "SH",
            "tags": [],
        }
        == said.body
        == here.get(f"/v1/members/{M}/profile")
    )


def test_a_birthday_that_was_taken_away_is_not_named_anew_at_once(here: Stage) -> None:
    """Taking it away first is no way to a second birthday in the same year."""
    for birthday in ("03-10", None, "03-11"):
        said = here.ask("PUT", f"/v1/members/{M}/profile", {"birthday": birthday} if birthday else {})
    assert (200, "03-11", "2027-03-10") == (said.status, said.body["birthday"], said.body["birthday_from"])


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"birthday": "02-30"}, "birthday"),
        ({"birthday": "2000-05-01"}, "birthday"),
        ({"birthday": 501}, "birthday"),
        ({"region": ""}, "region"),
        ({"region": 5}, "region"),
        ({"tags": "vip"}, "tags"),
        ({"tags": [5]}, "tags.0"),
        ({"tags": ["x" * 65]}, "tags.0"),
        ({"tags": [str(number) for number in range(21)]}, "tags"),
    ],
)
def test_what_no_profile_is(here: Stage, asked: dict[str, Any], field: str) -> None:
    """422 by name, and nothing is written."""
    refused = here.ask("PUT", f"/v1/members/{M}/profile", asked)
    assert (422, field, []) == (refused.status, refused.body["errors"][0]["field"], here.table())


def test_a_profile_stays_when_orders_and_events_come(here: Stage) -> None:
    """It is part of the account, and every posting keeps it."""
    here.ask("PUT", f"/v1/members/{M}/profile", {"region": "SH"})
    send(here, "member.registered", data={"phone": "1"})
    here.earn(paid("o-1", M, 10_000, occurred_at=NOW.isoformat()))
    assert "SH" == here.get(f"/v1/members/{M}/profile")["region"]
    assert 200 == here.member(M)["balance"]


# Reviews -------------------------------------------------------------------------------------------------------------


def decide(here: Stage, what: str, asked: Mapping[str, Any], key: str = "d", event_id: str = "e1") -> Answer:
    """An operator decides."""
    return here.ask("POST", f"/v1/reviews/{M}/{event_id}/{what}", asked, key=key, subject="ann", scopes=OPERATOR)


def test_a_score_waits_for_an_operator_and_is_approved_once(here: Stage) -> None:
    """Nothing is posted before; the entry says who approved and why."""
    waits = send(here, "review.scored", data={"score": 92}).body
    assert ("IN_REVIEW", 0, 200, []) == (waits["status"], waits["points"], waits["proposed"], here.entries(M))
    done = decide(here, "approve", {"reason": "well written"})
    assert (200, "AWARDED", 200, "operator:ann") == (
        done.status,
        done.body["status"],
        done.body["points"],
        done.body["decided_by"],
    )
    assert done.body == decide(here, "approve", {"reason": "well written"}).body
    (entry,) = here.entries(M)
    assert ("operator:ann", {"decided_by": "operator:ann", "reason": "well written"}) == (
        entry["actor"],
        entry["why"][-1],
    )
    again = decide(here, "reject", {"reason": "changed my mind"}, key="d2")
    assert (409, "WRONG_STATUS", "AWARDED") == (again.status, again.code, again.body["status_now"])


def test_an_operator_gives_other_points_or_none(here: Stage) -> None:
    """Half of it for one, nothing for another."""
    send(here, "review.scored", "e 1/x", key="k1", data={"score": 92})
    send(here, "review.scored", "e2", data={"score": 70})
    given = decide(here, "approve", {"reason": "good", "points": 100}, event_id="e%201%2Fx")
    refused = decide(here, "reject", {"reason": "copied"}, key="d2", event_id="e2")
    assert (100, "REJECTED", 100) == (given.body["points"], refused.body["status"], here.member(M)["balance"])


@pytest.mark.parametrize(
    ("what", "asked", "status", "code"),
    [
        ("approve", {"reason": "x"}, 404, "REVIEW_NOT_FOUND"),
        ("reject", {"reason": "x"}, 404, "REVIEW_NOT_FOUND"),
        ("approve", {}, 422, "INVALID_REQUEST"),
        ("approve", {"reason": "x", "points": 0}, 422, "INVALID_REQUEST"),
        ("approve", {"reason": "x", "points": 1.0}, 422, "INVALID_REQUEST"),
        ("approve", {"reason": "x", "points": 10**12 + 1}, 422, "INVALID_REQUEST"),
        ("reject", {"reason": ""}, 422, "INVALID_REQUEST"),
    ],
)
def test_decisions_that_are_none(here: Stage, what: str, asked: dict[str, Any], status: int, code: str) -> None:
    """Nothing is written."""
    answer = decide(here, what, asked)
    assert (status, code, []) == (answer.status, answer.code, here.table())


def test_the_events_of_the_page_are_taken_and_rewarded(aws: None) -> None:  # noqa: ARG001 - the table is made in it
    """Every event of docs/events.md, in order, under the sample program: each is worth something or waits."""
    root = Path(__file__).parents[2]
    page = (root / "docs" / "events.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    program = json.loads((root / "local" / "samples" / "program.json").read_text(encoding="utf-8"))
    here = Stage("page", program=program, now=datetime(2026, 11, 22, 3, tzinfo=UTC))
    worth = {}
    with use(here.runtime):
        for one in map(json.loads, block.splitlines()):
            answer = here.ask("POST", "/v1/events", one, key=one["event_id"])
            worth[one["type"]] = (answer.body["status"], answer.body["points"] or answer.body["proposed"])
        assert here.proved("m-1")
    counted = {kind: found for kind, found in worth.items() if found != ("AWARDED", found[1]) or not found[1]}
    assert {"review.scored": ("IN_REVIEW", 200), "campaign.joined": ("NOTHING", 0)} == counted
    assert (100, 5, 80, 200, 50, 10) == tuple(
        worth[kind][1]
        for kind in (
            "member.registered",
            "page.browsed",
            "review.selected",
            "review.ranked",
            "invite.accepted",
            "member.checked_in",
        )
    )


def test_a_member_of_an_odd_name_checks_in(here: Stage) -> None:
    """Ids are percent-encoded once, as everywhere."""
    event = api_request("POST", "/v1/members/a%2Fb%20c/check-ins", {}, "shop-server", SHOP, key="k")
    answer = Answer.of(here.call("engage", event))
    assert (200, "a/b c") == (answer.status, answer.body["member_id"])
