"""How members are reached, what they do not want to be told, and the links that end it.

    contact ──channels──> messages          PUT contact: the shop, or the member
       │ refuses                            PUT preferences: the member; an unsubscribe link: whoever has the mail
       │ consents                           one for each message that the member allowed in a mini program

An unsubscribe link is a token that nobody but us can make; it names a member and a channel, and never runs out:
token = base64url(first 16 bytes of HMAC-SHA256(secret, "unsubscribe", channel, member), channel, member)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jifen.domain import preferences
from jifen.domain.errors import Fault, InvalidInput, LimitReached
from jifen.domain.ids import fingerprint, valid_id
from jifen.domain.member_views import ContactView
from jifen.domain.notice_terms import CHANNELS
from jifen.service.ports import Contact, ContactKey, Ledger, Patience, Posting, settle

_TAG_BYTES = 16
TOKEN_MAX = 1_000
"""Characters."""

Changed = Callable[[Contact], Contact]


def contact_of(ledger: Ledger, member: str) -> Contact:
    """A member's contact; an empty one of version 0 where none is kept."""
    found = ledger.load([], [ContactKey(member)]).documents.get(ContactKey(member))
    return found if isinstance(found, Contact) else Contact(member)


def changed(ledger: Ledger, member: str, change: Changed, patience: Patience) -> Contact:
    """Keep the contact as ``change`` makes it of the one that is there; the same again writes nothing.

    Raises:
        Busy: others kept winning until the caller's time was up.
    """

    def attempt() -> Contact:
        before = contact_of(ledger, member)
        after = change(before)
        if after != before:
            ledger.commit(Posting(documents=(after,)), patience)
        return after

    return settle(patience, attempt)


def set_contact(ledger: Ledger, member: str, said: Mapping[str, Any], patience: Patience) -> ContactView:
    """Keep how a member is reached.

    ``said`` holds what a caller sent: address and language are replaced in any case (left out: none, English), every
    other field only where it is there; None takes it away. A new openid has no consents yet.
    """
    kept = {name: value for name, value in said.items() if name not in {"email", "language"}}

    def change(before: Contact) -> Contact:
        after = replace(before, email=said.get("email"), language=said.get("language") or "en", **_usable(kept))
        same = (after.wechat, after.wechat_kind) == (before.wechat, before.wechat_kind)
        return after if same else replace(after, consents=0)

    return view(changed(ledger, member, change, patience))


def set_preferences(ledger: Ledger, member: str, said: Mapping[str, Any], patience: Patience) -> ContactView:
    """Keep what a member does not want, and in which language and zone the rest is told; what is left out stays."""
    return view(changed(ledger, member, lambda before: replace(before, **_usable(said)), patience))


def _usable(said: Mapping[str, Any]) -> dict[str, Any]:
    """What was said, in the form it is kept in; a language or a kind of openid cannot be taken away."""
    found = {name: value for name, value in said.items() if value is not None or name != "language"}
    if "refuses" in found:
        found["refuses"] = preferences.ordered(found["refuses"] or ())
    if "wechat_kind" in found:
        found["wechat_kind"] = found["wechat_kind"] or "official"
    return found


def view(contact: Contact) -> ContactView:
    """A contact as the API shows it."""
    return {
        "member_id": contact.member,
        "email": contact.email,
        "language": contact.language,
        "phone": contact.phone,
        "push": contact.push,
        "wechat": contact.wechat,
        "wechat_kind": contact.wechat_kind,
        "consents": contact.consents,
        "time_zone": contact.time_zone,
        "refuses": list(contact.refuses),
    }


