"""Our matching of routes and Powertools' resolver, which answered before it, give the same answer to the same event.

    event ──> sound body, plain path ──┬──> HttpApi ─────────────> echo ──┐
                                       └──> Powertools' resolver ─> echo ──┴──> equal?

Both have the routes of the deployed functions. The functions behind them are replaced by an echo of what they are
called with, so that an id or a field that arrives differently is told too. ``ON_PURPOSE`` is where the two differ.
"""

from __future__ import annotations

import base64
import dataclasses
import inspect
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from pydantic import BaseModel

from functions.account import app as account_app
from functions.admin import app as admin_app
from functions.catalog import app as catalog_app
from functions.engage import app as engage_app
from functions.hooks import app as hooks_app
from functions.operate import app as operate_app
from functions.outreach import app as outreach_app
from functions.play import app as play_app
from functions.redeem import app as redeem_app
from jifen import http, openapi
from jifen.domain.errors import Fault, InvalidInput, NotFound, Refusal
from jifen.domain.member_views import MemberView
from jifen.gateway import answer, problem, respond
from jifen.http import MEMBER, SHOP, Answer, HttpApi, Route
from jifen.runtime import Runtime, Settings, use
from local.replay import api_request

EMOJI = "\U0001f9ff"
APIS = {
    "account": account_app.api,
    "admin": admin_app.api,
    "catalog": catalog_app.api,
    "engage": engage_app.api,
    "hooks": hooks_app.api,
    "operate": operate_app.api,
    "outreach": outreach_app.api,
    "play": play_app.api,
    "redeem": redeem_app.api,
}

Echo = Callable[..., dict[str, Any]]


def echo_of(route: Route) -> Echo:
    """What both sides call: it says by which name, and with what. A query's fields come one by one from Powertools."""

    def echo(**given: Any) -> dict[str, Any]:
        ids = {name: given.pop(name) for name in route.pattern.groupindex}
        content = given.get(route.given, given)
        if isinstance(content, BaseModel):
            content = content.model_dump()
        return {"route": route.function.__name__, "ids": ids, "content": json.loads(json.dumps(content or None))}

    return echo


def ours(api: HttpApi) -> HttpApi:
    """Our matching over the routes of ``api``."""
    made = HttpApi(api.title)
    for route in api.routes:
        echo = echo_of(route)
        made.routes.append(dataclasses.replace(route, function=lambda echo=echo, **given: answer(200, echo(**given))))
    return made


class Theirs:
    """Powertools' resolver over the routes of ``api``, set up as it was while it answered."""

    def __init__(self, api: HttpApi) -> None:
        self.resolver = APIGatewayHttpResolver(enable_validation=True)
        self.resolver.exception_handler(RequestValidationError)(_invalid)
        self.resolver.not_found(lambda _failure: _refused(NotFound()))
        for route in api.routes:
            self.resolver.route(route.path, method=route.method.upper())(_called(route))

    def resolve(self, event: Mapping[str, Any], context: Any) -> Answer:
        """As ``HttpApi.resolve``."""
        return respond(
            event, lambda: self.resolver.resolve(http._with_plain_path(http._with_sound_body(event)), context)
        )


def _called(route: Route) -> Callable[..., Any]:
    echo = echo_of(route)

    def called(**given: Any) -> Response[Any]:
        return Response(200, content_type="application/json", body=json.dumps(echo(**given)))

    called.__signature__ = inspect.signature(openapi._described(route))  # type: ignore[attr-defined]
    return called


def _refused(refusal: Refusal) -> Response[Any]:
    status, headers, body = problem(refusal)
    return Response(status, content_type=headers["Content-Type"], body=body)


def _invalid(failure: RequestValidationError) -> Response[Any]:
    return _refused(InvalidInput([Fault(_field(error["loc"]), str(error["msg"])) for error in failure.errors()]))


def _field(location: tuple[Any, ...]) -> str:
    named = [str(part) for part in location if part not in ("body", "query")]
    return ".".join(named) or str(location[0])


class Said(NamedTuple):
    """What is compared of an answer."""

    status: int
    code: str | None
    faults: list[str]
    echoed: Any

    @classmethod
    def by(cls, side: HttpApi | Theirs, event: Mapping[str, Any]) -> Said:
        """What a side says to an event."""
        raw = side.resolve(event, None)
        body = json.loads(raw["body"])
        if raw["statusCode"] == 200:
            return cls(200, None, [], body)
        return cls(raw["statusCode"], body["code"], [fault["field"] for fault in body.get("errors", ())], None)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    with use(Runtime(Settings(), count=lambda _numbers: None)):
        yield


@pytest.fixture(scope="module")
def sides() -> dict[str, tuple[HttpApi, Theirs]]:
    """Both sides of each function."""
    return {name: (ours(api), Theirs(api)) for name, api in APIS.items()}


# Events --------------------------------------------------------------------------------------------------------------


def ask(method: str, path: str, body: Any = None, **parts: Any) -> dict[str, Any]:
    """A call whose path is as the caller wrote it; ``parts`` replaces some of the event."""
    event = api_request(method, path, None, "shop", SHOP, key="k")
    return event | {"body": body if body is None or isinstance(body, str) else json.dumps(body)} | parts


