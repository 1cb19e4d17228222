import io
from collections.abc import Callable

import pytest

from llm_latency_lens.metrics.result import Result
from llm_latency_lens.record import EventKind, Record, RequestError, Status, Usage
from llm_latency_lens.report import failure, waterfall
from llm_latency_lens.report.strip import bar, strip
from llm_latency_lens.timeline import Connection, ErrorKind, Stage

Make = Callable[..., Result]
MS = 1_000_000


def answered(gaps_ms: list[int], **changes: object) -> Record:
    record = Record(
        id="x-0",
        index=0,
        status=Status.OK,
        provider="openai",
        model="gpt",
        start_ns=0,
        sent_ns=1 * MS,
        first_byte_ns=200 * MS,
        finish_reason="stop",
        clock_source="kernel",
        read_lag_ns_max=38_000,
        usage=Usage(14, len(gaps_ms) + 1, 0, 4),
        tokens_source="usage",
    )
    at_ns = 201 * MS
    record.events.add(at_ns, 0, EventKind.TEXT, "a")
    for read, gap in enumerate(gaps_ms, 1):
        at_ns += gap * MS
        record.events.add(at_ns, read, EventKind.TEXT, "a")
    record.end_ns = at_ns + 2 * MS
    for name, value in changes.items():
        setattr(record, name, value)
    return record


def printed(record: Record, result: Result, encoding: str = "utf-8") -> str:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    waterfall(record, result, out)
    out.flush()
    return out.buffer.getvalue().decode(encoding)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


WHOLE = """\
openai/gpt  ok · finished by stop · TTFT 201 ms · E2E 1,003 ms

dns               12.00 ms  ▏
connect           23.00 ms  █
tls               35.00 ms   █
send               1.00 ms    ▏
wait              199.0 ms    ████████
first token        1.00 ms            ▏
answer            800.0 ms            ███████████████████████████████
end                2.00 ms                                           ▏
= server          101.2 ms    ████
+ network         99.80 ms        ████

gaps          ▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃█▃▃▃▃▃▃▃▃▃▃
              31 gaps, p50 10 ms, p99 500 ms, max 500 ms, █ is 40 ms
              or more

stalls        1: 500 ms after event 21
tokens        32 out, 14 in (4 from a cache), 32 events with content;
              counted by the server
speed         38.8 tokens a second (TPOT 25.8 ms)
connection    new, 10.0.0.1:443, TLSv1.3, HTTP/1.1, round trip 11.2 ms
server says   prompt_ms 101 ms
where         the server counts 101 ms up to the first token
              (prompt_ms); network, and what the server leaves out,
              99.8 ms
stamps        by the kernel, read at most 38 us later
"""


def whole() -> Record:
    connection = Connection(
        dns_ns=12 * MS,
        connect_ns=23 * MS,
        tls_ns=35 * MS,
        tls_version="TLSv1.3",
        http_version="1.1",
        rtt_us=11_200,
        address="10.0.0.1:443",
    )
    gaps = [10] * 20 + [500] + [10] * 10
    return answered(gaps, connection=connection, hints_ms={"prompt_ms": 101.2})


def test_the_whole_waterfall(make: Make):
    assert printed(whole(), make()) == WHOLE


def test_a_resumed_session_is_named(make: Make):
    record = whole()
    record.connection.tls_resumed = True
    assert "10.0.0.1:443, TLSv1.3 (session resumed), HTTP/1.1" in printed(record, make())


def test_an_account_that_cannot_be_true_is_shown_and_not_subtracted(make: Make):
    record = whole()
    record.hints_ms = {"openai-processing-ms": 5000.0}
    text = printed(record, make())
    assert "= server" not in text
    assert "the server counts 5,000 ms up to the first byte" in text
    assert "longer than it took" in text


def test_without_block_characters(make: Make):
    text = printed(whole(), make(), "ascii")
    assert "wait              199.0 ms    ########\n" in text
    assert "gaps          " + "-" * 20 + "#" + "-" * 10 in text


def test_reasoning_is_a_phase_of_its_own(make: Make):
    record = answered([10, 10])
    record.events.kind[0] = EventKind.REASONING
    record.usage.reasoning = 1
    text = printed(record, make())
    assert "reasoning         10.00 ms" in text
    assert "3 out (1 of them reasoning)" in text


def test_a_reused_connection_has_no_phases(make: Make):
    connection = Connection(reused=True, dns_ns=5, connect_ns=5, http_version="HTTP/1.1")
    record = answered([10, 10], connection=connection, clock_source="user", merged_events=2)
    text = printed(record, make())
    assert "dns" not in text
    assert "connection    reused, HTTP/1.1\n" in text
    assert "not the kernel, read at most 38 us\n              later, 2 events merged" in text
    assert "stalls        none above 250 ms\n" in text


def test_many_stalls_are_counted_and_the_longest_named(make: Make):
    record = answered([1] * 20 + [300, 301, 302, 303, 304, 305, 306] + [1] * 20)
    told = " ".join(printed(record, make()).split())
    assert "stalls 7: 306 ms after event 27, 305 ms after event 26, 304 ms" in told
    assert "302 ms after event 23 and 2 more" in told


def test_an_answer_that_was_held_back(make: Make):
    record = answered([0, 0], usage=Usage(), tokens_source="events")
    text = printed(record, make(pseudo_streaming={"requests": 1, "judged": 1, "share": 1.0}))
    assert "streaming     in name only: the answer was held back and came in\n" in text
    assert "tokens        unknown: no usage was reported; 3 events with content\n" in text
    assert "gaps" not in text


def test_a_failed_request_shows_how_far_it_got(make: Make):
    error = RequestError(ErrorKind.RATE_LIMIT, Stage.WAIT, "Too many\x1b[2J", 429, "slow_down")
    record = Record("x", 0, Status.FAILED, "openai", "gpt", start_ns=0, sent_ns=MS, end_ns=9 * MS)
    record.error = error
    text = printed(record, make())
    assert text.startswith("openai/gpt  failed · E2E 9 ms\n\nsend ")
    assert text.endswith("error         rate_limit 429 slow_down (wait): Too many?[2J\n")
    assert "tokens" not in text
    assert "stamps" not in text


def test_a_request_that_never_started(make: Make):
    record = Record("x", 0, Status.FAILED, "openai", "gpt")
    record.error = RequestError(ErrorKind.NETWORK, Stage.CONNECT, "refused")
    text = printed(record, make())
    assert text == (
        "openai/gpt  failed\n\nconnection    new\nerror         network (connect): refused\n"
    )
    assert failure(record.error) == "network (connect): refused"


def test_tokens_counted_here(make: Make):
    record = answered([10], usage=Usage(output=2), tokens_source="tokenizer")
    assert "2 out, 2 events with content; counted by the tokenizer" in printed(record, make())


def test_bars_begin_where_their_phase_does():
    assert bar(0, 10, 10, 4) == "████"
    assert bar(5, 5, 10, 4) == "  ██"
    assert bar(10, 0, 10, 4) == "   ▏"
    assert bar(0, 0, 0, 4) == ""


def test_a_strip_shows_the_longest_of_each_column_and_caps_the_outliers():
    drawn = strip([1, 1, 2, 1, 1, 100], 3)
    assert (drawn.per_column, drawn.top, drawn.columns) == (2, 8, "▂▃█")
    assert drawn.over == {2}
    assert strip([0, 0, 0, 5], 9).columns == "▁▁▁█"
