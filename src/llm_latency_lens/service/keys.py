"""Keys where they are kept: in the environment, or in a file that a secret store writes anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import UsageError
from ..request import Secret
from .config import TargetConfig


class KeyFile:
    """A file that holds one key and nothing else; read again when it has changed.

    Kubernetes replaces a secret by turning a symlink, so that what the path leads to is looked at.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._key: Secret | None = None

    def read(self) -> Secret:
        """The key. Raises UsageError where there never was one; a file that is gone or empty for a
        moment leaves the last one standing."""
        try:
            found = self._path.stat()
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
            if self._key is None or seen != self._seen:
                self._key = _one_word(self._path)
                self._seen = seen
        except (OSError, UnicodeDecodeError) as error:
            if self._key is None:
                reason = error.strerror if isinstance(error, OSError) else "not text"
                raise UsageError(f"key file {self._path}: {reason}") from None
        except UsageError:
            if self._key is None:
                raise
        return self._key


def _one_word(path: Path) -> Secret:
    words = path.read_text(encoding="utf-8").split()
    if len(words) != 1:
        raise UsageError(f"key file {path} must hold one key and nothing else")
    return Secret(words[0])


class Key:
    """A target's key as it is now."""

    def __init__(self, config: TargetConfig, environ: Mapping[str, str]) -> None:
        self._given = config.api_key
        self._variable = config.api_key_env
        self._file = KeyFile(config.api_key_file) if config.api_key_file else None
        self._environ = environ

    def now(self) -> str | None:
        """None where the provider's own variable is to be looked at. Raises UsageError."""
        if self._file:
            return self._file.read().reveal()
        if self._variable:
            found = self._environ.get(self._variable)
            if not found:
                raise UsageError(f"api_key_env: the variable {self._variable} is not set")
            return found
        return self._given.reveal() if self._given else None
