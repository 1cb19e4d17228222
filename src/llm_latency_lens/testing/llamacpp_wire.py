"""llama.cpp's own completion as the simulator speaks it.

Shapes follow what the server sends (seen with xllamacpp 2026.10.11549). It knows neither thoughts
nor calls: whatever the plan has is content there.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..clock import MS_NS
from .config import SimConfig
from .openai_wire import refusal
from .plan import Plan, words
from .wire import Ask, Asked, Wire, bearer, sse, tokens_of, usage_of

_encode = msgspec.json.encode
_BROKEN = sse(b'{"index":0,"content":" th')


class _Body(msgspec.Struct):
    prompt: str
    model: str = "sim"
    stream: bool | None = None
    n_predict: int | None = None


_decode_body = msgspec.json.Decoder(_Body).decode


def read(asked: Asked) -> Ask:
    """What is asked for; ValueError with a plain text for a bad body."""
    try:
        body = _decode_body(asked.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    limit = body.n_predict
    return Ask(
        body.model,
        bool(body.stream),
        tokens_of(len(body.prompt)),
        limit if limit and limit > 0 else None,  # -1 is without end
        asked.created,
        asked.keep_alive,
    )


class CompletionForm:
    """One answer."""

    def __init__(self, _config: SimConfig, plan: Plan, ask: Ask) -> None:
        self._plan, self._model = plan, ask.model

    def opening(self) -> bytes:
        return b""

    def events(self) -> list[tuple[bytes, bytes]]:
        return [(b"", self._piece(text)) for text in words(self._plan)]

    def closing(self, whole: bool) -> bytes:
        return sse(_encode(self._last(""))) if whole else b""

    def error(self) -> bytes:
        return sse(refusal(500, "", None))

    def broken(self) -> bytes:
        return _BROKEN

    def again(self) -> bytes:
        return self._piece(" again")

    def document(self) -> bytes:
        return _encode(self._last("".join(words(self._plan))))

    def _piece(self, text: str) -> bytes:
        prompt = self._plan.prompt_tokens
        return (
            b'data: {"index":0,"content":%b,"tokens":[],"stop":false,"id_slot":-1,'
            b'"tokens_predicted":1,"tokens_evaluated":%d}\n\n' % (_encode(text), prompt)
        )

    def _last(self, text: str) -> dict[str, Any]:
        plan = self._plan
        cut = plan.finish_reason == "length"
        return {
            "index": 0,
            "content": text,
            "tokens": [],
            "id_slot": 0,
            "stop": True,
            "model": self._model,
            "tokens_predicted": usage_of(plan),
            "tokens_evaluated": plan.prompt_tokens,
            "stop_type": "limit" if cut else "eos",
            "stopping_word": "",
            "tokens_cached": plan.prompt_tokens + plan.output_tokens - 1,
            "timings": {
                "cache_n": 0,
                "prompt_n": plan.prompt_tokens,
                "prompt_ms": plan.decode_ns / MS_NS,
                "predicted_n": plan.output_tokens,
                "predicted_ms": (plan.end_ns - plan.decode_ns) / MS_NS,
            },
        }


def _is_completion(asked: Asked) -> bool:
    return asked.method == "POST" and asked.path.endswith("/completion")


WIRE = Wire("llamacpp", _is_completion, read, CompletionForm, refusal, bearer)
