from pathlib import Path

import pytest

from llm_latency_lens.cli.commands import COMMANDS
from llm_latency_lens.cli.config import Entry, applying, expand, read_entries
from llm_latency_lens.cli.validation import mistakes
from llm_latency_lens.errors import ConfigError, UsageError


def entries(folder: Path, text: str | bytes, name: str = "lens.toml") -> list[Entry]:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_entries(str(file), COMMANDS)


def told(folder: Path, text: str, name: str = "lens.toml", **environ: str) -> list[str]:
    return [str(mistake) for mistake in mistakes(entries(folder, text, name), "lens.toml", environ)]


TOML = """\
# A comment
model = "gpt"

[benchmark]
max-tokens = 5   # with a dash
header = [
  "A: 1",
]
extra_body = { top_p = 0.9 }

[extra_body]
seed = 1
"""
YAML = """\
# A comment
model: gpt

benchmark:
  max-tokens: 5
  header:
    - "A: 1"

  extra_body: {top_p: 0.9}

extra_body:
  seed: 1
"""


@pytest.mark.parametrize(("name", "text"), [("a.toml", TOML), ("a.yaml", YAML), ("a.yml", YAML)])
def test_every_entry_has_its_line(tmp_path: Path, name: str, text: str):
    found = entries(tmp_path, text.replace("\n", "\r\n"), name)
    assert sorted(found, key=lambda entry: entry.line) == [
        Entry(None, "model", "gpt", 2),
        Entry("benchmark", "max-tokens", 5, 5),
        Entry("benchmark", "header", ["A: 1"], 6),
        Entry("benchmark", "extra_body", {"top_p": 0.9}, 9),
        Entry(None, "extra_body", {"seed": 1}, 11),
    ]


def test_a_section_comes_before_the_top(tmp_path: Path):
    found = entries(tmp_path, "seed = 1\n[benchmark]\nseed = 2\n[profile]\nseed = 3\n")
    assert [entry.value for entry in applying(found, "benchmark")] == [1, 2]


def test_an_empty_yaml_file(tmp_path: Path):
    assert entries(tmp_path, "# nothing\n", "a.yaml") == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "a = 1\nb = \n", r"a\.toml:2: not TOML: Invalid value$"),
        ("a.toml", "a = 1\na = 2", r"a\.toml:2: not TOML: Cannot overwrite a value$"),
        ("a.toml", "a = [1,\n", r"a\.toml:2: not TOML: "),
        ("a.yaml", "a: 1\nb: [\n", r"a\.yaml:3: not YAML: "),
        ("a.yaml", "a: *x\n", r"a\.yaml:1: not YAML: found undefined alias"),
        ("a.yaml", "? [a]: 1\n", r"a\.yaml:1: not YAML: "),
        ("a.yaml", "- a\n", r"a\.yaml:1: the file must hold names and values"),
        ("a.yaml", "a: \x07\n", r"a\.yaml: not YAML: "),
        ("a.toml", b"a = 1\nb = '\xff'", r"a\.toml:2: not UTF-8"),
        ("a.ini", "", r"the name must end in \.toml, \.yaml or \.yml"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, text: str | bytes, message: str):
    with pytest.raises(UsageError, match=message):
        entries(tmp_path, text, name)


def test_no_file(tmp_path: Path):
    with pytest.raises(UsageError, match=r"none\.toml: no such file"):
        read_entries(str(tmp_path / "none.toml"), COMMANDS)


def test_variables():
    environ = {"KEY": "k", "EMPTY": ""}
    for written, value in [
        ("${KEY}", "k"),
        ("a${KEY}b${NONE:-c}", "akbc"),
        ("${EMPTY:-x}${NONE:-}", "x"),
        ("$${KEY} $KEY", "${KEY} $KEY"),
        ({"a": ["${KEY}", 1]}, {"a": ["k", 1]}),
        (7, 7),
    ]:
        assert expand(Entry(None, "a", written, 1), environ, "f").value == value
    with pytest.raises(ConfigError, match="f:3: a: the environment variable NONE is not set"):
        expand(Entry(None, "a", "${NONE}", 3), environ, "f")
    for broken in ("${", "${a b}", "${}"):
        with pytest.raises(ConfigError, match="is not"):
            expand(Entry(None, "a", broken, 3), environ, "f")


def test_a_sound_file_has_no_mistake(tmp_path: Path):
    assert told(tmp_path, TOML) == []
    assert told(tmp_path, '[sim]\nttft = "lognormal:1s,0.3"\nreasoning_hidden = true') == []


def test_every_mistake_is_named_with_its_line(tmp_path: Path):
    text = """\
modle = "x"
concurrency = 0
temperature = "${NONE}"
[benchmrk]
rate = 1
[profile]
rate = 5
[benchmark]
max-tokens = 1
max_tokens = 2
raw = "none"
config = "x.toml"
[sim]
gap = "20"
"""
    assert told(tmp_path, text) == [
        "lens.toml:1: unknown setting 'modle': did you mean model?",
        "lens.toml:2: concurrency must be at least 1, not 0",
        "lens.toml:3: temperature: the environment variable NONE is not set",
        "lens.toml:4: unknown section 'benchmrk': did you mean benchmark?",
        "lens.toml:7: unknown setting 'rate' in [profile]",
        "lens.toml:10: max_tokens is given twice, first on line 9",
        "lens.toml:11: raw must be full, redacted or off, not 'none'",
        "lens.toml:12: unknown setting 'config' in [benchmark]",
        "lens.toml:14: gap '20' is not a duration: write a number and ns, us, ms or s",
    ]


def test_yaml_says_which_key_is_doubled(tmp_path: Path):
    text = "benchmark:\n  seed: 1\n  seed: 2\n"
    assert told(tmp_path, text, "a.yaml") == ["lens.toml:3: seed is given twice, first on line 2"]


def test_values_that_exclude_each_other_are_named_once(tmp_path: Path):
    (clash,) = told(tmp_path, "rate = 5\n[benchmark]\nconcurrency = 8\n")
    assert clash.startswith("lens.toml: --rate and --concurrency exclude each other")
    (clash,) = told(tmp_path, "insecure = true\nca_file = 'x'\n")
    assert clash == "lens.toml: --insecure and --ca-file exclude each other"
