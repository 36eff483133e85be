"""The engine: what an order is worth under a rule set, rule by rule, with the reasons.

    matching rules ──stacking──> values ──rounding──> points ──multipliers──> points ──caps, budgets──> grants

Everything is a function of what is kept of the order and of what was pinned when it was first awarded. The same facts
in any order give the same grants, and a further refund never gives more of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from jifen.domain.calendar import day_start
from jifen.domain.entries import instant_text
from jifen.domain.orders import Order, kept_minor
from jifen.domain.points import POINTS_MAX, Rounding, rounded
from jifen.domain.rules import caps
from jifen.domain.rules.amounts import Kept, chosen, kept
from jifen.domain.rules.caps import Cut, Room
from jifen.domain.rules.model import Fixed, Ladder, Multiplier, Range, Rate, Rule, RuleSet, Stacking
from jifen.domain.standing import resets_on

Why = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an order is worth: ``grants`` are the points of each rule (0 left out), ``why`` has a line for each rule."""

    grants: Mapping[str, int] = field(default_factory=dict)
    why: Why = ()
    kept_minor: int = 0

    @property
    def points(self) -> int:
        """The points in all."""
        return sum(self.grants.values())


@dataclass(frozen=True, slots=True)
class Bounds:
    """What limits an award: rules ``refused`` with the reason, the ``rooms`` of caps, the ``budgets`` of campaigns."""

    refused: Mapping[str, str] = field(default_factory=dict)
    rooms: Mapping[str, Room] = field(default_factory=dict)
    budgets: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Matched:
    """A rule that applies: the positions of the lines it counts, its exact value, and the points that come of it.

    ``lowered`` are the shares to which multipliers below 1 lower some of its lines.
    """

    rule: Rule
    lines: list[int]
    lowered: Sequence[tuple[Fraction, frozenset[int]]] = ()
    value: Fraction = Fraction()
    points: int = 0


def judge(order: Order, rules: RuleSet, asked: Sequence[Rule], bounds: Bounds, currency: str | None) -> Verdict:
    """What ``order`` is worth by the rules ``asked`` (some of those of ``rules``).

    A guest's order, an order not paid yet and an order in another currency than the program's are worth nothing.
    """
    paid = order.paid
    if paid is None or paid.member is None or (currency is not None and paid.currency != currency):
        return Verdict()
    if rules.bare:
        return _of_rates(order, asked)
    left = kept(order, rules.basis)
    most = POINTS_MAX
    for stage in _stages(order, left, rules, asked, bounds):
        most = min(most, _judged(stage, rules, asked, bounds, most).points)
    return _judged(left, rules, asked, bounds, most)


def _stages(order: Order, left: Kept, rules: RuleSet, asked: Sequence[Rule], bounds: Bounds) -> Iterator[Kept]:
    """What the order was worth less than, on its way down from what was bought to what is kept.

    A rule that falls away with a refund may have held others back, or down, which would then give more. So no order is
    worth more than what is kept of it would be while each lower bound that refunds have undone still held.
    """
    if left.total in {0, left.before}:
        return
    ranges = (rule.when.amount_minor for rule in asked if rule.id not in bounds.refused)
    lows = {one.low for one in ranges if one is not None and one.low is not None}
    for low in sorted(lows):
        if left.total < low <= left.before:
            yield replace(left, at_least=low)
    if rules.picks_best:
        yield kept(replace(order, refunds={}), rules.basis)


def _judged(left: Kept, rules: RuleSet, asked: Sequence[Rule], bounds: Bounds, most: int) -> Verdict:
    """What is kept is worth by the rules ``asked``, and ``most`` at most."""
    refused = dict(bounds.refused)
    lowering: dict[str, list[str]] = {}
    matched = _matched(left, rules, asked, refused, lowering)
    if rules.once is None:
        for one in matched:
            one.points = rounded(one.value.numerator, one.value.denominator, one.rule.rounding)
    matched = [*matched, *_multiplied(left, rules, asked, matched, refused)]
    if rules.once is not None:
        _round_once(matched, rules.once)
    return _verdict(left, rules, matched, bounds, _reasons(asked, matched, refused, lowering), most)


