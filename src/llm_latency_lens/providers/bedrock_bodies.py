"""What InvokeModel is given: each vendor's models want a body of their own.

The vendor stands in the model's name (`us.anthropic.claude-...`, or the end of an ARN). A name
that hides it, that of an application inference profile or of a custom model, says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..errors import UsageError
from ..request import Message, Prompt, Target
from . import anthropic_messages, bedrock_converse
from .asking import limit_of

_Body = Callable[[Target, Prompt], dict[str, Any]]
_SYSTEM = frozenset(("system", "developer"))


def body_of(target: Target, prompt: Prompt) -> dict[str, Any]:
    """The body for the target's model. Raises UsageError for a model whose body is not known."""
    if found := vendor_of(target.model):
        return _BODIES[found][1](target, prompt)
    raise UsageError(
        f"no body is known that InvokeModel would take for {target.model}: "
        "use --provider bedrock, which has one for all models"
    )


def vendor_of(model: str) -> str | None:
    """Whose model it is, and which of theirs where they differ; None where the name hides it."""
    name = model.rpartition("/")[2]
    starts = ((vendor, start) for vendor, (start, _) in _BODIES.items())
    return next((one for one, start in starts if re.search(rf"(?:^|\.){start}", name)), None)


def _anthropic(target: Target, prompt: Prompt) -> dict[str, Any]:
    body = anthropic_messages.body_of(target, prompt)
    return {"anthropic_version": "bedrock-2023-05-31", **body}


def _nova(target: Target, prompt: Prompt) -> dict[str, Any]:
    return {"schemaVersion": "messages-v1", **bedrock_converse.body_of(target, prompt)}


def _titan(target: Target, prompt: Prompt) -> dict[str, Any]:
    body: dict[str, Any] = {"inputText": f"User: {prompt.text}\nBot:"}
    settings = _set(maxTokenCount=limit_of(target, prompt), temperature=target.temperature)
    return {**body, "textGenerationConfig": settings} if settings else body


def _llama(target: Target, prompt: Prompt) -> dict[str, Any]:
    turns = "".join(
        f"<|start_header_id|>{one.get('role')}<|end_header_id|>\n\n{_text(one)}<|eot_id|>"
        for one in prompt.messages
    )
    text = f"<|begin_of_text|>{turns}<|start_header_id|>assistant<|end_header_id|>\n\n"
    limit = limit_of(target, prompt)
    return {"prompt": text, **_set(max_gen_len=limit, temperature=target.temperature)}


def _mistral_text(target: Target, prompt: Prompt) -> dict[str, Any]:
    return {"prompt": f"<s>[INST] {prompt.text} [/INST]", **_settings(target, prompt)}


def _command_r(target: Target, prompt: Prompt) -> dict[str, Any]:
    """Cohere's first chat API: the last message stands apart from those before it."""
    said = [one for one in prompt.messages if one.get("role") not in _SYSTEM]
    told = [_text(one) for one in prompt.messages if one.get("role") in _SYSTEM]
    roles = {"assistant": "CHATBOT"}
    before = [
        {"role": roles.get(str(one.get("role")), "USER"), "message": _text(one)}
        for one in said[:-1]
    ]
    body: dict[str, Any] = {"message": _text(said[-1]) if said else ""}
    if before:
        body["chat_history"] = before
    if told:
        body["preamble"] = "\n\n".join(told)
    return {**body, **_settings(target, prompt)}


def _command(target: Target, prompt: Prompt) -> dict[str, Any]:
    body = {"prompt": prompt.text, **_settings(target, prompt)}
    return {**body, "stream": True} if target.stream else body


def _deepseek_r1(target: Target, prompt: Prompt) -> dict[str, Any]:
    text = f"<｜begin▁of▁sentence｜><｜User｜>{prompt.text}<｜Assistant｜><think>\n"
    return {"prompt": text, **_settings(target, prompt)}


def _openai(target: Target, prompt: Prompt) -> dict[str, Any]:
    limit = limit_of(target, prompt)
    body = {"messages": list(prompt.messages)}
    return {**body, **_set(max_completion_tokens=limit, temperature=target.temperature)}


def _chat(target: Target, prompt: Prompt) -> dict[str, Any]:
    return {"messages": list(prompt.messages), **_settings(target, prompt)}


_BODIES: dict[str, tuple[str, _Body]] = {
    "anthropic": (r"anthropic\.", _anthropic),
    "nova": (r"amazon\.nova-", _nova),
    "titan": (r"amazon\.titan-t", _titan),
    "llama": (r"meta\.llama3", _llama),
    "mistral-text": (r"mistral\.mi(?:stral-7b|xtral-8x7b|stral-small-2402)", _mistral_text),
    "mistral": (r"mistral\.", _chat),
    "command-r": (r"cohere\.command-r", _command_r),
    "command": (r"cohere\.command", _command),
    "jamba": (r"ai21\.jamba", _chat),
    "deepseek-r1": (r"deepseek\.r1", _deepseek_r1),
    "deepseek": (r"deepseek\.v", _chat),
    "openai": (r"openai\.", _openai),
    "qwen": (r"qwen\.", _chat),
}
"""The first whose pattern stands at the beginning of the name, or behind a region's prefix."""


def _settings(target: Target, prompt: Prompt) -> dict[str, Any]:
    return _set(max_tokens=limit_of(target, prompt), temperature=target.temperature)


def _set(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _text(message: Message) -> str:
    return Prompt((message,)).text
