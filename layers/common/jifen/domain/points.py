"""Points as numbers: whole, bounded, and rounded from exact fractions in one place."""

from __future__ import annotations

from enum import StrEnum

POINTS_MAX = 10**12
"""The most points one request may name and one order may earn."""


class Rounding(StrEnum):
    """How a fraction of a point is settled."""

    FLOOR = "floor"
    HALF_UP = "half_up"
    CEIL = "ceil"


def rounded(numerator: int, denominator: int, rounding: Rounding) -> int:
    """``numerator / denominator`` (> 0) as whole points; a negative fraction is cut towards fewer points by FLOOR."""
    match rounding:
        case Rounding.FLOOR:
            return numerator // denominator
        case Rounding.CEIL:
            return -(-numerator // denominator)
        case Rounding.HALF_UP:
            return (2 * numerator + denominator) // (2 * denominator)
