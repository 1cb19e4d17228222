"""Suites of cases as files, TOML or YAML:

    name: chat
    defaults:
      model: openai/gpt-4o-mini
      requests: 20
      thresholds: [error_rate<1%]
    cases:
      - name: greeting
        prompt: Say hello
        tags: [smoke]
        thresholds: [ttft_ms.p95<800]

A case takes what `latency-lens benchmark` takes, by the names of its flags; `defaults` hold for
every case that says nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ..errors import ConfigError, UsageError
from .gathering import Gathering
from .kinds import UnfitError
from .lined import Node, Pair, read_node
from .options import Load, Paying, Target, Way
from .settings import build, choose, settings_of
from .validation import first_of

if TYPE_CHECKING:
    from ..decide.suite import Limit
    from ..request import Prompt

_GROUPS: tuple[type[Any], ...] = (Target, Load, Way, Paying)
SETTINGS = {item.name: item for group in _GROUPS for item in settings_of(group)}
_SHARED = ("tags", "thresholds", "prompts")
_OWN = ("name", *_SHARED)
_TOP = ("name", "defaults", "cases")
_SAYS = ("prompt", "prompt_file", "prompts")
"""Three ways to give prompts, of which a case has one."""
_CASES = re.compile(r"^(?:[\"']?cases[\"']?\s*[:=]|\[\[\s*cases\s*\]\])", re.M)


@dataclass(frozen=True, slots=True)
class Case:
    """One run, and what it is held to."""

    name: str
    tags: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    limits: tuple[Limit, ...]
    target: Target
    load: Load
    way: Way
    paying: Paying


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases, in their order."""

    name: str
    cases: tuple[Case, ...]

    def tagged(self, tags: Sequence[str]) -> tuple[Case, ...]:
        """The cases with any of the tags; all of them where none is given. Raises UsageError for
        a tag that no case has."""
        known = sorted({tag for case in self.cases for tag in case.tags})
        for tag in tags:
            if tag not in known:
                have = f"known are {', '.join(known)}" if known else "no case has any"
                raise UsageError(f"no case has the tag '{tag}': {have}")
        return tuple(case for case in self.cases if not tags or {*tags} & {*case.tags})


def load_suite(path: str, environ: Mapping[str, str]) -> Suite:
    """Raises the first mistake of the file, and says how many more there are."""
    found, mistakes = read_suite(path, environ)
    if found is None:
        raise first_of(mistakes, path)
    return found


def read_suite(path: str, environ: Mapping[str, str]) -> tuple[Suite | None, list[ConfigError]]:
    """What the file says, and every mistake in it with its line."""
    reader = _Reader(path, environ)
    try:
        root = read_node(path, "suite")
    except ConfigError as error:
        return None, [error]
    found = reader.suite(root)
    return (None if reader.mistakes else found), reader.sorted


