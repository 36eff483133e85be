"""Operators: how far the sweeps are, their pause and pace; and validity.

A pause keeps points that are past their day in the accounts and reminders unsent, so it is written into the audit as
every other decision is. Nobody can spend lapsed points while it lasts. Docs: docs/sweeps.md, docs/validity.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from jifen import runtime
from jifen.domain.errors import Fault, InvalidInput, SweepNotFound, SweepRunNotFound
from jifen.domain.sweep_views import SweepRunWhole, SweepsView, SweepView
from jifen.domain.sweeps import PACE_MAX
from jifen.http import ADMIN, OPERATOR, Answer, HttpApi, reply
from jifen.service.sweep_watch import UNCHANGED, Watch

api = HttpApi("operate")

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
