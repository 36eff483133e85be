"""The three signature schemes by themselves: published vectors, and headers that somebody made up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jifen.adapters.webhook import signatures
from jifen.adapters.webhook.signatures import body_alone, standard_webhooks, timestamped_hex

WEBHOOKS = Path(__file__).parents[3] / "shared" / "data" / "webhooks"
VECTORS = WEBHOOKS / "vectors.json"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="the published vectors are not on this machine")

NOT_SHARED = {"square": "signs the address of the endpoint before the body; no shop here does"}
"""Families of vectors for schemes that are not ours."""

FIXED = settings(derandomize=True, deadline=None, max_examples=300, database=None)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)

STAMP = 1_614_265_330
NOW = datetime.fromtimestamp(STAMP, UTC)
BODY = '{"名": 1}'.encode()
KEY, OTHER_KEY = "one secret", "another secret 密"
PADDED_KEY = "whsec_" + base64.b64encode(b"a key of twenty-four byte").decode()

Check = Callable[[str, Sequence[str]], bool]


def vectors(family: str) -> list[dict[str, Any]]:
    """The published vectors of a scheme; none where they are not on this machine."""
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text("utf-8"))[family] if VECTORS.exists() else []
    return found


def hex_of(body: bytes, stamp: object = STAMP, key: str = KEY) -> str:
    return hmac.new(key.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def base64_of(body: bytes, key: str = KEY) -> str:
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()


def standard_of(body: bytes, stamp: object = STAMP, key: str = PADDED_KEY) -> str:
    secret = base64.b64decode(key.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(secret, f"id.{stamp}.".encode() + body, hashlib.sha256).digest()).decode()


SCHEMES: Mapping[str, tuple[Check, str, str]] = {
    "standard": (
        lambda offered, secrets: standard_webhooks("id", str(STAMP), offered, BODY, secrets, NOW),
        standard_of(BODY),
        PADDED_KEY,
    ),
    "timestamped": (
        lambda offered, secrets: timestamped_hex(offered, BODY, secrets, NOW),
        f"t={STAMP},v1={hex_of(BODY)}",
        KEY,
    ),
    "body": (lambda offered, secrets: body_alone(offered, BODY, secrets), base64_of(BODY), KEY),
}
"""Each scheme over one body: the check, a good header, the secret behind it."""

HOSTILE = [
    "",
    " ",
    ",",
    "=",
    "v1",
    "v1,",
    "v1=",
    "t=",
    "t=,v1=",
    f"t={STAMP}",
    f"t={STAMP},v1=",
    f"t={STAMP},t={STAMP},v1={hex_of(BODY)}",
    f"t=+{STAMP},v1={hex_of(BODY)}",
    f"t={STAMP}.0,v1={hex_of(BODY)}",
    "t=9999999999999999999999,v1=00",
    "t=１６１４２６５３３０,v1=00",
    "v1,***",
    "v1,\ud800",
    "\ud800",
    "é",
    "签名",
    "\x00",
    "\r\nx: y",
    "v1,AAAA" * 5_000,
    "t=1," * 5_000,
    "A" * 100_000,
]


# Published vectors ---------------------------------------------------------------------------------------------------


@needs_vectors
def test_every_family_of_vectors_is_used_or_said_to_be_none_of_ours() -> None:
    """A family that is added to the file is looked at by somebody."""
    families = set(json.loads(VECTORS.read_text("utf-8")))

    assert {"standard_webhooks", "stripe", "hmac_sha256_rfc4231", *NOT_SHARED} == families


@needs_vectors
@pytest.mark.parametrize("vector", vectors("standard_webhooks"), ids=lambda vector: vector["id"])
def test_standard_webhooks_vectors(vector: dict[str, Any]) -> None:
    """The specification's own: one good, two bad."""
    now = datetime.fromtimestamp(int(vector["timestamp"]), UTC)

    verified = standard_webhooks(
        vector["msg_id"], vector["timestamp"], vector["signature"], vector["body"].encode(), (vector["secret"],), now
    )

    assert vector["valid"] == verified


@needs_vectors
@pytest.mark.parametrize("vector", vectors("stripe"), ids=lambda vector: vector["id"])
def test_stripe_vectors_within_their_tolerance(vector: dict[str, Any]) -> None:
    """The time in the header decides, at the vector's own clocks, and the body to its last byte."""
    body = (WEBHOOKS / vector["body_file"]).read_bytes()
    cases = [(vector["timestamp"], True), *((case["now"], case["accept"]) for case in vector["tolerance_cases"])]
    assert {signatures.TOLERANCE_S} == {case["tolerance"] for case in vector["tolerance_cases"]}

    for now, accepted in cases:
        clock = datetime.fromtimestamp(now, UTC)
        assert accepted == timestamped_hex(vector["header"], body, (vector["secret"],), clock)
        assert not timestamped_hex(vector["header"], body + b"\n", (vector["secret"],), clock)


@needs_vectors
@pytest.mark.parametrize("vector", vectors("hmac_sha256_rfc4231"), ids=lambda vector: vector["id"])
def test_rfc_4231_vectors_are_signatures_of_a_body_alone(vector: dict[str, Any]) -> None:
    """No shop publishes a vector for this scheme; HMAC-SHA256 itself has them."""
    key, body = bytes.fromhex(vector["key_hex"]).decode(), bytes.fromhex(vector["data_hex"])
    offered = base64.b64encode(bytes.fromhex(vector["hex"])).decode()

    assert body_alone(offered, body, (key,))
    assert not body_alone(offered, body + b"\x00", (key,))
    assert not body_alone(vector["hex"], body, (key,))


