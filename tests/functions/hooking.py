"""A stage with endpoints: the real handlers and the real table in moto, a queue that goes by the test's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from jifen.domain.outgoing import OutgoingEvent
from jifen.runtime import Runtime
from jifen.service.hook_ports import Poster
from jifen.service.relaying import Relaying
from local import openapi
from local.replay import api_request
from tests.functions import contract
from tests.functions.stage import ADMIN, Answer, Stage, _function_of
from tests.service.hooks import NOW, Queue

ENDPOINTS = "/v1/webhook-endpoints"


@dataclass
class HookStage(Stage):
    """See the module. ``posted_by`` replaces what posts; without it events go out over HTTP, to this machine too."""

    posted_by: Poster | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.now = NOW
        self.queue = Queue(lambda: self.now)
        self.settings = replace(self.settings, delivery_queue_url="here", hooks_private=True)
        self.runtime = Runtime(
            self.settings,
            clock=lambda: self.now,
            count=self._count,
            hooks_queue=self.queue,
            poster=self.posted_by,
        )
        self.runtime.__dict__["jitter"] = lambda: 0.0

    def clear(self) -> None:
        """See :class:`tests.functions.stage.Stage`."""
        super().clear()
        self.now = NOW
        self.queue.messages.clear()
        self._relaying().forget()

    def ask(  # type: ignore[override]
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        subject: str = "ops",
        scopes: str = ADMIN,
        key: str | None = "k",
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call the API, as an administrator unless said."""
        event = api_request(method, path, body, subject, scopes, key=key, query=query)
        answer = Answer.of(self.call(_function_of(method, path), event))
        if "hooks" in openapi.FUNCTIONS:
            contract.check(method, path, answer.status, answer.headers, answer.body)
        return answer

    def create(self, endpoint_id: str, url: str, *types: str, **more: Any) -> Any:
        """Make an endpoint; the body of the 201."""
        body = {"id": endpoint_id, "url": url, "types": list(types), **more}
        answer = self.ask("POST", ENDPOINTS, body, key=f"create-{endpoint_id}")
        assert answer.status == 201, answer
        self._relaying().forget()
        return answer.body

    def shown(self, endpoint_id: str = "shop") -> Any:
        """An endpoint, as the API shows it."""
        return self.ask("GET", f"{ENDPOINTS}/{endpoint_id}").body

    def log(self, endpoint_id: str = "shop", **query: str) -> Any:
        """A page of the log: event id to line."""
        answer = self.ask("GET", f"{ENDPOINTS}/{endpoint_id}/deliveries", query=query)
        assert answer.status == 200, answer
        return {one["event_id"]: one for one in answer.body["deliveries"]}

    def tell(self, *events: OutgoingEvent) -> None:
        """Relay events."""
        assert self.runtime.relay is not None
        self.runtime.relay.relay(events)

    def run(self, batch: int = 10) -> int:
        """Hand one batch of what is visible to the function, as Lambda does; how many messages it was."""
        messages = self.queue.receive(batch)
        if messages:
            records = [
                {"messageId": f"m{one.number}", "receiptHandle": str(one.number), "body": one.body} for one in messages
            ]
            failed = {one["itemIdentifier"] for one in self.call("deliver", {"Records": records})["batchItemFailures"]}
            for one in messages:
                if f"m{one.number}" not in failed:
                    self.queue.delete(one.number)
        return len(messages)

    def work(self, until: datetime | None = None) -> None:
        """Work through what is visible, and what becomes so until ``until``."""
        end = until or self.now
        while (at := self.queue.next_at()) is not None and at <= end:
            self.now = max(at, self.now)
            self.run()
        self.now = end

    def later(self, **by: float) -> None:
        """Work on for so long."""
        self.work(self.now + timedelta(**by))

    def _relaying(self) -> Relaying:
        found = self.runtime.relay
        assert isinstance(found, Relaying)
        return found
