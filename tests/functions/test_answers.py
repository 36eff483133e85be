"""What every answer of the API has in common: its request's id, and a problem document even when we break."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.account import app as account_app
from functions.webhook import app as webhook_app
from jifen.runtime import Runtime, use
from jifen.service.ports import Ledger
from local.replay import api_request
from tests.functions.stage import ADMIN, MEMBER, SHOP, Answer, Context, Stage, delivery, paid

SECRET_OF_OURS = "the password of the table"


class _Broken:
    """A ledger and a queue that break in a way nobody thought of."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(SECRET_OF_OURS)


@pytest.fixture(autouse=True)
def own_logger(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A logger of the test's own: one of a name that was used before would write to a stream that is closed."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", request.node.name)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "INFO")


def numbered(event: dict[str, Any], request_id: str) -> dict[str, Any]:
    """The event as the gateway's request of that id."""
    return event | {"requestContext": event["requestContext"] | {"requestId": request_id}}


EVENTS = [
    ("account", api_request("GET", "/v1/members/m-1", None, "m-1", MEMBER), 200),
    ("account", api_request("GET", "/v1/members/m-2", None, "m-1", MEMBER), 403),
    ("account", api_request("GET", "/v1/members/m-1", None, "", ""), 401),
    ("account", api_request("GET", "/v1/nothing", None, "m-1", MEMBER), 404),
    ("account", api_request("GET", "/v1/members/m-1/entries", None, "s", SHOP, query={"limit": "0"}), 422),
    ("redeem", api_request("POST", "/v1/members/m-1/redemptions", {"points": 1}, "s", SHOP), 400),
    ("redeem", api_request("POST", "/v1/members/m-1/redemptions", {"points": 1}, "s", SHOP, key="k"), 409),
    ("webhook", delivery({"type": "ping"}), 200),
    ("webhook", delivery(paid("answers-1", "m-answers", 100)), 202),
    ("webhook", delivery({"type": 1}), 400),
    ("webhook", delivery({"type": "ping"}, headers={"webhook-signature": "v1,no"}), 401),
]


@pytest.mark.parametrize(("function", "event", "status"), EVENTS, ids=[f"{name} {code}" for name, _, code in EVENTS])
def test_every_answer_carries_the_id_of_its_request(
    stage: Stage, function: str, event: dict[str, Any], status: int
) -> None:
    """The id of API Gateway's access log, whatever the answer; refusals are problem documents."""
    answer = Answer.of(stage.call(function, numbered(event, f"id-{status}")))

    assert (status, f"id-{status}", "no-store") == (
        answer.status,
        answer.headers["x-request-id"],
        answer.headers["cache-control"],
    )
    assert ("application/problem+json" if status >= 400 else "application/json") == answer.headers["content-type"]


def test_the_log_lines_of_a_request_carry_its_id(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Also when the same process answers one after the other."""
    lines = []
    with use(Runtime(stage.settings, clock=lambda: stage.now, count=lambda _: None)):
        for request_id in ("first", "second"):
            webhook_app.handler(numbered(delivery({"type": 1}), request_id), Context())
            lines.append(json.loads(capsys.readouterr().out.strip().splitlines()[-1]))

    assert ["first", "second"] == [line["request_id"] for line in lines]
    assert {"MALFORMED_EVENT"} == {line["code"] for line in lines}


def test_the_log_lines_of_a_batch_carry_the_invocation_s_id(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no gateway has given an id, Lambda's own."""
    records = stage.records(paid("answers-2", "m-answers", 100))
    runtime = Runtime(stage.settings, clock=lambda: stage.now, count=lambda _: None, ledger=stage.runtime.ledger)
    with use(runtime):
        stage.call("earn", {"Records": records}, Context(aws_request_id="batch-1"))

    lines = [json.loads(text) for text in capsys.readouterr().out.strip().splitlines()]

    assert {("order event posted", "batch-1")} == {(line["message"], line["request_id"]) for line in lines}


@pytest.mark.parametrize("function", ["account", "webhook"])
def test_a_crash_is_answered_counted_and_logged(
    stage: Stage, function: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault of ours: 500 with a stable code, not a word of what broke, and the traceback where the operator looks."""
    counted: dict[str, int] = {}
    broken: Any = _Broken()
    ledger: Ledger = broken
    runtime = Runtime(stage.settings, clock=lambda: stage.now, count=counted.update, ledger=ledger, orders=broken)
    request = api_request("GET", "/v1/members/m-1", None, "ops", ADMIN)
    event = request if function == "account" else delivery(paid("answers-3", "m-answers", 100))
    app = account_app if function == "account" else webhook_app
    with use(runtime):
        answer = Answer.of(app.handler(numbered(event, "broken-1"), Context()))

    logged = json.loads(capsys.readouterr().out.strip().splitlines()[-1])

    assert (500, "INTERNAL_ERROR", "broken-1") == (answer.status, answer.code, answer.headers["x-request-id"])
    assert SECRET_OF_OURS not in json.dumps(answer.body)
    assert {"Crashes": 1} == counted
    assert ("broken-1", "ZeroDivisionError") == (logged["request_id"], logged["exception_name"])
    assert SECRET_OF_OURS in logged["exception"]
