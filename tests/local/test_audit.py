"""The auditor is silent about a sound ledger and names the law that a forged one breaks.

the story ──real use cases, real store, moto──> rows ──> no violation
                                                 └─forged─> the law that was broken, and no other
"""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jifen.domain.account import Change
from jifen.domain.entries import Draft, Kind, Reason, Source, genesis
from jifen.domain.ids import document_id
from jifen.domain.lots import LotChange
from jifen.domain.orders import EventType, Line, Order, OrderEvent, Paid, Refund
from jifen.domain.program import ClawbackPolicy, Moment, Program, parse_program
from jifen.domain.rules.model import RuleSet
from jifen.domain.ruling import StoredRules, rules_fingerprint
from jifen.domain.spending import Hold, HoldStatus, Receipt, Redemption
from jifen.service.contacting import set_contact
from jifen.service.earning import earn
from jifen.service.expiring import expire
from jifen.service.ports import AccountWrite, Document, HoldKey, Ledger, OrderKey, Patience, Posting
from jifen.service.reminding import Reminding
from jifen.service.spending import Spending
from jifen.service.transferring import Transferring
from jifen.store.dynamo import DynamoLedger, TableSettings
from local.audit import audit, rows_of
from local.audit.rows import Fields, digest, read_entry
from local.engines import Engine
from tests.simulation.pair import COMMANDS, HOLDS_MAX, PROGRAMS, STARTS, Command, Pair, Player, small_limits
from tests.store.faults import FaultyNetwork, Send, response
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient
from tests.store.tables import ledger_on, new_table, running_engines

PROGRAM = parse_program({"time_zone": "Asia/Shanghai", "currency": "CNY", "transfers": {"cooling_days": 3}})
START = datetime(2026, 3, 1, 4, tzinfo=UTC)
END = datetime(2027, 8, 1, 4, tzinfo=UTC)
SHARDS = 4

Row = dict[str, dict[str, Any]]
Table = dict[tuple[str, str], Row]


class Shop:
    """What the story is told with: the real use cases on one ledger, under one program."""

    def __init__(self, ledger: Ledger, policy: ClawbackPolicy = ClawbackPolicy.DEBT) -> None:
        self.ledger, self.program = ledger, replace(PROGRAM, clawback=policy)
        self.now = START
        self._keys = 0

    @property
    def moment(self) -> Moment:
        """Now."""
        return self.program.moment(self.now)

    def wait(self, **by: int) -> None:
        """Let time pass."""
        self.now += timedelta(**by)

    @property
    def desk(self) -> Spending:
        """The spending use cases under a fresh key."""
        self._keys += 1
        return Spending(self.ledger, self.program, self.moment, Patient(), f"k{self._keys}", "shop")

    @property
    def giving(self) -> Transferring:
        """The use cases of transfers under a fresh key."""
        self._keys += 1
        return Transferring(self.ledger, self.program, self.moment, Patient(), "shop", "shop", f"k{self._keys}")

    def give(self, member: str, to: str, points: int) -> str:
        """The id of a transfer."""
        return str(self.giving.send(member, to, points)["transfer_id"])

    def tell(self, *events: OrderEvent) -> None:
        """One delivery of order events."""
        earn(self.ledger, self.program, events, self.moment, Patient())

    def paid(self, order: str, points: int, member: str | None = "m1", **more: Any) -> None:
        """An order worth ``points`` is paid."""
        at = more.get("at", self.now)
        state = Paid(member, at, "CNY", (Line(1, "tea", 100 * points),), more.get("revision", 0))
        shop = more.get("shop", "standard")
        self.tell(OrderEvent(EventType.PAID, f"p-{order}", shop, order, member, at, paid=state))

    def refunded(self, order: str | None, points: int, refund_id: str = "r1") -> None:
        """A part worth ``points`` is given back."""
        refund = Refund(refund_id, self.now, "CNY", (), 100 * points)
        self.tell(OrderEvent(EventType.REFUNDED, refund_id, "standard", order, None, self.now, refund=refund))

    def cancelled(self, order: str) -> None:
        """An order is cancelled."""
        self.tell(OrderEvent(EventType.CANCELLED, f"c-{order}", "standard", order, None, self.now))

    def sweep(self, *members: str) -> None:
        """Write down what time has done."""
        for member in members:
            expire(self.ledger, member, self.moment, Patient())

    def remind(self, member: str) -> None:
        """Send what is due."""
        worker = Reminding(self.ledger, [_Silent()], self.program, self.moment, Patient(), "w", lambda *_: None)
        worker.remind(member)


class _Silent:
    """A channel that takes every reminder."""

    channel = "event"

    def reaches(self, _contact: object) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        return True

    def send(self, _notice: object) -> None:
        """Take it."""


@cache
def _wire() -> tuple[DynamoLedger, list[bytes]]:
    """The real store on a network that keeps what is sent and says that it was done; slow to make, so there is one."""
    nowhere = TableSettings("t", "us-east-1", "http://127.0.0.1:9", SHARDS, access_key_id="a", secret_access_key="b")
    ledger, sent = DynamoLedger(nowhere, PROGRAM), list[bytes]()

    def keep(request: Any, _send: Send) -> Any:
        sent.append(request.body)
        return response(request, 200, b"{}")

    FaultyNetwork(ledger).always("TransactWriteItems", keep)
    return ledger, sent


