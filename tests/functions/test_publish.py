"""The publish function: what a shop does comes out on its event bus, once at least, whatever the bus does meanwhile."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from functions.publish import app
from jifen.adapters.events import EventBridgeBus
from jifen.domain.errors import Busy
from jifen.domain.outgoing import OutgoingEvent
from jifen.runtime import Deadline, Runtime, Settings, current, use
from jifen.service.publishing import PUT_TRIES
from tests.fakes.event_schemas import faults
from tests.fakes.eventbridge import EventBridge, eventbridge
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, Context, Stage, paid, refunded
from tests.store.streams import Record, Stream, record, recorded

A, B = "alice", "bob"
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
PROGRAM: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "GBP",
    "earning": {
        "rules": [
            {"id": "base", "rate": {"points": 1, "per_minor": 100}},
            {"id": "once", "on": "member.registered", "fixed": 100, "once_per": "phone"},
            {"id": "good", "on": "review.scored", "fixed": 30, "approval": True},
        ]
    },
    "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 1_000}]},
    "transfers": {"enabled": True, "cooling_days": 3, "known_only": False},
}
MARKS = ("anna@mail.example", "13800138000", "Nanjing Road", "KEY-1234", "s3cret-word", "for your birthday", "SF-99")
"""What members and operators wrote that no event may say."""


@dataclass
class Endpoints:
    """The shop's endpoints, as far as a relay is seen from here."""

    busy: int = 0
    events: list[OutgoingEvent] = field(default_factory=list)

    def wanted(self, kind: str, *, disabled: bool = False) -> bool:
        """Everything is."""
        return disabled or bool(kind)

    def relay(self, events: Sequence[OutgoingEvent]) -> None:
        """Take them, or say that they were not taken."""
        if self.busy:
            self.busy -= 1
            raise Busy
        self.events += events


@pytest.fixture(scope="module")
def server() -> Iterator[EventBridge]:
    """EventBridge, for all of these tests."""
    with eventbridge() as bus:
        yield bus


@pytest.fixture
def bus(server: EventBridge) -> EventBridge:
    """It has taken nothing yet and fails at nothing."""
    server.calls.clear()
    server.events.clear()
    assert not server._failures
    assert not server._refusals
    return server


class Hasty(Runtime):
    """A runtime that does not wait between tries."""

    def patience(self, context: Any) -> Deadline:
        """As many tries as there is time for."""
        return Deadline(lambda: context.get_remaining_time_in_millis() / 1000, sleep=lambda _seconds: None)


@dataclass
class Publisher:
    """The function with a bus and endpoints; ``counted`` are its metrics."""

    bus: EventBridge
    endpoints: Endpoints = field(default_factory=Endpoints)
    counted: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        adapter = EventBridgeBus(self.bus.client(), "shop", lambda *said: self.problems.append(said))
        self.runtime: Runtime = Hasty(Settings(), bus=adapter, relay=self.endpoints, count=self.counted.update)

    def publish(self, records: Sequence[Record], context: object | None = None) -> list[str]:
        """Hand over a batch; the sequence numbers that failed."""
        with use(self.runtime):
            answer = app.handler({"Records": list(records)}, context or Context())
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]

    def told(self, name: str) -> list[dict[str, Any]]:
        """The data of each event of a type on the bus."""
        return [one["detail"]["data"] for one in self.bus.events if one["type"] == name]


@pytest.fixture
def publisher(bus: EventBridge) -> Publisher:
    """A function that nothing is wrong with."""
    return Publisher(bus)


# A day at a shop -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def story(aws: None) -> list[Record]:  # noqa: ARG001 - the table is made in it
    """What a shop, its members and its operators did in some days, as the table's stream has it."""
    shop = Stage("publish", program=PROGRAM, now=NOW)
    with use(shop.runtime), recorded() as stream:
        _orders_and_spending(shop)
        _members(shop)
        _mall(shop)
        _operators(shop)
        assert shop.proved(A)
        assert shop.proved(B)
    return stream.records


_KEYS = count()


