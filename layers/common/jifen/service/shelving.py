"""Shelving: operators write rewards and fill their stock, members look at the shelf and wait for what is sold out.

    write ──> Reward ──shelf──> on, off          content may change; kind, codes and whether it is counted may not
    fill  ──> Stock  (spread over its shards)    a pool takes codes instead, each once for ever (CodeMark)
    list  ──> Showcase: rewards and stock as one process read them, for a while

    none free ──wish──> Wish ──stock is filled──> Reward.tell_from ──notify_arrivals──> told, once

The stock is never written together with an account. Every change by an operator leaves a line in the audit.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from jifen.domain import limits as member_limits
from jifen.domain import shelf as shelf_book
from jifen.domain import stocks
from jifen.domain.entries import instant_text
from jifen.domain.errors import Busy, Fault, InvalidInput, OutOfStock, RewardNotFound
from jifen.domain.ids import fingerprint, valid_id
from jifen.domain.mall_views import (
    CodesView,
    FaultView,
    ImportedRowView,
    ImportedView,
    RefusedCodeView,
    RewardLimitView,
    RewardPriceView,
    RewardRecordView,
    RewardSaleView,
    RewardsView,
    RewardVerdictView,
    RewardView,
    StockView,
    WishView,
)
from jifen.domain.offers import Offer, coupon_written, read_offer, written
from jifen.domain.program import Moment, Program
from jifen.domain.rewards import SHARDS_MAX, CodeMark, Reward, RewardStatus, Stock, Wish
from jifen.domain.ruling import AuditLine
from jifen.domain.shelf import NOBODY, Shown, Sort, Verdict, Viewer, Wanted, offer_of
from jifen.domain.views import MoneyView
from jifen.service.answering import Answer, Once, Outcome, answer_once
from jifen.service.discounting import campaign_keys, discounts_now
from jifen.service.mall_documents import CodeKey, RewardKey, StockKey, WishKey
from jifen.service.ports import (
    REWARDS,
    AnsweredKey,
    Document,
    DocumentKey,
    DocumentMoved,
    Herald,
    Ledger,
    Loaded,
    NotSent,
    Patience,
    Posting,
    Undeliverable,
    settle,
    wishes_of,
)
from jifen.service.stocking import shards_of

CODES_AT_ONCE = 80
"""Codes of one transaction: with their marks, shards, the reward, the audit and the answer they are below a hundred."""

SHARDS_AT_ONCE = 10
"""Shards that the codes of one transaction go into."""

PAGE = 100
"""Rewards, or wishes, that are listed in one trip."""

SHOWN_MAX = 20_000
"""The most rewards on a shelf; those beyond it are not shown."""

TELL_AGAIN = timedelta(minutes=5)
"""After so long those are told who could not be told just now."""

ARRIVED = "reward.in_stock"
"""The kind of notice that somebody gets who waited for a reward."""

BY_PLACE: Mapping[Sort, str] = {sort: f"rewards by {sort}" for sort in Sort}
"""What a shelf is called by its order, for cursors: that of one is none of another."""


# Operators -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shelving:
    """The use cases of one request.

    Attributes:
        ledger: where everything is kept.
        program: the program in force.
        moment: now.
        patience: how long the caller can wait.
        subject: the caller's token's subject; an idempotency key is the caller's own.
        actor: role and name, for the audit.
        key: the idempotency key; empty for a request that needs none.
    """

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    subject: str
    actor: str
    key: str = ""

    def write(self, reward_id: str, content: object) -> RewardRecordView:
        """Keep what an operator wrote of a reward; what says the same as before changes nothing.

        Raises:
            InvalidInput: with every fault by its path.
            Busy
        """
        return _record(self._keep(reward_id, content)[1])

    def record(self, reward_id: str) -> RewardRecordView:
        """A reward as it was written.

        Raises:
            RewardNotFound
        """
        return _record(self._reward(reward_id))

    def records(self, before: str | None, limit: int) -> tuple[list[RewardRecordView], str | None]:
        """A page of rewards as they were written, ids from z to a, and the ledger's own cursor."""
        page = self.ledger.listed(REWARDS, before, limit)
        for _, failure in page.unreadable:
            raise failure  # what is exported from this has to be all there is
        return [_record(one) for one in page.documents if isinstance(one, Reward)], page.cursor

    def import_rows(self, rows: Sequence[Mapping[str, Any]], *, dry_run: bool) -> ImportedView:
        """Write many rewards, each a row ``{"id": …, …content}``; a row that is refused does not stop the others.

        A dry run writes nothing and says the same. Sent again, rows that were taken are ``same``.

        Raises:
            Busy: what was written until then stays.
        """
        seen: dict[str, int] = {}
        found: list[ImportedRowView] = []
        for line, row in enumerate(rows, 1):
            reward_id = row.get("id")
            named = reward_id if isinstance(reward_id, str) else ""
            first = seen.setdefault(named or f"row {line}", line)
            outcome, faults = self._import_row(row, first if first != line else None, dry_run=dry_run)
            found.append({"id": named, "line": line, "outcome": outcome, "faults": faults})
        return {"dry_run": dry_run, "rewards": found}

    def _import_row(self, row: Mapping[str, Any], first: int | None, *, dry_run: bool) -> tuple[str, list[FaultView]]:
        """What came of a row; ``first`` is one before it with the same id."""
        if first is not None:
            return "refused", [{"field": "id", "problem": f"is that of row {first} too"}]
        content = {key: value for key, value in row.items() if key != "id"}
        try:
            return self._keep(row.get("id"), content, dry_run=dry_run)[0], []
        except InvalidInput as wrong:
            return "refused", [{"field": fault.field, "problem": fault.problem} for fault in wrong.faults]

    def _keep(self, reward_id: object, content: object, *, dry_run: bool = False) -> tuple[str, Reward]:
        """created, changed or same; and the reward as it is then."""
        valid = valid_reward_id(reward_id)
        offer = self._read(content)
        key = RewardKey(valid)

        def attempt() -> tuple[str, Reward]:
            found = self.ledger.load([], [key]).documents.get(key)
            known = found if isinstance(found, Reward) else None
            after = self._after(valid, offer, known)
            if known is not None and after.content == known.content and after.currency == known.currency:
                return "same", known
            outcome = "changed" if known else "created"
            if not dry_run:
                line_id = fingerprint("reward", [valid, after.version, self.subject])[:22]
                line = self._line(line_id, f"reward.{outcome}", valid, details={"content": dict(after.content)})
                endless = () if offer.counted else _endless(after, known.shards if known else 0)
                self.ledger.commit(Posting(documents=(after, *endless, line)), self.patience)
            return outcome, after

        return settle(self.patience, attempt)

    def _read(self, content: object) -> Offer:
        """What was written, with levels that the program has."""
        offer = read_offer(content, self.program.currency)
        terms = self.program.rules.tiers
        levels = {level.id for level in terms.levels} if terms else set()
        named = [(f"tiers.{level}", level) for level in offer.tiers]
        named += [(f"only_tiers[{index}]", level) for index, level in enumerate(offer.only_tiers)]
        if wrong := [Fault(path, "is no level of the program") for path, level in named if level not in levels]:
            raise InvalidInput(wrong)
        return offer

    def _after(self, reward_id: str, offer: Offer, known: Reward | None) -> Reward:
        """The reward once this was written of it.

        Raises:
            InvalidInput: it changes what must stay.
        """
        now, content = self.moment.now, written(offer)
        currency = self.program.currency if shelf_book.in_money(offer) else None
        if known is None:
            return Reward(reward_id, content, offer.shards, self.actor, now, since=now, currency=currency)
        before, stock = known.content, known.content.get("stock", {})
        faults = []
        if before["kind"] != content["kind"]:
            faults.append(Fault("kind", f"was {before['kind']} and stays so; another kind is another reward"))
        if bool(stock.get("codes")) != offer.pooled:
            faults.append(Fault("stock.codes", "is settled with the first writing"))
        if stock.get("counted", True) != offer.counted:
            faults.append(Fault("stock.counted", "is settled with the first writing"))
        if not offer.pooled and offer.shards < known.shards:
            faults.append(Fault("stock.shards", f"were {known.shards}; they only grow"))
        if faults:
            raise InvalidInput(faults)
        shards = max(known.shards, offer.shards)
        return replace(known, content=content, currency=currency, shards=shards, by=self.actor, at=now)

    def put_on_shelf(self, reward_id: str, reason: str, *, on: bool) -> Answer:
        """Show a reward to members, or take it away; orders that were made go on.

        Raises:
            RewardNotFound, IdempotencyKeyReused, Busy
        """
        status = RewardStatus.ON_SHELF if on else RewardStatus.OFF_SHELF

        def decide(line_id: str) -> Outcome:
            known = self._reward(reward_id)
            after = replace(known, status=status)
            if after == known:
                return Outcome(200, dict(_record(known)))
            # What came in while it was off the shelf was told nobody.
            after = self._arrived(after) if on else after
            action = "reward.on_shelf" if on else "reward.off_shelf"
            return Outcome(200, dict(_record(after)), (after, self._line(line_id, action, reward_id, reason)))

        return self._once("shelf", [reward_id, on, reason], decide)

    # Stock

    def fill(self, reward_id: str, pieces: int, reason: str) -> Answer:
        """Put pieces into the stock, or take them out (``pieces`` below 0).

        Raises:
            RewardNotFound
            OutOfStock: fewer are free than are to be taken out.
            InvalidInput: its pieces are codes, or are not counted; or there are none to put in.
            IdempotencyKeyReused, Busy
        """
        if not pieces:
            raise InvalidInput([Fault("pieces", "are 0: nothing is put in or taken out")])

        def decide(line_id: str) -> Outcome:
            reward = self._reward(reward_id)
            offer = offer_of(reward, reward.currency)
            if offer.pooled or not offer.counted:
                what = "of this reward are its codes" if offer.pooled else "of this reward are not counted"
                raise InvalidInput([Fault("pieces", what)])
            shards = self._shards(reward)
            changed = stocks.spread(shards, pieces)
            before = stocks.available(shards) or 0
            if changed is None:
                raise OutOfStock(left=before, restock_on=restock_on(offer))
            after = _together(shards, changed)
            arrived = (self._arrived(reward),) if not before and pieces > 0 else ()
            details = {"pieces": pieces, "free": before + pieces}
            line = self._line(line_id, "reward.stocked", reward_id, reason, details)
            return Outcome(200, dict(_stock_view(reward, offer, after)), (*changed, *arrived, line))

        return self._once("stock", [reward_id, pieces, reason], decide)

    def stock(self, reward_id: str) -> StockView:
        """The stock by shard.

        Raises:
            RewardNotFound
        """
        reward = self._reward(reward_id)
        return _stock_view(reward, offer_of(reward, reward.currency), self._shards(reward))

    def add_codes(self, reward_id: str, codes: Sequence[str]) -> Answer:
        """Put codes into a reward's pool. Each is taken once for ever; those that are not are named by their line.

        Many codes take several transactions. What an earlier attempt of the same request has put in stays there and is
        counted as added.

        Raises:
            RewardNotFound
            InvalidInput: it has no pool.
            IdempotencyKeyReused, Busy
        """
        once = Once.asked(self.subject, self.key, fingerprint("codes", [reward_id, list(codes)]))

        def decide() -> Outcome:
            part = self._part(reward_id, codes, once.key)
            if part.left:
                raise DocumentMoved  # others have taken the room that was there
            return Outcome(200, dict(part.view), part.documents)

        while self._put_in(reward_id, codes, once):
            pass
        return answer_once(self.ledger, self.patience, once, decide)[1]

    def _put_in(self, reward_id: str, codes: Sequence[str], once: Once) -> bool:
        """Put a part of the codes in, if they do not all go into the transaction that answers; whether they did not."""
        own = AnsweredKey(once.key)

        def attempt() -> bool:
            if own in self.ledger.load([], [own]).documents:
                return False
            part = self._part(reward_id, codes, once.key)
            if part.left:
                self.ledger.commit(Posting(documents=part.documents), self.patience)
            return bool(part.left)

        return settle(self.patience, attempt)

    def _part(self, reward_id: str, codes: Sequence[str], request: str) -> _Part:
        """The next codes that go into one transaction, and what is answered if they are the last."""
        reward = self._reward(reward_id)
        if not offer_of(reward, reward.currency).pooled:
            raise InvalidInput([Fault("codes", "are not what this reward's stock is made of")])
        keys = [CodeKey(reward_id, code) for code in dict.fromkeys(codes) if valid_id(code)]
        marks = self.ledger.load([], keys).documents
        done, todo, refused = _sorted_out(codes, {key.code: marks.get(key) for key in keys}, request)
        shards = self._shards(reward)
        batch = [code for _, code in todo[:CODES_AT_ONCE]]
        changed, placed = stocks.with_codes(shards, batch, SHARDS_AT_ONCE)
        new = [_shard(reward, number) for number in range(reward.shards, SHARDS_MAX)][:SHARDS_AT_ONCE]
        more, more_placed = stocks.with_codes(new, batch[placed:], SHARDS_AT_ONCE)
        changed, placed = (*changed, *more), placed + more_placed
        if todo and not placed:
            refused += [_refused(line, code, "finds no room: the pool is full") for line, code in todo]
            todo = []
        free = stocks.available(_together(shards, changed)) or 0
        view: CodesView = {
            "reward_id": reward_id,
            "added": done + placed,
            "refused": sorted(refused, key=lambda one: one["line"]),
            "free": free,
        }
        if not placed:
            return _Part((), view, 0)
        marked = [CodeMark(reward_id, code, request) for code in batch[:placed]]
        after = replace(reward, shards=max(reward.shards, *(shard.shard + 1 for shard in changed)))
        if free == placed:
            after = self._arrived(after)
        line_id = fingerprint("codes", [request, done])[:22]
        line = self._line(line_id, "reward.codes_added", reward_id, details={"codes": placed, "free": free})
        kept = () if after == reward else (after,)
        return _Part((*marked, *changed, *kept, line), view, len(todo) - placed)

    # Those who wait

    def wish(self, reward_id: str, member: str, *, on: bool) -> WishView:
        """Tell a member once when a reward is there again, or do not any more.

        What is in stock needs no waiting: the answer says so, and nothing is kept.

        Raises:
            RewardNotFound: there is none on the shelf.
            IdempotencyKeyReused, Busy
        """

        def decide(_line_id: str) -> Outcome:
            reward = self._reward(reward_id)
            if on and reward.status is not RewardStatus.ON_SHELF:
                raise RewardNotFound
            key = WishKey(reward_id, member)
            found = self.ledger.load([], [key]).documents.get(key)
            known = found if isinstance(found, Wish) else None
            there = self._is_there(reward)
            waits = on and not there
            view: WishView = {"reward_id": reward_id, "member_id": member, "on": waits, "in_stock": there}
            if waits == (known is not None and known.waits):
                return Outcome(200, dict(view))
            if known is not None and not waits:
                return Outcome(200, dict(view), (replace(known, on=False),))
            wish = Wish(reward_id, member, self.moment.now, version=known.version if known else 0)
            return Outcome(200, dict(view), (wish,) if waits else ())

        answer = self._once("restock notice", [reward_id, member, on], decide)
        # It may have been filled while the wish was written, and those told who waited by then.
        if answer["on"] and self._is_there(self._reward(reward_id)):
            mark_arrival(self.ledger, reward_id, self.moment, self.patience)
        return {"reward_id": reward_id, "member_id": member, "on": bool(answer["on"]), "in_stock": answer["in_stock"]}

    def _is_there(self, reward: Reward) -> bool:
        if not offer_of(reward, reward.currency).counted:
            return True
        return bool(stocks.available(shards_of(self.ledger, reward.id, reward.shards)))

    def _arrived(self, reward: Reward) -> Reward:
        """The reward once its waiting members are due to be told. It is written in any case: who is telling sees it."""
        return replace(reward, tell_from=self.moment.now)

    # What the use cases share

    def _reward(self, reward_id: str) -> Reward:
        key = RewardKey(reward_id)
        found = self.ledger.load([], [key]).documents.get(key)
        if not isinstance(found, Reward):
            raise RewardNotFound
        return found

    def _shards(self, reward: Reward) -> list[Stock]:
        """Every shard of a stock, those that were never written too."""
        found = {shard.shard: shard for shard in shards_of(self.ledger, reward.id, reward.shards)}
        return [found.get(number) or _shard(reward, number) for number in range(reward.shards)]

    def _once(self, operation: str, asked: object, decide: Callable[[str], Outcome]) -> Answer:
        once = Once.asked(self.subject, self.key, fingerprint(operation, asked))
        return answer_once(self.ledger, self.patience, once, lambda: decide(once.key[:22]))[1]

    def _line(
        self, line_id: str, action: str, reward_id: str, reason: str = "", details: Mapping[str, Any] | None = None
    ) -> AuditLine:
        return AuditLine(line_id, self.moment.now, self.actor, action, f"reward/{reward_id}", reason, details or {})


