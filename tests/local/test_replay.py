"""A replay gives the points that the orders call for, whatever the order, number and parts of their messages.

Marked `full`: whole files of real orders; the suite itself plays those of one member in fifteen.
"""

import gzip
import json
import os
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jifen.domain.program import parse_program
from local.engines import Engine, EngineUnavailable, open_engine
from local.replay import LineRefused, Replay, ReplayError, numbered_lines, read_lines, replay_file

SHARED = Path(__file__).resolve().parents[3] / "shared"
CASES = SHARED / "cases" / "replay"
RETAIL = SHARED / "data" / "orders" / "online_retail" / "orders_dev.ndjson.gz"
JOURNEY = SHARED / "data" / "orders" / "complete_journey" / "orders_dev.ndjson.gz"
SHARDS = 1
EVERY = pytest.mark.parametrize("every", [15, pytest.param(1, marks=pytest.mark.full)])
LONDON = {"time_zone": "Europe/London"}
MEMORY_GROWTH_MAX = 24 * 2**20
"""Over three quarters of a replay. What may grow is what the report names: members, not events."""

Event = dict[str, Any]
Report = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Keep what handlers log of every event out of pytest's memory."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("POWERTOOLS_LOG_LEVEL", "ERROR")
        yield


@pytest.fixture(scope="module")
def dynoxide() -> Iterator[Engine]:
    """Run one engine for all replays of this file; each has a table of its own."""
    try:
        with open_engine("dynoxide", say=lambda _: None) as engine:
            yield engine
    except EngineUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def moto() -> Iterator[Engine]:
    with open_engine("moto", say=lambda _: None) as engine:
        yield engine


def _new(engine: Engine, program: dict[str, Any]) -> Replay:
    return Replay(engine, parse_program(program), f"jifen-{uuid.uuid4().hex[:8]}", SHARDS)


def _play(replay: Replay, events: list[Event], every: Callable[[int], None] = lambda _done: None) -> Report:
    with replay.running():
        for number, event in enumerate(events, 1):
            replay.play_line(number, json.dumps(event))
            every(number)
        return replay.report(1.0)


def _shared(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path} is not here: it is no part of the repository")
    return path


def _of_some_members(path: Path, every: int) -> list[Event]:
    """Take the events of every n-th member, sorted by id; with them the guests' where n is 1."""
    events = [event for _, event in read_lines(_shared(path))]
    members = set(sorted({event["customer_id"] for event in events if event["customer_id"]})[::every])
    return [event for event in events if event["customer_id"] in members or every == 1]


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _paid(order: str, member: str | None, at: str, amount: int, **more: Any) -> Event:
    lines = [{"n": 1, "sku": "A", "qty": 1, "unit_price_minor": amount}]
    event = {"type": "order.paid", "event_id": f"{order}-paid", "order_id": order, "customer_id": member}
    return event | {"occurred_at": at, "currency": "CNY", "lines": lines, "total_minor": amount} | more


def _refunded(order: str | None, refund: str, member: str, at: str, amount: int) -> Event:
    event = {"type": "order.refunded", "event_id": refund, "order_id": order, "refund_id": refund}
    return event | {"customer_id": member, "occurred_at": at, "currency": "CNY", "total_minor": amount}


def _redeem(request: str, member: str, points: object, at: str) -> Event:
    return {
        "type": "redeem.requested",
        "request_id": request,
        "customer_id": member,
        "points": points,
        "occurred_at": at,
    }


# What the report says -------------------------------------------------------------------------------------------------

YEAR = [
    _paid("o1", "王 小雨/1", "2025-01-10T09:00:00+08:00", 15300),
    _refunded("o1", "r1", "王 小雨/1", "2025-01-12T09:00:00+08:00", 5250),
    _redeem("q1", "王 小雨/1", 40, "2025-01-13T09:00:00+08:00"),
    _redeem("q2", "王 小雨/1", 400, "2025-01-13T10:00:00+08:00"),
    _redeem("q1", "王 小雨/1", 40, "2025-01-13T11:00:00+08:00"),
    _paid("o2", None, "2025-01-14T09:00:00+08:00", 9900),
    _refunded(None, "r2", "b", "2025-01-15T09:00:00+08:00", 100),
    _paid("o3", "b", "2025-02-14T09:00:00+08:00", 799),
    _refunded("o1", "r1", "王 小雨/1", "2025-01-12T09:00:00+08:00", 5250),
    {"type": "sweep.remind", "occurred_at": "2026-01-29T02:00:00+00:00"},
    {"type": "sweep.expire", "occurred_at": "2026-01-31T16:00:00+00:00"},
]


