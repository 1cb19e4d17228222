import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from command_shell import Shell

from llm_latency_lens.cli import reference
from llm_latency_lens.cli.app import VERBS
from llm_latency_lens.cli.commands import COMMANDS, groups_of
from llm_latency_lens.cli.options import DEFAULT_REQUESTS
from llm_latency_lens.cli.settings import settings_of
from llm_latency_lens.engine import load

DOCS = Path(__file__).parents[2] / "docs" / "reference"


def test_the_commands_are_the_verbs():
    assert [module.VERB.__name__ for module in VERBS] == list(COMMANDS)


def test_the_default_that_help_shows_is_the_one_that_is_used():
    """Help must not load the engine, so that the number stands twice."""
    assert DEFAULT_REQUESTS == load.DEFAULT_REQUESTS


@pytest.mark.parametrize("module", VERBS, ids=[module.VERB.__name__ for module in VERBS])
def test_every_verb_takes_its_groups(module):
    parameters = list(inspect.signature(module.VERB).parameters)[1:]
    assert len(parameters) == len(groups_of(module.VERB.__name__))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_flag_and_has_examples(
    shell: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
):
    monkeypatch.setenv("COLUMNS", "200")
    assert shell(command, "--help").code == 0
    shown = capsys.readouterr().out
    for group in groups_of(command):
        for item in settings_of(group):
            assert f"{item.flag} " in shown
    assert "Examples" in shown
    for line in next(m.EXAMPLES for m in VERBS if m.VERB.__name__ == command).splitlines():
        assert line.startswith(f"latency-lens {command}") or command == "validate"
        assert line in shown
        assert len(line) < 80


def test_help_lists_the_commands(shell: Shell, capsys: pytest.CaptureFixture[str]):
    for args in (["--help"], ["-h"], []):
        assert shell(*args).code == 0
        shown = capsys.readouterr().out
        assert all(f" {command} " in shown for command in COMMANDS)


def test_help_loads_nothing_that_takes_long():
    code = (
        "import sys\n"
        "from llm_latency_lens.cli.app import run\n"
        "from llm_latency_lens.cli.world import World\n"
        "run(['--help'], World())\n"
        "late = {'numpy', 'yaml', 'llm_latency_lens.lens', 'llm_latency_lens.providers'}\n"
        "print(*late & set(sys.modules), file=sys.stderr)\n"
    )
    environ = {name: os.environ[name] for name in os.environ if "COV" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ
    )
    assert done.stderr.split() == []


def test_the_pages_are_current():
    for name, text in reference.pages().items():
        assert (DOCS / name).read_text() == text, (
            "run python -m llm_latency_lens.cli.reference docs/reference"
        )


def test_writing_the_pages(tmp_path: Path):
    reference.main(str(tmp_path))
    assert {file.name for file in tmp_path.iterdir()} == set(reference.pages())


def test_the_schema_takes_a_sound_file_and_refuses_mistakes():
    schema = reference.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    sound = {
        "model": "m",
        "max-tokens": 5,
        "extra_body": {"a": 1},
        "benchmark": {"rate": 5, "duration": "2m", "header": ["A: 1"]},
        "sim": {"ttft": "1s", "reasoning_hidden": True},
    }
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(sound)
    for mistake in ({"modle": "m"}, {"raw": "x"}, {"requests": 0}, {"profile": {"rate": 1}}):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(mistake)


def test_the_examples_of_the_page_on_configuration(tmp_path: Path):
    page = (DOCS / "configuration.md").read_text()
    for kind in ("toml", "yaml"):
        block = page.split(f"```{kind}\n")[1].split("```")[0]
        file = tmp_path / f"a.{kind}"
        file.write_text(inspect.cleandoc(block))
        said = Shell()("validate", str(file), STAGING_KEY="k")
        assert said.out == f"{file}: 10 settings, no mistake\n"


def test_python_m_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "llm_latency_lens", "version", "--json"],
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["version"]
