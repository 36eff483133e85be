"""A shop that lets its members earn, from outside: signed deliveries of orders, behaviour events, check-ins, sweeps.

A :class:`Shop` is one program on a :class:`tests.functions.stage.Stage`; what it answers are points and reasons as the
API shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from jifen.runtime import use
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, Answer, Stage, line

_names = count(1)

Lines = int | Sequence[Mapping[str, Any]]
"""The amount of one line in minor units, or the lines."""


@dataclass
class Shop:
    """What a shop and its members do, each call at the stage's clock."""

    stage: Stage
    currency: str = "CNY"
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def at(self, instant: str) -> None:
        """Put the clock there."""
        self.stage.move_to(instant)

    # Orders

    def paid(self, member: str | None, what: Lines, order: str, **more: Any) -> dict[str, Any]:
        """The fact that an order is paid now."""
        return {
            "type": "order.paid",
            "event_id": f"paid-{order}-{more.get('revision', 0)}",
            "order_id": order,
            "customer_id": member,
            "occurred_at": self.stage.now.isoformat(),
            "currency": self.currency,
            "lines": [line(what)] if isinstance(what, int) else list(what),
            **more,
        }

    def refund(self, member: str, order: str, minor: int, number: str = "r", **line_more: Any) -> dict[str, Any]:
        """The fact that ``minor`` of an order's first line is given back now, under a refund id of its own."""
        return {
            "type": "order.refunded",
            "event_id": f"refund-{order}-{number}",
            "order_id": order,
            "refund_id": f"{order}-{number}",
            "customer_id": member,
            "occurred_at": self.stage.now.isoformat(),
            "currency": self.currency,
            "lines": [{"qty": 1, "unit_price_minor": minor, "orig_line": 1, **line_more}],
        }

    def cancelled(self, member: str, order: str) -> dict[str, Any]:
        """The fact that an order is cancelled now."""
        return {
            "type": "order.cancelled",
            "event_id": f"cancel-{order}",
            "order_id": order,
            "customer_id": member,
            "occurred_at": self.stage.now.isoformat(),
        }

    def tell(self, *facts: Mapping[str, Any]) -> None:
        """Deliver facts one after another, each earned before the next is sent."""
        for fact in facts:
            assert self.stage.earn(fact) == {"batchItemFailures": []}

    def buys(self, member: str, what: Lines, order: str = "", **more: Any) -> int:
        """A member pays now; the points of the order."""
        order = order or f"o-{next(self._numbers)}"
        self.tell(self.paid(member, what, order, **more))
        return self.of_order(member, order)

    def of_order(self, member: str, order: str) -> int:
        """The points that an order has brought a member until now; not those that it was paid with."""
        brought = (entry for entry in self.stage.entries(member) if entry["kind"] not in {"redeem", "restore"})
        return sum(entry["points"] for entry in brought if entry["source"]["id"] == order)

    def why(self, member: str, of: str = "order") -> list[dict[str, Any]]:
        """The reasons in a member's newest entry of an order (or a task, or an event)."""
        found: list[dict[str, Any]] = next(
            entry["why"] for entry in self.stage.entries(member)[::-1] if entry["source"]["type"] == of
        )
        return found

    # What members do

    def does(self, member: str, what: str, event_id: str = "", /, **data: Any) -> dict[str, Any]:
        """An event that the shop sends, and its answer."""
        answer = self.sends(member, what, event_id, **data)
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.body
        return found

    def sends(self, member: str, what: str, event_id: str = "", /, **data: Any) -> Answer:
        """An event that the shop sends, whatever comes of it."""
        name = event_id or f"e-{next(self._numbers)}"
        at = self.stage.now.isoformat()
        body = {"type": what, "event_id": name, "member_id": member, "occurred_at": at, "data": data}
        return self.stage.ask("POST", "/v1/events", body, key=name)

    def checks_in(self, member: str) -> dict[str, Any]:
        """A member checks in today."""
        found: dict[str, Any] = self._as_member(member, "check-ins").body
        return found

    def makes_up(self, member: str) -> Answer:
        """A member makes up for the last missed day."""
        return self._as_member(member, "check-ins/make-up")

    def _as_member(self, member: str, path: str) -> Answer:
        key = f"k-{next(self._numbers)}"
        return self.stage.ask("POST", f"/v1/members/{member}/{path}", {}, key=key, subject=member, scopes=MEMBER)

    def decides(self, member: str, event_id: str, what: str) -> Answer:
        """An operator approves or rejects what waits."""
        path, key = f"/v1/reviews/{member}/{event_id}/{what}", f"k-{next(self._numbers)}"
        return self.stage.ask("POST", path, {"reason": "looked at"}, key=key, subject="ann", scopes=OPERATOR)

    def describes(self, member: str, **profile: Any) -> None:
        """The shop says of a member what it knows."""
        assert self.stage.ask("PUT", f"/v1/members/{member}/profile", profile).status == 200

    # What is there

    def balance(self, member: str) -> int:
        """Available, pending and held points less debt."""
        return int(self.stage.member(member)["balance"])

    def available(self, member: str) -> int:
        """What can be spent."""
        return int(self.stage.member(member)["available"])

    def tier(self, member: str) -> dict[str, Any]:
        """Level, progress and benefits."""
        found: dict[str, Any] = self.stage.get(f"/v1/members/{member}/tier")
        return found

    def task(self, member: str, rule: str) -> tuple[int, int, int]:
        """A task: done, of how much, and the points it has given."""
        tasks = self.stage.get(f"/v1/members/{member}/tasks")["tasks"]
        found = next(one for one in tasks if one["rule"] == rule)
        return found["done"], found["reach"], found["granted"]

    def sweeps(self, as_of: str) -> None:
        """A whole run of the expiry schedule."""
        self.at(as_of)
        self.stage.call("expire", {"as_of": as_of})
        while records := self.stage.tasks():
            assert self.stage.call("expire", {"Records": records}) == {"batchItemFailures": []}

    def publishes(self, program: Mapping[str, Any]) -> Answer:
        """An administrator puts a program in force."""
        return self.stage.ask("PUT", "/v1/program", program, subject="wang", scopes=ADMIN)


def refusals(why: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The rules that gave nothing, with the reason."""
    return {one["rule"]: one["refused"] for one in why if "refused" in one and "rule" in one}


def given(why: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The points of each rule that gave any."""
    return {one["rule"]: one["points"] for one in why if one.get("points") and "rule" in one}


def cuts(why: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What caps and budgets took away."""
    return [dict(one) for one in why if "cut" in one]


@contextmanager
def shop(now: str, **program: Any) -> Iterator[Shop]:
    """A shop whose stack has this program: Shanghai and yuan unless said."""
    whole = {"time_zone": "Asia/Shanghai", "currency": "CNY", **program}
    stage = Stage(f"shop-{next(_names)}", program=whole)
    stage.move_to(now)
    with use(stage.runtime):
        yield Shop(stage, whole["currency"])


@contextmanager
def earning(now: str, *rules: Mapping[str, Any], **earning_more: Any) -> Iterator[Shop]:
    """A shop that has these rules."""
    with shop(now, earning={"rules": list(rules), **earning_more}) as here:
        yield here
