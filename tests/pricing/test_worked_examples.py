"""What requests cost, worked out by hand: the examples against the whole of the pricing."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.pricing import Book, Pricer, read_prices
from llm_latency_lens.pricing.catalog import bundled, installed_version
from llm_latency_lens.record import Record, Status, Usage
from llm_latency_lens.request import Operation

EXAMPLES = [
    json.loads(line) for line in Path(__file__).with_name("examples.jsonl").read_text().splitlines()
]


def priced(example: dict[str, Any]) -> Record:
    at = datetime.fromisoformat(example["at"])
    record = Record(
        id="r",
        index=0,
        status=Status.OK,
        provider=example["provider"],
        model=example["model"],
        operation=Operation(example.get("operation", "chat")),
        start_ns=0,
        end_ns=SECOND_NS,
        start_unix_ns=int(at.timestamp()) * SECOND_NS,
        usage=Usage(**example["usage"]),
        response_model=example.get("answered"),
        service_tier=example.get("tier"),
    )
    if bill := example.get("billed"):
        record.billed_usd = Decimal(bill)
    entries = example.get("prices")
    book = Book(bundled, read_prices(entries) if entries else ())
    return Pricer(book.find, {None: example["url"]}, example.get("batch", False)).price(record)


def worked_out(how: str) -> Decimal:
    """`1000 x 0.15 + 0.003 once`: tokens by dollars a million, and sums that are paid once."""
    total = Decimal(0)
    for part in how.split(" + "):
        if part.endswith(" once"):
            total += Decimal(part.removesuffix(" once"))
        else:
            tokens, rate = map(Decimal, part.split(" x "))
            total += tokens * rate / 1_000_000
    return total


def test_there_are_enough_of_them() -> None:
    assert len(EXAMPLES) >= 60
    assert len({example["provider"] for example in EXAMPLES}) >= 17
    assert all(example["source"] for example in EXAMPLES)


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda example: f"{example['provider']}: {example['name']}"
)
def test_it_costs_what_was_worked_out(example: dict[str, Any]) -> None:
    record = priced(example)
    if example["dollars"] is None:
        assert record.cost_usd is None
        return
    assert worked_out(example["how"]) == Decimal(example["dollars"])
    assert isinstance(record.cost_usd, Decimal)
    assert record.cost_usd == Decimal(example["dollars"])


def test_the_source_says_whose_price_it_is() -> None:
    named = {f"{one['provider']}: {one['name']}": priced(one).cost_source for one in EXAMPLES}
    assert named["openai: plain"] == f"genai-prices {installed_version()}"
    assert named["openai: an address that no list has, by the name"] == (
        f"genai-prices {installed_version()}, as at openai"
    )
    assert named["openrouter: the provider's own bill"] == "provider"
    assert named["openai: unknown model"] is None
