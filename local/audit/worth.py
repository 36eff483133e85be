"""What an order is worth by rules, worked out once more from the facts: lines, stacking, rounding, multipliers, limits.

facts ──> what is kept, line by line ──> each rule's exact value ──> whole points ──caps, budgets──> points by rule
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

from local.audit.order_rows import Order
from local.audit.rows import whole_number
from local.audit.rulebook import ALL, Limit, Rule, Rulebook

POINTS_MAX = 10**12

_KIND, _TAX = 4, 5
"""Where an order's line has what it need not have."""


class Kept(NamedTuple):
    """What is kept of an order in minor units, what it was ``before`` refunds, and each line with its exact share."""

    total: int
    before: int
    lines: tuple[tuple[str, str, Fraction], ...]
    """Category (or ""), product, amount."""

    def of(self, chosen: Iterable[int]) -> Fraction:
        """The amount of the lines at these places."""
        return sum((self.lines[at][2] for at in chosen), Fraction())


def kept(order: Order, kinds: frozenset[str] = frozenset({"goods"}), *, taxed: bool = True) -> Kept:
    """What is kept of the lines of these kinds; nothing of an order that is not paid, or cancelled."""
    if order.paid is None or order.cancelled:
        return Kept(0, 0, ())
    _, _, currency, _, lines = order.paid
    kind_of = {line[0]: line[_KIND] if len(line) > _KIND else "goods" for line in lines}
    earning = [line for line in lines if kind_of[line[0]] in kinds]
    gross = sum(whole_number(line[2]) for line in earning)
    lowered = sum(whole_number(line[2]) for line in lines if kind_of[line[0]] in {"discount", "points"})
    before = max(0, gross - lowered)
    back, by_line = _given_back([one for one in order.refunds if one[2] == currency], kind_of, kinds)
    total = max(0, before - back)
    shares = [
        max(Fraction(), Fraction(line[2] * before, gross) - by_line.get(line[0], 0)) if gross else Fraction()
        for line in earning
    ]
    whole = sum(shares)
    amounts = [total * share / whole if whole else Fraction() for share in shares]
    if not taxed:
        amounts = [amount * _untaxed(line) for line, amount in zip(earning, amounts, strict=True)]
        net = sum(amounts, Fraction())
        total = floor(net)
        before = floor(before * sum(line[2] * _untaxed(line) for line in earning) / gross) if gross else 0
        amounts = [amount * total / net if net else Fraction() for amount in amounts]
    rows = ((line[3] or "" if len(line) > 3 else "", line[1]) for line in earning)  # noqa: PLR2004 - may be left out
    return Kept(total, before, tuple((*row, amount) for row, amount in zip(rows, amounts, strict=True)))


def _untaxed(line: Sequence[Any]) -> Fraction:
    tax = whole_number(line[_TAX]) if len(line) > _TAX else 0
    return 1 - Fraction(tax, line[2]) if line[2] else Fraction()


def _given_back(
    refunds: Iterable[Sequence[Any]], kind_of: Mapping[int, str], kinds: frozenset[str]
) -> tuple[int, dict[int, int]]:
    """What refunds took of these kinds: in all, and of lines that they name."""
    back, by_line = 0, dict[int, int]()
    for _, _, _, total, parts in refunds:
        if not parts:
            back += whole_number(total or 0)
        for amount, line, kind in parts:
            if (kind or kind_of.get(line, "goods")) in kinds:
                back += whole_number(amount)
                if line in kind_of:
                    by_line[line] = by_line.get(line, 0) + amount
    return back, by_line


def rounded(exact: Fraction, how: str) -> int:
    """Whole points."""
    return {"floor": floor(exact), "ceil": ceil(exact), "half_up": floor(exact + Fraction(1, 2))}[how]


@dataclass
class _Claim:
    """A rule that applies, the places of its lines, its exact value and the points that come of it."""

    rule: Rule
    lines: frozenset[int]
    value: Fraction = Fraction()
    points: int = 0
    lowered: Mapping[int, Fraction] = field(default_factory=dict)
    """What multipliers below 1 make of some of its lines."""


class Bounds(NamedTuple):
    """What limits an award: rules refused, the room of each cap and of each campaign's budget."""

    refused: Mapping[str, str]
    rooms: Mapping[str, int]
    budgets: Mapping[str, int]


class Worth(NamedTuple):
    """Points by rule: before any limit, and within the limits."""

    free: dict[str, int]
    bounded: dict[str, int]
    kept_minor: int


def worth_of(order: Order, book: Rulebook, bounds: Bounds, *, inviter: bool) -> Worth:
    """What the order gives its buyer, or who invited the buyer."""
    now = _Valuation(order, book, bounds, inviter=inviter)
    found = now.worth()
    earlier = [_Valuation(order, book, bounds, inviter=inviter, still=low) for low in now.undone()]
    if now.less_than_bought and now.picks_best:
        earlier.append(_Valuation(order._replace(refunds=[]), book, bounds, inviter=inviter))
    most = min((sum(one.worth().bounded.values()) for one in earlier), default=POINTS_MAX)
    return found._replace(bounded=_within(found.bounded, most))


