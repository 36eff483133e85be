"""What is told of a change: types, ids, and what no event may hold."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import pytest

from jifen.domain.account import Account, Status
from jifen.domain.auctions import AuctionStatus, BidStatus
from jifen.domain.batches import BatchStatus
from jifen.domain.campaigns import CampaignState, CampaignStatus
from jifen.domain.changes import Change, Reach
from jifen.domain.coupons import CouponStatus
from jifen.domain.endpoints import DISABLED_AFTER, EndpointStatus, Reply, Secret, failed
from jifen.domain.entries import Draft, Entry, Kind, Reason, Source
from jifen.domain.events import EventStatus
from jifen.domain.lotteries import DrawStatus, LotteryStatus
from jifen.domain.outgoing import envelope, opened
from jifen.domain.rewards import OrderStatus, RewardStatus, Step
from jifen.domain.ruling import DraftStatus, ProgramInForce
from jifen.domain.spending import HoldStatus, Receipt
from jifen.domain.standing import Standing, TierState
from jifen.domain.telling import SILENT, TYPES, events_of, told_rows
from jifen.domain.transfers import TransferStatus
from local.event_samples import SAMPLES, sample

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
NAMES = [one.name for one in TYPES]
MARK = "never-in-an-event"


def types_of(change: Change) -> list[str]:
    """The types of what is told of a change."""
    return [event.type for event in events_of(change)]


# Types ---------------------------------------------------------------------------------------------------------------


def test_each_type_is_one_row_and_has_an_example() -> None:
    """Names are told apart, and none is there that no change gives."""
    assert set(Counter(NAMES).values()) == {1}
    assert set(SAMPLES) == set(NAMES)
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+", name) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_gives_its_type_and_little_else(name: str) -> None:
    """A hold that lapses is an entry and the end of a hold; any other change here is one event."""
    more = ["points.released"] if name == "hold.expired" else []
    assert types_of(SAMPLES[name]) == [*more, name]


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_of_entry_is_told_once(kind: Kind) -> None:
    """One type for each, whatever the reason; that is how every movement of points is an event."""
    draft = Draft(kind, "BECAUSE", Source("adjustment", "j"), NOW, points=5)
    entry = Entry("m", 1, draft, 5, NOW, "a", "b")
    (name,) = types_of(Change("E", "M#m/E#000000000001", 1, NOW, None, entry))
    assert name.startswith("points.")


UNTOLD: Mapping[StrEnum, str] = {
    OrderStatus.ABANDONED: "an order that never was",
    DrawStatus.ABANDONED: "a draw that never was",
    HoldStatus.EXPIRED: "never stored",
    CouponStatus.EXPIRED: "never stored",
    CampaignStatus.DRAFT: "told of the campaign being prepared",
    CampaignStatus.SCHEDULED: "told of the campaign being prepared",
    EventStatus.NOTHING: "nothing came of it",
}
"""Statuses that are no event by themselves."""

STATUSES = {
    "RO": OrderStatus,
    "H": HoldStatus,
    "CP": CouponStatus,
    "TR": TransferStatus,
    "BD": BidStatus,
    "AU": AuctionStatus,
    "RW": RewardStatus,
    "LT": LotteryStatus,
    "DW": DrawStatus,
    "G": CampaignStatus,
    "D": DraftStatus,
    "VB": BatchStatus,
    "EP": EndpointStatus,
    "A": Status,
}


@pytest.mark.parametrize(
    ("row", "status"), [(row, one) for row, kind in STATUSES.items() for one in kind if one not in UNTOLD]
)
def test_each_status_is_told_when_it_is_reached(row: str, status: StrEnum) -> None:
    """From any other status, in every kind of row that has one."""
    values = [change.after for change in SAMPLES.values() if change.row == row]
    other = next(one for one in type(status) if one is not status)
    told = set[str]()
    for value in values:
        for before in (None, replace(value, status=other)):
            told.update(types_of(Change(row, "k/k", 9, NOW, before, replace(value, status=status))))
    assert told, f"nobody is told that {row} is {status}"


def test_rows_are_told_or_silent() -> None:
    """None is both."""
    assert not told_rows() & SILENT.keys()


@pytest.mark.parametrize("name", [name for name, change in SAMPLES.items() if change.before is not None])
def test_a_row_written_again_without_a_difference_is_nothing_to_tell(name: str) -> None:
    """Documents are rewritten to count tries or to keep another answer."""
    change = SAMPLES[name]
    assert not types_of(replace(change, before=change.after, version=change.version + 1))


def test_what_a_server_wrote_to_its_operators_is_not_told_to_others() -> None:
    """An endpoint's answer can name members; that it was disabled, since when and why goes to every endpoint."""
    before = SAMPLES["endpoint.disabled"].before
    failing = replace(before, failures=40, failing_since=NOW)
    answered = Reply(500, f"answered 500: no such member: {MARK}; last: {MARK}")
    after = failed(failing, answered, NOW + DISABLED_AFTER)
    assert MARK in after.disabled_why
    (event,) = events_of(replace(SAMPLES["endpoint.disabled"], after=after))
    assert ("endpoint.disabled", "nothing was delivered since 2026-03-01T04:00Z") == (event.type, event.data["why"])


