"""What Bedrock is asked: addresses, and the body that each vendor's models want."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.loaders import Loader

from llm_latency_lens.errors import UsageError
from llm_latency_lens.providers import bedrock_converse, bedrock_invoke, get
from llm_latency_lens.providers.aws_eventstream import CONTENT_TYPE
from llm_latency_lens.providers.bedrock_runtime import BASE_URL
from llm_latency_lens.request import Prompt, Request, Secret, Target

CHAT = Prompt(
    (
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": [{"type": "text", "text": "Why?"}]},
    ),
    max_tokens=9,
)


def target(model: str, **members: Any) -> Target:
    settings: dict[str, Any] = {"region": "us-east-1", "temperature": 0.5, **members}
    return Target("bedrock", model, settings.pop("base_url", BASE_URL), **settings)


def body(request: Request) -> Any:
    return json.loads(request.body)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-haiku-20240307-v1%3A0"),
        ("us.amazon.nova-micro-v1:0", "us.amazon.nova-micro-v1%3A0"),
        (
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fabc",
        ),
    ],
)
@pytest.mark.parametrize(("stream", "operation"), [(True, "converse-stream"), (False, "converse")])
def test_address(model: str, path: str, stream: bool, operation: str) -> None:
    asked = bedrock_converse.build(target(model, stream=stream), CHAT)
    assert asked.url == f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{path}/{operation}"
    accept = CONTENT_TYPE if stream else "application/json"
    assert dict(asked.headers)["accept"] == accept


@pytest.mark.parametrize(("stream", "path"), [(True, "-with-response-stream"), (False, "")])
def test_address_of_invoke_behind_another_base(stream: bool, path: str) -> None:
    to = target("amazon.titan-text-lite-v1", base_url="http://h:1/aws/", stream=stream, region=None)
    asked = bedrock_invoke.build(to, CHAT)
    assert asked.url == f"http://h:1/aws/model/amazon.titan-text-lite-v1/invoke{path}"


def test_region_has_to_be_known() -> None:
    with pytest.raises(UsageError, match="give --region or set AWS_REGION"):
        bedrock_converse.build(target("m", region=None), CHAT)


def test_domains_are_those_that_botocore_knows() -> None:
    for partition in Loader().load_data("partitions")["partitions"]:
        suffix = partition["outputs"]["dnsSuffix"]
        for region in partition["regions"]:
            if not region.endswith("-global"):
                url = bedrock_converse.build(target("m", region=region), CHAT).url
                assert url.startswith(f"https://bedrock-runtime.{region}.{suffix}/model/")


def test_bearer_key() -> None:
    asked = bedrock_converse.build(target("m", api_key=Secret("k")), CHAT)
    assert dict(asked.headers)["authorization"] == "Bearer k"


def test_rows() -> None:
    for name in ("bedrock", "bedrock-invoke"):
        row = get(name)
        assert (row.auth, row.key_env) == ("aws", ("AWS_BEARER_TOKEN_BEDROCK",))
        assert row.region_env == ("AWS_REGION", "AWS_DEFAULT_REGION")
        assert row.base_url_env == ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL")
        small = row.build(target(str(row.small_model)), CHAT)
        assert body(small)["messages"]


def test_body_of_converse() -> None:
    asked = bedrock_converse.build(target("m", extra_body={"toolConfig": {"tools": []}}), CHAT)
    assert body(asked) == {
        "messages": [
            {"role": "user", "content": [{"text": "Hi"}]},
            {"role": "assistant", "content": [{"text": "Hello."}]},
            {"role": "user", "content": [{"text": "Why?"}]},
        ],
        "system": [{"text": "Be short."}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5},
        "toolConfig": {"tools": []},
    }
    assert asked.max_tokens == 9


def test_blocks_of_converse_itself_stay_as_they_are() -> None:
    blocks = [{"text": "a"}, "b", {"image": {"format": "png"}}]
    asked = bedrock_converse.build(
        target("m", temperature=None), Prompt(({"role": "user", "content": blocks},))
    )
    content = [{"text": "a"}, {"text": "b"}, {"image": {"format": "png"}}]
    assert body(asked) == {"messages": [{"role": "user", "content": content}]}


LLAMA = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe short.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
TEXT = "Be short.\nHi\nHello.\nWhy?"
MESSAGES = [dict(one) for one in CHAT.messages]
LIMITS = {"max_tokens": 9, "temperature": 0.5}


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (
            "us.anthropic.claude-sonnet-4-6",
            {
                "anthropic_version": "bedrock-2023-05-31",
                "messages": MESSAGES[1:],
                "system": "Be short.",
                **LIMITS,
            },
        ),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            {
                "schemaVersion": "messages-v1",
                "system": [{"text": "Be short."}],
                "messages": [
                    {"role": "user", "content": [{"text": "Hi"}]},
                    {"role": "assistant", "content": [{"text": "Hello."}]},
                    {"role": "user", "content": [{"text": "Why?"}]},
                ],
                "inferenceConfig": {"maxTokens": 9, "temperature": 0.5},
            },
        ),
        (
            "amazon.titan-text-express-v1",
            {
                "inputText": f"User: {TEXT}\nBot:",
                "textGenerationConfig": {"maxTokenCount": 9, "temperature": 0.5},
            },
        ),
        (
            "us.meta.llama3-3-70b-instruct-v1:0",
            {"prompt": LLAMA, "max_gen_len": 9, "temperature": 0.5},
        ),
        ("mistral.mistral-7b-instruct-v0:2", {"prompt": f"<s>[INST] {TEXT} [/INST]", **LIMITS}),
        ("mistral.mistral-large-2407-v1:0", {"messages": MESSAGES, **LIMITS}),
        (
            "cohere.command-r-plus-v1:0",
            {
                "message": "Why?",
                "chat_history": [
                    {"role": "USER", "message": "Hi"},
                    {"role": "CHATBOT", "message": "Hello."},
                ],
                "preamble": "Be short.",
                **LIMITS,
            },
        ),
        ("cohere.command-light-text-v14", {"prompt": TEXT, "stream": True, **LIMITS}),
        ("ai21.jamba-1-5-mini-v1:0", {"messages": MESSAGES, **LIMITS}),
        (
            "us.deepseek.r1-v1:0",
            {
                "prompt": f"<｜begin▁of▁sentence｜><｜User｜>{TEXT}<｜Assistant｜><think>\n",
                **LIMITS,
            },
        ),
        ("deepseek.v3-v1:0", {"messages": MESSAGES, **LIMITS}),
        (
            "openai.gpt-oss-20b-1:0",
            {"messages": MESSAGES, "max_completion_tokens": 9, "temperature": 0.5},
        ),
        ("qwen.qwen3-32b-v1:0", {"messages": MESSAGES, **LIMITS}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_body_of_each_vendor(model: str, wanted: dict[str, Any]) -> None:
    assert body(bedrock_invoke.build(target(model), CHAT)) == wanted


def test_least_that_a_vendor_is_given() -> None:
    plain = Prompt.of("Hi")

    def least(model: str) -> Any:
        return body(bedrock_invoke.build(target(model, temperature=None, stream=False), plain))

    assert least("amazon.titan-text-lite-v1") == {"inputText": "User: Hi\nBot:"}
    assert least("cohere.command-r-v1:0") == {"message": "Hi"}
    assert least("cohere.command-text-v14") == {"prompt": "Hi"}
    only_told = Prompt(({"role": "system", "content": "Be short."},))
    asked = bedrock_invoke.build(target("cohere.command-r-v1:0", temperature=None), only_told)
    assert body(asked) == {"message": "", "preamble": "Be short."}


def test_claude_gets_the_limit_that_it_wants() -> None:
    asked = bedrock_invoke.build(target("anthropic.claude-3-haiku-v1:0"), Prompt.of("Hi"))
    assert asked.max_tokens == body(asked)["max_tokens"] == 4096


@pytest.mark.parametrize(
    "model",
    [
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
        "meta.llama4-scout-17b-instruct-v1:0",
        "ai21.j2-mid-v1",
        "my-anthropic.x",
    ],
)
def test_model_of_an_unknown_body_is_sent_to_converse(model: str) -> None:
    with pytest.raises(UsageError, match=r"no body is known .* use --provider bedrock"):
        bedrock_invoke.build(target(model), CHAT)
