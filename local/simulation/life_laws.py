"""The laws of a run of the life of points, from its rows, the program file and what was seen outside.

    commits, one by one ──> Court ──> what each entry of a policy may be, and the row that is written with it
    at the end ──────────> every row against its entries, every batch that was taken back, what is still due

What a policy may do comes from :mod:`local.simulation.life_terms`; nothing here calls what it judges.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from local.audit import Violation, audit
from local.audit.kinds import EXTENDED, REVERSED, SHORTENED, TURNED_BACK, VOIDED
from local.audit.lots import Lots, apply, is_past, merged
from local.audit.rows import Entry, Fields, read_entry
from local.simulation import life_terms as terms
from local.simulation.days import local_day
from local.simulation.life import Chosen, Login, Pause, Preview
from local.simulation.life_terms import Known
from local.simulation.table import Commit, Item, said
from local.simulation.world import SHARDS, Sent

if TYPE_CHECKING:
    from local.simulation.life_run import LifeRun

Found = Iterator[Violation]
Facts = Mapping[str, Any]

A_WORKER = timedelta(hours=1)
"""A worker that began before midnight may send after it; none works for so long."""

POLICY = "validity"
"""The type of source of what policies write."""

NOBODY = Known({}, (), {}, held=False)


@dataclass
class Court:
    """What the judge knows when ``number`` commits were taken in.

    Attributes:
        known, lots: what the row of each account says, and the lots that its entries come to.
        entries: of policies, and of those who take batches back, by member and number.
        rows: the rows of batches, by batch and member.
        applied: by member and policy, what it was applied for.
        back: by member, entry and reason, how often it was taken back.
    """

    run: LifeRun
    number: int = 0
    known: dict[str, Known] = field(default_factory=dict)
    lots: dict[str, Lots] = field(default_factory=lambda: defaultdict(dict))
    entries: dict[tuple[str, int], Entry] = field(default_factory=dict)
    batches: dict[str, Facts] = field(default_factory=dict)
    rows: dict[tuple[str, str], Facts] = field(default_factory=dict)
    applied: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    back: Counter[tuple[str, int, str]] = field(default_factory=Counter)

    @property
    def data(self) -> Facts:
        """The program file."""
        return self.run.story.data

    @property
    def policies(self) -> dict[str, Facts]:
        """Its policies by id."""
        return {one["id"]: one for one in self.data["validity"]["policies"]}

    def day(self, instant: Any) -> date:
        """The local day of an instant."""
        return local_day(instant, self.run.world.story.program.zone)


def judge_life(run: LifeRun) -> list[Violation]:
    """Everything that is wrong with a run; nothing, if it is sound."""
    court, found, world = Court(run), list[Violation](), run.world
    for commit in world.table.commits:
        court.number = commit.number
        found += _commit(court, commit)
    for law in (_rows, _settled, _left_out, _logins, _notices):
        found += law(court)
    found += audit(world.table.items.values(), world.story.program, world.clock.now, shards=SHARDS)
    _visit(court)
    return found


@dataclass
class _Written:
    """What a commit wrote: ``entries`` in their order, accounts, and the batches and rows among its documents."""

    entries: list[Entry] = field(default_factory=list)
    accounts: dict[str, Known] = field(default_factory=dict)
    batches: dict[str, Facts] = field(default_factory=dict)
    rows: dict[tuple[str, str], Facts] = field(default_factory=dict)


def _written(commit: Commit) -> _Written:
    found = _Written()
    for (pk, sk), item in sorted(commit.puts.items()):
        kind, _, name = sk.partition("#")
        if kind == "A":
            found.accounts[pk[2:]] = _known(item)
        elif kind == "E":
            found.entries.append(read_entry(pk[2:], int(name), Fields(item)))
        elif kind == "VB":
            found.batches[name] = json.loads(item["facts"]["S"])
        elif kind == "VR":
            facts = json.loads(item["facts"]["S"])
            found.rows[facts["batch"], facts["member"]] = facts
    return found


def _commit(court: Court, commit: Commit) -> Found:
    written = _written(commit)
    batches = {**court.batches, **written.batches}
    for entry in written.entries:
        if entry.source[0] == POLICY:
            court.entries[entry.member, entry.sequence] = entry
            if entry.said("takes_back") is None:
                yield from _done(court, entry, batches, written.rows)
            else:
                yield from _back(court, entry, written.rows)
            _meet(court, entry)
        apply(court.lots[entry.member], entry.lots)
    for member, known in written.accounts.items():
        before = court.known.get(member, NOBODY).memory.get("seen", {}).get("login", "")
        if known.memory.get("seen", {}).get("login", "") < before:
            yield Violation("activity", member, f"commit {court.number}: a login on {before} is forgotten")
    court.known |= written.accounts
    court.batches, court.rows = batches, {**court.rows, **written.rows}


def _known(item: Item) -> Known:
    memory = said(item["standing"]) if "standing" in item else {}
    reminded = json.loads(item["reminded"]["S"]) if "reminded" in item else {}
    marks = (json.loads(item["told"]["S"]) if "told" in item else [{}])[0]
    return Known(memory, reminded, marks, held="holds" in item)


# What a policy did ---------------------------------------------------------------------------------------------------


def _done(court: Court, entry: Entry, batches: Mapping[str, Facts], rows: Mapping[tuple[str, str], Facts]) -> Found:
    id_, today = entry.source[1], court.day(entry.recorded_at)
    name, _, day = id_.rpartition(".")
    policy, known, lots = court.policies.get(name), court.known.get(entry.member, NOBODY), court.lots[entry.member]
    if policy is None or day != today.isoformat() or today < date.fromisoformat(policy["starts_on"]):
        yield Violation("due", entry.member, f"{entry} of {id_} on {today}")
        return
    if court.batches.get(id_, {}).get("status", "APPLIED") != "APPLIED":
        yield Violation("rows of a batch", entry.member, f"{entry} although {id_} is {court.batches[id_]['status']}")
    if id_ not in batches or entry.sequence not in rows.get((id_, entry.member), {}).get("sequences", ()):
        yield Violation("rows of a batch", entry.member, f"{entry} is in no row of {id_} that was written with it")
    yield from _of_what(court, entry, policy, known, today)
    if "void" in policy:
        yield from _void(court, entry, policy, known, today)
        return
    wanted = terms.moves(policy, court.data, known, lots, today)
    moved: Lots = {}
    for key, new in wanted.items():
        moved[key] = moved.get(key, 0) - lots[key]
        moved[new, key[1]] = moved.get((new, key[1]), 0) + lots[key]
    moved = {key: points for key, points in moved.items() if points}
    if (entry.reason, merged(entry.lots)) != (_REASONS[terms.effect(policy)], moved):
        yield Violation("due", entry.member, f"{entry} on {today} moves {merged(entry.lots)}; by the policy {moved}")
    if "leave" in policy:
        yield from _room(court, entry, known, today)


_REASONS = {"extend": EXTENDED, "leave": SHORTENED}


def _of_what(court: Court, entry: Entry, policy: Facts, known: Known, today: date) -> Found:
    """Whether the account qualifies, and for something that the policy was not applied for before."""
    before = court.applied[entry.member, policy["id"]]
    if "spent" in policy["when"]:
        names = sorted(entry.said("spent_minor") or {})
        if names not in terms.windows(policy, known, today):
            yield Violation(
                "due", entry.member, f"{entry} for {names}; enough was spent in {known.memory.get('spent')}"
            )
        if set(names) & set(before):
            yield Violation("once for each", entry.member, f"{entry} for {names}, after {before}")
        before += names
        return
    day = terms.since(policy, known)
    if entry.said("inactive_since") != day or today < terms.absent_on(policy, day):
        yield Violation(
            "due", entry.member, f"{entry} on {today}; missed since {day}, not {entry.said('inactive_since')}"
        )
    if day in before:
        yield Violation("once for each", entry.member, f"{entry} for {day}, after {before}")
    before.append(day)


def _void(court: Court, entry: Entry, policy: Facts, known: Known, today: date) -> Found:
    day, points = terms.since(policy, known), terms.voided(policy, court.lots[entry.member], today)
    marks = [one for one in terms.told(known) if terms.is_of(one, policy, day) and one.voids_on <= today.isoformat()]
    sent = [
        one.notice.facts
        for one in court.run.world.records.sent
        if one.delivered
        and one.claim < court.number
        and (one.notice.kind, one.notice.member) == ("points.dormant", entry.member)
        and (one.notice.facts["policy"], one.notice.facts["inactive_since"]) == (policy["id"], day)
        and one.notice.facts["voids_on"] <= today.isoformat()
        and court.day(one.at - A_WORKER) + timedelta(days=policy["void"]["notice_days"]) <= today
    ]
    if not marks or not sent:
        yield Violation("told before", entry.member, f"{entry} on {today}; marks {marks}, notices {sent}")
    elif -entry.points > max(facts["points"] for facts in sent):
        yield Violation("told before", entry.member, f"{entry} on {today}, of more points than any notice said: {sent}")
    points = min([points, *(one.points for one in marks if one.points is not None)])
    if (entry.reason, -entry.points) != (VOIDED, points):
        yield Violation("due", entry.member, f"{entry} on {today}; by the policy {points}")


def _room(court: Court, entry: Entry, known: Known, today: date) -> Found:
    for change in entry.lots:
        if change.points > 0:
            begins = max(today, date.fromisoformat(change.key[1])) if change.key[1] else today
            first = terms.room(begins, court.data["reminders"]["lead_days"])
            if (change.key[0] or "~") < first.isoformat() or change.key[0] in known.reminded:
                detail = f"{entry} on {today} to {change.key[0]}; there is room from {first} on"
                yield Violation("room for reminders", entry.member, detail)


# What was taken back -------------------------------------------------------------------------------------------------


def _back(court: Court, entry: Entry, rows: Mapping[tuple[str, str], Facts]) -> Found:
    id_, number = entry.source[1], int(entry.said("takes_back"))
    of, row = court.entries.get((entry.member, number)), rows.get((id_, entry.member), {})
    if of is None or of.source != entry.source or court.batches.get(id_, {}).get("status", "APPLIED") == "APPLIED":
        yield Violation("taken back", entry.member, f"{entry} of {of}; {court.batches.get(id_)}")
        return
    if entry.sequence not in row.get("reversed_by", ()) or number not in row.get("taken_back", ()):
        yield Violation("rows of a batch", entry.member, f"{entry} is in no row of {id_} that was written with it")
    court.back[entry.member, number, entry.reason] += 1
    if court.back[entry.member, number, entry.reason] > 1:
        yield Violation("taken back", entry.member, f"{entry} takes entry {number} back once more")
    today, done, mine = court.day(entry.recorded_at), merged(of.lots), merged(entry.lots)
    if of.reason == VOIDED:
        wrong = [
            key for key, points in mine.items() if points > -done.get(key, 0) or is_past(key[0], today.isoformat())
        ]
        if entry.reason != REVERSED or wrong or entry.points > -of.points:
            yield Violation("taken back", entry.member, f"{entry} puts back {mine} of {done}")
    elif entry.reason == TURNED_BACK:
        into = merged(one for one in of.lots if one.points > 0)
        taken = merged(one for one in entry.lots if one.points < 0)
        if any(-points > into.get(key, 0) for key, points in taken.items()):
            yield Violation("taken back", entry.member, f"{entry} takes {taken} out of {into}")
        if of.reason == EXTENDED:
            yield from _room(court, entry, court.known.get(entry.member, NOBODY), today)


# At the end ----------------------------------------------------------------------------------------------------------


def _rows(court: Court) -> Found:
    """Every row and its entries, and no row without."""
    done, back, points = defaultdict[Any, list[int]](list), defaultdict[Any, list[int]](list), Counter[Any]()
    for (member, number), entry in court.entries.items():
        key = entry.source[1], member
        (done if entry.said("takes_back") is None else back)[key].append(number)
        if entry.said("takes_back") is None:
            points[key] += sum(max(0, -one.points) for one in entry.lots)
    for key in {*done, *back, *court.rows}:
        row = court.rows.get(key, {})
        stands = [row.get("sequences", []), row.get("reversed_by", []), row.get("points", 0)]
        if stands != [done[key], back[key], points[key]] or key[0] not in court.batches:
            yield Violation(
                "rows of a batch", str(key), f"{row}; entries {done[key]}, {back[key]}, {points[key]} points"
            )


def _settled(court: Court) -> Found:
    for id_ in {one.batch for one in court.run.world.records.noted if isinstance(one, Chosen)}:
        batch = court.batches.get(id_, {})
        open_ = [
            member
            for (batch_id, member), row in court.rows.items()
            if batch_id == id_ and set(row.get("sequences", ())) - set(row.get("taken_back", ()))
        ]
        if batch.get("status") != "REVERSED" or open_:
            yield Violation("settled", id_, f"{batch}; not settled: {open_}")


def _left_out(court: Court) -> Found:
    today = court.day(court.run.world.clock.now)
    for member, known in court.known.items():
        for policy in court.policies.values():
            held_back = court.batches.get(f"{policy['id']}.{today}", {}).get("status", "APPLIED") != "APPLIED"
            if not held_back and terms.is_due(policy, known, court.lots[member], today):
                yield Violation("none left out", member, f"{policy} is due on {today}: {known}, {court.lots[member]}")


def _logins(court: Court) -> Found:
    for told in court.run.world.records.answered:
        step: Any = told.step
        if isinstance(step, Login) and isinstance(told.answer, Mapping):
            login = court.known.get(step.member, NOBODY).memory.get("seen", {}).get("login", "")
            if told.answer["day"] != court.day(told.now).isoformat() or login < told.answer["day"]:
                yield Violation("activity", step.member, f"was told {told.answer}; the account knows of {login}")


def _notices(court: Court) -> Found:
    """No notice of a void gives less time than its policy says, and none goes out for nothing."""
    for one in _told(court):
        facts, policy = one.notice.facts, court.policies[one.notice.facts["policy"]]
        first = court.day(one.at - A_WORKER) + timedelta(days=policy["void"]["notice_days"])
        if facts["voids_on"] < first.isoformat() or facts["points"] < 1:
            yield Violation("told before", one.notice.member, f"{dict(facts)} at {one.at}; not before {first}")


def _told(court: Court) -> list[Sent]:
    return [one for one in court.run.world.records.sent if one.notice.kind == "points.dormant" and one.delivered]


# What was met --------------------------------------------------------------------------------------------------------


def _meet(court: Court, entry: Entry) -> None:
    run, policy = court.run, court.policies.get(entry.source[1].rpartition(".")[0], {})
    of = court.entries.get((entry.member, int(entry.said("takes_back") or 0)))
    if of is None:
        spent = "spent" in policy.get("when", {})
        run.visit("lots were extended for spending", entry.reason == EXTENDED and spent)
        run.visit("lots were extended for an absence", entry.reason == EXTENDED and not spent)
        held = court.known.get(entry.member, NOBODY).held
        run.visit("points were held while a policy was applied", held)
        run.visit("lots were shortened", entry.reason == SHORTENED)
        run.visit("points were voided", entry.reason == VOIDED)
        return
    run.visit("an extension was taken back", of.reason == EXTENDED)
    run.visit("a shortening was taken back", (of.reason, entry.reason) == (SHORTENED, TURNED_BACK))
    run.visit("points that were shortened and lapsed came back", (of.reason, entry.reason) == (SHORTENED, REVERSED))
    run.visit("a void was taken back", of.reason == VOIDED)


def _visit(court: Court) -> None:
    run, world = court.run, court.run.world
    sent = Counter(one.known for one in _told(court))
    run.visit("a notice of a void went out", len(sent))
    run.visit("a notice of a void went out again", sum(times > 1 for times in sent.values()))
    for one in _told(court):
        memory = court.known[one.notice.member].memory.get("seen", {})
        run.visit("a login between notice and void", memory.get("login", "") > one.notice.facts["inactive_since"])
    chosen = Counter(one.batch for one in world.records.noted if isinstance(one, Chosen))
    run.visit("a batch was taken back", len(chosen))
    run.visit("a batch was taken back twice", sum(times > 1 for times in chosen.values()))
    for id_ in chosen:
        rows = [row for (batch, _), row in court.rows.items() if batch == id_]
        run.visit("a batch was taken back with nothing left of it", any(not row.get("reversed_by") for row in rows))
    run.visit("a policy raced a decision", world.reached["sweep raced a decision"])
    for told in world.records.answered:
        step: Any = told.step
        run.visit("the sweep was paused", isinstance(step, Pause) and step.paused)
        run.visit("a preview had cases", isinstance(step, Preview) and bool(told.answer.get("cases")))
