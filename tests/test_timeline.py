"""The raw record of one request, the blueprint that it was made from, and what is raised."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens import errors
from llm_latency_lens.errors import ConfigError, LensError, RunError, StoreError, UsageError
from llm_latency_lens.request import Prompt, Request, Secret, Target
from llm_latency_lens.timeline import Connection, ErrorKind, Failure, Stage, Timeline


def test_a_timeline_begins_empty() -> None:
    timeline = Timeline(index=3, id="r-3", attempt=1, model="m", tag="t", planned_ns=9)
    assert (timeline.index, timeline.id, timeline.attempt, timeline.tag) == (3, "r-3", 1, "t")
    assert (timeline.start_ns, timeline.sent_ns, timeline.first_byte_ns, timeline.closed_ns) == (
        None,
        None,
        None,
        None,
    )
    assert (timeline.clock_source, timeline.status, timeline.complete) == ("user", None, False)
    assert timeline.connection == Connection()
    assert list(timeline.reads()) == []


@given(st.lists(st.tuples(st.integers(0, 2**62), st.binary(max_size=20), st.integers(0, 99))))
def test_reads_come_back_as_they_were_added(reads: list[tuple[int, bytes, int]]) -> None:
    timeline = Timeline()
    for at_ns, data, lag_ns in reads:
        timeline.add(at_ns, data, lag_ns)
    assert list(timeline.reads()) == [(at_ns, data) for at_ns, data, _ in reads]
    assert list(timeline.lag) == [lag_ns for _, _, lag_ns in reads]
    assert bytes(timeline.body) == b"".join(data for _, data, _ in reads)
    assert list(timeline.ends[-1:]) == [len(timeline.body)][: len(reads)]


def test_the_first_failure_stands() -> None:
    timeline = Timeline()
    timeline.fail(ErrorKind.TIMEOUT, Stage.WAIT, "too late")
    timeline.fail(ErrorKind.CANCELLED, Stage.STREAM, "cancelled")
    assert timeline.failure == Failure(ErrorKind.TIMEOUT, Stage.WAIT, "too late")


def test_a_timeline_holds_nothing_that_it_does_not_name() -> None:
    with pytest.raises(AttributeError):
        Timeline().note = "x"  # type: ignore[attr-defined]


def test_the_words_for_stages_and_kinds_are_fixed() -> None:
    assert list(Stage) == ["resolve", "connect", "tls", "send", "wait", "stream", "decode"]
    assert list(ErrorKind) == [
        "auth",
        "rate_limit",
        "quota",
        "overloaded",
        "server",
        "bad_request",
        "content_filter",
        "timeout",
        "network",
        "protocol",
        "cancelled",
    ]


# -- the blueprint ----------------------------------------------------------------------------


def test_a_secret_is_told_only_on_purpose() -> None:
    secret = Secret("sk-123")
    assert secret.reveal() == "sk-123"
    assert "sk-123" not in f"{secret!r} {secret}"
    assert secret == Secret("sk-123") != Secret("sk-456")
    assert secret != "sk-123"
    assert len({secret, Secret("sk-123")}) == 1
    assert (bool(secret), bool(Secret(""))) == (True, False)
    assert repr(Secret("")) == "Secret('')"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


def test_a_target_and_a_request_print_without_their_secrets() -> None:
    headers = (("authorization", "Bearer sk-123"),)
    target = Target("openai", "m", "http://model/v1", Secret("sk-123"), headers=headers)
    request = Request("openai", "m", "http://model/v1", headers, b'{"secret prompt": 1}')
    assert "sk-123" not in f"{target!r} {request!r}"
    assert "secret prompt" not in repr(request)
    assert (request.method, request.stream) == ("POST", True)


def test_a_prompt_of_a_text_is_one_message_of_the_user() -> None:
    assert Prompt.of("Hi") == Prompt(({"role": "user", "content": "Hi"},))


# -- what is raised ---------------------------------------------------------------------------


def test_the_tree_of_errors_is_the_one_that_its_page_draws() -> None:
    tree = {
        name: value.__mro__[1]
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert tree == {
        "LensError": Exception,
        "UsageError": LensError,
        "ConfigError": UsageError,
        "RunError": LensError,
        "StoreError": RunError,
        "SinkError": RunError,
    }
    assert errors.__doc__
    assert all(name in errors.__doc__ for name in tree)
    assert [kind.exit_code for kind in (LensError, UsageError, ConfigError, StoreError)] == [
        3,
        2,
        2,
        3,
    ]


def test_a_mistake_in_a_file_names_its_place() -> None:
    error = ConfigError("no such key", path="run.toml", line=7)
    assert (str(error), error.path, error.line) == ("run.toml:7: no such key", "run.toml", 7)
    assert str(ConfigError("empty", path="run.toml")) == "run.toml: empty"
