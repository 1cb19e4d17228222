"""Files that later runs are held against."""

from __future__ import annotations

from pathlib import Path

from ..decide.baseline import decode
from ..decide.sample import Sample
from ..errors import StoreError


def read_baseline(path: str | Path) -> Sample:
    """Raises StoreError for a file that cannot be read, or is no baseline."""
    try:
        return decode(Path(path).read_bytes())
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from None
