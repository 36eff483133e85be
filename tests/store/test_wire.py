"""Each part that stands in for one of botocore's does what that one does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import ClientError, NoCredentialsError

from jifen.store import wire

AT = "20111231T160000Z"
ITEM = {"pk": {"S": "M#积分"}, "n": {"N": "12"}, "b": {"B": b"\x78\x00\xff"}, "t": {"BOOL": True}}


def new_client(**config: Any) -> Any:
    """A botocore client of DynamoDB with keys of its own."""
    session = botocore.session.get_session()
    session.set_credentials("AKIDEXAMPLE", "secret", config.pop("token", None))
    return session.create_client(
        "dynamodb", region_name="eu-west-1", config=Config(parameter_validation=False), **config
    )


@pytest.fixture(scope="module")
def stock() -> Any:
    """A client as botocore makes it."""
    return new_client()


@pytest.fixture(scope="module")
def fitted() -> Any:
    """A client with our parts."""
    client = new_client()
    wire.fit(client)
    return client


PARAMETERS: dict[str, dict[str, Any]] = {
    "BatchGetItem": {"RequestItems": {"t": {"Keys": [{"pk": {"S": 'a"b'}, "sk": {"S": "A"}}], "ConsistentRead": True}}},
    "Query": {"TableName": "t", "ExclusiveStartKey": {"pk": {"S": "\ud83d\ude00 x"}}, "Limit": 5},
    "TransactWriteItems": {
        "TransactItems": [{"Put": {"TableName": "t", "Item": ITEM, "ExpressionAttributeValues": {":0": {"N": "1"}}}}],
        "ClientRequestToken": "token",
    },
}


@pytest.mark.parametrize("operation", PARAMETERS)
def test_a_request_says_what_botocore_would_say(stock: Any, fitted: Any, operation: str) -> None:
    """The same headers and path, and the same JSON but for blanks."""
    model = stock.meta.service_model.operation_model(operation)
    expected = stock._serializer.serialize_to_request(PARAMETERS[operation], model)
    found = fitted._serializer.serialize_to_request(PARAMETERS[operation], model)

    assert json.loads(expected["body"]) == json.loads(found["body"])
    assert {**expected, "body": b""} == {**found, "body": b""}


class _Operation:
    name = "Query"


def test_what_is_no_value_of_dynamodb_is_not_sent(fitted: Any) -> None:
    """An object that JSON does not know is an error of ours, not text in an item."""
    with pytest.raises(TypeError, match="datetime"):
        fitted._serializer.serialize_to_request({"TableName": datetime.now(UTC)}, _Operation)


@pytest.mark.parametrize("token", [None, "session-token=="])
@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://dynamodb.eu-west-1.amazonaws.com/", "dynamodb.eu-west-1.amazonaws.com"),
        ("https://dynamodb.cn-north-1.amazonaws.com.cn:443/", "dynamodb.cn-north-1.amazonaws.com.cn"),
        ("http://127.0.0.1:8000/", "127.0.0.1:8000"),
        ("http://localhost/", "localhost"),
    ],
)
def test_a_signature_is_the_one_that_botocore_makes(
    monkeypatch: pytest.MonkeyPatch, url: str, host: str, token: str | None
) -> None:
    """The same request at the same second gets the same signature, with and without a session token."""
    headers = {"X-Amz-Target": "DynamoDB_20120810.Query", "Content-Type": "application/x-amz-json-1.0"}
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI", token)
    expected = AWSRequest("POST", url, {**headers, "User-Agent": "jifen"}, b'{"TableName":"t"}')
    found = AWSRequest("POST", url, {**headers, "User-Agent": "jifen"}, b'{"TableName":"t"}')
    instant = datetime.strptime(AT, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: instant)

    botocore.auth.SigV4Auth(credentials, "dynamodb", "eu-west-1").add_auth(expected)
    wire.Signer(lambda: credentials, "eu-west-1", "dynamodb").sign(found.headers, host, found.body, AT)

    assert dict(expected.headers.items()) == dict(found.headers.items())


class _Noting(wire.Signer):
    """Notes the hosts that it is asked to sign for."""

    def __init__(self, stock: Callable[..., None] | None = None) -> None:
        super().__init__(lambda: None, "eu-west-1", "dynamodb", stock)
        self.hosts: list[str] = []

    def sign(self, headers: Any, host: str, body: bytes, at: str) -> None:
        """Sign nothing."""
        del headers, body, at
        self.hosts.append(host)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("https://a.b:443/", "a.b"),
        ("http://a.b/", "a.b"),
        ("http://[::1]:8000/", "[::1]:8000"),
    ],
)
def test_a_signer_finds_the_host_in_the_address(url: str, host: str) -> None:
    """A port is part of the host unless it is the scheme's own."""
    signer = _Noting()
    signer(AWSRequest("POST", url, {}, b""))
    assert [host] == signer.hosts


