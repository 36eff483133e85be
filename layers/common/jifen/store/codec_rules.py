"""Documents of rules, campaigns, events and the audit to items and back; see :mod:`jifen.store.codec`.

Each is a :class:`jifen.store.items.FactItem`: ``facts`` by the names of the value's own fields, and what is long in
``text``. A row stands for itself: whatever its key says only as a digest is among its facts too, so that a list of a
shelf needs no keys (:func:`fact_in`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jifen.domain.campaigns import CampaignState, CampaignStatus
from jifen.domain.entries import instant_text
from jifen.domain.events import Answered, EventReceipt, EventStatus, OnceMark
from jifen.domain.ruling import (
    AuditLine,
    CampaignDraft,
    DraftStatus,
    ProgramInForce,
    RuleStatus,
    RuleVersion,
    StoredRules,
)
from jifen.store.items import REVIEW_SHARD, digest

FactDocument = (
    EventReceipt
    | OnceMark
    | Answered
    | CampaignState
    | CampaignDraft
    | RuleVersion
    | ProgramInForce
    | StoredRules
    | AuditLine
)

FACTS = (
    EventReceipt,
    OnceMark,
    Answered,
    CampaignState,
    CampaignDraft,
    RuleVersion,
    ProgramInForce,
    StoredRules,
    AuditLine,
)
"""The kinds of :data:`FactDocument`."""

Attributes = dict[str, Any]


def fact_out(document: FactDocument) -> Attributes:  # noqa: PLR0911 - one case for each kind
    """The attributes of a document, without its version."""
    match document:
        case EventReceipt():
            return _receipt_out(document)
        case OnceMark():
            return _row({"rule": document.rule, "value": document.value, "event_id": document.event_id})
        case Answered():
            return _row({"fingerprint": document.fingerprint, "status": document.status}, dict(document.answer))
        case CampaignState():
            return _row(
                {
                    "status": str(document.status),
                    "given": document.given,
                    "taken_back": document.taken_back,
                    "awards": document.awards,
                    "kept_minor": document.kept_minor,
                }
            )
        case CampaignDraft():
            return _row(
                {
                    "template": document.template,
                    "note": document.note,
                    "by": document.by,
                    "at": instant_text(document.at),
                    "status": str(document.status),
                    "number": document.number,
                },
                document.campaign,
            )
        case RuleVersion():
            return _version_out(document)
        case ProgramInForce():
            return _row(
                {
                    "number": document.number,
                    "highest": document.highest,
                    "previous": document.previous,
                    "fingerprint": document.fingerprint,
                    "since": _text(document.since),
                },
                document.program or None,
            )
        case StoredRules():
            return _row({"number": document.number}, document.source)
        case AuditLine():
            return _row(
                {
                    "id": document.id,
                    "at": instant_text(document.at),
                    "actor": document.actor,
                    "action": document.action,
                    "target": document.target,
                    "reason": document.reason,
                },
                dict(document.details),
            )


def fact_in(item: Any) -> FactDocument:  # noqa: PLR0911 - one case for each kind
    """A document from its item."""
    pk, sk, facts, version = item.pk, item.sk, item.facts, item.version
    match sk.partition("#")[0]:
        case "K":
            return _receipt_in(pk[2:], item)
        case "N":
            return OnceMark(pk[2:], facts["rule"], facts["value"], facts["event_id"], version)
        case "I":
            return Answered(pk[2:], facts["fingerprint"], facts["status"], item.text, version)
        case "G":
            status = CampaignStatus(facts["status"])
            figures = (facts["given"], facts["taken_back"], facts["awards"], facts["kept_minor"])
            return CampaignState(pk[2:], status, *figures, version)
        case "D":
            return _draft_in(sk[2:], item)
        case "V":
            return _version_in(int(sk[2:]), item)
        case "F":
            return ProgramInForce(
                number=facts["number"],
                highest=facts["highest"],
                previous=facts["previous"],
                fingerprint=facts["fingerprint"],
                program=item.text or "",
                since=_instant(facts["since"]),
                version=version,
            )
        case "S":
            return StoredRules(pk.partition("#")[2], item.text, facts["number"], version)
        case _:
            named = (facts["actor"], facts["action"], facts["target"], facts["reason"])
            return AuditLine(facts["id"], datetime.fromisoformat(facts["at"]), *named, item.text, version)


def _row(facts: Mapping[str, Any], text: Any = None) -> Attributes:
    return {"facts": facts, "text": text}


def _text(at: datetime | None) -> str | None:
    return instant_text(at) if at else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


# Events --------------------------------------------------------------------------------------------------------------


def _receipt_out(receipt: EventReceipt) -> Attributes:
    facts = {
        "event_id": receipt.event_id,
        "type": receipt.type,
        "at": instant_text(receipt.at),
        "fingerprint": receipt.fingerprint,
        "status": str(receipt.status),
        "data": dict(receipt.data),
        "proposed": dict(receipt.proposed),
        "points": receipt.points,
        "decided_by": receipt.decided_by,
    }
    row = _row(facts, dict(receipt.answer))
    if receipt.status is not EventStatus.IN_REVIEW:
        return row
    due = f"{receipt.at.astimezone(UTC).date().isoformat()}#{receipt.member}#{digest(receipt.event_id)}"
    return row | {"shard": REVIEW_SHARD, "due_expiry": due}


def _receipt_in(member: str, item: Any) -> EventReceipt:
    facts = item.facts
    return EventReceipt(
        member=member,
        event_id=facts["event_id"],
        type=facts["type"],
        at=datetime.fromisoformat(facts["at"]),
        fingerprint=facts["fingerprint"],
        status=EventStatus(facts["status"]),
        answer=item.text,
        data=facts["data"],
        proposed=facts["proposed"],
        points=facts["points"],
        decided_by=facts["decided_by"],
        version=item.version,
    )


# Rules and campaigns -------------------------------------------------------------------------------------------------


def _version_out(rules: RuleVersion) -> Attributes:
    facts = {
        "fingerprint": rules.fingerprint,
        "note": rules.note,
        "by": rules.by,
        "at": instant_text(rules.at),
        "based_on": rules.based_on,
        "status": str(rules.status),
        "published_by": rules.published_by,
        "published_at": _text(rules.published_at),
        "reason": rules.reason,
        "override": rules.override,
    }
    return _row(facts, rules.program)


def _version_in(number: int, item: Any) -> RuleVersion:
    facts = item.facts
    return RuleVersion(
        number=number,
        fingerprint=facts["fingerprint"],
        program=item.text,
        note=facts["note"],
        by=facts["by"],
        at=datetime.fromisoformat(facts["at"]),
        based_on=facts["based_on"],
        status=RuleStatus(facts["status"]),
        published_by=facts["published_by"],
        published_at=_instant(facts["published_at"]),
        reason=facts["reason"],
        override=facts["override"],
        version=item.version,
    )


def _draft_in(campaign_id: str, item: Any) -> CampaignDraft:
    facts = item.facts
    return CampaignDraft(
        id=campaign_id,
        campaign=item.text,
        template=facts["template"],
        note=facts["note"],
        by=facts["by"],
        at=datetime.fromisoformat(facts["at"]),
        status=DraftStatus(facts["status"]),
        number=facts["number"],
        version=item.version,
    )
