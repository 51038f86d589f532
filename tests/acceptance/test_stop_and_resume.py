"""`golive stop` with everything broken that can be, and `golive resume` for those only who may."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_golive.journal import Journal
from pytest_golive.resuming import read
from pytest_golive.signing import roster as rosters
from tests.acceptance.conftest import OPEN, Project

QUORUM = "\n[quorum.production]\nroles = { risk = 1 }\n"


def journal(project: Project, *events: str) -> list[dict[str, Any]]:
    """The details of these events in the journal."""
    kept = Journal(project.root / "reports/journal.jsonl").entries()
    return [dict(entry.detail) for entry in kept if entry.event in events]


@pytest.fixture
def person(project: Project) -> Callable[..., Path]:
    """Makes an OpenSSH key and a roster with one person who holds it."""

    def make(role: str = "risk", extra: str = "", key_extra: str = "") -> Path:
        key = project.root / "id_person"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public = " ".join(Path(f"{key}.pub").read_text().split()[:2])
        project.write(
            "golive.roster.toml",
            f'version = 1\nroles = ["risk", "qa"]\n\n[persons.ruth]\nname = "Ruth Roe"\nroles = ["{role}"]\n'
            f'keys = [{{ key = "{public}"{key_extra} }}]\n{extra}',
        )
        return key

    return make


def test_a_stop_stops_and_tells(live: Project) -> None:
    """The file is there with name and reason, the journal and the status say so, and an activation is not possible any more."""
    assert "PERMITTED" in live.golive("status").out
    done = live.golive("stop", "--reason", "prices make no sense")
    assert done.status == 0, done.text
    assert "REAL TRADING IS STOPPED" in done.out
    assert "prices make no sense" in (live.root / "EMERGENCY_STOP").read_text()
    (record,) = journal(live, "stopped")
    assert (record["operator"], record["reason"]) == ("alice", "prices make no sense")
    status = live.golive("status").out
    assert "by alice: prices make no sense" in status
    assert "BLOCKED - stop file present" in status
    assert live.marker.exists(), "a stop leaves the marker: what was approved is still approved"
    assert live.golive("guard", "--", "true").status == 1


def test_twice_is_once_and_is_told(project: Project) -> None:
    """The second stop says that one stood already, and ends well."""
    assert project.golive("stop", "--reason", "a").status == 0
    again = project.golive("stop", "--reason", "b", env={"GOLIVE_OPERATOR": "bob"})
    assert again.status == 0
    assert "stood there already" in again.out
    status = project.golive("status").out
    assert status.index("by alice: a") < status.index("by bob: b")


def test_a_secret_in_a_reason_is_not_kept(project: Project) -> None:
    """What this environment knows as a secret reaches neither file, journal nor terminal."""
    done = project.golive("stop", "--reason", "key hunter2hunter2 leaked", env={"BROKER_API_SECRET": "hunter2hunter2"})
    assert done.status == 0
    kept = (project.root / "EMERGENCY_STOP").read_text() + (project.root / "reports/journal.jsonl").read_text() + done.text
    assert "hunter2" not in kept
    assert "leaked" in kept


BROKEN = {
    "unknown key": "stops: [HALT]\nnonsense: 1\n",
    "not yaml": "stops: [HALT]\nmode: {a: [\n",
    "several lines": "stops:\n# both\n- 'HALT'\n- other/HALT   # the second\nmode: {{{\n",
    "flow over lines": "stops: [HALT,\n  other/HALT]\nx: *y\n",
    "environment": "stops: ['${env:PLACE}']\nnonsense: 1\n",
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_settings_stop_all_the_same(project: Project, name: str) -> None:
    """Whatever is broken in golive.yaml, the files that it names under stops are made, and the fault is told."""
    project.settings(BROKEN[name])
    done = project.golive("stop", "--reason", "x", env={"PLACE": "HALT"})
    assert done.status == 0, done.text
    assert "the settings cannot be used" in done.out
    assert (project.root / "HALT").exists()
    assert (project.root / "other/HALT").exists() == ("other" in BROKEN[name])
    assert not (project.root / "EMERGENCY_STOP").exists()


@pytest.mark.parametrize("text", ["stops: {a: b}\n", "stops: *x\n", "stops:\n  deeper: [a]\n", "stops: ['${env:UNKNOWN}']\n"])
def test_a_guess_is_no_stop(project: Project, text: str) -> None:
    """Where the stop files cannot be made out one is made as a guess, the exit status is 1, and people are told what to do."""
    project.settings(text)
    done = project.golive("stop", "--reason", "x")
    assert done.status == 1
    assert "a guess" in done.out
    assert "by hand, now" in done.out
    assert "REAL TRADING IS STOPPED" not in done.out


def test_without_settings_a_file_can_be_named(project: Project) -> None:
    """In a folder without settings nothing is known, which is told with exit status 1; a named file is made anyway."""
    (project.root / "golive.yaml").unlink()
    nothing = project.golive("stop", "--reason", "x")
    assert nothing.status == 1
    assert "--file" in nothing.out
    assert not (project.root / "EMERGENCY_STOP").exists()
    named = project.golive("stop", "--file", "here/STOP")
    assert named.status == 0
    assert (project.root / "here/STOP").exists()


def test_no_reason_is_no_obstacle(project: Project) -> None:
    """In an emergency the bare word is enough, and words without an option are the reason."""
    assert project.golive("stop").status == 0
    assert "no reason was given" in (project.root / "EMERGENCY_STOP").read_text()
    assert project.golive("stop", "prices", "are", "odd").status == 0
    assert "prices are odd" in (project.root / "EMERGENCY_STOP").read_text()


def test_no_stop_file_takes_the_marker(project: Project) -> None:
    """If no stop file can be made the marker is taken back, what to do by hand is told line by line, and the exit status is 1."""
    project.settings(OPEN + "stops: [one/STOP]\n")
    assert project.gate().status == 0
    assert project.marker.exists()
    (project.root / "one").touch()
    done = project.golive("stop", "--reason", "x")
    assert done.status == 1
    assert not project.marker.exists()
    assert f"touch -- {project.root}/one/STOP" in done.out
    assert "is gone instead" in done.out
    assert journal(project, "deactivated")[-1]["reason"] == "no stop file could be made: x"


def test_a_journal_that_cannot_be_written_is_told(project: Project) -> None:
    """The stop stands and the exit status is 0, though the journal is a folder."""
    (project.root / "reports/journal.jsonl").mkdir(parents=True)
    done = project.golive("stop", "--reason", "x")
    assert done.status == 0
    assert "the journal has no record of it" in done.out
    assert (project.root / "EMERGENCY_STOP").exists()


def test_a_journal_that_is_locked_does_not_hold_the_stop(project: Project) -> None:
    """Somebody who keeps the journal locked delays the command by its bound and not for ever, and the file is there at once."""
    path = project.write("reports/journal.jsonl", "")
    path.chmod(0o600)
    with path.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = project.golive("stop", "--reason", "x")
    assert done.status == 0
    assert "longer than" in done.out


def cancel(project: Project, *words: str, timeout: str = "5s") -> None:
    project.settings(OPEN + f"on_stop: {{cancel: {json.dumps(words)}, timeout: {timeout}}}\n")


def test_open_orders_are_cancelled(project: Project) -> None:
    """The command of on_stop runs after the file is there, in the folder of the settings, and its last line is told."""
    code = "import os; assert os.path.exists('EMERGENCY_STOP'); print('three orders cancelled')"
    cancel(project, sys.executable, "-c", code)
    done = project.golive("stop", "--reason", "x")
    assert done.status == 0
    assert "open orders: cancelled - three orders cancelled" in done.out
    assert journal(project, "orders-cancelled")[0]["good"] is True


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((sys.executable, "-c", "print('two left'); raise SystemExit(3)"), "exit 3"),
        ((sys.executable, "-c", "import time; print('slow', flush=True); time.sleep(600)"), "did not end within 1 s"),
        (("/no/such/program",), "could not be started"),
        (("${env:NOT_SET}", "x"), "a variable of it is not set"),
    ],
    ids=["fails", "hangs", "missing", "unset"],
)
def test_a_failing_cancel_is_told_and_undoes_nothing(project: Project, words: tuple[str, ...], told: str) -> None:
    """A command that fails, hangs or is not there is told with what it said; the stop stands and the exit status is 0."""
    cancel(project, *words, timeout="1s")
    done = project.golive("stop", "--reason", "x")
    assert done.status == 0
    assert "NOT ALL CANCELLED" in done.out
    assert told in done.out
    assert (project.root / "EMERGENCY_STOP").exists()
    assert journal(project, "orders-cancelled")[0]["good"] is False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_impatient_operator_does_not_undo_it(project: Project, number: int) -> None:
    """Whoever interrupts the command while orders are being cancelled is told that the stop stands, and what may be missing."""
    cancel(project, sys.executable, "-c", "import time; open('began', 'w').close(); time.sleep(600)", timeout="60s")
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_golive.cli", "stop"],
        cwd=project.root, env=project.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 30
    while not (project.root / "began").exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "interrupted: the stop stands" in said
    assert (project.root / "EMERGENCY_STOP").exists()


@pytest.mark.parametrize("out", [">/dev/full", ">&-", ">&- 2>&-"])
def test_a_stop_needs_nobody_to_hear_it(project: Project, out: str) -> None:
    """Without a terminal or with a full disk behind it the stop is made, journalled, and open orders are cancelled."""
    project.settings(OPEN + "on_stop: {cancel: [touch, cancelled]}\n")
    command = ["sh", "-c", f'exec "$@" {out}', "sh", sys.executable, "-u", "-m", "pytest_golive.cli", "stop", "--reason", "fire"]
    done = subprocess.run(
        command, cwd=project.root, env=project.environ, stderr=subprocess.PIPE, text=True, timeout=30, check=False
    )
    assert "Traceback" not in done.stderr
    assert (project.root / "EMERGENCY_STOP").exists()
    assert (project.root / "cancelled").exists()
    assert [one["reason"] for one in journal(project, "stopped")] == ["fire"]


def test_a_person_resumes(live: Project, person: Callable[..., Path]) -> None:
    """The person is shown the stop, signs, and the file is gone; the journal holds what was signed, and orders may go again."""
    key = person(extra=QUORUM)
    assert live.golive("stop", "--reason", "prices make no sense").status == 0
    done = live.golive("resume", "--reason", "feed mended", "--key", str(key), "--yes")
    assert done.status == 0, done.text
    assert "by alice: prices make no sense" in done.out
    assert not (live.root / "EMERGENCY_STOP").exists()
    (record,) = journal(live, "resumed")
    assert (record["person"], record["role"], record["reason"]) == ("ruth", "risk", "feed mended")
    roster = rosters.read(live.root / "golive.roster.toml")
    signed = read(record["envelope"].encode(), roster, datetime.now(UTC))
    assert signed["stops"][0]["why"] == ["prices make no sense"]
    assert "PERMITTED" in live.golive("status").out


REFUSED: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "role": ({"role": "qa", "extra": "\n[quorum.production]\nroles = { qa = 1 }\n"}, ("--role", "risk"), "may not resume"),
    "key over": ({"key_extra": ", valid_until = 2020-01-01T00:00:00Z"}, (), "does not count at"),
    "no reason": ({}, ("--reason", "  "), "a reason is needed"),
    "not confirmed": ({}, ("no-yes",), "without confirmation"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_who_may_not_resume(project: Project, person: Callable[..., Path], name: str) -> None:
    """A role that does not count, a key that is over, no reason and no confirmation each leave the stop where it is."""
    roster, words, told = REFUSED[name]
    key = person(**roster)
    assert project.golive("stop", "--reason", "x").status == 0
    arguments = ["--reason", "y", "--key", str(key), *words]
    arguments = [word for word in arguments if word != "no-yes"] if "no-yes" in words else [*arguments, "--yes"]
    done = project.golive("resume", *arguments)
    assert done.status == 1
    assert told in done.text
    assert (project.root / "EMERGENCY_STOP").exists()
    assert not journal(project, "resumed")


def test_only_roles_that_may(project: Project, person: Callable[..., Path]) -> None:
    """Somebody on the roster without a role of the quorum is refused, and is admitted once resume_roles names the role."""
    other = '\n[persons.otto]\nname = "Otto Orr"\nroles = ["risk"]\nkeys = [{ key = "OTTO" }]\n'
    second = project.root / "id_otto"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(second)], check=True)
    other = other.replace("OTTO", " ".join(Path(f"{second}.pub").read_text().split()[:2]))
    key = person(role="qa", extra=other + QUORUM)
    assert project.golive("stop", "--reason", "x").status == 0
    refused = project.golive("resume", "--reason", "y", "--key", str(key), "--yes")
    assert refused.status == 1
    assert "one of: risk" in refused.text
    project.settings(OPEN + "signoff: {resume_roles: [qa]}\n")
    assert project.golive("resume", "--reason", "y", "--key", str(key), "--yes").status == 0


def test_without_a_roster_nobody_resumes(project: Project, person: Callable[..., Path]) -> None:
    """Without a roster, and with a key that is on none, trading stays stopped and the way onto the roster is told."""
    key = person()
    (project.root / "golive.roster.toml").unlink()
    assert project.golive("stop", "--reason", "x").status == 0
    nobody = project.golive("resume", "--reason", "y", "--key", str(key), "--yes")
    assert nobody.status == 1
    assert "roster" in nobody.err
    person()
    stranger = project.golive("resume", "--reason", "y", "--yes")
    assert stranger.status == 1
    assert "not on the roster" in stranger.err
    assert (project.root / "EMERGENCY_STOP").exists()


def test_all_stop_files_go_or_none(project: Project, person: Callable[..., Path]) -> None:
    """Several stop files are taken away together; if one cannot be, all stay."""
    project.settings(OPEN + "stops: [A, sub/B]\n")
    key = person()
    (project.root / "sub/B").mkdir(parents=True)
    assert project.golive("stop", "--reason", "x").status == 0
    refused = project.golive("resume", "--reason", "y", "--key", str(key), "--yes")
    assert refused.status == 1
    assert "rmdir --" in refused.err
    assert (project.root / "A").exists()
    (project.root / "sub/B").rmdir()
    assert project.golive("stop", "--reason", "x").status == 0
    assert project.golive("resume", "--reason", "y", "--key", str(key), "--yes").status == 0
    assert not (project.root / "A").exists()
    assert not (project.root / "sub/B").exists()


def test_nothing_to_resume(project: Project) -> None:
    """Where nothing is stopped that is said, and no person is needed."""
    done = project.golive("resume", "--reason", "y")
    assert done.status == 0
    assert "Nothing is stopped" in done.out
