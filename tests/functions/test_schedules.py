"""The expire and remind functions: fan-out, shards, and what members are told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.ses.models import ses_backends

from jifen.runtime import Runtime, use
from jifen.schedule import MalformedSchedule
from jifen.service import sweeping
from jifen.store.dynamo import shard_of
from tests.functions.stage import NOW, REGION, SHARDS, Context, Stage, instant, paid

SENDER = "points@shop.example"
SWEEPS = ("expire", "remind")


@dataclass
class Fading:
    """A Lambda context whose time is up after so many looks at the clock."""

    looks: int
    then_ms: int = 5_000
    aws_request_id: str = "fading"
    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-2:123456789012:function:test"

    def get_remaining_time_in_millis(self) -> int:
        """A minute, then hardly anything."""
        self.looks -= 1
        return 60_000 if self.looks >= 0 else self.then_ms


def run(stage: Stage, sweep: str, as_of: str, context: object | None = None) -> list[str]:
    """A whole scheduled run: fan-out, then every task until the queue is empty; the messages that failed."""
    stage.move_to(as_of)
    stage.call(sweep, {"as_of": as_of})
    return drain(stage, sweep, context)


def drain(stage: Stage, sweep: str, context: object | None = None) -> list[str]:
    """Work on tasks until the queue is empty; the bodies of those that failed."""
    failed: list[str] = []
    while records := stage.tasks():
        for record in records:
            result = stage.call(sweep, {"Records": [record]}, context)
            failed += [record["body"] for _ in result["batchItemFailures"]]
    return failed


def task(sweep_name: str, /, **changes: Any) -> dict[str, Any]:
    """A record of the sweep queue, with some of its fields changed."""
    body = {"sweep": sweep_name, "as_of": "2012-02-01T00:05:00Z", "shard": 3, "cursor": None, **changes}
    return {"messageId": "task", "body": json.dumps(body), "attributes": {}, "eventSource": "aws:sqs"}


# Fan-out -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize(
    ("event", "as_of"),
    [
        ({"as_of": "2011-12-31T16:00:00Z"}, "2011-12-31T16:00:00"),
        ({"as_of": "2012-01-01T00:00:00+08:00"}, "2011-12-31T16:00:00"),
        ({"as_of": "2011-12-31T16:00:00.5Z"}, "2011-12-31T16:00:00.500000"),
        ({"as_of": None}, "2011-01-10T09:00:00"),
        ({}, "2011-01-10T09:00:00"),
        ({"detail-type": "Scheduled Event", "source": "aws.scheduler"}, "2011-01-10T09:00:00"),
    ],
    ids=str,
)
def test_a_schedule_queues_one_task_for_each_shard(
    stage: Stage, sweep: str, event: Mapping[str, Any], as_of: str
) -> None:
    """As of the scheduled time, or of the clock when nothing is said: sixteen tasks, one a shard."""
    stage.clear()

    answer = stage.call(sweep, event)
    bodies = [json.loads(record["body"]) for record in stage.tasks()]

    assert {"as_of": f"{as_of}+00:00", "queued": SHARDS} == answer
    assert list(range(SHARDS)) == sorted(body["shard"] for body in bodies)
    assert {(sweep, f"{as_of}Z", None)} == {(body["sweep"], body["as_of"], body["cursor"]) for body in bodies}


@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize(
    "as_of",
    [
        "<aws.scheduler.scheduled-time>",
        "",
        "now",
        "2011-12-31",
        "2011-12-31T16:00:00",
        "2011-W52-6T16:00:00Z",
        "20111231T160000Z",
        "2011-12-32T16:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-10:00",
        1325347200,
        True,
        ["2011-12-31T16:00:00Z"],
        {},
    ],
    ids=repr,
)
def test_an_instant_that_is_none_is_a_named_error_and_queues_nothing(stage: Stage, sweep: str, as_of: Any) -> None:
    """A run as of an unclear time would expire the wrong points, so it fails under a name of its own."""
    stage.clear()

    with pytest.raises(MalformedSchedule):
        stage.call(sweep, {"as_of": as_of})

    assert [] == stage.tasks()


# Workers -------------------------------------------------------------------------------------------------------------


def test_a_sweep_writes_down_what_has_lapsed(stage: Stage) -> None:
    """Each account due gets its entry, dated to the first expired instant; again, late or twice it changes nothing."""
    stage.clear()
    stage.earn(*(paid(f"o-{number}", f"m-{number}", 1_000 * (number + 1)) for number in range(5)))
    stage.move_to("2011-02-01T09:00:00+00:00")
    stage.earn(paid("o-live", "m-0", 7_000, occurred_at="2011-02-01T09:00:00+00:00"))
    stage.counted.clear()

    assert [] == run(stage, "expire", "2012-02-01T00:05:00Z")
    after = stage.table()
    assert [] == run(stage, "expire", "2012-02-01T00:05:00Z")
    assert [] == run(stage, "expire", "2012-02-02T00:05:00Z")

    assert after == stage.table()
    assert 5 == stage.counted["ExpireAccountsWritten"]
    entry = stage.entries("m-0")[-1]
    assert ("expire", "LOT_EXPIRED", -10) == tuple(entry[name] for name in ("kind", "reason", "points"))
    assert ("2012-02-01T00:00:00Z", "2012-02-01T00:05:00Z") == (entry["occurred_at"], entry["recorded_at"])
    assert [{"policy": "expiry", "last_valid_day": "2012-01-31"}] == entry["why"]
    assert (70, 10) == (stage.member("m-0")["available"], stage.member("m-0")["lifetime"]["expired"])
    assert [0, 0, 0, 0] == [stage.member(f"m-{number}")["balance"] for number in range(1, 5)]
    assert all(stage.proved(f"m-{number}") for number in range(5))


def test_nothing_lapses_on_its_last_day(stage: Stage) -> None:
    """A sweep on the last valid day writes nothing."""
    stage.clear()
    stage.earn(paid("o-1", "m-1", 1_000))
    before = stage.table()

    assert [] == run(stage, "expire", "2012-01-31T23:59:59Z")

    assert before == stage.table()


def test_a_missed_run_is_caught_up(stage: Stage) -> None:
    """A run a year late expires each lot on the day it lapsed."""
    stage.clear()
    stage.earn(paid("o-1", "m-1", 1_000), paid("o-2", "m-1", 2_000, occurred_at=instant(-40)))

    assert [] == run(stage, "expire", "2013-01-01T00:05:00Z")

    assert ["2012-01-01T00:00:00Z", "2012-02-01T00:00:00Z"] == [
        entry["occurred_at"] for entry in stage.entries("m-1") if entry["kind"] == "expire"
    ]


def test_a_member_of_daily_lots_is_swept_after_years_without_a_sweep(aws: None) -> None:  # noqa: ARG001 - the table is made in it
    """Forty lots lapsed together: one run writes them down in a few entries, and the account goes on."""
    here = Stage("daily", program={"expiry": {"policy": "days", "days": 365, "round_up_to": "none"}})
    with use(here.runtime):
        for day in range(0, 40, 20):
            here.move_to(NOW + timedelta(days=day + 19))
            here.earn(*(paid(f"o-{n}", "m-1", 100, occurred_at=instant(n)) for n in range(day, day + 20)))
        lots = here.get("/v1/members/m-1/lots")["lots"]
        failed = run(here, "expire", "2014-01-01T00:05:00Z")
        here.earn(paid("o-later", "m-1", 500, occurred_at="2014-01-01T00:00:00Z"))

        assert 40 == len(lots)
        assert [] == failed
        assert (5, 40) == (here.member("m-1")["available"], here.member("m-1")["lifetime"]["expired"])
        assert 20 > len([entry for entry in here.entries("m-1") if entry["kind"] == "expire"])
        assert here.proved("m-1")


def test_a_sweep_releases_holds_that_ran_out(stage: Stage) -> None:
    """A lapsed hold is written down with the day's run."""
    stage.clear()
    stage.earn(paid("o-1", "m-1", 1_000))
    stage.hold("m-1", 10, "h", expires_in_s=60)

    assert [] == run(stage, "expire", "2011-01-11T00:05:00Z")

    assert ("release", "HOLD_LAPSED", "2011-01-10T09:01:00Z") == tuple(
        stage.entries("m-1")[-1][name] for name in ("kind", "reason", "occurred_at")
    )


