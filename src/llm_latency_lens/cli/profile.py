"""`latency-lens profile`"""
from __future__ import annotations
from .options import Keeping, Outputs, Screen, Target, Watching, Way
from .world import Call

EXAMPLES = """\
latency-lens profile openai/gpt-4o-mini "Say hello"
latency-lens profile llama3 "Say hello" --base-url http://localhost:11434/v1
latency-lens profile openai/gpt-4o-mini --prompt-file long.txt --show-text"""


def profile(
    call: Call,
    target: Target,
    watching: Watching,
    way: Way,
    keeping: Keeping,
    outputs: Outputs,
    screen: Screen,
) -> int:
    """Time one request and draw where the time went."""
    print(target, way, keeping, outputs, watching, screen)
    return 0

VERB = profile
