"""botocore as judge of a signature: what it would have signed a request with, at the same time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from llm_latency_lens.credentials.sigv4 import Keys
from llm_latency_lens.request import Request

_ADDED = frozenset(("authorization", "x-amz-date", "x-amz-security-token"))


def authorization(signed: Request, keys: Keys, region: str, service: str = "bedrock") -> str:
    """The header that botocore gives the same request at the time that stands in it."""
    stamp = dict(signed.headers)["x-amz-date"]
    at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    asked = AWSRequest(signed.method, signed.url, data=signed.body)
    for name, value in signed.headers:
        if name.lower() not in _ADDED:
            asked.headers.add_header(name, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: at)
        SigV4Auth(Credentials(*keys), service, region).add_auth(asked)
    return str(asked.headers["Authorization"])