def test_the_report_says_what_happened_to_the_last_point(moto: Engine, tmp_path: Path) -> None:
    """Every figure of a small year's report is as worked out by hand."""
    file = tmp_path / "year.ndjson.gz"
    file.write_bytes(gzip.compress("\n".join(json.dumps(event) for event in YEAR).encode()))
    watched: list[tuple[str, int, int]] = []
    replay = _new(moto, {"time_zone": "Asia/Shanghai"})

    report = replay_file(file, len(YEAR), replay, lambda *said: watched.append(said))

    def member(name: str, balance: int, version: int, lifetime: dict[str, int], lots: list[Any]) -> dict[str, Any]:
        parts = {"available": balance, "pending": 0, "held": 0, "debt": 0, "balance": balance, "tier": {}}
        due = {"on": lots[0]["expires_on"], "points": balance} if lots else None
        about = {"member_id": name, "status": "ACTIVE", "lifetime": lifetime, "version": version, "next_expiry": due}
        return parts | about | {"lots": lots}

    assert watched[0] == ("replaying", 1, 11)
    assert watched[-1] == ("proving", 2, 2)
    assert report.pop("seconds") > 0
    assert report.pop("events_per_second") > 0
    assert report == {
        "orders": 3,
        "members": 2,
        "events": 11,
        "entries": 5,
        "points": {"earned": 160, "clawed_back": 53, "redeemed": 40, "expired": 60},
        "accounts": {
            "b": member(
                "b",
                7,
                1,
                {"earned": 7, "clawed_back": 0, "redeemed": 0, "expired": 0},
                [{"points": 7, "expires_on": "2026-02-28"}],
            ),
            "王 小雨/1": member(
                "王 小雨/1", 0, 4, {"earned": 153, "clawed_back": 53, "redeemed": 40, "expired": 60}, []
            ),
        },
        "redemptions": {
            "q1": {"status": 201, "points": 40, "available": 60},
            "q2": {"status": 409, "code": "INSUFFICIENT_POINTS", "available": 60},
        },
        "reminders": [
            {"member_id": "b", "lot_expires_on": "2026-02-28", "lead_days": 30, "points": 7},
            {"member_id": "王 小雨/1", "lot_expires_on": "2026-01-31", "lead_days": 3, "points": 60},
        ],
        "unmatched_refunds": 1,
        "refused_lines": 0,
        "refused": [],
        "proof": {"accounts": 2, "failed": 0},
    }


BAD_LINES = {
    "{": "is not JSON",
    "[" * 100_000: "is not JSON",
    "[1]": "is no JSON object with a type",
    '{"type": 7}': "is no JSON object with a type",
    '{"type": "order.lost", "occurred_at": "2025-01-01T00:00:00Z"}': "order.lost is no type of event",
    '{"type": "sweep.expire"}': "occurred_at is not an instant",
    '{"type": "sweep.expire", "occurred_at": "yesterday"}': "occurred_at is not an instant",
    '{"type": "sweep.expire", "occurred_at": "2025-01-01T00:00:00"}': "occurred_at has no offset",
    '{"type": "sweep.expire", "occurred_at": "9999-12-31T23:59:59-23:00"}': "occurred_at is not an instant",
    '{"type": "redeem.requested", "occurred_at": "2025-01-01T00:00:00Z"}': "are not texts",
}


