"""Ruling: a draft of the program, its publication, the way back; and what stands in which version.

    draft ──> RuleVersion n, DRAFT ──publish──> PUBLISHED, in force ──another is published──> PUBLISHED
                    │                               ^                                             │
                    └ LINT_BLOCKS, RULES_MOVED      └──────────────── roll back ──────────────────┘

Each step is one transaction: the version, what is in force, the rules by content, a line of the audit and the answer
under the caller's idempotency key. Nothing is decided on a version that has moved meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, NamedTuple, Protocol

from jifen.domain.entries import instant_text
from jifen.domain.errors import Fault, InvalidProgram, LintBlocks, RuleSetNotFound, RulesMoved, WrongStatus
from jifen.domain.ids import fingerprint
from jifen.domain.notice_terms import NO_NOTICES, notices_plain
from jifen.domain.operator_views import (
    ChangeView,
    FindingView,
    ProgramView,
    RuleSetsView,
    RuleSetView,
    RuleSetWhole,
    RuleSetWritten,
)
from jifen.domain.program import Moment, Program, parse_program
from jifen.domain.reader import decimal
from jifen.domain.ruling import (
    AuditLine,
    Change,
    ProgramInForce,
    RuleStatus,
    RuleVersion,
    StoredRules,
    changes,
    rules_fingerprint,
)
from jifen.domain.validity_terms import policies_plain
from jifen.service.answering import Answer, Once, Outcome, answer_once
from jifen.service.in_force import read_program
from jifen.service.ports import (
    RULE_VERSIONS,
    Document,
    Ledger,
    Patience,
    Posting,
    ProgramKey,
    RulesKey,
    RuleVersionKey,
    settle,
)

PROGRAM_BYTES_MAX = 300_000
"""The longest program file that is kept; packed it fits into an item, whatever is written in it."""

CHANGES_MAX = 200
"""Differences that an answer shows."""

CHANGES_LENGTH_MAX = 50_000
"""Characters of JSON that it shows of them; of what would be more it says how long it is. Answers are kept as items."""

CHANGE_SHORT = 80
"""Characters that are shown in any case."""

Data = Mapping[str, Any]


class Finding(Protocol):
    """What a check of rules says of a program; see :mod:`jifen.domain.lint`."""

    @property
    def code(self) -> str:
        """What kind of loop it is."""

    @property
    def severity(self) -> str:
        """``error`` or ``warning``."""

    @property
    def story(self) -> tuple[str, ...]:
        """How it is done, step by step."""

    @property
    def gain_points(self) -> int:
        """What it gains."""

    @property
    def cost_minor(self) -> int:
        """What it costs, in minor units."""

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules it needs."""


Lint = Callable[[Program], Sequence[Finding]]


@dataclass(frozen=True, slots=True)
class Desk:
    """What a request of an operator comes with.

    Attributes:
        ledger: where everything is kept.
        own: the stack's own program, version 0.
        lint: the check of rules.
        moment: now.
        patience: how long the caller can wait.
        subject: the caller's token's subject; the idempotency key is the caller's own.
        actor: role and name, for the audit.
        key: the idempotency key; empty for a request that needs none.
    """

    ledger: Ledger
    own: Program
    lint: Lint
    moment: Moment
    patience: Patience
    subject: str
    actor: str
    key: str = ""

    def once(self, operation: str, asked: object, decide: Callable[[str], Outcome]) -> Answer:
        """The answer of a request, the same however often it is sent; ``decide`` is given an id for its audit."""
        once = Once.asked(self.subject, self.key, fingerprint(operation, asked))
        return answer_once(self.ledger, self.patience, once, lambda: decide(once.key[:22]))[1]

    def line(self, line_id: str, action: str, target: str, reason: str, details: Data | None = None) -> AuditLine:
        """A line of the audit, for what is done now."""
        return AuditLine(line_id, self.moment.now, self.actor, action, target, reason, details or {})

    def in_force(self) -> ProgramInForce:
        """Which version counts, as it is in the table at this moment."""
        found = self.ledger.load([], [ProgramKey()]).documents.get(ProgramKey())
        return found if isinstance(found, ProgramInForce) else ProgramInForce()

    def data_of(self, in_force: ProgramInForce) -> dict[str, Any]:
        """The program file in force."""
        data: dict[str, Any] = json.loads(in_force.program) if in_force.number else plain(self.own)
        return data

    def parsed(self, data: Data) -> tuple[str, Program]:
        """A program file as it is kept, and the program it says. Without a time zone it has the stack's own.

        Raises:
            InvalidProgram: with every fault by its path.
        """
        return kept_as({"time_zone": self.own.zone.key, **data})

    def findings(self, program: Program) -> list[FindingView]:
        """What the check of rules says, as the API shows it."""
        return [
            {
                "code": str(one.code),
                "severity": str(one.severity),
                "story": list(one.story),
                "gain_points": one.gain_points,
                "cost_minor": one.cost_minor,
                "rules": list(one.rules),
            }
            for one in self.lint(program)
        ]


