"""Least privilege, read from the stack that CloudFormation gets."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from infra.permissions import Right, rights

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
STREAM = {"dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "dynamodb:ListStreams"}
CHANNELS = {"sqs:SendMessage", "ses:SendEmail", "sms-voice:SendTextMessage", "sns:Publish"}
LEDGER = {"dynamodb:BatchGetItem", "dynamodb:PutItem"}

ALLOWED = {
    "WebhookRole": LOGS | {"sqs:SendMessage"},
    "EarnRole": LOGS | CONSUME | LEDGER,
    "RedeemRole": LOGS | LEDGER | {"dynamodb:Query"},
    "AccountRole": LOGS | LEDGER | {"dynamodb:Query"},
    "AdminRole": LOGS | LEDGER | {"dynamodb:Query"},
    "EngageRole": LOGS | LEDGER,
    "CatalogRole": LOGS | LEDGER | {"dynamodb:Query"},
    "PlayRole": LOGS | LEDGER | {"dynamodb:Query"},
    "SettleRole": LOGS | LEDGER | {"dynamodb:Query", "events:PutEvents", "sqs:SendMessage"},
    "SettleOftenRole": {"lambda:InvokeFunction", "sqs:SendMessage"},
    "OperateRole": LOGS | LEDGER | {"dynamodb:Query", "sqs:SendMessage"},
    "OutreachRole": LOGS | LEDGER | {"dynamodb:Query", "events:PutEvents"} | CHANNELS,
    "HooksRole": LOGS | LEDGER | {"dynamodb:Query", "sqs:SendMessage"},
    "DeliverRole": LOGS | CONSUME | LEDGER | {"dynamodb:Query", "sqs:SendMessage", "sqs:ChangeMessageVisibility"},
    "PublishRole": LOGS | STREAM | LEDGER | {"dynamodb:Query", "events:PutEvents", "sqs:SendMessage"},
    "ExpireRole": LOGS | CONSUME | LEDGER | {"dynamodb:Query", "sqs:SendMessage"},
    "RemindRole": LOGS | CONSUME | LEDGER | {"dynamodb:Query", "events:PutEvents"} | CHANNELS,
    "ExpireNightlyRole": {"lambda:InvokeFunction", "sqs:SendMessage"},
    "RemindDailyRole": {"lambda:InvokeFunction", "sqs:SendMessage"},
    "RemindHourlyRole": {"lambda:InvokeFunction", "sqs:SendMessage"},
}

# What the layer calls, and the right that each call needs.
NEEDED = {
    "_table.batch_get_item": "dynamodb:BatchGetItem",
    "_table.get_item": "dynamodb:GetItem",
    "_table.query": "dynamodb:Query",
    "_table.put_item": "dynamodb:PutItem",
    "_table.update_item": "dynamodb:UpdateItem",
    "_table.delete_item": "dynamodb:DeleteItem",
    "_table.scan": "dynamodb:Scan",
    "_table.describe_table": "dynamodb:DescribeTable",
    "transaction.save": "dynamodb:PutItem",
    "transaction.update": "dynamodb:UpdateItem",
    "transaction.delete": "dynamodb:DeleteItem",
    "transaction.condition_check": "dynamodb:ConditionCheckItem",
    "_client.send_message": "sqs:SendMessage",
    "_client.send_message_batch": "sqs:SendMessage",
    "_client.put_events": "events:PutEvents",
    "_client.send_email": "ses:SendEmail",
    "_client.send_text_message": "sms-voice:SendTextMessage",
    "_client.publish": "sns:Publish",
    "_client.change_message_visibility": "sqs:ChangeMessageVisibility",
}

NEVER = (
    "dynamodb:Scan",
    "dynamodb:DeleteItem",
    "dynamodb:UpdateItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLUpdate",
    "dynamodb:UpdateTable",
    "dynamodb:DeleteTable",
    "dynamodb:UpdateTimeToLive",
)


@pytest.fixture(scope="session")
def granted(expanded: dict[str, Any]) -> list[Right]:
    """What the roles of the expanded stack may do."""
    return rights(expanded)


def test_no_role_can_do_more_than_is_listed_here(granted: list[Right]) -> None:
    """A new right is a line in this file."""
    assert ALLOWED == {
        role: {right.action for right in granted if right.role == role} for role in {right.role for right in granted}
    }


def test_the_rights_are_those_that_the_layer_uses(root: Path, granted: list[Right]) -> None:
    """A new kind of call needs a new right, found here and not by AWS; the last of a kind takes it away."""
    calls = {
        ".".join(ast.unparse(node.func).split(".")[-2:])
        for path in (root / "layers" / "common" / "jifen").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    made = {call for call in calls if call.startswith(("_table.", "transaction.", "_client."))}
    platform = LOGS | CONSUME | STREAM | {"lambda:InvokeFunction"}

    assert {NEEDED[call] for call in made} == {right.action for right in granted} - platform


@pytest.mark.parametrize("action", NEVER)
def test_the_ledger_is_only_read_by_key_and_put(action: str, granted: list[Right]) -> None:
    """Nobody scans the table, changes an item outside a conditional put, or takes history out of it."""
    assert [] == [right for right in granted if right.action.lower() == action.lower()]


def test_no_wildcard_action(granted: list[Right]) -> None:
    """Every action is spelt out."""
    assert [] == [right for right in granted if not re.fullmatch(r"[a-z-]+:[A-Za-z]+", right.action)]


def test_every_resource_is_named(granted: list[Right]) -> None:
    """No right holds for all resources of the account, or for all of a kind but members' devices, which come and go."""
    wide = [right for right in granted if not right.resource.startswith("!") or "*" in right.resource]

    assert {("OutreachRole", "sns:Publish", "HasPush"), ("RemindRole", "sns:Publish", "HasPush")} == {
        (right.role, right.action, right.only_if) for right in wide
    }
    assert all(right.resource.endswith(":${AWS::AccountId}:endpoint/*") for right in wide)


