"""`python -m examples.desk.bots.operations`: backup, restore and notify, as the operations manual asks for them.

Exit status 0 if it was done, 1 with one line on standard error if not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.desk import clock, docstore, jsontext
from examples.desk.bots import backups
from examples.desk.bots.post import Post
from examples.desk.errors import DeskError

if TYPE_CHECKING:
    from pymongo.database import Database

MANUAL = "documents/amarktai-operations.md"
FOLDER = "backups"
"""Where the backups lie, below the home folder."""


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """One command; what was done goes to standard output as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m examples.desk.bots.operations", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    backup = commands.add_parser("backup", help="write every document into a new file")
    restore = commands.add_parser("restore", help="bring a backup into a database that is empty")
    for command in (backup, restore):
        command.add_argument("--home", type=Path, required=True, help="the desk's home folder")
        command.add_argument("--url", default=environ.get("MONGO_URL", ""), help="the document store (default: $MONGO_URL)")
    which = restore.add_mutually_exclusive_group(required=True)
    which.add_argument("--newest", action="store_true", help="the newest backup of the home folder")
    which.add_argument("--file", type=Path, help="this backup")
    restore.add_argument("--into", required=True, help="the name of an empty database")
    notify = commands.add_parser("notify", help="mail everybody in the table of contacts")
    notify.add_argument("--home", type=Path, required=True, help="the desk's home folder")
    notify.add_argument("text", help="what they are to know")
    told = parser.parse_args(arguments)
    try:
        work = {"backup": _backup, "restore": _restore}.get(told.command)
        print(jsontext.dumps(work(told) if work else _notify(told, environ)))
    except (DeskError, OSError) as error:
        print(f"operations: {error}", file=sys.stderr)
        return 1
    return 0


def _backup(told: argparse.Namespace) -> Mapping[str, Any]:
    with _database(told.url) as database:
        done = backups.take(database, told.home / FOLDER, now=clock.now())
    return {"file": str(done.path), "sha256": done.sha256, "counts": done.counts, "at": done.at}


def _restore(told: argparse.Namespace) -> Mapping[str, Any]:
    found = [told.file] if told.file else backups.newest_first(told.home / FOLDER)
    if not found:
        raise DeskError(f"there is no backup in {told.home / FOLDER}", hint="take one with: backup")
    with _database(told.url) as database:
        into = database.client.get_database(told.into, codec_options=database.codec_options)
        counts = backups.restore(found[0], into)
    return {"file": str(found[0]), "into": told.into, "counts": counts}


def _notify(told: argparse.Namespace, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """One mail to each address in the table of contacts; DeskError if there is none, or if one was not taken."""
    text = (told.home / MANUAL).read_text(encoding="utf-8").partition("\n## Contacts\n")[2].partition("\n## ")[0]
    addresses = re.findall(r"\| ([\w.+-]+@[\w.-]+) \|$", text, re.MULTILINE)
    if not addresses:
        raise DeskError(f"nobody stands in the table of contacts of {told.home / MANUAL}", hint="fill in the section Contacts")
    post = Post.of(environ, ca_file=told.home / "tls" / "ca.pem")
    reached = []
    for address in addresses:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = post.sender, address, "[bots] notice"
        message["Message-ID"] = make_msgid(domain=post.sender.rpartition("@")[2])
        message.set_content(f"{told.text}\n")
        reached.append({"address": address, "server_said": post.send(message)})
    return {"notified": reached}


@contextlib.contextmanager
def _database(url: str) -> Iterator[Database[dict[str, Any]]]:
    from pymongo.errors import PyMongoError

    if not url:
        raise DeskError("nobody said where the document store is", hint="set MONGO_URL, or --url mongodb://…")
    database = docstore.connect(url)
    try:
        yield database
    except PyMongoError as error:
        raise DeskError(f"the document store does not do it: {type(error).__name__}", hint="see that it runs") from error
    finally:
        database.client.close()


if __name__ == "__main__":
    sys.exit(main())
