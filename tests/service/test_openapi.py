"""The description of the interface: valid, whole, and true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import write_api_reference
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette
from starlette.testclient import TestClient
from watched_monitor import NOW_UNIX_S, FakeMonitor, failed, promises, row, target

from llm_latency_lens.service import api
from llm_latency_lens.service.api import Desk
from llm_latency_lens.service.api.endpoints import ENDPOINTS
from llm_latency_lens.service.api.openapi import document

DOCUMENT = document(ENDPOINTS)


def test_it_is_openapi() -> None:
    OpenAPIV31SpecValidator(json.loads(json.dumps(DOCUMENT))).validate()


def test_it_is_published() -> None:
    folder = write_api_reference.FOLDER
    why = "run python tests/service/write_api_reference.py"
    assert (folder / "monitor-api.json").read_text() == write_api_reference.as_json(), why
    page = (folder / "monitor-api.md").read_text()
    assert page.endswith(write_api_reference.as_markdown()), why


def test_everything_is_described() -> None:
    operations = [one for path in DOCUMENT["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) == len(ENDPOINTS)
    for one in operations:
        assert one["summary"].endswith(".")
        assert all(parameter["description"] for parameter in one["parameters"])
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert schema.get("description"), name


@pytest.mark.parametrize(
    "path",
    [
        "/targets",
        "/targets/mini",
        "/latest",
        "/series?target=mini&histograms=true",
        "/probes?target=mini",
        "/incidents",
        "/notes?target=mini",
        "/silences",
        "/decision?minimise=ttft_ms.p50",
        "/series",
    ],
)
def test_answers_are_as_described(path: str, tmp_path: Path) -> None:
    with FakeMonitor(tmp_path, target("mini", promises=promises()), target("haiku")) as monitor:
        for place in range(4):
            monitor.keep(
                row("mini", NOW_UNIX_S - 60 - place), row("haiku", NOW_UNIX_S - 60 - place)
            )
        monitor.keep(failed("mini", NOW_UNIX_S - 50))
        client = TestClient(Starlette(routes=api.routes(Desk(monitor))))
        answer = client.get(f"/api/v1{path}")
    where = path.partition("?")[0].replace("/targets/mini", "/targets/{name}")
    described = DOCUMENT["paths"][f"/api/v1{where}"]["get"]["responses"]
    schema = described[str(answer.status_code)]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**schema, **_components()}).validate(answer.json())


def test_the_service_gives_it_too(tmp_path: Path) -> None:
    with FakeMonitor(tmp_path, target("mini")) as monitor:
        client = TestClient(Starlette(routes=api.routes(Desk(monitor))))
        assert client.get("/api/v1/openapi.json").json() == json.loads(json.dumps(DOCUMENT))


def _components() -> dict[str, Any]:
    return {"components": DOCUMENT["components"]}
