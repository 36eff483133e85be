"""Draws: one number for one attempt, the prize out of its stock, the points, all told once.

    account, lottery, draw ──> number ──> reserve the prize (stock) ──> post (points, draw, coupon or order) ──> confirm
                                              │ empty: what takes its place

Two requests of one member at once draw two attempts: the later one decides again, perhaps on another number and
another prize. What it had reserved before goes back. Stock beside points: see :mod:`jifen.service.stocking`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from jifen.domain import draws
from jifen.domain.drawing import day_number, days_shown, secret_of
from jifen.domain.draws import Asked, Concluded, Entered, Fetched
from jifen.domain.entries import instant_text
from jifen.domain.errors import Busy, DrawNotFound, LotteryNotFound, OutOfStock, Refusal
from jifen.domain.ids import document_id, fingerprint, parse_document_id
from jifen.domain.lotteries import Draw, DrawStatus, Lottery
from jifen.domain.lottery_terms import REFUND, Terms, line_of, read_terms, stock_subject
from jifen.domain.program import Moment, Program
from jifen.domain.rewards import Stock
from jifen.domain.stocks import marks_of, pieces_of
from jifen.service import stocking
from jifen.service.answering import Answer, Once
from jifen.service.deciding import Decision, decide_once
from jifen.service.guarding import guard_when_asked
from jifen.service.lotteries import ANY_CURRENCY
from jifen.service.mall_documents import DrawKey, LotteryKey
from jifen.service.ports import DocumentMoved, Ledger, Loaded, Patience, Tries, of_member

if TYPE_CHECKING:
    from jifen.domain.play_views import DrawnView, DrawsView, DrawView


SETTLE_TRIES = 5
"""How often a draw that was made tries to settle its piece before that is left to the piece's own deadline."""


