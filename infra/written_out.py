"""Writes out what ``@dataclass`` would make at every cold start: its methods, as source, into the built package.

    jifen/domain/lots.py    from dataclasses import dataclass  ──>  from jifen.written_out import dataclass
    jifen/written_out.py    __init__, __repr__, __eq__, __hash__ of every ordinary dataclass of the package

The decorator makes these as text and compiles them whenever a module is imported: four million instructions a class.
Here it is done once, when the layer is built, and the bytecode ships. Nothing else of a module changes, not even the
number of a line. A class with anything out of the ordinary is left to the standard library.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

MODULE = "written_out"
"""The module that is put into the built package."""

_IMPORT = re.compile(r"^from dataclasses import ([\w, ]+)$", re.MULTILINE)

_MADE = ("__init__", "__repr__", "__eq__", "__hash__")
_SHARED_BY_ALL = ("__getstate__", "__setstate__", "__replace__")
_PARAMS = {
    "init": True,
    "repr": True,
    "eq": True,
    "order": False,
    "unsafe_hash": False,
    "frozen": True,
    "match_args": True,
    "kw_only": False,
    "slots": True,
    "weakref_slot": False,
}

_HEAD = '''"""What dataclasses would make at import, written when the layer was built. Not to be edited."""

from dataclasses import MISSING, Field, FrozenInstanceError, field, fields
from dataclasses import dataclass as _dataclass

_set = object.__setattr__


def dataclass(cls=None, /, **options):
    """The standard decorator, quick for the classes that are written out below."""

    def made(cls):
        write = _WRITTEN.get(f"{cls.__module__}.{cls.__qualname__}")
        return _dataclass(cls, **options) if write is None else _made(cls, write)

    return made if cls is None else made(cls)


def _made(cls, write):
    body = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
    for method in write(body):
        body[method.__name__] = method
        method.__qualname__ = f"{cls.__qualname__}.{method.__name__}"
    body |= _SHARED
    found = {name: _field(name, kind, body.pop(name, MISSING)) for name, kind in cls.__annotations__.items()}
    body |= {"__slots__": tuple(found), "__match_args__": tuple(found), "__dataclass_fields__": found}
    body["__qualname__"] = cls.__qualname__
    if body.get("__doc__") is None:
        body["__doc__"] = cls.__name__  # the decorator would make one, at a cost
    return type(cls)(cls.__name__, cls.__bases__, body)


def _default(value):
    return value.default if isinstance(value, Field) else value


def _field(name, kind, value):
    one = value if isinstance(value, Field) else field(default=value)
    one.name, one.type, one.kw_only, one._field_type = name, kind, False, _FIELD
    return one


def _is_fixed(self, name):
    return "__dataclass_fields__" in type(self).__dict__ or name in self.__dataclass_fields__


def _setattr(self, name, value):
    if _is_fixed(self, name):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    _set(self, name, value)


def _delattr(self, name):
    if _is_fixed(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")
    object.__delattr__(self, name)


def _getstate(self):
    return [getattr(self, field.name) for field in fields(self)]


def _setstate(self, state):
    for field, value in zip(fields(self), state, strict=True):
        _set(self, field.name, value)


@_dataclass(init=False, repr=False, eq=False, slots=True)
class _Sample:
    """What the decorator puts into every class, whatever its fields."""

    name: str


_FIELD = fields(_Sample)[0]._field_type
_PARAMS = _Sample.__dataclass_params__
_PARAMS.init = _PARAMS.repr = _PARAMS.eq = _PARAMS.frozen = True
_SHARED = {
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__getstate__": _getstate,
    "__setstate__": _setstate,
    "__dataclass_params__": _PARAMS,
}
if hasattr(_Sample, "__replace__"):
    _SHARED["__replace__"] = _Sample.__replace__
'''


def classes(package: ModuleType) -> Iterator[type]:
    """Every class of the package that can be written out, module by module."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        yield from (
            value
            for value in vars(module).values()
            if isinstance(value, type) and value.__module__ == found.name and is_ordinary(value)
        )


def is_ordinary(cls: type) -> bool:
    """Whether a class is a frozen dataclass with slots, without a base, whose methods the decorator alone has made."""
    own = cls.__dict__
    if "__dataclass_fields__" not in own or cls.__bases__ != (object,) or "__post_init__" in own:
        return False
    if any(getattr(own["__dataclass_params__"], name, value) is not value for name, value in _PARAMS.items()):
        return False
    if not all(_is_generated(own.get(name)) for name in _MADE):
        return False
    found = own["__dataclass_fields__"].values()
    # Python 3.11 keeps no record of these options, so what they have made is looked at.
    if (own.get("__slots__"), own.get("__match_args__")) != ((tuple(own["__dataclass_fields__"]),) * 2):
        return False
    if any(getattr(own.get(name), "__module__", "dataclasses") != "dataclasses" for name in _SHARED_BY_ALL):
        return False
    return all(
        field._field_type is dataclasses._FIELD  # type: ignore[attr-defined]  # noqa: SLF001 - what fields() looks at
        and (field.init, field.repr, field.hash, field.kw_only) == (True, True, None, False)
        and not field.metadata
        for field in found
    ) and len(found) == len(dataclasses.fields(cls))


