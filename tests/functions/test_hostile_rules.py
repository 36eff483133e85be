"""What strangers send to the functions of events and of operators: each input gets one exact answer, nothing moves.

Rows and check are those of :mod:`tests.functions.test_hostile`, on a shop that has rules for everything: an award, a
check-in, a review that waits, versions and campaigns in every status.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from jifen.runtime import use
from local.replay import api_request
from tests.functions.stage import ADMIN, MEMBER, NOW, OPERATOR, SHOP, Stage, line, paid
from tests.functions.test_hostile import (
    DEEP,
    FORBIDDEN,
    GONE,
    HUGE_NUMBER,
    IDS,
    INSTANTS,
    INVALID,
    KEYS,
    LONG_ID,
    NO_KEY,
    NOT_FOUND,
    OTHER,
    OWNER,
    PATHS,
    SURROGATE,
    TEXTS,
    Build,
    Hostile,
    changed,
    claimed,
    claims,
    encoded,
    hold_to_its_row,
)

BASE: dict[str, Any] = {"id": "base", "rate": {"points": 1, "per_minor": 100}}
PROGRAM: dict[str, Any] = {
    "currency": "GBP",
    "earning": {
        "rules": [
            BASE,
            {"id": "welcome", "on": "member.registered", "fixed": 100, "once_per": "phone"},
            {"id": "chosen", "on": "review.selected", "given": {"field": "points", "min": 30, "max": 100}},
            {"id": "scored", "on": "review.scored", "fixed": 200, "approval": True},
            {"id": "daily", "on": "member.checked_in", "streak": {"days": [10], "marks": {"3": 30}}},
            {"id": "friend", "on": "invite.accepted", "fixed": 50},
        ],
        "campaigns": [
            {
                "id": "running",
                "from": "2011-01-01",
                "until": "2011-12-31",
                "budget_points": 500,
                "rules": [{"id": "bonus", "fixed": 5}],
            }
        ],
    },
    "check_in": {"make_up": {"cost": 10, "within_days": 7, "per_month": 1}},
    "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 1_000}]},
}
DRAFT: dict[str, Any] = {
    "currency": "GBP",
    "earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 50}}]},
}
EVENT: dict[str, Any] = {
    "type": "member.registered",
    "event_id": "hostile",
    "member_id": OWNER,
    "occurred_at": NOW.isoformat(),
    "data": {"phone": "1"},
}
CAMPAIGN: dict[str, Any] = {
    "id": "hostile",
    "from": "2011-02-01",
    "until": "2011-02-02",
    "budget_points": 500,
    "template": "fixed_bonus",
    "with": {"points": 5},
}


class Seed(NamedTuple):
    """Cursors that are real, for rows that bend them."""

    of_rulesets: str
    of_audit: str
    of_campaigns: str


# Building inputs -----------------------------------------------------------------------------------------------------


def call(
    method: str,
    path: str,
    body: Any = None,
    *,
    scopes: str = SHOP,
    subject: str = "wang",
    key: str | None = "hostile-key",
    query: Mapping[str, str] | None = None,
) -> Build:
    """A call of the API. ``body`` is JSON data, or the text of it; cursors of the seed are filled into the query."""

    def build(seed: Any) -> tuple[str, dict[str, Any]]:
        asked = {name: text.format(**seed._asdict()) if "{of" in text else text for name, text in (query or {}).items()}
        event = api_request(method, path, None, subject, scopes, key=key, query=asked)
        event["body"] = body if body is None or isinstance(body, str) else json.dumps(body)
        is_operators = path.startswith(OPERATORS) or (path == "/v1/reviews")
        return ("admin" if is_operators else "engage"), event

    return build


OPERATORS = ("/v1/program", "/v1/ruleset", "/v1/campaign", "/v1/audit")


def happened(**changes: Any) -> Build:
    """An event with some fields changed."""
    return call("POST", "/v1/events", changed(EVENT, changes))


def told(**data: Any) -> Build:
    """An event of a free type with this data."""
    return happened(type="page.viewed", data=data)


def checked_in(body: Any, **more: Any) -> Build:
    """A check-in."""
    return call("POST", f"/v1/members/{OWNER}/check-ins", body, **more)


def made_up(body: Any, **more: Any) -> Build:
    """A missed day that is made up for."""
    return call("POST", f"/v1/members/{OWNER}/check-ins/make-up", body, **more)


def profile(body: Any, **more: Any) -> Build:
    """A profile."""
    return call("PUT", f"/v1/members/{OWNER}/profile", body, **more)


def review(verb: str, member: str, event: str, body: Any, **more: Any) -> Build:
    """A decision of an operator."""
    return call("POST", f"/v1/reviews/{member}/{event}/{verb}", body, **{"scopes": OPERATOR, **more})


def put(body: Any, **more: Any) -> Build:
    """A program, at once."""
    return call("PUT", "/v1/program", body, **{"scopes": ADMIN, "key": None, **more})


def drafted(body: Any, **more: Any) -> Build:
    """A draft."""
    return call("POST", "/v1/rulesets", body, **{"scopes": OPERATOR, **more})


def ruled(rule: Any) -> Any:
    """A program of one rule."""
    return {"currency": "GBP", "earning": {"rules": [rule]}}


def version(number: str, step: str, body: Any = None, **more: Any) -> Build:
    """Something done to a version of the program."""
    return call("POST", f"/v1/rulesets/{number}/{step}", body, **{"scopes": ADMIN, **more})


def tried(body: Any, **more: Any) -> Build:
    """A dry run of the draft."""
    return version("1", "simulate", body, **{"scopes": OPERATOR, **more})


def prepared(**changes: Any) -> Build:
    """A campaign from a template, with some of it changed."""
    return call("POST", "/v1/campaigns", changed(CAMPAIGN, changes), scopes=OPERATOR)


def free(rule: Any, **changes: Any) -> Build:
    """A campaign of a rule of its own."""
    return prepared(template=GONE, rules=[rule], **{"with": GONE}, **changes)


def less(exchange: Any, **changes: Any) -> Build:
    """A campaign of a discount on exchanges."""
    return prepared(**{"template": GONE, "with": GONE, "budget_points": GONE, "exchange": exchange, **changes})


def step(campaign: str, name: str, body: Any = None, **more: Any) -> Build:
    """Something done to a campaign."""
    return call("POST", f"/v1/campaigns/{campaign}/{name}", body, **{"scopes": OPERATOR, **more})


def listed(name: str, **query: str) -> Build:
    """A page of a list for operators."""
    return call("GET", f"/v1/{name}", scopes=OPERATOR, query=query)


# The table -----------------------------------------------------------------------------------------------------------

REUSED = (422, "IDEMPOTENCY_KEY_REUSED")
BAD_PROGRAM = (422, "INVALID_PROGRAM")
NO_REVIEW = (404, "REVIEW_NOT_FOUND")
NO_VERSION = (404, "RULE_SET_NOT_FOUND")
NO_CAMPAIGN = (404, "CAMPAIGN_NOT_FOUND")
WRONG_STATUS = (409, "WRONG_STATUS")
NOTHING_TO_MAKE_UP = (409, "NOTHING_TO_MAKE_UP")

SLOW = "a." * 40_000
"""What a pattern that tries again and again does not come back from."""

NUMBERS = [
    ("10^30", 10**30),
    ("negative", -1),
    ("a float", 1.5),
    ("a whole float", 1.0),
    ("a bool", True),
    ("a text", "1"),
    ("a list", [1]),
    ("an object", {"n": 1}),
]

TYPES = [
    ("an order's", "order.paid"),
    ("an order's, unknown", "order.x"),
    ("in upper case", "Member.registered"),
    ("a newline at the end", "member.registered\n"),
    ("a dot at the end", "member.registered."),
    ("two dots", "member..registered"),
    ("a word", "registered"),
    ("Cyrillic letters", "m\u0435mber.registered"),
    ("Arabic digits", "member.\u0661"),
    ("full-width letters", "\uff4dember.registered"),
    ("65 characters", "m." + "x" * 63),
    ("far too long", SLOW),
    ("NUL", "member.\x00"),
    ("a lone surrogate", f"member.{SURROGATE}"),
    ("a path", "../etc.passwd"),
    ("a list", ["member.registered"]),
]

DATA: list[tuple[str, Any]] = [
    ("null", None),
    ("a list", [1]),
    ("a text", "phone"),
    ("21 names", {f"n{number}": 1 for number in range(21)}),
    ("an empty name", {"": 1}),
    ("a name of 65 characters", {"n" * 65: 1}),
    ("a name with a blank", {"a b": 1}),
    ("a name with a slash", {"a/b": 1}),
    ("a name in Chinese", {"\u624b\u673a": 1}),
    ("a name with NUL", {"a\x00": 1}),
    ("a name with a newline at the end", {"a\n": 1}),
    ("a name with a lone surrogate", {SURROGATE: 1}),
    ("an empty text", {"n": ""}),
    ("a text with NUL", {"n": "\x00"}),
    ("a text with a blank at the end", {"n": "a "}),
    ("a text with a lone surrogate", {"n": SURROGATE}),
    ("a text of 129 characters", {"n": LONG_ID}),
    ("a float", {"n": 0.5}),
    ("a whole float", {"n": 2.0}),
    ("10^30", {"n": 10**30}),
    ("a million million and one", {"n": 10**12 + 1}),
    ("as much below zero", {"n": -(10**12) - 1}),
    ("nested", {"n": {"n": 1}}),
    ("a list in it", {"n": [1, 2]}),
    ("null in it", {"n": None}),
]

EVENT_BODIES = [
    ("missing", call("POST", "/v1/events")),
    ("a list", call("POST", "/v1/events", json.dumps([EVENT]))),
    ("not JSON", call("POST", "/v1/events", "{")),
    ("100,000 deep", call("POST", "/v1/events", DEEP)),
    ("NaN", call("POST", "/v1/events", json.dumps(EVENT).replace('"1"', "NaN"))),
    ("1e400", call("POST", "/v1/events", json.dumps(EVENT).replace('"1"', "1e400"))),
    ("5,000 digits", call("POST", "/v1/events", json.dumps(EVENT).replace('"1"', HUGE_NUMBER))),
    ("a key twice, the last is bad", call("POST", "/v1/events", json.dumps(EVENT)[:-1] + ', "type": 5}')),
    ("longer than 64,000 bytes", happened(ignored="x" * 64_000)),
    ("latin-1", encoded(happened(), json.dumps(EVENT | {"data": {}}).encode().replace(b"hostile", b"\xe9"))),
    *((f"{name} missing", happened(**{name: GONE})) for name in ("type", "event_id", "member_id", "occurred_at")),
    ("an id of a check-in", happened(event_id="check-in:c-1")),
    ("an id of a made-up day", happened(event_id="make-up:c-1")),
    *(
        (f"invited by {name}", happened(type="invite.accepted", data=data))
        for name, data in (
            ("nobody", {}),
            ("a number", {"inviter": 5}),
            ("a bool", {"inviter": True}),
        )
    ),
    *(
        (f"points: {name}", happened(type="review.selected", data={"points": value}))
        for name, value in (("too few", 29), ("too many", 101), ("negative", -30), ("a text", "50"), ("a bool", True))
    ),
]

BIRTHDAYS = [
    ("30 February", "02-30"),
    ("month 13", "13-01"),
    ("month 0", "00-10"),
    ("one digit", "5-1"),
    ("with a year", "2000-05-01"),
    ("a newline at the end", "05-01\n"),
    ("Arabic digits", "\u0660\u0665-\u0660\u0661"),
    ("empty", ""),
    ("a number", 501),
    ("a list", ["05-01"]),
]

MARKED = [
    ("empty", ""),
    ("65 characters", "x" * 65),
    ("a number", 5),
    ("a list", ["east"]),
    ("NUL", "a\x00"),
    ("a newline", "a\nb"),
    ("a blank at the end", "a "),
    ("a line separator", "a\u2028b"),
    ("a lone surrogate", SURROGATE),
]

PROFILES = [
    ("missing", profile(None)),
    ("a list", profile("[]")),
    ("21 tags", profile({"tags": [f"t{number}" for number in range(21)]})),
    ("tags null", profile({"tags": None})),
    ("tags a text", profile({"tags": "vip"})),
    ("tags of lists", profile({"tags": [["vip"]]})),
]

DAYS = [
    ("yesterday", "2011-01-09"),
    ("tomorrow", "2011-01-11"),
    ("the year 1", "0001-01-01"),
    ("the year 9999", "9999-12-31"),
    ("the year 0", "0000-01-01"),
    ("30 February", "2011-02-30"),
    ("an instant", "2011-01-10T09:00:00Z"),
    ("a week date", "2011-W02-1"),
    ("Arabic digits", "\u0662\u0660\u0661\u0661-\u0660\u0661-\u0661\u0660"),
    ("a newline at the end", "2011-01-10\n"),
    ("empty", ""),
    ("a number", 20110110),
    ("a list", ["2011-01-10"]),
]

NOT_TO_MAKE_UP = [
    ("today", "2011-01-10"),
    ("tomorrow", "2011-01-11"),
    ("the day before the first", "2011-01-03"),
    ("the year 1", "0001-01-01"),
    ("the year 9999", "9999-12-31"),
]

REVIEWS: list[tuple[str, Build, int, str]] = [
    ("of nobody", review("approve", "nobody", "r-1", {"reason": "x"}), *NO_REVIEW),
    ("of another member's event", review("approve", OTHER, "r-1", {"reason": "x"}), *NO_REVIEW),
    ("of no event", review("reject", OWNER, "none", {"reason": "x"}), *NO_REVIEW),
    ("of an id with %2F", review("approve", OWNER, "r%2F1", {"reason": "x"}), *NO_REVIEW),
    ("of an id with %252F", review("approve", OWNER, "r%252F1", {"reason": "x"}), *NO_REVIEW),
    ("of an id with %00", review("approve", OWNER, "r-1%00", {"reason": "x"}), *NO_REVIEW),
    ("of half a character", review("approve", OWNER, "r-1%FF", {"reason": "x"}), *NO_REVIEW),
    ("of 10 KB", review("approve", OWNER, "r" * 10_240, {"reason": "x"}), *NO_REVIEW),
    ("of a lone surrogate in UTF-8", review("approve", OWNER, "%ED%A0%80", {"reason": "x"}), *NO_REVIEW),
    ("in another case", review("approve", OWNER, "R-1", {"reason": "x"}), *NO_REVIEW),
    ("with a blank behind", review("approve", OWNER, "r-1%20", {"reason": "x"}), *NO_REVIEW),
    ("with a slash", review("approve", OWNER, "r-1/x", {"reason": "x"}), *NOT_FOUND),
    ("a step up", review("approve", OWNER, "../r-1", {"reason": "x"}), *NOT_FOUND),
    ("of an order", review("approve", OWNER, "o-1", {"reason": "x"}), *NO_REVIEW),
    ("of a check-in", review("approve", OWNER, "check-in:c-1", {"reason": "x"}), *WRONG_STATUS),
    ("of what was given at once", review("approve", OWNER, "e-1", {"reason": "x"}), *WRONG_STATUS),
    ("approved again", review("approve", OWNER, "r-2", {"reason": "x"}), *WRONG_STATUS),
    ("rejected after approval", review("reject", OWNER, "r-2", {"reason": "x"}), *WRONG_STATUS),
    ("key of another approval", review("approve", OWNER, "r-1", {"reason": "x"}, key="seed-approval"), *REUSED),
    (
        "approval's key for a rejection",
        review("reject", OWNER, "r-2", {"reason": "good"}, key="seed-approval"),
        *REUSED,
    ),
    ("of a member id of NUL", review("approve", "m%00", "r-1", {"reason": "x"}), *INVALID),
    ("of a member id of 10 KB", review("approve", "m" * 10_240, "r-1", {"reason": "x"}), *INVALID),
    ("without a reason", review("approve", OWNER, "r-1", {}), *INVALID),
    ("without a body", review("approve", OWNER, "r-1", None), *INVALID),
    ("rejected without a reason", review("reject", OWNER, "r-1", {}), *INVALID),
]

FAULTY: list[tuple[str, Any]] = [
    ("an unknown key", {"expirey": {}}),
    ("__proto__", {"__proto__": {"currency": "GBP"}}),
    ("earning a list", {"earning": []}),
    ("rules an object", {"earning": {"rules": {"base": {}}}}),
    ("rules of null", {"earning": {"rules": [None]}}),
    ("a rule without an effect", ruled({"id": "x"})),
    ("a rule with two effects", ruled({"id": "x", "fixed": 1, "multiply": "2"})),
    ("two rules of one id", {"earning": {"rules": [BASE, BASE]}}),
    ("a rule id with a slash", ruled({"id": "a/b", "fixed": 1})),
    ("a rule id in Chinese", ruled({"id": "\u79ef\u5206", "fixed": 1})),
    ("a rule id of 10 KB", ruled({"id": "x" * 10_240, "fixed": 1})),
    ("101 rules", {"earning": {"rules": [{"id": f"r{number}", "fixed": 1} for number in range(101)]}}),
    *((f"fixed: {name}", ruled({"id": "x", "fixed": value})) for name, value in NUMBERS),
    *((f"rate: {name}", ruled({"id": "x", "rate": {"points": value, "per_minor": 100}})) for name, value in NUMBERS),
    ("a rate per nothing", ruled({"id": "x", "rate": {"points": 1, "per_minor": 0}})),
    ("multiply a number", ruled({"id": "x", "multiply": 2})),
    ("multiply 1e9", ruled({"id": "x", "multiply": "1e9"})),
    ("multiply NaN", ruled({"id": "x", "multiply": "NaN"})),
    ("multiply infinite", ruled({"id": "x", "multiply": "Infinity"})),
    ("multiply negative", ruled({"id": "x", "multiply": "-1"})),
    ("multiply in Arabic digits", ruled({"id": "x", "multiply": "\u0662"})),
    ("multiply of 100,000 digits", ruled({"id": "x", "multiply": "1" * 100_000})),
    ("on what never ends", ruled({"id": "x", "on": SLOW, "fixed": 1})),
    ("hours that never end", ruled({"id": "x", "fixed": 1, "when": {"window": {"hours": ["20:00-" * 10_000]}}})),
    ("hour 25", ruled({"id": "x", "fixed": 1, "when": {"window": {"hours": ["25:00-26:00"]}}})),
    ("weekday unknown", ruled({"id": "x", "fixed": 1, "when": {"window": {"weekdays": ["freitag"]}}})),
    ("from 30 February", ruled({"id": "x", "fixed": 1, "when": {"window": {"from": "2011-02-30"}}})),
    ("from the year 10000", ruled({"id": "x", "fixed": 1, "when": {"window": {"from": "10000-01-01"}}})),
    (
        "until before from",
        ruled({"id": "x", "fixed": 1, "when": {"window": {"from": "2012-01-02", "until": "2012-01-01"}}}),
    ),
    ("a condition unknown", ruled({"id": "x", "fixed": 1, "when": {"__class__": ["x"]}})),
    ("a tier unknown", ruled({"id": "x", "fixed": 1, "when": {"tier": ["platinum"]}})),
    ("a group unknown", ruled({"id": "x", "fixed": 1, "group": "none"})),
    ("priority 10^30", ruled({"id": "x", "fixed": 1, "priority": 10**30})),
    ("a cap per century", ruled({"id": "x", "fixed": 1, "caps": [{"per": "century", "points": 1}]})),
    ("a streak of mark 10^9", ruled({"id": "x", "on": "a.b", "streak": {"marks": {"1000000000": 1}}})),
    ("valid for 10^9 days", ruled({"id": "x", "fixed": 1, "valid": {"policy": "days", "days": 10**9}})),
    ("pending negative", ruled({"id": "x", "fixed": 1, "pending_days": -1})),
    ("a goal of a bool", ruled({"id": "x", "fixed": 1, "goal": {"of": "count", "reach": True}})),
    ("to somebody else", ruled({"id": "x", "fixed": 1, "to": "admin"})),
    ("currency of four letters", {"currency": "GBPP"}),
    ("time zone a path", {"time_zone": "../../etc/passwd"}),
    ("time zone with NUL", {"time_zone": "Europe/London\x00"}),
    ("time zone of 10 KB", {"time_zone": "Europe/" * 1_500}),
    ("a tier twice", {"tiers": {"levels": [{"id": "a", "from": 0}, {"id": "a", "from": 1}]}}),
    ("a tier from below zero", {"tiers": {"levels": [{"id": "a", "from": -1}]}}),
    ("make-up that pays", {"check_in": {"make_up": {"cost": -10}}}),
    ("a campaign that is none", {"earning": {"campaigns": ["x"]}}),
    (
        "21 campaigns",
        {"earning": {"campaigns": [{"id": f"c{n}", "rules": [{"id": "x", "fixed": 1}]} for n in range(21)]}},
    ),
    ("10 deep where a number is due", ruled({"id": "x", "fixed": [[[[[[[[[[1]]]]]]]]]]})),
]

TEN_THOUSAND = json.dumps(
    {"earning": {"rules": [{"id": f"r{number}", "fixed": 1} for number in range(10_000)]}}, separators=(",", ":")
)

FILES: list[tuple[str, Any, int, str]] = [
    ("missing", None, *INVALID),
    ("null", "null", *INVALID),
    ("a list", "[]", *INVALID),
    ("a text", '"currency"', *INVALID),
    ("not JSON", "{", *INVALID),
    ("NaN", '{"expiry": NaN}', *INVALID),
    ("21 deep", '{"earning": ' + "[" * 20 + "]" * 20 + "}", *INVALID),
    ("100,000 deep", DEEP, *INVALID),
    ("5,000 digits", f'{{"expiry": {{"days": {HUGE_NUMBER}}}}}', *INVALID),
    ("a lone surrogate", '{"currency": "\\ud800"}', *INVALID),
    ("longer than 256,000 bytes", {"currency": "x" * 256_000}, *INVALID),
    ("10,000 rules", TEN_THOUSAND, *BAD_PROGRAM),
    *((name, body, *BAD_PROGRAM) for name, body in FAULTY),
]

NUMBERED = [
    ("a word", "draft"),
    ("current", "current"),
    ("negative", "-1"),
    ("with a plus", "+1"),
    ("with a leading zero", "01"),
    ("a float", "1.0"),
    ("with an exponent", "1e0"),
    ("with an underscore", "1_0"),
    ("full-width", quote("\uff11")),
    ("Arabic", quote("\u0661")),
    ("a blank behind", "1%20"),
    ("a newline behind", "1%0A"),
    ("NUL behind", "1%00"),
    ("that nobody was given", "99"),
    ("of seven digits", "1000000"),
    ("of 5,000 digits", HUGE_NUMBER),
    ("half a character", "%FF"),
    ("an encoded slash", "1%2F2"),
    ("an encoded step up", "%2E%2E"),
]

VERSIONS: list[tuple[str, Build, int, str]] = [
    ("publish what is published", version("2", "publish"), *WRONG_STATUS),
    ("publish the stack's own", version("0", "publish"), *NO_VERSION),
    ("publish what was moved over", version("1", "publish"), 409, "RULES_MOVED"),
    ("roll back to a draft", version("1", "roll-back"), *WRONG_STATUS),
    ("key of another draft", drafted(DRAFT | {"currency": "EUR"}, key="seed-draft"), *REUSED),
    ("key of another publication", version("1", "publish", {"rebase": True}, key="seed-publish"), *REUSED),
    ("publish's key for a roll-back", version("0", "roll-back", key="seed-publish"), *REUSED),
    *(
        (f"publish with a reason: {name}", version("1", "publish", {"reason": text}), *INVALID)
        for name, text in (("501 characters", "x" * 501), ("a number", 5), ("null", None), ("a list", ["x"]))
    ),
    ("publish with an empty override", version("1", "publish", {"override": ""}), *INVALID),
    ("publish with an override of a bool", version("1", "publish", {"override": True}), *INVALID),
    ("publish with rebase a text", version("1", "publish", {"rebase": "yes"}), *INVALID),
    ("publish with rebase 1", version("1", "publish", {"rebase": 1}), *INVALID),
    ("publish with more", version("1", "publish", {"number": 2}), *INVALID),
    ("publish with a list", version("1", "publish", "[]"), *INVALID),
    ("roll back with an override", version("0", "roll-back", {"override": "x"}), *INVALID),
    ("draft with more", drafted({"program": DRAFT, "publish": True}), *INVALID),
    ("draft with a note of 501 characters", drafted({"program": DRAFT, "note": "x" * 501}), *INVALID),
    ("draft with a note of a number", drafted({"program": DRAFT, "note": 5}), *INVALID),
    ("draft of a list", drafted({"program": []}), *INVALID),
    ("put with a reason of 501 characters", put(DRAFT, query={"reason": "x" * 501}), *INVALID),
    ("put with an empty override", put(DRAFT, query={"override": ""}), *INVALID),
    ("put by an operator", put(DRAFT, scopes=OPERATOR), *FORBIDDEN),
    ("publish by an operator", version("1", "publish", scopes=OPERATOR), *FORBIDDEN),
    ("roll back by an operator", version("0", "roll-back", scopes=OPERATOR), *FORBIDDEN),
]

BASKET = {"lines": [line(1_000)]}
TRIED: list[tuple[str, Any]] = [
    ("nothing", {}),
    ("two kinds", {"order": BASKET, "event": {"type": "a.b"}}),
    ("more", {"order": BASKET, "write": True}),
    ("an order of a list", {"order": [BASKET]}),
    ("an order without lines", {"order": {}}),
    ("an order of 10^30", {"order": {"lines": [line(10**30)]}}),
    ("an order of a float", {"order": {"lines": [line(1) | {"qty": 1.0}]}}),
    ("an order below zero", {"order": {"lines": [line(-1)]}}),
    ("an order that is a refund", {"order": BASKET | {"type": "order.refunded"}}),
    ("an order of another type", {"order": BASKET | {"type": "page.viewed"}}),
    ("an order of the year 1", {"order": BASKET | {"occurred_at": "0001-01-01T00:00:00Z"}}),
    ("an order of the year 9999", {"order": BASKET | {"occurred_at": "9999-12-31T23:59:59Z"}}),
    ("an order of four years ahead", {"order": BASKET | {"occurred_at": (NOW + timedelta(days=1_461)).isoformat()}}),
    ("an event without a type", {"event": {}}),
    ("an event that is an order", {"event": {"type": "order.paid"}}),
    ("an event of a type that never ends", {"event": {"type": SLOW}}),
    ("an event with data of a float", {"event": {"type": "a.b", "data": {"n": 0.5}}}),
    ("an event with data of a list", {"event": {"type": "a.b", "data": {"n": [1]}}}),
    ("points out of bounds", {"event": {"type": "review.selected", "data": {"points": 1}}}),
    ("201 orders", {"orders": [paid(f"o{number}", "m", 1) for number in range(201)]}),
    ("orders that are no list", {"orders": {"0": BASKET}}),
    ("orders of texts", {"orders": ["order.paid"]}),
    ("an order of a row without an id", {"orders": [paid("o", "m", 1) | {"order_id": None}]}),
    ("a member and a standing", {"order": BASKET, "member_id": OWNER, "standing": {}}),
    ("a member with NUL", {"order": BASKET, "member_id": "m\x00"}),
    ("a member of a number", {"order": BASKET, "member_id": 5}),
    ("an unknown tier", {"order": BASKET, "standing": {"tier": "platinum"}}),
    ("orders below zero", {"order": BASKET, "standing": {"orders": -1}}),
    ("orders 10^30", {"order": BASKET, "standing": {"orders": 10**30}}),
    ("birthday of 30 February", {"order": BASKET, "standing": {"birthday": "02-30"}}),
    ("last order of the year 0", {"order": BASKET, "standing": {"last_order_on": "0000-01-01"}}),
    ("more of a standing", {"order": BASKET, "standing": {"points": 5}}),
    ("a past of 51 members", {"past": {"members": [f"m-{number}" for number in range(51)]}}),
    ("a past of a member with NUL", {"past": {"members": ["m\x00"]}}),
    ("a past with a cursor that is none", {"past": {"cursor": "next"}}),
    ("a past with a cursor of 1,001 characters", {"past": {"cursor": "A" * 1_001}}),
    ("a past with an empty cursor", {"past": {"cursor": ""}}),
]

CAMPAIGN_IDS = [
    ("upper case", "Festival"),
    ("a slash", "a/b"),
    ("a blank", "a b"),
    ("a step up", "../running"),
    ("a newline at the end", "hostile\n"),
    ("empty", ""),
    ("65 characters", "x" * 65),
    ("Chinese", "\u53cc\u5341\u4e00"),
    ("NUL", "a\x00"),
    ("a lone surrogate", SURROGATE),
    ("a number", 5),
    ("a list", ["x"]),
]

PREPARED: list[tuple[str, Build, int, str]] = [
    *((f"id: {name}", prepared(id=value), *INVALID) for name, value in CAMPAIGN_IDS),
    ("without id", prepared(id=GONE), *INVALID),
    ("neither template nor rules", prepared(template=GONE, **{"with": GONE}), *INVALID),
    ("template and rules", prepared(rules=[BASE]), *INVALID),
    ("rules and what belongs to a template", prepared(template=GONE, rules=[BASE]), *INVALID),
    ("more", prepared(status="ACTIVE"), *INVALID),
    ("title of 501 characters", prepared(title="x" * 501), *INVALID),
    ("budget of a float", prepared(budget_points=1.0), *INVALID),
    ("budget of a text", prepared(budget_points="5"), *INVALID),
    ("budget of a bool", prepared(budget_points=True), *INVALID),
    ("from of 41 characters", prepared(**{"from": "2" * 41}), *INVALID),
    ("longer than 64,000 bytes", prepared(note="x" * 64_000), *INVALID),
    ("a template that is none", prepared(template="free_money"), *BAD_PROGRAM),
    ("a template with what it does not take", prepared(**{"with": {"points": 5, "to": "m-1"}}), *BAD_PROGRAM),
    ("a template without what it needs", prepared(**{"with": {}}), *BAD_PROGRAM),
    *((f"points: {name}", prepared(**{"with": {"points": value}}), *BAD_PROGRAM) for name, value in NUMBERS),
    ("times of all sorts", prepared(**{"with": {"points": 5, "times": [1]}}), *BAD_PROGRAM),
    ("from_minor 10^30", prepared(**{"with": {"points": 5, "from_minor": 10**30}}), *BAD_PROGRAM),
    ("tiers unknown", prepared(**{"with": {"points": 5, "tiers": ["platinum"]}}), *BAD_PROGRAM),
    ("by 1e9", prepared(template="points_multiplier", **{"with": {"by": "1e9"}}), *BAD_PROGRAM),
    ("by of 50,000 digits", prepared(template="points_multiplier", **{"with": {"by": "9" * 50_000}}), *BAD_PROGRAM),
    ("budget negative", prepared(budget_points=-1), *BAD_PROGRAM),
    ("budget 10^30", prepared(budget_points=10**30), *BAD_PROGRAM),
    ("from a word", prepared(**{"from": "yesterday"}), *BAD_PROGRAM),
    ("from the year 0", prepared(**{"from": "0000-01-01"}), *BAD_PROGRAM),
    ("until before from", prepared(until="2011-01-31"), *BAD_PROGRAM),
    ("a rule without an effect", free({"id": "x"}), *BAD_PROGRAM),
    ("a rule on what never ends", free({"id": "x", "on": SLOW[:30_000], "fixed": 1}), *BAD_PROGRAM),
    ("a discount of nothing", prepared(template="exchange_discount", **{"with": {}}), *BAD_PROGRAM),
    ("a discount on vouchers", less({"by": "0.5", "kinds": ["voucher"]}), *BAD_PROGRAM),
    ("a discount by a number", less({"by": 0.5}), *BAD_PROGRAM),
    ("a discount by 1", less({"by": "1"}), *BAD_PROGRAM),
    ("a discount by 0", less({"by": "0.000"}), *BAD_PROGRAM),
    ("a discount by 1e-1", less({"by": "1e-1"}), *BAD_PROGRAM),
    ("a discount of 50,000 digits", less({"by": "0." + "9" * 50_000}), *BAD_PROGRAM),
    ("a discount on lists", less({"by": "0.5", "rewards": [["cup"]], "kinds": [{}], "categories": [1]}), *BAD_PROGRAM),
    ("a discount with a budget", less({"by": "0.5"}, budget_points=5), *BAD_PROGRAM),
    ("a discount that is a list", less([]), *INVALID),
    ("an id that is used", prepared(id="drafted"), 409, "CAMPAIGN_EXISTS"),
    ("an id of the file", prepared(id="running"), 409, "CAMPAIGN_EXISTS"),
    ("an id of what was canceled", prepared(id="canceled"), 409, "CAMPAIGN_EXISTS"),
    ("key of another", call("POST", "/v1/campaigns", CAMPAIGN, scopes=OPERATOR, key="seed-drafted"), *REUSED),
]

NAMED = [
    ("unknown", "none"),
    ("in upper case", "RUNNING"),
    ("of 10 KB", "x" * 10_240),
    ("with NUL", "running%00"),
    ("with a newline behind", "running%0A"),
    ("with a blank behind", "running%20"),
    ("with an encoded slash", "a%2Fb"),
    ("in Chinese", quote("\u53cc\u5341\u4e00")),
    ("of half a character", "%FF"),
    ("of an encoded step up", "%2E%2E%2Frunning"),
]

STEPS: list[tuple[str, Build, int, str]] = [
    *((f"{name} of a draft", step("drafted", name), *WRONG_STATUS) for name in ("pause", "resume", "end")),
    *(
        (f"{name} of what was canceled", step("canceled", name), *WRONG_STATUS)
        for name in ("schedule", "pause", "resume", "end", "cancel")
    ),
    ("resume of what runs", step("running", "resume"), *WRONG_STATUS),
    ("schedule without an end, by an operator", step("unbounded", "schedule"), 403, "CAMPAIGN_UNBOUNDED"),
    ("override by an operator", step("drafted", "schedule", {"override": "x"}), *FORBIDDEN),
    ("key of another step", step("running", "pause", key="seed-cancel"), *REUSED),
    *(
        (f"{name} with a reason of a number", step("running", name, {"reason": 5}), *INVALID)
        for name in ("schedule", "pause", "end", "cancel")
    ),
    ("pause with a reason of 501 characters", step("running", "pause", {"reason": "x" * 501}), *INVALID),
    ("pause with more", step("running", "pause", {"until": "2011-02-01"}), *INVALID),
    ("pause with a list", step("running", "pause", "[]"), *INVALID),
    ("a step that is none", step("running", "delete"), *NOT_FOUND),
]

PAGES = [
    *(
        (f"{name} limit {limit[:9]!r}", listed(name, limit=limit))
        for name in ("rulesets", "campaigns", "audit", "reviews")
        for limit in ("0", "-1", "101", "all", "1.5", "", "1e2", HUGE_NUMBER)
    ),
    *(
        (f"{name} cursor {cursor[:9]!r}", listed(name, cursor=cursor))
        for name in ("rulesets", "campaigns", "audit", "reviews")
        for cursor in ("next", "A" * 601, "", "+/+/", "\u5149\u6807", "AAAA")
    ),
    ("rulesets with the cursor of the audit", listed("rulesets", cursor="{of_audit}")),
    ("audit with the cursor of the rulesets", listed("audit", cursor="{of_rulesets}")),
    ("audit with the cursor of another month", listed("audit", cursor="{of_audit}", month="2010-12")),
    ("reviews with the cursor of the campaigns", listed("reviews", cursor="{of_campaigns}")),
    ("campaigns with a bit more of a cursor", listed("campaigns", cursor="{of_campaigns}AAAA")),
    *(
        (f"audit of month {month!a}", listed("audit", month=month))
        for month in (
            "2011-13",
            "2011-00",
            "2011-1",
            "2011",
            "2011-01-10",
            "",
            "2011-01\n",
            "\u0662\u0660\u0661\u0661-\u0660\u0661",
        )
    ),
]

OWN = ("check-ins", "tasks", "tier", "profile")
STAFF_READS = (
    "program",
    "rulesets",
    "rulesets/1",
    "campaign-templates",
    "campaigns",
    "campaigns/running",
    "audit",
    "reviews",
)


def event_rows() -> Iterator[Hostile]:
    """What a shop's server, or somebody in its place, says of members."""
    yield from (Hostile(f"event: {name}", build, *INVALID) for name, build in EVENT_BODIES)
    yield from (Hostile(f"event type: {name}", happened(type=value), *INVALID) for name, value in TYPES)
    yield from (
        Hostile(f"event data: {name}", happened(type="page.viewed", data=value), *INVALID) for name, value in DATA
    )
    for name, value in IDS:
        yield Hostile(f"event event_id: {name}", happened(event_id=value), *INVALID)
        yield Hostile(f"event member_id: {name}", happened(member_id=value), *INVALID)
    yield from (
        Hostile(f"event occurred_at: {name}", happened(occurred_at=value), *INVALID) for name, value in INSTANTS
    )
    yield Hostile("event: a known id, other data", happened(event_id="e-1", data={"phone": "2"}), *REUSED)
    yield Hostile("event: a known id, another type", happened(event_id="e-1", type="page.viewed"), *REUSED)
    yield Hostile(
        "event: a known id, another time", happened(event_id="e-1", occurred_at="2011-01-09T09:00:00Z"), *REUSED
    )
    yield Hostile("event: the key of another", call("POST", "/v1/events", EVENT, key="seed-event"), *REUSED)
    for scopes in (MEMBER, OPERATOR, ADMIN, f"{MEMBER} {OPERATOR} {ADMIN}"):
        yield Hostile(f"event by {scopes}", call("POST", "/v1/events", EVENT, scopes=scopes), *FORBIDDEN)


