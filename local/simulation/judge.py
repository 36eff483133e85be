"""The verdict on one run, from what was seen outside and from the rows of the table.

    commits, in order ──> the reference, step by step ──> the same answers, refusals, views, lots, debts and holds
    rows ──────────────> the audit ────────────────────> every law of the ledger
    notices ───────────> once each, for points that were there, none lost

The refinement check: each commit is one step of the reference, each answer is the reference's, and a refusal or a view
is what the reference says at some instant between the reads it was made from.
"""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from jifen.domain.ids import parse_document_id
from jifen.service.ports import Sweep
from jifen.store.codec import standing_out
from local.audit import Violation, audit
from local.simulation import limits, passwords
from local.simulation.awarding import Award
from local.simulation.days import local_day
from local.simulation.departments import DEPARTMENTS, deed_of, is_deed
from local.simulation.history import (
    Authorize,
    Behaving,
    Capture,
    Claim,
    Expire,
    Give,
    Redeem,
    Refused,
    Restore,
    Step,
    Void,
    asked,
)
from local.simulation.memory import Campaigning
from local.simulation.network import Committed
from local.simulation.purse import Key as Lot
from local.simulation.reference import Reference, Rows, Stored, without_due
from local.simulation.table import Commit, Key, said
from local.simulation.world import SHARDS, Answered, Sent, World

Found = Iterator[Violation]

LAWS: Mapping[str, str] = {
    "refinement": "every commit is one step of the serial reference, and leaves the account that the reference has",
    "answers": "an answer is the reference's, the same for every retry, and stands in the ledger exactly once",
    "refusals": "a refusal is what the reference says at some instant between the reads that it was made from",
    "views": "what a reader sees is what the reference has at that instant",
    "deliveries": "what was acknowledged is in the ledger, and delivering all of it again changes nothing",
    "sweeps": "after a sweep nothing is due any more",
    "reminders": "a reminder is of points that are there, at the smallest lead due, in one message, none lost; once per"
    " channel, and again only where a worker died before it could write down the one channel that it was at",
    **limits.LAWS,
    **{name: law for department in DEPARTMENTS for name, law in department.laws.items()},
    "no crash": "the real code meets nothing that it did not expect",
}
"""What is checked besides the laws of :mod:`local.audit`, each in a sentence."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What was done under a key: by commit ``number``, and what the reference answered."""

    number: int
    step: Step
    answer: Any


@dataclass
class _Replay:
    """The reference as far as the commits have been applied, and what became of each key."""

    reference: Reference
    done: dict[str, _Done] = field(default_factory=dict)


def judge(world: World) -> list[Violation]:
    """Everything that is wrong with the run; nothing, if it is sound."""
    found = [Violation("no crash", "code", line) for line in world.records.broken]
    story = world.story
    replay = _Replay(Reference(story.program, lots_max=story.lots_max))
    judged: set[int] = set()
    claims: dict[int, Mapping[date | None, int]] = {}
    found += _between(world, replay, 0, judged)
    for commit in world.network.committed:
        written = world.table.commits[commit.number - 1]
        found += _apply(replay, commit, written)
        found += _written(replay.reference, written)
        for department in DEPARTMENTS:
            for key, item in written.puts.items():
                found += department.written(replay.reference, key, item)
        replay.reference.mark(commit.number)
        if isinstance(commit.doing.step, Claim) and not _of_a_run(written):
            claims[commit.number] = _by_day(replay.reference.stored(commit.doing.step.member).lots)
        found += _between(world, replay, commit.number, judged)
    found += _unsatisfied(world, judged)
    committed = {one.number: one for one in world.network.committed}
    for department in DEPARTMENTS:
        found += department.judge(world)
    found += limits.judge_limits(story.program.rules, world.table.commits, committed)
    found += _answers(world, replay)
    found += _accounts(world, replay.reference)
    found += _still_due(world, replay.reference)
    found += _reminders(world, claims, replay.reference)
    return found + audit(world.table.items.values(), story.program, world.clock.now, shards=SHARDS)


# Refinement ----------------------------------------------------------------------------------------------------------


