"""Service levels: what share of requests must keep a limit, over which windows of time.

The file is YAML:

    name: chat
    objectives:
      - limit: ttft_ms<800          # of single requests; a failed one misses it
        target: 99%
      - limit: error_rate<0.5%      # the same as: 99.5 % succeed
      - limit: itl_ms.p99<60ms      # the same as: 99 % of the gaps are shorter
    windows: [1h, 24h, 30d]

What may miss a limit is the error budget: of the longest window, 1 - target of its requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import yaml

from ..errors import ConfigError, UsageError
from ..metrics.columns import FIGURES
from ..metrics.intervals import LEVELS
from ..metrics.objectives import METRICS, Objective, parse_limit

GAPS = "itl_ms"
RATE = "error_rate"

_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_WINDOW = re.compile(r"([1-9][0-9]*)(m|h|d|w)")
_TARGET = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(%?)")
_USUAL_WINDOWS = ("1h", "24h", "30d")
_SINGLE = tuple(name for name in METRICS)


@dataclass(frozen=True, slots=True)
class Promise:
    """One objective: `share` of requests (or gaps) must keep the limit. `figure` is what is looked
    at: a figure of requests, `itl_ms`, or `error_rate`; `failures` says whether a failed request
    misses it."""

    limit: Objective
    figure: str
    share: float
    failures: bool

    @property
    def text(self) -> str:
        """As it is shown: the limit, and its share where that is not in the limit."""
        implied = not self.failures or self.figure == RATE
        return self.limit.text if implied else f"{self.limit.text} in {100 * self.share:g} %"


@dataclass(frozen=True, slots=True)
class Sla:
    """`windows` are seconds by their names, the shortest first."""

    name: str
    promises: tuple[Promise, ...]
    windows: Mapping[str, int]


def parse_sla(text: str, path: str) -> Sla:
    """Raises the first mistake of the file, and says how many more there are."""
    found, wrong = read_sla(text, path)
    if wrong or found is None:
        first, more = wrong[0], len(wrong) - 1
        if not more:
            raise first
        told = str(first).partition(": ")[2]
        rest = f"{told} (and {more} more: latency-lens validate {path} lists them)"
        raise ConfigError(rest, path=path, line=first.line)
    return found


def read_sla(text: str, path: str) -> tuple[Sla | None, list[ConfigError]]:
    """What the file says, and every mistake in it with its line."""
    reader = _Reader(path)
    try:
        root = yaml.SafeLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reader.wrong(f"not YAML: {error.problem}", mark.line + 1 if mark else None)
        return None, reader.mistakes
    except yaml.YAMLError as error:
        reader.wrong(f"not YAML: {str(error).splitlines()[0]}", None)
        return None, reader.mistakes
    found = reader.sla(root)
    mistakes = sorted(reader.mistakes, key=lambda error: error.line or 0)
    return (None if mistakes else found), mistakes


def is_sla(text: str) -> bool:
    """Whether a YAML file means to be one: it has `objectives` at its top."""
    return re.search(r"^[\"']?objectives[\"']?\s*:", text, re.M) is not None


class _Reader:
    """Goes through the nodes of a file and gathers what is wrong."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.mistakes: list[ConfigError] = []

    def wrong(self, message: str, line: int | None) -> None:
        self.mistakes.append(ConfigError(message, path=self._path, line=line))

    def sla(self, root: Any) -> Sla | None:
        keys = self._keys(root, ("name", "objectives", "windows"), "the file")
        if keys is None:
            return None
        name = self._scalar(keys.get("name"), "name") if "name" in keys else "service level"
        promises = self._promises(keys.get("objectives"), root)
        windows = self._windows(keys.get("windows"))
        return Sla(name or "", tuple(promises), windows)

    def _keys(self, node: Any, known: Sequence[str], what: str) -> dict[str, Any] | None:
        if not isinstance(node, yaml.MappingNode):
            line = node.start_mark.line + 1 if node is not None else 1
            self.wrong(f"{what} must hold names and values: {', '.join(known)}", line)
            return None
        found: dict[str, Any] = {}
        for key_node, value in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                self.wrong(f"unknown name '{key}': {hint}", line)
            elif key in found:
                self.wrong(f"{key} is given twice", line)
            else:
                found[key] = value
        return found

    def _scalar(self, node: Any, name: str) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.value.strip():
            return str(node.value).strip()
        self.wrong(f"{name} must be a text", node.start_mark.line + 1)
        return None

    def _promises(self, node: Any, root: Any) -> Iterator[Promise]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            line = (root if node is None else node).start_mark.line + 1
            self.wrong("objectives must be a list, each with a limit such as ttft_ms<800", line)
            return
        for item in node.value:
            keys = self._keys(item, ("limit", "target"), "an objective")
            if keys is None:
                continue
            line = item.start_mark.line + 1
            if "limit" not in keys:
                self.wrong("an objective needs a limit, such as ttft_ms<800", line)
                continue
            limit = self._scalar(keys["limit"], "limit")
            target = self._target(keys.get("target"))
            if limit is not None and ("target" not in keys or target is not None):
                try:
                    yield _promise(limit, target)
                except UsageError as error:
                    self.wrong(str(error), keys["limit"].start_mark.line + 1)

    def _target(self, node: Any) -> float | None:
        if node is None or (text := self._scalar(node, "target")) is None:
            return None
        share = _share(text)
        if share is None:
            self.wrong(_no_share(text), node.start_mark.line + 1)
        return share

    def _windows(self, node: Any) -> dict[str, int]:
        if node is None:
            return {name: _seconds(name) or 0 for name in _USUAL_WINDOWS}
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, int] = {}
        for item in items:
            name = self._scalar(item, "a window")
            seconds = _seconds(name or "")
            if name is not None and seconds is None:
                self.wrong(f"a window is a length such as 1h, 24h or 30d, not '{name}'",
                           item.start_mark.line + 1)  # fmt: skip
            elif name is not None and seconds is not None:
                found[name] = seconds
        if not items:
            self.wrong("windows must not be empty: write such as [1h, 24h, 30d]",
                       node.start_mark.line + 1)  # fmt: skip
        return dict(sorted(found.items(), key=lambda item: item[1]))


