"""The shapes in which the API shows rules, campaigns and the audit to operators; see :mod:`jifen.domain.views`.

They stand apart because only one function answers with them, and each shape costs a start.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from jifen.domain.views import Instant


class FindingView(TypedDict):
    """What the check of rules found: ``story`` tells step by step how it is done, with what it gains and costs."""

    code: str
    severity: str
    story: list[str]
    gain_points: int
    cost_minor: int
    rules: list[str]


class ChangeView(TypedDict):
    """What stands at a path of the program file now and after; null where nothing does, its length where it is long."""

    path: str
    old: object
    new: object


class RuleSetView(TypedDict):
    """One version of the program; 0 is the stack's own, which nobody wrote here."""

    number: int
    status: str
    in_force: bool
    fingerprint: str
    note: str
    by: str
    at: Instant | None
    based_on: int
    published_by: str | None
    published_at: Instant | None
    reason: str
    override: str | None


class RuleSetWhole(RuleSetView):
    """One version with its program file, and how it differs from the one in force."""

    program: dict[str, object]
    changes: list[ChangeView]
    findings: list[FindingView]


class RuleSetWritten(RuleSetView):
    """A version that was written or published, and what the check of rules found."""

    changes: list[ChangeView]
    findings: list[FindingView]


class RuleSetsView(TypedDict):
    """A page of versions, the newest first; ``cursor`` goes on below it, null where there is nothing more."""

    rulesets: list[RuleSetView]
    in_force: int
    cursor: str | None


class ProgramView(TypedDict):
    """The program in force: its file, the number of its version (0: the stack's own), and since when."""

    number: int
    previous: int
    fingerprint: str
    since: Instant | None
    program: dict[str, object]
    findings: NotRequired[list[FindingView]]


class CampaignView(TypedDict):
    """A campaign, its budget and what it has given so far; points, and minor units of what buyers kept.

    ``in_force``: whether the program in force has it. ``points_per_unit`` is decimal text: points for each unit of the
    currency that was kept (null: nothing was). ``left`` and ``budget_points`` are null where there is no limit.
    """

    id: str
    title: str
    status: str
    in_force: bool
    starts: Instant | None
    ends: Instant | None
    budget_points: int | None
    left: int | None
    spent: int
    given: int
    taken_back: int
    awards: int
    kept_minor: int
    points_per_unit: str | None
    template: str
    note: str
    by: str
    ruleset: int
    campaign: dict[str, object]
    findings: NotRequired[list[FindingView]]


class CampaignsView(TypedDict):
    """Campaigns in force first, then those being prepared; ``cursor`` goes on, null where there is nothing more."""

    campaigns: list[CampaignView]
    cursor: str | None


class TemplateView(TypedDict):
    """A way to make a campaign: what it ``needs`` and may ``take``, and whether this program can have it now."""

    id: str
    title: str
    needs: list[str]
    takes: list[str]
    example: dict[str, object]
    available: bool


class TemplatesView(TypedDict):
    """The templates of campaigns."""

    templates: list[TemplateView]


class AuditLineView(TypedDict):
    """One thing that an operator did."""

    id: str
    at: Instant
    actor: str
    action: str
    target: str
    reason: str
    details: dict[str, object]


class AuditView(TypedDict):
    """What operators did in a month (UTC), the newest first; ``cursor`` goes on, null where there is nothing more."""

    month: str
    lines: list[AuditLineView]
    cursor: str | None


class ReviewView(TypedDict):
    """An event that waits for an operator, with the points that each rule proposes."""

    member_id: str
    event_id: str
    type: str
    occurred_at: Instant
    data: dict[str, int | str | bool]
    proposed: dict[str, int]


class ReviewsView(TypedDict):
    """The queue, the longest waiting first; ``cursor`` goes on, null where there is nothing more."""

    reviews: list[ReviewView]
    cursor: str | None
