"""How any wire format is played: faults, documents, header fields. OpenAI's stands for all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from wire_responses import Response

from llm_latency_lens.request import Operation
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.openai_wire import WIRE
from llm_latency_lens.testing.plan import plan
from llm_latency_lens.testing.script import NO_CONTENT, Ending, Script
from llm_latency_lens.testing.wire import (
    Ask,
    Asked,
    Form,
    Whole,
    Wire,
    answer,
    planned,
    refuse,
    sse,
)
from llm_latency_lens.testing.wires import WIRES, wire_of

MS = 1_000_000
PLAIN = Ask("m", include_usage=False)


def answered(wire: Wire = WIRE, ask: Ask = PLAIN, **options: str) -> Script:
    config = SimConfig.from_options(**options)
    return answer(wire, config, plan(config, 0, prompt_tokens=5), ask)


def test_a_rate_limit_says_when_to_come_back() -> None:
    script = answered(faults="429=1500ms:always")
    response = Response(script)
    assert (response.status, script.status, script.outcome) == (429, 429, "error")
    assert response.headers["retry-after"] == "2"
    assert response.headers["retry-after-ms"] == "1500"
    assert response.json["error"]["code"] == "rate_limit_exceeded"
    assert script.offsets_ns == [0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, "server_error"),
        (529, "overloaded_error"),
        (503, "server_error"),
        (422, "invalid_request_error"),
    ],
)
def test_other_statuses(status: int, kind: str) -> None:
    response = Response(answered(faults=f"{status}:always"))
    assert response.status == status
    assert response.json["error"]["type"] == kind
    assert response.json["error"]["message"]
    assert "retry-after" not in response.headers


def test_a_status_nobody_knows_has_a_phrase_too() -> None:
    assert Response(refuse(WIRE, 599)).json["error"]["message"] == "Error."


def test_a_reset_at_first_sends_nothing() -> None:
    script = answered(faults="reset:always", tokens="8")
    assert script.data == []
    assert (script.ending, script.ending_ns, script.outcome) == (Ending.RESET, 200 * MS, "reset")


def test_a_reset_in_the_middle() -> None:
    script = answered(faults="reset@3:always", tokens="8")
    assert sum(entry is not NO_CONTENT for entry in script.entries) == 3
    assert script.ending_ns == 260 * MS
    assert not Response(script).complete


def test_a_cut_ends_half_way() -> None:
    script = answered(faults="cut:always", tokens="8", role="off")
    assert len(script.data) == 4
    assert (script.ending, script.ending_ns, script.outcome) == (Ending.CLOSE, 280 * MS, "cut")
    assert not Response(script).complete


def test_a_cut_after_the_last_event_spares_only_the_end() -> None:
    script = answered(faults="cut@99:always", tokens="3", role="off")
    assert len(script.data) == 3
    assert script.ending is Ending.CLOSE


def test_a_malformed_event_comes_between_sound_ones() -> None:
    script = answered(faults="malformed@1:always", tokens="2", role="off")
    response = Response(script)
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.data[1])
    assert len(response.data) == 5
    assert script.entries == [((True, 1),), NO_CONTENT, ((True, 1),), NO_CONTENT]
    assert response.complete


def test_an_error_inside_a_stream_ends_it() -> None:
    script = answered(faults="error-event@1:always", tokens="2", role="off")
    response = Response(script)
    assert response.events[1]["error"]["type"] == "server_error"
    assert response.data[2:] == ["[DONE]"]
    assert response.complete
    assert script.outcome == "error"


def test_a_slow_header_comes_in_pieces() -> None:
    script = answered(faults="slow-headers=300ms:always", tokens="8")
    pieces = [at for at, data in zip(script.offsets_ns, script.data, strict=True) if at < 300 * MS]
    assert len(pieces) == 8
    assert script.offsets_ns[8] == 300 * MS
    assert script.data[8].partition(b"\r\n")[0].isalnum()
    assert script.offsets_ns[-1] == 340 * MS
    assert Response(script).data == Response(answered(tokens="8")).data


def test_silence_is_silence() -> None:
    script = answered(faults="silence:always")
    assert (script.data, script.ending) == ([], Ending.HOLD)


def test_wrong_usage() -> None:
    ask = Ask("m")
    usage = Response(answered(ask=ask, faults="wrong-usage=3:always", tokens="2")).events[-1]
    assert usage["usage"]["completion_tokens"] == 6


def test_no_done() -> None:
    response = Response(answered(faults="no-done:always", tokens="2"))
    assert "[DONE]" not in response.data
    assert response.complete


def test_a_page() -> None:
    response = Response(answered(faults="html:always"))
    assert (response.status, response.headers["content-type"]) == (200, "text/html")
    assert response.body.startswith(b"<!DOCTYPE html>")


def test_an_endless_answer_repeats() -> None:
    script = answered(faults="endless:always", tokens="3", gap="7ms")
    assert (script.ending, script.repeat_ns) == (Ending.REPEAT, 7 * MS)
    assert b'"content":" again"' in script.repeat
    assert not Response(script).complete


def test_an_endless_answer_without_any_event_hangs() -> None:
    config = SimConfig.from_options(reasoning="5", reasoning_hidden="yes", faults="endless:always")
    script = answer(WIRE, config, plan(config, 0, max_tokens=3), Ask("m"))
    assert script.ending is Ending.HOLD


@pytest.mark.parametrize(
    ("fault", "ending", "outcome"),
    [
        ("reset", Ending.RESET, "reset"),
        ("cut", Ending.CLOSE, "cut"),
        ("endless", Ending.HOLD, "ok"),
        ("error-event", Ending.KEEP, "error"),
        ("malformed", Ending.KEEP, "ok"),
        ("no-done", Ending.KEEP, "ok"),
    ],
)
def test_faults_of_a_document(fault: str, ending: Ending, outcome: str) -> None:
    script = answered(ask=Ask("m", stream=False), faults=f"{fault}:always")
    assert (script.ending, script.outcome) == (ending, outcome)
    if fault == "cut":
        assert not Response(script).complete
    if fault == "malformed":
        with pytest.raises(json.JSONDecodeError):
            Response(script).json  # noqa: B018
    if fault == "error-event":
        assert Response(script).json["error"]["type"] == "server_error"


def test_a_format_adds_header_fields() -> None:
    wire = replace(
        WIRE,
        headers=lambda plan, _ask: [("x-request-id", f"r{plan.index}")],
        refusal_headers=lambda status: [("x-errortype", str(status))],
    )
    assert Response(answered(wire)).headers["x-request-id"] == "r0"
    assert Response(answered(wire, Ask("m", stream=False))).headers["x-request-id"] == "r0"
    refused = Response(answered(wire, faults="429=1s:always")).headers
    assert (refused["x-errortype"], refused["retry-after"]) == ("429", "1")


class Bare(Whole):
    """A format that says nothing before its content and nothing after it."""

    def events(self) -> list[tuple[bytes, bytes]]:
        return [(b"", b"a"), (b"(", b"b")]


def test_a_format_need_not_open_nor_close() -> None:
    form: Form = Bare(b"ab")
    bare = replace(WIRE, form=lambda *_: form)
    script = answered(bare, tokens="2")
    assert Response(script).pieces == [b"a", b"(", b"b", b""]
    assert Response(script).complete
    assert script.entries == [((True, 1),), NO_CONTENT, ((True, 1),), NO_CONTENT]
    assert Response(answered(bare, Ask("m", stream=False))).body == b"ab"


def test_what_is_never_streamed_has_a_document_and_no_other_part() -> None:
    whole = Whole(b"{}")
    parts = (whole.opening(), whole.closing(True), whole.error(), whole.broken(), whole.again())
    assert parts == (b"",) * 5
    assert (whole.events(), whole.document()) == ([], b"{}")


@pytest.mark.parametrize("operation", [Operation.EMBEDDINGS, Operation.RERANK])
def test_what_has_no_tokens_is_ready_when_a_first_token_would_be(operation: Operation) -> None:
    config = SimConfig.from_options(ttft="30ms", prefill="1ms", tokens="50")
    ask = Ask("m", stream=False, prompt_tokens=4, operation=operation)
    due = planned(config, 0, ask)
    script = answer(replace(WIRE, form=lambda *_: Whole(b"{}")), config, due, ask)
    assert script.offsets_ns == [34 * MS]
    assert script.entries == [NO_CONTENT]


def test_the_first_format_that_matches_answers() -> None:
    assert wire_of(Asked("POST", "/v1/chat/completions")) is WIRE
    assert wire_of(Asked("DELETE", "/")) is None
    assert len({wire.name for wire in WIRES}) == len(WIRES)


def test_server_sent_events() -> None:
    assert sse(b"{}") == b"data: {}\n\n"
    assert sse(b"{}", "ping") == b"event: ping\ndata: {}\n\n"