# Every scheme --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_good_header_is_good(scheme: str) -> None:
    """What the other tests bend is right to begin with, and under its own secret only."""
    check, good, secret = SCHEMES[scheme]

    assert check(good, (secret,))
    assert not check(good, (OTHER_KEY,))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("offered", HOSTILE)
def test_no_made_up_header_raises_or_passes(scheme: str, offered: str) -> None:
    """Whatever stands in the header, it is a wrong signature and nothing else."""
    check, _good, secret = SCHEMES[scheme]

    assert not check(offered, (secret, OTHER_KEY))


@FIXED
@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=3))
def test_no_header_and_no_secret_raises(offered: str, secrets: list[str]) -> None:
    """For any text in the header, the id, the time and the secrets."""
    for check, _good, _secret in SCHEMES.values():
        assert not check(offered, secrets)
    assert not standard_webhooks(offered, offered, offered, BODY, secrets, NOW)
    assert not timestamped_hex(f"t={STAMP},v1={offered}", BODY, secrets, NOW)


@FIXED
@given(st.sampled_from(sorted(SCHEMES)), st.data())
def test_a_header_changed_in_one_place_is_refused(scheme: str, data: st.DataObject) -> None:
    """Any other character anywhere in the signature, one taken away or one more: refused."""
    check, good, secret = SCHEMES[scheme]
    start = good.index(",") + 4 if scheme == "timestamped" else good.find(",") + 1
    place = data.draw(st.integers(start, len(good) - 1))
    other = data.draw(st.characters(exclude_categories=()).filter(lambda one: one not in {good[place], " ", ","}))

    assert not check(good[:place] + other + good[place + 1 :], (secret,))
    assert not check(good[:place] + good[place + 1 :], (secret,))
    assert not check(good[:place] + other + good[place:], (secret,))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_of_several_secrets_opens_and_a_broken_one_beside_it_does_no_harm(scheme: str) -> None:
    """While a secret is changed both are active; what cannot be a secret is passed over."""
    check, good, secret = SCHEMES[scheme]

    assert check(good, ("", "\ud800", OTHER_KEY, secret))
    assert check(good, (secret, OTHER_KEY))
    assert not check(good, ("", OTHER_KEY))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("secrets", [(), ("",), ("", "")])
def test_without_a_secret_nothing_is_verified(scheme: str, secrets: tuple[str, ...]) -> None:
    """An empty secret is none: a signature made with it is refused too."""
    check, good, _secret = SCHEMES[scheme]
    by_nothing = {
        "standard": standard_of(BODY, key="whsec_"),
        "timestamped": f"t={STAMP},v1={hex_of(BODY, key='')}",
        "body": base64_of(BODY, key=""),
    }

    assert not check(good, secrets)
    assert not check(by_nothing[scheme], secrets)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_pair_is_compared_wherever_the_right_one_stands(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time a check takes says neither which secret matched nor that one did."""
    check, good, secret = SCHEMES[scheme]
    spare = {"standard": PADDED_KEY[:-4] + "AAAA"}.get(scheme, OTHER_KEY)
    offers = {
        "standard": [f"{good} v1,AAAA v1,BBBB", f"v1,AAAA v1,BBBB {good}", "v1,AAAA v1,BBBB v1,CCCC"],
        "timestamped": [f"{good},v1=00,v1=11", f"t={STAMP},v1=00,v1=11,v1={hex_of(BODY)}", f"t={STAMP}" + ",v1=00" * 3],
        "body": [good, good, "AAAA"],
    }[scheme]
    compared: list[int] = []

    def counting(one: bytes, other: bytes) -> bool:
        compared[-1] += 1
        return hmac.compare_digest(one, other)

    fake = type("hmac", (), {"new": hmac.new, "compare_digest": staticmethod(counting)})
    monkeypatch.setattr(signatures, "hmac", fake)
    found = []
    for secrets in ((secret, spare), (spare, secret)):
        for offered in offers:
            compared.append(0)
            found.append(check(offered, secrets))

    assert [True, True, False] * 2 == found
    assert [2 if scheme == "body" else 6] * 6 == compared


# Stripe's scheme -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock_off_s", "verified"), [(0, True), (300, True), (301, False), (-300, True), (-301, False), (10**9, False)]
)
def test_the_window_of_a_timestamped_signature_is_five_minutes_both_ways(clock_off_s: int, *, verified: bool) -> None:
    """Old ones are replays, and one from the future could be replayed for as long as it is ahead."""
    clock = datetime.fromtimestamp(STAMP + clock_off_s, UTC)

    assert verified == timestamped_hex(f"t={STAMP},v1={hex_of(BODY)}", BODY, (KEY,), clock)


@pytest.mark.parametrize(
    ("offered", "verified"),
    [
        ("t={t},v1=00,v1={good}", True),
        ("v0=11,v1={good},t={t},scheme=x", True),
        ("t={t},v0={good}", False),
        ("t={t},v1={upper}", False),
        ("t={t};v1={good}", False),
        ("t={t}, v1={good}", False),
        ("v1={good}", False),
    ],
)
def test_parts_of_a_timestamped_header_in_any_order(offered: str, *, verified: bool) -> None:
    """Several signatures may be offered, among parts of other kinds; one ``v1`` has to be right."""
    good = hex_of(BODY)

    assert verified == timestamped_hex(
        offered.format(t=STAMP, good=good, upper=good.upper()), BODY, (OTHER_KEY, KEY), NOW
    )
