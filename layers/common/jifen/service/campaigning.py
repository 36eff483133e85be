"""Campaigns: prepared from a template or from free rules, scheduled into the program, paused and ended with one call.

    create ──> CampaignDraft ──schedule──> a new version of the program: the one in force and this campaign
                    │                              │
                    └─cancel─> CANCELED            └─> CampaignState: pause, resume, end, cancel: one conditional write,
                                                       read with every award that may fall under it

Scheduling is a publication like any other (:mod:`jifen.service.ruling`): the check of rules is asked, the version has a
number, and rolling back takes the campaign out again. The rules, the window and the budget of a campaign never change;
another one is another campaign.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from jifen.domain.campaigns import CampaignState, CampaignStatus, status_at
from jifen.domain.entries import instant_text
from jifen.domain.errors import (
    CampaignExists,
    CampaignNotFound,
    CampaignUnbounded,
    Fault,
    InvalidProgram,
    WrongStatus,
)
from jifen.domain.money import minor_per_unit
from jifen.domain.operator_views import CampaignsView, CampaignView, TemplatesView
from jifen.domain.points import Rounding, rounded
from jifen.domain.program import Program
from jifen.domain.rules.model import CHECKED_IN, Campaign, Multiplier
from jifen.domain.ruling import CampaignDraft, DraftStatus, ProgramInForce, RuleVersion, rules_fingerprint
from jifen.service.answering import Answer, Outcome
from jifen.service.in_force import read_program
from jifen.service.ports import CAMPAIGN_DRAFTS, CampaignDraftKey, CampaignKey
from jifen.service.ruling import Data, Desk, canonical, kept_as, publication, published_details

# Templates -----------------------------------------------------------------------------------------------------------


def _given(asked: Data, **names: str) -> dict[str, Any]:
    """What was given of ``names``, each under the key of the program file that it is for."""
    return {key: asked[name] for name, key in names.items() if name in asked}


def _check_in_gift(asked: Data) -> dict[str, Any]:
    rule = {"id": "gift", "on": CHECKED_IN, "fixed": asked["points"], "caps": [{"per": "day", "times": 1}]}
    return rule | ({"when": when} if (when := _given(asked, tiers="tier")) else {})


def _points_multiplier(asked: Data) -> dict[str, Any]:
    rule = {"id": "multiplier", "multiply": asked["by"]}
    when = _given(asked, categories="category", products="product", tiers="tier", regions="region", tags="tag")
    return rule | ({"when": when} if when else {})


def _amount_from(asked: Data) -> dict[str, Any]:
    return {"amount_minor": {"min": asked["from_minor"]}} if "from_minor" in asked else {}


def _fixed_bonus(asked: Data) -> dict[str, Any]:
    rule = {"id": "bonus", "fixed": asked["points"]}
    when = _given(asked, tiers="tier") | _amount_from(asked)
    caps = [{"per": "ever", "times": asked["times"]}] if "times" in asked else []
    return rule | ({"when": when} if when else {}) | ({"caps": caps} if caps else {})


def _first_order_bonus(asked: Data) -> dict[str, Any]:
    return {"id": "first-order", "fixed": asked["points"], "when": {"first_order": True} | _amount_from(asked)}


def _happy_hour(asked: Data) -> dict[str, Any]:
    window = _given(asked, weekdays="weekdays", hours="hours")
    return {"id": "happy-hour", "multiply": asked["by"], "when": {"window": window} | _given(asked, tiers="tier")}


def _exchange_discount(asked: Data) -> dict[str, Any]:
    return _given(asked, by="by", categories="categories", rewards="rewards", kinds="kinds")


@dataclass(frozen=True, slots=True)
class Template:
    """A way to make the one rule of a campaign, or its discount on exchanges, of what is asked.

    Attributes:
        id: its name.
        title: what it is, for people.
        needs, takes: names that have to be given, and that may be.
        example: what could be given.
        make: makes it.
        part: of the campaign that it is: ``rules`` or ``exchange``.
    """

    id: str
    title: str
    needs: tuple[str, ...]
    takes: tuple[str, ...]
    example: Data
    make: Callable[[Data], dict[str, Any]]
    part: str = "rules"


TEMPLATES = (
    Template("check_in_gift", "Points for checking in", ("points",), ("tiers",), {"points": 20}, _check_in_gift),
    Template(
        "points_multiplier",
        "Times the points of orders",
        ("by",),
        ("categories", "products", "tiers", "regions", "tags"),
        {"by": "2", "categories": ["tea"]},
        _points_multiplier,
    ),
    Template(
        "fixed_bonus",
        "Points for an order",
        ("points",),
        ("from_minor", "times", "tiers"),
        {"points": 50, "from_minor": 10_000, "times": 1},
        _fixed_bonus,
    ),
    Template(
        "first_order_bonus",
        "Points for a member's first order",
        ("points",),
        ("from_minor",),
        {"points": 100},
        _first_order_bonus,
    ),
    Template(
        "weekday_happy_hour",
        "Times the points on some days and hours",
        ("by", "weekdays"),
        ("hours", "tiers"),
        {"by": "2", "weekdays": ["fri"], "hours": ["20:00-22:00"]},
        _happy_hour,
    ),
    Template(
        "exchange_discount",
        "Fewer points for a reward",
        ("by",),
        ("categories", "rewards", "kinds"),
        {"by": "0.80", "categories": ["home"]},
        _exchange_discount,
        "exchange",
    ),
)


def templates_view() -> TemplatesView:
    """The templates there are."""
    return {
        "templates": [
            {
                "id": one.id,
                "title": one.title,
                "needs": list(one.needs),
                "takes": list(one.takes),
                "example": dict(one.example),
                "available": True,
            }
            for one in TEMPLATES
        ]
    }


def made_of(template: str, asked: Data) -> dict[str, Any]:
    """What a template makes: the part of a campaign, ``rules`` or ``exchange``.

    Raises:
        InvalidProgram: there is no such template, or what it needs is not given.
    """
    found = next((one for one in TEMPLATES if one.id == template), None)
    if found is None:
        raise InvalidProgram([Fault("template", f"is none of {', '.join(one.id for one in TEMPLATES)}")])
    known = (*found.needs, *found.takes)
    faults = [
        Fault(f"with.{name}", f"is not known here; known are {', '.join(known)}") for name in asked.keys() - known
    ]
    faults += [Fault(f"with.{name}", "is needed") for name in found.needs if name not in asked]
    if faults:
        raise InvalidProgram(sorted(faults))
    made = found.make(asked)
    return {found.part: made if found.part == "exchange" else [made]}


# Use cases -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """A campaign as an operator writes it: what stands in the program file, and the template behind its rules."""

    campaign: Data
    template: str = ""
    note: str = ""

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.campaign["id"])


def create(desk: Desk, asked: Asked) -> Answer:
    """Prepare a campaign; it gives nothing before it is scheduled.

    Raises:
        InvalidProgram: with every fault by its path in the campaign.
        CampaignExists, IdempotencyKeyReused, Busy
    """

    def decide(line_id: str) -> Outcome:
        in_force, draft, state = desk.in_force(), _draft(desk, asked.id), _state(desk, asked.id)
        _, program = _with_campaign(desk, in_force, asked.campaign)
        if draft is not None or state.version:
            raise CampaignExists
        text = canonical(asked.campaign)
        written = CampaignDraft(asked.id, text, asked.template, asked.note, desk.actor, desk.moment.now)
        line = desk.line(line_id, "campaign.drafted", f"campaign/{asked.id}", asked.note, {"template": asked.template})
        view = _view(desk, written, state, program, in_force=False) | {"findings": desk.findings(program)}
        return Outcome(201, view, (written, line))

    return desk.once("create campaign", [asked.campaign, asked.template, asked.note], decide)


def schedule(desk: Desk, campaign_id: str, reason: str, override: str | None, *, unbounded: bool) -> Answer:
    """Publish the program in force with this campaign in it; its own window says when it begins.

    ``unbounded``: whether the caller may let one run without a last day or a budget, or lower what other rules give.

    Raises:
        CampaignNotFound, WrongStatus, CampaignUnbounded, LintBlocks, InvalidProgram, IdempotencyKeyReused, Busy
    """

    def decide(line_id: str) -> Outcome:
        in_force, draft, state = desk.in_force(), _draft(desk, campaign_id), _state(desk, campaign_id)
        if draft is None:
            raise CampaignNotFound
        status = _status(draft, _program(desk, in_force).rules.campaign(campaign_id), state, desk.moment.now)
        if status is not CampaignStatus.DRAFT:
            raise WrongStatus(status_now=str(status), needs=[str(CampaignStatus.DRAFT)])
        written_down = json.loads(draft.campaign)
        text, program = _with_campaign(desk, in_force, written_down)
        # What a discount takes off is bounded by its last day, and by the stock and the limits of rewards.
        bounds = ("until", "budget_points") if written_down.get("rules") else ("until",)
        missing = [name for name in bounds if name not in written_down]
        missing += [f"multiply of 1 or more in {name}" for name in _lowering(program, campaign_id)]
        if missing and not unbounded:
            raise CampaignUnbounded(needs=missing)
        print_, now = rules_fingerprint(program.rules.source), desk.moment.now
        written = RuleVersion(
            in_force.highest + 1, print_, text, f"campaign {campaign_id}", desk.actor, now, in_force.number
        )
        program = replace(program, rules=replace(program.rules, version=written.number))
        made = publication(desk, in_force, written, program, reason, override)
        scheduled = replace(draft, status=DraftStatus.SCHEDULED, number=written.number)
        details = published_details(made, in_force) | {"ruleset": written.number}
        line = desk.line(line_id, "campaign.scheduled", f"campaign/{campaign_id}", reason, details)
        view = _view(desk, scheduled, state, program, in_force=True) | {"findings": made.findings}
        return Outcome(200, view, (*made.documents, scheduled, line))

    return desk.once("schedule campaign", [campaign_id, reason, override], decide)


def _lowering(program: Program, campaign_id: str) -> list[str]:
    """The rules of a campaign that take points from others, which no budget bounds."""
    rules = (rule for rule in program.rules.rules if rule.campaign == campaign_id)
    return [rule.id for rule in rules if isinstance(rule.effect, Multiplier) and rule.effect.by < 1]


_RUNNING = (CampaignStatus.SCHEDULED, CampaignStatus.ACTIVE)
_OPEN = (*_RUNNING, CampaignStatus.PAUSED)

STEPS: Mapping[str, tuple[tuple[CampaignStatus, ...], CampaignStatus]] = {
    "pause": (_RUNNING, CampaignStatus.PAUSED),
    "resume": ((CampaignStatus.PAUSED,), CampaignStatus.ACTIVE),
    "end": ((CampaignStatus.ACTIVE, CampaignStatus.PAUSED), CampaignStatus.ENDED),
    "cancel": (_OPEN, CampaignStatus.CANCELED),
}
"""What an operator may do with a campaign that is in force: from which statuses, and what it becomes."""

_DONE = {"pause": "paused", "resume": "resumed", "end": "ended", "cancel": "canceled"}


def step(desk: Desk, campaign_id: str, name: str, reason: str) -> Answer:
    """Pause, resume, end or cancel a campaign: the very next award goes by it. A draft can be canceled only.

    Raises:
        CampaignNotFound, WrongStatus, IdempotencyKeyReused, Busy
    """
    allowed, after = STEPS[name]

    def decide(line_id: str) -> Outcome:
        in_force, draft, state = desk.in_force(), _draft(desk, campaign_id), _state(desk, campaign_id)
        program = _program(desk, in_force)
        campaign = program.rules.campaign(campaign_id)
        if draft is None and campaign is None:
            raise CampaignNotFound
        status = _status(draft, campaign, state, desk.moment.now)
        line = desk.line(line_id, f"campaign.{_DONE[name]}", f"campaign/{campaign_id}", reason, {"was": str(status)})
        if campaign is None and draft is not None and name == "cancel" and status is CampaignStatus.DRAFT:
            canceled = replace(draft, status=DraftStatus.CANCELED)
            return Outcome(200, _view(desk, canceled, state, program, in_force=False), (canceled, line))
        if campaign is None or status not in allowed:
            needs = [str(one) for one in allowed] if campaign is not None else [str(CampaignStatus.DRAFT)]
            raise WrongStatus(status_now=str(status), needs=needs)
        changed = replace(state, status=after)
        return Outcome(200, _view(desk, draft, changed, program, in_force=True), (changed, line))

    return desk.once(f"{name} campaign", [campaign_id, reason], decide)


# Reading -------------------------------------------------------------------------------------------------------------


def campaign_view(desk: Desk, campaign_id: str) -> CampaignView:
    """One campaign with what it has given until now.

    Raises:
        CampaignNotFound
    """
    program, draft = _program(desk, desk.in_force()), _draft(desk, campaign_id)
    campaign = program.rules.campaign(campaign_id)
    if draft is None and campaign is None:
        raise CampaignNotFound
    state = _state(desk, campaign_id)
    return _view(desk, draft, state, program, in_force=campaign is not None)


def campaigns_view(desk: Desk, before: str | None, limit: int) -> CampaignsView:
    """Campaigns in force, then a page of the others that were prepared; the cursor is the ledger's own."""
    program = _program(desk, desk.in_force())
    page = desk.ledger.listed(CAMPAIGN_DRAFTS, before, limit)
    listed = {one.id: one for one in page.documents if isinstance(one, CampaignDraft)}
    in_force = {one.id: one for one in program.rules.campaigns}
    first = in_force if before is None else {}
    drafts = _drafts(desk, first.keys() - listed.keys()) | listed
    ids = [*first, *(name for name in listed if name not in in_force)]
    states = _states(desk, ids)
    found = [_view(desk, drafts.get(name), states[name], program, in_force=name in in_force) for name in ids]
    return {"campaigns": found, "cursor": page.cursor}


