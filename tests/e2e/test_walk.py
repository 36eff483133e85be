"""The walk of the documentation, typed into a shell as it is printed, against the deployed stack."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.outside import Outside

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "walk.md"
BETWEEN = "=====next block====="
SECONDS = 240
NEEDED = ("bash", "curl", "openssl", "od")


def blocks() -> list[tuple[str, list[Any]]]:
    """Each block to type, and the values that are printed below it."""
    text = PAGE.read_text(encoding="utf-8")
    found: list[tuple[str, list[Any]]] = []
    for kind, body in re.findall(r"^```(sh|json)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        if kind == "sh":
            found.append((body, []))
        else:
            found[-1][1].extend(values(body))
    return found


def values(text: str) -> list[Any]:
    """The JSON values that stand one after the other in a text; a word that is no JSON counts as text."""
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except ValueError:
            value, _, _ = rest.partition("\n")
            end = len(value)
        found.append(value)
        rest = rest[end:].lstrip()
    return found


def agrees(said: Any, got: Any) -> bool:
    """Whether an answer has all that the page says of it; ``…`` stands for anything."""
    if said == "…":
        return True
    if isinstance(said, dict):
        return isinstance(got, dict) and all(name in got and agrees(value, got[name]) for name, value in said.items())
    if isinstance(said, list):
        return isinstance(got, list) and len(said) == len(got) and all(map(agrees, said, got))
    if isinstance(said, bool):
        return got in {said, str(said)}
    return bool(said == got)


def test_the_walk_is_as_the_page_says(outside: Outside, tmp_path: Path) -> None:
    """Every block is run in one shell, in their order; every answer is as it is printed."""
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        pytest.skip(f"the walk is typed with {', '.join(missing)}")
    command = shlex.join([sys.executable, "-m", "local.cli"])
    state = shlex.quote(str(outside.stack.place.folder))
    (tmp_path / "jifen").write_text(f'#!/bin/sh\ncd {shlex.quote(str(ROOT))}\nexec {command} "$@" --state {state}\n')
    (tmp_path / "jifen").chmod(0o755)
    typed = f"\necho; echo '{BETWEEN}'\n".join(body for body, _ in blocks())

    ran = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", typed],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
    )

    printed = ran.stdout.split(BETWEEN)
    for (body, expected), shown in zip(blocks(), printed, strict=False):
        got = values(shown)
        assert len(expected) == len(got), f"{body}\nprinted {shown}\n{ran.stderr[-2000:]}"
        for said, answer in zip(expected, got, strict=True):
            assert agrees(said, answer), f"{body}\nis to print {said}, printed {answer}"
    assert 0 == ran.returncode, ran.stderr[-2000:]
    assert len(blocks()) == len(printed)


@pytest.mark.parametrize(
    ("said", "got", "same"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": "…"}, {"a": [1]}, True),
        ({"a": "…"}, {}, False),
        ([1, 2], [1], False),
        (True, "True", True),
        (True, "False", False),
        ("x", "y", False),
    ],
)
def test_a_wrong_answer_would_be_seen(said: Any, got: Any, *, same: bool) -> None:
    """What the page says has to be there, and to be so."""
    assert same is agrees(said, got)
