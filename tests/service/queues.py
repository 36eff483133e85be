"""A sweep queue in a list, and a run of a sweep until the queue is empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jifen.domain.program import Moment
from jifen.service.ports import Ledger, ShardTask, Sweep
from jifen.service.sweeping import Progress, fan_out, work


class Tasks:
    """The queue: ``waiting`` tasks, first in, first out; ``delays`` are those that tasks were ever sent with."""

    def __init__(self) -> None:
        self.waiting: list[ShardTask] = []
        self.delays: list[int] = []

    def send(self, tasks: Sequence[ShardTask], delay_s: int = 0) -> None:
        """See :class:`jifen.service.ports.SweepQueue`."""
        self.waiting += tasks
        self.delays += [delay_s] * len(tasks)


class Failures:
    """What a worker could not make sense of, by member."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Exception]] = []

    def __call__(self, member: str, failure: Exception) -> None:
        """Keep it."""
        self.rows.append((member, failure))


def run(
    ledger: Ledger,
    sweep: Sweep,
    moment: Moment,
    act: Callable[[str], bool],
    shards: int = 4,
    has_time: Callable[[], bool] = lambda: True,
    failures: Failures | None = None,
) -> list[Progress]:
    """Fan out and work until nothing waits; what each worker got done."""
    queue, done, failures = Tasks(), [], failures or Failures()
    fan_out(queue, sweep, moment.now, shards)
    while queue.waiting:
        done.append(work(ledger, queue, queue.waiting.pop(0), moment, act, has_time, failures))
        assert len(done) < 10_000, "the sweep never ends"
    return done
