"""What can be listed of sweeps, policies, notices and events out; see :class:`jifen.service.ports.Shelf`."""

from __future__ import annotations

from jifen.service.ports import Shelf

ENDPOINTS = Shelf("endpoints")
"""Every endpoint, ids from z to a."""

BATCHES = Shelf("batches")
"""Every batch of every policy, ids from z to a."""


def shards_of(sweep: str) -> Shelf:
    """The progress of a sweep's runs, the latest run first."""
    return Shelf("sweep shards", owner=sweep)


def rows_of(batch: str, shard: int) -> Shelf:
    """The accounts that a batch changed, of one shard, in no order that means anything."""
    return Shelf("batch rows", owner=f"{batch}#{shard}")


def deliveries_of(endpoint: str, day: str) -> Shelf:
    """The events of a day (2026-11-26, in UTC) at an endpoint, the newest first."""
    return Shelf("deliveries", owner=f"{endpoint}#{day}")


def outgoing_of(hour: str, part: int) -> Shelf:
    """The events of one part of an hour (2026-11-26T09, in UTC), the newest first."""
    return Shelf("outgoing", owner=f"{hour}#{part}")


def failed_notices_of(month: str) -> Shelf:
    """Messages of a month (2026-11, in UTC) that did not go out, the newest first."""
    return Shelf("failed notices", owner=month)
