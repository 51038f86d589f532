"""`golive roster` and `golive key`, as people use them; and the files that are no roster and no key."""

from __future__ import annotations

import io
import os
import re
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import cli
from pytest_golive.signing import roster as rosters
from pytest_golive.signing import sshsig
from pytest_golive.signing.choice import Wrapped
from pytest_golive.signing.public import PublicKey
from tests.acceptance.conftest import OPEN
from tests.signing.agents import Token, add, armoured, needs, running
from tests.signing.people import Hand, hand, person, roster

QUORUM = "[quorum.production]\nroles = {qa = 1, operations = 1}\n"


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Hand]:
    """Keys of three persons, with their public halves beside them."""
    made = {name: hand(tmp_path, name) for name in ("ann", "bob", "cem")}
    for name, one in made.items():
        (tmp_path / f"{name}.pub").write_text(f"{one.line} {name}@laptop\n")
    return made


Quick = Callable[..., tuple[int, str]]


@pytest.fixture
def quick(project: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Quick]:
    """The command in this process, for the many ways in which one line is refused: exit status and what it said."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))

    def run(*words: str) -> tuple[int, str]:
        return cli.main(words), capfd.readouterr().err

    yield run
    signal.signal(signal.SIGTERM, before)


def _pub(keys: dict[str, Hand], name: str) -> str:
    return f"{keys[name].path}.pub"


def _file(project: Any) -> Path:
    return Path(project.root) / "golive.roster.toml"


def test_a_roster_is_begun_and_grows(project: Any, keys: dict[str, Hand]) -> None:
    """The first person makes the file; the next ones join it; it is read back as what was asked for."""
    first = project.golive(
        "roster", "add", "ann", "--name", "Ann Example", "--role", "qa", "--role", "operations", "--key", _pub(keys, "ann")
    )
    assert first.status == 0, first.text
    assert keys["ann"].key.fingerprint in first.out
    more = ("--valid-until", "2027-06-30")
    assert (
        project.golive("roster", "add", "bob", "--name", "Bob", "--role", "risk", "--key", _pub(keys, "bob"), *more).status == 0
    )
    roll = rosters.read(_file(project))
    assert [(one.id, one.name, one.roles) for one in roll.persons] == [
        ("ann", "Ann Example", ("qa", "operations")),
        ("bob", "Bob", ("risk",)),
    ]
    assert roll.persons[1].keys[0].valid_until == datetime(2027, 6, 30, tzinfo=UTC)
    assert stat.S_IMODE(_file(project).stat().st_mode) == 0o644


WRITTEN = {
    "list": 'keys = [{key = "KEY"}] # the one of 2025\n',
    "open list": 'keys = [ # newest first\n  # the one of 2025\n  {key = "KEY"},\n]\n',
    "empty line": 'keys = [\n{key = "KEY"}\n]\n',
    "tables": '[[persons.ann.keys]]\nkey = "KEY" # the one of 2025\n',
    "two tables": '[[persons.ann.keys]]\nkey = "KEY"\nvalid_until = 2030-01-01T00:00:00Z\n',
}


@pytest.mark.parametrize("form", WRITTEN)
def test_a_further_key_keeps_what_people_wrote(project: Any, keys: dict[str, Hand], form: str) -> None:
    """Comments, order, spelling and mode of the file stay; the person has one key more and nothing else is new."""
    own = WRITTEN[form].replace("KEY", keys["ann"].line)
    text = (
        '# our roster\nversion = 1 # still\nroles = [\'qa\', "operations"]\n\n[ persons . "ann" ] # head of qa\n'
        f'name = "Ann Example"\nroles = ["qa"]\n{own}\n'
        f'# operations\n[persons.bob]\nname = "Bob"\nroles = ["operations"]\nkeys = [{{key = "{keys["bob"].line}"}}]\n'
        "# end without a line feed"
    )
    _file(project).write_text(text)
    _file(project).chmod(0o600)
    done = project.golive("roster", "add", "ann", "--key", _pub(keys, "cem"))
    assert done.status == 0, done.text
    after = _file(project).read_text()
    left = iter(after.splitlines())
    for line in text.splitlines():
        kept = line.removesuffix('{key = "' + keys["ann"].line + '"}] # the one of 2025')
        assert any(kept in other for other in left), line
    before, now = tomllib.loads(text), tomllib.loads(after)
    assert sorted(one["key"] for one in now["persons"]["ann"].pop("keys")) == sorted(
        [keys["ann"].line, keys["cem"].line + " cem@laptop"]
    )
    before["persons"]["ann"].pop("keys")
    assert before == now
    assert stat.S_IMODE(_file(project).stat().st_mode) == 0o600


def test_a_roster_behind_a_link_stays_behind_it(project: Any, keys: dict[str, Hand], tmp_path: Path) -> None:
    """The file that is linked to is written; the link stays a link."""
    real = tmp_path / "real.toml"
    real.write_text(roster(person("ann", ["qa"], keys["ann"].line)))
    _file(project).symlink_to(real)
    assert project.golive("roster", "add", "bob", "--name", "Bob", "--role", "qa", "--key", _pub(keys, "bob")).status == 0
    assert _file(project).is_symlink()
    assert [one.id for one in rosters.read(real).persons] == ["ann", "bob"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["Bob", "--name", "Bob", "--role", "qa", "--key", "{bob}"], "'Bob' is no id"),
        (["../bob", "--name", "Bob", "--role", "qa", "--key", "{bob}"], "is no id"),
        (["bob", "--role", "qa", "--key", "{bob}"], "--name"),
        (["bob", "--name", "Bob", "--key", "{bob}"], "--role"),
        (["bob", "--name", "B\x1b[2Job", "--role", "qa", "--key", "{bob}"], "is not printable"),
        (["bob", "--name", "B\u202eob", "--role", "qa", "--key", "{bob}"], "is not printable"),
        (["bob", "--name", 'B"\n[persons.eve]', "--role", "qa", "--key", "{bob}"], "is not printable"),
        (["bob", "--name", " ", "--role", "qa", "--key", "{bob}"], "is not printable"),
        (["bob", "--name", "Bob", "--role", "boss", "--key", "{bob}"], "knows no role 'boss'"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "{ann}"], "listed for two persons, ann and bob"),
        (["ann", "--key", "{ann}"], "stands there twice"),
        (["ann", "--role", "operations", "--key", "{bob}"], "without the role operations"),
        (["ann", "--name", "Anna", "--key", "{bob}"], "under another name"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "{private}"], "holds a private key"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "{folder}"], "not a regular file|Is a directory"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "nowhere.pub"], "cannot be read"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "{pipe}"], "not a regular file"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "{huge}"], "too large"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "{bytes}"], "is not text"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "{empty}"], "names no key"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "{weak}"], "2048 bits|small order"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "-"], "names no key"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "{bob}", "--valid-until", "soon"], "is no date"),
        (["bob", "--name", "Bob", "--role", "qa", "--key", "{bob}", "--valid-until", "2027-01-01T00:00"], "has no zone"),
    ],
)
def test_what_cannot_be_added_changes_nothing(
    project: Any, keys: dict[str, Hand], quick: Quick, tmp_path: Path, words: list[str], told: str
) -> None:
    """One clear line, exit status 1, and the file is byte for byte what it was."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge").write_bytes(b"#" * 70_000)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("# nobody\n")
    zero = "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    (tmp_path / "weak").write_text(f"{keys['bob'].line}\nssh-ed25519 {zero}\n")
    places = {name: str(tmp_path / name) for name in ("pipe", "huge", "bytes", "empty", "weak")}
    places |= {"ann": _pub(keys, "ann"), "bob": _pub(keys, "bob"), "private": str(keys["bob"].path), "folder": str(tmp_path)}
    text = roster(person("ann", ["qa"], keys["ann"].line))
    _file(project).write_text(text)
    status, err = quick("roster", "add", *(places.get(word[1:-1], word) for word in words))
    assert status == 1, err
    assert re.search(told, err), err
    assert len(err.splitlines()) == 1
    assert err.rstrip("\n").isprintable()
    assert _file(project).read_text() == text


