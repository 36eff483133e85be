"""Many clients, one at a time: threads that pass a baton, and a seeded choice of who has it next.

    client A ──switch()──┐            ┌──> goes on where it stood
                         └─ seed says ┘
    client B ──switch()──┘   who is next

Only the holder of the baton runs, so a run is a function of its seed alone. ``switch()`` stands wherever another
process could get in between: at every call to the outside.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

SWITCHES_MAX = 20_000
"""More than this is a livelock, not a long run."""


class Stopped(BaseException):
    """The run is over; every client unwinds. Not an Exception, so that nothing on the way can catch it."""


class Livelock(Exception):
    """The clients went on and on without coming to an end."""


@dataclass
class Task:
    """One client and its baton."""

    name: str
    work: Callable[[], None]
    baton: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Scheduler:
    """Runs clients one at a time; ``stay`` is the probability that the holder of the baton keeps it.

    ``between`` is called at every switch, while nobody runs: time passes there, and what is under way arrives.
    """

    def __init__(self, rng: random.Random, stay: float, between: Callable[[], None]) -> None:
        self.switches = 0
        self._rng, self._stay, self._between = rng, stay, between
        self._tasks: list[Task] = []
        self._waiting: list[Task] = []
        self._current: Task | None = None
        self._over = threading.Semaphore(0)
        self._stopping: BaseException | None = None

    @property
    def current(self) -> str:
        """The name of the client that runs."""
        return self._current.name if self._current else "-"

    def spawn(self, name: str, work: Callable[[], None]) -> None:
        """Add a client; it begins when :meth:`run` lets it."""
        self._tasks.append(Task(name, work))

    def run(self) -> None:
        """Run all clients to their end.

        Raises:
            Livelock: they do not come to one.
            Exception: what a client failed with; the others are stopped.
        """
        self._waiting = list(self._tasks)
        threads = [
            threading.Thread(target=self._live, args=(task,), name=task.name, daemon=True) for task in self._tasks
        ]
        for thread in threads:
            thread.start()
        if self._tasks:
            self._pick().baton.release()
            self._over.acquire()
        for thread in threads:
            thread.join()
        self._tasks, self._current = [], None
        if self._stopping is not None:
            raise self._stopping

    def switch(self) -> None:
        """Let the seed say who is next; returns when it is the caller's turn again. Outside a run it does nothing."""
        task = self._current
        if task is None:
            return
        self.switches += 1
        if self.switches > SWITCHES_MAX:
            raise Livelock(f"{self.switches} switches, the last by {task.name}")
        self._between()
        if len(self._waiting) == 1 or self._rng.random() < self._stay:
            return
        following = self._pick()
        if following is task:
            return
        following.baton.release()
        task.baton.acquire()
        self._current = task
        if self._stopping is not None:
            raise Stopped

    def _pick(self) -> Task:
        return self._waiting[self._rng.randrange(len(self._waiting))]

    def _live(self, task: Task) -> None:
        task.baton.acquire()
        self._current = task
        try:
            if self._stopping is None:
                task.work()
        except Stopped:
            pass
        except BaseException as failure:  # noqa: BLE001 - it is raised again by run(), in the thread that asked
            if self._stopping is None:
                self._stopping = failure
        self._waiting.remove(task)
        if self._waiting:
            self._pick().baton.release()
        else:
            self._over.release()
