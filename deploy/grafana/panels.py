"""Panels of the dashboards: lines, numbers, heat maps, and the expressions behind them."""

from __future__ import annotations

from collections.abc import Iterable

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as shared
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
ONE = 'provider=~"$provider", model=~"$model", target=~"$target"'
BY = "target, provider, model"
GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"

Panel = timeseries.Panel | stat.Panel | heatmap.Panel | statetimeline.Panel | table.Panel


def query(expr: str, legend: str = "{{target}}", ref: str = "A") -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).legend_format(legend).range().ref_id(ref)


def instant(expr: str, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).instant().format(PromQueryFormat.TABLE).ref_id(ref)


def quantile(level: float, name: str, by: str = BY) -> str:
    """Of a histogram of the monitor, over what a panel's step and the scrapes ask for."""
    return (
        f"histogram_quantile({level}, sum by ({by}, le) "
        f"(rate(latency_lens_{name}_seconds_bucket{{{ONE}}}[$window])))"
    )


def over_window(how: str, name: str, by: str, also: str = "") -> str:
    """A counter's `rate` or `increase` over the chosen window, summed up."""
    return f"sum by ({by}) ({how}(latency_lens_{name}_total{{{ONE}{also}}}[$window]))"


def failed(by: str = BY) -> str:
    """The share of failed requests among those that ended by themselves."""
    ended = over_window("rate", "requests", by, ', status=~"ok|failed"')
    failures = over_window("rate", "requests", by, ', status="failed"')
    return f"(({failures}) or 0 * ({ended})) / ({ended})"


def steps(*pairs: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    found = [Threshold(value=value, color=color) for value, color in pairs]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def lines(
    title: str, unit: str, queries: Iterable[prometheus.Dataquery], about: str
) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .height(8)
        .span(12)
        .line_width(1)
        .fill_opacity(4)
        .span_nulls(True)
        .tooltip(
            common.VizTooltipOptions()
            .mode(shared.TooltipDisplayMode.MULTI)
            .sort(shared.SortOrder.DESCENDING)
        )
        .legend(
            common.VizLegendOptions()
            .display_mode(shared.LegendDisplayMode.TABLE)
            .placement(shared.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
    )
    for one in queries:
        panel.with_target(one)
    return panel


def number(
    title: str,
    unit: str,
    expr: str,
    about: str,
    thresholds: dashboard.ThresholdsConfig | None = None,
) -> stat.Panel:
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .height(4)
        .span(4)
        .graph_mode(shared.BigValueGraphMode.AREA)
        .color_mode(shared.BigValueColorMode.VALUE)
        .thresholds(thresholds or steps((None, BLUE)))
        .with_target(query(expr, title))
    )


def heat(title: str, name: str, about: str) -> heatmap.Panel:
    expr = f"sum by (le) (increase(latency_lens_{name}_seconds_bucket{{{ONE}}}[$__rate_interval]))"
    return (
        heatmap.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .height(8)
        .span(12)
        .calculate(False)
        .with_target(query(expr, "{{le}}").format(PromQueryFormat.HEATMAP))
    )


def states() -> statetimeline.Panel:
    mapping = ValueMap(
        options={
            "0": ValueMappingResult(text="down", color=RED),
            "1": ValueMappingResult(text="up", color=GREEN),
        }
    )
    return (
        statetimeline.Panel()
        .title("Up and down")
        .description("Down: several probes in a row have failed.")
        .datasource(SOURCE)
        .height(8)
        .span(12)
        .mappings([mapping])
        .thresholds(steps((None, RED), (1, GREEN)))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .show_value(shared.VisibilityMode.NEVER)
        .with_target(query(f"latency_lens_target_up{{{ONE}}}"))
    )


def summary() -> table.Panel:
    """A line for each target: what one looks at first."""
    cells = {
        "A": f"latency_lens_target_up{{{ONE}}}",
        "B": quantile(0.5, "ttft"),
        "C": quantile(0.95, "ttft"),
        "D": quantile(0.99, "itl"),
        "E": failed(),
        "F": f"sum by ({BY}) (increase(latency_lens_cost_usd_total{{{ONE}}}[1d]))",
    }
    names = {
        "Value #A": "up",
        "Value #B": "TTFT p50",
        "Value #C": "TTFT p95",
        "Value #D": "ITL p99",
        "Value #E": "failed",
        "Value #F": "cost a day",
    }
    hidden = dict.fromkeys(["Time", "__name__", "instance", "job", "region"], True)
    panel = (
        table.Panel()
        .title("Targets")
        .description("Over the chosen window; the cost is that of the last day.")
        .datasource(SOURCE)
        .height(9)
        .span(24)
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                id_val="organize", options={"excludeByName": hidden, "renameByName": names}
            )
        )
    )
    for ref, expr in cells.items():
        panel.with_target(instant(expr, ref))
    for name in ("TTFT p50", "TTFT p95", "ITL p99"):
        panel.override_by_name(name, [DynamicConfigValue(id_val="unit", value="s")])
    panel.override_by_name("failed", [DynamicConfigValue(id_val="unit", value="percentunit")])
    panel.override_by_name("cost a day", [DynamicConfigValue(id_val="unit", value="currencyUSD")])
    panel.override_by_name(
        "up",
        [
            DynamicConfigValue(
                id_val="mappings",
                value=[
                    {
                        "type": "value",
                        "options": {
                            "0": {"text": "down", "color": RED},
                            "1": {"text": "up", "color": GREEN},
                        },
                    }
                ],
            ),
            DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
        ],
    )
    return panel