def parse_promise(given: object) -> Promise:
    """An objective as another file holds it: a text, or a limit with its target. Raises UsageError
    for what is none."""
    if not isinstance(given, Mapping):
        return _promise(str(given), None)
    if not given.get("limit") or given.keys() - {"limit", "target"}:
        raise UsageError("an objective is a text such as ttft_ms.p95<800, or a limit and a target")
    share = None
    if "target" in given:
        found = str(given["target"]).strip()
        share = _share(found)
        if share is None:
            raise UsageError(_no_share(found))
    return _promise(str(given["limit"]), share)


def parse_window(text: str) -> int:
    """The seconds of a window such as 1h or 30d. Raises UsageError for what is none."""
    seconds = _seconds(text)
    if seconds is None:
        raise UsageError(f"a window is a length such as 1h, 24h or 30d, not '{text}'")
    return seconds


def _share(text: str) -> float | None:
    """A share between 0 and 1, which may be given in per cent."""
    found = _TARGET.fullmatch(text)
    share = float(found[1]) / (100.0 if found[2] else 1.0) if found else 0.0
    return share if 0.0 < share < 1.0 else None


def _no_share(text: str) -> str:
    return f"target must be a share between 0 and 100 %, such as 99.5%, not '{text}'"


def _seconds(text: str) -> int | None:
    found = _WINDOW.fullmatch(text)
    return int(found[1]) * _SECONDS[found[2]] if found else None


def _promise(text: str, target: float | None) -> Promise:
    """Raises UsageError for what has no error budget."""
    limit = parse_limit(text, _wrong)
    if limit.metric in _SINGLE:
        if target is None:
            raise UsageError(f"{text!r} needs a target: the share of requests that keep it")
        return Promise(limit, limit.metric, target, failures=True)
    if target is not None:
        raise UsageError(f"{text!r} says its share itself: leave out the target")
    if limit.sign not in ("<", "<="):
        raise UsageError(f"{text!r} must be an upper limit: write <")
    if limit.metric == RATE:
        share = 1.0 - float(limit.limit)
        if not 0.0 < share < 1.0:
            raise UsageError(f"{text!r} leaves no error budget, or nothing else")
        return Promise(limit, RATE, share, failures=True)
    figure, _, level = limit.metric.partition(".")
    return Promise(limit, figure, LEVELS[level], failures=False)


def _wrong(metric: str) -> str | None:
    known = [*_SINGLE, RATE, *(f"{name}.{of}" for name in (GAPS, *FIGURES) for of in LEVELS)]
    if metric in known:
        return None
    near = get_close_matches(metric, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "write such as ttft_ms or itl_ms.p99"
    return f"nothing that has an error budget is called {metric}: {hint}"


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Service levels of latency-lens",
    "type": "object",
    "required": ["objectives"],
    "additionalProperties": False,
    "properties": {
        "name": {"description": "What they are called.", "type": "string", "minLength": 1},
        "objectives": {
            "description": "Each a limit and the share of requests that must keep it.",
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["limit"],
                "additionalProperties": False,
                "properties": {
                    "limit": {
                        "description": "Of single requests (ttft_ms<800), of failures"
                        " (error_rate<1%), or a quantile (itl_ms.p99<60ms).",
                        "type": "string",
                        "pattern": "^[^<>]+[<>]=?[^<>]+$",
                    },
                    "target": {
                        "description": "A share such as 99% or 0.99; for limits of single"
                        " requests only.",
                        "type": ["string", "number"],
                    },
                },
            },
        },
        "windows": {
            "description": "Lengths of time up to the last request; the longest has the budget.",
            "type": ["array", "string"],
            "items": {"type": "string", "pattern": "^[1-9][0-9]*[mhdw]$"},
            "minItems": 1,
            "default": list(_USUAL_WINDOWS),
        },
    },
}
"""JSON Schema (2020-12) of the file."""
