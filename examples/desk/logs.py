"""The two logs of the desk: what became of orders, and what became of the system. Times are UTC."""

from __future__ import annotations

import logging
import time
from pathlib import Path

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s"


def formatter() -> logging.Formatter:
    """How a line of any log of the desk is written."""
    form = logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    return form


def open_logs(execution: Path, system: Path) -> None:
    """Append from now on to these files; what an earlier call in this process opened is closed."""
    for name, path in (("desk.execution", execution), ("desk.system", system)):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
        handler.setFormatter(formatter())
        logger = logging.getLogger(name)
        for old in list(logger.handlers):
            logger.removeHandler(old)
            old.close()
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
