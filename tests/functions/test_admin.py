"""The admin function: rules, campaigns, reviews and the audit over the API, and what earning makes of them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from functions.admin import app as admin_app
from jifen.domain.events import EventReceipt, EventStatus
from jifen.domain.ruling import CampaignDraft
from jifen.service.ports import Posting
from jifen.service.ruling import Finding
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Context, Stage, paid
from tests.service.operator import Found
from tests.store.patient import Patient

BOTH = f"{OPERATOR} {ADMIN}"


def rate(points: int) -> dict[str, Any]:
    """A program of one rule: so many points a pound."""
    return {"currency": "GBP", "earning": {"rules": [{"id": "base", "rate": {"points": points, "per_minor": 100}}]}}


TRIFLE: dict[str, Any] = {"id": "trifle", "fixed": 5, "when": {"amount_minor": {"min": 10_000}}}

FESTIVAL: dict[str, Any] = {
    "id": "new-year",
    "title": "New Year",
    "from": "2011-01-10",
    "until": "2011-01-11",
    "budget_points": 500,
    "template": "fixed_bonus",
    "with": {"points": 50},
}


@pytest.fixture
def here(stage: Stage) -> Stage:
    """A stack on which nothing was done yet."""
    stage.clear()
    return stage


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the check of rules says of every program."""
    findings: list[Finding] = []
    monkeypatch.setattr(admin_app, "_lint", lambda _program: findings)
    return findings


_number = iter(range(1, 10**6))


def admin(here: Stage, method: str, path: str, body: Any = None, *, scopes: str = ADMIN, **more: Any) -> Answer:
    """Call as an administrator, with a key of its own."""
    key = more.pop("key", None) or (f"key-{next(_number)}" if method == "POST" else None)
    return here.ask(method, path, body, subject="wang", scopes=scopes, key=key, **more)


def operator(here: Stage, method: str, path: str, body: Any = None, **more: Any) -> Answer:
    """Call as an operator."""
    return admin(here, method, path, body, scopes=OPERATOR, **more)


def earned(here: Stage, order_id: str, minor: int = 10_000) -> int:
    """What an order paid now earns."""
    member = f"of-{order_id}"
    here.earn(paid(order_id, member, minor, occurred_at=here.now.isoformat()))
    return int(here.member(member)["available"])


def published(here: Stage, data: dict[str, Any]) -> int:
    """Draft and publish; the number."""
    number = int(operator(here, "POST", "/v1/rulesets", data).body["number"])
    answer = admin(here, "POST", f"/v1/rulesets/{number}/publish", {"reason": "because"})
    assert 200 == answer.status, answer
    return number


# Rules ---------------------------------------------------------------------------------------------------------------


def test_published_rules_count_for_the_next_order(here: Stage) -> None:
    """Draft, publish, roll back: each is what the next order earns by, and no earlier one is touched."""
    assert 100 == earned(here, "o-1")

    number = published(here, rate(2))
    assert 200 == earned(here, "o-2")

    admin(here, "POST", "/v1/rulesets/0/roll-back", {"reason": "too generous"})
    assert 100 == earned(here, "o-3")
    assert (1, 100, 200) == (number, here.member("of-o-1")["available"], here.member("of-o-2")["available"])


def test_a_draft_is_shown_whole(here: Stage) -> None:
    """201 with number and changes; read again it has its file; listed it has not."""
    answer = operator(here, "POST", "/v1/rulesets", {"program": rate(2), "note": "twice as much"})
    whole = operator(here, "GET", "/v1/rulesets/1")
    listed = operator(here, "GET", "/v1/rulesets")

    assert (201, 1, "twice as much") == (answer.status, answer.body["number"], answer.body["note"])
    assert {"time_zone": "Europe/London", **rate(2)} == whole.body["program"]
    assert [{"path": "earning", "old": None, "new": rate(2)["earning"]}] == answer.body["changes"]
    assert {"rulesets", "in_force", "cursor"} == listed.body.keys()
    assert [1] == [one["number"] for one in listed.body["rulesets"]]


def test_the_program_is_put_at_once(here: Stage) -> None:
    """PUT takes the file itself, needs no key, and the same again changes nothing."""
    first = admin(here, "PUT", "/v1/program", rate(3), query={"reason": "moved over"})
    again = admin(here, "PUT", "/v1/program", rate(3))

    assert (200, 1) == (first.status, first.body["number"])
    assert first.body == again.body
    assert 300 == earned(here, "o-1")
    assert first.body["program"] == operator(here, "GET", "/v1/program").body["program"]
    assert ["ruleset.published"] == [line["action"] for line in operator(here, "GET", "/v1/audit").body["lines"]]


