"""Starting a desk in a process of its own, and stopping it: for the gate's conftest, for tests, and for the tour.

The child runs in its own session, so that Ctrl-C in the terminal ends the caller and the caller ends the desk. It holds on to
the caller by a pipe: when the caller is gone, however that came, the desk ends by itself.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self, final

from examples.desk import clock, jsontext
from examples.desk.bots import tokens
from examples.desk.docstore import DATABASE
from examples.desk.errors import DeskError
from examples.desk.home import prepare
from examples.desk.settings import BOT_SECRETS, POST_PORT, ROOT, SECRETS, Home, credentials, read_dotenv
from examples.desk.venues.dialects.coinbase import made_up_secret as private_key
from examples.desk.web import LOOPBACK

HOME_VARIABLE = "GOLIVE_DESK_HOME"
CARELESSLY = "DESK_CARELESS"
"""Names variables for which a drill wants what somebody forgot to change: a template's secret, the database test, port 0."""
CARELESS = "changeme-changeme-changeme-changeme"

DEFAULT_HOME = ROOT / "reports" / "desk"

PAST = "DESK_PAST"
"""Whether the desk is to have weeks of trading behind it when it comes up: `traded`, or nothing."""

_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "PYTHONPATH",
    "PYTHONHASHSEED",
    "VIRTUAL_ENV",
    "COVERAGE_PROCESS_START",
    PAST,
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A desk that runs. `variables` is what golive.yaml asks of the environment; `secrets` are keys that must stay unseen, and
    `tokens` the bearer tokens, by the variables under which the gate looks for them.
    """

    home: Path
    pid: int
    urls: Mapping[str, str]
    variables: Mapping[str, str]
    notes: Sequence[str]
    secrets: Mapping[str, str] = field(repr=False)
    tokens: Mapping[str, str] = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self) -> None:
        """Ask the desk to end; after five seconds make it. Twice is once."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def home_of(environ: Mapping[str, str], argument: Path | None = None) -> Path:
    """The home folder: the argument, the variable GOLIVE_DESK_HOME, or reports/desk in the checkout."""
    return (argument or Path(environ.get(HOME_VARIABLE) or DEFAULT_HOME)).absolute()


def launch(
    home: Path,
    environ: Mapping[str, str] = os.environ,
    *,
    keys: Sequence[str] | None = None,
    faults: bool = False,
    deadline: float | None = None,
) -> Desk:
    """Start a desk on this home folder and wait until it answers; DeskError if it does not within `deadline` seconds
    (15, and a minute if it trades its past first).

    `keys` are OpenSSH lines of the keys whose markers its guard will trust; None leaves the file as it is. Of `environ` the
    desk gets the mode switches and what a process needs, never a broker's real key: its keys are made up here for every
    start. A key variable that is set and empty stays empty, which is how a drill takes a credential away.
    """
    notes = prepare(home)
    folder = Home(path=home.absolute())
    if keys is not None:
        folder.trusted_keys.write_text("".join(f"{line}\n" for line in keys), encoding="ascii")
        folder.trusted_keys.chmod(0o600)
    keys_and_secrets = {name: "" if environ.get(name) == "" else made_up(name) for name in (*SECRETS, *BOT_SECRETS)}
    keys_and_secrets |= {name: CARELESS for name in BOT_SECRETS if name in environ.get(CARELESSLY, "").split(",")}
    reserved = _reserved()
    with open(folder.system_log.parent / "stderr.log", "ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "examples.desk", "serve", "--home", str(folder.path), "--tethered"],
            cwd=ROOT, env=_environment(folder, environ, _mail(reserved), keys_and_secrets, faults=faults),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
        )  # fmt: skip
        started = errors.tell()
    try:
        assert process.stdout is not None
        line = _line(process.stdout, (60.0 if environ.get(PAST) else 15.0) if deadline is None else deadline)
        if not line:
            raise _failure(process, Path(errors.name), started)
        ready = jsontext.loads(line)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        reserved.close()
    return Desk(
        home=folder.path,
        pid=process.pid,
        urls=ready["urls"],
        variables=ready["variables"],
        notes=notes,
        secrets={name: value for name, value in keys_and_secrets.items() if value},
        tokens=_tokens(keys_and_secrets["JWT_SECRET"]),
        process=process,
    )


