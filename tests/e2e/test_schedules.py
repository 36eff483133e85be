"""What time does: runs that the scheduler starts write down what has lapsed, and tell who will lose points."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from local.aws.sam import EMAIL_FROM, STACK
from local.aws.web import ask
from tests.e2e.outside import PROGRAM, Outside, until

pytestmark = pytest.mark.e2e

ZONE = ZoneInfo(PROGRAM["time_zone"])
LIFE_DAYS = PROGRAM["expiry"]["days"]
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
FIRED_WITHIN_S = 60.0
"""The local scheduler looks every ten seconds."""


def as_of(day: date, hour: int = 0, minute: int = 5) -> str:
    """An instant of a day of the program's time zone, as the scheduler writes it."""
    instant = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE).astimezone(UTC)
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def fired_once(outside: Outside, event: str, scheduled_time: str) -> Iterator[None]:
    """Have the scheduler fire the target of a schedule of the template within seconds, as of a time.

    Target, role and input are the template's own, but for the scheduled time: AWS puts it into the input, the local
    scheduler does not. The template's own expressions are of once a day, which no test can wait for.
    """
    scheduler = outside.stack.client("scheduler")
    own = scheduler.get_schedule(Name=outside.resource(event))
    template = _template_input(outside, event)
    assert SCHEDULED_TIME in template
    # The local scheduler takes a one-time schedule of a name that has fired before for the same one.
    name = f"now-{uuid.uuid4().hex}"
    scheduler.create_schedule(
        Name=name,
        ScheduleExpression=f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={**own["Target"], "Input": template.replace(SCHEDULED_TIME, scheduled_time)},
    )
    try:
        yield
    finally:
        scheduler.delete_schedule(Name=name)


def _template_input(outside: Outside, event: str) -> str:
    body = outside.stack.client("cloudformation").get_template(StackName=STACK, TemplateStage="Processed")
    template = body["TemplateBody"]
    document = json.loads(template) if isinstance(template, str) else template
    return str(document["Resources"][event]["Properties"]["Target"]["Input"])


def test_a_scheduled_run_writes_down_what_has_lapsed(outside: Outside) -> None:
    """As of the night after the last valid day: one member's points go, another's, good for longer, stay."""
    outside.give("m-lapsing", 80, days_ago=LIFE_DAYS - 1)
    outside.give("m-lasting", 90)
    (lot,) = _lots(outside, "m-lapsing")
    last_day = date.fromisoformat(lot["expires_on"])
    before = outside.account("m-lapsing")

    with fired_once(outside, "ExpireNightly", as_of(last_day + timedelta(days=1))):
        after = until(lambda: outside.account("m-lapsing"), lambda seen: seen["available"] == 0, FIRED_WITHIN_S)

    entry = outside.entries("m-lapsing")[-1]
    assert (80, 0, {"on": lot["expires_on"], "points": 80}) == (
        before["available"],
        before["lifetime"]["expired"],
        before["next_expiry"],
    )
    assert (0, 80, None) == (after["available"], after["lifetime"]["expired"], after["next_expiry"])
    assert ("expire", "LOT_EXPIRED", -80) == (entry["kind"], entry["reason"], entry["points"])
    assert {"type": "lot", "id": lot["expires_on"]} == entry["source"]
    assert [] == _lots(outside, "m-lapsing")
    assert 90 == outside.account("m-lasting")["available"]
    assert outside.is_proved("m-lapsing")


def test_a_run_may_be_started_by_hand_as_often_as_one_likes(outside: Outside) -> None:
    """Nothing is written twice."""
    outside.give("m-by-hand", 10, days_ago=LIFE_DAYS - 2)
    (lot,) = _lots(outside, "m-by-hand")
    asked = {"as_of": as_of(date.fromisoformat(lot["expires_on"]) + timedelta(days=1))}

    for _ in range(2):
        answer = outside.invoke("Expire", asked)
        assert 16 == answer["queued"]
    until(lambda: outside.account("m-by-hand"), lambda seen: seen["available"] == 0)
    outside.invoke("Expire", asked)
    until(lambda: outside.waiting("ExpireQueue"), lambda count: count == 0)

    assert ["earn", "expire"] == [entry["kind"] for entry in outside.entries("m-by-hand")]


@pytest.mark.parametrize(
    ("member", "language", "subject"),
    [
        ("m-zh", "zh-CN", "您有65积分将于{day.year}年{day.month}月{day.day}日到期"),
        ("m-en", "en", "65 points expire after {day.day} {day:%B %Y}"),
    ],
    ids=["zh", "en"],
)
def test_a_member_is_reminded_by_mail_and_on_the_event_bus(
    outside: Outside, member: str, language: str, subject: str
) -> None:
    """Address and language are the member's own choice; the points are those left after a redemption."""
    address = f"{member}@member.example"
    contact = outside.call(
        "PUT",
        f"/v1/members/{member}/contact",
        {"email": address, "language": language[:2]},
        token=outside.member(member),
    )
    assert (200, address, language[:2]) == (contact.status, contact.body["email"], contact.body["language"])
    outside.give(member, 70, days_ago=LIFE_DAYS - 5)
    assert 201 == outside.redeem(member, 5, f"{member}-spends").status
    (lot,) = _lots(outside, member)
    day = date.fromisoformat(lot["expires_on"])

    with outside.notices_to(member) as told, fired_once(outside, "RemindDaily", as_of(day - timedelta(days=5), 9)):
        (mail,) = until(lambda: _mail_to(outside, address), lambda found: len(found) > 0, FIRED_WITHIN_S)
        (notice,) = until(lambda: [one for one in told() if one["detail-type"] == "points.expiring"], bool)
        outside.invoke("Remind", {"as_of": as_of(day - timedelta(days=5), 10)})
        until(lambda: outside.waiting("RemindQueue"), lambda count: count == 0)

    assert [mail] == _mail_to(outside, address)
    assert EMAIL_FROM == mail["Source"]
    assert subject.format(day=day) == mail["Subject"]
    assert f'<html lang="{language}">' in mail["BodyHtml"]
    assert all("65" in mail[part] and str(day.day) in mail[part] for part in ("BodyText", "BodyHtml"))
    assert "points.expiring" == notice["detail-type"]
    facts = {
        name: notice["detail"][name] for name in ("member_id", "points", "lot_expires_on", "days_left", "available")
    }
    assert {
        "member_id": member,
        "points": 65,
        "lot_expires_on": day.isoformat(),
        "days_left": 5,
        "available": 65,
    } == facts


# What a test looks at ------------------------------------------------------------------------------------------------


def _lots(outside: Outside, member: str) -> list[dict[str, Any]]:
    reply = outside.call("GET", f"/v1/members/{member}/lots", token=outside.machine())
    found: list[dict[str, Any]] = reply.body["lots"]
    return found


def _mail_to(outside: Outside, address: str) -> list[dict[str, Any]]:
    answer = ask("GET", f"{outside.stack.endpoint}/_ministack/ses/messages")
    boxes: dict[str, list[dict[str, Any]]] = json.loads(answer.body)["messages"]
    return [mail for box in boxes.values() for mail in box if mail["To"] == [address]]
