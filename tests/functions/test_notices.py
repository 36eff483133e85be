"""What members are told, from orders to channels: one message, its time, its channels, and what an operator sees."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jifen.domain.account import Reminded
from jifen.domain.notices import NoticeKind
from jifen.domain.program import parse_program
from jifen.runtime import Runtime, use
from jifen.service.life_shelves import failed_notices_of
from jifen.service.ports import Contact, Message, NotSent, Sweep
from jifen.store import codec
from tests.functions.stage import OPERATOR, SHOP, Context, Stage, paid
from tests.functions.test_schedules import drain, run

NOTICES = {
    "balance_reached": [100, 1_000],
    "tier_reached": True,
    "quiet_hours": {"from": "22:00", "to": "08:00"},
    "tries": 2,
    "reward_affordable": True,
    "once_a_day": False,
}
PROGRAM = {
    "time_zone": "Europe/London",
    "currency": "GBP",
    "reminders": {"lead_days": [30, 7, 3]},
    "tiers": {"levels": [{"id": "plain", "from": 0}, {"id": "gold", "from": 1_000, "title": "Gold"}]},
    "notices": NOTICES,
}


@dataclass
class Channel:
    """A provider that keeps what it got; one that is ``down`` takes nothing."""

    channel: str
    down: bool = False
    sent: list[Message] = field(default_factory=list)

    def reaches(self, contact: Contact | None) -> bool:
        """Everybody."""
        del contact
        return True

    def send(self, message: Message) -> None:
        """Take it."""
        if self.down:
            raise NotSent("the provider is down")
        self.sent.append(message)

    def take(self) -> list[tuple[str, list[str]]]:
        """Member and kinds of each message, which are forgotten."""
        taken = [(message.member, [str(notice.kind) for notice in message.notices]) for message in self.sent]
        self.sent.clear()
        return sorted(taken)


MAIL, TEXT = Channel("email"), Channel("sms")


@pytest.fixture(scope="module")
def here(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in London that tells its members things."""
    made = Stage("notices", PROGRAM, shards=2, notifiers=[MAIL, TEXT])
    with use(made.runtime):
        yield made


@pytest.fixture
def shop(here: Stage) -> Stage:
    """The shop without members, on 10 January 2011 at nine."""
    here.clear()
    here.counted.clear()
    here.move_to("2011-01-10T09:00:00+00:00")
    for channel in (MAIL, TEXT):
        channel.down = False
        channel.sent.clear()
    return here


def run_held(shop: Stage, as_of: str) -> int:
    """The hourly run for what was held; how many accounts it looked at."""
    shop.move_to(as_of)
    shop.call("remind", {"as_of": as_of, "held": True})
    seen, load = 0, shop.runtime.ledger.load

    def counting(members: Any, documents: Any = ()) -> Any:
        nonlocal seen
        seen += len(members)
        return load(members, documents)

    shop.runtime.ledger.load = counting  # type: ignore[method-assign]
    try:
        assert [] == drain(shop, "remind")
    finally:
        del shop.runtime.ledger.load
    return seen


def failed(shop: Stage, month: str) -> list[Any]:
    """What an operator finds among the failed notices."""
    return list(shop.runtime.ledger.listed(failed_notices_of(month), None, 100).documents)


def test_a_day_is_one_message(shop: Stage) -> None:
    """An order that reaches a level and an amount is one message on each channel; the next run is silent."""
    shop.earn(paid("o-1", "m-1", 100_000))

    assert [] == run(shop, "remind", "2011-01-10T10:00:00Z")
    assert [("m-1", ["points.balance_reached", "tier.reached"])] == MAIL.take() == TEXT.take()
    shop.earn(paid("o-2", "m-2", 9_900))
    assert [] == run(shop, "remind", "2011-01-10T11:00:00Z")
    assert [] == run(shop, "remind", "2011-01-11T10:00:00Z")

    assert [] == MAIL.take()


def stock(shop: Stage, pieces: int, key: str) -> None:
    """Put so many cups into the stock."""
    said = {"pieces": pieces, "reason": "delivery"}
    assert shop.ask("POST", "/v1/rewards/cup/stock", said, subject="op", scopes=OPERATOR, key=key).status == 200


def reward(shop: Stage, points: int, title: str = "Cup", *, on: bool = True, opens: str = "", **more: Any) -> None:
    """Write the reward ``cup`` as an operator; without ``more`` a piece is put into its stock each time."""
    content = {"title": title, "points": points, **more} | ({"from": opens} if opens else {})
    assert shop.ask("PUT", "/v1/rewards/cup", content, subject="op", scopes=OPERATOR, key=f"w-{points}").status == 200
    if not more:
        stock(shop, 1, f"s-{points}")
    if not on:
        said = {"on": False}
        assert shop.ask("POST", "/v1/rewards/cup/shelf", said, subject="op", scopes=OPERATOR, key="off").status == 200


