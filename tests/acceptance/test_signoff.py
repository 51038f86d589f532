"""The sign-off as people do it: a run, three persons with keys in ssh-agents, a quorum, a marker, a guard that allows."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import approving
from pytest_golive.cli import main
from pytest_golive.signing.keys import session_key
from tests.acceptance.conftest import OPEN, Project, Result, a_project
from tests.signing.people import Hand, hand, person, roster

pytestmark = pytest.mark.skipif(not shutil.which("ssh-agent"), reason="ssh-agent is not installed (Debian: openssh-client)")

QUORUM = "[quorum.production]\npersons = 3\nroles = {qa = 1, operations = 1}\n"
SIGNERS = [("ann", "qa"), ("ben", "operations"), ("cat", "risk")]
PEOPLE = {"ann": ["qa"], "ben": ["operations"], "cat": ["risk"], "alice": ["qa", "operations"]}


@dataclass
class Office:
    """A project whose run was held, its page, and what people do with it."""

    project: Project
    hands: dict[str, Hand]
    agents: dict[str, dict[str, str]]
    aside: Path = Path()

    @property
    def page(self) -> Path:
        return self.project.reports()[-1]

    def approve(self, who: str, role: str, *more: str, page: Path | None = None) -> Result:
        """That person approves, with the one key that their agent holds."""
        return self.golive("approve", str(page or self.page), "--role", role, "--yes", *more, env=self.agents[who])

    def golive(self, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        """The command as in `project.golive`, without a process of its own."""
        out, err = io.StringIO(), io.StringIO()
        before = signal.getsignal(signal.SIGTERM)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.project.root)
            patch.setattr(sys, "stdin", io.StringIO())
            for name, value in {**self.project.environ, **(env or {})}.items():
                patch.setenv(name, value)
            status = main(arguments)
        signal.signal(signal.SIGTERM, before)
        return Result(self.project, status, out.getvalue(), err.getvalue())

    def copy(self, name: str) -> Path:
        path = self.aside / name
        shutil.copy(self.page, path)
        return path

    def events(self) -> list[dict[str, Any]]:
        lines = (self.project.root / "reports" / "journal.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def agent_of() -> Iterator[Callable[[Path], dict[str, str]]]:
    """Starts an ssh-agent that holds the key of a file, and stops each at the end."""
    pids: list[int] = []

    def start(key: Path) -> dict[str, str]:
        said = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
        told = dict(re.findall(r"(SSH_[A-Z_]+)=([^;]+);", said))
        pids.append(int(told["SSH_AGENT_PID"]))
        env = {**os.environ, "SSH_AUTH_SOCK": told["SSH_AUTH_SOCK"]}
        subprocess.run(["ssh-add", str(key)], env=env, capture_output=True, check=True)
        return {"SSH_AUTH_SOCK": told["SSH_AUTH_SOCK"]}

    yield start
    for pid in pids:
        os.kill(pid, signal.SIGTERM)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, agent_of: Callable[[Path], dict[str, str]]) -> tuple[Office, Path]:
    """A project in which Alice ran the gate, and a copy of all its files.

    Ann of QA, Ben of operations (P-256) and Cat of risk have their keys in agents of their own.
    """
    folder = tmp_path_factory.mktemp("held")
    hands = {name: hand(folder, name, p256=name == "ben") for name in PEOPLE}
    made = a_project(folder)
    people = (person(name, roles, hands[name].line) for name, roles in PEOPLE.items())
    made.write("golive.roster.toml", roster(*people, more=QUORUM))
    run = made.gate()
    assert run.status == 0, run.text
    assert not made.marker.exists()
    shutil.copytree(made.root, folder / "kept")
    return Office(made, hands, {name: agent_of(key.path) for name, key in hands.items()}), folder / "kept"


@pytest.fixture
def office(held: tuple[Office, Path], tmp_path: Path) -> Office:
    """The project as it was after the run, whatever the test before did to it."""
    whole, kept = held
    shutil.rmtree(whole.project.root)
    shutil.copytree(kept, whole.project.root)
    return replace(whole, aside=tmp_path, agents=dict(whole.agents))


def test_three_persons_sign_off_a_release(office: Office) -> None:
    """The run is held, each missing role is named on the way, and only the whole quorum writes a marker that the guard allows."""
    project = office.project
    page = str(office.page)
    run = project.gate()
    assert run.status == 0
    assert "held: the quorum of production is open: missing one of operations, one of qa, a third person" in run.out
    assert "golive approve reports/" in run.out
    assert "--role operations" in run.out
    page = str(office.page)

    first = office.approve("ann", "qa", "--comment", "walked through all of it")
    assert first.status == 0, first.text
    for words in ("GO   ", "items     3", "evidence  sha256:", "valid     until", "missing   one of operations (Ben Example)"):
        assert words in first.out
    assert f"golive approve {page} --role operations" in first.out

    denied = project.golive("activate", page, "--yes")
    assert denied.status == 1
    assert "quorum: the quorum of production is open: missing one of operations, a third person" in denied.out
    assert not project.marker.exists()
    verify = project.golive("verify", page)
    assert verify.status == 1
    assert "NO  quorum" in verify.out
    assert all(f"yes {name}" in verify.out for name in ("signature", "digests", "page"))

    assert office.approve("ben", "operations").status == 0
    third = office.approve("cat", "risk")
    assert f"Next: golive activate {page}" in third.out
    verify = project.golive("verify", page)
    assert (verify.status, verify.out.splitlines()[0]) == (0, f"VERIFIED  {page}")
    assert "approved by Ann Example (qa), Ben Example (operations), Cat Example (risk)" in verify.out
    assert "walked through all of it" in verify.out

    done = project.golive("activate", page, "--yes")
    assert done.status == 0, done.text
    marker = project.marker.read_text()
    assert 'approved_by: ["ann (qa)", "ben (operations)", "cat (risk)"]' in marker
    assert re.search(r'^roster: "[0-9a-f]{64}"$', marker, re.MULTILINE)
    assert project.golive("guard").status == 0
    events = [(entry["event"], entry["detail"].get("person") or entry["detail"].get("check")) for entry in office.events()]
    assert [event for event in events if event[0] != "run"] == [
        ("approved", "ann"),
        ("activation-denied", "quorum"),
        ("approved", "ben"),
        ("approved", "cat"),
        ("activated", None),
    ]


def test_any_order_of_signing_gives_the_same_bytes(office: Office) -> None:
    """Two copies, signed by the same people in two orders and merged, and one page that all signed in a row are one page."""
    # P-256 signs with fresh randomness each time, so that Ben signs once and his approval travels
    one, two = office.copy("one.html"), office.copy("two.html")
    now = datetime.now(UTC)
    assert office.approve("ben", "operations", page=one).status == 0
    for who, role in (("ann", "qa"), ("cat", "risk")):
        assert office.approve(who, role, page=two).status == 0
    left = office.golive("merge", str(one), str(two), "--into", str(one.with_name("left.html")))
    right = office.golive("merge", str(two), str(one), "--into", str(one.with_name("right.html")))
    assert (left.status, right.status) == (0, 0), left.text + right.text
    whole = one.with_name("left.html").read_bytes()
    assert whole == one.with_name("right.html").read_bytes()
    assert whole not in (one.read_bytes(), two.read_bytes())
    assert office.golive("verify", str(one.with_name("left.html"))).status == 0
    again = office.golive("merge", str(one), str(two))
    assert again.status == 0
    assert one.read_bytes() == whole
    assert datetime.now(UTC) - now < timedelta(minutes=5)


def test_signing_again_replaces_ones_own(office: Office) -> None:
    """The same person in the same role stands once, with what was said last; the file keeps its mode."""
    office.page.chmod(0o640)
    assert office.approve("ann", "qa", "--comment", "first").status == 0
    before = office.page.read_bytes()
    assert office.approve("ann", "qa", "--comment", "second").status == 0
    text = office.page.read_text()
    assert "second" in text
    assert "first" not in text.split("<!--golive:approvals-->")[1].split("<script")[0]
    assert office.page.read_bytes() != before
    assert stat.S_IMODE(office.page.stat().st_mode) == 0o640
    assert sorted(path.name for path in office.page.parent.iterdir()) == ["report.html"]


def test_a_secret_in_a_comment_is_not_signed(office: Office) -> None:
    """What the environment holds as a secret reaches neither page nor terminal nor journal; what hides is spelled out."""
    env = {**office.agents["ann"], "BROKER_API_SECRET": "s3cr3t-v4lue-0f-the-broker"}
    comment = "seen with s3cr3t-v4lue-0f-the-broker \u202e\x1b[31m"
    done = office.golive("approve", str(office.page), "--role", "qa", "--yes", "--comment", comment, env=env)
    assert done.status == 0, done.text
    verify = office.golive("verify", str(office.page))
    journal = (office.project.root / "reports" / "journal.jsonl").read_text()
    for text in (done.text, verify.text, office.page.read_text(), journal):
        assert "s3cr3t" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "seen with" in verify.out
    assert "\\u202e" in verify.out


def test_two_approvers_at_the_same_moment_both_stand(office: Office) -> None:
    """Neither loses the other's approval."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest_golive.cli", "approve", str(office.page), "--role", role, "--yes"],
            cwd=office.project.root,
            env={**office.project.environ, **office.agents[who]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for who, role in SIGNERS[:2]
    ]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert "missing a third person" in office.golive("verify", str(office.page)).out


