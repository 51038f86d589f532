"""Log files that never grow beyond their limit: the full one is put aside under a number, the oldest one goes."""

from __future__ import annotations

from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_BYTES = 8_000_000
"""Bytes of one file, well below the ten million that the checklist allows."""

KEPT = 5
"""Files that are kept beside the one that is written."""


def rotating(path: Path, max_bytes: int = MAX_BYTES) -> RotatingFileHandler:
    """A handler that appends to this file and rotates it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return RotatingFileHandler(path, maxBytes=max_bytes, backupCount=KEPT, encoding="utf-8")
