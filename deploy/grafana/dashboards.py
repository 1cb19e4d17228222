"""The dashboards for Grafana, as code; `python deploy/generate.py` writes them.

Needs grafana-foundation-sdk. A test makes them anew and compares, and asks a Prometheus that the
monitor filled for each of their queries.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    VariableOption,
    VariableRefresh,
)
from panels import (
    BY,
    GREEN,
    ONE,
    ORANGE,
    RED,
    SOURCE,
    Panel,
    failed,
    heat,
    lines,
    number,
    over_window,
    quantile,
    query,
    states,
    steps,
    summary,
)


def variable(name: str, expr: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name)
        .query(expr)
        .datasource(SOURCE)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(selected=True, text="All", value="$__all"))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def begun(title: str, uid: str, about: str) -> dashboard.Dashboard:
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["llm", "latency", "latency-lens"])
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time("now-6h", "now")
        .editable()
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("data source").type("prometheus")
        )
        .with_variable(variable("provider", "label_values(latency_lens_target_up, provider)"))
        .with_variable(
            variable("model", 'label_values(latency_lens_target_up{provider=~"$provider"}, model)')
        )
        .with_variable(
            variable(
                "target",
                "label_values(latency_lens_target_up"
                '{provider=~"$provider", model=~"$model"}, target)',
            )
        )
        .with_variable(
            dashboard.CustomVariable("window")
            .label("window")
            .values("5m,15m,30m,1h,6h,1d")
            .current(VariableOption(selected=True, text="30m", value="30m"))
        )
    )


def filled(
    board: dashboard.Dashboard, rows: Sequence[tuple[str, Sequence[Panel]]]
) -> dashboard.Dashboard:
    for title, panels in rows:
        board.with_row(dashboard.Row(title))
        for panel in panels:
            board.with_panel(panel)
    return board


def overview() -> dashboard.Dashboard:
    board = begun(
        "LLM latency",
        "latency-lens-overview",
        "Every target of latency-lens monitor, side by side.",
    )
    numbers = [
        number("Targets up", "short", f"sum(latency_lens_target_up{{{ONE}}})", "That answer."),
        number(
            "Targets down",
            "short",
            f"count(latency_lens_target_up{{{ONE}}} == 0) or vector(0)",
            "That do not.",
            steps((None, GREEN), (1, RED)),
        ),
        number(
            "Failed",
            "percentunit",
            failed(by="job"),
            "Share of all probes.",
            steps((None, GREEN), (0.01, ORANGE), (0.05, RED)),
        ),
        number(
            "TTFT p50",
            "s",
            quantile(0.5, "ttft", "job"),
            "Of all answers, from start to first token.",
        ),
        number("ITL p99", "s", quantile(0.99, "itl", "job"), "Of all gaps between content events."),
        number(
            "Cost a day",
            "currencyUSD",
            f"sum(increase(latency_lens_cost_usd_total{{{ONE}}}[1d]))",
            "What the probes cost.",
        ),
    ]
    rows: list[tuple[str, Sequence[Panel]]] = [
        ("Now", [*numbers, summary()]),
        (
            "Latency",
            [
                lines(
                    "TTFT p50",
                    "s",
                    [query(quantile(0.5, "ttft"))],
                    "Time to first token, without connecting.",
                ),
                lines(
                    "TTFT p95", "s", [query(quantile(0.95, "ttft"))], "One in twenty takes longer."
                ),
                lines(
                    "ITL p99",
                    "s",
                    [query(quantile(0.99, "itl"))],
                    "One gap in a hundred is longer.",
                ),
                lines(
                    "E2E p95",
                    "s",
                    [query(quantile(0.95, "e2e"))],
                    "From start to the end of the answer.",
                ),
            ],
        ),
        (
            "Failures",
            [
                states(),
                lines(
                    "Failures by kind",
                    "short",
                    [
                        query(
                            over_window("increase", "errors", "kind, stage"),
                            "{{kind}} ({{stage}})",
                        )
                    ],
                    "Why, and in which stage of the request.",
                ),
            ],
        ),
    ]
    return filled(board, rows)


def one_target() -> dashboard.Dashboard:
    board = begun(
        "LLM latency: one target",
        "latency-lens-target",
        "One target of latency-lens monitor in depth.",
    )
    every = ((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"))

    def quantiles(name: str) -> list[prometheus.Dataquery]:
        return [
            query(quantile(level, name), f"{{{{target}}}} {told}", ref)
            for ref, (level, told) in zip("ABCD", every, strict=True)
        ]

    burn = f"latency_lens_burn_rate{{{ONE}}}"
    left = f"latency_lens_error_budget_left_ratio{{{ONE}}}"
    rows: list[tuple[str, Sequence[Panel]]] = [
        (
            "Latency",
            [
                lines("TTFT", "s", quantiles("ttft"), "Time to first token."),
                lines("ITL", "s", quantiles("itl"), "Every gap between content events, pooled."),
                lines("TPOT", "s", quantiles("tpot"), "Time per output token after the first."),
                lines("E2E", "s", quantiles("e2e"), "The whole answer."),
                heat("TTFT, spread", "ttft", "How many answers took how long."),
                heat("ITL, spread", "itl", "How many gaps were how long."),
            ],
        ),
        (
            "Connection",
            [
                lines(
                    "Connection p50 by phase",
                    "s",
                    [query(quantile(0.5, "connection", f"{BY}, phase"), "{{target}} {{phase}}")],
                    "DNS, TCP and TLS of fresh connections.",
                ),
                lines(
                    "Rate limit left",
                    "short",
                    [query(f"latency_lens_rate_limit_remaining{{{ONE}}}", "{{target}} {{limit}}")],
                    "As the provider's headers say.",
                ),
            ],
        ),
        (
            "Service levels",
            [
                lines(
                    "Error budget left",
                    "percentunit",
                    [query(left, "{{target}} {{objective}} {{window}}")],
                    "Of each objective; below 0 it is missed.",
                ).min(-1),
                lines(
                    "Burn rate",
                    "short",
                    [query(burn, "{{target}} {{objective}} {{window}}")],
                    "How many times as fast as allowed the budget is spent.",
                ),
                lines("Failed", "percentunit", [query(failed())], "Share of requests."),
                lines(
                    "Availability",
                    "percentunit",
                    [query(f"latency_lens_availability_ratio{{{ONE}}}", "{{target}} {{window}}")],
                    "Share of probes that were answered.",
                ).max(1),
            ],
        ),
        (
            "Tokens and money",
            [
                lines(
                    "Tokens a second",
                    "short",
                    [
                        query(
                            over_window("rate", "tokens", f"{BY}, type"),
                            "{{target}} {{type}}",
                        )
                    ],
                    "That the probes used.",
                ),
                lines(
                    "Cost a day",
                    "currencyUSD",
                    [query(f"sum by ({BY}) (increase(latency_lens_cost_usd_total{{{ONE}}}[1d]))")],
                    "What the probes of the last day cost.",
                ),
            ],
        ),
        (
            "The instrument",
            [
                lines(
                    "Start lag p99",
                    "s",
                    [
                        query(
                            "histogram_quantile(0.99, sum by (le) "
                            "(rate(latency_lens_probe_start_lag_seconds_bucket[$window])))",
                            "p99",
                        )
                    ],
                    "How late probes start. Late starts mean a machine that is too busy.",
                ),
                lines(
                    "Queues of pushes",
                    "bytes",
                    [query("latency_lens_push_queue_bytes", "{{receiver}}")],
                    "What waits for receivers that are away.",
                ),
            ],
        ),
    ]
    return filled(board, rows)


BOARDS = {"overview.json": overview, "target.json": one_target}


def rendered() -> dict[str, str]:
    """Each file's name, and what it holds."""
    return {
        name: json.dumps(make().build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"
        for name, make in BOARDS.items()
    }
