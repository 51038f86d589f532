"""What follows a decision: sign it, write the page, keep the journal and, if everything permits it, activate.

The order is what keeps it honest: the evidence is signed before anything is rendered from it, the report is on disk before
the marker,
and the marker is written by `activation` alone, which reads the signed evidence again and trusts nothing that was passed along
beside it. A step that fails stops the later ones and is told in one line.
"""

from __future__ import annotations

import getpass
import os
import platform
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import final

from pytest_golive import (
    __version__,
    activation,
    approval,
    canonical,
    earlier,
    glass,
    hours,
    ladder,
    manifest,
    pages,
    probes,
    readiness,
    statement,
)
from pytest_golive.approval import NO_SIGNATURES, Signatures, Standing
from pytest_golive.comparison import Comparison, compare
from pytest_golive.config import Settings
from pytest_golive.drill.over import Drilled
from pytest_golive.errors import GoliveError, JournalError, KeyRefused, Misuse
from pytest_golive.events import ACTIVATED, DEACTIVATED, RUN
from pytest_golive.guard.machine import machine_host
from pytest_golive.journal import Journal
from pytest_golive.model import Checklist, Decision, Outcome, Phase, Ruling, Verdict, Word
from pytest_golive.notifying import Announcer
from pytest_golive.redaction import Redactor
from pytest_golive.signing import dsse
from pytest_golive.signing.keys import PublicKey, SessionKey, session_key
from pytest_golive.signing.trusted import read_keys, session_key_path
from pytest_golive.signoff import policy_of
from pytest_golive.trial import Surroundings
from pytest_golive.worktree import Tree, digest_of_files, look_at_tree

