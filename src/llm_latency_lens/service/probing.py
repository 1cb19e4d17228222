"""One target: its key, its way, its prompts in turn; and one probe of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Protocol

from .. import providers
from ..clock import MS_NS, Clock
from ..engine.scrub import scrub
from ..errors import LensError
from ..pricing import ZERO, Book
from ..record import Record
from ..request import Request, Target
from ..targets import Place, locate, opened
from ..timeline import ErrorKind, Stage, Timeline
from ..transport import HttpTransport, Network, Timeouts, Tls
from ..workload import Workload
from .config import TargetConfig
from .keys import Key
from .pricing import Charges
from .probe import Probe, row_of

_CONNECT_S = 10.0
_MAX_BODY = 4 * 1024 * 1024
"""A probe asks for little: what answers with more is cut off before it fills the memory."""


class Carries(Protocol):
    """What sends a request: `transport.HttpTransport`, or a test's own."""

    async def send(self, request: Request, timeline: Timeline) -> None: ...


class Ways(Protocol):
    """Which transport leads to a target."""

    def of(self, config: TargetConfig) -> Carries: ...

    async def aclose(self) -> None: ...


class Wires:
    """Transports; targets that go the same way share one, with its certificates and buffers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: dict[tuple[Network, bool], HttpTransport] = {}

    def of(self, config: TargetConfig) -> HttpTransport:
        """The way to a target."""
        network = network_of(config)
        reuse = config.connections == "warm"
        if (network, reuse) not in self._made:
            self._made[network, reuse] = HttpTransport(network, reuse=reuse, clock=self._clock)
        return self._made[network, reuse]

    async def aclose(self) -> None:
        for transport in self._made.values():
            await transport.aclose()


def network_of(config: TargetConfig) -> Network:
    """How a target is reached."""
    limit_s = config.timeout_s
    return Network(
        timeouts=Timeouts(connect_s=min(_CONNECT_S, limit_s), idle_s=None, total_s=limit_s),
        tls=Tls(verify=config.tls_verify, ca_file=config.ca_file),
        proxy=config.proxy,
        max_body=_MAX_BODY,
    )


def target_of(config: TargetConfig, key: str | None, environ: Mapping[str, str]) -> Target:
    """Whom to ask, located. Raises UsageError, where a key is missing for instance."""
    target = Target(
        provider=config.provider,
        model=config.model,
        base_url="",
        max_tokens=config.max_tokens,
        temperature=config.temperature,
        stream=config.stream,
        headers=config.headers,
        extra_body=config.extra_body,
    )
    place = Place(config.base_url, config.region, config.project, config.api_version)
    return locate(providers.get(config.provider), target, place, environ, api_key=key)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A target that is ready to be asked, with the key that it was opened with."""

    key: str | None = field(repr=False)
    target: Target
    workload: Workload
    secrets: Sequence[bytes] = field(repr=False)
    charges: Charges


