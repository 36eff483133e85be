"""Operators: how far the sweeps are, their pause and pace; and validity.

A pause keeps points that are past their day in the accounts and reminders unsent, so it is written into the audit as
every other decision is. Nobody can spend lapsed points while it lasts. Docs: docs/sweeps.md, docs/validity.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from jifen import runtime
from jifen.http import Answer, HttpApi

api = HttpApi("operate")


def handler(event: Mapping[str, object], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("ledger")
