"""Whether actionlint finds a mistake in the action, its steps, and this project's own workflow."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from real_parts import ROOT, VENV

pytestmark = pytest.mark.real

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())


def lint(folder: Path, workflow: dict[str, Any]) -> str:
    """What it says of a repository that holds the action and this workflow; empty for nothing."""
    place = folder / ".github/workflows"
    place.mkdir(parents=True)
    (folder / ".git").mkdir()
    shutil.copy(ROOT / "action.yml", folder)
    (place / "check.yml").write_text(yaml.safe_dump(workflow))
    program = VENV / "bin/actionlint"
    ran = subprocess.run(
        [program, "-no-color", "-oneline"], cwd=folder, capture_output=True, text=True, check=False
    )
    return ran.stdout + ran.stderr


def using(**given: str) -> dict[str, Any]:
    show = "${{ steps.lens.outputs.passed }} ${{ steps.lens.outputs.verdict }}"
    steps: list[dict[str, Any]] = [
        {"uses": "actions/checkout@v5"},
        {"uses": "./", "id": "lens", "with": given},
        {"run": 'echo "$SHOWN"', "env": {"SHOWN": show}},
    ]
    return {"on": "push", "jobs": {"gate": {"runs-on": "ubuntu-latest", "steps": steps}}}


def test_the_action_can_be_used(tmp_path: Path) -> None:
    given = dict.fromkeys(ACTION["inputs"], "x")
    assert lint(tmp_path, using(**given)) == ""


def test_the_linter_does_read_the_action(tmp_path: Path) -> None:
    said = lint(tmp_path, using(benchmark="x", bogus="1"))
    assert 'input "bogus" is not defined in action "LLM latency gate"' in said


def test_its_steps_are_those_of_a_sound_job(tmp_path: Path) -> None:
    """A composite action's steps are not looked at where they stand; as a job's they are."""
    inputs = {
        name: {"type": "string", "required": one.get("required", False)}
        for name, one in ACTION["inputs"].items()
    }
    job = {"runs-on": "ubuntu-latest", "steps": ACTION["runs"]["steps"]}
    workflow = {"on": {"workflow_call": {"inputs": inputs}}, "jobs": {"gate": job}}
    assert lint(tmp_path, workflow) == ""


def test_the_workflow_of_this_project() -> None:
    ran = subprocess.run(
        [VENV / "bin/actionlint", "-no-color", ROOT / ".github/workflows/ci.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, "")
