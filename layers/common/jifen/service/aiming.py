"""Aiming: a member names the reward to save for, and sees how far it is. It is kept on the account, once.

Who tells the member that it can be had looks at it again first: :func:`look`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from jifen.domain import tiers
from jifen.domain.account import Account, as_of
from jifen.domain.activity import KNOWN
from jifen.domain.calendar import local_day
from jifen.domain.errors import AccountFrozen, Fault, InvalidInput, RewardNotFound
from jifen.domain.goals import RewardNow, reward_now
from jifen.domain.mall_views import GoalView
from jifen.domain.program import Moment, Program
from jifen.domain.rewards import Reward, RewardStatus, Stock
from jifen.domain.shelf import Verdict, offer_of, shown, verdict, viewer_of
from jifen.service.mall_documents import RewardKey, StockKey
from jifen.service.ports import AccountWrite, Ledger, Loaded, Patience, Posting, settle
from jifen.service.stocking import shards_of


@dataclass(frozen=True, slots=True)
class Aiming:
    """The use cases of one request.

    Attributes:
        ledger: where everything is kept.
        program: the program in force.
        moment: now.
        patience: how long the caller can wait.
    """

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience

    def aim(self, member: str, reward_id: str | None) -> GoalView:
        """Save for a reward in place of what was saved for before, at its price as it is now; None: for nothing.

        The same again, at the same price, changes nothing.

        Raises:
            RewardNotFound: there is none that this member could have.
            InvalidInput: it costs no points.
            AccountFrozen: the account is closed, merged or erased.
            Busy
        """

        def attempt() -> GoalView:
            loaded = self.ledger.load([member], [RewardKey(reward_id)] if reward_id else [])
            account = loaded.accounts[member]
            if account.status not in KNOWN:
                raise AccountFrozen
            found = self._found(loaded, account, reward_id) if reward_id else None
            if reward_id and found is None:
                raise RewardNotFound
            if found is not None and not found.points:
                raise InvalidInput([Fault("reward_id", "costs no points: there is nothing to save for")])
            goal = (reward_id, found.points) if reward_id and found else None
            after = account
            if goal != account.standing.goal:
                after = replace(account, standing=replace(account.standing, goal=goal))
                self.ledger.commit(Posting((AccountWrite(account, after),)), self.patience)
            return self._view(after, found)

        return settle(self.patience, attempt)

    def goal(self, member: str) -> GoalView:
        """What a member saves for, as it is now.

        Raises:
            Busy
        """
        account = self.ledger.load([member]).accounts[member]
        goal = account.standing.goal
        loaded = self.ledger.load([], [RewardKey(goal[0])]) if goal else Loaded({}, {})
        return self._view(account, self._found(loaded, account, goal[0]) if goal else None)

    def _found(self, loaded: Loaded, account: Account, reward_id: str) -> RewardNow | None:
        reward = loaded.documents.get(RewardKey(reward_id))
        terms = self.program.rules.tiers
        level = tiers.level_of(account.standing, terms, self.moment.today).level if terms else ""
        known = reward if isinstance(reward, Reward) else None
        return reward_now(known, self.program.currency, level, self.moment.now)

    def _view(self, account: Account, found: RewardNow | None) -> GoalView:
        goal, today = account.standing.goal, self.moment.today
        now = as_of(account, self.moment).account
        available = now.available(today)
        price = found.points if found else None
        return {
            "member_id": account.member,
            "reward_id": goal[0] if goal else None,
            "points": goal[1] if goal else None,
            "title": found.title if found else None,
            "price": price,
            "available": available,
            "missing": None if price is None else max(0, price + now.debt - available),
        }


@dataclass(frozen=True, slots=True)
class Look:
    """What a member saves for, as it is at one moment.

    Attributes:
        now: None where the member cannot have it.
        for_a_while: whether it may be had again: it is sold out, off the shelf, not open yet, or a limit is reached.
        opens_on: the local day on which it can be had again, where that is known.
    """

    now: RewardNow | None
    for_a_while: bool = False
    opens_on: date | None = None


def look(ledger: Ledger, account: Account, program: Program, moment: Moment) -> Look:
    """Whether the goal of ``account``, which is as of ``moment`` and has one, can be had by its member.

    One read; of a reward whose first shard is empty another one, of all the others.
    """
    goal = account.standing.goal
    assert goal, "there is nothing to look at without a goal"
    key, first = RewardKey(goal[0]), StockKey(goal[0], 0)
    documents = ledger.load([], [key, first]).documents
    reward, viewer = documents.get(key), viewer_of(account, program, moment)
    if not isinstance(reward, Reward) or reward.status is not RewardStatus.ON_SHELF:
        return Look(None, for_a_while=isinstance(reward, Reward))
    now = reward_now(reward, program.currency, viewer.level, moment.now)
    if now is None:
        return Look(None)
    offer = offer_of(reward, program.currency)
    stock = [one] if isinstance(one := documents.get(first), Stock) else []
    if offer.counted and reward.shards > 1 and not any(shard.free for shard in stock):
        stock = shards_of(ledger, reward.id, reward.shards)
    return _seen(now, verdict(shown(reward, offer, stock), viewer, program.mall, moment), program)


def _seen(now: RewardNow, found: Verdict, program: Program) -> Look:
    """What a verdict means for who saves; that points are missing is not its matter."""
    match found.because:
        case "NOT_OPEN" | "OUT_OF_STOCK":
            return Look(now, for_a_while=True, opens_on=found.opens_at and local_day(found.opens_at, program.zone))
        case "LIMIT_REACHED":
            resets_at = datetime.fromisoformat(found.resets_at) if found.resets_at else None
            resets_on = resets_at and local_day(resets_at, program.zone)
            return Look(now if resets_on else None, for_a_while=resets_on is not None, opens_on=resets_on)
        case _:
            return Look(now)