def _program(desk: Desk, in_force: ProgramInForce) -> Program:
    return read_program(in_force.number, in_force.program) if in_force.number else desk.own


def _with_campaign(desk: Desk, in_force: ProgramInForce, campaign: Data) -> tuple[str, Program]:
    """The program file in force with one campaign more, and what it says.

    Raises:
        InvalidProgram: faults of the campaign by their path in it, all others by theirs in the file.
        CampaignExists: it has one of this id.
    """
    data = desk.data_of(in_force)
    earning = dict(data.get("earning", {}))
    others = list(earning.get("campaigns", ()))
    if any(one["id"] == campaign["id"] for one in others):
        raise CampaignExists
    whole = data | {"earning": earning | {"campaigns": [*others, campaign]}}
    try:
        return kept_as(whole)
    except InvalidProgram as wrong:
        own = f"earning.campaigns[{len(others)}]."
        raise InvalidProgram([Fault(one.field.removeprefix(own), one.problem) for one in wrong.faults]) from wrong


def _draft(desk: Desk, campaign_id: str) -> CampaignDraft | None:
    return _drafts(desk, [campaign_id]).get(campaign_id)


def _drafts(desk: Desk, ids: Iterable[str]) -> dict[str, CampaignDraft]:
    found = desk.ledger.load([], [CampaignDraftKey(name) for name in ids]).documents.values()
    return {one.id: one for one in found if isinstance(one, CampaignDraft)}


