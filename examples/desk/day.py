"""`python -m examples.desk day`: a whole day of a release, from the approvals over a red flag to the second activation.

Everything in it happens: the gate runs over lines of the real lists, two demo persons sign with keys of their own, orders
reach the simulated exchange, a trading thread is halted, and `golive watch` takes the marker back. What is shown is what the
commands themselves said.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, final

from examples.desk import jsontext, people
from examples.desk.errors import DeskError
from examples.desk.home import prepare
from examples.desk.launch import Desk, launch
from examples.desk.office.repository import Repository
from examples.desk.settings import ROOT, Home
from examples.desk.web import call
from pytest_golive.journal import Journal
from pytest_golive.signing.keys import session_key
from pytest_golive.signing.trusted import session_key_path

ITEMS: Mapping[str, Sequence[str]] = {
    "nija": ("nija-adoption-failures", "nija-trading-threads", "nija-no-emergency-stop", "nija-stop-seen-by-the-desk"),
    "quantum_trader": (
        "quantum-act-risk-state-ok",
        "quantum-act-ess-inactive",
        "quantum-act-testnet-history",
        "quantum-daily-ess-status",
    ),
}
"""The lines of the real lists that this day is about, by their files."""

PERSONS: Mapping[str, str] = {"ada": "operations", "ben": "risk"}
"""Who signs, in which role."""

_LIST = "day.yaml"
_ORDER: Mapping[str, Any] = {"account": "alpha", "symbol": "BTCUSDT", "side": "BUY", "quantity": Decimal("0.001")}
_FAULT = "thread-halted:beta"
_GATE = (sys.executable, "-m", "pytest", "--golive", "-q", "-p", "no:cacheprovider")
_SECONDS = 120.0


def day(home: Path, environ: Mapping[str, str]) -> int:
    """Exit status 0 if the whole day went as it must; DeskError says what did not. The home folder should be a new one."""
    folder = Home(path=home.absolute())
    prepare(folder.path)
    _bind(folder)
    key = session_key(session_key_path(environ)).public.line
    with launch(folder.path, environ, keys=[key], faults=True) as desk:
        _Day(desk, folder, environ).live_through()
    return 0


def _bind(home: Home) -> None:
    """Bind the desk's settings to the list of this day, and demand two approvals."""
    blocks = []
    for name, wanted in ITEMS.items():
        text = (ROOT / "checklists" / f"{name}.yaml").read_text(encoding="utf-8")
        found = {part.partition("\n")[0]: part for part in re.split(r"^- id: ", text, flags=re.MULTILINE)[1:]}
        # a remark between two items belongs to neither
        blocks += ["- id: " + found[identity].partition("\n#")[0].rstrip() + "\n" for identity in wanted]
    head = "version: 1\nchecklist: {name: day, title: A day of the desk, owner: platform}\n"
    head += "defaults: {owner: platform, timeout: 10s}\nitems:\n"
    (home.path / _LIST).write_text(head + "".join(blocks), encoding="utf-8")
    Repository(home.path).keep([_LIST], "The list of this day")
    text = home.golive.read_text(encoding="utf-8")
    text = re.sub(r"^checklists:\n(- .*\n)+", f"checklists: [{_LIST}]\n", text, flags=re.MULTILINE)
    text = re.sub(r"^watch: .*$", "watch: {phases: [monitoring, pre-deploy]}", text, flags=re.MULTILINE)
    home.golive.write_text(f"{text}signoff: {{required: true}}\n", encoding="utf-8")
    folder = home.path / "people"
    folder.mkdir(mode=0o700, exist_ok=True)
    lines = ["version = 1", f"roles = {jsontext.dumps(list(PERSONS.values()))}"]
    for name, role in PERSONS.items():
        public = people.fresh_key(folder / f"{name}.key").public.line
        lines += [f"[persons.{people.PREFIX}{name}]", f'name = "Demo {name.title()}"', f'roles = ["{role}"]']
        lines += [f'keys = [{{key = "{public}"}}]']
    lines += ["[quorum.production]", "persons = 2", "roles = {operations = 1, risk = 1}"]
    (home.path / "golive.roster.toml").write_text("\n".join(lines) + "\n", encoding="ascii")


