"""YAML text to `Checklist`: every fault of a file at once, each with file, line, column and a did-you-mean.

A fault that the loader misses turns into a check of something else, so nothing is forgiven: unknown keys, kinds, operators and
variables, an empty `expect`, a list without a critical item, an id that is used twice. Several files are loaded together, because
ids and `requires` reach over all of them. `fields` are the keys of a file, `layers` the files that one is made of (its own and
those that it extends), `reader` binds what is written to the target, and `across` holds the lists together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_golive.checklist.across import hold_together
from pytest_golive.checklist.layers import LayerReader, relative
from pytest_golive.checklist.reader import Reader
from pytest_golive.errors import ChecklistError, Fault
from pytest_golive.model import Checklist

__all__ = ["find", "load"]


def load(
    paths: Sequence[Path], *, root: Path, variables: Mapping[str, Any], declared: Mapping[str, Any] | None = None
) -> tuple[Checklist, ...]:
    """The checklists of all files, bound to the target's variables; `ChecklistError` with every fault of every file.

    `root` is the folder that the paths in messages and reports start from. `declared` are the variables as they are written,
    before the environment's values were put in: what an item demands does not change with the port that its target has today.
    """
    if not paths:
        raise ChecklistError(
            [Fault(file=str(root), line=1, column=1, message="no checklist to load")], hint="name at least one under checklists:"
        )
    faults: list[Fault] = []
    checklists: list[Checklist] = []
    for path in paths:
        before = len(faults)
        shown = relative(path, root)
        layer = LayerReader(path, root, faults).read()
        if layer is None:
            continue
        checklist = Reader(file=shown, variables=variables, faults=faults, declared=declared).read(
            layer, sound=len(faults) == before
        )
        if checklist is not None:
            checklists.append(checklist)
    hold_together(checklists, faults, complete=len(checklists) == len(paths))
    if faults:
        raise ChecklistError(faults, hint="correct the lines above; `golive check` reads them again")
    return tuple(checklists)


def _matching(base: Path, pattern: str) -> list[Path]:
    if not any(letter in pattern for letter in "*?["):
        return [base] if base.is_file() else []
    anchor = Path(base.anchor)
    return sorted(path for path in anchor.glob(str(base.relative_to(anchor))) if path.is_file())


def find(patterns: Sequence[str], root: Path, file: str) -> tuple[Path, ...]:
    """The files that the patterns of `checklists:` name, in order; a pattern that matches nothing is a fault."""
    found: dict[Path, None] = {}
    faults: list[Fault] = []
    for pattern in patterns:
        try:
            matches = _matching(root / pattern, pattern)
            told = "" if matches else f"matches no file below {root}"
        except (OSError, ValueError, NotImplementedError) as error:
            matches, told = [], f"is no pattern for files: {error}"
        if told:
            faults.append(Fault(file=file, line=1, column=1, message=f"checklists: {pattern!r} {told}"))
        found.update(dict.fromkeys(match.resolve() for match in matches))
    if faults:
        raise ChecklistError(faults, hint="correct the pattern, or write the checklist")
    return tuple(found)
