"""How members are reached and what they refuse: contact, preferences, consents, from outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jifen.domain.preferences import CONSENTS_MAX, REFUSABLE
from jifen.runtime import use
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage

M = "m-1"
DEVICE = "arn:aws:sns:eu-west-2:123456789012:endpoint/APNS_SANDBOX/shop.ios/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
WHOLE = {
    "email": "a@example.com",
    "language": "zh",
    "phone": "+8613800138000",
    "push": DEVICE,
    "wechat": "oABC-def_123",
    "wechat_kind": "mini",
    "time_zone": "Asia/Shanghai",
    "refuses": ["sms", "tier.at_risk"],
}
EMPTY: dict[str, Any] = {
    "member_id": M,
    "email": None,
    "language": "en",
    "phone": None,
    "push": None,
    "wechat": None,
    "wechat_kind": "official",
    "consents": 0,
    "time_zone": None,
    "refuses": [],
}


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop."""
    here = Stage("contacting")
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """Nobody has said anything yet."""
    stage_.clear()
    return stage_


def put(here: Stage, body: dict[str, Any], **more: Any) -> Answer:
    """Say how the member is reached."""
    return here.ask("PUT", f"/v1/members/{M}/contact", body, **more)


def prefer(here: Stage, body: Any, **more: Any) -> Answer:
    """Say what the member does not want."""
    return here.ask("PUT", f"/v1/members/{M}/preferences", body, **more)


def consent(here: Stage, key: str, **more: Any) -> Answer:
    """Allow a message."""
    return here.ask("POST", f"/v1/members/{M}/wechat-consents", None, key=key, **more)


# The contact ---------------------------------------------------------------------------------------------------------


def test_a_whole_contact_is_kept_and_shown(here: Stage) -> None:
    """What was put is what is got, the same again writes nothing, and looking writes nothing."""
    first = put(here, WHOLE)
    before = here.table()

    assert {**EMPTY, **WHOLE} == first.body
    assert first.body == put(here, WHOLE).body == here.get(f"/v1/members/{M}/contact")
    assert before == here.table()


def test_a_member_nobody_has_seen_has_an_empty_contact(here: Stage) -> None:
    """And looking keeps none."""
    assert here.get(f"/v1/members/{M}/contact") == EMPTY
    assert [] == here.table()


def test_address_and_language_are_replaced_and_all_else_stays_unless_it_is_said(here: Stage) -> None:
    """A shop that knows of nothing but addresses and languages undoes no refusal and loses no phone."""
    put(here, WHOLE)

    changed = put(here, {"email": "b@example.com"}).body
    without = put(here, {}).body

    assert {**EMPTY, **WHOLE, "email": "b@example.com", "language": "en"} == changed
    assert {**EMPTY, **WHOLE, "email": None, "language": "en"} == without


@pytest.mark.parametrize("field", ["phone", "push", "wechat", "time_zone"])
def test_null_takes_a_field_away(here: Stage, field: str) -> None:
    """And nothing else."""
    put(here, WHOLE)

    assert {**EMPTY, **WHOLE, field: None} == put(here, {**WHOLE, field: None}).body


def test_null_for_a_kind_or_for_refusals_is_as_for_a_new_member(here: Stage) -> None:
    """Neither can be nothing."""
    put(here, WHOLE)

    body = put(here, {"email": "a@example.com", "wechat_kind": None, "refuses": None}).body

    assert ("official", []) == (body["wechat_kind"], body["refuses"])


def test_another_openid_has_no_consents(here: Stage) -> None:
    """They were given to the one before; the same openid again keeps them."""
    put(here, WHOLE)
    consent(here, "c1")

    assert 1 == put(here, WHOLE).body["consents"]
    assert 0 == put(here, {**WHOLE, "wechat": "oOther-123"}).body["consents"]


def test_nobody_gives_consents_by_saying_so(here: Stage) -> None:
    """They are counted one by one."""
    assert 0 == put(here, {**WHOLE, "consents": 50}).body["consents"]


def test_refusals_are_kept_once_each(here: Stage) -> None:
    """In one order, whatever the order they came in."""
    refuses = ["tier.at_risk", "sms", "sms", "email"]

    assert ["email", "sms", "tier.at_risk"] == put(here, {"refuses": refuses}).body["refuses"]


