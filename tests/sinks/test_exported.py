"""The seam: how often a run is decoded, and what experiments have."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO

import pytest
from sink_runs import answered, context, mixed, refused, run_of, written

from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.summary import Summarizer
from llm_latency_lens.record import RequestError
from llm_latency_lens.sinks import FORMATS, Exported, export_of
from llm_latency_lens.timeline import ErrorKind, Stage


def counted() -> tuple[Exported, list[int]]:
    """A run, and how many records were read of it each time."""
    reads: list[int] = []

    def read():
        reads.append(0)
        for record in mixed():
            reads[-1] += 1
            yield record

    return Exported(context(), read), reads


def test_records_that_were_read_give_the_result_for_nothing():
    exported, reads = counted()
    summarizer = Summarizer()
    for record in exported.records(with_result=True):
        summarizer.add(record)
    assert exported.result == summarizer.result(context())
    assert exported.result is exported.result
    assert reads == [13]
    assert len(list(exported.records())) == 13
    assert reads == [13, 13]


def test_a_result_alone_reads_the_records_once():
    exported, reads = counted()
    next(exported.records(with_result=True))
    assert exported.result.requests.ok == 8
    assert reads == [1, 13]


def test_records_alone_are_not_summed_up():
    exported, reads = counted()
    assert len(list(exported.records())) == 13
    assert exported.result.requests.ok == 8
    assert reads == [13, 13]


@pytest.mark.parametrize("to", FORMATS)
def test_no_format_decodes_a_run_twice(to: str):
    exported, reads = counted()
    form = FORMATS[to]
    for module in (form.module, *form.variants.values()):
        reads.clear()
        write = import_module(f"llm_latency_lens.sinks.{module}").write
        write(
            Exported(exported.context, exported.read), BytesIO(), *[BytesIO() for _ in form.parts]
        )
        assert reads == [13]


@pytest.mark.parametrize("to", [name for name, form in FORMATS.items() if not form.binary])
def test_no_export_has_texts_unless_they_are_kept(to: str):
    secret = answered(1)
    secret.events.text = ["my secret"] * 8
    filtered = refused(2)
    filtered.error = RequestError(ErrorKind.CONTENT_FILTER, Stage.WAIT, "refused: my secret")
    form = FORMATS[to]
    for module in (form.module, *form.variants.values()):
        files = [BytesIO() for _ in ("", *form.parts)]
        import_module(f"llm_latency_lens.sinks.{module}").write(run_of([secret, filtered]), *files)
        assert not any(b"secret" in file.getvalue() for file in files)


def test_an_experiment_has_records_and_no_result():
    exported = run_of(config={"experiment": "compare"})
    assert len(list(exported.records())) == 13
    with pytest.raises(UsageError, match="is of `compare`: it has no result of one benchmark"):
        written("json", exported)
    assert written("jsonl", exported).count(b"\n") == 13


def test_an_unknown_format_is_told_with_the_known_ones():
    with pytest.raises(UsageError, match="no format 'yaml': there are json, jsonl"):
        export_of("yaml")
