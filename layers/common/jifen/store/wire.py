"""Botocore's parts for the one protocol that the ledger speaks, in place of those that can speak all of them.

    parameters ──Writer──> JSON     botocore walks the service's model for every value in every item
    request    ──Signer──> signed   SigV4 over the five headers that a request has, with the day's key kept
    answer     ──Reader──> values   what the table answers to our three calls; all else goes to botocore's own parser
    address                         known when the client is made; worked out for each call with FIPS or dual-stack only

The client is botocore's in all else: its events, its retries, its connections and its way of refreshing credentials.
Together this is about half of what a call costs a processor. ``tests/store/test_wire.py`` holds each part to the one it
replaces.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.compat import get_current_datetime
from botocore.exceptions import NoCredentialsError

REDIRECT = 300
"""From this status on it is no answer to our call."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


def fit(client: Any) -> None:
    """Put the parts into a botocore client of DynamoDB, which must not have been used yet."""
    metadata = client.meta.service_model.metadata
    client._serializer = Writer(metadata["targetPrefix"], metadata["jsonVersion"])  # noqa: SLF001 - botocore offers no other way
    client._endpoint._response_parser_factory = Readers(client._endpoint._response_parser_factory)  # noqa: SLF001 - as above
    if not (client.meta.config.use_fips_endpoint or client.meta.config.use_dualstack_endpoint):
        # Of these two alone botocore's rules know better than the list that the client took its address from.
        client._ruleset_resolver = None  # noqa: SLF001 - botocore then takes the address it was made with
    stock = client._request_signer  # noqa: SLF001 - as above
    signer = Signer(lambda: stock._credentials, stock.region_name, stock.signing_name, stock.handler)  # noqa: SLF001 - as above
    created = f"request-created.{client.meta.service_model.service_id.hyphenize()}"
    client.meta.events.unregister(created, stock.handler)
    client.meta.events.register(created, signer)


# Out -----------------------------------------------------------------------------------------------------------------


def _bytes(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    message = f"{type(value).__name__} has no place in an item"
    raise TypeError(message)


_encode = json.JSONEncoder(separators=(",", ":"), default=_bytes).encode


class Writer:
    """Makes a request of an operation's parameters, which are DynamoDB's JSON but for bytes."""

    def __init__(self, target_prefix: str, json_version: str) -> None:
        self._prefix = target_prefix
        self._content_type = f"application/x-amz-json-{json_version}"

    def serialize_to_request(self, parameters: Mapping[str, Any], operation_model: Any) -> dict[str, Any]:
        """As botocore's serializers."""
        return {
            "url_path": "/",
            "query_string": "",
            "method": "POST",
            "headers": {"X-Amz-Target": f"{self._prefix}.{operation_model.name}", "Content-Type": self._content_type},
            "body": _encode(parameters).encode("ascii"),
        }


class Signer:
    """Signs a request (AWS Signature Version 4). A request with a path or a query of its own is left to botocore.

    ``credentials`` is asked for every request, so that they can be refreshed.
    """

    def __init__(
        self, credentials: Callable[[], Any], region: str, service: str, stock: Callable[..., None] | None = None
    ) -> None:
        self._credentials = credentials
        self._region, self._service, self._stock = region, service, stock
        self._key: tuple[tuple[str, str], bytes] = (("", ""), b"")

    def __call__(self, request: Any, operation_name: str = "", **_: Any) -> None:
        """What botocore calls when a request, or its next attempt, has been made."""
        parts = urlsplit(request.url)
        if self._stock is not None and (parts.path not in ("", "/") or parts.query):
            self._stock(operation_name=operation_name, request=request)
            return
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        if parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme):
            host = f"{host}:{parts.port}"
        self.sign(request.headers, host, request.body or b"", get_current_datetime().strftime("%Y%m%dT%H%M%SZ"))

    def sign(self, headers: Any, host: str, body: bytes, at: str) -> None:
        """Add date, session token and signature to ``headers``; ``at`` is ``20111231T160000Z``.

        Raises:
            NoCredentialsError: there are none.
        """
        held = self._credentials()
        if held is None:
            raise NoCredentialsError
        frozen = held.get_frozen_credentials()
        signed = {"content-type": headers["Content-Type"], "host": host, "x-amz-date": at}
        headers["X-Amz-Date"] = at
        if frozen.token:
            headers["X-Amz-Security-Token"] = signed["x-amz-security-token"] = frozen.token
        signed["x-amz-target"] = headers["X-Amz-Target"]
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{at[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._key_of(at[:8], frozen.secret_key), text.encode(), "sha256").hex()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={frozen.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )

    def _key_of(self, day: str, secret: str) -> bytes:
        """The signing key of a day; one is kept."""
        kept_for, key = self._key
        if kept_for != (day, secret):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = ((day, secret), key)
        return key


# In ------------------------------------------------------------------------------------------------------------------


class Readers:
    """Gives a parser for a protocol, as botocore's factory does."""

    def __init__(self, stock: Any) -> None:
        self._stock = stock
        self._made: dict[str, Reader] = {}

    def create_parser(self, protocol_name: str) -> Reader:
        """As botocore's factory."""
        if protocol_name not in self._made:
            self._made[protocol_name] = Reader(self._stock.create_parser(protocol_name))
        return self._made[protocol_name]


def _batch(answer: Mapping[str, Any]) -> Iterable[Any]:
    return (item for items in answer.get("Responses", {}).values() for item in items)


_ITEMS: Mapping[str, Callable[[Mapping[str, Any]], Iterable[Any]]] = {
    "BatchGetItemOutput": _batch,
    "QueryOutput": lambda answer: answer.get("Items", ()),
    "TransactWriteItemsOutput": lambda _answer: (),
}
"""Where the items of an answer are."""


class Reader:
    """Reads what the table answers to a call of the ledger; errors and everything else it leaves to botocore."""

    def __init__(self, stock: Any) -> None:
        self._stock = stock

    def parse(self, response: Mapping[str, Any], shape: Any) -> Any:
        """As botocore's parsers."""
        items_of = _ITEMS.get(shape.name) if shape is not None and response["status_code"] < REDIRECT else None
        if items_of is None:
            return self._stock.parse(response, shape)
        try:
            answer = {name: value for name, value in json.loads(response["body"]).items() if value is not None}
            for item in items_of(answer):
                for value in item.values():
                    _restore_bytes(value)
        except (ValueError, AttributeError, TypeError):
            # No JSON, or none of this shape: a gateway in between has answered.
            return self._stock.parse(response, shape)
        headers = {name.lower(): value for name, value in response["headers"].items()}
        about: dict[str, Any] = {"HTTPStatusCode": response["status_code"], "HTTPHeaders": headers}
        if "x-amzn-requestid" in headers:
            about["RequestId"] = headers["x-amzn-requestid"]
        answer["ResponseMetadata"] = about
        return answer


def _restore_bytes(value: dict[str, Any]) -> None:
    if "B" in value:
        value["B"] = base64.b64decode(value["B"])
    elif "L" in value:
        for part in value["L"]:
            _restore_bytes(part)
    elif "M" in value:
        for part in value["M"].values():
            _restore_bytes(part)
    elif "BS" in value:
        value["BS"] = [base64.b64decode(part) for part in value["BS"]]
