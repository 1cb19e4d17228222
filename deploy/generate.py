"""Writes what is made from something else in this folder: `python deploy/generate.py [FOLDER]`.

Dashboards come from code; Prometheus Operator and Helm want the rules and the dashboards in their
own folders and form. Needs grafana-foundation-sdk and PyYAML.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "grafana"))

from dashboards import rendered  # noqa: E402

RULES = HERE / "prometheus" / "latency-lens.rules.yml"
CHART = "helm/latency-lens/files"
OPERATOR = "kubernetes/prometheus-operator/rules.yaml"


def generated() -> dict[str, str]:
    """Each file's path in this folder, and what it holds."""
    boards = rendered()
    return {
        **{f"grafana/dashboards/{name}": text for name, text in boards.items()},
        **{f"{CHART}/{name}": text for name, text in boards.items()},
        f"{CHART}/{RULES.name}": RULES.read_text(),
        OPERATOR: operator_rules(),
    }


def operator_rules() -> str:
    """The rules as Prometheus Operator's own kind of object."""
    told = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "latency-lens", "labels": {"app.kubernetes.io/name": "latency-lens"}},
        "spec": yaml.safe_load(RULES.read_text()),
    }
    begin = "# Written by deploy/generate.py from deploy/prometheus/latency-lens.rules.yml.\n"
    return begin + yaml.safe_dump(told, sort_keys=False, width=100)


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, text in generated().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
