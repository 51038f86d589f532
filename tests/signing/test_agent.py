"""The ssh-agent: a real one signs in each kind, and whatever else sits on its socket is one line in bounded time."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_golive.errors import KeyRefused
from pytest_golive.signing import dsse
from pytest_golive.signing.agent import MAX_ANSWER, MAX_KEYS, Agent, agent
from pytest_golive.signing.public import SK_ED25519, SK_P256, PublicKey
from pytest_golive.signing.ssh_wire import string
from tests.signing.agents import Fake, Token, add, listing, of_token, running
from tests.signing.people import Hand, hand

LOCK, SUCCESS = 22, 6
KINDS = ("ed25519", "p256", "rsa")


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Hand]:
    """A key of each kind, in a file of its own."""
    folder = tmp_path_factory.mktemp("h")
    return {kind: hand(folder, kind, kind=kind) for kind in KINDS}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, hands: dict[str, Hand]) -> Iterator[str]:
    """A real agent that holds these keys."""
    with running(tmp_path_factory.mktemp("a")) as path:
        for one in hands.values():
            add(path, one.path)
        yield path


@pytest.fixture
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Starts something that answers by a function, and stops it at the end."""
    started: list[Fake] = []

    def start(answer: Callable[[bytes], bytes | None], drip: float = 0) -> str:
        started.append(Fake(str(tmp_path_factory.mktemp("f") / "s"), answer, drip=drip))
        return started[-1].path

    yield start
    for one in started:
        one.stop()


def test_the_agent_lists_what_it_holds(real: str, hands: dict[str, Hand]) -> None:
    """Each key with its comment, in the agent's order, and the same keys as in the files."""
    told = Agent(real).identities()
    assert [one.public for one in told] == [hands[kind].key.public for kind in KINDS]
    assert all(one.comment and not one.refused for one in told)


@pytest.mark.parametrize("kind", KINDS)
def test_the_agent_signs_as_the_file_would(real: str, hands: dict[str, Hand], kind: str) -> None:
    """The envelope opens under the person's key; for Ed25519 and RSA the bytes are those of the key file."""
    public = hands[kind].key.public
    signer = Agent(real).signer(public)
    line = dsse.sign(b"{}", signer)
    assert dsse.open_envelope(line, [public]).payload == b"{}"
    if kind != "p256":
        assert signer.sign(b"x") == hands[kind].key.sign(b"x")
    assert repr(signer) == f"AgentKey({public.fingerprint})"


def test_an_agent_refuses_a_key_that_it_does_not_hold(real: str, tmp_path: Path) -> None:
    """Asked for a stranger's key it says no, and that is told."""
    with pytest.raises(KeyRefused, match="refuses to sign"):
        Agent(real).signer(hand(tmp_path, "other").key.public).sign(b"x")


def test_a_locked_agent_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A locked agent lists nothing and signs nothing; the reason is a refusal, not an empty signature."""
    folder = tmp_path_factory.mktemp("l")
    made = hand(folder, "k")
    with running(folder) as path:
        add(path, made.path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.connect(path)
            line.sendall(string(bytes([LOCK]) + string(b"secret")))
            assert line.recv(5) == string(bytes([SUCCESS]))
        assert Agent(path).identities() == ()
        with pytest.raises(KeyRefused, match="refuses to sign") as caught:
            Agent(path).signer(made.key.public).sign(b"x")
        assert "ssh-add -X" in caught.value.hint


def test_an_agent_that_is_gone_is_one_line(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No socket, a socket that nobody listens on any more, and a path that is too long for one."""
    folder = tmp_path_factory.mktemp("g")
    with running(folder) as path:
        holder = Agent(path)
    (folder / "file").write_text("")
    for gone in (holder, Agent(str(folder / "nowhere")), Agent(str(folder / "file")), Agent("/" + "x" * 300), Agent("\0")):
        with pytest.raises(KeyRefused, match="there is no ssh-agent at") as caught:
            gone.identities()
        assert "ssh-add" in caught.value.hint
        assert "\n" not in str(caught.value)
    assert agent({}) is None
    assert agent({"SSH_AUTH_SOCK": ""}) is None


