"""Azure OpenAI as the simulator speaks it: OpenAI's chat completions with filter results.

Shapes follow `@azure/openai` 2.0.0, `types/index.d.ts`. The v1 address of Azure is that of other
services as well, so that a request to it is taken for Azure's by its header `api-key`.
"""

from __future__ import annotations

import msgspec

from .openai_wire import WIRE as OPENAI
from .openai_wire import ChatForm, read, refusal
from .wire import Asked, Wire, bearer, sse

_encode = msgspec.json.encode
_SAFE = {
    name: {"filtered": False, "severity": "safe"}
    for name in ("hate", "self_harm", "sexual", "violence")
}
_FILTERED = {
    "choices": [],
    "created": 0,
    "id": "",
    "model": "",
    "object": "",
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _SAFE}],
}
_OPENING = sse(_encode(_FILTERED))


class AzureForm(ChatForm):
    """The same, after an event that tells how the prompt passed the filters."""

    def opening(self) -> bytes:
        return _OPENING + super().opening()


def _match(asked: Asked) -> bool:
    theirs = "/openai/deployments/" in asked.path or "api-key" in asked.headers
    return theirs and OPENAI.match(asked)


def _key(asked: Asked) -> str | None:
    return asked.headers.get("api-key") or bearer(asked)


def _refusal(status: int, message: str, code: str | None) -> bytes:
    """Azure repeats the status as the code where OpenAI has a type."""
    told = msgspec.json.decode(refusal(status, message, code))["error"]
    return _encode({"error": {"code": code or str(status), "message": told["message"]}})


WIRE = Wire("azure", _match, read, AzureForm, _refusal, _key)
