"""The deciding run before this one: found in the journal, read from its page, and believed only as what was signed.

The journal names the run and the digest of its statement; the page holds the statement. A page that is gone, altered, or signed
by a key that does not count here is told as that: a comparison with what somebody put there would be worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pytest_golive import canonical, events, report
from pytest_golive.comparison import Earlier
from pytest_golive.errors import TrustError
from pytest_golive.journal import Entry
from pytest_golive.signing import dsse
from pytest_golive.signing.keys import PublicKey


def newest(entries: Iterable[Entry], keys: Sequence[PublicKey], *, target: str, environment: str) -> Earlier | None:
    """The newest run of this target and environment that decided; None if there was none."""
    found = None
    for entry in entries:
        if entry.event == events.RUN and entry.detail.get("decides"):
            # a record that does not name its place is held against its statement below
            place = (entry.detail.get("target", target), entry.detail.get("environment", environment))
            if place == (target, environment):
                found = entry
    if found is None:
        return None
    earlier = _read(found, keys)
    if earlier.statement is not None:
        told = earlier.statement["predicate"]["golive"]["target"]
        if (told["name"], told["environment"]) != (target, environment):
            return None
    return earlier


def _read(entry: Entry, keys: Sequence[PublicKey]) -> Earlier:
    word, evidence = str(entry.detail.get("word", "")), str(entry.detail.get("evidence", ""))
    page = Path(str(entry.detail.get("report", "")))
    statement, lost = None, ""
    try:
        with page.open("rb") as stream:
            content = stream.read(report.MAX_PAGE + 1)
        payload = dsse.open_envelope(report.extract(content).envelope, keys).payload
        if canonical.sha256(payload) != evidence:
            raise ValueError("its page holds another statement than the journal names")
        statement = _statement(payload)
    except FileNotFoundError:
        lost = f"its page {page} is gone"
    except OSError as error:
        lost = f"its page {page} cannot be read: {error.strerror}"
    except (TrustError, ValueError) as error:
        lost = f"its page {page} is not to be believed: {getattr(error, 'message', error)}"
    return Earlier(word=word, at=entry.at, evidence=evidence, statement=statement, lost=lost)


def _statement(payload: bytes) -> dict[str, Any]:
    """The verified bytes as a statement; ValueError for one that does not have the parts that are compared."""
    statement = dsse.strict_json(payload)
    try:
        golive = statement["predicate"]["golive"]
        whole = {
            "configuration": [(one["name"], one["digest"]["sha256"]) for one in statement["predicate"]["configuration"]],
            "checklists": [(one["name"], one["path"]) for one in golive["checklists"]],
            "items": [(one["id"], one["title"], one["verdict"]) for one in golive["items"]],
            "run": (golive["run"]["id"], sorted(golive["run"]["phases"]), golive["decision"]["at"]),
            "place": (golive["target"]["name"], golive["target"]["environment"]),
        }
    except (LookupError, TypeError, AttributeError):
        raise ValueError("its statement has another shape than this version reads") from None
    if not whole["items"]:
        raise ValueError("its statement names no item")
    made: dict[str, Any] = statement
    return made