def kept_as(data: Data) -> tuple[str, Program]:
    """A whole program file as it is kept, and the program it says.

    Raises:
        InvalidProgram: with every fault by its path; or with all its campaigns it is too long to be kept.
    """
    text = canonical(data)
    if len(text.encode()) > PROGRAM_BYTES_MAX:
        raise InvalidProgram([Fault("program", f"is longer than {PROGRAM_BYTES_MAX} bytes")])
    return text, parse_program(data)


def canonical(data: Data) -> str:
    """A program file as it is kept: JSON with sorted keys and no blanks."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plain(program: Program) -> dict[str, Any]:
    """The program file of a program that was read from one, without what would be so anyhow.

    ``parse_program(plain(program)) == program``.
    """
    default = Program()
    said = {
        "clawback": (str(program.clawback), str(default.clawback)),
        "redemption": (_redemption(program), _redemption(default)),
        "holds": (asdict(program.holds), asdict(default.holds)),
        "transfers": (asdict(program.transfers), asdict(default.transfers)),
        "mall": (asdict(program.mall), asdict(default.mall)),
        "security": (asdict(program.security), asdict(default.security)),
        "reminders": ({"lead_days": list(program.lead_days)}, {"lead_days": list(default.lead_days)}),
        # That there is such a section is worth a word by itself: it makes one message a day the most.
        "notices": (notices_plain(program.notices) if program.notices is not NO_NOTICES else None, None),
        "validity": ({"policies": policies_plain(program.policies)}, {"policies": []}),
    }
    return {
        "time_zone": program.zone.key,
        **json.loads(program.rules.source or "{}"),
        **{key: value for key, (value, usual) in said.items() if value != usual},
    }


def _redemption(program: Program) -> dict[str, Any]:
    """The section ``redemption`` as a program file has it."""
    terms = program.redemption
    said = asdict(terms) | {
        "max_order_share": decimal(terms.max_order_share) if terms.max_order_share is not None else None,
        "lines": [
            {
                "categories": list(one.categories),
                "unit_price_from_minor": one.unit_price_from_minor,
                "max_share": decimal(one.max_share),
            }
            for one in terms.lines
        ],
    }
    del said["worth"]
    if terms.worth.minor is None:
        return said | {"points_per_unit": terms.worth.points}
    return said | {"worth": {"points": terms.worth.points, "minor": terms.worth.minor}}


# Publication ---------------------------------------------------------------------------------------------------------


class Publication(NamedTuple):
    """What is written when a version comes into force, and what the check of rules said."""

    version: RuleVersion
    documents: tuple[Document, ...]
    findings: list[FindingView]


def publication(
    desk: Desk, in_force: ProgramInForce, written: RuleVersion, program: Program, reason: str, override: str | None
) -> Publication:
    """Put a version in force.

    Args:
        desk: the request.
        in_force: what counts until now.
        written: the version, a draft.
        program: what its program file says.
        reason: why.
        override: why in spite of what the check of rules finds; None where nobody says so.

    Raises:
        LintBlocks: the check found an error, and nobody overrides it.
    """
    findings = desk.findings(program)
    errors = [one for one in findings if one["severity"] == "error"]
    if errors and not override:
        raise LintBlocks([dict(one) for one in errors])
    now = desk.moment.now
    published = replace(
        written,
        status=RuleStatus.PUBLISHED,
        published_by=desk.actor,
        published_at=now,
        reason=reason,
        override=override if errors else None,
    )
    counts = replace(
        in_force,
        number=written.number,
        highest=max(in_force.highest, written.number),
        previous=in_force.number,
        fingerprint=written.fingerprint,
        program=written.program,
        since=now,
    )
    return Publication(published, (published, counts, *_kept(desk.ledger, written, program)), findings)


def _kept(ledger: Ledger, written: RuleVersion, program: Program) -> tuple[Document, ...]:
    key = RulesKey(written.fingerprint)
    if key in ledger.load([], [key]).documents:
        return ()
    return (StoredRules(written.fingerprint, program.rules.source, written.number),)


def published_details(made: Publication, in_force: ProgramInForce) -> dict[str, Any]:
    """What the audit says of a publication."""
    return {
        "was": in_force.number,
        "findings": [one["code"] for one in made.findings],
        **({"override": made.version.override} if made.version.override else {}),
    }


# Use cases -----------------------------------------------------------------------------------------------------------


def draft(desk: Desk, data: Data, note: str) -> Answer:
    """Keep a program file as a draft, under the next number.

    Raises:
        InvalidProgram, IdempotencyKeyReused, Busy
    """
    text, program = desk.parsed(data)

    def decide(line_id: str) -> Outcome:
        in_force, findings = desk.in_force(), desk.findings(program)
        written = _written(desk, in_force, text, program, note)
        line = desk.line(line_id, "ruleset.drafted", f"ruleset/{written.number}", note, {"based_on": in_force.number})
        counted = replace(in_force, highest=written.number)
        return Outcome(201, _answer(desk, written, in_force, findings), (written, counted, line))

    return desk.once("draft", [text, note], decide)


def _written(desk: Desk, in_force: ProgramInForce, text: str, program: Program, note: str) -> RuleVersion:
    print_ = rules_fingerprint(program.rules.source)
    return RuleVersion(in_force.highest + 1, print_, text, note, desk.actor, desk.moment.now, in_force.number)


def publish(desk: Desk, number: int, reason: str, override: str | None, *, rebase: bool) -> Answer:
    """Put a draft in force; ``rebase``: also over a version other than the one it was made on.

    Raises:
        RuleSetNotFound, WrongStatus, RulesMoved, LintBlocks, InvalidProgram, IdempotencyKeyReused, Busy
    """

    def decide(line_id: str) -> Outcome:
        in_force, written = desk.in_force(), _version(desk, number)
        if written.status is not RuleStatus.DRAFT:
            raise WrongStatus(status_now=str(written.status), needs=[str(RuleStatus.DRAFT)])
        if written.based_on != in_force.number and not rebase:
            raise RulesMoved(based_on=written.based_on, in_force=in_force.number)
        program = read_program(number, written.program)
        made = publication(desk, in_force, written, program, reason, override)
        line = desk.line(line_id, "ruleset.published", f"ruleset/{number}", reason, published_details(made, in_force))
        answer = _answer(desk, made.version, replace(in_force, number=number), made.findings, before=in_force)
        return Outcome(200, answer, (*made.documents, line))

    return desk.once("publish", [number, reason, override, rebase], decide)


def roll_back(desk: Desk, number: int, reason: str) -> Answer:
    """Put a version in force that was so before; 0 is the stack's own program.

    Raises:
        RuleSetNotFound, WrongStatus, InvalidProgram, IdempotencyKeyReused, Busy
    """

    def decide(line_id: str) -> Outcome:
        in_force = desk.in_force()
        if number == in_force.number:
            raise WrongStatus(status_now="IN_FORCE", needs=[str(RuleStatus.PUBLISHED)])
        counts = replace(in_force, number=number, previous=in_force.number, since=desk.moment.now)
        if number:
            target = _version(desk, number)
            if target.status is not RuleStatus.PUBLISHED:
                raise WrongStatus(status_now=str(target.status), needs=[str(RuleStatus.PUBLISHED)])
            program = read_program(number, target.program)
            counts = replace(counts, fingerprint=target.fingerprint, program=target.program)
        else:
            target, program = _own(desk), desk.own
            counts = replace(counts, fingerprint="", program="")
        line = desk.line(line_id, "ruleset.rolled_back", f"ruleset/{number}", reason, {"was": in_force.number})
        return Outcome(200, _answer(desk, target, counts, desk.findings(program), before=in_force), (counts, line))

    return desk.once("roll back", [number, reason], decide)


def put(desk: Desk, data: Data, reason: str, override: str | None) -> ProgramView:
    """Put a program file in force at once, as a version of its own; the one that is in force changes nothing.

    Raises:
        InvalidProgram, LintBlocks, Busy
    """
    text, program = desk.parsed(data)

    def attempt() -> ProgramView:
        in_force = desk.in_force()
        if text == canonical(desk.data_of(in_force)):
            return _program_view(desk, in_force) | {"findings": desk.findings(program)}
        made = publication(desk, in_force, _written(desk, in_force, text, program, ""), program, reason, override)
        target, details = f"ruleset/{made.version.number}", published_details(made, in_force)
        line_id = fingerprint("put", [made.version.number, desk.subject])[:22]
        line = desk.line(line_id, "ruleset.published", target, reason, details)
        desk.ledger.commit(Posting(documents=(*made.documents, line)), desk.patience)
        (counts,) = (one for one in made.documents if isinstance(one, ProgramInForce))
        return _program_view(desk, counts) | {"findings": made.findings}

    return settle(desk.patience, attempt)


# Reading -------------------------------------------------------------------------------------------------------------


def program_view(desk: Desk) -> ProgramView:
    """The program in force."""
    return _program_view(desk, desk.in_force())


def rule_set_view(desk: Desk, number: int) -> RuleSetWhole:
    """One version whole: its program file, how it differs from the one in force, what the check of rules says.

    Raises:
        RuleSetNotFound: there is none of this number.
        InvalidProgram: it was written by a later release and cannot be read by this one.
    """
    in_force = desk.in_force()
    version = _version(desk, number) if number else _own(desk)
    program = read_program(number, version.program)
    seen = _answer(desk, version, in_force, desk.findings(program))
    return {**seen, "program": json.loads(version.program)}


def rule_sets_view(desk: Desk, before: str | None, limit: int) -> RuleSetsView:
    """A page of versions, the newest first; the cursor is the ledger's own."""
    in_force = desk.in_force()
    page = desk.ledger.listed(RULE_VERSIONS, before, limit)
    found = [_view(one, in_force) for one in page.documents if isinstance(one, RuleVersion)]
    return {"rulesets": found, "in_force": in_force.number, "cursor": page.cursor}


