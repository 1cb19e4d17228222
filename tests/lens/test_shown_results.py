"""Results in a notebook and in a terminal, and their charts."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1]))
from drawn_samples import kept, records
from llm_latency_lens import (
    Benchmark,
    ErrorKind,
    Profile,
    RequestError,
    RunError,
    Stage,
    Status,
    Trial,
    UsageError,
    load,
    optimize,
    watch,
)
from llm_latency_lens.experiments.compare import summed_up
from llm_latency_lens.metrics.comparison import Comparison, decode, encode
from llm_latency_lens.record import Record
from llm_latency_lens.report.html.shown import calls, request
from llm_latency_lens.report.html.styles import colors, fragment_style

HOSTILE = "</td><script>alert(1)</script>\u202e&"
_VOID = {"meta", "br"}


class Piece(HTMLParser):
    """A piece of HTML whose elements are all closed, and what it shows."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.shown: list[str] = []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style" and data.strip():
            self.shown.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return "\n".join(self.shown)


def piece(found: Any) -> Piece:
    return Piece(found._repr_html_())


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return load(kept(tmp_path_factory.mktemp("kept") / "run", records(40), name="nightly"))


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial[Comparison]:
    """Two candidates, the second slower."""
    quick = [replace(one, arm="quick") for one in records(20)]
    slow = [replace(one, arm="slow") for one in records(20, 2, ttft="lognormal:900ms,0.2")]
    arms = {"quick": {"model": "a"}, "slow": {"model": "b"}}
    config: dict[str, Any] = {
        "experiment": "compare",
        "requests": 20,
        "warmup": 0,
        "seed": 0,
        "concurrency": 1,
        "base_url": "http://localhost/v1",
    }
    folder = kept(tmp_path_factory.mktemp("kept") / "run", quick + slow, arms=arms, prompts=1,
                  **config)  # fmt: skip
    again = load(folder)
    return Trial(summed_up(again.records(), again.run.file.context), again.run)


def test_a_benchmark_is_a_verdict_a_table_and_charts(benchmark: Benchmark) -> None:
    shown = piece(benchmark)
    assert benchmark.result.validity.verdict in shown.shown
    assert "TTFT" in shown.shown
    assert f"{benchmark.result.metrics.ttft_ms.p50:.1f}" in shown.shown
    assert shown.tags.count("svg") == 3
    assert "script" not in shown.tags
    told = [value for name, value in shown.attributes if name == "aria-label"]
    assert any("Cumulative distribution" in str(words) for words in told)


def test_drawings_share_no_names(benchmark: Benchmark, trial: Trial[Comparison]) -> None:
    names = re.findall(r'\bid="([^"]+)"', benchmark._repr_html_() + trial._repr_html_())
    assert len(names) == len(set(names))
    assert names


def test_an_experiment_is_its_sentences_and_its_candidates(trial: Trial[Comparison]) -> None:
    shown = piece(trial)
    (pair,) = trial.result.pairs
    assert pair.sentence in shown.shown
    assert {"quick", "slow"} <= set(shown.shown)
    assert repr(trial) == f"Trial({pair.sentence.removesuffix('.')}, run drawn)"
    assert pair.sentence.split()[0] in str(trial)