def test_nothing_is_begun_with_a_mistake(project: Any, keys: dict[str, Hand]) -> None:
    """Where there is no roster, a refused person leaves none."""
    assert project.golive("roster", "add", "ann", "--name", "Ann", "--role", "Q A", "--key", _pub(keys, "ann")).status == 1
    assert project.golive("roster", "add", "ann", "--name", "Ann", "--key", _pub(keys, "ann")).status == 1
    assert not _file(project).exists()
    assert os.listdir(project.root) == os.listdir(project.root)


def test_a_roster_that_cannot_be_edited_safely_is_left_alone(project: Any, keys: dict[str, Hand]) -> None:
    """Persons as one inline table cannot be added to; the line to write by hand is told."""
    one = f'{{name = "Ann", roles = ["qa"], keys = [{{key = "{keys["ann"].line}"}}]}}'
    text = f'version = 1\nroles = ["qa"]\npersons = {{ann = {one}}}\n'
    _file(project).write_text(text)
    for words in (["ann"], ["bob", "--name", "Bob", "--role", "qa"]):
        done = project.golive("roster", "add", *words, "--key", _pub(keys, "bob"))
        assert done.status == 1
        assert f'keys = [{{key = "{keys["bob"].line} bob@laptop"}}]' in done.err
    assert _file(project).read_text() == text


