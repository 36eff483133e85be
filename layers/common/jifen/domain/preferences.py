"""How a member is reached, and what the member does not want: channels, kinds of notices, or ``*`` for everything."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jifen.domain.notice_terms import CHANNELS
from jifen.domain.notices import NoticeKind

EVERYTHING = "*"

REFUSABLE = (EVERYTHING, *CHANNELS, *(str(kind) for kind in NoticeKind))
"""What can stand among a member's refusals."""

REFUSAL = f"^({'|'.join(map(re.escape, REFUSABLE))})$"
"""One of them, as a pattern."""

ADDRESS = {
    "email": r"^[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,63}$",
    "phone": r"^\+[1-9][0-9]{6,14}$",
    "push": r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:endpoint/[A-Z_]+/[A-Za-z0-9_.-]+/[A-Za-z0-9-]+$",
    "wechat": r"^[A-Za-z0-9_-]{6,64}$",
}
"""What an address of each kind looks like: an e-mail address, E.164, the ARN of an SNS endpoint, an openid."""

ZONE = r"^[A-Za-z][A-Za-z0-9_+/-]{1,63}$"
"""What the name of a time zone looks like."""

CONSENTS_MAX = 100
"""Messages a member can have allowed ahead; one more is refused."""


def ordered(refuses: Iterable[str]) -> tuple[str, ...]:
    """Refusals as they are kept: each once, in the order of ``REFUSABLE``."""
    given = set(refuses)
    return tuple(one for one in REFUSABLE if one in given)


def wanted(refuses: Iterable[str], channel: str, kind: str) -> bool:
    """Whether a member wants this kind of notice on this channel."""
    return not {EVERYTHING, channel, str(kind)} & set(refuses)


def without_channel(refuses: Iterable[str], channel: str) -> tuple[str, ...]:
    """The refusals once nothing is wanted on ``channel`` any more."""
    return ordered((*refuses, channel))


def with_channel(refuses: Iterable[str], channel: str) -> tuple[str, ...]:
    """The refusals once ``channel`` is wanted again; who refused everything still refuses every other channel."""
    given = set(refuses)
    if EVERYTHING in given:
        given = (given - {EVERYTHING}) | set(CHANNELS)
    return ordered(given - {channel})
