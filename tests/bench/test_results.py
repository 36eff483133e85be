"""The page of figures keeps its sections apart."""

from __future__ import annotations

import pytest

from bench.results import PAGE, SECTIONS, placed

PAGE_BEFORE = "# Figures\n\n<!-- operations -->\nold\n<!-- operations: end -->\n"


def test_a_section_is_replaced_where_it_stands() -> None:
    """What it said before is gone; the rest of the page is as it was."""
    made = placed(PAGE_BEFORE, "operations", "new \\1 figures\n")

    assert "# Figures\n\n<!-- operations -->\nnew \\1 figures\n<!-- operations: end -->\n" == made
    assert made == placed(made, "operations", "new \\1 figures\n")


def test_sections_stand_in_one_order_whatever_came_first() -> None:
    """The order of the page does not depend on the order of the commands."""
    one = placed(placed(PAGE_BEFORE, "load", "L"), "cold", "C")
    other = placed(placed(PAGE_BEFORE, "cold", "C"), "load", "L")

    assert one.split() == other.split()
    assert one.index("C\n") < one.index("L\n")


def test_an_unknown_section_is_an_error() -> None:
    """A misspelt name does not end up on the page."""
    with pytest.raises(ValueError, match="not in tuple"):
        placed(PAGE_BEFORE, "colt", "C")


def test_the_page_has_known_sections_once() -> None:
    """Every section that begins also ends, once."""
    content = PAGE.read_text(encoding="utf-8")
    marks = [name for name in SECTIONS if f"<!-- {name} -->" in content]

    assert "operations" in marks
    assert [(1, 1)] * len(marks) == [
        (content.count(f"<!-- {name} -->"), content.count(f"<!-- {name}: end -->")) for name in marks
    ]
