"""The auditor and the mall: silent about a sound shop, and naming the law that a forged row breaks.

the story ──real use cases, real store, moto──> rows ──> no violation
                                                 └─forged─> the law that was broken, and no other
"""

from __future__ import annotations

import copy
import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jifen.domain.exchanges import Wanted
from jifen.domain.ids import document_id
from jifen.domain.money import Money
from jifen.domain.program import Moment, parse_program
from jifen.service import bidding, stocking
from jifen.service.answering import Answer
from jifen.service.bidding import Bidding
from jifen.service.couponing import Couponing
from jifen.service.deadlines import Deadlines
from jifen.service.drawing import Drawing
from jifen.service.exchanging import Exchanging
from jifen.service.lotteries import Lotteries
from jifen.service.mall_documents import AuctionKey
from jifen.service.ports import Ledger
from jifen.service.shelving import Shelving
from jifen.service.spending import Paying, Spending
from jifen.service.transferring import Transferring
from local import cli
from local.audit import audit, rows_of
from local.audit.rows import Fields, digest, read_entry
from local.engines import Engine
from tests.local.test_audit import Row, Table, pack, unpack
from tests.service.mall import ADDRESS
from tests.service.scene import give
from tests.store.patient import Patient
from tests.store.tables import ledger_on, new_table, running_engines

SHARDS = 4
WRITTEN: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "CNY",
    "mall": {"points_per_day": 9_000, "times_per_day": 90, "address_days": 2},
    "redemption": {"max_points_per_day": 900, "times_per_day": 9},
    "transfers": {"points_per_day": 900, "received_per_day": 900},
    "security": {"password_above": 100_000},
}
PROGRAM = parse_program(WRITTEN)
START = datetime.fromisoformat("2026-03-01T04:00:00Z")
"""When members get their points, and the lottery is written."""
DRAWN = START + timedelta(days=1)
OVER = START + timedelta(days=4)
"""When everything that was due is overdue."""

REWARDS: Mapping[str, Mapping[str, Any]] = {
    "cup": {"kind": "physical", "points": 100, "limits": [{"per": "month", "times": 9}], "stock": {"shards": 2}},
    "tee": {"kind": "physical", "points": 20, "cash_minor": 500, "quantity_max": 3},
    "film": {"kind": "virtual", "points": 50, "stock": {"codes": True}},
    "five": {
        "kind": "coupon",
        "points": 10,
        "quantity_max": 3,
        "stock": {"counted": False},
        "coupon": {"kind": "amount", "discount_minor": 500, "valid_days": 30, "uses_per_day": 2},
    },
    "tree": {"kind": "donation", "points": 5, "donation": {"unit": "tree"}, "stock": {"counted": False}},
    "bought": {"kind": "voucher", "cash_minor": 900, "voucher": {"points": 40}, "stock": {"counted": False}},
}

WHEEL: Mapping[str, Any] = {
    "title": "Wheel",
    "cost": 10,
    "attempts_per_day": 6,
    "from": "2026-03-02",
    "days": 3,
    "forfeit_days": 2,
    "prizes": [
        {"id": "a", "title": "A", "kind": "physical", "odds": "0.3", "stock": 1, "out_of_stock": "p"},
        {"id": "b", "title": "B", "kind": "virtual", "odds": "0.2", "stock": 1, "out_of_stock": "refund"},
        {"id": "p", "title": "P", "kind": "points", "points": 7, "odds": "0.2"},
        {"id": "c", "title": "C", "kind": "coupon", "odds": "0.2", "coupon": {"kind": "amount", "discount_minor": 5}},
    ],
}
LINE = "aabbpc"
"""What the attempts of m1 fall on."""
SEED = hashlib.sha256(b"1979").digest()


