"""A Redis, asked by its own client: not only is the port open, but who answers, in which role, and what lies under a key."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator, model_validator

from pytest_golive.errors import MissingExtra, ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Port, ProbeModel, Text, cut, spoken
from pytest_golive.probes.paths import absolute
from pytest_golive.probes.reading import json_value
from pytest_golive.probes.values import placeholder
from pytest_golive.redaction.names import strength

_MOST_SCANNED = 100_000
_SHOWN = 1_000


class Redis(ProbeModel):
    """Does this Redis work, and what does it hold?

    ```yaml
    redis: {host: 127.0.0.1, port: 6379, key: "price:kraken:BTCUSDT", as: json}
    expect: {ping: true, role: master, value: {gt: 0}, ttl_seconds: {gt: 0, le: 5}}
    ```

    The address is `host` and `port` (6379) with `db` (0), or `url` (redis:// or rediss://, which verifies the certificate), or
    `url_env`, the name of a variable that holds such a url. `password_env` names the variable of the password, `user` the user,
    `ca_file` an authority for rediss://. `key` is read with its kind and its time to live; `as` is text or json (a bare number
    is JSON too). `pattern` counts the keys that match, by SCAN, up to 100,000 keys. Nothing is written. A server that cannot be
    reached, refuses the password, or is still loading its data is an error. Needs the extra `redis`.

    Facts: `address`, `ping` (true), `elapsed_ms`, `keys` (in this db); of INFO, where the server tells it: `version`, `role`,
    `mode`, `used_memory`, `max_memory` (0: no limit), `evicted_keys`, `uptime_seconds`, `clients`, `last_save_status`,
    `aof_enabled`; with `key`: `exists` and, if it does, `type`, `value` (of a string; if the name of the key says that it is
    secret `withheld`, `length` and `placeholder` instead), `length` (of anything else), `ttl_seconds`
    (absent if it never ends) and `persistent`; with `pattern`: `matching`, `matching_keys` (the first 1,000), `scan_complete`.
    """

    word: ClassVar[str] = "redis"

    host: Text | None = None
    port: Port = 6379
    db: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    url: Text | None = None
    url_env: Text | None = None
    user: Text | None = None
    password_env: Text | None = None
    ca_file: Text | None = None
    key: Text | None = None
    as_: Literal["text", "json"] = Field(default="text", alias="as")
    pattern: Text | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Redis:
        if sum(way is not None for way in (self.host, self.url, self.url_env)) != 1:
            raise ValueError("write exactly one of host, url and url_env")
        if self.host is None and {"port", "db", "user"} & self.model_fields_set:
            raise ValueError("port, db and user stand beside host; in a url they are part of it")
        return self

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        return None if url is None else _checked(url)

    def secrets(self, context: Context) -> Iterable[str]:
        yield context.environ.get(self.password_env or "", "")
        address = self.url or context.environ.get(self.url_env or "", "")
        with contextlib.suppress(ValueError):
            password = urlsplit(address).password or ""
            yield from (password, unquote(password))

    def look(self, context: Context) -> Facts:
        try:
            import redis
            from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, ResponseError
        except ImportError:
            raise MissingExtra("redis", "redis") from None
        allowed = context.remaining()
        made: list[Any] = []
        client, where = self._client(redis, context, made)
        began = context.remaining()
        try:
            with _cut_off(made, context), client:
                facts: dict[str, Any] = {"address": where, "ping": bool(client.ping())}
                facts["elapsed_ms"] = int((began - context.remaining()) * 1000)
                facts["keys"] = client.dbsize()
                facts |= _info(client, ResponseError)
                if self.key is not None:
                    facts |= self._entry(client, self.key, where)
                if self.pattern is not None:
                    facts |= _scan(client, self.pattern)
                return facts
        except (AuthenticationError, AuthorizationError):
            raise ProbeError(
                f"{where} refuses the password", hint="set the variable that password_env or url_env names"
            ) from None
        except (RedisError, OSError) as error:
            raise _worded(error, where, context, allowed) from None
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError):
            # the client reads what it is sent without looking at its kind
            raise ProbeError(f"what {where} answers is not what a Redis does", hint="see what listens there") from None

    def _client(self, redis: Any, context: Context, made: list[Any]) -> tuple[Any, str]:
        """A client that notes the connections it makes, and its address without user and password."""
        left = max(context.remaining(), 0.001)
        options: dict[str, Any] = {
            "socket_timeout": left,
            "socket_connect_timeout": left,
            "retry": None,
            "protocol": 2,
        }
        if self.password_env is not None:
            options["password"] = _variable(self.password_env, context)
        if self.host is not None:
            options |= {"username": self.user, "db": self.db}
            url = f"{'rediss' if self.ca_file else 'redis'}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
        else:
            url = self.url or _variable(self.url_env or "", context)
            with_reason = _fault(url)
            if with_reason:
                raise ProbeError(f"the variable {self.url_env} holds no address of a Redis: {with_reason}", hint="correct it")
        parts = urlsplit(url)
        if parts.scheme == "rediss":
            options["ssl_cert_reqs"] = "required"
            if self.ca_file:
                options["ssl_ca_certs"] = absolute(context.root, self.ca_file)
        base = redis.SSLConnection if parts.scheme == "rediss" else redis.Connection

        class Noted(base):  # type: ignore[misc, valid-type] # the client is imported when it is needed
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                made.append(self)

        pool = redis.ConnectionPool.from_url(url, connection_class=Noted, max_connections=1, **options)
        host = parts.hostname or "localhost"
        return redis.Redis.from_pool(pool), f"{f'[{host}]' if ':' in host else host}:{parts.port or 6379}"

    def _entry(self, client: Any, key: str, where: str) -> dict[str, Any]:
        kind = _text(client.type(key))
        if kind == "none":
            return {"exists": False}
        facts: dict[str, Any] = {"exists": True, "type": kind}
        if kind == "string":
            raw = client.get(key)
            if raw is None:
                return {"exists": False}
            facts |= self._value(_text(raw), key, where)
        else:
            length = {"list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN"}.get(kind)
            if length is not None:
                facts["length"] = int(client.execute_command(length, key))
        milliseconds = client.pttl(key)
        if milliseconds == -2:
            return {"exists": False}
        facts["persistent"] = milliseconds == -1
        return facts if milliseconds == -1 else facts | {"ttl_seconds": Decimal(milliseconds).scaleb(-3)}

    def _value(self, text: str, key: str, where: str) -> dict[str, Any]:
        """The value; of a secret only what may be said of it, as for a variable of such a name."""
        if strength(key) == 2:
            return {"withheld": True, "length": len(text), "placeholder": placeholder(text)}
        try:
            return {"value": json_value(text) if self.as_ == "json" else cut(text)}
        except ValueError as error:
            raise ProbeError(f"the value under {key} in {where} is not JSON: {error}", hint="see what writes it") from None


_INFO = {
    "redis_version": "version",
    "role": "role",
    "redis_mode": "mode",
    "used_memory": "used_memory",
    "maxmemory": "max_memory",
    "evicted_keys": "evicted_keys",
    "uptime_in_seconds": "uptime_seconds",
    "connected_clients": "clients",
    "rdb_last_bgsave_status": "last_save_status",
    "aof_enabled": "aof_enabled",
}


def _info(client: Any, refusal: type[Exception]) -> dict[str, Any]:
    """What INFO tells; nothing if the server does not let this user ask."""
    try:
        told = client.info()
    except refusal:
        return {}
    facts = {ours: told[theirs] for theirs, ours in _INFO.items() if theirs in told}
    if "version" in facts:
        # redis-py reads 7.0 as a number
        facts["version"] = str(facts["version"])
    if "aof_enabled" in facts:
        facts["aof_enabled"] = facts["aof_enabled"] == 1
    return {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in facts.items()}


def _scan(client: Any, pattern: str) -> dict[str, Any]:
    cursor, scanned, found = 0, 0, set()
    while True:
        cursor, keys = client.scan(cursor, match=pattern, count=1_000)
        scanned += 1_000
        found |= {_text(key) for key in keys}
        if cursor == 0 or scanned >= _MOST_SCANNED:
            break
    return {"matching": len(found), "matching_keys": sorted(found)[:_SHOWN], "scan_complete": cursor == 0}


@contextlib.contextmanager
def _cut_off(made: list[Any], context: Context) -> Iterator[None]:
    """Hang up at the deadline: the client's timeout is for each read, and a server may send a byte now and then."""

    def hang_up() -> None:
        for connection in made:
            sock = connection._sock
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(context.remaining(), hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _worded(error: Exception, where: str, context: Context, allowed: float) -> ProbeError:
    from redis.exceptions import BusyLoadingError, ResponseError

    if context.remaining() <= 0 or isinstance(error, TimeoutError) or "imeout" in type(error).__name__:
        return ProbeError(f"no complete answer from {where}: timed out after {spoken(allowed)}", hint="see why it is slow")
    if isinstance(error, BusyLoadingError):
        return ProbeError(f"{where} is still loading its data", hint="wait until it has, or use eventually")
    if isinstance(error, ResponseError):
        return ProbeError(f"{where} refuses: {cut(str(error), 200)}", hint="see the rights of the user, and what listens there")
    return ProbeError(f"{where} cannot be asked: {cut(str(error), 200)}", hint="start it, or correct the address")


def _fault(url: str) -> str:
    """Why this is no address that can be trusted; empty if it is one."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what raises
    except ValueError:
        return "it cannot be read"
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        return "it must be redis:// or rediss:// with a host"
    return "it must not carry options after a question mark" if parts.query else ""


def _checked(url: str) -> str:
    fault = _fault(url)
    if fault:
        raise ValueError(fault)
    return url


def _variable(name: str, context: Context) -> str:
    value = context.environ.get(name, "")
    if not value:
        raise ProbeError(f"the variable {name} is not set, so Redis cannot be asked", hint=f"set {name} for the gate")
    return value


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
