"""How wishes are written."""

from __future__ import annotations

import pytest
from candidates import wishes

from llm_latency_lens.decide.figures import PROFILES, figure
from llm_latency_lens.errors import UsageError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("cost", "cost.per_request"),
        ("ttft_ms", "ttft_ms.p50"),
        ("itl_ms.p99", "itl_ms.p99"),
        (" metrics.e2e_ms.mean ", "e2e_ms.mean"),
        ("error_rate", "error_rate"),
    ],
)
def test_names(written: str, meant: str) -> None:
    assert figure(written) == meant


def test_what_is_near_is_named() -> None:
    with pytest.raises(UsageError, match=r"by ttft: did you mean ttft_ms"):
        figure("ttft")
    with pytest.raises(UsageError, match="by nonsense: write one such as"):
        figure("nonsense")
    with pytest.raises(UsageError, match=r"by cost: did you mean cost.per_request\?"):
        wishes(require=["cost<1"])
    with pytest.raises(UsageError, match=r"did you mean ttft_ms.p50 or ttft_ms.p95"):
        wishes(require=["ttft_ms<1"])


def test_without_a_criterion_the_profile_is_interactive() -> None:
    found = wishes(require=["ttft_ms.p95<0.8s", "error_rate<1%"])
    assert found.profile == "interactive"
    assert found.criteria == PROFILES["interactive"]
    assert [one.limit for one in found.requirements] == [800.0, 0.01]
    assert wishes().requirements[0].text == "error_rate<5%"


def test_named_criteria_stand_alone_or_add_to_a_profile() -> None:
    alone = wishes(minimise=["cost"], maximise=["quality"], columns=["quality"])
    assert [(one.metric, one.sign) for one in alone.criteria] == [
        ("cost.per_request", -1),
        ("quality", 1),
    ]
    assert alone.profile is None
    assert not alone.requirements
    both = wishes(
        profile="cheapest", minimise=["ttft_ms.p95"], weights={"cost": 3, "ttft_ms.p95": 0}
    )
    assert [(one.metric, one.weight) for one in both.criteria] == [("cost.per_request", 3)]
    assert both.explicit == {"ttft_ms.p95", "cost.per_request"}


def test_a_column_of_scores_counts_unless_a_limit_names_it() -> None:
    assert [one.metric for one in wishes(["quality"], minimise=["cost"]).criteria] == [
        "quality",
        "cost.per_request",
    ]
    limited = wishes(["quality"], minimise=["cost"], require=["quality>=0.8"])
    assert [one.metric for one in limited.criteria] == ["cost.per_request"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"minimise": ["cost"], "maximise": ["cost"]}, "named twice"),
        ({"minimise": ["cost"], "weights": {"ttft_ms.p95": 1}}, "no criterion here"),
        ({"profile": "fast"}, "no profile fast: interactive, batch, cheapest"),
        ({"columns": ["cost"]}, "name of a measured figure"),
    ],
)
def test_wrong_wishes(asked: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        wishes(**asked)  # type: ignore[arg-type]