def _of_rates(order: Order, asked: Sequence[Rule]) -> Verdict:
    """The short way for rates on the whole order, which is most programs."""
    amount = kept_minor(order)
    grants: dict[str, int] = {}
    why: list[Mapping[str, Any]] = []
    left = POINTS_MAX
    for rule in asked:
        rate = rule.effect
        assert isinstance(rate, Rate), "a bare rule set holds rates"
        points = rounded(rate.points * amount, rate.per, rule.rounding)
        why.append(_said(rule, amount, points))
        if points and left:
            grants[rule.id] = min(points, left)
            left -= grants[rule.id]
    return Verdict(grants, tuple(why), amount)


def entitled(order: Order, rules: RuleSet, currency: str | None, bounds: Bounds | None = None) -> int:
    """The points that an order is worth to its buyer in its present state; at most ``POINTS_MAX``."""
    return judge(order, rules, rules.on_order, bounds or Bounds(), currency).points


def explain(order: Order, rules: RuleSet) -> Why:
    """A line for each rule of a bare rule set: what it is applied to and what it gives; of others nothing is said."""
    return _of_rates(order, rules.on_order).why if rules.bare else ()


def why_nothing(order: Order, currency: str | None) -> str | None:
    """The reason why an order cannot earn whatever it is worth, or None. ``currency`` is the program's."""
    if order.paid is None:
        return "NOT_PAID_YET"
    if order.paid.member is None:
        return "GUEST"
    if currency is not None and order.paid.currency != currency:
        return "CURRENCY_NOT_OF_PROGRAM"
    return None


# Which rules apply, and to which lines --------------------------------------------------------------------------------


def _matched(
    left: Kept, rules: RuleSet, asked: Sequence[Rule], refused: dict[str, str], lowering: dict[str, list[str]]
) -> list[_Matched]:
    """The rules that give points of their own, with what they are worth.

    The reasons of the others go to ``refused``; ``lowering`` says which rules each multiplier below 1 lowers.
    """
    found: list[_Matched] = []
    for rule in asked:
        if rule.id in refused or isinstance(rule.effect, Multiplier):
            continue
        reason, lines = _lines_of(rule, left, rules)
        if reason:
            refused[rule.id] = reason
        else:
            found.append(_Matched(rule, lines))
    found = _stacked(found, rules, refused, Stacking.EXCLUSIVE, _exclusive)
    weights = _lowered(left, rules, asked, refused, lowering)
    for one in found:
        one.lowered = weights.get(one.rule.id, ())
        one.value = _value(one.rule, left, one.lines, one.lowered)
    return _stacked(found, rules, refused, Stacking.BEST_OF, _best)


def _lines_of(rule: Rule, left: Kept, rules: RuleSet) -> tuple[str, list[int]]:
    """Why a rule does not apply to what is kept (or ""), and the positions of the lines it counts."""
    when = rule.when
    if left.total <= 0:
        return "NOTHING_KEPT", []
    if when.amount_minor is not None and not amount_holds(when.amount_minor, left):
        return "AMOUNT", []
    lines = chosen(left.lines, when, rules.not_category, rules.not_product)
    if not lines:
        return "NO_LINE", []
    return "", lines


def amount_holds(bounds: Range, left: Kept) -> bool:
    """The lower bound is about what is kept, the upper about what was bought: a refund never brings a rule in."""
    return (bounds.low is None or max(left.total, left.at_least) >= bounds.low) and (
        bounds.high is None or left.before <= bounds.high
    )


