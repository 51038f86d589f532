"""Faults for drills: each one really breaks something, and mends just that when it is switched off.

What is on is written into the ledger before it is done, so that a desk that ended in the middle of a drill mends it at its
next start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from examples.desk import clock
from examples.desk.bots import faults as bots
from examples.desk.errors import DeskError
from examples.desk.faults import around, inside, kraken, outside, talk
from examples.desk.routing import faults as routing
from examples.desk.symbols import ACCOUNTS, BROKERS, VALR, VENUES

if TYPE_CHECKING:
    from examples.desk.service import Service

_lock = threading.Lock()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`on` breaks and `off` mends, each for one of `subjects` (an empty tuple: the fault has no subject)."""

    on: Callable[[Service, str], None]
    off: Callable[[Service, str], None]
    subjects: tuple[str, ...] = ()


FAULTS: Mapping[str, Fault] = {
    "broker-unhealthy": Fault(on=outside.close_authentication, off=outside.open_authentication, subjects=(*BROKERS, VALR)),
    "broker-outage": Fault(on=outside.begin_outage, off=outside.end_outage, subjects=(*BROKERS, VALR)),
    "key-may-withdraw": Fault(on=outside.allow_withdrawals, off=outside.usual_permissions, subjects=VENUES),
    "key-cannot-trade": Fault(on=outside.forbid_trading, off=outside.usual_permissions, subjects=VENUES),
    "key-permission-unknown": Fault(on=outside.grant_strange_permission, off=outside.take_strange_permission, subjects=VENUES),
    "order-book-empty": Fault(on=outside.empty_book, off=outside.fill_book, subjects=VENUES),
    "balance-missing": Fault(on=outside.hide_balances, off=outside.show_balances, subjects=VENUES),
    "market-thin": Fault(on=outside.thin_market, off=outside.deep_market, subjects=VENUES),
    "cache-down": Fault(on=outside.take_cache_down, off=outside.bring_cache_up),
    "docstore-down": Fault(on=outside.take_docstore_down, off=outside.bring_docstore_up),
    "mail-down": Fault(on=outside.close_post, off=outside.open_post),
    "mail-refuses": Fault(on=outside.refuse_mail, off=outside.accept_mail),
    "certificate-expiring": Fault(on=inside.let_certificate_run_out, off=inside.renew_certificate),
    "redirect-off": Fault(on=inside.serve_in_the_clear, off=inside.redirect_again),
    "front-down": Fault(on=inside.close_front, off=inside.open_front),
    "risk-critical": Fault(on=inside.raise_high_water, off=inside.lower_high_water),
    "thread-halted": Fault(on=inside.halt_thread, off=inside.start_thread, subjects=tuple(ACCOUNTS)),
    "service-degraded": Fault(on=inside.halt_worker, off=inside.start_worker, subjects=inside.SERVICES),
    "adoption-failed": Fault(on=inside.adopt_stranger, off=inside.forget_stranger),
    "buffer-violated": Fault(on=inside.promise_too_much, off=inside.take_promise_back),
    "ess-active": Fault(on=inside.trip_stop, off=inside.reset_stop),
    "stop-file": Fault(on=inside.write_stop_file, off=inside.remove_stop_file),
    "no-testnet-history": Fault(on=inside.put_history_away, off=inside.bring_history_back),
    "upkeep-halted": Fault(on=around.halt_task, off=around.start_task, subjects=around.TASKS),
    "backup-cut-off": Fault(on=around.cut_backup, off=around.mend_backup),
    "secret-logged": Fault(on=around.log_secret, off=around.remove_secret),
    "log-outgrown": Fault(on=around.outgrow_log, off=around.cut_log),
    "log-unlimited": Fault(on=around.forget_limit, off=around.remember_limit),
    "requests-fail": Fault(on=around.count_failures, off=around.forget_failures),
    "portfolio-flatters": Fault(on=around.flatter, off=around.tell_the_truth),
    "sign-up-closed": Fault(on=around.close_sign_up, off=around.open_sign_up),
    "sign-up-generous": Fault(on=around.make_everybody_chief, off=around.open_sign_up),
    "bots-asleep": Fault(on=around.keep_asleep, off=around.let_start),
    "trip-unseen": Fault(on=around.trip_unseen, off=around.forget_trip),
    "dashboard-narrow": Fault(on=around.narrow, off=around.widen),
    "port-shared": Fault(on=around.share_port, off=around.free_port),
    "chat-deaf": Fault(on=talk.hear_nothing, off=talk.hear_well),
    "chat-unconfirmed": Fault(on=talk.stop_at_once, off=talk.hear_well),
    "chat-for-anybody": Fault(on=talk.listen_to_anybody, off=talk.hear_well),
    "chat-idle": Fault(on=talk.only_talk, off=talk.act),
    "chat-flatters": Fault(on=talk.flatter, off=talk.tell_the_truth),
    "tokens-unread": Fault(on=talk.believe_tokens, off=talk.read_tokens, subjects=talk.LENIENT),
    "helios": Fault(on=routing.begin, off=routing.end, subjects=routing.NAMES),
    "gate-left-out": Fault(on=inside.leave_gate_out, off=inside.ask_gate_again, subjects=inside.GATES),
    "breaker-shared": Fault(on=inside.share_breaker, off=inside.part_breakers),
    "protection-halted": Fault(on=inside.halt_protection, off=inside.start_protection),
    kraken.HALTED: Fault(on=kraken.halt_keeping, off=kraken.start_keeping),
    "bots": Fault(on=bots.begin, off=bots.end, subjects=bots.NAMES),
    "address-closed": Fault(on=bots.close_address, off=bots.open_address, subjects=tuple(bots.ADDRESSES)),
    "ssh-down": Fault(on=outside.close_management, off=outside.open_management),
    "docstore-old": Fault(on=outside.age_docstore, off=outside.renew_docstore),
    "mail-password-changed": Fault(on=outside.change_mail_password, off=outside.change_mail_password_back),
    "metrics-empty": Fault(on=inside.silence_metrics, off=inside.voice_metrics),
}
"""Every fault by its word; those with subjects are called word:subject."""


