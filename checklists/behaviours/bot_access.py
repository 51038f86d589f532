"""Who gets into the bots' API: the secret of the tokens, tokens of every bad kind, administrators' addresses, and what is stored.

Secrets are looked at here and never told: what comes out are lengths, numbers and yes or no.
"""

from __future__ import annotations

import base64
import json
import math
import re
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from behaviours.ask import ask, environment_of, get, looks_like_a_placeholder
from behaviours.bot_calls import PEOPLE, bearer, documents_of, signed, token

WEAK = ("secret", "changeme", "password", "jwt_secret", "your-256-bit-secret", "", "0" * 32)
"""What a careless secret is; each is tried."""

READABLE = "/api/portfolio/summary"
"""An address that any signed-in user may read."""

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})[./A-Za-z0-9]{31}")
_HOUR = 3600
SECRET_NAMES = re.compile(r"(_API_KEY|_API_SECRET|_PASSWORD|JWT_SECRET)$")
SHORTEST_SECRET = 8


def tokens(api: str, home: str) -> dict[str, Any]:
    """Facts on the secret, on a token that the desk hands out, and on tokens that it must refuse."""
    environ = environment_of(f"{home}/desk.pid")
    secret = environ.get("JWT_SECRET", "")

    def status(value: str) -> int:
        return ask("GET", api + READABLE, headers=bearer(value)).status

    now = int(time.time())
    login = ask("POST", f"{api}/api/auth/login", {"name": PEOPLE["admin"], "password": environ["ADMIN_PASSWORD"]})
    fresh = str(login.body.get("token", ""))
    claims = _claims(fresh)
    ends = isinstance(claims.get("exp"), int)
    return {
        "secret": {
            "set": bool(secret),
            "length": len(secret),
            "distinct": len(set(secret)),
            "longest_run": max((len(list(same)) for _, same in groupby(secret)), default=0),
            "bits_per_character": round(_entropy(secret) * 100) // 100,
            "looks_like_a_placeholder": looks_like_a_placeholder(secret),
        },
        "good_token": status(fresh),
        "weak": [{"kind": f"secret {number}", "status": status(signed(weak))} for number, weak in enumerate(WEAK, 1)],
        "unsigned": status(signed(secret, algorithm="none")),
        "fresh": {"has_end": ends, **({"lifetime_seconds": claims["exp"] - claims["iat"]} if ends else {})},
        "expired": status(signed(secret, iat=now - 2 * _HOUR, exp=now - _HOUR)),
        "endless": status(signed(secret, exp=None)),
        "not_yet": status(signed(secret, iat=now + _HOUR, exp=now + 2 * _HOUR)),
    }


def admin_addresses(api: str, home: str) -> dict[str, Any]:
    """Facts on each address that the API's own description keeps for administrators, asked by a stranger and by a user."""
    described = get(f"{api}/api/openapi.json").body["paths"]
    entries = [(method, path, entry) for path, methods in described.items() for method, entry in methods.items()]
    user = bearer(token(home, "user"))
    told = []
    for method, path, entry in entries:
        if entry["x-role"] != "admin":
            continue
        url = api + re.sub(r"\{\w+\}", "nobody", path)
        body = None if method == "get" else {}
        told.append(
            {
                "address": f"{method.upper()} {path}",
                "without_token": ask(method.upper(), url, body).status,
                "as_user": ask(method.upper(), url, body, user).status,
            }
        )
    by_name = [f"{method.upper()} {path}" for method, path, entry in entries if "/admin/" in path and entry["x-role"] != "admin"]
    return {"addresses": told, "admin_by_name_but_open": by_name}


def passwords(home: str) -> dict[str, Any]:
    """Facts on the form of every password in the collection users; never one of them."""
    with documents_of(home) as books:
        kept = [str(user.get("password", "")) for user in books["users"].find({}, {"password": 1})]
    forms = [_BCRYPT.fullmatch(value) for value in kept]
    found = [form for form in forms if form]
    salts = Counter(form[2] for form in found)
    return {
        "users": len(kept),
        "bcrypt": len(found),
        "other": len(kept) - len(found),
        "least_cost": min((int(form[1]) for form in found), default=0),
        "salts_shared": sum(count - 1 for count in salts.values()),
    }


