"""The auditor on ledgers with rules: what handlers wrote under the sample program is sound, and each forgery is told.

the tale ──real handlers, moto──> rows ──> no violation
                                   └─forged─> the law that was broken, and no other
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from functions.admin import app as admin_app
from jifen.domain.errors import Refusal
from jifen.domain.events import BehaviourEvent
from jifen.domain.orders import EventType, Line, OrderEvent, Paid, Refund
from jifen.domain.program import ClawbackPolicy, Program, parse_program
from jifen.domain.standing import Standing
from jifen.runtime import use
from jifen.service.behaving import Behaving
from jifen.service.earning import earn
from jifen.service.expiring import expire
from jifen.service.ports import AccountWrite, Posting
from jifen.service.spending import Spending
from local.audit import LAWS, Violation, audit
from tests.domain.rules.test_laws_of_rules import PROGRAMS, delivered, facts
from tests.functions.stage import (
    ADMIN,
    OPERATOR,
    REGION,
    SHOP,
    Stage,
    cancelled,
    line,
    paid,
    refunded,
)
from tests.local.test_audit import DECISIONS, FORGERIES, Row, RowLedger, Table, edit, pack, unpack
from tests.local.test_audit import Forger as Chain
from tests.local.test_audit_activity import FORGED as ACTIVITY
from tests.local.test_audit_mall import MALL
from tests.store.patient import Patient

SAMPLE = json.loads((Path(__file__).resolve().parents[2] / "local" / "samples" / "program.json").read_text("utf-8"))
START = datetime.fromisoformat("2026-11-05T12:00:00+08:00")
SHARDS = 4


class Teller:
    """Tells the tale: each call goes to a handler, a second after the last."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        stage.move_to(START)
        self._keys = 0

    def wait(self, **by: float) -> None:
        """Let time pass."""
        self.stage.move_to(self.stage.now + timedelta(**by))

    def until(self, local: str) -> None:
        """Go to a time in Shanghai."""
        self.stage.move_to(datetime.fromisoformat(f"{local}+08:00"))

    def ask(self, path: str, body: Mapping[str, Any] | None = None, scopes: str = SHOP, method: str = "POST") -> Any:
        """A request under a key of its own; what it is answered."""
        self.wait(seconds=1)
        self._keys += 1
        answer = self.stage.ask(method, path, body or {}, scopes=scopes, key=f"k{self._keys}")
        assert answer.status < 300, answer
        return answer.body

    def event(self, member: str, kind: str, **data: Any) -> Any:
        """A member does something."""
        self._keys += 1
        body = {
            "type": kind,
            "event_id": f"ev-{self._keys}",
            "member_id": member,
            "occurred_at": self.stage.now.isoformat(),
            "data": data,
        }
        return self.ask("/v1/events", body)

    def order(self, name: str, member: str | None, *minor: int, **more: Any) -> None:
        """An order of several lines, some of them in categories of their own."""
        categories = ("tea", "digital", "luxury", "furniture")
        lines = [line(each, at + 1, category=categories[at % 4]) for at, each in enumerate(minor)]
        body = paid(name, member, lines, occurred_at=self.stage.now.isoformat(), currency="CNY", **more)
        self._told(body)

    def refund(self, name: str, member: str, minor: int, refund_id: str = "r") -> None:
        """Some of an order's first line is given back."""
        now = self.stage.now.isoformat()
        self._told(refunded(name, f"{refund_id}-{name}", member, minor, occurred_at=now, currency="CNY"))

    def cancel(self, name: str, member: str) -> None:
        """An order is cancelled."""
        self._told(cancelled(name, member, occurred_at=self.stage.now.isoformat()))

    def _told(self, body: Mapping[str, Any]) -> None:
        self.wait(seconds=1)
        assert {"batchItemFailures": []} == self.stage.earn(body)

    def sweep(self) -> None:
        """What time has done is written down."""
        self.stage.call("expire", {"source": "jifen.schedule", "task": "expire"})
        records = self.stage.tasks()
        self.stage.call("expire", {"Records": records})