def test_who_merges_or_repairs_loses_no_approval_of_that_moment(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """From before they read until after they wrote nobody else writes; whoever keeps the folder is waited for, not overrun."""
    monkeypatch.setattr(approving, "PATIENCE", 0.0)
    copy = office.copy("copy.html")
    assert office.approve("ann", "qa", page=copy).status == 0
    damaged = office.copy("damaged.html")
    damaged.write_bytes(damaged.read_bytes().replace(b"\n", b"\r\n"))
    before = office.page.read_bytes(), damaged.read_bytes()
    held = [os.open(folder, os.O_RDONLY) for folder in (office.page.parent, damaged.parent)]
    try:
        for lock in held:
            fcntl.flock(lock, fcntl.LOCK_EX)
        for done in (office.golive("merge", str(office.page), str(copy)), office.golive("repair", str(damaged))):
            assert (done.status, "locked" in done.err) == (1, True)
    finally:
        for lock in held:
            os.close(lock)
    assert (office.page.read_bytes(), damaged.read_bytes()) == before


def test_a_sidecar_is_written_whole_or_not_at_all(office: Office, tmp_path: Path) -> None:
    """A link that lies where the sidecar goes is replaced, and what it leads to stays as it was."""
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / "report.intoto.jsonl").symlink_to(victim)
    assert office.golive("extract", str(office.page), "--to", str(tmp_path)).status == 0
    assert victim.read_text() == "kept"
    assert not (tmp_path / "report.intoto.jsonl").is_symlink()


