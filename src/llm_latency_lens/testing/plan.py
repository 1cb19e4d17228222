"""When each event of one answer is due: pure, without network or clock."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random

from ..errors import UsageError
from ..record import EventKind
from .config import SimConfig
from .faults import Fault, choose_fault

_TEXT = (
    "the answer is that a model reads its prompt once and then writes one token after another"
    " while every gap between two of them tells how busy the machine was at that moment so we count"
    " each of these small waits and keep them all because an average hides what people feel when"
    " text stops for half a second"
)
_WORDS = [f" {word}" for word in _TEXT.split()]
_LOOP = _WORDS * 4


@dataclass(frozen=True, slots=True)
class Plan:
    """One answer's schedule. Columns are content events; times count from being served.

    `decode_ns` is when the first token exists, shown or hidden. `calls` gives the tool call of each
    event and is empty where there are none. `end_ns` is when the answer is complete: the last
    event, or the end of hidden reasoning.
    """

    index: int
    prompt_tokens: int
    offsets_ns: list[int]
    tokens: list[int]
    kinds: list[EventKind]
    calls: list[int]
    reasoning_tokens: int
    output_tokens: int
    finish_reason: str
    decode_ns: int
    end_ns: int
    fault: Fault | None

    def __len__(self) -> int:
        return len(self.offsets_ns)

    @property
    def first_ns(self) -> int:
        """When the first event is due, or the end where there is none."""
        return self.offsets_ns[0] if self.offsets_ns else self.end_ns

    def slowed(self, factor: float) -> Plan:
        """The same answer with every gap between two tokens longer by a factor."""
        origin = self.decode_ns
        return replace(
            self,
            offsets_ns=[origin + round((at - origin) * factor) for at in self.offsets_ns],
            end_ns=origin + round((self.end_ns - origin) * factor),
        )


def plan(
    config: SimConfig, index: int, *, prompt_tokens: int = 0, max_tokens: int | None = None
) -> Plan:
    """The schedule of the `index`-th request; the same arguments give the same plan."""
    if max_tokens is not None and max_tokens < 1:
        raise UsageError(f"max_tokens is at least 1, not {max_tokens}")
    rng = Random(f"{config.seed}/{index}")
    reasoning, answer, finish = _lengths(config, rng, max_tokens)
    tokens = _split(config, rng, reasoning)
    thoughts = len(tokens)
    tokens += _split(config, rng, answer)
    at_ns = _offsets(config, rng, len(tokens), prompt_tokens)
    decode_ns, end_ns = at_ns[0], at_ns[-1]
    kinds = [EventKind.REASONING] * thoughts
    if config.reasoning_hidden:
        del tokens[:thoughts], at_ns[:thoughts], kinds[:]
    answers = len(tokens) - len(kinds)
    kinds += [EventKind.TOOL if config.tool_calls else EventKind.TEXT] * answers
    return Plan(
        index,
        prompt_tokens,
        at_ns if config.burst == 1 else _held_back(at_ns, config.burst),
        tokens,
        kinds,
        _calls(config.tool_calls, len(kinds) - answers, answers),
        reasoning,
        reasoning + answer,
        finish,
        decode_ns,
        end_ns,
        _fault(config, index),
    )


def words(plan: Plan) -> list[str]:
    """The text of each event: one word a token, and for tool calls the pieces of JSON arguments."""
    start = plan.index % len(_WORDS)
    if max(plan.tokens, default=0) == 1 and len(plan) <= 3 * len(_WORDS):
        texts = _LOOP[start : start + len(plan)]
    else:
        texts = []
        for count in plan.tokens:
            texts.append("".join(_LOOP[(start + i) % len(_WORDS)] for i in range(count)))
            start += count
    for call in range(plan.calls[-1] + 1 if plan.calls else 0):
        first = bisect_left(plan.calls, call)
        last = bisect_left(plan.calls, call + 1) - 1
        texts[first] = '{"text":"' + texts[first].lstrip()
        texts[last] += '"}'
    return texts


def _lengths(config: SimConfig, rng: Random, max_tokens: int | None) -> tuple[int, int, str]:
    """Reasoning tokens, answer tokens, finish reason."""
    reasoning = round(config.reasoning.sample(rng))
    answer = max(1, round(config.tokens.sample(rng)))
    if max_tokens is not None and reasoning + answer > max_tokens:
        reasoning = min(reasoning, max_tokens)
        return reasoning, max_tokens - reasoning, "length"
    return reasoning, answer, "tool_calls" if config.tool_calls else "stop"


def _split(config: SimConfig, rng: Random, total: int) -> list[int]:
    """Tokens of each event."""
    each = config.tokens_per_event
    if each.shape == "constant":
        size = round(each.mean)
        whole, rest = divmod(total, size)
        return [size] * whole + [rest] * (rest > 0)
    sizes = []
    while total > 0:
        size = min(total, max(1, round(each.sample(rng))))
        sizes.append(size)
        total -= size
    return sizes


def _offsets(config: SimConfig, rng: Random, events: int, prompt_tokens: int) -> list[int]:
    first = int(config.ttft.sample(rng)) + config.prefill_ns * prompt_tokens
    gaps = config.gap.samples(rng, events - 1)
    if config.stalls is not None:
        share, length, chance = config.stalls.probability, config.stalls.length, rng.random
        for i in range(len(gaps)):
            if chance() < share:
                gaps[i] += length.sample(rng)
    if config.freeze is not None and config.freeze.event < events:
        gaps[config.freeze.event - 1] += config.freeze.length_ns
    return list(accumulate(map(int, gaps), initial=first))


def _held_back(at_ns: list[int], burst: int | None) -> list[int]:
    """Each event waits for the last of its group."""
    size = len(at_ns) if burst is None else burst
    return [at_ns[min(i - i % size + size, len(at_ns)) - 1] for i in range(len(at_ns))]


def _calls(calls: int, before: int, events: int) -> list[int]:
    if not calls or not events:
        return []
    return [-1] * before + [i * min(calls, events) // events for i in range(events)]


def _fault(config: SimConfig, index: int) -> Fault | None:
    # Its own generator: the same seed gives the same schedules with and without faults.
    if not config.faults:
        return None
    return choose_fault(config.faults, index, Random(f"{config.seed}/{index}/fault"))
