"""The channels against their providers as servers: what is handed over, and what each way of failing comes to."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
import urllib3

from jifen.adapters.notify.email import EmailNotifier
from jifen.adapters.notify.event import EventNotifier
from jifen.adapters.notify.push import PushNotifier
from jifen.adapters.notify.sms import SmsNotifier
from jifen.adapters.notify.webhook import WebhookNotifier
from jifen.adapters.notify.wechat import WeChatNotifier, WrongSetting, read
from jifen.domain import sms as lengths
from jifen.domain.endpoints import takes
from jifen.domain.errors import Busy
from jifen.domain.notice_samples import sample
from jifen.domain.notices import Notice, NoticeKind
from jifen.domain.outgoing import OutgoingEvent
from jifen.runtime import MissingSetting, Runtime, Settings
from jifen.service.contacting import Book, contact_of
from jifen.service.ports import Contact, Message, Notifier, NotSent, Patience, Posting, Undeliverable
from tests.fakes.end_user_messaging import EndUserMessaging
from tests.fakes.eventbridge import eventbridge
from tests.fakes.server import READ_TIMEOUT_S, serving
from tests.fakes.ses import Ses
from tests.fakes.sns import Sns
from tests.fakes.wechat import WeChat
from tests.service.ledgers import Contended
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

TODAY = date(2026, 11, 26)
DEVICE = "arn:aws:sns:eu-west-2:123456789012:endpoint/GCM/shop/1b2c"
LINK = "https://points.example.com/v1/unsubscribe?token=abc"
CONTACT = Contact(
    "m1", "m1@example.com", phone="+447700900123", push=DEVICE, wechat="openid-mini", wechat_kind="mini", consents=3
)
DATA = {"thing1": "title", "date2": "day", "number3": "points", "thing4": "text"}
APP = {"app_id": "wx1", "secret": "s3cret", "template_id": "T", "data": DATA}


def message(*kinds: NoticeKind, contact: Contact = CONTACT, **more: Any) -> Message:
    """A message about invented facts."""
    told = kinds or (NoticeKind.POINTS_EXPIRING,)
    notices = tuple(
        Notice(f"{number:032x}", kind, "m1", sample(kind, TODAY, "GBP")) for number, kind in enumerate(told)
    )
    return Message("a1" * 16, "m1", notices, 1_230, TODAY, contact, **more)


@dataclass
class Waits:
    """Seconds that a channel waited."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        """Wait no time at all."""
        self.seconds.append(seconds)


class Stuck(Contended):
    """A ledger that takes nothing."""

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Refuse it."""
        del posting, patience
        raise Busy


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def kept(ledger: MemoryLedger) -> MemoryLedger:
    """The ledger with the member's contact."""
    ledger.commit(Posting(documents=(CONTACT,)), Patient())
    return ledger


@pytest.fixture
def book(kept: MemoryLedger) -> Book:
    return Book(lambda: kept, lambda: Patient(3))


@pytest.fixture
def ses() -> Iterator[Ses]:
    with serving(Ses()) as server:
        yield server


@pytest.fixture
def texts() -> Iterator[EndUserMessaging]:
    with serving(EndUserMessaging()) as server:
        yield server


@pytest.fixture
def sns() -> Iterator[Sns]:
    with serving(Sns()) as server:
        yield server


@pytest.fixture
def wechat() -> Iterator[WeChat]:
    with serving(WeChat()) as server:
        yield server


@pytest.fixture
def mail(ses: Ses, waits: Waits) -> EmailNotifier:
    return EmailNotifier(
        ses.client(), "points@shop.example", lambda member, channel: f"{LINK}-{member}-{channel}", waits
    )


@pytest.fixture
def text(texts: EndUserMessaging, waits: Waits) -> SmsNotifier:
    return SmsNotifier(texts.client(), "SHOP", waits)


@pytest.fixture
def device(sns: Sns, book: Book, waits: Waits) -> PushNotifier:
    return PushNotifier(sns.client(), book, waits)


