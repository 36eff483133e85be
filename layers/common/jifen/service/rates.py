"""Rates of channels: messages a second, of all workers together.

At most :data:`WORKERS_MAX` workers send at a time, and each keeps to its part, whatever the others do: nobody has to
ask anybody. They begin together, so each has a place of its own in the round, and they do not send at the same moment.
A worker that takes shard after shard keeps its distance from one to the next: ``turns`` lives as long as its process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

WORKERS_MAX = 16
"""Workers of a sweep at a time: `MaximumConcurrency` of its queue in `infra/template.yaml`."""


class Rates:
    """What one worker may send; seconds throughout.

    Args:
        per_second: messages a second of a channel; one that is not named has no limit.
        workers: how many share them.
        monotonic: a clock that never goes back.
        rest: waits so long, or says that there is no time for it.
        place: of this worker in the round, counted from 0.
        turns: when the next message can go out on each channel, from one use to the next of the same process.
    """

    def __init__(
        self,
        per_second: Mapping[str, int],
        workers: int,
        monotonic: Callable[[], float],
        rest: Callable[[float], bool],
        place: int = 0,
        turns: dict[str, float] | None = None,
    ) -> None:
        parts = max(1, min(workers, WORKERS_MAX))
        began = monotonic()
        self._apart = {channel: parts / rate for channel, rate in per_second.items()}
        self._next = {} if turns is None else turns
        for channel, rate in per_second.items():
            self._next[channel] = max(self._next.get(channel, began), began + place % parts / rate)
        self._monotonic = monotonic
        self._rest = rest

    def wait_s(self, channels: Iterable[str]) -> float:
        """How long until a message can go out on each of the channels."""
        now = self._monotonic()
        return max((self._next[channel] - now for channel in channels if channel in self._apart), default=0.0)

    def take(self, channels: Iterable[str]) -> bool:
        """Wait for the turn of a message on each of the channels, and take it; False where that is too long to wait."""
        wanted = [channel for channel in channels if channel in self._apart]
        wait = self.wait_s(wanted)
        if wait > 0 and not self._rest(wait):
            return False
        now = self._monotonic()
        for channel in wanted:
            self._next[channel] = now + self._apart[channel]
        return True

    def longest_wait_s(self) -> float:
        """How long until a message can go out on any channel."""
        return self.wait_s(self._apart)
