"""`latency-lens compare`."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_shell import Shell

from llm_latency_lens.cli.compare import ended
from llm_latency_lens.errors import RunError, UsageError


class StopHereError(UsageError):
    """Nothing is to be sent."""


@pytest.fixture
def told(shell: Shell) -> dict[str, Any]:
    """What reaches the library: the settings of each lens by its candidate's name, and the rest."""
    found: dict[str, Any] = {}

    def lens(**settings: Any) -> Any:
        return SimpleNamespace(settings=settings, estimate=lambda *_, **__: None)

    def compare(candidates: dict[str, Any], prompts: Any, **settings: Any) -> Any:
        found.update(settings, prompts=[prompt.text for prompt in prompts])
        found["candidates"] = {name: one.settings for name, one in candidates.items()}
        raise StopHereError("here")

    shell.world.lens = lens
    shell.world.compare = compare
    return found


def test_the_last_word_is_the_prompt(shell: Shell, told: dict[str, Any]) -> None:
    said = shell("compare", "openai/a", "vllm/org/b@http://h:1/v1", "Say hello")
    assert (said.code, said.err) == (2, "latency-lens: error: here\n")
    assert told["prompts"] == ["Say hello"]
    one, other = told["candidates"].values()
    assert list(told["candidates"]) == ["a", "b"]
    assert (one["provider"], one["model"], one["base_url"]) == ("openai", "a", None)
    assert (other["provider"], other["model"]) == ("vllm", "org/b")
    assert other["base_url"] == "http://h:1/v1"
    assert (told["requests"], told["concurrency"], told["warmup"], told["seed"]) == (50, 1, 0, 0)


@pytest.mark.parametrize(
    "args",
    [
        ("x=openai/a", "y=openai/b", "--prompt", "hi"),
        ("--candidate", "x=openai/a", "--candidate", "y=openai/b", "hi"),
        ("x=openai/a", "--candidate", "y=openai/b", "--prompt", "hi"),
        ("x=openai/a", "hi", "--candidate", "y=openai/b"),
    ],
)
def test_where_candidates_and_prompt_can_stand(
    shell: Shell, told: dict[str, Any], args: tuple[str, ...]
) -> None:
    shell("compare", *args)
    assert list(told["candidates"]) == ["x", "y"]
    assert told["prompts"] == ["hi"]


