"""Events for the shop's endpoints: each is signed and posted, and comes back later where it was not taken.

{"Records": [{"messageId", "receiptHandle", "body"}]}  ->  {"batchItemFailures"}

What has to come back is hidden for its time and named as failed. The events of each endpoint in a batch have a thread
of their own, so that a slow endpoint holds up nobody but itself. Docs: docs/webhooks-out.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jifen.runtime import Deadline, Runtime, current, prepare
from jifen.service.delivering import Delivering, Outcome, batch
from jifen.service.hook_ports import DeliveryTask, HookTask, ProbeTask
from jifen.service.ports import MalformedMessage
from jifen.service.replaying import Replaying

THREADS_MAX = 10

ATTEMPT_S = 18.0
"""No other attempt is begun with less time than this: one may take ten seconds, and is written down afterwards."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Do one batch; the answer names the messages that come back."""
    here = current()
    here.begin(getattr(context, "aws_request_id", ""))
    records = {record["messageId"]: record for record in event["Records"]}
    groups, failed = _sorted(here, records)
    patience = here.patience(context)
    done: dict[str, Outcome] = {}
    _ = here.ledger, here.hooks_queue, here.poster, here.logger  # built once, before there are threads
    with ThreadPoolExecutor(max(1, min(len(groups), THREADS_MAX))) as pool:
        for part in pool.map(lambda group: _work(here, group, patience), groups.values()):
            done |= part
    counted = Counter[str]()
    for name, outcome in done.items():
        counted.update(outcome.counted or {})
        if outcome.wait_s is not None:
            here.hooks_queue.postpone(records[name]["receiptHandle"], outcome.wait_s)
            failed.append(name)
    here.count(counted)
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}


def _sorted(here: Runtime, records: Mapping[str, Any]) -> tuple[dict[str, dict[str, HookTask]], list[str]]:
    """The tasks of each endpoint by the names of their messages, and the messages that hold none."""
    groups: dict[str, dict[str, HookTask]] = {}
    failed: list[str] = []
    for name, record in records.items():
        try:
            task = here.hooks_queue.read(record["body"])
        except MalformedMessage:
            here.logger.exception("not a task of an endpoint", extra={"message_id": name})
            failed.append(name)
            continue
        groups.setdefault(task.endpoint, {})[name] = task
    return groups, failed


def _work(here: Runtime, tasks: Mapping[str, HookTask], patience: Deadline) -> dict[str, Outcome]:
    """Do the tasks of one endpoint."""
    delivering = Delivering(here.ledger, here.poster, here.hooks_queue, here.clock, here.jitter, patience)

    def do(task: HookTask) -> Outcome:
        match task:
            case DeliveryTask():
                outcome = delivering.deliver(task)
            case ProbeTask():
                outcome = delivering.probe(task)
            case _:
                queued = Replaying(here.ledger, here.hooks_queue, patience, patience.has_time).step(task)
                outcome = Outcome(counted={"HooksReplayed": queued})
        if (outcome.counted or {}).get("HooksDisabled"):
            here.logger.error("a webhook endpoint was disabled", extra={"endpoint": task.endpoint})
        return outcome

    def failed(name: str, failure: Exception) -> None:
        extra = {"endpoint": tasks[name].endpoint, "message_id": name}
        here.logger.error("a task of an endpoint failed; it is tried again", extra=extra, exc_info=failure)
        here.count({"HookTasksFailed": 1})

    return batch(tasks, do, lambda: patience.has(ATTEMPT_S), failed)


prepare("life", "poster", "logger", "metrics", "hooks_queue")
