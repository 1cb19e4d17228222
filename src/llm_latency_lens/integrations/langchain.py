"""LangChain's callback: `ChatOpenAI(callbacks=[LensHandler()])`, or in a call's `config`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from ..pricing import Prices
from ..record import EventKind, Usage
from .framework_calls import About, FrameworkCalls, Outcome, chosen, tag_of
from .sdk.call import harmless
from .sdk.watching import OnRecord, Seen

_INTERNAL = ("seq:step:", "map:key:", "graph:step:", "langsmith:", "langgraph")
"""How tags begin that LangChain itself adds."""
_KINDS = {"reasoning": EventKind.REASONING, "thinking": EventKind.REASONING}


class LensHandler(BaseCallbackHandler):  # type: ignore[misc]
    """Records of the calls of chat models and LLMs, sync and async.

    A record's `tag` is the run's name and tags, and of its metadata what `metadata` names; where
    there is none of it, the line of the program that asked. `on_record` is called with each record,
    in another thread; without it they are in `seen`. Measures until `close`.
    """

    raise_error = False
    # In the task that calls the model, so that the request is seen to begin in its context.
    run_inline = True

    def __init__(
        self,
        *,
        on_record: OnRecord | None = None,
        metadata: Sequence[str] = (),
        prices: Prices | None = None,
    ) -> None:
        super().__init__()
        self._metadata = tuple(metadata)
        self._calls = FrameworkCalls(on_record, prices)

    @property
    def seen(self) -> Seen:
        """The records so far, where no `on_record` was given."""
        return self._calls.seen

    @property
    def untied(self) -> int:
        """How many records are timed by LangChain's callbacks, for want of an HTTP exchange."""
        return self._calls.untied

    def close(self) -> None:
        """Measure no more. Told a second time, nothing happens."""
        self._calls.close()

    @property
    def ignore_chain(self) -> bool:
        return True

    @property
    def ignore_agent(self) -> bool:
        return True

    @property
    def ignore_retriever(self) -> bool:
        return True

    @property
    def ignore_custom_event(self) -> bool:
        return True

    @harmless
    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: UUID, **more: Any
    ) -> None:
        self._begin(serialized, run_id, **more)

    @harmless
    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **more: Any) -> None:
        self._begin(serialized, run_id, **more)

    @harmless
    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **_: Any) -> None:
        message = getattr(chunk, "message", None)
        self._calls.token(run_id, _pieces(token, getattr(message, "tool_call_chunks", None)))

    @harmless
    def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        outcome = _outcome(response)
        if outcome is None:
            self._calls.drop(run_id)
        else:
            self._calls.end(run_id, outcome)

    @harmless
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self._calls.end(run_id, Outcome(error=error))

    def _begin(
        self,
        serialized: Any,
        run_id: UUID,
        *,
        parent_run_id: UUID | None = None,
        tags: Sequence[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        **more: Any,
    ) -> None:
        told, asked = metadata or {}, more.get("invocation_params") or {}
        own = [tag for tag in tags or () if not tag.startswith(_INTERNAL)]
        about = About(
            tag=tag_of(name, own, chosen(told, self._metadata)),
            provider=str(told.get("ls_provider") or ""),
            model=str(
                told.get("ls_model_name")
                or asked.get("model")
                or asked.get("model_name")
                or (serialized or {}).get("name")
                or ""
            ),
            max_tokens=told.get("ls_max_tokens"),
        )
        self._calls.begin(run_id, about, parent_run_id)


def _pieces(content: Any, tools: Any) -> Iterator[tuple[EventKind, str]]:
    """What is content in what a message holds: text, or a list of blocks."""
    for block in [content] if isinstance(content, str) else content or ():
        if isinstance(block, str):
            found = (EventKind.TEXT, block)
        else:
            kind = _KINDS.get(block.get("type"), EventKind.TEXT)
            name = "text" if kind is EventKind.TEXT else str(block.get("type"))
            found = (kind, str(block.get(name) or ""))
        if found[1]:
            yield found
    for call in tools or ():
        if called := call.get("args") or call.get("name"):
            yield EventKind.TOOL, called if isinstance(called, str) else str(called)


def _outcome(response: Any) -> Outcome | None:
    """What an answer says of itself; None where it came out of LangChain's cache."""
    generations = response.generations[0] if response.generations else ()
    generation = generations[0] if generations else None
    message = getattr(generation, "message", None)
    told: dict[str, Any] = getattr(message, "usage_metadata", None) or {}
    if told.get("total_cost") == 0:
        return None
    about = {
        **(getattr(generation, "generation_info", None) or {}),
        **(getattr(message, "response_metadata", None) or {}),
    }
    content = getattr(message, "content", None) or getattr(generation, "text", "")
    return Outcome(
        usage=_usage(told, response.llm_output or {}),
        finish_reason=about.get("finish_reason") or about.get("stop_reason"),
        response_id=about.get("id"),
        response_model=about.get("model_name") or about.get("model"),
        pieces=list(_pieces(content, getattr(message, "tool_calls", None))),
    )


def _usage(told: dict[str, Any], output: dict[str, Any]) -> Usage:
    of_input = told.get("input_token_details") or {}
    of_output = told.get("output_token_details") or {}
    older = output.get("token_usage") or {}
    return Usage(
        input=told.get("input_tokens", older.get("prompt_tokens")),
        output=told.get("output_tokens", older.get("completion_tokens")),
        reasoning=of_output.get("reasoning"),
        cached_input=of_input.get("cache_read"),
        cache_write=of_input.get("cache_creation"),
    )
