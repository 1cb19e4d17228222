"""Runs first in a Python that `latency-lens run` started, or that the program started in turn.

It begins to measure, takes itself out of the program's sight, and runs the `sitecustomize` that it
stands in front of.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_ADDRESS = "_LATENCY_LENS_CALLS"


def _measure() -> None:
    """Load the package from where this file lies, whatever the program's own path is."""
    from importlib.util import module_from_spec, spec_from_file_location

    name = "llm_latency_lens"
    folder = os.path.dirname(os.path.dirname(os.path.dirname(_HERE)))
    if name not in sys.modules:
        spec = spec_from_file_location(
            name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = module_from_spec(spec)
        spec.loader.exec_module(module)
    from llm_latency_lens.integrations.outside.child import begin

    begin(os.environ[_ADDRESS])


def _step_aside() -> None:
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != _HERE]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        sys.modules["sitecustomize"] = module = module_from_spec(spec)
        spec.loader.exec_module(module)


if _ADDRESS in os.environ:
    try:
        _measure()
    except Exception as _error:  # noqa: BLE001  (the program runs, measured or not)
        print(f"latency-lens: warning: not measured: {_error}", file=sys.stderr)
_step_aside()
