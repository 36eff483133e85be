"""Property tests draw the same examples on every run; ``HYPOTHESIS_PROFILE=hunt`` looks for new ones."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=100, database=None)
settings.register_profile(
    "hunt", deadline=None, max_examples=3_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
