"""The auditor: a whole ledger judged from its raw rows, by a reader and rules of its own.

    rows (DynamoDB JSON) ──rows, table──> one member ──┬─ history ───> entry by entry, to the account as its end
                                                       ├─ documents ─> redemptions and holds
                                                       └─ index ─────> due dates and shard
                                          all of them ─┬─ orders ────> what each was granted      (worth: by its rules)
                                                       ├─ behaviour ─> what each event gave
                                                       ├─ counters ──> caps, budgets, tasks       (tallies: the sums)
                                                       ├─ activity ──> since when, and what was spent
                                                       ├─ operators ─> versions, steps, decisions
                                                       ├─ malls ─────> stock, reward orders, draws, auctions
                                                       └─ totals ────> sums over everything      each a law of LAWS

It believes nothing that the rows do not say and calls none of the code that wrote them: packing, hashes, lots, days,
rules and the worth of an order are read and worked out here (days and shares as in :mod:`local.simulation`).
The rows must be of one moment: an export, a table at rest, or a copy.

What it cannot know, it does not judge: the lot date of a bare award made under another program than the one it is
given, the shard of an account unless it is told how many there are, what limits left for an order whose facts changed
again, by which of two versions something was decided while one took the other's place, and whether a prize was out of
stock when a draw says so.
"""

from local.audit.auditor import audit
from local.audit.laws import LAWS, Violation
from local.audit.table import rows_of

__all__ = ["LAWS", "Violation", "audit", "rows_of"]
