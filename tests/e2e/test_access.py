"""Who is let in: tokens and scopes at the door, origins of browsers, and what a function itself may do inside."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from jifen.domain.ids import document_id
from local.aws.logs import read_logs
from local.aws.web import ask
from local.engines.engine import REGION
from local.openapi import PATH
from tests.e2e.outside import Outside, order, until

pytestmark = pytest.mark.e2e

ORIGIN = "http://localhost:8080"
DOCUMENT: Mapping[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
GUARDED = [
    (method.upper(), path, frozenset(one["security"][0]["token"]))
    for path, methods in DOCUMENT["paths"].items()
    for method, one in methods.items()
    if one["security"]
]
"""Method, path and accepted scopes of every operation that needs a token."""


EVERYBODYS = {
    ("GET", "/v1/rewards"),
    ("GET", "/v1/rewards/{reward_id}"),
    ("GET", "/v1/lotteries"),
    ("GET", "/v1/lotteries/{lottery_id}"),
    ("GET", "/v1/auctions"),
    ("GET", "/v1/auctions/{auction_id}"),
}
"""What every member may see, each as it is for that member."""

DOCUMENTS: Mapping[str, str] = {"order_id": "ro", "coupon_id": "cp", "draw_id": "dw", "transfer_id": "tr"}
"""Ids in a path that name their member, with what they begin with."""

HIDDEN = {("GET", "/v1/transfers/{transfer_id}")}
"""Who neither gave nor got it is not even told that it is there."""

OTHERS: Mapping[str, Any] = {
    "points": 1,
    "language": "zh",
    "member_id": "m-other",
    "order": {"lines": []},
    "to": "m-door",
    "password": "294715",
    "reward_id": "cup",
    "lottery_id": "l",
    "auction_id": "a",
    "kind": "login",
}
"""A body that most operations take; those that take nothing besides what they know have one of their own."""

STRICT: Mapping[str, Any] = {
    "restock-notices": {"reward_id": "cup"},
    "goal": {"reward_id": "cup"},
    "preferences": {"refuses": []},
    "address": {"name": "Wang", "phone": "1", "street": "Nanjing Road 1"},
    "cancel": {},
}


def knock(outside: Outside, method: str, path: str, token: str | None) -> int:
    """Call an operation of the document for the member m-door; the body is none that could do anything."""
    filled = re.sub(r"\{\w+\}", "m-door", path)
    body = None if method == "GET" else {"points": 0, "email": 0, "day": 0, "tags": 0, "reason": 0}
    return outside.call(method, filled, body, token=token, key="knock").status


# Tokens --------------------------------------------------------------------------------------------------------------


def test_every_guarded_operation_is_refused_without_a_token(outside: Outside) -> None:
    """Nobody, and whoever sends something that is no token."""
    for offered in (None, "", "garbage", "a.b.c", "." * 3):
        assert {401} == {knock(outside, method, path, offered) for method, path, _ in GUARDED}, offered


def test_a_token_signed_by_somebody_else_is_refused(outside: Outside) -> None:
    """With all the claims and the key id of a good one."""
    head, claims, _ = outside.machine().split(".")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signature = key.sign(f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    unsigned = _text_of(json.dumps({**_json_of(head), "alg": "none"}).encode())

    assert 401 == knock(outside, "GET", "/v1/members/{id}", f"{head}.{claims}.{_text_of(signature)}")
    assert 401 == knock(outside, "GET", "/v1/members/{id}", f"{unsigned}.{claims}.")


def test_claims_cannot_be_changed(outside: Outside) -> None:
    """A member who makes an administrator of himself is nobody."""
    head, claims, signature = outside.member("m-liar").split(".")
    changed = _text_of(json.dumps({**_json_of(claims), "scope": "points/admin"}).encode())

    assert 401 == knock(outside, "GET", "/v1/members/{id}", f"{head}.{changed}.{signature}")


def test_a_token_is_refused_once_it_has_expired(outside: Outside) -> None:
    """AWS issues none for less than five minutes; here the pool is told to, for as long as this test needs one."""
    cognito = outside.stack.client("cognito-idp")
    names = {"UserPoolId": outside.stack.outputs["UserPoolId"], "ClientId": outside.stack.outputs["OperatorClientId"]}
    kept = cognito.describe_user_pool_client(**names)["UserPoolClient"]
    flows = {
        name: kept[name] for name in ("AllowedOAuthFlowsUserPoolClient", "AllowedOAuthFlows", "AllowedOAuthScopes")
    }
    short = {"AccessTokenValidity": 4, "TokenValidityUnits": {"AccessToken": "seconds"}}
    cognito.update_user_pool_client(**names, **flows, **short)
    try:
        token = Outside(outside.stack).machine("operator")
    finally:
        cognito.update_user_pool_client(
            **names, **flows, AccessTokenValidity=1, TokenValidityUnits={"AccessToken": "hours"}
        )
    while_good = knock(outside, "GET", "/v1/members/{id}", token)
    time.sleep(max(0.0, _json_of(token.split(".")[1])["exp"] - time.time() + 0.1))

    assert 200 == while_good
    assert 401 == knock(outside, "GET", "/v1/members/{id}", token)


# Scopes --------------------------------------------------------------------------------------------------------------


def test_every_operation_takes_exactly_the_scopes_it_names(outside: Outside) -> None:
    """A body that is refused, an account that is empty or a hold that is not there say that the token was accepted."""
    tokens = {f"points/{name}": outside.machine(name) for name in ("shop", "operator", "admin")}
    tokens["points/member"] = outside.member("m-door")
    for method, path, accepted in GUARDED:
        for scope, token in tokens.items():
            # An administrator's client has the operator's scope too.
            has = {scope} | ({"points/operator"} if scope == "points/admin" else set())
            refused = knock(outside, method, path, token) == 403
            assert refused == (not has & accepted), (method, path, scope)


def test_a_member_reaches_the_own_account_alone(outside: Outside) -> None:
    """To read and to spend: not another's account, and nothing that is another's by its id."""
    token = outside.member("m-door")
    for method, path, accepted in GUARDED:
        if "points/member" in accepted and (method, path) not in EVERYBODYS:
            other = path.replace("{member_id}", "m-other")
            for name, prefix in DOCUMENTS.items():
                other = other.replace(f"{{{name}}}", str(document_id(prefix, "m-other", "k")))
            assert "{" not in other
            body = None if method == "GET" else STRICT.get(path.rpartition("/")[2], OTHERS)
            reply = outside.call(method, other, body, token=token, key="other")
            refused = (404, "TRANSFER_NOT_FOUND") if (method, path) in HIDDEN else (403, "FORBIDDEN")
            assert refused == (reply.status, reply.code), (method, other)
    assert 200 == knock(outside, "GET", "/v1/members/{id}", token)


def test_what_is_for_everybody_tells_nothing_of_others(outside: Outside) -> None:
    """A member who asks for another's prices is refused; an auction is shown as to whoever asks."""
    token, other = outside.member("m-door"), {"member_id": "m-other"}
    now = datetime.now(UTC)
    auction = {"title": "Door", "from": now.isoformat(), "until": (now + timedelta(hours=1)).isoformat()}
    assert 200 == outside.operate("PUT", "/v1/auctions/door", auction).status
    outside.give("m-other", 5)
    bid = {"auction_id": "door", "points": 5}
    assert 201 == outside.call("POST", "/v1/members/m-other/bids", bid, token=outside.machine(), key="door").status

    for path in ("/v1/rewards", "/v1/rewards/m-door"):
        assert 403 == outside.call("GET", path, token=token, query=other).status, path
    seen = outside.call("GET", "/v1/auctions/door", token=token, query=other).body["top"]
    assert (5, "m***", False, None) == (seen["points"], seen["bidder"], seen["own"], seen["bid_id"])


