"""smtp in real conversations with aiosmtpd, and with servers that lie, drip and break off."""

from __future__ import annotations

import secrets
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from examples.desk.post_office import PostOffice
from pytest_golive import probes
from pytest_golive.errors import ProbeError

Lie = Callable[..., Any]
PEOPLE = {"sender": "desk@x.invalid", "recipient": "ops@x.invalid"}
LOGIN = {"user_env": "MAIL_USER", "password_env": "MAIL_PASSWORD"}


@dataclass
class Post:
    """A mail server that runs, and what a client must know of it."""

    office: PostOffice
    folder: Path
    ca_file: str
    password: str

    @property
    def address(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.office.port, "ca_file": self.ca_file}


@pytest.fixture
def post(tmp_path: Path, look: Any) -> Iterator[Post]:
    """A mail server with STARTTLS and one user, whom the environment knows."""
    authority, folder, password = trustme.CA(), tmp_path / "mail", secrets.token_hex(12)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    office = PostOffice(folder, certificate=tmp_path / "server.pem", user="desk", password=password)
    look.environ |= {"MAIL_USER": "desk", "MAIL_PASSWORD": password}
    yield Post(office, folder, str(tmp_path / "ca.pem"), password)
    office.close()


def test_a_server_that_takes_our_mail_is_told_and_gets_none(look: Any, post: Post) -> None:
    """Connected, encrypted, logged in, sender and recipient taken; and no mail was handed over."""
    facts = look("smtp", **post.address, **LOGIN, **PEOPLE)
    assert facts["connected"] is facts["tls"] is facts["authenticated"] is True
    assert facts["sender_accepted"] is facts["recipient_accepted"] is True
    assert (facts["auth_code"], facts["sender_code"], facts["recipient_code"]) == (235, 250, 250)
    assert facts["tls_version"].startswith("TLSv1.")
    assert "desk post office" in facts["banner"]
    assert not post.folder.exists()


def test_a_wrong_password_is_a_fact(look: Any, post: Post) -> None:
    """The server's no is told with its code, and the password in nothing."""
    look.environ["MAIL_PASSWORD"] = "wrong-wrong-wrong"
    facts = look("smtp", **post.address, **LOGIN)
    assert (facts["authenticated"], facts["auth_code"]) == (False, 535)
    assert "wrong-wrong" not in repr(facts)


def test_a_refused_recipient_is_a_fact(look: Any, post: Post) -> None:
    """An unknown mailbox, and a server that refuses us altogether, are told with the code of the server."""
    facts = look("smtp", **post.address, **LOGIN, sender="desk@x.invalid", recipient="nobody@x.invalid")
    assert (facts["sender_accepted"], facts["recipient_accepted"], facts["recipient_code"]) == (True, False, 550)
    post.office.refuse(True)
    assert look("smtp", **post.address, **LOGIN, **PEOPLE)["recipient_accepted"] is False


def test_without_logging_in_the_sender_is_refused(look: Any, post: Post) -> None:
    """A server that wants a password takes no sender without it."""
    facts = look("smtp", **post.address, sender="desk@x.invalid")
    assert (facts["sender_accepted"], facts["sender_code"]) == (False, 530)


def test_nobody_there_is_a_fact_and_comes_back(look: Any, post: Post) -> None:
    """A refused connection is told, and nothing else; on the same port the server is found again."""
    post.office.down()
    facts = look("smtp", **post.address, **LOGIN, **PEOPLE)
    assert facts == {"address": f"127.0.0.1:{post.office.port}", "connected": False}
    post.office.up()
    assert look("smtp", **post.address, **LOGIN)["authenticated"] is True


def test_no_password_goes_to_a_server_that_is_not_trusted(look: Any, post: Post) -> None:
    """A certificate of an unknown authority, or for another name, ends the conversation as an error."""
    address = {name: value for name, value in post.address.items() if name != "ca_file"}
    with pytest.raises(ProbeError, match=r"certificate of 127\.0\.0\.1.* is not accepted"):
        look("smtp", **address, **LOGIN)
    with pytest.raises(ProbeError, match=r"certificate of localhost.* is not accepted"):
        look("smtp", **{**post.address, "host": "localhost"}, **LOGIN)


def _clear(*answers: bytes) -> Callable[[Any, socket.socket], None]:
    """A server that greets and then gives these answers, one for each line."""

    def talk(server: Any, connection: socket.socket) -> None:
        connection.sendall(b"220 plain ESMTP\r\n")
        with connection.makefile("rb") as lines:
            for answer in answers:
                server.asked.append(lines.readline())
                connection.sendall(answer)
            server.asked += list(lines)

    return talk


