"""What Google's answers come to, beside the samples in tests/conformance/gemini.jsonl."""

from __future__ import annotations

import json
import time
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers import PROVIDERS, get
from llm_latency_lens.providers.google_chat import BROKEN_OFF, decode
from llm_latency_lens.providers.google_stream import bare_object, elements, is_array
from llm_latency_lens.record import Record, Status
from llm_latency_lens.request import Operation
from llm_latency_lens.testing.conformance import Sample, capture, load_samples
from llm_latency_lens.timeline import ErrorKind, Stage, Timeline

SAMPLES = load_samples(Path(__file__).parents[1] / "conformance" / "gemini.jsonl")
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=4), TREES, max_size=3), max_size=5)


def answered(body: bytes, **more: Any) -> Record:
    return decode(capture(Sample("it", body, **more), (len(body),)))


def chunk(*parts: dict[str, Any], finish: str = "STOP", **counts: Any) -> bytes:
    usage = {"promptTokenCount": 4, "candidatesTokenCount": 1, "totalTokenCount": 5, **counts}
    candidate = {"content": {"parts": list(parts)}, "finishReason": finish}
    return b"data: " + json.dumps({"candidates": [candidate], "usageMetadata": usage}).encode()


def piece(*parts: dict[str, Any], output: int, **more: Any) -> bytes:
    usage = {"promptTokenCount": 4, "candidatesTokenCount": output, "totalTokenCount": 4 + output}
    candidate = {"content": {"parts": list(parts)}, **more}
    whole = {"candidates": [candidate], "usageMetadata": usage}
    return b"data: " + json.dumps(whole).encode() + b"\r\n\r\n"


def test_an_answer_that_goes_on_behind_a_finish_reason_ends_with_the_last_one() -> None:
    """Gemini gives one before it runs code that the model wrote, and one at the end."""
    body = b"".join(
        (
            piece({"executableCode": {"code": "print(6*7)"}}, output=9, finishReason="STOP"),
            piece({"codeExecutionResult": {"output": "42"}}, output=9),
            half := piece({"text": "It is"}, output=11),
            piece({"text": " 42."}, output=13, finishReason="STOP"),
        )
    )
    whole = answered(body)
    assert (whole.status, whole.usage.output, len(whole.events)) == (Status.OK, 13, 3)
    size = body.index(half) + len(half)
    cut = decode(capture(Sample("it", body[:size]), (size,), complete=False))
    assert cut.error is not None
    assert (cut.error.kind, len(cut.events)) == (ErrorKind.NETWORK, 2)


# -- the array ---------------------------------------------------------------------------------


@given(OBJECTS, st.sampled_from([None, 1, 2]), st.booleans(), st.data())
def test_an_array_is_taken_apart_at_any_border(
    objects: list[Any], indent: int | None, ascii_only: bool, data: st.DataObject
) -> None:
    pieces = [json.dumps(one, indent=indent, ensure_ascii=ascii_only).encode() for one in objects]
    body = b"[" + b"\n,\r\n".join(pieces) + b"\n]\n"
    ends = sorted({*data.draw(st.lists(st.integers(1, len(body)), max_size=9)), len(body)})
    found = list(elements(body, array("Q", ends)))
    assert [event for event, *_ in found] == pieces
    assert all(closed and not name for _, name, _, closed in found)
    at = 1
    for piece, (_, _, read, _) in zip(pieces, found, strict=True):
        at = body.index(piece, at) + len(piece)
        assert ends[read] >= at
        assert read == 0 or ends[read - 1] < at


@given(st.binary(max_size=60))
def test_any_bytes_are_taken_apart_to_their_end(rest: bytes) -> None:
    body = b"[" + rest
    assert is_array(body)
    found = list(elements(body, array("Q", [len(body)])))
    assert all(read == 0 for _, _, read, _ in found)
    assert all(closed for *_, closed in found[:-1])


def test_an_element_may_be_nested_deeper_than_a_parser_goes() -> None:
    deep = b'{"a":' * 5000 + b"{}" + b"}" * 5000
    (found,) = elements(b"[" + deep + b"]", array("Q", [len(deep) + 2]))
    assert found == (deep, b"", 0, True)
    (cut,) = elements(b"[" + deep[:-1], array("Q", [len(deep)]))
    assert cut == (deep[:-1], b"", 0, False)


def test_a_bare_object_stands_on_a_line_of_its_own() -> None:
    assert bare_object(b'data: {"a":1}\n\n{\n "b": 2\n}\n') == b'{\n "b": 2\n}'
    assert bare_object(b'data: {"a":1}\r\n\r\n[{"b":2}]') == b'{"b":2}'
    assert bare_object(b'data: {"a":1}\n\n{"b"') is None
    assert bare_object(b'data: {"a":1}\n\n') is None