@dataclass(frozen=True, slots=True)
class _Part:
    """Codes that go into one transaction: its documents, what is answered, and how many codes are left after it."""

    documents: tuple[Document, ...]
    view: CodesView
    left: int


def valid_reward_id(reward_id: object) -> str:
    """The id of a reward.

    Raises:
        InvalidInput: it cannot be one.
    """
    if not isinstance(reward_id, str) or not _REWARD_ID.fullmatch(reward_id):
        raise InvalidInput([Fault("id", "is not 1 to 64 of a-z, 0-9, _ . - that begin with a letter or a digit")])
    return reward_id


_REWARD_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


def restock_on(offer: Offer) -> str | None:
    """The day on which there will be more, as OUT_OF_STOCK tells it."""
    return offer.restock_on.isoformat() if offer.restock_on else None


def _shard(reward: Reward, number: int) -> Stock:
    """A shard that nothing was put into yet."""
    stock = reward.content.get("stock", {})
    if not stock.get("counted", True):
        return Stock(reward.id, number)
    return Stock(reward.id, number, 0, pooled=bool(stock.get("codes")))


def _endless(reward: Reward, since: int) -> tuple[Stock, ...]:
    """The shards that count what is sold of a reward without end, from number ``since`` on."""
    return tuple(_shard(reward, number) for number in range(since, reward.shards))


