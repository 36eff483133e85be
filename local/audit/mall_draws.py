"""Lotteries and draws: numbers worked out again from the secrets, prizes from the numbers, points by the entries.

secret of day n = SHA-256 of the secret of day n + 1            commitment = SHA-256 of the secret of day 1
number = the first 30 bits of HMAC-SHA-256(secret of the day, [lottery, day, member, attempt, client seed, block])
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from local.audit.laws import Violation
from local.audit.mall_rows import Document, Mall
from local.audit.rows import Entry, whole_number
from local.audit.table import Member
from local.simulation.days import local_day

NUMBERS = 10**9
_SECRET = 32
_Faults = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class _Prize:
    """A prize as it was written; it is won with numbers below ``beyond``, from those of the prize before it on."""

    id: str
    kind: str
    beyond: int
    points: int
    stock: int | None
    instead: str


@dataclass(frozen=True)
class _Book:
    """A lottery as it was written, and the secret of each of its days."""

    document: Document
    prizes: Mapping[str, _Prize]
    secrets: Mapping[date, bytes]
    cost: int
    attempts: int | None
    terms: str

    def fallen_on(self, number: int) -> str:
        """The prize that a number falls on; empty for none."""
        return next((one.id for one in self.prizes.values() if number < one.beyond), "")

    def ends(self, drawn: str) -> dict[tuple[str, bool], list[str]]:
        """What may come of a prize that was drawn, whether the cost goes back, and what was out of stock then."""
        found: dict[tuple[str, bool], list[str]] = {}
        at, empty = drawn, list[str]()
        while at in self.prizes and at not in empty:
            found[at, False] = list(empty)
            if self.prizes[at].stock is None:
                return found
            empty.append(at)
            at = self.prizes[at].instead
        found["", at == "refund" and bool(empty)] = empty
        return found


def judge_lotteries(mall: Mall, *, whole: bool) -> Iterator[Violation]:
    """Every lottery; ``whole`` where every member and every row of the mall could be read."""
    given: dict[tuple[str, str], int] = defaultdict(int)
    for draw in mall.draws.values():
        if draw.posted:
            given[draw["lottery"], draw["prize"]] += 1
    stocked: dict[str, int] = defaultdict(int)
    for (subject, _), shard in mall.shards.items():
        stocked[subject] += shard["stocked"]
    for name, lottery in mall.lotteries.items():
        for detail in (*_promise(lottery), *(_prizes(_book(lottery), stocked, given) if whole else ())):
            yield Violation("lotteries", name, detail)


def _prizes(book: _Book, stocked: Mapping[str, int], given: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Pieces that were put in, and prizes that were won, against what was written."""
    name = book.document["id"]
    for subject, pieces in stocked.items():
        prize = book.prizes.get(subject.rpartition(":")[2])
        if subject.startswith(f"lottery:{name}:") and pieces != ((prize and prize.stock) or 0):
            yield f"{pieces} of {subject} are stocked; {prize} was written"
    for prize in book.prizes.values():
        if prize.stock is not None:
            if f"lottery:{name}:{prize.id}" not in stocked:
                yield f"{prize.id} has no stock"
            if (won := given.get((name, prize.id), 0)) > prize.stock:
                yield f"{won} of {prize.stock} {prize.id} were won"


def judge_draws(member: Member, mall: Mall) -> Iterator[Violation]:
    """Every draw of a member, and every entry that names one."""
    entries: dict[str, list[Entry]] = defaultdict(list)
    for entry in member.history:
        if entry.source[0] == "draw":
            entries[entry.source[1]].append(entry)
    draws = {name: one for name, one in mall.draws.items() if one.member == member.member}
    attempts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for name in sorted({*entries, *draws}):
        draw = draws.get(name)
        if draw is None or not draw.posted:
            if entries[name]:
                yield Violation("draws", name, "entries name it and it was never made")
            continue
        attempts[draw["lottery"], draw["day"]].append(draw["attempt"])
        lottery = mall.lotteries.get(draw["lottery"])
        faults = [*_points(draw, entries[name])]
        if lottery is not None:
            book = _book(lottery)
            faults += [*_terms(draw, book), *_number(draw, book), *_prize(draw, book, mall)]
        elif mall.readable:
            faults.append(("draws", f"lottery {draw['lottery']} is not there"))
        for law, detail in faults:
            yield Violation(law, name, detail)
    yield from _attempts(member, attempts, mall)


def _attempts(member: Member, attempts: Mapping[tuple[str, str], list[int]], mall: Mall) -> Iterator[Violation]:
    for (lottery_id, day), found in attempts.items():
        known = mall.lotteries.get(lottery_id)
        most = known["content"].get("attempts_per_day") if known else None
        if sorted(found) != list(range(1, len(found) + 1)) or (most is not None and len(found) > most):
            yield Violation("attempts", member.member, f"{sorted(found)} of {lottery_id} on {day}, at most {most}")


# What was written ----------------------------------------------------------------------------------------------------