@pytest.fixture
def crowd(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Members of shard 3, more than one page of five, all with points that lapse on 2012-01-31."""
    monkeypatch.setattr(sweeping, "PAGE", 5)
    stage.clear()
    names = (f"m-{number}" for number in range(10_000))
    members = [name for name in names if shard_of(name, SHARDS) == 3][:9]
    records = stage.records(*(paid(f"o-{name}", name, 1_000) for name in members))
    stage.call("earn", {"Records": records})
    return members


def test_a_worker_short_of_time_queues_the_rest(stage: Stage, crowd: list[str]) -> None:
    """It stops with time to spare and puts the page it was on back; the next worker goes on, and nothing fails."""
    stage.move_to("2012-02-01T00:05:00Z")
    first = stage.call("expire", {"Records": [task("expire")]}, Fading(looks=2))
    (again,) = stage.tasks()
    done = stage.counted["ExpireAccountsWritten"]
    second = stage.call("expire", {"Records": [again]}, Fading(looks=8 - done))
    (rest,) = stage.tasks()
    assert [] == drain(stage, "expire")
    third = stage.call("expire", {"Records": [rest]})

    assert [{"batchItemFailures": []}] * 3 == [first, second, third]
    assert 2 == done
    assert json.loads(task("expire")["body"]) == json.loads(again["body"])
    assert {"sweep": "expire", "as_of": "2012-02-01T00:05:00Z", "shard": 3} == {
        name: value for name, value in json.loads(rest["body"]).items() if name != "cursor"
    }
    assert json.loads(rest["body"])["cursor"].startswith("2012-02-01#m-")
    assert [] == stage.tasks()
    assert len(crowd) == stage.counted["ExpireAccountsWritten"]
    assert 0 == sum(stage.member(member)["balance"] for member in crowd)


@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        task("expire", sweep="gift")["body"],
        task("expire", as_of="2012-02-01")["body"],
        task("expire", as_of="2012-02-01T00:05:00")["body"],
        task("expire", as_of=None)["body"],
        task("expire", shard="three")["body"],
        task("expire", shard=None)["body"],
        task("expire", shard=1.5)["body"],
        task("expire", shard=True)["body"],
        task("expire", shard=-1)["body"],
        task("expire", cursor="")["body"],
        task("expire", cursor="no date")["body"],
        task("expire", cursor=5)["body"],
        task("expire").get("body", "").replace("3", "1e400", 1),
    ],
    ids=range(19),
)
def test_a_malformed_task_goes_back_alone(stage: Stage, sweep: str, body: str) -> None:
    """It is reported as failed, ends in the dead-letter queue, and its neighbours are worked."""
    stage.clear()
    records = [{"messageId": "bad", "body": body}, task(sweep)]

    assert {"batchItemFailures": [{"itemIdentifier": "bad"}]} == stage.call(sweep, {"Records": records})


def test_a_contended_account_is_left_to_the_next_try_and_blocks_nobody(stage: Stage) -> None:
    """Its neighbours are written; the message goes back, and the second try finds only what is left."""
    stage.clear()
    stage.earn(paid("o-1", "m-1", 1_000), paid("o-2", "m-2", 1_000))
    stage.move_to("2012-02-01T00:05:00Z")
    stage.call("expire", {})
    records = stage.tasks()

    def refuse(params: Any, **_more: Any) -> Any:
        if b"M#m-1" not in params["body"]:
            return None
        answer = {
            "Error": {"Code": "TransactionCanceledException", "Message": "cancelled [TransactionConflict]"},
            "CancellationReasons": [{"Code": "TransactionConflict"}],
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }
        return AWSResponse(params["url"], 400, HTTPHeaders(), None), answer

    events = stage.runtime.ledger.client.meta.events  # type: ignore[attr-defined]
    events.register_first("before-call.dynamodb.TransactWriteItems", refuse)
    try:
        hurried = [Fading(looks=1, then_ms=3_000) for _ in records]  # time for an account, none for waiting
        answers = [
            stage.call("expire", {"Records": [record]}, context)
            for record, context in zip(records, hurried, strict=True)
        ]
    finally:
        events.unregister("before-call.dynamodb.TransactWriteItems", refuse)
    left = [record for record, answer in zip(records, answers, strict=True) if answer["batchItemFailures"]]
    again = stage.call("expire", {"Records": left})

    assert 1 == len(left)
    assert {"batchItemFailures": []} == again
    assert [0, 0] == [stage.member(member)["balance"] for member in ("m-1", "m-2")]
    assert [2, 2] == [stage.member(member)["version"] for member in ("m-1", "m-2")]


# Reminders -----------------------------------------------------------------------------------------------------------


@dataclass
class Told:
    """A shop that sends reminders by e-mail and as events, and what came out of it."""

    stage: Stage
    mails: list[Any] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        """Take the events that were put on the bus, details unpacked."""
        found = [entry | {"Detail": json.loads(entry["Detail"])} for entry in self.entries]
        self.entries.clear()
        return found


@pytest.fixture(scope="module")
def telling(aws: None) -> Iterator[Told]:  # noqa: ARG001 - the bus is made in it
    """An event bus whose events are caught on their way, and a verified sender."""
    here = Stage(
        "telling",
        program={"currency": "GBP", "reminders": {"lead_days": [30, 7, 3]}},
        event_bus="shop",
        email_from=SENDER,
        shards=4,
    )
    boto3.client("events", REGION).create_event_bus(Name="shop")
    boto3.client("sesv2", REGION).create_email_identity(EmailIdentity=SENDER)
    told = Told(here, ses_backends[ACCOUNT][REGION].sent_messages)
    channels = {notifier.channel: notifier for notifier in here.runtime.notifiers}
    assert {"event", "email"} == channels.keys()
    bus: Any = channels["event"]
    bus._client.meta.events.register(
        "before-call.events.PutEvents",
        lambda params, **_more: told.entries.extend(json.loads(params["body"])["Entries"]),
    )
    with use(here.runtime):
        yield told


@pytest.fixture(scope="module")
def history(telling: Told) -> Any:
    """Two members with an address, in English and Chinese, and one without; points until 2012-01-31."""
    here = telling.stage
    here.earn(paid("o-1", "m-en", 12_000), paid("o-2", "m-zh", 6_600), paid("o-3", "m-none", 100))
    for name, language in (("m-en", "en"), ("m-zh", "zh")):
        contact = {"email": f"{name}@example.com", "language": language}
        assert 200 == here.ask("PUT", f"/v1/members/{name}/contact", contact).status
    return here.remember()


@pytest.fixture
def told(telling: Told, history: Any) -> Told:
    """The three members, nobody told yet."""
    telling.stage.go_back(history)
    telling.events()
    telling.mails.clear()
    return telling


def addresses(told: Told) -> list[str]:
    """Who was mailed."""
    return sorted(mail.destinations["ToAddresses"][0] for mail in told.mails)


def test_a_reminder_is_an_event_and_a_mail_in_the_member_s_language(told: Told) -> None:
    """Events for all, mails for those with an address; both say points, day and what is available."""
    here = told.stage
    here.earn(paid("o-4", "m-en", 3_000, occurred_at="2011-01-11T00:00:00+00:00"))

    assert [] == run(here, "remind", "2012-01-01T09:00:00Z")

    events = {event["Detail"]["member_id"]: event for event in told.events()}
    assert {"m-en", "m-zh", "m-none"} == events.keys()
    assert ("shop", "jifen", "points.expiring") == tuple(
        events["m-en"][name] for name in ("EventBusName", "Source", "DetailType")
    )
    notice = events["m-en"]["Detail"].pop("notice_id")
    assert len(notice) == 32
    assert {
        "member_id": "m-en",
        "points": 150,
        "lot_expires_on": "2012-01-31",
        "lead_days": 30,
        "days_left": 30,
        "available": 150,
    } == events["m-en"]["Detail"]
    assert ["m-en@example.com", "m-zh@example.com"] == addresses(told)
    mails = {mail.destinations["ToAddresses"][0]: mail for mail in told.mails}
    english, chinese = mails["m-en@example.com"], mails["m-zh@example.com"]
    assert SENDER == english.source
    assert "150 points expire after 31 January 2012" == english.subject
    shown = english.body.replace("&nbsp;", " ")
    assert "150 points can be used through 31 January 2012: 30 more days. After that they expire.<" in shown
    assert "You can spend 150 points now.<" in shown
    assert '<html lang="en">' in english.body
    assert "您有66积分将于2012年1月31日到期" == chinese.subject
    assert "您当前可用66积分。<" in chinese.body
    assert '<html lang="zh-CN"><head><meta charset="utf-8">' in chinese.body
    assert 3 == here.counted["RemindAccountsWritten"]


def test_each_lead_is_sent_once(told: Told) -> None:
    """Run every day, twice: one reminder at 30, 7 and 3 days, and none when the points are spent."""
    here = told.stage
    days = (
        "2011-12-31",
        "2012-01-01",
        "2012-01-02",
        "2012-01-23",
        "2012-01-24",
        "2012-01-28",
        "2012-01-31",
        "2012-02-01",
    )
    leads: dict[str, list[int]] = {}
    for day in days:
        for hour in (9, 10):
            assert [] == run(here, "remind", f"{day}T{hour:02}:00:00Z")
            for event in told.events():
                leads.setdefault(event["Detail"]["member_id"], []).append(event["Detail"]["lead_days"])
        if day == "2012-01-02":
            assert 201 == here.redeem("m-zh", 66, "spend").status

    assert {"m-en": [30, 7, 3], "m-zh": [30], "m-none": [30, 7, 3]} == leads


def test_a_missed_reminder_is_sent_under_the_lead_that_is_due(told: Told) -> None:
    """After a week without a run the smallest lead that is due goes out, and it alone."""
    assert [] == run(told.stage, "remind", "2012-01-25T09:00:00Z")

    assert {7} == {event["Detail"]["lead_days"] for event in told.events()}
    assert {"6 more days" in mail.body for mail in told.mails if "m-en" in str(mail.destinations)} == {True}


def test_on_the_last_day_the_wording_says_so(told: Told) -> None:
    """No "0 more days"."""
    assert [] == run(told.stage, "remind", "2012-01-31T09:00:00Z")

    english = next(mail for mail in told.mails if "m-en" in str(mail.destinations))
    assert "can be used through today, 31 January 2012" in english.body.replace("&nbsp;", " ")
    assert "0 more days" not in english.body


def test_what_is_in_a_mail_is_escaped(told: Told) -> None:
    """An address that looks like markup is an address, and no part of the page."""
    told.stage.ask("PUT", "/v1/members/m-en/contact", {"email": "a&b@example.com"})

    assert [] == run(told.stage, "remind", "2012-01-01T09:00:00Z")

    english = next(mail for mail in told.mails if "a&b" in str(mail.destinations))
    assert "example.com" not in english.body


@pytest.fixture
def failing(told: Told) -> Iterator[list[str]]:
    """Services that answer 403 while their name (events, sesv2) is in the list."""
    names: list[str] = []
    undo = []
    for notifier, service in zip(told.stage.runtime.notifiers, ("events", "sesv2"), strict=True):

        def refuse(params: Any, service: str = service, **_more: Any) -> Any:
            if service not in names:
                return None
            answer = {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            return AWSResponse(params["url"], 403, HTTPHeaders(), None), answer

        events = notifier._client.meta.events  # type: ignore[attr-defined]
        events.register_first(f"before-call.{service}", refuse)
        undo.append((events, f"before-call.{service}", refuse))
    yield names
    for events, name, hook in undo:
        events.unregister(name, hook)


def test_a_channel_that_fails_is_tried_again_and_the_other_is_not_repeated(told: Told, failing: list[str]) -> None:
    """The event went out, the mail did not: the message goes back, and the next try sends the mail alone."""
    here = told.stage
    failing.append("sesv2")
    failed = run(here, "remind", "2012-01-01T09:00:00Z")
    events = {event["Detail"]["member_id"]: event["Detail"]["notice_id"] for event in told.events()}
    mailed = addresses(told)
    failing.clear()
    again = run(here, "remind", "2012-01-02T09:00:00Z")

    assert 2 == len(failed)
    assert {"m-en", "m-zh", "m-none"} == events.keys()
    assert [] == mailed
    assert 2 == here.counted["RemindersFailed"]
    assert [] == again
    assert [] == told.events()
    assert ["m-en@example.com", "m-zh@example.com"] == addresses(told)


def test_a_bus_that_fails_keeps_the_reminder_due(told: Told, failing: list[str]) -> None:
    """The same lead and notice id goes out with the next try, as the same notice."""
    here = told.stage
    failing.append("events")
    failed = run(here, "remind", "2012-01-01T09:00:00Z")
    assert 2 == len(failed)  # the shards of three members
    failing.clear()

    assert [] == run(here, "remind", "2012-01-01T09:30:00Z")

    assert {30} == {event["Detail"]["lead_days"] for event in told.events()}
    assert ["m-en@example.com", "m-zh@example.com"] == addresses(told)


def test_mails_wait_while_the_sender_is_not_verified(told: Told) -> None:
    """Reported, and sent once somebody has mended it: a day without verification costs nobody the reminder."""
    here = told.stage
    settings = replace(here.settings, email_from="nobody@unverified.example")
    counted: Counter[str] = Counter()
    with use(Runtime(settings, clock=lambda: here.now, count=counted.update)):
        assert 2 == len(run(here, "remind", "2012-01-01T09:00:00Z"))
    assert 2 == counted["RemindersFailed"]
    assert [] == told.mails

    assert [] == run(here, "remind", "2012-01-01T10:00:00Z")

    assert ["m-en@example.com", "m-zh@example.com"] == addresses(told)


def test_a_worker_that_died_is_followed_by_another(told: Told) -> None:
    """A claim is taken over once its lease is out: the channel in flight is tried again, what was confirmed is not."""
    here = told.stage
    here.move_to("2012-01-01T09:00:00Z")
    here.call("remind", {})
    records = here.tasks()

    class Died(BaseException):
        """The process ends."""

    def die(**_more: Any) -> None:
        raise Died

    events = here.runtime.notifiers[1]._client.meta.events  # type: ignore[attr-defined]
    events.register_first("before-call.sesv2", die)
    for record in records:
        try:
            here.call("remind", {"Records": [record]})
        except Died:
            continue
    events.unregister("before-call.sesv2", die)
    first = {event["Detail"]["member_id"] for event in told.events()}
    at_once = run(here, "remind", "2012-01-01T09:04:59Z", Context(aws_request_id="the second"))
    between = [event["Detail"]["member_id"] for event in told.events()]
    mailed = addresses(told)
    later = run(here, "remind", "2012-01-01T09:05:00Z", Context(aws_request_id="the third"))

    assert {"m-en", "m-zh"} == first
    assert ([], ["m-none"], []) == (at_once, between, mailed)
    assert [] == later
    assert ["m-en@example.com", "m-zh@example.com"] == addresses(told)
    assert [] == told.events()


def test_a_shop_without_channels_claims_nothing(told: Told) -> None:
    """Without bus and sender nothing is marked as sent, so that a channel added later finds everything due."""
    here = told.stage
    settings = replace(here.settings, event_bus="", email_from="")
    before = here.table()
    with use(Runtime(settings, clock=lambda: datetime.fromisoformat("2012-01-01T09:00:00Z"), count=lambda _n: None)):
        here.call("remind", {})
        assert [] == drain(here, "remind")

    assert before == here.table()
