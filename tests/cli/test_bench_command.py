"""`bench`: suites as files, on runs that are drawn, and once on the simulator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from command_shell import Shell

from drawn_samples import kept, records
from llm_latency_lens import Benchmark, load
from llm_latency_lens.cli.suite import Case, load_suite
from llm_latency_lens.decide.suite import json_schema
from llm_latency_lens.errors import RunError
from llm_latency_lens.metrics.result import Reason, Validity

DOCS = Path(__file__).parents[2] / "docs/reference"
SUITE = """\
name: chat
defaults:
  model: openai/sim
  api-key: none
  concurrency: 4
  thresholds: [error_rate<1%, ttft_ms.p50<10s]
cases:
  - name: greeting
    prompt: Say hello
    tags: [smoke, short]
    thresholds: [ttft_ms.p50<5s]
  - name: slow one
    prompts: [a, {prompt: b, max_tokens: 3}]
    tags: load
    rate: 5
    thresholds:
      - ttft_ms.p95<10ms
      - {limit: cost.per_request<0.01, severity: warning}
"""


class Lenses:
    """Makes lenses whose runs are drawn; remembers what was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options: dict[str, str] = {}
        self.fails: dict[str, Exception] = {}
        self.context: dict[str, Any] = {}
        self.validity: Validity | None = None
        self.made: list[dict[str, Any]] = []
        self.asked: list[tuple[str, Sequence[Any], dict[str, Any]]] = []

    def __call__(self, **settings: Any) -> Lenses:
        self.made.append(settings)
        return self

    def benchmark(
        self, prompts: Sequence[Any], *, name: str, on_progress: object = None, **how: Any
    ) -> Benchmark:
        assert on_progress is None or callable(on_progress)
        self.asked.append((name, prompts, how))
        if name in self.fails:
            raise self.fails[name]
        found = load(kept(self.folder / str(len(self.asked)), records(20, **self.options), name))
        run = msgspec.structs.replace(found.result.run, **self.context)
        validity = self.validity or found.result.validity
        result = msgspec.structs.replace(found.result, run=run, validity=validity)
        return replace(found, result=result)


@pytest.fixture
def lenses(shell: Shell, tmp_path: Path) -> Lenses:
    made = Lenses(tmp_path / "runs")
    shell.world.lens = made
    return made


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    return path


def test_a_suite_is_run_and_held_to_its_limits(shell: Shell, lenses: Lenses, suite: Path) -> None:
    said = shell("bench", str(suite))
    assert said.code == 1
    assert said.out.startswith("chat FAILED  2 cases · 40 requests · ")
    assert "1 violation · 1 warning\n" in said.out
    assert "\n✓ greeting                  20/20 " in said.out
    assert "  2/2\n✗ slow one                  20/20 " in said.out
    assert "\n✗ slow one             ttft_ms.p95<10ms  " in said.out
    assert "\n▲ slow one             cost.per_request<0.01  the run has no cost" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert said.err == "1/2 greeting\n2/2 slow one\n"
    assert [name for name, _, _ in lenses.asked] == ["greeting", "slow one"]
    (_, one, how), (_, two, other) = lenses.asked
    assert ([prompt.text for prompt in one], how["concurrency"]) == (["Say hello"], 4)
    assert [(prompt.text, prompt.max_tokens) for prompt in two] == [("a", None), ("b", 3)]
    assert other["rate"] == 5
    assert "concurrency" not in other  # what a case says ends what contradicts it in the defaults


def test_a_report_agrees_with_its_schema(
    shell: Shell, lenses: Lenses, suite: Path, tmp_path: Path
) -> None:
    file = tmp_path / "report.json"
    assert shell("bench", str(suite), "--output", str(file), "--quiet").err == ""
    told = json.loads(file.read_text())
    jsonschema.Draft202012Validator(json_schema()).validate(told)
    assert (told["schema"], told["suite"]) == ("latency-lens.bench/1", "chat")
    assert told["passed"] is False
    assert [case["status"] for case in told["cases"]] == ["passed", "failed"]
    missed, warned = told["violations"]
    assert (missed["case"], missed["metric"], missed["expected"], missed["severity"]) == (
        "slow one",
        "ttft_ms.p95",
        "<10",
        "error",
    )
    assert missed["actual"] == told["cases"][1]["metrics"]["ttft_ms"]["p95"]
    assert missed["missed_by"] == pytest.approx(missed["actual"] - 10)
    assert (warned["expected"], warned["actual"], warned["severity"]) == ("<0.01", None, "warning")


def test_the_published_schema_is_the_one_of_the_code() -> None:
    assert json.loads((DOCS / "bench.schema.json").read_text()) == json_schema()


def test_the_schema_of_a_suite_takes_what_the_program_takes(suite: Path) -> None:
    judge = jsonschema.Draft202012Validator(json.loads((DOCS / "suite.schema.json").read_text()))
    judge.validate(yaml.safe_load(SUITE))
    doubled = yaml.safe_load(WRONG)  # takes the last of two names
    wrong = {".".join(map(str, error.absolute_path)) for error in judge.iter_errors(doubled)}
    assert {"name", "defaults", "cases.0.tags.0", "cases.2"} <= wrong


