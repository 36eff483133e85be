"""The department of the life of a point: policies of validity, activity, notices of a void, batches taken back.

    steps ──> the real services                 local.simulation.life_run, on stories of its own (life_story)
    rows  ──> laws, commit by commit            life_laws, with days and voids worked out a second time (life_terms)

Every eighth seed has such a run besides its own, where it has none of the mall. No reference follows its accounts from
commit to commit; what a policy may do to one is worked out again from its rows, and the laws of the ledger hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jifen.service.being import was_here
from jifen.service.sweep_watch import UNCHANGED, Watch
from jifen.service.validity import Asked, Previewing, batch_view, reverse
from local.simulation.department import Deed, Department
from local.simulation.happenings import Wish

if TYPE_CHECKING:
    from local.simulation.world import World

EVERY = 8
PLACE = 5
"""Of so many seeds the one in this place has a run of the life of points."""

REQUEST_S = 10.0
SECRET = b"simulated"
PAGE = 3


@dataclass(frozen=True, slots=True)
class Login:
    """A member is there."""

    member: str


@dataclass(frozen=True, slots=True)
class Preview:
    """An operator looks at what the policies would do today."""


@dataclass(frozen=True, slots=True)
class Pause:
    """An operator pauses the sweep of expiry, or lets it go on."""

    paused: bool


@dataclass(frozen=True, slots=True)
class TakeBatchBack:
    """An operator takes back one of the batches that there are: the one in this place, the latest first."""

    place: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """The batch that a request to take one back is about, whenever it is asked for again."""

    key: str
    batch: str


def is_seed(seed: int) -> bool:
    """Whether a seed has a run of the life of points."""
    return seed % EVERY == PLACE


# What is asked of the real code --------------------------------------------------------------------------------------


def _login(world: World, wish: Wish, now: datetime) -> Any:
    step: Any = wish.step
    patience = world.runtime.patience(world.context(REQUEST_S))
    return was_here(world.runtime.ledger, world.runtime.program.moment(now), patience, step.member, "login")


def _preview(world: World, _wish: Wish, now: datetime) -> Any:
    here, cursor = world.runtime, None
    previewing = Previewing(here.ledger, 0, here.program, now, here.settings.shards, SECRET)
    cases: list[Any] = []
    while True:
        page = previewing.page(None, cursor, PAGE)
        cases += page["cases"]
        cursor = page["cursor"]
        if cursor is None:
            return {"cases": cases}


def _pause(world: World, wish: Wish, now: datetime) -> Any:
    step: Any = wish.step
    patience = world.runtime.patience(world.context(REQUEST_S))
    watch = Watch(
        world.runtime.ledger, world.runtime.program, world.runtime.settings.shards, now, "admin:ada", patience
    )
    return watch.steer("expire", paused=step.paused, pace=UNCHANGED, reason="because")


def batches(world: World) -> list[str]:
    """Every batch that there is, the latest first."""
    found = sorted(sk.removeprefix("VB#") for pk, sk in world.table.items if pk == "BATCHES")
    return sorted(found, key=lambda id_: id_.rpartition(".")[2], reverse=True)


def _take_back(world: World, wish: Wish, now: datetime) -> Any:
    step: Any = wish.step
    chosen = next((one for one in world.records.noted if isinstance(one, Chosen) and one.key == wish.key), None)
    if chosen is None:
        known = batches(world)
        if not known:
            return {}
        chosen = Chosen(wish.key, known[step.place % len(known)])
        world.records.noted.append(chosen)
    here, patience = world.runtime, world.runtime.patience(world.context(REQUEST_S))
    batch_view(here.ledger, SECRET, chosen.batch, None, PAGE)
    asked = Asked("ada", "admin:ada", wish.key)
    answer = reverse(here.ledger, here.sweeps, chosen.batch, "a mistake", asked, here.program.moment(now), patience)
    mine = [task for task in world.tasks if task.batch]
    if mine and not world.network.calm and world.rng.random() < 0.5:  # noqa: PLR2004 - either is as likely
        world.tasks.append(world.rng.choice(mine))  # queues deliver a message twice
    return answer


def _no_reference(_reference: object, step: object, _now: object) -> Any:
    raise AssertionError(step)


LAWS = {
    "due": "a policy does something to an account that qualifies by its rows on that day, and exactly what it says:"
    " which lots move to which day, how many points are voided",
    "none left out": "after a sweep no policy has anything left to do to anybody",
    "told before": "points are voided only once a notice of it went out, as many days before as the policy says, of no"
    " fewer points, that every channel has acknowledged; and of nobody who was there since",
    "room for reminders": "no lot is shortened, or put back, to a day that leaves no room for every reminder, or that"
    " a reminder was sent for",
    "once for each": "a policy does something once for a window of months, or an absence",
    "rows of a batch": "every entry of a policy is in the row of its batch that was written with it, and every row has"
    " its entries; nothing is added to a batch that is being taken back or was",
    "taken back": "what a policy did is taken back once, of a batch that was asked for, and never more than it did",
    "settled": "a batch that was taken back has every row settled in the end",
    "activity": "who was told that a login is known was there on that day, and is known to have been since",
}

REACHABLE = tuple(
    f"life: {state}"
    for state in (
        "lots were extended for spending",
        "lots were extended for an absence",
        "lots were shortened",
        "points were voided",
        "a notice of a void went out",
        "a notice of a void went out again",
        "a login between notice and void",
        "a batch was taken back",
        "a batch was taken back twice",
        "a batch was taken back with nothing left of it",
        "an extension was taken back",
        "a shortening was taken back",
        "points that were shortened and lapsed came back",
        "a void was taken back",
        "a crash in the middle of a taking back",
        "two workers at one part of a batch",
        "a policy raced a decision",
        "the sweep was paused",
        "a preview had cases",
        "points were held while a policy was applied",
    )
)


def _said(step: Any) -> str:
    match step:
        case Login(member):
            return f"{member} is there"
        case Preview():
            return "an operator looks at what policies would do"
        case Pause(paused):
            return f"an operator {'pauses' if paused else 'resumes'} the sweep of expiry"
        case _:
            return f"an operator takes back batch {step.place}"


DEPARTMENT = Department(
    name="life",
    deeds={
        Login: Deed(_said, _no_reference, _login),
        Preview: Deed(_said, _no_reference, _preview),
        Pause: Deed(_said, _no_reference, _pause),
        TakeBatchBack: Deed(_said, _no_reference, _take_back),
    },
    laws=LAWS,
    reachable=REACHABLE,
)