def _book(lottery: Document) -> _Book:
    content, beyond = lottery["content"], 0
    prizes: dict[str, _Prize] = {}
    for one in content["prizes"]:
        beyond += int(Fraction(one["odds"]) * NUMBERS)
        prizes[one["id"]] = _Prize(
            one["id"],
            one["kind"],
            beyond,
            whole_number(one.get("points", 0)),
            one.get("stock"),
            one.get("out_of_stock", "nothing"),
        )
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return _Book(
        lottery,
        prizes,
        _secrets(lottery),
        whole_number(content["cost"]),
        content.get("attempts_per_day"),
        hashlib.sha256(text.encode()).hexdigest(),
    )


def _secrets(lottery: Document) -> dict[date, bytes]:
    """The secret of every day, the last day's first."""
    first, secret = date.fromisoformat(lottery["first_day"]).toordinal(), bytes.fromhex(lottery["seed"])
    found = {}
    for number in reversed(range(lottery["days"])):
        found[date.fromordinal(first + number)] = secret
        secret = hashlib.sha256(secret).digest()
    return found


def _promise(lottery: Document) -> Iterator[str]:
    secrets, content = _secrets(lottery), lottery["content"]
    if (lottery["first_day"], lottery["days"]) != (content["from"], content["days"]):
        yield f"{lottery['days']} days from {lottery['first_day']}; written were {content['days']}, {content['from']}"
    if not secrets or len(bytes.fromhex(lottery["seed"])) != _SECRET:
        yield "has no secret"
    elif hashlib.sha256(secrets[min(secrets)]).hexdigest() != lottery["commitment"]:
        yield "its secrets do not lead to its commitment"


# One draw ------------------------------------------------------------------------------------------------------------


def _points(draw: Document, entries: list[Entry]) -> _Faults:
    due = [("redeem", "DRAW_ENTERED", -draw["cost"], draw["at"])] if draw["cost"] else []
    due += [("bonus", "DRAW_PRIZE", draw["points"], draw["at"])] if draw["points"] else []
    found = [(entry.kind, entry.reason, entry.points, entry.occurred) for entry in entries]
    if sorted(found) != sorted(due):
        yield "draws", f"costs {draw['cost']} and wins {draw['points']}; by entries {[str(one) for one in entries]}"


def _terms(draw: Document, book: _Book) -> _Faults:
    lottery = book.document
    if draw["cost"] != (0 if draw["refunded"] else book.cost):
        yield "draws", f"cost {draw['cost']}, of {book.cost}"
    if (draw["commitment"], draw["terms"]) != (lottery["commitment"], book.terms):
        yield "draws", f"was made on other terms than {lottery['id']} has"
    if local_day(datetime.fromisoformat(draw["at"]), ZoneInfo(lottery["zone"])).isoformat() != draw["day"]:
        yield "draws", f"of {draw['at']} counts on {draw['day']}"


def _number(draw: Document, book: _Book) -> _Faults:
    secret = book.secrets.get(date.fromisoformat(draw["day"]))
    if secret is None:
        yield "drawn", f"{draw['day']} is no day of {draw['lottery']}"
        return
    ticket: list[Any] = [draw[name] for name in ("lottery", "day", "member", "attempt", "client_seed")]
    number, block = NUMBERS, 0
    while number >= NUMBERS:
        text = json.dumps([*ticket, block], separators=(",", ":"), ensure_ascii=False)
        number = int.from_bytes(hmac.digest(secret, text.encode(), "sha256")[:4], "big") // 4
        block += 1
    if number != draw["number"]:
        # The right number gives nothing away: it is that of a draw that was made.
        yield "drawn", f"has the number {draw['number']}; by the secret of its day {number}"


def _prize(draw: Document, book: _Book, mall: Mall) -> _Faults:
    won, drawn = draw["prize"], draw["drawn"]
    ends = book.ends(drawn)
    empty = ends.get((won, draw["refunded"]))
    if drawn != book.fallen_on(draw["number"]) or empty is None:
        yield "drawn", f"{draw['number']} won {won or 'nothing'}, drawn was {drawn or 'nothing'}"
        return
    if [one["out_of_stock"] for one in draw["why"] if "out_of_stock" in one] != empty:
        yield "drawn", f"says {draw['why']}; {empty} were out of stock"
    prize = book.prizes.get(won)
    kind = prize.kind if prize else ""
    if draw["points"] != (prize.points if prize and kind == "points" else 0):
        yield "draws", f"won {draw['points']} points by {won}"
    stock = f"lottery:{draw['lottery']}:{won}" if prize and prize.stock is not None else ""
    if (draw["stock"], sum(draw["pieces"].values())) != (stock, 1 if stock else 0):
        yield "draws", f"has {draw['pieces']} of {draw['stock'] or 'no stock'}"
    coupon, order = mall.coupons.get(draw["coupon"]), mall.orders.get(draw["order"])
    made = (bool(draw["coupon"]), bool(draw["order"]))
    if made != (kind == "coupon", kind not in {"", "points", "coupon"}):
        yield "draws", f"won {kind}, made coupon {draw['coupon'] or 'none'} and order {draw['order'] or 'none'}"
    for one, name in ((coupon, draw["coupon"]), (order, draw["order"])):
        if name and (one is None or one["source"] != ["draw", draw["id"]] or one.member != draw.member):
            yield "draws", f"{name} is not there, or not of it"
