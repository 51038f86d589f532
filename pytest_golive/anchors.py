"""What others hold of the journal: heads quoted in signed pages, in the marker, in checkpoints, and counters that were spent.

A chain shows edits, and cannot show that its newest records were cut off, or that all of it was replaced by an older copy.
Whoever keeps a paper that quotes a record can: the record is there, or it was taken away. Only papers that a trusted key signed
are asked, because anybody can write down a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import final

from pytest_golive import canonical
from pytest_golive.errors import EnvelopeRejected, JournalError, ReportRejected
from pytest_golive.events import ACTIVATED, RUN
from pytest_golive.guard import marker as markers
from pytest_golive.journal import ORIGIN, Entry
from pytest_golive.quantities import spoken
from pytest_golive.report import extract
from pytest_golive.signing import dsse
from pytest_golive.signing.keys import PublicKey, Signer

CHECKPOINT_TYPE = "application/vnd.pytest-golive.checkpoint.v1+json"
SKEW = timedelta(minutes=1)
"""A record is dated with the moment of what it tells, which may lie this long before the moment at which it was written."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What one paper says must be in the journal; what it does not speak of is empty, or 0.

    `head` is the digest of a record, `seq` the number of that record, `origin` the digest of the first record, `run` the digest
    of the evidence that a record of a run must name, and `counter` the highest counter of an activation.
    """

    where: str
    head: str = ""
    seq: int = 0
    origin: str = ""
    run: str = ""
    counter: int = 0


def of_page(where: str, page: bytes, keys: Sequence[PublicKey]) -> Anchor:
    """What a sign-off page quotes: the head before its run, and its own run; ReportRejected if no trusted key signed it."""
    try:
        opened = dsse.open_envelope(extract(page).envelope, keys)
        head = dsse.strict_json(opened.payload)["predicate"]["golive"]["journal_head"]
    except EnvelopeRejected as error:
        raise ReportRejected(error.message, hint=error.hint) from None
    except (KeyError, TypeError):
        head = None
    if not _is_digest(head):
        raise ReportRejected("its evidence quotes no head of a journal", hint="name a page that a run has left behind")
    return Anchor(where=where, head="" if head == ORIGIN else head, run=canonical.sha256(opened.payload))


def of_marker(where: str, content: bytes, keys: Sequence[PublicKey]) -> Anchor:
    """What a marker quotes: the record of its own activation; MarkerRejected if no trusted key signed it."""
    marker = markers.parse(content, keys)
    return Anchor(where=where, head=marker.journal_head, counter=marker.counter)


def checkpoint(entries: Sequence[Entry], signer: Signer) -> str:
    """A signed line that says how long the journal was and what its newest record; JournalError if there is none.

    `origin` is the digest of the first record, so that a checkpoint of another journal is told apart from a cut one.
    """
    if not entries:
        raise JournalError("there is no record to vouch for", hint="run pytest --golive first")
    body = {"head": entries[-1].hash, "origin": entries[0].hash, "schema": 1, "size": len(entries)}
    return dsse.sign(canonical.dumps(body), signer, CHECKPOINT_TYPE)


def of_checkpoint(where: str, line: str | bytes, keys: Sequence[PublicKey]) -> Anchor:
    """What a checkpoint vouches for; EnvelopeRejected if no trusted key signed it, or it is not written as one."""
    body = dsse.strict_json(dsse.open_envelope(line, keys, CHECKPOINT_TYPE).payload)
    if (
        not isinstance(body, dict)
        or set(body) != {"head", "origin", "schema", "size"}
        or type(body["schema"]) is not int
        or body["schema"] != 1
        or type(body["size"]) is not int
        or body["size"] < 1
        or not (_is_digest(body["head"]) and _is_digest(body["origin"]))
    ):
        raise EnvelopeRejected("this is no checkpoint of schema 1", hint="make one with: golive journal checkpoint")
    return Anchor(where=where, head=body["head"], seq=body["size"], origin=body["origin"])


def missing(entries: Sequence[Entry], anchors: Iterable[Anchor]) -> list[str]:
    """A sentence for everything that a paper quotes and the journal does not hold; none if all of it is there."""
    numbers = {entry.hash: entry.seq for entry in entries}
    runs = {entry.detail.get("evidence") for entry in entries if entry.event == RUN}
    counters = [entry.detail.get("counter") for entry in entries if entry.event == ACTIVATED]
    highest = max((counter for counter in counters if type(counter) is int), default=0)
    told = []
    for one in anchors:
        if one.origin and (not entries or entries[0].hash != one.origin):
            told.append(f"{one.where} vouches for another journal: its first record is {one.origin[:12]}…")
        elif one.head and one.head not in numbers:
            number = f"number {one.seq}, " if one.seq else ""
            told.append(f"{one.where} quotes the record {number}{one.head[:12]}…, and it is not there")
        elif one.seq and numbers[one.head] != one.seq:
            told.append(
                f"{one.where} quotes the record {one.head[:12]}… as number {one.seq}, and it is number {numbers[one.head]}"
            )
        elif one.run and one.run not in runs:
            told.append(f"{one.where} is the page of the run {one.run[:12]}…, and no record tells of that run")
        elif one.counter > highest:
            told.append(f"{one.where} knows activation {one.counter}, and the newest on record is {highest}")
    return told


def clock_faults(entries: Iterable[Entry], now: datetime) -> list[str]:
    """A sentence for each place where time goes back, and one if the newest record lies in the future.

    The order of the records is that of their numbers; a clock that was set back changes nothing in it, and may hide when
    something happened.
    """
    told, last = [], None
    for entry in entries:
        if last is not None and entry.at < last.at - SKEW:
            told.append(f"the clock was set back by {_span(last.at - entry.at)} between the records {last.seq} and {entry.seq}")
        last = entry
    if last is not None and last.at > now + SKEW:
        told.append(f"record {last.seq} is dated {_span(last.at - now.astimezone(UTC))} ahead of the clock of this machine")
    return told


def _span(length: timedelta) -> str:
    return spoken(Decimal(length // timedelta(milliseconds=1)) / 1000)


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
