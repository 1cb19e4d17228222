import io
from dataclasses import replace

import pytest

from llm_latency_lens.cli.progress import Display
from llm_latency_lens.engine.plan import Progress
from llm_latency_lens.metrics.live import LiveSample
from llm_latency_lens.record import EventKind, Record, Status


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """What is left on it, with cursor movements carried out and colours taken out."""
        lines = [""]
        for part in self.getvalue().replace("\r\x1b[1A\x1b[2K", "\0").split("\n"):
            for _ in range(part.count("\0")):
                lines.pop(-2)
            lines[-1] = part.rpartition("\0")[2]
            lines.append("")
        return lines[:-2]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def live() -> LiveSample:
    sample = LiveSample()
    record = Record("x", 0, Status.OK, start_ns=0)
    for at_ms in (200, 220, 240):
        record.events.add(at_ms * 1_000_000, 0, EventKind.TEXT, "a")
    sample.add(record)
    return sample


NOW = Progress(
    elapsed_s=6.0,
    remaining_s=18.0,
    planned=200,
    sent=60,
    ok=48,
    failed=2,
    cancelled=0,
    in_flight=8,
    rate=8.33,
    offered_rate=10.0,
    errors={"timeout": 1, "rate_limit": 2},
    live=live(),
    warming=False,
    draining=False,
)


def test_a_line_now_and_then_where_there_is_no_terminal():
    err = io.StringIO()
    display = Display(err)
    for elapsed_s in (0.0, 4.9, 5.1, 5.3, 10.0, 10.2):
        display(replace(NOW, elapsed_s=elapsed_s))
    display.close()
    told = "8.33 of 10/s; 8 in flight; TTFT p50 200 ms; ITL p50 20 ms p99 20 ms; 2 failed\n"
    assert err.getvalue() == f"5.1 s: {told}10.2 s: {told}"


def test_being_held_back_is_said():
    err = io.StringIO()
    Display(err)(replace(NOW, elapsed_s=6.5, held_until_s=61.5))
    assert err.getvalue().endswith("2 failed; held back until 1 min 2 s by a rate limit\n")


def test_warming_up_is_said_and_the_clock_starts_anew():
    err = io.StringIO()
    display = Display(err)
    display(replace(NOW, elapsed_s=5.5, warming=True))
    display(replace(NOW, elapsed_s=0.5))
    display(replace(NOW, elapsed_s=5.0, live=LiveSample(), failed=0, offered_rate=None))
    assert err.getvalue().startswith("warming up, 5.5 s: ")
    assert err.getvalue().endswith("5.0 s: 8.33/s; 8 in flight\n")


def test_a_terminal_shows_it_in_place():
    err = Terminal()
    display = Display(err)
    display(NOW)
    display(replace(NOW, elapsed_s=6.2))
    display(replace(NOW, elapsed_s=6.5, ok=98, errors={}))
    assert err.screen() == [
        "████████████────────────  50%   100 of 200   6.5 s   18.0 s left",
        "8.33 of 10/s  8 in flight  TTFT p50 200 ms  ITL p50 20 ms p99 20 ms  2 failed",
    ]
    display.close()
    assert err.screen() == []


def test_errors_have_a_line_the_commonest_first():
    err = Terminal()
    Display(err)(NOW)
    assert err.screen()[2] == "errors: rate_limit 2, timeout 1"


def test_without_a_number_of_requests_time_is_the_measure():
    err = Terminal()
    Display(err)(replace(NOW, planned=None))
    assert err.screen()[0] == "██████──────────────────  25%   6.0 s   18.0 s left"
    err = Terminal()
    Display(err)(replace(NOW, planned=None, remaining_s=None))
    assert err.screen()[0] == "50 answered   6.0 s"
    err = Terminal()
    Display(err)(replace(NOW, warming=True))
    assert err.screen()[0] == "warming up   6.0 s"


def test_stopping_is_said_once():
    err = Terminal()
    display = Display(err)
    display(NOW)
    display(replace(NOW, draining=True))
    display(replace(NOW, elapsed_s=7.0, draining=True))
    display.close()
    assert err.screen() == ["Stopping: running requests may still end; Ctrl-C again cuts them off."]
