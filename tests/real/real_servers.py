"""Real servers in processes of their own, on 127.0.0.1 and on free ports."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from real_parts import PYTHON, program

_START_S = 60.0
_STOP_S = 20.0
_LLAMA = Path(__file__).with_name("llama_server.py")

_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffering off;
    server {{
        listen 127.0.0.1:{tls_port} ssl http2;
        ssl_certificate {pem};
        ssl_certificate_key {pem};
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{ proxy_pass {upstream}; }}
    }}
    server {{
        listen 127.0.0.1:{h2c_port} http2;
        location / {{ proxy_pass {upstream}; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """nginx before another server: `url` with TLS for HTTP/1.1 and HTTP/2, `h2c_url` with neither
    TLS nor HTTP/1.1."""

    url: str
    h2c_url: str


@contextmanager
def llama(folder: Path, *pooling: str) -> Iterator[str]:
    """llama.cpp with SmolLM2-135M on one thread; yields its base URL.

    With `pooling` it gives embeddings ("mean") or ranks ("rank") instead of chat.
    """
    port = free_port()
    with running([str(PYTHON), str(_LLAMA), str(port), *pooling], port, folder / "llama.log"):
        _wait_for_model(port)
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def nginx(upstream: str, pem: Path, folder: Path) -> Iterator[Nginx]:
    """nginx in front of `upstream`, a base URL; `pem` holds certificate and key."""
    tls_port, h2c_port = free_port(), free_port()
    origin, _, path = upstream.rpartition("/")
    # The worker would give up root, and with it the way into the test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    text = _NGINX.format(
        folder=folder, user=user, tls_port=tls_port, h2c_port=h2c_port, pem=pem, upstream=origin
    )
    file = folder / "nginx.conf"
    file.write_text(text)
    command = [found("nginx"), "-p", str(folder), "-c", str(file), "-e", str(folder / "start.log")]
    with running(command, tls_port, folder / "nginx.log"):
        yield Nginx(f"https://127.0.0.1:{tls_port}/{path}", f"http://127.0.0.1:{h2c_port}/{path}")


@contextmanager
def nghttpx(upstream: str, pem: Path, folder: Path) -> Iterator[str]:
    """nghttpx in front of `upstream`, which speaks HTTP/2 alone; yields its base URL."""
    port = free_port()
    host, _, path = upstream.removeprefix("http://").partition("/")
    (folder / "nghttpx.conf").write_text("")
    command = [
        *(found("nghttpx"), "--conf", str(folder / "nghttpx.conf"), "--workers=1"),
        *("--single-process", "--no-ocsp", "--npn-list=h2"),
        *(f"--frontend=127.0.0.1,{port}", f"--backend={host.replace(':', ',')}"),
        *(str(pem), str(pem)),
    ]
    with running(command, port, folder / "nghttpx.log"):
        yield f"https://127.0.0.1:{port}/{path}"


@contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """Run a server while the block lasts; it is ready when `port` takes connections."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            _wait_for(port, process, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    last = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"what should listen on port {port} did not start:\n{last}")


def _wait_for_model(port: int) -> None:
    """llama.cpp takes connections at once, and answers 503 until the model is loaded."""
    deadline = time.monotonic() + _START_S
    status = 0
    while status != HTTPStatus.OK:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the model was not loaded within {_START_S:.0f} s")
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/health")
        status = connection.getresponse().status
        connection.close()
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def found(name: str) -> str:
    path = program(name)
    assert path is not None, name
    return path
