"""Service levels: how they are written, what is wrong in which line, and what they come to."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import jsonschema
import pytest
import yaml

from llm_latency_lens.decide import budgets
from llm_latency_lens.decide.budgets import Held, Ledger
from llm_latency_lens.decide.sla import SCHEMA, Sla, is_sla, parse_sla, read_sla
from llm_latency_lens.errors import ConfigError
from llm_latency_lens.record import EventKind, Record, Status
from llm_latency_lens.report.sla import markdown, remarks, text

DOCS = Path(__file__).parents[2] / "docs/reference"
MS, HOUR = 10**6, 3600 * 10**9

WHOLE = """\
name: chat
objectives:
  - limit: ttft_ms<800
    target: 99%
  - limit: error_rate<0.5%
  - limit: itl_ms.p99<60ms
  - {limit: cost.per_request<0.05, target: 0.9}
windows: [24h, 1h]
"""


def levels(text: str) -> Sla:
    return parse_sla(dedent(text), "sla.yaml")


def request(
    hour: float, ttft_ms: float = 100.0, gaps_ms: tuple[float, ...] = (), ok: bool = True
) -> Record:
    at_ns = round(hour * HOUR)
    record = Record(f"{hour}", 0, Status.OK if ok else Status.FAILED, start_ns=at_ns)
    record.start_unix_ns, record.end_ns = at_ns, at_ns
    for i, gap_ms in enumerate((ttft_ms, *gaps_ms) if ok else ()):
        at_ns += round(gap_ms * MS)
        record.events.add(at_ns, i, EventKind.TEXT, "x")
    return record


def held(sla: Sla, *records: Record) -> Held:
    ledger = Ledger(sla)
    for record in records:
        ledger.add(record)
    return ledger.held(["a"])


# --- the file -------------------------------------------------------------------------------


def test_a_file_is_read() -> None:
    found = levels(WHOLE)
    assert found.name == "chat"
    assert list(found.windows.items()) == [("1h", 3600), ("24h", 86_400)]
    shares = [(one.figure, one.share, one.failures) for one in found.promises]
    assert shares == [
        ("ttft_ms", 0.99, True),
        ("error_rate", 0.995, True),
        ("itl_ms", 0.99, False),
        ("cost.per_request", 0.9, True),
    ]
    assert [one.text for one in found.promises] == [
        "ttft_ms<800 in 99 %",
        "error_rate<0.5%",
        "itl_ms.p99<60ms",
        "cost.per_request<0.05 in 90 %",
    ]


def test_windows_and_name_have_defaults() -> None:
    found = levels("objectives: [{limit: error_rate<1%}]")
    assert (found.name, list(found.windows)) == ("service level", ["1h", "24h", "30d"])
    assert list(levels("objectives: [{limit: error_rate<1%}]\nwindows: 2w").windows) == ["2w"]


def test_a_file_of_levels_is_known_from_a_configuration() -> None:
    assert is_sla(WHOLE)
    assert not is_sla("objective: [ttft_ms<800]\nmodel: x")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file must hold names and values"),
        ("[1]", 1, "the file must hold names and values"),
        ("a: [", 1, "not YAML"),
        ("a: \x01", None, "not YAML"),
        ("name: x", 1, "objectives must be a list"),
        ("name:\n  x: y\nobjectives: [{limit: error_rate<1%}]", 2, "name must be a text"),
        ("objectives: []", 1, "objectives must be a list"),
        ("objectives:\n - 3", 2, "an objective must hold"),
        ("objectives:\n - target: 9%", 2, "an objective needs a limit"),
        ("objectives:\n - limit: ttft_ms<800", 2, "needs a target"),
        ("objectives:\n - limit: ttft_ms<800\n   target: 100%", 3, "between 0 and 100 %"),
        ("objectives:\n - limit: ttft_ms<800\n   target: much", 3, "between 0 and 100 %"),
        ("objectives:\n - limit: error_rate<1%\n   targte: 9%", 3, "did you mean target?"),
        ("objectives:\n - limit: ttft_ms\n   target: 9%", 2, "write a metric, a sign, a limit"),
        ("objectives:\n - limit: ttft_ms.mean<1", 2, "did you mean"),
        ("objectives:\n - limit: qqqq<1", 2, "write such as"),
        ("objectives:\n - limit: error_rate<1%\n   target: 9%", 2, "says its share itself"),
        ("objectives:\n - limit: error_rate>1%", 2, "must be an upper limit"),
        ("objectives:\n - limit: error_rate<0", 2, "leaves no error budget"),
        ("objectives:\n - limit: error_rate<1%\nwindows: [1y]", 3, "not '1y'"),
        ("objectives:\n - limit: error_rate<1%\nwindows: []", 3, "must not be empty"),
        ("objectives:\n - limit: error_rate<1%\nwindos: 1h", 3, "did you mean windows?"),
        ("name: a\nname: b\nobjectives:\n - limit: error_rate<1%", 2, "given twice"),
        ("x: a\nobjectives:\n - limit: error_rate<1%", 1, "known are name, objectives, windows"),
    ],
)
def test_a_mistake_has_its_line(text: str, line: int | None, message: str) -> None:
    found, wrong = read_sla(text, "sla.yaml")
    assert found is None
    assert len(wrong) == 1, wrong
    assert wrong[0].line == line
    assert message in str(wrong[0])
    assert str(wrong[0]).startswith(f"sla.yaml:{line}: " if line else "sla.yaml: ")
    with pytest.raises(ConfigError, match=r"^sla\.yaml"):
        parse_sla(text, "sla.yaml")


def test_several_mistakes_are_counted() -> None:
    text = "objectives:\n - limit: ttft_ms<1\n - limit: x<1\nwindows: [1y]"
    assert [error.line for error in read_sla(text, "f.yaml")[1]] == [2, 3, 4]
    with pytest.raises(ConfigError, match=r"^f.yaml:2: .* \(and 2 more: latency-lens validate"):
        parse_sla(text, "f.yaml")


def test_the_schema_of_the_file_takes_what_is_read() -> None:
    assert json.loads((DOCS / "sla.schema.json").read_text()) == SCHEMA
    jsonschema.validate(yaml.safe_load(WHOLE), SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"objectives": []}, SCHEMA)


# --- what they come to ----------------------------------------------------------------------

TTFT = levels("objectives: [{limit: ttft_ms<800, target: 90%}]\nwindows: [1h, 24h]")


def test_budgets_are_of_the_longest_window_and_burn_rates_of_each() -> None:
    calm = [request(hour / 10) for hour in range(90)]
    late = [request(9.6 + i / 100, ttft_ms=900) for i in range(3)]
    found = held(TTFT, *late, *calm, *[request(9.5 + i / 100) for i in range(7)])
    assert not found.passed
    hour, day = found.windows
    assert (hour.window, hour.total, hour.missed, hour.met) == ("1h", 13, 3, False)
    assert hour.share == pytest.approx(10 / 13)
    assert hour.burn_rate == pytest.approx(3 / 13 / 0.1)
    assert (day.total, day.missed, day.met) == (100, 3, True)
    assert (day.burn_rate, day.spent) == (pytest.approx(0.3), pytest.approx(0.3))
    assert hour.spent == pytest.approx(0.3)
    (budget,) = found.budgets
    assert (budget.allowed, budget.spent, budget.left) == (pytest.approx(10), 3, pytest.approx(7))
    assert found.until_unix_ns == round(9.62 * HOUR)
    assert day.covered_s == pytest.approx(9.62 * 3600)


def test_exactly_the_target_is_met() -> None:
    records = [request(0, ttft_ms=900 if i < 10 else 100) for i in range(100)]
    assert held(TTFT, *records).passed
    assert not held(TTFT, *records, request(0, ttft_ms=900)).passed


def test_a_request_that_failed_misses_a_limit_of_requests_but_no_quantile() -> None:
    sla = levels("""\
        objectives:
          - {limit: ttft_ms<800, target: 50%}
          - limit: ttft_ms.p50<800
          - limit: error_rate<50%
        windows: 1h
        """)
    found = held(sla, request(0), request(0, ok=False))
    assert [(one.total, one.missed) for one in found.windows] == [(2, 1), (1, 0), (2, 1)]


def test_gaps_count_one_by_one() -> None:
    sla = levels("objectives: [{limit: itl_ms.p50<60ms}]\nwindows: 1h")
    found = held(sla, request(0, gaps_ms=(10, 70, 20)), request(0, gaps_ms=(80,)), request(0))
    assert [(one.total, one.missed, one.met) for one in found.windows] == [(4, 2, True)]


def test_costs_are_decimals_and_an_unknown_one_misses() -> None:
    sla = levels("objectives: [{limit: cost.per_request<=0.1, target: 50%}]\nwindows: 1h")
    cheap, dear = request(0), request(0)
    cheap.cost_usd, dear.cost_usd = Decimal("0.1"), Decimal("0.10000000000000001")
    found = held(sla, cheap, dear, request(0))
    assert [(one.total, one.missed) for one in found.windows] == [(3, 2)]


def test_what_does_not_count() -> None:
    warm, again, ended, unknown = (request(0, ttft_ms=900) for _ in range(4))
    warm.warmup, again.attempt, ended.status = True, 1, Status.CANCELLED
    unknown.start_unix_ns = None
    sla = levels("objectives: [{limit: ttft_ms.p95<800}]\nwindows: 1h")
    empty = held(sla, warm, again, ended, unknown)
    (window,) = empty.windows
    assert (window.total, window.met, window.share, window.spent) == (0, False, None, None)
    assert not empty.passed
    assert "nothing to judge it by" in printed(empty)
    assert list(remarks(empty)) == [
        "::error title=ttft_ms.p95<800::in 1h: no request to judge it by"
    ]


def test_a_narrow_page_leaves_out_two_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    found = held(TTFT, request(0))
    assert max(map(len, printed(found).splitlines())) <= 100
    monkeypatch.setenv("COLUMNS", "80")
    assert "covered" not in printed(found)
    assert max(map(len, printed(found).splitlines())) <= 80


def printed(found: Held) -> str:
    out = io.StringIO()
    text(found, out, color=False)
    return out.getvalue()


def test_pages() -> None:
    found = held(TTFT, *[request(0, ttft_ms=900 if i < 3 else 100) for i in range(20)])
    told = printed(found)
    assert "service level MISSED  1 run, up to 1970-01-01 00:00:00 UTC" in told
    assert "✗ ttft_ms<800 in 90 %" in told
    assert "3 of 2 requests that may miss it in 24h are spent, overspent by 1" in told
    assert "| ❌ | `ttft_ms<800 in 90 %` | 1h | 20 | 3 | 85.00 % | 1.5 |" in markdown(found)
    assert next(remarks(found)).startswith("::error title=ttft_ms<800 in 90 %25::in 1h: 3 of 20")
    kept = held(TTFT, request(0))
    assert markdown(kept).startswith("### ✅ service level kept")
    assert list(remarks(kept)) == []
    written = json.loads((DOCS / "held.schema.json").read_text())
    assert written == budgets.json_schema()
    jsonschema.validate(json.loads(budgets.encode(found)), written)