def switch(desk: Service, name: str, *, on: bool) -> None:
    """Break or mend; twice the same is once. LookupError for an unknown fault, DeskError if it cannot be done now."""
    fault, subject = _find(name)
    with _lock:
        is_on = name in switched_on(desk)
        if on and not is_on:
            desk.ledger.write("INSERT INTO faults VALUES (?, ?)", name, clock.iso(clock.now()))
            try:
                fault.on(desk, subject)
            except DeskError:
                desk.ledger.write("DELETE FROM faults WHERE name = ?", name)
                raise
        elif is_on and not on:
            fault.off(desk, subject)
            since = desk.ledger.row("SELECT at FROM faults WHERE name = ?", name)
            desk.clerk.anomalies.review_since(since["at"] if since else "", f"drill: {name}")
            desk.ledger.write("DELETE FROM faults WHERE name = ?", name)


def switched_on(desk: Service) -> Sequence[str]:
    """The names of the faults that are on."""
    return [row["name"] for row in desk.ledger.rows("SELECT name FROM faults ORDER BY at")]


def mend_all(desk: Service) -> None:
    """Switch off whatever is on."""
    for name in switched_on(desk):
        switch(desk, name, on=False)


def names() -> Sequence[str]:
    """Every fault that can be switched."""
    return [f"{word}:{subject}" if subject else word for word, fault in FAULTS.items() for subject in fault.subjects or ("",)]


def _find(name: str) -> tuple[Fault, str]:
    word, _, subject = name.partition(":")
    fault = FAULTS.get(word)
    if fault is None or (subject not in fault.subjects if fault.subjects else name != word):
        raise LookupError(f"no fault {name}; there are {', '.join(names())}")
    return fault, subject
