"""LlamaIndex's event handler: `get_dispatcher().add_event_handler(LensEventHandler())`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from pydantic import PrivateAttr

from ..pricing import Prices
from ..record import EventKind, Usage
from ..request import Operation
from .framework_calls import About, FrameworkCalls, Outcome, chosen, tag_of
from .sdk.call import harmless
from .sdk.watching import OnRecord, Seen

_STARTS = {
    "LLMChatStartEvent": Operation.CHAT,
    "LLMCompletionStartEvent": Operation.CHAT,
    "EmbeddingStartEvent": Operation.EMBEDDINGS,
}
_TOKENS = ("LLMChatInProgressEvent", "LLMCompletionInProgressEvent")
_ENDS = ("LLMChatEndEvent", "LLMCompletionEndEvent", "EmbeddingEndEvent")
_COUNTS = {
    "input": ("prompt_tokens", "input_tokens"),
    "output": ("completion_tokens", "output_tokens"),
}


class SpanDroppedError(Exception):
    """Something was raised, and LlamaIndex does not say what."""


class LensEventHandler(BaseEventHandler):  # type: ignore[misc]
    """Records of the calls of LLMs and embeddings, sync and async.

    A record's `tag` is what `tags` names of `instrument_tags`, to which LlamaIndex adds texts of
    its own; where nothing of that is there, the line of the program that asked. `on_record` is
    called with each record, in another thread; without it they are in `seen`. Measures until
    `close`.
    """

    _calls: FrameworkCalls = PrivateAttr()
    _tags: tuple[str, ...] = PrivateAttr()

    def __init__(
        self,
        *,
        on_record: OnRecord | None = None,
        tags: Sequence[str] = (),
        prices: Prices | None = None,
    ) -> None:
        super().__init__()
        self._calls = FrameworkCalls(on_record, prices)
        self._tags = tuple(tags)

    @classmethod
    def class_name(cls) -> str:
        return "LensEventHandler"

    @property
    def seen(self) -> Seen:
        """The records so far, where no `on_record` was given."""
        return self._calls.seen

    @property
    def untied(self) -> int:
        """How many records are timed by LlamaIndex's events, for want of an HTTP exchange."""
        return self._calls.untied

    def close(self) -> None:
        """Measure no more. Told a second time, nothing happens."""
        self._calls.close()

    @harmless
    def handle(self, event: Any, **_: Any) -> None:
        kind, span = event.class_name(), event.span_id
        if kind in _STARTS:
            self._calls.begin(span, self._about(event, _STARTS[kind]))
        elif kind in _TOKENS:
            self._calls.token(span, _pieces(event.response))
        elif kind in _ENDS:
            self._calls.end(span, _outcome(getattr(event, "response", None)))
        elif kind == "ExceptionEvent":
            self._calls.end(span, Outcome(error=event.exception))
        elif kind == "SpanDropEvent":
            self._calls.end(span, Outcome(error=SpanDroppedError()))

    def _about(self, event: Any, operation: Operation) -> About:
        model = event.model_dict
        return About(
            tag=tag_of("", (), chosen(event.tags, self._tags)),
            provider=str(model.get("class_name") or "").partition("_")[0].lower(),
            model=str(model.get("model") or model.get("model_name") or ""),
            max_tokens=model.get("max_tokens"),
            operation=operation,
        )


def _pieces(response: Any) -> Iterator[tuple[EventKind, str]]:
    if delta := getattr(response, "delta", None):
        yield EventKind.TEXT, str(delta)


def _outcome(response: Any) -> Outcome:
    if response is None:
        return Outcome()
    message = getattr(response, "message", None)
    text = getattr(response, "text", None) or getattr(message, "content", None)
    raw = _plain(getattr(response, "raw", None))
    used = _plain(raw.get("usage")) or (response.additional_kwargs or {})
    return Outcome(
        usage=Usage(**{name: _first(used, names) for name, names in _COUNTS.items()}),
        response_id=raw.get("id"),
        response_model=raw.get("model"),
        pieces=[(EventKind.TEXT, text)] if text else [],
    )


def _plain(found: Any) -> dict[str, Any]:
    """A mapping, or what a model of pydantic holds."""
    if isinstance(found, dict):
        return found
    return dict(getattr(found, "__dict__", None) or {})


def _first(found: dict[str, Any], names: Sequence[str]) -> int | None:
    return next((found[name] for name in names if isinstance(found.get(name), int)), None)
