"""The monitor's file, YAML or TOML:

    listen: 127.0.0.1:9464
    data_dir: /var/lib/latency-lens
    defaults:
      prompt: Count from 1 to 10.
      interval: 60s
    targets:
      - name: mini-eu
        provider: openai
        model: gpt-4o-mini
        api_key_env: OPENAI_API_KEY
        objectives: [ttft_ms.p95<800, error_rate<1%]

`defaults` hold for every target that says nothing else. Names of files start from the file's own
folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, UsageError
from .gathering import Gathering
from .lined import Node, Pair, read_node
from .monitoring import SECTIONS, Push, Receiver, Silence, Target, Top, keys_of
from .validation import first_of

if TYPE_CHECKING:
    from ..decide.sla import Promise
    from ..pricing import Book
    from ..request import Prompt, Secret
    from ..service.config import (
        AlertsConfig,
        MonitorConfig,
        PushConfig,
        ReceiverConfig,
        RetentionConfig,
        ServeConfig,
        SilenceConfig,
        TargetConfig,
    )

_TARGETS = re.compile(r"^(?:[\"']?targets[\"']?\s*[:=]|\[\[\s*targets\s*\]\])", re.M)
_PROMPT = "Count from 1 to 10."
_LISTS = ("defaults", "targets", "push", *SECTIONS)
_OBJECTIVES = "objectives"
_RECEIVERS, _SILENCES = "receivers", "silences"
_GROUPS = (Top, Target, Push, Receiver, Silence)
TOP, TARGET, PUSH, RECEIVER, SILENCE = map(keys_of, _GROUPS)


def is_monitor_file(path: str) -> bool:
    """Whether a file means to be one: it has `targets` at its top."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return _TARGETS.search(text) is not None


def load_monitor_file(path: str, environ: Mapping[str, str]) -> MonitorConfig:
    """Raises the first mistake of the file, and says how many more there are."""
    found, mistakes = read_monitor_file(path, environ)
    if found is None:
        raise first_of(mistakes, path)
    return found


def read_monitor_file(
    path: str, environ: Mapping[str, str]
) -> tuple[MonitorConfig | None, list[ConfigError]]:
    """What the file says, and every mistake in it with its line. Raises UsageError for a file that
    cannot be read."""
    try:
        root = read_node(path, "monitor file")
    except ConfigError as error:
        return None, [error]
    reader = _Reader(path, environ)
    found = reader.monitor(root)
    return (None if reader.mistakes else found), reader.sorted


