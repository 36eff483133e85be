"""The invented year is the same everywhere, is well formed, and has in it what a points system finds hard."""

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local import shop

SEED = 20250101
SHA256 = "e3d4a08d7324d7e1431ff6f6281205a84f2ed946b6eab50ca1dce2e726e8a4fa"
LINE_FIELDS = {"n", "sku", "qty", "unit_price_minor"}
FIELDS = {
    "order.paid": {"event_id", "order_id", "customer_id", "occurred_at", "currency", "lines", "total_minor"},
    "order.refunded": {"event_id", "order_id", "refund_id", "customer_id", "occurred_at", "currency", "total_minor"},
    "order.cancelled": {"event_id", "order_id", "customer_id", "occurred_at", "currency"},
    "redeem.requested": {"request_id", "customer_id", "points", "occurred_at"},
    "sweep.expire": {"occurred_at"},
    "sweep.remind": {"occurred_at"},
}
KINDS = {"goods", "shipping", "discount", "gift_voucher", "sample"}

Event = dict[str, Any]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the file once."""
    path = tmp_path_factory.mktemp("shop") / "shop.ndjson"
    shop.write(path, SEED)
    return path


@pytest.fixture(scope="module")
def lines(file: Path) -> list[Event]:
    """Parse every line of the file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def once(lines: list[Event]) -> list[Event]:
    """Leave out the copies of messages."""
    return list({json.dumps(line): line for line in lines}.values())


def _of(kind: str, lines: Iterable[Event]) -> list[Event]:
    return [line for line in lines if line["type"] == kind]


def _amount(line: Event, kinds: set[str]) -> int:
    if line.get("kind", "goods") not in kinds:
        return 0
    return int(line.get("line_total_minor", line["qty"] * line["unit_price_minor"]))


def _sum(event: Event, *kinds: str) -> int:
    return sum(_amount(line, set(kinds)) for line in event["lines"])


def _paid_states(once: list[Event]) -> dict[str, Event]:
    """Map each order to its highest revision."""
    states: dict[str, Event] = {}
    for order in _of("order.paid", once):
        known = states.get(order["order_id"])
        if known is None or order.get("revision", 0) > known.get("revision", 0):
            states[order["order_id"]] = order
    return states


# --- the same everywhere ----------------------------------------------------------------------------------------------


def test_the_bytes_of_a_seed_are_known(file: Path) -> None:
    """Another Python, another platform: the same file. A change of the story changes this line on purpose."""
    assert SHA256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_another_seed_is_another_year(lines: list[Event]) -> None:
    """The seed matters, and asking twice does not."""
    assert lines == list(shop.events(SEED))
    assert lines != list(shop.events(SEED + 1))


def test_a_compressed_file_has_the_same_lines(file: Path, tmp_path: Path) -> None:
    """The replay takes both."""
    path = tmp_path / "shop.ndjson.gz"
    written = shop.write(path, SEED)
    data = gzip.decompress(path.read_bytes())
    assert file.read_bytes() == data
    assert written == data.count(b"\n")


# --- well formed ------------------------------------------------------------------------------------------------------


def test_every_line_has_the_fields_of_its_type(lines: list[Event]) -> None:
    """API.md, "Orders in" and "Replay file and report"."""
    for line in lines:
        assert FIELDS[line["type"]] <= line.keys(), line
        assert timedelta(hours=8) == datetime.fromisoformat(line["occurred_at"]).utcoffset()
        assert "CNY" == line.get("currency", "CNY")
        assert not line["type"].startswith("order.") or {"lines", "total_minor"} & line.keys()


def test_lines_of_orders_are_numbered_and_of_known_kinds(lines: list[Event]) -> None:
    """A refund's line names a line of its order, of the same goods."""
    orders = {order["order_id"]: order for order in _of("order.paid", lines)}
    for order in _of("order.paid", lines):
        assert list(range(1, len(order["lines"]) + 1)) == [line["n"] for line in order["lines"]]
        assert {line.get("kind", "goods") for line in order["lines"]} <= KINDS
        assert all(line.keys() >= LINE_FIELDS for line in order["lines"])
    for refund in _of("order.refunded", lines):
        if refund["order_id"]:
            bought = {line["n"]: line["sku"] for line in orders[refund["order_id"]]["lines"]}
            assert all(bought[line["orig_line"]] == line["sku"] for line in refund.get("lines", ()))


