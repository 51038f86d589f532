"""One conversation with the desk's chat: what it understands, what it refuses, and that a stop waits for its confirmation.

Two bots of a new user are moved by chat. Every step is read again from the API and from the database, neither of which was told.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from behaviours.ask import ask, get
from behaviours.bot_calls import Caller, administrator, bot, dismissed, documents_of, drill_user

SIMPLE = ("help", "status", "list bots")
FOR_ADMINISTRATORS = ("emergency stop", "lift emergency stop", "send daily report")
FIGURES = ("equity", "funding", "realized", "unrealized", "fees", "fills")


def conversation(api: str, home: str) -> dict[str, Any]:
    """Facts on everything that the document asks of the chat."""

    admin = administrator(api, home)
    before = _stop(api)
    if before != "inactive":
        return {"stop_before": before}
    with documents_of(home) as books:
        seen = books["chat_messages"].count_documents({})
        with drill_user(admin, funding="1000") as user:
            bots = [bot(user, capital="400", start=False) for _ in range(2)]
            told: dict[str, Any] = {
                "stop_before": before,
                "simple": [_simple(user, sentence) for sentence in SIMPLE],
                "nonsense": user.say("sing me a song about money").body["outcome"],
                "lifecycle": [_moved(user, word, bots[0], books) for word in ("start", "pause", "resume")],
                "portfolio": _portfolio(user),
                "without_token": ask("POST", f"{api}/api/chat", {"message": "status"}).status,
                "restricted": [_restricted(user, sentence) for sentence in FOR_ADMINISTRATORS],
            }
            with drill_user(admin, funding="1") as stranger:
                told["strangers_bot"] = {
                    "before": _status(user, bots[0]),
                    "outcome": stranger.say(f"pause bot {bots[0]}").body["outcome"],
                    "after": _status(user, bots[0]),
                }
            user.send(f"/api/bots/{bots[1]}/start")
            told |= _stopped_and_lifted(admin, user, bots)
        told["recorded"] = _recorded(books, seen, told["tokens"])
        told["removed"] = dismissed(admin, user.name)
    del told["tokens"]
    return told


def _simple(user: Caller, sentence: str) -> dict[str, Any]:
    began = time.monotonic()
    answer = user.say(sentence)
    seconds = Decimal(f"{time.monotonic() - began:.3f}")
    words = len(str(answer.body.get("reply", "")).split())
    told = {"status": answer.status, "outcome": answer.body.get("outcome"), "command": answer.body.get("command")}
    return {**told, "words": words, "seconds": seconds}


def _moved(user: Caller, word: str, bot: str, books: Any) -> dict[str, Any]:
    outcome = user.say(f"please {word} bot {bot}").body["outcome"]
    return {
        "said": word,
        "outcome": outcome,
        "api": _status(user, bot),
        "database": books["bots"].find_one({"name": bot})["status"],
    }


def _portfolio(user: Caller) -> dict[str, Any]:
    answer = user.say("show my portfolio").body
    told, own = answer.get("facts", {}), user.get("/api/portfolio/summary").body
    return {
        "outcome": answer["outcome"],
        "figures": sum(name in told and name in own for name in FIGURES),
        "differing": [name for name in FIGURES if told.get(name) != own.get(name)],
        "shown_in_text": all(f"{name} {own[name]}" in answer["reply"] for name in ("equity", "funding", "fills")),
    }


def _restricted(user: Caller, sentence: str) -> dict[str, Any]:
    answer = user.say(sentence)
    return {
        "sentence": sentence,
        "status": answer.status,
        "outcome": answer.body.get("outcome"),
        "token": "confirmation" in answer.body,
        "stop": _stop(user.api),
    }


def _stopped_and_lifted(admin: Caller, user: Caller, bots: list[str]) -> dict[str, Any]:
    """The stop, asked for, confirmed wrongly, confirmed rightly, and lifted again; lifted in any case."""

    def now(outcome: Any) -> dict[str, Any]:
        return {"outcome": outcome, "stop": _stop(admin.api), "running": sum(_status(user, bot) == "running" for bot in bots)}

    token = ""
    try:
        answer = admin.say("emergency stop").body
        token = answer.get("confirmation", {}).get("token", "")
        asked = {**now(answer["outcome"]), "token": bool(token)}
        wrong = now(admin.say("confirm not-the-token").body["outcome"])
        foreign = now(user.say(f"confirm {token}").body["outcome"])
        confirmed = now(admin.say(f"confirm {token}").body["outcome"])
        confirmed["order"] = user.ordered(bots[0], "BUY", "0.001").status
        again = admin.say(f"confirm {token}").body["outcome"]
    finally:
        tokens, lifted = [token], ""
        if _stop(admin.api) != "inactive":
            second = admin.say("lift emergency stop").body.get("confirmation", {}).get("token", "")
            tokens.append(second)
            lifted = admin.say(f"confirm {second}").body["outcome"]
    return {
        "asked": asked,
        "wrong_token": wrong,
        "foreign_token": foreign,
        "confirmed": confirmed,
        "confirmed_again": again,
        "lifted": now(lifted),
        "tokens": [one for one in tokens if one],
    }


def _recorded(books: Any, seen: int, tokens: list[str]) -> dict[str, Any]:
    rows: list[Mapping[str, Any]] = list(books["chat_messages"].find({}, {"_id": 0}).skip(seen))
    sentences = [str(row["sentence"]) for row in rows]
    wanted = [*SIMPLE, *FOR_ADMINISTRATORS, "show my portfolio"]
    return {
        "records": len(rows),
        "sentences_without_record": [sentence for sentence in wanted if sentence not in sentences],
        "tokens_in_records": sum(token in str(row) for token in tokens for row in rows),
    }


def _status(user: Caller, bot: str) -> str:
    return str(user.get(f"/api/bots/{bot}").body["status"])


def _stop(api: str) -> str:
    return str(get(f"{api}/ess").body["state"])