class RowLedger(MemoryLedger):
    """A ledger in memory that keeps, beside, the rows that the real store sends to DynamoDB."""

    def __init__(self, program: Program = PROGRAM) -> None:
        super().__init__(program, SHARDS)
        store, self._sent = _wire()
        self._store = copy.copy(store)
        self._store._program = program
        self._store._rules = {}
        self.rows: Table = {}
        if not program.rules.bare:
            self._keep(program.rules)

    def _keep(self, rules: RuleSet) -> None:
        """Keep the rules that awards will name; the store would look first whether they are there."""
        name = rules_fingerprint(rules.source)
        self._store._rules[name] = rules
        self.commit(Posting(documents=(StoredRules(name, rules.source),)), Patient())

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Keep it, and its rows."""
        super().commit(posting, patience)
        self._sent.clear()
        self._store.commit(posting, patience)
        for sent in self._sent:
            for item in json.loads(sent)["TransactItems"]:
                row = item["Put"]["Item"]
                self.rows[row["pk"]["S"], row["sk"]["S"]] = row


def _story(shop: Shop) -> dict[str, str]:
    """Fifteen months in which everything happens once; the ids of what is looked for later."""
    ids: dict[str, str] = {}
    set_contact(shop.ledger, "m1", {"email": "a@example.org"}, Patient())
    shop.paid("o1", 100)
    shop.wait(days=1)
    ids["redemption"] = shop.desk.redeem("m1", 60)["redemption_id"]
    shop.wait(days=60)
    shop.paid("o2", 150)
    shop.paid("5", 40, shop="shopify")
    ids["captured"] = shop.desk.authorize("m1", 70)["hold_id"]
    shop.desk.capture(ids["captured"], 45)
    ids["voided"] = shop.desk.authorize("m1", 25)["hold_id"]
    shop.desk.void(ids["voided"])
    ids["lapsed"] = shop.desk.authorize("m1", 10, None, 60)["hold_id"]
    shop.wait(hours=1)
    shop.desk.restore(ids["redemption"], 20)
    shop.desk.restore(ids["captured"], 7)
    shop.refunded("o2", 30)
    shop.refunded(None, 5, "lost")
    shop.paid("o3", 25, None)
    shop.refunded("o4", 10)
    # Somebody who owes, and pays with the next order.
    shop.paid("b1", 50, "m2")
    shop.desk.redeem("m2", 50)
    shop.cancelled("b1")
    shop.paid("b2", 30, "m2")
    # Points that had lapsed when they came, one of them given back; and an order that gets another date.
    shop.paid("c1", 80, "m3", at=START - timedelta(days=900))
    shop.refunded("c1", 30)
    shop.paid("c2", 20, "m3")
    shop.paid("c2", 20, "m3", revision=1, at=shop.now - timedelta(days=70))
    shop.paid("c3", 9, "m3")
    shop.paid("c3", 9, "m1", revision=1)
    # Points that are given to a friend, some of them taken back.
    shop.paid("d1", 60, "m4")
    ids["gift"] = shop.give("m4", "m5", 20)
    ids["taken back"] = shop.give("m4", "m5", 7)
    shop.giving.cancel(ids["taken back"])
    shop.wait(days=320)
    shop.remind("m1")
    ids["open"] = shop.desk.authorize("m1", 12, None, 86_400 * 29)["hold_id"]
    shop.wait(days=20)
    shop.sweep("m1", "m2", "m3")
    shop.paid("o9", 33)
    return ids


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
    """The story under policy debt."""
    table = new_table(moto)
    shop = Shop(ledger_on(moto, table, PROGRAM, SHARDS))
    ids = _story(shop)
    return Sound(_keyed(rows_of(moto, table)), ids, shop.now)


def _keyed(rows: Iterator[Row]) -> Table:
    return {(row["pk"]["S"], row["sk"]["S"]): row for row in rows}


# A sound ledger ------------------------------------------------------------------------------------------------------


def test_a_sound_ledger_breaks_no_law(sound: Sound) -> None:
    """After everything that can happen, written by the real store."""
    kinds = {row["kind"]["S"] for (_, sk), row in sound.rows.items() if sk.startswith("E#")}
    given = {"transfer_out", "transfer_in"}
    assert {"earn", "redeem", "restore", "clawback", "expire", "adjust", "hold", "release", *given} == kinds
    assert [] == audit(sound.rows.values(), PROGRAM, sound.now, shards=SHARDS)


@pytest.mark.parametrize("policy", ClawbackPolicy)
def test_so_under_every_policy(moto: Engine, policy: ClawbackPolicy) -> None:
    """Also where a clawback finds points spent, and others held: clamp forgives the former and not the latter."""
    table, program = new_table(moto), replace(PROGRAM, clawback=policy)
    shop = Shop(ledger_on(moto, table, program, SHARDS), policy)
    shop.paid("d1", 90)
    shop.desk.redeem("m1", 50)
    hold = shop.desk.authorize("m1", 15)["hold_id"]
    shop.refunded("d1", 90)
    shop.desk.void(hold)
    shop.paid("d1", 95, revision=1)
    rows = list(rows_of(moto, table))
    assert [] == audit(rows, program, shop.now, shards=SHARDS)
    forgiven = [row["forgiven"]["S"] for row in rows if "forgiven" in row]
    assert (['{"m1":45}'] if policy is ClawbackPolicy.CLAMP else []) == forgiven


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(PROGRAMS, st.sampled_from(STARTS), st.sampled_from([2, 2, 3, 120]), st.lists(COMMANDS, min_size=20, max_size=80))
def test_a_ledger_that_only_our_code_wrote_is_sound(
    program: Program, start: str, lots_max: int, commands: list[Command]
) -> None:
    """Whatever happens and in whatever order: every refusal, lapse, revival, restore and compaction obeys the laws."""
    ledger = RowLedger(program)
    with small_limits(lots_max):
        player = Player(Pair(program, lots_max, HOLDS_MAX, ledger), datetime.fromisoformat(start))
        latest = player.now
        for command in commands:
            player.play(command)
            latest = max(latest, player.now)
    assert [] == audit(ledger.rows.values(), program, latest, shards=SHARDS)


# Rows that somebody changed ------------------------------------------------------------------------------------------


@dataclass
class Forger:
    """Somebody with rights on the table. ``rows`` may be changed at will; ``more`` are rows beside them."""

    rows: Table
    ids: Mapping[str, str]
    more: list[Row]

    def account(self, member: str = "m1") -> Row:
        """A member's account."""
        return self.rows[f"M#{member}", "A"]

    def entry(self, kind: str, reason: str = "", member: str = "m1") -> Row:
        """A member's last entry of a kind."""
        return self.rows[f"M#{member}", f"E#{self._sequence(kind, reason, member):012d}"]

    def remove_entry(self, kind: str, reason: str = "", member: str = "m1") -> None:
        """Take it out."""
        del self.rows[f"M#{member}", f"E#{self._sequence(kind, reason, member):012d}"]

    def _sequence(self, kind: str, reason: str, member: str) -> int:
        return max(
            int(sk[2:])
            for (pk, sk), row in self.rows.items()
            if pk == f"M#{member}" and sk.startswith("E#") and row["kind"]["S"] == kind
            if reason in row["reason"]["S"]
        )

    def document(self, name: str) -> Row:
        """A redemption or hold by the name it has in the story."""
        prefix, _, digest_ = self.ids[name].split(".")
        return self.rows["M#m1", f"{'R' if prefix == 'rd' else 'H'}#{digest_}"]

    def gift(self, name: str) -> Row:
        """A transfer by the name it has in the story."""
        return self.rows["M#m4", f"TR#{self.ids[name].rsplit('.', 1)[-1]}"]

    def order(self, order_id: str) -> Row:
        """An order of the standard shop."""
        return self.rows[f"O#standard#{order_id}", "O"]

    def append(self, copied: Row, member: str = "m1") -> None:
        """Put a copy of an entry behind the last, its place, hash and the account's head in order."""
        account, row = self.account(member), copy.deepcopy(copied)
        sequence = int(account["version"]["N"]) + 1
        row["sk"]["S"] = f"E#{sequence:012d}"
        row["balance_after"]["N"] = str(self._balance(member) + int(row["points"]["N"]))
        self.rows[row["pk"]["S"], row["sk"]["S"]] = row
        account["version"]["N"] = str(sequence)
        self.rechain(member)

    def _balance(self, member: str) -> int:
        version = int(self.account(member)["version"]["N"])
        return int(self.rows[f"M#{member}", f"E#{version:012d}"]["balance_after"]["N"])

    def rechain(self, member: str = "m1") -> None:
        """Make every hash of a history right again, and the account's head."""
        head = genesis(member)
        for sequence in range(1, int(self.account(member)["version"]["N"]) + 1):
            row = self.rows[f"M#{member}", f"E#{sequence:012d}"]
            row["previous_hash"]["S"] = head
            head = row["hash"]["S"] = digest(read_entry(member, sequence, Fields(row)))
        self.account(member)["head_hash"]["S"] = head


