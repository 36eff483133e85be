r"""Files of rewards: CSV for a spreadsheet, JSON and NDJSON for programs; read with line numbers.

    file ──read_rows──> Row(line, {"id": …, …content}) ──> API        API ──> rows ──write_rows──> file

A column of a CSV file is a name with dots (``stock.low``, ``tiers.gold``, ``limits.month.times``); an empty cell is
left out. Lists are texts with ``;`` between them, where ``\;`` and ``\\`` stand for ``;`` and ``\``. A text that a
spreadsheet would take for a formula is written with an apostrophe before it, which reading takes off again.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

FORMATS = (".csv", ".json", ".ndjson")

BYTES_MAX = 200_000_000
"""A longer file is no list of rewards."""

CELL_MAX = 1_000_000

TEXTS = (
    "id",
    "title",
    "kind",
    "description",
    "category",
    "from",
    "until",
    "sale.from",
    "sale.until",
    "stock.restock_on",
    "coupon.kind",
    "coupon.percent",
    "coupon.valid_until",
    "donation.unit",
)
LISTS = ("tags", "only_tiers")
NUMBERS = (
    "points",
    "cash_minor",
    "sale.points",
    "sale.cash_minor",
    "quantity_max",
    "stock.shards",
    "stock.low",
    "coupon.discount_minor",
    "coupon.max_discount_minor",
    "coupon.threshold_minor",
    "coupon.valid_days",
    "coupon.uses_per_day",
    "voucher.points",
)
FLAGS = ("stock.counted", "stock.codes")
PERIODS = ("day", "week", "month", "year", "ever")
LIMITS = tuple(f"limits.{per}.{unit}" for per in PERIODS for unit in ("points", "times"))

COLUMNS = (
    "id",
    "title",
    "kind",
    "category",
    "points",
    "cash_minor",
    "description",
    "tags",
    "tiers.",
    "only_tiers",
    "from",
    "until",
    "sale.from",
    "sale.until",
    "sale.points",
    "sale.cash_minor",
    *LIMITS,
    "quantity_max",
    "stock.counted",
    "stock.codes",
    "stock.shards",
    "stock.low",
    "stock.restock_on",
    "coupon.kind",
    "coupon.discount_minor",
    "coupon.percent",
    "coupon.max_discount_minor",
    "coupon.threshold_minor",
    "coupon.valid_days",
    "coupon.valid_until",
    "coupon.uses_per_day",
    "voucher.points",
    "donation.unit",
)
"""Every column, in the order in which they are written; ``tiers.`` stands for one of each level."""

ALWAYS = ("id", "title", "kind", "points")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")


class FileRefused(Exception):
    """The file cannot be read, or is no file of rewards; nothing was done with it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One reward of a file: the line that it begins on, what it says, and what is wrong with its form (or empty)."""

    line: int
    content: Mapping[str, Any]
    problem: str = ""


def read_rows(path: Path) -> list[Row]:
    """Read a whole file.

    Raises:
        FileRefused: it cannot be read, has another form than its name says, or an unknown column.
    """
    readers = {".csv": read_csv, ".json": _read_json, ".ndjson": _read_ndjson}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        message = f"{path} is none of {', '.join(FORMATS)}"
        raise FileRefused(message)
    try:
        if path.stat().st_size > BYTES_MAX:
            message = f"{path} is longer than {BYTES_MAX:,} bytes"
            raise FileRefused(message)
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as wrong:
        message = f"{path} cannot be read: {wrong.strerror}"
        raise FileRefused(message) from wrong
    except UnicodeDecodeError as wrong:
        message = f"{path} is not UTF-8; save it as UTF-8 (in a spreadsheet: CSV UTF-8)"
        raise FileRefused(message) from wrong
    return list(reader(text))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rewards, each a row as :func:`read_rows` gives its content.

    Raises:
        FileRefused: its name says no form that is known.
        OSError: it cannot be written.
    """
    writers = {".csv": csv_text, ".json": _json_text, ".ndjson": _ndjson_text}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        message = f"{path} is none of {', '.join(FORMATS)}"
        raise FileRefused(message)
    # The mark at the beginning is what tells a spreadsheet that the file is UTF-8.
    encoding = "utf-8-sig" if path.suffix.lower() == ".csv" else "utf-8"
    path.write_bytes(writer(rows).encode(encoding))


# JSON ----------------------------------------------------------------------------------------------------------------


