"""Pages of the documentation, asked for as they stand: each example is sent, and its answer has to be the one shown.

METHOD /path          scope        {name} in a path is what an answer before had under that name
{"the": "body"}

200 {"what": "the answer has"}     at least these fields; a text that ends in … may go on
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.functions.stage import MEMBER, Stage

DOCS = Path(__file__).parents[2] / "docs"
_FENCE = re.compile(r"^```\n((?:GET|POST|PUT) .*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """One request of a page, and what is shown of its answer."""

    method: str
    path: str
    scope: str
    body: Any
    status: int
    answer: Any


def examples(page: str) -> list[Example]:
    """The examples of a page, in its order."""
    found = []
    for block in _FENCE.findall((DOCS / page).read_text()):
        asked, _, answered = block.partition("\n\n")
        first, _, body = asked.partition("\n")
        method, path, scope = first.split()
        status, _, answer = answered.partition(" ")
        found.append(Example(method, path, scope, json.loads(body) if body else None, int(status), json.loads(answer)))
    return found


def follow(stage: Stage, page: str, member: str) -> int:
    """Send every example of a page, as the member or as staff; how many there were."""
    known: dict[str, str] = {}
    sent = examples(page)
    for number, one in enumerate(sent):
        path, _, query = one.path.format(**known).partition("?")
        asked = {name: value for name, _, value in (part.partition("=") for part in query.split("&")) if name}
        who = member if one.scope == MEMBER else "staff"
        key = None if one.method == "GET" else f"example-{number}"
        answer = stage.ask(one.method, path, one.body, subject=who, scopes=one.scope, key=key, query=asked)
        assert one.status == answer.status, (one, answer)
        assert not _missing(one.answer, answer.body), (one, answer)
        known |= {name: value for name, value in _texts(answer.body) if name.endswith("_id")}
    return len(sent)


def _missing(shown: Any, there: Any) -> bool:
    """Whether something that is shown is not there."""
    if isinstance(shown, dict):
        return not isinstance(there, dict) or any(
            name not in there or _missing(value, there[name]) for name, value in shown.items()
        )
    if isinstance(shown, list):
        return not isinstance(there, list) or len(shown) != len(there) or any(map(_missing, shown, there))
    if isinstance(shown, str) and shown.endswith("…"):
        return not str(there).startswith(shown[:-1])
    return bool(shown != there)


def _texts(answer: Any) -> list[tuple[str, str]]:
    if isinstance(answer, list):
        return [pair for one in answer for pair in _texts(one)]
    if not isinstance(answer, dict):
        return []
    return [(name, value) for name, value in answer.items() if isinstance(value, str)] + [
        pair for value in answer.values() for pair in _texts(value)
    ]
