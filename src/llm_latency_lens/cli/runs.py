"""`latency-lens runs`: all runs that are kept, in a list, one by one, or asked by SQL."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .history import base_of, matching, open_index, said
from .past import Chosen, Doing, Listed, Place
from .world import Call, World

if TYPE_CHECKING:
    from ..metrics.run_row import RunRow

EXAMPLES = """\
latency-lens runs list --since 7d --model 'gpt-4*'
latency-lens runs show latest
latency-lens runs tag latest +nightly -draft
latency-lens runs rm 20240102T030405Z-5f2c1a --yes
latency-lens runs query "SELECT model, count(*) FROM answers GROUP BY ALL\""""

_MOST_ROWS = 1000
"""Of a query, in a table for people."""


def runs(call: Call, *, doing: Doing, place: Place, chosen: Chosen, listed: Listed) -> int:
    """List the runs that are kept, look at one, remove and tag them, or ask them by SQL.

    The history is made from the run directories when it is asked; only what is new is read.
    `query` takes one SELECT over the tables runs, requests, answers, tokens and gaps.
    """
    world = call.world
    if doing.action == "rm":
        return _remove(doing, base_of(place), world)
    if doing.action == "tag":
        return _tag(doing, base_of(place), world)
    if doing.action in ("show", "query"):
        act = _show if doing.action == "show" else _query
        return act(_only_word(doing), place, listed, world)
    from ..report.figures import count

    if doing.words:
        raise UsageError(f"runs {doing.action} takes no {doing.words[0]!r}")
    index = open_index(place, world, anew=doing.anew)
    if doing.action == "sync":
        left = f", {index.left_out:,} left out" if index.left_out else ""
        kept = count(len(index.rows), "run")
        world.out.write(f"{kept}, {index.read:,} of them read just now{left}\n")
        return 0
    _list(matching(index.rows, chosen)[::-1], chosen, listed, world)
    return 0


def tags_last(args: Sequence[str]) -> list[str]:
    """The arguments of `runs tag` with each `-TAG` behind a `--`, where it is not taken for a
    flag; all others as they are."""
    if "tag" not in args or "--" in args:
        return list(args)
    tags = [arg for arg in args if arg[:1] == "-" and arg[1:2] not in ("", "-") and arg != "-h"]
    return [*(arg for arg in args if arg not in tags), *(["--", *tags] if tags else [])]


def _only_word(doing: Doing) -> str:
    if len(doing.words) != 1:
        what = "one run" if doing.action == "show" else "its SQL in one piece, in quotes"
        raise UsageError(f"runs {doing.action} takes {what}")
    return doing.words[0]


def _list(rows: Sequence[RunRow], chosen: Chosen, listed: Listed, world: World) -> None:
    from ..report.figures import count
    from ..report.history import run_list

    shown = rows[: listed.limit or None]
    if listed.format != "table":
        _write_rows(shown, listed.format, world)
        return
    run_list(shown, world.out, color=not listed.no_color)
    filters = said(chosen)
    more = f" of {len(rows):,} (--limit 0 shows all)" if len(shown) < len(rows) else ""
    world.out.write(f"\n{count(len(shown), 'run')}{more}{f': {filters}' if filters else ''}\n")


def _write_rows(rows: Sequence[RunRow], form: str, world: World) -> None:
    import msgspec

    from ..metrics.run_row import RunRow, encode
    from ..report.cells import flat, write_csv
    from ..report.json import document

    if form == "json":
        document(b"[" + b",".join(map(encode, rows)) + b"]", world.out)
        return
    parts = [flat(msgspec.to_builtins(row)) for row in rows]
    columns = list(dict.fromkeys(name for part in parts for name in part))
    names = columns or [field.name for field in msgspec.structs.fields(RunRow)]
    write_csv(names, ([part.get(name) for name in names] for part in parts), world.out)


def _show(name: str, place: Place, listed: Listed, world: World) -> int:
    from ..report.history import run_details
    from ..store.runs import find

    index = open_index(place, world)
    path = find(name, base_of(place)).path
    row = next((row for row in index.rows if Path(row.path).samefile(path)), None)
    if row is None:
        raise UsageError(f"{path} is not among the runs of {index.folder.parents[1]}")
    if listed.format == "table":
        size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        run_details(row, size, world.out, color=not listed.no_color)
    else:
        _write_rows([row], listed.format, world)
    return 0


def _query(sql: str, place: Place, listed: Listed, world: World) -> int:
    index = open_index(place, world)
    from ..report.cells import write_csv, write_json
    from ..report.history import query_table
    from ..store.history.query import History

    with History(index) as history:
        found = history.ask(sql)
    if listed.format == "json":
        write_json(found.columns, found.rows, world.out)
    elif listed.format == "csv":
        write_csv(found.columns, found.rows, world.out)
    else:
        query_table(found.columns, found.rows[:_MOST_ROWS], world.out)
        if len(found.rows) > _MOST_ROWS:
            world.out.write(
                f"\nThe first {_MOST_ROWS:,} of {len(found.rows):,} rows; --format csv has all\n"
            )
    return 0


def _remove(doing: Doing, base: Path, world: World) -> int:
    from ..store.removal import find_exactly, remove, size_of

    if not doing.words:
        raise UsageError("runs rm takes the runs to remove")
    found = list(dict.fromkeys(find_exactly(name, base) for name in doing.words))
    size = sum(map(size_of, found))
    names = ", ".join(path.name for path in found)
    if not doing.yes and not _agreed(f"Remove {names} ({size / 1e6:,.1f} MB)?", world):
        world.err.write("Nothing was removed\n")
        return 1
    for path in found:
        left = remove(path)
        other = f"; {left:,} other files stay" if left else ""
        world.out.write(f"Removed {path}{other}\n")
    return 0


def _agreed(question: str, world: World) -> bool:
    stdin = world.stdin or sys.stdin.buffer
    world.err.write(f"{question} [y/N] ")
    world.err.flush()
    answer = stdin.readline()
    if not answer:
        world.err.write("\n")
        raise UsageError("nobody is there to ask: give --yes")
    return answer.strip().lower() in (b"y", b"yes")


def _tag(doing: Doing, base: Path, world: World) -> int:
    from ..store.runs import find
    from ..store.tags import change_tags, parse_tag

    names = [word for word in doing.words if word[0] not in "+-"]
    if len(names) != 1 or len(doing.words) < 2:
        raise UsageError("runs tag takes a run, then +TAG to add and -TAG to remove one")
    run = find(names[0], base)
    add = [parse_tag(word[1:]) for word in doing.words if word.startswith("+")]
    drop = [parse_tag(word[1:]) for word in doing.words if word.startswith("-")]
    tags = change_tags(run.path, add, drop)
    world.out.write(f"{run.file.context.id}: {' '.join(tags) or 'no tags'}\n")
    return 0


VERB = runs