def _done(stage: Stage, method: str, path: str, body: Mapping[str, Any] | None = None, **more: Any) -> Any:
    key = f"key-{next(_KEYS)}" if method == "POST" else None
    answer = stage.ask(method, path, body, key=key, **more)
    assert answer.status < 300, (path, answer)
    return answer.body


def _orders_and_spending(shop: Stage) -> None:
    at = NOW.isoformat()
    shop.earn(paid("o-1", A, 200_000, occurred_at=at), paid("o-2", B, 50_000, occurred_at=at))
    shop.earn(refunded("o-1", "r-1", A, 50_000, occurred_at=at), refunded(None, "r-2", B, 1_000, occurred_at=at))
    spent = shop.redeem(A, 100, "k-1").body["redemption_id"]
    _done(shop, "POST", f"/v1/redemptions/{spent}/restore", {"points": 40})
    first, second, _lapses = (shop.hold(A, points, f"h-{points}").body["hold_id"] for points in (50, 60, 70))
    _done(shop, "POST", f"/v1/holds/{first}/capture", {"points": 30})
    _done(shop, "POST", f"/v1/holds/{second}/void")
    shop.move_to(NOW + timedelta(hours=2))
    shop.redeem(A, 1, "k-2")


def _members(shop: Stage) -> None:
    own: dict[str, Any] = {"subject": A, "scopes": MEMBER}
    _done(shop, "PUT", f"/v1/members/{A}/contact", {"email": MARKS[0], "language": "zh"})
    _done(shop, "PUT", f"/v1/members/{A}/contact", {"email": f"x{MARKS[0]}", "language": "zh"})
    _done(shop, "PUT", f"/v1/members/{A}/profile", {"birthday": "06-01", "region": "SH", "tags": ["vip"]})
    for number, (kind, data) in enumerate((("member.registered", {"phone": MARKS[1]}), ("review.scored", {}))):
        event = {"type": kind, "event_id": f"e-{number}", "member_id": A, "occurred_at": shop.now.isoformat()}
        _done(shop, "POST", "/v1/events", {**event, "data": data})
    _done(shop, "PUT", f"/v1/members/{A}/points-password", {"password": MARKS[4]}, **own)
    gift = {"to": B, "points": 25, "note": MARKS[5], "password": MARKS[4]}
    sent = _done(shop, "POST", f"/v1/members/{A}/transfers", gift, **own)["transfer_id"]
    _done(shop, "POST", f"/v1/transfers/{sent}/cancel", **own)


def _mall(shop: Stage) -> None:
    op: dict[str, Any] = {"subject": "op", "scopes": OPERATOR}
    own: dict[str, Any] = {"subject": A, "scopes": MEMBER}
    coupon = {"kind": "amount", "discount_minor": 500, "valid_days": 7}
    rewards: Mapping[str, dict[str, Any]] = {
        "cup": {"title": "Cup", "points": 20},
        "card": {"title": "Card", "points": 20, "kind": "virtual", "stock": {"codes": True}},
        "five": {"title": "5 off", "points": 20, "kind": "coupon", "coupon": coupon, "stock": {"counted": False}},
    }
    for name, content in rewards.items():
        _done(shop, "PUT", f"/v1/rewards/{name}", content, **op)
    _done(shop, "POST", "/v1/rewards/cup/stock", {"pieces": 3, "reason": "delivery"}, **op)
    _done(shop, "POST", "/v1/rewards/card/codes", {"codes": [MARKS[3]]}, **op)
    address = {"name": "Li", "phone": MARKS[1], "street": MARKS[2]}
    orders = [
        _done(shop, "POST", f"/v1/members/{A}/reward-orders", {"reward_id": name, "password": MARKS[4]}, **own)
        for name in rewards
    ]
    cup = orders[0]["order_id"]
    _done(shop, "POST", f"/v1/reward-orders/{cup}/address", address, **own)
    _done(shop, "POST", f"/v1/reward-orders/{cup}/address", {**address, "name": "Wang"}, **own)
    _done(shop, "POST", f"/v1/reward-orders/{cup}/ship", {"carrier": "SF", "number": MARKS[6]})
    _done(shop, "POST", f"/v1/reward-orders/{cup}/deliver")
    issued = shop.get(f"/v1/members/{A}/coupons")["coupons"][0]["coupon_id"]
    order = {"order_id": "o-9", "order_total": {"amount_minor": 9_000, "currency": "GBP"}}
    _done(shop, "POST", f"/v1/coupons/{issued}/use", order)
    _done(shop, "POST", f"/v1/coupons/{issued}/release", {"order_id": "o-9"})


