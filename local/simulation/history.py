"""What a simulated run has to say: the operations that were committed, in commit order, and what they answered.

A step is one decision of the ledger as somebody outside would name it; ``now`` stands beside it, because the decision
is a function of the clock. The reference (:mod:`local.simulation.reference`) takes the same steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jifen.domain.checkout import Basket
from jifen.domain.events import BehaviourEvent
from jifen.domain.money import Money
from jifen.domain.orders import OrderEvent


@dataclass(frozen=True, slots=True)
class Facts:
    """Order events that were posted together, in this order; some may be known already."""

    events: tuple[OrderEvent, ...]


@dataclass(frozen=True, slots=True)
class Redeem:
    """Spend ``points`` at once; ``id`` is the redemption's id.

    ``order_total`` and ``basket`` say what the order comes to, ``up_to`` asks for as many points as can be used.
    ``password`` is the points password that comes along; it is no part of what is asked.
    """

    member: str
    id: str
    points: int
    order_id: str | None = None
    order_total: Money | None = None
    basket: Basket | None = None
    up_to: bool = False
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Authorize:
    """Reserve ``points`` for ``expires_in_s`` seconds (None: the program's usual time); all else as in Redeem."""

    member: str
    id: str
    points: int
    order_id: str | None = None
    expires_in_s: int | None = None
    order_total: Money | None = None
    basket: Basket | None = None
    up_to: bool = False
    password: str | None = None


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


@dataclass(frozen=True, slots=True)
class Give:
    """A member gives ``points`` to another; ``id`` is the transfer's id, ``password`` as in Redeem."""

    member: str
    id: str
    to: str
    points: int
    password: str | None = None


@dataclass(frozen=True, slots=True)
class TakeBack:
    """A transfer is taken back."""

    transfer_id: str


@dataclass(frozen=True, slots=True)
class SetPassword:
    """A member sets a points password; ``current`` is the one before, where the member names one."""

    member: str
    password: str
    current: str | None = None


@dataclass(frozen=True, slots=True)
class Try:
    """A points password is about to be looked at: the try is counted."""

    member: str


@dataclass(frozen=True, slots=True)
class Clear:
    """A points password was right: the tries are forgotten."""

    member: str


Spending = Redeem | Authorize | Capture | Void | Restore
Behaving = Happen | CheckIn | MakeUp | Review | Steer
Transferring = Give | TakeBack
Guarding = SetPassword | Try | Clear
Step = Facts | Spending | Behaving | Transferring | Guarding | Expire | Claim


def asked(step: Step | None) -> Step | None:
    """What is asked by a step, less the password that comes along."""
    return replace(step, password=None) if isinstance(step, (Redeem, Authorize, Give)) else step


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal by its stable code, with the facts that it names.

    ``available`` is what the account has; ``limit`` the limit that was reached, and ``resets_at`` when it resets or a
    lock ends, as the API says it; ``left`` the tries that are left.
    """

    code: str
    available: int | None = None
    limit: str | None = None
    resets_at: str | None = None
    left: int | None = None


def refused(step: Step, code: str, facts: Mapping[str, Any]) -> Refused:
    """A refusal of the ledger, from its facts; of rules and events by its code alone."""
    available = facts.get("available") if code == "INSUFFICIENT_POINTS" else None
    if isinstance(step, Facts | Behaving):
        return Refused(code, available)
    return Refused(code, available, facts.get("limit"), facts.get("resets_at"), facts.get("tries_left"))


class Declined(Exception):
    """The reference refuses: nothing is changed, and ``said`` is the answer."""

    def __init__(self, code: str, available: int | None = None, **facts: Any) -> None:
        super().__init__(code)
        self.said = Refused(code, available, **facts)


Answer = Mapping[str, Any]
"""The answer of the API, as far as it is about points; see ``Reference.apply``."""
