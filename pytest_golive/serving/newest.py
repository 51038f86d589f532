"""The newest sign-off page of the reports folder: found by the name of its folder, believed only if it verifies in every byte."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from pytest_golive import approval, approving, report
from pytest_golive.approval import Report
from pytest_golive.errors import GoliveError
from pytest_golive.serving.chain import identity_of
from pytest_golive.serving.kept import PATIENCE, Kept
from pytest_golive.signing.keys import PublicKey

FOLDER = re.compile(r"(\d{8}T\d{6}Z)-([a-z]+(?:-[a-z]+)*)(?:-(\d{1,3}))?")
"""The name of a report's folder: when it was decided, the word, and a number where a second had several."""
PAGE = "report.html"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page that stands in `folder`; `golive` is what was signed and `told` what approvals are counted for.

    `trouble` says why it is not to be believed, and then the rest is empty.
    """

    folder: str
    golive: Mapping[str, Any]
    told: Report | None
    approvals: tuple[str, ...]
    trouble: str


@final
class NewestPage:
    """Finds the newest page again and again, and verifies it once."""

    def __init__(self) -> None:
        self._kept: Kept[tuple[Path, Found]] = Kept()

    def read(self, reports: Path, keys: Sequence[PublicKey], patience: float = PATIENCE) -> tuple[Found | None, str]:
        """The newest page that has been verified, and the folder of a newer one that is still being verified, or empty."""
        path = newest(reports)
        if path is None:
            return None, ""
        identity = (path, identity_of(path), tuple(key.fingerprint for key in keys))
        held, current = self._kept.ask(identity, lambda _: (path, examine(path, keys)), patience)
        if held is None:
            return None, path.parent.name
        return held[1], "" if current else path.parent.name


def newest(reports: Path) -> Path | None:
    """The page of the newest run in this folder, by the names that runs give; None if there is none."""
    best: tuple[str, int, str] | None = None
    try:
        with os.scandir(reports) as entries:
            for entry in entries:
                match = FOLDER.fullmatch(entry.name)
                if match is None:
                    continue
                rank = (match[1], int(match[3] or 0), entry.name)
                if (best is None or rank > best) and os.path.lexists(os.path.join(entry.path, PAGE)):
                    best = rank
    except OSError:
        return None
    return None if best is None else reports / best[2] / PAGE


def examine(path: Path, keys: Sequence[PublicKey]) -> Found:
    """What one of `keys` signed and the page shows, or why that cannot be told."""
    try:
        verified = report.verify(approving.read(path), keys)
        told = approval.report_of(
            verified.payload,
            evidence=verified.payload_sha256,
            presentation=verified.presentation_sha256,
            signers=verified.keyids,
        )
        golive = verified.payload["predicate"]["golive"]
        return Found(folder=path.parent.name, golive=golive, told=told, approvals=verified.approvals, trouble="")
    except GoliveError as error:
        trouble = error.message
    except OSError as error:
        trouble = f"it cannot be read: {error.strerror or error}"
    except (LookupError, TypeError, ValueError) as error:
        trouble = f"it is no go-live report: {type(error).__name__}"
    return Found(folder=path.parent.name, golive={}, told=None, approvals=(), trouble=trouble)
