"""The interface described for programs: an OpenAPI 3.1 document, made from the table of endpoints
and the types of what they take and answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import Any

import msgspec

from .answering import PREFIX, Endpoint
from .asking import Parameter
from .shapes import EVENTS, Problem

_DECIMAL = '{"type": "string", "format": "decimal"}'
"""What msgspec says of a decimal; they are written as numbers."""
_PATH = re.compile(r"{(\w+)}")
_WHERE = "#/components/schemas/"


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole document; JSON knows all of it."""
    schemas, components = _schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "latency-lens monitor",
            "version": "1",
            "description": "What a monitor has measured. Times are Unix seconds unless the name"
            " says otherwise, lengths of time milliseconds (`_ms`), costs US dollars; what is"
            " unknown is null.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "the monitor itself"}],
        "security": [{}, {"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The monitor's token. Without one in its configuration everybody"
                    " may read, and nobody change anything.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "latency_lens_session",
                    "description": "Of browsers, after the form at /login.",
                },
            },
        },
    }


def _operation(one: Endpoint, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.told,
        "parameters": [*map(_in_path, _PATH.finditer(one.path)), *map(_in_query, one.parameters)],
        "responses": {
            **_good(one, schemas),
            **{status: _bad(told) for status, told in _faults(one).items()},
        },
    }
    if one.guarded:
        found["security"] = [{"token": []}, {"session": []}]
    if one.body is not None:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas[one.body]}},
        }
    return found


def _good(one: Endpoint, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    if one.answer is None:
        return {"204": {"description": "done"}}
    schema = schemas.get(one.answer, {"type": "string"})
    return {
        str(one.status): {"description": "the answer", "content": {one.media: {"schema": schema}}}
    }


def _faults(one: Endpoint) -> dict[str, str]:
    found = {"401": "a token is needed"}
    if one.parameters or one.body is not None:
        found["400"] = "what is asked is wrong: the answer says what, and what to do"
    if one.guarded:
        found["403"] = "the monitor has no token, or the request came from another site"
    if "{" in one.path or one.body is not None or any(p.name == "target" for p in one.parameters):
        found["404"] = "there is none of that name"
    if one.parameters or one.method == "POST":
        found["503"] = "as much is under way as may be: ask again in a second"
    found["429"] = "too many requests from one address"
    return dict(sorted(found.items()))


def _bad(told: str) -> dict[str, Any]:
    schema = {"$ref": f"{_WHERE}Problem"}
    return {"description": told, "content": {"application/json": {"schema": schema}}}


def _in_path(found: re.Match[str]) -> dict[str, Any]:
    return {
        "name": found[1],
        "in": "path",
        "required": True,
        "description": "as the answers call it",
        "schema": {"type": "string"},
    }


def _in_query(one: Parameter) -> dict[str, Any]:
    schema = dict(one.kind.schema)
    if one.default is not None:
        schema["default"] = _plain(one.default, schema.get("type"))
    return {
        "name": one.name,
        "in": "query",
        "required": one.required,
        "description": one.told,
        "schema": schema,
    }


def _plain(default: str, kind: Any) -> Any:
    return default if kind == "string" else json.loads(default)


def _schemas(endpoints: Sequence[Endpoint]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """The schema of each type that is taken or answered, and the parts that they refer to."""
    types: list[Any] = [Problem, *EVENTS]
    for one in endpoints:
        types += [kind for kind in (one.body, one.answer) if isinstance(kind, type)]
    types = list(dict.fromkeys(kind for kind in types if _is_json(kind)))
    found, parts = msgspec.json.schema_components(types, ref_template=f"{_WHERE}{{name}}")
    components = json.loads(json.dumps(parts).replace(_DECIMAL, '{"type": "number"}'))
    for definition in components.values():
        # Until Python 3.12 a docstring keeps the indentation that it has in the source.
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    return dict(zip(types, found, strict=True)), dict(sorted(components.items()))


def _is_json(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
