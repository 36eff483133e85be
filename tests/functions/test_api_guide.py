"""docs/api.md: its tables have every call and every refusal, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jifen.gateway import STATUS
from local.openapi import document

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
ELSEWHERE = {("POST", "/webhooks/{}")}
"""Calls that have a page of their own."""


@pytest.fixture(scope="module")
def page() -> str:
    """The page's text."""
    return PAGE.read_text(encoding="utf-8")


def calls_of(cell: str) -> set[tuple[str, str]]:
    """The calls that a cell names: `POST /a/b`, `…/c` is also `POST /a/c`, and `GET`, `PUT /a` are two."""
    found, methods, path = set[tuple[str, str]](), list[str](), ""
    for text in re.findall(r"`([^`]+)`", cell):
        if text.isalpha():
            methods.append(text)
        elif text.startswith("…"):
            path = path.rpartition("/")[0] + text.removeprefix("…")
        else:
            method, _, here = text.partition(" ")
            methods = [method] if path else [*methods, method]
            path = here
        found |= {(method, plain(path)) for method in methods if path}
    return found


def plain(path: str) -> str:
    """A path without names of its parts and without a query."""
    return re.sub(r"\{[^}]+\}", "{}", path.partition("?")[0])


def test_every_call_has_a_line(page: str) -> None:
    """The calls of the tables are those of the document, which are those of the handlers."""
    cells = re.findall(r"^\| (`(?:GET|POST|PUT)\b.+?`) \|", page, flags=re.MULTILINE)
    named = set[tuple[str, str]]().union(*map(calls_of, cells))
    there = {(method.upper(), plain(path)) for path, methods in document()["paths"].items() for method in methods}

    assert there - ELSEWHERE == named


def test_every_refusal_has_a_line_with_its_status(page: str) -> None:
    """Code by code."""
    rows = re.findall(r"^\| (\d{3}) \| (`[A-Z_`, ]+`) \|", page, flags=re.MULTILINE)
    listed = [(code, int(status)) for status, cell in rows for code in re.findall(r"[A-Z_]+", cell)]

    assert sorted(listed) == sorted((refusal.code, status) for refusal, status in STATUS.items())


def test_links_lead_to_pages_that_are_there(page: str) -> None:
    """Beside this one, or up from it."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page)

    assert len(links) > 15
    assert [] == [link for link in links if not (PAGE.parent / link).exists()]


@pytest.mark.parametrize(
    ("cell", "calls"),
    [
        ("`GET /v1/a?b=&c=`", {("GET", "/v1/a")}),
        ("`POST /v1/{id}/a`, `…/b`", {("POST", "/v1/{}/a"), ("POST", "/v1/{}/b")}),
        ("`GET /v1/a`, `GET /v1/a/{n}`", {("GET", "/v1/a"), ("GET", "/v1/a/{}")}),
        ("`GET`, `PUT /v1/a`", {("GET", "/v1/a"), ("PUT", "/v1/a")}),
    ],
)
def test_ways_of_naming_calls(cell: str, calls: set[tuple[str, str]]) -> None:
    """What a cell says is read as a person reads it."""
    assert calls == calls_of(cell)
