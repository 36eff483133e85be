"""The hooks function: endpoints as operators keep them, their log, test events and replays, from outside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jifen.domain import endpoints
from jifen.domain.endpoints import Reply
from jifen.runtime import use
from jifen.service.hook_ports import ReplayTask
from tests.functions.hooking import ENDPOINTS, HookStage
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Stage
from tests.service.hooks import NOW, Answers, event

URL = "https://shop.example/jifen?from=points"


@pytest.fixture(scope="module")
def poster_() -> Answers:
    """What the endpoints answer."""
    return Answers()


@pytest.fixture
def poster(poster_: Answers) -> Answers:
    """It was never asked for anything, and takes everything."""
    poster_.posted.clear()
    poster_.bodies.clear()
    poster_.always = Reply(200, took_ms=12)
    return poster_


@pytest.fixture(scope="module")
def stage_(aws: None, poster_: Answers) -> Iterator[HookStage]:  # noqa: ARG001 - the table is made in it
    """A deployment with endpoints."""
    here = HookStage("hooks", posted_by=poster_)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: HookStage, poster: Answers) -> HookStage:  # noqa: ARG001 - what it posts to begins anew
    """There is no endpoint."""
    stage_.clear()
    return stage_


def step(here: HookStage, name: str, body: Mapping[str, Any] | None = None, key: str = "k", **more: Any) -> Any:
    """One of the steps of the endpoint ``shop``."""
    return here.ask("POST", f"{ENDPOINTS}/shop/{name}", body, key=key, **more)


def audited(here: HookStage) -> list[tuple[str, str, str]]:
    """What the audit says: action, target, actor; the newest first."""
    lines = here.ask("GET", "/v1/audit").body["lines"]
    return [(line["action"], line["target"], line["actor"]) for line in lines]


# Keeping endpoints ---------------------------------------------------------------------------------------------------


def test_an_endpoint_is_made_and_its_secret_shown_this_once(here: HookStage) -> None:
    """32 random bytes behind whsec_; no list, no audit and no other answer ever has it."""
    made = here.create("shop", URL, "points.*", "endpoint.disabled", description="the shop's own")
    secret = made["secret"]
    assert secret.startswith("whsec_")
    assert 44 == len(secret.removeprefix("whsec_"))
    shown = here.shown()
    assert {
        "id": "shop",
        "url": URL,
        "types": ["points.*", "endpoint.disabled"],
        "description": "the shop's own",
        "status": "ACTIVE",
        "disabled_why": "",
        "created_at": "2026-11-26T09:30:00Z",
        "failing_since": None,
        "failures": 0,
        "behind_since": None,
        "secrets": [{"mark": shown["secrets"][0]["mark"], "until": None}],
    } == shown
    assert {"endpoints": [shown]} == here.ask("GET", ENDPOINTS).body
    everything = [here.shown(), here.ask("GET", ENDPOINTS).body, here.ask("GET", "/v1/audit").body]
    assert secret not in json.dumps(everything)
    assert [("webhook_endpoint.created", "webhook_endpoint/shop", "admin:ops")] == audited(here)
    (holder,) = [row for row in here.table() if secret.removeprefix("whsec_") in row]
    assert holder.startswith("{'S': 'ENDPOINTS'}") or "EP#shop" in holder


def test_a_request_that_is_made_again_gets_the_same_secret(here: HookStage) -> None:
    """The answer may have been lost; after a rotation has run out there is nothing to show any more."""
    first = here.create("shop", URL)
    assert first == here.create("shop", URL)
    rotated = step(here, "rotate-secret").body
    assert rotated == step(here, "rotate-secret").body
    assert rotated["secret"] != first["secret"]
    here.move_to(NOW + timedelta(hours=25))
    assert first | {"secret": None} == here.create("shop", URL)


def test_the_same_key_with_another_request_is_refused(here: HookStage) -> None:
    """As everywhere."""
    here.create("shop", URL)
    answer = here.ask("POST", ENDPOINTS, {"id": "shop", "url": URL + "2"}, key="create-shop")
    assert (422, "IDEMPOTENCY_KEY_REUSED") == (answer.status, answer.code)


def test_an_id_is_taken_until_its_endpoint_is_deleted(here: HookStage) -> None:
    """The new one has a secret of its own."""
    old = here.create("shop", URL)["secret"]
    answer = here.ask("POST", ENDPOINTS, {"id": "shop", "url": URL}, key="other")
    assert (409, "WEBHOOK_ENDPOINT_EXISTS") == (answer.status, answer.code)
    deleted = step(here, "delete", {"reason": "moved"})
    assert (200, "DELETED", []) == (deleted.status, deleted.body["status"], deleted.body["secrets"])
    assert 404 == here.ask("GET", f"{ENDPOINTS}/shop").status
    assert {"endpoints": []} == here.ask("GET", ENDPOINTS).body
    assert not [row for row in here.table() if old.removeprefix("whsec_") in row]
    again = here.ask("POST", ENDPOINTS, {"id": "shop", "url": URL}, key="other")
    assert 201 == again.status
    assert old != again.body["secret"]


def test_what_waited_for_a_deleted_endpoint_does_not_go_to_the_next_of_that_id(
    here: HookStage, poster: Answers
) -> None:
    """Neither an event between two attempts nor the rest of a replay: they were meant for whoever had the id before."""
    here.create("shop", URL)
    poster.always = Reply(500)
    here.tell(event(1))
    here.later(seconds=2)
    stretch = {"from": "2026-11-26T09:00:00Z", "to": "2026-11-26T09:30:02Z"}
    assert 202 == step(here, "replay", stretch).status
    assert 200 == step(here, "delete", key="gone").status
    here.now += timedelta(seconds=1)
    assert 201 == here.ask("POST", ENDPOINTS, {"id": "shop", "url": "https://other.example/hook"}, key="next").status
    poster.always = Reply(200)
    here.later(days=4)
    assert {URL} == {url for url, *_ in poster.posted}
    assert not here.queue.messages
    here.tell(event(2, here.now))
    here.work()
    assert 202 == step(here, "replay", stretch, key="anew").status
    here.work()
    assert [("https://other.example/hook", "ev_2"), ("https://other.example/hook", "ev_1")] == [
        one[:2] for one in poster.posted[-2:]
    ]


def test_there_are_so_many_endpoints_and_no_more(here: HookStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the limit; a deleted one makes room."""
    assert 20 == endpoints.ENDPOINTS_MAX
    monkeypatch.setattr(endpoints, "ENDPOINTS_MAX", 3)
    for number in range(3):
        here.create("shop" if not number else f"shop-{number}", URL)
    answer = here.ask("POST", ENDPOINTS, {"id": "more", "url": URL}, key="more")
    assert (409, "LIMIT_REACHED", "webhook_endpoints", 3) == (
        answer.status,
        answer.code,
        answer.body["limit"],
        answer.body["allowed"],
    )
    step(here, "delete")
    assert 201 == here.ask("POST", ENDPOINTS, {"id": "more", "url": URL}, key="more").status


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "Shop"}, "id"),
        ({"id": "a#b"}, "id"),
        ({"id": "x" * 41}, "id"),
        ({"id": ""}, "id"),
        ({"url": "ftp://shop.example/"}, "url"),
        ({"url": "https://user:secret@shop.example/"}, "url"),
        ({"url": "https://shop.example/#a"}, "url"),
        ({"url": "https://shop.example/ a"}, "url"),
        ({"url": "https://shop.example/\r\nx: y"}, "url"),
        ({"url": "https://shop.example:99999/"}, "url"),
        ({"url": "https:///x"}, "url"),
        ({"url": "https://[::1/"}, "url"),
        ({"url": "https://müller.example/"}, "url"),
        ({"url": "https://shop.example/" + "x" * 1_000}, "url"),
        ({"types": ["points.earnt"]}, "types.0"),
        ({"types": ["points.*", "p*s"]}, "types.1"),
        ({"types": ["point*", "nothing.*"]}, "types.1"),
        ({"types": [""]}, "types.0"),
        ({"types": ["points.earned"] * 51}, "types"),
        ({"description": "x" * 501}, "description"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused_by_its_field(
    here: HookStage, change: dict[str, Any], field: str
) -> None:
    """Nothing is written."""
    before = here.table()
    answer = here.ask("POST", ENDPOINTS, {"id": "shop", "url": URL} | change, key="k")
    assert (422, "INVALID_REQUEST") == (answer.status, answer.code)
    assert field in {error["field"] for error in answer.body["errors"]}
    assert before == here.table()


def test_types_are_those_there_are_messages_and_test_events(here: HookStage) -> None:
    """A beginning with a star, a star alone, and none at all will do."""
    for number, types in enumerate((["*"], ["points.*", "notice", "webhook.ping"], [])):
        assert types == here.create(f"shop-{number}", URL, *types)["types"]


def test_an_endpoint_is_changed_and_the_same_again_changes_nothing(here: HookStage) -> None:
    """The secret stays; the audit has what it was and what it is, once."""
    secret = here.create("shop", URL)["secrets"]
    body = {"url": "https://new.example/", "types": ["points.*"], "description": "", "reason": "moved"}
    for _ in range(2):
        answer = here.ask("PUT", f"{ENDPOINTS}/shop", body)
        assert (200, "https://new.example/", secret) == (answer.status, answer.body["url"], answer.body["secrets"])
    lines = here.ask("GET", "/v1/audit").body["lines"]
    (line,) = [line for line in lines if line["action"] == "webhook_endpoint.changed"]
    assert (URL, "https://new.example/", "moved") == (
        line["details"]["before"]["url"],
        line["details"]["after"]["url"],
        line["reason"],
    )


def test_a_new_address_has_not_failed_yet(here: HookStage, poster: Answers) -> None:
    """It is tried at once."""
    here.create("shop", URL)
    poster.always = Reply(500, "answered 500")
    here.tell(*(event(number) for number in range(8)))
    here.work()
    assert here.shown()["failures"] >= 5
    poster.always = Reply(200)
    answer = here.ask("PUT", f"{ENDPOINTS}/shop", {"url": "https://new.example/"})
    assert (0, None) == (answer.body["failures"], answer.body["failing_since"])
    here.tell(event(9))
    here.later(seconds=15)
    assert {"DELIVERED"} == {line["status"] for name, line in here.log().items() if name in {"ev_9", "ev_7"}}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"url": URL}),
        ("POST", "/delete", None),
        ("POST", "/enable", None),
        ("POST", "/disable", None),
        ("POST", "/rotate-secret", None),
        ("POST", "/ping", None),
        ("GET", "/deliveries", None),
        ("POST", "/replay", {"from": "2026-11-26T00:00:00Z"}),
    ],
)
def test_an_endpoint_that_is_not_there_is_not_found(
    here: HookStage, method: str, path: str, body: Mapping[str, Any] | None
) -> None:
    """Whatever is asked of it, and whatever its name is."""
    for name in ("nobody", "NOBODY", "a%23b"):
        answer = here.ask(method, f"{ENDPOINTS}/{name}{path}", body)
        assert (404, "WEBHOOK_ENDPOINT_NOT_FOUND") == (answer.status, answer.code)


