"""The HTTP API as handlers see it: routes, requests validated by pydantic, callers, problem documents.

A handler decorates its routes on :class:`HttpApi`, asks it who calls, and raises refusals; everything else is here. A
route is a function of the ids in its path, by name, and of ``body`` or ``query`` where it has one: a pydantic model, or
``Model | None`` for a body that may be left out.

Routes are matched here and not by Powertools' resolver, which costs more to import than everything in this package
(docs/decisions/2026-11-26-own-routes.md). It still makes the OpenAPI document of them: :attr:`HttpApi.resolver`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints
from urllib.parse import quote, unquote

from pydantic import BaseModel, ValidationError

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
from jifen.gateway import answer, raw_body, respond

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

MEMBER, SHOP, OPERATOR, ADMIN = "points/member", "points/shop", "points/operator", "points/admin"
STAFF = (SHOP, OPERATOR, ADMIN)

BODY_BYTES_MAX = 64_000
"""Requests of the API are small; anything longer is no request of ours. A route may take more."""

DEPTH_MAX = 20

Answer = dict[str, Any]
"""What API Gateway gets: status, headers, body."""

F = TypeVar("F", bound=Callable[..., Answer])


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


@dataclass(frozen=True, slots=True)
class Route:
    """One route: what it is called with, and whether a request is one for it.

    Attributes:
        method, path: as in the template, ``<name>`` for the ids.
        summary: its line in the OpenAPI document.
        function: what answers.
        pattern: matches a path, with the ids as groups.
        model: what ``given`` has to be.
        given: ``body`` or ``query``; empty when the function takes neither.
        optional: whether the body may be left out.
        query: what ``query`` has to be where the function takes one beside a body.
        bytes_max: the longest body that is a request for it.
    """

    method: str
    path: str
    summary: str
    function: Callable[..., Answer]
    pattern: re.Pattern[str]
    model: type[BaseModel] | None
    given: str
    optional: bool
    query: type[BaseModel] | None = None
    bytes_max: int = BODY_BYTES_MAX


class _Asked(threading.local):
    """The event being answered and Lambda's context of it, in each thread its own; between events there is none."""

    def __init__(self) -> None:
        self.event: Mapping[str, Any] = {}
        self.context: Any = None


