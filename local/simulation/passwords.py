"""The department of the points password: set, tried rightly and wrongly, locked.

The reference of it, once more from the contract: above ``password_above`` points in a day a request needs the password;
a try is counted before it is looked at, after ``tries`` wrong ones there is none for ``lock_minutes``, and one that is
right starts the count anew.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jifen.domain import passwords as real
from jifen.domain.debits import Guard
from jifen.domain.ids import parse_document_id
from jifen.service import guarding
from local.audit import Violation
from local.simulation.department import Data, Deed, Department, Draft, Found, replaced
from local.simulation.happenings import Wish
from local.simulation.history import Authorize, Clear, Declined, Give, Redeem, Refused, SetPassword, Step, Try
from local.simulation.programs import chance
from local.simulation.table import Item, Key
from local.simulation.till import Proof

if TYPE_CHECKING:
    from local.simulation.reference import Reference
    from local.simulation.world import World

REQUEST_S = 10.0
WRONG = "a wrong guess"


def right(member: str) -> str:
    """The password of a member, in every story in which the member has one."""
    return f"the word of {member}"


# The reference -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a member's password."""

    text: str
    failures: int = 0
    locked_until: datetime | None = None
    usable_from: datetime | None = None

    def tried(self, tries: int, lock: timedelta, now: datetime) -> Known:
        """With one try more."""
        failures = self.failures
        if self.locked_until is not None:
            if self.locked_until > now:
                raise Declined("POINTS_PASSWORD_LOCKED", resets_at=self.locked_until.isoformat())
            failures = 0
        failures += 1
        return replace(self, failures=failures, locked_until=now + lock if failures >= tries else None)


def _known(reference: Reference, member: str) -> Known | None:
    found: Known | None = reference.books.get(("password", member))
    return found


def _tried(reference: Reference, known: Known, now: datetime) -> Known:
    terms = reference.program.security
    return known.tried(terms.tries, timedelta(minutes=terms.lock_minutes), now)


def proof(reference: Reference, password: str | None) -> Proof:
    """What a request has shown that got so far: a wrong password is turned down before."""
    above = reference.program.security.password_above
    return Proof(above, shown=above is None or password is not None)


def says(reference: Reference, member: str, password: str, now: datetime) -> Refused | None:
    """What is said to a password that is shown: nothing to the right one. A step that is applied has passed that."""
    known = _known(reference, member)
    if known is None:
        return Refused("POINTS_PASSWORD_NOT_SET")
    if known.usable_from is not None and now < known.usable_from:
        return Refused("POINTS_PASSWORD_TOO_NEW", resets_at=known.usable_from.isoformat())
    try:
        after = _tried(reference, known, now)
    except Declined as declined:
        return declined.said
    if password == known.text:
        return None
    left = max(0, reference.program.security.tries - after.failures)
    locked = after.locked_until.isoformat() if after.locked_until else None
    return Refused("POINTS_PASSWORD_WRONG", left=left, resets_at=locked)


def is_about_it(said: Refused) -> bool:
    """Whether a refusal is about the password that was shown, and not about anything else."""
    return said.code.startswith("POINTS_PASSWORD_") and said.code != "POINTS_PASSWORD_REQUIRED"


def _set(reference: Reference, step: SetPassword, now: datetime) -> Mapping[str, Any]:
    minutes = reference.program.security.new_password_minutes
    usable = now + timedelta(minutes=minutes) if minutes else None
    reference.books["password", step.member] = Known(step.password, usable_from=usable)
    return {"member_id": step.member, "is_set": True}


def _try(reference: Reference, step: Try, now: datetime) -> Mapping[str, Any]:
    known = _known(reference, step.member)
    if known is None:
        raise Declined("POINTS_PASSWORD_NOT_SET")
    reference.books["password", step.member] = _tried(reference, known, now)
    return {}


def _clear(reference: Reference, step: Clear, _now: datetime) -> Mapping[str, Any]:
    known = _known(reference, step.member)
    if known is None:
        raise Declined("POINTS_PASSWORD_NOT_SET")
    reference.books["password", step.member] = replace(known, failures=0, locked_until=None)
    return {}


# The story -----------------------------------------------------------------------------------------------------------


def _terms(rng: random.Random, focus: str, _currency: str | None) -> Data:
    if not chance(rng, {"orders": 0.2, "gifts": 0.3, "guesses": 1.0}.get(focus, 0.1)):
        return {}
    return {
        "security": {
            "password_above": rng.choice((0, 5, 20, 60)),
            "tries": rng.choice((1, 2, 2, 3)),
            "lock_minutes": rng.choice((1, 10, 60, 1_440)),
            "new_password_minutes": rng.choice((0, 0, 0, 5)),
        }
    }


