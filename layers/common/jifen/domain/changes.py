"""Changes: one row of the table as it was and as it is, in the domain's words.

They come from the table's stream, one for each write of a row, and are what events out are made of. A row that was
written again without any difference is a change too: what is told of it is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """One write of one row.

    Attributes:
        row: what kind of row it is: how its sort key begins (``E``, ``A``, ``RO``).
        key: the row's keys, ``<pk>/<sk>``; they name nothing but ids.
        version: of the row after the write; with the key it names this change and no other.
        at: when the table took it, to the second.
        before: what stood there; None where there was nothing.
        after: what stands there now.
    """

    row: str
    key: str
    version: int
    at: datetime
    before: Any
    after: Any


class UnreadableChange(Exception):
    """A record of the stream that cannot be read. ``key`` is the row's, as far as it could be told."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Reach:
    """How a member can be reached: ``channels`` by name, each with a value that tells two addresses apart.

    The values are for comparing only and go nowhere.
    """

    member: str
    channels: Mapping[str, str] = field(default_factory=dict, repr=False)
    language: str = "en"
    time_zone: str = ""
    refuses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefundAlone:
    """A refund of ``shop`` that names no order."""

    shop: str
    refund_id: str
    member: str | None
    at: datetime
