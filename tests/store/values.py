"""Domain values of every shape that a store must keep, and short ways to write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from jifen.domain.account import Account, Change, Lifetime, OpenHold, Reminded, Status
from jifen.domain.campaigns import CampaignState, CampaignStatus
from jifen.domain.entries import Draft, Entry, Kind, Reason, Source
from jifen.domain.events import Answered, EventReceipt, EventStatus, OnceMark
from jifen.domain.lots import Lot, LotChange
from jifen.domain.orders import (
    Award,
    EventType,
    Line,
    LineKind,
    Order,
    OrderEvent,
    Paid,
    Part,
    Refund,
    RefundLine,
)
from jifen.domain.points import Rounding
from jifen.domain.program import Program
from jifen.domain.rules.model import bare
from jifen.domain.ruling import (
    AuditLine,
    CampaignDraft,
    DraftStatus,
    ProgramInForce,
    RuleStatus,
    RuleVersion,
    StoredRules,
)
from jifen.domain.spending import Hold, HoldStatus, Receipt, Redemption
from jifen.service.ports import AccountWrite, Contact, Document, Posting, Unmatched
from tests.store.mall_values import MALL_DOCUMENTS

PROGRAM = Program(zone=ZoneInfo("Asia/Shanghai"))
NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
MOMENT = PROGRAM.moment(NOW)
LAST_DAY = date(2027, 3, 31)
MEMBERS = ("m1", "会员-七七四", "naïve 🧧 name", "a#b#A", "E#000000000001", "x" * 128)
"""Ids that shops use, or could: other scripts, blanks, and what looks like a part of our keys."""


def draft(points: int = 0, kind: Kind = Kind.BONUS, *changes: LotChange, **more: Any) -> Draft:
    """An entry's content; without ``changes``, its points go into one lot."""
    lots = changes or ((LotChange(points, LAST_DAY),) if points else ())
    return Draft(kind, "GOODWILL", Source("adjustment", "j1"), NOW, points=points, lots=lots, **more)


def posted(account: Account, *drafts: Draft) -> AccountWrite:
    """The write that appends ``drafts`` to an account."""
    change = Change(account)
    for one in drafts:
        change = change.post(one, MOMENT)
    return AccountWrite(account, change.account, change.entries)


def credited(member: str, points: int) -> Posting:
    """The posting that opens an account with ``points``."""
    return Posting((posted(Account(member), draft(points)),))


def kept(account: Account) -> Account:
    """The account as it reads after its first write."""
    return replace(account, revision=account.revision + 1)


# Accounts ------------------------------------------------------------------------------------------------------------

_NEVER = Lot(5, None)
_PENDING = Lot(7, date(2027, 1, 31), date(2026, 4, 1))
_PENDING_FOR_EVER = Lot(9, None, date(2026, 5, 1))