def stored_keys(home: str) -> dict[str, Any]:
    """Facts on the exchange keys in the collection api_keys, searched for the keys that the desk really has."""
    environ = environment_of(f"{home}/desk.pid")
    known = [value for name, value in environ.items() if name.endswith(("_API_KEY", "_API_SECRET")) and len(value) >= 8]
    with documents_of(home) as books:
        rows = list(books["api_keys"].find({}, {"_id": 0}))
    sealed = [str(row.get("sealed", "")) for row in rows]
    return {
        "keys": len(rows),
        "known": len(known),
        "with_known_text": sum(any(value in json.dumps(row, default=str) for value in known) for row in rows),
        "not_ciphertext": [
            str(row.get("name", "")) for row, value in zip(rows, sealed, strict=True) if not _is_ciphertext(value)
        ],
        "sealed_alike": len(sealed) - len(set(sealed)),
    }


def at_rest(home: str) -> dict[str, Any]:
    """Facts on every file below the home folder, unpacked and searched for each secret that the desk was started with."""
    environ = environment_of(f"{home}/desk.pid")
    known = {
        name: value.encode() for name, value in environ.items() if SECRET_NAMES.search(name) and len(value) >= SHORTEST_SECRET
    }
    files = [path for path in sorted(Path(home).rglob("*")) if path.is_file() and not path.is_symlink()]
    hits, unreadable, seen = [], [], 0
    for path in files:
        try:
            content = _unpacked(path)
        except FileNotFoundError:
            # drafts and the files of a transaction come and go
            continue
        except OSError as error:
            unreadable.append(f"{path.relative_to(home)}: {error.strerror}")
            continue
        seen += len(content)
        hits += [{"file": str(path.relative_to(home)), "of": name} for name, value in known.items() if value in content]
    kept = [path for path in files if path.name == "vault.key" or path.parent.name in ("backups", "exchanges")]
    return {
        "searched_for": len(known),
        "files": len(files),
        "bytes": seen,
        "unreadable": unreadable,
        "hits": hits[:50],
        "kept": [str(path.relative_to(home)) for path in kept],
        "kept_open_to_others": [str(path.relative_to(home)) for path in kept if _open_to_others(path, Path(home))],
    }


def _open_to_others(path: Path, home: Path) -> bool:
    """Whether group or others may read a file and go through each folder on the way to it, the home folder first."""
    folders = [folder for folder in path.parents if folder == home or home in folder.parents]
    ways = [*((folder, 0o011) for folder in folders), (path, 0o044)]
    return path.exists() and all(place.stat().st_mode & bits for place, bits in ways)


def _unpacked(path: Path) -> bytes:
    """What a file says: gzip and git's objects are unpacked, everything else is as it stands."""
    content = path.read_bytes()
    for form in (zlib.MAX_WBITS | 16, zlib.MAX_WBITS):
        unpacking = zlib.decompressobj(form)
        try:
            return unpacking.decompress(content) + unpacking.flush()
        except zlib.error:
            continue
    return content


def _is_ciphertext(value: str) -> bool:
    """Whether it could be the output of a cipher: long enough for key, nonce and tag, and as uneven as noise."""
    try:
        content = base64.urlsafe_b64decode(value)
    except ValueError:
        return False
    return len(content) >= 40 and _entropy(content) > 4


def _entropy(content: str | bytes) -> float:
    """Bits for each sign, by how often each occurs."""
    counts = Counter(content)
    return -sum(n / len(content) * math.log2(n / len(content)) for n in counts.values()) if content else 0.0


def _claims(value: str) -> Mapping[str, Any]:
    parts = value.split(".")
    if len(parts) != 3:
        return {}
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    return claims if isinstance(claims, dict) else {}