def _behave(tell: Teller) -> None:
    for kind in ("member.registered", "member.registered", "member.verified"):
        tell.event("m1", kind)
    tell.stage.ask("PUT", "/v1/members/m1/profile", {"birthday": "11-06", "region": "SH", "tags": ["vip"]})
    for _ in range(4):
        tell.event("m1", "page.shared")
    tell.event("m1", "page.browsed", seconds=2_000)
    tell.event("m1", "page.browsed", seconds=2_000)
    for survey in ("s1", "s1", "s2"):
        tell.event("m1", "survey.completed", points=20, survey_id=survey)
    tell.event("m1", "campaign.joined", campaign="c1")
    tell.event("m2", "invite.accepted", inviter="m1")
    reviews = [tell.event("m1", "review.scored", score=score, review_id=f"r{score}") for score in (60, 70, 95)]
    approve, reject, _ = (f"/v1/reviews/m1/{review['event_id']}" for review in reviews)
    tell.wait(days=1)
    tell.ask(f"{approve}/approve", {"reason": "good"}, OPERATOR)
    tell.ask(f"{reject}/reject", {"reason": "copied"}, OPERATOR)
    for day in range(4):
        if day != 2:
            tell.ask("/v1/members/m1/check-ins")
        tell.wait(days=1)
    tell.ask("/v1/members/m1/check-ins/make-up", {})


def _trade(tell: Teller) -> None:
    tell.order("o1", "m1", 30_000, 20_000, 10_050, 15_000)
    tell.order("o2", "m2", 8_000)
    tell.order("o3", "m1", 25_000)
    tell.order("o4", "m1", 12_345)
    tell.order("o5", None, 4_000)
    tell.refund("o4", "m1", 12_345)
    tell.refund("o1", "m1", 10_000)
    tell.until("2026-11-11T22:30:00")
    tell.order("o6", "m1", 80_000)
    tell.order("o7", "m1", 30_000)
    tell.order("o8", "m3", 60_000)
    tell.refund("o8", "m3", 20_000)
    tell.cancel("o7", "m1")
    tell.order("o3", "m3", 25_000, revision=1)
    tell.wait(days=2)
    tell.order("o9", "m2", 9_000)
    tell.refund("o2", "m2", 5_000)


def _rule(tell: Teller) -> None:
    tell.until("2026-11-20T12:00:00")
    program = copy.deepcopy(SAMPLE)
    for level, reach in zip(program["tiers"]["levels"], (0, 100, 500), strict=True):
        level["from"] = reach
    reason = {"reason": "winter", "override": "we watch it"}
    tell.ask("/v1/rulesets", {"program": program, "note": "gold sooner"}, OPERATOR)
    tell.ask("/v1/rulesets/1/publish", reason, ADMIN)
    rules = [{"id": "extra", "fixed": 7}]
    tell.ask("/v1/campaigns", {"id": "winter", "budget_points": 10, "rules": rules}, OPERATOR)
    tell.ask("/v1/campaigns", {"id": "summer", "rules": rules}, OPERATOR)
    tell.ask("/v1/campaigns/winter/schedule", reason, ADMIN)
    tell.ask("/v1/campaigns/summer/cancel", {"reason": "no"}, OPERATOR)
    tell.order("w1", "m1", 10_000)
    tell.order("w2", "m2", 10_000)
    for step in ("pause", "resume", "end"):
        tell.ask(f"/v1/campaigns/winter/{step}", {"reason": step}, OPERATOR)
    tell.order("w3", "m2", 10_000)
    for name in ("w2", "w3"):
        tell.cancel(name, "m2")
    tell.ask("/v1/rulesets", {"program": program, "note": "not yet"}, OPERATOR)
    tell.ask("/v1/rulesets/1/roll-back", {"reason": "calm"}, ADMIN)
    tell.until("2026-12-01T03:00:00")
    tell.sweep()
    tell.order("w4", "m1", 5_000)


