"""What the documents name exists: commands and their options, settings, links, and every piece of YAML is read by its loader."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
import yaml
from pydantic import BaseModel

from pytest_golive import checklist, config
from pytest_golive.cli import COMMANDS
from pytest_golive.rollback import plan as plans

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
        *(ROOT / "examples").glob("**/README.md"),
    ]
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
_FENCE = re.compile(r"^```([a-z]*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def spoken(text: str) -> Iterator[str]:
    """Every line of a fenced block of commands, and every piece of code in a sentence or a table."""
    for language, block in _FENCE.findall(text):
        if language in ("sh", "", "text", "console"):
            yield from (line.strip() for line in block.splitlines())
    yield from _SPAN.findall(_FENCE.sub("", text))


def options_of(word: str) -> set[str]:
    """All options of a command, those of its nested words included."""
    parser = argparse.ArgumentParser(prog="golive")
    parser.add_argument("--config")
    importlib.import_module(f"pytest_golive.cli.{word.replace('-', '_')}").arguments(parser)
    found: set[str] = set()
    rooms = [parser]
    while rooms:
        for action in rooms.pop()._actions:
            found |= {option for option in action.option_strings if option.startswith("--")}
            if isinstance(action, argparse._SubParsersAction):
                rooms += action.choices.values()
                found |= set(action.choices)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_command_and_option_exists(name: str) -> None:
    """Each `golive WORD` is a command, and each of its options and nested words is one."""
    wrong = []
    for line in spoken(text_of(name)):
        for match in re.finditer(r"(?:^|[\s$;&|(])golive ([a-z][a-z-]*)((?: [^\n`;|]*)?)", f" {line}"):
            word, rest = match[1], match[2].partition(" -- ")[0].partition(" #")[0]
            if word not in COMMANDS:
                wrong.append(line)
                continue
            known = options_of(word)
            wrong += [f"{line}: {option}" for option in re.findall(r"(?<!\S)\[?(--[a-z][a-z-]*)", rest) if option not in known]
            nested = re.match(r" ([a-z]+)\b", rest)
            if word in ("roster", "key", "journal") and nested and nested[1] not in known:
                wrong.append(f"{line}: {nested[1]}")
    assert wrong == []


def test_every_command_is_told() -> None:
    """Each command stands in a page of docs/, not only in `golive --help`."""
    told = " ".join(line for name in NAMES if name.startswith("docs/") for line in spoken(text_of(name)))
    assert [word for word in COMMANDS if not re.search(rf"golive {word}\b", told)] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_the_plugin_exists(name: str) -> None:
    """Each `--golive…` is an option that the plugin adds to pytest."""
    source = (ROOT / "pytest_golive" / "plugin.py").read_text(encoding="utf-8")
    known = set(re.findall(r'"(--golive[a-z-]*)"', source))
    assert set(re.findall(r"(?<![\w-])--golive[a-z-]*", text_of(name))) - known == set()


def headings(page: Path) -> set[str]:
    """The anchors of a page, as forges make them from its headings."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    """A relative link is a file of the repository, and what stands behind # is a heading of it."""
    wrong = []
    for link in _LINK.findall(_FENCE.sub("", text_of(name))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        there = (ROOT / name).parent / path if path else ROOT / name
        if not there.exists() or (anchor and anchor not in headings(there)):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/")])
def test_every_page_says_what_it_is_first(name: str) -> None:
    """A page begins with its one title of the first rank."""
    text = _FENCE.sub("", text_of(name))
    assert text.startswith("# ")
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1


def settings_of(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """The dotted names of all settings."""
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        yield f"{before}{name}"
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from settings_of(inner, f"{before}{name}.")
        for each in get_args(inner):
            if isinstance(each, type) and issubclass(each, BaseModel):
                yield from (f"{before}{name}.{one}" for one in each.model_fields)


SETTINGS = set(settings_of(config.Settings))


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_exists(name: str) -> None:
    """A dotted name that begins with a section of golive.yaml is a setting."""
    sections = {one.partition(".")[0] for one in SETTINGS if "." in one}
    wrong = []
    for span in _SPAN.findall(_FENCE.sub("", text_of(name))):
        match = re.fullmatch(r"([a-z_]+(?:\.[a-z_]+)+)(?:: .*)?", span)
        if match is None or match[1].partition(".")[0] not in sections or match[1].endswith((".yaml", ".toml", ".py")):
            continue
        dotted = re.sub(r"^profiles\.(micro|small|medium|large)\.", "profiles.", match[1])
        if dotted not in SETTINGS:
            wrong.append(span)
    assert wrong == []


def test_every_setting_is_told() -> None:
    """Each setting of golive.yaml stands in the table of docs/checklists.md, by its name."""
    table = text_of("docs/checklists.md").partition("## Settings: golive.yaml")[2].partition("\n## ")[0]
    missing = [one for one in sorted({one.partition(".")[0] for one in SETTINGS}) if f"`{one}" not in table]
    assert missing == ["version"]
    pages = " ".join(text_of(name) for name in NAMES if name.startswith("docs/"))
    parts = {one: one.rpartition(".")[2] for one in SETTINGS if "." in one}
    assert [one for one, part in parts.items() if not re.search(rf"[`{{ .\[]{part}\b[`:]|`{re.escape(one)}", pages)] == []


def test_every_page_is_linked_from_the_readme() -> None:
    """Whoever begins with the README finds every page of docs/."""
    linked = {link.partition("#")[0] for link in _LINK.findall(text_of("README.md"))}
    assert {name for name in NAMES if name.startswith("docs/")} - linked == set()


BLOCKS = [
    pytest.param(block, id=f"{name}:{text_of(name)[: text_of(name).index(block)].count(chr(10)) + 1}")
    for name in NAMES
    for language, block in _FENCE.findall(text_of(name))
    if language == "yaml"
]


class Piece(NamedTuple):
    """A piece of YAML and what reads it."""

    reader: str
    text: str


def pieces(block: str) -> Iterator[Piece]:
    """The block as whole files: a plan, a list, settings, or items made of what belongs into one."""
    value: Any = yaml.safe_load(re.sub(r"^\n", "", block)) if "\n\n" not in block.strip() else None
    whole = value if isinstance(value, dict) else yaml.safe_load(block) if block.startswith("version:") else None
    if isinstance(whole, dict):
        if "steps" in whole:
            yield Piece("plan", block)
            return
        if {"items", "extends"} & whole.keys():
            yield Piece("list", block.replace("../lists/", f"{ROOT}/checklists/"))
            return
        if whole.keys() <= set(config.Settings.model_fields):
            yield Piece("settings", block if "version" in whole else f"version: 1\n{block}")
            return
    for part in re.split(r"\n\n+", block.strip()):
        yield Piece("list", _as_item(part))


def _as_item(part: str) -> str:
    head = "id: piece\ntitle: A piece\nseverity: critical\nphase: pre-deploy\nowner: platform\nwhy: w\nfix: f\n"
    head += 'source: {document: "000", section: "1", line: 1}\n'
    lines = "\n".join(f"  {line}" for line in (head + part).splitlines())
    return f"version: 1\nchecklist: {{name: piece, title: A piece, owner: platform}}\nitems:\n- {lines.strip()}\n"


def _like(name: str, told: Any) -> Any:
    """A value of the kind that the variable of this name has on the desk."""
    if name.endswith("_port"):
        return 6379
    return told if isinstance(told, (list, dict)) else "http://127.0.0.1:1"


def test_a_word_that_is_no_command_would_be_found() -> None:
    """The looks above see what they are to find: a wrong command, option, nested word, link and setting."""
    assert list(spoken("```sh\ngolive activte\n```\nand `golive stop --raeson x`")) == [
        "golive activte",
        "golive stop --raeson x",
    ]
    assert "--reason" in options_of("stop")
    assert "--raeson" not in options_of("stop")
    assert {"verify", "--since"} <= options_of("journal")
    assert _LINK.findall("see [this](there.md#here)") == ["there.md#here"]
    assert {"activation.max_age", "profiles.needs", "on_stop.cancel"} <= SETTINGS
    assert {piece.reader for block in BLOCKS for piece in pieces(str(block.values[0]))} == {"plan", "settings", "list"}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_piece_of_yaml_is_read(block: str, tmp_path: Path) -> None:
    """Lists, items, settings and plans of the documents are read by the real loaders, without a fault."""
    told = yaml.safe_load((ROOT / "examples" / "desk" / "golive.yaml").read_text(encoding="utf-8"))["target"]["variables"]
    names = {*told, *re.findall(r"\$\{([a-z_]+)\}", block)}
    variables = {name: _like(name, told.get(name)) for name in names}
    for number, piece in enumerate(pieces(block)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(piece.text, encoding="utf-8")
        if piece.reader == "plan":
            assert plans.read(path, variables, root=tmp_path).steps
        elif piece.reader == "settings":
            assert config.load(path, {}).version == 1
        else:
            assert checklist.load([path], root=tmp_path, variables=variables, declared=variables)[0].items
