"""The desk's demo persons: they answer what is asked of people, with keys of their own, and never look real."""

from __future__ import annotations

import stat
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from examples.desk import people
from pytest_golive import checklist, config, probes
from pytest_golive.model import Context, Outcome
from pytest_golive.redaction import Redactor
from pytest_golive.signing import roster

ITEM = """\
- id: {id}
  title: Item {id}
  severity: critical
  phase: sign-off
  owner: platform
  source: {{document: "000", section: "1", line: 1}}
  why: it matters
  fix: golive attest {id}
  attestation: {{{asks}, look_at: "look at {id}", subjects: ["${{home}}/plan.md"], valid_for: 30d}}
  expect: {expect}
"""
ASKS = [
    ("one", "role: qa", "{count: 1, role: qa, changed: []}"),
    ("two", "role: risk", "{persons: {ge: 2}, changed: []}"),
    ("five", "roles: [development, qa, operations, security, product-owner]", "{missing_roles: [], persons: 5, changed: []}"),
]


def _home(folder: Path, asks: list[tuple[str, str, str]]) -> config.Settings:
    (folder / "checklists").mkdir(exist_ok=True)
    items = "".join(ITEM.format(id=identity, asks=asked, expect=expect) for identity, asked, expect in asks)
    head = "version: 1\nchecklist: {name: human, title: Human, owner: platform}\nitems:\n"
    (folder / "checklists" / "human.yaml").write_text(head + items)
    (folder / "golive.yaml").write_text(f"version: 1\ntarget: {{variables: {{home: {folder}}}}}\n")
    (folder / "plan.md").write_text("plan")
    return config.load(folder / "golive.yaml", {})


def _outcomes(settings: config.Settings) -> dict[str, Outcome]:
    lists = checklist.load(
        checklist.find(settings.checklists, settings.root, "golive.yaml"), root=settings.root, variables=settings.target.variables
    )
    now = datetime.now(UTC)
    context = Context(
        root=settings.root, environ={}, now=lambda: now, deadline=time.monotonic() + 20, witnesses=settings.witnesses
    )
    return {
        item.id: item.expect.judge(probes.observe(item.probe, context, Redactor()).facts, now).outcome
        for one in lists
        for item in one.items
    }


def test_every_question_is_answered_by_as_many_as_it_asks(tmp_path: Path) -> None:
    """One person, two persons, five roles: the items pass, and an item that wants one person gets no second one."""
    settings = _home(tmp_path, ASKS)
    assert not people.attend(settings.path, {})
    assert _outcomes(settings) == dict.fromkeys(("one", "two", "five"), Outcome.PASSED)
    assert len(list((tmp_path / "attestations").glob("one.*"))) == 1
    assert len(list((tmp_path / "attestations").glob("two.*"))) == 2


def test_demo_persons_say_what_they_are(tmp_path: Path) -> None:
    """Every name begins with Demo, every statement says that nobody real has looked, every key is closed and new."""
    settings = _home(tmp_path, ASKS)
    people.attend(settings.path, {})
    before = roster.read(settings.witnesses.roster)
    assert all(person.name.startswith("Demo ") and person.id.startswith("demo-") for person in before.persons)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "people").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "people").stat().st_mode) == 0o700
    people.attend(settings.path, {})
    assert not set(before.public_keys) & set(roster.read(settings.witnesses.roster).public_keys)
    assert set(_outcomes(settings).values()) == {Outcome.PASSED}


def test_what_cannot_be_looked_at_is_not_attested(tmp_path: Path) -> None:
    """A demo person does not sign for a file that is not there; a note says so, and the item stays open."""
    settings = _home(tmp_path, ASKS[:1])
    (tmp_path / "plan.md").unlink()
    (note,) = people.attend(settings.path, {})
    assert "plan.md" in note
    assert _outcomes(settings)["one"] is not Outcome.PASSED


def test_faulty_lists_are_left_to_the_gate(tmp_path: Path) -> None:
    """Where nothing can be read nobody speaks, and nothing is written."""
    settings = _home(tmp_path, ASKS)
    (tmp_path / "checklists" / "human.yaml").write_text("attestation:")
    assert people.attend(settings.path, {}) == ()
    assert not (tmp_path / "golive.roster.toml").exists()


def test_a_role_that_no_roster_takes_is_a_note(tmp_path: Path) -> None:
    """What the demonstration cannot do does not stop the gate: it is a note, and the item stays an error."""
    settings = _home(tmp_path, [("one", "role: 'Quality Assurance'", "{count: 1}")])
    (note,) = people.attend(settings.path, {})
    assert "cannot speak" in note


def test_the_home_of_the_desk_ignores_its_people(tmp_path: Path) -> None:
    """Keys, roster and statements of a demonstration never come into a repository."""
    from examples.desk.home import prepare

    home = tmp_path / "home"
    prepare(home)
    names = ["people/demo-qa.key", "attestations/one.json", "golive.roster.toml"]
    done = subprocess.run(["git", "check-ignore", *names], cwd=home, capture_output=True, text=True, check=False)
    if not (home / ".git").exists():
        pytest.skip("git is not installed")
    assert done.stdout.split() == names
