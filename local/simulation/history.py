"""What a simulated run has to say: the operations that were committed, in commit order, and what they answered.

A step is one decision of the ledger as somebody outside would name it; ``now`` stands beside it, because the decision
is a function of the clock. The reference (:mod:`local.simulation.reference`) takes the same steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jifen.domain.events import BehaviourEvent
from jifen.domain.money import Money
from jifen.domain.orders import OrderEvent


@dataclass(frozen=True, slots=True)
class Facts:
    """Order events that were posted together, in this order; some may be known already."""

    events: tuple[OrderEvent, ...]


@dataclass(frozen=True, slots=True)
class Redeem:
    """Spend ``points`` at once; ``id`` is the redemption's id."""

    member: str
    id: str
    points: int
    order_id: str | None = None
    order_total: Money | None = None


@dataclass(frozen=True, slots=True)
class Authorize:
    """Reserve ``points`` for ``expires_in_s`` seconds (None: the program's usual time)."""

    member: str
    id: str
    points: int
    order_id: str | None = None
    expires_in_s: int | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Spend ``points`` (None: all) of a hold; the rest is released."""

    hold_id: str
    points: int | None = None


@dataclass(frozen=True, slots=True)
class Void:
    """Give all of a hold back."""

    hold_id: str


@dataclass(frozen=True, slots=True)
class Restore:
    """Put ``points`` (None: all that is left) of a redemption or captured hold back into their lots."""

    document_id: str
    points: int | None = None


@dataclass(frozen=True, slots=True)
class Expire:
    """Write down what time has done to an account."""

    member: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A reminder worker claims what is due; what time has done to the account is written with it."""

    member: str


@dataclass(frozen=True, slots=True)
class Happen:
    """A behaviour event comes in."""

    event: BehaviourEvent


@dataclass(frozen=True, slots=True)
class CheckIn:
    """A member checks in for today, under an idempotency key."""

    member: str
    key: str


@dataclass(frozen=True, slots=True)
class MakeUp:
    """A member makes up for the last missed day, under an idempotency key."""

    member: str
    key: str


@dataclass(frozen=True, slots=True)
class Review:
    """An operator approves an event with ``points`` (None: those proposed), or rejects it."""

    member: str
    event_id: str
    approve: bool = True
    points: int | None = None


@dataclass(frozen=True, slots=True)
class Steer:
    """An operator pauses, resumes, ends or cancels a campaign (``how``)."""

    campaign: str
    how: str


Spending = Redeem | Authorize | Capture | Void | Restore
Behaving = Happen | CheckIn | MakeUp | Review | Steer
Step = Facts | Spending | Behaving | Expire | Claim


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal by its stable code; ``available`` where it names what the account has."""

    code: str
    available: int | None = None


Answer = Mapping[str, Any]
"""The answer of the API, as far as it is about points; see ``Reference.apply``."""
