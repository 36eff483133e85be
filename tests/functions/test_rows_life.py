"""The figures of the life of a point, row by row: the sample program does what it says, seen from outside.

Tests bear the names of the rows. What a row offers as an alternative has a small program of its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from functions.publish import app as publish_app
from jifen.adapters.events import EventBridgeBus
from jifen.adapters.hooks import HttpPoster
from jifen.domain.program import parse_program
from jifen.runtime import Runtime, use
from jifen.service.ports import Contact, Message
from local.audit.auditor import audit
from tests.fakes.event_schemas import faults
from tests.fakes.eventbridge import eventbridge
from tests.fakes.hook_shop import hook_shop
from tests.functions.earning import Shop, shop
from tests.functions.hooking import ENDPOINTS, HookStage
from tests.functions.stage import MEMBER, OPERATOR, SHOP, Answer, Context, Stage
from tests.functions.test_schedules import drain, run
from tests.store.streams import recorded

SAMPLE = json.loads(Path("local/samples/program.json").read_text("utf-8"))
SHANGHAI = ZoneInfo("Asia/Shanghai")
BEGIN = "2027-01-15T12:00:00+08:00"
M, FRIEND = "m-1", "m-2"


@dataclass
class Box:
    """A channel that reaches everybody and keeps what members were told."""

    channel: str = "push"
    got: list[Message] = field(default_factory=list)

    def reaches(self, _contact: Contact | None) -> bool:
        """Everybody."""
        return True

    def send(self, message: Message) -> None:
        """Keep it."""
        self.got.append(message)


BOX = Box()


@pytest.fixture(scope="module")
def published(aws: None) -> Iterator[tuple[Shop, Any]]:  # noqa: ARG001 - the table is made in it
    """A shop in which an administrator has published the sample program, and what its table held then."""
    stage = Stage("rows-life", {"time_zone": "UTC", "currency": "CNY"}, notifiers=[BOX], shards=2)
    stage.move_to(BEGIN)
    with use(stage.runtime):
        here = Shop(stage)
        answer = here.publishes(SAMPLE)
        assert answer.status == 200, answer
        yield here, stage.remember()


@pytest.fixture
def here(published: tuple[Shop, Any]) -> Shop:
    """The sample program, and nobody has done anything yet. It is noon in Shanghai, on 15 January 2027."""
    found, state = published
    found.stage.go_back(state)
    found.at(BEGIN)
    BOX.got.clear()
    return found


def noon(day: str) -> str:
    """Twelve o'clock in Shanghai."""
    return f"{day}T12:00:00+08:00"


def night(here: Shop, day: str) -> None:
    """The expiry sweep in the first minutes of a day in Shanghai."""
    here.sweeps(f"{day}T00:05:00+08:00")


def morning(here: Shop, day: str, hour: int = 10) -> list[dict[str, Any]]:
    """The reminder run of a day: the notices that went out, each its facts and its kind."""
    BOX.got.clear()
    assert run(here.stage, "remind", f"{day}T{hour:02}:00:00+08:00") == []
    return told()


def told() -> list[dict[str, Any]]:
    """The notices that went out since they were last looked at."""
    found = [{"kind": str(notice.kind), **notice.facts} for message in BOX.got for notice in message.notices]
    BOX.got.clear()
    return found


def held(here: Shop, as_of: str) -> list[dict[str, Any]]:
    """The hourly run of what waited for the end of quiet hours."""
    here.at(as_of)
    here.stage.call("remind", {"as_of": as_of, "held": True})
    assert drain(here.stage, "remind") == []
    return told()


def lots(here: Shop, member: str = M) -> dict[str | None, int]:
    """Points by their last valid day, those of a first order that wait for their return window among them."""
    found: dict[str | None, int] = {}
    for one in here.stage.get(f"/v1/members/{member}/lots")["lots"]:
        found[one["expires_on"]] = found.get(one["expires_on"], 0) + one["points"]
    return found


def reasons(here: Shop, member: str = M) -> list[str]:
    """Why entries that no order brought were written."""
    return [one["reason"] for one in here.stage.entries(member) if one["source"]["type"] == "validity"]


def logs_in(here: Shop, day: str, member: str = M) -> None:
    """The shop says that the member was there."""
    here.at(noon(day))
    said = here.stage.ask("PUT", f"/v1/members/{member}/activity", {"kind": "login"}, scopes=SHOP)
    assert said.status == 200, said


