"""A whole audit: every row read, then held against every law."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from jifen.domain.errors import InvalidProgram
from jifen.domain.program import Program, parse_program
from local.audit.activity import judge_activity
from local.audit.behaviour import judge_behaviour
from local.audit.counters import judge_counters
from local.audit.documents import graces_of, judge_documents
from local.audit.history import judge_history
from local.audit.index import judge_index
from local.audit.laws import Terms, Violation
from local.audit.library import Library
from local.audit.malls import judge_mall, judge_mall_of
from local.audit.operators import judge_operators
from local.audit.orders import judge_orders
from local.audit.rows import read_to_its_end
from local.audit.table import Office, Table
from local.audit.totals import judge_totals
from local.audit.transfers import judge_transfers


def audit(
    rows: Iterable[Mapping[str, Any]], program: Program, now: datetime, *, shards: int | None = None
) -> list[Violation]:
    """Every violation of every law; none for a sound ledger.

    Args:
        rows: all items of the table, as DynamoDB's JSON; binary values as bytes or Base64 text.
        program: zone, reminder leads and policies that the ledger was written under.
        now: no entry can be of a later time.
        shards: how many there were when the accounts were last written; None leaves the shard out.
    """
    return list(_violations(rows, Terms(program, now, shards)))


def _terms_of(office: Office, own: Terms) -> list[Terms]:
    """The terms in force, those before, and the stack's own, as far as they can be read."""
    now = office.in_force
    found = [office.versions.get(number) for number in ((now.number, now.previous) if now else ())]
    programs: list[Program] = []
    for version in found:
        with suppress(InvalidProgram, ValueError):
            programs += [parse_program(json.loads(version.program))] if version else []
    return [*(replace(own, program=program) for program in programs), own]


def _violations(rows: Iterable[Mapping[str, Any]], terms: Terms) -> Iterator[Violation]:
    table = Table()
    yield from table.read(rows)
    library = Library(table.office, terms.program)
    graces, every = graces_of(table.office, terms), _terms_of(table.office, terms)
    for member in table.members.values():
        if member.readable:
            yield from read_to_its_end(member.member, judge_history(member, table.orders, library, terms))
            yield from read_to_its_end(member.member, judge_documents(member, graces, terms))
            yield from read_to_its_end(member.member, judge_index(member, every))
            yield from read_to_its_end(member.member, judge_mall_of(member, table, library, graces, terms))
    yield from judge_orders(table, library)
    yield from judge_transfers(table)
    yield from read_to_its_end("mall", judge_mall(table))
    yield from read_to_its_end("events", judge_behaviour(table, library, terms))
    yield from read_to_its_end("counters", judge_counters(table, library, terms))
    yield from read_to_its_end("activity", judge_activity(table, library, terms))
    yield from read_to_its_end("operators", judge_operators(table))
    yield from read_to_its_end("table", judge_totals(table))
