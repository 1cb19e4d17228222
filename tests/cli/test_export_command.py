"""`export`: files and streams of bytes, and what is said of wrong wishes."""

import io
import json
import stat
from pathlib import Path

import pytest
from command_shell import Shell

from llm_latency_lens.cli.app import run
from llm_latency_lens.cli.world import World
from llm_latency_lens.sinks import FORMATS, Format


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def run_dir(simulator: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("runs") / "run")
    load = ("--requests", "6", "--concurrency", "3", "--run-dir", folder, "--quiet")
    assert Shell()("benchmark", "sim", "hi", "--base-url", simulator, *load).code == 0
    return folder


def test_json_and_jsonl_are_those_of_report(shell: Shell, run_dir: str, tmp_path: Path):
    result, lines = tmp_path / "result.json", tmp_path / "lines.jsonl"
    assert shell("report", run_dir, "--output", str(result), "--records", str(lines)).code == 0
    assert shell("export", run_dir, "--to", "json").out == result.read_text()
    said = shell("export", run_dir, "--to", "jsonl", "--output", str(tmp_path / "again.jsonl"))
    assert (said.code, said.out, said.err) == (0, "", "")
    assert (tmp_path / "again.jsonl").read_bytes() == lines.read_bytes()


def test_texts_are_written_only_when_they_are_kept_and_then_privately(
    shell: Shell, run_dir: str, tmp_path: Path
):
    file = tmp_path / "lines.jsonl"
    shell("export", run_dir, "--to", "jsonl", "--output", str(file))
    assert "text" not in json.loads(file.read_text().splitlines()[0])
    shell("export", run_dir, "--to", "jsonl", "--output", str(file), "--keep-text")
    assert json.loads(file.read_text().splitlines()[0])["text"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_older_file_stays_until_the_new_one_is_complete(
    shell: Shell, run_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file, link = tmp_path / "a.json", tmp_path / "link.json"
    file.write_text("older")
    link.symlink_to(file)

    def write(exported, out):
        out.write(b"half")
        assert file.read_text() == "older"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llm_latency_lens.sinks.json.write", write)
    said = shell("export", run_dir, "--to", "json", "--output", str(link))
    assert (said.code, file.read_text()) == (3, "older")
    assert said.err == f"latency-lens: error: cannot write {link}: No space left on device\n"
    assert sorted(path.name for path in tmp_path.glob("*a.json*")) == ["a.json"]
    monkeypatch.undo()
    assert shell("export", run_dir, "--to", "json", "--output", str(link)).code == 0
    assert json.loads(file.read_text())["run"]["id"]
    assert link.is_symlink()


def test_a_device_is_written_to(shell: Shell, run_dir: str):
    assert shell("export", run_dir, "--to", "json", "--output", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "--to is missing: give a URL, or json, "),
        (["--to", "yaml"], "--to must be json"),
        (["--to", "json", "--output", "/nosuch/a"], "cannot write /nosuch/a: no writable folder"),
    ],
)
def test_wrong_wishes(shell: Shell, args: list[str], message: str):
    said = shell("export", *args)
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert message in line


def test_what_a_format_needs(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(FORMATS, "json", Format("nosuch", "", "", extra="store"))
    said = shell("export", "--to", "json")
    assert said.err == (
        "latency-lens: error: the format json needs llm_latency_lens.sinks.nosuch:"
        " pip install 'llm-latency-lens[store]'\n"
    )
    assert said.code == 2
    monkeypatch.setitem(FORMATS, "json", Format("nosuch", "", ""))
    with pytest.raises(ModuleNotFoundError):
        shell("export", "--to", "json")


def test_what_cannot_be_printed(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(FORMATS, "json", Format("json", "", ".json", parts=(".tokens.json",)))
    said = shell("export", "--to", "json")
    assert said.err == "latency-lens: error: json is 2 files: name the first with --output\n"
    monkeypatch.setitem(FORMATS, "json", Format("json", "", ".json", binary=True))
    err = io.StringIO()
    assert run(["export", "--to", "json"], World(Screen(), err)) == 2
    assert "json is not text: name a file with --output, or use a pipe" in err.getvalue()


def test_github_appends_its_summary_to_the_file_that_the_runner_names(
    shell: Shell, run_dir: str, tmp_path: Path
):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    variable = {"GITHUB_STEP_SUMMARY": str(summary)}
    said = shell("export", run_dir, "--to", "github", **variable)
    assert summary.read_text().startswith("before\n### ")
    assert "### " not in said.out
    assert said.err == "The summary was appended to the file that GITHUB_STEP_SUMMARY names.\n"
    assert "### " in shell("export", run_dir, "--to", "github").out
    assert "### " in shell("export", run_dir, "--to", "github", "--output", "-", **variable).out
    file = tmp_path / "own.md"
    before = summary.read_text()
    shell("export", run_dir, "--to", "github", "--output", str(file), **variable)
    assert "### " in file.read_text()
    assert summary.read_text() == before
    said = shell("export", run_dir, "--to", "github", GITHUB_STEP_SUMMARY=str(tmp_path))
    assert (said.code, len(said.err.splitlines())) == (3, 1)
    assert "which GITHUB_STEP_SUMMARY names: Is a directory" in said.err


@pytest.mark.parametrize("to", FORMATS)
def test_every_format_is_written_of_a_real_run(shell: Shell, run_dir: str, tmp_path: Path, to: str):
    form = FORMATS[to]
    said = shell("export", run_dir, "--to", to, "--output", str(tmp_path / f"a{form.ending}"))
    assert (said.code, said.out, said.err) == (0, "", "")
    names = {path.name for path in tmp_path.glob("a.*")}
    assert names == {f"a{ending}" for ending in (form.ending, *form.parts)}
    assert all(path.stat().st_size for path in tmp_path.glob("a.*"))
