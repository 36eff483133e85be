"""One account followed from nothing, entry by entry, to the account as it is kept."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from local.audit.kinds import (
    COMPACTED,
    CREDITS,
    EXTENDED,
    LIFETIME,
    REASSESSED,
    REDATED,
    REVERSED,
    SHORTENED,
    TAKEN_BACK,
    VOIDED,
    fits_its_kind,
)
from local.audit.laws import Terms, Violation
from local.audit.library import Library
from local.audit.lots import (
    FOREVER,
    LotKey,
    Lots,
    apply,
    greedy,
    is_past,
    is_usable,
    less_debt,
    lot_order,
    merged,
    negated,
    total,
)
from local.audit.order_rows import Order
from local.audit.rows import FIGURES, Entry, digest, whole_number
from local.audit.table import Member

_SHARE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?", re.ASCII)


def judge_history(
    member: Member, orders: Mapping[str, Sequence[Order]], library: Library, terms: Terms
) -> list[Violation]:
    """Everything wrong with a member's history, and with the account as its end; ``orders`` as entries name them."""
    return _Walk(member, orders, library, terms).judge()


def _own_first(taken: Lots, there: Lots, wanted: int, own: set[LotKey]) -> bool:
    """Whether some of an order's own lots were emptied, whichever gave how much, before any other was touched.

    One of them at least has shrunk; nothing of it has to be left.
    """
    if taken.keys() <= own:
        return True
    emptied = {key for key in own if key in there and taken.get(key) == -there[key]}
    if own and own <= there.keys() and not emptied:
        return False
    left = {key: points for key, points in there.items() if key not in emptied}
    others = {key: points for key, points in taken.items() if key not in emptied}
    return others == greedy(left, wanted - sum(there[key] for key in emptied))


class _Broken(Exception):
    """The history cannot be followed beyond this entry."""