def member_rows() -> Iterator[Hostile]:
    """Check-ins, profiles and reviews."""
    for name, day in DAYS:
        yield Hostile(f"check-in on {name}", checked_in({"day": day}), *INVALID)
        if name not in {"yesterday", "tomorrow", "the year 1", "the year 9999"}:
            yield Hostile(f"make-up of {name}", made_up({"day": day}), *INVALID)
    yield from (
        Hostile(f"make-up of {name}", made_up({"day": day}), *NOTHING_TO_MAKE_UP) for name, day in NOT_TO_MAKE_UP
    )
    yield Hostile("check-in with a list", checked_in("[]"), *INVALID)
    yield Hostile("check-in with the key of another", checked_in({"day": "2011-01-10"}, key="c-1"), *REUSED)
    yield Hostile("profile by the member", profile({"tags": ["vip"]}, subject=OWNER, scopes=MEMBER), *FORBIDDEN)
    yield from (Hostile(f"profile {name}", build, *INVALID) for name, build in PROFILES)
    yield from (Hostile(f"profile birthday {name}", profile({"birthday": text}), *INVALID) for name, text in BIRTHDAYS)
    for name, text in MARKED:
        yield Hostile(f"profile region: {name}", profile({"region": text}), *INVALID)
        yield Hostile(f"profile tag: {name}", profile({"tags": ["vip", text]}), *INVALID)
    for name, path, status, code in PATHS:
        yield Hostile(f"tasks of {name}", call("GET", f"/v1/members/{path}/tasks"), status, code)
        yield Hostile(f"check-in of {name}", call("POST", f"/v1/members/{path}/check-ins", {}), status, code)
    yield from (
        Hostile(
            f"{one} of another", call("GET", f"/v1/members/{OTHER}/{one}", subject=OWNER, scopes=MEMBER), *FORBIDDEN
        )
        for one in OWN
    )
    yield Hostile(
        "check-in of another",
        call("POST", f"/v1/members/{OTHER}/check-ins", {}, subject=OWNER, scopes=MEMBER),
        *FORBIDDEN,
    )
    yield Hostile(
        "make-up of another",
        call("POST", f"/v1/members/{OTHER}/check-ins/make-up", {}, subject=OWNER, scopes=MEMBER),
        *FORBIDDEN,
    )
    for name, key in KEYS:
        yield Hostile(f"event key: {name}", call("POST", "/v1/events", EVENT, key=key), *NO_KEY)
        yield Hostile(f"check-in key: {name}", checked_in({}, key=key), *NO_KEY)
        yield Hostile(f"make-up key: {name}", made_up({}, key=key), *NO_KEY)
        yield Hostile(f"approve key: {name}", review("approve", OWNER, "r-1", {"reason": "x"}, key=key), *NO_KEY)
    yield from (Hostile(f"review {name}", build, status, code) for name, build, status, code in REVIEWS)
    for name, text in TEXTS:
        yield Hostile(f"approve reason: {name}", review("approve", OWNER, "r-1", {"reason": text}), *INVALID)
        yield Hostile(f"reject reason: {name}", review("reject", OWNER, "r-1", {"reason": text}), *INVALID)
    for name, value in (*NUMBERS, ("zero", 0), ("above a million million", 10**12 + 1)):
        asked = {"reason": "x", "points": value}
        yield Hostile(f"approve points: {name}", review("approve", OWNER, "r-1", asked), *INVALID)
    for verb in ("approve", "reject"):
        for scopes in (MEMBER, SHOP):
            decision = review(verb, OWNER, "r-1", {"reason": "x"}, subject=OWNER, scopes=scopes)
            yield Hostile(f"{verb} by {scopes}", decision, *FORBIDDEN)


