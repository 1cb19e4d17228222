"""The extra `service` is small: the monitor needs nothing that only reports and tables need."""

from __future__ import annotations

import subprocess
import sys

_LOAD = """
import importlib, pkgutil, sys
for heavy in ("pyarrow", "vl_convert", "pandas", "polars"):
    sys.modules[heavy] = None
import llm_latency_lens.service as service
from llm_latency_lens.cli import monitor, monitor_file
for module in pkgutil.walk_packages(service.__path__, service.__name__ + "."):
    importlib.import_module(module.name)
"""


def test_no_module_of_the_monitor_needs_the_large_libraries() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _LOAD], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")
