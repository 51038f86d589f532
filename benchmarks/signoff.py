"""`python -m benchmarks.signoff`: what a person waits for who approves a page, and what anybody waits for who verifies it.

Both are whole processes, from the command to its end. Each approval signs the unsigned page anew, with a key of a file, and
counts only if `golive verify` then finds the signatures, the quorum and every byte in order.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import projects
from benchmarks.stopwatch import Broken, Command, Contender, Measured, Run, round_robin, run
from benchmarks.venvs import environments

SIZES = (100, 5_000)

ROSTER = """\
version = 1
roles = ["qa"]

[persons.ann]
name = "Ann Example"
roles = ["qa"]
keys = [{{key = "{line}"}}]

[quorum.production]
persons = 1
roles = {{qa = 1}}
"""


def measured(root: Path, count: int, python: Path, package: Path | None, runs: int) -> dict[str, Measured]:
    """Approving and verifying a page of so many items; `Broken` if one of them did not do it."""
    project = projects.cheap(root, count, package)
    key = root / "home" / "ann"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    kind, text = key.with_suffix(".pub").read_text(encoding="ascii").split()[:2]
    (root / "golive.roster.toml").write_text(ROSTER.format(line=f"{kind} {text}"), encoding="ascii")
    _whole(run(project.gate(python), cwd=root, environ=project.environ))
    page = Path(json.loads(project.summary.read_text(encoding="ascii"))["report"])
    unsigned = page.read_bytes()
    golive: Command = [python, "-m", "pytest_golive.cli"]

    def signed(done: Run) -> None:
        _whole(done)
        if page.read_bytes() == unsigned:
            raise Broken("nothing was signed")

    def contender(name: str, *words: str | Path) -> Contender:
        command = [*golive, name, page, *words]
        return Contender(name=name, command=command, cwd=root, environ=project.environ, check=_whole)

    approve = contender("approve", "--role", "qa", "--key", key, "--yes")
    approve = replace(approve, check=signed, prepare=lambda: _restore(page, unsigned))
    return round_robin([approve, contender("verify")], runs)


def _restore(page: Path, content: bytes) -> None:
    page.write_bytes(content)


def _whole(done: Run) -> None:
    if done.status != 0:
        raise Broken(f"exit status {done.status}: {done.out[-3000:]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both sizes, a line for each, and one line of figures at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signoff", description="Approving and verifying a page.")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs of each command (default: 5)")
    parser.add_argument("--package", type=Path, metavar="DIR", help="measure the pytest_golive in this folder, not the checkout")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where the virtual environments are kept")
    options = parser.parse_args(arguments)
    if shutil.which("ssh-keygen") is None:
        print("not measured: ssh-keygen is not installed", file=sys.stderr)
        return 1
    python = environments(options.cache).product
    figures: list[str] = []
    for count in SIZES:
        with tempfile.TemporaryDirectory(prefix="golive-bench-") as folder:
            try:
                package = options.package and options.package.resolve()
                told = measured(Path(folder) / "project", count, python, package, max(1, options.runs))
            except Broken as broken:
                print(f"{count} items: not measured: {broken}", file=sys.stderr)
                return 1
        print(f"{count:,} items")
        for one in told.values():
            print(one.line())
            figures.append(f"{one.name}{count}_s {one.wall:.2f}")
    print("signoff", *figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