ACCOUNTS: Mapping[str, Account] = {
    "empty but written": Account("m", version=1, head_hash="ab" * 32),
    "one lot": Account("m", version=1, lots=(Lot(100, LAST_DAY),), lifetime=Lifetime(earned=100)),
    "never-expiring and pending lots": Account("m", lots=(_PENDING, Lot(1, LAST_DAY), _NEVER, _PENDING_FOR_EVER)),
    "thirteen months of lots": Account(
        "m", lots=tuple(Lot(month, date(2026 + month // 12, month % 12 + 1, 28)) for month in range(1, 14))
    ),
    "two open holds": Account(
        "m",
        lots=(Lot(1, LAST_DAY),),
        holds=(
            OpenHold("hd.bQ.first", (Lot(2, LAST_DAY), _NEVER), NOW),
            OpenHold("hd.bQ.second", (_PENDING,), datetime(2026, 3, 1, 4, 0, 0, 123456, tzinfo=UTC)),
        ),
    ),
    "reminders sent, waiting and claimed": Account(
        "m",
        lots=(Lot(1, LAST_DAY),),
        reminded={
            LAST_DAY: Reminded(30),
            date(2027, 4, 30): Reminded(7, ("email", "event"), "worker-1", NOW),
            date(2027, 5, 31): Reminded(3, ("event",)),
        },
    ),
    "in debt, frozen": Account("m", status=Status.FROZEN, debt=250, lifetime=Lifetime(1_000, 600, 50, 600)),
    "very rich": Account("m", lots=(Lot(10**15, None),), lifetime=Lifetime(earned=10**15)),
}

# Entries -------------------------------------------------------------------------------------------------------------

DRAFTS: Mapping[str, Draft] = {
    **{str(kind): draft(10, kind) for kind in Kind},
    **{str(reason): replace(draft(1), reason=reason) for reason in Reason},
    "a reason of the caller's": replace(draft(1), reason="谢谢 – thank you", actor="operator:小王"),
    "points from several lots": draft(
        6, Kind.EARN, LotChange(3, LAST_DAY), LotChange(2, None), LotChange(1, None, date(2026, 5, 1))
    ),
    "pays a debt": draft(0, Kind.ADJUST, LotChange(5, LAST_DAY), debt=5),
    "opens a hold": draft(
        0,
        Kind.HOLD,
        LotChange(-4, LAST_DAY),
        hold_id="hd.bQ.one",
        hold_lots=(LotChange(4, LAST_DAY),),
        hold_expires_at=NOW,
    ),
    "explains itself": draft(
        1, Kind.EARN, LotChange(1, None), why=({"rule": "base", "kept_minor": 10_050, "nested": {"列": [1, None]}},)
    ),
    "to the microsecond": replace(draft(1), occurred_at=datetime(2026, 3, 1, 4, 5, 6, 7, tzinfo=UTC)),
}


def entry_of(one: Draft, member: str = "m", sequence: int = 1) -> Entry:
    """An entry with this content, whole in itself; it need not follow from an account."""
    return Entry(member, sequence, one, 17, MOMENT.recorded_at, "ab" * 32, "cd" * 32)


# Documents -----------------------------------------------------------------------------------------------------------

_ALL_KINDS = tuple(Line(number, f"sku {number}", 100 * number, kind) for number, kind in enumerate(LineKind, 1))
_CATEGORIES = (Line(8, "茶", 1, LineKind.GOODS, "饮料"), Line(9, "s", 0, LineKind.SHIPPING, "post"))
_AWARD = Award(
    "m",
    (Part(150, LAST_DAY),),
    bare((("base", 1, 100, Rounding.FLOOR), ("tea", 3, 1_000, Rounding.HALF_UP))),
    "CNY",
    NOW,
)
_REFUNDS = {
    "r1": Refund("r1", NOW, "CNY", (RefundLine(50, LineKind.GOODS, 1), RefundLine(1, None, 2), RefundLine(2))),
    "退-2": Refund("退-2", NOW, "JPY", (), 300),
}


def typical_lines(lines: int) -> tuple[Line, ...]:
    """Lines as in Online Retail, where an average order has 27 and the longest 1,114."""
    return tuple(
        Line(number, f"{20_000 + number * 7919 % 70_000}A", 100 + number * 37 % 9_900) for number in range(1, lines + 1)
    )


def long_program(rules: int) -> str:
    """A program file of so many rules, as canonical JSON."""
    return json.dumps(
        {
            "earning": {
                "rules": [
                    {"id": f"r{number}", "rate": {"points": number, "per_minor": 100 + number * 7919 % 9_973}}
                    for number in range(rules)
                ]
            }
        }
    )


_PAID = Paid("m", NOW, "CNY", _ALL_KINDS)
_REFUND_EVENT = OrderEvent(EventType.REFUNDED, "evt-1", "standard", None, "m", NOW, refund=_REFUNDS["r1"])
_RECEIPT = Receipt("f" * 32, {"redemption_id": "rd.bQ.x", "points": 5, "lots": [{"expires_on": None}], "说明": "好"})
_MANY_RECEIPTS = {f"key-{number}": replace(_RECEIPT, fingerprint=f"{number:032d}") for number in range(40)}

DOCUMENTS: Mapping[str, Document] = {
    "order of all kinds of lines": Order("standard", "o1", _PAID),
    "order with categories": Order("standard", "o1", replace(_PAID, lines=_CATEGORIES)),
    "order of a guest, revised": Order("standard", "o1", replace(_PAID, member=None, revision=3)),
    "order of no lines": Order("standard", "o1", replace(_PAID, lines=())),
    "order of 1,114 lines": Order("standard", "o1", replace(_PAID, lines=typical_lines(1_114)), award=_AWARD),
    "order with award": Order("standard", "o1", _PAID, award=_AWARD),
    "order with something forgiven": Order(
        "standard",
        "o1",
        _PAID,
        award=replace(_AWARD, parts=(Part(150, LAST_DAY, lapsed=20),), currency=None),
        forgiven={"m": 20, "会员": 1},
    ),
    "order with points for ever": Order(
        "standard", "o1", _PAID, award=replace(_AWARD, parts=(Part(150, None),), rules=bare(()))
    ),
    "refunds before the payment": Order("shopify", "订单-1", refunds=_REFUNDS),
    "three hundred refunds": Order(
        "standard",
        "o1",
        _PAID,
        {f"r{number}": replace(_REFUNDS["r1"], refund_id=f"r{number}") for number in range(300)},
    ),
    "cancelled before anything": Order("standard", "#o#1#", cancelled=True),
    "everything at once": Order("standard", "o1", _PAID, _REFUNDS, cancelled=True, award=_AWARD),
    "unmatched refund": Unmatched(_REFUND_EVENT),
    "unmatched, of another shop": Unmatched(replace(_REFUND_EVENT, shop="woocommerce", member=None)),
    "redemption": Redemption("rd.bQ.abc", "m", NOW, (LotChange(5, LAST_DAY), LotChange(1, None)), _RECEIPT, "o1"),
    "redemption, restored in forty parts": Redemption(
        "rd.bQ.abc", "m", NOW, (LotChange(50, None, LAST_DAY),), _RECEIPT, None, 40, _MANY_RECEIPTS
    ),
    "hold": Hold("hd.bQ.abc", "m", NOW, 50, NOW, _RECEIPT),
    "hold, captured": Hold(
        "hd.bQ.abc",
        "m",
        NOW,
        50,
        NOW,
        _RECEIPT,
        HoldStatus.CAPTURED,
        (LotChange(30, LAST_DAY),),
        "o1",
        7,
        _MANY_RECEIPTS,
    ),
    "hold, voided": Hold("hd.bQ.abc", "m", NOW, 50, NOW, _RECEIPT, HoldStatus.VOIDED, receipts={"k": _RECEIPT}),
    "contact": Contact("m", "小明@例子.example", "zh"),
    "contact without e-mail": Contact("会员"),
    "event that gave points": EventReceipt(
        "会员", "页#1", "page.browsed", NOW, "f" * 32, EventStatus.AWARDED, {"points": 5, "说明": "好"}, points=5
    ),
    "event that waits for an operator": EventReceipt(
        "a#b#A",
        "evt-1",
        "review.scored",
        NOW,
        "f" * 32,
        EventStatus.IN_REVIEW,
        {"status": "IN_REVIEW"},
        {"score": 90, "text": "好#茶", "verified": True},
        {"quality": 200, "campaign.extra": 5},
    ),
    "event that an operator decided": EventReceipt(
        "m", "evt-2", "review.scored", NOW, "f" * 32, EventStatus.REJECTED, {}, decided_by="operator:小王"
    ),
    "mark of once": OnceMark("m", "selected", "评论 #17", "evt-1"),
    "answer of a request": Answered("A-b_c" * 4, "f" * 32, 201, {"number": 1, "more": [None, {"a": "好"}]}),
    "empty answer": Answered("x" * 22, "", 200, {}),
    "campaign that gave points": CampaignState("double-eleven", CampaignStatus.PAUSED, 10**9, 7, 3, 10**12),
    "campaign that nothing touched": CampaignState("spring.2026"),
    "campaign being prepared": CampaignDraft(
        "gift", '{"id":"gift","title":"礼"}', "check_in_gift", "好", "operator:a", NOW
    ),
    "campaign that was scheduled": CampaignDraft("rates", "{}", "", "", "admin:b", NOW, DraftStatus.SCHEDULED, 3),
    "draft of rules": RuleVersion(1, "f" * 32, '{"currency":"CNY"}', "春节", "operator:a", NOW, 0),
    "draft of a thousand rules": RuleVersion(2, "f" * 32, long_program(1_000), "", "operator:a", NOW, 0),
    "published rules, against the check": RuleVersion(
        123_456,
        "f" * 32,
        '{"earning":{}}',
        "",
        "operator:a",
        NOW,
        7,
        RuleStatus.PUBLISHED,
        "admin:b",
        datetime(2026, 3, 1, 4, 0, 0, 1, tzinfo=UTC),
        "the board said so",
        "it is worth it",
    ),
    "nothing in force": ProgramInForce(highest=4),
    "program in force": ProgramInForce(3, 4, 2, "f" * 32, '{"currency":"CNY"}', NOW),
    "rules by content": StoredRules("a" * 32, '{"earning":{"rules":[]}}', 3),
    "line of the audit": AuditLine("q" * 22, NOW, "admin:小王", "ruleset.published", "ruleset/3", "好", {"was": 2}),
    **MALL_DOCUMENTS,
}