# Accounts ------------------------------------------------------------------------------------------------------------

BRONZE, GOLD = (Standing(tier=TierState(level, date(2026, 1, 1))) for level in ("bronze", "gold"))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, Account("m"), ["account.opened"]),
        (None, Account("m", standing=GOLD), ["account.opened", "tier.changed"]),
        (Account("m", standing=BRONZE), Account("m", standing=GOLD), ["tier.changed"]),
        (Account("m", standing=GOLD), Account("m"), ["tier.changed"]),
        (
            Account("m", standing=GOLD),
            Account("m", standing=Standing(tier=TierState("gold", date(2026, 1, 1), date(2027, 1, 1)))),
            [],
        ),
        (Account("m"), Account("m", status=Status.FROZEN), ["account.status_changed"]),
        (Account("m"), Account("m", version=1, debt=5), []),
    ],
)
def test_what_is_told_of_an_account(before: Account | None, after: Account, told: list[str]) -> None:
    """Its points are told as entries; level, status and what the shop says of the member are told here."""
    assert told == types_of(Change("A", "M#m/A", 1, NOW, before, after))


def test_a_rollback_and_a_number_that_is_handed_out() -> None:
    """The first is a program in force again, the second is nothing."""
    now = ProgramInForce(3, 5, 2, since=NOW, version=4)
    assert types_of(Change("F", "PROGRAM/F", 5, NOW, now, replace(now, number=2, previous=3))) == ["program.published"]
    assert not types_of(Change("F", "PROGRAM/F", 5, NOW, now, replace(now, highest=6)))
    assert not types_of(Change("F", "PROGRAM/F", 1, NOW, None, ProgramInForce(highest=1)))


def test_a_campaign_that_gives_points_is_not_news() -> None:
    """Its state is written with every award; only what operators make of it is told."""
    given = CampaignState("c", given=5, awards=1)
    assert not types_of(Change("G", "G#c/G", 1, NOW, None, given))
    assert not types_of(Change("G", "G#c/G", 2, NOW, given, replace(given, given=10)))


def test_a_contact_says_what_has_changed_and_not_to_what() -> None:
    """Another address on the same channel is a change too."""
    before = Reach("m", {"email": "h1", "sms": "h2"}, "zh")
    (event,) = events_of(Change("P", "M#m/P", 2, NOW, before, Reach("m", {"email": "h3", "push": "h4"}, "en")))
    assert event.data["changed"] == ["email", "push", "sms", "language"]
    assert event.data["channels"] == ["email", "push"]
    assert "h3" not in json.dumps(envelope(event))


# Ids -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_id_follows_from_row_version_and_type_alone(name: str) -> None:
    """So the same change has the same id however often it is delivered; another version has another."""
    change = SAMPLES[name]
    ids = {event.id for event in events_of(change)}
    later = replace(change, at=datetime(2030, 1, 1, tzinfo=UTC))
    assert ids == {event.id for event in events_of(later)}
    assert not ids & {event.id for event in events_of(replace(change, version=change.version + 1))}
    assert not ids & {event.id for event in events_of(replace(change, key=f"{change.key}x"))}
    assert all(re.fullmatch(r"[!-~]{1,64}", one) for one in ids)


