"""Rows of a database, by one SELECT that cannot change anything; numbers come back exact."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

from pydantic import Field, field_validator, model_validator

from pytest_golive.errors import MissingExtra, ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import ProbeModel, Text, spoken
from pytest_golive.probes.paths import absolute, found

_NOT_CODE = re.compile(r"'(?:''|[^'])*'|\"(?:\"\"|[^\"])*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)
_CHANGING = re.compile(
    r"\b(?:insert|update|delete|merge|replace\s+into|into|drop|alter|create|truncate|attach|detach|pragma|vacuum|reindex|grant|revoke|call|"
    r"copy|execute|lock|set|commit|rollback|begin)\b",
    re.IGNORECASE,
)


class Sql(ProbeModel):
    """What does the database hold?

    ```yaml
    sql:
      url: "sqlite:///${ledger}"
      query: "SELECT id, exchange_id, qty, fee FROM trades WHERE mode = :mode"
      params: {mode: testnet}
    expect: {count: {ge: 3}, truncated: false, rows[*].exchange_id: {unique: true}}
    ```

    Exactly one of `url` and `url_env` (the name of a variable, for an address with a password). The query is one SELECT or
    WITH; `:name` stands for a value of `params`. It runs read-only and is rolled back; a SQLite file that is missing is an
    error, not a new empty database. Binary fractions are told as the shortest decimal that means them, dates as ISO text,
    bytes as hexadecimal. No row is a fact, `count: 0`. Needs the extra `sql`.

    Facts: `count` (rows told), `rows` (list of mappings), `columns`, `truncated` (there are more than `limit`, 5,000),
    `first` (absent without rows), `database`.
    """

    word: ClassVar[str] = "sql"

    url: Text | None = None
    url_env: Text | None = None
    query: Text
    params: dict[Text, Any] = Field(default_factory=dict)
    limit: Annotated[int, Field(ge=1, le=100_000)] = 5_000

    @model_validator(mode="after")
    def _one_address(self) -> Sql:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("write exactly one of url and url_env")
        return self

    @field_validator("query")
    @classmethod
    def _only_reads(cls, query: str) -> str:
        code = _NOT_CODE.sub(" ", query).strip().rstrip(";").strip()
        if ";" in code:
            raise ValueError("must be one statement")
        if not re.match(r"(?:select|with)\b", code, re.IGNORECASE):
            raise ValueError("must begin with SELECT or WITH")
        changing = _CHANGING.search(code)
        if changing is not None:
            raise ValueError(f"must only read, but holds {changing[0].upper()} (a column of that name is written in quotes)")
        return query

    def secrets(self, context: Context) -> Iterable[str]:
        address = self._address(context, required=False)
        password = re.match(r"[^:/]+://[^:@/]*:(.+)@", address)
        return (password[1], address) if password else ()

    def look(self, context: Context) -> Facts:
        allowed = context.remaining()
        try:
            import sqlalchemy
            from sqlalchemy.exc import SQLAlchemyError
        except ImportError:
            raise MissingExtra("SQLAlchemy", "sql") from None
        address = self._address(context, required=True)
        try:
            engine, name = _engine(address, context)
        except ModuleNotFoundError as error:
            raise ProbeError(f"the database driver {error.name} is not installed", hint=f"pip install {error.name}") from None
        except SQLAlchemyError as error:
            raise ProbeError(f"this is not the address of a database: {type(error).__name__}", hint="correct the url") from None
        try:
            with engine.connect() as connection:
                _bound(connection, context)
                try:
                    result = connection.execute(sqlalchemy.text(self.query), self.params)
                    columns = list(result.keys())
                    found_rows = result.fetchmany(self.limit + 1)
                finally:
                    connection.rollback()
        except OverflowError as error:
            raise ProbeError(f"{name} cannot be asked so: {error}", hint="see params") from None
        except SQLAlchemyError as error:
            if context.remaining() <= 0:
                raise ProbeError(f"the query on {name} timed out after {spoken(allowed)}", hint="narrow the query") from None
            told = str(getattr(error, "orig", None) or error).partition("\n")[0].partition(" (Background")[0]
            raise ProbeError(f"{name} does not answer the query: {told}", hint="see the query and the schema") from None
        finally:
            engine.dispose()
        return self._facts(columns, found_rows, name)

    def _facts(self, columns: list[str], found_rows: Iterable[Any], name: str) -> dict[str, Any]:
        for column in columns:
            if columns.count(column) > 1:
                raise ProbeError(f"two columns are called {column}", hint="give each its own name with AS")
        rows = [{column: _plain(value) for column, value in zip(columns, row, strict=True)} for row in found_rows]
        facts: dict[str, Any] = {"database": name, "truncated": len(rows) > self.limit, "columns": columns}
        facts["rows"] = rows[: self.limit]
        facts["count"] = len(facts["rows"])
        return facts | ({"first": rows[0]} if rows else {})

    def _address(self, context: Context, *, required: bool) -> str:
        if self.url is not None:
            return self.url
        address = context.environ.get(self.url_env or "", "")
        if required and not address:
            raise ProbeError(
                f"the variable {self.url_env} is not set, so there is no database to ask", hint=f"set {self.url_env}"
            )
        return address


def _engine(address: str, context: Context) -> tuple[Any, str]:
    """An engine without a pool, and the name of the database without its password."""
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    url = sqlalchemy.make_url(address)
    name = url.render_as_string(hide_password=True)
    if url.get_backend_name() != "sqlite":
        return sqlalchemy.create_engine(url, poolclass=NullPool), name
    if not url.database or url.database == ":memory:":
        raise ProbeError("a SQLite database in memory is always empty", hint="name the file: sqlite:///path/ledger.db")
    path = absolute(context.root, url.database)
    if found(path) is None:
        raise ProbeError(f"the database {path} does not exist", hint="correct the path, or see why the service writes none")

    def connect() -> Any:
        import sqlite3

        return sqlite3.connect(
            f"file:{quote(path)}?mode=ro", uri=True, timeout=max(context.remaining(), 0.001), check_same_thread=False
        )

    return sqlalchemy.create_engine("sqlite://", creator=connect, poolclass=NullPool), path


def _bound(connection: Any, context: Context) -> None:
    """Read-only, and ended at the deadline, as far as this kind of database can be told so."""
    backend = connection.engine.dialect.name
    if backend == "sqlite":
        raw = connection.connection.driver_connection
        raw.execute("PRAGMA query_only = ON")
        raw.set_progress_handler(lambda: time.monotonic() > context.deadline, 10_000)
    elif backend == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, int(context.remaining() * 1000))}")
    elif backend in ("mysql", "mariadb"):
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    if value is None or isinstance(value, (bool, int, str, Decimal)):
        return value
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
