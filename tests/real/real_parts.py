"""Where the real parts are, and which of them are missing."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-real"
PYTHON = VENV / "bin" / "python"

REQUIREMENTS = ("requirements.txt", "requirements-model.txt")
PROGRAMS = {
    "chromium": "chromium",
    "kubectl": "kubernetes-client",
    "nginx": "nginx",
    "nghttpx": "nghttp2-proxy",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "prometheus-pushgateway": "prometheus-pushgateway",
    "victoria-metrics": "victoria-metrics",
    "influxd": "influxdb",
    "systemd-analyze": "systemd",
}
"""Each program, and the Debian package that has it."""


def program(name: str) -> str | None:
    """The path of a program; Debian keeps servers where an ordinary user's PATH does not lead."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def wanted_modules() -> list[str]:
    """Each distribution that .venv-real has to hold, as `name==version`."""
    texts = [Path(__file__).with_name(name).read_text() for name in REQUIREMENTS]
    return [line for text in texts for line in text.splitlines() if not line.startswith("#")]


def missing_modules() -> list[str]:
    """What .venv-real lacks, or has in another version; looked up without importing any of it."""
    wanted = wanted_modules()
    if not PYTHON.is_file():
        return wanted
    check = (
        "import sys\n"
        "from importlib.metadata import distributions\n"
        "have = {d.name.lower().replace('_', '-') + '==' + d.version for d in distributions()}\n"
        "print(*[one for one in sys.argv[1:] if one not in have])"
    )
    ran = subprocess.run(
        [PYTHON, "-c", check, *wanted], capture_output=True, text=True, check=False, timeout=60
    )
    return wanted if ran.returncode else ran.stdout.split()


def missing_programs() -> list[str]:
    """Programs that are not on this machine."""
    return [name for name in PROGRAMS if program(name) is None]


def missing() -> list[str]:
    """Everything that is not here."""
    return missing_modules() + missing_programs()


def sdk_says(client: str, *arguments: str, timeout_s: float = 60) -> Any:
    """What a script of this folder that runs in .venv-real prints as JSON."""
    ran = subprocess.run(
        [PYTHON, Path(__file__).with_name(client), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)