def add(row: Row, name: str, number: int = 1) -> None:
    """Raise a number."""
    row[name] = {"N": str(int(row[name]["N"]) + number)}


def edit(row: Row, name: str, change: Callable[[Any], Any]) -> None:
    """Change what a JSON attribute says, packed or not."""
    value = Fields(row).roomy(name)
    row[name] = {"S": json.dumps(change(value) or value, separators=(",", ":"), ensure_ascii=False)}


def unpack(row: Row, name: str) -> Any:
    """What a packed attribute says."""
    raw = bytes(row[name]["B"])
    return json.loads(zlib.decompress(raw) if raw[:1] == b"\x78" else raw)


def pack(row: Row, name: str, value: Any) -> None:
    """Pack it again."""
    row[name] = {"B": zlib.compress(json.dumps(value).encode())}


def replaced(rows: list[Any], at: int, column: int, value: object) -> None:
    """Put another value into a column of a row of rows."""
    rows[at][column] = value


Forgery = Callable[[Forger], object]
FORGERIES: list[tuple[str, tuple[str, ...], Forgery]] = []


def forged(*laws: str) -> Callable[[Forgery], Forgery]:
    """A way to forge the story's rows, and the laws that it breaks."""

    def keep(forgery: Forgery) -> Forgery:
        FORGERIES.append((forgery.__name__, laws, forgery))
        return forgery

    return keep


@forged("rows")
def a_row_of_no_kind(forger: Forger) -> None:
    forger.more.append({"pk": {"S": "M#m1"}, "sk": {"S": "X#1"}})


@forged("rows")
def a_row_without_a_key(forger: Forger) -> None:
    forger.more.append({"pk": {"S": "M#m1"}})


@forged("rows")
def an_entry_without_zeros(forger: Forger) -> None:
    row = copy.deepcopy(forger.entry("earn", member="m2"))
    row["sk"]["S"] = "E#1"
    forger.more.append(row)


@forged("rows")
def a_row_twice(forger: Forger) -> None:
    forger.more.append(forger.entry("earn"))


@forged("rows")
def a_broken_text(forger: Forger) -> None:
    forger.entry("earn")["lots"]["S"] = "[[1,"


@forged("rows")
def a_broken_pack(forger: Forger) -> None:
    forger.order("o1")["paid"]["B"] = b"\x78\x9c broken"


@forged("rows")
def a_number_that_is_a_text(forger: Forger) -> None:
    forger.entry("earn")["points"] = {"S": "33"}


@forged("rows")
def a_status_of_no_account(forger: Forger) -> None:
    forger.account()["status"]["S"] = "GONE"


@forged("rows")
def an_instant_without_a_zone(forger: Forger) -> None:
    forger.entry("earn")["recorded_at"]["S"] = "2026-03-01T04:00:00"


@forged("whole numbers")
def a_refund_of_a_text(forger: Forger) -> None:
    refunds = unpack(forger.order("o2"), "refunds")
    (amount, *rest), *others = refunds[0][4] or [[1, None, None]]
    refunds[0][4] = [[str(amount), *rest], *others]
    pack(forger.order("o2"), "refunds", refunds)


@forged("rows")
def a_refund_of_another_shape(forger: Forger) -> None:
    refunds = unpack(forger.order("o2"), "refunds")
    pack(forger.order("o2"), "refunds", [refunds[0][:2]])


@forged("rows")
def a_missing_attribute(forger: Forger) -> None:
    del forger.account()["revision"]


@forged("rows")
def an_order_that_says_it_has_none(forger: Forger) -> None:
    row = next(row for (pk, _), row in forger.rows.items() if pk.startswith("U#"))
    pack(row, "event", {**unpack(row, "event"), "order_id": "o1"})


@forged("whole numbers")
def half_a_point_in_an_entry(forger: Forger) -> None:
    forger.entry("earn")["points"]["N"] = "32.5"


@forged("whole numbers")
def a_point_with_an_exponent(forger: Forger) -> None:
    forger.account()["debt"]["N"] = "1E2"


@forged("whole numbers")
def half_a_point_in_a_lot(forger: Forger) -> None:
    edit(forger.account(), "lots", lambda lots: replaced(lots, 0, 0, 12.5))


@forged("whole numbers")
def a_float_that_looks_whole(forger: Forger) -> None:
    edit(forger.entry("earn"), "lots", lambda lots: replaced(lots, 0, 0, 33.0))