@dataclass(frozen=True)
class Told:
    """A ledger with nothing wrong in it, and when it was last written."""

    rows: Table
    now: datetime

    def audited(self, rows: Table) -> list[Violation]:
        """What the auditor finds in these rows."""
        return audit(rows.values(), parse_program(SAMPLE), self.now, shards=SHARDS)


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """A month under the sample program, written by the handlers."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_REGION", REGION)
        patch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
        patch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Jifen")
        patch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
        # What the check of rules finds is not what is audited, and takes longer than the whole tale.
        patch.setattr(admin_app, "_lint", lambda _program: [])
        stage = Stage("ruled", SAMPLE, shards=SHARDS)
        with use(stage.runtime):
            tell = Teller(stage)
            for chapter in (_behave, _trade, _rule):
                chapter(tell)
        rows = stage.dynamodb.scan(TableName="ruled")["Items"]
        yield Told({(row["pk"]["S"], row["sk"]["S"]): row for row in rows}, stage.now)


def test_what_the_handlers_wrote_breaks_no_law(told: Told) -> None:
    """Orders, events, reviews, tasks, campaigns, versions and allowances, all in one ledger."""
    reasons = {row["reason"]["S"] for (_, sk), row in told.rows.items() if sk.startswith("E#")}
    assert {"FRIEND_ORDERED", "TASK_REACHED", "TASK_UNDONE", "TIER_ALLOWANCE", "CHECK_IN_MADE_UP"} <= reasons
    assert set("AEKNOIVFSDGL") <= {sk[0] for _, sk in told.rows}
    assert [] == told.audited(told.rows)


def test_so_does_an_export_of_it(told: Told) -> None:
    """In which binary values are Base64 text."""
    lines = [json.dumps(row, default=lambda raw: base64.b64encode(bytes(raw)).decode()) for row in told.rows.values()]
    assert [] == audit(map(json.loads, lines), parse_program(SAMPLE), told.now, shards=SHARDS)


@st.composite
def deliveries(draw: st.DrawFn) -> list[OrderEvent]:
    """Three orders of two members, their facts in any order, some of them twice."""
    told: list[OrderEvent] = []
    for number, member in enumerate(draw(st.lists(st.sampled_from(["m1", "m2"]), min_size=3, max_size=3))):
        for event in draw(facts(f"o{number}")):
            mine = event.paid and replace(event.paid, member=member)
            told.append(replace(event, member=member, paid=mine))
    return draw(delivered(told))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(PROGRAMS, deliveries(), st.sampled_from(ClawbackPolicy), st.lists(st.integers(0, 12), min_size=20, max_size=20))
def test_whatever_rules_make_of_orders_is_sound(
    program: Program, told: list[OrderEvent], policy: ClawbackPolicy, days: list[int]
) -> None:
    """Rules of every kind, orders paid, revised, given back and late, points spent meanwhile, an inviter, tasks."""
    source = json.loads(program.rules.source)
    source["earning"]["rules"].append({"id": "friend", "to": "inviter", "ladder": [[0, 5], [2_000, 9]]})
    program = replace(parse_program(source), clawback=policy)
    ledger, now = RowLedger(program), datetime(2026, 3, 2, 4, tzinfo=UTC)
    before = ledger.load(["m1"]).accounts["m1"]
    ledger.commit(Posting((AccountWrite(before, replace(before, standing=Standing(inviter="m3"))),)), Patient())
    for number, event in enumerate(told):
        now += timedelta(days=days[number % len(days)])
        moment = program.moment(now)
        earn(ledger, program, [event], moment, Patient())
        account = ledger.load(["m1"]).accounts["m1"]
        if days[number % len(days)] % 3 == 0 and (points := account.available(moment.today) // 2) > 0:
            Spending(ledger, program, moment, Patient(), f"k{number}", "shop").redeem("m1", points)
        for member in ("m1", "m2", "m3"):
            expire(ledger, member, moment, Patient(), program)
    assert [] == audit(ledger.rows.values(), program, now, shards=SHARDS)


KINDS = ("member.registered", "page.shared", "page.browsed", "survey.completed", "campaign.joined", "review.scored")
DATA = st.fixed_dictionaries(
    {
        "seconds": st.integers(0, 4_000),
        "points": st.integers(10, 50),
        "survey_id": st.sampled_from(["s1", "s2"]),
        "campaign": st.sampled_from(["a", "b", "c"]),
        "score": st.integers(50, 100),
        "review_id": st.sampled_from(["r1", "r2", "r3"]),
    }
)
DEEDS = st.one_of(
    st.tuples(st.sampled_from(KINDS), DATA, st.integers(0, 12)),
    st.tuples(st.sampled_from(["check-in", "make-up", "invite", "approve", "reject"]), st.none(), st.none()),
    st.tuples(st.just("order"), st.integers(1_000, 60_000), st.none()),
    st.tuples(st.just("refund"), st.integers(1_000, 60_000), st.integers(0, 5)),
)


class Player:
    """Does what is drawn; a refusal changes nothing."""

    def __init__(self) -> None:
        self.program = parse_program(SAMPLE)
        self.ledger = RowLedger(self.program)
        self.now = datetime(2026, 11, 8, 4, tzinfo=UTC)
        self._waiting: list[tuple[str, str]] = []
        self._orders: list[str] = []
        self._keys = 0

    def play(self, deed: tuple[str, Any, Any], member: str, hours: int) -> None:
        """One deed of a member, so many hours after the last."""
        self.now += timedelta(hours=hours)
        self._keys += 1
        moment, key = self.program.moment(self.now), f"k{self._keys}"
        desk = Behaving(self.ledger, self.program, moment, Patient(), "shop", "shop:s", key)
        with suppress(Refusal):
            self._do(deed, member, desk)
        expire(self.ledger, member, moment, Patient(), self.program)

    def _do(self, deed: tuple[str, Any, Any], member: str, desk: Behaving) -> None:
        match deed:
            case "check-in", _, _:
                desk.check_in(member)
            case "make-up", _, _:
                desk.make_up(member)
            case "invite", _, _:
                data = {"inviter": "m1" if member != "m1" else "m2"}
                desk.take(BehaviourEvent("invite.accepted", desk.key, member, self.now, data))
            case ("approve" | "reject") as name, _, _:
                if self._waiting:
                    decide = partial(desk.approve, points=None) if name == "approve" else desk.reject
                    decide(*self._waiting.pop(), reason="so")
            case ("order" | "refund") as name, minor, number:
                self._trade(name, minor, number, member, desk)
            case kind, data, days:
                at = self.now - timedelta(days=days)
                if desk.take(BehaviourEvent(kind, desk.key, member, at, data))["status"] == "IN_REVIEW":
                    self._waiting.append((member, desk.key))

    def _trade(self, name: str, minor: int, number: int | None, member: str, desk: Behaving) -> None:
        at = self.now
        if name == "order":
            self._orders.append(desk.key)
            state = Paid(member, at, "CNY", (Line(1, "tea", minor),))
            event = OrderEvent(EventType.PAID, desk.key, "standard", desk.key, member, at, paid=state)
        else:
            order = self._orders[number % len(self._orders)] if self._orders and number is not None else "none"
            refund = Refund(desk.key, at, "CNY", (), minor)
            event = OrderEvent(EventType.REFUNDED, desk.key, "standard", order, None, at, refund=refund)
        earn(self.ledger, self.program, [event], desk.moment, Patient())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    st.lists(
        st.tuples(DEEDS, st.sampled_from(["m1", "m1", "m2", "m3"]), st.sampled_from([0, 1, 5, 24, 24, 200])),
        min_size=15,
        max_size=50,
    )
)
def test_whatever_members_do_is_sound(deeds: list[tuple[tuple[str, Any, Any], str, int]]) -> None:
    """Events on time and late, check-ins, made-up days, invites, reviews and orders under the sample program."""
    player = Player()
    for deed, member, hours in deeds:
        player.play(deed, member, hours)
    found = audit(player.ledger.rows.values(), player.program, player.now, shards=SHARDS)
    assert [] == found


# Rows that somebody changed ------------------------------------------------------------------------------------------


@dataclass
class Forger:
    """Somebody with rights on the table."""

    rows: Table

    def account(self, member: str = "m1") -> Row:
        """A member's account."""
        return self.rows[f"M#{member}", "A"]

    def standing(self, change: Callable[[dict[str, Any]], object], member: str = "m1") -> None:
        """Change what the rules remember of a member."""
        edit(self.account(member), "standing", change)

    def order(self, name: str) -> Row:
        """An order."""
        return self.rows[f"O#standard#{name}", "O"]

    def pinned(self, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change what an award keeps of its moment."""
        edit(self.order(name), "award", lambda award: change(award[5]) and None)

    def key(self, first: str, *said: str) -> tuple[str, str]:
        """The key of the one row of a kind in which these words stand."""
        found = [
            key
            for key, row in self.rows.items()
            if key[1].startswith(first) and all(word in row["facts"]["S"] or word in key[0] for word in said)
        ]
        assert len(found) == 1, (first, said, found)
        return found[0]

    def fact(self, first: str, *said: str) -> Row:
        """That row."""
        return self.rows[self.key(first, *said)]

    def entry(self, source: str, member: str = "m1") -> Row:
        """A member's entry of a source."""
        (found,) = (
            row
            for (pk, sk), row in self.rows.items()
            if pk == f"M#{member}" and sk.startswith("E#") and json.loads(row["source"]["S"])[1] == source
        )
        return found

    def rechain(self, member: str = "m1") -> None:
        """Make every hash of a history right again."""
        Chain(self.rows, {}, []).rechain(member)


def put(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    """A change that sets one of several facts."""
    return lambda facts: facts.update({name: value})


Forgery = Callable[[Forger], object]
RULED: list[tuple[str, tuple[str, ...], Forgery]] = []


def forged(*laws: str) -> Callable[[Forgery], Forgery]:
    """A way to forge the tale's rows, and the laws that it breaks."""

    def keep(forgery: Forgery) -> Forgery:
        RULED.append((forgery.__name__, laws, forgery))
        return forgery

    return keep


@forged("rows")
def an_event_under_another_key(forger: Forger) -> None:
    key = forger.key("K#", '"ev-1"')
    row = forger.rows.pop(key)
    forger.rows[key[0], "K#" + "A" * 22] = row | {"sk": {"S": "K#" + "A" * 22}}


@forged("rows")
def a_value_under_another_key(forger: Forger) -> None:
    edit(forger.fact("N#", "r95"), "facts", put("value", "r96"))


@forged("rows")
def an_event_of_no_status(forger: Forger) -> None:
    edit(forger.fact("K#", '"ev-1"'), "facts", put("status", "GIVEN"))


@forged("rows")
def a_campaign_that_gave_less_than_nothing(forger: Forger) -> None:
    edit(forger.fact("G", "winter"), "facts", put("given", -1))


@forged("rows")
def a_line_of_another_month(forger: Forger) -> None:
    key = forger.key("L#", "review.approved")
    row = forger.rows.pop(key)
    forger.rows["AUDIT#2026-10", key[1]] = row | {"pk": {"S": "AUDIT#2026-10"}}


@forged("rows")
def a_version_that_nobody_published(forger: Forger) -> None:
    edit(forger.fact("V#000002"), "facts", put("published_by", ""))


@forged("rows")
def a_line_with_more_tax_than_it_costs(forger: Forger) -> None:
    facts = unpack(forger.order("o9"), "paid")
    facts[4][0] = [*facts[4][0][:3], None, "goods", 9_001]
    pack(forger.order("o9"), "paid", facts)


@forged("whole numbers")
def half_a_point_of_a_rule(forger: Forger) -> None:
    forger.pinned("o9", lambda pinned: pinned["grants"].update(base=90.0))


@forged("whole numbers")
def half_a_point_in_a_standing(forger: Forger) -> None:
    forger.standing(lambda standing: standing.update(orders=4.0))


@forged("rules")
def rules_that_are_gone(forger: Forger) -> None:
    version = json.loads(forger.fact("V#000002")["facts"]["S"])
    del forger.rows[f"RULES#{version['fingerprint']}", "S"]


@forged("rules")
def rules_with_another_text(forger: Forger) -> None:
    version = json.loads(forger.fact("V#000002")["facts"]["S"])
    row = forger.rows[f"RULES#{version['fingerprint']}", "S"]
    pack(row, "text", unpack(row, "text").replace("Welcome", "Hello"))


@forged("rules")
def points_of_a_rule_that_was_refused(forger: Forger) -> None:
    forger.pinned("o9", lambda pinned: pinned["grants"].update({"tier.gold": pinned["grants"].pop("base")}))


@forged("rules")
def points_of_a_rule_on_events(forger: Forger) -> None:
    forger.pinned("o9", lambda pinned: pinned["grants"].update(register=pinned["grants"].pop("base")))


@forged("granted")
def a_rule_gives_more_than_it_is_worth(forger: Forger) -> None:
    forger.pinned("o9", lambda pinned: pinned["grants"].update({"base": 100, "repurchase-double": 80}))


@forged("granted")
def a_line_in_a_dearer_category(forger: Forger) -> None:
    facts = unpack(forger.order("o1"), "paid")
    facts[4][1][3] = "tea"
    pack(forger.order("o1"), "paid", facts)


@forged("granted")
def a_room_that_no_cap_leaves(forger: Forger) -> None:
    forger.pinned("o9", lambda pinned: pinned["rooms"].update({"*/day/points": ["2026-11-13", 1_001]}))


@forged("granted")
def more_than_there_was_room_for(forger: Forger) -> None:
    forger.pinned("o9", lambda pinned: pinned["rooms"].update({"*/day/points": ["2026-11-13", 170]}))


@forged("granted")
def less_than_there_was_room_for(forger: Forger) -> None:
    forger.pinned("o6", lambda pinned: pinned["budgets"].update({"double-eleven": 1_000_001}))


@forged("granted")
def more_than_the_budget_had(forger: Forger) -> None:
    forger.pinned("o6", lambda pinned: pinned["budgets"].update({"double-eleven": 199}))


@forged("granted")
def points_in_another_lot(forger: Forger) -> None:
    edit(forger.order("o9"), "award", lambda award: award[1][0].__setitem__(1, "2027-12-31"))


@forged("granted")
def points_that_can_be_used_at_once(forger: Forger) -> None:
    edit(forger.order("o8"), "award", lambda award: award[1][1].__setitem__(2, None))


@forged("granted", "spent")
def another_amount_kept(forger: Forger) -> None:
    forger.pinned("o9", lambda pinned: pinned.update(kept=9_001))


@forged("granted")
def a_refund_forgotten(forger: Forger) -> None:
    del forger.order("o1")["refunds"]


@forged("granted", "orders")
def a_friend_s_order_that_pays_more(forger: Forger) -> None:
    edit(forger.order("o2"), "referral", lambda award: award[1][0].__setitem__(0, 60))


@forged("orders", "used")
def a_friend_s_order_forgotten(forger: Forger) -> None:
    del forger.order("o2")["referral"]


@forged("events")
def an_event_that_says_it_gave_more(forger: Forger) -> None:
    edit(forger.fact("K#", '"ev-1"'), "facts", put("points", 101))


@forged("events")
def an_event_removed(forger: Forger) -> None:
    del forger.rows[forger.key("K#", '"ev-1"')]


@forged("events")
def an_event_that_gave_nothing_and_has_an_entry(forger: Forger) -> None:
    edit(forger.fact("K#", '"ev-1"'), "facts", put("status", "NOTHING"))


@forged("events")
def an_event_awarded_out_of_nothing(forger: Forger) -> None:
    edit(forger.fact("K#", '"ev-21"'), "facts", lambda facts: facts.update(status="AWARDED", points=20))


@forged("events", "used")
def a_rule_that_says_it_gave_less(forger: Forger) -> None:
    edit(forger.entry("ev-5"), "why", lambda why: why[0].update(points=0))
    forger.rechain()


@forged("events", "used")
def a_made_up_day_removed(forger: Forger) -> None:
    del forger.rows[forger.key("K#", "make-up")]


@forged("index")
def an_event_that_waits_unseen(forger: Forger) -> None:
    del forger.fact("K#", '"ev-33"')["due_expiry"]


@forged("index")
def an_event_that_waits_no_more(forger: Forger) -> None:
    forger.fact("K#", '"ev-1"')["shard"] = {"S": "review"}


@forged("index")
def a_tier_that_ends_unseen(forger: Forger) -> None:
    forger.standing(put("due", "2026-12-02"))


@forged("once")
def a_value_used_up_by_another_event(forger: Forger) -> None:
    edit(forger.fact("N#", '"s1"'), "facts", put("event_id", "ev-5"))


@forged("once")
def a_value_that_can_be_used_again(forger: Forger) -> None:
    del forger.rows[forger.key("N#", '"s1"')]


@forged("allowances")
def an_allowance_before_its_month(forger: Forger) -> None:
    edit(forger.entry("2026-12"), "source", lambda _: ["allowance", "2027-01"])
    forger.rechain()


@forged("allowances")
def an_allowance_of_another_size(forger: Forger) -> None:
    edit(forger.entry("2026-12"), "why", lambda why: why[0].update(points=400))
    forger.rechain()


@forged("caps")
def somebody_who_registers_twice(forger: Forger) -> None:
    edit(forger.entry("ev-5"), "why", lambda why: why[0].update(rule="register"))
    forger.rechain()
    forger.standing(lambda standing: standing["used"].update({"register/ever/times": {"ever": 2}}))
    forger.standing(lambda standing: standing["used"].pop("verified/ever/times") and None)


@forged("used")
def a_cap_that_is_free_again(forger: Forger) -> None:
    forger.standing(lambda standing: standing["used"].pop("register/ever/times") and None)


@forged("used")
def a_cap_used_by_nothing(forger: Forger) -> None:
    forger.standing(lambda standing: standing["used"].update({"follow/ever/times": {"ever": 1}}))


@forged("kept orders")
def an_order_more_remembered(forger: Forger) -> None:
    forger.standing(put("orders", 5))


@forged("kept orders")
def a_first_order_that_was_given_back(forger: Forger) -> None:
    forger.standing(put("first", "standard#o4"))


@forged("tasks")
def a_task_further_than_its_orders(forger: Forger) -> None:
    forger.standing(lambda standing: standing["goals"]["task-orders"].update({"2026-11": [4, 0]}))


@forged("tasks")
def a_task_that_forgot_what_it_gave(forger: Forger) -> None:
    forger.standing(lambda standing: standing["goals"]["task-novice"].update(ever=[4, 0]))


@forged("tasks")
def an_order_that_counts_twice(forger: Forger) -> None:
    forger.pinned("o9", lambda pinned: pinned["tasks"].update({"task-novice": ["ever", 2]}))


@forged("tasks")
def a_reward_for_too_little(forger: Forger) -> None:
    forger.pinned("w4", lambda pinned: pinned["tasks"].update({"task-novice": ["ever", -1]}))
    forger.standing(lambda standing: standing["goals"]["task-novice"].update(ever=[2, 60]))


@forged("campaigns")
def a_campaign_that_gave_more(forger: Forger) -> None:
    edit(forger.fact("G", "double-eleven"), "facts", put("given", 701))


@forged("campaigns")
def a_campaign_with_another_turnover(forger: Forger) -> None:
    edit(forger.fact("G", "double-eleven"), "facts", put("kept_minor", 1))


@forged("campaigns")
def a_campaign_forgotten(forger: Forger) -> None:
    del forger.rows[forger.key("G", "double-eleven")]


@forged("budgets", "campaigns")
def a_campaign_beyond_its_budget(forger: Forger) -> None:
    edit(forger.fact("G", "winter"), "facts", put("given", 111))


@forged("versions")
def a_version_missing(forger: Forger) -> None:
    del forger.rows[forger.key("V#000003")]


@forged("versions")
def a_version_with_other_rules(forger: Forger) -> None:
    edit(forger.fact("V#000003"), "facts", put("fingerprint", "0" * 32))


@forged("in force")
def a_program_that_is_not_as_published(forger: Forger) -> None:
    row = forger.fact("F")
    pack(row, "text", unpack(row, "text").replace("Welcome", "Hello"))


@forged("in force", "deeds")
def a_draft_in_force(forger: Forger) -> None:
    draft = json.loads(forger.fact("V#000003")["facts"]["S"])
    edit(forger.fact("F"), "facts", lambda facts: facts.update(number=3, fingerprint=draft["fingerprint"]))


@forged("in force")
def a_way_back_to_a_draft(forger: Forger) -> None:
    edit(forger.fact("F"), "facts", put("previous", 3))


@forged("deeds")
def a_version_put_in_force_in_silence(forger: Forger) -> None:
    edit(forger.fact("F"), "facts", put("since", "2026-11-21T00:00:00Z"))


@forged("deeds")
def a_way_back_without_a_line(forger: Forger) -> None:
    del forger.rows[forger.key("L#", "ruleset.rolled_back")]


@forged("deeds")
def a_publication_without_a_line(forger: Forger) -> None:
    del forger.rows[forger.key("L#", "ruleset.published")]


@forged("deeds")
def a_draft_without_a_line(forger: Forger) -> None:
    del forger.rows[forger.key("L#", "ruleset.drafted", "ruleset/3")]


@forged("deeds")
def an_approval_without_a_line(forger: Forger) -> None:
    del forger.rows[forger.key("L#", "review.approved")]


@forged("deeds")
def a_line_of_a_decision_that_nobody_made(forger: Forger) -> None:
    edit(forger.fact("L#", "review.approved"), "facts", put("target", "event/m1/ev-33"))


@forged("deeds")
def a_campaign_that_runs_on_by_itself(forger: Forger) -> None:
    edit(forger.fact("G", "winter"), "facts", put("status", "ACTIVE"))


@forged("deeds")
def a_campaign_paused_in_silence(forger: Forger) -> None:
    edit(forger.fact("G", "double-eleven"), "facts", put("status", "PAUSED"))


@forged("deeds")
def a_prepared_campaign_that_came_back(forger: Forger) -> None:
    edit(forger.fact("D#summer"), "facts", put("status", "DRAFT"))


@pytest.mark.parametrize(("laws", "forgery"), [pytest.param(laws, do, id=name) for name, laws, do in RULED])
def test_a_changed_row_breaks_the_laws_it_should(told: Told, laws: tuple[str, ...], forgery: Forgery) -> None:
    """Each forgery is reported under its law, and nothing else is."""
    forger = Forger(copy.deepcopy(told.rows))
    forgery(forger)
    found = told.audited(forger.rows)
    assert set(laws) == {violation.law for violation in found}, found


def test_every_law_has_somebody_who_breaks_it() -> None:
    """No law is only written down."""
    broken = {law for _, laws, _ in (*FORGERIES, *DECISIONS, *RULED, *MALL) for law in laws}
    broken |= {law for _, law in ACTIVITY}
    assert set(LAWS) == broken
