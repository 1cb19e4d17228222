"""Notes: what is seen in probes, and what is kept of it."""

from __future__ import annotations

import stat
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from alerts_world import World, lived

from llm_latency_lens.record import Record, Status, Usage
from llm_latency_lens.service.notes import KNOWN, PRICES, Eye, Found, Notes, Prices
from llm_latency_lens.service.probe import Row


def row(at_s: float, ttft_ms: float | None = 300.0, **told: object) -> Row:
    given = {
        "target": "chat", "id": "r", "at_unix_ns": round(at_s * 1e9), "provider": "openai",
        "model": "m", "status": "ok" if ttft_ms is not None else "failed", "ttft_ms": ttft_ms,
        **told,
    }  # fmt: skip
    return Row(**given)  # type: ignore[arg-type]


def seen(eye: Eye, *rows: Row) -> list[Found]:
    return [found for one in rows for found in eye.see(one)]


def test_a_cold_start_comes_after_an_idle_time_and_takes_far_longer_than_usual() -> None:
    eye = Eye()
    usual = [row(300 * number, connect_ms=20.0) for number in range(8)]
    assert seen(eye, *usual) == []
    ((kind, told),) = eye.see(row(8 * 300, 2900.0, connect_ms=80.0, dns_ms=20.0))
    assert kind == "cold_start"
    assert told == (
        "cold start after 5 min: first token after 3,000 ms with the connection, usually 320 ms"
    )


@pytest.mark.parametrize(
    "rows",
    [
        [row(60 * n) for n in range(9)] + [row(600, 3000.0)],  # no idle time before
        [row(300 * n) for n in range(3)] + [row(900, 3000.0)],  # nothing is usual yet
        [row(300 * n) for n in range(9)] + [row(2700, 700.0)],  # slow, but not far above
        [row(300 * n, 20.0) for n in range(9)] + [row(2700, 200.0)],  # far above, but no time
        [row(300 * n) for n in range(9)] + [row(2700, None)],
    ],
)
def test_what_is_no_cold_start(rows: list[Row]) -> None:
    assert seen(Eye(), *rows) == []


def test_another_model_and_another_fingerprint_are_noted_once() -> None:
    eye = Eye()
    said = [("m-1", "fp_a"), ("m-1", "fp_b"), ("m-1", "fp_a"), ("m-2", "fp_b"), (None, None)]
    rows = [
        row(60 * n, response_model=model, fingerprint=fingerprint)
        for n, (model, fingerprint) in enumerate(said)
    ]
    assert seen(eye, *rows) == [
        ("fingerprint", "another fingerprint: fp_b"),
        ("model", "answers name another model: m-1 -> m-2"),
    ]
    for number in range(20):
        assert len(seen(eye, row(900 + number, fingerprint=f"fp_{number}"))) == 1
    assert len(eye.fingerprints) == KNOWN
    ((_, told),) = seen(eye, row(999, response_model="m" * 10_000))
    assert len(told) < 300
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(eye), type=Eye) == eye


def _costs(cost: str | None, output: int = 32, **usage: int) -> Record:
    return Record("r", 0, Status.OK, usage=Usage(input=12, output=output, **usage),
                  cost_usd=None if cost is None else Decimal(cost))  # fmt: skip


def test_the_same_work_at_another_price_is_noted() -> None:
    prices = Prices()
    records = [
        _costs("0.000021"), _costs("0.000030", 48), _costs("0.000011", cached_input=8),
        _costs(None), _costs("0.000021"),
    ]  # fmt: skip
    assert [found for record in records for found in prices.see(record)] == []
    ((kind, told),) = prices.see(_costs("0.000042"))
    assert (kind, told) == (
        "price",
        "another price: 12 + 32 tokens cost 0.000042 dollars, and 0.000021 before",
    )
    assert list(prices.see(_costs("0.000060", 48))) == []  # the same change
    for output in range(100, 100 + 3 * PRICES):
        assert list(prices.see(_costs("0.00001", output))) == []
    assert len(prices._known) <= PRICES


def test_notes_are_kept_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_latency_lens.service.notes.KEPT", 10)
    monkeypatch.setattr("llm_latency_lens.service.notes._SLACK", 5)
    notes = Notes(tmp_path / "alerts")
    for number in range(40):
        notes.add("reload", f"number {number}", float(number), "chat" if number % 2 else "")
    again = Notes(tmp_path / "alerts")
    assert [note.text for note in again.between(37.0, 39.0)] == ["number 37", "number 38"]
    assert [note.text for note in again.between(36.0, 40.0, "mine")] == ["number 36", "number 38"]
    assert len(again.between(36.0, 40.0, "chat")) == 4
    path = tmp_path / "alerts" / "notes.jsonl"
    assert len(path.read_bytes().splitlines()) <= 15
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    last = again.last("reload")
    assert last is not None
    assert last.text == "number 39"
    assert again.last("stop") is None


def test_probes_are_seen_and_what_was_usual_outlives_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.alerts.restore()
        for _ in range(8):
            world.probe(response_model="m-1", cost="0.001")
            await world.pass_s(300, 100)
        await world.alerts.close()
        world.begin().restore()
        world.probe(ttft_ms=3000.0, response_model="m-2")
        world.alerts.note("reload", "the configuration was read again")

    alerts = lived(World(tmp_path), story).alerts
    assert [note.kind for note in alerts.notes()] == [
        "start", "stop", "start", "model", "cold_start", "reload",
    ]  # fmt: skip
    assert alerts.notes()[2].text == "monitor started, 0 s after it was last heard of"
    assert {note.target for note in alerts.notes("other")} == {""}
