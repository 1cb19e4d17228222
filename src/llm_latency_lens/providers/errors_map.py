"""From what a provider says of a failure to this package's one vocabulary.

The shapes read here, and who sends them:

    {"error": {"message", "type", "code", "param"}}     OpenAI, vLLM, llama.cpp, Groq, Ollama's /v1
    {"error": {"code": 402, "message", "metadata"}}     OpenRouter
    {"error": {"code", "message", "innererror"}}        Azure
    {"error": {"type", "message", "details"}}           Anthropic
    {"error": {"code": 429, "status", "details": []}}   Google, also in a list of one
    {"error": "text", "error_type": "word"}             TGI, Ollama's own API
    {"error": {"message", "http_status_code": 422}}     TGI, inside a stream
    {"error": "word or text", "message": "text"}        gateways
    {"object": "error", "message", "type", "code"}      SGLang; Mistral with a detail as message
    {"statusCode": 401, "message"}                      Azure's gateway
    {"detail": "text"}, {"detail": [{"loc", "msg"}]}    FastAPI
    {"message"}, {"Message"}, {"__type", "message"}     AWS, with the name in x-amzn-errortype
    text, or an HTML page                               proxies
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from ..timeline import ErrorKind
from .google_status import read_status
from .texts import one_line

# Words that say more than the HTTP status under which they come.
_SURE: dict[str, ErrorKind] = {
    # OpenAI's billing codes share the type insufficient_quota and the status 429.
    "insufficient_quota": ErrorKind.QUOTA,
    "credit_balance_exhausted": ErrorKind.QUOTA,
    "organization_spend_limit_exceeded": ErrorKind.QUOTA,
    "organization_usage_limit_exceeded": ErrorKind.QUOTA,
    "project_spend_limit_exceeded": ErrorKind.QUOTA,
    "billing_hard_limit_reached": ErrorKind.QUOTA,
    "billing_not_active": ErrorKind.QUOTA,
    "content_filter": ErrorKind.CONTENT_FILTER,
    "content_policy_violation": ErrorKind.CONTENT_FILTER,
    "image_content_policy_violation": ErrorKind.CONTENT_FILTER,
    "misalignment_policy_violation": ErrorKind.CONTENT_FILTER,
    "bio_policy": ErrorKind.CONTENT_FILTER,
    "responsibleaipolicyviolation": ErrorKind.CONTENT_FILTER,
    "server_is_overloaded": ErrorKind.OVERLOADED,
    "slow_down": ErrorKind.OVERLOADED,
    "overloaded": ErrorKind.OVERLOADED,
    "overloaded_error": ErrorKind.OVERLOADED,
    "queue_exceeded": ErrorKind.OVERLOADED,  # Cerebras, under 429: its queue, not one's quota
    # Anthropic's; the spend limits share the type rate_limit_error and the status 429.
    "billing_error": ErrorKind.QUOTA,
    "contract_spend_limit_reached": ErrorKind.QUOTA,
    "enforced_spend_limit_reached": ErrorKind.QUOTA,
    "timeout_error": ErrorKind.TIMEOUT,
    # Google's: words of a google.rpc.Status and of its ErrorInfo.
    "api_key_invalid": ErrorKind.AUTH,
    "billing_disabled": ErrorKind.QUOTA,
    "quota_exhausted": ErrorKind.QUOTA,
    "model_capacity_exhausted": ErrorKind.OVERLOADED,
    "deadline_exceeded": ErrorKind.TIMEOUT,
    # AWS's, whose statuses say less: 424 for a model that failed, 400 for a token that expired.
    "throttlingexception": ErrorKind.RATE_LIMIT,
    "servicequotaexceededexception": ErrorKind.QUOTA,
    "modelnotreadyexception": ErrorKind.OVERLOADED,
    "modeltimeoutexception": ErrorKind.TIMEOUT,
    "modelerrorexception": ErrorKind.SERVER,
    "modelstreamerrorexception": ErrorKind.SERVER,
    "accessdeniedexception": ErrorKind.AUTH,
    "expiredtokenexception": ErrorKind.AUTH,
    "incompletesignatureexception": ErrorKind.AUTH,
    "invalidsignatureexception": ErrorKind.AUTH,
    "missingauthenticationtokenexception": ErrorKind.AUTH,
    "unrecognizedclientexception": ErrorKind.AUTH,
}

# Words that help only where there is no status: inside a stream that began with 200.
_LIKELY: dict[str, ErrorKind] = {
    "invalid_api_key": ErrorKind.AUTH,
    "authentication_error": ErrorKind.AUTH,
    "permission_error": ErrorKind.AUTH,
    "rate_limit_exceeded": ErrorKind.RATE_LIMIT,
    "rate_limit_error": ErrorKind.RATE_LIMIT,
    "rate_limited": ErrorKind.RATE_LIMIT,
    "throttling_error": ErrorKind.RATE_LIMIT,  # LiteLLM
    "service_tier_capacity_exceeded": ErrorKind.OVERLOADED,  # Mistral
    "3505": ErrorKind.OVERLOADED,  # the same as a code
    "too_many_requests_error": ErrorKind.RATE_LIMIT,
    "unavailable_error": ErrorKind.OVERLOADED,
    "service_unavailable_error": ErrorKind.OVERLOADED,
    "invalid_request_error": ErrorKind.BAD_REQUEST,
    "badrequesterror": ErrorKind.BAD_REQUEST,
    "bad_request": ErrorKind.BAD_REQUEST,
    "not_found_error": ErrorKind.BAD_REQUEST,
    "request_too_large": ErrorKind.BAD_REQUEST,
    "conflict_error": ErrorKind.BAD_REQUEST,
    "not_supported_error": ErrorKind.BAD_REQUEST,
    "exceed_context_size_error": ErrorKind.BAD_REQUEST,
    "context_length_exceeded": ErrorKind.BAD_REQUEST,
    "validation": ErrorKind.BAD_REQUEST,
    # Of a response of OpenAI's that failed.
    "invalid_prompt": ErrorKind.BAD_REQUEST,
    "data_residency_mismatch": ErrorKind.BAD_REQUEST,
    "invalid_image": ErrorKind.BAD_REQUEST,
    "invalid_image_url": ErrorKind.BAD_REQUEST,
    "image_parse_error": ErrorKind.BAD_REQUEST,
    "vector_store_timeout": ErrorKind.TIMEOUT,
    # OpenRouter's error_type.
    "authentication": ErrorKind.AUTH,
    "payment_required": ErrorKind.QUOTA,
    "provider_overloaded": ErrorKind.OVERLOADED,
    "invalid_request": ErrorKind.BAD_REQUEST,
    "refusal": ErrorKind.CONTENT_FILTER,
    "timeout": ErrorKind.TIMEOUT,
    "validationexception": ErrorKind.BAD_REQUEST,
    "resourcenotfoundexception": ErrorKind.BAD_REQUEST,
    "serviceunavailableexception": ErrorKind.OVERLOADED,
    "unauthenticated": ErrorKind.AUTH,
    "permission_denied": ErrorKind.AUTH,
    "resource_exhausted": ErrorKind.RATE_LIMIT,
    "unavailable": ErrorKind.OVERLOADED,
    "invalid_argument": ErrorKind.BAD_REQUEST,
    "failed_precondition": ErrorKind.BAD_REQUEST,
    "out_of_range": ErrorKind.BAD_REQUEST,
    "not_found": ErrorKind.BAD_REQUEST,
    "unimplemented": ErrorKind.BAD_REQUEST,
}

_STATUS: dict[int, ErrorKind] = {
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.AUTH,
    407: ErrorKind.AUTH,
    408: ErrorKind.TIMEOUT,
    429: ErrorKind.RATE_LIMIT,
    498: ErrorKind.OVERLOADED,  # Groq's flex tier is full
    503: ErrorKind.OVERLOADED,
    529: ErrorKind.OVERLOADED,
}

_LONGEST_S = 1_000_000_000
_NO_STATUS = 1000
"""From here on a number is a code of the provider's own: Mistral's 3505."""
_NOTHING = frozenset(("none", "null"))
_TITLE = re.compile(rb"(?is)<title[^>]*>([^<]*)")


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error in the provider's words; `status` is a number that the body itself names."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    status: int | None = None
    retry_after_s: float | None = None
    """How long the body asks to wait before the next attempt."""
    spent: bool = False
    """The body says that what was used up does not come back within minutes."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of an answer that this one passes on."""

    @property
    def provider_code(self) -> str | None:
        """The most telling word: the code, and the type where the code only repeats a status."""
        return self.code or self.type

    @property
    def told(self) -> bool:
        """Whether there is more to it than a text, which may be of anything."""
        return self.provider_code is not None or self.status is not None

    def kind(self, http_status: int | None = None) -> ErrorKind:
        """Why the request failed. Inside a stream (no status) what is not known is the server's."""
        if self.spent:
            return ErrorKind.QUOTA
        words = [word.lower() for word in (self.code, self.type) if word]
        for word in words:
            if sure := _SURE.get(word):
                return sure
        if http_status is not None:
            return kind_of_status(http_status)
        for word in words:
            if likely := _LIKELY.get(word):
                return likely
        if self.status is not None and self.status >= 400:
            return kind_of_status(self.status)
        return ErrorKind.SERVER