def test_totals_add_up_and_nothing_is_negative(lines: list[Event]) -> None:
    """Money is whole fen; a coupon is a positive amount that lowers the total."""
    for event in lines:
        assert event.get("points", 1) > 0
        assert event.get("total_minor", 0) >= 0
        for line in event.get("lines", ()):
            assert line["qty"] > 0
            assert min(line["unit_price_minor"], line.get("line_total_minor", 0)) >= 0
        if "lines" in event:
            charged = _sum(event, *(KINDS - {"discount"})) - _sum(event, "discount")
            assert charged == event["total_minor"]


def test_ids_are_unique(once: list[Event]) -> None:
    """An id means one thing, however often it is told."""
    for name in ("event_id", "refund_id", "request_id"):
        ids = Counter(line[name] for line in once if name in line)
        assert 1 == max(ids.values())
    revisions = Counter((order["order_id"], order.get("revision", 0)) for order in _of("order.paid", once))
    assert 1 == max(revisions.values())


def test_refunds_never_exceed_what_was_bought(once: list[Event]) -> None:
    """Over all parts of an order, in money and in pieces, and never before the purchase itself."""
    states = _paid_states(once)
    money: Counter[str] = Counter()
    pieces: Counter[tuple[str, int]] = Counter()
    for refund in _of("order.refunded", once):
        if refund["order_id"]:
            money[refund["order_id"]] += refund["total_minor"]
            pieces.update({(refund["order_id"], line["orig_line"]): line["qty"] for line in refund.get("lines", ())})
            assert states[refund["order_id"]]["occurred_at"] < refund["occurred_at"]
    assert money
    for order_id, amount in money.items():
        assert amount <= _sum(states[order_id], "goods") - _sum(states[order_id], "discount")
    for (order_id, n), qty in pieces.items():
        assert qty <= states[order_id]["lines"][n - 1]["qty"]


# --- what is hard -----------------------------------------------------------------------------------------------------


def test_it_is_a_year_of_a_small_shop(once: list[Event]) -> None:
    """Small enough to replay while one watches, long enough for every point to expire."""
    counts = Counter(line["type"] for line in once)
    assert 2000 == len(_paid_states(once))
    assert 250 < counts["order.refunded"] < 500
    assert 250 < counts["redeem.requested"] < 600
    assert 400 < counts["sweep.expire"] == counts["sweep.remind"] < 480
    last_payment = max(order["occurred_at"] for order in _of("order.paid", once))
    last_sweep = max(sweep["occurred_at"] for sweep in _of("sweep.expire", once))
    assert last_payment < "2026-01-01"
    assert last_sweep > "2027-01-01T00:00:00+08:00"


def test_members_are_known_by_name(lines: list[Event]) -> None:
    """Ids look like `m-0001`; whoever buys has a name."""
    names = shop.member_names(120)
    members = {line["customer_id"] for line in lines if line.get("customer_id")}
    assert members <= names.keys()
    assert len(members) > 100
    assert "m-0001" in members


def test_baskets_are_mixed(once: list[Event]) -> None:
    """Every kind of line, line totals of their own, coupons, categories, guests."""
    orders = _of("order.paid", once)
    bought = [line for order in orders for line in order["lines"]]
    assert Counter(line.get("kind", "goods") for line in bought).keys() == KINDS
    assert {"drinks", "food", "beans", "homeware", "equipment"} == {
        line["category"] for line in bought if "kind" not in line
    }
    special = [line for line in bought if "line_total_minor" in line]
    assert any(line["line_total_minor"] != line["qty"] * line["unit_price_minor"] for line in special)
    assert any(order["customer_id"] is None for order in orders)
    assert any(len(order["lines"]) > 3 for order in orders)