def test_ids_that_look_alike_are_not_the_same_member(outside: Outside) -> None:
    """A member's own id, written otherwise in the path, leads nowhere else."""
    token = outside.member("m-door")

    for path in ("/v1/members/M-DOOR", "/v1/members/m-door%20", "/v1/members/m-door%252F", "/v1/members/m-door%00"):
        assert 200 != outside.call("GET", path, token=token).status, path
    assert 200 == outside.call("GET", "/v1/members/m%2Ddoor", token=token).status


# The door itself -----------------------------------------------------------------------------------------------------


def test_what_runs_has_the_routes_of_the_document_with_their_scopes(outside: Outside) -> None:
    """Route by route; that the template has them too is asked where the document is made."""
    gateway = outside.stack.client("apigatewayv2")
    rows = gateway.get_routes(ApiId=outside.stack.api.rsplit("/", 1)[-1])["Items"]
    running = {
        _route(*row["RouteKey"].split(" ")): frozenset(row.get("AuthorizationScopes", []))
        if row["AuthorizationType"] == "JWT"
        else None
        for row in rows
    }
    described = {
        _route(method.upper(), path): frozenset(one["security"][0]["token"]) if one["security"] else None
        for path, methods in DOCUMENT["paths"].items()
        for method, one in methods.items()
    }

    assert len(rows) == len(running)
    assert described == running


def _route(method: str, path: str) -> str:
    return f"{method} {re.sub(r'{[^}]+}', '{}', path)}"


