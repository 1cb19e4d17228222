"""TTFT by prompt: `python compare_prompts.py BASE_URL MODEL`."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict

from llm_latency_lens import Lens, Prompt, Status

PROMPTS = [
    Prompt(({"role": "user", "content": "Say hello."},), max_tokens=16, tag="short"),
    Prompt(({"role": "user", "content": "Count to ten. " * 200},), max_tokens=16, tag="long"),
]


def main(base_url: str, model: str) -> None:
    lens = Lens(model=model, base_url=base_url, api_key="none")
    found = lens.benchmark(PROMPTS, requests=40, concurrency=2, warmup=2)
    ttft_ms = defaultdict(list)
    for record in found.records():
        if record.status is Status.OK and not record.warmup and record.ttft_ns is not None:
            ttft_ms[record.tag].append(record.ttft_ns / 1e6)
    for tag, values in ttft_ms.items():
        print(f"{tag}: median TTFT {statistics.median(values):.1f} ms of {len(values)} requests")
    print(f"verdict: {found.result.validity.verdict}")


if __name__ == "__main__":
    main(*sys.argv[1:])