def test_without_the_extra_there_are_tables(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    monkeypatch.delitem(sys.modules, "llm_latency_lens.report.html.svg", raising=False)
    monkeypatch.delattr("llm_latency_lens.report.html.svg", raising=False)
    assert "svg" not in piece(benchmark).tags
    one = Profile(records(1)[0], benchmark.run)
    assert "wait" in piece(one).shown
    with pytest.raises(UsageError, match=r"a plot needs vl_convert: pip install '.*\[report\]'"):
        benchmark.plot()._repr_html_()


def test_a_profile_is_a_waterfall(benchmark: Benchmark) -> None:
    record = records(1)[0]
    one = Profile(record, benchmark.run)
    shown = piece(one)
    assert {"ok", "Where the time went", "wait", "tokens", "stamps"} <= set(shown.shown)
    assert one.text.split()[0] not in shown.shown
    assert repr(one).startswith("Profile(openai/sim: ok, TTFT ")
    assert "wait" in str(one)
    assert one.plot().told.startswith("A typical") or one.plot().title == "The slowest request"


def test_a_request_that_failed_says_why_without_quoting(benchmark: Benchmark) -> None:
    record = Record("r", 0, Status.FAILED, provider="openai", model=HOSTILE)
    record.error = RequestError(ErrorKind.AUTH, Stage.WAIT, "no such key: my secret", 401)
    one = Profile(record, benchmark.run)
    shown = piece(one)
    assert any(line.startswith("auth 401 (wait)") for line in shown.shown)
    assert "script" not in shown.tags
    assert "\u202e" not in shown.text
    assert repr(one) == f"Profile(openai/{HOSTILE}: failed)"
    with pytest.raises(UsageError, match="there is nothing to draw as waterfall"):
        one.plot()
    assert request(record, benchmark.result)


def test_watched_calls_are_a_table() -> None:
    found = [replace(one, tag=f"app.py:{place}") for place, one in enumerate(records(30))]
    shown = Piece(calls(found))
    assert {"30 calls", "the newest 20 of 30", "app.py:29", "app.py:10"} <= set(shown.shown)
    assert "app.py:9" not in shown.shown
    with watch() as seen:
        assert piece(seen).shown == ["0 calls"]
    assert seen.to_pandas().empty
    assert seen.to_arrow().num_rows == seen.to_polars("tokens").shape[0] == 0


def test_a_decision_is_a_table(trial: Trial[Comparison]) -> None:
    found = optimize([trial.run_dir])
    shown = piece(found)
    assert found.sentence in shown.shown
    assert {"1 quick", "2 slow", "Asked for"} <= set(shown.shown)
    assert repr(found).startswith(f"Decision({found.answer}: ")
    assert found.sentence.split()[0] in str(found)


def test_nothing_sent_is_said(tmp_path: Path) -> None:
    again = load(kept(tmp_path / "none", [], experiment="compare", arms={}))
    shown = piece(Trial(object(), again.run))
    assert shown.shown == ["No request was sent"]


# --- plots ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ecdf", "histogram", "timeline", "gaps", "waterfall"])
def test_each_plot_is_drawn(benchmark: Benchmark, kind: Any) -> None:
    plot = benchmark.plot(kind)
    shown = piece(plot)
    assert plot.title in shown.shown
    assert shown.tags.count("svg") == 1
    root = ET.fromstring(plot._repr_svg_())
    assert root.tag.endswith("svg")
    assert "var(--" not in plot.svg()
    assert plot.spec["title"]["text"] == plot.title


def test_candidates_are_drawn_together_or_alone(trial: Trial[Comparison]) -> None:
    for kind in ("ecdf", "timeline"):
        together = trial.plot(kind)  # type: ignore[arg-type]
        assert {"quick", "slow"} <= set(piece(together).shown)
        assert "quick" in together.svg()
    assert "quick" not in piece(trial.plot("ecdf", "itl_ms", arm="slow")).shown
    with pytest.raises(UsageError, match="waterfall draws one candidate: name it by arm, one of"):
        trial.plot("waterfall")
    with pytest.raises(UsageError, match="no candidate 'third': there are quick, slow"):
        trial.plot(arm="third")


def test_a_plot_is_saved_as_its_ending_says(benchmark: Benchmark, tmp_path: Path) -> None:
    plot = benchmark.plot()
    for ending, begin in (("svg", b"<svg"), ("png", b"\x89PNG"), ("html", b"<!doctype html>")):
        plot.save(tmp_path / f"plot.{ending}", theme="dark")
        assert (tmp_path / f"plot.{ending}").read_bytes().startswith(begin)
    assert colors("dark")["s0"] in (tmp_path / "plot.svg").read_text()
    assert colors("light")["s0"] in plot.svg("light")


def test_wrong_wishes_are_one_line(benchmark: Benchmark, tmp_path: Path) -> None:
    for wish, told in (
        (lambda: benchmark.plot("pie"), "no plot 'pie': there are ecdf, "),  # type: ignore[arg-type]
        (lambda: benchmark.plot("ecdf", "x_ms"), "no x_ms to draw; there is ttft_ms, itl_ms"),
        (lambda: benchmark.plot().save("x.gif"), "saved as .svg, .png or .html"),
        (lambda: benchmark.plot().svg("blue"), "no theme 'blue': there are light and dark"),  # type: ignore[arg-type]
    ):
        with pytest.raises(UsageError, match=re.escape(told)):
            wish()
    with pytest.raises(RunError, match=r"cannot write .*nosuch"):
        benchmark.plot().save(tmp_path / "nosuch" / "x.svg")


def test_the_page_is_one_call(
    benchmark: Benchmark, trial: Trial[Comparison], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = import_module("llm_latency_lens.report.html.page")
    monkeypatch.setattr(page, "vega", lambda: "1;")
    benchmark.report(tmp_path / "one.html")
    assert "TTFT" in (tmp_path / "one.html").read_text()
    trial.report(tmp_path / "two.html")
    assert trial.result.pairs[0].sentence in (tmp_path / "two.html").read_text()
    with pytest.raises(RunError, match="cannot write"):
        benchmark.report(tmp_path / "nosuch" / "x.html")


def test_the_style_reaches_nothing_else() -> None:
    rules = re.sub(r"@media [^{]+\{(.*?\})\s*\}", r"\1", fragment_style(), flags=re.S)
    for rule in re.findall(r"([^{}]+)\{", rules):
        for selector in rule.split(","):
            assert ".latency-lens" in selector, selector


def test_a_benchmark_is_one_line_where_it_is_looked_at(benchmark: Benchmark) -> None:
    assert repr(benchmark) == (
        "Benchmark(40 of 40 requests succeeded, TTFT p50 "
        f"{benchmark.result.metrics.ttft_ms.p50:.0f} ms, E2E p50 "
        f"{benchmark.result.metrics.e2e_ms.p50:.0f} ms, "
        f"{benchmark.result.validity.verdict}, run nightly)"
    )
    assert "verdict" in str(benchmark)


# --- what came out, by itself ---------------------------------------------------------------


def test_a_comparison_has_a_face_of_its_own(trial: Trial[Comparison]) -> None:
    found = trial.result
    shown = piece(found)
    assert {"quick", "slow", "TTFT p50", "tokens/s"} <= set(shown.shown)
    assert found.pairs[0].sentence in shown.shown
    assert repr(found).startswith(f"Comparison({found.pairs[0].sentence[:20]}")
    assert "TTFT p50" in str(found)
    again = decode(encode(found))
    assert again == found
    assert found == again
    assert repr(again) != repr(found) != ""
    assert found != 1


def test_a_gate_has_a_face_of_its_own(benchmark: Benchmark) -> None:
    found = benchmark.gate("ttft_ms.p50<1ms", allow_invalid=True)
    assert repr(found) == "Gate(missed: 0 of 1 threshold kept)"
    assert "gate FAILED" in str(found)
    assert any("gate FAILED" in line for line in piece(found).shown)


def test_nothing_is_printed_elsewhere_in_a_notebook(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where rich thinks that it is in one, it would leave the text empty."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert "verdict" in str(benchmark)
