"""Remote writes as Prometheus would read them."""

from __future__ import annotations

from functools import cache
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


@cache
def write_request_type() -> Any:
    """The message as Prometheus publishes it, made from its description."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="p", syntax="proto3")
    for name, fields in {
        "Label": [("name", kinds.TYPE_STRING, ""), ("value", kinds.TYPE_STRING, "")],
        "Sample": [("value", kinds.TYPE_DOUBLE, ""), ("timestamp", kinds.TYPE_INT64, "")],
        "TimeSeries": [
            ("labels", kinds.TYPE_MESSAGE, ".p.Label"),
            ("samples", kinds.TYPE_MESSAGE, ".p.Sample"),
        ],
        "WriteRequest": [("timeseries", kinds.TYPE_MESSAGE, ".p.TimeSeries")],
    }.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, of) in enumerate(fields, 1):
            many = kinds.LABEL_REPEATED if of else kinds.LABEL_OPTIONAL
            made = message.field.add(name=field, number=number, type=kind, label=many)
            if of:
                made.type_name = of
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("p.WriteRequest"))


def read_request(body: bytes) -> dict[tuple[tuple[str, str], ...], tuple[float, int]]:
    request = write_request_type().FromString(bytes(cramjam.snappy.decompress_raw(body)))
    found = {}
    for one in request.timeseries:
        labels = tuple((label.name, label.value) for label in one.labels)
        assert labels == tuple(sorted(labels))
        (sample,) = one.samples
        found[labels] = (sample.value, sample.timestamp)
    assert len(found) == len(request.timeseries)
    return found