def _together(shards: Sequence[Stock], changed: Sequence[Stock]) -> list[Stock]:
    """All shards, changed ones as they are then."""
    return list(({shard.shard: shard for shard in shards} | {shard.shard: shard for shard in changed}).values())


def _sorted_out(
    codes: Sequence[str], marks: Mapping[str, Document | None], request: str
) -> tuple[int, list[tuple[int, str]], list[RefusedCodeView]]:
    """How many codes this request has put in already, those to be put in with their lines, and those refused."""
    done, todo, refused = 0, list[tuple[int, str]](), list[RefusedCodeView]()
    seen: dict[str, int] = {}
    for line, code in enumerate(codes, 1):
        mark = marks.get(code)
        if not valid_id(code):
            refused.append(_refused(line, code, "is not a code of 1 to 128 characters without outer blanks"))
        elif (first := seen.setdefault(code, line)) != line:
            refused.append(_refused(line, code, f"is that of line {first} too"))
        elif not isinstance(mark, CodeMark):
            todo.append((line, code))
        elif mark.request == request:
            done += 1
        else:
            refused.append(_refused(line, code, "was put in before"))
    return done, todo, refused


def _refused(line: int, code: str, problem: str) -> RefusedCodeView:
    return {"line": line, "code": code[:128], "problem": problem}


