import json
import sys
from pathlib import Path

import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.workload import load_tokenizer

WORDS = {
    "version": "1.0",
    "pre_tokenizer": {"type": "Whitespace"},
    "model": {"type": "WordLevel", "vocab": {"hello": 0, "world": 1, "?": 2}, "unk_token": "?"},
}


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(WORDS))
    return file


def test_counts_tokens_of_a_file_or_its_folder(tokenizer: Path):
    pytest.importorskip("tokenizers")
    assert load_tokenizer(str(tokenizer))("hello world, hello") == 4
    assert load_tokenizer(str(tokenizer.parent))("") == 0


def test_nothing_there(tmp_path: Path):
    with pytest.raises(UsageError, match="nothing is downloaded"):
        load_tokenizer(str(tmp_path))


def test_not_a_tokenizer(tokenizer: Path):
    pytest.importorskip("tokenizers")
    tokenizer.write_text("{}")
    with pytest.raises(UsageError, match=r"is not a tokenizer\.json"):
        load_tokenizer(str(tokenizer))


def test_without_the_extra(tokenizer: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UsageError, match=r"llm-latency-lens\[tokenizers\]"):
        load_tokenizer(str(tokenizer))