def test_a_bad_line_is_named_and_the_next_one_counts(moto: Engine) -> None:
    """Whatever is wrong with a line, it is refused by number and reason, and the lines behind it are played."""
    replay = _new(moto, {})
    refused_by_handlers = [
        _paid("o1", "a", "2025-01-10T09:00:00Z", 100, currency="gold"),
        _paid("o2", "a\ud800", "2025-01-10T09:00:00Z", 100),
        _paid("o3", "a", "2025-01-10T09:00:00Z", 100) | {"customer_id": 7},
        _redeem("q1", "a", "all", "2025-01-10T09:00:00Z"),
        _redeem("q2", "a", None, "2025-01-10T09:00:00Z"),
    ]
    lines = [
        *BAD_LINES,
        *map(json.dumps, refused_by_handlers),
        json.dumps(_paid("o4", "a", "2025-01-10T09:00:00Z", 700)),
    ]
    with replay.running():
        for number, line in enumerate(lines, 1):
            replay.play_line(number, line)
        report = replay.report(1.0)

    assert report["refused_lines"] == len(lines) - 1
    assert [row["line"] for row in report["refused"]] == list(range(1, len(lines)))
    for problem, row in zip(BAD_LINES.values(), report["refused"], strict=False):
        assert row["code"] == "UNREADABLE_LINE"
        assert problem in row["detail"]
    answers = [(row["status"], row["code"]) for row in report["refused"][len(BAD_LINES) :]]
    assert answers == [(400, "MALFORMED_EVENT")] * 3 + [(422, "INVALID_REQUEST")] * 2
    assert report["accounts"]["a"]["available"] == 7
    assert report["orders"] == 1


def test_the_same_request_with_another_body_keeps_the_first_answer(moto: Engine) -> None:
    """A request id that is used again for something else is a refused line and changes no answer."""
    at = "2025-01-10T09:00:00Z"
    events = [_paid("o1", "a", at, 10000), _redeem("q1", "a", 30, at), _redeem("q1", "a", 31, at)]
    report = _play(_new(moto, {}), events)
    assert report["redemptions"] == {"q1": {"status": 201, "points": 30, "available": 70}}
    assert [(row["line"], row["code"]) for row in report["refused"]] == [(3, "IDEMPOTENCY_KEY_REUSED")]


def test_the_clock_never_goes_back(moto: Engine) -> None:
    """A late line is judged at the latest instant seen: writing an old date brings no lapsed point back."""
    events = [
        _paid("o1", "a", "2024-01-10T09:00:00Z", 10000),
        _paid("o2", "b", "2025-03-10T09:00:00Z", 10000),
        _redeem("q1", "a", 30, "2024-01-11T09:00:00Z"),
    ]
    replay = _new(moto, {})
    report = _play(replay, events)
    assert replay.now == datetime(2025, 3, 10, 9, tzinfo=UTC)
    assert report["redemptions"] == {"q1": {"status": 409, "code": "INSUFFICIENT_POINTS", "available": 0}}


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    """Half an archive, no archive and no text end in an error that names the file; a bad line names its number."""
    half, none, text = tmp_path / "half.gz", tmp_path / "none.gz", tmp_path / "text.ndjson"
    half.write_bytes(gzip.compress(b'{"type": "sweep.expire"}\n' * 1000)[:-20])
    none.write_bytes(b"not gzip")
    text.write_bytes(b"\xff\xfe\n")
    for path in (half, none, text, tmp_path / "missing"):
        with pytest.raises(ReplayError, match=path.name):
            list(numbered_lines(path))
    text.write_text('\n{"type": "a"}\n\nno\n', encoding="utf-8")
    with pytest.raises(LineRefused, match="line 4: is not JSON"):
        list(read_lines(text))


# Real orders ----------------------------------------------------------------------------------------------------------


def test_the_sample_agrees_with_an_independent_reference(dynoxide: Engine) -> None:
    """Orders, refunds, redemptions and daily sweeps of 71 members come out as the reference says, to the last point."""
    expected = json.loads(_shared(CASES / "sample.expected.json").read_text(encoding="utf-8"))
    events = [event for _, event in read_lines(CASES / "sample.ndjson.gz")]
    report = _play(_new(dynoxide, json.loads((CASES / "program.json").read_text(encoding="utf-8"))), events)
    assert _like(expected["accounts"], report["accounts"]) == expected["accounts"]
    assert report["accounts"].keys() == expected["accounts"].keys()
    for name in ("redemptions", "points", "unmatched_refunds"):
        assert report[name] == expected.get(name, report[name])
    assert sorted(report["reminders"], key=str) == sorted(expected["reminders"], key=str)
    assert (report["refused_lines"], report["proof"]["failed"]) == (0, 0)