def test_no_password_goes_in_the_clear(look: Any, lie: Lie) -> None:
    """Without STARTTLS a password is not sent; without a password it is told that there is no TLS."""
    look.environ |= {"MAIL_USER": "desk", "MAIL_PASSWORD": "the-password-1"}
    hello = b"250-plain\r\n250 AUTH PLAIN LOGIN\r\n"
    server = lie(by=_clear(hello, b"221 bye\r\n"))
    with pytest.raises(ProbeError, match="no password goes in the clear"):
        look("smtp", host="127.0.0.1", port=server.port, **LOGIN)
    assert not any(b"AUTH" in line for line in server.asked)
    facts = look("smtp", host="127.0.0.1", port=lie(by=_clear(hello, b"221 bye\r\n")).port)
    assert (facts["tls"], facts["starttls_offered"]) == (False, False)
    assert "sender_accepted" not in facts


def test_a_greeting_that_is_none_is_an_error(look: Any, lie: Lie) -> None:
    """A server that greets with 554, or is no mail server, did not take anything."""
    for text in (b"554 go away\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b""):
        with pytest.raises(ProbeError, match=r"greets with|does not speak SMTP|broke the conversation off"):
            look("smtp", host="127.0.0.1", port=lie(by=lambda server, connection, text=text: connection.sendall(text)).port)


def test_starttls_that_is_offered_and_then_refused_is_an_error(look: Any, lie: Lie) -> None:
    """What is offered must work: 454 is no TLS."""
    server = lie(by=_clear(b"250-plain\r\n250 STARTTLS\r\n", b"454 no certificate\r\n", b"221 bye\r\n"))
    with pytest.raises(ProbeError, match="answers 454"):
        look("smtp", host="127.0.0.1", port=server.port)


def test_a_server_that_drips_ends_at_the_deadline(look: Any, lie: Lie) -> None:
    """A byte now and then keeps nobody waiting beyond the deadline."""

    def drip(server: Any, connection: socket.socket) -> None:
        connection.sendall(b"220-")
        while not server.over.wait(0.05):
            connection.sendall(b"x")

    started = time.monotonic()
    with pytest.raises(ProbeError, match="timed out"):
        look("smtp", 0.4, host="127.0.0.1", port=lie(by=drip).port)
    assert time.monotonic() - started < 10


def test_tls_from_the_first_byte(look: Any, lie: Lie, tmp_path: Path) -> None:
    """With `tls: true` the conversation is encrypted before anything is said."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def talk(server: Any, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            _clear(b"250 plain\r\n", b"221 bye\r\n")(server, secure)

    facts = look("smtp", host="127.0.0.1", port=lie(by=talk).port, tls=True, ca_file="ca.pem")
    assert (facts["tls"], facts["starttls_offered"]) == (True, False)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"user_env": "A"}, "stand together"),
        ({**LOGIN, "starttls": False}, "not sent without TLS"),
        ({"starttls": True, "tls": True}, "not both"),
        ({"recipient": "a@b.c"}, "needs a sender"),
        ({"sender": "a@b.c\r\nDATA"}, "mail address"),
        ({"sender": "nobody"}, "mail address"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_written(fields: dict[str, Any], told: str) -> None:
    """Half a login, a password in the clear and an address that is none are faults of the checklist."""
    with pytest.raises(ValidationError, match=told):
        probes.kind("smtp").model_validate({"host": "localhost", "port": 25, **fields})


def test_a_variable_that_is_not_set_is_an_error(look: Any, post: Post) -> None:
    """Without a password nobody can log in, and that is said before anybody is asked."""
    del look.environ["MAIL_PASSWORD"]
    with pytest.raises(ProbeError, match="MAIL_PASSWORD is not set"):
        look("smtp", **post.address, **LOGIN)


def test_the_standard_client_agrees(post: Post) -> None:
    """The server that these tests stand on also serves the standard library's own client, and keeps what it was given."""
    with smtplib.SMTP("127.0.0.1", post.office.port, timeout=10) as client:
        client.starttls(context=ssl.create_default_context(cafile=post.ca_file))
        client.login("desk", post.password)
        client.sendmail("a@x.invalid", ["b@x.invalid"], "Subject: s\r\n\r\nb\r\n")
    assert len(list(post.folder.glob("*.eml"))) == 1
