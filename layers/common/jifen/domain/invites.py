"""Invites: who brought a new member, and what is no invite.

``invite.accepted`` is an event of the new member, ``data.inviter`` names who invited. It counts once, and only for
somebody who is new: without a kept order and without an inviter. Two members cannot invite each other.
"""

from __future__ import annotations

from collections.abc import Mapping

from jifen.domain.account import Account, Status
from jifen.domain.errors import Fault, InvalidInput
from jifen.domain.events import BehaviourEvent
from jifen.domain.ids import valid_id

EARNING = frozenset({Status.ACTIVE, Status.FROZEN})
"""Accounts that still earn: a freeze stops spending alone."""


def inviter_named(data: Mapping[str, object]) -> str:
    """Who invited, by the event's data.

    Raises:
        InvalidInput: it names nobody.
    """
    found = data.get("inviter")
    if not isinstance(found, str) or not valid_id(found):
        raise InvalidInput([Fault("data.inviter", "is not a member id of 1 to 128 characters")])
    return found


def refusal(event: BehaviourEvent, friend: Account, inviter: Account) -> str:
    """Why the event makes nobody an inviter; empty when it does.

    An inviter is known once anything was ever written of that member: an entry, a check-in, a profile.
    """
    reasons = (
        ("SELF_INVITE", inviter.member == event.member),
        ("ALREADY_INVITED", bool(friend.standing.inviter)),
        ("HAS_ORDERED", friend.standing.orders > 0),
        ("INVITE_RING", inviter.standing.inviter == event.member),
        ("INVITER_UNKNOWN", inviter.revision == 0),
        (f"INVITER_{inviter.status}", inviter.status not in EARNING),
    )
    return next((reason for reason, holds in reasons if holds), "")