@pytest.mark.parametrize(
    ("method", "path", "body", "operator"),
    [
        ("GET", "", None, True),
        ("GET", "/shop", None, True),
        ("GET", "/shop/deliveries", None, True),
        ("POST", "/shop/enable", None, True),
        ("POST", "/shop/disable", None, True),
        ("POST", "/shop/ping", None, True),
        ("POST", "/shop/replay", {"from": "2026-11-26T00:00:00Z"}, True),
        ("POST", "", {"id": "mine", "url": URL}, False),
        ("PUT", "/shop", {"url": "https://mine.example/"}, False),
        ("POST", "/shop/rotate-secret", None, False),
        ("POST", "/shop/delete", None, False),
    ],
)
def test_who_may_do_what(
    here: HookStage,
    method: str,
    path: str,
    body: Mapping[str, Any] | None,
    operator: bool,  # noqa: FBT001
) -> None:
    """Where events go is an administrator's; neither the shop's server nor a member reaches any of it."""
    here.create("shop", URL)
    for scopes, allowed in ((SHOP, False), (MEMBER, False), (OPERATOR, operator), (ADMIN, True)):
        answer = here.ask(method, ENDPOINTS + path, body, scopes=scopes, subject=scopes, key=scopes)
        assert (answer.status != 403) == allowed, (scopes, answer)
        # An endpoint that an operator disabled is disabled already.
        assert (answer.status < 300 or answer.code == "WRONG_STATUS") == allowed, (scopes, answer)


