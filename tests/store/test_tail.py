"""A file of timelines that is read while it grows."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import everything, example, interleaved, joined

from llm_latency_lens.store.frames import HEADER
from llm_latency_lens.store.tail import Tail


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_wherever_the_writer_pauses_each_request_comes_once(tmp_path: Path, cuts: list[int]):
    wanted = [example(index) for index in range(4)]
    data = joined(interleaved(*wanted))
    path = tmp_path / "timelines.bin"
    path.unlink(missing_ok=True)
    tail = Tail(path)
    assert list(tail.closed()) == []  # it is not there yet
    found = []
    with path.open("wb") as file:
        begin = 0
        for end in [*sorted(cut for cut in cuts if cut < len(data)), len(data)]:
            file.write(data[begin:end])
            file.flush()
            begin = end
            found += tail.closed()
    tail.close()
    assert [everything(one) for one in found] == [everything(one) for one in wanted]


def test_what_is_damaged_ends_it(tmp_path: Path):
    path = tmp_path / "timelines.bin"
    path.write_bytes(HEADER + b"no frame at all, but long enough to be the head of one")
    tail = Tail(path)
    assert list(tail.closed()) == []
    tail.close()
    Tail(tmp_path / "other").close()
