"""Notices that did not go out, for an operator to see; nothing waits for them any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class FailedNotice:
    """A message to ``member`` that ``channel`` never took; ``month`` (2026-11, in UTC) is that of ``at``."""

    month: str
    at: datetime
    notice_id: str
    member: str
    channel: str
    why: str
    kinds: tuple[str, ...] = ()
    tries: int = 0
    keep_until: datetime | None = None
    version: int = 0
