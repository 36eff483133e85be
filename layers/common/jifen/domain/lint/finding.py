"""What the check says: a hole in the rules, as a story that anybody can play again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """``error``: points without end, publishing is refused. ``warning``: a limit bounds it, or it gives too little."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One hole.

    Attributes:
        code: which kind; docs/lint.md describes each.
        severity: whether it blocks publishing.
        story: what somebody does, line by line, with what each step brings.
        gain_points: what it brings.
        cost_minor: money that is not given back for it, in minor units.
        rules: the ids of the rules that it needs.
    """

    code: str
    severity: Severity
    story: tuple[str, ...]
    gain_points: int = 0
    cost_minor: int = 0
    rules: tuple[str, ...] = ()


def numbered(lines: Iterable[str]) -> tuple[str, ...]:
    """The lines with their numbers; equal ones in a row become one."""
    found: list[tuple[str, int]] = []
    for line in lines:
        if found and found[-1][0] == line:
            found[-1] = (line, found[-1][1] + 1)
        else:
            found.append((line, 1))
    times = (f"{line} ({count} times)" if count > 1 else line for line, count in found)
    return tuple(f"{number}. {line}" for number, line in enumerate(times, 1))


def in_points(points: int) -> str:
    """``1 point``, ``2 points``."""
    return "1 point" if points == 1 else f"{points} points"


def ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, of them the cheapest first."""
    return tuple(
        sorted(
            findings,
            key=lambda one: (one.severity is Severity.WARNING, one.cost_minor, len(one.story), one.code, one.story),
        )
    )