def test_what_is_no_route_is_not_found(outside: Outside) -> None:
    """And a method that a path does not have."""
    for method, path in (("GET", "/"), ("GET", "/v1/members"), ("DELETE", "/v1/members/m-door"), ("GET", "/v2/x")):
        assert 404 == ask(method, f"{outside.stack.api}{path}").status, (method, path)


def test_a_browser_of_an_allowed_origin_is_let_in(outside: Outside) -> None:
    """It asks first, and may then read the request's id and how long to wait."""
    url = f"{outside.stack.api}/v1/members/m-door"
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization,idempotency-key",
    }
    first = ask("OPTIONS", url, asked)
    reply = outside.call("GET", "/v1/members/m-door", token=outside.machine(), headers={"origin": ORIGIN})
    foreign = outside.call(
        "GET", "/v1/members/m-door", token=outside.machine(), headers={"origin": "https://evil.example"}
    )

    assert 204 == first.status
    assert ORIGIN == first.headers["access-control-allow-origin"]
    assert {"GET", "POST", "PUT"} == set(first.headers["access-control-allow-methods"].split(","))
    allowed = set(first.headers["access-control-allow-headers"].split(","))
    assert {"authorization", "content-type", "idempotency-key"} == allowed
    assert ORIGIN == reply.headers["access-control-allow-origin"]
    assert {"retry-after", "x-request-id"} == set(reply.headers["access-control-expose-headers"].split(","))
    assert "access-control-allow-origin" not in foreign.headers
    assert (
        ask("OPTIONS", url, {**asked, "origin": "https://evil.example"})
        .headers.keys()
        .isdisjoint({"access-control-allow-origin", "access-control-allow-methods"})
    )


def test_the_id_of_a_request_is_in_its_answer_and_in_the_log(outside: Outside) -> None:
    """What a caller quotes is what an operator finds; every answer of these tests is looked at for one."""
    first, second = (outside.deliver("standard", order("m-logged", f"o-{n}", 1)) for n in range(2))
    ids = {reply.headers["x-request-id"] for reply in (first, second)}

    def logged() -> set[str]:
        rows = read_logs(outside.stack.client("logs"), ["webhook"], since_s=time.time() - 120)
        return {found for found in ids for row in rows if found in row["message"]}

    assert 2 == len(ids)
    until(logged, lambda found: found == ids)


# Inside --------------------------------------------------------------------------------------------------------------

Act = Callable[[Callable[[str], Any], Mapping[str, str]], Any]

DENIED: Mapping[str, tuple[str, Act]] = {
    "account cannot scan": ("Account", lambda aws, at: aws("dynamodb").scan(TableName=at["Table"])),
    "account cannot delete": (
        "Account",
        lambda aws, at: aws("dynamodb").delete_item(TableName=at["Table"], Key=_key()),
    ),
    "account cannot update": (
        "Account",
        lambda aws, at: aws("dynamodb").update_item(TableName=at["Table"], Key=_key(), UpdateExpression="REMOVE x"),
    ),
    "account cannot read a queue": ("Account", lambda aws, at: aws("sqs").receive_message(QueueUrl=at["OrdersQueue"])),
    "account cannot queue orders": ("Account", lambda aws, at: _send(aws, at["OrdersQueue"])),
    "earn cannot queue orders": ("Earn", lambda aws, at: _send(aws, at["OrdersQueue"])),
    "earn cannot delete": ("Earn", lambda aws, at: aws("dynamodb").delete_item(TableName=at["Table"], Key=_key())),
    "webhook cannot read the table": (
        "Webhook",
        lambda aws, at: aws("dynamodb").get_item(TableName=at["Table"], Key=_key()),
    ),
    "webhook cannot take orders back": (
        "Webhook",
        lambda aws, at: aws("sqs").receive_message(QueueUrl=at["OrdersQueue"]),
    ),
    "redeem cannot look for who is due": ("Redeem", lambda aws, at: _due(aws, at, "due_expiry")),
    "redeem cannot scan": ("Redeem", lambda aws, at: aws("dynamodb").scan(TableName=at["Table"])),
    "redeem cannot delete": ("Redeem", lambda aws, at: aws("dynamodb").delete_item(TableName=at["Table"], Key=_key())),
    "redeem cannot queue orders": ("Redeem", lambda aws, at: _send(aws, at["OrdersQueue"])),
    "engage cannot look for members": (
        "Engage",
        lambda aws, at: aws("dynamodb").query(
            TableName=at["Table"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "M#m-door"}},
        ),
    ),
    "engage cannot delete": ("Engage", lambda aws, at: aws("dynamodb").delete_item(TableName=at["Table"], Key=_key())),
    "engage cannot queue orders": ("Engage", lambda aws, at: _send(aws, at["OrdersQueue"])),
    "admin cannot scan": ("Admin", lambda aws, at: aws("dynamodb").scan(TableName=at["Table"])),
    "admin cannot delete": ("Admin", lambda aws, at: aws("dynamodb").delete_item(TableName=at["Table"], Key=_key())),
    "admin cannot update": (
        "Admin",
        lambda aws, at: aws("dynamodb").update_item(TableName=at["Table"], Key=_key(), UpdateExpression="REMOVE x"),
    ),
    "admin cannot queue orders": ("Admin", lambda aws, at: _send(aws, at["OrdersQueue"])),
    **{
        f"{function.lower()} cannot {what}": (function, act)
        for function in ("Catalog", "Play", "Settle")
        for what, act in (
            ("scan", lambda aws, at: aws("dynamodb").scan(TableName=at["Table"])),
            ("delete", lambda aws, at: aws("dynamodb").delete_item(TableName=at["Table"], Key=_key())),
            (
                "update",
                lambda aws, at: aws("dynamodb").update_item(
                    TableName=at["Table"], Key=_key(), UpdateExpression="REMOVE x"
                ),
            ),
            ("queue orders", lambda aws, at: _send(aws, at["OrdersQueue"])),
            ("look for whom to remind", lambda aws, at: _due(aws, at, "due_reminder")),
        )
    },
    "catalog cannot look for who is due": ("Catalog", lambda aws, at: _due(aws, at, "due_expiry")),
    "play cannot look for who is due": ("Play", lambda aws, at: _due(aws, at, "due_expiry")),
    "catalog cannot tell members": ("Catalog", lambda aws, _: _tell(aws)),
    "play cannot tell members": ("Play", lambda aws, _: _tell(aws)),
    "settle cannot send mail": ("Settle", lambda aws, _: _mail(aws)),
    "expire cannot send mail": ("Expire", lambda aws, _: _mail(aws)),
}


