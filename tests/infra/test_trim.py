"""What is cut from the layer, and that nothing is missed. tests/bench/test_cold.py sends each function an event."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import botocore.session
import pytest

import jifen
from bench.cold import make_trees
from infra import trim as trimming
from infra.trim import ROOTS, SERVICES, NotBuiltSo, endpoints_of, size_bytes, trim, trim_roots, without_documentation
from infra.written_out import NotThisSource, classes, is_ordinary, module_text, source_text, write_out

REGIONS = ("us-east-1", "eu-west-2", "ap-east-1", "cn-north-1", "cn-northwest-1", "us-gov-west-1", "eusc-de-east-1")


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trimmed layer of this environment's packages."""
    return make_trees(tmp_path_factory.mktemp("layer"), plain_compiled=False).layer


def _run(script: str, *paths: Path) -> Any:
    """What a script prints as JSON, in a Python that has these folders and nothing else installed."""
    done = subprocess.run(
        [sys._base_executable, "-S", "-c", script],  # type: ignore[attr-defined]
        env={"PYTHONPATH": ":".join(map(str, paths)), "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# Data and certificates


def test_every_client_of_the_functions_has_the_address_it_has_without_the_cuts(layer: Path) -> None:
    """In each partition of AWS: endpoints and rules of the services that stay are whole."""
    script = (
        "import botocore.session, json; from botocore.config import Config; s = botocore.session.get_session();"
        f"print(json.dumps([s.create_client(n, region_name=r, aws_access_key_id='a', aws_secret_access_key='b')"
        f".meta.endpoint_url for n in {SERVICES!r} for r in {REGIONS!r}]))"
    )
    session = botocore.session.get_session()
    whole = [
        session.create_client(name, region_name=region, aws_access_key_id="a", aws_secret_access_key="b").meta
        for name in SERVICES
        for region in REGIONS
    ]

    assert [client.endpoint_url for client in whole] == _run(script, layer / "python")


def test_operations_are_those_of_the_whole_description(layer: Path) -> None:
    """Nothing but texts for people is cut out of a service: same operations, shapes and members."""
    session = botocore.session.get_session()
    for service in SERVICES:
        (path,) = (layer / "python" / "botocore" / "data" / service).glob("*/service-2.json")
        kept = json.loads(path.read_text(encoding="utf-8"))
        model = session.get_service_model(service)

        assert set(model.operation_names) == set(kept["operations"])
        assert set(model.shape_names) == set(kept["shapes"])


def test_only_texts_are_documentation() -> None:
    """A member that happens to be called documentation stays."""
    model = {"documentation": "<p>words</p>", "members": {"documentation": {"shape": "Text", "documentation": "words"}}}

    assert {"members": {"documentation": {"shape": "Text"}}} == without_documentation(model)


def test_endpoints_keep_every_partition() -> None:
    """Regions and partitions stay, services go."""
    whole = {
        "version": 3,
        "partitions": [{"partition": "aws", "regions": {"a": {}}, "services": {"s3": {}, "sqs": {}}}],
    }

    kept = {"version": 3, "partitions": [{"partition": "aws", "regions": {"a": {}}, "services": {"sqs": {}}}]}
    assert kept == endpoints_of(whole, SERVICES)


def test_the_certificates_that_stay_are_the_roots_by_name(layer: Path, tmp_path: Path) -> None:
    """OpenSSL reads each of them, and they are those of botocore's own bundle."""
    bundle = tmp_path / "cacert.pem"
    shutil.copy(Path(botocore.__file__).with_name("cacert.pem"), bundle)
    every = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    every.load_verify_locations(bundle)
    trim_roots(bundle)
    kept = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    kept.load_verify_locations(bundle)

    assert len(ROOTS) == len(kept.get_ca_certs())
    assert set(map(str, kept.get_ca_certs())) <= set(map(str, every.get_ca_certs()))
    owners = {dict(part[0] for part in row["subject"])["organizationName"] for row in kept.get_ca_certs()}  # type: ignore[misc]
    assert {"Amazon", "DigiCert Inc", "Starfield Technologies, Inc."} == owners
    assert (
        (layer / "python" / "botocore" / "cacert.pem")
        .read_text(encoding="utf-8")
        .startswith(bundle.read_text(encoding="utf-8"))
    )


def test_a_root_that_is_gone_stops_the_build(tmp_path: Path) -> None:
    """A newer botocore without one of the roots is looked at by a person before it ships."""
    bundle = tmp_path / "cacert.pem"
    text = Path(botocore.__file__).with_name("cacert.pem").read_text(encoding="utf-8")
    bundle.write_text(text.replace('# Label: "Amazon Root CA 1"', '# Label: "Another"'), encoding="utf-8")

    with pytest.raises(NotBuiltSo, match="Amazon Root CA 1"):
        trim_roots(bundle)


def test_another_bundle_can_be_named(layer: Path, tmp_path: Path) -> None:
    """Where an authority is not among the roots: the environment decides, as it does without the cuts."""
    script = (
        "import os; os.environ['AWS_CA_BUNDLE'] = %r;"
        "import botocore.session, json; s = botocore.session.get_session();"
        "c = s.create_client('sqs', region_name='eu-west-2', aws_access_key_id='a', aws_secret_access_key='b');"
        "print(json.dumps(c._endpoint.http_session._verify))"
    )

    assert str(tmp_path / "own.pem") == _run(script % str(tmp_path / "own.pem"), layer / "python")


# The layer as a whole


def test_trimming_twice_is_trimming_once(layer: Path, tmp_path: Path) -> None:
    """Sam may give the same build again from its cache."""
    again = tmp_path / "layer"
    shutil.copytree(layer, again, ignore=shutil.ignore_patterns("__pycache__"))
    bundle = again / "python" / "botocore" / "cacert.pem"
    trim_roots(bundle)
    before = size_bytes(again)
    trim(again)

    assert before == size_bytes(again)


def test_licences_stay(layer: Path) -> None:
    """Every package that is given under a licence ships with it."""
    kept = {path.parent.name.partition("-")[0].replace("_", "-").lower() for path in (layer / "licenses").rglob("*")}
    requirements = Path(jifen.__file__).parents[1] / "requirements.txt"
    shipped = {
        line.partition("==")[0].replace("_", "-").lower()
        for line in requirements.read_text(encoding="utf-8").splitlines()
        if "==" in line
    }

    assert set() == shipped - kept


def test_a_build_of_other_sources_is_refused(layer: Path, tmp_path: Path) -> None:
    """The methods that are written out are of the classes that are there."""
    changed = tmp_path / "layer"
    shutil.copytree(layer, changed)
    trim_roots(changed / "python" / "botocore" / "cacert.pem")
    with (changed / "python" / "jifen" / "domain" / "lots.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")

    with pytest.raises(NotBuiltSo, match=r"lots\.py was not built from"):
        trim(changed)


def test_a_folder_that_is_no_layer_is_refused(tmp_path: Path) -> None:
    """A wrong path cuts nothing."""
    with pytest.raises(NotBuiltSo, match="is this a built layer"):
        trim(tmp_path)


def test_what_is_emptied_is_imported_by_its_package(layer: Path) -> None:
    """Where nothing asks for such a module any more, its row can go."""
    script = "import sys, json, botocore.session, botocore.client; print(json.dumps(sorted(sys.modules)))"
    loaded = _run(script, layer / "python")
    emptied = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in trimming.EMPTIED}

    assert set() == emptied - set(loaded)


# Dataclasses written out


def _plain() -> dict[str, type]:
    """Three classes before they are decorated, anew each time."""

    class Amount:
        """An amount."""

        minor: int
        currency: str = "EUR"
        tags: dict[str, str] = dataclasses.field(default_factory=dict)

        @property
        def doubled(self) -> int:
            """Twice as much."""
            return 2 * self.minor

    class _Bare:
        value: int = 1

    class Nothing:
        """No field at all."""

    return {"Amount": Amount, "_Bare": _Bare, "Nothing": Nothing}


def _both() -> list[tuple[type, type]]:
    """Each class by the standard decorator and by the one that is written out."""
    decorate = dataclasses.dataclass(frozen=True, slots=True)
    standard: dict[str, type] = {name: decorate(cls) for name, cls in _plain().items()}
    names: dict[str, Any] = {}
    exec(module_text(list(standard.values())), names)  # noqa: S102 - the text that ships
    written = names["dataclass"](frozen=True, slots=True)
    return [(standard[name], written(cls)) for name, cls in _plain().items()]


def _outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (TypeError, AttributeError) as wrong:
        return type(wrong).__name__


_ARGUMENTS: tuple[tuple[Any, ...], ...] = ((), (1,), (1, "USD"), (1, "USD", {"a": "b"}), (1, "USD", {}, 4))


def test_written_out_classes_behave_as_the_standard_ones() -> None:
    """Values, defaults, comparison, hash, text, immutability, replace, asdict and pickling are the decorator's."""
    for standard, written in _both():
        assert is_ordinary(standard)
        assert standard.__match_args__ == written.__match_args__  # type: ignore[attr-defined]
        assert standard.__slots__ == written.__slots__  # type: ignore[attr-defined]
        assert "__dict__" not in dir(written)
        for arguments in _ARGUMENTS:
            one, other = _outcome(partial(standard, *arguments)), _outcome(partial(written, *arguments))
            assert repr(one) == repr(other)
            if not isinstance(one, str):
                _assert_alike(one, other)
                assert other == written(*arguments)


def _assert_alike(one: Any, other: Any) -> None:
    assert _outcome(partial(hash, one)) == _outcome(partial(hash, other))
    assert dataclasses.asdict(one) == dataclasses.asdict(other)
    assert one != other
    assert dataclasses.replace(other) == other
    assert copy.copy(other) == other
    assert one.__getstate__() == other.__getstate__()
    for name in ("minor", "value", "unknown"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(other, name, 2)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(other, name)


def test_what_is_out_of_the_ordinary_is_left_alone() -> None:
    """Also where Python 3.11 does not note it down: a class without slots, or with pickling of its own."""

    class Pickled:
        value: int

        def __getstate__(self) -> list[int]:
            return [self.value]

    class WithoutSlots:
        value: int

    class WithoutPatterns:
        value: int

    assert not is_ordinary(dataclasses.dataclass(frozen=True, slots=True)(Pickled))
    assert not is_ordinary(dataclasses.dataclass(frozen=True)(WithoutSlots))
    assert not is_ordinary(dataclasses.dataclass(frozen=True, slots=True, match_args=False)(WithoutPatterns))


def test_a_build_that_is_refused_is_left_as_it_was(tmp_path: Path) -> None:
    """Should someone deploy it nevertheless, no module asks for a written one that is not there."""
    (source,) = jifen.__path__
    built = tmp_path / "jifen"
    shutil.copytree(source, built, ignore=shutil.ignore_patterns("__pycache__"))
    last = max(built.rglob("*.py"))
    last.write_text(last.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    before = {path: path.read_text(encoding="utf-8") for path in built.rglob("*.py")}

    with pytest.raises(NotThisSource, match="build again"):
        write_out(jifen, built)
    assert before == {path: path.read_text(encoding="utf-8") for path in built.rglob("*.py")}


def test_default_factories_make_a_value_each_time() -> None:
    """No two instances share a default that can change."""
    _, amount = _both()[0]

    assert amount(1).tags is not amount(1).tags


_DESCRIBE = """
import dataclasses, importlib, inspect, json, pkgutil, jifen
found = {}
for info in pkgutil.walk_packages(jifen.__path__, "jifen."):
    if info.name in ("jifen.openapi", "jifen.written_out"):
        continue
    for cls in vars(importlib.import_module(info.name)).values():
        if isinstance(cls, type) and cls.__module__ == info.name and dataclasses.is_dataclass(cls):
            found[f"{info.name}.{cls.__qualname__}"] = [
                [[f.name, str(f.type),
                  "none" if f.default is dataclasses.MISSING else getattr(f.default, "__qualname__", repr(f.default)),
                  getattr(f.default_factory, "__qualname__", "none")] for f in dataclasses.fields(cls)],
                list(inspect.signature(cls).parameters),
                [getattr(cls.__dataclass_params__, n) for n in ("init", "repr", "eq", "order", "frozen")],
                list(cls.__match_args__), sorted(set(dir(cls)) - {"__annotations__"}), cls.__doc__ or "",
            ]
print(json.dumps(found))
"""


def test_every_class_of_the_layer_is_that_of_the_sources(layer: Path) -> None:
    """Fields, defaults, parameters and names of all dataclasses agree."""
    source = Path(jifen.__file__).parents[1]
    (untrimmed,) = layer.parent.glob("plain")
    expected, found = _run(_DESCRIBE, source, untrimmed), _run(_DESCRIBE, layer / "python")
    undocumented = {name for name, described in found.items() if described[-1] == name.rpartition(".")[2]}
    for name in undocumented:  # the decorator makes up a text for these, which costs more than the class
        expected[name][-1] = found[name][-1]

    assert expected == found
    assert len(found) > 50


def test_a_pickle_goes_through() -> None:
    """A value can be pickled, as the standard decorator's can."""
    found = next(cls for cls in classes(jifen) if cls.__qualname__ == "Lot")

    assert found.__module__ == "jifen.domain.lots"
    assert pickle.loads(pickle.dumps(found)) is found  # noqa: S301 - our own bytes


def test_a_module_keeps_its_lines() -> None:
    """Only the import changes, so a traceback of the layer points to the line of the source."""
    text = "import x\nfrom dataclasses import dataclass, field, replace\n\n\n@dataclass(frozen=True)\nclass A: ...\n"
    changed = source_text(text, "jifen")

    assert text.count("\n") == changed.count("\n")
    assert "from dataclasses import field, replace; from jifen.written_out import dataclass" in changed
    assert changed == source_text(changed, "jifen")


def test_the_domain_tests_pass_on_the_layer(layer: Path, root: Path) -> None:
    """The domain is the same with the classes that ship; what is drawn at random is drawn once, from the source."""
    told_once = ("test_laws.py", "test_lint.py", "test_drawing.py", "rules/test_laws_of_rules.py")
    paths = f"pythonpath={root} {layer / 'python'}"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-m",
        "not hypothesis",
        "-p",
        "no:cacheprovider",
        "-o",
        paths,
    ]
    domain = root / "tests" / "domain"
    command += [str(domain), *(f"--ignore={domain / name}" for name in told_once)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stdout[-3_000:]