def _apply(replay: _Replay, commit: Committed, written: Commit) -> Found:
    step, now = commit.doing.step, commit.doing.now
    replay.reference.wrote = frozenset()
    if step is None or now is None or _of_a_run(written):
        return
    # What a transaction writes it writes on condition that nobody else has; of the rest it knows what it has read.
    seen = {pk: at for (pk, sk), at in commit.read_at.items() if sk in {"A", "G"} and (pk, sk) not in written.puts}
    said = replay.reference.apply(step, now, seen)
    if isinstance(said, Refused):
        yield Violation("refinement", f"commit {commit.number}", f"{step} was written; the reference says {said}")
    key = commit.doing.key
    if key:
        if key in replay.done:
            yield Violation("answers", key, f"done by commits {replay.done[key].number} and {commit.number}")
        replay.done[key] = _Done(commit.number, step, said)


def _of_a_run(written: Commit) -> bool:
    """Whether a commit says how far a sweep is, whatever account its worker was at before."""
    return all(pk.startswith("SWEEP#") for pk, _ in written.puts)


def _written(reference: Reference, commit: Commit) -> Found:
    """Every account, award and campaign that the commit put is the one that the reference has now."""
    subject = f"commit {commit.number}"
    members = {pk.removeprefix("M#") for pk, sk in commit.puts if sk == "A"}
    if left_out := reference.wrote - members:
        yield Violation("refinement", subject, f"nothing was written of {sorted(left_out)}, something is to be")
    for (pk, sk), item in commit.puts.items():
        _, _, name = pk.partition("#")
        if sk == "A":
            written, there = _stored(item), reference.stored(name)
            if written != there:
                yield Violation("refinement", subject, f"{name}: {written}, reference {there}")
        elif sk == "O":
            shop, _, order_id = name.partition("#")
            order = reference.order(shop, order_id)
            for role in ("award", "referral"):
                award, held = _award(item.get(role)), getattr(order, role)
                if award != held:
                    yield Violation("refinement", subject, f"{role} of {name}: {award}, reference {held}")
        elif sk == "G":
            state, known = _campaign(item), reference.campaign(name)
            if state != known:
                yield Violation("refinement", subject, f"campaign {name}: {state}, reference {known}")


def _award(attribute: Mapping[str, Any] | None) -> Award | None:
    """An award's text in an order's row as the reference puts it."""
    if attribute is None:
        return None
    row = said(attribute)
    if isinstance(row[1], int):
        member, granted, last, _rates, _currency, at, lapsed = row
        return Award(member, datetime.fromisoformat(at), {_key(last): (granted, lapsed)})
    member, parts, _rules, _currency, at, pinned = row
    return Award(
        member,
        datetime.fromisoformat(at),
        {_key(last, first): (points, lapsed) for points, last, first, lapsed in parts},
        refused=pinned.get("refused", {}),
        rooms={key: tuple(room) for key, room in pinned.get("rooms", {}).items()},
        budgets=pinned.get("budgets", {}),
        grants=pinned.get("grants", {}),
        tasks={name: tuple(part) for name, part in pinned.get("tasks", {}).items()},
        kept=pinned.get("kept", 0),
    )


def _campaign(item: Mapping[str, Mapping[str, Any]]) -> Campaigning:
    """A campaign's row as the reference puts it."""
    facts = json.loads(item["facts"]["S"])
    names = {"status": "status", "given": "given", "taken_back": "taken_back", "awards": "awards", "kept_minor": "kept"}
    return Campaigning(**{own: facts[name] for name, own in names.items() if name in facts})


def _stored(item: Mapping[str, Mapping[str, Any]]) -> Stored:
    """An account's row as the reference puts it."""
    holds = json.loads(item["holds"]["S"]) if "holds" in item else []
    earned, redeemed, expired, clawed_back = (
        int(item[name]["N"]) for name in ("earned", "redeemed", "expired", "clawed_back")
    )
    return Stored(
        lots=_parts(json.loads(item["lots"]["S"]) if "lots" in item else []),
        debt=int(item["debt"]["N"]),
        holds=tuple(sorted((name, datetime.fromisoformat(until), _parts(rows)) for name, until, rows in holds)),
        lifetime=(earned, redeemed, expired, clawed_back),
        memory=without_due(said(item["standing"]) if "standing" in item else {}),
    )


