"""Which names say that their value is a secret, and which values under such a name say nothing.

Names are read word by word (`apiKey`, `API_KEY`, `x-api-key` are the same two words), because a search for `key` or `token`
inside a name would hide `tokens_seen: 5`, `primary_key` and `key_permissions`, and a gate that hides what it judges teaches
people to go round it.
"""

from __future__ import annotations

import re
from functools import lru_cache

SHORTEST = 6
"""Characters of a secret, or of an end of one, that are worth hiding."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECRET_WORDS = _words(
    """
    pass password passwords passwd pwd passphrase passcode secret secrets token tokens authorization cookie cookies signature sig
    credential credentials creds dsn jwt bearer sessionid mnemonic otp totp cvv apikey apikeys
    """
)
_SECRET_STEMS = re.compile(
    r"passw(?:or)?d|passphrase|credential|(?:api|private|secret|access|signing)keys?$|(?:access|auth|api|id|csrf|refresh)token$"
    r"|(?:client|api|app)secret$"
)
_BEFORE_KEY = _words(
    """
    api secret private access signing sign encryption master auth client account shared ssh service hmac webhook license
    consumer storage deploy app session crypto wallet subscription rsa
    """
)
_NO_KEY = _words(
    """
    public primary foreign sort partition cache idempotency lookup routing unique group row object map config translation
    """
)
_WEAK_WORDS = _words("key keys auth hmac seed")
_TELLS_ABOUT = _words(
    """
    permissions permission seen count counts number ttl age expires expiry expired at id ids name names type types length len size
    status state set present valid invalid enabled disabled required path file dir directory url uri endpoint used remaining limit
    algorithm alg mode scheme policy kind method date time header headers fingerprint version rotated seconds minutes hours days
    source env variable issuer format strength ok missing error errors check checks verified sock placeholder rule rules
    owner unit budget per
    """
)
_ASKS = _words("has is no num max min requires needs count")
_STATE_WORDS = _words(
    """
    valid invalid present missing absent set unset ok true false yes no on off none null nil required optional enabled disabled
    verified unverified expired active inactive revoked unknown empty n/a redacted [redacted] hidden masked default basic bearer
    good bad wrong correct accepted rejected denied
    """
)
ORDINARY = _words(
    """
    production staging development testnet mainnet sandbox default password secret example account accounts trading exchange
    localhost postgres database server service client session bearer public private access enabled disabled required credentials
    changeme redacted operator binance coinbase kraken
    """
)
"""Words that stand in honest facts; that a secret begins with one does not make each of them a leak."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
NAMING = _words("name key header variable field param parameter option setting")
"""Keys whose value may be the name of what stands beside it: `{name: API_KEY, value: …}`."""

VALUED = _words("value values raw text content current old new plain line")
"""Keys whose value is what such a name names."""

WHOLE_LINE = re.compile(r"authorization|cookie|api-?key", re.I)
"""Header names whose value goes to the end of the line."""


@lru_cache(maxsize=8192)
def strength(name: str) -> int:
    """How surely a name says that its value is secret: 2 surely, 1 only if the value looks random, 0 not at all."""
    words = [word.lower() for word in _WORD.findall(name[:200])]
    if not words or words[0] in _ASKS:
        return 0
    if words[-1] in _TELLS_ABOUT:
        return 1 if words[-2:] == ["session", "id"] else 0
    best = 0
    for index, word in enumerate(words):
        if word in _SECRET_WORDS or _SECRET_STEMS.search(word):
            return 2
        if word in _WEAK_WORDS or (word == "session" and index == len(words) - 1):
            before = words[index - 1] if index and word.startswith("key") else ""
            if before in _BEFORE_KEY:
                return 2
            best = best if before in _NO_KEY else 1
    return best


def _looks_random(value: str) -> bool:
    return (
        len(value) >= 16
        and not any(char.isspace() for char in value)
        and value[0] != "/"
        and "://" not in value
        and any(char.isdigit() for char in value)
        and any(char.isalpha() for char in value)
    )


def says_secret(value: str, sure: int) -> bool:
    """Whether a text under a name of this strength is to be hidden; empty texts and words of state are not."""
    return bool(value) and value.strip().lower() not in _STATE_WORDS and (sure == 2 or _looks_random(value))