def test_what_has_a_path_of_its_own_is_signed_by_botocore() -> None:
    """The signer knows one kind of request and leaves any other alone."""
    asked: list[dict[str, Any]] = []
    signer = _Noting(lambda **request: asked.append(request))
    request = AWSRequest("POST", "https://gateway.example/dynamodb/", {}, b"")

    signer(request, "Query")

    assert [{"operation_name": "Query", "request": request}] == asked
    assert [] == signer.hosts


def test_without_credentials_nothing_is_sent() -> None:
    """As botocore says it."""
    with pytest.raises(NoCredentialsError):
        wire.Signer(lambda: None, "eu-west-1", "dynamodb").sign({}, "h", b"", AT)


def test_rotated_credentials_and_a_new_day_get_a_new_key() -> None:
    """A key that is kept never outlives the secret or the day that it was made of."""
    held = [ReadOnlyCredentials("A", "one", None)]

    class Rotating:
        def get_frozen_credentials(self) -> ReadOnlyCredentials:
            return held[0]

    signer = wire.Signer(Rotating, "eu-west-1", "dynamodb")

    def signature(at: str) -> str:
        headers = {"X-Amz-Target": "T", "Content-Type": "J"}
        signer.sign(headers, "h", b"", at)
        return headers["Authorization"].rsplit("=", 1)[1]

    first = signature(AT)
    held[0] = ReadOnlyCredentials("A", "two", None)
    rotated = signature(AT)
    held[0] = ReadOnlyCredentials("A", "one", None)

    assert first == signature(AT) != rotated
    assert signature("20120101T000000Z") not in (first, rotated)


ANSWERS = {
    "BatchGetItem": '{"Responses": {"t": [{"b": {"B": "eAD/"}, "n": {"N": "1"}}]}, "UnprocessedKeys": {}}',
    "Query": '{"Items": [{"l": {"L": [{"B": "eAD/"}]}, "m": {"M": {"x": {"B": "eA=="}}}, "s": {"BS": ["eA=="]}}]}',
    "TransactWriteItems": "{}",
}


@pytest.mark.parametrize("operation", ANSWERS)
def test_an_answer_is_read_as_botocore_reads_it(stock: Any, fitted: Any, operation: str) -> None:
    """The same values, bytes and metadata."""
    shape = stock.meta.service_model.operation_model(operation).output_shape
    answer = {"status_code": 200, "headers": {"x-amzn-requestid": "R1"}, "body": ANSWERS[operation].encode()}

    expected = stock._endpoint._response_parser_factory.create_parser("json").parse(answer, shape)
    found = fitted._endpoint._response_parser_factory.create_parser("json").parse(answer, shape)

    assert expected == found


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slow"}'),
        (503, b"<html>down</html>"),
        (200, b"<html>a gateway</html>"),
        (200, b"[1]"),
        (200, b""),
        (200, b'{"Items": [], "LastEvaluatedKey": null}'),
        (200, b'{"Items": [1]}'),
        (200, b'{"Items": [{"b": {"B": "not base64!"}}]}'),
    ],
)
def test_anything_else_is_left_to_botocore(stock: Any, fitted: Any, status: int, body: bytes) -> None:
    """Errors and answers that are none end as they would with botocore's own parser, in a value or in its error."""
    shape = stock.meta.service_model.operation_model("Query").output_shape
    answer = {"status_code": status, "headers": {}, "body": body}

    def told(client: Any) -> Any:
        try:
            return client._endpoint._response_parser_factory.create_parser("json").parse(answer, shape)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is the same
            return type(failure)

    assert told(stock) == told(fitted)


