"""`report` of several runs, and `--html`."""

import builtins
from pathlib import Path
from typing import Any

import pytest
from command_shell import Shell

from llm_latency_lens import report
from llm_latency_lens.report.html import page


@pytest.fixture
def runs(
    shell: Shell, simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Two runs at different loads."""
    monkeypatch.setattr(page, "vega", lambda: "1;")
    folders = [str(tmp_path / f"run-{n}") for n in (1, 2)]
    for n, folder in enumerate(folders, 1):
        load = ("--requests", "4", "--concurrency", str(n), "--api-key", "none", "--quiet")
        said = shell(
            "benchmark", "sim", "A secret?", "--base-url", simulator, *load, "--run-dir", folder
        )
        assert said.code == 0
    return folders


def test_a_page_of_one_run(shell: Shell, runs: list[str], tmp_path: Path):
    path = tmp_path / "out.html"
    said = shell("report", runs[0], "--html", str(path))
    assert said.code == 0
    assert said.out.startswith("openai/sim  4 requests")
    assert said.out.endswith(f"\nPage written  {path} (0.1 MB)\n")
    text = path.read_text()
    assert "<h1>openai/sim</h1>" in text
    assert "secret" not in text
    assert "Page written" not in shell("report", runs[0], "--html", str(path), "--quiet").out


def test_a_page_of_several_runs(shell: Shell, runs: list[str], tmp_path: Path):
    path = tmp_path / "out.html"
    said = shell("report", *runs, "--html", str(path))
    assert said.code == 0
    assert said.out.count("openai/sim  4 requests") == 2
    text = path.read_text()
    assert "<h2>Side by side</h2>" in text
    assert "<h2>1 at a time</h2>" in text
    assert "Latency against throughput" in text


def test_with_texts_the_page_is_the_users_alone(shell: Shell, runs: list[str], tmp_path: Path):
    path = tmp_path / "out.html"
    assert shell("report", runs[0], "--html", str(path), "--keep-text").code == 0
    assert "What it answered" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_experiments_arms_are_laid_side_by_side(
    shell: Shell, simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(page, "vega", lambda: "1;")
    path, folder = tmp_path / "out.html", tmp_path / "run"
    at = f"@{simulator}"
    asked = ("--requests", "3", "--quiet", "--run-dir", str(folder))
    said = shell("compare", f"one=vllm/sim{at}", f"two=vllm/sim{at}", "Hi", *asked)
    assert said.code == 0
    assert shell("report", str(folder), "--html", str(path)).code == 0
    text = path.read_text()
    assert "one and two cannot be told apart by 3 requests each" in text
    assert "<h2>one</h2>" in text
    folder = tmp_path / "cold"
    asked = ("--idle", "0", "--repeat", "2", "--prefix-words", "20", "--run-dir", str(folder))
    said = shell("coldstart", "vllm/sim", "Hi", "--base-url", simulator, *asked, "--quiet")
    assert said.code == 0
    assert shell("report", str(folder), "--html", str(path)).code == 0
    assert "<h2>kept connection</h2>" in path.read_text()


def test_a_run_that_was_never_answered_has_a_page_and_the_code_of_a_failure(
    shell: Shell, refusing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(page, "vega", lambda: "1;")
    path, folder = tmp_path / "out.html", tmp_path / "run"
    asked = ("--requests", "2", "--quiet", "--api-key", "none", "--run-dir", str(folder))
    assert shell("benchmark", "sim", "Hi", "--base-url", refusing(), *asked).code == 3
    said = shell("report", str(folder), "--html", str(path))
    assert said.code == 3
    assert "no request succeeded" in said.err
    assert "answered none of 2 requests" in path.read_text()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["a", "b", "--output", "x.json"], "--output and --records are of one run"),
        (["a", "--html", "-"], "--html writes a file: give it a name"),
        (["a", "--html", "no/such/folder/x.html"], "no writable folder"),
        (["a", "--html", "x.html"], "no run 'a'"),
    ],
)
def test_wrong_usage_is_one_line(
    shell: Shell, args: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    said = shell("report", *args)
    assert said.code == 2
    assert told in said.err
    assert said.err.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))


def test_without_the_extra_it_says_what_to_install(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    import sys

    usual = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == "vl_convert":
            raise ModuleNotFoundError("No module named 'vl_convert'", name="vl_convert")
        return usual(name, *args)

    monkeypatch.setattr(report, "html", report.html)  # what is imported anew must not stay there
    for name in [name for name in sys.modules if ".report.html" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    said = shell("report", "whatever", "--html", "x.html")
    assert said.code == 2
    assert said.err == (
        "latency-lens: error: --html needs vl_convert: pip install 'llm-latency-lens[report]'\n"
    )
