"""Mail of the bots: one conversation with the mail server for each message, and the server's own word that it took it."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Self, final

from examples.desk.errors import DeskError

SECONDS = 5


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Where mail is handed in, by whom and for whom; with `ca_file` it goes encrypted, to a server that proves its name."""

    host: str
    port: int
    sender: str
    recipient: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str], *, ca_file: Path | None = None) -> Self:
        """As SMTP_HOST, SMTP_PORT, SMTP_USER, SMTP_PASSWORD and SMTP_FROM_EMAIL say; to REPORT_RECIPIENT or the sender."""
        sender = environ.get("SMTP_FROM_EMAIL", "")
        return cls(
            host=environ.get("SMTP_HOST", ""),
            port=int(environ.get("SMTP_PORT") or 0),
            sender=sender,
            recipient=environ.get("REPORT_RECIPIENT") or sender,
            user=environ.get("SMTP_USER", ""),
            password=environ.get("SMTP_PASSWORD", ""),
            ca_file=ca_file,
        )

    def send(self, message: EmailMessage) -> str:
        """The server's word when it took the message; DeskError if it did not, with what it said."""
        if not self.host or not self.port:
            raise DeskError("no mail server is named", hint="SMTP_HOST and SMTP_PORT in .env")
        recipient = str(message["To"])
        try:
            with smtplib.SMTP(self.host, self.port, timeout=SECONDS) as server:
                if self.ca_file is not None:
                    server.starttls(context=ssl.create_default_context(cafile=str(self.ca_file)))
                if self.password:
                    server.login(self.user, self.password)
                _expect(server.mail(self.sender), 250)
                _expect(server.rcpt(recipient), 250, 251)
                code, said = server.data(message.as_bytes(policy=SMTP))
                _expect((code, said), 250)
        except (OSError, smtplib.SMTPException) as error:
            raise DeskError(f"the mail server did not take it: {type(error).__name__}", hint="see SMTP_* in .env") from error
        return f"{code} {said.decode(errors='replace')}"


def _expect(answer: tuple[int, bytes], *codes: int) -> None:
    code, said = answer
    if code not in codes:
        raise DeskError(f"the mail server answered {code} {said.decode(errors='replace')}", hint="see sender and recipient")
