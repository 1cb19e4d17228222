"""The callbacks of the frameworks, told what the frameworks tell."""

from __future__ import annotations

import asyncio
import datetime
import queue
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from asking import LIBRARIES
from fake_frameworks import framework
from lens_servers import simulating

from llm_latency_lens import ErrorKind, EventKind, Record, Status


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sim")
    with simulating(folder, ttft="2ms", gap="1ms", tokens="3") as base_url:
        yield f"{base_url}/chat/completions"


@pytest.fixture
def langchain() -> Iterator[Any]:
    with framework("langchain_core", "langchain") as module:
        yield module


@pytest.fixture
def litellm() -> Iterator[Any]:
    with framework("litellm", "litellm") as module:
        yield module


@pytest.fixture
def llamaindex() -> Iterator[Any]:
    with framework("llama_index", "llamaindex") as module:
        yield module


def test_the_package_loads_no_framework() -> None:
    code = (
        "import sys, llm_latency_lens as lens\n"
        "lens.watch, lens.Lens\n"
        "import llm_latency_lens.integrations.framework_calls\n"
        "names = ('litellm', 'langchain_core', 'llama_index')\n"
        "raise SystemExit(any(name in sys.modules for name in names))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- LangChain ------------------------------------------------------------------------------------


def _result(message: Any = None, **more: Any) -> Any:
    generation = SimpleNamespace(message=message, text="", generation_info=None)
    generation.__dict__.update(more)
    return SimpleNamespace(generations=[[generation]], llm_output=None)


def test_langchain_over_http(langchain: Any, url: str) -> None:
    handler, run = langchain.LensHandler(metadata=("tenant",)), uuid4()
    handler.on_chat_model_start(
        {"name": "ChatOpenAI"},
        [["the prompt"]],
        run_id=run,
        tags=["seq:step:1", "prod"],
        metadata={"tenant": "acme", "user": "somebody", "ls_provider": "openai"},
        name="summarise",
        batch_size=1,
    )
    LIBRARIES["httpx"](url)
    handler.on_llm_new_token("x", chunk=None, run_id=run)
    handler.on_llm_end(_result(), run_id=run)
    handler.close()
    (record,) = handler.seen
    assert (record.tag, record.model) == ("summarise [prod] tenant=acme", "sim")
    assert (len(record.events), handler.untied) == (3, 0)


def test_langchain_in_this_process(langchain: Any) -> None:
    told: queue.SimpleQueue[Record] = queue.SimpleQueue()
    handler, run = langchain.LensHandler(on_record=told.put), uuid4()
    about = {"ls_provider": "ollama", "ls_model_name": "tiny", "ls_max_tokens": 7}
    handler.on_chat_model_start({}, [[]], run_id=run, metadata=about)
    called = SimpleNamespace(tool_call_chunks=[{"args": "{}"}, {"name": "look_up"}, {}])
    handler.on_llm_new_token("", chunk=SimpleNamespace(message=None), run_id=run)
    handler.on_llm_new_token([{"type": "text", "text": "yes"}, "no"], run_id=run)
    handler.on_llm_new_token(
        [{"type": "reasoning", "reasoning": "hm"}, {"type": "thinking", "thinking": "so"}],
        run_id=run,
    )
    handler.on_llm_new_token(None, chunk=SimpleNamespace(message=called), run_id=run)
    message = SimpleNamespace(
        usage_metadata={
            "input_tokens": 5,
            "output_tokens": 9,
            "input_token_details": {"cache_read": 2, "cache_creation": 1},
            "output_token_details": {"reasoning": 4},
        },
        response_metadata={"finish_reason": "stop", "model_name": "tiny-1", "id": "x"},
        content="yes",
    )
    handler.on_llm_end(_result(message), run_id=run)
    record = told.get(timeout=20)
    assert (record.provider, record.model, record.max_tokens) == ("ollama", "tiny", 7)
    assert record.events.text == ["yes", "no", "hm", "so", "{}", "look_up"]
    kinds = [*[EventKind.TEXT] * 2, *[EventKind.REASONING] * 2, *[EventKind.TOOL] * 2]
    assert record.events.kind == kinds
    used = record.usage
    assert (used.input, used.output, used.reasoning) == (5, 9, 4)
    assert (used.cached_input, used.cache_write) == (2, 1)
    assert (record.finish_reason, record.response_model) == ("stop", "tiny-1")
    assert record.response_id == "x"
    assert (record.clock_source, handler.untied) == ("user", 1)
    handler.close()


def test_langchain_of_older_models(langchain: Any) -> None:
    handler, run = langchain.LensHandler(), uuid4()
    handler.on_llm_start(
        None, ["prompt"], run_id=run, invocation_params={"model_name": "davinci"}, tags=None
    )
    answer = _result(text="whole")
    answer.llm_output = {"token_usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    handler.on_llm_end(answer, run_id=run)
    handler.on_llm_start({"name": "Fake"}, ["prompt"], run_id=run)
    handler.on_llm_end(SimpleNamespace(generations=[], llm_output=None), run_id=run)
    handler.close()
    whole, nothing = handler.seen
    assert (whole.model, whole.stream, whole.events.text) == ("davinci", False, ["whole"])
    assert (whole.usage.input, whole.usage.output) == (1, 2)
    assert (nothing.model, len(nothing.events)) == ("Fake", 0)


def test_langchain_errors_and_its_cache(langchain: Any) -> None:
    handler, run = langchain.LensHandler(), uuid4()
    handler.on_chat_model_start({}, [[]], run_id=run, metadata=None)
    handler.on_llm_error(TimeoutError(), run_id=run)
    handler.on_chat_model_start({}, [[]], run_id=run)
    cached = SimpleNamespace(usage_metadata={"total_cost": 0}, response_metadata={}, content="a")
    handler.on_llm_end(_result(cached), run_id=run)
    handler.on_llm_end(object(), run_id=run)  # whatever comes, nothing is raised
    handler.on_chat_model_start({}, [[]], run_id=run, tags=[3])
    handler.close()
    (record,) = handler.seen
    assert record.error is not None
    assert record.error.kind is ErrorKind.TIMEOUT
    assert handler.run_inline
    assert not handler.raise_error
    ignored = ("chain", "agent", "retriever", "custom_event")
    assert all(getattr(handler, f"ignore_{name}") for name in ignored)


# -- LiteLLM --------------------------------------------------------------------------------------


def _details(call: str, **more: Any) -> dict[str, Any]:
    return {"litellm_call_id": call, "model": "sim", "custom_llm_provider": "openai", **more}


def _now() -> datetime.datetime:
    return datetime.datetime.now()


def test_litellm_over_http(litellm: Any, url: str) -> None:
    logger = litellm.LensLogger(metadata=("tenant",))
    about = {"metadata": {"tags": ["prod"], "tenant": "acme", "model_group": "fast"}}
    details = _details("1", litellm_params=about, call_type="completion")
    logger.log_pre_api_call(model="sim", messages=[], kwargs=details)
    LIBRARIES["httpx"](url)
    ended: dict[str, Any] = {"response_obj": None, "start_time": _now(), "end_time": _now()}
    done = {**details, "response_cost": 2e-05, "stream": True, "completion_start_time": _now()}
    logger.log_success_event(kwargs=done, **ended)
    asyncio.run(logger.async_log_success_event(kwargs=done, **ended))
    logger.close()
    (record,) = logger.seen
    assert record.tag == "fast [prod] tenant=acme"
    assert (record.cost_usd, record.cost_source) == (Decimal("0.00002"), "litellm")
    assert (len(record.events), logger.untied) == (3, 0)


def test_litellm_in_a_task(litellm: Any, url: str) -> None:
    """What is told before the request comes from a thread, with a context of its own."""
    logger = litellm.LensLogger()

    async def ask() -> None:
        kwargs = _details("1", metadata={"model_group": "sim"})
        await logger.async_pre_call_deployment_hook(kwargs, SimpleNamespace(value="acompletion"))
        logger.log_pre_api_call(model="sim", messages=[], kwargs=kwargs)
        await asyncio.to_thread(LIBRARIES["requests"], url)
        await logger.async_log_failure_event(
            kwargs={**kwargs, "exception": ValueError()},
            response_obj=None,
            start_time=_now(),
            end_time=_now(),
        )

    asyncio.run(ask())
    logger.close()
    (record,) = logger.seen
    assert (record.status, record.cost_usd) == (Status.OK, None)
    assert record.tag is not None
    assert record.tag.startswith("tests/integrations/asking.py:")


def test_litellm_without_http(litellm: Any) -> None:
    logger = litellm.LensLogger()
    fields = {"litellm_params": {"input_cost_per_token": 1}, "response_cost": 0.5, "max_tokens": 4}
    details = _details("1", **fields)
    logger.log_pre_api_call(model="sim", messages=[], kwargs=details)
    message = {
        "reasoning_content": "hm",
        "content": "yes",
        "tool_calls": [{"function": {"arguments": "{}"}}, {"function": None}],
    }
    answer = {
        "id": "x",
        "model": "sim-1",
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    }
    response = SimpleNamespace(model_dump=lambda: answer)
    at = _now()
    logger.log_success_event(details, response, at, at + datetime.timedelta(seconds=1))
    (record,) = logger.seen
    assert record.e2e_ns is not None
    assert 0.9e9 < record.e2e_ns < 1.1e9
    assert (record.cost_usd, record.cost_source) == (Decimal("0.5"), "litellm")
    assert record.events.text == ["hm", "yes", "{}"]
    assert (record.finish_reason, record.response_model) == ("stop", "sim-1")
    used = record.usage
    assert (used.input, used.output, used.cached_input, used.reasoning) == (3, 4, 1, 2)
    logger.close()


def test_litellm_failures_caches_and_embeddings(litellm: Any) -> None:
    logger = litellm.LensLogger()
    for number in range(4):
        kwargs = _details(str(number), call_type="aembedding" if number == 3 else "completion")
        logger.log_pre_api_call("sim", [], kwargs)
    logger.log_failure_event(_details("0", exception=TimeoutError()), None, None, None)
    logger.log_failure_event(_details("1"), None, None, None)
    logger.log_success_event(_details("2", cache_hit=True), None, None, None)
    logger.log_success_event(_details("3"), None, None, None)
    logger.log_success_event(None, None, None, None)
    logger.log_pre_api_call("sim", [], _details("9", litellm_params={"metadata": 3}))
    late, unknown, embedding = logger.seen
    assert [late.error and late.error.kind, unknown.error and unknown.error.kind] == [
        ErrorKind.TIMEOUT,
        ErrorKind.PROTOCOL,
    ]
    assert (embedding.operation, embedding.status) == ("embeddings", Status.OK)
    logger.close()


def test_litellm_forgets_a_logger_that_is_closed(litellm: Any) -> None:
    lists = litellm.litellm
    logger, other = litellm.LensLogger(), object()
    lists.callbacks = [logger, other]
    lists._async_success_callback += [logger, logger]
    logger.close()
    assert (lists.callbacks, lists._async_success_callback) == ([other], [])


# -- LlamaIndex -----------------------------------------------------------------------------------


class _Event(SimpleNamespace):
    kind: str
    span_id = "span"

    def class_name(self) -> str:
        return self.kind


def _start(kind: str = "LLMChatStartEvent", **tags: Any) -> _Event:
    model = {"class_name": "openai_llm", "model_name": "sim"}
    return _Event(kind=kind, model_dict=model, tags=tags)


def _answer(**fields: Any) -> Any:
    return SimpleNamespace(**{"additional_kwargs": {}, "raw": None, **fields})


def test_llamaindex_over_http(llamaindex: Any, url: str) -> None:
    handler = llamaindex.LensEventHandler(tags=("step",))
    handler.handle(_start(step="draft", user="somebody"))
    LIBRARIES["httpx"](url)
    handler.handle(_Event(kind="LLMChatInProgressEvent", response=_answer(delta="x")))
    handler.handle(_Event(kind="LLMChatEndEvent", response=None))
    handler.close()
    (record,) = handler.seen
    assert (record.tag, len(record.events), handler.untied) == ("step=draft", 3, 0)
    assert handler.class_name() == "LensEventHandler"


def test_llamaindex_in_this_process(llamaindex: Any) -> None:
    handler = llamaindex.LensEventHandler()
    handler.handle(_start(step="a part of a prompt"))
    for delta in ("a", None, "b"):
        handler.handle(_Event(kind="LLMChatInProgressEvent", response=_answer(delta=delta)))
    usage = SimpleNamespace(prompt_tokens=3, completion_tokens=2)
    raw = SimpleNamespace(id="x", model="sim-1", usage=usage)
    handler.handle(_Event(kind="LLMChatEndEvent", response=_answer(raw=raw)))
    handler.handle(_start("LLMCompletionStartEvent"))
    counts = {"prompt_tokens": 1, "completion_tokens": 5}
    whole = _answer(text="whole", raw={"usage": {}}, additional_kwargs=counts)
    handler.handle(_Event(kind="LLMCompletionEndEvent", response=whole))
    handler.handle(_start("EmbeddingStartEvent"))
    handler.handle(_Event(kind="EmbeddingEndEvent"))
    handler.close()
    chat, completion, embedding = handler.seen
    assert (chat.provider, chat.model) == ("openai", "sim")
    assert chat.tag is not None
    assert chat.tag.startswith("tests/integrations/test_callbacks.py:")
    assert (chat.events.text, chat.usage.input, chat.usage.output) == (["a", "b"], 3, 2)
    assert (chat.response_id, chat.response_model) == ("x", "sim-1")
    assert (completion.events.text, completion.usage.output) == (["whole"], 5)
    assert (embedding.operation, len(embedding.events)) == ("embeddings", 0)
    assert handler.untied == 3


def test_llamaindex_errors(llamaindex: Any) -> None:
    handler = llamaindex.LensEventHandler()
    handler.handle(_start())
    handler.handle(_Event(kind="ExceptionEvent", exception=ConnectionError()))
    handler.handle(_start())
    handler.handle(_Event(kind="SpanDropEvent", err_str="secret"))
    handler.handle(_Event(kind="QueryStartEvent"))
    handler.handle(None)
    handler.close()
    first, second = handler.seen
    assert first.error is not None
    assert second.error is not None
    assert first.error.kind is ErrorKind.NETWORK
    assert (second.error.kind, second.error.message) == (ErrorKind.PROTOCOL, "SpanDroppedError")