@final
class _Day:
    """What is done from morning to evening, and what must be seen each time."""

    def __init__(self, desk: Desk, home: Home, environ: Mapping[str, str]) -> None:
        self._desk = desk
        self._home = home
        ours = {"DESK_REPORTS": str(home.path / "reports"), "GOLIVE_CONFIG": str(home.golive), "GOLIVE_OPERATOR": "night-desk"}
        self._environ = {**environ, **desk.variables, **ours, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}

    def live_through(self) -> None:
        """From the first run to the second activation."""
        self._golive("roster check", "holds: persons 2")
        self._sign_off()
        self._order(goes=True)
        switched = self._home.golive.read_text(encoding="utf-8"), self._home.dotenv.read_text(encoding="utf-8")

        print("A trading thread of the desk halts")
        self._fault(on=True)
        self._golive("watch --rounds 1", r"RED ", r"REVOKED", status=1)
        self._order(goes=False)
        done = ("step 1 is done and verified", "step 2 is done and verified", "step 3 is done and verified")
        self._golive("rollback --yes --reason REASON", *done, "step 4", status=1, more=["the thread of beta halted"])
        self._golive("rollback --yes --step 5", "step 5 is done and verified")
        self._golive("history", r"Activation success rate", r"deactivated")
        self._golive("journal verify", r"^JOURNAL WHOLE", r"held against")
        self._root_cause()

        self._run(_GATE, "pytest --golive", r"^NO-GO ", status=1)
        print("The thread is mended, and the switches are set again by hand, which opens nothing by itself")
        self._fault(on=False)
        for path, text in zip((self._home.golive, self._home.dotenv), switched, strict=True):
            path.write_text(text, encoding="utf-8")
        self._order(goes=False)
        self._sign_off()
        self._order(goes=True)

    def _sign_off(self) -> None:
        """A run that is held, two approvals, an activation."""
        self._run(_GATE, "pytest --golive", r"^GO ", r"held: ")
        page = str(max((self._home.path / "reports").glob("*-go/report.html"), key=lambda path: path.stat().st_mtime_ns))
        for name, role in PERSONS.items():
            key = str(self._home.path / "people" / f"{name}.key")
            self._golive(f"approve REPORT --role {role}", r"^Next: ", more=[page, "--key", key, "--yes"])
        self._golive("activate REPORT", r"ACTIVATED SUCCESSFULLY", more=[page, "--yes"])

    def _order(self, *, goes: bool) -> None:
        wish = {**_ORDER, "key": uuid.uuid4().hex}
        _, told = call(self._desk.urls["api"], "POST", "/orders", body=jsontext.dumps(wish).encode(), timeout=15)
        gate = told.get("gate")
        if (told["state"], gate) != (("filled", gate) if goes else ("skipped", "guard")):
            raise DeskError(
                f"the order was to {'go' if goes else 'be skipped by the guard'}: {told}", hint="see logs/execution.log"
            )
        what = f"filled at {told['price']}" if goes else f"skipped by the guard: {told['reason']}"
        print(f"BUY BTCUSDT qty=0.001 for alpha: {what}")

    def _fault(self, *, on: bool) -> None:
        status, told = call(self._desk.urls["api"], "POST", "/faults", body=jsontext.dumps({"name": _FAULT, "on": on}).encode())
        if status != 200:
            raise DeskError(f"the fault cannot be switched: {told}", hint="start the desk with --faults")

    def _root_cause(self) -> None:
        """What the journal says of why the marker was taken back the first time."""
        entries = Journal(self._home.path / "journal.jsonl").entries()
        cause = next(entry for entry in entries if entry.event == "deactivated")
        if "nija-trading-threads" not in cause.detail["reason"]:
            raise DeskError(f"the journal names another cause: {cause.detail['reason']}", hint="see journal.jsonl")
        print(f"   root cause, record {cause.seq}: {cause.detail['operator']}: {cause.detail['reason']}")

    def _golive(self, words: str, *wanted: str, status: int = 0, more: Sequence[str] = ()) -> None:
        command = [word for word in words.split() if not word.isupper()]
        self._run([sys.executable, "-m", "pytest_golive.cli", *command, *more], f"golive {words}", *wanted, status=status)

    def _run(self, command: Sequence[str], shown: str, *wanted: str, status: int = 0) -> None:
        """Run it, show the lines that were wanted; DeskError if one is missing or the exit status is another."""
        done = subprocess.run(
            command, cwd=self._home.path, env=self._environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
        print(f"$ {shown}  [{done.returncode}]", flush=True)
        lines = [line.strip() for line in done.stdout.splitlines()]
        for pattern in wanted:
            line = next((line for line in lines if re.search(pattern, line)), None)
            if line is None or done.returncode != status:
                raise DeskError(
                    f"{shown} ended with {done.returncode} and said:\n{done.stdout}", hint=f"wanted {status}: {pattern}"
                )
            print(f"   {line}".replace(f"{self._home.path}{os.sep}", ""), flush=True)