def routed(route: str, member: Any, body: Any = None, **parts: Any) -> dict[str, Any]:
    """A call as API Gateway hands it on: with its route, the id decoded, and the path decoded behind the stage."""
    path = f"/prod{route.partition(' ')[2]}".replace("{id}", str(member))
    return ask(route.partition(" ")[0], path, body, routeKey=route, pathParameters={"id": member}) | parts


def reviewed(verb: str, member: Any, event: Any, body: Any) -> dict[str, Any]:
    """A decision of an operator, as API Gateway hands it on."""
    route = f"POST /v1/reviews/{{id}}/{{event_id}}/{verb}"
    path = f"/prod/v1/reviews/{member}/{event}/{verb}"
    return ask("POST", path, body, routeKey=route, pathParameters={"id": member, "event_id": event})


def ran(sweep: Any, run: Any) -> dict[str, Any]:
    """A look at a run of a sweep, as API Gateway hands it on."""
    route = "GET /v1/sweeps/{id}/runs/{run}"
    path = f"/prod/v1/sweeps/{sweep}/runs/{run}"
    return ask("GET", path, routeKey=route, pathParameters={"id": sweep, "run": run})


def about(event: Mapping[str, Any], **context: Any) -> dict[str, Any]:
    """The event with parts of its request context replaced."""
    return {**event, "requestContext": {**event["requestContext"], **context}}


def by(method: Any, path: str = "/v1/members/m-1") -> dict[str, Any]:
    """A call by a method."""
    return about(ask("GET", path), http={"method": method, "path": path})


def query(raw: str = "", **values: str) -> dict[str, Any]:
    """A page of entries; ``from_`` is ``from``."""
    named = {name.rstrip("_"): value for name, value in values.items()}
    return ask("GET", "/v1/members/m-1/entries", queryStringParameters=named, rawQueryString=raw)


def coded(text: bytes | str) -> dict[str, Any]:
    """A redemption whose body is said to be base64."""
    body = text if isinstance(text, str) else base64.b64encode(text).decode()
    return ask("POST", "/v1/members/m-1/redemptions", body, isBase64Encoded=True)


SPEND, HOLD = "POST /v1/members/{id}/redemptions", "POST /v1/members/{id}/holds"
BALANCE, LOTS = "GET /v1/members/{id}", "GET /v1/members/{id}/lots"
RESTORE, CAPTURE, VOID = "POST /v1/redemptions/{id}/restore", "POST /v1/holds/{id}/capture", "POST /v1/holds/{id}/void"
CONTACT = "PUT /v1/members/{id}/contact"
POINTS = {"points": 1}

WRITTEN_IDS = (
    *("m-1", "m-1/", "", "/", "/m-1", "m-1//lots", "m-1/LOTS", "m-1/nothing", ".", "..", "./lots", "../lots"),
    *("m%2F1", "m%2f1/lots", "m/1/lots", "%", "%zz", "%2541", "%00", "%FF", "%ED%A0%80", "a+b", "a%20b", "a b"),
    *("a;b", "a,b", "a=b", "a&b", "a@b", "a:b", "a*b", "a'b", "a(b)", "a!b", "a~b", "<member_id>", "{id}", "名", "é"),
    *("x" * 129, "x" * 100_000),
)
"""As they stand in a path that nobody has decoded."""

DECODED_IDS = (
    *("m-1", "", "/", "m/1", ".", "..", "../lots", "m-1/lots", "%41", "%2F", "%", "a b", "a+b", "a?b", "a#b", 'a"b'),
    *("a\\b", "a\nb", "a\n", "a\x00", "\ud800", EMOJI, "名", "a\u2028b", "x" * 129, "x" * 10_000, None, 5),
)
"""As API Gateway decodes them, once."""

OPERATORS_READ = ("program", "rulesets", "campaign-templates", "campaigns", "audit", "reviews")
OPERATORS_DO = (
    *("rulesets/{id}/publish", "rulesets/{id}/roll-back"),
    *(f"campaigns/{{id}}/{step}" for step in ("schedule", "pause", "resume", "end", "cancel")),
)
TRIED: tuple[Any, ...] = (None, {}, {"order": {}}, {"order": []}, {"orders": [1]}, {"more": 1}, {"standing": {"a": 1}})
CAMPAIGN = {"id": "c", "from": "2011-01-01", "template": "fixed_bonus", "with": {"points": 5}}

FILES: tuple[Any, ...] = (None, {}, {"program": {}}, [], "{", {"earning": {"rules": []}})

HAPPENED = {"type": "a.b", "event_id": "e", "member_id": "m", "occurred_at": "2011-01-10T09:00:00Z"}
NOT_HAPPENED: tuple[dict[str, Any], ...] = (
    *({name: value} for name in HAPPENED for value in (None, "", 5, "a ", "x" * 129)),
    {"data": None},
    {"data": []},
    {"data": {f"n{number}": 1 for number in range(21)}},
    *({"type": one} for one in ("order.paid", "a.b\n", "a")),
    {"event_id": "check-in:k"},
    {"occurred_at": "9999-01-01T00:00:00Z"},
)
PROFILES: tuple[Any, ...] = (
    *(None, {}, {"birthday": "05-01", "region": "east", "tags": ["vip"]}, {"tags": None}, {"tags": [" "]}),
    *({"birthday": one} for one in ("02-30", "5-1", 5, None)),
)

