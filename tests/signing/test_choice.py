"""Which key signs: the one that is named, else the one that is on the roster; never a guess."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_golive.errors import KeyRefused
from pytest_golive.signing import dsse
from pytest_golive.signing.agent import AgentKey
from pytest_golive.signing.choice import Wrapped, choose
from pytest_golive.signing.key_files import FileKey
from pytest_golive.signing.keys import SessionKey, Signer, session_key
from pytest_golive.signing.roster import Roster, parse
from tests.signing.agents import Fake, Token, add, of_token, running
from tests.signing.people import hand, person, roster

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


class Desk:
    """A home folder, an agent, and a person who can be asked for a passphrase."""

    def __init__(self, home: Path, agent: str) -> None:
        self.home = home
        self.environ = {"HOME": str(home), "SSH_AUTH_SOCK": agent}
        self.asked: list[str] = []
        (home / ".ssh").mkdir(mode=0o700)

    def answer(self, prompt: str) -> bytes | None:
        self.asked.append(prompt)
        return b"correct horse"

    def choose(self, key: str | None, roll: Roster, **more: object) -> Signer:
        return choose(key=key, environ=self.environ, roster=roll, ask_passphrase=self.answer, **more)  # type: ignore[arg-type]


@pytest.fixture
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real agent with nothing in it."""
    with running(tmp_path_factory.mktemp("a")) as path:
        yield path


@pytest.fixture
def desk(tmp_path: Path, agent: str) -> Desk:
    """A desk with that agent."""
    (tmp_path / "home").mkdir()
    return Desk(tmp_path / "home", agent)


def _roll(*lines: str, more: str = "") -> Roster:
    people = [person(f"person-{number}", ["qa"], line, more=more) for number, line in enumerate(lines)]
    return parse(roster(*people).encode(), "golive.roster.toml")


def _line(folder: Path) -> str:
    """Somebody else's key, so that a roster is never empty."""
    return hand(folder, f"other-{len(os.listdir(folder))}").line


def test_the_agents_key_on_the_roster_is_found(desk: Desk, agent: str, tmp_path: Path) -> None:
    """Of several keys in the agent it is the one that is on the roster, and it comes before a file."""
    mine, other = hand(tmp_path, "mine"), hand(tmp_path, "other")
    add(agent, other.path)
    add(agent, mine.path)
    filed = hand(desk.home / ".ssh", "id_ed25519")
    signer = desk.choose(None, _roll(mine.line, filed.line))
    assert (type(signer), signer.public) == (AgentKey, mine.key.public)
    assert signer.public.verify(signer.sign(b"x"), b"x")


def test_two_keys_that_would_both_do_are_a_question(desk: Desk, agent: str, tmp_path: Path) -> None:
    """Both are told, nothing is signed; named by fingerprint or comment, each is found."""
    one, two = hand(tmp_path, "one"), hand(tmp_path, "two")
    add(agent, one.path)
    add(agent, two.path)
    roll = _roll(one.line, two.line)
    with pytest.raises(KeyRefused, match="has 2 keys that are on the roster") as caught:
        desk.choose(None, roll)
    assert one.key.fingerprint in caught.value.message
    assert two.key.fingerprint in caught.value.message
    assert desk.choose(f"agent:{two.key.fingerprint}", roll).public == two.key.public


def test_a_key_that_no_longer_counts_is_not_found(desk: Desk, agent: str, tmp_path: Path) -> None:
    """An expired or revoked key beside a new one is no question; alone it is nobody's key."""
    old, new = hand(tmp_path, "old"), hand(tmp_path, "new")
    add(agent, old.path)
    add(agent, new.path)
    for end in ("valid_until", "revoked"):
        keys = f'[persons.ann]\nname = "Ann"\nroles = ["qa"]\nkeys = [{{key = "{old.line}", {end} = 2026-11-01T00:00:00Z}}, '
        roll = parse(roster(keys + f'{{key = "{new.line}"}}]\n').encode(), "r")
        assert desk.choose(None, roll, now=NOW).public == new.key.public
        with pytest.raises(KeyRefused, match=r"is on the roster and does not count: (expired|revoked) at"):
            desk.choose(None, _roll(old.line, more=f", {end} = 2026-11-01T00:00:00Z"), now=NOW)


@pytest.mark.parametrize(("name", "kind"), [("id_ed25519", "ed25519"), ("id_ecdsa", "p256"), ("id_rsa", "rsa")])
def test_a_file_of_ssh_is_found(desk: Desk, tmp_path: Path, name: str, kind: str) -> None:
    """Without a key in the agent the usual files are looked at, and opened only if their public half is on the roster."""
    made = hand(desk.home / ".ssh", name, kind=kind, passphrase=None)
    signer = desk.choose(None, _roll(made.line))
    assert (type(signer), signer.public, desk.asked) == (FileKey, made.key.public, [])
    with pytest.raises(KeyRefused, match="not on the roster"):
        desk.choose(None, _roll(_line(tmp_path)))


def test_a_passphrase_is_asked_once_and_only_for_the_key_that_signs(desk: Desk, tmp_path: Path) -> None:
    """A locked key that is not on the roster is never asked about; the one that is, once."""
    hand(desk.home / ".ssh", "id_ed25519", passphrase=b"another one")
    mine = hand(desk.home / ".ssh", "id_ecdsa", p256=True, passphrase=b"correct horse")
    assert desk.choose(None, _roll(mine.line)).public == mine.key.public
    assert desk.asked == [f"Passphrase of {mine.path}: "]


