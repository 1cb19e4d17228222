"""Runs in .venv-real: AWS's own SDK asks, and prints as JSON what it understood.

`sdk_bedrock.py CASE ADDRESS [MODEL BODY]`; what the SDK raises is part of the answer. boto3 checks
both checksums of each frame. `anthropic` is Anthropic's own client for Bedrock.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
from anthropic import AnthropicBedrock
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

MESSAGES: Any = [{"role": "user", "content": [{"text": "Hi"}]}]
MODEL = "us.amazon.nova-micro-v1:0"
CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=20)
NAMED = {"region_name": "eu-west-1", "aws_access_key_id": "AKSIM", "aws_secret_access_key": "s"}


def main() -> None:
    case, address, *more = sys.argv[1:]
    client = boto3.client("bedrock-runtime", endpoint_url=address, config=CONFIG, **NAMED)
    if case == "anthropic":
        print(json.dumps(anthropic(address)))
        return
    try:
        print(json.dumps(CASES[case](client, *more)))
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        print(json.dumps({"raised": error.response["Error"], "status": status}))


def whole(client: Any) -> Any:
    answer = client.converse(modelId=MODEL, messages=MESSAGES)
    return {**answer, "ResponseMetadata": answer["ResponseMetadata"]["RequestId"]}


def events(client: Any) -> Any:
    """Every event as the SDK reads it; what it raises in the middle comes last."""
    answer = client.converse_stream(modelId=MODEL, messages=MESSAGES)
    found: list[Any] = []
    try:
        found.extend(
            {name: shown(event) for name, event in one.items()} for one in answer["stream"]
        )
    except EventStreamError as error:
        found.append({"raised": error.response["Error"]})
    return found


def shown(event: Any) -> Any:
    """Without bytes, which JSON has none of."""
    return json.loads(json.dumps(event, default=lambda value: f"{len(value)} bytes"))


def chunks(client: Any, model: str, body: str) -> Any:
    """What stands in each chunk of a streamed invocation."""
    answer = client.invoke_model_with_response_stream(modelId=model, body=body)
    found: list[Any] = []
    try:
        found.extend(json.loads(one["chunk"]["bytes"]) for one in answer["body"])
    except EventStreamError as error:
        found.append({"raised": error.response["Error"]})
    return found


def invoked(client: Any, model: str, body: str) -> Any:
    answer = client.invoke_model(modelId=model, body=body)
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    counts = {name: value for name, value in headers.items() if name.endswith("token-count")}
    return [json.loads(answer["body"].read()), counts]


def anthropic(address: str) -> Any:
    client = AnthropicBedrock(
        aws_region="eu-west-1",
        aws_access_key="AKSIM",
        aws_secret_key="s",
        base_url=address,
        max_retries=0,
        timeout=20,
    )
    asked: Any = {"model": "us.anthropic.claude-sim", "max_tokens": 99}
    asked["messages"] = [{"role": "user", "content": "Hi"}]
    with client.messages.stream(**asked) as stream:
        pieces = [text for text in stream.text_stream if text]
        answer = stream.get_final_message()
    return [pieces, answer.stop_reason, answer.usage.output_tokens]


CASES = {"whole": whole, "events": events, "chunks": chunks, "invoked": invoked}

if __name__ == "__main__":
    main()
