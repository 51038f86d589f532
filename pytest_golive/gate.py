"""The hooks of a `pytest --golive` session: what is collected, how it runs, and what is decided at its end.

The decision is made from the *declared* checklists: the gate knows every item from the files, whatever pytest selected, skipped,
reran or lost. Findings are taken from the exception that ended a test, not from pytest's outcome, which other plugins may change;
of several sights of one item the worst stands. Under pytest-xdist each worker has a gate too; only the controller's decides.
"""

from __future__ import annotations

import functools
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, final

import pytest

from pytest_golive import checklist, closing, config, decision, ladder, lean, terminal, waiving, wire
from pytest_golive.drill import over
from pytest_golive.errors import GoliveError, Misuse
from pytest_golive.model import Decision, Finding, Item, Outcome, Phase, Severity, Verdict, Waiver
from pytest_golive.nodes import ChecklistFile, ItemNode, Unmet, court_key
from pytest_golive.outlets import Outlets
from pytest_golive.redaction import Redactor
from pytest_golive.report.words import visible
from pytest_golive.trial import DEFAULT_JOBS, Surroundings, Trial

Report = pytest.TestReport | pytest.CollectReport


@final
class Gate:
    """One session's gate."""

    def __init__(self, pytest_config: pytest.Config) -> None:
        self.config = pytest_config
        self.worker = hasattr(pytest_config, "workerinput")
        self.began = _now()
        self.clock = time.monotonic()
        self.findings: dict[str, Finding] = {}
        self.trouble: list[str] = []
        self.good = False
        gc.disable()
        _heed_termination()
        try:
            self.outlets = Outlets(pytest_config, os.environ, worker=self.worker)
            self.outlets.forget()
            self.settings = config.load(self._settings_path())
            self.phases = self._phases()
            paths = checklist.find(self.settings.checklists, self.settings.root, self.settings.path.name)
            loaded = checklist.load(paths, root=Path(pytest_config.rootpath), **self.settings.variables)
            self.checklists = ladder.gated(loaded, ladder.rungs(self.settings.profiles, self.settings.allowed_profiles))
            if self.worker and self._digests() != pytest_config.workerinput["golive_digests"]:  # type: ignore[attr-defined]
                raise Misuse("settings or checklists changed while the run began", hint="run pytest --golive again")
            self.redactor = Redactor.from_environment(os.environ)
            activating = not (pytest_config.getoption("golive_no_marker") or self._rehearsal())
            self.closing = None if self.worker else closing.prepare(self.settings, os.environ, activating=activating)
        except GoliveError as error:
            gc.enable()
            raise pytest.UsageError(f"golive: {error}") from None
        self.items: tuple[Item, ...] = tuple(item for one in self.checklists for item in one.items)
        self._by_path = dict(zip(paths, self.checklists, strict=True))
        self._severity = {item.id: item.severity for item in self.items}
        self._activated = closing.activated(self.settings) if any(item.window for item in self.items) else None
        self.trial = Trial(self.items, self._surroundings())
        pytest_config.stash[court_key] = self
        if pytest_config.args_source is not pytest.Config.ArgsSource.ARGS:
            pytest_config.args = [str(path) for path in paths]

    # What the session is bound to.

    def _settings_path(self) -> Path:
        named = self.config.getoption("golive_config")
        if self.worker:
            return Path(self.config.workerinput["golive_settings"])  # type: ignore[attr-defined]
        if named:
            return Path(self.config.invocation_params.dir, named)
        beside = Path(self.config.rootpath, config.FILE_NAME)
        if beside.exists():
            return beside
        offered = self.config.hook.pytest_golive_settings(config=self.config)
        return Path(offered) if offered is not None else beside

    def _phases(self) -> tuple[Phase, ...]:
        named: Sequence[str] | None = self.config.getoption("golive_phase")
        try:
            return tuple(Phase(name) for name in named) if named else tuple(self.settings.phases)
        except ValueError:
            raise Misuse(
                f"--golive-phase {' '.join(named or ())}: no such phase", hint=f"write one of: {', '.join(Phase)}"
            ) from None

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            root=self.settings.root,
            environ=os.environ,
            now=_now,
            redactor=self.redactor,
            allow_acting=self.settings.target.allow_acting,
            witnesses=self.settings.witnesses,
            jobs=max(1, self.config.getoption("golive_jobs") or DEFAULT_JOBS),
            turnstile=Path(self.config.workerinput["golive_turnstile"]) if self.worker else None,  # type: ignore[attr-defined]
            activated=self._activated,
        )

    def _digests(self) -> str:
        """What this process has read, so that a worker never judges other bytes than the controller signs."""
        return " ".join((self.settings.sha256, *(one.sha256 for one in self.checklists)))

    def items_of(self, path: Path) -> tuple[Item, ...]:
        """The items that the checklist at `path` declares."""
        return self._by_path[path.resolve()].items

    def finding(self, item: Item) -> Finding:
        """The trial's finding of one item."""
        return self.trial.finding(item.id)

    @property
    def declared(self) -> list[Item]:
        """The items of the phases that this session looks at."""
        return [item for item in self.items if item.phase in self.phases]

    @property
    def probing(self) -> bool:
        """Whether pytest was asked to run anything at all; if not, nothing is written."""
        return not self._asked_to_show()

    def _asked_to_show(self) -> list[str]:
        """The options by which pytest shows something instead of running it."""
        return [option for name, option in _SHOWING.items() if getattr(self.config.option, name, False)]

    @property
    def partial(self) -> tuple[str, ...]:
        """What kept the session from being whole, as phrases."""
        return tuple(dict.fromkeys(self.trouble))

    # Collection.

    def pytest_report_header(self) -> list[str]:
        gating = sum(item.phase in self.phases for item in self.items)
        demo = " (DEMO)" if self.settings.target.demo else ""
        plural = "" if len(self.checklists) == 1 else "s"
        counted = f"{len(self.checklists)} checklist{plural}, {gating} items of {len(self.items)} in {', '.join(self.phases)}"
        return [f"golive: {counted}, target {self.settings.target.name}{demo}, {self.settings.environment}"]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        if file_path.resolve() in self._by_path:
            return ChecklistFile.from_parent(parent, path=file_path)
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Nothing but checklists: a directory is walked, a file is left alone unless it is one of the lists."""
        if collection_path.is_dir() or collection_path.resolve() in self._by_path:
            return None
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        aside = [node for node in items if isinstance(node, ItemNode) and node.item.phase not in self.phases]
        if aside:
            items[:] = [node for node in items if not (isinstance(node, ItemNode) and node.item.phase not in self.phases)]
            config.hook.pytest_deselected(items=aside)
        items.sort(key=lambda node: isinstance(node, ItemNode) and node.item.acts)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.trouble.append("a collection error")

    # Running.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Start every read-only probe; then run the items here if nobody else takes part, or leave them to pytest's own loop."""
        controlling = self.config.pluginmanager.hasplugin("dsession")
        if not self.probing or controlling or (session.testsfailed and not self.config.option.continue_on_collection_errors):
            return None
        if not self.worker:
            self.trial.begin(node.item.id for node in session.items if isinstance(node, ItemNode))
        _spare_the_collector()
        if self.worker or not lean.fits(session):
            return None
        lean.loop(session, self.note)
        return True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if isinstance(item, ItemNode):
            finding = _seen(item, call)
            if finding is not None:
                finding = replace(finding, reason=visible(self.redactor.text(finding.reason)))
                self.note(item.item, finding, report)
        return report

    def note(self, item: Item, finding: Finding, report: pytest.TestReport) -> None:
        """Keep the worst sight of an item, put it on the report, and tell what does not block by the xfail protocol."""
        stands = self._keep(finding)
        report.golive = wire.pack(item, stands, whole=self.worker)  # type: ignore[attr-defined]
        if finding.outcome is Outcome.FAILED and not report.passed and (waiver := self._excused.get(item.id)) is not None:
            report.golive["verdict"] = Verdict.WAIVED.value
            report.outcome = "skipped"
            report.wasxfail = f"{_WAIVED} until {waiver.until.isoformat()}: {finding.reason}"
        elif item.severity is Severity.WARNING and finding.outcome is not Outcome.PASSED and not report.passed:
            report.outcome = "skipped"
            report.wasxfail = f"warning: {finding.reason}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """On the controller of pytest-xdist: take over what a worker found."""
        packed = getattr(report, "golive", None)
        if packed is not None and not self.worker and "finding" in packed:
            self._keep(wire.unpack(packed))

    def _keep(self, finding: Finding) -> Finding:
        """The worst of all sights of an item, this one included."""
        known = self.findings.get(finding.item)
        stands = finding if known is None else decision.worst((known, finding))
        self.findings[finding.item] = stands
        return stands

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Report) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        packed = getattr(report, "golive", None)
        why = getattr(report, "wasxfail", None)
        if packed is None or not why:
            return None
        if why.startswith(_WAIVED) and report.skipped:
            return "waived", "W", ("WAIVED", {"yellow": True})
        if packed["severity"] != Severity.WARNING or not report.skipped:
            return None
        return "warned", "w", ("WARNING", {"yellow": True})

    # Other processes and other ends.

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Hand a worker what the controller was bound to."""
        assert self.closing is not None
        node.workerinput["golive_settings"] = str(self.settings.path)
        node.workerinput["golive_digests"] = self._digests()
        node.workerinput["golive_turnstile"] = str(self.closing.turnstile)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object) -> None:
        if error:
            self.trouble.append("a worker process was lost")

    def pytest_keyboard_interrupt(self) -> None:
        self.trouble.append("interrupted")

    def pytest_internalerror(self) -> None:
        self.trouble.append("an internal error")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Decide after everybody else has spoken: only then is the session's exit status final."""
        try:
            result = yield
        except (KeyboardInterrupt, pytest.exit.Exception) as ended:
            # raised on, it would set the exit status, even to 0, after the decision
            self.trouble.append(f"the session was ended at its end: {str(ended) or type(ended).__name__}")
            result = None
        except Exception as error:
            self.trouble.append(f"another plugin broke at the end of the session: {type(error).__name__}")
            self._finish(session)
            raise
        self._finish(session)
        return result

    def _finish(self, session: pytest.Session) -> None:
        self.trial.close()
        if self.worker:
            return
        try:
            closed = self._close(session)
        except KeyboardInterrupt:
            session.exitstatus = pytest.ExitCode.INTERRUPTED
            print("golive: interrupted while the run was being closed; it decided nothing", file=sys.stderr)
            return
        self.outlets.tell(closed)
        terminal.show(self.config, closed, self.checklists, self.settings.path)

    def _close(self, session: pytest.Session) -> closing.Closed:
        assert self.closing is not None
        self.trouble += self._asked_to_show()
        status = int(session.exitstatus)
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            self.trouble.append(f"pytest ended with status {status}")
        decided = self.decide()
        if status == pytest.ExitCode.TESTS_FAILED and decided.word.permits:
            self.trouble.append("something outside the checklists failed")
            decided = self.decide()
        wall = time.monotonic() - self.clock
        if not self.probing:
            return self._end(session, status, closing.Closed(decision=decided, wall_seconds=wall))
        closed = self.closing.close(
            decided,
            checklists=self.checklists,
            run=closing.RunFacts(
                began=self.began,
                wall_seconds=wall,
                operator=self.config.getoption("golive_operator"),
                command=self.redactor.text(" ".join(["pytest", *self.config.invocation_params.args])),
                phases=self.phases,
                gates=not self._rehearsal(),
                partial=self.partial,
                versions={"pytest": pytest.__version__},
            ),
            activate=not self.config.getoption("golive_no_marker") and not self._rehearsal(),
            surroundings=self._surroundings(),
        )
        return self._end(session, status, closed)

    def _end(self, session: pytest.Session, status: int, closed: closing.Closed) -> closing.Closed:
        """Write the summary, set the exit status, and let other plugins look."""
        if self.config.getoption("golive_drill"):
            closed = replace(closed, drilled=over.over(self.declared, self.findings))
        closed = self.outlets.write(self._tell(closed), self.settings, self.checklists)
        self.good = closed.decision.word.permits and not closed.denied and not closed.trouble
        self.good = self.good and (closed.drilled is None or closed.drilled.holds)
        if status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = pytest.ExitCode.OK if self.good else pytest.ExitCode.TESTS_FAILED
        return closed

    def _tell(self, closed: closing.Closed) -> closing.Closed:
        """Let other plugins know; one that breaks changes no decision, but the run did not end well."""
        if closed.report is None:
            return closed
        try:
            self.config.hook.pytest_golive_decided(
                config=self.config, decision=closed.decision, report=closed.report, marker=closed.marker
            )
        except (Exception, pytest.exit.Exception) as error:  # noqa: BLE001 - a messenger must not change the decision
            told = self.redactor.text(f"{type(error).__name__}: {error}")
            return replace(closed, trouble=closed.trouble or f"a plugin that was told the decision broke: {told}")
        return closed

    def _rehearsal(self) -> bool:
        """A run of other phases than the gating ones, or one that drills the checks, says nothing about the marker."""
        return bool(self.config.getoption("golive_phase") or self.config.getoption("golive_drill"))

    def decide(self) -> Decision:
        """The decision over everything declared, as things stand; waivers are believed anew for it."""
        now = _now()
        held = self._waivers(now)
        decided = decision.decide(
            self.items, self.findings, phases=self.phases, now=now, waivers=held.granted, partial=self.partial
        )
        return waiving.settle(decided, held)

    def _waivers(self, now: datetime) -> waiving.Waivers:
        """The exceptions that hold now, for this runner, without what is secret in their reasons."""
        named = self.config.getoption("golive_operator") or os.environ.get("GOLIVE_OPERATOR", "")
        signers = () if self.closing is None else (self.closing.signer.fingerprint,)
        held = waiving.look(self.settings, self.items, now, operators=(named, closing.login()), signers=signers)
        return waiving.redacted(held, self.redactor)

    @functools.cached_property
    def _excused(self) -> Mapping[str, Waiver]:
        """The exceptions that held when the first item failed, by its id: they say how a failure is told, not what is decided."""
        return {waiver.item: waiver for waiver in self._waivers(_now()).granted}