def test_keys_come_from_standard_input_and_from_pem(project: Any, keys: dict[str, Hand], tmp_path: Path) -> None:
    """What a code host lists of a user can be piped in, all of it or nothing; PEM is taken too."""
    exported = project.golive("key", "export", "--pem", _pub(keys, "cem"))
    (tmp_path / "cem.pem").write_text(exported.out)
    assert project.golive("roster", "add", "cem", "--name", "Cem", "--role", "qa", "--key", str(tmp_path / "cem.pem")).status == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest_golive.cli", "roster", "add", "ann", "--name", "Ann", "--role", "qa", "--key", "-"],
        input=f"{keys['ann'].line}\n\n# work\n{keys['bob'].line} work\n",
        cwd=project.root,
        env=project.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    roll = rosters.read(_file(project))
    assert {one.id: [key.public for key in one.keys] for one in roll.persons} == {
        "cem": [keys["cem"].key.public],
        "ann": [keys["ann"].key.public, keys["bob"].key.public],
    }


def test_the_list_fits_a_terminal(project: Any, keys: dict[str, Hand]) -> None:
    """Everybody with roles, fingerprints and validity, and the quorums, in 80 columns."""
    roles = [f"role-number-{number}" for number in range(12)]
    ann = person("ann", roles, keys["ann"].line, more=", valid_until = 2027-01-01T00:00:00Z") + 'logins = ["ann.e"]\n'
    more = ', revoked = 2026-01-01T00:00:00Z, format = "sshsig"'
    token = person("tom", ["role-number-1"], Token("sk-ecdsa-sha2-nistp256@openssh.com").public.line, keys["bob"].line, more=more)
    quorum = "[quorum.production]\npersons = 2\nroles = {role-number-1 = 2, role-number-2 = 1}\n"
    _file(project).write_text(roster(ann, token, roles=repr(roles).replace("'", '"'), more=quorum))
    done = project.golive("roster", "list")
    assert done.status == 0, done.text
    for words in (
        "Ann Example",
        "role-number-11",
        "ann.e",
        keys["ann"].key.fingerprint,
        "until 2027-01-01",
        "revoked at 2026-01-01",
    ):
        assert words in done.out
    assert "sk-ecdsa-sha2-nistp256" in done.out
    assert "quorum.production" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_check_tells_who_can_meet_each_quorum(project: Any, keys: dict[str, Hand]) -> None:
    """A sound roster is 0, with who fills which role, and whom the quorum needs so much that they may not run the gate."""
    people = [person("ann", ["qa"], keys["ann"].line), person("bob", ["operations"], keys["bob"].line)]
    _file(project).write_text(roster(*people, more=QUORUM))
    done = project.golive("roster", "check")
    assert done.status == 0, done.text
    assert re.search(r"quorum\.production +2 persons: 1 qa, 1 operations; the operator does not count", done.out)
    assert re.search(r"operations +bob", done.out)
    assert "if ann runs the gate" in done.out.replace("\n        ", " ")
    assert "holds: persons 2, keys 2, quorums 1" in done.out


def test_check_knows_the_day(project: Any, keys: dict[str, Hand]) -> None:
    """A quorum that stands on an expired key is a fault today, although the file is well written."""
    expired = person("bob", ["operations"], keys["bob"].line, more=", valid_until = 2026-01-01T00:00:00Z")
    _file(project).write_text(roster(person("ann", ["qa"], keys["ann"].line), expired, more=QUORUM))
    done = project.golive("roster", "check")
    assert done.status == 1
    assert "quorum.production cannot be met with the keys that count now" in done.err
    assert "no key of bob counts now" in done.out
    assert "holds:" not in done.out


def test_check_knows_what_the_settings_demand(project: Any, keys: dict[str, Hand]) -> None:
    """A quorum that the settings demand and the roster does not name can never be met; a missing one is at least told."""
    staging = QUORUM.replace("production", "staging")
    people = [person("ann", ["qa"], keys["ann"].line), person("bob", ["operations"], keys["bob"].line)]
    _file(project).write_text(roster(*people, more=staging))
    told = project.golive("roster", "check")
    assert told.status == 0
    assert "no quorum for production" in told.out
    project.settings(OPEN + "signoff: {required: true}\n")
    done = project.golive("roster", "check")
    assert done.status == 1
    assert "the settings demand a quorum in production, and the roster names none" in done.err
    _file(project).write_text(roster(*people, more=QUORUM))
    assert project.golive("roster", "check").status == 0


