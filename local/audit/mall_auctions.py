"""Auctions and bids, each bid against the entries that held its points, gave them back or spent them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from local.audit.laws import Violation
from local.audit.lots import total
from local.audit.mall_rows import Document, Mall, is_bid
from local.audit.rows import Entry, read_instant, whole_number
from local.audit.table import Member

_LAPSED = "HOLD_LAPSED"
_RELEASED = {"OUTBID": "BID_OUTBID", "RAISED": "BID_RELEASED", "RELEASED": "BID_RELEASED"}
_KEPT = timedelta(days=30)
"""For how long after its last end an auction keeps points."""


@dataclass
class _Traces:
    """What the entries say of one bid."""

    held: list[Entry] = field(default_factory=list)
    released: list[Entry] = field(default_factory=list)
    won: list[Entry] = field(default_factory=list)
    other: list[Entry] = field(default_factory=list)


_KINDS = {"hold": "held", "release": "released", "redeem": "won"}


def judge_bids(member: Member, mall: Mall) -> Iterator[Violation]:
    """Every bid of a member, and every entry that is of a bid or an auction."""
    traces: dict[str, _Traces] = defaultdict(_Traces)
    for entry in member.history:
        if is_bid(entry.hold_id) or entry.source[0] == "auction":
            getattr(traces[entry.hold_id or ""], _KINDS.get(entry.kind, "other")).append(entry)
    bids = {name: one for name, one in mall.bids.items() if one.member == member.member}
    for name in sorted({*traces, *bids}):
        bid = bids.get(name)
        if bid is None:
            yield Violation("bids", name or member.member, "entries name it and it is not there")
            continue
        for detail in _points(bid, traces[name], member, mall):
            yield Violation("bids", name, detail)


def _points(bid: Document, trace: _Traces, member: Member, mall: Mall) -> Iterator[str]:
    points, status, source = bid["points"], bid["status"], ("auction", bid["auction"])
    held = [(one.reason, total(one.hold_lots), one.occurred, one.source) for one in trace.held]
    if held != [("BID_PLACED", points, bid["at"], source)] or trace.other:
        yield f"of {points} at {bid['at']} has {[str(one) for one in (*trace.held, *trace.other)]}"
        return
    auction = mall.auctions.get(bid["auction"])
    if auction is not None and trace.held[0].hold_until != _kept_until(auction):
        yield f"holds its points until {trace.held[0].hold_until}, not {_kept_until(auction)}"
    won = [(one.reason, one.points, one.source) for one in trace.won]
    if won != ([("AUCTION_WON", -points, source)] if status == "WON" else []):
        yield f"is {status}; spent by {[str(one) for one in trace.won]}"
    back = [(one.reason, -total(one.hold_lots)) for one in trace.released]
    account = member.account
    holds = {name: sum(lots.values()) for name, (_, lots) in account.holds.items()} if account else {}
    keeps, lapsed = [holds[bid["id"]]] if bid["id"] in holds else [], [(_LAPSED, points)]
    match status:
        case "TOP":
            fits = (keeps, back) in (([points], []), ([], lapsed))
        case "WON":
            fits = (keeps, back) == ([], [])
        case _:
            fits = not keeps and back in ([(_RELEASED[status], points)], lapsed)
    if not fits:
        yield f"of {points} is {status}; holds {keeps}, gave back {back}"


def judge_auctions(mall: Mall) -> Iterator[Violation]:
    """Every auction with its bids; where every row could be read."""
    bids: dict[str, list[Document]] = defaultdict(list)
    for bid in mall.bids.values():
        bids[bid["auction"]].append(bid)
    for name in sorted({*mall.auctions, *bids}):
        auction = mall.auctions.get(name)
        if auction is None:
            yield Violation("auctions", name, f"{len(bids[name])} bids are of it, and it is not there")
            continue
        found = sorted(bids[name], key=lambda bid: int(bid["points"]))
        for detail in (*_bids(auction, found), *_end(auction, found, mall), *_limits(auction, found)):
            yield Violation("auctions", name, detail)


def _bids(auction: Document, bids: list[Document]) -> Iterator[str]:
    top, content = auction["top"], auction["content"]
    if auction["bids"] != len(bids):
        yield f"counts {auction['bids']} bids; there are {len(bids)}"
    said = (top["member"], top["bid"], top["points"], top["at"]) if top else None
    last = (bids[-1].member, bids[-1]["id"], bids[-1]["points"], bids[-1]["at"]) if bids else None
    if said != last:
        yield f"says that {said} is its highest bid; that is {last}"
    least = whole_number(content.get("start_points", 1))
    for bid in bids:
        if bid["points"] < least:
            yield f"{bid} is of {bid['points']}, and {least} were the least"
        least = bid["points"] + whole_number(content.get("step_points", 1))


def _end(auction: Document, bids: list[Document], mall: Mall) -> Iterator[str]:
    status, statuses = auction["status"], [bid["status"] for bid in bids]
    last = {"OPEN": "TOP", "SOLD": "WON", "UNSOLD": "RELEASED", "CANCELED": "RELEASED"}[status]
    if any(one not in {"OUTBID", "RAISED"} for one in statuses[:-1]) or statuses[-1:] not in ([], [last]):
        yield f"is {status}; its bids are {statuses}"
    order = mall.orders.get(auction["order"])
    if status != "SOLD":
        if auction["order"]:
            yield f"is {status}, and has the order {auction['order']}"
    elif not bids or order is None or order["source"] != ["auction", auction["id"]] or order.member != bids[-1].member:
        yield f"is SOLD; its order {auction['order'] or 'none'} is not there, or not of who won"
    elif (order["points"], order["details"].get("bid")) != (bids[-1]["points"], bids[-1]["id"]):
        yield f"was sold for {bids[-1]['points']}; its order is of {order['points']}"


def _limits(auction: Document, bids: list[Document]) -> Iterator[str]:
    """What was written of it: when it is open, how high and how often somebody can bid."""
    content = auction["content"]
    opens, closes = (datetime.fromisoformat(content[name]) for name in ("from", "until"))
    now = datetime.fromisoformat(auction["closes_at"])
    if datetime.fromisoformat(auction["opens_at"]) != opens or not closes <= now <= closes + _put_off(auction):
        yield f"is open from {auction['opens_at']} to {auction['closes_at']}"
    if any(not opens <= datetime.fromisoformat(bid["at"]) < now for bid in bids):
        yield "has a bid of a time when it was not open"
    most = content.get("max_points")
    if most is not None and bids and bids[-1]["points"] > most:
        yield f"has a bid of {bids[-1]['points']}, at most {most}"
    often = content.get("max_bids_per_member")
    by_member: dict[str, int] = defaultdict(int)
    for bid in bids:
        by_member[bid.member] += 1
    if often is not None and max(by_member.values(), default=0) > often:
        yield f"has {max(by_member.values())} bids of one member, at most {often}"


def _put_off(auction: Document) -> timedelta:
    """How far late bids can put its end off."""
    content = auction["content"]
    extend = whole_number(content.get("extend_s", 0))
    return timedelta(seconds=whole_number(content.get("extend_max_s", min(10 * extend, 86_400))))


def _kept_until(auction: Document) -> str:
    """When its points go back by themselves, as entries write it."""
    ends = datetime.fromisoformat(auction["content"]["until"]) + _put_off(auction) + _KEPT
    utc = ends.astimezone(UTC).isoformat(timespec="auto")
    return read_instant(utc.replace("+00:00", "Z"))
