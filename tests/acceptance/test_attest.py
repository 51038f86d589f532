"""`golive attest`, and the run that reads what was signed."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_golive.signing import dsse
from tests.acceptance.conftest import OPEN, item
from tests.signing.agents import Fake, Token, add, of_token, running
from tests.signing.people import Hand, hand, person, roster

ASKED = item(
    "plan-walked",
    phase="sign-off",
    probe='attestation: {role: qa, look_at: "the plan was walked through", subjects: [plan.md], valid_for: 30d}',
    expect="expect: {count: {ge: 1}, changed: []}",
)


@pytest.fixture
def alice(project: Any, tmp_path: Path) -> Hand:
    """Alice of QA and her key; the list asks her about a plan."""
    key = hand(tmp_path, "alice")
    project.settings(OPEN)
    project.checklist(item("one"), ASKED)
    project.write("plan.md", "the plan\n")
    project.write("golive.roster.toml", roster(person("alice", ["qa"], key.line)))
    return key


def _attest(project: Any, key: Hand, *more: str) -> Any:
    return project.golive("attest", "plan-walked", "--key", str(key.path), *more)


def test_a_person_attests_and_the_next_run_believes_it(project: Any, alice: Hand) -> None:
    """Before it the item blocks; after it the run is GO; once the document changes it blocks again."""
    assert project.gate().word == "NO-GO"
    done = _attest(project, alice, "--comment", "all seven steps", "--yes")
    assert done.status == 0, done.text
    for words in (
        "the plan was walked through",
        "plan.md  sha256:",
        "Alice Example (alice), as qa",
        "all seven steps",
        "production",
    ):
        assert words in done.out
    assert project.gate().word == "GO"
    project.write("plan.md", "another plan\n")
    run = project.gate()
    assert (run.word, run.outcome("plan-walked")) == ("NO-GO", "failed")


def test_a_machine_that_contradicts_voids_the_statement(project: Any, alice: Hand) -> None:
    """A signed statement fails, by name, once an item that revokes it fails; it is blocked where nobody can see."""
    against = item("machine", severity="warning", probe="env: {name: MACHINE}")
    project.checklist(item("one"), against, ASKED.replace("valid_for: 30d", "valid_for: 30d, revoked_by: [machine]"))
    signed = _attest(project, alice, "--yes")
    assert signed.status == 0, signed.text
    assert "void if   one of these fails: machine" in signed.out
    assert project.gate(env={"MACHINE": "yes"}).word == "GO"
    run = project.gate(env={"MACHINE": "no"})
    assert (run.word, run.outcome("plan-walked")) == ("NO-GO", "failed")
    assert "void, because machine failed" in run.out
    blind = project.gate()
    assert (blind.word, blind.outcome("plan-walked")) == ("NO-GO", "blocked")


def test_what_was_signed_is_in_one_file_and_in_the_journal(project: Any, alice: Hand) -> None:
    """The envelope is whole, alone in its folder, and the journal names item, person and digest."""
    assert _attest(project, alice, "--yes").status == 0
    (file,) = (project.root / "attestations").iterdir()
    assert file.name == "plan-walked.qa.alice.json"
    assert json.loads(file.read_text())["payloadType"] == "application/vnd.in-toto+json"
    entry = json.loads((project.root / "reports" / "journal.jsonl").read_text().splitlines()[-1])
    assert entry["event"] == "attested"
    assert (entry["detail"]["item"], entry["detail"]["person"]) == ("plan-walked", "alice")


def test_without_a_yes_nothing_is_signed(project: Any, alice: Hand) -> None:
    """Without a terminal and without --yes there is nobody who could have said yes."""
    done = _attest(project, alice)
    assert done.status == 1
    assert "--yes" in done.err
    assert not (project.root / "attestations").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["one"], "check of kind env"),
        (["plan-walkd"], "did you mean 'plan-walked'"),
        (["plan-walked", "--role", "operations"], "does not ask"),
        (["plan-walked", "--valid-for", "31d"], "longer than the 30 days"),
        (["plan-walked", "--valid-for", "soon"], "is not a duration"),
        (["plan-walked", "--valid-for", "0s"], "for no time"),
        (["plan-walked", "--key", "nowhere"], "cannot be read"),
        (["plan-walked", "--key", "plan.md"], "others can read|holds no private key"),
        (["plan-walked", "--comment", "x" * 5000], "at most 4000"),
    ],
)
def test_what_would_not_be_believed_is_not_written(project: Any, alice: Hand, arguments: list[str], words: str) -> None:
    """One clear line, exit status 1, and no file."""
    key = [] if "--key" in arguments else ["--key", str(alice.path)]
    done = project.golive("attest", *arguments, *key, "--yes")
    assert done.status == 1
    assert re.search(words, done.err), done.err
    assert "Traceback" not in done.text
    assert not (project.root / "attestations").exists()


def test_a_secret_in_a_comment_is_signed_by_nobody(project: Any, alice: Hand) -> None:
    """What is secret in this environment is taken out of the comment before it is shown, signed and kept beside the code."""
    secret = "hunter2-correct-horse"
    more = ("--comment", f"seen with {secret}", "--key", str(alice.path), "--yes")
    done = project.golive("attest", "plan-walked", *more, env={"API_SECRET": secret})
    assert done.status == 0, done.text
    assert secret not in done.text
    (kept,) = (project.root / "attestations").iterdir()
    payload = dsse.strict_base64(json.loads(kept.read_text())["payload"])
    assert b"seen with " in payload
    assert secret.encode() not in payload


def test_a_stranger_cannot_attest(project: Any, alice: Hand, tmp_path: Path) -> None:
    """A key that is not on the roster is told with its fingerprint; so is the session key, which is no person's."""
    eve = hand(tmp_path, "eve")
    done = _attest(project, eve, "--yes")
    assert done.status == 1
    assert eve.key.fingerprint in done.err
    assert "is not on the roster" in project.golive("attest", "plan-walked", "--yes").err
    assert not (project.root / "attestations").exists()