def save_for_cup(shop: Stage) -> None:
    """m-1 saves for the cup."""
    assert shop.ask("PUT", "/v1/members/m-1/goal", {"reward_id": "cup"}, scopes=SHOP, key="g").status == 200


def told_of_cup(shop: Stage, as_of: str) -> list[tuple[str, int]]:
    """Title and points of the rewards that a run tells of."""
    assert [] == run(shop, "remind", as_of)
    facts = [notice.facts for message in MAIL.sent for notice in message.notices if "reward_id" in notice.facts]
    MAIL.sent.clear()
    return [(one["title"], one["points"]) for one in facts]


def test_the_reward_saved_for_is_told_as_it_is_now(shop: Stage) -> None:
    """Its title and price are those of the day; told once."""
    reward(shop, 60)
    save_for_cup(shop)
    shop.earn(paid("o-1", "m-1", 7_000))
    reward(shop, 50, "Blue cup")

    assert [("Blue cup", 50)] == told_of_cup(shop, "2011-01-10T10:00:00Z")
    assert [] == told_of_cup(shop, "2011-01-11T10:00:00Z")


def test_a_reward_that_has_become_dearer_is_saved_for_at_its_new_price(shop: Stage) -> None:
    """Not told at the old price; told once the points are enough for the new one."""
    reward(shop, 60)
    save_for_cup(shop)
    shop.earn(paid("o-1", "m-1", 7_000))
    reward(shop, 90)

    assert [] == told_of_cup(shop, "2011-01-10T10:00:00Z")
    shop.earn(paid("o-2", "m-1", 2_000))
    assert [("Cup", 90)] == told_of_cup(shop, "2011-01-11T10:00:00Z")


def test_a_reward_that_is_over_is_not_told(shop: Stage) -> None:
    """Nobody is told of it, and the account waits for nothing."""
    reward(shop, 60)
    save_for_cup(shop)
    shop.earn(paid("o-1", "m-1", 7_000))
    reward(shop, 60, until="2011-01-10T09:30:00Z")

    assert [] == told_of_cup(shop, "2011-01-10T10:00:00Z")
    shards = range(2)
    due = [shop.runtime.ledger.due(Sweep.REMIND, shard, date(2011, 2, 1), None, 9).members for shard in shards]
    assert [(), ()] == due


def test_a_reward_off_the_shelf_is_told_once_it_is_back(shop: Stage) -> None:
    """It may be back tomorrow."""
    reward(shop, 60)
    save_for_cup(shop)
    shop.earn(paid("o-1", "m-1", 7_000))
    reward(shop, 60, on=False)

    assert [] == told_of_cup(shop, "2011-01-10T10:00:00Z")
    said = {"on": True}
    assert shop.ask("POST", "/v1/rewards/cup/shelf", said, subject="op", scopes=OPERATOR, key="on").status == 200
    assert [("Cup", 60)] == told_of_cup(shop, "2011-01-11T10:00:00Z")


@pytest.mark.parametrize("more", [{"stock": {"shards": 1}}, {"stock": {"shards": 3}}])
def test_a_reward_that_is_sold_out_is_told_once_there_are_some(shop: Stage, more: dict[str, Any]) -> None:
    """Not while there is none; what comes into whichever shard is found by one of the next runs, and told once."""
    reward(shop, 60, **more)
    save_for_cup(shop)
    shop.earn(paid("o-1", "m-1", 7_000))

    assert [] == told_of_cup(shop, "2011-01-10T10:00:00Z")
    assert [] == told_of_cup(shop, "2011-01-10T11:00:00Z")
    assert [] == told_of_cup(shop, "2011-01-11T10:00:00Z")
    stock(shop, 1, "s")
    assert [("Cup", 60)] == told_of_cup(shop, "2011-01-12T10:00:00Z")
    assert [] == told_of_cup(shop, "2011-01-13T10:00:00Z")


def test_a_reward_that_stays_sold_out_is_looked_at_once_a_week(shop: Stage) -> None:
    """Less and less often: a hundred thousand who wait for it cost little; it is told at most a week late."""
    reward(shop, 60, stock={"shards": 1})
    save_for_cup(shop)
    shop.earn(paid("o-1", "m-1", 7_000))
    looked: list[int] = []
    for day in range(11, 31):
        through = date(2011, 1, day)
        if any(shop.runtime.ledger.due(Sweep.REMIND, shard, through, None, 9).members for shard in range(2)):
            looked.append(day)
        assert [] == told_of_cup(shop, f"2011-01-{day}T10:00:00Z")

    assert [11, 12, 13, 15, 19, 26] == looked


