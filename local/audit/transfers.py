"""Transfers, each against the entries of both sides; with what was taken back, two of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from local.audit.fact_rows import Transfer
from local.audit.kinds import TAKEN_BACK
from local.audit.laws import Violation
from local.audit.lots import Lots, merged, negated
from local.audit.rows import Entry
from local.audit.table import Table

_Sides = dict[tuple[str, str], list[Entry]]
"""Entries by member and reason."""


def judge_transfers(table: Table) -> Iterator[Violation]:
    """Every transfer that both sides of can be read, and every entry that names one."""
    sides: dict[str, _Sides] = defaultdict(lambda: defaultdict(list))
    for name, member in table.members.items():
        for entry in member.history:
            if entry.source[0] == "transfer":
                sides[entry.source[1]][name, entry.reason].append(entry)
    known = {
        transfer.id: (name, transfer) for name, one in table.members.items() for transfer in one.transfers.values()
    }
    for transfer_id in sorted({*known, *sides}):
        if transfer_id not in known:
            if all(member.readable for member in table.members.values()):
                yield Violation("both sides", transfer_id, "entries name it and it is not there")
            continue
        sender, transfer = known[transfer_id]
        if table.member(sender).readable and table.member(transfer.to).readable:
            for detail in _faults(sender, transfer, sides[transfer_id]):
                yield Violation("both sides", transfer_id, detail)


def _faults(sender: str, transfer: Transfer, sides: _Sides) -> Iterator[str]:
    sent, received = ("TRANSFER_SENT", -1), ("TRANSFER_RECEIVED", 1)
    due = {(sender, sent[0]): -transfer.points, (transfer.to, received[0]): transfer.points}
    if transfer.canceled:
        due |= {(sender, TAKEN_BACK): transfer.points, (transfer.to, TAKEN_BACK): -transfer.points}
    found = {key: sum(entry.points for entry in entries) for key, entries in sides.items()}
    if found != due or any(len(entries) != 1 for entries in sides.values()):
        yield f"{transfer} has the entries {found}, due are {due}"
        return
    (out,), (into,) = sides[sender, sent[0]], sides[transfer.to, received[0]]
    if (negated(merged(out.lots)), merged(into.lots)) != (transfer.sent, transfer.received):
        yield f"{transfer}, {out} takes {out.lots} and {into} gives {into.lots}"
    if transfer.canceled:
        (back,) = sides[transfer.to, TAKEN_BACK]
        if negated(merged(back.lots)) != transfer.received:
            yield f"{transfer}, {back} takes {back.lots}"
    if _longer(transfer.sent, transfer.received):
        yield f"{transfer} makes points last longer"


def _longer(sent: Lots, received: Lots) -> bool:
    """Whether more points of some last valid day were received than sent."""
    left: dict[str | None, int] = defaultdict(int)
    for (last, _), points in sent.items():
        left[last] += points
    for (last, _), points in received.items():
        left[last] -= points
    return any(points < 0 for points in left.values())
