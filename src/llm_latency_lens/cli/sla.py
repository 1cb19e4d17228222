"""`latency-lens gate --sla`: service levels, held against all requests of some runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, UsageError
from .gating import Verdicts
from .output import prints_table, write_to
from .world import Call

if TYPE_CHECKING:
    from ..decide.budgets import Held
    from ..decide.sla import Sla


def hold(call: Call, path: str, names: Sequence[str], verdicts: Verdicts, *, color: bool) -> int:
    """Print what was kept and what is left to spend; 1 where an objective was missed."""
    from ..decide.budgets import Ledger
    from ..store import runs

    sla = _read(path)
    folders = list(dict.fromkeys(folder for name in names for folder in runs.folders(name)))
    ledger = Ledger(sla)
    for folder in folders:
        for record in call.world.exported(str(folder)).records():
            ledger.add(record)
    held = ledger.held([folder.name for folder in folders])
    _show(call, held, verdicts, color=color)
    return 0 if held.passed else 1


def text_of(path: str) -> str:
    """Raises UsageError for a file that cannot be read, ConfigError for one that is no text."""
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("not UTF-8", path=path, line=line) from None


def _read(path: str) -> Sla:
    from ..decide.sla import parse_sla

    return parse_sla(text_of(path), path)


def _show(call: Call, held: Held, verdicts: Verdicts, *, color: bool) -> None:
    from ..decide.budgets import encode
    from ..report import sla as pages
    from ..report.json import document

    world = call.world
    if prints_table(verdicts.output, verdicts.markdown):
        pages.text(held, world.out, color=color)
    if verdicts.output is not None:
        write_to(verdicts.output, world.out, lambda file: document(encode(held), file))
    if verdicts.markdown is not None:
        write_to(verdicts.markdown, world.out, lambda file: file.write(pages.markdown(held)))
    if verdicts.annotations:
        world.out.writelines(f"{line}\n" for line in pages.remarks(held))