def _record(reward: Reward) -> RewardRecordView:
    return {
        "id": reward.id,
        "status": str(reward.status),
        "content": dict(reward.content),
        "shards": reward.shards,
        "created_at": instant_text(reward.since or reward.at),
        "by": reward.by,
        "at": instant_text(reward.at),
    }


def _stock_view(reward: Reward, offer: Offer, shards: Sequence[Stock]) -> StockView:
    return {
        "reward_id": reward.id,
        "free": stocks.available(shards),
        "reserved": sum(shard.kept for shard in shards),
        "sold": sum(shard.sold for shard in shards),
        "stocked": sum(shard.stocked for shard in shards),
        "low": shelf_book.low_stock(offer, shards),
        "shards": [
            {
                "shard": shard.shard,
                "free": shard.free,
                "reserved": shard.kept,
                "sold": shard.sold,
                "stocked": shard.stocked,
            }
            for shard in shards
        ],
    }


# Telling those who waited --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a run: members told, those the provider will never take, and those that are tried again."""

    told: int = 0
    undeliverable: int = 0
    failed: int = 0


def notify_arrivals(
    ledger: Ledger,
    herald: Herald,
    reward_id: str,
    moment: Moment,
    patience: Patience,
    has_time: Callable[[], bool] = lambda: True,
) -> Told:
    """Tell everybody who waits for a reward that it is there, each once.

    A notice is claimed before it is sent: ``told_at`` is written first. So two workers never tell a member twice, and a
    worker that ends between the two has lost that member's notice: for an arrival one notice too few does less harm
    than one too many. A notice that the provider did not take is given back and tried again by a later run; where it
    did take it and its answer was lost, the repeat has the same id.

    A reward that is sold out again, or off the shelf, tells nobody: they wait for the next time. Without time for all,
    the reward stays due, and the next run goes on with those who wait still.

    Raises:
        Busy: the ledger does not answer; the reward stays due.
    """
    key = RewardKey(reward_id)
    reward = ledger.load([], [key]).documents.get(key)
    if not isinstance(reward, Reward) or reward.tell_from is None:
        return Told()
    counts = {"told": 0, "undeliverable": 0, "failed": 0}
    cursor: str | None = None
    wanted = reward.status is RewardStatus.ON_SHELF and _any_free(ledger, reward)
    while wanted:
        page = ledger.listed(wishes_of(reward_id), cursor, PAGE)
        for wish in page.documents:
            if isinstance(wish, Wish) and wish.waits:
                if not has_time():
                    return Told(**counts)
                counts[_tell(ledger, herald, reward, wish, moment, patience)] += 1
        cursor, wanted = page.cursor, page.cursor is not None
    # Whoever has filled the stock meanwhile has written the reward: then it stays due.
    with contextlib.suppress(DocumentMoved):
        again = moment.now + TELL_AGAIN if counts["failed"] else None
        ledger.commit(Posting(documents=(replace(reward, tell_from=again),)), patience)
    return Told(**counts)