def official(server: WeChat, book: Book, **more: Any) -> WeChatNotifier:
    """A channel to the fake's app, as official account and as mini program."""
    setting = {"official": {**APP, "url": "https://shop.example/points"}, "mini": {**APP, "page": "pages/points"}}
    timeout = urllib3.Timeout(connect=1, read=READ_TIMEOUT_S)
    return WeChatNotifier(read(json.dumps(setting | {"base_url": server.url})), book, timeout=timeout, **more)


@pytest.fixture
def chat(wechat: WeChat, book: Book) -> WeChatNotifier:
    return official(wechat, book)


def follower(**more: Any) -> Contact:
    """A member who follows the official account."""
    return replace(CONTACT, wechat="openid-official", wechat_kind="official", **more)


# What is handed over -------------------------------------------------------------------------------------------------


def test_a_mail_has_subject_text_page_and_the_headers_of_unsubscribing(mail: EmailNotifier, ses: Ses) -> None:
    """One click needs both headers, and the link of the headers is the one of the page."""
    mail.send(message(NoticeKind.POINTS_EXPIRING, NoticeKind.TIER_REACHED))

    (sent,) = ses.mails
    link = f"{LINK}-m1-email"
    assert ("points@shop.example", ["m1@example.com"]) == (sent.sender, sent.to)
    assert "120 points expire after 3 December 2026, and 1 more" == sent.subject
    assert {
        "X-Jifen-Notice": "a1" * 16,
        "List-Unsubscribe": f"<{link}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    } == sent.headers
    assert link in sent.text
    assert f'href="{link}"' in sent.html


def test_the_link_of_the_message_comes_first(mail: EmailNotifier, ses: Ses) -> None:
    """And over http there is no one click, which is https alone."""
    mail.send(message(unsubscribe="http://127.0.0.1/v1/unsubscribe?token=t"))

    assert "<http://127.0.0.1/v1/unsubscribe?token=t>" == ses.mails[0].headers["List-Unsubscribe"]
    assert "List-Unsubscribe-Post" not in ses.mails[0].headers


def test_a_link_too_long_for_a_header_stands_in_the_mail_alone(mail: EmailNotifier, ses: Ses) -> None:
    """SES refuses the whole mail for one header that is too long."""
    mail.send(message(unsubscribe=f"https://shop.example/{'x' * 1_000}"))

    assert {"X-Jifen-Notice"} == ses.mails[0].headers.keys()
    assert "x" * 1_000 in ses.mails[0].text


def test_a_trial_of_a_mail_says_so_and_has_no_link(mail: EmailNotifier, ses: Ses) -> None:
    """A click of the operator's must end nobody's mails."""
    mail.send(message(trial=True))

    assert ses.mails[0].subject.startswith("[Test] 120 points")
    assert {"X-Jifen-Notice"} == ses.mails[0].headers.keys()


def test_a_text_message_goes_to_the_phone(text: SmsNotifier, texts: EndUserMessaging) -> None:
    """Transactional, of two segments at most, and worth nothing after a day."""
    text.send(message(*NoticeKind, contact=replace(CONTACT, language="zh")))

    (sent,) = texts.messages
    assert ("+447700900123", "SHOP", "TRANSACTIONAL", 86_400) == tuple(
        sent[name] for name in ("DestinationPhoneNumber", "OriginationIdentity", "MessageType", "TimeToLive")
    )
    assert {"notice": "a1" * 16} == sent["Context"]
    assert lengths.segments(sent["MessageBody"]).segments == 2
    assert sent["MessageBody"].startswith("您有120积分将于2026年12月3日到期")


def test_a_push_message_is_told_each_platform_in_its_own_way(device: PushNotifier, sns: Sns) -> None:
    """With an id by which a repeat replaces the first one on the device."""
    device.send(message(NoticeKind.POINTS_EXPIRING, NoticeKind.TIER_REACHED))

    (sent,) = sns.pushes
    assert DEVICE == sent["target"]
    assert {
        "AWS.SNS.MOBILE.APNS.PUSH_TYPE": "alert",
        "AWS.SNS.MOBILE.APNS.COLLAPSE_ID": "a1" * 16,
    } == sent["attributes"]
    title = "120 points expire after 3 December 2026"
    assert sent["APNS"] == sent["APNS_SANDBOX"]
    assert title == sent["APNS"]["aps"]["alert"]["title"]
    android = sent["GCM"]["fcmV1Message"]["message"]
    assert (title, "a1" * 16) == (android["notification"]["title"], android["android"]["notification"]["tag"])
    assert {"message_id": "a1" * 16, "kinds": "points.expiring,tier.reached"} == android["data"]
    assert android["notification"]["body"].endswith("You have reached Gold.")


def test_an_official_account_sends_a_template_message(chat: WeChatNotifier, wechat: WeChat) -> None:
    """Fields are what the setting says, cut to what WeChat takes; a repeat of the same message is dropped there."""
    for _ in range(2):
        chat.send(message(contact=follower(language="zh")))

    (sent,) = wechat.sent
    assert {
        "touser": "openid-official",
        "template_id": "T",
        "url": "https://shop.example/points",
        "client_msg_id": "a1" * 16,
        "data": {
            "thing1": {"value": "您有120积分将于2026年12月3日…"},
            "date2": {"value": "2026年12月3日"},
            "number3": {"value": "120"},
            "thing4": {"value": "您有120积分将于2026年12月3日…"},
        },
    } == sent


def test_a_mini_program_sends_a_subscribe_message_and_takes_a_consent(
    chat: WeChatNotifier, wechat: WeChat, kept: MemoryLedger
) -> None:
    """One for each message."""
    for _ in range(2):
        chat.send(message())

    assert ("openid-mini", "pages/points", "formal", "en_US") == tuple(
        wechat.sent[0][name] for name in ("touser", "page", "miniprogram_state", "lang")
    )
    assert (3, 1) == (wechat.consents["openid-mini"], contact_of(kept, "m1").consents)


def test_a_date_is_written_as_wechat_reads_it_whatever_the_language(chat: WeChatNotifier, wechat: WeChat) -> None:
    """A field of a date is refused in any other form; a text stays in the member's language."""
    chat.send(message(contact=follower(language="en")))

    data = wechat.sent[0]["data"]
    assert ("2026年12月3日", "120 points expire a…") == (data["date2"]["value"], data["thing4"]["value"])


def test_a_kind_can_have_a_template_of_its_own(wechat: WeChat, book: Book) -> None:
    """The first notice of the message chooses."""
    own = {"template_id": "G", "data": {"thing9": "title"}}
    setting = {"official": {**APP, "kinds": {"tier.reached": own}}, "base_url": wechat.url}
    notifier = WeChatNotifier(read(json.dumps(setting)), book)

    notifier.send(message(NoticeKind.TIER_REACHED, NoticeKind.POINTS_EXPIRING, contact=follower()))
    notifier.send(replace(message(NoticeKind.DORMANT, contact=follower()), id="b2" * 16))

    assert ["G", "T"] == [one["template_id"] for one in wechat.sent]
    assert {"thing9": {"value": "You have reached Go…"}} == wechat.sent[0]["data"]


@dataclass
class Relayed:
    """A relay that keeps what it was handed, or is full."""

    full: bool = False
    events: list[OutgoingEvent] = field(default_factory=list)
    types: tuple[str, ...] = ("*",)
    off: bool = False

    def wanted(self, kind: str, *, disabled: bool = False) -> bool:
        """See :class:`jifen.service.ports.Relay`."""
        return takes(self.types, kind) and (disabled or not self.off)

    def relay(self, events: Sequence[OutgoingEvent]) -> None:
        """See :class:`jifen.service.ports.Relay`."""
        if self.full:
            raise Busy
        self.events += events


def test_a_message_reaches_nobody_by_a_webhook_that_no_endpoint_takes() -> None:
    """Points may be voided only after a notice that somebody was sent."""
    channel = WebhookNotifier(Relayed(types=("points.*",)), lambda: datetime(2026, 11, 26, 9, tzinfo=UTC))
    assert not channel.reaches(None)


def test_a_message_waits_for_an_endpoint_that_is_disabled() -> None:
    """The day's messages are not lost to a disabled endpoint, and nobody counts as told by it."""
    relay = Relayed(off=True)
    channel = WebhookNotifier(relay, lambda: datetime(2026, 11, 26, 9, tzinfo=UTC))
    assert channel.reaches(None)
    with pytest.raises(NotSent, match="enabled"):
        channel.send(message())
    assert [] == relay.events


def test_the_shop_gets_every_notice_of_a_message_as_one_event() -> None:
    """Under the message's id, for members without any contact too."""
    relay, at = Relayed(), datetime(2026, 11, 26, 9, tzinfo=UTC)
    channel = WebhookNotifier(relay, lambda: at)
    sent = replace(message(NoticeKind.POINTS_EXPIRING, NoticeKind.TIER_REACHED), contact=None)

    assert channel.reaches(None)
    channel.send(sent)

    (event,) = relay.events
    assert ("a1" * 16, "notice", at, "m1") == (event.id, event.type, event.at, event.member)
    assert {
        "message_id": "a1" * 16,
        "member_id": "m1",
        "language": "en",
        "available": 1_230,
        "today": "2026-11-26",
        "trial": False,
        "notices": [{"notice_id": one.id, "kind": str(one.kind), "facts": dict(one.facts)} for one in sent.notices],
    } == event.data
    assert json.loads(json.dumps(event.data)) == event.data


def test_a_full_relay_is_tried_again() -> None:
    """Nothing is lost."""
    with pytest.raises(NotSent):
        WebhookNotifier(Relayed(full=True), lambda: datetime.now(UTC)).send(message())


def test_the_bus_gets_an_event_for_each_notice() -> None:
    """Of the kind's type; the bus that fails half way gets all of them again."""
    with eventbridge() as bus:
        channel = EventNotifier(bus.client(), "shop")
        channel.send(message(NoticeKind.POINTS_EXPIRING, NoticeKind.TIER_REACHED))
        bus.fail(500, times=1)
        with pytest.raises(NotSent):
            channel.send(message())

    assert ["points.expiring", "tier.reached"] == [event["type"] for event in bus.events]
    assert {"notice_id": f"{1:032x}", "member_id": "m1", "available": 1_230} == {
        name: bus.details[1][name] for name in ("notice_id", "member_id", "available")
    }
    assert "Gold" == bus.details[1]["title"]


@pytest.mark.parametrize(
    ("channel", "without"),
    [
        ("mail", Contact("m1")),
        ("text", Contact("m1")),
        ("device", Contact("m1")),
        ("chat", Contact("m1")),
        ("chat", replace(CONTACT, consents=0)),
        ("chat", replace(CONTACT, wechat_kind="video")),
    ],
)
def test_a_channel_reaches_those_with_an_address(channel: str, without: Contact, request: Any) -> None:
    """And a mini program those who have allowed a message."""
    notifier: Notifier = request.getfixturevalue(channel)

    assert notifier.reaches(CONTACT)
    assert not notifier.reaches(None)
    assert not notifier.reaches(without)


def test_an_official_account_needs_no_consent(chat: WeChatNotifier) -> None:
    """Who follows it gets its messages."""
    assert chat.reaches(follower(consents=0))


# Failures of every provider ------------------------------------------------------------------------------------------

SERVERS = {"mail": "ses", "text": "texts", "device": "sns", "chat": "wechat"}


@pytest.mark.parametrize("channel", SERVERS)
@pytest.mark.parametrize(
    "trouble",
    [
        lambda server: server.fail(500, times=9),
        lambda server: server.fail(503, times=9),
        lambda server: server.fail(200, times=9),
        lambda server: server.fail(404, times=9),
        lambda server: server.slow(times=9),
        lambda server: server.cut(times=9),
    ],
    ids=["500", "503", "no sense", "404", "slow", "cut"],
)
def test_a_provider_that_fails_is_tried_again_later(channel: str, trouble: Callable[[Any], None], request: Any) -> None:
    """Not sent, whatever it was; asked once, for a lost answer may be that of a message that was sent."""
    server = request.getfixturevalue(SERVERS[channel])
    notifier: Notifier = request.getfixturevalue(channel)
    trouble(server)

    with pytest.raises(NotSent):
        notifier.send(message())

    assert 1 == len(server.requests)


def test_a_provider_that_cannot_be_reached_is_tried_again_later(book: Book) -> None:
    """Nobody listens there any more; what is reported names no address and no token."""
    with serving(Ses()) as ses, serving(WeChat()) as wechat:
        channels: list[Notifier] = [EmailNotifier(ses.client(), "points@shop.example"), official(wechat, book)]

    for channel in channels:
        with pytest.raises(NotSent, match="did not answer") as failed:
            channel.send(message())
        assert "127.0.0.1" not in str(failed.value)


@pytest.mark.parametrize("channel", ["mail", "text", "device"])
def test_what_is_too_much_at_once_is_asked_again_shortly(channel: str, request: Any, waits: Waits) -> None:
    """Then nothing was sent: twice again after short waits, and then with the next run."""
    server = request.getfixturevalue(SERVERS[channel])
    notifier: Notifier = request.getfixturevalue(channel)

    server.throttle(times=2)
    notifier.send(message())
    server.throttle(times=3)
    with pytest.raises(NotSent) as failed:
        notifier.send(message())

    assert [0.2, 0.6, 0.2, 0.6] == waits.seconds
    assert 6 == len(server.requests)
    assert "Thrott" in str(failed.value) or "TooMany" in str(failed.value)


@pytest.mark.parametrize("code", ["MessageRejected", "BadRequestException"])
def test_a_mail_that_is_refused_is_over(mail: EmailNotifier, ses: Ses, code: str) -> None:
    """No second try would help; the reason is in what is reported, the address is not."""
    ses.refused["m1@example.com"] = code

    with pytest.raises(Undeliverable) as refused:
        mail.send(message())

    assert code in str(refused.value)
    assert "m1@" not in str(refused.value)
    assert 1 == len(ses.requests)


@pytest.mark.parametrize(
    "code",
    [
        "SendingPausedException",
        "AccountSuspendedException",
        "LimitExceededException",
        "MailFromDomainNotVerifiedException",
        "NotFoundException",
        "MessageRejected: Email address is not verified. The following identities failed the check: shop@example.com",
    ],
)
def test_a_mail_service_that_is_paused_keeps_mails_waiting(mail: EmailNotifier, ses: Ses, code: str) -> None:
    """It is nothing of this mail's, and somebody can mend it: a day on which the domain is not verified loses none."""
    ses.refused["m1@example.com"] = code

    with pytest.raises(NotSent, match=code.partition(":")[0]):
        mail.send(message())


@pytest.mark.parametrize(
    ("code", "reason", "outcome"),
    [
        ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", Undeliverable),
        ("ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED", Undeliverable),
        ("ConflictException", "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION", Undeliverable),
        ("ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND", NotSent),
        ("ConflictException", "RESOURCE_NOT_ACTIVE", NotSent),
        ("ValidationException", "INVALID_PARAMETER", Undeliverable),
        ("ValidationException", "DESTINATION_COUNTRY_BLOCKED", Undeliverable),
        ("ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT", NotSent),
        ("AccessDeniedException", "ACCOUNT_DISABLED", NotSent),
        ("ResourceNotFoundException", "", NotSent),
        ("InternalServerException", "", NotSent),
    ],
)
def test_refusals_of_text_messages(
    text: SmsNotifier, texts: EndUserMessaging, code: str, reason: str, outcome: type[Exception]
) -> None:
    """What is the number's is over; what is the deployment's, or the day's, waits."""
    texts.refused[str(CONTACT.phone)] = (code, reason)

    with pytest.raises(outcome) as failed:
        text.send(message())

    assert (code in str(failed.value), reason in str(failed.value)) == (True, True)
    assert "7700900" not in str(failed.value)


@pytest.mark.parametrize("left", ["disabled", "deleted"])
def test_a_device_that_is_gone_is_taken_from_the_contact(
    device: PushNotifier, sns: Sns, kept: MemoryLedger, left: str
) -> None:
    """Nobody tries it again, and everything else of the contact stays."""
    getattr(sns, left).add(DEVICE)

    with pytest.raises(Undeliverable):
        device.send(message())

    assert replace(CONTACT, push=None, version=2) == contact_of(kept, "m1")


def test_a_device_that_was_named_meanwhile_stays(device: PushNotifier, sns: Sns, kept: MemoryLedger) -> None:
    """The endpoint that is gone is another one."""
    other = replace(contact_of(kept, "m1"), push=f"{DEVICE}-new")
    kept.commit(Posting(documents=(other,)), Patient())
    sns.disabled.add(DEVICE)

    with pytest.raises(Undeliverable):
        device.send(message())

    assert f"{DEVICE}-new" == contact_of(kept, "m1").push


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "PlatformApplicationDisabled"),
        (403, "AuthorizationError"),
        (500, "InternalError"),
        (400, "InvalidParameter"),
    ],
)
def test_other_refusals_of_push_messages_wait(
    device: PushNotifier, sns: Sns, kept: MemoryLedger, status: int, code: str
) -> None:
    """They are the deployment's, and the endpoint stays."""
    sns.refuse(status, code)

    with pytest.raises(NotSent, match=code):
        device.send(message())

    assert DEVICE == contact_of(kept, "m1").push


