"""`latency-lens demo --compare`: simulated providers of several wire formats, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .compare import ended, show
from .options import Keeping, Outputs, Screen
from .output import prints_table, tell_lost
from .world import World

if TYPE_CHECKING:
    from ..measured import Trial
    from ..metrics.comparison import Comparison
    from ..record import Record
    from ..testing.process import RunningSimulator
    from ..testing.sendlog import Sent

_REQUESTS = 40
_AT_A_TIME = 8


@dataclass(frozen=True, slots=True)
class _Simulated:
    """A provider that is made up: whose format it speaks, how it answers, and what it costs."""

    provider: str
    price: Mapping[str, float]
    options: Mapping[str, str]


_CANDIDATES = {
    "quick": _Simulated(
        "openai",
        {"input": 2.5, "output": 10.0},
        {"ttft": "lognormal:220ms,0.3", "gap": "lognormal:12ms,0.3", "tokens": "lognormal:60,0.3"},
    ),
    "thrifty": _Simulated(
        "anthropic",
        {"input": 0.6, "output": 2.4},
        {
            "ttft": "lognormal:350ms,0.3",
            "gap": "lognormal:30ms,0.3",
            "tokens": "lognormal:60,0.3",
            "tokens_per_event": "3",
        },
    ),
    "twin": _Simulated(
        "gemini",
        {"input": 2.5, "output": 10.0},
        {"ttft": "lognormal:225ms,0.3", "gap": "lognormal:12ms,0.3", "tokens": "lognormal:60,0.3"},
    ),
    "shaky": _Simulated(
        "ollama",
        {"input": 0.0, "output": 0.3},
        {
            "ttft": "lognormal:300ms,0.6",
            "gap": "lognormal:16ms,0.3",
            "tokens": "lognormal:60,0.3",
            "stalls": "0.5%:500ms",
            "faults": "500:5%",
        },
    ),
}


def demo_compare(world: World, keeping: Keeping, outputs: Outputs, screen: Screen) -> int:
    """Start the simulated providers and compare them; gives the exit code."""
    from .progress import Display

    if not screen.quiet:
        formats = ", ".join(one.provider for one in _CANDIDATES.values())
        world.err.write(
            f"{len(_CANDIDATES)} simulated providers that speak as {formats} do;"
            f" {_REQUESTS} requests each (about 20 s).\n"
        )
    display = None if screen.quiet else Display(world.err, color=not screen.no_color)
    with ExitStack() as stack:
        simulators = {
            name: stack.enter_context(world.simulator(**one.options, seed=str(seed)))
            for seed, (name, one) in enumerate(_CANDIDATES.items())
        }
        lenses = {
            name: _lens(world, one, simulators[name], keeping, outputs)
            for name, one in _CANDIDATES.items()
        }
        try:
            found = world.compare(
                lenses,
                "Say hello",
                name=keeping.name or "demo",
                on_progress=display,
                requests=_REQUESTS,
                concurrency=_AT_A_TIME,
            )
        finally:
            if display:
                display.close()
        logs = {name: simulator.log() for name, simulator in simulators.items()}
    show(found.result, found.records(), outputs, screen, world)
    tell_lost(found.run, world.err)
    if prints_table(outputs.output, outputs.records) and not screen.quiet:
        truth = told(found, logs)
        world.out.write(
            f"\n{truth}Run kept in   {found.run_dir}\n"
            "Your own      latency-lens compare openai/gpt-4o-mini groq/llama-3.1-8b-instant"
            ' "Say hello"\n'
        )
    return ended(found.result)


def _lens(
    world: World, one: _Simulated, simulator: RunningSimulator, keeping: Keeping, outputs: Outputs
) -> Any:
    prices = [{"provider": name, **price} for name, price in _prices()]
    return world.lens(
        provider=one.provider,
        model="sim",
        base_url=simulator.base_url,
        api_key="none",
        proxy=None,
        prices=prices,
        run_dir=keeping.run_dir,
        raw=keeping.raw,
        stream_to=keeping.stream_to,
        keep_text=outputs.keep_text,
    )


def _prices() -> Iterable[tuple[str, Mapping[str, float]]]:
    return ((one.provider, one.price) for one in _CANDIDATES.values())


def told(found: Trial[Comparison], logs: Mapping[str, list[Sent]]) -> str:
    """What the simulators say that they did, and what was measured; empty where none answered."""
    import numpy as np

    from ..experiments.calibrate import compare

    by_arm: dict[str, list[Record]] = {}
    for record in found.records():
        by_arm.setdefault(record.arm or "", []).append(record)
    lines: list[str] = []
    for one in found.result.candidates:
        if one.requests.ok:
            errors = compare(by_arm[one.name], logs[one.name])
            true, seen = np.median(errors.true_ttft_ms), np.median(errors.measured_ttft_ms)
            label = "" if lines else "Truth"
            lines.append(
                f"{label:<14}{one.name} says TTFT p50 {true:.2f} ms, measured were {seen:.2f} ms\n"
            )
    return "".join(lines)