def test_before_anything_is_published_the_program_is_the_stacks(here: Stage) -> None:
    """Version 0, and it has been so all along."""
    answer = operator(here, "GET", "/v1/program")

    assert (0, None, "GBP") == (answer.body["number"], answer.body["since"], answer.body["program"]["currency"])


def test_faults_of_a_program_are_named_by_path(here: Stage) -> None:
    """422 INVALID_PROGRAM with every fault, and nothing is kept."""
    broken = {"expirey": {}, "earning": {"rules": [{"id": "base", "rate": {"points": 1.5}}]}}

    for answer in (
        operator(here, "POST", "/v1/rulesets", broken),
        operator(here, "POST", "/v1/rulesets", {"program": broken}),
        admin(here, "PUT", "/v1/program", broken),
    ):
        assert (422, "INVALID_PROGRAM") == (answer.status, answer.code)
        assert {"expirey", "earning.rules[0].rate.points"} <= {fault["field"] for fault in answer.body["errors"]}
    assert [] == operator(here, "GET", "/v1/audit").body["lines"]


def test_a_draft_whose_wrapping_is_wrong_is_refused(here: Stage) -> None:
    """Beside a program there is a note and nothing else."""
    answer = operator(here, "POST", "/v1/rulesets", {"program": [], "note": 1, "publish": True})

    assert (422, "INVALID_REQUEST") == (answer.status, answer.code)
    assert ["note", "program", "publish"] == [fault["field"] for fault in answer.body["errors"]]


def test_a_program_of_a_hundred_rules_fits(here: Stage) -> None:
    """Files up to 256 kB are read and kept; a longer one is refused, and so is 64 kB where no file is asked for."""
    words = [f"category {number:04d} of a shop with long names, as shops have them" for number in range(25)]
    rules = [
        {"id": f"rule-{number}", "rate": {"points": 1, "per_minor": 100_000}, "when": {"category": words}}
        for number in range(100)
    ]
    long = {"earning": {"rules": rules}}
    assert 150_000 < len(json.dumps(long)) < 250_000

    number = published(here, long)
    assert long["earning"] == operator(here, "GET", f"/v1/rulesets/{number}").body["program"]["earning"]
    longer = {"earning": {"rules": rules}, "note": "x" * 120_000}
    assert 422 == operator(here, "POST", "/v1/rulesets", longer).status
    answer = operator(here, "POST", "/v1/campaigns", {"id": "x", "rules": rules[:50]})
    assert ["body"] == [fault["field"] for fault in answer.body["errors"]]


def test_publishing_over_another_version_is_refused(here: Stage) -> None:
    """409 RULES_MOVED with both numbers; with rebase it is meant."""
    operator(here, "POST", "/v1/rulesets", rate(2))
    published(here, rate(3))

    answer = admin(here, "POST", "/v1/rulesets/1/publish")
    assert (409, "RULES_MOVED", 0, 2) == (
        answer.status,
        answer.code,
        answer.body["based_on"],
        answer.body["in_force"],
    )
    assert 200 == admin(here, "POST", "/v1/rulesets/1/publish", {"rebase": True}).status


def test_what_mints_points_is_published_only_with_a_reason(here: Stage, found: list[Finding]) -> None:
    """409 LINT_BLOCKS with the story; an override is kept in the audit."""
    found.append(Found())
    operator(here, "POST", "/v1/rulesets", rate(2))

    answer = admin(here, "POST", "/v1/rulesets/1/publish")
    assert (409, "LINT_BLOCKS", ["buy", "refund"]) == (
        answer.status,
        answer.code,
        answer.body["findings"][0]["story"],
    )
    assert 409 == admin(here, "PUT", "/v1/program", rate(2)).status
    assert 200 == admin(here, "POST", "/v1/rulesets/1/publish", {"override": "we watch it"}).status
    assert "we watch it" == operator(here, "GET", "/v1/audit").body["lines"][0]["details"]["override"]


def test_versions_that_are_not_there(here: Stage) -> None:
    """404 RULE_SET_NOT_FOUND for any number, and for what is none."""
    for name in ("7", "999999", "1000000", "-1", "one", "01"):
        for answer in (
            admin(here, "GET", f"/v1/rulesets/{name}"),
            admin(here, "POST", f"/v1/rulesets/{name}/publish"),
            admin(here, "POST", f"/v1/rulesets/{name}/roll-back"),
        ):
            assert (404, "RULE_SET_NOT_FOUND") == (answer.status, answer.code)