def _is_generated(method: Any) -> bool:
    """Whether the decorator compiled it: such code comes from no file."""
    code = getattr(getattr(method, "__wrapped__", method), "__code__", None)
    return code is not None and code.co_filename == "<string>"


def module_text(found: Iterable[type]) -> str:
    """The module that holds the methods of these classes."""
    parts, names = [_HEAD], []
    for cls in found:
        name = f"{cls.__module__}.{cls.__qualname__}"
        function = re.sub(r"\W", "_", f"_{name}")
        names.append(f"    {name!r}: {function},\n")
        parts.append(_class_text(cls, function))
    return "\n\n".join([*parts, "_WRITTEN = {\n" + "".join(names) + "}\n"])


def _class_text(cls: type, function: str) -> str:
    """A function that makes the methods of one class, given the class's own names for the defaults."""
    fields = dataclasses.fields(cls)
    parameters = ", ".join(["self", *map(_parameter, fields)])
    factories = "".join(
        f"    {_factory(field)} = own[{field.name!r}].default_factory\n"
        for field in fields
        if field.default_factory is not dataclasses.MISSING
    )
    sets = "\n".join(f"        _set(self, {field.name!r}, {_value(field)})" for field in fields) or "        pass"
    shown = ", ".join(f"{field.name}={{self.{field.name}!r}}" for field in fields)
    compared = [field.name for field in fields if field.compare]
    equal = " and ".join(f"self.{name} == other.{name}" for name in compared) or "True"
    values = "".join(f"self.{name}, " for name in compared)
    return f"""def {function}(own):
{factories}    def __init__({parameters}):
{sets}

    def __repr__(self):
        return f"{{self.__class__.__qualname__}}({shown})"

    def __eq__(self, other):
        if self is other:
            return True
        if other.__class__ is self.__class__:
            return {equal}
        return NotImplemented

    def __hash__(self):
        return hash(({values}))

    return __init__, __repr__, __eq__, __hash__
"""


def _parameter(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return f"{field.name}=MISSING"
    return field.name if field.default is dataclasses.MISSING else f"{field.name}=_default(own[{field.name!r}])"


def _value(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is dataclasses.MISSING:
        return field.name
    return f"{_factory(field)}() if {field.name} is MISSING else {field.name}"


def _factory(field: dataclasses.Field[Any]) -> str:
    return f"make_{field.name}"


def source_text(text: str, package: str) -> str:
    """A module that takes ``dataclass`` from the written module; as many lines as before."""

    def swapped(found: re.Match[str]) -> str:
        names = [name.strip() for name in found[1].split(",")]
        if "dataclass" not in names:
            return found[0]
        rest = [name for name in names if name != "dataclass"]
        kept = f"from dataclasses import {', '.join(rest)}; " if rest else ""
        return f"{kept}from {package}.{MODULE} import dataclass"

    return _IMPORT.sub(swapped, text)


class NotThisSource(Exception):
    """A built module was not made from the source beside it; the message names both."""


def write_out(package: ModuleType, built: Path, cut: Collection[str] = ()) -> int:
    """Write the methods of the package's dataclasses into its built copy; how many classes that were.

    Args:
        package: the package as its sources are, which is imported for this.
        built: the folder of its built copy.
        cut: modules that the copy does without, as paths in the package.

    Raises:
        NotThisSource: the copy is of other sources.
    """
    (source,) = map(Path, package.__path__)
    found = list(classes(package))
    changed: dict[Path, str] = {}
    for path in sorted(source.rglob("*.py")):
        name = path.relative_to(source)
        if name.as_posix() in cut:
            continue
        copy = built / name
        text = path.read_text(encoding="utf-8")
        wanted = source_text(text, package.__name__)
        if not copy.is_file() or copy.read_text(encoding="utf-8") not in {text, wanted}:
            raise NotThisSource(f"{copy} was not built from {path}: build again")
        changed[copy] = wanted
    # The written module is there before the first that imports it: wherever this stops, the package still works.
    (built / f"{MODULE}.py").write_text(module_text(found), encoding="utf-8")
    for copy, wanted in changed.items():
        copy.write_text(wanted, encoding="utf-8")
    return len(found)
