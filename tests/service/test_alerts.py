"""Incidents open and end, receivers hear of both, whatever happens to them or to us in between."""

from __future__ import annotations

from pathlib import Path

import msgspec
from alerts_world import World, lived


def texts(world: World, receiver: str = "ops") -> list[str]:
    """What people were told, message after message."""
    return [msgspec.json.decode(post.body)["text"] for name, post in world.sent if name == receiver]


def test_a_target_is_down_after_three_failures_and_back_after_one_answer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.minutes(5)
        await world.minutes(2, ttft_ms=None)
        assert world.alerts.incidents() == []
        await world.minutes(3, ttft_ms=None)
        (found,) = world.alerts.incidents(open_only=True)
        assert (found.kind, found.severity, found.target) == ("down", "critical", "chat")
        await world.minutes(2)

    world = lived(World(tmp_path), story)
    (found,) = world.alerts.incidents()
    assert found.resolved_unix_s is not None
    down = "chat (openai/gpt-4o-mini) in eu-west: down since 22:18 UTC"
    assert texts(world) == [
        f"{down}: 3 probes in a row failed (timeout in wait)",
        f"resolved after 5 min 20 s | {down}: 5 probes in a row failed (timeout in wait)",
    ]
