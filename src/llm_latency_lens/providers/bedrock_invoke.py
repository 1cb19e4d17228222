"""AWS Bedrock's InvokeModelWithResponseStream: request out, record in."""

from __future__ import annotations

from .provider import Provider

ROWS: tuple[Provider, ...] = ()