def _stacked(
    found: list[_Matched],
    rules: RuleSet,
    refused: dict[str, str],
    stacking: Stacking,
    settle: Callable[[list[_Matched], dict[str, str]], list[_Matched]],
) -> list[_Matched]:
    """What is left of the matched rules once every group with this stacking is settled; their order stays."""
    groups: dict[str, list[_Matched]] = {}
    for one in found:
        groups.setdefault(one.rule.group, []).append(one)
    kept_ones: set[str] = set()
    for name, group in groups.items():
        how = rules.groups.get(name, Stacking.SUM) if name else rules.stacking
        settled = settle(group, refused) if how is stacking and len(group) > 1 else group
        kept_ones.update(one.rule.id for one in settled)
    return [one for one in found if one.rule.id in kept_ones]


def _exclusive(group: list[_Matched], refused: dict[str, str]) -> list[_Matched]:
    """Each line to the rule of highest priority; what takes the whole order needs it untouched."""
    taken: set[int] = set()
    whole = False
    winners: list[_Matched] = []
    for one in sorted(group, key=lambda one: -one.rule.priority):
        if isinstance(one.rule.effect, Rate):
            one.lines = [] if whole else [index for index in one.lines if index not in taken]
            taken.update(one.lines)
        elif taken or whole:
            one.lines = []
        else:
            whole = True
        if one.lines:
            winners.append(one)
        else:
            refused[one.rule.id] = "EXCLUDED_BY_PRIORITY"
    return winners


def _best(group: list[_Matched], refused: dict[str, str]) -> list[_Matched]:
    """The rule that is worth most; of equals the one written first."""
    best = max(group, key=lambda one: one.value)
    refused.update({one.rule.id: "NOT_BEST" for one in group if one is not best})
    return [best]


def _value(rule: Rule, left: Kept, lines: list[int], lowered: Iterable[tuple[Fraction, frozenset[int]]]) -> Fraction:
    """The exact points of a rule for these lines."""
    match rule.effect:
        case Rate(points, per):
            amount = left.of(lines)
            for share, those in lowered:
                amount -= (1 - share) * left.of(index for index in lines if index in those)
            return Fraction(points, per) * amount
        case Fixed(points):
            return Fraction(points if left.of(lines) else 0)
        case Ladder(steps) if left.of(lines):
            reached = [points for at_least, points in steps if left.total >= at_least]
            return Fraction(reached[-1] if reached else 0)
        case _:
            return Fraction()


def _lowered(
    left: Kept, rules: RuleSet, asked: Sequence[Rule], refused: dict[str, str], lowering: dict[str, list[str]]
) -> dict[str, list[tuple[Fraction, frozenset[int]]]]:
    """Multipliers below 1, by the rate rule whose lines they lower; where several meet on a line the lowest counts."""
    found: dict[str, list[tuple[Fraction, frozenset[int]]]] = {}
    taken: dict[str, set[int]] = {}
    multipliers = [rule for rule in asked if isinstance(rule.effect, Multiplier) and rule.effect.by < 1]
    for rule in sorted(multipliers, key=_by):
        if rule.id in refused:
            continue
        reason, lines = _lines_of(rule, left, rules)
        if reason:
            refused[rule.id] = reason
            continue
        lowering[rule.id] = [target.id for target in _targets(rule, asked)]
        for target in _targets(rule, asked):
            fresh = frozenset(lines) - taken.setdefault(target.id, set())
            taken[target.id] |= fresh
            found.setdefault(target.id, []).append((_by(rule), fresh))
    return found


def _by(rule: Rule) -> Fraction:
    assert isinstance(rule.effect, Multiplier), "only multipliers multiply"
    return rule.effect.by


def _targets(rule: Rule, asked: Sequence[Rule]) -> list[Rule]:
    """The rate rules that a multiplier is about."""
    effect = rule.effect
    assert isinstance(effect, Multiplier), "only multipliers multiply"
    return [one for one in asked if isinstance(one.effect, Rate) and (not effect.rules or one.id in effect.rules)]


# Multipliers ----------------------------------------------------------------------------------------------------------


