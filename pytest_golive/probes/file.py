"""A file: whether it is there, how old it is, its digest, and what stands in it."""

from __future__ import annotations

import configparser
import hashlib
import os
import stat
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from pytest_golive.errors import FaultyFile, ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Lane, ProbeModel, Size, Text, cut, plain_text
from pytest_golive.probes.paths import absolute, expand, found, has_glob, kind_of, read, read_some, unreadable
from pytest_golive.probes.reading import json_value

Format = Literal["text", "yaml", "json", "toml", "ini", "bytes"]


class File(ProbeModel):
    """What is there at this path, and what does it hold?

    ```yaml
    file: {path: "${config}/limits.yaml", format: yaml}
    expect: {exists: true, value.limits.max_position: {gt: 0, le: "0.20"}}
    ```

    `format` is text, yaml, json, toml, ini or bytes; without it the content is only hashed. Duplicate keys are an error in
    yaml, json, toml and ini. A file over `max_size` bytes (1,000,000) is an error if a format is asked. A `path` with `*`,
    `?` or `[…]` needs `newest: true` and is about the newest match. A folder that is missing or cannot be read is an error,
    never `exists: false`.

    Facts: `path` (absolute), `exists`, `directory_readable`, `matches` (with newest); if it is there `kind` (file,
    directory, symlink, other), `size`, `modified` (with zone), `sha256` (of a file within max_size); for a link `target`
    and `target_kind`; by format `value`, or `text` (shortened) and `lines` (their number).
    """

    word: ClassVar[str] = "file"
    lane: ClassVar[Lane] = "local"

    path: Text
    format: Format | None = None
    max_size: Size = 1_000_000
    newest: bool = False

    @model_validator(mode="after")
    def _glob_is_meant(self) -> File:
        if has_glob(self.path) and not self.newest:
            raise ValueError("a path with *, ? or [ ] needs newest: true")
        if "**" in self.path:
            raise ValueError("** is not supported in a path: name the folders")
        return self

    def look(self, context: Context) -> Facts:
        path = absolute(context.root, self.path)
        facts: dict[str, Any] = {"path": path, "exists": False, "directory_readable": True}
        if self.newest and has_glob(path):
            matches = expand(path)
            facts["matches"] = len(matches)
            if not matches:
                return facts
            path = facts["path"] = max(matches, key=_age)
        status = found(path)
        if status is None:
            return facts
        facts["kind"] = kind_of(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            facts["target"] = os.path.realpath(path)
            try:
                status = os.stat(path)
            except FileNotFoundError:
                return facts
            except OSError as error:
                raise unreadable(path, error) from None
            facts["target_kind"] = kind_of(status.st_mode)
        modified = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds")
        facts |= {"exists": True, "size": status.st_size, "modified": modified}
        if stat.S_ISREG(status.st_mode) or self.format is not None:
            facts |= self._content(path)
        return facts

    def _content(self, path: str) -> dict[str, Any]:
        if self.format is None:
            content, size = read_some(path, self.max_size)
            return {"sha256": hashlib.sha256(content).hexdigest()} if size <= self.max_size else {}
        content = read(path, self.max_size)
        facts: dict[str, Any] = {"sha256": hashlib.sha256(content).hexdigest()}
        if self.format == "bytes":
            return facts
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ProbeError(f"{path} is not UTF-8 at byte {error.start}", hint="save it as UTF-8") from None
        if self.format == "text":
            return facts | {"text": cut(plain_text(text)), "lines": len(text.splitlines())}
        return facts | {"value": parsed(text, self.format, path)}


def _age(path: str) -> tuple[float, str]:
    try:
        return os.stat(path).st_mtime, path
    except OSError:
        return 0.0, path


def parsed(text: str, format_: Format, path: str) -> Any:
    """The value of a text in a format; `ProbeError` with file and line if it cannot be read."""
    try:
        if format_ == "yaml":
            from pytest_golive import yaml12

            return yaml12.load(text, path)
        if format_ == "json":
            return json_value(text)
        if format_ == "toml":
            return _toml(text)
        return _ini(text)
    except FaultyFile as error:
        raise ProbeError(f"{error.faults[0]}", hint="correct the file") from None
    except (ValueError, configparser.Error) as error:
        told = str(error).replace("\n", " ").replace("<string>", path)
        raise ProbeError(f"{path} is not {format_}: {told}", hint="correct the file") from None


def _toml(text: str) -> Any:
    import tomllib
    from decimal import Decimal

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: told(part) for key, part in value.items()}
        if isinstance(value, list):
            return [told(part) for part in value]
        return value.isoformat() if hasattr(value, "isoformat") else value

    return told(tomllib.loads(text, parse_float=Decimal))


def _ini(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, strict=True, default_section="\0")
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(text)
    return {section: dict(parser.items(section)) for section in parser.sections()}