@forged("whole numbers")
def a_truth_instead_of_a_point(forger: Forger) -> None:
    edit(forger.document("redemption"), "spent", lambda lots: replaced(lots, 0, 0, value=True))


@forged("whole numbers")
def a_float_in_a_reason(forger: Forger) -> None:
    edit(forger.entry("earn"), "why", lambda why: [*why, {"rate": 0.01}])


@forged("whole numbers")
def a_float_in_the_facts(forger: Forger) -> None:
    paid = unpack(forger.order("o1"), "paid")
    paid[4][0][2] = 9_999.5
    pack(forger.order("o1"), "paid", paid)


@forged("whole numbers")
def a_float_in_an_award(forger: Forger) -> None:
    edit(forger.order("o1"), "award", lambda award: [*award[:1], float(award[1]), *award[2:]])


@forged("sequence", "totals")
def an_entry_removed(forger: Forger) -> None:
    forger.remove_entry("expire")


@forged("sequence", "totals", "orders")
def the_last_entry_removed(forger: Forger) -> None:
    forger.remove_entry("earn")


@forged("sequence")
def a_version_too_high(forger: Forger) -> None:
    add(forger.account(), "version")


@forged("sequence", "totals")
def an_account_removed(forger: Forger) -> None:
    del forger.rows["M#m2", "A"]


@forged("chain")
def a_reason_changed(forger: Forger) -> None:
    forger.entry("redeem", "REDEMPTION")["reason"]["S"] = "GOODWILL"


@forged("chain")
def an_actor_changed_and_one_hash_with_it(forger: Forger) -> None:
    row, sound = forger.entry("redeem", "REDEMPTION"), copy.deepcopy(forger.rows)
    row["actor"]["S"] = "nobody"
    forger.rechain()
    for key, other in sound.items():
        if key != (row["pk"]["S"], row["sk"]["S"]):
            forger.rows[key] = other


@forged("chain")
def another_head(forger: Forger) -> None:
    forger.account()["head_hash"]["S"] = "0" * 64


@forged("chain", "orders", "kept orders")
def a_history_under_another_name(forger: Forger) -> None:
    for key, row in list(forger.rows.items()):
        if key[0] == "M#m3":
            del forger.rows[key]
            forger.rows["M#m8", key[1]] = {**row, "pk": {"S": "M#m8"}}


@forged("recorded")
def an_entry_from_the_future(forger: Forger) -> None:
    forger.entry("earn")["recorded_at"]["S"] = "2030-01-01T00:00:00Z"
    forger.rechain()


@forged("form", "orders", "totals")
def a_point_more_in_an_entry(forger: Forger) -> None:
    add(forger.entry("earn"), "points")
    forger.rechain()


@forged("orders")
def a_point_more_everywhere(forger: Forger) -> None:
    entry, account = forger.entry("earn"), forger.account()
    edit(entry, "lots", lambda lots: replaced(lots, 0, 0, lots[0][0] + 1))
    edit(account, "lots", lambda lots: replaced(lots, -1, 0, lots[-1][0] + 1))
    for row, name in ((entry, "points"), (entry, "balance_after"), (account, "in_lots"), (account, "earned")):
        add(row, name)
    forger.rechain()


@forged("form", "lifetime", "totals")
def a_kind_that_takes_instead_of_giving(forger: Forger) -> None:
    forger.entry("clawback", "ORDER_CANCELLED", "m2")["kind"]["S"] = "bonus"
    forger.rechain("m2")


@forged("balance")
def a_wrong_balance_after(forger: Forger) -> None:
    add(forger.entry("redeem", "REDEMPTION"), "balance_after")
    forger.rechain()


@forged("lots", "index")
def a_lot_given_another_year(forger: Forger) -> None:
    edit(forger.account(), "lots", lambda lots: replaced(lots, 0, 1, "2099-12-31"))


@forged("lots")
def a_sum_that_is_not_one(forger: Forger) -> None:
    add(forger.account(), "in_lots")


@forged("lots", "balance", "totals")
def a_lot_with_a_point_more(forger: Forger) -> None:
    edit(forger.account(), "lots", lambda lots: replaced(lots, 0, 0, lots[0][0] + 1))
    add(forger.account(), "in_lots")


@forged("debt", "balance", "totals")
def a_debt_out_of_nothing(forger: Forger) -> None:
    add(forger.account("m2"), "debt", 5)


@forged("holds", "balance", "totals", "index")
def an_open_hold_forgotten(forger: Forger) -> None:
    del forger.account()["holds"]


@forged("holds", "index")
def an_open_hold_that_ends_later(forger: Forger) -> None:
    edit(forger.account(), "holds", lambda holds: replaced(holds, 0, 1, "2099-04-28T04:00:00Z"))


@forged("one resolution")
def a_captured_hold_voided_as_well(forger: Forger) -> None:
    row = copy.deepcopy(forger.entry("release", "HOLD_VOIDED"))
    edit(row, "hold", lambda hold: [forger.ids["captured"], *hold[1:]])
    forger.append(row)


@forged("one resolution")
def a_hold_that_lapses_twice(forger: Forger) -> None:
    forger.append(forger.entry("release", "HOLD_LAPSED"))


@forged("hold in time")
def a_hold_captured_after_its_end(forger: Forger) -> None:
    forger.entry("redeem", "HOLD_CAPTURED")["occurred_at"]["S"] = "2026-06-01T00:00:00Z"
    forger.rechain()


@forged("hold in time")
def a_hold_that_lapses_before_its_end(forger: Forger) -> None:
    row = forger.entry("release", "HOLD_LAPSED")
    row["recorded_at"]["S"] = row["occurred_at"]["S"].replace("04:01:00", "04:00:30")
    forger.rechain()


@forged("lifetime", "totals")
def a_lifetime_figure_made_up(forger: Forger) -> None:
    add(forger.account(), "earned", 1_000)


@forged("lapse")
def a_lot_that_lapses_early(forger: Forger) -> None:
    forger.entry("expire")["recorded_at"]["S"] = "2027-03-31T15:59:59Z"
    forger.rechain()


@forged("restore")
def a_restore_forgotten_by_its_document(forger: Forger) -> None:
    add(forger.document("redemption"), "restored", -1)


