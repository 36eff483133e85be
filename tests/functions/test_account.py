"""The account function: what a member, the shop and an operator see."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import quote, unquote

import pytest

from functions.account import app as account_app
from jifen import runtime
from jifen.runtime import Runtime
from local.replay import api_request
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Context, Stage, instant, paid, refunded

M = "m-1"
ZERO = {"earned": 0, "redeemed": 0, "expired": 0, "clawed_back": 0}


@pytest.fixture(scope="module")
def history(stage: Stage) -> Any:
    """One member with a history: two orders, a refund, a redemption and an open hold."""
    stage.clear()
    stage.earn(paid("o-1", M, 10_000, occurred_at=instant(-30)))
    stage.earn(paid("o-2", M, 20_000))
    stage.earn(refunded("o-2", "r-1", M, 5_000, occurred_at=instant(0.5)))
    stage.move_to("2011-01-11T09:00:00+00:00")
    assert 201 == stage.redeem(M, 30, "k-1").status
    assert 201 == stage.hold(M, 20, "h-1", expires_in_s=86_400).status
    return stage.remember()


@pytest.fixture
def here(stage: Stage, history: Any) -> Stage:
    """The member's history, as it was made."""
    stage.go_back(history)
    return stage


def page(stage: Stage, **query: str) -> Answer:
    """A page of entries, or why there is none."""
    named = {name.rstrip("_"): value for name, value in query.items()}
    return stage.ask("GET", f"/v1/members/{M}/entries", query=named)


def sequences(stage: Stage, **query: str) -> list[int]:
    """The sequences of a page."""
    answer = page(stage, **query)
    assert 200 == answer.status, answer
    return [entry["sequence"] for entry in answer.body["entries"]]


# The member object ---------------------------------------------------------------------------------------------------


def test_the_member_object_is_the_contract_s(here: Stage) -> None:
    """Every field, and balance = available + pending + held - debt."""
    answer = here.ask("GET", f"/v1/members/{M}")

    assert (200, "application/json", "no-store") == (
        answer.status,
        answer.headers["content-type"],
        answer.headers["cache-control"],
    )
    assert {
        "member_id": M,
        "status": "ACTIVE",
        "available": 200,
        "pending": 0,
        "held": 20,
        "debt": 0,
        "balance": 220,
        "lifetime": {"earned": 300, "redeemed": 30, "expired": 0, "clawed_back": 50},
        "tier": {},
        "version": 5,
        "next_expiry": {"on": "2011-12-31", "points": 50},
    } == answer.body


@pytest.mark.parametrize("member", ["nobody", "会员", "🧿" * 128, "a%2Fb", "x" * 128, "50%25"])
def test_a_member_nobody_has_seen_is_all_zeros(stage: Stage, member: str) -> None:
    """No 404 and nothing written: any id may come to buy tomorrow."""
    stage.clear()
    name = unquote(member)

    path = f"/v1/members/{quote(name, safe='')}"
    found = {part: stage.get(f"{path}{part}") for part in ("", "/lots", "/entries", "/proof")}

    assert {
        "member_id": name,
        "status": "ACTIVE",
        **dict.fromkeys(("available", "pending", "held", "debt", "balance", "version"), 0),
        "lifetime": ZERO,
        "tier": {},
        "next_expiry": None,
    } == found[""]
    assert {"lots": []} == found["/lots"]
    assert {"entries": [], "cursor": None} == found["/entries"]
    genesis = hashlib.sha256(b"jifen ledger 1\n" + name.encode()).hexdigest()
    assert (True, 0, genesis) == tuple(found["/proof"][part] for part in ("valid", "entries", "head_hash"))
    assert [] == stage.table()


@pytest.mark.parametrize(
    "member", ["50%25", "a%41", "%", "a/b", "a?b#c", "a+b", "🧿", "会员", '"a"', "..", "{id}", "\\1"]
)
def test_a_member_id_is_decoded_exactly_once(here: Stage, member: str) -> None:
    """An HTTP API hands path parameters over decoded; what looks encoded in them is part of the id."""
    here.earn(paid("o-odd", member, 700))
    event = api_request("GET", f"/v1/members/{member}", None, member, MEMBER)
    event |= {"routeKey": "GET /v1/members/{id}", "pathParameters": {"id": member}}

    answer = Answer.of(here.call("account", event))

    assert (200, member, 7) == (answer.status, answer.body.get("member_id"), answer.body.get("available"))


def test_what_time_has_done_is_seen_before_any_sweep(here: Stage) -> None:
    """Lapsed lots and lapsed holds are gone from every view at once, and nothing is written by looking."""
    before = here.table()
    here.move_to("2012-01-01T00:00:00+00:00")

    view = here.member(M)
    lots = here.get(f"/v1/members/{M}/lots")["lots"]

    assert (150, 0, 70) == (view["available"], view["held"], view["lifetime"]["expired"])
    left = {"days_left": 30, "ends_at": "2012-02-01T00:00:00Z"}
    assert [{"points": 150, "expires_on": "2012-01-31", "active_from": None} | left] == lots
    assert {"on": "2012-01-31", "points": 150} == view["next_expiry"]
    assert before == here.table()


