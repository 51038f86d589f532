"""The desk's guard: everything it holds a marker against is read once, at the start of the desk."""

from __future__ import annotations

import hashlib
import logging

from examples.desk.errors import DeskError
from examples.desk.settings import SWITCHES, Settings
from pytest_golive.errors import GoliveError
from pytest_golive.guard import Guard
from pytest_golive.signing.keys import PublicKey

ENVIRONMENT = "production"
PROFILE = "micro"

_log = logging.getLogger("desk.system")


def guard_of(settings: Settings) -> Guard:
    """The guard of the desk with these settings; DeskError if its keys or files cannot be used."""
    home = settings.home
    try:
        lines = home.trusted_keys.read_text(encoding="utf-8").splitlines() if home.trusted_keys.exists() else []
        keys = [PublicKey.parse(line) for line in lines if line.strip() and not line.startswith("#")]
        config = hashlib.sha256(home.golive.read_bytes()).hexdigest()
    except GoliveError as error:
        raise DeskError(f"{home.trusted_keys}: {error.message}", hint=error.hint) from error
    except (OSError, UnicodeError) as error:
        raise DeskError(
            f"the guard cannot be set up: {error}", hint="start the desk by launch(), which makes its files"
        ) from error
    if not keys:
        _log.warning("no trusted key in %s: the guard will refuse every real order", home.trusted_keys)
    return Guard(
        home.marker,
        environment=ENVIRONMENT,
        keys=keys,
        state=home.guard_state,
        config=config,
        profile=PROFILE,
        stop_files=(home.stop_file,),
        switches=SWITCHES,
        environ=settings.environ,
        logger=_log,
    )
