"""Write the reference of the interface anew, after a change of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_latency_lens.service.api.endpoints import ENDPOINTS
from llm_latency_lens.service.api.openapi import document

FOLDER = Path(__file__).parents[2] / "docs/reference"
BEGIN = "<!-- generated: python tests/service/write_api_reference.py -->"


def as_json() -> str:
    return json.dumps(document(ENDPOINTS), indent=2) + "\n"


def as_markdown() -> str:
    """The part of the page that follows from the document."""
    found = document(ENDPOINTS)
    lines = [BEGIN, ""]
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            lines += [*_operation(method.upper(), path, operation), ""]
    lines += ["## What the answers hold", ""]
    for name, schema in found["components"]["schemas"].items():
        lines += [*_schema(name, schema), ""]
    return "\n".join(lines).rstrip() + "\n"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method} {path}"
    yield ""
    yield operation["summary"] + (" Needs the token." if "security" in operation else "")
    body = operation.get("requestBody")
    if body:
        yield ""
        yield f"Takes {_kind(body['content']['application/json']['schema'])} as JSON."
    good = next(iter(operation["responses"].items()))
    content = next(iter(good[1].get("content", {}).items()), None)
    answer = "no content" if content is None else _kind(content[1]["schema"])
    if content and content[0] != "application/json":
        answer = f"`{content[0]}`"
    yield ""
    yield f"Answers {good[0]}: {answer}."
    if operation["parameters"]:
        yield ""
        yield "| Parameter | | |"
        yield "|---|---|---|"
        for one in operation["parameters"]:
            default = one["schema"].get("default")
            more = "needed" if one["required"] else f"`{default}`" if default is not None else ""
            told = one["description"]
            if also := one["schema"].get("description"):
                told += f"; {also}"
            yield f"| `{one['name']}` | {told} | {more} |"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield " ".join(schema.get("description", "").split())
    if schema.get("properties"):
        yield ""
        yield "| Field | |"
        yield "|---|---|"
        for field, kind in schema["properties"].items():
            yield f"| `{field}` | {_kind(kind)} |"


def _kind(schema: dict[str, Any]) -> str:
    """A type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        if "prefixItems" in schema:
            return "[" + ", ".join(map(_kind, schema["prefixItems"])) + "]"
        return f"list of {_kind(schema['items'])}"
    if kind == "object":
        of = schema.get("additionalProperties")
        return f"object of {_kind(of)}" if isinstance(of, dict) else "object"
    return str(kind)


def main() -> None:
    (FOLDER / "monitor-api.json").write_text(as_json())
    page = FOLDER / "monitor-api.md"
    page.write_text(page.read_text().partition(BEGIN)[0] + as_markdown())


if __name__ == "__main__":
    main()
