"""Every error of the product, in one tree, each with a hint: what to do next.

The tree is split by whose fault it is, because that decides what the reader must do::

    GoliveError
    ├── Misuse                 the user's files or options are wrong; told in one line, no traceback
    │   └── FaultyFile         a file with faults, all of them told at once
    │       ├── ConfigError    golive.yaml
    │       ├── RosterError    golive.roster.toml
    │       └── ChecklistError a checklist
    ├── ProbeError             the target could not be checked: outcome `error`, never a pass
    │   └── MissingExtra       an optional client library is not installed
    ├── TrustError             something signed is not to be believed
    │   ├── KeyRefused         a key that is weak, unreadable or unknown
    │   ├── EnvelopeRejected   a DSSE envelope that does not verify
    │   ├── StatementRejected  what a person signed and must not count
    │   │   ├── AttestationRejected  it does not answer what is asked
    │   │   ├── WaiverRejected       it excuses nothing
    │   │   └── ApprovalRejected     it approves nothing
    │   ├── ReportRejected     a sign-off page that does not verify
    │   └── MarkerRejected     a marker that does not verify
    ├── ActivationDenied       a check of the activation said no; no marker was written
    └── JournalError           the journal cannot be written, or its chain is broken
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


class GoliveError(Exception):
    """The root of the tree: a message for people, and a hint that says what to do next."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class Misuse(GoliveError):
    """The user's own files or options are wrong; shown as lines, never as a traceback."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """One thing wrong in a file, with the place where an editor should jump to (line and column count from 1)."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class FaultyFile(Misuse):
    """A file with one or more faults, all told at once so that one edit mends them all."""

    def __init__(self, faults: Sequence[Fault], *, hint: str = "") -> None:
        if not faults:
            raise ValueError("a faulty file needs at least one fault")
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults), hint=hint)

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class ConfigError(FaultyFile):
    """golive.yaml is missing, unreadable or malformed."""


class RosterError(FaultyFile):
    """golive.roster.toml is missing, unreadable or malformed."""


class ChecklistError(FaultyFile):
    """A checklist is missing, unreadable or malformed."""


class ProbeError(GoliveError):
    """The probe could not see what it was asked to look at; the item's outcome is `error`."""


class MissingExtra(ProbeError):
    """A declared item needs a client library that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"the package {package} is not installed", hint=f"pip install 'pytest-golive[{extra}]'")


class TrustError(GoliveError):
    """Something signed is not to be believed."""


class KeyRefused(TrustError):
    """A key is unreadable, of a kind that is not accepted, weak, or not trusted here."""


class EnvelopeRejected(TrustError):
    """A DSSE envelope is malformed, or no trusted key signed it."""


class StatementRejected(TrustError):
    """A person's statement is not signed by who it names, out of date, or about something else."""


class AttestationRejected(StatementRejected):
    """An attestation that does not answer what its item asks."""


class WaiverRejected(StatementRejected):
    """A waiver that must not excuse its item."""


class ApprovalRejected(StatementRejected):
    """An approval that must not count for this report."""


class ReportRejected(TrustError):
    """A sign-off page is malformed, altered, or not signed by a trusted key."""


class MarkerRejected(TrustError):
    """A marker is malformed, altered, out of date, or meant for another place."""


class ActivationDenied(GoliveError):
    """One of the activation checks said no; nothing was written."""


class JournalError(GoliveError):
    """The journal cannot be written, or its chain of hashes is broken."""
