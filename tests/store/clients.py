"""Clients in processes of their own: each redeems on one account until nothing is left, and says what it was told.

Started by ``test_concurrency.py``; a module of its own, so that a fresh interpreter can import it.
"""

from __future__ import annotations

import time
from typing import Any

from jifen.domain.errors import Refusal
from jifen.runtime import MARGIN_S, Deadline
from jifen.service.spending import Spending
from local.engines import Engine
from tests.store.tables import ledger_on
from tests.store.values import MOMENT, PROGRAM


def deadline(seconds: float) -> Deadline:
    """A real deadline so many seconds of work from now."""
    end = time.monotonic() + seconds + MARGIN_S
    return Deadline(lambda: end - time.monotonic())


def redeem_until_empty(
    engine: Engine, table: str, member: str, client: int, points: int, tries_max: int
) -> dict[str, list[Any]]:
    """Redeem again and again under fresh keys; the ids that were acknowledged, and the codes of what was refused."""
    ledger = ledger_on(engine, table, PROGRAM)
    told: dict[str, list[Any]] = {"done": [], "refused": []}
    for number in range(tries_max):
        desk = Spending(ledger, PROGRAM, MOMENT, deadline(20), f"{client}-{number}", "shop")
        try:
            told["done"].append(desk.redeem(member, points)["redemption_id"])
        except Refusal as refusal:
            told["refused"].append(refusal.code)
            if refusal.code == "INSUFFICIENT_POINTS":
                break
    return told
