"""The page of permissions is the template's, and nothing can be widened without a line in it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

import pytest

from infra import permissions

Document = dict[str, Any]


@pytest.fixture(scope="session")
def page(expanded: Document) -> str:
    """The page as the template has it."""
    return permissions.text(expanded)


def test_the_committed_page_is_the_templates(page: str) -> None:
    """Who reads infra/permissions.md reads what is deployed."""
    assert "" == permissions.difference(permissions.PATH.read_text(encoding="utf-8"), page)


def _role(document: Document, name: str) -> list[Document]:
    """The statements of a role's only written policy."""
    (policy,) = document["Resources"][name]["Properties"]["Policies"]
    statements: list[Document] = policy["PolicyDocument"]["Statement"]
    return statements


def _grant(document: Document, role: str, action: str) -> Document:
    """The statement of a role that names an action."""
    (statement,) = [one for one in _role(document, role) if action in one["Action"]]
    return statement


def _properties(document: Document, name: str) -> Document:
    properties: Document = document["Resources"][name]["Properties"]
    return properties


def _another_action(document: Document) -> None:
    _grant(document, "EarnRole", "dynamodb:PutItem")["Action"].append("dynamodb:DeleteItem")


def _every_action(document: Document) -> None:
    _grant(document, "RedeemRole", "dynamodb:PutItem")["Action"] = "dynamodb:*"


def _all_but_one_action(document: Document) -> None:
    statement = _grant(document, "EarnRole", "dynamodb:PutItem")
    statement["NotAction"] = statement.pop("Action")


def _every_resource(document: Document) -> None:
    _grant(document, "WebhookRole", "sqs:SendMessage")["Resource"] = "*"


def _all_but_one_resource(document: Document) -> None:
    statement = _grant(document, "WebhookRole", "sqs:SendMessage")
    statement["NotResource"] = statement.pop("Resource")


def _every_index(document: Document) -> None:
    (statement,) = [
        one
        for one in _role(document, "ExpireRole")
        if one["Action"] == ["dynamodb:Query"] and "Fn::Sub" in one["Resource"]
    ]
    statement["Resource"] = {"Fn::Sub": "${Table.Arn}/index/*"}


def _a_second_resource(document: Document) -> None:
    statement = _grant(document, "WebhookRole", "sqs:SendMessage")
    statement["Resource"] = [statement["Resource"], {"Fn::GetAtt": ["ExpireQueue", "Arn"]}]


def _a_statement_more(document: Document) -> None:
    _role(document, "AccountRole").append({"Effect": "Allow", "Action": "dynamodb:Scan", "Resource": "*"})


def _a_policy_more(document: Document) -> None:
    statement = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}
    policy = {"PolicyName": "more", "Roles": [{"Ref": "EarnRole"}], "PolicyDocument": {"Statement": statement}}
    document["Resources"]["More"] = {"Type": "AWS::IAM::Policy", "Properties": policy}


def _a_managed_policy(document: Document) -> None:
    _properties(document, "EarnRole")["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"]


def _a_condition_less(document: Document) -> None:
    (statement,) = _properties(document, "RemindMail")["PolicyDocument"]["Statement"]
    del statement["Condition"]


def _a_stack_condition_less(document: Document) -> None:
    del document["Resources"]["RemindMail"]["Condition"]


def _anyone_may_take_a_role(document: Document) -> None:
    (statement,) = _properties(document, "RedeemRole")["AssumeRolePolicyDocument"]["Statement"]
    statement["Principal"] = {"AWS": "*"}


def _a_borrowed_role(document: Document) -> None:
    _properties(document, "Webhook")["Role"] = {"Fn::GetAtt": ["AccountRole", "Arn"]}


def _a_role_from_elsewhere(document: Document) -> None:
    _properties(document, "Webhook")["Role"] = "arn:aws:iam::123456789012:role/everything"


def _a_schedule_may_more(document: Document) -> None:
    policies = _properties(document, "ExpireNightlyRole")["Policies"]
    policies[0]["PolicyDocument"]["Statement"][0]["Resource"] = "*"


