"""Files of text that a person wrote."""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigError, UsageError


def text_of(path: str | Path) -> str:
    """Raises UsageError for a file that cannot be read, ConfigError for one that is no text."""
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("not UTF-8", path=str(path), line=line) from None
