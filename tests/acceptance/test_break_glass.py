"""Breaking the glass: two persons, two roles, one hour at most, and nobody can overlook it afterwards."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import glass
from pytest_golive.errors import StatementRejected
from pytest_golive.journal import Journal
from pytest_golive.signing import roster as rosters
from pytest_golive.signing.key_files import file_key
from tests.acceptance.conftest import OPEN, item

REASON = "the list server is down and positions must be closed"
ROLES = {"ada": ["operations"], "ben": ["risk", "operations"], "cy": ["risk"]}


@pytest.fixture
def people(project: Any) -> dict[str, Path]:
    """Three persons with keys of their own, and a gate that says NO-GO."""
    keys, lines = {}, ["version = 1", 'roles = ["operations", "risk"]']
    for name, roles in ROLES.items():
        key = project.root / f"id_{name}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public = " ".join(Path(f"{key}.pub").read_text().split()[:2])
        held = ", ".join(f'"{role}"' for role in roles)
        lines += [f"[persons.{name}]", f'name = "{name.title()} Roe"', f"roles = [{held}]", f'keys = [{{ key = "{public}" }}]']
        keys[name] = key
    project.write("golive.roster.toml", "\n".join(lines) + "\n")
    project.settings(OPEN)
    project.checklist(item("one", probe="env: {name: ABSENT}"))
    return keys


def begin(project: Any, key: Path, *more: str) -> Any:
    return project.golive("break-glass", "--reason", REASON, "--key", str(key), "--yes", *more)


def identity(done: Any) -> str:
    found = re.search(r"golive break-glass (\S+)$", done.out, re.MULTILINE)
    assert found is not None, done.text
    return found[1]


def second(project: Any, done: Any, key: Path, *more: str) -> Any:
    return project.golive("break-glass", identity(done), "--key", str(key), "--yes", *more)


def events(project: Any, event: str) -> list[Any]:
    return [entry.detail for entry in Journal(project.root / "reports/journal.jsonl").entries() if entry.event == event]


def test_two_persons_break_it_and_every_report_says_so_until_a_third_reviews_it(project: Any, people: dict[str, Path]) -> None:
    """A short marker that the guard honours, told in the journal and on every page, until somebody else has looked at it."""
    begun = begin(project, people["ada"], "--for", "30m")
    assert begun.status == 0, begun.text
    assert not project.marker.exists()
    done = second(project, begun, people["ben"], "--role", "risk")
    assert done.status == 0, done.text
    text = project.marker.read_text()
    assert f'break_glass: "{REASON}"' in text
    assert 'approved_by: ["Ada Roe (operations)", "Ben Roe (risk)"]' in text
    assert project.golive("guard").status == 0
    (broken,) = events(project, "break-glass")
    assert (broken["reason"], broken["persons"]) == (REASON, ["ada", "ben"])
    assert datetime.fromisoformat(broken["expires"]) - datetime.now(UTC) < timedelta(minutes=31)
    project.gate()
    assert not project.marker.exists()
    assert REASON in project.reports()[-1].read_text()
    assert broken["activation_id"] in project.golive("break-glass", "--list").out
    refused = project.golive(
        "break-glass", "--review", broken["activation_id"], "--reason", "fine", "--key", str(people["ada"]), "--yes"
    )
    assert "ada broke this glass" in refused.text
    looked = project.golive(
        "break-glass", "--review", broken["activation_id"], "--reason", "all closed", "--key", str(people["cy"]), "--yes"
    )
    assert looked.status == 0, looked.text
    project.gate()
    assert REASON not in project.reports()[-1].read_text()


@pytest.mark.parametrize(
    ("first", "other", "told"),
    [
        (("ada",), ("ada",), "none of these may not break the glass"),
        (("ben", "--role", "risk"), ("ben", "--role", "operations"), "ben has signed it already"),
        (("ben", "--role", "risk"), ("cy",), "none of these may not break the glass"),
    ],
)
def test_one_person_or_one_role_is_not_enough(
    project: Any, people: dict[str, Path], first: tuple[str, ...], other: tuple[str, ...], told: str
) -> None:
    """The same person twice, or two persons of one role, leave the glass whole."""
    begun = begin(project, people[first[0]], *first[1:])
    done = second(project, begun, people[other[0]], *other[1:])
    assert done.status == 1
    assert told in done.text
    assert not project.marker.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--reason", "", "--for", "30m"), "say why"),
        (("--reason", "x", "--for", "2h"), "at most an hour"),
        (("--reason", "x", "--for", "30"), "is not a duration"),
        (("20261121T120000Z-00000000",), "there is no request"),
        (("../../golive",), "there is no request"),
        (("--review", "nothing", "--reason", "x"), "no broken glass 'nothing'"),
    ],
)
def test_words_that_ask_for_nothing_are_refused(project: Any, people: dict[str, Path], words: tuple[str, ...], told: str) -> None:
    """No reason, more than an hour, an unknown request: one line, and nothing is written."""
    done = project.golive("break-glass", *words, "--key", str(people["ada"]), "--yes")
    assert done.status == 1
    assert told in done.text
    assert not (project.root / "reports/break-glass").exists()


def test_a_stop_and_the_switch_win_over_it(project: Any, people: dict[str, Path]) -> None:
    """Where a stop stands, or nobody has set activation_enabled by hand, there is no glass to break."""
    project.write("EMERGENCY_STOP", "")
    assert "a stop stands" in begin(project, people["ada"]).text
    (project.root / "EMERGENCY_STOP").unlink()
    project.settings(OPEN.replace("activation_enabled: true", "activation_enabled: false"))
    assert "activation_enabled is false" in begin(project, people["ada"]).text


def test_an_approved_activation_is_not_replaced(project: Any, people: dict[str, Path]) -> None:
    """Where a passing run has activated and the guard permits, nobody shortens that by breaking the glass."""
    project.checklist(item("one"))
    assert project.gate().word == "GO"
    stood = project.marker.read_bytes()
    assert "an activation after a passing run is in force" in begin(project, people["ada"]).text
    assert project.marker.read_bytes() == stood


def test_it_permits_no_profile_that_no_run_has_earned(project: Any, people: dict[str, Path]) -> None:
    """Whoever writes a larger profile into golive.yaml gets micro, and is told if that is not what the service runs with."""
    large = "allowed_profiles: [micro, large]\nprofiles: {large: {needs: [one]}}\n"
    project.settings(OPEN + large + "default_profile: large\n")
    assert "the profile large was never activated after a passing run" in begin(project, people["ada"]).text
    project.settings(OPEN + large)
    done = second(project, begin(project, people["ada"]), people["ben"])
    assert done.status == 0, done.text
    assert 'allowed_profiles: ["micro"]' in project.marker.read_text()
    told = project.golive("status").out
    assert "GLASS BROKEN by Ada Roe (operations), Ben Roe (risk): no run passed" in told
    assert f"because {REASON}" in told


def test_a_word_is_about_one_request_for_some_minutes(project: Any, people: dict[str, Path]) -> None:
    """Words about two requests, a word that lay around, one for elsewhere, and an altered one do not add up."""
    roll = rosters.read(project.root / "golive.roster.toml")
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    hands = {name: file_key(key, lambda: None) for name, key in people.items()}

    def word(name: str, role: str, identity: str = "20261121T120000Z-0a0a0a0a", environment: str = "production") -> bytes:
        asked = glass.request(identity, environment=environment, reason="r", lasts=timedelta(minutes=5), now=now)
        return glass.sign(asked, roster=roll, role=role, signer=hands[name], before=(), now=now).line

    pair = [word("ada", "operations"), word("cy", "risk")]
    assert [each.person for each in glass.both(pair, roll, "production", now)] == ["ada", "cy"]
    other = word("cy", "risk", identity="20261121T120000Z-0b0b0b0b")
    for lines, moment, environment in (
        ([pair[0], other], now, "production"),
        (pair, now + glass.SIGNING, "production"),
        (pair, now - timedelta(minutes=1), "production"),
        (pair, now, "staging"),
        ([pair[0], pair[0]], now, "production"),
        ([pair[0]], now, "production"),
        ([pair[0], pair[1].replace(b'"payload":"ey', b'"payload":"eY')], now, "production"),
    ):
        with pytest.raises(StatementRejected):
            glass.both(lines, roll, environment, moment)
