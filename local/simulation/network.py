"""Between the real client and the simulated table: where a call meets its fault, and where the baton is passed.

    ledger ──botocore (2 attempts)──> Network ──switch──> fault or table ──> answer
                                         │ parked: sent, timed out, arrives at some later switch

Every fault is drawn from the run's seed, one at most for an HTTP attempt. Which kinds of faults a run has, and how
many, is drawn as well: a run with one kind of trouble reaches states that a run with all of them never does.
"""

from __future__ import annotations

import json
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from local.simulation.faults import FAULTS, QUERY, READ, WRITE, Attempt, is_document
from local.simulation.history import Capture, Facts, Step
from local.simulation.scheduler import Scheduler
from local.simulation.table import Key, Reply, SimulatedTable
from local.simulation.telling import words

LATE = 0.2
"""Probability, at a switch, that a parked request arrives: some five switches late on average."""


@dataclass(frozen=True, slots=True)
class Doing:
    """What a client is about: a decision, the instant it is made for, and the caller's key where there is one."""

    step: Step | None
    now: datetime | None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Committed:
    """A transaction that went through: commit ``number`` of the table, whose it was and what it was for.

    ``read_at`` has the state, by number of commits, in which each item was read that its client had read before.
    """

    number: int
    client: str
    doing: Doing
    read_at: Mapping[Key, int]


IDLE = Doing(None, None)

_BESIDE = frozenset({"S", "I"})
"""Sort keys of what is kept beside a decision, before or after it: rules by content, an answer under one more key."""


@dataclass
class Network:
    """What botocore takes for its HTTP session. ``rates`` has the probability of each fault in this run."""

    table: SimulatedTable
    scheduler: Scheduler
    rng: random.Random
    rates: Mapping[str, float]
    reached: Counter[str]
    tell: Callable[[str], None]
    doing: dict[str, Doing] = field(default_factory=dict)
    committed: list[Committed] = field(default_factory=list)
    read_at: dict[str, dict[Key, int]] = field(default_factory=dict)
    calm: bool = False
    calls: int = 0
    trace: int = 0
    _parked: list[tuple[Mapping[str, Any], str, Doing, Mapping[Key, int]]] = field(default_factory=list)

    def send(self, request: Any) -> AWSResponse:
        """What botocore calls for each attempt."""
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).split(".")[1]
        body = json.loads(request.body)
        self.calls += 1
        self.scheduler.switch()
        fault = self._draw(operation)
        self._note(operation, fault or "")
        client, doing = self.scheduler.current, self.current()
        read_at = dict(self.read_at.get(client, {})) if operation == WRITE else {}

        def go(asked: Mapping[str, Any]) -> Reply:
            if operation == WRITE:
                return self._write(asked, client, doing, read_at)
            return self._read(asked, client) if operation == READ else self._query(asked)

        if fault is None:
            status, content = go(body)
        else:
            self.reached[fault] += 1
            attempt = Attempt(
                body=body,
                url=request.url,
                draw=self.rng,
                go=go,
                park=lambda: self._parked.append((body, client, doing, read_at)),
                switch=self.scheduler.switch,
            )
            status, content = FAULTS[operation][fault](attempt)
        return AWSResponse(request.url, status, HTTPHeaders(), _Body(json.dumps(content).encode()))

    def close(self) -> None:
        """What botocore calls at the end."""

    def current(self) -> Doing:
        """What the client that runs is about."""
        return self.doing.get(self.scheduler.current, IDLE)

    def between(self) -> None:
        """What may happen at a switch: a parked request arrives."""
        if self._parked and self.rng.random() < LATE:
            self._deliver(*self._parked.pop(self.rng.randrange(len(self._parked))))

    def settle(self) -> None:
        """No more faults from here on; what is still under way arrives first."""
        self.calm = True
        while self._parked:
            self._deliver(*self._parked.pop(0))

    def _draw(self, operation: str) -> str | None:
        if self.calm:
            return None
        drawn = self.rng.random()
        for fault in FAULTS[operation]:
            drawn -= self.rates.get(fault, 0.0)
            if drawn < 0:
                return fault
        return None

    # What a sound network does

    def _write(self, body: Mapping[str, Any], client: str, doing: Doing, read_at: Mapping[Key, int]) -> Reply:
        if all(action["Put"]["Item"]["sk"]["S"] in _BESIDE for action in body["TransactItems"]):
            doing = IDLE
        number = len(self.table.commits) + 1
        reply = self.table.call(WRITE, dict(body))
        if len(self.table.commits) == number:
            self.committed.append(Committed(number, client, doing, read_at))
            self._note("committed", client)
            self.tell(f"  = commit {number}: {words(doing.step)}")
        elif "CancellationReasons" in reply[1]:
            reasons = zip(body["TransactItems"], reply[1]["CancellationReasons"], strict=True)
            keys = [action["Put"]["Item"]["sk"]["S"] for action, reason in reasons if reason["Code"] != "None"]
            on_document = any(is_document(sk) for sk in keys)
            self.reached["race lost on a document" if on_document else "race lost on an account"] += 1
            self.reached["sweep raced a decision"] += client.startswith("sweeper")
            self.reached[f"lost a race: {type(doing.step).__name__}"] += 1
            if isinstance(doing.step, Capture) and on_document and isinstance(self._winner(doing.step.hold_id), Facts):
                self.reached["a capture lost a race against its order"] += 1
            self._note("lost", *keys)
        else:
            self.reached["client token recognised"] += 1
        return reply

    def _winner(self, hold_id: str) -> Step | None:
        """What wrote a hold last."""
        sk = f"H#{hold_id.rsplit('.', 1)[-1]}"
        found = (one for one in reversed(self.committed) if any(key[1] == sk for key in self._puts(one)))
        return next((one.doing.step for one in found), None)

    def _puts(self, one: Committed) -> Mapping[Key, Any]:
        return self.table.commits[one.number - 1].puts

    def _deliver(self, body: Mapping[str, Any], client: str, doing: Doing, read_at: Mapping[Key, int]) -> None:
        before = len(self.table.commits)
        self._write(body, f"{client}, late", doing, read_at)
        self.reached[
            "late write went through" if len(self.table.commits) > before else "late write came to nothing"
        ] += 1

    def _read(self, body: Mapping[str, Any], client: str) -> Reply:
        ((_, wanted),) = body["RequestItems"].items()
        seen = self.read_at.setdefault(client, {})
        seen.update({(key["pk"]["S"], key["sk"]["S"]): len(self.table.commits) for key in wanted["Keys"]})
        if not wanted.get("ConsistentRead"):
            return self._lagging(READ, body, (0, 1, 4))
        return self.table.call(READ, dict(body))

    def _query(self, body: Mapping[str, Any]) -> Reply:
        asked = dict(body)
        if asked.pop("stale", False):
            return self._lagging(QUERY, asked, self.rng.choice(((1, 2), (1, 4, 9), (0, 1, 30))))
        return self.table.call(QUERY, asked)

    def _lagging(self, operation: str, body: Mapping[str, Any], ages: tuple[int, ...]) -> Reply:
        self.table.index_age = lambda _key: self.rng.choice(ages)
        try:
            return self.table.call(operation, dict(body))
        finally:
            self.table.index_age = lambda _key: 0

    def _note(self, *what: str) -> None:
        """Keep a trace of the run: two runs of one seed end with the same number."""
        line = "|".join((self.scheduler.current, str(len(self.table.commits)), *what))
        self.trace = zlib.crc32(line.encode(), self.trace)
        self.tell(" ".join(what))


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content
