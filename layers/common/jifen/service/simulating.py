"""Simulating: an operator's questions about a version of the program, answered without writing anything.

{"order": …} {"event": …}   one, for a member as the account is now, or for nobody in particular   ──> tried
{"orders": […]}             a made-up past, from nothing                                           ──> comparison
{"past": {…}}               the past of members as the ledger has it, a page at a time             ──> comparison
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from jifen.domain.account import Account
from jifen.domain.calendar import local_day, parse_instant
from jifen.domain.dry_run_views import (
    ComparisonView,
    MemberPointsView,
    OrderPointsView,
    PointsView,
    SimulationView,
    TriedView,
)
from jifen.domain.entries import instant_text
from jifen.domain.errors import Fault, InvalidInput, RuleSetNotFound
from jifen.domain.events import BehaviourEvent
from jifen.domain.ids import valid_id
from jifen.domain.orders import OrderEvent
from jifen.domain.program import Program
from jifen.domain.rules.engine import Why
from jifen.domain.rules.model import Per
from jifen.domain.ruling import ProgramInForce, RuleVersion
from jifen.domain.spending import lot_plain
from jifen.domain.standing import Profile, Standing, TierState, window
from jifen.service import dry_run, past
from jifen.service.dry_run import Comparison, MemberPoints, OrderPoints, Points, Tried
from jifen.service.in_force import read_program
from jifen.service.past import Place
from jifen.service.ports import Ledger, ProgramKey, RuleVersionKey, Shelf
from jifen.service.shelves import Bookmarks

NOBODY = "nobody in particular"
"""The member of a trial that names none."""

MEMBERS_MAX = 20
"""Members of one page of the past."""

EVENTS_ENOUGH = 500
"""With so many events a page of the past takes no other member."""

AHEAD = timedelta(days=3 * 366)
"""How far ahead an order or event may lie that is tried: next year's festival can be."""

NUMBER_MAX = 10**12
DATA_MAX = 20

ReadOrder = Callable[[bytes, datetime], list[OrderEvent]]
"""Reads an order event in our own form, with the latest instant that it may be of."""

