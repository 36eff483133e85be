"""The HTTP API as handlers see it: routing and validation by Powertools, callers, problem documents.

A handler decorates its routes on :class:`HttpApi`, asks it who calls, and raises refusals; everything else is here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from jifen import runtime
from jifen.domain.errors import (
    Busy,
    Crashed,
    Fault,
    Forbidden,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InvalidInput,
    NotFound,
    Refusal,
    Unauthenticated,
)
from jifen.domain.ids import valid_id, valid_idempotency_key
from jifen.gateway import CONTENT_TYPE, problem, raw_body, respond

MEMBER, SHOP, OPERATOR, ADMIN = "points/member", "points/shop", "points/operator", "points/admin"
STAFF = (SHOP, OPERATOR, ADMIN)

BODY_BYTES_MAX = 64_000
"""Requests of the API are small; anything longer is no request of ours."""

DEPTH_MAX = 20

F = TypeVar("F", bound=Callable[..., Any])


EVERYWHERE: tuple[type[Refusal], ...] = (Unauthenticated, Forbidden, InvalidInput, Crashed, Busy)
"""What any route may refuse with."""

CHANGING: tuple[type[Refusal], ...] = (IdempotencyKeyMissing, IdempotencyKeyReused)
"""What a route with an Idempotency-Key may refuse with besides."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What the OpenAPI document says of a route besides its request.

    Attributes:
        answers: the shape of the answer, a TypedDict of :mod:`jifen.domain.views`.
        status: the status of that answer.
        refuses: every refusal the route may answer with.
        keyed: whether it needs an Idempotency-Key.
    """

    answers: type
    status: int
    refuses: tuple[type[Refusal], ...]
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the token's subject, its scopes, and the member it belongs to, where the token says so."""

    subject: str
    scopes: frozenset[str]
    member: str | None = None

    @property
    def actor(self) -> str:
        """The caller as entries name it."""
        role = next((scope for scope in (ADMIN, OPERATOR, SHOP, MEMBER) if scope in self.scopes), "points/none")
        name = self.member if role == MEMBER and self.member else self.subject
        return f"{role.removeprefix('points/')}:{name}"[:160]


