"""OpenAI's bytes: a script is read back by llhttp and JSON, and must be the plan."""

from __future__ import annotations

import json
from typing import Any

import httptools
import pytest

from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.openai_wire import WIRE, models, read
from llm_latency_lens.testing.plan import plan, words
from llm_latency_lens.testing.script import NO_CONTENT, Ending, Script
from llm_latency_lens.testing.wire import Ask, Asked, answer, bearer, one_send, refuse

MS = 1_000_000


class Response:
    """What an HTTP client makes of a script's bytes."""

    def __init__(self, script: Script) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(b"".join(script.data))
        self.status = self._parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> list[str]:
        events = self.body.decode().split("\n\n")
        assert events.pop() == ""
        return [event.removeprefix("data: ") for event in events]

    @property
    def events(self) -> list[Any]:
        return [json.loads(data) for data in self.data if data != "[DONE]"]


PLAIN = Ask("m", created=1700000000, include_usage=False)


def answered(index: int = 0, ask: Ask = PLAIN, **options: str) -> Script:
    config = SimConfig.from_options(**options)
    return answer(WIRE, config, plan(config, index, prompt_tokens=5), ask)


def deltas(script: Script) -> list[dict[str, Any]]:
    return [e["choices"][0]["delta"] for e in Response(script).events if e.get("choices")]


def test_a_stream_is_role_content_finish_done() -> None:
    script = answered(tokens="2")
    response = Response(script)
    assert response.status == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.complete
    assert response.data[-1] == "[DONE]"
    assert response.events[1] == {
        "id": "chatcmpl-sim-00000000",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "m",
        "choices": [
            {"index": 0, "delta": {"content": " the"}, "logprobs": None, "finish_reason": None}
        ],
    }
    assert deltas(script) == [
        {"role": "assistant", "content": ""},
        {"content": " the"},
        {"content": " answer"},
        {},
    ]
    assert response.events[-1]["choices"][0]["finish_reason"] == "stop"
    assert script.offsets_ns == [200 * MS, 200 * MS, 220 * MS, 220 * MS]
    assert script.entries == [NO_CONTENT, ((True, 1),), ((True, 1),), NO_CONTENT]
    assert (script.ending, script.ending_ns, script.outcome) == (Ending.KEEP, 220 * MS, "ok")


def test_each_send_is_one_chunk_of_http() -> None:
    script = answered(tokens="3")
    size, _, rest = script.data[2].partition(b"\r\n")
    assert int(size, 16) == len(rest) - 2
    assert rest.endswith(b"\n\n\r\n")


def test_usage_is_sent_when_asked_for() -> None:
    assert all("usage" not in event for event in Response(answered(tokens="2")).events)
    *events, last = Response(answered(ask=Ask("m"), tokens="2")).events
    assert all(event["usage"] is None for event in events)
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_the_role_comes_first_early_or_not_at_all() -> None:
    early = answered(tokens="1", role="early")
    assert early.offsets_ns[:2] == [0, 200 * MS]
    assert early.data[0].startswith(b"HTTP/1.1 200")
    off = answered(tokens="1", role="off")
    assert off.offsets_ns == [200 * MS, 200 * MS]
    assert deltas(off) == [{"content": " the"}, {}]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_has_a_field_of_its_own(field: str) -> None:
    script = answered(reasoning="1", tokens="1", reasoning_field=field)
    assert deltas(script)[1:3] == [{field: " the"}, {"content": " answer"}]