def mark_arrival(ledger: Ledger, reward_id: str, moment: Moment, patience: Patience) -> None:
    """See that those who wait for a reward are told: pieces of it are free again, whatever way they came.

    A reward that is not there (the stock of a prize has none) waits for nobody.

    Raises:
        Busy: others kept writing it until the caller's time was up.
    """
    key = RewardKey(reward_id)

    def attempt() -> None:
        found = ledger.load([], [key]).documents.get(key)
        if isinstance(found, Reward):
            ledger.commit(Posting(documents=(replace(found, tell_from=moment.now),)), patience)

    settle(patience, attempt)


def _any_free(ledger: Ledger, reward: Reward) -> bool:
    free = stocks.available(shards_of(ledger, reward.id, reward.shards))
    return free is None or free > 0


def _tell(ledger: Ledger, herald: Herald, reward: Reward, wish: Wish, moment: Moment, patience: Patience) -> str:
    """Tell one member; what came of it, as :class:`Told` counts it."""
    claimed = replace(wish, told_at=moment.now)
    try:
        ledger.commit(Posting(documents=(claimed,)), patience)
    except DocumentMoved:
        return "told"  # by another worker; or the member does not want it any more
    notice_id = fingerprint(ARRIVED, [reward.id, wish.member, instant_text(wish.at)])
    try:
        herald.tell(ARRIVED, notice_id, wish.member, {"reward_id": reward.id, "title": reward.content["title"]})
    except Undeliverable:
        return "undeliverable"
    except NotSent:
        with contextlib.suppress(DocumentMoved):
            ledger.commit(Posting(documents=(replace(claimed, told_at=None, version=claimed.version + 1),)), patience)
        return "failed"
    return "told"