@pytest.mark.parametrize(
    ("who", "role", "more", "words"),
    [
        ("alice", "qa", [], "the operator of the run does not count"),
        ("ann", "operations", [], "ann does not hold the role 'operations'"),
        ("ann", "qa", ["--valid-for", "25h"], "at most 1 day"),
        ("ann", "qa", ["--valid-for", "0s"], "at most 1 day"),
        ("ann", "qa", ["--valid-for", "soon"], "--valid-for 8h"),
        ("ann", "qa", ["--comment", "x" * 4001], "at most 4000 characters"),
        ("ann", "qa", ["--key", "agent:nobody"], "no such key"),
        ("ann", "qa", ["--key", "missing"], "cannot be read"),
    ],
)
def test_who_may_not_approve_is_told_and_nothing_is_written(
    office: Office, who: str, role: str, more: list[str], words: str
) -> None:
    """One clear line, exit 1, the page as it was, nothing in the journal."""
    before = office.page.read_bytes(), office.events()
    done = office.approve(who, role, *more)
    assert done.status == 1
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert (office.page.read_bytes(), office.events()) == before


def test_without_a_yes_nothing_is_signed(office: Office) -> None:
    """Without a terminal and without --yes there is nobody who could have agreed."""
    before = office.page.read_bytes()
    done = office.golive("approve", str(office.page), "--role", "qa", env=office.agents["ann"])
    assert done.status == 1
    assert "add --yes" in done.err
    assert office.page.read_bytes() == before


