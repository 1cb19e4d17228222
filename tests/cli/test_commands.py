"""Each command, carried out against a simulated provider."""

import io
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from command_shell import Shell

from llm_latency_lens.cli.app import run
from llm_latency_lens.cli.options import Serving
from llm_latency_lens.cli.profile import Teller
from llm_latency_lens.cli.sim import try_it
from llm_latency_lens.metrics.lines import decode as decode_line
from llm_latency_lens.metrics.result import decode as decode_result
from llm_latency_lens.metrics.result import json_schema
from llm_latency_lens.record import EventKind

LOAD = ("--requests", "6", "--concurrency", "3")


def test_profile_draws_one_request(shell: Shell, simulator: str):
    said = shell("profile", "sim", "Say hello", "--base-url", simulator)
    assert said.code == 0
    assert said.out.startswith("openai/sim  ok · finished by stop · TTFT ")
    for label in ("connect", "send", "wait", "answer", "gaps", "tokens", "speed", "stamps"):
        assert f"\n{label} " in said.out
    assert "8 out" in said.out
    folder = Path(said.out.rsplit("Run kept in ", 1)[1].strip())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert said.err == ""


def test_profile_shows_the_answer_as_it_comes(shell: Shell, simulator: str):
    said = shell("profile", "sim", "hi", "--base-url", simulator, "--show-text", "--quiet")
    answer, _, rest = said.out.partition("\n\n")
    assert len(answer.split()) > 3
    assert rest.startswith("openai/sim  ok")
    assert "Run kept" not in said.out


def test_profile_as_json_holds_no_text_unless_it_is_kept(
    shell: Shell, simulator: str, tmp_path: Path
):
    said = shell("profile", "sim", "hi", "--base-url", simulator, "--output", "-")
    found = json.loads(said.out)
    assert (found["status"], len(found["events"]), "text" in found) == ("ok", 8, False)
    records, output = tmp_path / "r.jsonl", tmp_path / "o.json"
    files = ("--records", str(records), "--output", str(output), "--keep-text")
    said = shell("profile", "sim", "hi", "--base-url", simulator, *files)
    line = decode_line(records.read_text())
    assert json.loads(output.read_text())["text"] == line.text
    assert stat.S_IMODE(records.stat().st_mode) == stat.S_IMODE(output.stat().st_mode) == 0o600


def test_profile_of_a_server_that_is_not_there(shell: Shell, refusing: Callable[[], str]):
    said = shell("profile", "sim", "hi", "--base-url", refusing())
    assert said.code == 3
    assert "error         network (connect): " in said.out
    said = shell("profile", "sim", "hi", "--base-url", refusing(), "--output", "-")
    assert said.code == 3
    assert said.err.startswith("latency-lens: error: the request failed: network (connect): ")
    assert json.loads(said.out)["status"] == "failed"


def test_profile_takes_the_first_prompt_of_a_file(shell: Shell, simulator: str, tmp_path: Path):
    prompts = tmp_path / "p.txt"
    prompts.write_text("one\ntwo\n")
    said = shell("profile", "sim", "--prompt-file", str(prompts), "--base-url", simulator)
    assert said.err == "The file holds 2 prompts; the first is sent.\n"


def test_benchmark_sums_up_and_says_how_to_go_on(shell: Shell, simulator: str):
    said = shell("benchmark", "sim", "Say hello", "--base-url", simulator, *LOAD)
    assert said.code == 0
    assert said.out.startswith("openai/sim  6 requests in ")
    for label in ("  TTFT ", "  ITL ", "  TPOT ", "  E2E ", "requests      6 ok", "verdict "):
        assert f"\n{label}" in said.out
    *_, kept, closer, again = said.out.splitlines()
    folder = kept.removeprefix("Run kept in   ")
    assert (Path(folder) / "run.json").is_file()
    assert closer == f"Look closer   latency-lens report {folder}"
    assert again == (
        f'Run it again  latency-lens benchmark sim --prompt "$PROMPT" --base-url {simulator}'
        " --requests 6 --concurrency 3"
    )
    assert max(map(len, said.out.splitlines()[:-3])) <= 100


