"""Expiry: writing down what time has done to one account, and what the policies of validity do to it."""

from __future__ import annotations

from jifen.domain.account import as_of
from jifen.domain.allowances import given
from jifen.domain.program import Moment, Program
from jifen.service.ports import AccountWrite, Ledger, Patience, Posting, settle


def expire(ledger: Ledger, member: str, moment: Moment, patience: Patience, program: Program | None = None) -> bool:
    """Write down what time has done to one account, and whether there was anything.

    Points expire and holds run out whatever the ``program``; by its tiers allowances are given and levels fall.

    Raises:
        Busy: contention outlived the caller's time.
    """

    def attempt() -> bool:
        account = ledger.load([member]).accounts[member]
        change = as_of(account, moment)
        if program is not None:
            change = given(change, program.rules, moment)
        if change.account is account:
            return False
        ledger.commit(Posting((AccountWrite(account, change.account, change.entries),)), patience)
        return True

    return settle(patience, attempt)
