import io
import json as stdlib_json
from collections.abc import Callable
from typing import Any

import pytest

from llm_latency_lens import report
from llm_latency_lens.metrics.result import Result, decode
from llm_latency_lens.metrics.shapes import Axis, Spread

Make = Callable[..., Result]


def printed(result: Result, *, encoding: str = "utf-8") -> str:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    report.text(result, out)
    out.flush()
    return out.buffer.getvalue().decode(encoding)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TERM"):
        monkeypatch.delenv(name, raising=False)


WIDE = """\
openai/gpt-4o-mini  200 requests in 30.2 s · 8 at a time

  ms, 95 % ci                   mean             p50             p95             p99             max
  TTFT                         213.4           201.3           342.3           503.4           604.0
    first token          207.0–219.8     195.3–207.4     332.0–352.5     488.2–518.5
  ITL                          21.07           19.87           33.78           49.68           59.62
    each gap             20.43–21.70     19.28–20.47     32.77–34.80     48.19–51.17
  TPOT                         21.31           20.10           34.17           50.25           60.30
    per token            20.67–21.95     19.50–20.70     33.14–35.20     48.74–51.76
  E2E                          1,569           1,480           2,516           3,700           4,441
    whole answer         1,522–1,616     1,436–1,525     2,441–2,592     3,589–3,812

requests      200 ok
rate          6.62 requests a second
tokens        12,800 out, 2,400 in, 424 a second in all, 49.7 a second each (p50), 1.06 an event;
              counted by the server
stalls        none above 250 ms and 10 x the request's median gap
instrument    stamps by the kernel, read 6.1 us later (p99 41, max 180), no event merged, 18.2 us of
              CPU an event
certificate   none yet: `latency-lens calibrate` measures the error of this machine

verdict       VALID – nothing speaks against these figures
"""


def test_the_whole_table(make: Make):
    assert printed(make()) == WIDE


def test_what_the_terminal_does_not_know_is_written_otherwise(make: Make):
    assert printed(make(), encoding="ascii") == WIDE.replace("–", "-").replace("·", "-")


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_it_keeps_to_the_terminals_width(make: Make, monkeypatch: pytest.MonkeyPatch, columns: int):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = printed(make(metrics__e2e_ms=summary(123_456.0))).splitlines()
    assert max(map(len, lines)) <= min(columns, 100)
    assert any("±" in line for line in lines) == (columns == 80)


def summary(p50: float, **changes: Any) -> dict[str, Any]:
    names = ("mean", "p50", "p90", "p95", "p99", "p999", "min", "max", "stddev")
    ci95 = {"mean": (p50 * 0.9, p50 * 1.1), "p50": (p50 * 0.9, p50 * 1.1)}
    values = dict.fromkeys(names, p50)
    fixed = {"count": 9, "requests": 9, "ci95": ci95, "ci_method": "order-statistics"}
    return {**values, **fixed, **changes}


def test_an_open_loop_shows_what_was_corrected_and_both_rates(make: Make):
    text = printed(
        make(
            run__mode="open",
            metrics__corrected_ttft_ms=summary(300.0),
            metrics__corrected_e2e_ms=summary(3000.0),
            metrics__send_lag_ms=summary(0.034),
            throughput__offered_rate=10.0,
            throughput__achieved_rate=9.3,
        )
    )
    rows = [line.split()[0] for line in text.splitlines()[3:17:2]]
    assert rows == ["TTFT", "TTFT", "ITL", "TPOT", "E2E", "E2E", "send"]
    assert "10 a second, open loop" in text
    assert "rate          10 offered, 9.3 achieved, 6.62 answered a second\n" in text
    assert "  send lag                     0.034           0.034" in text


def test_a_first_answer_that_is_not_the_first_token_has_its_row(make: Make):
    assert "first answer" in printed(make(metrics__answer_ms=summary(900.0)))
    assert "first answer" not in printed(make())


def test_failures_by_cause_and_nothing_that_steers_a_terminal(make: Make):
    example = {
        "count": 11,
        "kind": "rate_limit",
        "stage": "wait",
        "http_status": 429,
        "provider_code": "slow_down",
        "message": "Wait\x1b[31m \u202e\x07 " + "x" * 200,
    }
    other = {**example, "count": 1, "http_status": None, "provider_code": None, "message": "y"}
    text = printed(
        make(
            requests__ok=186,
            requests__failed=12,
            requests__cancelled=2,
            requests__unsent=3,
            requests__warmup=5,
            requests__planned=300,
            requests__error_examples=[example, other],
            error_rate=12 / 198,
            retries={
                "sent": 4,
                "ok": 1,
                "failed": 3,
                "cancelled": 0,
                "recovered": 1,
                "stale_connections": 2,
            },
        )
    )
    assert (
        "requests      186 ok, 12 failed (6.06 %), 2 cancelled, 3 never sent, 300 planned, 5 before"
        " them to\n              warm up\n"
    ) in text
    assert "retries       4 sent, 1 request recovered; in no figure above\n" in text
    assert "reconnected   2 requests: the server had closed the idle connection\n" in text
    assert "errors        11 x rate_limit 429 slow_down (wait): Wait?[31m ??\n" in text
    assert "              1 x rate_limit (wait): y\n" in text
    assert "…" in text
    assert "\x1b" not in text


def test_rate_limits_that_came_close_and_what_waited_for_them(make: Make):
    def seen(remaining: int | None, limit: int | None = 60, reset_s: float | None = 8.0):
        return {"limit": limit, "remaining": remaining, "reset_s": reset_s, "answers": 9}

    limits = {
        "requests": seen(3),
        "requests_day": seen(59),
        "tokens": seen(None),
        "input_tokens": seen(0, None, None),
    }
    text = printed(
        make(
            requests__rate_limits=limits,
            requests__held_back={"count": 4, "total_s": 10.0},
        )
    )
    assert (
        "rate limits   4 arrivals held back, 2.5 s each on average; requests: 3 of 60 left at the"
        " least,\n              whole again in 8.0 s; input tokens: 0 left at the least\n"
    ) in text
    assert "requests day" not in text
    assert "rate limits" not in printed(make(requests__rate_limits={"requests": seen(6)}))