def _operators(shop: Stage) -> None:
    op: dict[str, Any] = {"subject": "op", "scopes": OPERATOR}
    _done(shop, "POST", f"/v1/reviews/{A}/e-1/approve", {"reason": "well written"}, **op)
    number = _done(shop, "POST", "/v1/rulesets", {"program": PROGRAM, "note": "as it is"}, **op)["number"]
    boss: dict[str, Any] = {"subject": "boss", "scopes": ADMIN}
    _done(shop, "POST", f"/v1/rulesets/{number}/publish", {"reason": "go"}, **boss)
    for _ in range(2):
        _done(shop, "POST", "/v1/webhook-endpoints", {"id": "crm", "url": "https://shop.example/crm"}, **boss)
        for step in ("rotate-secret", "disable", "enable", "delete"):
            _done(shop, "POST", f"/v1/webhook-endpoints/crm/{step}", {"reason": "moving"}, **boss)
    shop.move_to(datetime(2028, 1, 1, 4, tzinfo=UTC))
    shop.call("expire", {"as_of": shop.now.isoformat()})
    shop.call("expire", {"Records": shop.tasks()})


EXPECTED = {
    "account.opened",
    "account.profile_changed",
    "audit.recorded",
    "contact.changed",
    "coupon.issued",
    "coupon.released",
    "coupon.used",
    "endpoint.changed",
    "endpoint.created",
    "endpoint.deleted",
    "endpoint.disabled",
    "endpoint.enabled",
    "hold.authorized",
    "hold.captured",
    "hold.expired",
    "hold.voided",
    "points.clawed_back",
    "points.earned",
    "points.expired",
    "points.held",
    "points.redeemed",
    "points.released",
    "points.restored",
    "points.transferred_in",
    "points.transferred_out",
    "points_password.set",
    "program.drafted",
    "program.published",
    "redemption.made",
    "redemption.restored",
    "refund.unmatched",
    "review.decided",
    "review.waiting",
    "reward.created",
    "reward_order.address_changed",
    "reward_order.address_due",
    "reward_order.fulfilled",
    "reward_order.shipped",
    "reward_order.to_ship",
    "tier.changed",
    "transfer.canceled",
    "transfer.sent",
}


def test_what_a_shop_does_is_on_its_bus(publisher: Publisher, story: list[Record]) -> None:
    """Every record was read, every type is there, and every event is what its schema says, with nothing besides."""
    assert not publisher.publish(story)
    told = publisher.bus.events
    assert {"EventsPublished": len(told)} == dict(+publisher.counted)
    assert set() == EXPECTED - {one["type"] for one in told}
    assert {("shop", "jifen")} == {(one["bus"], one["source"]) for one in told}
    assert not [(one["type"], wrong) for one in told for wrong in faults(one["type"], one["detail"])]
    assert all(one["type"] == one["detail"]["type"] for one in told)
    assert len(told) == len({one["detail"]["id"] for one in told})


def test_the_endpoints_get_what_the_bus_gets(publisher: Publisher, story: list[Record]) -> None:
    """The same events under the same ids."""
    publisher.publish(story)
    assert [one["id"] for one in publisher.bus.details] == [event.id for event in publisher.endpoints.events]


def test_every_entry_is_told_and_adds_up(publisher: Publisher, story: list[Record]) -> None:
    """Sequences without gaps, balances that follow from points, and the chain of hashes: a copy can be proved."""
    publisher.publish(story)
    for member in (A, B):
        entries = sorted(
            (
                one["detail"]["data"]
                for one in publisher.bus.events
                if one["type"].startswith("points.") and one["detail"]["member_id"] == member
            ),
            key=lambda entry: int(entry["sequence"]),
        )
        assert list(range(1, len(entries) + 1)) == [one["sequence"] for one in entries]
        balance, last = 0, None
        for entry in entries:
            balance += entry["points"]
            assert balance == entry["balance_after"]
            assert entry["points"] == sum(lot["points"] for lot in entry["lots"]) + entry["held"] - entry["debt"]
            assert last in {None, entry["previous_hash"]}
            last = entry["hash"]