def _json_text(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def _ndjson_text(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _read_ndjson(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _loaded(number, line)


def _loaded(number: int, text: str) -> Row:
    try:
        return _object(number, json.loads(text))
    except (ValueError, RecursionError):
        return Row(number, {}, "is not JSON")


def _object(number: int, value: object) -> Row:
    if not isinstance(value, dict):
        return Row(number, {}, "is not an object")
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return Row(number, {}, "has half a character, or a number that is none, such as NaN")
    return Row(number, value)


def _read_json(text: str) -> Iterator[Row]:
    """The items of a list, each with the line that it begins on."""
    decoder = json.JSONDecoder()
    try:
        at = _skipped(text, 0)
        if text[at : at + 1] != "[":
            message = "the file is no list of rewards: [{…}, …]"
            raise FileRefused(message)
        at = _skipped(text, at + 1)
        line, counted = 1, 0
        while text[at : at + 1] != "]":
            value, end = decoder.raw_decode(text, at)
            line, counted = line + text.count("\n", counted, at), at
            yield _object(line, value)
            at = _next_item(text, end)
        if text[at + 1 :].strip():
            _not_json(text, at + 1, "nothing more")
    except json.JSONDecodeError as wrong:
        message = f"the file is not JSON: {wrong.msg} in line {wrong.lineno}"
        raise FileRefused(message) from wrong
    except ValueError as wrong:
        message = "the file is not JSON: a number is too long"
        raise FileRefused(message) from wrong
    except RecursionError as wrong:
        message = "the file is not JSON of ordinary depth"
        raise FileRefused(message) from wrong


def _next_item(text: str, at: int) -> int:
    """Where the next item begins, or the bracket that ends the list stands."""
    at = _skipped(text, at)
    if text[at : at + 1] == ",":
        return _skipped(text, at + 1)
    if text[at : at + 1] != "]":
        _not_json(text, at, "',' or ']'")
    return at


def _skipped(text: str, at: int) -> int:
    """The first place from ``at`` on that is no blank."""
    while text[at : at + 1] in {" ", "\t", "\r", "\n"}:
        at += 1
    return at


def _not_json(text: str, at: int, expected: str) -> NoReturn:
    message = f"expecting {expected}"
    raise json.JSONDecodeError(message, text, at)


# CSV -----------------------------------------------------------------------------------------------------------------


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rewards as a CSV file: the columns that any of them has."""
    flat = [flattened(row) for row in rows]
    used = {name for row in flat for name in row} | set(ALWAYS)
    levels = sorted(name for name in used if name.startswith("tiers."))
    columns = [one for name in COLUMNS for one in (levels if name == "tiers." else [name]) if one in used]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()


def flattened(row: Mapping[str, Any]) -> dict[str, str]:
    """The cells of a reward, by column."""
    cells: dict[str, str] = {}
    for key, value in row.items():
        if key == "limits":
            cells |= {f"limits.{one['per']}.{unit}": str(one[unit]) for one in value for unit in one if unit != "per"}
        elif isinstance(value, Mapping):
            cells |= {f"{key}.{name}": _cell(part) for name, part in value.items()}
        else:
            cells[key] = _cell(value)
    return cells


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return _neutral(";".join(re.sub(r"([\\;])", r"\\\1", str(part)) for part in value))
    return _neutral(str(value))


def _neutral(text: str) -> str:
    """A text that no spreadsheet runs."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(cell: str) -> str:
    """The text behind :func:`_neutral`; an apostrophe before anything else is a part of the text."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def read_csv(text: str) -> Iterator[Row]:
    """The rows of a CSV file.

    Raises:
        FileRefused
    """
    csv.field_size_limit(CELL_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check(header)
        line = reader.line_num + 1
        for cells in reader:
            if any(cells):
                yield _csv_row(line, header, cells)
            line = reader.line_num + 1
    except csv.Error as wrong:
        message = f"the file is not CSV: {wrong} in line {reader.line_num}"
        raise FileRefused(message) from wrong


def _delimiter(text: str) -> str:
    """What stands between cells: spreadsheets of some countries write ``;``, and others a tab."""
    first = text.partition("\n")[0]
    return next((one for one in ",;\t" if "id" in [name.strip(' "\r') for name in first.split(one)]), ",")


def _check(header: Sequence[str]) -> None:
    """See that the columns are known, and each there once.

    Raises:
        FileRefused
    """
    known = {*COLUMNS} - {"tiers."}
    wrong = [name for name in header if name not in known and not (name.startswith("tiers.") and name != "tiers.")]
    if wrong:
        message = (
            f"line 1: the column {wrong[0]!r} is not known; known are {', '.join(sorted(known))} and tiers.<level>"
        )
        raise FileRefused(message)
    twice = [name for name in header if header.count(name) > 1]
    if twice or "id" not in header:
        message = f"line 1: the column {twice[0]!r} is there twice" if twice else "line 1: there is no column id"
        raise FileRefused(message)


def _csv_row(line: int, header: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) > len(header):
        return Row(line, {"id": cells[0]}, f"has {len(cells)} cells, and the first line names {len(header)}")
    given = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
    return Row(line, nested(given))


def nested(cells: Mapping[str, str]) -> dict[str, Any]:
    """The reward that cells say; a number that is none stays text, for whoever reads it to refuse."""
    row: dict[str, Any] = {}
    limits: list[dict[str, Any]] = []
    for name, cell in cells.items():
        head, _, rest = name.partition(".")
        value = _value(name, cell)
        if head == "limits":
            per, unit = rest.split(".")
            limits.append({"per": per, unit: value})
        elif rest:
            row.setdefault(head, {})[rest] = value
        else:
            row[name] = value
    return row | ({"limits": limits} if limits else {})


def _value(name: str, cell: str) -> Any:
    if name in NUMBERS or name in LIMITS:
        text = cell.strip()
        return int(text) if re.fullmatch(r"-?[0-9]{1,30}", text) else cell
    if name in FLAGS:
        return {"true": True, "false": False}.get(cell.strip().casefold(), cell)
    text = _plain(cell)
    return list(_listed(text)) if name in LISTS else text


def _listed(text: str) -> Iterable[str]:
    """The parts of a list."""
    part = ""
    at = 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            part, at = part + text[at + 1], at + 2
        elif text[at] == ";":
            yield part
            part, at = "", at + 1
        else:
            part, at = part + text[at], at + 1
    yield part
