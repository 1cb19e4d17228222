"""`latency-lens coldstart`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_shell import Shell

from llm_latency_lens.cli.coldstart import Display, ended, expected, told
from llm_latency_lens.errors import RunError, UsageError
from llm_latency_lens.experiments.coldstart import Outlook, Standing
from llm_latency_lens.request import Prompt


class StopHereError(UsageError):
    """Nothing is to be sent."""


@pytest.fixture
def asked(shell: Shell) -> dict[str, Any]:
    """What the lens was asked for."""
    found: dict[str, Any] = {}

    class Fake:
        def __init__(self, **settings: Any) -> None:
            found["settings"] = settings

        def party(self) -> Any:
            return SimpleNamespace(config={"base_url": "https://h/v1"})

        def estimate(self, prompts: list[Prompt], **load: Any) -> Any:
            found.update(load, sizes=[len(prompt.text) for prompt in prompts])
            return SimpleNamespace(price=SimpleNamespace(is_free=False), words="Up to $1")

        def coldstart(self, prompt: Any, **settings: Any) -> Any:
            found.update(settings, prompt=prompt)
            raise StopHereError("here")

    shell.world.lens = Fake  # type: ignore[assignment]
    return found


def test_what_is_asked_for_without_a_word_more(shell: Shell, asked: dict[str, Any]) -> None:
    said = shell("coldstart", "openai/m")
    assert said.code == 2
    assert asked["prompt"] == "Say hello."
    assert asked["idle_s"] == (0.0, 30.0, 300.0)
    assert (asked["repeat"], asked["prefix_words"], asked["seed"]) == (7, 4500, 0)
    first, second, third = said.err.splitlines()
    assert " behind 4,500 words; 38 min 30 s of idling, and the time of" in first
    assert (second, third) == ("Up to $1", "latency-lens: error: here")
    requests = int(first.split()[0])
    assert asked["requests"] == len(asked["sizes"]) == requests
    long = [size for size in asked["sizes"] if size > 4500]
    assert f"{len(long)} of them" in first


def test_what_can_be_chosen(shell: Shell, asked: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "p.txt"
    file.write_text("one\ntwo\n")
    flags = ("--idle", "0, 30s,1h30m", "--repeat", "9", "--prefix-words", "0", "--seed", "4")
    shell("coldstart", "openai/m", "--prompt-file", str(file), *flags, "--max-cost", "2")
    assert asked["prompt"] == Prompt.of("one")
    assert asked["idle_s"] == (0.0, 30.0, 5400.0)
    assert (asked["repeat"], asked["prefix_words"], asked["seed"]) == (9, 0, 4)
    assert str(asked["max_cost"]) == "2"
    assert max(asked["sizes"]) == 3


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--idle", "soon"), "--idle must be a length of time"),
        (("--idle", "-3"), "--idle must be at least 0"),
        (("--repeat", "0"), "--repeat must be at least 1"),
    ],
)
def test_wrong_usage(
    shell: Shell, asked: dict[str, Any], flags: tuple[str, ...], words: str
) -> None:
    said = shell("coldstart", "openai/m", *flags)
    assert said.code == 2
    assert words in said.err


def test_an_empty_list_of_gaps_in_a_file(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[coldstart]\nidle = []\n")
    assert "idle must not be empty" in shell("validate", str(file)).out
    file.write_text('[coldstart]\nidle = [0, "30s"]\n')
    assert shell("validate", str(file)).code == 0


def test_for_real(shell: Shell, simulator: str, tmp_path: Path) -> None:
    file, lines = tmp_path / "c.json", tmp_path / "r.jsonl"
    said = shell(
        *("coldstart", "sim", "--base-url", simulator, "--idle", "10ms", "--repeat", "2"),
        *("--prefix-words", "20", "--no-proxy", "--run-dir", str(tmp_path / "run")),
        *("--output", str(file), "--records", str(lines), "--name", "mine"),
    )
    assert said.code == 0, said.err
    assert said.out.startswith("mine  2 requests of each kind in ")
    assert said.out.endswith(f"\n\nRun kept in {tmp_path / 'run'}\n")
    written = json.loads(file.read_text())
    assert written["schema"] == "latency-lens.coldstart/1"
    assert written["design"]["idle_s"] == [0, 0.01]
    again = shell("report", str(tmp_path / "run"), "--output", "-")
    assert (again.code, json.loads(again.out)) == (0, written)
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    assert {record["arm"] for record in records} == {
        *("prime", "warm", "cold", "idle 0.01s", "unique", "repeated")
    }


def test_a_server_that_is_not_there(shell: Shell, refusing: Any, tmp_path: Path) -> None:
    said = shell(
        *("coldstart", "sim", "--base-url", refusing(), "--idle", "0", "--repeat", "1"),
        *("--quiet", "--no-proxy", "--run-dir", str(tmp_path / "run"), "--output", "-"),
    )
    assert said.code == 3
    assert said.err.startswith(
        "latency-lens: error: the run ended early: the first request failed: no c"
    )
    assert json.loads(said.out)["parts"] == []


@pytest.mark.parametrize(
    ("run", "code"), [({"interrupted": True}, 130), ({"stopped_early": "too dear"}, 3)]
)
def test_a_run_that_ended_before_its_time(run: dict[str, Any], code: int) -> None:
    known = {"interrupted": False, "stopped_early": None, **run}
    found: Any = SimpleNamespace(run=SimpleNamespace(**known), arms=[])
    if code == 130:
        assert ended(found) == 130
    else:
        with pytest.raises(RunError, match="the run ended early: too dear"):
            ended(found)


# -- how it stands ------------------------------------------------------------------------------


def standing(done: int, due_in_s: float = 0.0, waiting_s: float = 0.0) -> Standing:
    return Standing(done, 8, "idle 300s", due_in_s, waiting_s)


def test_what_is_expected() -> None:
    assert expected(Outlook(8, 0, 0.0), 9) == (
        "8 requests; no idling, and the time of the answers."
    )


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (standing(3), "3 of 8 requests: idle 300s"),
        (standing(3, 0, 60), "3 of 8 requests: idle 300s; 1 min of idling left"),
        (
            standing(3, 200, 260),
            "3 of 8 requests; the next (idle 300s) in 3 min 20 s; 4 min 20 s of idling left",
        ),
    ],
)
def test_words_for_how_it_stands(now: Standing, words: str) -> None:
    assert told(now) == words


def test_without_a_terminal_only_long_gaps_have_a_line() -> None:
    err = io.StringIO()
    display = Display(err)
    for now in (standing(0), standing(1, 5), standing(2, 290), standing(2, 289), standing(3, 30)):
        display(now)
    display.close()
    assert [line[:24] for line in err.getvalue().splitlines()] == [
        "2 of 8 requests; the nex",
        "3 of 8 requests; the nex",
    ]


def test_on_a_terminal_one_line_is_drawn_again_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    err = Terminal()
    display = Display(err)
    for due_s in (300.0, 299.8, 299.5, 299.0, 298.0):
        display(standing(2, due_s, due_s))
    display(standing(3))
    display.close()
    display.close()
    drawn = err.getvalue()
    assert drawn.count("2 of 8 requests") == 3
    assert drawn.count("\x1b[2K") == 4
    assert drawn.endswith("\r\x1b[1A\x1b[2K")
