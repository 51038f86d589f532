"""Desks for the tests: one that all reading tests share, new ones for those that break or restart something."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from examples.desk import jsontext
from examples.desk.broker import Broker
from examples.desk.launch import Desk, launch
from examples.desk.settings import credentials
from examples.desk.symbols import ACCOUNTS
from examples.desk.web import call
from pytest_golive.guard.marker import Marker, render
from pytest_golive.signing.keys import SessionKey, session_key

DEADLINE = 15.0
"""Seconds that something may take before a test calls it failed; never a measure."""


@dataclass
class Client:
    """A desk as its tests see it."""

    desk: Desk
    signer: SessionKey

    def get(self, target: str) -> Any:
        """The body of an answer with status 200."""
        status, body = call(self.desk.urls["api"], "GET", target)
        assert status == 200, (target, status, body)
        return body

    def status(self, target: str) -> int:
        """The status of an answer."""
        return call(self.desk.urls["api"], "GET", target)[0]

    def post(self, target: str, **body: object) -> tuple[int, Any]:
        """Status and body of an answer to a POST."""
        return call(self.desk.urls["api"], "POST", target, body=jsontext.dumps(body).encode(), timeout=15)

    def order(self, account: str, **more: object) -> tuple[int, Any]:
        """What became of an order for the least quantity that matters."""
        return self.post(
            "/orders", **{"account": account, "symbol": "BTCUSDT", "side": "BUY", "quantity": Decimal("0.001"), **more}
        )

    def at_exchange(self, account: str, *, testnet: bool = False) -> dict[str, Decimal]:
        """Balances as the exchange itself tells them, not the desk."""
        name = "testnet" if testnet or ACCOUNTS[account].drill else ACCOUNTS[account].broker
        return dict(self.at(name).balances(account))

    def at(self, venue: str) -> Broker:
        """The venue itself, asked past the desk."""
        key, secret = (self.desk.secrets[variable] for variable in credentials(venue))
        return Broker(venue, self.desk.urls[venue], key=key, secret=secret)

    def fault(self, name: str, *, on: bool) -> None:
        """Switch a fault."""
        status, body = self.post("/faults", name=name, on=on)
        assert status == 200, body

    def activate(self, **changes: Any) -> Path:
        """Write a marker that the desk's guard believes, as an activation does."""
        now = datetime.now(UTC)
        home = self.desk.home
        values: dict[str, Any] = {
            "timestamp": now,
            "operator": "tester",
            "environment": "production",
            "allowed_profiles": ("micro",),
            "activation_id": uuid.uuid4().hex,
            "counter": 1,
            "not_before": now,
            "expires": now + timedelta(hours=1),
            "config": hashlib.sha256((home / "golive.yaml").read_bytes()).hexdigest(),
        }
        marker, draft = home / "go_live.active", home / "draft"
        draft.write_bytes(render(Marker(**{**values, **changes}), self.signer))
        draft.chmod(0o644)
        os.rename(draft, marker)
        return marker


def eventually(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; the test fails if it does not before the deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "it did not come true before the deadline"
        time.sleep(0.02)


@pytest.fixture(name="eventually")
def _eventually() -> Callable[[Callable[[], object]], None]:
    return eventually


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> SessionKey:
    return session_key(tmp_path_factory.mktemp("keys") / "keys" / "session")


@pytest.fixture
def start(tmp_path: Path, signer: SessionKey) -> Iterator[Callable[..., Client]]:
    """Start desks that end with the test; all on one home folder unless another is named."""
    running: list[Desk] = []

    def begin(*, home: Path | None = None, environ: dict[str, str] | None = None, faults: bool = True) -> Client:
        variables = {"PATH": os.environ["PATH"], **(environ or {})}
        desk = launch(home or tmp_path / "home", variables, keys=[signer.public.line], faults=faults)
        running.append(desk)
        return Client(desk, signer)

    yield begin
    for desk in running:
        desk.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, signer: SessionKey) -> Iterator[Client]:
    """A desk that the tests of a module share; each leaves it as it found it."""
    with launch(
        tmp_path_factory.mktemp("shared") / "home", {"PATH": os.environ["PATH"]}, keys=[signer.public.line], faults=True
    ) as desk:
        yield Client(desk, signer)
