from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.providers.errors_map import (
    Complaint,
    complaint_of,
    kind_of_status,
    page_title,
    read_complaint,
)
from llm_latency_lens.timeline import ErrorKind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (100, "protocol"),
        (301, "protocol"),
        (400, "bad_request"),
        (401, "auth"),
        (402, "quota"),
        (403, "auth"),
        (404, "bad_request"),
        (405, "bad_request"),
        (407, "auth"),
        (408, "timeout"),
        (413, "bad_request"),
        (422, "bad_request"),
        (429, "rate_limit"),
        (499, "bad_request"),
        (500, "server"),
        (502, "server"),
        (503, "overloaded"),
        (504, "server"),
        (524, "server"),
        (529, "overloaded"),
    ],
)
def test_statuses(status: int, kind: str) -> None:
    assert kind_of_status(status) == ErrorKind(kind)


@pytest.mark.parametrize(
    ("complaint", "status", "kind"),
    [
        (Complaint(code="insufficient_quota"), 429, "quota"),
        (Complaint(code="credit_balance_exhausted", type="insufficient_quota"), 429, "quota"),
        (Complaint(code="something_new", type="insufficient_quota"), 429, "quota"),
        (Complaint(code="rate_limit_exceeded", type="tokens"), 429, "rate_limit"),
        (Complaint(type="overloaded"), 429, "overloaded"),
        (Complaint(code="ResponsibleAIPolicyViolation"), 400, "content_filter"),
        (Complaint(code="invalid_api_key", type="invalid_request_error"), 401, "auth"),
        (Complaint(type="invalid_request_error"), 401, "auth"),
        (Complaint(type="invalid_request_error"), None, "bad_request"),
        (Complaint(type="BadRequestError", status=500), None, "bad_request"),
        (Complaint(type="word", status=429), None, "rate_limit"),
        (Complaint(type="word", status=200), None, "server"),
        (Complaint(), None, "server"),
        (Complaint(status=401), 500, "server"),
    ],
)
def test_words_before_statuses(complaint: Complaint, status: int | None, kind: str) -> None:
    assert complaint.kind(status) == ErrorKind(kind)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"error": {"message": "m", "type": "t", "code": "c"}}, Complaint("m", "c", "t")),
        ({"error": {"message": "m", "type": "t", "code": 400}}, Complaint("m", None, "t", 400)),
        ({"error": {"message": "m", "code": "401"}}, Complaint("m", None, None, 401)),
        ({"error": {"message": "m", "code": True, "status": 500}}, Complaint("m", None, None, 500)),
        ({"error": {"message": "m", "innererror": {"code": "x"}}}, Complaint("m", "x")),
        ({"error": "text", "error_type": "w"}, Complaint("text", None, "w")),
        ({"error": "text", "type": " "}, Complaint("text")),
        ({"error": "text", "code": 429}, Complaint("text", None, None, 429)),
        ({"error": "text", "status_code": 503}, Complaint("text", None, None, 503)),
        ({"error": "text", "status": 503}, Complaint("text", None, None, 503)),
        ({"error": "Gone", "statusCode": 410, "message": "m"}, Complaint("m", None, "Gone", 410)),
        ({"error": "Overloaded"}, Complaint("Overloaded", None, "Overloaded")),
        ({"error": "rate_limit", "message": "m"}, Complaint("m", None, "rate_limit")),
        ({"error": "text", "code": "a sentence", "message": ""}, Complaint("text")),
        ({"error": {"message": "m", "type": "None", "code": "null"}}, Complaint("m")),
        ({"error": {"message": "m", "http_status_code": 422}}, Complaint("m", None, None, 422)),
        (
            {"message": "m", "code": "1300", "raw_status_code": 429},
            Complaint("m", "1300", None, 429),
        ),
        ({"error": {"message": "m", "status_code": 400}}, Complaint("m", None, None, 400)),
        ({"error": ["odd"]}, Complaint("['odd']")),
        ({"object": "error", "message": "m", "code": 404}, Complaint("m", None, None, 404)),
        ({"object": "error", "message": "m", "code": 3505}, Complaint("m", "3505")),
        ({"statusCode": 401, "message": "m"}, Complaint("m", None, None, 401)),
        ({"detail": "d"}, Complaint("d")),
        ({"detail": [{"loc": ["a", 0], "msg": "m"}, {"msg": "n"}, "o"]}, Complaint("a.0: m; n; o")),
        ({"detail": {"x": 1}}, Complaint("")),
        ({"message": {"detail": [{"loc": ["body", "a"], "msg": "m"}]}}, Complaint("body.a: m")),
        ({"error": {"message": "m"}, "status_code": 429}, Complaint("m", None, None, 429)),
        ({"error": {"code": 502, "metadata": {"error_type": "w"}}}, Complaint("", None, "w", 502)),
        ([{"error": {"message": "m"}}], Complaint("m")),
        ([], Complaint("[]")),
        (None, Complaint("")),
        (3, Complaint("3")),
        ("text", Complaint("text")),
    ],
)
def test_shapes(document: Any, expected: Complaint) -> None:
    assert complaint_of(document) == expected
    assert read_complaint(json.dumps(document).encode()) == expected


def test_bodies_that_are_no_json() -> None:
    assert read_complaint(b"") == Complaint("")
    assert read_complaint(b"\xef\xbb\xbf  gone\n away ") == Complaint("gone away")
    assert read_complaint(b"<HTML><Title lang=x>\n A  b\n</title>") == Complaint("A b")
    assert read_complaint(b"<p>no title</p>") == Complaint("")
    assert read_complaint(b"[" * 100_000).message.startswith("[[[")
    assert page_title(b"<title>caf\xe9</title>") == "caf\ufffd"


def test_provider_code_is_the_most_telling_word() -> None:
    assert Complaint(code="c", type="t").provider_code == "c"
    assert Complaint(type="t").provider_code == "t"
    assert Complaint().provider_code is None
    assert len(str(complaint_of({"error": {"code": "x" * 500}}).code)) == 80


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "detail", "code", "type", "msg", "loc", "innererror"]
            ),
            inner,
        )
    ),
)


@given(JSON)
def test_any_document_is_read(document: Any) -> None:
    assert isinstance(complaint_of(document).kind(), ErrorKind)
