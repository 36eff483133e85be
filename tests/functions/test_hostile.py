"""What strangers send: each input gets one exact answer, and nothing moves.

A row is an input and the status and code it is answered with. After every row the whole table and the queue are
compared with what they were before it.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from jifen.runtime import use
from local.replay import api_request
from tests.functions.stage import (
    ADMIN,
    MEMBER,
    NOW,
    SHOP,
    Answer,
    Stage,
    delivery,
    line,
    paid,
    raw_bytes,
    refunded,
    signature,
)

OWNER, OTHER = "m-1", "m-2"
STAMP = int(NOW.timestamp())
PROGRAM = {
    "currency": "GBP",
    "redemption": {"points_per_unit": 100, "max_order_share": "0.30", "max_points_per_order": 400},
}
PROBLEM_FIELDS = {"type", "title", "status", "code", "detail"}
SURROGATE = "\ud800"
EMOJI = "\U0001f9ff"


class Seed(NamedTuple):
    """What is there before the first row: ids and cursors that are real, for rows that bend them."""

    redemption: str
    hold: str
    captured: str
    voided: str
    cursor: str
    cursor_of_earn: str
    cursor_of_other: str


Call = tuple[str, dict[str, Any]]
Build = Callable[[Seed], Call]


class Hostile(NamedTuple):
    """One input and its answer; a code of None is an answer that is no problem document."""

    name: str
    build: Build
    status: int
    code: str | None


# Building inputs -----------------------------------------------------------------------------------------------------

GONE: Any = object()
"""A field that is left out."""


def changed(body: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**body, **changes}.items() if value is not GONE}


def hook(body: Any, now: Any = NOW, **changes: Any) -> Build:
    """A delivery that is signed correctly, unless ``changes`` says otherwise."""
    return lambda _seed: ("webhook", delivery(body, now, **changes))


def order(**changes: Any) -> Build:
    """A signed order.paid with some fields changed."""
    return hook(json.dumps(changed(paid("hostile", OWNER, 10_000), changes)))


def row(**changes: Any) -> Build:
    """A signed order.paid whose only line has some fields changed."""
    return order(lines=[changed(line(10_000), changes)])


def refund(**changes: Any) -> Build:
    """A signed order.refunded with some fields changed."""
    return hook(json.dumps(changed(refunded("o-1", "hostile", OWNER, 100), changes)))


def text_order(old: str, new: str) -> Build:
    """A signed order.paid as JSON text with ``old`` replaced by ``new``, for what no JSON library would write."""
    return hook(json.dumps(paid("hostile", OWNER, 10_000)).replace(old, new))


def signed_as(**headers: str | None) -> Build:
    """A good order.paid under other webhook headers; ``webhook_id=None`` takes one away."""
    named = {f"webhook-{name.removeprefix('webhook_')}": value for name, value in headers.items()}
    return hook(paid("hostile", OWNER, 10_000), headers=named)


def stamped(stamp: str) -> Build:
    """A good order.paid, signed over this very timestamp text."""
    raw = raw_bytes(paid("hostile", OWNER, 10_000))
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": stamp,
        "webhook-signature": signature(raw, "msg_1", stamp),
    }
    return hook(raw, headers=headers)


def call(
    method: str,
    path: str,
    body: Any = None,
    *,
    subject: Any = "shop-server",
    scopes: str = SHOP,
    key: str | None = "hostile-key",
    query: Mapping[str, str] | None = None,
) -> Build:
    """A call of the API. ``body`` is JSON data, or the text of the body as it is; ``{redemption}`` is filled in."""

    def build(seed: Seed) -> Call:
        filled = path
        for name, value in seed._asdict().items():
            filled = filled.replace(f"{{{name}}}", value)
        asked = {name: text.format(**seed._asdict()) for name, text in (query or {}).items()}
        event = api_request(method, filled, None, subject, scopes, key=key, query=asked)
        event["body"] = body if body is None or isinstance(body, str) else json.dumps(body)
        return ("redeem" if method == "POST" else "account"), event

    return build


def spend(body: Any, **more: Any) -> Build:
    """A redemption."""
    return call("POST", f"/v1/members/{OWNER}/redemptions", body, **more)


def reserve(body: Any, **more: Any) -> Build:
    """A hold."""
    return call("POST", f"/v1/members/{OWNER}/holds", body, **more)


def entries(**query: str) -> Build:
    """A page of entries."""
    named = {name.rstrip("_"): value for name, value in query.items()}
    return call("GET", f"/v1/members/{OWNER}/entries", query=named)


def contact(body: Any) -> Build:
    """A contact."""
    return call("PUT", f"/v1/members/{OWNER}/contact", body)


def encoded(build: Build, body: bytes) -> Build:
    """The same call with these bytes as its body, in base64 as API Gateway delivers what is no text."""

    def with_bytes(seed: Seed) -> Call:
        function, event = build(seed)
        return function, event | {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}

    return with_bytes


def patched(build: Build, **parts: Any) -> Build:
    """The same call with parts of its event replaced."""

    def with_parts(seed: Seed) -> Call:
        function, event = build(seed)
        return function, event | parts

    return with_parts


def claimed(build: Build, authorizer: Any) -> Build:
    """The same call behind another authorizer's answer."""

    def with_claims(seed: Seed) -> Call:
        function, event = build(seed)
        context = {name: part for name, part in event["requestContext"].items() if name != "authorizer"}
        return function, event | {
            "requestContext": context | ({} if authorizer is GONE else {"authorizer": authorizer})
        }

    return with_claims


def claims(**values: Any) -> Any:
    """What the JWT authorizer hands over."""
    return {"jwt": {"claims": values, "scopes": None}}