def _opening(draft: Draft) -> Sequence[Wish]:
    """Most members set a password, some after all else that happens before."""
    rng = draft.rng
    if draft.program.security.password_above is None:
        return ()
    members = [member for member in draft.members if chance(rng, 0.85)]
    return [Wish(f"password of {member}", SetPassword(member, right(member))) for member in members]


def comes_along(rng: random.Random, member: str, focus: str) -> str | None:
    """The password that a request brings: none, the right one, or a guess."""
    found: str | None = rng.choice(
        (None, right(member), right(member), WRONG, *((WRONG,) if focus == "guesses" else ()))
    )
    return found


def with_password(rng: random.Random, step: Step, focus: str) -> Step:
    """A step of a member with what it brings along."""
    if isinstance(step, (Redeem, Authorize, Give)):
        return replace(step, password=comes_along(rng, step.member, focus))
    return step


# The real thing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Guess:
    """A password that was looked at, under the try of commit ``claim`` (0: none was counted), and what came of it."""

    member: str
    password: str
    claim: int
    right: bool


def guard(world: World, member: str, password: str | None, now: datetime) -> Callable[[], Guard]:
    """What the functions ask before points are spent."""
    here, moment = world.runtime, world.runtime.program.moment(now)
    patience = here.patience(world.context(REQUEST_S))
    return guarding.guard_when_asked(here.ledger, here.program, moment, patience, member, password)


def _perform_set(world: World, wish: Wish, now: datetime) -> Any:
    step = wish.step
    assert isinstance(step, SetPassword)
    moment, patience = world.runtime.program.moment(now), world.runtime.patience(world.context(REQUEST_S))
    desk = guarding.Passwords(world.runtime.ledger, world.runtime.program, moment, patience)
    salt = bytes(world.rng.randrange(256) for _ in range(16))
    told = desk.change(step.member, step.password, step.current, lambda: salt, waits=True)
    return {name: value for name, value in told.items() if name in {"member_id", "is_set"}}


def _digest(password: str, salt: bytes, _work: object) -> str:
    """As good as scrypt where nobody attacks, and a thousand times as quick."""
    return hashlib.sha256(salt + password.encode()).hexdigest()


def _patches(world: World) -> Sequence[AbstractContextManager[None]]:
    """The real code tells when it counts a try, looks at a password and forgets tries."""
    prove, claimed, looked_at = guarding.prove, guarding.Passwords.claimed, guarding.Passwords.looked_at

    def proving(*args: Any, **named: Any) -> None:
        about = world.network.current()
        try:
            prove(*args, **named)
        finally:
            world.about(about)

    def claiming(desk: guarding.Passwords, known: real.PointsPassword) -> real.PointsPassword:
        world.doing(Try(known.member), desk.moment.now)
        return claimed(desk, known)

    def looking(desk: guarding.Passwords, known: real.PointsPassword, password: str) -> real.PointsPassword:
        trying = isinstance(world.network.current().step, Try)
        claim = world.committed_now() if trying else 0
        found: real.PointsPassword | None = None
        try:
            found = looked_at(desk, known, password)
        finally:
            world.records.noted.append(Guess(known.member, password, claim, found is not None))
        world.doing(Clear(known.member), desk.moment.now)
        return found

    return [
        replaced(real, "_digest", _digest),
        replaced(guarding, "prove", proving),
        replaced(guarding.Passwords, "claimed", claiming),
        replaced(guarding.Passwords, "looked_at", looking),
    ]


# The laws ------------------------------------------------------------------------------------------------------------


def _written(reference: Reference, key: Key, item: Item) -> Found:
    pk, sk = key
    if sk != "PW":
        return
    member, facts = pk.removeprefix("M#"), json.loads(item["facts"]["S"])
    known = _known(reference, member)
    locked = facts.get("locked_until")
    row = (facts.get("failures", 0), locked and datetime.fromisoformat(locked))
    there = (known.failures, known.locked_until) if known else None
    if row != there:
        yield Violation("refinement", f"password of {member}", f"{row}; the reference has {there}")


def _judge(world: World) -> Found:
    yield from _guesses(world)
    yield from _guarded(world)
    if world.story.program.security.password_above is not None:
        yield from _told_nothing(world)


