"""Offers of every shape, as an operator could write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
WORD = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
WHOLE = st.integers(1, 10**9)
SHARE = st.one_of(st.just("1"), st.integers(1, 10**9 - 1).map(lambda part: f"0.{part:09d}"))
DAY = st.dates().map(lambda day: f"{day.year:04d}-{day.month:02d}-{day.day:02d}")


@st.composite
def offers(draw: st.DrawFn) -> dict[str, Any]:
    """One that is read without a fault, in a program with a currency."""
    kind = draw(st.sampled_from(("physical", "virtual", "service", "coupon", "donation", "voucher")))
    content: dict[str, Any] = {"title": draw(WORD), "kind": kind, "limits": draw(_limits())}
    if kind == "voucher":
        content |= {"cash_minor": draw(WHOLE), "voucher": {"points": draw(WHOLE)}}
    else:
        content |= {"points": draw(WHOLE), "cash_minor": draw(st.integers(0, 10**9))}
        content |= {"tiers": draw(st.dictionaries(st.sampled_from(("gold", "silver", "a.b")), SHARE, max_size=3))}
    if kind == "coupon":
        content["coupon"] = draw(_coupons())
    if kind == "donation":
        content["donation"] = {"unit": draw(TEXT)}
    content |= {
        "description": draw(TEXT),
        "category": draw(TEXT),
        "tags": draw(st.lists(WORD, max_size=4)),
        "only_tiers": draw(st.lists(st.sampled_from(("gold", "a;b\\", "\\;")), max_size=2)),
        "quantity_max": draw(st.integers(1, 50)),
        "stock": draw(_stocks(kind)),
    }
    if draw(st.booleans()):
        content["from"], content["until"] = sorted(draw(_two_instants()))
    if draw(st.booleans()):
        opens, closes = sorted(draw(_two_instants()))
        content["sale"] = {"from": opens, "until": closes, "points": 0, "cash_minor": draw(WHOLE)}
    return content


def _two_instants() -> st.SearchStrategy[list[str]]:
    moments = st.integers(0, 10**9)
    return st.lists(moments, min_size=2, max_size=2, unique=True).map(_instants)


def _instants(seconds: list[int]) -> list[str]:
    return [datetime.fromtimestamp(one, UTC).isoformat() for one in seconds]


@st.composite
def _limits(draw: st.DrawFn) -> list[dict[str, Any]]:
    kinds = st.tuples(st.sampled_from(("day", "week", "month", "year", "ever")), st.sampled_from(("points", "times")))
    return [{"per": per, unit: draw(WHOLE)} for per, unit in draw(st.lists(kinds, unique=True, max_size=4))]


@st.composite
def _stocks(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    if kind in {"virtual", "coupon"} and draw(st.booleans()):
        return {"codes": True, "low": draw(st.integers(0, 100))}
    if draw(st.booleans()):
        return {"counted": False, "shards": draw(st.integers(1, 64))}
    return {"shards": draw(st.integers(1, 64)), "low": draw(st.integers(0, 100)), "restock_on": draw(DAY)}


@st.composite
def _coupons(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(("amount", "over", "percent", "shipping")))
    terms: dict[str, Any] = {"kind": kind, "threshold_minor": draw(WHOLE)}
    if kind == "percent":
        terms |= {"percent": draw(SHARE), "max_discount_minor": draw(WHOLE)}
    else:
        terms |= {"discount_minor": draw(WHOLE)}
    when = {"valid_days": draw(st.integers(0, 36_500))} if draw(st.booleans()) else {"valid_until": draw(DAY)}
    return terms | when | {"uses_per_day": draw(st.integers(1, 9))}