def test_a_key_that_is_not_on_the_roster_signs_nothing(office: Office, tmp_path: Path, agent_of: Any) -> None:
    """Mallory's agent holds a key that nobody lists, and an agent that is gone holds none."""
    mallory = hand(tmp_path, "mallory")
    before = office.page.read_bytes()
    office.agents |= {"mallory": agent_of(mallory.path), "gone": {"SSH_AUTH_SOCK": str(tmp_path / "gone")}}
    for who, more in (("mallory", ()), ("mallory", ("--key", str(mallory.path))), ("gone", ())):
        done = office.approve(who, "qa", *more)
        assert done.status == 1
        assert "not on the roster" in done.err
    assert office.page.read_bytes() == before


def test_what_is_no_page_is_told_in_one_line(office: Office, tmp_path: Path) -> None:
    """A folder, a huge file, a text, half a page, a page of a newer template and a pipe: one line each, nothing written."""
    bad = tmp_path / "bad"
    bad.mkdir()
    page = office.page.read_bytes()
    (bad / "huge").write_bytes(b"")
    os.truncate(bad / "huge", 50_000_001)
    (bad / "text").write_text("hello")
    (bad / "half").write_bytes(page[: len(page) // 2])
    (bad / "nothing").write_bytes(b"")
    os.mkfifo(bad / "pipe")
    words = {
        "huge": "larger than",
        "text": "not a sign-off page",
        "half": "cut short",
        "nothing": "not a sign-off",
        "pipe": "not a file",
    }
    for name, told in {**words, "folder": "not a file", "missing": "No such file"}.items():
        path = bad if name == "folder" else bad / name
        for command in (["approve", "--role", "qa", "--yes"], ["verify"], ["merge"], ["extract"], ["repair"]):
            said = office.golive(command[0], str(path), *command[1:], env=office.agents["ann"])
            assert (said.status, said.out) == (1, ""), (name, command)
            assert told in said.err, (name, command)
            assert len(said.err.splitlines()) == 1
        golive = office.project.golive if name == "pipe" else office.golive
        said = golive("activate", str(path), "--yes")
        assert (said.status, told in said.err, "Traceback" in said.err) == (1, True, False), name
    assert sorted(path.name for path in bad.iterdir()) == ["half", "huge", "nothing", "pipe", "text"]


def test_a_no_go_and_a_rehearsal_cannot_be_approved(office: Office) -> None:
    """What permits nothing cannot be signed, and a partial run permits nothing."""
    project = office.project
    assert project.gate(env={"READY": "no"}).word == "NO-GO"
    done = office.approve("ann", "qa", page=next(path for path in project.reports() if "no-go" in str(path)))
    assert done.status == 1
    assert "a NO-GO cannot be approved" in done.err
    project.gate("-k", "one")
    for path in project.reports():
        if "incomplete" in str(path):
            assert "an INCOMPLETE cannot be approved" in office.approve("ann", "qa", page=path).err
            break
    else:
        pytest.fail("no incomplete page")


def test_a_true_page_that_permits_nothing_says_so_in_its_first_line(project: Project) -> None:
    """Verified means that the page is what was signed; whoever reads one line only is told that it is a NO-GO."""
    assert project.gate(env={"READY": "no"}).word == "NO-GO"
    page = project.reports()[-1]
    verify = project.golive("verify", str(page))
    assert (verify.status, verify.out.splitlines()[0]) == (0, f"VERIFIED  {page}, which says NO-GO")


def test_a_rejected_approval_is_told_and_stops_everything(office: Office, tmp_path: Path) -> None:
    """A forged approval among good ones makes verify and activate say no; merging tells it, and leaves it out if asked."""
    from pytest_golive import report
    from pytest_golive.signing import approval, dsse

    for who, role in SIGNERS:
        assert office.approve(who, role).status == 0
    page = office.page.read_bytes()
    found = report.extract(page)
    mallory = hand(tmp_path, "mallory")
    payload = dsse.strict_base64(json.loads(found.approvals[0])["payload"]).replace(b'"person":"', b'"person":"x')
    forged = office.copy("forged.html")
    forged.write_bytes(report.render(found.envelope, [*found.approvals, dsse.sign(payload, mallory.key)]))
    assert approval.claimed(dsse.sign(payload, mallory.key))[0].startswith("x")
    verify = office.golive("verify", str(forged))
    assert verify.status == 1
    assert "REJECTED" in verify.out
    assert f"golive merge {forged} --drop-rejected" in verify.out
    assert "is not on the roster" in verify.out
    denied = office.golive("activate", str(forged), "--yes")
    assert denied.status == 1
    assert "does not hold" in denied.out
    assert not office.project.marker.exists()
    merged = office.golive("merge", str(forged))
    assert merged.status == 1
    assert f"golive merge {forged} --drop-rejected" in merged.err
    assert "REPORT" not in verify.out + denied.out + merged.err
    assert office.golive("merge", str(forged), "--drop-rejected").status == 0
    assert forged.read_bytes() == page


def test_damage_of_the_way_is_told_apart_and_mended(office: Office) -> None:
    """CRLF and a byte order mark are no forgery, verify says no all the same, and repair makes the page again."""
    assert office.approve("ann", "qa").status == 0
    page = office.page.read_bytes()
    for damaged in (page.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + page):
        path = office.copy("sent.html")
        path.write_bytes(damaged)
        verify = office.golive("verify", str(path))
        assert verify.status == 1
        assert "transport-damaged, evidence intact" in verify.out
        assert f"golive repair {path}" in verify.out
        refused = office.approve("ben", "operations", page=path).err
        assert "transport-damaged" in refused
        assert f"golive repair {path}" in refused
        assert office.golive("repair", str(path)).status == 0
        assert path.read_bytes() == page
    assert "nothing to repair" in office.golive("repair", str(path)).err
    path.write_bytes(page.replace(b"\n", b"\r\n").replace(b"Item one", b"Item 0ne"))
    before = path.read_bytes()
    assert "was altered" in office.golive("repair", str(path)).err
    assert path.read_bytes() == before


def test_a_stranger_checks_it_with_openssl_and_sed(office: Office) -> None:
    """The printed commands, run as they stand, verify every signature and both digests, and fail on an altered page."""
    for who, role in SIGNERS:
        assert office.approve(who, role).status == 0
    folder = office.aside / "stranger"
    done = office.golive("extract", str(office.page), "--to", str(folder))
    assert done.status == 0, done.text
    assert len((folder / "report.intoto.jsonl").read_text().splitlines()) == 4
    script = done.out.split("\n\n", 1)[1]
    ran = subprocess.run(["sh", "-e", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = ran.stdout.splitlines()
    assert len(said) == 12
    assert all(line.startswith("yes: ") for line in said)
    keys = {name: office.hands[name].key.fingerprint for name in ("ann", "ben", "cat")}
    assert all(any(f"{name}-{role}: signed by {keys[name]}" in line for line in said) for name, role in SIGNERS)
    office.page.write_bytes(office.page.read_bytes().replace(b"Item one", b"Item 0ne"))
    ran = subprocess.run(["sh", "-e", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout[:8]) == (1, "NO:  the")
    bundle = folder / "report.intoto.jsonl"
    lines = bundle.read_text().splitlines()
    bundle.write_text("\n".join([lines[0], lines[2], lines[1], lines[3]]) + "\n")
    ran = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert sum(": signed by SHA256:" in line for line in ran.stdout.splitlines() if line.startswith("NO: ")) == 2


def test_a_stranger_checks_every_kind_of_key(office: Office, tmp_path: Path) -> None:
    """An RSA key, and a key whose signatures the roster wants as SSHSIG: the printed commands know them."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-b", "3072", "-N", "", "-f", str(tmp_path / "rsa")],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    rsa = (tmp_path / "rsa.pub").read_text().strip()
    text = (office.project.root / "golive.roster.toml").read_text().replace(office.hands["cat"].line, rsa)
    ann = f'{{key = "{office.hands["ann"].line}"'
    office.project.write("golive.roster.toml", text.replace(ann, f'{ann}, format = "sshsig"'))
    assert office.approve("ann", "qa").status == 0
    assert office.approve("ben", "operations").status == 0
    assert office.approve("cat", "risk", "--key", str(tmp_path / "rsa")).status == 0
    assert office.golive("verify", str(office.page)).status == 0
    folder = office.aside / "stranger"
    done = office.golive("extract", str(office.page), "--to", str(folder))
    assert "ssh-keygen -Y verify" in done.out
    assert "openssl dgst -sha512" in done.out
    ran = subprocess.run(
        ["sh", "-e", "-c", done.out.split("\n\n", 1)[1]], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(ran.stdout.splitlines()) == 12


def test_without_settings_a_page_is_judged_by_what_is_named(office: Office) -> None:
    """The auditor has the page, the keys and the roster of then, and says as of when."""
    for who, role in SIGNERS:
        assert office.approve(who, role).status == 0
    session = session_key(Path(office.project.environ["HOME"], ".local", "share", "golive", "session.key"))
    (office.aside / "keys.pub").write_text(session.public.line + "\n")
    shutil.copy(office.project.root / "golive.roster.toml", office.aside / "then.toml")
    page = office.copy("report.html")
    away = replace(office, project=replace(office.project, root=office.aside))
    named = ["--key", "keys.pub", "--roster", "then.toml"]
    verify = away.golive("verify", str(page), *named)
    assert verify.status == 0, verify.text
    alone = away.golive("verify", str(page), "--key", "keys.pub").out
    assert alone.count("demanded, and there is no roster here") == 1
    assert f"golive verify {page} --roster FILE" in alone
    late = away.golive("verify", str(page), *named, "--at", "2100-01-01T00:00Z").out
    assert "it expired at" in late
    assert late.splitlines()[0].endswith(", which is over")
    assert ", and that is over\n" in late
    then = datetime.now(UTC).isoformat()
    assert away.golive("verify", str(page), *named, "--at", then).status == 0
    assert "still to come" in away.golive("verify", str(page), *named, "--at", "2020-01-01T00:00Z").out
    for wrong in ("yesterday", "2026-11-21T18:00", "0001-01-01T00:00+14:00"):
        assert "no time with a zone" in away.golive("verify", str(page), *named, "--at", wrong).err


def test_staging_opens_nothing_in_production(office: Office) -> None:
    """A page of staging, whoever approved it, is told apart before anything else is asked."""
    project = office.project
    project.write("staging.yaml", "version: 1\nenvironment: staging\n" + OPEN)
    assert project.gate("--golive-config", "staging.yaml", "--golive-no-marker").status == 0
    page = office.page
    for command in (["approve", "--role", "qa", "--yes"], ["verify"]):
        done = office.golive(command[0], str(page), *command[1:], env=office.agents["ann"])
        assert done.status == 1
        assert "the report is about staging, and this is production" in done.text
    denied = office.golive("activate", str(page), "--yes")
    assert denied.status == 1
    assert not project.marker.exists()


def test_a_changed_roster_is_told_and_judges(office: Office) -> None:
    """Who left no longer counts; whoever is left still does; the change is told beside the yes."""
    for who, role in SIGNERS:
        assert office.approve(who, role).status == 0
    text = (office.project.root / "golive.roster.toml").read_text()
    listed = [person(name, roles, office.hands[name].line) for name, roles in PEOPLE.items()]
    office.project.write(
        "golive.roster.toml",
        roster(*(one for one in listed if ".cat]" not in one), roles='["qa", "operations", "risk"]', more=QUORUM),
    )
    denied = office.golive("activate", str(office.page), "--yes")
    assert denied.status == 1
    assert "is not on the roster" in denied.out
    office.project.write("golive.roster.toml", text + "\n# reviewed\n")
    done = office.golive("activate", str(office.page), "--yes")
    assert done.status == 0, done.text
    assert "the roster was changed since the run" in done.out


def test_a_demanded_quorum_without_a_roster_is_a_no(project: Project) -> None:
    """Settings that demand approvals and a roster that is missing or faulty hold every run."""
    project.settings(OPEN + "signoff: {required: true}\n")
    run = project.gate()
    assert run.status == 0
    assert "held: the roster cannot be used" in run.out
    project.write("golive.roster.toml", "version = 2\n")
    project.settings(OPEN)
    assert "held: the roster cannot be used" in project.gate().out
    assert not project.marker.exists()


def test_every_denial_is_in_the_journal_with_its_check(office: Office) -> None:
    """Configuration, preflight, page, newest run, quorum and window: each writes what denied it."""
    project = office.project
    page = office.page

    def denied(*arguments: str, env: dict[str, str] | None = None) -> str:
        assert office.golive("activate", *arguments, "--yes", env=env).status == 1
        entry = office.events()[-1]
        assert entry["event"] == "activation-denied"
        check: str = entry["detail"]["check"]
        return check

    assert denied(str(page)) == "quorum"
    assert denied() == "quorum"
    assert denied(str(page)) == "newest"
    assert denied(env={"READY": "no"}) == "preflight"
    altered = office.copy("altered.html")
    altered.write_bytes(page.read_bytes().replace(b"Item one", b"Item 0ne"))
    assert denied(str(altered)) == "page"
    project.settings(OPEN.replace("activation_enabled: true", "activation_enabled: false"))
    assert denied() == "activation_enabled"
    today = datetime.now(UTC).strftime("%a").lower()
    other = {"sat": "mon", "sun": "mon", "fri": "mon", "mon": "wed", "tue": "thu", "wed": "fri", "thu": "sat"}[today]
    project.settings(OPEN + f"activation: {{windows: ['{other} 00:00-00:01 UTC']}}\n")
    (project.root / "golive.roster.toml").unlink()
    assert denied() == "window"
    assert [entry["detail"]["check"] for entry in office.events() if entry["event"] == "activation-denied"][-1] == "window"


def test_without_a_quorum_nothing_waits(project: Project) -> None:
    """Where nobody asks for approvals a passing run activates at once, and verify says so plainly."""
    project.settings(OPEN)
    assert project.gate().status == 0
    assert project.marker.exists()
    assert "approved_by: []" in project.marker.read_text()
    verify = project.golive("verify", str(project.reports()[-1]))
    assert verify.status == 0
    assert "no quorum is demanded for production" in verify.out


def test_a_page_of_the_pipeline_activates_here_if_the_settings_say_so(project: Project, tmp_path: Path, office: Office) -> None:
    """Evidence that a pipeline signed in its own checkout: its key must count here, and the place may be another one."""
    keys = "activation: {trusted_keys: trusted.pub, place: PLACE}\n"
    pipeline = a_project(tmp_path / "pipeline")
    people = (office.project.root / "golive.roster.toml").read_text()
    for where in (project, pipeline):
        where.environ["GOLIVE_SESSION_KEY"] = str(where.root.parent / "keys" / "session.key")
        assert where.gate("--golive-no-marker").status == 0
        shutil.rmtree(where.root / "reports")
        where.write("golive.roster.toml", people)
    lines = [session_key(Path(where.environ["GOLIVE_SESSION_KEY"])).public.line for where in (project, pipeline)]
    for where in (project, pipeline):
        where.write("trusted.pub", "\n".join(lines) + "\n")
        where.settings(OPEN + keys.replace("PLACE", "any"))
    assert pipeline.gate().status == 0
    page = tmp_path / "report.html"
    shutil.copy(pipeline.reports()[-1], page)
    there = replace(office, project=project)
    for who, role in SIGNERS:
        assert there.approve(who, role, page=page).status == 0
    for where in (project, pipeline):
        where.settings(OPEN + keys.replace("PLACE", "same"))
    strict = there.golive("activate", str(page), "--yes")
    assert (strict.status, project.marker.exists()) == (1, False)
    assert "not that of the newest whole run here" in strict.err
    project.settings(OPEN + keys.replace("PLACE", "any"))
    done = there.golive("activate", str(page), "--yes")
    assert done.status == 0, done.text
    assert project.golive("guard").status == 0
    assert project.golive("deactivate", "--reason", "enough").status == 0
    again = there.golive("activate", str(page), "--yes")
    assert (again.status, project.marker.exists()) == (1, False)
    project.write("trusted.pub", lines[0] + "\n")
    assert "not to be believed" in there.golive("activate", str(page), "--yes").err


def test_a_wrong_passphrase_signs_nothing(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and the page as it was; the right one signs."""
    locked = hand(tmp_path, "locked", passphrase=b"right")
    text = (office.project.root / "golive.roster.toml").read_text()
    office.project.write("golive.roster.toml", text.replace(office.hands["ann"].line, locked.line))
    before = office.page.read_bytes()
    for said, status in ((None, 1), (b"wrong", 1), (b"right", 0)):
        monkeypatch.setattr("pytest_golive.cli.approve.ask_passphrase", lambda prompt, said=said: said)
        done = office.approve("ben", "qa", "--key", str(locked.path))
        assert done.status == status, done.err
        assert "right" not in done.text
        assert (office.page.read_bytes() == before) is bool(status)
        assert len(done.err.splitlines()) == status


def test_an_error_moves_no_terminal(office: Office) -> None:
    """What is named in an error may come from anywhere; its control characters are spelled out."""
    done = office.approve("ann", "qa", "--key", "agent:\x1b[31mred\u202e")
    assert done.status == 1
    assert "\\u001b[31mred\\u202e" in done.err
    assert "\x1b" not in done.err
    odd = office.copy("a page\x1b[31m.html")
    for done in (office.approve("ann", "qa", page=odd), office.golive("verify", str(odd)), office.golive("merge", str(odd))):
        assert "\x1b" not in done.text
        assert "\\u001b[31m.html" in done.text
    plain = office.copy("a page.html")
    assert f"golive approve '{plain}' --role operations" in office.approve("ann", "qa", page=plain).out
    gone = office.approve("ann", "qa", page=Path("/nowhere/\x1b[31m.html"))
    assert (gone.status, "\x1b" in gone.err, "No such file" in gone.err) == (1, False, True)


def test_a_yes_at_the_terminal_is_asked_once(office: Office) -> None:
    """Anything but yes signs nothing; yes signs."""
    page = str(office.page)
    for said, status in (("no", 1), ("yes", 0)):
        keyboard, terminal = os.openpty()
        os.write(keyboard, f"{said}\n".encode())
        done = subprocess.run(
            [sys.executable, "-m", "pytest_golive.cli", "approve", page, "--role", "qa"],
            cwd=office.project.root,
            env={**office.project.environ, **office.agents["ann"]},
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        os.close(keyboard)
        os.close(terminal)
        assert done.returncode == status, done.stderr
        assert done.stdout.count("Type 'yes' to sign") == 1
