"""Pages of entries: filters as the API takes them, and cursors that cannot be made or moved by hand.

cursor = base64url(sequence "." first 16 bytes of HMAC-SHA256(secret, member, filters, sequence))
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from jifen.domain.calendar import DAY, day_start, parse_instant
from jifen.domain.entries import Kind, instant_text
from jifen.domain.errors import Fault, InvalidInput
from jifen.service.reading import EntryFilter

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SEQUENCE = re.compile(rb"[1-9][0-9]{0,11}")
_TAG_BYTES = 16


def entry_filter(kind: Kind | None, since: str | None, until: str | None, zone: ZoneInfo) -> EntryFilter:
    """The filter behind the query parameters ``kind``, ``from`` and ``to``.

    A day means the whole of it: ``from`` its first instant, ``to`` the first instant after it.

    Raises:
        InvalidInput: naming the parameter.
    """
    return EntryFilter(
        kind=kind,
        since=_bound(since, "from", zone, end=False) if since else None,
        until=_bound(until, "to", zone, end=True) if until else None,
    )


def _bound(text: str, field: str, zone: ZoneInfo, *, end: bool) -> datetime:
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text)
            return day_start(day + DAY if end else day, zone)
        return parse_instant(text.replace(" ", "+"))  # a plus that was not encoded arrives as a blank
    except (ValueError, OverflowError) as wrong:
        raise InvalidInput([Fault(field, "is neither a day nor an RFC 3339 instant with an offset")]) from wrong


@dataclass(frozen=True, slots=True)
class Cursors:
    """Cursors of one member and filter; those of others are refused."""

    secret: bytes
    member: str
    wanted: EntryFilter

    def write(self, before: int) -> str:
        """The cursor for entries below sequence ``before``."""
        text = str(before).encode()
        return base64.urlsafe_b64encode(text + b"." + self._tag(text)).rstrip(b"=").decode()

    def read(self, cursor: str) -> int:
        """The sequence in a cursor.

        Raises:
            InvalidInput: it is none of ours, or of another member or filter.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        text, _, tag = raw.partition(b".")
        if not _SEQUENCE.fullmatch(text) or not hmac.compare_digest(tag, self._tag(text)):
            raise InvalidInput([Fault("cursor", "is not a cursor of this member and these filters")])
        return int(text)

    def _tag(self, text: bytes) -> bytes:
        bounds = [instant_text(bound) if bound else "" for bound in (self.wanted.since, self.wanted.until)]
        parts = (self.member, str(self.wanted.kind or ""), *bounds)
        message = b"\x00".join((b"entries", text, *(part.encode() for part in parts)))
        return hmac.new(self.secret, message, hashlib.sha256).digest()[:_TAG_BYTES]