def _parts(rows: list[Any]) -> Rows:
    return tuple((_key(*days), points) for points, *days in rows)


def _key(last: str | None, first: str | None = None) -> Lot:
    return date.fromisoformat(last) if last else None, date.fromisoformat(first) if first else None


def _accounts(world: World, reference: Reference) -> Found:
    """What the ledger reads at the end, through its own decoder, against the reference."""
    accounts = world.runtime.ledger.load(world.story.members).accounts
    for member, account in accounts.items():
        kept, there = Stored.of(account, standing_out(account.standing)), reference.stored(member)
        if kept != there:
            yield Violation("refinement", member, f"stored at the end {kept}; the reference has {there}")


def _still_due(world: World, reference: Reference) -> Found:
    """A hold that ends later today keeps its account in the index; nothing else may, once a sweep has been there."""
    now = world.clock.now
    for kind, member in world.records.still_due:
        if kind is Sweep.REMIND or _fork(reference).apply(Expire(member), now):
            yield Violation("sweeps", member, f"is still due for {kind} at {now}")


# What was told and seen ----------------------------------------------------------------------------------------------


def _between(world: World, replay: _Replay, at: int, judged: set[int]) -> Found:
    """Judge what was read when ``at`` commits had been made."""
    reference = replay.reference
    for look in world.records.looked:
        if look.at == at:
            view = {name: value for name, value in look.view.items() if name not in {"version", "tier"}}
            seen, there = (
                (view, look.lots),
                (reference.view(look.member, look.now), reference.lots(look.member, look.now)),
            )
            if seen != there:
                yield Violation("views", look.member, f"seen {seen}; the reference has {there}")
    for place, told in enumerate(world.records.answered):
        if place in judged or not isinstance(told.answer, Refused):
            continue
        first, last = _reads(told)
        if first <= at <= last and _agree(told, _would_say(replay, told), torn=first < last):
            judged.add(place)


def _agree(told: Answered, said: Any, *, torn: bool) -> bool:
    """Whether a refusal is what the reference says.

    Of an order, the redemptions on it and the account, read one after the other while others commit, either may be what
    a refusal names, if there was to be one.
    """
    if said == told.answer:
        return True
    several = torn and isinstance(told.step, Redeem | Authorize) and told.step.order_id is not None
    return several and isinstance(said, Refused) and {said.code, told.answer.code} <= _EITHER


_EITHER = {"INSUFFICIENT_POINTS", "LIMIT_REACHED"}


def _would_say(replay: _Replay, told: Answered) -> Any:
    """What the reference says to a request at this point of the history."""
    done = replay.done.get(told.key)
    if done is not None:
        return done.answer if asked(done.step) == asked(told.step) else Refused("IDEMPOTENCY_KEY_REUSED")
    reference, step = _fork(replay.reference), told.step
    if isinstance(step, Redeem | Authorize | Give) and step.password is not None and passwords.is_about_it(told.answer):
        return passwords.says(reference, step.member, step.password, told.now)
    return reference.apply(step, told.now)


def _unsatisfied(world: World, judged: set[int]) -> Found:
    for place, told in enumerate(world.records.answered):
        if isinstance(told.answer, Refused) and place not in judged:
            detail = f"{told.step} was refused with {told.answer}, which was never right between {_reads(told)}"
            yield Violation("refusals", told.key, detail)


def _reads(told: Answered) -> tuple[int, int]:
    """The first and last instant, by number of commits, at which what the decision rests on was read."""
    read = [told.read_at[key] for key in _rows(told) if key in told.read_at]
    return min(read, default=0), max(read, default=0)


def _rows(told: Answered) -> Iterable[Key]:
    """What a refusal rests on."""
    step = told.step
    if is_deed(step):
        return deed_of(step).rows(step, told.answer)
    if isinstance(step, (Redeem, Authorize)) and step.order_id is not None:
        other = [key for key in told.read_at if key[1] != "PW"]
        return passwords.rows_of(step.member, told.answer, other)
    if isinstance(step, Behaving):
        return told.read_at
    found = parse_document_id(_document(step))
    if found is None:
        return ()
    kind = "R" if found.prefix == "rd" else "H"
    own = [(f"M#{found.member}", "A"), (f"M#{found.member}", f"{kind}#{found.digest}")]
    return passwords.rows_of(found.member, told.answer, own)


