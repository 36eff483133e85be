"""Ruling as values: versions of the program, which of them is in force, campaigns being prepared, and who did what.

    RuleVersion 1  PUBLISHED ──┐ rolled back to
    RuleVersion 2  PUBLISHED <─┼─── ProgramInForce: number 2, and the highest number handed out
    RuleVersion 3  DRAFT       ┘
    0 is the program of the stack's own parameter, in force until one is published

A version's program never changes; publishing sets who published it and when, and what is in force names its number.
Awards name the rules they were made under by the fingerprint of their text, so that two versions with the same rules
are one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any


class RuleStatus(StrEnum):
    """What became of a version. A published one stays so when another one takes its place."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """One version of the program.

    Attributes:
        number: from 1 on, without gaps.
        fingerprint: of its rules, see :func:`rules_fingerprint`.
        program: the program file, canonical JSON.
        note: what it is for, in its author's words.
        by, at: who wrote it, and when.
        based_on: number of the version that was in force then.
        status: see :class:`RuleStatus`.
        published_by, published_at, reason: who published it, when and why; empty while it is a draft.
        override: why it was published against what the check of rules found; None where it was not.
        version: counts writes of this document; 0 is one never written.
    """

    number: int
    fingerprint: str
    program: str
    note: str
    by: str
    at: datetime
    based_on: int
    status: RuleStatus = RuleStatus.DRAFT
    published_by: str = ""
    published_at: datetime | None = None
    reason: str = ""
    override: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class ProgramInForce:
    """Which version counts now.

    Attributes:
        number: of the version; 0 is the stack's own program.
        highest: the highest number handed out, drafts included.
        previous: the version that was in force before.
        fingerprint: of its rules; empty for 0.
        program: its program file, canonical JSON, so that one read is enough; empty for 0.
        since: when it came into force; None while nothing was ever published.
        version: counts writes of this document; 0 is one never written.
    """

    number: int = 0
    highest: int = 0
    previous: int = 0
    fingerprint: str = ""
    program: str = ""
    since: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class StoredRules:
    """Rules by content: ``source`` is the canonical JSON they are read from, ``number`` the version they first had."""

    fingerprint: str
    source: str
    number: int = 0
    version: int = 0


class DraftStatus(StrEnum):
    """What became of a campaign that was prepared."""

    DRAFT = "DRAFT"
    SCHEDULED = "SCHEDULED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class CampaignDraft:
    """A campaign as an operator prepared it. Once it is scheduled it is part of a version of the program.

    Attributes:
        id: as in the program file.
        campaign: its object of the program file's ``earning.campaigns``, canonical JSON.
        template: the template it was made from; empty for free rules.
        note: in its author's words.
        by, at: who prepared it, and when.
        status: see :class:`DraftStatus`.
        number: of the version that took it in; 0 before.
        version: counts writes of this document; 0 is one never written.
    """

    id: str
    campaign: str
    template: str
    note: str
    by: str
    at: datetime
    status: DraftStatus = DraftStatus.DRAFT
    number: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One thing that an operator did; never changed.

    Attributes:
        id: the same for every attempt of one request.
        at: when; its month in UTC is the month it is listed under.
        actor: role and name, as entries have it.
        action: what, such as ``ruleset.published``.
        target: on what, such as ``ruleset/3`` or ``campaign/double-eleven``.
        reason: why, in the operator's words.
        details: what else is worth knowing of it.
    """

    id: str
    at: datetime
    actor: str
    action: str
    target: str
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0


@lru_cache(maxsize=64)
def rules_fingerprint(source: str) -> str:
    """The name of rules by their content: the first 32 hex characters of the SHA-256 of ``RuleSet.source``."""
    return hashlib.sha256(source.encode()).hexdigest()[:32]


# What differs between two programs --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """What stands at one path of the program file in one version and in another; None where nothing does."""

    path: str
    old: object
    new: object


def changes(old: object, new: object, path: str = "") -> Iterator[Change]:
    """Every difference of two program files, by path.

    What has an id is found by it, wherever it stands: ``earning.rules[base].rate.points``. Where the order of such a
    list has changed, ``earning.rules[]`` says so.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from changes(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        return
    before, after = _by_id(old), _by_id(new)
    if before is None or after is None:
        if old != new:
            yield Change(path, old, new)
        return
    for name in sorted({*before, *after}):
        yield from changes(before.get(name), after.get(name), f"{path}[{name}]")
    kept = ([name for name in before if name in after], [name for name in after if name in before])
    if kept[0] != kept[1]:
        yield Change(f"{path}[]", *kept)


def _by_id(listed: object) -> dict[str, object] | None:
    """The objects of a list by their ids; None for anything else."""
    if not isinstance(listed, list):
        return None
    found: dict[str, object] = {
        each["id"]: each for each in listed if isinstance(each, Mapping) and isinstance(each.get("id"), str)
    }
    return found if len(found) == len(listed) else None
