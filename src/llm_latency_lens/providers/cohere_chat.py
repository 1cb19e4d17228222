"""Cohere's Chat, second version: request out, record in."""

from __future__ import annotations

from .provider import Provider

ROWS: tuple[Provider, ...] = ()