class HttpApi:
    """One function's routes. ``title`` names them in the OpenAPI document, ``operations`` says what they answer."""

    def __init__(self, title: str) -> None:
        self.resolver = APIGatewayHttpResolver(enable_validation=True)
        self.title = title
        self.operations: dict[tuple[str, str], Operation] = {}
        self.resolver.exception_handler(RequestValidationError)(_invalid)
        self.resolver.exception_handler(Refusal)(_refused)
        self.resolver.not_found(_not_found)

    def get(self, path: str, summary: str, answers: type) -> Callable[[F], F]:
        """A route that reads."""
        operation = Operation(answers, 200, EVERYWHERE)
        return self._route("get", path, operation, self.resolver.get(path, summary=summary))

    def put(self, path: str, summary: str, answers: type) -> Callable[[F], F]:
        """A route that replaces: the same again changes nothing, so it needs no key."""
        operation = Operation(answers, 200, EVERYWHERE)
        return self._route("put", path, operation, self.resolver.put(path, summary=summary))

    def post(
        self, path: str, summary: str, answers: type, *refuses: type[Refusal], status: int = 200
    ) -> Callable[[F], F]:
        """A route that changes something; needs an Idempotency-Key. ``refuses`` are the refusals of its own."""
        operation = Operation(answers, status, (*EVERYWHERE, *CHANGING, *refuses), keyed=True)
        return self._route("post", path, operation, self.resolver.post(path, summary=summary))

    def _route(self, method: str, path: str, operation: Operation, decorate: Callable[[Any], Any]) -> Callable[[F], F]:
        def register(function: F) -> F:
            self.operations[method, re.sub(r"<(\w+)>", r"{\1}", path)] = operation
            decorate(function)
            return function

        return register

    def resolve(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer one API Gateway event."""
        return respond(event, lambda: self.resolver.resolve(_with_plain_path(_with_sound_body(event)), context))

    # What a route asks

    def caller(self, *scopes: str) -> Caller:
        """Who calls, if the token carries one of ``scopes``.

        Raises:
            Unauthenticated: there is no token that the authorizer verified.
            Forbidden: it has none of the scopes.
        """
        context = self.resolver.current_event.raw_event.get("requestContext") or {}
        claims = ((context.get("authorizer") or {}).get("jwt") or {}).get("claims") or {}
        subject = claims.get("sub")
        if not valid_id(subject):
            raise Unauthenticated
        member = claims.get(runtime.current().settings.member_claim)
        caller = Caller(str(subject), _scopes(claims), str(member) if valid_id(member) else None)
        if not caller.scopes & set(scopes):
            raise Forbidden(needs=sorted(scopes))
        return caller

    def member(self, raw_id: str, *scopes: str) -> tuple[str, Caller]:
        """The member a path names, if the caller may reach that account; a member token reaches its own alone.

        Raises:
            Unauthenticated, Forbidden
            InvalidInput: the id cannot be a member's.
        """
        caller = self.caller(*scopes)
        try:
            member = unquote(raw_id, errors="strict")
        except UnicodeDecodeError:
            member = ""
        if not valid_id(member):
            raise InvalidInput([Fault("id", "is not a member id of 1 to 128 characters")])
        own_only = not caller.scopes & set(STAFF)
        if own_only and caller.member != member:
            raise Forbidden(needs=sorted(STAFF))
        return member, caller

    def idempotency_key(self) -> str:
        """The caller's key.

        Raises:
            IdempotencyKeyMissing: there is none, or it is not 1 to 128 visible ASCII characters.
        """
        headers = {name.lower(): value for name, value in (self.resolver.current_event.headers or {}).items()}
        key = headers.get("idempotency-key")
        if not isinstance(key, str) or not valid_idempotency_key(key):
            raise IdempotencyKeyMissing
        return key


def reply(status: int, body: Mapping[str, Any]) -> Response[Any]:
    """A JSON answer."""
    text = json.dumps(body, ensure_ascii=False)
    return Response(
        status_code=status, content_type="application/json", body=text, headers={"Cache-Control": "no-store"}
    )


def _refused(refusal: Refusal) -> Response[Any]:
    status, headers, body = problem(refusal)
    return Response(status_code=status, content_type=CONTENT_TYPE, body=body, headers=headers)


def _invalid(failure: RequestValidationError) -> Response[Any]:
    faults = [Fault(_path(error["loc"]), str(error["msg"])) for error in failure.errors()]
    return _refused(InvalidInput(faults))


def _path(location: tuple[Any, ...]) -> str:
    named = [part for part in location if part not in ("body", "query", "path", "header")]
    return ".".join(str(part) for part in named) or str(location[0])


def _not_found(_failure: Exception) -> Response[Any]:
    return _refused(NotFound())


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Scopes from ``scope`` (RFC 8693, one text) or ``scp`` (a list, which API Gateway renders as ``[a b]``)."""
    found = claims.get("scope") or claims.get("scp") or ""
    text = " ".join(map(str, found)) if isinstance(found, list) else str(found)
    return frozenset(text.strip("[]").replace(",", " ").split())


def _with_plain_path(event: dict[str, Any]) -> dict[str, Any]:
    """The event with a path in which ids are percent-encoded exactly once.

    HTTP APIs hand ``rawPath`` on decoded, in which ``a%41`` cannot be told from ``aA`` and a slash ends an id. The path
    parameters are decoded once and whole, so the path is made again from the route and those. Without a route (a test,
    another kind of gateway) the path is taken to be as the caller sent it.
    """
    route = str(event.get("routeKey") or "").partition(" ")[2]
    parameters = event.get("pathParameters")
    if "{" not in route or not isinstance(parameters, dict):
        return event
    path = re.sub(
        r"\{(\w+)\}", lambda name: quote(str(parameters.get(name[1], "")), safe="", errors="surrogatepass"), route
    )
    context = event.get("requestContext") or {}
    return {**event, "rawPath": path, "requestContext": {**context, "stage": "$default"}}


def _with_sound_body(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event, if its body is JSON that validation can take: UTF-8, not too long, not too deep, no lone surrogates.

    Raises:
        InvalidInput: it is not.
    """
    raw = event.get("body")
    if not raw:
        return dict(event)
    data = raw_body(event)
    if data is None or len(data) > BODY_BYTES_MAX:
        raise InvalidInput([Fault("body", f"is not UTF-8 of at most {BODY_BYTES_MAX} bytes")])
    try:
        text = data.decode()
        content = json.loads(text, parse_constant=_refuse)
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as wrong:
        raise InvalidInput([Fault("body", "is not JSON")]) from wrong
    if not isinstance(content, dict) or _depth(content) > DEPTH_MAX:
        raise InvalidInput([Fault("body", "is not a JSON object of ordinary depth")])
    headers = {name: value for name, value in (event.get("headers") or {}).items() if name.lower() != "content-type"}
    headers["content-type"] = "application/json"
    return {**event, "headers": headers, "body": text, "isBase64Encoded": False}


def _refuse(_name: str) -> Any:
    message = "not a number"
    raise ValueError(message)


def _depth(value: Any, level: int = 1) -> int:
    if level > DEPTH_MAX:
        return level
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((_depth(child, level + 1) for child in children), default=level)
