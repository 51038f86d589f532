"""Mail of the bots, against a small server that really speaks SMTP."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from examples.desk.bots.post import Post
from examples.desk.errors import DeskError


class _Talk(socketserver.StreamRequestHandler):
    """One conversation: greets, takes what comes, and refuses the recipients that its server refuses."""

    def handle(self) -> None:
        self._say("220 test")
        while line := self.rfile.readline().decode().strip():
            word = line.split(":")[0].upper()
            if word == "DATA":
                self._say("354 go on")
                lines = []
                while (part := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(part)
                self.server.mails.append(b"".join(lines))  # type: ignore[attr-defined]
                self._say("250 queued as 42")
            elif word == "RCPT TO" and "nobody" in line:
                self._say("550 no such mailbox")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def server() -> Iterator[socketserver.ThreadingTCPServer]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Talk) as listening:
        listening.daemon_threads = True
        listening.mails = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def mail(recipient: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "desk@desk.invalid", recipient, "Daily report"
    message.set_content(".one line that begins with a dot\n")
    return message


def post(port: int) -> Post:
    return Post(host="127.0.0.1", port=port, sender="desk@desk.invalid", recipient="owner@desk.invalid")


def test_the_servers_own_word_is_given_back(server: socketserver.ThreadingTCPServer) -> None:
    """What the server said to the message is the proof; the message is there as it was written."""
    assert post(server.server_address[1]).send(mail("owner@desk.invalid")) == "250 queued as 42"
    (taken,) = server.mails  # type: ignore[attr-defined]
    assert b"Subject: Daily report" in taken
    assert b"\r\n..one line" in taken


def test_a_recipient_that_is_refused_is_an_error_that_says_so(server: socketserver.ThreadingTCPServer) -> None:
    """No message is handed in for a mailbox that the server does not know."""
    with pytest.raises(DeskError, match="550 no such mailbox"):
        post(server.server_address[1]).send(mail("nobody@desk.invalid"))
    assert server.mails == []  # type: ignore[attr-defined]


def test_a_server_that_is_not_there_is_an_error_and_no_delivery() -> None:
    """Nobody listens: it is told at once; no server named: likewise."""
    with socketserver.TCPServer(("127.0.0.1", 0), _Talk) as closed:
        port = closed.server_address[1]
    with pytest.raises(DeskError, match="did not take it"):
        post(port).send(mail("owner@desk.invalid"))
    with pytest.raises(DeskError, match="no mail server"):
        Post.of({}).send(mail("owner@desk.invalid"))


def test_the_password_does_not_stand_in_what_is_printed() -> None:
    """A Post in a log line or a traceback shows no password."""
    found = Post.of({"SMTP_HOST": "h", "SMTP_PORT": "25", "SMTP_PASSWORD": "kept-to-itself", "SMTP_FROM_EMAIL": "a@b.invalid"})
    assert (found.password, found.recipient) == ("kept-to-itself", "a@b.invalid")
    assert "kept-to-itself" not in repr(found)
