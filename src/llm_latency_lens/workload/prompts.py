"""Workloads that are made from a list of prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import cycle as endless

from ..errors import UsageError
from ..record import Record
from ..request import Authorize, Prompt, Request

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


def authorized(workload: Workload, authorize: Authorize) -> Workload:
    """The same requests, each signed, or given its token, at the moment when it is taken."""

    def signed(previous: Record | None) -> Request | None:
        request = workload(previous)
        return None if request is None else authorize(request)

    return signed
