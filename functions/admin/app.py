"""Operators: the program and its versions, campaigns, the queue of reviews, and who did what.

An operator prepares: drafts and campaigns. What puts other rules in force for every member (publishing, rolling back,
replacing the whole file) is an administrator's, so that it takes two roles to change what points are given for; so is
overriding what the check of rules found. A campaign that has a last day and a budget is scheduled by either, and any
campaign is stopped by either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, StrictBool, StrictInt, StrictStr

from jifen import runtime
from jifen.domain.calendar import local_day
from jifen.domain.dry_run_views import SimulationView
from jifen.domain.errors import (
    CampaignExists,
    CampaignNotFound,
    CampaignUnbounded,
    Fault,
    InvalidInput,
    InvalidProgram,
    LintBlocks,
    RuleSetNotFound,
    RulesMoved,
    WrongStatus,
)
from jifen.domain.operator_views import (
    AuditView,
    CampaignsView,
    CampaignView,
    ProgramView,
    ReviewsView,
    RuleSetsView,
    RuleSetWhole,
    RuleSetWritten,
    TemplatesView,
)
from jifen.domain.program import Program
from jifen.http import ADMIN, OPERATOR, Answer, HttpApi, reply
from jifen.service import campaigning, ruling, shelves
from jifen.service.campaigning import Asked
from jifen.service.ports import CAMPAIGN_DRAFTS, REVIEWS, RULE_VERSIONS, Shelf, audit_of
from jifen.service.ruling import Desk, Finding
from jifen.service.shelves import Bookmarks

api = HttpApi("admin")

PROGRAM_BYTES_MAX = 256_000
"""A program of a hundred rules is longer than other requests; it is kept packed, far below the size of an item."""

PUBLISHING = (InvalidProgram, LintBlocks)
STEPPING = (CampaignNotFound, WrongStatus)

_NUMBER = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)
_CAMPAIGN_ID = r"^[a-z0-9][a-z0-9_.-]{0,63}$"

_DAY = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"

Id = Annotated[StrictStr, Field(min_length=1, max_length=128)]
Text = Annotated[StrictStr, Field(max_length=500)]
Override = Annotated[StrictStr, Field(min_length=1, max_length=500, description="Why in spite of what the check found")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProgramFile(RootModel[dict[str, Any]]):
    """The program file itself; see docs/program.md."""


class DraftRequest(RootModel[dict[str, Any]]):
    """The program file itself, or ``{"program": {...}, "note": "..."}``."""


class PublishRequest(_Body):
    """Why; ``rebase`` publishes also over a version that came into force after the draft was made."""

    reason: Text = ""
    override: Override | None = None
    rebase: StrictBool = False


class ScheduleRequest(_Body):
    """Why."""

    reason: Text = ""
    override: Override | None = None


class ReasonRequest(_Body):
    """Why."""

    reason: Text = ""


class CampaignRequest(_Body):
    """A campaign, from a ``template`` with what it needs, or of free ``rules`` and an ``exchange`` discount.

    All else is as in the program file.
    """

    id: Annotated[StrictStr, Field(pattern=_CAMPAIGN_ID)]
    title: Text | None = None
    since: Annotated[StrictStr | None, Field(alias="from", max_length=40)] = None
    until: Annotated[StrictStr | None, Field(max_length=40)] = None
    budget_points: StrictInt | None = None
    template: Text | None = None
    given: Annotated[dict[str, Any] | None, Field(alias="with")] = None
    rules: list[dict[str, Any]] | None = None
    exchange: dict[str, Any] | None = None
    note: Text = ""

    def asked(self) -> Asked:
        """The campaign as the program file has it.

        Raises:
            InvalidInput: it has neither a template nor rules nor a discount, or both.
            InvalidProgram: the template cannot be had so.
        """
        said = (("rules", self.rules), ("exchange", self.exchange))
        free = {name: part for name, part in said if part is not None}
        if bool(free) == (self.template is not None):
            named = next(iter(free), "rules")
            raise InvalidInput([Fault(named, "goes in place of a template, and one of the two is needed")])
        if self.template is None and self.given is not None:
            raise InvalidInput([Fault("with", "belongs to a template")])
        made = free if self.template is None else campaigning.made_of(self.template, self.given or {})
        written = {
            "id": self.id,
            "title": self.title,
            "from": self.since,
            "until": self.until,
            "budget_points": self.budget_points,
            **made,
        }
        whole = {name: value for name, value in written.items() if value is not None}
        return Asked(whole, self.template or "", self.note)


class StandingRequest(_Body):
    """What is said of nobody in particular: left out is as a new member has it."""

    tier: Id | None = None
    orders: Annotated[StrictInt, Field(ge=0, le=1_000_000, description="orders kept until now")] = 0
    last_order_on: Annotated[StrictStr | None, Field(pattern=_DAY)] = None
    birthday: Annotated[StrictStr | None, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")] = None
    region: Id | None = None
    tags: Annotated[list[Id], Field(max_length=20)] = []


class PastRequest(_Body):
    """Whose past: members by id, or everybody with dated points, a page at a time."""

    members: Annotated[list[Id], Field(max_length=50)] = []
    cursor: Annotated[StrictStr | None, Field(max_length=1_000)] = None


class SimulateRequest(_Body):
    """One of ``order``, ``event``, ``orders`` and ``past``; the first two for a member or for a stated standing."""

    order: Annotated[dict[str, Any] | None, Field(description="an order.paid; only its lines are needed")] = None
    event: Annotated[dict[str, Any] | None, Field(description="a behaviour event; only its type is needed")] = None
    orders: Annotated[list[dict[str, Any]] | None, Field(max_length=200)] = None
    past: PastRequest | None = None
    member_id: Id | None = None
    standing: StandingRequest | None = None


class PutQuery(BaseModel):
    """Why the program is replaced."""

    reason: Annotated[str, Field(max_length=500)] = ""
    override: Annotated[str | None, Field(min_length=1, max_length=500)] = None


class PageQuery(BaseModel):
    """Where to go on."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=1_000)] = None


