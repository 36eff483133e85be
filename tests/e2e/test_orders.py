"""Orders in: from a shop's signed delivery to what the member sees, and what a delivery is refused for."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.e2e.outside import SAMPLES, Outside, Reply, order, signature_headers, until

pytestmark = pytest.mark.e2e

SOURCES = ("standard", "shopify", "woocommerce")
JSON = {"content-type": "application/json"}


def test_an_order_becomes_points_that_the_member_sees_with_their_reason(outside: Outside) -> None:
    """Webhook, queue, function, table and API, each the deployed one; the token is the member's own."""
    token = outside.member("m-buyer")
    outside.pay("m-buyer", "o-buyer", 300)

    seen = until(
        lambda: outside.call("GET", "/v1/members/m-buyer", token=token).body, lambda member: member["available"] > 0
    )
    entries = outside.call("GET", "/v1/members/m-buyer/entries", token=token).body["entries"]
    proof = outside.call("GET", "/v1/members/m-buyer/proof", token=token).body

    assert (300, 300, 300) == (seen["available"], seen["balance"], seen["lifetime"]["earned"])
    (entry,) = entries
    assert ("earn", "ORDER_PAID", 300) == (entry["kind"], entry["reason"], entry["points"])
    assert {"type": "order", "id": "o-buyer"} == entry["source"]
    assert [("base", 30_000, 300)] == [(why["rule"], why["kept_minor"], why["points"]) for why in entry["why"]]
    assert (True, 1) == (proof["valid"], proof["entries"])
    assert all(row["holds"] for row in proof["equations"])


def test_the_same_delivery_again_changes_nothing(outside: Outside) -> None:
    """A shop that got no answer sends again; what it sends after that comes through as ever."""
    for _ in range(3):
        outside.pay("m-again", "o-again", 40)
    outside.pay("m-again", "o-again-2", 2)
    outside.wait_for_balance("m-again", 42)

    assert [40, 2] == [entry["points"] for entry in outside.entries("m-again")]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_of_every_shop_is_worth_what_it_says(outside: Outside, path: Any) -> None:
    """Signed with the stack's own secret of that shop. Sums, not the balance: the sample grows old, and its lot too."""
    sample = json.loads(path.read_text(encoding="utf-8"))
    customer = sample["body"].get("customer_id") or sample["body"]["customer"]["id"]

    reply = outside.deliver(path.stem, sample["body"], sample["headers"])
    seen = until(lambda: outside.account(str(customer)), lambda member: member["version"] > 0)

    assert (202, {}) == (reply.status, reply.body)
    assert sample["points"] == seen["lifetime"]["earned"] - seen["lifetime"]["clawed_back"]
    assert outside.is_proved(str(customer))


def test_there_is_a_sample_of_every_shop() -> None:
    """The test above covers a new shop as soon as its sample is there."""
    assert sorted(SOURCES) == sorted(path.stem for path in SAMPLES)


def test_woocommerce_is_answered_when_it_tries_the_address(outside: Outside) -> None:
    """It saves a webhook only when this form, which it does not sign, is answered 200."""
    form = {"content-type": "application/x-www-form-urlencoded"}

    assert (200, {}) == _plain(outside.send("POST", "/webhooks/woocommerce", form, b"webhook_id=7"))
    assert 401 == outside.send("POST", "/webhooks/shopify", form, b"webhook_id=7").status


def test_a_topic_that_is_none_of_ours_is_taken_and_forgotten(outside: Outside) -> None:
    """A shop that subscribes to more than it needs is not told off."""
    assert (200, {}) == _plain(outside.deliver("standard", {"type": "customer.created", "event_id": "c-1"}))


@pytest.mark.parametrize("source", ["magento", "STANDARD", "%00"])
def test_an_unknown_source_is_not_found(outside: Outside, source: str) -> None:
    """Whatever stands in the path."""
    reply = outside.send("POST", f"/webhooks/{source}", JSON, b"{}")

    assert (404, "UNKNOWN_SOURCE") == (reply.status, reply.code)


def test_every_kind_of_bad_signature_is_refused_with_one_and_the_same_body(outside: Outside) -> None:
    """Nobody learns what was wrong with it."""
    raw = json.dumps(order("m-thief", "o-thief", 1_000)).encode()
    secrets = outside.stack.webhook_secrets
    foreign = {"standard": "whsec_Zm9yZWlnbiBmb3JlaWduIGZvcmVpZ24=", "shopify": "f" * 64, "woocommerce": "f" * 64}
    replies: list[Reply] = []
    for source in SOURCES:
        good = signature_headers(source, raw, secrets[source])
        last = list(good)[-1]
        attempts = [
            ({}, raw),
            (signature_headers(source, raw, foreign[source]), raw),
            (good, raw + b" "),
            ({**good, last: good[last][:-4]}, raw),
            ({**good, last: ""}, raw),
            ({**good, last: "v1,*** \xff"}, raw),
        ]
        replies += [
            outside.send("POST", f"/webhooks/{source}", {**JSON, **headers}, body) for headers, body in attempts
        ]
    old = signature_headers("standard", raw, secrets["standard"], at=time.time() - 301)
    replies.append(outside.send("POST", "/webhooks/standard", {**JSON, **old}, raw))

    assert {(401, "SIGNATURE_REFUSED")} == {(reply.status, reply.code) for reply in replies}
    assert 1 == len({json.dumps(reply.body) for reply in replies})
    assert 0 == outside.account("m-thief")["version"]


def test_a_signed_body_that_cannot_be_read_is_told_so_field_by_field(outside: Outside) -> None:
    """400, so that the shop's developer sees it; nothing is queued."""
    faulty = {**order("m-faulty", "o-faulty", 5), "currency": "YUAN", "lines": "many"}

    reply = outside.deliver("standard", faulty)
    not_json = outside.deliver("standard", b"{")

    assert (400, "MALFORMED_EVENT") == (reply.status, reply.code)
    assert {"currency", "lines"} == {fault["field"] for fault in reply.body["errors"]}
    assert (400, "MALFORMED_EVENT") == (not_json.status, not_json.code)


def test_the_largest_order_goes_through(outside: Outside) -> None:
    """A thousand lines with long names are reduced and compressed until the queue takes them."""
    big = order("m-big", "o-big", 0)
    big["lines"] = [
        {"n": n, "sku": f"{n:04}" * 15, "qty": 1, "unit_price_minor": 100, "category": f"c{n}" * 20}
        for n in range(1_000)
    ]

    reply = outside.deliver("standard", big)
    outside.wait_for_balance("m-big", 1_000)

    assert 202 == reply.status


def _plain(reply: Reply) -> tuple[int, Any]:
    return reply.status, reply.body