def _multiplied(
    left: Kept, rules: RuleSet, asked: Sequence[Rule], matched: Sequence[_Matched], refused: dict[str, str]
) -> list[_Matched]:
    """What multipliers above 1 add, each with the points it adds."""
    found: list[_Matched] = []
    for rule in asked:
        if not isinstance(rule.effect, Multiplier) or rule.effect.by < 1 or rule.id in refused:
            continue
        reason, lines = _lines_of(rule, left, rules)
        if reason:
            refused[rule.id] = reason
        else:
            found.append(_Matched(rule, lines))
    found = _stacked(found, rules, refused, Stacking.EXCLUSIVE, _first)
    targets = {one.rule.id: one for one in matched if isinstance(one.rule.effect, Rate)}
    before: list[_Matched] = []
    for one in found:
        base = sum(
            (_base(one, targets[rule.id], left, rules) for rule in _targets(one.rule, asked) if rule.id in targets),
            Fraction(),
        )
        if rules.compound:
            base += _added(before, one.rule, rules)
            before.append(one)
        one.value = (_by(one.rule) - 1) * base
        one.points = rounded(one.value.numerator, one.value.denominator, one.rule.rounding)
    return _stacked(found, rules, refused, Stacking.BEST_OF, _best)


def _added(before: Sequence[_Matched], rule: Rule, rules: RuleSet) -> Fraction:
    """What the multipliers before ``rule`` add: of those of which one will give, the best; of its rivals nothing."""
    found: dict[object, Fraction] = {}
    for earlier in before:
        group = earlier.rule.group
        alone = (rules.groups.get(group, Stacking.SUM) if group else rules.stacking) is Stacking.BEST_OF
        if alone and group == rule.group:
            continue
        key = (group,) if alone else earlier.rule.id
        value = earlier.value if rules.once else Fraction(earlier.points)
        found[key] = max(found.get(key, value), value)
    return sum(found.values(), Fraction())


def _first(group: list[_Matched], refused: dict[str, str]) -> list[_Matched]:
    """The multiplier of highest priority; of equals the one written first."""
    best = max(group, key=lambda one: one.rule.priority)
    refused.update({one.rule.id: "EXCLUDED_BY_PRIORITY" for one in group if one is not best})
    return [best]


def _base(one: _Matched, target: _Matched, left: Kept, rules: RuleSet) -> Fraction:
    """What of the target's points a multiplier multiplies."""
    lines = set(one.lines)
    shared = target.lines if not one.rule.when.picks_lines else [index for index in target.lines if index in lines]
    if len(shared) == len(target.lines):
        return target.value if rules.once else Fraction(target.points)
    if not shared:
        return Fraction()
    value = _value(target.rule, left, shared, target.lowered)
    if rules.once:
        return value
    return Fraction(min(target.points, rounded(value.numerator, value.denominator, target.rule.rounding)))


def _round_once(matched: Sequence[_Matched], rounding: Rounding) -> None:
    """Round the sum; the rules share it by their values, what the cutting leaves goes to the first that lost most."""
    whole = sum((one.value for one in matched), Fraction())
    points = rounded(whole.numerator, whole.denominator, rounding)
    for one in matched:
        one.points = min(int(one.value), points)
    rest = points - sum(one.points for one in matched)
    for one in sorted(matched, key=lambda one: int(one.value) - one.value)[: max(0, rest)]:
        one.points += 1


# Limits, and why ------------------------------------------------------------------------------------------------------


def _reasons(
    asked: Sequence[Rule],
    matched: Sequence[_Matched],
    refused: Mapping[str, str],
    lowering: Mapping[str, list[str]],
) -> dict[str, Mapping[str, Any]]:
    """What is said of each rule that gives nothing of its own, in the order they are written."""
    giving = {one.rule.id for one in matched}
    said: dict[str, Mapping[str, Any]] = {}
    for rule in asked:
        if rule.id in lowering:
            said[rule.id] = {"rule": rule.id, "multiplier": _decimal(_by(rule)), "lowers": lowering[rule.id]}
        elif rule.id not in giving:
            said[rule.id] = {"rule": rule.id, "refused": refused[rule.id]}
        else:
            said[rule.id] = {}
    return said