class Shop:
    """What the story is told with: the real use cases, each under a key of its own."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.now, self.keys = ledger, START, 0

    @property
    def moment(self) -> Moment:
        """Now."""
        return PROGRAM.moment(self.now)

    def wait(self, **by: int) -> None:
        """Let time pass."""
        self.now += timedelta(**by)

    def _parts(self) -> tuple[Any, ...]:
        self.keys += 1
        return self.ledger, PROGRAM, self.moment, Patient(), "op", "operator:op", f"k{self.keys}"

    @property
    def shelves(self) -> Shelving:
        """Rewards and stock."""
        return Shelving(*self._parts())

    @property
    def desk(self) -> Exchanging:
        """Exchanges."""
        return Exchanging(*self._parts())

    @property
    def coupons(self) -> Couponing:
        """Coupons."""
        return Couponing(*self._parts())

    @property
    def wheel(self) -> Drawing:
        """Draws."""
        return Drawing(*self._parts())

    @property
    def hall(self) -> Bidding:
        """Auctions."""
        return Bidding(*self._parts())

    def order(self, reward: str, quantity: int = 1, member: str = "m1") -> Answer:
        """Exchange."""
        return self.desk.exchange(member, Wanted(reward, quantity))

    def paid(self, order_id: str, minor: int) -> Answer:
        """Pay."""
        return self.desk.paid(order_id, Money(minor, "CNY"), f"p{self.keys}")

    def sent(self, order_id: str) -> str:
        """Send, once it is known where to."""
        self.desk.address(order_id, ADDRESS)
        self.desk.ship(order_id, "SF", "1")
        return order_id

    def cancel(self, order_id: str) -> str:
        """Take an order back, as an operator."""
        self.desk.cancel(order_id, "r", member=False, operator=True)
        return order_id

    def back(self, order_id: str, quantity: int | None = None, *, restock: bool = True) -> str:
        """Have an order returned."""
        self.desk.give_back(order_id, "r", restock=restock, operator=True, quantity=quantity)
        return order_id

    def auction(self, name: str) -> None:
        """An auction of an hour from now on."""
        ends = self.now + timedelta(hours=1)
        self.hall.write(
            name,
            {
                "title": name,
                "from": self.now.isoformat(),
                "until": ends.isoformat(),
                "extend_s": 60,
                "start_points": 5,
                "step_points": 5,
                "max_bids_per_member": 3,
            },
        )

    def settled(self, name: str) -> None:
        """End an auction that is over."""
        found = self.ledger.load([], [AuctionKey(name)]).documents[AuctionKey(name)]
        bidding.settle(self.ledger, PROGRAM, found, self.moment, Patient())  # type: ignore[arg-type]

    def settle(self) -> None:
        """Whatever is overdue."""

        def report(name: str, failure: Exception) -> None:
            raise AssertionError(name) from failure

        Deadlines(self.ledger, PROGRAM, self.moment, Patient(1_000), _Herald, lambda: True, report).settle()


class _Herald:
    """Tells members."""

    def tell(self, _kind: str, _notice: str, _member: str, _data: Mapping[str, object]) -> None:
        """Tell."""


def story(shop: Shop) -> dict[str, str]:
    """Four days in which everything of the mall and of play happens; the ids of what is looked for later."""
    for member in ("m1", "m2", "m3"):
        give(shop.ledger, member, 2_000)
    for name, content in REWARDS.items():
        shop.shelves.write(name, {"title": name, **content})
    shop.shelves.wish("cup", "m2", on=True)
    shop.shelves.fill("cup", 9, "r")
    shop.shelves.fill("tee", 9, "r")
    shop.shelves.add_codes("film", ["A-1", "A-2", "A-3", "A-4"])
    Lotteries(*shop._parts()).write("wheel", WHEEL, lambda: SEED, override="r")
    return {**_exchanged(shop), **_bid(shop), **_drawn(shop), **_left_over(shop)}


def _exchanged(shop: Shop) -> dict[str, str]:
    ids = {"done": shop.sent(str(shop.order("cup")["order_id"]))}
    shop.desk.deliver(ids["done"])
    ids["canceled"] = shop.cancel(str(shop.order("cup")["order_id"]))
    ids["returned"] = shop.back(shop.sent(str(shop.order("cup")["order_id"])))
    ids["kept"] = shop.back(shop.sent(str(shop.order("cup", member="m2")["order_id"])), restock=False)
    ids["parts"] = str(shop.order("tee", 3)["order_id"])
    shop.paid(ids["parts"], 1_500)
    shop.back(shop.sent(ids["parts"]), 1)
    ids["unpaid"] = str(shop.order("tee")["order_id"])
    ids["forfeited"] = str(shop.order("cup")["order_id"])
    ids["film"] = str(shop.order("film")["order_id"])
    ids["film back"] = shop.cancel(str(shop.order("film")["order_id"]))
    coupons = shop.order("five", 2)
    ids["five"] = str(coupons["order_id"])
    ids["used"], ids["unused"] = coupons["coupons"]
    shop.coupons.use(ids["used"], ("standard", "o1"), Money(9_000, "CNY"), None)
    shop.coupons.release(ids["used"], ("standard", "o1"))
    shop.coupons.use(ids["used"], ("standard", "o2"), Money(9_000, "CNY"), None)
    void = shop.order("five")
    ids["five back"], ids["void"] = shop.cancel(str(void["order_id"])), void["coupons"][0]
    ids["tree"] = str(shop.order("tree")["order_id"])
    ids["bought"], ids["bought back"] = (str(shop.order("bought")["order_id"]) for _ in range(2))
    shop.paid(ids["bought"], 900)
    shop.paid(ids["bought back"], 900)
    shop.cancel(ids["bought back"])
    ids["paid"] = _spent(shop)
    return ids


def _spent(shop: Shop) -> str:
    """Points that the other ways of spending take, on the same counters; the id of what paid an order."""
    Spending(shop.ledger, PROGRAM, shop.moment, Patient(), "s1", "shop").redeem("m1", 30)
    shopify = Spending(shop.ledger, PROGRAM, shop.moment, Patient(), "s4", "shop")
    paid = shopify.redeem("m1", 15, "7", paying=Paying(shop="shopify"))
    Spending(shop.ledger, PROGRAM, shop.moment, Patient(), "s2", "shop").authorize("m1", 20)
    Transferring(shop.ledger, PROGRAM, shop.moment, Patient(), "shop", "shop", "s3").send("m1", "m2", 40)
    return str(paid["redemption_id"])


def _bid(shop: Shop) -> dict[str, str]:
    for name in ("tea", "urn", "pot"):
        shop.auction(name)
    ids = {"outbid": shop.hall.bid("m2", "tea", 10)["bid_id"]}
    ids["raised"] = shop.hall.bid("m3", "tea", 20)["bid_id"]
    ids["won"] = shop.hall.bid("m3", "tea", 30)["bid_id"]
    ids["released"] = shop.hall.bid("m2", "urn", 15)["bid_id"]
    shop.hall.cancel("urn", "r")
    shop.wait(hours=2)
    shop.settled("tea")
    shop.settled("pot")
    return {name: str(value) for name, value in ids.items()}


def _drawn(shop: Shop) -> dict[str, str]:
    shop.now = DRAWN
    return {f"draw {number}": str(shop.wheel.draw("m1", "wheel", "")["draw_id"]) for number, _ in enumerate(LINE, 1)}


def _left_over(shop: Shop) -> dict[str, str]:
    """What is overdue by then is settled; and what is still open at the end."""
    never = str(document_id("ro", "m1", "never"))
    until = shop.now + timedelta(minutes=10)
    stocking.reserve(shop.ledger, Patient(), ("cup", 2), never, 1, 0, shop.now, until)
    shop.now = OVER
    shop.settle()
    ids = {"never": never, "waits": str(shop.order("cup", member="m2")["order_id"])}
    until = shop.now + timedelta(minutes=10)
    stocking.reserve(shop.ledger, Patient(), ("tee", 1), str(document_id("ro", "m3", "k")), 1, 0, shop.now, until)
    stocking.reserve(shop.ledger, Patient(), ("film", 1), str(document_id("ro", "m3", "k")), 1, 0, shop.now, until)
    shop.auction("jug")
    return {**ids, "top": str(shop.hall.bid("m2", "jug", 25)["bid_id"])}


@dataclass(frozen=True)
class Sound:
    """A ledger with nothing wrong in it: its rows, the ids in it, and when it was last written."""

    rows: Table
    ids: Mapping[str, str]
    now: datetime


@pytest.fixture(scope="module")
def moto() -> Iterator[Engine]:
    """One moto for this file."""
    with running_engines() as engines:
        yield engines["moto"]


@pytest.fixture(scope="module")
def sound(moto: Engine) -> Sound:
    """The story, written by the real store."""
    table = new_table(moto)
    shop = Shop(ledger_on(moto, table, PROGRAM, SHARDS))
    ids = story(shop)
    rows = {(row["pk"]["S"], row["sk"]["S"]): row for row in rows_of(moto, table)}
    return Sound(rows, ids, shop.now)


def test_a_sound_mall_breaks_no_law(sound: Sound) -> None:
    """After everything that can happen: every kind of row, and every status, is there."""
    found: dict[str, set[str]] = {}
    for (_, sk), row in sound.rows.items():
        if "facts" in row:
            facts = json.loads(row["facts"]["S"])
            found.setdefault(sk.partition("#")[0], set()).add(str(facts.get("status")))
    assert {"RW", "ST", "WI", "CD", "RO", "CP", "LT", "DW", "AU", "BD"} <= found.keys()
    ends = {"ADDRESS_DUE", "SHIPPED", "FULFILLED", "FORFEITED", "CANCELED", "RETURNED", "ABANDONED"}
    assert ends <= found["RO"]
    assert {"None", "SOLD", "UNSOLD", "CANCELED"} == found["AU"]
    assert {"None", "OUTBID", "RAISED", "WON", "RELEASED"} == found["BD"]
    assert {"None", "USED", "VOID"} == found["CP"]
    assert [] == audit(sound.rows.values(), PROGRAM, sound.now, shards=SHARDS)


def test_the_command_is_content_with_it(sound: Sound, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``jifen audit`` reads all of it out of an export."""
    file, program = tmp_path / "export.json", tmp_path / "program.json"
    lines = (
        json.dumps({"Item": row}, default=lambda raw: b64encode(bytes(raw)).decode()) for row in sound.rows.values()
    )
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    program.write_text(json.dumps(WRITTEN), encoding="utf-8")
    place = ["--program", str(program), "--now", sound.now.isoformat(), "--shards", str(SHARDS)]
    assert 0 == cli.main(["audit", "--export", str(file), *place, "--json"])
    assert (len(sound.rows), []) == ((said := json.loads(capsys.readouterr().out))["rows"], said["violations"])


