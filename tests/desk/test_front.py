"""The front and the post as their callers see them: TLS under the demo authority, a redirect, and mail that arrives."""

from __future__ import annotations

import email
import http.client
import smtplib
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def trust(shared: Any) -> ssl.SSLContext:
    """Trust in the demo authority and nobody else."""
    return ssl.create_default_context(cafile=shared.desk.variables["DESK_CA"])


@pytest.fixture
def server(shared: Any) -> Iterator[smtplib.SMTP]:
    """A conversation with the mail server that has just begun."""
    variables = shared.desk.variables
    with smtplib.SMTP(variables["DESK_SMTP_HOST"], int(variables["DESK_SMTP_PORT"]), timeout=10) as talk:
        yield talk


def _plain(shared: Any, target: str, host: str | None = None) -> tuple[int, str, bytes]:
    port = int(shared.desk.variables["DESK_HTTP"].rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", target, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location", ""), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_the_api_is_served_over_tls_that_verifies(shared: Any, trust: ssl.SSLContext, name: str) -> None:
    """Under both of its names the front proves who it is, and tells browsers to come back over TLS only."""
    url = shared.desk.variables["DESK_HTTPS"].replace("localhost", name)
    with urllib.request.urlopen(f"{url}/mode", context=trust, timeout=10) as answer:
        assert answer.status == 200
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_who_does_not_know_the_authority_trusts_nothing(shared: Any) -> None:
    """The certificate is signed by no authority of the machine."""
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(shared.desk.variables["DESK_HTTPS"] + "/mode", timeout=10)


def test_the_plain_port_only_sends_away(shared: Any) -> None:
    """Every address is answered by 308 to the same one over TLS, with nothing of the API in it."""
    port = shared.desk.variables["DESK_HTTPS_PORT"]
    for target in ("/", "/mode?x=1", "/no/such/place"):
        assert _plain(shared, target) == (308, f"https://127.0.0.1:{port}{target}", b"")
    assert _plain(shared, "/", host="elsewhere.invalid:80")[0] == 421


def test_a_front_that_comes_back_has_the_same_ports(shared: Any) -> None:
    """Taken down and brought up, the front is where it was."""
    shared.fault("front-down", on=True)
    with pytest.raises(ConnectionRefusedError):
        _plain(shared, "/")
    shared.fault("front-down", on=False)
    assert _plain(shared, "/")[0] == 308


def test_a_mail_arrives_as_a_file(shared: Any, server: smtplib.SMTP, trust: ssl.SSLContext) -> None:
    """What the server took is in the folder, whole, with the envelope it came in, and only the owner can read it."""
    folder = Path(shared.desk.variables["DESK_MAIL"])
    server.starttls(context=trust)
    server.login("desk", shared.desk.secrets["SMTP_PASSWORD"])
    before = set(folder.glob("*.eml")) if folder.exists() else set()
    assert server.sendmail("desk@x.invalid", ["a@x.invalid", "b@x.invalid"], "Subject: due\r\n\r\nThe report.\r\n") == {}
    (new,) = set(folder.glob("*.eml")) - before
    message = email.message_from_bytes(new.read_bytes())
    assert (message["X-Envelope-From"], message["X-Envelope-To"]) == ("desk@x.invalid", "a@x.invalid, b@x.invalid")
    assert (message["Subject"], message.get_payload().strip()) == ("due", "The report.")
    assert new.stat().st_mode & 0o077 == 0


def test_no_mail_without_tls_and_password(shared: Any, server: smtplib.SMTP, trust: ssl.SSLContext) -> None:
    """The server takes neither a password in the clear, nor a wrong one, nor a sender who has not logged in."""
    with pytest.raises(smtplib.SMTPException):
        server.login("desk", shared.desk.secrets["SMTP_PASSWORD"])
    server.starttls(context=trust)
    server.ehlo()
    assert server.mail("desk@x.invalid")[0] == 530
    with pytest.raises(smtplib.SMTPAuthenticationError):
        server.login("desk", "wrong")


def test_an_unknown_mailbox_is_refused(shared: Any, server: smtplib.SMTP, trust: ssl.SSLContext) -> None:
    """Not every recipient is taken, so that it means something when one is."""
    server.starttls(context=trust)
    server.login("desk", shared.desk.secrets["SMTP_PASSWORD"])
    server.mail("desk@x.invalid")
    assert server.rcpt("nobody@x.invalid")[0] == 550
    assert server.rcpt("somebody@x.invalid")[0] == 250


def test_the_process_knows_its_mail_server(shared: Any) -> None:
    """Host, port, user and password are in the environment that the desk's process was started with."""
    block = Path(f"/proc/{shared.desk.pid}/environ").read_bytes().split(b"\0")
    environ = dict(entry.decode().split("=", 1) for entry in block if b"=" in entry)
    variables = shared.desk.variables
    assert (environ["SMTP_HOST"], environ["SMTP_PORT"]) == (variables["DESK_SMTP_HOST"], variables["DESK_SMTP_PORT"])
    assert environ["SMTP_PASSWORD"] == shared.desk.secrets["SMTP_PASSWORD"]
    assert environ["SMTP_USER"] == "desk"
