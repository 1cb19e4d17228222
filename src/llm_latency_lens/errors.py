"""What the package raises. A failed call is data (`record.RequestError`), never one of these.

LensError
├── UsageError            the caller asked for something impossible          exit code 2
│   └── ConfigError       the same, in a file: carries its path and line
└── RunError              a sound request could not be carried out          exit code 3
    ├── StoreError        a run directory cannot be read or written
    └── SinkError         a receiver did not take what was sent to it
"""

from __future__ import annotations


class LensError(Exception):
    """Base of every exception that this package raises on purpose; its text is one plain line."""

    exit_code = 3


class UsageError(LensError):
    """A value, flag or file given by the caller is wrong; the text says which and what to do."""

    exit_code = 2


class ConfigError(UsageError):
    """A mistake in a configuration file."""

    def __init__(self, message: str, *, path: str, line: int | None = None) -> None:
        self.path = path
        self.line = line
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {message}")


class RunError(LensError):
    """The run could not be completed; what was measured before is kept."""


class StoreError(RunError):
    """A run directory is missing, unreadable, or the disk under it is full."""


class SinkError(RunError):
    """A receiver of measurements did not take them; `later` it may, as far as one can tell."""

    def __init__(self, message: str, *, later: bool) -> None:
        super().__init__(message)
        self.later = later