def test_a_document_that_is_not_there_cannot_be_attested(project: Any, alice: Hand) -> None:
    """Nobody signs for a file that does not exist."""
    (project.root / "plan.md").unlink()
    done = _attest(project, alice, "--yes")
    assert done.status == 1
    assert "plan.md" in done.err
    assert not (project.root / "attestations").exists()


def test_an_encrypted_key_needs_its_passphrase(project: Any, alice: Hand, tmp_path: Path) -> None:
    """Where nobody can be asked, an encrypted key is one line and no signature."""
    key = hand(tmp_path, "locked", passphrase=b"correct horse")
    done = _attest(project, key, "--yes")
    assert done.status == 1
    assert "encrypted" in done.err


def test_a_faulty_roster_is_told_before_anything_is_signed(project: Any, alice: Hand) -> None:
    """All faults of the roster with their lines, and nothing written."""
    project.write("golive.roster.toml", roster(person("alice", ["boss"], alice.line)))
    done = _attest(project, alice, "--yes")
    assert done.status == 1
    assert re.search(r"golive\.roster\.toml:\d+:1: .*boss", done.err)


def test_openssl_verifies_the_statement(project: Any, alice: Hand, tmp_path: Path) -> None:
    """Software that is not ours agrees: the signature is over the DSSE bytes, by the person's key."""
    import base64

    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    assert _attest(project, alice, "--yes").status == 0
    envelope = json.loads((project.root / "attestations" / "plan-walked.qa.alice.json").read_text())
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    (tmp_path / "pae").write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body))
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    pem = Ed25519PublicKey.from_public_bytes(alice.key.public.raw).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "pub.pem").write_bytes(pem)
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-rawin", "-in", "pae", "-sigfile", "sig"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout, done.stderr


