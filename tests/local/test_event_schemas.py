"""The committed JSON Schemas say what is sent, and the page about events shows events."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from jifen.domain.notices import NoticeKind
from jifen.domain.outgoing import envelope
from jifen.domain.telling import TYPES
from jifen.service.shelving import ARRIVED
from local import event_schemas
from local.event_samples import MESSAGE, NOTICES, sample
from local.event_schemas import FOLDER, NOTICE_VIEWS, PAGE
from tests.fakes.event_schemas import faults

NAMES = [one.name for one in TYPES]


def test_what_is_committed_is_what_the_table_makes(capsys: pytest.CaptureFixture[str]) -> None:
    """Schemas and page; `make format` writes them."""
    drifted = [path.name for path, text in event_schemas.texts().items() if path.read_text(encoding="utf-8") != text]
    assert not drifted
    assert {path.name for path in FOLDER.iterdir()} == set(event_schemas.schemas())
    assert not capsys.readouterr().err


def test_the_check_names_what_has_drifted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is missing, one that is changed and one that nobody knows; then they are mended."""
    (tmp_path / "docs").mkdir()
    folder, page = tmp_path / "schemas", tmp_path / "docs" / "events-out.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    for name, value in (("ROOT", tmp_path), ("FOLDER", folder), ("PAGE", page)):
        monkeypatch.setattr(event_schemas, name, value)
    monkeypatch.setattr("sys.argv", ["event_schemas"])
    assert event_schemas.main() == 0
    (folder / "tier.changed.schema.json").unlink()
    (folder / "points.earned.schema.json").write_text("{}")
    (folder / "points.stolen.schema.json").write_text("{}")
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["event_schemas", "--check"])
    assert event_schemas.main() == 1
    said = capsys.readouterr().err
    assert 3 == sum(f"{name}.schema.json has drifted" in said for name in _three())
    monkeypatch.setattr("sys.argv", ["event_schemas"])
    assert event_schemas.main() == 0
    monkeypatch.setattr("sys.argv", ["event_schemas", "--check"])
    assert event_schemas.main() == 0


def _three() -> tuple[str, ...]:
    return "tier.changed", "points.earned", "points.stolen"


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_each_file_is_a_schema_that_its_example_follows(path: Path) -> None:
    """With an id, a description and an example, as tools that make code of it want."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].startswith("urn:jifen:")
    assert schema["$schema"] == event_schemas.DIALECT
    assert schema["description"]
    (example,) = schema["examples"]
    assert not faults(path.name.removesuffix(".schema.json"), example) or path.name.startswith("envelope")
    Draft202012Validator(schema).validate(example)


def test_no_two_files_have_the_same_id() -> None:
    """They can be loaded together."""
    ids = {schema["$id"] for schema in event_schemas.schemas().values()}
    assert len(ids) == len(event_schemas.schemas()) == len(TYPES) + len(NOTICE_VIEWS) + 2


@pytest.mark.parametrize("name", NAMES)
def test_an_event_is_what_its_schema_says_to_the_last_property(name: str) -> None:
    """And whatever is taken out of it, or is a text in place of a number, is not."""
    event = envelope(sample(name))
    assert not faults(name, event)
    for broken in _broken(event):
        assert faults(name, broken), broken


def _broken(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for field in event:
        yield {name: value for name, value in event.items() if name != field}
    for field, value in event["data"].items():
        if field != "why_left_out":
            yield _with(event, {name: kept for name, kept in event["data"].items() if name != field})
        if isinstance(value, int):
            yield _with(event, {**event["data"], field: "7"})
    yield {**event, "type": "points.stolen"}
    yield _with(event, {**event["data"], "unheard_of": 1})


def _with(event: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(event)
    changed["data"] = data
    return changed


def test_notices_have_a_schema_each() -> None:
    """Those that are events of a form of their own; one of them alone, and all of a member's in a webhook."""
    assert set(NOTICES) == set(NOTICE_VIEWS) == {*NoticeKind, ARRIVED}
    assert not faults(MESSAGE.type, envelope(MESSAGE))
    assert not {*NOTICES} & {*NAMES}


def test_the_events_that_the_page_shows_follow_their_schemas() -> None:
    """And the patterns that it shows are patterns for them."""
    blocks = [
        json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    ]
    events = [block for block in blocks if "id" in block]
    patterns = [block for block in blocks if "source" in block]
    assert (1, 2) == (len(events), len(patterns))
    assert not [fault for event in events for fault in faults(event["type"], event)]
    for pattern in patterns:
        assert pattern["source"] == ["jifen"]
        (one,) = pattern["detail-type"]
        assert any(name == one if isinstance(one, str) else name.startswith(one["prefix"]) for name in NAMES)


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    """It would lose the table without a word."""
    with pytest.raises(ValueError, match=r"events-out\.md has no <!-- begin: types -->"):
        event_schemas.page(PAGE.read_text(encoding="utf-8").replace("<!-- end: types -->", ""))
