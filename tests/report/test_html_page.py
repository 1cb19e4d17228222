"""The page as text; `tests/real` looks at it in a browser."""

import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "metrics"))
from metrics_records import MS, answer, clean, context, failed, open_loop, summed

from llm_latency_lens.metrics.context import Context
from llm_latency_lens.metrics.portraits import Portrait
from llm_latency_lens.metrics.traces import Traces
from llm_latency_lens.record import Record
from llm_latency_lens.report.html import page, words
from llm_latency_lens.report.html.page import html
from llm_latency_lens.timeline import Connection, ErrorKind

HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\u202e&"


class Page(HTMLParser):
    """What a browser makes of it: elements, scripts, and the text that a reader sees."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.shown: list[str] = []
        self._inside = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, _: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style" and data.strip():
            self.shown.append(" ".join(data.split()))

    def having(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [
            attrs
            for name, attrs in self.elements
            if name == tag and wanted.items() <= attrs.items()
        ]

    @property
    def text(self) -> str:
        return "\n".join(self.shown)

    @property
    def specs(self) -> dict[str, Any]:
        return json.loads(self.scripts[0])

    @property
    def data(self) -> dict[str, str]:
        return json.loads(self.scripts[1])


@pytest.fixture(autouse=True)
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bundle takes seconds to make."""
    monkeypatch.setattr(page, "vega", lambda: "/* </script> */ 1;")


def portrait(records: Sequence[Record], given: Context | None = None, name: str = "") -> Portrait:
    given = given or context(config={"provider": "openai", "model": "m", "concurrency": 8})
    traces = Traces()
    for record in records:
        traces.add(record)
    return Portrait(name or given.name, summed(records, given), traces)


def drawn(*portraits: Portrait, **options: Any) -> Page:
    out = io.StringIO()
    html(portraits, out, **options)
    return Page(out.getvalue())


def test_one_run_has_every_picture_and_every_table():
    records = [*clean(300), failed(300, ErrorKind.RATE_LIMIT), answer(301, gaps_ms=(20, 900, 20))]
    found = drawn(portrait(records))
    titles = re.findall(r"<h3>(.*?)</h3>", found.source)
    assert titles == [
        "Time to first token (TTFT), cumulative",
        "Time to first token (TTFT), histogram",
        "Gaps between tokens (ITL), cumulative",
        "Gaps between tokens (ITL), histogram",
        "Time to first token over the run",
        "Gaps by their place in the answer",
        "A typical request",
        "The slowest request",
        "All figures",
        "How it went",
        "Failures",
        "Options and machine",
    ]
    assert len(found.specs) == 8
    assert {attrs["id"] for attrs in found.having("div", **{"class": "chart"})} == set(found.specs)
    assert "1 failure\n" in found.text
    assert "1 stall\n" in found.text
    assert "1 x rate_limit 500 (wait): it broke" in found.text
    assert "concurrency\n8\n" in found.text
    assert "all 302 of them." in found.text


def test_the_headline_says_it_in_plain_words():
    result = portrait([*clean(300), failed(300)]).result
    told = words.headline(result)
    ttft = result.metrics.ttft_ms
    assert told.startswith("openai/m answered 300 requests; 1 failed (0.332 %). ")
    assert f"within {ttft.p50:.0f} ms (95 % interval {ttft.ci95.p50[0]:.0f} to " in told
    assert "for half of them, and within" in told
    assert re.search(r"Then 4\d\.?\d? tokens a second followed \(the median\)", told)
    assert words.headline(portrait([failed()]).result) == "openai/m answered none of 1 request."


def test_without_an_answer_the_page_says_why():
    found = drawn(portrait([failed(i, start_ms=10 * i) for i in range(5)]))
    assert found.specs.keys() == {"chart-1"}
    assert "openai/m answered none of 5 requests." in found.text
    assert "5 x server 500 (wait): it broke" in found.text
    assert "100 %" in found.text


def test_answers_in_one_piece_are_shown_as_a_whole():
    records = [answer(i, start_ms=50 * i, gaps_ms=()) for i in range(30)]
    for record in records:
        record.events = type(record.events)()
        record.end_ns = (record.start_ns or 0) + (300 + record.index) * MS
    found = drawn(portrait(records))
    assert "Whole answers (E2E), cumulative" in found.text
    assert "Whole answers over the run" in found.text
    assert "Gaps" not in found.text
    assert "The whole answer came within" in found.text


