"""The department of transfers: points given to friends, in rings too, and taken back while they cool.

The reference of it, once more from the contract: the points keep their last valid day, can be used after the cooling
days (on their last valid day at the latest), pay a debt of the receiver first, and go back to the sender's own lots as
long as all of them lie where they went and cannot be used yet.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jifen.domain import transfers as real
from jifen.domain.ids import document_id
from jifen.service.answering import Once
from jifen.service.transferring import Transferring, sender_of
from local.audit import Violation
from local.simulation import passwords, till
from local.simulation.department import Data, Deed, Department, Draft, Found, replaced
from local.simulation.happenings import Wish
from local.simulation.history import Declined, Give, Refused, TakeBack
from local.simulation.memory import oldest, used_more, window
from local.simulation.programs import chance
from local.simulation.purse import Key as Lot
from local.simulation.purse import Parts, Purse, ahead, compact, past, shown, take_from
from local.simulation.table import Item, Key
from local.simulation.till import Limit

if TYPE_CHECKING:
    from jifen.domain.program import TransferTerms
    from local.simulation.reference import Reference
    from local.simulation.world import World

BOTH = 2
"""Sides of a transfer."""

CALLER = "shop"
"""Whose idempotency keys they are."""

# The reference -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gift:
    """A transfer: the lots it came from and went into, and what became of it."""

    step: Give
    day: date
    sent: Parts
    received: Parts
    canceled: bool = False


def _of_sender(terms: TransferTerms) -> list[Limit]:
    asked = (
        ("transfer_points_per_day", "day", "points", terms.points_per_day),
        ("transfer_times_per_day", "day", "times", terms.times_per_day),
        ("transfer_points_per_month", "month", "points", terms.points_per_month),
    )
    return [Limit.of(name, "transfer", per, unit, most) for name, per, unit, most in asked if most is not None]


def _of_receiver(terms: TransferTerms) -> list[Limit]:
    most = terms.received_per_day
    return [] if most is None else [Limit.of("transfer_received_per_day", "received", "day", "points", most)]


def _see(reference: Reference, step: Give) -> None:
    """Decline what the program allows nobody."""
    terms = reference.program.transfers
    if not terms.enabled:
        raise Declined("NOT_OFFERED")
    if step.to == step.member:
        raise Declined("INVALID_REQUEST")
    if step.points < terms.min_points:
        raise Declined("LIMIT_REACHED", limit="transfer_min_points")
    if terms.max_points is not None and step.points > terms.max_points:
        raise Declined("LIMIT_REACHED", limit="transfer_max_points")


def _give(reference: Reference, step: Give, now: datetime) -> Mapping[str, Any]:
    _see(reference, step)
    terms, today = reference.program.transfers, reference.today(now)
    sender = reference.at(step.member, now)
    proof = passwords.proof(reference, step.password)
    sent = till.debit(sender, step.points, _of_sender(terms), proof, today, reference.program)
    receiver = reference.at(step.to, now)
    if terms.known_only and not receiver.known:
        raise Declined("RECIPIENT_UNAVAILABLE")
    till.see_room(receiver.memory, _of_receiver(terms), step.points, today, reference.program)
    till.count(receiver, _of_receiver(terms), step.points, today)
    first = today + timedelta(days=terms.cooling_days) if terms.cooling_days else None
    handed: dict[Lot, int] = {}
    for (last, _), points in sent:
        key = (last, first and min(first, last or first))
        handed[key] = handed.get(key, 0) + points
    received = _take_in(receiver, list(handed.items()), reference.lots_max, today)
    reference.keep(step.member, sender)
    reference.keep(step.to, receiver)
    reference.books["transfer", step.id] = Gift(step, today, sent, received)
    return {
        "transfer_id": step.id,
        "points": step.points,
        "to": step.to,
        "available": sender.available(today),
        "active_from": first.isoformat() if first else None,
        "lots": shown(handed.items()),
    }


def _take_in(purse: Purse, handed: Parts, lots_max: int, today: date) -> Parts:
    """Put points into a receiver's lots, a debt first; the parts that went in, where there is room for them."""
    before = len(purse.lots)
    if before >= lots_max:
        for key in [key for key in purse.lots if key[1] is not None and not ahead(key, today) and not past(key, today)]:
            purse.put((key[0], None), purse.lots.pop(key))
    debt, went = purse.debt, []
    for key, points in sorted(handed, key=lambda part: (part[0][0] or date.max, part[0][1] or date.min)):
        paid = min(debt, points)
        debt -= paid
        if points > paid:
            went.append((key, points - paid))
    purse.pay_in(handed)
    purse.posted()
    compact(purse, lots_max, today)
    if len(purse.lots) > max(lots_max, before):
        raise Declined("RECIPIENT_UNAVAILABLE")
    return went