GOOD_SIGNATURE = delivery(paid("hostile", OWNER, 10_000))["headers"]["webhook-signature"]
SPEND: dict[str, Any] = {"points": 10}
CAPTURE, VOID = "/v1/holds/{hold}/capture", "/v1/holds/{hold}/void"
RESTORE = "/v1/redemptions/{redemption}/restore"
BALANCE = call("GET", f"/v1/members/{OWNER}")
HUGE_NUMBER = "9" * 5_000
DEEP = "[" * 100_000 + "]" * 100_000
DEEP_SHORT = '{"points":' + "[" * 15_000 + "]" * 15_000 + "}"
LONG_ID = "x" * 129
SIGNED = json.dumps(paid("hostile", OWNER, 10_000))

# The table -----------------------------------------------------------------------------------------------------------

UNSIGNED = (401, "SIGNATURE_REFUSED")
MALFORMED = (400, "MALFORMED_EVENT")
INVALID = (422, "INVALID_REQUEST")
NO_KEY = (400, "IDEMPOTENCY_KEY_MISSING")
FORBIDDEN = (403, "FORBIDDEN")
NO_TOKEN = (401, "UNAUTHENTICATED")
NOT_FOUND = (404, "NOT_FOUND")
NO_HOLD = (404, "HOLD_NOT_FOUND")
NO_REDEMPTION = (404, "REDEMPTION_NOT_FOUND")

SIGNATURES = [
    ("no comma", signed_as(signature="v1")),
    ("two commas", signed_as(signature=GOOD_SIGNATURE.replace(",", ",,"))),
    ("comma at the end", signed_as(signature=GOOD_SIGNATURE + ",")),
    ("bad base64", signed_as(signature="v1,***")),
    ("empty", signed_as(signature="")),
    ("blanks", signed_as(signature="   ")),
    ("tab between parts", signed_as(signature=f"v1,AAAA\t{GOOD_SIGNATURE}")),
    ("missing", signed_as(signature=None)),
    ("version 2", signed_as(signature=GOOD_SIGNATURE.replace("v1,", "v2,"))),
    ("version 1a", signed_as(signature=GOOD_SIGNATURE.replace("v1,", "v1a,"))),
    ("no version", signed_as(signature=GOOD_SIGNATURE.removeprefix("v1,"))),
    ("url-safe base64", signed_as(signature="v1," + "-_" * 21 + "A=")),
    ("padding cut", signed_as(signature=GOOD_SIGNATURE.rstrip("="))),
    ("10,000 parts", signed_as(signature=" ".join(["v1,AAAA"] * 10_000))),
    ("a megabyte", signed_as(signature="v1," + "A" * 1_000_000)),
    ("not ASCII", signed_as(signature="v1,签名")),
    ("lone surrogate", signed_as(signature=f"v1,{SURROGATE}")),
    ("NUL", signed_as(signature=GOOD_SIGNATURE + "\x00")),
    ("id missing", signed_as(id=None)),
    ("id empty", signed_as(id="")),
    ("id of another message", signed_as(id="msg_other")),
    ("id with a lone surrogate", signed_as(id=SURROGATE)),
    ("id with a dot", signed_as(id=f"msg.{STAMP}")),
    ("timestamp missing", signed_as(timestamp=None)),
    ("timestamp of another second", signed_as(timestamp=str(STAMP + 1))),
    ("timestamp with a fraction", stamped(f"{STAMP}.9")),
    ("timestamp with blanks", stamped(f" {STAMP} ")),
    ("timestamp with a plus", stamped(f"+{STAMP}")),
    ("timestamp with underscores", stamped(f"{STAMP:_}")),
    ("timestamp negative", stamped(f"-{STAMP}")),
    ("timestamp empty", stamped("")),
    ("timestamp huge", stamped("9" * 400)),
    ("timestamp 10^12", stamped("1" + "0" * 12)),
    ("timestamp infinite", stamped("inf")),
    ("timestamp in hexadecimal", stamped(hex(STAMP))),
    ("timestamp in Arabic digits", stamped("".join(chr(0x660 + int(digit)) for digit in str(STAMP)))),
    ("timestamp in milliseconds", stamped(str(STAMP * 1000))),
    ("timestamp a second too old", stamped(str(STAMP - 301))),
    ("timestamp a second too new", stamped(str(STAMP + 301))),
    ("timestamp zero", stamped("0")),
    ("timestamp with a newline", stamped(f"{STAMP}\n")),
    ("another secret", hook(paid("hostile", OWNER, 1), secret="whsec_" + base64.b64encode(b"not ours").decode())),
    ("no headers", patched(hook(SIGNED), headers=None)),
    ("body changed", patched(hook(SIGNED), body=SIGNED.replace("10000", "99999"))),
    ("body with a blank more", patched(hook(SIGNED), body=SIGNED + " ")),
    ("body missing", patched(hook(SIGNED), body=None)),
    ("body with a lone surrogate", patched(hook(SIGNED), body=SURROGATE)),
    ("body said to be base64", patched(hook(SIGNED), isBase64Encoded=True)),
    ("body base64 of other bytes", patched(hook(SIGNED), isBase64Encoded=True, body="AAAA")),
    ("body of base64 that is not ASCII", patched(hook(SIGNED), isBase64Encoded=True, body="签名")),
]

