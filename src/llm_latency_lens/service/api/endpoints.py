"""The table of endpoints, and what each does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response, StreamingResponse

from ...decide.decision import Decision
from ...errors import UsageError
from ..alerts import Silence
from ..history.bins import TIMES
from ..probe import Row
from . import shapes
from .answering import Endpoint
from .asking import (
    Asked,
    Parameter,
    choice,
    choices,
    length,
    length_of,
    moment,
    share,
    switch,
    text,
    texts,
    whole,
)
from .deciding import Wanted
from .desk import Desk, aligned, step_of
from .openapi import document

if TYPE_CHECKING:
    from ..history import Bin

_MOST_LISTED = 1000

_TARGET = Parameter("target", text(), "the name of a target", required=True)
_OF_TARGET = Parameter("target", text(), "of this target only")
_SINCE = Parameter("since", moment(), "from when on", default="24h")
_UNTIL = Parameter("until", moment(), "until when", default="now")


async def targets(desk: Desk, _: Asked) -> shapes.Targets:
    return shapes.Targets(targets=[shapes.target_of(one) for one in desk.targets])


async def target(desk: Desk, asked: Asked) -> shapes.TargetFound:
    name = asked.path["name"]
    return shapes.TargetFound(
        target=shapes.target_of(desk.target(name)),
        now=desk.now(name),
        schedule=shapes.schedule_of(desk.monitor.standing(name)),
        budgets=desk.budgets(name),
    )


async def latest(desk: Desk, asked: Asked) -> shapes.Latest:
    if asked["target"] is None:
        found = desk.monitor.live.overview()
    else:
        now = desk.now(desk.target(asked["target"]).name)
        found = [now] if now else []
    return shapes.Latest(at_unix_s=asked.now_unix_s, targets=found)


async def series(desk: Desk, asked: Asked) -> shapes.Series:
    name = desk.target(asked["target"]).name
    since, until = asked["since"], asked["until"]
    step_s = asked["step"] or step_of(until - since, desk.target(name).interval_s)
    since, until = aligned(since, until, step_s)
    points = await desk.series(name, since, until, step_s)
    return shapes.Series(
        target=name,
        since_unix_s=since,
        until_unix_s=until,
        step_s=step_s,
        points=[_chosen(one, asked["metric"], asked["histograms"]) for one in points],
    )


def _chosen(point: Bin, metrics: Sequence[str], histograms: bool) -> Bin:
    """The step with what was asked for."""
    away: dict[str, Any] = {name: None for name in TIMES if name not in metrics}
    if not histograms or "ttft_ms" not in metrics:
        away["ttft_histogram"] = []
    if not histograms or "itl_ms" not in metrics:
        away["itl_histogram"] = []
    return msgspec.structs.replace(point, **away)


async def probes(desk: Desk, asked: Asked) -> shapes.Probes:
    name, limit = desk.target(asked["target"]).name, asked["limit"]
    rows = await desk.rows(
        name, asked["since"], asked["until"], newest=limit + 1, failed=asked["failed"]
    )
    newest_first = rows[::-1]
    return shapes.Probes(target=name, probes=newest_first[:limit], more=len(rows) > limit)


async def incidents(desk: Desk, asked: Asked) -> shapes.Incidents:
    found = desk.monitor.alerts.incidents(open_only=asked["open"])
    return shapes.Incidents(
        incidents=[one for one in found if asked["target"] in (None, one.target)][: asked["limit"]]
    )


async def notes(desk: Desk, asked: Asked) -> shapes.Notes:
    name = desk.target(asked["target"]).name
    found = desk.monitor.alerts.notes(name, asked["since"], asked["until"])
    return shapes.Notes(notes=list(found[::-1])[: asked["limit"]])


async def silences(desk: Desk, _: Asked) -> shapes.Silences:
    return shapes.Silences(silences=list(desk.monitor.alerts.silences()))


async def silence(desk: Desk, asked: Asked) -> Silence:
    wanted: shapes.SilenceWanted = asked.body
    lasts_s = length_of(wanted.lasts)
    if not lasts_s:
        raise UsageError(f"lasts must be a length of time such as 4h, not {wanted.lasts!r}")
    until_unix_s = asked.now_unix_s + lasts_s
    return desk.monitor.alerts.silence(wanted.matchers, until_unix_s, wanted.comment)


async def unsilence(desk: Desk, asked: Asked) -> None:
    desk.unsilence(asked.path["id"])


async def probe(desk: Desk, asked: Asked) -> Row:
    name = desk.target(asked.body.target).name
    return await desk.monitor.probe_now(name)


async def decision(desk: Desk, asked: Asked) -> Decision:
    wanted = Wanted(**{name: asked[name] for name in _WISHES if asked[name] is not None})
    return await desk.decision(wanted, asked["since"], asked["until"])


async def decision_of(desk: Desk, asked: Asked) -> Decision:
    wanted: Wanted = asked.body
    read = {one.name: one.kind.read for one in (_SINCE, _UNTIL)}
    try:
        since, until = (read[name](getattr(wanted, name), asked.now_unix_s) for name in read)
    except UsageError as error:
        raise UsageError(f"since or until {error}") from None
    return await desk.decision(wanted, since, until)


async def events(desk: Desk, _: Asked) -> Response:
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(desk.stream.subscribe(), 200, headers, "text/event-stream")


async def openapi(_: Desk, __: Asked) -> Response:
    return Response(_document(), media_type="application/json")


@cache
def _document() -> bytes:
    return msgspec.json.encode(document(ENDPOINTS))


_CHOICE = (
    Parameter("targets", texts(), "whom to choose from, apart by commas; all, if not given"),
    _SINCE,
    _UNTIL,
    Parameter("require", texts(), "limits that must be kept, such as ttft_ms.p95<800"),
    Parameter("minimise", texts(), "figures that should be low, such as cost or ttft_ms.p95"),
    Parameter("maximise", texts(), "figures that should be high"),
    Parameter("profile", choice("interactive", "batch", "cheapest"), "a usual set of figures"),
    Parameter("current", text(), "the target in use: tell what a change would save"),
    Parameter("confidence", share(0.5, 1.0), "share of the resamples that must agree", "0.95"),
)

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/targets", "targets", "All targets, as they are configured.", targets,
             shapes.Targets),
    Endpoint("GET", "/targets/{name}", "target", "One target, and how it stands now.", target,
             shapes.TargetFound),
    Endpoint("GET", "/latest", "latest", "How every target stands now.", latest, shapes.Latest,
             (_OF_TARGET,)),
    Endpoint(
        "GET", "/series", "series", "What one target's probes came to, in steps of time.", series,
        shapes.Series,
        (
            _TARGET,
            Parameter("metric", choices(*TIMES), "which times; all, if not given",
                      ",".join(TIMES)),
            _SINCE,
            _UNTIL,
            Parameter("step", length(), "the length of a step; a round one that suits the span, if"
                      " not given"),
            Parameter("histograms", switch(), "with the counts of a heat map", "false"),
        ),
    ),
    Endpoint(
        "GET", "/probes", "probes", "Single probes of one target, the latest first.", probes,
        shapes.Probes,
        (
            _TARGET,
            Parameter("since", moment(), "from when on", "1h"),
            _UNTIL,
            Parameter("failed", switch(), "only those that failed", "false"),
            Parameter("limit", whole(1, _MOST_LISTED), "how many at most", "100"),
        ),
    ),
    Endpoint(
        "GET", "/incidents", "incidents", "Incidents, the latest first.", incidents,
        shapes.Incidents,
        (
            _OF_TARGET,
            Parameter("open", switch(), "only those that are open", "false"),
            Parameter("limit", whole(1, _MOST_LISTED), "how many at most", "100"),
        ),
    ),
    Endpoint(
        "GET", "/notes", "notes",
        "What has changed at a target: cold starts, versions of the model, the clock.", notes,
        shapes.Notes,
        (_TARGET, _SINCE, _UNTIL,
         Parameter("limit", whole(1, _MOST_LISTED), "how many at most", "100")),
    ),
    Endpoint("GET", "/silences", "silences", "The silences that hold.", silences, shapes.Silences),
    Endpoint("POST", "/silences", "silence", "Silence what fits, for a while.", silence, Silence,
             body=shapes.SilenceWanted, status=201),
    Endpoint("DELETE", "/silences/{id}", "unsilence", "End a silence.", unsilence, None),
    Endpoint("GET", "/events", "events",
             "What happens, as it happens: server-sent events named probe, incidents and reload.",
             events, Response, media="text/event-stream"),
    Endpoint("GET", "/openapi.json", "openapi", "This document.", openapi, Response),
    Endpoint("POST", "/probe", "probe", "Probe a target at once, besides its schedule.", probe, Row,
             body=shapes.ProbeWanted),
    Endpoint("GET", "/decision", "decision", "Which target to take, by what was measured.",
             decision, Decision, _CHOICE),
    Endpoint("POST", "/decision", "decision_of",
             "The same, with weights and scores of one's own.", decision_of, Decision, body=Wanted),
)  # fmt: skip
_WISHES = tuple(one.name for one in _CHOICE if one not in (_SINCE, _UNTIL))
