"""AWS for a cold start, as little of it as one event needs: standard library only, for it runs inside what is measured.

    a function in a process of its own ──> botocore ──> Stub.answer ──> items of the table, nothing kept of the rest

It is put in the place of botocore's HTTP session, or stands behind TLS (``bench/cold_tls.py``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Item = Mapping[str, Mapping[str, Any]]


class Stub:
    """A table that is never in anybody's way, and services that take what they are given."""

    def __init__(self, items: Sequence[Item] = ()) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.calls: list[str] = []
        for item in items:
            self._keep(item)

    def answer(self, target: str, body: bytes) -> dict[str, Any]:
        """The answer to one call: ``target`` is its header X-Amz-Target, empty for mail."""
        asked = json.loads(body)
        name = target.rpartition(".")[2] or "SendEmail"
        self.calls.append(name)
        match name:
            case "BatchGetItem":
                ((table, wanted),) = asked["RequestItems"].items()
                keys = [(key["pk"]["S"], key["sk"]["S"]) for key in wanted["Keys"]]
                return {"Responses": {table: [self.items[key] for key in keys if key in self.items]}}
            case "Query":
                return {"Items": self._found(asked), "Count": 1}
            case "TransactWriteItems":
                for write in asked["TransactItems"]:
                    self._keep(write["Put"]["Item"])
                return {}
            case "PutEvents":
                return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in asked["Entries"]]}
            case "SendMessageBatch":
                return {"Successful": [{"Id": one["Id"], "MessageId": "1"} for one in asked["Entries"]], "Failed": []}
            case "SendMessage" | "SendEmail":
                return {"MessageId": "1"}
            case _:
                raise KeyError(name)

    def _found(self, asked: Mapping[str, Any]) -> list[Item]:
        """A partition of the table; of an index, every account, and nothing that has a deadline."""
        named = {value.get("S") for value in asked["ExpressionAttributeValues"].values()}
        if "IndexName" in asked:
            return [
                item
                for (_, sort), item in self.items.items()
                if sort == "A" and not any(str(one).startswith("deadline#") for one in named)
            ]
        return [item for (partition, _), item in self.items.items() if partition in named]

    def _keep(self, item: Item) -> None:
        self.items[item["pk"]["S"], item["sk"]["S"]] = item