VALID_FOR = timedelta(hours=12)
MAX_NAMED = 200
"""Blocking items that the journal names; beyond that it only counts them."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What the runner knows of its run."""

    began: datetime
    wall_seconds: float
    operator: str | None
    command: str
    phases: tuple[Phase, ...]
    gates: bool
    partial: tuple[str, ...]
    versions: Mapping[str, str]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What a run left behind: paths that exist, and sentences on what was held back, denied, or went wrong.

    `held` is why nobody asked for an activation, `denied` why one was asked for and refused; `standing` tells who must approve
    first.
    """

    decision: Decision
    report: Path | None = None
    marker: Path | None = None
    done: activation.Activation | None = None
    held: str = ""
    denied: str = ""
    standing: Standing | None = None
    withdrawn: bool = False
    trouble: str = ""
    sum_seconds: float = 0.0
    wall_seconds: float = 0.0
    checks: Sequence[activation.CheckLine] = ()
    drilled: Drilled | None = None
    comparison: Comparison = field(default_factory=Comparison)
    untold: Sequence[str] = ()


@final
class Closing:
    """Everything that must be at hand before a run is worth starting: the key, the folders, the journal."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], journal: Journal | None = None) -> None:
        self._settings = settings
        self._environ = environ
        self._redactor = Redactor.from_environment(environ)
        self.signer: SessionKey = session_key(session_key_path(environ))
        self.reports = settings.resolve(settings.reports)
        self.announcer = Announcer(settings, environ)
        self.journal = journal or Journal(settings.resolve(settings.journal), self.announcer.hear)
        self.turnstile = self.reports / ".turnstile"
        pages.make_writable(self.reports)
        self.policy = policy_of(settings)
        self._tree = Tree()
        self._looking = threading.Thread(target=self._look_at_tree, name="golive-git", daemon=True)
        self._looking.start()

    def _look_at_tree(self) -> None:
        settings = self._settings
        self._tree = look_at_tree(settings.root, beside=settings.beside)

    def operator(self, named: str | None) -> str:
        """Who is written down as having run this."""
        return self._redactor.text(named or self._environ.get("GOLIVE_OPERATOR") or login())

    def close(
        self,
        decision: Decision,
        *,
        checklists: Sequence[Checklist],
        run: RunFacts,
        activate: bool,
        surroundings: Surroundings,
    ) -> Closed:
        """Sign, render, write, journal; then activate if `activate` and the decision permits, or withdraw on a whole NO-GO.

        Last of all, whoever wants to be told is told.
        """
        closed = self._close(decision, checklists=checklists, run=run, activate=activate, surroundings=surroundings)
        return replace(closed, untold=self.announcer.send(self.journal, datetime.now(UTC)))

    def _close(
        self,
        decision: Decision,
        *,
        checklists: Sequence[Checklist],
        run: RunFacts,
        activate: bool,
        surroundings: Surroundings,
    ) -> Closed:
        total = _seconds_of(decision.rulings)
        closed = Closed(decision=decision, sum_seconds=total, wall_seconds=run.wall_seconds)
        try:
            # first of all: whatever cannot be written after this, real trading is off
            if activate and (why := _against(decision)):
                closed = replace(closed, withdrawn=self._withdraw(why, decision.at, run))
            closed = replace(closed, comparison=self._compare(decision, checklists, run.phases))
            envelope, digest = self._sign(decision, checklists=checklists, run=run, total=total, comparison=closed.comparison)
            closed = replace(closed, report=pages.write(self.reports, decision, envelope))
            self._journal_run(decision, closed, run, digest)
            if not (activate and decision.word.permits):
                return closed
            if not self._settings.activation_enabled:
                return replace(closed, held=f"activation_enabled is false in {self._settings.path.name}")
            if self.policy.demands:
                standing = self._standing(envelope, digest)
                return replace(closed, held=standing.line, standing=standing)
            done = self._activate_or_withdraw(envelope, checklists, run, surroundings)
        except activation.Denied as denied:
            return replace(closed, denied=denied.message, checks=denied.checks)
        except (GoliveError, OSError) as error:
            return replace(closed, trouble=_told(error))
        return replace(closed, marker=done.marker, done=done, checks=done.checks)

    def _journal_run(self, decision: Decision, closed: Closed, run: RunFacts, evidence: str) -> None:
        detail = {
            "word": decision.word.value,
            "reasons": list(decision.reasons),
            "operator": self.operator(run.operator),
            "report": str(closed.report),
            "evidence": evidence,
            "target": self._settings.target.name,
            "environment": self._settings.environment,
            "decides": run.gates and not run.partial,
            "counts": dict(Counter(ruling.verdict.value for ruling in decision.rulings)),
            "blocking": [self._redactor.text(name) for name in _blocking(decision)[:MAX_NAMED]],
        }
        self.journal.append(RUN, detail, decision.at)

    def _compare(self, decision: Decision, checklists: Sequence[Checklist], phases: Sequence[Phase]) -> Comparison:
        """What is otherwise than in the run before; a journal that is broken is told as what it is."""
        settings = self._settings
        place = {"target": settings.target.name, "environment": settings.environment}
        try:
            before = earlier.newest(self.journal.entries(), self._counting(), **place)
        except JournalError as error:
            return Comparison(trouble=error.message)
        return compare(decision, checklists, phases, before)

    def _counting(self) -> Sequence[PublicKey]:
        """The keys whose statements count here: those that are named, else that of this user."""
        named = self._settings.activation.trusted_keys
        return read_keys(self._settings.resolve(named)) if named else (self.signer.public,)

    def _sign(
        self,
        decision: Decision,
        *,
        checklists: Sequence[Checklist],
        run: RunFacts,
        total: float,
        comparison: Comparison | None = None,
    ) -> tuple[str, str]:
        """The signed envelope of a decision, as one line, and the digest of the statement in it."""
        settings, compared = self._settings, comparison or Comparison()
        payload = statement.build(
            decision,
            checklists=checklists,
            manifest=self.manifest(checklists),
            target=statement.TargetRecord(name=settings.target.name, environment=settings.environment, demo=settings.target.demo),
            run=statement.RunRecord(
                id=secrets.token_hex(8),
                operator=self.operator(run.operator),
                login=self._redactor.text(login()),
                host=socket.gethostname(),
                began=run.began,
                ended=decision.at,
                valid_until=decision.at + VALID_FOR,
                wall_seconds=run.wall_seconds,
                sum_seconds=total,
                command=run.command,
                phases=run.phases,
                gates=run.gates,
                partial=run.partial,
                versions={"pytest-golive": __version__, "python": platform.python_version(), **run.versions},
            ),
            journal_head=self.journal.head()[1],
            signoff=approval.signoff_of(self.policy),
            previous=compared.previous,
            changes=compared.changes,
            since=compared.since,
            notices=self._notices(decision.at, compared.trouble),
        )
        return dsse.sign(payload, self.signer), canonical.sha256(payload)

    def _notices(self, now: datetime, trouble: str) -> Sequence[Mapping[str, object]]:
        """What every page must show: a journal that cannot be read, and each broken glass until somebody has reviewed it."""
        if trouble:
            return [{"what": "The journal cannot be read", "at": now, "by": "", "reason": trouble}]
        return [
            {"what": "The glass was broken: activated without a passing run", "at": each.at, "by": each.by, "reason": each.reason}
            for each in glass.unreviewed(self.journal.entries())
        ]

    def manifest(self, checklists: Sequence[Checklist]) -> manifest.Manifest:
        """What was tested, digest by digest."""
        self._looking.join()
        settings, root = self._settings, self._settings.root
        items = [item for one in checklists for item in one.items]
        return manifest.Manifest(
            tree=self._tree,
            environment=settings.environment,
            config=settings.sha256,
            resolved=canonical.digest(self._redactor.facts(settings.model_dump(mode="json"))),
            place=manifest.place(settings.root),
            roster=self.policy.roster.sha256 if self.policy.roster else "",
            checklists={one.name: one.sha256 for one in checklists},
            code={name: digest_of_files(files, root) for name, files in probes.code(items, root).items()},
        )

    def activate(
        self,
        envelope: str,
        *,
        checklists: Sequence[Checklist],
        run: RunFacts,
        surroundings: Surroundings,
        signatures: Signatures = NO_SIGNATURES,
    ) -> activation.Activation:
        """Judge the activation items now, and hand both signed statements, with the approvals, to the marker's only writer."""
        settings = self._settings
        if not settings.activation_enabled:
            return self._hand_over(envelope, None, run, signatures)
        looked = readiness.look(checklists, surroundings)
        run = replace(run, phases=readiness.PHASES, gates=False)
        ready, _ = self._sign(looked, checklists=checklists, run=run, total=_seconds_of(looked.rulings))
        return self._hand_over(envelope, ready, run, signatures)

    def _hand_over(self, envelope: str, ready: str | None, run: RunFacts, signatures: Signatures) -> activation.Activation:
        settings = self._settings
        answers = {name: item for name, item in settings.activation.answers.model_dump().items() if item}
        return activation.activate(
            evidence=envelope,
            readiness=ready,
            keys=self._counting(),
            signer=self.signer,
            journal=self.journal,
            marker=settings.marker,
            state=settings.state,
            environment=settings.environment,
            operator=self.operator(run.operator),
            allowed_profiles=settings.allowed_profiles,
            default_profile=settings.default_profile,
            activation_enabled=settings.activation_enabled,
            required_preflight=settings.required_preflight,
            require_risk_state=settings.require_risk_state,
            require_ess_inactive=settings.require_ess_inactive,
            require_testnet_history=settings.require_testnet_history,
            min_testnet_trades=settings.min_testnet_trades,
            answers=answers,
            valid_for=timedelta(seconds=settings.activation.valid_for),
            max_age=timedelta(seconds=settings.activation.max_age),
            now=datetime.now(UTC),
            policy=self.policy,
            signatures=signatures,
            any_place=settings.activation.place == "any",
            host=bound_host(settings),
            rungs=ladder.rungs(settings.profiles, settings.allowed_profiles),
            windows=tuple(hours.parse(window) for window in settings.activation.windows),
        )

    def _standing(self, envelope: str, digest: str) -> Standing:
        """How a page that nobody has approved yet stands."""
        whole = dsse.strict_json(dsse.open_envelope(envelope, [self.signer.public]).payload)
        told = approval.report_of(whole, evidence=digest, presentation="", signers=[self.signer.fingerprint])
        return approval.stand(told, (), self.policy, datetime.now(UTC))

    def _activate_or_withdraw(
        self, envelope: str, checklists: Sequence[Checklist], run: RunFacts, surroundings: Surroundings
    ) -> activation.Activation:
        """Activate; if that is interrupted, nothing that it may have written stays."""
        before = _content(self._settings.marker)
        try:
            return self.activate(envelope, checklists=checklists, run=run, surroundings=surroundings)
        except KeyboardInterrupt:
            if _content(self._settings.marker) != before:
                self._withdraw("the activation was interrupted", datetime.now(UTC), run)
            raise GoliveError("interrupted during the activation; no marker was written", hint="run it again") from None

    def _withdraw(self, reason: str, now: datetime, run: RunFacts) -> bool:
        """Take an existing marker back; whether there was one."""
        settings = self._settings
        if not os.path.lexists(settings.marker):
            return False
        activation.deactivate(
            marker=settings.marker,
            state=settings.state,
            journal=self.journal,
            reason=reason,
            operator=self.operator(run.operator),
            now=now,
        )
        return True


