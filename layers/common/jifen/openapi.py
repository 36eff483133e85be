"""The routes of :mod:`jifen.http` for Powertools' resolver, which makes the OpenAPI document; not in the layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from jifen.http import Route


def resolver(routes: Sequence[Route]) -> APIGatewayHttpResolver:
    """A resolver that describes these routes."""
    made = APIGatewayHttpResolver(enable_validation=True)
    for route in routes:
        made.route(route.path, method=route.method.upper(), summary=route.summary)(_described(route))
    return made


def _described(route: Route) -> Callable[..., Any]:
    """A function with the route's name and parameters, those of a query one by one."""

    def described() -> None:
        raise NotImplementedError

    ids = [_parameter(name, str) for name in route.pattern.groupindex]
    given: list[inspect.Parameter] = []
    if route.given == "query" and route.model:
        given = [_queried(name, field) for name, field in route.model.model_fields.items()]
    elif route.model:
        asked: type[BaseModel] | None = route.model
        given = [_parameter("body", asked | None, None) if route.optional else _parameter("body", asked)]  # type: ignore[operator]
    if route.query:
        given += [_queried(name, field) for name, field in route.query.model_fields.items()]
    described.__name__, described.__doc__ = route.function.__name__, route.function.__doc__
    described.__signature__ = inspect.Signature([*ids, *given])  # type: ignore[attr-defined]
    return described


def _queried(name: str, field: FieldInfo) -> inspect.Parameter:
    asked = Query(alias=field.alias, description=field.description)
    asked.metadata = list(field.metadata)
    return _parameter(name, Annotated[field.annotation, asked], field.default)


def _parameter(name: str, kind: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