_TYPE = re.compile(r"[a-z0-9_]{1,64}(\.[a-z0-9_]{1,64})+", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stated:
    """What is said of nobody in particular: a ``tier``, ``orders`` until now with the day of the last, a profile."""

    tier: str = ""
    orders: int = 0
    last_order_on: date | None = None
    profile: Profile = field(default_factory=Profile)


@dataclass(frozen=True, slots=True)
class Versions:
    """The version that is tried, and the one in force, with their numbers."""

    number: int
    draft: Program
    in_force_number: int
    in_force: Program


def versions(ledger: Ledger, own: Program, number: int | None) -> Versions:
    """Version ``number`` (None: the one in force; 0: the stack's ``own``) beside the one in force.

    Raises:
        RuleSetNotFound: there is none of this number.
        InvalidProgram: it was written by a later release and cannot be read by this one.
    """
    found = ledger.load([], [ProgramKey()]).documents.get(ProgramKey())
    counts = found if isinstance(found, ProgramInForce) else ProgramInForce()
    in_force = read_program(counts.number, counts.program) if counts.number else own
    if number is None or number == counts.number:
        return Versions(counts.number, in_force, counts.number, in_force)
    if number == 0:
        return Versions(0, own, counts.number, in_force)
    version = ledger.load([], [RuleVersionKey(number)]).documents.get(RuleVersionKey(number))
    if not isinstance(version, RuleVersion):
        raise RuleSetNotFound
    return Versions(number, read_program(number, version.program), counts.number, in_force)


@dataclass(frozen=True, slots=True)
class Simulating:
    """The questions of one request.

    Attributes:
        ledger: read, never written.
        versions: what is compared.
        now: the clock.
        shards: of the ledger's due indexes.
        secret: signs the cursors of the past.
    """

    ledger: Ledger
    versions: Versions
    now: datetime
    shards: int
    secret: bytes

    def order(self, event: OrderEvent, stated: Stated | None) -> SimulationView:
        """What one order would earn: for its member, or for nobody in particular of whom this is ``stated``.

        Raises:
            InvalidInput: neither program knows the stated tier.
        """
        return self._tried(
            *(
                dry_run.try_order(program, event, self.now, self.ledger, self._account(program, stated))
                for program in (self.versions.in_force, self.versions.draft)
            )
        )

    def event(self, event: BehaviourEvent, stated: Stated | None) -> SimulationView:
        """What one behaviour event would earn; see :meth:`order`.

        Raises:
            InvalidInput: its data is not what a rule needs, or neither program knows the stated tier.
        """
        return self._tried(
            *(
                dry_run.try_event(program, event, self.now, self.ledger, self._account(program, stated))
                for program in (self.versions.in_force, self.versions.draft)
            )
        )

    def many(self, events: Sequence[OrderEvent | BehaviourEvent]) -> SimulationView:
        """What events would have earned, in this order and from nothing."""
        compared = dry_run.replay(events, self.versions.in_force, self.versions.draft)
        return {**self._numbers(), "comparison": comparison_view(compared, compared.members)}

    def past(self, names: Sequence[str], cursor: str | None) -> SimulationView:
        """What members would have earned with what they did: those named, or a page of all.

        Raises:
            InvalidInput: the cursor is none of ours, or of another question.
        """
        about = f"past {self.versions.number} {len(names)} {' '.join(names)}"
        marks = Bookmarks(self.secret, Shelf(about))
        place: Place | None = Place.read(marks.read(cursor) or "0:")
        pasts: list[past.PastOfMember] = []
        while place and len(pasts) < MEMBERS_MAX and sum(len(one.events) for one in pasts) < EVENTS_ENOUGH:
            members, place = self._next(names, place)
            pasts += [past.past_of(self.ledger, member) for member in members]
        events = sorted((event for one in pasts for event in one.events), key=lambda event: event.at)
        begin = [one.account for one in pasts]
        compared = dry_run.replay(events, self.versions.in_force, self.versions.draft, begin=begin)
        return {
            **self._numbers(),
            "comparison": comparison_view(compared, compared.members),
            "incomplete": [one.account.member for one in pasts if one.cut],
            "cursor": marks.write(str(place)) if place else None,
        }

    def _next(self, names: Sequence[str], place: Place) -> tuple[list[str], Place | None]:
        """The next member, and where the one after stands; of names the place counts them."""
        if not names:
            return past.members_from(self.ledger, place, self.shards, 1)
        after = place.shard + 1
        return [names[place.shard]], Place(after) if after < len(names) else None

    def _account(self, program: Program, stated: Stated | None) -> Account | None:
        """An account of which this is stated; None to take the member's own.

        Raises:
            InvalidInput: neither program knows the tier.
        """
        if stated is None:
            return None
        known = {
            level.id
            for one in (self.versions.in_force, self.versions.draft)
            if one.rules.tiers
            for level in one.rules.tiers.levels
        }
        if stated.tier and stated.tier not in known:
            problem = f"is none of {', '.join(sorted(known))}" if known else "is no tier: neither program has any"
            raise InvalidInput([Fault("standing.tier", problem)])
        return Account(NOBODY, standing=standing_of(stated, program, local_day(self.now, program.zone)))

    def _numbers(self) -> SimulationView:
        return {"number": self.versions.number, "in_force": self.versions.in_force_number}

    def _tried(self, in_force: Tried, draft: Tried) -> SimulationView:
        difference = draft.points - in_force.points
        pair = {"in_force": tried_view(in_force), "draft": tried_view(draft), "difference": difference}
        return {**self._numbers(), "tried": pair}  # type: ignore[typeddict-item]


def standing_of(stated: Stated, program: Program, today: date) -> Standing:
    """The standing that is stated, under one program; a tier that it does not know is none.

    A tier is held as if it had been reached this month, and its allowance of the month had been given.
    """
    terms = program.rules.tiers
    level = next((level for level in terms.levels if level.id == stated.tier), None) if terms else None
    month = window(Per.MONTH, today)
    days = min(stated.orders, 1) * (stated.last_order_on or today,)
    return Standing(
        orders=stated.orders,
        first_order="stated" if stated.orders else "",
        paid_on=days,
        qualified={month: level.reach, "all": level.reach} if level and level.reach else {},
        tier=TierState(level.id, today) if level else None,
        allowance=month if level else "",
        profile=stated.profile,
    )


# Requests ------------------------------------------------------------------------------------------------------------


def answer(desk: Simulating, asked: Mapping[str, Any], read_order: ReadOrder) -> SimulationView:
    """Answer a request of the API.

    Args:
        desk: who looks.
        asked: exactly one of ``order``, ``event``, ``orders`` and ``past``; ``member_id`` or ``standing`` with the
            first two.
        read_order: see :data:`ReadOrder`.

    Raises:
        InvalidInput: naming what is wrong.
    """
    kinds = [name for name in ("order", "event", "orders", "past") if asked.get(name) is not None]
    if len(kinds) != 1:
        raise InvalidInput([Fault("body", "needs exactly one of order, event, orders and past")])
    (kind,) = kinds
    member = asked.get("member_id")
    said = asked.get("standing")
    if member is not None and said is not None:
        raise InvalidInput([Fault("standing", "is for nobody in particular; the member has one")])
    if kind == "past":
        return desk.past(_members(asked["past"].get("members", ())), asked["past"].get("cursor"))
    if kind == "orders":
        faults_at = enumerate(asked["orders"])
        return desk.many([read_event(f"orders.{at}", data, read_order, desk.now) for at, data in faults_at])
    stated = None if member is not None else _stated(said or {})
    data = _completed(kind, asked[kind], member or NOBODY, desk)
    named = str(data.get("type"))
    if named != "order.paid" if kind == "order" else named.startswith("order."):
        raise InvalidInput([Fault(f"{kind}.type", "is another kind of event; several go as orders")])
    event = read_event(kind, data, read_order, desk.now)
    return desk.order(event, stated) if isinstance(event, OrderEvent) else desk.event(event, stated)


def _members(names: Sequence[str]) -> list[str]:
    wrong = [Fault(f"past.members.{at}", "is not a member id") for at, one in enumerate(names) if not valid_id(one)]
    if wrong:
        raise InvalidInput(wrong)
    return list(dict.fromkeys(names))


def _completed(kind: str, data: Mapping[str, Any], member: str, desk: Simulating) -> dict[str, Any]:
    """What an operator need not say of something that is only tried."""
    now = instant_text(desk.now)
    if kind == "event":
        return {"event_id": "tried", "occurred_at": now, **data, "member_id": member}
    currency = desk.versions.draft.currency or desk.versions.in_force.currency
    said = {"type": "order.paid", "event_id": "tried", "order_id": "tried", "occurred_at": now}
    return {**said, **({"currency": currency} if currency else {}), **data, "customer_id": member}


def _stated(said: Mapping[str, Any]) -> Stated:
    """The standing in a request.

    Raises:
        InvalidInput: the calendar has no such day, or a text is none.
    """
    faults: list[Fault] = []
    last: date | None = None
    birthday = said.get("birthday") or ""
    for name, text in (("last_order_on", said.get("last_order_on")), ("birthday", birthday and f"2000-{birthday}")):
        try:
            day = date.fromisoformat(text) if text else None
            last = day if name == "last_order_on" else last
        except ValueError:
            faults.append(Fault(f"standing.{name}", "is a day that the calendar does not have"))
    if faults:
        raise InvalidInput(faults)
    profile = Profile(birthday=birthday, region=said.get("region") or "", tags=tuple(said.get("tags") or ()))
    return Stated(said.get("tier") or "", said.get("orders") or 0, last, profile)


# What strangers write ------------------------------------------------------------------------------------------------


def read_event(path: str, data: Mapping[str, Any], read_order: ReadOrder, now: datetime) -> OrderEvent | BehaviourEvent:
    """An order's or a behaviour event, with faults under ``path``; it may be of a day to come.

    Raises:
        InvalidInput: naming every field that cannot be read.
    """
    latest = now + AHEAD
    try:
        if not str(data.get("type")).startswith("order."):
            return behaviour_event(data, latest)
        events = read_order(json.dumps(data).encode(), latest)
    except InvalidInput as wrong:
        raise InvalidInput([Fault(f"{path}.{fault.field}", fault.problem) for fault in wrong.faults]) from wrong
    if not events:
        raise InvalidInput([Fault(f"{path}.type", "is no type of order event")])
    return events[0]


def behaviour_event(data: Mapping[str, Any], latest: datetime) -> BehaviourEvent:
    """The behaviour event in a JSON object, as ``POST /v1/events`` takes it.

    Raises:
        InvalidInput: naming every field that cannot be read.
    """
    faults: list[Fault] = []
    kind = data.get("type")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind) or kind.startswith("order."):
        faults.append(Fault("type", "is no type of event such as review.selected"))
    wrong = (name for name in ("event_id", "member_id") if not valid_id(data.get(name)))
    faults += (Fault(name, "is not an id of 1 to 128 characters") for name in wrong)
    at = latest
    try:
        at = parse_instant(data.get("occurred_at"))
    except ValueError:
        faults.append(Fault("occurred_at", "is not an RFC 3339 instant with an offset"))
    if at > latest:
        faults.append(Fault("occurred_at", "lies too far ahead"))
    said = data.get("data", {})
    if not isinstance(said, dict) or len(said) > DATA_MAX:
        faults.append(Fault("data", f"is not an object of at most {DATA_MAX} values"))
        said = {}
    for name, value in said.items():
        if not _NAME.fullmatch(name) or not _plain(value):
            faults.append(Fault(f"data.{name[:64]}", "is not a whole number, a text or a boolean under a plain name"))
    if faults:
        raise InvalidInput(faults)
    return BehaviourEvent(str(kind), str(data["event_id"]), str(data["member_id"]), at, said)