def test_every_field_of_the_report_is_explained() -> None:
    page = (DOCS / "bench-json.md").read_text()
    own = ("Report", "Judged", "Violation")
    definitions = json_schema()["$defs"]
    fields = {field for name in own for field in definitions[name]["properties"]}
    assert [field for field in sorted(fields) if f"`{field}`" not in page] == []


def test_only_cases_with_a_tag(shell: Shell, lenses: Lenses, suite: Path) -> None:
    assert shell("bench", str(suite), "--tag", "short").code == 0
    assert shell("bench", str(suite), "--tag", "smoke", "--tag", "load").code == 1
    assert [name for name, _, _ in lenses.asked] == ["greeting", "greeting", "slow one"]
    said = shell("bench", str(suite), "--tag", "smok")
    assert (said.code, said.err) == (
        2,
        "latency-lens: error: no case has the tag 'smok': known are load, short, smoke\n",
    )


def test_a_warning_alone_passes(shell: Shell, lenses: Lenses, suite: Path) -> None:
    suite.write_text(SUITE.replace("      - ttft_ms.p95<10ms\n", ""))
    said = shell("bench", str(suite), "--output", "-")
    told = json.loads(said.out)
    assert (said.code, told["passed"], len(told["violations"])) == (0, True, 1)


def test_what_could_not_be_carried_out_is_no_violation(
    shell: Shell, lenses: Lenses, suite: Path
) -> None:
    lenses.options = {"faults": "500:100%"}
    lenses.fails = {"slow one": RunError("the disk is full")}
    said = shell("bench", str(suite), "--quiet")
    assert (said.code, said.err) == (
        3,
        "latency-lens: error: could not be carried out or judged: greeting, slow one\n",
    )
    assert "2 incomplete" in said.out
    assert "\n? greeting                   0/20 " in said.out
    assert "\n    no request succeeded: 20 x server (wait): " in said.out
    assert "\n    the disk is full" in said.out


def test_an_invalid_run_is_not_judged_unless_that_is_wanted(
    shell: Shell, lenses: Lenses, suite: Path
) -> None:
    late = Reason(code="no_requests", severity="invalid", message="Too late.", advice="Wait.")
    lenses.validity = Validity(verdict="invalid", reasons=[late])
    said = shell("bench", str(suite), "--tag", "smoke")
    assert said.code == 3
    assert "the run is invalid: Too late. (--allow-invalid judges it)" in said.out
    assert shell("bench", str(suite), "--tag", "smoke", "--allow-invalid").code == 0
    lenses.context = {"stopped_early": "the disk is full."}
    said = shell("bench", str(suite), "--tag", "smoke", "--allow-invalid")
    assert (said.code, "the run ended early: the disk is full" in said.out) == (3, True)


def test_an_interrupt_ends_the_suite_and_reports(shell: Shell, lenses: Lenses, suite: Path) -> None:
    lenses.context = {"interrupted": True}
    said = shell("bench", str(suite))
    assert said.code == 130
    assert "it was interrupted" in said.out
    assert len(lenses.asked) == 1


def test_nothing_is_sent_before_every_case_could_be(
    shell: Shell, suite: Path, tmp_path: Path
) -> None:
    suite.write_text(SUITE.replace("  api-key: none\n", "").replace("rate: 5", "api-key: none"))
    said = shell("bench", str(suite))
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "case greeting: no API key for openai" in said.err


def test_the_simulator_by_a_toml_file(shell: Shell, simulator: str, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("one\ntwo\n")
    file = tmp_path / "quick.toml"
    file.write_text(
        '[defaults]\nmodel = "sim"\nbase-url = "${SIM}"\napi-key = "none"\nrequests = 4\n'
        '[[cases]]\nname = "a b"\nprompt-file = "prompts.txt"\nthresholds = ["error_rate<1%"]\n'
        '[[cases]]\nname = "c"\nprompt = "x"\nmax-tokens = 3\n'
    )
    args = ("--run-dir", str(tmp_path / "kept"), "--allow-invalid")
    said = shell("bench", str(file), *args, SIM=simulator)
    assert said.code == 0, said.out + said.err
    assert said.out.startswith("quick passed  2 cases · 8 requests")
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"a_b", "c"}
    assert load(tmp_path / "kept/c").result.tokens.output == 12
    assert load(tmp_path / "kept/a_b").result.config["prompts"] == 2


