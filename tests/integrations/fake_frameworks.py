"""As much of LangChain, LiteLLM and LlamaIndex as the callbacks need: what they import, and the
order in which a framework calls them. The real ones are asked in `tests/real`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pydantic import BaseModel


class _Plain:
    """The base class of a callback."""


class _Handler(BaseModel):
    pass


_LITELLM_LISTS = ("callbacks", "input_callback", "success_callback", "_async_success_callback")

_MODULES: dict[str, dict[str, Any]] = {
    "langchain_core": {},
    "langchain_core.callbacks": {"BaseCallbackHandler": _Plain},
    "litellm": {},
    "litellm.integrations": {},
    "litellm.integrations.custom_logger": {"CustomLogger": _Plain},
    "litellm.litellm_core_utils": {},
    "litellm.litellm_core_utils.litellm_logging": {
        "use_custom_pricing_for_model": lambda params: "input_cost_per_token" in (params or {}),
    },
    "llama_index": {},
    "llama_index.core": {},
    "llama_index.core.instrumentation": {},
    "llama_index.core.instrumentation.event_handlers": {"BaseEventHandler": _Handler},
}


@contextmanager
def framework(name: str, module: str) -> Iterator[Any]:
    """The module of `llm_latency_lens.integrations` that stands on a framework, beside a fake."""
    mine = f"llm_latency_lens.integrations.{module}"
    fakes = {full: ModuleType(full) for full in _MODULES if full.partition(".")[0] == name}
    for full, fake in fakes.items():
        vars(fake).update(_MODULES[full])
        above, _, last = full.rpartition(".")
        if above:
            setattr(fakes[above], last, fake)
    if name == "litellm":
        vars(fakes[name]).update({listed: [] for listed in _LITELLM_LISTS})
    before = {full: sys.modules.get(full) for full in (*fakes, mine)}
    sys.modules.update(fakes)
    sys.modules.pop(mine, None)
    try:
        yield importlib.import_module(mine)
    finally:
        for full, module_before in before.items():
            sys.modules.pop(full, None)
            if module_before is not None:
                sys.modules[full] = module_before