# Rows that somebody changed ------------------------------------------------------------------------------------------


@dataclass
class Forger:
    """Somebody with rights on the table; ``rows`` may be changed at will."""

    rows: Table
    ids: Mapping[str, str]

    def row(self, name: str) -> Row:
        """A member's document by the name it has in the story."""
        prefix, _, digest_ = self.ids[name].split(".")
        kind = {"ro": "RO", "cp": "CP", "dw": "DW", "bd": "BD", "rd": "R"}[prefix]
        return next(row for (_, sk), row in self.rows.items() if sk == f"{kind}#{digest_}")

    def remove(self, name: str) -> None:
        """Take a document out."""
        row = self.row(name)
        del self.rows[row["pk"]["S"], row["sk"]["S"]]

    def shard(self, subject: str, number: int = 0) -> Row:
        """A shard of a stock."""
        return self.rows[f"C#{subject}", f"ST#{number:04d}"]

    def mark(self) -> tuple[str, str]:
        """The keys of a mark."""
        return next(place for place in self.rows if place[1].startswith("CD#"))

    def sets(self, row: Row, **facts: Any) -> None:
        """Say something else in a document."""
        row["facts"] = {"S": json.dumps({**json.loads(row["facts"]["S"]), **facts}, separators=(",", ":"))}

    def without(self, row: Row, name: str) -> None:
        """Leave a fact out."""
        facts = json.loads(row["facts"]["S"])
        del facts[name]
        row["facts"] = {"S": json.dumps(facts)}

    def entry(self, name: str, reason: str, member: str = "m1") -> Row:
        """The last entry of a document and a reason."""
        found = [
            row
            for (pk, sk), row in sorted(self.rows.items())
            if pk == f"M#{member}" and sk.startswith("E#") and row["reason"]["S"] == reason
            if self.ids[name] in row["source"]["S"] or self.ids[name] in row.get("hold", {"S": ""})["S"]
        ]
        return found[-1]

    def rechain(self, member: str = "m1") -> None:
        """Make every hash of a history right again, and the account's head."""
        head = hashlib.sha256(b"jifen ledger 1\n" + member.encode()).hexdigest()
        account = self.rows[f"M#{member}", "A"]
        for sequence in range(1, int(account["version"]["N"]) + 1):
            row = self.rows[f"M#{member}", f"E#{sequence:012d}"]
            row["previous_hash"]["S"] = head
            head = row["hash"]["S"] = digest(read_entry(member, sequence, Fields(row)))
        account["head_hash"]["S"] = head

    def remembers(self, key: str, window: str, amount: int, member: str = "m1") -> None:
        """Let an account remember another use."""
        account = self.rows[f"M#{member}", "A"]
        standing = Fields(account).roomy("standing")
        standing["used"].setdefault(key, {})[window] = amount
        account["standing"] = {"S": json.dumps(standing)}


