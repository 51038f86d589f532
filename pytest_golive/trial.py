"""The engine of a run: every read-only probe starts at once, acting ones go one at a time, each item ends by its deadline.

The trial knows items and findings and nothing of pytest: a runner tells which items to begin, then asks for each finding in the
order in which it wants to report. What an item requires is looked at as well, whether or not the runner asked for it, so that a
selected item is never judged on half of the truth. A probe that does not come back is given up by a watchdog; its thread is a
daemon and cannot hold up the end of the process.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import final

from pytest_golive import probes
from pytest_golive.errors import ProbeError
from pytest_golive.model import Attempt, Context, Evidence, Finding, Item, Judgement, Outcome
from pytest_golive.redaction import Redactor

DEFAULT_JOBS = 300
LOCAL_JOBS = 4
"""Threads for probes that only read this machine's files: they do not wait, so more threads would only get in each other's
way.
"""

PROCESS_JOBS = max(4, 4 * (os.cpu_count() or 1))
"""Threads for probes that start a process each: hundreds of them at once would be a load on the machine that is being checked."""

GRACE = 3.0
"""Seconds that a probe may overrun its deadline before the watchdog gives it up."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a trial is bound to: the root of relative paths, the environment, the clock, the redactor, what is allowed.

    `turnstile` is a lock file shared by several processes (pytest-xdist): reads pass it together, an acting item alone.
    """

    root: Path
    environ: Mapping[str, str]
    now: Callable[[], datetime]
    redactor: Redactor
    allow_acting: bool = False
    jobs: int = DEFAULT_JOBS
    turnstile: Path | None = None


@final
@dataclass(slots=True)
class _Run:
    """One item on its way: what it needs, and where its finding will be.

    A run is *late* if it acts on the target or rests on an item that does: then it starts only when it is asked for.
    """

    item: Item
    needs: tuple[str, ...]
    late: bool = False
    begun: bool = False
    queued: bool = False
    waiting: int = 0
    future: Future[Finding] = field(default_factory=Future)


@final
class _Lane:
    """A queue with at most `width` daemon threads, made as work comes in."""

    def __init__(self, name: str, width: int, work: Callable[[_Run], None]) -> None:
        self._name = name
        self._width = width
        self._work = work
        self._queue: queue.SimpleQueue[_Run | None] = queue.SimpleQueue()
        self._threads = 0

    def put(self, run: _Run) -> None:
        """Queue a run; the caller holds the trial's lock."""
        self._queue.put(run)
        if self._threads < self._width:
            self.widen()

    def widen(self) -> None:
        """One thread more: for new work, or in the place of one that hangs."""
        self._threads += 1
        threading.Thread(target=self._serve, name=f"golive-{self._name}-{self._threads}", daemon=True).start()

    def close(self) -> None:
        for _ in range(self._threads):
            self._queue.put(None)

    def _serve(self) -> None:
        while (run := self._queue.get()) is not None:
            self._work(run)