def test_the_agents_key_attests_without_being_named(project: Any, alice: Hand, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The key of the roster is found in a real ssh-agent; two of them are told, and nothing is signed."""
    bob = hand(tmp_path_factory.mktemp("b"), "bob")
    with running(tmp_path_factory.mktemp("a")) as agent:
        add(agent, alice.path)
        done = project.golive("attest", "plan-walked", "--yes", env={"SSH_AUTH_SOCK": agent})
        assert done.status == 0, done.text
        assert alice.key.fingerprint in done.out
        assert project.gate().word == "GO"
        add(agent, bob.path)
        project.write("golive.roster.toml", roster(person("alice", ["qa"], alice.line), person("bob", ["qa"], bob.line)))
        twice = project.golive("attest", "plan-walked", "--yes", env={"SSH_AUTH_SOCK": agent})
    assert twice.status == 1
    assert "has 2 keys that are on the roster" in twice.err
    gone = project.golive("attest", "plan-walked", "--yes", env={"SSH_AUTH_SOCK": agent})
    assert gone.status == 1
    assert "there is no ssh-agent" in gone.err
    assert len(gone.err.splitlines()) == 1


@pytest.mark.parametrize(("flags", "word"), [(1, "GO"), (0, "NO-GO")], ids=["touched", "untouched"])
def test_a_token_attests_with_a_touch(
    project: Any, alice: Hand, tmp_path_factory: pytest.TempPathFactory, flags: int, word: str
) -> None:
    """A FIDO key signs through the agent and the gate believes it; without the touch nothing is written."""
    token = Token()
    project.write("golive.roster.toml", roster(person("alice", ["qa"], token.public.line)))
    fake = Fake(str(tmp_path_factory.mktemp("t") / "s"), of_token(token, flags=flags))
    try:
        done = project.golive("attest", "plan-walked", "--yes", env={"SSH_AUTH_SOCK": fake.path})
    finally:
        fake.stop()
    assert done.status == (0 if flags else 1), done.text
    assert (project.root / "attestations").exists() == bool(flags)
    if not flags:
        assert "touch the token" in done.err
    assert project.gate().word == word


def test_a_revoked_key_takes_back_what_it_signed(project: Any, alice: Hand) -> None:
    """A statement made in good time no longer counts once its key is lost, and no new one can be made."""
    assert _attest(project, alice, "--yes").status == 0
    assert project.gate().word == "GO"
    lost = person("alice", ["qa"], alice.line, more=", revoked = 2026-01-01T00:00:00Z")
    project.write("golive.roster.toml", roster(lost))
    run = project.gate()
    assert (run.word, run.outcome("plan-walked")) == ("NO-GO", "error")
    again = _attest(project, alice, "--yes")
    assert again.status == 1
    assert "does not count" in again.err


def _in_a_terminal(project: Any, words: list[str], typed: str) -> tuple[int, str]:
    """The command with a terminal of its own, in which somebody types once they are asked."""
    terminal, other = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pytest_golive.cli", *words],
        cwd=project.root,
        env=project.environ,
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    ) as process:
        os.close(other)
        said, answered = "", False
        try:
            while select.select([terminal], [], [], 60)[0]:
                try:
                    part = os.read(terminal, 4096)
                except OSError:  # so Linux tells that nobody holds the other end any more
                    break
                said += part.decode()
                if not answered and "Passphrase of" in said:
                    os.write(terminal, typed.encode() + b"\n")
                    answered = True
        finally:
            os.close(terminal)
        return process.wait(60), said


@pytest.mark.parametrize(("typed", "status"), [("battery staple", 1), ("correct horse", 0)])
def test_a_passphrase_is_asked_once_and_never_shown(project: Any, alice: Hand, tmp_path: Path, typed: str, status: int) -> None:
    """In a terminal: asked once, not echoed; a wrong one is one line and nothing is written, the right one signs."""
    key = hand(tmp_path, "locked", passphrase=b"correct horse")
    project.write("golive.roster.toml", roster(person("alice", ["qa"], key.line)))
    done, said = _in_a_terminal(project, ["attest", "plan-walked", "--key", str(key.path), "--yes"], typed)
    assert done == status, said
    assert said.count("Passphrase of") == 1
    assert typed not in said
    assert (project.root / "attestations").exists() == (status == 0)
    if status:
        assert "the passphrase does not open the key" in said
        assert "Traceback" not in said
