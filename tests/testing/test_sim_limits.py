"""Rate limits of the simulator: what they let in, and what their headers say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sim_client import serving

from llm_latency_lens import Lens
from llm_latency_lens.errors import UsageError
from llm_latency_lens.providers.limits import read_limits
from llm_latency_lens.record import RateLimit
from llm_latency_lens.testing.limits import Limit, Limiter, parse_limits

MS = 1_000_000
SECOND = 1000 * MS


def test_how_limits_are_written() -> None:
    limits = parse_limits("requests:60/60s, tokens:9000/500ms")
    assert limits == (Limit("requests", 60, 60 * SECOND), Limit("tokens", 9000, 500 * MS))
    assert ",".join(map(str, limits)) == "requests:60/60s,tokens:9000/500ms"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not a limit"),
        ("requests", "is not a limit"),
        ("requests:60", "is not a limit"),
        ("requests:-1/1s", "is not a limit"),
        ("answers:60/1s", "is not a limit"),
        ("requests:60/1", "is not a duration"),
        ("requests:60/1us", "at least 1ms"),
        ("requests:1/1s,requests:2/2s", "limits a kind twice"),
    ],
)
def test_what_is_no_limit(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_limits(text)


def test_a_window_begins_with_its_first_request() -> None:
    limiter = Limiter(parse_limits("requests:2/1s"))
    taken = [limiter.take(at_ms * MS, 1) for at_ms in (300, 400, 500, 1299, 1300)]
    assert [wait for _, wait in taken] == [None, None, 800 * MS, 1 * MS, None]
    left = [dict(fields)["x-ratelimit-remaining-requests"] for fields, _ in taken]
    assert left == ["1", "0", "0", "0", "1"]


def test_what_is_refused_by_one_limit_is_counted_by_none() -> None:
    limiter = Limiter(parse_limits("requests:9/1s,tokens:10/2s"))
    assert limiter.take(0, 8)[1] is None
    fields, wait = limiter.take(0, 3)
    assert wait == 2 * SECOND
    assert dict(fields)["x-ratelimit-remaining-requests"] == "8"
    assert limiter.take(0, 2)[1] is None


def test_our_reader_reads_the_headers() -> None:
    fields, _ = Limiter(parse_limits("requests:9/60s,tokens:10/2s")).take(0, 4)
    assert read_limits(fields, 0.0) == (
        RateLimit("requests", 9, 8, 60.0),
        RateLimit("tokens", 10, 6, 2.0),
    )


@given(st.integers(1, 9), st.lists(st.integers(0, 400), min_size=1, max_size=60))
def test_no_window_holds_more_than_its_limit(number: int, gaps_ms: list[int]) -> None:
    limiter = Limiter((Limit("requests", number, SECOND),))
    at_ns, let_in = 0, []
    for gap_ms in gaps_ms:
        at_ns += gap_ms * MS
        if limiter.take(at_ns, 1)[1] is None:
            let_in.append(at_ns)
    # Two windows can meet: no more than two full ones lie in any second.
    for begin in let_in:
        assert sum(begin <= at < begin + SECOND for at in let_in) <= 2 * number


def test_above_it_is_a_refusal(tmp_path: Path) -> None:
    async def test() -> None:
        options = {"ttft": "1ms", "gap": "1ms", "tokens": "2", "limits": "requests:1/60s"}
        async with serving(tmp_path, **options) as served:
            client = await served.connect()
            client.chat()
            assert (await client.response())[0] == 200
            assert client.headers["x-ratelimit-remaining-requests"] == "0"
            client.chat()
            status, body, complete = await client.response()
            await client.close()
        assert (status, complete) == (429, True)
        assert b"rate_limit_exceeded" in body
        assert 0 < int(client.headers["retry-after"]) <= 60
        assert client.headers["x-ratelimit-limit-requests"] == "1"
        assert [(one.status, one.outcome) for one in served.log] == [(200, "ok"), (429, "error")]

    asyncio.run(test())


@pytest.mark.parametrize("respect", [False, True])
def test_a_run_that_respects_them(tmp_path: Path, respect: bool) -> None:
    async def test() -> None:
        options = {"ttft": "2ms", "gap": "1ms", "tokens": "2", "limits": "requests:4/300ms"}
        async with serving(tmp_path, **options) as served:
            lens = Lens(model="m", base_url=served.base_url, proxy=None, run_dir=tmp_path / "run")
            found = await lens.abenchmark(
                "Hi", rate=50.0, requests=12, respect_rate_limits=respect, warmup=1
            )
        requests = found.result.requests
        told = {reason.code for reason in found.result.validity.reasons}
        assert requests.rate_limits["requests"].limit == 4
        assert ("held_back" in told) is respect
        assert "tool_lag" not in told or not respect
        if respect:
            assert (requests.ok, requests.failed, requests.unsent) == (12, 0, 0)
            assert requests.held_back.count >= 8
            assert requests.held_back.total_s > 1.0
        else:
            assert requests.errors == {"rate_limit": 12 - requests.ok}
            assert requests.failed > 0
            assert requests.held_back.count == 0

    asyncio.run(test())