def test_tool_calls_are_named_and_then_argued() -> None:
    script = answered(tool_calls="2", tokens="2", role="first")
    name = {"name": "take_note", "arguments": ""}
    assert deltas(script) == [
        {"role": "assistant", "content": None},
        {"tool_calls": [{"index": 0, "id": "call_sim_0", "type": "function", "function": name}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"text":"the"}'}}]},
        {"tool_calls": [{"index": 1, "id": "call_sim_1", "type": "function", "function": name}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": '{"text":"answer"}'}}]},
        {},
    ]
    assert [entry[0][0] for entry in script.entries] == [False, False, True, False, True, False]
    assert Response(script).events[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_burst_is_one_send() -> None:
    script = answered(tokens="3", burst="all")
    assert script.offsets_ns == [240 * MS]
    assert script.entries == [((False, 0), (True, 1), (True, 1), (True, 1), (False, 0))]
    assert Response(script).complete


def test_an_answer_of_hidden_reasoning_alone_is_sound() -> None:
    config = SimConfig.from_options(reasoning="5", reasoning_hidden="yes")
    schedule = plan(config, 0, max_tokens=3)
    script = answer(WIRE, config, schedule, Ask("m"))
    events = Response(script).events
    assert events[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}
    assert events[-2]["choices"][0]["finish_reason"] == "length"


def test_without_keep_alive_the_connection_closes() -> None:
    script = answered(ask=Ask("m", keep_alive=False), tokens="1")
    assert script.ending is Ending.CLOSE
    assert Response(script).headers["connection"] == "close"


def test_a_document_holds_the_whole_answer() -> None:
    script = answered(ask=Ask("m", stream=False, created=7), tokens="2", reasoning="1")
    assert script.offsets_ns == [240 * MS]
    assert script.entries == [((True, 3),)]
    assert Response(script).json == {
        "id": "chatcmpl-sim-00000000",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": " answer is",
                    "refusal": None,
                    "reasoning_content": " the",
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 3,
            "total_tokens": 8,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    }


def test_a_document_holds_tool_calls() -> None:
    script = answered(ask=Ask("m", stream=False), tool_calls="2", tokens="4", reasoning="1")
    message = Response(script).json["choices"][0]["message"]
    assert message["content"] is None
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == [
        '{"text":"answer is"}',
        '{"text":"that a"}',
    ]


# -- faults -----------------------------------------------------------------------------------


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


# -- requests ---------------------------------------------------------------------------------


def asked(**body: Any) -> Ask:
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 40}]} | body
    return read(Asked("POST", "/v1/chat/completions", body=json.dumps(body).encode(), created=7))


def test_requests() -> None:
    assert asked() == Ask("m", False, 10, None, 7, include_usage=False)
    streamed = asked(stream=True, stream_options={"include_usage": True})
    assert streamed == Ask("m", True, 10, None, 7, include_usage=True)
    assert asked(max_tokens=5).max_tokens == 5
    assert asked(max_tokens=5, max_completion_tokens=4).max_tokens == 4
    assert asked(temperature=1, whatever=[1]).prompt_tokens == 10


def test_prompt_tokens_are_a_quarter_of_the_characters() -> None:
    parts = [{"type": "text", "text": "x" * 80}, {"type": "image_url", "image_url": {"url": "u"}}]
    assert asked(messages=[{"role": "user", "content": parts}]).prompt_tokens == 20
    assert asked(messages=[{"role": "assistant", "content": None}]).prompt_tokens == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"model":"m"}',
        b'{"model":1,"messages":[]}',
        b'{"model":"\xff","messages":[]}',
    ],
)
def test_bad_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="could not parse the JSON body"):
        read(Asked("POST", "/v1/chat/completions", body=body))


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens is too small: 0"):
        asked(max_tokens=0)


@pytest.mark.parametrize(
    ("method", "path", "mine"),
    [
        ("POST", "/v1/chat/completions", True),
        ("POST", "/openai/v1/chat/completions", True),
        ("GET", "/v1/chat/completions", False),
        ("POST", "/v1/completions", False),
    ],
)
def test_its_paths(method: str, path: str, mine: bool) -> None:
    assert WIRE.match(Asked(method, path)) is mine


@pytest.mark.parametrize(
    ("value", "key"), [("Bearer k", "k"), ("bearer k", "k"), ("Basic k", None), ("Bearer ", None)]
)
def test_the_key_of_a_request(value: str, key: str | None) -> None:
    assert bearer(Asked("POST", "/", headers={"authorization": value})) == key
    assert bearer(Asked("POST", "/")) is None


def test_the_list_of_models() -> None:
    response = Response(one_send(models(SimConfig())))
    assert [model["id"] for model in response.json["data"]] == ["sim"]


def test_texts_are_those_of_the_plan() -> None:
    config = SimConfig.from_options(tokens="200", tokens_per_event="3")
    schedule = plan(config, 5)
    sent = deltas(answer(WIRE, config, schedule, Ask("m")))[1:-1]
    assert [delta["content"] for delta in sent] == words(schedule)
