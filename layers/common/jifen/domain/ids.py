"""Ids that Jifen hands out, and fingerprints of requests.

A redemption or hold is found by its id alone, without a second index: the id carries the member it belongs to.

    rd.<member, base64url>.<22 characters of SHA-256 over member and idempotency key>

    rd redemption   hd hold   ro reward order   cp coupon   dw draw   bd bid   tr transfer

The same member and key give the same id, so a retried request meets its own document.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import unicodedata
from typing import NamedTuple

MEMBER_ID_MAX = 128
"""Characters."""

_NEVER_IN_AN_ID = frozenset({"Cc", "Cs", "Zl", "Zp"})
_ID = re.compile(r"(rd|hd|ro|cp|dw|bd|tr)\.([A-Za-z0-9_-]{2,700})\.([A-Za-z0-9_-]{22})")
_KEY = re.compile(r"[\x21-\x7e]{1,128}")


class DocumentId(NamedTuple):
    """The parts of an id that we handed out."""

    prefix: str
    member: str
    digest: str

    def __str__(self) -> str:
        encoded = base64.urlsafe_b64encode(self.member.encode()).rstrip(b"=").decode()
        return f"{self.prefix}.{encoded}.{self.digest}"


def valid_id(text: object) -> bool:
    """Whether ``text`` can name a member, an order or a refund.

    1 to 128 characters, no outer blanks, no controls, line separators or lone surrogates.
    """
    if not isinstance(text, str) or not 1 <= len(text) <= MEMBER_ID_MAX or text != text.strip():
        return False
    if text.isascii():
        return text.isprintable()
    return not any(unicodedata.category(character) in _NEVER_IN_AN_ID for character in text)


def valid_idempotency_key(text: object) -> bool:
    """1 to 128 visible ASCII characters."""
    return isinstance(text, str) and _KEY.fullmatch(text) is not None


def document_id(prefix: str, member: str, key: str) -> DocumentId:
    """The id of what ``member`` asked for under the idempotency key ``key``; ``prefix`` says what it is (see above)."""
    raw = hashlib.sha256(f"{prefix}\n{len(member)}\n{member}\n{key}".encode()).digest()
    return DocumentId(prefix, member, base64.urlsafe_b64encode(raw).decode()[:22])


def parse_document_id(text: str) -> DocumentId | None:
    """The parts of an id we made; None for anything else."""
    match = _ID.fullmatch(text)
    if match is None:
        return None
    prefix, encoded, digest = match.groups()
    try:
        member = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    found = DocumentId(prefix, member, digest)
    return found if valid_id(member) and str(found) == text else None


def fingerprint(operation: str, request: object) -> str:
    """A hash of what was asked, to tell a retry from another request under the same key (32 hex characters)."""
    text = json.dumps([operation, request], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