def test_orders_come_apart(once: list[Event]) -> None:
    """Refunds in parts, by amount, whole, unmatched and a year late; cancellations; amendments."""
    refunds = _of("order.refunded", once)
    states = _paid_states(once)
    parts = Counter(refund["order_id"] for refund in refunds if refund["order_id"])
    back: Counter[str] = Counter()
    for refund in refunds:
        back[refund["order_id"] or ""] += refund["total_minor"]
    bases = {order_id: _sum(order, "goods") - _sum(order, "discount") for order_id, order in states.items()}
    assert max(parts.values()) > 2
    assert {True, False} == {back[order_id] == bases[order_id] for order_id in parts}
    assert any("lines" not in refund for refund in refunds)
    assert any(refund["order_id"] is None for refund in refunds)
    assert any(refund["occurred_at"] > "2026-02-01" for refund in refunds)
    assert _of("order.cancelled", once)
    assert any("revision" in order for order in states.values())


def test_messages_come_late_and_twice(lines: list[Event]) -> None:
    """Refunds and amendments ahead of their payment, payments days late, copies; the rest is in order."""
    first: dict[str, int] = {}
    for place, line in enumerate(lines):
        first.setdefault(json.dumps(line), place)
    place_of = {json.loads(text).get("event_id"): place for text, place in first.items()}
    refunds = [line for line in lines if line["type"] == "order.refunded" and line["order_id"]]
    payments = {line["order_id"]: line["event_id"] for line in _of("order.paid", lines) if "revision" not in line}
    assert any(place_of[refund["event_id"]] < place_of[payments[refund["order_id"]]] for refund in refunds)
    amended = [line for line in _of("order.paid", lines) if "revision" in line]
    assert any(place_of[line["event_id"]] < place_of[payments[line["order_id"]]] for line in amended)

    clock = lines[0]["occurred_at"]
    late = []
    for line in lines:
        late += [(line, clock)] if line["occurred_at"] < clock else []
        clock = max(clock, line["occurred_at"])
    assert all(line["type"].startswith("order.") for line, _ in late)
    days = [datetime.fromisoformat(at) - datetime.fromisoformat(line["occurred_at"]) for line, at in late]
    assert timedelta(days=5) < max(days) < timedelta(days=13)
    assert len(late) < len(lines) // 10
    copies = Counter(json.dumps(line) for line in lines)
    copied = {json.loads(text)["type"] for text, times in copies.items() if times > 1}
    assert {"order.paid", "order.refunded", "order.cancelled", "redeem.requested"} == copied


def test_some_redemptions_ask_for_more_than_was_ever_earned(lines: list[Event]) -> None:
    """These are refused whatever happens; most others ask for what a member may well have."""
    earned: Counter[str] = Counter()
    hopeless = likely = 0
    seen: set[str] = set()
    for line in lines:
        if line["type"] == "order.paid" and line["customer_id"] and line["event_id"] not in seen:
            seen.add(line["event_id"])
            earned[line["customer_id"]] += (_sum(line, "goods") - _sum(line, "discount")) // 100
        elif line["type"] == "redeem.requested":
            hopeless += line["points"] > earned[line["customer_id"]]
            likely += line["points"] <= earned[line["customer_id"]]
    assert 10 < hopeless < likely


def test_the_program_is_the_one_of_the_story() -> None:
    """One yuan is one point for twelve months to the month's end."""
    rule = shop.PROGRAM["earning"]["rules"][0]
    assert {"points": 1, "per_minor": 100} == rule["rate"]
    assert ("Asia/Shanghai", "CNY") == (shop.PROGRAM["time_zone"], shop.PROGRAM["currency"])
    assert {"policy": "months", "months": 12, "round_up_to": "month_end"} == shop.PROGRAM["expiry"]
    assert json.loads(json.dumps(shop.PROGRAM)) == shop.PROGRAM


@pytest.mark.parametrize(("members", "orders"), [(1, 1), (3, 40)])
def test_a_smaller_shop_is_a_shop(members: int, orders: int) -> None:
    """Sizes are for the caller to choose."""
    lines = list(shop.events(1, members=members, orders=orders))
    assert orders == len({line["order_id"] for line in _of("order.paid", lines)})


def test_a_shop_without_orders_is_refused() -> None:
    """There is nothing to tell."""
    with pytest.raises(ValueError, match="needs members and orders"):
        list(shop.events(1, orders=0))
