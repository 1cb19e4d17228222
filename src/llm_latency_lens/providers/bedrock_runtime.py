"""What all of Bedrock's operations have in common: where they are, and how their answers come.

An answer that streams is AWS's event stream, in which a failure is a frame of its own; one that
does not is a JSON document.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from ..errors import UsageError
from ..record import Decoder
from ..request import Target
from ..timeline import Timeline
from .answer import Answer, count
from .asking import address
from .aws_eventstream import CONTENT_TYPE, Damage, frames
from .errors_map import Complaint, read_complaint
from .provider import Build, Provider
from .texts import one_line

BASE_URL = "https://bedrock-runtime.{region}.amazonaws.com"

# Parts of AWS that have a domain of their own, by the beginning of their regions' names.
_DOMAINS = (
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("us-iso-", "c2s.ic.gov"),
)


def row(name: str, title: str, build: Build, decode: Decoder, notes: str = "") -> Provider:
    """An operation of Bedrock's in the table of providers."""
    return Provider(
        name,
        title,
        BASE_URL,
        build,
        decode,
        key_env=("AWS_BEARER_TOKEN_BEDROCK",),
        base_url_env=("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL"),
        needs_key=True,
        small_model="amazon.nova-micro-v1:0",
        reports=("usage", "cached", "timings"),
        notes=notes,
        auth="aws",
        region_env=("AWS_REGION", "AWS_DEFAULT_REGION"),
    )


def url_of(target: Target, operation: str) -> str:
    """Where an operation of the target's model is: an id, a profile's or a prompt's, or an ARN."""
    base = target.base_url
    if "{region}" in base:
        if not target.region:
            raise UsageError("Bedrock needs a region: give --region or set AWS_REGION")
        base = base.replace("{region}", target.region)
        for start, domain in _DOMAINS:
            if target.region.startswith(start):
                base = base.replace("amazonaws.com", domain)
    return address(base, f"/model/{quote(target.model, safe='')}/{operation}")


def is_frames(body: bytes, timeline: Timeline) -> bool:
    """Whether a body is an event stream, by its first byte and by what its header says.

    A frame under 16 MB begins with a zero; JSON and HTML do not.
    """
    if body.startswith(b"\0"):
        return True
    named = CONTENT_TYPE in dict(timeline.headers).get("content-type", "")
    return named and bool(body) and not body.lstrip().startswith((b"{", b"[", b"<"))


def events_in(body: bytes, timeline: Timeline, answer: Answer) -> Iterator[tuple[str, bytes, int]]:
    """(type, payload, read) of each event; failures and a damaged end go to the answer."""
    for number, (headers, payload, read, damage) in enumerate(frames(body, timeline.ends), 1):
        if damage is not None:
            if damage is Damage.TORN:
                answer.torn = True
            else:
                answer.problem = f"frame {number} of the event stream is damaged: {damage}"
            return
        kind = headers.get(":message-type")
        if kind == "exception":
            answer.complain(read_complaint(payload, str(headers.get(":exception-type", ""))))
        elif kind == "error":
            message = one_line(str(headers.get(":error-message", "")))
            answer.complain(Complaint(message, str(headers.get(":error-code", "")) or None))
        else:
            yield str(headers.get(":event-type", "")), payload, read


def first_count(*values: int | None) -> int | None:
    """The first of them that can be a token count."""
    return next((value for value in map(count, values) if value is not None), None)
