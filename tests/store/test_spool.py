"""Writing timelines while a run goes on: a little at a time, private, and up to a full disk."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from stored import everything, example, read

from llm_latency_lens.errors import StoreError
from llm_latency_lens.providers.redact import redact, safe_prefix
from llm_latency_lens.store.frames import HEADER
from llm_latency_lens.store.spool import Spool
from llm_latency_lens.timeline import Timeline


def _growing(index: int) -> Timeline:
    timeline = Timeline(index=index, id=f"run-{index}")
    timeline.start_ns = 5
    return timeline


def test_sweeps_add_up_to_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "timelines.bin"
    spool = Spool(path)
    one, two = _growing(1), _growing(2)

    async def main() -> list[int]:
        sizes = []
        for timeline in (one, two):
            spool.open(timeline)
        for number in range(5):
            one.add(10 + number, b"one %d" % number, number)
            if number % 2:
                two.add(10 + number, b"two", 0)
            spool.sweep([one, two])
            spool.sweep([one, two])  # nothing new: nothing is written
            await spool.flush()
            sizes.append(path.stat().st_size)
            back, warnings = read(path.read_bytes())  # what a reader finds if the run dies here
            assert [everything(t)["body"] for t in back] == [one.body, two.body]
            assert warnings == []
        one.complete = True
        spool.close(one)
        two.add(99, b"the end", 0)
        spool.close(two)
        return sizes

    sizes = asyncio.run(main())
    spool.finish()
    assert sizes == sorted(set(sizes))
    assert [everything(t) for t in read(path.read_bytes())[0]] == [
        everything(t) for t in (one, two)
    ]
    assert spool.written == path.stat().st_size
    assert (spool.error, spool.unsaved()) == (None, [])


def test_the_file_is_the_users_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "timelines.bin"
    Spool(path).finish()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == HEADER
    with pytest.raises(StoreError, match="File exists"):
        Spool(path)
    with pytest.raises(StoreError, match="No such file or directory"):
        Spool(tmp_path / "nowhere" / "timelines.bin")


def test_a_flush_that_is_cancelled_is_written_all_the_same(tmp_path: Path) -> None:
    """The end of a run cancels the heartbeat, and with it a flush that has just begun."""
    stored = [example(index, reads=2) for index in range(200)]
    path = tmp_path / "timelines.bin"
    spool = Spool(path)

    async def main() -> None:
        for timeline in stored:
            spool.open(timeline)
            spool.close(timeline)
            flushing = asyncio.create_task(spool.flush())
            await asyncio.sleep(0)
            flushing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await flushing

    asyncio.run(main())
    spool.finish()
    back, warnings = read(path.read_bytes())
    assert [everything(t) for t in back] == [everything(t) for t in stored]
    assert warnings == []


# -- without what was said --------------------------------------------------------------------

_EVENT = b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n'


def test_redacted_no_word_of_the_answer_reaches_the_disk_and_every_number_stays(
    tmp_path: Path,
) -> None:
    path = tmp_path / "timelines.bin"
    spool = Spool(path, redact=redact, safe_prefix=safe_prefix)
    timeline = _growing(1)
    words = [b"secret", b"w\xc3\xb6rd", b"zebra", b"quagga"]
    stream = b"".join(_EVENT % word for word in words) + b"data: [DONE]\n\n"

    async def main() -> None:
        spool.open(timeline)
        for number, begin in enumerate(range(0, len(stream), 7)):
            timeline.add(number, stream[begin : begin + 7], number)
            spool.sweep([timeline])
            await spool.flush()
            _check_silent(path, words)
        timeline.complete = True
        spool.close(timeline)

    asyncio.run(main())
    spool.finish()
    _check_silent(path, words)
    [back], warnings = read(path.read_bytes())
    assert warnings == []
    assert back.body != timeline.body
    assert len(back.body) == len(timeline.body)
    assert back.body.count(b'"content":') == 4
    assert (back.at, back.lag, back.ends) == (timeline.at, timeline.lag, timeline.ends)


def _check_silent(path: Path, words: list[bytes]) -> None:
    data = path.read_bytes()
    assert not [word for word in words if word in data or word[:3] in data]


def test_a_body_that_is_no_stream_is_blanked_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "timelines.bin"
    spool = Spool(path, redact=redact, safe_prefix=safe_prefix)
    timeline = _growing(1)
    timeline.stream = False
    spool.open(timeline)
    body = b'{"choices":[{"message":{"content":"secret"}}]}'
    for begin in range(0, len(body), 9):
        timeline.add(begin, body[begin : begin + 9])
        spool.sweep([timeline])
    spool.close(timeline)
    spool.finish()
    [back], _ = read(path.read_bytes())
    assert b"secret" not in path.read_bytes()
    assert back.ends == timeline.ends
    assert len(back.body) == len(body)


def test_the_end_of_a_body_is_held_back_while_a_secret_may_have_begun_in_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "timelines.bin"
    secret = b"sk-secret"
    spool = Spool(path, hold_back=len(secret) - 1)
    timeline = _growing(1)
    spool.open(timeline)

    async def main() -> None:
        for number, byte in enumerate(b'{"error":"sk-secret is wrong"}'):
            timeline.add(number, bytes([byte]))
            timeline.body[:] = timeline.body.replace(secret, b"*" * len(secret))
            spool.sweep([timeline])
            await spool.flush()
            assert b"sk-" not in path.read_bytes()
            [back], _ = read(path.read_bytes())  # as it would be found if the run died here
            assert timeline.body.startswith(back.body)
            assert len(back.body) == max(0, number + 1 - 8)
            assert len(back.at) == number + 1
            assert b"".join(data for _, data in back.reads()) == back.body

    asyncio.run(main())
    timeline.complete = True
    spool.close(timeline)
    spool.finish()
    [back], warnings = read(path.read_bytes())
    assert (everything(back), warnings) == (everything(timeline), [])
    assert back.body == b'{"error":"********* is wrong"}'


# -- a full disk ------------------------------------------------------------------------------

_FULL = """
import asyncio, json, resource, sys
from pathlib import Path
from llm_latency_lens.store.frames import read_frames
from llm_latency_lens.store.spool import Spool
from llm_latency_lens.timeline import Timeline

