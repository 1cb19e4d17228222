"""The monitor's file: what it comes to, and every mistake in it with its line."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from command_shell import Shell

from llm_latency_lens.cli.monitor_file import is_monitor_file, load_monitor_file, read_monitor_file
from llm_latency_lens.cli.monitor_reference import schema
from llm_latency_lens.errors import ConfigError, UsageError
from llm_latency_lens.request import Prompt, Secret
from llm_latency_lens.service.config import MonitorConfig

WHOLE = """\
listen: "[::1]:9999"
data_dir: data
token: ${TOKEN}
hosts: [monitor.example.com]
max_request_bytes: 32KB
requests_per_minute: 60
prices: prices.toml
max_cost_usd_per_day: 1.5
windows: [7d, 1h]
seed: 3
tls: {cert_file: cert.pem, key_file: key.pem}
defaults:
  provider: openai
  model: gpt-4o-mini
  api_key: ${KEY}
  prompt: Say hello
  interval: 30s
  labels: {team: search, tier: 1}
  objectives: [ttft_ms.p95<800, error_rate<1%]
targets:
  - name: eu
    region: eu-west
    labels: {tier: gold}
    max-cost-usd-per-day: 0.2
  - name: own
    model: openai/gpt-4o
    provider: vllm
    base_url: http://gpu-7:8000/v1
    api_key: none
    prompt_file: prompts.txt
    timeout: 5s
    jitter: 0
    stream: false
    extra_body: {reasoning_effort: low}
    connections: warm
    insecure: true
    proxy: none
    objectives:
      - {limit: e2e_ms<5s, target: 99%}
push:
  - remote-write+http://prometheus:9090
  - url: otlp+http://otel:4318
    interval: 1m
    max_queue: 2MB
alerts:
  anomalies: false
  down_after: 5
  receivers:
    - {name: hook, kind: webhook, url: "https://example.com/hook", secret: "${TOKEN}"}
    - {name: chat, kind: slack, url_env: SLACK, min_severity: critical, repeat: 1h}
  silences:
    - {match: {target: "own*"}, until: 2030-01-01T00:00:00Z, comment: moving}