def test_each_step_of_an_endpoint_is_one_event(publisher: Publisher, story: list[Record]) -> None:
    """One that is made under an id which another one had is a new one; what is deleted is not written anew."""
    publisher.publish(story)
    names = [one["type"] for one in publisher.bus.events if one["type"].startswith("endpoint.")]
    assert 2 * [f"endpoint.{step}" for step in ("created", "changed", "disabled", "enabled", "deleted")] == names


def test_who_packs_a_parcel_is_told_of_another_address_but_not_which(publisher: Publisher, story: list[Record]) -> None:
    """Once for each time that it is changed before the parcel is on its way; the first one makes it ready to ship."""
    publisher.publish(story)
    (told,) = publisher.told("reward_order.address_changed")
    assert ("TO_SHIP", "TO_SHIP", f"member:{A}") == (told["status"], told["status_before"], told["by"])


def test_nothing_personal_is_on_the_bus_or_in_an_id(publisher: Publisher, story: list[Record]) -> None:
    """It is in the records, in the open or packed, and in no event."""
    publisher.publish(story)
    assert MARKS[0] in json.dumps(story)
    sent = json.dumps(publisher.bus.events, ensure_ascii=False)
    assert [] == [mark for mark in MARKS if mark in sent]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_ids_are_the_same_however_the_stream_cuts_its_batches(
    publisher: Publisher, story: list[Record], size: int
) -> None:
    """Delivered alone, in sevens, all at once and then all again."""
    for start in range(0, len(story), size):
        assert not publisher.publish(story[start : start + size])
    first = [one["detail"] for one in publisher.bus.events]
    publisher.publish(story)
    again = [one["detail"] for one in publisher.bus.events][len(first) :]
    assert first == again


def test_a_batch_of_a_hundred_rows_is_a_handful_of_calls(publisher: Publisher) -> None:
    """Fifty orders are fifty entries and fifty accounts: fifty events, ten in a call."""
    records = [entry_record(f"m-{number}") for number in range(50)] + [silent_record(number) for number in range(50)]
    assert not publisher.publish(records)
    assert [10] * 5 == publisher.bus.calls


# When something is wrong ---------------------------------------------------------------------------------------------

_ENTRY: Mapping[str, Any] = {
    "kind": {"S": "earn"},
    "reason": {"S": "ORDER_PAID"},
    "points": {"N": "5"},
    "balance_after": {"N": "5"},
    "source": {"S": '["order","o-1"]'},
    "actor": {"S": "system"},
    "occurred_at": {"S": "2026-03-10T04:00:00Z"},
    "recorded_at": {"S": "2026-03-10T04:00:01Z"},
    "previous_hash": {"S": "ab"},
    "hash": {"S": "cd"},
}


def entry_record(member: str, number: int | None = None, **changed: Any) -> Record:
    """The record of a member's first entry; its sequence number is that of the member's name."""
    keys = {"pk": {"S": f"M#{member}"}, "sk": {"S": "E#000000000001"}}
    return record({**keys, **_ENTRY, **changed}, None, number or 1_000 + sum(member.encode()))


def silent_record(number: int) -> Record:
    """The record of a row that is never told."""
    return record({"pk": {"S": f"O#standard#{number}"}, "sk": {"S": "O"}, "version": {"N": "1"}}, None, 5_000 + number)


def batch(size: int, **changed: Any) -> list[Record]:
    """So many entries of as many members, numbered from 1."""
    return [entry_record(f"m-{number}", number, **changed) for number in range(1, size + 1)]


