"""Lotteries as operators write them and everybody sees them.

    UPCOMING ──> BEGINNING ──> OPEN ──> OVER          BEGINNING: ten minutes before, and from then on nothing changes
        └────────────┴── pause, resume, cancel ──┘

A lottery is written with its stock, a line of the audit and its commitment in one transaction. The secret of its last
day is made when it is first written, and anew when it is written with another number of days: on a longer chain the
commitment that was shown for a shorter one would be the secret of a day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from jifen.domain.drawing import (
    closed_at,
    commitment_of,
    day_number,
    days_shown,
    is_settled,
    opens_at,
    secret_of,
    today_of,
)
from jifen.domain.entries import instant_text
from jifen.domain.errors import Fault, InvalidInput, LintBlocks, LotteryNotFound, WrongStatus
from jifen.domain.ids import fingerprint
from jifen.domain.lotteries import Lottery, LotteryStatus
from jifen.domain.lottery_terms import NUMBERS, Prize, Terms, gain, last_day, read_terms, stock_subject, terms_hash, won
from jifen.domain.program import Moment, Program
from jifen.domain.reader import decimal
from jifen.domain.rewards import Stock
from jifen.domain.ruling import AuditLine
from jifen.domain.stocks import available, shares
from jifen.service.answering import Answer, Once, Outcome, answer_once
from jifen.service.mall_documents import LotteryKey, StockKey
from jifen.service.ports import LOTTERIES, Ledger, Patience, Posting, settle

if TYPE_CHECKING:
    from jifen.domain.operator_views import FindingView
    from jifen.domain.play_views import LotteriesView, LotteryView, LotteryWhole, LotteryWritten, PrizeView, SecretView

ANY_CURRENCY = "XXX"
"""What a lottery that is kept is read with: it was written while the program had a currency, if it needs one."""

KEYS_AT_ONCE = 90

STEPS: Mapping[str, tuple[tuple[LotteryStatus, ...], LotteryStatus]] = {
    "pause": ((LotteryStatus.OPEN,), LotteryStatus.PAUSED),
    "resume": ((LotteryStatus.PAUSED,), LotteryStatus.OPEN),
    "cancel": ((LotteryStatus.OPEN, LotteryStatus.PAUSED), LotteryStatus.CANCELED),
}
"""What an operator can do with a lottery: from which statuses, and to which."""


@dataclass(frozen=True, slots=True)
class Lotteries:
    """The use cases of one invocation: ``key`` is the caller's idempotency key, empty for a request without one."""

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    subject: str
    actor: str
    key: str = ""

    def write(
        self,
        lottery_id: str,
        content: Mapping[str, Any],
        seed: Callable[[], bytes],
        reason: str = "",
        override: str | None = None,
    ) -> LotteryWritten:
        """Write a lottery, or write it anew while it has not begun; the same again changes nothing.

        Args:
            lottery_id: its name.
            content: see :mod:`jifen.domain.lottery_terms`.
            seed: 32 random bytes for the secret of the last day; asked for when that is made.
            reason: why, for the audit.
            override: why in spite of its making points out of nothing.

        Raises:
            InvalidInput: with every fault by its path.
            LintBlocks: its prizes in points are worth more than it costs, and nobody overrides that.
            WrongStatus: it has begun, or was cancelled.
            Busy
        """
        terms = read_terms(content, self.program.currency)
        warnings = findings(terms)

        def attempt() -> Lottery:
            before = self._known(lottery_id)
            if before and self._is_as_written(before, content):
                return before
            after = self._written(lottery_id, content, terms, before, seed)
            if override is None and any(one["severity"] == "error" for one in warnings):
                raise LintBlocks(warnings)
            details = {"commitment": after.commitment, "terms_hash": terms_hash(content), "terms": dict(content)}
            if override is not None:
                details["override"] = override
            line_id = fingerprint("lottery", [lottery_id, after.version, terms_hash(content), self.subject])[:22]
            line = self._line(line_id, "lottery.written", lottery_id, reason, details)
            stock = self._restocked(lottery_id, terms, before)
            self.ledger.commit(Posting(documents=(after, *stock, line)), self.patience)
            return replace(after, version=after.version + 1)

        (whole,) = self._wholes([settle(self.patience, attempt)])
        return {**whole, "warnings": warnings}

    def step(self, lottery_id: str, step: str, reason: str) -> Answer:
        """Pause, resume or cancel a lottery; see :data:`STEPS`.

        Raises:
            LotteryNotFound
            WrongStatus: it is over, or in another status than this needs.
            IdempotencyKeyReused, Busy
        """
        once = Once.asked(self.subject, self.key, fingerprint(f"lottery.{step}", [lottery_id, reason]))
        needs, then = STEPS[step]

        def decide() -> Outcome:
            lottery = self._found(lottery_id)
            now = status_of(lottery, self.moment.now)
            if lottery.status not in needs or now == "OVER":
                raise WrongStatus(status_now=now, needs=[str(one) for one in needs])
            today = today_of(lottery, self.moment.now)
            after = replace(lottery, status=then, canceled_on=today if then is LotteryStatus.CANCELED else None)
            line = self._line(once.key[:22], f"lottery.{then.lower()}", lottery_id, reason, {})
            (whole,) = self._wholes([after])
            return Outcome(200, whole, (after, line))

        return answer_once(self.ledger, self.patience, once, decide)[1]

    def view(self, lottery_id: str) -> LotteryWhole:
        """One lottery, with the secrets of all days that are over.

        Raises:
            LotteryNotFound
        """
        (whole,) = self._wholes([self._found(lottery_id)])
        return whole

    def page(self, before: str | None, limit: int) -> LotteriesView:
        """A page of the lotteries, ids from z to a; the cursor is the ledger's own."""
        page = self.ledger.listed(LOTTERIES, before, limit)
        found = [one for one in page.documents if isinstance(one, Lottery)]
        left = self._left(found)
        return {"lotteries": [_view(one, left, self.moment.now) for one in found], "cursor": page.cursor}

    def _known(self, lottery_id: str) -> Lottery | None:
        key = LotteryKey(lottery_id)
        found = self.ledger.load([], [key]).documents.get(key)
        return found if isinstance(found, Lottery) else None

    def _found(self, lottery_id: str) -> Lottery:
        if found := self._known(lottery_id):
            return found
        raise LotteryNotFound

    def _is_as_written(self, lottery: Lottery, content: Mapping[str, Any]) -> bool:
        """Whether it says the same, and the days it says it of are the same as well."""
        same = terms_hash(lottery.content) == terms_hash(content)
        return same and (lottery.zone == self.program.zone.key or is_settled(lottery, self.moment.now))

    def _written(
        self,
        lottery_id: str,
        content: Mapping[str, Any],
        terms: Terms,
        before: Lottery | None,
        seed: Callable[[], bytes],
    ) -> Lottery:
        if before and (before.status is LotteryStatus.CANCELED or is_settled(before, self.moment.now)):
            raise WrongStatus(status_now=status_of(before, self.moment.now), needs=["UPCOMING"])
        if terms.first_day < self.moment.today:
            raise InvalidInput([Fault("from", f"lies before today, {self.moment.today.isoformat()}")])
        secret = before.seed if before and before.days == terms.days else seed().hex()
        return Lottery(
            id=lottery_id,
            content=content,
            seed=secret,
            first_day=terms.first_day,
            days=terms.days,
            commitment=commitment_of(bytes.fromhex(secret), terms.days),
            zone=self.program.zone.key,
            by=self.actor,
            at=self.moment.now,
            status=before.status if before else LotteryStatus.OPEN,
            version=before.version if before else 0,
        )

    def _restocked(self, lottery_id: str, terms: Terms, before: Lottery | None) -> list[Stock]:
        """The shards of all its stocks that are not as they should be, those of prizes that are gone emptied."""
        wanted = {
            StockKey(stock_subject(lottery_id, prize.id), shard): pieces
            for prize in terms.prizes
            if prize.stock is not None
            for shard, pieces in enumerate(shares(prize.stock, prize.shards))
        }
        earlier = _stock_keys([before]) if before else []
        found = self.ledger.load([], earlier).documents if earlier else {}
        changed: list[Stock] = []
        for key in {**wanted, **dict.fromkeys(earlier)}:
            pieces, now = wanted.get(key) or 0, found.get(key)
            stock = now if isinstance(now, Stock) else Stock(key.subject, key.shard)
            assert not stock.sold + stock.kept, "nobody has drawn yet"
            if stock.version == 0 or stock.free != pieces:
                changed.append(replace(stock, free=pieces, stocked=pieces))
        return changed

    def _left(self, lotteries: Iterable[Lottery]) -> dict[str, int | None]:
        """Pieces that are free, by the stock's subject."""
        keys = _stock_keys(lotteries)
        shards: dict[str, list[Stock]] = {}
        for start in range(0, len(keys), KEYS_AT_ONCE):
            for found in self.ledger.load([], keys[start : start + KEYS_AT_ONCE]).documents.values():
                if isinstance(found, Stock):
                    shards.setdefault(found.subject, []).append(found)
        return {subject: available(found) for subject, found in shards.items()}

    def _wholes(self, lotteries: Sequence[Lottery]) -> list[LotteryWhole]:
        left, now = self._left(lotteries), self.moment.now
        return [
            {
                **_view(one, left, now),
                "terms": dict(one.content),
                "secrets": [secret_view(one, number) for number in range(1, days_shown(one, now) + 1)],
            }
            for one in lotteries
        ]

    def _line(self, line_id: str, action: str, lottery_id: str, reason: str, details: Mapping[str, Any]) -> AuditLine:
        return AuditLine(line_id, self.moment.now, self.actor, action, f"lottery/{lottery_id}", reason, details)


