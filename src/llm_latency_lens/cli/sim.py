"""`latency-lens sim`: a provider whose schedule is known."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from .options import Screen, Serving
from .world import Call

EXAMPLES = """\
latency-lens sim
latency-lens sim --ttft lognormal:300ms,0.4 --gap gamma:20ms,0.3
latency-lens sim --slots 4 --faults '429=2s:5%, cut:1%' --stalls 0.2%:150ms"""


def sim(call: Call, *, serving: Serving, simulated: Any, screen: Screen) -> int:
    """Serve a simulated model in the formats of all providers, until Ctrl-C.

    Times are durations such as 200ms, or distributions: lognormal:200ms,0.3 (mean, spread of the
    logarithm), gamma:20ms,0.5 (mean, spread by mean), list:18ms/20ms/95ms, file:gaps.txt.
    """
    from pathlib import Path

    from ..testing.config import SimConfig
    from ..testing.server import serve

    given = {name: text for name, text in dataclasses.asdict(simulated).items() if text is not None}
    config = SimConfig.from_options(**given)

    def ready(base_url: str) -> None:
        if screen.quiet:
            return
        call.world.out.write(
            f"Model '{config.model}' is served at {base_url}; Ctrl-C ends it. In another window:\n"
            f"  {try_it(serving, base_url, config.model)}\n"
        )
        call.world.out.flush()

    asyncio.run(
        serve(
            config,
            host=serving.host,
            port=serving.port,
            unix_socket=serving.unix_socket,
            tls=(serving.cert, serving.key) if serving.cert and serving.key else None,
            api_key=serving.api_key,
            send_log=Path(serving.send_log) if serving.send_log else None,
            on_ready=ready,
        )
    )
    return 0


def try_it(serving: Serving, base_url: str, model: str) -> str:
    """A command that measures what is served."""
    words = f'latency-lens profile {model} "Say hello" --base-url {base_url}'
    if serving.unix_socket:
        words += f" --unix-socket {serving.unix_socket}"
    if serving.cert:
        words += f" --ca-file {serving.cert}"
    return words + (' --api-key "$KEY"' if serving.api_key else "")


VERB = sim
