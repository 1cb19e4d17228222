"""The usual way to measure a stream: aiohttp, one line at a time, JSON parsed, then the stamp.

Run as `python -m benchmarks.usual_client URL STREAMS REQUESTS FILE`; writes one JSON line a
request with the same names as the records of latency-lens.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp


async def one(session: aiohttp.ClientSession, url: str, index: int) -> dict[str, Any]:
    body = {"model": "sim", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    headers = {"x-client-request-id": str(index)}
    times = []
    started_unix = time.time_ns()
    start = time.perf_counter_ns()
    async with session.post(url, json=body, headers=headers) as response:
        async for line in response.content:
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            chunk = json.loads(line[6:])
            if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                times.append((time.perf_counter_ns() - start) / 1e6)
    return {"id": str(index), "start_unix_ns": started_unix, "events": times}


async def measure(url: str, streams: int, requests: int) -> list[dict[str, Any]]:
    left = iter(range(requests))
    done: list[dict[str, Any]] = []

    async def slot() -> None:
        for index in left:
            record = await one(session, url, index)
            done.append(record)

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(slot() for _ in range(streams)))
    return done


if __name__ == "__main__":
    records = asyncio.run(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
    Path(sys.argv[4]).write_text("".join(json.dumps(record) + "\n" for record in records))