def test_the_check_of_rules_is_asked(here: Stage) -> None:
    """A program by which a penny buys more than a penny is a draft with a finding, and is not published."""
    giving = {"currency": "GBP", "earning": {"rules": [{"id": "gift", "fixed": 500}]}}

    (finding, *_) = operator(here, "POST", "/v1/rulesets", giving).body["findings"]

    assert ("error", ["gift"], True) == (finding["severity"], finding["rules"], bool(finding["story"]))
    assert "LINT_BLOCKS" == admin(here, "POST", "/v1/rulesets/1/publish").code
    assert "LINT_BLOCKS" == admin(here, "PUT", "/v1/program", giving).code


# Campaigns -----------------------------------------------------------------------------------------------------------


def test_a_campaign_from_a_template_to_its_end(here: Stage) -> None:
    """Prepared, scheduled, running, paused: each is what the very next order gets."""
    assert 201 == operator(here, "POST", "/v1/campaigns", FESTIVAL).status
    assert 100 == earned(here, "o-1")

    scheduled = operator(here, "POST", "/v1/campaigns/new-year/schedule", {"reason": "as every year"})
    assert (200, "ACTIVE") == (scheduled.status, scheduled.body["status"])
    assert 150 == earned(here, "o-2")
    view = operator(here, "GET", "/v1/campaigns/new-year").body
    assert (500, 50, 450, 1, 10_000) == tuple(
        view[name] for name in ("budget_points", "spent", "left", "awards", "kept_minor")
    )
    assert "0.500" == view["points_per_unit"]

    assert "PAUSED" == operator(here, "POST", "/v1/campaigns/new-year/pause").body["status"]
    assert 100 == earned(here, "o-3")
    assert "ACTIVE" == operator(here, "POST", "/v1/campaigns/new-year/resume").body["status"]
    assert 150 == earned(here, "o-4")
    assert "ENDED" == operator(here, "POST", "/v1/campaigns/new-year/end").body["status"]
    assert 100 == earned(here, "o-5")


def test_what_is_over_is_refused_by_its_status(here: Stage) -> None:
    """409 WRONG_STATUS says what it is and what would be needed."""
    operator(here, "POST", "/v1/campaigns", FESTIVAL)
    operator(here, "POST", "/v1/campaigns/new-year/cancel", {"reason": "snow"})

    answer = operator(here, "POST", "/v1/campaigns/new-year/schedule")

    assert (409, "WRONG_STATUS", "CANCELED", ["DRAFT"]) == (
        answer.status,
        answer.code,
        answer.body["status_now"],
        answer.body["needs"],
    )


def test_a_campaign_of_free_rules(here: Stage) -> None:
    """Rules as in the program file; what is wrong with them is named by its path in the campaign."""
    rules = [{"id": "tea", "rate": {"points": 1, "per_minor": 100}, "when": {"category": ["tea"]}}]
    good = operator(here, "POST", "/v1/campaigns", {"id": "tea", "rules": rules})
    bad = operator(here, "POST", "/v1/campaigns", {"id": "bad", "rules": [{"id": "x", "multiply": "many"}]})

    assert (201, rules) == (good.status, good.body["campaign"]["rules"])
    assert (422, "INVALID_PROGRAM", ["rules[0].multiply"]) == (
        bad.status,
        bad.code,
        [fault["field"] for fault in bad.body["errors"]],
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": "Not An Id"}, "id"),
        ({"rules": []}, "rules"),
        ({"template": None}, "rules"),
        ({"budget_points": "many"}, "budget_points"),
        ({"budget_points": -1}, "budget_points"),
        ({"untill": "2011-01-11"}, "untill"),
        ({"until": "tomorrow"}, "until"),
        ({"with": {"points": 50, "form_minor": 5}}, "with.form_minor"),
        ({"with": {}}, "with.points"),
        ({"template": "none such"}, "template"),
        ({"exchange": {"by": "0.5"}}, "exchange"),
        ({"template": None, "with": None, "exchange": {"by": "1"}}, "exchange.by"),
        ({"template": None, "with": None, "exchange": {"by": "0.5"}}, "budget_points"),
    ],
)
def test_what_is_wrong_with_a_campaign_is_named(here: Stage, changes: dict[str, Any], field: str) -> None:
    """422 with the field, as the operator wrote it."""
    answer = operator(here, "POST", "/v1/campaigns", FESTIVAL | changes)

    assert 422 == answer.status
    assert field in [fault["field"] for fault in answer.body["errors"]]