# The shelf -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rewards as they were read at one time; ``unreadable`` are those that the program cannot offer."""

    shown: tuple[Shown, ...]
    unreadable: tuple[str, ...]


class Showcase:
    """What is on the shelf, as far as one process knows: read whole, and believed for a while.

    Args:
        ledger: where it is kept; asked for when first needed.
        ttl_s: how long it is believed, in seconds of ``monotonic``.
        monotonic: a clock in seconds; not the program's own, which a replay moves through years.
    """

    def __init__(self, ledger: Callable[[], Ledger], ttl_s: float, monotonic: Callable[[], float]) -> None:
        self._ledger, self._ttl_s, self._monotonic = ledger, ttl_s, monotonic
        self._known: tuple[str | None, Snapshot] | None = None
        self._read_at = 0.0

    def snapshot(self, currency: str | None) -> Snapshot:
        """The shelf, for a program of this currency.

        Raises:
            Busy: the table does not answer.
        """
        now = self._monotonic()
        if self._known is None or self._known[0] != currency or now - self._read_at >= self._ttl_s:
            before = self._known[1].shown if self._known and self._known[0] == currency else ()
            self._known = currency, _read_shelf(self._ledger(), currency, before)
            self._read_at = now
        return self._known[1]

    def forget(self) -> None:
        """Read it again when next asked: this process has changed it."""
        self._read_at = float("-inf")