BAD: list[tuple[str, Any]] = [
    *(
        ("phone", one)
        for one in ("13800138000", "+0138", "+12", "+1" + "2" * 15, "+44 7700", "+44７７", " +447700900123", 5)
    ),
    *(
        ("push", one)
        for one in (
            "",
            "arn:aws:sns:eu-west-2:123456789012:topic",
            "arn:aws:s3:eu-west-2:123456789012:endpoint/GCM/a/b",
            DEVICE + "\n",
            DEVICE.replace("/shop.ios", "/../x"),
            DEVICE + "x" * 400,
        )
    ),
    *(("wechat", one) for one in ("", "short", "o" * 65, "o<script>", "oABC def_123", 7)),
    *(("wechat_kind", one) for one in ("", "OFFICIAL", "video", 1)),
    *(
        ("time_zone", one)
        for one in ("", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Asia", "asia/shanghai\x00", "UTC+8", 8)
    ),
    *(("refuses", one) for one in ("email", ["fax"], ["Email"], [""], [1], [None], ["email"] * 21, {"email": True})),
    *(("language", one) for one in ("fr", "ZH", None)),
    *(("email", one) for one in ("a@b", "a b@example.com", "a@example.com\nBcc: b@example.com", "x" * 250 + "@a.com")),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_what_is_no_address_is_refused_by_name(here: Stage, field: str, value: Any) -> None:
    """422 naming the field, and nothing is changed."""
    put(here, WHOLE)
    before = here.table()

    answer = put(here, {**WHOLE, field: value})

    assert (422, "INVALID_REQUEST") == (answer.status, answer.code)
    assert {field} == {fault["field"].partition(".")[0] for fault in answer.body["errors"]}
    assert before == here.table()


@pytest.mark.parametrize("phone", ["+1234567", "+447700900123", "+123456789012345"])
@pytest.mark.parametrize("zone", ["UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+8"])
def test_what_is_an_address_is_taken(here: Stage, phone: str, zone: str) -> None:
    """The shortest and the longest."""
    assert 200 == put(here, {"phone": phone, "time_zone": zone}).status


@pytest.mark.parametrize("path", ["contact", "preferences", "wechat-consents"])
def test_a_member_reaches_the_own_contact_alone(here: Stage, path: str) -> None:
    """403 for any other member's; the shop and operators reach all."""
    method = {"contact": "PUT", "preferences": "PUT", "wechat-consents": "POST"}[path]
    bodies: dict[str, Any] = {"contact": WHOLE, "preferences": {"refuses": []}, "wechat-consents": None}
    body = bodies[path]
    put(here, WHOLE)

    def ask(subject: str, scopes: str) -> int:
        key = f"{subject}-{scopes}".replace("/", "-")
        return here.ask(method, f"/v1/members/{M}/{path}", body, subject=subject, scopes=scopes, key=key).status

    assert [200] * 4 == [ask(M, MEMBER), *(ask("staff", scope) for scope in (SHOP, OPERATOR, ADMIN))]
    assert [403] * 2 == [ask("m-2", MEMBER), ask(M, "openid")]
    assert 403 == here.ask("GET", f"/v1/members/{M}/contact", subject="m-2", scopes=MEMBER).status


# Preferences ---------------------------------------------------------------------------------------------------------


def test_a_member_says_what_is_not_wanted_and_keeps_every_address(here: Stage) -> None:
    """All of it at once: what is not named is wanted again."""
    put(here, WHOLE)

    refused = prefer(here, {"refuses": ["*"]}, subject=M, scopes=MEMBER)
    again = prefer(here, {"refuses": []}, subject=M, scopes=MEMBER)

    assert {**EMPTY, **WHOLE, "refuses": ["*"]} == refused.body
    assert {**EMPTY, **WHOLE, "refuses": []} == again.body


def test_language_and_zone_are_a_preference_too(here: Stage) -> None:
    """Left out they stay; null is the program's zone."""
    put(here, WHOLE)

    changed = prefer(here, {"refuses": [], "language": "en", "time_zone": "Europe/London"}).body
    kept = prefer(here, {"refuses": []}).body
    cleared = prefer(here, {"refuses": [], "time_zone": None, "language": None}).body

    assert ("en", "Europe/London") == (changed["language"], changed["time_zone"])
    assert changed == kept
    assert ("en", None) == (cleared["language"], cleared["time_zone"])


def test_everything_that_can_be_refused_is_taken(here: Stage) -> None:
    """Every channel and every kind."""
    assert list(REFUSABLE) == prefer(here, {"refuses": list(REFUSABLE)[::-1]}).body["refuses"]


@pytest.mark.parametrize(
    "body", [None, {}, {"refuses": None}, {"refuses": ["fax"]}, {"refuses": [], "email": "a@b.de"}, {"refuses": "*"}]
)
def test_preferences_that_are_none_change_nothing(here: Stage, body: Any) -> None:
    """Nobody takes a slip for a refusal of nothing."""
    prefer(here, {"refuses": ["email"]})
    before = here.table()

    assert 422 == prefer(here, body).status
    assert before == here.table()


# Consents ------------------------------------------------------------------------------------------------------------


def test_each_consent_is_counted_once(here: Stage) -> None:
    """One for each key; the same key again gets the same answer."""
    put(here, WHOLE)

    told = [consent(here, key, subject=M, scopes=MEMBER).body for key in ("c1", "c2", "c1", "c3")]

    assert [1, 2, 1, 3] == [one["consents"] for one in told]
    assert 3 == here.get(f"/v1/members/{M}/contact")["consents"]


def test_a_consent_needs_a_key_of_its_own_member(here: Stage) -> None:
    """400 without one, 422 for one that was used for something else."""
    put(here, WHOLE)
    here.ask("PUT", "/v1/members/m-2/contact", {**WHOLE, "email": None})
    consent(here, "c1")

    assert 400 == here.ask("POST", f"/v1/members/{M}/wechat-consents").status
    other = here.ask("POST", "/v1/members/m-2/wechat-consents", key="c1")
    assert (422, "IDEMPOTENCY_KEY_REUSED") == (other.status, other.code)


@pytest.mark.parametrize("contact", [{}, {"wechat": "oABC-def_123"}, {"wechat": None, "wechat_kind": "mini"}])
def test_a_consent_needs_the_openid_of_a_mini_program(here: Stage, contact: dict[str, Any]) -> None:
    """422 that says so; an official account needs none."""
    put(here, contact)

    answer = consent(here, "c1")

    assert (422, ["wechat"]) == (answer.status, [fault["field"] for fault in answer.body["errors"]])
    put(here, WHOLE)
    assert 1 == consent(here, "c1").body["consents"]


def test_consents_have_a_limit(here: Stage) -> None:
    """409 that names it; a client in a loop fills nothing up."""
    put(here, WHOLE)
    for number in range(CONSENTS_MAX):
        assert 200 == consent(here, f"c{number}").status

    answer = consent(here, "one-more")

    assert 409 == answer.status
    assert ("LIMIT_REACHED", "wechat_consents", CONSENTS_MAX) == (
        answer.code,
        answer.body["limit"],
        answer.body["allowed"],
    )