PARAMETERS: tuple[Any, ...] = (None, {}, [], {"ID": "m-1"}, {"id": ""})
TOTALS: tuple[Any, ...] = (None, {}, [], {"amount_minor": -1})
GIFTS: tuple[Any, ...] = (None, {}, {"to": "m"}, {"to": " ", "points": 0}, {"to": "m", "points": 1, "password": ""})
GIFTS += ({"to": "m", "points": 1, "note": "for you"},)
PASSWORDS: tuple[Any, ...] = (None, {}, {"password": ""}, {"password": 5}, {"password": "open-sesame"}, {"reason": "r"})
ORDERS: tuple[Any, ...] = (
    *(None, {}, [], {"lines": None}, {"lines": []}, {"lines": [{}]}, {"lines": [{"line_total_minor": 1}]}),
    *(
        {"lines": [{"line_total_minor": 1} | one]}
        for one in ({"n": "1"}, {"kind": "x"}, {"kind": None}, {"tax_minor": 2})
    ),
    {"lines": [{"n": 1, "line_total_minor": 1}] * 2},
    {"currency": "gbp", "lines": [1, {"qty": True}]},
)

SHELF_QUERIES: tuple[dict[str, str], ...] = (
    *({}, {"q": "cup", "sort": "-points", "in_stock": "true"}, {"affordable": "yes"}, {"low": "2"}, {"sort": "best"}),
    *({"kind": "physical"}, {"kind": "x"}, {"status": "ON_SHELF"}, {"status": "on"}, {"limit": "101"}, {"cursor": ""}),
    *({"points_from": "5", "points_to": "-1"}, {"points_from": "5.5"}, {"member_id": ""}, {"member_id": "x" * 129}),
    *({"tag": "x" * 129}, {"category": "", "q": ""}, {"in_stock": "true,false"}),
)
PAGES: tuple[dict[str, str], ...] = ({}, {"limit": "0"}, {"limit": "5", "cursor": "c"}, {"cursor": "c" * 1_001})
MALL_DOES: Mapping[str, tuple[Any, ...]] = {
    "PUT /v1/rewards/{id}": FILES,
    "POST /v1/rewards/{id}/shelf": ({"on": True}, {"on": 1}, {"on": False, "reason": 5}, {"on": True, "more": 1}),
    "POST /v1/rewards/{id}/stock": tuple({"pieces": one} for one in (5, -5, 0, "5", True, 1.0, 10**12, None)),
    "POST /v1/rewards/{id}/codes": (
        {"codes": ["a"]},
        {"codes": []},
        {"codes": [1]},
        {"codes": "a"},
        {"codes": ["a"] * 201},
    ),
    "POST /v1/rewards/import": (
        *({"rewards": [{"id": "a"}]}, {"rewards": []}, {"rewards": [1]}, {"rewards": {}}, {"rewards": [{}] * 101}),
        *({"rewards": [{}], "dry_run": one} for one in (True, "yes")),
    ),
    "PUT /v1/members/{id}/goal": ({"reward_id": "a"}, {"reward_id": None}, {"reward_id": 0}, {"more": 1}),
    "POST /v1/members/{id}/restock-notices": ({"reward_id": "a"}, {"reward_id": "a", "on": 0}, {"reward_id": ""}),
    "POST /v1/members/{id}/reward-orders": (
        *({"reward_id": "a"}, {"reward_id": "a", "quantity": 0}, {"reward_id": "a", "quantity": "1"}),
        *({"reward_id": "a", "address": one} for one in (None, {}, {"name": "A", "phone": "1", "street": " "})),
        {"reward_id": "a", "expected_points": -1, "password": 5},
    ),
    "POST /v1/reward-orders/{id}/paid": (
        {"paid": {"amount_minor": 1, "currency": "CNY"}, "payment_id": "p"},
        {"paid": {"amount_minor": -1, "currency": "cny", "more": 1}, "payment_id": ""},
    ),
    "POST /v1/reward-orders/{id}/address": (
        {"name": "A", "phone": "1", "street": "S"},
        {"name": "A\n", "phone": 1, "street": "S" * 121, "more": 1},
    ),
    "POST /v1/reward-orders/{id}/ship": ({"carrier": "SF", "number": "1"}, {"carrier": ""}),
    "POST /v1/reward-orders/{id}/deliver": (),
    "POST /v1/reward-orders/{id}/cancel": ({"reason": "r"}, {"reason": 5}, {"more": 1}),
    "POST /v1/reward-orders/{id}/return": ({"restock": False, "quantity": 2}, {"restock": 0}, {"quantity": 0}),
    "POST /v1/coupons/{id}/use": (
        {"order_id": "o", "order_total": {"amount_minor": 1, "currency": "CNY"}},
        {"order_id": " ", "source": "A", "order_total": {}, "shipping": 5},
    ),
    "POST /v1/coupons/{id}/release": ({"order_id": "o"}, {"order_id": "o", "source": "x y"}),
    "POST /v1/coupons/{id}/void": ({"reason": "r"}, {"reason": ""}),
}
"""Bodies beside none, one that is empty and one that is no object."""