BODIES = [
    ("empty", hook("")),
    ("null", hook("null")),
    ("a number", hook("1")),
    ("a text", hook('"order.paid"')),
    ("a list", hook(f"[{SIGNED}]")),
    ("two objects", hook(SIGNED + SIGNED)),
    ("cut off", hook(SIGNED[:-1])),
    ("trailing comma", hook(SIGNED[:-1] + ",}")),
    ("single quotes", hook(SIGNED.replace('"', "'"))),
    ("XML", hook("<order/>")),
    ("form-encoded", hook("type=order.paid&order_id=1")),
    ("BOM", hook(b"\xef\xbb\xbf" + SIGNED.encode(), as_base64=True)),
    ("UTF-16", hook(SIGNED.encode("utf-16"), as_base64=True)),
    ("UTF-32 without BOM", hook(SIGNED.encode("utf-32-le"), as_base64=True)),
    ("latin-1", hook(SIGNED.replace("hostile", "caf\xe9").encode("latin-1"), as_base64=True)),
    ("surrogates in UTF-8", hook(SIGNED.encode().replace(b"hostile", b"\xed\xa0\x80"), as_base64=True)),
    ("gzip", hook(gzip.compress(SIGNED.encode(), mtime=0), as_base64=True)),
    ("zeros", hook(b"\x00" * 64, as_base64=True)),
    ("100,000 deep", hook(DEEP)),
    ("100,000 objects deep", hook('{"a":' * 100_000 + "1" + "}" * 100_000)),
    ("100,000 deep in an ignored field", text_order('"currency"', f'"ignored": {DEEP}, "currency"')),
    ("5,000 digits", text_order("10000", HUGE_NUMBER)),
    ("5,000 digits in an ignored field", text_order('"currency"', f'"ignored": {HUGE_NUMBER}, "currency"')),
    ("NaN in an ignored field", text_order('"currency"', '"ignored": NaN, "currency"')),
    ("type missing", order(type=GONE)),
    ("type null", order(type=None)),
    ("type a number", order(type=1)),
    ("type a list", order(type=["order.paid"])),
    ("duplicate key, the last is bad", text_order('"currency": "GBP"', '"currency": "GBP", "currency": 7')),
]

FIELDS = [
    *((f"paid: {name} missing", order(**{name: GONE})) for name in paid("x", "m", 1) if name != "type"),
    *(
        (f"refunded: {name} missing", refund(**{name: GONE}))
        for name in ("event_id", "order_id", "refund_id", "occurred_at", "currency")
    ),
    ("refunded: neither lines nor total", refund(lines=[], total_minor=GONE)),
    ("refunded: total below zero", refund(total_minor=-1)),
    ("refunded: line below zero", refund(lines=[line(-1)])),
    ("refunded: line of an unknown kind", refund(lines=[line(1, kind="goodies")])),
    ("refunded: orig_line a text", refund(lines=[line(1, orig_line="1")])),
    ("cancelled: order_id null", hook(json.dumps(paid("x", "m", 1) | {"type": "order.cancelled", "order_id": None}))),
    *((f"line: {name} missing", row(**{name: GONE})) for name in ("qty", "unit_price_minor")),
    ("order_id null", order(order_id=None)),
    ("event_id null", order(event_id=None)),
    ("currency unknown", order(currency="ZZZ")),
    ("currency in lower case", order(currency="gbp")),
    ("currency with a blank", order(currency="GBP ")),
    ("currency null", order(currency=None)),
    ("currency a symbol", order(currency="£")),
    ("currency in Cyrillic letters", order(currency="\u0421AD")),
    ("lines null", order(lines=None)),
    ("lines an object", order(lines={"0": line(1)})),
    ("lines a text", order(lines="1 x tea")),
    ("lines of lists", order(lines=[[1, 2]])),
    ("lines of null", order(lines=[None])),
    ("20,001 lines", order(lines=[{"qty": 1, "unit_price_minor": 1}] * 20_001)),
    ("two lines with one number", order(lines=[line(1, 7), line(2, 7)])),
    ("lines that add up too far", order(lines=[line(10**14, 1), line(1, 2)])),
    ("revision negative", order(revision=-1)),
    ("revision a text", order(revision="1")),
    ("revision a bool", order(revision=True)),
    ("revision too large", order(revision=10**9 + 1)),
    ("total_minor a float", order(total_minor=1.5)),
    ("line: n a text", row(n="1")),
    ("line: n negative", row(n=-1)),
    ("line: qty a float", row(qty=1.0)),
    ("line: qty a text", row(qty="1")),
    ("line: qty a bool", row(qty=True)),
    ("line: qty null", row(qty=None)),
    ("line: qty a list", row(qty=[1])),
    ("line: qty negative", row(qty=-1)),
    ("line: qty 1e400", text_order('"qty": 1', '"qty": 1e400')),
    ("line: qty 1e2", text_order('"qty": 1', '"qty": 1e2')),
    ("line: qty NaN", text_order('"qty": 1', '"qty": NaN')),
    ("line: qty -Infinity", text_order('"qty": 1', '"qty": -Infinity')),
    ("line: qty in hexadecimal", text_order('"qty": 1', '"qty": 0x1')),
    ("line: price a float", row(unit_price_minor=10.5)),
    ("line: price negative", row(unit_price_minor=-1)),
    ("line: price 10^40", row(unit_price_minor=10**40)),
    ("line: price beyond all shops", row(unit_price_minor=10**14 + 1)),
    ("line: qty x price overflows", row(qty=10**9, unit_price_minor=10**14)),
    ("line: total negative", row(line_total_minor=-1)),
    ("line: total a text", row(line_total_minor="100")),
    ("line: total a bool", row(line_total_minor=False)),
    ("line: kind unknown", row(kind="Goods")),
    ("line: kind a list", row(kind=["goods"])),
    ("line: kind empty", row(kind="")),
    ("line: sku a number", row(sku=1)),
    ("line: sku of 257 characters", row(sku="x" * 257)),
    ("line: sku with a lone surrogate", row(sku=SURROGATE)),
    ("line: category with a lone surrogate", row(category=SURROGATE)),
]

IDS = [
    ("empty", ""),
    ("blank", " "),
    ("blank at the end", "m-1 "),
    ("NUL", "m\x00"),
    ("newline", "m\n1"),
    ("newline at the end", "m-1\n"),
    ("escape", "\x1b[2J"),
    ("delete", "m\x7f"),
    ("C1 control", "m\x85"),
    ("no-break blank at the end", "m\xa0"),
    ("line separator", "m\u2028m"),
    ("line separator at the end", "m\u2028"),
    ("ideographic blank in front", "\u3000m"),
    ("lone surrogate", SURROGATE),
    ("lone low surrogate", "\udc00m"),
    ("129 characters", LONG_ID),
    ("129 emoji", EMOJI * 129),
    ("10 KB", "x" * 10_240),
    ("a number", 17850),
    ("2^53 + 1", 2**53 + 1),
    ("a bool", True),
    ("a list", ["m-1"]),
    ("an object", {"id": "m-1"}),
]