def buys_each_month(here: Shop, *yuan: int) -> None:
    """The member comes and buys for so much on the 15th of each month from January on."""
    for month, amount in enumerate(yuan, start=1):
        logs_in(here, f"2027-{month:02}-15")
        here.buys(M, amount * 100, f"o-{month}")


# L1, L2 --------------------------------------------------------------------------------------------------------------


def test_l1_points_live_twelve_months_and_those_of_a_review_seven_days(here: Shop) -> None:
    """Both stand beside each other, each with its own last day."""
    assert here.buys(M, 10_000, "o-1") > 0
    here.does(M, "review.selected", points=50, review_id="r-1")

    assert lots(here).keys() == {"2027-01-22", "2028-01-31"}
    assert lots(here)["2027-01-22"] == 50


@pytest.mark.parametrize(
    ("expiry", "last"),
    [
        ({"policy": "months", "months": 12, "round_up_to": "none"}, "2028-01-15"),
        ({"policy": "days", "days": 90}, "2027-04-15"),
        ({"policy": "fixed_date", "month_day": "12-31"}, "2027-12-31"),
        ({"policy": "days", "days": 1, "round_up_to": "month_end"}, "2027-01-31"),
        ({"policy": "days", "days": 1, "round_up_to": "quarter_end"}, "2027-03-31"),
        ({"policy": "days", "days": 1, "round_up_to": "year_end"}, "2027-12-31"),
        ({"policy": "never"}, None),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_l2_the_last_day_is_as_the_program_counts(aws: None, expiry: dict[str, Any], last: str | None) -> None:  # noqa: ARG001 - the table is made in it
    """Days, months, a fixed day, the ends of month, quarter and year; never."""
    with shop(BEGIN, expiry=expiry) as here:
        here.buys(M, 10_000)
        assert lots(here) == {last: 100}


# L3 ------------------------------------------------------------------------------------------------------------------


def test_l3_three_months_of_500_yuan_give_all_points_six_months_more(here: Shop) -> None:
    """After the third month and not after the second, when its goods can hardly come back any more; and once."""
    buys_each_month(here, 600, 500)
    night(here, "2027-03-15")
    assert list(lots(here)) == ["2028-01-31", "2028-02-29"]
    logs_in(here, "2027-03-15")
    here.buys(M, 70_000, "o-3")
    points = lots(here)
    night(here, "2027-04-14")
    assert lots(here) == points

    night(here, "2027-04-15")
    night(here, "2027-04-16")

    assert list(lots(here)) == ["2028-07-31", "2028-08-31", "2028-09-30"]
    assert list(lots(here).values()) == list(points.values())
    assert reasons(here) == ["VALIDITY_EXTENDED"]
    assert here.stage.proved(M)


@pytest.mark.parametrize(("given_back", "last"), [(0, "2028-07-31"), (10, "2028-01-31")], ids=["kept", "given back"])
def test_l3_a_month_that_falls_below_500_by_a_refund_does_not_count(here: Shop, given_back: int, last: str) -> None:
    """Exactly 500 yuan are enough; ten cents of them given back, and nothing moves."""
    buys_each_month(here, 600, 500, 700)
    if given_back:
        here.tell(here.refund(M, "o-2", given_back))

    night(here, "2027-04-15")

    assert next(iter(lots(here))) == last


def test_l3_two_months_without_login_leave_three_months_and_every_reminder(here: Shop) -> None:
    """Last seen on 15 January: after 15 March three months are left, with a reminder 30, 7 and 3 days before."""
    points = here.buys(M, 10_000, "o-1")
    night(here, "2027-03-15")
    assert lots(here) == {"2028-01-31": points}

    night(here, "2027-03-16")
    night(here, "2027-03-17")
    assert lots(here) == {"2027-06-16": points}
    assert reasons(here) == ["VALIDITY_SHORTENED"]

    leads: dict[str, list[int]] = {}
    for day in ("2027-05-16", "2027-05-17", "2027-06-08", "2027-06-09", "2027-06-13", "2027-06-16"):
        leads |= {day: [one["lead_days"] for one in morning(here, day)]}
    assert leads == {
        "2027-05-16": [],
        "2027-05-17": [30],
        "2027-06-08": [],
        "2027-06-09": [7],
        "2027-06-13": [3],
        "2027-06-16": [],
    }


def test_l3_a_shortening_never_jumps_over_a_reminder(here: Shop) -> None:
    """Points that end sooner than in three months keep their day; nobody is reminded too late or twice."""
    ends = "2027-04-20"
    program = {**SAMPLE, "expiry": {"policy": "fixed_date", "month_day": "04-20"}}
    assert here.publishes(program).status == 200
    points = here.buys(M, 10_000, "o-1")
    night(here, "2027-03-16")
    assert lots(here) == {ends: points}

    leads = []
    for before in (31, 30, 29, 8, 7, 6, 4, 3, 2):
        leads += [one["lead_days"] for one in morning(here, str(date.fromisoformat(ends) - timedelta(days=before)))]
    assert leads == [30, 7, 3]
    assert reasons(here) == []


def test_l3_a_login_in_time_leaves_the_points_alone(here: Shop) -> None:
    """And the two months begin anew."""
    points = here.buys(M, 10_000, "o-1")
    logs_in(here, "2027-03-14")

    night(here, "2027-03-16")
    assert lots(here) == {"2028-01-31": points}
    night(here, "2027-05-15")
    assert lots(here) == {"2027-08-15": points}


def test_l3_a_shortening_is_previewed_and_taken_back(here: Shop) -> None:
    """The preview names the member and the day; the batch gives the old day back."""
    points = here.buys(M, 10_000, "o-1")
    here.at(noon("2027-03-01"))
    path = "/v1/rulesets/current/validity-preview"
    seen = here.stage.ask("POST", path, {"day": "2027-03-16"}, subject="op", scopes=OPERATOR).body
    (case,) = seen["cases"]
    assert (case["member_id"], case["policy"], case["then"]) == (M, "sleepy", "2027-06-16")

    night(here, "2027-03-16")
    reverse = {"reason": "the app had logged nobody in"}
    path = "/v1/validity/batches/sleepy.2027-03-16/reverse"
    answer = here.stage.ask("POST", path, reverse, subject="wang", scopes="points/admin", key="k-reverse")
    assert answer.status == 202, answer
    while records := here.stage.tasks():
        assert here.stage.call("expire", {"Records": records}) == {"batchItemFailures": []}

    assert lots(here) == {"2028-01-31": points}
    assert here.stage.proved(M)


# L4 ------------------------------------------------------------------------------------------------------------------


def asleep(here: Shop) -> int:
    """A member is not seen from 15 January on, and a friend's first order brings points in December; how many."""
    here.buys(M, 10_000, "o-1")
    for day in ("2027-03-16", "2027-06-17"):
        night(here, day)
    assert lots(here) == {}
    here.at(noon("2027-12-01"))
    here.does(FRIEND, "invite.accepted", inviter=M)
    here.buys(FRIEND, 20_000, "o-friend")
    points = here.available(M)
    assert points >= 100
    return points


def test_l4_half_is_voided_after_365_days_and_a_notice(here: Shop) -> None:
    """Told 30 days before with the day and the points; voided in that night, once; never without the notice."""
    points = asleep(here)
    night(here, "2028-01-16")
    assert here.available(M) == points, "nobody was told"

    (notice,) = [one for one in morning(here, "2028-01-16") if one["kind"] == "points.dormant"]
    assert (notice["policy"], notice["points"], notice["share"]) == ("dormant", points // 2, "0.5")
    assert notice["voids_on"] == "2028-02-15"
    night(here, "2028-02-14")
    assert here.available(M) == points
    night(here, "2028-02-15")
    night(here, "2028-02-16")

    assert here.available(M) == points - points // 2
    assert reasons(here)[-1] == "POINTS_VOIDED"
    assert reasons(here).count("POINTS_VOIDED") == 1
    assert here.stage.proved(M)


def test_l4_who_is_told_in_time_loses_half_on_the_366th_day(here: Shop) -> None:
    """The notice goes out 30 days before the 365 days are over."""
    points = asleep(here)
    assert [one for one in morning(here, "2027-12-16") if one["kind"] == "points.dormant"] == []
    (notice,) = [one for one in morning(here, "2027-12-17") if one["kind"] == "points.dormant"]
    assert notice["voids_on"] == "2028-01-16"

    night(here, "2028-01-16")

    assert here.available(M) == points - points // 2


def test_l4_a_login_after_the_notice_saves_the_points(here: Shop) -> None:
    """Whoever comes keeps all, and the 365 days begin anew."""
    points = asleep(here)
    assert "points.dormant" in [one["kind"] for one in morning(here, "2027-12-17")]
    logs_in(here, "2028-01-10")

    night(here, "2028-01-16")
    night(here, "2028-02-20")

    assert here.available(M) == points


# L5 ------------------------------------------------------------------------------------------------------------------


def test_l5_a_missed_week_is_caught_up_by_one_run_and_a_second_one_changes_nothing(here: Shop) -> None:
    """Points of a review are gone from the first instant after their last day; the sweep only writes it down."""
    here.does(M, "review.selected", points=50, review_id="r-1")
    here.at("2027-01-22T23:59:59+08:00")
    assert here.available(M) == 50
    here.at("2027-01-23T00:00:00+08:00")
    assert here.available(M) == 0

    night(here, "2027-01-30")
    night(here, "2027-01-30")

    expired = [one for one in here.stage.entries(M) if one["kind"] == "expire"]
    assert [one["points"] for one in expired] == [-50]
    assert here.stage.proved(M)


# L6, L8 --------------------------------------------------------------------------------------------------------------


def test_l6_a_reminder_comes_30_7_and_3_days_before_once_each_and_not_for_what_was_used(here: Shop) -> None:
    """Two runs a day; who has spent some is told what is left, and who has spent all is told nothing more."""
    points = here.buys(M, 30_000, "o-1")
    assert here.buys(FRIEND, 30_000, "o-2") == points
    for member in (M, FRIEND):
        logs_in(here, "2027-12-30", member)
    found: dict[str, list[tuple[int, int, int]]] = {M: [], FRIEND: []}
    for before in (31, 30, 29, 8, 7, 6, 4, 3, 2, 0):
        day = str(date(2028, 1, 31) - timedelta(days=before))
        for hour in (10, 11):
            assert run(here.stage, "remind", f"{day}T{hour}:00:00+08:00") == []
            for message in BOX.got:
                found[message.member] += [
                    (before, one.facts["lead_days"], one.facts["points"]) for one in message.notices
                ]
            BOX.got.clear()
        if before == 29:
            assert here.stage.redeem(M, 100, "some").status == 201
        if before == 6:
            assert here.stage.redeem(M, points - 100, "rest").status == 201

    assert found == {
        M: [(30, 30, points), (7, 7, points - 100)],
        FRIEND: [(30, 30, points), (7, 7, points), (3, 3, points)],
    }


def test_l6_a_run_that_was_missed_is_made_up_for_and_told_once(here: Shop) -> None:
    """Nobody ran for three weeks: of the reminders 30 and 7 days before, only the second goes out."""
    here.buys(M, 30_000, "o-1")
    logs_in(here, "2027-12-30")

    assert [(one["lead_days"], one["days_left"]) for one in morning(here, "2028-01-26")] == [(7, 5)]
    assert morning(here, "2028-01-27") == []


def test_l6_quiet_hours_are_the_members_own(here: Shop) -> None:
    """At ten in the evening of Tokyo nothing goes out; at eight in the morning there it does."""
    here.buys(M, 30_000, "o-1")
    contact = {"email": "m@shop.example", "language": "en", "time_zone": "Asia/Tokyo"}
    assert here.stage.ask("PUT", f"/v1/members/{M}/contact", contact, scopes=SHOP).status == 200
    logs_in(here, "2027-12-30")

    assert morning(here, "2028-01-01", hour=21) == [], "it is ten in Tokyo"
    assert held(here, "2028-01-02T06:30:00+08:00") == []
    assert [one["lead_days"] for one in held(here, "2028-01-02T07:00:00+08:00")] == [30]


def test_l6_who_refuses_a_channel_hears_nothing_on_it(here: Shop) -> None:
    """A member says so with an own token; the account is done with all the same."""
    here.buys(M, 30_000, "o-1")
    logs_in(here, "2027-12-30")
    path = f"/v1/members/{M}/preferences"
    assert here.stage.ask("PUT", path, {"refuses": ["push"]}, subject=M, scopes=MEMBER).status == 200

    assert morning(here, "2028-01-01") == []


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "zh",
            {
                "points.expiring": "到期",
                "points.balance_reached": "积分",
                "tier.at_risk": "等级",
                "points.dormant": "积分",
            },
        ),
        (
            "en",
            {
                "points.expiring": "expire",
                "points.balance_reached": "worth",
                "tier.at_risk": "Gold",
                "points.dormant": "points",
            },
        ),
    ],
)
def test_l6_every_channel_speaks_chinese_and_english(here: Shop, language: str, words: dict[str, str]) -> None:
    """As an operator sees before anybody else does."""
    for channel, (kind, word) in product(("email", "sms", "push", "wechat"), words.items()):
        asked = {"kind": kind, "channel": channel, "language": language}
        answer: Answer = here.stage.ask("POST", "/v1/notices/preview", asked, subject="op", scopes=OPERATOR)
        assert answer.status == 200, answer
        said = json.dumps([answer.body["subject"], answer.body["text"]], ensure_ascii=False)
        assert word in said, (channel, said)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_l6_a_message_is_in_the_members_language(here: Shop, language: str) -> None:
    """It goes out with the contact, which says the language."""
    contact = {"email": "m@shop.example", "language": language}
    assert here.stage.ask("PUT", f"/v1/members/{M}/contact", contact, scopes=SHOP).status == 200
    here.buys(M, 30_000, "o-1")
    logs_in(here, "2027-12-30")

    assert run(here.stage, "remind", "2028-01-01T10:00:00+08:00") == []

    (message,) = BOX.got
    assert message.contact is not None
    assert (message.contact.language, message.contact.email) == (language, "m@shop.example")


