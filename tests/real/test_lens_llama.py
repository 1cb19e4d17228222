"""The SDKs on llama.cpp with a real model: what they return instrumented is what they return plain,
and TTFT is that of the tool's own transport.

llama.cpp's work on a prompt takes some milliseconds more or less each time. OpenAI's format carries
its own account of that, which is taken off; in Anthropic's it is missing, and the least of many
waits is compared.
"""

from __future__ import annotations

import json
import re
from statistics import median
from typing import Any

import pytest
from real_command import within_three
from test_lens_sdks import KERNEL, address_of, says

pytestmark = pytest.mark.real

TOKENS = 12
SDKS = {
    "openai": ("openai", "openai", "openai-responses"),
    "async-openai": ("openai", "openai"),
    "anthropic": ("anthropic", "anthropic"),
    "async-anthropic": ("anthropic", "anthropic"),
}


def asked(*arguments: str) -> Any:
    return says(*arguments, script="lens_llama.py")


def drawn(answers: Any) -> str:
    """Answers without ids, moments and the server's account of its time."""
    text = json.dumps(answers)
    text = re.sub(r'"timings": \{[^}]*\}', "", text)
    return re.sub(r'"(id|item_id|created|created_at|completed_at)": ("[^"]*"|[\d.]+)', "", text)


@pytest.mark.parametrize("sdk", SDKS)
def test_a_real_model_answers_as_before(llama: str, sdk: str) -> None:
    found = asked("same", sdk, address_of(llama))
    assert drawn(found["watched"]) == drawn(found["plain"])
    records = found["records"]
    assert tuple(record["provider"] for record in records) == SDKS[sdk]
    assert [record["stream"] for record in records] == [False, True, True][: len(records)]
    for record in records:
        assert (record["status"], record["error"]) == ("ok", None)
        assert record["clock"] == ("kernel" if KERNEL else "user")
        assert 0 < record["output"] <= TOKENS
        assert record["text"] == records[0]["text"] != ""
        assert json.dumps(record["text"])[1:-1] in json.dumps(found["plain"])


@pytest.mark.parametrize("sdk", SDKS)
def test_ttft_is_that_of_the_tools_own_transport(llama: str, sdk: str) -> None:
    def check() -> None:
        pairs = asked("turns", sdk, address_of(llama), "40")
        if sdk.endswith("openai"):
            differences = [
                (seen - its_work) - (own - own_work) for (seen, its_work), (own, own_work) in pairs
            ]
            how, apart_ms = "median", median(differences)
        else:
            (seen_ms, _), (own_ms, _) = map(min, zip(*pairs, strict=True))
            how, apart_ms = "least", seen_ms - own_ms
        print(f"{sdk}: {how} {apart_ms:+.3f} ms over {len(pairs)} turns")
        assert abs(apart_ms) < 1

    within_three(check)