def _take_back(reference: Reference, step: TakeBack, now: datetime) -> Mapping[str, Any]:
    gift: Gift | None = reference.books.get(("transfer", step.transfer_id))
    if gift is None:
        raise Declined("TRANSFER_NOT_FOUND")
    if gift.canceled:
        raise Declined("WRONG_STATUS")
    today, terms = reference.today(now), reference.program.transfers
    receiver, sender = reference.at(gift.step.to, now), reference.at(gift.step.member, now)
    there = sum(points for _, points in gift.received) == gift.step.points
    if not there or any(not ahead(key, today) or receiver.lots.get(key, 0) < n for key, n in gift.received):
        raise Declined("TRANSFER_FINAL")
    for key, points in gift.received:
        take_from(receiver.lots, key, points)
    receiver.posted()
    _count_no_more(receiver, _of_receiver(terms), gift, today)
    sender.pay_in(gift.sent)
    sender.posted()
    compact(sender, reference.lots_max, today)
    sender.pass_time(now, today)
    _count_no_more(sender, _of_sender(terms), gift, today)
    reference.keep(gift.step.to, receiver)
    reference.keep(gift.step.member, sender)
    reference.books["transfer", step.transfer_id] = replace(gift, canceled=True)
    return {
        "transfer_id": step.transfer_id,
        "status": "CANCELED",
        "points": gift.step.points,
        "available": sender.available(today),
    }


def _count_no_more(purse: Purse, limits: Sequence[Limit], gift: Gift, today: date) -> None:
    """Give back what a transfer used of limits, in the window of its own day while that is remembered."""
    for limit in limits:
        name = window(limit.cap.per, gift.day)
        if name >= oldest(limit.cap.per, today):
            purse.remember(used_more(purse.memory, limit.cap, name, -limit.uses(gift.step.points), today))


# The story -----------------------------------------------------------------------------------------------------------


def _terms(rng: random.Random, focus: str, _currency: str | None) -> Data:
    if not chance(rng, {"gifts": 0.85, "guesses": 0.3}.get(focus, 0.15)):
        return {}
    found: Data = {"cooling_days": rng.choice((0, 1, 1, 2, 5))}
    for name, values in (
        ("min_points", (2, 5)),
        ("max_points", (20, 60)),
        ("points_per_day", (15, 60, 100)),
        ("points_per_month", (40, 120)),
        ("times_per_day", (1, 2)),
        ("received_per_day", (20, 60)),
    ):
        if chance(rng, 0.3):
            found[name] = rng.choice(values)
    if chance(rng, 0.2):
        found["known_only"] = True
    if chance(rng, 0.07):
        found["enabled"] = False
    return {"transfers": found}


_GIFTS = {"gifts": (4, 11), "guesses": (0, 3), "duel": (0, 1)}
NOBODY = "m9"
"""Somebody whom no shop has told of."""