@pytest.mark.parametrize(
    ("opens", "told_on"),
    [("2011-01-12T00:00:00Z", "12"), ("2011-01-12T20:00:00Z", "13"), ("2011-01-10T09:59:00Z", "10")],
)
def test_a_reward_is_told_once_it_is_open(shop: Stage, opens: str, told_on: str) -> None:
    """Saving for what opens later is what saving is for; until then it cannot be had."""
    reward(shop, 60, opens=opens, stock={"counted": False})
    save_for_cup(shop)
    shop.earn(paid("o-1", "m-1", 7_000))

    told = [day for day in ("10", "11", "12", "13", "14") if told_of_cup(shop, f"2011-01-{day}T10:00:00Z")]

    assert [told_on] == told


def test_who_has_reached_a_limit_is_told_when_it_resets(shop: Stage) -> None:
    """The goal stays after the exchange; its price is there again, and this month no other piece is."""
    reward(shop, 60, stock={"counted": False}, limits=[{"per": "month", "times": 1}])
    shop.earn(paid("o-1", "m-1", 20_000))
    asked = {"reward_id": "cup"}
    assert shop.ask("POST", "/v1/members/m-1/reward-orders", asked, scopes=SHOP, key="x").status == 201
    save_for_cup(shop)

    told = [day for day in ("01-10", "01-31", "02-01", "02-02") if told_of_cup(shop, f"2011-{day}T10:00:00Z")]

    assert ["02-01"] == told


def test_what_is_due_at_night_goes_out_in_the_morning(shop: Stage) -> None:
    """The daily run holds it; the hourly run finds it once the quiet hours are over, and nobody else."""
    shop.earn(paid("o-1", "m-1", 10_000), paid("o-2", "m-2", 10_000))
    ask = {"email": "m2@shop.example", "time_zone": "Asia/Tokyo"}
    assert shop.ask("PUT", "/v1/members/m-2/contact", ask, scopes=SHOP, key="c-2").status == 200

    assert [] == run(shop, "remind", "2011-01-11T02:00:00Z")
    assert [("m-2", ["points.balance_reached"])] == MAIL.take()
    shop.earn(paid("o-3", "m-3", 10_000, occurred_at="2011-01-11T02:00:00+00:00"))
    assert 0 == run_held(shop, "2011-01-11T07:00:00Z")
    assert 1 == run_held(shop, "2011-01-11T08:00:00Z")
    assert [("m-1", ["points.balance_reached"])] == MAIL.take()
    assert 0 == run_held(shop, "2011-01-11T09:00:00Z")

    assert [] == run(shop, "remind", "2011-01-11T09:30:00Z")
    assert [("m-3", ["points.balance_reached"])] == MAIL.take()


def test_a_run_that_was_missed_is_caught_up_by_the_daily_one(shop: Stage) -> None:
    """Nobody ran at eight, nor on the next day: what was held goes out with whatever run comes."""
    shop.earn(paid("o-1", "m-1", 10_000))
    assert [] == run(shop, "remind", "2011-01-11T02:00:00Z")

    assert [] == run(shop, "remind", "2011-01-14T12:00:00Z")

    assert [("m-1", ["points.balance_reached"])] == MAIL.take()


def test_points_that_last_for_a_week_are_told_a_month_ahead_of_and_nobody_is_late(aws: None) -> None:  # noqa: ARG001 - the table is made in it
    """Runs on time have no lag, whichever day stands in the index; a run that comes a week late has."""
    expiry = {"policy": "days", "days": 7, "round_up_to": "none"}
    program = {"time_zone": "Europe/London", "currency": "GBP", "expiry": expiry, "reminders": {"lead_days": [30, 3]}}
    stage, lags = Stage("lagging", program, shards=1, notifiers=[MAIL]), []
    with use(stage.runtime):
        for day in ("10", "11", "12", "19"):
            stage.move_to(f"2011-01-{day}T09:00:00+00:00")
            stage.earn(paid(f"o-{day}", f"m-{day}", 10_000, occurred_at=f"2011-01-{day}T09:00:00+00:00"))
            stage.counted.clear()
            assert [] == run(stage, "remind", f"2011-01-{day}T10:00:00Z")
            lags.append(stage.counted["RemindLagDays"])
            assert (f"m-{day}", ["points.expiring"]) in MAIL.take()
    assert [1, 1, 7] == lags[1:]