def _document(step: Step) -> str:
    match step:
        case Redeem() | Authorize():
            return step.id
        case Capture() | Void():
            return step.hold_id
        case Restore():
            return step.document_id
        case _:
            return ""


def _fork(reference: Reference) -> Reference:
    """A reference of its own: what is applied to it does not touch the other, which replaces values and edits none."""
    fork = copy.copy(reference)
    for name, value in vars(reference).items():
        if isinstance(value, dict):
            setattr(fork, name, dict(value))
    return fork


def _answers(world: World, replay: _Replay) -> Found:
    for told in world.records.answered:
        if isinstance(told.answer, Refused):
            continue
        done = replay.done.get(told.key)
        if done is None or asked(done.step) != asked(told.step):
            yield Violation("answers", told.key, f"{told.step} was answered {told.answer}; in the ledger is {done}")
        elif _guarded(done.answer) != _guarded(_part(told.answer, done.answer)):
            detail = f"{told.step} was answered {told.answer}; the reference says {done.answer}"
            yield Violation("answers", told.key, detail)


def _part(told: Any, there: Any) -> Any:
    """The part of an answer that the reference has too: it gives no reasons."""
    return {name: value for name, value in told.items() if name in there} if isinstance(there, Mapping) else told


def _guarded(answer: Any) -> Any:
    """The part of an answer that its commit stands for: where no point moves, ``available`` is of the read before."""
    if isinstance(answer, Refused) or answer.get("points") != 0 or "restored" not in answer:
        return answer
    return {name: value for name, value in answer.items() if name != "available"}


# Reminders -----------------------------------------------------------------------------------------------------------


def _reminders(world: World, claims: Mapping[int, Mapping[date | None, int]], reference: Reference) -> Found:
    decided = {commit.number: commit.doing for commit in world.network.committed}
    zone, leads = world.story.program.zone, world.story.program.lead_days
    by_lot: dict[tuple[str, date, str], list[Sent]] = defaultdict(list)
    for sent in world.records.sent:
        if sent.notice.reminder is None:
            continue
        reminder = sent.reminder
        by_lot[reminder.member, reminder.lot_expires_on, sent.channel].append(sent)
        if sent.claim not in claims:
            yield Violation("reminders", reminder.member, f"{reminder} was sent without a claim")
            continue
        if claims[sent.claim].get(reminder.lot_expires_on) != reminder.points:
            yield Violation("reminders", reminder.member, f"{reminder}: there were {claims[sent.claim]}")
        now = decided[sent.claim].now
        assert now is not None, "a claim is decided at an instant"
        due = _lead_due(reminder.lot_expires_on, local_day(now, zone), leads)
        if due is None or reminder.lead_days > due:
            yield Violation("reminders", reminder.member, f"{reminder} although lead {due} was due on {now}")
    for lot, sent_for in by_lot.items():
        yield from _once(world, lot, sent_for)
    yield from _once_each(world)
    yield from _one_in_flight(world)
    yield from _digests(world)
    yield from _none_lost(world, by_lot, reference)


def _by_day(lots: Rows) -> dict[date | None, int]:
    found: dict[date | None, int] = {}
    for (day, _), points in lots:
        found[day] = found.get(day, 0) + points
    return found


def _lead_due(day: date, today: date, leads: tuple[int, ...]) -> int | None:
    return min((lead for lead in leads if day - timedelta(days=lead) <= today <= day), default=None)


def _once(world: World, lot: tuple[str, date, str], sent_for: list[Sent]) -> Found:
    """A lead goes out once, and none after a smaller one.

    Not held against a worker: what its channel told it was not sent, and what it had claimed before another worker
    that took the claim over was through with it. What it died over before it could write it down may go out again.
    """
    settled = [
        (world.records.confirmed[sent.claim, sent.channel], sent.reminder.lead_days)
        for sent in sent_for
        if (sent.claim, sent.channel) in world.records.confirmed and sent.fate in {"sent", "refused for good"}
    ]
    for sent in sent_for:
        lead = sent.reminder.lead_days
        if any(confirmed < sent.claim and lead >= smaller for confirmed, smaller in settled):
            yield Violation("reminders", lot[0], f"lead {lead} of {lot} was claimed by {sent.claim} after {settled}")