def test_no_two_examples_have_the_same_id() -> None:
    """Two types of one change are told apart as well."""
    events = {event.id: event for change in SAMPLES.values() for event in events_of(change)}
    assert len({one.id for one in map(sample, NAMES)}) == len(NAMES)
    assert {one.type for one in events.values()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_envelope_can_be_opened_again(name: str) -> None:
    """What is kept of an event for a replay is the whole of it."""
    event = sample(name)
    assert event == opened(json.loads(json.dumps(envelope(event))))


# What no event may hold ----------------------------------------------------------------------------------------------

HIDDEN: Mapping[str, Any] = {
    "address": {"name": MARK, "phone": MARK, "lines": [MARK]},
    "codes": (MARK,),
    "shipping": {"carrier": MARK, "number": MARK},
    "details": {"receipt": {"name": MARK}},
    "steps": (Step(OrderStatus.CREATED, NOW, "system", MARK),),
    "note": MARK,
    "salt": MARK,
    "digest": MARK,
    "seed": MARK,
    "client_seed": MARK,
    "data": {"phone": MARK, "email": MARK},
    "answer": {"code": MARK},
    "receipt": Receipt(MARK, {"code": MARK}),
    "receipts": {"k": Receipt(MARK, {"code": MARK})},
    "secrets": (Secret(f"whsec_{MARK}"),),
    "url": f"https://shop.example/?token={MARK}",
    "description": MARK,
    "channels": {"email": MARK, "sms": MARK, "push": MARK, "wechat": MARK},
    "time_zone": MARK,
    "why": MARK,
    "program": MARK,
    "campaign": MARK,
    "terms": {"code": MARK},
}
"""Fields of any document that hold what is nobody else's business."""


DOCUMENTS = [name for name, change in SAMPLES.items() if not isinstance(change.after, Entry | Account)]
"""Of entries and accounts, every field that is told is told on purpose: they have none of these."""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_address_code_password_or_secret_is_told(name: str) -> None:
    """Whatever is in such a field before and after, none of it is in the event."""
    change = SAMPLES[name]
    (one,) = [one for one in TYPES if one.name == name]
    assert MARK not in json.dumps(one.data(_planted(change.before), _planted(change.after)))


def _planted(value: Any) -> Any:
    if value is None:
        return None
    return replace(value, **{field.name: HIDDEN[field.name] for field in fields(value) if field.name in HIDDEN})


TEXTS_TOLD = {
    "id",
    "member",
    "to",
    "kind",
    "title",
    "reward",
    "status",
    "currency",
    "order_id",
    "shop",
    "refund_id",
    "language",
    "lottery",
    "prize",
    "coupon",
    "order",
    "auction",
    "commitment",
    "by",
    "event_id",
    "type",
    "decided_by",
    "template",
    "fingerprint",
    "actor",
    "action",
    "target",
    "reason",
    "policy",
    "effect",
    "disabled_why",
    "sweep",
    "notice_id",
    "channel",
    "head_hash",
}
"""Texts that events say: names, ids and enumerations, and the reasons that operators give."""

TEXTS_KEPT = {*HIDDEN, "before", "drawn", "month", "override", "published_by", "run", "shop", "stock", "walked", "zone"}
"""Texts that no event says."""


def test_every_text_of_a_document_is_told_on_purpose_or_kept() -> None:
    """A new field has to be put on one side before it can be told by mistake."""
    values = [change.after for change in SAMPLES.values() if not isinstance(change.after, Entry)]
    names = {field.name for value in values for field in fields(value) if isinstance(getattr(value, field.name), str)}
    assert names <= TEXTS_TOLD | TEXTS_KEPT, names - TEXTS_TOLD - TEXTS_KEPT


def test_a_reach_does_not_show_what_it_compares() -> None:
    """Not in a log either."""
    assert MARK not in repr(Reach("m", {"email": MARK}))


# Size ----------------------------------------------------------------------------------------------------------------


def test_a_very_long_why_is_cut_and_says_so() -> None:
    """Every event fits into a call of EventBridge and into a webhook; the entry itself is whole in the API."""
    why = tuple({"rule": f"rule-{number}", "说明": "好" * 200} for number in range(2_000))
    draft = Draft(Kind.EARN, Reason.ORDER_PAID, Source("order", "o"), NOW, points=1, why=why)
    (event,) = events_of(Change("E", "M#m/E#1", 1, NOW, None, Entry("m", 1, draft, 1, NOW, "a", "b")))
    kept = event.data["why"]
    assert event.data["why_left_out"] == len(why) - len(kept) > 0
    assert kept == [dict(line) for line in why[: len(kept)]]
    assert len(json.dumps(envelope(event), ensure_ascii=False).encode()) < 100_000
