"""The shapes in which the API shows policies of validity to operators; see :mod:`jifen.domain.views`."""

from __future__ import annotations

from typing import TypedDict

from jifen.domain.views import Day, Instant


class PolicyTotalView(TypedDict):
    """What a policy would do to the accounts of one page: how many, and the points that it would move or void."""

    policy: str
    effect: str
    accounts: int
    points: int


class PolicyCaseView(TypedDict):
    """What a policy would do to one account.

    ``expires_on`` is the first last day among the lots that would move, and ``then`` the first that they would have;
    null for points without one. ``why`` are the figures behind it.
    """

    member_id: str
    policy: str
    effect: str
    points: int
    expires_on: Day | None
    then: Day | None
    why: dict[str, object]


class ValidityPreviewView(TypedDict):
    """One page of what the policies of a program would do on ``day``, if nothing happened until then.

    ``shard`` of ``shards`` is how far the walk through all accounts is.
    """

    ruleset: int
    day: Day
    accounts: int
    totals: list[PolicyTotalView]
    cases: list[PolicyCaseView]
    unreadable: list[str]
    shard: int
    shards: int
    cursor: str | None


class BatchView(TypedDict):
    """What one policy did on one day, and whether it was taken back."""

    id: str
    policy: str
    effect: str
    day: Day
    ruleset: int
    status: str
    at: Instant | None
    reason: str
    by: str
    parts: int
    parts_done: int


class BatchRowView(TypedDict):
    """An account that a batch changed: its entries, the points, and the entries that took it back."""

    member_id: str
    entries: list[int]
    points: int
    settled: bool
    taken_back_by: list[int]


class BatchesView(TypedDict):
    """A page of batches."""

    batches: list[BatchView]
    cursor: str | None


class BatchWhole(BatchView):
    """A batch with a page of its rows."""

    rows: list[BatchRowView]
    cursor: str | None
