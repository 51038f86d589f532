"""golive.yaml to `Settings`: what the gate is bound to, and what an activation demands.

The nine activation fields of document 001 (step 1) keep their names and defaults at the top level; a field that is missing
has the
safest value, so an empty file activates nothing. Secrets never stand here, only names of variables. Relative paths start from the
folder of the file.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator

from pytest_golive import yaml12
from pytest_golive.errors import ConfigError, Fault
from pytest_golive.model import Phase, Witnesses
from pytest_golive.redaction.shapes import without_unknown
from pytest_golive.sections import (
    Activation,
    ModeSwitch,
    Notify,
    OnStop,
    Profile,
    Rung,
    Section,
    Serving,
    Signoff,
    Target,
    Watching,
)
from pytest_golive.shape import fit
from pytest_golive.variables import closest

FILE_NAME = "golive.yaml"

_ENV = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_NAME = re.compile(r"(?i)(^|_)(secret|token|password|passwd|passphrase|api_?key|private_?key|credentials?)(_|$)")

_LOGIN = re.compile(r"://[^\s/:@?#]+@")
"""A user without a password in an address, which is no secret."""


class Settings(Section):
    """The whole of golive.yaml, validated; `path`, `root` and `sha256` say which file it was.

    `declared` are the variables of the target as they are written, without the values of the environment.
    """

    version: Literal[1] = 1
    environment: str = "production"
    activation_enabled: bool = False
    required_preflight: bool = True
    allowed_profiles: list[Profile] = Field(default=["micro"], min_length=1)
    default_profile: Profile = "micro"
    require_testnet_history: bool = True
    require_risk_state: str = "OK"
    require_ess_inactive: bool = True
    min_testnet_trades: int = Field(default=3, ge=0)
    checklists: list[str] = Field(default=["checklists/*.yaml"], min_length=1)
    target: Target = Target()
    mode: dict[str, ModeSwitch] = Field(default_factory=dict)
    stops: list[str] = Field(default=["EMERGENCY_STOP"])
    on_stop: OnStop = OnStop()
    activation: Activation = Activation()
    signoff: Signoff = Signoff()
    notify: Notify = Notify()
    watch: Watching = Watching()
    serve: Serving = Serving()
    profiles: dict[str, Rung] = Field(default_factory=dict)
    phases: list[Annotated[Phase, Field(strict=False)]] = Field(default=[Phase.PRE_DEPLOY, Phase.SIGN_OFF], min_length=1)
    reports: str = "reports"
    journal: str = "reports/journal.jsonl"
    roster: str = "golive.roster.toml"
    attestations: str = "attestations"
    rollback: str = "rollback.yaml"
    waivers: str = "waivers"

    @field_validator("profiles")
    @classmethod
    def _climbs(cls, profiles: dict[str, Rung]) -> dict[str, Rung]:
        for profile in profiles:
            if profile not in get_args(Profile):
                raise ValueError(f"{profile!r} is no profile{closest(profile, get_args(Profile))}")
        return profiles

    path: Path = Field(default=Path(FILE_NAME), exclude=True)
    sha256: str = Field(default="", exclude=True)
    declared: dict[str, Any] = Field(default_factory=dict, exclude=True)

    @property
    def root(self) -> Path:
        """The folder that relative paths start from."""
        return self.path.parent

    def resolve(self, path: str) -> Path:
        """An absolute path for a path as it is written in the file."""
        return (self.root / path).absolute()

    @property
    def variables(self) -> dict[str, Mapping[str, Any]]:
        """The variables of the target, in both forms that `checklist.load` asks for."""
        return {"variables": self.target.variables, "declared": self.declared}

    @property
    def marker(self) -> Path:
        """The absolute path of `go_live.active`."""
        return self.resolve(self.activation.marker)

    @property
    def state(self) -> Path:
        """The absolute path of the guard's persisted counter."""
        return self.resolve(self.activation.state)

    @property
    def beside(self) -> tuple[Path, ...]:
        """What is no dirt in a work tree: settings and roster, which are digested by themselves, and what the gate leaves."""
        journal = self.resolve(self.journal)
        left = (self.resolve(self.reports), journal, self.marker, self.state, *self.stop_files)
        return (
            self.path,
            self.resolve(self.roster),
            *left,
            *(path.with_name(path.name + ".lock") for path in (journal, self.state)),
        )

    @property
    def witnesses(self) -> Witnesses:
        """Where people's signed statements are, and which environment they must be meant for."""
        folder, waivers = self.resolve(self.attestations), self.resolve(self.waivers)
        return Witnesses(
            roster=self.resolve(self.roster),
            folder=folder,
            environment=self.environment,
            beside=(*self.beside, folder, waivers),
        )

    @property
    def stop_files(self) -> tuple[Path, ...]:
        """The absolute paths of the stop files; one that exists forbids everything."""
        return tuple(self.resolve(stop) for stop in self.stops)


_OURS = ("path", "sha256", "declared")
_ADDRESSES = ("target", "checklists", "reports", "on_stop", "rollback")
"""Settings without which a status or a stop is still possible; a command with a variable that is not set is not run."""


class _Lenient(dict[str, str]):
    """An environment in which every name is set, if only to nothing."""

    def __contains__(self, name: object) -> bool:
        return True


