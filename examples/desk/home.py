"""The home folder of a desk: made once, a git repository of its own, kept over restarts.

The settings of the gate come into it from `golive.yaml` beside this file. What is committed has `activation_enabled: false`; in
the working copy the demo's operator has set it to true, as a person does right before an activation.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from examples.desk import clock
from examples.desk.errors import DeskError
from examples.desk.kraken_bot import keeping
from examples.desk.office import grafana, jobs
from examples.desk.office.papers import Papers
from examples.desk.office.repository import Repository
from examples.desk.routing import deployment, repository
from examples.desk.settings import SWITCHES, Home, read_dotenv

_HERE = Path(__file__).resolve().parent
_OFF, _ON = "activation_enabled: false", "activation_enabled: true"
_PAPERS = (".gitignore", "documents", "crontab", "grafana")
_GITIGNORE = """\
.env
.shipped.*
.papers.json
*.sqlite*
*.lock
/backend/
/exchanges/
/tls/
/mail/
/logs/
/records/
/backups/
/bot/
/remote.git/
/helios/
/helios-remote.git/
/reports/
/desk.pid
/guard.state
/trusted_keys
/go_live.active
/journal.jsonl*
/golive.roster.toml
/attestations/
/people/
/EMERGENCY_STOP
/vault.key
/deployment/
"""


def prepare(path: Path) -> Sequence[str]:
    """Make what is missing in the folder; notes for people on what could not be done. DeskError if it cannot be used."""
    home = Home(path=path.absolute())
    try:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (home.execution_log.parent, home.street):
            folder.mkdir(mode=0o700, exist_ok=True)
        _bring_variables(home)
        _bring_backend(home)
        keeping.bring(home.path)
        (home.path / ".gitignore").write_text(_GITIGNORE, encoding="utf-8")
        notes = (*_bring_settings(home), *repository.bring(home.path, clock.now()), *deployment.bring(home.path, clock.now()))
        # what several of them could not do for one reason is told once
        return tuple(dict.fromkeys(notes))
    except OSError as error:
        raise DeskError(
            f"the home folder {home.path} cannot be used: {error.strerror or error}", hint="name another with --home"
        ) from error


def _bring_backend(home: Home) -> None:
    """Bring the suites and the requirements of document 003 in, as they are shipped now."""
    for path in (_HERE / "backend").rglob("*"):
        there = home.path / "backend" / path.relative_to(_HERE / "backend")
        if path.suffix in (".py", ".ini", ".txt"):
            there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(path, there)


def _bring_variables(home: Home) -> None:
    """Bring the shipped .env in; into one that is there, only lines of variables that were not shipped before."""
    shipped = (_HERE / "desk.env").read_text(encoding="utf-8")
    memory = home.path / ".shipped.env"
    before = memory.read_text(encoding="utf-8") if memory.exists() else ""
    if not home.dotenv.exists():
        home.dotenv.write_text(shipped, encoding="utf-8")
        home.dotenv.chmod(0o600)
    elif before != shipped:
        # what the operator took out stays out, what is new comes in; a mode switch never comes by itself
        known = {*SWITCHES, *read_dotenv(home.dotenv), *(line.partition("=")[0] for line in before.splitlines())}
        new = [line for line in shipped.splitlines() if "=" in line and line[:1] != "#" and line.partition("=")[0] not in known]
        with home.dotenv.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in new)
    memory.write_text(shipped, encoding="utf-8")


def _bring_settings(home: Home) -> Sequence[str]:
    """Bring the documents and the shipped golive.yaml in, the latter unless the operator changed more than the one switch."""
    papers, notes = Papers(home.path, clock.now().date()).bring()
    jobs.bring(home.path / "crontab")
    grafana.bring(home.path)
    shipped = (_HERE / "golive.yaml").read_text(encoding="utf-8")
    memory = home.path / ".shipped.yaml"
    before = memory.read_text(encoding="utf-8") if memory.exists() else ""
    edited = bool(before) and home.golive.exists() and home.golive.read_text(encoding="utf-8") not in (before, _flipped(before))
    if before != shipped and edited:
        notes = [*notes, f"{home.golive} was edited and stays as it is; the shipped one has changed since"]
    if before == shipped or edited:
        return (*notes, *(Repository(home.path).keep(_PAPERS, "The documents as shipped") if papers else ()))
    home.golive.write_text(shipped, encoding="utf-8")
    if not (home.path / ".git").exists():
        # a release of its own, so that there is one to go back to
        notes = (*notes, *Repository(home.path).keep(["golive.yaml", ".gitignore"], "The desk's settings as shipped"))
    message = "Go-live settings and documents as shipped: activation is off"
    notes = (*notes, *Repository(home.path).keep(["golive.yaml", *_PAPERS], message))
    home.golive.write_text(_flipped(shipped), encoding="utf-8")
    memory.write_text(shipped, encoding="utf-8")
    return notes


def _flipped(text: str) -> str:
    return text.replace(_OFF, _ON, 1)