def test_lots_are_listed_soonest_first(here: Stage) -> None:
    """Points, last valid day, the day they become active while that is ahead, and what is left of their time."""
    today = here.now.date()
    soon, late = date(2011, 12, 31), date(2012, 1, 31)
    assert {
        "lots": [
            {
                "points": 50,
                "expires_on": "2011-12-31",
                "active_from": None,
                "days_left": (soon - today).days,
                "ends_at": "2012-01-01T00:00:00Z",
            },
            {
                "points": 150,
                "expires_on": "2012-01-31",
                "active_from": None,
                "days_left": (late - today).days,
                "ends_at": "2012-02-01T00:00:00Z",
            },
        ]
    } == here.get(f"/v1/members/{M}/lots")


# Entries -------------------------------------------------------------------------------------------------------------


def test_entries_come_newest_first_with_everything_about_them(here: Stage) -> None:
    """Each field of the contract, and the chain from one to the next."""
    entries = page(here).body["entries"]

    assert [5, 4, 3, 2, 1] == [entry["sequence"] for entry in entries]
    assert [
        ("hold", "HOLD_AUTHORIZED", 0, 220),
        ("redeem", "REDEMPTION", -30, 220),
        ("clawback", "ORDER_REFUNDED", -50, 250),
        ("earn", "ORDER_PAID", 200, 300),
        ("earn", "ORDER_PAID", 100, 100),
    ] == [tuple(entry[name] for name in ("kind", "reason", "points", "balance_after")) for entry in entries]
    clawback = entries[2]
    assert {"type": "order", "id": "o-2"} == clawback["source"]
    assert ("2011-01-10T21:00:00Z", "2011-01-10T09:00:00Z") == (clawback["occurred_at"], clawback["recorded_at"])
    assert [{"points": -50, "expires_on": "2012-01-31", "active_from": None}] == clawback["lots"]
    assert 15_000 == clawback["why"][0]["kept_minor"]
    assert {"granted_before": 200, "policy": "debt"} == clawback["why"][-1]
    required = {"sequence", "kind", "reason", "points", "balance_after", "source", "occurred_at", "recorded_at"}
    assert all(required | {"why", "lots"} <= entry.keys() for entry in entries)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "earn"}, [2, 1]),
        ({"kind": "transfer_in"}, []),
        ({"from_": "2011-01-10"}, [5, 4, 3, 2]),
        ({"to": "2011-01-10"}, [3, 2, 1]),
        ({"from_": "2011-01-10", "to": "2011-01-10"}, [3, 2]),
        ({"from_": "2011-01-10T21:00:00Z", "to": "2011-01-11T09:00:00Z"}, [3]),
        ({"from_": "2011-01-11T10:00:00+01:00"}, [5, 4]),
        ({"from_": "2011-01-12", "to": "2011-01-01"}, []),
        ({"kind": "redeem", "from_": "2011-01-11"}, [4]),
        ({"limit": "2"}, [5, 4]),
        ({"limit": "100"}, [5, 4, 3, 2, 1]),
        ({"unknown": "x"}, [5, 4, 3, 2, 1]),
    ],
    ids=str,
)
def test_filters_narrow_what_is_listed(here: Stage, query: dict[str, str], expected: list[int]) -> None:
    """By kind, and by when it happened: a day means the whole of it, ``to`` an instant means before it."""
    assert expected == sequences(here, **query)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("query", [{}, {"kind": "earn"}, {"from_": "2011-01-10"}], ids=str)
def test_paging_reaches_every_entry_once(here: Stage, query: dict[str, str], limit: int) -> None:
    """Page after page to the end, whatever the limit and filter: the same as in one page."""
    everything = sequences(here, limit="100", **query)
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        more = {"cursor": cursor} if cursor else {}
        answer = page(here, limit=str(limit), **query, **more)
        assert 200 == answer.status
        assert limit >= len(answer.body["entries"])
        seen += [entry["sequence"] for entry in answer.body["entries"]]
        cursor = answer.body["cursor"]
        assert len(seen) <= len(everything)

    assert everything == seen


def test_a_cursor_stays_where_it_is_while_entries_are_added(here: Stage) -> None:
    """New entries come before the first page, so the next one goes on where the last ended."""
    cursor = page(here, limit="2").body["cursor"]
    here.redeem(M, 1, "k-later")

    assert [3, 2] == sequences(here, limit="2", cursor=cursor)


# Proof ---------------------------------------------------------------------------------------------------------------


def test_the_proof_shows_every_equation(here: Stage) -> None:
    """Valid, with the number of entries, the last hash, and left and right of each equation."""
    proof = here.get(f"/v1/members/{M}/proof")

    assert (True, 5) == (proof["valid"], proof["entries"])
    assert here.entries(M)[-1]["hash"] == proof["head_hash"]
    assert all({"name", "left", "right", "holds"} == equation.keys() for equation in proof["equations"])
    assert all(equation["holds"] and equation["left"] == equation["right"] for equation in proof["equations"])
    assert 10 < len(proof["equations"])


