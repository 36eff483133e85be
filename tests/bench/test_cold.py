"""No cold start grows heavier without being noticed."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench import valgrind
from bench.budgets_cold import IMPORT_RATIO_MAX, IMPORTED_LATER_MAX, LAYER_BYTES_MAX, PACKAGES, START_RATIO_MAX
from bench.cold import Bench, Served, make_trees, measure_imports, measure_start
from infra.trim import size_bytes

HEAVIEST = ("webhook", "remind", "redeem")
"""Of each kind of function the one that imports most; `python -m bench.cold` counts all."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The functions on the layer as it is built, with the packages of this environment."""
    folder = tmp_path_factory.mktemp("cold")
    return Bench(make_trees(folder), folder)


@pytest.fixture(scope="module")
def served(bench: Bench) -> dict[str, Served]:
    """Each function started, and its first event answered, from the trimmed layer alone."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(IMPORT_RATIO_MAX, pool.map(bench.serve, IMPORT_RATIO_MAX), strict=True))


@pytest.mark.parametrize("function", sorted(IMPORT_RATIO_MAX))
def test_a_function_imports_only_its_packages(served: dict[str, Served], function: str) -> None:
    """By the end of the first event: no table client in the webhook entry, models only where a request is validated."""
    assert frozenset() == served[function].packages - PACKAGES[function]


@pytest.mark.parametrize("function", sorted(IMPORT_RATIO_MAX))
def test_the_first_event_finds_everything_imported(served: dict[str, Served], function: str) -> None:
    """Imports belong to the start of the process, where a processor is given for them."""
    later = set(served[function].served) - set(served[function].imported)

    assert len(later) <= IMPORTED_LATER_MAX, sorted(later)


def test_the_first_event_does_what_the_function_is_for(served: dict[str, Served]) -> None:
    """What is measured is an event that goes all the way: what it asks of AWS is what a real one does.

    The first that a process asks is which program is in force, where the event goes by one.
    """
    program, post = "BatchGetItem", ("BatchGetItem", "TransactWriteItems")
    calls = {
        "webhook": ("SendMessage",),
        "earn": (program, *post),
        # Whether the sweep is paused, what is due, the account, and how far the shard is.
        "expire": (program, "BatchGetItem", "Query", *post, "TransactWriteItems"),
        # Which endpoints the shop has; each channel is confirmed once it has the message.
        "remind": (
            *(program, "BatchGetItem", "Query", "BatchGetItem", "Query", "TransactWriteItems"),
            *("PutEvents", "TransactWriteItems", "SendEmail", "TransactWriteItems", "TransactWriteItems"),
        ),
        "redeem": (program, *post),
        "account": (program, "BatchGetItem"),
        "admin": (program,),
        "engage": (program, *post),
        # The piece is reserved, the points are taken, the piece is counted as sold.
        "catalog": (program, *post, "TransactWriteItems", "TransactWriteItems"),
        "play": (program, *post),
        "settle": (program, *["Query"] * 8),
        # Which endpoints there are, the outbox, and a message for the endpoint.
        "publish": ("PutEvents", "Query", "TransactWriteItems", "SendMessageBatch"),
        # What an endpoint is sent is none of these calls. These functions go by no program.
        "deliver": post,
        "hooks": ("BatchGetItem", *post),
        # The sweep as it is shown afterwards comes from the table again.
        "operate": (*post, "BatchGetItem", "Query"),
        "outreach": post,
    }

    assert calls == {name: one.calls for name, one in served.items()}


def test_the_layer_is_small(bench: Bench, tmp_path: Path) -> None:
    """What is unpacked before a function starts."""
    bare = tmp_path / "layer"
    shutil.copytree(bench.trees.layer, bare, ignore=shutil.ignore_patterns("__pycache__"))

    assert size_bytes(bare) <= LAYER_BYTES_MAX


@pytest.mark.skipif(valgrind.tool() is None, reason=valgrind.MISSING)
def test_cold_starts_stay_within_their_budgets(bench: Bench, served: dict[str, Served]) -> None:
    """Instructions of imports, and from the start of a process to its first transaction."""
    imports = measure_imports(bench, {name: served[name] for name in HEAVIEST})
    ratios = {name: round(imports.ratio(name), 3) for name in HEAVIEST}
    ours, plain = measure_start(bench)

    assert {} == {name: ratio for name, ratio in ratios.items() if ratio > IMPORT_RATIO_MAX[name]}, ratios
    assert ours <= START_RATIO_MAX * plain, ours / plain
