"""The page on rules: what it shows can be copied."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from jifen.domain.program import parse_program
from jifen.domain.rules import reading

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ROWS = [*(f"E{number}" for number in range(1, 15)), "T1"]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_of_the_page_is_read_without_faults(snippet: str) -> None:
    """A rule or a list of rules belongs into a program, everything else is one."""
    shown = json.loads(snippet)
    rules = shown if isinstance(shown, list) else [shown] if "id" in shown else None
    program = parse_program(shown if rules is None else {"earning": {"rules": rules}})
    assert program.rules.rules
    if rules is not None:
        assert [rule["id"] for rule in rules] == [rule.id for rule in program.rules.rules]


def test_the_page_has_a_section_for_every_row() -> None:
    """Each kind of earning has its heading, in order."""
    assert ROWS == re.findall(r"^## ([ET]\d+)\.", PAGE, re.MULTILINE)


@pytest.mark.parametrize("key", [*reading._EARNING, *reading._RULE, *reading._WHEN, *reading._LEVEL, *reading._TIERS])
def test_the_page_names_every_key(key: str) -> None:
    """What can be written is in the tables at the end."""
    assert f"`{key}`" in PAGE.partition("## All keys")[2]
