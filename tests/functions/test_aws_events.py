"""Events as AWS really delivers them drive the handlers: the shapes are captured or published ones, only filled in."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local import template
from tests.functions.stage import MEMBER, NOW, SHOP, Answer, Stage, delivery, paid

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "aws_events"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(),
    reason="the published event shapes lie beside the project, not in it: ../shared/data/aws_events",
)

HTTP = [
    "powertools/apiGatewayProxyV2Event.json",
    "powertools/apiGatewayProxyV2Event_GET.json",
    "aws_lambda_go/apigw-v2-request-jwt-authorizer.json",
    "aws_lambda_go/apigw-v2-request-no-authorizer.json",
    "sam_cli/apigateway_http-api-proxy.json",
    "powertools/lambdaFunctionUrlEvent.json",
]
FOREIGN_AUTHORIZERS = [
    "powertools/apiGatewayProxyV2IamEvent.json",
    "powertools/apiGatewayProxyV2LambdaAuthorizerEvent.json",
    "aws_lambda_go/apigw-v2-request-iam.json",
    "aws_lambda_go/apigw-v2-request-no-authorizer.json",
    "powertools/lambdaFunctionUrlIAMEvent.json",
]
QUEUE = [
    "powertools/snsSqsFifoEvent.json",
    "powertools/sqsEvent.json",
    "powertools/sqsDlqTriggerEvent.json",
    "sam_cli/sqs_receive-message.json",
    "aws_lambda_go/sqs-event.json",
]


@pytest.fixture(scope="module")
def history(stage: Stage) -> Any:
    """A member with a hundred points."""
    stage.earn(paid("o-1", "m-1", 10_000))
    return stage.remember()


@pytest.fixture
def here(stage: Stage, history: Any) -> Stage:
    """The member with a hundred points."""
    stage.go_back(history)
    return stage


def shape(name: str) -> dict[str, Any]:
    """One published event."""
    event: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return event


def request(
    name: str,
    method: str,
    path: str,
    *,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    claims: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A published HTTP event for our method and path; its other fields stay as they are."""
    event = copy.deepcopy(shape(name))
    event["rawPath"] = path
    event["requestContext"].setdefault("http", {}).update(method=method, path=path)
    event["requestContext"]["stage"] = "$default"
    event["headers"] = {**event.get("headers", {}), **(headers or {})}
    event.pop("queryStringParameters", None)
    event["rawQueryString"] = ""
    event["body"], event["isBase64Encoded"] = body, False
    if claims is not None:
        event["requestContext"]["authorizer"] = {"jwt": {"claims": dict(claims), "scopes": None}}
    return event


@pytest.mark.parametrize("name", HTTP)
def test_a_balance_is_answered(here: Stage, name: str) -> None:
    """GET with a JWT that the authorizer verified, claims as texts."""
    claims = {"sub": "m-1", "scope": f"openid {MEMBER}", "token_use": "access", "exp": "1294650000", "version": "2"}

    answer = Answer.of(here.call("account", request(name, "GET", "/v1/members/m-1", claims=claims)))

    assert (200, 100) == (answer.status, answer.body["available"])


