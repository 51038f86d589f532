"""`python -m examples.desk.drill [LIST …] [--item ID …] [--all]`: break the desk for every item, and print what was seen."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from examples.desk.drill.bench import Bench
from examples.desk.drill.drill import Drill, missing
from examples.desk.drill.table import tables
from examples.desk.errors import DeskError


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 only if every automated item has a fault that turns just it, and what is named with it, red."""
    parser = argparse.ArgumentParser(prog="python -m examples.desk.drill", description=__doc__)
    parser.add_argument("lists", nargs="*", metavar="LIST", help=f"of {', '.join(tables())} (default: all)")
    parser.add_argument("--item", action="append", default=[], help="only this item; may be given more than once")
    parser.add_argument(
        "--all", action="store_true", help="watch the items of all lists while something is broken, not only those of its own"
    )
    parser.add_argument("--home", type=Path, help="the home folder of the desk that is broken (default: a new one)")
    told = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="desk-drill-") as folder:
        try:
            with Bench(told.home or Path(folder, "home")) as bench:
                bad = sum(_one(bench, stem, told.item, everything=told.all) for stem in told.lists or tables())
        except DeskError as error:
            print(f"drill: {error}", file=sys.stderr)
            return 1
    return 1 if bad else 0


def _one(bench: Bench, stem: str, only: Sequence[str], *, everything: bool) -> int:
    """Drill one list; how many things are wrong."""
    drill = Drill(bench, stem, everything=everything)
    without, unknown = missing(drill.items, stem)
    bad = 0 if only else len(without) + len(unknown)
    print(f"== {stem}: {len(drill.items)} items")
    for identity in () if only else without:
        print(f"NO FAULT {identity}")
    for identity in () if only else unknown:
        print(f"NO ITEM  {identity}")
    for identity, finding in () if only else drill.before().items():
        bad += 1
        print(f"NOT GREEN BEFORE {identity}: {finding.outcome} {finding.reason}")
    tried = red = 0
    for seen in drill.run(only):
        tried += 1
        red += seen.outcome is not None
        bad += bool(seen.wrong)
        word = "WRONG" if seen.wrong else "RED  "
        print(f"{word} {seen.fault.item}  <- {seen.fault.told}  ({seen.seconds:.2f} s)")
        print(f"      {seen.wrong or f'{seen.outcome}: {seen.reason}'}")
        if seen.others and not seen.wrong:
            print(f"      with it: {', '.join(seen.others)}")
        sys.stdout.flush()
    if not only:
        for identity, finding in drill.before().items():
            bad += 1
            print(f"NOT GREEN AFTER {identity}: {finding.outcome} {finding.reason}")
    print(f"{stem}: {tried} faults, {red} seen red, {bad} wrong")
    return bad


if __name__ == "__main__":
    raise SystemExit(main())