def kind_of_status(status: int) -> ErrorKind:
    """What an HTTP status other than 200 means by itself."""
    if kind := _STATUS.get(status):
        return kind
    if status >= 500:
        return ErrorKind.SERVER
    return ErrorKind.BAD_REQUEST if status >= 400 else ErrorKind.PROTOCOL


def read_complaint(body: bytes, named: str | None = None) -> Complaint:
    """What a body that reports a failure says, whatever its shape. Never raises.

    `named` is what AWS calls the failure beside the body: in `x-amzn-errortype`, or in a frame.
    """
    found = _read(body)
    return replace(found, code=found.code or _aws_name(named)) if named else found


def _read(body: bytes) -> Complaint:
    text = body.decode("utf-8", "replace").strip().removeprefix("\ufeff")
    if text.startswith("<"):
        return Complaint(page_title(body))
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return Complaint(one_line(text))
    return complaint_of(document)


def complaint_of(document: Any) -> Complaint:
    """The same for a document that was parsed already."""
    if isinstance(document, list) and document:  # Google's compatible endpoint wraps it in a list
        document = document[0]
    if not isinstance(document, dict):
        return Complaint(one_line(str(document)) if document is not None else "")
    error = document.get("error") or document.get("Output") or document
    if not isinstance(error, dict):
        error = _around(str(error), document)
    inner, details, more = (error.get(name) for name in ("innererror", "details", "metadata"))
    code, status = _code(error.get("code"))
    if code is None and isinstance(inner, dict):
        code = _word(inner.get("code"))
    if code is None and isinstance(details, dict):
        code = _word(details.get("error_code"))
    named, number = _code(error.get("statusCode", error.get("status")))
    if code is None and named and named.isupper():
        code = named
    if code is None and isinstance(error.get("__type"), str):
        code = _aws_name(error["__type"])
    kind = error.get("type")
    if kind is None and isinstance(more, dict):
        kind = more.get("error_type")
    if number is None:
        number = _number(error, document)
    its = read_status(error)
    return Complaint(
        _message(error),
        code,
        _word(kind) or _word(its.reason),
        number if status is None else status,
        _delay(error, document) if its.retry_after_s is None else its.retry_after_s,
        its.spent or _of_a_day(error, more),
        _passed_on(more),
    )


