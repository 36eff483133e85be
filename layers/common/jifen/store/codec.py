"""Domain values to items and back. Both directions of one type stand together, so that they cannot drift."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from jifen.domain import lots as lot_book
from jifen.domain.account import Account, Lifetime, OpenHold, Reminded, Status
from jifen.domain.entries import Draft, Entry, Kind, Source, day_text, instant_text
from jifen.domain.facts import event_in, event_out, paid_in, paid_out, refund_in, refund_out
from jifen.domain.lots import Changes, Lot, LotChange, Lots
from jifen.domain.orders import Award, Order
from jifen.domain.program import RateRule, Rounding
from jifen.domain.spending import Answer, Hold, HoldStatus, Receipt, Redemption, lots_plain
from jifen.service.ports import (
    Contact,
    ContactKey,
    Document,
    DocumentKey,
    HoldKey,
    OrderKey,
    RedemptionKey,
    Unmatched,
    UnmatchedKey,
)
from jifen.store.codec_rules import fact_in, fact_out

Attributes = dict[str, Any]


def day(text: str | None) -> date | None:
    """A day from its ISO text."""
    return date.fromisoformat(text) if text else None


def instant(text: str) -> datetime:
    """An instant from its RFC 3339 text."""
    return datetime.fromisoformat(text)


# Lots ----------------------------------------------------------------------------------------------------------------


def lots_out(lots: Lots | Changes) -> list[list[Any]]:
    """``[[points, expires_on, active_from?], …]``."""
    rows: list[list[Any]] = []
    for lot in lots:
        row: list[Any] = [lot.points, day_text(lot.expires_on)]
        rows.append([*row, day_text(lot.active_from)] if lot.active_from else row)
    return rows


def lots_in(rows: list[list[Any]] | None) -> Lots:
    """The lots of an account or an open hold."""
    return tuple(Lot(change.points, change.expires_on, change.active_from) for change in changes_in(rows))


def changes_in(rows: list[list[Any]] | None) -> Changes:
    """Lot changes."""
    return tuple(LotChange(row[0], day(row[1]), day(row[2]) if len(row) > 2 else None) for row in rows or ())  # noqa: PLR2004 - the optional third column


# Account -------------------------------------------------------------------------------------------------------------


def account_out(account: Account) -> Attributes:
    """The attributes of an account, without its next dates."""
    life = account.lifetime
    return {
        "version": account.version,
        "status": str(account.status),
        "in_lots": lot_book.total(account.lots),
        "debt": account.debt,
        "earned": life.earned,
        "redeemed": life.redeemed,
        "expired": life.expired,
        "clawed_back": life.clawed_back,
        "lots": lots_out(account.lots) or None,
        "holds": [[hold.hold_id, instant_text(hold.expires_at), lots_out(hold.lots)] for hold in account.holds] or None,
        "reminded": {day.isoformat(): _reminded_out(mark) for day, mark in account.reminded.items()} or None,
        "head_hash": account.head_hash or None,
    }


def account_in(member: str, item: Any) -> Account:
    """An account from its item."""
    return Account(
        member=member,
        version=item.version,
        revision=item.revision,
        status=Status(item.status),
        lots=lots_in(item.lots),
        debt=item.debt,
        holds=tuple(OpenHold(hold_id, lots_in(rows), instant(until)) for hold_id, until, rows in item.holds or ()),
        lifetime=Lifetime(item.earned, item.redeemed, item.expired, item.clawed_back),
        head_hash=item.head_hash or "",
        reminded={date.fromisoformat(text): _reminded_in(row) for text, row in (item.reminded or {}).items()},
    )


def _reminded_out(mark: Reminded) -> Any:
    if not mark.waiting:
        return mark.lead_days
    return [mark.lead_days, list(mark.waiting), mark.claimed_by, mark.claimed_at and instant_text(mark.claimed_at)]


def _reminded_in(row: Any) -> Reminded:
    if isinstance(row, int):
        return Reminded(row)
    lead, waiting, worker, at = row
    return Reminded(lead, tuple(waiting), worker, instant(at) if at else None)


# Entry ---------------------------------------------------------------------------------------------------------------


def entry_out(entry: Entry) -> Attributes:
    """The attributes of an entry; member and sequence are in its key."""
    draft = entry.draft
    hold = None
    if draft.hold_id is not None:
        until = draft.hold_expires_at and instant_text(draft.hold_expires_at)
        hold = [draft.hold_id, lots_out(draft.hold_lots), until]
    return {
        "kind": str(draft.kind),
        "reason": str(draft.reason),
        "points": draft.points,
        "balance_after": entry.balance_after,
        "source": [draft.source.type, draft.source.id],
        "actor": draft.actor,
        "occurred_at": instant_text(draft.occurred_at),
        "recorded_at": instant_text(entry.recorded_at),
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
        "debt": draft.debt or None,
        "lots": lots_out(draft.lots) or None,
        "hold": hold,
        "why": [dict(reason) for reason in draft.why] or None,
    }


def entry_in(member: str, sequence: int, item: Any) -> Entry:
    """An entry from its item."""
    hold_id, hold_lots, hold_until = item.hold or (None, None, None)
    draft = Draft(
        kind=Kind(item.kind),
        reason=item.reason,
        source=Source(*item.source),
        occurred_at=instant(item.occurred_at),
        points=item.points,
        lots=changes_in(item.lots),
        debt=item.debt or 0,
        hold_id=hold_id,
        hold_lots=changes_in(hold_lots),
        hold_expires_at=instant(hold_until) if hold_until else None,
        why=tuple(item.why or ()),
        actor=item.actor,
    )
    recorded_at = instant(item.recorded_at)
    return Entry(member, sequence, draft, item.balance_after, recorded_at, item.previous_hash, item.hash)


# Documents -----------------------------------------------------------------------------------------------------------


def document_out(document: Document) -> Attributes:
    """The attributes of a document, without its version."""
    match document:
        case Order():
            return _order_out(document)
        case Unmatched():
            return {"event": event_out(document.event)}
        case Redemption():
            return _spending_out(document)
        case Hold():
            held = {
                "points": document.points,
                "status": str(document.status),
                "expires_at": instant_text(document.expires_at),
            }
            return _spending_out(document) | held
        case Contact():
            return {"email": document.email, "language": document.language}
        case _:
            return fact_out(document)


def document_in(key: DocumentKey, item: Any) -> Document:
    """A document from its key and item."""
    match key:
        case OrderKey(shop, order_id):
            return _order_in(shop, order_id, item)
        case UnmatchedKey():
            return Unmatched(event_in(item.event), item.version)
        case RedemptionKey(member, id_):
            return Redemption(
                id=id_,
                member=member,
                at=instant(item.at),
                spent=changes_in(item.spent),
                receipt=_with_lots(Receipt(*item.receipt), changes_in(item.spent)),
                order_id=item.order_id,
                restored=item.restored or 0,
                receipts=_receipts_in(item.receipts),
                version=item.version,
            )
        case HoldKey(member, id_):
            return Hold(
                id=id_,
                member=member,
                at=instant(item.at),
                points=item.points,
                expires_at=instant(item.expires_at),
                receipt=Receipt(*item.receipt),
                status=HoldStatus(item.status),
                spent=changes_in(item.spent),
                order_id=item.order_id,
                restored=item.restored or 0,
                receipts=_receipts_in(item.receipts),
                version=item.version,
            )
        case ContactKey(member):
            return Contact(member, item.email, item.language, item.version)
        case _:
            return fact_in(item)


def _spending_out(document: Redemption | Hold) -> Attributes:
    receipts = {key: [receipt.fingerprint, receipt.answer] for key, receipt in document.receipts.items()}
    return {
        "at": instant_text(document.at),
        "spent": lots_out(document.spent) or None,
        "receipt": [document.receipt.fingerprint, _without_lots(document)],
        "receipts": receipts or None,
        "order_id": document.order_id,
        "restored": document.restored or None,
    }


def _without_lots(document: Redemption | Hold) -> Answer:
    """The first answer as it is kept: a redemption's lots stand beside it already."""
    answer = document.receipt.answer
    if answer.get("lots") != lots_plain(document.spent):
        return answer
    return {**answer, "lots": True}


