"""Notices besides reminders on the shop's event bus: one event for each, or none at all where there is no bus."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from jifen.adapters.notify.herald import EventHerald, NoHerald
from jifen.runtime import Runtime, Settings
from jifen.service.ports import NotSent, Undeliverable


class Events:
    """EventBridge as far as one event needs it."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer
        self.put: list[dict[str, Any]] = []

    def put_events(self, **asked: Any) -> dict[str, Any]:
        """Take the events, or fail."""
        if isinstance(self.answer, Exception):
            raise self.answer
        self.put += asked["Entries"]
        return self.answer


def test_a_notice_is_one_event_with_an_id_of_its_own() -> None:
    """Kind, member and facts are in it, and texts in their own script."""
    events = Events({"FailedEntryCount": 0})
    EventHerald(events, "shop").tell("reward.in_stock", "n-1", "会员", {"reward_id": "cup", "title": "杯子"})
    (entry,) = events.put
    assert ("shop", "jifen", "reward.in_stock") == (entry["EventBusName"], entry["Source"], entry["DetailType"])
    assert {"notice_id": "n-1", "member_id": "会员", "reward_id": "cup", "title": "杯子"} == json.loads(entry["Detail"])
    assert "杯子" in entry["Detail"]


@pytest.mark.parametrize("answer", [{"FailedEntryCount": 1}, EndpointConnectionError(endpoint_url="https://events")])
def test_what_the_bus_did_not_take_is_tried_again(answer: dict[str, Any] | Exception) -> None:
    """Whether it refused the event or did not answer."""
    with pytest.raises(NotSent):
        EventHerald(Events(answer), "shop").tell("k", "n", "m", {})


def test_without_a_bus_nobody_can_be_told() -> None:
    """That is told as what it is, and not tried again."""
    herald = Runtime(Settings()).herald
    assert isinstance(herald, NoHerald)
    with pytest.raises(Undeliverable):
        herald.tell("k", "n", "m", {})
    assert isinstance(Runtime(Settings(event_bus="shop")).herald, EventHerald)