def _once_each(world: World) -> Found:
    """A notice of another kind is not sent again once it is written down that the channel has it.

    What the points have fallen below may be told once more on the same day: under the same id, so that a receiver who
    goes by ids is told once a day.
    """
    settled: dict[tuple[str, str], int] = {}
    for sent in world.records.sent:
        if sent.notice.reminder is not None:
            continue
        known = settled.get(sent.known)
        if known is not None and known < sent.claim and not _fell_below(world, sent, known):
            yield Violation("reminders", sent.notice.member, f"claim {sent.claim} tells {sent.notice} again")
        confirmed = world.records.confirmed.get((sent.claim, sent.channel))
        if confirmed is not None and sent.fate in {"sent", "refused for good"}:
            settled[sent.known] = confirmed


def _fell_below(world: World, sent: Sent, since: int) -> bool:
    """Whether the points have been fewer than the amount that is told, since it was told before."""
    key = (f"M#{sent.notice.member}", "A")
    puts = [commit.puts.get(key) for commit in world.table.commits[since - 1 : sent.claim]]
    return any(int(put["in_lots"]["N"]) < sent.notice.facts["amount"] for put in puts if put)


def _one_in_flight(world: World) -> Found:
    """Of one claim at most one channel has a message that was not written down: a death repeats no other."""
    open_of: dict[int, set[str]] = defaultdict(set)
    for sent in world.records.sent:
        if sent.fate in {"sent", "crash after sending"} and (sent.claim, sent.channel) not in world.records.confirmed:
            open_of[sent.claim].add(sent.channel)
    for claim, channels in open_of.items():
        if len(channels) > 1:
            yield Violation("reminders", f"claim {claim}", f"{sorted(channels)} were sent and not written down")


def _digests(world: World) -> Found:
    """One message for each claim and channel; what was taken over from the dead may go out in one of its own."""
    fresh: dict[tuple[int, str, str], set[str]] = defaultdict(set)
    before: set[tuple[str, str]] = set()
    for sent in world.records.sent:
        if sent.known not in before:
            fresh[sent.claim, sent.channel, sent.notice.member].add(sent.message)
        before.add(sent.known)
    for (claim, channel, member), messages in fresh.items():
        if len(messages) > (2 if _waited(world, member, channel, claim) else 1):
            yield Violation("reminders", f"claim {claim}", f"{len(messages)} messages on {channel}")


def _waited(world: World, member: str, channel: str, claim: int) -> bool:
    """Whether something waited for a channel before a claim: its worker may have died before it sent anything."""
    puts = (commit.puts.get((f"M#{member}", "A")) for commit in reversed(world.table.commits[: claim - 1]))
    row = next((put for put in puts if put), {})
    reminded, told = (json.loads(row[name]["S"]) if name in row else None for name in ("reminded", "told"))
    marks = [*(reminded or {}).values(), *(told[0] if told else {}).values()]
    return any(isinstance(mark, list) and channel in mark[1] for mark in marks)


def _given_up(world: World) -> set[tuple[str, str]]:
    """Members and channels of which an operator sees that no worker came back in as many runs as are tried."""
    rows = (json.loads(item["facts"]["S"]) for (_, sk), item in world.table.items.items() if sk.startswith("FN#"))
    return {(row["member"], row["channel"]) for row in rows if row["why"].startswith("given up: no worker came back")}


def _none_lost(world: World, by_lot: Mapping[tuple[str, date, str], list[Sent]], reference: Reference) -> Found:
    given_up = _given_up(world)
    today = local_day(world.clock.now, world.story.program.zone)
    for member in world.story.members:
        for day in _by_day(reference.stored(member).lots):
            due = None if day is None else _lead_due(day, today, world.story.program.lead_days)
            if day is None or due is None:
                continue
            for channel in world.story.channels:
                sent = [one for one in by_lot.get((member, day, channel), ()) if one.reminder.lead_days <= due]
                shown = (member, channel) in given_up
                if not shown and not any(one.delivered or one.fate == "refused for good" for one in sent):
                    yield Violation("reminders", member, f"lead {due} of the lot of {day} never went out on {channel}")
