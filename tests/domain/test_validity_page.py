"""docs/validity.md: its programs can be read, and every row of its tables is what happens."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from jifen.domain.account import Account, as_of
from jifen.domain.lots import Lot
from jifen.domain.program import parse_program
from jifen.domain.validity_terms import Effect
from tests.domain.builders import MEMBER, Desk, day, instant, paid

PAGE = (Path(__file__).parents[2] / "docs" / "validity.md").read_text(encoding="utf-8")


def rows(head: str) -> list[list[str]]:
    """The rows of the table whose heading begins so."""
    _, found, table = PAGE.partition(f"| {head}")
    assert found, head
    lines = table.split("\n\n")[0].split("\n")[2:]
    return [[cell.strip() for cell in line.strip("| \n").split(" | ")] for line in lines if line.startswith("|")]


KINDS = rows("what | `expiry`")
ENDS = rows("zone | what happens")
EARNED = rows("zone | paid at")


def test_the_tables_are_there() -> None:
    """As many rows as they are meant to have; a table that is not found would test nothing."""
    assert (10, 14, 19) == (len(KINDS), len(ENDS), len(EARNED))


@pytest.mark.parametrize(("what", "expiry", "last"), KINDS, ids=[row[0] for row in KINDS])
def test_every_kind_of_validity_is_as_the_page_says(what: str, expiry: str, last: str) -> None:
    """Points of an order, by the program's expiry and by a rule's own."""
    del what
    written = json.loads(expiry.strip("`"))
    rule = {"id": "base", "rate": {"points": 1, "per_minor": 100}}
    own = {"earning": {"rules": [rule | {"valid": written}]}, "expiry": {"policy": "days", "days": 1}}
    expected = None if last == "none" else day(last)
    for program in (parse_program({"expiry": written}), parse_program(own)):
        desk = Desk(program)
        at = instant("2027-02-15T12:00:00Z")
        desk.book(paid(at=at), program.moment(at))
        assert [expected] == [lot.expires_on for lot in desk.account.lots]


@pytest.mark.parametrize(("zone", "what", "last", "until"), ENDS, ids=[f"{row[0]} {row[2]}" for row in ENDS])
def test_points_are_gone_at_the_instant_that_the_page_names(zone: str, what: str, last: str, until: str) -> None:
    """A microsecond before they can be spent and nothing is written down; then they cannot, and it is."""
    del what
    program = parse_program({"time_zone": zone})
    account = Account(MEMBER, lots=(Lot(5, day(last)),))
    end = instant(until)
    before, after = program.moment(end - timedelta(microseconds=1)), program.moment(end)

    assert (5, ()) == (account.available(before.today), as_of(account, before).entries)
    (entry,) = as_of(account, after).entries
    assert (0, -5, end) == (account.available(after.today), entry.draft.points, entry.draft.occurred_at)


@pytest.mark.parametrize(("zone", "at", "expiry", "last"), EARNED, ids=[" ".join(row) for row in EARNED])
def test_points_of_an_instant_last_as_the_page_says(zone: str, at: str, expiry: str, last: str) -> None:
    """By the day of the program's zone that the order was paid on."""
    program = parse_program({"time_zone": zone, "expiry": json.loads(expiry.strip("`"))})
    desk = Desk(program)
    desk.book(paid(at=instant(at)), program.moment(instant(at)))

    assert [None if last == "none" else day(last)] == [lot.expires_on for lot in desk.account.lots]


def test_the_policies_of_the_page_can_be_published() -> None:
    """The program is read, and is the one of every effect."""
    first = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0]
    program = parse_program(json.loads(first))
    assert [Effect.EXTEND, Effect.LEAVE, Effect.VOID] == [policy.effect for policy in program.policies]


def test_every_answer_of_the_page_is_json() -> None:
    """Requests and answers can be taken as they stand."""
    assert 3 == len([json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)])