Forgery = Callable[[Forger], object]
MALL: list[tuple[str, tuple[str, ...], Forgery]] = []


def forged(*laws: str) -> Callable[[Forgery], Forgery]:
    """A way to forge the story's rows, and the laws that it breaks."""

    def keep(forgery: Forgery) -> Forgery:
        MALL.append((forgery.__name__, laws, forgery))
        return forgery

    return keep


# What cannot be read


@forged("rows")
def an_order_of_no_status(forger: Forger) -> None:
    forger.sets(forger.row("done"), status="LOST")


@forged("rows")
def an_order_without_a_status(forger: Forger) -> None:
    forger.without(forger.row("done"), "status")


@forged("rows")
def an_order_with_something_more(forger: Forger) -> None:
    forger.sets(forger.row("done"), gift=True)


@forged("rows")
def an_order_under_another_id(forger: Forger) -> None:
    forger.sets(forger.row("done"), id=forger.ids["canceled"])


@forged("rows")
def an_order_of_another_member(forger: Forger) -> None:
    forger.sets(forger.row("done"), member="m2")


@forged("whole numbers")
def half_a_piece(forger: Forger) -> None:
    row = forger.shard("cup")
    row["facts"] = {"S": row["facts"]["S"].replace('"sold":', '"sold":0.5,"free":')}


@forged("whole numbers")
def a_bid_of_a_text(forger: Forger) -> None:
    forger.sets(forger.row("top"), points="25")


@forged("rows")
def fewer_pieces_than_none(forger: Forger) -> None:
    forger.sets(forger.shard("cup"), sold=-1)


@forged("rows")
def a_shard_under_another_number(forger: Forger) -> None:
    forger.sets(forger.shard("cup"), shard=1)


@forged("rows")
def a_draw_at_no_instant(forger: Forger) -> None:
    forger.sets(forger.row("draw 1"), at="yesterday")


@forged("rows")
def a_wish_of_another_member(forger: Forger) -> None:
    row = next(row for (_, sk), row in forger.rows.items() if sk.startswith("WI#"))
    forger.sets(row, member="m9")


@forged("rows")
def a_coupon_used_on_half_an_order(forger: Forger) -> None:
    forger.sets(forger.row("used"), order=["standard"])


@forged("rows")
def a_lottery_that_cannot_be_unpacked(forger: Forger) -> None:
    forger.rows["LOTTERIES", "LT#wheel"]["text"] = {"B": b"\x78\x00"}


@forged("rows")
def a_reward_in_no_list(forger: Forger) -> None:
    row = forger.rows.pop(("REWARDS", "RW#tree"))
    forger.rows["REWARDS", "RX#tree"] = {**row, "sk": {"S": "RX#tree"}}


# Stock


@forged("stock")
def a_piece_out_of_nothing(forger: Forger) -> None:
    row = forger.shard("cup")
    forger.sets(row, free=json.loads(row["facts"]["S"])["free"] + 1)


@forged("stock", "sold")
def a_piece_that_nobody_bought(forger: Forger) -> None:
    row = forger.shard("cup")
    forger.sets(row, sold=json.loads(row["facts"]["S"])["sold"] + 1)


@forged("sold")
def a_sale_that_was_forgotten(forger: Forger) -> None:
    row = forger.shard("tee")
    facts = json.loads(row["facts"]["S"])
    forger.sets(row, sold=facts["sold"] - 1, free=facts["free"] + 1)


@forged("sold")
def an_order_with_a_piece_of_another_shard(forger: Forger) -> None:
    row = forger.row("done")
    (number,) = json.loads(row["facts"]["S"])["pieces"]
    forger.sets(row, pieces={str(1 - int(number)): 1}, marks={})


@forged("stock", "codes")
def a_reward_removed(forger: Forger) -> None:
    del forger.rows["REWARDS", "RW#film"]
    for place in [place for place in forger.rows if place[0] == "C#film" and place[1].startswith("CD#")]:
        del forger.rows[place]


