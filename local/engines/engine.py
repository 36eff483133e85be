"""What a started engine is to its user: a value that names an endpoint and makes clients for it."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "us-east-1"
TABLE_ACTIVE_TIMEOUT_S = 30.0

# A profile, a configured endpoint or a proxy of the user must never decide where local traffic goes or who signs it.
_NOTHING_OF_THE_USER = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
    "ignore_configured_endpoint_urls": (None, None, True, None),
}
_LOCAL_CALLS = Config(
    connect_timeout=2,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 1},
    max_pool_connections=32,
    tcp_keepalive=True,
    proxies={},
)


class EngineError(Exception):
    """Something is wrong with a local engine; `engine` is its name, `code` is stable, the text is for a person."""

    code = "ENGINE_ERROR"

    def __init__(self, engine: str, reason: str) -> None:
        """Keep `engine` and `reason` as data; the message is the two together."""
        super().__init__(f"{engine}: {reason}")
        self.engine = engine
        self.reason = reason


class EngineUnavailable(EngineError):
    """The engine cannot be had here; the reason says what to install or to set."""

    code = "ENGINE_UNAVAILABLE"


class EngineFailed(EngineError):
    """The engine was there and did not start, or ended by itself; `log_tail` has the last lines it wrote."""

    code = "ENGINE_FAILED"

    def __init__(self, engine: str, reason: str, log_tail: str = "") -> None:
        """Put the tail of the engine's own log under the reason."""
        super().__init__(engine, f"{reason}\n{log_tail}" if log_tail else reason)
        self.log_tail = log_tail


class DynamoDb(Protocol):
    """A boto3 DynamoDB client; its operations are made at run time from the service model, so any name may be used."""

    def __getattr__(self, operation: str) -> Any:
        """Give one operation, or `exceptions` and `meta`."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys that sign local calls and open nothing anywhere."""

    access_key_id: str = "jifenlocal"
    secret_access_key: str = "jifenlocal"  # noqa: S105 - a dummy, on purpose


@dataclass(frozen=True, slots=True)
class Engine:
    """A DynamoDB that answers now.

    `url` is None for moto, which is reached by any client of this process. `process_group` is the group that the
    engine, its keeper and its workers run in, None for an engine that this process did not start.
    """

    name: str
    url: str | None
    region: str = REGION
    credentials: Credentials = field(default_factory=Credentials)
    process_group: int | None = None

    def client(self) -> DynamoDb:
        """Make a boto3 client: no retries, short timeouts, this engine's keys, nothing from the user's profile.

        A client is safe to share between threads; making one takes about 0.1 s.
        """
        return cast("DynamoDb", make_client("dynamodb", self.url, self.region, self.credentials))


def make_client(
    service: str, url: str | None, region: str, credentials: Credentials, read_timeout_s: float | None = None
) -> Any:
    """Make a boto3 client of a local service: no retries, short timeouts, nothing from the user's profile."""
    config = _LOCAL_CALLS.merge(Config(read_timeout=read_timeout_s)) if read_timeout_s else _LOCAL_CALLS
    session = boto3.session.Session(
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        region_name=region,
        botocore_session=botocore.session.Session(session_vars=dict(_NOTHING_OF_THE_USER)),
    )
    return session.client(service, endpoint_url=url, config=config)


def create_table(engine: Engine, definition: Mapping[str, Any], name: str) -> bool:
    """Make the table `name` where it is missing and return once it and its indexes are active.

    `definition` is what the CreateTable operation takes; a `TableName` in it is replaced. Returns True when the table
    is new. A table that was there is kept with all its items, and refused with EngineFailed when its keys differ.
    """
    client = engine.client()
    try:
        client.create_table(**{**definition, "TableName": name})
        created = True
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
        created = False
    table = _active_table(engine, client, name)
    if _keys(table) != _keys(definition):
        reason = f"the table {name} exists with other keys; remove it or choose another place for the data"
        raise EngineFailed(engine.name, reason)
    return created


def _active_table(engine: Engine, client: DynamoDb, name: str) -> Mapping[str, Any]:
    deadline = time.monotonic() + TABLE_ACTIVE_TIMEOUT_S
    while True:
        table: Mapping[str, Any] = client.describe_table(TableName=name)["Table"]
        parts = [table["TableStatus"], *(index["IndexStatus"] for index in table.get("GlobalSecondaryIndexes", ()))]
        if all(status == "ACTIVE" for status in parts):
            return table
        if time.monotonic() > deadline:
            raise EngineFailed(engine.name, f"the table {name} is not active after {TABLE_ACTIVE_TIMEOUT_S:.0f} s")
        time.sleep(0.05)


def _keys(definition: Mapping[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """Map each index name, and "" for the table itself, to its (attribute, HASH or RANGE) pairs."""
    schemas = {"": definition["KeySchema"]}
    schemas.update((index["IndexName"], index["KeySchema"]) for index in definition.get("GlobalSecondaryIndexes", ()))
    return {name: {(key["AttributeName"], key["KeyType"]) for key in schema} for name, schema in schemas.items()}