def _version(desk: Desk, number: int) -> RuleVersion:
    found = desk.ledger.load([], [RuleVersionKey(number)]).documents.get(RuleVersionKey(number))
    if not isinstance(found, RuleVersion):
        raise RuleSetNotFound
    return found


def _own(desk: Desk) -> RuleVersion:
    """The stack's own program as a version, 0."""
    print_, text = rules_fingerprint(desk.own.rules.source), canonical(plain(desk.own))
    return RuleVersion(0, print_, text, "", "", desk.moment.now, 0, RuleStatus.PUBLISHED)


def _program_view(desk: Desk, in_force: ProgramInForce) -> ProgramView:
    return {
        "number": in_force.number,
        "previous": in_force.previous,
        "fingerprint": in_force.fingerprint or rules_fingerprint(desk.own.rules.source),
        "since": instant_text(in_force.since) if in_force.since else None,
        "program": desk.data_of(in_force),
    }


def _answer(
    desk: Desk,
    version: RuleVersion,
    in_force: ProgramInForce,
    findings: list[FindingView],
    before: ProgramInForce | None = None,
) -> RuleSetWritten:
    """A version with what it changes: of the program in force, or of the one ``before``."""
    differs = changes(desk.data_of(before or in_force), json.loads(version.program))
    return {**_view(version, in_force), "changes": _shown(differs), "findings": findings}


def _shown(differs: Iterable[Change]) -> list[ChangeView]:
    left = CHANGES_LENGTH_MAX
    shown: list[ChangeView] = []
    for one in islice(differs, CHANGES_MAX):
        sides = []
        for value in (one.old, one.new):
            length = len(json.dumps(value, ensure_ascii=False))
            left -= min(length, left)
            sides.append(value if left or length <= CHANGE_SHORT else f"({length} characters)")
        shown.append({"path": one.path, "old": sides[0], "new": sides[1]})
    return shown


def _view(version: RuleVersion, in_force: ProgramInForce) -> RuleSetView:
    return {
        "number": version.number,
        "status": str(version.status),
        "in_force": version.number == in_force.number,
        "fingerprint": version.fingerprint,
        "note": version.note,
        "by": version.by,
        "at": instant_text(version.at) if version.number else None,
        "based_on": version.based_on,
        "published_by": version.published_by or None,
        "published_at": instant_text(version.published_at) if version.published_at else None,
        "reason": version.reason,
        "override": version.override,
    }
