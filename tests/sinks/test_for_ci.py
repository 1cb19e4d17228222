"""What CI systems read: Markdown, JUnit's XML, GitHub's annotations."""

from __future__ import annotations

import re
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite
from markdown_it import MarkdownIt
from sink_runs import answered, mixed, refused, run_of, saved, written

from llm_latency_lens.record import RequestError
from llm_latency_lens.sinks import github
from llm_latency_lens.sinks.markdown import code
from llm_latency_lens.timeline import ErrorKind, Stage

LIMITS = ("ttft_ms<204", "e2e_ms<=1s", "cost.per_request<1", "output_tokens_per_second>1")


def quoting() -> list:
    """A failure whose message repeats the prompt."""
    filtered = refused(1)
    filtered.error = RequestError(ErrorKind.CONTENT_FILTER, Stage.WAIT, "refused: my secret")
    return [filtered, answered(2)]


# -- JUnit -----------------------------------------------------------------------------------


def suite_of(path: Path, *records: list, **fields) -> TestSuite:
    xml = JUnitXml.fromfile(str(saved("junit", run_of(*records, **fields), path)))
    (suite,) = xml
    return suite


def cases(suite: TestSuite) -> dict[str, TestCase]:
    return {case.name: case for case in suite}


def test_junit_has_a_test_for_each_objective_and_cause(tmp_path: Path):
    suite = suite_of(tmp_path / "a.xml", objectives=LIMITS)
    found = cases(suite)
    assert list(found) == [
        *LIMITS,
        "no rate_limit (wait)",
        "no network (connect)",
        "the result is not invalid",
    ]
    failed = {name: case.result[0].message for name, case in found.items() if not case.is_passed}
    assert failed == {
        "ttft_ms<204": "8 of 10 requests missed ttft_ms<204",
        "e2e_ms<=1s": "3 of 10 requests missed e2e_ms<=1s",
        "cost.per_request<1": "2 of 10 requests missed cost.per_request<1",
        "output_tokens_per_second>1": "2 of 10 requests missed output_tokens_per_second>1",
        "no rate_limit (wait)": "1 x rate_limit (wait)",
        "no network (connect)": "1 x network (connect)",
    }
    assert (suite.tests, suite.failures, suite.errors) == (7, 6, 0)
    assert suite.time == pytest.approx(run_of().result.run.duration_s, abs=1e-3)
    worst = found["ttft_ms<204"].result[0].text.splitlines()
    assert worst[0] == "request 11: 211.000123 ms"
    assert worst[-1] == "2 requests have no value: they failed, or did not get so far"


def test_junit_agrees_with_the_goodput_of_the_result(tmp_path: Path):
    goodput = run_of(objectives=LIMITS[:1]).result.goodput
    suite = suite_of(tmp_path / "a.xml", objectives=LIMITS[:1])
    message = cases(suite)[LIMITS[0]].result[0].message
    judged = run_of().result.requests.ok + run_of().result.requests.failed
    assert message == f"{judged - goodput.met} of {judged} requests missed {LIMITS[0]}"


def test_junit_of_a_clean_run_passes(tmp_path: Path):
    records = [answered(index, planned_ns=None) for index in range(1, 40)]
    suite = suite_of(tmp_path / "a.xml", records, mode="closed", objectives=("ttft_ms<9s",))
    assert all(case.is_passed for case in suite)
    assert [case.name for case in suite] == (
        ["ttft_ms<9s", "no request failed", "the result is not invalid"]
    )
    properties = {one.name: one.value for one in suite.properties()}
    metrics = run_of(records, mode="closed").result.metrics
    assert float(properties["ttft_ms.p95"]) == metrics.ttft_ms.p95
    assert float(properties["itl_ms.p99"]) == metrics.itl_ms.p99


def test_junit_of_a_run_without_answers_is_invalid(tmp_path: Path):
    suite = suite_of(tmp_path / "a.xml", [refused(1)])
    (failure,) = cases(suite)["the result is not invalid"].result
    assert isinstance(failure, Failure)
    assert not isinstance(failure, Error)
    assert failure.type == "invalid"


def test_junit_takes_out_what_xml_has_no_place_for():
    text = written("junit", run_of(name="a\x00b\ud83d"))
    root = ET.fromstring(text)
    assert root[0].get("name") == "a?b?"
    assert "slow" not in text.decode()
    assert b"?[0m &amp; 100 %" in text
    assert b"secret" not in written("junit", run_of(quoting()))


