"""From a captured call to a timeline: framing, content coding and stamps, once somebody asks."""

from __future__ import annotations

import json
import re
from array import array
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ...engine.scrub import find_secrets, scrub
from ...providers import get
from ...request import Operation, Secret
from ...timeline import Connection, ErrorKind, Stage, Timeline
from .call import Call
from .coding import CodingError, decoder_of
from .framing import Answer, unframed
from .recognise import Ask, recognise

_KEY_PARAMETERS = ("key", "api_key", "api-key", "access_token", "token", "X-Amz-Signature")
_RETRY_HEADERS = ("x-stainless-retry-count",)
_AWS_ATTEMPT = re.compile(r"attempt=(\d+)").search
_MAX_ATTEMPT = 255
_PLACES = ("generationConfig", "inferenceConfig", "options")
_LIMITS = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "maxOutputTokens",
    "maxTokens",
    "num_predict",
    "n_predict",
)
_CANCELLED = ("CancelledError", "GeneratorExit", "KeyboardInterrupt")


def understood(call: Call, index: int, id: str, tag: str | None) -> Timeline:
    """The call as a timeline, as the tool's own transport would have written it."""
    asked = _json(call.asked)
    ask = recognise(call.method, call.url, call.hint) or Ask(call.hint or "openai", "chat")
    answer = _answer(call)
    timeline = Timeline(
        index=index,
        id=id,
        attempt=_attempt(call),
        provider=_provider(ask),
        model=ask.model or str(asked.get("model") or ""),
        stream=_streams(ask, asked),
        max_tokens=_limit(asked),
        tag=tag,
        operation=ask.operation,
    )
    _fill_marks(timeline, call, answer)
    _fill_body(timeline, call, answer)
    _fill_end(timeline, call, answer)
    scrub(timeline, _secrets(call))
    return timeline


def _provider(ask: Ask) -> str:
    """Whose decoder reads the answer: many that speak OpenAI's format have no row for this."""
    operation = Operation(ask.operation)
    if operation is Operation.CHAT or operation in get(ask.provider).also:
        return ask.provider
    return "vllm" if operation is Operation.RERANK else "openai"


def base_url_of(url: str) -> str:
    """Where the provider is, as far as a price depends on it: no path, no query, no key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _answer(call: Call) -> Answer:
    if call.framed:
        return unframed(bytes(call.body), call.ends, eof=call.eof)
    spans = zip([0, *call.ends], call.ends, strict=False)
    reads = [(number, begin, end) for number, (begin, end) in enumerate(spans)]
    return Answer(call.status, call.headers, call.http_version, reads, bytes(call.body), call.whole)


def _json(body: Any) -> dict[str, Any]:
    """The body of the request; empty where it is no JSON object or cannot be looked at."""
    if isinstance(body, bytearray | memoryview):
        body = bytes(body)
    try:
        found = json.loads(body) if isinstance(body, bytes | str) else None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _streams(ask: Ask, asked: dict[str, Any]) -> bool:
    if ask.operation != "chat":
        return False
    if ask.stream is not None:
        return ask.stream
    return bool(asked.get("stream", ask.provider == "ollama"))


def _limit(asked: dict[str, Any]) -> int | None:
    """The most tokens that may come back, wherever the format says it."""
    places = [asked, *(asked.get(name) for name in _PLACES)]
    named = (place.get(name) for place in places if isinstance(place, dict) for name in _LIMITS)
    return next((limit for limit in named if isinstance(limit, int) and limit > 0), None)


def _attempt(call: Call) -> int:
    """Which attempt of the SDK's own this is, where it says so to the server."""
    headers = {name.lower(): value for name, value in call.request_headers}
    number = 0
    for name in _RETRY_HEADERS:
        if headers.get(name, "").isdecimal():
            number = int(headers[name])
    if found := _AWS_ATTEMPT(headers.get("amz-sdk-request", "")):
        number = int(found[1]) - 1
    return min(max(number, 0), _MAX_ATTEMPT)


