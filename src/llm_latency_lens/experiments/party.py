"""What every run needs of whom it asks: a `Lens` knows it, an experiment uses it."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from .._version import __version__
from ..clock import SECOND_NS, SystemClock
from ..engine.capture import Captured, OnBeat
from ..engine.follower import Streaming
from ..engine.host import describe_clock, describe_host, public_url
from ..engine.orchestrator import Engine
from ..engine.plan import OnProgress
from ..errors import UsageError
from ..measured import Trial
from ..metrics.context import Context
from ..pricing import Book, Prices
from ..record import Record
from ..request import Prompt, Target
from ..store import runs
from ..store.prices import keep_prices, pricer_of
from ..store.runs import Raw
from ..store.understand import CountTokens, records
from ..targets import Aim
from ..transport import Network
from .certificate import newest_certificate

T = TypeVar("T")
_PROGRESS_BEATS = 5

Prompts = str | Prompt | Sequence[str | Prompt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is kept of a run, where, and how it is read."""

    raw: Raw = "full"
    run_dir: Path | None = None
    keep_text: bool = False
    count_tokens: CountTokens | None = None
    streaming: Streaming | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Whom to ask and how. `config` is every setting but the secrets; `aim` may ask a cloud who
    one is."""

    config: Mapping[str, Any]
    aim: Callable[[], AbstractContextManager[Aim]] = field(repr=False)
    network: Network
    keeping: Keeping
    book: Book = field(repr=False)


class Partaker(Protocol):
    """Who can take part in an experiment: a `Lens`."""

    def party(self) -> Party: ...


P = TypeVar("P", bound=Partaker)


def read(
    captured: Captured, book: Book, sum_up: Callable[[Iterator[Record], Context], T]
) -> Trial[T]:
    """Sum up what was captured, and keep the prices that this took."""
    run, unsaved, count = captured.run, captured.unsaved, captured.count_tokens
    context = run.file.context
    pricer = pricer_of(context, book)
    result = sum_up(records(run, unsaved, count, pricer), context)
    keep_prices(run, pricer)
    return Trial(result, run, unsaved, count, pricer)


def several(prompts: Prompts) -> list[Prompt]:
    """The prompts as a list of such."""
    given = [prompts] if isinstance(prompts, str | Prompt) else prompts
    return [Prompt.of(prompt) if isinstance(prompt, str) else prompt for prompt in given]


def new_context(name: str, config: Mapping[str, Any], *, max_tokens: int | None = None) -> Context:
    """The context of a run that begins now."""
    now = datetime.now(UTC)
    return Context(
        id=runs.new_id(now),
        name=name,
        started_at_unix_ns=int(now.timestamp() * SECOND_NS),
        tool_version=__version__,
        host=describe_host(),
        clock=describe_clock(SystemClock()),
        config=config,
        max_tokens=max_tokens,
        certificate=newest_certificate(),
    )


def candidates_of(first: P, others: Sequence[P] | Mapping[str, P]) -> dict[str, P]:
    """Partakers by name: the given names, else the shortest of their usual ones that no two share.

    Raises UsageError where two have the same.
    """
    given = dict(others) if isinstance(others, Mapping) else {}
    unnamed = [first] if given else [first, *others]
    for names in zip(*map(_usual_names, unnamed), strict=True):
        found = {**dict(zip(names, unnamed, strict=True)), **given}
        if len(found) == len(unnamed) + len(given):
            return found
    raise UsageError("two candidates have the same name: give them names, as in {'a': lens}")


def config_of(
    target: Target,
    network: Network,
    keeping: Keeping,
    prices: Prices | None,
    *,
    batch_prices: bool,
) -> dict[str, Any]:
    """Every setting but the secrets: of headers the names only, of URLs no password."""
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
        "raw": keeping.raw,
        "tokenizer": keeping.count_tokens is not None,
        "prices": _named(prices),
        "batch_prices": batch_prices,
    }


def _named(prices: Prices | None) -> str | None:
    """A file of prices by its name; where it lies is nobody's business."""
    if prices is None:
        return None
    return Path(prices).name if isinstance(prices, str | Path) else "given"


def _usual_names(partaker: Partaker) -> tuple[str, str, str]:
    """What to call one, the shortest first."""
    config = partaker.party().config
    whole = f"{config['provider']}/{config['model']}"
    host = urlsplit(config["base_url"]).netloc
    return str(config["model"]).rpartition("/")[2], whole, f"{whole}@{host}"


def described(prompts: Sequence[Prompt], keep_text: bool) -> dict[str, Any]:
    """What may be said of the prompts: their text only where the user wants it kept."""
    encoded = msgspec.json.encode([prompt.messages for prompt in prompts])
    told: dict[str, Any] = {
        "prompts": len(prompts),
        "prompts_sha256": hashlib.sha256(encoded).hexdigest(),
    }
    if keep_text:
        told["prompt_texts"] = [list(prompt.messages) for prompt in prompts]
    return told


def every(on_progress: OnProgress) -> OnBeat:
    """Tell how a run stands four times a second."""
    count = itertools.count()

    def beat(engine: Engine) -> None:
        if next(count) % _PROGRESS_BEATS == 0:
            on_progress(engine.progress())

    return beat


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, in a thread of its own where this one already runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