PLAY_DOES: Mapping[str, tuple[Any, ...]] = {
    "PUT /v1/lotteries/{id}": FILES,
    "POST /v1/lotteries/{id}/pause": ({"reason": "r"}, {"reason": 5}),
    "POST /v1/lotteries/{id}/resume": ({"reason": "x" * 501},),
    "POST /v1/lotteries/{id}/cancel": ({"more": 1},),
    "POST /v1/members/{id}/draws": (
        {"lottery_id": "l"},
        {"lottery_id": "L", "client_seed": " x"},
        {"lottery_id": "l", "client_seed": "x" * 65, "password": ""},
    ),
    "PUT /v1/auctions/{id}": FILES,
    "POST /v1/auctions/{id}/settle": (),
    "POST /v1/auctions/{id}/cancel": ({"reason": "r"}, {"reason": []}),
    "POST /v1/members/{id}/bids": tuple({"auction_id": "a", "points": one} for one in (1, 0, "1", True, 10**13)),
}
MALL_READS = (
    *("/v1/reward-records", "/v1/members/{id}/reward-orders", "/v1/members/{id}/coupons"),
    *("/v1/rewards/{id}/stock", "/v1/reward-records/{id}", "/v1/reward-orders/{id}", "/v1/coupons/{id}"),
)
PLAY_READS = (
    *("/v1/lotteries", "/v1/lotteries/{id}", "/v1/members/{id}/draws", "/v1/draws/{id}"),
    *("/v1/auctions", "/v1/auctions/{id}", "/v1/members/{id}/bids"),
)
IDS = ("a", "a/b", "ro.bS0x.x", "A A", "%2F", "", None)

ENDPOINT: dict[str, Any] = {"id": "e", "url": "https://shop.example/hooks"}
REASONS: tuple[Any, ...] = ({"reason": "r"}, {"reason": None}, {"reason": "x" * 501}, {"more": 1})
SINCE: dict[str, Any] = {"from": "2011-01-10T09:00:00Z"}
NOTICE: dict[str, Any] = {"kind": "points.expiring"}
LIFE_DOES: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "hooks": {
        "POST /v1/webhook-endpoints": (
            *(ENDPOINT | one for one in ({}, {"types": ["points.*"], "description": "d"}, {"types": [""]})),
            *(ENDPOINT | {name: one} for name in ("id", "url", "types", "reason") for one in (None, 5, "x" * 1_001)),
            ENDPOINT | {"types": ["a.b"] * 51, "secret": "whsec_mine"},
        ),
        "PUT /v1/webhook-endpoints/{id}": (
            {"url": []},
            *({"url": one} for one in (ENDPOINT["url"], "", "x" * 1_001)),
            ENDPOINT,
            {"url": "u", "types": "points.*", "description": "x" * 501},
        ),
        "POST /v1/webhook-endpoints/{id}/delete": REASONS,
        "POST /v1/webhook-endpoints/{id}/disable": REASONS,
        "POST /v1/webhook-endpoints/{id}/enable": (
            *REASONS,
            *({"catch_up": one} for one in (True, False, 0, 1, "true", None)),
        ),
        "POST /v1/webhook-endpoints/{id}/rotate-secret": REASONS,
        "POST /v1/webhook-endpoints/{id}/ping": REASONS,
        "POST /v1/webhook-endpoints/{id}/replay": (
            *(SINCE | one for one in ({}, {"to": None}, {"to": "x" * 41}, {"types": ["a", ""]}, {"more": 1})),
            *({"from": one} for one in (None, 5, "", "x" * 41)),
            {"since": SINCE["from"], "until": SINCE["from"]},
        ),
    },
    "operate": {
        "PUT /v1/sweeps/{id}": (
            *({"paused": one} for one in (True, False, None, 1, "true")),
            *({"accounts_per_second": one} for one in (1, None, 0, -1, 1.0, "1", True, 10**6, 10**40)),
            {"paused": True, "reason": "x" * 501, "shards": 1},
        ),
        "POST /v1/rulesets/{id}/validity-preview": (
            *({"day": one} for one in ("2026-12-01", "2026-13-41", "2026-12-1", "2026-12-01\n", "", 5, None)),
            *({"limit": one} for one in (1, 500, 501, 0, "1", True, 1.0)),
            {"cursor": "c" * 1_001, "more": 1},
            {"day": "\u0662\u0660\u0662\u0666-12-01", "cursor": ""},
        ),
        "POST /v1/validity/batches/{id}/reverse": (*REASONS, {"reason": ""}, {"reason": " "}, {"reason": ["r"]}),
    },
    "outreach": {
        "PUT /v1/members/{id}/preferences": (
            *(
                {"refuses": list(one)}
                for one in ((), ("sms", "points.dormant"), ("*",), ("Sms",), ("a b",), ("sms\n",))
            ),
            *({"refuses": one} for one in (None, "sms", ["sms"] * 21, ["x" * 129])),
            {"refuses": [None]},
            {"refuses": {}},
            *({"refuses": [], "language": one} for one in ("zh", "fr", "", None, 5)),
            *(
                {"refuses": [], "time_zone": one}
                for one in (
                    "Asia/Shanghai",
                    "Asia",
                    "../UTC",
                    "/etc/passwd",
                    "Asia/Atlantis",
                    "UTC\n",
                    "\ud800",
                    "",
                    None,
                )
            ),
            {"refuses": [], "more": 1, "email": "a@b.c"},
        ),
        "POST /v1/members/{id}/wechat-consents": ({"consents": 99},),
        "POST /v1/notices/preview": (
            *(
                NOTICE | one
                for one in ({}, {"member_id": "m", "facts": {"points": 5}}, {"also": ["points.dormant"] * 2})
            ),
            *({"kind": one} for one in ("points", "", None, 5, ["points.expiring"])),
            *(NOTICE | {"channel": one} for one in ("sms", "fax", None, 5)),
            *(NOTICE | {"member_id": one} for one in ("m", "", "a\n", " m", "x" * 129, 5, None)),
            *(NOTICE | {"facts": dict.fromkeys(map(str, range(one)), 1)} for one in (0, 20, 21)),
            *(NOTICE | {"facts": one} for one in (None, "points")),
            *(NOTICE | {"also": one} for one in (None, "points.dormant", ["x"], ["points.expiring"] * 6)),
            NOTICE | {"to": "a@b.c"},
        ),
        "POST /v1/notices/test-send": (
            *(NOTICE | {"to": one} for one in ("a@b.c", "", None, 5, "x" * 401)),
            *(NOTICE | {"wechat_kind": one} for one in ("mini", "MINI", None)),
            NOTICE | {"to": "a@b.c", "cc": "d@e.f"},
        ),
    },
}
"""Bodies beside none, one that is empty and one that is no object, of each function."""