def test_a_trial_teaches_nothing(device: PushNotifier, sns: Sns, chat: WeChatNotifier, kept: MemoryLedger) -> None:
    """An operator's own device or openid is no member's."""
    sns.disabled.add(DEVICE)
    with pytest.raises(Undeliverable):
        device.send(message(trial=True))
    chat.send(message(trial=True))

    assert replace(CONTACT, version=1) == contact_of(kept, "m1")


# WeChat --------------------------------------------------------------------------------------------------------------


def test_a_token_is_asked_for_once(chat: WeChatNotifier, wechat: WeChat) -> None:
    """One token for many messages; the stable kind, which does not end those of other processes."""
    for _ in range(3):
        chat.send(message())

    assert ["/cgi-bin/stable_token"] == [one.path for one in wechat.requests if "token" in one.path]
    assert {"grant_type": "client_credential", "appid": "wx1", "secret": "s3cret", "force_refresh": False} == (
        json.loads(wechat.requests[0].body)
    )


def test_a_token_is_asked_for_again_before_its_time_is_up(wechat: WeChat, book: Book) -> None:
    """Five minutes before."""
    now = [0.0]
    chat = official(wechat, book, monotonic=lambda: now[0])
    chat.send(message())
    now[0] = 7_200 - 301
    chat.send(message())
    wechat.expire()
    now[0] = 7_200 - 300
    chat.send(message())

    assert 2 == sum("token" in one.path for one in wechat.requests)
    assert 3 == len(wechat.sent)


