"""The three stops of document 000 and the three kill switches of document 004, each in the middle of a burst of real orders.

Of each the same is shown: after it was done no further order reaches an exchange, what rested there and would open a position is
cancelled, a restart does not undo it, and once it is taken back orders go again. The exchanges' own books are what counts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from examples.desk import jsontext
from examples.desk.broker import Broker
from examples.desk.errors import BrokerError
from examples.desk.settings import ROOT, credentials
from examples.desk.street import CONTROL
from examples.desk.web import call

VENUES = {"coinbase": ("alpha",), "kraken": ("beta",), "valr": ("helios",)}


@dataclass
class Trading:
    """A desk that trades for real, somebody on its roster, and an order that rests at VALR."""

    start: Callable[..., Any]
    eventually: Callable[[Callable[[], object]], None]
    desk: Any
    key: Path
    urls: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        home: Path = self.desk.desk.home
        return home

    def know(self) -> None:
        self.urls, self.secrets = self.desk.desk.urls, self.desk.desk.secrets

    def restart(self, **environ: str) -> None:
        """The same home with another process."""
        self.desk.desk.stop()
        self.desk = self.start(home=self.home, environ=environ)
        self.know()

    def golive(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command, on the desk's home, knowing where the exchanges are and their keys."""
        places = {f"DESK_{name.upper()}": self.urls[name] for name in VENUES}
        environ = {**os.environ, **self.desk.desk.variables, **self.secrets, **places, "GOLIVE_OPERATOR": "on call"}
        return subprocess.run(
            [sys.executable, "-m", "pytest_golive.cli", *words, "--config", str(self.home / "golive.yaml")],
            cwd=self.home, env={**environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip

    def resume(self) -> None:
        done = self.golive("resume", "--reason", "the drill is over", "--key", str(self.key), "--yes")
        assert done.returncode == 0, done.stdout + done.stderr

    def at(self, venue: str) -> Broker:
        key, secret = (self.secrets[name] for name in credentials(venue))
        return Broker(venue, self.urls[venue], key=key, secret=secret)

    def fills(self) -> list[Mapping[str, Any]]:
        """Everything that was traded for real, by the exchanges' own word."""
        return [fill for venue, accounts in VENUES.items() for account in accounts for fill in self.at(venue).fills(account)]

    def open_orders(self) -> list[str]:
        """What rests for real and would open a position."""
        return [
            order["client_order_id"]
            for venue, accounts in VENUES.items()
            for account in accounts
            for order in self.at(venue).open_orders(account)
            if order["type"] == "limit"
        ]

    def rest(self) -> None:
        """Let an order rest at VALR, far below its price."""
        status, told = self.wish(limit=900_000, stop=850_000)
        assert (status, told["state"]) == (202, "pending"), told
        assert len(self.open_orders()) == 1

    def wish(self, **more: Any) -> tuple[int, Any]:
        """A wish for R20 of BTC at VALR."""
        wish = {"account": "live", "pair": "BTCZAR", "side": "BUY", "size_zar": 20, "key": uuid.uuid4().hex, "stop": 900_000}
        return call(self.urls["api"], "POST", "/api/trades", body=jsontext.dumps({**wish, **more}).encode(), timeout=15)

    def order(self, account: str = "alpha") -> str:
        """What the desk says of one small real order; `refused` if nobody answers, `error` if the answer names no order."""
        body = {"account": account, "symbol": "BTCUSDT", "side": "BUY", "quantity": "0.0001", "key": uuid.uuid4().hex}
        try:
            told = call(self.urls["api"], "POST", "/orders", body=jsontext.dumps(body).encode(), timeout=15)[1]
        except (OSError, ValueError):
            return "refused"
        return str(told.get("state", "error"))

    def rand(self) -> str:
        """The same of a wish at VALR; `limited` if all gates but those of risk let it go."""
        try:
            told = self.wish()[1]
            return (
                "limited"
                if told.get("check") in ("portfolio-risk", "daily-loss", "open-positions")
                else str(told.get("state", "error"))
            )
        except (OSError, ValueError):
            return "refused"


@dataclass
class Burst:
    """Orders from several threads, without a pause, until it is over."""

    send: tuple[Callable[[], str], ...]
    said: list[tuple[datetime, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def since(self, moment: datetime) -> list[str]:
        """What became of the orders that were begun after this moment."""
        return [word for began, word in list(self.said) if began > moment]

    def _go_on(self, send: Callable[[], str]) -> None:
        while not self.over.is_set() and len(self.said) < 3000:
            began = datetime.now(UTC)
            self.said.append((began, said := send()))
            if said == "refused":
                # nobody listens, and asking a thousand times a second shows no more than a hundred times
                self.over.wait(0.01)

    @contextlib.contextmanager
    def running(self) -> Iterator[Burst]:
        threads = [threading.Thread(target=self._go_on, args=(send,)) for send in self.send]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.over.set()
            for thread in threads:
                thread.join(30)


@pytest.fixture
def trading(start: Callable[..., Any], eventually: Any, tmp_path: Path) -> Trading:
    desk = start()
    desk.activate()
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = " ".join(Path(f"{key}.pub").read_text().split()[:2])
    (desk.desk.home / "golive.roster.toml").write_text(
        'version = 1\nroles = ["operations"]\n[persons.ruth]\nname = "Ruth Roe"\nroles = ["operations"]\n'
        f'keys = [{{ key = "{public}" }}]\n'
    )
    made = Trading(start, eventually, desk, key)
    made.know()
    made.eventually(lambda: made.order() == "filled")
    made.rest()
    return made


def pull(trading: Trading, send: tuple[Callable[[], str], ...], stop: Callable[[], object]) -> list[str]:
    """Begin a burst, stop in the middle of it, and give what became of the orders after that; none of them may have gone."""
    with Burst(send).running() as burst:
        trading.eventually(lambda: sum(word in ("filled", "partial") for _, word in burst.said) >= 3)
        stop()
        returned = datetime.now(UTC)
        trading.eventually(lambda: len(burst.since(returned)) >= 20)
    after = burst.since(returned)
    assert not {"filled", "partial", "sent", "pending"} & set(after), after
    burst.said.clear()
    trading.since = returned  # type: ignore[attr-defined]
    return after


def assert_nothing_went(trading: Trading) -> None:
    """No exchange has a trade from after the stop, and it has trades from before."""
    fills = trading.fills()
    moments = [datetime.fromisoformat(str(fill["at"])) for fill in fills]
    assert len(moments) >= 3
    assert [at for at in moments if at > trading.since] == []  # type: ignore[attr-defined]


def stop_file(trading: Trading) -> None:
    """000, line 139: `golive stop` makes EMERGENCY_STOP."""

    def stop() -> None:
        done = trading.golive("stop", "--reason", "drill")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 open orders taken back" in done.stdout

    after = pull(trading, (trading.order, lambda: trading.order("beta"), trading.rand), stop)
    assert {"skipped", "rejected"} >= set(after)
    # what protects a position is no open order: it rests where it was
    trading.eventually(lambda: len(trading.at("coinbase").open_orders("alpha")) == 2)
    assert {order["type"] for order in trading.at("coinbase").open_orders("alpha")} == {"stop-loss", "take-profit"}
    assert_nothing_went(trading)
    assert trading.open_orders() == []
    trading.restart()
    assert trading.order() == "skipped"
    assert trading.rand() == "rejected"
    assert_nothing_went(trading)
    trading.resume()


def dry_run(trading: Trading) -> None:
    """000, line 140: DRY_RUN_MODE=true in .env and a restart; what rests is taken back by the command of the stop."""
    dotenv = trading.home / ".env"
    was = dotenv.read_text()

    def stop() -> None:
        dotenv.write_text(was.replace("DRY_RUN_MODE=false", "DRY_RUN_MODE=true"))
        assert dotenv.read_text() != was
        trading.restart()
        cancelled(trading)

    pull(trading, (trading.order, lambda: trading.order("beta")), stop)
    assert trading.order() == "simulated"
    assert_nothing_went(trading)
    assert trading.open_orders() == []
    trading.restart()
    assert trading.order() == "simulated"
    assert_nothing_went(trading)
    dotenv.write_text(was)
    trading.restart()


def killed(trading: Trading, number: int) -> None:
    """The process is ended by its recorded pid; nobody starts it again, and the exchanges are asked by themselves."""
    process = trading.desk.desk.process
    recorded = int((trading.home / "desk.pid").read_text())
    assert recorded == process.pid

    def stop() -> None:
        os.kill(recorded, number)
        process.wait(15)

    after = pull(trading, (trading.order, trading.rand), stop)
    assert set(after) == {"refused"}
    with exchanges(trading):
        assert_nothing_went(trading)
        done = trading.golive("stop", "--reason", "the desk is dead")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 open orders taken back" in done.stdout
        assert trading.open_orders() == []
    trading.restart()
    assert trading.order() == "skipped", "whoever starts it again finds it stopped"
    trading.resume()


def kill_process(trading: Trading) -> None:
    """000, line 141: kill the process."""
    killed(trading, signal.SIGKILL)


def dashboard(trading: Trading) -> None:
    """004, line 338: the button EMERGENCY STOP, which cancels what rests at VALR by itself."""

    def stop() -> None:
        status, told = trading.desk.post("/api/emergency-stop", reason="drill", by="tester")
        assert (status, told["halted"], told["not_cancelled"]) == (200, True, [])
        assert len(told["cancelled"]) >= 1

    after = pull(trading, (trading.rand, trading.rand), stop)
    assert set(after) == {"rejected"}
    assert_nothing_went(trading)
    assert trading.open_orders() == []
    trading.restart()
    assert trading.rand() == "rejected"
    assert_nothing_went(trading)
    trading.desk.post("/api/emergency-stop/release", reason="drill is over", by="tester")


def server_stop(trading: Trading) -> None:
    """004, line 344: stop the server; not every Python of the machine, but the recorded pid."""
    killed(trading, signal.SIGTERM)


def revoked_key(trading: Trading) -> None:
    """004, line 352: the key is revoked at VALR; what rests there is then cancelled by hand, which the stop says."""
    after = pull(trading, (trading.rand, trading.rand), lambda: trading.desk.fault("broker-unhealthy:valr", on=True))
    assert set(after) <= {"rejected", "failed", "error"}
    told = trading.golive("stop", "--reason", "the key is revoked")
    assert told.returncode == 0
    assert "NOT ALL CANCELLED" in told.stdout
    assert "valr" in told.stdout
    with pytest.raises(BrokerError):
        trading.at("valr").open_orders("helios")
    # a person at VALR's own pages needs no key
    trading.desk.fault("broker-unhealthy:valr", on=False)
    for identity in trading.open_orders():
        trading.at("valr").cancel(identity)
    assert trading.open_orders() == []
    assert_nothing_went(trading)
    trading.resume()
    trading.restart(VALR_API_KEY="", VALR_API_SECRET="")
    assert trading.rand() == "rejected", "without its key the desk reaches nothing"
    trading.restart()


SIX: Mapping[str, Callable[[Trading], None]] = {
    "000: stop file": stop_file,
    "000: DRY_RUN_MODE": dry_run,
    "000: kill the process": kill_process,
    "004: dashboard emergency stop": dashboard,
    "004: manual server stop": server_stop,
    "004: API key revocation": revoked_key,
}


@pytest.mark.parametrize("name", list(SIX))
def test_the_six_stops(trading: Trading, name: str) -> None:
    """After the stop returned no order of a burst reaches an exchange, what rested is cancelled, a restart changes nothing, and
    once it is taken back orders go again.
    """
    SIX[name](trading)
    trading.eventually(lambda: trading.order() == "filled")
    trading.eventually(lambda: trading.rand() in ("filled", "limited"))


@contextlib.contextmanager
def exchanges(trading: Trading) -> Iterator[None]:
    """The exchanges without the desk, which lived and died with it, as exchanges do not."""
    environ = {**os.environ, **trading.secrets, CONTROL: uuid.uuid4().hex}
    words = [sys.executable, "-m", "examples.desk.street", "--store", str(trading.home / "exchanges")]
    with subprocess.Popen(words, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        before, trading.urls = trading.urls, jsontext.loads(process.stdout.readline())
        try:
            yield
        finally:
            trading.urls = before
            process.stdin.close()
            process.wait(15)


def cancelled(trading: Trading) -> None:
    """The command that a stop runs, by itself."""
    places = {f"DESK_{name.upper()}": trading.urls[name] for name in VENUES}
    done = subprocess.run(
        [sys.executable, "-m", "examples.desk.cancelling", "--home", str(trading.home)],
        cwd=ROOT, env={**os.environ, **trading.secrets, **places}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
