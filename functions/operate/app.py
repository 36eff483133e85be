"""Operators: how far the sweeps are, their pause and pace; and validity.

A pause keeps points that are past their day in the accounts and reminders unsent, so it is written into the audit as
every other decision is. Nobody can spend lapsed points while it lasts. Docs: docs/sweeps.md, docs/validity.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from jifen import runtime
from jifen.domain.errors import (
    Fault,
    InvalidInput,
    InvalidProgram,
    RuleSetNotFound,
    SweepNotFound,
    SweepRunNotFound,
    ValidityBatchNotFound,
)
from jifen.domain.sweep_views import SweepRunWhole, SweepsView, SweepView
from jifen.domain.sweeps import PACE_MAX
from jifen.domain.validity_views import BatchesView, BatchView, BatchWhole, ValidityPreviewView
from jifen.http import ADMIN, OPERATOR, Answer, HttpApi, reply
from jifen.service.sweep_watch import UNCHANGED, Watch
from jifen.service.validity import Asked, Previewing, batch_view, batches_view, reverse, version_of

api = HttpApi("operate")

_NUMBER = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)

Text = Annotated[StrictStr, Field(max_length=500)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SweepsQuery(BaseModel):
    """How many of the latest runs of each sweep."""

    runs: Annotated[int, Field(ge=1, le=30)] = 5


class SweepRequest(_Body):
    """What is left out stays as it is; a pace of null is as fast as it goes."""

    paused: StrictBool | None = None
    accounts_per_second: Annotated[StrictInt, Field(ge=1, le=PACE_MAX)] | None = None
    reason: Text = ""


class PreviewRequest(_Body):
    """Which day, and where to go on; left out, it is today or the day on which the first policy starts."""

    day: Annotated[StrictStr | None, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] = None
    cursor: Annotated[StrictStr | None, Field(max_length=1_000)] = None
    limit: Annotated[StrictInt, Field(ge=1, le=500, description="accounts looked at")] = 100


class ReverseRequest(_Body):
    """Why."""

    reason: Annotated[StrictStr, Field(min_length=1, max_length=500)]


class PageQuery(BaseModel):
    """Where to go on."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=1_000)] = None


# Sweeps --------------------------------------------------------------------------------------------------------------


@api.get("/v1/sweeps", "Sweeps and their latest runs", SweepsView)
def sweeps(query: SweepsQuery) -> Answer:
    """Pause, pace and progress of every sweep."""
    return reply(200, _watch().sweeps(query.runs))


@api.put("/v1/sweeps/<sweep>", "Pause, resume or pace a sweep", SweepView, SweepNotFound)
def steer(sweep: str, body: SweepRequest) -> Answer:
    """200 with the sweep; its workers know within seconds, or minutes where they were paused."""
    watch = _watch()
    if not body.model_fields_set & {"paused", "accounts_per_second"}:
        raise InvalidInput([Fault("body", "has neither paused nor accounts_per_second")])
    if "paused" in body.model_fields_set and body.paused is None:
        raise InvalidInput([Fault("paused", "is neither true nor false")])
    pace = body.accounts_per_second if "accounts_per_second" in body.model_fields_set else UNCHANGED
    return reply(200, watch.steer(unquote(sweep), paused=body.paused, pace=pace, reason=body.reason))


@api.get("/v1/sweeps/<sweep>/runs/<run>", "One run of a sweep", SweepRunWhole, SweepNotFound, SweepRunNotFound)
def sweep_run(sweep: str, run: str) -> Answer:
    """Each shard; ``run`` is the instant that the run is for."""
    return reply(200, _watch().run(unquote(sweep), unquote(run)))


# Validity ------------------------------------------------------------------------------------------------------------


@api.post(
    "/v1/rulesets/<ruleset_id>/validity-preview",
    "Try the policies of validity of a version over the accounts",
    ValidityPreviewView,
    RuleSetNotFound,
    InvalidProgram,
    keyed=False,
)
def validity_preview(ruleset_id: str, body: PreviewRequest | None = None) -> Answer:
    """200 with a page of accounts and what would become of them; ``current`` is the version in force."""
    api.caller(OPERATOR, ADMIN)
    asked, here = body or PreviewRequest(), runtime.current()
    number = None if ruleset_id == "current" else _number(ruleset_id)
    found, program = version_of(here.ledger, here.own_program, number)
    previewing = Previewing(here.ledger, found, program, here.clock(), here.settings.shards, _secret())
    return reply(200, previewing.page(_day(asked.day), asked.cursor, asked.limit))


@api.get("/v1/validity/batches", "What policies of validity did, a batch for each policy and day", BatchesView)
def validity_batches(query: PageQuery) -> Answer:
    """Policies from z to a, of each the latest day first."""
    api.caller(OPERATOR, ADMIN)
    return reply(200, batches_view(runtime.current().ledger, _secret(), query.cursor, query.limit))


@api.get("/v1/validity/batches/<batch_id>", "One batch and its accounts", BatchWhole, ValidityBatchNotFound)
def validity_batch(batch_id: str, query: PageQuery) -> Answer:
    """The batch with a page of its rows."""
    api.caller(OPERATOR, ADMIN)
    ledger = runtime.current().ledger
    return reply(200, batch_view(ledger, _secret(), unquote(batch_id), query.cursor, query.limit))


@api.post(
    "/v1/validity/batches/<batch_id>/reverse",
    "Take a batch back",
    BatchView,
    ValidityBatchNotFound,
    status=202,
)
def reverse_batch(batch_id: str, body: ReverseRequest) -> Answer:
    """202 with the batch: it is taken back in the background, and REVERSED once that is done."""
    caller, here = api.caller(ADMIN), runtime.current()
    asked = Asked(caller.subject, caller.actor, api.idempotency_key())
    moment = here.own_program.moment(here.clock())
    patience = here.patience(api.lambda_context)
    done = reverse(here.ledger, here.sweeps, unquote(batch_id), body.reason, asked, moment, patience)
    return reply(202, done)


def _secret() -> bytes:
    return runtime.current().settings.signing_secret.encode()


def _number(text: str) -> int:
    """The number of a version.

    Raises:
        RuleSetNotFound: none has such a number.
    """
    if not _NUMBER.fullmatch(text):
        raise RuleSetNotFound
    return int(text)


def _day(text: str | None) -> date | None:
    """The day of a request.

    Raises:
        InvalidInput: the calendar has no such day.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput([Fault("day", "is not a day such as 2026-11-26")]) from None


def _watch() -> Watch:
    caller, here = api.caller(OPERATOR, ADMIN), runtime.current()
    return Watch(
        ledger=here.ledger,
        own=here.own_program,
        shards=here.settings.shards,
        now=here.clock(),
        actor=caller.actor,
        patience=here.patience(api.lambda_context),
    )


def handler(event: Mapping[str, object], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("swept")
