"""Other publishers' models at Vertex AI, as the simulator speaks them: `rawPredict`.

Google's envelope, addresses and errors with what is inside as the publisher has it: anthropic
2.12.0, `lib/vertex/_client.py`; mistralai 3.7.0, `gcp/client/_hooks/registration.py`.
"""

from __future__ import annotations

from dataclasses import replace

from . import anthropic_wire, openai_wire
from .gemini_wire import key, method_of, refusal
from .wire import Ask, Asked, Wire

_STREAMED = "streamRawPredict"
_METHODS = (_STREAMED, "rawPredict")


def read_anthropic(asked: Asked) -> Ask:
    """What is asked for, the model in the address; ValueError with a plain text for a bad body."""
    model, method = method_of(asked)
    body = anthropic_wire.parse(asked.body)
    return anthropic_wire.asked_for(asked, body, model, stream=method == _STREAMED)


def read_mistral(asked: Asked) -> Ask:
    """What is asked for; the usage comes unasked."""
    return replace(
        openai_wire.read(asked),
        stream=method_of(asked)[1] == _STREAMED,
        include_usage=True,
    )


def _is_of(publisher: str, asked: Asked) -> bool:
    named = f"/publishers/{publisher}/models/" in asked.path
    return asked.method == "POST" and named and method_of(asked)[1] in _METHODS


ANTHROPIC = Wire(
    "vertex-anthropic",
    lambda asked: _is_of("anthropic", asked),
    read_anthropic,
    anthropic_wire.MessagesForm,
    refusal,
    key,
)
MISTRAL = Wire(
    "vertex-mistral",
    lambda asked: _is_of("mistralai", asked),
    read_mistral,
    openai_wire.ChatForm,
    refusal,
    key,
)
WIRES = (ANTHROPIC, MISTRAL)
