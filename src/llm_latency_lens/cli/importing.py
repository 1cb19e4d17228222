"""`latency-lens import`: what other tools measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .history import base_of
from .past import Bringing, Place, Quiet
from .world import Call

if TYPE_CHECKING:
    from ..store.importing import Brought

EXAMPLES = """\
latency-lens import guidellm.json
latency-lens import aiperf/profile_export.jsonl --name nightly --tag aiperf
latency-lens import result.json --started-at 2026-01-31T09:30 --model llama-3"""


def import_(call: Call, *, bringing: Bringing, place: Place, quiet: Quiet) -> int:  # noqa: ARG001
    """Bring in results of other tools: GuideLLM, AIPerf, vllm bench serve, LLMPerf and LLMeter.

    Run directories of other machines are brought in too.

    Each becomes a run of its own, marked with the tool and its version. What a file does not hold
    stays unknown. A file that was brought in before is not brought in twice.
    """
    from ..store.importing import Wanted, bring
    from ..store.tags import parse_tag

    if not bringing.files:
        raise UsageError("import takes the files to bring in")
    started = bringing.started_at
    if isinstance(started, timedelta):
        started = datetime.now(UTC) - started
    wanted = Wanted(
        name=bringing.name,
        provider=bringing.provider,
        model=bringing.model,
        region=bringing.region,
        started_at=started,
        tags=tuple(map(parse_tag, bringing.tag)),
    )
    base = base_of(place)
    for file in bringing.files:
        for brought in bring(Path(file), base, wanted):
            call.world.out.write(_told(brought))
    return 0


def _told(brought: Brought) -> str:
    context = brought.context
    source = context.source or {}
    tool = " ".join(filter(None, (source.get("tool", "latency-lens"), source.get("version"))))
    if not brought.new:
        return f"{context.id}  {tool}: it was there already\n"
    parts = [f"{context.id}  {tool}"]
    if model := context.config.get("model"):
        parts.append(str(model))
    if brought.sent:
        parts.append(f"{brought.ok:,} of {brought.sent:,} requests succeeded")
    notes = [f"  {note}\n" for note in source.get("notes", ())]
    return ", ".join(parts) + "\n" + "".join(notes)


import_.__name__ = "import"
VERB = import_