def test_what_the_bus_refuses_is_put_again_and_only_that(publisher: Publisher) -> None:
    """Within the same call: one event of three was refused twice."""
    records = [*batch(2), entry_record("m-3", 3, kind={"S": "expire"})]
    publisher.bus.refuse({"points.expired"}, times=2)
    assert not publisher.publish(records)
    assert [3, 1, 1] == publisher.bus.calls
    assert ["points.earned", "points.earned", "points.expired"] == [one["type"] for one in publisher.bus.events]
    assert [("InternalFailure", 1)] * 2 == publisher.problems


def test_what_stays_refused_goes_back_to_the_stream(publisher: Publisher) -> None:
    """By its sequence number; the others are told, and so are the endpoints, of them alone."""
    records = [*batch(2), entry_record("m-3", 3, kind={"S": "expire"}), entry_record("m-4", 4)]
    publisher.bus.refuse({"points.expired"}, times=1 + PUT_TRIES)
    assert ["3"] == publisher.publish(records)
    assert {"EventsPublished": 3, "ChangesNotTold": 1} == dict(+publisher.counted)
    assert ["m-1", "m-2", "m-4"] == [event.member for event in publisher.endpoints.events]
    assert not publisher.publish(records[2:])
    assert ["m-1", "m-2", "m-4", "m-3", "m-4"] == [one["member_id"] for one in publisher.bus.details]


def test_a_bus_that_comes_back_in_time_costs_nothing(publisher: Publisher) -> None:
    """The whole batch was lost twice, and is told once."""
    publisher.bus.fail(500, times=2)
    assert not publisher.publish(batch(12))
    assert 12 == len(publisher.bus.events)
    assert [("InternalException", 12)] * 2 == publisher.problems


def test_a_bus_that_is_away_leaves_the_whole_batch_to_the_stream(publisher: Publisher) -> None:
    """Nothing is lost and nothing is told to the endpoints alone; the next delivery tells it all."""
    publisher.bus.fail(500, times=1 + PUT_TRIES)
    assert [str(number) for number in range(1, 26)] == publisher.publish(batch(25))
    assert not publisher.endpoints.events
    assert not publisher.publish(batch(25))
    assert 25 == len(publisher.bus.events) == len(publisher.endpoints.events)


