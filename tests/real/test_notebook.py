"""Results as notebooks show them, in a real browser: in the notebook's own colours, whatever the
browser prefers, and readable for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from real_command import Simulate
from real_parts import sdk_says

from llm_latency_lens import Lens, optimize

pytestmark = pytest.mark.real

LIGHT, DARK = "rgb(255, 255, 255)", "rgb(24, 29, 35)"


def test_in_every_notebook(simulate: Simulate, tmp_path: Path) -> None:
    server = simulate(ttft="lognormal:30ms,0.4", gap="2ms", tokens="16", faults="429=1s:5%")
    lens = Lens(model="sim", base_url=server.base_url, api_key="none", run_dir=tmp_path / "run")
    found = lens.benchmark("Say hello.", requests=40, concurrency=4)
    trial = lens.compare({"again": lens}, "Say hello.", requests=8)
    gate = found.gate("ttft_ms.p95<800", allow_invalid=True)
    decision: Any = optimize([trial.run_dir])
    shown = [lens.profile("Say hello."), found, found.plot("timeline"), trial, trial.result]
    pieces = [one._repr_html_() for one in [*shown, decision, gate]]
    (tmp_path / "pieces.html").write_text("\n".join(pieces))
    seen: dict[str, Any] = sdk_says(
        "notebook_chromium.py", str(tmp_path / "pieces.html"), str(tmp_path), timeout_s=300
    )
    for name, one in seen.items():
        dark = "dark" in name
        assert one["backgrounds"] == [DARK if dark else LIGHT], name
        assert len(one["inks"]) == 1
        assert one["rows"] == ["rgba(0, 0, 0, 0)"], name
        assert one["names"] == ["left"], name
        assert (one["said"], one["asked"], one["findings"]) == ([], [], []), name
        assert one["overflow"] <= 0, name
        assert len(one["drawings"]) == 1 + 3 + 1 + 2
        for drawing in one["drawings"]:
            assert drawing["marks"] > 0
            assert 200 < drawing["wide"] <= drawing["room"]
