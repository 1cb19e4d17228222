"""Private prices as they are written: what a file comes to, and how a mistake in it is named."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.pricing import Entry, read_prices

TOML = """
[[prices]]
model = "a"
input = 0.1
output = 0.30000000000000004

[[prices]]
base_url = "http://gpu"
per_hour = 3.6
"""
YAML = """
prices:
- model: a
  input: 0.1
  output: 0.30000000000000004
- base_url: http://gpu
  per_hour: 3.6
"""
JSON = """{
\t"prices": [
\t\t{"model": "a",
\t\t "input": 0.1, "output": 0.30000000000000004},
\t\t{"base_url": "http:\\/\\/gpu", "per_hour": 3.6}
\t]
}"""


def read(folder: Path, name: str, text: str) -> tuple[Entry, ...]:
    file = folder / name
    file.write_text(text)
    return read_prices(file)


@pytest.mark.parametrize(("name", "text"), [("p.toml", TOML), ("p.yaml", YAML), ("p.json", JSON)])
def test_each_format_says_the_same_to_the_last_digit(name: str, text: str, tmp_path: Path) -> None:
    tokens, server = read(tmp_path, name, text)
    assert tokens.price.rates["output"].base == Decimal("0.30000000000000004")
    assert tokens.price.source == f"prices file {name}"
    assert server.price.per_second == Decimal("0.001")
    assert server.fits("any", ["any"], "http://gpu:8000/v1")
    assert not server.fits("any", ["any"], "http://gpus/v1")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "p.toml",
            TOML.replace("output =", "outptu ="),
            ":5: prices entry 1: unknown key 'outptu'",
        ),
        ("p.yaml", YAML.replace("output:", "outptu:"), ":5: prices entry 1: unknown key 'outptu'"),
        ("p.json", JSON.replace("output", "outptu"), ":4: prices entry 1: unknown key 'outptu'"),
        ("p.json", JSON.replace("3.6", '"x"'), ":5: prices entry 2: per_hour must be a number"),
        ("p.json", JSON.replace("0.1,", ","), ":4: not JSON"),
        ("p.json", JSON.replace('"prices"', '"price"'), ":1: the file must hold a list named"),
        ("p.toml", TOML.replace("0.1", "nan"), ":4: prices entry 1: input must be a number of dol"),
        ("p.toml", TOML.replace("0.1", "-1"), ":4: prices entry 1: input cannot be negative: -1"),
        ("p.toml", TOML.replace("3.6", "3.6\nper_second = 1"), "exclude each other"),
        ("p.toml", TOML + "discount_percent = 101", ":10: prices entry 2: discount_percent cannot"),
        ("p.toml", TOML.replace('model = "a"', ""), ":2: prices entry 1: says not whose price"),
        ("p.txt", TOML, "must end in .toml, .yaml, .yml or .json"),
    ],
)
def test_a_mistake_is_named_with_its_line(name: str, text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as failed:
        read(tmp_path, name, text)
    assert told in str(failed.value)
    assert "Decimal" not in str(failed.value)


def test_json_with_tabs_and_a_tab_in_a_text_is_json(tmp_path: Path) -> None:
    text = json.dumps({"prices": [{"model": "a\tb", "per_request": 1}]}, indent="\t")
    assert read(tmp_path, "p.json", text)[0].price.per_request == 1
