"""The ways of spending that take part in the simulation, and what all of them bring together."""

from __future__ import annotations

from typing import Any

from local.simulation import checkouts, life, mall, passwords, transfers
from local.simulation.department import Deed, Department

DEPARTMENTS: tuple[Department, ...] = (
    checkouts.DEPARTMENT,
    passwords.DEPARTMENT,
    transfers.DEPARTMENT,
    mall.DEPARTMENT,
    life.DEPARTMENT,
)
"""Every department. Each draws from the seed on its own, so that one more leaves the stories of the others alone."""

_DEEDS = {kind: deed for department in DEPARTMENTS for kind, deed in department.deeds.items()}


def deed_of(step: Any) -> Deed:
    """What there is to know of a step of a department."""
    return _DEEDS[type(step)]


def is_deed(step: Any) -> bool:
    """Whether a step is one of a department."""
    return type(step) in _DEEDS
