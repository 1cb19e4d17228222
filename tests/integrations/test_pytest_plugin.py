"""The pytest plugin, in sessions of its own: one that asks the simulator and records, and others
that replay."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random

import junitparser
import pytest
import requests

from llm_latency_lens import EventKind, Lens, Prompt, Record, Status, load
from llm_latency_lens.experiments.party import described
from llm_latency_lens.integrations import pytest_limits, pytest_summary
from llm_latency_lens.integrations.recordings import mark, place_of
from llm_latency_lens.metrics.context import Context, Health
from llm_latency_lens.store import runs
from llm_latency_lens.store.runs import RunFile
from llm_latency_lens.testing.config import SimConfig
from llm_latency_lens.testing.process import start_simulator

pytest_plugins = "pytester"

# A session in this process forgets what it has loaded, and numpy cannot be loaded twice.
LOADED = (pytest_limits, pytest_summary, requests)
PLUGIN = "llm_latency_lens.integrations.pytest_plugin"
SUITE = """
import asyncio
import pytest

seen = []

@pytest.mark.latency("ttft_ms.p95<10s", "error_rate<1%", repeat=3, allow_invalid=True)
def test_kept(lens):
    answer = lens(max_tokens=4).profile("Say hello", on_text=lambda kind, text: seen.append(text))
    assert answer.text == "".join(seen)
    seen.clear()

@pytest.mark.latency("ttft_ms.p50<1us", "itl_ms.p50<10s", allow_invalid=True)
def test_missed(lens):
    lens.benchmark("Say hello", requests=16, concurrency=2)

def test_unmarked(lens):
    async def ask():
        await lens.aprofile("Hi")
        return await lens.abenchmark(["a", "b"], requests=2)

    assert asyncio.run(ask()).result.requests.ok == 2
    assert lens.result.requests.ok == 3
    lens.expect("error_rate<1%")
"""


@pytest.fixture(scope="module")
def recorded(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """A folder with the recordings of `SUITE`."""
    folder = tmp_path_factory.mktemp("recorded")
    with start_simulator(SimConfig.from_options(ttft="3ms", gap="2ms", tokens="6")) as simulator:
        (folder / "url").write_text(simulator.base_url)
        yield folder


@pytest.fixture
def session(
    pytester: pytest.Pytester, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """A session in this process, with the plugin; the first one records."""
    monkeypatch.setenv("LATENCY_LENS_API_KEY", "none")
    monkeypatch.setenv("COLUMNS", "80")
    pytester.makeini("[pytest]\nlens_model = openai/sim\nlens_base_url = http://localhost:9/v1\n")
    pytester.plugins = ["no:latency_lens", PLUGIN]
    pytester.makepyfile(test_suite=SUITE)
    if not (recorded / "runs").exists():
        url = (recorded / "url").read_text()
        _run(pytester, f"--lens-record={recorded / 'runs'}", f"--lens-base-url={url}")
    return pytester


def _run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    plugins = [f"-p{name}" for name in pytester.plugins]
    pytester_plugins, pytester.plugins = pytester.plugins, []
    try:
        return pytester.runpytest_inprocess("-q", "-pno:cacheprovider", *plugins, *args)
    finally:
        pytester.plugins = pytester_plugins


def test_a_replayed_suite_gives_the_recorded_numbers_without_an_endpoint(
    session: pytest.Pytester, recorded: Path
) -> None:
    ran = _run(session, f"--lens-replay={recorded / 'runs'}", "--junit-xml=junit.xml")
    ran.assert_outcomes(passed=2, failed=1)
    own = load(next((recorded / "runs/test_suite.py/test_missed").glob("*/run.json")).parent)
    ttft = own.result.metrics.ttft_ms
    table = [line for line in ran.outlines if "::test_missed " in line and "✗" in line]
    assert f"{ttft.p50:.2f}" in table[0]
    assert table[0].split()[1] == "16/16"
    assert table[0].endswith("1/2 ✗")
    assert max(map(len, ran.outlines)) <= 200
    cases = {case.name: case for case in next(iter(junitparser.JUnitXml.fromfile("junit.xml")))}
    told = {item.name: item.value for item in cases["test_missed"].child(junitparser.Properties)}
    assert told["latency.ttft_ms.p50"] == str(round(ttft.p50, 6))
    assert (told["latency.limits"], told["latency.passed"]) == ("1/2", "False")
    told = {item.name: item.value for item in cases["test_kept"].child(junitparser.Properties)}
    assert (told["latency.requests"], told["latency.ok"]) == ("3", "3")


def test_a_missed_limit_shows_the_distribution(session: pytest.Pytester, recorded: Path) -> None:
    ran = _run(session, f"--lens-replay={recorded / 'runs'}", "-kmissed")
    ran.stdout.fnmatch_lines(
        [
            "ttft_ms.p50<1us: * ms, missed by * ms *",
            "✗ ttft_ms.p50<1us*",
            "✓ itl_ms.p50<10s*",
            "ttft_ms, 16 values",
            "  min * p50 * p90 * p95 * p99 * max *",
            "*█*",
            "kept in *",
            "*latency, in ms*",
        ]
    )
    assert "itl_ms, " not in ran.stdout.str()


def test_what_other_clients_ask_counts(session: pytest.Pytester, recorded: Path) -> None:
    url = (recorded / "url").read_text()
    session.makepyfile(
        test_sdk=f"""
