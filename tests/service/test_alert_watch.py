"""A target's figures: changes that add up or undo each other, and what outlives a process."""

from __future__ import annotations

from pathlib import Path

import pytest
from alerts_world import Past, World, lived, target
from msgspec import structs

from llm_latency_lens.decide.shifts import Run, Shift
from llm_latency_lens.decide.sla import parse_sla
from llm_latency_lens.service.alerts import kept
from llm_latency_lens.service.alerts.watch import Watch
from llm_latency_lens.service.alerts.words import length
from llm_latency_lens.service.config import AlertsConfig


def watch() -> Watch:
    return Watch(target(), AlertsConfig(), 30 * 86_400.0)


def test_a_change_that_is_undone_is_over_at_once() -> None:
    figure = watch().figures["ttft_ms"]
    figure.hours.put(1, 400.0)
    figure.changed(Shift(10.0, 400.0, 560.0, 15))
    assert figure.hours.get(1) == 400.0
    figure.changed(Shift(10.0, 400.0, 540.0, 60, settled=True))
    assert figure.shift is not None
    assert figure.shift.slower == pytest.approx(0.35)
    assert figure.hours.get(1) == pytest.approx(540.0)
    figure.changed(Shift(90.0, 540.0, 410.0, 15))
    assert figure.shift is None
    assert figure.ending == "it is less than 25 % away from what it was before"
    figure.changed(Shift(90.0, 540.0, 400.0, 60, settled=True))
    assert (figure.shift, figure.first) == (None, None)
    assert figure.hours.get(1) == pytest.approx(400.0)


def test_a_change_upon_a_change_is_one_from_the_beginning() -> None:
    figure = watch().figures["ttft_ms"]
    for settled in (False, True):
        figure.changed(Shift(10.0, 400.0, 520.0, 50, settled))
    for settled in (False, True):
        figure.changed(Shift(99.0, 520.0, 780.0, 70, settled))
    assert figure.shift == Shift(10.0, 400.0, pytest.approx(780.0), 120, settled=True)


def test_a_change_that_was_not_settled_is_after_a_restart() -> None:
    before, after = watch(), watch()
    figure = before.figures["ttft_ms"]
    run = Run(13.0, [1000.0, 1300.0, 1600.0], [5, 5, 5], [6.0, 6.0, 6.0], [6.3, 6.3, 6.4])
    figure.shifts._change = run
    figure.changed(run.told(settled=False))
    assert figure.shifts.settling
    after.load_usual(kept.usual(kept.encode(before.dump_usual())))
    again = after.figures["ttft_ms"]
    assert not again.shifts.settling
    assert again.shift is not None
    assert again.shift.settled
    assert again.shift.slower == pytest.approx(0.35, abs=0.01)


def test_answers_since_the_weeks_were_written_are_read_from_the_history(tmp_path: Path) -> None:
    (promise,) = parse_sla("objectives: [{limit: 'answer_ms<800', target: 99%}]", "x").promises

    async def story(world: World) -> None:
        await world.minutes(7, ttft_ms=900.0)  # the weeks were written at the start
        world.begin().restore(Past([]))
        before = world.alerts.burn_rates("chat")
        stranger = structs.replace(world.rows[0], target="stranger")
        world.begin().restore(Past([*world.rows[1:], stranger]))
        (watched,) = world.alerts._watches.values()
        assert len(watched._answers) == 6
        # A row does not tell when the answer began, so that it counts neither way.
        assert world.alerts.burn_rates("chat") == before

    lived(World(tmp_path, (target(promises=(promise,)),)), story)


def test_a_file_that_was_cut_short_is_none(tmp_path: Path) -> None:
    path = tmp_path / "standing.msgpack"
    head = kept.Head(1.0, 2.0)
    kept.write(path, head, {"a": b"12345", "b": b""})
    whole = path.read_bytes()
    found = kept.read(path)
    assert found is not None
    assert (found[0], {name: bytes(one) for name, one in found[1].items()}) == (
        head,
        {"a": b"12345", "b": b""},
    )
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        left = kept.read(path)
        assert left is None or len(left[1]) < 2
    kept.write(path, kept.Head(1.0, 2.0, version=0), {})
    assert kept.read(path) is None
    assert kept.read(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("span_s", "said"),
    [(86_400, "1 d"), (21_600, "6 h"), (300, "5 min"), (840, "14 min"), (70.5, "1 min 10 s")],
)
def test_lengths_of_windows(span_s: float, said: str) -> None:
    assert length(span_s) == said