def test_several_runs_are_laid_over_one_another():
    slow = [answer(i, start_ms=50 * i, ttft_ms=400 + 37 * i % 101) for i in range(100)]
    found = drawn(portrait(clean(100), name="quick"), portrait(slow, name="slow"))
    assert "2 runs, side by side. The median first token came soonest with quick" in found.text
    assert "and latest with slow (450 ms, 95 % interval" in found.text
    assert len(found.having("section")) == 4
    curves = found.specs["chart-1"]["layer"][0]
    assert {row["run"] for row in curves["data"]["values"]} == {"quick", "slow"}
    assert curves["encoding"]["color"]["scale"] == {
        "domain": ["quick", "slow"],
        "range": ["var(--s0)", "var(--s1)"],
    }
    assert "Latency against throughput" not in found.text


def test_runs_of_one_target_are_named_by_their_load():
    runs = []
    for rate in (5.0, 20.0, 40.0):
        given = open_loop(offered_rate=rate, config={"provider": "openai", "model": "m"}, name="")
        records = [
            answer(i, start_ms=1000 * i / rate, ttft_ms=100 + 17 * i % 41) for i in range(40)
        ]
        runs.append(portrait(records, given, name="openai/m"))
    found = drawn(*runs)
    assert "<title>openai/m – latency report</title>" in found.source
    assert "Latency against throughput" in found.text
    (chart,) = (s for s in found.specs.values() if "load" in s["layer"][0]["data"]["values"][0])
    rows = chart["layer"][0]["data"]["values"]
    assert [row["load"] for row in rows][::2] == ["5 a second", "20 a second", "40 a second"]
    assert rows[0]["ms"] == runs[0].result.metrics.ttft_ms.p50
    assert (rows[0]["low"], rows[0]["high"]) == runs[0].result.metrics.ttft_ms.ci95.p50


def test_names_are_told_apart_by_whatever_differs():
    one = context(config={"provider": "p", "model": "m", "concurrency": 2})
    other = context(config={"provider": "p", "model": "m"}, id="run-2")
    runs = [(one, "a"), (other, "a"), (one, "b")]
    found = drawn(*(portrait([answer()], given, name) for given, name in runs))
    assert re.findall(r"<h2>(.*?)</h2>", found.source)[2:] == ["a, 2 at a time", "a", "b"]
    found = drawn(*(portrait([answer()], other, "a") for _ in range(2)))
    assert re.findall(r"<h2>(.*?)</h2>", found.source)[2:] == ["a, run-2 (1)", "a, run-2 (2)"]


def test_of_many_runs_no_single_requests_are_drawn():
    found = drawn(*(portrait(clean(20), name=f"run {i}") for i in range(9)))
    assert "A typical request" not in found.text
    assert "are drawn for up to 4 runs" in found.text
    colors = found.specs["chart-1"]["layer"][0]["encoding"]
    assert colors["color"]["scale"]["range"][8] == "var(--s0)"
    assert colors["strokeDash"]["scale"]["range"][7:] == [[1, 0], [6, 3]]


def test_an_experiment_speaks_for_itself():
    runs = [portrait([answer()], name=name) for name in "ab"]
    found = drawn(*runs, said=["A is sooner.", "So."])
    assert re.findall(r'class="headline">(.*?)<', found.source) == ["A is sooner.", "So."]


def test_the_instrument_is_not_an_arms():
    given = context(config={"experiment": "compare", "provider": "p", "model": "m"})
    assert "stamps by the kernel" in drawn(portrait([answer()])).text
    assert "stamps by the kernel, read 20" not in drawn(portrait([answer()], given)).text


def test_nothing_that_somebody_named_can_break_out():
    given = context(name=HOSTILE, config={"provider": HOSTILE, "model": HOSTILE, HOSTILE: HOSTILE})
    bad = failed(1, message=HOSTILE)
    records = [answer(0, finish_reason=HOSTILE, connection=Connection(address=HOSTILE)), bad]
    found = drawn(portrait(records, given), portrait(records, given, name=HOSTILE + "2"))
    kinds = [attrs.get("type", "script") for attrs in found.having("script")]
    assert kinds == ["application/json"] * 3 + ["script"] * 2
    assert not found.having("img")
    assert "\u202e" not in re.sub(r"<script.*?</script>", "", found.source, flags=re.S)
    (first, *_) = found.specs["chart-1"]["layer"][0]["data"]["values"]
    assert HOSTILE.replace("\u202e", "?") in first["run"]
    assert "alert(1)" in found.text


