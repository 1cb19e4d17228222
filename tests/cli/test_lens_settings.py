"""What reaches the library, told by a lens that only writes down what it was given."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from command_shell import Shell

from llm_latency_lens.errors import UsageError
from llm_latency_lens.request import Prompt


class StopHereError(UsageError):
    """Nothing is to be sent."""


class FakeLens:
    """Takes what `Lens` takes, and sends nothing."""

    def __init__(self, told: dict[str, Any], **settings: Any) -> None:
        self._told = told
        told.update(settings)

    def profile(self, prompt: Prompt, **settings: Any) -> None:
        self._told.update(settings, prompt=prompt)
        raise StopHereError("here")

    def estimate(self, prompts: list[Prompt], **load: Any) -> None:
        """No price is known."""

    def benchmark(self, prompts: list[Prompt], **settings: Any) -> None:
        self._told.update(settings, prompts=prompts)
        raise StopHereError("here")


@pytest.fixture
def told(shell: Shell) -> dict[str, Any]:
    found: dict[str, Any] = {}
    shell.world.lens = lambda **settings: FakeLens(found, **settings)  # type: ignore[assignment,return-value]
    return found


@pytest.mark.parametrize(
    ("args", "provider", "model"),
    [
        (["openai/gpt-4o-mini"], "openai", "gpt-4o-mini"),
        (["gpt-4o-mini"], "openai", "gpt-4o-mini"),
        (["vllm/meta-llama/Llama-3"], "vllm", "meta-llama/Llama-3"),
        (["--model", "vllm/meta-llama/Llama-3"], "vllm", "meta-llama/Llama-3"),
        (["openai/gpt-oss-20b", "--provider", "vllm"], "vllm", "openai/gpt-oss-20b"),
        (["meta-llama/Llama-3", "--base-url", "http://h/v1"], "openai", "meta-llama/Llama-3"),
    ],
)
def test_provider_and_model(
    shell: Shell, told: dict[str, Any], args: list[str], provider: str, model: str
):
    shell("profile", *args, "--prompt", "hi")
    assert (told["provider"], told["model"]) == (provider, model)


def test_a_model_with_a_slash_at_the_address_of_a_variable(shell: Shell, told: dict[str, Any]):
    shell("profile", "a/b", "hi", OPENAI_BASE_URL="http://h/v1")
    assert (told["provider"], told["model"], told["base_url"]) == ("openai", "a/b", None)


def test_everything_that_was_said_arrives(shell: Shell, told: dict[str, Any], tmp_path: Path):
    (tmp_path / "key").write_text("sk-1\n")
    shell(
        *("benchmark", "m", "hi", "--base-url", "http://h/v1"),
        *("--api-key-file", str(tmp_path / "key"), "--max-tokens", "5", "--temperature", "0.2"),
        *("--extra-body", '{"a": 1}', "--header", "A: 1", "--header", "B: 2", "--no-stream"),
        *("--connect-timeout", "1s", "--first-token-timeout", "2s", "--idle-timeout", "none"),
        *("--timeout", "4m", "--ca-file", "ca", "--cert", "c", "--key", "k"),
        *("--unix-socket", "/s", "--run-dir", "d", "--raw", "redacted", "--keep-text"),
        *("--requests", "7", "--duration", "8s", "--rate", "9", "--arrival", "poisson"),
        *("--max-concurrency", "10", "--warmup", "11", "--seed", "12", "--connections", "cold"),
        *("--operation", "chat", "--region", "r", "--project", "p", "--api-version", "v"),
        *("--aws-profile", "me", "--retries", "13", "--grace", "14s", "--name", "n", "--quiet"),
        *("--prices", "p.toml", "--batch-prices", "--max-cost", "0.10"),
        *("--respect-rate-limits", "--stream-to", "statsd://a", "--stream-to", "b.jsonl"),
    )
    timeouts, tls = told.pop("timeouts"), told.pop("tls")
    assert (timeouts.connect_s, timeouts.first_token_s) == (1.0, 2.0)
    assert (timeouts.idle_s, timeouts.total_s) == (None, 240.0)
    assert (tls.verify, tls.ca_file, tls.cert_file, tls.key_file) == (True, "ca", "c", "k")
    assert told == {
        "provider": "openai",
        "model": "m",
        "base_url": "http://h/v1",
        "api_key": "sk-1",
        "headers": (("A", "1"), ("B", "2")),
        "extra_body": {"a": 1},
        "max_tokens": 5,
        "temperature": 0.2,
        "stream": False,
        "operation": "chat",
        "region": "r",
        "project": "p",
        "api_version": "v",
        "aws_profile": "me",
        "proxy": "env",
        "unix_socket": "/s",
        "run_dir": "d",
        "raw": "redacted",
        "tokenizer": None,
        "keep_text": True,
        "prices": "p.toml",
        "batch_prices": True,
        "stream_to": ("statsd://a", "b.jsonl"),
        "requests": 7,
        "duration_s": 8.0,
        "rate": 9.0,
        "arrival": "poisson",
        "max_concurrency": 10,
        "warmup": 11,
        "seed": 12,
        "connections": "cold",
        "retries": 13,
        "grace_s": 14.0,
        "max_cost": Decimal("0.10"),
        "respect_rate_limits": True,
        "name": "n",
        "on_progress": None,
        "prompts": [Prompt.of("hi")],
    }


@pytest.mark.parametrize(
    ("args", "environ", "proxy"),
    [
        ([], {}, "env"),
        (["--proxy", "http://p:1"], {}, "http://p:1"),
        (["--no-proxy"], {}, None),
        (["--proxy", "none"], {}, None),
        (["--proxy", "http://p:1"], {"LATENCY_LENS_NO_PROXY": "yes"}, "http://p:1"),
        (["--insecure"], {"LATENCY_LENS_PROXY": "http://p:2"}, "http://p:2"),
    ],
)
def test_proxies(
    shell: Shell,
    told: dict[str, Any],
    args: list[str],
    environ: dict[str, str],
    proxy: str | None,
):
    shell("profile", "m", "hi", "--api-key", "none", *args, **environ)
    assert told["proxy"] == proxy
    assert told["tls"].verify is ("--insecure" not in args)


@pytest.mark.parametrize("args", [[], ["--tls-resume"]])
def test_a_handshake_is_a_full_one_unless_said(shell: Shell, told: dict[str, Any], args: list[str]):
    shell("profile", "m", "hi", "--api-key", "none", *args)
    assert told["tls"].resume is bool(args)


def test_a_tokenizer_is_loaded(shell: Shell, told: dict[str, Any], tmp_path: Path):
    pytest.importorskip("tokenizers")
    file = tmp_path / "tokenizer.json"
    file.write_text(
        '{"version": "1.0", "pre_tokenizer": {"type": "Whitespace"},'
        ' "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}'
    )
    shell("profile", "m", "hi", "--tokenizer", str(file))
    assert told["tokenizer"]("a a a") == 3


def test_prompts_from_standard_input(shell: Shell, told: dict[str, Any], tmp_path: Path):
    (tmp_path / "in").write_bytes(b"one\ntwo\n")
    with (tmp_path / "in").open("rb") as shell.world.stdin:
        shell("benchmark", "m", "--prompt-file", "-")
    assert told["prompts"] == [Prompt.of("one"), Prompt.of("two")]


def test_objectives_reach_the_library(shell: Shell, told: dict[str, Any]):
    limits = ["--objective", "ttft_ms<800", "--objective", " e2e_ms < 2s"]
    shell("benchmark", "openai/m", "hi", "--base-url", "http://h/v1", "--api-key", "none", *limits)
    assert told["objectives"] == ("ttft_ms<800", "e2e_ms < 2s")


def test_an_objective_that_is_none_is_named(shell: Shell):
    done = shell("benchmark", "openai/m", "hi", "--objective", "itl_ms<9")
    assert done.code == 2
    assert "--objective 'itl_ms<9' is no objective: one request has no itl_ms" in done.err
