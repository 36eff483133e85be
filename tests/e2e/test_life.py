"""The life of a point from outside: mails before it ends, events at the shop's door, sweeps, logins, policies."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.e2e.outside import PROGRAM, Outside, until
from tests.e2e.test_schedules import FIRED_WITHIN_S, _lots, _mail_to, as_of

pytestmark = pytest.mark.e2e

LIFE_DAYS = PROGRAM["expiry"]["days"]
KNOWN_AFTER_S = 11.0
"""A new endpoint gets what happens from ten seconds after it was made."""

SENT_WITHIN_S = 120.0
"""The stream is read in its order: what other tests have changed before is told before."""


class Shop:
    """An endpoint of the shop: keeps what it is sent, and answers what it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        shop = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                shop.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(shop.answers.pop(0) if shop.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's own name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/points"

    def events(self, kind: str, member: str) -> list[dict[str, Any]]:
        """What it was told of a member, of one type."""
        bodies = [json.loads(body) for _, body in self.got]
        return [one for one in bodies if (one["type"], one["member_id"]) == (kind, member)]


@contextmanager
def shop() -> Iterator[Shop]:
    """A shop that listens on this machine while the test runs."""
    made = Shop()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


def signed_by(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether a delivery carries the signature of a secret, by the letter of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return expected in headers["webhook-signature"].split(" ")


def reach(outside: Outside, member: str, language: str) -> str:
    """Give a member an address; which."""
    address = f"{member}@member.example"
    body = {"email": address, "language": language}
    assert 200 == outside.call("PUT", f"/v1/members/{member}/contact", body, token=outside.machine()).status
    return address


def remind(outside: Outside, day: date) -> None:
    """A reminder run at ten in the morning of a day of the program's zone, to its end."""
    outside.invoke("Remind", {"as_of": as_of(day, 10)})
    until(lambda: outside.waiting("RemindQueue"), lambda count: count == 0)


@pytest.mark.parametrize(
    ("member", "language", "subjects"),
    [
        ("m-life-zh", "zh", "您有70积分将于{day:%Y年%-m月%-d日}到期"),
        ("m-life-en", "en", "70 points expire after {day.day} {day:%B %Y}"),
    ],
    ids=["zh", "en"],
)
def test_a_member_gets_a_mail_thirty_seven_and_three_days_before(
    outside: Outside, member: str, language: str, subjects: str
) -> None:
    """One for each lead, in the member's language, however often the run is repeated; and none on other days."""
    address = reach(outside, member, language)
    outside.give(member, 70)
    (lot,) = _lots(outside, member)
    last = date.fromisoformat(lot["expires_on"])
    assert last == datetime.fromisoformat(lot["ends_at"]).date(), "the last day ends on it, in UTC"

    for number, lead in enumerate((30, 7, 3), start=1):
        remind(outside, last - timedelta(days=lead))
        mails = until(lambda: _mail_to(outside, address), lambda found, n=number: len(found) >= n, FIRED_WITHIN_S)  # type: ignore[misc]
        remind(outside, last - timedelta(days=lead))
        remind(outside, last - timedelta(days=lead - 1))
        assert number == len(_mail_to(outside, address)) == len(mails)

    for mail, lead in zip(_mail_to(outside, address), (30, 7, 3), strict=True):
        assert mail["Subject"].startswith(subjects.format(day=last))
        assert str(lead) in mail["BodyText"]
        assert "70" in mail["BodyHtml"]


def test_a_click_in_a_mail_ends_the_mails(outside: Outside) -> None:
    """A look at the link changes nothing, its button ends the mails; the points and the bus go on."""
    member = "m-leaves"
    address = reach(outside, member, "en")
    outside.give(member, 30)
    (lot,) = _lots(outside, member)
    last = date.fromisoformat(lot["expires_on"])
    remind(outside, last - timedelta(days=30))
    (mail,) = until(lambda: _mail_to(outside, address), bool, FIRED_WITHIN_S)
    (link,) = set(re.findall(r"https?://\S+/v1/unsubscribe\?token=[\w.~-]+", mail["BodyText"]))
    assert link.startswith(outside.stack.api)

    with urlopen(link) as looked:  # noqa: S310 - the local AWS
        assert (200, True) == (looked.status, b"<form" in looked.read())
    contact = outside.call("GET", f"/v1/members/{member}/contact", token=outside.machine())
    assert [] == contact.body["refuses"]
    with urlopen(Request(link, data=b"List-Unsubscribe=One-Click", method="POST")) as left:  # noqa: S310 - as above
        assert 200 == left.status
    contact = outside.call("GET", f"/v1/members/{member}/contact", token=outside.machine())
    assert ["email"] == contact.body["refuses"]

    with outside.notices_to(member) as told:
        remind(outside, last - timedelta(days=7))
        until(lambda: [one for one in told() if one["detail-type"] == "points.expiring"], bool)
    assert [mail] == _mail_to(outside, address)


def test_every_change_reaches_the_shop_signed_and_can_be_sent_again(outside: Outside) -> None:
    """An endpoint gets what it asked for, again after a failure, and once more on request; the bus gets it, too."""
    member = "m-told"
    with shop() as door, outside.notices_to(member) as told:
        body = {"id": "shop-door", "url": door.url, "types": ["points.*"]}
        made = outside.operate("POST", "/v1/webhook-endpoints", body, who="admin")
        assert 201 == made.status, made
        secret = made.body["secret"]
        time.sleep(KNOWN_AFTER_S)
        door.answers.append(500)
        began = datetime.now(UTC) - timedelta(seconds=5)
        outside.give(member, 40)
        assert 201 == outside.redeem(member, 15, f"{member}-spends").status

        (spent,) = until(lambda: door.events("points.redeemed", member)[:1], bool, SENT_WITHIN_S)
        earned = until(lambda: door.events("points.earned", member), bool, SENT_WITHIN_S)
        entries = {entry["sequence"]: entry for entry in outside.entries(member)}
        assert (40, 40) == (earned[0]["data"]["points"], earned[0]["data"]["balance_after"])
        assert (-15, 25, 2) == tuple(spent["data"][name] for name in ("points", "balance_after", "sequence"))
        assert entries[2]["balance_after"] == spent["data"]["balance_after"]
        assert all(signed_by(secret, headers, body) for headers, body in door.got)
        assert {headers["webhook-id"] for headers, _ in door.got} == {json.loads(one)["id"] for _, one in door.got}
        on_the_bus = until(told, lambda found: any(one["detail-type"] == "points.redeemed" for one in found))
        assert spent["id"] in {one["detail"].get("id") for one in on_the_bus}

        before = len(door.events("points.redeemed", member))
        again = outside.operate(
            "POST", "/v1/webhook-endpoints/shop-door/replay", {"from": began.isoformat()}, who="admin"
        )
        assert 202 == again.status, again
        repeats = until(
            lambda: door.events("points.redeemed", member), lambda found: len(found) > before, SENT_WITHIN_S
        )
        assert {spent["id"]} == {one["id"] for one in repeats}
        log = outside.operate("GET", "/v1/webhook-endpoints/shop-door/deliveries")
        assert spent["id"] in {line["event_id"] for line in log.body["deliveries"]}
        assert secret not in json.dumps(log.body)
        gone = outside.operate("POST", "/v1/webhook-endpoints/shop-door/delete", {}, who="admin")
        assert 200 == gone.status, gone


def test_an_operator_pauses_a_sweep_and_nothing_is_lost(outside: Outside) -> None:
    """While it is paused nothing is written down; the run is seen, and a run after that does all of it."""
    member = "m-paused"
    outside.give(member, 20, days_ago=LIFE_DAYS - 3)
    (lot,) = _lots(outside, member)
    asked = {"as_of": as_of(date.fromisoformat(lot["expires_on"]) + timedelta(days=1))}
    try:
        assert outside.operate("PUT", "/v1/sweeps/expire", {"paused": True}).body["paused"] is True
        outside.invoke("Expire", asked)
        (expire,) = [one for one in outside.operate("GET", "/v1/sweeps").body["sweeps"] if one["sweep"] == "expire"]
        assert expire["paused"] is True
        assert 20 == outside.account(member)["available"] + outside.account(member)["lifetime"]["expired"]
        assert ["earn"] == [entry["kind"] for entry in outside.entries(member)]
    finally:
        assert outside.operate("PUT", "/v1/sweeps/expire", {"paused": False}).body["paused"] is False
    outside.invoke("Expire", asked)

    until(lambda: outside.account(member)["lifetime"]["expired"], lambda points: points == 20, FIRED_WITHIN_S)
    assert outside.is_proved(member)
    audit = outside.operate("GET", "/v1/audit", month=f"{datetime.now(UTC):%Y-%m}").body
    assert "sweep" in json.dumps(audit)


def test_a_login_is_noticed_once_a_day_and_policies_are_previewed(outside: Outside) -> None:
    """The first login of a day is written, the second is not; a draft with policies says whom it would touch."""
    member = "m-seen"
    outside.give(member, 50)
    seen = [
        outside.call("PUT", f"/v1/members/{member}/activity", {"kind": "login"}, token=outside.member(member)).body
        for _ in range(2)
    ]
    assert [True, False] == [one["recorded"] for one in seen]

    policy = {
        "id": "tidy",
        "starts_on": f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}",
        "when": {"inactive": {"months": 2, "without": ["login"], "known_since": "2026-01-01"}},
        "leave": {"days": 40},
    }
    program = {**PROGRAM, "validity": {"policies": [policy]}}
    draft = outside.operate("POST", "/v1/rulesets", {"program": program, "note": uuid.uuid4().hex})
    assert 201 == draft.status, draft
    number = draft.body["number"]
    page = outside.operate("POST", f"/v1/rulesets/{number}/validity-preview", {})
    assert 200 == page.status, page
    assert "tidy" in json.dumps(page.body)
