"""Pages of shelves as the API gives them: cursors that cannot be made or moved by hand; the audit and the reviews.

cursor = base64url(the ledger's own cursor, behind the first 16 bytes of HMAC-SHA256(secret, shelf, it))
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from jifen.domain.entries import instant_text
from jifen.domain.errors import Fault, InvalidInput
from jifen.domain.events import EventReceipt
from jifen.domain.operator_views import AuditLineView, AuditView, ReviewsView, ReviewView
from jifen.domain.ruling import AuditLine
from jifen.service.ports import REVIEWS, Ledger, Shelf, audit_of

_TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Bookmarks:
    """Cursors of one shelf; those of others are refused."""

    secret: bytes
    shelf: Shelf

    def write(self, cursor: str | None) -> str | None:
        """The cursor to hand out for the ledger's own; None stays None."""
        if cursor is None:
            return None
        raw = self._tag(cursor.encode()) + cursor.encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def read(self, cursor: str | None) -> str | None:
        """The ledger's own cursor in one that was handed out; None stays None.

        Raises:
            InvalidInput: it is none of ours, or of another shelf.
        """
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        tag, text = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not text or not hmac.compare_digest(tag, self._tag(text)):
            raise InvalidInput([Fault("cursor", "is not a cursor of this list")])
        return text.decode()

    def _tag(self, text: bytes) -> bytes:
        owner = (self.shelf.owner.encode(),) if self.shelf.owner else ()
        message = b"\x00".join((b"shelf", self.shelf.name.encode(), self.shelf.month.encode(), *owner, text))
        return hmac.new(self.secret, message, hashlib.sha256).digest()[:_TAG_BYTES]


def audit_view(ledger: Ledger, month: str, before: str | None, limit: int) -> AuditView:
    """What operators did in ``month`` (2026-11, UTC), the newest first; the cursor is the ledger's own."""
    page = ledger.listed(audit_of(month), before, limit)
    lines = [_line(one) for one in page.documents if isinstance(one, AuditLine)]
    return {"month": month, "lines": lines, "cursor": page.cursor}


def _line(line: AuditLine) -> AuditLineView:
    return {
        "id": line.id,
        "at": instant_text(line.at),
        "actor": line.actor,
        "action": line.action,
        "target": line.target,
        "reason": line.reason,
        "details": dict(line.details),
    }


def reviews_view(ledger: Ledger, before: str | None, limit: int) -> ReviewsView:
    """Events that wait for an operator, the longest waiting first; the cursor is the ledger's own."""
    page = ledger.listed(REVIEWS, before, limit)
    found = [_review(one) for one in page.documents if isinstance(one, EventReceipt)]
    return {"reviews": found, "cursor": page.cursor}


def _review(receipt: EventReceipt) -> ReviewView:
    return {
        "member_id": receipt.member,
        "event_id": receipt.event_id,
        "type": receipt.type,
        "occurred_at": instant_text(receipt.at),
        "data": dict(receipt.data),
        "proposed": dict(receipt.proposed),
    }