def test_an_entry_that_was_tampered_with_is_found(here: Stage) -> None:
    """A changed amount, a changed account and a missing entry each make the proof fail and say where."""
    item = {"pk": {"S": f"M#{M}"}, "sk": {"S": "E#000000000002"}}
    here.dynamodb.update_item(
        TableName=here.name,
        Key=item,
        UpdateExpression="SET points = :p",
        ExpressionAttributeValues={":p": {"N": "2000"}},
    )
    changed = here.get(f"/v1/members/{M}/proof")
    here.dynamodb.delete_item(TableName=here.name, Key=item)
    missing = here.get(f"/v1/members/{M}/proof")

    assert (False, 1) == (changed["valid"], changed["entries"])
    assert "the chain breaks at entry 2" == changed["equations"][0]["left"]
    assert (False, "entry 2 is missing") == (missing["valid"], missing["equations"][0]["left"])


# Contact -------------------------------------------------------------------------------------------------------------


def put(stage: Stage, body: dict[str, Any], **more: Any) -> Answer:
    """Keep how the member is reached."""
    return stage.ask("PUT", f"/v1/members/{M}/contact", body, **more)


def test_a_contact_is_kept_and_the_same_again_changes_nothing(here: Stage) -> None:
    """200 with what is kept; English unless said; null takes the address away; no Idempotency-Key is needed."""
    first = put(here, {"email": "a@example.com"})
    before = here.table()
    again = put(here, {"email": "a@example.com", "language": "en", "ignored": 1})
    same = here.table()
    other = put(here, {"email": "b.c+d@mail.example.co.uk", "language": "zh"})
    gone = put(here, {"email": None})

    assert (M, "a@example.com", "en") == tuple(first.body[name] for name in ("member_id", "email", "language"))
    assert first == again
    assert before == same
    assert ("b.c+d@mail.example.co.uk", "zh") == (other.body["email"], other.body["language"])
    assert (200, None) == (gone.status, gone.body["email"])


def test_a_contact_of_a_member_nobody_has_seen_is_kept_too(stage: Stage) -> None:
    """A shop may register the address first; it makes no account."""
    stage.clear()

    assert 200 == put(stage, {"email": "new@example.com"}, subject=M, scopes=MEMBER).status
    assert 0 == stage.member(M)["version"]


# Who sees it ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["", "/lots", "/entries", "/proof"])
def test_a_member_sees_the_own_account_and_no_other(here: Stage, part: str) -> None:
    """200 on the own account, 403 on any other, there or not; staff sees all."""
    own = here.ask("GET", f"/v1/members/{M}{part}", subject=M, scopes=f"openid {MEMBER}")
    others = [here.ask("GET", f"/v1/members/{name}{part}", subject="m-2", scopes=MEMBER) for name in (M, "nobody")]
    staff = [here.ask("GET", f"/v1/members/{M}{part}", scopes=scope) for scope in (SHOP, OPERATOR, ADMIN)]

    assert 200 == own.status
    assert [(403, "FORBIDDEN")] * 2 == [(answer.status, answer.code) for answer in others]
    assert [own.body] * 3 == [answer.body for answer in staff]


# Whose account -------------------------------------------------------------------------------------------------------


def claimed(stage: Stage, claims: dict[str, Any], member: str) -> Answer:
    """Ask for a member's balance with these claims, on a stack whose member claim is ``username``."""
    event = api_request("GET", f"/v1/members/{member}", None, "", "")
    event["requestContext"]["authorizer"]["jwt"]["claims"] = claims
    settings = replace(stage.settings, member_claim="username")
    with runtime.use(Runtime(settings, clock=lambda: stage.now, ledger=stage.runtime.ledger)):
        return Answer.of(account_app.handler(event, Context()))


def test_the_member_claim_names_the_account_where_the_stack_has_its_own_pool(here: Stage) -> None:
    """Cognito's sub is an id of its own; the user's name is the shop's customer id."""
    claims = {"sub": "6f2d0c3e-uuid", "username": M, "scope": MEMBER}

    assert (200, M) == ((own := claimed(here, claims, M)).status, own.body["member_id"])
    assert 403 == claimed(here, claims, "m-2").status
    assert 403 == claimed(here, claims, "6f2d0c3e-uuid").status


@pytest.mark.parametrize("name", [None, "", 17, " "])
def test_a_member_token_without_the_claim_reaches_no_account(here: Stage, name: object) -> None:
    """Not even one whose id is the token's sub."""
    assert 403 == claimed(here, {"sub": M, "username": name, "scope": MEMBER}, M).status


def test_a_shop_token_needs_no_member_claim(here: Stage) -> None:
    """A machine's token has none."""
    assert 200 == claimed(here, {"sub": "shop", "scope": SHOP}, M).status
