"""Files that change under a running monitor."""

from __future__ import annotations

import os
from pathlib import Path

from llm_latency_lens.service.reloading import Files


def test_a_change_counts_once_it_stands_still(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text("a")
    files = Files([path, tmp_path / "none"])
    assert [files.changed() for _ in range(3)] == [False] * 3
    path.write_text("longer")
    assert not files.changed()  # it may still be written
    path.write_text("longer still")
    assert not files.changed()
    assert files.changed()
    assert not files.changed()


def test_a_file_that_comes_and_one_that_goes_count(tmp_path: Path) -> None:
    files = Files([tmp_path / "prices.toml"])
    (tmp_path / "prices.toml").write_text("")
    assert [files.changed() for _ in range(3)] == [False, True, False]
    (tmp_path / "prices.toml").unlink()
    assert [files.changed() for _ in range(3)] == [False, True, False]


def test_a_turned_link_counts_though_the_time_is_the_same(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("same")
        os.utime(tmp_path / name, ns=(1, 1))
    (tmp_path / "link").symlink_to("one")
    files = Files([tmp_path / "link"])
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(tmp_path / "link")
    assert [files.changed() for _ in range(2)] == [False, True]


def test_what_is_read_by_hand_is_no_change_but_what_changes_meanwhile_is(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text("a")
    files = Files([path])
    path.write_text("longer")
    files.note()
    assert [files.changed() for _ in range(2)] == [False, False]
    files.note()
    path.write_text("and longer")
    assert [files.changed() for _ in range(2)] == [False, True]