def test_l8_a_member_sees_when_each_lot_ends_and_counts_down(here: Shop) -> None:
    """Soonest first, with the days that are left and the instant at which it is over."""
    points = here.buys(M, 10_000, "o-1")
    here.does(M, "review.selected", points=50, review_id="r-1")
    here.at(noon("2027-01-20"))

    first, *others = here.stage.get(f"/v1/members/{M}/lots")["lots"]

    assert (first["points"], first["expires_on"], first["days_left"]) == (50, "2027-01-22", 2)
    assert datetime.fromisoformat(first["ends_at"]) == datetime(2027, 1, 23, tzinfo=SHANGHAI)
    assert {(one["points"], one["active_from"], one["days_left"]) for one in others} == {
        (points - 100, None, 376),
        (100, "2027-01-29", 376),
    }


# L7 ------------------------------------------------------------------------------------------------------------------


def test_l7_five_thousand_points_are_told_with_their_worth_and_the_level_with_them(here: Shop) -> None:
    """In one message, once: exactly 5,000 points unused are worth 50 yuan, and 4,999 are nothing to tell."""
    for day, yuan in ((15, 1_000), (16, 1_000), (17, 1_000), (18, 800), (19, 800)):
        here.at(noon(f"2027-01-{day}"))
        here.buys(M, yuan * 100, f"o-{day}")
    here.at("2027-01-20T09:00:00+08:00")
    assert here.buys(M, 3_300, "o-20") + 4_960 == here.available(M) == 4_999
    assert [one["kind"] for one in morning(here, "2027-01-20")] == ["tier.reached"]
    assert here.buys(M, 100, "o-21") == 1

    (notice,) = morning(here, "2027-01-21")
    assert notice == {
        "kind": "points.balance_reached",
        "amount": 5_000,
        "available": 5_000,
        "worth": {"amount_minor": 5_000, "currency": "CNY"},
    }
    assert morning(here, "2027-01-22") == []
    facts = {name: fact for name, fact in notice.items() if name != "kind"}
    for language, worth in (("zh", "50.00元"), ("en", "¥50.00")):
        asked = {"kind": notice["kind"], "channel": "push", "language": language, "facts": facts}
        said = here.stage.ask("POST", "/v1/notices/preview", asked, subject="op", scopes=OPERATOR).body["text"]
        assert worth in said