@pytest.mark.parametrize("name", HTTP)
@pytest.mark.parametrize("coded", [False, True], ids=["text", "base64"])
def test_a_redemption_is_made(here: Stage, name: str, coded: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """POST with a body as text or in base64, whatever other headers the client sent."""
    body = '{"points": 40, "reason": "结账"}'
    claims = {"sub": "shop", "scp": f"[{SHOP} openid]"}
    event = request(name, "POST", "/v1/members/m-1/redemptions", body=body, claims=claims)
    event["headers"]["idempotency-key"] = "k-1"
    if coded:
        event |= {"body": base64.b64encode(body.encode()).decode(), "isBase64Encoded": True}

    answer = Answer.of(here.call("redeem", event))

    assert (201, 60) == (answer.status, answer.body["available"])


@pytest.mark.parametrize("name", FOREIGN_AUTHORIZERS)
def test_no_other_authorizer_lets_anybody_in(here: Stage, name: str) -> None:
    """Without a JWT there is no caller: 401, whoever IAM or a function says it is."""
    answer = Answer.of(here.call("account", request(name, "GET", "/v1/members/m-1")))

    assert (401, "UNAUTHENTICATED") == (answer.status, answer.code)


@pytest.mark.parametrize("name", ["powertools/apiGatewayProxyV2Event.json", "sam_cli/apigateway_http-api-proxy.json"])
def test_the_claims_of_a_published_event_are_no_scope_of_ours(here: Stage, name: str) -> None:
    """A token of somebody else's application has no subject and no scope here."""
    answer = Answer.of(here.call("account", request(name, "GET", "/v1/members/m-1")))

    assert answer.status in {401, 403}


@pytest.mark.parametrize("name", HTTP)
def test_a_webhook_is_taken(here: Stage, name: str) -> None:
    """POST /webhooks/standard: the signature is over the body, the source is the path parameter."""
    signed = delivery(paid("o-2", "m-1", 5_000))
    event = request(name, "POST", "/webhooks/standard", body=signed["body"], headers=signed["headers"])
    event["pathParameters"] = {"source": "standard"}

    answer = Answer.of(here.call("webhook", event))

    assert (202, {}) == (answer.status, answer.body)
    assert 1 == here.waiting()


@pytest.mark.parametrize("name", QUEUE)
def test_an_order_event_is_earned(here: Stage, name: str) -> None:
    """A record of the queue, FIFO or not, with all that SQS puts around a body."""
    (message,) = here.records(paid("o-2", "m-1", 5_000))
    event = shape(name)
    event["Records"][0]["body"] = message["body"]
    first = event["Records"][:1]

    assert {"batchItemFailures": []} == here.call("earn", {"Records": first})
    assert 150 == here.member("m-1")["available"]


@pytest.mark.parametrize("name", QUEUE)
def test_a_message_of_somebody_else_is_named_as_failed(here: Stage, name: str) -> None:
    """The published bodies are no events of ours: each goes back under its own message id."""
    records = shape(name)["Records"]

    result = here.call("earn", {"Records": records})

    assert [{"itemIdentifier": record["messageId"]} for record in records] == result["batchItemFailures"]


@pytest.mark.parametrize("sweep", ["expire", "remind"])
@pytest.mark.parametrize(
    "name", ["other/eventbridge_scheduler_default_input.json", "sam_cli/cloudwatch_scheduled-event.json"]
)
def test_a_schedule_without_input_runs_as_of_now(here: Stage, sweep: str, name: str) -> None:
    """The scheduler's own envelope has no ``as_of``; the run is as of the clock."""
    answer = here.call(sweep, shape(name))

    assert {"as_of": NOW.isoformat(), "queued": 16} == answer


def test_the_input_of_the_template_is_what_the_functions_read(here: Stage) -> None:
    """The template's input, with the scheduler's placeholder replaced by a time as the scheduler writes it."""
    functions = template.resources(template.load(), "AWS::Serverless::Function")
    said = {
        name.lower(): found
        for name, function in functions.items()
        if (
            found := [
                event["Properties"]["Input"]
                for event in function.get("Events", {}).values()
                if event["Type"] == "ScheduleV2"
            ]
        )
    }

    texts = {
        name: [text.replace("<aws.scheduler.scheduled-time>", PAST) for text in found] for name, found in said.items()
    }
    assert {"expire": 1, "remind": 2, "settle": 1} == {name: len(found) for name, found in texts.items()}
    daily, hourly = texts["remind"]
    for sweep, text, queued in (("expire", texts["expire"][0], 16), ("remind", daily, 16), ("remind", hourly, 0)):
        # The hourly one is for what waits, and without quiet hours nothing does.
        assert {"as_of": "2010-12-31T16:00:00+00:00", "queued": queued} == here.call(sweep, json.loads(text))
    nothing = {"seen": 0, "settled": 0, "left": 0, "failed": 0, "finished": True}
    assert {"as_of": "2010-12-31T16:00:00+00:00", **nothing} == here.call("settle", json.loads(texts["settle"][0]))


PAST = "2010-12-31T16:00:00Z"
"""Before now: what settles deadlines refuses an instant that is ahead."""


@pytest.mark.parametrize("name", QUEUE)
def test_a_sweep_task_is_worked(here: Stage, name: str) -> None:
    """A shard's task inside a published record."""
    here.move_to("2012-02-01T00:05:00+00:00")
    here.call("expire", {})
    records = [
        shape(name)["Records"][0] | {"messageId": str(number), "body": task["body"]}
        for number, task in enumerate(here.tasks())
    ]

    assert 16 == len(records)
    assert {"batchItemFailures": []} == here.call("expire", {"Records": records})
    assert 100 == here.member("m-1")["lifetime"]["expired"]