_WAIVED = "waived"
"""How the reason begins by which a waived failure is told."""

_SHOWING = {
    "collectonly": "--collect-only",
    "setuponly": "--setup-only",
    "setupplan": "--setup-plan",
    "showfixtures": "--fixtures",
    "show_fixtures_per_test": "--fixtures-per-test",
    "cacheshow": "--cache-show",
}
"""pytest's options that show something instead of running it, by the name of their value."""


def _seen(node: ItemNode, call: pytest.CallInfo[None]) -> Finding | None:
    """What one phase of pytest's protocol shows of an item; None if it shows nothing."""
    if call.excinfo is None:
        if call.when != "call":
            return None
        return node.finding or Finding(item=node.item.id, outcome=Outcome.NOT_RUN, reason="the test body did not run")
    raised = call.excinfo.value
    if isinstance(raised, Unmet):
        return raised.finding
    if isinstance(raised, (pytest.skip.Exception, pytest.xfail.Exception)):
        return Finding(item=node.item.id, outcome=Outcome.NOT_RUN, reason=f"skipped: {raised}")
    reason = f"{call.when} broke: {type(raised).__name__}: {raised}"
    return Finding(item=node.item.id, outcome=Outcome.ERROR, reason=reason)


def _spare_the_collector() -> None:
    """What was loaded and collected lives until the process ends, so the garbage collector need not walk through it again
    and again.
    """
    gc.freeze()
    gc.enable()


def _heed_termination() -> None:
    """A polite request to end is an interruption: then the session ends as by Ctrl-C, and no program of a check is left."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _now() -> datetime:
    return datetime.now(UTC)