@pytest.mark.parametrize(
    "noise", [b"\n", b"\n[", b"[", b'"', b"{", b'{"', b"{}", b"\\", b"},{", b" "]
)
def test_a_flood_of_anything_is_read_in_little_time(noise: bytes) -> None:
    for begin in (b"data: {}\n\n", b"["):
        body = begin + noise * (200_000 // len(noise))
        started = time.process_time()
        assert answered(body).status is Status.FAILED
        assert time.process_time() - started < 5


def test_bare_objects_that_are_no_errors_change_nothing() -> None:
    body = chunk({"text": "Hi"})
    for more in (b'\n\n{"a":1}\n', b"\n\n{}}\n", b"\n\n{a}\n"):
        assert answered(body + more).status is Status.OK


# -- noise -------------------------------------------------------------------------------------


@given(st.data())
def test_damaged_answers_are_decoded_without_an_exception(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(SAMPLES))
    body = bytearray(sample.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"{", b"}", b'"', b"[", b"]", b"\\", b"null"])
        )
    whole = bytes(body)
    ends = sorted({data.draw(st.integers(0, len(whole))), len(whole)} - {0})
    broken = Sample("damaged", whole, status=sample.status, headers=sample.headers)
    record = decode(capture(broken, ends, complete=data.draw(st.booleans())))
    assert (record.error is None) == (record.status is Status.OK)


@given(st.sampled_from(["candidates", "usageMetadata", "promptFeedback", "error"]), TREES)
def test_any_value_may_stand_where_another_belongs(name: str, value: Any) -> None:
    body = b"data: " + json.dumps({name: value}).encode()
    record = answered(body)
    assert record.status is Status.FAILED
    assert record.error is not None


def test_arguments_nested_deeply_raise_nothing() -> None:
    for depth in (*range(100, 800, 100), *range(800, 1010), 100_000):  # parsers give up within
        args = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
        call = b'{"functionCall":{"args":%b}}' % args
        record = answered(b'data: {"candidates":[{"content":{"parts":[%b]}}]}' % call)
        assert record.events.text in ([args.decode()], [])


# -- content -----------------------------------------------------------------------------------


def test_half_a_surrogate_in_arguments_is_replaced() -> None:
    record = answered(chunk({"functionCall": {"args": {"a": "\ud83d"}}}))
    assert record.events.text == ['{"a":"\ufffd"}']


@pytest.mark.parametrize("reason", [*BROKEN_OFF])
def test_finish_reasons_that_are_failures(reason: str) -> None:
    error = answered(chunk({"text": "Hi"}, finish=reason)).error
    assert error is not None
    assert error.stage is Stage.STREAM
    assert error.provider_code == reason
    assert error.kind is BROKEN_OFF[reason][0]
    assert reason in error.message


@pytest.mark.parametrize(
    "reason", ["STOP", "MAX_TOKENS", "OTHER", "CONTINUATION", "TOO_MANY_TOOL_CALLS", "NEW_WORD"]
)
def test_finish_reasons_that_are_none(reason: str) -> None:
    record = answered(chunk({"text": "Hi"}, finish=reason))
    assert (record.status, record.finish_reason) == (Status.OK, reason)


@pytest.mark.parametrize(
    ("counts", "headers", "tier"),
    [
        ({}, (), None),
        ({"trafficType": "ON_DEMAND"}, (("X-Gemini-Service-Tier", "flex"),), "ON_DEMAND"),
        ({"serviceTier": "priority"}, (), "priority"),
        ({}, (("X-Gemini-Service-Tier", "flex"),), "flex"),
    ],
)
def test_the_tier(counts: dict[str, Any], headers: Any, tier: str | None) -> None:
    assert answered(chunk({"text": "Hi"}, **counts), headers=headers).service_tier == tier


def test_who_answered() -> None:
    body = b'data: {"responseId":"r1"}\n\ndata: {"modelVersion":"gemini-x-001","responseId":"r2"}'
    record = answered(body)
    assert (record.response_id, record.response_model) == ("r1", "gemini-x-001")


# -- errors ------------------------------------------------------------------------------------


def refused(error: dict[str, Any], status: int = 429) -> Any:
    body = json.dumps({"error": error}).encode()
    headers = (("content-type", "application/json"),)
    return answered(body, status=status, headers=headers).error