def test_a_wrong_passphrase_is_one_line_without_it(desk: Desk) -> None:
    """It is told once, and what was typed is nowhere in it."""
    made = hand(desk.home / ".ssh", "id_ed25519", passphrase=b"something else")
    with pytest.raises(KeyRefused, match="does not open the key") as caught:
        desk.choose(None, _roll(made.line))
    assert len(desk.asked) == 1
    assert "correct horse" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_agent_that_is_gone_does_not_hide_a_file(desk: Desk, tmp_path: Path) -> None:
    """The file still signs; if there is none, the refusal says what is wrong with the agent."""
    desk.environ["SSH_AUTH_SOCK"] = str(tmp_path / "gone")
    with pytest.raises(KeyRefused, match="there is no ssh-agent at"):
        desk.choose(None, _roll(_line(tmp_path)))
    made = hand(desk.home / ".ssh", "id_ed25519")
    assert desk.choose(None, _roll(made.line)).public == made.key.public


def test_a_named_key_is_taken_and_no_other(desk: Desk, agent: str, tmp_path: Path) -> None:
    """A path, a fingerprint or a comment; a name that fits nothing or two is refused with what there is."""
    mine, filed = hand(tmp_path, "mine"), hand(tmp_path, "filed")
    add(agent, mine.path)
    roll = _roll(mine.line)
    assert desk.choose(str(filed.path), roll).public == filed.key.public
    comment = str(mine.path)
    assert desk.choose(f"agent:{comment}", roll).public == mine.key.public
    for wrong in ("agent:", "agent:nobody", f"agent:{mine.key.fingerprint[:-1]}", f"agent:{filed.key.fingerprint}"):
        with pytest.raises(KeyRefused, match="no such key") as caught:
            desk.choose(wrong, roll)
        assert mine.key.fingerprint in caught.value.hint
    del desk.environ["SSH_AUTH_SOCK"]
    with pytest.raises(KeyRefused, match="SSH_AUTH_SOCK is not set"):
        desk.choose(f"agent:{mine.key.fingerprint}", roll)
    with pytest.raises(KeyRefused, match="cannot be read"):
        desk.choose(str(tmp_path / "nowhere"), roll)


def test_the_session_key_is_nobodys_unless_it_is_wanted(desk: Desk, tmp_path: Path) -> None:
    """It is found only where the caller allows it and the roster names it, and is never made for this."""
    path = desk.home / ".local" / "share" / "golive" / "session.key"
    with pytest.raises(KeyRefused):
        desk.choose(None, _roll(_line(tmp_path)), session=True)
    assert not path.exists()
    roll = _roll(session_key(path).public.line)
    assert type(desk.choose(None, roll, session=True)) is SessionKey
    with pytest.raises(KeyRefused, match="not on the roster"):
        desk.choose(None, roll)


def test_the_roster_demands_the_form(desk: Desk, agent: str, tmp_path: Path) -> None:
    """A key with format = sshsig signs so, from the agent and from a file; its envelope opens under the roster's key alone."""
    mine = hand(tmp_path, "mine")
    add(agent, mine.path)
    roll = _roll(mine.line, more=', format = "sshsig"')
    for key in (None, str(mine.path)):
        signer = desk.choose(key, roll)
        assert type(signer) is Wrapped
        line = dsse.sign(b"{}", signer)
        assert dsse.open_envelope(line, roll.public_keys).payload == b"{}"
        with pytest.raises(Exception, match="no trusted key"):
            dsse.open_envelope(line, [mine.key.public])


def test_a_token_in_the_agent_is_found(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A token's key on the roster signs through whatever agent holds it."""
    token = Token()
    fake = Fake(str(tmp_path_factory.mktemp("t") / "s"), of_token(token))
    try:
        desk.environ["SSH_AUTH_SOCK"] = fake.path
        roll = _roll(token.public.line)
        signer = desk.choose(None, roll)
        assert dsse.open_envelope(dsse.sign(b"{}", signer), roll.public_keys).payload == b"{}"
    finally:
        fake.stop()


def test_the_file_of_a_token_says_where_its_key_is(desk: Desk, tmp_path: Path) -> None:
    """The file that ssh-keygen writes for a token holds no private key; the hint names the agent."""
    import base64

    from pytest_golive.signing.ssh_wire import string

    token = Token()
    body = b"openssh-key-v1\0" + string(b"none") + string(b"none") + string(b"") + (1).to_bytes(4, "big")
    text = base64.b64encode(body + string(token.public.blob) + string(b"x")).decode()
    path = tmp_path / "id_ed25519_sk"
    path.write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n")
    path.chmod(0o600)
    with pytest.raises(KeyRefused, match="lives in a token") as caught:
        desk.choose(str(path), _roll(token.public.line))
    assert f"agent:{token.public.fingerprint}" in caught.value.hint


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"nonsense", None])
def test_a_public_file_that_says_nothing_hides_no_other_key(desk: Desk, content: bytes | None) -> None:
    """A broken .pub beside one key is told if nothing else is found, and does not keep the next key from signing."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = desk.home / ".ssh" / "id_ed25519"
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    path.chmod(0o600)
    if content is None:
        path.with_name("id_ed25519.pub").mkdir()
    else:
        path.with_name("id_ed25519.pub").write_bytes(content)
    mine = hand(desk.home / ".ssh", "id_ecdsa", p256=True)
    assert desk.choose(None, _roll(mine.line)).public == mine.key.public


def test_a_public_file_that_lies_opens_nothing_else(desk: Desk, tmp_path: Path) -> None:
    """What signs is the key in the file; a .pub beside it that names a colleague makes nobody that colleague."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    colleague = hand(tmp_path, "colleague")
    path = desk.home / ".ssh" / "id_ed25519"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    path.chmod(0o600)
    path.with_name("id_ed25519.pub").write_text(colleague.line + "\n")
    roll = _roll(colleague.line)
    assert roll.holder(desk.choose(None, roll).public) is None