class _Reader(Gathering):
    """Goes through the nodes of a file."""

    def __init__(self, path: str, environ: Mapping[str, str]) -> None:
        super().__init__(path, environ)
        self._files = [Path(path)]

    def monitor(self, root: Node | None) -> MonitorConfig | None:
        from ..service.config import MonitorConfig

        if root is None or root.pairs is None:
            self.wrong("the file must hold names and values: targets, listen, data_dir...", 1)
            return None
        top = self.named(root, [*TOP, *_LISTS], "the file")
        values = self.values(top, TOP)
        book = self._book(top, values)
        targets = self._targets(top, root, book, "max_cost_usd_per_day" in values)
        serve = self._serve(top, values)
        more = _only(values, "seed", "max_cost_usd_per_day")
        if "windows" in top and (windows := self._windows(top["windows"], values)):
            more["windows"] = windows
        if "prices" in values:
            more["prices"] = self._file(values["prices"])
        return MonitorConfig(
            targets=tuple(targets),
            data_dir=self._data_dir(values),
            serve=serve,
            push=tuple(self._push(top)),
            alerts=self._alerts(top),
            retention=self._retention(top),
            files=tuple(dict.fromkeys(self._files)),
            **more,
        )

    def _data_dir(self, values: Mapping[str, Any]) -> Path:
        from ..store.runs import home

        given = values.get("data_dir")
        return self.folder / given if given else home() / "monitor"

    def _file(self, name: str) -> Path:
        """A file that is read with this one."""
        path = self.folder / name
        self._files.append(path)
        return path

    def _book(self, top: Mapping[str, Pair], values: Mapping[str, Any]) -> Book | None:
        from ..store.prices import open_book

        path = values.get("prices")
        try:
            return open_book(path and str(self.folder / path))
        except UsageError as error:
            self.note(error, top["prices"].line)
            return None

    # -- targets --------------------------------------------------------------------------------

    def _targets(
        self, top: Mapping[str, Pair], root: Node, book: Book | None, held: bool
    ) -> Iterator[TargetConfig]:
        defaults: dict[str, Pair] = {}
        if "defaults" in top:
            known = [name for name in (*TARGET, _OBJECTIVES) if name != "name"]
            defaults = self.named(top["defaults"].node, known, "defaults")
            # What is wrong in the defaults is said once, not with each target again.
            self.values(defaults, TARGET)
            self._objectives(defaults)
        if "targets" not in top or not top["targets"].node.items:
            line = top["targets"].line if "targets" in top else root.line
            self.wrong("targets must be a list with at least one target", line)
            return
        seen: dict[str, int] = {}
        for node in top["targets"].node.items:
            target = self._target(node, defaults, book, held)
            if target is None:
                continue
            if target.name in seen:
                self.wrong(f"a target is named '{target.name}' on line {seen[target.name]}",
                           node.line)  # fmt: skip
            seen.setdefault(target.name, node.line)
            yield target

    def _target(
        self, node: Node, defaults: Mapping[str, Pair], book: Book | None, held: bool
    ) -> TargetConfig | None:
        before = len(self.mistakes)
        own = self.named(node, [*TARGET, _OBJECTIVES], "a target")
        if not own:
            return None
        values = self.values(own, TARGET)
        promises = self._objectives(own) if _OBJECTIVES in own else self._quietly(defaults)
        for needed in ("name", "model"):
            if needed not in own and needed not in defaults:
                self.wrong(f"a target needs a {needed}", node.line)
        if len(self.mistakes) > before:
            return None
        inherited = self._quiet_values(_without_rivals(defaults, own))
        labels = {**inherited.get("labels", {}), **values.get("labels", {})}
        try:
            return self._built({**inherited, **values, "labels": labels}, promises, book, held)
        except UsageError as error:
            line = error.line if isinstance(error, ConfigError) else None
            same = isinstance(error, ConfigError) and error.path != self.path
            if line is not None or same:
                self.note(error, node.line)
            else:
                told = str(error).replace("--api-key", "api_key").replace("--base-url", "base_url")
                self.wrong(f"{values['name']}: {told}", node.line)
        return None

    def _quiet_values(self, pairs: Mapping[str, Pair]) -> dict[str, Any]:
        """Those of defaults, whose mistakes have been told."""
        told = len(self.mistakes)
        found = self.values(pairs, TARGET)
        del self.mistakes[told:]
        return found

    def _quietly(self, defaults: Mapping[str, Pair]) -> tuple[Promise, ...]:
        told = len(self.mistakes)
        found = self._objectives(defaults)
        del self.mistakes[told:]
        return found

    def _built(
        self,
        values: Mapping[str, Any],
        promises: tuple[Promise, ...],
        book: Book | None,
        held: bool,
    ) -> TargetConfig:
        from ..service.check import check_target
        from ..service.config import TargetConfig

        provider, model = _whom(values)
        spans = {f"{name}_s": values[name] for name in ("interval", "timeout") if name in values}
        target = TargetConfig(
            name=values["name"],
            provider=provider,
            model=model,
            prompts=tuple(self._prompts(values)),
            promises=promises,
            api_key=_secret(values.get("api_key")),
            api_key_file=self._path(values, "api_key_file"),
            headers=values.get("header", ()),
            tls_verify=not values.get("insecure", False),
            ca_file=_text(self._path(values, "ca_file")),
            proxy=None if values.get("proxy") == "none" else values.get("proxy", "env"),
            **spans,
            **_only(
                values, "base_url", "region", "project", "api_version", "aws_profile", "labels",
                "api_key_env", "jitter", "max_tokens", "temperature", "extra_body", "stream",
                "connections", "max_cost_usd_per_day",
            ),
        )  # fmt: skip
        check_target(target, self.environ, book, held=held)
        return target

    def _prompts(self, values: Mapping[str, Any]) -> Sequence[Prompt]:
        from ..request import Prompt
        from ..workload import files

        if "prompt_file" in values:
            return files.read_prompts(str(self._file(values["prompt_file"])))
        return [Prompt.of(values.get("prompt", _PROMPT))]

    def _objectives(self, pairs: Mapping[str, Pair]) -> tuple[Promise, ...]:
        from ..decide.sla import parse_promise

        found = []
        pair = pairs.get(_OBJECTIVES)
        for node in (pair.node.items or (pair.node,)) if pair else ():
            try:
                found.append(parse_promise(node.value))
            except UsageError as error:
                self.note(error, node.line)
        return tuple(found)

    def _path(self, values: Mapping[str, Any], name: str) -> Path | None:
        return self.folder / values[name] if name in values else None

    # -- the rest -------------------------------------------------------------------------------

    def _section(self, top: Mapping[str, Pair], name: str, *more: str) -> dict[str, Pair]:
        if name not in top:
            return {}
        return self.named(top[name].node, [*keys_of(SECTIONS[name]), *more], name)

    def _serve(self, top: Mapping[str, Pair], values: Mapping[str, Any]) -> ServeConfig:
        from ..service.config import ServeConfig

        given = _only(values, "hosts", "max_request_bytes", "requests_per_minute")
        if "listen" in values:
            given["host"], given["port"] = values["listen"]
        tls = self._section(top, "tls")
        files = self.values(tls, keys_of(SECTIONS["tls"]))
        if tls and len(tls) < 2:
            self.wrong("tls needs both cert_file and key_file", top["tls"].line)
        for name, path in files.items():
            given[name] = self._file(path)
        return ServeConfig(token=self._kept(top, values, "token"), **given)

    def _kept(
        self, pairs: Mapping[str, Pair], values: Mapping[str, Any], name: str
    ) -> Secret | None:
        """A secret that is given, or in a variable, or in a file."""
        from ..service.keys import KeyFile

        if name in values:
            return _secret(values[name]) if values[name] else None
        if (variable := values.get(f"{name}_env")) is not None:
            if found := self.environ.get(variable):
                return _secret(found)
            line = pairs[f"{name}_env"].line
            self.wrong(f"{name}_env: the variable {variable} is not set", line)
        elif (path := values.get(f"{name}_file")) is not None:
            try:
                return KeyFile(self._file(path)).read()
            except UsageError as error:
                self.note(error, pairs[f"{name}_file"].line)
        return None

    def _windows(self, pair: Pair, values: Mapping[str, Any]) -> dict[str, int]:
        from ..decide.sla import parse_window

        found = {}
        for name in values.get("windows", ()):
            try:
                found[name] = parse_window(name)
            except UsageError as error:
                self.wrong(str(error), pair.line)
        return dict(sorted(found.items(), key=lambda item: item[1]))

    def _push(self, top: Mapping[str, Pair]) -> Iterator[PushConfig]:
        from ..service.config import PushConfig
        from ..sinks.address import parse

        if "push" not in top:
            return
        pair, seen = top["push"], set()
        for node in pair.node.items or (pair.node,):
            whole = node if node.pairs is not None else _as_table(node, "url")
            own = self.named(whole, list(PUSH), "a push")
            values = self.values(own, PUSH)
            if "url" not in own:
                self.wrong("a push needs a url", node.line)
            if "url" not in values:
                continue
            try:
                shown = parse(values["url"], self.environ).shown
            except UsageError as error:
                self.note(error, own["url"].line)
                continue
            if shown in seen:
                self.wrong(f"{shown} is given twice", own["url"].line)
            seen.add(shown)
            more = {"interval": "interval_s", "max_queue": "max_queue_bytes"}
            given = {field: values[name] for name, field in more.items() if name in values}
            yield PushConfig(url=values["url"], **given)

    def _alerts(self, top: Mapping[str, Pair]) -> AlertsConfig:
        from ..service.config import AlertsConfig

        own = self._section(top, "alerts", _RECEIVERS, _SILENCES)
        values = self.values(own, keys_of(SECTIONS["alerts"]))
        receivers = []
        if _RECEIVERS in own:
            nodes = own[_RECEIVERS].node.items
            if nodes is None:
                self.wrong("receivers must be a list", own[_RECEIVERS].line)
            receivers = [found for node in nodes or () if (found := self._receiver(node))]
        names = [receiver.name for receiver in receivers]
        for name in {name for name in names if names.count(name) > 1}:
            self.wrong(f"two receivers are named '{name}'", own[_RECEIVERS].line)
        silences = tuple(self._silences(own))
        return AlertsConfig(receivers=tuple(receivers), silences=silences, **values)

    def _silences(self, alerts: Mapping[str, Pair]) -> Iterator[SilenceConfig]:
        from ..service.alerts.silences import check
        from ..service.config import SilenceConfig

        pair = alerts.get(_SILENCES)
        if pair and pair.node.items is None:
            self.wrong("silences must be a list", pair.line)
        for node in (pair.node.items or ()) if pair else ():
            own = self.named(node, list(SILENCE), "a silence")
            values = self.values(own, SILENCE)
            if own and "match" not in own:
                self.wrong("a silence needs a match, such as {target: chat-*}", node.line)
            if "match" not in values:
                continue
            try:
                check(values["match"])
            except UsageError as error:
                self.wrong(str(error), own["match"].line)
            until = values.get("until")
            if isinstance(until, timedelta):
                self.wrong("until must be a moment, such as 2026-01-31T12:00", own["until"].line)
            yield SilenceConfig(
                matchers=values["match"],
                until_unix_s=until.timestamp() if isinstance(until, datetime) else None,
                comment=values.get("comment", ""),
            )

    def _receiver(self, node: Node) -> ReceiverConfig | None:
        from ..service.config import ReceiverConfig

        before = len(self.mistakes)
        own = self.named(node, list(RECEIVER), "a receiver")
        values = self.values(own, RECEIVER)
        for needed in ("name", "kind"):
            if own and needed not in own:
                self.wrong(f"a receiver needs a {needed}", node.line)
        if own and not own.keys() & {"url", "url_env", "url_file"}:
            self.wrong("a receiver needs a url", node.line)
        url = self._kept(own, values, "url")
        if url and not url.reveal().startswith(("http://", "https://")):
            self.wrong("url must begin with http:// or https://", node.line)
        if len(self.mistakes) > before or url is None:
            return None
        more = _only(values, "min_severity")
        more["secret"] = self._kept(own, values, "secret")
        if "repeat" in values:
            more["repeat_s"] = values["repeat"]
        headers = values.get("header", ())
        return ReceiverConfig(
            name=values["name"], kind=values["kind"], url=url, headers=headers, **more
        )

    def _retention(self, top: Mapping[str, Pair]) -> RetentionConfig:
        from ..service.config import RetentionConfig

        values = self.values(self._section(top, "retention"), keys_of(SECTIONS["retention"]))
        return RetentionConfig(**{f"{name}_s": value for name, value in values.items()})


def _without_rivals(defaults: Mapping[str, Pair], own: Mapping[str, Pair]) -> dict[str, Pair]:
    """The defaults that do not contradict what the target says itself."""
    out = {rival for name in own if name in TARGET for rival in TARGET[name].rivals}
    return {name: pair for name, pair in defaults.items() if (name not in out and name not in own)
            or name == "labels"}  # fmt: skip


def _only(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _as_table(node: Node, name: str) -> Node:
    return Node({name: node.value}, node.line, pairs=(Pair(name, node.line, node),))


def _secret(text: str | None) -> Secret | None:
    from ..request import Secret

    return None if text is None else Secret(text)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _whom(values: Mapping[str, Any]) -> tuple[str, str]:
    """Without a provider, the part of the model before its first slash is one if there is a
    provider of that name, and the address is not given."""
    from .. import providers
    from .options import DEFAULT_PROVIDER

    model = str(values["model"])
    if "provider" in values:
        return providers.get(str(values["provider"])).name, model
    head, slash, rest = model.partition("/")
    if slash and head in providers.names():
        return head, rest
    return DEFAULT_PROVIDER, model