@forged("sold")
def an_order_posted_beside_its_reservation(forger: Forger) -> None:
    """The shard keeps more for an order than it has."""
    row, order = forger.shard("tee"), forger.row("parts")
    facts, own = json.loads(row["facts"]["S"]), json.loads(order["facts"]["S"])
    kept = {"pieces": 1, "until": "2026-03-05T04:10:00Z", "mark": own["marks"]["0"]}
    first = dict(facts["reserved"])
    forger.sets(row, free=facts["free"] + 1, sold=facts["sold"] - 2, reserved={**first, own["id"]: kept})


# Codes


@forged("codes", "stock", "sold")
def a_code_that_is_sold_and_free(forger: Forger) -> None:
    row = forger.shard("film")
    sold = json.loads(forger.row("film")["facts"]["S"])["codes"]
    facts = json.loads(row["facts"]["S"])
    forger.sets(row, free=facts["free"] + 1, sold=facts["sold"] - 1)
    _codes(row, [*_codes_in(row), *sold, *sold])


@forged("codes")
def a_code_that_is_lost(forger: Forger) -> None:
    row = forger.shard("film")
    _codes(row, ["B-1"])


@forged("codes")
def a_code_without_a_mark(forger: Forger) -> None:
    del forger.rows[forger.mark()]


@forged("codes")
def one_code_for_two_orders(forger: Forger) -> None:
    sold = json.loads(forger.row("film")["facts"]["S"])["codes"]
    forger.sets(forger.row("film back"), codes=sold)


def _codes_in(row: Row) -> list[str]:
    codes: list[str] = unpack(row, "text")
    return codes


def _codes(row: Row, codes: list[str]) -> None:
    pack(row, "text", codes)


# Reward orders


@forged("reward orders", "restore", "member limits")
def an_order_that_cost_less(forger: Forger) -> None:
    forger.sets(forger.row("tree"), points=4, spent=[[4, "2027-03-31"]], restored=1)


@forged("reward orders", "sold", "member limits")
def an_order_removed(forger: Forger) -> None:
    forger.remove("tree")


@forged("reward orders")
def an_order_out_of_other_lots(forger: Forger) -> None:
    forger.sets(forger.row("tree"), spent=[[5, "2028-03-31"]])


@forged("reward orders")
def a_canceled_order_that_goes_on(forger: Forger) -> None:
    row = forger.row("tree")
    steps = [*json.loads(row["facts"]["S"])["steps"], {"status": "TO_SHIP", "at": "2026-03-02T04:00:00Z", "by": "o"}]
    forger.sets(row, status="TO_SHIP", steps=steps)


@forged("reward orders", "member limits")
def a_canceled_order_that_says_it_was_forfeited(forger: Forger) -> None:
    row = forger.row("canceled")
    steps = json.loads(row["facts"]["S"])["steps"]
    forger.sets(row, status="FORFEITED", steps=[*steps[:-1], {**steps[-1], "status": "FORFEITED"}])


@forged("restore", "reward orders", "member limits")
def a_forfeited_order_that_says_points_went_back(forger: Forger) -> None:
    forger.sets(forger.row("forfeited"), restored=100)


@forged("reward orders")
def a_status_without_its_step(forger: Forger) -> None:
    forger.sets(forger.row("done"), status="SHIPPED")


@forged("reward orders")
def an_entry_of_an_order_that_never_was(forger: Forger) -> None:
    row = forger.entry("tree", "DONATED")
    row["source"]["S"] = row["source"]["S"].replace(forger.ids["tree"], forger.ids["never"])
    forger.rechain()


@forged("reward orders")
def a_voucher_of_more_points(forger: Forger) -> None:
    row = forger.row("bought")
    details = json.loads(row["facts"]["S"])["details"]
    forger.sets(row, details={**details, "voucher_points": 41})


@forged("reward orders")
def a_voucher_that_was_not_taken_back(forger: Forger) -> None:
    row = forger.entry("bought back", "REWARD_CANCELLED")
    row["source"]["S"] = row["source"]["S"].replace(forger.ids["bought back"], forger.ids["bought"])
    forger.rechain()


@forged("reward orders", "sold")
def a_canceled_order_that_keeps_its_piece(forger: Forger) -> None:
    forger.sets(forger.row("canceled"), pieces={"0": 1})


@forged("reward orders", "drawn")
def a_draw_that_knows_no_order(forger: Forger) -> None:
    row = forger.row("draw 1")
    forger.sets(row, order="", prize="", pieces={}, marks={}, stock="")
    shard = forger.shard("lottery:wheel:a")
    forger.sets(shard, sold=0, free=1)


# Coupons


@forged("coupons")
def a_coupon_out_of_nothing(forger: Forger) -> None:
    forger.sets(forger.row("unused"), source=["reward_order", forger.ids["tree"]])


@forged("coupons")
def a_coupon_used_on_nothing(forger: Forger) -> None:
    forger.sets(forger.row("unused"), status="USED")


@forged("coupons", "member limits")
def a_coupon_used_in_silence(forger: Forger) -> None:
    forger.sets(forger.row("used"), status="ISSUED", order=None, used_at=None)


@forged("coupons")
def a_coupon_that_outlived_its_order(forger: Forger) -> None:
    forger.sets(forger.row("void"), status="ISSUED")


@forged("coupons")
def a_coupon_removed(forger: Forger) -> None:
    forger.remove("unused")


@forged("draws")
def a_coupon_won_and_removed(forger: Forger) -> None:
    draw = json.loads(forger.row("draw 6")["facts"]["S"])
    del forger.rows["M#m1", f"CP#{draw['coupon'].rsplit('.', 1)[-1]}"]


# Lotteries and draws


