"""How long a text message is: what the networks count and charge for (3GPP TS 23.038).

GSM-7   every character of the default alphabet is one unit, those of its extension are two
        one message of 160 units, else parts of 153
UCS-2   as soon as one character is in neither: one unit for each UTF-16 code unit
        one message of 70 units, else parts of 67

A character of two units is never torn between two parts.
"""

from __future__ import annotations

from dataclasses import dataclass

SEGMENTS_MAX = 2
"""What a message of ours takes at most."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("^{}\\[~]|€\f")


@dataclass(frozen=True, slots=True)
class Segments:
    """The length of a text: ``encoding`` is ``GSM-7`` or ``UCS-2``, ``units`` are of it."""

    encoding: str
    units: int
    segments: int


def segments(text: str) -> Segments:
    """How a text is sent."""
    if all(one in _BASIC or one in _EXTENSION for one in text):
        sizes = [2 if one in _EXTENSION else 1 for one in text]
        return _cut("GSM-7", sizes, 160, 153)
    return _cut("UCS-2", [len(one.encode("utf-16-be", "surrogatepass")) // 2 for one in text], 70, 67)


def fits(text: str) -> bool:
    """Whether a text is within ``SEGMENTS_MAX``."""
    return segments(text).segments <= SEGMENTS_MAX


def _cut(encoding: str, sizes: list[int], alone: int, part: int) -> Segments:
    units = sum(sizes)
    if units <= alone:
        return Segments(encoding, units, 1)
    parts, used = 1, 0
    for size in sizes:
        if used + size > part:
            parts, used = parts + 1, 0
        used += size
    return Segments(encoding, units, parts)