class _Walk:
    """One account from nothing, entry by entry; every law is checked where the figures before the entry are at hand."""

    def __init__(self, member: Member, orders: Mapping[str, Sequence[Order]], library: Library, terms: Terms) -> None:
        self._of, self._orders, self._library, self._terms = member, orders, library, terms
        self.lots: Lots = {}
        self.debt = 0
        self.holds: dict[str, tuple[str, Lots]] = {}
        self.figures = dict.fromkeys(FIGURES, 0)
        self.other = 0
        self.balance = 0
        self.head = hashlib.sha256(b"jifen ledger 1\n" + member.member.encode()).hexdigest()
        self.lapsed: dict[LotKey, int] = defaultdict(int)
        self.found: list[Violation] = []

    def judge(self) -> list[Violation]:
        """Everything wrong with the history, and with the account as its end."""
        try:
            last: Entry | None = None
            for sequence, entry in enumerate(self._of.history, 1):
                if entry.sequence != sequence:
                    self._wrong("sequence", f"entry {sequence} is missing")
                    raise _Broken  # noqa: TRY301 - the one way out of the walk
                self._step(entry)
                last = entry
            self._end(last)
        except _Broken:
            pass
        return self.found

    def _wrong(self, law: str, detail: str) -> None:
        self.found.append(Violation(law, self._of.member, detail))

    def _step(self, entry: Entry) -> None:
        self._chain(entry)
        fits = self._form(entry)
        if entry.balance_after != self.balance + entry.points:
            self._wrong("balance", f"{entry}: {entry.balance_after}, not {self.balance + entry.points}")
        if entry.recorded_at > self._terms.now:
            self._wrong("recorded", f"{entry} was recorded at {entry.recorded}")
        if fits:
            self._before(entry)
        owed = self.debt
        self._move(entry)
        self._after(entry, owed)

    def _chain(self, entry: Entry) -> None:
        if entry.previous_hash != self.head:
            self._wrong("chain", f"{entry} does not hang on the entry before it")
        elif entry.hash != digest(entry):
            self._wrong("chain", f"{entry} is not what its hash was made of")
        self.head = entry.hash

    def _form(self, entry: Entry) -> bool:
        """Whether the entry moves points as its kind does; one that does not add up ends the walk."""
        moved, held = total(entry.lots), total(entry.hold_lots)
        if moved + held - entry.debt != entry.points:
            self._wrong("form", f"{entry}: lots {moved} + held {held} - owed {entry.debt} is not {entry.points}")
            raise _Broken
        ends = entry.hold_until is not None
        whole = (entry.hold_id is not None, ends) if entry.hold_lots else (False, False)
        if not fits_its_kind(entry) or whole != (bool(entry.hold_lots), entry.kind == "hold"):
            self._wrong("form", f"{entry}: lots {moved}, held {held}, owed {entry.debt}, hold {entry.hold_id}")
            return False
        return True

    # What an entry may do, given what was there

    def _before(self, entry: Entry) -> None:
        match entry.kind:
            case "redeem" | "hold" | "transfer_out" if entry.lots and entry.reason != TAKEN_BACK:
                self._spend(entry, self._terms.today(entry.occurred_at))
            case "redeem":
                self._resolved_in_time(entry)
                reserved = self.holds.get(entry.hold_id or "", ("", {}))[1]
                if merged(entry.hold_lots) != greedy(reserved, -entry.points):
                    self._wrong("soonest first", f"{entry} took {entry.hold_lots} out of {reserved}")
            case "release":
                self._resolved_in_time(entry)
            case "clawback":
                self._claw_back(entry, self._terms.today(entry.recorded_at))
            case "expire":
                self._lapse(entry)
            case "adjust" if entry.reason == COMPACTED:
                self._compact(entry)
            case "adjust" if entry.reason in {EXTENDED, SHORTENED} and entry.source[0] == "validity":
                self._moved_by_a_policy(entry)
        if entry.kind == "hold" and merged(entry.hold_lots) != negated(merged(entry.lots)):
            self._wrong("holds", f"{entry} took {entry.lots} and holds {entry.hold_lots}")

    def _spend(self, entry: Entry, today: str) -> None:
        taken = merged(entry.lots)
        if idle := [key for key in taken if not is_usable(key, today)]:
            self._wrong("no expired point", f"{entry} on {today} touches {idle}")
            return
        usable = {key: points for key, points in self.lots.items() if is_usable(key, today)}
        if taken != greedy(usable, -total(entry.lots)):
            self._wrong("soonest first", f"{entry} took {taken} out of {usable}")

    def _claw_back(self, entry: Entry, today: str) -> None:
        taken = merged(entry.lots)
        lapsed = {key for key in taken if is_past(key[0], today)}
        if not lapsed <= self._put_for(entry):
            self._wrong("no expired point", f"{entry} on {today} touches {sorted(lapsed)}")
            return
        own = self._own_lots(entry)
        there = {key: points for key, points in self.lots.items() if key in lapsed or not is_past(key[0], today)}
        wanted = -total(entry.lots)
        if not any(_own_first(taken, there, wanted, lots) for lots in own):
            self._wrong("clawback order", f"{entry} took {taken} out of {there}, own lots {own}")
        self._forgive(entry, sum(there.values()) - wanted)

    def _put_for(self, entry: Entry) -> set[LotKey]:
        """The lots that the entries right before put points into, for the order that this one is about."""
        put: set[LotKey] = set()
        sequence = entry.sequence - 1
        while before := self._of.entries.get(sequence):
            if before.source != entry.source or before.reason not in {REVERSED, REDATED, REASSESSED}:
                break
            put |= {change.key for change in before.lots if change.points > 0}
            sequence -= 1
        return put

    def _lots_of_task(self, entry: Entry) -> list[set[LotKey]]:
        """The lot that the task gave into last; any, where a debt took all that it gave."""
        gave = [
            one
            for one in self._of.entries.values()
            if one.source == entry.source and one.points > 0 and one.sequence < entry.sequence
        ]
        keys = {change.key for change in max(gave, key=lambda one: one.sequence).lots} if gave else set()
        return [keys] if keys else [set(), *({key} for key in self.lots)]

    def _own_lots(self, entry: Entry) -> list[set[LotKey]]:
        """The lots that may be the order's own; one paid in several states may have had any, by rules even several."""
        if entry.source[0] in {"task", "reward_order"}:
            return self._lots_of_task(entry)
        if entry.source[0] != "order":
            return [set()]
        orders = self._orders.get(entry.source[1], ())
        if any(order.award is None or order.paid is None or order.paid[3] for order in orders):
            several = self._library.has_rules or not self._terms.program.rules.bare
            return [set(self.lots)] if several else [set(), *({key} for key in self.lots)]
        awards = [award for order in orders for award, _ in order.awards if award.member == self._of.member]
        return [{key for award in awards for key in self._library.lots_of(award) or self.lots}]

    def _forgive(self, entry: Entry, left: int) -> None:
        """Under policy clamp what is missing is let go, but for what open holds keep and no earlier debt lies on."""
        reason = entry.why[-1] if entry.why else {}
        forgiven = whole_number(reason.get("forgiven", 0))
        if not forgiven:
            return
        held = sum(sum(lots.values()) for _, lots in self.holds.values())
        owed = min(entry.debt + forgiven, max(0, held - self.debt))
        if forgiven < 0 or left or reason.get("policy") != "clamp" or entry.debt != owed:
            self._wrong("forgiven", f"{entry} forgives {forgiven} and owes {entry.debt}; held {held}, left {left}")

    def _lapse(self, entry: Entry) -> None:
        for change in entry.lots:
            self.lapsed[change.key] -= change.points
        if entry.reason == REVERSED:
            if any(self.lapsed[change.key] < 0 for change in entry.lots):
                self._wrong("lapse", f"{entry} brings back more than lapsed of {entry.lots}")
            return
        if entry.reason == VOIDED and entry.source[0] == "validity":
            self._voided_by_a_policy(entry)
            return
        if any(self.lots.get(change.key) != -change.points for change in entry.lots):
            self._wrong("lapse", f"{entry} takes {entry.lots} out of {self.lots}")
        last = max((change.key[0] or FOREVER for change in entry.lots), default="")
        today, begins = self._terms.today(entry.recorded_at), self._terms.today(entry.occurred_at)
        ends = self._terms.today(entry.occurred_at - timedelta(microseconds=1))
        if last >= today or not ends <= last < begins or entry.source != ("lot", last):
            self._wrong("lapse", f"{entry} on {today} of lots through {last}, as of {entry.occurred}, {entry.source}")

    def _moved_by_a_policy(self, entry: Entry) -> None:
        """Each lot is two changes, one behind the other: out of it whole, and into one of another last day."""
        today, lots, longer = self._terms.today(entry.recorded_at), dict(self.lots), entry.reason == EXTENDED
        for out, into in zip(entry.lots[::2], entry.lots[1::2], strict=False):
            old, new = out.key[0] or FOREVER, into.key[0] or FOREVER
            whole = lots.pop(out.key, 0) == into.points == -out.points
            if not whole or out.key[1] != into.key[1] or (new > old) is not longer or old == new or new < today:
                self._wrong("policies", f"{entry} moves {out} to {into}")
        if len(entry.lots) % 2:
            self._wrong("policies", f"{entry} moves {entry.lots}")

    def _voided_by_a_policy(self, entry: Entry) -> None:
        today = self._terms.today(entry.recorded_at)
        there = {key: points for key, points in self.lots.items() if not is_past(key[0], today)}
        if merged(entry.lots) != greedy(there, -total(entry.lots)):
            self._wrong("policies", f"{entry} takes {entry.lots} out of {there}")
        share, told = str(entry.said("share")), entry.said("told_points")
        most = sum(there.values()) * Fraction(share) // 1 if _SHARE.fullmatch(share) else 0
        # An entry of an earlier release does not say of how many the member was told.
        if -entry.points != (most if told is None else min(most, whole_number(told))):
            self._wrong("policies", f"{entry} takes {share} of {there}, and {told} were told of")

    def _compact(self, entry: Entry) -> None:
        """Points move to a later day, or within their day to the lot of those that can be used at once."""
        today, ahead = self._terms.today(entry.recorded_at), 0
        by_day: dict[str, int] = defaultdict(int)
        for (last, first), points in merged(entry.lots).items():
            by_day[last or FOREVER] += points
            if first is not None and (points > 0 or first > today):
                self._wrong("compaction", f"{entry} moves {entry.lots}")
                return
        for last in sorted(by_day):
            ahead += by_day[last]
            if ahead > 0 or (last == FOREVER and by_day[last]):
                self._wrong("compaction", f"{entry} moves {entry.lots}")
                return

    def _resolved_in_time(self, entry: Entry) -> None:
        known = self.holds.get(entry.hold_id or "")
        if known is None:
            return
        end, at = datetime.fromisoformat(known[0]), entry.occurred_at
        lapsed = entry.reason == "HOLD_LAPSED"
        if (at != end or entry.recorded_at < end) if lapsed else at >= end:
            self._wrong("hold in time", f"{entry} at {entry.occurred} of a hold until {known[0]}")

    # What it does

    def _move(self, entry: Entry) -> None:
        apply(self.lots, entry.lots)
        self.debt += entry.debt
        self.balance += entry.points
        if entry.kind in LIFETIME:
            figure, sign = LIFETIME[entry.kind]
            self.figures[figure] += sign * entry.points
        else:
            self.other += entry.points
        if entry.hold_id is not None:
            self._move_hold(entry, entry.hold_id)
        if below := {key: points for key, points in self.lots.items() if points < 0}:
            self._wrong("lots", f"{entry} leaves {below}")
            raise _Broken
        if self.debt < 0:
            self._wrong("debt", f"{entry} leaves a debt of {self.debt}")
            raise _Broken

    def _move_hold(self, entry: Entry, hold_id: str) -> None:
        known = self.holds.get(hold_id)
        if known is not None and entry.kind == "hold":
            self._wrong("holds", f"{entry} opens hold {hold_id} again")
        until, reserved = known or (entry.hold_until or "", {})
        reserved = dict(reserved)
        apply(reserved, entry.hold_lots)
        if any(points < 0 for points in reserved.values()):
            law = "one resolution" if known is None and entry.kind != "hold" else "holds"
            self._wrong(law, f"{entry} takes {entry.hold_lots} out of hold {hold_id}, which has {known}")
            raise _Broken
        self.holds.pop(hold_id, None)
        if reserved:
            self.holds[hold_id] = (until, reserved)

    def _after(self, entry: Entry, owed: int) -> None:
        if entry.kind in CREDITS or entry.kind == "release":
            credit = entry.points or -total(entry.hold_lots)
            if -entry.debt != min(owed, credit):
                self._wrong("debt", f"{entry} paid {-entry.debt} of {owed} out of {credit}")
            elif entry.kind == "release" and merged(entry.lots) != less_debt(
                negated(merged(entry.hold_lots)), -entry.debt
            ):
                self._wrong("debt", f"{entry} paid {-entry.debt} and returned {entry.lots} of {entry.hold_lots}")
        if self.debt:
            today = self._terms.today(entry.recorded_at)
            left = {key: points for key, points in self.lots.items() if not is_past(key[0], today)}
            if left:
                self._wrong("debt last", f"{entry} leaves a debt of {self.debt} and lots {left}")

    # Where it ends

    def _end(self, last: Entry | None) -> None:
        account = self._of.account
        version = account.version if account else 0
        if version != (last.sequence if last else 0):
            self._wrong("sequence", f"{last.sequence if last else 0} entries, version {version}")
            return
        if account is None:
            return
        if account.head_hash != (self.head if last else ""):
            self._wrong("chain", f"the account's head is {account.head_hash}, not the last entry's hash")
        if account.in_lots != sum(points for _, points in account.lots):
            self._wrong("lots", f"in_lots is {account.in_lots}, the lots have {account.lots}")
        stored_and_derived: tuple[tuple[str, object, object], ...] = (
            ("lots", account.lots, sorted(self.lots.items(), key=lambda lot: lot_order(lot[0]))),
            ("debt", account.debt, self.debt),
            ("holds", account.holds, self.holds),
            ("lifetime", account.figures, self.figures),
            ("balance", account.balance, self.balance),
        )
        for law, stored, derived in stored_and_derived:
            if stored != derived:
                self._wrong(law, f"{stored}; by entries {derived}")
        earned, *spent = (self.figures[name] for name in FIGURES)
        if earned != self.balance + sum(spent) - self.other:
            self._wrong("lifetime", f"{self.figures} with a balance of {self.balance}")
