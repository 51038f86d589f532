"""`python -m benchmarks.page`: the sign-off page of 5,000 and 10,000 items, written, verified and opened in a browser.

The page is one that the product wrote at the end of a run in which one item in fifty failed and one warning in five, so that it
has every section a reader meets.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import chromium, projects
from benchmarks.stopwatch import Broken, Command, run
from benchmarks.venvs import environments

SIZES = (5_000, 10_000)


def _spoiled(n: int) -> bool:
    return n % 50 in (7, 9)


def written(root: Path, count: int, python: Path, package: Path | None) -> tuple[projects.Project, Path]:
    """A project of so many items after its run, and the page that the run has left; `Broken` if it is not the page expected."""
    project = projects.cheap(root, count, package, spoiled=_spoiled)
    done = run(project.gate(python), cwd=project.root, environ=project.environ)
    if done.status != 1:
        raise Broken(f"exit status {done.status}, and not 1\n{done.out[-3000:]}")
    told = json.loads(project.summary.read_text(encoding="ascii"))
    failed = sum(one["outcome"] == "failed" for one in told["items"])
    if told["word"] != "NO-GO" or len(told["items"]) != count or failed != sum(map(_spoiled, range(count))):
        raise Broken(f"{told['word']}, {failed} of {len(told['items'])} failed")
    return project, Path(told["report"])


def measured(project: projects.Project, page: Path, python: Path, runs: int) -> dict[str, float]:
    """Medians of rendering and verifying, each run in a process of its own."""
    command: Command = [python, projects.INSIDE / "page_work.py", page]
    seen: list[dict[str, float]] = []
    for _ in range(runs):
        done = run(command, cwd=project.root, environ=project.environ)
        told = json.loads(done.out.splitlines()[-1]) if done.status == 0 else {}
        if told.get("items") != project.count:
            raise Broken(f"exit status {done.status}: {done.out[-3000:]}")
        seen.append(told)
    return {name: statistics.median(one[name] for one in seen) for name in seen[0]}


def opened(page: Path, runs: int) -> chromium.Loaded | None:
    """Medians of loading the page in a browser of this machine, if there is one."""
    path = chromium.found()
    if path is None:
        return None
    with chromium.browser(path) as browser:
        browser.load(page)
        loads = [browser.load(page) for _ in range(runs)]
    return chromium.Loaded(
        load=statistics.median(one.load for one in loads),
        interactive=statistics.median(one.interactive for one in loads),
        unfold=statistics.median(one.unfold for one in loads),
        nodes=loads[0].nodes,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both sizes, a line for each, and one line of figures at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description="The sign-off page of long lists.")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs and loads of each size (default: 5)")
    parser.add_argument("--package", type=Path, metavar="DIR", help="measure the pytest_golive in this folder, not the checkout")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where the virtual environments are kept")
    options = parser.parse_args(arguments)
    python = environments(options.cache).product
    package = options.package and options.package.resolve()
    runs = max(1, options.runs)
    figures: list[str] = []
    for count in SIZES:
        with tempfile.TemporaryDirectory(prefix="golive-bench-") as folder:
            try:
                project, page = written(Path(folder) / "project", count, python, package)
                told = measured(project, page, python, runs)
            except Broken as broken:
                print(f"{count} items: not measured: {broken}", file=sys.stderr)
                return 1
            loaded = opened(page, runs)
        print(
            f"{count:6,} items: {told['bytes'] / 1e6:.1f} MB, {told['beside'] / 1e6:.1f} MB of it beside the evidence; "
            f"render {told['cold']:.3f} s cold and {told['warm']:.3f} s again, "
            f"verify {told['verify']:.3f} s"
        )
        figures += [f"render{count}_s {told['cold']:.2f}", f"verify{count}_s {told['verify']:.2f}"]
        if loaded is None:
            print("        no Chromium on this machine: not opened")
            continue
        print(
            f"        load {loaded.load:.0f} ms, first frame after it {loaded.interactive:.0f} ms, "
            f"unfolding the passed items {loaded.unfold:.0f} ms, {loaded.nodes:,} elements"
        )
        figures.append(f"load{count}_ms {loaded.load:.0f}")
    print("page", *figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
