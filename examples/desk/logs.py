"""The logs of the desk: what became of orders, what became of the system, and what went wrong in either. Times are UTC."""

from __future__ import annotations

import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

from examples.desk.kraken_bot.bot.utils.log_rotation import rotating

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s"


def formatter() -> logging.Formatter:
    """How a line of any log of the desk is written."""
    form = logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    return form


def opened() -> list[dict[str, int | str]]:
    """Every file that is written to, with the size at which it is put aside and how many of the old ones stay."""
    found = {}
    for name in ("desk.execution", "desk.system", "desk.web"):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, RotatingFileHandler):
                found[handler.baseFilename] = {
                    "path": handler.baseFilename,
                    "most_bytes": handler.maxBytes,
                    "kept": handler.backupCount,
                }
    return [found[path] for path in sorted(found)]


def open_logs(execution: Path, system: Path) -> None:
    """Append from now on to these files; what an earlier call in this process opened is closed."""
    web = system.with_name("web-error.log")
    for name, path in (("desk.execution", execution), ("desk.system", system), ("desk.web", web)):
        handler = rotating(path)
        handler.setFormatter(formatter())
        logger = logging.getLogger(name)
        for old in list(logger.handlers):
            logger.removeHandler(old)
            old.close()
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    anomalies = rotating(system.with_name("anomalies.log"))
    anomalies.setFormatter(formatter())
    anomalies.setLevel(logging.ERROR)
    logging.getLogger("desk.system").addHandler(anomalies)
