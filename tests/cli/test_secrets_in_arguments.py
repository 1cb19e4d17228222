import subprocess
import sys
from pathlib import Path

import pytest

from llm_latency_lens.cli.argv import hide_secrets, is_secret, secrets_in

SHOW = """
import sys
from pathlib import Path
from llm_latency_lens.cli.argv import hide_secrets
hide_secrets(sys.argv[1:])
sys.stdout.buffer.write(Path("/proc/self/cmdline").read_bytes())
"""


def cmdline(*args: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *args], stdout=subprocess.PIPE, check=True, timeout=30
    )
    return done.stdout.decode().split("\0")[3:-1]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="only Linux shows arguments")
def test_a_key_is_not_to_be_seen_in_the_process_list():
    shown = cmdline(
        "profile",
        "--api-key",
        "sk-éa",
        "--header=Authorization: Bearer abc",
        "--header",
        "X-Tag: nightly",
        "--api-key=sk-b",
        "end",
    )
    assert shown == [
        "profile",
        "--api-key",
        "x" * len("sk-éa".encode()),
        "--header=Authorization:" + "x" * len(" Bearer abc"),
        "--header",
        "X-Tag: nightly",
        "--api-key=xxxx",
        "end",
    ]


def test_where_secrets_are():
    assert list(secrets_in(["--api-key", "k", "--api-key=k", "k", "--model=k"])) == [
        (1, 0),
        (2, 10),
    ]
    assert list(secrets_in(["--header", "x-goog-api-key:k", "--header", "no colon"])) == [(1, 15)]
    assert list(secrets_in(["--api-key"])) == []
    assert list(secrets_in(["--api-key", "k="])) == [(1, 0)]
    url = "influx+http://me:pw@h?db=a"
    assert list(secrets_in(["--stream-to", url, f"--to={url}"])) == [(1, 14), (2, 19)]
    assert list(secrets_in(["--stream-to", "statsd://h", "--to", "jsonl"])) == []


def test_header_names():
    assert all(map(is_secret, ("Authorization", "X-API-Key", "Cookie", "api-token")))
    assert not any(map(is_secret, ("X-Tag", "User-Agent")))


def test_arguments_that_are_not_the_processes_own_are_left_alone():
    hide_secrets(["--api-key", "not-mine"])
    hide_secrets([])