def test_every_post_needs_a_key(here: HookStage) -> None:
    """As everywhere."""
    here.create("shop", URL)
    for name in ("delete", "enable", "disable", "rotate-secret", "ping"):
        assert (400, "IDEMPOTENCY_KEY_MISSING") == ((answer := step(here, name, key="")).status, answer.code)


# Setting going, trying -----------------------------------------------------------------------------------------------


def test_an_operator_disables_and_enables_and_nothing_is_missed(here: HookStage, poster: Answers) -> None:
    """The shop has a night of maintenance; in the morning it gets what happened, with the first event that it takes."""
    here.create("shop", URL)
    off = step(here, "disable", {"reason": "maintenance"}, scopes=OPERATOR)
    assert ("DISABLED", "by operator:ops: maintenance") == (off.body["status"], off.body["disabled_why"])
    assert (409, "WRONG_STATUS") == ((again := step(here, "disable", key="k2")).status, again.code)
    here.tell(event(1), event(2))
    here.work()
    assert ([], "2026-11-26T09:30:00Z") == (poster.posted, here.shown()["behind_since"])
    assert ("ACTIVE", "") == ((on := step(here, "enable", key="k3")).body["status"], on.body["disabled_why"])
    here.later(hours=1)
    here.tell(event(3, here.now))
    here.later(minutes=1)
    assert {"ev_1", "ev_2", "ev_3"} == set(poster.ids)
    assert None is here.shown()["behind_since"]
    assert {"enabled", "disabled", "created"} == {action.split(".")[1] for action, *_ in audited(here)}


