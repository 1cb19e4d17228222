"""Runs of other tools, brought in: each becomes a run directory that holds records and no bytes."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec

from .. import imports
from .._version import __version__
from ..errors import StoreError, UsageError
from ..imports import Foreign
from ..metrics.context import Context
from ..metrics.lines import encode, to_line
from . import runs
from .removal import own_files
from .tags import change_tags

_LARGEST = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person says of what is brought in: it comes before what the file says."""

    name: str | None = None
    provider: str | None = None
    model: str | None = None
    region: str | None = None
    started_at: datetime | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Brought:
    """A run that was brought in; `new` is false where it was there already."""

    path: Path
    context: Context
    ok: int
    sent: int
    new: bool


def bring(path: Path, base: Path, wanted: Wanted) -> list[Brought]:
    """Bring in the runs of a file, or a run directory of our own.

    Raises UsageError where the file is not one of a tool that is known, or says too little, and
    StoreError when the disk does not take it.
    """
    if path.is_dir():
        if (path / runs.RUN).is_file():
            return [_copied(path, base, wanted)]
        lines = (path / tool.LINES for tool in (imports.aiperf, imports.llmeter))
        found = next((file for file in lines if file.is_file()), None)
        if found is None:
            raise UsageError(f"{path}: this is a folder; name the file of results in it")
        path = found
    data = _bytes(path)
    try:
        found_runs = imports.read(data, lambda name: _beside(path, name))
        return [_brought(path, foreign, base, wanted) for foreign in found_runs]
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{path}: larger than 1 GiB; that is too much for one file")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _beside(path: Path, name: str) -> bytes | None:
    """A file of the same folder; `*` in its name is the beginning of this one's."""
    if name.startswith("*"):
        begin = path.name.removesuffix("individual_responses.json").removesuffix("summary.json")
        name = begin + name.removeprefix("*_")
    found = path.with_name(name)
    return found.read_bytes() if found.is_file() else None


def _brought(path: Path, foreign: Foreign, base: Path, wanted: Wanted) -> Brought:
    started_ns = foreign.started_at_unix_ns
    if wanted.started_at is not None:
        started_ns = round(wanted.started_at.timestamp() * 1e9)
    if not started_ns:
        raise UsageError("nothing in it says when it was: give --started-at 2026-01-31T09:30")
    started = datetime.fromtimestamp(started_ns / 1e9, UTC)
    run_id = f"{started:%Y%m%dT%H%M%SZ}-{_mark(foreign)}"
    context = _context(path, foreign, run_id, started_ns, wanted)
    for record in foreign.records:
        record.provider = wanted.provider or foreign.provider or ""
        record.model = wanted.model or record.model
    folder = base / "runs" / run_id
    counted = [one for one in foreign.records if not one.warmup]
    told = Brought(
        folder,
        context,
        sum(one.status == "ok" for one in counted) if counted else foreign.told.get("ok") or 0,
        len(counted),
        new=not (folder / runs.RUN).is_file(),
    )
    if told.new:
        runs.create(run_id, folder)
        runs.write_records(folder / runs.RECORDS, foreign.records, keep_text=False)
        runs.write(folder, runs.RunFile(raw="off", context=context))
    _tag(folder, wanted)
    return told


def _mark(foreign: Foreign) -> str:
    """The same for the same measurements, whichever of a tool's files they come from."""
    digest = hashlib.sha256(msgspec.json.encode((foreign.tool, foreign.told)))
    for record in foreign.records:
        digest.update(encode(to_line(record)))
    return digest.hexdigest()[:6]


def _context(path: Path, foreign: Foreign, run_id: str, started_ns: int, wanted: Wanted) -> Context:
    rate = foreign.rate
    return Context(
        id=run_id,
        name=wanted.name or foreign.name,
        started_at_unix_ns=started_ns,
        tool_version=__version__,
        config={
            "provider": wanted.provider or foreign.provider,
            "model": wanted.model or foreign.model,
            "base_url": _public(foreign.base_url),
            "operation": "chat",
            "region": wanted.region,
            "stream": foreign.stream,
            "concurrency": foreign.concurrency,
        },
        mode="closed" if rate is None else "open",
        concurrency=foreign.concurrency,
        offered_rate=rate,
        warmup=sum(record.warmup for record in foreign.records),
        source={
            "tool": foreign.tool,
            "version": foreign.version,
            "file": path.name,
            "window_s": foreign.window_s,
            "notes": foreign.notes,
            "told": foreign.told,
        },
    )


def _public(url: str | None) -> str | None:
    """The address without a user and a password."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _copied(path: Path, base: Path, wanted: Wanted) -> Brought:
    """A run directory of our own, as it is."""
    run = runs.load(path)
    context = run.file.context
    folder = base / "runs" / Path(context.id).name
    new = not (folder / runs.RUN).is_file()
    if new:
        runs.create(context.id, folder)
        try:
            for file in own_files(path):
                shutil.copyfile(file, folder / file.name)
                (folder / file.name).chmod(0o600)
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror}") from None
    _tag(folder, wanted)
    return Brought(folder, context, 0, 0, new)


def _tag(folder: Path, wanted: Wanted) -> None:
    if wanted.tags:
        change_tags(folder, wanted.tags, ())
