"""Tables as the template draws them, on engines that can be had here, and ledgers on those tables.

``JIFEN_TEST_ENGINES=dynoxide,dynamodb-local,ministack`` (names as ``jifen replay --engine`` takes them, or URLs) runs
the tests of this folder on these engines instead of the usual ones; ``make engines`` does.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache

import pytest

from jifen.domain.program import Program
from jifen.store.dynamo import DynamoLedger, TableSettings
from local.engines import Engine, EngineUnavailable, create_table, open_engine
from local.template import table_definition

ASKED = tuple(filter(None, os.environ.get("JIFEN_TEST_ENGINES", "").split(",")))
IN_PROCESS = ("memory", "simulated", "moto")
ENGINES = ASKED or (*IN_PROCESS, "dynoxide")
"""What the contract runs on."""

SERVERS = tuple(name for name in ENGINES if name not in IN_PROCESS)
"""What faults and concurrency run on: an engine behind a network, atomic between clients."""

_numbers = itertools.count(1)
_definition = cache(table_definition)


@contextmanager
def engine_or_skip(spec: str) -> Iterator[Engine]:
    """A running engine; the test is skipped, with the reason, where this machine cannot have it."""
    with running_engines() as running:
        yield running[spec]


@dataclass
class Running:
    """The engines that are running, each started when it is first asked for."""

    stack: ExitStack
    engines: dict[str, Engine | EngineUnavailable] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Engine:
        """The engine; the test is skipped, with the reason, where this machine cannot have it."""
        if name not in self.engines:
            try:
                self.engines[name] = self.stack.enter_context(open_engine(name, say=lambda _line: None))
            except EngineUnavailable as refusal:
                self.engines[name] = refusal
        engine = self.engines[name]
        if isinstance(engine, EngineUnavailable):
            pytest.skip(str(engine))
        return engine


@contextmanager
def running_engines() -> Iterator[Running]:
    """Engines for a whole session; all are ended with it."""
    with ExitStack() as stack:
        yield Running(stack)


def new_table(engine: Engine) -> str:
    """Make an empty table from ``infra/template.yaml``; its name."""
    name = f"ledger-{next(_numbers)}"
    create_table(engine, _definition(), name)
    return name


def ledger_on(engine: Engine, table: str, program: Program, shards: int = 4) -> DynamoLedger:
    """A ledger on a table of an engine, with a client of its own."""
    settings = TableSettings(
        name=table,
        region=engine.region,
        endpoint=engine.url,
        shards=shards,
        access_key_id=engine.credentials.access_key_id,
        secret_access_key=engine.credentials.secret_access_key,
    )
    return DynamoLedger(settings, program)


def new_ledger(engine: Engine, program: Program, shards: int = 4) -> DynamoLedger:
    """A ledger on an empty table of its own."""
    return ledger_on(engine, new_table(engine), program, shards)
