"""A capture in a process of its own, beside the server that it measures: to be signalled, killed
and given a small disk. `python capture_child.py MODE RUN_DIR` prints JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from pathlib import Path

from tiny_server import serve

from llm_latency_lens.engine import Engine
from llm_latency_lens.engine.capture import Captured, Setup, capture
from llm_latency_lens.engine.load import Load, make_plan
from llm_latency_lens.metrics.context import Context
from llm_latency_lens.providers import decode
from llm_latency_lens.request import Request
from llm_latency_lens.store.runs import Raw
from llm_latency_lens.store.understand import records


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


def told(captured: Captured, context: Context) -> None:
    understood = list(records(captured.run, captured.unsaved))
    tell(
        interrupted=context.interrupted,
        stopped_early=context.stopped_early,
        unsent=context.unsent,
        status=[record.status for record in understood],
        tokens=[len(record.events) for record in understood],
        unsaved=len(captured.unsaved),
    )


async def main(mode: str, run_dir: Path) -> None:
    load: Load = {"requests": 1000, "concurrency": 2, "grace_s": 30.0}
    if mode == "full":  # a flush each quarter of a second has some 40 kB
        load = {"rate": 200.0, "duration_s": 60.0}
    if mode == "full at the end":
        load = {"requests": 50}
    release = asyncio.Event()
    async with serve(release=None if mode.startswith("full") else release) as url:
        context = Context(id="child")
        request = Request("openai", "m", url, (), b"{}")
        plan = make_plan(load, context, lambda _: request, decode)

        def signalled(engine: Engine, number: signal.Signals) -> None:
            streaming = [timeline for timeline in engine.in_flight if len(timeline.at) > 3]
            if len(streaming) == 2 and not engine.progress().draining:
                os.kill(os.getpid(), number)
            elif engine.progress().draining and mode != "twice":
                release.set()
            elif engine.progress().draining:
                os.kill(os.getpid(), number)

        def on_beat(engine: Engine) -> None:
            if mode in ("once", "twice"):
                signalled(engine, signal.SIGINT)
            elif mode == "term":
                signalled(engine, signal.SIGTERM)
            elif mode == "kill":
                tell(elapsed_s=engine.progress().elapsed_s)

        raw: Raw = "off" if mode == "full at the end" else "full"
        setup = Setup(url=url, run_dir=run_dir, raw=raw, handle_signals=True)
        captured = await capture(plan, context, setup, on_beat=on_beat)
        resource.setrlimit(resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
        told(captured, context)
        tell(handler=signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)


if __name__ == "__main__":
    UNLIMITED = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    limit = {"full": 100_000, "full at the end": 10_000}.get(sys.argv[1], UNLIMITED)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, UNLIMITED))
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