def test_the_verdict_gives_reasons_the_gravest_first(make: Make):
    def reason(severity: str, message: str) -> dict[str, str]:
        return {"code": "drift", "severity": severity, "message": message, "advice": "Do that."}

    reasons = [reason("note", "A."), reason("invalid", "B."), reason("doubtful", "C.")]
    text = printed(make(validity={"verdict": "invalid", "reasons": reasons}))
    assert text.endswith(
        "verdict       INVALID\n  ✗ B.\n    Do that.\n  ▲ C.\n    Do that.\n  • A.\n    Do that.\n"
    )


def test_figures_that_timeouts_keep_low_are_marked(make: Make):
    reason = {
        "code": "timeouts",
        "severity": "doubtful",
        "message": "m",
        "advice": "a",
        "metric": "e2e_ms.p99",
    }
    text = printed(make(validity={"verdict": "doubtful", "reasons": [reason]}))
    assert (
        "  TTFT                         213.4           201.3           342.3          ≥503.4"
        "          ≥604.0\n"
    ) in text


def test_a_run_in_which_nothing_succeeded(make: Make):
    text = printed(
        make(
            metrics={},
            requests__ok=0,
            requests__failed=200,
            error_rate=1.0,
            tokens=dict.fromkeys(("input", "output", "reasoning", "cached_input"))
            | {"source": "none"},
            throughput=dict.fromkeys(
                ("requests_per_second", "output_tokens_per_second", "total_tokens_per_second")
            ),
            run__name="nightly",
            run__interrupted=True,
        )
    )
    assert text.startswith("nightly  200 requests in 30.2 s · 8 at a time · interrupted\n")
    assert "No request succeeded: there is nothing to sum up.\n" in text
    assert "requests      0 ok, 200 failed (100 %)\n" in text
    assert "rate          unknown\n" in text
    assert "tokens        unknown: no usage was reported (--tokenizer counts them here)\n" in text


def test_what_else_is_worth_a_line(make: Make):
    text = printed(
        make(
            stalls__count=3,
            stalls__requests=2,
            stalls__longest_ms=2013.2,
            stalls__share_of_time=0.0123,
            pseudo_streaming={"requests": 12, "judged": 200, "share": 0.06},
            instrument__merged_events=5,
            instrument__clock_source="mixed",
            instrument__certificate={
                "made_at": "2024-01-02T03:04:05+00:00",
                "limit_us": 1000.0,
                "max_events_per_second": 36123.4,
            },
            tokens__reasoning=800,
            tokens__cached_input=100,
            tokens__source="mixed",
        )
    )
    assert "3 in 2 requests, the longest 2,013 ms, 1.23 % of the time" in text
    assert "streaming     12 of 200 answers came in bursts\n" in text
    assert "stamps by the kernel for some requests, by this program for others" in text
    assert "5 of 12,800 events merged" in " ".join(text.split())
    assert "2024-01-02: p99 error under 1 ms up to 36,123 events a second on this" in text
    assert "12,800 out (800 of them reasoning), 2,400 in (100 from a cache)" in text
    assert "counted by the server for some, here for others" in " ".join(text.split())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"server_until": "first_byte", "network_ms": summary(20.0)},
            "the server counts 180 ms (p50) up to the first byte, network and the rest are 20 ms;",
        ),
        ({"server_until": "mixed"}, "the server counts 180 ms (p50); by a"),
    ],
)
def test_network_against_server_time(make: Make, changes: dict[str, Any], words: str):
    where = {"requests": 9, "server_source": "a", "server_ms": summary(180.0), **changes}
    assert f"where         {words}" in " ".join(printed(make(where=where)).split("\n"))


def test_a_certificate_of_a_machine_that_is_too_slow(make: Make):
    text = printed(make(instrument__certificate={"max_events_per_second": None}))
    assert "the p99 error on this machine is above 1 ms at every load" in text


def test_colours_only_where_they_are_wanted(make: Make, monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    colored, plain = Terminal(), Terminal()
    report.text(make(), colored)
    report.text(make(), plain, color=False)
    assert "\x1b[" in colored.getvalue()
    assert "\x1b[" not in plain.getvalue()


def test_json_reads_back(make: Make):
    out = io.StringIO()
    report.json(make(), out)
    assert decode(out.getvalue()) == make()
    assert out.getvalue().endswith("}\n")
    assert stdlib_json.loads(out.getvalue())["run"]["duration_s"] == 30.2


def test_a_reader_that_goes_away_is_the_callers_matter(make: Make):
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        report.text(make(), Closed())


def test_the_spread_of_figures_is_a_line_each(make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    shares = [0.0, 0.1, 0.4, 0.2, *[0.0] * 34, 0.001, 0.32]
    spreads = {
        "TTFT": Spread(Axis(50.0, 480.0, log=False), shares),
        "ITL": Spread(Axis(0.25, 61_500.0, log=True), shares),
    }
    out = io.StringIO()
    report.text(make(), out, spreads=spreads)
    lines = out.getvalue().splitlines()
    assert lines[11:14] == [
        "",
        f"  TTFT      50 ms  ▂█▄{' ' * 34}▁▇ 480 ms",
        f"  ITL      250 us  ▂█▄{' ' * 34}▁▇ 1 min 2 s  (log)",
    ]
    assert max(map(len, lines)) <= 80
    assert lines[14] == ""
