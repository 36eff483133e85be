"""Least privilege, read from the stack that CloudFormation gets."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
LEDGER = {"dynamodb:BatchGetItem", "dynamodb:PutItem"}

ALLOWED = {
    "WebhookRole": LOGS | {"sqs:SendMessage"},
    "EarnRole": LOGS | CONSUME | LEDGER,
    "RedeemRole": LOGS | LEDGER,
    "AccountRole": LOGS | LEDGER | {"dynamodb:Query"},
    "ExpireRole": LOGS | CONSUME | LEDGER | {"dynamodb:Query", "sqs:SendMessage"},
    "RemindRole": LOGS | CONSUME | LEDGER | {"dynamodb:Query", "sqs:SendMessage", "events:PutEvents", "ses:SendEmail"},
    "ExpireNightlyRole": {"lambda:InvokeFunction", "sqs:SendMessage"},
    "RemindDailyRole": {"lambda:InvokeFunction", "sqs:SendMessage"},
}

# What the store calls, and the right that each call needs.
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
}

Statements = dict[str, list[dict[str, Any]]]


def test_no_role_can_do_more_than_is_listed_here(statements: Statements) -> None:
    """A new right is a line in this file."""
    granted = {role: {action for each in listed for action in each["Action"]} for role, listed in statements.items()}

    assert ALLOWED == granted


def test_the_rights_are_those_that_the_store_uses(root: Path, statements: Statements) -> None:
    """A new kind of call in the store needs a new right, found here and not by AWS; an old one takes it away."""
    calls = {
        ".".join(ast.unparse(node.func).split(".")[-2:])
        for path in (root / "layers" / "common" / "jifen" / "store").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    granted = {action for listed in statements.values() for each in listed for action in each["Action"]}

    assert {NEEDED[call] for call in calls & set(NEEDED)} == {each for each in granted if each.startswith("dynamodb:")}


@pytest.mark.parametrize(
    "action", ["dynamodb:Scan", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteTable"]
)
def test_the_ledger_is_neither_scanned_nor_deleted(action: str, statements: Statements) -> None:
    """Nobody scans the table and nobody takes history out of it."""
    assert [] == [role for role, listed in statements.items() for each in listed if action in each["Action"]]


def test_no_wildcard_action(statements: Statements) -> None:
    """Every action is spelt out."""
    assert [] == [
        action for listed in statements.values() for each in listed for action in each["Action"] if "*" in action
    ]


def test_every_resource_is_named(statements: Statements) -> None:
    """No right holds for all resources of the account."""
    literal = [
        resource
        for listed in statements.values()
        for each in listed
        for resource in each["Resource"]
        if isinstance(resource, str) or "*" in str(resource)
    ]

    assert [] == literal


def test_no_managed_policy(expanded: dict[str, Any]) -> None:
    """AWS's ready-made policies name no resource, so no role has one."""
    roles = {name: each for name, each in expanded["Resources"].items() if each["Type"] == "AWS::IAM::Role"}

    assert [] == [name for name, role in roles.items() if role["Properties"].get("ManagedPolicyArns")]


@pytest.mark.parametrize(
    ("role", "resource"),
    [
        ("AccountRole", {"Fn::GetAtt": ["Table", "Arn"]}),
        ("ExpireRole", {"Fn::Sub": "${Table.Arn}/index/due_expiry"}),
        ("RemindRole", {"Fn::Sub": "${Table.Arn}/index/due_reminder"}),
    ],
)
def test_query_reaches_one_thing(role: str, resource: dict[str, Any], statements: Statements) -> None:
    """A sweep queries its own index and no account; the others query accounts and no index."""
    assert [[resource]] == [each["Resource"] for each in statements[role] if "dynamodb:Query" in each["Action"]]


@pytest.mark.parametrize(
    ("role", "sends_to"),
    [
        ("WebhookRole", {"OrdersQueue"}),
        ("EarnRole", set()),
        ("RedeemRole", set()),
        ("AccountRole", set()),
        ("ExpireRole", {"ExpireQueue", "ScheduleDlq"}),
        ("RemindRole", {"RemindQueue", "ScheduleDlq"}),
    ],
)
def test_messages_go_to_own_queues_only(role: str, sends_to: set[str], statements: Statements) -> None:
    """A function sends to its own queue and to nobody else's."""
    sent = {
        resource["Fn::GetAtt"][0]
        for each in statements[role]
        if "sqs:SendMessage" in each["Action"]
        for resource in each["Resource"]
    }

    assert sends_to == sent


def test_mail_leaves_under_one_name_only(expanded: dict[str, Any]) -> None:
    """Mail may be sent when a sender is named, from that sender, and not otherwise."""
    mail = expanded["Resources"]["RemindMail"]

    (statement,) = mail["Properties"]["PolicyDocument"]["Statement"]

    assert "HasEmail" == mail["Condition"]
    assert {"StringEquals": {"ses:FromAddress": {"Ref": "EmailFrom"}}} == statement["Condition"]
