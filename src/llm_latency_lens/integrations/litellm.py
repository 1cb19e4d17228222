"""LiteLLM's callback: `litellm.callbacks = [LensLogger()]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.litellm_core_utils import litellm_logging

from ..pricing import Prices
from ..record import EventKind, Usage
from ..request import Operation
from .framework_calls import About, FrameworkCalls, Outcome, chosen, tag_of
from .sdk.call import harmless, offset_ns
from .sdk.watching import OnRecord, Seen

_LISTS = (
    "callbacks",
    "input_callback",
    "success_callback",
    "failure_callback",
    "_async_input_callback",
    "_async_success_callback",
    "_async_failure_callback",
)
"""Where LiteLLM puts a logger that was in `litellm.callbacks`."""
_SOURCE = "litellm"


class LensLogger(CustomLogger):  # type: ignore[misc]
    """Records of the calls of LiteLLM and its router, sync and async.

    A record's `tag` is the alias under which a router knows the model, the call's tags, and of its
    metadata what `metadata` names; where there is none of it, the line of the program that asked.
    LiteLLM's own cost is taken where its user gave it the prices, or nobody else knows one.
    `on_record` is called with each record, in another thread; without it they are in `seen`.
    Measures until `close`.
    """

    def __init__(
        self,
        *,
        on_record: OnRecord | None = None,
        metadata: Sequence[str] = (),
        prices: Prices | None = None,
    ) -> None:
        super().__init__()
        self._metadata = tuple(metadata)
        self._calls = FrameworkCalls(on_record, prices, costs_later=True)

    @property
    def seen(self) -> Seen:
        """The records so far, where no `on_record` was given."""
        return self._calls.seen

    @property
    def untied(self) -> int:
        """How many records are timed by LiteLLM's callbacks, for want of an HTTP exchange."""
        return self._calls.untied

    def close(self) -> None:
        """Measure no more, and be in none of LiteLLM's lists. Told a second time, nothing
        happens."""
        for name in _LISTS:
            held = getattr(litellm, name, None)
            while isinstance(held, list) and self in held:
                held.remove(self)
        self._calls.close()

    # An asynchronous call: in its own task, so that the request is seen to begin in its context.
    # What `log_pre_api_call` is told later may come from a thread.
    async def async_pre_call_deployment_hook(self, kwargs: Any, call_type: Any) -> None:
        self._begin(kwargs, kwargs, getattr(call_type, "value", call_type))

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        about = kwargs.get("litellm_params") or {}
        if not self._calls.knows(kwargs.get("litellm_call_id")):
            self._begin(kwargs, about, kwargs.get("call_type"))

    def log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._end(kwargs, response_obj, end_time)

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._end(kwargs, response_obj, end_time)

    def log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._fail(kwargs, end_time)

    async def async_log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._fail(kwargs, end_time)

    @harmless
    def _begin(self, kwargs: Any, params: Any, call_type: Any) -> None:
        metadata = params.get("metadata") or params.get("litellm_metadata") or {}
        model, alias = str(kwargs.get("model") or ""), metadata.get("model_group")
        embeds = "embedding" in str(call_type)
        about = About(
            tag=tag_of(
                alias if alias and not model.endswith(str(alias)) else "",
                metadata.get("tags") or (),
                chosen(metadata, self._metadata),
            ),
            provider=str(kwargs.get("custom_llm_provider") or ""),
            model=model,
            max_tokens=kwargs.get("max_tokens"),
            operation=Operation.EMBEDDINGS if embeds else Operation.CHAT,
        )
        self._calls.begin(kwargs.get("litellm_call_id"), about)

    @harmless
    def _end(self, kwargs: Any, response: Any, end_time: Any) -> None:
        key = kwargs.get("litellm_call_id")
        if kwargs.get("cache_hit"):
            self._calls.drop(key)
            return
        outcome = _outcome(response)
        outcome.end_ns = _monotonic(end_time)
        if kwargs.get("stream"):
            outcome.first_ns = _monotonic(kwargs.get("completion_start_time"))
        cost = kwargs.get("response_cost")
        if isinstance(cost, int | float) and cost > 0:
            outcome.cost_usd, outcome.cost_source = Decimal(repr(cost)), _SOURCE
            outcome.cost_is_own = litellm_logging.use_custom_pricing_for_model(
                kwargs.get("litellm_params")
            )
        self._calls.end(key, outcome)

    @harmless
    def _fail(self, kwargs: Any, end_time: Any) -> None:
        error = kwargs.get("exception")
        error = error if isinstance(error, BaseException) else RuntimeError()
        outcome = Outcome(error=error, end_ns=_monotonic(end_time))
        self._calls.end(kwargs.get("litellm_call_id"), outcome)


def _monotonic(at: Any) -> int:
    """A moment of LiteLLM's, 0 for none."""
    return int(at.timestamp() * 1e9) - offset_ns() if isinstance(at, datetime) else 0


def _outcome(response: Any) -> Outcome:
    told = response.model_dump() if hasattr(response, "model_dump") else response
    told = told if isinstance(told, Mapping) else {}
    choices = told.get("choices") or [{}]
    message = choices[0].get("message") or {}
    pieces = [(EventKind.REASONING, message.get("reasoning_content"))]
    pieces += [(EventKind.TEXT, message.get("content") or choices[0].get("text"))]
    for call in message.get("tool_calls") or ():
        pieces.append((EventKind.TOOL, (call.get("function") or {}).get("arguments")))
    return Outcome(
        usage=_usage(told.get("usage") or {}),
        finish_reason=choices[0].get("finish_reason"),
        response_id=told.get("id"),
        response_model=told.get("model"),
        pieces=[(kind, text) for kind, text in pieces if isinstance(text, str) and text],
    )


def _usage(told: Mapping[str, Any]) -> Usage:
    of_input = told.get("prompt_tokens_details") or {}
    of_output = told.get("completion_tokens_details") or {}
    return Usage(
        input=told.get("prompt_tokens"),
        output=told.get("completion_tokens"),
        reasoning=of_output.get("reasoning_tokens"),
        cached_input=of_input.get("cached_tokens"),
    )