def operator_rows() -> Iterator[Hostile]:
    """Programs, versions, campaigns and lists."""
    for name, body, status, code in FILES:
        yield Hostile(f"put: {name}", put(body), status, code)
        yield Hostile(f"draft: {name}", drafted(body), status, code)
    for name, number in NUMBERED:
        yield Hostile(f"version {name}", call("GET", f"/v1/rulesets/{number}", scopes=OPERATOR), *NO_VERSION)
        yield Hostile(f"publish {name}", version(number, "publish"), *NO_VERSION)
        yield Hostile(f"roll back to {name}", version(number, "roll-back"), *NO_VERSION)
        if name != "current":
            yield Hostile(f"try {name}", version(number, "simulate", {"order": BASKET}), *NO_VERSION)
    yield from (Hostile(f"version: {name}", build, status, code) for name, build, status, code in VERSIONS)
    yield from (Hostile(f"try: {name}", tried(body), *INVALID) for name, body in TRIED)
    yield from (Hostile(f"campaign {name}", build, status, code) for name, build, status, code in PREPARED)
    for name, campaign in NAMED:
        yield Hostile(f"campaign {name}", call("GET", f"/v1/campaigns/{campaign}", scopes=OPERATOR), *NO_CAMPAIGN)
        for verb in ("schedule", "pause", "resume", "end", "cancel"):
            yield Hostile(f"{verb} of campaign {name}", step(campaign, verb), *NO_CAMPAIGN)
    yield from (Hostile(f"step: {name}", build, status, code) for name, build, status, code in STEPS)
    yield from (Hostile(f"page: {name}", build, *INVALID) for name, build in PAGES)