@forged("lotteries", "drawn")
def another_secret(forger: Forger) -> None:
    forger.sets(forger.rows["LOTTERIES", "LT#wheel"], seed="00" * 32)


@forged("lotteries", "draws")
def another_promise(forger: Forger) -> None:
    forger.sets(forger.rows["LOTTERIES", "LT#wheel"], commitment="00" * 32)


@forged("lotteries")
def a_prize_stocked_again(forger: Forger) -> None:
    forger.sets(forger.shard("lottery:wheel:a"), stocked=2, free=1)


@forged("draws", "drawn")
def other_odds(forger: Forger) -> None:
    row = forger.rows["LOTTERIES", "LT#wheel"]
    content = unpack(row, "text")
    content["prizes"][0]["odds"], content["prizes"][2]["odds"] = "0.2", "0.3"
    pack(row, "text", content)


@forged("draws")
def a_draw_that_cost_less(forger: Forger) -> None:
    forger.sets(forger.row("draw 1"), cost=9)


@forged("draws")
def a_draw_that_won_more(forger: Forger) -> None:
    forger.sets(forger.row("draw 5"), points=8)


@forged("draws")
def a_cost_of_no_draw(forger: Forger) -> None:
    row = forger.entry("draw 1", "DRAW_ENTERED")
    row["source"]["S"] = row["source"]["S"].replace(forger.ids["draw 1"], "dw.bTE.0000000000000000000000")
    forger.rechain()


@forged("attempts", "drawn")
def an_attempt_left_out(forger: Forger) -> None:
    forger.sets(forger.row("draw 6"), attempt=7)


@forged("attempts", "draws")
def an_attempt_too_many(forger: Forger) -> None:
    row = forger.rows["LOTTERIES", "LT#wheel"]
    content = unpack(row, "text")
    content["attempts_per_day"] = 5
    pack(row, "text", content)


@forged("drawn")
def another_number(forger: Forger) -> None:
    row = forger.row("draw 1")
    forger.sets(row, number=json.loads(row["facts"]["S"])["number"] ^ 1)


@forged("drawn")
def a_prize_that_was_not_drawn(forger: Forger) -> None:
    forger.sets(forger.row("draw 5"), drawn="a")


@forged("drawn")
def a_stock_that_was_not_empty(forger: Forger) -> None:
    """The prize that took the place of another says nothing of why."""
    forger.sets(forger.row("draw 2"), why=[])


@forged("draws", "member limits")
def a_draw_on_another_day_than_its_own(forger: Forger) -> None:
    forger.sets(forger.row("draw 1"), at="2026-03-03T04:00:00Z")
    row = forger.entry("draw 1", "DRAW_ENTERED")
    row["occurred_at"]["S"] = "2026-03-03T04:00:00Z"
    forger.rechain()


# Auctions and bids


@forged("bids", "auctions")
def a_bid_of_fewer_points(forger: Forger) -> None:
    forger.sets(forger.row("top"), points=24)


@forged("bids", "auctions")
def a_bid_removed(forger: Forger) -> None:
    forger.remove("outbid")
    forger.remembers("@auction.tea/ever/times", "ever", 0, "m2")


@forged("bids")
def a_bid_that_was_never_placed(forger: Forger) -> None:
    row = forger.entry("outbid", "BID_PLACED", "m2")
    row["reason"]["S"] = "REDEMPTION"
    forger.rechain("m2")


@forged("bids", "auctions")
def an_outbid_member_on_top(forger: Forger) -> None:
    forger.sets(forger.row("outbid"), status="TOP")


@forged("bids", "auctions")
def a_winner_that_says_it_was_outbid(forger: Forger) -> None:
    forger.sets(forger.row("won"), status="OUTBID")


@forged("bids", "auctions")
def a_top_bid_that_was_released(forger: Forger) -> None:
    forger.sets(forger.row("top"), status="RELEASED")


@forged("auctions")
def a_bid_not_counted(forger: Forger) -> None:
    forger.sets(forger.rows["AUCTIONS", "AU#tea"], bids=2)


@forged("auctions")
def another_bid_on_top(forger: Forger) -> None:
    row = forger.rows["AUCTIONS", "AU#tea"]
    top = json.loads(row["facts"]["S"])["top"]
    forger.sets(row, top={**top, "points": 20, "bid": forger.ids["raised"]})


@forged("auctions", "reward orders")
def a_sale_without_an_order(forger: Forger) -> None:
    forger.sets(forger.rows["AUCTIONS", "AU#tea"], order="")


@forged("auctions", "index")
def an_end_put_off_too_far(forger: Forger) -> None:
    row = forger.rows["AUCTIONS", "AU#jug"]
    ends = datetime.fromisoformat(json.loads(row["facts"]["S"])["closes_at"]) + timedelta(minutes=11)
    forger.sets(row, closes_at=ends.isoformat().replace("+00:00", "Z"))


@forged("auctions", "bids")
def an_auction_removed(forger: Forger) -> None:
    row = forger.rows["AUCTIONS", "AU#urn"]
    content = unpack(row, "text")
    pack(row, "text", {**content, "start_points": 16, "extend_max_s": 0})


# What is left: each a fact that says something else


def facts_of(row: Row) -> dict[str, Any]:
    """What a document says."""
    facts: dict[str, Any] = json.loads(row["facts"]["S"])
    return facts


def written(row: Row, **changes: Any) -> None:
    """Let an operator have written something else."""
    pack(row, "text", {**unpack(row, "text"), **changes})


