"""The library's face: everything that the command line can do is a method of `Lens`.

Synchronous and asynchronous calls share one core: `profile` and `benchmark` run `aprofile` and
`abenchmark` to their end, in a thread of their own where an event loop is already running.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

from . import providers
from .costs import budget_of, estimate, price_of
from .engine import delivery
from .engine.budget import Budget
from .engine.capture import Captured, OnBeat, Setup, capture
from .engine.follower import Streaming
from .engine.host import public_url
from .engine.load import Load, make_plan
from .engine.orchestrator import Engine
from .engine.plan import OnProgress
from .errors import UsageError
from .experiments.coldstart import PROMPT as COLDSTART_PROMPT
from .experiments.coldstart import Cooling, OnStanding, coldstart
from .experiments.party import (
    Keeping,
    Party,
    described,
    every,
    finish,
    new_context,
    several,
)
from .measured import Benchmark, Profile, Trial
from .metrics import Metric
from .metrics.coldstart import Coldstart
from .metrics.context import Context
from .pricing import Estimate, Pricer, Prices
from .record import EventKind, Record
from .request import Operation, Prompt, Target
from .sinks import Exported
from .sinks.files import save
from .store import runs
from .store.prices import keep_prices, open_book, pricer_of
from .store.runs import Raw, Run
from .store.understand import CountTokens, records, summarise
from .targets import Aim, Place, locate, opened
from .transport import Network, Timeouts, Tls

OnText = Callable[[EventKind, str], None]


class Lens:
    """Points at one model. Making a lens sends nothing.

    `api_key` defaults to the provider's environment variable; "none" sends no key. `operation` is
    "chat", "embeddings" or "rerank". `region`, `project`, `api_version` and `aws_profile` are for
    the clouds, and default to the variables that their own libraries read. `proxy` is a
    URL, "env" or None. `raw` says what is kept of the answers' bytes, `run_dir` where (a folder
    that holds something already gets the run as a subfolder). `tokenizer` counts the tokens of a
    text where the provider does not say. `prices` is a file of private prices, or its entries;
    `batch_prices` reckons what the same would cost in a batch. `stream_to` are URLs to which each
    request is sent when it has ended, while the run goes on. Raises UsageError for a provider
    that is not known, a missing key, a base URL that is none, or a mistake in the prices or in a
    URL of `stream_to`.
    """

    def __init__(
        self,
        *,
        model: str,
        provider: str = "openai",
        base_url: str | None = None,
        api_key: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        extra_body: Mapping[str, Any] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stream: bool = True,
        operation: str = Operation.CHAT,
        region: str | None = None,
        project: str | None = None,
        api_version: str | None = None,
        aws_profile: str | None = None,
        timeouts: Timeouts | None = None,
        tls: Tls | None = None,
        proxy: str | None = "env",
        unix_socket: str | None = None,
        run_dir: str | Path | None = None,
        raw: Raw = "full",
        tokenizer: CountTokens | None = None,
        keep_text: bool = False,
        prices: Prices | None = None,
        batch_prices: bool = False,
        stream_to: Sequence[str] = (),
    ) -> None:
        if not model:
            raise UsageError("no model is named: give --model, or PROVIDER/MODEL")
        if raw == "redacted" and tokenizer:
            raise UsageError("blanked text cannot be counted: use raw full or off with a tokenizer")
        self._provider, wanted = providers.get(provider), Operation(operation)
        self._provider.dialect(wanted)
        target = Target(
            provider=provider,
            model=model,
            base_url="",
            max_tokens=max_tokens,
            temperature=temperature,
            stream=stream and wanted is Operation.CHAT,
            headers=tuple(headers),
            extra_body=extra_body or {},
            operation=wanted,
        )
        place = Place(base_url, region, project, api_version)
        self._target = locate(self._provider, target, place, os.environ, api_key=api_key)
        self._anonymous, self._aws_profile = api_key == "none", aws_profile
        self._network = Network(
            timeouts=timeouts or Timeouts(),
            tls=tls or Tls(),
            proxy=proxy,
            unix_socket=unix_socket,
        )
        self._run_dir = None if run_dir is None else Path(run_dir)
        self._raw, self._tokenizer, self._keep_text = raw, tokenizer, keep_text
        self._prices, self._batch_prices = prices, batch_prices
        self._book = open_book(prices)
        self._streaming = Streaming(tuple(stream_to), prices, keep_text).checked(os.environ)

    def __repr__(self) -> str:
        target = self._target
        return f"Lens({target.provider}/{target.model} at {public_url(target.base_url)})"

    # -- one request --------------------------------------------------------------------------

    def profile(
        self, prompt: str | Prompt, *, name: str = "", on_text: OnText | None = None
    ) -> Profile:
        """Send one request on a fresh connection. A request that fails is data: see its record.

        `on_text` is called with each piece of the answer as it comes.
        """
        return finish(self._profile(prompt, name, on_text, handle_signals=True))

    async def aprofile(
        self, prompt: str | Prompt, *, name: str = "", on_text: OnText | None = None
    ) -> Profile:
        """`profile`, inside a running event loop."""
        return await self._profile(prompt, name, on_text, handle_signals=False)

    async def _profile(
        self, prompt: str | Prompt, name: str, on_text: OnText | None, *, handle_signals: bool
    ) -> Profile:
        load: Load = {"requests": 1, "connections": "cold"}
        teller = _Teller(on_text) if on_text else None
        captured = await self._capture(several(prompt), load, name, handle_signals, teller)
        pricer = pricer_of(captured.run.file.context, self._book)
        record = next(records(captured.run, captured.unsaved, captured.count_tokens, pricer))
        keep_prices(captured.run, pricer)
        if teller:
            teller.tell(record)
        return Profile(record, captured.run, self._keep_text)

    # -- many requests ------------------------------------------------------------------------

    def benchmark(
        self,
        prompts: str | Prompt | Sequence[str | Prompt],
        *,
        name: str = "",
        on_progress: OnProgress | None = None,
        **load: Unpack[Load],
    ) -> Benchmark:
        """Send the prompts in turn, again and again, and summarise what came back.

        `load` says how many and when: see `Load`. `on_progress` is told four times a second how
        the run stands. Ctrl-C ends the run early; what was measured is returned all the same.
        """
        return finish(self._benchmark(prompts, name, on_progress, load, handle_signals=True))

    async def abenchmark(
        self,
        prompts: str | Prompt | Sequence[str | Prompt],
        *,
        name: str = "",
        on_progress: OnProgress | None = None,
        **load: Unpack[Load],
    ) -> Benchmark:
        """`benchmark`, inside a running event loop; signals are left to the caller."""
        return await self._benchmark(prompts, name, on_progress, load, handle_signals=False)

    async def _benchmark(
        self,
        prompts: str | Prompt | Sequence[str | Prompt],
        name: str,
        on_progress: OnProgress | None,
        load: Load,
        *,
        handle_signals: bool,
    ) -> Benchmark:
        chosen = several(prompts)
        beat = every(on_progress) if on_progress else None
        captured = await self._capture(chosen, load, name, handle_signals, beat)
        pricer = pricer_of(captured.run.file.context, self._book)
        found = (captured.run, captured.unsaved, captured.count_tokens, pricer)
        result = summarise(*found)
        keep_prices(captured.run, pricer)
        return Benchmark(result, *found)

    def estimate(
        self, prompts: str | Prompt | Sequence[str | Prompt], **load: Unpack[Load]
    ) -> Estimate | None:
        """What `benchmark` would cost at most. Sends nothing.

        None where no price is known, and for a server of one's own without prices of one's own.
        """
        if not self._book.charges_at(self._target.base_url):
            return None
        price = price_of(self._book, self._config(), datetime.now(UTC))
        if price is None:
            return None
        return estimate(price, several(prompts), load, self._config(), self._tokenizer)

    # -- experiments --------------------------------------------------------------------------

    def coldstart(
        self,
        prompt: str | Prompt = COLDSTART_PROMPT,
        *,
        name: str = "",
        on_standing: OnStanding | None = None,
        **cooling: Unpack[Cooling],
    ) -> Trial[Coldstart]:
        """Look for cold starts of the connection, the model and the prompt cache: see `Cooling`.

        It idles for `repeat` times the sum of the gaps, 40 minutes by default. `on_standing` is
        told four times a second how the run stands. Ctrl-C ends it early; what was measured is
        returned all the same.
        """
        return coldstart(self, prompt, name=name, on_standing=on_standing, **cooling)

    # -- what both need -----------------------------------------------------------------------

    async def _capture(
        self,
        chosen: Sequence[Prompt],
        load: Load,
        name: str,
        handle_signals: bool,
        on_beat: OnBeat | None,
    ) -> Captured:
        context = self._context(name, chosen, load)
        pricer = pricer_of(context, self._book)
        with ExitStack() as stack:
            # In a thread, for a cloud is asked who one is, and that takes as long as it likes.
            aim = await asyncio.to_thread(stack.enter_context, self._aim())
            plan = make_plan(
                load,
                context,
                aim.workload(chosen),
                providers.decode,
                first_token_s=self._network.timeouts.first_token_s,
                secrets=aim.secrets,
                budget=self._budget(load, context, pricer),
            )
            setup = Setup(
                url=aim.build(chosen[0]).url,
                network=self._network,
                connections=load.get("connections", "warm"),
                raw=self._raw,
                run_dir=self._run_dir,
                keep_text=self._keep_text,
                count_tokens=self._tokenizer,
                pricer=pricer,
                streaming=self._streaming,
                handle_signals=handle_signals,
            )
            return await capture(plan, context, setup, on_beat=on_beat)

    def _budget(self, load: Load, context: Context, pricer: Pricer) -> Budget | None:
        if load.get("max_cost") is None:
            return None
        price = price_of(self._book, context.config, datetime.now(UTC))
        return budget_of(load, price, pricer, context.config, self._tokenizer)

    def _aim(self) -> AbstractContextManager[Aim]:
        """The target with what its cloud has to say first; a cloud may be asked for a token."""
        return opened(
            self._provider,
            self._target,
            os.environ,
            aws_profile=self._aws_profile,
            anonymous=self._anonymous,
        )

    def _context(self, name: str, prompts: Sequence[Prompt], load: Load) -> Context:
        told = {**self._config(), **described(prompts, self._keep_text), **_told(load)}
        return new_context(name, told, max_tokens=self._target.max_tokens)

    def party(self) -> Party:
        """What an experiment needs to know of this lens."""
        keeping = Keeping(
            raw=self._raw,
            run_dir=self._run_dir,
            keep_text=self._keep_text,
            count_tokens=self._tokenizer,
            streaming=self._streaming,
        )
        return Party(
            config=self._config(),
            aim=self._aim,
            network=self._network,
            keeping=keeping,
            book=self._book,
        )

    def _config(self) -> dict[str, Any]:
        """Every setting but the secrets: of headers the names only, of URLs no password."""
        target, network = self._target, self._network
        return {
            "provider": target.provider,
            "model": target.model,
            "base_url": public_url(target.base_url),
            "operation": str(target.operation),
            "region": target.region,
            "project": target.project,
            "api_version": target.api_version,
            "stream": target.stream,
            "max_tokens": target.max_tokens,
            "temperature": target.temperature,
            "extra_body": dict(target.extra_body),
            "headers": [header for header, _ in target.headers],
            "timeouts": asdict(network.timeouts),
            "tls_verify": network.tls.verify,
            "tls_resume": network.tls.resume,
            "proxy": network.proxy if network.proxy in (None, "env") else "given",
            "unix_socket": network.unix_socket,
            "raw": self._raw,
            "tokenizer": self._tokenizer is not None,
            "prices": _named(self._prices),
            "batch_prices": self._batch_prices,
        }


def load(
    run: str | Path,
    *,
    tokenizer: CountTokens | None = None,
    prices: Prices | None = None,
    reprice: bool = True,
    also: Sequence[Metric] = (),
) -> Benchmark:
    """Recompute a run from what was captured: a run directory, a folder of runs (the newest in
    it), the id of a run or the beginning of one, or "latest".

    It costs what it cost then, by the prices that were kept with it. Given `prices`, it costs what
    they and today's list say, with `reprice` false only if none were kept. `also` are given each
    record while it is read. Raises UsageError when
    there is no such run, StoreError when it cannot be read.
    """
    found, pricer = _found(run, prices, reprice)
    return Benchmark(summarise(found, (), tokenizer, pricer, also), found, (), tokenizer, pricer)


def exported(
    run: str | Path,
    *,
    keep_text: bool = False,
    tokenizer: CountTokens | None = None,
    prices: Prices | None = None,
    reprice: bool = True,
) -> Exported:
    """The run as `sinks` write it; nothing is decoded before it is asked for. See `load`."""
    found, pricer = _found(run, prices, reprice)
    read = partial(records, found, (), tokenizer, pricer)
    return Exported(found.file.context, read, keep_text)


def export(run: str | Path, to: str, output: str | Path, **settings: Unpack[Exporting]) -> None:
    """Write a kept run to a file in the format of another program: "csv", "parquet", "perfetto"
    and others; the page "Exports" of the documentation lists them.

    An older file is replaced when the new one is complete. `settings` are those of `load`, and
    `keep_text`, which puts what the model said into formats that have a place for it. Raises what
    `load` does, UsageError for an unknown format or one that needs more to be installed, and
    RunError when the disk does not take it.
    """
    save(exported(run, **settings), to, str(output))


def send(run: str | Path, to: str, **settings: Unpack[Exporting]) -> int:
    """Send a kept run to a URL, such as "influx+http://localhost:8086?db=runs"; the page "Exports"
    of the documentation lists them. Gives the number of requests.

    Raises what `load` does, UsageError for a URL to which nothing can be sent, and RunError when it
    is not taken.
    """
    sent, _ = delivery.send(exported(run, **settings), to, os.environ)
    return sent


class Exporting(TypedDict, total=False):
    """How `export` and `send` read a run."""

    keep_text: bool
    tokenizer: CountTokens | None
    prices: Prices | None
    reprice: bool


def _found(run: str | Path, prices: Prices | None, reprice: bool) -> tuple[Run, Pricer]:
    found = runs.find(str(run))
    anew = prices is not None and reprice
    return found, pricer_of(found.file.context, open_book(prices), anew=anew)


class _Teller:
    """Tells the pieces of an answer while they come, each once."""

    def __init__(self, on_text: OnText) -> None:
        self._on_text = on_text
        self._told = 0

    def __call__(self, engine: Engine) -> None:
        for timeline in engine.in_flight:
            self.tell(providers.decode(timeline))

    def tell(self, record: Record) -> None:
        events = record.events
        for kind, text in zip(events.kind[self._told :], events.text[self._told :], strict=True):
            self._on_text(kind, text)
        self._told = len(events)


def _told(load: Load) -> dict[str, Any]:
    """The load as a run keeps it; money as text, which loses no digit."""
    told: dict[str, Any] = {**load}
    if told.get("max_cost") is not None:
        told["max_cost"] = str(told["max_cost"])
    return told


def _named(prices: Prices | None) -> str | None:
    """A file of prices by its name; where it lies is nobody's business."""
    if prices is None:
        return None
    return Path(prices).name if isinstance(prices, str | Path) else "given"
