"""The laws of a run of the mall, from its rows and what the story says: stock, codes, orders, limits, coupons.

    commits, one by one ──> Books ──> what must hold at each of them
    at the end ──────────> every document against the entries that name it, and the other way round

Nothing here calls what it judges. Draws and auctions are in :mod:`local.simulation.play_laws`; the accounts themselves
are held to the laws of :mod:`local.audit`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from local.audit import Violation, audit
from local.audit.lots import LotKey, Lots, merged, negated
from local.audit.rows import Entry
from local.simulation import mall
from local.simulation.days import local_day
from local.simulation.mall_rows import (
    AUCTION,
    COUPON,
    DRAW,
    ENDED,
    NEVER,
    ORDER,
    STOCK,
    Books,
    Change,
    Facts,
    instant,
    pieces_of,
    reserved,
    statuses,
    was_seen,
)
from local.simulation.memory import oldest, window
from local.simulation.play_laws import judge_bids, judge_draws, judge_ended_auctions, judge_ended_draws
from local.simulation.world import SHARDS

if TYPE_CHECKING:
    from local.simulation.mall_run import MallRun
    from local.simulation.network import Committed

Found = Iterator[Violation]


@dataclass
class Court:
    """What the judges know when ``number`` commits were taken in.

    Attributes:
        posted: by request, the orders, draws and bids that were made under it.
        seen: by code, the order whose member could see it.
        history: by shard and auction, every state it had, with the commit that made it.
        uses: by coupon, how often it was used.
        broken: by order, pieces that were given back and are for nobody else.
    """

    run: MallRun
    books: Books = field(default_factory=Books)
    number: int = 0
    posted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    seen: dict[str, str] = field(default_factory=dict)
    history: dict[str, list[tuple[int, Facts]]] = field(default_factory=lambda: defaultdict(list))
    uses: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)

    def day(self, text: str) -> Any:
        """The local day of an instant as rows have it."""
        return local_day(instant(text), self.run.world.story.program.zone)


def judge_mall(run: MallRun) -> list[Violation]:
    """Everything that is wrong with a run; nothing, if it is sound."""
    court, found = Court(run), list[Violation]()
    committed = {one.number: one for one in run.world.network.committed}
    for commit in run.world.table.commits:
        changes = court.books.take(commit)
        court.number = commit.number
        for change in changes:
            if change.kind in {STOCK, AUCTION}:
                court.history[change.name].append((commit.number, change.after))
        if changes or any(key[1] == "A" for key in commit.puts):
            for law in _AT_EACH:
                found += law(court, changes, committed[commit.number])
    for judge in _AT_THE_END:
        found += judge(court)
    _visit(court)
    return found


# Stock ---------------------------------------------------------------------------------------------------------------


def _stock(court: Court, changes: list[Change], _commit: Committed) -> Found:
    for _, name, _, shard in (one for one in changes if one.kind == STOCK):
        free, sold, stocked = shard.get("free"), shard.get("sold", 0), shard.get("stocked", 0)
        kept = [one["pieces"] for one in reserved(shard).values()]
        if min([free or 0, sold, stocked, *kept]) < 0 or (free is not None and free + sum(kept) + sold != stocked):
            detail = f"commit {court.number}: free {free}, reserved {kept}, sold {sold}, stocked {stocked}"
            yield Violation("stock throughout", name, detail)
        if shard.get("pooled"):
            codes = [len(one.get("codes", ())) for one in reserved(shard).values()]
            if free != len(shard.get("codes") or ()) or kept != codes:
                yield Violation(
                    "stock throughout", name, f"commit {court.number}: free {free}, reserved {kept}; codes {shard}"
                )


def _posted(court: Court, changes: list[Change], _commit: Committed) -> Found:
    """The stock is never written together with orders, so what it is now is what it was then."""
    for kind, name, before, after in changes:
        if kind not in {ORDER, DRAW} or after.get("status") == NEVER:
            continue
        if before is not None and before.get("status") != NEVER:
            continue
        detail = f"commit {court.number}: posted with {dict(pieces_of(after))}"
        if sum(pieces_of(after).values()) != _wanted(court, kind, after):
            yield Violation("posted with its pieces", name, f"{detail}, not {_wanted(court, kind, after)} of them")
        codes: list[str] = []
        for number, pieces in sorted(pieces_of(after).items(), key=lambda one: int(one[0])):
            shard = court.books.of(STOCK).get(f"{after['stock']} {number}", {})
            kept = reserved(shard).get(name, {})
            codes += kept.get("codes", ())
            if (kept.get("pieces"), kept.get("mark", 0)) != (pieces, after.get("marks", {}).get(number, 0)):
                yield Violation("posted with its pieces", name, f"{detail}; shard {number} keeps {kept or 'nothing'}")
        if kind == ORDER and codes != list(after.get("codes", ())):
            yield Violation(
                "codes throughout", name, f"commit {court.number}: has {after.get('codes')}, reserved were {codes}"
            )


def _wanted(court: Court, kind: str, document: Facts) -> int:
    """How many pieces it has to be posted with."""
    if kind == DRAW:
        prizes = court.run.story.lottery["prizes"] if court.run.story.lottery else []
        return int(any(one["id"] == document["prize"] and "stock" in one for one in prizes))
    return document.get("quantity", 1) if "source" not in document else 0


def _sold(court: Court) -> Found:
    """Who has the pieces that were sold."""
    owned: Counter[str] = Counter()
    for _, document in (*court.books.orders(), *court.books.draws()):
        seen = document.get("codes") and was_seen(document)
        if document.get("status") in {*ENDED, "FORFEITED"} and not seen:
            left, broken = sum(pieces_of(document).values()), court.broken[document["id"]]
            if left != (broken if document.get("stock") else 0):
                yield Violation(
                    "pieces at the end", document["id"], f"is over, has {left} pieces, and {broken} are not sold again"
                )
        for number, pieces in pieces_of(document).items():
            owned[f"{document['stock']} {number}"] += pieces
    for name, shard in court.books.of(STOCK).items():
        if reserved(shard):
            yield Violation("pieces at the end", name, f"is still reserved at the end: {reserved(shard)}")
        if shard.get("sold", 0) != owned[name]:
            yield Violation(
                "pieces at the end", name, f"{shard.get('sold', 0)} are sold, orders and prizes have {owned[name]}"
            )


def _overdue(court: Court) -> Found:
    before, after = court.run.second_run
    if before != after:
        yield Violation("overdue", "deadlines", f"a run that had nothing to do made {after - before} commits")
    now = court.run.world.clock.now
    for name, order in court.books.orders():
        due = order.get("due")
        if order.get("put_back") or (order["status"] in {"CREATED", "ADDRESS_DUE"} and due and instant(due) <= now):
            yield Violation("overdue", name, f"is {order['status']}, due {due}, put back {order.get('put_back')}")
    for name, auction in court.books.of(AUCTION).items():
        if auction.get("status", "OPEN") == "OPEN" and instant(auction["closes_at"]) <= now:
            yield Violation("overdue", name, f"closed at {auction['closes_at']} and is not settled")


# Codes ---------------------------------------------------------------------------------------------------------------


def _codes(court: Court, changes: list[Change], _commit: Committed) -> Found:
    if not any(one.after.get("pooled") or one.after.get("codes") for one in changes if one.kind in {STOCK, ORDER}):
        return
    places = _places(court)
    for code, found in places.items():
        if len(found) > 1:
            yield Violation("codes throughout", code, f"commit {court.number}: is with {found}")
        if court.seen.get(code, found[0]) != found[0]:
            yield Violation(
                "codes throughout", code, f"commit {court.number}: {court.seen[code]} saw it, {found[0]} has it"
            )
    if lost := court.seen.keys() - places.keys():
        yield Violation("codes throughout", min(lost), f"commit {court.number}: nobody has it any more")


def _places(court: Court) -> Mapping[str, list[str]]:
    """Where each code is; whoever could see one is remembered."""
    places: dict[str, list[str]] = defaultdict(list)
    for shard in court.books.of(STOCK).values():
        if shard.get("pooled"):
            for code in shard.get("codes") or ():
                places[code].append("the pool")
            for owner, kept in reserved(shard).items():
                for code in kept.get("codes", ()):
                    places[code].append(owner)
    for name, order in court.books.orders():
        for code in order.get("codes", ()):
            if name not in places[code]:
                places[code].append(name)
            if was_seen(order):
                court.seen.setdefault(code, name)
    return places


# Orders --------------------------------------------------------------------------------------------------------------

_BEGINS = {"CREATED", "ADDRESS_DUE", "TO_SHIP", "FULFILLED"}
_LEADS_TO: Mapping[str, set[str]] = {
    "CREATED": {"ADDRESS_DUE", "TO_SHIP", "FULFILLED", "CANCELED"},
    "ADDRESS_DUE": {"TO_SHIP", "FORFEITED", "CANCELED"},
    "TO_SHIP": {"SHIPPED", "FULFILLED", "CANCELED"},
    "SHIPPED": {"FULFILLED", "RETURNED", "CANCELED"},
    "FULFILLED": {"RETURNED", "CANCELED"},
}


def _steps(court: Court, changes: list[Change], commit: Committed) -> Found:
    for _, name, before, after in (one for one in changes if one.kind == ORDER):
        if after["status"] == NEVER:
            if before is not None and before["status"] != NEVER:
                yield Violation("steps", name, f"commit {court.number}: was {before['status']} and never was")
            continue
        known = before if before and before["status"] != NEVER else None
        was, now = known["status"] if known else "", after["status"]
        own = after.get("steps", ())
        more = own[len(known.get("steps", ())) if known else 0 :]
        if [one["status"] for one in more][1:] or (was != now and not more) or (more and more[-1]["status"] != now):
            yield Violation("steps", name, f"commit {court.number}: {was or 'nothing'} to {now} by {more}")
        elif now not in ({was} | _LEADS_TO.get(was, set()) if known else _BEGINS):
            yield Violation("steps", name, f"commit {court.number}: {was or 'nothing'} became {now}")
        elif known and _put_aside(commit.doing.step):
            court.broken[name] += after.get("returned", 0) - known.get("returned", 0)
        elif known and was != now and was in {"CREATED", "ADDRESS_DUE"}:
            yield from _in_time(court, name, known, more[-1])


def _put_aside(step: Any) -> bool:
    """Whether pieces are given back and not sold again."""
    return isinstance(step, mall.GiveBack) and not step.flag


def _in_time(court: Court, name: str, before: Facts, step: Facts) -> Found:
    due, ended = before.get("due"), step["status"] == "FORFEITED" or step.get("note") == "unpaid"
    over = due is not None and instant(step["at"]) >= instant(due)
    if over != ended:
        detail = f"commit {court.number}: {before['status']}, due {due}, became {step}"
        yield Violation("steps", name, detail)
    if step["status"] == "FORFEITED" and before.get("address"):
        yield Violation("steps", name, f"commit {court.number}: forfeited, and goes to {before['address']}")


def _one_order(court: Court, changes: list[Change], commit: Committed) -> Found:
    for kind, name, before, after in changes:
        new = before is None or before.get("status") == NEVER
        if kind not in {ORDER, DRAW, "BD"} or after.get("status") == NEVER or not new or "source" in after:
            continue
        key = commit.doing.key
        court.posted[key].add(name)
        if not key or len(court.posted[key]) > 1:
            yield Violation("one order", name, f"commit {court.number}: under {key!r} are {sorted(court.posted[key])}")


def _answers(court: Court) -> Found:
    answers: dict[str, list[Any]] = defaultdict(list)
    for told in court.run.told:
        if isinstance(told.answer, Mapping):
            answers[told.key].append(told.answer)
            name = next((told.answer[one] for one in ("draw_id", "bid_id") if told.answer.get(one)), None)
            name = name or (told.answer.get("order_id") if isinstance(told.ask, mall.Exchange) else None)
            if name and name not in court.posted[told.key]:
                yield Violation("one order", told.key, f"{name} was told of and was not made")
    for key, found in answers.items():
        if any(one != found[0] for one in found):
            yield Violation("one order", key, f"was answered {found}")


def _exchanges(court: Court) -> Found:
    books, terms = court.books, court.run.world.story.program.redemption
    by_source: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in books.entries:
        by_source[entry.source].append(entry)
    for name, order in books.orders():
        own = by_source["reward_order", name]
        redeemed, restored = ([one for one in own if one.kind == kind] for kind in ("redeem", "restore"))
        points, ended = order.get("points", 0), order["status"] in ENDED
        if "source" not in order:
            content = court.run.story.shelf[order["reward"]].content
            price = [content.get(each, 0) * order.get("quantity", 1) for each in ("points", "cash_minor")]
            if [points, order.get("cash_minor", 0)] != price:
                yield Violation("exchanges", name, f"cost {points} and {order.get('cash_minor')}, the price is {price}")
            took = [-one.points for one in redeemed]
            if took != [points] * bool(points):
                yield Violation("exchanges", name, f"took {took}, the price is {points}")
            if redeemed and negated(merged(redeemed[0].lots)) != _spent(order):
                yield Violation("exchanges", name, f"spent {order.get('spent')}, the entry {redeemed[0].lots}")
        due = points if ended else points * order.get("returned", 0) // order.get("quantity", 1)
        back = sum(one.points for one in restored)
        if (back, order.get("restored", 0)) != (due, due) or (ended and len(restored) > 1 + order.get("returned", 0)):
            yield Violation("exchanges", name, f"{order['status']}: {back} went back of {points}, due are {due}")
        yield from _own_lots(name, order, restored, grace=terms.expired_on_restore == "grace")
        yield from _voucher(court, name, order, own)


def _spent(order: Facts) -> Lots:
    found: Lots = {}
    for points, *days in order.get("spent", ()):
        key = (days[0], days[1] if len(days) > 1 else None)
        found[key] = found.get(key, 0) + points
    return found


def _own_lots(name: str, order: Facts, restored: Iterable[Entry], *, grace: bool) -> Found:
    spent, back = _spent(order), dict[LotKey, int]()
    for entry in restored:
        if sum(one.points for one in entry.lots) - entry.debt != entry.points:
            yield Violation("exchanges", name, f"{entry} gives {entry.lots} and pays {-entry.debt}")
        for points, key in entry.lots:
            back[key] = back.get(key, 0) + points
    if not grace and any(points > spent.get(key, 0) for key, points in back.items()):
        yield Violation("exchanges", name, f"spent {spent}, back went {back}")


def _voucher(court: Court, name: str, order: Facts, own: list[Entry]) -> Found:
    gave = [one.points for one in own if one.kind == "bonus"]
    took = [-one.points for one in own if one.kind == "clawback"]
    due = []
    if order["kind"] == "voucher" and "FULFILLED" in statuses(order):
        due = [court.run.story.shelf[order["reward"]].content["voucher"]["points"] * order.get("quantity", 1)]
    if gave != due:
        yield Violation("exchanges", name, f"gave {gave}, a voucher of {due}")
    back = due if order["status"] in ENDED else []
    forgiving = court.run.world.story.program.clawback == "clamp"
    if took != back and not (forgiving and len(took) <= len(back) and sum(took) < sum(back)):
        yield Violation("exchanges", name, f"took back {took} of {due}, due are {back}")
    if strange := [one for one in own if one.kind not in {"redeem", "restore", "bonus", "clawback"}]:
        yield Violation("exchanges", name, f"{strange}")


def _documented(court: Court) -> Found:
    kinds = {"reward_order": ORDER, "draw": DRAW, "auction": AUCTION}
    for entry in court.books.entries:
        kind, name = entry.source
        if kind in kinds:
            document = court.books.of(kinds[kind]).get(name)
            if document is None or document.get("status") == NEVER:
                yield Violation("points of the mall", f"{entry.member} {entry}", f"{kind} {name} is not there")
            elif kind != "auction" and document["member"] != entry.member:
                yield Violation("points of the mall", f"{entry.member} {entry}", f"{name} is of {document['member']}")


# Limits --------------------------------------------------------------------------------------------------------------

Limit = tuple[str, str, str, int]
"""Subject, stretch, unit, and the most."""


def _limits(court: Court, changes: list[Change], commit: Committed) -> Found:
    for change in changes:
        order = change.after
        if change.kind != ORDER or "source" in order or order["status"] == NEVER:
            continue
        for subject, per, unit, most in _limits_of(court, order["reward"]):
            name = window(per, court.day(order["at"]))
            used = _used(court, order["member"], subject, per, unit, name)
            if used > most:
                detail = f"commit {court.number}: {used} {unit} in {name}, at most {most}"
                yield Violation("reward limits", f"{order['member']} {subject}", detail)
            account, now = court.books.accounts.get(order["member"]), commit.doing.now
            if account is None or now is None:
                continue
            today = local_day(now, court.run.world.story.program.zone)
            counted = account.standing.used.get(f"@{subject}/{per}/{unit}", {}).get(name, 0)
            if name >= oldest(per, today) and counted != used:
                detail = f"commit {court.number}: {counted} {unit} in {name} are remembered, orders come to {used}"
                yield Violation("reward limits", f"{order['member']} {subject}", detail)


def _limits_of(court: Court, reward: str) -> list[Limit]:
    found: list[Limit] = []
    for one in court.run.story.shelf[reward].content.get("limits", ()):
        unit = "times" if "times" in one else "points"
        found.append((f"reward.{reward}", one["per"], unit, one[unit]))
    terms = court.run.world.story.program.mall
    if terms.times_per_day is not None:
        found.append(("mall", "day", "times", terms.times_per_day))
    if terms.points_per_day is not None:
        found.append(("mall", "day", "points", terms.points_per_day))
    return found


def _used(court: Court, member: str, subject: str, per: str, unit: str, name: str) -> int:
    """What the orders that still stand come to."""
    total = 0
    for _, order in court.books.orders():
        own = subject in {"mall", f"reward.{order['reward']}"} and order["member"] == member
        if own and "source" not in order and window(per, court.day(order["at"])) == name:
            pieces = 0 if order["status"] in ENDED else order.get("quantity", 1) - order.get("returned", 0)
            total += pieces if unit == "times" else order.get("points", 0) - order.get("restored", 0)
    return total


# Coupons -------------------------------------------------------------------------------------------------------------


def _coupons(court: Court, changes: list[Change], commit: Committed) -> Found:
    for _, name, before, after in (one for one in changes if one.kind == COUPON):
        was, now = before.get("status", "ISSUED") if before else "", after.get("status", "ISSUED")
        where = f"commit {court.number}: {was or 'nothing'} became {now}"
        if (was, now) not in {("", "ISSUED"), ("ISSUED", "USED"), ("USED", "ISSUED"), ("ISSUED", "VOID")}:
            yield Violation("coupon uses", name, f"{where}, on {(before or {}).get('order')} and {after.get('order')}")
        if now == "USED":
            court.uses[name] += 1
            yield from _use(court, name, after, commit)
        elif after.get("order") or after.get("discount_minor"):
            yield Violation("coupon uses", name, f"{where}, and has {after}")


def _use(court: Court, name: str, coupon: Facts, commit: Committed) -> Found:
    terms: Facts = coupon["terms"]
    asked: Any = commit.doing.step
    if not isinstance(asked, mall.UseCoupon):
        yield Violation("coupon uses", name, f"commit {court.number}: was used by {asked}")
        return
    goods = asked.number
    if terms["kind"] == "percent":
        off = min(goods, int(goods * Fraction(terms["percent"])), terms.get("max_discount_minor", goods))
    else:
        off = min(goods, terms["discount_minor"])
    if coupon.get("discount_minor", 0) != off or goods < terms.get("threshold_minor", 0):
        yield Violation("coupon uses", name, f"takes {coupon.get('discount_minor')} off {goods}, by {terms} {off}")
    day = court.day(coupon["used_at"])
    if coupon.get("expires_on") is not None and coupon["expires_on"] < day.isoformat():
        yield Violation("coupon uses", name, f"was used on {day}, its last day was {coupon['expires_on']}")
    same = [
        one
        for one in court.books.of(COUPON).values()
        if (one["member"], one["reward"]) == (coupon["member"], coupon["reward"])
        and one.get("status") == "USED"
        and court.day(one["used_at"]) == day
    ]
    if len(same) > terms.get("uses_per_day", len(same)):
        yield Violation("coupon uses", name, f"commit {court.number}: {len(same)} of its reward were used on {day}")


def _issued(court: Court) -> Found:
    """Coupons are those that orders and draws name; what was answered is what was done."""
    named: Counter[str] = Counter()
    for name, order in court.books.orders():
        own = order.get("details", {}).get("coupons", ())
        named.update(own)
        if order["kind"] == "coupon" and "source" not in order and len(own) != order.get("quantity", 1):
            yield Violation("coupon uses", name, f"has {own}, {order.get('quantity', 1)} were ordered")
        open_ones = [court.books.of(COUPON)[one].get("status", "ISSUED") for one in own]
        if order["status"] in ENDED and set(open_ones) - {"VOID"}:
            yield Violation("coupon uses", name, f"is {order['status']}, its coupons are {open_ones}")
    named.update(draw["coupon"] for _, draw in court.books.draws() if draw.get("coupon"))
    if named != Counter(court.books.of(COUPON).keys()):
        yield Violation("coupon uses", "all", f"{sorted(court.books.of(COUPON))} are there, named are {dict(named)}")
    told = [one for one in court.run.told if isinstance(one.ask, mall.UseCoupon) and isinstance(one.answer, Mapping)]
    done = Counter({one.key: str(one.answer["coupon_id"]) for one in told if isinstance(one.answer, Mapping)}.values())
    if any(count > court.uses[name] for name, count in done.items()):
        yield Violation("coupon uses", "all", f"{dict(done)} uses were granted, {dict(court.uses)} were made")


# Accounts ------------------------------------------------------------------------------------------------------------


def _ledger(court: Court) -> Found:
    """The laws of the ledger, which are about the rows at the end."""
    world = court.run.world
    yield from audit(world.table.items.values(), world.story.program, world.clock.now, shards=SHARDS)


# What was met --------------------------------------------------------------------------------------------------------


def _visit(court: Court) -> None:
    run, books = court.run, court.books
    statuses_of = Counter(order["status"] for _, order in books.orders())
    for state, status in (
        ("an order was forfeited", "FORFEITED"),
        ("an order was cancelled", "CANCELED"),
        ("an order was returned", "RETURNED"),
    ):
        run.reached[f"mall: {state}"] += statuses_of[status]
    for name, order in books.orders():
        notes = [step.get("note") for step in order.get("steps", ())]
        run.reached["mall: an unpaid order ended"] += "unpaid" in notes
        run.reached["mall: an order was returned in part"] += 0 < order.get("returned", 0) < order.get("quantity", 1)
        run.reached["mall: an order of pieces from several shards"] += len(pieces_of(order)) > 1
        run.reached["mall: a code was seen and stays sold"] += bool(order.get("codes")) and order["status"] in ENDED
        clawed = any(entry.kind == "clawback" for entry in books.entries_of("reward_order", name))
        run.reached["mall: a voucher was taken back"] += clawed
    run.reached["mall: a lost exchange gives its pieces back"] += sum(
        one["status"] == NEVER for one in books.of(ORDER).values()
    )
    run.reached["mall: a lost draw gives its pieces back"] += sum(
        one.get("status") == NEVER for one in books.of(DRAW).values()
    )
    _visit_commits(court)
    _visit_told(court)


def _visit_commits(court: Court) -> None:
    """What commits tell: who counted pieces as sold, put them back, or freed a code."""
    run, books = court.run, Books()
    for commit, made in zip(run.world.table.commits, run.world.network.committed, strict=True):
        step: Any = made.doing.step
        worker = isinstance(step, mall.Work)
        for kind, _, before, after in books.take(commit):
            if kind == STOCK and before:
                sold = after.get("sold", 0) - before.get("sold", 0)
                run.reached["mall: the worker counts pieces as sold"] += worker and sold > 0
                grown = len(after.get("codes") or ()) - len(before.get("codes") or ())
                run.reached["mall: a code that nobody saw goes back"] += grown > 0 and sold < 0
                filled = isinstance(step, mall.Fill) and made.client not in {"opening", "calm"}
                run.reached["mall: pieces were put in while others exchange"] += filled
                attempts = [one for one in reserved(after).values() if one.get("fence")]
                run.reached["mall: two attempts of one exchange at once"] += bool(attempts)
            elif kind == ORDER and before:
                back = before.get("put_back") and not after.get("put_back")
                run.reached["mall: the worker puts pieces back"] += worker and bool(back)
            elif kind == COUPON and before:
                run.reached["mall: a coupon was used"] += after.get("status") == "USED"
                given_back = before.get("status") == "USED" and after.get("status", "ISSUED") == "ISSUED"
                run.reached["mall: a coupon was given back"] += given_back


_CRASHED = {mall.Exchange: "an exchange", mall.DrawOnce: "a draw", mall.PlaceBid: "a bid"}
_REFUSED = {
    (mall.Exchange, "LIMIT_REACHED"): "a limit on rewards was reached",
    (mall.DrawOnce, "LIMIT_REACHED"): "draws of a day were used up",
    (mall.UseCoupon, "LIMIT_REACHED"): "a coupon's day was full",
    (mall.UseCoupon, "COUPON_NOT_USABLE"): "a coupon was wanted twice at once",
    (mall.Pay, "DEADLINE_PASSED"): "an order came too late for its deadline",
    (mall.Address, "DEADLINE_PASSED"): "an order came too late for its deadline",
}


def _visit_told(court: Court) -> None:
    run = court.run
    made = {one.doing.key: one.number for one in reversed(run.world.network.committed) if one.doing.key}
    for told in run.told:
        if isinstance(told.answer, Mapping):
            done = told.key in run.crashed and made.get(told.key, told.begun + 1) <= told.begun
            if done and type(told.ask) in _CRASHED and court.posted[told.key]:
                run.visit(f"{_CRASHED[type(told.ask)]} was done before its crash")
            continue
        code = told.answer.code
        if state := _REFUSED.get((type(told.ask), code)):
            run.visit(state)
        if code == "NOT_OPEN" and isinstance(told.ask, mall.PlaceBid):
            known = [one for at, one in court.history[told.ask.target] if at <= told.begun][-1]
            in_time = known.get("status", "OPEN") == "OPEN" and told.now < instant(known["closes_at"])
            run.reached["mall: the end raced a bid"] += in_time
        if code == "OUT_OF_STOCK" and isinstance(told.ask, mall.Exchange):
            run.reached["mall: sold out under a race"] += (
                _free_at(court, told.ask.target, told.begun) >= told.ask.number
            )


def _free_at(court: Court, subject: str, number: int) -> int:
    """Free pieces when so many commits had been made."""
    total = 0
    for name, states in court.history.items():
        if name.rpartition(" ")[0] == subject:
            now = [shard for at, shard in states if at <= number]
            total += (now[-1].get("free") or 0) if now else 0
    return total


_AT_EACH = (_stock, _posted, _codes, _steps, _one_order, _limits, _coupons, judge_draws, judge_bids)
_AT_THE_END = (
    _sold,
    _overdue,
    _answers,
    _exchanges,
    _documented,
    _issued,
    judge_ended_draws,
    judge_ended_auctions,
    _ledger,
)
