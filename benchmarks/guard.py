"""`python -m benchmarks.guard`: what an order pays for the guard, alone and beside threads that compute."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import projects
from benchmarks.stopwatch import Broken, Command, Run, run
from benchmarks.venvs import environments

STARTS = 15


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _ok(done: Run) -> Run:
    if done.status != 0:
        raise Broken(f"exit status {done.status}: {done.out[-3000:]}")
    return done


def _calls(python: Path, folder: Path, environ: Mapping[str, str], calls: int, rounds: int) -> str:
    """Measure the calls in a process of their own; the ratios.

    Whatever else the machine does can only add to a time, so the least of all loops and of all rounds is what a call costs.
    """
    command: Command = [python, projects.INSIDE / "guard_work.py", str(calls), str(rounds)]
    told = json.loads(_ok(run(command, cwd=folder, environ=environ)).out.splitlines()[-1])
    quiet = {name: min(loops) for name, loops in told["quiet"].items()}
    print(f"ns per call, quiet process, least of {len(told['quiet']['os.stat'])} loops; changes announced: {told['watched']}")
    for name, nanoseconds in quiet.items():
        print(f"  {name:40} {nanoseconds:7.0f}   {nanoseconds / quiet['os.stat']:5.2f} of os.stat")
    print(f"us of {calls} calls, one a millisecond, beside threads that compute: p99 of each round, and the best round")
    least: dict[tuple[str, str], float] = {}
    for name, seen in told["busy"].items():
        for threads, times in seen.items():
            p99s = [_percentile(one, 0.99) for one in times]
            least[name, threads] = min(p99s)
            best = times[p99s.index(min(p99s))]
            late = sum(one > 1000 for one in best)
            print(
                f"  {name:14} {threads} threads: p99 {' '.join(f'{one:.0f}' for one in p99s)}; best round: median "
                f"{_percentile(best, 0.5):.1f}  p99 {min(p99s):.1f}  worst {best[-1]:.1f}  over 1 ms {late}"
            )
    p99 = max(least["guard.allows", threads] for threads in ("1", "2"))
    ours = quiet["guard.allows"]
    return (
        f"guard/os.stat {ours / quiet['os.stat']:.2f} "
        f"guard/Path.exists {ours / quiet['Path.exists, made each time']:.2f} p99_us {p99:.0f}"
    )


def _starts(python: Path, folder: Path, environ: Mapping[str, str]) -> None:
    """How long it takes until the guard is imported, and until `golive status` has answered."""
    golive = python.with_name("golive")
    commands: Mapping[str, Command] = {
        "python -c pass": [python, "-c", "pass"],
        "import pytest_golive.guard": [python, "-c", "import pytest_golive.guard"],
        "golive status": [golive, "status"],
    }
    seen: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(STARTS):
        for name, command in commands.items():
            seen[name].append(_ok(run(command, cwd=folder, environ=environ)).wall * 1000)
    nothing = statistics.median(seen["python -c pass"])
    imported = statistics.median(b - a for a, b in zip(seen["python -c pass"], seen["import pytest_golive.guard"], strict=True))
    status = statistics.median(seen["golive status"])
    print("ms, whole processes")
    print(f"  python -c pass {nothing:.1f}, import of the guard adds {imported:.1f}, golive status {status:.1f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print one line of ratios at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description="What an order pays for the guard.")
    parser.add_argument("--calls", type=int, default=1_000, metavar="N", help="paced calls of each measurement (default: 1000)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often the paced calls are measured (default: 5)")
    parser.add_argument("--package", type=Path, metavar="DIR", help="measure the pytest_golive in this folder, not the checkout")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where the virtual environments are kept")
    options = parser.parse_args(arguments)
    python = environments(options.cache).product
    package = options.package and options.package.resolve()
    with tempfile.TemporaryDirectory(prefix="golive-bench-") as folder:
        project = projects.cheap(Path(folder) / "project", 10, package)
        print("load average " + " ".join(f"{load:.1f}" for load in os.getloadavg()))
        try:
            _ok(run(project.gate(python), cwd=project.root, environ=project.environ))
            _starts(python, project.root, project.environ)
            ratios = _calls(python, project.root, project.environ, max(100, options.calls), max(1, options.rounds))
        except Broken as broken:
            print(f"not measured: {broken}", file=sys.stderr)
            return 1
    print(ratios)
    return 0


if __name__ == "__main__":
    sys.exit(main())