def right_rows() -> Iterator[Hostile]:
    """Operators' calls without a key, and by others."""
    changing = {
        "draft": drafted(DRAFT),
        "publish": version("1", "publish"),
        "roll back": version("0", "roll-back"),
        "try": tried({"order": BASKET}),
        "prepare": prepared(),
        **{name: step("running", name) for name in ("pause", "end", "cancel")},
    }
    for verb, build in changing.items():
        for name, key in KEYS:
            yield Hostile(f"{verb} key: {name}", with_key(build, key), *NO_KEY)
        for scopes in (MEMBER, SHOP, f"{MEMBER} {SHOP}", "points/administrator", "admin", ""):
            yield Hostile(f"{verb} by {scopes!r}", claimed(build, claims(sub="wang", scope=scopes)), *FORBIDDEN)
    for name in STAFF_READS:
        for scopes in (MEMBER, SHOP):
            yield Hostile(f"{name} by {scopes}", call("GET", f"/v1/{name}", scopes=scopes), *FORBIDDEN)


def with_key(build: Build, key: str | None) -> Build:
    """The same call with another key, or none."""

    def keyed(seed: Any) -> tuple[str, dict[str, Any]]:
        function, event = build(seed)
        headers = changed(event["headers"], {"idempotency-key": GONE if key is None else key})
        return function, event | {"headers": headers}

    return keyed