path, limit = Path(sys.argv[1]), int(sys.argv[2])
spool = Spool(path)
none = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, none))

def request(index):
    timeline = Timeline(index=index)
    spool.open(timeline)
    return timeline

async def main():
    long = request(99)
    for index in range(8):
        one = request(index)
        long.add(index, b"x" * 100)
        one.add(1, b"y" * 100)
        spool.sweep([one, long])
        spool.close(one)
        await spool.flush()
    spool.close(long)

asyncio.run(main())
spool.finish()
resource.setrlimit(resource.RLIMIT_FSIZE, (none, none))
warnings = []
with path.open("rb") as file:
    kept = list(read_frames(file, warnings.append))
print(json.dumps({
    "error": str(spool.error),
    "unsaved": {t.index: len(t.body) for t in spool.unsaved()},
    "kept": {t.index: len(t.body) for t in kept if not t.failure},
    "cut": {t.index: len(t.body) for t in kept if t.failure},
    "sizes": [path.stat().st_size == spool.written, spool.written <= limit],
    "warnings": warnings,
}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
@pytest.mark.parametrize(("limit", "kept"), [(2500, 3), (0, 0)])
def test_a_full_disk_keeps_what_was_whole_and_gives_the_rest_back(
    tmp_path: Path, limit: int, kept: int
) -> None:
    """A limit on the size of files stands for the disk: it needs no privilege."""
    path = tmp_path / "timelines.bin"
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(path), str(limit)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    told = json.loads(done.stdout)
    full = f"{path}: File too large"
    assert told == {
        "error": full,
        "unsaved": {**{str(index): 100 for index in range(kept, 8)}, "99": 800},
        "kept": {str(index): 100 for index in range(kept)},
        "cut": {"99": 100 * kept} if kept else {},
        "sizes": [True, True],
        "warnings": [],
    }
