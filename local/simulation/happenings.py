"""What members do besides buying, and operators, drawn for a story: events, check-ins, reviews, campaigns stopped.

Each is told under its own id, some of them twice, by two clients, under another key, or with other content.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from jifen.domain.events import BehaviourEvent
from jifen.domain.program import Program
from jifen.domain.rules.model import ORDER_PAID
from local.simulation.history import CheckIn, Happen, MakeUp, Review, Steer, Step
from local.simulation.programs import chance


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asks for, under an idempotency key of its own (``header``, where that is not the ``key``)."""

    key: str
    step: Step
    header: str = ""


def invites(rng: random.Random, members: tuple[str, ...], start: datetime, focus: str) -> tuple[Wish, ...]:
    """Who invited whom: mostly those who came later were invited by those who came before."""
    found: list[Wish] = []
    for number, friend in enumerate(members[1:], 1):
        if chance(rng, {"friends": 1.0, "rules": 0.5}.get(focus, 0.2)):
            inviter = rng.choice(members) if chance(rng, 0.1) else rng.choice(members[:number])
            at = start - timedelta(days=rng.randrange(1, 30))
            event = BehaviourEvent("invite.accepted", f"i{number}", friend, at, {"inviter": inviter})
            found.append(Wish(event.event_id, Happen(event)))
    return tuple(found)


def clients(
    rng: random.Random, members: tuple[str, ...], start: datetime, program: Program
) -> dict[str, tuple[Wish, ...]]:
    """What shops tell of members, and what operators do."""
    rules = program.rules
    types = sorted({rule.on for rule in rules.rules} - {ORDER_PAID, "invite.accepted", "member.checked_in"})
    shops: list[list[Wish]] = [[], []]
    operators: list[list[Wish]] = [[], []]
    told = rng.randrange(1, 7) if types else rng.choice((0, 0, 0, 1))
    for number in range(told):
        event = _event(rng, f"e{number}", rng.choice(members), start, rng.choice(types or ["page.left"]))
        wish = Wish(event.event_id, Happen(event))
        rng.choice(shops).append(wish)
        if chance(rng, 0.3):
            rng.choice(shops).append(replace(wish, header=rng.choice(("", f"{wish.key}-again"))))
        if chance(rng, 0.05):
            other = replace(event, data={**event.data, "other": 1})
            rng.choice(shops).append(Wish(wish.key, Happen(other)))
        if event.type == "review.scored":
            _reviewed(rng, event, operators)
    if rules.on_event("member.checked_in"):
        for number in range(rng.randrange(2, 10)):
            _checked_in(rng, rng.choice(members), f"n{number}", start, rng.choice(shops))
    for campaign in rules.campaigns:
        if chance(rng, 0.5):
            _steered(rng, campaign.id, operators)
    named = {
        **{f"shop {at}": one for at, one in enumerate(shops)},
        **{f"desk {at}": one for at, one in enumerate(operators)},
    }
    return {name: tuple(wishes) for name, wishes in named.items() if wishes}


def _event(rng: random.Random, event_id: str, member: str, start: datetime, kind: str) -> BehaviourEvent:
    at = start - rng.choice((0, 1, 1, 2, 3, 9)) * timedelta(days=1) + timedelta(seconds=rng.randrange(-3_600, 3_600))
    data: dict[str, int | str | bool] = {}
    match kind:
        case "page.browsed":
            data = {"seconds": rng.randrange(0, 600)}
        case "survey.completed":
            data = {"points": rng.randrange(4, 34), "survey_id": rng.choice(("s1", "s1", "s2"))}
        case "review.scored":
            data = {"score": rng.randrange(40, 100), "review_id": rng.choice(("v1", "v1", "v2"))}
        case "review.engaged":
            data = {"likes": rng.randrange(0, 40)}
    return BehaviourEvent(kind, event_id, member, at, data)


def _reviewed(rng: random.Random, event: BehaviourEvent, operators: list[list[Wish]]) -> None:
    """One operator decides, or two who know nothing of each other."""
    for desk, wishes in enumerate(operators):
        if chance(rng, 0.6):
            points = rng.choice((None, None, rng.randrange(1, 40)))
            step = Review(event.member, event.event_id, approve=chance(rng, 0.8), points=points)
            wishes.append(Wish(f"{event.event_id}-by-{desk}", step if step.approve else replace(step, points=None)))


def _checked_in(rng: random.Random, member: str, key: str, start: datetime, shop: list[Wish]) -> None:
    """A member checks in, or makes up for a day; or the shop tells of a check-in of some days ago."""
    step: Step = MakeUp(member, key) if chance(rng, 0.4) else CheckIn(member, key)
    if chance(rng, 0.4):
        at = start - timedelta(days=rng.choice((1, 2, 3, 4)))
        step = Happen(BehaviourEvent("member.checked_in", key, member, at))
    shop += [Wish(key, step)] * rng.choice((1, 1, 2))


def _steered(rng: random.Random, campaign: str, operators: list[list[Wish]]) -> None:
    """Paused, perhaps resumed, perhaps stopped for good; perhaps by two at a time."""
    for number, how in enumerate(
        rng.choice((("pause",), ("pause", "resume"), ("pause", "end"), ("cancel",), ("end",)))
    ):
        wish = Wish(f"{campaign}-{how}-{number}", Steer(campaign, how))
        rng.choice(operators).append(wish)