def test_a_ping_tells_at_once_what_the_endpoint_answered(here: HookStage, poster: Answers) -> None:
    """It stands in the log; the same request again posts nothing; a failure counts against nobody."""
    here.create("shop", URL, "points.*")
    first = step(here, "ping", key="p1", scopes=OPERATOR)
    assert (200, True, 200, "", 12) == (
        first.status,
        first.body["delivered"],
        first.body["answered"],
        first.body["problem"],
        first.body["took_ms"],
    )
    assert first.body == step(here, "ping", key="p1", scopes=OPERATOR).body
    poster.always = Reply(0, "no answer within 10 seconds")
    second = step(here, "ping", key="p2").body
    assert (False, 0, "no answer within 10 seconds") == (second["delivered"], second["answered"], second["problem"])
    assert [first.body["event_id"], second["event_id"]] == poster.ids
    body = json.loads(poster.bodies[0])
    assert ("webhook.ping", {"endpoint_id": "shop"}, None) == (body["type"], body["data"], body["member_id"])
    assert {"DELIVERED", "FAILED"} == {line["status"] for line in here.log().values()}
    assert 0 == here.shown()["failures"]
    assert {} == here.queue.messages


def test_a_ping_that_is_taken_sets_a_failing_endpoint_going(here: HookStage, poster: Answers) -> None:
    """Who has repaired it need not wait for the next try."""
    here.create("shop", URL)
    poster.always = Reply(500, "answered 500")
    here.tell(*(event(number) for number in range(9)))
    here.later(minutes=3)
    poster.always = Reply(200)
    assert step(here, "ping").body["delivered"]
    here.later(seconds=15)
    assert {"DELIVERED"} == {line["status"] for line in here.log().values()}


