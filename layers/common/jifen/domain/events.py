"""Behaviour events as facts: what a member did, what came of it, and what each keeps from happening twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class BehaviourEvent:
    """Something a member did, as the shop tells it. ``data`` is whole numbers, texts and booleans by name."""

    type: str
    event_id: str
    member: str
    at: datetime
    data: Mapping[str, int | str | bool] = field(default_factory=dict)


class EventStatus(StrEnum):
    """What came of an event."""

    AWARDED = "AWARDED"
    NOTHING = "NOTHING"
    IN_REVIEW = "IN_REVIEW"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class EventReceipt:
    """An event that was taken in, with the answer it got. ``version`` 0 is one never written.

    While ``status`` is IN_REVIEW, ``proposed`` are the points that wait for an operator, by rule.
    """

    member: str
    event_id: str
    type: str
    at: datetime
    fingerprint: str
    status: EventStatus
    answer: Mapping[str, Any]
    data: Mapping[str, int | str | bool] = field(default_factory=dict)
    proposed: Mapping[str, int] = field(default_factory=dict)
    points: int = 0
    decided_by: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class OnceMark:
    """That a rule has given points for one value of its ``once_per`` field: ``value`` of ``rule`` by ``event_id``."""

    member: str
    rule: str
    value: str
    event_id: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer given to a request, under the caller's idempotency key. ``key`` is a hash over caller and key."""

    key: str
    fingerprint: str
    status: int
    answer: Mapping[str, Any]
    version: int = 0