def test_benchmark_writes_json_that_fits_its_schema(shell: Shell, simulator: str, tmp_path: Path):
    records = tmp_path / "r.jsonl"
    options = ("--output", "-", "--records", str(records), "--name", "nightly", "--warmup", "1")
    said = shell("benchmark", "sim", "hi", "--base-url", simulator, *LOAD, *options)
    jsonschema.validate(json.loads(said.out), json_schema())
    result = decode_result(said.out)
    assert (result.run.name, result.requests.ok, result.requests.warmup) == ("nightly", 6, 1)
    lines = [decode_line(line) for line in records.read_text().splitlines()]
    assert sorted(line.index for line in lines if not line.warmup) == [1, 2, 3, 4, 5, 6]


def test_benchmark_in_an_open_loop(shell: Shell, simulator: str):
    load = ("--rate", "50", "--arrival", "poisson", "--duration", "300ms", "--seed", "3")
    said = shell("benchmark", "sim", "hi", "--base-url", simulator, *load)
    assert said.code == 0
    assert "TTFT corrected" in said.out
    assert "send lag" in said.out
    assert "rate          50 offered, " in said.out
    assert said.out.endswith("--duration 300ms --rate 50 --arrival poisson --seed 3\n")


def test_benchmark_in_which_nothing_succeeds(shell: Shell, refusing: Callable[[], str]):
    said = shell("benchmark", "sim", "hi", "--base-url", refusing(), "--requests", "2")
    assert said.code == 3
    assert "No request succeeded" in said.out
    assert "Run kept in" in said.out
    (error,) = said.err.splitlines()
    assert error.startswith("latency-lens: error: no request succeeded: 2 x network (connect): ")


def test_report_computes_the_same_to_the_last_digit(shell: Shell, simulator: str, tmp_path: Path):
    run = tmp_path / "run"
    kept = ("--run-dir", str(run), "--output", "-", "--quiet")
    first = shell("benchmark", "sim", "hi", "--base-url", simulator, *LOAD, *kept)
    assert first.err == ""
    again = shell("report", str(run), "--output", "-")
    assert json.loads(again.out) == json.loads(first.out)
    table = shell("report", str(run))
    assert table.out.startswith("openai/sim  6 requests in ")
    assert "Run kept in" not in table.out


def test_report_finds_the_newest_run_and_draws_a_single_request(shell: Shell, simulator: str):
    shell("profile", "sim", "hi", "--base-url", simulator)
    said = shell("report")
    assert said.code == 0
    assert said.out.startswith("openai/sim  ok ")
    assert "openai/sim  1 request in " in said.out


def test_report_of_a_run_in_which_nothing_succeeded(shell: Shell, refusing: Callable[[], str]):
    shell("benchmark", "sim", "hi", "--base-url", refusing(), "--requests", "2")
    assert shell("report").code == 3
    assert shell("report", "nothing").err.startswith("latency-lens: error: no run 'nothing'")


def test_providers(shell: Shell):
    said = shell("providers")
    assert said.out.splitlines()[0].split() == ["PROVIDER", "ADDRESS", "KEY", "REPORTS"]
    assert "openai" in said.out
    rows = json.loads(shell("providers", "--json").out)
    assert {"name": "openai", "needs_key": True}.items() <= rows[0].items()


def test_version(shell: Shell):
    said = shell("version")
    assert said.out.startswith("latency-lens ")
    facts = json.loads(shell("version", "--json").out)
    assert facts["clock_source"] in ("kernel", "user")
    assert shell("--version").out == said.out.splitlines()[0] + "\n"


def test_validate(shell: Shell, tmp_path: Path):
    file = tmp_path / "a.toml"
    file.write_text("rate = 0\nmodle = 'x'\n")
    said = shell("validate", str(file))
    assert said.code == 2
    assert said.out.splitlines() == [
        f"{file}:1: rate must be above 0, not 0",
        f"{file}:2: unknown setting 'modle': did you mean model?",
    ]
    file.write_text("rate = 5\nmodel = '${MODEL}'\n")
    assert shell("validate", str(file), MODEL="m").out == f"{file}: 2 settings, no mistake\n"
    assert shell("validate").code == 2


