"""Why there is no answer, besides wrong usage."""

from __future__ import annotations

from ...errors import RunError, UsageError


class NotThereError(UsageError):
    """What was asked for does not exist."""


class RefusedError(UsageError):
    """It is not allowed, whoever asks."""


class BusyError(RunError):
    """As much is under way as may be."""