def bound_host(settings: Settings) -> str:
    """The machine that a marker is for, as the guard knows it; empty if it may be used on any."""
    if settings.activation.host == "any":
        return ""
    host = machine_host()
    if not host:
        raise Misuse(
            "this machine has no id that a marker could be bound to", hint="set activation.host: any, as containers need"
        )
    return host


def prepare(
    settings: Settings, environ: Mapping[str, str], *, activating: bool = True, journal: Journal | None = None
) -> Closing:
    """What a run needs at its end, made ready at its start, so that nobody waits for minutes to hear of a missing right.

    `journal` is that of a caller who has one already, and who tells whoever wants to be told.
    KeyRefused if the run may end in a marker that nobody would believe, because its key is not among those that count.
    """
    closing = Closing(settings, environ, journal)
    named = settings.activation.trusted_keys
    if activating and settings.activation_enabled and named and closing.signer.public not in read_keys(settings.resolve(named)):
        raise KeyRefused(
            f"the session key {closing.signer.fingerprint} is not among the keys that count here, {settings.resolve(named)}:"
            " no guard would believe its marker",
            hint=f"add this line there: {closing.signer.public.line}",
        )
    return closing


def _against(decision: Decision) -> str:
    """Why an activation that is in force must end: a NO-GO, or a critical item that failed in a run that was cut short."""
    if decision.word is Word.NO_GO:
        return "a gate run said NO-GO"
    if decision.word.permits:
        return ""
    for ruling in decision.rulings:
        if ruling.verdict is Verdict.BLOCKING and ruling.finding.outcome is Outcome.FAILED:
            return f"a gate run that was not whole saw {ruling.item.id} fail"
    return ""


def _blocking(decision: Decision) -> list[str]:
    return [ruling.item.id for ruling in decision.rulings if ruling.verdict is Verdict.BLOCKING]


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def activated(settings: Settings) -> datetime | None:
    """When the activation in force was made, as the journal has it; None if there is none."""
    since = None
    for entry in Journal(settings.resolve(settings.journal)).entries():
        if entry.event in (ACTIVATED, DEACTIVATED):
            since = entry.at if entry.event == ACTIVATED else None
    return since if os.path.lexists(settings.marker) else None


def _seconds_of(rulings: Sequence[Ruling]) -> float:
    """The time of all looks together, in seconds; one that several items share counts once."""
    looks = {id(evidence): evidence.seconds for ruling in rulings if (evidence := ruling.finding.evidence) is not None}
    return sum(looks.values())


def login() -> str:
    """The name of the login, or the number of the user where nobody has a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def _told(error: GoliveError | OSError) -> str:
    if isinstance(error, GoliveError):
        return str(error)
    return f"{error.filename or 'a file'}: {error.strerror or error} (make it writable and run again)"