@forged("documents")
def a_redemption_removed(forger: Forger) -> None:
    row = forger.document("redemption")
    del forger.rows["M#m1", row["sk"]["S"]]


@forged("documents", "restore")
def a_redemption_out_of_nothing(forger: Forger) -> None:
    row = copy.deepcopy(forger.document("redemption"))
    row["sk"]["S"] = "R#" + "A" * 22
    forger.more.append(row)


@forged("documents")
def a_captured_hold_that_says_it_is_open(forger: Forger) -> None:
    row = forger.document("captured")
    row["status"]["S"] = "AUTHORIZED"


@forged("documents")
def a_hold_that_remembers_another_end(forger: Forger) -> None:
    forger.document("open")["expires_at"]["S"] = "2099-04-28T04:00:00Z"


@forged("documents")
def an_answer_that_was_never_given(forger: Forger) -> None:
    edit(forger.document("redemption"), "receipt", lambda receipt: [receipt[0], {**receipt[1], "points": 1}])


@forged("documents")
def a_redemption_for_another_order(forger: Forger) -> None:
    forger.document("redemption")["order_id"] = {"S": "o1"}


@forged("documents", "restore")
def a_redemption_that_took_more(forger: Forger) -> None:
    edit(forger.document("captured"), "spent", lambda lots: replaced(lots, 0, 1, "2030-01-31"))


@forged("both sides")
def a_transfer_of_more_than_was_sent(forger: Forger) -> None:
    edit(forger.gift("gift"), "facts", lambda facts: {**facts, "points": facts["points"] + 1})


@forged("both sides")
def a_transfer_removed(forger: Forger) -> None:
    del forger.rows["M#m4", forger.gift("gift")["sk"]["S"]]


@forged("both sides")
def a_transfer_that_was_never_taken_back(forger: Forger) -> None:
    edit(forger.gift("taken back"), "facts", lambda facts: {**facts, "status": "SENT"})


@forged("both sides")
def a_side_of_another_transfer(forger: Forger) -> None:
    forger.entry("transfer_in", "TRANSFER_RECEIVED", "m5")["source"]["S"] = json.dumps(["transfer", forger.ids["gift"]])
    forger.rechain("m5")


@forged("granted", "orders")
def a_grant_off_by_one(forger: Forger) -> None:
    edit(forger.order("o9"), "award", lambda award: [award[0], award[1] + 1, *award[2:]])


@forged("granted")
def a_refund_taken_out_of_the_facts(forger: Forger) -> None:
    del forger.order("o2")["refunds"]


@forged("granted")
def a_refund_twice_in_the_facts(forger: Forger) -> None:
    pack(forger.order("o2"), "refunds", unpack(forger.order("o2"), "refunds") * 2)


@forged("granted")
def a_cancellation_forgotten(forger: Forger) -> None:
    del forger.order("b1")["cancelled"]


@forged("granted")
def an_award_under_better_rules(forger: Forger) -> None:
    edit(forger.order("o9"), "award", lambda award: replaced(award[3], 0, 1, 2))


@forged("granted", "orders", "kept orders")
def an_award_to_somebody_else(forger: Forger) -> None:
    edit(forger.order("o9"), "award", lambda award: ["m2", *award[1:]])


@forged("granted", "orders", "kept orders")
def an_award_forgotten(forger: Forger) -> None:
    del forger.order("o9")["award"]


@forged("orders", "kept orders")
def an_order_removed(forger: Forger) -> None:
    del forger.rows["O#standard#o9", "O"]


@forged("orders")
def something_forgiven_out_of_nothing(forger: Forger) -> None:
    forger.order("o9")["forgiven"] = {"S": '{"m1":3}'}


@forged("index")
def a_stale_date_of_expiry(forger: Forger) -> None:
    forger.account()["due_expiry"]["S"] = "2099-01-01#m1"


@forged("index")
def a_reminder_that_is_never_due(forger: Forger) -> None:
    del forger.account()["due_reminder"]


@forged("index")
def a_key_of_another_member(forger: Forger) -> None:
    row = forger.account()
    row["due_reminder"]["S"] = row["due_reminder"]["S"].replace("#m1", "#m2")


@forged("index")
def another_shard(forger: Forger) -> None:
    row = forger.account()
    row["shard"]["S"] = str((int(row["shard"]["S"]) + 1) % SHARDS)


@pytest.mark.parametrize(("laws", "forgery"), [pytest.param(laws, do, id=name) for name, laws, do in FORGERIES])
def test_a_changed_row_breaks_the_laws_it_should(sound: Sound, laws: tuple[str, ...], forgery: Forgery) -> None:
    """Each forgery is reported under its law, and nothing else is."""
    forger = Forger(copy.deepcopy(sound.rows), sound.ids, [])
    forgery(forger)
    found = audit([*forger.rows.values(), *forger.more], PROGRAM, sound.now, shards=SHARDS)
    assert set(laws) == {violation.law for violation in found}, found


# Decisions that the real code would not take -------------------------------------------------------------------------

TODAY = PROGRAM.moment(START)
SOON, LATER, GONE = date(2027, 1, 31), date(2027, 6, 30), date(2026, 2, 28)


@dataclass
class Clerk:
    """Somebody who posts what they like: the entries add up and hang together, and the decision is wrong."""

    ledger: RowLedger
    shop: Shop

    def post(self, *drafts: Draft, documents: tuple[Document, ...] = (), member: str = "m1") -> None:
        """Append entries to an account, with what stands behind them."""
        before = self.ledger.load([member]).accounts[member]
        change = Change(before)
        for draft in drafts:
            change = change.post(draft, self.shop.moment)
        self.ledger.commit(Posting((AccountWrite(before, change.account, change.entries),), documents), Patient())

    def order(self, order_id: str) -> Order:
        """An order as it is kept."""
        key = OrderKey("standard", order_id)
        order = self.ledger.load([], [key]).documents[key]
        assert isinstance(order, Order)
        return order

    def redemption(self, *taken: LotChange, **more: Any) -> tuple[Draft, Redemption]:
        """The entry and the document of a redemption that takes these lots (positive)."""
        points = sum(lot.points for lot in taken)
        id_ = str(document_id("rd", "m1", f"forged {taken}"))
        lots = tuple(replace(lot, points=-lot.points) for lot in taken)
        draft = Draft(
            Kind.REDEEM,
            Reason.REDEMPTION,
            Source("redemption", id_),
            self.shop.now,
            points=-points,
            lots=lots,
            why=({"redemption": id_},),
        )
        receipt = Receipt("f", {"redemption_id": id_, "points": points})
        return draft, Redemption(id_, "m1", self.shop.now, taken, receipt, **more)

    def restore(self, redemption: Redemption, *lots: LotChange, debt: int = 0) -> Draft:
        """The entry that gives points of a redemption back into these lots."""
        source = Source("redemption", redemption.id)
        points = sum(lot.points for lot in lots) - debt
        why = ({"redemption": redemption.id},)
        return Draft(Kind.RESTORE, Reason.REDEMPTION_RESTORED, source, self.shop.now, points, lots, debt, why=why)