class _Valuation:
    """One order under one rulebook."""

    def __init__(self, order: Order, book: Rulebook, bounds: Bounds, *, inviter: bool, still: int = 0) -> None:
        basis = book.earning.get("basis", {})
        kinds = frozenset({"goods", "shipping"} if basis.get("shipping") else {"goods"})
        self._kept = kept(order, kinds, taxed=basis.get("tax", True))
        self._book, self._bounds = book, bounds
        self._asked = [rule for rule in book.asked(inviter=inviter) if rule.id not in bounds.refused]
        self._once = book.earning.get("round_once")
        self._still = still

    @property
    def less_than_bought(self) -> bool:
        """Whether a part was given back."""
        return 0 < self._kept.total < self._kept.before

    @property
    def picks_best(self) -> bool:
        """Whether of some rules only the best gives."""
        earning = self._book.earning
        return "best_of" in {earning.get("stacking"), *earning.get("groups", {}).values()}

    def undone(self) -> list[int]:
        """Lower bounds that held for what was bought, and do no longer: what they held back is not given now."""
        lows = {rule.when.get("amount_minor", {}).get("min", 0) for rule in self._asked}
        return [low for low in lows if self.less_than_bought and self._kept.total < low <= self._kept.before]

    def worth(self) -> Worth:
        """Points by rule."""
        claims = self._plain()
        claims += self._multiplied({claim.rule.id: claim for claim in claims if "rate" in claim.rule.raw})
        if self._once:
            self._round_once(claims)
        free = {claim.rule.id: min(claim.points, POINTS_MAX) for claim in claims if claim.points > 0}
        return Worth(free, self._limited(free), self._kept.total)

    def _plain(self) -> list[_Claim]:
        """Rules with a value of their own."""
        claims = [
            _Claim(rule, lines) for rule in self._asked if "multiply" not in rule.raw if (lines := self._on(rule))
        ]
        claims = self._settled(claims, "exclusive", _by_priority)
        lowered = self._lowered()
        for claim in claims:
            claim.lowered = lowered.get(claim.rule.id, {})
            claim.value = self._value(claim.rule, claim.lines, claim.lowered)
        claims = self._settled(claims, "best_of", _best)
        if not self._once:
            for claim in claims:
                claim.points = rounded(claim.value, claim.rule.raw.get("rounding", "floor"))
        return claims

    def _on(self, rule: Rule) -> frozenset[int]:
        """The places of the lines that a rule counts; none where it does not apply."""
        when, bounds = rule.when, rule.when.get("amount_minor", {})
        if self._kept.total <= 0 or max(self._kept.total, self._still) < bounds.get("min", 0):
            return frozenset()
        if "max" in bounds and self._kept.before > bounds["max"]:
            return frozenset()
        never = self._book.earning.get("exclude", {})
        return frozenset(
            at
            for at, (category, product, _) in enumerate(self._kept.lines)
            if category not in {*never.get("category", ()), *when.get("not_category", ())}
            and product not in {*never.get("product", ()), *when.get("not_product", ())}
            and category in when.get("category", (category,))
            and product in when.get("product", (product,))
        )

    def _settled(self, claims: list[_Claim], stacking: str, settle: Any) -> list[_Claim]:
        """What is left once the groups with this stacking have been settled."""
        groups: dict[str, list[_Claim]] = {}
        for claim in claims:
            groups.setdefault(claim.rule.raw.get("group", ""), []).append(claim)
        left: set[str] = set()
        for name, group in groups.items():
            winners = settle(group) if self._stacking(name) == stacking and len(group) > 1 else group
            left |= {claim.rule.id for claim in winners}
        return [claim for claim in claims if claim.rule.id in left]

    def _lowered(self) -> dict[str, dict[int, Fraction]]:
        """By rate rule and line, the lowest multiplier below 1."""
        found: dict[str, dict[int, Fraction]] = {}
        for rule in self._asked:
            if "multiply" in rule.raw and _by(rule) < 1:
                for target in self._targets(rule):
                    lines = found.setdefault(target, {})
                    lines.update({at: min(_by(rule), lines.get(at, Fraction(1))) for at in self._on(rule)})
        return found

    def _targets(self, rule: Rule) -> list[str]:
        multiply = rule.raw["multiply"]
        named = multiply.get("rules") if isinstance(multiply, dict) else None
        return [one.id for one in self._asked if "rate" in one.raw and (not named or one.id in named)]

    def _value(self, rule: Rule, lines: frozenset[int], lowered: Mapping[int, Fraction]) -> Fraction:
        if "rate" in rule.raw:
            rate = rule.raw["rate"]
            amount = sum((self._kept.lines[at][2] * lowered.get(at, 1) for at in lines), Fraction())
            return Fraction(rate.get("points", 1), rate.get("per_minor", 100)) * amount
        if not self._kept.of(lines):
            return Fraction()
        if "fixed" in rule.raw:
            return Fraction(rule.raw["fixed"])
        return Fraction(([0] + [points for low, points in rule.raw["ladder"] if self._kept.total >= low])[-1])

    def _multiplied(self, rates: Mapping[str, _Claim]) -> list[_Claim]:
        """What multipliers of 1 and more add."""
        rules = [rule for rule in self._asked if "multiply" in rule.raw and _by(rule) >= 1]
        claims = [_Claim(rule, lines) for rule in rules if (lines := self._on(rule))]
        claims = self._settled(claims, "exclusive", _first)
        compound = self._book.earning.get("multipliers") == "compound"
        for at, claim in enumerate(claims):
            base = self._added(claims[:at], claim.rule) if compound else Fraction()
            base = sum((self._base(claim, rates[name]) for name in self._targets(claim.rule) if name in rates), base)
            claim.value = (_by(claim.rule) - 1) * base
            claim.points = rounded(claim.value, claim.rule.raw.get("rounding", "floor"))
        return self._settled(claims, "best_of", _best)

    def _added(self, earlier: list[_Claim], rule: Rule) -> Fraction:
        """What the multipliers before add: of rivals the best, and nothing of a rule's own rivals."""
        added = {claim.rule.id: claim.value if self._once else Fraction(claim.points) for claim in earlier}
        groups: dict[str, list[Fraction]] = {}
        for claim in earlier:
            group = claim.rule.raw.get("group", "")
            if self._stacking(group) == "best_of":
                if group != rule.raw.get("group", ""):
                    groups.setdefault(group, []).append(added[claim.rule.id])
                del added[claim.rule.id]
        return sum((*added.values(), *map(max, groups.values())), Fraction())

    def _stacking(self, group: str) -> str:
        named = self._book.earning.get("groups", {}).get(group, "sum")
        return str(named if group else self._book.earning.get("stacking", "sum"))

    def _base(self, claim: _Claim, target: _Claim) -> Fraction:
        """What of a rate's points a multiplier multiplies."""
        whole = target.value if self._once else Fraction(target.points)
        if target.lines <= claim.lines:
            return whole
        part = self._value(target.rule, target.lines & claim.lines, target.lowered)
        return part if self._once else min(whole, Fraction(rounded(part, target.rule.raw.get("rounding", "floor"))))

    def _round_once(self, claims: list[_Claim]) -> None:
        """One rounding for all; who lost most by the cutting gets what it leaves, the first among equals."""
        points = rounded(sum((claim.value for claim in claims), Fraction()), self._once or "floor")
        for claim in claims:
            claim.points = min(floor(claim.value), points)
        rest = max(0, points - sum(claim.points for claim in claims))
        for claim in sorted(claims, key=lambda claim: floor(claim.value) - claim.value)[:rest]:
            claim.points += 1

    def _limited(self, free: Mapping[str, int]) -> dict[str, int]:
        """Within the caps of each rule, then budgets, then the caps over all."""
        granted = dict(free)
        limits = [limit for limit in self._book.limits_of(free) if limit.key in self._bounds.rooms]
        for limit in (limit for limit in limits if limit.rule != ALL):
            self._cap(granted, limit)
        left = dict(self._bounds.budgets)
        for name, points in granted.items():
            campaign = self._book.rules[name].campaign
            if campaign in left:
                granted[name] = min(points, left[campaign])
                left[campaign] -= granted[name]
        for limit in (limit for limit in limits if limit.rule == ALL):
            self._cap(granted, limit)
        return _within(granted, POINTS_MAX)

    def _cap(self, granted: dict[str, int], limit: Limit) -> None:
        left = max(0, self._bounds.rooms[limit.key])
        for name in granted if limit.rule == ALL else [limit.rule]:
            if limit.unit == "times":
                granted[name] = granted[name] if left else 0
            else:
                granted[name] = min(granted[name], left)
                left -= granted[name]


