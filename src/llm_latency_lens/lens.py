"""The library's face: everything that the command line can do is a method of `Lens`.

Synchronous and asynchronous calls share one core: `profile` and `benchmark` run `aprofile` and
`abenchmark` to their end, in a thread of their own where an event loop is already running.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack, get_args

from . import providers
from .costs import estimate, price_of
from .engine import delivery
from .engine.capture import Captured, OnBeat
from .engine.follower import Streaming
from .engine.host import public_url
from .engine.load import Load, check_choice
from .engine.orchestrator import Engine
from .engine.plan import OnProgress
from .errors import UsageError
from .experiments.benchmark import capture_load
from .experiments.coldstart import EXPERIMENT as COLDSTART
from .experiments.coldstart import PROMPT as COLDSTART_PROMPT
from .experiments.coldstart import Cooling, OnStanding, acoldstart, coldstart
from .experiments.coldstart import summed_up as coldstart_of
from .experiments.compare import EXPERIMENT as COMPARE
from .experiments.compare import Contest, acompare, compare
from .experiments.compare import summed_up as comparison_of
from .experiments.live import LiveRun
from .experiments.party import (
    Keeping,
    Party,
    Prompts,
    candidates_of,
    config_of,
    described,
    every,
    finish,
    new_context,
    several,
)
from .measured import Benchmark, Profile, Trial
from .metrics import Metric
from .metrics.coldstart import Coldstart
from .metrics.comparison import Comparison
from .metrics.context import Context
from .pricing import Estimate, Pricer, Prices
from .providers import Provider
from .record import EventKind, Record
from .request import Operation, Prompt, Target
from .sinks import Exported
from .sinks.files import save
from .store import runs
from .store.prices import keep_prices, open_book, pricer_of
from .store.runs import Raw, Run
from .store.understand import CountTokens, records, summarise
from .targets import Aiming, Place, locate
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
        _check(model, raw, operation, tokenizer)
        known = _able(provider, wanted := Operation(operation))
        target = Target(
            provider,
            model,
            base_url="",
            max_tokens=max_tokens,
            temperature=temperature,
            stream=stream and wanted is Operation.CHAT,
            headers=tuple(headers),
            extra_body=extra_body or {},
            operation=wanted,
        )
        place, environ = Place(base_url, region, project, api_version), os.environ
        target = locate(known, target, place, environ, api_key=api_key)
        network = Network(timeouts or Timeouts(), tls or Tls(), proxy, unix_socket)
        keeping = Keeping(
            raw=raw,
            run_dir=None if run_dir is None else Path(run_dir),
            keep_text=keep_text,
            count_tokens=tokenizer,
            streaming=Streaming(tuple(stream_to), prices, keep_text).checked(environ),
        )
        self._target = target
        self._party = Party(
            config=config_of(target, network, keeping, prices, batch_prices=batch_prices),
            aim=Aiming(target, aws_profile, api_key == "none"),
            network=network,
            keeping=keeping,
            book=open_book(prices),
        )

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
        pricer = pricer_of(captured.run.file.context, self._party.book)
        record = next(records(captured.run, captured.unsaved, captured.count_tokens, pricer))
        keep_prices(captured.run, pricer)
        if teller:
            teller.tell(record)
        return Profile(record, captured.run, self._party.keeping.keep_text)

    # -- many requests ------------------------------------------------------------------------

    def benchmark(
        self,
        prompts: Prompts,
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
        prompts: Prompts,
        *,
        name: str = "",
        on_progress: OnProgress | None = None,
        **load: Unpack[Load],
    ) -> Benchmark:
        """`benchmark`, inside a running event loop; signals are left to the caller."""
        return await self._benchmark(prompts, name, on_progress, load, handle_signals=False)

    async def _benchmark(
        self,
        prompts: Prompts,
        name: str,
        on_progress: OnProgress | None,
        load: Load,
        *,
        handle_signals: bool,
    ) -> Benchmark:
        chosen = several(prompts)
        beat = every(on_progress) if on_progress else None
        captured = await self._capture(chosen, load, name, handle_signals, beat)
        pricer = pricer_of(captured.run.file.context, self._party.book)
        found = (captured.run, captured.unsaved, captured.count_tokens, pricer)
        result = summarise(*found)
        keep_prices(captured.run, pricer)
        return Benchmark(result, *found)

    def records(self, prompts: Prompts, *, name: str = "", **load: Unpack[Load]) -> LiveRun:
        """A benchmark whose records can be read while it goes on, by `for` or `async for`.

        It is captured in a process of its own. Raises UsageError for a load that cannot be sent.
        """
        chosen = several(prompts)
        return LiveRun(self._party, chosen, load, self._context(name, chosen, load))

    def estimate(self, prompts: Prompts, **load: Unpack[Load]) -> Estimate | None:
        """What `benchmark` would cost at most. Sends nothing.

        None where no price is known, and for a server of one's own without prices of one's own.
        """
        if not self._party.book.charges_at(self._target.base_url):
            return None
        config, count = self._party.config, self._party.keeping.count_tokens
        price = price_of(self._party.book, config, datetime.now(UTC))
        return None if price is None else estimate(price, several(prompts), load, config, count)

    # -- experiments --------------------------------------------------------------------------

    def compare(
        self,
        others: Lens | Sequence[Lens] | Mapping[str, Lens],
        prompts: Prompts,
        *,
        name: str = "",
        on_progress: OnProgress | None = None,
        **contest: Unpack[Contest],
    ) -> Trial[Comparison]:
        """Ask this and the others the same, in random turns, and compare them: see `Contest`.

        Each is called by its model, unless a mapping gives the others names. This lens says what
        is kept of the run, and where. Ctrl-C ends the run early; what was measured is returned all
        the same. Raises UsageError where two have the same name.
        """
        return compare(self._with(others), prompts, name=name, on_progress=on_progress, **contest)

    async def acompare(
        self,
        others: Lens | Sequence[Lens] | Mapping[str, Lens],
        prompts: Prompts,
        *,
        name: str = "",
        on_progress: OnProgress | None = None,
        **contest: Unpack[Contest],
    ) -> Trial[Comparison]:
        """`compare`, inside a running event loop; signals are left to the caller."""
        return await acompare(
            self._with(others), prompts, name=name, on_progress=on_progress, **contest
        )

    def _with(self, others: Lens | Sequence[Lens] | Mapping[str, Lens]) -> dict[str, Lens]:
        return candidates_of(self, [others] if isinstance(others, Lens) else others)

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

    async def acoldstart(
        self,
        prompt: str | Prompt = COLDSTART_PROMPT,
        *,
        name: str = "",
        on_standing: OnStanding | None = None,
        **cooling: Unpack[Cooling],
    ) -> Trial[Coldstart]:
        """`coldstart`, inside a running event loop; signals are left to the caller."""
        return await acoldstart(self, prompt, name=name, on_standing=on_standing, **cooling)

    # -- what all of them need ----------------------------------------------------------------

    async def _capture(
        self,
        chosen: Sequence[Prompt],
        load: Load,
        name: str,
        handle_signals: bool,
        on_beat: OnBeat | None,
    ) -> Captured:
        return await capture_load(
            self._party,
            chosen,
            load,
            self._context(name, chosen, load),
            handle_signals=handle_signals,
            on_beat=on_beat,
        )

    def _context(self, name: str, prompts: Sequence[Prompt], load: Load) -> Context:
        party = self._party
        told = {**party.config, **described(prompts, party.keeping.keep_text), **_told(load)}
        return new_context(name, told, max_tokens=self._target.max_tokens)

    def party(self) -> Party:
        """What an experiment needs to know of this lens."""
        return self._party


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


def load_trial(
    run: str | Path,
    *,
    tokenizer: CountTokens | None = None,
    prices: Prices | None = None,
    reprice: bool = True,
) -> Trial[Comparison] | Trial[Coldstart]:
    """Recompute a comparison or a search for cold starts from what was captured: see `load`.

    Raises UsageError for a run that is neither.
    """
    found, pricer = _found(run, prices, reprice)
    context = found.file.context
    experiment = str(context.config.get("experiment") or "benchmark")
    read = records(found, (), tokenizer, pricer)
    if experiment == COMPARE:
        return Trial(comparison_of(read, context), found, (), tokenizer, pricer)
    if experiment == COLDSTART:
        return Trial(coldstart_of(read, context), found, (), tokenizer, pricer)
    raise UsageError(f"{found.path} is the run of a {experiment}: `load` reads it")


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


def _check(model: str, raw: Raw, operation: str, tokenizer: CountTokens | None) -> None:
    if not model:
        raise UsageError("no model is named: give --model, or PROVIDER/MODEL")
    check_choice("raw", raw, get_args(Raw))
    check_choice("operation", operation, list(Operation))
    if raw == "redacted" and tokenizer:
        raise UsageError("blanked text cannot be counted: use raw full or off with a tokenizer")


def _able(name: str, wanted: Operation) -> Provider:
    """The provider. Raises UsageError for an unknown one, and where it cannot do what is wanted."""
    found = providers.get(name)
    found.dialect(wanted)
    return found


def _told(load: Load) -> dict[str, Any]:
    """The load as a run keeps it; money as text, which loses no digit."""
    told: dict[str, Any] = {**load}
    if told.get("max_cost") is not None:
        told["max_cost"] = str(told["max_cost"])
    return told