def test_a_browser_is_told_to_run_these_two_scripts_and_to_ask_nobody():
    import base64
    import hashlib

    found = drawn(portrait([answer()]))
    (meta,) = found.having("meta", **{"http-equiv": "Content-Security-Policy"})
    policy = dict(part.strip().split(" ", 1) for part in (meta["content"] or "").split(";"))
    assert policy["default-src"] == "'none'"
    digests = [hashlib.sha256(text.encode()).digest() for text in found.scripts[3:]]
    allowed = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    assert policy["script-src"].split() == allowed
    assert found.scripts[3] == "/* <\\/script> */ 1;"
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", found.source)


def test_texts_stay_away_unless_they_are_wanted():
    given = context(config={"provider": "p", "model": "m", "prompt_texts": ["my secret prompt"]})
    record = answer(0, gaps_ms=(20,))
    record.events.text[:] = ["the secret", " answer\nof it"]
    kept = drawn(portrait([record], given), keep_text=True)
    assert "my secret prompt" in kept.text
    assert "the secret answer\nof it" in kept.source
    assert "secret" not in drawn(portrait([record], given)).source


def test_the_buttons_give_the_results_and_the_requests():
    bad = failed(1, ErrorKind.TIMEOUT, start_ms=350)
    one = portrait([answer(0, start_ms=100, gaps_ms=(20, 20)), bad], name="=cmd()")
    found = drawn(one)
    assert found.data["requests"].splitlines() == [
        "run,index,start_s,status,ttft_ms,e2e_ms,events,output_tokens",
        "'=cmd(),0,0.0,ok,200.0,240.1,3,3",
        "'=cmd(),1,0.25,timeout,,1000.0,0,",
    ]
    (line,) = found.data["results"].splitlines()
    assert json.loads(line)["metrics"]["ttft_ms"]["p50"] == 200.0


def some(random: Random) -> Iterator[Record]:
    """Requests of all sorts, some of which lack marks, as imported ones do."""
    for i in range(random.choice([0, 1, 2, 5, 30])):
        if random.random() < 0.2:
            yield failed(i, start_ms=random.choice([None, 0.0, 5.0 * i]))
            continue
        gaps = random.choice([0, 3, 90])
        record = answer(
            i,
            start_ms=random.choice([0.0, 10.0 * i, 1e6 * i]),
            ttft_ms=random.choice([0.0, 0.001, 200.0, 1e5]),
            gaps_ms=[random.choice([0.0, 1e-3, 300.0, 1e6]) for _ in range(gaps)],
            tokens=random.choice([None, 0, 1, 500]),
        )
        for mark in ("start_ns", "sent_ns", "first_byte_ns", "end_ns"):
            if random.random() < 0.1:
                setattr(record, mark, None)
        if random.random() < 0.2:
            record.events = type(record.events)()
        yield record


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_requests_were_there_is_a_page(seed: int):
    random = Random(seed)
    runs = [portrait(list(some(random)), name=f"run {n}") for n in range(random.choice([1, 1, 3]))]
    found = drawn(*runs)
    for spec in found.specs.values():
        assert spec["layer"]
        assert "NaN" not in json.dumps(spec)
        assert "null" not in json.dumps([layer["data"] for layer in spec["layer"]])


def test_of_too_many_requests_the_table_has_some(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("llm_latency_lens.report.html.islands.MOST_REQUESTS", 40)
    found = drawn(portrait(clean(100), name="a"), portrait(clean(100), name="b"))
    lines = found.data["requests"].splitlines()[1:]
    assert [line[0] for line in lines] == ["a"] * 20 + ["b"] * 20
    assert "40 of 200, evenly drawn" in found.text


def test_no_answer_and_no_single_run_that_was_answered_is_said_too():
    bad = portrait([failed()], name="bad")
    assert words.comparison([bad, bad]) == "No request of these runs succeeded."
    told = words.comparison([bad, portrait([answer()], name="good")])
    assert told == "2 runs, side by side. Only good was answered (200 ms at the median)."


def test_intervals_that_overlap_are_not_passed_over():
    one, other = portrait(clean(100)), portrait(clean(100, seed=2), name="other")
    assert "; their intervals overlap." in words.comparison([one, other])
