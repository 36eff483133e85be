"""JSON Schemas (2020-12) of every event, made from the table of types and committed under schemas/.

`python -m local.event_schemas` writes them and the tables in docs/events-out.md; `--check` says whether they have
drifted. A file describes the whole of what a receiver gets: the envelope with the data of one type, and an example.
Nothing forbids a property that is not named: later versions may add some.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from jifen.domain.outgoing import OutgoingEvent, envelope
from jifen.domain.outgoing_views import (
    AffordableNotice,
    BalanceNotice,
    DormantNotice,
    ExpiringNotice,
    InStockNotice,
    NoticeTold,
    TierAtRiskNotice,
    TierReachedNotice,
)
from jifen.domain.telling import SILENT, TYPES
from local.event_samples import MESSAGE, NOTICES, sample
from local.schema import schema_of

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "schemas"
PAGE = ROOT / "docs" / "events-out.md"

DIALECT = "https://json-schema.org/draft/2020-12/schema"

NOTICE_VIEWS: Mapping[str, type] = {
    "points.expiring": ExpiringNotice,
    "points.balance_reached": BalanceNotice,
    "points.dormant": DormantNotice,
    "tier.reached": TierReachedNotice,
    "tier.at_risk": TierAtRiskNotice,
    "reward.affordable": AffordableNotice,
    "reward.in_stock": InStockNotice,
}
"""Notices on the bus: events without the envelope."""

_ENVELOPE: Mapping[str, Any] = {
    "id": {
        "type": "string",
        "pattern": "^[!-~]{1,64}$",
        "description": "The same however often this event is delivered: whoever has seen it drops it.",
    },
    "type": {"type": "string", "pattern": "^[a-z_]+([.][a-z_]+)?$", "description": "What has happened."},
    "timestamp": {"type": "string", "format": "date-time", "description": "When it was recorded."},
    "member_id": {
        "type": ["string", "null"],
        "description": "The shop's id of the member it is about; null where it is about nobody.",
    },
    "data": {"type": "object", "description": "What there is to say of it, by the type."},
}


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by the name of its file."""
    found = {"envelope": _envelope()}
    for one in TYPES:
        found[one.name] = _event(one.says, one.view, sample(one.name))
    found[MESSAGE.type] = _event("All that a member is told at once, for a shop that tells it.", NoticeTold, MESSAGE)
    for name, view in NOTICE_VIEWS.items():
        found[name] = _notice(name, view)
    return {f"{name}.schema.json": schema for name, schema in sorted(found.items())}


def _envelope() -> dict[str, Any]:
    names = [*(one.name for one in TYPES), MESSAGE.type]
    return {
        "$schema": DIALECT,
        "$id": "urn:jifen:event",
        "title": "event",
        "description": "What every event of a change has; the schema of its type says what is in its data.",
        "type": "object",
        "required": list(_ENVELOPE),
        "properties": {**_ENVELOPE, "type": {**_ENVELOPE["type"], "examples": names}},
        "examples": [envelope(sample("tier.changed"))],
    }


def _event(says: str, view: type, example: OutgoingEvent) -> dict[str, Any]:
    name = example.type
    parts: dict[str, Any] = {}
    data = _moved(schema_of(view, parts))
    return {
        "$schema": DIALECT,
        "$id": f"urn:jifen:event:{name}",
        "title": name,
        "description": says,
        "type": "object",
        "required": list(_ENVELOPE),
        "properties": {**_ENVELOPE, "type": {"const": name, "description": _ENVELOPE["type"]["description"]}}
        | {"data": data},
        "$defs": {_plain(part): _moved(parts[part]) for part in sorted(parts)},
        "examples": [envelope(example)],
    }


def _notice(name: str, view: type) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    schema_of(view, parts)
    own = _moved(parts.pop(view.__name__))
    return {
        "$schema": DIALECT,
        "$id": f"urn:jifen:notice:{name}",
        "title": name,
        **own,
        **({"$defs": {_plain(part): _moved(parts[part]) for part in sorted(parts)}} if parts else {}),
        "examples": [dict(NOTICES[name])],
    }


def _moved(schema: Any) -> Any:
    """The schema with its references pointing into its own file, its texts in plain words."""
    if isinstance(schema, dict):
        moved = {key: _moved(part) for key, part in schema.items()}
        if "$ref" in schema:
            moved["$ref"] = f"#/$defs/{_plain(schema['$ref'].rpartition('/')[2])}"
        return moved
    if isinstance(schema, list):
        return [_moved(part) for part in schema]
    return schema.replace("``", "`") if isinstance(schema, str) else schema


def _plain(name: str) -> str:
    return name.removesuffix("Told")


# The page ------------------------------------------------------------------------------------------------------------


def _types() -> Iterator[str]:
    yield "| type | what has happened | in its data |"
    yield "|---|---|---|"
    for one in TYPES:
        names = ", ".join(f"`{name}`" for name in one.view.__annotations__)
        yield f"| [`{one.name}`](../schemas/{one.name}.schema.json) | {one.says} | {names} |"


def _notices() -> Iterator[str]:
    yield "| notice | in its detail |"
    yield "|---|---|"
    for name, view in NOTICE_VIEWS.items():
        names = ", ".join(f"`{field}`" for field in get_type_hints(view))
        yield f"| [`{name}`](../schemas/{name}.schema.json) | {names} |"


def _silent() -> Iterator[str]:
    yield "| row | why it is not told |"
    yield "|---|---|"
    for row, why in SILENT.items():
        yield f"| `{row}` | {why} |"


def _example() -> Iterator[str]:
    yield "```json"
    yield json.dumps(envelope(sample("points.earned")), indent=2, ensure_ascii=False)
    yield "```"


_PARTS = {"types": _types, "notices": _notices, "silent": _silent, "example": _example}


def page(text: str) -> str:
    """The page with its tables as they have to be."""
    for name, lines in _PARTS.items():
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        head, _, rest = text.partition(begin)
        _, found, tail = rest.partition(end)
        if not found:
            message = f"{PAGE.name} has no {begin} … {end}"
            raise ValueError(message)
        text = f"{head}{begin}\n{chr(10).join(lines())}\n{end}{tail}"
    return text


def texts() -> dict[Path, str]:
    """What is to stand in each file."""
    made = {
        FOLDER / name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas().items()
    }
    return {**made, PAGE: page(PAGE.read_text(encoding="utf-8"))}


def main() -> int:
    """Write the files, or compare them with what is committed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when one has drifted")
    check = parser.parse_args().check
    wanted = texts()
    drifted = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    stray = [path for path in FOLDER.glob("*") if path not in wanted]
    for path in (*drifted, *stray):
        name = path.relative_to(ROOT)
        if check:
            print(f"{name} has drifted from the table of types: run `make format` and look at it", file=sys.stderr)
        elif path in stray:
            path.unlink()
            print(f"removed {name}")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
            print(f"wrote {name}")
    return 1 if check and (drifted or stray) else 0


if __name__ == "__main__":
    sys.exit(main())