ROWS = (*event_rows(), *member_rows(), *operator_rows(), *right_rows())


@pytest.fixture(scope="module")
def shop(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop with a rule for everything."""
    here = Stage("hostile-rules", program=PROGRAM)
    with use(here.runtime):
        yield here


def done(shop: Stage, method: str, path: str, body: Any, key: str | None, scopes: str, status: int = 200) -> None:
    """Something that has been done before strangers come."""
    answer = shop.ask(method, path, body, subject="wang", scopes=scopes, key=key)
    assert answer.status == status, answer


@pytest.fixture(scope="module")
def seed(shop: Stage) -> Seed:
    """An award, a check-in some days ago and today's, reviews, versions and campaigns in each status."""
    shop.earn(paid("o-1", OWNER, 100_000))
    shop.earn(paid("o-2", OTHER, 100_000))
    shop.move_to(NOW - timedelta(days=6))
    done(shop, "POST", f"/v1/members/{OWNER}/check-ins", None, "c-0", SHOP)
    shop.move_to(NOW)
    done(shop, "POST", f"/v1/members/{OWNER}/check-ins", None, "c-1", SHOP)
    done(shop, "POST", "/v1/events", EVENT | {"event_id": "e-1"}, "seed-event", SHOP)
    for name in ("r-1", "r-2"):
        done(shop, "POST", "/v1/events", EVENT | {"event_id": name, "type": "review.scored"}, name, SHOP)
    done(shop, "POST", f"/v1/reviews/{OWNER}/r-2/approve", {"reason": "good"}, "seed-approval", OPERATOR)
    done(shop, "POST", "/v1/rulesets", DRAFT, "seed-draft", OPERATOR, 201)
    done(shop, "POST", "/v1/rulesets", PROGRAM, "seed-second", OPERATOR, 201)
    done(shop, "POST", "/v1/rulesets/2/publish", None, "seed-publish", ADMIN)
    for name in ("drafted", "canceled"):
        done(shop, "POST", "/v1/campaigns", CAMPAIGN | {"id": name}, f"seed-{name}", OPERATOR, 201)
    endless = changed(CAMPAIGN, {"id": "unbounded", "until": GONE, "budget_points": GONE})
    done(shop, "POST", "/v1/campaigns", endless, "seed-unbounded", OPERATOR, 201)
    done(shop, "POST", "/v1/campaigns/canceled/cancel", None, "seed-cancel", OPERATOR)
    pages = [
        shop.ask("GET", f"/v1/{name}", scopes=OPERATOR, query={"limit": "1"}).body["cursor"]
        for name in ("rulesets", "audit", "campaigns")
    ]
    assert all(pages)
    return Seed(*pages)


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


def test_a_value_of_no_kind_is_named_once(shop: Stage) -> None:
    """And not once for each kind that it could have been of."""
    event = EVENT | {"type": "page.viewed", "data": {"n": 0.5, "m": [1]}}
    answer = shop.ask("POST", "/v1/events", event, key="hostile-key")

    assert ["data.n", "data.m"] == [fault["field"] for fault in answer.body["errors"]]


def test_the_table_is_of_some_size() -> None:
    """The table holds hundreds of rows, each under a name of its own."""
    names = [hostile.name for hostile in ROWS]

    assert len(names) == len(set(names))
    assert len(names) > 400
