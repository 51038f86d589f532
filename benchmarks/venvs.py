"""Two virtual environments, one with the product and one with its rivals, so that neither pays for the other's plugins.

They are made once by the ordinary package client and kept in the user's cache folder under a name that holds everything they
depend on; a changed requirement makes a new one.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

CHECKOUT = Path(__file__).resolve().parent.parent
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """The Python of the product and that of its rivals; `pytest` is the version that both hold."""

    product: Path
    rivals: Path
    pytest: str


def environments(cache: Path | None = None) -> Environments:
    """Both environments, made if they are not there; CalledProcessError if the package client fails."""
    folder = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-golive-benchmarks"
    product = _made(folder, "product", ["--editable", str(CHECKOUT)], (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    version = _version(product, "pytest")
    wanted = ["--requirement", str(REQUIREMENTS), f"pytest=={version}"]
    rivals = _made(folder, "rivals", wanted, REQUIREMENTS.read_text(encoding="utf-8") + version)
    return Environments(product=product, rivals=rivals, pytest=version)


def versions(python: Path, *packages: str) -> str:
    """What is measured, as `pytest 9.2.0, requests 2.34.2`."""
    return ", ".join(f"{package} {_version(python, package)}" for package in packages)


def _version(python: Path, package: str) -> str:
    program = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    done = subprocess.run([python, "-c", program, package], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _made(folder: Path, name: str, wanted: Sequence[str], depends: str) -> Path:
    told = "\0".join([sys.version, str(CHECKOUT), *wanted, depends])
    home = folder / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    python = home / "bin" / "python"
    complete = home / "complete"
    if not complete.exists():
        print(f"making {home} (once)", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        install: list[str | Path] = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *wanted]
        subprocess.run(install, check=True)
        complete.touch()
    return python