def _anyone_may_start_a_function(document: Document) -> None:
    _properties(document, "RedeemRedemptionPermission")["Principal"] = "*"


def _from_anywhere(document: Document) -> None:
    del _properties(document, "RedeemRedemptionPermission")["SourceArn"]


def _by_another_queue(document: Document) -> None:
    _properties(document, "EarnOrders")["EventSourceArn"] = "arn:aws:sqs:us-east-1:123456789012:others"


def _a_schedule_starts_another(document: Document) -> None:
    _properties(document, "RemindDaily")["Target"]["Arn"] = {"Fn::GetAtt": ["Redeem", "Arn"]}


def _route(document: Document, path: str, method: str) -> Document:
    route: Document = _properties(document, "Api")["Body"]["paths"][path][method]
    return route


def _a_member_may_capture(document: Document) -> None:
    _route(document, "/v1/holds/{id}/capture", "post")["security"][0]["Jwt"].append("points/member")


def _a_route_without_token(document: Document) -> None:
    del _route(document, "/v1/members/{id}", "get")["security"]


def _a_route_to_another_function(document: Document) -> None:
    integration = _route(document, "/webhooks/{source}", "post")["x-amazon-apigateway-integration"]
    integration["uri"] = {
        "Fn::Sub": "arn:${AWS::Partition}:apigateway:x:lambda:path/functions/${Redeem.Arn}/invocations"
    }


def _another_issuer(document: Document) -> None:
    schemes = _properties(document, "Api")["Body"]["components"]["securitySchemes"]
    schemes["Jwt"]["x-amazon-apigateway-authorizer"]["jwtConfiguration"]["issuer"] = "https://elsewhere.example"


def _members_get_more_scopes(document: Document) -> None:
    _properties(document, "MemberClient")["AllowedOAuthScopes"].append("points/admin")


def _another_way_to_sign_in(document: Document) -> None:
    _properties(document, "AdminClient")["AllowedOAuthFlows"].append("code")


def _an_open_queue(document: Document) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = {"Queues": [{"Ref": "OrdersQueue"}], "PolicyDocument": {"Statement": [statement]}}
    document["Resources"]["Open"] = {"Type": "AWS::SQS::QueuePolicy", "Properties": policy}


def _an_open_topic(document: Document) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sns:Subscribe", "Resource": "*"}
    policy = {"Topics": [{"Ref": "AlarmTopic"}], "PolicyDocument": {"Statement": statement}}
    document["Resources"]["Open"] = {"Type": "AWS::SNS::TopicPolicy", "Properties": policy}


def _a_dead_letter_queue_for_anybody(document: Document) -> None:
    _properties(document, "OrdersDlq")["RedriveAllowPolicy"] = {"redrivePermission": "allowAll"}


def _an_open_table(document: Document) -> None:
    _properties(document, "Table")["ResourcePolicy"] = {"PolicyDocument": {"Statement": []}}


