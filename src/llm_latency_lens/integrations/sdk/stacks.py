"""The stacks that can be tapped, by the module that has to be loaded for it."""

from __future__ import annotations

from .aiohttp_tap import tap_aiohttp
from .begin import on_quiet, under_way
from .http_client_tap import tap_urllib3
from .httpx_tap import (
    tap_anyio,
    tap_anyio_stream,
    tap_httpx,
    tap_sync_stream,
    tap_trio_stream,
)
from .patches import Taps

TAPS = Taps(
    {
        "httpx": tap_httpx,
        "httpx2": tap_httpx,
        **{
            f"{core}._backends.{name}": tap
            for core in ("httpcore", "httpcore2")
            for name, tap in (
                ("sync", tap_sync_stream),
                ("anyio", tap_anyio_stream),
                ("trio", tap_trio_stream),
            )
        },
        "anyio._backends._asyncio": tap_anyio,
        "aiohttp": tap_aiohttp,
        "urllib3.connection": tap_urllib3,
    },
    busy=lambda: bool(under_way),
)
on_quiet.append(TAPS.settle)
