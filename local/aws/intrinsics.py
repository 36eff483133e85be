"""CloudFormation's functions, as far as templates of this project use them: a template and a stack in, plain data out.

Ref  Fn::Sub  Fn::GetAtt (Arn)  Fn::If  Fn::Equals  Fn::Not  Fn::And  Fn::Or  Fn::Split  Fn::Select  Fn::Join
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_NO_VALUE = object()
_CALL_KEYS = 1


class UnknownReference(Exception):
    """A template refers to something that the stack does not have, or by a function that is not known here."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves values of one stack.

    `names` are parameters, pseudo parameters (`AWS::Region`) and physical ids by logical id; `arns` are ARNs by logical
    id; `conditions` is the template's section of that name.
    """

    names: Mapping[str, Any]
    arns: Mapping[str, str]
    conditions: Mapping[str, Any]

    def resolve(self, value: Any) -> Any:
        """Give `value` without any function left in it; what is AWS::NoValue is left out.

        Raises UnknownReference.
        """
        found = self._resolve(value)
        return None if found is _NO_VALUE else found

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [found for found in map(self._resolve, value) if found is not _NO_VALUE]
        if not isinstance(value, Mapping):
            return value
        if len(value) == _CALL_KEYS:
            ((name, argument),) = value.items()
            if name == "Ref" or name.startswith("Fn::") or (name == "Condition" and isinstance(argument, str)):
                return self._call(name, argument)
        found = {key: self._resolve(part) for key, part in value.items()}
        return {key: part for key, part in found.items() if part is not _NO_VALUE}

    def _call(self, name: str, argument: Any) -> Any:
        calls: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Condition": self._holds,
            "Fn::Sub": self._sub,
            "Fn::GetAtt": self._get_att,
            "Fn::If": lambda x: self._resolve(x[1] if self._holds(x[0]) else x[2]),
            "Fn::Equals": lambda x: self._resolve(x[0]) == self._resolve(x[1]),
            "Fn::Not": lambda x: not self._resolve(x[0]),
            "Fn::And": lambda x: all(map(self._resolve, x)),
            "Fn::Or": lambda x: any(map(self._resolve, x)),
            "Fn::Split": lambda x: str(self._resolve(x[1])).split(x[0]),
            "Fn::Select": lambda x: self._resolve(x[1])[int(self._resolve(x[0]))],
            "Fn::Join": lambda x: str(x[0]).join(map(str, self._resolve(x[1]))),
        }
        if name not in calls:
            message = f"the function {name} is not known to the local AWS"
            raise UnknownReference(message)
        return calls[name](argument)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name not in self.names:
            message = f"{name} is neither a parameter nor a resource of the stack"
            raise UnknownReference(message)
        return self.names[name]

    def _holds(self, name: str) -> bool:
        if name not in self.conditions:
            message = f"the template has no condition {name}"
            raise UnknownReference(message)
        return bool(self._resolve(self.conditions[name]))

    def _get_att(self, argument: Any) -> str:
        name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
        if attribute != "Arn" or name not in self.arns:
            message = f"{attribute} of {name} is not known to the local AWS"
            raise UnknownReference(message)
        return self.arns[name]

    def _sub(self, argument: Any) -> str:
        text, given = (argument[0], self._resolve(argument[1])) if isinstance(argument, list) else (argument, {})

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in given:
                return str(given[name])
            return self._get_att(name) if "." in name else str(self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", fill, text)