INSTANTS = [
    ("null", None),
    ("a number", STAMP),
    ("empty", ""),
    ("year 1", "0001-01-01T00:00:00+10:00"),
    ("year 1969", "1969-12-31T23:59:59Z"),
    ("year 9999", "9999-12-31T23:59:59-10:00"),
    ("year 10000", "10000-01-01T00:00:00Z"),
    ("24 hours and a second ahead", (NOW + timedelta(hours=24, seconds=1)).isoformat()),
    ("without offset", "2011-01-10T09:00:00"),
    ("a day", "2011-01-10"),
    ("a week date", "2011-W02-1T09:00:00Z"),
    ("an ordinal date", "2011-010T09:00:00Z"),
    ("basic form", "20110110T090000Z"),
    ("a blank for the T", "2011-01-10 09:00:00+00:00"),
    ("no seconds", "2011-01-10T09:00Z"),
    ("30 February", "2011-02-30T09:00:00Z"),
    ("hour 25", "2011-01-10T25:00:00Z"),
    ("offset of 24 hours", "2011-01-10T09:00:00+24:00"),
    ("offset of 99 minutes", "2011-01-10T09:00:00+00:99"),
    ("a zone name", "2011-01-10T09:00:00 Europe/London"),
    ("Arabic digits", "٢٠١١-٠١-١٠T٠٩:٠٠:٠٠Z"),
    ("ten digits of a second", "2011-01-10T09:00:00.1234567890Z"),
    ("a newline at the end", "2011-01-10T09:00:00Z\n"),
    ("a lone surrogate", f"2011-01-10T09:00:00{SURROGATE}"),
]

POINTS = [
    ("missing", "{}"),
    ("null", '{"points": null}'),
    ("zero", '{"points": 0}'),
    ("minus zero", '{"points": -0}'),
    ("negative", '{"points": -1}'),
    ("a whole float", '{"points": 1.0}'),
    ("a float", '{"points": 1.5}'),
    ("1e2", '{"points": 1e2}'),
    ("1e400", '{"points": 1e400}'),
    ("NaN", '{"points": NaN}'),
    ("Infinity", '{"points": Infinity}'),
    ("true", '{"points": true}'),
    ("a text", '{"points": "10"}'),
    ("a list", '{"points": [10]}'),
    ("an object", '{"points": {"amount": 10}}'),
    ("above a million million", '{"points": 1000000000001}'),
    ("2^53 + 1", f'{{"points": {2**53 + 1}}}'),
    ("10^40", f'{{"points": {10**40}}}'),
    ("5,000 digits", f'{{"points": {HUGE_NUMBER}}}'),
    ("in hexadecimal", '{"points": 0x10}'),
    ("with a leading zero", '{"points": 010}'),
    ("in other case", '{"Points": 10}'),
    ("twice, the last is bad", '{"points": 10, "points": "10"}'),
]

TEXTS = [
    ("empty", ""),
    ("129 characters", LONG_ID),
    ("NUL", "a\x00b"),
    ("newline", "a\nb"),
    ("delete", "a\x7f"),
    ("C1 control", "a\x85b"),
    ("line separator", "a\u2028b"),
    ("lone surrogate", SURROGATE),
    ("a number", 1),
    ("a list", ["a"]),
]

API_BODIES = [
    ("missing", spend(None)),
    ("empty", spend("")),
    ("null", spend("null")),
    ("a list", spend("[]")),
    ("a number", spend("10")),
    ("a text", spend('"points"')),
    ("not JSON", spend("{points: 10}")),
    ("cut off", spend('{"points": 10')),
    ("form-encoded", spend("points=10")),
    ("longer than 64,000 bytes", call("POST", CAPTURE, {"points": 10, "ignored": "x" * 64_000})),
    ("longer than 3,000,000 bytes", spend({"points": 10, "ignored": "x" * 3_000_000})),
    ("100,000 deep", spend(DEEP)),
    ("15,000 deep", spend(DEEP_SHORT)),
    ("21 deep", spend('{"points": 10, "ignored": ' + "[" * 20 + "]" * 20 + "}")),
    ("lone surrogate in an ignored field", spend('{"points": 10, "ignored": "\\ud800"}')),
    ("lone surrogate in a key", spend('{"points": 10, "\\ud800": 1}')),
    ("lone surrogate outside of JSON", spend(SURROGATE)),
    ("NaN in an ignored field", spend('{"points": 10, "ignored": NaN}')),
    ("5,000 digits in an ignored field", spend(f'{{"points": 10, "ignored": {HUGE_NUMBER}}}')),
    ("BOM", encoded(spend(SPEND), b'\xef\xbb\xbf{"points": 10}')),
    ("UTF-16", encoded(spend(SPEND), '{"points": 10}'.encode("utf-16"))),
    ("UTF-16 without BOM", encoded(spend(SPEND), '{"points": 10}'.encode("utf-16-le"))),
    ("UTF-32", encoded(spend(SPEND), '{"points": 10}'.encode("utf-32"))),
    ("latin-1", encoded(spend(SPEND), b'{"points": 10, "reason": "caf\xe9"}')),
    ("gzip", encoded(spend(SPEND), gzip.compress(b'{"points": 10}', mtime=0))),
    ("not the base64 it is said to be", patched(spend(SPEND), body="{", isBase64Encoded=True)),
    ("hold: missing", reserve(None)),
    ("hold: a list", reserve("[10]")),
    ("capture: a list", call("POST", CAPTURE, "[10]")),
    ("capture: a text", call("POST", CAPTURE, '"all"')),
    ("restore: null", call("POST", RESTORE, "null")),
    ("void: not JSON", call("POST", VOID, "{")),
    ("balance: not JSON", patched(BALANCE, body="{")),
    ("contact: missing", contact(None)),
    ("contact: a list", contact("[]")),
]

