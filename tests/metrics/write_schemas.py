"""Write the schemas of the documentation anew, after a change of their types."""

from __future__ import annotations

import json
from pathlib import Path

from llm_latency_lens.decide import budgets, decision, gate, sla, suite
from llm_latency_lens.metrics import (
    analysis,
    coldstart,
    comparison,
    lines,
    program,
    proxied,
    result,
)
from llm_latency_lens.service.alerts import forms

FOLDER = Path(__file__).parents[2] / "docs/reference"

WRITTEN = {
    "alert": forms.json_schema(),
    "analysis": analysis.json_schema(),
    "bench": suite.json_schema(),
    "coldstart": coldstart.json_schema(),
    "comparison": comparison.json_schema(),
    "decision": decision.json_schema(),
    "gate": gate.json_schema(),
    "held": budgets.json_schema(),
    "sla": sla.SCHEMA,
    "program": program.json_schema(),
    "proxy": proxied.json_schema(),
    "record": lines.json_schema(),
    "result": result.json_schema(),
}

for name, schema in WRITTEN.items():
    (FOLDER / f"{name}.schema.json").write_text(json.dumps(schema, indent=2) + "\n")
