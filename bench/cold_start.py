"""One cold start in a process of its own, from the folders that it is given: what ``bench.cold`` measures.

    cold_start.py import MODULES.json            import these modules, in this order, and end
    cold_start.py event FOLDER EVENT.json        import FOLDER/app.py and have its handler answer one event; the network
                                                 is a stub in the place of botocore's HTTP session
    cold_start.py event FOLDER EVENT.json --tls  the same over the network, to where the environment says
    cold_start.py modules FOLDER EVENT.json      as event; write which modules were there after the import and after
                                                 the event, what was answered, and the items of the table, as JSON

It imports nothing that is not imported at every start of Python, besides what it is told to (and ``json`` and
``typing``, which every function imports). PYTHONPATH is the layer.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

STARTED = frozenset(sys.modules)
"""What is there before the function; the first three are among it."""


class Order:
    """Notes modules as their import begins; ``sys.modules`` has them in the order in which they are done."""

    def __init__(self) -> None:
        self._begun: dict[str, None] = {}

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Nothing is found here."""
        self._begun[name] = None

    def loaded(self) -> list[str]:
        """Modules that neither the start of Python nor this file has brought."""
        known = {*STARTED, "app", "cold_stub"}
        return [name for name in self._begun if name in sys.modules and name not in known]


class Context:
    """What Lambda hands a handler beside the event."""

    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"
    function_name = "cold"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-2:123456789012:function:cold"

    def __init__(self) -> None:
        self._end = time.monotonic() + 600

    def get_remaining_time_in_millis(self) -> int:
        """Ten minutes in all: valgrind is slow."""
        return int((self._end - time.monotonic()) * 1000)


def main(kind: str, given: str, event: str = "", tls: str = "") -> None:
    """See the module."""
    if kind == "import":
        with open(given, encoding="utf-8") as file:  # noqa: PTH123 - pathlib would be one import more
            for name in json.load(file):
                __import__(name)
        return
    with open(event, encoding="utf-8") as file:  # noqa: PTH123 - as above
        told = json.load(file)
    sys.path.insert(0, given)
    order = Order()
    if kind == "modules":
        sys.meta_path.insert(0, order)
    import app  # type: ignore[import-not-found]  # noqa: PLC0415 - the function

    imported = order.loaded()
    stub = None if tls else _stub(told["items"])
    answered = app.handler(told["event"], Context())
    assert told["answers"].items() <= answered.items(), answered
    if kind == "modules":
        found = {"imported": imported, "served": order.loaded(), "answered": answered}
        found |= {"calls": stub.calls, "items": list(stub.items.values())} if stub else {}
        sys.stdout.write("\n" + json.dumps(found) + "\n")


def _stub(items: list[Any]) -> Any:
    import cold_stub  # type: ignore[import-not-found]  # noqa: PLC0415 - only for this, after the function's imports
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415 - as above
    from botocore.httpsession import URLLib3Session  # noqa: PLC0415 - as above

    stub = cold_stub.Stub(items)

    class Raw:
        def __init__(self, body: bytes) -> None:
            self._body = body

        def stream(self) -> list[bytes]:
            return [self._body]

    def send(_session: Any, request: Any) -> Any:
        target = request.headers.get("X-Amz-Target", b"")
        body = request.body.encode() if isinstance(request.body, str) else request.body
        text = json.dumps(stub.answer(target.decode() if isinstance(target, bytes) else target, body)).encode()
        return AWSResponse(request.url, 200, {"content-type": "application/x-amz-json-1.0"}, Raw(text))

    URLLib3Session.send = send
    network = sys.modules["socket"]
    found = [(network.AF_INET, network.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
    network.getaddrinfo = lambda *_asked, **_more: found  # type: ignore[attr-defined]
    network.create_connection = _taken  # type: ignore[attr-defined]
    return stub


def _taken(*_address: Any) -> Any:
    """A connection to an endpoint of the shop, which takes whatever it is sent."""
    import socket  # noqa: PLC0415 - it is there

    near, far = socket.socketpair()
    far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    _taken.far = far  # type: ignore[attr-defined]
    return near


if __name__ == "__main__":
    main(*sys.argv[1:])
