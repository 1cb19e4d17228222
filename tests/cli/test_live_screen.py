"""The whole terminal, as it is after the control characters were carried out."""

import io
import re
from dataclasses import replace

import pytest
from test_progress_display import NOW, live

from llm_latency_lens.cli.display import shown
from llm_latency_lens.cli.live import LiveScreen
from llm_latency_lens.cli.progress import Display
from llm_latency_lens.engine.plan import Progress
from llm_latency_lens.metrics.live import LiveSample

_CONTROL = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])")
WIDTH, HEIGHT = 80, 24


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def look(self) -> tuple[list[str], dict[str, bool]]:
        """The rows, and whether the alternate screen and the cursor are on."""
        rows = [[" "] * WIDTH for _ in range(HEIGHT)]
        modes = {"alternate": False, "cursor": True}
        row = column = 0
        text, place = self.getvalue(), 0
        while place < len(text):
            found = _CONTROL.match(text, place)
            if not found:
                rows[row][column] = text[place]
                column, place = column + 1, place + 1
                continue
            place = found.end()
            match found[2], found[1]:
                case "H", "":
                    row = column = 0
                case "H", where:
                    row, column = (int(part) - 1 for part in where.split(";"))
                case "K", _:
                    rows[row][column:] = [" "] * (WIDTH - column)
                case "J", _:
                    rows = [[" "] * WIDTH for _ in range(HEIGHT)]
                case ("h" | "l") as on, "?1049":
                    modes["alternate"] = on == "h"
                case ("h" | "l") as on, "?25":
                    modes["cursor"] = on == "h"
        return ["".join(line).rstrip() for line in rows], modes

    @property
    def rows(self) -> list[str]:
        return self.look()[0]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("LINES", str(HEIGHT))
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def screen(*told: Progress, title: str = "openai/m") -> list[str]:
    err = Terminal()
    live = LiveScreen(err, title)
    for now in told:
        live(now)
    return err.rows


def test_the_whole_of_it():
    assert screen(NOW, replace(NOW, elapsed_s=7.0, ok=58)) == [
        f" openai/m{' ' * 63}running",
        " ━━━━━━━━━━──────────────────────  30%   60 of 200   7.0 s gone   18.0 s left",
        "",
        " rate       8.33 answers a second of 10 offered",
        " requests   8 in flight   58 ok   2 failed",
        "",
        "                    p50        p90        p95        p99   ms, newest samples",
        " TTFT             200.0      200.0      200.0      200.0",
        " ITL              20.00      20.00      20.00      20.00",
        "",
        " gaps       ██",
        "            the newest gaps; █ is 20 ms",
        " TTFT       █",
        "            the newest answers; █ is 200 ms",
        " rate       █",
        "            answers a second; █ is 10",
        "",
        " errors           2  rate_limit",
        "                  1  timeout",
        *[""] * 5,
    ]


def test_before_the_first_answer_there_are_dashes():
    rows = screen(replace(NOW, live=LiveSample(), ok=0, failed=0, errors={}, offered_rate=None))
    assert rows[7] == " TTFT                 –          –          –          –"
    assert rows[10] == " gaps       –"
    assert rows[3] == " rate       8.33 answers a second"
    assert rows[16:] == [""] * 8


def test_only_what_changed_is_written_and_all_of_it():
    err = Terminal()
    display = LiveScreen(err, "m")
    display(NOW)
    written = len(err.getvalue())
    display(replace(NOW, elapsed_s=6.25))
    assert len(err.getvalue()) - written < 200
    assert "6.2 s gone" in err.rows[1]
    display(replace(NOW, elapsed_s=6.5, errors={}))
    assert err.rows == screen(replace(NOW, elapsed_s=6.5, errors={}), title="m")


def test_percentiles_are_reckoned_once_a_second():
    sample = live()
    err = Terminal()
    display = LiveScreen(err, "m")
    display(replace(NOW, live=sample))
    sample._ttft_ns.append(1_000_000_000)
    display(replace(NOW, live=sample, elapsed_s=6.5))
    assert "200.0" in err.rows[7]
    display(replace(NOW, live=sample, elapsed_s=7.0))
    assert "600.0" in err.rows[7]


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"warming": True}, "warming up"),
        ({"held_until_s": 90.0}, "held back until 1 min 30 s by a rate limit"),
        (
            {"draining": True},
            "stopping: running requests may still end; Ctrl-C again cuts them off",
        ),
    ],
)
def test_what_it_is_about_is_in_the_corner(change: dict[str, object], state: str):
    rows = screen(replace(NOW, **change), title="a/model" + "-long" * 20)  # type: ignore[arg-type]
    assert rows[0].endswith(f" {state}")
    assert "…" in rows[0]
    assert len(rows[0]) <= WIDTH


def test_without_an_end_in_sight_there_is_no_bar():
    rows = screen(replace(NOW, planned=None, remaining_s=None, cancelled=3))
    assert rows[1] == " 53 answered   6.0 s gone"
    assert rows[4].endswith("2 failed   3 cancelled")


def test_more_errors_than_rows_are_counted(monkeypatch: pytest.MonkeyPatch):
    errors = {f"kind-{i}": i for i in range(12)}
    rows = screen(replace(NOW, errors=errors))
    assert rows[17] == " errors          11  kind-11"
    assert rows[22] == "            and 7 more kinds"
    monkeypatch.setenv("LINES", "12")
    assert len(screen(replace(NOW, errors=errors))) == HEIGHT


def test_a_new_size_is_drawn_from_the_start():
    err = Terminal()
    display = LiveScreen(err, "m")
    display(NOW)
    display._console.width = 60
    display(NOW)
    assert max(map(len, err.rows)) <= 60
    assert err.rows[0].endswith("running")


def test_the_terminal_is_given_back():
    err = Terminal()
    display = LiveScreen(err, "m\x1b[31m\n")
    display.close()
    assert err.getvalue() == ""
    display(NOW)
    assert err.look()[1] == {"alternate": True, "cursor": False}
    assert err.rows[0].startswith(" m?[31m?")
    display.close()
    assert err.look()[1] == {"alternate": False, "cursor": True}


def test_where_there_is_no_terminal_the_small_display_does(monkeypatch: pytest.MonkeyPatch):
    assert isinstance(shown(Terminal(), "m", live=True, color=True), LiveScreen)
    assert isinstance(shown(Terminal(), "m", live=False, color=True), Display)
    assert isinstance(shown(io.StringIO(), "m", live=True, color=True), Display)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(shown(Terminal(), "m", live=True, color=True), Display)
