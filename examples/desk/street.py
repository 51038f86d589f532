"""The street: everything the desk deals with but does not own, in a process of its own, so that its word is independent.

That is one exchange for each broker, a testnet, VALR, a cache and a document store. `python -m examples.desk.street --store
FOLDER` prints one line of JSON with the addresses and serves until standard input ends, so it never outlives the desk that
started it.
"""

from __future__ import annotations

import argparse
import hmac
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, final

from examples.desk import jsontext
from examples.desk.cache import Cache
from examples.desk.outskirts import Management, Provider
from examples.desk.post_office import PostOffice
from examples.desk.settings import POST_PORT, SMTP_PASSWORD, SMTP_USER, Home, credentials, port_of
from examples.desk.symbols import OPENING, TESTNET, VALR, VENUES, traded
from examples.desk.venues.exchange import Exchange
from examples.desk.web import Answer, Refused, Request, Server, answer

if TYPE_CHECKING:
    from examples.desk.docstore.server import DocumentServer

PREFIXES = {"coinbase": "CB", "kraken": "KR", TESTNET: "TN", VALR: "VR"}
CONTROL = "DESK_STREET_CONTROL"


@final
class Street:
    """The exchanges, the cache and the document store, listening."""

    def __init__(self, store: Path, environ: Mapping[str, str]) -> None:
        # the desk imports this module for a name only, and need not wait for what the store is made of
        from examples.desk.docstore.server import DocumentServer

        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._control = environ[CONTROL]
        self.exchanges = {}
        for name in VENUES:
            key, secret = (environ.get(variable, "") for variable in credentials(name))
            self.exchanges[name] = Exchange(
                store / f"{name}.sqlite",
                name=name,
                prefix=PREFIXES[name],
                key=key,
                secret=secret,
                control=self._control,
                symbols=traded(name),
                opening=OPENING[name],
            )
        self.cache = Cache()
        self.docstore = DocumentServer(store / "docstore.sqlite", port_of(environ.get("MONGO_URL", "")))
        # the home is the folder that the street's own folder lies in
        home = Home(path=store.absolute().parent)
        self.post = PostOffice(
            home.mail,
            certificate=home.certificate,
            user=environ.get(SMTP_USER, ""),
            password=environ.get(SMTP_PASSWORD, ""),
            port=int(environ.get(POST_PORT, "0")),
        )
        self.provider = Provider(environ.get("OPENAI_API_KEY", ""))
        self.management = Management()
        self.lever = Server(
            (
                ("POST", "/cache", lambda request: self._steer(self.cache, request)),
                ("POST", "/mail", self._steer_post),
                ("POST", "/docstore", lambda request: self._steer(self.docstore, request)),
                ("POST", "/ssh", lambda request: self._steer(self.management, request)),
            )
        )
        for exchange in self.exchanges.values():
            exchange.start()
        self.lever.start()

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where everything listens: a URL for each exchange and for the lever, host and port for the stores."""
        urls = {name: exchange.server.url for name, exchange in self.exchanges.items()}
        return {
            **urls,
            "cache": self.cache.address,
            "docstore": self.docstore.address,
            "mail": self.post.address,
            "model": self.provider.server.url,
            "ssh": self.management.address,
            "lever": self.lever.url,
        }

    def close(self) -> None:
        """Close the stores; everything that listens ends with the process."""
        for exchange in self.exchanges.values():
            exchange.close()
        self.docstore.close()

    def _allowed(self, request: Request) -> Mapping[str, object]:
        if not hmac.compare_digest(request.headers.get("x-control", "").encode(), self._control.encode()):
            raise Refused(401, "unauthorized")
        return request.json()

    def _steer_post(self, request: Request) -> Answer:
        wish = self._allowed(request)
        if "refuse" in wish:
            self.post.refuse(wish["refuse"] is True)
        if "other_password" in wish:
            self.post.other_password = wish["other_password"] is True
        if "up" in wish:
            (self.post.up if wish["up"] is True else self.post.down)()
        return answer({"ok": True})

    def _steer(self, store: Cache | DocumentServer | Management, request: Request) -> Answer:
        wish = self._allowed(request)
        if store is self.docstore and "old" in wish:
            self.docstore.age(old=wish["old"] is True)
        if wish.get("up") is True:
            store.up()
        else:
            store.down()
        return answer({"ok": True})


def main() -> int:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m examples.desk.street", description="The exchanges and the stores.")
    parser.add_argument("--store", type=Path, required=True, help="folder of the exchanges' own databases")
    store: Path = parser.parse_args().store
    # whoever holds the other end of standard input decides, not the terminal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    street = Street(store, os.environ)
    print(jsontext.dumps(street.addresses), flush=True)
    sys.stdin.buffer.read()
    street.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
