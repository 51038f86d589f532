"""The release manifest: one small record of exactly what was tested, whose digest is the first subject of the evidence.

in-toto matches subjects one by one, so a commit and a configuration named separately would not bind their *combination*; one
record
that lists every digest does (`in-toto/attestation`, spec v1, on subjects).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from pytest_golive import canonical
from pytest_golive.guard.machine import machine_host
from pytest_golive.worktree import Tree


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a run was made with: commit and tree, the settings' bytes and what they came to mean, lists, and code of checks.

    `place` stands for machine and folder, so that evidence of one checkout is not that of another with the same bytes; `roster`
    is the digest of the roster of then, by which people's statements were judged.
    """

    tree: Tree
    environment: str
    config: str
    checklists: Mapping[str, str]
    resolved: str = ""
    place: str = ""
    roster: str = ""
    code: Mapping[str, str] = field(default_factory=dict)

    def as_fields(self) -> dict[str, Any]:
        """The manifest as the JSON object that is digested and signed."""
        return {
            "commit": self.tree.commit,
            "tree": self.tree.tree,
            "dirty": self.tree.dirty,
            "changes": self.tree.changes,
            "environment": self.environment,
            "config": self.config,
            "resolved": self.resolved,
            "place": self.place,
            "roster": self.roster,
            "checklists": dict(self.checklists),
            "code": dict(self.code),
        }

    @property
    def sha256(self) -> str:
        """The digest of the manifest's canonical JSON."""
        return canonical.digest(self.as_fields())


def place(root: Path) -> str:
    """The digest of this machine and this folder, which gives neither away."""
    return canonical.digest([machine_host() or socket.gethostname(), str(root.resolve())])