@forged("rows")
def a_title_that_is_a_number(forger: Forger) -> None:
    forger.sets(forger.row("done"), title=7)


@forged("rows")
def a_pool_that_is_a_word(forger: Forger) -> None:
    forger.sets(forger.shard("film"), pooled="yes")


@forged("rows")
def an_address_that_is_a_text(forger: Forger) -> None:
    forger.sets(forger.row("done"), address="here")


@forged("rows")
def pieces_of_no_shard(forger: Forger) -> None:
    forger.sets(forger.row("done"), pieces={"first": 1})


@forged("rows")
def steps_that_are_none(forger: Forger) -> None:
    forger.sets(forger.row("done"), steps={})


@forged("rows")
def codes_that_are_a_text(forger: Forger) -> None:
    forger.sets(forger.row("film"), codes="A-1")


@forged("rows")
def a_document_never_written(forger: Forger) -> None:
    forger.row("done")["version"]["N"] = "0"


@forged("rows")
def a_text_of_an_order(forger: Forger) -> None:
    pack(forger.row("done"), "text", "more")


@forged("stock", "index")
def a_reservation_for_nobody(forger: Forger) -> None:
    row = forger.shard("cup")
    kept = {"pieces": 1, "until": "2026-03-05T04:10:00Z"}
    forger.sets(row, free=facts_of(row)["free"] - 1, reserved={"rd.bTE.0000000000000000000000": kept})


@forged("stock")
def an_endless_stock_that_was_filled(forger: Forger) -> None:
    forger.sets(forger.shard("tree"), stocked=5)


@forged("stock", "codes")
def a_reserved_piece_without_its_code(forger: Forger) -> None:
    row = forger.shard("film")
    (name, kept), *_ = facts_of(row)["reserved"].items()
    forger.sets(row, reserved={name: {**kept, "codes": []}})


@forged("stock")
def a_shard_too_many(forger: Forger) -> None:
    forger.sets(forger.rows["REWARDS", "RW#cup"], shards=1)


@forged("stock")
def a_wish_for_nothing(forger: Forger) -> None:
    row = next(row for (_, sk), row in forger.rows.items() if sk.startswith("WI#"))
    forger.sets(row, reward="mug")
    forger.rows["C#mug", row["sk"]["S"]] = {**forger.rows.pop(("C#cup", row["sk"]["S"])), "pk": {"S": "C#mug"}}


@forged("sold")
def a_shard_removed(forger: Forger) -> None:
    del forger.rows["C#tree", "ST#0000"]


@forged("codes", "sold", "member limits")
def an_order_with_more_codes_than_pieces(forger: Forger) -> None:
    forger.sets(forger.row("film"), quantity=2, pieces={"0": 2})


@forged("reward orders", "sold")
def a_live_order_without_its_piece(forger: Forger) -> None:
    forger.sets(forger.row("done"), pieces={}, marks={})


@forged("reward orders", "sold")
def an_auction_with_a_stock(forger: Forger) -> None:
    auction = facts_of(forger.rows["AUCTIONS", "AU#tea"])
    row = forger.rows["M#m3", f"RO#{auction['order'].rsplit('.', 1)[-1]}"]
    forger.sets(row, pieces={"0": 1})


@forged("reward orders")
def an_order_that_came_of_a_gift(forger: Forger) -> None:
    forger.sets(forger.row("tree"), source=["gift", "g1"])


@forged("index")
def a_piece_that_goes_back_unseen(forger: Forger) -> None:
    forger.sets(forger.row("done"), put_back=True)


@forged("coupons")
def an_order_with_a_coupon_too_few(forger: Forger) -> None:
    row = forger.row("five")
    details = facts_of(row)["details"]
    forger.sets(row, details={**details, "coupons": details["coupons"][:1]})


@forged("coupons")
def a_coupon_of_no_order(forger: Forger) -> None:
    forger.sets(forger.row("unused"), source=["reward_order", "ro.bTE.0000000000000000000000"])


@forged("draws", "stock")
def a_lottery_removed(forger: Forger) -> None:
    del forger.rows["LOTTERIES", "LT#wheel"]


@forged("lotteries", "drawn")
def a_day_more(forger: Forger) -> None:
    forger.sets(forger.rows["LOTTERIES", "LT#wheel"], days=4)


@forged("lotteries", "drawn")
def a_lottery_without_days(forger: Forger) -> None:
    forger.sets(forger.rows["LOTTERIES", "LT#wheel"], days=0)


@forged("lotteries", "sold")
def a_prize_without_its_stock(forger: Forger) -> None:
    del forger.rows["C#lottery:wheel:a", "ST#0000"]


@forged("lotteries", "draws")
def a_prize_won_too_often(forger: Forger) -> None:
    row = forger.rows["LOTTERIES", "LT#wheel"]
    content = unpack(row, "text")
    content["prizes"][0]["stock"] = 0
    pack(row, "text", content)


@forged("draws", "sold")
def a_prize_out_of_no_stock(forger: Forger) -> None:
    forger.sets(forger.row("draw 1"), pieces={}, marks={})


@forged("draws", "coupons")
def a_draw_that_forgot_its_coupon(forger: Forger) -> None:
    forger.sets(forger.row("draw 6"), coupon="")


@forged("auctions")
def bids_of_an_auction_removed(forger: Forger) -> None:
    del forger.rows["AUCTIONS", "AU#urn"]
    forger.remembers("@auction.urn/ever/times", "ever", 0, "m2")


