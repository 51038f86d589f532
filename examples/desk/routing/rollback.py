"""The two ways back, as commands: `python -m examples.desk.routing.rollback paper FOLDER` and `… restore BACKUP FOLDER`.

The first changes two lines of FOLDER/.env and keeps all others, and the file as it was. The second puts a backup in the place of
what is installed, but only one that is whole: every file that its manifest names, with the digest that stands there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

PAPER: Mapping[str, str] = {"TRADING_MODE": "PAPER", "ENABLE_PAPER_TRADING": "True"}
MANIFEST = "MANIFEST.json"


class RollbackError(Exception):
    """A way back that is none."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 if it is done, 1 if nothing was changed; what was done stands on the standard output as JSON."""
    parser = argparse.ArgumentParser(prog="python -m examples.desk.routing.rollback", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    paper = commands.add_parser("paper", help="set the two switches of .env to PAPER")
    paper.add_argument("folder", type=Path)
    back = commands.add_parser("restore", help="put a backup in place")
    back.add_argument("backup", type=Path)
    back.add_argument("folder", type=Path)
    told = parser.parse_args(arguments)
    try:
        done = {"kept": str(to_paper(told.folder))} if told.command == "paper" else restore(told.backup, told.folder)
    except (RollbackError, OSError) as error:
        print(f"rollback: {error}", file=sys.stderr)
        return 1
    print(json.dumps(done))
    return 0


def to_paper(folder: Path, *, keep: bool = True) -> Path:
    """Switch FOLDER/.env to PAPER; the file that holds what was there before."""
    path = folder / ".env"
    lines = path.read_text(encoding="utf-8").splitlines()
    before = folder / f".env.before-{datetime.now(UTC).strftime('%Y%m%d_%H%M%S_%f')}"
    if keep:
        shutil.copyfile(path, before)
        before.chmod(0o600)
    missing = dict(PAPER)
    for number, line in enumerate(lines):
        name = line.partition("=")[0]
        if name in PAPER:
            lines[number] = f"{name}={PAPER[name]}"
            missing.pop(name, None)
    lines += [f"{name}={value}" for name, value in missing.items()]
    new = folder / ".env.new"
    new.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    new.chmod(0o600)
    os.replace(new, path)
    return before


def restore(backup: Path, folder: Path) -> Mapping[str, object]:
    """Put the backup in the place of FOLDER, dotfiles too; FOLDER as it was lies beside it. RollbackError if it is not whole."""
    if not (backup / MANIFEST).is_file():
        raise RollbackError(f"{backup} is no backup: it has no {MANIFEST}")
    told = json.loads((backup / MANIFEST).read_text(encoding="utf-8"))
    files: Mapping[str, str] = told["files"]
    broken = [name for name, digest in files.items() if not (backup / name).is_file() or _digest(backup / name) != digest]
    if broken or not files:
        raise RollbackError(f"{backup} is not whole: {', '.join(broken) or 'it holds nothing'}")
    new = folder.with_name(f"{folder.name}.new")
    aside = folder.with_name(f"{folder.name}.before-{datetime.now(UTC).strftime('%Y%m%d_%H%M%S_%f')}")
    shutil.copytree(backup, new, ignore=shutil.ignore_patterns(MANIFEST))
    if folder.exists():
        folder.rename(aside)
    new.rename(folder)
    return {"commit": told["commit"], "files": len(files), "aside": str(aside)}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
