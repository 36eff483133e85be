"""The shapes in which the API shows dry runs; see :mod:`jifen.domain.views`.

They stand apart because one route alone answers with them, and each shape costs a start.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from jifen.domain.views import LotView


class PointsView(TypedDict):
    """Points under the program in force and under the draft, and what the draft gives more."""

    in_force: int
    draft: int
    difference: int


class RulePointsView(PointsView):
    """What one rule gives; ``*allowance`` and ``*forgiven`` are what no rule gives."""

    rule: str


class MemberPointsView(PointsView):
    """What one member has."""

    member_id: str


class OrderPointsView(PointsView):
    """An order that earns something else, with both reasons."""

    shop: str
    order_id: str
    member_id: str | None
    why_in_force: list[dict[str, object]]
    why_draft: list[dict[str, object]]


class ComparisonView(TypedDict):
    """The same past under both programs: how many members gain and lose, and whom it moves most."""

    events: int
    orders: int
    members: int
    gain: int
    lose: int
    total: PointsView
    rules: list[RulePointsView]
    by_member: list[MemberPointsView]
    orders_differ: int
    differing: list[OrderPointsView]
    refused: PointsView


class TriedView(TypedDict):
    """What an order or event would bring its member; ``others`` are points to who invited."""

    status: str
    points: int
    proposed: int
    grants: dict[str, int]
    why: list[dict[str, object]]
    lots: list[LotView]
    others: dict[str, int]
    notes: list[str]


class TriedPairView(TypedDict):
    """What it would bring under both programs, and what the draft gives its member more."""

    in_force: TriedView
    draft: TriedView
    difference: int


class SimulationView(TypedDict):
    """What version ``number`` would give, beside the one ``in_force``: for one order or event, or for many.

    ``incomplete`` are members of whom not everything was looked at; ``cursor`` is where to go on.
    """

    number: int
    in_force: int
    tried: NotRequired[TriedPairView]
    comparison: NotRequired[ComparisonView]
    incomplete: NotRequired[list[str]]
    cursor: NotRequired[str | None]