LIFE_READS: Mapping[str, Mapping[str, tuple[dict[str, str], ...]]] = {
    "hooks": {
        "/v1/webhook-endpoints": ({"status": "ACTIVE"},),
        "/v1/webhook-endpoints/{id}": (),
        "/v1/webhook-endpoints/{id}/deliveries": (
            *({"day": one} for one in ("2026-12-01", "2026-12-41", "2026-12-01,2026-12-02", "2026-12-01\n", "")),
            *({"status": one} for one in ("FAILED", "failed", "", "FAILED,WAITING")),
        ),
    },
    "operate": {
        "/v1/sweeps": tuple({"runs": one} for one in ("1", "30", "31", "0", "", "5,6", "\u0665")),
        "/v1/validity/batches": (),
        "/v1/validity/batches/{id}": (),
    },
    "outreach": {
        "/v1/notices/failed": tuple(
            {"month": one} for one in ("2026-12", "2026-13", "2026-12\n", "", "2026-12,2026-11")
        ),
    },
}
"""Queries beside those of every page."""

RUNS = ("2026-12-01T00:05:00Z", "2026-12-01T00%3A05%3A00%2B08%3A00", "a/b", "a b", "..", "%2F", "", None)

EVENTS: list[tuple[str, dict[str, Any]]] = [
    *(("account", ask("GET", f"/v1/members/{one}")) for one in WRITTEN_IDS),
    *(("account", ask("GET", f"/v1/members/{one}/lots")) for one in WRITTEN_IDS),
    *(("redeem", ask("POST", f"/v1/holds/{one}/void")) for one in WRITTEN_IDS),
    *(("account", routed(route, one)) for one in DECODED_IDS for route in (BALANCE, LOTS)),
    *(("redeem", routed(route, one, POINTS)) for one in DECODED_IDS for route in (SPEND, HOLD, RESTORE, CAPTURE, VOID)),
    *(("account", ask("GET", path)) for path in ("", "/", "/v1", "/v1/members", "v1/members/m-1", "//v1/members/m-1")),
    *(
        ("account", ask("GET", path))
        for path in ("/V1/members/m-1", "/x/v1/members/m-1", "*", "http://a/v1/members/m-1")
    ),
    # Stages
    ("account", about(ask("GET", "/prod/v1/members/m-1"), stage="prod")),
    ("account", about(ask("GET", "/v1/v1/members/m-1"), stage="v1")),
    ("account", ask("GET", "/$default/v1/members/m-1")),
    # Routes that are not ours, and parameters that do not fit
    *(("account", routed(BALANCE, "m-1", pathParameters=one)) for one in PARAMETERS),
    *(("account", ask("GET", "/v1/members/m-1", routeKey=one)) for one in ("", None, "$default", "ANY /{proxy+}")),
    ("account", routed("GET /v1/members/{proxy+}", "m-1")),
    # Methods
    *(("account", by(one)) for one in ("HEAD", "OPTIONS", "get", "Get", "PATCH", "DELETE", "POST", "PUT", "", "GET ")),
    *(("redeem", by(one, "/v1/holds/h/void")) for one in ("GET", "HEAD", "OPTIONS", "post", "PUT")),
    # Queries
    *(("account", query(limit=one)) for one in ("5", "0", "101", "", "5.0", " 5 ", "+5", "1_0", "\u0665", "9" * 5_000)),
    *(("account", query(limit=one)) for one in ("5,6", ",5", "5,")),
    *(("account", query(kind=one)) for one in ("earn", "EARN", "", "earn,redeem", "x,earn")),
    *(("account", query(from_=one)) for one in ("2011-01-01", "", "x" * 41, "2011-01-01,2012-01-01", "\ud800")),
    ("account", query(since="x" * 41, until="x" * 41, LIMIT="0", other="1")),
    ("account", query(limit="0", kind="x", to="y" * 41, cursor="z" * 201)),
    ("account", query("limit=5&limit=6", limit="5,6")),
    ("account", query("kind=earn&kind=redeem", kind="earn,redeem")),
    ("account", query("limit=5%2C6", limit="5,6")),
    ("account", ask("GET", "/v1/members/m-1/entries", queryStringParameters=None)),
    ("account", ask("GET", "/v1/members/m-1", queryStringParameters={"limit": "0"})),
    # Bodies
    *(
        ("redeem", routed(route, "x", body))
        for route in (SPEND, HOLD, RESTORE, CAPTURE, VOID)
        for body in (None, "", " ", "null", "[]", "{}", "{", '{"points": NaN}', '{"points": 1e400}', '{"a": "\\ud800"}')
    ),
    *(
        ("redeem", routed(SPEND, "x", {"points": one}))
        for one in (0, -1, 1.0, "1", True, None, [1], {"points": 1}, 10**40)
    ),
    *(("redeem", routed(SPEND, "x", POINTS | {"order_id": one})) for one in (None, "", " x", 5, "x" * 129, "a\x00b")),
    *(("redeem", routed(SPEND, "x", POINTS | {"order_total": one})) for one in TOTALS),
    ("redeem", routed(SPEND, "x", {"points": "x", "order_total": {"amount_minor": "1", "currency": "gbp"}})),
    *(("redeem", routed(route, "x", POINTS | {"order": one})) for one in ORDERS for route in (SPEND, HOLD)),
    *(("redeem", ask("POST", "/v1/quotes", {"member_id": "m", "order": one})) for one in ORDERS),
    *(
        ("redeem", ask("POST", "/v1/quotes", one))
        for one in (None, {}, {"member_id": " "}, {"order": 5, "discount": 1})
    ),
    *(("redeem", routed("POST /v1/members/{id}/transfers", "x", one)) for one in GIFTS),
    *(
        ("redeem", routed("GET /v1/members/{id}/transfers", "x", queryStringParameters=one))
        for one in ({}, {"limit": "0"})
    ),
    *(("redeem", routed(route, "t")) for route in ("GET /v1/transfers/{id}", "POST /v1/transfers/{id}/cancel")),
    ("redeem", routed("GET /v1/members/{id}/points-password", "x")),
    *(("redeem", routed("PUT /v1/members/{id}/points-password", "x", one)) for one in PASSWORDS),
    *(("redeem", routed("POST /v1/members/{id}/points-password/reset", "x", one)) for one in PASSWORDS),
    ("redeem", routed(SPEND, "x", {"body": POINTS})),
    ("redeem", routed(HOLD, "x", POINTS | {"expires_in_s": 0, "reason": "", "more": 1})),
    *(
        ("account", routed(CONTACT, "x", body))
        for body in (None, {}, {"email": "a@b.c"}, {"email": 5, "language": "fr"})
    ),
    ("account", routed(BALANCE, "x", "{")),
    *(("redeem", coded(one)) for one in (b'{"points": 1}', b"", b"\xff", "***", "====", "e30=\n")),
    # Operators: a file of any shape, a query beside a body, a body that may be left out
    *(("admin", ask("GET", f"/v1/{one}")) for one in OPERATORS_READ),
    *(("admin", ask("GET", f"/v1/{one}", queryStringParameters={"limit": "0"})) for one in OPERATORS_READ),
    *(("admin", routed("GET /v1/rulesets/{id}", one)) for one in ("1", "0", "x", "", "1/2", None)),
    *(("admin", routed("GET /v1/campaigns/{id}", one)) for one in ("c", "C C", "", "a/b")),
    *(
        ("admin", ask(method, path, body, queryStringParameters=asked))
        for method, path in (("PUT", "/v1/program"), ("POST", "/v1/rulesets"))
        for body in FILES
        for asked in ({}, {"reason": "r"}, {"override": ""}, {"reason": "x" * 501})
    ),
    *(
        ("admin", routed(f"POST /v1/{route}", "7", body))
        for route in OPERATORS_DO
        for body in (None, {}, {"reason": "r"}, {"reason": 5}, {"reason": "r", "more": 1}, {"rebase": "yes"}, "null")
    ),
    *(("admin", routed("POST /v1/rulesets/{id}/simulate", "7", body)) for body in TRIED),
    *(("admin", ask("POST", "/v1/campaigns", CAMPAIGN | one)) for one in ({}, {"id": "C"}, {"from": 5}, {"more": 1})),
    # What members do: two ids in one path, values of more than one type
    *(("engage", ask("POST", "/v1/events", body)) for body in (None, "{", "[]", {}, HAPPENED)),
    *(("engage", ask("POST", "/v1/events", HAPPENED | one)) for one in NOT_HAPPENED),
    *(
        ("engage", ask("POST", "/v1/events", HAPPENED | {"data": {name: value}}))
        for name, value in (("n", 1), ("n", True), ("n", "x"), ("n", 1.0), ("n", None), ("n", [1]), ("n", " "), ("", 1))
    ),
    *(
        ("engage", routed(f"{method} /v1/members/{{id}}/{part}", one))
        for method, part in (("GET", "check-ins"), ("GET", "tasks"), ("GET", "tier"), ("GET", "profile"))
        for one in ("m-1", "m/1", "", None)
    ),
    *(
        ("engage", routed(f"POST /v1/members/{{id}}/{part}", "m-1", body))
        for part in ("check-ins", "check-ins/make-up")
        for body in (None, {}, "null", {"day": "2011-01-10"}, {"day": "10"}, {"day": None}, {"day": 5, "more": 1})
    ),
    *(("engage", routed("PUT /v1/members/{id}/profile", "m-1", body)) for body in PROFILES),
    *(
        ("engage", routed("PUT /v1/members/{id}/activity", one, body))
        for one in ("m-1", "m/1", "")
        for body in (None, {}, {"kind": "login"}, {"kind": "order"}, {"kind": 5, "more": 1}, "null")
    ),
    *(("catalog", routed("GET /v1/members/{id}/goal", one)) for one in ("m-1", "m/1", "", None)),
    *(
        ("engage", reviewed(verb, member, event, body))
        for verb in ("approve", "reject")
        for member, event in (("m-1", "e-1"), ("m/1", "e/1"), ("m%1", "%2F"), ("m-1", ""), ("", "e-1"), ("m-1", None))
        for body in (None, {}, {"reason": "r"}, {"reason": "r", "points": 0})
    ),
    *(("engage", ask("POST", f"/v1/reviews/{one}/approve", {"reason": "r"})) for one in ("a/b", "a", "a/b/c", "a//b")),
    # The mall and its games: files of any shape, queries of every type, a list besides one of its rows, two steps deep
    *(("catalog", ask("GET", "/v1/rewards", queryStringParameters=one)) for one in SHELF_QUERIES),
    *(("catalog", routed("GET /v1/rewards/{id}", one)) for one in IDS),
    *(
        ("catalog", routed("GET /v1/rewards/{id}", "a", queryStringParameters=one))
        for one in ({"member_id": "m"}, {"member_id": ""}, {"limit": "0"})
    ),
    *(
        ("catalog", routed("GET /v1/members/{id}/coupons", "a", queryStringParameters={"status": one}))
        for one in ("USED", "used", "")
    ),
    *(
        (function, ask("GET", path.replace("{id}", "a"), queryStringParameters=one))
        for function, paths in (("catalog", MALL_READS), ("play", PLAY_READS))
        for path in paths
        for one in PAGES
    ),
    *(
        (function, routed(f"GET {path}", one))
        for function, paths in (("catalog", MALL_READS), ("play", PLAY_READS))
        for path in paths
        if "{id}" in path
        for one in IDS
    ),
    *(
        ("play", ask("GET", "/v1/auctions", queryStringParameters=one))
        for one in ({"member_id": "m"}, {"member_id": " m"}, {"limit": "100", "member_id": ""})
    ),
    *(
        (function, ask(method, path.replace("{id}", "a"), body))
        for function, does in (("catalog", MALL_DOES), ("play", PLAY_DOES))
        for route, bodies in does.items()
        for method, _, path in [route.partition(" ")]
        for body in (None, {}, "[]", *bodies)
    ),
    *(
        (function, routed(route, one, next(iter(bodies), None)))
        for function, does in (("catalog", MALL_DOES), ("play", PLAY_DOES))
        for route, bodies in does.items()
        if "{id}" in route
        for one in IDS
    ),
    *(
        ("play", routed("PUT /v1/lotteries/{id}", "l", {}, queryStringParameters=one))
        for one in ({"reason": "r"}, {"override": "o"}, {"override": ""}, {"reason": "x" * 501})
    ),
    *(("catalog", ask(method, "/v1/rewards/import", {"rewards": [{}]})) for method in ("GET", "PUT", "POST")),
    *(("catalog", ask("GET", path)) for path in ("/v1/rewards/", "/v1/rewards/a/", "/v1/rewards/a/b", "/v1/reward")),
    # The life of points: an alias, true or false, one of several names, what a validator of our own says, two ids
    *(
        (function, ask(method, path.replace("{id}", "a"), body))
        for function, does in LIFE_DOES.items()
        for route, bodies in does.items()
        for method, _, path in [route.partition(" ")]
        for body in (None, {}, "[]", "null", "{", *bodies)
    ),
    *(
        (function, routed(route, one, next(iter(bodies))))
        for function, does in LIFE_DOES.items()
        for route, bodies in does.items()
        if "{id}" in route
        for one in IDS
    ),
    *(
        (function, ask("GET", path.replace("{id}", "a"), queryStringParameters=one))
        for function, reads in LIFE_READS.items()
        for path, queries in reads.items()
        for one in (*PAGES, *queries)
    ),
    *(
        (function, routed(f"GET {path}", one))
        for function, reads in LIFE_READS.items()
        for path in reads
        if "{id}" in path
        for one in IDS
    ),
    *(("operate", ran(sweep, run)) for sweep in ("expire", "", "a/b", None) for run in RUNS),
    *(("operate", ask("GET", f"/v1/sweeps/expire/runs/{one}")) for one in (*RUNS[:-1], "a//b")),
    *(("operate", ask("GET", path)) for path in ("/v1/sweeps/expire", "/v1/sweeps/", "/v1/sweeps/expire/runs")),
    *(("hooks", ask("DELETE", path)) for path in ("/v1/webhook-endpoints", "/v1/webhook-endpoints/a")),
    *(("outreach", ask(method, "/v1/unsubscribe")) for method in ("GET", "POST")),
    *(
        ("account", routed(f"GET /v1/members/{{id}}/{part}", one))
        for part in ("contact", "proof")
        for one in DECODED_IDS
    ),
    # Headers
    *(("redeem", routed(SPEND, "x", POINTS, headers=one)) for one in (None, {}, {"Content-Type": "text/plain"})),
    ("account", routed(BALANCE, "x", headers=None, cookies=["a=b"])),
]