def _plain(value: object) -> bool:
    if isinstance(value, int):
        return abs(value) <= NUMBER_MAX
    return valid_id(value)


# What is answered ----------------------------------------------------------------------------------------------------


def tried_view(tried: Tried) -> TriedView:
    """What one order or event would bring, as the API shows it."""
    return {
        "status": tried.status,
        "points": tried.points,
        "proposed": tried.proposed,
        "grants": dict(tried.grants),
        "why": _lines(tried.why),
        "lots": [lot_plain(lot) for lot in tried.lots],
        "others": dict(tried.others),
        "notes": list(tried.notes),
    }


def comparison_view(compared: Comparison, members: Sequence[MemberPoints]) -> ComparisonView:
    """A comparison as the API and the command show it, with the points of these members."""
    return {
        "events": compared.events,
        "orders": compared.orders,
        "members": len(compared.members),
        "gain": compared.gain,
        "lose": compared.lose,
        "total": points_view(compared.total),
        "rules": [{"rule": name, **points_view(points)} for name, points in compared.rules.items()],
        "by_member": [_member(one) for one in members],
        "orders_differ": compared.differing,
        "differing": [_order(one) for one in compared.shown],
        "refused": points_view(compared.refused),
    }


def points_view(points: Points) -> PointsView:
    """Points under both programs."""
    return {"in_force": points.in_force, "draft": points.draft, "difference": points.difference}


def _member(one: MemberPoints) -> MemberPointsView:
    return {"member_id": one.member, **points_view(one.points)}


def _order(one: OrderPoints) -> OrderPointsView:
    return {
        "shop": one.shop,
        "order_id": one.order_id,
        "member_id": one.member,
        **points_view(one.points),
        "why_in_force": _lines(one.why[0]),
        "why_draft": _lines(one.why[1]),
    }


def _lines(why: Why) -> list[dict[str, object]]:
    return [dict(line) for line in why]
