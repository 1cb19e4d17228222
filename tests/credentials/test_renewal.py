from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.credentials.renewal import LOOK_S, MARGIN_S, Renewal, Token
from llm_latency_lens.errors import UsageError
from llm_latency_lens.request import Request
from llm_latency_lens.testing.clock import FakeClock

REQUEST = Request("p", "m", "http://h/", (("accept", "a"),), b"{}")
LIFE_S = 3600.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(realtime_ns=1_000_000 * SECOND_NS)


def tokens(*texts: str, clock: FakeClock) -> Iterator[Token]:
    for text in texts:
        yield Token(text, clock.realtime_ns() / SECOND_NS + LIFE_S)


def started(*texts: str, clock: FakeClock) -> tuple[Renewal, list[bytes]]:
    source, secrets = tokens(*texts, clock=clock), list[bytes]()

    def fetch() -> Token:
        try:
            return next(source)
        except StopIteration:
            raise UsageError("nobody answers") from None

    renewal = Renewal(fetch, secrets, clock)
    renewal.close()  # the tests look themselves
    return renewal, secrets


def test_a_token_becomes_a_header(clock: FakeClock) -> None:
    renewal, secrets = started("t-1", clock=clock)
    signed = renewal.bearer(REQUEST)
    assert signed.headers == (("accept", "a"), ("authorization", "Bearer t-1"))
    assert renewal.bearer(signed) == signed
    assert secrets == [b"t-1"]


def test_it_is_renewed_shortly_before_its_end_and_not_earlier(clock: FakeClock) -> None:
    renewal, secrets = started("t-1", "t-2", clock=clock)
    clock.advance(int((LIFE_S - MARGIN_S - 1) * SECOND_NS))
    renewal.renew_if_due()
    assert secrets == [b"t-1"]
    clock.advance(SECOND_NS)
    renewal.renew_if_due()
    renewal.renew_if_due()
    assert secrets == [b"t-1", b"t-2"]
    assert renewal.bearer(REQUEST).headers[-1] == ("authorization", "Bearer t-2")
    assert LOOK_S < MARGIN_S


def test_the_old_token_goes_on_where_no_new_one_comes(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    renewal, _secrets = started("t-1", clock=clock)
    clock.advance(int(LIFE_S * SECOND_NS))
    with caplog.at_level(logging.WARNING):
        renewal.renew_if_due()
    assert caplog.messages == ["the token could not be renewed: nobody answers"]
    assert renewal.bearer(REQUEST).headers[-1] == ("authorization", "Bearer t-1")


def test_without_a_first_token_there_is_no_renewal(clock: FakeClock) -> None:
    with pytest.raises(UsageError, match="nobody answers"):
        started(clock=clock)


def test_a_token_without_an_end_stays(clock: FakeClock) -> None:
    renewal = Renewal(lambda: Token("t"), [], clock)
    clock.advance(10**18)
    renewal.renew_if_due()
    assert renewal.bearer(REQUEST).headers[-1] == ("authorization", "Bearer t")
