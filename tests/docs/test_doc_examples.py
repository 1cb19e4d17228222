"""Every example in README and docs does what the page says that it can do."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, NoReturn

import pytest
import typer
from doc_examples import ROOT, Block, Place, blocks, invocations, pages, shorter

from llm_latency_lens.cli import runs
from llm_latency_lens.cli.app import build, run
from llm_latency_lens.cli.commands import COMMANDS
from llm_latency_lens.cli.config import read_entries
from llm_latency_lens.cli.monitor_file import is_monitor_file, read_monitor_file
from llm_latency_lens.cli.suite import is_suite, read_suite
from llm_latency_lens.cli.validation import mistakes
from llm_latency_lens.cli.world import World
from llm_latency_lens.decide.sla import parse_sla
from llm_latency_lens.errors import RunError
from llm_latency_lens.pricing import read_prices

_PATIENCE_S = 60
_LONG = ("latency-lens demo", "latency-lens calibrate", "latency-lens monitor")
_SHELL_SIGNS = re.compile(r"[|<>&;$`*?]")
_PARSED = "the command line was understood"


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("page", pages())
def test_examples(page: str, place: Place) -> None:
    with _servers() as serve:
        for block in blocks(page):
            if block.file_name:
                _check_settings(block, place)
            elif block.language == "python" and block.run:
                _run_python(block, place)
            elif block.language == "python":
                compile(block.text, str(block), "exec")
            for command in block.commands:
                if not block.run or command.startswith(_LONG):
                    _parse(block, command)
                elif command.startswith("latency-lens sim"):
                    serve(command, place)
                else:
                    _run_shell(block, command, place)


def _check_settings(block: Block, place: Place) -> None:
    """A configuration file, or one of prices, must be one without a mistake."""
    assert block.file_name is not None
    file = place.folder / block.file_name
    file.write_text(shorter(block.text, place.base_url))
    if file.suffix == ".ini":  # pytest's
        return
    if is_monitor_file(str(file)):
        assert read_monitor_file(str(file), place.environment)[1] == []
        return
    if is_suite(str(file)):
        assert read_suite(str(file), place.environment)[1] == []
        return
    if file.stem == "prices":
        assert read_prices(file)
        return
    if file.stem == "sla":
        assert parse_sla(file.read_text(), str(block)).promises
        return
    entries = read_entries(str(file), COMMANDS)
    assert not mistakes(entries, str(block), place.environment)


def _run_python(block: Block, place: Place) -> None:
    """In this process, which has loaded all of it. A file of tests is for `pytest` to run."""
    if block.test_file:
        (place.folder / block.test_file).write_text(shorter(block.text, place.base_url))
        return
    code = compile(shorter(block.text, place.base_url), str(block), "exec")
    with _inside(place), redirect_stdout(io.StringIO()):
        exec(code, {"__name__": "__main__"})


def _run_shell(block: Block, command: str, place: Place) -> None:
    """In this process where it is one command; what needs a shell starts one."""
    command = shorter(command, place.base_url)
    if command.startswith("pytest "):
        _run_tests(block, command, place)
        return
    if _SHELL_SIGNS.search(command) or not command.startswith("latency-lens "):
        _run(["bash", "-euc", command], block, place)
        return
    world = World(io.StringIO(), io.StringIO(), place.environment)
    with _inside(place):
        code = run(shlex.split(command)[1:], world)
    assert code == 0, f"{block}: {command}\n{world.out.getvalue()}{world.err.getvalue()}"


def _run_tests(block: Block, command: str, place: Place) -> None:
    """A session of pytest in this process, whose tests must pass."""
    plugin = ["-pno:latency_lens", "-pllm_latency_lens.integrations.pytest_plugin"]
    own = [f"--rootdir={place.folder}", "-cpytest.ini", "-pno:cacheprovider", "-q"]
    own.append("--import-mode=importlib")  # a module here may be called like one of the page
    said = io.StringIO()
    with _inside(place), redirect_stdout(said):
        # The simulator's gaps are shorter than a busy machine can read them.
        code = pytest.main([*shlex.split(command)[1:], *plugin, *own, "--lens-allow-invalid"])
    assert code == 0, f"{block}: {command}\n{said.getvalue()}"


@contextmanager
def _inside(place: Place) -> Iterator[None]:
    """In its folder and with its environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place.folder)
        for name, value in place.environment.items():
            patch.setenv(name, value)
        yield


def _run(command: list[str], block: Block, place: Place) -> None:
    ran = subprocess.run(
        command,
        cwd=place.folder,
        env=place.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    assert ran.returncode == 0, f"{block}: {command[-1]}\n{ran.stdout}{ran.stderr}"


def _parse(block: Block, command: str) -> None:
    """Nothing is sent: the flags must exist, and the values fit."""
    for arguments in invocations(command):
        verb = arguments[0]
        if verb in ("profile", "benchmark", "demo") and "--config" not in arguments:
            err = io.StringIO()
            world = World(
                out=io.StringIO(), err=err, environ={}, lens=_understood, simulator=_understood
            )
            run([word for word in arguments if not word.startswith("tokenizer")], world)
            told = err.getvalue()
            missing_file = "no tokenizer at" in told or "prompt file" in told
            assert _PARSED in told or missing_file, f"{block}: {command}\n{told}"
        else:
            group: Any = typer.main.get_command(build(verb))
            words = runs.tags_last(arguments) if verb == "runs" else arguments
            group.commands[verb].make_context(verb, words[1:])
    first, *rest = command.split()
    if first == "make":
        assert f"\n{rest[0]}:" in (ROOT / "Makefile").read_text(), f"{block}: no {command}"


def _understood(**_: object) -> NoReturn:
    raise RunError(_PARSED)


@contextmanager
def _servers() -> Iterator[Any]:
    """Starts `latency-lens sim` commands; they run until the page is done, and end in peace."""
    started: list[subprocess.Popen[str]] = []

    def serve(command: str, place: Place) -> None:
        port = "" if "--unix-socket" in command else " --port 0"
        process = subprocess.Popen(
            ["bash", "-euc", f"exec {command}{port}"],
            cwd=place.folder,
            env=place.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert "is served at" in process.stdout.readline(), command

    try:
        yield serve
    finally:
        for process in started:
            process.terminate()
            _, err = process.communicate(timeout=_PATIENCE_S)
            assert (process.returncode, err) == (0, "")