def test_check_tells_all_faults_at_once(project: Any, keys: dict[str, Hand]) -> None:
    """A key for two persons, a weak key, an unknown role and an impossible quorum, each with its line."""
    text = roster(
        person("ann", ["qa"], keys["ann"].line),
        person("bob", ["boss"], keys["ann"].line),
        person("cem", ["qa"], "ssh-dss AAAA"),
        more="[quorum.production]\npersons = 9\n",
    )
    _file(project).write_text(text)
    done = project.golive("roster", "check")
    assert done.status == 1
    for words in ("listed for two persons", "'boss' is not one of", "'ssh-dss' are not accepted", "9 persons of 3"):
        assert words in done.err
    assert len(re.findall(r"golive\.roster\.toml:\d+:1:", done.err)) == 4


@pytest.mark.parametrize("action", ["list", "check", "add"])
@pytest.mark.parametrize("make", ["no toml", "folder", "unreadable", "huge", "pipe", "missing", "empty", "nul"])
def test_what_is_no_roster_is_one_clear_message(
    project: Any, keys: dict[str, Hand], quick: Quick, make: str, action: str
) -> None:
    """Whatever stands in its place, each command says so with the file and ends with 1; nothing hangs and nothing is written."""
    path = _file(project)
    content = {"no toml": b"persons: [ann]", "unreadable": b"\xff\xfe\x00", "empty": b"", "nul": b"\0"}
    content["huge"] = b"# " + b"x" * 2_000_000
    if make == "folder":
        path.mkdir()
    elif make == "pipe":
        os.mkfifo(path)
    elif make in content:
        path.write_bytes(content[make])
    words = ["ann", "--name", "Ann", "--role", "qa", "--key", _pub(keys, "ann")] if action == "add" else []
    status, err = quick("roster", action, *words)
    if (make, action) == ("missing", "add"):
        assert status == 0
        return
    assert status == 1
    assert "golive.roster.toml:" in err
    assert len(err) < 1_000
    if make in content:
        assert path.read_bytes() == content[make]


def test_control_characters_do_not_reach_the_terminal(project: Any, keys: dict[str, Hand]) -> None:
    """A roster that somebody else wrote cannot steer the terminal of whoever checks it."""
    evil = "\\u001b]0;owned\\u0007"
    _file(project).write_text(
        f'version = 1\nroles = ["qa"]\n[persons."{evil}"]\nname = "{evil}"\nroles = ["{evil}"]\nkeys = []\n'
    )
    done = project.golive("roster", "check")
    assert done.status == 1
    assert "\x1b" not in done.text
    assert "\x07" not in done.text


def test_another_roster_can_be_named(project: Any, keys: dict[str, Hand], tmp_path: Path) -> None:
    """By the option, else by the settings."""
    project.write("elsewhere.toml", roster(person("ann", ["qa"], keys["ann"].line)))
    assert project.golive("roster", "list", "--roster", "elsewhere.toml").status == 0
    assert project.golive("roster", "list").status == 1
    project.settings("roster: elsewhere.toml\n")
    assert project.golive("roster", "list").status == 0
    project.write("other.yaml", "version: 1\nroster: nowhere.toml\n")
    assert "nowhere.toml" in project.golive("roster", "--config", "other.yaml", "list").err
    assert "nowhere.toml" in project.golive("roster", "list", "--config", "other.yaml").err


def test_ssh_keygen_reads_the_allowed_signers(project: Any, keys: dict[str, Hand], tmp_path: Path) -> None:
    """ssh-keygen believes whom the roster believes: the person, our namespace, and within the key's validity."""
    needs("ssh-keygen")
    people = [
        person("ann", ["qa"], keys["ann"].line, more=", valid_from = 2026-01-01T00:00:00Z"),
        person("bob", ["qa"], keys["bob"].line, more=", valid_until = 2026-01-01T00:00:00Z"),
        person("cem", ["qa"], keys["cem"].line, more=", valid_until = 2036-01-01T00:00:00Z, revoked = 2026-01-01T00:00:00Z"),
    ]
    _file(project).write_text(roster(*people))
    done = project.golive("roster", "check", "--allowed-signers")
    assert done.status == 0, done.text
    (tmp_path / "allowed").write_text(done.out)

    def good(signer: str, principal: str, namespace: str = sshsig.NAMESPACE) -> bool:
        key = keys[signer].key
        (tmp_path / "sig").write_text(armoured(Wrapped(key, key.public.signing_as("sshsig")).sign(b"x")))
        words = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", principal, "-n", namespace, "-s", "sig"]
        return subprocess.run(words, cwd=tmp_path, input=b"x", capture_output=True, check=False).returncode == 0

    assert good("ann", "ann")
    assert not good("ann", "bob")
    assert not good("ann", "ann", "git")
    assert not good("bob", "bob")
    assert not good("cem", "cem")


