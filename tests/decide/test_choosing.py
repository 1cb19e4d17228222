"""Decisions: who, how sure, what would decide, what would change it, and in which words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from candidates import candidate, spread, wishes, with_gaps

from llm_latency_lens.decide.choosing import How, choose
from llm_latency_lens.decide.decision import Decision, encode, json_schema
from llm_latency_lens.decide.resample import figures_of
from llm_latency_lens.decide.rounds import FIRST, first_round, next_round
from llm_latency_lens.decide.standing import foresee, is_decided, standing_of
from llm_latency_lens.errors import UsageError

DOCS = Path(__file__).parents[2] / "docs/reference"
QUICK = candidate("quick", spread(100), "0.002")
CHEAP = candidate("cheap", spread(300, seed=2), "0.001")
POOR = candidate("poor", spread(310, seed=3), "0.003")


def test_the_best_is_taken_and_the_others_are_told_why() -> None:
    found = choose([QUICK, CHEAP, POOR], wishes(minimise=["ttft_ms.p95", "cost"]), How())
    assert (found.answer, found.recommended, found.share, found.more) == (
        "decided",
        "quick",
        1.0,
        [],
    )
    assert found.sentence == "Take quick: it ranks first in 100 % of resamples."
    quick, cheap, poor = found.candidates
    assert [one.rank for one in found.candidates] == [1, 2, 3]
    assert [one.weighted_sum_rank for one in found.candidates] == [1, 2, 3]
    assert quick.reason.startswith("best in ttft_ms.p95 (")
    assert cheap.reason.startswith("beside quick: ttft_ms.p95 ")
    assert "cost.per_request $0.001 against $0.002 (-50 %)" in cheap.reason
    assert poor.dominated_by == "quick"
    assert poor.reason.startswith("quick is at least as good in everything: ")
    low, high = quick.figures["ttft_ms.p95"].ci95 or (0, 0)
    assert low < float(quick.figures["ttft_ms.p95"].value or 0) < high


def test_limits_come_before_ranks() -> None:
    asked = wishes(require=["ttft_ms.p95<200"], minimise=["cost"])
    found = choose([QUICK, CHEAP], asked, How(current="cheap"))
    assert (found.answer, found.recommended) == ("decided", "quick")
    cheap = found.candidates[1]
    assert (cheap.eligible, cheap.rank, cheap.topsis) == (False, None, None)
    assert cheap.misses[0].startswith("ttft_ms.p95<200: it has 3")
    assert cheap.reason.startswith("out: ttft_ms.p95<200")
    assert found.candidates[0].reason == "the only one that keeps the limits"
    assert found.sensitivity is not None
    (limit,) = found.sensitivity.limits
    assert (limit.candidate, limit.requirement) == ("cheap", "ttft_ms.p95<200")
    cost, ttft = found.changes
    assert (cost.metric, cost.current, cost.recommended) == ("cost.per_request", 0.001, 0.002)
    assert cost.relative == pytest.approx(1.0)
    assert ttft.difference_ci95[1] < 0


def test_nobody_keeps_the_limits() -> None:
    asked = wishes(require=["ttft_ms.p95<50"], minimise=["cost"])
    found = choose([QUICK, CHEAP], asked, How(current="cheap"))
    assert (found.answer, found.recommended, found.share) == ("nobody", None, 1.0)
    assert found.sentence == (
        "No candidate keeps every limit, in 100 % of resamples: ttft_ms.p95<50."
    )
    assert (found.sensitivity, found.changes) == (None, [])


def test_too_little_data_names_how_much_is_missing() -> None:
    near = candidate("near", spread(103, width=0.3, seed=5), "0.002")
    far = candidate("far", spread(100, width=0.3, seed=6), "0.002")
    found = choose([near, far, CHEAP], wishes(minimise=["ttft_ms"]), How())
    assert found.answer == "not enough data"
    assert found.sentence.startswith("The data do not decide: ")
    assert found.more
    assert {one.candidate for one in found.more} == {"near", "far"}
    assert all(str(one.requests)[2:].strip("0") == "" for one in found.more)
    assert f"{found.more[0].requests:,} of near" in found.sentence


def test_twins_cannot_be_told_apart() -> None:
    found = choose([QUICK, replace(QUICK, name="twin")], wishes(minimise=["ttft_ms"]), How())
    assert found.answer == "not enough data"
    assert found.more is None
    assert "as good as alike" in found.sentence


def test_a_quantile_needs_its_requests() -> None:
    few = [candidate("a", spread(100, 30)), candidate("b", spread(900, 30))]
    found = choose(few, wishes(minimise=["ttft_ms.p95"]), How())
    assert found.answer == "not enough data"
    assert found.more
    assert [(one.candidate, one.requests) for one in found.more] == [("a", 29)]
    assert "ttft_ms.p95 needs 59 requests at least" in found.sentence


def test_a_share_that_was_never_seen_is_not_taken_for_none() -> None:
    """Of 50 without a failure nobody knows that fewer than 1 % fail; of 600 one does."""
    asked = wishes(require=["error_rate<1%"], minimise=["ttft_ms"])
    few = choose([candidate("a", spread(100, 50)), CHEAP], asked, How())
    assert few.answer == "not enough data"
    many = [candidate("a", spread(100, 600)), candidate("b", spread(300, 600))]
    assert choose(many, asked, How()).answer == "decided"
    failing = candidate("a", spread(100, 600), failed=60)
    found = choose([failing, many[1]], asked, How())
    assert found.recommended == "b"
    assert found.candidates[0].misses == ["error_rate<1%: it has 9.09 %"]
    assert found.candidates[0].failed == 60


def test_the_users_scores_count_as_they_are() -> None:
    good = candidate("good", spread(300), "0.001", quality=0.9)
    bad = candidate("bad", spread(100), "0.001", quality=0.3)
    asked = wishes(["quality"], require=["quality>=0.8"], minimise=["ttft_ms"])
    found = choose([good, bad], asked, How())
    assert found.recommended == "good"
    assert found.candidates[1].misses == ["quality>=0.8: it has 0.3"]
    assert found.candidates[0].figures["quality"].ci95 == (0.9, 0.9)
    by_column = choose([good, bad], wishes(["quality"], minimise=["cost"]), How())
    assert by_column.recommended == "good"


def test_what_would_change_the_answer() -> None:
    asked = wishes(minimise=["ttft_ms", "cost"])
    found = choose([QUICK, CHEAP], asked, How())
    assert found.sensitivity is not None
    weights = {(one.metric, one.factor > 1): one for one in found.sensitivity.weights}
    assert set(weights) == {("ttft_ms.p50", False), ("cost.per_request", True)}
    change = weights["cost.per_request", True]
    assert change.first == "cheap"
    heavier = wishes(minimise=["ttft_ms", "cost"], weights={"cost": change.factor})
    assert choose([QUICK, CHEAP], heavier, How()).recommended == "cheap"
    lighter = wishes(minimise=["ttft_ms", "cost"], weights={"cost": change.factor / 1.01})
    assert choose([QUICK, CHEAP], lighter, How()).recommended == "quick"
    dearer = next(
        one
        for one in found.sensitivity.figures
        if (one.candidate, one.metric) == ("quick", "cost.per_request")
    )
    moved = candidate("quick", spread(100), f"{dearer.to:.6f}")
    assert choose([moved, CHEAP], asked, How()).recommended == "cheap"


def test_the_two_ways_of_weighing_can_disagree() -> None:
    """TOPSIS looks at distances, the sum at ratios to the best."""
    figures = {"a": (100, "0.0010"), "b": (300, "0.0008"), "c": (1000, "0.00045")}
    given = [
        candidate(name, spread(ttft, width=0.01), cost) for name, (ttft, cost) in figures.items()
    ]
    found = choose(given, wishes(minimise=["ttft_ms", "cost"]), How())
    assert [one.rank for one in found.candidates][:2] == [2, 1]
    assert [one.weighted_sum_rank for one in found.candidates] == [1, 3, 2]
    assert "the weighted sum puts a first" in found.notes[0]
    assert found.candidates[1].reason == "best in nothing, and near the best in all"


def test_figures_that_nobody_or_not_everybody_has() -> None:
    unpriced = replace(QUICK, sample=replace(QUICK.sample, costs=(None,) * 100))
    found = choose([unpriced, CHEAP], wishes(minimise=["cost"]), How())
    assert found.recommended == "cheap"
    assert found.candidates[0].misses == ["it has no cost.per_request"]
    assert found.candidates[0].figures["cost.per_request"].value is None
    other = replace(unpriced, name="other")
    with pytest.raises(UsageError, match=r"no candidate has cost.per_request: add prices"):
        choose([unpriced, other], wishes(minimise=["cost"]), How())
    by_profile = choose([unpriced, other], wishes(profile="batch", minimise=["ttft_ms"]), How())
    assert by_profile.notes[0].startswith("no candidate has cost.per_request,")
    assert [one.metric for one in by_profile.criteria] == ["ttft_ms.p50"]
    with pytest.raises(UsageError, match="no criterion left"):
        choose([unpriced, other], wishes(profile="cheapest"), How())


def test_wrong_choices() -> None:
    with pytest.raises(UsageError, match="two candidates or more"):
        choose([QUICK], wishes(minimise=["cost"]), How())
    with pytest.raises(UsageError, match="no such candidate; there are quick, cheap"):
        choose([QUICK, CHEAP], wishes(minimise=["cost"]), How(current="x"))


def test_the_same_seed_gives_the_same_decision() -> None:
    one, again, other = (
        choose([QUICK, CHEAP], wishes(minimise=["ttft_ms", "cost"]), How(seed=seed))
        for seed in (1, 1, 2)
    )
    assert encode(one) == encode(again) != encode(other)


# -- resamples -----------------------------------------------------------------------------------


def test_gaps_of_a_request_stay_together() -> None:
    """Ten gaps of each of 100 requests are worth 100, not 1,000, where each has its own speed."""
    speeds = np.array(spread(20, width=0.3))
    one = with_gaps(QUICK, np.repeat(speeds, 10), [10] * 100)
    alone = with_gaps(QUICK, speeds, [1] * 100)
    rng = np.random.default_rng(0)
    together, single = (
        figures_of(given, ["itl_ms.p50", "itl_ms.mean"], 800, rng) for given in (one, alone)
    )
    assert together.point[1] == pytest.approx(single.point[1])
    assert together.drawn.std(axis=0) == pytest.approx(single.drawn.std(axis=0), rel=0.15)


def test_neighbours_that_resemble_one_another_count_for_less() -> None:
    rng = np.random.default_rng(1)
    walk = np.zeros(400)
    for i in range(1, 400):
        walk[i] = 0.9 * walk[i - 1] + rng.standard_normal()
    remembering = figures_of(candidate("a", 100 * np.exp(0.1 * walk)), ["ttft_ms.mean"], 800, rng)
    shuffled = 100 * np.exp(0.1 * rng.permutation(walk))
    forgetful = figures_of(candidate("a", shuffled), ["ttft_ms.mean"], 800, rng)
    assert remembering.drawn.std() > 2.5 * forgetful.drawn.std()


def test_resamples_spread_as_the_mean_does() -> None:
    values = np.array(spread(100, 200, 0.5))
    found = figures_of(candidate("a", values), ["ttft_ms.mean"], 4000, np.random.default_rng(2))
    assert found.point[0] == pytest.approx(values.mean(), rel=1e-3)
    assert found.drawn.std() == pytest.approx(values.std() / np.sqrt(200), rel=0.06)


# -- rounds --------------------------------------------------------------------------------------


def test_the_first_round_knows_every_figure() -> None:
    assert first_round(wishes(minimise=["ttft_ms", "cost"])) == FIRST
    assert first_round(wishes(minimise=["ttft_ms.p95"])) == 59


def test_who_cannot_change_the_answer_is_not_asked_again() -> None:
    near = candidate("near", spread(103, width=0.3, seed=5))
    far = candidate("far", spread(100, width=0.3, seed=6))
    standing = standing_of([near, far, CHEAP], wishes(minimise=["ttft_ms"]))
    assert not is_decided(standing, 0.95)
    found = next_round(standing, 0.95)
    assert "cheap" not in found
    assert set(found) == {"near", "far"}
    assert sum(found.values()) <= 0.4 * 300 + 2
    assert next_round(standing_of([QUICK, CHEAP], wishes(minimise=["ttft_ms"])), 0.95) == {}


def test_more_requests_go_to_whom_they_help() -> None:
    """The doubt is whether `wild` keeps its limit: the others' figures are settled."""
    wild = candidate("wild", spread(100, width=0.8, seed=7), "0.001")
    calm = candidate("calm", spread(100, width=0.05, seed=8), "0.002")
    limit = float(np.quantile(spread(100, width=0.8, seed=7), 0.95)) * 1.1
    asked = wishes(require=[f"ttft_ms.p95<{limit:.0f}"], minimise=["cost"])
    standing = standing_of([wild, calm], asked)
    found = foresee(standing, 0.95)
    assert found.decides
    assert found.sizes[0] > 100
    assert found.sizes[1] == 100


def test_twins_are_asked_on_all_the_same() -> None:
    standing = standing_of([QUICK, replace(QUICK, name="twin")], wishes(minimise=["ttft_ms"]))
    assert not foresee(standing, 0.95).decides
    assert next_round(standing, 0.95) == {"quick": 41, "twin": 41}


# -- the JSON ------------------------------------------------------------------------------------


def test_the_schema_is_published_and_kept() -> None:
    assert json.loads((DOCS / "decision.schema.json").read_text()) == json_schema()
    for asked in (wishes(minimise=["cost"]), wishes(require=["ttft_ms.p95<1"], minimise=["cost"])):
        found = choose([QUICK, CHEAP, POOR], asked, How(current="poor"))
        jsonschema.Draft202012Validator(json_schema()).validate(json.loads(encode(found)))
        assert isinstance(found, Decision)


def test_every_field_is_explained() -> None:
    page = (DOCS / "decision-json.md").read_text()
    fields = {
        field
        for definition in json_schema()["$defs"].values()
        for field in definition.get("properties", {})
    }
    assert [field for field in sorted(fields) if f"`{field}`" not in page] == []