def _verdict(
    left: Kept,
    rules: RuleSet,
    matched: Sequence[_Matched],
    bounds: Bounds,
    reasons: Mapping[str, Mapping[str, Any]],
    most: int,
) -> Verdict:
    wanted = {one.rule.id: min(one.points, POINTS_MAX) for one in matched if one.points > 0}
    found = [limit for limit in caps.limits_of(rules, wanted) if limit.key in bounds.rooms]
    own = [limit for limit in found if limit.rule != caps.ALL]
    over_all = [limit for limit in found if limit.rule == caps.ALL]
    granted, cuts = caps.applied(own, bounds.rooms, wanted)
    granted, budget_lines = _within_budgets(granted, rules, bounds.budgets)
    granted, more = caps.applied(over_all, bounds.rooms, granted)
    beyond = sum(granted.values()) - most
    granted = _within(granted, most)
    by_rule = {one.rule.id: one for one in matched}
    why = [
        _said(by_rule[name].rule, _counted(left, by_rule[name]), granted.get(name, 0)) if name in by_rule else reason
        for name, reason in reasons.items()
    ]
    why += [cap_said(cut, rules) for cut in (*cuts, *more)]
    why += budget_lines
    if beyond > 0 and most < POINTS_MAX:
        why.append({"before_refund": most, "cut": beyond})
    if rules.version:
        why.append({"rules_version": rules.version})
    return Verdict({name: points for name, points in granted.items() if points}, tuple(why), left.total)


def _counted(left: Kept, one: _Matched) -> int:
    """The amount that a rule was applied to, in minor units."""
    return int(left.of(one.lines)) if isinstance(one.rule.effect, Rate) else left.total


def _within_budgets(
    granted: dict[str, int], rules: RuleSet, budgets: Mapping[str, int]
) -> tuple[dict[str, int], list[Mapping[str, Any]]]:
    said: list[Mapping[str, Any]] = []
    left = dict(budgets)
    for name, wanted in granted.items():
        rule = rules.rule(name)
        if rule is None or rule.campaign not in left:
            continue
        allowed = min(wanted, left[rule.campaign])
        if allowed < wanted:
            said.append({"campaign": rule.campaign, "budget_left": left[rule.campaign], "cut": wanted - allowed})
        left[rule.campaign] -= allowed
        granted[name] = allowed
    return granted, said


def _within(granted: dict[str, int], most: int) -> dict[str, int]:
    for name, wanted in granted.items():
        granted[name] = min(wanted, most)
        most -= granted[name]
    return granted


def cap_said(cut: Cut, rules: RuleSet) -> Mapping[str, Any]:
    """A cap that took something away: what it allowed, what was wanted beyond it, and when it resets."""
    day = resets_on(cut.limit.per, cut.window)
    resets = None if day is None else instant_text(day_start(day, rules.zone))
    return {"cap": cut.limit.key, "limit": cut.limit.most, "allowed": cut.allowed, "cut": cut.cut, "resets_at": resets}


def _said(rule: Rule, amount: int, points: int) -> Mapping[str, Any]:
    """What a rule was applied to and what it gave."""
    said: dict[str, Any] = {"rule": rule.id, "kept_minor": amount}
    match rule.effect:
        case Rate(each, per):
            said |= {"rate": f"{each} per {per}", "rounding": str(rule.rounding)}
        case Multiplier(by):
            said |= {"multiplier": _decimal(by)}
        case Fixed(each):
            said |= {"fixed": each}
        case Ladder():
            said |= {"ladder": True}
    return {**said, "points": points}


def _decimal(share: Fraction) -> str:
    """A multiplier as it was written: at most three decimals."""
    whole, rest = divmod(share.numerator * 1000 // share.denominator, 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".")
