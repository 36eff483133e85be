"""Cuts the built layer down to what the functions use: ``python -m infra.trim infra/.aws-sam/build``.

    what pip leaves              licences are kept, in licenses/ beside python/; the rest of *.dist-info goes
    botocore's data              SERVICES without their documentation; endpoints of these services alone
    botocore's certificates      ROOTS, which is what AWS's endpoints are signed under
    packages                     CUT, which nothing of ours imports, and EMPTIED, which is imported for nothing
    jifen                        dataclasses written out (infra/written_out.py)

Every cut is in one of the lists here, and tests/infra/test_trim.py has each function answer an event from what is left.
To undo one, take it off its list; to undo all, leave this step out of the Makefile and of local/aws/sam.py: the layer
works without it. Run it a second time and nothing changes. Why these: docs/decisions/2026-11-26-trimmed-layer.md.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.written_out import NotThisSource, write_out

SERVICES = ("dynamodb", "events", "pinpoint-sms-voice-v2", "sesv2", "sns", "sqs")
"""What the functions have clients for."""

DATA_KEPT = ("_retry.json", "partitions.json", "sdk-default-configuration.json")
"""botocore's data that belongs to no service and stays as it is."""

_SERVICE_FILES = ("service-2", "endpoint-rule-set-1")
"""A client needs these two; waiters and pages of results, which would be more, nothing asks for."""

_SIGNED_AS = {"pinpoint-sms-voice-v2": ("sms-voice",), "sesv2": ("email",)}
"""Names of a service in endpoints.json where it is not its own."""

ROOTS = (
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Class 2 CA",
    "Starfield Services Root Certificate Authority - G2",
    "DigiCert Global Root CA",
    "DigiCert Global Root G2",
    "DigiCert Global Root G3",
    "DigiCert High Assurance EV Root CA",
)
"""Amazon's own roots and those that have signed them, and DigiCert's, for AWS's regions in China; each by its label."""

CUT = (
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/auth_alpha",
    "aws_lambda_powertools/utilities/batch",
    "aws_lambda_powertools/utilities/circuit_breaker",
    "aws_lambda_powertools/utilities/data_masking",
    "aws_lambda_powertools/utilities/feature_flags",
    "aws_lambda_powertools/utilities/idempotency",
    "aws_lambda_powertools/utilities/kafka",
    "aws_lambda_powertools/utilities/parameters",
    "aws_lambda_powertools/utilities/parser",
    "aws_lambda_powertools/utilities/streaming",
    "bin",
    "jifen/openapi.py",
    "pydantic/mypy.py",
    "pydantic/v1",
    "requirements.txt",
)
"""Folders and files that no function imports, whatever it is asked."""

EMPTIED: Mapping[str, str] = {
    # The texts behind help(client.method), and the parser of HTML that makes them. Every client imports them.
    "botocore/docs/__init__.py": "",
    "botocore/docs/docstring.py": (
        '"""No documentation is made in a function."""\n\n\n'
        "class _Nothing(str):\n"
        "    __slots__ = ()\n\n"
        "    def __new__(cls, *args, **kwargs):\n"
        '        return str.__new__(cls, "")\n\n\n'
        "class ClientMethodDocstring(_Nothing):\n    __slots__ = ()\n\n\n"
        "class WaiterDocstring(_Nothing):\n    __slots__ = ()\n\n\n"
        "class PaginatorDocstring(_Nothing):\n    __slots__ = ()\n"
    ),
    # HTTP/2 has to be asked for, and AWS's endpoints are spoken to in HTTP/1.1. It would import zip files and e-mail.
    "urllib3/http2/__init__.py": "",
}
"""Modules that are imported wherever their package is, and then not used: what they become."""

_LICENCE = re.compile(r"(licen[cs]e|notice|copying|authors)", re.IGNORECASE)
_CERTIFICATE = re.compile(
    r'^# Label: "(.+?)"$.*?(^-----BEGIN CERTIFICATE-----$.*?^-----END CERTIFICATE-----$)', re.MULTILINE | re.DOTALL
)


class NotBuiltSo(Exception):
    """The layer is not as this step expects it; the message says what to look at."""


def trim(layer: Path) -> None:
    """Cut a built layer, the folder that holds ``python/``, in place.

    Raises:
        NotBuiltSo: something that has to be there is not.
    """
    packages = layer / "python"
    if not (packages / "jifen").is_dir():
        raise NotBuiltSo(f"{packages} holds no jifen: is this a built layer?")
    keep_licences(packages, layer / "licenses")
    for name, text in EMPTIED.items():
        _replace(packages / name, text)
    trim_data(packages / "botocore" / "data")
    trim_roots(packages / "botocore" / "cacert.pem")
    _write_out(packages / "jifen")
    for name in CUT:
        _remove(packages / name)
    for folder in sorted(packages.rglob("__pycache__")):  # of sources that have changed
        shutil.rmtree(folder)


