"""The files in deploy/, held against those who read them: Docker's and systemd's linters, Helm,
Kustomize, Kubernetes' schemas, promtool, the schema of Compose. No container engine runs here."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from real_parts import ROOT, VENV, program, sdk_says

from llm_latency_lens.cli.app import run
from llm_latency_lens.cli.world import World

pytestmark = pytest.mark.real

DEPLOY = ROOT / "deploy"
EVERYTHING = {
    "existingSecret": "keys",
    "tokenKey": "MONITOR_TOKEN",
    "imagePullSecrets": [{"name": "registry"}],
    "persistence": {"storageClass": "fast"},
    "ingress": {"enabled": True, "className": "nginx", "host": "lens.test", "tlsSecret": "tls"},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True},
    "dashboards": {"enabled": True},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "k", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "benchmarks": [
        {"name": "nightly", "schedule": "17 3 * * *", "args": ["openai/m", "Hi"]},
        {"name": "once", "args": ["openai/m", "Hi", "--requests", "9"]},
    ],
}


def ran(*command: str | Path, cwd: Path = DEPLOY) -> str:
    """What a program prints, which must end well."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def tool(name: str) -> str:
    found = program(name)
    assert found is not None, f"{name} is not installed"
    return found


def rendered(**values: Any) -> dict[str, Any]:
    found: dict[str, Any] = sdk_says("deploy_judge.py", "chart", json.dumps(values))
    return found


def of_kind(objects: list[Any], kind: str) -> list[Any]:
    return [one for one in objects if one["kind"] == kind]


def test_what_is_made_from_code_is_what_the_code_makes() -> None:
    assert sdk_says("deploy_judge.py", "generated") == []


def test_the_image() -> None:
    ran(VENV / "bin/hadolint", "docker/Dockerfile")


def test_yaml_is_tidy() -> None:
    ran(VENV / "bin/yamllint", "--strict", ".")


def test_compose_knows_every_word() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    ran(VENV / "bin/check-jsonschema", *schema, "compose/compose.yaml")


def test_compose_mounts_what_is_there() -> None:
    services = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())["services"]
    mounts = [mount for one in services.values() for mount in one.get("volumes", ())]
    paths = [mount.partition(":")[0] for mount in mounts if mount.startswith(".")]
    assert len(paths) == 7
    assert [path for path in paths if not (DEPLOY / "compose" / path).exists()] == []


@pytest.mark.parametrize("folder", ["base", "prometheus-operator", "benchmark"])
def test_kustomize_makes_what_kubernetes_takes(folder: str, tmp_path: Path) -> None:
    made = tmp_path / "made.yaml"
    made.write_text(ran(tool("kubectl"), "kustomize", f"kubernetes/{folder}"))
    assert sdk_says("deploy_judge.py", "manifests", str(made)) == []
    objects = list(yaml.safe_load_all(made.read_text()))
    if folder == "prometheus-operator":
        assert {"ServiceMonitor", "PrometheusRule", "Deployment"} <= {
            one["kind"] for one in objects
        }


def test_the_judge_of_manifests_judges(tmp_path: Path) -> None:
    made = tmp_path / "made.yaml"
    text = (DEPLOY / "kubernetes/base/deployment.yaml").read_text()
    made.write_text(text.replace("runAsNonRoot: true", "runAsNonroot: true"))
    assert len(sdk_says("deploy_judge.py", "manifests", str(made))) == 1


@pytest.mark.parametrize("values", [{}, EVERYTHING, {"persistence": {"enabled": False}}])
def test_the_chart(values: dict[str, Any]) -> None:
    found = rendered(**values)
    assert (found["lint"], found["wrong"]) == ([], [])
    (pod,) = (one["spec"]["template"]["spec"] for one in of_kind(found["objects"], "Deployment"))
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsUser"] == 10001


def test_the_chart_with_everything_makes_everything() -> None:
    found = rendered(**EVERYTHING)
    kinds = [one["kind"] for one in found["objects"]]
    for kind in ("CronJob", "Job", "Ingress", "ServiceMonitor", "PrometheusRule", "NetworkPolicy"):
        assert kinds.count(kind) == 1, kind
    assert (kinds.count("PersistentVolumeClaim"), kinds.count("ConfigMap")) == (2, 2)
    (rules,) = of_kind(found["objects"], "PrometheusRule")
    source = DEPLOY / "prometheus/latency-lens.rules.yml"
    assert rules["spec"] == yaml.safe_load(source.read_text())
    texts = next(
        one["data"]
        for one in of_kind(found["objects"], "ConfigMap")
        if one["metadata"]["name"].endswith("-dashboards")
    )
    assert json.loads(texts["latency-lens-overview.json"])["title"] == "LLM latency"
    assert "No existingSecret" not in found["notes"]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"config": {"targets": []}}, "targets"),
        ({"ingress": {"enabled": True}}, "ingress.host"),
        ({"benchmarks": [{"name": "Bad Name", "schedule": "17 3 * * *", "args": ["x"]}]}, "name"),
    ],
)
def test_the_chart_says_what_is_wrong(values: dict[str, Any], word: str) -> None:
    assert word in rendered(**values)["error"]


@pytest.mark.parametrize("name", ["docker", "compose", "kubernetes/base"])
def test_the_monitor_takes_its_files(name: str) -> None:
    assert "1 target, no mistake" in validated(DEPLOY / name / "monitor.yaml")


@pytest.mark.parametrize("values", [{}, EVERYTHING])
def test_the_monitor_takes_what_the_chart_writes(values: dict[str, Any], tmp_path: Path) -> None:
    maps = of_kind(rendered(**values)["objects"], "ConfigMap")
    (text,) = (one["data"]["monitor.yaml"] for one in maps if "monitor.yaml" in one["data"])
    file = tmp_path / "monitor.yaml"
    file.write_text(text)
    assert "1 target, no mistake" in validated(file)


def validated(file: Path) -> str:
    """What `latency-lens validate` says of a file, where all variables are set."""
    out = io.StringIO()
    environ = {"OPENAI_API_KEY": "k", "MONITOR_TOKEN": "t" * 16, "INFLUX_TOKEN": "t"}
    run(["validate", str(file)], World(out=out, err=out, environ=environ))
    return out.getvalue()


def test_rules() -> None:
    promtool = tool("promtool")
    ran(promtool, "check", "rules", "latency-lens.rules.yml", cwd=DEPLOY / "prometheus")
    ran(promtool, "test", "rules", "latency-lens.rules.test.yml", cwd=DEPLOY / "prometheus")
    ran(promtool, "check", "config", "prometheus.yml", cwd=DEPLOY / "prometheus")


def test_the_unit() -> None:
    """The program that it starts is not where it will be; all else must be known."""
    unit = "systemd/latency-lens-monitor.service"
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", unit],
        cwd=DEPLOY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert said == []
    told = ran(tool("systemd-analyze"), "security", "--offline=true", "--threshold=20", unit)
    assert "OK" in told.splitlines()[-1]