API_FIELDS = [
    ("order_total a number", spend(SPEND | {"order_total": 100})),
    ("order_total without amount", spend(SPEND | {"order_total": {"currency": "GBP"}})),
    ("order_total without currency", spend(SPEND | {"order_total": {"amount_minor": 10_000}})),
    ("order_total negative", spend(SPEND | {"order_total": {"amount_minor": -1, "currency": "GBP"}})),
    ("order_total a float", spend(SPEND | {"order_total": {"amount_minor": 1e4, "currency": "GBP"}})),
    ("order_total a text", spend(SPEND | {"order_total": {"amount_minor": "10000", "currency": "GBP"}})),
    ("order_total 10^40", spend(SPEND | {"order_total": {"amount_minor": 10**40, "currency": "GBP"}})),
    ("currency in lower case", spend(SPEND | {"order_total": {"amount_minor": 10_000, "currency": "gbp"}})),
    ("currency unknown", spend(SPEND | {"order_total": {"amount_minor": 10_000, "currency": "ZZZ"}})),
    ("currency of two letters", spend(SPEND | {"order_total": {"amount_minor": 10_000, "currency": "GB"}})),
    ("currency with a newline", spend(SPEND | {"order_total": {"amount_minor": 10_000, "currency": "GBP\n"}})),
    ("currency null", spend(SPEND | {"order_total": {"amount_minor": 10_000, "currency": None}})),
    *((f"expires_in_s {value!r}", reserve(SPEND | {"expires_in_s": value})) for value in (0, -1, 1.5, "900", True)),
    ("expires_in_s beyond the program's", reserve(SPEND | {"expires_in_s": 30 * 86_400 + 1})),
    ("expires_in_s 10^40", reserve(SPEND | {"expires_in_s": 10**40})),
    ("capture above the hold", call("POST", CAPTURE, {"points": 21})),
    ("capture of nothing", call("POST", CAPTURE, {"points": 0})),
    ("capture of a float", call("POST", CAPTURE, {"points": 1.0})),
    ("restore above the redemption", call("POST", RESTORE, {"points": 51})),
    ("restore of nothing", call("POST", RESTORE, {"points": 0})),
    ("restore of less than nothing", call("POST", RESTORE, {"points": -5})),
    *(
        (f"contact: {name}", contact({"email": value}))
        for name, value in (
            ("no at sign", "nobody"),
            ("two at signs", "a@b@c.d"),
            ("no dot", "a@b"),
            ("a blank", "a b@c.d"),
            ("a header", "a@b.c\r\nBcc: x@y.z"),
            ("NUL", "a\x00@b.c"),
            ("two addresses", "a@b.c,d@e.f"),
            ("a name", "A <a@b.c>"),
            ("255 characters", "a" * 250 + "@b.cd"),
            ("a number", 1),
            ("delete", "a\x7f@b.cd"),
            ("letters that run backwards", "a\u202e@b.cd"),
            ("a lone surrogate", f"{SURROGATE}@b.c"),
        )
    ),
    ("contact: language unknown", contact({"email": "a@b.cd", "language": "fr"})),
    ("contact: language in upper case", contact({"email": "a@b.cd", "language": "ZH"})),
    ("contact: language null", contact({"email": "a@b.cd", "language": None})),
]

PATHS: list[tuple[str, str, int, str]] = [
    ("%00", "m%00", *INVALID),
    ("newline", "m%0A", *INVALID),
    ("%20", "%20", *INVALID),
    ("10 KB", "x" * 10_240, *INVALID),
    ("129 characters", LONG_ID, *INVALID),
    ("lone surrogate in UTF-8", "%ED%A0%80", *INVALID),
    ("half a character", "%FF", *INVALID),
    ("line separator", quote("m\u2028"), *INVALID),
    ("two steps up", "../../../etc/passwd", *NOT_FOUND),
    ("empty", "", *NOT_FOUND),
    ("a slash", "a/b", *NOT_FOUND),
]

KEYS = [
    ("missing", None),
    ("empty", ""),
    ("129 characters", "k" * 129),
    ("not ASCII", "schlüssel"),
    ("a blank inside", "a b"),
    ("a newline", "a\nb"),
    ("a newline at the end", "a\n"),
    ("NUL", "a\x00"),
    ("delete", "a\x7f"),
    ("a lone surrogate", SURROGATE),
    ("only a blank", " "),
]


def routed(method: str, route: str, name: str, **more: Any) -> Build:
    """A call with its path parameter decoded by the gateway, as an HTTP API hands it over."""
    build = call(method, route, SPEND if method == "POST" else None, **more)
    return patched(build, routeKey=f"{method} {route}", pathParameters={"id": name})


ROUTED: list[tuple[str, str, int, str]] = [
    ("empty", "", *NOT_FOUND),
    ("blank", " ", *INVALID),
    ("NUL", "m\x00", *INVALID),
    ("newline", "m-1\n", *INVALID),
    ("10 KB", "x" * 10_240, *INVALID),
    ("129 characters", LONG_ID, *INVALID),
]

