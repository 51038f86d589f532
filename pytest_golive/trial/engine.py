"""What may start when: requirements first, reads side by side, acting items alone and only when they are asked for.

What an item requires is looked at as well, whether or not the runner asked for it, so that a selected item is never judged on
half of the truth. A probe that does not come back is given up; its thread is a daemon and cannot hold up the end of the process.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError, as_completed
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import final

from pytest_golive import probes
from pytest_golive.errors import ProbeError
from pytest_golive.model import Attempt, Context, Evidence, Finding, Item, Outcome, Witnesses
from pytest_golive.redaction import Redactor
from pytest_golive.trial.lanes import DEFAULT_JOBS, lanes
from pytest_golive.trial.looks import Look, Sight, shared
from pytest_golive.trial.revoking import revoked
from pytest_golive.trial.watchdog import Watchdog
from pytest_golive.trial.windows import watched

GRACE = 3.0
"""Seconds that a probe may overrun its deadline before the watchdog gives it up."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a trial is bound to: the root of relative paths, the environment, the clock, the redactor, what is allowed.

    `turnstile` is a lock file shared by several processes (pytest-xdist): reads pass it together, an acting item alone.
    `activated` is the time of the activation in force, which windows are counted from; None if there is none.
    """

    root: Path
    environ: Mapping[str, str]
    now: Callable[[], datetime]
    redactor: Redactor
    allow_acting: bool = False
    jobs: int = DEFAULT_JOBS
    turnstile: Path | None = None
    activated: datetime | None = None
    witnesses: Witnesses | None = None


@final
@dataclass(slots=True, eq=False)
class _Run:
    """One item on its way: what it needs, and where its finding will be.

    A run is *late* if it acts on the target or rests on an item that does: then it starts only when it is asked for.
    """

    item: Item
    needs: tuple[str, ...]
    look: Look[_Run] | None
    late: bool = False
    begun: bool = False
    queued: bool = False
    waiting: int = 0
    future: Future[Finding] = field(default_factory=Future)


@final
class Trial:
    """Findings for items, computed side by side and handed out one by one."""

    def __init__(self, items: Sequence[Item], surroundings: Surroundings) -> None:
        self._around = surroundings
        self._instances: dict[str, list[str]] = {}
        for item in items:
            self._instances.setdefault(item.declared, []).append(item.id)
        self._runs: dict[str, _Run] = {}
        looks: Mapping[str, Look[_Run]] = shared(items)
        for item in items:
            needs = tuple(dict.fromkeys(self._named(probes.rests_on(item))))
            self._runs[item.id] = _Run(item=item, needs=needs, look=looks.get(item.id), late=item.acts)
        self._spread_lateness()
        self._lock = threading.RLock()
        self._lanes = lanes(surroundings.jobs, self._look_after)
        self._watchdog: Watchdog[_Run] = Watchdog(lambda run: run.future.done(), self._give_up)

    def begin(self, ids: Iterable[str]) -> None:
        """Start every read-only item among `ids` now, and what they require; late ones wait until they are asked for.

        Those that may take longest come first: begun last, one of them would keep everybody waiting at the end.
        """
        with self._lock:
            for run in sorted((self._runs[identity] for identity in ids), key=_patience, reverse=True):
                if not run.late:
                    self._start(run)

    def finding(self, identity: str) -> Finding:
        """The finding of one item; waits for it, and starts it if nobody has."""
        run = self._runs[identity]
        if run.late:
            self._run_late(run)
        elif not run.begun:
            with self._lock:
                self._start(run)
        return run.future.result()

    def as_seen(self, ids: Iterable[str]) -> Iterator[Finding]:
        """The findings of these items as they come, so that nobody waits for the slowest look; late items come last."""
        runs = [self._runs[identity] for identity in ids]
        self.begin(run.item.id for run in runs)
        for future in as_completed([run.future for run in runs if not run.late]):
            yield future.result()
        for run in runs:
            if run.late:
                yield self.finding(run.item.id)

    def close(self) -> None:
        """Let the threads go; what still hangs is a daemon and ends with the process."""
        self._watchdog.close()
        with self._lock:
            for lane in self._lanes.values():
                lane.close()

    def _spread_lateness(self) -> None:
        users: dict[str, list[str]] = {}
        for identity, run in self._runs.items():
            for need in run.needs:
                users.setdefault(need, []).append(identity)
        pending = [identity for identity, run in self._runs.items() if run.late]
        while pending:
            for user in users.get(pending.pop(), ()):
                if not self._runs[user].late:
                    self._runs[user].late = True
                    pending.append(user)

    def _start(self, first: _Run) -> None:
        """Queue a read-only run, and what it needs, each as soon as everything it needs has a finding."""
        begun = []
        unbegun = [first]
        while unbegun:
            run = unbegun.pop()
            if not run.begun:
                run.begun = True
                begun.append(run)
                unbegun += [self._runs[need] for need in run.needs]
        for run in begun:
            pending = [self._runs[need].future for need in run.needs if not self._runs[need].future.done()]
            run.waiting = len(pending)
            if not pending:
                self._enqueue(run)
            for future in pending:
                future.add_done_callback(lambda _, run=run: self._one_need_less(run))  # type: ignore[misc]

    def _one_need_less(self, run: _Run) -> None:
        with self._lock:
            run.waiting -= 1
            if run.waiting == 0:
                self._enqueue(run)

    def _enqueue(self, run: _Run) -> None:
        """Let a run go whose needs all have findings, unless somebody is looking for it already; the caller holds the lock."""
        run.queued = True
        if run.look is None or self._hindrance(run) or not run.look.join(run):
            self._lanes[probes.lane(run.item.probe)].put(run)

    def _run_late(self, run: _Run) -> None:
        """Run an item that acts, or rests on one that does: with its needs met, and alone if it acts."""
        trail = [run]
        while trail:
            run = trail[-1]
            unmet = [self._runs[need] for need in run.needs if self._runs[need].late and not self._runs[need].begun]
            if unmet and not run.begun and self._may(run):
                trail += unmet
                continue
            trail.pop()
            self._run_one_late(run)

    def _may(self, run: _Run) -> bool:
        return self._around.allow_acting or not run.item.acts

    def _run_one_late(self, run: _Run) -> None:
        if run.begun:
            return
        run.begun = True
        if not self._may(run):
            reason = "this item acts on the target, and target.allow_acting is not true"
            _settle(run.future, Finding(item=run.item.id, outcome=Outcome.NOT_RUN, reason=reason))
            return
        for need in run.needs:
            self.finding(need)
        if run.item.acts:
            # a late run that has begun and is not queued is one that waits for this one
            for other in self._runs.values():
                if other.queued or (other.begun and not other.late):
                    other.future.result()
        with self._lock:
            self._enqueue(run)
        run.future.result()

    def _look_after(self, run: _Run) -> None:
        item = run.item
        try:
            with self._turnstile(exclusive=item.acts):
                limit = item.timeout + GRACE + (item.eventually.within + item.timeout if item.eventually else 0.0)
                self._watchdog.watch(run, limit)
                finding = self._judge(run)
        except Exception as error:  # noqa: BLE001 - a bug of ours must come out as an error of the item, not as a lost item
            broke = f"the trial broke: {type(error).__name__}: {error}"
            self._show(run, ProbeError(broke, hint="this is a fault of the gate: please report it"))
            finding = Finding(item=item.id, outcome=Outcome.ERROR, reason=broke)
        _settle(run.future, finding)

    def _judge(self, run: _Run) -> Finding:
        item = run.item
        hindrance = self._hindrance(run)
        if hindrance:
            return Finding(item=item.id, outcome=Outcome.BLOCKED, reason=hindrance)
        parts = frozenset(self._named(probes.parts(item.probe)))
        if parts:
            seen = {need: self._runs[need].future.result().outcome for need in run.needs if need in parts}
            evidence = Evidence(facts=probes.composed(item.probe, seen), began=self._around.now(), seconds=0.0)
            finding = self._conclude(item, evidence)
        elif item.eventually is None:
            finding = self._conclude(item, self._sight(run))
        else:
            finding = self._repeatedly(item)
        if revoking := self._named(probes.revoking(item.probe)):
            finding = revoked(finding, {name: self._runs[name].future.result() for name in revoking})
        if item.window is None:
            return finding
        return watched(finding, item.window, self._around.activated, self._around.now())

    def _named(self, names: Iterable[str]) -> list[str]:
        """The ids of all instances of these declared items."""
        return [identity for name in names for identity in self._instances.get(name, ())]

    def _hindrance(self, run: _Run) -> str:
        """The first requirement that did not pass, in words; empty if all passed."""
        required = set(self._named(run.item.requires))
        for need in run.needs:
            outcome = self._runs[need].future.result().outcome if need in required else Outcome.PASSED
            if outcome is not Outcome.PASSED:
                return f"needs {need}, which is {outcome}"
        return ""

    def _deadline(self, seconds: float) -> float:
        return time.monotonic() + seconds

    def _sight(self, run: _Run) -> Sight:
        """What is seen for a run: by a look of its own, or by the one that it shares."""
        if run.look is None:
            return self._looked(run.item, self._deadline(run.item.timeout))
        if run.look.sight is None:
            self._show(run, self._looked(run.item, self._deadline(run.item.timeout)))
        sight = run.look.sight
        assert sight is not None
        return sight

    def _show(self, run: _Run, sight: Sight) -> None:
        """Let everybody go who waits for the look of this run."""
        if run.look is not None:
            with self._lock:
                for other in run.look.show(sight):
                    self._lanes[probes.lane(other.item.probe)].put(other)

    def _looked(self, item: Item, deadline: float) -> Sight:
        around = self._around
        context = Context(root=around.root, environ=around.environ, now=around.now, deadline=deadline, witnesses=around.witnesses)
        try:
            return probes.observe(item.probe, context, around.redactor)
        except ProbeError as error:
            return error

    def _repeatedly(self, item: Item) -> Finding:
        """Look until it held `stable_for` times in a row, or the time is over; the last look is the finding."""
        assert item.eventually is not None
        again = item.eventually
        end = self._deadline(again.within)
        history: list[Attempt] = []
        row = 0
        while True:
            at = self._around.now()
            finding = self._conclude(item, self._looked(item, min(self._deadline(item.timeout), end + item.timeout)))
            history.append(Attempt(at=at, outcome=finding.outcome, reason=finding.reason))
            row = row + 1 if finding.outcome is Outcome.PASSED else 0
            if row >= again.stable_for:
                return _with_history(finding, history)
            if time.monotonic() + again.every > end:
                break
            time.sleep(again.every)
        outcome = finding.outcome if finding.outcome is not Outcome.PASSED else Outcome.FAILED
        reason = finding.reason or f"held only {row} of {again.stable_for} times in a row"
        reason = f"{reason}, after {len(history)} looks within {again.within:g} s"
        return _with_history(
            Finding(item=item.id, outcome=outcome, reason=reason, checks=finding.checks, evidence=finding.evidence), history
        )

    def _conclude(self, item: Item, sight: Sight) -> Finding:
        if isinstance(sight, ProbeError):
            hint = f" ({sight.hint})" if sight.hint else ""
            return Finding(item=item.id, outcome=Outcome.ERROR, reason=sight.message + hint)
        # the moment of the look, not of the judging: a shared look may wait for a thread, and facts do not age by that
        judgement = item.expect.judge(sight.facts, sight.began + timedelta(seconds=sight.seconds))
        return Finding(
            item=item.id,
            outcome=judgement.outcome,
            reason=judgement.reason,
            checks=judgement.checks,
            evidence=sight,
        )

    def _give_up(self, run: _Run) -> None:
        late = ProbeError(
            f"timed out: the probe did not come back within {run.item.timeout:g} s", hint="see what hangs, or raise its timeout"
        )
        if _settle(run.future, Finding(item=run.item.id, outcome=Outcome.ERROR, reason=late.message)):
            self._show(run, late)
            with self._lock:
                self._lanes[probes.lane(run.item.probe)].widen()

    @contextlib.contextmanager
    def _turnstile(self, *, exclusive: bool) -> Iterator[None]:
        if self._around.turnstile is None:
            yield
            return
        import fcntl

        descriptor = os.open(self._around.turnstile, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)


def _patience(run: _Run) -> float:
    """Seconds that the item may take."""
    again = run.item.eventually
    return run.item.timeout + (again.within if again else 0.0)


def _settle(future: Future[Finding], finding: Finding) -> bool:
    """Set the result unless the watchdog was first; True if it was set."""
    try:
        future.set_result(finding)
    except InvalidStateError:
        return False
    return True


def _with_history(finding: Finding, history: Sequence[Attempt]) -> Finding:
    if finding.evidence is None:
        return finding
    return replace(
        finding, evidence=replace(finding.evidence, began=history[0].at, attempts=len(history), history=tuple(history))
    )
