"""What reaches a server is what was signed: the host, the path, the headers, the body."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aws_judge import authorization
from llm_latency_lens.clock import SECOND_NS
from llm_latency_lens.credentials.sigv4 import Keys, sign
from llm_latency_lens.providers.bedrock_converse import build
from llm_latency_lens.request import Prompt, Request, Target
from llm_latency_lens.testing.wire import Asked
from llm_latency_lens.testing.wires import wire_of
from llm_latency_lens.timeline import Timeline
from llm_latency_lens.transport.http import HttpTransport

KEYS = Keys("AKSENT", "secret", "token")
AT_NS = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp()) * SECOND_NS


async def received(request: Request) -> tuple[str, dict[str, str], bytes]:
    """The path, the headers and the body of a request as a server gets them."""
    got: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        got.set_result((head, await reader.readexactly(size)))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        here = replace(request, url=request.url.replace("127.0.0.1:1/", f"127.0.0.1:{port}/"))
        signed = sign(here, KEYS, "eu-west-1", "bedrock", AT_NS)
        transport = HttpTransport()
        await transport.send(signed, Timeline(id="a-1"))
        await transport.aclose()
        head, body = await got
    first, *lines = head.decode().split("\r\n")[:-2]
    headers = dict(line.split(": ", 1) for line in lines)
    return first.split()[1], headers, body


@pytest.mark.parametrize("model", ["m", "arn:aws:bedrock:eu-west-1:1:inference-profile/a.b-v1:0"])
def test_signature_holds_for_what_was_received(model: str) -> None:
    target = Target("bedrock", model, "http://127.0.0.1:1/prefix", headers=(("X-Mine", " a  b"),))
    path, headers, body = asyncio.run(received(build(target, Prompt.of("Hé 文"))))
    proof = headers["authorization"]
    names = proof.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"host", "x-amz-date", "x-amz-security-token", "content-type", "x-mine"} <= {*names}
    assert not {"accept-encoding", "x-client-request-id", "content-length"} & {*names}
    lower = {name.lower(): value for name, value in headers.items()}
    kept = tuple((name, lower[name]) for name in names if name != "host")
    asked = Request("bedrock", "m", f"http://{lower['host']}{path}", kept, body)
    assert authorization(asked, KEYS, "eu-west-1") == proof
    wire = wire_of(Asked("POST", path))
    assert wire is not None
    assert wire.key(Asked("POST", path, headers=lower)) == "AKSENT"