QUERIES = [
    ("kind unknown", entries(kind="gift")),
    ("kind in upper case", entries(kind="EARN")),
    ("kind empty", entries(kind="")),
    ("kind with NUL", entries(kind="earn\x00")),
    ("limit 0", entries(limit="0")),
    ("limit negative", entries(limit="-1")),
    ("limit 101", entries(limit="101")),
    ("limit a word", entries(limit="all")),
    ("limit a float", entries(limit="1.5")),
    ("limit 1e400", entries(limit="1e400")),
    ("limit of 5,000 digits", entries(limit=HUGE_NUMBER)),
    ("limit empty", entries(limit="")),
    ("from a word", entries(from_="yesterday")),
    ("from 30 February", entries(from_="2011-02-30")),
    ("from without offset", entries(from_="2011-01-10T09:00:00")),
    ("from a number", entries(from_="1294650000")),
    ("from a week", entries(from_="2011-W02-1")),
    ("from an instant of a week", entries(from_="2011-W02-1T09:00:00Z")),
    ("from of 41 characters", entries(from_="2" * 41)),
    ("from with NUL", entries(from_="2011-01-10\x00")),
    ("from Arabic digits", entries(from_="٢٠١١-٠١-١٠")),
    ("to a word", entries(to="tomorrow")),
    ("to the year 10000", entries(to="10000-01-01")),
    ("cursor a word", entries(cursor="next")),
    ("cursor of 201 characters", entries(cursor="A" * 201)),
    ("cursor not ASCII", entries(cursor="光标")),
    ("cursor with another sequence", entries(cursor="OQ{cursor}")),
    ("cursor with a bit more", entries(cursor="{cursor}AAAA")),
    ("cursor in standard base64", entries(cursor="+/+/")),
    ("cursor with a newline", entries(cursor="{cursor}\n")),
    ("cursor of other filters", entries(cursor="{cursor_of_earn}")),
    ("cursor of no filter, under one", entries(cursor="{cursor}", kind="earn")),
    ("cursor under another from", entries(cursor="{cursor}", from_="2011-01-10")),
    ("cursor of another member", entries(cursor="{cursor_of_other}")),
    ("cursor far before our time", entries(cursor="{cursor}", from_="0001-01-01T00:00:00+10:00")),
]

TOKENS: list[tuple[str, Build, int, str]] = [
    ("no authorizer", claimed(BALANCE, GONE), *NO_TOKEN),
    ("authorizer null", claimed(BALANCE, None), *NO_TOKEN),
    ("authorizer of IAM", claimed(BALANCE, {"iam": {"userArn": "arn:aws:iam::1:user/x"}}), *NO_TOKEN),
    ("authorizer of a function", claimed(BALANCE, {"lambda": {"sub": OWNER, "scope": SHOP}}), *NO_TOKEN),
    ("claims null", claimed(BALANCE, {"jwt": {"claims": None}}), *NO_TOKEN),
    ("no subject", claimed(BALANCE, claims(scope=SHOP)), *NO_TOKEN),
    ("subject empty", claimed(BALANCE, claims(sub="", scope=SHOP)), *NO_TOKEN),
    ("subject a number", claimed(BALANCE, claims(sub=1, scope=SHOP)), *NO_TOKEN),
    ("subject a list", claimed(BALANCE, claims(sub=[OWNER], scope=MEMBER)), *NO_TOKEN),
    ("subject with a lone surrogate", claimed(spend(SPEND), claims(sub=SURROGATE, scope=SHOP)), *NO_TOKEN),
    ("no scope", claimed(BALANCE, claims(sub=OWNER)), *FORBIDDEN),
    ("scope empty", claimed(BALANCE, claims(sub=OWNER, scope="")), *FORBIDDEN),
    ("scope null", claimed(BALANCE, claims(sub=OWNER, scope=None)), *FORBIDDEN),
    ("scope of another name", claimed(BALANCE, claims(sub=OWNER, scope="points/memberX")), *FORBIDDEN),
    ("scope without its server", claimed(BALANCE, claims(sub=OWNER, scope="member")), *FORBIDDEN),
    ("scope in upper case", claimed(BALANCE, claims(sub=OWNER, scope="POINTS/SHOP")), *FORBIDDEN),
    ("scopes without a blank", claimed(BALANCE, claims(sub=OWNER, scope="points/memberpoints/shop")), *FORBIDDEN),
    ("scope a number", claimed(BALANCE, claims(sub=OWNER, scope=7)), *FORBIDDEN),
    ("list of other scopes", claimed(BALANCE, claims(sub=OWNER, scp="[a b]")), *FORBIDDEN),
    ("member of another account", call("GET", f"/v1/members/{OTHER}", subject=OWNER, scopes=MEMBER), *FORBIDDEN),
    ("list form of another account", claimed(BALANCE, claims(sub=OTHER, scp="[points/member openid]")), *FORBIDDEN),
    (
        "lots of another account",
        call("GET", f"/v1/members/{OTHER}/lots", subject=OWNER, scopes=MEMBER),
        *FORBIDDEN,
    ),
    (
        "entries of another account",
        call("GET", f"/v1/members/{OTHER}/entries", subject=OWNER, scopes=MEMBER),
        *FORBIDDEN,
    ),
    ("proof of another account", call("GET", f"/v1/members/{OTHER}/proof", subject=OWNER, scopes=MEMBER), *FORBIDDEN),
    (
        "contact of another account",
        call("PUT", f"/v1/members/{OTHER}/contact", {"email": "a@b.cd"}, subject=OWNER, scopes=MEMBER),
        *FORBIDDEN,
    ),
    ("points of another account", spend(SPEND, subject=OTHER, scopes=MEMBER), *FORBIDDEN),
    ("hold on another account", reserve(SPEND, subject=OTHER, scopes=MEMBER), *FORBIDDEN),
    ("member in another case", call("GET", "/v1/members/M-1", subject=OWNER, scopes=MEMBER), *FORBIDDEN),
    ("member in another form", call("GET", f"/v1/members/{quote('é')}", subject="e\u0301", scopes=MEMBER), *FORBIDDEN),
    (
        "member with a zero width",
        call("GET", "/v1/members/m-1%E2%80%8B", subject=OWNER, scopes=MEMBER),
        *FORBIDDEN,
    ),
    ("member captures", call("POST", CAPTURE, subject=OWNER, scopes=MEMBER), *FORBIDDEN),
    ("member voids", call("POST", VOID, subject=OWNER, scopes=MEMBER), *FORBIDDEN),
    ("member restores", call("POST", RESTORE, subject=OWNER, scopes=MEMBER), *FORBIDDEN),
]