retention: {probes: 7d, hours: 100d}
"""
ENVIRON = {"TOKEN": "a-token", "KEY": "sk-key", "SLACK": "https://hooks.example.com/x"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prompts.txt").write_text("one\ntwo\n")
    entry = '[[prices]]\nprovider = "*"\nmodel = "*"\ninput = 1\noutput = 1\n'
    (tmp_path / "prices.toml").write_text(entry)
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("")
    return tmp_path


def _read(folder: Path, text: str, **environ: str) -> tuple[MonitorConfig | None, list[str]]:
    path = folder / "monitor.yaml"
    path.write_text(text)
    found, mistakes = read_monitor_file(str(path), {**ENVIRON, **environ})
    return found, [str(one).removeprefix(f"{path}:") for one in mistakes]


def test_everything_that_a_file_can_say(folder: Path) -> None:
    found, mistakes = _read(folder, WHOLE)
    assert mistakes == []
    assert found is not None
    assert (found.serve.host, found.serve.port, found.serve.hosts) == (
        "::1", 9999, ("monitor.example.com",),
    )  # fmt: skip
    assert found.serve.token == Secret("a-token")
    assert (found.serve.max_request_bytes, found.serve.requests_per_minute) == (32 * 1024, 60)
    assert (found.data_dir, found.seed) == (folder / "data", 3)
    assert found.max_cost_usd_per_day == Decimal("1.5")
    assert list(found.windows.items()) == [("1h", 3600), ("7d", 7 * 86_400)]
    eu, own = found.targets
    assert (eu.provider, eu.model, eu.api_key, eu.region) == (
        "openai", "gpt-4o-mini", Secret("sk-key"), "eu-west",
    )  # fmt: skip
    assert (eu.interval_s, eu.jitter, eu.timeout_s, eu.connections) == (30.0, 0.1, 30.0, "cold")
    assert eu.labels == {"team": "search", "tier": "gold"}
    assert eu.max_cost_usd_per_day == Decimal("0.2")
    assert [one.text for one in eu.promises] == ["ttft_ms.p95<800", "error_rate<1%"]
    assert (own.provider, own.model, own.base_url) == (
        "vllm", "openai/gpt-4o", "http://gpu-7:8000/v1",
    )  # fmt: skip
    assert own.prompts == (Prompt.of("one"), Prompt.of("two"))
    assert (own.timeout_s, own.jitter, own.stream, own.proxy) == (5.0, 0.0, False, None)
    assert (own.tls_verify, own.connections) == (False, "warm")
    assert own.extra_body == {"reasoning_effort": "low"}
    assert [(one.text, one.share) for one in own.promises] == [("e2e_ms<5s in 99 %", 0.99)]
    assert [(one.interval_s, one.max_queue_bytes) for one in found.push] == [
        (15.0, 64 * 1024**2), (60.0, 2 * 1024**2),
    ]  # fmt: skip
    hook, chat = found.alerts.receivers
    assert (hook.secret, hook.min_severity, hook.repeat_s) == (Secret("a-token"), "warning", 14_400)
    assert (chat.url, chat.min_severity, chat.repeat_s) == (
        Secret("https://hooks.example.com/x"), "critical", 3600.0,
    )  # fmt: skip
    assert (found.alerts.burn_rates, found.alerts.anomalies, found.alerts.down_after) == (
        True, False, 5,
    )  # fmt: skip
    assert found.alerts.silences[0].until_unix_s == 1_893_456_000
    assert (found.retention.probes_s, found.retention.hours_s) == (7 * 86_400, 100 * 86_400)
    assert [path.name for path in found.files] == [
        "monitor.yaml", "cert.pem", "key.pem", "prices.toml", "prompts.txt",
    ]  # fmt: skip


def test_no_secret_is_in_what_the_file_came_to(folder: Path) -> None:
    shown = repr(_read(folder, WHOLE)[0])
    assert not [secret for secret in ("sk-key", "a-token", "hooks.example") if secret in shown]


def test_the_schema_takes_the_file_and_refuses_what_it_does_not_know() -> None:
    whole = json.loads(json.dumps(yaml.safe_load(WHOLE), default=str))
    check = jsonschema.Draft202012Validator(schema())
    check.check_schema(schema())
    check.validate(whole)
    assert not check.is_valid({**whole, "target": []})
    assert not check.is_valid({"targets": [{"model": "m"}]})


_HEAD = "targets:\n  - name: a\n    model: m\n    base_url: http://localhost:1/v1\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1: the file must hold names and values: targets, listen, data_dir..."]),
        ("listen: x\n", [
            "1: listen must be an address and a port such as 127.0.0.1:9464, not 'x'",
            "1: targets must be a list with at least one target",
        ]),
        ("targets: []\n", ["1: targets must be a list with at least one target"]),
        ("targets:\n  - a\n", ["2: a target must hold names and values: name, provider, model,"
                               " base_url"]),
        (f"{_HEAD}    intervall: 5s\n", ["5: a target has no 'intervall': did you mean interval?"]),
        (f"{_HEAD}    interval: 0s\n    timeout: soon\n    jitter: -1\n", [
            "5: interval must be above 0, not 0s",
            "6: timeout must be a length of time such as 30s, 5m or 1h30m, not 'soon'",
            "7: jitter must be at least 0, not -1",
        ]),
        (f"{_HEAD}    jitter: 2\n", ["5: jitter must be at most 1, not 2"]),
        (f"{_HEAD}    model: n\n", ["5: model is given twice, first on line 3"]),
        (f"{_HEAD}  - name: a\n    model: m\n    api_key: k\n",
         ["5: a target is named 'a' on line 2"]),
        ("targets:\n  - model: m\n", ["2: a target needs a name"]),
        ("targets:\n  - name: a\n", ["2: a target needs a model"]),
        ("targets:\n  - name: a/b\n    model: m\n",
         ["2: name must be letters, digits and . _ - : @ +, at most 80 of them"]),
        ("targets:\n  - name: a\n    model: m\n", [
            "2: a: no API key for openai: set OPENAI_API_KEY, or give api_key"
            ' ("none" for a server that wants no key)']),
        (f"{_HEAD}    api_key_env: MISSING\n",
         ["2: a: api_key_env: the variable MISSING is not set"]),
        (f"{_HEAD}    api_key: ${{MISSING}}\n",
         ["5: api_key: the environment variable MISSING is not set"]),
        (f"{_HEAD}    api_key: x\n    api_key_env: KEY\n",
         ["6: api_key and api_key_env exclude each other"]),
        (f"{_HEAD}    prompt: hi\n    prompt_file: p\n",
         ["6: prompt and prompt_file exclude each other"]),
        (f"{_HEAD}    objectives: [ttft_ms.p95<800, ttft<1]\n", [
            "5: 'ttft<1' is no objective: nothing that has an error budget is called ttft: did you"
            " mean ttft_ms or ttfb_ms or ttft_ms.p99?"]),
        (f"{_HEAD}    objectives: [{{limit: ttft_ms<1, target: 120%}}]\n", [
            "5: target must be a share between 0 and 100 %, such as 99.5%, not '120%'"]),
        (f"{_HEAD}    labels: {{model: x}}\n", [
            "5: labels cannot have 'model': small letters, digits and _, and no name that the"
            " metrics have already"]),
        (f"{_HEAD}    max_cost_usd_per_day: 1\n    provider: openai\n    base_url: https://x.org\n",
         ["7: base_url is given twice, first on line 4"]),
        (f"{_HEAD}max_cost_usd_per_day: 0\n", ["5: max_cost_usd_per_day must be above 0, not 0"]),
        (f"{_HEAD}windows: [1h, soon]\n",
         ["5: a window is a length such as 1h, 24h or 30d, not 'soon'"]),
        (f"{_HEAD}tls: {{cert_file: c}}\n", ["5: tls needs both cert_file and key_file"]),
        (f"{_HEAD}prices: none.toml\n", ["5: prices file FOLDER/none.toml: No such file or"
                                         " directory"]),
        (f"{_HEAD}push: [influx+http://h]\n", None),
        (f"{_HEAD}push: [otlp+http://h:1, otlp+http://h:1]\n",
         ["5: otlp+http://h:1 is given twice"]),
        (f"{_HEAD}push: [{{interval: 1s}}]\n", ["5: a push needs a url"]),
        (f"{_HEAD}alerts:\n  receivers:\n    - {{kind: slack}}\n",
         ["7: a receiver needs a name", "7: a receiver needs a url"]),
        (f"{_HEAD}alerts:\n  receivers:\n    - {{name: a, kind: slack, url: ftp://x}}\n",
         ["7: url must begin with http:// or https://"]),
        (f"{_HEAD}alerts:\n  receivers: hook\n", ["6: receivers must be a list"]),
        (f"{_HEAD}alerts:\n  silences: [{{match: {{name: x}}}}]\n", None),
        (f"{_HEAD}alerts:\n  silences: [{{comment: x}}]\n",
         ["6: a silence needs a match, such as {target: chat-*}"]),
        (f"{_HEAD}alerts:\n  silences: [{{match: {{target: x}}, until: 5d}}]\n",
         ["6: until must be a moment, such as 2026-01-31T12:00"]),
        (f"{_HEAD}token_env: NOT_THERE\n",
         ["5: token_env: the variable NOT_THERE is not set"]),
        (f"{_HEAD}token_file: none\n", ["5: key file FOLDER/none: No such file or directory"]),
        (f"{_HEAD}    ca_file: none.pem\n    base_url: x\n",
         ["6: base_url is given twice, first on line 4"]),
        ("targets:\n  - {name: a, model: m, base_url: localhost:1}\n",
         ["2: a: base_url must begin with http:// or https:// and a host"]),
        ("targets:\n  - {name: a, model: m, provider: opnai}\n", None),
        ("a: [\n", None),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_line(
    folder: Path, text: str, expected: list[str] | None
) -> None:
    found, mistakes = _read(folder, text)
    assert found is None
    if expected is None:  # another part's words
        assert len(mistakes) == 1
        assert mistakes[0][0].isdigit()
    else:
        assert [one.replace(str(folder), "FOLDER") for one in mistakes] == expected


def test_a_limit_of_costs_needs_a_price(folder: Path) -> None:
    text = "targets:\n  - {name: a, model: unheard-of, api_key: k, max_cost_usd_per_day: 1}\n"
    _, mistakes = _read(folder, text)
    assert len(mistakes) == 1
    assert mistakes[0].startswith("2: a: no price known for openai/unheard-of")
    assert _read(folder, f"prices: prices.toml\n{text}")[0] is not None


def test_what_is_wrong_in_the_defaults_is_said_once(folder: Path) -> None:
    text = "defaults: {interval: x, objectives: [y]}\n" + _HEAD + "  - {name: b, model: m}\n"
    _, mistakes = _read(folder, text)
    assert [one.partition(":")[0] for one in mistakes] == ["1", "1", "6"]
    assert "no API key" in mistakes[2]


def test_a_mistake_in_a_named_file_has_that_file_s_line(folder: Path) -> None:
    (folder / "bad.jsonl").write_text('{"prompt": "x"}\n{"prompt": 3}\n')
    _, mistakes = _read(folder, f"{_HEAD}    prompt_file: bad.jsonl\n")
    assert len(mistakes) == 1
    assert mistakes[0].startswith(f"{folder}/bad.jsonl:2: ")


def test_an_empty_token_is_none(folder: Path) -> None:
    found, _ = _read(folder, f"token: ${{NOT_THERE:-}}\n{_HEAD}")
    assert found is not None
    assert found.serve.token is None


def test_defaults_give_way_to_rivals_of_a_target(folder: Path) -> None:
    head = "defaults: {api_key: a, prompt_file: prompts.txt}\n"
    found, _ = _read(folder, head + _HEAD + "    api_key_env: KEY\n    prompt: hi\n")
    assert found is not None
    assert (found.targets[0].api_key, found.targets[0].api_key_env) == (None, "KEY")
    assert found.targets[0].prompts == (Prompt.of("hi"),)


def test_the_model_may_name_its_provider(folder: Path) -> None:
    text = "targets:\n  - {name: a, model: ollama/qwen3}\n  - {name: b, model: org/m, api_key: k}\n"
    found, _ = _read(folder, text)
    assert found is not None
    assert [(one.provider, one.model) for one in found.targets] == [
        ("ollama", "qwen3"), ("openai", "org/m"),
    ]  # fmt: skip


def test_toml_says_the_same(folder: Path) -> None:
    path = folder / "monitor.toml"
    path.write_text(
        '[[targets]]\nname = "a"\nmodel = "m"\nbase_url = "http://localhost:1/v1"\n'
        'interval = "5s"\nwrong = 1\n'
    )
    assert is_monitor_file(str(path))
    found, mistakes = read_monitor_file(str(path), {})
    assert found is None
    assert str(mistakes[0]).startswith(f"{path}:6: a target has no 'wrong'")
    with pytest.raises(ConfigError, match="6: a target has no 'wrong'"):
        load_monitor_file(str(path), {})


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert not is_monitor_file(str(tmp_path / "none.yaml"))
    with pytest.raises(UsageError, match=r"none.yaml: no such file"):
        load_monitor_file(str(tmp_path / "none.yaml"), {})
    with pytest.raises(UsageError, match="must end in"):
        load_monitor_file(str(tmp_path / "none.ini"), {})


def _shown(shell: Shell, *args: Any) -> tuple[int, str, str]:
    done = shell(*map(str, args))
    return done.code, done.out, done.err


def test_validate_lists_all_and_monitor_the_first(shell: Shell, folder: Path) -> None:
    path = folder / "monitor.yaml"
    path.write_text(f"{_HEAD}    a: 1\n    b: 2\n")
    code, out, _ = _shown(shell, "validate", path)
    assert (code, out.count("a target has no")) == (2, 2)
    code, _, err = _shown(shell, "monitor", "--config", path)
    assert code == 2
    assert f"{path}:5: a target has no 'a'" in err
    assert "(and 1 more: latency-lens validate" in err
    path.write_text(_HEAD)
    assert _shown(shell, "validate", path)[:2] == (0, f"{path}: 1 target, no mistake\n")


def test_monitor_needs_a_file(shell: Shell) -> None:
    code, _, err = _shown(shell, "monitor")
    assert code == 2
    assert "name the monitor's file with --config" in err
