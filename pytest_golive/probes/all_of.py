"""Parts that make a whole: other items, each of which must have run and passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts, Outcome
from pytest_golive.probes.base import Lane, Names, ProbeModel, distinct


class AllOf(ProbeModel):
    """Did all of these items run and pass?

    ```yaml
    all_of: {items: [nija-api-up, nija-broker-health]}
    expect: {passed: 3, of: 3}
    ```

    An item with `for_each` counts once for each of its instances. The list cannot be empty.

    Facts: `parts` (a list of `item` and `outcome`), `of` (how many), `ran` (came to an end: passed or failed), `passed`,
    `open` (ids of those that did not pass). A part that was not looked at has the outcome `not-run`.
    """

    word: ClassVar[str] = "all_of"
    lane: ClassVar[Lane] = "local"

    items: Annotated[Names, Field(min_length=1), AfterValidator(distinct)]

    def look(self, context: Context) -> Facts:
        raise ProbeError(
            "all_of has nothing to look at by itself", hint="it is judged by the trial, from the findings of its parts"
        )

    def facts(self, outcomes: Mapping[str, Outcome]) -> Facts:
        """The facts, from the outcome of each instance of the parts; a part of which nothing is known counts as not run."""
        seen: list[tuple[str, str]] = []
        for name in self.items:
            known = (item for item in outcomes if item == name or item.startswith(f"{name}["))
            instances = [(item, str(outcomes[item])) for item in known]
            seen += instances or [(name, str(Outcome.NOT_RUN))]
        words = [outcome for _, outcome in seen]
        return {
            "parts": [{"item": item, "outcome": outcome} for item, outcome in seen],
            "of": len(seen),
            "ran": sum(word in (Outcome.PASSED, Outcome.FAILED) for word in words),
            "passed": words.count(Outcome.PASSED),
            "open": [item for item, outcome in seen if outcome != Outcome.PASSED],
        }
