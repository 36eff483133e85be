"""The one page of figures, ``bench/RESULTS.md``: every command puts its own section there and leaves the others alone.

A section stands between ``<!-- name -->`` and ``<!-- name: end -->``.
"""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).with_name("RESULTS.md")

SECTIONS = ("operations", "engine", "cold", "warm", "compare", "load", "night", "simulation")
"""In the order in which they stand on the page."""


def put(section: str, text: str, page: Path = PAGE) -> None:
    """Put ``text`` (Markdown, with its own heading) in the place of the section.

    Raises:
        ValueError: there is no section of this name.
    """
    page.write_text(placed(page.read_text(encoding="utf-8"), section, text), encoding="utf-8")


def placed(content: str, section: str, text: str) -> str:
    """The page with the section's text replaced, or put where the order of ``SECTIONS`` has it.

    Raises:
        ValueError: there is no section of this name.
    """
    place = SECTIONS.index(section)
    begin, end = f"<!-- {section} -->", f"<!-- {section}: end -->"
    block = f"{begin}\n{text.strip()}\n{end}"
    if begin in content:
        return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: block, content, flags=re.DOTALL)
    before = [f"<!-- {name}: end -->" for name in SECTIONS[:place]]
    at = max((content.index(mark) + len(mark) for mark in before if mark in content), default=len(content.rstrip()))
    return f"{content[:at].rstrip()}\n\n{block}\n{content[at:]}"