def test_a_token_that_ran_out_is_replaced_and_the_message_sent(chat: WeChatNotifier, wechat: WeChat) -> None:
    """42001: the next token is asked for, and none is forced."""
    chat.send(message())
    wechat.expire()
    chat.send(message())

    assert (2, 0) == (len(wechat.sent), wechat.forced)


def test_a_token_that_is_refused_and_given_out_all_the_same_is_forced(chat: WeChatNotifier, wechat: WeChat) -> None:
    """40001, once: forcing ends the token everywhere."""
    chat.send(message())
    wechat.spoil()
    chat.send(message())

    assert (2, 1) == (len(wechat.sent), wechat.forced)


def test_tokens_that_are_all_refused_are_no_loop(chat: WeChatNotifier, wechat: WeChat, kept: MemoryLedger) -> None:
    """The message waits, and its consent is given back."""
    wechat.refuse(40001, 40001)

    with pytest.raises(NotSent, match="40001"):
        chat.send(message())

    assert 2 == sum("message" in one.path for one in wechat.requests)
    assert 3 == contact_of(kept, "m1").consents


def test_a_wrong_secret_is_not_the_member_s_fault(wechat: WeChat, book: Book) -> None:
    """The message waits for somebody to mend the setting; the secret is nowhere in what is reported."""
    setting = {"mini": {**APP, "secret": "wr0ng"}, "base_url": wechat.url}
    chat = WeChatNotifier(read(json.dumps(setting)), book)

    with pytest.raises(NotSent, match="40125") as failed:
        chat.send(message())

    assert "wr0ng" not in str(failed.value)