def findings(terms: Terms) -> list[FindingView]:
    """What is to be said of its odds: whether its prizes in points are worth what it costs, or more."""
    points = gain(terms)
    if points < 0 or (points == 0 and not won(terms)):
        return []
    per_million = int(points * 10**6)
    return [
        {
            "code": "LOTTERY_MINTS" if points > 0 else "LOTTERY_GIVES_ALL_BACK",
            "severity": "error" if points > 0 else "warning",
            "story": [
                f"A draw costs {terms.cost} points.",
                f"While every prize is in stock it wins {decimal(won(terms))} points on average.",
                f"With the stocks as empty as is best for those who draw, a million draws gain {per_million} points.",
            ],
            "gain_points": per_million,
            "cost_minor": 0,
            "rules": [prize.id for prize in terms.prizes if prize.points],
        }
    ]


def status_of(lottery: Lottery, now: datetime) -> str:
    """The status that is shown: what operators made of it, and what time did."""
    if lottery.status is LotteryStatus.CANCELED:
        return "CANCELED"
    if now >= closed_at(lottery):
        return "OVER"
    if lottery.status is LotteryStatus.PAUSED:
        return "PAUSED"
    if now >= opens_at(lottery):
        return "OPEN"
    return "BEGINNING" if is_settled(lottery, now) else "UPCOMING"


