"""Aiming: a member names the reward to save for, and sees how far it is. It is kept on the account, once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jifen.domain import tiers
from jifen.domain.account import Account, as_of
from jifen.domain.activity import KNOWN
from jifen.domain.errors import AccountFrozen, Fault, InvalidInput, RewardNotFound
from jifen.domain.goals import RewardNow, reward_now
from jifen.domain.mall_views import GoalView
from jifen.domain.program import Moment, Program
from jifen.domain.rewards import Reward
from jifen.service.mall_documents import RewardKey
from jifen.service.ports import AccountWrite, Ledger, Loaded, Patience, Posting, settle


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
