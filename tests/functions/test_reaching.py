"""A member's whole way: reached on every channel as the member wants it, from the sweep to each provider and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from jifen.adapters.notify.email import EmailNotifier
from jifen.adapters.notify.push import PushNotifier
from jifen.adapters.notify.sms import SmsNotifier
from jifen.adapters.notify.wechat import WeChatNotifier, read
from jifen.runtime import use
from local.replay import _http_event
from tests.fakes.end_user_messaging import EndUserMessaging
from tests.fakes.server import serving
from tests.fakes.ses import Ses
from tests.fakes.sns import Sns
from tests.fakes.wechat import WeChat
from tests.functions.stage import MEMBER, Stage, paid

M = "m-1"
DEVICE = "arn:aws:sns:eu-west-2:123456789012:endpoint/APNS/shop/1b2c"
CONTACT = {
    "email": "m1@example.com",
    "language": "zh",
    "phone": "+8613800138000",
    "push": DEVICE,
    "wechat": "openid-mini",
    "wechat_kind": "mini",
}
THIRTY, SEVEN, THREE = "2012-01-01T09:00:00Z", "2012-01-24T09:00:00Z", "2012-01-28T09:00:00Z"
"""Days before the points of 10 January 2011 expire, on 31 January 2012."""


@dataclass
class World:
    """The shop and its providers."""

    stage: Stage
    ses: Ses
    texts: EndUserMessaging
    sns: Sns
    wechat: WeChat

    def remind(self, as_of: str) -> list[str]:
        """A whole run of reminders; the tasks that failed."""
        self.stage.move_to(as_of)
        self.stage.call("remind", {"as_of": as_of})
        failed = []
        while records := self.stage.tasks():
            for record in records:
                answer = self.stage.call("remind", {"Records": [record]})
                failed += [record["body"] for _ in answer["batchItemFailures"]]
        return failed

    def counts(self) -> tuple[int, int, int, int]:
        """How many mails, texts, pushes and WeChat messages there were."""
        return len(self.ses.mails), len(self.texts.messages), len(self.sns.pushes), len(self.wechat.sent)

    def contact(self) -> dict[str, Any]:
        """The member's contact."""
        found: dict[str, Any] = self.stage.get(f"/v1/members/{M}/contact")
        return found


@pytest.fixture(scope="module")
def stage_(aws: None) -> Stage:  # noqa: ARG001 - the table is made in it
    """A shop with a public address."""
    return Stage("reaching", public_url="https://points.example.com", shards=1)


@pytest.fixture
def world(stage_: Stage) -> Iterator[World]:
    """One member with points, an address on every channel and a consent for one message."""
    stage_.clear()
    here = stage_.runtime
    with ExitStack() as stack:
        ses = stack.enter_context(serving(Ses()))
        texts = stack.enter_context(serving(EndUserMessaging()))
        sns = stack.enter_context(serving(Sns()))
        wechat = stack.enter_context(serving(WeChat()))
        app = {"app_id": "wx1", "secret": "s3cret", "template_id": "T", "data": {"thing1": "title"}}
        setting = json.dumps({"mini": app, "base_url": wechat.url})
        here._given = (
            *here._given[:3],
            (
                EmailNotifier(ses.client(), "points@shop.example", here.links.link),
                SmsNotifier(texts.client(), "SHOP"),
                PushNotifier(sns.client(), here.address_book),
                WeChatNotifier(read(setting), here.address_book),
            ),
        )
        here.__dict__.pop("notifiers", None)
        stack.enter_context(use(here))
        stage_.earn(paid("o-1", M, 12_000))
        assert 200 == stage_.ask("PUT", f"/v1/members/{M}/contact", CONTACT).status
        assert 200 == stage_.ask("POST", f"/v1/members/{M}/wechat-consents", key="c1").status
        yield World(stage_, ses, texts, sns, wechat)


def test_a_member_is_told_on_every_channel_in_the_own_language(world: World) -> None:
    """Once for each lead; over WeChat for as long as there are consents."""
    for as_of in (THIRTY, THIRTY, SEVEN, THREE):
        assert [] == world.remind(as_of)

    assert (3, 3, 3, 1) == world.counts()
    assert "您有120积分将于2012年1月31日到期" == world.ses.mails[0].subject
    assert world.texts.messages[0]["MessageBody"].startswith("您有120积分将于2012年1月31日到期")
    assert "您有120积分将于2012年1月31日到期" == world.sns.pushes[0]["APNS"]["aps"]["alert"]["title"]
    assert {"value": "您有120积分将于2012年1月31日…"} == world.wechat.sent[0]["data"]["thing1"]
    assert 0 == world.contact()["consents"]


def test_the_link_of_a_mail_ends_mails_and_nothing_else(world: World) -> None:
    """One click, as a mail program makes it, from the header of the mail itself."""
    world.remind(THIRTY)
    headers = world.ses.mails[0].headers
    link = headers["List-Unsubscribe"].strip("<>")
    assert "List-Unsubscribe=One-Click" == headers["List-Unsubscribe-Post"]
    assert link in world.ses.mails[0].text
    base, _, token = link.partition("?token=")
    assert "https://points.example.com/v1/unsubscribe" == base
    event = _http_event("POST", "/v1/unsubscribe", {}, headers["List-Unsubscribe-Post"])
    assert 200 == world.stage.call("outreach", event | {"queryStringParameters": {"token": token}})["statusCode"]

    world.remind(SEVEN)

    assert ["email"] == world.contact()["refuses"]
    assert (1, 2, 2) == world.counts()[:3]


def test_a_member_who_wants_nothing_of_a_kind_gets_nothing_of_it(world: World) -> None:
    """On no channel; and all of it again once it is wanted."""
    path = f"/v1/members/{M}/preferences"
    world.stage.ask("PUT", path, {"refuses": ["points.expiring"]}, subject=M, scopes=MEMBER)
    world.remind(THIRTY)
    assert (0, 0, 0, 0) == world.counts()

    world.stage.ask("PUT", path, {"refuses": ["sms"]}, subject=M, scopes=MEMBER)
    world.remind(SEVEN)

    assert (1, 0, 1, 1) == world.counts()


def test_a_provider_that_is_down_is_tried_again_alone(world: World) -> None:
    """The others have told the member already."""
    world.ses.fail(503)
    assert 1 == len(world.remind(THIRTY))
    assert (0, 1, 1, 1) == world.counts()

    assert [] == world.remind("2012-01-02T09:00:00Z")

    assert (1, 1, 1, 1) == world.counts()


def test_an_address_that_is_gone_is_reported_and_taken_away(world: World) -> None:
    """An operator sees it among what did not go out; nobody tries it again."""
    world.sns.disabled.add(DEVICE)

    assert [] == world.remind(THIRTY)

    assert (1, 1, 0, 1) == world.counts()
    assert world.contact()["push"] is None
    (found,) = world.stage.ask("GET", "/v1/notices/failed", scopes="points/operator").body["notices"]
    assert ("push", M, ["points.expiring"]) == (found["channel"], found["member_id"], found["kinds"])
    assert "EndpointDisabled" in found["why"]


def test_a_text_message_of_a_number_that_opted_out_is_over(world: World) -> None:
    """AWS keeps its own list of who answered STOP."""
    world.texts.refused["+8613800138000"] = ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT")

    assert [] == world.remind(THIRTY)

    assert (1, 0, 1, 1) == world.counts()