def test_a_configuration_file_and_what_overrides_it(shell: Shell, simulator: str, tmp_path: Path):
    file = tmp_path / "a.yaml"
    file.write_text(
        f"model: sim\nbase-url: {simulator}\nprompt: hi\nbenchmark:\n  requests: 3\n"
        "  extra-body: {top_p: 0.5}\n  header: {X-Tag: nightly, Authorization: Bearer k}\n"
    )
    said = shell("benchmark", "--config", str(file), LATENCY_LENS_CONCURRENCY="2")
    assert said.code == 0
    assert said.out.splitlines()[-1] == (
        f'Run it again  latency-lens benchmark sim --prompt "$PROMPT" --base-url {simulator}'
        """ --extra-body '{"top_p": 0.5}' --header 'X-Tag: nightly'"""
        ' --header "Authorization: $AUTHORIZATION" --requests 3 --concurrency 2'
    )
    said = shell("benchmark", "--requests", "2", LATENCY_LENS_CONFIG=str(file))
    assert "2 requests in" in said.out
    file.write_text("model: sim\nrats: 1\nseed: x\n")
    said = shell("benchmark", "--config", str(file))
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"latency-lens: error: {file}:2: unknown setting 'rats': did you mean rate? (and 1 more:"
        f" latency-lens validate {file} lists them)\n"
    )


def test_the_command_shown_holds_no_key_and_no_password(shell: Shell, simulator: str):
    address = simulator.replace("http://", "http://user:pass@")
    keys = ("--api-key", "sk-secret", "--no-stream", "--insecure")
    said = shell("benchmark", "sim", "it's", "--base-url", address, *LOAD, *keys, "--keep-text")
    again = said.out.splitlines()[-1]
    assert "sk-secret" not in said.out
    assert "pass" not in again
    assert """ --prompt 'it'"'"'s' """ in again
    assert again.endswith("--no-stream --requests 6 --concurrency 3 --insecure")
    said = shell("benchmark", "sim", "x", "--base-url", simulator, *LOAD, "--api-key", "none")
    assert "--api-key none" in said.out
    said = shell("benchmark", "sim", "x", "--base-url", f"{simulator}?key=hidden", *LOAD)
    assert "hidden" not in said.out


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_a_run_early_and_reports(simulator: str, tmp_path: Path):
    args = ("benchmark", "sim", "hi", "--base-url", simulator, "--duration", "60s", "--rate", "20")
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_latency_lens", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "LATENCY_LENS_HOME": str(tmp_path)},
        text=True,
    )
    assert process.stderr is not None
    assert "in flight" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in out.splitlines()[0]
    assert "Run kept in" in out


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_sim_serves_until_ctrl_c(tmp_path: Path):
    log = tmp_path / "sends.jsonl"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "llm_latency_lens",
            "sim",
            "--port",
            "0",
            "--ttft",
            "1ms",
            "--send-log",
            str(log),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "is served at http://127.0.0.1:" in process.stdout.readline()
    assert process.stdout.readline().startswith('  latency-lens profile sim "Say hello"')
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err, log.is_file()) == (0, "", True)


def test_a_reader_that_goes_away_is_no_error(shell: Shell):
    class Closed(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    shell.world.out = Closed()
    assert run(["providers"], shell.world) == 141
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "llm_latency_lens", "providers"],
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=30,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_word_of_how_to_try_a_simulator_that_wants_more():
    serving = Serving(unix_socket="/s", cert="c.pem", key="k.pem", api_key="k")
    words = try_it(serving, "https://localhost/v1", "sim")
    assert words.endswith('--unix-socket /s --ca-file c.pem --api-key "$KEY"')


def test_where_the_kernel_gives_no_stamps(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("llm_latency_lens.transport.stamps.enable_stamps", lambda _: False)
    assert "kernel gives none" in shell("version").out


def test_reasoning_and_answer_are_parted_by_a_blank_line():
    out = io.StringIO()
    teller = Teller(out)
    teller(EventKind.REASONING, "hm")
    teller(EventKind.TEXT, "a\x1b[2J\n")
    teller(EventKind.TEXT, "b")
    teller.end()
    assert out.getvalue() == "hm\n\na?[2J\nb\n\n"