@EVERY
def test_real_orders_agree_with_an_independent_reference_in_flat_memory(dynoxide: Engine, every: int) -> None:
    """A year of a British shop gives each member the reference's points, and memory does not grow with the events."""
    expected = json.loads(_shared(CASES / "orders_dev.expected.json").read_text(encoding="utf-8"))["accounts"]
    events = _of_some_members(RETAIL, every)
    memory: list[int] = []
    quarter = len(events) // 4
    report = _play(
        _new(dynoxide, LONDON), events, lambda done: memory.append(_resident_bytes()) if done % quarter == 0 else None
    )
    some = {member: expected[member] for member in report["accounts"]}
    assert _like(some, report["accounts"]) == some
    assert len(some) >= len(expected) // every
    assert report["proof"] == {"accounts": len(some), "failed": 0}
    assert memory[3] - memory[0] < MEMORY_GROWTH_MAX


@EVERY
def test_shuffled_repeated_and_split_messages_change_no_balance(dynoxide: Engine, every: int) -> None:
    """The same orders in any order, a third of the messages twice, each refund in parts: the same balances and lots."""
    expected = json.loads(_shared(CASES / "orders_dev.expected.json").read_text(encoding="utf-8"))["accounts"]
    dice = random.Random(20101201)
    events = [part for event in _of_some_members(RETAIL, every) for part in _parts(event, dice)]
    events += dice.sample(events, len(events) // 3)
    dice.shuffle(events)
    report = _play(_new(dynoxide, LONDON), events)
    names = ("available", "debt", "balance", "lots")
    assert report["refused_lines"] == 0
    for member, account in report["accounts"].items():
        assert {name: account[name] for name in names} == {name: expected[member][name] for name in names}, member
    assert report["proof"] == {"accounts": len(report["accounts"]), "failed": 0}


@EVERY
def test_american_orders_are_proved(dynoxide: Engine, every: int) -> None:
    """A year of American households, in New York's days: every account is proved and worth what its orders are."""
    events = _of_some_members(JOURNEY, every * 3 if every > 1 else 1)
    report = _play(_new(dynoxide, {"time_zone": "America/New_York"}), events)
    earned: dict[str, int] = {}
    for event in events:
        goods = sum(map(_amount, event["lines"]))
        earned[event["customer_id"]] = earned.get(event["customer_id"], 0) + goods // 100
    assert {member: account["lifetime"]["earned"] for member, account in report["accounts"].items()} == earned
    assert report["proof"] == {"accounts": len(earned), "failed": 0}
    assert report["refused_lines"] == 0


def _like(expected: dict[str, Any], accounts: dict[str, Any]) -> dict[str, Any]:
    """Give of the accounts what the reference speaks of."""
    return {member: {name: accounts[member][name] for name in want} for member, want in expected.items()}


def _amount(line: Event) -> int:
    return int(line["line_total_minor"] if "line_total_minor" in line else line["qty"] * line["unit_price_minor"])


def _parts(event: Event, dice: random.Random) -> list[Event]:
    """Split a refund into two or three with ids of their own; each goods line's amounts add up to the line's."""
    if event["type"] != "order.refunded":
        return [event]
    parts: list[list[Event]] = [[] for _ in range(dice.choice((2, 3)))]
    for line in event["lines"]:
        left = _amount(line)
        for part in parts[1:]:
            share = dice.randint(0, left)
            left -= share
            part.append(line | {"line_total_minor": share})
        parts[0].append(line | {"line_total_minor": left})
    return [
        event
        | {"event_id": f"{event['event_id']}/{n}", "refund_id": f"{event['refund_id']}/{n}", "lines": lines}
        | {"total_minor": sum(line["line_total_minor"] for line in lines)}
        for n, lines in enumerate(parts, 1)
    ]