def _clients(draft: Draft) -> Mapping[str, Sequence[Wish]]:
    """Who gives what to whom: one to the next and the last to the first, at once; some take it back, some twice."""
    rng = draft.rng
    found: list[list[Wish]] = [[], [], []]
    count = rng.randrange(*_GIFTS.get(draft.focus, (0, 2)))
    for number in range(count):
        place = number % len(draft.members)
        ring = draft.members[place], draft.members[(place + 1) % len(draft.members)]
        pair = rng.choice((ring, ring, ring, (rng.choice(draft.members), rng.choice((*draft.members, NOBODY)))))
        wish = _gift(draft, f"g{number}", *pair)
        own = rng.choice(found)
        own.append(wish)
        if chance(rng, 0.3):
            rng.choice(found).append(wish)
        if chance(rng, 0.05):
            step = wish.step
            assert isinstance(step, Give)
            rng.choice(found).append(replace(wish, step=replace(step, points=step.points + 1)))
        for attempt in range(rng.choice((0, 0, 1, 2))):
            assert isinstance(wish.step, Give)
            back = Wish(f"{wish.key}-back-{rng.choice((0, attempt))}", TakeBack(wish.step.id))
            rng.choice((own, own, rng.choice(found))).append(back)
    return {f"friend {number}": wishes for number, wishes in enumerate(found) if wishes}


def _gift(draft: Draft, key: str, member: str, to: str) -> Wish:
    name = str(document_id("tr", member, Once.asked(CALLER, key, "").key))
    points = draft.rng.choice((draft.rng.randrange(1, 12), draft.rng.randrange(1, 90)))
    step = Give(member, name, to, points)
    if draft.program.security.password_above is not None:
        step = replace(step, password=passwords.comes_along(draft.rng, member, draft.focus))
    return Wish(key, step)


# The real thing ------------------------------------------------------------------------------------------------------


def _desk(world: World, wish: Wish, now: datetime) -> Transferring:
    program = world.runtime.program
    patience = world.runtime.patience(world.context(passwords.REQUEST_S))
    return Transferring(world.runtime.ledger, program, program.moment(now), patience, CALLER, CALLER, wish.key)


def _perform_give(world: World, wish: Wish, now: datetime) -> Any:
    step, desk = wish.step, _desk(world, wish, now)
    assert isinstance(step, Give)
    guard = passwords.guard(world, step.member, step.password, now)
    return desk.send(step.member, step.to, step.points, "", guard)


def _perform_back(world: World, wish: Wish, now: datetime) -> Any:
    assert isinstance(wish.step, TakeBack)
    return _desk(world, wish, now).cancel(wish.step.transfer_id)


def _patches(world: World) -> Sequence[AbstractContextManager[None]]:
    return [replaced(real, "LOTS_MAX", world.story.lots_max)]


# The laws ------------------------------------------------------------------------------------------------------------


def _written(reference: Reference, key: Key, item: Item) -> Found:
    _, sk = key
    if not sk.startswith("TR#"):
        return
    row = _facts(item)
    gift: Gift | None = reference.books.get(("transfer", row["id"]))
    said = (row.get("status", "SENT"), _lots(row["sent"]), _lots(row.get("received", [])))
    there = gift and ("CANCELED" if gift.canceled else "SENT", _plain(gift.sent), _plain(gift.received))
    if said != there:
        yield Violation("refinement", row["id"], f"{said}; the reference has {there}")


def _facts(item: Item) -> Any:
    return json.loads(item["facts"]["S"])


