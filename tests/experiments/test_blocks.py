"""The order of an experiment's requests."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.experiments.blocks import shuffled_blocks

ARMS = ["a", "b", "c"]


@given(
    st.lists(st.text(max_size=3), min_size=1, max_size=6, unique=True),
    st.integers(0, 20),
    st.integers(0, 9),
)
def test_every_arm_comes_once_in_every_block(arms: list[str], blocks: int, seed: int) -> None:
    order = list(shuffled_blocks(arms, blocks, seed))
    assert [block for block, _ in order] == [i for i in range(blocks) for _ in arms]
    for i in range(blocks):
        assert sorted(arm for block, arm in order if block == i) == sorted(arms)
    assert order == list(shuffled_blocks(arms, blocks, seed))


def test_no_arm_has_a_place_of_its_own() -> None:
    order = list(shuffled_blocks(ARMS, 600, 1))
    places = Counter((arm, number % 3) for number, (_, arm) in enumerate(order))
    assert len(places) == 9
    assert min(places.values()) > 160


def test_another_seed_is_another_order() -> None:
    assert list(shuffled_blocks(ARMS, 9, 1)) != list(shuffled_blocks(ARMS, 9, 2))