def _around(text: str, document: dict[str, Any]) -> dict[str, Any]:
    """An error that is a text or a word, with what stands beside it, as the object of others.

    A code is taken as a number alone: xAI has a sentence there, which says less than the text.
    """
    names = ("status", "statusCode", "code")
    found = {name: document[name] for name in names if isinstance(document.get(name), int)}
    word = document.get("error_type") or document.get("type")
    if isinstance(more := document.get("message"), str) and more:
        return {**found, "message": more, "type": word or text}
    known = text.lower() in _SURE or text.lower() in _LIKELY
    return {**found, "message": text, "type": word or (text if known else None)}


def _number(*objects: dict[str, Any]) -> int | None:
    """The status under the names that Groq and Cerebras, TGI, and Mistral have for it."""
    names = ("status_code", "http_status_code", "raw_status_code")
    found = (_code(one.get(name))[1] for one in objects for name in names)
    return next((one for one in found if one is not None), None)


def _delay(*objects: dict[str, Any]) -> float | None:
    """A number of seconds in a member of its own, as gateways have it."""
    for one in objects:
        wait = one.get("retry_after")
        if isinstance(wait, int | float) and not isinstance(wait, bool) and 0 <= wait < _LONGEST_S:
            return float(wait)
    return None


def _of_a_day(error: dict[str, Any], more: Any) -> bool:
    """OpenRouter's limit of free requests a day, which has the status 429, too."""
    source = more.get("limit_source") if isinstance(more, dict) else None
    if isinstance(source, str):
        return source.endswith("_daily")
    return "free-models-per-day" in str(error.get("message"))