def test_l7_a_level_that_is_about_to_drop_is_told_30_days_before(here: Shop) -> None:
    """With what is missing to keep it."""
    for day in range(15, 19):
        here.at(noon(f"2027-01-{day}"))
        here.buys(M, 100_000, f"o-{day}")
    assert here.tier(M)["level"] == "senior"
    falls = date.fromisoformat(here.tier(M)["until"]) + timedelta(days=1)
    logs_in(here, str(falls - timedelta(days=40)))
    kinds = {}
    for before in (31, 30, 29):
        notices = morning(here, str(falls - timedelta(days=before)))
        kinds[before] = [one for one in notices if one["kind"] == "tier.at_risk"]

    (notice,) = kinds[30]
    assert (notice["tier"], notice["until"], notice["falls_to"]) == ("senior", "2027-12-31", "member")
    assert notice["missing"] > 0
    assert kinds[31] == kinds[29] == []


def test_l7_a_reward_that_is_saved_for_is_told_when_it_can_be_had(here: Shop) -> None:
    """Once, with its price."""
    cup = {"title": "Cup", "kind": "service", "points": 500, "stock": {"counted": False}}
    written = here.stage.ask("PUT", "/v1/rewards/cup", cup, subject="op", scopes=OPERATOR, key="w")
    assert written.status == 200, written
    here.buys(M, 20_000, "o-1")
    goal = {"reward_id": "cup"}
    assert here.stage.ask("PUT", f"/v1/members/{M}/goal", goal, subject=M, scopes=MEMBER, key="g").status == 200
    assert morning(here, "2027-01-16") == []
    here.at(noon("2027-01-17"))
    here.buys(M, 50_000, "o-2")

    assert [(one["kind"], one["title"], one["points"]) for one in morning(here, "2027-01-18")] == [
        ("reward.affordable", "Cup", 500)
    ]
    assert morning(here, "2027-01-19") == []