def _read_shelf(ledger: Ledger, currency: str | None, before: Iterable[Shown] = ()) -> Snapshot:
    """Everything there is; what was read ``before`` and is as it was then is not worked out again."""
    known = {one.reward.id: one for one in before}
    rewards, unreadable = list[Reward](), list[str]()
    cursor: str | None = None
    while len(rewards) < SHOWN_MAX:
        page = ledger.listed(REWARDS, cursor, PAGE)
        rewards += [one for one in page.documents if isinstance(one, Reward)]
        unreadable += [name.rpartition("#")[2] for name, _ in page.unreadable]
        cursor = page.cursor
        if cursor is None:
            break
    stock, shown = _stock_of(ledger, rewards), list[Shown]()
    for reward in rewards:
        shards, same = stock.get(reward.id), known.get(reward.id)
        if shards is None:
            unreadable.append(reward.id)
            continue
        if same is not None and same.reward == reward:
            shown.append(shelf_book.restocked(same, shards))
            continue
        try:
            shown.append(shelf_book.shown(reward, offer_of(reward, currency), shards))
        except InvalidInput:
            unreadable.append(reward.id)
    return Snapshot(tuple(shown), tuple(unreadable))


def _stock_of(ledger: Ledger, rewards: Sequence[Reward]) -> dict[str, list[Stock]]:
    """The shards of each reward; a reward with one that cannot be read is left out."""
    keys = {reward.id: [StockKey(reward.id, number) for number in range(reward.shards)] for reward in rewards}
    try:
        found = ledger.load([], [key for own in keys.values() for key in own]).documents
    except Busy:
        raise
    except Exception:  # noqa: BLE001 - the stock of one reward is broken; which one, is found by reading each for itself
        if len(rewards) <= 1:
            return {}
        return {name: stock for one in rewards for name, stock in _stock_of(ledger, [one]).items()}
    named = {name: [found.get(key) for key in own] for name, own in keys.items()}
    return {name: [one for one in shards if isinstance(one, Stock)] for name, shards in named.items()}


