"""Tables as the template draws them, on engines that can be had here, and ledgers on those tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jifen.domain.program import Program
from jifen.store.dynamo import DynamoLedger, TableSettings
from local.engines import Engine, EngineUnavailable, create_table, open_engine
from local.template import table_definition

_numbers = itertools.count(1)


@contextmanager
def engine_or_skip(spec: str) -> Iterator[Engine]:
    """A running engine; the test is skipped, with the reason, where this machine cannot have it."""
    try:
        opened = open_engine(spec, say=lambda _line: None)
        engine = opened.__enter__()
    except EngineUnavailable as refusal:
        pytest.skip(str(refusal))
    try:
        yield engine
    finally:
        opened.__exit__(None, None, None)


def new_table(engine: Engine) -> str:
    """Make an empty table from ``infra/template.yaml``; its name."""
    name = f"ledger-{next(_numbers)}"
    create_table(engine, table_definition(), name)
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
