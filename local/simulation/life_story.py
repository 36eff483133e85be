"""What a run of the life of points is about: a program with policies, and rounds of a storm with days between them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from jifen.domain.ids import document_id
from jifen.domain.orders import EventType, OrderEvent, Refund
from jifen.domain.program import parse_program
from local.simulation.days import local_day
from local.simulation.faults import FAULTS
from local.simulation.happenings import Wish
from local.simulation.history import Authorize, Capture, Redeem, Restore, Step, Void
from local.simulation.life import Login, Pause, Preview, TakeBatchBack
from local.simulation.programs import chance
from local.simulation.story import CURRENCY, Delivery, Story, paid_in_one_line

Data = dict[str, Any]

FOCI = ("extend", "leave", "leave", "void", "void", "void", "mixed")
"""The policy that a run is about, or several of them."""

_PLACES = (
    ("Asia/Shanghai", "2026-01-27T14:30"),
    ("America/Sao_Paulo", "2018-11-01T23:00"),  # midnight of 4 November did not exist
    ("America/St_Johns", "2010-11-03T23:00"),  # midnight of 7 November came twice
    ("UTC", "2026-03-28T23:50"),
)


@dataclass(frozen=True)
class Round:
    """What happens at once, after ``days``: ``deliveries`` of orders, ``clients`` with their wishes, ``sweeps``."""

    days: int
    deliveries: tuple[Delivery, ...]
    clients: Mapping[str, tuple[Wish, ...]]
    sweeps: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class LifeStory:
    """Everything that is decided beforehand; ``story`` is what the world needs of it, ``data`` the program file."""

    focus: str
    story: Story
    data: Data
    rounds: tuple[Round, ...]


def life_story(seed: int) -> LifeStory:
    """The story of a seed."""
    rng = random.Random(f"{seed}/life")
    zone, begins = rng.choice(_PLACES)
    start = datetime.fromisoformat(begins).replace(tzinfo=UTC) + timedelta(seconds=rng.randrange(3_600))
    focus = rng.choice(FOCI)
    members = tuple(f"m{number}" for number in range(1, rng.choice((2, 2, 3)) + 1))
    data = _program(rng, zone, local_day(start, ZoneInfo(zone)), focus)
    draft = _Draft(rng, members, start, focus)
    rounds = tuple(draft.round(number) for number in range(rng.choice((4, 5, 6))))
    return LifeStory(focus, _story(seed, rng, data, start, members), data, rounds)


def _program(rng: random.Random, zone: str, today: date, focus: str) -> Data:
    kinds = (focus,) if focus != "mixed" else tuple(rng.sample(("extend", "leave", "void"), 3))
    if len(kinds) == 1 and chance(rng, 0.3):
        kinds = (*kinds, rng.choice(("extend", "leave")))
    declared = [
        {"id": f"p{number}", "starts_on": (today + timedelta(days=rng.choice((-9, 0, 2)))).isoformat(), **one}
        for number, one in enumerate(_POLICIES[kind](rng, today) for kind in kinds)
    ]
    return {
        "time_zone": zone,
        "currency": CURRENCY,
        "earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100}}]},
        "expiry": rng.choice(
            (
                {"policy": "days", "days": 25, "round_up_to": "none"},
                {"policy": "days", "days": 60, "round_up_to": "none"},
                {"policy": "months", "months": 2, "round_up_to": "month_end"},
                {"policy": "months", "months": 2, "round_up_to": "month_end"},
                {"policy": "never"},
            )
        ),
        "clawback": rng.choice(("debt", "debt", "clamp", "negative")),
        "holds": {"expires_in_s": rng.choice((900, 86_400, 30 * 86_400))},
        "reminders": {"lead_days": list(rng.choice(((7, 3), (10,), (3, 1))))},
        "validity": {"policies": declared},
    }


def _missed(rng: random.Random, today: date, days: tuple[int, ...]) -> Data:
    without = rng.choice((["login"], ["login"], ["login", "order"], ["order"]))
    since = (today - timedelta(days=rng.choice((0, 2, 20)))).isoformat()
    return {"inactive": {"days": rng.choice(days), "without": without, "known_since": since}}


def _extend(rng: random.Random, today: date) -> Data:
    spent = {"spent": {"months": rng.choice((1, 1, 2)), "each_minor": 2_000, "wait_days": rng.choice((0, 3))}}
    return {"when": rng.choice((spent, spent, _missed(rng, today, (2, 5)))), "extend": {"months": rng.choice((1, 2))}}


def _leave(rng: random.Random, today: date) -> Data:
    left = rng.choice(({"days": 2}, {"days": 12}, {"months": 1}))
    return {"when": _missed(rng, today, (1, 3, 6)), "leave": left}


def _void(rng: random.Random, today: date) -> Data:
    share, days = rng.choice(("1", "0.5", "0.5", "0.25")), rng.choice((1, 2, 5))
    return {"when": _missed(rng, today, (1, 3, 6)), "void": {"share": share, "notice_days": days}}


_POLICIES = {"extend": _extend, "leave": _leave, "void": _void}


def _story(seed: int, rng: random.Random, data: Data, start: datetime, members: tuple[str, ...]) -> Story:
    names = [name for faults in FAULTS.values() for name in faults]
    share = rng.choice((0.0, 0.2, 0.2, 0.4))
    rates = {name: rng.choice((0.02, 0.05, 0.1)) * chance(rng, share) for name in names}
    rates |= {name: 0.04 for name in ("crash before a write", "crash after a write") if chance(rng, 0.5)}
    return Story(
        seed=seed,
        focus="life",
        program=parse_program(data),
        start=start,
        members=members,
        opening=tuple(paid_in_one_line(rng, f"{member}-0", member, start - timedelta(hours=1)) for member in members),
        deliveries=(),
        invites=(),
        early=(),
        clients={},
        sweeps=(),
        reads=0,
        channels=rng.choice((("event",), ("event", "email"))),
        rates=rates,
        notice_trouble=rng.choice((0.0, 0.0, 0.3)),
        lots_max=rng.choice((120, 120, 120, 3)),
        stay=rng.choice((0.0, 0.3, 0.7)),
        leap=0.0,
        lull=0,
        pause_days=rng.choice((1.0, 6.0, 20.0)),
    )


@dataclass
class _Draft:
    """What is drawn so far; ``at`` is when the round begins at the soonest."""

    rng: random.Random
    members: tuple[str, ...]
    at: datetime
    focus: str
    orders: int = 0
    keys: int = 0

    def round(self, number: int) -> Round:
        """The next round."""
        rng = self.rng
        days = 0 if number == 0 else rng.choice((0, 0, 1, 2, 3, 5, 8, 12, 31))
        self.at += timedelta(days=days)
        sweeps = rng.choice(
            (
                (("expire", "remind"), ("remind",)),
                (("remind", "expire"), ("expire",)),
                (("expire",), ("expire",)),
                (("remind", "expire"),),
            )
        )
        clients: dict[str, tuple[Wish, ...]] = {}
        for place in range(rng.choice((1, 2))):
            wishes = tuple(wish for _ in range(rng.choice((0, 1, 1, 2))) for wish in self._wishes())
            clients[f"checkout {place}"] = wishes
        shop = [self._wish(Login(member)) for member in self.members if chance(rng, 0.25)]
        clients["app"] = tuple(wish for one in shop for wish in [one] * rng.choice((1, 1, 2)))
        clients["desk 0"], clients["desk 1"] = self._desks(number)
        return Round(days, self._orders(), {name: wishes for name, wishes in clients.items() if wishes}, sweeps)

    def _wish(self, step: Any) -> Wish:
        self.keys += 1
        return Wish(f"k{self.keys}", step)

    def _desks(self, number: int) -> tuple[tuple[Wish, ...], tuple[Wish, ...]]:
        """What two operators do, at times the same."""
        rng, one, other = self.rng, list[Wish](), list[Wish]()
        if chance(rng, 0.15):
            one.append(self._wish(Preview()))
        if number and chance(rng, 0.1):
            one += [self._wish(Pause(paused=True)), self._wish(Pause(paused=False))]
        if number and chance(rng, 0.4):
            wish = self._wish(TakeBatchBack(rng.choice((0, 0, 0, 1, 2, 5))))
            one.append(wish)
            other += [wish] * chance(rng, 0.2)
            other += [self._wish(wish.step)] * chance(rng, 0.2)
        return tuple(one), tuple(other)

    def _orders(self) -> tuple[Delivery, ...]:
        rng, found = self.rng, list[Delivery]()
        for member in self.members:
            if not chance(rng, 0.3):
                continue
            self.orders += 1
            order_id = f"o{self.orders}"
            paid = paid_in_one_line(rng, order_id, member, self.at)
            found += [paid] * rng.choice((1, 1, 2))
            if chance(rng, 0.3):
                refund = Refund(f"r{self.orders}", self.at, CURRENCY, (), rng.randrange(1, 9_000))
                name = f"{order_id}-r"
                event = OrderEvent(EventType.REFUNDED, name, "standard", order_id, None, self.at, None, refund)
                found.append(Delivery(name, (event,)))
        return tuple(Delivery(f"{one.id}/{place}", one.events) for place, one in enumerate(found))

    def _wishes(self) -> Sequence[Wish]:
        """A redemption or a hold, and what comes after it."""
        rng, member = self.rng, self.rng.choice(self.members)
        self.keys += 1
        key, points = f"k{self.keys}", rng.randrange(1, 60)
        if chance(rng, 0.5):
            name = str(document_id("rd", member, key))
            more: list[Step] = [Restore(name)] * chance(rng, 0.4)
            return [Wish(key, Redeem(member, name, points)), *map(self._wish, more)]
        name = str(document_id("hd", member, key))
        ends: list[Step] = [rng.choice((Capture(name), Void(name)))] * chance(rng, 0.4)
        return [Wish(key, Authorize(member, name, points)), *map(self._wish, ends)]
