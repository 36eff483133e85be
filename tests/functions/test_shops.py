"""What holds for every shop: its sample is accepted when it is signed, earns what it says, and earns it once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from functions.redeem import app as redeem_app
from jifen.adapters.queues import decode
from jifen.adapters.webhook import SOURCES
from jifen.runtime import use
from tests.functions.stage import SECRET, Stage, delivery, signature

SAMPLES = Path(__file__).parents[2] / "local" / "samples"
CLOCK = datetime(2026, 11, 25, 12, tzinfo=UTC)
PLAIN_SECRET = "a secret that is plain text"


def test_points_can_be_used_on_orders_of_the_shops_that_are_heard_of() -> None:
    """Of each, and of no other: a misspelt one would keep the points when its order is given back."""
    assert sorted(SOURCES) == sorted(get_args(redeem_app.Source))


def standard_headers(raw: bytes) -> dict[str, str]:
    """Signed as Standard Webhooks asks for."""
    stamp = str(int(CLOCK.timestamp()))
    return {
        "webhook-id": "msg_sample",
        "webhook-timestamp": stamp,
        "webhook-signature": signature(raw, "msg_sample", stamp),
    }


def body_alone(header: str) -> Callable[[bytes], dict[str, str]]:
    """Signed by the base64 of the HMAC over the body."""

    def sign(raw: bytes) -> dict[str, str]:
        return {header: base64.b64encode(hmac.new(PLAIN_SECRET.encode(), raw, hashlib.sha256).digest()).decode()}

    return sign


SIGNERS: Mapping[str, Callable[[bytes], dict[str, str]]] = {
    "standard": standard_headers,
    "shopify": body_alone("X-Shopify-Hmac-Sha256"),
    "woocommerce": body_alone("X-WC-Webhook-Signature"),
}


@pytest.fixture(scope="module")
def shops(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """The default program, with a secret for every shop."""
    secrets = {source: (SECRET if source == "standard" else PLAIN_SECRET,) for source in SIGNERS}
    here = Stage("shops", program={}, secrets=secrets, now=CLOCK)
    with use(here.runtime):
        yield here


@pytest.fixture(autouse=True)
def nothing_yet(shops: Stage) -> None:
    """Each test begins with an empty table."""
    shops.clear()
    shops.move_to(CLOCK)


def sample_of(source: str) -> dict[str, Any]:
    """A sample as it is written down."""
    found: dict[str, Any] = json.loads((SAMPLES / f"{source}.json").read_text("utf-8"))
    return found


def sent(shops: Stage, source: str, *, spoil: bool = False) -> int:
    """The status that the sample is answered with; ``spoil`` changes its first byte after it was signed."""
    sample = sample_of(source)
    raw = json.dumps(sample["body"], ensure_ascii=False).encode()
    headers = {"webhook-id": None, "webhook-timestamp": None, "webhook-signature": None}
    signed = {**headers, **sample["headers"], **SIGNERS[source](raw)}
    event = delivery(b"[" + raw[1:] if spoil else raw, CLOCK, source=source, headers=signed)
    return int(shops.call("webhook", event)["statusCode"])


def test_every_shop_has_a_sample_and_every_sample_a_shop() -> None:
    """A shop is one module, one row and one sample; beside them stands a sample program."""
    assert sorted([*SOURCES, "program"]) == sorted(path.stem for path in SAMPLES.glob("*.json"))


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_sample_says_what_it_is_and_carries_no_signature(source: str) -> None:
    """``about`` is a sentence, ``headers`` are what the shop sends besides its signature."""
    sample = sample_of(source)

    assert {"about", "headers", "body", "points"} == set(sample)
    assert sample["about"].endswith(".")
    signed = {name.lower() for name in SIGNERS[source](b"")}
    assert signed.isdisjoint(name.lower() for name in sample["headers"])


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_sample_earns_its_points_once(shops: Stage, source: str) -> None:
    """Accepted and earned; delivered and earned again it earns no more."""
    assert 202 == sent(shops, source)
    records = shops.queued()
    (member,) = {event.member for record in records for event in decode(record["body"])}
    assert member is not None

    first = shops.call("earn", {"Records": records})
    again = [sent(shops, source), sent(shops, source)]
    second = shops.call("earn", {"Records": records + shops.queued()})

    assert ([], []) == (first["batchItemFailures"], second["batchItemFailures"])
    assert [202, 202] == again
    assert sample_of(source)["points"] == shops.member(member)["available"] > 0
    assert 1 == len(shops.entries(member))
    assert shops.proved(member)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_sample_changed_by_a_byte_is_refused(shops: Stage, source: str) -> None:
    """The signature is over the bytes as they were sent."""
    assert 401 == sent(shops, source, spoil=True)
    assert 0 == shops.waiting()
