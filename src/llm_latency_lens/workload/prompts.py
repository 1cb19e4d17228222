"""Workloads that are made from a list of prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import cycle as endless

from ..errors import UsageError
from ..record import Record
from ..request import Prompt, Request

Workload = Callable[[Record | None], Request | None]
"""The next request, given the previous record of this conversation; None when there is no more."""


def cycle(prompts: Iterable[Prompt], build: Callable[[Prompt], Request]) -> Workload:
    """The prompts in their order, again and again; it never ends.

    Every request is built here, once, so that nothing is encoded while a run is measured. Give no
    more prompts than the run will send. Raises `UsageError` when there is none.
    """
    requests = [build(prompt) for prompt in prompts]
    if not requests:
        raise UsageError("there is no prompt to send")
    turns = endless(requests)

    def workload(_previous: Record | None) -> Request:
        return next(turns)

    return workload
