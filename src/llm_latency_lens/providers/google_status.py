"""What a `google.rpc.Status` says beside its message: why, for how long, and whether for good.

{"error": {"code": 429, "message", "status": "RESOURCE_EXHAUSTED", "details": [
    {"@type": ".../google.rpc.ErrorInfo", "reason", "domain", "metadata"},
    {"@type": ".../google.rpc.RetryInfo", "retryDelay": "37s"},
    {"@type": ".../google.rpc.QuotaFailure", "violations": [{"quotaId", "quotaValue", ...}]}]}}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

# "37s", "0.5s", "900ms", and what a message says: "2h52m39s".
_DURATION = r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)(ms|s))?"
_DELAY = re.compile(_DURATION)
_IN_WORDS = re.compile(rf"[Pp]lease retry in (?=\d){_DURATION}")
_LONGEST_S = 1_000_000_000.0

# Limits of a day are named GenerateRequestsPerDayPerProjectPerModel-FreeTier,
# generate_requests_per_model_per_day and the like.
_OF_A_DAY = re.compile(r"(?i)per_?day|daily")
_NAMES = ("quotaId", "quotaMetric", "quota_limit", "quota_metric")


class Status(NamedTuple):
    reason: str | None = None
    """The word of `ErrorInfo`, e.g. API_KEY_INVALID."""
    retry_after_s: float | None = None
    spent: bool = False
    """A limit of a day was met, or one of 0: to wait a minute does not help."""


def read_status(error: dict[str, Any]) -> Status:
    """What the details of an error say; all unknown where there are none."""
    reason, delay, spent = None, None, False
    for detail in _dicts(error.get("details")):
        if reason is None and isinstance(word := detail.get("reason"), str):
            reason = word
        if delay is None and isinstance(text := detail.get("retryDelay"), str):
            delay = _seconds(_DELAY.fullmatch(text))
        limits = [detail.get("metadata"), *_dicts(detail.get("violations"))]
        spent = spent or any(map(_is_spent, _dicts(limits)))
    message = error.get("message")
    if delay is None and isinstance(message, str):
        delay = _seconds(_IN_WORDS.search(message))
    return Status(reason, delay, spent)


def _dicts(values: Any) -> Iterator[dict[str, Any]]:
    if isinstance(values, list):
        yield from (one for one in values if isinstance(one, dict))


def _is_spent(limit: dict[str, Any]) -> bool:
    named = (limit.get(name) for name in _NAMES)
    if any(isinstance(name, str) and _OF_A_DAY.search(name) for name in named):
        return True
    return limit.get("quotaValue") in ("0", 0)


def _seconds(found: re.Match[str] | None) -> float | None:
    if found is None or not any(found.groups()):
        return None
    hours, minutes, rest, unit = found.groups()
    seconds = 3600.0 * float(hours or 0) + 60.0 * float(minutes or 0)
    seconds += float(rest or 0) * (0.001 if unit == "ms" else 1)
    return seconds if seconds < _LONGEST_S else None
