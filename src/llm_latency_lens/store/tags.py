"""Tags that a person gives to a run. They are kept in its directory, as `tags.json`."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ..errors import UsageError
from .runs import write_private

TAGS = "tags.json"
_GRAMMAR = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/=-]{0,63}")

_log = logging.getLogger(__name__)


def read_tags(path: Path) -> list[str]:
    """The tags of the run in this directory, in order; none where the file cannot be read."""
    try:
        return sorted(set(msgspec.json.decode((path / TAGS).read_bytes(), type=list[str])))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:  # msgspec's own are ValueErrors too
        _log.warning("%s: %s; the run counts as one without tags", path / TAGS, error)
        return []


def change_tags(path: Path, add: Iterable[str], remove: Iterable[str]) -> list[str]:
    """Add and remove tags; gives those that the run has then. Raises StoreError."""
    tags = sorted((set(read_tags(path)) - set(remove)) | set(add))
    write_private(path / TAGS, msgspec.json.encode(tags))
    return tags


def parse_tag(text: str) -> str:
    """A tag, checked. Raises UsageError."""
    if not _GRAMMAR.fullmatch(text):
        raise UsageError(f"{text!r} is no tag: use letters, digits and . _ : / = - (64 at most)")
    return text