def bonus(points: int, expires_on: date | None, active_from: date | None = None, debt: int = 0) -> Draft:
    """Points out of nothing, as a credit."""
    lots = (LotChange(points, expires_on, active_from),)
    return Draft(Kind.BONUS, "GOODWILL", Source("adjustment", "j"), START, points - debt, lots, debt)


def moved(kind: Kind, reason: str, *lots: LotChange, source: Source | None = None, debt: int = 0, **more: Any) -> Draft:
    """An entry of any kind."""
    points = sum(lot.points for lot in lots) - debt
    return Draft(kind, reason, source or Source("order", "z"), START, points, lots, debt, **more)


def lapse(points: int, day: date) -> Draft:
    """The end of points, as of the end of their day in the zone of the program."""
    at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=16)
    change = LotChange(-points, day)
    return replace(
        moved(Kind.EXPIRE, Reason.LOT_EXPIRED, change, source=Source("lot", day.isoformat())), occurred_at=at
    )


Decision = Callable[[Clerk], object]
DECISIONS: list[tuple[str, tuple[str, ...], Decision]] = []


def decided(*laws: str) -> Callable[[Decision], Decision]:
    """A wrong decision, and the laws that it breaks."""

    def keep(decision: Decision) -> Decision:
        DECISIONS.append((decision.__name__, laws, decision))
        return decision

    return keep


@decided()
def nothing_wrong(clerk: Clerk) -> None:
    draft, document = clerk.redemption(LotChange(10, SOON), LotChange(2, LATER))
    clerk.post(bonus(10, SOON), bonus(10, LATER), draft, documents=(document,))
    shares_ = (LotChange(5, SOON), LotChange(1, LATER))
    clerk.post(clerk.restore(document, *shares_), documents=(replace(document, restored=6, version=1),))
    clerk.post(bonus(7, GONE), lapse(7, GONE))


@decided()
def a_caller_gives_reasons_that_are_ours(clerk: Clerk) -> None:
    clerk.post(bonus(10, SOON))
    for reason in ("earn", "ORDER_REDATED", "EXPIRY_REVERSED", "HOLD_LAPSED"):
        clerk.shop.desk.redeem("m1", 1, reason=reason)
        clerk.shop.desk.void(clerk.shop.desk.authorize("m1", 1, reason=reason)["hold_id"])


@decided()
def many_lots_lapse_at_once(clerk: Clerk) -> None:
    days = [GONE - timedelta(days=number) for number in range(15)]
    clerk.post(*(bonus(number + 1, day) for number, day in enumerate(days)))
    clerk.shop.sweep("m1")


@decided("no expired point")
def an_expired_point_is_spent(clerk: Clerk) -> None:
    draft, document = clerk.redemption(LotChange(10, GONE))
    clerk.post(bonus(10, GONE), bonus(10, SOON), draft, documents=(document,))


@decided("no expired point")
def a_point_is_spent_before_it_is_active(clerk: Clerk) -> None:
    early = LotChange(10, SOON, date(2026, 4, 1))
    draft, document = clerk.redemption(early)
    clerk.post(bonus(10, SOON, date(2026, 4, 1)), draft, documents=(document,))


@decided("no expired point", "orders")
def a_clawback_takes_what_had_lapsed(clerk: Clerk) -> None:
    clerk.post(bonus(10, GONE), moved(Kind.CLAWBACK, Reason.ORDER_REFUNDED, LotChange(-4, GONE)))


@decided("soonest first")
def a_later_lot_is_spent_first(clerk: Clerk) -> None:
    draft, document = clerk.redemption(LotChange(5, LATER))
    clerk.post(bonus(10, SOON), bonus(10, LATER), draft, documents=(document,))


@decided("soonest first")
def a_point_that_never_expires_is_spent_first(clerk: Clerk) -> None:
    draft, document = clerk.redemption(LotChange(5, None))
    clerk.post(bonus(10, SOON), bonus(10, None), draft, documents=(document,))


@decided("soonest first")
def a_later_lot_of_a_hold_is_captured_first(clerk: Clerk) -> None:
    clerk.post(bonus(10, SOON), bonus(10, LATER))
    hold_id = clerk.shop.desk.authorize("m1", 15)["hold_id"]
    hold = clerk.ledger.load([], [HoldKey("m1", hold_id)]).documents[HoldKey("m1", hold_id)]
    assert isinstance(hold, Hold)
    rest = (LotChange(10, SOON), LotChange(1, LATER))
    clerk.post(
        Draft(
            Kind.REDEEM,
            Reason.HOLD_CAPTURED,
            Source("hold", hold_id),
            START,
            -4,
            (),
            0,
            hold_id,
            (LotChange(-4, LATER),),
        ),
        Draft(
            Kind.RELEASE,
            Reason.HOLD_REMAINDER,
            Source("hold", hold_id),
            START,
            0,
            rest,
            0,
            hold_id,
            tuple(replace(lot, points=-lot.points) for lot in rest),
        ),
        documents=(replace(hold, status=HoldStatus.CAPTURED, spent=(LotChange(4, LATER),)),),
    )