class HttpApi:
    """One function's routes. ``title`` names them in the OpenAPI document, ``operations`` says what they answer."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.operations: dict[tuple[str, str], Operation] = {}
        self.routes: list[Route] = []
        self._asked = _Asked()

    @property
    def lambda_context(self) -> Any:
        """Lambda's context of the event being answered."""
        return self._asked.context

    def get(self, path: str, summary: str, answers: type, *refuses: type[Refusal]) -> Callable[[F], F]:
        """A route that reads. ``refuses`` are the refusals of its own, here and below."""
        return self._route("get", path, summary, Operation(answers, 200, (*EVERYWHERE, *refuses)))

    def put(
        self, path: str, summary: str, answers: type, *refuses: type[Refusal], bytes_max: int = BODY_BYTES_MAX
    ) -> Callable[[F], F]:
        """A route that replaces: the same again changes nothing, so it needs no key."""
        return self._route("put", path, summary, Operation(answers, 200, (*EVERYWHERE, *refuses)), bytes_max)

    def post(
        self,
        path: str,
        summary: str,
        answers: type,
        *refuses: type[Refusal],
        status: int = 200,
        bytes_max: int = BODY_BYTES_MAX,
        keyed: bool = True,
    ) -> Callable[[F], F]:
        """A route that changes something and needs an Idempotency-Key; one that only asks is not ``keyed``."""
        changing = CHANGING if keyed else ()
        operation = Operation(answers, status, (*EVERYWHERE, *changing, *refuses), keyed=keyed)
        return self._route("post", path, summary, operation, bytes_max)

    def _route(
        self, method: str, path: str, summary: str, operation: Operation, bytes_max: int = BODY_BYTES_MAX
    ) -> Callable[[F], F]:
        def register(function: F) -> F:
            self.operations[method, re.sub(r"<(\w+)>", r"{\1}", path)] = operation
            pattern = re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", path))
            self.routes.append(Route(method, path, summary, function, pattern, *_given(function), bytes_max=bytes_max))
            return function

        return register

    def resolve(self, event: Mapping[str, Any], context: Any) -> Answer:
        """Answer one API Gateway event."""
        return respond(event, lambda: self._answer(self._sound(event), context))

    def _sound(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The event with a plain path and a body that is sound and not longer than its route takes."""
        plain = _with_plain_path(dict(event))
        found = self._found(plain)
        return _with_sound_body(plain, found[0].bytes_max if found else BODY_BYTES_MAX)

    def _answer(self, event: Mapping[str, Any], context: Any) -> Answer:
        found = self._found(event)
        if found is None:
            raise NotFound
        route, ids = found
        before = self._asked.event, self._asked.context
        self._asked.event, self._asked.context = event, context
        try:
            return route.function(**ids, **_validated(route, event))
        finally:
            self._asked.event, self._asked.context = before

    def _found(self, event: Mapping[str, Any]) -> tuple[Route, dict[str, str]] | None:
        """The route that an event is for, and the ids in its path; None where it is for none of them."""
        asked = (event.get("requestContext") or {}).get("http") or {}
        method, path = str(asked.get("method")).lower(), _path_of(event)
        for route in self.routes:
            ids = route.pattern.fullmatch(path) if route.method == method else None
            if ids:
                return route, ids.groupdict()
        return None

    @cached_property
    def resolver(self) -> APIGatewayHttpResolver:
        """Powertools' resolver over the same routes, for its OpenAPI document. No function asks for it."""
        from jifen.openapi import resolver  # noqa: PLC0415 - it imports all of Powertools' event handlers

        return resolver(self.routes)

    # What a route asks

    def caller(self, *scopes: str) -> Caller:
        """Who calls, if the token carries one of ``scopes``.

        Raises:
            Unauthenticated: there is no token that the authorizer verified.
            Forbidden: it has none of the scopes.
        """
        context = self._asked.event.get("requestContext") or {}
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
        return member, self.reaching(member, caller)

    @staticmethod
    def reaching(member: str, caller: Caller) -> Caller:
        """The caller, who may reach this member's account; a member token reaches its own alone.

        Raises:
            Forbidden
        """
        own_only = not caller.scopes & set(STAFF)
        if own_only and caller.member != member:
            raise Forbidden(needs=sorted(STAFF))
        return caller

    def idempotency_key(self) -> str:
        """The caller's key.

        Raises:
            IdempotencyKeyMissing: there is none, or it is not 1 to 128 visible ASCII characters.
        """
        headers = {name.lower(): value for name, value in (self._asked.event.get("headers") or {}).items()}
        key = headers.get("idempotency-key")
        if not isinstance(key, str) or not valid_idempotency_key(key):
            raise IdempotencyKeyMissing
        return key


def reply(status: int, body: Mapping[str, Any]) -> Answer:
    """A JSON answer."""
    return answer(status, body)


def _given(function: Callable[..., Any]) -> tuple[type[BaseModel] | None, str, bool, type[BaseModel] | None]:
    """The model that a route's function takes, as what, whether it may be left out; and that of a query beside it."""
    hints = get_type_hints(function)
    for given in ("body", "query"):
        if given in hints:
            (model, *_) = [one for one in get_args(hints[given]) if one is not NoneType] or [hints[given]]
            return model, given, model is not hints[given], hints.get("query") if given == "body" else None
    return None, "", False, None


def _validated(route: Route, event: Mapping[str, Any]) -> dict[str, BaseModel | None]:
    """What the route's function is given besides ids.

    Raises:
        InvalidInput: naming every field that is not as the model has it.
    """
    # Values are taken whole: API Gateway joins what is there twice by commas, and half of it is not what was asked.
    asked = dict(event.get("queryStringParameters") or {})
    given: dict[str, BaseModel | None] = {}
    faults: list[Fault] = []
    if route.query:
        given["query"] = _valid(route.query, asked, "query", faults)
    if route.model and route.given == "query":
        given["query"] = _valid(route.model, asked, "query", faults)
    elif route.model and event.get("body"):
        given["body"] = _valid(route.model, json.loads(event["body"]), "body", faults)
    elif route.model:
        given["body"] = None
        faults += [] if route.optional else [Fault("body", "Field required")]
    if faults:
        raise InvalidInput(faults)
    return given


def _valid(model: type[BaseModel], sent: Any, given: str, faults: list[Fault]) -> BaseModel | None:
    try:
        return model.model_validate(sent)
    except ValidationError as failure:
        faults += [Fault(_path(error["loc"], given), error["msg"]) for error in _errors(failure)]
        return None


def _errors(failure: ValidationError) -> list[Any]:
    return list(failure.errors(include_url=False, include_context=False, include_input=False))


def _path(location: tuple[Any, ...], given: str) -> str:
    return ".".join(map(str, location)) or given


def _path_of(event: Mapping[str, Any]) -> str:
    """The path as the template writes it: without the stage, which API Gateway puts first unless it is the default."""
    path, stage = str(event.get("rawPath") or ""), (event.get("requestContext") or {}).get("stage")
    return path.removeprefix(f"/{stage}") if stage and stage != "$default" else path


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


def _with_sound_body(event: Mapping[str, Any], bytes_max: int = BODY_BYTES_MAX) -> dict[str, Any]:
    """The event, if its body is JSON that validation can take: UTF-8, not too long, not too deep, no lone surrogates.

    Raises:
        InvalidInput: it is not.
    """
    raw = event.get("body")
    if not raw:
        return dict(event)
    data = raw_body(event)
    if data is None or len(data) > bytes_max:
        raise InvalidInput([Fault("body", f"is not UTF-8 of at most {bytes_max} bytes")])
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