@pytest.mark.parametrize("code", [-1, 45009, 45011, 47003, 40037, 41030, 48001, 40164, 99999])
def test_what_is_passing_or_the_deployment_s_waits(
    chat: WeChatNotifier, wechat: WeChat, kept: MemoryLedger, code: int
) -> None:
    """With its consent given back."""
    wechat.refuse(code)

    with pytest.raises(NotSent, match=str(code)):
        chat.send(message())

    assert 3 == contact_of(kept, "m1").consents


def test_a_member_who_allows_nothing_has_no_consents(chat: WeChatNotifier, wechat: WeChat, kept: MemoryLedger) -> None:
    """43101: WeChat knows better than our count, which becomes 0; nothing is sent from then on."""
    wechat.consents["openid-mini"] = 0

    with pytest.raises(Undeliverable, match="43101"):
        chat.send(message())

    assert 0 == contact_of(kept, "m1").consents
    assert not chat.reaches(contact_of(kept, "m1"))


def test_an_openid_that_is_none_is_taken_from_the_contact(
    chat: WeChatNotifier, wechat: WeChat, kept: MemoryLedger
) -> None:
    """40003: and its consents with it."""
    wechat.strangers.add("openid-mini")

    with pytest.raises(Undeliverable, match="40003"):
        chat.send(message())

    assert (None, 0) == (contact_of(kept, "m1").wechat, contact_of(kept, "m1").consents)