def add_consent(
    ledger: Ledger, patience: Patience, member: str, caller: str, key: str
) -> tuple[int, Mapping[str, Any]]:
    """One more message that the member has allowed in the mini program; status and answer, the same for every repeat.

    Raises:
        InvalidInput: the member has no openid of a mini program.
        LimitReached: as many are allowed already as can be.
        IdempotencyKeyReused, Busy
    """
    from jifen.service.answering import Once, Outcome, answer_once  # noqa: PLC0415 - of one route of one function

    once = Once.asked(caller, key, fingerprint("wechat-consent", member))

    def decide() -> Outcome:
        before = contact_of(ledger, member)
        if not before.wechat or before.wechat_kind != "mini":
            raise InvalidInput([Fault("wechat", "is no openid of a mini program: PUT the contact first")])
        if before.consents >= preferences.CONSENTS_MAX:
            raise LimitReached(limit="wechat_consents", points=preferences.CONSENTS_MAX)
        after = replace(before, consents=before.consents + 1)
        return Outcome(200, {"member_id": member, "consents": after.consents}, (after,))

    return answer_once(ledger, patience, once, decide)


@dataclass(frozen=True, slots=True)
class Book:
    """What channels learn while they send; see :class:`jifen.service.ports.AddressBook`."""

    ledger: Callable[[], Ledger]
    patience: Callable[[], Patience]

    def take_consent(self, member: str) -> bool:
        """See the port."""
        taken = False

        def change(before: Contact) -> Contact:
            nonlocal taken
            taken = before.consents > 0
            return replace(before, consents=before.consents - 1) if taken else before

        changed(self.ledger(), member, change, self.patience())
        return taken

    def give_consent_back(self, member: str) -> None:
        """See the port."""
        self._change(member, lambda before: replace(before, consents=before.consents + 1) if before.wechat else before)

    def no_consents(self, member: str) -> None:
        """See the port."""
        self._change(member, lambda before: replace(before, consents=0))

    def gone(self, member: str, field: str, address: str) -> None:
        """See the port."""

        def change(before: Contact) -> Contact:
            if field == "push" and before.push == address:
                return replace(before, push=None)
            if field == "wechat" and before.wechat == address:
                return replace(before, wechat=None, consents=0)
            return before

        self._change(member, change)

    def _change(self, member: str, change: Changed) -> None:
        changed(self.ledger(), member, change, self.patience())


@dataclass(frozen=True, slots=True)
class Links:
    """Unsubscribe links; without ``base``, the public address of the API, or without a secret there are none."""

    secret: bytes
    base: str

    def link(self, member: str, channel: str) -> str:
        """The link that ends messages to ``member`` on ``channel``."""
        if not self.secret or not self.base:
            return ""
        return f"{self.base.rstrip('/')}/v1/unsubscribe?token={self.token(member, channel)}"

    def token(self, member: str, channel: str) -> str:
        """The token of such a link."""
        said = f"{channel}\x00{member}".encode()
        return base64.urlsafe_b64encode(self._tag(said) + said).rstrip(b"=").decode()

    def read(self, token: str) -> tuple[str, str] | None:
        """Member and channel of a token of ours; None for anything else, whatever is wrong with it."""
        if not self.secret or len(token) > TOKEN_MAX:
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        tag, said = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(said)):
            return None
        channel, _, member = said.decode("utf-8", "replace").partition("\x00")
        return (member, channel) if valid_id(member) and channel in CHANNELS else None

    def _tag(self, said: bytes) -> bytes:
        return hmac.new(self.secret, b"unsubscribe\x00" + said, hashlib.sha256).digest()[:_TAG_BYTES]


def unsubscribe(ledger: Ledger, member: str, channel: str, patience: Patience) -> Contact:
    """Nothing is told on ``channel`` any more; the same again writes nothing."""

    def change(before: Contact) -> Contact:
        if not preferences.wanted(before.refuses, channel, ""):
            return before
        return replace(before, refuses=preferences.without_channel(before.refuses, channel))

    return changed(ledger, member, change, patience)


def subscribe(ledger: Ledger, member: str, channel: str, patience: Patience) -> Contact:
    """``channel`` is wanted again, and nothing else that was refused."""
    return changed(
        ledger,
        member,
        lambda before: replace(before, refuses=preferences.with_channel(before.refuses, channel)),
        patience,
    )