class AuditQuery(PageQuery):
    """Which month, in UTC; left out, this one."""

    month: Annotated[str | None, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")] = None


# The program ---------------------------------------------------------------------------------------------------------


@api.get("/v1/program", "The program in force", ProgramView)
def program() -> Answer:
    """The program file that counts now, with the number of its version."""
    return reply(200, ruling.program_view(_desk(OPERATOR, ADMIN)))


@api.put("/v1/program", "Replace the program at once", ProgramView, *PUBLISHING, bytes_max=PROGRAM_BYTES_MAX)
def put_program(body: ProgramFile, query: PutQuery) -> Answer:
    """Publish a program file without a draft; the one that is in force changes nothing."""
    done = ruling.put(_desk(ADMIN), body.root, query.reason, query.override)
    runtime.current().in_force.forget()
    return reply(200, done)


@api.post("/v1/rulesets", "Draft a program", RuleSetWritten, InvalidProgram, status=201, bytes_max=PROGRAM_BYTES_MAX)
def draft(body: DraftRequest) -> Answer:
    """201 with the number of the draft, what it changes, and what the check of rules found."""
    data, note = _drafted(body.root)
    return reply(201, ruling.draft(_keyed(OPERATOR, ADMIN), data, note))


@api.get("/v1/rulesets", "Versions of the program, newest first", RuleSetsView)
def rule_sets(query: PageQuery) -> Answer:
    """Drafts and published versions, without their program files."""
    desk, marks = _desk(OPERATOR, ADMIN), _bookmarks(RULE_VERSIONS)
    page = ruling.rule_sets_view(desk, marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


@api.get("/v1/rulesets/<ruleset_id>", "One version of the program", RuleSetWhole, RuleSetNotFound, InvalidProgram)
def rule_set(ruleset_id: str) -> Answer:
    """Its program file, how it differs from the one in force, and what the check of rules finds."""
    return reply(200, ruling.rule_set_view(_desk(OPERATOR, ADMIN), _number(ruleset_id)))


@api.post(
    "/v1/rulesets/<ruleset_id>/publish",
    "Put a draft in force",
    RuleSetWritten,
    RuleSetNotFound,
    RulesMoved,
    WrongStatus,
    *PUBLISHING,
)
def publish(ruleset_id: str, body: PublishRequest | None = None) -> Answer:
    """200 with the version, what it changes, and what the check of rules found."""
    asked = body or PublishRequest()
    desk, number = _keyed(ADMIN), _number(ruleset_id)
    done = ruling.publish(desk, number, asked.reason, asked.override, rebase=asked.rebase)
    runtime.current().in_force.forget()
    return reply(200, done)


@api.post(
    "/v1/rulesets/<ruleset_id>/roll-back",
    "Put an earlier version in force again",
    RuleSetWritten,
    RuleSetNotFound,
    WrongStatus,
    InvalidProgram,
)
def roll_back(ruleset_id: str, body: ReasonRequest | None = None) -> Answer:
    """200 with the version; 0 is the stack's own program."""
    done = ruling.roll_back(_keyed(ADMIN), _number(ruleset_id), body.reason if body else "")
    runtime.current().in_force.forget()
    return reply(200, done)


@api.post(
    "/v1/rulesets/<ruleset_id>/simulate",
    "Try a version of the program without publishing it",
    SimulationView,
    RuleSetNotFound,
    InvalidProgram,
    bytes_max=PROGRAM_BYTES_MAX,
)
def simulate(ruleset_id: str, body: SimulateRequest) -> Answer:
    """200 with what it would give beside the version in force; ``current`` is that one. Nothing is written."""
    # What tries programs imports all that earns, which no other route needs.
    from jifen.service import simulating  # noqa: PLC0415

    api.caller(OPERATOR, ADMIN)
    api.idempotency_key()
    here = runtime.current()
    number = None if ruleset_id == "current" else _number(ruleset_id)
    versions = simulating.versions(here.ledger, here.own_program, number)
    secret = here.settings.signing_secret.encode()
    desk = simulating.Simulating(here.ledger, versions, here.clock(), here.settings.shards, secret)
    return reply(200, simulating.answer(desk, body.model_dump(exclude_unset=True), here.read_order))


# Campaigns -----------------------------------------------------------------------------------------------------------


@api.get("/v1/campaign-templates", "Templates of campaigns", TemplatesView)
def templates() -> Answer:
    """What each needs and may take, with an example."""
    api.caller(OPERATOR, ADMIN)
    return reply(200, campaigning.templates_view())


@api.get("/v1/campaigns", "Campaigns, those in force first", CampaignsView)
def campaigns(query: PageQuery) -> Answer:
    """Each with its status and what it has given until now."""
    desk, marks = _desk(OPERATOR, ADMIN), _bookmarks(CAMPAIGN_DRAFTS)
    page = campaigning.campaigns_view(desk, marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


@api.post("/v1/campaigns", "Prepare a campaign", CampaignView, InvalidProgram, CampaignExists, status=201)
def create_campaign(body: CampaignRequest) -> Answer:
    """201 with the draft; it gives nothing before it is scheduled."""
    desk = _keyed(OPERATOR, ADMIN)
    return reply(201, campaigning.create(desk, body.asked()))


@api.get("/v1/campaigns/<campaign_id>", "One campaign", CampaignView, CampaignNotFound)
def campaign(campaign_id: str) -> Answer:
    """Its status, its budget, and what it has given until now."""
    return reply(200, campaigning.campaign_view(_desk(OPERATOR, ADMIN), _campaign(campaign_id)))


@api.post(
    "/v1/campaigns/<campaign_id>/schedule",
    "Put a campaign into the program",
    CampaignView,
    CampaignUnbounded,
    *STEPPING,
    *PUBLISHING,
)
def schedule(campaign_id: str, body: ScheduleRequest | None = None) -> Answer:
    """200 with the campaign: a new version of the program is in force, and the window says when it begins."""
    asked = body or ScheduleRequest()
    desk = _keyed(*((ADMIN,) if asked.override else (OPERATOR, ADMIN)))
    unbounded = ADMIN in api.caller(OPERATOR, ADMIN).scopes
    done = campaigning.schedule(desk, _campaign(campaign_id), asked.reason, asked.override, unbounded=unbounded)
    runtime.current().in_force.forget()
    return reply(200, done)


@api.post("/v1/campaigns/<campaign_id>/pause", "Pause a campaign", CampaignView, *STEPPING)
def pause(campaign_id: str, body: ReasonRequest | None = None) -> Answer:
    """200 with the campaign; the very next award gets nothing of it."""
    return _step(campaign_id, "pause", body)


@api.post("/v1/campaigns/<campaign_id>/resume", "Let a paused campaign run on", CampaignView, *STEPPING)
def resume(campaign_id: str, body: ReasonRequest | None = None) -> Answer:
    """200 with the campaign."""
    return _step(campaign_id, "resume", body)


@api.post("/v1/campaigns/<campaign_id>/end", "End a campaign before its time", CampaignView, *STEPPING)
def end(campaign_id: str, body: ReasonRequest | None = None) -> Answer:
    """200 with the campaign; it cannot be begun again."""
    return _step(campaign_id, "end", body)


@api.post("/v1/campaigns/<campaign_id>/cancel", "Cancel a campaign", CampaignView, *STEPPING)
def cancel(campaign_id: str, body: ReasonRequest | None = None) -> Answer:
    """200 with the campaign, or with the draft; it cannot be begun again."""
    return _step(campaign_id, "cancel", body)


# What was done, and what waits ---------------------------------------------------------------------------------------


@api.get("/v1/audit", "What operators did, newest first", AuditView)
def audit(query: AuditQuery) -> Answer:
    """A page of a month."""
    api.caller(OPERATOR, ADMIN)
    here = runtime.current()
    month = query.month or f"{here.clock():%Y-%m}"
    marks = _bookmarks(audit_of(month))
    page = shelves.audit_view(here.ledger, month, marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


@api.get("/v1/reviews", "Events that wait for an operator, the longest waiting first", ReviewsView)
def reviews(query: PageQuery) -> Answer:
    """A page of the queue, with the points that each rule proposes."""
    api.caller(OPERATOR, ADMIN)
    marks = _bookmarks(REVIEWS)
    page = shelves.reviews_view(runtime.current().ledger, marks.read(query.cursor), query.limit)
    return reply(200, page | {"cursor": marks.write(page["cursor"])})


# What the routes share -----------------------------------------------------------------------------------------------


def _desk(*scopes: str, key: str = "") -> Desk:
    caller, here = api.caller(*scopes), runtime.current()
    own = here.own_program
    return Desk(
        ledger=here.ledger,
        own=own,
        lint=_lint,
        moment=own.moment(here.clock()),
        patience=here.patience(api.lambda_context),
        subject=caller.subject,
        actor=caller.actor,
        key=key,
    )


def _lint(program: Program) -> Sequence[Finding]:
    """What the check of rules says of a program that counts from today on."""
    # It plays the program, for which it imports all that earns.
    from jifen.domain.lint.check import check  # noqa: PLC0415

    return check(program, local_day(runtime.current().clock(), program.zone))


def _keyed(*scopes: str) -> Desk:
    """The desk of a request that changes something. Who may not ask is told so before a missing key is."""
    api.caller(*scopes)
    return _desk(*scopes, key=api.idempotency_key())


def _bookmarks(shelf: Shelf) -> Bookmarks:
    return Bookmarks(runtime.current().settings.signing_secret.encode(), shelf)


def _number(ruleset_id: str) -> int:
    if not _NUMBER.fullmatch(ruleset_id):
        raise RuleSetNotFound
    return int(ruleset_id)


def _campaign(campaign_id: str) -> str:
    if not re.fullmatch(_CAMPAIGN_ID, campaign_id, re.ASCII):
        raise CampaignNotFound
    return campaign_id


def _drafted(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """The program file in a request for a draft, and its note."""
    if "program" not in body:
        return body, ""
    faults = [Fault(name, "is not known beside a program") for name in body.keys() - {"program", "note"}]
    data, note = body["program"], body.get("note", "")
    if not isinstance(data, dict):
        faults.append(Fault("program", "is not an object"))
    if not isinstance(note, str) or len(note) > 500:  # noqa: PLR2004 - as every text
        faults.append(Fault("note", "is not a text of at most 500 characters"))
    if faults:
        raise InvalidInput(sorted(faults))
    return data, note


def _step(campaign_id: str, name: str, body: ReasonRequest | None) -> Answer:
    desk = _keyed(OPERATOR, ADMIN)
    return reply(200, campaigning.step(desk, _campaign(campaign_id), name, body.reason if body else ""))


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("ledger")