def test_a_discount_on_exchanges_from_a_template(here: Stage) -> None:
    """Its campaign has a discount, and no rules; what it is not given is named."""
    template = {"template": "exchange_discount", "with": {"by": "0.80", "rewards": ["cup"]}}
    good = operator(here, "POST", "/v1/campaigns", {"id": "less", **template})
    bad = operator(here, "POST", "/v1/campaigns", {"id": "x", "template": "exchange_discount"})

    assert (201, {"id": "less", "exchange": {"by": "0.80", "rewards": ["cup"]}}) == (
        good.status,
        good.body["campaign"],
    )
    assert (422, ["with.by"]) == (bad.status, [fault["field"] for fault in bad.body["errors"]])


def test_campaigns_that_are_not_there(here: Stage) -> None:
    """404 CAMPAIGN_NOT_FOUND for every call, whatever the id looks like."""
    for name in ("spring", "Not%20An%20Id", "x" * 200):
        for answer in (
            operator(here, "GET", f"/v1/campaigns/{name}"),
            *(
                operator(here, "POST", f"/v1/campaigns/{name}/{step}")
                for step in ("schedule", "pause", "resume", "end", "cancel")
            ),
        ):
            assert (404, "CAMPAIGN_NOT_FOUND") == (answer.status, answer.code)


def test_an_id_is_used_once(here: Stage) -> None:
    """409 CAMPAIGN_EXISTS; the same request under the same key is answered as before."""
    first = operator(here, "POST", "/v1/campaigns", FESTIVAL, key="k")

    assert first == operator(here, "POST", "/v1/campaigns", FESTIVAL, key="k")
    assert (409, "CAMPAIGN_EXISTS") == (
        (answer := operator(here, "POST", "/v1/campaigns", FESTIVAL)).status,
        answer.code,
    )


# Keys, callers, pages ------------------------------------------------------------------------------------------------

POSTS: dict[str, Any] = {
    "/v1/rulesets": rate(2),
    "/v1/rulesets/1/publish": {"reason": "r"},
    "/v1/rulesets/1/roll-back": {"reason": "r"},
    "/v1/campaigns": FESTIVAL,
    "/v1/campaigns/new-year/schedule": {"reason": "r"},
    "/v1/campaigns/new-year/pause": {"reason": "r"},
    "/v1/campaigns/new-year/resume": {"reason": "r"},
    "/v1/campaigns/new-year/end": {"reason": "r"},
    "/v1/campaigns/new-year/cancel": {"reason": "r"},
}
ADMINS_ONLY = {"/v1/rulesets/1/publish", "/v1/rulesets/1/roll-back"}
GETS = (
    "/v1/program",
    "/v1/rulesets",
    "/v1/rulesets/0",
    "/v1/campaign-templates",
    "/v1/campaigns",
    "/v1/campaigns/new-year",
    "/v1/audit",
    "/v1/reviews",
)


def test_every_route_is_held_to_its_callers(here: Stage) -> None:
    """Members and the shop's server reach none; what changes the rules for all needs an administrator."""
    routes = [("POST", path, body) for path, body in POSTS.items()]
    routes += [("GET", path, None) for path in GETS] + [("PUT", "/v1/program", rate(2))]
    assert len([route for route in admin_app.api.routes if not route.path.endswith("/simulate")]) == len(routes)

    for method, path, body in routes:
        for scopes in (MEMBER, SHOP):
            assert 403 == here.ask(method, path, body, subject="wang", scopes=scopes, key="k").status, path
        wanted = method == "PUT" or path in ADMINS_ONLY
        refused = here.ask(method, path, body, subject="wang", scopes=OPERATOR, key=f"k {path}".replace(" ", "")).status
        assert wanted == (refused == 403), path


def test_overriding_the_check_needs_an_administrator(here: Stage, found: list[Finding]) -> None:
    """An operator schedules a campaign that passes the check, and no other."""
    found.append(Found())
    operator(here, "POST", "/v1/campaigns", FESTIVAL)
    body = {"override": "we watch it"}

    assert 409 == operator(here, "POST", "/v1/campaigns/new-year/schedule").status
    assert 403 == operator(here, "POST", "/v1/campaigns/new-year/schedule", body).status
    assert 200 == admin(here, "POST", "/v1/campaigns/new-year/schedule", body).status


