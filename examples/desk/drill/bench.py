"""The desk on which faults are tried: started with faults allowed, activated, judged, started anew when a fault asks for it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self, final

from examples.desk import jsontext, people
from examples.desk.errors import DeskError
from examples.desk.launch import PAST, Desk, launch
from examples.desk.settings import ROOT
from examples.desk.web import call
from pytest_golive import checklist, config, probes
from pytest_golive.activation import ACTIVATED
from pytest_golive.guard.marker import Marker, render
from pytest_golive.journal import Journal
from pytest_golive.model import Checklist, Eventually, Finding, Item
from pytest_golive.redaction import Redactor
from pytest_golive.signing.keys import SessionKey, session_key
from pytest_golive.signing.trusted import session_key_path
from pytest_golive.trial import Surroundings, Trial

SINCE_ACTIVATION = timedelta(days=40)
"""How long ago the activation of the drill was, so that every window has closed."""


@final
class Bench:
    """A running desk, and the checklists that are bound to it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._wanted: Mapping[str, str] = {}
        self._environ: Mapping[str, str] = {}
        self._signer: SessionKey = session_key(session_key_path(os.environ))
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._desk.stop()

    @property
    def variables(self) -> Mapping[str, str]:
        """What the desk's golive.yaml asks of the environment."""
        return {
            **self._desk.variables,
            **self._desk.tokens,
            "DESK_PYTHON": sys.executable,
            "DESK_REPORTS": str(self.home / "reports"),
        }

    @property
    def desk(self) -> Desk:
        """The desk that runs now."""
        return self._desk

    @property
    def checklists(self) -> Sequence[Checklist]:
        """Every list that is bound to the desk."""
        return self._checklists

    def switch(self, fault: str, *, on: bool) -> None:
        """Switch a fault that the desk knows by name."""
        body = jsontext.dumps({"name": fault, "on": on}).encode()
        status, told = call(self._desk.urls["api"], "POST", "/faults", body=body, timeout=15)
        if status != 200:
            raise DeskError(f"the fault {fault} cannot be switched {'on' if on else 'off'}: {told}")

    def start_with(self, environ: Mapping[str, str]) -> None:
        """Wish for a desk with these variables over its own; `ready` makes it so, if it is not."""
        self._wanted = environ

    def ready(self) -> None:
        """See to it that the desk runs with what was wished for last."""
        if self._wanted != self._environ:
            self._desk.stop()
            self._environ = self._wanted
            self._begin()

    def look(self, ids: Iterable[str]) -> Mapping[str, Finding]:
        """The findings of these items, now."""
        wanted = list(ids)
        trial = Trial(_with_needs(self._items, wanted), self._surroundings())
        try:
            trial.begin(wanted)
            return {identity: trial.finding(identity) for identity in wanted}
        finally:
            trial.close()

    def _begin(self) -> None:
        environ = {**os.environ, PAST: "traded", **self._environ}
        self._desk = launch(self.home, environ, keys=[self._signer.public.line], faults=True)
        try:
            self._bind()
            self._activate()
            self._preflight()
            self._trade()
        except BaseException:
            self._desk.stop()
            raise

    def _bind(self) -> None:
        environ = {**os.environ, **self.variables}
        settings = config.load(self.home / "golive.yaml", environ)
        paths = checklist.find(settings.checklists, settings.root, settings.path.name)
        self._settings = settings
        self._checklists = checklist.load(paths, root=ROOT, **settings.variables)
        self._items: Sequence[Item] = [_impatient(item) for one in self._checklists for item in one.items]
        people.answer(settings, self._checklists, datetime.now(UTC))

    def _surroundings(self) -> Surroundings:
        environ = {**os.environ, **self.variables}
        return Surroundings(
            root=self._settings.root,
            environ=environ,
            now=lambda: datetime.now(UTC),
            redactor=Redactor.from_environment(environ),
            allow_acting=True,
            activated=datetime.now(UTC) - SINCE_ACTIVATION,
            witnesses=self._settings.witnesses,
        )

    def _activate(self) -> None:
        """Write a marker that the desk's guard believes, so that items of the phases after an activation find one."""
        now = datetime.now(UTC)
        draft = self.home / "drill.draft"
        marker = Marker(
            timestamp=now,
            operator="drill",
            environment=self._settings.environment,
            allowed_profiles=("micro",),
            activation_id=uuid.uuid4().hex,
            counter=int(now.timestamp()),
            not_before=now,
            expires=now + timedelta(hours=2),
            config=hashlib.sha256((self.home / "golive.yaml").read_bytes()).hexdigest(),
        )
        self._remember(marker)
        draft.write_bytes(render(marker, self._signer))
        draft.chmod(0o644)
        draft.rename(self.home / "go_live.active")

    def _remember(self, marker: Marker) -> None:
        """Write the run and the activation into the journal of the gate, where an activation stands before its marker does."""
        journal = Journal(self._settings.resolve(self._settings.journal))
        run = {"word": "GO", "reasons": [], "operator": marker.operator, "report": "", "evidence": "", "decides": True}
        journal.append("run", run, marker.timestamp)
        detail = {
            "activation_id": marker.activation_id,
            "counter": marker.counter,
            "operator": marker.operator,
            "environment": marker.environment,
            "allowed_profiles": list(marker.allowed_profiles),
            "expires": marker.expires,
            "marker": str(self._settings.marker),
        }
        journal.append(ACTIVATED, detail, marker.timestamp)

    def _preflight(self) -> None:
        """Run the preflight script, because no day of trading begins without it; what it finds is for the items to tell."""
        if (self.home / "records" / "preflight.jsonl").exists():
            return
        addresses = ["--api", self._desk.urls["api"], "--cache", self.variables["DESK_CACHE"]]
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-m", "examples.desk.office.preflight", "--home", str(self.home), *addresses],
                cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False,
            )  # fmt: skip
            if done.returncode == 0:
                return

    def _trade(self) -> None:
        """Send a first real order for each account, so that there is something to watch after the activation."""
        for account in ("alpha", "beta", "gamma"):
            wish = {"account": account, "symbol": "BTCUSDT", "side": "BUY", "quantity": Decimal("0.0001")}
            call(self._desk.urls["api"], "POST", "/orders", body=jsontext.dumps(wish).encode(), timeout=15)


def _with_needs(items: Sequence[Item], ids: Iterable[str]) -> Sequence[Item]:
    """These items and all that they rest on, in the order of the lists: a drill looks at a few of many items, and often."""
    instances: dict[str, list[Item]] = {}
    for item in items:
        instances.setdefault(item.declared, []).append(item)
    known = {item.id: item for item in items}
    needed: dict[str, Item] = {}
    open_ = [known[identity] for identity in ids]
    while open_:
        item = open_.pop()
        if item.id not in needed:
            needed[item.id] = item
            open_ += [one for name in probes.rests_on(item) for one in instances.get(name, ())]
    return [item for item in items if item.id in needed]


def _impatient(item: Item) -> Item:
    """The item, looking again for a moment only: in a drill it is the drill that waits."""
    again = item.eventually
    if again is None:
        return item
    return replace(item, eventually=Eventually(within=0.2 * again.stable_for, every=0.1, stable_for=again.stable_for))