def test_who_does_not_follow_is_not_reached_now(chat: WeChatNotifier, wechat: WeChat, kept: MemoryLedger) -> None:
    """43004: this message is over; the openid stays, for a follower comes back under the same one."""
    wechat.followers.clear()
    kept.commit(Posting(documents=(replace(follower(), version=1),)), Patient())

    with pytest.raises(Undeliverable, match="43004"):
        chat.send(message(contact=follower()))

    assert "openid-official" == contact_of(kept, "m1").wechat


def test_no_message_is_sent_without_a_consent(chat: WeChatNotifier, wechat: WeChat, kept: MemoryLedger) -> None:
    """The count of the ledger decides, not the one that the message was made with."""
    kept.commit(Posting(documents=(replace(CONTACT, consents=0, version=1),)), Patient())

    with pytest.raises(Undeliverable, match="allowed no further"):
        chat.send(message())

    assert [] == wechat.requests


def test_a_contact_that_cannot_be_written_sends_nothing(wechat: WeChat, kept: MemoryLedger) -> None:
    """Contention outlives the worker's time: the message waits."""
    chat = official(wechat, Book(lambda: Stuck(kept), lambda: Patient(1)))

    with pytest.raises(NotSent):
        chat.send(message())

    assert [] == wechat.requests


def test_a_message_whose_answer_was_lost_gives_its_consent_back(
    chat: WeChatNotifier, wechat: WeChat, kept: MemoryLedger
) -> None:
    """It may have been sent: WeChat's own count says so the next time, and ours never keeps one back."""
    chat.send(message())
    wechat.cut()

    with pytest.raises(NotSent, match="did not answer"):
        chat.send(message())

    assert (2, 2) == (len(wechat.sent), contact_of(kept, "m1").consents)