def _passed_on(more: Any) -> tuple[tuple[str, str], ...]:
    """OpenRouter's `metadata.headers`: the limits of a shared model, which its own headers lack."""
    headers = more.get("headers") if isinstance(more, dict) else None
    return tuple(
        (name, value)
        for name, value in (headers.items() if isinstance(headers, dict) else ())
        if isinstance(value, str)
    )


def _aws_name(name: str) -> str | None:
    """The bare name in `com.amazon.coral.service#NAME` or `NAME:http://internal.amazon.com/...`."""
    return _word(name.rpartition("#")[2].partition(":")[0])


def _message(error: dict[str, Any]) -> str:
    message = error.get("message") or error.get("Message")
    if isinstance(message, str) and message:
        original = error.get("originalMessage")  # what a model said that Bedrock passes on
        return one_line(f"{message}: {original}" if isinstance(original, str) else message)
    detail = error.get("detail") or message
    if isinstance(detail, dict):
        detail = detail.get("detail")
    if isinstance(detail, list):
        return one_line("; ".join(_one_detail(one) for one in detail))
    return one_line(detail) if isinstance(detail, str) else ""


def _one_detail(one: Any) -> str:
    """One of FastAPI's validation errors: where and what, never the `input` that it repeats."""
    if not isinstance(one, dict):
        return str(one)
    where = one.get("loc")
    place = ".".join(map(str, where)) if isinstance(where, list) else ""
    return ": ".join(filter(None, (place, str(one.get("msg", "")))))


def _code(code: Any) -> tuple[str | None, int | None]:
    """A code that is a word, or one that is a number."""
    if isinstance(code, bool) or code is None:
        return None, None
    if isinstance(code, int):
        return (None, code) if code < _NO_STATUS else (str(code), None)
    word = _word(code)
    if word and word.isascii() and word.isdigit() and len(word) <= 3:
        return None, int(word)
    return word, None


def _word(value: Any) -> str | None:
    """A word; LiteLLM writes the absence of one as "None"."""
    if not isinstance(value, str) or not value.strip() or value.lower() in _NOTHING:
        return None
    return one_line(value)[:80]


def page_title(body: bytes) -> str:
    """The title of an HTML page, in one line; empty where it has none."""
    found = _TITLE.search(body)
    return one_line(found[1].decode("utf-8", "replace")) if found else ""
