"""What the functions call is what they may: every handler runs, its calls are taken down, and both are equal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import botocore.client
import pytest
from moto import mock_aws

from infra import permissions
from jifen.runtime import use
from local import template as stack_template
from tests.functions.stage import ADMIN, APPS, OPERATOR, REGION, Stage, paid, refunded

NAMES = sorted(APPS)
SENDER = "points@shop.example"

Use = tuple[str, str]
"""An action and the logical id of what it is done to; `Table/due_expiry` for an index."""

TRANSACTION_ACTIONS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
ACTIONS = {"SendMessageBatch": "sqs:SendMessage", "SendEmail": "ses:SendEmail"}
"""Calls whose right has another name than the call itself."""


def _calls(service: str, operation: str, asked: Mapping[str, Any]) -> Iterator[Use]:
    """The rights that one call needs, each with the name of what it touches."""
    action = ACTIONS.get(operation, f"{service}:{operation}")
    match asked:
        case {"TransactItems": items}:
            for item in items:
                for kind, one in item.items():
                    yield TRANSACTION_ACTIONS[kind], one["TableName"]
        case {"RequestItems": tables}:
            yield from ((action, table) for table in tables)
        case {"TableName": table, "IndexName": index}:
            yield action, f"{table}/{index}"
        case {"TableName": table}:
            yield action, table
        case {"QueueUrl": url}:
            yield action, url
        case {"Entries": entries}:
            yield from ((action, entry["EventBusName"]) for entry in entries)
        case {"FromEmailAddress": sender}:
            yield action, sender
        case _:
            yield action, "*"


class Recorder(Stage):
    """A stage that knows which function is running when a call is made."""

    def __post_init__(self) -> None:
        self.uses: dict[str, set[Use]] = {name: set() for name in NAMES}
        self.running: str | None = None
        super().__post_init__()

    def call(self, function: str, event: Mapping[str, Any], context: object | None = None) -> dict[str, Any]:
        """Invoke a handler and take down what it calls."""
        self.running = function
        try:
            return super().call(function, event, context)
        finally:
            self.running = None

    def take_down(self, service: str, operation: str, asked: Mapping[str, Any]) -> None:
        """Keep the rights that a call of the running function needs."""
        if self.running is not None:
            self.uses[self.running] |= set(_calls(service, operation, asked))

    @property
    def variables(self) -> dict[str, str]:
        """The variable of the environment from which a function has each name."""
        return {
            self.name: "JIFEN_TABLE",
            self.orders_url: "JIFEN_ORDERS_QUEUE_URL",
            self.sweep_url: "JIFEN_SWEEP_QUEUE_URL",
            self.event_bus: "JIFEN_EVENT_BUS",
            self.email_from: "JIFEN_EMAIL_FROM",
        }


def _live(here: Recorder) -> None:
    """A year of one member: every route, both sweeps with fan-out and work, and what they send."""
    here.earn(paid("o-1", "m-1", 30_000), paid("o-2", "m-2", 10_000))
    here.earn(refunded("o-1", "r-1", "m-1", 1_000))
    assert 200 == here.ask("PUT", "/v1/members/m-1/contact", {"email": "m@shop.example", "language": "en"}).status
    for path in ("", "/lots", "/entries", "/proof"):
        here.get(f"/v1/members/m-1{path}")
    redemption = here.redeem("m-1", 10, "k-1").body["redemption_id"]
    assert 200 == here.ask("POST", f"/v1/redemptions/{redemption}/restore", key="k-2").status
    for end in ("capture", "void"):
        hold = here.hold("m-1", 10, f"k-{end}").body["hold_id"]
        assert 200 == here.ask("POST", f"/v1/holds/{hold}/{end}", key=f"k-{end}-2").status
    for sweep, day in (("remind", "2012-01-01T09:00:00+00:00"), ("expire", "2012-02-01T00:05:00+00:00")):
        here.move_to(day)
        here.call(sweep, {"as_of": day})
        for record in here.tasks():
            assert {"batchItemFailures": []} == here.call(sweep, {"Records": [record]})
    assert {"RemindAccountsWritten": 2, "ExpireAccountsWritten": 2} == {
        name: count for name, count in here.counted.items() if name.endswith("AccountsWritten")
    }


def _engage(here: Recorder) -> None:
    """A morning of a member: an event, a check-in, and a look at what came of it."""
    event = {"type": "page.shared", "event_id": "e-1", "member_id": "m-1", "occurred_at": here.now.isoformat()}
    assert 200 == here.ask("POST", "/v1/events", event, key="e-1").status
    assert 200 == here.ask("POST", "/v1/members/m-1/check-ins", key="c-1").status
    assert 200 == here.ask("PUT", "/v1/members/m-1/profile", {"tags": ["vip"]}).status
    for path in ("check-ins", "tasks", "tier", "profile"):
        here.get(f"/v1/members/m-1/{path}")


def _govern(here: Recorder) -> None:
    """An afternoon of an operator: every list, a draft and its publication, a campaign from beginning to end."""
    for path in ("program", "rulesets", "rulesets/0", "campaign-templates", "campaigns", "audit", "reviews"):
        assert 200 == here.ask("GET", f"/v1/{path}", scopes=OPERATOR).status
    assert 200 == here.ask("PUT", "/v1/program", {"clawback": "negative"}, scopes=ADMIN).status
    campaign = {"id": "c", "rules": [{"id": "x", "fixed": 5, "when": {"amount_minor": {"min": 10_000}}}]}
    for number, (path, body) in enumerate(
        (
            ("rulesets", {"reminders": {"lead_days": [5]}}),
            ("rulesets/2/publish", None),
            ("rulesets/1/roll-back", None),
            ("campaigns", campaign),
            ("campaigns/c/schedule", None),
            ("campaigns/c/pause", None),
        )
    ):
        assert here.ask("POST", f"/v1/{path}", body, scopes=ADMIN, key=f"a-{number}").status in {200, 201}


@pytest.fixture(scope="module")
def lived() -> Iterator[Recorder]:
    """A stage after a year, with every call of every function taken down."""
    whole = botocore.client.BaseClient._make_api_call

    def noting(client: Any, operation: str, asked: Mapping[str, Any]) -> Any:
        here.take_down(client.meta.service_model.signing_name, operation, asked)
        return whole(client, operation, asked)

    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
            patch.setenv(name, REGION)
        patch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
        boto3.client("ses", REGION).verify_email_identity(EmailAddress=SENDER)
        boto3.client("events", REGION).create_event_bus(Name="shop-bus")
        here = Recorder("points", event_bus="shop-bus", email_from=SENDER)
        patch.setattr(botocore.client.BaseClient, "_make_api_call", noting)
        with use(here.runtime):
            _live(here)
            _engage(here)
            _govern(here)
        yield here


def _granted(expanded: dict[str, Any], function: str) -> set[Use]:
    """What a function's role allows, resources by logical id; several spellings of one resource count once."""
    rights = [one for one in permissions.rights(expanded) if one.role == f"{function.capitalize()}Role"]
    assert {"Allow"} == {one.effect for one in rights}
    return {(one.action, _logical(one.resource)) for one in rights}