WIDER: list[tuple[Callable[[Document], None], str]] = [
    (_another_action, "| `EarnRole` | `Allow` | `dynamodb:DeleteItem` | `!GetAtt Table.Arn` |"),
    (_every_action, "| `RedeemRole` | `Allow` | `dynamodb:*` | `!GetAtt Table.Arn` |"),
    (_all_but_one_action, "`all but dynamodb:BatchGetItem and dynamodb:PutItem`"),
    (_every_resource, "| `WebhookRole` | `Allow` | `sqs:SendMessage` | `*` |"),
    (_all_but_one_resource, "`all but !GetAtt OrdersQueue.Arn`"),
    (_every_index, "| `ExpireRole` | `Allow` | `dynamodb:Query` | `!Sub ${Table.Arn}/index/*` |"),
    (_a_second_resource, "| `WebhookRole` | `Allow` | `sqs:SendMessage` | `!GetAtt ExpireQueue.Arn` |"),
    (_a_statement_more, "| `AccountRole` | `Allow` | `dynamodb:Scan` | `*` |"),
    (_a_policy_more, "| `EarnRole` | `Allow` | `iam:PassRole` | `*` |"),
    (
        _a_managed_policy,
        "| `EarnRole` | `Allow` | `managed policy` | `arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess` |",
    ),
    (_a_condition_less, "identity/${EmailFrom}` |  | `HasEmail` |"),
    (_a_stack_condition_less, '`{"StringEquals": {"ses:FromAddress": {"Ref": "EmailFrom"}}}` |  |'),
    (_anyone_may_take_a_role, "| `RedeemRole` | `Redeem` | `Allow` | `sts:AssumeRole` | `AWS *` |"),
    (_a_borrowed_role, "| `AccountRole` | `Account, Webhook` |"),
    (_a_role_from_elsewhere, "| `arn:aws:iam::123456789012:role/everything` | `Webhook` | `not known here` |"),
    (_a_schedule_may_more, "| `ExpireNightlyRole` | `Allow` | `lambda:InvokeFunction` | `*` |"),
    (_anyone_may_start_a_function, "| `Redeem` | `*` | `lambda:InvokeFunction` |"),
    (_from_anywhere, "| `Redeem` | `apigateway.amazonaws.com` | `lambda:InvokeFunction` | `anywhere` |"),
    (
        _by_another_queue,
        "| `Earn` | `lambda.amazonaws.com` | `event source` | `arn:aws:sqs:us-east-1:123456789012:others` |",
    ),
    (_a_schedule_starts_another, "| `Redeem` | `scheduler.amazonaws.com` |"),
    (_a_member_may_capture, "`points/shop, points/operator, points/admin, points/member`"),
    (_a_route_without_token, "| `GET /v1/members/{id}` | `Account` | `NONE` |"),
    (_a_route_to_another_function, "| `POST /webhooks/{source}` | `Redeem` | `NONE` |"),
    (_another_issuer, "| `Jwt` | `issuer` | `https://elsewhere.example` |"),
    (_members_get_more_scopes, "| `MemberClient` | `code` | `openid, points/member, points/admin` |"),
    (_another_way_to_sign_in, "| `AdminClient` | `client_credentials, code` |"),
    (_an_open_queue, '| `OrdersQueue` | `access` | `{"Action": "sqs:SendMessage", "Effect": "Allow", "Principal": "*"'),
    (
        _an_open_topic,
        '| `AlarmTopic` | `access` | `{"Action": "sns:Subscribe", "Effect": "Allow", "Principal": {"AWS": "*"}',
    ),
    (_a_dead_letter_queue_for_anybody, '| `OrdersDlq` | `RedriveAllowPolicy` | `{"redrivePermission": "allowAll"}` |'),
    (_an_open_table, '| `Table` | `ResourcePolicy` | `{"PolicyDocument": {"Statement": []}}` |'),
]


@pytest.mark.parametrize(("widen", "line"), WIDER, ids=[widen.__name__.strip("_") for widen, _ in WIDER])
def test_every_way_to_widen_a_permission_is_a_line(
    widen: Callable[[Document], None], line: str, expanded: Document, page: str
) -> None:
    """What is given more is found in what was added, and not in what was there."""
    wider = copy.deepcopy(expanded)
    widen(wider)

    changed = permissions.difference(page, permissions.text(wider))

    assert any(each.startswith("+") and line in each for each in changed.splitlines()), changed


def _split_a_statement(document: Document) -> None:
    statements = _role(document, "EarnRole")
    statement = statements.pop()
    statements[:0] = [{**statement, "Action": action, "Sid": action.replace(":", "")} for action in statement["Action"]]


def _a_policy_of_its_own(document: Document) -> None:
    statement = _role(document, "RedeemRole").pop()
    policy = {"PolicyName": "own", "Roles": [{"Ref": "RedeemRole"}], "PolicyDocument": {"Statement": [statement]}}
    document["Resources"]["Own"] = {"Type": "AWS::IAM::Policy", "Properties": policy}


def _another_order(document: Document) -> None:
    document["Resources"] = dict(reversed(document["Resources"].items()))