@dataclass(frozen=True, slots=True)
class Looking:
    """Who looks at the shelf, and what that person may see.

    Attributes:
        ledger: where everything is kept.
        program: the program in force.
        moment: now.
        member: whose prices; None for nobody in particular.
        staff: whether exact numbers are shown; ``operator``: what is off the shelf too.
    """

    ledger: Ledger
    program: Program
    moment: Moment
    member: str | None
    staff: bool = False
    operator: bool = False

    def rewards(
        self, snapshot: Snapshot, wanted: Wanted, after: str | None, limit: int
    ) -> tuple[RewardsView, str | None]:
        """A page of the shelf and where the next one begins (None: there is none); ``after`` is what that was.

        A page goes on behind the last reward of the one before, wherever that stands by now.

        Raises:
            InvalidInput: it goes on nowhere.
            Busy
        """
        viewer, now = self._viewer(self._load()), self.moment.now
        found = shelf_book.chosen(snapshot.shown, wanted, viewer, now)
        if after is not None:
            behind = tuple(json.loads(after))
            found = [one for one in found if shelf_book.place(one, wanted.sort, viewer, now) > behind]
        page = found[:limit]
        more = json.dumps(shelf_book.place(page[-1], wanted.sort, viewer, now)) if len(found) > limit else None
        view: RewardsView = {"rewards": [self._view(one, viewer) for one in page], "cursor": None}
        if self.operator and after is None:
            view["unreadable"] = list(snapshot.unreadable)
        return view, more

    def reward(self, reward_id: str) -> RewardView:
        """One reward, as it is at this moment.

        Raises:
            RewardNotFound: there is none, or none that this person may see.
            Busy
        """
        key = RewardKey(reward_id)
        loaded = self._load(key)
        found = loaded.documents.get(key)
        if not isinstance(found, Reward) or (found.status is not RewardStatus.ON_SHELF and not self.operator):
            raise RewardNotFound
        try:
            offer = offer_of(found, self.program.currency)
        except InvalidInput:
            raise RewardNotFound from None
        one = shelf_book.shown(found, offer, shards_of(self.ledger, reward_id, found.shards))
        return self._view(one, self._viewer(loaded))

    def _load(self, *keys: DocumentKey) -> Loaded:
        """What is asked for, with who looks and what the prices depend on: one trip, or none for nothing."""
        wanted = (*keys, *campaign_keys(self.program, self.moment))
        members = [self.member] if self.member else []
        return self.ledger.load(members, wanted) if members or wanted else Loaded({}, {})

    def _viewer(self, loaded: Loaded) -> Viewer:
        less = discounts_now(self.program, loaded, self.moment)
        if not self.member:
            return replace(NOBODY, discounts=less)
        return shelf_book.viewer_of(loaded.accounts[self.member], self.program, self.moment, less)

    def _view(self, one: Shown, viewer: Viewer) -> RewardView:
        offer = one.offer
        view: RewardView = {
            "id": one.reward.id,
            "title": offer.title,
            "kind": str(offer.kind),
            "description": offer.description,
            "category": offer.category,
            "tags": list(offer.tags),
            "price": self._price(one, viewer),
            "exchange": _verdict_view(shelf_book.verdict(one, viewer, self.program.mall, self.moment)),
            "in_stock": one.in_stock,
            "few_left": one.few_left,
            "restock_on": restock_on(offer),
            "opens_at": _text(offer.opens_at),
            "closes_at": _text(offer.closes_at),
            "sale": self._sale(offer),
            "limits": self._limits(one, viewer),
            "quantity_max": offer.quantity_max,
            "only_tiers": list(offer.only_tiers),
            "coupon": coupon_written(offer.coupon) if offer.coupon else None,
            "voucher_points": offer.voucher_points or None,
            "donation_unit": offer.unit or None,
        }
        if self.staff:
            view |= {"left": one.free, "sold": one.sold, "status": str(one.reward.status)}
        return view

    def _price(self, one: Shown, viewer: Viewer) -> RewardPriceView:
        offer, now = one.offer, self.moment.now
        points, cash, campaign = viewer.price(one, now)
        return {
            "points": points,
            "cash": self._money(cash),
            "list_points": offer.points,
            "list_cash": self._money(offer.cash_minor),
            "tier": viewer.level if viewer.level in offer.tiers else None,
            "on_sale": bool(offer.sale and offer.sale.opens_at <= now < offer.sale.closes_at),
            "campaign": campaign.id if campaign else None,
        }

    def _sale(self, offer: Offer) -> RewardSaleView | None:
        sale = offer.sale
        if sale is None or sale.closes_at <= self.moment.now:
            return None
        return {
            "starts": instant_text(sale.opens_at),
            "ends": instant_text(sale.closes_at),
            "points": sale.points,
            "cash": self._money(sale.cash_minor),
        }

    def _limits(self, one: Shown, viewer: Viewer) -> list[RewardLimitView]:
        limits = (*one.offer.member_limits(one.reward.id), *shelf_book.mall_limits(self.program.mall))
        known = viewer.available is not None
        return [
            {
                "limit": limit.name,
                "per": str(limit.per),
                "unit": limit.unit,
                "allowed": limit.most,
                "left": member_limits.room(viewer.standing, limit, self.moment) if known else None,
                "resets_at": member_limits.resets_at(limit, self.moment),
            }
            for limit in limits
        ]

    def _money(self, minor: int) -> MoneyView | None:
        currency = self.program.currency
        return {"amount_minor": minor, "currency": currency} if minor and currency else None


def _verdict_view(verdict: Verdict) -> RewardVerdictView:
    return {
        "can": not verdict.because,
        "because": verdict.because or None,
        "detail": verdict.detail,
        "opens_at": _text(verdict.opens_at),
        "closed_at": _text(verdict.closed_at),
        "restock_on": verdict.restock_on,
        "limit": verdict.limit,
        "resets_at": verdict.resets_at,
        "missing_points": verdict.missing_points,
    }


def _text(instant: datetime | None) -> str | None:
    return instant_text(instant) if instant else None