CANCELLED = json.dumps(
    {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": [
            {"Code": "None"},
            {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": {"n": {"N": "1"}}},
            {"Code": "ProvisionedThroughputExceeded", "Message": "slow down"},
        ],
    }
).encode()


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> list[bytes]:
        """As urllib3's response."""
        return [self._content]


def _outcome(client: Any, operation: str, answers: list[tuple[int, bytes]]) -> tuple[list[AWSPreparedRequest], Any]:
    """What a client sends until it has these answers, and what it makes of the last."""
    sent: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        status, body = answers[len(sent)]
        sent.append(request)
        return AWSResponse(request.url, status, {"x-amzn-RequestId": "R"}, _Body(body))

    client.meta.events.register("before-send.dynamodb", answer)
    try:
        return sent, client._make_api_call(operation, {**PARAMETERS[operation]})
    except ClientError as failure:
        return sent, failure.response
    finally:
        client.meta.events.unregister("before-send.dynamodb", answer)


def _names(request: AWSPreparedRequest) -> list[str]:
    return sorted(name.lower() for name, _ in request.headers.items())


def test_a_call_in_lambda_is_sent_and_sent_again_as_botocore_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same headers, each once; the second attempt has a signature of its own, and each is good over what it names."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "redeem")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2;Parent=3;Sampled=1")
    monkeypatch.setattr("time.sleep", lambda _: None)
    clients = new_client(token="session-token=="), new_client(token="session-token==")
    wire.fit(clients[1])
    answers = [(500, b""), (200, ANSWERS["BatchGetItem"].encode())]
    (stock_sent, expected), (sent, found) = (_outcome(client, "BatchGetItem", answers) for client in clients)

    assert expected == found
    assert [_names(request) for request in stock_sent] == [_names(request) for request in sent]
    assert all(len(set(_names(request))) == len(_names(request)) for request in sent)
    credentials = Credentials("AKIDEXAMPLE", "secret", "session-token==")
    for request in sent:
        headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        instant = datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda instant=instant: instant)
        again = AWSRequest("POST", request.url, {n: headers[n] for n in ("X-Amz-Target", "Content-Type")}, request.body)
        botocore.auth.SigV4Auth(credentials, "dynamodb", "eu-west-1").add_auth(again)
        assert again.headers["Authorization"] == headers["Authorization"]


def test_a_cancelled_transaction_says_why_as_with_botocore(stock: Any, fitted: Any) -> None:
    """Codes, messages and items of the reasons stand where PynamoDB looks for them."""
    (_, expected), (_, found) = (
        _outcome(client, "TransactWriteItems", [(400, CANCELLED)]) for client in (stock, fitted)
    )

    assert expected == found
    assert ["None", "ConditionalCheckFailed", "ProvisionedThroughputExceeded"] == [
        reason["Code"] for reason in found["CancellationReasons"]
    ]


@pytest.mark.parametrize("fips", [False, True])
@pytest.mark.parametrize("dualstack", [False, True])
@pytest.mark.parametrize(
    "region",
    [
        *("us-east-1", "eu-west-2", "cn-north-1", "cn-northwest-1", "us-gov-west-1", "us-gov-east-1"),
        *("us-iso-east-1", "us-isob-east-1", "eusc-de-east-1", "eu-central-9"),
    ],
)
def test_the_address_and_the_region_are_those_that_botocore_finds(region: str, *, fips: bool, dualstack: bool) -> None:
    """In each partition of AWS, a region unknown to this botocore included, with FIPS and dual-stack addresses."""
    session = botocore.session.get_session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    config = Config(parameter_validation=False, use_fips_endpoint=fips, use_dualstack_endpoint=dualstack)
    clients = [session.create_client("dynamodb", region_name=region, config=config) for _ in range(2)]
    wire.fit(clients[1])
    (stock_sent, _), (sent, _) = (_outcome(client, "TransactWriteItems", [(200, b"{}")]) for client in clients)

    def addressed(request: AWSPreparedRequest) -> tuple[str, bytes]:
        return request.url, request.headers["Authorization"].split(b"Credential=")[1].split(b",")[0]

    assert [addressed(request) for request in stock_sent] == [addressed(request) for request in sent]
