"""Policies of validity from outside: previewed, applied by the night's sweep, looked at, and taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jifen.runtime import use
from jifen.service.expiring import row_shard
from local.openapi import FUNCTIONS
from local.replay import api_request
from tests.functions import contract
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage, paid

NOW = datetime(2026, 12, 1, 4, tzinfo=UTC)
PROGRAM: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "GBP",
    "validity": {
        "policies": [
            {
                "id": "sleepy",
                "starts_on": "2027-01-01",
                "when": {"inactive": {"months": 2, "without": ["order"], "known_since": "2026-10-01"}},
                "leave": {"months": 3},
            }
        ]
    },
}


@pytest.fixture(scope="module")
def site(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in Shanghai whose members are missed after two months without an order."""
    here = Stage("validity", program=PROGRAM, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(site: Stage) -> Stage:
    """The same, with nothing in it."""
    site.clear()
    site.move_to(NOW)
    return site


def ask(
    stage: Stage,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    scopes: str = ADMIN,
    key: str | None = None,
    **query: str,
) -> Answer:
    """Call the function as the administrator Ada."""
    event = api_request(method, path, body, "ada", scopes, key=key, query=query or None)
    answer = Answer.of(stage.call("operate", event))
    if "operate" in FUNCTIONS:
        contract.check(method, path, answer.status, answer.headers, answer.body)
    return answer


def preview(stage: Stage, ruleset: str = "current", **body: Any) -> Answer:
    """Ask what would become of the accounts."""
    return ask(stage, "POST", f"/v1/rulesets/{ruleset}/validity-preview", body, OPERATOR)


def reverse(stage: Stage, batch: str, key: str = "k1", reason: str = "a mistake") -> Answer:
    """Have a batch taken back."""
    return ask(stage, "POST", f"/v1/validity/batches/{batch}/reverse", {"reason": reason}, key=key)


def buy(stage: Stage, member: str, at: datetime = NOW, minor: int = 10_000) -> None:
    """An order of a member, paid then."""
    stage.move_to(max(at, stage.now))
    stage.earn(paid(f"o-{member}-{at:%y%m%d}", member, minor, occurred_at=at.isoformat()))


def night(stage: Stage, day: str) -> None:
    """The sweep of a day, from the schedule to its last message."""
    at = datetime.fromisoformat(f"{day}T00:05:00+08:00")
    stage.move_to(max(at.astimezone(UTC), stage.now))
    stage.call("expire", {"as_of": at.isoformat()})
    work(stage)


def work(stage: Stage) -> None:
    """Every message of the sweeps' queue, until there is none."""
    for _ in range(20):
        records = stage.tasks()
        if not records:
            return
        assert {"batchItemFailures": []} == stage.call("expire", {"Records": records})
    raise AssertionError(records)


def lots(stage: Stage, member: str) -> list[tuple[str | None, int]]:
    """The lots of a member."""
    found = stage.get(f"/v1/members/{member}/lots")["lots"]
    return [(one["expires_on"], one["points"]) for one in found]


def test_a_policy_from_preview_to_reversal(here: Stage) -> None:
    """Previewed, applied once, seen in the entries and in the batch, taken back; the proof holds all along."""
    for member in ("ann", "bob"):
        buy(here, member)
    buy(here, "cai", NOW + timedelta(days=40))
    here.move_to(NOW + timedelta(days=41))

    seen = preview(here, day="2027-02-02").body
    assert {"ann", "bob"} == {one["member_id"] for one in seen["cases"]}
    case = next(one for one in seen["cases"] if one["member_id"] == "ann")
    assert {
        "member_id": "ann",
        "policy": "sleepy",
        "effect": "leave",
        "points": 100,
        "expires_on": "2027-12-31",
        "then": "2027-05-02",
        "why": {"inactive_since": "2026-12-01", "months": 3, "days": 0, "points": 100},
    } == case
    assert [{"policy": "sleepy", "effect": "leave", "accounts": 2, "points": 200}] == seen["totals"]
    assert (3, [], None, 0) == (seen["accounts"], seen["unreadable"], seen["cursor"], seen["ruleset"])

    night(here, "2027-02-01")
    assert [("2027-12-31", 100)] == lots(here, "ann")
    night(here, "2027-02-02")
    night(here, "2027-02-02")
    assert [("2027-05-02", 100)] == lots(here, "ann") == lots(here, "bob")
    assert [("2028-01-31", 100)] == lots(here, "cai")
    entry = here.entries("ann")[-1]
    assert ("adjust", "VALIDITY_SHORTENED", 0, {"type": "validity", "id": "sleepy.2027-02-02"}) == (
        entry["kind"],
        entry["reason"],
        entry["points"],
        entry["source"],
    )

    (batch,) = ask(here, "GET", "/v1/validity/batches").body["batches"]
    assert ("sleepy.2027-02-02", "leave", "APPLIED", 16, 0) == tuple(
        batch[name] for name in ("id", "effect", "status", "parts", "parts_done")
    )
    begun = reverse(here, batch["id"])
    assert (202, "REVERSING", "admin:ada") == (begun.status, begun.body["status"], begun.body["by"])
    work(here)
    whole = ask(here, "GET", f"/v1/validity/batches/{batch['id']}").body
    assert ("REVERSED", 16, "a mistake") == (whole["status"], whole["parts_done"], whole["reason"])
    assert {("ann", True), ("bob", True)} == {(row["member_id"], row["settled"]) for row in whole["rows"]}
    assert [("2027-12-31", 100)] == lots(here, "ann") == lots(here, "bob")
    assert "admin:ada" == here.entries("ann")[-1]["actor"]
    assert all(here.proved(member) for member in ("ann", "bob", "cai"))

    night(here, "2027-02-03")
    assert [("2027-12-31", 100)] == lots(here, "ann")
    audit = here.ask("GET", "/v1/audit", subject="ada", scopes=ADMIN, query={"month": "2027-02"}).body["lines"]
    assert [("validity.reversed", "validity/sleepy.2027-02-02", "a mistake")] == [
        (line["action"], line["target"], line["reason"]) for line in audit
    ]


def test_taking_back_again_settles_nothing_twice(here: Stage) -> None:
    """The same key is the same answer, another key goes over the rows again, and every row is settled once."""
    buy(here, "ann")
    night(here, "2027-02-02")
    before = len(here.entries("ann"))

    answers = [reverse(here, "sleepy.2027-02-02") for _ in range(2)]
    assert answers[0].body == answers[1].body
    tasks = here.tasks()
    assert 32 == len(tasks)
    here.call("expire", {"Records": tasks})
    reverse(here, "sleepy.2027-02-02", "k2", "once more")
    work(here)

    assert before + 1 == len(here.entries("ann"))
    assert [("2027-12-31", 100)] == lots(here, "ann")
    assert "REVERSED" == ask(here, "GET", "/v1/validity/batches/sleepy.2027-02-02").body["status"]
    reused = reverse(here, "sleepy.2027-02-02", "k1", "another reason")
    assert (422, "IDEMPOTENCY_KEY_REUSED") == (reused.status, reused.code)


def test_a_batch_that_is_taken_back_gets_no_more_rows(here: Stage) -> None:
    """The rest of the day's sweep leaves accounts alone; the next day has a batch of its own."""
    names = ("ann", "bob", "cai")
    for name in names:
        buy(here, name)
    here.move_to(datetime(2027, 2, 1, 16, 5, tzinfo=UTC))
    here.call("expire", {"as_of": here.now.isoformat()})
    tasks = here.tasks()
    while not ask(here, "GET", "/v1/validity/batches").body["batches"]:
        here.call("expire", {"Records": [tasks.pop(0)]})
    reverse(here, "sleepy.2027-02-02")
    here.call("expire", {"Records": tasks})
    work(here)
    assert [[("2027-12-31", 100)]] * 3 == [lots(here, name) for name in names]
    assert 3 == len(here.entries("ann") + here.entries("bob") + here.entries("cai")) - 2

    night(here, "2027-02-03")
    assert 2 == [lots(here, name) for name in names].count([("2027-05-03", 100)])
    listed = ask(here, "GET", "/v1/validity/batches").body["batches"]
    assert ["sleepy.2027-02-03", "sleepy.2027-02-02"] == [one["id"] for one in listed]


def test_a_preview_goes_page_by_page_and_writes_nothing(here: Stage) -> None:
    """Every account is met once whatever the size of a page; the table stays as it is."""
    names = {f"m{number}" for number in range(7)}
    for name in names:
        buy(here, name)
    table, found, cursor, pages = here.table(), list[str](), None, 0
    while pages == 0 or cursor:
        page = preview(here, day="2027-02-02", limit=2, **({"cursor": cursor} if cursor else {})).body
        found += [one["member_id"] for one in page["cases"]]
        cursor, pages = page["cursor"], pages + 1
        assert page["accounts"] <= 2

    assert sorted(names) == sorted(found)
    assert pages >= 4
    assert table == here.table()


def test_a_draft_is_previewed_before_anybody_publishes_it(here: Stage) -> None:
    """A draft's policies are tried; the day is the one on which the first of them starts."""
    buy(here, "ann")
    program = {
        **PROGRAM,
        "validity": {
            "policies": [
                {
                    "id": "dormant",
                    "starts_on": "2027-12-15",
                    "when": {"inactive": {"days": 365, "without": ["order"], "known_since": "2026-10-01"}},
                    "void": {"share": "0.25", "notice_days": 30},
                }
            ]
        },
    }
    draft = here.ask("POST", "/v1/rulesets", program, subject="ada", scopes=ADMIN, key="d").body
    here.move_to(NOW + timedelta(days=30))

    seen = preview(here, str(draft["number"])).body

    assert ("2027-12-15", [("ann", "dormant", "void", 25)]) == (
        seen["day"],
        [(one["member_id"], one["policy"], one["effect"], one["points"]) for one in seen["cases"]],
    )
    assert (404, "RULE_SET_NOT_FOUND") == (preview(here, "77").status, preview(here, "77").code)
    assert (404, "RULE_SET_NOT_FOUND") == (preview(here, "one").status, preview(here, "one").code)
    assert "2026-12-31" == preview(here, "0", day="2026-12-31").body["day"]


@pytest.mark.parametrize(
    "body",
    [
        {"day": "2026-11-30"},
        {"day": "2029-12-31"},
        {"day": "2027-02-30"},
        {"day": 5},
        {"limit": 0},
        {"limit": 501},
        {"cursor": "bm90IG91cnM"},
        {"other": 1},
    ],
)
def test_a_preview_refuses_what_it_cannot_do_by_name(here: Stage, body: Mapping[str, Any]) -> None:
    """A past or far day, a page of nothing, somebody else's cursor, and what is not known."""
    answer = preview(here, **body)
    assert (422, next(iter(body))) == (answer.status, answer.body["errors"][0]["field"].removeprefix("body."))


def test_a_cursor_is_of_one_day_and_one_version(here: Stage) -> None:
    """Pages of two previews are never mixed."""
    for name in ("m1", "m2", "m3"):
        buy(here, name)
    cursor = preview(here, day="2027-02-02", limit=1).body["cursor"]

    assert 200 == preview(here, day="2027-02-02", limit=1, cursor=cursor).status
    assert 422 == preview(here, day="2027-02-03", limit=1, cursor=cursor).status


def test_who_may_do_what(here: Stage) -> None:
    """Operators look, administrators take back; nobody else does either."""
    buy(here, "ann")
    night(here, "2027-02-02")
    path = "/v1/validity/batches/sleepy.2027-02-02"
    assert [200, 403, 403] == [ask(here, "GET", path, scopes=one).status for one in (OPERATOR, SHOP, MEMBER)]
    body = {"reason": "r"}
    assert [403, 403] == [ask(here, "POST", f"{path}/reverse", body, one, key="k").status for one in (OPERATOR, SHOP)]
    assert [400, 422, 422] == [
        ask(here, "POST", f"{path}/reverse", body).status,
        ask(here, "POST", f"{path}/reverse", {"reason": ""}, key="k").status,
        ask(here, "POST", f"{path}/reverse", {}, key="k").status,
    ]
    for batch in ("sleepy.2027-02-01", "x", "..", "sleepy.2027-02-02%23VB", "a" * 300):
        assert (404, "VALIDITY_BATCH_NOT_FOUND") == (
            ask(here, "GET", f"/v1/validity/batches/{batch}").status,
            ask(here, "POST", f"/v1/validity/batches/{batch}/reverse", body, key="k").code,
        )


def test_rows_come_page_by_page(here: Stage) -> None:
    """Every account of a batch is listed once."""
    names = [f"m{number}" for number in range(5)]
    for name in names:
        buy(here, name)
    night(here, "2027-02-02")
    found, cursor = list[str](), ""
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        event = api_request("GET", "/v1/validity/batches/sleepy.2027-02-02", None, "ada", ADMIN, query=query)
        page = Answer.of(here.call("operate", event))
        found += [row["member_id"] for row in page.body["rows"]]
        cursor = page.body["cursor"] or ""
        if not cursor:
            break
    assert names == sorted(found)


def test_a_member_who_buys_is_not_shortened_whatever_comes_first(here: Stage) -> None:
    """An order before the sweep keeps the points as they are; an order after it changes nothing back."""
    buy(here, "ann")
    buy(here, "ann", NOW + timedelta(days=60))
    night(here, "2027-02-02")
    assert [("2027-12-31", 100), ("2028-01-31", 100)] == lots(here, "ann")
    night(here, "2027-03-31")
    assert [("2027-06-30", 200)] == lots(here, "ann")
    buy(here, "ann", NOW + timedelta(days=130))
    assert [("2027-06-30", 200), ("2028-04-30", 100)] == lots(here, "ann")
    assert here.proved("ann")


# Validity of what is earned ------------------------------------------------------------------------------------------

KINDS: Mapping[str, tuple[Mapping[str, Any], str | None]] = {
    "days": ({"policy": "days", "days": 7}, "2027-02-22"),
    "months": ({"policy": "months", "months": 12, "round_up_to": "none"}, "2028-02-15"),
    "month_end": ({"policy": "days", "days": 1, "round_up_to": "month_end"}, "2027-02-28"),
    "quarter_end": ({"policy": "days", "days": 1, "round_up_to": "quarter_end"}, "2027-03-31"),
    "year_end": ({"policy": "months", "months": 12, "round_up_to": "year_end"}, "2028-12-31"),
    "fixed": ({"policy": "fixed_date", "month_day": "12-31"}, "2027-12-31"),
    "fixed_years": ({"policy": "fixed_date", "month_day": "03-01", "years": 1}, "2028-03-01"),
    "never": ({"policy": "never"}, None),
}


def publish(here: Stage, program: Mapping[str, Any], how: str) -> None:
    """Put a program in force, whole or as a draft."""
    if how == "put":
        answer = here.ask("PUT", "/v1/program", program, subject="ada", scopes=ADMIN)
        assert 200 == answer.status, answer
        return
    draft = here.ask("POST", "/v1/rulesets", program, subject="ada", scopes=ADMIN, key="d")
    assert 201 == draft.status, draft
    path = f"/v1/rulesets/{draft.body['number']}/publish"
    assert 200 == here.ask("POST", path, {"reason": "r"}, subject="ada", scopes=ADMIN, key="p").status


@pytest.mark.parametrize("how", ["put", "draft"])
def test_each_rule_has_the_validity_that_was_published(here: Stage, how: str) -> None:
    """Every kind beside every other, each on a rule of its own; orders have the program's."""
    rules = [
        {"id": f"r-{name}", "on": f"kind.{name}", "fixed": number + 1, "valid": valid}
        for number, (name, (valid, _)) in enumerate(KINDS.items())
    ]
    order = {"id": "base", "rate": {"points": 1, "per_minor": 100}}
    program = {**PROGRAM, "earning": {"rules": [order, *rules]}, "expiry": {"policy": "days", "days": 90}}
    here.move_to(datetime(2027, 2, 15, 4, tzinfo=UTC))
    publish(here, program, how)
    for name in KINDS:
        body = {
            "type": f"kind.{name}",
            "event_id": name,
            "member_id": "ann",
            "occurred_at": here.now.isoformat(),
            "data": {},
        }
        assert "AWARDED" == here.ask("POST", "/v1/events", body, key=name).body["status"]
    buy(here, "ann", here.now, 5_000)

    expected = {(last, number + 1) for number, (_, last) in enumerate(KINDS.values())} | {("2027-05-16", 50)}
    assert expected == set(lots(here, "ann"))


def test_policies_are_published_shown_and_refused_like_the_rest_of_a_program(here: Stage) -> None:
    """What was published is what is shown; a fault is named by its path; a policy that surprises is told."""
    publish(here, PROGRAM, "put")
    shown = here.ask("GET", "/v1/program", subject="ada", scopes=ADMIN).body["program"]
    assert PROGRAM["validity"] == shown["validity"]
    broken = {"validity": {"policies": [{**PROGRAM["validity"]["policies"][0], "leave": {"months": 0}}]}}
    refused = here.ask("PUT", "/v1/program", broken, subject="ada", scopes=ADMIN)
    assert (422, ["validity.policies[0].leave.months"]) == (
        refused.status,
        [one["field"] for one in refused.body["errors"]],
    )
    here.move_to(datetime(2027, 2, 15, 4, tzinfo=UTC))
    answer = here.ask("POST", "/v1/rulesets", PROGRAM, subject="ada", scopes=ADMIN, key="d")
    assert ["POLICY_AT_ONCE"] == [one["code"] for one in answer.body["findings"] if one["code"].startswith("POLIC")]


def test_the_stacks_own_policies_are_shown(here: Stage) -> None:
    """Version 0 says its policies as the parameter did."""
    shown = here.ask("GET", "/v1/program", subject="ada", scopes=ADMIN).body
    policy = shown["program"]["validity"]["policies"][0]
    assert (0, "sleepy", {"months": 3, "days": 0}) == (shown["number"], policy["id"], policy["leave"])


def test_a_row_that_cannot_be_read_hides_no_other(here: Stage) -> None:
    """Its neighbours are settled, the part is not done and comes again; once it is mended all is taken back."""
    names = [name for name in (f"m{number}" for number in range(99)) if row_shard(name) == row_shard("m0")][:3]
    for name in names:
        buy(here, name)
    night(here, "2027-02-02")
    (row,) = [
        one
        for one in here.dynamodb.scan(TableName=here.name)["Items"]
        if one["pk"]["S"].startswith("BATCH#") and names[1] in json.dumps(one)
    ]
    broken = {**row, **{name: {"S": "~"} for name in row if name not in {"pk", "sk"}}}
    here.dynamodb.put_item(TableName=here.name, Item=broken)
    reverse(here, "sleepy.2027-02-02")
    tasks = here.tasks()

    failed = here.call("expire", {"Records": tasks})["batchItemFailures"]

    (again,) = [task for task in tasks if task["messageId"] in {one["itemIdentifier"] for one in failed}]
    assert [[("2027-12-31", 100)], [("2027-05-02", 100)], [("2027-12-31", 100)]] == [lots(here, one) for one in names]
    batch = ask(here, "GET", "/v1/validity/batches").body["batches"][0]
    assert ("REVERSING", 15) == (batch["status"], batch["parts_done"])

    here.dynamodb.put_item(TableName=here.name, Item=row)
    assert {"batchItemFailures": []} == here.call("expire", {"Records": [again]})
    assert [[("2027-12-31", 100)]] * 3 == [lots(here, name) for name in names]
    assert "REVERSED" == ask(here, "GET", "/v1/validity/batches").body["batches"][0]["status"]


def test_a_hold_on_shortened_points_is_waited_for(here: Stage) -> None:
    """While points of it are reserved, the batch stays open; the task comes again, and gives them their old day."""
    for name in ("ann", "bob"):
        buy(here, name)
    night(here, "2027-02-02")
    hold = here.hold("ann", 30, "h").body["hold_id"]
    reverse(here, "sleepy.2027-02-02")
    tasks = here.tasks()

    failed = here.call("expire", {"Records": tasks})["batchItemFailures"]
    assert "REVERSING" == ask(here, "GET", "/v1/validity/batches").body["batches"][0]["status"]
    assert [("2027-12-31", 100)] == lots(here, "bob")
    assert 200 == here.ask("POST", f"/v1/holds/{hold}/void", key="v").status
    again = [task for task in tasks if task["messageId"] in {one["itemIdentifier"] for one in failed}]
    assert {"batchItemFailures": []} == here.call("expire", {"Records": again})

    assert [("2027-12-31", 100)] == lots(here, "ann")
    assert "REVERSED" == ask(here, "GET", "/v1/validity/batches").body["batches"][0]["status"]
    assert here.proved("ann")
