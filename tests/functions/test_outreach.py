"""What operators see of messages: previews, trials to an address of their own, what did not go out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jifen.domain.failed_notices import FailedNotice
from jifen.domain.notices import NoticeKind
from jifen.domain.wording import LANGUAGES
from jifen.runtime import use
from jifen.service.ports import Contact, Message, NotSent, Posting, Undeliverable
from tests.functions.stage import ADMIN, MEMBER, NOW, OPERATOR, SHOP, Answer, Stage, paid
from tests.store.patient import Patient

M = "m-1"
CHANNELS = ("webhook", "event", "email", "sms", "push", "wechat")
PROGRAM = {
    "time_zone": "Europe/London",
    "currency": "GBP",
    "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 100, "title": "Gold"}]},
}
KINDS = tuple(str(kind) for kind in NoticeKind)


@dataclass
class Channel:
    """A channel that keeps what it sent, or fails."""

    channel: str
    failure: Exception | None = None
    reached: bool = True
    sent: list[Message] = field(default_factory=list)

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        return contact is not None and self.reached

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        self.sent.append(message)
        if self.failure:
            raise self.failure


EMAIL, WECHAT, WEBHOOK = Channel("email"), Channel("wechat"), Channel("webhook")


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop that sends mails and WeChat messages."""
    here = Stage("outreach", program=PROGRAM, notifiers=(EMAIL, WECHAT, WEBHOOK))
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """Nobody was sent anything."""
    stage_.clear()
    for channel in (EMAIL, WECHAT, WEBHOOK):
        channel.sent.clear()
        channel.failure, channel.reached = None, True
    return stage_


def preview(here: Stage, **body: Any) -> Answer:
    """Look at a message."""
    return here.ask("POST", "/v1/notices/preview", body, subject="op", scopes=OPERATOR)


def try_out(here: Stage, key: str = "t1", **body: Any) -> Answer:
    """Send one to an address of one's own."""
    asked = {"kind": "points.expiring", "channel": "email", "to": "op@example.com"} | body
    asked = {name: value for name, value in asked.items() if value is not ...}
    return here.ask("POST", "/v1/notices/test-send", asked, subject="op", scopes=OPERATOR, key=key)


def audit(here: Stage) -> list[dict[str, Any]]:
    """The lines of the audit, newest first."""
    found = here.ask("GET", "/v1/audit", subject="ad", scopes=ADMIN, query={"month": f"{NOW:%Y-%m}"})
    lines: list[dict[str, Any]] = found.body["lines"]
    return lines


# Previews ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_can_be_looked_at(here: Stage, kind: str, channel: str, language: str) -> None:
    """Of invented facts, and nothing is written or sent."""
    answer = preview(here, kind=kind, channel=channel, language=language)

    assert 200 == answer.status
    body = answer.body
    assert (channel, language, [kind], [kind]) == tuple(
        body[name] for name in ("channel", "language", "kinds", "sampled")
    )
    assert body["text"]
    assert ("<html" in (body["html"] or "")) is (channel == "email")
    assert (body["segments"] in {1, 2}) is (channel == "sms")
    assert ([], [], []) == (here.table(), EMAIL.sent, WECHAT.sent)


def test_a_mail_in_english_is_the_usual_preview(here: Stage) -> None:
    """As in the docs."""
    body = preview(here, kind="points.expiring").body

    assert "120 points expire after 17 January 2011" == body["subject"]
    assert "120 points can be used through 17 January 2011: 7 more days. After that they expire." in body["text"]
    assert "https://shop.example/unsubscribe" in body["html"]


def test_a_text_message_tells_its_length(here: Stage) -> None:
    """Before anybody pays for it."""
    body = preview(here, kind="points.expiring", channel="sms", language="zh").body

    assert ("UCS-2", len(body["text"]), 1) == (body["encoding"], body["units"], body["segments"])


def test_several_kinds_are_one_message(here: Stage) -> None:
    """Each once, in the order they are asked for."""
    body = preview(here, kind="tier.reached", also=["points.expiring", "tier.reached"]).body

    assert ["tier.reached", "points.expiring"] == body["kinds"]
    assert "You have reached Gold, and 1 more" == body["subject"]


