"""How heavy a cold start may be: ``tests/bench/test_cold.py`` fails when it is more. Raising a budget needs a reason.

A ratio of imports is to those of ``from pynamodb.models import Model`` and ``from aws_lambda_powertools import Logger,
Metrics`` as pip installs them, both less what starting Python takes.
"""

from __future__ import annotations

from collections.abc import Mapping

IMPORT_RATIO_MAX: Mapping[str, float] = {
    "webhook": 1.0,
    "earn": 1.2,
    "expire": 1.2,
    # Besides, it knows all that members can be told of, and the relay to the shop's endpoints.
    "remind": 1.25,
    # A process knows the program in force, and reads any rules: a dozen modules of 1.5 to 2 M instructions each.
    # Besides, redeem knows what points may pay of an order and what comes back with it.
    "redeem": 1.75,
    "account": 1.65,
    "engage": 1.75,
    "admin": 1.8,
    "catalog": 1.97,
    "play": 1.82,
    "settle": 1.3,
    # It reads every kind of row that something is told of, the mall's among them.
    "publish": 1.33,
    "deliver": 1.25,
    "hooks": 1.77,
    # It tries what policies would do, and takes back what they did.
    "operate": 1.79,
    # It says everything that members can be told, in every channel's words.
    "outreach": 1.77,
}
"""All that a function has imported by the time its first event is answered."""

START_RATIO_MAX = 0.80
"""Start of `expire` with its first shard, to that of a plain PynamoDB handler as installed. Three calls of the six are
for the operator: which program is in force (without it, and without the rules it reads, this was 0.03 less), whether
the sweep is paused, and how far the shard is (without these two 0.02 less)."""

LAYER_BYTES_MAX = 15_000_000
"""The trimmed layer without bytecode; Lambda unpacks at most 250 MB of code in all."""

_ANY = frozenset({"jifen"})
_CLIENT = frozenset({"botocore", "dateutil", "jmespath", "six", "urllib3"})
_TABLE = frozenset({"pynamodb", "typing_extensions"})
_LOGS = frozenset({"aws_lambda_powertools", "typing_extensions"})
_MODELS = frozenset({"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"})
_ZONES = frozenset({"tzdata"})

PACKAGES: Mapping[str, frozenset[str]] = {
    "webhook": _ANY | _CLIENT | _LOGS,
    "earn": _ANY | _CLIENT | _TABLE | _LOGS | _ZONES,
    "expire": _ANY | _CLIENT | _TABLE | _LOGS | _ZONES,
    "remind": _ANY | _CLIENT | _TABLE | _LOGS | _ZONES,
    "redeem": _ANY | _CLIENT | _TABLE | _MODELS | _ZONES,
    "account": _ANY | _CLIENT | _TABLE | _MODELS | _ZONES,
    "engage": _ANY | _CLIENT | _TABLE | _MODELS | _ZONES,
    "admin": _ANY | _CLIENT | _TABLE | _MODELS | _ZONES,
    "catalog": _ANY | _CLIENT | _TABLE | _MODELS | _ZONES,
    "play": _ANY | _CLIENT | _TABLE | _MODELS | _ZONES,
    "settle": _ANY | _CLIENT | _TABLE | _LOGS | _ZONES,
    "publish": _ANY | _CLIENT | _TABLE | _LOGS,
    "deliver": _ANY | _CLIENT | _TABLE | _LOGS,
    "hooks": _ANY | _CLIENT | _TABLE | _MODELS,
    "operate": _ANY | _CLIENT | _TABLE | _MODELS | _ZONES,
    "outreach": _ANY | _CLIENT | _TABLE | _MODELS | _ZONES,
}
"""The packages beside Python's own that a function may have imported when its first event is answered."""

IMPORTED_LATER_MAX = 0
"""Modules that the first event may still import: none, all come while the process starts."""