@decided("one resolution")
def a_captured_hold_keeps_its_rest(clerk: Clerk) -> None:
    clerk.post(bonus(10, SOON))
    hold_id = clerk.shop.desk.authorize("m1", 10)["hold_id"]
    hold = clerk.ledger.load([], [HoldKey("m1", hold_id)]).documents[HoldKey("m1", hold_id)]
    assert isinstance(hold, Hold)
    source, part = Source("hold", hold_id), LotChange(4, SOON)
    clerk.post(
        Draft(Kind.REDEEM, Reason.HOLD_CAPTURED, source, START, -4, (), 0, hold_id, (replace(part, points=-4),)),
        documents=(replace(hold, status=HoldStatus.CAPTURED, spent=(part,)),),
    )


@decided("holds", "documents")
def a_hold_holds_other_points_than_it_took(clerk: Clerk) -> None:
    took, holds = (LotChange(-5, SOON),), (LotChange(5, LATER),)
    draft = Draft(Kind.HOLD, Reason.HOLD_AUTHORIZED, Source("hold", "h"), START, 0, took, 0, "h", holds, START)
    clerk.post(bonus(10, SOON), replace(draft, hold_expires_at=START + timedelta(hours=1)))


@decided("form", "documents")
def a_redemption_gives(clerk: Clerk) -> None:
    draft, _ = clerk.redemption(LotChange(10, SOON))
    clerk.post(replace(draft, points=10, lots=(LotChange(10, SOON),)))


@decided("form", "orders")
def a_clawback_pays_back(clerk: Clerk) -> None:
    clerk.post(moved(Kind.CLAWBACK, Reason.ORDER_REFUNDED, LotChange(4, SOON)))


@decided("debt", "debt last")
def a_credit_that_pays_no_debt(clerk: Clerk) -> None:
    clerk.post(moved(Kind.PENALTY, "FRAUD", debt=20), bonus(15, SOON))


@decided("debt")
def a_credit_that_pays_half_of_what_it_could(clerk: Clerk) -> None:
    clerk.post(moved(Kind.PENALTY, "FRAUD", debt=20), bonus(5, GONE, debt=-10), lapse(5, GONE))


@decided("debt")
def a_debt_is_paid_with_the_later_points(clerk: Clerk) -> None:
    clerk.post(bonus(10, SOON), bonus(10, LATER))
    hold_id = clerk.shop.desk.authorize("m1", 20)["hold_id"]
    hold = clerk.ledger.load([], [HoldKey("m1", hold_id)]).documents[HoldKey("m1", hold_id)]
    assert isinstance(hold, Hold)
    held = (LotChange(-10, SOON), LotChange(-10, LATER))
    draft = Draft(Kind.RELEASE, Reason.HOLD_VOIDED, Source("hold", hold_id), START, 0, (LotChange(10, SOON),), -10)
    clerk.post(
        moved(Kind.PENALTY, "FRAUD", debt=10),
        replace(draft, hold_id=hold_id, hold_lots=held),
        documents=(replace(hold, status=HoldStatus.VOIDED),),
    )


@decided("debt", "debt last")
def a_debt_beside_points(clerk: Clerk) -> None:
    clerk.post(moved(Kind.PENALTY, "FRAUD", debt=20), moved(Kind.TRANSFER_IN, "GIFT", LotChange(15, SOON)))


@decided("debt last", "orders")
def a_debt_while_points_are_there(clerk: Clerk) -> None:
    clerk.post(bonus(30, SOON), moved(Kind.CLAWBACK, Reason.ORDER_REFUNDED, LotChange(-10, SOON), debt=10))


def _refunded(clerk: Clerk, *lots: LotChange, points: int, debt: int = 0, **why: Any) -> None:
    """An order of 50 points is refunded down to ``50 - points``; the clawback takes ``lots``."""
    order = clerk.order("z")
    assert order.award is not None
    refund = Refund("r1", START, "CNY", (), 100 * points)
    (part,) = order.award.parts
    award = replace(order.award, parts=(replace(part, points=50 - points),))
    after = replace(order, refunds={"r1": refund}, award=award)
    if why.get("forgiven"):
        after = replace(after, forgiven={"m1": why["forgiven"]})
    clerk.post(
        moved(Kind.CLAWBACK, Reason.ORDER_REFUNDED, *lots, debt=debt, why=(why,) if why else ()), documents=(after,)
    )


@decided()
def a_clawback_as_it_should_be(clerk: Clerk) -> None:
    clerk.post(bonus(40, SOON))
    clerk.shop.paid("z", 50)
    _refunded(clerk, LotChange(-30, date(2027, 3, 31)), points=30)


@decided("clawback order")
def a_clawback_spares_the_order_s_own_lot(clerk: Clerk) -> None:
    clerk.post(bonus(40, SOON))
    clerk.shop.paid("z", 50)
    _refunded(clerk, LotChange(-30, SOON), points=30)


@decided("forgiven")
def a_debt_is_forgiven_under_policy_debt(clerk: Clerk) -> None:
    clerk.shop.paid("z", 50)
    clerk.shop.desk.redeem("m1", 50)
    clerk.shop.paid("y", 5)
    _refunded(clerk, LotChange(-5, date(2027, 3, 31)), points=30, forgiven=25, policy="debt")


@decided("forgiven")
def a_held_point_is_forgiven(clerk: Clerk) -> None:
    clerk.shop.paid("z", 50)
    clerk.shop.desk.authorize("m1", 45)
    _refunded(clerk, LotChange(-5, date(2027, 3, 31)), points=30, forgiven=25, policy="clamp")


@decided("forgiven")
def a_point_that_is_there_is_forgiven(clerk: Clerk) -> None:
    clerk.shop.paid("z", 50)
    _refunded(clerk, LotChange(-5, date(2027, 3, 31)), points=30, forgiven=25, policy="clamp")


@decided("lapse")
def a_lot_lapses_before_its_day_is_over(clerk: Clerk) -> None:
    clerk.post(bonus(10, SOON), lapse(10, SOON))


@decided("lapse")
def half_a_lot_lapses(clerk: Clerk) -> None:
    clerk.post(bonus(10, GONE), lapse(5, GONE))


@decided("lapse")
def a_lapse_as_of_the_wrong_instant(clerk: Clerk) -> None:
    draft = lapse(10, GONE)
    clerk.post(bonus(10, GONE), replace(draft, occurred_at=draft.occurred_at + timedelta(days=1), source=draft.source))
    clerk.post(bonus(10, GONE), replace(draft, occurred_at=draft.occurred_at - timedelta(seconds=1)))


