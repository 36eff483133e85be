"""The cases of other systems: their figures out of the shared files, and the page that says what Jifen does there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

CASES = Path("/work/shared/cases")
PAGE = Path("docs/cases.md")

needs_cases = pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not on this machine")

Case = Mapping[str, Any]


def _cases(name: str) -> dict[str, Case]:
    path = CASES / name
    return {case["id"]: case for case in json.loads(path.read_text("utf-8"))} if path.exists() else {}


PEERS, EXAMPLES = _cases("peer_cases.json"), _cases("worked_examples.json")


def figures(case_id: str, part: str) -> list[Any]:
    """The numbers in a part of a peer's case (given, when, then), in their order: whole ones, and decimals."""
    found = re.findall(r"-?\d+(?:\.\d+)?", PEERS[case_id][part])
    return [Decimal(text) if "." in text else int(text) for text in found]


def minor(amount: object) -> int:
    """An amount of money in hundredths."""
    return int(Decimal(str(amount)) * 100)


def in_areas(*areas: str) -> set[str]:
    """The ids of the cases in these areas."""
    peers = {name for name, case in PEERS.items() if case["area"] in areas}
    return peers | {name for name in EXAMPLES if name.startswith(tuple(f"{area}-" for area in areas))}


def named_by(*modules: Mapping[str, Any]) -> set[str]:
    """The ids in the names of the tests of modules (their ``globals()``)."""
    tests = (name for module in modules for name in module if name.startswith("test_"))
    found = {tuple(pair) for name in tests for pair in re.findall(r"(?<![a-z])(pc|[a-z]+)_(\d+)", name)}
    ids = {f"{'PC' if kind == 'pc' else kind}-{number}" for kind, number in found}
    return {name for name in ids if name.startswith("PC-") or name in EXAMPLES}


def on_the_page() -> list[str]:
    """The ids in the tables of the page, in their order."""
    rows = re.findall(r"^\| ([A-Za-z]+-\d+(?:, [A-Za-z]+-\d+)*) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return [name for row in rows for name in row.split(", ")]
