"""Whatever is wrong is one line on standard error and the right exit code, never a traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
from command_shell import Shell

AT = ("--base-url", "http://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nosuch"], "no such command 'nosuch'"),
        (["benchmrk"], "no such command 'benchmrk'"),
        (["profile", "--bogus"], "no such option: --bogus"),
        (["profile", "m", "p", "more"], "got unexpected extra argument"),
        (["benchmark", "--rate"], "requires an argument"),
        (["profile"], "no model is named: give it first, as in openai/gpt-4o-mini"),
        (["profile", "m", *AT], "there is no prompt: give it after the model"),
        (["profile", "m", "hi"], "no API key for openai: set OPENAI_API_KEY"),
        (["profile", "opnai/m", "hi"], "no provider named 'opnai': did you mean openai?"),
        (["profile", "--provider", "foo", "m", "hi"], "no provider named 'foo'"),
        (["profile", "m", "--model", "m", "hi"], "model is given twice"),
        (["profile", "m", "hi", "--prompt", "hi"], "prompt is given twice"),
        (["profile", "m", "hi", "--base-url", "localhost:1"], "http://localhost:1 or https://"),
        (["profile", "m", "hi", "--base-url", "ftp://h"], "must begin with http:// or https://"),
        (["profile", "m", "hi", "--base-url", "http://"], "must begin with http:// or https://"),
        (["profile", "m", "hi", *AT, "--header", "sk-1"], "--header must be given as 'Name: v"),
        (["profile", "m", "hi", *AT, "--extra-body", "{"], "--extra-body is not JSON"),
        (["profile", "m", "hi", *AT, "--api-key-file", "/nosuch"], "key file /nosuch: No such"),
        (["profile", "m", "hi", *AT, "--tokenizer", "/nosuch"], "no tokenizer at /nosuch"),
        (["profile", "m", "hi", *AT, "--max-tokens", "0"], "--max-tokens must be at least 1"),
        (["profile", "m", "hi", *AT, "--timeout", "0"], "--timeout must be above 0, not 0"),
        (["profile", "m", "hi", *AT, "--raw", "some"], "--raw must be full, redacted or off"),
        (["profile", "m", "hi", *AT, "--output", "/nosuch/x"], "no writable folder /nosuch"),
        (["profile", "m", "hi", *AT, "--records", "/"], "cannot write /: it is a directory"),
        (["profile", "m", "hi", *AT, "--output", "-", "--records", "-"], "one can be printed"),
        (["benchmark", "m", "hi", *AT, "--rate", "0"], "--rate must be above 0, not 0"),
        (["benchmark", "m", "hi", *AT, "--rate", "-1"], "--rate must be above 0, not -1"),
        (["benchmark", "m", "hi", *AT, "--rate", "nan"], "--rate must be a number, not 'nan'"),
        (["benchmark", "m", "hi", *AT, "--requests", "0"], "--requests must be at least 1"),
        (["benchmark", "m", "hi", *AT, "--duration", "x"], "--duration must be a length of time"),
        (["benchmark", "m", "hi", *AT, "--concurrency", "9" * 9], "open files and the limit is"),
        (["benchmark", "m", "--prompt-file", "/nosuch", *AT], "prompt file /nosuch: no such file"),
        (["benchmark", "--config", "/nosuch.toml"], "configuration file /nosuch.toml: no such"),
        (["benchmark", "--config", "x.ini"], "must end in .toml, .yaml or .yml"),
        (["sim", "--ttft", "5x"], "--ttft '5x' is not a duration"),
        (["sim", "--key", "k"], "--cert and --key belong together"),
        (["validate"], "there is nothing to check"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(shell: Shell, args: list[str], message: str):
    said = shell(*args)
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert line.startswith("latency-lens: error: ")
    assert message in line
    assert "sk-1" not in line


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "there is no prompt in it"), (b"a\n\xff", ":2: not UTF-8: byte 0xff at offset 2")],
)
def test_prompt_files(shell: Shell, tmp_path: Path, content: bytes, message: str):
    (tmp_path / "p.txt").write_bytes(content)
    said = shell("benchmark", "m", "--prompt-file", str(tmp_path / "p.txt"), *AT)
    assert said.code == 2
    assert message in said.err


@pytest.mark.parametrize("content", ["", "two keys", "a\nb"])
def test_key_files(shell: Shell, tmp_path: Path, content: str):
    (tmp_path / "key").write_text(content)
    said = shell("profile", "m", "hi", *AT, "--api-key-file", str(tmp_path / "key"))
    assert "must hold one key and nothing else" in said.err
    assert "two keys" not in said.err


def test_a_key_file_that_is_no_text(shell: Shell, tmp_path: Path):
    (tmp_path / "key").write_bytes(b"\xff")
    said = shell("profile", "m", "hi", *AT, "--api-key-file", str(tmp_path / "key"))
    assert said.err.endswith("key: not text\n")


def test_a_run_directory_that_cannot_be_made(shell: Shell, tmp_path: Path):
    (tmp_path / "file").touch()
    said = shell("profile", "m", "hi", *AT, "--run-dir", str(tmp_path / "file" / "x"))
    assert said.code == 3
    assert len(said.err.splitlines()) == 1


def test_a_result_that_the_disk_does_not_take(shell: Shell, simulator: str):
    said = shell("profile", "m", "hi", "--base-url", simulator, "--output", "/dev/full")
    assert said.code == 3
    assert said.err == "latency-lens: error: cannot write /dev/full: No space left on device\n"


def test_a_usage_mistake_names_the_help_that_answers_it(shell: Shell):
    assert shell("profile", "--bogus").err.endswith("(see latency-lens profile --help)\n")
    assert shell("nosuch").err.endswith("(see latency-lens --help)\n")


def test_a_bug_shows_no_key(shell: Shell, capsys: pytest.CaptureFixture[str]):
    def broken(**settings: object) -> None:
        raise ZeroDivisionError

    shell.world.lens = broken  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError):
        shell("profile", "m", "hi", *AT, "--api-key", "sk-secret")
    shown = capsys.readouterr()
    assert "sk-secret" not in shown.out + shown.err


def test_an_interrupt_before_the_run(shell: Shell):
    def interrupted(**settings: object) -> None:
        raise KeyboardInterrupt

    shell.world.lens = interrupted  # type: ignore[assignment]
    assert shell("profile", "m", "hi", *AT).code == 130


def test_a_refused_connection_keeps_what_there_was(
    shell: Shell, refusing: Callable[[], str], tmp_path: Path
):
    run = tmp_path / "run"
    shell(
        "benchmark", "m", "hi", "--base-url", refusing(), "--requests", "1", "--run-dir", str(run)
    )
    assert (run / "run.json").is_file()


def test_a_variable_that_is_no_setting_is_named(shell: Shell):
    environ = {"LATENCY_LENS_CONCURENCY": "3", "LATENCY_LENS_XYZ": "1", "LATENCY_LENS_HOME": "/h"}
    said = shell("report", "nothing", **environ)
    assert said.err.splitlines()[:2] == [
        "latency-lens: WARNING: the variable LATENCY_LENS_CONCURENCY is no setting: did you mean"
        " LATENCY_LENS_CONCURRENCY?",
        "latency-lens: WARNING: the variable LATENCY_LENS_XYZ is no setting",
    ]
