"""Planted bugs: each is a change of the real code that somebody could make, with a name, and what must find it.

A change names the module and the text it replaces, which has to stand there exactly once: when the code moves on, the
mutant has to move with it, and the tests say so.
"""

from __future__ import annotations

from dataclasses import dataclass

RUNS = 50
"""How many runs there are to find a bug in."""


@dataclass(frozen=True, slots=True)
class Change:
    """In ``module``, ``before`` becomes ``after``."""

    module: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug; the simulation has so many ``runs`` to find it, of stories about its ``focus`` (empty: any)."""

    name: str
    changes: tuple[Change, ...]
    focus: str = ""
    runs: int = RUNS


DYNAMO = "jifen.store.dynamo"
TRANSACTIONS = "jifen.store.transactions"
SPENDING = "jifen.domain.spending"
CHECKOUT = "jifen.domain.checkout"
DEBITS = "jifen.domain.debits"
USED_POINTS = "jifen.domain.used_points"
TRANSFERS = "jifen.domain.transfers"
PASSWORDS = "jifen.domain.passwords"
GUARDING = "jifen.service.guarding"
SPENDING_SERVICE = "jifen.service.spending"
AWARDS = "jifen.domain.awards"
ACCOUNT = "jifen.domain.account"
ORDERS = "jifen.domain.orders"
ENGINE = "jifen.domain.rules.engine"
CLAWBACK = "jifen.domain.clawback"
CAPS = "jifen.domain.rules.caps"
TALLIES = "jifen.domain.tallies"
REMINDING = "jifen.service.reminding"
MESSAGES = "jifen.domain.messages"
EXPIRING = "jifen.service.expiring"


def _mutant(name: str, *changes: tuple[str, str, str], focus: str = "", runs: int = RUNS) -> Mutant:
    return Mutant(name, tuple(Change(*change) for change in changes), focus, runs)


MUTANTS: tuple[Mutant, ...] = (
    # the store
    _mutant(
        "no version check",
        (DYNAMO, "condition = cls.revision == before.revision", "condition = cls.pk.exists()"),
    ),
    _mutant(
        "no document condition",
        (
            DYNAMO,
            "known = cls.version == document.version if document.version else cls.pk.does_not_exist()",
            "known = cls.pk.exists() | cls.pk.does_not_exist()",
        ),
    ),
    _mutant(
        "reads that may be stale",
        (DYNAMO, "batch_get_item(left, consistent_read=True)", "batch_get_item(left, consistent_read=False)"),
    ),
    _mutant(
        "index forgets the holds",
        (
            "jifen.domain.reminders",
            "    days += [local_day(hold.expires_at, program.zone) for hold in account.holds]\n",
            "",
        ),
    ),
    _mutant(
        "a lost answer is taken for a success",
        (TRANSACTIONS, "        patience.pause(attempt)\n", "        return\n"),
    ),
    _mutant(
        "a transaction that failed on the account is taken for a success",
        (
            TRANSACTIONS,
            "            _raise_if_definite(failure, puts)\n        else:",
            """\
            if any(reason and reason.code == 'ConditionalCheckFailed' for reason in failure.cancellation_reasons):
                return
            _raise_if_definite(failure, puts)
        else:""",
        ),
    ),
    # spending
    _mutant(
        "a retry decides again",
        (
            SPENDING_SERVICE,
            "id=str(document_id(prefix, member, self.key)),",
            "id=str(document_id(prefix, member, self.key + str(self.moment.now))),",
        ),
    ),
    _mutant(
        "refuses what it read in two instants",
        (SPENDING_SERVICE, "\n                self._check_unmoved(account, keys, loaded)\n", "\n"),
        focus="duel",
    ),
    _mutant(
        "a key serves any request",
        (SPENDING, "        if fingerprint != self.fingerprint:\n            raise IdempotencyKeyReused\n", ""),
    ),
    _mutant(
        "a hold is released twice",
        (
            ACCOUNT,
            "    reserved = lot_book.apply(touched.lots if touched else (), draft.hold_lots)\n",
            """\
    reserved = lot_book.apply(touched.lots if touched else (), draft.hold_lots)
    if touched and draft.kind is Kind.RELEASE:
        reserved = touched.lots