@pytest.mark.parametrize(("function", "event"), EVENTS, ids=[str(number) for number in range(len(EVENTS))])
def test_both_answer_the_same(
    sides: Mapping[str, tuple[HttpApi, Theirs]], function: str, event: dict[str, Any]
) -> None:
    """Status, code, the fields that are at fault, and what a route's function is called with."""
    own, other = sides[function]

    assert Said.by(other, event) == Said.by(own, event)


def test_the_table_asks_for_every_route_and_every_kind_of_answer(
    sides: Mapping[str, tuple[HttpApi, Theirs]],
) -> None:
    """Two sides that refuse everything would agree as well."""
    said = [Said.by(sides[function][0], event) for function, event in EVENTS]

    assert {200, 404, 422} == {one.status for one in said}
    assert {(name, route.function.__name__) for name, api in APIS.items() for route in api.routes} == {
        (function, one.echoed["route"]) for (function, _), one in zip(EVENTS, said, strict=True) if one.status == 200
    }


UNWRITTEN = ('a"b', "a#b", "a?b", "a\\b", "a`b", EMOJI, "a\u0301")
ON_PURPOSE: list[tuple[str, dict[str, Any], int, int]] = [
    *((f"{one!r} in a path", ask("GET", f"/v1/members/{one}"), 404, 200) for one in UNWRITTEN),
    ("a newline behind an id", ask("GET", "/v1/members/m-1\n"), 200, 200),
    ("a stage that is not in the path", about(ask("GET", "/v1/members/m-1"), stage="prod"), 404, 200),
    ("no stage", about(ask("GET", "/v1/members/m-1"), stage=None), 500, 200),
    ("no method", by(None), 500, 404),
    ("nothing of HTTP", about(ask("GET", "/v1/members/m-1"), http=None), 500, 404),
]
"""Events that API Gateway does not make for our routes: the statuses before and now."""


