"""What operators did: versions of the program, which is in force, steps of campaigns, reviews; and the line of each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from local.audit.fact_rows import Draft, Line, Version
from local.audit.laws import Violation
from local.audit.library import put_in_force
from local.audit.rulebook import fingerprint, rules_of
from local.audit.table import Office, Table

STEPS: Mapping[str, str] = {
    "campaign.paused": "PAUSED",
    "campaign.resumed": "ACTIVE",
    "campaign.ended": "ENDED",
    "campaign.canceled": "CANCELED",
}
"""What each step makes of a campaign."""
DECIDED: Mapping[str, str] = {"review.approved": "AWARDED", "review.rejected": "REJECTED"}
"""What each decision makes of an event."""


def judge_operators(table: Table) -> Iterator[Violation]:
    """Versions, the program in force, rules by content, and a line for everything that was done."""
    office = table.office
    if not office.readable:
        return
    deeds: dict[str, list[Line]] = defaultdict(list)
    for line in sorted(office.lines):
        deeds[line.target].append(line)
    yield from _sources(office)
    yield from _versions(office, deeds)
    yield from _in_force(office, deeds)
    yield from _campaigns(office, deeds)
    if all(member.readable for member in table.members.values()):
        yield from _reviews(table, deeds)


def _sources(office: Office) -> Iterator[Violation]:
    for name, source in office.sources.items():
        if name != fingerprint(source):
            yield Violation("rules", f"rules {name}", f"have a text that is {fingerprint(source)}")


def _versions(office: Office, deeds: Mapping[str, list[Line]]) -> Iterator[Violation]:
    highest = office.in_force.highest if office.in_force else 0
    if sorted(office.versions) != list(range(1, highest + 1)):
        yield Violation("versions", "versions", f"{sorted(office.versions)} are there, handed out were {highest}")
    taken_in = {draft.number for draft in office.drafts.values()}
    put = {number for line in office.lines if (number := _published(line)) is not None}
    for number, version in sorted(office.versions.items()):
        name = f"version {number}"
        if version.fingerprint != fingerprint(rules_of(version.program)):
            yield Violation("versions", name, f"is said to have the rules {version.fingerprint}")
        elif version.published and version.fingerprint not in office.sources:
            yield Violation("rules", name, f"was published, and its rules {version.fingerprint} are not there")
        known = [line.action for line in deeds.get(f"ruleset/{number}", ())]
        if version.published != (number in put) or not (version.published or "ruleset.drafted" in known):
            yield Violation("deeds", name, f"published: {version.published}; lines {known}, campaigns {taken_in}")
    for number in sorted(put - office.versions.keys()):
        yield Violation("deeds", f"version {number}", "was published by a line, and is not there")


def _published(line: Line) -> int | None:
    return None if line.action == "ruleset.rolled_back" else _put(line)


def _put(line: Line) -> int | None:
    return put_in_force(line.action, line.target, line.details.get("ruleset"))


def _in_force(office: Office, deeds: Mapping[str, list[Line]]) -> Iterator[Violation]:
    now = office.in_force
    if now is None:
        return
    version = (
        office.versions.get(now.number)
        if now.number
        else Version("", "", published=True, published_by="", published_at=None)
    )
    if (
        version is None
        or not version.published
        or (now.fingerprint, now.program) != (version.fingerprint, version.program)
    ):
        yield Violation("in force", "program", f"version {now.number} is in force, and is not as it was published")
    before = office.versions.get(now.previous)
    if now.previous and not (before and before.published):
        yield Violation("in force", "program", f"version {now.previous} was in force before, and was never published")
    changes = sorted(
        (line.at, number) for lines in deeds.values() for line in lines if (number := _put(line)) is not None
    )
    last = changes[-1] if changes else (None, 0)
    if last != (now.since, now.number):
        yield Violation("deeds", "program", f"version {now.number} since {now.since}; by the lines {last}")


def _campaigns(office: Office, deeds: Mapping[str, list[Line]]) -> Iterator[Violation]:
    named = (target.removeprefix("campaign/") for target in deeds if target.startswith("campaign/"))
    for name in sorted({*office.campaigns, *office.drafts, *named}):
        lines = deeds.get(f"campaign/{name}", [])
        yield from _prepared(name, office.drafts.get(name), lines)
        state = office.campaigns[name].status if name in office.campaigns else "ACTIVE"
        steps = [line for line in lines if line.action in STEPS and line.details.get("was") != "DRAFT"]
        # Two operators at a time may be done in another order than they asked in: each step begins where one has ended.
        was = [str(line.details.get("was")) for line in steps]
        begun = Counter("ACTIVE" if one == "SCHEDULED" else one for one in was)
        ended = Counter(["ACTIVE", *(STEPS[line.action] for line in steps)]) - begun
        if list(ended.elements()) != [state]:
            yield Violation("deeds", f"campaign {name}", f"is {state}; by the lines {sorted(ended.elements())}")


def _prepared(name: str, draft: Draft | None, lines: list[Line]) -> Iterator[Violation]:
    """A campaign that was prepared, scheduled or dropped."""
    actions = [line.action for line in lines]
    scheduled = [line.details.get("ruleset") for line in lines if line.action == "campaign.scheduled"]
    dropped = any(line.action == "campaign.canceled" and line.details.get("was") == "DRAFT" for line in lines)
    status = "SCHEDULED" if scheduled else "CANCELED" if dropped else "DRAFT" if "campaign.drafted" in actions else None
    found = (draft.status, [draft.number] if draft.number else []) if draft else (None, [])
    if found != (status, scheduled) or (draft and "campaign.drafted" not in actions):
        yield Violation("deeds", f"campaign {name}", f"was prepared as {draft}; by the lines {actions}")


def _reviews(table: Table, deeds: Mapping[str, list[Line]]) -> Iterator[Violation]:
    decided = {
        f"event/{name}/{receipt.event_id}": receipt.status
        for name, member in table.members.items()
        for receipt in member.receipts.values()
        if receipt.decided_by
    }
    for target in sorted({*decided, *(target for target in deeds if target.startswith("event/"))}):
        said = [DECIDED.get(line.action) for line in deeds.get(target, ())]
        if said != [decided.get(target)]:
            yield Violation("deeds", target, f"is {decided.get(target)} by a decision; by the lines {said}")