def made_up(name: str) -> str:
    """A key or a secret for the variable of this name, in the form that its venue gives them out."""
    if name == credentials("coinbase")[1]:
        return private_key()
    return f"sk-{secrets.token_hex(24)}" if name == "OPENAI_API_KEY" else secrets.token_hex(32 if name in BOT_SECRETS else 20)


def _tokens(secret: str) -> Mapping[str, str]:
    """A token for a user of the bots and one for the administrator, as the desk issues them; none without a secret."""
    if not secret:
        return {}
    moment = clock.now()
    return {
        "DESK_TOKEN": tokens.mint(secret, name="anna", role="user", now=moment),
        "DESK_ADMIN_TOKEN": tokens.mint(secret, name="admin", role="admin", now=moment),
    }


def _store_url(environ: Mapping[str, str]) -> str:
    """Where the document store is to listen: a free port below those that the kernel gives away by itself."""
    if environ.get("MONGO_URL") == "":
        return ""
    for _ in range(100):
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as sock:
            try:
                sock.bind((LOOPBACK, port))
            except OSError:
                continue
        return f"mongodb://{LOOPBACK}:{port}/{DATABASE}"
    raise DeskError("there is no free port for the document store", hint="see what listens on 20000 to 32000")


def _reserved() -> socket.socket:
    """A port of the mail server that nobody else can get before the desk's child listens there.

    It is bound and does not listen: on Linux, a socket that also allows its address to be used again may listen beside it.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((LOOPBACK, 0))
    return sock


def _mail(reserved: socket.socket) -> Mapping[str, str]:
    port = str(reserved.getsockname()[1])
    return {"SMTP_HOST": LOOPBACK, "SMTP_PORT": port, POST_PORT: port}


def _environment(
    folder: Home, environ: Mapping[str, str], mail: Mapping[str, str], made: Mapping[str, str], *, faults: bool
) -> dict[str, str]:
    told = read_dotenv(folder.dotenv)
    told |= {name: environ[name] for name in told if name in environ}
    needed = {name: environ[name] for name in _INHERITED if name in environ}
    store = {"MONGO_URL": _store_url(environ)}
    careless = environ.get(CARELESSLY, "").split(",")
    if "MONGO_URL" in careless:
        store["MONGO_URL"] = store["MONGO_URL"].replace(f"/{DATABASE}", "/test")
    if "SMTP_PORT" in careless:
        mail = {**mail, "SMTP_PORT": "0"}
    return {**needed, **mail, **told, **made, **store, **({"DESK_FAULTS": "allowed"} if faults else {}), "PYTHONUNBUFFERED": "1"}


def _line(pipe: IO[bytes], seconds: float) -> bytes:
    """The first line of the pipe; empty if it ended before. DeskError if there is none in time."""
    end, text = time.monotonic() + seconds, b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not text.endswith(b"\n"):
            if not selector.select(max(0.0, end - time.monotonic())):
                raise DeskError(
                    f"the desk was not ready after {seconds:g} seconds", hint="see logs/system.log in its home folder"
                )
            part = os.read(pipe.fileno(), 65536)
            if not part:
                return b""
            text += part
    return text


def _failure(process: subprocess.Popen[bytes], log: Path, started: int) -> DeskError:
    status = process.wait(5)
    told = log.read_bytes()[started:].decode(errors="replace").strip().splitlines()
    return DeskError(told[-1].removeprefix("desk: ") if told else f"the desk ended with status {status}", hint=f"more in {log}")