@final
class Trial:
    """Findings for items, computed side by side and handed out one by one."""

    def __init__(self, items: Sequence[Item], surroundings: Surroundings) -> None:
        self._around = surroundings
        self._instances: dict[str, list[str]] = {}
        for item in items:
            self._instances.setdefault(item.declared, []).append(item.id)
        self._runs: dict[str, _Run] = {}
        for item in items:
            names = (*item.requires, *probes.parts(item.probe))
            needs = tuple(dict.fromkeys(i for name in names for i in self._instances.get(name, ())))
            self._runs[item.id] = _Run(item=item, needs=needs, late=item.acts)
        self._spread_lateness()
        self._lock = threading.RLock()
        widths = {"remote": surroundings.jobs, "process": PROCESS_JOBS, "local": LOCAL_JOBS}
        self._lanes = {name: _Lane(name, min(width, surroundings.jobs), self._look_after) for name, width in widths.items()}
        self._watch: list[tuple[float, int, _Run]] = []
        self._watched = threading.Condition()
        self._watchdog: threading.Thread | None = None
        self._closed = False

    def begin(self, ids: Iterable[str]) -> None:
        """Start every read-only item among `ids` now, and what they require; late ones wait until they are asked for."""
        with self._lock:
            for identity in ids:
                run = self._runs[identity]
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

    def close(self) -> None:
        """Let the threads go; what still hangs is a daemon and ends with the process."""
        with self._watched:
            self._closed = True
            self._watched.notify_all()
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

    def _start(self, run: _Run) -> None:
        """Queue a read-only run as soon as everything it needs has a finding."""
        if run.begun:
            return
        run.begun = True
        for need in run.needs:
            self._start(self._runs[need])
        pending = [self._runs[need].future for need in run.needs if not self._runs[need].future.done()]
        run.waiting = len(pending)
        if not pending:
            self._enqueue(run)
        for future in pending:
            future.add_done_callback(lambda _: self._one_need_less(run))

    def _one_need_less(self, run: _Run) -> None:
        with self._lock:
            run.waiting -= 1
            if run.waiting == 0:
                self._enqueue(run)

    def _enqueue(self, run: _Run) -> None:
        run.queued = True
        self._lane(run).put(run)

    def _lane(self, run: _Run) -> _Lane:
        return self._lanes[probes.lane(run.item.probe)]

    def _run_late(self, run: _Run) -> None:
        """Run an item that acts, or rests on one that does: with its needs met, and alone if it acts."""
        if run.begun:
            return
        run.begun = True
        if run.item.acts and not self._around.allow_acting:
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
        self._guard_time(run)
        try:
            with self._turnstile(exclusive=item.acts):
                finding = self._judge(item, run.needs)
        except Exception as error:  # noqa: BLE001 - a bug of ours must come out as an error of the item, not as a lost item
            finding = Finding(item=item.id, outcome=Outcome.ERROR, reason=f"the trial broke: {type(error).__name__}: {error}")
        _settle(run.future, finding)

    def _judge(self, item: Item, needs: Sequence[str]) -> Finding:
        seen = {need: self._runs[need].future.result() for need in needs}
        parts = frozenset(i for name in probes.parts(item.probe) for i in self._instances.get(name, ()))
        required = frozenset(i for name in item.requires for i in self._instances.get(name, ()))
        for need, finding in seen.items():
            if need in required and finding.outcome is not Outcome.PASSED:
                reason = f"needs {need}, which is {finding.outcome}"
                return Finding(item=item.id, outcome=Outcome.BLOCKED, reason=reason)
        if parts:
            began = self._around.now()
            facts = probes.composed(item.probe, {need: seen[need].outcome for need in seen if need in parts})
            evidence = Evidence(facts=facts, began=began, seconds=0.0)
            return self._conclude(item, evidence, item.expect.judge(facts, began))
        if item.eventually is None:
            return self._once(item, self._deadline(item.timeout))
        return self._repeatedly(item)

    def _deadline(self, seconds: float) -> float:
        return time.monotonic() + seconds

    def _once(self, item: Item, deadline: float) -> Finding:
        around = self._around
        context = Context(root=around.root, environ=around.environ, now=around.now, deadline=deadline)
        try:
            evidence = probes.observe(item.probe, context, around.redactor)
        except ProbeError as error:
            hint = f" ({error.hint})" if error.hint else ""
            return Finding(item=item.id, outcome=Outcome.ERROR, reason=error.message + hint)
        return self._conclude(item, evidence, item.expect.judge(evidence.facts, around.now()))

    def _repeatedly(self, item: Item) -> Finding:
        """Look until it held `stable_for` times in a row, or the time is over; the last look is the finding."""
        assert item.eventually is not None
        again = item.eventually
        end = self._deadline(again.within)
        history: list[Attempt] = []
        row = 0
        while True:
            at = self._around.now()
            finding = self._once(item, min(self._deadline(item.timeout), end + item.timeout))
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

    def _conclude(self, item: Item, evidence: Evidence, judgement: Judgement) -> Finding:
        return Finding(
            item=item.id,
            outcome=judgement.outcome,
            reason=judgement.reason,
            checks=judgement.checks,
            evidence=evidence,
        )

    def _guard_time(self, run: _Run) -> None:
        """Tell the watchdog when this run must have ended."""
        item = run.item
        limit = item.timeout + GRACE + (item.eventually.within + item.timeout if item.eventually else 0.0)
        with self._watched:
            heapq.heappush(self._watch, (time.monotonic() + limit, id(run), run))
            if self._watchdog is None:
                self._watchdog = threading.Thread(target=self._watch_over, name="golive-watchdog", daemon=True)
                self._watchdog.start()
            elif self._watch[0][2] is run:
                self._watched.notify()

    def _watch_over(self) -> None:
        while True:
            with self._watched:
                while self._watch and self._watch[0][2].future.done():
                    heapq.heappop(self._watch)
                if self._closed:
                    return
                if not self._watch:
                    self._watched.wait(1.0)
                    continue
                end, _, run = self._watch[0]
                left = end - time.monotonic()
                if left > 0:
                    self._watched.wait(min(left, 1.0))
                    continue
                heapq.heappop(self._watch)
            self._give_up(run)

    def _give_up(self, run: _Run) -> None:
        reason = f"timed out: the probe did not come back within {run.item.timeout:g} s"
        if _settle(run.future, Finding(item=run.item.id, outcome=Outcome.ERROR, reason=reason)):
            with self._lock:
                self._lane(run).widen()

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


def _settle(future: Future[Finding], finding: Finding) -> bool:
    """Set the result unless the watchdog was first; True if it was set."""
    try:
        future.set_result(finding)
    except InvalidStateError:
        return False
    return True


def _with_history(finding: Finding, history: Sequence[Attempt]) -> Finding:
    evidence = finding.evidence
    if evidence is not None:
        evidence = Evidence(
            facts=evidence.facts,
            began=history[0].at,
            seconds=evidence.seconds,
            attempts=len(history),
            history=tuple(history),
        )
    return Finding(item=finding.item, outcome=finding.outcome, reason=finding.reason, checks=finding.checks, evidence=evidence)