import pytest
import requests

BODY = {{"model": "sim", "stream": True, "messages": [{{"role": "user", "content": "Hi"}}]}}

@pytest.mark.latency("ttft_ms.p50<1us", repeat=2, allow_invalid=True)
def test_it(lens):
    with lens.watch() as seen:
        assert requests.post("{url}/chat/completions", json=BODY).status_code == 200
    assert len(seen) == 1
    with lens.watch():
        pass
"""
    )
    ran = _run(session, "test_sdk.py")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["ttft_ms, 2 values", "*test_sdk.py::test_it*2/2*0/1 ✗"])
    assert "kept in" not in ran.stdout.str()
    _record(Path("kept"), "test_sdk.py::test_it", factor=1.0)
    ran = _run(session, "test_sdk.py", "--lens-replay=kept", "-rs")
    ran.assert_outcomes(skipped=1)
    ran.stdout.fnmatch_lines(["*what its clients asked was not recorded, or not by httpx alone*"])
    _run(session, "test_sdk.py", "--lens-record=other")
    ran = _run(session, "test_sdk.py", "--lens-replay=other", "-rs")
    ran.assert_outcomes(skipped=1)  # requests is none of those that can be answered


OWN_CODE = """
import asyncio
import httpx2
import pytest

BODY = {{"model": "sim", "messages": [{{"role": "user", "content": "{question}"}}]}}
STREAM = {{**BODY, "stream": True, "stream_options": {{"include_usage": True}}}}
URL = "{url}/chat/completions"

async def ask():
    async with httpx2.AsyncClient(verify=False) as client:
        async with client.stream("POST", URL, json=STREAM) as answer:
            return [line async for line in answer.aiter_lines()][-2]

@pytest.mark.latency("e2e_ms.p50<10s", repeat=2, allow_invalid=True)
def test_own(lens):
    with lens.watch() as seen:
        answer = httpx2.post(URL, json=BODY, verify=False)
        assert answer.json()["usage"]["completion_tokens"] == 6
        assert httpx2.post(URL, json={{**BODY, "messages": 3}}, verify=False).status_code == 400
        assert asyncio.run(ask()) == "data: [DONE]"
    assert [record.status for record in seen] == ["ok", "failed", "ok"]
    assert [record.usage.output for record in seen] == [6, None, 6]
    assert seen[2].ttft_ns > 3_000_000
    with httpx2.Client(verify=False) as mine, lens.watch(mine) as seen:
        with pytest.raises(httpx2.ConnectError):
            mine.post("http://127.0.0.1:1/v1/chat/completions", json=BODY)
        with pytest.raises(httpx2.ConnectError):
            httpx2.get("http://127.0.0.1:1/v1/chat/completions", verify=False)
    assert len(seen) == 1
