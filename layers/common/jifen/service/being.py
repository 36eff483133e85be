"""Being there: a member's activity is written down once a day, whoever tells it and however often.

one read of the account ── known for today ──> answered, nothing is written
                        └─ new ──> one write of the account, under its version; no entry, no document
"""

from __future__ import annotations

from jifen.domain import activity
from jifen.domain.engage_views import ActivityView
from jifen.domain.program import Moment
from jifen.service.ports import AccountWrite, Ledger, Patience, Posting, settle


def was_here(ledger: Ledger, moment: Moment, patience: Patience, member: str, kind: str) -> ActivityView:
    """Remember that a member was here today.

    Args:
        ledger: where accounts are kept.
        moment: now; its day is the one that counts.
        patience: how long the caller can wait.
        member: who; one whom nobody has seen gets an account.
        kind: ``login``.

    Raises:
        Busy: others kept writing the account until the caller's time was up.
    """

    def attempt() -> ActivityView:
        account = ledger.load([member]).accounts[member]
        after = activity.seen(account, kind, moment.today)
        if after is not account:
            ledger.commit(Posting((AccountWrite(account, after),)), patience)
        return {
            "member_id": member,
            "kind": kind,
            "day": moment.today.isoformat(),
            "recorded": after is not account,
        }

    return settle(patience, attempt)