SPENDING: list[tuple[str, Build, int, str]] = [
    ("more than there is", spend({"points": 10**12}), 409, "INSUFFICIENT_POINTS"),
    ("more than there is, held", reserve({"points": 10**12}), 409, "INSUFFICIENT_POINTS"),
    ("more than an order may take", spend({"points": 401, "order_id": "o-9"}), 409, "LIMIT_REACHED"),
    (
        "more than the share of an order",
        spend({"points": 301, "order_total": {"amount_minor": 1000, "currency": "GBP"}}),
        409,
        "LIMIT_REACHED",
    ),
    (
        "a share of nothing",
        spend({"points": 1, "order_total": {"amount_minor": 0, "currency": "GBP"}}),
        409,
        "LIMIT_REACHED",
    ),
    ("key of another redemption", spend({"points": 11}, key="seed-redemption"), 422, "IDEMPOTENCY_KEY_REUSED"),
    ("key of another hold", reserve({"points": 11}, key="seed-hold"), 422, "IDEMPOTENCY_KEY_REUSED"),
    ("capture again", call("POST", "/v1/holds/{captured}/capture"), 409, "HOLD_ALREADY_RESOLVED"),
    ("void what was captured", call("POST", "/v1/holds/{captured}/void"), 409, "HOLD_ALREADY_RESOLVED"),
    ("capture what was void", call("POST", "/v1/holds/{voided}/capture"), 409, "HOLD_ALREADY_RESOLVED"),
    ("restore an open hold", call("POST", "/v1/redemptions/{hold}/restore"), *NO_REDEMPTION),
    ("restore a void hold", call("POST", "/v1/redemptions/{voided}/restore"), *NO_REDEMPTION),
    ("capture a redemption", call("POST", "/v1/holds/{redemption}/capture"), *NO_HOLD),
    ("void a redemption", call("POST", "/v1/holds/{redemption}/void"), *NO_HOLD),
]


def forged(edit: Callable[[str], str]) -> list[tuple[str, Build, int, str]]:
    """One edit of a real id, on every route that takes one."""

    def at(route: str, real: str) -> Build:
        def build(seed: Seed) -> Call:
            path = route.format(quote(edit(seed._asdict()[real]), safe=""))
            return "redeem", api_request("POST", path, None, "shop-server", SHOP, key="hostile-key")

        return build

    return [
        ("restore", at("/v1/redemptions/{}/restore", "redemption"), *NO_REDEMPTION),
        ("capture", at("/v1/holds/{}/capture", "hold"), *NO_HOLD),
        ("void", at("/v1/holds/{}/void", "hold"), *NO_HOLD),
    ]


def member_part(member: str) -> str:
    """A member as ids carry it."""
    return base64.urlsafe_b64encode(member.encode()).rstrip(b"=").decode()


EDITS: Mapping[str, Callable[[str], str]] = {
    "a word": lambda _id: "x",
    "dots": lambda _id: "..",
    "NUL": lambda id_: f"{id_}\x00",
    "newline at the end": lambda id_: f"{id_}\n",
    "10 KB": lambda id_: id_ + "A" * 10_240,
    "another digest": lambda id_: id_[:-1] + ("A" if id_[-1] != "A" else "B"),
    "another member": lambda id_: ".".join((id_[:2], member_part(OTHER), id_.split(".")[2])),
    "another case": str.upper,
    "a digest less": lambda id_: id_.rsplit(".", 1)[0],
    "the other prefix": lambda id_: ("hd" if id_.startswith("rd") else "rd") + id_[2:],
    "an unknown prefix": lambda id_: "xx" + id_[2:],
    "a member that is no UTF-8": lambda id_: ".".join((id_[:2], "_w", id_.split(".")[2])),
    "a member of a control": lambda id_: ".".join((id_[:2], member_part("\x00"), id_.split(".")[2])),
    "a member of bad base64": lambda id_: ".".join((id_[:2], "AAAAA", id_.split(".")[2])),
    "padding": lambda id_: ".".join((id_[:2], member_part(OWNER) + "=", id_.split(".")[2])),
    "full-width letters": lambda id_: id_.replace("d", "\uff44"),
    "an account's own key": lambda _id: f"rd.{member_part(OWNER)}.A",
}

QUIET = [
    ("a ping", hook({"type": "ping"})),
    ("an unknown type", order(type="order.shipped")),
    ("a type in upper case", order(type="ORDER.PAID")),
    ("a type with a blank", order(type="order.paid ")),
    ("an empty type", order(type="")),
    ("a type with a lone surrogate", order(type=SURROGATE)),
]


def webhook_rows() -> Iterator[Hostile]:
    """What comes without a token."""
    yield from (Hostile(f"signature: {name}", build, *UNSIGNED) for name, build in SIGNATURES)
    yield from (Hostile(f"webhook body: {name}", build, *MALFORMED) for name, build in BODIES)
    yield from (Hostile(f"webhook field: {name}", build, *MALFORMED) for name, build in FIELDS)
    for name, value in IDS:
        for field in ("event_id", "order_id", "customer_id"):
            yield Hostile(f"webhook {field}: {name}", order(**{field: value}), *MALFORMED)
        yield Hostile(f"webhook refund_id: {name}", refund(refund_id=value), *MALFORMED)
    for name, value in INSTANTS:
        yield Hostile(f"webhook occurred_at: {name}", order(occurred_at=value), *MALFORMED)
    yield from (Hostile(f"webhook: {name}", build, 200, None) for name, build in QUIET)
    for source in ("etsy", "", "../standard", "STANDARD", "standard\x00", "__class__", SURROGATE):
        yield Hostile(f"webhook source {source!a}", hook(SIGNED, source=source), 404, "UNKNOWN_SOURCE")
    yield Hostile("webhook without path parameters", patched(hook(SIGNED), pathParameters=None), 404, "UNKNOWN_SOURCE")


