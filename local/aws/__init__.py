"""A local AWS: the real template, built and deployed by the real `sam`, on a laptop without Docker or an account.

    stack = up()
    ... f"{stack.api}/v1/members/m-1", token(stack, member="m-1"), stack.client("sqs") ...
    down()

Every function takes the folder that keeps the state, so that a test's stack never meets a developer's own.
"""

from local.aws.errors import LocalAwsError
from local.aws.lifecycle import FOLDER, Stack, down, running, token, up

__all__ = ["FOLDER", "LocalAwsError", "Stack", "down", "running", "token", "up"]