def _state(desk: Desk, campaign_id: str) -> CampaignState:
    return _states(desk, [campaign_id])[campaign_id]


def _states(desk: Desk, ids: Iterable[str]) -> dict[str, CampaignState]:
    """The state of each campaign; one that nothing touched yet is as it begins."""
    keys = {name: CampaignKey(name) for name in ids}
    found = desk.ledger.load([], list(keys.values())).documents
    states = {name: found.get(key) for name, key in keys.items()}
    return {name: one if isinstance(one, CampaignState) else CampaignState(name) for name, one in states.items()}


def _status(
    draft: CampaignDraft | None, campaign: Campaign | None, state: CampaignState, now: datetime
) -> CampaignStatus:
    """What a campaign is now; one that the program in force has not got is a draft, unless it was ended for good."""
    if campaign is not None:
        return status_at(campaign, state, now)
    if draft is not None and draft.status is DraftStatus.CANCELED:
        return CampaignStatus.CANCELED
    ended = state.status in {CampaignStatus.ENDED, CampaignStatus.CANCELED}
    return state.status if ended else CampaignStatus.DRAFT


def _view(
    desk: Desk,
    draft: CampaignDraft | None,
    state: CampaignState,
    program: Program,
    *,
    in_force: bool,
) -> CampaignView:
    """A campaign as the API shows it; ``program`` has it where it is ``in_force``."""
    campaign = program.rules.campaign(state.id) if in_force else None
    data = json.loads(draft.campaign) if draft is not None else _written(program, state.id)
    budget = data.get("budget_points")
    return {
        "id": state.id,
        "title": data.get("title", ""),
        "status": str(_status(draft, campaign, state, desk.moment.now)),
        "in_force": in_force,
        "starts": instant_text(campaign.starts) if campaign and campaign.starts else None,
        "ends": instant_text(campaign.ends) if campaign and campaign.ends else None,
        "budget_points": budget,
        "left": None if budget is None else max(0, budget - state.spent),
        "spent": state.spent,
        "given": state.given,
        "taken_back": state.taken_back,
        "awards": state.awards,
        "kept_minor": state.kept_minor,
        "points_per_unit": _per_unit(state, program),
        "template": draft.template if draft else "",
        "note": draft.note if draft else "",
        "by": draft.by if draft else "",
        "ruleset": program.rules.version if in_force else 0,
        "campaign": data,
    }


def _written(program: Program, campaign_id: str) -> dict[str, Any]:
    """A campaign as it stands in the program file."""
    campaigns: list[dict[str, Any]] = json.loads(program.rules.source)["earning"]["campaigns"]
    return next(one for one in campaigns if one["id"] == campaign_id)


def _per_unit(state: CampaignState, program: Program) -> str | None:
    """Points in members' hands for each unit of the currency that was kept, to a thousandth."""
    if not state.kept_minor:
        return None
    per_unit = minor_per_unit(program.currency) if program.currency else 100
    thousandths = rounded(1_000 * state.spent * per_unit, state.kept_minor, Rounding.HALF_UP)
    return f"{thousandths // 1_000}.{thousandths % 1_000:03d}"