def test_a_channel_that_is_down_is_given_up_and_shown(shop: Stage) -> None:
    """Two runs, then a failed notice and a number that an alarm can go by; the other channel had it at once."""
    TEXT.down = True
    shop.earn(paid("o-1", "m-1", 10_000))

    assert 1 == len(run(shop, "remind", "2011-01-10T10:00:00Z"))
    assert [] == failed(shop, "2011-01")
    assert [] == run(shop, "remind", "2011-01-11T10:00:00Z")
    TEXT.down = False
    assert [] == run(shop, "remind", "2011-01-12T10:00:00Z")

    assert ([("m-1", ["points.balance_reached"])], []) == (MAIL.take(), TEXT.take())
    assert (2, 1) == (shop.counted["RemindersFailed"], shop.counted["RemindersGivenUp"])
    (one,) = failed(shop, "2011-01")
    assert ("m-1", "sms", 2, ("points.balance_reached",)) == (one.member, one.channel, one.tries, one.kinds)


def test_a_bug_in_a_channel_is_logged_with_its_traceback(shop: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator sees where it is; a provider that is down says what there is to say in a few words."""
    lines: list[tuple[str, Any]] = []

    class Log:
        def error(self, _text: str, extra: Any, exc_info: Exception | None = None) -> None:
            lines.append((extra["channel"], exc_info))

        def __getattr__(self, _name: str) -> Any:
            return lambda *_args, **_more: None

    bug = KeyError("template")

    def fail(_message: Message) -> None:
        raise bug

    monkeypatch.setitem(shop.runtime.__dict__, "logger", Log())
    monkeypatch.setattr(MAIL, "send", fail)
    TEXT.down = True
    shop.earn(paid("o-1", "m-1", 10_000))

    assert 1 == len(run(shop, "remind", "2011-01-10T10:00:00Z"))

    assert [("email", bug), ("sms", None)] == lines
    assert "SweepAccountsFailed" not in shop.counted


def test_a_rate_sends_the_rest_of_a_shard_back(shop: Stage) -> None:
    """A worker without time for its turn queues where it stopped; everybody is told once in the end."""
    shop.earn(*(paid(f"o-{number}", f"m-{number}", 10_000) for number in range(6)))
    limited = {**PROGRAM, "notices": {**NOTICES, "per_second": {"email": 4}}}
    settings = replace(shop.settings, program=parse_program(limited))
    here = Runtime(settings, clock=lambda: shop.now, notifiers=[MAIL], count=lambda _numbers: None)

    with use(here):
        assert [] == run(shop, "remind", "2011-01-10T10:00:00Z", Context(remaining_ms=8_400))

    assert [f"m-{number}" for number in range(6)] == [member for member, _ in MAIL.take()]


@pytest.mark.parametrize("held", [1, "true", None, {}, False])
def test_only_true_is_held(shop: Stage, held: Any) -> None:
    """Whatever else stands there is a run like any other."""
    shop.call("remind", {"as_of": "2011-01-10T10:00:00Z", "held": held})

    assert [False, False] == ["held" in json.loads(record["body"]) for record in shop.tasks()]


def test_expire_knows_no_held_runs(shop: Stage) -> None:
    """Nothing that expires waits for a morning."""
    shop.call("expire", {"as_of": "2011-01-10T10:00:00Z", "held": True})

    assert all("held" not in json.loads(record["body"]) for record in shop.tasks())


# The page -------------------------------------------------------------------------------------------------------------

PAGE = Path("docs/notices.md").read_text(encoding="utf-8")
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def test_the_page_shows_a_program() -> None:
    """What stands there can be published as it is."""
    terms = parse_program({"currency": "GBP", **BLOCKS[0]}).notices

    assert ((1_000, 5_000), 30, 5, True) == (
        terms.balance_reached,
        terms.tier_at_risk_days,
        terms.tries,
        terms.once_a_day,
    )


def test_the_page_shows_marks_as_they_are_read() -> None:
    """The marks of the example mean what is said of them."""
    reminded, told = BLOCKS[1]["reminded"], BLOCKS[1]["told"]

    assert Reminded(7) == codec._reminded_in(reminded["2026-12-31"])
    assert ("sms",) == codec._reminded_in(reminded["2027-01-31"]).waiting
    assert date(2026, 11, 26).toordinal() == told[0]["points.balance_reached/5000"]
    assert date(2026, 11, 26) == codec._told_in(told).day


def test_the_page_names_every_kind() -> None:
    """Each in the table of what is told."""
    assert all(f"| `{kind}` |" in PAGE for kind in NoticeKind)
