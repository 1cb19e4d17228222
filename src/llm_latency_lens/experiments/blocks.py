"""The order of an experiment's requests: in blocks, so that a drift of the server or the network
hits all arms alike, and at random within each, so that no arm always comes behind the same other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from random import Random
from typing import TypeVar

T = TypeVar("T")


def shuffled_blocks(arms: Sequence[T], blocks: int, seed: int) -> Iterator[tuple[int, T]]:
    """(block, arm) of each request: every arm once in every block. The same seed gives the same
    order."""
    rng = Random(f"{seed}/blocks")
    for block in range(blocks):
        order = list(arms)
        rng.shuffle(order)
        for arm in order:
            yield block, arm


def spread_out(shares: Mapping[T, int], seed: int) -> Iterator[tuple[int, T]]:
    """(number, arm) of each request, where arms have unequal shares: those of each are spread
    evenly over the whole, each at a place of its own stretch that is drawn."""
    rng = Random(f"{seed}/spread")
    places = [
        ((number + rng.random()) / count, number, arm)
        for arm, count in shares.items()
        for number in range(count)
    ]
    return ((number, arm) for _, number, arm in sorted(places, key=itemgetter(0)))
