"""`latency-lens analyze`: many runs, looked at together."""

from __future__ import annotations

from ..errors import UsageError
from .history import matching, open_index, said, since_of
from .output import check_writable, prints_table, write_to
from .past import Chosen, Looking, Place, Result
from .world import Call

EXAMPLES = """\
latency-lens analyze
latency-lens analyze --metric itl_ms.p99 --by scenario --since 30d
latency-lens analyze --metric error_rate --by provider --output analysis.json"""


def analyze(call: Call, *, looking: Looking, place: Place, chosen: Chosen, result: Result) -> int:
    """Look at many runs together: is there a trend, when did it change, does the hour matter?

    Each group of runs is one series. What the data cannot decide is said so.
    """
    world = call.world
    check_writable(result.output)
    index = open_index(place, world)
    from ..metrics.analysis import encode
    from ..report.analysis import analysis
    from ..report.json import document
    from ..store.history.query import History
    from ..store.history.series import analyse, parse_metric

    metric = parse_metric(looking.metric)
    rows = matching(index.rows, chosen)
    if not rows:
        filters = said(chosen)
        raise UsageError(f"there is no run to look at{f': {filters}' if filters else ''}")
    with History(index) as history:
        found = analyse(
            history,
            rows,
            metric,
            looking.by,
            model=chosen.model,
            provider=chosen.provider,
            since=since_of(chosen),
            seed=looking.seed,
        )
    if result.output is not None:
        write_to(result.output, world.out, lambda file: document(encode(found), file))
    if prints_table(result.output):
        analysis(found, world.out, color=not result.no_color)
    return 0


VERB = analyze
