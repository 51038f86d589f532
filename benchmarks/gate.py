"""`python -m benchmarks.gate`: the product beside its rivals in one run; ends with one line of ratios.

Every run of the product is the full product: evidence, judgement, signature, page, journal and marker, and each is held against
what it must have done, so that nothing is fast by doing nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from benchmarks import projects
from benchmarks.stopwatch import Broken, Command, Contender, Measured, Run, round_robin, run
from benchmarks.venvs import Environments, environments, versions

HEAVY = ("cryptography", "jinja2", "pydantic", "requests", "sqlalchemy", "yaml")
"""What a plugin that nobody asked for must not import."""

WIDTHS = (8, 32)
"""Numbers of pytest-xdist's processes."""

PAIRS_PER_RUN = 8


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a case is measured with: both environments, a folder to work in, how often, and which copy of the product."""

    python: Environments
    folder: Path
    runs: int
    package: Path | None

    def place(self, name: str) -> Path:
        """A folder of its own for one project."""
        return self.folder / name


Figures = dict[str, str]


def _told(title: str, measured: Mapping[str, Measured]) -> None:
    print(f"\n{title}")
    for one in measured.values():
        print(one.line())


def _product(project: projects.Project, setting: Setting, name: str, also: Callable[[Run], None] | None = None) -> Contender:
    def check(done: Run) -> None:
        project.all_passed(done)
        if also is not None:
            also(done)

    return Contender(
        name=name,
        command=project.gate(setting.python.product),
        cwd=project.root,
        environ=project.environ,
        prepare=project.clear,
        check=check,
    )


def http(setting: Setting) -> Figures:
    """300 HTTP items at 100 ms against plain pytest, pytest-xdist and a bare pool; 3,000 against 300."""
    with projects.server(100) as server:
        small = projects.http(setting.place("http300"), 300, server.api, setting.package)
        large = projects.http(setting.place("http3000"), 3_000, server.api, setting.package)
        rivals = setting.python.rivals

        def answered(count: int) -> Callable[[Run], None]:
            def check(_: Run) -> None:
                if (served := server.served()) != count:
                    raise Broken(f"the server answered {served} checks, not {count}")

            return check

        def rival(name: str, *command: str | Path, most: int = 1_000) -> Contender:
            passed, served = projects.passed_by_pytest(300), answered(300)

            def check(done: Run) -> None:
                passed(done)
                served(done)

            return Contender(
                name=name,
                command=[rivals, *command],
                cwd=small.root,
                environ=small.environ,
                prepare=small.forget,
                check=check,
                most=most,
            )

        test = ("-m", "pytest", "-q", "test_http.py")
        measured = round_robin(
            [
                _product(small, setting, "product, 300", answered(300)),
                rival("thread pool without a runner, 300", projects.INSIDE / "pool.py"),
                *(rival(f"pytest-xdist -n {n}, 300", *test, "-n", str(n), most=3) for n in WIDTHS),
                rival("plain pytest with requests, 300", *test, most=2),
                _product(large, setting, "product, 3,000", answered(3_000)),
            ],
            setting.runs,
        )
        small.verified(setting.python.product)
    _told("HTTP items, each answered after 100 ms", measured)
    ours = measured["product, 300"].wall
    xdist = min(measured[f"pytest-xdist -n {n}, 300"].wall for n in WIDTHS)
    return {
        "http300_s": f"{ours:.2f}",
        "http300/plain": f"{ours / measured['plain pytest with requests, 300'].wall:.3f}",
        "http300/xdist": f"{ours / xdist:.2f}",
        "http300/pool": f"{ours / measured['thread pool without a runner, 300'].wall:.2f}",
        "http3000/http300": f"{measured['product, 3,000'].wall / ours:.1f}",
    }


def _cheap(setting: Setting, count: int) -> tuple[dict[str, Measured], str]:
    project = projects.cheap(setting.place(f"cheap{count}"), count, setting.package)
    passed = projects.passed_by_pytest(count)

    def rival(name: str, test: str, most: int = 1_000) -> Contender:
        command: Command = [setting.python.rivals, "-m", "pytest", "-q", "-p", "no:xdist", test]
        return Contender(
            name=name,
            command=command,
            cwd=project.root,
            environ=project.environ,
            prepare=project.forget,
            check=passed,
            most=most,
        )

    measured = round_robin(
        [
            _product(project, setting, "product"),
            rival("plain pytest, parametrized", "test_cheap.py"),
            rival("pytest-testinfra", "test_testinfra.py", most=2 if count > 1_000 else 1_000),
        ],
        setting.runs,
    )
    project.verified(setting.python.product)
    _told(f"{count:,} cheap items: a variable, the mode of a file", measured)
    return measured, f"{measured['product'].wall / measured['plain pytest, parametrized'].wall:.2f}"


def cheap1000(setting: Setting) -> Figures:
    """1,000 items that wait for nothing."""
    _, ratio = _cheap(setting, 1_000)
    return {"cheap1000/plain": ratio}


def cheap10000(setting: Setting) -> Figures:
    """10,000 items that wait for nothing, and the memory that they take."""
    measured, ratio = _cheap(setting, 10_000)
    testinfra = measured["product"].wall / measured["pytest-testinfra"].wall
    return {
        "cheap10000/plain": ratio,
        "cheap10000/testinfra": f"{testinfra:.2f}",
        "memory_MiB": f"{measured['product'].peak_mib:.0f}",
    }


def loading(setting: Setting) -> Figures:
    """Loading a list of 10,000 items in a process of its own."""
    project = projects.cheap(setting.place("loading"), 10_000, setting.package)
    seconds: list[float] = []

    def check(done: Run) -> None:
        told = json.loads(done.out.splitlines()[-1]) if done.status == 0 else {}
        if told.get("items") != project.count:
            raise Broken(f"exit status {done.status}, loaded {told}")
        seconds.append(told["seconds"])

    command: Command = [setting.python.product, projects.INSIDE / "loading.py"]
    loader = Contender(name="whole process, imports too", command=command, cwd=project.root, environ=project.environ, check=check)
    measured = round_robin([loader], setting.runs)
    size = sum(path.stat().st_size for path in (project.root / "checklists").iterdir())
    _told(f"Loading 10,000 items ({size / 1e6:.1f} MB of YAML)", measured)
    print(f"  of which the lists: {statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})")
    return {"load10000_s": f"{statistics.median(seconds):.2f}"}


def idle(setting: Setting) -> Figures:
    """What a pytest run of one test pays for the plugin that it did not ask for."""
    folder = setting.place("idle")
    folder.mkdir()
    (folder / "test_one.py").write_text("def test_one():\n    assert True\n", encoding="ascii")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="ascii")
    environ = projects.environment(folder / "home", setting.package)
    without = ["-p", "no:golive"]
    bare = [*without, "-p", "no:html", "-p", "no:metadata"]
    loaded = _modules(setting, folder, environ, []) - _modules(setting, folder, environ, without)
    passed = projects.passed_by_pytest(1)

    def contender(name: str, options: Sequence[str]) -> Contender:
        command: Command = [setting.python.product, "-m", "pytest", "-q", *options]
        return Contender(name=name, command=command, cwd=folder, environ=environ, check=passed)

    contenders = [contender("installed", []), contender("-p no:golive", without), contender("and no pytest-html", bare)]
    # who goes first in a round has the colder caches, so each goes first in its turn
    rounds = [round_robin(contenders[turn % 3 :] + contenders[: turn % 3], 1) for turn in range(PAIRS_PER_RUN * setting.runs)]
    differences = [one["installed"].wall - one["-p no:golive"].wall for one in rounds]
    whole = [one["installed"].wall - one["and no pytest-html"].wall for one in rounds]
    cost = statistics.median(differences) * 1000
    print("\nThe plugin installed, --golive not given (pytest with one test)")
    for one in contenders:
        print(f"  {one.name:34} {statistics.median(each[one.name].wall for each in rounds):8.3f} s")
    low, _, high = (quarter * 1000 for quarter in statistics.quantiles(differences, n=4))
    print(f"  difference of {len(rounds)} pairs: median {cost:.1f} ms, quartiles {low:.1f} and {high:.1f} ms")
    print(f"  with pytest-html, which comes along: {statistics.median(whole) * 1000:.0f} ms")
    print(f"  modules imported for it: {', '.join(sorted(loaded)) or 'none'}")
    heavy = sorted(name for name in loaded if name.partition(".")[0] in HEAVY)
    print(f"  heavy ones among them: {', '.join(heavy) or 'none'}")
    return {"idle_ms": f"{cost:.1f}"}


def _modules(setting: Setting, folder: Path, environ: Mapping[str, str], options: Sequence[str]) -> set[str]:
    command: Command = [setting.python.product, projects.INSIDE / "modules.py", "-q", *options]
    done = run(command, cwd=folder, environ=environ)
    if done.status != 0 or "1 passed" not in done.out:
        raise Broken(f"the list of modules: {done.out}")
    return set(json.loads(done.out.splitlines()[-1]))


CASES: Mapping[str, Callable[[Setting], Figures]] = {
    "idle": idle,
    "loading": loading,
    "cheap1000": cheap1000,
    "cheap10000": cheap10000,
    "http": http,
}

ORDER = (
    "http300_s",
    "http300/plain",
    "http300/xdist",
    "http300/pool",
    "http3000/http300",
    "cheap1000/plain",
    "cheap10000/plain",
    "cheap10000/testinfra",
    "load10000_s",
    "idle_ms",
    "memory_MiB",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and one line of ratios at the end; 1 if a contender did not do its work."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description="The gate beside its rivals.")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs of each contender (default: 5; slow ones less)")
    parser.add_argument("--quick", action="store_true", help="one run of each: for a look, not for a figure")
    parser.add_argument("--only", action="append", choices=CASES, metavar="NAME", help=f"one case of {', '.join(CASES)}")
    parser.add_argument("--package", type=Path, metavar="DIR", help="measure the pytest_golive in this folder, not the checkout")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where the virtual environments are kept")
    options = parser.parse_args(arguments)
    python = environments(options.cache)
    print(f"Python {sys.version.split()[0]}; product with {versions(python.product, 'pytest', 'pytest-golive')};", end=" ")
    print(f"rivals {versions(python.rivals, 'pytest', 'requests', 'pytest-xdist', 'pytest-testinfra')}")
    figures: Figures = {}
    package = options.package and options.package.resolve()
    for name, case in CASES.items():
        if options.only and name not in options.only:
            continue
        with tempfile.TemporaryDirectory(prefix="golive-bench-") as folder:
            setting = Setting(
                python=python, folder=Path(folder), runs=1 if options.quick else max(1, options.runs), package=package
            )
            try:
                figures |= case(setting)
            except Broken as broken:
                print(f"\n{name}: not measured, because the work was not done: {broken}", file=sys.stderr)
                return 1
    print()
    print("gate", *(f"{name} {figures[name]}" for name in ORDER if name in figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