"""


def test_what_httpx_asked_is_replayed(session: pytest.Pytester, recorded: Path) -> None:
    url = (recorded / "url").read_text()
    session.makepyfile(test_own=OWN_CODE.format(url=url, question="Hi"))
    recording = _run(session, "test_own.py", "--lens-record=own", "--junit-xml=first.xml")
    recording.assert_outcomes(passed=1)
    # Nobody is there any more, and it is asked elsewhere: what counts is what is asked.
    dead = "http://127.0.0.1:2/v1"
    session.makepyfile(test_own=OWN_CODE.format(url=dead, question="Hi"))
    replaying = _run(session, "test_own.py", "--lens-replay=own", "--junit-xml=second.xml")
    replaying.assert_outcomes(passed=1)
    figures = [
        {
            item.name: item.value
            for case in next(iter(junitparser.JUnitXml.fromfile(f"{name}.xml")))
            for item in case.child(junitparser.Properties)
        }
        for name in ("first", "second")
    ]
    assert figures[0] == figures[1]
    assert figures[0]["latency.ok"] == "4"
    runs_kept = Path("own/test_own.py/test_own").glob("*/run.json")
    answered = sorted(load(kept.parent).result.requests.ok for kept in runs_kept)
    assert answered == [0, 0, 2, 2]
    session.makepyfile(test_own=OWN_CODE.format(url=dead, question="Who?"))
    other = _run(session, "test_own.py", "--lens-replay=own")
    other.assert_outcomes(failed=1)
    other.stdout.fnmatch_lines(
        [
            "the recording of test_own.py::test_own lacks POST /v1/chat/completions: its body is"
            " another one; --lens-record */own records it"
        ]
    )


def test_expect_fails_in_the_line_that_expected(session: pytest.Pytester, recorded: Path) -> None:
    text = SUITE.replace('lens.expect("error_rate<1%")', 'lens.expect("e2e_ms.max<1us")')
    session.makepyfile(test_suite=text)
    ran = _run(session, f"--lens-replay={recorded / 'runs'}", "-kunmarked")
    ran.stdout.fnmatch_lines(
        ['>*lens.expect("e2e_ms.max<1us")', "E*e2e_ms.max<1us: *", "E*e2e_ms, 3 values"]
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("max_tokens=4", "max_tokens=5", "differs: max_tokens 5, was 4"),
        ('Say hello", on', 'Say goodbye", on', "differs: other prompts"),
        ("repeat=3", "repeat=4", "it has 3 runs, and the test asks for one more"),
        ("def test_kept", "def test_renamed", "there is no recording of test_suite.py::test_renam"),
    ],
)
def test_a_request_without_a_recording_fails_and_says_why(
    session: pytest.Pytester, recorded: Path, old: str, new: str, told: str
) -> None:
    session.makepyfile(test_suite=SUITE.replace(old, new, 1))
    ran = _run(session, f"--lens-replay={recorded / 'runs'}", "-kkept or renamed")
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    ran.stdout.fnmatch_lines([f"*{told}*--lens-record*"])


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ('"ttft.p95<1"', "the marker latency: 'ttft.p95<1' is no objective: *did you mean ttft_ms"),
        ("repeat=0", "the marker latency: repeat is 0: it must be a whole number of at least 1"),
        ("repeats=2", "the marker latency: it has no repeats: known are repeat, allow_regression"),
        ('allow_regression="x"', "the marker latency: 'x' is no allowed regression*"),
        ("", "latency: the test has measured nothing: ask through its `lens`"),
    ],
)
def test_a_wrong_marker_is_one_line(session: pytest.Pytester, mark: str, told: str) -> None:
    session.makepyfile(
        test_wrong=f"import pytest\n@pytest.mark.latency({mark})\ndef test_it():\n    pass\n"
    )
    ran = _run(session, "test_wrong.py")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines([f"{told}*"])
    assert "During handling" not in ran.stdout.str()


def test_a_marker_that_could_not_count_is_no_silent_pass(session: pytest.Pytester) -> None:
    session.makepyfile(
        test_old="import pytest, unittest\nclass TestIt(unittest.TestCase):\n"
        "    @pytest.mark.latency('ttft_ms.p95<1')\n    def test_it(self):\n        pass\n"
    )
    ran = _run(session, "test_old.py")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["the marker latency is for test functions, which this is not"])


def test_what_failed_throughout_cannot_be_judged(session: pytest.Pytester) -> None:
    session.makepyfile(
        test_down="import pytest\n@pytest.mark.latency(repeat=2)\ndef test_it(lens):\n"
        "    lens.profile('Hi')\n"
    )
    ran = _run(session, "test_down.py")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(
        ["the figures are invalid and cannot be judged*", "failed  2 x network (connect): *"]
    )
    ran.stdout.fnmatch_lines(["test_down.py::test_it*0/2*–*–*0/0 ✓"])
    _run(session, "test_down.py", "--lens-allow-invalid").assert_outcomes(passed=1)


def test_no_key_is_shown_with_a_failure(
    session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATENCY_LENS_API_KEY", "sk-quite-secret")
    session.makepyfile(
        test_key="def test_settings(lens):\n    lens(operation='rerank', tokenizer=len,"
        " raw='redacted').profile('Hi')\n"
        "def test_disk(lens, monkeypatch):\n"
        "    from llm_latency_lens.engine import capture\n"
        "    monkeypatch.setattr(capture.runs, 'create', None)\n"
        "    lens.profile('Hi')\n"
    )
    ran = _run(session, "test_key.py", "--showlocals", "--full-trace", "-vv")
    ran.assert_outcomes(failed=2)
    ran.stdout.fnmatch_lines(["*blanked text cannot be counted*", "*NoneType*not callable*"])
    assert "sk-quite-secret" not in ran.stdout.str()


def test_no_model_is_said_where_it_is_needed(
    session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.makeini("[pytest]\n")
    session.makepyfile(test_none="def test_it(lens):\n    lens.profile('Hi')\n")
    _run(session, "test_none.py").stdout.fnmatch_lines(["*no model is named: set lens_model in*"])
    monkeypatch.setenv("LATENCY_LENS_MODEL", "sim")
    _run(session, "test_none.py").assert_outcomes(passed=1)  # a failed request is data


def test_baselines_are_made_and_held_against(session: pytest.Pytester, recorded: Path) -> None:
    replay = f"--lens-replay={recorded / 'runs'}"
    _run(session, replay, "--lens-save-baseline=base", "--lens-baseline=base").stdout.fnmatch_lines(
        ["2 tests without a baseline: --lens-save-baseline DIR makes them"]
    )
    assert [path.name for path in Path("base").rglob("*.lens")] == ["test_kept.lens"]
    ran = _run(session, replay, "--lens-baseline=base", "-kkept")
    ran.assert_outcomes(passed=1)
    ran.stdout.fnmatch_lines(["1 test with too few requests to tell whether*raise repeat"])
    Path("base/test_suite.py/test_kept.lens").write_bytes(b"LATBASE\x09" + bytes(9))
    ran = _run(session, replay, "--lens-baseline=base", "-kkept")
    ran.stdout.fnmatch_lines(["latency: *test_kept.lens: the baseline has format 9*"])


def test_a_slower_run_is_worse_than_its_baseline(session: pytest.Pytester) -> None:
    session.makepyfile(
        test_slow="import pytest\n"
        "@pytest.mark.latency('ttft_ms.p95<10s', allow_regression='ttft_ms.p50:20%')\n"
        "def test_it(lens):\n    lens.benchmark('Hi', requests=60)\n"
    )
    _record(Path("before"), "test_slow.py::test_it", factor=1.0)
    _record(Path("after"), "test_slow.py::test_it", factor=1.5)
    ran = _run(session, "--lens-replay=before", "--lens-save-baseline=base", "test_slow.py")
    ran.assert_outcomes(passed=1)
    ran = _run(session, "--lens-replay=before", "--lens-baseline=base", "test_slow.py")
    ran.assert_outcomes(passed=1)
    args = ("--lens-replay=after", "--lens-baseline=base/test_slow.py/test_it.lens")
    ran = _run(session, *args, "test_slow.py")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(
        [
            "*ttft_ms.p50 is worse than the baseline*",
            "✗ ttft_ms.p50*+50*worse than 20 % allow",
            "ttft_ms, 60 values",
            "test_slow.py::test_it*60/60*worse",
        ]
    )


def _record(folder: Path, test: str, *, factor: float) -> None:
    """A run of 60 requests, as `Lens` keeps one of which records alone are kept."""
    config = Lens(model="sim", base_url="http://localhost:9/v1", api_key="none").party().config
    asked = {**config, **described([Prompt.of("Hi")], False), "requests": 60}
    draw = Random(7)
    records = []
    for index in range(60):
        start_ns = index * 10**9
        record = Record(f"r{index}", index, Status.OK, model="sim", start_ns=start_ns)
        record.end_ns = start_ns + round(factor * draw.uniform(90e6, 110e6))
        record.events.add(record.end_ns, 0, EventKind.TEXT, "word")
        records.append(record)
    path = mark(folder / place_of(test), test) / "run"
    path.mkdir()
    context = Context(id="run", config=asked, health=Health(capture_s=60.0))
    runs.write(path, RunFile(raw="off", context=context))
    runs.write_records(path / runs.RECORDS, records, keep_text=False)


def test_recording_again_replaces_the_recording(session: pytest.Pytester, recorded: Path) -> None:
    shutil.copytree(recorded / "runs", "copied")
    before = sorted(path.name for path in Path("copied/test_suite.py/test_kept").iterdir())
    url = (recorded / "url").read_text()
    ran = _run(session, "--lens-record=copied", f"--lens-base-url={url}", "-kkept")
    ran.assert_outcomes(passed=1)
    after = sorted(path.name for path in Path("copied/test_suite.py/test_kept").iterdir())
    assert (len(before), len(after)) == (4, 4)
    assert set(before) & set(after) == {"test.txt"}


def test_a_suite_can_replay_by_its_ini_file(session: pytest.Pytester, recorded: Path) -> None:
    shutil.copytree(recorded / "runs", "recordings")
    session.makeini("[pytest]\nlens_model = sim\nlens_replay = recordings\n")
    _run(session, "-kkept").assert_outcomes(passed=1)
    ran = _run(session, "--lens-record=x", "--lens-replay=y")
    ran.stderr.fnmatch_lines(["ERROR: --lens-record and --lens-replay exclude each other"])


def test_what_is_told_survives_the_way_from_another_process(
    session: pytest.Pytester, recorded: Path
) -> None:
    # As pytest-xdist sends reports from its processes.
    session.makeconftest(
        "import json, pytest\n"
        "@pytest.hookimpl(wrapper=True)\n"
        "def pytest_runtest_makereport(item, call):\n"
        "    sent = json.dumps((yield)._to_json())\n"
        "    return pytest.TestReport._from_json(json.loads(sent))\n"
    )
    ran = _run(session, f"--lens-replay={recorded / 'runs'}")
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(["test_suite.py::test_kept*3/3*2/2 ✓"])


def test_a_session_without_it_loads_nothing_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import sys\ndef test_it():\n"
        "    heavy = ('numpy', 'msgspec', 'rich', 'llm_latency_lens.lens')\n"
        "    assert [name for name in heavy if name in sys.modules] == []\n"
    )
    others = ("hypothesispytest", "cov", "xdist", "anyio")
    blocked = [f"-pno:{name}" for name in ("latency_lens", *others)]
    ran = pytester.runpytest_subprocess("-q", f"-p{PLUGIN}", *blocked)
    ran.assert_outcomes(passed=1)


def test_the_package_names_the_plugin() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"latency_lens": PLUGIN}


@pytest.mark.parametrize(
    ("test", "place"),
    [
        ("tests/test_a.py::test_b", "tests/test_a.py/test_b"),
        ("test_a.py::T::test_b[x/y z]", "test_a.py/T--test_b_x_y_z_-eca2904b"),
        ("../a b/test.py::t", "_/a_b/test.py/t"),
    ],
)
def test_every_test_has_a_place_of_its_own(test: str, place: str) -> None:
    assert str(place_of(test)) == place
    assert json.dumps(str(place_of(f"a.py::{'x' * 300}")))  # short enough for any file system
    assert len(place_of(f"a.py::{'x' * 300}").name) == 109
