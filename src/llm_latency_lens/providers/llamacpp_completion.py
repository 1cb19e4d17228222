"""llama.cpp's own completion: request out, record in."""

from __future__ import annotations

from .provider import Provider

ROWS: tuple[Provider, ...] = ()
