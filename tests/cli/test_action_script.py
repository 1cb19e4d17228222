"""The script of the GitHub action and the GitLab template, run against the simulator."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
SCRIPT = ROOT / "action/run.sh"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder with `latency-lens` on its PATH."""
    command = tmp_path / "bin/latency-lens"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m llm_latency_lens "$@"\n')
    command.chmod(0o755)
    return tmp_path


def script(workspace: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run it as GitHub would; the summary and the outputs are files in the workspace."""
    environment = {
        "PATH": f"{workspace / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(workspace),
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(workspace / "output"),
        "GITHUB_STEP_SUMMARY": str(workspace / "summary.md"),
        **{name: value for name, value in settings.items() if value},
    }
    (workspace / "output").write_text("")
    return subprocess.run(
        ["bash", str(SCRIPT)], cwd=workspace, env=environment, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


def outputs(workspace: Path) -> dict[str, str]:
    lines = (workspace / "output").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_runs_are_measured_judged_and_kept(workspace: Path, simulator: str) -> None:
    load = f'sim "Say hello" --base-url {simulator} --api-key none\n--requests 12'
    first = script(workspace, LENS_BENCHMARK=load, LENS_UPDATE="true")
    assert first.returncode == 0, first.stderr
    assert "nothing to hold the run to" in first.stdout
    assert outputs(workspace) == {
        "result": "latency-lens/result.json",
        "passed": "true",
        "baseline": "latency-lens/baseline.lens",
    }
    again = script(
        workspace,
        LENS_BENCHMARK=load,
        LENS_THRESHOLDS="\n  error_rate<1%  \nttft_ms.p95<1us\n",
        LENS_METRICS="e2e_ms.p50",
        LENS_ALLOW_REGRESSION="e2e_ms.p50:900%",
        LENS_ALLOW_INVALID="true",  # a machine that runs tests is a busy one
    )
    assert again.returncode == 1, again.stderr
    assert "::error title=ttft_ms.p95<1us::" in again.stdout
    verdict = json.loads((workspace / "latency-lens/gate.json").read_text())
    thresholds = {one["threshold"]: one["met"] for one in verdict["thresholds"]}
    assert thresholds == {"error_rate<1%": True, "ttft_ms.p95<1us": False}
    assert [one["metric"] for one in verdict["regressions"]] == ["e2e_ms.p50"]
    assert outputs(workspace) == {
        "result": "latency-lens/result.json",
        "verdict": "latency-lens/gate.json",
        "passed": "false",
    }
    assert "❌ Latency gate failed" in (workspace / "summary.md").read_text()


def test_what_cannot_be_measured_fails(workspace: Path) -> None:
    said = script(workspace)
    assert (said.returncode, "LENS_BENCHMARK is empty" in said.stderr) == (2, True)
    said = script(workspace, LENS_BENCHMARK="sim --bogus", LENS_THRESHOLDS="error_rate<1%")
    assert said.returncode == 2
    assert outputs(workspace) == {}


def test_the_action_gives_the_script_all_that_it_reads() -> None:
    (judge,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "gate")
    assert set(judge["env"]) == set(re.findall(r"\bLENS_[A-Z_]+", SCRIPT.read_text()))
    named = {
        name for value in judge["env"].values() for name in re.findall(r"inputs\.([\w-]+)", value)
    }
    assert named == set(ACTION["inputs"]) - {"name", "python"}


def test_the_template_of_gitlab_runs_the_script() -> None:
    template = yaml.safe_load((ROOT / "ci/gitlab.yml").read_text())
    job = template[".latency-gate"]
    assert job["script"] == ['bash "$LENS_SOURCE/action/run.sh"']
    assert job["cache"]["paths"] == ["latency-lens/baseline.lens"]
    assert set(job["artifacts"]["paths"]) == {
        f"latency-lens/{name}" for name in ("result.json", "gate.json", "gate.md", "baseline.lens")
    }