@decided("lapse")
def more_comes_back_than_lapsed(clerk: Clerk) -> None:
    back = moved(Kind.EXPIRE, Reason.EXPIRY_REVERSED, LotChange(11, GONE))
    clerk.post(bonus(10, GONE), lapse(10, GONE), back, lapse(11, GONE))


@decided("compaction")
def lots_are_joined_at_the_sooner_date(clerk: Clerk) -> None:
    moves = (LotChange(-10, LATER), LotChange(10, SOON))
    clerk.post(bonus(10, LATER), bonus(10, SOON), moved(Kind.ADJUST, Reason.LOTS_COMPACTED, *moves))


def by_policy(reason: Reason, *changes: LotChange, kind: Kind = Kind.ADJUST) -> Draft:
    """What a policy of validity does."""
    return replace(moved(kind, reason, *changes), source=Source("validity", "sleepy.2026-03-01"))


def voided(points: int, last: date, share: str, **told: int) -> Draft:
    """What a policy voids: of one lot."""
    draft = by_policy(Reason.POINTS_VOIDED, LotChange(-points, last), kind=Kind.EXPIRE)
    return replace(draft, why=({"policy": "sleepy", "share": share, **told},))


@decided("policies")
def an_extension_shortens(clerk: Clerk) -> None:
    moves = (LotChange(-10, LATER), LotChange(10, SOON))
    clerk.post(bonus(10, LATER), by_policy(Reason.VALIDITY_EXTENDED, *moves))


@decided("policies")
def a_shortening_makes_points_lapse(clerk: Clerk) -> None:
    moves = (LotChange(-10, LATER), LotChange(10, GONE))
    clerk.post(bonus(10, LATER), by_policy(Reason.VALIDITY_SHORTENED, *moves), lapse(10, GONE))


@decided("policies")
def half_a_lot_is_shortened(clerk: Clerk) -> None:
    moves = (LotChange(-5, LATER), LotChange(5, SOON))
    clerk.post(bonus(10, LATER), by_policy(Reason.VALIDITY_SHORTENED, *moves))


@decided("policies")
def points_that_last_longest_are_voided(clerk: Clerk) -> None:
    clerk.post(bonus(10, LATER), bonus(10, SOON), voided(5, LATER, "0.25"))


@decided("policies")
def more_than_the_share_is_voided(clerk: Clerk) -> None:
    clerk.post(bonus(11, SOON), voided(6, SOON, "0.5"))


@decided("policies")
def more_than_the_member_was_told_of_is_voided(clerk: Clerk) -> None:
    clerk.post(bonus(20, SOON), voided(10, SOON, "0.5", told_points=9))


@decided("policies")
def fewer_are_voided_than_the_member_was_told_of(clerk: Clerk) -> None:
    clerk.post(bonus(20, SOON), voided(8, SOON, "0.5", told_points=9))


@decided("policies")
def a_share_that_is_none_is_voided(clerk: Clerk) -> None:
    clerk.post(bonus(20, SOON), voided(8, SOON, "1/0"))


@decided("restore")
def a_restore_makes_a_new_lot(clerk: Clerk) -> None:
    draft, document = clerk.redemption(LotChange(10, SOON))
    clerk.post(bonus(10, SOON), draft, documents=(document,))
    back = clerk.restore(document, LotChange(10, LATER))
    clerk.post(back, documents=(replace(document, restored=10, version=1),))


@decided("restore")
def a_restore_gives_more_than_was_taken(clerk: Clerk) -> None:
    draft, document = clerk.redemption(LotChange(10, SOON))
    clerk.post(bonus(10, SOON), draft, documents=(document,))
    back = clerk.restore(document, LotChange(11, SOON))
    clerk.post(back, documents=(replace(document, restored=11, version=1),))


@decided("restore")
def a_restore_is_not_in_proportion(clerk: Clerk) -> None:
    draft, document = clerk.redemption(LotChange(10, SOON), LotChange(10, LATER))
    clerk.post(bonus(10, SOON), bonus(10, LATER), draft, documents=(document,))
    back = clerk.restore(document, LotChange(10, LATER))
    clerk.post(back, documents=(replace(document, restored=10, version=1),))


@decided("restore")
def a_redemption_is_restored_twice(clerk: Clerk) -> None:
    draft, document = clerk.redemption(LotChange(10, SOON))
    clerk.post(bonus(10, SOON), draft, documents=(document,))
    for version in (1, 2):
        back = clerk.restore(document, LotChange(10, SOON))
        clerk.post(back, documents=(replace(document, restored=10, version=version),))


@decided("documents")
def points_are_spent_twice_for_one_redemption(clerk: Clerk) -> None:
    draft, document = clerk.redemption(LotChange(5, SOON))
    clerk.post(bonus(10, SOON), draft, draft, documents=(document,))


@decided("orders")
def an_order_is_awarded_twice(clerk: Clerk) -> None:
    clerk.shop.paid("z", 50)
    clerk.post(moved(Kind.EARN, Reason.ORDER_PAID, LotChange(50, date(2027, 3, 31))))


@decided("orders")
def two_parts_of_a_refund_are_rounded_each(clerk: Clerk) -> None:
    clerk.shop.paid("z", 50)
    clerk.shop.refunded("z", 20)
    clerk.post(moved(Kind.EARN, Reason.ORDER_REFUNDED, LotChange(1, date(2027, 3, 31))))


@decided("allowances")
def an_allowance_is_given_twice(clerk: Clerk) -> None:
    draft = replace(bonus(5, SOON), source=Source("allowance", "2026-03"), why=({"points": 5},))
    clerk.post(draft, draft)


@pytest.mark.parametrize(("laws", "decision"), [pytest.param(laws, do, id=name) for name, laws, do in DECISIONS])
def test_a_wrong_decision_breaks_the_laws_it_should(laws: tuple[str, ...], decision: Decision) -> None:
    """Entries that add up and hang together, and documents that fit, do not hide a decision that was wrong."""
    ledger = RowLedger()
    clerk = Clerk(ledger, Shop(ledger))
    decision(clerk)
    found = audit(ledger.rows.values(), PROGRAM, START, shards=SHARDS)
    assert set(laws) == {violation.law for violation in found}, found