def test_facts_of_one_s_own(here: Stage) -> None:
    """In place of the invented ones, and escaped like any."""
    body = preview(here, kind="reward.affordable", facts={"title": "<b>杯子</b>", "points": 1}).body

    assert "“<b>杯子</b>” costs 1 point, and you have enough" in body["text"]
    assert "&lt;b&gt;杯子&lt;/b&gt;" in body["html"]
    assert "<b>" not in body["html"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "reward.in_stock"}, "kind"),
        ({"kind": None}, "kind"),
        ({"channel": "fax"}, "channel"),
        ({"language": "fr"}, "language"),
        ({"also": ["nonsense"]}, "also.0"),
        ({"also": ["tier.reached"] * 6}, "also"),
        ({"member_id": " "}, "member_id"),
        ({"facts": {"pts": 1}}, "facts.pts"),
        ({"facts": {"points": 1.5}}, "facts.points"),
        ({"facts": []}, "facts"),
        ({"more": 1}, "more"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_by_name(here: Stage, body: dict[str, Any], field: str) -> None:
    """422."""
    answer = preview(here, **({"kind": "points.expiring"} | body))

    assert (422, [field]) == (answer.status, [one["field"] for one in answer.body["errors"]])


def test_a_member_s_own_facts(here: Stage) -> None:
    """What the member would be told today, in the member's language; what there is none of is invented."""
    here.earn(paid("o-1", M, 12_300))
    here.ask("PUT", f"/v1/members/{M}/contact", {"language": "zh", "email": None})
    before = here.table()
    asked = {"kind": "points.expiring", "also": [kind for kind in KINDS if kind != "points.expiring"]}

    body = preview(here, member_id=M, **asked).body

    assert ("zh", 123) == (body["language"], body["available"])
    assert {"points.dormant", "reward.affordable", "tier.at_risk"} == set(body["sampled"])
    facts = body["facts"]
    assert {"points": 123, "lot_expires_on": "2012-01-31", "lead_days": 386, "days_left": 386} == (
        facts["points.expiring"]
    )
    assert {"amount_minor": 123, "currency": "GBP"} == facts["points.balance_reached"]["worth"]
    assert ("gold", "Gold") == (facts["tier.reached"]["tier"], facts["tier.reached"]["title"])
    assert "您有123积分将于2012年1月31日到期（另有5条提醒）" == body["subject"]
    assert before == here.table()


def test_a_member_nobody_has_seen_has_invented_facts(here: Stage) -> None:
    """And no points."""
    body = preview(here, kind="points.expiring", member_id="nobody").body

    assert (["points.expiring"], 0) == (body["sampled"], body["available"])
    assert "You have no points to spend now." in body["text"]


@pytest.mark.parametrize("scopes", [MEMBER, SHOP])
def test_operators_alone_look_at_messages(here: Stage, scopes: str) -> None:
    """And send trials, and see what failed."""
    body = {"kind": "points.expiring"}
    sent = here.ask("POST", "/v1/notices/test-send", body, subject=M, scopes=scopes, key="k")
    looked = here.ask("POST", "/v1/notices/preview", body, subject=M, scopes=scopes)
    failed = here.ask("GET", "/v1/notices/failed", subject=M, scopes=scopes)

    assert [403] * 3 == [sent.status, looked.status, failed.status]
    assert [] == EMAIL.sent


# Trials --------------------------------------------------------------------------------------------------------------


def test_a_trial_goes_to_the_address_that_is_named(here: Stage) -> None:
    """Once for each key, as a trial, of no member; a line of the audit says who sent what."""
    first, again = try_out(here, language="zh"), try_out(here, language="zh")

    assert {"channel": "email", "sent": True, "why": None, "again": False} == first.body
    assert first.body == again.body
    (message,) = EMAIL.sent
    assert message.trial
    assert ("sample", "op@example.com", "zh", 0) == (
        message.member,
        message.contact and message.contact.email,
        message.contact and message.contact.language,
        message.contact and message.contact.version,
    )
    (line,) = audit(here)
    assert ("operator:op", "notices.tried", "email") == (line["actor"], line["action"], line["target"])
    assert {"channel": "email", "kinds": ["points.expiring"], "to": "op@…com", "sent": True} == line["details"]


def test_a_trial_about_a_member_touches_nothing_of_the_member(here: Stage) -> None:
    """The facts are the member's, the address is not, and neither is the id."""
    here.earn(paid("o-1", M, 12_300))
    here.ask("PUT", f"/v1/members/{M}/contact", {"email": "m1@example.com", "language": "zh"})
    before = [one for one in here.table() if f"M#{M}" in one]

    try_out(here, member_id=M)

    (message,) = EMAIL.sent
    assert ("sample", "op@example.com") == (message.member, message.contact and message.contact.email)
    assert 123 == message.notices[0].facts["points"]
    assert M not in {one.member for one in message.notices}
    assert before == [one for one in here.table() if f"M#{M}" in one]


@pytest.mark.parametrize(
    ("failure", "again"), [(NotSent("the mail service did not answer"), True), (Undeliverable("refused"), False)]
)
def test_a_trial_says_what_the_provider_said(here: Stage, failure: Exception, again: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """An answer, not an error: that is what a trial is for."""
    EMAIL.failure = failure

    answer = try_out(here)

    assert (200, {"channel": "email", "sent": False, "why": str(failure), "again": again}) == (
        answer.status,
        answer.body,
    )
    assert audit(here)[0]["details"]["sent"] is False


def test_a_trial_over_wechat_is_of_the_kind_that_is_named(here: Stage) -> None:
    """With a consent that nobody has to have given."""
    try_out(here, channel="wechat", to="oABC-def_123", wechat_kind="mini")

    contact = WECHAT.sent[0].contact
    assert contact is not None
    assert ("oABC-def_123", "mini", 1) == (contact.wechat, contact.wechat_kind, contact.consents)


def test_a_trial_to_the_shop_needs_no_address(here: Stage) -> None:
    """The endpoint is the shop's own."""
    assert try_out(here, channel="webhook", to=...).body["sent"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": ...}, "to"),
        ({"to": "nobody"}, "to"),
        ({"to": "op@example.com\nBcc: x@example.com"}, "to"),
        ({"to": "+447700900123"}, "to"),
        ({"channel": "wechat", "to": "op@example.com"}, "to"),
        ({"channel": "sms", "to": "+447700900123"}, "channel"),
        ({"wechat_kind": "video"}, "wechat_kind"),
        ({"facts": {"points": -1}}, "facts.points"),
    ],
)
def test_a_trial_that_cannot_be_sent_is_refused_by_name(here: Stage, body: dict[str, Any], field: str) -> None:
    """422, nothing is sent and nothing is written."""
    answer = try_out(here, **body)

    assert (422, [field]) == (answer.status, [one["field"] for one in answer.body["errors"]])
    assert ([], []) == (EMAIL.sent, here.table())


def test_a_trial_that_no_channel_takes_is_refused(here: Stage) -> None:
    """A mini program that is not set up."""
    WECHAT.reached = False

    answer = try_out(here, channel="wechat", to="oABC-def_123", wechat_kind="mini")

    assert (422, "to") == (answer.status, answer.body["errors"][0]["field"])


def test_a_trial_under_a_used_key(here: Stage) -> None:
    """Another request under it is refused; without one nothing is sent."""
    try_out(here)

    other = try_out(here, to="other@example.com")
    without = here.ask("POST", "/v1/notices/test-send", {"kind": "points.expiring"}, subject="op", scopes=OPERATOR)

    assert ["IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_MISSING"] == [other.code, without.code]
    assert 1 == len(EMAIL.sent)


# What failed ---------------------------------------------------------------------------------------------------------


def fail(here: Stage, number: int, at: datetime = NOW) -> None:
    """Keep a message that did not go out."""
    at = at.astimezone(UTC) + timedelta(seconds=number)
    notice = FailedNotice(
        f"{at:%Y-%m}", at, f"{number:032x}", M, "email", "the mail service refused the message", ("tier.reached",), 5
    )
    here.runtime.ledger.commit(Posting(documents=(notice,)), Patient())


def failed(here: Stage, **query: str) -> Answer:
    """Look at what did not go out."""
    return here.ask("GET", "/v1/notices/failed", subject="op", scopes=OPERATOR, query=query)


def test_what_did_not_go_out_is_listed_newest_first(here: Stage) -> None:
    """Page by page, of this month unless said."""
    for number in range(5):
        fail(here, number)
    fail(here, 9, NOW - timedelta(days=40))

    first = failed(here, limit="3").body
    second = failed(here, limit="3", cursor=first["cursor"]).body

    assert ("2011-01", 3) == (first["month"], len(first["notices"]))
    assert [f"{number:032x}" for number in (4, 3, 2, 1, 0)] == [
        one["notice_id"] for one in (*first["notices"], *second["notices"])
    ]
    assert second["cursor"] is None
    assert {
        "at": "2011-01-10T09:00:04Z",
        "notice_id": f"{4:032x}",
        "member_id": M,
        "channel": "email",
        "kinds": ["tier.reached"],
        "why": "the mail service refused the message",
        "tries": 5,
    } == first["notices"][0]
    assert [f"{9:032x}"] == [one["notice_id"] for one in failed(here, month="2010-12").body["notices"]]


def test_a_cursor_of_another_list_is_refused(here: Stage) -> None:
    """Of another month too."""
    for number in range(3):
        fail(here, number)
    cursor = failed(here, limit="1").body["cursor"]

    assert 422 == failed(here, cursor=cursor, month="2010-12").status
    assert 422 == failed(here, cursor="nonsense").status


@pytest.mark.parametrize("query", [{"month": "2011-13"}, {"month": "2011-1"}, {"limit": "0"}, {"limit": "101"}])
def test_months_and_limits_that_are_none(here: Stage, query: dict[str, str]) -> None:
    """422."""
    assert 422 == failed(here, **query).status


def test_a_preview_is_the_message_that_is_sent(here: Stage) -> None:
    """Webhook and event show the very data."""
    body = preview(here, kind="tier.reached", channel="event", language="en").body

    (detail,) = json.loads(body["text"])
    assert {"tier": "gold", "title": "Gold", "member_id": "sample"}.items() <= detail.items()