def _logical(resource: str) -> str:
    """The logical id in a resource as the template says it."""
    if index := re.fullmatch(r"!Sub \$\{(\w+)\.Arn\}/index/(\w+)", resource):
        return f"{index[1]}/{index[2]}"
    names = re.findall(r"!GetAtt (\w+)\.Arn|\$\{(\w+)\}|\"Ref\": \"(\w+)\"", resource)
    (named,) = {name for found in names for name in found if name}
    return str(named)


def _of_the_platform(expanded: dict[str, Any], function: str) -> set[Use]:
    """What Lambda itself does under the function's role: logs, the queue that feeds it, its dead-letter queue."""
    deployed = stack_template.resources(expanded, "AWS::Lambda::Function")[function.capitalize()]
    logs = deployed["LoggingConfig"]["LogGroup"]["Ref"]
    uses = {("logs:CreateLogStream", logs), ("logs:PutLogEvents", logs)}
    for source in stack_template.resources(expanded, "AWS::Lambda::EventSourceMapping").values():
        if source["FunctionName"] == {"Ref": function.capitalize()}:
            queue = source["EventSourceArn"]["Fn::GetAtt"][0]
            uses |= {(f"sqs:{action}", queue) for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}
    if "DeadLetterConfig" in deployed:
        uses.add(("sqs:SendMessage", deployed["DeadLetterConfig"]["TargetArn"]["Fn::GetAtt"][0]))
    return uses


def _by_logical_id(lived: Recorder, expanded: dict[str, Any], function: str) -> set[Use]:
    """What a function called, with names turned back into what its environment takes them from."""
    deployed = stack_template.resources(expanded, "AWS::Lambda::Function")[function.capitalize()]
    environment = deployed["Environment"]["Variables"]
    uses = set()
    for action, touched in lived.uses[function]:
        name, slash, index = (touched, "", "") if "://" in touched else touched.partition("/")
        uses.add((action, environment[lived.variables[name]]["Ref"] + slash + index))
    return uses


@pytest.mark.parametrize("function", NAMES)
def test_a_function_may_do_what_it_does_and_no_more(function: str, lived: Recorder, expanded: dict[str, Any]) -> None:
    """Rights of a role = calls of its code + what Lambda does for it, action by action and resource by resource."""
    called = _by_logical_id(lived, expanded, function)

    assert called, "a function that calls nothing was not run"
    assert called | _of_the_platform(expanded, function) == _granted(expanded, function)


def test_a_schedule_may_start_its_function_and_nothing_else(expanded: dict[str, Any]) -> None:
    """A schedule's role, made by SAM, invokes its target and leaves what failed in the schedules' dead-letter queue."""
    targets = [one["Target"] for one in stack_template.resources(expanded, "AWS::Scheduler::Schedule").values()]
    granted = {
        target["Arn"]["Fn::GetAtt"][0]: {
            (right.action, _logical(right.resource))
            for right in permissions.rights(expanded)
            if right.role == target["RoleArn"]["Fn::GetAtt"][0]
        }
        for target in targets
    }

    assert {
        name: {("lambda:InvokeFunction", name), ("sqs:SendMessage", "ScheduleDlq")}
        for name in ("Expire", "Remind", "Settle")
    } == granted


def test_a_call_that_names_no_resource_would_be_seen() -> None:
    """Such a call needs the right for all of them, which no role has."""
    assert [("sts:GetCallerIdentity", "*")] == list(_calls("sts", "GetCallerIdentity", {}))
