"""`latency-lens monitor`: probes of many endpoints, for weeks."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .logs import start_logging
from .monitor_file import load_monitor_file
from .monitoring import Logged, Monitored
from .world import Call

if TYPE_CHECKING:
    from ..service.config import MonitorConfig
    from ..service.monitor import Monitor

EXAMPLES = """\
latency-lens monitor --config monitor.yaml
latency-lens monitor --config monitor.yaml --max-cost 2.50
latency-lens monitor --config monitor.yaml --log-format json"""


def monitor(call: Call, *, monitored: Monitored, logged: Logged) -> int:
    """Probe endpoints at intervals until it is stopped: metrics, history, alerts and a page.

    The file says whom to ask, how often, and whom to tell. It is read again when it changes and on
    SIGHUP; one with a mistake leaves the old one in force. SIGTERM and Ctrl-C let probes under way
    end, a second one does not.
    """
    if monitored.config is None:
        raise UsageError("there is nothing to watch: name the monitor's file with --config")
    path = monitored.config

    def read() -> MonitorConfig:
        return _with_flags(load_monitor_file(path, call.world.environ), monitored)

    config = read()
    start_logging(logged.log_level, logged.log_format, call.world.err)
    return asyncio.run(_run(config, read, call))


def _with_flags(config: MonitorConfig, given: Monitored) -> MonitorConfig:
    """What the command line says comes before the file."""
    if given.listen:
        host, port = given.listen
        config = replace(config, serve=replace(config.serve, host=host, port=port))
    if given.data_dir:
        config = replace(config, data_dir=Path(given.data_dir))
    if given.max_cost is not None:
        config = replace(config, max_cost_usd_per_day=given.max_cost)
    return config


async def _run(config: MonitorConfig, read: Callable[[], MonitorConfig], call: Call) -> int:
    made = _monitor()(config, reread=read, environ=call.world.environ)
    _obey(made)
    many = "target" if len(config.targets) == 1 else "targets"
    call.world.out.write(f"Monitoring {len(config.targets)} {many}; the page is at {made.url}\n")
    call.world.out.flush()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no collection need look at it again
    await made.run()
    if made.threads.busy:
        # Names that nobody resolves, which Python would wait for: all else has been written.
        logging.shutdown()
        os._exit(0)
    return 0


def _monitor() -> type[Monitor]:
    try:
        from ..service.monitor import Monitor
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(__package__.partition(".")[0]):
            raise
        raise UsageError(
            f"monitor needs {error.name}: pip install 'llm-latency-lens[service]'"
        ) from None
    return Monitor


def _obey(monitor: Monitor) -> None:
    """Signals: stop, stop at once, read the file again."""
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            # Whatever was measured has been handed to the system: nothing is lost by not waiting.
            os._exit(130)
        asked = True
        monitor.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, monitor.request_reload)


VERB = monitor
