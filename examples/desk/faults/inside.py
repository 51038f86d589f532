"""Faults of the desk itself: threads that end, books that are wrong, stops that are pulled."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from examples.desk import clock
from examples.desk.errors import DeskError
from examples.desk.front import EXPIRING
from examples.desk.symbols import TESTNET, Account

if TYPE_CHECKING:
    from examples.desk.service import Service

SERVICES = ("execution", "risk", "capital", "isolation", "market")
GATES = ("stop-file", "breaker")
STRANGER = Account(name="stray", broker="kraken")
REASON = "drill: fault ess-active"
STOP_TEXT = "drill: fault stop-file\n"

_PUT_AWAY = "put-away"
_REFERENCE = "drill:buffer-violated"
_ACCOUNT = "gamma"


def halt_thread(desk: Service, account: str) -> None:
    """The account's trading thread ends."""
    desk.traders[account].worker.halt()


def start_thread(desk: Service, account: str) -> None:
    """The account's trading thread runs again."""
    desk.traders[account].worker.start()


def halt_worker(desk: Service, name: str) -> None:
    """The service's worker ends."""
    desk.workers[name].halt()


def start_worker(desk: Service, name: str) -> None:
    """The service's worker runs again."""
    desk.workers[name].start()


def adopt_stranger(desk: Service, subject: str) -> None:
    """An account is to be taken on that its exchange does not know."""
    desk.adoption.adopt(STRANGER)


def forget_stranger(desk: Service, subject: str) -> None:
    """The failed adoption is withdrawn."""
    desk.adoption.forget(STRANGER.name)


def promise_too_much(desk: Service, subject: str) -> None:
    """A reservation that eats into the buffer of an account."""
    standing = desk.capital.standing(_ACCOUNT)
    desk.ledger.write(
        "INSERT INTO reservations(account, environment, symbol, purpose, reference, amount, at)"
        " VALUES (?,?,'BTCUSDT','order',?,?,?)",
        _ACCOUNT, standing.environment, _REFERENCE, str(standing.total - standing.reserved), clock.iso(clock.now()),
    )  # fmt: skip


def take_promise_back(desk: Service, subject: str) -> None:
    """The reservation is gone."""
    desk.capital.release(_REFERENCE)


def trip_stop(desk: Service, subject: str) -> None:
    """The emergency stop is pulled; one that somebody else pulled is left alone."""
    if desk.stop_system.refusal():
        raise DeskError("the emergency stop is active already, and not for this drill", hint="see /ess")
    desk.stop_system.trip(REASON)


def reset_stop(desk: Service, subject: str) -> None:
    """The emergency stop is reset if it is still the drill's own."""
    if desk.stop_system.state()["reason"] == REASON:
        desk.stop_system.reset(REASON)


def write_stop_file(desk: Service, subject: str) -> None:
    """The stop file appears; one that somebody else wrote is left alone."""
    try:
        with open(desk.settings.home.stop_file, "x", encoding="utf-8") as file:
            file.write(STOP_TEXT)
    except FileExistsError:
        raise DeskError("there is a stop file already, and not for this drill", hint=str(desk.settings.home.stop_file)) from None


def remove_stop_file(desk: Service, subject: str) -> None:
    """The stop file goes if it is still the drill's own."""
    path = desk.settings.home.stop_file
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == STOP_TEXT:
        path.unlink()


def put_history_away(desk: Service, subject: str) -> None:
    """The testnet trades leave the history."""
    desk.ledger.write("UPDATE trades SET environment = ? WHERE environment = ?", _PUT_AWAY, TESTNET)


def bring_history_back(desk: Service, subject: str) -> None:
    """The testnet trades are back."""
    desk.ledger.write("UPDATE trades SET environment = ? WHERE environment = ?", TESTNET, _PUT_AWAY)


def let_certificate_run_out(desk: Service, subject: str) -> None:
    """The front serves a certificate that has only days left."""
    desk.front.renew(life=EXPIRING)


def renew_certificate(desk: Service, subject: str) -> None:
    """The front serves a certificate as good as any."""
    desk.front.renew()


def serve_in_the_clear(desk: Service, subject: str) -> None:
    """The plain port serves the API instead of sending callers to TLS."""
    desk.front.redirect(False)


def redirect_again(desk: Service, subject: str) -> None:
    """The plain port sends callers to TLS."""
    desk.front.redirect(True)


def close_front(desk: Service, subject: str) -> None:
    """Nobody listens on the two ports of the front."""
    desk.front.down()


def open_front(desk: Service, subject: str) -> None:
    """The front listens on the same ports again."""
    desk.front.up()


def raise_high_water(desk: Service, subject: str) -> None:
    """The books remember an equity ten times as high, so the drawdown passes its limit; prices and positions stay as they are."""
    desk.risk.assess()
    with desk.ledger.change():
        row = desk.ledger.row("SELECT equity FROM high_water WHERE account = '*'")
        if row is None:
            raise DeskError("the highest equity is not known, so it cannot be raised", hint="see /risk")
        desk.ledger.write("UPDATE high_water SET account = ? WHERE account = '*'", _PUT_AWAY)
        high = str(Decimal(row["equity"]) * 10)
        desk.ledger.write("INSERT INTO high_water VALUES ('*', ?, ?)", high, clock.iso(clock.now()))


def lower_high_water(desk: Service, subject: str) -> None:
    """The books remember the highest equity that there was."""
    with desk.ledger.change():
        if desk.ledger.row("SELECT 1 FROM high_water WHERE account = ?", _PUT_AWAY):
            desk.ledger.write("DELETE FROM high_water WHERE account = '*'")
            desk.ledger.write("UPDATE high_water SET account = '*' WHERE account = ?", _PUT_AWAY)


def halt_protection(desk: Service, subject: str) -> None:
    """Nobody places exits for new positions."""
    desk.clerk.workers["protection"].halt()


def start_protection(desk: Service, subject: str) -> None:
    """Exits are brought in line with the positions again."""
    desk.clerk.workers["protection"].start()


def silence_metrics(desk: Service, subject: str) -> None:
    """The metrics page is empty."""
    desk.metrics_silenced = True


def voice_metrics(desk: Service, subject: str) -> None:
    """The metrics page has its figures again."""
    desk.metrics_silenced = False


def leave_gate_out(desk: Service, gate: str) -> None:
    """Orders pass without this gate being asked."""
    desk.gates.left_out.add(gate)


def ask_gate_again(desk: Service, gate: str) -> None:
    """The gate stands in the way of orders again."""
    desk.gates.left_out.discard(gate)


def share_breaker(desk: Service, subject: str) -> None:
    """The breaker of one account opens those of all."""
    desk.isolation.shared = True


def part_breakers(desk: Service, subject: str) -> None:
    """Each account has a breaker of its own again; those that are open recover by themselves."""
    desk.isolation.shared = False
