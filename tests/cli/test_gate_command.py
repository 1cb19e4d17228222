"""`gate` and `baseline`, on runs that were kept."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from command_shell import Shell

from drawn_samples import kept, records
from llm_latency_lens.decide import baseline
from llm_latency_lens.decide.gate import json_schema

QUICK, SLOW = {}, {"ttft": "lognormal:300ms,0.3"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: `main`, `same`, `slow`, and the baseline `main.lens`."""
    path = tmp_path_factory.mktemp("runs")
    kept(path / "main", records(150, 1), "main")
    kept(path / "same", records(150, 2), "same")
    kept(path / "slow", records(150, 3, **SLOW), "slow")
    said = Shell()("baseline", str(path / "main"), "--output", str(path / "main.lens"))
    assert said.code == 0
    return path


def test_a_baseline_is_one_small_file(folder: Path, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "main.lens"
    said = shell("baseline", str(folder / "main"), "--output", str(file))
    assert said.code == 0
    assert said.out == f"{file}: 150 requests of main, {file.stat().st_size:,} bytes\n"
    assert file.read_bytes() == (folder / "main.lens").read_bytes()
    assert baseline.decode(file.read_bytes()).about.settings["model"] == "sim"


def test_a_baseline_of_a_doubtful_run_says_so(shell: Shell, tmp_path: Path) -> None:
    few = kept(tmp_path / "few", records(40, 2, faults="500:50%"))
    said = shell("baseline", str(few), "--output", str(tmp_path / "b.lens"))
    assert said.code == 0
    assert "the run's own verdict is" in said.err


def test_a_baseline_needs_a_place_and_a_request(shell: Shell, folder: Path, tmp_path: Path) -> None:
    said = shell("baseline", str(folder / "main"))
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "--output is missing" in said.err
    none = kept(tmp_path / "none", [])
    said = shell("baseline", str(none), "--output", str(tmp_path / "b.lens"))
    assert (said.code, "no request that succeeded" in said.err) == (2, True)


def test_a_slower_run_fails(folder: Path, shell: Shell) -> None:
    main = ("--baseline", str(folder / "main.lens"))
    said = shell("gate", str(folder / "slow"), *main)
    assert said.code == 1
    assert "worse than the baseline: ttft_ms.p95" in said.out
    assert "not enough data to tell whether" in said.err
    assert shell("gate", str(folder / "same"), *main).code == 0


def test_a_baseline_is_a_run_too_and_gives_the_same_answers(folder: Path, shell: Shell) -> None:
    answers = [
        json.loads(shell("gate", str(folder / "slow"), "--baseline", str(of), "--output", "-").out)[
            "regressions"
        ]
        for of in (folder / "main.lens", folder / "main")
    ]
    assert answers[0] == answers[1]


def test_thresholds_alone(folder: Path, shell: Shell) -> None:
    kept_all = shell("gate", str(folder / "main"), "--threshold", "ttft_ms.p95<10s")
    assert kept_all.code == 0
    said = shell(
        "gate", str(folder / "main"), "--threshold", "ttft_ms.p95<1ms", "--threshold",
        "error_rate<1%",
    )  # fmt: skip
    assert said.code == 1
    assert "✗ ttft_ms.p95<1ms" in said.out
    assert "✓ error_rate<1%" in said.out


def test_a_result_as_json_can_be_held_to_thresholds(
    folder: Path, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "result.json"
    assert shell("report", str(folder / "main"), "--output", str(file)).code == 0
    assert shell("gate", str(file), "--threshold", "ttft_ms.p95<1ms").code == 1
    assert shell("gate", str(file), "--threshold", "ttft_ms.p95<10s").code == 0
    file.write_text("{}")
    said = shell("gate", str(file), "--threshold", "ttft_ms.p95<10s")
    assert (said.code, "not a result" in said.err) == (2, True)


def test_what_comes_out(folder: Path, shell: Shell, tmp_path: Path) -> None:
    page, document = tmp_path / "gate.md", tmp_path / "gate.json"
    said = shell(
        "gate", str(folder / "slow"), "--baseline", str(folder / "main.lens"), "--annotations",
        "--markdown", str(page), "--output", str(document), "--metric", "ttft_ms.p95",
        "--allow-regression", "ttft_ms.p95:1%",
    )  # fmt: skip
    assert said.code == 1
    assert "::error title=ttft_ms.p95::" in said.out
    assert "worse than 1 % allow" in page.read_text()
    jsonschema.validate(json.loads(document.read_text()), json_schema())
    said = shell("gate", str(folder / "slow"), "--threshold", "error_rate<1%", "--markdown", "-")
    assert said.out.startswith("### ✅")


def test_missing_data_can_be_a_failure(folder: Path, shell: Shell) -> None:
    args = ("gate", str(folder / "same"), "--baseline", str(folder / "main.lens"))
    passed, failed = shell(*args), shell(*args, "--require-data")
    assert (passed.code, failed.code) == (0, 1)
    assert "--require-data makes this a failure" in passed.err


def test_an_invalid_run_is_not_judged(shell: Shell, tmp_path: Path) -> None:
    broken = str(kept(tmp_path / "broken", records(20, faults="500:100%")))
    said = shell("gate", broken, "--threshold", "error_rate<1%")
    assert said.code == 3
    assert "is invalid and cannot be judged" in said.err
    assert said.err.count("\n") == 1
    assert shell("gate", broken, "--threshold", "error_rate<1%", "--allow-invalid").code == 1


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 2, "there is nothing to hold the run to"),
        (("--threshold", "ttft.p95<1"), 2, "did you mean ttft_ms.p95"),
        (("--metric", "ttft_ms.p95"), 2, "--metric belongs to --baseline"),
        (("--allow-regression", "itl_ms.p99:1%"), 2, "--allow-regression belongs to --baseline"),
        (("--baseline", "{}/nothing"), 2, "--baseline: no run"),
        (("--baseline", "{}/main.lens", "--metric", "x"), 2, "no figure that can be tested"),
        (("--baseline", "{}/main.lens", "--alpha", "0.7"), 2, "--alpha must be below 0.5"),
        (("--baseline", "{}/wrong.lens"), 3, "this is no baseline"),
        (("--baseline", "{}/newer.lens"), 3, "a newer one is needed"),
        (("--baseline", "{}/torn.lens"), 3, "is damaged"),
        (("more", "--threshold", "error_rate<1"), 2, "one run is held to its limits, not 2"),
        (("--threshold", "error_rate<1", "--output", "-", "--markdown", "-"), 2, "exclude"),
        (("--threshold", "error_rate<1", "--output", "/nowhere/x"), 2, "cannot write"),
    ],
)
def test_wrong_input_is_one_line(
    folder: Path, shell: Shell, args: tuple[str, ...], code: int, message: str
) -> None:
    whole = (folder / "main.lens").read_bytes()
    (folder / "wrong.lens").write_text("no baseline at all")
    (folder / "newer.lens").write_bytes(whole[:7] + b"\x09" + whole[8:])
    (folder / "torn.lens").write_bytes(whole[:-5])
    given = [arg.replace("{}", str(folder)) for arg in args]
    said = shell("gate", str(folder / "main"), *given)
    assert (said.code, said.err.count("\n")) == (code, 1), said.err
    assert message in said.err


