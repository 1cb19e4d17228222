"""Line protocol, against a reader that is written from its own rules."""

from __future__ import annotations

import io
import re
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from sunk_records import BEGAN, MS, answer, context, failed, never_started

from llm_latency_lens.record import Record
from llm_latency_lens.sinks import Exported, export_of
from llm_latency_lens.sinks.influx import Value, line

Point = tuple[str, dict[str, str], dict[str, Value], int]

_NAME = r"(?:\\[,= ]|[^,= ])+"
_FIELD = re.compile(rf'({_NAME})=("(?:\\["\\]|[^"\\])*"|[^, ]+)')
_LINE = re.compile(rf"((?:\\[, ]|[^, ])+)((?:,{_NAME}={_NAME})*) (.+) (-?\d+)", re.DOTALL)


def read_line(text: str) -> Point:
    """One point: measurement, tags, fields, stamp. Raises where the line is none."""
    found = _LINE.fullmatch(text)
    assert found, text
    measurement, tags, fields, stamp = found.groups()
    read: dict[str, Value] = {}
    place = 0
    for field in _FIELD.finditer(fields):
        assert field.start() == place, fields
        read[_bare(field[1])] = _read_value(field[2])
        place = field.end() + 1
    assert place == len(fields) + 1, fields
    pairs = re.findall(rf",({_NAME})=({_NAME})", tags)
    return (
        _bare(measurement),
        {_bare(name): _bare(value) for name, value in pairs},
        read,
        int(stamp),
    )


def _bare(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def _read_value(text: str) -> Value:
    if text.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if text in ("true", "false"):
        return text == "true"
    return int(text[:-1]) if text.endswith("i") else float(text)


_TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=8)
_NAMES = _TEXTS.filter(lambda text: not text.endswith("\\"))
_VALUES = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS
)


@given(
    _NAMES.filter(lambda name: "\\" not in name and "=" not in name),
    st.dictionaries(_NAMES, _NAMES, max_size=3),
    st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=4),
    st.integers(-(2**63), 2**63 - 1),
)
@settings(max_examples=80)
def test_what_is_written_is_what_is_read(measurement, tags, fields, stamp):
    text = line(measurement, tags, fields, stamp)
    assert "\n" not in text
    read = read_line(text)
    assert read == (measurement, tags, fields, stamp)
    assert {name: type(value) for name, value in read[2].items()} == {
        name: type(value) for name, value in fields.items()
    }


def test_what_no_line_can_hold():
    text = line("m", {"a": "", "b": "x\\", "c": "p\nq", "d": "\ud800"}, {"f": "one\ntwo\0"}, 1)
    assert text == 'm,b=x,c=p\\ q,d=? f="one two " 1'


def written(*records: Record) -> list[Point]:
    file = io.BytesIO()
    export_of("influx")(Exported(context(), lambda: records), file)
    return [read_line(text) for text in file.getvalue().decode().splitlines()]


def test_an_answer():
    record = answer(3, gaps_ms=(20.0, 900.0, 20.0), cost_usd=Decimal("0.0000015"), arm="a b")
    (point,) = written(record)
    assert point == (
        "latency_lens_request",
        {
            "run": "run-1",
            "provider": "openai",
            "model": "m",
            "operation": "chat",
            "arm": "a b",
            "status": "ok",
            "attempt": "0",
            "warmup": "false",
            "clock_source": "kernel",
        },
        {
            "index": 3,
            "id": "run-1-3",
            "ttft_ms": 200.0,
            "answer_ms": 200.0,
            "tpot_ms": 940 / 3,
            "e2e_ms": 1141.0,
            "ttfb_ms": 199.0,
            "itl_max_ms": 900.0,
            "events": 4,
            "stalls": 1,
            "merged_events": 0,
            "read_lag_us_max": 0.0,
            "input_tokens": 10,
            "output_tokens": 4,
            "cost_usd": 1.5e-06,
            "finish_reason": "stop",
        },
        BEGAN + 30 * MS,
    )


def test_failures_have_tags_of_their_own_and_no_words():
    early, ordinary, late = written(never_started(0), failed(1), never_started(2, end_ns=6 * 10**9))
    assert ordinary[1]["error_kind"] == "rate_limit"
    assert ordinary[1]["error_stage"] == "wait"
    assert ordinary[2]["http_status"] == 429
    assert "SECRET" not in str((early, ordinary, late))
    assert early[3] == BEGAN  # nobody knows better yet
    assert late[3] == BEGAN + 10**9  # by the clock of the one before: its zero is at 5 s


def test_points_of_one_series_never_share_a_stamp():
    stamps = [point[3] for point in written(*(never_started(index) for index in range(3)))]
    assert stamps == [BEGAN, BEGAN + 1, BEGAN + 2]