class Prober:
    """Asks one target, one probe at a time: `prepare`, then `at_most`, then `probe`.

    The key is looked at before each probe, and where it is a new one, the target is opened anew. A
    cloud that does not say who one is makes a failed probe, like everything else that fails.
    """

    def __init__(
        self,
        config: TargetConfig,
        *,
        ways: Ways,
        book: Book,
        clock: Clock,
        environ: Mapping[str, str],
        run: str,
    ) -> None:
        self.config = config
        self._transport = ways.of(config)
        self._book = book
        self._clock = clock
        self._environ = environ
        self._ids = (f"{run}-{number}" for number in count())
        self._key = Key(config, environ)
        self._held = ExitStack()
        self._opened: _Opened | None = None
        self._request: Request | None = None
        self._problem: str | None = None
        self._sending: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Make the next request ready; what is wrong with that becomes of the probe."""
        self._request = self._problem = None
        try:
            key = self._key.now()
            if self._opened is None or key != self._opened.key:
                self._opened = await self._open_anew(key)
            self._request = self._opened.workload(None)
        except LensError as error:
            self._problem = str(error)

    def at_most(self) -> Decimal | None:
        """The most that the request which is ready can cost; None where that is not known."""
        if self._request is None or self._opened is None:
            return ZERO
        return self._opened.charges.at_most(self._request, self._clock.realtime_ns())

    async def probe(self, planned_ns: int | None) -> Probe:
        """Send the request that is ready; `planned_ns` is when the schedule wanted it, None where
        a person asked for it. Never raises for what the network or the server does."""
        begun_ns, now_unix_ns = self._clock.monotonic_ns(), self._clock.realtime_ns()
        lag_ns = begun_ns - planned_ns if planned_ns is not None else 0
        timeline = self._timeline(planned_ns)
        if self._request is None:
            timeline.fail(ErrorKind.AUTH, Stage.RESOLVE, self._problem or "it was not prepared")
            timeline.closed_ns = begun_ns
        else:
            await self._send(self._request, timeline)
        record = self._understood(timeline)
        row = row_of(
            record,
            now_unix_ns - lag_ns,
            self._region,
            asked_for=planned_ns is None,
        )
        row.start_lag_ms = None if planned_ns is None else lag_ns / MS_NS
        return Probe(row, record)

    @property
    def per_million(self) -> Mapping[str, float]:
        """What a million tokens costs, by their kind; nothing before the first probe."""
        return self._opened.charges.per_million if self._opened else {}

    def cut(self) -> None:
        """End the probe under way: it is recorded as cancelled."""
        if self._sending:
            self._sending.cancel()

    def close(self) -> None:
        """Forget who one is there."""
        self._opened = None
        self._held.close()

    @property
    def _region(self) -> str | None:
        return (self._opened and self._opened.target.region) or self.config.region

    async def _open_anew(self, key: str | None) -> _Opened:
        if providers.get(self.config.provider).auth == "key" or key is not None:
            return self._open(key)
        # In a thread: a cloud is asked who one is, and that takes as long as it likes.
        return await asyncio.to_thread(self._open, key)

    def _open(self, key: str | None) -> _Opened:
        self.close()
        target = target_of(self.config, key, self._environ)
        aim = self._held.enter_context(
            opened(
                providers.get(self.config.provider),
                target,
                self._environ,
                aws_profile=self.config.aws_profile,
                anonymous=key == "none",
            )
        )
        workload = aim.workload(self.config.prompts)
        return _Opened(key, aim.target, workload, aim.secrets, Charges(self._book, aim.target))

    def _timeline(self, planned_ns: int | None) -> Timeline:
        config, request = self.config, self._request
        return Timeline(
            id=next(self._ids),
            provider=config.provider,
            model=config.model,
            stream=config.stream,
            max_tokens=request.max_tokens if request else config.max_tokens,
            tag=request.tag if request else None,
            planned_ns=planned_ns,
            arm=config.name,
        )

    async def _send(self, request: Request, timeline: Timeline) -> None:
        # A task of its own, so that it can be cut off without whoever waits for its outcome.
        sending = asyncio.create_task(self._transport.send(request, timeline))
        self._sending = sending
        try:
            await asyncio.wait([sending])
        finally:
            self._sending = None
            sending.cancel()
        if sending.cancelled():
            timeline.fail(ErrorKind.CANCELLED, Stage.WAIT, "cancelled")
        elif isinstance(error := sending.exception(), LensError):
            timeline.fail(ErrorKind.BAD_REQUEST, Stage.SEND, str(error))
        elif error is not None:
            raise error
        if timeline.closed_ns is None:
            timeline.closed_ns = self._clock.monotonic_ns()

    def _understood(self, timeline: Timeline) -> Record:
        """The record with its price and without a word of what was said."""
        if self._opened:
            scrub(timeline, self._opened.secrets)
        record = providers.decode(timeline)
        if self._opened:
            record = self._opened.charges.price(record)
        record.events.text.clear()
        if record.error:
            record.error = record.error.unquoted()
        return record