def test_a_ping_reaches_a_disabled_endpoint_and_leaves_it_so(here: HookStage) -> None:
    """To see that it works before it is enabled."""
    here.create("shop", URL)
    step(here, "disable", key="d")
    assert step(here, "ping").body["delivered"]
    assert "DISABLED" == here.shown()["status"]


# The log, and replays ------------------------------------------------------------------------------------------------


def test_the_log_is_a_day_at_a_time_in_pages_by_status(here: HookStage, poster: Answers) -> None:
    """The newest events first; a page may be short, and its cursor goes on; cursors of another day are refused."""
    here.create("shop", URL)
    poster.by_event["ev_3"] = Reply(500, "answered 500")
    here.tell(*(event(number, NOW - timedelta(minutes=number)) for number in range(5)))
    here.tell(event(9, NOW - timedelta(days=1)))
    here.work()
    path = f"{ENDPOINTS}/shop/deliveries"
    first = here.ask("GET", path, query={"limit": "2"}).body
    assert (["ev_0", "ev_1"], "2026-11-26") == ([one["event_id"] for one in first["deliveries"]], first["day"])
    rest, cursor = [], first["cursor"]
    while cursor:
        page = here.ask("GET", path, query={"limit": "2", "cursor": cursor}).body
        rest += [one["event_id"] for one in page["deliveries"]]
        cursor = page["cursor"]
    assert ["ev_2", "ev_3", "ev_4"] == rest
    waiting = here.ask("GET", path, query={"status": "WAITING", "limit": "1"}).body["deliveries"]
    assert [("ev_3", 1, 500, "answered 500", "2026-11-26T09:30:05Z", None)] == [
        (one["event_id"], one["attempts"], one["answered"], one["problem"], one["next_at"], one["replay"])
        for one in waiting
    ]
    assert {"ev_9"} == set(here.log(day="2026-11-25"))
    wrong = here.ask("GET", path, query={"day": "2026-11-25", "cursor": first["cursor"]})
    assert (422, "cursor") == (wrong.status, wrong.body["errors"][0]["field"])
    del poster.by_event["ev_3"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"day": "2026-02-30"}, "day"),
        ({"day": "today"}, "day"),
        ({"status": "LOST"}, "status"),
        ({"limit": "101"}, "limit"),
        ({"cursor": "x"}, "cursor"),
    ],
)
def test_a_page_that_cannot_be_had_is_refused_by_its_field(
    here: HookStage, query: Mapping[str, str], field: str
) -> None:
    """As everywhere."""
    here.create("shop", URL)
    answer = here.ask("GET", f"{ENDPOINTS}/shop/deliveries", query=query)
    assert (422, field) == (answer.status, answer.body["errors"][0]["field"])


def test_a_stretch_of_time_is_sent_again_under_the_same_ids(here: HookStage, poster: Answers) -> None:
    """Once for one request, however often it is made; the log names the replay."""
    here.create("shop", URL)
    here.tell(*(event(number, NOW - timedelta(hours=number)) for number in range(6)))
    here.work()
    body = {"from": "2026-11-26T05:30:00Z", "to": "2026-11-26T09:30:00Z", "types": ["points.*"]}
    first = step(here, "replay", body, scopes=OPERATOR)
    assert first.body == step(here, "replay", body, scopes=OPERATOR).body
    assert (202, "shop", body["from"], body["to"], ["points.*"]) == (
        first.status,
        first.body["endpoint_id"],
        first.body["since"],
        first.body["until"],
        first.body["types"],
    )
    here.work()
    assert ["ev_1", "ev_2", "ev_3", "ev_4"] == sorted(poster.ids[6:])
    again = {name for name, line in here.log().items() if line["replay"] == first.body["replay_id"]}
    assert {"ev_1", "ev_2", "ev_3", "ev_4"} == again
    assert ("webhook_endpoint.replayed", "webhook_endpoint/shop", "operator:ops") in audited(here)