def is_suite(path: str) -> bool:
    """Whether a file means to be one: it has `cases` at its top."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return _CASES.search(text) is not None


class _Reader(Gathering):
    """Goes through the nodes of a file."""

    def suite(self, root: Node | None) -> Suite | None:
        if root is None or root.pairs is None:
            self.wrong(f"a suite holds {', '.join(_TOP)}", 1)
            return None
        top = self.named(root, _TOP, "a suite")
        name = self._name(top["name"].node) if "name" in top else Path(self.path).stem
        defaults: dict[str, Pair] = {}
        if "defaults" in top:
            defaults = self._keys(top["defaults"].node, [*_SHARED, *SETTINGS], "defaults")
        if "cases" not in top or not top["cases"].node.items:
            line = top["cases"].line if "cases" in top else root.line
            self.wrong("cases must be a list with at least one case", line)
            return None
        # What is wrong in the defaults is said once, not in each case again.
        self._check(defaults)
        cases = [self._case(node, defaults) for node in top["cases"].node.items]
        whole = [case for case in cases if case]
        self._doubled(top["cases"].node.items, cases)
        return Suite(name or "", tuple(whole))

    def _doubled(self, nodes: Sequence[Node], cases: Sequence[Case | None]) -> None:
        seen: dict[str, int] = {}
        for node, case in zip(nodes, cases, strict=True):
            if case is None:
                continue
            if case.name in seen:
                self.wrong(f"a case is named '{case.name}' on line {seen[case.name]}", node.line)
            seen.setdefault(case.name, node.line)

    # -- one case -----------------------------------------------------------------------------

    def _case(self, node: Node, defaults: Mapping[str, Pair]) -> Case | None:
        before = len(self.mistakes)
        own = self._keys(node, [*_OWN, *SETTINGS], "a case")
        self._check(own)
        name = self._name(own["name"].node) if "name" in own else None
        if "name" not in own and node.pairs is not None:
            self.wrong("a case needs a name", node.line)
        if len(self.mistakes) > before or name is None:
            return None
        given = {**_without_rivals(defaults, own), **own}
        try:
            return self._built(name, given, (defaults.get("thresholds"), own.get("thresholds")))
        except ConfigError as error:
            self.mistakes.append(error)
        except UsageError as error:
            self.wrong(f"case {name}: {error}", node.line)
        return None

    def _built(
        self, name: str, given: Mapping[str, Pair], thresholds: Sequence[Pair | None]
    ) -> Case | None:
        entries = [self.entry(pair) for key, pair in given.items() if key in SETTINGS]
        chosen = choose(SETTINGS.values(), {}, {}, entries, self.path)
        target, load, way, paying = (build(group, chosen) for group in _GROUPS)
        if not target.model:
            raise UsageError("no model is named: give it model, or defaults one")
        limits = tuple(_joined([list(self._limits(pair)) for pair in thresholds if pair]))
        return Case(
            name=name,
            tags=tuple(_texts(given["tags"].node)) if "tags" in given else (),
            prompts=tuple(self._prompts(given, target)),
            limits=limits,
            target=target,
            load=load,
            way=way,
            paying=paying,
        )

    def _prompts(self, given: Mapping[str, Pair], target: Target) -> Iterator[Prompt]:
        from ..request import Prompt
        from ..workload import files

        if "prompts" in given:
            yield from (files.prompt_of(node.value) for node in given["prompts"].node.items or ())
        elif target.prompt is not None:
            yield Prompt.of(target.prompt)
        elif target.prompt_file is not None:
            yield from files.read_prompts(str(Path(self.path).parent / target.prompt_file))
        else:
            raise UsageError("there is no prompt: give it prompt, prompts or prompt-file")

    # -- checks of single names ---------------------------------------------------------------

    def _keys(self, node: Node, known: Sequence[str], what: str) -> dict[str, Pair]:
        found = self.named(node, known, what)
        says = [found[name] for name in _SAYS if name in found]
        if len(says) > 1:
            self.wrong(f"{says[0].key} and {says[1].key} exclude each other", says[1].line)
        return found

    def _check(self, pairs: Mapping[str, Pair]) -> None:
        for name, pair in pairs.items():
            try:
                if name in SETTINGS:
                    SETTINGS[name].kind.read(self.entry(pair).value)
                elif name == "thresholds":
                    list(self._limits(pair))
                elif name == "tags":
                    _texts(pair.node)
                elif name == "prompts":
                    self._check_prompts(pair.node)
            except ConfigError as error:
                self.mistakes.append(error)
            except (UnfitError, UsageError) as error:
                self.wrong(f"{pair.key} {error}", pair.line)

    def _check_prompts(self, node: Node) -> None:
        from ..workload import files

        if not node.items:
            raise UnfitError("must be a list of prompts")
        for item in node.items:
            try:
                files.prompt_of(item.value)
            except (TypeError, ValueError) as error:
                self.wrong(f"a prompt: {error}", item.line)

    def _limits(self, pair: Pair) -> Iterator[Limit]:
        from ..decide.suite import Limit, Severity
        from ..decide.thresholds import parse_threshold

        for item in pair.node.items or (pair.node,):
            given = item.value if isinstance(item.value, dict) else {"limit": item.value}
            severity = given.get("severity", "error")
            if {"limit"} != given.keys() - {"severity"} or severity not in get_args(Severity):
                message = "a threshold is a text, or a limit with a severity of error or warning"
                raise ConfigError(message, path=self.path, line=item.line)
            try:
                yield Limit(parse_threshold(str(given["limit"])), severity)
            except UsageError as error:
                raise ConfigError(str(error), path=self.path, line=item.line) from None

    def _name(self, node: Node) -> str | None:
        if isinstance(node.value, str) and node.value.strip():
            return node.value.strip()
        self.wrong("name must be a text", node.line)
        return None


def _without_rivals(defaults: Mapping[str, Pair], own: Mapping[str, Pair]) -> dict[str, Pair]:
    """The defaults that do not contradict what the case says itself."""
    out = {rival for name in own if name in SETTINGS for rival in SETTINGS[name].rivals}
    out |= {name for name in SETTINGS if {*SETTINGS[name].rivals} & own.keys()}
    if own.keys() & {*_SAYS}:
        out |= {*_SAYS}
    return {name: pair for name, pair in defaults.items() if name not in out}


def _joined(groups: Sequence[Sequence[Limit]]) -> list[Limit]:
    """The defaults' limits and the case's own, which come in place of those in the same direction
    on the same figure."""
    joined: list[Limit] = []
    for group in groups:
        own = {_place(limit) for limit in group}
        joined = [limit for limit in joined if _place(limit) not in own] + list(group)
    return joined


def _place(limit: Limit) -> tuple[str, str]:
    return limit.objective.metric, limit.objective.sign[0]


def _texts(node: Node) -> Iterator[str]:
    values = node.value if isinstance(node.value, list) else [node.value]
    if not all(isinstance(value, str) and value.strip() for value in values):
        raise UnfitError("must be texts")
    return iter(values)
