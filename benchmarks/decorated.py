"""Mutants of decorated functions, which mutmut leaves out: properties, and every operator of an expectation.

mutmut cannot put its trampoline under a decorator. Here its own mutations are taken, each in a fork that gets the changed module
in place of the real one, and the tests are run there until the first that fails. A fork that lasts longer than `PATIENCE` counts
as one that was noticed. Run it in the environment of `tox -e mutants`: `python -m benchmarks.decorated FILE:TEST[,TEST...] ...`
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from difflib import unified_diff
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_loader
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 20
"""Seconds."""


def mutants(path: Path) -> Iterator[str]:
    """The source of the file once for each mutation inside of a decorated function."""
    import libcst as cst
    from mutmut.mutation import file_mutation as made

    skip = made.MutationVisitor._skip_node_and_children

    def bare(self: Any, node: cst.CSTNode) -> bool:
        return False if isinstance(node, cst.FunctionDef) and node.decorators else bool(skip(self, node))

    class Decorated(cst.CSTVisitor):
        def __init__(self) -> None:
            self.nodes: set[int] = set()

        def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
            if node.decorators:
                self.nodes |= {id(child) for child in made._walk(node.body)}

    with mock.patch.object(made.MutationVisitor, "_skip_node_and_children", bare):
        module, found, *_ = made.create_mutations(str(path), path.read_text("utf-8"))
    inside = Decorated()
    module.visit(inside)
    for mutation in found:
        # texts are left out: what an operator wants and finds is compared whole by its tests
        if id(mutation.original_node) in inside.nodes and not isinstance(mutation.original_node, cst.BaseString):
            changed = made.deep_replace(module, mutation.original_node, mutation.mutated_node)
            assert isinstance(changed, cst.Module)
            yield changed.code


class Changed(SourceFileLoader):
    """Gives one module another source, and leaves nothing of it on the disk."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> Any:
        return compile(self._source, self.path, "exec")


class Finder:
    """Finds that module before anybody else does, pytest's rewriting of assertions included."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self._name, self._path, self._source = name, str(path), source

    def pytest_load_initial_conftests(self) -> None:
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        package = [str(Path(self._path).parent)] if self._path.endswith("__init__.py") else None
        loader = Changed(name, self._path, self._source)
        spec = spec_from_loader(name, loader, origin=self._path, is_package=package is not None)
        assert spec is not None
        spec.submodule_search_locations = package
        spec.has_location = True
        return spec


def noticed(path: Path, source: str, tests: list[str]) -> bool:
    """Whether the tests fail with this source in place of the file's."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    child = os.fork()
    if child == 0:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        signal.alarm(PATIENCE)
        code = 1
        with contextlib.suppress(BaseException):
            import pytest

            plain = ["-x", "-q", "-p", "no:golive", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
            code = int(pytest.main([*plain, *tests], plugins=[Finder(name, path, source)]))
        os._exit(code)
    return os.waitpid(child, 0)[1] != 0


def main(words: list[str]) -> int:
    """One line for each mutant that nobody noticed, and the figures of each file."""
    # what each fork needs is loaded once, and nothing of the product
    for name in ("cryptography.hazmat.primitives.serialization", "jsonpath", "jsonschema", "pytest"):
        import_module(name)
    os.chdir(ROOT)
    for word in words:
        file, _, named = word.partition(":")
        path, tests = ROOT / file, named.split(",")
        real = path.read_text("utf-8")
        if noticed(path, real, tests):
            raise SystemExit(f"{word}: the tests fail without a mutant")
        count = missed = 0
        for source in mutants(path):
            count += 1
            if not noticed(path, source, tests):
                missed += 1
                changed = list(unified_diff(real.splitlines(), source.splitlines(), n=0, lineterm=""))[2:]
                print(f"{file}: mutant {count}", *changed, sep="\n  ", flush=True)
        print(f"{file}: {count} mutants of decorated functions, {count - missed} noticed", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
