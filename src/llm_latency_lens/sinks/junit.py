"""JUnit's XML, which CI systems show: one suite, whose tests are the objectives given with the run,
the failures by their cause, and the verdict.

Elements and attributes are those that both the schema of Apache Ant's reports and that of Jenkins
allow, in their order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from math import isnan
from typing import BinaryIO
from xml.etree import ElementTree as ET

from ..clock import SECOND_NS
from ..metrics.columns import FIGURES
from ..metrics.objectives import COST, Objective, parse_objective
from ..metrics.result import Result
from ..record import Record, Status
from .exported import Exported

_WORST = 10
# What XML 1.0 has no place for, not even as a reference.
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class _Judged:
    """How one objective was kept; `missed` are requests with what they came to."""

    objective: Objective
    requests: int = 0
    missed: list[tuple[int, float | Decimal | None]] = field(default_factory=list)

    def add(self, record: Record) -> None:
        self.requests += 1
        value: float | Decimal | None = None
        if record.status is Status.OK:
            name = self.objective.metric
            value = record.cost_usd if name == COST else FIGURES[name](record)
        if not self.objective.met(value):
            absent = value is None or isnan(value)
            self.missed.append((record.index, None if absent else value))


@dataclass(slots=True)
class _Causes:
    """Failures by kind and stage, with the first message of each."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    messages: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        if record.status is Status.FAILED and record.error is not None:
            cause = record.error.kind.value, record.error.stage.value
            self.counts[cause] += 1
            self.messages.setdefault(cause, record.error.unquoted().message)


@dataclass(frozen=True, slots=True)
class _Test:
    """A test; one with `failed` words has failed, for the kind of reason that `type` names."""

    group: str
    name: str
    failed: str = ""
    type: str = ""
    details: str = ""


def write(exported: Exported, file: BinaryIO) -> None:
    """One document."""
    objectives = [_Judged(parse_objective(text)) for text in exported.context.objectives]
    causes = _Causes()
    for record in exported.records(with_result=True):
        if record.warmup or record.attempt or record.status is Status.CANCELLED:
            continue
        causes.add(record)
        for judged in objectives:
            judged.add(record)
    tests = [*map(_objective, objectives), *_failures(causes), _verdict(exported.result)]
    root = ET.Element("testsuites")
    root.append(_suite(exported, tests))
    ET.indent(root)
    file.write(ET.tostring(root, "utf-8", xml_declaration=True) + b"\n")


def _objective(judged: _Judged) -> _Test:
    text, missed = judged.objective.text, judged.missed
    if not missed:
        return _Test("objectives", text)
    unit = judged.objective.metric.rpartition("_")[2]
    unit = f" {unit}" if unit in ("ms", "us") else ""
    none = [index for index, value in missed if value is None]
    known = [(value, index) for index, value in missed if value is not None]
    known.sort(reverse=judged.objective.sign in ("<", "<="))
    lines = [f"request {index}: {value}{unit}" for value, index in known[:_WORST]]
    if none:
        lines.append(f"{len(none):,} requests have no value: they failed, or did not get so far")
    words = f"{len(missed):,} of {judged.requests:,} requests missed {text}"
    return _Test("objectives", text, words, "objective", "\n".join(lines))


def _failures(causes: _Causes) -> Iterator[_Test]:
    if not causes.counts:
        yield _Test("requests", "no request failed")
    for (kind, stage), count in causes.counts.most_common():
        words = f"{count:,} x {kind} ({stage})"
        yield _Test("requests", f"no {kind} ({stage})", words, kind, causes.messages[kind, stage])


def _verdict(result: Result) -> _Test:
    invalid = [one for one in result.validity.reasons if one.severity == "invalid"]
    words = "; ".join(one.message for one in invalid)
    return _Test("result", "the result is not invalid", words, "invalid" if invalid else "")


def _suite(exported: Exported, tests: list[_Test]) -> ET.Element:
    context, result = exported.context, exported.result
    started = datetime.fromtimestamp(context.started_at_unix_ns // SECOND_NS, UTC)
    suite = ET.Element(
        "testsuite",
        name=_fit(context.name or str(context.config.get("model") or context.id)),
        package="latency-lens",
        id="0",
        # Neither schema knows a zone here; the time is UTC. The name of the host is nobody's
        # business.
        timestamp=f"{started:%Y-%m-%dT%H:%M:%S}",
        hostname="localhost",
        tests=str(len(tests)),
        failures=str(sum(bool(test.type) for test in tests)),
        errors="0",
        time=f"{result.run.duration_s:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(result):
        ET.SubElement(properties, "property", name=name, value=_fit(value))
    suite.extend(map(_case, tests))
    reasons = (f"{one.severity}: {one.message} {one.advice}" for one in result.validity.reasons)
    ET.SubElement(suite, "system-out").text = _fit("\n".join(reasons))
    ET.SubElement(suite, "system-err")
    return suite


def _properties(result: Result) -> Iterator[tuple[str, str]]:
    yield "run", result.run.id
    yield "tool_version", result.run.tool_version
    yield "verdict", result.validity.verdict
    for name in ("provider", "model"):
        yield name, str(result.config.get(name) or "")
    for metric in ("ttft_ms", "itl_ms", "tpot_ms", "e2e_ms"):
        if summary := getattr(result.metrics, metric):
            for level in ("p50", "p95", "p99"):
                yield f"{metric}.{level}", str(getattr(summary, level))


def _case(test: _Test) -> ET.Element:
    case = ET.Element(
        "testcase", classname=f"latency-lens.{test.group}", name=_fit(test.name), time="0"
    )
    if test.type:
        failure = ET.SubElement(case, "failure", message=_fit(test.failed), type=test.type)
        failure.text = _fit(test.details)
    return case


def _fit(text: str) -> str:
    return _UNFIT.sub("?", text)
