"""`latency-lens benchmark`"""
from __future__ import annotations
from .options import Keeping, Outputs, Screen, Target, Load, Way
from .world import Call

EXAMPLES = """\
latency-lens benchmark openai/gpt-4o-mini "Say hello"
latency-lens benchmark llama3 "Say hello" --base-url http://localhost:11434/v1
latency-lens benchmark openai/gpt-4o-mini --prompt-file long.txt --show-text"""


def benchmark(
    call: Call,
    target: Target,
    load: Load,
    way: Way,
    keeping: Keeping,
    outputs: Outputs,
    screen: Screen,
) -> int:
    """Time one request and draw where the time went."""
    print(target, way, keeping, outputs, load, screen)
    return 0

VERB = benchmark