def secret_view(lottery: Lottery, number: int) -> SecretView:
    """The secret of a day that may be shown."""
    day = last_day(lottery.first_day, number)
    return {"day": number, "date": day.isoformat(), "secret": secret_of(lottery, number).hex()}


def _view(lottery: Lottery, left: Mapping[str, int | None], now: datetime) -> LotteryView:
    terms, today = read_terms(lottery.content, ANY_CURRENCY), today_of(lottery, now)
    shown = days_shown(lottery, now)
    return {
        "lottery_id": lottery.id,
        "title": terms.title,
        "status": status_of(lottery, now),
        "cost": terms.cost,
        "attempts_per_day": terms.attempts_per_day,
        "first_day": lottery.first_day.isoformat(),
        "last_day": last_day(lottery.first_day, lottery.days).isoformat(),
        "days": lottery.days,
        "time_zone": lottery.zone,
        "opens_at": instant_text(opens_at(lottery)),
        "closes_at": instant_text(closed_at(lottery)),
        "today": day_number(lottery, today),
        "forfeit_days": terms.forfeit_days,
        "commitment": lottery.commitment,
        "terms_hash": terms_hash(lottery.content),
        "prizes": [_prize_view(lottery.id, prize, left) for prize in terms.prizes],
        "latest_secret": secret_view(lottery, shown) if shown else None,
    }


def _prize_view(lottery_id: str, prize: Prize, left: Mapping[str, int | None]) -> PrizeView:
    counted = prize.stock is not None
    return {
        "id": prize.id,
        "title": prize.title,
        "kind": prize.kind,
        "odds": decimal(Fraction(prize.chances, NUMBERS)),
        "points": prize.points or None,
        "stock": prize.stock,
        "left": left.get(stock_subject(lottery_id, prize.id), 0) if counted else None,
        "out_of_stock": prize.otherwise if counted else None,
    }


def _stock_keys(lotteries: Iterable[Lottery]) -> list[StockKey]:
    """Every shard of every stock."""
    return [
        StockKey(stock_subject(lottery.id, prize.id), shard)
        for lottery in lotteries
        for prize in read_terms(lottery.content, ANY_CURRENCY).prizes
        if prize.stock is not None
        for shard in range(prize.shards)
    ]