@pytest.mark.parametrize("rewrite", [_split_a_statement, _a_policy_of_its_own, _another_order])
def test_the_same_rights_written_otherwise_are_no_change(
    rewrite: Callable[[Document], None], expanded: Document, page: str
) -> None:
    """A reader is called for permissions only, not for the way they are written."""
    rewritten = copy.deepcopy(expanded)
    rewrite(rewritten)

    assert rewritten["Resources"].keys() >= expanded["Resources"].keys()
    assert "" == permissions.difference(page, permissions.text(rewritten))


def _a_bucket_policy(document: Document) -> None:
    document["Resources"]["Bucket"] = {"Type": "AWS::S3::BucketPolicy", "Properties": {}}


def _a_function_with_an_address(document: Document) -> None:
    document["Resources"]["Address"] = {"Type": "AWS::Lambda::Url", "Properties": {"AuthType": "NONE"}}


def _an_unknown_part_of_a_role(document: Document) -> None:
    _properties(document, "EarnRole")["PermissionsBoundary"] = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def _an_unknown_part_of_a_statement(document: Document) -> None:
    _role(document, "EarnRole")[0]["NotPrincipal"] = "*"


def _a_policy_for_a_user(document: Document) -> None:
    _properties(document, "RemindMail")["Users"] = ["somebody"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_a_bucket_policy, "AWS::S3::BucketPolicy"),
        (_a_function_with_an_address, "AWS::Lambda::Url"),
        (_an_unknown_part_of_a_role, "PermissionsBoundary"),
        (_an_unknown_part_of_a_statement, "NotPrincipal"),
        (_a_policy_for_a_user, "Users"),
    ],
)
def test_what_may_grant_unseen_is_refused(change: Callable[[Document], None], named: str, expanded: Document) -> None:
    """A kind of resource or a part of a policy that the page could not show stops it."""
    changed = copy.deepcopy(expanded)
    change(changed)

    with pytest.raises(permissions.Unreadable, match=named):
        permissions.text(changed)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Fn::Sub": ["${A}/${B}/${C}/${D}", {"B": "*", "C": {"Ref": "Api"}, "D": {"Fn::GetAtt": ["T", "Arn"]}}]},
         "!Sub ${A}/*/${Api}/${T.Arn}"),
        ({"Fn::Sub": ["${A}", {"A": {"Fn::Select": [0, "x"]}}]}, '!Sub ${{"Fn::Select": [0, "x"]}}'),
        ({"Fn::If": ["HasEmail", {"Ref": "A"}, "b"]}, '{"Fn::If": ["HasEmail", {"Ref": "A"}, "b"]}'),
    ],
)  # fmt: skip
def test_values_are_said_as_in_the_template(value: Any, expected: str) -> None:
    """What is filled into a text stands in it, and what is decided at deployment stands as it is."""
    assert expected == permissions.said(value)


def test_check_shows_the_line_and_calls_for_a_person(
    page: str,
    expanded: Document,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`--check` is quiet when nothing changed; else it fails, with the line and what is to be done about it."""
    committed = tmp_path / "permissions.md"
    monkeypatch.setattr(permissions, "expand", lambda: expanded)
    monkeypatch.setattr(permissions, "PATH", committed)
    monkeypatch.setattr(sys, "argv", ["permissions"])
    assert 0 == permissions.main()
    assert page == committed.read_text(encoding="utf-8")

    monkeypatch.setattr(sys, "argv", ["permissions", "--check"])
    assert 0 == permissions.main()
    assert "" == capsys.readouterr().err

    right = "| `WebhookRole` | `Allow` | `sqs:SendMessage` | `!GetAtt OrdersQueue.Arn` |  |  |\n"
    assert right in page
    committed.write_text(page.replace(right, ""), encoding="utf-8")
    assert 1 == permissions.main()
    shown = capsys.readouterr().err
    assert f"+{right}" in shown
    assert "A person must look at each line" in shown
    assert "commit the page\ndeliberately" in shown
    assert right not in committed.read_text(encoding="utf-8")
