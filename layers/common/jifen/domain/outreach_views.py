"""The shapes in which the API shows what members are told: previews, trials, messages that did not go out."""

from __future__ import annotations

from typing import TypedDict

from jifen.domain.views import Instant


class ConsentsView(TypedDict):
    """Messages that the member has allowed in the mini program and that were not sent yet."""

    member_id: str
    consents: int


class PreviewView(TypedDict):
    """What a message would say.

    ``facts`` are what the wording is made of, by kind, and ``sampled`` the kinds that the member has none of, or that
    were asked for without a member: theirs are invented. ``html`` is that of a mail; ``encoding``, ``units`` and
    ``segments`` are those of a text message.
    """

    channel: str
    language: str
    kinds: list[str]
    subject: str | None
    text: str
    html: str | None
    encoding: str | None
    units: int | None
    segments: int | None
    available: int
    facts: dict[str, dict[str, object]]
    sampled: list[str]


class TrialView(TypedDict):
    """What came of a trial: whether the provider took it, and if not, why and whether another try may help."""

    channel: str
    sent: bool
    why: str | None
    again: bool


class FailedNoticeView(TypedDict):
    """A message that ``channel`` never took, after so many tries; ``kinds`` are what it was about."""

    at: Instant
    notice_id: str
    member_id: str
    channel: str
    kinds: list[str]
    why: str
    tries: int


class FailedNoticesView(TypedDict):
    """Messages of a month (2026-11, in UTC), the newest first."""

    month: str
    notices: list[FailedNoticeView]
    cursor: str | None
