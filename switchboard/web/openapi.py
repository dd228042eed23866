"""The description of the API, made from the routes themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from apispec import APISpec
from pydantic import BaseModel

if TYPE_CHECKING:
    from switchboard.web.routes import Route

_ERROR = {
    "type": "object",
    "required": ["code", "zh", "en"],
    "properties": {
        "code": {"type": "string"},
        "zh": {"type": "string"},
        "en": {"type": "string"},
        "fields": {"type": "array", "items": {"type": "string"}},
        "problems": {"type": "array", "items": {"type": "string"}},
    },
}


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """OpenAPI 3.1 of all JSON routes."""
    spec = APISpec("12348 switchboard", _version(), "3.1.0")
    spec.components.schema("Error", _ERROR)
    for route in routes:
        if route.kind == "api":
            spec.path(route.path, operations={route.method.lower(): _operation(spec, route)})
    return spec.to_dict()


def _version() -> str:
    try:
        return version("switchboard-12348")
    except PackageNotFoundError:
        return "0"


def _operation(spec: APISpec, route: Route) -> dict[str, Any]:
    problem = {"description": "An error", "content": _json({"$ref": "#/components/schemas/Error"})}
    done: dict[str, Any] = {"description": "Done"}
    if route.answer is not None:
        done["content"] = _json(_schema(spec, route.answer))
    operation: dict[str, Any] = {
        "summary": route.summary,
        "parameters": _parameters(spec, route),
        "responses": {str(route.status): done, "default": problem},
        "x-roles": "anybody" if route.roles is None else sorted(route.roles),
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(_schema(spec, route.body))}
    return operation


def _parameters(spec: APISpec, route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "in": "path",
            "name": name,
            "required": True,
            "schema": {"type": "string", "pattern": f"^{pattern}$"},
        }
        for name, pattern in route.parts.items()
        if re.search(rf"\{{{name}\}}", route.path)
    ]
    if route.query is not None:
        schema = _resolved(spec, route.query.model_json_schema(ref_template=_REF))
        required = schema.get("required", [])
        found += [
            {"in": "query", "name": name, "required": name in required, "schema": described}
            for name, described in schema["properties"].items()
        ]
    return found


_REF = "#/components/schemas/{model}"


def _schema(spec: APISpec, model: type[BaseModel]) -> dict[str, str]:
    name = model.__name__
    if name not in spec.components.schemas:
        spec.components.schema(name, _resolved(spec, model.model_json_schema(ref_template=_REF)))
    return {"$ref": f"#/components/schemas/{name}"}


def _resolved(spec: APISpec, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its parts moved to the components."""
    for name, part in schema.pop("$defs", {}).items():
        if name not in spec.components.schemas:
            spec.components.schema(name, part)
    return schema


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
