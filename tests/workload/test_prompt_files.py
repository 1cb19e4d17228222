import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.errors import ConfigError, UsageError
from llm_latency_lens.request import Prompt
from llm_latency_lens.workload import read_prompts


def read(data: bytes, path: Path, name: str = "prompts") -> list[Prompt]:
    file = path / name
    file.write_bytes(data)
    return read_prompts(str(file))


def texts(prompts: list[Prompt]) -> list[str]:
    return [prompt.messages[0]["content"] for prompt in prompts]


def test_one_prompt_a_line(tmp_path: Path):
    found = read(b"\xef\xbb\xbfSay hello\r\n\n  \nWrite a poem", tmp_path)
    assert found == [Prompt.of("Say hello"), Prompt.of("Write a poem")]


def test_only_a_line_feed_ends_a_line(tmp_path: Path):
    line = "a\u2028b\x85c\x0bd\x0ce\u2029f\rg"
    assert texts(read(f"{line}\n{line}".encode(), tmp_path)) == [line, line]


def test_json_lines(tmp_path: Path):
    lines = [
        "Say hello",
        {"prompt": "two\nlines", "max_tokens": 5, "tag": "short", "id": 7},
        {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]},
    ]
    data = "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    assert read(data.encode(), tmp_path) == [
        Prompt.of("Say hello"),
        Prompt(({"role": "user", "content": "two\nlines"},), max_tokens=5, tag="short"),
        Prompt(({"role": "system", "content": "x"}, {"role": "user", "content": "y"})),
    ]


def test_what_is_ranked_and_what_is_embedded(tmp_path: Path):
    lines = [
        {"query": "capital?", "documents": ["Paris", "Rome"], "tag": "two"},
        {"input": "Hello", "max_tokens": 3},
        {"input": ["Hello", "Bye"]},
    ]
    data = "\n".join(json.dumps(line) for line in lines)
    assert read(data.encode(), tmp_path) == [
        Prompt(({"role": "user", "content": "capital?"},), tag="two", documents=("Paris", "Rome")),
        Prompt(({"role": "user", "content": "Hello"},), max_tokens=3),
        Prompt(({"role": "user", "content": "Hello\nBye"},), documents=("Hello", "Bye")),
    ]


def test_columns_of_a_dataset_are_left_alone(tmp_path: Path):
    line = b'{"prompt": "x", "input": 3, "query": [], "documents": ["y"]}'
    assert read(line, tmp_path) == [Prompt.of("x")]


def test_the_name_of_a_file_settles_what_it_holds(tmp_path: Path):
    assert texts(read(b'{"prompt": "x"}', tmp_path, "a.txt")) == ['{"prompt": "x"}']
    assert texts(read(b'"x"', tmp_path, "a.md")) == ['"x"']
    assert texts(read(b'"x"', tmp_path, "a.jsonl")) == ["x"]
    with pytest.raises(ConfigError, match=r"a\.ndjson:1: broken JSON"):
        read(b"x", tmp_path, "a.ndjson")


def test_text_that_looks_a_little_like_json(tmp_path: Path):
    assert texts(read(b'"Hello" she said\n12\n[1]', tmp_path)) == ['"Hello" she said', "12", "[1]"]


def test_standard_input():
    assert texts(read_prompts("-", io.BytesIO(b"a\nb\n"))) == ["a", "b"]
    with pytest.raises(ConfigError, match=r"^<stdin>: there is no prompt in it$"):
        read_prompts("-", io.BytesIO(b"\n \n"))


def test_a_file_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(UsageError, match=r"prompt file .*none: no such file or directory"):
        read_prompts(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="is a directory"):
        read_prompts(str(tmp_path))


def test_not_utf_8(tmp_path: Path):
    with pytest.raises(ConfigError, match="not UTF-8: byte 0xff at offset 9") as caught:
        read(b"hello\nab \xff\n", tmp_path)
    assert caught.value.line == 2
    with pytest.raises(ConfigError, match="not UTF-8: byte 0xe9 at offset 4"):
        read(b"\xef\xbb\xbfa\xe9", tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": ', r"broken JSON: Expecting value \(column 12\)"),
        ('{"text": "x"}', "needs either `prompt` or `messages`"),
        ('{"prompt": "x", "messages": []}', "needs either `prompt` or `messages`"),
        ('{"prompt": " "}', "`prompt` must be a string that is not empty"),
        ('{"prompt": 3}', "`prompt` must be a string that is not empty"),
        ('""', "`prompt` must be a string that is not empty"),
        ('{"messages": []}', "`messages` must be a list that is not empty"),
        ('{"messages": "x"}', "`messages` must be a list that is not empty"),
        ('{"messages": ["x"]}', "an object with a `role`"),
        ('{"messages": [{"content": "x"}]}', "an object with a `role`"),
        ('{"prompt": "x", "max_tokens": true}', "`max_tokens` must be a whole number above 0"),
        ('{"prompt": "x", "max_tokens": 0}', "`max_tokens` must be a whole number above 0"),
        ('{"prompt": "x", "tag": 1}', "`tag` must be a string"),
        ('{"query": "x"}', "or `query` and `documents`, or `input`"),
        ('{"documents": ["x"]}', "`query` must be a string that is not empty"),
        ('{"query": "x", "documents": []}', "`documents` must be a list that is not empty"),
        ('{"query": "x", "documents": "y"}', "`documents` must be a list that is not empty"),
        ('{"query": "x", "documents": ["y", {}]}', "each of `documents` must be a string"),
        ('{"input": []}', "`input` must be a list that is not empty"),
        ('{"input": [" "]}', "each of `input` must be a string"),
        ('{"input": {}}', "`input` must be a string that is not empty"),
        ("7", "a line is a JSON string or an object"),
        (r'{"prompt": "\ud800"}', "half of a surrogate pair"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_line_that_is_no_prompt(tmp_path: Path, line: str, message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        read(f'"fine"\n\n{line}\n'.encode(), tmp_path, "p.jsonl")
    assert caught.value.line == 3


@given(st.lists(st.text().filter(lambda s: s.strip()), min_size=1))
def test_any_text_survives_json_lines(prompts: list[str]):
    data = "\n".join(json.dumps(prompt) for prompt in prompts).encode()
    if any("\ud800" <= char <= "\udfff" for prompt in prompts for char in prompt):
        return
    assert texts(read_prompts("-", io.BytesIO(data))) == prompts