# S2 ------------------------------------------------------------------------------------------------------------------


class Doorstep(HookStage):
    """A stage with endpoints, which an administrator makes; the shop's server asks for all else."""

    def ask(self, method: str, path: str, *asked: Any, **more: Any) -> Answer:
        """Call the API."""
        caller = HookStage if path == ENDPOINTS else Stage
        return caller.ask(self, method, path, *asked, **more)


def test_s2_every_change_is_an_event_on_the_bus_and_signed_at_the_shops_door(aws: None) -> None:  # noqa: ARG001 - the table is made in it
    """What policies, sweeps and the shop did: by its schema, under one id on both ways, entries as the API has them."""
    stage = Doorstep("rows-life-s2", SAMPLE, posted_by=HttpPoster(private=True), shards=2)
    with eventbridge() as bus, hook_shop() as door, use(stage.runtime), recorded() as stream:
        here = Shop(stage)
        here.at(BEGIN)
        secret = stage.create("shop", door.url, "points.*", "validity.*", "tier.*")["secret"]
        here.buys(M, 30_000, "o-1")
        here.does(M, "review.selected", points=50, review_id="r-1")
        assert stage.redeem(M, 100, "k-1").status == 201
        here.tell(here.refund(M, "o-1", 10_000))
        for day in ("2027-01-23", "2027-03-16", "2027-06-17"):
            night(here, day)

        adapter = EventBridgeBus(bus.client(), "shop", lambda *_: None)
        with use(Runtime(stage.settings, bus=adapter, relay=stage.runtime.relay, count=lambda _numbers: None)):
            assert publish_app.handler({"Records": stream.records}, Context()) == {"batchItemFailures": []}
        stage.work()
        shown = {(one["sequence"], one["points"], one["reason"], one["hash"]) for one in stage.entries(M)}
        assert stage.proved(M)

    on_bus = [one for one in bus.events if one["detail"].get("member_id") == M or one["type"].startswith("validity.")]
    assert [(one["type"], wrong) for one in bus.events for wrong in faults(one["type"], one["detail"])] == []
    entries = [one["detail"]["data"] for one in on_bus if one["type"].startswith("points.")]
    assert {(one["sequence"], one["points"], one["reason"], one["hash"]) for one in entries} == shown
    assert {one["type"] for one in on_bus} >= {
        "points.earned",
        "points.bonus",
        "points.redeemed",
        "points.clawed_back",
        "points.adjusted",
        "points.expired",
        "validity.applied",
    }
    assert {got.id for got in door.got} == {
        one["detail"]["id"] for one in bus.events if one["type"].startswith(("points.", "validity.", "tier."))
    }
    key = base64.b64decode(secret.removeprefix("whsec_"))
    for got in door.got:
        signed = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
        mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert got.headers["webhook-signature"] == f"v1,{mac}"


# The audit -----------------------------------------------------------------------------------------------------------


def test_an_audit_knows_the_dates_of_the_program_that_was_published(here: Shop) -> None:
    """Whoever looks has the stack's own program at hand; dates by policies and notices are no violation, others are."""
    own = parse_program({"time_zone": "UTC", "currency": "CNY"})
    here.buys(M, 30_000, "o-1")
    rows = here.stage.dynamodb.scan(TableName=here.stage.name)["Items"]
    (account,) = [row for row in rows if row["sk"]["S"] == "A"]
    assert account["due_expiry"]["S"] == f"2027-03-16#{M}", "the day of a policy"

    assert audit(rows, own, here.stage.now, shards=2) == []
    account["due_expiry"]["S"] = f"2029-03-16#{M}"
    assert {one.law for one in audit(rows, own, here.stage.now, shards=2)} == {"index"}