def test_junit_keeps_to_what_the_schemas_of_ant_and_jenkins_share():
    """Attributes and order as Windy Road's JUnit.xsd and Jenkins's junit-10.xsd want them."""
    (suite,) = ET.fromstring(written("junit", run_of(objectives=LIMITS)))
    wanted = {"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors"}
    assert set(suite.attrib) == {*wanted, "time"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp") or "")
    order = [child.tag for child in suite]
    assert order == ["properties", *["testcase"] * 7, "system-out", "system-err"]
    for case in suite.iter("testcase"):
        assert set(case.attrib) == {"classname", "name", "time"}
        for failure in case:
            assert (failure.tag, set(failure.attrib)) == ("failure", {"message", "type"})


# -- Markdown --------------------------------------------------------------------------------


def rows(text: str) -> dict[str, list[str]]:
    """The cells of all tables by their first."""
    lines = [re.split(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("|")]
    return {cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in lines}


def test_markdown_has_the_figures():
    found = rows(written("markdown", run_of(objectives=LIMITS)).decode())
    summary = run_of().result.metrics.ttft_ms
    low, high = summary.ci95.p50
    assert found["ms (95 % interval)"] == ["mean", "p50", "p95", "p99", "max"]
    assert found["TTFT"][1] == f"{summary.p50:.1f} ({low:.1f}–{high:.1f})"
    assert found["whole answer"][4] == f"{run_of().result.metrics.e2e_ms.max:,.0f}"
    assert found["requests"] == ["8 ok, 2 failed, 1 cancelled"]
    assert found["stalls"] == ["1, the longest 920.0 ms"]
    assert found["cost"] == [f"${run_of().result.cost.total:f}"]
    assert found["goodput"][0].startswith("20.00 % of the requests kept `ttft_ms<204` and")
    assert "first answer" in found


def test_markdown_is_read_as_tables_and_a_list():
    tokens = (
        MarkdownIt("commonmark")
        .enable("table")
        .parse(written("markdown", run_of(objectives=LIMITS)).decode())
    )
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == 3
    assert kinds.count("heading_open") == kinds.count("bullet_list_open") == 1
    heads = [tokens[place + 1].content for place, kind in enumerate(kinds) if kind == "th_open"]
    assert heads == [
        *("ms (95 % interval)", "mean", "p50", "p95", "p99", "max", "", ""),
        *("errors", "kind", "stage", "message"),
    ]
    spoken = [
        child.content
        for token in tokens
        for child in token.children or ()
        if child.type == "code_inline"
    ]
    assert 'say "please", not now | <later> [0m & 100 %' in spoken
    assert not [token for token in tokens if token.type.startswith("html")]


def test_markdown_lets_nothing_of_a_server_be_markup():
    text = written("markdown", run_of()).decode()
    assert '| `say "please", not now \\| <later> [0m & 100 %` |' in text
    assert code("a`b\n@team <b>") == "`a'b @team <b>`"
    assert "### ⚠️ Latency of `openai/m`" in text
    assert "secret" not in written("markdown", run_of(quoting())).decode()


def test_markdown_of_a_closed_loop_and_of_nothing():
    fields = {"mode": "closed", "offered_rate": None}
    config = {"provider": "openai", "model": "m", "concurrency": 8}
    records = [answered(i, cost_usd=None, planned_ns=None) for i in range(40)]
    for record in records:
        record.events.kind = [type(record.events.kind[-1]).TEXT] * 8
    text = written("markdown", run_of(records, config=config, unsent=3, **fields)).decode()
    assert "40 requests in 2.35 s, 8 at a time, the result is" in text
    assert {"cost", "first answer", "errors", "stalls"}.isdisjoint(rows(text))
    assert rows(text)["requests"] == ["40 ok, 0 failed, 3 never sent"]
    nothing = written("markdown", run_of([], **fields)).decode()
    assert "No request succeeded: there is nothing to sum up." in nothing
    assert "❌" in nothing


# -- GitHub ----------------------------------------------------------------------------------


def commands(text: bytes) -> list[tuple[str, str, str]]:
    """Command, title and message, as the runner takes them apart."""
    found = re.findall(r"^::(error|warning) title=([^:]*)::(.*)$", text.decode(), re.MULTILINE)

    def plain(text: str) -> str:
        for escaped, char in {"%3A": ":", "%2C": ",", "%0A": "\n", "%0D": "\r"}.items():
            text = text.replace(escaped, char)
        return text.replace("%25", "%")

    return [(command, plain(title), plain(message)) for command, title, message in found]


def test_github_annotates_failures_objectives_and_doubts():
    found = commands(written("github", run_of(objectives=LIMITS)))
    titles = [(command, title) for command, title, _ in found]
    assert titles[:3] == [
        ("error", "1 x network (connect)"),
        ("error", "1 x rate_limit (wait)"),
        ("error", "Objectives missed"),
    ]
    assert ("warning", "The result is doubtful: many_errors") in titles
    assert found[1][2] == 'say "please", not now | <later>  [0m & 100 %'
    assert b"& 100 %25" in written("github", run_of())
    limits = " and ".join(LIMITS)
    assert found[2][2] == f"8 of 10 requests missed {limits}"
    reasons = run_of().result.validity.reasons
    assert sum(command == "warning" for command, *_ in found) == sum(
        reason.severity == "doubtful" for reason in reasons
    )
    assert b"secret" not in written("github", run_of(quoting()))


def test_github_escapes_as_its_runner_wants_it():
    assert github._data("50 %\r\n\x1b: a, b") == "50 %25%0D%0A : a, b"
    assert github._property("50 %\n: a, b") == "50 %25%0A%3A a%2C b"


def test_github_writes_the_summary_behind_or_apart():
    run = run_of()
    whole = written("github", run)
    annotations, summary = BytesIO(), BytesIO()
    github.write(run, annotations, summary)
    assert annotations.getvalue() + summary.getvalue() == whole
    assert summary.getvalue() == written("markdown", run)
    assert annotations.getvalue().startswith(b"::error title=")


def test_github_shows_no_more_than_the_runner_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(github, "_MOST", 1)
    found = [command for command, *_ in commands(written("github", run_of(objectives=LIMITS)))]
    assert found == ["error", "warning"]


def test_a_run_that_kept_its_objectives_has_no_annotation_for_them():
    records = [answered(index, cost_usd=Decimal(1)) for index in range(40)]
    found = commands(written("github", run_of(records, objectives=("e2e_ms<9s",))))
    assert not [title for command, title, _ in found if command == "error"]
    assert len(mixed()) == 13