""",
        ),
    ),
    _mutant(
        "a hold that was captured can be voided",
        (
            SPENDING,
            "return replace(hold, status=HoldStatus.CAPTURED, spent=spent,",
            "return replace(hold, spent=spent,",
        ),
    ),
    _mutant(
        "restore into a new lot",
        (
            SPENDING,
            "    returned = share_changes(document.spent, document.restored, restored)\n",
            "    returned = (LotChange(restored - document.restored, moment.today + timedelta(days=30)),)\n",
        ),
    ),
    _mutant(
        "restores do not add up",
        (
            SPENDING,
            "    return replace(document, restored=restored), change, returned\n",
            "    return replace(document, restored=restored - document.restored), change, returned\n",
        ),
    ),
    _mutant(
        "expired points can be spent until the sweep",
        (DEBITS, "    change = as_of(account, moment)\n    use = Use(", "    change = Change(account)\n    use = Use("),
        (
            "jifen.domain.lots",
            "return not self.expired(today) and not self.pending(today)",
            "return not self.pending(today)",
        ),
    ),
    _mutant(
        "later points are spent first",
        (
            "jifen.domain.lots",
            "    ordered = sorted(lots, key=lambda lot: (not first(lot), order_key(lot)))\n",
            "    ordered = sorted(lots, key=lambda lot: (first(lot), order_key(lot)), reverse=True)\n",
        ),
    ),
    # the checkout, and points that follow their order
    _mutant(
        "used points go back per refund",
        (
            USED_POINTS,
            "    due = due_back(whole, given_back(order))\n    if due",
            """\
    parts = [replace(order, refunds={name: one}) for name, one in order.refunds.items()] or [order]
    due = min(whole, sum(due_back(whole, given_back(part)) for part in parts)) if not order.cancelled else whole
    if due""",
        ),
        focus="orders",
    ),
    _mutant(
        "used points go back once more after a restore by hand",
        (
            USED_POINTS,
            "    due = due_back(whole, given_back(order))\n    if due",
            """\
    due = due_back(whole, given_back(order))
    due = min(whole, due + document.restored) if due else 0
    if due""",
        ),
        focus="orders",
    ),
    _mutant(
        "a capture forgets its order",
        (
            SPENDING_SERVICE,
            "            order = self._order_of(hold)\n            if order is None:\n",
            "            order = self._order_of(hold)\n            if order is None or order.refunds:\n",
        ),
        focus="orders",
    ),
    _mutant(
        "a cancelled order leaves its holds",
        (USED_POINTS, "    return _voided(document, change, moment, at) if order.cancelled else ", "        return "),
        focus="orders",
    ),
    _mutant(
        "an order is not told of a redemption",
        (
            SPENDING_SERVICE,
            "            return _Decided(answer, followed.change, (document, order))\n",
            "            return _Decided(answer, followed.change, (document,))\n",
        ),
        focus="orders",
    ),
    _mutant(
        "points are used on an order that was cancelled",
        (USED_POINTS, "    if order.cancelled:\n        raise OrderCancelled\n", ""),
        (USED_POINTS, "    if is_gone(order):\n", "    if is_gone(order) and not order.cancelled:\n"),
        focus="orders",
    ),
    _mutant(
        "what pays a part of an order already is left out of its limit",
        (
            SPENDING_SERVICE,
            "            now = replace(asked, used=used)\n            document, change",
            "            now = replace(asked, used=0)\n            document, change",
        ),
        focus="orders",
    ),
    _mutant(
        "the policy of grace is forgotten",
        (DEBITS, 'if terms.expired_on_restore == "grace":', 'if terms.expired_on_restore == "never":'),
    ),
    _mutant(
        "as many points as can be used are more than the order takes",
        (CHECKOUT, "        caps = [*self.caps(), *self.member_caps(", "        caps = [*self.member_caps("),
        (
            SPENDING,
            "    discount = desk.check(points)\n",
            "    discount = desk.discount(points) if asked.up_to else desk.check(points)\n",
        ),
        focus="orders",
    ),
    _mutant(
        "a member's limit is not counted",
        (
            DEBITS,
            "    if to_count := counted_limits(limits, guard):\n",
            "    if to_count := counted_limits((), guard):\n",
        ),
    ),
    _mutant(
        "a limit of a day is looked up in the month's",
        (
            "jifen.domain.limits",
            "    used = standing.used.get(limit.key, {}).get(window(limit.per, moment.today), 0)\n    return max(0",
            "    used = standing.used.get(limit.key, {}).get(window(Per.MONTH, moment.today), 0)\n    return max(0",
        ),
    ),
    # transfers
    _mutant(
        "a sender keeps what was given",
        (
            "jifen.service.transferring",
            "{member: moved.sender, to: moved.receiver}, (moved.transfer,)",
            "{to: moved.receiver}, (moved.transfer,)",
        ),
        focus="gifts",
    ),
    _mutant(
        "points that were received have another year",
        (
            TRANSFERS,
            "    return tuple(LotChange(points, *dates) for dates, points in found.items())\n",
            """\
    year = timedelta(days=365)
    return tuple(LotChange(points, last and last + year, first) for (last, first), points in found.items())