def test_with_a_file_of_prompts_every_word_is_a_candidate(
    shell: Shell, told: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "p.txt"
    file.write_text("one\ntwo\n")
    shell("compare", "openai/a", "openai/b", "openai/c", "--prompt-file", str(file))
    assert list(told["candidates"]) == ["a", "b", "c"]
    assert told["prompts"] == ["one", "two"]


CONFIG = """\
max_tokens = 64

[compare]
prompt = "Say hello"
requests = 7

[[compare.candidate]]
name = "ours"
provider = "vllm"
model = "m"
base-url = "http://h:1/v1"
api_key = "${OUR_KEY}"

[[compare.candidate]]
model = "openai/gpt"
max_tokens = 5
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "c.toml"
    file.write_text(CONFIG)
    return str(file)


def test_candidates_of_a_file_have_settings_of_their_own(
    shell: Shell, told: dict[str, Any], config: str
) -> None:
    shell("compare", "--config", config, OUR_KEY="sk-ours")
    ours, gpt = told["candidates"].values()
    assert list(told["candidates"]) == ["ours", "gpt"]
    assert (ours["api_key"], ours["max_tokens"], gpt["max_tokens"]) == ("sk-ours", 64, 5)
    assert told["requests"] == 7


def test_candidates_on_the_command_line_take_the_place_of_the_files(
    shell: Shell, told: dict[str, Any], config: str
) -> None:
    shell("compare", "openai/x", "openai/y", "--config", config, OUR_KEY="k")
    assert list(told["candidates"]) == ["x", "y"]
    assert told["prompts"] == ["Say hello"]


def test_a_mistake_in_a_file_names_its_line(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(CONFIG.replace("max_tokens = 5", "max_tokenz = 5"))
    said = shell("validate", str(file), OUR_KEY="k")
    assert f"{file}:7: candidate has a candidate with an unknown setting 'max_tokenz'" in said.out
    assert shell("compare", "--config", str(file), OUR_KEY="k").code == 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("openai/a", "hi"), "a comparison needs two candidates or more"),
        (("openai/a", "two words", "--prompt", "hi"), "'two words' is no candidate"),
        (("openai/a", "openai/b", "--prompt", "x", "--prompt-file", "y"), "exclude each other"),
        (("--candidate", "a=m", "--candidate", "b=m"), "there is no prompt"),
        (("openai/a", "openai/a", "hi"), "two candidates have the same name"),
        (("a=nope/m", "openai/b", "hi"), "nope"),
        (("a=m@http://h/v1", "m", "", "hi"), "must not be empty"),
    ],
)
def test_wrong_usage(shell: Shell, told: dict[str, Any], args: tuple[str, ...], words: str) -> None:
    said = shell("compare", *args)
    assert said.code == 2
    assert words in said.err
    assert not told


# -- for real, against a simulator ---------------------------------------------------------------


def test_two_names_for_one_server_cannot_be_told_apart(
    shell: Shell, simulator: str, tmp_path: Path
) -> None:
    file, lines = tmp_path / "c.json", tmp_path / "r.jsonl"
    said = shell(
        *("compare", f"a=sim@{simulator}", f"b=sim@{simulator}", "hi"),
        *("--requests", "8", "--concurrency", "2", "--warmup", "1"),
        *("--output", str(file), "--records", str(lines), "--name", "twins", "--no-proxy"),
        *("--run-dir", str(tmp_path / "run")),
    )
    assert said.code == 0, said.err
    assert said.out.startswith("twins  8 requests each in ")
    assert said.out.endswith(f"\n\nRun kept in {tmp_path / 'run'}\n")
    written = json.loads(file.read_text())
    assert written["schema"] == "latency-lens.comparison/1"
    assert [one["requests"]["ok"] for one in written["candidates"]] == [8, 8]
    assert written["config"]["arms"] == {"a": {}, "b": {}}
    (pair,) = written["pairs"]
    assert pair["differences"]["ttft_ms_p50"]["pairs"] == 8
    again = shell("report", str(tmp_path / "run"))
    assert again.code == 0
    assert again.out == said.out.removesuffix(f"\n\nRun kept in {tmp_path / 'run'}\n") + "\n"
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    assert len(records) == 18
    assert {record["arm"] for record in records} == {"a", "b"}


def test_a_comparison_can_be_printed_alone(shell: Shell, simulator: str, tmp_path: Path) -> None:
    said = shell(
        *("compare", f"a=sim@{simulator}", f"b=sim@{simulator}", "hi", "--requests", "1"),
        *("--quiet", "--no-proxy", "--run-dir", str(tmp_path / "run"), "--output", "-"),
    )
    assert said.code == 0, said.err
    assert json.loads(said.out)["design"]["requests"] == 1
    assert said.err == ""


def test_a_candidate_that_never_answers_is_an_error(
    shell: Shell, simulator: str, refusing: Any, tmp_path: Path
) -> None:
    said = shell(
        *("compare", f"a=sim@{simulator}", f"b=sim@{refusing()}", "hi", "--requests", "2"),
        *("--quiet", "--no-proxy", "--run-dir", str(tmp_path / "run")),
    )
    assert said.code == 3
    assert "error: no request succeeded of b: 2 x network (connect): " in said.err
    assert "openai/sim: no request succeeded" in said.out


def test_what_it_will_cost_is_said_of_each_before_anything_is_sent(
    shell: Shell, told: dict[str, Any]
) -> None:
    def lens(**settings: Any) -> Any:
        free = settings["model"] == "b"
        price = SimpleNamespace(is_free=free)
        estimate = SimpleNamespace(price=price, words=f"up to $1 for {settings['model']}")
        return SimpleNamespace(settings=settings, estimate=lambda *_, **__: estimate)

    shell.world.lens = lens
    said = shell("compare", "openai/a", "openai/b", "hi")
    assert said.err == "a: up to $1 for a\nlatency-lens: error: here\n"


@pytest.mark.parametrize(
    ("run", "code"), [({"interrupted": True}, 130), ({"stopped_early": "the disk is full"}, 3)]
)
def test_a_run_that_ended_before_its_time(run: dict[str, Any], code: int) -> None:
    known = {"interrupted": False, "stopped_early": None, **run}
    found: Any = SimpleNamespace(run=SimpleNamespace(**known), candidates=[])
    if code == 130:
        assert ended(found) == 130
    else:
        with pytest.raises(RunError, match="the run ended early: the disk is full"):
            ended(found)
