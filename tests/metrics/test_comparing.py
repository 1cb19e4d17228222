"""From records of several candidates to a comparison."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
from comparison_records import asked, candidate, compared, compared_context
from metrics_records import answer, failed

from llm_latency_lens.metrics import comparison
from llm_latency_lens.metrics.comparing import compare_records
from llm_latency_lens.metrics.comparison import Difference, Differences
from llm_latency_lens.record import Record, Usage

DOCS = Path(__file__).parents[2] / "docs/reference"
TWO = {
    "quick": candidate(200, chars=4, cost="0.004"),
    "slow": candidate(300, gap_ms=30, chars=5, cost="0.001", seed=2),
}


def told(found: Differences, name: str) -> Difference:
    difference = getattr(found, name)
    assert isinstance(difference, Difference)
    return difference


def test_each_candidate_is_summed_up_as_a_run_of_its_own() -> None:
    made = compared(TWO)
    quick, slow = made.candidates
    assert (quick.name, quick.provider, quick.model) == ("quick", "openai", "model-quick")
    assert [one.requests.ok for one in made.candidates] == [40, 40]
    assert [one.requests.planned for one in made.candidates] == [40, 40]
    assert quick.metrics.ttft_ms.p50 < slow.metrics.ttft_ms.p50  # type: ignore[union-attr]
    assert quick.characters.total == 40 * 16 * 4
    assert quick.characters.tokens_per_character == 1 / 4
    assert slow.characters.tokens_per_character == 1 / 5
    assert quick.tokens.output == 40 * 16
    assert str(quick.cost.per_request) == "0.004"
    assert made.run.id == "run-1"
    assert made.instrument.events == 80 * 16


def test_pairs_are_compared_block_by_block() -> None:
    (pair,) = compared(TWO).pairs
    assert (pair.a, pair.b) == ("quick", "slow")
    ttft = told(pair.differences, "ttft_ms_p50")
    assert ttft.pairs == 40
    assert ttft.difference == ttft.a - ttft.b
    assert ttft.ratio == ttft.a / ttft.b
    assert ttft.distinct is True
    assert isinstance(ttft.difference_ci95, tuple)
    assert ttft.difference_ci95[0] <= -100 <= ttft.difference_ci95[1]
    assert told(pair.differences, "cost_usd_mean").difference == pytest.approx(0.003)
    speed = told(pair.differences, "characters_per_second_p50")
    assert speed.a == pytest.approx(200, rel=0.1)
    assert told(pair.differences, "itl_ms_p99").ci_method == "none"


def test_the_p99_of_gaps_has_an_interval_from_299_answers_on() -> None:
    many = {"a": candidate(200, events=6), "b": candidate(200, events=6, gap_ms=26, seed=9)}
    itl = told(compared(many, 320).pairs[0].differences, "itl_ms_p99")
    assert itl.ci_method == "paired-bootstrap"
    assert itl.distinct is True


def test_a_block_in_which_one_failed_is_left_out_of_the_pair_alone() -> None:
    records = asked(TWO, 10)
    for record in records:
        if record.arm == "slow" and record.index // 2 in (3, 7):
            broken = failed(record.index)
            record.status, record.error = broken.status, broken.error
    made = compare_records(iter(records), compared_context(list(TWO), 10))
    assert told(made.pairs[0].differences, "ttft_ms_p50").pairs == 8
    quick, slow = made.candidates
    assert (quick.requests.ok, slow.requests.ok, slow.requests.failed) == (10, 8, 2)
    assert slow.error_rate == 0.2
    assert made.notes[0].startswith("slow failed 2 of 10 requests: ")


def test_the_warm_up_and_its_blocks_are_in_no_figure() -> None:
    records = asked(TWO, 12)
    for record in records:
        record.warmup = record.index < 4
    made = compare_records(iter(records), compared_context(list(TWO), 10, warmup=4))
    assert made.design.warmup == 2
    assert [one.requests.warmup for one in made.candidates] == [2, 2]
    assert told(made.pairs[0].differences, "ttft_ms_p50").pairs == 10


def test_several_pairs_share_the_5_percent() -> None:
    three = {**TWO, "third": candidate(205, seed=3)}
    made = compared(three)
    assert [(pair.a, pair.b) for pair in made.pairs] == [
        ("quick", "slow"),
        ("quick", "third"),
        ("slow", "third"),
    ]
    assert made.design.comparisons == 3
    wide = told(made.pairs[0].differences, "ttft_ms_p50").difference_ci95
    narrow = told(compared(TWO).pairs[0].differences, "ttft_ms_p50").difference_ci95
    assert isinstance(wide, tuple)
    assert isinstance(narrow, tuple)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert "for all 3 pairs at once (Bonferroni)" in made.notes[-1]


def test_the_order_of_the_records_changes_nothing_and_the_seed_does() -> None:
    records = asked(TWO, 20)
    given = compared_context(list(TWO), 20)
    made = compare_records(iter(records), given)
    assert compare_records(iter(records[::-1]), given) == made
    other = compare_records(iter(records), compared_context(list(TWO), 20, seed=1))
    assert other.pairs != made.pairs
    assert other.candidates == made.candidates


def unstreamed(block: int) -> Record:
    return answer(start_ms=100.0 * block, gaps_ms=[], stream=False, usage=Usage())


def test_what_nobody_has_is_absent() -> None:
    (pair,) = compared({"a": unstreamed, "b": unstreamed}).pairs
    written = json.loads(msgspec.json.encode(pair.differences))
    assert set(written) == {"ttft_ms_p50", "answer_ms_p50", "e2e_ms_p50"}


def test_a_candidate_that_never_answered() -> None:
    made = compared({"a": candidate(200), "b": failed})
    assert json.loads(msgspec.json.encode(made.pairs[0].differences)) == {}
    assert made.candidates[1].characters.tokens_per_character is None
    assert made.candidates[1].validity.verdict == "invalid"
    assert made.pairs[0].sentence == (
        "a and b answered no request together: there is nothing to compare."
    )


# -- the document -----------------------------------------------------------------------------


def test_the_schema_in_the_documentation_is_the_one_of_the_code() -> None:
    written = json.loads((DOCS / "comparison.schema.json").read_text())
    assert written == comparison.json_schema()


@pytest.mark.parametrize(
    "made", [compared(TWO), compared({"a": failed, "b": unstreamed, "c": unstreamed}, 7)]
)
def test_a_comparison_agrees_with_its_schema_and_reads_back(made: comparison.Comparison) -> None:
    written = comparison.encode(made)
    jsonschema.Draft202012Validator(comparison.json_schema()).validate(json.loads(written))
    assert comparison.decode(written) == made


def test_something_else_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        comparison.decode('{"schema": "latency-lens.result/1"}')


def test_every_field_is_explained() -> None:
    pages = [(DOCS / name).read_text() for name in ("comparison-json.md", "result-json.md")]
    fields = {
        field
        for definition in comparison.json_schema()["$defs"].values()
        for field in definition.get("properties", {})
    }
    assert [field for field in sorted(fields) if f"`{field}`" not in "".join(pages)] == []