RUBBISH: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "there is no ssh-agent"),
    "cut": (string(b"\x0c\0\0")[:-1], "there is no ssh-agent"),
    "no message": (string(b""), "no agent would"),
    "failure": (string(b"\x05"), "refuses to list"),
    "another answer": (string(b"\x0e\0\0\0\0"), "refuses to list"),
    "too large": ((MAX_ANSWER + 1).to_bytes(4, "big"), "no agent would"),
    "page": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no agent would"),
    "too many": (string(b"\x0c" + (MAX_KEYS + 1).to_bytes(4, "big")), "no list of keys"),
    "fewer than told": (string(b"\x0c\0\0\0\x02" + string(b"k") + string(b"c")), "no list of keys"),
    "left over": (string(b"\x0c\0\0\0\0x"), "no list of keys"),
    "no count": (string(b"\x0c"), "no list of keys"),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_is_one_line(fake: Callable[..., str], name: str) -> None:
    """Whatever is answered, it is a refusal with a hint."""
    told, words = RUBBISH[name]
    with pytest.raises(KeyRefused) as caught:
        Agent(fake(lambda _: told), list_seconds=2).identities()
    assert re.search(words, caught.value.message), caught.value.message
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_an_agent_that_says_nothing_is_given_up(fake: Callable[..., str]) -> None:
    """Listing and signing both end, and say what to do."""
    path = fake(lambda _: None)
    for ask in (
        Agent(path, list_seconds=0.05).identities,
        lambda: Agent(path, sign_seconds=0.05).signer(Token().public).sign(b"x"),
    ):
        with pytest.raises(KeyRefused, match=r"did not answer within 0\.05 seconds"):
            ask()


def test_an_agent_that_drips_is_given_up(fake: Callable[..., str]) -> None:
    """The time is for the whole answer: a byte now and then does not stretch it."""
    path = fake(lambda _: string(b"\x0c\0\0\0\0" + bytes(2_000)), drip=0.01)
    began = time.monotonic()
    with pytest.raises(KeyRefused, match="did not answer"):
        Agent(path, list_seconds=0.2).identities()
    assert time.monotonic() - began < 10


def test_a_key_that_is_not_accepted_is_listed_with_the_reason(fake: Callable[..., str], tmp_path: Path) -> None:
    """A certificate or a weak key in the agent does not hide the good ones."""
    good = hand(tmp_path, "k").key.public
    certificate = string(b"ssh-ed25519-cert-v01@openssh.com") + string(b"x")
    told = Agent(fake(lambda _: listing((certificate, "cert"), (b"\0", "bits"), (good.blob, "me\x1b[31m")))).identities()
    assert [one.public for one in told] == [None, None, good]
    assert "not accepted" in told[0].refused
    assert told[1].refused


def _signs(answer: bytes) -> Callable[[bytes], bytes]:
    return lambda _: string(bytes([14]) + answer)


def test_a_signature_counts_only_once_it_verifies(fake: Callable[..., str], hands: dict[str, Hand]) -> None:
    """An agent that signs something else, by another algorithm, in another form or not at all is found out here."""
    key = hands["ed25519"].key
    good = string(string(b"ssh-ed25519") + string(key.sign(b"x")))
    assert Agent(fake(_signs(good))).signer(key.public).sign(b"x") == key.sign(b"x")
    for answer in (
        string(string(b"ssh-ed25519") + string(key.sign(b"y"))),
        string(string(b"ssh-rsa") + string(key.sign(b"x"))),
        string(string(b"ssh-ed25519") + string(key.sign(b"x")) + b"\x01"),
        string(string(b"ssh-ed25519") + string(b"")),
        string(b""),
        good + b"x",
        b"",
    ):
        with pytest.raises(KeyRefused, match="is no signature of SHA256:"):
            Agent(fake(_signs(answer))).signer(key.public).sign(b"x")
    with pytest.raises(KeyRefused, match="is no signature"):
        Agent(fake(_signs(good))).signer(hands["p256"].key.public).sign(b"x")


@pytest.mark.parametrize("kind", [SK_ED25519, SK_P256])
def test_a_token_signs_through_the_agent(fake: Callable[..., str], kind: str) -> None:
    """A token's approval is an envelope like any other; without a touch it is refused before it is written."""
    token = Token(kind)
    path = fake(of_token(token))
    (offered,) = Agent(path).identities()
    assert offered.public == token.public
    line = dsse.sign(b"{}", Agent(path).signer(token.public))
    assert dsse.open_envelope(line, [PublicKey.parse(token.public.line)]).payload == b"{}"
    with pytest.raises(KeyRefused, match="no signature of") as caught:
        Agent(fake(of_token(token, flags=0))).signer(token.public).sign(b"x")
    assert "touch" in caught.value.hint
