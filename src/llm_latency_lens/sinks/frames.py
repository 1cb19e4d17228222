"""Records as the tables of data libraries: PyArrow's, and from there pandas' and Polars'.

The columns are those of the Parquet export.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from ..errors import UsageError
from ..extras import needing
from ..record import Record

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

Kind = Literal["requests", "tokens"]
KINDS = ("requests", "tokens")


def arrow(
    records: Iterable[Record], table: Kind, *, keep_text: bool = False, what: str = "to_arrow()"
) -> pa.Table:
    """One row a request, or one a content event. Raises UsageError for another table, and where
    PyArrow is not installed; `what` is then named as what needs it."""
    if table not in KINDS:
        raise UsageError(f"no table {table!r}: there are {' and '.join(KINDS)}")
    with needing("store", what, "pyarrow"):
        from .parquet import table_of
    return table_of(records, table, keep_text=keep_text)


def pandas(records: Iterable[Record], table: Kind, *, keep_text: bool = False) -> pd.DataFrame:
    """The same for pandas: names that repeat are categories, money stays decimal."""
    what = "to_pandas()"
    with needing("pandas", what, "pandas"):
        import pandas as _  # noqa: F401  (else PyArrow would say that it is missing)
    found: pd.DataFrame = arrow(records, table, keep_text=keep_text, what=what).to_pandas()
    return found


def polars(records: Iterable[Record], table: Kind, *, keep_text: bool = False) -> pl.DataFrame:
    """The same for Polars."""
    what = "to_polars()"
    with needing("polars", what, "polars"):
        import polars
    return polars.DataFrame(arrow(records, table, keep_text=keep_text, what=what))