""",
        ),
        focus="gifts",
    ),
    _mutant(
        "a transfer is taken back twice",
        (TRANSFERS, "    if transfer.status is not TransferStatus.SENT:\n", "    if transfer.points < 0:\n"),
        focus="gifts",
    ),
    _mutant(
        "a transfer is taken back when its points can be used",
        (
            TRANSFERS,
            "if lot.pending(moment.today) and lot.active_from == given.active_from)",
            "if not lot.expired(moment.today) and lot.active_from == given.active_from)",
        ),
        focus="gifts",
    ),
    _mutant(
        "a transfer that was taken back still counts",
        (
            TRANSFERS,
            (
                "    return change.remember(limits.unused(change.account.standing, by, "
                "Use(transfer.points), moment, then))\n"
            ),
            "    return change\n",
        ),
        focus="gifts",
    ),
    _mutant(
        "a debt stays when a gift has paid it",
        (
            TRANSFERS,
            "    transfer = Transfer(\n",
            "    into = replace(into, account=replace(into.account, debt=before.debt))\n    transfer = Transfer(\n",
        ),
        focus="gifts",
        runs=2 * RUNS,  # somebody who owes has to be given something
    ),
    # the points password
    _mutant(
        "a try is counted after it was looked at",
        (
            GUARDING,
            "    known = here.looked_at(settle(patience, claimed), password)\n",
            """\
    if known := here.known(member):
        here.looked_at(known, password)
    known = settle(patience, claimed)
