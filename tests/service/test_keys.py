"""Keys that are changed while the monitor runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from watched import target

from llm_latency_lens.errors import UsageError
from llm_latency_lens.request import Secret
from llm_latency_lens.service.keys import Key, KeyFile


def test_a_file_is_read_again_when_its_link_is_turned(tmp_path: Path) -> None:
    """As Kubernetes changes a secret: `..data` leads to another folder from one moment on."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(f"key-{name}\n")
        os.utime(tmp_path / name / "key", ns=(1, 1))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "key").symlink_to("..data/key")
    file = KeyFile(tmp_path / "key")
    assert file.read().reveal() == "key-one"
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(tmp_path / "..data")
    assert file.read().reveal() == "key-two"


@pytest.mark.parametrize("content", [None, "", "two words", b"\xff\xfe\x00"])
def test_a_file_that_is_spoiled_leaves_the_last_key(
    tmp_path: Path, content: str | bytes | None
) -> None:
    path = tmp_path / "key"
    path.write_text("good")
    file = KeyFile(path)
    file.read()
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert file.read() == Secret("good")
    with pytest.raises(UsageError, match="key file"):
        KeyFile(path).read()


def test_where_a_key_comes_from(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file")
    environ = {"MY_KEY": "from-variable"}
    assert Key(target(api_key=Secret("given")), environ).now() == "given"
    assert Key(target(api_key=None), environ).now() is None
    assert Key(target(api_key=None, api_key_env="MY_KEY"), environ).now() == "from-variable"
    assert Key(target(api_key=None, api_key_file=tmp_path / "key"), environ).now() == "from-file"
    with pytest.raises(UsageError, match="OTHER_KEY is not set"):
        Key(target(api_key=None, api_key_env="OTHER_KEY"), environ).now()
