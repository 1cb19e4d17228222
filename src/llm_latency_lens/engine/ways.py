"""The ways to the servers of a run. An experiment asks several, or one of them in several ways."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..clock import Clock
from ..request import Request
from ..timeline import Timeline
from ..transport import HttpTransport, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where requests go, and whether their connections are kept or made anew for each."""

    url: str
    network: Network = field(default_factory=Network)
    connections: Literal["warm", "cold"] = "warm"


class Ways:
    """A transport that sends each request by the way of its arm, or by that of None where the arm
    has none of its own. Equal ways share their connections.
    """

    def __init__(self, by_arm: Mapping[str | None, Way], clock: Clock) -> None:
        self._transports = {
            way: HttpTransport(way.network, reuse=way.connections == "warm", clock=clock)
            for way in by_arm.values()
        }
        self._by_arm = {arm: self._transports[way] for arm, way in by_arm.items()}

    def __len__(self) -> int:
        return len(self._transports)

    def check(self) -> None:
        """Raise UsageError for an address, a proxy or a certificate file that cannot be used."""
        for way, transport in self._transports.items():
            transport.check(way.url)

    async def warm(self, count: int) -> None:
        """Open `count` connections on each way that keeps them.

        A server that is not there shows in the first request: it needs no second message.
        """
        warming = (transport.warm(way.url, count) for way, transport in self._transports.items())
        await asyncio.gather(*warming)

    async def send(self, request: Request, timeline: Timeline) -> None:
        transport = self._by_arm.get(request.arm) or self._by_arm[None]
        await transport.send(request, timeline)

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()