def _fill_marks(timeline: Timeline, call: Call, answer: Answer) -> None:
    timeline.start_ns = call.start_ns or None
    timeline.sent_ns = call.sent_ns or None
    timeline.offset_ns, timeline.offset_end_ns = call.offset_ns, call.offset_end_ns
    timeline.status = answer.status or None
    timeline.headers = tuple((name.lower(), value) for name, value in answer.headers)
    timeline.connection = Connection(
        reused=call.reused,
        dns_ns=call.dns_ns or None,
        connect_ns=call.connect_ns or None,
        tls_ns=call.tls_ns or None,
        tls_version=call.tls_version,
        http_version=answer.http_version or None,
        address=call.address,
        rtt_us=call.rtt_us,
    )


def _fill_body(timeline: Timeline, call: Call, answer: Answer) -> None:
    """The reads that carried body bytes, decoded as content-encoding says."""
    stamps, late, source = _stamps(call)
    timeline.clock_source = source  # type: ignore[assignment]
    if call.framed:
        timeline.first_byte_ns = stamps[0] if stamps else None
    elif call.first_ns:
        kernel = source == "kernel" and call.first_kernel_ns
        timeline.first_byte_ns = kernel - call.offset_ns if kernel else call.first_ns
    decode = decoder_of(dict(timeline.headers).get("content-encoding", ""))
    try:
        for number, begin, end in answer.reads:
            data = decode(answer.body[begin:end])
            if data:
                timeline.add(stamps[number], data, late[number])
        if rest := decode(None):
            timeline.add(stamps[answer.reads[-1][0]], rest, late[answer.reads[-1][0]])
    except CodingError as error:
        timeline.fail(ErrorKind.PROTOCOL, Stage.DECODE, str(error))


def _stamps(call: Call) -> tuple[array[int], array[int], str]:
    """When each read came, how late the program took it, and who says so: the kernel, if it
    stamped them all."""
    if call.kernel_ns and all(call.kernel_ns):
        stamps = array("q", [stamp - call.offset_ns for stamp in call.kernel_ns])
        late = array("q", map(int.__sub__, call.read_ns, stamps))
        return stamps, late, "kernel"
    return call.read_ns, array("q", bytes(8 * len(call.read_ns))), "user"


def _fill_end(timeline: Timeline, call: Call, answer: Answer) -> None:
    timeline.complete = answer.whole and timeline.failure is None
    last = answer.reads[-1][0] if answer.reads else None
    if answer.whole:
        stamps = _stamps(call)[0]
        timeline.closed_ns = call.closed_ns if last is None else stamps[answer.last or last]
        return
    timeline.closed_ns = call.closed_ns
    if call.fault is not None:
        known, where, words = call.fault
        timeline.fail(ErrorKind(known), Stage(where), _blanked(words, call))
        return
    stage = Stage.STREAM if answer.status else Stage.WAIT if call.sent_ns else Stage.CONNECT
    if call.failure is None and (call.eof or answer.status >= 300):
        # The server left, or refused, and an SDK that tries again does not read why: the decoder
        # says what that came to.
        return
    if call.failure is None:
        timeline.fail(ErrorKind.CANCELLED, stage, "the program closed the answer before its end")
        return
    kind, words, slow = call.failure
    if kind in _CANCELLED:
        timeline.fail(ErrorKind.CANCELLED, stage, "the program cancelled the call")
        return
    words = _blanked(f"{kind}: {words}" if words else kind, call)
    timeline.fail(ErrorKind.TIMEOUT if slow else ErrorKind.NETWORK, stage, words)


def _secrets(call: Call) -> tuple[bytes, ...]:
    """What must never be kept: keys in headers, and those in the address."""
    found = list(find_secrets(None, call.request_headers))
    for name, value in parse_qsl(urlsplit(call.url).query):
        if name in _KEY_PARAMETERS:
            found += find_secrets(Secret(value), ())
    return tuple(dict.fromkeys(found))


def _blanked(words: str, call: Call) -> str:
    """One line, without keys."""
    words = " ".join(words.split())
    for secret in _secrets(call):
        words = words.replace(secret.decode(errors="replace"), "******")
    return words
