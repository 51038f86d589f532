"""What the commands about approvals share: whom they believe, and a report in words, taken from its signed payload."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_golive.approval import Policy, Standing
from pytest_golive.cli.shared import load_settings, settings_path, trusted_keys
from pytest_golive.cli.words import named, printable, say
from pytest_golive.errors import Misuse, RosterError

if TYPE_CHECKING:
    from pytest_golive.config import Settings
    from pytest_golive.signing.keys import PublicKey

MAX_ITEMS = 40
"""Items of one kind that are listed; the page has all of them."""


def keys_that_count(settings: Settings | None, files: list[str] | None = None) -> tuple[PublicKey, ...]:
    """The keys whose evidence is believed here; Misuse if there is none."""
    keys = trusted_keys(settings, files or [])
    if not keys:
        raise Misuse("no key is trusted here", hint="name them in golive.yaml (activation.trusted_keys)")
    return keys


def policy_here(options: argparse.Namespace, environment: str) -> tuple[Settings | None, Policy]:
    """The settings if there are any, and the policy of them, or of a roster that is named; without either nothing is demanded."""
    from pytest_golive.signing import roster
    from pytest_golive.signoff import policy_of

    named = options.config or os.environ.get("GOLIVE_CONFIG") or settings_path(options).exists()
    settings = load_settings(options) if named else None
    policy = (
        policy_of(settings) if settings else Policy(environment=environment, required=False, roster=None, at_most=timedelta.max)
    )
    if options.roster:
        try:
            found = roster.read(Path(options.roster))
        except RosterError as error:
            raise Misuse(error.message, hint=error.hint) from None
        policy = Policy(environment=policy.environment, required=policy.required, roster=found, at_most=policy.at_most)
    return settings, policy


def tell(lines: Iterable[str]) -> None:
    """Print what comes from a report or a person, with everything that cannot be seen spelled out."""
    for line in lines:
        say(printable(line))


def report_in_words(golive: Mapping[str, Any], evidence: str, now: datetime) -> Iterator[str]:
    """What is signed, as a person must read it before they do; `now` tells whether it is over."""
    decision, run, manifest = golive["decision"], golive["run"], golive["manifest"]
    items = golive["items"]
    demo = "   DEMO: this target trades no real money" if golive["target"]["demo"] else ""
    yield f"{decision['word']}   {golive['target']['name']}, {golive['target']['environment']}{demo}"
    yield from (f"  {reason}" for reason in decision["reasons"])
    for title, chosen in (
        ("Blocks", [item for item in items if item["verdict"] == "blocking"]),
        ("Warns", [item for item in items if item["verdict"] == "warned"]),
    ):
        yield from (f"  {title}: {item['title']}  [{item['id']}] {item['reason']}" for item in chosen[:MAX_ITEMS])
        if len(chosen) > MAX_ITEMS:
            yield f"  … and {len(chosen) - MAX_ITEMS} more; the page has all of them"
    for item in items:
        if item["waiver"]:
            waiver = item["waiver"]
            by = ", ".join(waiver["approved_by"])
            yield f"  Waived: {item['title']}  [{item['id']}] until {waiver['until']}, by {by}: {waiver['reason']}"
            yield f"          although {item['reason']}"
    for idle in golive.get("idle_waivers", ()):
        yield f"  Waiver without effect: [{idle['item']}] {idle['why']}"
    for notice in golive.get("notices", ()):
        yield f"  NOTICE: {notice['what']} at {notice['at']} {notice['by']} {notice['reason']}".rstrip()
    attested = sum(item["kind"] == "attestation" for item in items)
    yield f"  items     {len(items)}, of which {attested} rest on what people attest"
    dirty = {False: "clean", True: "NOT CLEAN: it differs from this commit"}.get(manifest["dirty"], "unknown")
    yield f"  commit    {manifest['commit'] or 'unknown'} ({dirty})"
    yield f"  made      {decision['at']} by {run['operator']} on {run['host']}"
    yield f"  valid     until {decision['valid_until']}{', and that is over' if is_over(golive, now) else ''}"
    yield f"  evidence  sha256:{evidence}"


def is_over(golive: Mapping[str, Any], now: datetime) -> bool:
    """Whether a report is older than it is valid."""
    return now >= datetime.fromisoformat(golive["decision"]["valid_until"])


def standing_in_words(standing: Standing, page: str) -> Iterator[str]:
    """Who has signed, what was rejected, and who is missing."""
    yield from _signed_in_words(standing)
    yield from open_in_words(standing, page)


def _signed_in_words(standing: Standing) -> Iterator[str]:
    for one in standing.believed:
        told = one.approval
        yield f"  signed    {one.who}: {told.meaning}"
        yield f"            {told.signed_at.isoformat()}, until {told.expires.isoformat()}"
        yield f"            {one.key.fingerprint} {one.key.kind}"
        if told.comment:
            yield f"            {told.comment}"
        if one.aside:
            yield f"            DOES NOT COUNT: {one.aside}"


def open_in_words(standing: Standing, page: str) -> Iterator[str]:
    """What was rejected, and who is missing."""
    for rejected in standing.rejected:
        yield f"  REJECTED  {rejected.who}: {rejected.reason} ({named(rejected.hint, page)})"
    for missing in standing.missing:
        could = f" ({', '.join(missing.candidates)})" if missing.candidates else " (nobody on the roster who may still sign)"
        yield f"  missing   {missing.words}{could}"
    yield from (f"  note      {note}" for note in standing.notes)
    if standing.trouble:
        yield f"  quorum    {standing.trouble}"


def now_utc() -> datetime:
    """This moment, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
