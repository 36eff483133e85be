"""What functions build while their process starts."""

from __future__ import annotations

import pytest

from jifen import runtime
from jifen.domain.errors import InvalidProgram
from jifen.runtime import MissingSetting


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process that has no runtime yet, and none of the settings; it has keys, or botocore would ask the network."""
    monkeypatch.setattr(runtime, "_in_use", [])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a key of the tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret of the tests")
    for name in ("AWS_LAMBDA_FUNCTION_NAME", "JIFEN_TABLE", "JIFEN_PROGRAM", "JIFEN_SWEEP_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_outside_lambda_nothing_is_built(process: pytest.MonkeyPatch) -> None:
    """Importing a handler in a test has no effect a test must work around."""
    process.setenv("JIFEN_PROGRAM", "not JSON")

    runtime.prepare("ledger", "logger")

    assert [] == runtime._in_use


def test_in_lambda_parts_are_built_once(process: pytest.MonkeyPatch) -> None:
    """The first event finds the very client that the start has built."""
    process.setenv("AWS_LAMBDA_FUNCTION_NAME", "earn")
    process.setenv("JIFEN_TABLE", "table")

    runtime.prepare("ledger", "decoder", "metrics")

    built = runtime.current().__dict__
    assert {"ledger", "decoder", "metrics"} <= built.keys()
    assert built["ledger"] is runtime.current().ledger


@pytest.mark.parametrize("program", ["not JSON", '{"currency":1}', ""])
def test_what_is_wrong_is_said_by_the_first_event(process: pytest.MonkeyPatch, program: str) -> None:
    """A process with a bad setting starts, and every event names it."""
    process.setenv("AWS_LAMBDA_FUNCTION_NAME", "earn")
    process.setenv("JIFEN_PROGRAM", program)

    runtime.prepare("ledger", "logger")

    for _ in range(2):
        with pytest.raises((MissingSetting, InvalidProgram)):
            _ = runtime.current().ledger


@pytest.mark.parametrize("shards", ["", "0", "-1", "4097", "16.0", "²"])
def test_a_number_of_shards_that_is_none_is_said_by_the_first_event(process: pytest.MonkeyPatch, shards: str) -> None:
    """Also what Python calls a digit and cannot read as a number."""
    process.setenv("AWS_LAMBDA_FUNCTION_NAME", "earn")
    process.setenv("JIFEN_SHARDS", shards)

    runtime.prepare("ledger")

    with pytest.raises(MissingSetting, match="JIFEN_SHARDS"):
        runtime.current()


def test_the_queue_of_a_sweep_has_its_client_when_it_sends(process: pytest.MonkeyPatch) -> None:
    """A worker that ends in time queues nothing, and builds no client for it."""
    process.setenv("AWS_LAMBDA_FUNCTION_NAME", "expire")
    process.setenv("JIFEN_SWEEP_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/1/sweep")

    runtime.prepare("sweeps")
    here = runtime.current()
    assert "_session" not in here.__dict__
    here.sweeps.send([])

    assert "_session" not in here.__dict__
    assert "SQS" == here.sweeps._client.meta.service_model.service_id  # type: ignore[attr-defined]
    assert "_session" in here.__dict__
