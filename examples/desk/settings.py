"""What the desk is told from outside: its home folder, and variables from the environment over those of the home's .env.

A switch that is not set, or is set to anything else than its live value, means the safe thing.
"""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import final
from urllib.parse import urlsplit

from examples.desk.errors import DeskError
from examples.desk.kraken_bot.crypto_trading_bot.config import is_live
from examples.desk.symbols import VENUES
from examples.desk.web import LOOPBACK

ROOT = Path(__file__).resolve().parents[2]
"""The checkout that the desk runs from."""

SWITCHES: Mapping[str, str] = {"DRY_RUN_MODE": "false", "LIVE_CAPITAL_VERIFIED": "true"}
"""The mode switches and the values that mean live trading."""

_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(\S*)")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The folder of one desk and the files in it."""

    path: Path

    @property
    def golive(self) -> Path:
        return self.path / "golive.yaml"

    @property
    def dotenv(self) -> Path:
        return self.path / ".env"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.sqlite"

    @property
    def execution_log(self) -> Path:
        return self.path / "logs" / "execution.log"

    @property
    def system_log(self) -> Path:
        return self.path / "logs" / "system.log"

    @property
    def records(self) -> Path:
        """What the office writes down: its log, its samples, the runs of its jobs."""
        return self.path / "records"

    @property
    def pid(self) -> Path:
        return self.path / "desk.pid"

    @property
    def marker(self) -> Path:
        return self.path / "go_live.active"

    @property
    def stop_file(self) -> Path:
        return self.path / "EMERGENCY_STOP"

    @property
    def guard_state(self) -> Path:
        return self.path / "guard.state"

    @property
    def trusted_keys(self) -> Path:
        return self.path / "trusted_keys"

    @property
    def street(self) -> Path:
        return self.path / "exchanges"

    @property
    def ca(self) -> Path:
        return self.path / "tls" / "ca.pem"

    @property
    def certificate(self) -> Path:
        return self.path / "tls" / "desk.pem"

    @property
    def mail(self) -> Path:
        return self.path / "mail"

    @property
    def lock(self) -> Path:
        return self.path / "desk.lock"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The desk's settings; fractions are fractions (0.20 is 20 %), times are seconds."""

    home: Home
    environ: Mapping[str, str]
    breaker_failures: int
    breaker_cool_down: Decimal
    capital_buffer: Decimal
    max_drawdown: Decimal
    warn_drawdown: Decimal
    max_exposure: Decimal
    faults_allowed: bool
    rollback_breakers: int

    @property
    def dry_run(self) -> bool:
        """Whether orders are only simulated: everything but an explicit false."""
        return self.environ.get("DRY_RUN_MODE") != SWITCHES["DRY_RUN_MODE"]

    @property
    def capital_verified(self) -> bool:
        """Whether somebody released the safety lock on real capital."""
        return self.environ.get("LIVE_CAPITAL_VERIFIED") == SWITCHES["LIVE_CAPITAL_VERIFIED"]

    @property
    def app_store_mode(self) -> bool:
        """Whether the desk is only shown around, as app stores demand it."""
        return self.environ.get("APP_STORE_MODE", "false") != "false"

    @property
    def kraken_live(self) -> bool:
        """Whether the bot at Kraken trades for real (document 002); its orders are simulated otherwise."""
        return is_live(self.environ)

    @property
    def testnet_only(self) -> bool:
        """Whether all accounts were set to the testnet, as a rollback does; anything but live or nothing means so."""
        return self.environ.get("DESK_ACCOUNTS", "live") != "live"

    @property
    def mode(self) -> str:
        """DRY_RUN, MONITOR or LIVE."""
        return "DRY_RUN" if self.dry_run else "LIVE" if self.capital_verified and not self.app_store_mode else "MONITOR"


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of a .env file; DeskError for a line that is not NAME=value, or a name that stands there twice."""
    found: dict[str, str] = {}
    if not path.exists():
        return found
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise DeskError(f"{path}:{number}: not a line NAME=value without spaces", hint="put comments on lines of their own")
        if match[1] in found:
            raise DeskError(f"{path}:{number}: {match[1]} stands there twice", hint="remove one of the two")
        found[match[1]] = match[2]
    return found


def load(home: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the desk in this folder; DeskError for a value that cannot be meant."""
    folder = Home(path=home.absolute())
    values = {**read_dotenv(folder.dotenv), **environ}
    return Settings(
        home=folder,
        environ=values,
        breaker_failures=int(_number(values, "DESK_BREAKER_FAILURES", "3", Decimal(1), Decimal(100))),
        breaker_cool_down=_number(values, "DESK_BREAKER_COOL_DOWN", "0.5", Decimal("0.01"), Decimal(3600)),
        capital_buffer=_number(values, "DESK_CAPITAL_BUFFER", "0.20", Decimal("0.20"), Decimal("0.99")),
        max_drawdown=_number(values, "DESK_MAX_DRAWDOWN", "0.20", Decimal("0.01"), Decimal("0.50")),
        warn_drawdown=_number(values, "DESK_WARN_DRAWDOWN", "0.10", Decimal("0.01"), Decimal("0.50")),
        max_exposure=_number(values, "DESK_MAX_EXPOSURE", "0.80", Decimal("0.01"), Decimal("0.80")),
        rollback_breakers=int(_number(values, "DESK_ROLLBACK_BREAKERS", "2", Decimal(1), Decimal(100))),
        faults_allowed=values.get("DESK_FAULTS") == "allowed",
    )


def port_of(url: str) -> int:
    """The port in the address of a store on this machine; 0, which is any, if it names none."""
    parts = urlsplit(url)
    return parts.port or 0 if parts.hostname == LOOPBACK else 0


def credentials(name: str) -> tuple[str, str]:
    """The names of the two variables that hold a venue's API key and its secret."""
    return f"{name.upper()}_API_KEY", f"{name.upper()}_API_SECRET"


FORGE_TOKEN = "FORGE_TOKEN"  # noqa: S105 - the name of a variable
"""The token for the server of the source repository."""

SECRETS = (*(variable for venue in VENUES for variable in credentials(venue)), FORGE_TOKEN)
"""The names of all variables that hold keys and secrets, but those of the bots."""

POST_PORT = "DESK_POST_PORT"
SMTP_USER = "SMTP_USER"
SMTP_PASSWORD = "SMTP_PASSWORD"  # noqa: S105 - the name of a variable

BOT_SECRETS = ("JWT_SECRET", "ADMIN_PASSWORD", "OPENAI_API_KEY", SMTP_PASSWORD)
"""The names of the variables that hold the bots' secrets."""


def with_mail_password(settings: Settings) -> Settings:
    """The settings of a desk that was started by hand: a mail password is made up for it; an empty one stays empty."""
    return _with(settings, {SMTP_PASSWORD: secrets.token_hex(20)})


def with_mail_server(settings: Settings, address: str) -> Settings:
    """The settings with the street's mail server where no other is named."""
    host, _, port = address.rpartition(":")
    return _with(settings, {"SMTP_HOST": host, "SMTP_PORT": port})


def _with(settings: Settings, defaults: Mapping[str, str]) -> Settings:
    return dataclasses.replace(settings, environ={**defaults, **settings.environ})


def _number(values: Mapping[str, str], name: str, default: str, least: Decimal, most: Decimal) -> Decimal:
    text = values.get(name, default)
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise DeskError(f"{name} is not a number: {text!r}", hint=f"for instance {name}={default}") from None
    if not least <= number <= most:
        raise DeskError(f"{name}={text} is not between {least} and {most}", hint=f"for instance {name}={default}")
    return number