def test_the_second_call_fails_and_the_first_is_not_put_again(publisher: Publisher) -> None:
    """What was taken stays taken within one delivery."""
    original = publisher.bus.answer
    calls = Counter[str]()

    def fail_once(target: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        calls["made"] += 1
        return (500, {"__type": "InternalException"}) if calls["made"] == 2 else original(target, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publisher.bus, "answer", fail_once)
        assert not publisher.publish(batch(25))
    assert Counter({f"m-{number}": 1 for number in range(1, 26)}) == Counter(
        one["member_id"] for one in publisher.bus.details
    )


def test_a_refusal_before_a_call_that_fails_is_not_forgotten(publisher: Publisher) -> None:
    """The first call takes nine of ten, the second gets no answer; all are told in the end."""
    records = [entry_record("m-0", 99, kind={"S": "expire"}), *batch(12)]
    original = publisher.bus.answer
    publisher.bus.refuse({"points.expired"}, times=1)

    def fail_once(target: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if len(publisher.bus.calls) == 1 and not publisher.problems[1:]:
            publisher.problems.append(("told to fail", 0))
            return 500, {"__type": "InternalException"}
        return original(target, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publisher.bus, "answer", fail_once)
        assert not publisher.publish(records)
    assert {event.id for event in publisher.endpoints.events} == {one["id"] for one in publisher.bus.details}
    assert 13 == len(publisher.bus.events)


def test_little_time_left_is_not_waited_away(publisher: Publisher) -> None:
    """The function ends by itself, and the stream has the rest."""
    publisher.bus.fail(500, times=1)
    assert ["1"] == publisher.publish(batch(1), Context(remaining_ms=2_000))


def test_endpoints_that_cannot_be_told_are_told_with_the_next_delivery(publisher: Publisher) -> None:
    """The bus has the events already and gets them again, under the same ids."""
    publisher.endpoints.busy = 1
    assert ["1", "2"] == publisher.publish(batch(2))
    assert not publisher.publish(batch(2))
    assert 2 == len(publisher.endpoints.events)
    assert Counter([one["id"] for one in publisher.bus.details]) == Counter(
        {event.id: 2 for event in publisher.endpoints.events}
    )


@pytest.mark.parametrize(
    "broken",
    [
        entry_record("m-2", 2, points={"S": "5"}),
        entry_record("m-2", 2, kind={"S": "stolen"}),
        entry_record("m-2", 2, lots={"S": "[[1]]"}),
        entry_record("m-2", 2, why={"B": b"no stream of zlib"}),
        record(None, {"pk": {"S": "M#m-2"}, "sk": {"S": "A"}}, 2),
        record({"pk": {"S": "M#m-2"}, "sk": {"S": "??"}}, None, 2),
        {"dynamodb": {"SequenceNumber": "2"}},
    ],
)
def test_a_row_that_cannot_be_read_holds_up_nobody(
    publisher: Publisher, broken: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted, and named in the log with its keys; its neighbours are told."""
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr(publisher.runtime.logger, "exception", lambda _text, extra: logged.append(extra))
    first, _, third = batch(3)
    assert not publisher.publish([first, broken, third])
    assert ["m-1", "m-3"] == [one["member_id"] for one in publisher.bus.details]
    assert {"EventsPublished": 2, "EventsUnreadable": 1} == dict(+publisher.counted)
    (said,) = logged
    assert "2" == said["sequence_number"]
    assert said["row"].startswith("M#m-2/") or said["row"] == "a record without keys"
    assert said["problem"]


def test_rows_that_are_never_told_cost_no_call(publisher: Publisher) -> None:
    """Not even where the filter has let them through: a row of the outbox must not become an event."""
    outbox = record({"pk": {"S": "OUT#2026-03-10T04#0"}, "sk": {"S": "OB#x"}, "version": {"N": "1"}}, None)
    assert not publisher.publish([outbox, silent_record(1)])
    assert not publisher.bus.calls
    assert not publisher.endpoints.events


def test_large_events_travel_in_more_calls(publisher: Publisher) -> None:
    """A call takes 256 KB: ten entries whose reasons are long do not fit into one."""
    why = json.dumps([{"rule": f"r-{number}", "说明": "好" * 100} for number in range(150)], ensure_ascii=False)
    assert not publisher.publish(batch(10, why={"S": why}))
    assert 10 == len(publisher.bus.events)
    assert 1 < len(publisher.bus.calls) <= 4


def test_without_a_bus_the_endpoints_are_told_alone(bus: EventBridge) -> None:
    """And without either a batch is done at once."""
    alone = Publisher(bus)
    alone.runtime = Runtime(Settings(), relay=alone.endpoints, count=alone.counted.update)
    assert not alone.publish(batch(3))
    assert (3, []) == (len(alone.endpoints.events), bus.events)
    nobody = Publisher(bus)
    nobody.runtime = Runtime(replace(Settings(), event_bus=""), count=nobody.counted.update)
    assert not nobody.publish(batch(3))


def test_the_runtime_puts_events_on_the_bus_of_its_environment(
    bus: EventBridge,
    aws: None,  # noqa: ARG001 - credentials are there
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where one is named; what it does not take is in the log."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_EVENTBRIDGE", bus.url)
    here = Runtime(Settings.read({"JIFEN_EVENT_BUS": "own", "AWS_REGION": "eu-west-2"}))
    warned: list[dict[str, Any]] = []
    monkeypatch.setattr(here.logger, "warning", lambda _text, extra: warned.append(extra))
    bus.refuse({"points.earned"}, times=1)
    with use(here):
        assert {"batchItemFailures": []} == app.handler({"Records": batch(1)}, Context())
        assert current() is here
    assert ["own"] == [one["bus"] for one in bus.events]
    assert [{"problem": "InternalFailure", "events": 1}] == warned


def test_the_stream_of_the_story_has_what_no_event_comes_of(story: list[Record]) -> None:
    """Orders, stored answers, counters of stock and codes were written: their silence is meant."""
    stream = Stream(story)
    assert all(stream.of(head) for head in ("O", "I", "ST#", "CD#", "N#"))