def load(path: Path, environ: Mapping[str, str] = os.environ, *, probing: bool = True) -> Settings:
    """The settings of one file; `ConfigError` with every fault, each with its place and what to write instead.

    Without `probing` an address of the target may be unknown: a status or a stop must not depend on where the target answers.
    """
    file = _shown(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            [Fault(file=file, line=1, column=1, message="this file does not exist")],
            hint=f"write a {FILE_NAME} (see docs/checklists.md), or name one with --golive-config",
        ) from None
    except OSError as error:
        raise ConfigError(
            [Fault(file=file, line=1, column=1, message=f"cannot be read: {error.strerror}")],
            hint="look at the file's owner and mode",
        ) from None
    faults: list[Fault] = []
    declared: dict[str, Any] = {}

    def report(spot: yaml12.Spot, message: str) -> None:
        faults.append(Fault(file=file, line=spot[0], column=spot[1], message=message))

    value = yaml12.parse(raw, file, faults)
    if value is None and not faults:
        report((1, 1), "the file is empty")
    elif not faults and not isinstance(value, yaml12.LocatedDict):
        report((1, 1), "must be a mapping of settings")
    settings: Settings | None = None
    if not faults:
        for ours in _OURS:
            if ours in value:
                report(yaml12.spot_of(value, (ours,)), f"unknown key {ours!r}{closest(ours, tuple(Settings.model_fields))}")
        known = environ if probing else _Lenient(environ)
        declared = _variables(value)
        for key, part in list(value.items()):
            value[key] = _with_environment(part, known if key in _ADDRESSES else environ, report, yaml12.spot_of(value, (key,)))
        _refuse_unfit_text(value, (1, 1), report)
        settings = fit(Settings, value, report)
    if settings is not None:
        _cross_check(settings, value, report)
    if faults or settings is None:
        raise ConfigError(faults, hint="correct the lines above; docs/checklists.md lists every setting")
    return settings.model_copy(update={"path": path.absolute(), "sha256": hashlib.sha256(raw).hexdigest(), "declared": declared})


def _variables(value: Any) -> dict[str, Any]:
    """The variables of the target as they are written; one that is malformed is the model's to refuse."""
    target = value.get("target")
    variables = target.get("variables") if isinstance(target, dict) else None
    return dict(variables) if isinstance(variables, dict) else {}


def _refuse_unfit_text(value: Any, at: yaml12.Spot, report: Any) -> None:
    """Report every text with a NUL character, which no path can hold, and every one that carries a secret."""
    if isinstance(value, str):
        if "\x00" in value:
            report(at, "a setting cannot hold a NUL character")
        elif without_unknown(_LOGIN.sub("://", value)) != _LOGIN.sub("://", value):
            report(
                at,
                "this value carries a password or a token, and settings reach reports and terminals: let the item name the"
                " variable that holds it (url_env:, bearer:)",
            )
    elif isinstance(value, yaml12.LocatedDict):
        for key, part in value.items():
            _refuse_unfit_text(part, yaml12.spot_of(value, (key,)), report)
    elif isinstance(value, yaml12.LocatedList):
        for index, part in enumerate(value):
            _refuse_unfit_text(part, yaml12.spot_of(value, (index,)), report)


def _cross_check(settings: Settings, value: Any, report: Any) -> None:
    if settings.default_profile not in settings.allowed_profiles:
        report(yaml12.spot_of(value, ("default_profile",)), "default_profile must be one of allowed_profiles")
    for profile in settings.allowed_profiles:
        rung = settings.profiles.get(profile)
        if profile != "micro" and (rung is None or not rung.needs):
            report(
                yaml12.spot_of(value, ("allowed_profiles",)),
                f"{profile} is allowed, and nothing says what it stands on: name its criteria under profiles.{profile}.needs",
            )
    if settings.environment == "production" and not settings.required_preflight:
        report(
            yaml12.spot_of(value, ("required_preflight",)),
            "required_preflight cannot be switched off for production: only a passing run may activate",
        )
    if not settings.activation.marker.endswith(".active"):
        report(
            yaml12.spot_of(value, ("activation", "marker")),
            "the marker's name ends in .active: the gate writes and removes this file, and must not meet another one",
        )
    for name in settings.target.variables:
        if _SECRET_NAME.search(name):
            report(
                yaml12.spot_of(value, ("target", "variables", name)),
                f"{name!r} looks like a secret; name an environment variable in the item instead (bearer:, secret: true)",
            )


def _with_environment(value: Any, environ: Mapping[str, str], report: Any, spot: yaml12.Spot = (1, 1)) -> Any:
    """`${env:NAME}` replaced by the environment's value: addresses that change from start to start, never secrets."""
    if isinstance(value, str) and "${env:" in value:

        def looked_up(match: re.Match[str]) -> str:
            name = match[1]
            if _SECRET_NAME.search(name):
                report(spot, f"{name} looks like a secret; a secret's value never stands in the settings")
            elif name not in environ:
                report(spot, f"the environment variable {name} is not set{closest(name, tuple(environ))}")
            return environ.get(name, "")

        return _ENV.sub(looked_up, value)
    if isinstance(value, yaml12.LocatedDict) and value.templated:
        mapping = yaml12.LocatedDict(value.mark, value.marks)
        for key, part in value.items():
            mapping[key] = _with_environment(part, environ, report, yaml12.spot_of(value, (key,)))
        return mapping
    if isinstance(value, yaml12.LocatedList) and value.templated:
        sequence = yaml12.LocatedList(value.mark, value.marks)
        for index, part in enumerate(value):
            sequence.append(_with_environment(part, environ, report, yaml12.spot_of(value, (index,))))
        return sequence
    return value


def _shown(path: Path) -> str:
    """The path as people would type it from here."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