""",
        ),
        focus="guesses",
    ),
    _mutant(
        "a password locks one try too late",
        (PASSWORDS, "if failures >= terms.tries else None", "if failures > terms.tries else None"),
        focus="guesses",
    ),
    _mutant(
        "a lock never ends the count",
        (
            PASSWORDS,
            "        known = replace(known, failures=0, locked_until=None)\n    failures",
            "        known = replace(known, locked_until=None)\n    failures",
        ),
        focus="guesses",
    ),
    _mutant(
        "what is spent with the password is not counted",
        (
            DEBITS,
            "    return (*limits, _day(guard.above)) if guard.above is not None else tuple(limits)\n",
            (
                "    asks = guard.above is not None and not guard.proven\n"
                "    return (*limits, _day(guard.above)) if asks else tuple(limits)\n"
            ),
        ),
        focus="guesses",
    ),
    # orders
    _mutant(
        "clawback per refund",
        (
            ENGINE,
            "        points = rounded(rate.points * amount, rate.per, rule.rounding)\n        why.append(",
            """\
        from jifen.domain.orders import basis_minor, given_back_minor
        parts = [basis_minor(order.paid), *(-given_back_minor(refund, {}) for refund in order.refunds.values())]
        points = sum(rounded(rate.points * abs(one), rate.per, rule.rounding) * (1 if one > 0 else -1) for one in parts)
        points = 0 if order.cancelled else max(0, points)
        why.append(""",
        ),
    ),
    _mutant(
        "the last message wins",
        (
            ORDERS,
            "    if known is None or paid.revision > known.revision:\n",
            "    if known is None or paid != known:\n",
        ),
    ),
    _mutant(
        "a refund replaces the refunds before it",
        (ORDERS, "refunds={**order.refunds, refund.refund_id: refund}", "refunds={refund.refund_id: refund}"),
    ),
    _mutant(
        "a clawback spares the order's own lot",
        (CLAWBACK, "        shares += lot_book.take(lots, share, partial(_of, dates))\n", "        pass\n"),
        (CLAWBACK, "        first=lambda lot: (lot.expires_on, lot.active_from) in own,\n", ""),
    ),
    _mutant(
        "a clawback takes one lot's share from another",
        (CLAWBACK, "        shares += lot_book.take(lots, share, partial(_of, dates))\n", "        pass\n"),
    ),
    _mutant(
        "a credit forgets the debt",
        (
            ACCOUNT,
            "    kept, paid = pay_debt(change.account.debt, draft.lots)\n",
            "    kept, paid = draft.lots, 0\n",
        ),
    ),
    _mutant(
        "points that come back forget the debt",
        (
            AWARDS,
            "into, paid = pay_debt(change.account.debt, (LotChange(-lot_book.total(out), *new),))",
            "into, paid = (LotChange(-lot_book.total(out), *new),), 0",
        ),
        focus="dates",
    ),
    _mutant(
        "what time did is left to the sweep",
        (AWARDS, "parts=parts), caught_up(change, self.moment)\n", "parts=parts), change\n"),
    ),
    _mutant(
        "a batch that failed is acknowledged",
        (
            "functions.earn.app",
            "        failed += [message_id for messages in groups.values() for message_id in",
            "        _ = [message_id for messages in groups.values() for message_id in",
        ),
    ),
    # rules of orders
    _mutant(
        "a refund gives no room back to a cap",
        (
            CAPS,
            "        change = used_of(limit, after) - used_of(limit, before)\n",
            "        change = max(0, used_of(limit, after) - used_of(limit, before))\n",
        ),
    ),
    _mutant(
        "a cap is counted twice",
        (
            CAPS,
            "counted(known, room.window, change, limit.per, today)",
            "counted(known, room.window, 2 * change, limit.per, today)",
        ),
    ),
    _mutant(
        "an order is counted in today's window",
        (CAPS, "    name = window_for(limit.per, day, today)\n", "    name = window_for(limit.per, today, today)\n"),
    ),
    _mutant(
        "a campaign is left out of the posting",
        (
            "jifen.service.earning",
            "    fold.documents.update({CampaignKey(name): state for name, state in awarded.campaigns.items()})\n",
            "",
        ),
    ),
    _mutant(
        "a budget is not on condition",
        (
            DYNAMO,
            "known = cls.version == document.version if document.version else cls.pk.does_not_exist()",
            (
                "known = cls.version == document.version if document.version else cls.pk.does_not_exist()\n"
                "        if sk == 'G':\n"
                "            known = cls.pk.exists() | cls.pk.does_not_exist()"
            ),
        ),
        runs=2 * RUNS,  # two members have to meet at one campaign within one transaction
    ),
    _mutant(
        "the room that was pinned is forgotten",
        (CAPS, "min(pinned.room, own + max(0, limit.most - used))", "own + max(0, limit.most - used)"),
        focus="rules",
        runs=100,
    ),
    _mutant(
        "what was refused once may apply later",
        (TALLIES, "    return Bounds(pinned.refused, rooms, budgets)", "    return Bounds({}, rooms, budgets)"),
    ),
    _mutant(
        "an order that is given back still counts",
        (
            TALLIES,
            "    orders = max(0, standing.orders + after - before)\n",
            "    orders = standing.orders + max(0, after - before)\n",
        ),
    ),
    _mutant(
        "every order is the first",
        (
            "jifen.domain.rules.conditions",
            "when.order_number.holds(standing.orders + 1)",
            "when.order_number.holds(1)",
        ),
    ),
    _mutant(
        "a task is not undone",
        (
            "jifen.domain.tasks",
            "    elif wanted < known.granted:\n",
            "    elif wanted < known.granted and not asked.held:\n",
        ),
    ),
    _mutant(
        "a friend's refund leaves the inviter's points",
        (
            AWARDS,
            "            referral = self._settled(referral, referral.rules.for_inviter, inviter=True)\n",
            (
                "            if not order.referral:\n"
                "                referral = self._settled(referral, referral.rules.for_inviter, inviter=True)\n"
            ),
        ),
        focus="friends",
    ),
    _mutant(
        "the inviter's points stay when the order becomes another's",
        (AWARDS, "            desk.undo(order.referral)\n", "            pass\n"),
        focus="friends",
    ),
    _mutant(
        "a part goes into the wrong lot",
        (
            AWARDS,
            "    return (rule.valid or rules.expiry).last_valid_day(day), active_from\n",
            "    return rules.expiry.last_valid_day(day), active_from\n",
        ),
    ),
    _mutant(
        "points that wait can be spent",
        (
            "jifen.domain.lots",
            "return not self.expired(today) and not self.pending(today)",
            "return not self.expired(today)",
        ),
    ),
    _mutant(
        "a paused campaign goes on",
        (
            "jifen.domain.rules.conditions",
            "    if state is None or state.status is CampaignStatus.ACTIVE:\n",
            "    if state is None or state.status in {CampaignStatus.ACTIVE, CampaignStatus.PAUSED}:\n",
        ),
    ),
    _mutant(
        "an allowance is given twice",
        (
            "jifen.domain.allowances",
            "        change = change.remember(replace(change.account.standing, allowance=month))\n",
            (
                "        change = change.remember(replace(change.account.standing, allowance=month))\n"
                "        change = credit(caught_up(change, moment), draft, moment)\n"
            ),
        ),
        focus="rules",
    ),
    # what members do besides
    _mutant(
        "a value that gives once leaves no mark",
        (
            "jifen.service.behaving",
            "            marks = [OnceMark(event.member, *mark, event.event_id) for mark in outcome.marks]\n",
            "            marks = []\n",
        ),
        focus="rules",
    ),
    _mutant(
        "an event's id serves any content",
        (
            "jifen.service.behaving",
            "        if receipt.fingerprint != asked.fingerprint:\n            raise IdempotencyKeyReused\n",
            "",
        ),
    ),
    _mutant(
        "a review can be approved twice",
        (
            "jifen.service.behaving",
            "    if found.status is not EventStatus.IN_REVIEW:\n",
            "    if found.status is EventStatus.REJECTED:\n",
        ),
        focus="rules",
    ),
    _mutant(
        "a day's total is forgotten between visits",
        (
            "jifen.domain.worths",
            '    return Worth(last - first, "", {**said, "total": done}, name, Progress(done, before.granted))\n',
            '    return Worth(last - first, "", {**said, "total": done})\n',
        ),
        focus="rules",
    ),
    _mutant(
        "a run goes on over a missed day",
        (
            "jifen.domain.streaks",
            "    before = next((one for one in stretches if one[1] == day - DAY), None)\n",
            "    before = next((one for one in stretches if day - 2 * DAY <= one[1] < day), None)\n",
        ),
        focus="rules",
    ),
    # sweeps
    _mutant(
        "the sweep trusts the index",
        (
            EXPIRING,
            "        change, documents = as_of(account, moment), tuple[Document, ...]()\n",
            """\
        documents = ()
        from jifen.domain import account as book
        days = [lot.expires_on for lot in account.lots if lot.expires_on]
        if not days:
            return False
        change = book._expire(book.Change(account), min(days), min(days), moment)
""",
        ),
    ),
    _mutant(
        "a reminder is marked after it was sent",
        (
            REMINDING,
            "        account = self._write(before, change, tuple(self._failed(one) for one in lost))\n",
            "        account = replace(change.account, revision=before.revision)\n",
        ),
        focus="reminders",
    ),
    _mutant(
        "a reminder that failed is forgotten",
        (
            REMINDING,
            "                self.report(message, channel, failure)\n                if over :=",
            "                never |= {item.mark for item in items}\n                if over :=",
        ),
        focus="reminders",
    ),
    _mutant(
        "a retry goes out on every channel again",
        (
            MESSAGES,
            "    waiting = tuple(channel for channel in known.waiting if channel in channels)\n",
            "    waiting = channels\n",
        ),
        focus="reminders",
    ),
    _mutant(
        "channels are written down together at the end",
        (
            REMINDING,
            "            account, left = self._serve(notifier, account, claimed, last=notifier is channels[-1])\n",
            """\
            if notifier is not channels[-1]:
                items = [item for item in claimed.items if notifier.channel in item.channels]
                notifier.send(self._message(items, claimed.contact, account))
                continue
            account, left = self._serve(notifier, account, claimed, last=notifier is channels[-1])
""",
        ),
        focus="reminders",
    ),
    _mutant(
        "each reminder is a message of its own",
        (
            REMINDING,
            """\
        for again in (True, False):
            if not (items := [item for item in mine if item.again is again]):
                continue
""",
            "        for item in mine:\n            items = [item]\n",
        ),
        focus="reminders",
    ),
    _mutant(
        "what was told is told again",
        (MESSAGES, "            marks[_through(item.mark, today, reached=reached)] = after\n", "            pass\n"),
        focus="reminders",
    ),
    _mutant(
        "a claim of the dead is never taken over",
        (
            "jifen.domain.reminders",
            "    return known.claimed_at is not None and moment.recorded_at - known.claimed_at < CLAIM_LEASE\n",
            "    return known.claimed_at is not None\n",
        ),
    ),
)
