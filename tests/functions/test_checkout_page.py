"""docs/checkout.md: every request on the page is answered as the page says."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from jifen.domain.terms import RedemptionTerms
from tests.functions.earning import shop
from tests.functions.stage import SHOP

PAGE = Path("docs/checkout.md").read_text("utf-8")
EXAMPLE = re.compile(
    r"```http\n(\w+) (\S+)\n(?:Idempotency-Key: (\S+)\n)?\n(.*?)```\n```json (\d+)\n(.*?)```", re.DOTALL
)


def program() -> dict[str, Any]:
    """The program on the page."""
    (text,) = re.findall(r"```json program\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.usefixtures("aws")
def test_the_page_s_examples_are_answered_as_it_says() -> None:
    """One after another, from the quote to the refusal; then the order, paid in part, earns what was quoted."""
    examples = EXAMPLE.findall(PAGE)
    with shop("2026-06-15T12:00:00+08:00", **program()) as here:
        here.buys("17850", 864_000)
        for method, path, key, body, status, answer in examples:
            said = here.stage.ask(method, path, json.loads(body), key=key or None, scopes=SHOP)
            assert (int(status), json.loads(answer)) == (said.status, said.body)
        quoted = json.loads(examples[0][3])
        (line,) = re.findall(r"`(\{\"n\": 3.*?\})`", PAGE)
        earned = here.buys("17850", [*quoted["order"]["lines"], json.loads(line)], "536365")
        assert json.loads(examples[0][5])["earns_then"] == earned
    assert 4 == len(examples) == PAGE.count("```http")


def test_the_page_names_every_limit_of_the_terms() -> None:
    """Each key of the program's section that limits something has a row of its own."""
    no_limits = {"worth", "lines", "expired_on_restore", "grace_days"}
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert {one.name for one in fields(RedemptionTerms)} - no_limits <= rows