@pytest.fixture
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real agent."""
    with running(tmp_path_factory.mktemp("a")) as path:
        yield path


def test_key_show_tells_whose_each_key_is(project: Any, keys: dict[str, Hand], agent: str, tmp_path: Path) -> None:
    """Agent, files and session key with fingerprints, and for each whether and as whom it is on the roster; nothing is made."""
    add(agent, keys["ann"].path)
    add(agent, keys["cem"].path)
    home = Path(project.environ["HOME"])
    (home / ".ssh").mkdir()
    filed = hand(home / ".ssh", "id_ed25519", passphrase=b"locked")
    _file(project).write_text(roster(person("ann", ["qa"], keys["ann"].line, filed.line)))
    done = project.golive("key", "show", env={"SSH_AUTH_SOCK": agent})
    assert done.status == 0, done.text
    assert re.search(
        rf"{re.escape(keys['ann'].key.fingerprint)} ssh-ed25519\n +Ann Example \(ann\): qa; without an end", done.out
    )
    assert re.search(rf"{re.escape(keys['cem'].key.fingerprint)} ssh-ed25519\n +not on the roster", done.out)
    assert re.search(rf"{re.escape(filed.key.fingerprint)} ssh-ed25519\n +Ann Example", done.out)
    assert "none yet: the first run makes it" in done.out
    assert not (home / ".local").exists()


def test_key_show_survives_a_broken_agent(project: Any, tmp_path: Path) -> None:
    """An agent that is gone is one line among the others, and without a roster the keys are still shown."""
    home = Path(project.environ["HOME"])
    (home / ".ssh").mkdir()
    filed = hand(home / ".ssh", "id_ecdsa", p256=True)
    done = project.golive("key", "show", env={"SSH_AUTH_SOCK": str(tmp_path / "gone")})
    assert done.status == 0, done.text
    assert "there is no ssh-agent at $SSH_AUTH_SOCK" in done.out
    assert filed.key.fingerprint in done.out
    assert "there is no roster here" in done.out


def test_key_export_is_what_openssl_reads(project: Any, keys: dict[str, Hand], tmp_path: Path) -> None:
    """PEM of an Ed25519 key, which ssh-keygen cannot write, from a file, a private file without its passphrase, a fingerprint."""
    _file(project).write_text(roster(person("ann", ["qa"], keys["ann"].line)))
    locked = hand(tmp_path, "locked", passphrase=b"secret")
    for name, public in (
        (_pub(keys, "ann"), keys["ann"].key.public),
        (keys["ann"].key.fingerprint, keys["ann"].key.public),
        (str(locked.path), locked.key.public),
    ):
        done = project.golive("key", "export", name)
        assert done.status == 0, done.text
        read = subprocess.run(
            ["openssl", "pkey", "-pubin", "-text", "-noout"], input=done.out, capture_output=True, text=True, check=False
        )
        assert read.returncode == 0, read.stderr
        assert public.raw.hex() in re.sub(r"[^0-9a-f]", "", read.stdout.partition("pub:")[2])
        again = project.golive("key", "export", "--openssh", name)
        assert PublicKey.parse(again.out) == public


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (None, "no session key yet"),
        ("SHA256:nobody", "no key SHA256:nobody"),
        ("nowhere", "names no key"),
        ("golive.yaml", "not an OpenSSH public key|not base64"),
        (".", "names no key"),
    ],
)
def test_key_export_of_nothing_is_one_line(project: Any, name: str | None, words: str) -> None:
    """What is no key is told, and no key is made to have one."""
    done = project.golive("key", "export", *([name] if name else []))
    assert done.status == 1
    assert re.search(words, done.err), done.err
    assert "Traceback" not in done.err
    assert not (Path(project.environ["HOME"]) / ".local").exists()


def test_a_tokens_key_is_not_given_to_openssl(project: Any, tmp_path: Path) -> None:
    """As PEM it would verify nothing that the token signs; as an OpenSSH line it is what ssh-keygen wants."""
    token = Token()
    (tmp_path / "sk.pub").write_text(token.public.line + "\n")
    assert "ssh-keygen -Y verify" in project.golive("key", "export", str(tmp_path / "sk.pub")).err
    assert PublicKey.parse(project.golive("key", "export", "--openssh", str(tmp_path / "sk.pub")).out) == token.public
