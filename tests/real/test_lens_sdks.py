"""The SDK lens on the real SDKs: nothing changes for them, and the times are those of the tool."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real_command import COMMAND, Simulate, within_three
from real_parts import PYTHON, ROOT

from llm_latency_lens import Lens

pytestmark = pytest.mark.real

HERE = Path(__file__).parent
QUICK = {"ttft": "20ms", "gap": "3ms", "tokens": "8"}
KEY = "sk-quite-secret-0123"
SENT = {
    "openai": ["openai", "openai", "openai-responses", "openai"],
    "async-openai": ["openai", "openai"],
    "anthropic": ["anthropic"],
    "async-anthropic": ["anthropic"],
    "groq": ["openai"],
    "google": ["gemini", "gemini"],
    "cohere": ["cohere"],
    "async-cohere": ["cohere"],
    "mistral": ["openai", "openai"],
    "ollama": ["ollama"],
    "async-ollama": ["ollama"],
    "bedrock": ["bedrock"],
}
KERNEL = sys.platform.startswith("linux")


def says(*arguments: str, script: str = "lens_sdks.py") -> Any:
    """What the script prints that runs in .venv-real."""
    return json.loads(ran([str(HERE / script), *arguments]))


def ran(arguments: list[str]) -> str:
    """What Python of .venv-real prints, with this project's source on its path."""
    environment = {
        "PYTHONPATH": str(ROOT / "src"),
        "PATH": "",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    run = subprocess.run(
        [PYTHON, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def address_of(base_url: str) -> str:
    return base_url.removesuffix("/v1")


def timeless(answers: Any) -> str:
    """Answers without the moments in them, and without what is drawn for each connection."""
    moments = r'"(created|created_at|completed_at|total_duration|\w+_duration|latencyMs)": [^,}]+'
    return re.sub(moments, "", json.dumps(answers))


@pytest.mark.parametrize("sdk", SENT)
def test_an_sdk_gets_what_it_got_before(simulate: Simulate, sdk: str) -> None:
    plain, watched = (address_of(simulate(**QUICK).base_url) for _ in range(2))
    found = says(sdk, watched, plain)
    assert timeless(found["watched"]) == timeless(found["plain"])
    records = found["records"]
    assert [record["provider"] for record in records] == SENT[sdk]
    for record in records:
        assert (record["status"], record["error"]) == ("ok", None)
        assert re.search(r"tests/real/lens_sdks\.py:\d+$", record["tag"])
        assert record["clock"] == ("kernel" if KERNEL else "user")
        if record["operation"] == "chat" and record["stream"]:
            assert record["events"] == 8
            assert 20 <= record["ttft_ms"] <= record["e2e_ms"]
    assert KEY not in json.dumps(found)


@pytest.mark.parametrize("sdk", [name for name in SENT if name not in ("google", "bedrock")])
def test_an_sdk_is_told_what_was_recorded(simulate: Simulate, sdk: str) -> None:
    found = says("replay", sdk, address_of(simulate(**QUICK).base_url))
    assert found["replayed"] == found["asked"]
    assert found["records"] == found["recorded"]
    assert [record["provider"] for record in found["records"]] == SENT[sdk]


def test_a_retry_of_an_sdk_is_an_attempt(simulate: Simulate) -> None:
    plain, watched = (
        address_of(simulate(**QUICK, faults="429=10ms:#0").base_url) for _ in range(2)
    )
    records = says("openai", watched, plain)["records"]
    assert [record["attempt"] for record in records] == [0, 1, 0, 0, 0]
    assert "RATE_LIMIT" in records[0]["error"]
    assert [record["status"] for record in records[1:]] == ["ok"] * 4


@pytest.mark.parametrize("sdk", ["openai", "async-openai", "anthropic", "ollama"])
def test_ttft_is_that_of_the_tools_own_transport(simulate: Simulate, sdk: str) -> None:
    provider = SENT[sdk][0]
    base_url = simulate(ttft="20ms", gap="1ms", tokens="4").base_url
    address = address_of(base_url)
    base = base_url if provider == "openai" else address
    lens = Lens(provider=provider, model="sim", base_url=base, api_key="none", max_tokens=500)

    def check() -> None:
        # The least of many, for whatever else runs here can only add to it.
        seen = min(one["ttft_ms"] for one in says("waits", sdk, address, "40"))
        own = lens.benchmark("Hi", requests=40).result.metrics.ttft_ms.min
        assert seen == pytest.approx(own, abs=1)

    within_three(check)


def test_llama_answers_as_before_and_as_fast(llama: str) -> None:
    address = address_of(llama)
    lens = Lens(provider="llamacpp", model="sim", base_url=llama, api_key="none", max_tokens=4)

    def check() -> None:
        seen = [one["ttft_ms"] - one["prompt_ms"] for one in says("waits", "llama", address, "6")]
        records = list(lens.benchmark("Hi", requests=6).records())
        own = [(one.ttft_ns or 0) / 1e6 - one.hints_ms["prompt_ms"] for one in records]
        assert min(seen) == pytest.approx(min(own), abs=1)

    within_three(check)


def test_a_program_of_another_environment(simulate: Simulate, tmp_path: Path) -> None:
    """Its Python has nothing of this project, and the SDK there is measured all the same."""
    app = tmp_path / "app.py"
    app.write_text(
        "import sys, openai\n"
        "client = openai.OpenAI(api_key='sk-quite-secret-0123', base_url=sys.argv[1])\n"
        "messages = [{'role': 'user', 'content': 'Hi'}]\n"
        "for _ in range(3):\n"
        "    client.chat.completions.create(model='gpt-4o-mini', messages=messages)\n"
        "raise SystemExit(4)\n"
    )
    output = tmp_path / "calls.json"
    ran = subprocess.run(
        [
            *(COMMAND, "run", "--output", output, "--run-dir", tmp_path / "run", "--"),
            *(PYTHON, "-W", "error", "app.py", simulate(**QUICK).base_url),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (4, "")
    assert ran.stdout.startswith("python  3 calls")
    found = json.loads(output.read_text())
    (site,) = found["sites"]
    assert (site["site"], site["model"], site["ok"]) == ("app.py:5", "gpt-4o-mini", 3)
    assert site["cost"] > 0
    for file in (tmp_path / "run").iterdir():
        assert KEY.encode() not in file.read_bytes()