def test_a_campaign_without_bounds_needs_an_administrator(here: Stage) -> None:
    """403 CAMPAIGN_UNBOUNDED names what is missing; stopping one is everybody's."""
    operator(here, "POST", "/v1/campaigns", {"id": "open", "rules": [TRIFLE]})

    answer = operator(here, "POST", "/v1/campaigns/open/schedule")
    assert (403, "CAMPAIGN_UNBOUNDED", ["until", "budget_points"]) == (
        answer.status,
        answer.code,
        answer.body["needs"],
    )
    assert 200 == admin(here, "POST", "/v1/campaigns/open/schedule").status
    assert 200 == operator(here, "POST", "/v1/campaigns/open/end").status


@pytest.mark.parametrize("path", POSTS)
def test_every_post_needs_a_key(here: Stage, path: str) -> None:
    """400 IDEMPOTENCY_KEY_MISSING, before anything is looked at."""
    answer = here.ask("POST", path, POSTS[path], subject="wang", scopes=ADMIN)

    assert (400, "IDEMPOTENCY_KEY_MISSING") == (answer.status, answer.code)


def test_the_same_key_with_another_request_is_refused(here: Stage) -> None:
    """422 IDEMPOTENCY_KEY_REUSED across all routes; the first answer stays what it was."""
    first = operator(here, "POST", "/v1/rulesets", rate(2), key="k")

    for path, body in (("/v1/rulesets", rate(3)), ("/v1/campaigns", FESTIVAL)):
        answer = operator(here, "POST", path, body, key="k")
        assert (422, "IDEMPOTENCY_KEY_REUSED") == (answer.status, answer.code)
    assert first == operator(here, "POST", "/v1/rulesets", rate(2), key="k")
    assert 1 == len(operator(here, "GET", "/v1/rulesets").body["rulesets"])


def test_lists_go_on_where_a_page_ended(here: Stage) -> None:
    """Cursors meet without gap or overlap, and are of one list alone."""
    for points in range(1, 6):
        here.now = here.now.replace(second=points)
        operator(here, "POST", "/v1/rulesets", rate(points))

    seen: list[int] = []
    query = {"limit": "2"}
    while True:
        page = operator(here, "GET", "/v1/rulesets", query=query).body
        seen += [one["number"] for one in page["rulesets"]]
        if page["cursor"] is None:
            break
        query = {"limit": "2", "cursor": page["cursor"]}
    audit = operator(here, "GET", "/v1/audit", query={"limit": "2"}).body

    assert [5, 4, 3, 2, 1] == seen
    assert ["ruleset/5", "ruleset/4"] == [line["target"] for line in audit["lines"]]
    for path, cursor in (("/v1/rulesets", audit["cursor"]), ("/v1/audit", query["cursor"]), ("/v1/audit", "AAAA")):
        answer = operator(here, "GET", path, query={"cursor": cursor})
        assert (422, ["cursor"]) == (answer.status, [fault["field"] for fault in answer.body["errors"]])
    other = operator(here, "GET", "/v1/audit", query={"cursor": audit["cursor"], "month": "2011-02"})
    assert 422 == other.status


def test_the_queue_goes_on_behind_the_longest_ids(here: Stage) -> None:
    """A cursor names the member where a page ended, whose id may be 128 characters of four bytes."""
    waiting = [
        EventReceipt("😀" * 127 + name, "e", "review.scored", here.now, "f", EventStatus.IN_REVIEW, {}) for name in "ab"
    ]
    here.runtime.ledger.commit(Posting(documents=tuple(waiting)), Patient(0))

    first = operator(here, "GET", "/v1/reviews", query={"limit": "1"}).body
    second = operator(here, "GET", "/v1/reviews", query={"limit": "1", "cursor": first["cursor"]}).body

    assert [one.member for one in waiting] == [one["member_id"] for one in first["reviews"] + second["reviews"]]


def test_a_page_of_campaigns_beside_all_that_are_in_force(here: Stage) -> None:
    """The longest page, and as many as a program may have besides."""
    running = [{"id": f"running-{number}", "rules": [TRIFLE]} for number in range(20)]
    assert 200 == admin(here, "PUT", "/v1/program", {"earning": {"campaigns": running}}).status
    drafts = [
        CampaignDraft(f"draft-{number:03d}", '{"rules":[]}', "", "", "operator:wang", here.now) for number in range(100)
    ]
    here.runtime.ledger.commit(Posting(documents=tuple(drafts)), Patient(0))

    answer = operator(here, "GET", "/v1/campaigns", query={"limit": "100"})

    assert (200, 120) == (answer.status, len(answer.body.get("campaigns", ())))