@pytest.mark.parametrize(
    ("event", "before", "now"), [row[1:] for row in ON_PURPOSE], ids=[row[0] for row in ON_PURPOSE]
)
def test_where_they_differ(
    sides: Mapping[str, tuple[HttpApi, Theirs]], event: dict[str, Any], before: int, now: int
) -> None:
    """An id may be anything without a slash, and an event without its usual parts is no crash."""
    own, other = sides["account"]

    assert (before, now) == (Said.by(other, event).status, Said.by(own, event).status)


def test_nothing_is_cut_off_an_id(sides: Mapping[str, tuple[HttpApi, Theirs]]) -> None:
    """A newline behind an id is part of it, for whoever checks ids; a pattern that ends in ``$`` passes over it."""
    own, other = sides["account"]
    event = ask("GET", "/v1/members/m-1\n")

    assert ("m-1", "m-1\n") == tuple(Said.by(one, event).echoed["ids"]["member_id"] for one in (other, own))


# Requests apart ------------------------------------------------------------------------------------------------------


def asked_by(subject: str, path: str = "/v1/a") -> dict[str, Any]:
    """A call of a member's own."""
    return api_request("GET", path, None, subject, MEMBER)


def who(raw: Answer) -> Any:
    """The subject that a route has told."""
    return json.loads(raw["body"])["subject"]