@dataclass
class _Taken:
    """What was reserved for a draw: by the decision that comes last, and by those before it."""

    now: Sequence[Stock] = ()
    before: list[Stock] = field(default_factory=list)

    def begin(self) -> None:
        """It is decided again."""
        self.before += self.now
        self.now = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """The use cases of one invocation: ``key`` is the caller's idempotency key, empty for a request without one."""

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    subject: str
    actor: str
    key: str = ""

    def draw(self, member: str, lottery_id: str, client_seed: str = "", password: str | None = None) -> Answer:
        """Draw once.

        Raises:
            LotteryNotFound, NotOpen, AccountFrozen, LimitReached, InsufficientPoints
            PasswordRequired, PasswordWrong, PasswordLocked, PasswordNotSet, PasswordTooNew
            IdempotencyKeyReused, Busy
        """
        print_ = fingerprint("draw", [member, lottery_id, client_seed])
        once = Once.asked(self.subject, self.key, print_)
        # One id for one request of one caller: what is reserved under it is for nothing else.
        draw_id = str(document_id("dw", member, f"{once.key}\n{print_}"))
        asked = Asked(draw_id, member, client_seed, self.actor)
        keys = (LotteryKey(lottery_id), DrawKey(member, draw_id))
        guarded = guard_when_asked(self.ledger, self.program, self.moment, self.patience, member, password)
        taken, decided = _Taken(), list[Answer]()

        def decide(loaded: Loaded) -> Decision:
            taken.begin()
            lottery, found = loaded.documents.get(keys[0]), loaded.documents.get(keys[1])
            if stocking.is_posted(found):  # by another attempt, whose answer was not there yet a moment ago
                raise DocumentMoved
            if not isinstance(lottery, Lottery):
                raise LotteryNotFound
            account, terms = loaded.accounts[member], read_terms(lottery.content, ANY_CURRENCY)
            draws.check_open(lottery, self.moment)
            entered = draws.enter(account, asked, lottery, terms, self.moment, guarded())
            fetched = self._fetch(asked, entered, lottery, terms, stocking.fence_of(found), taken)
            done = draws.conclude(asked, entered, fetched, lottery, terms, self.program, self.moment)
            decision = _decision(done, stocking.fence_of(found), terms, self.moment)
            decided.append(decision.answer)
            return decision

        try:
            _, answer = decide_once(self.ledger, self.patience, once, [member], keys, decide)
        except Busy:
            raise  # Whether it was drawn is open; what is reserved is settled by its own deadline.
        except Refusal:
            self._give_back([*taken.before, *taken.now], draw_id)
            raise
        if decided and answer is decided[-1]:
            with contextlib.suppress(Busy):
                stocking.confirm(self.ledger, Tries(self.patience, SETTLE_TRIES), taken.now, draw_id)
            self._give_back(taken.before, draw_id)
        else:  # another attempt of this request has drawn
            self._give_back([*taken.before, *taken.now], draw_id)
        return answer

    def _fetch(
        self, asked: Asked, entered: Entered, lottery: Lottery, terms: Terms, fence: int, taken: _Taken
    ) -> Fetched:
        """What there is of the prize that was drawn: a piece of it reserved, or what takes its place."""
        if entered.prize is None:
            return Fetched()
        now = self.moment.now
        until = now + timedelta(minutes=self.program.mall.reserve_minutes)
        why: list[Mapping[str, Any]] = []
        refunded = False
        for prize in line_of(terms, entered.prize):
            if prize.stock is None:
                return Fetched(prize, why=tuple(why))
            stock = stock_subject(lottery.id, prize.id), prize.shards
            try:
                kept = stocking.reserve(self.ledger, self.patience, stock, asked.id, 1, fence, now, until)
            except OutOfStock:
                why.append({"out_of_stock": prize.id, "instead": prize.otherwise})
                refunded = prize.otherwise == REFUND
                continue
            taken.now = kept
            return Fetched(prize, why=tuple(why), pieces=pieces_of(kept, asked.id), marks=marks_of(kept, asked.id))
        return Fetched(None, refunded, tuple(why))

    def _give_back(self, shards: Iterable[Stock], draw_id: str) -> None:
        """Settle reservations that may not be the draw's; what there is no time for is left to their deadline."""
        with contextlib.suppress(Busy):
            for shard in shards:
                stocking.recover(self.ledger, Tries(self.patience, SETTLE_TRIES), shard, draw_id, self.moment.now)

    # Reading

    def view(self, draw_id: str) -> DrawView:
        """One draw; with the secret of its day once that is over.

        Raises:
            DrawNotFound
        """
        found = parse_document_id(draw_id)
        if found is None or found.prefix != "dw":
            raise DrawNotFound
        key = DrawKey(found.member, draw_id)
        draw = self.ledger.load([], [key]).documents.get(key)
        if not isinstance(draw, Draw) or draw.status is DrawStatus.ABANDONED:
            raise DrawNotFound
        (view,) = self._views([draw])
        return view

    def draws_of(self, member: str, before: str | None, limit: int) -> DrawsView:
        """A page of a member's draws, the latest of the page first; the cursor is the ledger's own."""
        page = self.ledger.listed(of_member("draws", member), before, limit)
        found = [one for one in page.documents if isinstance(one, Draw) and one.status is DrawStatus.DRAWN]
        found.sort(key=lambda draw: (draw.at, draw.attempt), reverse=True)
        return {"draws": self._views(found), "cursor": page.cursor}

    def _views(self, found: Sequence[Draw]) -> list[DrawView]:
        keys = list(dict.fromkeys(LotteryKey(draw.lottery) for draw in found))
        documents = self.ledger.load([], keys).documents if keys else {}
        lotteries = {one.id: one for one in documents.values() if isinstance(one, Lottery)}
        terms = {one.id: read_terms(one.content, ANY_CURRENCY) for one in lotteries.values()}
        return [
            _view(draw, terms[draw.lottery], _secret(draw, lotteries[draw.lottery], self.moment.now)) for draw in found
        ]


def _decision(done: Concluded, fence: int, terms: Terms, moment: Moment) -> Decision:
    made = [one for one in (done.coupon, done.order) if one is not None]
    account = done.change.account
    answer: DrawnView = {
        **_view(done.draw, terms, None),
        "available": account.available(moment.today),
        "attempts_left": done.left,
    }
    documents = (replace(done.draw, version=fence), *made)
    return Decision(201, answer, {done.draw.member: done.change}, documents)


def _secret(draw: Draw, lottery: Lottery, now: datetime) -> str | None:
    """The secret of the draw's day, once it can be shown."""
    number = day_number(lottery, draw.day)
    assert number is not None, "it was drawn on a day of the lottery"
    return secret_of(lottery, number).hex() if number <= days_shown(lottery, now) else None


def _view(draw: Draw, terms: Terms, secret: str | None) -> DrawView:
    prize = terms.prize(draw.prize)
    return {
        "draw_id": draw.id,
        "member_id": draw.member,
        "lottery_id": draw.lottery,
        "at": instant_text(draw.at),
        "day": draw.day.isoformat(),
        "attempt": draw.attempt,
        "client_seed": draw.client_seed,
        "number": draw.number,
        "outcome": "REFUNDED" if draw.refunded else "WON" if prize else "NOTHING",
        "drawn_prize": draw.drawn or None,
        "prize": {"id": prize.id, "title": prize.title, "kind": prize.kind} if prize else None,
        "points_won": draw.points,
        "cost": draw.cost,
        "commitment": draw.commitment,
        "terms_hash": draw.terms,
        "secret": secret,
        "coupon": draw.coupon or None,
        "reward_order_id": draw.order or None,
        "why": [dict(one) for one in draw.why],
    }