def _key() -> dict[str, Any]:
    return {"pk": {"S": "M#nobody"}, "sk": {"S": "A"}}


def _due(aws: Callable[[str], Any], at: Mapping[str, str], index: str) -> Any:
    return aws("dynamodb").query(
        TableName=at["Table"],
        IndexName=index,
        KeyConditionExpression="shard = :shard",
        ExpressionAttributeValues={":shard": {"S": "0"}},
    )


def _tell(aws: Callable[[str], Any]) -> Any:
    event = {"Source": "jifen", "DetailType": "reward.in_stock", "Detail": "{}", "EventBusName": "default"}
    return aws("events").put_events(Entries=[event])


def _mail(aws: Callable[[str], Any]) -> Any:
    return aws("sesv2").send_email(
        FromEmailAddress="points@shop.example",
        Destination={"ToAddresses": ["somebody@shop.example"]},
        Content={"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
    )


def _send(aws: Callable[[str], Any], url: str) -> Any:
    return aws("sqs").send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="g", MessageDeduplicationId="d")


@contextmanager
def acting_as(outside: Outside, function: str) -> Iterator[Callable[[str], Any]]:
    """Give clients with the rights of a function's role and no others; only Lambda may take it, but for this moment."""
    iam = outside.stack.client("iam")
    role = outside.resource(f"{function}Role")
    found = iam.get_role(RoleName=role)["Role"]
    everybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [everybody]}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))
    try:
        answer = outside.stack.client("sts").assume_role(RoleArn=found["Arn"], RoleSessionName="test")
    finally:
        document = json.dumps(found["AssumeRolePolicyDocument"])
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=document)
    keys = answer["Credentials"]
    session = boto3.session.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], REGION)
    yield lambda service: session.client(service, endpoint_url=outside.stack.endpoint)


def test_a_function_can_do_what_it_is_for(outside: Outside) -> None:
    """The roles below are refused for what they ask, not for who they are."""
    with acting_as(outside, "Account") as aws:
        answer = aws("dynamodb").batch_get_item(RequestItems={outside.resource("Table"): {"Keys": [_key()]}})

    assert 200 == answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("case", DENIED)
def test_a_function_can_do_nothing_else(outside: Outside, case: str) -> None:
    """The rights of the template as the local AWS reads them; what AWS itself would say needs an account."""
    function, act = DENIED[case]
    places = {name: outside.resource(name) for name in ("Table", "OrdersQueue")}
    with acting_as(outside, function) as aws, pytest.raises(ClientError) as refused:
        act(aws, places)

    assert refused.value.response["Error"]["Code"].startswith("AccessDenied")


def _json_of(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