@pytest.mark.parametrize(
    ("details", "status", "kind"),
    [
        ([], 429, ErrorKind.RATE_LIMIT),
        ([{"violations": [{"quotaId": "RequestsPerMinutePerProject"}]}], 429, ErrorKind.RATE_LIMIT),
        ([{"violations": [{"quotaId": "A"}, {"quotaId": "TokensPerDay"}]}], 429, ErrorKind.QUOTA),
        ([{"violations": [{"quotaMetric": "x/requests_per_day"}]}], 429, ErrorKind.QUOTA),
        ([{"violations": [{"quotaValue": "0"}]}], 429, ErrorKind.QUOTA),
        ([{"metadata": {"quota_limit": "RequestsPerDayPerProject"}}], 429, ErrorKind.QUOTA),
        ([{"reason": "MODEL_CAPACITY_EXHAUSTED"}], 429, ErrorKind.OVERLOADED),
        ([{"reason": "RATE_LIMIT_EXCEEDED"}], 429, ErrorKind.RATE_LIMIT),
        ([{"reason": "BILLING_DISABLED"}], 403, ErrorKind.QUOTA),
        ([{"reason": "API_KEY_INVALID"}], 400, ErrorKind.AUTH),
        ([7, {"reason": 7, "violations": 7, "metadata": []}], 400, ErrorKind.BAD_REQUEST),
        ({"reason": "API_KEY_INVALID"}, 400, ErrorKind.BAD_REQUEST),
    ],
)
def test_details_say_why(details: Any, status: int, kind: ErrorKind) -> None:
    assert refused({"code": status, "status": "A_WORD", "details": details}, status).kind is kind


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("UNAUTHENTICATED", ErrorKind.AUTH),
        ("PERMISSION_DENIED", ErrorKind.AUTH),
        ("RESOURCE_EXHAUSTED", ErrorKind.RATE_LIMIT),
        ("UNAVAILABLE", ErrorKind.OVERLOADED),
        ("DEADLINE_EXCEEDED", ErrorKind.TIMEOUT),
        ("INVALID_ARGUMENT", ErrorKind.BAD_REQUEST),
        ("FAILED_PRECONDITION", ErrorKind.BAD_REQUEST),
        ("NOT_FOUND", ErrorKind.BAD_REQUEST),
        ("INTERNAL", ErrorKind.SERVER),
    ],
)
def test_a_word_inside_a_stream(word: str, kind: ErrorKind) -> None:
    body = b"data: " + json.dumps({"error": {"status": word, "message": "No."}}).encode()
    error = answered(body).error
    assert error is not None
    assert (error.kind, error.stage, error.provider_code) == (kind, Stage.STREAM, word)


def test_an_error_as_the_whole_body_under_200() -> None:
    for body in (b'{"error":{"message":"No."}}', b'{"message":"No.","code":7}'):
        record = answered(body, headers=(("content-type", "application/json"),))
        assert record.error is not None
        assert (record.error.kind, record.error.message) == (ErrorKind.SERVER, "No.")


# -- embeddings --------------------------------------------------------------------------------


def embedded(document: Any, provider: str = "gemini", **more: Any) -> Record:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    timeline = Timeline(provider=provider, model="m", stream=False, operation=Operation.EMBEDDINGS)
    timeline.start_ns, timeline.status, timeline.complete = 0, 200, True
    timeline.headers = (("content-type", "application/json"),)
    timeline.add(7, body)
    return get(provider).dialect(Operation.EMBEDDINGS).decode(timeline)


VECTOR = {"values": [0.1, -2]}


@pytest.mark.parametrize("provider", ["gemini", "vertex"])
@pytest.mark.parametrize(
    ("document", "tokens"),
    [
        ({"embedding": VECTOR}, None),
        ({"embedding": VECTOR, "usageMetadata": {"promptTokenCount": 5}}, 5),
        ({"embeddings": [VECTOR, VECTOR], "usageMetadata": {"promptTokenCount": 9}}, 9),
        ({"predictions": [{"embeddings": VECTOR | {"statistics": {"token_count": 3.0}}}]}, 3),
        ({"predictions": [{"embeddings": VECTOR}]}, None),
    ],
)
def test_embeddings(provider: str, document: Any, tokens: int | None) -> None:
    record = embedded(document, provider)
    assert record.status is Status.OK
    assert (len(record.events), record.end_ns) == (0, 7)
    assert (record.usage.input, record.usage.output) == (tokens, None)


@pytest.mark.parametrize(
    ("document", "kind", "says"),
    [
        ({"embedding": {}}, ErrorKind.PROTOCOL, "without embeddings"),
        ({"predictions": [{}]}, ErrorKind.PROTOCOL, "without embeddings"),
        ({"error": {"message": "No.", "status": "UNAVAILABLE"}}, ErrorKind.OVERLOADED, "No."),
        (b"<title>Sign in</title>", ErrorKind.PROTOCOL, "Sign in"),
    ],
)
def test_no_embeddings(document: Any, kind: ErrorKind, says: str) -> None:
    error = embedded(document).error
    assert error is not None
    assert error.kind is kind
    assert says in error.message


def test_an_http_error_instead_of_embeddings() -> None:
    decode_it = PROVIDERS["gemini"].dialect(Operation.EMBEDDINGS).decode
    record = decode_it(capture(Sample("it", b"{}", status=401), (2,)))
    assert record.error is not None
    assert record.error.kind is ErrorKind.AUTH
