"""The laws of draws and auctions in a run of the mall, worked out once more from docs/lottery.md, docs/auctions.md."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from local.audit import Violation
from local.simulation.days import local_day
from local.simulation.mall_rows import AUCTION, BID, COUPON, DRAW, ENDED, LOTTERY, NEVER, ORDER, Change, Facts, instant

if TYPE_CHECKING:
    from local.simulation.mall_laws import Court
    from local.simulation.network import Committed

Found = Iterator[Violation]

NUMBERS = 10**9
KEPT = timedelta(days=30)
"""How long after its last end the points of an auction are held."""


# Draws ---------------------------------------------------------------------------------------------------------------


def judge_draws(court: Court, changes: list[Change], commit: Committed) -> Found:
    """Each draw when it is posted: its attempt, its number, and what it won."""
    for _, name, before, draw in (one for one in changes if one.kind == DRAW):
        if draw.get("status") == NEVER:
            if before is not None and before.get("status") != NEVER:
                yield Violation("numbers drawn", name, f"commit {court.number}: was drawn and never was")
            continue
        if before is not None and before.get("status") != NEVER:
            yield Violation("numbers drawn", name, f"commit {court.number}: was drawn again")
            continue
        lottery = court.books.of(LOTTERY)[draw["lottery"]]
        content = lottery["content"]
        if draw["day"] != local_day(instant(draw["at"]), ZoneInfo(lottery["zone"])).isoformat():
            yield Violation("numbers drawn", name, f"was made at {draw['at']} on {draw['day']}")
        same = [
            one["attempt"]
            for _, one in court.books.draws()
            if (one["member"], one["lottery"], one["day"]) == (draw["member"], draw["lottery"], draw["day"])
        ]
        if sorted(same) != list(range(1, len(same) + 1)) or len(same) > content["attempts_per_day"]:
            yield Violation(
                "numbers drawn", name, f"commit {court.number}: attempts of {draw['day']} are {sorted(same)}"
            )
        if draw["number"] != _number(lottery, draw):
            yield Violation("numbers drawn", name, f"drew {draw['number']}; worked out again {_number(lottery, draw)}")
            continue
        yield from _prize(court, name, content, draw, commit)


def _number(lottery: Facts, draw: Facts) -> int:
    """The number of a draw, from what is shown of it when its day is over."""
    day = (date.fromisoformat(draw["day"]) - date.fromisoformat(lottery["first_day"])).days + 1
    secret = bytes.fromhex(lottery["seed"])
    for _ in range(lottery["days"] - day):
        secret = hashlib.sha256(secret).digest()
    index = 0
    while True:
        said = [draw["lottery"], draw["day"], draw["member"], draw["attempt"], draw["client_seed"], index]
        text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
        bits = f"{int(hmac.new(secret, text.encode(), hashlib.sha256).hexdigest(), 16):0256b}"
        number = int(bits[:30], 2)
        if number < NUMBERS:
            return number
        index += 1


def _fallen(content: Facts, number: int) -> Facts | None:
    """The prize that a number falls on."""
    first = 0
    for prize in content["prizes"]:
        whole, _, places = prize["odds"].partition(".")
        first += int(whole) * NUMBERS + int(places.ljust(9, "0"))
        if number < first:
            return dict(prize)
    return None


def _prize(court: Court, name: str, content: Facts, draw: Facts, commit: Committed) -> Found:
    drawn = _fallen(content, draw["number"])
    by_id = {one["id"]: one for one in content["prizes"]}
    said = "", 0, content["cost"], drawn["id"] if drawn else ""
    at: Any = drawn
    while at is not None:
        if at["id"] == draw["prize"]:
            said = at["id"], at.get("points", 0), content["cost"], said[3]
            break
        left = _left(court, f"lottery:{draw['lottery']}:{at['id']}", commit) if "stock" in at else None
        if left != 0:
            yield Violation("prizes", name, f"fell on {at['id']}, of which {left} were left, and won {draw['prize']!r}")
            return
        otherwise = at.get("out_of_stock", "nothing")
        court.run.visit(f"a prize out of stock: {otherwise if otherwise in {'nothing', 'refund'} else 'another'}")
        if otherwise == "refund":
            said = "", 0, 0, said[3]
        at = by_id.get(otherwise)
    found = draw["prize"], draw.get("points", 0), draw["cost"], draw.get("drawn", "")
    if found != said:
        yield Violation("prizes", name, f"won, gave, cost and drew {found}; worked out again {said}")


def _left(court: Court, subject: str, commit: Committed) -> int | None:
    """Pieces of a prize that were free when its only shard was last looked at for this draw."""
    at = commit.read_at.get((f"C#{subject}", "ST#0000"))
    known = [shard for number, shard in court.history[f"{subject} 0"] if at is not None and number <= at]
    return known[-1].get("free") if known else None


def judge_ended_draws(court: Court) -> Found:
    """Each draw against its entries, its coupon and its order."""
    books = court.books
    for name, draw in books.draws():
        moved = sorted((one.kind, one.points) for one in books.entries_of("draw", name))
        gave, cost = draw.get("points", 0), draw["cost"]
        due = [*([("bonus", gave)] if gave else []), *([("redeem", -cost)] if cost else [])]
        if moved != due:
            yield Violation("prizes", name, f"moved {moved}, due are {due}")
        content = books.of(LOTTERY)[draw["lottery"]]["content"]
        kind = next((one["kind"] for one in content["prizes"] if one["id"] == draw["prize"]), "points")
        court.run.reached["mall: a prize was won"] += bool(draw["prize"])
        for holder, field, wanted in (
            (ORDER, "order", kind not in {"points", "coupon"}),
            (COUPON, "coupon", kind == "coupon"),
        ):
            own = [one for one, document in books.of(holder).items() if document.get("source") == ["draw", name]]
            if own != [draw[field]] * wanted if wanted else own or draw.get(field):
                yield Violation("prizes", name, f"won {draw['prize']}: {field} {draw.get(field)}, there are {own}")


# Auctions ------------------------------------------------------------------------------------------------------------

_ENDS = {"OUTBID", "RAISED", "WON", "RELEASED"}


def judge_bids(court: Court, changes: list[Change], commit: Committed) -> Found:
    """What accounts hold, and each auction from one state to the next."""
    for name, auction in court.books.of(AUCTION).items():
        yield from _held(court, name, auction, commit)
    for kind, name, before, after in changes:
        if kind == AUCTION and before is not None:
            yield from _moved(court, name, before, after)
        elif kind == BID:
            was, now = before.get("status", "TOP") if before else "", after.get("status", "TOP")
            if not (was == "" and now == "TOP") and not (was == "TOP" and now in _ENDS):
                yield Violation("open bids", name, f"commit {court.number}: {was or 'nothing'} became {now}")


def _held(court: Court, name: str, auction: Facts, commit: Committed) -> Found:
    own = {bid for bid, one in court.books.of(BID).items() if one["auction"] == name}
    held = {
        (hold, sum(lots.values()))
        for account in court.books.accounts.values()
        for hold, (_, lots) in account.holds.items()
        if hold in own
    }
    top = auction.get("top")
    due = {(top["bid"], top["points"])} if top and auction.get("status", "OPEN") == "OPEN" else set()
    if held != due:
        now = commit.doing.now
        if not held and now is not None and now >= _last_end(auction) + KEPT:
            return
        yield Violation("open bids", name, f"commit {court.number}: {sorted(held)} are held, the highest bid is {top}")
    tops = [bid for bid in own if court.books.of(BID)[bid].get("status", "TOP") == "TOP"]
    if auction.get("status", "OPEN") == "OPEN" and tops != ([top["bid"]] if top else []):
        yield Violation("open bids", name, f"commit {court.number}: {tops} are the highest, the auction says {top}")


def _last_end(auction: Facts) -> datetime:
    terms = auction["content"]
    extend = terms.get("extend_s", 0)
    return instant(terms["until"]) + timedelta(seconds=terms.get("extend_max_s", 10 * extend))


def _moved(court: Court, name: str, before: Facts, after: Facts) -> Found:
    where, terms = f"commit {court.number}", after["content"]
    if before.get("status", "OPEN") != "OPEN":
        yield Violation(
            "ended auctions", name, f"{where}: was {before.get('status')} and is {after.get('status', 'OPEN')}"
        )
        return
    if after.get("bids", 0) == before.get("bids", 0):
        if after.get("top") != before.get("top"):
            yield Violation("open bids", name, f"{where}: {before.get('top')} became {after.get('top')} without a bid")
        return
    top, known = after["top"], before.get("top")
    least = known["points"] + terms["step_points"] if known else terms["start_points"]
    at, closed = instant(top["at"]), instant(before["closes_at"])
    if top["points"] < least or after["bids"] != before.get("bids", 0) + 1 or not instant(terms["from"]) <= at < closed:
        yield Violation("open bids", name, f"{where}: {top} after {known}, bids until {closed}, at least {least}")
    ends = max(closed, min(at + timedelta(seconds=terms.get("extend_s", 0)), _last_end(after)))
    court.run.reached["mall: a late bid put the end off"] += ends > closed
    if instant(after["closes_at"]) != ends:
        yield Violation("open bids", name, f"{where}: ends at {after['closes_at']}, by its terms at {ends}")


def judge_ended_auctions(court: Court) -> Found:
    """Every bid against its entries, and what the highest one won."""
    books = court.books
    for name, bid in books.of(BID).items():
        own = sorted(one.kind for one in books.entries if one.hold_id == name)
        status = bid.get("status", "TOP")
        ends = {"WON": ["redeem"], "TOP": []}.get(status, ["release"])
        if own != sorted(["hold", *ends]):
            yield Violation("ended auctions", name, f"is {status}; its hold has the entries {own}")
        court.run.reached["mall: a bid was outbid"] += status == "OUTBID"
        court.run.reached["mall: a bid was raised"] += status == "RAISED"
    for name, auction in books.of(AUCTION).items():
        yield from _ended(court, name, auction)


def _ended(court: Court, name: str, auction: Facts) -> Found:
    books, status = court.books, auction.get("status", "OPEN")
    top: Any = auction.get("top")
    bids = {bid: one for bid, one in books.of(BID).items() if one["auction"] == name}
    most = auction["content"].get("max_bids_per_member", len(bids))
    if (
        len(bids) != auction.get("bids", 0)
        or max(Counter(one["member"] for one in bids.values()).values(), default=0) > most
    ):
        yield Violation("ended auctions", name, f"counts {auction.get('bids', 0)} bids, there are {sorted(bids)}")
    won = [bid for bid, one in bids.items() if one.get("status") == "WON"]
    spent = [(one.member, one.points) for one in books.entries_of("auction", name) if one.kind == "redeem"]
    orders = [one for _, one in books.orders() if one.get("source") == ["auction", name]]
    if status == "SOLD":
        sold = [(top["member"], -top["points"])]
        made = [(one["member"], -one["points"]) for one in orders]
        if (won, spent, made) != ([top["bid"]], sold, sold) or top["points"] != max(
            one["points"] for one in bids.values()
        ):
            yield Violation("ended auctions", name, f"was sold to {top}; won {won}, spent {spent}, orders {made}")
    elif won or spent or orders:
        yield Violation("ended auctions", name, f"is {status}; won {won}, spent {spent}, orders {len(orders)}")
    elif status == "UNSOLD" and top and court.run.world.clock.now < _last_end(auction) + KEPT:
        yield Violation("ended auctions", name, f"is unsold although {top} bid for it")
    court.run.reached["mall: a hold of a bid ran out"] += status == "UNSOLD" and top is not None
    for state, word in (("SOLD", "sold"), ("UNSOLD", "unsold"), ("CANCELED", "cancelled")):
        court.run.reached[f"mall: an auction was {word}"] += status == state


__all__ = ["ENDED", "judge_bids", "judge_draws", "judge_ended_auctions", "judge_ended_draws"]