@forged("auctions")
def an_unsold_auction_with_an_order(forger: Forger) -> None:
    forger.sets(forger.rows["AUCTIONS", "AU#pot"], order=forger.ids["tree"])


@forged("auctions")
def a_ceiling_that_was_broken(forger: Forger) -> None:
    written(forger.rows["AUCTIONS", "AU#tea"], max_points=29)


@forged("auctions")
def a_member_that_bid_too_often(forger: Forger) -> None:
    written(forger.rows["AUCTIONS", "AU#tea"], max_bids_per_member=1)


@forged("auctions", "bids")
def a_bid_before_it_opened(forger: Forger) -> None:
    row = forger.rows["AUCTIONS", "AU#jug"]
    begins = datetime.fromisoformat(facts_of(row)["opens_at"]) + timedelta(seconds=1)
    written(row, **{"from": begins.isoformat()})
    forger.sets(row, opens_at=begins.isoformat().replace("+00:00", "Z"))
    bid = forger.entry("top", "BID_PLACED", "m2")
    bid["source"]["S"] = json.dumps(["auction", "tea"])
    forger.rechain("m2")


@forged("auctions", "reward orders")
def a_sale_for_fewer_points(forger: Forger) -> None:
    auction = facts_of(forger.rows["AUCTIONS", "AU#tea"])
    row = forger.rows["M#m3", f"RO#{auction['order'].rsplit('.', 1)[-1]}"]
    forger.sets(row, points=29)


# Counters and the index


@forged("member limits")
def a_month_with_room_again(forger: Forger) -> None:
    forger.remembers("@reward.cup/month/times", "2026-03", 1)


@forged("member limits")
def a_draw_forgotten(forger: Forger) -> None:
    forger.remembers("@lottery.wheel/day/times", "2026-03-02", 5)


@forged("member limits")
def a_bid_forgotten(forger: Forger) -> None:
    forger.remembers("@auction.tea/ever/times", "ever", 1, "m3")


@forged("member limits")
def more_at_the_checkout_than_was_spent(forger: Forger) -> None:
    forger.remembers("@checkout/day/points", "2026-03-01", 66)


@forged("member limits")
def more_given_than_was_sent(forger: Forger) -> None:
    forger.remembers("@transfer/day/points", "2026-03-01", 41)


@forged("member limits")
def a_counter_of_nothing(forger: Forger) -> None:
    forger.remembers("@gift/ever/times", "ever", 1)


@forged("index")
def a_reservation_that_nobody_looks_at(forger: Forger) -> None:
    row = forger.shard("tee")
    del row["shard"], row["due_expiry"]


@forged("index")
def an_order_looked_at_too_late(forger: Forger) -> None:
    row = forger.row("waits")
    row["due_expiry"]["S"] = row["due_expiry"]["S"].replace("2026", "2027")


@forged("index")
def an_order_that_is_done_and_still_due(forger: Forger) -> None:
    done, waits = forger.row("done"), forger.row("waits")
    done.update({name: waits[name] for name in ("shard", "due_expiry")})


@forged("documents", "reward orders")
def a_redemption_that_poses_as_an_order(forger: Forger) -> None:
    """What has the source of another document is not explained by a reward order."""
    row = forger.entry("tree", "DONATED")
    row["source"]["S"] = json.dumps(["redemption", "rd.bTE.0000000000000000000000"])
    forger.rechain()


@forged("documents")
def points_for_another_shop(forger: Forger) -> None:
    del forger.row("paid")["shop"]


@pytest.mark.parametrize(("laws", "forgery"), [pytest.param(laws, do, id=name) for name, laws, do in MALL])
def test_a_changed_row_breaks_the_laws_it_should(sound: Sound, laws: tuple[str, ...], forgery: Forgery) -> None:
    """Each forgery is reported under its law, and nothing else is."""
    forger = Forger(copy.deepcopy(sound.rows), sound.ids)
    forgery(forger)
    found = audit(forger.rows.values(), PROGRAM, sound.now, shards=SHARDS)
    assert set(laws) == {violation.law for violation in found}, found


def test_what_cannot_be_read_is_reported_once(sound: Sound) -> None:
    """And the laws that need it are left alone, of whatever kind the row is."""
    for place, row in sound.rows.items():
        if "facts" in row and place[1].partition("#")[0] in {
            "RW",
            "ST",
            "CD",
            "WI",
            "RO",
            "CP",
            "LT",
            "DW",
            "AU",
            "BD",
        }:
            rows = {**sound.rows, place: {**row, "facts": {"S": "{"}}}
            found = audit(rows.values(), PROGRAM, sound.now, shards=SHARDS)
            assert [("rows", " ".join(place))] == [(one.law, one.subject) for one in found]


def test_the_shop_can_be_audited_at_any_time(moto: Engine) -> None:
    """Also in the middle of an exchange, and before anything that is overdue was settled."""
    table = new_table(moto)
    shop = Shop(ledger_on(moto, table, PROGRAM, SHARDS))
    give(shop.ledger, "m1", 500)
    shop.shelves.write("cup", {"title": "Cup", **REWARDS["cup"]})
    shop.shelves.fill("cup", 2, "r")
    shop.order("cup")
    shop.auction("tea")
    shop.hall.bid("m1", "tea", 30)
    shop.wait(days=60)
    assert [] == audit(rows_of(moto, table), PROGRAM, shop.now, shards=SHARDS)