def test_an_account_forgets_what_rules_that_are_gone_have_counted(here: Stage, found: list[Finding]) -> None:
    """A new pair of rules every four weeks: only what may still count is kept, and what holds for ever."""
    assert [] == found
    for number in range(12):
        here.move_to(here.now + timedelta(weeks=4))
        task = {"id": f"task-{number}", "on": "a.b", "fixed": 1, "goal": {"of": "count", "reach": 1, "per": "day"}}
        gift = {"id": f"gift-{number}", "on": "a.b", "fixed": 1, "caps": [{"per": "day", "points": 5}]}
        once = {"id": "once", "on": "a.b", "fixed": 1, "caps": [{"per": "ever", "times": 1}]}
        assert 200 == admin(here, "PUT", "/v1/program", {"earning": {"rules": [task, gift, once]}}).status
        event = {"type": "a.b", "event_id": f"e-{number}", "member_id": "m", "occurred_at": here.now.isoformat()}
        given = here.ask("POST", "/v1/events", event, key=f"e-{number}").body["points"]
        assert (3 if number == 0 else 2) == given

    standing = here.runtime.ledger.load(["m"]).accounts["m"].standing
    assert {"gift-11/day/points", "once/ever/times"} == set(standing.used)
    assert {"task-9", "task-10", "task-11"} == set(standing.goals)


def test_the_same_file_may_be_put_again_after_another(here: Stage) -> None:
    """There and back in one instant: three publications, each with a line of the audit."""
    for points in (2, 3, 2):
        answer = admin(here, "PUT", "/v1/program", rate(points), context=Context(remaining_ms=5_000))
        assert 200 == answer.status, answer

    lines = operator(here, "GET", "/v1/audit").body["lines"]
    assert {"ruleset/1", "ruleset/2", "ruleset/3"} == {line["target"] for line in lines}


def test_the_audit_names_who_did_what_and_why(here: Stage) -> None:
    """Role, name, action, target and reason, under the month it was done in."""
    published(here, rate(2))

    (line, drafted) = operator(here, "GET", "/v1/audit", query={"month": "2011-01"}).body["lines"]

    assert {"ruleset.published", "ruleset.drafted"} == {line["action"], drafted["action"]}
    (done,) = [one for one in (line, drafted) if one["action"] == "ruleset.published"]
    assert ("admin:wang", "ruleset/1", "because", "2011-01-10T09:00:00Z") == (
        done["actor"],
        done["target"],
        done["reason"],
        done["at"],
    )
    assert [] == operator(here, "GET", "/v1/audit", query={"month": "2011-02"}).body["lines"]
    assert 422 == operator(here, "GET", "/v1/audit", query={"month": "2011-13"}).status


def test_events_that_wait_are_listed(here: Stage) -> None:
    """With what each rule proposes; what was decided is not."""
    waiting = EventReceipt(
        "m-1", "e-1", "review.scored", here.now, "f", EventStatus.IN_REVIEW, {}, {"score": 90}, {"quality": 200}
    )
    decided = EventReceipt("m-1", "e-2", "review.scored", here.now, "f", EventStatus.AWARDED, {})
    here.runtime.ledger.commit(Posting(documents=(waiting, decided)), Patient(0))

    assert {
        "reviews": [
            {
                "member_id": "m-1",
                "event_id": "e-1",
                "type": "review.scored",
                "occurred_at": "2011-01-10T09:00:00Z",
                "data": {"score": 90},
                "proposed": {"quality": 200},
            }
        ],
        "cursor": None,
    } == operator(here, "GET", "/v1/reviews").body


def test_a_hundred_orders_read_the_program_once(here: Stage) -> None:
    """It costs no order a trip: within its time a process asks for it once."""
    asked: list[str] = []

    def count(request: Any, **_: Any) -> None:
        asked.append(request.body.decode() if isinstance(request.body, bytes) else request.body)

    events = here.runtime.ledger.client.meta.events  # type: ignore[attr-defined]
    events.register("before-send.dynamodb", count)
    try:
        for number in range(10):
            here.earn(*(paid(f"o-{number}-{each}", f"m-{each}", 1_000) for each in range(10)))
    finally:
        events.unregister("before-send.dynamodb", count)

    assert 1 == sum('"PROGRAM"' in request for request in asked)