def keep_licences(packages: Path, kept: Path) -> None:
    """Take what pip writes about packages away, but for the licences they are given under."""
    for about in sorted(packages.glob("*.dist-info")):
        for path in sorted(about.rglob("*")):
            if path.is_file() and _LICENCE.search(path.name):
                to = kept / about.name.removesuffix(".dist-info") / path.name
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, to)
        shutil.rmtree(about)
    for data in sorted(packages.glob("*.data")):
        shutil.rmtree(data)


def trim_data(data: Path) -> None:
    """Leave of botocore's data what clients of ``SERVICES`` read.

    Raises:
        NotBuiltSo: a service is not there.
    """
    for path in sorted(data.iterdir()):
        if path.is_dir() and path.name not in SERVICES:
            shutil.rmtree(path)
        elif path.is_file() and path.name not in (*DATA_KEPT, "endpoints.json"):
            path.unlink()
    for service in SERVICES:
        versions = sorted(path for path in (data / service).glob("*") if path.is_dir())
        if not versions:
            raise NotBuiltSo(f"botocore has no data for {service}")
        for old in versions[:-1]:
            shutil.rmtree(old)
        _trim_service(versions[-1])
    endpoints = json.loads((data / "endpoints.json").read_text(encoding="utf-8"))
    _write(data / "endpoints.json", endpoints_of(endpoints, SERVICES))


def _trim_service(folder: Path) -> None:
    read: dict[str, Any] = {}
    for name in _SERVICE_FILES:
        packed, plain = folder / f"{name}.json.gz", folder / f"{name}.json"
        if packed.is_file():
            read[name] = json.loads(gzip.decompress(packed.read_bytes()))
        elif plain.is_file():
            read[name] = json.loads(plain.read_text(encoding="utf-8"))
        else:
            raise NotBuiltSo(f"{folder} has no {name}")
    for path in folder.iterdir():
        path.unlink()
    for name, content in read.items():
        _write(folder / f"{name}.json", without_documentation(content))


def without_documentation(model: Any) -> Any:
    """A service's description without the text for people; a shape or member that has such a name stays.

    Documentation is a text, a member of that name is an object.
    """
    if isinstance(model, list):
        return [without_documentation(part) for part in model]
    if not isinstance(model, dict):
        return model
    return {
        name: without_documentation(part)
        for name, part in model.items()
        if not (name == "documentation" and isinstance(part, str))
    }


def endpoints_of(endpoints: Mapping[str, Any], services: Sequence[str]) -> dict[str, Any]:
    """Botocore's endpoints with every partition and region, and of the services these alone."""
    names = {name for service in services for name in (service, *_SIGNED_AS.get(service, ()))}
    partitions = [
        {**partition, "services": {name: one for name, one in partition["services"].items() if name in names}}
        for partition in endpoints["partitions"]
    ]
    return {**endpoints, "partitions": partitions}


def trim_roots(bundle: Path) -> None:
    """Leave ``ROOTS`` of the certificates.

    Raises:
        NotBuiltSo: one of them is not there, or not once.
    """
    text = bundle.read_text(encoding="utf-8")
    found = [(label, pem) for label, pem in _CERTIFICATE.findall(text) if label in ROOTS]
    if sorted(label for label, _ in found) != sorted(ROOTS):
        missing = sorted(set(ROOTS) - {label for label, _ in found})
        raise NotBuiltSo(f"{bundle} has not each of the certificates once: {missing or 'one is there twice'}")
    bundle.write_text("\n".join(f'# Label: "{label}"\n{pem}\n' for label, pem in found), encoding="utf-8")


def _write_out(built: Path) -> None:
    import jifen  # noqa: PLC0415 - only now: its modules are imported to look at their classes

    cut = [name.removeprefix("jifen/") for name in CUT if name.startswith("jifen/")]
    try:
        write_out(jifen, built, cut)
    except NotThisSource as wrong:
        raise NotBuiltSo(str(wrong)) from wrong


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _replace(path: Path, text: str) -> None:
    if not path.is_file():
        raise NotBuiltSo(f"{path} is not there to be emptied")
    path.write_text(text, encoding="utf-8")


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def size_bytes(folder: Path) -> int:
    """The bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> int:
    """Trim the layer of a build and say what it came to; 1 when the build is not as expected."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the command and the folder
        sys.stderr.write("python -m infra.trim BUILD, the folder that sam build made\n")
        return 2
    layer = Path(sys.argv[1]) / "Common"
    before = size_bytes(layer)
    try:
        trim(layer)
    except NotBuiltSo as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 1
    sys.stdout.write(f"layer trimmed from {before / 1e6:.1f} to {size_bytes(layer) / 1e6:.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
