"""Many seeds, on every core: what they found, and what they visited.

A check that never saw its case proves nothing, so a campaign of ``SEEDS_ENOUGH`` seeds that missed one of the states in
:data:`REACHABLE` has failed, like one that found a violation.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

from local.simulation.departments import DEPARTMENTS
from local.simulation.faults import FAULTS
from local.simulation.run import Verdict, simulate

SEEDS_ENOUGH = 1_000
"""From so many seeds on, a state that was not visited is a failure and not bad luck."""

CHUNK = 20
FAILING_MAX = 10
"""So many failing seeds say enough."""

REACHABLE: tuple[str, ...] = (
    *(name for faults in FAULTS.values() for name in faults),
    # how the clients met
    "race lost on an account",
    "race lost on a document",
    "client token recognised",
    "late write went through",
    "late write came to nothing",
    "caller told to come back",
    "batch failed in part",
    "message given up and redriven",
    "sweep raced a decision",
    "sweep went on from a cursor",
    "sweep queue refused a task",
    "schedule did not get through",
    "proof while others write",
    "reader got no answer",
    # what time did
    "midnight passed",
    "month end passed",
    "clock change passed",
    "claim taken over",
    # how refusals went
    "refused: INSUFFICIENT_POINTS",
    "refused: HOLD_ALREADY_RESOLVED",
    "refused: HOLD_EXPIRED",
    "refused: HOLD_NOT_FOUND",
    "refused: REDEMPTION_NOT_FOUND",
    "refused: INVALID_REQUEST",
    "refused: IDEMPOTENCY_KEY_REUSED",
    "refused: LIMIT_REACHED",
    "refused: WRONG_STATUS",
    "refused: REVIEW_NOT_FOUND",
    "refused: NOTHING_TO_MAKE_UP",
    # what channels did
    "notice sent",
    "notice refused for now",
    "notice sent, but said not",
    "notice refused for good",
    "notice crash before sending",
    "notice crash after sending",
    "reminder repeated after a death",
    "digest of several reminders",
    "notice besides reminders",
    # what was written
    "entry earn ORDER_PAID",
    "entry earn ORDER_AMENDED",
    "entry clawback ORDER_REFUNDED",
    "entry clawback ORDER_CANCELLED",
    "entry clawback ORDER_AMENDED",
    "entry clawback ORDER_MOVED",
    "entry adjust ORDER_REDATED",
    "entry adjust LOTS_COMPACTED",
    "entry redeem REDEMPTION",
    "entry redeem HOLD_CAPTURED",
    "entry restore REDEMPTION_RESTORED",
    "entry hold HOLD_AUTHORIZED",
    "entry release HOLD_LAPSED",
    "entry release HOLD_REMAINDER",
    "entry release HOLD_VOIDED",
    "entry expire LOT_EXPIRED",
    "entry expire EXPIRY_REVERSED",
    "entry adjust ORDER_REASSESSED",
    "entry bonus FRIEND_ORDERED",
    "entry bonus TASK_REACHED",
    "entry clawback TASK_UNDONE",
    "entry bonus TIER_ALLOWANCE",
    "entry bonus BEHAVIOUR_REWARDED",
    "entry redeem CHECK_IN_MADE_UP",
    # what rules did
    "a cap took something away",
    "a budget took something away",
    "rule refused: CAMPAIGN_NOT_YET",
    "rule refused: CAMPAIGN_OVER",
    "rule refused: CAMPAIGN_PAUSED",
    "rule refused: CAMPAIGN_ENDED",
    "rule refused: CAMPAIGN_CANCELED",
    "rule refused: TIER",
    "rule refused: ORDER_NUMBER",
    "rule refused: NOT_REPEATED",
    "event AWARDED",
    "event NOTHING",
    "event IN_REVIEW",
    "event AWARDED by an operator",
    "event REJECTED by an operator",
    "value used up",
    "campaign ACTIVE",
    "campaign PAUSED",
    "campaign ENDED",
    "campaign CANCELED",
    # how runs ended
    "ended in debt",
    "ended with an open hold",
    "ended with a clawback forgiven",
    "ended with a level",
    "ended with a run of days",
    "ended with points that wait",
    # what ways of spending came to
    *(state for department in DEPARTMENTS for state in department.reachable),
)
"""States that a campaign has to have visited."""

Watch = Callable[[str, int, int], None]


@dataclass
class Campaign:
    """What some seeds came to. ``failing`` are the verdicts with violations, at most ``FAILING_MAX`` of them.

    ``seconds`` went by; ``cpu_seconds`` is what the runs took of all processors together.
    """

    seeds: int = 0
    commits: int = 0
    calls: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    reached: Counter[str] = field(default_factory=Counter)
    failing: list[Verdict] = field(default_factory=list)

    @property
    def missed(self) -> list[str]:
        """States that no run visited."""
        return [name for name in REACHABLE if not self.reached[name]]

    @property
    def sound(self) -> bool:
        """Whether nothing was found, and enough was visited to believe it."""
        return not self.failing and not (self.seeds >= SEEDS_ENOUGH and self.missed)

    def add(self, verdict: Verdict) -> None:
        """Take in one seed."""
        self.seeds += 1
        self.commits += verdict.commits
        self.calls += verdict.calls
        self.reached.update(verdict.reached)
        if verdict.violations:
            self.failing.append(verdict)


def campaign(seeds: Sequence[int], workers: int | None = None, watch: Watch = lambda *_: None) -> Campaign:
    """Run all seeds, ``workers`` processes at a time (None: one for each core); ``watch`` is told how far it is."""
    begun = time.monotonic()
    total = Campaign()
    for verdicts, cpu_seconds in _verdicts(seeds, workers or os.cpu_count() or 1):
        for verdict in verdicts:
            total.add(verdict)
        total.cpu_seconds += cpu_seconds
        watch("simulating", total.seeds, len(seeds))
        if len(total.failing) >= FAILING_MAX:
            break
    total.failing = sorted(total.failing, key=lambda verdict: verdict.seed)[:FAILING_MAX]
    total.seconds = time.monotonic() - begun
    return total


def _verdicts(seeds: Sequence[int], workers: int) -> Iterator[tuple[list[Verdict], float]]:
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if workers == 1 or len(chunks) == 1:
        yield from map(_chunk, chunks)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["local.simulation.run"])
    # Ctrl-C is for the process that asked: workers finish the seeds they are at, and no more are begun.
    ignored = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=signal.signal, initargs=ignored) as pool:
        futures = [pool.submit(_chunk, chunk) for chunk in chunks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _chunk(seeds: Sequence[int]) -> tuple[list[Verdict], float]:
    begun = time.process_time()
    return [simulate(seed) for seed in seeds], time.process_time() - begun