def _within(granted: Mapping[str, int], most: int) -> dict[str, int]:
    """So many points at most; the rules written first get most."""
    found: dict[str, int] = {}
    for name, points in granted.items():
        found[name] = min(points, most)
        most -= found[name]
    return {name: points for name, points in found.items() if points}


def _by(rule: Rule) -> Fraction:
    multiply = rule.raw["multiply"]
    return Fraction(multiply["by"] if isinstance(multiply, dict) else multiply)


def _by_priority(group: list[_Claim]) -> list[_Claim]:
    """Each line to the first in order of priority; what takes a whole order needs it untouched, and then has it all."""
    taken: frozenset[int] = frozenset()
    whole, winners = False, list[_Claim]()
    for claim in sorted(group, key=lambda claim: -claim.rule.raw.get("priority", 0)):
        if whole or ("rate" not in claim.rule.raw and taken):
            continue
        if "rate" in claim.rule.raw:
            claim.lines -= taken
            taken |= claim.lines
        else:
            whole = True
        if claim.lines:
            winners.append(claim)
    return winners


def _best(group: list[_Claim]) -> list[_Claim]:
    return [max(group, key=lambda claim: claim.value)]


def _first(group: list[_Claim]) -> list[_Claim]:
    return [max(group, key=lambda claim: claim.rule.raw.get("priority", 0))]