def test_a_request_inside_another_leaves_it_as_it_was() -> None:
    """Also when the one inside breaks."""
    api = HttpApi("nested")

    @api.get("/v1/a", "tells who calls, after others have called", MemberView)
    def outer() -> Answer:
        inside = who(api.resolve(asked_by("m-2", "/v1/b"), "context of m-2"))
        broken = api.resolve(asked_by("m-3", "/v1/broken"), "context of m-3")["statusCode"]
        told = {"inside": inside, "broken": broken, "context": api.lambda_context}
        return answer(200, told | {"subject": api.caller(MEMBER).subject})

    @api.get("/v1/b", "tells who calls", MemberView)
    def inner() -> Answer:
        return answer(200, {"subject": api.caller(MEMBER).subject})

    @api.get("/v1/broken", "breaks", MemberView)
    def broken() -> Answer:
        raise ZeroDivisionError

    told = json.loads(api.resolve(asked_by("m-1"), "context of m-1")["body"])

    assert {"inside": "m-2", "broken": 500, "context": "context of m-1", "subject": "m-1"} == told
    assert ({}, None) == (api._asked.event, api.lambda_context)


def test_two_requests_at_once_do_not_see_each_other() -> None:
    """Lambda has one at a time; whoever calls a handler from threads must not be given another's rights."""
    api = HttpApi("threads")
    both_are_in = threading.Barrier(2, timeout=10)

    @api.get("/v1/a", "tells who calls, when two have called", MemberView)
    def both() -> Answer:
        both_are_in.wait()
        return answer(200, {"subject": api.caller(MEMBER).subject})

    told: dict[str, Any] = {}

    def call(subject: str) -> None:
        told[subject] = who(api.resolve(asked_by(subject), None))

    threads = [threading.Thread(target=call, args=(subject,)) for subject in ("m-1", "m-2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {"m-1": "m-1", "m-2": "m-2"} == told