def test_service_levels_over_all_runs_in_a_folder(
    folder: Path, shell: Shell, tmp_path: Path
) -> None:
    sla = tmp_path / "sla.yaml"
    sla.write_text("name: chat\nobjectives:\n  - {limit: ttft_ms<10s, target: 99%}\n")
    said = shell("gate", str(folder), "--sla", str(sla), "--output", "-")
    assert said.code == 0
    told = json.loads(said.out)
    assert told["runs"] == ["main", "same", "slow"]
    assert told["windows"][0]["total"] == 450
    sla.write_text("objectives:\n  - limit: error_rate<1%\n  - limit: ttft_ms.p50<1ms\n")
    page = tmp_path / "sla.md"
    said = shell(
        "gate", str(folder / "main"), str(folder / "slow"), "--sla", str(sla), "--markdown",
        str(page), "--annotations",
    )  # fmt: skip
    assert said.code == 1
    assert "2 runs" in said.out
    assert "::error title=ttft_ms.p50<1ms::in 1h: 300 of 300 missed it" in said.out
    assert page.read_text().startswith("### ❌ service level missed")


def test_service_levels_over_all_that_is_kept(shell: Shell, tmp_path: Path) -> None:
    sla = tmp_path / "sla.yaml"
    sla.write_text("objectives: [{limit: error_rate<1%}]")
    said = shell("gate", "all", "--sla", str(sla))
    assert (said.code, "no run is kept under" in said.err) == (2, True)
    kept(tmp_path / "home/runs/one", records(10))
    assert "✓ error_rate<1%" in shell("gate", "all", "--sla", str(sla)).out


def test_a_wrong_file_of_service_levels_is_named_with_its_lines(
    folder: Path, shell: Shell, tmp_path: Path
) -> None:
    sla = tmp_path / "sla.yaml"
    args = ("gate", str(folder / "main"), "--sla", str(sla))
    assert "No such file" in shell(*args).err
    sla.write_bytes(b"a\n\xff")
    assert f"{sla}:2: not UTF-8" in shell(*args).err
    sla.write_text("objectives:\n  - limit: ttft<1\n    target: 9%\nwindows: [1y]\n")
    said = shell(*args)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert f"{sla}:2: " in said.err
    assert "(and 1 more: latency-lens validate" in said.err
    checked = shell("validate", str(sla))
    assert checked.code == 2
    assert [line.split(": ")[0] for line in checked.out.splitlines()] == [f"{sla}:2", f"{sla}:4"]
    sla.write_text("objectives:\n  - limit: error_rate<1%\n")
    assert shell("validate", str(sla)).out == f"{sla}: 1 objective, no mistake\n"
    both = shell(*args, "--threshold", "error_rate<1%")
    assert (both.code, "--sla and --threshold exclude each other" in both.err) == (2, True)