def test_a_bug_costs_no_consents(chat: WeChatNotifier, kept: MemoryLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is tried again, and would take another consent each time."""

    def fail(*_args: object) -> None:
        raise KeyError

    monkeypatch.setattr(chat, "_deliver", fail)
    before = contact_of(kept, "m1").consents

    with pytest.raises(KeyError):
        chat.send(message())

    assert before == contact_of(kept, "m1").consents


# Settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("{", "not JSON"),
        ("[]", "official, mini"),
        ("{}", "official, mini"),
        ({"official": APP, "other": {}}, "official, mini"),
        ({"official": APP, "base_url": "ftp://x"}, "base_url"),
        ({"official": {**APP, "secret": ""}}, "official.secret"),
        ({"official": {**APP, "page": "p"}}, "official is no object"),
        ({"mini": {**APP, "template_id": 5}}, "mini.template_id"),
        ({"mini": {**APP, "data": {}}}, "mini.data"),
        ({"mini": {**APP, "data": {"thing1": "nonsense"}}}, "mini.data"),
        ({"mini": {**APP, "kinds": {"nonsense": {}}}}, "mini.kinds"),
        ({"mini": {**APP, "kinds": {"tier.reached": {"template_id": "T"}}}}, "mini.kinds.tier.reached.data"),
    ],
)
def test_a_setting_of_wechat_that_cannot_be_used_names_its_key(setting: Any, named: str) -> None:
    """And never repeats a secret."""
    given = setting if isinstance(setting, str) else json.dumps(setting)

    with pytest.raises(WrongSetting, match=named) as wrong:
        read(given)
    with pytest.raises(MissingSetting, match="JIFEN_WECHAT"):
        _ = Runtime(Settings(wechat=given)).notifiers

    assert "s3cret" not in str(wrong.value)


def test_a_channel_is_in_use_when_its_setting_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its own; secrets are in no text of the settings."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    environment = {
        "JIFEN_EVENT_BUS": "shop",
        "JIFEN_EMAIL_FROM": "a@shop.example",
        "JIFEN_SMS_FROM": "SHOP",
        "JIFEN_PUSH": "true",
        "JIFEN_WECHAT": json.dumps({"official": APP}),
        "JIFEN_PUBLIC_URL": "https://points.example.com/",
        "JIFEN_SIGNING_SECRET": "signing",
    }
    settings = Settings.read(environment)
    here = Runtime(settings, relay=Relayed())

    assert ["webhook", "event", "email", "sms", "push", "wechat"] == [one.channel for one in here.notifiers]
    assert [] == Runtime(Settings.read({"JIFEN_PUSH": "no"})).notifiers
    assert here.links.link("m1", "email").startswith("https://points.example.com/v1/unsubscribe?token=")
    assert "s3cret" not in repr(settings)
    clients = [one._client for one in here.notifiers if hasattr(one, "_client")]
    tries = {client.meta.service_model.service_name: client.meta.config.retries for client in clients}
    assert {1} == {one["total_max_attempts"] for name, one in tries.items() if name != "events"}


def test_nothing_of_a_message_is_logged_by_its_channel(
    mail: EmailNotifier, text: SmsNotifier, chat: WeChatNotifier, caplog: pytest.LogCaptureFixture
) -> None:
    """Addresses, tokens and secrets stay out of the logs at the level that is logged."""
    with caplog.at_level(logging.INFO):
        for channel in (mail, text, chat):
            channel.send(message())

    for word in ("m1@example.com", "7700900", "s3cret", "token-"):
        assert word not in caplog.text
