"""The drill of a whole run: what its findings prove, and which of them prove nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

from pytest_golive.drill import Proof, prove
from pytest_golive.expect import Expectation
from pytest_golive.model import Evidence, Finding, Item, Outcome


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """The proof of each item that could be drilled, and why the others could not, both by the item's id."""

    proofs: Mapping[str, Proof]
    undrilled: Mapping[str, str]

    @property
    def operators(self) -> int:
        """How many operators were held against changed values."""
        return sum(len(proof.lines) for proof in self.proofs.values())

    @property
    def faults(self) -> Sequence[tuple[str, str]]:
        """The id of each item that proves nothing somewhere, with what nothing could break."""
        found = []
        for identity, proof in self.proofs.items():
            found += [(identity, f"{line.path}: {line.wanted}: holds of everything") for line in proof.unbroken]
            found += [(identity, f"{name}: can be missing, and nobody notices") for name in proof.unnoticed]
        return found

    @property
    def holds(self) -> bool:
        """Whether there was something to drill, and all of it can fail."""
        return bool(self.proofs) and not self.faults and not self.undrilled


def over(items: Sequence[Item], findings: Mapping[str, Finding]) -> Drilled:
    """Drill every item; only one that passed, with evidence, can be."""
    proofs: dict[str, Proof] = {}
    undrilled: dict[str, str] = {}
    for item in items:
        finding = findings.get(item.id)
        if finding is None:
            undrilled[item.id] = "it did not run"
        elif finding.outcome not in (Outcome.PASSED, Outcome.PENDING) or finding.evidence is None:
            undrilled[item.id] = f"it is {finding.outcome}: {finding.reason}"
        elif not isinstance(item.expect, Expectation):
            undrilled[item.id] = f"its expectation is a {type(item.expect).__name__}, which cannot be taken apart"
        else:
            try:
                proofs[item.id] = prove(item.expect, finding.evidence.facts, _judged_at(finding.evidence))
            except ValueError as error:
                undrilled[item.id] = f"it cannot be judged again: {error}"
    return Drilled(proofs=proofs, undrilled=undrilled)


def _judged_at(evidence: Evidence) -> datetime:
    last = evidence.history[-1].at if evidence.history else evidence.began
    return last + timedelta(seconds=evidence.seconds)
