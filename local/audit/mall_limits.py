"""What an account remembers of the limits on a member, against what was used of them.

@reward.<id>  @mall         orders, less what was taken back        @coupon.<reward>   coupons that are used
@lottery.<id>               draws                                   @auction.<id>      bids
@checkout  @spent  @transfer  @received                            no more than entries say
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from local.audit.laws import Terms, Violation
from local.audit.mall_rows import ENDED, Document, Mall
from local.audit.table import Member
from local.audit.windows import is_kept, window_of
from local.simulation.days import local_day

_Uses = dict[tuple[str, str], int]
"""Points or times by key and stretch of the calendar."""

_EXACT = ("@reward.", "@mall/", "@lottery.", "@auction.", "@coupon.")
_TRANSFERS = {"TRANSFER_SENT": "transfer", "TRANSFER_RECEIVED": "received"}


def judge_limits(member: Member, mall: Mall, terms: Terms) -> Iterator[Violation]:
    """Every counter of a member that is of no earning rule; where all of the mall could be read."""
    account = member.account
    if account is None:
        return
    # A lottery's days may be a day ahead of the program's, and what it drops with them.
    today = local_day(terms.now, terms.program.zone) + timedelta(days=1)
    said = {
        (key, window): amount
        for key, windows in account.standing.used.items()
        if key.startswith("@")
        for window, amount in windows.items()
        if is_kept(window, today)
    }
    used, most = _used(member.member, mall, terms), _most(member, terms)
    for place in sorted({*said, *(one for one in used if is_kept(one[1], today))}):
        amount, exact = said.get(place, 0), place[0].startswith(_EXACT)
        due = used.get(place, 0) if exact else most.get(place, 0)
        if (amount != due) if exact else not 0 < amount <= due:
            yield Violation("member limits", member.member, f"{amount} of {place[0]} in {place[1]}; used {due}")


def _used(member: str, mall: Mall, terms: Terms) -> _Uses:
    """What was used, of limits that documents tell all of."""
    found: _Uses = defaultdict(int)

    def day_of(instant: str) -> date:
        return local_day(datetime.fromisoformat(instant), terms.program.zone)

    for order in _of(member, mall.orders):
        left = {"points": order["points"] - order["restored"], "times": order["quantity"] - order["returned"]}
        for subject, per, unit in {tuple(one) for one in order["counted"]}:
            if order["status"] not in ENDED:
                found[f"@{subject}/{per}/{unit}", window_of(per, day_of(order["at"]))] += left[unit]
    for draw in _of(member, mall.draws):
        found[f"@lottery.{draw['lottery']}/day/times", draw["day"]] += 1
    for bid in _of(member, mall.bids):
        auction = mall.auctions.get(bid["auction"])
        if auction is not None and auction["content"].get("max_bids_per_member") is not None:
            found[f"@auction.{bid['auction']}/ever/times", "ever"] += 1
    for coupon in _of(member, mall.coupons):
        if coupon["used_at"] is not None and coupon["terms"].get("uses_per_day") is not None:
            found[f"@coupon.{coupon['reward']}/day/times", day_of(coupon["used_at"]).isoformat()] += 1
    return {place: amount for place, amount in found.items() if amount}


def _of(member: str, documents: dict[str, Document]) -> Iterator[Document]:
    return (one for one in documents.values() if one.member == member and one.posted)


def _most(member: Member, terms: Terms) -> _Uses:
    """The most that can have been used, of limits that tell nobody what they counted."""
    found: _Uses = defaultdict(int)
    for entry in member.history:
        day = local_day(entry.occurred_at, terms.program.zone)
        points = max(abs(entry.points), sum(change.points for change in entry.hold_lots))
        opens = entry.kind == "hold" or (entry.kind == "redeem" and entry.hold_id is None)
        subjects = []
        if opens or (entry.kind == "transfer_out" and entry.reason == "TRANSFER_SENT"):
            subjects.append("spent")
        if opens and entry.source[0] in {"redemption", "hold", "order"}:
            subjects.append("checkout")
        if entry.reason in _TRANSFERS and entry.kind.startswith("transfer"):
            subjects.append(_TRANSFERS[entry.reason])
        for subject in subjects:
            for per in ("day", "week", "month", "year", "ever"):
                found[f"@{subject}/{per}/points", window_of(per, day)] += points
                found[f"@{subject}/{per}/times", window_of(per, day)] += 1
    return found
