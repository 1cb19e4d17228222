"""Every wire format that the simulator speaks. The first that matches a request answers it."""

from __future__ import annotations

from . import (
    anthropic_wire,
    azure_wire,
    bedrock_invoke_wire,
    bedrock_wire,
    cohere_wire,
    embeddings_wire,
    gemini_wire,
    llamacpp_wire,
    ollama_wire,
    openai_wire,
    responses_wire,
    vertex_wire,
)
from .wire import Asked, Wire

WIRES: tuple[Wire, ...] = (
    azure_wire.WIRE,
    openai_wire.WIRE,
    responses_wire.WIRE,
    anthropic_wire.WIRE,
    *cohere_wire.WIRES,
    *ollama_wire.WIRES,
    llamacpp_wire.WIRE,
    *gemini_wire.WIRES,
    *vertex_wire.WIRES,
    bedrock_wire.WIRE,
    bedrock_invoke_wire.WIRE,
    *embeddings_wire.WIRES,
)


def wire_of(asked: Asked) -> Wire | None:
    """The format of a request; None for a path that no format has."""
    return next((wire for wire in WIRES if wire.match(asked)), None)