def body_rows() -> Iterator[Hostile]:
    """Bodies and fields of the API."""
    for name, text in POINTS:
        yield Hostile(f"redeem points: {name}", spend(text), *INVALID)
        yield Hostile(f"hold points: {name}", reserve(text), *INVALID)
        if name not in {"missing", "null", "in other case"}:  # there, points may be left out
            yield Hostile(f"capture points: {name}", call("POST", CAPTURE, text), *INVALID)
            yield Hostile(f"restore points: {name}", call("POST", RESTORE, text), *INVALID)
    for name, value in TEXTS:
        for field in ("order_id", "reason"):
            yield Hostile(f"redeem {field}: {name}", spend(SPEND | {field: value}), *INVALID)
            yield Hostile(f"hold {field}: {name}", reserve(SPEND | {field: value}), *INVALID)
    yield from (Hostile(f"api body: {name}", build, *INVALID) for name, build in API_BODIES)
    yield from (Hostile(f"api field: {name}", build, *INVALID) for name, build in API_FIELDS)


def caller_rows() -> Iterator[Hostile]:
    """Paths, keys, queries and tokens of the API."""
    for name, path, status, code in PATHS:
        redemption = call("POST", f"/v1/members/{path}/redemptions", SPEND, scopes=ADMIN)
        yield Hostile(f"balance of {name}", call("GET", f"/v1/members/{path}"), status, code)
        yield Hostile(f"redeem of {name}", redemption, status, code)
    for name, member, status, code in ROUTED:
        yield Hostile(f"balance of decoded {name}", routed("GET", "/v1/members/{id}", member), status, code)
        redemption = routed("POST", "/v1/members/{id}/redemptions", member)
        yield Hostile(f"redeem of decoded {name}", redemption, status, code)
    for name, key in KEYS:
        yield Hostile(f"redeem key: {name}", spend(SPEND, key=key), *NO_KEY)
        yield Hostile(f"hold key: {name}", reserve(SPEND, key=key), *NO_KEY)
        for verb, path in (("capture", CAPTURE), ("void", VOID), ("restore", RESTORE)):
            yield Hostile(f"{verb} key: {name}", call("POST", path, key=key), *NO_KEY)
    yield from (Hostile(f"entries: {name}", build, *INVALID) for name, build in QUERIES)
    yield from (Hostile(*row) for row in (*TOKENS, *SPENDING))
    for edited, edit in EDITS.items():
        for name, build, status, code in forged(edit):
            yield Hostile(f"{name}, id forged: {edited}", build, status, code)


ROWS = (*webhook_rows(), *body_rows(), *caller_rows())


@pytest.fixture(scope="module")
def shop(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop whose program limits what an order may take."""
    here = Stage("hostile", program=PROGRAM)
    with use(here.runtime):
        yield here


@pytest.fixture(scope="module")
def seed(shop: Stage) -> Seed:
    """An account with points, a redemption, and a hold in each state; all of it made through the handlers."""
    shop.earn(paid("o-1", OWNER, 100_000))
    shop.earn(paid("o-2", OTHER, 100_000))
    redemption = shop.redeem(OWNER, 50, "seed-redemption").body["redemption_id"]
    hold, captured, voided = (shop.hold(OWNER, 20, f"seed-{name}").body["hold_id"] for name in ("hold", "cap", "void"))
    assert shop.ask("POST", f"/v1/holds/{captured}/capture", {"points": 15}, key="seed-capture").status == 200
    assert shop.ask("POST", f"/v1/holds/{voided}/void", key="seed-void").status == 200
    shop.redeem(OTHER, 5, "seed-other")
    shop.earn(paid("o-3", OWNER, 1_000))
    pages = [
        shop.get(f"/v1/members/{OWNER}/entries", limit="1")["cursor"],
        shop.get(f"/v1/members/{OWNER}/entries", limit="1", kind="earn")["cursor"],
        shop.get(f"/v1/members/{OTHER}/entries", limit="1")["cursor"],
    ]
    assert all(pages)
    return Seed(redemption, hold, captured, voided, *pages)


@pytest.fixture(scope="module")
def pages(shop: Stage, seed: Seed) -> list[list[str]]:  # noqa: ARG001 - the table as the seed left it
    """The whole table as the last row left it, alone in a list."""
    return [shop.table()]


@pytest.mark.parametrize("hostile", ROWS, ids=[hostile.name for hostile in ROWS])
def test_hostile_input_gets_its_answer_and_nothing_moves(
    shop: Stage, seed: Seed, pages: list[list[str]], hostile: Hostile
) -> None:
    """A hostile input is answered with the status and code of its row; table and queue stay as they were."""
    hold_to_its_row(shop, seed, pages, hostile)


def hold_to_its_row(shop: Stage, seed: Any, pages: list[list[str]], hostile: Hostile) -> None:
    """Send a hostile input; ``pages`` has the whole table before it, and after it."""
    function, event = hostile.build(seed)
    before = pages[0]

    answer = Answer.of(shop.call(function, event))
    pages[:], queued = [shop.table()], shop.queued() if shop.waiting() else []

    assert (hostile.status, hostile.code) == (answer.status, answer.code), answer
    if hostile.code is not None:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.body.keys() >= PROBLEM_FIELDS
        assert hostile.status == answer.body["status"]
        assert f"urn:jifen:problem:{hostile.code.lower().replace('_', '-')}" == answer.body["type"]
        assert answer.body["title"]
        assert answer.body["detail"]
    assert before == pages[0]
    assert queued == []


def test_the_table_is_of_some_size() -> None:
    """The table holds far more than eighty rows, each under a name of its own."""
    names = [hostile.name for hostile in ROWS]

    assert len(names) == len(set(names))
    assert len(names) > 400
