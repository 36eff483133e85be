"""One boto3 session for the process: what it has read of botocore's data serves every client made of it."""

from __future__ import annotations

from functools import cache

import boto3


@cache
def session() -> boto3.session.Session:
    """The session."""
    return boto3.session.Session()