def test_no_managed_policy(expanded: dict[str, Any]) -> None:
    """AWS's ready-made policies name no resource, so no role has one."""
    roles = {name: each for name, each in expanded["Resources"].items() if each["Type"] == "AWS::IAM::Role"}

    assert [] == [name for name, role in roles.items() if role["Properties"].get("ManagedPolicyArns")]


@pytest.mark.parametrize(
    ("role", "resource"),
    [
        ("AccountRole", "!GetAtt Table.Arn"),
        ("RedeemRole", "!GetAtt Table.Arn"),
        ("CatalogRole", "!GetAtt Table.Arn"),
        ("PlayRole", "!GetAtt Table.Arn"),
        ("PublishRole", "!GetAtt Table.Arn"),
        ("DeliverRole", "!GetAtt Table.Arn"),
        ("HooksRole", "!GetAtt Table.Arn"),
        ("OutreachRole", "!GetAtt Table.Arn"),
    ],
)
def test_query_reaches_one_thing(role: str, resource: str, granted: list[Right]) -> None:
    """Who knows members, or the shop's endpoints, by their keys asks no index who else there is."""
    assert [resource] == [right.resource for right in granted if (right.role, right.action) == (role, "dynamodb:Query")]


@pytest.mark.parametrize(
    ("role", "sends_to"),
    [
        ("WebhookRole", {"OrdersQueue"}),
        ("EarnRole", set()),
        ("RedeemRole", set()),
        ("AccountRole", set()),
        ("CatalogRole", set()),
        ("PlayRole", set()),
        ("SettleRole", {"ScheduleDlq"}),
        ("ExpireRole", {"ExpireQueue", "ScheduleDlq"}),
        ("RemindRole", {"RemindQueue", "ScheduleDlq", "DeliveryQueue"}),
        ("OperateRole", {"ExpireQueue"}),
        ("OutreachRole", {"DeliveryQueue"}),
        ("HooksRole", {"DeliveryQueue"}),
        ("DeliverRole", {"DeliveryQueue"}),
        ("PublishRole", {"DeliveryQueue", "PublishDlq"}),
    ],
)
def test_messages_go_to_own_queues_only(role: str, sends_to: set[str], granted: list[Right]) -> None:
    """A function sends to its own queue and to nobody else's."""
    assert {f"!GetAtt {queue}.Arn" for queue in sends_to} == {
        right.resource for right in granted if (right.role, right.action) == (role, "sqs:SendMessage")
    }


def test_mail_leaves_under_one_name_only(granted: list[Right]) -> None:
    """Mail may be sent when a sender is named, from that sender, and not otherwise."""
    mail = [right for right in granted if right.action == "ses:SendEmail"]

    assert {"OutreachRole", "RemindRole"} == {right.role for right in mail}
    assert ["HasEmail"] * 4 == [right.only_if for right in mail]
    assert ['{"StringEquals": {"ses:FromAddress": {"Ref": "EmailFrom"}}}'] * 4 == [right.condition for right in mail]
