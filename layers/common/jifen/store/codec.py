"""Domain values to items and back. Both directions of one type stand together, so that they cannot drift."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from jifen.domain import lots as lot_book
from jifen.domain.account import NOTHING_TOLD, Account, Lifetime, OpenHold, Reminded, Status, Told
from jifen.domain.entries import Draft, Entry, Kind, Source, day_text, instant_text
from jifen.domain.facts import event_in, event_out, paid_in, paid_out, refund_in, refund_out
from jifen.domain.lots import Changes, Lot, LotChange, Lots
from jifen.domain.orders import Award, Order, Part, Pinned
from jifen.domain.points import Rounding
from jifen.domain.rules.model import RuleSet, bare
from jifen.domain.ruling import rules_fingerprint
from jifen.domain.spending import Answer, Hold, HoldStatus, Receipt, Redemption, lots_plain
from jifen.domain.standing import Profile, Progress, Standing, TierState
from jifen.service.ports import (
    LIFE_MODULES,
    SWEEP_MODULE,
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
from jifen.store.codec_rules import FACTS, fact_in, fact_out
from jifen.store.items import LIFE_PREFIXES, MALL_PREFIXES, SWEEP_PREFIXES

Attributes = dict[str, Any]

RulesBy = Callable[[str], RuleSet]
"""Finds the rules of a fingerprint."""


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
        "told": _told_out(account.told) if account.told is not NOTHING_TOLD else None,
        "head_hash": account.head_hash or None,
        "standing": standing_out(account.standing),
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
        told=_told_in(item.told) if item.told else NOTHING_TOLD,
        standing=standing_in(item.standing),
    )


def _told_out(told: Told) -> Any:
    marks = {key: _reminded_out(mark) for key, mark in told.marks.items()}
    row = [marks, day_text(told.day), told.held_until and instant_text(told.held_until)]
    return row if any(row) else None


def _told_in(row: Any) -> Told:
    marks, on, until = row
    return Told({key: _reminded_in(mark) for key, mark in marks.items()}, day(on), instant(until) if until else None)


def _reminded_out(mark: Reminded) -> Any:
    if not mark.waiting:
        return mark.lead_days
    row = [mark.lead_days, list(mark.waiting), mark.claimed_by, mark.claimed_at and instant_text(mark.claimed_at)]
    return [*row, mark.tries, mark.tried_at and instant_text(mark.tried_at), mark.reached]


def _reminded_in(row: Any) -> Reminded:
    if isinstance(row, int):
        return Reminded(row)
    lead, waiting, worker, at, *more = row
    tries, tried_at, reached = more or (0, None, False)
    claimed_at, tried_at = instant(at) if at else None, instant(tried_at) if tried_at else None
    return Reminded(lead, tuple(waiting), worker, claimed_at, tries, tried_at, reached)


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
            return _contact_out(document)
        case _:
            return any_fact_out(document)


def document_in(key: DocumentKey, item: Any, rules_by: RulesBy) -> Document:
    """A document from its key and item; awards name the rules they were made under."""
    match key:
        case OrderKey(shop, order_id):
            return _order_in(shop, order_id, item, rules_by)
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
                shop=item.shop or "standard",
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
                shop=item.shop or "standard",
                restored=item.restored or 0,
                receipts=_receipts_in(item.receipts),
                version=item.version,
            )
        case ContactKey(member):
            return _contact_in(member, item)
        case _:
            return any_fact_in(item)


def _contact_in(member: str, item: Any) -> Contact:
    row = item.more or {}
    return Contact(
        member,
        item.email,
        item.language,
        item.version,
        phone=row.get("phone"),
        push=row.get("push"),
        wechat=row.get("wechat"),
        wechat_kind=row.get("wechat_kind", "official"),
        consents=row.get("consents", 0),
        time_zone=row.get("time_zone"),
        refuses=tuple(row.get("refuses", ())),
    )


def _contact_out(contact: Contact) -> Attributes:
    row = {
        "phone": contact.phone,
        "push": contact.push,
        "wechat": contact.wechat,
        "wechat_kind": contact.wechat_kind if contact.wechat_kind != "official" else None,
        "consents": contact.consents,
        "time_zone": contact.time_zone,
        "refuses": list(contact.refuses),
    }
    more = {name: value for name, value in row.items() if value} or None
    return {"email": contact.email, "language": contact.language, "more": more}


def any_fact_out(document: Any) -> Attributes:
    """The attributes of a fact, of the rules or of the mall, without its version."""
    if isinstance(document, FACTS):
        return fact_out(document)
    if type(document).__module__ == SWEEP_MODULE:
        from jifen.store.codec_sweeps import sweep_out  # noqa: PLC0415 - as below

        return sweep_out(document)
    if type(document).__module__ in LIFE_MODULES:
        from jifen.store.codec_life import life_out  # noqa: PLC0415 - only who has such a document imports it

        return life_out(document)
    from jifen.store.codec_mall import mall_out  # noqa: PLC0415 - only who has such a document imports the mall

    return mall_out(document)


def any_fact_in(item: Any) -> Document:
    """A fact from its item, of the rules, of the mall or of what runs beside."""
    prefix = item.sk.partition("#")[0]
    if prefix in SWEEP_PREFIXES:
        from jifen.store.codec_sweeps import sweep_in  # noqa: PLC0415 - as below

        return sweep_in(item)
    if prefix in LIFE_PREFIXES:
        from jifen.store.codec_life import life_in  # noqa: PLC0415 - only who meets such an item imports it

        return life_in(item)
    if prefix not in MALL_PREFIXES:
        return fact_in(item)
    from jifen.store.codec_mall import mall_in  # noqa: PLC0415 - only who meets such an item imports the mall

    return mall_in(item)


def _spending_out(document: Redemption | Hold) -> Attributes:
    receipts = {key: [receipt.fingerprint, receipt.answer] for key, receipt in document.receipts.items()}
    return {
        "at": instant_text(document.at),
        "spent": lots_out(document.spent) or None,
        "receipt": [document.receipt.fingerprint, _without_lots(document)],
        "receipts": receipts or None,
        "order_id": document.order_id,
        "shop": document.shop if document.shop != "standard" else None,
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
        "referral": _award_out(order.referral) if order.referral else None,
        "forgiven": dict(order.forgiven) or None,
        "used": list(order.used) or None,
    }


def _order_in(shop: str, order_id: str, item: Any, rules_by: RulesBy) -> Order:
    refunds = [refund_in(row) for row in item.refunds or ()]
    return Order(
        shop=shop,
        order_id=order_id,
        paid=paid_in(item.paid) if item.paid is not None else None,
        refunds={refund.refund_id: refund for refund in refunds},
        cancelled=bool(item.cancelled),
        award=_award_in(item.award, rules_by) if item.award is not None else None,
        referral=_award_in(item.referral, rules_by) if item.referral is not None else None,
        forgiven=item.forgiven or {},
        used=tuple(item.used or ()),
        version=item.version,
    )


def _award_out(award: Award) -> list[Any]:
    """A bare award keeps its rates as they are: ``[member, granted, last day, rates, currency, paid at, lapsed]``.

    What it counted as spent follows, if it did: month and amount. Any other names its rules: ``[member, parts,
    fingerprint, currency, paid at, pinned]``.
    """
    at = instant_text(award.paid_at)
    if award.rules.bare:
        (part,) = award.parts
        last_day = day_text(part.last_valid_day)
        rates = [[name, points, per, str(how)] for name, points, per, how in award.rules.rates]
        spent = [list(award.pinned.spent)] if award.pinned.spent else []
        return [award.member, part.points, last_day, rates, award.currency, at, part.lapsed, *spent]
    parts = [
        [part.points, day_text(part.last_valid_day), day_text(part.active_from), part.lapsed] for part in award.parts
    ]
    name = rules_fingerprint(award.rules.source)
    return [award.member, parts, name, award.currency, at, _pinned_out(award.pinned)]


def _award_in(row: list[Any], rules_by: RulesBy) -> Award:
    if isinstance(row[1], int):
        member, granted, last_day, rows, currency, at, lapsed, *spent = row
        rules = bare(tuple((name, points, per, Rounding(how)) for name, points, per, how in rows))
        part = Part(granted, day(last_day), None, lapsed)
        pinned = Pinned(spent=tuple(spent[0])) if spent else Pinned()
        return Award(member, (part,), rules, currency, instant(at), pinned)
    member, parts, name, currency, at, pinned = row
    kept = tuple(Part(points, day(last), day(active), lapsed) for points, last, active, lapsed in parts)
    return Award(member, kept, rules_by(name), currency, instant(at), _pinned_in(pinned))


def _pinned_out(pinned: Pinned) -> dict[str, Any]:
    fields = {
        "refused": dict(pinned.refused),
        "rooms": {key: list(room) for key, room in pinned.rooms.items()},
        "budgets": dict(pinned.budgets),
        "grants": dict(pinned.grants),
        "tasks": {key: list(part) for key, part in pinned.tasks.items()},
        "kept": pinned.kept_minor,
        "spent": list(pinned.spent) if pinned.spent else None,
    }
    return {name: value for name, value in fields.items() if value}


def _pinned_in(row: Mapping[str, Any]) -> Pinned:
    return Pinned(
        refused=row.get("refused", {}),
        rooms={key: (name, room) for key, (name, room) in row.get("rooms", {}).items()},
        budgets=row.get("budgets", {}),
        grants=row.get("grants", {}),
        tasks={key: (name, amount) for key, (name, amount) in row.get("tasks", {}).items()},
        kept_minor=row.get("kept", 0),
        spent=tuple(row["spent"]) if "spent" in row else None,
    )


# Standing ------------------------------------------------------------------------------------------------------------

_TIER = 3
"""Columns of a level; one that was fallen to has another."""


def standing_out(standing: Standing) -> dict[str, Any] | None:
    """What is remembered of a member, what is empty left out; None when there is nothing."""
    profile, tier = standing.profile, standing.tier
    fields = {
        "orders": standing.orders,
        "first": standing.first_order,
        "paid": [one.isoformat() for one in standing.paid_on],
        "used": {key: dict(windows) for key, windows in standing.used.items()},
        "goals": {
            key: {name: _progress_out(one) for name, one in windows.items()} for key, windows in standing.goals.items()
        },
        "runs": {
            key: [[first.isoformat(), last.isoformat()] for first, last in runs] for key, runs in standing.runs.items()
        },
        "qualified": dict(standing.qualified),
        "tier": tier and [tier.level, tier.since.isoformat(), day_text(tier.until), *([1] if tier.fell else ())],
        "allowance": standing.allowance,
        "due": day_text(standing.due),
        "birthday": _birthday_out(profile),
        "region": profile.region,
        "tags": list(profile.tags),
        "inviter": standing.inviter,
        "seen": {kind: on.isoformat() for kind, on in standing.seen.items()},
        "spent": dict(standing.spent),
        "applied": dict(standing.applied),
        "goal": list(standing.goal) if standing.goal else None,
    }
    return {name: value for name, value in fields.items() if value} or None


def _progress_out(one: Progress) -> list[Any]:
    return [one.done, one.granted, one.on.isoformat()] if one.on else [one.done, one.granted]


def _birthday_out(profile: Profile) -> list[str | None] | None:
    """One that was taken away still keeps the next from counting at once."""
    if not profile.birthday and profile.birthday_from is None:
        return None
    return [profile.birthday, day_text(profile.birthday_from)]


def standing_in(row: Mapping[str, Any] | None) -> Standing:
    """The standing behind :func:`standing_out`."""
    if not row:
        return Standing()
    birthday, since = row.get("birthday", ("", None))
    tier = row.get("tier")
    return Standing(
        orders=row.get("orders", 0),
        first_order=row.get("first", ""),
        paid_on=tuple(date.fromisoformat(text) for text in row.get("paid", ())),
        used=row.get("used", {}),
        goals={
            key: {
                name: Progress(done, granted, day(on[0]) if on else None)
                for name, (done, granted, *on) in windows.items()
            }
            for key, windows in row.get("goals", {}).items()
        },
        runs={
            key: tuple((date.fromisoformat(first), date.fromisoformat(last)) for first, last in runs)
            for key, runs in row.get("runs", {}).items()
        },
        qualified=row.get("qualified", {}),
        tier=TierState(tier[0], date.fromisoformat(tier[1]), day(tier[2]), len(tier) > _TIER) if tier else None,
        allowance=row.get("allowance", ""),
        due=day(row.get("due")),
        profile=Profile(birthday, day(since), row.get("region", ""), tuple(row.get("tags", ()))),
        inviter=row.get("inviter", ""),
        seen={kind: date.fromisoformat(text) for kind, text in row.get("seen", {}).items()},
        spent=row.get("spent", {}),
        applied=row.get("applied", {}),
        goal=tuple(row["goal"]) if "goal" in row else None,
    )
