"""docs/reliability.md names what is really checked, planted and visited."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.audit import LAWS as LEDGER_LAWS
from local.simulation.judge import LAWS as RUN_LAWS
from tests.simulation.mutated import ALL

PAGE = " ".join((Path(__file__).resolve().parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize(("name", "sentence"), [*LEDGER_LAWS.items(), *RUN_LAWS.items()])
def test_every_law_is_on_the_page(name: str, sentence: str) -> None:
    """By its name and in its own words, so that what is promised is what is checked."""
    assert f"* **{name}**: {sentence}" in PAGE


def test_no_law_is_on_the_page_that_is_not_checked() -> None:
    """A law that was dropped from the code is dropped from the page."""
    assert len(LEDGER_LAWS) + len(RUN_LAWS) == PAGE.count("* **") - len(
        ("Planted bugs", "Counters", "The table")
    ) - len(("The reference", "AWS itself", "Two regions", "A clock", "Bit rot", "Bugs that need more"))


def test_every_planted_bug_is_on_the_page() -> None:
    """By its name."""
    assert [] == [mutant.name for mutant in ALL if mutant.name not in PAGE]
