"""Notices as data, for those who tell the member in their own way: the shop's endpoints, and its event bus."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from jifen.domain.notices import Notice


def webhook_data(
    message_id: str,
    member: str,
    notices: Sequence[Notice],
    available: int,
    today: date,
    language: str,
    *,
    trial: bool = False,
) -> dict[str, Any]:
    """The data of an event of type ``notice``: everything that a member is told at once.

    Points are whole, days are of the program's time zone; ``trial`` says that an operator only looks at it.
    """
    return {
        "message_id": message_id,
        "member_id": member,
        "language": language,
        "available": available,
        "today": today.isoformat(),
        "trial": trial,
        "notices": [{"notice_id": one.id, "kind": str(one.kind), "facts": dict(one.facts)} for one in notices],
    }


def event_detail(notice: Notice, available: int, *, trial: bool = False) -> dict[str, Any]:
    """The detail of one notice's event."""
    detail = {"notice_id": notice.id, "member_id": notice.member, **notice.facts, "available": available}
    return detail | ({"trial": True} if trial else {})