def _guesses(world: World) -> Found:
    """Each look at a password has a try of its own, and of so many wrong ones as lock it a lock is among the tries."""
    terms = world.story.program.security
    lock = timedelta(minutes=terms.lock_minutes)
    for member in world.story.members:
        guesses = [one for one in world.records.noted if isinstance(one, Guess) and one.member == member]
        claims = [one.claim for one in guesses]
        if 0 in claims or len(set(claims)) < len(claims):
            yield Violation("guesses", member, f"a password was looked at without a try of its own: {guesses}")
            continue
        tries = {
            commit.number: commit.doing.now
            for commit in world.network.committed
            if commit.doing.step == Try(member) and commit.doing.now is not None
        }
        wrong: list[int] = []
        for one in sorted(guesses, key=lambda one: one.claim):
            wrong = [] if one.right else [*wrong, one.claim]
            if one.right != (one.password == right(member)):
                yield Violation("guesses", member, f"{one} is what the ledger made of it")
            if len(wrong) > terms.tries:
                first = wrong[-terms.tries - 1]
                nows = [now for number, now in sorted(tries.items()) if first <= number <= one.claim]
                if not any(later - sooner >= lock for sooner, later in pairwise(nows)):
                    yield Violation(
                        "guesses", member, f"commits {wrong} looked at wrong ones, and no lock between them"
                    )


def _guarded(world: World) -> Found:
    """What was spent in a day without the password is within the limit, however it was spent."""
    above = world.story.program.security.password_above
    if above is None:
        return
    spent: dict[tuple[str, Any], int] = {}
    for commit in world.network.committed:
        step, now = commit.doing.step, commit.doing.now
        if not isinstance(step, (Redeem, Authorize, Give)) or now is None:
            continue
        day = world.story.program.moment(now).today
        key = (step.member, day)
        spent[key] = spent.get(key, 0) + points_of(world, step, commit.number)
        if step.password is None and spent[key] > above:
            yield Violation("guarded", step.member, f"{step} brings {day} to {spent[key]} without the password")
        if step.password is not None and step.password != right(step.member):
            yield Violation("guarded", step.member, f"{step} went through with a wrong password")
        if step.password == right(step.member) and spent[key] > above:
            world.reached["spent above the limit with the points password"] += 1


def _told_nothing(world: World) -> Found:
    """Who guesses wrongly is not told what the account has."""
    for told in world.records.answered:
        step, answer = told.step, told.answer
        guessed = isinstance(step, Redeem | Authorize | Give) and step.password not in {None, right(step.member)}
        if guessed and isinstance(answer, Refused) and answer.code == "INSUFFICIENT_POINTS":
            yield Violation("guarded", told.key, f"{step} was told {answer}")


def points_of(world: World, step: Redeem | Authorize | Give, number: int) -> int:
    """What one commit took out of the member's lots."""
    found = parse_document_id(step.id)
    assert found is not None
    kinds = {"redeem", "hold", "transfer_out"}
    puts = world.table.commits[number - 1].puts
    entries = [item for (pk, sk), item in puts.items() if pk == f"M#{found.member}" and sk.startswith("E#")]
    taken = [json.loads(item["lots"]["S"]) for item in entries if item["kind"]["S"] in kinds and "lots" in item]
    return -sum(int(row[0]) for rows in taken for row in rows)


def rows_of(member: str, said: Refused, others: Sequence[Key]) -> Sequence[Key]:
    """What a refusal rests on: the password, or ``others``."""
    return [(f"M#{member}", "PW")] if is_about_it(said) else others


def _row(item: Item) -> Iterator[str]:
    facts = json.loads(item["facts"]["S"])
    if facts.get("locked_until"):
        yield "ended with a locked password"
    if facts.get("failures"):
        yield "ended with tries that were wrong"


DEPARTMENT = Department(
    name="points password",
    terms=_terms,
    opening=_opening,
    deeds={
        SetPassword: Deed(lambda step: f"{step.member} sets a points password", _set, _perform_set),
        Try: Deed(lambda step: f"a try at the points password of {step.member}", _try),
        Clear: Deed(lambda step: f"the points password of {step.member} was right", _clear),
    },
    patches=_patches,
    written=_written,
    laws={
        "guesses": "a points password is looked at once for each try that was counted before, and a wrong one no more "
        "often between two locks than the program allows",
        "guarded": "at no commit has a member spent more in a day than the program lets go without the points "
        "password, unless the right one came along; a wrong one is told nothing of the points",
    },
    judge=_judge,
    reachable=(
        "refused: POINTS_PASSWORD_REQUIRED",
        "refused: POINTS_PASSWORD_WRONG",
        "refused: POINTS_PASSWORD_LOCKED",
        "refused: POINTS_PASSWORD_NOT_SET",
        "refused: POINTS_PASSWORD_TOO_NEW",
        "ended with a locked password",
        "ended with tries that were wrong",
        "spent above the limit with the points password",
    ),
    visited={"PW": _row},
)