def _lots(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [[row[0], row[1], row[2] if len(row) > 2 else None] for row in rows]  # noqa: PLR2004 - points and two days


def _plain(parts: Parts) -> list[list[Any]]:
    return [[points, *(day and day.isoformat() for day in key)] for key, points in parts]


@dataclass(frozen=True, slots=True)
class _Side:
    """An entry of a transfer, from its row."""

    member: str
    points: int
    transfer: str
    canceled: bool
    lots: list[list[Any]]


def _judge(world: World) -> Found:
    """Every commit by its own rows: both sides or none, nothing made, no day won, nothing taken back twice."""
    canceled: dict[str, int] = defaultdict(int)
    for commit in world.table.commits:
        sides = [side for key, item in commit.puts.items() if (side := _side(key, item))]
        subject = f"commit {commit.number}"
        for name in {side.transfer for side in sides}:
            mine = [side for side in sides if side.transfer == name]
            moved = sum(side.points for side in mine)
            if len(mine) != BOTH or moved != 0 or len({side.member for side in mine}) != BOTH:
                yield Violation("transfers", subject, f"{mine} are not two sides of one transfer")
                continue
            out, into = sorted(mine, key=lambda side: side.points)
            if not out.canceled and _later(out.lots, into.lots):
                yield Violation("as old as sent", subject, f"{into.lots} were received of {out.lots}")
            canceled[name] += out.canceled
            if canceled[name] > 1:
                yield Violation("taken back once", subject, f"{name} was taken back again")
        yield from _whole(world, commit.number, sides)


def _whole(world: World, number: int, sides: Sequence[_Side]) -> Found:
    """What a commit of transfers alone does to the balances of all accounts is what time did to them."""
    puts = world.table.commits[number - 1].puts
    if sides and sum(int(item["points"]["N"]) for (_, sk), item in puts.items() if sk.startswith("E#")) > 0:
        yield Violation("transfers", f"commit {number}", "points came out of nothing")


def _side(key: Key, item: Item) -> _Side | None:
    pk, sk = key
    if not sk.startswith("E#") or item["kind"]["S"] not in {"transfer_in", "transfer_out"}:
        return None
    kind, name = json.loads(item["source"]["S"])
    assert kind == "transfer"
    lots = _lots(json.loads(item["lots"]["S"])) if "lots" in item else []
    again = item["reason"]["S"] == "TRANSFER_CANCELLED"
    return _Side(pk, int(item["points"]["N"]), name, again, lots)


def _later(sent: list[list[Any]], received: list[list[Any]]) -> bool:
    """Whether some points can be used longer than they could before: of each last day no more came than went."""
    left: dict[Any, int] = defaultdict(int)
    for points, last, _ in sent:
        left[last] -= points
    for points, last, _ in received:
        left[last] -= points
    return any(points < 0 for points in left.values())


def _row(item: Item) -> Iterator[str]:
    row = _facts(item)
    yield f"transfer {row.get('status', 'SENT')}"
    if sum(part[0] for part in row.get("received", [])) < row["points"]:
        yield "a transfer paid a debt"
    if any(last == first for _, last, first in _lots(row.get("received", [])) if first is not None):
        yield "points were given that lapse while they cool"


def _rows(step: Give | TakeBack, said: Refused) -> Sequence[Key]:
    if isinstance(step, Give):
        return passwords.rows_of(step.member, said, [(f"M#{step.member}", "A"), (f"M#{step.to}", "A")])
    pk = f"M#{sender_of(step.transfer_id)}"
    return [(pk, f"TR#{step.transfer_id.rsplit('.', 1)[-1]}")]


DEPARTMENT = Department(
    name="transfers",
    terms=_terms,
    clients=_clients,
    deeds={
        Give: Deed(lambda step: f"{step.member} gives {step.points} to {step.to}", _give, _perform_give, _rows),
        TakeBack: Deed(lambda step: f"take transfer …{step.transfer_id[-6:]} back", _take_back, _perform_back, _rows),
    },
    patches=_patches,
    written=_written,
    laws={
        "transfers": "both sides of a transfer, or of its return, are written in one commit or none is, and no point "
        "comes of it or is lost",
        "as old as sent": "points that were received can be used no longer than those that were sent",
        "taken back once": "a transfer is taken back at most once",
    },
    judge=_judge,
    reachable=(
        "entry transfer_out TRANSFER_SENT",
        "entry transfer_in TRANSFER_RECEIVED",
        "entry transfer_out TRANSFER_CANCELLED",
        "entry transfer_in TRANSFER_CANCELLED",
        "transfer SENT",
        "transfer CANCELED",
        "a transfer paid a debt",
        "points were given that lapse while they cool",
        "lost a race: Give",
        "lost a race: TakeBack",
        "refused: TRANSFER_NOT_FOUND",
        "refused: TRANSFER_FINAL",
        "refused: RECIPIENT_UNAVAILABLE",
        "refused: NOT_OFFERED",
    ),
    visited={"TR": _row},
)