WRONG = """\
name: [x]
defaults:
  modle: sim
  requests: -3
cases:
  - name: a
    prompt: Say hello
    prompts: [x]
    tags: [[1]]
    thresholds: ["ttft<1", {limit: "error_rate<1%", severity: fatal}]
  - nam: b
    rate: ${NOPE}
  - 7
  - name: c
    name: d
    prompts: ["", {x: 1}]
  - {name: e, prompts: x, thresholds: [{limit: "error_rate<1%", severity: fatal}]}
"""
TOLD = [
    (1, "name must be a text"),
    (3, "defaults has no 'modle': did you mean model?"),
    (4, "requests must be at least 1, not -3"),
    (8, "prompt and prompts exclude each other"),
    (9, "tags must be texts"),
    (10, "'ttft<1' is no objective"),
    (11, "a case has no 'nam': did you mean name?"),
    (11, "a case needs a name"),
    (12, "rate: the environment variable NOPE is not set"),
    (13, "a case must hold names and values"),
    (15, "name is given twice, first on line 14"),
    (16, "a prompt: `prompt` must be a string that is not empty"),
    (16, "a prompt: an object needs either `prompt` or `messages`"),
    (17, "prompts must be a list of prompts"),
    (17, "a threshold is a text, or a limit with a severity of error or warning"),
]


def test_every_mistake_has_its_line(shell: Shell, suite: Path) -> None:
    suite.write_text(WRONG)
    said = shell("validate", str(suite))
    assert said.code == 2
    lines = said.out.splitlines()
    assert len(lines) == len(TOLD)
    for line, (number, words) in zip(lines, TOLD, strict=True):
        assert line.startswith(f"{suite}:{number}: {words}")
    first = shell("bench", str(suite))
    assert (first.code, first.err.count("\n")) == (2, 1)
    assert f"{suite}:1: name must be a text (and 14 more: latency-lens validate" in first.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cases:\n  - name: a\n    model: m\n", "2: case a: there is no prompt"),
        ("cases:\n  - name: a\n    prompt: x\n", "2: case a: no model is named"),
        ("cases: []\n", "1: cases must be a list with at least one case"),
        ("defaults: 3\ncases: [{name: a}]\n", "1: defaults must hold names and values"),
        ("- cases:\n", "1: a suite holds name, defaults, cases"),
        ("cases: [\n", "2: not YAML"),
        (
            "cases:\n  - {name: a, model: m, prompt: x}\n  - {name: a, model: m, prompt: x}\n",
            "3: a case is named 'a' on line 2",
        ),
        (
            "cases:\n  - {name: a, model: m, prompt: x, rate: 3, concurrency: 2}\n",
            "2: case a: --rate and --concurrency exclude each other",
        ),
        ("cases:\n  - {name: a, model: m, prompt-file: no.txt}\n", "2: case a: prompt file "),
    ],
)
def test_a_wrong_suite_is_one_line(shell: Shell, suite: Path, text: str, told: str) -> None:
    suite.write_text(text)
    said = shell("bench", str(suite))
    assert (said.code, said.err.count("\n")) == (2, 1), said.err
    assert f"{suite}:{told}" in said.err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((), "there is nothing to run: name a suite"),
        (("nowhere.yaml",), "suite nowhere.yaml: no such file or directory"),
        (("suite.json",), "the name must end in .toml, .yaml or .yml"),
    ],
)
def test_no_suite_is_one_line(shell: Shell, args: tuple[str, ...], told: str) -> None:
    said = shell("bench", *args)
    assert (said.code, said.err.count("\n"), told in said.err) == (2, 1, True)


def test_lines_of_toml(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        '[[cases]]\nname = "a"\nprompt = "x"\nmodel = "m"\n\n[[cases]]\nname = "b"\n'
        'thresholds = [\n  "bogus<1",\n]\nrequests = 0\n'
    )
    said = shell("validate", str(file))
    assert [line.split(": ")[0] for line in said.out.splitlines()] == [f"{file}:8", f"{file}:11"]


def test_yaml_can_say_things_once(suite: Path) -> None:
    suite.write_text(
        "cases:\n"
        "  - &first {name: a, model: m, prompt: x, requests: 5, thresholds: [error_rate<1%]}\n"
        "  - {<<: *first, name: b, prompt: y}\n"
        "  - {<<: *first, name: c, prompt: z}\n"
    )
    cases = load_suite(str(suite), {}).cases
    assert [(case.name, case.target.prompt, case.load.requests) for case in cases] == [
        ("a", "x", 5),
        ("b", "y", 5),
        ("c", "z", 5),
    ]


def test_limits_of_a_case_take_the_place_of_the_defaults(suite: Path) -> None:
    def limits(case: Case) -> list[str]:
        return [limit.objective.text for limit in case.limits]

    one, two = load_suite(str(suite), {}).cases
    assert limits(one) == ["error_rate<1%", "ttft_ms.p50<5s"]
    assert limits(two) == [
        "error_rate<1%",
        "ttft_ms.p50<10s",
        "ttft_ms.p95<10ms",
        "cost.per_request<0.01",
    ]


def test_a_good_suite_is_found_so(shell: Shell, suite: Path) -> None:
    assert shell("validate", str(suite)).out == f"{suite}: 2 cases, no mistake\n"
