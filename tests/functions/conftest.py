"""AWS in one process, and a quiet environment."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from moto import mock_aws

from jifen.runtime import use
from tests.functions.quick_moto import quick
from tests.functions.stage import REGION, Stage


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[None]:
    """What Lambda sets, and no word from the logger below an error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_REGION", REGION)
        patch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
        patch.setenv("POWERTOOLS_SERVICE_NAME", "test")
        patch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Jifen")
        patch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
        yield


@pytest.fixture(scope="module")
def aws(environment: None) -> Iterator[None]:  # noqa: ARG001 - the region comes first
    """AWS for one module."""
    with quick(), mock_aws():
        # moto copies tables all the time; the collector need not look through every imported module each time.
        gc.freeze()
        yield


@pytest.fixture(scope="module")
def stage(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in London: 1 point a pound, points live for twelve months and to the end of that month."""
    here = Stage("jifen")
    with use(here.runtime):
        yield here
