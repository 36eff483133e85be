"""A run in words, for the person who has to find out what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any

from jifen.domain.orders import OrderEvent
from local.simulation.departments import deed_of, is_deed
from local.simulation.history import (
    Authorize,
    Capture,
    CheckIn,
    Claim,
    Expire,
    Facts,
    Happen,
    MakeUp,
    Redeem,
    Refused,
    Restore,
    Review,
    Steer,
    Step,
    Void,
)
from local.simulation.story import Story


def opening(story: Story) -> Iterator[str]:
    """What the seed has drawn before anything happens."""
    program = story.program
    rates = ", ".join(f"{name} {rate:.0%}" for name, rate in story.rates.items() if rate) or "none"
    yield f"seed      {story.seed} ({story.focus}), from {story.start:%Y-%m-%d %H:%M:%S} UTC in {program.zone}"
    yield f"members   {', '.join(story.members)}; at most {story.lots_max} lots each"
    yield f"rules     {program.rules.source}"
    yield f"program   expiry {_expiry(story)}; clawback {program.clawback}; leads {program.lead_days}"
    for terms in (program.redemption, program.transfers, program.security):
        said = [f"{one.name} {value}" for one in fields(terms) if (value := getattr(terms, one.name)) != one.default]
        yield f"terms     {', '.join(said) or 'as usual'}"
    yield f"faults    {rates}"
    for delivery in (*story.opening, *story.deliveries):
        late = ", given up until the end" if delivery.late else ""
        yield f"message   {delivery.id:<10} {'; '.join(map(event, delivery.events))}{late}"
    for wish in (*story.invites, *story.early):
        yield f"early     {wish.key:<10} {words(wish.step)}"
    for name, wishes in story.clients.items():
        for wish in wishes:
            yield f"{name:<10} {wish.key:<10} {words(wish.step)}"


def _expiry(story: Story) -> str:
    expiry = story.program.expiry
    match expiry.policy:
        case "days":
            return f"{expiry.days} days, {expiry.round_up_to}"
        case "months":
            return f"{expiry.months} months, {expiry.round_up_to}"
        case "fixed_date":
            return f"on {expiry.month_day}"
        case _:
            return "never"


def event(fact: OrderEvent) -> str:
    """An order event in a few words."""
    if fact.paid:
        lines = "+".join(f"{line.amount_minor}{_mark(line.kind)}" for line in fact.paid.lines)
        paid = f"{fact.order_id} paid {lines} by {fact.paid.member or 'a guest'} at {fact.at:%m-%d %H:%M}"
        return f"{paid}, revision {fact.paid.revision}" if fact.paid.revision else paid
    if fact.refund:
        amount = "+".join(str(line.amount_minor) for line in fact.refund.lines) or fact.refund.total_minor
        return f"{fact.order_id} refunded {amount} {fact.refund.currency} ({fact.refund.refund_id})"
    return f"{fact.order_id} cancelled"


def _mark(kind: str) -> str:
    return "" if kind == "goods" else f" {kind}"


_ASKED: Mapping[type, Callable[[Any], str]] = {
    Facts: lambda step: "; ".join(map(event, step.events)),
    Redeem: lambda step: f"{step.member} redeems {_points(step)}",
    Authorize: lambda step: f"{step.member} holds {_points(step)} for {step.expires_in_s or 'the usual'} s",
    Capture: lambda step: f"capture {step.points or 'all'} of {_short(step.hold_id)}",
    Void: lambda step: f"void {_short(step.hold_id)}",
    Restore: lambda step: f"restore {step.points or 'all'} of {_short(step.document_id)}",
    Happen: lambda step: (
        f"{step.event.member} did {step.event.type} {dict(step.event.data)} at {step.event.at:%m-%d %H:%M}"
    ),
    CheckIn: lambda step: f"{step.member} checks in",
    MakeUp: lambda step: f"{step.member} makes up for a day",
    Review: lambda step: (
        f"{'approve' if step.approve else 'reject'} {step.event_id} with {step.points or 'its'} points"
    ),
    Steer: lambda step: f"{step.how} campaign {step.campaign}",
    Expire: lambda step: f"sweep writes down what time did to {step.member}",
    Claim: lambda step: f"reminders of {step.member} are claimed",
}


def _points(step: Redeem | Authorize) -> str:
    said = f"up to {step.points}" if step.up_to else f"{step.points}"
    total = f" of {step.order_total.amount_minor}" if step.order_total else ""
    lines = f" with {len(step.basket.items)} lines" if step.basket else ""
    order = f" on {step.order_id or 'some order'}{total}{lines}" if step.order_id or total or lines else ""
    return f"{said}{order}" + (f" with {step.password!r}" if step.password else "")


def words(step: Step | None) -> str:
    """A step in a few words."""
    if step is None:
        return "a mark that moves no point"
    return deed_of(step).words(step) if is_deed(step) else _ASKED[type(step)](step)


def answer(told: Any) -> str:
    """An answer in a few words."""
    if isinstance(told, Refused):
        facts = {name: value for name, value in asdict(told).items() if name != "code" and value is not None}
        return ", ".join(("refused", told.code, *(f"{name} {value}" for name, value in facts.items())))
    return ", ".join(f"{name} {value}" for name, value in told.items() if name in _TOLD)


_TOLD = ("status", "points", "released", "available", "proposed", "run")


def _short(name: str) -> str:
    return f"{name[:2]}…{name[-6:]}"