def test_a_replay_runs_until_now_unless_said(here: HookStage) -> None:
    """What happens after the request comes by itself."""
    here.create("shop", URL)
    answer = step(here, "replay", {"from": "2026-11-26T00:00:00+08:00"})
    (task,) = here.queue.tasks()
    assert isinstance(task, ReplayTask)
    assert ("2026-11-25T16:00:00Z", "2026-11-26T09:30:00Z") == (answer.body["since"], answer.body["until"])
    assert NOW == task.until


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"from": "2026-10-26T00:00:00Z"}, "from"),
        ({"from": "2026-11-26T09:30:00Z"}, "from"),
        ({"from": "2026-11-26"}, "from"),
        ({"from": "2026-11-26T00:00:00"}, "from"),
        ({"from": "2026-11-26T00:00:00Z", "to": "2026-11-27T00:00:00Z"}, "to"),
        ({"from": "2026-11-26T00:00:00Z", "to": "x"}, "to"),
        ({"from": "2026-11-26T00:00:00Z", "types": ["no.such"]}, "types.0"),
        ({}, "from"),
    ],
)
def test_a_stretch_that_cannot_be_sent_is_refused_by_its_field(
    here: HookStage, body: Mapping[str, Any], field: str
) -> None:
    """Nothing is queued."""
    here.create("shop", URL)
    answer = step(here, "replay", body)
    assert (422, field) == (answer.status, answer.body["errors"][0]["field"])
    assert {} == here.queue.messages


def test_nothing_is_replayed_to_a_disabled_endpoint(here: HookStage) -> None:
    """It has to be enabled first."""
    here.create("shop", URL)
    step(here, "disable", key="d")
    answer = step(here, "replay", {"from": "2026-11-26T00:00:00Z"})
    assert (409, "WRONG_STATUS", ["ACTIVE"]) == (answer.status, answer.code, answer.body["needs"])


def test_without_a_delivery_queue_nothing_can_be_sent(aws: None) -> None:  # noqa: ARG001 - the table is made in it
    """An operator is told so, instead of waiting."""
    bare = Stage("bare-hooks", now=NOW)
    with use(bare.runtime):
        for path, body in (("/shop/ping", None), ("/shop/replay", {"from": "2026-11-26T00:00:00Z"})):
            answer = HookStage.ask(bare, "POST", ENDPOINTS + path, body)  # type: ignore[arg-type]
            assert (409, "NOT_OFFERED") == (answer.status, answer.code)


# docs/webhooks-out.md ------------------------------------------------------------------------------------------------


def test_what_the_page_asks_is_answered_as_it_says(here: HookStage) -> None:
    """The endpoint it makes, the replay it asks for, and the fields of a line of the log."""
    page = Path("docs/webhooks-out.md").read_text("utf-8")
    made, again = (json.loads(body) for body in re.findall(r"-d '(\{.*?\})'", page, re.DOTALL))
    assert 201 == here.ask("POST", ENDPOINTS, made, key="shop-1").status
    assert 202 == step(here, "replay", again).status
    here.tell(event(1))
    here.work()
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    answer = here.ask("GET", f"{ENDPOINTS}/shop/deliveries").body
    assert json.loads(shown).keys() == answer.keys()
    assert json.loads(shown)["deliveries"][0].keys() == answer["deliveries"][0].keys()