def _with_lots(receipt: Receipt, spent: Changes) -> Receipt:
    if receipt.answer.get("lots") is not True:
        return receipt
    return Receipt(receipt.fingerprint, {**receipt.answer, "lots": lots_plain(spent)})


def _receipts_in(rows: Mapping[str, Any] | None) -> dict[str, Receipt]:
    return {key: Receipt(*row) for key, row in (rows or {}).items()}


def _order_out(order: Order) -> Attributes:
    return {
        "cancelled": order.cancelled or None,
        "paid": paid_out(order.paid) if order.paid else None,
        "refunds": [refund_out(refund) for refund in order.refunds.values()] or None,
        "award": _award_out(order.award) if order.award else None,
        "forgiven": dict(order.forgiven) or None,
    }


def _order_in(shop: str, order_id: str, item: Any) -> Order:
    refunds = [refund_in(row) for row in item.refunds or ()]
    return Order(
        shop=shop,
        order_id=order_id,
        paid=paid_in(item.paid) if item.paid is not None else None,
        refunds={refund.refund_id: refund for refund in refunds},
        cancelled=bool(item.cancelled),
        award=_award_in(item.award) if item.award is not None else None,
        forgiven=item.forgiven or {},
        version=item.version,
    )


def _award_out(award: Award) -> list[Any]:
    rules = [[rule.id, rule.points, rule.per_minor, str(rule.rounding)] for rule in award.rules]
    at = instant_text(award.paid_at)
    return [award.member, award.granted, day_text(award.last_valid_day), rules, award.currency, at, award.lapsed]


def _award_in(row: list[Any]) -> Award:
    member, granted, last_day, rules, currency, at, lapsed = row
    parsed = tuple(RateRule(id_, points, per, Rounding(rounding)) for id_, points, per, rounding in rules)
    return Award(member, granted, day(last_day), parsed, currency, instant(at), lapsed)
