"""Says, as JSON, what Helm, Kubernetes' own schemas and Grafana's SDK find of the folder deploy/.

Runs in .venv-real: `deploy_judge.py generated`, `... chart VALUES`, `... manifests FILE`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CHART = DEPLOY / "helm" / "latency-lens"
OPERATOR = "monitoring.coreos.com"


def generated() -> list[str]:
    """Files that are not what their code makes."""
    sys.path.insert(0, str(DEPLOY))
    from generate import generated as made

    return [
        name
        for name, text in made().items()
        if not (DEPLOY / name).is_file() or (DEPLOY / name).read_text() != text
    ]


def chart(values: str) -> dict[str, Any]:
    """What Helm says of the chart with these values, and what it makes of it."""
    from helm_python import Chart, HelmError, lint

    given = json.loads(values)
    linted = lint(str(CHART), values=given)
    try:
        files = Chart.load(str(CHART)).render(values=given, name="lens", namespace="watch")
    except HelmError as error:
        return {"error": str(error), "lint": linted["errors"]}
    texts = {name.rpartition("/")[2]: text for name, text in files.items()}
    notes = texts.pop("NOTES.txt")
    objects = [one for text in texts.values() for one in yaml.safe_load_all(text) if one]
    return {"lint": linted["errors"], "notes": notes, "objects": objects, "wrong": wrong(objects)}


def manifests(file: str) -> list[str]:
    objects = [one for one in yaml.safe_load_all(Path(file).read_text()) if one]
    return wrong(objects)


def wrong(objects: list[Any]) -> list[str]:
    """What Kubernetes would refuse, unknown names included; an operator's kinds have no schema."""
    version = kubernetes_validate.latest_version()
    found = []
    for one in objects:
        if one["apiVersion"].startswith(OPERATOR):
            continue
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{one['kind']} {one['metadata']['name']}: {error}")
    return found


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    print(
        json.dumps(
            {"generated": generated, "chart": chart, "manifests": manifests}[what](*arguments)
        )
    )
